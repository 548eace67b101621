"""What holds of every count, whatever the rule, the start, the machine."""

import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.calendar import SHANGHAI, packaged
from contracts.clocks import Due, due_by
from contracts.counting import DAY, HOUR, Unit, clock, count, midnight, postponed, rolled, until
from contracts.rules import Rule
from contracts.rules import packaged as rules

CALENDAR: Final = packaged().newest()
COUNTABLE: Final = [rule for versions in rules().by_id.values() for rule in versions if rule.limit is not None]

OFFSETS: Final = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
STARTS: Final = st.datetimes(datetime(2001, 7, 10), datetime(2030, 1, 1)).map(  # noqa: DTZ001
    lambda at: at.replace(tzinfo=SHANGHAI)
)
RULES: Final = st.sampled_from(COUNTABLE)


@contextmanager
def machine_in(zone: str) -> Generator[None]:
    """The machine's time zone, changed for a while."""
    before = os.environ.get("TZ")
    try:
        os.environ["TZ"] = zone
        time.tzset()
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()


def counted(rule: Rule, start: datetime) -> Due:
    return due_by(rule, start, CALENDAR)


def last_day(instant: datetime) -> date:
    return (instant - timedelta(microseconds=1)).astimezone(SHANGHAI).date()


def within(rule: Rule, at: datetime) -> bool:
    return rule.valid(at.astimezone(SHANGHAI).date())


@given(RULES, STARTS, STARTS)
def test_who_starts_later_is_not_due_earlier(rule: Rule, one: datetime, other: datetime) -> None:
    first, second = sorted((one, other))
    assert counted(rule, first).instant <= counted(rule, second).instant


@given(RULES, STARTS, st.integers(0, 3 * 24 * 60))
def test_who_starts_a_little_later_is_not_due_earlier(rule: Rule, start: datetime, minutes: int) -> None:
    assert counted(rule, start).instant <= counted(rule, start + timedelta(minutes=minutes)).instant


@given(RULES, STARTS)
def test_the_steps_add_up_to_the_whole(rule: Rule, start: datetime) -> None:
    found = counted(rule, start)
    assert sum((step.length for step in found.steps), timedelta()) == found.instant - found.started_at
    ends = [step.to for step in found.steps]
    assert ends == sorted(ends)
    assert ends[-1] == found.instant > start


@given(RULES, STARTS)
def test_what_rolls_ends_on_a_working_day_and_what_counts_them_too(rule: Rule, start: datetime) -> None:
    if rule.roll or (rule.limit and rule.limit.unit is Unit.WORKING_DAYS):
        assert CALENDAR.working(last_day(counted(rule, start).instant))


@given(RULES, STARTS)
def test_a_period_of_days_or_months_ends_at_midnight_and_one_of_hours_on_the_hour(rule: Rule, start: datetime) -> None:
    end = counted(rule, start).instant
    assert rule.limit is not None
    assert (end.minute, end.second, end.microsecond) == (0, 0, 0)
    assert end.hour == 0 or rule.limit.unit is Unit.HOURS


@given(RULES, STARTS, OFFSETS)
def test_the_same_instant_is_due_the_same_however_it_is_spelled(rule: Rule, start: datetime, offset: timezone) -> None:
    assert counted(rule, start.astimezone(offset)) == counted(rule, start)


@given(RULES, STARTS, st.sampled_from(["UTC", "America/New_York", "Asia/Shanghai", "Pacific/Kiritimati"]))
def test_the_machine_s_time_zone_does_not_matter(rule: Rule, start: datetime, zone: str) -> None:
    expected = counted(rule, start)
    with machine_in(zone):
        found = counted(rule, datetime.fromisoformat(start.isoformat()))
    assert found == expected
    assert found.trace == expected.trace


@given(RULES, STARTS)
def test_only_years_not_announced_are_provisional(rule: Rule, start: datetime) -> None:
    found = counted(rule, start)
    assert all(CALENDAR.provisional(year) for year in found.provisional)
    # The last days of December may rest by the notice for the year after.
    asked = range(start.year, (last_day(found.instant) + 6 * DAY).year + 1)
    assert set(found.provisional) <= set(asked)
    if rule.limit and rule.limit.unit is Unit.WORKING_DAYS:
        assert set(found.provisional) == {year for year in asked if CALENDAR.provisional(year)}


@given(STARTS, st.integers(1, 60))
def test_as_many_working_days_lie_in_a_period_as_it_says(start: datetime, amount: int) -> None:
    end = count(start, amount, Unit.WORKING_DAYS, CALENDAR, roll=False)[-1].to
    first, last = start.date(), last_day(end)
    days = [first + DAY * number for number in range(1, (last - first).days + 1)]
    assert sum(map(CALENDAR.working, days)) == amount


@given(STARTS, st.integers(1, 400))
def test_a_period_of_days_is_as_many_days_after_the_day_of_the_start(start: datetime, amount: int) -> None:
    assert last_day(count(start, amount, Unit.DAYS, CALENDAR, roll=False)[-1].to) == start.date() + DAY * amount


@given(STARTS, st.integers(1, 200))
def test_a_period_of_hours_is_as_many_hours_after_the_hour_of_the_start(start: datetime, amount: int) -> None:
    hour = start.replace(minute=0, second=0, microsecond=0)
    assert count(start, amount, Unit.HOURS, CALENDAR, roll=False)[-1].to == hour + HOUR * (amount + 1)


@given(STARTS, st.integers(1, 48))
def test_months_end_on_the_same_day_or_on_the_last_of_a_shorter_month(start: datetime, amount: int) -> None:
    last = last_day(count(start, amount, Unit.MONTHS, CALENDAR, roll=False)[-1].to)
    assert (last.year * 12 + last.month) - (start.year * 12 + start.month) == amount
    assert last.day == start.day or (last.day < start.day and (last + DAY).day == 1)


@given(STARTS, st.integers(-40, 40))
def test_an_agreed_day_ends_at_its_midnight(start: datetime, days: int) -> None:
    last = start.date() + DAY * abs(days)
    step = until(start, last, "agreed")
    assert step.to == midnight(last + DAY)
    assert step.length == step.to - start


@given(st.sampled_from([Unit.HOURS, Unit.DAYS, Unit.WORKING_DAYS]), STARTS, st.integers(0, 40 * 24), st.integers(1, 20))
def test_what_stood_still_is_never_due_earlier(unit: Unit, start: datetime, hours: int, amount: int) -> None:
    end = count(start, amount, unit, CALENDAR, roll=False)[-1].to
    step = postponed(end, unit, start, start + HOUR * hours, CALENDAR)
    assert step.to >= end
    assert step.length == step.to - end
    if unit is Unit.HOURS:
        assert step.length == HOUR * hours
    if unit is Unit.WORKING_DAYS and step.length:
        assert CALENDAR.working(last_day(step.to))


def test_a_period_of_days_that_stood_still_for_nights_only_is_as_due_as_before() -> None:
    morning = datetime(2026, 6, 1, 9, tzinfo=SHANGHAI)
    end = count(morning, 3, Unit.DAYS, CALENDAR, roll=False)[-1].to
    assert postponed(end, Unit.DAYS, morning, morning + HOUR * 8, CALENDAR).to == end


def test_rolling_names_the_day_and_why_it_rests() -> None:
    (step,) = rolled(midnight(date(2026, 10, 3)), CALENDAR)
    assert str(step) == "2026-10-08 24:00  2026-10-02 is no working day (国庆节): the period ends on 2026-10-08"
    assert rolled(midnight(date(2026, 10, 11)), CALENDAR) == ()


@pytest.mark.parametrize(
    ("instant", "wall"),
    [
        ("2026-10-01T00:00:00+08:00", "2026-09-30 24:00"),
        ("2026-09-30T16:00:00Z", "2026-09-30 24:00"),
        ("2026-09-30T15:00:00+08:00", "2026-09-30 15:00"),
        ("2026-09-30T15:00:07+08:00", "2026-09-30 15:00:07"),
    ],
)
def test_an_instant_stands_as_on_a_wall_in_shanghai(instant: str, wall: str) -> None:
    assert clock(datetime.fromisoformat(instant)) == wall


@given(STARTS)
def test_every_rule_in_force_on_a_day_is_chosen_for_it(start: datetime) -> None:
    for versions in rules().by_id.values():
        found = [rule for rule in versions if within(rule, start)]
        assert len(found) <= 1
        if found:
            assert rules().at(found[0].id, start) is found[0]
