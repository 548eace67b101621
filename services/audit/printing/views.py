"""Timeline documents, as services/audit/timeline.py makes them, read back into types; members of `data` stay outside.

Timeline.of(document)        an exchange's timeline, or a case's
threads([timeline, …])       every exchange once, with its entries
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from contracts.canonical import Document

State = Literal["running", "suspended", "met", "late", "void"]


class _View(BaseModel):
    """A part of a document; what is not named here is not read."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Agency(_View):
    """An agency with its names."""

    agency: str
    name: str
    name_en: str


class Member(Agency):
    """A party of an exchange."""

    role: str


class Delivery(Agency):
    """A stage that a copy for this agency has reached."""

    stage: str
    attempt: int
    time: AwareDatetime
    reason: str | None = None


class Statement(_View):
    """What an entry says to one who may see it."""

    type: str
    title_zh: str
    title_en: str
    source: Agency
    time: AwareDatetime
    acceptedtime: AwareDatetime
    status: str
    moves: tuple[Agency, ...]
    withheld: tuple[str, ...] = ()
    leg: Agency | None = None
    inname: Agency | None = None
    signedby: Agency | None = None


class Entry(_View):
    """A step of an exchange. `statement` is None for a stub: something was registered that the reader may not see."""

    kind: str
    exchange: str
    sequence: int
    recordedtime: AwareDatetime
    gap_s: float | None = None
    deliveries: tuple[Delivery, ...] = ()
    statement: Statement | None = None

    @model_validator(mode="before")
    @classmethod
    def _statement_apart(cls, given: Any) -> Any:
        apart = isinstance(given, dict) and not given.get("stub") and "statement" not in given
        return {**given, "statement": given} if apart else given

    @property
    def at(self) -> datetime:
        """When the bus took it; of a stub only the time of registration is known."""
        return self.statement.acceptedtime if self.statement else self.recordedtime

    @property
    def author(self) -> str | None:
        """The code of who stated it, if the reader may know."""
        return self.statement.source.agency if self.statement else None


class Clock(_View):
    """A clock with its result. `started_by`, `stopped_by`, `warned`, `expired`, `annulled`, `extensions`: sequences."""

    rule: str
    version: str
    title_zh: str
    title_en: str
    agency: Agency
    started_by: int
    started_at: AwareDatetime
    due: AwareDatetime
    original_due: AwareDatetime
    state: State
    overdue: bool = False
    stopped_by: int | None = None
    stopped_at: AwareDatetime | None = None
    late_s: float | None = None
    warned: int | None = None
    expired: int | None = None
    annulled: int | None = None
    extensions: tuple[int, ...] = ()
    suspensions: tuple[tuple[AwareDatetime, AwareDatetime | None], ...] = ()
    provisional: tuple[int, ...] = ()
    basis: str
    verified: bool

    def stood_still(self, until: datetime) -> tuple[tuple[datetime, datetime], ...]:
        """The periods in which it stood still; one that lasts goes to `until`."""
        return tuple((begin, max(begin, end or until)) for begin, end in self.suspensions)

    def deeds(self) -> Iterator[tuple[int, str]]:
        """What facts did to it: the sequence of each, and the verb."""
        single = {
            "starts": self.started_by,
            "stops": self.stopped_by,
            "warns": self.warned,
            "expires": self.expired,
            "annuls": self.annulled,
        }
        yield from ((by, verb) for verb, by in single.items() if by is not None)
        yield from ((by, "extends") for by in self.extensions)


class Share(_View):
    """What went by on an agency's account with one cause."""

    account: Agency
    cause: str
    cause_zh: str
    seconds: Decimal


class Delay(_View):
    """Whose delay. Of an exchange it has its span, to which the totals add up exactly."""

    begin: AwareDatetime | None = Field(default=None, alias="from")
    end: AwareDatetime | None = Field(default=None, alias="to")
    totals: tuple[Share, ...]


class Exchange(_View):
    """An exchange as it stands, its clocks and its delay."""

    kind: str
    exchange: str
    case: str
    home: str
    status: str
    ended: bool
    hops: int
    opened: AwareDatetime
    changed: AwareDatetime
    opener: Agency
    parties: tuple[Member, ...]
    moves: tuple[Agency, ...]
    clocks: tuple[Clock, ...] = ()
    delay: Delay | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What it is known by."""
        return self.kind, self.exchange

    def deeds(self) -> dict[int, list[tuple[str, Clock]]]:
        """By sequence, what a fact did to clocks."""
        found: dict[int, list[tuple[str, Clock]]] = {}
        for clock in self.clocks:
            for sequence, verb in clock.deeds():
                found.setdefault(sequence, []).append((verb, clock))
        return found


class End(_View):
    """An exchange at one end of a link; case and status where the reader may know them."""

    kind: str
    exchange: str
    sequence: int | None = None
    case: str | None = None
    status: str | None = None


class Link(_View):
    """What an exchange is to another, as a fact of the first states it."""

    relation: str
    origin: End = Field(alias="from")
    to: End


class Timeline(_View):
    """The timeline of an exchange, or of a case with its exchanges (`of_case`); entries in the document's order."""

    case: str
    of_case: bool
    exchanges: tuple[Exchange, ...]
    entries: tuple[Entry, ...]
    links: tuple[Link, ...] = ()
    delay: Delay | None = None

    @property
    def buses(self) -> frozenset[str]:
        """The codes of the buses that registered the exchanges; what they state themselves is about clocks."""
        return frozenset(exchange.home for exchange in self.exchanges)

    @classmethod
    def of(cls, document: Document) -> Self:
        """The timeline of a document. Raises pydantic's ValidationError for what is none."""
        of_case = "exchanges" in document
        exchanges = document["exchanges"] if of_case else [document]
        return cls.model_validate({**document, "of_case": of_case, "exchanges": exchanges})


def threads(documents: Iterable[Document]) -> list[tuple[Exchange, tuple[Entry, ...]]]:
    """Every exchange of these timelines with its entries, in the order of their opening, each once."""
    found: dict[tuple[str, str], tuple[Exchange, tuple[Entry, ...]]] = {}
    for timeline in map(Timeline.of, documents):
        entries: dict[tuple[str, str], list[Entry]] = {}
        for entry in timeline.entries:
            entries.setdefault((entry.kind, entry.exchange), []).append(entry)
        for exchange in timeline.exchanges:
            found.setdefault(exchange.key, (exchange, tuple(entries.get(exchange.key, ()))))
    return sorted(found.values(), key=lambda item: (item[0].opened, item[0].key))
