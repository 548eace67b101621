"""执法建议书 and its sisters: the rules of a letter. Each addressee answers for itself and sees no other answer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from contracts.codec import Event
from contracts.records import Phase
from events.fact import Fact
from events.letter import (
    Adoption,
    Closed,
    Implementation,
    Issued,
    ItemCompleted,
    LetterType,
    Maintained,
    Objected,
    Receipted,
    Replied,
    Reviewed,
    Revised,
    Revoked,
)
from services.kernel.exchange import Context, Lifecycle, Rejection, Role, State
from services.kernel.legs import moved_leg


class Status(StrEnum):
    """Where a letter stands."""

    UNOPENED = "unopened"
    ISSUED = "issued"  # 已发出, 待签收
    RECEIPTED = "receipted"  # 已签收, 待回复
    REPLYING = "replying"  # 回复中: some have spoken, somebody has still to reply
    OBJECTED = "objected"  # 有异议, 待复核
    REPLIED = "replied"  # 均已回复, 待评估
    REVIEWED = "reviewed"  # 均已评估, 待办结
    CLOSED = "closed"  # 已办结
    REVOKED = "revoked"  # 已撤销
    WITHDRAWN = "withdrawn"  # 已撤回


class Leg(StrEnum):
    """What an addressee has done with the letter."""

    ADDRESSED = "addressed"  # 待签收
    RECEIPTED = "receipted"  # 已签收
    OBJECTED = "objected"  # 已提出异议
    MAINTAINED = "maintained"  # 维持, 待回复
    REVISED = "revised"  # 已修改, 待回复
    REPLIED = "replied"  # 已回复
    REVIEWED = "reviewed"  # 已评估
    REVOKED = "revoked"  # 已撤销


_ON_THE_OBJECTION: Final[Mapping[type[Fact], str]] = {
    Maintained: Status.REPLYING,
    Revised: Status.REPLYING,
    Revoked: Status.REVOKED,
}

_ON_THE_REPLIES: Final[Mapping[type[Fact], str]] = {
    ItemCompleted: Status.REPLIED,
    Reviewed: Status.REVIEWED,
}

TRANSITIONS: Final[Mapping[str, Mapping[type[Fact], str]]] = {
    Status.UNOPENED: {Issued: Status.ISSUED},
    Status.ISSUED: {Receipted: Status.RECEIPTED, Closed: Status.CLOSED},
    Status.RECEIPTED: {
        Receipted: Status.RECEIPTED,
        Replied: Status.REPLIED,
        Objected: Status.OBJECTED,
        Closed: Status.CLOSED,
    },
    Status.REPLYING: {
        Receipted: Status.REPLYING,
        Replied: Status.REPLIED,
        Objected: Status.OBJECTED,
        **_ON_THE_OBJECTION,
        **_ON_THE_REPLIES,
        Closed: Status.CLOSED,
    },
    # An objection stops no clock of a law, so that who objected may reply all the same.
    Status.OBJECTED: {Replied: Status.REPLIED, **_ON_THE_OBJECTION, **_ON_THE_REPLIES, Closed: Status.CLOSED},
    Status.REPLIED: {**_ON_THE_REPLIES, Closed: Status.CLOSED},
    Status.REVIEWED: {**_ON_THE_REPLIES, Closed: Status.CLOSED},
    Status.CLOSED: {},
    Status.REVOKED: {},
    Status.WITHDRAWN: {},
}

LEG_TRANSITIONS: Final[Mapping[str, Mapping[type[Fact], str]]] = {
    Leg.ADDRESSED: {Receipted: Leg.RECEIPTED},
    Leg.RECEIPTED: {Replied: Leg.REPLIED, Objected: Leg.OBJECTED},
    Leg.OBJECTED: {
        Replied: Leg.REPLIED,
        Maintained: Leg.MAINTAINED,
        Revised: Leg.REVISED,
        Revoked: Leg.REVOKED,
    },
    Leg.MAINTAINED: {Replied: Leg.REPLIED},
    Leg.REVISED: {Replied: Leg.REPLIED, Objected: Leg.OBJECTED},
    Leg.REPLIED: {ItemCompleted: Leg.REPLIED, Reviewed: Leg.REVIEWED},
    Leg.REVIEWED: {ItemCompleted: Leg.REVIEWED, Reviewed: Leg.REVIEWED},
    Leg.REVOKED: {},
}

ROLLUP: Final[Mapping[str, frozenset[str]]] = {
    Status.REVOKED: frozenset({Leg.REVOKED}),
    Status.ISSUED: frozenset({Leg.ADDRESSED, Leg.REVOKED}),
    Status.RECEIPTED: frozenset({Leg.ADDRESSED, Leg.RECEIPTED, Leg.REVOKED}),
    Status.REVIEWED: frozenset({Leg.REVIEWED, Leg.REVOKED}),
    Status.REPLIED: frozenset({Leg.REPLIED, Leg.REVIEWED, Leg.REVOKED}),
    Status.OBJECTED: frozenset({Leg.OBJECTED, Leg.REPLIED, Leg.REVIEWED, Leg.REVOKED}),
    Status.REPLYING: frozenset(Leg),
}

_SENDER: Final = frozenset({Role.SENDER})
_RECIPIENT: Final = frozenset({Role.RECIPIENT})

SPEAKERS: Final[Mapping[type[Fact], frozenset[Role]]] = {
    Issued: _SENDER,
    Receipted: _RECIPIENT,
    Replied: _RECIPIENT,
    ItemCompleted: _RECIPIENT,
    Objected: _RECIPIENT,
    Maintained: _SENDER,
    Revised: _SENDER,
    Revoked: _SENDER,
    Reviewed: _SENDER,
    Closed: _SENDER,
}

AWAITS: Final[Mapping[str, Role | None]] = {
    Status.UNOPENED: None,
    Status.ISSUED: Role.RECIPIENT,
    Status.RECEIPTED: Role.RECIPIENT,
    Status.REPLYING: Role.RECIPIENT,
    Status.OBJECTED: Role.SENDER,
    Status.REPLIED: Role.SENDER,
    Status.REVIEWED: Role.SENDER,
    Status.CLOSED: None,
    Status.REVOKED: None,
    Status.WITHDRAWN: None,
}

LEG_AWAITS: Final[Mapping[str, Role | None]] = {
    Leg.ADDRESSED: Role.RECIPIENT,
    Leg.RECEIPTED: Role.RECIPIENT,
    Leg.OBJECTED: Role.SENDER,
    Leg.MAINTAINED: Role.RECIPIENT,
    Leg.REVISED: Role.RECIPIENT,
    Leg.REPLIED: Role.SENDER,
    Leg.REVIEWED: None,
    Leg.REVOKED: None,
}

PHASES: Final[Mapping[str, Phase]] = {
    Status.ISSUED: Phase.RECEIPT,
    Status.RECEIPTED: Phase.PROCESSING,
    Status.REPLYING: Phase.PROCESSING,
    Status.OBJECTED: Phase.COUNTERPART,
    Status.REPLIED: Phase.COUNTERPART,
    Status.REVIEWED: Phase.COUNTERPART,
}

UNACCEPTED: Final = frozenset({Status.ISSUED, Status.RECEIPTED})

ISSUERS: Final[Mapping[LetterType, str]] = {
    LetterType.ENFORCEMENT_SUGGESTION: "cg",
    LetterType.LEGAL_SUGGESTION: "sfj",
    LetterType.LIST_OR_PAPER: "sfj",
    LetterType.PROCURATORIAL_SUGGESTION: "jcy",
    LetterType.PUBLIC_INTEREST_SUGGESTION: "jcy",
    LetterType.PROCURATORIAL_OPINION: "jcy",
    LetterType.JUDICIAL_SUGGESTION: "fy",
    LetterType.SUPERVISION_OPINION: "sfj",
    LetterType.PETITION_SUGGESTION: "xfb",
}
"""Whose letter it is, by the role in the agency's code, where one body alone writes it: a law's number follows."""

NO_DEPARTMENTS: Final = frozenset({"cg", "fy", "jcy"})
"""Who writes no 部门书面建议: art. 36 of 城管执法条例(2018) means the departments that enforcement works with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterState(State):
    """A letter. By addressee, the items to answer, and those adopted in the reply and not carried out yet."""

    items: Mapping[str, frozenset[str]] = field(default_factory=dict)
    open_items: Mapping[str, frozenset[str]] = field(default_factory=dict)


def _new(exchange: str) -> LetterState:
    return LetterState(kind="letter", exchange=exchange)


def _guard(state: LetterState, event: Event, context: Context) -> Rejection | None:
    leg = moved_leg(LIFECYCLE, state, event) or ""
    asked, open_ = state.items.get(leg, frozenset()), state.open_items.get(leg, frozenset())
    match event.fact:
        case Issued(letter_type=letter_type):
            return _issued_by_whom_it_is_of(event.envelope.source, letter_type, context)
        case Replied(answers=answers):
            return _every_item_answered(asked, [answer.item for answer in answers])
        case Objected(items=items):
            return _known(asked, items)
        case ItemCompleted(item=item) if item not in open_:
            detail = f"item {item} was not adopted in the reply, or is completed already"
            return Rejection("item-not-open", detail, {"open": [*_ordered(open_)]})
        case Reviewed(implementation=Implementation.FULL) if open_:
            detail = f"not carried out in full: nobody has said that {_listed(open_)} is completed"
            return Rejection("items-open", detail, {"open": [*_ordered(open_)]})
        case _:
            return None


def _issued_by_whom_it_is_of(source: str, letter_type: LetterType, context: Context) -> Rejection | None:
    agency, issuer = context.agencies.get(source), ISSUERS.get(letter_type)
    role = agency.role if agency else ""
    if role == issuer or (issuer is None and role not in NO_DEPARTMENTS):
        return None
    who = issuer or "department"
    return Rejection("letter-type-not-yours", f"{source} cannot issue a {letter_type}; a {who} can", {"role": who})


def _every_item_answered(asked: frozenset[str], answered: list[str]) -> Rejection | None:
    """Each item of the letter exactly once, as the letter stands for this addressee."""
    missing = asked.difference(answered)
    if missing:
        detail = f"the reply says nothing about {_listed(missing)} of the letter"
        return Rejection("items-unanswered", detail, {"missing": [*_ordered(missing)]})
    return _known(asked, answered)


def _known(asked: frozenset[str], named: Iterable[str]) -> Rejection | None:
    invented = {*named} - asked
    if not invented:
        return None
    detail = f"the letter has no {_listed(invented)}"
    return Rejection("items-unknown", detail, {"unknown": [*_ordered(invented)], "items": [*_ordered(asked)]})


def _ordered(ids: Iterable[str]) -> list[str]:
    return sorted(ids, key=int)


def _listed(ids: Iterable[str]) -> str:
    return f"item {', '.join(_ordered(ids))}"


def _evolve(state: LetterState, event: Event) -> LetterState:
    leg = moved_leg(LIFECYCLE, state, event) or ""
    match event.fact:
        case Issued(recipients=recipients, items=items):
            return replace(state, items=dict.fromkeys(recipients, frozenset(item.id for item in items)))
        case Revised(items=items):
            return replace(state, items={**state.items, leg: frozenset(item.id for item in items)})
        case Replied(answers=answers):
            adopted = frozenset(answer.item for answer in answers if answer.adoption is not Adoption.NOT_ADOPTED)
            return replace(state, open_items={**state.open_items, leg: adopted})
        case ItemCompleted(item=item):
            return replace(state, open_items={**state.open_items, leg: state.open_items[leg] - {item}})
        case _:
            return state


LIFECYCLE: Final = Lifecycle(
    kind="letter",
    new=_new,
    transitions=TRANSITIONS,
    leg_transitions=LEG_TRANSITIONS,
    speakers=SPEAKERS,
    awaits=AWAITS,
    phases=PHASES,
    unaccepted=UNACCEPTED,
    stale_refused=frozenset({Maintained, Revised, Revoked, Reviewed, Closed}),
    guard=_guard,
    evolve=_evolve,
    rollup=ROLLUP,
    leg_awaits=LEG_AWAITS,
    apart=True,
)
