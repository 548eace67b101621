"""Counting a period of law from its start to its end; pure, and the same on every machine.

The start day or start hour is not counted (刑事诉讼法 105; 民事诉讼法 85; 民法典 201). A period of days or months ends
at 24:00 of its last day in Shanghai, which is 0:00 of the day after; one that may roll ends on the first working day
after rest days (民法典 203). A period of hours has no last day and does not roll.
"""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final

from contracts.calendar import SHANGHAI, Calendar

DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)


class Unit(StrEnum):
    """What a period is counted in."""

    HOURS = "hours"  # 小时
    DAYS = "days"  # 自然日
    WORKING_DAYS = "working_days"  # 工作日
    MONTHS = "months"  # 月


UNITS_ZH: Final = {Unit.HOURS: "小时", Unit.DAYS: "日", Unit.WORKING_DAYS: "个工作日", Unit.MONTHS: "个月"}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a count: how far it went, where it got to, and why. `rolls`: over rest days at the end."""

    length: timedelta
    to: datetime
    why: str
    rolls: bool = False

    def __str__(self) -> str:
        return f"{clock(self.to)}  {self.why}"


def count(start: datetime, amount: int, unit: Unit, calendar: Calendar, *, roll: bool) -> tuple[Step, ...]:
    """The steps from `start` (aware) to the end of a period of `amount` units; their lengths add up to it."""
    begin = start.astimezone(SHANGHAI)
    steps = tuple(_counted(begin, amount, unit, calendar))
    return (*steps, *rolled(steps[-1].to, calendar)) if roll and unit is not Unit.HOURS else steps


def until(start: datetime, last: date, why: str) -> Step:
    """The one step to the end of an agreed day, which is later than that of the start."""
    begin, end = start.astimezone(SHANGHAI), midnight(last + DAY)
    return Step(end - begin, end, why)


def postponed(end: datetime, unit: Unit, suspended: datetime, resumed: datetime, calendar: Calendar) -> Step:
    """The step by which a period that stood still goes on later; it does not roll."""
    begin, again = suspended.astimezone(SHANGHAI), resumed.astimezone(SHANGHAI)
    if unit is Unit.HOURS:
        return Step(again - begin, end + (again - begin), f"stood still from {clock(begin)} to {clock(again)}")
    still = [begin.date() + DAY * n for n in range(1, (again.date() - begin.date()).days + 1)]
    if unit is Unit.WORKING_DAYS:
        still = [day for day in still if calendar.working(day)]
    to = end
    if unit is Unit.WORKING_DAYS and still:
        to = list(_days(end - DAY, len(still), calendar, working=True))[-1].to
    elif still:
        to = end + DAY * len(still)
    what = "working day(s)" if unit is Unit.WORKING_DAYS else "day(s)"
    return Step(to - end, to, f"stood still for {len(still)} {what}, {begin.date()} to {again.date()}")


def rolled(end: datetime, calendar: Calendar) -> tuple[Step, ...]:
    """The step from the end of a period whose last day is a rest day to the end of the next working day, or none."""
    last = end.date() - DAY
    day = last
    while not calendar.working(day):
        day += DAY
    if day == last:
        return ()
    to = midnight(day + DAY)
    why = f"{last} is no working day ({calendar.why(last)}): the period ends on {day}"
    return (Step(to - end, to, why, rolls=True),)


def midnight(day: date) -> datetime:
    """0:00 of a day in Shanghai."""
    return datetime.combine(day, time(), SHANGHAI)


def clock(instant: datetime) -> str:
    """An instant as it stands on a wall in Shanghai; the end of a day is its 24:00."""
    local = instant.astimezone(SHANGHAI)
    if local.time() == time():
        return f"{local.date() - DAY} 24:00"
    return f"{local:%Y-%m-%d %H:%M}" + (f":{local:%S}" if local.second else "")


def _counted(begin: datetime, amount: int, unit: Unit, calendar: Calendar) -> Iterator[Step]:
    match unit:
        case Unit.HOURS:
            return _hours(begin, amount)
        case Unit.MONTHS:
            return _months(begin, amount)
        case Unit.DAYS | Unit.WORKING_DAYS:
            return _days(begin, amount, calendar, working=unit is Unit.WORKING_DAYS)


def _hours(begin: datetime, amount: int) -> Iterator[Step]:
    first = begin.replace(minute=0, second=0, microsecond=0) + HOUR
    yield Step(first - begin, first, f"the hour of the start, {begin:%Y-%m-%d %H}:00, is not counted")
    end = first + HOUR * amount
    yield Step(end - first, end, f"{amount} hours, rest days and nights included")


def _start_day(begin: datetime) -> Step:
    first = midnight(begin.date() + DAY)
    return Step(first - begin, first, f"the day of the start, {begin.date()}, is not counted")


def _days(begin: datetime, amount: int, calendar: Calendar, *, working: bool) -> Iterator[Step]:
    """Runs of days that count and of days that do not, until `amount` of them have counted."""
    start = _start_day(begin)
    yield start
    day, counted = start.to.date(), 0
    while counted < amount:
        first, counts = day, not working or calendar.working(day)
        before = counted
        while counted < amount and counts == (not working or calendar.working(day)):
            counted += counts
            day += DAY
        yield Step(
            DAY * (day - first).days, midnight(day), _run((first, day - DAY), (before, counted), amount, calendar)
        )


def _run(run: tuple[date, date], counts: tuple[int, int], amount: int, calendar: Calendar) -> str:
    (first, last), (before, counted) = run, counts
    days = f"{first}" if first == last else f"{first} to {last}"
    if counted == before:
        names = ", ".join(dict.fromkeys(calendar.why(first + DAY * n) for n in range((last - first).days + 1)))
        return f"{days}: not counted ({names})"
    return f"{days}: day {before + 1}{f' to {counted}' if counted > before + 1 else ''} of {amount}"


def _months(begin: datetime, amount: int) -> Iterator[Step]:
    start = _start_day(begin)
    yield start
    months = begin.year * 12 + begin.month - 1 + amount
    year, month = months // 12, months % 12 + 1
    last = date(year, month, min(begin.day, monthrange(year, month)[1]))
    end = midnight(last + DAY)
    ends = "" if last.day == begin.day else f", which has no day {begin.day}"
    yield Step(end - start.to, end, f"{amount} month(s) to {last}{ends}")
