"""Waking up when another process writes: PostgreSQL's LISTEN, and a look now and then for what it missed."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import psycopg
import structlog
from psycopg import sql

log = structlog.stdlib.get_logger(__name__)

_RECONNECT_PAUSE = 0.5  # seconds


class Listener:
    """Calls `look` when somebody notifies the channel, and every `look_every` seconds in any case.

    It has a connection of its own. While PostgreSQL is away it keeps trying, and `trouble` says so. What `look` raises
    must be an error of PostgreSQL's or of the network.
    """

    def __init__(self, url: str, channel: str, look: Callable[[], Awaitable[None]], *, look_every: float = 1.0) -> None:
        self._url = url
        self._channel = channel
        self._look = look
        self._look_every = look_every
        self._task: asyncio.Task[None] | None = None
        self._trouble: str | None = "not listening yet"

    @property
    def trouble(self) -> str | None:
        """Why nobody is woken, in words."""
        return self._trouble

    def start(self) -> None:
        """Begin to listen."""
        self._task = asyncio.create_task(self._listen_always(), name=f"listen: {self._channel}")

    async def stop(self) -> None:
        """End that."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _listen_always(self) -> None:
        while True:
            try:
                await self._listen()
            except (psycopg.Error, OSError, TimeoutError) as error:
                if self._trouble is None:
                    log.warning("PostgreSQL does not answer", channel=self._channel, reason=str(error))
                self._trouble = "PostgreSQL does not answer"
            await asyncio.sleep(_RECONNECT_PAUSE)

    async def _listen(self) -> None:
        connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True, connect_timeout=5)
        async with connection:
            await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))
            self._trouble = None
            while True:
                await self._look()
                async for _ in connection.notifies(timeout=self._look_every, stop_after=1):
                    pass
