"""日报对账: a day's counts, stated to a supervisor. They need no answer; what was wrong is corrected by a fact."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from contracts.calendar import SHANGHAI
from contracts.codec import Event
from contracts.records import Phase
from events.fact import Fact
from events.tally import Stated
from services.kernel.exchange import Context, Lifecycle, Rejection, Role, State, plain


class Status(StrEnum):
    """Where a tally stands."""

    UNOPENED = "unopened"
    STATED = "stated"  # 已报


TRANSITIONS: Final[Mapping[str, Mapping[type[Fact], str]]] = {
    Status.UNOPENED: {Stated: Status.STATED},
    Status.STATED: {},
}

SPEAKERS: Final[Mapping[type[Fact], frozenset[Role]]] = {Stated: frozenset({Role.SENDER})}

AWAITS: Final[Mapping[str, Role | None]] = {Status.UNOPENED: None, Status.STATED: None}

PHASES: Final[Mapping[str, Phase]] = {}


def _guard(_state: State, event: Event, context: Context) -> Rejection | None:
    today = context.acceptedtime.astimezone(SHANGHAI).date()
    match event.fact:
        case Stated(day=day) if day >= today:
            return Rejection("day-not-over", f"{day} is not over in Shanghai: its counts are stated afterwards")
        case _:
            return None


LIFECYCLE: Final = Lifecycle(
    kind="tally",
    new=plain("tally"),
    transitions=TRANSITIONS,
    leg_transitions={},
    speakers=SPEAKERS,
    awaits=AWAITS,
    phases=PHASES,
    unaccepted=frozenset(),
    guard=_guard,
)
