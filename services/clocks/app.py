"""The composition root of clocks."""

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from connectors.kafka.progress import Progress
from connectors.postgres.pool import open_pool
from contracts.library import Library
from contracts.topics import DELIVERIES, HORIZONS
from services.clocks.crier import Crier
from services.clocks.keeper import Keeper
from services.clocks.recounting import Recounting
from services.kernel.follower import Follower
from services.kernel.schema import schema
from services.kernel.service import Runtime
from services.kernel.settings import Settings
from services.kernel.watermark import Watermark

SCHEMA: Final = schema("clocks", "outbox", "follower")


class Clocks:
    """The legal clocks as a service."""

    def __init__(self, runtime: Runtime) -> None:
        self._keeper = Keeper(runtime.pool, runtime.library, runtime.settings)
        topics = [*runtime.library.current().topics.events(), DELIVERIES, HORIZONS]
        self._follower = Follower(runtime, "clocks", self._keeper, topics, hop=3)
        self._consumer = self._follower.consumer()
        self._progress = Progress(runtime.kafka)
        watermark = Watermark(self._progress, lambda: runtime.library.current().topics, runtime.clock, "clocks")
        self._crier = Crier(runtime, self._keeper, watermark)
        self._recounting = Recounting(self._keeper)

    async def start(self) -> None:
        """Begin to keep clocks and to speak of them; returns when the group is joined."""
        await self._follower.start()
        await self._consumer.start()
        self._crier.start()
        self._recounting.start()

    async def stop(self) -> None:
        """Finish what is in hand."""
        await self._recounting.stop()
        await self._crier.stop()
        await self._consumer.stop()
        await self._follower.stop()
        await self._progress.stop()

    def troubles(self) -> Sequence[str]:
        """Why clocks are not kept, or not spoken of."""
        health = self._consumer.health()
        following = None if health.ready else health.reason or health.state
        return [trouble for trouble in (following, self._crier.trouble, self._recounting.trouble) if trouble]

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """None of its own: timelines show the clocks."""
        return ()


async def rebuild(settings: Settings) -> str:
    """Count all clocks anew from what is registered and delivered; what was done, in words."""
    library = Library(settings.contracts, calendar_file=settings.calendar)
    async with open_pool(settings.postgres, size=2, name="liandong clock rebuild") as pool:
        exchanges = await Keeper(pool, library, settings).rebuild()
    return f"clocks of {exchanges} exchanges counted anew"


def build(runtime: Runtime) -> Clocks:
    """The service."""
    return Clocks(runtime)
