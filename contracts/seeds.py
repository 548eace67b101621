"""The seeds' checklist: every mechanism, party and figure that the seed documents name, and what carries it.

The page of it: `python -m contracts.seeds docs/reference/seeds.md`. The seeds are public documents of Shanghai bureaux:
S0 闵行 2022, S1 four on-site meetings of 2017, S2 嘉定 2023, S3 闵行 2023, S4 徐汇 2016.
"""

import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from contracts.files import ContractPart, files, read
from events.fields import Kind

Registry = Literal["agencies", "groups", "subscriptions", "dossiers", "agreements", "clocks", "codes", "crosswalk"]
"""A folder of `contracts/`."""


class Carrier(ContractPart):
    """What carries a row: exactly one of a kind (with the fact, where it is one), a registry, a figure."""

    kind: Kind | None = None
    fact: str | None = None
    registry: Registry | None = None
    figure: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9]*(?:_[a-z0-9]+)*$")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if [self.kind, self.registry, self.figure].count(None) != 2 or (self.fact and not self.kind):
            msg = "a carrier is one of kind (and its fact), registry and figure"
            raise ValueError(msg)
        return self

    def __str__(self) -> str:
        if self.figure:
            return f"figure `{self.figure}`"
        if self.registry:
            return f"registry `{self.registry}`"
        return f"`{self.kind}.{self.fact}`" if self.fact else f"`{self.kind}`"


class Row(ContractPart):
    """One thing that the seeds name. `carried`, or `outside` with the reason; both where a part of it is outside."""

    zh: str
    gloss: str
    seed: tuple[Literal["S0", "S1", "S2", "S3", "S4"], ...]
    carried: tuple[Carrier, ...] = ()
    how: str | None = None
    outside: str | None = None

    @model_validator(mode="after")
    def _accounted_for(self) -> Self:
        if not self.carried and not self.outside:
            msg = "what nothing carries needs its reason in `outside`"
            raise ValueError(msg)
        return self


class Section(ContractPart):
    """A file of `contracts/seeds/`: one section of the inventory."""

    section: str
    title_zh: str
    title_en: str
    rows: tuple[Row, ...]


def load(overlay: Path | None = None) -> tuple[Section, ...]:
    """The checklist, in the order of its files. Raises UnusableContract."""
    return tuple(read(Section, path) for path in files("seeds", overlay))


@cache
def packaged() -> tuple[Section, ...]:
    """The packaged checklist."""
    return load()


_PREFACE: Final = """\
# The seeds' checklist 种子清单

Drawn from `contracts/seeds`; do not edit. Every mechanism, ledger, party and figure that the five seed documents name,
and what carries it on the bus: a kind of exchange and its fact, a registry in `contracts/`, or a figure that is counted
from what was stated. What a document exchange cannot see, or should not, stands under *outside*, with the reason.

S0 闵行 2022 feature, S1 four on-site meetings of 2017, S2 嘉定 2023 report, S3 闵行 2023 summary and 2024 plan,
S4 徐汇 2016 feature.
"""


def page(sections: Iterable[Section]) -> str:
    """Markdown: a table for each section, under a count of what is carried."""
    sections = list(sections)
    return "\n".join([_PREFACE, _summary(sections), *map(_section, sections)])


def _summary(sections: list[Section]) -> str:
    rows = [
        _cells(
            f"{item.section} {item.title_en} {item.title_zh}",
            str(len(item.rows)),
            str(sum(bool(row.carried) and not row.outside for row in item.rows)),
            str(sum(bool(row.carried and row.outside) for row in item.rows)),
            str(sum(not row.carried for row in item.rows)),
        )
        for item in sections
    ]
    return "\n".join(["| section | rows | carried | in part | outside |", "|---|---|---|---|---|", *rows, ""])


def _section(section: Section) -> str:
    return "\n".join(
        [
            f"## {section.section} {section.title_en} {section.title_zh}",
            "",
            "| seeds' word | gloss | seed | carried by | outside |",
            "|---|---|---|---|---|",
            *map(_row, section.rows),
            "",
        ]
    )


def _row(row: Row) -> str:
    carried = ", ".join(map(str, row.carried)) + (f"<br>{row.how}" if row.how else "")
    return _cells(row.zh, row.gloss, ", ".join(row.seed), carried, row.outside or "")


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def write(paths: Iterable[Path]) -> None:
    """Write the page."""
    for path in paths:
        path.write_text(page(packaged()), encoding="utf-8")


if __name__ == "__main__":
    write(map(Path, sys.argv[1:]))
