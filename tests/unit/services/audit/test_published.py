"""Published figures beside what was stated: counted, summed, compared; only what is meant, and only in the period."""

from datetime import date, datetime
from typing import Any

import pytest
from pydantic import JsonValue, ValidationError

from contracts.calendar import SHANGHAI
from contracts.figures import Publication
from contracts.seeds import packaged as seeds
from services.audit.published import Counting, Said
from tests.support.factory import world

BUREAU, TEAM, TOWN, CITY = "310112-cg", "310112102-cg", "310112102-jz", "320600-cg"


def publication(*derived: dict[str, Any], published: Any = 1) -> Publication:
    """Figures f0, f1, … of 2023."""
    return Publication.model_validate(
        {
            "id": "example",
            "title_zh": "示例",
            "title_en": "example",
            "agency": BUREAU,
            "begin": date(2023, 1, 1),
            "end": date(2023, 12, 31),
            "source": "示例",
            "status": "example",
            "figures": [
                {
                    "name": f"f{n}",
                    "title_zh": "示例",
                    "unit": "件",
                    "seed": "S3",
                    "published": published,
                    "derived": item,
                }
                for n, item in enumerate(derived)
            ],
            "inconsistencies": ["两个口径"],
        }
    )


def said(
    name: str, source: str = BUREAU, *, at: str = "2023-06-01T10:00", case: str = "SYN-1", **data: JsonValue
) -> Said:
    instant = datetime.fromisoformat(at).replace(tzinfo=SHANGHAI)
    return Said(f"cn.liandong.{name}.v1", source, instant, case, data)


def figures(counting: Counting) -> list[Any]:
    found = counting.document()["figures"]
    assert isinstance(found, list)
    return found


def derived(*threads: list[Said], by: dict[str, Any]) -> Any:
    """What one derivation gives, with exchanges in this order."""
    counting = Counting(publication(by))
    for thread in threads:
        counting.add(thread[0], thread)
    return figures(counting)[0]["derived"]


ORDER = {"derive": "count", "kind": "workorder", "fact": "dispatched"}


def test_a_count_is_of_the_facts_that_have_the_members() -> None:
    orders = [[said("workorder.dispatched", channel=channel)] for channel in ("grid", "early", "grid")]
    assert derived(*orders, by=ORDER) == 3
    assert derived(*orders, by={**ORDER, "where": {"channel": ["grid"]}}) == 2
    assert derived(*orders, by={**ORDER, "where": {"channel": ["grid", "early"]}}) == 3
    assert derived(*orders, by={**ORDER, "where": {"limit": ["wd5"]}}) == 0


def test_a_fact_may_be_counted_by_how_its_exchange_was_opened() -> None:
    opened = said("workorder.dispatched", recipient=TEAM, channel="grid")
    thread = [opened, said("workorder.done", TEAM)]
    done = {"derive": "count", "kind": "workorder", "fact": "done"}
    assert derived(thread, by={**done, "opening": {"channel": ["grid"]}}) == 1
    assert derived(thread, by={**done, "opening": {"channel": ["early"]}}) == 0
    assert derived(thread, by={**done, "to": ["3101*-cg"], "by": ["310112102-*"]}) == 1
    assert derived(thread, by={**done, "to": ["*-jz"]}) == 0
    assert derived(thread, by={**done, "by": [BUREAU]}) == 0


@pytest.mark.parametrize(
    ("at", "counts"),
    [
        ("2022-12-31T23:59:59", 0),
        ("2023-01-01T00:00", 1),
        ("2023-12-31T23:59:59", 1),
        ("2024-01-01T00:00", 0),
    ],
)
def test_the_last_day_is_included_and_nothing_after_it(at: str, counts: int) -> None:
    assert derived([said("workorder.dispatched", at=at)], by=ORDER) == counts


def test_what_was_opened_before_counts_when_it_is_stated() -> None:
    thread = [said("workorder.dispatched", at="2022-12-30T10:00", channel="grid"), said("workorder.done", TEAM)]
    done = {"derive": "count", "kind": "workorder", "fact": "done", "opening": {"channel": ["grid"]}}
    assert derived(thread, by=done) == 1


def test_a_sum_and_the_items_of_a_list() -> None:
    notices = [[said("notice.sent", decision={"fine": fine, "off_site": fine < 60})] for fine in (50, 200)]
    fines = {"derive": "sum", "member": "decision/fine", "kind": "notice", "fact": "sent"}
    assert derived(*notices, by=fines) == 250
    assert derived(*notices, by={**fines, "where": {"decision/off_site": [True]}}) == 50
    comment = [said("filing.commented", problems=[{"number": 1}, {"number": 2}])]
    assert derived(comment, by={"derive": "count", "items": "problems", "kind": "filing", "fact": "commented"}) == 2


@pytest.mark.parametrize(("linked", "share"), [(0, "0.00"), (1, "33.33"), (2, "66.67")])
def test_a_share_has_two_digits_rounded_half_up(linked: int, share: str) -> None:
    threads = [
        [said("workorder.dispatched"), *([said("workorder.case_linked", TEAM)] if n < linked else [])] for n in range(3)
    ]
    part = {"derive": "count", "kind": "workorder", "fact": "case_linked"}
    assert derived(*threads, by={"derive": "share", "part": part, "whole": ORDER}) == share


def test_a_share_of_nothing_is_none() -> None:
    assert derived(by={"derive": "share", "part": ORDER, "whole": ORDER}) is None


def test_a_total_is_of_several() -> None:
    letters = [[said("letter.issued", channel=channel)] for channel in ("bureau", "consortium", "consortium")]
    of = [
        {"derive": "count", "kind": "letter", "fact": "issued", "where": {"channel": [c]}}
        for c in ("bureau", "consortium")
    ]
    assert derived(*letters, by={"derive": "total", "of": of}) == 3


def test_an_exchange_is_between_sides_whoever_opened_it() -> None:
    leads = [
        [said("lead.opened", CITY, recipients=[BUREAU])],
        [said("lead.opened", BUREAU, recipients=[CITY, "330400-cg"])],
        [said("lead.opened", BUREAU, recipients=["310118-cg"])],
        [said("lead.opened", "320500-cg", recipients=["310118-cg"])],
    ]
    opened = {"derive": "count", "kind": "lead", "fact": "opened", "between": [[BUREAU], ["32*-cg", "33*-cg"]]}
    assert derived(*leads, by=opened) == 2
    assert derived(*leads, by={**opened, "agencies": ["32*-cg", "33*-cg"]}) == 2


@pytest.mark.parametrize("first", [True, False])
def test_what_stands_under_an_operation_counts_in_whichever_order_they_come(first: bool) -> None:
    road = [said("jointop.proposed", case="SYN-road", programme="road")]
    other = [said("jointop.proposed", case="SYN-other", programme="consortium")]
    fines = [
        [said("notice.sent", case=f"SYN-{case}", decision={"fine": 100})] for case in ("road", "road", "other", "no")
    ]
    under = {"kind": "jointop", "opening": {"programme": ["road"]}}
    by = {"derive": "sum", "member": "decision/fine", "kind": "notice", "fact": "sent", "under": under}
    threads = [road, other, *fines] if first else [*fines, other, road]
    assert derived(*threads, by=by) == 200
    assert Counting(publication(by)).kinds == {"notice", "jointop"}


def test_the_document_says_what_is_equal_and_what_does_not_fit() -> None:
    counting = Counting(publication(ORDER, {**ORDER, "where": {"channel": ["grid"]}}))
    counting.add(opened := said("workorder.dispatched", channel="early"), [opened])
    document = counting.document()
    assert [item["equal"] for item in figures(counting)] == [True, False]
    assert [item["derived"] for item in figures(counting)] == [1, 0]
    assert document["inconsistencies"] == ["两个口径"]


@pytest.mark.parametrize(
    "wrong",
    [
        {**ORDER, "items": "links", "agencies": ["*"]},
        {**ORDER, "agencies": ["*"], "under": {"kind": "jointop"}},
        {**ORDER, "where": {"Channel": ["grid"]}},
        {"derive": "total", "of": [ORDER]},
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        publication(wrong)


def test_minhang_2023_has_every_figure_that_the_checklist_names_for_it() -> None:
    (minhang,) = (item for item in world().figures if item.id == "minhang-2023")
    (section,) = (item for item in seeds() if item.section == "4.5")
    named = {carrier.figure for row in section.rows if "S3" in row.seed for carrier in row.carried if carrier.figure}
    assert {figure.name for figure in minhang.figures} == named
    assert minhang.covers(date(2023, 1, 1), date(2023, 12, 31))
    assert not minhang.covers(date(2023, 1, 1), date(2023, 12, 30))
