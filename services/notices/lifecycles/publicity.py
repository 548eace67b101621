"""双公示、征信推送: the rules of publicity."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Final

from contracts.codec import Event
from contracts.records import Phase
from events.fact import Fact
from events.publicity import (
    Amended,
    DecisionChanged,
    HandedOver,
    Objected,
    ObjectionMarked,
    Published,
    Refused,
    Repaired,
    Resubmitted,
    TakenDown,
    Upheld,
)
from services.kernel.exchange import Context, Lifecycle, Rejection, Role, State


class Status(StrEnum):
    """Where a record stands."""

    UNOPENED = "unopened"
    HANDED_OVER = "handed_over"  # 已报送, 待公示
    REFUSED = "refused"  # 已退回, 待重新报送
    PUBLISHED = "published"  # 公示中
    MARKED = "marked"  # 有异议, 待转交
    OBJECTED = "objected"  # 异议已转交, 待答复
    AMENDED = "amended"  # 已更正, 待重新公示
    REPAIRED = "repaired"  # 已信用修复, 待撤下
    FALLEN = "fallen"  # 决定已变更或者撤销, 待撤下
    TAKEN_DOWN = "taken_down"  # 已撤下
    WITHDRAWN = "withdrawn"  # 已撤回


_FALLS: Final[Mapping[type[Fact], str]] = {DecisionChanged: Status.FALLEN}
"""A decision may fall at any time while it is, or was, online."""

TRANSITIONS: Final[Mapping[str, Mapping[type[Fact], str]]] = {
    Status.UNOPENED: {HandedOver: Status.HANDED_OVER},
    Status.HANDED_OVER: {Published: Status.PUBLISHED, Refused: Status.REFUSED},
    Status.REFUSED: {Resubmitted: Status.HANDED_OVER},
    Status.PUBLISHED: {
        ObjectionMarked: Status.MARKED,
        Repaired: Status.REPAIRED,
        # 公示期满.
        TakenDown: Status.TAKEN_DOWN,
        **_FALLS,
    },
    Status.MARKED: {Objected: Status.OBJECTED, **_FALLS},
    Status.OBJECTED: {Upheld: Status.PUBLISHED, Amended: Status.AMENDED, **_FALLS},
    Status.AMENDED: {Published: Status.PUBLISHED, **_FALLS},
    Status.REPAIRED: {TakenDown: Status.TAKEN_DOWN},
    Status.FALLEN: {TakenDown: Status.TAKEN_DOWN},
    Status.TAKEN_DOWN: {},
    Status.WITHDRAWN: {},
}

_SENDER: Final = frozenset({Role.SENDER})
_RECIPIENT: Final = frozenset({Role.RECIPIENT})

SPEAKERS: Final[Mapping[type[Fact], frozenset[Role]]] = {
    HandedOver: _SENDER,
    Published: _RECIPIENT,
    Refused: _RECIPIENT,
    Resubmitted: _SENDER,
    ObjectionMarked: _RECIPIENT,
    Objected: _RECIPIENT,
    Upheld: _SENDER,
    Amended: _SENDER,
    Repaired: _SENDER,
    DecisionChanged: _SENDER,
    TakenDown: _RECIPIENT,
}

AWAITS: Final[Mapping[str, Role | None]] = {
    Status.UNOPENED: None,
    Status.HANDED_OVER: Role.RECIPIENT,
    Status.REFUSED: Role.SENDER,
    Status.PUBLISHED: None,
    Status.MARKED: Role.RECIPIENT,
    Status.OBJECTED: Role.SENDER,
    Status.AMENDED: Role.RECIPIENT,
    Status.REPAIRED: Role.RECIPIENT,
    Status.FALLEN: Role.RECIPIENT,
    Status.TAKEN_DOWN: None,
    Status.WITHDRAWN: None,
}

PHASES: Final[Mapping[str, Phase]] = {
    Status.HANDED_OVER: Phase.ACCEPTANCE,
    Status.REFUSED: Phase.SUPPLEMENT,
    Status.MARKED: Phase.PROCESSING,
    Status.OBJECTED: Phase.COUNTERPART,
    Status.AMENDED: Phase.PROCESSING,
    Status.REPAIRED: Phase.PROCESSING,
    Status.FALLEN: Phase.PROCESSING,
}

UNACCEPTED: Final = frozenset({Status.HANDED_OVER, Status.REFUSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicityState(State):
    """A record. `decided_on`: when its decision was made."""

    decided_on: date | None = None


def _new(exchange: str) -> PublicityState:
    return PublicityState(kind="publicity", exchange=exchange)


def _guard(state: PublicityState, event: Event, _context: Context) -> Rejection | None:
    match event.fact:
        case Refused(decided_on=decided_on) if decided_on != state.decided_on:
            # From that day the agency's time runs on: the clock must not start from another one.
            detail = f"the decision that was handed over is of {state.decided_on}"
            return Rejection("decision-mismatch", detail, {"pointer": "/data/decided_on"})
        case _:
            return None


def _evolve(state: PublicityState, event: Event) -> PublicityState:
    match event.fact:
        case HandedOver(decision=decision) | Resubmitted(decision=decision) | Amended(decision=decision):
            return replace(state, decided_on=decision.decided_on)
        case _:
            return state


LIFECYCLE: Final = Lifecycle(
    kind="publicity",
    new=_new,
    transitions=TRANSITIONS,
    leg_transitions={},
    speakers=SPEAKERS,
    awaits=AWAITS,
    phases=PHASES,
    unaccepted=UNACCEPTED,
    stale_refused=frozenset(SPEAKERS) - {HandedOver, Published},
    guard=_guard,
    evolve=_evolve,
)
