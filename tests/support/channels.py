"""A partner's channel without delivery: what it is opened with, and one exchange whose copies are handed over in order.

channel = open_channel(opening(agency, "grid", url))
exchange = Exchanging("workorder", agency, channel, exchange=…)
await exchange.collect()             what the partner states is registered
exchange.state(TEAM, "workorder.accepted")
await exchange.deliver()             every copy that the partner has not had yet
"""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson

from connectors.channel import (
    Channel,
    Collected,
    Confirmed,
    FileMissing,
    Files,
    FileSpoilt,
    Handed,
    Opening,
    Parcel,
    Stated,
)
from contracts import agencies
from contracts.agencies import Channel as Terms
from contracts.library import Contracts
from events.fact import Fact
from services.delivery.copies import Copy, copies
from services.kernel.exchange import Registration, Rejection, State
from tests.support.factory import BUS, TIME, fact, key, world
from tests.support.play import Play


class MemoryFiles:
    """The file store, in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def put(self, content: bytes) -> str:
        digest = f"sha-256:{hashlib.sha256(content).hexdigest()}"
        self.kept[digest] = content
        return digest

    async def read(self, digest: str) -> AsyncIterator[bytes]:
        if digest not in self.kept:
            raise FileMissing(digest)
        content = self.kept[digest]
        for start in range(0, len(content), 1000):
            yield content[start : start + 1000]

    async def write(self, pieces: AsyncIterator[bytes], digest: str | None = None) -> str:
        found = self.put(b"".join([piece async for piece in pieces]))
        if digest not in {None, found}:
            del self.kept[found]
            raise FileSpoilt(str(digest))
        return found


def opening(
    agency: str,
    via: str,
    url: str | None = None,
    files: Files | None = None,
    *,
    keys: Path = Path("keys"),
    timeout: float = 5.0,
    **options: Any,
) -> Opening:
    """What a channel is made of: the packaged contracts with throw-away keys, and a partner on loopback or at a gap."""
    terms = Terms(via=via, url=url, private=True, signs_for=True, timeout=timedelta(seconds=timeout), options=options)
    own = {**world().agencies.by_code}
    own[agency] = own[agency].model_copy(update={"channel": terms})
    contracts: Contracts = replace(world(), agencies=agencies.directory(own.values()))
    return Opening(own[agency], contracts, key(BUS), keys, lambda: TIME, files or MemoryFiles())


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


class Exchanging:
    """One exchange, and what the partner has had of it."""

    def __init__(self, kind: str, agency: str, channel: Channel, exchange: str | None = None) -> None:
        self.play = Play(kind) if exchange is None else begun(kind, exchange)
        self.agency = agency
        self.channel = channel
        self.cursor: str | None = None
        self.reference: str | None = None
        self.handed: dict[int, Handed] = {}

    @property
    def status(self) -> str:
        return self.play.state.status

    def state(self, source: str, stated: str | Fact, by: dict[str, Any] | None = None, /, **members: Any) -> None:
        """A fact that must be registered."""
        given = fact(stated, **members) if isinstance(stated, str) else stated
        attributes = {**({"case": None} if self.play.log else {}), **(by or {})}
        answer = self.play.submit(source, given, **attributes)
        assert isinstance(answer, Registration), answer

    def take(self, arrival: Stated) -> None:
        """A fact of the partner's must be registered too."""
        assert arrival.exchange == self.play.state.exchange
        self.reference = self.reference or arrival.reference
        self.state(self.agency, arrival.fact, {"id_": arrival.id, "case": arrival.case, "time": arrival.time})

    async def collect(self) -> Collected:
        """Everything that the partner has, registered."""
        found = await self.channel.collect(self.cursor)
        for arrival in found.arrivals:
            assert isinstance(arrival, Stated)
            self.take(arrival)
        self.cursor = found.cursor
        return found

    def parcels(self) -> list[Parcel]:
        """The copies that the partner has not had yet."""
        records = [self.play.record(number) for number in range(1, len(self.play.log) + 1)]
        found = copies(records, [], {}, world().crosswalk)
        return [
            Parcel(
                id=f"{self.play.state.exchange}:{parcel.what.sequence}",
                recipient=self.agency,
                item=orjson.loads(parcel.body),
                body=parcel.body,
                kind=parcel.what.kind,
                exchange=parcel.what.exchange,
                sequence=parcel.what.sequence,
                reference=self.reference,
            )
            for parcel in found
            if parcel.agency == self.agency
            and isinstance(parcel.what, Copy)
            and parcel.what.sequence not in self.handed
        ]

    async def deliver(self) -> None:
        """Hand them over, in order."""
        for parcel in self.parcels():
            await self.hand_over(parcel)

    async def hand_over(self, parcel: Parcel) -> None:
        handed = await self.channel.hand_over(replace(parcel, reference=self.reference))
        assert parcel.sequence is not None
        self.handed[parcel.sequence] = handed
        self.reference = handed.reference or self.reference
