"""Parcels as delivery makes them.

parcel("310112-ga", example("referral.sent"))                a copy of an event of the examples
parcel("310000-rx", copied(play, 2, "310000-rx"))            our copy of the second event of a play
parcel_of("310000-rx", {"kind": "stub", "stub": {…}})        whatever else an inbox may hold
"""

from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from connectors.channel import Parcel
from contracts.canonical import Document, canonical
from tests.support.factory import new_exchange
from tests.support.play import Play


def parcel(
    recipient: str,
    event: Mapping[str, JsonValue],
    reference: str | None = None,
    *,
    sequence: int = 1,
    crosswalk: Document | None = None,
) -> Parcel:
    """An event's copy for a recipient, registered now if it is not yet."""
    document: Document = {
        "sequence": sequence,
        "acceptedtime": event["time"],
        "recordedtime": event["time"],
        **event,
    }
    item: Document = {"kind": "event", "event": document, "standing": {}, "receipt": {}}
    if crosswalk is not None:
        item["crosswalk"] = crosswalk
    kind, exchange, number = str(event["kind"]), str(event["exchange"]), document["sequence"]
    assert isinstance(number, int)
    return Parcel(f"{kind}/{exchange}/{number}", recipient, item, canonical(item), kind, exchange, number, reference)


def parcel_of(
    recipient: str,
    item: dict[str, Any],
    reference: str | None = None,
    *,
    id_: str = "p1",
    kind: str | None = "workorder",
) -> Parcel:
    """A parcel with an item of any kind."""
    return Parcel(id_, recipient, item, canonical(item), kind, new_exchange(), 1, reference)


def rejection(recipient: str, reference: str | None, **members: Any) -> Parcel:
    """A rejection of what the recipient stated."""
    item: Document = {"kind": "rejection", "rejection": {"outcome": "rejection", "source": recipient, **members}}
    return Parcel("rejection.1", recipient, item, canonical(item), reference=reference)


def copied(play: Play, sequence: int, recipient: str) -> Document:
    """Our copy of an event, as delivery cuts it."""
    return play.record(sequence).seen_by(recipient, play.standing)


def in_exchange(event: Document, exchange: str | None = None) -> Document:
    """The same in an exchange of its own."""
    return {**event, "exchange": exchange or new_exchange()}
