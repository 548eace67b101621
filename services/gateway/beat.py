"""The gateways' beat: a gap in it is an outage 总线中断, which goes on the bus's own account and nobody else's.

Every gateway that can take submissions moves one row on; who finds that nobody did for a while says from when to when.
Gaps are noticed in real time and told in legal time, which stands still where it is driven.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from connectors.kafka.producer import Message
from contracts.outages import Outage
from contracts.topics import OUTAGES
from services.kernel.background import Background
from services.kernel.outbox import Outbox
from services.kernel.service import Runtime

log = structlog.stdlib.get_logger(__name__)

_OWNER: Final = "beat"
_EVERY: Final = 5.0  # seconds
OUTAGE: Final = timedelta(seconds=30)
"""The shortest gap that is one."""


class Beat:
    """Beats while `able` says that submissions are taken."""

    def __init__(self, runtime: Runtime, able: Callable[[], bool]) -> None:
        self._runtime = runtime
        self._able = able
        self._outbox = Outbox("gateway", runtime.pool, runtime.producer)
        self._background = Background("gateway: beat", self._beat_always)

    def start(self) -> None:
        """Begin; the first beat finds the gap that the last run left."""
        self._background.start()

    async def stop(self) -> None:
        """End."""
        await self._background.stop()

    async def _beat_always(self) -> None:
        while True:
            if self._able():
                try:
                    await self.beat(await self._database_time())
                except Exception as error:  # noqa: BLE001, the next beat tries again, and finds the gap
                    log.warning("no beat", reason=repr(error))
            await asyncio.sleep(_EVERY)

    async def _database_time(self) -> datetime:
        """The database's clock: those of two gateways may differ by more than an outage lasts."""
        async with self._runtime.pool.connection() as connection:
            row = await (await connection.execute("SELECT clock_timestamp()")).fetchone()
        return row[0] if row else datetime.now(UTC)

    async def beat(self, now: datetime) -> Outage | None:
        """One beat at an instant of the clock that all gateways share; the outage that it ends, if it ends one."""
        legal, bus = self._runtime.clock(), self._runtime.settings.bus
        outage = None
        async with self._runtime.pool.connection() as connection:
            row = await (await connection.execute(_LAST)).fetchone()
            if row is not None and now - row[0] >= OUTAGE and legal > row[1]:
                outage = Outage(bus=bus, service="gateway", begun=row[1], ended=legal)
                message = Message(topic=OUTAGES, key=bus.encode(), value=outage.to_bytes())
                await self._outbox.add(connection, [(_OWNER, message)])
                log.warning("the bus took no submissions", begun=str(outage.begun), ended=str(outage.ended))
            await connection.execute(_MOVE, (now, legal))
        await self._outbox.sweep(_OWNER)
        return outage


_LAST: Final = "SELECT real_at, legal_at FROM gateway.beats FOR UPDATE"

_MOVE: Final = """
    INSERT INTO gateway.beats AS beats (real_at, legal_at) VALUES (%s, %s)
    ON CONFLICT (one) DO UPDATE SET (real_at, legal_at) =
        (greatest(beats.real_at, EXCLUDED.real_at), greatest(beats.legal_at, EXCLUDED.legal_at))
"""
