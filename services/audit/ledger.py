"""The figures of exchanges in PostgreSQL: counted again where something came, and read for a period or by case.

    await ledger.settle(rules, calendars)            before answering; `refresh` now and then meanwhile
    await ledger.indicators(begin, end, now)         GET /v1/indicators
    await ledger.findings(now, since)                GET /v1/findings
    await ledger.rebuild(rules, calendars)           everything derived, anew from what was followed

The same was followed, the same is answered, byte for byte, whether it was counted little by little or at once.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from itertools import groupby
from typing import Any, Final, LiteralString, TypeAlias

import structlog
from psycopg import sql

from connectors.postgres.pool import Connection, Pool
from contracts.calendar import Calendars
from contracts.canonical import Document
from contracts.deliveries import StageReached
from contracts.findings import FindingRule
from contracts.findings import packaged as packaged_findings
from contracts.indicators import Indicator
from contracts.outages import Outage
from contracts.records import Record
from contracts.rules import Rules
from services.audit.figures import Figures, figures
from services.audit.findings import CaseView, Finding, Search
from services.audit.indicators import Tabulation
from services.audit.writer import COUNTING, move_exchanges

log = structlog.stdlib.get_logger(__name__)

_AT_ONCE: Final = 50
"""Exchanges that are counted in one transaction, which nothing else waits for longer than that takes."""

_Key: TypeAlias = tuple[str, str]


class Ledger:
    """The figures of all exchanges. Raises psycopg's errors."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        # Who waits for who counts does so without a connection.
        self._counting = asyncio.Lock()

    async def refresh(self, rules: Rules, calendars: Calendars, limit: int = _AT_ONCE) -> int:
        """Count at most `limit` exchanges again to which something came; how many. One at a time does this."""
        async with self._counting, self._pool.connection() as connection:
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (COUNTING,))
            rows = await (await connection.execute(_DIRTY, (limit,))).fetchall()
            # Read after the marks: what comes now has a mark of its own.
            await _count(connection, [(kind, exchange) for kind, exchange, _ in rows], rules, calendars)
            marks = [mark for _, _, ids in rows for mark in ids]
            await connection.execute("DELETE FROM audit.dirty WHERE id = ANY(%s)", (marks,))
        return len(rows)

    async def settle(self, rules: Rules, calendars: Calendars) -> None:
        """Count what had come by the time of the call."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute("SELECT count(*) FROM audit.dirty")).fetchone()
        for _ in range(0, row[0] if row else 0, _AT_ONCE):
            if not await self.refresh(rules, calendars):
                return

    async def rebuild(self, rules: Rules, calendars: Calendars) -> int:
        """Make exchanges and figures anew from events, stages and outages; how many. Followers wait, readers do not."""
        exchanges = 0
        async with self._counting, self._pool.connection() as connection:
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (COUNTING,))
            for table in ("events", "deliveries", "outages"):
                name = sql.Identifier("audit", table)
                await connection.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(name))
            for table in ("exchanges", "figures", "dirty"):
                await connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier("audit", table)))
            async with connection.cursor("exchanges") as cursor:
                await cursor.execute("SELECT DISTINCT kind, exchange::text FROM audit.events ORDER BY 1, 2")
                while keys := await cursor.fetchmany(_AT_ONCE):
                    exchanges += len(keys)
                    await _count(connection, [(kind, exchange) for kind, exchange in keys], rules, calendars, anew=True)
        return exchanges

    async def indicators(
        self,
        begin: datetime,
        end: datetime,
        now: datetime,
        agency: str | None = None,
        *,
        overseer: str | None = None,
        measured: Sequence[Indicator] | None = None,
    ) -> Document:
        """The indicators of the period [begin, end) (`services.audit.indicators`), of what is counted.

        `overseer`: only of what this agency supervises or arbitrates.
        """
        tabulation = Tabulation(begin, end, now, agency, measured=measured)
        values = {"begin": begin, "end": end, "agency": agency}
        async with aclosing(self._stored(_PERIOD, values)) as found:
            async for item in found:
                if overseer is None or item.overseen_by(overseer):
                    tabulation.add(item)
        return tabulation.document()

    async def findings(
        self,
        now: datetime,
        since: datetime | None = None,
        *,
        overseer: str | None = None,
        rules: Sequence[FindingRule] | None = None,
    ) -> list[Finding]:
        """The findings as of `now` (`services.audit.findings`), of what is counted; the packaged rules by default.

        `overseer`: only those that rest on nothing but what this agency supervises or arbitrates.
        """
        overseen: set[str] = set()
        search = Search(packaged_findings() if rules is None else rules, now, since)
        case: list[Figures] = []
        async with aclosing(self._stored(_CASES, {"since": since})) as found:
            async for item in found:
                if case and case[0].case != item.case:
                    search.add(CaseView(case[0].case, tuple(case)))
                    case = []
                case.append(item)
                if overseer is not None and item.overseen_by(overseer):
                    overseen.add(item.exchange)
        if case:
            search.add(CaseView(case[0].case, tuple(case)))
        found_all = search.findings()
        if overseer is None:
            return found_all
        return [item for item in found_all if {evidence.exchange for evidence in item.evidence} <= overseen]

    async def _stored(self, query: LiteralString, values: Mapping[str, object]) -> AsyncGenerator[Figures]:
        async with self._pool.connection() as connection, connection.cursor("figures") as cursor:
            cursor.itersize = _AT_ONCE
            await cursor.execute(query, values)
            async for (value,) in cursor:
                yield Figures.from_bytes(value)


async def _count(
    connection: Connection, keys: Sequence[_Key], rules: Rules, calendars: Calendars, *, anew: bool = False
) -> None:
    """Store the figures of exchanges; with `anew` also how they stand.

    One of which nothing is registered is passed over. One that cannot be counted keeps the figures that it has, and is
    in the log: a rebuild tries again.
    """
    columns = {"kinds": [kind for kind, _ in keys], "exchanges": [exchange for _, exchange in keys]}
    records = [Record.from_bytes(value) for (value,) in await _rows(connection, _RECORDS, columns)]
    stages: dict[_Key, list[StageReached]] = {}
    for value in await _rows(connection, _DELIVERED, columns):
        stage = StageReached.model_validate(dict(zip(StageReached.model_fields, value, strict=True)))
        stages.setdefault((stage.kind, stage.exchange), []).append(stage)
    threads = [list(found) for _, found in groupby(records, key=lambda record: (record.kind, record.exchange))]
    outages = await _outages(connection, threads)
    if anew and records:
        await move_exchanges(connection, records)
    for thread in threads:
        key = thread[0].kind, thread[0].exchange
        try:
            counted = figures(thread, stages.get(key, []), outages, rules, calendars)
        except Exception as error:  # noqa: BLE001, one exchange never delays another
            log.error("not counted", kind=key[0], exchange=key[1], reason=repr(error))
            continue
        row = (counted.case, counted.opened, counted.last or "infinity", counted.agencies, counted.to_bytes())
        await connection.execute(_STORE, (*key, *row))


async def _outages(connection: Connection, threads: Sequence[Sequence[Record]]) -> list[Outage]:
    """The outages since the oldest of these exchanges was opened."""
    begun = min((str(thread[0].event["acceptedtime"]) for thread in threads), default=None)
    query = "SELECT bus, service, begun, ended FROM audit.outages WHERE ended > %(begun)s ORDER BY 1, 2, 3, 4"
    rows = await _rows(connection, query, {"begun": begun})
    return [Outage(bus=bus, service=service, begun=start, ended=end) for bus, service, start, end in rows]


async def _rows(connection: Connection, query: LiteralString, values: Mapping[str, object]) -> list[tuple[Any, ...]]:
    return await (await connection.execute(query, values)).fetchall()


_RECORDS: Final = """
    SELECT record FROM audit.events
    JOIN unnest(%(kinds)s::text[], %(exchanges)s::uuid[]) AS wanted (kind, exchange) USING (kind, exchange)
    ORDER BY kind, exchange, sequence
"""

_DELIVERED: Final = """
    SELECT bus, kind, exchange::text, sequence, recipient, stage, attempt, time FROM audit.deliveries
    JOIN unnest(%(kinds)s::text[], %(exchanges)s::uuid[]) AS wanted (kind, exchange) USING (kind, exchange)
    WHERE stage = 'delivered'
"""

_DIRTY: Final = """
    SELECT kind, exchange::text, array_agg(dirty.id) FROM audit.dirty
    JOIN (
        SELECT DISTINCT kind, exchange FROM (SELECT kind, exchange FROM audit.dirty ORDER BY id LIMIT %s) AS first
    ) AS wanted USING (kind, exchange)
    GROUP BY kind, exchange ORDER BY kind, exchange
"""

_STORE: Final = """
    INSERT INTO audit.figures (kind, exchange, case_id, opened, last, agencies, figures)
    VALUES (%s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (kind, exchange) DO UPDATE SET (case_id, opened, last, agencies, figures) =
        (EXCLUDED.case_id, EXCLUDED.opened, EXCLUDED.last, EXCLUDED.agencies, EXCLUDED.figures)
"""

_PERIOD: Final = """
    SELECT figures FROM audit.figures
    WHERE tstzrange(opened, last, '[]') && tstzrange(%(begin)s, %(end)s)
        AND (%(agency)s::text IS NULL OR agencies @> ARRAY[%(agency)s])
"""

_CASES: Final = """
    SELECT figures FROM audit.figures
    WHERE %(since)s::timestamptz IS NULL
        OR case_id IN (SELECT case_id FROM audit.figures WHERE last >= %(since)s)
    ORDER BY case_id, opened, kind, exchange
"""
