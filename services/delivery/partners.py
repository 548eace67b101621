"""All partners to whom copies are brought: each is served by one process at a time, whichever has its lock.

The lock is PostgreSQL's, held by a connection of its own, so it is free the moment its process is gone. While a process
cannot tell whether it still has its locks, it serves nobody.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

import psycopg
import structlog

from connectors.channel import Channel, Files, Opening, open_channel
from connectors.errors import ConnectorError
from connectors.postgres.listen import Listener
from contracts.agencies import Agency
from services.delivery.collecting import Collector
from services.delivery.dispatch import Dispatch
from services.delivery.drain import Drain
from services.delivery.queue import CHANNEL
from services.delivery.stages import Reached

log = structlog.stdlib.get_logger(__name__)

DISABLED: Final = "its contract says disabled"
NOT_SERVED: Final = "not served"


class Served:
    """One partner that this process serves."""

    def __init__(self, agency: Agency, channel: Channel, dispatch: Dispatch) -> None:
        self.agency = agency
        self.channel = channel
        self.drain = Drain(agency, channel, dispatch)
        self._collector = Collector(agency, channel, dispatch)

    def start(self) -> None:
        """Begin in both directions."""
        self.drain.start()
        self._collector.start()

    async def stop(self) -> None:
        """End."""
        await asyncio.gather(self.drain.stop(), self._collector.stop())
        await self.channel.close()


class Partners:
    """Those that this process serves, taken up and let go as contracts and locks change."""

    def __init__(self, dispatch: Dispatch, files: Callable[[str], Files]) -> None:
        """`files`: the attachments as an agency may read them."""
        self._dispatch = dispatch
        self._files = files
        self._served: dict[str, Served] = {}
        self._troubles: dict[str, str] = {}
        self._away: frozenset[str] = frozenset()
        self._locks: psycopg.AsyncConnection | None = None
        self._listener = Listener(dispatch.runtime.settings.postgres, CHANNEL, self._look)

    def start(self) -> None:
        """Begin to serve."""
        self._listener.start()

    async def stop(self) -> None:
        """Let go of all."""
        await self._listener.stop()
        await self._let_go([*self._served])
        if self._locks is not None:
            await self._locks.close()

    @property
    def trouble(self) -> str | None:
        """Why nobody is woken. A partner that cannot be served is no trouble of ours: the list of deliveries tells."""
        return self._listener.trouble

    @property
    def unreached(self) -> list[str]:
        """Which other buses are not reached now, in words."""
        return [f"{code} is not reached" for code in sorted(self._away)]

    async def _look(self) -> None:
        """Serve whom the contracts name; wake who has something to do."""
        runtime = self._dispatch.runtime
        wanted = self._dispatch.partners()
        await self._let_go([code for code, item in self._served.items() if wanted.get(code) != item.agency])
        try:
            await self._take_up(wanted)
        except psycopg.Error:
            await self._let_go([*self._served])
            self._locks = None
            raise
        linked = runtime.library.current().agencies.peers(runtime.settings.bus)
        noted = await self._dispatch.queue.partners() if linked else {}
        self._away = frozenset(code for code in linked if code in noted and noted[code].breaker.failures)
        due, now = await self._dispatch.queue.next_due(), runtime.clock()
        for code, at in due.items():
            if code in self._served and at <= now:
                self._served[code].drain.wake.set()
        for code in await self._dispatch.queue.recipients():
            if code not in wanted:
                await self._left_in_inbox(code)

    async def _left_in_inbox(self, code: str) -> None:
        """Nothing is brought to it any more: what waits lies in its inbox, and so it is delivered.

        Unless another process serves it, which may know newer contracts, or we do know them by now.
        """
        if code in self._dispatch.partners() or self._locks is None or not await self._locked(self._locks, code):
            return
        try:
            await self._leave(code)
        finally:
            await self._unlock(code)

    async def _leave(self, code: str) -> None:
        async with self._dispatch.runtime.pool.connection() as connection:
            left = await self._dispatch.queue.leave(connection, code)
            reached = [Reached("delivered", code, item) for item in left]
            await self._dispatch.say(connection, reached)
        self._dispatch.committed()

    async def _take_up(self, wanted: Mapping[str, Agency]) -> None:
        if self._locks is None or self._locks.closed:
            await self._let_go([*self._served])
            url = self._dispatch.runtime.settings.postgres
            self._locks = await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=5)
        self._troubles = {code: why for code, why in self._troubles.items() if code in wanted}
        for code, agency in wanted.items():
            if code not in self._served and await self._locked(self._locks, code):
                await self._open(agency)
        if not wanted or self._served:
            await self._locks.execute("SELECT 1")

    async def _locked(self, locks: psycopg.AsyncConnection, code: str) -> bool:
        row = await (await locks.execute(_LOCK, (code,))).fetchone()
        return row == (True,)

    async def _open(self, agency: Agency) -> None:
        runtime = self._dispatch.runtime
        await self._disabled(agency)
        try:
            opening = Opening(
                agency=agency,
                contracts=runtime.library.current(),
                bus_key=runtime.bus_key,
                keys=runtime.settings.keys,
                clock=runtime.clock,
                files=self._files(agency.code),
            )
            channel = open_channel(opening)
        except Exception as error:  # noqa: BLE001, a connector's fault harms its own partner only
            await self._unlock(agency.code)
            why = str(error) if isinstance(error, ConnectorError) else f"{agency.code}: the connector failed: {error!r}"
            if self._troubles.get(agency.code) != why:
                log.error("not served", agency=agency.code, reason=why)
                await self._troubled(agency.code, f"{NOT_SERVED}: {why}")
            self._troubles[agency.code] = why
            return
        self._troubles.pop(agency.code, None)
        if str((await self._dispatch.queue.partner(agency.code)).trouble).startswith(NOT_SERVED):
            await self._troubled(agency.code, None)
        async with runtime.pool.connection() as connection:
            await self._dispatch.queue.begin(connection, agency.code, runtime.clock())
        served = self._served[agency.code] = Served(agency, channel, self._dispatch)
        served.start()
        log.info("served", agency=agency.code, via=agency.channel.via)

    async def _troubled(self, code: str, why: str | None) -> None:
        async with self._dispatch.runtime.pool.connection() as connection:
            await self._dispatch.queue.troubled(connection, code, why)

    async def _disabled(self, agency: Agency) -> None:
        """Park a partner whose contract asks for it, and take that back when it no longer does."""
        partner = await self._dispatch.queue.partner(agency.code)
        parked = DISABLED if agency.channel.disabled else None
        if parked != partner.parked and (parked or partner.parked == DISABLED):
            async with self._dispatch.runtime.pool.connection() as connection:
                await self._dispatch.queue.fares(connection, agency.code, partner.breaker, parked)

    async def _let_go(self, codes: list[str]) -> None:
        for code in codes:
            served = self._served.pop(code)
            await served.stop()
            await self._unlock(code)

    async def _unlock(self, code: str) -> None:
        if self._locks is not None:
            with suppress(psycopg.Error):
                await self._locks.execute(_UNLOCK, (code,))


_LOCK: Final = "SELECT pg_try_advisory_lock(hashtextextended('delivery: ' || %s, 11))"

_UNLOCK: Final = "SELECT pg_advisory_unlock(hashtextextended('delivery: ' || %s, 11))"
