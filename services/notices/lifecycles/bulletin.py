"""情况通报、处罚企业名单通报: the rules of a bulletin."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Final

from contracts.calendar import SHANGHAI
from contracts.canonical import Document
from contracts.codec import Event
from contracts.records import Phase
from events.bulletin import Closed, EntryWithdrawn, Published, Read
from events.fact import Fact
from services.kernel.exchange import Context, Lifecycle, Rejection, Role, State


class Status(StrEnum):
    """Where a bulletin stands."""

    UNOPENED = "unopened"
    PUBLISHED = "published"  # 已通报, 有单位待阅
    READ = "read"  # 均已阅
    CLOSED = "closed"  # 已归档
    WITHDRAWN = "withdrawn"  # 已撤回


class Leg(StrEnum):
    """What an addressee has done with the issue as it stands."""

    UNREAD = "unread"  # 待阅, also anew after an entry was withdrawn
    READ = "read"  # 已阅


TRANSITIONS: Final[Mapping[str, Mapping[type[Fact], str]]] = {
    Status.UNOPENED: {Published: Status.PUBLISHED},
    Status.PUBLISHED: {Read: Status.PUBLISHED, EntryWithdrawn: Status.PUBLISHED, Closed: Status.CLOSED},
    Status.READ: {EntryWithdrawn: Status.PUBLISHED, Closed: Status.CLOSED},
    Status.CLOSED: {},
    Status.WITHDRAWN: {},
}

LEG_TRANSITIONS: Final[Mapping[str, Mapping[type[Fact], str]]] = {Leg.UNREAD: {Read: Leg.READ}, Leg.READ: {}}

ROLLUP: Final[Mapping[str, frozenset[str]]] = {Status.READ: frozenset({Leg.READ}), Status.PUBLISHED: frozenset(Leg)}

LEG_AWAITS: Final[Mapping[str, Role | None]] = {Leg.UNREAD: Role.RECIPIENT, Leg.READ: None}

_SENDER: Final = frozenset({Role.SENDER})
_RECIPIENT: Final = frozenset({Role.RECIPIENT})

SPEAKERS: Final[Mapping[type[Fact], frozenset[Role]]] = {
    Published: _SENDER,
    Read: _RECIPIENT,
    EntryWithdrawn: _SENDER,
    Closed: _SENDER,
}

AWAITS: Final[Mapping[str, Role | None]] = {
    Status.UNOPENED: None,
    Status.PUBLISHED: Role.RECIPIENT,
    Status.READ: None,
    Status.CLOSED: None,
    Status.WITHDRAWN: None,
}

PHASES: Final[Mapping[str, Phase]] = {Status.PUBLISHED: Phase.RECEIPT}

UNACCEPTED: Final = frozenset({Status.PUBLISHED, Status.READ})
"""Nobody accepts a bulletin, so its publisher may withdraw a whole issue alone at any time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BulletinState(State):
    """A bulletin. `entries`: the ids of those that stand; `retain_until`: the last day on which it is kept."""

    entries: frozenset[str] = frozenset()
    retain_until: date | None = None


def _new(exchange: str) -> BulletinState:
    return BulletinState(kind="bulletin", exchange=exchange)


def _guard(state: BulletinState, event: Event, context: Context) -> Rejection | None:
    match event.fact:
        case Published() as issue:
            return _to_every_subscriber(issue, event.envelope.source, context)
        case EntryWithdrawn(entry_id=entry):
            return _stands(state, entry)
        case Closed():
            return _nothing_can_fall(state, context)
        case _:
            return None


def _to_every_subscriber(issue: Published, source: str, context: Context) -> Rejection | None:
    """Who gets a series on the day gets each issue of it; others may, where the agreement lets them."""
    series = context.contracts.subscriptions.get(issue.series)
    if series is None or series.publisher != source:
        own = sorted(code for code, item in context.contracts.subscriptions.by_code.items() if item.publisher == source)
        return Rejection("series-unknown", f"{source} publishes no series {issue.series}", {"series": [*own]})
    day = context.acceptedtime.astimezone(SHANGHAI).date()
    missing = [code for code in series.on(day) if code not in issue.recipients]
    if missing:
        detail = f"{series.code} {series.title_zh} also goes to {', '.join(missing)}"
        return Rejection("subscriber-missing", detail, {"missing": [*missing]})
    return None


def _stands(state: BulletinState, entry: str) -> Rejection | None:
    if entry in state.entries:
        return None
    return Rejection("entry-unknown", f"no entry {entry} stands in this issue", {"entries": [*sorted(state.entries)]})


def _nothing_can_fall(state: BulletinState, context: Context) -> Rejection | None:
    """行政处罚法 48: a penalty that falls is withdrawn from what was published, however late; so a list stays open."""
    until = state.retain_until
    if not state.entries or (until is not None and until < context.acceptedtime.astimezone(SHANGHAI).date()):
        return None
    kept = f"until {until}" if until else "without an end"
    members: Document = {"entries": [*sorted(state.entries)], "retain_until": until.isoformat() if until else None}
    return Rejection("entries-stand", f"entries stand in this issue, which is kept {kept}", members)


def _evolve(state: BulletinState, event: Event) -> BulletinState:
    match event.fact:
        case Published(entries=entries, retain_until=until):
            return replace(state, entries=frozenset(entry.entry_id for entry in entries), retain_until=until)
        case EntryWithdrawn(entry_id=entry):
            return replace(state, entries=state.entries - {entry})
        case _:
            return state


LIFECYCLE: Final = Lifecycle(
    kind="bulletin",
    new=_new,
    transitions=TRANSITIONS,
    leg_transitions=LEG_TRANSITIONS,
    speakers=SPEAKERS,
    awaits=AWAITS,
    phases=PHASES,
    unaccepted=UNACCEPTED,
    asks_anew=frozenset({EntryWithdrawn}),
    guard=_guard,
    evolve=_evolve,
    stale_refused=frozenset({Read, EntryWithdrawn, Closed}),
    rollup=ROLLUP,
    leg_awaits=LEG_AWAITS,
    apart=True,
)
