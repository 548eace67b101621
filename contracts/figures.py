"""Published figures 公布数据: what a document says was counted in a period, and how the same is derived from the log.

A file of `contracts/figures/` holds the figures of one place and period. What is derived counts facts that were
accepted in the period, sums a member of them, or sets two such numbers against each other.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, StrictBool, StrictInt, StrictStr, model_validator

from contracts.files import ContractPart, files, read
from events.fact import PREFIX
from events.fields import AgencyCode, Kind

Value = StrictBool | StrictInt | StrictStr
Path_ = Annotated[str, Field(pattern=r"^[a-z_]+(?:/[a-z_]+)*$")]
"""A member of `data`, such as `decision/fine`; of a list, any of its items."""

Members = Mapping[Path_, tuple[Value, ...]]
"""Members that have one of these values."""


class Under(ContractPart):
    """Another exchange of the same case: of a kind, with these members in the fact that opened it."""

    kind: Kind
    opening: Members = Field(default_factory=dict)


class Selection(ContractPart):
    """Which facts: of a kind, by short name.

    where: members of the fact; opening: of the fact that opened the exchange. by, to: who stated it, and whom the
    opening addressed, by patterns such as `*-jz`. between: of each of these groups of patterns, somebody opened the
    exchange or was addressed by it. under: another exchange of the same case.
    """

    kind: Kind
    fact: str
    where: Members = Field(default_factory=dict)
    opening: Members = Field(default_factory=dict)
    by: tuple[str, ...] = ()
    to: tuple[str, ...] = ()
    between: tuple[tuple[str, ...], ...] = ()
    under: Under | None = None

    @property
    def type(self) -> str:
        """The type on the wire."""
        return f"{PREFIX}.{self.kind}.{self.fact}.v1"


class Count(Selection):
    """How many facts; with `items`, how many items a list in them has.

    `agencies`: how many different agencies of these patterns opened the exchanges or were addressed by them.
    """

    derive: Literal["count"]
    items: Path_ | None = None
    agencies: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if self.items is not None and self.agencies:
            msg = "`items` or `agencies`, not both"
            raise ValueError(msg)
        if self.agencies and self.under:
            msg = "agencies are not counted `under` another exchange"
            raise ValueError(msg)
        return self


class Sum(Selection):
    """The sum of a whole number in facts, such as money in 分."""

    derive: Literal["sum"]
    member: Path_


class Share(ContractPart):
    """One count in per cent of another, with two decimals, rounded half up."""

    derive: Literal["share"]
    part: Count
    whole: Count


class Total(ContractPart):
    """The sum of several counts or sums."""

    derive: Literal["total"]
    of: tuple[Count | Sum, ...] = Field(min_length=2)


Derivation = Annotated[Count | Sum | Share | Total, Field(discriminator="derive")]


class Figure(ContractPart):
    """One published number. `published`: whole, money in 分, or per cent as a decimal with two digits in a string."""

    name: str = Field(pattern=r"^[a-z0-9]+(?:_[a-z0-9]+)*$")
    title_zh: str
    unit: str
    seed: str
    published: int | str
    derived: Derivation

    def selections(self) -> tuple[Count | Sum, ...]:
        """What has to be counted for it."""
        match self.derived:
            case Share(part=part, whole=whole):
                return part, whole
            case Total(of=of):
                return of
            case Count() | Sum() as one:
                return (one,)


class Publication(ContractPart):
    """The figures of one place and period, with what in them does not fit. `source`: the document, in words."""

    id: str = Field(pattern=r"^[a-z0-9]+(?:-[a-z0-9]+)*$")
    title_zh: str
    title_en: str
    agency: AgencyCode
    begin: date
    end: date
    source: str
    status: str
    figures: tuple[Figure, ...] = Field(min_length=1)
    inconsistencies: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        names = [item.name for item in self.figures]
        if len(set(names)) != len(names):
            msg = f"a figure of {self.id} stands there twice"
            raise ValueError(msg)
        return self

    def covers(self, begin: date, end: date) -> bool:
        """Whether its whole period lies within these days, the last one included."""
        return begin <= self.begin and self.end <= end


def load(overlay: Path | None = None) -> tuple[Publication, ...]:
    """The publications of `contracts/figures`. Raises UnusableContract."""
    return _collect(read(Publication, path) for path in files("figures", overlay))


def _collect(found: Iterable[Publication]) -> tuple[Publication, ...]:
    return tuple(sorted(found, key=lambda item: item.id))


@cache
def packaged() -> tuple[Publication, ...]:
    """The packaged publications."""
    return load()
