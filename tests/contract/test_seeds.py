"""The seeds' checklist: everything that they name has a carrier that there is, or a reason why it is outside."""

import re
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest
from pydantic import ValidationError

from contracts.files import PACKAGED
from contracts.seeds import Carrier, Row, Section, packaged, page
from events.registry import COMMON_KIND, facts, kind_of, kinds

ROOT: Final = Path(__file__).parents[2]
SECTIONS: Final = packaged()
ROWS: Final = [(section.section, row) for section in SECTIONS for row in section.rows]
SHORT_NAMES: Final = {(kind_of(type_), fact.name()) for type_, fact in facts().items()}
FIGURES: Final = next(section for section in SECTIONS if section.section == "4.5")


def of_minhang_2023() -> dict[str, Row]:
    return {
        carrier.figure: row for row in FIGURES.rows if "S3" in row.seed for carrier in row.carried if carrier.figure
    }


def test_every_section_of_the_inventory_is_there() -> None:
    assert [section.section for section in SECTIONS] == ["4.1", "4.1b", "4.2", "4.3", "4.4", "4.5", "4.6"]


def test_every_row_has_a_carrier_or_a_reason() -> None:
    for section, row in ROWS:
        assert row.carried or row.outside, (section, row.zh)
        assert row.seed or "not in the seeds" in row.gloss, (section, row.zh)


def test_every_carrier_is_there() -> None:
    known = {*kinds(), COMMON_KIND}
    for section, row in ROWS:
        for carrier in row.carried:
            where = (section, row.zh, str(carrier))
            assert carrier.kind is None or carrier.kind in known, where
            assert carrier.fact is None or (carrier.kind, carrier.fact) in SHORT_NAMES, where
            assert carrier.registry is None or any((PACKAGED / carrier.registry).iterdir()), where


def test_no_row_stands_twice() -> None:
    for section in SECTIONS:
        assert max(Counter((row.zh, row.seed) for row in section.rows).values()) == 1, section.section


def test_every_kind_carries_something() -> None:
    carriers = {carrier.kind for _, row in ROWS for carrier in row.carried}
    assert set(kinds()) <= carriers


def test_a_figure_is_named_once_for_each_seed() -> None:
    named = [(carrier.figure, row.seed) for row in FIGURES.rows for carrier in row.carried if carrier.figure]
    assert max(Counter(named).values()) == 1


def test_a_figure_named_elsewhere_is_one_of_the_figures() -> None:
    known = {carrier.figure for row in FIGURES.rows for carrier in row.carried}
    assert {carrier.figure for _, row in ROWS for carrier in row.carried} <= known


def test_a_figure_says_from_what_it_is_counted() -> None:
    for row in FIGURES.rows:
        if any(carrier.figure for carrier in row.carried):
            assert any(carrier.kind for carrier in row.carried), row.zh


@pytest.mark.parametrize(
    ("whole", "parts"),
    [
        ("hotline_orders", ("hotline_12345_orders", "hotline_12319_orders", "hotline_962000_orders")),
        ("decisions", ("decisions_simple", "decisions_ordinary")),
        ("fines", ("fines_simple", "fines_ordinary")),
    ],
)
def test_what_the_seed_adds_up_adds_up(whole: str, parts: tuple[str, ...]) -> None:
    rows = of_minhang_2023()

    def published(figure: str) -> Decimal:
        """The last number in the seed's words: 12345平台14400件."""
        return Decimal(re.findall(r"[0-9]+(?:\.[0-9]+)?", rows[figure].zh)[-1])

    assert published(whole) == sum(map(published, parts))


def test_counters_that_the_seeds_keep_apart_are_apart() -> None:
    """Two letters of the bureau and twenty of the consortium; 35, 8 and 922 joint operations (4.6)."""
    rows = of_minhang_2023()
    apart = ("joint_operations_via_consortium", "road_operations", "community_operations")
    assert len({id(rows[figure]) for figure in (*apart, "letters_by_bureau", "letters_via_consortium")}) == 5


@pytest.mark.parametrize(
    "carrier",
    [{}, {"kind": "lead", "registry": "groups"}, {"fact": "opened"}, {"registry": "elsewhere"}, {"figure": "No 1"}],
)
def test_a_carrier_is_one_thing(carrier: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Carrier.model_validate(carrier)


def test_what_nothing_carries_needs_its_reason() -> None:
    with pytest.raises(ValidationError, match="outside"):
        Row(zh="赋能", gloss="watchword", seed=("S3",))


def test_the_page_counts_what_is_carried_in_part() -> None:
    carrier = Carrier(kind="lead")
    rows = (
        Row(zh="甲", gloss="a", seed=("S3",), carried=(carrier,)),
        Row(zh="乙", gloss="b|c", seed=("S3",), carried=(carrier,), outside="half"),
        Row(zh="丙", gloss="c", seed=("S3",), outside="whole"),
    )
    drawn = page([Section(section="4.9", title_zh="例", title_en="Example", rows=rows)])
    assert "| 4.9 Example 例 | 3 | 1 | 1 | 1 |" in drawn
    assert "| 乙 | b&#124;c | S3 | `lead` | half |" in drawn


def test_the_reference_page_is_drawn_from_the_data() -> None:
    assert (ROOT / "docs" / "reference" / "seeds.md").read_text(encoding="utf-8") == page(SECTIONS)
