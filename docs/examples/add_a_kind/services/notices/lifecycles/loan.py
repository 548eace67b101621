"""装备借用: the rules of a loan."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from contracts.records import Phase
from events.fact import Fact
from events.loan import Declined, Lent, Requested, Returned
from services.kernel.exchange import Lifecycle, Role, plain


class Status(StrEnum):
    """Where a loan stands."""

    UNOPENED = "unopened"
    REQUESTED = "requested"  # 待答复
    LENT = "lent"  # 已出借
    DECLINED = "declined"  # 不予出借
    RETURNED = "returned"  # 已归还
    WITHDRAWN = "withdrawn"  # 已撤回


TRANSITIONS: Final[Mapping[str, Mapping[type[Fact], str]]] = {
    Status.UNOPENED: {Requested: Status.REQUESTED},
    Status.REQUESTED: {Lent: Status.LENT, Declined: Status.DECLINED},
    Status.LENT: {Returned: Status.RETURNED},
    Status.DECLINED: {},
    Status.RETURNED: {},
    Status.WITHDRAWN: {},
}

SPEAKERS: Final[Mapping[type[Fact], frozenset[Role]]] = {
    Requested: frozenset({Role.SENDER}),
    Lent: frozenset({Role.RECIPIENT}),
    Declined: frozenset({Role.RECIPIENT}),
    Returned: frozenset({Role.SENDER}),
}

AWAITS: Final[Mapping[str, Role | None]] = {
    Status.UNOPENED: None,
    Status.REQUESTED: Role.RECIPIENT,
    Status.LENT: Role.SENDER,
    Status.DECLINED: None,
    Status.RETURNED: None,
    Status.WITHDRAWN: None,
}

PHASES: Final[Mapping[str, Phase]] = {Status.REQUESTED: Phase.ACCEPTANCE, Status.LENT: Phase.PROCESSING}

LIFECYCLE: Final = Lifecycle(
    kind="loan",
    new=plain("loan"),
    transitions=TRANSITIONS,
    leg_transitions={},
    speakers=SPEAKERS,
    awaits=AWAITS,
    phases=PHASES,
    unaccepted=frozenset({Status.REQUESTED}),
)
