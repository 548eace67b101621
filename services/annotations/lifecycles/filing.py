"""备案、法制审核、拆违案件审理、疑难案件会商: the rules of a filing.

A problem that the sender does not accept may be raised again, or let go. Where neither side gives way, the case goes to
a conference 会商: a new filing that grew from this one, which the sender withdraws. What does not pass ends so, also
where the sender never answers: 行政处罚法 第五十八条, 审核未通过的, 不得作出决定.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from contracts.codec import Event
from contracts.records import Phase
from events.fact import Fact
from events.filing import Accepted, Answered, Commented, NotPassed, Returned, Submitted
from services.kernel.exchange import Context, Lifecycle, Rejection, Role, State


class Status(StrEnum):
    """Where a filing stands."""

    UNOPENED = "unopened"
    SUBMITTED = "submitted"  # 已报送, 待审核
    COMMENTED = "commented"  # 已提出意见, 待反馈
    ANSWERED = "answered"  # 已反馈, 待复核
    ACCEPTED = "accepted"  # 已同意
    RETURNED = "returned"  # 已退回
    NOT_PASSED = "not_passed"  # 审核未通过
    WITHDRAWN = "withdrawn"  # 已撤回


TRANSITIONS: Final[Mapping[str, Mapping[type[Fact], str]]] = {
    Status.UNOPENED: {Submitted: Status.SUBMITTED},
    Status.SUBMITTED: {
        Commented: Status.COMMENTED,
        Accepted: Status.ACCEPTED,
        Returned: Status.RETURNED,
        NotPassed: Status.NOT_PASSED,
    },
    Status.COMMENTED: {Answered: Status.ANSWERED, NotPassed: Status.NOT_PASSED},
    Status.ANSWERED: {
        Commented: Status.COMMENTED,
        Accepted: Status.ACCEPTED,
        NotPassed: Status.NOT_PASSED,
    },
    Status.ACCEPTED: {},
    Status.RETURNED: {},
    Status.NOT_PASSED: {},
    Status.WITHDRAWN: {},
}

_SENDER: Final = frozenset({Role.SENDER})
_RECIPIENT: Final = frozenset({Role.RECIPIENT})

SPEAKERS: Final[Mapping[type[Fact], frozenset[Role]]] = {
    Submitted: _SENDER,
    Commented: _RECIPIENT,
    Answered: _SENDER,
    Accepted: _RECIPIENT,
    Returned: _RECIPIENT,
    NotPassed: _RECIPIENT,
}

AWAITS: Final[Mapping[str, Role | None]] = {
    Status.UNOPENED: None,
    Status.SUBMITTED: Role.RECIPIENT,
    Status.COMMENTED: Role.SENDER,
    Status.ANSWERED: Role.RECIPIENT,
    Status.ACCEPTED: None,
    Status.RETURNED: None,
    Status.NOT_PASSED: None,
    Status.WITHDRAWN: None,
}

PHASES: Final[Mapping[str, Phase]] = {
    Status.SUBMITTED: Phase.PROCESSING,
    Status.COMMENTED: Phase.SUPPLEMENT,
    Status.ANSWERED: Phase.PROCESSING,
}

UNACCEPTED: Final = frozenset({Status.SUBMITTED, Status.COMMENTED, Status.ANSWERED})


@dataclass(frozen=True, slots=True, kw_only=True)
class FilingState(State):
    """A filing, and the numbers of the `problems` that wait for an answer."""

    problems: frozenset[int] = frozenset()


def _new(exchange: str) -> FilingState:
    return FilingState(kind="filing", exchange=exchange)


def _guard(state: FilingState, event: Event, _context: Context) -> Rejection | None:
    match event.fact:
        case Answered(answers=answers):
            return _each_answered(state, frozenset(answer.problem for answer in answers))
        case _:
            return None


def _each_answered(state: FilingState, answered: frozenset[int]) -> Rejection | None:
    if answered == state.problems:
        return None
    missing, unknown = sorted(state.problems - answered), sorted(answered - state.problems)
    detail = f"each problem of the last comment has one answer; without one: {missing}, never raised in it: {unknown}"
    return Rejection("problems-unanswered", detail, {"missing": [*missing], "unknown": [*unknown]})


def _evolve(state: FilingState, event: Event) -> FilingState:
    match event.fact:
        case Commented(problems=problems):
            return replace(state, problems=frozenset(item.number for item in problems))
        case _:
            return state


LIFECYCLE: Final = Lifecycle(
    kind="filing",
    new=_new,
    transitions=TRANSITIONS,
    leg_transitions={},
    speakers=SPEAKERS,
    awaits=AWAITS,
    phases=PHASES,
    unaccepted=UNACCEPTED,
    stale_refused=frozenset(SPEAKERS) - {Submitted},
    guard=_guard,
    evolve=_evolve,
)
