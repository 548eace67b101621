"""Legs: what each of several addressees has done with an exchange; pure."""

from collections.abc import Mapping

from contracts.codec import Event
from events.common import WithdrawalRefused, WithdrawalRequested, Withdrawn
from services.kernel.exchange import Lifecycle, Rejection, Role, S, State

_OF_THE_WHOLE = (WithdrawalRequested, Withdrawn, WithdrawalRefused)
"""The common facts that are about the exchange and not about one addressee's part."""


def leg_rejection(lifecycle: Lifecycle[S], state: S, event: Event, common: bool) -> Rejection | None:
    """Why an event cannot be about the leg that it names, or must name one. `common`: a fact of every kind."""
    of_the_whole = isinstance(event.fact, _OF_THE_WHOLE) or not (common or _moves_legs(lifecycle, event))
    named = _named(lifecycle, state, event, of_the_whole)
    if named is not None or of_the_whole or common:
        return named
    return _moving(lifecycle, state, event)


def _named(lifecycle: Lifecycle[S], state: S, event: Event, of_the_whole: bool) -> Rejection | None:
    """Whether the leg that an event names, if any, can be meant by it."""
    leg, source, agency = event.envelope.leg, event.envelope.source, getattr(event.fact, "agency", None)
    legs = [*sorted(state.legs)]
    if leg is None:
        return None
    if of_the_whole and lifecycle.rollup:
        # It may be withheld from others, or start one clock only, and this concerns them all.
        return Rejection("leg-not-meant", f"{event.fact.name()} concerns everybody: leave out `leg`")
    if state.legs and leg not in state.legs:
        return Rejection("leg-unknown", f"{leg} is not an addressee", {"legs": [*legs]})
    if leg != source and state.parties.get(source) is Role.RECIPIENT:
        return Rejection("leg-not-yours", f"{source} speaks for its own part, not for that of {leg}")
    if agency in state.legs and agency != leg:
        return Rejection("leg-mismatch", f"the fact is about {agency}, and `leg` says {leg}", {"legs": [*legs]})
    return None


def _moving(lifecycle: Lifecycle[S], state: S, event: Event) -> Rejection | None:
    """Whether an event can move the leg that it is about."""
    legs = [*sorted(state.having(Role.RECIPIENT))]
    moved = moved_leg(lifecycle, state, event)
    if moved is None:
        missing = lifecycle.rollup and len(legs) > 1
        return Rejection("leg-missing", "say in `leg` whose part this is", {"legs": [*legs]}) if missing else None
    if state.parties.get(moved) is not Role.RECIPIENT:
        return Rejection("leg-unknown", f"{moved} does not have the matter any more", {"legs": [*legs]})
    if type(event.fact) in lifecycle.leg_transitions.get(state.legs[moved], {}):
        return None
    return Rejection(
        "illegal-move",
        f"{event.fact.name()} cannot follow on the leg of {moved}, which is {state.legs[moved]}",
        {"status": state.status, "leg": moved, "leg_status": state.legs[moved]},
    )


def moved_leg(lifecycle: Lifecycle[S], state: S, event: Event) -> str | None:
    """The leg that an event moves: the one it names, else the speaker's own, else the only one there is."""
    if not _moves_legs(lifecycle, event):
        return None
    spoken = spoken_of(state, event)
    current = [code for code in state.having(Role.RECIPIENT) if code in state.legs]
    return spoken or (current[0] if len(current) == 1 else None)


def spoken_of(state: State, event: Event) -> str | None:
    """The leg that an event is about: the one it names, the speaker's own, or that of the agency it speaks of."""
    about = (event.envelope.leg, event.envelope.source, getattr(event.fact, "agency", None))
    return next((code for code in about if code in state.legs), None)


def next_legs(lifecycle: Lifecycle[S], state: S, event: Event, joined: Mapping[str, Role]) -> dict[str, str]:
    """The legs after an event: one has moved, and whom it addresses has one from now on."""
    legs = dict(state.legs)
    moved = moved_leg(lifecycle, state, event)
    if moved is not None:
        legs[moved] = lifecycle.leg_transitions[legs[moved]][type(event.fact)]
    opened = next(iter(lifecycle.leg_transitions), None)
    if opened is not None:
        asked = state.parties if type(event.fact) in lifecycle.asks_anew else joined
        legs |= {code: opened for code, role in asked.items() if role is Role.RECIPIENT}
    return legs


def legs_awaited(lifecycle: Lifecycle[S], state: S) -> tuple[str, ...]:
    """Whose move it is on some leg, in code order; nobody's where the status does not follow from the legs."""
    return tuple(sorted({code for leg in state.legs for code in leg_awaited(lifecycle, state, leg)}))


def leg_awaited(lifecycle: Lifecycle[S], state: S, leg: str) -> tuple[str, ...]:
    """Whose move it is on a leg, where the status follows from the legs."""
    awaited = lifecycle.leg_awaits.get(state.legs[leg]) if state.status in lifecycle.rollup else None
    if awaited is None:
        return ()
    return (leg,) if awaited is Role.RECIPIENT else state.having(awaited)


def _moves_legs(lifecycle: Lifecycle[S], event: Event) -> bool:
    return any(type(event.fact) in row for row in lifecycle.leg_transitions.values())
