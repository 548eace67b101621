"""罚后监管: the sender sees whether the wrong was put right, and the department follows up on permit and credit."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from contracts.codec import Event
from contracts.records import Phase
from events.fact import Fact
from events.supervision import Closed, Found, Inspected, Opened, QualificationFollowedUp, Rectified, Relapsed
from services.kernel.exchange import Context, Lifecycle, Rejection, Role, State


class Status(StrEnum):
    """Where a supervision stands."""

    UNOPENED = "unopened"
    OPENED = "opened"  # 已启动, 待复查
    INSPECTED = "inspected"  # 已复查, 待认定
    RECTIFIED = "rectified"  # 整改到位, 待部门跟进
    RELAPSED = "relapsed"  # 再犯, 待部门跟进
    FOLLOWED_UP = "followed_up"  # 部门已跟进, 待办结
    CLOSED = "closed"  # 已办结
    WITHDRAWN = "withdrawn"  # 已撤回


TRANSITIONS: Final[Mapping[str, Mapping[type[Fact], str]]] = {
    Status.UNOPENED: {Opened: Status.OPENED},
    Status.OPENED: {Inspected: Status.INSPECTED},
    Status.INSPECTED: {
        Inspected: Status.INSPECTED,
        Rectified: Status.RECTIFIED,
        Relapsed: Status.RELAPSED,
    },
    Status.RECTIFIED: {
        Relapsed: Status.RELAPSED,
        QualificationFollowedUp: Status.FOLLOWED_UP,
        Closed: Status.CLOSED,
    },
    Status.RELAPSED: {QualificationFollowedUp: Status.FOLLOWED_UP, Closed: Status.CLOSED},
    Status.FOLLOWED_UP: {Closed: Status.CLOSED},
    Status.CLOSED: {},
    Status.WITHDRAWN: {},
}

_SENDER: Final = frozenset({Role.SENDER})

SPEAKERS: Final[Mapping[type[Fact], frozenset[Role]]] = {
    Opened: _SENDER,
    Inspected: _SENDER,
    Rectified: _SENDER,
    Relapsed: _SENDER,
    QualificationFollowedUp: frozenset({Role.RECIPIENT}),
    Closed: _SENDER,
}

AWAITS: Final[Mapping[str, Role | None]] = {
    Status.UNOPENED: None,
    Status.OPENED: Role.SENDER,
    Status.INSPECTED: Role.SENDER,
    Status.RECTIFIED: Role.RECIPIENT,
    Status.RELAPSED: Role.RECIPIENT,
    Status.FOLLOWED_UP: Role.SENDER,
    Status.CLOSED: None,
    Status.WITHDRAWN: None,
}

PHASES: Final[Mapping[str, Phase]] = {
    Status.OPENED: Phase.PROCESSING,
    Status.INSPECTED: Phase.PROCESSING,
    Status.RECTIFIED: Phase.COUNTERPART,
    Status.RELAPSED: Phase.COUNTERPART,
    Status.FOLLOWED_UP: Phase.PROCESSING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisionState(State):
    """A supervision, and what the last inspection found."""

    found: Found | None = None


def _new(exchange: str) -> SupervisionState:
    return SupervisionState(kind="supervision", exchange=exchange)


def _guard(state: SupervisionState, event: Event, _context: Context) -> Rejection | None:
    match event.fact:
        case Rectified() | Relapsed() if state.status == Status.INSPECTED:
            return _as_inspected(state, event)
        case Closed(reason=None) if state.status != Status.FOLLOWED_UP:
            return Rejection("not-followed-up", "the department has not followed up: say in `reason` why it ends here")
        case _:
            return None


def _as_inspected(state: SupervisionState, event: Event) -> Rejection | None:
    """The 整改复查意见书 is what the outcome rests on."""
    if isinstance(event.fact, Rectified) == (state.found is Found.RECTIFIED):
        return None
    detail = f"the last inspection found {state.found}, which is not {event.fact.name()}: inspect again"
    return Rejection("inspection-differs", detail, {"found": state.found})


def _evolve(state: SupervisionState, event: Event) -> SupervisionState:
    match event.fact:
        case Inspected(found=found):
            return replace(state, found=found)
        case _:
            return state


LIFECYCLE: Final = Lifecycle(
    kind="supervision",
    new=_new,
    transitions=TRANSITIONS,
    leg_transitions={},
    speakers=SPEAKERS,
    awaits=AWAITS,
    phases=PHASES,
    unaccepted=frozenset({Status.OPENED, Status.INSPECTED}),
    guard=_guard,
    evolve=_evolve,
)
