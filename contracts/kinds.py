"""Kinds of exchange 业务类型: who registers them, what they and their statuses are called, and where no clock runs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from contracts.errors import UnusableContract
from contracts.files import ContractPart, files, read
from events.fields import Kind


class KindContract(ContractPart):
    """One kind. `registrar`: the service that decides it.

    statuses, legs: what each status of the exchange, and of a leg, is called. unclocked: the statuses in which somebody
    is to move and no clock runs, and why that is so.
    """

    kind: Kind
    registrar: str
    title_zh: str
    title_en: str
    statuses: Mapping[str, str]
    legs: Mapping[str, str] = {}
    unclocked: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Kinds:
    """All kinds, by name."""

    by_name: Mapping[str, KindContract]

    def registrar_of(self, kind: str) -> str | None:
        """The service that registers a kind."""
        found = self.by_name.get(kind)
        return found.registrar if found else None

    @property
    def registrars(self) -> tuple[str, ...]:
        """The services that register kinds."""
        return tuple(sorted({item.registrar for item in self.by_name.values()}))


def collect(found: Iterable[KindContract]) -> Kinds:
    """These kinds. Raises ValueError for a kind that stands there twice."""
    by_name: dict[str, KindContract] = {}
    for item in found:
        if item.kind in by_name:
            msg = f"kind {item.kind} stands in two contracts"
            raise ValueError(msg)
        by_name[item.kind] = item
    return Kinds(by_name)


def load(overlay: Path | None = None) -> Kinds:
    """The kinds of `contracts/kinds`. Raises UnusableContract."""
    try:
        return collect(read(KindContract, path) for path in files("kinds", overlay))
    except ValueError as error:
        raise UnusableContract(f"contracts/kinds: {error}") from error


@cache
def packaged() -> Kinds:
    """The packaged kinds."""
    return load()
