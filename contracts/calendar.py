"""Calendars: what is a working day 工作日 in mainland China, by which notice, and since when that was known.

The General Office of the State Council 国务院办公厅 announces a year's holidays 节假日安排 near the end of the year
before, with the weekends that are worked in exchange 调休上班. It has changed years that had begun, 2019 and 2020: each
notice is a version of its year, so that what was counted under an earlier one can be counted again. A year without a
notice is provisional: weekends and the statutory holidays of 全国年节及纪念日放假办法, nothing exchanged. Its editions
are in contracts/calendars/statutory.yaml, the lunar dates in contracts/calendars/festivals.csv.

A deployment adds a notice as a file `calendars/<year>.yaml` of its contracts folder, where it takes the place of a
packaged file of that name, or as one local file, whose versions are added to the others or replace those with the same
year and version. Both have the format of contracts/calendars/2026.yaml; this one invents its days:

    versions:
      - year: 2027
        version: 1                      # 1, 2, … in the order of announcement; the highest counts
        announced: 2026-11-30           # the day in Shanghai from which it is known
        source: 国办发明电〔2026〕0号
        holidays:                       # the whole year's, weekends between included; `to` rests too
          - {name: 元旦, from: 2027-01-01, to: 2027-01-03}
          - {name: 春节, from: 2027-02-05, to: 2027-02-11}
        workdays: [2027-01-30, 2027-02-20]    # Saturdays and Sundays 调休上班
        verified: false                 # optional: true once number and date were read in the notice itself
        status: typed in by hand        # optional: how far the days were checked

A version says everything about its year. Days of the December before may be in it as well (2018-12-31 rested by the
notice for 2019); they count over what that year's own notice says. A new edition of the law goes into
`calendars/statutory.yaml` of the contracts folder, after the earlier ones.
"""

import csv
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from contracts.errors import UnusableContract
from contracts.files import PACKAGED, ContractPart, files, read

# Fixed, not a zone of the machine's table: China had no summer time after 1991.
SHANGHAI: Final = timezone(timedelta(hours=8))

FOLDER: Final = "calendars"
STATUTORY: Final = "statutory.yaml"
FESTIVALS: Final = PACKAGED / FOLDER / "festivals.csv"

EXCHANGED: Final = "调休上班"
_WEEKEND: Final = {5: "星期六", 6: "星期日"}

# Year → column of festivals.csv → day.
Festivals = Mapping[int, Mapping[str, date]]


class Span(ContractPart):
    """Days off in a row, both ends included, weekends among them too."""

    name: str = Field(min_length=1)
    first: date = Field(alias="from")
    last: date = Field(alias="to")

    def days(self) -> Iterator[date]:
        """Each day of it."""
        return _days(self.first, (self.last - self.first).days + 1)

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.last < self.first:
            raise ValueError(f"{self.name} ends on {self.last}, before it begins on {self.first}: exchange from and to")
        if self.name == EXCHANGED:
            raise ValueError(f"{EXCHANGED} is no holiday: list {self.first} under workdays")
        return self


class Version(ContractPart):
    """One notice for one year. `announced`: the day in Shanghai from which it is known.

    `verified` is about the number and that date; `status` says how far the days were checked.
    """

    year: int = Field(ge=1950, le=2200)
    version: int = Field(ge=1)
    announced: date
    source: str = Field(min_length=1)
    holidays: tuple[Span, ...] = Field(min_length=1)
    workdays: tuple[date, ...] = ()
    verified: bool = False
    status: str = ""

    def named(self) -> dict[date, str]:
        """Why each day that it names rests or works: the holiday, or 调休上班."""
        rest = {day: span.name for span in self.holidays for day in span.days()}
        return rest | dict.fromkeys(self.workdays, EXCHANGED)

    def label(self) -> str:
        """`2026.1 国办发明电〔2025〕7号`."""
        return f"{self.year}.{self.version} {self.source}"

    @model_validator(mode="after")
    def _sound(self) -> Self:
        wrong = next(self._wrong(), None)
        if wrong is not None:
            raise ValueError(f"{self.year}.{self.version}: {wrong}")
        return self

    def _wrong(self) -> Iterator[str]:
        if self.announced.year not in {self.year - 1, self.year}:
            yield f"announced on {self.announced}: neither in the year before nor in the year itself"
        days = [day for span in self.holidays for day in span.days()] + list(self.workdays)
        for day in sorted(days):
            if day.year != self.year and (day.year, day.month) != (self.year - 1, 12):
                yield f"{day} is neither in {self.year} nor in the December before"
            if days.count(day) > 1:
                yield f"{day} is named twice; a day is in one holiday or among workdays, once"
        for day in self.workdays:
            if day.weekday() not in _WEEKEND:
                yield f"{day} among workdays is no Saturday or Sunday; it works without being named"


class Statutory(ContractPart):
    """One holiday of the law: `days` in a row from `first` (month and day), or from `offset` days after a festival."""

    name: str = Field(min_length=1)
    first: str | None = Field(default=None, pattern=r"^\d\d-\d\d$")
    festival: Literal["spring_festival", "qingming", "dragon_boat", "mid_autumn"] | None = None
    offset: int = Field(default=0, ge=-20, le=20)
    days: int = Field(ge=1, le=20)

    def dates(self, year: int, festivals: Festivals) -> Iterator[date]:
        """Its days in a year; none if it hangs on a festival beyond the table."""
        if self.first is not None:
            return _days(date.fromisoformat(f"{year:04}-{self.first}"), self.days)
        if self.festival is not None and year in festivals:
            return _days(festivals[year][self.festival] + timedelta(days=self.offset), self.days)
        return iter(())

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if (self.first is None) == (self.festival is None):
            raise ValueError(f"{self.name}: give either first or festival")
        if self.first is not None:
            # A day that every year has: 02-29 would be an error of some years only.
            date.fromisoformat(f"2023-{self.first}")
        return self


class Measures(ContractPart):
    """One edition of 全国年节及纪念日放假办法, for years that begin on or after `valid_from`."""

    title: str
    source: str
    announced: date
    valid_from: date
    verified: bool
    status: str
    holidays: tuple[Statutory, ...]


class _Announced(ContractPart):
    versions: tuple[Version, ...] = Field(min_length=1)


class _Law(ContractPart):
    editions: tuple[Measures, ...]


@dataclass(frozen=True, slots=True)
class _Year:
    """A year ready to be asked: what rests, weekends included, and why each day does that is named or rests."""

    rest: frozenset[date]
    reasons: Mapping[date, str]


@dataclass(frozen=True, slots=True, eq=False)
class Calendar:
    """What is a working day 工作日: one choice of version for each year, the provisional rule for the others.

    `versions`: by year. Every year has an answer. A day is a date in Shanghai; a datetime is refused with TypeError.
    """

    versions: Mapping[int, Version]
    measures: tuple[Measures, ...]
    festivals: Festivals
    _years: dict[int, _Year] = field(default_factory=dict[int, _Year], init=False, repr=False)

    def working(self, day: date) -> bool:
        """Whether offices work on the day."""
        return day not in self._year(day).rest

    def why(self, day: date) -> str:
        """`国庆节`, `调休上班`, `星期六`, `星期日`; empty for an ordinary working day."""
        return self._year(day).reasons.get(day, "")

    def provisional(self, year: int) -> bool:
        """Whether no notice for the year is known to this calendar."""
        return year not in self.versions

    def label(self, year: int) -> str:
        """What the year is counted by, `2026.1 国办发明电〔2025〕7号`; also the next year's notice if it names days."""
        version = self.versions.get(year)
        label = version.label() if version else f"{year} provisional (not announced; {self._rule(year)})"
        following = self.versions.get(year + 1)
        if following and any(day.year == year for day in following.named()):
            return f"{label}; {following.label()}"
        return label

    def _rule(self, year: int) -> str:
        if self._in_force(year) is None:
            return "weekends only"
        return f"weekends and {'statutory' if year in self.festivals else 'fixed'} holidays only"

    def _year(self, day: date) -> _Year:
        # A datetime is a date to the type checkers, and equal to none: every one of them would be a working day.
        if isinstance(day, datetime):
            raise TypeError("a calendar is asked for a date: at.astimezone(SHANGHAI).date()")
        known = self._years.get(day.year)
        if known is None:
            known = self._years[day.year] = self._made(day.year)
        return known

    def _made(self, year: int) -> _Year:
        own, following = self.versions.get(year), self.versions.get(year + 1)
        named = own.named() if own else self._statutory(year)
        named |= following.named() if following else {}
        reasons = {day: _WEEKEND[day.weekday()] for day in _all_days(year) if day.weekday() in _WEEKEND}
        reasons |= {day: name for day, name in named.items() if day.year == year}
        return _Year(frozenset(day for day, name in reasons.items() if name != EXCHANGED), reasons)

    def _statutory(self, year: int) -> dict[date, str]:
        law = self._in_force(year)
        named: dict[date, str] = {}
        for holiday in law.holidays if law else ():
            for day in holiday.dates(year, self.festivals):
                named[day] = f"{named[day]}、{holiday.name}" if day in named else holiday.name
        return named

    def _in_force(self, year: int) -> Measures | None:
        editions = [item for item in self.measures if item.valid_from <= date(year, 1, 1)]
        return max(editions, key=lambda item: item.valid_from, default=None)


@dataclass(frozen=True, slots=True, eq=False)
class Calendars:
    """All versions of all years, in order. `announced`: the days in Shanghai on which something was, in order.

    Calendars of the same knowledge are the same object, so that its years are made once.
    """

    versions: tuple[Version, ...]
    measures: tuple[Measures, ...]
    festivals: Festivals
    announced: tuple[date, ...]
    _known: dict[int, Calendar] = field(default_factory=dict[int, Calendar], init=False, repr=False)

    def newest(self) -> Calendar:
        """By the highest version of each year, whenever it was announced."""
        return self._knowing(len(self.announced))

    def as_of(self, at: datetime) -> Calendar:
        """By what had been announced on the instant's day in Shanghai. `at`: aware."""
        return self._knowing(bisect_right(self.announced, at.astimezone(SHANGHAI).date()))

    def _knowing(self, announcements: int) -> Calendar:
        known = self._known.get(announcements)
        if known is None:
            days = frozenset(self.announced[:announcements])
            known = self._known[announcements] = Calendar(
                versions={item.year: item for item in self.versions if item.announced in days},
                measures=tuple(item for item in self.measures if item.announced in days),
                festivals=self.festivals,
            )
        return known


def load(overlay: Path | None = None, file: Path | None = None) -> Calendars:
    """All calendars: packaged, the deployment's contracts folder over them, one more local file over both.

    Raises UnusableContract that names the file.
    """
    by_name = {path.name: path for path in files(FOLDER, overlay)}
    law = read(_Law, by_name.pop(STATUTORY))
    versions: dict[tuple[int, int], Version] = {}
    for path in (*by_name.values(), *([file] if file else [])):
        versions |= _versions(path)
        _require_order(versions.values(), path)
    ordered = tuple(versions[key] for key in sorted(versions))
    announced = {item.announced for item in ordered} | {item.announced for item in law.editions}
    return Calendars(ordered, law.editions, _festivals(), tuple(sorted(announced)))


@cache
def packaged() -> Calendars:
    """The packaged calendars, read once. Raises UnusableContract."""
    return load()


def _versions(path: Path) -> dict[tuple[int, int], Version]:
    versions: dict[tuple[int, int], Version] = {}
    for item in read(_Announced, path).versions:
        if (item.year, item.version) in versions:
            raise UnusableContract(f"{path}: {item.year}.{item.version} is there twice; number them 1, 2, …")
        versions[item.year, item.version] = item
    return versions


def _require_order(versions: Iterable[Version], path: Path) -> None:
    """A version announced before the one that it replaces would be in force too early."""
    before: Version | None = None
    for item in sorted(versions, key=lambda item: (item.year, item.version)):
        if before and before.year == item.year and item.announced < before.announced:
            wrong = f"{item.year}.{item.version} is announced on {item.announced}, before version {before.version}"
            raise UnusableContract(f"{path}: {wrong}; number the versions of a year in the order of announcement")
        before = item


@cache
def _festivals() -> Festivals:
    with FESTIVALS.open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    return {
        int(row["year"]): {name: date.fromisoformat(day) for name, day in row.items() if name != "year"} for row in rows
    }


def _all_days(year: int) -> Iterator[date]:
    first = date(year, 1, 1)
    return _days(first, date(year, 12, 31).toordinal() - first.toordinal() + 1)


def _days(first: date, count: int) -> Iterator[date]:
    return (date.fromordinal(first.toordinal() + offset) for offset in range(count))
