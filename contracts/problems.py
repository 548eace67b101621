"""Problems and rejections: each code's HTTP status and its words. One place for everything that a caller is told."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

from pydantic import Field

from contracts.errors import UnusableContract
from contracts.files import ContractPart, files, read

REJECTED: Final = 409
"""The status of every rejection by a registrar that has none of its own."""


class Problem(ContractPart):
    """One kind of problem. `help_*` says what the caller can do."""

    status: int = Field(REJECTED, ge=400, le=599)
    title_zh: str
    title_en: str
    help_zh: str | None = None
    help_en: str | None = None


class _Problems(ContractPart):
    problems: Mapping[str, Problem]


@cache
def problems() -> Mapping[str, Problem]:
    """Every code and what it means. A kind's own codes stand in a file of its name. Raises UnusableContract."""
    found: dict[str, Problem] = {}
    for path in files("problems", None):
        entries = read(_Problems, path).problems
        twice = sorted(found.keys() & entries.keys())
        if twice:
            raise UnusableContract(f"{path}: another file has {', '.join(twice)}")
        found |= entries
    return MappingProxyType(found)


def problem(code: str) -> Problem:
    """What a code means. Raises KeyError for a code that stands in no contract: that is a fault of ours."""
    return problems()[code]
