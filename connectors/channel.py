"""What delivery asks of a connector, and what a connector gives: the one interface to partners as they are.

A folder of `connectors/` that brings copies to an agency has `client.py` with a function

    def open_channel(opening: Opening) -> Channel

and is named by `via` in the agency's contract. A client talks and decides nothing: delivery keeps the order, retries,
paces and remembers; `mapping.py`, which is pure, knows the partner's form. Everything may be handed over twice (a crash
may come between the partner's answer and our note of it), always under the same id; a partner that offers something
twice offers it under the same id too.
"""

import importlib
import importlib.util
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, Protocol

from connectors.errors import ConnectorError, SettingsError
from contracts.agencies import Agency
from contracts.canonical import Document
from contracts.library import Contracts
from contracts.signatures import SigningKey
from events.fact import Fact


class PartnerAway(ConnectorError):
    """The partner cannot be reached, is too slow, or says that it cannot work now: everything for it waits.

    `retry_after`: how long it asks us to wait.
    """

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PartnerRefuses(ConnectorError):
    """The partner works and does not take this one: only what follows in the same exchange waits."""


class PartnerGone(ConnectorError):
    """The partner says that nothing is to be sent here any more (410): everything for it is parked."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One item for one recipient, as an inbox would show it (`services/delivery/copies.py`).

    id: the same whenever it is handed over. kind, exchange, sequence: of the event; None for what is no event's copy.
    item: the document. body: its bytes. reference: the partner's own number of the exchange, where it gave one.
    """

    id: str
    recipient: str
    item: Document
    body: bytes
    kind: str | None = None
    exchange: str | None = None
    sequence: int | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Handed:
    """The partner took a parcel. `stage`: `relayed` if it confirms later (`Confirmed`), else `delivered`.

    reference: the number that the partner gave the exchange, if it did so now. proof: its signed word that it has the
    parcel, to be kept.
    """

    stage: Literal["relayed", "delivered"] = "delivered"
    reference: str | None = None
    proof: bytes | None = None


@dataclass(frozen=True, slots=True)
class Stated:
    """A fact that the partner states; the bus signs it in the agency's name, if its contract lets it 代签.

    id: of the event, from the partner's own numbers, so that the same fact always has the same. time: the partner's.
    case: for a fact that opens an exchange. reference: the partner's number of the exchange. The rest: the envelope's.
    """

    id: str
    fact: Fact
    kind: str
    exchange: str
    time: datetime
    case: str | None = None
    leg: str | None = None
    known: int | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What the partner says of an earlier parcel: that it has it, that somebody opened it, or that it is spoilt.

    `failed`: it must be handed over again.
    """

    parcel: str
    stage: Literal["delivered", "retrieved", "failed"]
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Collected:
    """What the partner had for us, in order, and where to go on next time.

    `unreadable`: what could not be understood, in words without personal data; it is logged and left with the partner.
    """

    arrivals: Sequence[Stated | Confirmed] = ()
    cursor: str | None = None
    more: bool = False
    unreadable: Sequence[str] = ()


class Files(Protocol):
    """Attachments, by digest (`sha-256:…`)."""

    def read(self, digest: str) -> AsyncIterator[bytes]:
        """The bytes, in pieces, checked against the digest. Raises FileMissing."""
        ...

    async def write(self, pieces: AsyncIterator[bytes], digest: str | None = None) -> str:
        """Keep bytes; return their digest. Raises FileSpoilt if it is not the one that was expected."""
        ...


class FileMissing(ConnectorError):
    """The store has no file of that digest (yet)."""


class FileSpoilt(ConnectorError):
    """The bytes are not those of the digest."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a client is made of. keys: the folder of secrets. clock: legal time, for what is written into documents."""

    agency: Agency
    contracts: Contracts
    bus_key: SigningKey
    keys: Path
    clock: Callable[[], datetime]
    files: Files


class Channel(Protocol):
    """A way to one partner. Its methods may be called side by side, but for parcels of one exchange."""

    async def hand_over(self, parcel: Parcel) -> Handed:
        """Bring one parcel. Raises PartnerAway, PartnerRefuses or PartnerGone, and nothing else for what is theirs."""
        ...

    async def collect(self, cursor: str | None) -> Collected:
        """What the partner has for us after a cursor. Raises PartnerAway.

        Called every few seconds, and again at once while there is `more`. What was returned is safe when it is called
        with the cursor that came with it; then the partner may forget it.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class Pushing:
    """The base of channels by which nothing comes in."""

    async def collect(self, cursor: str | None) -> Collected:
        """Nothing."""
        return Collected(cursor=cursor)


def open_channel(opening: Opening) -> Channel:
    """The channel of an agency, by its contract. Raises SettingsError."""
    via = opening.agency.channel.via
    name = f"connectors.{via}.client"
    if importlib.util.find_spec(f"connectors.{via}") is None or importlib.util.find_spec(name) is None:
        raise SettingsError(
            f"{opening.agency.code}: there is no connectors/{via}/client.py; mend `via` in its contract"
        )
    found: Callable[[Opening], Channel] = importlib.import_module(name).open_channel
    return found(opening)
