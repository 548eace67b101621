"""行政协调: the rules by which agencies settle who does what. Everybody sees what everybody says."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from contracts.codec import Event
from contracts.records import Phase
from events.coordination import Agreed, Closed, Designated, Duty, Escalated, PositionStated, Raised, Settled
from events.fact import Fact
from services.kernel.exchange import Context, Lifecycle, Rejection, Role, State, addressees


class Status(StrEnum):
    """Where a coordination stands."""

    UNOPENED = "unopened"
    RAISED = "raised"  # 已提请, 待各方表态
    POSITIONS_STATED = "positions_stated"  # 各方均已表态, 协商中
    AGREED = "agreed"  # 各方均同意, 待形成纪要
    SETTLED = "settled"  # 已达成一致
    ESCALATED = "escalated"  # 已提请上级
    DESIGNATED = "designated"  # 已指定
    CLOSED = "closed"  # 已终止
    WITHDRAWN = "withdrawn"  # 已撤回


class Leg(StrEnum):
    """What an addressee has said."""

    ADDRESSED = "addressed"  # 待表态
    STATED = "stated"  # 已表明意见
    AGREED = "agreed"  # 已同意


TRANSITIONS: Final[Mapping[str, Mapping[type[Fact], str]]] = {
    Status.UNOPENED: {Raised: Status.RAISED},
    Status.RAISED: {
        PositionStated: Status.RAISED,
        Agreed: Status.RAISED,
        Escalated: Status.ESCALATED,
        Closed: Status.CLOSED,
    },
    Status.POSITIONS_STATED: {
        PositionStated: Status.POSITIONS_STATED,
        Agreed: Status.POSITIONS_STATED,
        Escalated: Status.ESCALATED,
        Closed: Status.CLOSED,
    },
    Status.AGREED: {
        Settled: Status.SETTLED,
        PositionStated: Status.AGREED,
        Escalated: Status.ESCALATED,
        Closed: Status.CLOSED,
    },
    Status.SETTLED: {},
    # The superior hears also who has been silent so far; until he decides they may agree after all.
    Status.ESCALATED: {
        PositionStated: Status.ESCALATED,
        Agreed: Status.ESCALATED,
        Settled: Status.SETTLED,
        Designated: Status.DESIGNATED,
        Closed: Status.CLOSED,
    },
    Status.DESIGNATED: {},
    Status.CLOSED: {},
    Status.WITHDRAWN: {},
}

LEG_TRANSITIONS: Final[Mapping[str, Mapping[type[Fact], str]]] = {
    Leg.ADDRESSED: {PositionStated: Leg.STATED, Agreed: Leg.AGREED},
    Leg.STATED: {PositionStated: Leg.STATED, Agreed: Leg.AGREED},
    Leg.AGREED: {PositionStated: Leg.STATED},
}

ROLLUP: Final[Mapping[str, frozenset[str]]] = {
    Status.AGREED: frozenset({Leg.AGREED}),
    Status.POSITIONS_STATED: frozenset({Leg.STATED, Leg.AGREED}),
    Status.RAISED: frozenset(Leg),
}

LEG_AWAITS: Final[Mapping[str, Role | None]] = {Leg.ADDRESSED: Role.RECIPIENT, Leg.STATED: None, Leg.AGREED: None}

_SENDER: Final = frozenset({Role.SENDER})
_RECIPIENT: Final = frozenset({Role.RECIPIENT})
_ARBITER: Final = frozenset({Role.ARBITER})

SPEAKERS: Final[Mapping[type[Fact], frozenset[Role]]] = {
    Raised: _SENDER,
    PositionStated: _RECIPIENT,
    Agreed: _RECIPIENT,
    Settled: _SENDER,
    Escalated: _SENDER | _RECIPIENT,
    Designated: _ARBITER,
    Closed: _SENDER,
}

AWAITS: Final[Mapping[str, Role | None]] = {
    Status.UNOPENED: None,
    Status.RAISED: Role.RECIPIENT,
    Status.POSITIONS_STATED: Role.SENDER,
    Status.AGREED: Role.SENDER,
    Status.SETTLED: None,
    Status.ESCALATED: Role.ARBITER,
    Status.DESIGNATED: None,
    Status.CLOSED: None,
    Status.WITHDRAWN: None,
}

PHASES: Final[Mapping[str, Phase]] = {
    Status.RAISED: Phase.COUNTERPART,
    Status.POSITIONS_STATED: Phase.PROCESSING,
    Status.AGREED: Phase.PROCESSING,
    Status.ESCALATED: Phase.COUNTERPART,
}

# Stating a view binds nobody, so it is no acceptance.
UNACCEPTED: Final = frozenset({Status.RAISED, Status.POSITIONS_STATED})


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinationState(State):
    """A coordination. `duties`: what each addressee that agrees has said that it takes on."""

    duties: Mapping[str, str] = field(default_factory=dict)


def _new(exchange: str) -> CoordinationState:
    return CoordinationState(kind="coordination", exchange=exchange)


def _join(state: CoordinationState, event: Event) -> Mapping[str, Role]:
    match event.fact:
        case Escalated(arbiter=arbiter):
            return {arbiter: Role.ARBITER}
        case _:
            return addressees(state, event)


def _guard(state: CoordinationState, event: Event, context: Context) -> Rejection | None:
    match event.fact:
        case Escalated(arbiter=arbiter):
            return _above_all(state, arbiter, context)
        case Designated(duties=duties):
            heard = _for_those_who_were_heard(state, duties)
            return heard or _above_all(state, event.envelope.source, context)
        case Settled(duties=duties):
            return _for_those_who_were_heard(state, duties) or _as_agreed(state, duties)
        case _:
            return None


def _above_all(state: CoordinationState, arbiter: str, context: Context) -> Rejection | None:
    """He decides for each addressee, so that the agreement under which each came in must name him."""
    known = context.agreements.by_id
    below = {
        code for code in state.legs if (found := known.get(state.grants[code])) is not None and found.arbiter == arbiter
    }
    others = sorted({*state.legs} - below)
    if not others:
        return None
    detail = f"{arbiter} is not the arbiter of {', '.join(others)}"
    return Rejection("not-above", detail, {"agencies": [*others], "arbiter": arbiter})


def _as_agreed(state: CoordinationState, duties: tuple[Duty, ...]) -> Rejection | None:
    """All have agreed, and each is bound by its own words."""
    silent = sorted({*state.legs} - {*state.duties})
    if silent:
        return Rejection("not-agreed", f"{', '.join(silent)} has not agreed", {"agencies": [*silent]})
    if {item.agency: item.duty for item in duties if item.agency in state.legs} == state.duties:
        return None
    detail = "the duties of the addressees are those that each has agreed to, in its words"
    return Rejection("duties-differ", detail, {"agreed": {**state.duties}})


def _for_those_who_were_heard(state: CoordinationState, duties: tuple[Duty, ...]) -> Rejection | None:
    """Nobody is given a duty who had no say."""
    heard = {*state.having(Role.SENDER), *state.having(Role.RECIPIENT)}
    outside = sorted({item.agency for item in duties} - heard)
    if not outside:
        return None
    detail = f"{', '.join(outside)} is neither the one who raised the question nor an addressee"
    return Rejection("duty-outside", detail, {"outside": [*outside], "heard": [*sorted(heard)]})


def _evolve(state: CoordinationState, event: Event) -> CoordinationState:
    source = event.envelope.source
    match event.fact:
        case Agreed(duty=duty):
            return replace(state, duties={**state.duties, source: duty})
        case PositionStated():
            return replace(state, duties={code: duty for code, duty in state.duties.items() if code != source})
        case _:
            return state


LIFECYCLE: Final = Lifecycle(
    kind="coordination",
    new=_new,
    transitions=TRANSITIONS,
    leg_transitions=LEG_TRANSITIONS,
    rollup=ROLLUP,
    leg_awaits=LEG_AWAITS,
    speakers=SPEAKERS,
    awaits=AWAITS,
    phases=PHASES,
    unaccepted=UNACCEPTED,
    leg_unaccepted=frozenset({Leg.ADDRESSED, Leg.STATED}),
    # Views may cross; what builds on them may not.
    stale_refused=frozenset(SPEAKERS) - {Raised, PositionStated},
    join=_join,
    guard=_guard,
    evolve=_evolve,
)
