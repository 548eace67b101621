"""What two buses hand each other, made and checked; pure.

An envelope, sealed by the bus that hands over and meant for one other bus:

    {"relay": "items", "from", "to", "at", "items": [item], "signature"}

Its items:

    {"kind": "mirror", "record", "wider": [record]}     a registered event of an exchange that the sender keeps, cut for
                                                        this bus, and earlier ones that it may read more of by now
    {"kind": "submission", "event", "slip"}             what the sender took from an agency of its own; we decide
    {"kind": "outcome", "statement"}                    what became of a submission that we had handed over
    {"kind": "stage", "stage"}                          a stage of a copy, which the sender itself has reached
    {"kind": "through", "at"}                           all that the sender has from before was handed over

The answer is the witness of the relay, sealed by the bus that took it, for the sender to keep:

    {"relay": "taken", "from", "to", "digest": of the envelope, "at", "signature"}

Nobody relays what was relayed: every item is of the bus that seals the envelope, or of agencies that it hosts.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias, get_args
from uuid import UUID

from contracts.agencies import Agencies
from contracts.canonical import Document, canonical, digest, parse_object, stamped, timestamp
from contracts.codec import content_digest, decode, require_author, require_envelope
from contracts.deliveries import StageReached
from contracts.errors import ContractError, RelayError
from contracts.horizons import Horizon
from contracts.mirrors import require_mirrored
from contracts.records import OutcomeName, Record, Statement
from contracts.signatures import SigningKey, seal, verify_seal

LARGEST: Final = 8 * 1024 * 1024
"""Bytes of an envelope."""

MOST_ITEMS: Final = 100
"""In one envelope."""

_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""A NUL in canonical bytes; a backslash before `u0000` may be one that stands for itself."""


@dataclass(frozen=True, slots=True)
class Mirrored:
    """Registered events of one exchange, the earlier ones first: those that tell more than before, and the next one."""

    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Forwarded:
    """A submission, and the slip by which the other bus took it."""

    event: Document
    slip: Document


@dataclass(frozen=True, slots=True)
class Answered:
    """An outcome that the other bus states, of this submission in this exchange."""

    statement: Statement
    source: str
    id: str
    kind: str
    exchange: str


Item: TypeAlias = Mirrored | Forwarded | Answered | StageReached | Horizon


@dataclass(frozen=True, slots=True)
class Between:
    """Two buses, as the one that checks sees it. `now`: its legal time. tolerance: how far the other's may be ahead."""

    agencies: Agencies
    peer: str
    bus: str
    now: datetime
    tolerance: timedelta


def mirror_item(record: Record, wider: Sequence[Record] = ()) -> Document:
    """The item of a mirrored record, with earlier ones that the other bus may read more of by now."""
    return {"kind": "mirror", "record": _document(record), "wider": [_document(item) for item in wider]}


def submission_item(event: Document, slip: Document) -> Document:
    """The item of a submission that the other bus decides."""
    return {"kind": "submission", "event": event, "slip": slip}


def outcome_item(statement: Document) -> Document:
    """The item of an outcome, as it lies on its topic."""
    return {"kind": "outcome", "statement": statement}


def stage_item(stage: StageReached) -> Document:
    """The item of a stage."""
    return {"kind": "stage", "stage": {**stage.model_dump(exclude={"time"}), "time": timestamp(stage.time)}}


def through_item(at: datetime) -> Document:
    """The item that says that all from before an instant has been handed over."""
    return {"kind": "through", "at": timestamp(at)}


def envelope(items: Sequence[Document], peer: str, key: SigningKey, at: datetime) -> Document:
    """The envelope, sealed. `key` is our bus's."""
    body = {"relay": "items", "from": key.agency, "to": peer, "at": timestamp(at), "items": [*items]}
    return seal(body, key)


def opened(sealed: Document, between: Between) -> list[Item]:
    """The items of an envelope, each checked; all or nothing. Raises RelayError."""
    try:
        signer = verify_seal(sealed, between.agencies, between.now)
    except ContractError as error:
        raise RelayError(f"the envelope is not sealed: {error}") from error
    if _NUL.search(canonical(sealed)):
        raise RelayError("the envelope holds a NUL, which no database keeps")
    if (sealed.get("relay"), sealed.get("to")) != ("items", between.bus):
        raise RelayError(f"the envelope is meant for {sealed.get('to')}")
    if not signer == sealed.get("from") == between.peer or not between.agencies.is_bus(signer):
        raise RelayError(f"the envelope is sealed by {signer}, handed over by {between.peer}, which must be one bus")
    items = sealed.get("items")
    if not isinstance(items, list) or not 1 <= len(items) <= MOST_ITEMS:
        raise RelayError(f"an envelope holds 1 to {MOST_ITEMS} items")
    return [_item(item, between) for item in items]


def taken(sealed: Document, key: SigningKey, at: datetime) -> Document:
    """The witness: this bus has what is in the envelope, and keeps it. `key` is ours."""
    about = {"from": sealed["from"], "to": key.agency, "digest": digest(sealed), "at": timestamp(at)}
    return seal({"relay": "taken", **about}, key)


def require_taken(witness: Document, sealed: Document, agencies: Agencies, at: datetime) -> None:
    """Make sure that the other bus has witnessed this very envelope. Raises RelayError."""
    try:
        signer = verify_seal(witness, agencies, at)
    except ContractError as error:
        raise RelayError(f"the witness is not sealed: {error}") from error
    about = (witness.get("relay"), signer, witness.get("from"), witness.get("to"), witness.get("digest"))
    if about != ("taken", sealed["to"], sealed["from"], sealed["to"], digest(sealed)):
        raise RelayError(f"{signer} has witnessed something else than what was handed over")


def _item(item: object, between: Between) -> Item:
    if not isinstance(item, dict):
        raise RelayError("an item is an object")
    try:
        match item.get("kind"):
            case "mirror":
                return _mirrored([*item.get("wider", []), item["record"]], between)
            case "submission":
                return _forwarded(item["event"], item["slip"], between)
            case "outcome":
                return _answered(item["statement"], between)
            case "stage":
                return _stage(StageReached.from_bytes(canonical(item["stage"])), between)
            case "through":
                return Horizon(bus=between.peer, at=min(stamped(item["at"]), between.now))
            case _:
                raise RelayError(f"{str(item.get('kind'))[:40]!r} is no kind of item that this bus knows")
    except RelayError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, ContractError) as error:
        raise RelayError(f"an item of kind {str(item['kind'])[:40]!r} is not whole: {type(error).__name__}") from error


def _mirrored(documents: Sequence[object], between: Between) -> Mirrored:
    records = tuple(Record.model_validate(item) for item in documents)
    for record in records:
        require_mirrored(record, between.agencies, between.peer)
        if not record.stubbed:
            require_envelope(record.event)
    newest = records[-1]
    if any((item.kind, item.exchange) != (newest.kind, newest.exchange) for item in records):
        raise RelayError("the records of an item are of one exchange")
    if any(item.sequence >= newest.sequence for item in records[:-1]):
        raise RelayError("what comes with a record is of before it")
    return Mirrored(records)


def _forwarded(event: Document, slip: Document, between: Between) -> Forwarded:
    source = str(event["source"])
    hosting = between.agencies.elsewhere(source, between.bus)
    if hosting != between.peer:
        raise RelayError(f"{between.peer} does not host {source[:64]!r}, by whose name the submission goes")
    if (slip.get("bus"), slip.get("digest")) != (between.peer, content_digest(event)):
        raise RelayError("the slip is another bus's, or of another content")
    accepted = stamped(slip["acceptedtime"])
    if accepted > between.now + between.tolerance:
        raise RelayError(f"the slip says {slip['acceptedtime']}, which is ahead of {timestamp(between.now)}")
    try:
        signer = verify_seal(slip, between.agencies, accepted)
        require_author(event, between.agencies, accepted)
        decode(event)
    except ContractError as error:
        raise RelayError(f"the submission does not verify: {error}") from error
    if signer != between.peer:
        raise RelayError(f"the slip is sealed by {signer}, not by {between.peer}")
    return Forwarded(event, slip)


def _answered(document: Document, between: Between) -> Answered:
    statement = Statement.from_bytes(canonical(document))
    outcome = document["outcome"]
    if not isinstance(outcome, dict):
        raise RelayError("a statement holds an outcome")
    source, id_, name = outcome["source"], outcome["id"], outcome["outcome"]
    kind, exchange = outcome["kind"], outcome["exchange"]
    texts = all(isinstance(item, str) for item in (source, id_, kind, exchange))
    if not texts or str(UUID(str(exchange))) != str(exchange).lower() or name not in get_args(OutcomeName):
        raise RelayError("an outcome names its source, its id, its exchange and what it is")
    if between.agencies.get(str(source)) is None or between.agencies.elsewhere(str(source), between.bus) is not None:
        raise RelayError(f"this bus does not host {str(source)[:64]!r}, to whom the outcome goes")
    try:
        signer = verify_seal(outcome, between.agencies, between.now)
    except ContractError as error:
        raise RelayError(f"the outcome does not verify: {error}") from error
    if not signer == outcome.get("bus") == between.peer:
        raise RelayError(f"the outcome is {signer}'s, not {between.peer}'s")
    return Answered(statement, str(source), str(id_), str(kind), str(exchange))


def _stage(stage: StageReached, between: Between) -> StageReached:
    hosting = between.agencies.elsewhere(stage.recipient, between.bus)
    if (stage.bus, hosting) != (between.peer, between.peer):
        raise RelayError(f"{between.peer} says of its own copies for its own agencies what they have reached")
    if stage.time > between.now + between.tolerance:
        raise RelayError(f"the stage says {timestamp(stage.time)}, which is ahead of {timestamp(between.now)}")
    return stage


def _document(record: Record) -> Document:
    return parse_object(record.to_bytes())
