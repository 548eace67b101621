"""双公示、征信推送: the rules of publicity."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from contracts.calendar import SHANGHAI
from contracts.codec import Event
from contracts.counting import count, midnight
from contracts.records import Phase
from contracts.rules import Rule
from events.fact import Fact
from events.penalties import PenaltyDecision, PenaltyType, Procedure
from events.publicity import (
    Amended,
    Corrector,
    DecisionChanged,
    HandedOver,
    Objected,
    ObjectionMarked,
    Published,
    Refused,
    Repaired,
    Resubmitted,
    Settled,
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
    MARKED = "marked"  # 有异议, 待平台处理或者转交
    OBJECTED = "objected"  # 异议已转交, 待答复
    AMENDED = "amended"  # 已更正, 待重新公示
    AMENDMENT_REFUSED = "amendment_refused"  # 更正已退回, 原信息仍在公示
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
    Status.MARKED: {Settled: Status.PUBLISHED, Objected: Status.OBJECTED, **_FALLS},
    Status.OBJECTED: {Upheld: Status.PUBLISHED, Amended: Status.AMENDED, **_FALLS},
    Status.AMENDED: {Published: Status.PUBLISHED, Refused: Status.AMENDMENT_REFUSED, **_FALLS},
    # The record is online all the while, so that nobody withdraws it alone.
    Status.AMENDMENT_REFUSED: {Amended: Status.AMENDED, **_FALLS},
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
    Settled: _RECIPIENT,
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
    Status.AMENDMENT_REFUSED: Role.SENDER,
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
    Status.AMENDMENT_REFUSED: Phase.SUPPLEMENT,
    Status.REPAIRED: Phase.PROCESSING,
    Status.FALLEN: Phase.PROCESSING,
}

UNACCEPTED: Final = frozenset({Status.HANDED_OVER, Status.REFUSED})


NOT_PUBLIC: Final = "YS-67"
"""优化营商环境条例 67, in `contracts/clocks`: while it counts, what its second paragraph names is not published."""

SHORTEST: Final = "YS-67-M"
"""最短公示期, in `contracts/clocks`: only when it is over is a record repaired."""

_MILD: Final = frozenset({PenaltyType.WARNING, PenaltyType.CENSURE})


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicityState(State):
    """A record. `decision`: its number; `public_until` as last handed over, `published_on` as first published.

    `corrector`: who can correct what is objected to.
    """

    decision: str | None = None
    public_until: date | None = None
    published_on: date | None = None
    corrector: Corrector | None = None


def _new(exchange: str) -> PublicityState:
    return PublicityState(kind="publicity", exchange=exchange)


def _guard(state: PublicityState, event: Event, context: Context) -> Rejection | None:
    match event.fact:
        case HandedOver(decision=decision):
            return _to_be_public(decision, context)
        case Resubmitted(decision=decision) | Amended(decision=decision):
            return _same_decision(state, decision) or _to_be_public(decision, context)
        case Settled() if state.corrector is not Corrector.PLATFORM:
            return Rejection("corrector-mismatch", "the objection was marked as the agency's to correct: pass it on")
        case Repaired(applied_on=applied_on):
            return _shown_long_enough(state, applied_on, context)
        case TakenDown():
            return _time_is_over(state, context)
        case _:
            return None


def _to_be_public(decision: PenaltyDecision, context: Context) -> Rejection | None:
    """Art. 67 of 优化营商环境条例(2024): not what the simple procedure, or a warning or a censure alone, imposed."""
    kinds = {item.type for item in decision.penalties}
    private = decision.procedure is Procedure.SIMPLE or (kinds and kinds <= _MILD)
    rule = _in_force(NOT_PUBLIC, context) if private else None
    if rule is None:
        return None
    detail = f"{decision.number} is not published: {rule.source.law} {rule.source.article}"
    return Rejection("not-to-be-public", detail, {"pointer": "/data/decision"})


def _same_decision(state: PublicityState, decision: PenaltyDecision) -> Rejection | None:
    if decision.number == state.decision:
        return None
    detail = f"the decision that was handed over is {state.decision}"
    return Rejection("decision-mismatch", detail, {"pointer": "/data/decision/number"})


def _shown_long_enough(state: PublicityState, applied_on: date, context: Context) -> Rejection | None:
    rule = _in_force(SHORTEST, context)
    if rule is None or rule.limit is None or state.published_on is None:
        return None
    calendar = context.contracts.calendars.as_of(context.acceptedtime)
    shown = midnight(state.published_on)
    end = count(shown, rule.limit.amount, rule.limit.unit, calendar, roll=rule.roll)[-1].to
    if midnight(applied_on) >= end:
        return None
    detail = f"published on {state.published_on}, it can be repaired when {rule.limit} are over: from {_day(end)}"
    return Rejection("repair-too-early", detail, {"pointer": "/data/applied_on", "from": _day(end).isoformat()})


def _time_is_over(state: PublicityState, context: Context) -> Rejection | None:
    """What neither fell nor was repaired stays until the day that was handed over with it."""
    until = state.public_until
    if state.status != Status.PUBLISHED or until is None or _day(context.acceptedtime) >= until:
        return None
    return Rejection("publicity-not-over", f"it is public until {until}", {"public_until": until.isoformat()})


def _in_force(rule: str, context: Context) -> Rule | None:
    day = _day(context.acceptedtime)
    return next((item for item in context.contracts.rules.by_id.get(rule, ()) if item.valid(day)), None)


def _day(at: datetime) -> date:
    return at.astimezone(SHANGHAI).date()


def _evolve(state: PublicityState, event: Event) -> PublicityState:
    match event.fact:
        case (HandedOver() | Resubmitted() | Amended()) as record:
            return replace(state, decision=record.decision.number, public_until=record.disclosure.public_until)
        case Published(published_on=published_on):
            return replace(state, published_on=state.published_on or published_on)
        case ObjectionMarked(corrector=corrector):
            return replace(state, corrector=corrector)
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
