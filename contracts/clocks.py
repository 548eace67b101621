"""Clocks 时限: when something is due, and which clocks run in an exchange; pure.

    due("RX-03", started_at).trace        how a date comes about
    running(history)                      which clocks run, whose duty they are, until when

Deadlines are met by `acceptedtime`: the bus's own delay harms nobody, and a claimed time helps nobody. An act that was
accepted in time meets its clock even if an expiry was registered before it; that expiry is annulled by a fact.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final, TypeAlias

from pydantic import JsonValue

from contracts.calendar import SHANGHAI, Calendar, Calendars
from contracts.calendar import packaged as packaged_calendars
from contracts.canonical import instant
from contracts.counting import DAY, HOUR, Step, Unit, clock, count, midnight, postponed, rolled, until
from contracts.errors import ClockError
from contracts.records import Record
from contracts.rules import By, Rule, Rules, Start
from contracts.rules import packaged as packaged_rules

_ABOUT_CLOCKS: Final = ("cn.liandong.common.clock_", "cn.liandong.common.extension_")
_DATED_OR_CODED: Final = re.compile(r"\d{4}-\d\d-\d\d(?:T\S{5,30})?|[a-z0-9][a-z0-9_-]{0,39}")
_SHORT: Final = re.compile(r"[\s\S]{0,200}")

_YEARS: Final = range(2000, 3000)
"""Those in which a named day can lie; another is a slip of the pen, and no day."""


@dataclass(frozen=True, slots=True)
class Due:
    """When something is due, and how that comes about. The lengths of `steps` add up to `instant` - `started_at`.

    provisional: the calendar years it was built on that are not announced yet.
    """

    rule: Rule
    started_at: datetime
    instant: datetime
    steps: tuple[Step, ...]
    provisional: tuple[int, ...] = ()

    @property
    def basis(self) -> str:
        """The source of the rule, with its status and the version that applied."""
        return f"{self.rule.version} {self.rule.source}"

    @property
    def trace(self) -> list[str]:
        """The count, step by step, for people."""
        end = clock(self.instant)
        return [
            f"{self.started_at:%Y-%m-%d %H:%M}  {self.rule.id} {self.rule.title_zh}: starts",
            *map(str, self.steps),
            *(f"{end}  provisional: the calendar of {year} is not announced yet" for year in self.provisional),
        ]


def due(rule_id: str, started_at: datetime, calendar: Calendar | None = None) -> Due:
    """When a clock of this rule is due if it starts at this instant (aware); the newest calendar by default.

    Raises ClockError: no such rule, not in force on that day, or the law gives no number.
    """
    if started_at.tzinfo is None:
        raise ClockError("a clock starts at an instant with its offset, such as 2026-09-30T15:00+08:00")
    rule = packaged_rules().at(rule_id, started_at)
    return due_by(rule, started_at, calendar or packaged_calendars().newest())


def due_by(rule: Rule, started_at: datetime, calendar: Calendar, agreed: date | None = None) -> Due:
    """The same for a version of a rule. `agreed`: the last day that the parties agreed. Raises ClockError."""
    start = started_at.astimezone(SHANGHAI)
    if agreed is not None:
        steps: tuple[Step, ...] = (until(start, agreed, f"{agreed} is the agreed last day"),)
    elif rule.limit is not None:
        steps = count(start, rule.limit.amount, rule.limit.unit, calendar, roll=rule.roll)
    else:
        why = "its date is agreed each time" if rule.agreed else f"the law gives no number ({rule.title_zh})"
        raise ClockError(f"{rule.id} cannot be counted: {why}; {rule.source}")
    return Due(rule, start, steps[-1].to, steps, _provisional(rule, start, steps, calendar, agreed))


@dataclass(frozen=True, slots=True)
class Entry:
    """What a clock needs to know of a registered event. `parties`: role by agency after it; `said`: what may matter."""

    sequence: int
    fact: str
    source: str
    leg: str | None
    time: datetime
    acceptedtime: datetime
    recordedtime: datetime
    ended: bool
    parties: Mapping[str, str]
    said: Mapping[str, str | int | bool]

    @classmethod
    def of(cls, record: Record) -> "Entry":
        """The entry of a record. A stub starts and stops nothing; that the exchange ended or a party left is known."""
        event, standing = record.event, record.standing
        data, leg = event.get("data"), event.get("leg")
        return cls(
            sequence=record.sequence,
            fact=record.fact,
            source=record.source,
            leg=leg if isinstance(leg, str) else None,
            time=instant(event.get("time", record.acceptedtime)),
            acceptedtime=instant(record.acceptedtime),
            recordedtime=instant(event["recordedtime"]),
            ended=standing.ended,
            parties={code: party.role for code, party in standing.parties.items()},
            said=_said(str(event.get("type")), data) if isinstance(data, dict) else {},
        )


Delivered: TypeAlias = Mapping[tuple[int, str], datetime]
"""(sequence, agency): when the copy reached the agency's designated system."""


@dataclass(frozen=True, slots=True)
class History:
    """An exchange as clocks see it: its entries in order, and what was delivered when.

    Without `delivered`, what is registered counts as delivered when it was recorded.
    """

    kind: str
    entries: Sequence[Entry]
    delivered: Delivered | None = None

    @classmethod
    def of(cls, records: Sequence[Record], delivered: Delivered | None = None) -> "History":
        """The history of an exchange's records, all of them, in order."""
        return cls(records[0].kind, tuple(map(Entry.of, records)), delivered)


class ClockState(StrEnum):
    """How a clock stands."""

    RUNNING = "running"  # 计时中
    SUSPENDED = "suspended"  # 中止
    MET = "met"  # 按期履行
    LATE = "late"  # 逾期履行
    VOID = "void"  # 不再适用: the exchange ended, the duty passed on, or somebody else made it needless


Key: TypeAlias = tuple[str, int, str]
"""A clock within its exchange: rule, the sequence that started it, whose duty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """One clock of an exchange. `warned`, `expired`, `annulled`: sequences of what the bus has said about it.

    `warned_due`: for which due instant it was warned. `extensions`, `recomputed`: sequences of the facts that moved it.
    `unfounded`: an expiry on record, and the act, accepted in time, that has made it void; until it is annulled.
    `by`: which time of the fact started it. `agreed`: its last day was agreed, not counted.
    """

    rule: Rule
    agency: str
    started_by: int
    started_at: datetime
    due: Due
    original: datetime
    state: ClockState = ClockState.RUNNING
    stopped_by: int | None = None
    stopped_at: datetime | None = None
    suspended_at: datetime | None = None
    suspensions: tuple[tuple[datetime, datetime], ...] = ()
    extensions: tuple[int, ...] = ()
    recomputed: tuple[int, ...] = ()
    warned: int | None = None
    warned_due: datetime | None = None
    expired: int | None = None
    annulled: int | None = None
    unfounded: "Unfounded | None" = None
    by: By = By.ACCEPTED
    agreed: bool = False

    @property
    def key(self) -> Key:
        """What tells it from the other clocks of its exchange."""
        return self.rule.id, self.started_by, self.agency

    @property
    def running(self) -> bool:
        """Whether the duty stands, on time or not."""
        return self.state in {ClockState.RUNNING, ClockState.SUSPENDED}

    @property
    def warn_at(self) -> datetime | None:
        """When to warn; never before the start."""
        return max(self.started_at, _before(self.due.instant, self.rule)) if self.rule.warn else None

    def overdue(self, at: datetime) -> timedelta:
        """By how much the duty was late when it was done or fell away, or is late at the instant; zero if not."""
        if self.state is ClockState.MET or self.suspended_at is not None:
            return timedelta()
        return max(timedelta(), (self.stopped_at or at) - self.due.instant)


@dataclass(frozen=True, slots=True)
class Unfounded:
    """An expiry that is void: its sequence, and the act that was accepted, in time, at an instant."""

    expiry: int
    act: int
    at: datetime


def clocks(history: History, rules: Rules | None = None, calendars: Calendars | None = None) -> tuple[Clock, ...]:
    """Every clock that an exchange has had, in the order in which they started; the packaged contracts by default."""
    law = rules or packaged_rules()
    known = calendars or packaged_calendars()
    found: list[Clock] = []
    live: list[int] = []
    waiting: Mapping[str, Entry] = {}
    for entry in history.entries:
        request = _answered(waiting, entry)
        waiting = _waiting(waiting, entry)
        for place in live:
            found[place] = _after(found[place], entry, request, known)
        live = [place for place in live if found[place].running or found[place].unfounded]
        if not entry.ended:
            begun = [*_started(history, entry, law, known, [found[place] for place in live])]
            live += range(len(found), len(found) + len(begun))
            found += begun
    return tuple(found)


def running(history: History, rules: Rules | None = None, calendars: Calendars | None = None) -> tuple[Clock, ...]:
    """The clocks that run now: duties that stand, on time, overdue or suspended."""
    return tuple(item for item in clocks(history, rules, calendars) if item.running)


def requests(history: History) -> Mapping[str, Entry]:
    """The requests for more time that have no answer yet, by who asked."""
    waiting: Mapping[str, Entry] = {}
    for entry in history.entries:
        waiting = _waiting(waiting, entry)
    return waiting


def asked(waiting: Collection[str], source: str, named: str | None, parties: Mapping[str, str]) -> str | None:
    """Whose request for more time an answer of `source` is about: the one's that it names, or the other side's only."""
    others = [code for code in waiting if parties.get(code) != parties.get(source)]
    return named if named in others else (others[0] if len(others) == 1 else None)


def _answered(waiting: Mapping[str, Entry], entry: Entry) -> Entry | None:
    if entry.fact not in {"extension_granted", "extension_refused"}:
        return None
    named = entry.said.get("agency")
    whose = named if isinstance(named, str) else entry.leg
    return waiting.get(asked(waiting, entry.source, whose, entry.parties) or "")


def _waiting(waiting: Mapping[str, Entry], entry: Entry) -> Mapping[str, Entry]:
    """The requests that wait after an entry. Who handed the matter on needs no more time for it."""
    if entry.fact == "extension_requested":
        waiting = {**waiting, entry.source: entry}
    answered = _answered(waiting, entry)
    return {
        code: item for code, item in waiting.items() if item is not answered and entry.parties.get(code) != "former"
    }


def recounted(item: Clock, calendars: Calendars) -> Due | None:
    """The due date of a running clock by the newest calendar, where that is another one.

    A clock that expired stays as it was, and so does one whose day was named, by agreement or extension.
    """
    named = item.agreed or item.extensions or item.rule.limit is None
    if named or item.state is not ClockState.RUNNING or item.expired is not None:
        return None
    newest = calendars.newest()
    again = due_by(item.rule, item.started_at, newest)
    for begun, resumed in item.suspensions:
        again = _later(again, begun, resumed, newest)
    return again if again.instant != item.due.instant else None


def _started(
    history: History, entry: Entry, rules: Rules, calendars: Calendars, live: Sequence[Clock]
) -> Iterator[Clock]:
    for versions in rules.started_by(history.kind, entry.fact):
        start = next(start for start in versions[0].starts if start.fact == entry.fact)
        if not start.fits(entry.said):
            continue
        for agency in _dutiful(versions[0], entry):
            if any(item.running and item.rule.id == versions[0].id and item.agency == agency for item in live):
                continue
            at = _start_time(history, entry, start, agency)
            rule = _version(versions, at, entry.acceptedtime) if at else None
            agreed = _agreed(rule, entry, at) if rule and at else None
            if rule is None or at is None or (agreed is None and rule.limit is None):
                continue
            counted = _known_by_now(due_by(rule, at, calendars.as_of(at), agreed), calendars.newest())
            yield Clock(
                rule=rule,
                agency=agency,
                started_by=entry.sequence,
                started_at=counted.started_at,
                due=counted,
                original=counted.instant,
                by=start.by,
                agreed=agreed is not None,
            )


def _dutiful(rule: Rule, entry: Entry) -> list[str]:
    """Whose duty a fact begins, in code order; of a rule for each addressee, only whose leg the fact is about."""
    holders = sorted(code for code, role in entry.parties.items() if role == rule.duty)
    about = {entry.leg, entry.source} & {*holders} if rule.each else set[str]()
    return [code for code in holders if code in about] if about else holders


def _version(versions: Sequence[Rule], start: datetime, accepted: datetime) -> Rule | None:
    """The version in force when a clock starts; a start said to be before the law frees nobody from it."""
    days = [at.astimezone(SHANGHAI).date() for at in (start, accepted)]
    return next((rule for day in days for rule in versions if rule.valid(day)), None)


def _agreed(rule: Rule, entry: Entry, at: datetime) -> date | None:
    """The agreed last day. One that is over when the clock starts is not agreed."""
    day = named_day(entry.said.get(rule.agreed)) if rule.agreed else None
    return day if day is not None and day > at.astimezone(SHANGHAI).date() else None


def _known_by_now(due: Due, newest: Calendar) -> Due:
    """A date that was provisional is not any more where the notice, once it was out, has confirmed it."""
    if not due.provisional:
        return due
    again = due_by(due.rule, due.started_at, newest)
    return replace(due, provisional=again.provisional) if again.instant == due.instant else due


def _start_time(history: History, entry: Entry, start: Start, agency: str) -> datetime | None:
    match start.by:
        case By.STATED:
            stated = _stated(entry.said.get(start.member)) if start.member else entry.time
            # What was stated to happen later than it was said cannot put off a duty.
            return min(stated or entry.time, entry.acceptedtime)
        case By.ACCEPTED:
            return entry.acceptedtime
        case By.RECORDED:
            return entry.recordedtime
        case By.DELIVERED:
            if history.delivered is None:
                return entry.recordedtime
            return history.delivered.get((entry.sequence, agency))


def _after(item: Clock, entry: Entry, request: Entry | None, calendars: Calendars) -> Clock:
    """A clock after an entry. `request`: the one that it answers."""
    said = _heard(item, entry)
    if said is not item or not item.running:
        return said
    rule, suspended = item.rule, item.state is ClockState.SUSPENDED
    fact = entry.fact if item.agency in _dutiful(rule, entry) or not rule.each else ""
    relieved = entry.ended or entry.parties.get(item.agency) != rule.duty
    if fact in rule.stops and entry.source == item.agency:
        in_time = suspended or entry.acceptedtime <= item.due.instant
        return _stopped(item, entry, ClockState.MET if in_time else ClockState.LATE)
    if relieved or fact in rule.stops or entry.fact in rule.ends:
        return _stopped(item, entry, ClockState.VOID)
    if fact in rule.suspends and not suspended and entry.acceptedtime <= item.due.instant:
        since = max(entry.acceptedtime, item.started_at)
        return replace(_cleared(item, entry), state=ClockState.SUSPENDED, suspended_at=since)
    if fact in rule.resumes and suspended:
        return _resumed(item, entry, calendars)
    granted = entry.fact == "extension_granted" and request is not None and item.agency == request.source
    return _extended(item, entry, request, calendars) if granted and request else item


def _heard(item: Clock, entry: Entry) -> Clock:
    """What the bus says about this clock."""
    said = entry.said
    if entry.fact == "clock_expiry_annulled":
        mine = item.unfounded is not None and said.get("expiry") == item.unfounded.expiry
        return replace(item, annulled=entry.sequence, unfounded=None) if mine else item
    if entry.fact not in {"clock_warned", "clock_expired", "clock_recomputed"}:
        return item
    named = (said.get("rule"), said.get("started_by"), said.get("agency", item.agency))
    due = _stated(said.get("due"))
    if named != item.key or not item.running:
        return item
    match entry.fact:
        case "clock_expired":
            return replace(item, expired=entry.sequence)
        case "clock_warned":
            return replace(item, warned=entry.sequence, warned_due=due)
        case _:
            moved = _moved(item.due, due or item.due.instant, f"counted again by calendar {said.get('calendar')}")
            provisional = tuple(map(int, str(said.get("provisional", "")).split()))
            moves = (*item.recomputed, entry.sequence)
            return replace(item, due=replace(moved, provisional=provisional), recomputed=moves)


def _stopped(item: Clock, entry: Entry, state: ClockState) -> Clock:
    stopped = replace(item, state=state, stopped_by=entry.sequence, stopped_at=entry.acceptedtime)
    in_time = state is ClockState.MET or (state is ClockState.VOID and entry.acceptedtime <= item.due.instant)
    if not in_time or item.expired is None:
        return stopped
    return replace(stopped, unfounded=Unfounded(item.expired, entry.sequence, entry.acceptedtime))


def _cleared(item: Clock, entry: Entry) -> Clock:
    """A clock that goes on by an act accepted in time, although its expiry was said before."""
    if item.expired is None:
        return item
    return replace(item, unfounded=Unfounded(item.expired, entry.sequence, entry.acceptedtime), expired=None)


def _resumed(item: Clock, entry: Entry, calendars: Calendars) -> Clock:
    begun = item.suspended_at or entry.acceptedtime
    again = max(begun, entry.acceptedtime)
    due = _later(item.due, begun, again, calendars.as_of(entry.acceptedtime))
    spans = (*item.suspensions, (begun, again))
    return replace(item, state=ClockState.RUNNING, suspended_at=None, suspensions=spans, due=due)


def _later(due: Due, begun: datetime, again: datetime, calendar: Calendar) -> Due:
    """What is due after it stood still: the period itself goes on later, and then may roll."""
    rule = due.rule
    steps = list(due.steps)
    while steps[-1].rolls:
        steps.pop()
    steps.append(postponed(steps[-1].to, rule.limit.unit if rule.limit else Unit.DAYS, begun, again, calendar))
    if rule.roll:
        steps += rolled(steps[-1].to, calendar)
    provisional = _provisional(rule, due.started_at, steps, calendar, None)
    return replace(due, steps=tuple(steps), instant=steps[-1].to, provisional=provisional)


def _extended(item: Clock, entry: Entry, request: Entry, calendars: Calendars) -> Clock:
    last, rule = named_day(entry.said.get("new_date")), entry.said.get("rule")
    if last is None or not may_extend(item) or rule not in {None, item.rule.id}:
        return item
    furthest = latest(item, calendars.as_of(entry.acceptedtime))
    new = min(midnight(last + DAY), furthest or midnight(last + DAY))
    # What the rule itself grants, it grants when it is asked: that the bus says so later harms nobody.
    at = request.acceptedtime if rule is not None else entry.acceptedtime
    over = item.state is ClockState.RUNNING and at > item.due.instant
    if over or new <= item.due.instant:
        return item
    moved = _moved(item.due, new, f"extended by #{entry.sequence}")
    # The day was named, not counted.
    due = replace(moved, provisional=())
    return replace(_cleared(item, entry), due=due, extensions=(*item.extensions, entry.sequence))


def may_extend(item: Clock) -> bool:
    """Whether the rule lets a clock be extended once more."""
    extends = item.rule.extends
    return extends is not None and len(item.extensions) < extends.most


def latest(item: Clock, calendar: Calendar) -> datetime | None:
    """The last instant to which a clock may be extended, counted from the period's own end; None: no bound."""
    extends = item.rule.extends
    if extends is None or extends.limit is None:
        return None
    own = next((step.to for step in reversed(item.due.steps) if not step.rolls), item.due.instant)
    limit, last = extends.limit, own - timedelta(microseconds=1)
    return count(last, limit.amount, limit.unit, calendar, roll=item.rule.roll)[-1].to


def _moved(old: Due, new: datetime, why: str) -> Due:
    end = new.astimezone(SHANGHAI)
    return replace(old, instant=end, steps=(*old.steps, Step(end - old.instant, end, why)))


def _before(instant: datetime, rule: Rule) -> datetime:
    lead = rule.warn
    if lead is None:
        return instant
    return instant - (HOUR if lead.unit is Unit.HOURS else DAY) * lead.amount


def _provisional(
    rule: Rule, start: datetime, steps: Sequence[Step], calendar: Calendar, agreed: date | None
) -> tuple[int, ...]:
    """The years not announced yet whose working days the count asked for."""
    if agreed is not None or rule.limit is None or rule.limit.unit is Unit.HOURS:
        return ()
    if not rule.roll and rule.limit.unit is not Unit.WORKING_DAYS:
        return ()
    # A period of working days asks for each of its days, another one only for those at its end.
    # The last days of December may rest by the notice for the year after.
    last = (steps[-1].to + 5 * DAY).date()
    ends = [(step.to - DAY).date() for step in steps[-2:]]
    first = start.date() if rule.limit.unit is Unit.WORKING_DAYS else min(ends)
    return tuple(year for year in range(first.year, last.year + 1) if calendar.provisional(year))


def _said(type_: str, data: Mapping[str, JsonValue]) -> dict[str, str | int | bool]:
    """What clocks hear: of what is said about clocks and extensions whatever is short, else days and codes."""
    heard = _SHORT if type_.startswith(_ABOUT_CLOCKS) else _DATED_OR_CODED
    return {
        name: value
        for name, value in data.items()
        if isinstance(value, int) or (isinstance(value, str) and heard.fullmatch(value))
    }


def named_day(value: object) -> date | None:
    """A day that somebody named, as it stands in a fact; None if it is none, or of another millennium."""
    try:
        day = date.fromisoformat(str(value))
    except ValueError:
        return None
    return day if day.year in _YEARS else None


def _stated(value: object) -> datetime | None:
    """A stated instant, or 0:00 of a stated day."""
    day = named_day(value)
    if day is not None:
        return midnight(day)
    try:
        at = instant(str(value))
    except ValueError:
        return None
    return at if at.year in _YEARS else None
