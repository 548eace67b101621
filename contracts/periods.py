"""Periods of days: from and including `valid_from`, up to and without `valid_to`, as with the rules of law."""

from collections.abc import Iterable
from datetime import date
from itertools import combinations
from typing import Self

from pydantic import model_validator

from contracts.files import ContractPart


class Dated(ContractPart):
    """Something that counts for a period of days; an end that is not known is open."""

    valid_from: date | None = None
    valid_to: date | None = None

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        if self.valid_from is not None and self.valid_to is not None and self.valid_from >= self.valid_to:
            msg = "valid_from must be before valid_to"
            raise ValueError(msg)
        return self

    @property
    def period(self) -> str:
        """The period in words, such as `2024-01-01 to now`; empty if neither end is known."""
        if self.valid_from is None and self.valid_to is None:
            return ""
        return f"{self.valid_from or '?'} to {self.valid_to or 'now'}"

    def valid(self, day: date) -> bool:
        """Whether it counts on a day."""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day < self.valid_to)

    def overlaps(self, other: "Dated") -> bool:
        """Whether there is a day on which both count."""
        return _begins_before_end(self, other) and _begins_before_end(other, self)


def require_apart(entries: Iterable[tuple[str, Dated]]) -> None:
    """Raises ValueError for two entries of one name that count on one day."""
    for (name, one), (same, other) in combinations(entries, 2):
        if name == same and one.overlaps(other):
            msg = f"{name} stands twice on one day"
            raise ValueError(msg)


def _begins_before_end(one: Dated, other: Dated) -> bool:
    return one.valid_from is None or other.valid_to is None or one.valid_from < other.valid_to
