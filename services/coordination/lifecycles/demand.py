"""街镇提需求、部门认领: the rules of a demand. One department handles it; the others who were asked are then former."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from contracts.codec import Event
from contracts.records import Phase
from events.demand import Assigned, Claimed, Closed, Confirmed, Declined, Done, Escalated, Posted, Reopened
from events.fact import Fact
from services.kernel.exchange import Context, Lifecycle, Rejection, Role, State, addressees, plain


class Status(StrEnum):
    """Where a demand stands."""

    UNOPENED = "unopened"
    POSTED = "posted"  # 已提出, 待认领
    UNCLAIMED = "unclaimed"  # 均不认领, 待提请指派
    CLAIMED = "claimed"  # 已认领, 办理中
    ESCALATED = "escalated"  # 已提请指派
    ASSIGNED = "assigned"  # 已指派, 办理中
    DONE = "done"  # 已办结, 待确认
    REOPENED = "reopened"  # 已退回重办
    CONFIRMED = "confirmed"  # 已确认
    CLOSED = "closed"  # 已撤销
    WITHDRAWN = "withdrawn"  # 已撤回


class Leg(StrEnum):
    """What a department that was asked has said or done."""

    ADDRESSED = "addressed"  # 待回应
    DECLINED = "declined"  # 不认领
    IN_HAND = "in_hand"  # 办理中
    DONE = "done"  # 已办结


TRANSITIONS: Final[Mapping[str, Mapping[type[Fact], str]]] = {
    Status.UNOPENED: {Posted: Status.POSTED},
    Status.POSTED: {Claimed: Status.CLAIMED, Declined: Status.POSTED, Escalated: Status.ESCALATED},
    Status.UNCLAIMED: {Claimed: Status.CLAIMED, Escalated: Status.ESCALATED},
    Status.CLAIMED: {Done: Status.DONE, Escalated: Status.ESCALATED, Closed: Status.CLOSED},
    Status.ESCALATED: {Assigned: Status.ASSIGNED},
    # Who was assigned does it; the district may still think better of its choice.
    Status.ASSIGNED: {Done: Status.DONE, Assigned: Status.ASSIGNED, Closed: Status.CLOSED},
    Status.DONE: {Confirmed: Status.CONFIRMED, Reopened: Status.REOPENED},
    Status.REOPENED: {Done: Status.DONE, Escalated: Status.ESCALATED, Closed: Status.CLOSED},
    Status.CONFIRMED: {},
    Status.CLOSED: {},
    Status.WITHDRAWN: {},
}

LEG_TRANSITIONS: Final[Mapping[str, Mapping[type[Fact], str]]] = {
    Leg.ADDRESSED: {Claimed: Leg.IN_HAND, Declined: Leg.DECLINED, Done: Leg.DONE},
    Leg.DECLINED: {Claimed: Leg.IN_HAND, Done: Leg.DONE},
    Leg.IN_HAND: {Done: Leg.DONE},
    Leg.DONE: {Reopened: Leg.IN_HAND},
}

ROLLUP: Final[Mapping[str, frozenset[str]]] = {
    Status.UNCLAIMED: frozenset({Leg.DECLINED}),
    Status.POSTED: frozenset(Leg),
}

LEG_AWAITS: Final[Mapping[str, Role | None]] = {
    Leg.ADDRESSED: Role.RECIPIENT,
    Leg.DECLINED: None,
    Leg.IN_HAND: Role.RECIPIENT,
    Leg.DONE: Role.SENDER,
}

_SENDER: Final = frozenset({Role.SENDER})
_RECIPIENT: Final = frozenset({Role.RECIPIENT})

SPEAKERS: Final[Mapping[type[Fact], frozenset[Role]]] = {
    Posted: _SENDER,
    Claimed: _RECIPIENT,
    Declined: _RECIPIENT,
    Escalated: _SENDER | _RECIPIENT,
    Assigned: frozenset({Role.ARBITER}),
    Done: _RECIPIENT,
    Confirmed: _SENDER,
    Reopened: _SENDER,
    Closed: _SENDER,
}

AWAITS: Final[Mapping[str, Role | None]] = {
    Status.UNOPENED: None,
    Status.POSTED: Role.RECIPIENT,
    Status.UNCLAIMED: Role.SENDER,
    Status.CLAIMED: Role.RECIPIENT,
    Status.ESCALATED: Role.ARBITER,
    Status.ASSIGNED: Role.RECIPIENT,
    Status.DONE: Role.SENDER,
    Status.REOPENED: Role.RECIPIENT,
    Status.CONFIRMED: None,
    Status.CLOSED: None,
    Status.WITHDRAWN: None,
}

PHASES: Final[Mapping[str, Phase]] = {
    Status.POSTED: Phase.ACCEPTANCE,
    Status.UNCLAIMED: Phase.COUNTERPART,
    Status.CLAIMED: Phase.PROCESSING,
    Status.ESCALATED: Phase.COUNTERPART,
    Status.ASSIGNED: Phase.PROCESSING,
    Status.DONE: Phase.COUNTERPART,
    Status.REOPENED: Phase.PROCESSING,
}

UNACCEPTED: Final = frozenset({Status.POSTED, Status.UNCLAIMED, Status.ESCALATED})


def _join(state: State, event: Event) -> Mapping[str, Role]:
    asked = dict.fromkeys(state.having(Role.RECIPIENT), Role.FORMER)
    match event.fact:
        case Claimed():
            return {code: role for code, role in asked.items() if code != event.envelope.source}
        case Escalated(arbiter=arbiter):
            return {**asked, arbiter: Role.ARBITER}
        case Assigned(agency=agency):
            return {**asked, agency: Role.RECIPIENT}
        case _:
            return addressees(state, event)


def _guard(state: State, event: Event, _context: Context) -> Rejection | None:
    """Before it is claimed one department does not take it out of the hands of the others."""
    recipient = state.parties.get(event.envelope.source) is Role.RECIPIENT
    if not (isinstance(event.fact, Escalated) and recipient and state.status in ROLLUP):
        return None
    detail = f"in status {state.status} the street takes it to the district; a department claims it or declines"
    return Rejection("not-your-move", detail, {"status": state.status})


LIFECYCLE: Final = Lifecycle(
    kind="demand",
    new=plain("demand"),
    transitions=TRANSITIONS,
    leg_transitions=LEG_TRANSITIONS,
    rollup=ROLLUP,
    leg_awaits=LEG_AWAITS,
    speakers=SPEAKERS,
    awaits=AWAITS,
    phases=PHASES,
    unaccepted=UNACCEPTED,
    # Departments answer beside each other; that one has declined does not make another's claim stale.
    stale_refused=frozenset(SPEAKERS) - {Posted, Claimed, Declined},
    join=_join,
    guard=_guard,
)
