"""The figures of exchanges in PostgreSQL: counted again where something came, and read for a period or by case.

    await ledger.settle(rules, calendars)            before answering; `refresh` now and then meanwhile
    await ledger.indicators(begin, end, now)         GET /v1/indicators, and
    await ledger.findings(now, since)                its findings
    await ledger.published(publication)              published figures beside what the log gives
    await ledger.uncounted()                         what could not be counted, and why
    await ledger.rebuild(rules, calendars)           everything derived, anew from what was followed

The same was followed, the same is answered, byte for byte, whether it was counted little by little or at once, by the
same rules and calendars: they are those in force when something last came to the exchange, or at the rebuild.
"""

import asyncio
import traceback
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from itertools import groupby
from typing import Any, Final, LiteralString, TypeAlias

import psycopg
import structlog
from psycopg import sql

from connectors.postgres.pool import Connection, Pool
from contracts.calendar import Calendars
from contracts.canonical import Document, instant, parse_object
from contracts.deliveries import StageReached
from contracts.figures import Publication
from contracts.findings import FindingRule
from contracts.findings import packaged as packaged_findings
from contracts.indicators import Indicator
from contracts.outages import Outage
from contracts.records import Record
from contracts.rules import Rules
from services.audit.figures import Figures, figures
from services.audit.findings import CaseView, Finding, Search
from services.audit.indicators import Tabulation
from services.audit.published import Counting, Said
from services.audit.writer import COUNTING, add_links, move_exchanges

log = structlog.stdlib.get_logger(__name__)

_AT_ONCE: Final = 50
"""Exchanges that are counted in one transaction, which nothing else waits for longer than that takes."""

_FACTS_AT_ONCE: Final = 2_000

_SHOWN: Final = 5
"""Exchanges that are named of those that could not be counted."""

_REFUSED: Final = (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.ProgramLimitExceeded)
"""PostgreSQL says of a row that it will never take it."""

_Key: TypeAlias = tuple[str, str]
_Row: TypeAlias = tuple[object, ...]


class Ledger:
    """The figures of all exchanges. Raises psycopg's errors."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        # Who waits for who counts does so without a connection.
        self._counting = asyncio.Lock()

    async def refresh(self, rules: Rules, calendars: Calendars, limit: int = _AT_ONCE) -> int:
        """Count at most `limit` exchanges again to which something came; how many.

        One at a time does this: it is 0, too, while another process counts, or makes everything anew.
        """
        async with self._counting, self._pool.connection() as connection:
            row = await (await connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (COUNTING,))).fetchone()
            if not row or not row[0]:
                return 0
            rows = await (await connection.execute(_DIRTY, (limit,))).fetchall()
            # Read after the marks: what comes now has a mark of its own.
            await _count(connection, [(kind, exchange) for kind, exchange, _ in rows], rules, calendars)
            marks = [mark for _, _, ids in rows for mark in ids]
            await connection.execute("DELETE FROM audit.dirty WHERE id = ANY(%s)", (marks,))
        return len(rows)

    async def settle(self, rules: Rules, calendars: Calendars) -> None:
        """Count what had come by the time of the call.

        It does not wait for another process that counts or makes everything anew: what is counted by then is answered.
        """
        async with self._pool.connection() as connection:
            row = await (await connection.execute("SELECT count(*) FROM audit.dirty")).fetchone()
        for _ in range(0, row[0] if row else 0, _AT_ONCE):
            if not await self.refresh(rules, calendars):
                return

    async def rebuild(self, rules: Rules, calendars: Calendars) -> int:
        """Make exchanges and figures anew from events, stages and outages; how many. Followers wait, readers do not."""
        exchanges = 0
        async with self._pool.connection() as connection:
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (COUNTING,))
            for table in ("events", "deliveries", "outages"):
                name = sql.Identifier("audit", table)
                await connection.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(name))
            for table in ("exchanges", "links", "figures", "dirty", "uncounted"):
                await connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier("audit", table)))
            async with connection.cursor("exchanges") as cursor:
                await cursor.execute("SELECT DISTINCT kind, exchange::text FROM audit.events ORDER BY 1, 2")
                while keys := await cursor.fetchmany(_AT_ONCE):
                    exchanges += len(keys)
                    await _count(connection, [(kind, exchange) for kind, exchange in keys], rules, calendars, anew=True)
        return exchanges

    async def uncounted(self) -> list[str]:
        """Some of the exchanges that could not be counted, and why, in words without personal data."""
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(_UNCOUNTED, (_SHOWN,))).fetchall()
        return [f"{kind} {exchange} is not counted: {reason}" for kind, exchange, reason in rows]

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

        `overseer`: only of what this agency oversees (`Figures.overseers`).
        """
        tabulation = Tabulation(begin, end, now, agency, measured=measured)
        values = {"begin": begin, "end": end, "agency": agency, "overseer": overseer}
        async with aclosing(self._stored(_PERIOD, values)) as found:
            async for item in found:
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

        `overseer`: looked for only among what this agency oversees (`Figures.overseers`), as if there were nothing
        else: so that no finding comes or goes by what it may not see.
        """
        search = Search(packaged_findings() if rules is None else rules, now, since)
        case: list[Figures] = []
        async with aclosing(self._stored(_CASES, {"since": since, "overseer": overseer})) as found:
            async for item in found:
                if case and case[0].case != item.case:
                    search.add(CaseView(case[0].case, tuple(case)))
                    case = []
                case.append(item)
        if case:
            search.add(CaseView(case[0].case, tuple(case)))
        return search.findings()

    async def published(self, publication: Publication) -> Document:
        """The figures of a publication beside what the log gives (`services.audit.published`)."""
        counting = Counting(publication)
        begin, end = counting.period
        values = {"types": [*counting.types], "kinds": [*counting.kinds], "begin": begin, "end": end}
        async with self._pool.connection() as connection, connection.cursor("published") as cursor:
            await cursor.execute(_FACTS, values)
            exchange, opening = None, None
            while rows := await cursor.fetchmany(_FACTS_AT_ONCE):
                for key, said in await asyncio.to_thread(_said, rows):
                    if key != exchange:
                        exchange, opening = key, said
                    if opening is not None:
                        counting.add(opening, [said])
        return counting.document()

    async def _stored(self, query: LiteralString, values: Mapping[str, object]) -> AsyncGenerator[Figures]:
        async with self._pool.connection() as connection, connection.cursor("figures") as cursor:
            cursor.itersize = _AT_ONCE
            await cursor.execute(query, values)
            async for (value,) in cursor:
                yield Figures.from_bytes(value)


def _said(rows: Sequence[tuple[Any, ...]]) -> list[tuple[_Key, Said]]:
    """Facts with their exchanges, read out of their records."""
    found: list[tuple[_Key, Said]] = []
    for kind, exchange, type_, source, at, case, record in rows:
        event = parse_object(record)["event"]
        data = event.get("data") if isinstance(event, dict) else None
        found.append(((kind, exchange), Said(type_, source, at, case, data if isinstance(data, dict) else {})))
    return found


async def _count(
    connection: Connection, keys: Sequence[_Key], rules: Rules, calendars: Calendars, *, anew: bool = False
) -> None:
    """Store the figures of exchanges; with `anew` also how they stand.

    One of which nothing is registered is passed over. One that cannot be counted keeps the figures that it has, and is
    noted with the reason until something comes to it, or a rebuild tries again. It harms no other.
    """
    columns = _columns(keys)
    threads: dict[_Key, list[Record]] = {}
    failed: dict[_Key, str] = {}
    for key, values in groupby(await _rows(connection, _RECORDS, columns), key=lambda row: (row[0], row[1])):
        try:
            threads[key] = [Record.from_bytes(value) for _, _, value in values]
        except Exception as error:  # noqa: BLE001, one exchange never delays another
            failed[key] = _reason(error)
    stages: dict[_Key, list[StageReached]] = {}
    for value in await _rows(connection, _DELIVERED, columns):
        stage = StageReached.model_validate(dict(zip(StageReached.model_fields, value, strict=True)))
        stages.setdefault((stage.kind, stage.exchange), []).append(stage)
    outages = await _outages(connection, threads.values())
    if anew and threads:
        known = [record for thread in threads.values() for record in thread]
        await move_exchanges(connection, known)
        await add_links(connection, known)
    rows: list[_Row] = []
    for key, thread in threads.items():
        try:
            rows.append(_row(figures(thread, stages.get(key, []), outages, rules, calendars)))
        except Exception as error:  # noqa: BLE001, one exchange never delays another
            failed[key] = _reason(error)
    failed |= await _store(connection, rows)
    await connection.execute(_COUNTED, columns)
    for (kind, exchange), reason in failed.items():
        log.error("not counted", kind=kind, exchange=exchange, reason=reason)
        await connection.execute(_NOTE, (kind, exchange, reason))


def _row(item: Figures) -> _Row:
    """The columns of figures."""
    return (
        *(item.kind, item.exchange, item.case, item.opened, item.first, item.last or "infinity"),
        *(item.agencies, item.overseers, item.to_bytes()),
    )


async def _store(connection: Connection, rows: Sequence[_Row]) -> dict[_Key, str]:
    """Store figures, all at once or, where PostgreSQL refuses one, each by itself; which it refused, and why."""
    try:
        async with connection.transaction(), connection.cursor() as cursor:
            await cursor.executemany(_STORE, rows)
    except _REFUSED as error:
        if len(rows) == 1:
            return {(str(rows[0][0]), str(rows[0][1])): _reason(error)}
        failed: dict[_Key, str] = {}
        for row in rows:
            failed |= await _store(connection, [row])
        return failed
    return {}


def _reason(error: Exception) -> str:
    """What went wrong and where; not its words, which may repeat what a fact says."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {place.name}"


async def _outages(connection: Connection, threads: Collection[Sequence[Record]]) -> list[Outage]:
    """The outages since the oldest of these exchanges was opened."""
    begun = min((instant(thread[0].acceptedtime) for thread in threads), default=None)
    query = "SELECT bus, service, begun, ended FROM audit.outages WHERE ended > %(begun)s ORDER BY 1, 2, 3, 4"
    rows = await _rows(connection, query, {"begun": begun})
    return [Outage(bus=bus, service=service, begun=start, ended=end) for bus, service, start, end in rows]


def _columns(keys: Sequence[_Key]) -> dict[str, list[str]]:
    return {"kinds": [kind for kind, _ in keys], "exchanges": [exchange for _, exchange in keys]}


async def _rows(connection: Connection, query: LiteralString, values: Mapping[str, object]) -> list[tuple[Any, ...]]:
    return await (await connection.execute(query, values)).fetchall()


_RECORDS: Final = """
    SELECT kind, exchange::text, record FROM audit.events
    JOIN unnest(%(kinds)s::text[], %(exchanges)s::uuid[]) AS wanted (kind, exchange) USING (kind, exchange)
    ORDER BY kind, exchange, sequence
"""

_DELIVERED: Final = """
    SELECT bus, kind, exchange::text, sequence, recipient, stage, attempt, time, reason FROM audit.deliveries
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
    INSERT INTO audit.figures (kind, exchange, case_id, opened, first, last, agencies, overseers, figures)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (kind, exchange) DO UPDATE SET (case_id, opened, first, last, agencies, overseers, figures) =
        (EXCLUDED.case_id, EXCLUDED.opened, EXCLUDED.first, EXCLUDED.last,
         EXCLUDED.agencies, EXCLUDED.overseers, EXCLUDED.figures)
"""

_COUNTED: Final = """
    DELETE FROM audit.uncounted
    USING unnest(%(kinds)s::text[], %(exchanges)s::uuid[]) AS wanted (kind, exchange)
    WHERE (uncounted.kind, uncounted.exchange) = (wanted.kind, wanted.exchange)
"""

_NOTE: Final = "INSERT INTO audit.uncounted (kind, exchange, reason) VALUES (%s, %s, %s)"

_UNCOUNTED: Final = "SELECT kind, exchange::text, reason FROM audit.uncounted ORDER BY kind, exchange LIMIT %s"

_PERIOD: Final = """
    SELECT figures FROM audit.figures
    WHERE tstzrange(first, last, '[]') && tstzrange(%(begin)s, %(end)s)
        AND (%(agency)s::text IS NULL OR agencies @> ARRAY[%(agency)s])
        AND (%(overseer)s::text IS NULL OR overseers @> ARRAY[%(overseer)s])
"""

_FACTS: Final = """
    SELECT kind, exchange::text, type, source, acceptedtime, case_id, record FROM audit.events
    WHERE kind = ANY(%(kinds)s)
        AND (sequence = 1 OR (type = ANY(%(types)s) AND acceptedtime >= %(begin)s AND acceptedtime < %(end)s))
    ORDER BY kind, exchange, sequence
"""

_CASES: Final = """
    SELECT figures FROM audit.figures
    WHERE (%(overseer)s::text IS NULL OR overseers @> ARRAY[%(overseer)s])
        AND (%(since)s::timestamptz IS NULL OR case_id IN (SELECT case_id FROM audit.figures WHERE last >= %(since)s))
    ORDER BY case_id, opened, kind, exchange
"""
