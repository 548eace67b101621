"""What a channel is opened with, and parcels as delivery makes them, from the examples."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from pydantic import JsonValue

from connectors.channel import Files, Opening, Parcel
from contracts.agencies import Channel
from contracts.canonical import Document, canonical
from tests.support.factory import BUS, TIME, key, new_exchange, world


def opening(agency: str, channel: Channel, files: Files, *, clock: datetime = TIME) -> Opening:
    """What a channel of an agency is opened with: the packaged contracts with throw-away keys."""
    contracts = world()
    found = contracts.agencies.by_code[agency].model_copy(update={"channel": channel})
    return Opening(found, contracts, key(BUS), Path("/nowhere"), lambda: clock, files)


def parcel(
    recipient: str, event: Mapping[str, JsonValue], *, sequence: int = 1, crosswalk: Document | None = None
) -> Parcel:
    """A registered event's copy for a recipient."""
    document: Document = {
        **event,
        "sequence": sequence,
        "acceptedtime": event["time"],
        "recordedtime": event["time"],
    }
    item: Document = {"kind": "event", "event": document, "standing": {}, "receipt": {}}
    if crosswalk is not None:
        item["crosswalk"] = crosswalk
    kind, exchange = str(event["kind"]), str(event["exchange"])
    return Parcel(f"{kind}/{exchange}/{sequence}", recipient, item, canonical(item), kind, exchange, sequence)


def in_exchange(event: Document, exchange: str | None = None) -> Document:
    """The same in an exchange of its own."""
    return {**event, "exchange": exchange or new_exchange()}


def renamed(found: Parcel, **changes: str) -> Parcel:
    """A parcel with other members."""
    return replace(found, **changes)  # type: ignore[arg-type]
