"""协查、溯源: the rules of a lead. Each place answers for itself and sees no other answer."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from contracts.calendar import SHANGHAI
from contracts.codec import Event
from contracts.records import Phase
from events.fact import Fact
from events.lead import (
    Closed,
    Escalated,
    EvidenceShared,
    Filed,
    NotFound,
    Opened,
    Receipted,
    RefusalOverruled,
    RefusalUpheld,
    Refused,
    ResultReported,
    Traced,
)
from services.kernel.exchange import Context, Lifecycle, Rejection, Role, State, addressees, plain
from services.kernel.legs import moved_leg


class Status(StrEnum):
    """Where a lead stands."""

    UNOPENED = "unopened"
    OPENED = "opened"  # 已发出, 待签收
    RECEIPTED = "receipted"  # 已签收, 协查中
    ANSWERING = "answering"  # 部分已答复
    ESCALATED = "escalated"  # 均已答复, 有拒绝报请裁定
    FILED = "filed"  # 均已答复, 源头立案待结果
    ANSWERED = "answered"  # 均已答复, 待办结
    CLOSED = "closed"  # 已办结
    WITHDRAWN = "withdrawn"  # 已撤回


class Leg(StrEnum):
    """What a place that was asked has done."""

    ADDRESSED = "addressed"  # 待签收
    RECEIPTED = "receipted"  # 已签收
    TRACED = "traced"  # 已查明
    NOT_FOUND = "not_found"  # 未查明
    REFUSED = "refused"  # 不予协查
    ESCALATED = "escalated"  # 已报请裁定
    REFUSAL_UPHELD = "refusal_upheld"  # 裁定拒绝成立
    REFUSAL_OVERRULED = "refusal_overruled"  # 裁定应予协查
    FILED = "filed"  # 源头已立案
    REPORTED = "reported"  # 已通报结果


_FIRST_ANSWERS: Final[Mapping[type[Fact], str]] = {
    Traced: Status.ANSWERED,
    NotFound: Status.ANSWERED,
    Refused: Status.ANSWERED,
}

_AFTER_AN_ANSWER: Final[Mapping[type[Fact], str]] = {
    # What turns up later is stated all the same, and who refused may think better of it.
    Traced: Status.ANSWERED,
    NotFound: Status.ANSWERED,
    Escalated: Status.ESCALATED,
    Filed: Status.FILED,
    EvidenceShared: Status.ANSWERED,
    Closed: Status.CLOSED,
}

_ON_A_REFUSAL: Final[Mapping[type[Fact], str]] = {
    RefusalUpheld: Status.ANSWERED,
    RefusalOverruled: Status.ANSWERING,
}

TRANSITIONS: Final[Mapping[str, Mapping[type[Fact], str]]] = {
    Status.UNOPENED: {Opened: Status.OPENED},
    Status.OPENED: {Receipted: Status.RECEIPTED, Closed: Status.CLOSED},
    Status.RECEIPTED: {
        Receipted: Status.RECEIPTED,
        **_FIRST_ANSWERS,
        EvidenceShared: Status.RECEIPTED,
        Closed: Status.CLOSED,
    },
    Status.ANSWERING: {
        Receipted: Status.ANSWERING,
        **_FIRST_ANSWERS,
        **_AFTER_AN_ANSWER,
        **_ON_A_REFUSAL,
        ResultReported: Status.ANSWERED,
    },
    Status.ESCALATED: {**_AFTER_AN_ANSWER, **_ON_A_REFUSAL, ResultReported: Status.ANSWERED},
    Status.FILED: {**_AFTER_AN_ANSWER, EvidenceShared: Status.FILED, ResultReported: Status.ANSWERED},
    Status.ANSWERED: _AFTER_AN_ANSWER,
    Status.CLOSED: {},
    Status.WITHDRAWN: {},
}

_FOUND_OR_NOT: Final[Mapping[type[Fact], str]] = {Traced: Leg.TRACED, NotFound: Leg.NOT_FOUND}

LEG_TRANSITIONS: Final[Mapping[str, Mapping[type[Fact], str]]] = {
    Leg.ADDRESSED: {Receipted: Leg.RECEIPTED},
    Leg.RECEIPTED: {EvidenceShared: Leg.RECEIPTED, Refused: Leg.REFUSED, **_FOUND_OR_NOT},
    Leg.TRACED: {EvidenceShared: Leg.TRACED, Filed: Leg.FILED},
    Leg.NOT_FOUND: {EvidenceShared: Leg.NOT_FOUND, Traced: Leg.TRACED},
    Leg.REFUSED: {EvidenceShared: Leg.REFUSED, Escalated: Leg.ESCALATED, **_FOUND_OR_NOT},
    # Who refused may still answer, and often does when the superior is asked.
    Leg.ESCALATED: {
        EvidenceShared: Leg.ESCALATED,
        RefusalUpheld: Leg.REFUSAL_UPHELD,
        RefusalOverruled: Leg.REFUSAL_OVERRULED,
        **_FOUND_OR_NOT,
    },
    Leg.REFUSAL_UPHELD: {EvidenceShared: Leg.REFUSAL_UPHELD, **_FOUND_OR_NOT},
    Leg.REFUSAL_OVERRULED: {EvidenceShared: Leg.REFUSAL_OVERRULED, **_FOUND_OR_NOT},
    Leg.FILED: {EvidenceShared: Leg.FILED, ResultReported: Leg.REPORTED},
    Leg.REPORTED: {EvidenceShared: Leg.REPORTED},
}

_ANSWERED: Final = frozenset({Leg.TRACED, Leg.NOT_FOUND, Leg.REFUSED, Leg.REFUSAL_UPHELD, Leg.REPORTED})

ROLLUP: Final[Mapping[str, frozenset[str]]] = {
    Status.OPENED: frozenset({Leg.ADDRESSED}),
    Status.RECEIPTED: frozenset({Leg.ADDRESSED, Leg.RECEIPTED}),
    Status.ANSWERED: _ANSWERED,
    Status.FILED: _ANSWERED | {Leg.FILED},
    Status.ESCALATED: _ANSWERED | {Leg.FILED, Leg.ESCALATED},
    Status.ANSWERING: frozenset(Leg),
}

_SENDER: Final = frozenset({Role.SENDER})
_RECIPIENT: Final = frozenset({Role.RECIPIENT})
_ARBITER: Final = frozenset({Role.ARBITER})

SPEAKERS: Final[Mapping[type[Fact], frozenset[Role]]] = {
    Opened: _SENDER,
    Receipted: _RECIPIENT,
    Traced: _RECIPIENT,
    NotFound: _RECIPIENT,
    Refused: _RECIPIENT,
    Escalated: _SENDER,
    RefusalUpheld: _ARBITER,
    RefusalOverruled: _ARBITER,
    Filed: _RECIPIENT,
    EvidenceShared: _SENDER | _RECIPIENT,
    ResultReported: _RECIPIENT,
    Closed: _SENDER,
}

AWAITS: Final[Mapping[str, Role | None]] = {
    Status.UNOPENED: None,
    Status.OPENED: Role.RECIPIENT,
    Status.RECEIPTED: Role.RECIPIENT,
    Status.ANSWERING: Role.RECIPIENT,
    Status.ESCALATED: Role.ARBITER,
    Status.FILED: Role.RECIPIENT,
    Status.ANSWERED: Role.SENDER,
    Status.CLOSED: None,
    Status.WITHDRAWN: None,
}

LEG_AWAITS: Final[Mapping[str, Role | None]] = {
    Leg.ADDRESSED: Role.RECIPIENT,
    Leg.RECEIPTED: Role.RECIPIENT,
    Leg.TRACED: None,
    Leg.NOT_FOUND: None,
    Leg.REFUSED: None,
    Leg.ESCALATED: Role.ARBITER,
    Leg.REFUSAL_UPHELD: None,
    Leg.REFUSAL_OVERRULED: Role.RECIPIENT,
    Leg.FILED: Role.RECIPIENT,
    Leg.REPORTED: None,
}

PHASES: Final[Mapping[str, Phase]] = {
    Status.OPENED: Phase.RECEIPT,
    Status.RECEIPTED: Phase.PROCESSING,
    Status.ANSWERING: Phase.PROCESSING,
    Status.ESCALATED: Phase.COUNTERPART,
    Status.FILED: Phase.PROCESSING,
    Status.ANSWERED: Phase.COUNTERPART,
}

UNACCEPTED: Final = frozenset({Status.OPENED, Status.RECEIPTED})

EXPORT_RULE: Final = "ST-476"
"""跨省转移, in `contracts/clocks`: its versions say which law counts when."""

_EDITION: Final = re.compile(r"[(\uff08].*")


def _join(state: State, event: Event) -> Mapping[str, Role]:
    match event.fact:
        case Escalated(arbiter=arbiter):
            return {arbiter: Role.ARBITER}
        case _:
            return addressees(state, event)


def _guard(state: State, event: Event, context: Context) -> Rejection | None:
    match event.fact:
        case Opened() as opened:
            return _cites_law_in_force(opened, context)
        case Escalated(arbiter=arbiter):
            return _above_both(state, event, arbiter, context)
        case Closed(reason=None):
            owing = sorted(code for code, leg in state.legs.items() if LEG_AWAITS[leg] is not None)
            detail = f"{', '.join(owing)} has not answered, or has filed and not reported: say in reason why it ends"
            return Rejection("close-unexplained", detail, {"legs": [*owing]}) if owing else None
        case _:
            return None


def _above_both(state: State, event: Event, arbiter: str, context: Context) -> Rejection | None:
    """Only between districts is there a superior of both: whom the refusing place's own agreement names, if any."""
    leg = moved_leg(LIFECYCLE, state, event) or ""
    agreement = context.agreements.by_id.get(state.grants.get(leg, ""))
    above = agreement.arbiter if agreement else None
    if above == arbiter:
        return None
    detail = f"{arbiter} is not the arbiter of {leg} (agreement {agreement.id if agreement else 'none'})"
    return Rejection("not-above", detail, {"agency": leg, "arbiter": above})


def _cites_law_in_force(opened: Opened, context: Context) -> Rejection | None:
    """Of the laws on waste that leaves a province, one in force when it was dumped or on the day of the lead."""
    now = context.acceptedtime
    days = [_day(opened.dumped_at or opened.circumstances.found_at or now), _day(now)]
    versions = context.contracts.rules.by_id.get(EXPORT_RULE, ())
    in_force = {rule.source.law for rule in versions if any(rule.valid(day) for day in days)}
    over = {_bare(rule.source.law) for rule in versions} - {_bare(law) for law in in_force}
    cited = [item.law for item in opened.legal_basis if _bare(item.law) in over]
    if not cited:
        return None
    names = sorted(in_force)
    detail = f"{', '.join(cited)} is not in force, neither for the act nor now; in force: {', '.join(names)}"
    return Rejection("law-not-in-force", detail, {"laws": [*cited], "in_force": [*names]})


def _bare(law: str) -> str:
    """The name of a law without its edition, as in 固体废物污染环境防治法(2020)."""
    return _EDITION.sub("", law.removeprefix("中华人民共和国"))


def _day(at: datetime) -> date:
    return at.astimezone(SHANGHAI).date()


LIFECYCLE: Final = Lifecycle(
    kind="lead",
    new=plain("lead"),
    transitions=TRANSITIONS,
    leg_transitions=LEG_TRANSITIONS,
    speakers=SPEAKERS,
    awaits=AWAITS,
    phases=PHASES,
    unaccepted=UNACCEPTED,
    stale_refused=frozenset({Closed}),
    join=_join,
    guard=_guard,
    rollup=ROLLUP,
    leg_awaits=LEG_AWAITS,
    apart=True,
)
