"""行政协助: the rules of a request for assistance. More time is asked for by the common fact; the rule grants it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from contracts.codec import Event
from contracts.records import Phase
from events.assist import Answered, Closed, Escalated, RefusalOverruled, RefusalUpheld, Refused, Requested
from events.fact import Fact
from services.kernel.exchange import Context, Lifecycle, Rejection, Role, State, addressees


class Status(StrEnum):
    """Where a request stands."""

    UNOPENED = "unopened"
    REQUESTED = "requested"  # 已请求, 待答复
    ANSWERED = "answered"  # 已答复, 待办结
    REFUSED = "refused"  # 已拒绝, 待请求单位表态
    ESCALATED = "escalated"  # 已报请裁定
    REFUSAL_UPHELD = "refusal_upheld"  # 裁定拒绝成立
    REFUSAL_OVERRULED = "refusal_overruled"  # 裁定应予协助, 待答复
    CLOSED = "closed"  # 已办结
    WITHDRAWN = "withdrawn"  # 已撤回


TRANSITIONS: Final[Mapping[str, Mapping[type[Fact], str]]] = {
    Status.UNOPENED: {Requested: Status.REQUESTED},
    Status.REQUESTED: {Answered: Status.ANSWERED, Refused: Status.REFUSED},
    Status.ANSWERED: {Closed: Status.CLOSED},
    # Who refused may still answer, and often does when the superior is asked.
    Status.REFUSED: {Escalated: Status.ESCALATED, Answered: Status.ANSWERED, Closed: Status.CLOSED},
    Status.ESCALATED: {
        RefusalUpheld: Status.REFUSAL_UPHELD,
        RefusalOverruled: Status.REFUSAL_OVERRULED,
        Answered: Status.ANSWERED,
    },
    Status.REFUSAL_UPHELD: {},
    # The one who asked may have found out otherwise meanwhile.
    Status.REFUSAL_OVERRULED: {Answered: Status.ANSWERED, Closed: Status.CLOSED},
    Status.CLOSED: {},
    Status.WITHDRAWN: {},
}

_SENDER: Final = frozenset({Role.SENDER})
_RECIPIENT: Final = frozenset({Role.RECIPIENT})
_ARBITER: Final = frozenset({Role.ARBITER})

SPEAKERS: Final[Mapping[type[Fact], frozenset[Role]]] = {
    Requested: _SENDER,
    Answered: _RECIPIENT,
    Refused: _RECIPIENT,
    Escalated: _SENDER,
    RefusalUpheld: _ARBITER,
    RefusalOverruled: _ARBITER,
    Closed: _SENDER,
}

AWAITS: Final[Mapping[str, Role | None]] = {
    Status.UNOPENED: None,
    Status.REQUESTED: Role.RECIPIENT,
    Status.ANSWERED: Role.SENDER,
    Status.REFUSED: Role.SENDER,
    Status.ESCALATED: Role.ARBITER,
    Status.REFUSAL_UPHELD: None,
    Status.REFUSAL_OVERRULED: Role.RECIPIENT,
    Status.CLOSED: None,
    Status.WITHDRAWN: None,
}

PHASES: Final[Mapping[str, Phase]] = {
    Status.REQUESTED: Phase.PROCESSING,
    Status.ANSWERED: Phase.COUNTERPART,
    Status.REFUSED: Phase.COUNTERPART,
    Status.ESCALATED: Phase.COUNTERPART,
    Status.REFUSAL_OVERRULED: Phase.PROCESSING,
}

UNACCEPTED: Final = frozenset({Status.REQUESTED, Status.REFUSED, Status.ESCALATED})


@dataclass(frozen=True, slots=True, kw_only=True)
class AssistState(State):
    """A request for assistance. `questions`: how many were asked."""

    questions: int = 0


def _new(exchange: str) -> AssistState:
    return AssistState(kind="assist", exchange=exchange)


def _join(state: AssistState, event: Event) -> Mapping[str, Role]:
    match event.fact:
        case Escalated(arbiter=arbiter):
            return {arbiter: Role.ARBITER}
        case _:
            return addressees(state, event)


def _guard(state: AssistState, event: Event, _context: Context) -> Rejection | None:
    match event.fact:
        case Answered(answers=answers):
            return _answers_what_was_asked(state, {item.question for item in answers})
        case _:
            return None


def _answers_what_was_asked(state: AssistState, answered: set[int]) -> Rejection | None:
    """Art. 29 of 城管执法条例(2018) asks for an opinion in writing: on each question, and on no other."""
    asked = set(range(1, state.questions + 1))
    if answered == asked:
        return None
    missing, unasked = sorted(asked - answered), sorted(answered - asked)
    detail = f"{state.questions} question(s) were asked; unanswered: {missing}, never asked: {unasked}"
    return Rejection("questions-unanswered", detail, {"missing": [*missing], "unasked": [*unasked]})


def _evolve(state: AssistState, event: Event) -> AssistState:
    match event.fact:
        case Requested(questions=questions):
            return replace(state, questions=len(questions))
        case _:
            return state


LIFECYCLE: Final = Lifecycle(
    kind="assist",
    new=_new,
    transitions=TRANSITIONS,
    leg_transitions={},
    speakers=SPEAKERS,
    awaits=AWAITS,
    phases=PHASES,
    unaccepted=UNACCEPTED,
    stale_refused=frozenset(SPEAKERS) - {Requested},
    join=_join,
    guard=_guard,
    evolve=_evolve,
)
