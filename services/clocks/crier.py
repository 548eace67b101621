"""Says what is due to be said about clocks: submits it, signed by the bus, like any agency its facts.

Nothing is polled: the next moment stands in an index, and the crier sleeps until then or until something changed. After
an outage it says everything that it missed, once, in order.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

import structlog

from connectors.http.client import new_event
from connectors.kafka.producer import Message
from connectors.postgres.pool import Connection
from services.clocks.keeper import Keeper
from services.clocks.watermark import Watermark
from services.clocks.words import Word
from services.kernel.outbox import Outbox
from services.kernel.service import Runtime
from services.kernel.store import ExchangeKey
from services.kernel.submitting import submission

log = structlog.stdlib.get_logger(__name__)

_OWNER: Final = "clocks"
_AT_ONCE: Final = 500
"""Exchanges in one transaction."""
_LONGEST_SLEEP: Final = 30.0  # seconds
_DRIVEN_SLEEP: Final = 0.02  # seconds: a driven clock moves without a sign
_PAUSE: Final = 0.05  # seconds, while the rest of the bus catches up
_AFTER_FAULT: Final = 1.0  # seconds


class Crier:
    """One loop. Several workers may run one each: an exchange is locked while it is spoken of."""

    def __init__(self, runtime: Runtime, keeper: Keeper, watermark: Watermark) -> None:
        self._runtime = runtime
        self._keeper = keeper
        self._watermark = watermark
        self._outbox = Outbox("clocks", runtime.pool, runtime.producer)
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.trouble: str | None = None
        keeper.changed = self._wake.set

    def start(self) -> None:
        """Begin, with what an earlier run has left to say."""
        self._task = asyncio.create_task(self._cry_always(), name="clocks: crier")

    async def stop(self) -> None:
        """End; what is in the outbox stays for the next start."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _cry_always(self) -> None:
        calendars: object = None
        while True:
            pause = _AFTER_FAULT
            try:
                if calendars is not self._keeper.law.calendars:
                    calendars = self._keeper.law.calendars
                    await self._keeper.refresh_all(only_running=True)
                await self._outbox.sweep()
                pause = await self._cry()
                self.trouble = None
            except Exception as error:  # noqa: BLE001, the next round tries again
                self.trouble = f"clocks are not spoken of: {error}"
                log.warning("clocks wait", reason=repr(error))
            if pause:
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._wake.wait()
                self._wake.clear()

    async def _cry(self) -> float:
        """Say what is due, and return for how many seconds there is nothing to do."""
        async with self._runtime.pool.connection() as connection:
            first = await (await connection.execute(_FIRST)).fetchone()
        now = self._runtime.clock()
        if first is None or first[0] is None or first[0] > now:
            return self._sleep(first[0] if first else None, now)
        known = await self._watermark.reached(first[0])
        if known is None:
            return _PAUSE
        async with self._runtime.pool.connection() as connection:
            rows = await (await connection.execute(_DUE, (known, _AT_ONCE))).fetchall()
            keys: list[ExchangeKey] = sorted((kind, exchange) for kind, exchange in rows)
            spoken = await self._speak(connection, keys, known)
        for word in spoken:
            log.info("said", word=word.fact.name(), rule=word.about.rule.id, agency=word.about.agency, hop=3)
        await self._outbox.sweep()
        return 0.0 if spoken else _PAUSE

    async def _speak(self, connection: Connection, keys: Sequence[ExchangeKey], known: datetime) -> list[Word]:
        """Submit the words of these exchanges that were due before `known`, in order, by way of the outbox."""
        now = self._runtime.clock()
        sheets = await self._keeper.refresh(connection, keys)
        due = [(word, key) for key, found in sheets.items() for word in found.words if word.at <= known]
        due.sort(key=lambda item: (item[0].at, item[1], item[0].about.key))
        if due:
            columns = ([key[0] for _, key in due], [key[1] for _, key in due], [word.id for word, _ in due])
            await connection.execute(_SAY, columns)
            await self._outbox.add(connection, [(_OWNER, self._message(word, key, now)) for word, key in due])
            await self._keeper.refresh(connection, sorted({key for _, key in due}))
        return [word for word, _ in due]

    def _message(self, word: Word, key: ExchangeKey, now: datetime) -> Message:
        kind, exchange = key
        timing = self._keeper.law.timing
        bus = self._runtime.bus_key
        event = new_event(
            bus, word.at_last(now, timing), exchange=exchange, kind=kind, id_=word.id, time=min(word.time, now)
        )
        topic = self._runtime.library.current().topics.submissions_for(kind)
        message, _ = submission(event, now, bus, str(topic))
        return message

    def _sleep(self, first: datetime | None, now: datetime) -> float:
        if self._runtime.settings.legal_time is not None:
            return _DRIVEN_SLEEP
        return _LONGEST_SLEEP if first is None else min(_LONGEST_SLEEP, max(_PAUSE, (first - now).total_seconds()))


_FIRST: Final = "SELECT min(next_at) FROM clocks.clocks"

_DUE: Final = """
    SELECT kind, exchange::text FROM clocks.clocks WHERE next_at <= %s
    GROUP BY kind, exchange ORDER BY min(next_at), kind, exchange LIMIT %s
"""

_SAY: Final = """
    INSERT INTO clocks.said (kind, exchange, id) SELECT * FROM unnest(%s::text[], %s::uuid[], %s::text[])
    ON CONFLICT DO NOTHING
"""
