"""联合执法、联合整治: everybody answers for itself, all see everything, and nobody who is silent holds the rest up."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from contracts.codec import Event
from contracts.records import Phase
from events.fact import Fact
from events.jointop import (
    Cancelled,
    Closed,
    Confirmed,
    Declined,
    Escalated,
    FindingAnswer,
    FindingAnswered,
    FindingAssigned,
    FindingLeftOpen,
    Held,
    LeftOut,
    Minuted,
    ParticipationOrdered,
    Postponed,
    Proposed,
)
from services.kernel.exchange import Context, Lifecycle, Rejection, Role, State, addressees
from services.kernel.legs import moved_leg


class Status(StrEnum):
    """Where a joint operation stands."""

    UNOPENED = "unopened"
    PROPOSED = "proposed"  # 已提出方案, 待确认
    ANSWERED = "answered"  # 各方均已答复, 待开展
    HELD = "held"  # 已开展, 待分办或者形成纪要
    FINDINGS_OPEN = "findings_open"  # 问题办理中
    FINDINGS_ANSWERED = "findings_answered"  # 问题均已反馈, 待形成纪要
    MINUTED = "minuted"  # 已形成纪要
    CLOSED = "closed"  # 已办结
    CANCELLED = "cancelled"  # 已取消
    WITHDRAWN = "withdrawn"  # 已撤回


class Leg(StrEnum):
    """How an addressee stands to the operation: first whether it takes part, then what was found that is its own."""

    ASKED = "asked"  # 待确认
    CONFIRMED = "confirmed"  # 已确认
    DECLINED = "declined"  # 不参加
    ORDERED = "ordered"  # 被责令参加
    LEFT_OUT = "left_out"  # 未答复, 不再等候
    FINDING_OPEN = "finding_open"  # 问题待反馈
    FINDING_ANSWERED = "finding_answered"  # 问题已反馈
    FINDING_LEFT_OPEN = "finding_left_open"  # 问题未反馈, 已说明


TRANSITIONS: Final[Mapping[str, Mapping[type[Fact], str]]] = {
    Status.UNOPENED: {Proposed: Status.PROPOSED},
    Status.PROPOSED: {
        Confirmed: Status.PROPOSED,
        Declined: Status.PROPOSED,
        Escalated: Status.PROPOSED,
        ParticipationOrdered: Status.PROPOSED,
        LeftOut: Status.PROPOSED,
        Postponed: Status.PROPOSED,
        Cancelled: Status.CANCELLED,
    },
    Status.ANSWERED: {
        Confirmed: Status.ANSWERED,
        Declined: Status.ANSWERED,
        Escalated: Status.ANSWERED,
        ParticipationOrdered: Status.ANSWERED,
        Postponed: Status.PROPOSED,
        Cancelled: Status.CANCELLED,
        Held: Status.HELD,
    },
    Status.HELD: {FindingAssigned: Status.FINDINGS_OPEN, Minuted: Status.MINUTED},
    Status.FINDINGS_OPEN: {
        FindingAssigned: Status.FINDINGS_OPEN,
        FindingAnswered: Status.FINDINGS_OPEN,
        FindingLeftOpen: Status.FINDINGS_OPEN,
    },
    Status.FINDINGS_ANSWERED: {
        FindingAssigned: Status.FINDINGS_OPEN,
        FindingAnswered: Status.FINDINGS_ANSWERED,
        Minuted: Status.MINUTED,
    },
    Status.MINUTED: {FindingAnswered: Status.MINUTED, Closed: Status.CLOSED},
    Status.CLOSED: {},
    Status.CANCELLED: {},
    Status.WITHDRAWN: {},
}

LEG_TRANSITIONS: Final[Mapping[str, Mapping[type[Fact], str]]] = {
    Leg.ASKED: {Confirmed: Leg.CONFIRMED, Declined: Leg.DECLINED, LeftOut: Leg.LEFT_OUT},
    Leg.CONFIRMED: {Declined: Leg.DECLINED, FindingAssigned: Leg.FINDING_OPEN},
    Leg.DECLINED: {
        Confirmed: Leg.CONFIRMED,
        ParticipationOrdered: Leg.ORDERED,
        FindingAssigned: Leg.FINDING_OPEN,
    },
    Leg.ORDERED: {Confirmed: Leg.CONFIRMED, FindingAssigned: Leg.FINDING_OPEN},
    Leg.LEFT_OUT: {Confirmed: Leg.CONFIRMED, Declined: Leg.DECLINED, FindingAssigned: Leg.FINDING_OPEN},
    Leg.FINDING_OPEN: {
        FindingAssigned: Leg.FINDING_OPEN,
        FindingAnswered: Leg.FINDING_ANSWERED,
        FindingLeftOpen: Leg.FINDING_LEFT_OPEN,
    },
    Leg.FINDING_ANSWERED: {FindingAssigned: Leg.FINDING_OPEN},
    Leg.FINDING_LEFT_OPEN: {FindingAssigned: Leg.FINDING_OPEN, FindingAnswered: Leg.FINDING_ANSWERED},
}

_TAKING_PART: Final = frozenset({Leg.CONFIRMED, Leg.DECLINED, Leg.ORDERED, Leg.LEFT_OUT})

ROLLUP: Final[Mapping[str, frozenset[str]]] = {
    Status.ANSWERED: _TAKING_PART,
    Status.PROPOSED: _TAKING_PART | {Leg.ASKED},
    # It is held only when nobody is asked any more, and a leg with a finding never loses it: the two halves never mix.
    Status.FINDINGS_ANSWERED: _TAKING_PART | {Leg.FINDING_ANSWERED, Leg.FINDING_LEFT_OPEN},
    Status.FINDINGS_OPEN: frozenset(Leg),
}

_SENDER: Final = frozenset({Role.SENDER})
_RECIPIENT: Final = frozenset({Role.RECIPIENT})

SPEAKERS: Final[Mapping[type[Fact], frozenset[Role]]] = {
    Proposed: _SENDER,
    Confirmed: _RECIPIENT,
    Declined: _RECIPIENT,
    Escalated: _SENDER,
    ParticipationOrdered: frozenset({Role.ARBITER}),
    LeftOut: _SENDER,
    Postponed: _SENDER,
    Cancelled: _SENDER,
    Held: _SENDER,
    FindingAssigned: _SENDER,
    FindingAnswered: _RECIPIENT,
    FindingLeftOpen: _SENDER,
    Minuted: _SENDER,
    Closed: _SENDER,
}

AWAITS: Final[Mapping[str, Role | None]] = {
    Status.UNOPENED: None,
    Status.PROPOSED: Role.RECIPIENT,
    Status.ANSWERED: Role.SENDER,
    Status.HELD: Role.SENDER,
    Status.FINDINGS_OPEN: Role.RECIPIENT,
    Status.FINDINGS_ANSWERED: Role.SENDER,
    Status.MINUTED: Role.SENDER,
    Status.CLOSED: None,
    Status.CANCELLED: None,
    Status.WITHDRAWN: None,
}

LEG_AWAITS: Final[Mapping[str, Role | None]] = {
    Leg.ASKED: Role.RECIPIENT,
    Leg.CONFIRMED: None,
    Leg.DECLINED: None,
    Leg.ORDERED: None,
    Leg.LEFT_OUT: None,
    Leg.FINDING_OPEN: Role.RECIPIENT,
    Leg.FINDING_ANSWERED: None,
    Leg.FINDING_LEFT_OPEN: None,
}

PHASES: Final[Mapping[str, Phase]] = {
    Status.PROPOSED: Phase.ACCEPTANCE,
    Status.ANSWERED: Phase.PROCESSING,
    Status.HELD: Phase.PROCESSING,
    Status.FINDINGS_OPEN: Phase.COUNTERPART,
    Status.FINDINGS_ANSWERED: Phase.PROCESSING,
    Status.MINUTED: Phase.PROCESSING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JointopState(State):
    """A joint operation: when it is to start, and whose each finding is that has no answer yet, by its id.

    ordered: who was ordered to take part; a postponement asks it again, but the order stands.
    """

    starts_at: datetime | None = None
    ordered: frozenset[str] = frozenset()
    open: Mapping[str, str] = field(default_factory=dict)

    def open_with(self, agency: str | None) -> set[str]:
        """The findings that an addressee has not answered."""
        return {finding for finding, holder in self.open.items() if holder == agency}


def _new(exchange: str) -> JointopState:
    return JointopState(kind="jointop", exchange=exchange)


def _join(state: JointopState, event: Event) -> Mapping[str, Role]:
    match event.fact:
        case Escalated(arbiter=arbiter):
            return {arbiter: Role.ARBITER}
        case _:
            return addressees(state, event)


def _guard(state: JointopState, event: Event, context: Context) -> Rejection | None:
    match event.fact:
        case Escalated(arbiter=arbiter):
            return _above_who_declined(state, arbiter, context)
        case ParticipationOrdered() | Declined():
            return _order_kept(state, event)
        case Held(participants=participants):
            return _came(state, event.envelope.source, participants)
        case _:
            return _answers_what_stands(state, event)


def _answers_what_stands(state: JointopState, event: Event) -> Rejection | None:
    match event.fact:
        case Confirmed(starts_at=at) if at != state.starts_at:
            planned = state.starts_at.isoformat() if state.starts_at else ""
            return Rejection(
                "plan-moved", f"it is planned for {planned}, not for {at.isoformat()}", {"starts_at": planned}
            )
        case FindingAssigned(findings=findings):
            return _not_open(state, {item.id for item in findings})
        case FindingAnswered(answers=answers):
            return _all_answered(state, event, answers)
        case _:
            return None


def _above_who_declined(state: JointopState, arbiter: str, context: Context) -> Rejection | None:
    """There is a refusal, and the agreement under which one that declined came in names him."""
    declined = sorted(code for code, leg in state.legs.items() if leg == Leg.DECLINED)
    if not declined:
        return Rejection("nothing-declined", "no addressee has declined", {"legs": {**state.legs}})
    agreements = (context.agreements.by_id.get(state.grants[code]) for code in declined)
    if any(agreement is not None and agreement.arbiter == arbiter for agreement in agreements):
        return None
    detail = f"{arbiter} is not the arbiter of {', '.join(declined)}"
    return Rejection("not-above", detail, {"agencies": [*declined], "arbiter": arbiter})


def _order_kept(state: JointopState, event: Event) -> Rejection | None:
    """Only an addressee is ordered to take part, and who was ordered does not decline, whatever comes in between."""
    agency = event.fact.agency if isinstance(event.fact, ParticipationOrdered) else event.envelope.source
    if agency not in state.legs:
        return Rejection("leg-unknown", f"{agency} is not an addressee", {"legs": [*sorted(state.legs)]})
    if agency not in state.ordered:
        return None
    return Rejection("participation-ordered", f"{agency} was ordered to take part", {"agency": agency})


def _came(state: JointopState, sender: str, participants: tuple[str, ...]) -> Rejection | None:
    """Who took part was addressed, and neither has declined nor was left out; the initiator may be there itself."""
    strange = sorted({*participants} - {*state.legs, sender})
    if strange:
        detail = f"{', '.join(strange)} was not addressed by this operation"
        return Rejection("participant-unknown", detail, {"agencies": [*strange]})
    absent = sorted(code for code in participants if state.legs.get(code) in {Leg.DECLINED, Leg.LEFT_OUT})
    if not absent:
        return None
    detail = f"{', '.join(absent)} has declined or was left out; who comes all the same confirms first"
    return Rejection("participant-absent", detail, {"agencies": [*absent]})


def _not_open(state: JointopState, ids: set[str]) -> Rejection | None:
    """What an addressee has to deal with is given to nobody else, until it is answered or left open."""
    held = {finding: state.open[finding] for finding in sorted(ids & state.open.keys())}
    busy = {finding: by for finding, by in held.items() if state.legs[by] == Leg.FINDING_OPEN}
    if not busy:
        return None
    detail = ", ".join(f"{finding} is open with {by}" for finding, by in busy.items())
    return Rejection("finding-open", detail, {"findings": {**busy}})


def _all_answered(state: JointopState, event: Event, answers: tuple[FindingAnswer, ...]) -> Rejection | None:
    open_ = state.open_with(event.envelope.source)
    answered = {item.finding for item in answers}
    if answered == open_:
        return None
    missing, strange = sorted(open_ - answered), sorted(answered - open_)
    detail = f"an answer is about all that is open with you, and nothing else: {', '.join(sorted(open_)) or 'nothing'}"
    return Rejection("findings-unmatched", detail, {"missing": [*missing], "unknown": [*strange]})


def _evolve(state: JointopState, event: Event) -> JointopState:
    match event.fact:
        case Proposed(starts_at=at) | Postponed(starts_at=at):
            return replace(state, starts_at=at)
        case ParticipationOrdered(agency=agency):
            return replace(state, ordered=state.ordered | {agency})
        case FindingAssigned(findings=findings):
            to = moved_leg(LIFECYCLE, state, event) or ""
            return replace(state, open={**state.open, **{item.id: to for item in findings}})
        case FindingAnswered(answers=answers):
            answered = {item.finding for item in answers}
            return replace(state, open={id_: by for id_, by in state.open.items() if id_ not in answered})
        case _:
            return state


LIFECYCLE: Final = Lifecycle(
    kind="jointop",
    new=_new,
    transitions=TRANSITIONS,
    leg_transitions=LEG_TRANSITIONS,
    rollup=ROLLUP,
    speakers=SPEAKERS,
    awaits=AWAITS,
    leg_awaits=LEG_AWAITS,
    phases=PHASES,
    unaccepted=frozenset({Status.PROPOSED}),
    leg_unaccepted=frozenset({Leg.ASKED, Leg.DECLINED, Leg.LEFT_OUT}),
    asks_anew=frozenset({Postponed}),
    join=_join,
    guard=_guard,
    evolve=_evolve,
)
