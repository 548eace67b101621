"""共联体事项: a unit undertakes to do something by a day; a meeting is a record from which undertakings grow."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from contracts.records import Phase
from events.fact import Fact
from events.undertaking import Discontinued, Done, Listed, MeetingHeld, Progressed, Reviewed, SentBack
from services.kernel.exchange import Lifecycle, Role, plain


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
    Status.LISTED: {
        Progressed: Status.IN_PROGRESS,
        Done: Status.DONE,
        Discontinued: Status.DISCONTINUED,
    },
    Status.IN_PROGRESS: {
        Progressed: Status.IN_PROGRESS,
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
    Progressed: _RECIPIENT | {Role.COPIED},
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

LIFECYCLE: Final = Lifecycle(
    kind="undertaking",
    new=plain("undertaking"),
    transitions=TRANSITIONS,
    leg_transitions={},
    speakers=SPEAKERS,
    awaits=AWAITS,
    phases=PHASES,
    unaccepted=frozenset({Status.LISTED}),
)
