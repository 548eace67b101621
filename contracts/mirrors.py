"""Mirrors 镜像: what another bus gets of the records of an exchange that this one keeps, and how it is checked; pure.

A bus that hosts parties of an exchange gets each record cut to what they, together, may read, or a stub where none of
them may see the event. The cut event still verifies by its author's signature, and the receipt by the home's; in place
of the receipt of an event that it may not see, which names source and type, the other bus gets one over the stub.

The same record may come again with more in it, when a party joins that may read more. Two forms of one record become
one that tells what either told, so the mirror is the same in whatever order they come.
"""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from pydantic import JsonValue

from contracts.agencies import Agencies
from contracts.canonical import Document, stamped
from contracts.codec import copy_for, fact_type, require_author
from contracts.errors import ContractError, RelayError
from contracts.records import RECEIPT, SENDER, Record, Standing, digest_of_signed
from contracts.signatures import SigningKey, seal, verify_seal
from events.envelope import DIGEST

_IN_RECEIPT: Final = ("kind", "exchange", "sequence", "recordedtime")
_APART: Final = ("status", "moves", "legs", "parts")
"""What is told of a standing to some addressees and not to others, where they learn nothing of each other."""
_OF_EVENT: Final = ("source", "id", "type", "acceptedtime")


def mirrored(record: Record, standing: Standing, hosted: Collection[str], key: SigningKey) -> Record:
    """What the bus gets that hosts these parties. `key` is the home's; `standing` says what they may read by now."""
    told = record.standing.told_at(hosted)
    event = _seen(record, standing, hosted)
    if event is None:
        stub = record.stub()
        proof = seal({"outcome": RECEIPT, "bus": key.agency, "home": record.standing.home, **stub}, key)
        return Record(event=stub, receipt=proof, standing=told, audience=())
    return Record(event=event, receipt=record.receipt, standing=told, audience=record.audience)


def require_mirrored(record: Record, agencies: Agencies, home: str) -> None:
    """Make sure that a record is what `home` registered and its author signed. Raises RelayError."""
    receipt, event = record.receipt, record.event
    if not _placed(event):
        raise RelayError("a record names its kind, its exchange and its sequence")
    if record.standing.home != home or receipt.get("home") != home or receipt.get("bus") != home:
        raise RelayError(f"the exchange's home is {record.standing.home}, so {home} has no records of it")
    if not record.stubbed and event.get("home") not in {None, home}:
        raise RelayError(f"its author has stated this for {event.get('home')}, not for {home}")
    _require_opened_there(record, agencies, home)
    if receipt.get("outcome") != RECEIPT or any(receipt.get(name) != event.get(name) for name in _IN_RECEIPT):
        raise RelayError("the receipt is another event's")
    try:
        sealed_by = verify_seal(receipt, agencies, stamped(event["recordedtime"]))
        if not record.stubbed:
            _require_author(record, agencies)
    except (KeyError, ValueError, ContractError) as error:
        raise RelayError(f"#{receipt['sequence']} does not verify: {error}") from error
    if sealed_by != home:
        raise RelayError(f"the receipt is sealed by {sealed_by}, not by {home}")
    if record.stubbed and event != {name: receipt.get(name) for name in (*_IN_RECEIPT, "stub", "signed")}:
        raise RelayError("a stub tells what its receipt tells, and no more")
    if not record.stubbed and receipt.get("signed") != digest_of_signed(event):
        raise RelayError("the receipt is of other bytes than those that were signed")


def same(one: Record, other: Record) -> bool:
    """Whether two forms are of one record: whatever each withholds, the home registered these bytes at that time.

    The standing after it is not under the receipt, so it is the same too, but for what addressees apart are told.
    """
    sealed = all(one.receipt.get(name) == other.receipt.get(name) for name in ("home", "signed", *_IN_RECEIPT))
    return sealed and _agree(one.standing, other.standing)


def merged(one: Record, other: Record) -> Record:
    """One record that tells what either form of it told."""
    fuller = other if one.stubbed else one
    event = fuller.event
    if not (one.stubbed or other.stubbed):
        event = {**one.event, "data": _merged(one.event.get("data"), other.event.get("data"))}
    standing = max(one.standing, other.standing, key=_told)
    return Record(event=event, receipt=fuller.receipt, standing=standing, audience=fuller.audience)


def _seen(record: Record, standing: Standing, hosted: Collection[str]) -> Document | None:
    """The event as these parties together may read it; None where none of them may see it."""
    if record.source in hosted:
        return record.event
    parties = {code: standing.parties[code] for code in hosted}
    audience = record.audience
    seeing = [party for code, party in parties.items() if audience is None or {party.role, code} & {*audience}]
    if not seeing:
        return None
    return copy_for(record.event, {reads for party in seeing for reads in party.reads})


def _require_author(record: Record, agencies: Agencies) -> None:
    event, receipt = record.event, record.receipt
    if any(receipt.get(name) != event.get(name) for name in _OF_EVENT):
        raise RelayError("the receipt is another event's")
    fact_type(event.get("type"))
    require_author(event, agencies, stamped(event["acceptedtime"]))


def _require_opened_there(record: Record, agencies: Agencies, home: str) -> None:
    """An exchange is opened on the bus of its opener, who is its one sender; also a stub tells who that is."""
    senders = {code for code, party in record.standing.parties.items() if party.role == SENDER}
    openers = senders | {record.opener} if record.sequence == 1 else senders
    for opener in sorted(openers):
        agency = agencies.get(opener)
        if agency is None or agency.home != home:
            raise RelayError(f"{home} does not host {opener[:64]!r}, who has opened the exchange")


def _placed(event: Document) -> bool:
    """Whether its place is written as a registrar writes it: one exchange has one id, and one place one number."""
    exchange, sequence = event.get("exchange"), event.get("sequence")
    try:
        canonical_id = str(UUID(str(exchange))) == exchange
    except ValueError:
        return False
    return canonical_id and isinstance(event.get("kind"), str) and type(sequence) is int and sequence >= 1


def _agree(one: Standing, other: Standing) -> bool:
    """Whether both are one standing, as it is told to these or to those."""
    if one.parts is None or other.parts is None:
        return one == other
    both = one.parts.keys() & other.parts.keys()
    if any((one.parts[code], one.legs.get(code)) != (other.parts[code], other.legs.get(code)) for code in both):
        return False
    return one.model_copy(update={name: getattr(other, name) for name in _APART}) == other


def _told(standing: Standing) -> tuple[int, int, str]:
    return len(standing.parts or ()), len(standing.legs), standing.model_dump_json()


def _merged(one: JsonValue, other: JsonValue) -> JsonValue:
    """What either copy of a member discloses."""
    if isinstance(one, dict) and isinstance(other, dict):
        if one.keys() == {DIGEST} or other.keys() == {DIGEST}:
            return other if one.keys() == {DIGEST} else one
        return {name: _merged(one.get(name), other.get(name)) for name in sorted({*one, *other})}
    if isinstance(one, list) and isinstance(other, list):
        return [_merged(*pair) for pair in zip(one, other, strict=True)]
    if isinstance(one, dict) and one.keys() == {DIGEST}:
        return other
    return other if one is None else one
