"""Delivery's composition root."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import structlog
from aiohttp import web

from connectors.http.tokens import Door, ReplayGuard
from contracts.topics import DELIVERIES, FORWARDS, OUTCOMES
from services.delivery.bell import Bell
from services.delivery.horizon import HorizonTeller
from services.delivery.inboxes import Inboxes
from services.delivery.post import Post, Stages
from services.delivery.relay import Relay
from services.delivery.routes import InboxRoutes
from services.kernel.follower import Follower
from services.kernel.schema import schema
from services.kernel.service import Runtime

SCHEMA: Final = schema("delivery", "outbox", "follower")

_PURGE_EVERY: Final = 600.0  # seconds

log = structlog.stdlib.get_logger(__name__)


class Delivery:
    """Delivery as a service."""

    def __init__(self, runtime: Runtime) -> None:
        settings = runtime.settings
        self._retention = settings.inbox_retention
        self._inboxes = Inboxes(runtime.pool)
        self._bell = Bell(settings.postgres, self._inboxes)
        self._relay = Relay(runtime)
        self._horizon = HorizonTeller(runtime, self._relay)
        self._stages = Stages(runtime, self._relay, runtime.clock)
        topics = [*runtime.library.current().topics.events(), OUTCOMES, FORWARDS, DELIVERIES]
        post = Post(runtime, self._inboxes, self._relay, self._stages)
        self._follower = Follower(runtime, "delivery", post, topics, hop=4)
        self._consumer = self._follower.consumer()
        door = Door(runtime.library, settings.bus, ReplayGuard(runtime.pool, "delivery"), settings.token_lifetime)
        self._routes = InboxRoutes(runtime.pool, self._inboxes, self._bell, self._stages, door)
        self._purging: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to deliver; returns when the group is joined."""
        self._bell.listener.start()
        self._stages.start()
        self._relay.start()
        self._horizon.start()
        self._purging = asyncio.create_task(self._purge_now_and_then(), name="delivery: purge")
        await self._follower.start()
        await self._consumer.start()

    async def stop(self) -> None:
        """Finish the batch in hand and say what was delivered."""
        await self._consumer.stop()
        await self._follower.stop()
        if self._purging is not None:
            self._purging.cancel()
            with suppress(asyncio.CancelledError):
                await self._purging
        await self._horizon.stop()
        await self._relay.stop()
        await self._stages.stop()
        await self._bell.listener.stop()

    def troubles(self) -> Sequence[str]:
        """Why copies are not being delivered, or readers not woken. A stopped exchange is in the log: others go on."""
        health = self._consumer.health()
        following = None if health.ready else health.reason or health.state
        return [trouble for trouble in (following, self._bell.listener.trouble) if trouble]

    def notes(self) -> Sequence[str]:
        """Which other buses are not reached; nobody else waits for them."""
        return self._relay.troubles

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """Inboxes."""
        return self._routes.routes()

    async def _purge_now_and_then(self) -> None:
        while True:
            try:
                purged = await self._inboxes.purge(self._retention)
                if purged:
                    log.info("purged", items=purged)
            except Exception as error:  # noqa: BLE001, the next round tries again
                log.warning("purge waits", reason=repr(error))
            await asyncio.sleep(_PURGE_EVERY)


def build(runtime: Runtime) -> Delivery:
    """The service."""
    return Delivery(runtime)
