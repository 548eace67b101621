"""What the bus itself says: slips, receipts, rejections, and the record of a registered event on Kafka.

A record is the registered event, its receipt, and the standing of the exchange after it. Followers need no
lifecycle of their own: the registrar says who the parties are, what each may read and whose move it is.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from contracts.canonical import Document, canonical, parse_object
from contracts.codec import content_digest, copy_for, signing_form
from contracts.errors import MalformedJson
from events.fields import FieldClass

RECIPIENT, SENDER = "recipient", "sender"
"""The roles of an addressee, and of who opened the exchange."""

RECEIPT, REJECTION, HELD = "receipt", "rejection", "held"
OutcomeName = Literal["receipt", "rejection", "held"]


class Party(BaseModel):
    """A party of an exchange: its role, and the field classes that the agreement lets it read of the others."""

    model_config = ConfigDict(frozen=True)

    role: str
    reads: tuple[FieldClass, ...]
    agreement: str | None = None


class Part(BaseModel):
    """How an exchange stands for one addressee of several: its own leg, and whose move it is there."""

    model_config = ConfigDict(frozen=True)

    status: str
    moves: tuple[str, ...]


class Phase(StrEnum):
    """What an exchange waits for: the column of the delay table in which the time from here on is counted."""

    PREPARATION = "preparation"  # 移送前准备
    RECEIPT = "receipt"  # 待签收
    ACCEPTANCE = "acceptance"  # 待受理
    SUPPLEMENT = "supplement"  # 补正
    PROCESSING = "processing"  # 办理
    COUNTERPART = "counterpart"  # 待对方答复


class Standing(BaseModel):
    """Where an exchange stands after an event. `moves` names the agencies whose move it is.

    `phase` is None after the end, and for an exchange of a bus that did not say it yet. `parts`: where addressees learn
    nothing of each other, what each of them is told in place of status and moves.
    """

    model_config = ConfigDict(frozen=True)

    status: str
    ended: bool
    legs: dict[str, str]
    parties: dict[str, Party]
    moves: tuple[str, ...]
    case: str
    home: str
    hops: int = 0
    phase: Phase | None = None
    parts: dict[str, Part] | None = None

    def told_to(self, agency: str) -> "Standing":
        """The standing as a party may know it. An addressee of whose part nothing is known here is told of none."""
        party = self.parties.get(agency)
        if self.parts is None or party is None or party.role != RECIPIENT:
            return self
        part = self.parts.get(agency, Part(status="", moves=()))
        legs = {code: leg for code, leg in self.legs.items() if code == agency and code in self.parts}
        return self.model_copy(update={"status": part.status, "moves": part.moves, "legs": legs, "parts": None})

    def told_at(self, agencies: Collection[str]) -> "Standing":
        """The standing as the bus may know it that hosts these parties: what `told_to` tells each of them, together.

        Of several who learn nothing of each other, the status is that of the first in code order.
        """
        if any(self.told_to(agency) is self for agency in agencies):
            return self
        parts = {agency: part for agency, part in sorted((self.parts or {}).items()) if agency in agencies}
        own = {
            "status": next((part.status for part in parts.values()), ""),
            "moves": tuple(sorted({code for part in parts.values() for code in part.moves})),
            "legs": {agency: self.legs[agency] for agency in parts},
            "parts": parts,
        }
        return self.model_copy(update=own)


class Record(BaseModel):
    """A registered event as it travels on `events.*` and lies in the store.

    `audience` names the roles and agencies that see the event in full; None means every party. Others get a stub.
    In a mirror of an exchange of another bus, `event` is itself a stub where none of this bus's parties may see it.
    """

    model_config = ConfigDict(frozen=True)

    event: dict[str, JsonValue]
    receipt: dict[str, JsonValue]
    standing: Standing
    audience: tuple[str, ...] | None = None

    @property
    def kind(self) -> str:
        """The kind of the exchange."""
        return str(self.event["kind"])

    @property
    def stubbed(self) -> bool:
        """Whether only a stub of the event is known here: neither its source nor its type, and no data."""
        return self.event.get("stub") is True

    @property
    def fact(self) -> str:
        """The short name of the fact that was stated, such as `sent`; empty for a stub."""
        return "" if self.stubbed else str(self.event["type"]).split(".")[3]

    @property
    def source(self) -> str:
        """Who stated it; empty for a stub."""
        return str(self.event.get("source", ""))

    @property
    def opener(self) -> str:
        """Who opened the exchange, of its first record: also where that is a stub, the sender is known as a party."""
        senders = (code for code, party in self.standing.parties.items() if party.role == SENDER)
        return self.source or next(senders, "")

    @property
    def acceptedtime(self) -> JsonValue:
        """When a gateway took it; of a stub only the time is told at which it was recorded."""
        return self.event["recordedtime"] if self.stubbed else self.event["acceptedtime"]

    @property
    def exchange(self) -> str:
        """The exchange's id."""
        return str(self.event["exchange"])

    @property
    def sequence(self) -> int:
        """The event's place in the exchange, from 1 without a gap."""
        return int(str(self.event["sequence"]))

    def to_bytes(self) -> bytes:
        """The canonical bytes."""
        return canonical(
            {
                "event": self.event,
                "receipt": self.receipt,
                "standing": self.standing.model_dump(mode="json"),
                "audience": None if self.audience is None else [*self.audience],
            }
        )

    @classmethod
    def from_bytes(cls, value: bytes) -> "Record":
        """Parse a record, as a registrar wrote it. Raises pydantic's ValidationError (which means poison)."""
        return cls.model_validate_json(value)

    def seen_by(self, agency: str, standing: Standing | None = None) -> Document:
        """The copy of the event for a party: cut to its classes, or a stub where it may not see the event.

        `standing` is the newest standing of the exchange, where it is not this record's own.
        """
        if self.stubbed or agency == self.source:
            return self.event
        party = (standing or self.standing).parties[agency]
        if self.audience is not None and not {party.role, agency} & set(self.audience):
            return self.stub()
        return copy_for(self.event, party.reads)

    def stub(self) -> Document:
        """What a party gets in place of an event that it may not see: proof that there is one, and no more."""
        if self.stubbed:
            return self.event
        return {
            "stub": True,
            "kind": self.kind,
            "exchange": self.exchange,
            "sequence": self.sequence,
            "recordedtime": self.event["recordedtime"],
            "signed": self.receipt["signed"],
        }


@dataclass(frozen=True, slots=True)
class Statement:
    """An outcome as it travels on `outcomes`: the sealed document, and what only gateways need to know.

    `digest` is that of the submission's content: it tells a repeat from a reused id. It stays out of receipts, which
    others get: unsalted, it would let who holds a cut copy find out by guessing what was withheld. `stands` says
    whether this is the outcome of (source, id) for good, or only an answer, as to a forgery or a reused id.
    """

    digest: str
    stands: bool
    document: bytes

    def to_bytes(self) -> bytes:
        """The canonical bytes; they hold the document's own."""
        return canonical({"digest": self.digest, "stands": self.stands, "outcome": parse_object(self.document)})

    @classmethod
    def from_bytes(cls, value: bytes) -> "Statement":
        """Parse a statement. Raises MalformedJson."""
        statement = parse_object(value)
        digest, stands, outcome = (statement.get(name) for name in ("digest", "stands", "outcome"))
        if not (isinstance(digest, str) and isinstance(stands, bool) and isinstance(outcome, dict)):
            raise MalformedJson("a statement holds a digest, whether it stands, and an outcome")
        return cls(digest, stands, canonical(outcome))


def slip(document: Mapping[str, JsonValue], bus: str, acceptedtime: str) -> Document:
    """The acceptance slip 收件凭据, before it is sealed: the bus took this content at this instant."""
    return {
        "slip": "accepted",
        **_about(document, bus),
        "digest": content_digest(document),
        "acceptedtime": acceptedtime,
    }


def receipt(registered: Mapping[str, JsonValue], bus: str, home: str) -> Document:
    """The receipt 回执, before it is sealed. `signed` is the digest of the very bytes the agency signed."""
    return {
        "outcome": RECEIPT,
        **_about(registered, bus),
        "home": home,
        "signed": digest_of_signed(registered),
        **{name: registered[name] for name in ("sequence", "acceptedtime", "recordedtime")},
    }


def rejection(
    document: Mapping[str, JsonValue], bus: str, acceptedtime: str, *, code: str, detail: str, members: Document
) -> Document:
    """The rejection, before it is sealed: which rule failed, and what helps."""
    return {
        "outcome": REJECTION,
        **_about(document, bus),
        "digest": content_digest(document),
        "acceptedtime": acceptedtime,
        "code": code,
        "detail": detail,
        **members,
    }


def held(document: Mapping[str, JsonValue], bus: str, acceptedtime: str, reason: str) -> Document:
    """The word, before it is sealed, that the submission waits for an operator."""
    return {
        "outcome": HELD,
        **_about(document, bus),
        "digest": content_digest(document),
        "acceptedtime": acceptedtime,
        "code": HELD,
        "detail": reason,
    }


def digest_of_signed(document: Mapping[str, JsonValue]) -> str:
    """The digest of the bytes that the agency signed."""
    return f"sha-256:{hashlib.sha256(signing_form(document)).hexdigest()}"


def _about(document: Mapping[str, JsonValue], bus: str) -> Document:
    return {
        "bus": bus,
        **{name: document.get(name) for name in ("source", "id", "type", "kind", "exchange")},
    }
