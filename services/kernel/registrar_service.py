"""A registrar as a service: its consumer, and nothing to answer over HTTP but its health."""

from collections.abc import Sequence

from aiohttp import web

from services.kernel.registrar import Registrar
from services.kernel.service import Runtime


class RegistrarService:
    """Every registrar is this class; what differs is the folder of lifecycles."""

    def __init__(self, runtime: Runtime, service: str) -> None:
        self._consumer = Registrar(runtime, service, clock=runtime.clock).consumer()

    async def start(self) -> None:
        """Join the group; returns when partitions are assigned."""
        await self._consumer.start()

    async def stop(self) -> None:
        """Finish the batch in hand, commit, leave the group."""
        await self._consumer.stop()

    def troubles(self) -> Sequence[str]:
        """Why submissions are not being registered."""
        health = self._consumer.health()
        return [] if health.ready else [health.reason or health.state]

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """None of its own."""
        return ()
