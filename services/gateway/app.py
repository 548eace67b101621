"""The gateway's composition root."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from aiohttp import web

from connectors.http.tokens import Door, ReplayGuard
from connectors.kafka.consume import Consumer
from connectors.kafka.progress import Progress
from connectors.postgres.pool import transient
from contracts.topics import OUTCOMES
from services.gateway.acceptance import Acceptance
from services.gateway.beat import Beat
from services.gateway.engines import KafkaWatch
from services.gateway.outcomes import OutcomeHandler, Store, Waiting
from services.gateway.peers import PeerRoutes
from services.gateway.pressure import Pressure, Quota, backlog
from services.gateway.proxy import Proxy
from services.gateway.published import ContractRoutes
from services.gateway.routes import SubmissionRoutes
from services.kernel.schema import schema
from services.kernel.service import Runtime

SCHEMA: Final = schema("gateway", "outbox")

_OF_AUDIT: Final = ("/v1/exchanges", "/v1/cases", "/v1/timelines", "/v1/indicators")


class Gateway:
    """The gateway as a service."""

    def __init__(self, runtime: Runtime) -> None:
        settings = runtime.settings
        store = Store(runtime.pool)
        self._waiting = Waiting(settings.postgres, store)
        quota = Quota(settings.backlog_limit)
        self._progress = Progress(runtime.kafka, client_id="liandong-pressure")
        self._pressure = Pressure(quota, lambda: backlog(self._progress, runtime.library.current().topics))
        self._acceptance = Acceptance(runtime, store, self._waiting, quota, now=runtime.clock)
        self._consumer = Consumer(
            group="gateway",
            topics=[OUTCOMES],
            handler=OutcomeHandler(store),
            settings=runtime.kafka,
            transient=transient,
            within=timedelta(milliseconds=2),
        )
        self._kafka = KafkaWatch(runtime.kafka, lambda: runtime.library.current().topics)
        self._beat = Beat(runtime, lambda: not (self._kafka.trouble or self._acceptance.trouble))
        self._proxies = (
            Proxy("delivery", settings.delivery_url, ["/v1/inbox", "/v1/deliveries"]),
            Proxy("audit", settings.audit_url, _OF_AUDIT),
            Proxy("files", settings.files_url, ["/v1/files"], max_body=settings.max_file),
        )
        door = Door(runtime.library, settings.bus, ReplayGuard(runtime.pool, "gateway"), settings.token_lifetime)
        self._submissions = SubmissionRoutes(settings, self._acceptance, store, door)
        self._peers = PeerRoutes(runtime, store, door, quota)
        self._contracts = ContractRoutes(runtime.library)

    async def start(self) -> None:
        """Listen for outcomes and follow their topic; returns when the group is joined."""
        for proxy in self._proxies:
            await proxy.start()
        self._waiting.listener.start()
        self._kafka.start()
        await self._consumer.start()
        self._beat.start()
        self._pressure.start()

    async def stop(self) -> None:
        """Stop following. Submissions in hand go on until the server has let them finish."""
        await self._pressure.stop()
        await self._progress.stop()
        await self._beat.stop()
        await self._consumer.stop()
        await self._kafka.stop()
        await self._waiting.listener.stop()
        for proxy in self._proxies:
            await proxy.stop()

    def troubles(self) -> Sequence[str]:
        """Why submissions may not be taken, or their outcomes not be seen."""
        health = self._consumer.health()
        following = None if health.ready else f"outcomes: {health.reason or health.state}"
        found = (self._kafka.trouble, self._acceptance.trouble, self._waiting.listener.trouble, following)
        return [trouble for trouble in found if trouble]

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """Submissions, other buses and contracts of its own; inboxes, timelines and files from behind it."""
        passed_on = [route for proxy in self._proxies for route in proxy.routes()]
        return [*self._submissions.routes(), *self._peers.routes(), *self._contracts.routes(), *passed_on]


def build(runtime: Runtime) -> Gateway:
    """The service."""
    return Gateway(runtime)
