"""共联体事项: a unit undertakes to do something by a day; a meeting is a record from which undertakings grow."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from contracts.codec import Event
from contracts.records import Phase
from events.fact import Fact
from events.undertaking import (
    Discontinued,
    Done,
    Listed,
    MeetingHeld,
    Progressed,
    Reviewed,
    SentBack,
    TaskProgressed,
)
from services.kernel.exchange import Context, Lifecycle, Rejection, Role, State


class Status(StrEnum):
    """Where an undertaking stands."""

    UNOPENED = "unopened"
    LISTED = "listed"  # 已列入清单
    IN_PROGRESS = "in_progress"  # 推进中
    DONE = "done"  # 已报完成, 待验收
    REVIEWED = "reviewed"  # 已验收销项
    DISCONTINUED = "discontinued"  # 已终止
    MEETING_RECORDED = "meeting_recorded"  # 会议已记录
    WITHDRAWN = "withdrawn"  # 已撤回


TRANSITIONS: Final[Mapping[str, Mapping[type[Fact], str]]] = {
    Status.UNOPENED: {Listed: Status.LISTED, MeetingHeld: Status.MEETING_RECORDED},
    # What a co-unit does binds the lead unit to nothing: whoever listed it may still withdraw it alone.
    Status.LISTED: {
        Progressed: Status.IN_PROGRESS,
        TaskProgressed: Status.LISTED,
        Done: Status.DONE,
        Discontinued: Status.DISCONTINUED,
    },
    Status.IN_PROGRESS: {
        Progressed: Status.IN_PROGRESS,
        TaskProgressed: Status.IN_PROGRESS,
        Done: Status.DONE,
        Discontinued: Status.DISCONTINUED,
    },
    Status.DONE: {
        Reviewed: Status.REVIEWED,
        SentBack: Status.IN_PROGRESS,
        Discontinued: Status.DISCONTINUED,
    },
    Status.REVIEWED: {},
    Status.DISCONTINUED: {},
    Status.MEETING_RECORDED: {},
    Status.WITHDRAWN: {},
}

_SENDER: Final = frozenset({Role.SENDER})
_RECIPIENT: Final = frozenset({Role.RECIPIENT})

SPEAKERS: Final[Mapping[type[Fact], frozenset[Role]]] = {
    Listed: _SENDER,
    MeetingHeld: _SENDER,
    # 协同单位 tell of their own tasks; that the whole is done is for the lead unit to say.
    Progressed: _RECIPIENT,
    TaskProgressed: frozenset({Role.COPIED}),
    Done: _RECIPIENT,
    Reviewed: _SENDER,
    SentBack: _SENDER,
    Discontinued: _SENDER,
}

AWAITS: Final[Mapping[str, Role | None]] = {
    Status.UNOPENED: None,
    Status.LISTED: Role.RECIPIENT,
    Status.IN_PROGRESS: Role.RECIPIENT,
    Status.DONE: Role.SENDER,
    Status.REVIEWED: None,
    Status.DISCONTINUED: None,
    Status.MEETING_RECORDED: None,
    Status.WITHDRAWN: None,
}

PHASES: Final[Mapping[str, Phase]] = {
    Status.LISTED: Phase.ACCEPTANCE,
    Status.IN_PROGRESS: Phase.PROCESSING,
    Status.DONE: Phase.COUNTERPART,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UndertakingState(State):
    """An undertaking. `tasked`: the co-units that have a task."""

    tasked: frozenset[str] = frozenset()


def _new(exchange: str) -> UndertakingState:
    return UndertakingState(kind="undertaking", exchange=exchange)


def _guard(state: UndertakingState, event: Event, _context: Context) -> Rejection | None:
    source = event.envelope.source
    match event.fact:
        case TaskProgressed() if source not in state.tasked:
            detail = f"{source} reads along and has no task to tell of"
            return Rejection("no-task", detail, {"agencies": [*sorted(state.tasked)]})
        case MeetingHeld() as held:
            return _minutes_sent(source, held)
        case _:
            return None


def _minutes_sent(source: str, held: MeetingHeld) -> Rejection | None:
    """Who was there and who is to act must have the minutes."""
    concerned = {*held.attendants, *(item.unit for item in held.resolutions)}
    outside = sorted(concerned - {source, *held.copied})
    if not outside:
        return None
    detail = f"the minutes do not go to {', '.join(outside)}"
    return Rejection("minutes-not-sent", detail, {"agencies": [*outside]})


def _evolve(state: UndertakingState, event: Event) -> UndertakingState:
    match event.fact:
        case Listed(tasks=tasks):
            return replace(state, tasked=frozenset(item.agency for item in tasks))
        case _:
            return state


LIFECYCLE: Final = Lifecycle(
    kind="undertaking",
    new=_new,
    transitions=TRANSITIONS,
    leg_transitions={},
    speakers=SPEAKERS,
    awaits=AWAITS,
    phases=PHASES,
    unaccepted=frozenset({Status.LISTED}),
    guard=_guard,
    evolve=_evolve,
)
