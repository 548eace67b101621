"""Says to each linked bus up to which instant it has everything of ours: `through`.

First it is waited for that all that was accepted before an instant is registered or handed on, and followed here; then
that the other bus has witnessed everything that waited for it by then. So a link that is behind is seen on the other
side, where nothing is said meanwhile of what our agencies may have failed to do.
"""

import asyncio
from datetime import datetime

import structlog

from connectors.kafka.progress import Progress
from contracts.topics import EVENTS, FORWARDS
from services.delivery.dispatch import Dispatch
from services.delivery.peers import through
from services.kernel.background import Background
from services.kernel.time import system
from services.kernel.watermark import Watermark

log = structlog.stdlib.get_logger(__name__)

_EVERY, _DRIVEN_EVERY = 5.0, 0.2  # seconds: driven legal time moves in leaps


class HorizonTeller:
    """One loop. Several workers may tell: the latest instant counts."""

    def __init__(self, dispatch: Dispatch) -> None:
        runtime = self._runtime = dispatch.runtime
        self._dispatch = dispatch
        self._progress = Progress(runtime.kafka, client_id="liandong-horizon")
        topics = runtime.library.current().topics
        self._watermark = Watermark(self._progress, lambda: topics, runtime.clock, "delivery", (EVENTS, FORWARDS))
        self._wanted: datetime | None = None
        self._waiting: dict[str, tuple[datetime, int]] = {}
        self._told: dict[str, datetime] = {}
        self._background = Background("delivery: horizon", self._tell_always)

    def start(self) -> None:
        """Begin."""
        self._background.start()

    async def stop(self) -> None:
        """End."""
        await self._background.stop()
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
            if await self._dispatch.queue.passed(peer, last):
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
        self._waiting |= {peer: (reached, await self._last(peer)) for peer in idle}

    async def _last(self, peer: str) -> int:
        """The position of the last item that was put for a bus."""
        return (await self._dispatch.inboxes.last([peer])).get(peer, 0)

    async def _tell(self, peer: str, at: datetime) -> None:
        async with self._runtime.pool.connection() as connection:
            await self._dispatch.send(connection, [through(peer, at)])
        del self._waiting[peer]
        self._told[peer] = at
