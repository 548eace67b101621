"""派单: the rules of a work order.

Who dispatches decides on 退单 (街道办事处条例(2018) 第十二条: 派单调度、督办核查): no arbiter has a part here, and
the order goes to whom the dispatcher gives it, also to one who has had it. A body that will not take what was upheld
raises the split of duties as a coordination 行政协调; the order's clocks run on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from contracts.codec import Event
from contracts.records import Phase
from events.fact import Fact
from events.workorder import (
    Accepted,
    CaseLinked,
    Channel,
    Closed,
    Dispatched,
    Done,
    FirstContact,
    Redispatched,
    Reopened,
    SentBack,
    Upheld,
    Verified,
)
from services.kernel.exchange import Context, Lifecycle, Rejection, Role, State, addressees


class Status(StrEnum):
    """Where an order stands."""

    UNOPENED = "unopened"
    DISPATCHED = "dispatched"  # 已派单, 待接单
    SENT_BACK = "sent_back"  # 已退单, 待派单单位答复
    UPHELD = "upheld"  # 退单不成立, 待接单
    ACCEPTED = "accepted"  # 已接单, 处置中
    DONE = "done"  # 已办结, 待核查
    REOPENED = "reopened"  # 核查不通过, 重新处置
    VERIFIED = "verified"  # 核查通过, 待结案
    CLOSED = "closed"  # 已结案
    WITHDRAWN = "withdrawn"  # 已撤回


class Leg(StrEnum):
    """What an agency to which the order was given has done with it."""

    ADDRESSED = "addressed"  # 待接单
    SENT_BACK = "sent_back"  # 已退单
    ACCEPTED = "accepted"  # 处置中
    DONE = "done"  # 已办结
    REDISPATCHED = "redispatched"  # 已改派


TRANSITIONS: Final[Mapping[str, Mapping[type[Fact], str]]] = {
    Status.UNOPENED: {Dispatched: Status.DISPATCHED},
    Status.DISPATCHED: {Accepted: Status.ACCEPTED, SentBack: Status.SENT_BACK},
    Status.SENT_BACK: {Redispatched: Status.DISPATCHED, Upheld: Status.UPHELD},
    Status.UPHELD: {Accepted: Status.ACCEPTED},
    # 诉转案: a case is often filed after the order was answered, so it may be told until the order is closed.
    Status.ACCEPTED: {
        Done: Status.DONE,
        CaseLinked: Status.ACCEPTED,
        SentBack: Status.SENT_BACK,
        Redispatched: Status.DISPATCHED,
    },
    Status.DONE: {Verified: Status.VERIFIED, Reopened: Status.REOPENED, CaseLinked: Status.DONE},
    Status.REOPENED: {Done: Status.DONE, CaseLinked: Status.REOPENED, Redispatched: Status.DISPATCHED},
    Status.VERIFIED: {Closed: Status.CLOSED, CaseLinked: Status.VERIFIED},
    Status.CLOSED: {},
    Status.WITHDRAWN: {},
}

LEG_TRANSITIONS: Final[Mapping[str, Mapping[type[Fact], str]]] = {
    Leg.ADDRESSED: {Accepted: Leg.ACCEPTED, SentBack: Leg.SENT_BACK},
    Leg.SENT_BACK: {Upheld: Leg.ADDRESSED, Redispatched: Leg.REDISPATCHED},
    Leg.ACCEPTED: {Done: Leg.DONE, SentBack: Leg.SENT_BACK, Redispatched: Leg.REDISPATCHED},
    Leg.DONE: {Reopened: Leg.ACCEPTED},
    Leg.REDISPATCHED: {},
}

_SENDER: Final = frozenset({Role.SENDER})
_RECIPIENT: Final = frozenset({Role.RECIPIENT})

SPEAKERS: Final[Mapping[type[Fact], frozenset[Role]]] = {
    Dispatched: _SENDER,
    Accepted: _RECIPIENT,
    SentBack: _RECIPIENT,
    Redispatched: _SENDER,
    Upheld: _SENDER,
    CaseLinked: _RECIPIENT,
    Done: _RECIPIENT,
    Verified: _SENDER,
    Reopened: _SENDER,
    Closed: _SENDER,
}

AWAITS: Final[Mapping[str, Role | None]] = {
    Status.UNOPENED: None,
    Status.DISPATCHED: Role.RECIPIENT,
    Status.SENT_BACK: Role.SENDER,
    Status.UPHELD: Role.RECIPIENT,
    Status.ACCEPTED: Role.RECIPIENT,
    Status.DONE: Role.SENDER,
    Status.REOPENED: Role.RECIPIENT,
    Status.VERIFIED: Role.SENDER,
    Status.CLOSED: None,
    Status.WITHDRAWN: None,
}

PHASES: Final[Mapping[str, Phase]] = {
    Status.DISPATCHED: Phase.ACCEPTANCE,
    Status.SENT_BACK: Phase.COUNTERPART,
    Status.UPHELD: Phase.ACCEPTANCE,
    Status.ACCEPTED: Phase.PROCESSING,
    Status.DONE: Phase.COUNTERPART,
    Status.REOPENED: Phase.PROCESSING,
    Status.VERIFIED: Phase.COUNTERPART,
}

UNACCEPTED: Final = frozenset({Status.DISPATCHED, Status.SENT_BACK, Status.UPHELD})


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkorderState(State):
    """An order: by which `channel` it came, and whether the recipient must call first (先行联系).

    upheld: whether the present recipient was told that the order is its own.
    """

    channel: Channel | None = None
    first_contact: bool = False
    upheld: bool = False


def _new(exchange: str) -> WorkorderState:
    return WorkorderState(kind="workorder", exchange=exchange)


def _join(state: WorkorderState, event: Event) -> Mapping[str, Role]:
    match event.fact:
        case Redispatched(recipient=recipient):
            return {**dict.fromkeys(state.having(Role.RECIPIENT), Role.FORMER), recipient: Role.RECIPIENT}
        case _:
            return addressees(state, event)


def _guard(state: WorkorderState, event: Event, _context: Context) -> Rejection | None:
    match event.fact:
        case Redispatched(channel=channel, recipient=recipient):
            return _same_channel(state, channel) or _relieves(state, recipient)
        case Accepted(channel=channel, first_contact=first):
            return _same_channel(state, channel) or _contacted_first(state, first)
        case SentBack() if state.upheld:
            return Rejection("already-upheld", "the dispatcher has held that the order is its recipient's own")
        case _:
            return None


def _same_channel(state: WorkorderState, channel: Channel) -> Rejection | None:
    """By which channel an order came decides which clocks run, so nobody restates it otherwise."""
    if channel is state.channel:
        return None
    return Rejection(
        "channel-mismatch", f"the order came by {state.channel}, not by {channel}", {"channel": state.channel}
    )


def _relieves(state: WorkorderState, recipient: str) -> Rejection | None:
    """Only an answer to 退单 gives the order to the same unit again: its clocks would else begin anew at will."""
    if state.status == Status.SENT_BACK or recipient not in state.having(Role.RECIPIENT):
        return None
    return Rejection("recipient-unchanged", f"{recipient} has the order in hand", {"agency": recipient})


def _contacted_first(state: WorkorderState, first: FirstContact | None) -> Rejection | None:
    """先行联系: where the order asks for it, who takes the order on says what came of it."""
    if state.first_contact and first is None:
        return Rejection("first-contact-missing", "the order asks for 先行联系: say in `first_contact` what came of it")
    return None


def _evolve(state: WorkorderState, event: Event) -> WorkorderState:
    match event.fact:
        case Dispatched(channel=channel, first_contact=first):
            return replace(state, channel=channel, first_contact=first)
        case Redispatched(recipient=recipient):
            passed_on = recipient not in state.having(Role.RECIPIENT)
            return replace(state, hops=state.hops + passed_on, upheld=False)
        case Upheld():
            return replace(state, upheld=True)
        case _:
            return state


LIFECYCLE: Final = Lifecycle(
    kind="workorder",
    new=_new,
    transitions=TRANSITIONS,
    leg_transitions=LEG_TRANSITIONS,
    speakers=SPEAKERS,
    awaits=AWAITS,
    phases=PHASES,
    unaccepted=UNACCEPTED,
    stale_refused=frozenset(SPEAKERS) - {Dispatched, CaseLinked},
    join=_join,
    guard=_guard,
    evolve=_evolve,
)
