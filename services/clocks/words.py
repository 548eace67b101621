"""What the bus has to say about a clock, and when; pure.

A warning before a deadline, its expiry, the annulment of an expiry that an act accepted in time has made void, an
extension that the rule itself grants, and a count by a calendar that was announced since. The id of each word comes
from what it is about, so that it is said once however often it is thought.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypedDict

from contracts.calendar import Calendars
from contracts.claims import not_extendable
from contracts.clocks import Clock, ClockState, Due, History, clocks, named_day, recounted, requests
from contracts.counting import clock
from contracts.records import Record
from contracts.rules import Rules
from events import common
from events.fact import Fact


@dataclass(frozen=True, slots=True)
class Timing:
    """grace: how long after a due instant to wait for what is on its way. tolerance: what later is called late."""

    grace: timedelta
    tolerance: timedelta


@dataclass(frozen=True, slots=True)
class Word:
    """A fact to submit, from `at` on, under an id of its own. `time`: when it happened by law."""

    id: str
    at: datetime
    time: datetime
    fact: Fact
    about: Clock

    def at_last(self, now: datetime, timing: Timing) -> Fact:
        """The fact as it is said now: marked late if it should have been said before."""
        if isinstance(self.fact, (common.ClockWarned, common.ClockExpired)) and now - self.at > timing.tolerance:
            return self.fact.model_copy(update={"late": True})
        return self.fact


@dataclass(frozen=True, slots=True)
class Law:
    """What clocks are counted by."""

    rules: Rules
    calendars: Calendars
    timing: Timing

    @property
    def digest(self) -> str:
        """What tells one law from another: its rules, its calendars, and the grace."""
        parts = [rule.model_dump_json() for versions in self.rules.by_id.values() for rule in versions]
        parts += [part.model_dump_json() for part in (*self.calendars.versions, *self.calendars.measures)]
        return hashlib.sha256("\n".join([*parts, str(self.timing.grace)]).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Sheet:
    """The clocks of an exchange, and the words about them that have not been said yet, in order."""

    clocks: tuple[Clock, ...]
    words: tuple[Word, ...]

    def without(self, said: Collection[str]) -> "Sheet":
        """The sheet after the words with these ids were said."""
        return replace(self, words=tuple(word for word in self.words if word.id not in said))


def _always(_agency: str, _at: datetime) -> bool:
    return True


def sheet(
    records: Sequence[Record],
    history: History,
    said: Collection[str],
    law: Law,
    passed: Callable[[str, datetime], bool] = _always,
) -> Sheet:
    """The sheet of an exchange. `said`: the ids of the words that were submitted before.

    `passed`: whether nothing that an agency did before an instant is still on its way. As long as it may be, nothing is
    said of the expiry of its clock: the matter is undetermined.
    """
    found = clocks(history, law.rules, law.calendars)
    exchange = f"{records[0].kind}/{records[0].exchange}"
    words = [word for item in found for word in _words(item, exchange, law)]
    words += _granted(history, found, exchange, law.calendars)
    waiting = [word for word in words if word.id not in said and _determined(word, passed)]
    return Sheet(found, tuple(sorted(waiting, key=lambda word: (word.at, word.about.key))))


def _determined(word: Word, passed: Callable[[str, datetime], bool]) -> bool:
    return not isinstance(word.fact, common.ClockExpired) or passed(word.about.agency, word.at)


def _words(item: Clock, exchange: str, law: Law) -> Iterator[Word]:
    void = item.unfounded
    if void is not None:
        reason = f"{item.rule.id}: #{void.act} was accepted at {clock(void.at)}, in time"
        annulment = common.ClockExpiryAnnulled(expiry=void.expiry, act=void.act, reason=reason)
        yield Word(_id(f"annulled-{void.expiry}", exchange, item), void.at, void.at, annulment, item)
    if item.state is not ClockState.RUNNING or item.expired is not None:
        return
    again = recounted(item, law.calendars)
    if again is not None:
        calendar = law.calendars.newest().label(again.instant.year)
        fact = common.ClockRecomputed(**_about(item, again), was_due=item.due.instant, calendar=calendar)
        yield Word(_id("recomputed", exchange, item, again.instant), item.started_at, item.started_at, fact, item)
        return
    if item.warn_at is not None and item.warned_due != item.due.instant:
        warning = common.ClockWarned(**_about(item, item.due))
        yield Word(_id("warned", exchange, item), item.warn_at, item.warn_at, warning, item)
    expiry = common.ClockExpired(**_about(item, item.due))
    yield Word(_id("expired", exchange, item), item.due.instant + law.timing.grace, item.due.instant, expiry, item)


def _granted(history: History, found: Sequence[Clock], exchange: str, calendars: Calendars) -> Iterator[Word]:
    """The extensions that were asked for, wait, and are granted by a rule itself."""
    for agency, request in requests(history).items():
        last = named_day(request.said.get("new_date"))
        able = [item for item in found if item.agency == agency and _by_rule(item)]
        at = request.acceptedtime
        item = next((item for item in able if last and not_extendable([item], last, None, at, calendars) is None), None)
        if item is not None and last is not None:
            fact = common.ExtensionGranted(new_date=last, rule=item.rule.id, agency=agency)
            yield Word(_id("granted", exchange, item), at, at, fact, item)


def _by_rule(item: Clock) -> bool:
    extends = item.rule.extends
    return item.state is ClockState.RUNNING and extends is not None and extends.by == "rule"


class _About(TypedDict):
    rule: str
    due: datetime
    started_by: int
    started_at: datetime
    agency: str
    basis: str
    provisional: str | None


def _about(item: Clock, counted: Due) -> _About:
    return {
        "rule": item.rule.id,
        "due": counted.instant,
        "started_by": item.started_by,
        "started_at": item.started_at,
        "agency": item.agency,
        "basis": counted.basis,
        "provisional": " ".join(map(str, counted.provisional)) or None,
    }


def _id(what: str, exchange: str, item: Clock, due: datetime | None = None) -> str:
    rule, started_by, agency = item.key
    # A clock that was moved to and fro is not where it was: what was said, and perhaps refused, before is said again.
    moves = len(item.extensions) + len(item.recomputed) + len(item.suspensions)
    named = f"{what}|{exchange}|{rule}|{started_by}|{agency}|{(due or item.due.instant).isoformat()}|{moves}"
    return f"clock-{what}-{rule}-{hashlib.sha256(named.encode()).hexdigest()[:32]}"
