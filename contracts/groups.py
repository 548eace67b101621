"""Groups of agencies 群组: a consortium 共联体, the units of a district, the rings of partners; members with dates.

A ring is a relation between two agencies, and it may change: it belongs to the list that one of them keeps, not to the
other's contract. 青浦 stands in the outer ring of 闵行, and 闵行 would stand in that of 青浦.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from contracts.errors import UnusableContract
from contracts.files import ContractPart, files, read
from contracts.periods import Dated, require_apart
from events.fields import AgencyCode


class Ring(StrEnum):
    """The ring of partners, as seen from a group's centre."""

    DISTRICT = "district"  # 区级联动: departments, teams, streets and towns of its own district
    NEIGHBOUR = "neighbour"  # 外区: the other districts of its city
    DELTA = "delta"  # 长三角: cities of other provinces


class Part(StrEnum):
    """The part of a member."""

    LEAD = "lead"  # 牵头
    MEMBER = "member"  # 成员
    GUIDE = "guide"  # 指导: over the group, not one of its units


class Membership(Dated):
    """An agency in a group. `source`: where its own part or period stands, if not where the group's does."""

    agency: AgencyCode
    role: Part = Part.MEMBER
    source: str | None = None


class Group(ContractPart):
    """One group. `centre`: the agency that keeps the list, from which the ring is seen."""

    code: str = Field(pattern=r"^[a-z0-9]+(?:-[a-z0-9]+)*$")
    name: str
    name_en: str
    centre: AgencyCode
    ring: Ring | None = None
    members: tuple[Membership, ...] = Field(min_length=1)
    source: str
    status: str

    @model_validator(mode="after")
    def _one_part_at_a_time(self) -> Self:
        require_apart((member.agency, member) for member in self.members)
        require_apart(("the lead", member) for member in self.members if member.role is Part.LEAD)
        return self

    def on(self, day: date, *roles: Part) -> tuple[AgencyCode, ...]:
        """Who has one of these parts on a day, in the order of the file."""
        return tuple(member.agency for member in self.members if member.role in roles and member.valid(day))


@dataclass(frozen=True, slots=True)
class Groups:
    """All groups."""

    by_code: Mapping[str, Group]

    def get(self, code: str) -> Group | None:
        """The group of that code."""
        return self.by_code.get(code)

    def members(self, group: str, on: date) -> tuple[AgencyCode, ...]:
        """Its units on a day, the lead first; who guides it is not one. Raises KeyError if there is no such group."""
        found = self.by_code[group]
        return found.on(on, Part.LEAD) + found.on(on, Part.MEMBER)

    def lead(self, group: str, on: date) -> AgencyCode | None:
        """The unit that leads it 牵头 on a day. Raises KeyError."""
        return next(iter(self.by_code[group].on(on, Part.LEAD)), None)

    def guides(self, group: str, on: date) -> tuple[AgencyCode, ...]:
        """Under whose guidance 指导 it is on a day. Raises KeyError."""
        return self.by_code[group].on(on, Part.GUIDE)

    def containing(self, agency: str, on: date) -> tuple[str, ...]:
        """The codes of the groups in which an agency has any part on a day."""
        return tuple(code for code, group in self.by_code.items() if agency in group.on(on, *Part))

    def ring(self, centre: str, agency: str, on: date) -> Ring | None:
        """The ring in which an agency is seen from a centre on a day; None for itself and whoever is in none."""
        rings = (
            group.ring for group in self.by_code.values() if group.centre == centre and agency in group.on(on, *Part)
        )
        return next((ring for ring in rings if ring is not None and agency != centre), None)


def collect(groups: Iterable[Group]) -> Groups:
    """These groups. Raises ValueError for a code that is used twice or an agency in two rings of one centre at once."""
    by_code: dict[str, Group] = {}
    for group in groups:
        if group.code in by_code:
            msg = f"group {group.code} stands in two files"
            raise ValueError(msg)
        by_code[group.code] = group
    _require_one_ring(by_code.values())
    return Groups(by_code)


def _require_one_ring(groups: Iterable[Group]) -> None:
    seen: dict[tuple[str, str], list[tuple[Ring, Membership]]] = {}
    placed = [(group.centre, group.ring, member) for group in groups if group.ring for member in group.members]
    for centre, ring, member in placed:
        before = seen.setdefault((centre, member.agency), [])
        if any(other is not ring and period.overlaps(member) for other, period in before):
            msg = f"{member.agency} stands in two rings of {centre} on one day"
            raise ValueError(msg)
        before.append((ring, member))


def load(overlay: Path | None = None) -> Groups:
    """The groups of `contracts/groups`; a deployment's overlay adds and replaces files. Raises UnusableContract."""
    try:
        return collect(read(Group, path) for path in files("groups", overlay))
    except ValueError as error:
        raise UnusableContract(f"contracts/groups: {error}") from error


@cache
def packaged() -> Groups:
    """The packaged groups."""
    return load()
