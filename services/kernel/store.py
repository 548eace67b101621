"""The store of a registrar: the record of what was registered. Written by its registrar, read by whoever recovers.

Services do not read each other's tables, with this one exception: the store is the record, and this class is the
only way to it.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql

from connectors.postgres.pool import Connection, Pool
from contracts.records import OutcomeName, Record
from contracts.topics import Topics

ExchangeKey = tuple[str, str]
"""(kind, exchange id)."""

SubmissionKey = tuple[str, str]
"""(source, id)."""


class Fenced(Exception):
    """Another owner has taken the partition, or registered meanwhile: reload and look again."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The stored outcome of a submission, as the bytes that were sealed."""

    digest: str
    outcome: OutcomeName
    document: bytes


@dataclass(frozen=True, slots=True)
class Row:
    """A registered event on its way into the store; one that another bus registered has no submission here."""

    key: SubmissionKey | None
    record: Record
    recordedtime: datetime


class Store:
    """The store in one schema."""

    def __init__(self, schema: str, pool: Pool) -> None:
        self._schema = schema
        self._pool = pool

    def _sql(self, query: str) -> sql.Composed:
        tables = {name: sql.Identifier(self._schema, name) for name in ("events", "outcomes", "epochs")}
        return sql.SQL(query).format(**tables)  # pyright: ignore[reportArgumentType]

    async def take(self, partition: str) -> int:
        """A new epoch for a partition: batches of older epochs cannot commit any more."""
        query = self._sql(
            "INSERT INTO {epochs} AS e (partition, epoch) VALUES (%s, 1)"
            " ON CONFLICT (partition) DO UPDATE SET epoch = e.epoch + 1 RETURNING epoch"
        )
        async with self._pool.connection() as connection:
            row = await (await connection.execute(query, (partition,))).fetchone()
        return int(row[0]) if row else 0

    async def lock(self, connection: Connection, epochs: Mapping[str, int]) -> None:
        """Lock the epoch rows of a batch in the caller's transaction. Raises Fenced if one is not ours any more."""
        query = self._sql(
            "SELECT partition, epoch FROM {epochs} WHERE partition = ANY(%s) ORDER BY partition FOR UPDATE"
        )
        rows = await (await connection.execute(query, (sorted(epochs),))).fetchall()
        if dict(rows) != dict(epochs):
            raise Fenced(f"a newer owner has taken one of {', '.join(sorted(epochs))}")

    async def outcomes(self, keys: Collection[SubmissionKey]) -> dict[SubmissionKey, Outcome]:
        """The stored outcomes of these submissions."""
        query = self._sql(
            "SELECT source, id, digest, outcome, document FROM {outcomes}"
            " JOIN unnest(%s::text[], %s::text[]) AS wanted (source, id) USING (source, id)"
        )
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(query, _columns(keys))).fetchall()
        return {(source, id_): Outcome(digest, name, document) for source, id_, digest, name, document in rows}

    async def exchanges(self, keys: Collection[ExchangeKey]) -> dict[ExchangeKey, list[Record]]:
        """The records of these exchanges, each in order; an exchange that is not there is left out."""
        query = self._sql(
            "SELECT record FROM {events} JOIN unnest(%s::text[], %s::uuid[]) AS wanted (kind, exchange)"
            " USING (kind, exchange) ORDER BY kind, exchange, sequence"
        )
        found: dict[ExchangeKey, list[Record]] = {}
        async with self._pool.connection() as connection:
            for (value,) in await (await connection.execute(query, _columns(keys))).fetchall():
                record = Record.from_bytes(value)
                found.setdefault((record.kind, record.exchange), []).append(record)
        return found

    async def add_events(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Append events in the caller's transaction. Raises Fenced when a sequence or an id is taken."""
        query = self._sql(
            "INSERT INTO {events} (kind, exchange, sequence, source, id, recordedtime, record) SELECT * FROM"
            " unnest(%s::text[], %s::uuid[], %s::int[], %s::text[], %s::text[], %s::timestamptz[], %s::bytea[])"
        )
        columns = (
            [row.record.kind for row in rows],
            [row.record.exchange for row in rows],
            [row.record.sequence for row in rows],
            [row.key[0] if row.key else None for row in rows],
            [row.key[1] if row.key else None for row in rows],
            [row.recordedtime for row in rows],
            [row.record.to_bytes() for row in rows],
        )
        await _execute_once(connection, query, columns)

    async def widen(self, connection: Connection, records: Sequence[Record]) -> None:
        """Put fuller forms in the places of mirrored records, in the caller's transaction."""
        query = self._sql(
            "UPDATE {events} AS e SET record = n.record"
            " FROM unnest(%s::text[], %s::uuid[], %s::int[], %s::bytea[]) AS n (kind, exchange, sequence, record)"
            " WHERE (e.kind, e.exchange, e.sequence) = (n.kind, n.exchange, n.sequence) AND e.source IS NULL"
        )
        columns = (
            [record.kind for record in records],
            [record.exchange for record in records],
            [record.sequence for record in records],
            [record.to_bytes() for record in records],
        )
        await connection.execute(query, columns)

    async def add_outcomes(self, connection: Connection, outcomes: Mapping[SubmissionKey, Outcome]) -> None:
        """Store outcomes in the caller's transaction: once each, except that `held` gives way to what follows it.

        Raises Fenced when another owner stored one meanwhile.
        """
        query = self._sql(
            "INSERT INTO {outcomes} AS o (source, id, digest, outcome, document) SELECT * FROM"
            " unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bytea[])"
            " ON CONFLICT (source, id) DO UPDATE SET (digest, outcome, document) ="
            " (EXCLUDED.digest, EXCLUDED.outcome, EXCLUDED.document) WHERE o.outcome = 'held'"
        )
        columns = (
            *_columns(outcomes),
            [outcome.digest for outcome in outcomes.values()],
            [outcome.outcome for outcome in outcomes.values()],
            [outcome.document for outcome in outcomes.values()],
        )
        written = await _execute_once(connection, query, columns)
        if written != len(outcomes):
            raise Fenced("another owner has stored an outcome of this batch")

    async def all_records(self, *, page: int = 1000) -> AsyncIterator[Record]:
        """Every record, in the one order of rebuilds: recordedtime, kind, exchange, sequence."""
        query = self._sql(
            "SELECT recordedtime, kind, exchange, sequence, record FROM {events}"
            " WHERE (recordedtime, kind, exchange, sequence) > (%s, %s, %s, %s)"
            " ORDER BY recordedtime, kind, exchange, sequence LIMIT %s"
        )
        after: tuple[object, ...] = ("-infinity", "", "00000000-0000-0000-0000-000000000000", 0)
        while True:
            async with self._pool.connection() as connection:
                rows = await (await connection.execute(query, (*after, page))).fetchall()
            for row in rows:
                yield Record.from_bytes(row[4])
            if len(rows) < page:
                return
            after = tuple(rows[-1][:4])


async def exchanges(pool: Pool, topics: Topics, keys: Collection[ExchangeKey]) -> dict[ExchangeKey, list[Record]]:
    """The records of these exchanges out of whichever store; those of a kind that nobody registers are left out."""
    by_registrar: dict[str, list[ExchangeKey]] = {}
    for key in keys:
        registrar = topics.registrar_of(key[0])
        if registrar is not None:
            by_registrar.setdefault(registrar, []).append(key)
    found: dict[ExchangeKey, list[Record]] = {}
    for registrar, own in by_registrar.items():
        found |= await Store(registrar, pool).exchanges(own)
    return found


def _columns(keys: Collection[tuple[str, str]]) -> tuple[list[str], list[str]]:
    return [first for first, _ in keys], [second for _, second in keys]


async def _execute_once(connection: Connection, query: sql.Composed, columns: Sequence[Sequence[object]]) -> int:
    try:
        return (await connection.execute(query, columns)).rowcount
    except psycopg.errors.UniqueViolation as error:
        raise Fenced(str(error)) from error
