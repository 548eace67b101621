"""What an exchange is made of: its state, its kind's rules as tables, and what a decision may know. Types only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Generic, TypeVar

from contracts.agencies import Agencies
from contracts.agreements import Agreements
from contracts.canonical import Document
from contracts.clocks import Entry
from contracts.codec import Event
from contracts.library import Contracts
from contracts.records import Phase
from events.fact import Fact


class Role(StrEnum):
    """What an agency is to an exchange."""

    SENDER = "sender"
    RECIPIENT = "recipient"
    COPIED = "copied"  # 抄送
    SUPERVISOR = "supervisor"
    ARBITER = "arbiter"
    FORMER = "former"  # 已转出的经办单位
    BUS = "bus"


UNOPENED: Final = "unopened"
"""The status of an exchange before its first event. Every table has it; its row holds the opening facts."""

WITHDRAWN: Final = "withdrawn"
"""The status after a withdrawal. Every kind has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """An exchange, folded from its events. A kind that must remember more subclasses this.

    `authors[n - 1]` stated the event of sequence n, `audiences[n - 1]` may see it. `grants` maps a party to the
    agreement that lets it read. `extensions`: who waits for the answer to a request for more time.
    """

    kind: str
    exchange: str
    case: str = ""
    home: str = ""
    sequence: int = 0
    status: str = UNOPENED
    parties: Mapping[str, Role] = field(default_factory=dict)
    grants: Mapping[str, str] = field(default_factory=dict)
    legs: Mapping[str, str] = field(default_factory=dict)
    hops: int = 0
    authors: tuple[str, ...] = ()
    audiences: tuple[tuple[str, ...] | None, ...] = ()
    corrections: frozenset[int] = frozenset()
    withdrawal: str | None = None
    extensions: frozenset[str] = frozenset()

    def having(self, role: Role) -> tuple[str, ...]:
        """The agencies in a role, in code order."""
        return tuple(sorted(code for code, held in self.parties.items() if held is role))


S = TypeVar("S", bound=State)


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A party that an event brings in, and the agreement under which it reads."""

    role: Role
    agreement: str


@dataclass(frozen=True, slots=True)
class Context:
    """What a decision may know besides the exchange's state: contracts, which bus this is, when it took the submission.

    `entries`: what is registered in the exchange, as its clocks see it.
    """

    contracts: Contracts
    bus: str
    acceptedtime: datetime
    entries: tuple[Entry, ...] = ()

    @property
    def agencies(self) -> Agencies:
        """Who there is."""
        return self.contracts.agencies

    @property
    def agreements(self) -> Agreements:
        """Who may send what to whom."""
        return self.contracts.agreements


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a submission cannot be registered: a stable code, words, and members that help to mend it."""

    code: str
    detail: str
    members: Document = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Registration(Generic[S]):
    """A submission that may be registered, and the state that it makes."""

    state: S
    audience: tuple[str, ...] | None


def plain(kind: str) -> Callable[[str], State]:
    """Makes the state of a new exchange of a kind that has no memory of its own."""

    def new(exchange: str) -> State:
        return State(kind=kind, exchange=exchange)

    return new


def addressees(state: State, event: Event) -> Mapping[str, Role]:
    """Who an opening fact brings in: its source, its `recipient` or `recipients`, and the agencies `copied` 抄送."""
    if state.status != UNOPENED:
        return {}
    fact = event.fact
    copied, recipients = getattr(fact, "copied", ()), getattr(fact, "recipients", ())
    recipient = getattr(fact, "recipient", None)
    return {
        # First: who addresses itself would have a second role, and is told so.
        event.envelope.source: Role.SENDER,
        **dict.fromkeys(copied, Role.COPIED),
        **dict.fromkeys((recipient,) if recipient else recipients, Role.RECIPIENT),
    }


def unguarded(_state: State, _event: Event, _context: Context) -> Rejection | None:
    """No rules beyond the tables."""
    return None


def unchanged(state: S, _event: Event) -> S:
    """No memory beyond what every kind has."""
    return state


@dataclass(frozen=True, slots=True)
class Lifecycle(Generic[S]):
    """One kind's rules.

    transitions: status to the facts that may follow and the status each leads to; terminal ones are empty.
    leg_transitions: the same for a leg; a fact that no leg row names moves no leg.
    rollup: where several are addressed, the statuses that follow from the legs: the first whose set holds the status of
    every leg. A fact that leads to any of them leads to that one.
    leg_awaits: whose move it is on a leg, while the status follows from the legs.
    apart: what concerns one leg is withheld from the other addressees. asks_anew: facts after which every leg begins.
    speakers: who may state a fact. awaits: whose move it is in a status (None where nobody is waited for).
    phases: what a status waits for, for the delay table; those that end have none.
    unaccepted: the statuses in which the sender may still withdraw alone; with several addressees, as long as every leg
    is in `leg_unaccepted`, if that is given.
    stale_refused: facts whose signer must have seen the newest event, where it says what it has seen.
    audiences: the statuses in which not every party sees what is stated, common facts too, and the roles that do.
    join: the parties that a fact brings in or changes, role by agency. guard: the rules beyond the tables.
    evolve: what the kind itself remembers of a fact.
    """

    kind: str
    new: Callable[[str], S]
    transitions: Mapping[str, Mapping[type[Fact], str]]
    leg_transitions: Mapping[str, Mapping[type[Fact], str]]
    speakers: Mapping[type[Fact], frozenset[Role]]
    awaits: Mapping[str, Role | None]
    phases: Mapping[str, Phase]
    unaccepted: frozenset[str]
    join: Callable[[S, Event], Mapping[str, Role]] = addressees
    guard: Callable[[S, Event, Context], Rejection | None] = unguarded
    evolve: Callable[[S, Event], S] = unchanged
    stale_refused: frozenset[type[Fact]] = frozenset()
    audiences: Mapping[str, frozenset[Role]] = field(default_factory=dict)
    rollup: Mapping[str, frozenset[str]] = field(default_factory=dict)
    leg_awaits: Mapping[str, Role | None] = field(default_factory=dict)
    apart: bool = False
    asks_anew: frozenset[type[Fact]] = frozenset()
    leg_unaccepted: frozenset[str] = frozenset()

    def ended(self, status: str) -> bool:
        """Whether nothing of the kind's own may follow this status."""
        return not self.transitions[status]

    @property
    def opening(self) -> frozenset[type[Fact]]:
        """The facts that open an exchange."""
        return frozenset(self.transitions[UNOPENED])

    def only_opens(self, fact: type[Fact]) -> bool:
        """Whether a fact opens an exchange and is never stated in one that is open."""
        return {status for status, row in self.transitions.items() if fact in row} == {UNOPENED}

    def rolled(self, legs: Mapping[str, str]) -> str:
        """The status that follows from the legs. Some set of `rollup` holds every leg status."""
        return next(status for status, held in self.rollup.items() if held.issuperset(legs.values()))


@dataclass(frozen=True, slots=True)
class CommonRule:
    """How a common fact is handled: who may state it, and whether also after the end."""

    speakers: frozenset[Role]
    after_end: bool = False
