"""Says what is due to be said about clocks: submits it, signed by the bus, like any agency its facts.

Nothing is polled: the next moment stands in an index, and the crier sleeps until then or until something changed. After
an outage it says everything that it missed, once, in order.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import structlog

from connectors.http.client import new_event
from connectors.kafka.producer import Message
from connectors.postgres.pool import Connection
from services.clocks.keeper import Keeper
from services.clocks.words import Word
from services.kernel.background import Background
from services.kernel.outbox import Outbox
from services.kernel.service import Runtime
from services.kernel.store import ExchangeKey
from services.kernel.submitting import submission
from services.kernel.time import until
from services.kernel.watermark import Watermark

log = structlog.stdlib.get_logger(__name__)

_OWNER: Final = "clocks"
_AT_ONCE: Final = 500
"""Clocks in one transaction."""
_LONGEST_SLEEP: Final = 30.0  # seconds
_BREATH: Final = 0.01  # seconds, in which several signs become one
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0  # seconds, while the rest of the bus catches up


class Crier:
    """One loop. Several workers may run one each; one of them speaks at a time."""

    def __init__(self, runtime: Runtime, keeper: Keeper, watermark: Watermark) -> None:
        self._runtime = runtime
        self._keeper = keeper
        self._watermark = watermark
        self._outbox = Outbox("clocks", runtime.pool, runtime.producer)
        self._wake = asyncio.Event()
        self._background = Background("clocks: crier", self._cry_always)
        self._next: datetime | None = None
        self._pause = _SHORTEST_PAUSE
        self._horizons: object = None
        self.trouble: str | None = None
        keeper.changed = self._wake.set

    def start(self) -> None:
        """Begin, with what an earlier run has left to say."""
        self._background.start()

    async def stop(self) -> None:
        """End; what is in the outbox stays for the next start."""
        await self._background.stop()

    async def _cry_always(self) -> None:
        while True:
            # Before the look: a sign that comes while it lasts is not lost.
            self._wake.clear()
            try:
                pause = await self._cry()
                self.trouble = None
            except Exception as error:  # noqa: BLE001, the next round tries again
                self.trouble = f"clocks are not spoken of: {error}"
                log.warning("clocks wait", reason=repr(error))
                self._next, pause = None, _LONGEST_PAUSE
            await self._rest(pause)

    async def _cry(self) -> float:
        """Say what is due; return for how many seconds at most there is nothing to do."""
        async with self._runtime.pool.connection() as connection:
            row = await (await connection.execute(_LOOK)).fetchone()
        first, left, horizons = row or (None, False, None)
        if horizons != self._horizons:
            # Another bus has handed over more, which is perhaps not registered yet.
            self._watermark.forget()
            self._horizons = horizons
        if left:
            await self._send()
        if first is None or first > self._runtime.clock():
            self._next, self._pause = first, _SHORTEST_PAUSE
            return _LONGEST_SLEEP
        self._next = None
        known = await self._watermark.reached(first)
        spoken = await self._speak(known) if known is not None else []
        if spoken:
            await self._send()
            self._pause = _SHORTEST_PAUSE
            return 0.0
        pause, self._pause = self._pause, min(self._pause * 2, _LONGEST_PAUSE)
        return pause

    async def _speak(self, known: datetime) -> Sequence[Word]:
        """Put what was due before `known` into the outbox, in order; some of it, if it is much."""
        async with self._runtime.pool.connection() as connection:
            row = await (await connection.execute(_TAKE_THE_FLOOR)).fetchone()
            if row != (True,):
                return []
            rows = await (await connection.execute(_DUE, (known, _AT_ONCE))).fetchall()
            # What comes after the last of these waits, so that the order is kept over all exchanges.
            until = rows[-1][2] if len(rows) == _AT_ONCE else known
            words = await self._put(connection, sorted({(kind, exchange) for kind, exchange, _ in rows}), until)
        for word in words:
            log.info("said", word=word.fact.name(), rule=word.about.rule.id, agency=word.about.agency, hop=3)
        return words

    async def _put(self, connection: Connection, keys: Sequence[ExchangeKey], until: datetime) -> list[Word]:
        sheets = await self._keeper.sheets(connection, keys)
        due = [(word, key) for key, found in sheets.items() for word in found.words if word.at <= until]
        due.sort(key=lambda item: (item[0].at, item[1], item[0].about.key))
        now = self._runtime.clock()
        if due:
            columns = ([key[0] for _, key in due], [key[1] for _, key in due], [word.id for word, _ in due])
            await connection.execute(_SAY, columns)
            await self._outbox.add(connection, [(_OWNER, self._message(word, key, now)) for word, key in due])
        said = {word.id for word, _ in due}
        await self._keeper.write(connection, keys, {key: found.without(said) for key, found in sheets.items()})
        return [word for word, _ in due]

    async def _send(self) -> None:
        """Publish what lies in the outbox, in order: one worker at a time."""
        async with self._runtime.pool.connection() as connection:
            await connection.execute(_SEND_ALONE)
            await self._outbox.drain(_OWNER)

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

    async def _rest(self, seconds: float) -> None:
        """Until something has changed, the next moment has come, or so many seconds have passed."""
        if await until(self._runtime.clock, self._next, seconds, self._wake):
            await asyncio.sleep(_BREATH)


_LOOK: Final = """
    SELECT (SELECT min(next_at) FROM clocks.clocks), EXISTS (SELECT FROM clocks.outbox),
        (SELECT sum(extract(epoch FROM at)) FROM clocks.horizons)
"""

_TAKE_THE_FLOOR: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended('clocks: speak', 7))"

_SEND_ALONE: Final = "SELECT pg_advisory_xact_lock(hashtextextended('clocks: send', 7))"

_DUE: Final = """
    SELECT kind, exchange::text, next_at FROM clocks.clocks WHERE next_at <= %s
    ORDER BY next_at, kind, exchange LIMIT %s
"""

_SAY: Final = """
    INSERT INTO clocks.said (kind, exchange, id) SELECT * FROM unnest(%s::text[], %s::uuid[], %s::text[])
    ON CONFLICT DO NOTHING
"""
