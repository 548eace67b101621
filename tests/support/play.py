"""An exchange played move by move without engines: given what is registered, when an agency states a fact.

play = Play("transfer").given((MINHANG, "transfer.sent"), (QINGPU, "transfer.receipted"))
assert play.when(QINGPU, "transfer.returned", ground=...).code == "ground-unknown"
"""

from collections import deque
from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from contracts.canonical import Document, timestamp
from contracts.clocks import Clock, Entry, History, running
from contracts.codec import Event, decode
from contracts.kinds import packaged
from contracts.library import Contracts
from contracts.records import Record, Standing
from events.fact import PREFIX, Fact
from events.registry import facts, kind_of
from services.kernel.exchange import Context, Lifecycle, Registration, Rejection, Role, State
from services.kernel.kinds import lifecycles
from services.kernel.lifecycle import COMMON, decide, standing
from tests.support.factory import BUS, CASE, TIME, event, example, fact, new_exchange, variants, world

MINHANG, QINGPU, XUHUI, CITY = "310112-cg", "310118-cg", "310104-cg", "310000-cg"
POLICE, POLICE_QINGPU, PROCURATORATE, JUSTICE = "310112-ga", "310118-ga", "310112-jcy", "310112-sfj"

_STEP = timedelta(minutes=1)


class Play:
    """One exchange, its state, and everything that was registered in it; a minute passes with each fact."""

    def __init__(self, kind: str, *, contracts: Contracts | None = None, at: datetime = TIME) -> None:
        self.kind = kind
        self.lifecycle: Lifecycle[State] = lifecycles(packaged().by_name[kind].registrar)[kind]
        known = contracts or world()
        self.context = Context(known, BUS, at)
        self.state = self.lifecycle.new(new_exchange())
        self.log: list[tuple[Event, Standing]] = []
        self.times: list[datetime] = []

    def given(self, *moves: tuple[Any, ...]) -> "Play":
        """State facts that must be registered: (source, name) or (source, name, members)."""
        for source, name, *members in moves:
            answer = self.when(source, name, **(members[0] if members else {}))
            assert isinstance(answer, Registration), f"{source} {name}: {answer}"
        return self

    def when(
        self, source: str, name: str, variant: str | None = None, /, *, by: dict[str, Any] | None = None, **members: Any
    ) -> Any:
        """State a fact; it is registered if it may be. `by` gives attributes of the envelope."""
        return self.submit(source, fact(name, variant, **members), **(by or {}))

    def submit(self, source: str, stated: Fact, **attributes: Any) -> Registration[State] | Rejection:
        """The answer to a fact; a registration is folded in."""
        given = tuple(sorted(attributes.items()))
        # A frozen model is hashable, which its type does not say.
        read = _event(source, stated, self.kind, self.state.exchange, given)  # pyright: ignore[reportArgumentType]
        self.wait(_STEP)
        answer = decide(self.lifecycle, self.state, read, self.context)
        if isinstance(answer, Registration):
            self.state = answer.state
            self.log.append((read, self.standing))
            self.times.append(self.context.acceptedtime)
            entry = Entry.of(self.record(len(self.log)))
            self.context = replace(self.context, entries=(*self.context.entries, entry))
        return answer

    def wait(self, length: timedelta) -> "Play":
        """Let time pass."""
        self.context = replace(self.context, acceptedtime=self.context.acceptedtime + length)
        return self

    def record(self, sequence: int) -> Record:
        """The record of an event, recorded a second after it was accepted, without its receipt."""
        event, after = self.log[sequence - 1]
        accepted = self.times[sequence - 1]
        bus: Document = {
            "sequence": sequence,
            "acceptedtime": timestamp(accepted),
            "recordedtime": timestamp(accepted + timedelta(seconds=1)),
        }
        audience = self.state.audiences[sequence - 1]
        return Record(event={**event.document, **bus}, receipt={}, standing=after, audience=audience)

    @property
    def standing(self) -> Standing:
        """What followers are told."""
        return standing(self.lifecycle, self.state, self.context)

    def clock(self, rule: str) -> Clock:
        """The running clock of a rule, as the registrar sees it."""
        known = self.context.contracts
        found = running(History(self.kind, self.context.entries), known.rules, known.calendars)
        return next(item for item in found if item.rule.id == rule)

    def about(self, rule: str) -> dict[str, Any]:
        """What the bus says when it speaks of the running clock of a rule: the members of `common.clock_expired`."""
        item = self.clock(rule)
        return {
            "rule": rule,
            "due": item.due.instant.isoformat(),
            "started_by": item.started_by,
            "started_at": item.started_at.isoformat(),
            "agency": item.agency,
        }

    def fork(self) -> "Play":
        """The same exchange, to go on differently."""
        other = copy(self)
        other.log = list(self.log)
        other.times = list(self.times)
        return other

    def actors(self, role: Role) -> tuple[str, ...]:
        """Who has a role, or would get it by speaking."""
        held = self.state.having(role)
        return held or (() if (cast := stage(self.kind).get(role)) is None else (cast,))

    def actor(self, role: Role) -> str:
        """One of them, or somebody who has no role here."""
        return next(iter(self.actors(role)), XUHUI)

    def speakers(self, name: str) -> frozenset[Role]:
        """The roles that may state a fact."""
        stated = facts()[f"{PREFIX}.{name}.v1"]
        return COMMON[stated].speakers if stated in COMMON else self.lifecycle.speakers[stated]


def names(kind: str) -> tuple[str, ...]:
    """`transfer.sent` and so on: the facts of a kind."""
    return tuple(f"{kind}.{item.name()}" for type_, item in facts().items() if kind_of(type_) == kind)


@cache
def stage(kind: str) -> dict[Role, str]:
    """Who plays which role in the examples of a kind: whom its opening and its agreement name."""
    play = Play(kind)
    opening = min(item.name() for item in play.lifecycle.opening)
    source = str(example(f"{kind}.{opening}")["source"])
    play.given((source, f"{kind}.{opening}"))
    cast = {role: code for code, role in sorted(play.state.parties.items(), reverse=True)}
    agreements = [world().agreements.by_id[id_] for id_ in sorted(set(play.state.grants.values()))]
    for agreement in agreements:
        named = {Role.SUPERVISOR: agreement.supervisors, Role.COPIED: agreement.copied}
        cast = {**{role: codes[0] for role, codes in named.items() if codes}, **cast}
        if agreement.arbiter:
            cast.setdefault(Role.ARBITER, agreement.arbiter)
    return {**cast, Role.BUS: BUS}


@cache
def everybody(kind: str) -> tuple[str, ...]:
    """Who tries something in an exchange of a kind: all who play a role in the examples, two outsiders, and the bus."""
    sources = {str(example(name)["source"]) for name in names(kind)}
    parties = {code for play in reached(kind).values() for code in play.state.parties}
    outsiders = [code for code in (XUHUI, POLICE_QINGPU, MINHANG) if code not in parties]
    return (*sorted({*sources, *parties, *stage(kind).values(), *outsiders[:2]} - {BUS}), BUS)


@cache
def reached(kind: str) -> dict[str, Play]:
    """Every status that can be reached with the example facts, and an exchange that went the shortest way there."""
    found: dict[str, Play] = {}
    for play in explored(kind):
        found.setdefault(play.state.status, play)
    return found


@cache
def explored(kind: str) -> tuple[Play, ...]:
    """An exchange for every status and standing of its legs that the example facts lead to, the shortest first."""
    found = {_place(play): play for play in [Play(kind)]}
    waiting = deque(found.values())
    while waiting:
        for play in _tried(waiting.popleft()):
            if _place(play) not in found:
                found[_place(play)] = play
                waiting.append(play)
    return tuple(found.values())


def _place(play: Play) -> tuple[object, ...]:
    state = play.state
    return state.status, tuple(sorted(state.legs.items())), state.withdrawal is not None


def _tried(before: Play) -> Iterator[Play]:
    """The exchange after each fact that may follow, in every example of it, by whoever may state it about any leg."""
    table = before.lifecycle.transitions[before.state.status]
    own = [f"{before.kind}.{item.name()}" for item in table]
    for name in (*own, "common.withdrawal_requested", "common.withdrawn"):
        for source, leg in attempts(before, name):
            for variant in variants(name):
                play = before.fork()
                if isinstance(play.when(source, name, variant, by={"leg": leg}), Registration):
                    yield play


def attempts(before: Play, name: str) -> Iterator[tuple[str, str | None]]:
    """By whom a fact may be stated, and about which leg, as far as the tables say."""
    for role in sorted(before.speakers(name)):
        for source in before.actors(role):
            yield source, None
            if len(before.state.legs) > 1 and role is not Role.RECIPIENT:
                yield from ((source, leg) for leg in before.state.legs)


@cache
def _event(source: str, stated: Fact, kind: str, exchange: str, attributes: tuple[tuple[str, Any], ...]) -> Event:
    given: dict[str, Any] = {"kind": kind, "case": CASE, **dict(attributes)}
    return decode(event(source, stated, exchange=exchange, **given))
