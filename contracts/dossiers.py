"""Dossier sets 建档材料: which items make a dossier whole, as in 一户一档 with 一照两证三图.

The dossier itself stays in its archive; an event names its number and may bring the items of a set.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from contracts.errors import UnusableContract
from contracts.files import ContractPart, files, read
from events.parts import Archive, GroundCode


class DossierItem(ContractPart):
    """One item of a set."""

    code: GroundCode
    title_zh: str
    title_en: str
    source: str


class DossierSet(ContractPart):
    """A set of items; `archives`: whose dossiers it makes whole. `verified`: its content was read in its source."""

    code: GroundCode
    title_zh: str
    title_en: str
    archives: tuple[Archive, ...] = Field(min_length=1)
    items: tuple[DossierItem, ...] = Field(min_length=1)
    source: str
    verified: bool
    status: str

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        codes = [item.code for item in self.items]
        if len(set(codes)) != len(codes):
            msg = f"an item stands twice in {self.code}"
            raise ValueError(msg)
        return self

    def missing(self, items: Iterable[str]) -> tuple[DossierItem, ...]:
        """What is not among the codes of these items, in the order of the set."""
        there = set(items)
        return tuple(item for item in self.items if item.code not in there)


@dataclass(frozen=True, slots=True)
class Dossiers:
    """All sets."""

    by_code: Mapping[str, DossierSet]

    def get(self, code: str) -> DossierSet | None:
        """The set of that code."""
        return self.by_code.get(code)

    def missing(self, set_code: str, items: Iterable[str]) -> tuple[DossierItem, ...]:
        """What a set still needs beside these items. Raises KeyError if there is no such set."""
        return self.by_code[set_code].missing(items)


def collect(sets: Iterable[DossierSet]) -> Dossiers:
    """These sets. Raises ValueError for a code that is used twice."""
    by_code: dict[str, DossierSet] = {}
    for item in sets:
        if item.code in by_code:
            msg = f"set {item.code} stands in two files"
            raise ValueError(msg)
        by_code[item.code] = item
    return Dossiers(by_code)


def load(overlay: Path | None = None) -> Dossiers:
    """The sets of `contracts/dossiers`; a deployment's overlay adds and replaces files. Raises UnusableContract."""
    try:
        return collect(read(DossierSet, path) for path in files("dossiers", overlay))
    except ValueError as error:
        raise UnusableContract(f"contracts/dossiers: {error}") from error


@cache
def packaged() -> Dossiers:
    """The packaged sets."""
    return load()
