"""Delivery's composition root."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

import structlog
from aiohttp import web

from connectors.http.tokens import Door, ReplayGuard
from contracts.topics import DELIVERIES, FORWARDS, OUTCOMES
from services.delivery.agreed import Agreed
from services.delivery.bell import Bell
from services.delivery.desk import DeskRoutes
from services.delivery.dispatch import Dispatch
from services.delivery.horizon import HorizonTeller
from services.delivery.inboxes import Inboxes
from services.delivery.partners import Partners
from services.delivery.post import Post
from services.delivery.queue import Queue
from services.delivery.routes import InboxRoutes
from services.delivery.stages import Stages
from services.delivery.watch import Watch
from services.kernel.background import Background
from services.kernel.files import AgencyFiles, file_store
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
        self._stages = Stages(runtime, runtime.clock)
        self._dispatch = Dispatch(runtime, self._inboxes, Queue(runtime.pool), self._stages, Agreed(runtime.pool))
        self._partners = Partners(self._dispatch, partial(AgencyFiles, file_store(settings), runtime.pool))
        self._watch = Watch(self._dispatch)
        self._horizon = HorizonTeller(self._dispatch)
        topics = [*runtime.library.current().topics.events(), OUTCOMES, FORWARDS, DELIVERIES]
        self._follower = Follower(runtime, "delivery", Post(self._dispatch), topics, hop=4)
        self._consumer = self._follower.consumer()
        door = Door(runtime.library, settings.bus, ReplayGuard(runtime.pool, "delivery"), settings.token_lifetime)
        self._inbox_routes = InboxRoutes(self._dispatch, self._bell, door)
        self._desk_routes = DeskRoutes(self._dispatch, door)
        self._purging = Background("delivery: purge", self._purge_now_and_then)

    async def start(self) -> None:
        """Begin to deliver; returns when the group is joined."""
        self._bell.listener.start()
        self._stages.start()
        self._partners.start()
        self._watch.start()
        self._horizon.start()
        self._purging.start()
        await self._follower.start()
        await self._consumer.start()

    async def stop(self) -> None:
        """Finish the batch in hand and say what was delivered."""
        await self._consumer.stop()
        await self._follower.stop()
        await self._purging.stop()
        await self._horizon.stop()
        await self._watch.stop()
        await self._partners.stop()
        await self._stages.stop()
        await self._bell.listener.stop()

    def troubles(self) -> Sequence[str]:
        """Why copies are not being delivered, or readers not woken. A stopped exchange is in the log: others go on.

        A partner that is away is no trouble of ours: it is in the list of deliveries.
        """
        health = self._consumer.health()
        following = None if health.ready else health.reason or health.state
        return [trouble for trouble in (following, self._bell.listener.trouble, self._partners.trouble) if trouble]

    def notes(self) -> Sequence[str]:
        """Which other buses are not reached; nobody else waits for them."""
        return self._partners.unreached

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """Inboxes, and deliveries for operators."""
        return [*self._inbox_routes.routes(), *self._desk_routes.routes()]

    async def _purge_now_and_then(self) -> None:
        while True:
            try:
                await self._dispatch.queue.brought(self._dispatch.partners())
                purged = await self._inboxes.purge(self._retention)
                if purged:
                    log.info("purged", items=purged)
            except Exception as error:  # noqa: BLE001, the next round tries again
                log.warning("purge waits", reason=repr(error))
            await asyncio.sleep(_PURGE_EVERY)


def build(runtime: Runtime) -> Delivery:
    """The service."""
    return Delivery(runtime)
