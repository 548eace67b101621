"""The tables of clocks: each exchange's clocks as they stand after what is registered and delivered."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import structlog

from connectors.kafka.consume import Record as KafkaRecord
from connectors.postgres.pool import Connection, Pool
from contracts.clocks import Clock, History
from contracts.deliveries import StageReached
from contracts.horizons import Horizon, Horizons
from contracts.library import Library
from contracts.records import Record
from contracts.topics import DELIVERIES, HORIZONS
from services.clocks.words import Law, Sheet, Timing, sheet
from services.kernel.settings import Settings
from services.kernel.stages import all_stages
from services.kernel.store import ExchangeKey, Store, exchanges

_PAGE: Final = 500

log = structlog.stdlib.get_logger(__name__)


class Keeper:
    """Keeps the clocks up to what is registered (`services.kernel.follower.Applier`)."""

    def __init__(self, pool: Pool, library: Library, settings: Settings) -> None:
        self._pool = pool
        self._library = library
        self._bus = settings.bus
        self._timing = Timing(settings.clock_grace, settings.clock_tolerance)
        self.changed = _nothing

    @property
    def law(self) -> Law:
        """What clocks are counted by now."""
        contracts = self._library.current()
        return Law(contracts.rules, contracts.calendars, self._timing)

    async def apply(self, connection: Connection, records: Sequence[Record], others: Sequence[KafkaRecord]) -> None:
        """Note what was delivered and how far other buses are, and keep the clocks of the exchanges that moved."""
        stages = [StageReached.from_bytes(item.value) for item in others if item.topic == DELIVERIES]
        delivered = [stage for stage in stages if stage.stage == "delivered"]
        if delivered:
            await _add_delivered(connection, delivered)
        touched = {(record.kind, record.exchange) for record in records}
        touched |= {(stage.kind, stage.exchange) for stage in delivered}
        for horizon in (Horizon.from_bytes(item.value) for item in others if item.topic == HORIZONS):
            touched |= await self._reached(connection, horizon)
        await self.refresh(connection, sorted(touched))

    def committed(self) -> None:
        """There may be something to say sooner than was thought."""
        self.changed()

    async def refresh(self, connection: Connection, keys: Sequence[ExchangeKey]) -> None:
        """Write the clocks of these exchanges as they stand by the store. They stay locked, as `sheets` says."""
        if keys:
            await self.write(connection, keys, await self.sheets(connection, keys))

    async def sheets(self, connection: Connection, keys: Sequence[ExchangeKey]) -> Mapping[ExchangeKey, Sheet]:
        """The clocks of these exchanges as they stand by the store, and what there is to say of them.

        The exchanges stay locked until the caller's transaction ends.
        """
        await connection.execute(_LOCK, _columns(keys))
        delivered = await _delivered(connection, keys)
        said = await _said(connection, keys)
        horizons = await self._horizons(connection)
        law = self.law
        found: dict[ExchangeKey, Sheet] = {}
        for key, records in (await self._records(keys)).items():
            try:
                found[key] = sheet(records, History.of(records, delivered[key]), said[key], law, horizons.passed)
            except Exception as error:  # noqa: BLE001, one exchange never stops the clocks of another
                log.error("no clocks", kind=key[0], exchange=key[1], reason=repr(error))
        return found

    async def write(
        self, connection: Connection, keys: Sequence[ExchangeKey], sheets: Mapping[ExchangeKey, Sheet]
    ) -> None:
        """Write the clocks of exchanges that are locked, and nothing else of them."""
        rows = [(key, item, _next(found, item)) for key, found in sheets.items() for item in found.clocks]
        columns = (
            [key[0] for key, _, _ in rows],
            [key[1] for key, _, _ in rows],
            [item.rule.id for _, item, _ in rows],
            [item.started_by for _, item, _ in rows],
            [item.agency for _, item, _ in rows],
            [item.started_at for _, item, _ in rows],
            [item.due.instant for _, item, _ in rows],
            [str(item.state) for _, item, _ in rows],
            [item.stopped_by for _, item, _ in rows],
            [item.warned for _, item, _ in rows],
            [item.expired for _, item, _ in rows],
            [item.annulled for _, item, _ in rows],
            [at for _, _, at in rows],
        )
        await connection.execute(_WRITE, (*columns, *_columns(keys)))

    async def recount(self, law: str) -> bool:
        """Count again what runs, if it was last counted by a law of another digest; whether that was so."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_COUNTED)).fetchone()
        if row == (law,):
            return False
        await self._refresh_running()
        async with self._pool.connection() as connection:
            await connection.execute(_NOW_COUNTED, (law,))
        return True

    async def _reached(self, connection: Connection, horizon: Horizon) -> set[ExchangeKey]:
        """Note how far a bus is; the exchanges in which its agencies' overdue clocks may be spoken of now."""
        await connection.execute(_HORIZON, (horizon.bus, horizon.at))
        directory = self._library.current().agencies.by_code.values()
        hosted = [agency.code for agency in directory if agency.home == horizon.bus]
        rows = await (await connection.execute(_OVERDUE, (hosted, horizon.at))).fetchall()
        return {(kind, exchange) for kind, exchange in rows}

    async def _horizons(self, connection: Connection) -> Horizons:
        rows = await (await connection.execute("SELECT bus, at FROM clocks.horizons")).fetchall()
        return Horizons(self._library.current().agencies, self._bus, dict(rows))

    async def _refresh_running(self) -> None:
        after: ExchangeKey = ("", "00000000-0000-0000-0000-000000000000")
        while True:
            async with self._pool.connection() as connection:
                rows = await (await connection.execute(_WITH_RUNNING, (*after, _PAGE))).fetchall()
                keys: list[ExchangeKey] = [(kind, exchange) for kind, exchange in rows]
                await self.refresh(connection, keys)
            self.changed()
            if len(keys) < _PAGE:
                return
            after = keys[-1]

    async def rebuild(self) -> int:
        """Count all clocks anew from the registrars' stores and the stored stages; of how many exchanges.

        Whoever follows or speaks of clocks meanwhile waits.
        """
        exchanges = 0
        async with self._pool.connection() as connection:
            await connection.execute(_FORGET)
            async for stages in all_stages(self._pool):
                await _add_delivered(connection, [stage for stage in stages if stage.stage == "delivered"])
            for topic in self._library.current().topics.events():
                exchanges += await self._rebuild_from(connection, topic.split(".", 1)[1])
            await connection.execute(_NOW_COUNTED, (self.law.digest,))
        return exchanges

    async def _rebuild_from(self, connection: Connection, registrar: str) -> int:
        last: dict[ExchangeKey, int] = {}
        async for record in Store(registrar, self._pool).all_records():
            last[record.kind, record.exchange] = record.sequence
        keys = sorted(last)
        for place in range(0, len(keys), _PAGE):
            page = keys[place : place + _PAGE]
            await connection.execute(_POSITIONS, (*_columns(page), [last[key] for key in page]))
            await self.refresh(connection, page)
        return len(keys)

    async def _records(self, keys: Sequence[ExchangeKey]) -> Mapping[ExchangeKey, Sequence[Record]]:
        """What is registered in those of these exchanges that this bus keeps: it speaks of no other bus's clocks."""
        found = await exchanges(self._pool, self._library.current().topics, keys)
        return {key: records for key, records in found.items() if records[0].standing.home == self._bus}


def _nothing() -> None:
    """Nobody waits yet."""


async def _add_delivered(connection: Connection, stages: Sequence[StageReached]) -> None:
    columns = (
        [stage.kind for stage in stages],
        [stage.exchange for stage in stages],
        [stage.sequence for stage in stages],
        [stage.recipient for stage in stages],
        [stage.time for stage in stages],
    )
    await connection.execute(_ADD_DELIVERED, columns)


async def _delivered(
    connection: Connection, keys: Sequence[ExchangeKey]
) -> Mapping[ExchangeKey, Mapping[tuple[int, str], datetime]]:
    found: dict[ExchangeKey, dict[tuple[int, str], datetime]] = {key: {} for key in keys}
    rows = await (await connection.execute(_DELIVERED, _columns(keys))).fetchall()
    for kind, exchange, sequence, agency, at in rows:
        found[kind, exchange][sequence, agency] = at
    return found


async def _said(connection: Connection, keys: Sequence[ExchangeKey]) -> Mapping[ExchangeKey, set[str]]:
    found: dict[ExchangeKey, set[str]] = {key: set() for key in keys}
    for kind, exchange, id_ in await (await connection.execute(_SAID, _columns(keys))).fetchall():
        found[kind, exchange].add(id_)
    return found


def _next(found: Sheet, item: Clock) -> datetime | None:
    return next((word.at for word in found.words if word.about.key == item.key), None)


def _columns(keys: Sequence[ExchangeKey]) -> tuple[list[str], list[str]]:
    return [kind for kind, _ in keys], [exchange for _, exchange in keys]


_LOCK: Final = """
    SELECT pg_advisory_xact_lock(hashtextextended(kind || '/' || exchange, 7))
    FROM unnest(%s::text[], %s::text[]) AS wanted (kind, exchange) ORDER BY hashtextextended(kind || '/' || exchange, 7)
"""

_ADD_DELIVERED: Final = """
    INSERT INTO clocks.delivered (kind, exchange, sequence, agency, at)
    SELECT kind, exchange, sequence, agency, min(at)
    FROM unnest(%s::text[], %s::uuid[], %s::int[], %s::text[], %s::timestamptz[])
        AS n (kind, exchange, sequence, agency, at)
    GROUP BY kind, exchange, sequence, agency ON CONFLICT DO NOTHING
"""

_DELIVERED: Final = """
    SELECT kind, exchange::text, sequence, agency, at FROM clocks.delivered
    JOIN unnest(%s::text[], %s::uuid[]) AS wanted (kind, exchange) USING (kind, exchange)
"""

_HORIZON: Final = """
    INSERT INTO clocks.horizons AS h (bus, at) VALUES (%s, %s)
    ON CONFLICT (bus) DO UPDATE SET at = greatest(h.at, EXCLUDED.at)
"""

_OVERDUE: Final = """
    SELECT DISTINCT kind, exchange::text FROM clocks.clocks
    WHERE state = 'running' AND expired IS NULL AND agency = ANY(%s) AND due <= %s
"""

_SAID: Final = """
    SELECT kind, exchange::text, id FROM clocks.said
    JOIN unnest(%s::text[], %s::uuid[]) AS wanted (kind, exchange) USING (kind, exchange)
"""

_WRITE: Final = """
    WITH found (kind, exchange, rule, started_by, agency, started_at, due, state, stopped_by, warned, expired,
        annulled, next_at) AS (
        SELECT * FROM unnest(%s::text[], %s::uuid[], %s::text[], %s::int[], %s::text[], %s::timestamptz[],
            %s::timestamptz[], %s::text[], %s::int[], %s::int[], %s::int[], %s::int[], %s::timestamptz[])
    ), gone AS (
        DELETE FROM clocks.clocks AS c USING unnest(%s::text[], %s::uuid[]) AS wanted (kind, exchange)
        WHERE c.kind = wanted.kind AND c.exchange = wanted.exchange AND NOT EXISTS (
            SELECT FROM found AS f WHERE (f.kind, f.exchange, f.rule, f.started_by, f.agency)
                = (c.kind, c.exchange, c.rule, c.started_by, c.agency)
        )
    )
    INSERT INTO clocks.clocks AS c (kind, exchange, rule, started_by, agency, started_at, due, state,
        stopped_by, warned, expired, annulled, next_at)
    SELECT * FROM found
    ON CONFLICT (kind, exchange, rule, started_by, agency) DO UPDATE SET
        (started_at, due, state, stopped_by, warned, expired, annulled, next_at) =
        (EXCLUDED.started_at, EXCLUDED.due, EXCLUDED.state, EXCLUDED.stopped_by, EXCLUDED.warned,
         EXCLUDED.expired, EXCLUDED.annulled, EXCLUDED.next_at)
    WHERE (c.started_at, c.due, c.state, c.stopped_by, c.warned, c.expired, c.annulled, c.next_at)
        IS DISTINCT FROM (EXCLUDED.started_at, EXCLUDED.due, EXCLUDED.state, EXCLUDED.stopped_by, EXCLUDED.warned,
         EXCLUDED.expired, EXCLUDED.annulled, EXCLUDED.next_at)
"""

_WITH_RUNNING: Final = """
    SELECT kind, exchange::text FROM (
        SELECT DISTINCT kind, exchange FROM clocks.clocks
        WHERE state = 'running' AND (kind, exchange) > (%s, %s::uuid) ORDER BY kind, exchange LIMIT %s
    ) AS page ORDER BY page.kind, page.exchange
"""

_COUNTED: Final = "SELECT law FROM clocks.counted"

_NOW_COUNTED: Final = """
    INSERT INTO clocks.counted (law) VALUES (%s) ON CONFLICT (one) DO UPDATE SET law = EXCLUDED.law
"""

# In the order in which a follower and a crier lock them, so that each is waited for and none waits for another.
_FORGET: Final = (
    "TRUNCATE clocks.positions, clocks.stopped, clocks.clocks, clocks.delivered, clocks.said, clocks.counted"
)

_POSITIONS: Final = """
    INSERT INTO clocks.positions (kind, exchange, sequence)
    SELECT * FROM unnest(%s::text[], %s::uuid[], %s::int[])
"""
