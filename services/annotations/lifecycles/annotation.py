"""不动产注记、解注: the rules of an annotation. 上海市不动产登记若干规定(2020) 第三十四条.

After `recorded` the annotation stands, for years if need be, and nobody is waited for until its release is requested.
What was not released stays recorded. Who does not accept a refusal requests again, or raises a coordination 行政协调.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from contracts.calendar import SHANGHAI
from contracts.codec import Event
from contracts.records import Phase
from events.annotation import (
    DeterminationRevoked,
    NotRectified,
    Recorded,
    RectificationCertified,
    Refused,
    Released,
    ReleaseRefused,
    ReleaseRequested,
    Requested,
)
from events.fact import Fact
from services.kernel.exchange import Context, Lifecycle, Rejection, Role, State


class Status(StrEnum):
    """Where an annotation stands."""

    UNOPENED = "unopened"
    REQUESTED = "requested"  # 已请求注记, 待登记
    REFUSED = "refused"  # 不予注记
    RECORDED = "recorded"  # 已注记
    RELEASE_REQUESTED = "release_requested"  # 已请求解注, 待复查
    RELEASE_DUE = "release_due"  # 已出具整改证明或者撤销认定, 待解注
    RELEASED = "released"  # 已解注
    WITHDRAWN = "withdrawn"  # 已撤回


TRANSITIONS: Final[Mapping[str, Mapping[type[Fact], str]]] = {
    Status.UNOPENED: {Requested: Status.REQUESTED},
    Status.REQUESTED: {Recorded: Status.RECORDED, Refused: Status.REFUSED},
    Status.REFUSED: {},
    Status.RECORDED: {ReleaseRequested: Status.RELEASE_REQUESTED},
    Status.RELEASE_REQUESTED: {
        RectificationCertified: Status.RELEASE_DUE,
        DeterminationRevoked: Status.RELEASE_DUE,
        NotRectified: Status.RECORDED,
    },
    Status.RELEASE_DUE: {Released: Status.RELEASED, ReleaseRefused: Status.RECORDED},
    Status.RELEASED: {},
    Status.WITHDRAWN: {},
}

_SENDER: Final = frozenset({Role.SENDER})
_RECIPIENT: Final = frozenset({Role.RECIPIENT})

SPEAKERS: Final[Mapping[type[Fact], frozenset[Role]]] = {
    Requested: _SENDER,
    Recorded: _RECIPIENT,
    Refused: _RECIPIENT,
    # The party applies to either: to 城管, or to the registrar (随申办).
    ReleaseRequested: _SENDER | _RECIPIENT,
    RectificationCertified: _SENDER,
    DeterminationRevoked: _SENDER,
    NotRectified: _SENDER,
    Released: _RECIPIENT,
    ReleaseRefused: _RECIPIENT,
}

AWAITS: Final[Mapping[str, Role | None]] = {
    Status.UNOPENED: None,
    Status.REQUESTED: Role.RECIPIENT,
    Status.REFUSED: None,
    Status.RECORDED: None,
    Status.RELEASE_REQUESTED: Role.SENDER,
    Status.RELEASE_DUE: Role.RECIPIENT,
    Status.RELEASED: None,
    Status.WITHDRAWN: None,
}

PHASES: Final[Mapping[str, Phase]] = {
    Status.REQUESTED: Phase.PROCESSING,
    Status.RELEASE_REQUESTED: Phase.COUNTERPART,
    Status.RELEASE_DUE: Phase.PROCESSING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationState(State):
    """An annotation, and the `number` under which it is recorded."""

    number: str | None = None


def _new(exchange: str) -> AnnotationState:
    return AnnotationState(kind="annotation", exchange=exchange)


def _guard(state: AnnotationState, event: Event, context: Context) -> Rejection | None:
    today = context.acceptedtime.astimezone(SHANGHAI).date()
    match event.fact:
        case Requested(effective_on=effective_on) if effective_on > today:
            return Rejection("document-not-effective", f"the document takes effect on {effective_on}; today is {today}")
        case ReleaseRequested(annotation=number) if number != state.number:
            detail = f"the annotation is recorded as {state.number}, not as {number}"
            return Rejection("annotation-mismatch", detail, {"annotation": state.number})
        case _:
            return None


def _evolve(state: AnnotationState, event: Event) -> AnnotationState:
    match event.fact:
        case Recorded(number=number):
            return replace(state, number=number)
        case _:
            return state


LIFECYCLE: Final = Lifecycle(
    kind="annotation",
    new=_new,
    transitions=TRANSITIONS,
    leg_transitions={},
    speakers=SPEAKERS,
    awaits=AWAITS,
    phases=PHASES,
    unaccepted=frozenset({Status.REQUESTED}),
    stale_refused=frozenset(SPEAKERS) - {Requested},
    guard=_guard,
    evolve=_evolve,
)
