"""Audit's composition root."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog
from aiohttp import web

from connectors.http.tokens import Door, ReplayGuard
from connectors.postgres.pool import open_pool
from contracts.canonical import timestamp
from contracts.library import load
from contracts.topics import DELIVERIES, HORIZONS, OUTAGES, OUTCOMES
from services.audit.figure_routes import FigureRoutes
from services.audit.ledger import Ledger
from services.audit.reader import Reader
from services.audit.routes import AuditRoutes
from services.audit.writer import Writer
from services.kernel.background import Background
from services.kernel.follower import Follower
from services.kernel.schema import schema
from services.kernel.service import Runtime
from services.kernel.settings import Settings

SCHEMA: Final = schema("audit", "follower")


_COUNT_EVERY: Final = 1.0  # seconds
_BEHIND: Final = timedelta(minutes=1)
"""Another bus that has said nothing of a later instant is behind."""

log = structlog.stdlib.get_logger(__name__)


class Audit:
    """Audit as a service."""

    def __init__(self, runtime: Runtime) -> None:
        settings = runtime.settings
        topics = [*runtime.library.current().topics.events(), DELIVERIES, OUTAGES, OUTCOMES, HORIZONS]
        writer = Writer(runtime.pool, runtime.library, settings.bus)
        self._follower = Follower(runtime, "audit", writer, topics, hop=5)
        self._consumer = self._follower.consumer()
        door = Door(runtime.library, settings.bus, ReplayGuard(runtime.pool, "audit"), settings.token_lifetime)
        self._ledger = Ledger(runtime.pool)
        self._library = runtime.library
        self._counting = Background("audit: figures", self._count_always)
        self._trouble: str | None = None
        self._reader = Reader(runtime.pool)
        self._clock = runtime.clock
        self._bus = settings.bus
        self._notes: Sequence[str] = ()
        self._figures = FigureRoutes(self._ledger, door, runtime.library, settings.bus, runtime.clock)
        self._routes = AuditRoutes(self._reader, door, runtime.library, settings.bus, runtime.clock)

    async def start(self) -> None:
        """Begin to write down; returns when the group is joined."""
        await self._follower.start()
        await self._consumer.start()
        self._counting.start()

    async def stop(self) -> None:
        """Finish the batch in hand. What is not counted yet has its mark."""
        await self._counting.stop()
        await self._consumer.stop()
        await self._follower.stop()

    def troubles(self) -> Sequence[str]:
        """Why timelines or figures are not kept up. An exchange that is stopped or not counted is in the log."""
        health = self._consumer.health()
        following = None if health.ready else health.reason or health.state
        return [trouble for trouble in (following, self._trouble) if trouble]

    def notes(self) -> Sequence[str]:
        """Which other buses are behind: what their agencies did since is not known here."""
        return self._notes

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """Exchanges, timelines and figures."""
        return [*self._routes.routes(), *self._figures.routes()]

    async def _count_always(self) -> None:
        told: Sequence[str] = ()
        while True:
            contracts = self._library.current()
            try:
                while await self._ledger.refresh(contracts.rules, contracts.calendars):
                    pass
                self._notes = await self._behind(contracts.agencies.peers(self._bus))
                uncounted, self._trouble = await self._ledger.uncounted(), None
                if uncounted != told:
                    log.error("not counted", exchanges=uncounted)
                    told = uncounted
            except Exception as error:  # noqa: BLE001, the next round tries again
                self._trouble = f"figures wait: {type(error).__name__}"
                log.warning("figures wait", reason=repr(error))
            await asyncio.sleep(_COUNT_EVERY)

    async def _behind(self, peers: Sequence[str]) -> list[str]:
        if not peers:
            return []
        now, reached = self._clock(), await self._reader.horizons()
        late = [peer for peer in peers if peer not in reached or now - reached[peer] > _BEHIND]
        return [f"{peer} has handed over everything up to {_said(reached.get(peer))} only" for peer in late]


def _said(at: datetime | None) -> str:
    return timestamp(at) if at else "no instant yet"


async def rebuild(settings: Settings) -> str:
    """Make all that audit answers with anew from its log; what was done, in words."""
    contracts = load(settings.contracts, settings.calendar)
    async with open_pool(settings.postgres, size=1, name="liandong audit rebuild") as pool:
        exchanges = await Ledger(pool).rebuild(contracts.rules, contracts.calendars)
    return f"{exchanges} exchanges made anew"


def build(runtime: Runtime) -> Audit:
    """The service."""
    return Audit(runtime)
