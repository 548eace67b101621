"""What may be said about clocks: whether the bus's word about one is true, and which can be extended; pure."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import TypeAlias

from contracts.calendar import Calendars
from contracts.canonical import instant
from contracts.clocks import Clock, ClockState, Delivered, History, clocks, latest, may_extend, named_day, running
from contracts.counting import DAY, clock, midnight
from contracts.rules import By, Rules
from events import common
from events.fact import Fact

_Said: TypeAlias = common.ClockWarned | common.ClockExpired | common.ClockRecomputed


def disproved(history: History, fact: Fact, at: datetime, rules: Rules, calendars: Calendars) -> str | None:
    """Why the bus's word about a clock, accepted at an instant, is not true of the history; None where it is.

    A clock that starts by delivery is taken to have started when the fact, or the expiry that it is about, says:
    deliveries are not in the log.
    """
    match fact:
        case common.ClockExpiryAnnulled(expiry=expiry, act=act):
            started = _told(history, expiry)
            found = clocks(replace(history, delivered=started), rules, calendars)
            void = [item.unfounded for item in found if item.unfounded is not None]
            stands = any((item.expiry, item.act) == (expiry, act) for item in void)
            return None if stands else f"no act {act}, accepted in time, makes expiry {expiry} void"
        case common.ClockWarned() | common.ClockExpired() | common.ClockRecomputed():
            claimed = replace(history, delivered=_claimed(history, fact))
            item = next((item for item in running(claimed, rules, calendars) if _about(item, fact)), None)
            return _contradicted(item, fact, at)
        case _:
            return None


def not_extendable(
    own: Sequence[Clock], last: date, rule: str | None, at: datetime, calendars: Calendars
) -> str | None:
    """Why none of an agency's running clocks can be extended, at this instant, to the end of that day; or None.

    Of a clock that starts by delivery the log does not say when that was: the other side judges.
    """
    if named_day(last) is None:
        return f"{last} is no day of this time"
    able = [item for item in own if may_extend(item) and rule in {None, item.rule.id} and _in_time(item, at)]
    if not able:
        names = ", ".join(f"{item.rule.id} due {clock(item.due.instant)}" for item in own) or "none"
        return f"none of its clocks can be extended (any more); those that run: {names}"
    if any(_by_delivery(item) for item in able):
        return None
    new, bounds = midnight(last + DAY), [latest(item, calendars.as_of(at)) for item in able]
    soonest = min(item.due.instant for item in able)
    if new <= soonest:
        return f"{last} is not later than what is due already, {clock(soonest)}"
    furthest = max((bound for bound in bounds if bound is not None), default=new)
    if new > furthest and None not in bounds:
        return f"{last} is later than the rule allows, {clock(furthest)}"
    return None


def _in_time(item: Clock, at: datetime) -> bool:
    return item.state is ClockState.SUSPENDED or item.due.instant >= at or _by_delivery(item)


def _by_delivery(item: Clock) -> bool:
    return item.by is By.DELIVERED


def _claimed(history: History, fact: _Said) -> Delivered:
    return _delivered(history, fact.started_by, fact.started_at, fact.agency)


def _told(history: History, expiry: int) -> Delivered:
    """The start that a registered expiry speaks of."""
    said = next((entry.said for entry in history.entries if entry.sequence == expiry), {})
    by, at, agency = said.get("started_by"), said.get("started_at"), said.get("agency")
    start = instant(at) if isinstance(at, str) else None
    return _delivered(history, by, start, str(agency) if agency else None) if isinstance(by, int) else {}


def _delivered(history: History, started_by: int, started_at: datetime | None, agency: str | None) -> Delivered:
    at = {entry.sequence: entry.recordedtime for entry in history.entries}.get(started_by)
    start = started_at or at
    if start is None:
        return {}
    agencies = [agency] if agency else sorted({code for entry in history.entries for code in entry.parties})
    return {(started_by, code): start for code in agencies}


def _about(item: Clock, fact: _Said) -> bool:
    return item.key == (fact.rule, fact.started_by, fact.agency or item.agency)


def _contradicted(item: Clock | None, fact: _Said, at: datetime) -> str | None:
    """The first of these that speaks against it."""
    name = f"clock {fact.rule} that #{fact.started_by} started"
    if item is None:
        return f"no {name} runs"
    due = fact.was_due if isinstance(fact, common.ClockRecomputed) else fact.due
    expired, warned = isinstance(fact, common.ClockExpired), isinstance(fact, common.ClockWarned)
    against = {
        f"the {name} started at {clock(item.started_at)}": fact.started_at not in {None, item.started_at},
        f"the {name} stands still": item.state is ClockState.SUSPENDED,
        f"the {name} is due at {clock(item.due.instant)}, not at {clock(due)}": due != item.due.instant,
        f"the {name} is not due before {clock(item.due.instant)}": expired and at < item.due.instant,
        f"the expiry of the {name} is registered as #{item.expired}": item.expired is not None and (expired or warned),
        f"the warning of the {name} is registered as #{item.warned}": warned and item.warned_due == due,
    }
    return next((why for why, holds in against.items() if holds), None)
