"""Forms of partners: what a mapping keeps both ways, and what a client is made of in a test.

parcel(play, 2, "310000-rx", "SYN-RX-0001")      our copy of its second event, as delivery hands it over
opening("310000-rx", "hotline", simulator.url)   what a channel is made of
state(play, stated)                              the bus registers what a partner stated
"""

import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from connectors.channel import Confirmed, FileMissing, FileSpoilt, Opening, Parcel, Stated
from connectors.forms.letters import Change, change_of
from connectors.forms.members import leaves
from connectors.forms.table import Form
from contracts.agencies import Channel
from contracts.canonical import Document, canonical, instant
from contracts.codec import dump
from services.kernel.exchange import Registration, Rejection, State
from tests.support.factory import BUS, TIME, key, world
from tests.support.play import Play


@dataclass
class Shelf:
    """Files in memory, by their digest."""

    kept: dict[str, bytes] = field(default_factory=dict[str, bytes])

    async def read(self, digest: str) -> AsyncIterator[bytes]:
        if digest not in self.kept:
            raise FileMissing(digest)
        content = self.kept[digest]
        for start in range(0, len(content), 7):
            yield content[start : start + 7]

    async def write(self, pieces: AsyncIterator[bytes], digest: str | None = None) -> str:
        content = b"".join([piece async for piece in pieces])
        found = self.put(content) if digest is None else f"sha-256:{hashlib.sha256(content).hexdigest()}"
        if digest not in {None, found}:
            raise FileSpoilt(found)
        self.kept[found] = content
        return found

    def put(self, content: bytes) -> str:
        digest = f"sha-256:{hashlib.sha256(content).hexdigest()}"
        self.kept[digest] = content
        return digest


def opening(agency: str, via: str, url: str, files: Shelf | None = None, **options: Any) -> Opening:
    """What a channel is made of; an attempt may take half a second."""
    channel = Channel(via=via, url=url, private=True, signs_for=True, timeout=timedelta(seconds=0.5), options=options)
    found = world().agencies.by_code[agency].model_copy(update={"channel": channel})
    return Opening(found, world(), key(BUS), Path("keys"), lambda: TIME, files or Shelf())


def parcel(play: Play, sequence: int, recipient: str, reference: str | None = None) -> Parcel:
    """Our copy of an event, as delivery hands it over."""
    record = play.record(sequence)
    seen = record.seen_by(recipient, play.standing)
    item: Document = {"kind": "stub", "stub": seen} if seen.get("stub") else {"kind": "event", "event": seen}
    id_ = f"{record.kind}.{record.exchange}.{sequence}"
    return Parcel(id_, recipient, item, canonical(item), record.kind, record.exchange, sequence, reference)


def rejection(recipient: str, reference: str | None, **members: Any) -> Parcel:
    """A rejection of what the recipient stated."""
    item: Document = {"kind": "rejection", "rejection": {"outcome": "rejection", "source": recipient, **members}}
    return Parcel("rejection.1", recipient, item, canonical(item), reference=reference)


def begun(kind: str, exchange: str) -> Play:
    """An exchange of that id, of which nothing is registered yet."""
    play = Play(kind)
    play.state = play.lifecycle.new(exchange)
    return play


def state(play: Play, source: str, stated: Stated | Confirmed) -> Registration[State] | Rejection:
    """The bus decides on what a partner stated."""
    assert isinstance(stated, Stated)
    assert (stated.kind, stated.exchange) == (play.kind, play.state.exchange)
    home = BUS if stated.case else None
    return play.submit(source, stated.fact, id_=stated.id, time=stated.time, case=stated.case, home=home)


def change(action: str, form: Mapping[str, Any], id_: int = 1, number: str = "SYN-0001", **members: Any) -> Change:
    """A change of a partner's."""
    document: Document = {
        "changeNo": id_,
        "number": number,
        "action": action,
        "at": "2026-11-05 10:00:00",
        "form": {**form},
    }
    return change_of({**document, **members})


def require_round_trip(form: Form, data: Mapping[str, Any], losable: frozenset[str]) -> None:
    """Our data, their form, and our data again are the same, but for what the losses name; and no other may be lost.

    losable: pointers without the places in lists; what is below one is losable too.
    """
    losses = {loss.pointer for loss in form.losses(data)}
    assert {item for item in losses if not any(f"{_bare(item)}/".startswith(f"{lost}/") for lost in losable)} == set()
    written = form.fill(data)
    again = dump(form.read(written))
    kept = {pointer: _plain(value) for pointer, value in leaves(data) if pointer not in losses}
    assert kept.items() <= {pointer: _plain(value) for pointer, value in leaves(again)}.items()
    assert form.fill(again) == written


def _bare(pointer: str) -> str:
    """A pointer without the places in lists."""
    return "/".join(part for part in pointer.split("/") if not part.isdecimal())


def _plain(value: Any) -> Any:
    try:
        return instant(value) if isinstance(value, str) and "T" in value else value
    except ValueError:
        return value
