"""涉嫌犯罪案件移送: the rules of a referral. Articles without a name are of 国务院令 310 (2020).

The agency copied 抄送 is the procuratorate, which speaks in that role: oversight of filing is its business.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from contracts.codec import Event
from contracts.records import Phase
from events.fact import Fact
from events.referral import (
    Approved,
    CaseWithdrawn,
    Declined,
    Dossier,
    EarlyConsulted,
    Explained,
    ExplanationRequested,
    ExplanationUpheld,
    Filed,
    FilingOrdered,
    Forwarded,
    GoodsHandedOver,
    NotApproved,
    NotProsecuted,
    OutcomeReported,
    OversightSuggested,
    Penalised,
    Receipted,
    ReconsiderationRequested,
    ReconsiderationReversed,
    ReconsiderationUpheld,
    Reported,
    ReturnAccepted,
    Returned,
    Sent,
    Supplemented,
    SupplementRequested,
)
from services.kernel.exchange import Context, Lifecycle, Rejection, Role, State
from services.kernel.grounds import ping_pong


class Status(StrEnum):
    """Where a referral stands."""

    UNOPENED = "unopened"
    REPORTED = "reported"  # 专案组已报告, 待负责人决定
    APPROVED = "approved"  # 已批准, 待移送
    NOT_APPROVED = "not_approved"  # 未批准
    SENT = "sent"  # 已移送, 待签收
    RECEIPTED = "receipted"  # 已签收, 待审查
    SUPPLEMENT_AWAITED = "supplement_awaited"  # 待补充材料
    FILED = "filed"  # 已立案, 待移交物品
    HANDED_OVER = "handed_over"  # 物品已移交, 侦查中
    DECLINED = "declined"  # 不予立案
    PENALISED = "penalised"  # 已作治安处罚
    RETURNED = "returned"  # 已移送行政机关
    RECONSIDERING = "reconsidering"  # 复议中
    RECONSIDERATION_UPHELD = "reconsideration_upheld"  # 复议维持
    OVERSIGHT_SUGGESTED = "oversight_suggested"  # 已建议立案监督
    EXPLANATION_AWAITED = "explanation_awaited"  # 待公安说明理由
    EXPLAINED = "explained"  # 已说明理由, 待检察院审查
    EXPLANATION_UPHELD = "explanation_upheld"  # 不立案理由成立
    FILING_DUE = "filing_due"  # 应当立案
    CASE_WITHDRAWN = "case_withdrawn"  # 已撤销案件
    NOT_PROSECUTED = "not_prosecuted"  # 不起诉
    TAKEN_BACK = "taken_back"  # 行政机关接回处理
    CONCLUDED = "concluded"  # 已告知处理结果
    WITHDRAWN = "withdrawn"  # 已撤回


class Leg(StrEnum):
    """What a police organ that was addressed has done with the matter."""

    ADDRESSED = "addressed"  # 待签收
    RECEIPTED = "receipted"  # 已签收
    FORWARDED = "forwarded"  # 已转出
    FILED = "filed"  # 已立案
    DECLINED = "declined"  # 不予立案或者移送行政机关
    PENALISED = "penalised"  # 已作治安处罚


TRANSITIONS: Final[Mapping[str, Mapping[type[Fact], str]]] = {
    Status.UNOPENED: {Reported: Status.REPORTED},
    Status.REPORTED: {
        EarlyConsulted: Status.REPORTED,
        Approved: Status.APPROVED,
        NotApproved: Status.NOT_APPROVED,
    },
    Status.APPROVED: {EarlyConsulted: Status.APPROVED, Sent: Status.SENT},
    Status.NOT_APPROVED: {},
    Status.SENT: {Receipted: Status.RECEIPTED},
    Status.RECEIPTED: {
        Filed: Status.FILED,
        Declined: Status.DECLINED,
        Penalised: Status.PENALISED,
        Returned: Status.RETURNED,
        SupplementRequested: Status.SUPPLEMENT_AWAITED,
        Forwarded: Status.SENT,
    },
    # While they wait for a supplement the police may file, or forward, but not refuse (RX-16).
    Status.SUPPLEMENT_AWAITED: {
        Supplemented: Status.RECEIPTED,
        Filed: Status.FILED,
        Forwarded: Status.SENT,
    },
    Status.FILED: {
        GoodsHandedOver: Status.HANDED_OVER,
        CaseWithdrawn: Status.CASE_WITHDRAWN,
        NotProsecuted: Status.NOT_PROSECUTED,
        OutcomeReported: Status.CONCLUDED,
    },
    Status.HANDED_OVER: {
        GoodsHandedOver: Status.HANDED_OVER,
        CaseWithdrawn: Status.CASE_WITHDRAWN,
        NotProsecuted: Status.NOT_PROSECUTED,
        OutcomeReported: Status.CONCLUDED,
    },
    # Art. 9: reconsideration or oversight, either this or that; oversight also after reconsideration failed.
    Status.DECLINED: {
        ReconsiderationRequested: Status.RECONSIDERING,
        OversightSuggested: Status.OVERSIGHT_SUGGESTED,
        ReturnAccepted: Status.TAKEN_BACK,
    },
    Status.PENALISED: {},
    Status.RETURNED: {
        ReconsiderationRequested: Status.RECONSIDERING,
        OversightSuggested: Status.OVERSIGHT_SUGGESTED,
        ReturnAccepted: Status.TAKEN_BACK,
    },
    Status.RECONSIDERING: {
        ReconsiderationUpheld: Status.RECONSIDERATION_UPHELD,
        ReconsiderationReversed: Status.FILING_DUE,
    },
    Status.RECONSIDERATION_UPHELD: {
        OversightSuggested: Status.OVERSIGHT_SUGGESTED,
        ReturnAccepted: Status.TAKEN_BACK,
    },
    Status.OVERSIGHT_SUGGESTED: {
        ExplanationRequested: Status.EXPLANATION_AWAITED,
        ExplanationUpheld: Status.EXPLANATION_UPHELD,
        Filed: Status.FILED,
    },
    Status.EXPLANATION_AWAITED: {Explained: Status.EXPLAINED, Filed: Status.FILED},
    Status.EXPLAINED: {
        FilingOrdered: Status.FILING_DUE,
        ExplanationUpheld: Status.EXPLANATION_UPHELD,
        Filed: Status.FILED,
    },
    Status.EXPLANATION_UPHELD: {ReturnAccepted: Status.TAKEN_BACK},
    Status.FILING_DUE: {Filed: Status.FILED},
    Status.CASE_WITHDRAWN: {ReturnAccepted: Status.TAKEN_BACK},
    Status.NOT_PROSECUTED: {ReturnAccepted: Status.TAKEN_BACK},
    Status.TAKEN_BACK: {},
    Status.CONCLUDED: {},
    Status.WITHDRAWN: {},
}

LEG_TRANSITIONS: Final[Mapping[str, Mapping[type[Fact], str]]] = {
    Leg.ADDRESSED: {Receipted: Leg.RECEIPTED},
    Leg.RECEIPTED: {
        Forwarded: Leg.FORWARDED,
        Filed: Leg.FILED,
        Declined: Leg.DECLINED,
        Returned: Leg.DECLINED,
        Penalised: Leg.PENALISED,
    },
    Leg.FORWARDED: {},
    Leg.FILED: {},
    Leg.DECLINED: {Filed: Leg.FILED},
    Leg.PENALISED: {},
}

_SENDER: Final = frozenset({Role.SENDER})
_POLICE: Final = frozenset({Role.RECIPIENT})
_PROCURATORATE: Final = frozenset({Role.COPIED})

SPEAKERS: Final[Mapping[type[Fact], frozenset[Role]]] = {
    Reported: _SENDER,
    EarlyConsulted: _SENDER,
    Approved: _SENDER,
    NotApproved: _SENDER,
    Sent: _SENDER,
    Receipted: _POLICE,
    SupplementRequested: _POLICE,
    Supplemented: _SENDER,
    Forwarded: _POLICE,
    Filed: _POLICE,
    Declined: _POLICE,
    Penalised: _POLICE,
    Returned: _POLICE,
    ReturnAccepted: _SENDER,
    ReconsiderationRequested: _SENDER,
    ReconsiderationUpheld: _POLICE,
    ReconsiderationReversed: _POLICE,
    OversightSuggested: _SENDER,
    ExplanationRequested: _PROCURATORATE,
    Explained: _POLICE,
    ExplanationUpheld: _PROCURATORATE,
    FilingOrdered: _PROCURATORATE,
    GoodsHandedOver: _SENDER,
    CaseWithdrawn: _POLICE,
    NotProsecuted: _PROCURATORATE,
    OutcomeReported: _POLICE | _PROCURATORATE,
}

AWAITS: Final[Mapping[str, Role | None]] = {
    Status.UNOPENED: None,
    Status.REPORTED: Role.SENDER,
    Status.APPROVED: Role.SENDER,
    Status.NOT_APPROVED: None,
    Status.SENT: Role.RECIPIENT,
    Status.RECEIPTED: Role.RECIPIENT,
    Status.SUPPLEMENT_AWAITED: Role.SENDER,
    Status.FILED: Role.SENDER,
    Status.HANDED_OVER: Role.RECIPIENT,
    Status.DECLINED: Role.SENDER,
    Status.PENALISED: None,
    Status.RETURNED: Role.SENDER,
    Status.RECONSIDERING: Role.RECIPIENT,
    Status.RECONSIDERATION_UPHELD: Role.SENDER,
    Status.OVERSIGHT_SUGGESTED: Role.COPIED,
    Status.EXPLANATION_AWAITED: Role.RECIPIENT,
    Status.EXPLAINED: Role.COPIED,
    Status.EXPLANATION_UPHELD: Role.SENDER,
    Status.FILING_DUE: Role.RECIPIENT,
    Status.CASE_WITHDRAWN: Role.SENDER,
    Status.NOT_PROSECUTED: Role.SENDER,
    Status.TAKEN_BACK: None,
    Status.CONCLUDED: None,
    Status.WITHDRAWN: None,
}

PHASES: Final[Mapping[str, Phase]] = {
    Status.REPORTED: Phase.PREPARATION,
    Status.APPROVED: Phase.PREPARATION,
    Status.SENT: Phase.RECEIPT,
    Status.RECEIPTED: Phase.ACCEPTANCE,
    Status.SUPPLEMENT_AWAITED: Phase.SUPPLEMENT,
    Status.FILED: Phase.PROCESSING,
    Status.HANDED_OVER: Phase.PROCESSING,
    Status.DECLINED: Phase.COUNTERPART,
    Status.RETURNED: Phase.COUNTERPART,
    Status.RECONSIDERING: Phase.COUNTERPART,
    Status.RECONSIDERATION_UPHELD: Phase.COUNTERPART,
    Status.OVERSIGHT_SUGGESTED: Phase.COUNTERPART,
    Status.EXPLANATION_AWAITED: Phase.COUNTERPART,
    Status.EXPLAINED: Phase.COUNTERPART,
    Status.EXPLANATION_UPHELD: Phase.COUNTERPART,
    Status.FILING_DUE: Phase.ACCEPTANCE,
    Status.CASE_WITHDRAWN: Phase.COUNTERPART,
    Status.NOT_PROSECUTED: Phase.COUNTERPART,
}

UNACCEPTED: Final = frozenset(
    {Status.REPORTED, Status.APPROVED, Status.SENT, Status.RECEIPTED, Status.SUPPLEMENT_AWAITED}
)

_INSIDE: Final = frozenset({Role.SENDER, Role.SUPERVISOR})

AUDIENCES: Final[Mapping[str, frozenset[Role]]] = {
    # What precedes the referral is the agency's own deliberation: the police see that it was, not what.
    Status.REPORTED: _INSIDE,
    Status.APPROVED: _INSIDE,
    Status.NOT_APPROVED: _INSIDE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferralState(State):
    """A referral. `approved_at` is when the head approved it."""

    approved_at: datetime | None = None


def _new(exchange: str) -> ReferralState:
    return ReferralState(kind="referral", exchange=exchange)


def _join(_state: ReferralState, event: Event) -> Mapping[str, Role]:
    source = event.envelope.source
    match event.fact:
        case Reported():
            return {source: Role.SENDER}
        # The copy comes last: police that are named as the procuratorate would need an agreement to be one.
        case Sent(recipient=police, procuratorate=procuratorate):
            return {police: Role.RECIPIENT, procuratorate: Role.COPIED}
        case Forwarded(recipient=police, procuratorate=procuratorate):
            copied = {procuratorate: Role.COPIED} if procuratorate else {}
            return {source: Role.FORMER, police: Role.RECIPIENT, **copied}
        case _:
            return {}


def _guard(state: ReferralState, event: Event, context: Context) -> Rejection | None:
    match event.fact:
        case Sent():
            return _approved(state, event.fact) or _complete(event.fact.dossier)
        case Forwarded(recipient=police):
            return ping_pong(LIFECYCLE, state, event, police, context)
        case _:
            return None


def _approved(state: ReferralState, sent: Sent) -> Rejection | None:
    """The letter states the approval that is on file, not another one."""
    if sent.approved_at == state.approved_at:
        return None
    on_file = state.approved_at.isoformat() if state.approved_at else None
    detail = f"the referral was approved at {on_file}, the letter says {sent.approved_at.isoformat()}"
    return Rejection("approval-mismatch", detail, {"approved_at": on_file})


def _complete(dossier: Dossier) -> Rejection | None:
    """The gate of art. 6: each item is attached, or not applicable and why, or pending and why and until when."""
    missing = dossier.unsettled()
    if not missing:
        return None
    names = ", ".join(f"{name} {title}" for name, title in missing.items())
    detail = (
        f"the dossier (国务院令310号 第六条) lacks: {names}. "
        "Each is attached, or not_applicable with its reason, or pending with its reason and date: one of the three"
    )
    return Rejection("dossier-incomplete", detail, {"missing": list(missing)})


def _evolve(state: ReferralState, event: Event) -> ReferralState:
    match event.fact:
        case Approved(approved_at=approved_at):
            return replace(state, approved_at=approved_at)
        case Forwarded():
            return replace(state, hops=state.hops + 1)
        case _:
            return state


LIFECYCLE: Final = Lifecycle(
    kind="referral",
    new=_new,
    transitions=TRANSITIONS,
    leg_transitions=LEG_TRANSITIONS,
    speakers=SPEAKERS,
    awaits=AWAITS,
    phases=PHASES,
    unaccepted=UNACCEPTED,
    stale_refused=frozenset(SPEAKERS) - {Reported, Receipted, Supplemented, GoodsHandedOver},
    audiences=AUDIENCES,
    join=_join,
    guard=_guard,
    evolve=_evolve,
)
