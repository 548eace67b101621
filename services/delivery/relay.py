"""The way of parcels to other buses: they wait in a table, in order, until the other bus has witnessed each."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Final

import structlog

from connectors.channel import Channel, FileMissing, Opening, Parcel, PartnerAway, PartnerRefuses, open_channel
from connectors.postgres.pool import Connection
from contracts.canonical import parse_object
from services.delivery import copies
from services.kernel.service import Runtime

log = structlog.stdlib.get_logger(__name__)

_IDLE: Final = 0.2  # seconds
_LONGEST_PAUSE: Final = 5.0  # seconds


class Relay:
    """Hands over to every linked bus what waits for it, oldest first."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._away: dict[str, str] = {}

    def start(self) -> None:
        """Begin with the buses that there are."""
        for peer in self._runtime.library.current().agencies.peers(self._runtime.settings.bus):
            self._tasks[peer] = asyncio.create_task(self._hand_over_always(peer), name=f"delivery: relay to {peer}")

    async def stop(self) -> None:
        """End; what waits stays."""
        for task in self._tasks.values():
            task.cancel()
        for task in self._tasks.values():
            with suppress(asyncio.CancelledError):
                await task

    @property
    def troubles(self) -> Sequence[str]:
        """Which buses are not reached."""
        return [f"{peer}: {why}" for peer, why in sorted(self._away.items())]

    async def put(self, connection: Connection, parcels: Sequence[copies.Parcel]) -> None:
        """Let parcels wait, in the caller's transaction."""
        columns = ([parcel.agency for parcel in parcels], [parcel.body for parcel in parcels])
        if parcels:
            await connection.execute(_PUT, columns)

    async def last(self, peer: str) -> int:
        """The last item that was put for a bus."""
        async with self._runtime.pool.connection() as connection:
            row = await (await connection.execute(_LAST, (peer,))).fetchone()
        return int(row[0]) if row else 0

    async def passed(self, peer: str, last: int) -> bool:
        """Whether the bus has everything up to that item."""
        async with self._runtime.pool.connection() as connection:
            row = await (await connection.execute(_PASSED, (peer, last))).fetchone()
        return row == (True,)

    async def _hand_over_always(self, peer: str) -> None:
        channel: Channel | None = None
        pause = _IDLE
        try:
            while True:
                try:
                    channel = channel or self._open(peer)
                    moved = await self._hand_over_next(peer, channel)
                    self._away.pop(peer, None)
                    pause = 0.0 if moved else _IDLE
                except (PartnerAway, PartnerRefuses) as error:
                    self._say(peer, str(error))
                    pause = min(max(pause, _IDLE) * 2, _LONGEST_PAUSE)
                except Exception as error:  # noqa: BLE001, the next round tries again
                    self._say(peer, repr(error))
                    pause = _LONGEST_PAUSE
                await asyncio.sleep(pause)
        finally:
            if channel is not None:
                await channel.close()

    def _say(self, peer: str, why: str) -> None:
        if self._away.get(peer) != why:
            log.warning("a bus is not reached", peer=peer, reason=why)
        self._away[peer] = why

    def _open(self, peer: str) -> Channel:
        contracts = self._runtime.library.current()
        agency = contracts.agencies.by_code[peer]
        keys, files = self._runtime.settings.keys, _NoFiles()
        return open_channel(Opening(agency, contracts, self._runtime.bus_key, keys, self._runtime.clock, files))

    async def _hand_over_next(self, peer: str, channel: Channel) -> bool:
        async with self._runtime.pool.connection() as connection:
            row = await (await connection.execute(_NEXT, (peer,))).fetchone()
            if row is None:
                return False
            handed = await channel.hand_over(Parcel(str(row[0]), peer, parse_object(row[1]), row[1]))
            await connection.execute("UPDATE delivery.relays SET witness = %s WHERE id = %s", (handed.proof, row[0]))
        return True


class _NoFiles:
    """Another bus gets no attachments this way."""

    def read(self, digest: str) -> AsyncIterator[bytes]:
        raise FileMissing(digest)

    async def write(self, pieces: AsyncIterator[bytes], digest: str | None = None) -> str:  # noqa: ARG002
        raise FileMissing(digest or "")


_PUT: Final = "INSERT INTO delivery.relays (peer, body) SELECT * FROM unnest(%s::text[], %s::bytea[])"

_NEXT: Final = """
    SELECT id, body FROM delivery.relays WHERE peer = %s AND witness IS NULL ORDER BY id LIMIT 1 FOR UPDATE
"""

_LAST: Final = "SELECT coalesce(max(id), 0) FROM delivery.relays WHERE peer = %s"

_PASSED: Final = """
    SELECT NOT EXISTS (SELECT FROM delivery.relays WHERE peer = %s AND witness IS NULL AND id <= %s)
"""
