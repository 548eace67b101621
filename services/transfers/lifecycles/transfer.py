"""案件移送: the rules of a transfer. Articles without a name are of 上海市城市管理行政执法条例(2018)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Final

from contracts.codec import Event
from contracts.records import Phase
from events.fact import Fact
from events.parts import GoodsReceipt, GoodsWay
from events.transfer import (
    Accepted,
    Decided,
    Designated,
    DesignatedBack,
    Disputed,
    Filed,
    FirstFiling,
    Forwarded,
    Negotiated,
    NotFiled,
    OutcomeReported,
    Receipted,
    ReturnAccepted,
    Returned,
    Sent,
    Supplemented,
    SupplementRequested,
)
from services.kernel.exchange import Context, Lifecycle, Rejection, Role, State
from services.kernel.grounds import ping_pong


class Status(StrEnum):
    """Where a transfer stands."""

    UNOPENED = "unopened"
    SENT = "sent"  # 已移送, 待签收
    RECEIPTED = "receipted"  # 已签收, 待受理
    SUPPLEMENT_AWAITED = "supplement_awaited"  # 受理前待补正
    ACCEPTED = "accepted"  # 已受理, 待立案
    SUPPLEMENT_AWAITED_IN_WORK = "supplement_awaited_in_work"  # 受理后待补正
    RETURNED = "returned"  # 已退回, 待移送单位答复
    TAKEN_BACK = "taken_back"  # 移送单位收回
    DISPUTED = "disputed"  # 管辖争议中
    DESIGNATED = "designated"  # 已指定管辖, 待受理
    DESIGNATED_BACK = "designated_back"  # 已指定移送单位管辖
    FILED = "filed"  # 已立案
    NOT_FILED = "not_filed"  # 不予立案
    DECIDED = "decided"  # 已作出处理决定, 待通报
    REPORTED = "reported"  # 已通报办理结果
    WITHDRAWN = "withdrawn"  # 已撤回


class Leg(StrEnum):
    """What an agency that was addressed has done with the matter."""

    ADDRESSED = "addressed"  # 待签收
    RECEIPTED = "receipted"  # 已签收
    ACCEPTED = "accepted"  # 已受理
    RETURNED = "returned"  # 已退回
    FORWARDED = "forwarded"  # 已转出
    FILED = "filed"  # 已立案
    NOT_FILED = "not_filed"  # 不予立案
    DECIDED = "decided"  # 已决定
    REPORTED = "reported"  # 已通报


_DESIGNATION: Final[Mapping[type[Fact], str]] = {
    # 行政处罚法 25: the common superior may also designate unasked, until a case is filed.
    Designated: Status.DESIGNATED,
    DesignatedBack: Status.DESIGNATED_BACK,
}

TRANSITIONS: Final[Mapping[str, Mapping[type[Fact], str]]] = {
    Status.UNOPENED: {Sent: Status.SENT},
    Status.SENT: {Receipted: Status.RECEIPTED, **_DESIGNATION},
    Status.RECEIPTED: {
        Accepted: Status.ACCEPTED,
        Returned: Status.RETURNED,
        Forwarded: Status.SENT,
        SupplementRequested: Status.SUPPLEMENT_AWAITED,
        Disputed: Status.DISPUTED,
        **_DESIGNATION,
    },
    Status.SUPPLEMENT_AWAITED: {
        Supplemented: Status.RECEIPTED,
        Accepted: Status.ACCEPTED,
        Returned: Status.RETURNED,
        Forwarded: Status.SENT,
        Disputed: Status.DISPUTED,
        **_DESIGNATION,
    },
    Status.ACCEPTED: {
        Filed: Status.FILED,
        NotFiled: Status.NOT_FILED,
        SupplementRequested: Status.SUPPLEMENT_AWAITED_IN_WORK,
        **_DESIGNATION,
    },
    Status.SUPPLEMENT_AWAITED_IN_WORK: {
        Supplemented: Status.ACCEPTED,
        Filed: Status.FILED,
        NotFiled: Status.NOT_FILED,
    },
    Status.RETURNED: {
        ReturnAccepted: Status.TAKEN_BACK,
        Disputed: Status.DISPUTED,
        Negotiated: Status.ACCEPTED,
        **_DESIGNATION,
    },
    Status.TAKEN_BACK: {},
    Status.DISPUTED: {
        Negotiated: Status.ACCEPTED,
        ReturnAccepted: Status.TAKEN_BACK,
        Forwarded: Status.SENT,
        **_DESIGNATION,
    },
    Status.DESIGNATED: {Accepted: Status.ACCEPTED, **_DESIGNATION},
    Status.DESIGNATED_BACK: {ReturnAccepted: Status.TAKEN_BACK, **_DESIGNATION},
    Status.FILED: {Decided: Status.DECIDED},
    Status.NOT_FILED: {OutcomeReported: Status.REPORTED, Disputed: Status.DISPUTED, **_DESIGNATION},
    Status.DECIDED: {OutcomeReported: Status.REPORTED},
    Status.REPORTED: {},
    Status.WITHDRAWN: {},
}

LEG_TRANSITIONS: Final[Mapping[str, Mapping[type[Fact], str]]] = {
    Leg.ADDRESSED: {Receipted: Leg.RECEIPTED, Accepted: Leg.ACCEPTED},
    Leg.RECEIPTED: {
        Accepted: Leg.ACCEPTED,
        Returned: Leg.RETURNED,
        Forwarded: Leg.FORWARDED,
        Negotiated: Leg.ACCEPTED,
    },
    Leg.ACCEPTED: {Filed: Leg.FILED, NotFiled: Leg.NOT_FILED},
    Leg.RETURNED: {Negotiated: Leg.ACCEPTED, Forwarded: Leg.FORWARDED},
    Leg.FORWARDED: {},
    Leg.FILED: {Decided: Leg.DECIDED},
    Leg.NOT_FILED: {OutcomeReported: Leg.REPORTED, Negotiated: Leg.ACCEPTED, Forwarded: Leg.FORWARDED},
    Leg.DECIDED: {OutcomeReported: Leg.REPORTED},
    Leg.REPORTED: {},
}

_SENDER: Final = frozenset({Role.SENDER})
_RECIPIENT: Final = frozenset({Role.RECIPIENT})
_ARBITER: Final = frozenset({Role.ARBITER})

SPEAKERS: Final[Mapping[type[Fact], frozenset[Role]]] = {
    Sent: _SENDER,
    Receipted: _RECIPIENT,
    Accepted: _RECIPIENT,
    Returned: _RECIPIENT,
    ReturnAccepted: _SENDER,
    SupplementRequested: _RECIPIENT,
    Supplemented: _SENDER,
    Forwarded: _RECIPIENT,
    Filed: _RECIPIENT,
    NotFiled: _RECIPIENT,
    Decided: _RECIPIENT,
    OutcomeReported: _RECIPIENT,
    Disputed: _SENDER | _RECIPIENT,
    Negotiated: _RECIPIENT,
    Designated: _ARBITER,
    DesignatedBack: _ARBITER,
}

AWAITS: Final[Mapping[str, Role | None]] = {
    Status.UNOPENED: None,
    Status.SENT: Role.RECIPIENT,
    Status.RECEIPTED: Role.RECIPIENT,
    Status.SUPPLEMENT_AWAITED: Role.SENDER,
    Status.ACCEPTED: Role.RECIPIENT,
    Status.SUPPLEMENT_AWAITED_IN_WORK: Role.SENDER,
    Status.RETURNED: Role.SENDER,
    Status.TAKEN_BACK: None,
    Status.DISPUTED: Role.ARBITER,
    Status.DESIGNATED: Role.RECIPIENT,
    Status.DESIGNATED_BACK: Role.SENDER,
    Status.FILED: Role.RECIPIENT,
    Status.NOT_FILED: Role.RECIPIENT,
    Status.DECIDED: Role.RECIPIENT,
    Status.REPORTED: None,
    Status.WITHDRAWN: None,
}

PHASES: Final[Mapping[str, Phase]] = {
    Status.SENT: Phase.RECEIPT,
    Status.RECEIPTED: Phase.ACCEPTANCE,
    Status.SUPPLEMENT_AWAITED: Phase.SUPPLEMENT,
    Status.ACCEPTED: Phase.PROCESSING,
    Status.SUPPLEMENT_AWAITED_IN_WORK: Phase.SUPPLEMENT,
    Status.RETURNED: Phase.COUNTERPART,
    Status.DISPUTED: Phase.COUNTERPART,
    Status.DESIGNATED: Phase.ACCEPTANCE,
    Status.DESIGNATED_BACK: Phase.COUNTERPART,
    Status.FILED: Phase.PROCESSING,
    Status.NOT_FILED: Phase.PROCESSING,
    Status.DECIDED: Phase.PROCESSING,
}

UNACCEPTED: Final = frozenset(
    {Status.SENT, Status.RECEIPTED, Status.SUPPLEMENT_AWAITED, Status.RETURNED, Status.DISPUTED}
)

FILED_FIRST: Final = "filed-first"
"""最先立案, in `contracts/grounds/transfer.yaml`: the ground that rests on a date."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferState(State):
    """A transfer. `filed_on` is when the sender filed the case, `goods` whether goods go along with it."""

    filed_on: date | None = None
    goods: bool = False


def _new(exchange: str) -> TransferState:
    return TransferState(kind="transfer", exchange=exchange)


def _join(state: TransferState, event: Event) -> Mapping[str, Role]:
    source = event.envelope.source
    match event.fact:
        case Sent(recipient=recipient):
            return {source: Role.SENDER, recipient: Role.RECIPIENT}
        case Forwarded(recipient=recipient):
            return {source: Role.FORMER, recipient: Role.RECIPIENT}
        case Disputed(arbiter=arbiter):
            return {arbiter: Role.ARBITER}
        case Designated(agency=agency):
            return {**dict.fromkeys(state.having(Role.RECIPIENT), Role.FORMER), agency: Role.RECIPIENT}
        case _:
            return {}


def _guard(state: TransferState, event: Event, context: Context) -> Rejection | None:
    match event.fact:
        case Returned(ground=ground, filed_first=first):
            return _filed_first(state, ground.code, first)
        case Forwarded(recipient=recipient):
            return ping_pong(LIFECYCLE, state, event, recipient, context)
        case Accepted(goods=goods) | Negotiated(goods=goods):
            return _goods_accounted_for(state, goods)
        case Designated(agency=agency) if state.parties.get(agency) is Role.SENDER:
            return Rejection("designates-sender", f"{agency} is the sender: state {DesignatedBack.name()}")
        case _:
            return None


def _filed_first(state: TransferState, ground: str, first: FirstFiling | None) -> Rejection | None:
    """行政处罚法 25: of two competent agencies, the one that filed first. A date tells, as long as they differ."""
    if ground != FILED_FIRST:
        return None
    if first is None:
        return Rejection("first-filing-missing", f"the ground {FILED_FIRST} says who filed, under which number, when")
    if state.filed_on is not None and first.filed_on >= state.filed_on:
        return Rejection(
            "not-filed-first",
            f"{first.agency} filed on {first.filed_on}, the sender on {state.filed_on}: the dates do not show it",
            {"filed_on": first.filed_on.isoformat(), "sender_filed_on": state.filed_on.isoformat()},
        )
    return None


def _goods_accounted_for(state: TransferState, goods: GoodsReceipt | None) -> Rejection | None:
    """Art. 28: 非法物品 go along with the case, so who takes it on says whether they came."""
    if state.goods and goods is None:
        return Rejection("goods-unaccounted", "goods go along with this case: say in `goods` whether they came")
    return None


def _evolve(state: TransferState, event: Event) -> TransferState:
    match event.fact:
        case Sent(filed_on=filed_on, goods=goods):
            along = any(item.way is GoodsWay.WITH_CASE for item in goods)
            return replace(state, filed_on=filed_on, goods=along)
        case Supplemented(goods=goods):
            return replace(state, goods=state.goods or any(item.way is GoodsWay.WITH_CASE for item in goods))
        case Forwarded():
            return replace(state, hops=state.hops + 1)
        case _:
            return state


LIFECYCLE: Final = Lifecycle(
    kind="transfer",
    new=_new,
    transitions=TRANSITIONS,
    leg_transitions=LEG_TRANSITIONS,
    speakers=SPEAKERS,
    awaits=AWAITS,
    phases=PHASES,
    unaccepted=UNACCEPTED,
    stale_refused=frozenset(SPEAKERS) - {Sent, Receipted, Supplemented},
    join=_join,
    guard=_guard,
    evolve=_evolve,
)
