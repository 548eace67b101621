"""A service in this process, with its HTTP server on a free port."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from connectors.http.client import AgencyClient
from connectors.http.server import Server
from services.kernel.service import Service
from tests.support.factory import BUS, key


@asynccontextmanager
async def serving(name: str, service: Service) -> AsyncGenerator[str, None]:
    """Run it; the address of its server."""
    server = Server(name, service.routes(), service.troubles)
    await server.start("127.0.0.1", 0)
    try:
        await service.start()
        yield f"http://127.0.0.1:{server.port}"
    finally:
        await service.stop()
        await server.stop()


def client(url: str, agency: str) -> AgencyClient:
    """An agency's client, with its throw-away key."""
    return AgencyClient(url, key(agency), BUS)


async def eventually(look: Callable[[], object | Awaitable[object]], seconds: float = 30) -> object:
    """What `look` finds, as soon as it finds something."""
    async with asyncio.timeout(seconds):
        while True:
            found = look()
            if isinstance(found, Awaitable):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.02)
