"""Legs: what each of several addressees has done with an exchange; pure."""

from collections.abc import Mapping

from contracts.codec import Event
from events.common import WithdrawalRefused, WithdrawalRequested, Withdrawn
from services.kernel.exchange import Lifecycle, Rejection, Role, S, State

_OF_THE_WHOLE = (WithdrawalRequested, Withdrawn, WithdrawalRefused)
"""The common facts that are about the exchange and not about one addressee's part."""


def leg_rejection(lifecycle: Lifecycle[S], state: S, event: Event, common: bool) -> Rejection | None:
    """Why an event cannot be about the leg that it names, or must name one. `common`: a fact of every kind."""
    leg, source = event.envelope.leg, event.envelope.source
    legs = [*sorted(state.legs)]
    if leg is not None and state.legs and leg not in state.legs:
        return Rejection("leg-unknown", f"{leg} is not an addressee", {"legs": [*legs]})
    if leg not in {None, source} and state.parties.get(source) is Role.RECIPIENT:
        return Rejection("leg-not-yours", f"{source} speaks for its own part, not for that of {leg}")
    if common or not _moves_legs(lifecycle, event):
        # What names a leg may be withheld from the others, and this concerns them all.
        meant = leg is None or not lifecycle.apart or (common and not isinstance(event.fact, _OF_THE_WHOLE))
        return None if meant else Rejection("leg-not-meant", f"{event.fact.name()} concerns everybody: leave out `leg`")
    moved = moved_leg(lifecycle, state, event)
    if moved is None:
        missing = lifecycle.rollup and len(state.legs) > 1
        return Rejection("leg-missing", "say in `leg` whose part this is", {"legs": [*legs]}) if missing else None
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
    if state.status not in lifecycle.rollup:
        return ()
    found: set[str] = set()
    for leg, status in state.legs.items():
        awaited = lifecycle.leg_awaits.get(status)
        if awaited is not None:
            found |= {leg} if awaited is Role.RECIPIENT else {*state.having(awaited)}
    return tuple(sorted(found))


def _moves_legs(lifecycle: Lifecycle[S], event: Event) -> bool:
    return any(type(event.fact) in row for row in lifecycle.leg_transitions.values())
