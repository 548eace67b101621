"""Says to each linked bus up to which instant it has everything of ours: `through`.

First it is waited for that all that was accepted before an instant is registered or handed on, and followed here; then
that the other bus has witnessed everything that waited for it by then. So a link that is behind is seen on the other
side, where nothing is said meanwhile of what our agencies may have failed to do.
"""

import asyncio
from contextlib import suppress
from datetime import datetime

import structlog

from connectors.kafka.progress import Progress
from contracts.topics import EVENTS, FORWARDS
from services.delivery.peers import through
from services.delivery.relay import Relay
from services.kernel.service import Runtime
from services.kernel.time import system
from services.kernel.watermark import Watermark

log = structlog.stdlib.get_logger(__name__)

_EVERY, _DRIVEN_EVERY = 5.0, 0.2  # seconds: driven legal time moves in leaps


class HorizonTeller:
    """One loop. Several workers may tell: the latest instant counts."""

    def __init__(self, runtime: Runtime, relay: Relay) -> None:
        self._runtime = runtime
        self._relay = relay
        self._progress = Progress(runtime.kafka, client_id="liandong-horizon")
        topics = runtime.library.current().topics
        self._watermark = Watermark(self._progress, lambda: topics, runtime.clock, "delivery", (EVENTS, FORWARDS))
        self._wanted: datetime | None = None
        self._waiting: dict[str, tuple[datetime, int]] = {}
        self._told: dict[str, datetime] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._tell_always(), name="delivery: horizon")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._progress.stop()

    async def _tell_always(self) -> None:
        while True:
            try:
                peers = self._runtime.library.current().agencies.peers(self._runtime.settings.bus)
                if peers:
                    await self._look(peers)
            except Exception as error:  # noqa: BLE001, the next round tries again
                log.warning("no horizon is told", reason=repr(error))
            await asyncio.sleep(_EVERY if self._runtime.clock is system and not self._wanted else _DRIVEN_EVERY)

    async def _look(self, peers: tuple[str, ...]) -> None:
        """Go one step on; nothing is waited for."""
        for peer, (at, last) in list(self._waiting.items()):
            if await self._relay.passed(peer, last):
                await self._tell(peer, at)
        now = self._runtime.clock()
        idle = [peer for peer in peers if peer not in self._waiting and self._told.get(peer) != now]
        if not idle:
            return
        self._wanted = self._wanted or now
        reached = await self._watermark.reached(self._wanted)
        if reached is None:
            return
        self._wanted = None
        self._waiting |= {peer: (reached, await self._relay.last(peer)) for peer in idle}

    async def _tell(self, peer: str, at: datetime) -> None:
        async with self._runtime.pool.connection() as connection:
            await self._relay.put(connection, [through(peer, at)])
        del self._waiting[peer]
        self._told[peer] = at
