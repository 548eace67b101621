"""Grounds 理由: for what a fact may refuse, return, forward or end, with the provision behind each.

A ground that the law bars stands here too, with what to state instead, so that the answer can say so.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from contracts.files import ContractPart, files, read
from events.parts import GroundCode


class GroundRule(ContractPart):
    """One ground. `facts` are the facts of the kind that may rest on it."""

    code: GroundCode
    title_zh: str
    title_en: str
    facts: tuple[str, ...]
    names_competent_body: bool = False
    barred: bool = False
    instead: str | None = None
    legal_basis: str
    source: str
    verified: bool
    valid_from: date | None = None
    valid_to: date | None = None

    def in_force(self, on: date) -> bool:
        """Whether the provision behind the ground counts on the day."""
        return (self.valid_from is None or self.valid_from <= on) and (self.valid_to is None or on < self.valid_to)


class KindGrounds(ContractPart):
    """The grounds of one kind of exchange."""

    kind: str
    grounds: tuple[GroundRule, ...]


@dataclass(frozen=True, slots=True)
class Grounds:
    """All grounds, by kind."""

    by_kind: Mapping[str, tuple[GroundRule, ...]]

    def of(self, kind: str, fact: str, on: date) -> dict[str, GroundRule]:
        """The grounds on which a fact may rest on a day, barred ones included, by code."""
        rules = self.by_kind.get(kind, ())
        return {rule.code: rule for rule in rules if fact in rule.facts and rule.in_force(on)}


def load(overlay: Path | None = None) -> Grounds:
    """The grounds of `contracts/grounds`. Raises UnusableContract."""
    return _collect(read(KindGrounds, path) for path in files("grounds", overlay))


def _collect(found: Iterable[KindGrounds]) -> Grounds:
    return Grounds({item.kind: item.grounds for item in found})
