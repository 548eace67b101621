"""Audit's composition root."""

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from connectors.http.tokens import Door, ReplayGuard
from contracts.topics import DELIVERIES, OUTAGES, OUTCOMES
from services.audit.reader import Reader
from services.audit.routes import AuditRoutes
from services.audit.writer import Writer
from services.kernel.follower import Follower
from services.kernel.schema import schema
from services.kernel.service import Runtime

SCHEMA: Final = schema("audit", "follower")


class Audit:
    """Audit as a service."""

    def __init__(self, runtime: Runtime) -> None:
        settings = runtime.settings
        topics = [*runtime.library.current().topics.events(), DELIVERIES, OUTAGES, OUTCOMES]
        self._follower = Follower(runtime, "audit", Writer(), topics, hop=5)
        self._consumer = self._follower.consumer()
        door = Door(runtime.library, settings.bus, ReplayGuard(runtime.pool, "audit"), settings.token_lifetime)
        self._routes = AuditRoutes(Reader(runtime.pool), door, runtime.library, settings.bus, runtime.clock)

    async def start(self) -> None:
        """Begin to write down; returns when the group is joined."""
        await self._follower.start()
        await self._consumer.start()

    async def stop(self) -> None:
        """Finish the batch in hand."""
        await self._consumer.stop()
        await self._follower.stop()

    def troubles(self) -> Sequence[str]:
        """Why timelines are not being kept up. A stopped exchange is in the log: others go on."""
        health = self._consumer.health()
        return [] if health.ready else [health.reason or health.state]

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """Exchanges and timelines."""
        return self._routes.routes()


def build(runtime: Runtime) -> Audit:
    """The service."""
    return Audit(runtime)
