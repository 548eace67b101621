"""Subscriptions 订阅: who gets which series of bulletins 通报, since when and until when."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from contracts.errors import UnusableContract
from contracts.files import ContractPart, files, read
from contracts.periods import Dated, require_apart
from events.fields import AgencyCode


class Subscriber(Dated):
    """An agency that gets a series. `source`: where its own place or period stands, if not where the series' does."""

    agency: AgencyCode
    source: str | None = None


class Series(ContractPart):
    """One series of bulletins of one publisher, as in `penalty-list` 行政处罚企业名单通报."""

    code: str = Field(pattern=r"^[a-z]+(?:-[a-z]+)*$")
    title_zh: str
    title_en: str
    publisher: AgencyCode
    subscribers: tuple[Subscriber, ...]
    legal_basis: str
    source: str
    status: str

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        require_apart((subscriber.agency, subscriber) for subscriber in self.subscribers)
        if any(subscriber.agency == self.publisher for subscriber in self.subscribers):
            msg = f"{self.publisher} publishes the series and does not subscribe to it"
            raise ValueError(msg)
        return self

    def on(self, day: date) -> tuple[AgencyCode, ...]:
        """Who gets it on a day, in the order of the file."""
        return tuple(subscriber.agency for subscriber in self.subscribers if subscriber.valid(day))


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """All series."""

    by_code: Mapping[str, Series]

    def get(self, series: str) -> Series | None:
        """The series of that code."""
        return self.by_code.get(series)

    def subscribers(self, series: str, on: date) -> tuple[AgencyCode, ...]:
        """Who gets a series on a day. Raises KeyError if there is no such series."""
        return self.by_code[series].on(on)


def collect(series: Iterable[Series]) -> Subscriptions:
    """These series. Raises ValueError for a code that is used twice."""
    by_code: dict[str, Series] = {}
    for item in series:
        if item.code in by_code:
            msg = f"series {item.code} stands in two files"
            raise ValueError(msg)
        by_code[item.code] = item
    return Subscriptions(by_code)


def load(overlay: Path | None = None) -> Subscriptions:
    """The series of `contracts/subscriptions`; an overlay adds and replaces files. Raises UnusableContract."""
    try:
        return collect(read(Series, path) for path in files("subscriptions", overlay))
    except ValueError as error:
        raise UnusableContract(f"contracts/subscriptions: {error}") from error


@cache
def packaged() -> Subscriptions:
    """The packaged series."""
    return load()
