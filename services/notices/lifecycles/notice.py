"""双向告知: the rules of a notice. Articles without a name are of 上海市城市管理行政执法条例(2018)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from contracts.codec import Event
from contracts.records import Phase
from events.fact import Fact
from events.notice import (
    Acknowledged,
    Closed,
    Direction,
    Disputed,
    Feedback,
    FollowedUp,
    Noted,
    NotOurs,
    NotOursReversed,
    NotOursUpheld,
    Sent,
)
from services.kernel.exchange import Context, Lifecycle, Rejection, Role, State, addressees


class Status(StrEnum):
    """Where a notice stands."""

    UNOPENED = "unopened"
    SENT = "sent"  # 已告知, 待受告
    NOTED = "noted"  # 已知悉
    ACKNOWLEDGED = "acknowledged"  # 已受告, 待反馈
    FOLLOWED_UP = "followed_up"  # 已反馈, 待办结
    NOT_OURS = "not_ours"  # 不属其职责, 待告知单位答复
    DISPUTED = "disputed"  # 已提请明确职责
    REVERSED = "reversed"  # 已认定属其职责, 待受告
    UPHELD = "upheld"  # 已认定不属其职责
    CLOSED = "closed"  # 已办结
    WITHDRAWN = "withdrawn"  # 已撤回


TRANSITIONS: Final[Mapping[str, Mapping[type[Fact], str]]] = {
    Status.UNOPENED: {Sent: Status.SENT},
    Status.SENT: {Acknowledged: Status.ACKNOWLEDGED, Noted: Status.NOTED, NotOurs: Status.NOT_OURS},
    Status.NOTED: {},
    Status.ACKNOWLEDGED: {FollowedUp: Status.FOLLOWED_UP, Closed: Status.CLOSED},
    Status.FOLLOWED_UP: {FollowedUp: Status.FOLLOWED_UP, Closed: Status.CLOSED},
    Status.NOT_OURS: {Closed: Status.CLOSED, Disputed: Status.DISPUTED},
    Status.DISPUTED: {
        NotOursReversed: Status.REVERSED,
        NotOursUpheld: Status.UPHELD,
        Acknowledged: Status.ACKNOWLEDGED,
        Closed: Status.CLOSED,
    },
    Status.REVERSED: {Acknowledged: Status.ACKNOWLEDGED, Noted: Status.NOTED, Closed: Status.CLOSED},
    Status.UPHELD: {},
    Status.CLOSED: {},
    Status.WITHDRAWN: {},
}

_SENDER: Final = frozenset({Role.SENDER})
_RECIPIENT: Final = frozenset({Role.RECIPIENT})
_ARBITER: Final = frozenset({Role.ARBITER})

SPEAKERS: Final[Mapping[type[Fact], frozenset[Role]]] = {
    Sent: _SENDER,
    Acknowledged: _RECIPIENT,
    Noted: _RECIPIENT,
    NotOurs: _RECIPIENT,
    FollowedUp: _RECIPIENT,
    Disputed: _SENDER,
    NotOursReversed: _ARBITER,
    NotOursUpheld: _ARBITER,
    Closed: _SENDER,
}

AWAITS: Final[Mapping[str, Role | None]] = {
    Status.UNOPENED: None,
    Status.SENT: Role.RECIPIENT,
    Status.NOTED: None,
    Status.ACKNOWLEDGED: Role.RECIPIENT,
    Status.FOLLOWED_UP: Role.SENDER,
    Status.NOT_OURS: Role.SENDER,
    Status.DISPUTED: Role.ARBITER,
    Status.REVERSED: Role.RECIPIENT,
    Status.UPHELD: None,
    Status.CLOSED: None,
    Status.WITHDRAWN: None,
}

PHASES: Final[Mapping[str, Phase]] = {
    Status.SENT: Phase.ACCEPTANCE,
    Status.ACKNOWLEDGED: Phase.PROCESSING,
    Status.FOLLOWED_UP: Phase.COUNTERPART,
    Status.NOT_OURS: Phase.COUNTERPART,
    Status.DISPUTED: Phase.COUNTERPART,
    Status.REVERSED: Phase.ACCEPTANCE,
}

UNACCEPTED: Final = frozenset({Status.SENT, Status.NOT_OURS, Status.DISPUTED})

ENFORCEMENT: Final = "cg"
"""The role of the enforcement side 城管; everybody else is management here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeState(State):
    """A notice. `feedback`: whether its sender asked for some."""

    feedback: bool = False


def _new(exchange: str) -> NoticeState:
    return NoticeState(kind="notice", exchange=exchange)


def _join(state: NoticeState, event: Event) -> Mapping[str, Role]:
    match event.fact:
        case Disputed(arbiter=arbiter):
            return {arbiter: Role.ARBITER}
        case _:
            return addressees(state, event)


def _guard(state: NoticeState, event: Event, context: Context) -> Rejection | None:
    match event.fact:
        case Sent(direction=direction, recipient=recipient):
            return _directed(event.envelope.source, recipient, direction, context)
        case Noted() if state.feedback:
            return Rejection("feedback-required", f"feedback is asked for: state {Acknowledged.name()}")
        case _:
            return None


def _directed(source: str, recipient: str, direction: Direction, context: Context) -> Rejection | None:
    """Art. 32: the ledger pairs the two directions, so each notice is on its own side of it."""
    outwards = direction is Direction.ENFORCEMENT_TO_MANAGEMENT
    roles = {code: agency.role for code in (source, recipient) if (agency := context.agencies.get(code))}
    sides = roles.get(source) == ENFORCEMENT, roles.get(recipient) == ENFORCEMENT
    if sides == (outwards, not outwards):
        return None
    return Rejection("direction-mismatch", f"{source} telling {recipient} is not {direction}", {"direction": direction})


def _evolve(state: NoticeState, event: Event) -> NoticeState:
    match event.fact:
        case Sent(feedback=feedback):
            return replace(state, feedback=feedback is Feedback.REQUIRED)
        case _:
            return state


LIFECYCLE: Final = Lifecycle(
    kind="notice",
    new=_new,
    transitions=TRANSITIONS,
    leg_transitions={},
    speakers=SPEAKERS,
    awaits=AWAITS,
    phases=PHASES,
    unaccepted=UNACCEPTED,
    stale_refused=frozenset(SPEAKERS) - {Sent, Noted},
    join=_join,
    guard=_guard,
    evolve=_evolve,
)
