"""What audit does with what it follows: it writes everything down, once, as the bytes that came.

What an exchange contributes to the indicators is not counted here: it is only marked, so that the ledger counts again.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import astuple
from typing import Final
from uuid import UUID

from connectors.kafka.consume import Record as KafkaRecord
from connectors.postgres.pool import Connection, Pool
from contracts.canonical import canonical, instant, parse_object
from contracts.deliveries import StageReached
from contracts.horizons import Horizon
from contracts.library import Library
from contracts.outages import Outage
from contracts.records import REJECTION, Record, Statement
from contracts.topics import DELIVERIES, HORIZONS, OUTAGES, OUTCOMES
from services.audit.links import stated
from services.kernel.stages import columns as stage_columns
from services.kernel.store import exchanges

COUNTING: Final = 0x11A2D1
"""The advisory lock of who counts exchanges. An outage waits for it: it must not fall between reading and storing."""


class Writer:
    """The applier of audit's follower (`services.kernel.follower.Applier`)."""

    def __init__(self, pool: Pool, library: Library, bus: str) -> None:
        self._pool = pool
        self._library = library
        self._bus = bus

    async def apply(self, connection: Connection, records: Sequence[Record], others: Sequence[KafkaRecord]) -> None:
        """Write events, the exchanges that they move, stages, rejections, outages, horizons. Raises MalformedJson."""
        stages = [StageReached.from_bytes(item.value) for item in others if item.topic == DELIVERIES]
        outages = [Outage.from_bytes(item.value) for item in others if item.topic == OUTAGES]
        rejections = [item.value for item in others if item.topic == OUTCOMES]
        horizons = [Horizon.from_bytes(item.value) for item in others if item.topic == HORIZONS]
        if outages:
            # Before any table: who counts reads the tables with this lock in hand.
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (COUNTING,))
        if records:
            await _add_events(connection, records)
            await self._widen(connection, records)
            await move_exchanges(connection, records)
            await add_links(connection, records)
        if stages:
            await _add_stages(connection, stages)
        if horizons:
            reached = ([item.bus for item in horizons], [item.at for item in horizons])
            await connection.execute(_REACH, reached)
        if rejections:
            await _add_rejections(connection, rejections)
        touched = {(record.kind, record.exchange) for record in records}
        touched |= {(stage.kind, stage.exchange) for stage in stages if stage.stage == "delivered"}
        if touched:
            await _mark(connection, touched)
        if outages:
            await _add_outages(connection, outages)

    def committed(self) -> None:
        """Nobody waits for it."""

    async def _widen(self, connection: Connection, records: Sequence[Record]) -> None:
        """Write earlier records of mirrored exchanges as the store has them: who joined may read more of them."""
        last = {(item.kind, item.exchange): item.sequence for item in records if item.standing.home != self._bus}
        if not last:
            return
        stored = await exchanges(self._pool, self._library.current().topics, last)
        known = [item for key, thread in stored.items() for item in thread if item.sequence <= last[key]]
        if known:
            await connection.execute(_WIDEN, _event_columns(known))
            await add_links(connection, known)


async def _add_events(connection: Connection, records: Sequence[Record]) -> None:
    async with connection.cursor() as cursor, cursor.copy(_COPY_EVENTS) as copy:
        copy.set_types(["text", "uuid", "int4", *["text"] * 3, *["timestamptz"] * 3, "bytea"])
        for record in records:
            await copy.write_row(_event(record))


def _event(record: Record) -> tuple[object, ...]:
    """The columns of an event. Of a stub neither author nor type is known, and no time but that of its recording."""
    event = record.event
    times = (instant(event.get("time", record.acceptedtime)), instant(record.acceptedtime))
    who = (record.source, event.get("type", ""), record.standing.case)
    place = (record.kind, UUID(record.exchange), record.sequence)
    return (*place, *who, *times, instant(event["recordedtime"]), record.to_bytes())


def _event_columns(records: Sequence[Record]) -> list[list[object]]:
    return [*map(list, zip(*map(_event, records), strict=True))]


async def move_exchanges(connection: Connection, records: Sequence[Record]) -> None:
    """Write how exchanges stand after these records, each exchange's in order, those of a new one from its first on."""
    first: dict[tuple[str, str], Record] = {}
    last: dict[tuple[str, str], Record] = {}
    for record in records:
        key = (record.kind, record.exchange)
        first.setdefault(key, record)
        last[key] = record
    rows = [_exchange(first[key], record) for key, record in last.items()]
    await connection.execute(_MOVE, [*map(list, zip(*rows, strict=True))])


async def add_links(connection: Connection, records: Sequence[Record]) -> None:
    """Write the links that these records state."""
    rows = [astuple(link) for record in records for link in stated(record)]
    if rows:
        await connection.execute(_ADD_LINKS, [*map(list, zip(*rows, strict=True))])


def _exchange(first: Record, last: Record) -> tuple[object, ...]:
    standing = last.standing
    return (
        last.kind,
        last.exchange,
        standing.case,
        first.opener,
        standing.status,
        last.sequence,
        " ".join(standing.parties),
        " ".join(standing.moves),
        canonical(standing.model_dump(mode="json")),
        instant(first.event["recordedtime"]),
        instant(last.event["recordedtime"]),
    )


async def _add_stages(connection: Connection, stages: Sequence[StageReached]) -> None:
    await connection.execute(_ADD_STAGES, stage_columns(stages))


async def _mark(connection: Connection, keys: Collection[tuple[str, str]]) -> None:
    marked = ([kind for kind, _ in keys], [exchange for _, exchange in keys])
    await connection.execute(_MARK, marked)


async def _add_outages(connection: Connection, outages: Sequence[Outage]) -> None:
    """Write outages, and mark what was open meanwhile: of what is not counted yet, nothing is known that is wrong."""
    columns = (
        [outage.bus for outage in outages],
        [outage.service for outage in outages],
        [outage.begun for outage in outages],
        [outage.ended for outage in outages],
    )
    await connection.execute(_ADD_OUTAGES, columns)


async def _add_rejections(connection: Connection, outcomes: Sequence[bytes]) -> None:
    rows: list[tuple[object, ...]] = []
    for value in outcomes:
        sealed = Statement.from_bytes(value).document
        document = parse_object(sealed)
        if document.get("outcome") == REJECTION:
            names = (str(document.get(name)) for name in ("source", "id", "code"))
            rows.append((hashlib.sha256(sealed).digest(), *names, sealed))
    if rows:
        await connection.execute(_ADD_REJECTIONS, [*map(list, zip(*rows, strict=True))])


_COPY_EVENTS: Final = """
    COPY audit.events (kind, exchange, sequence, source, type, case_id, time, acceptedtime, recordedtime, record)
    FROM STDIN (FORMAT BINARY)
"""

_WIDEN: Final = """
    UPDATE audit.events AS e SET (source, type, time, acceptedtime, record)
        = (n.source, n.type, n.time, n.acceptedtime, n.record)
    FROM unnest(
        %s::text[], %s::uuid[], %s::int[], %s::text[], %s::text[], %s::text[],
        %s::timestamptz[], %s::timestamptz[], %s::timestamptz[], %s::bytea[]
    ) AS n (kind, exchange, sequence, source, type, case_id, time, acceptedtime, recordedtime, record)
    WHERE (e.kind, e.exchange, e.sequence) = (n.kind, n.exchange, n.sequence) AND e.record <> n.record
"""

_MOVE: Final = """
    INSERT INTO audit.exchanges
        (kind, exchange, case_id, opener, status, sequence, parties, moves, standing, opened, changed)
    SELECT kind, exchange, case_id, opener, status, sequence,
        string_to_array(parties, ' '), string_to_array(moves, ' '), standing, opened, changed
    FROM unnest(
        %s::text[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::int[],
        %s::text[], %s::text[], %s::bytea[], %s::timestamptz[], %s::timestamptz[]
    ) AS n (kind, exchange, case_id, opener, status, sequence, parties, moves, standing, opened, changed)
    ON CONFLICT (kind, exchange) DO UPDATE SET (case_id, status, sequence, parties, moves, standing, changed) =
        (EXCLUDED.case_id, EXCLUDED.status, EXCLUDED.sequence, EXCLUDED.parties, EXCLUDED.moves,
         EXCLUDED.standing, EXCLUDED.changed)
"""

_ADD_LINKS: Final = """
    INSERT INTO audit.links (kind, exchange, sequence, relation, to_kind, to_exchange, to_sequence)
    SELECT * FROM unnest(%s::text[], %s::uuid[], %s::int[], %s::text[], %s::text[], %s::uuid[], %s::int[])
    ON CONFLICT DO NOTHING
"""

_ADD_STAGES: Final = """
    INSERT INTO audit.deliveries (kind, exchange, sequence, recipient, stage, attempt, bus, time, reason)
    SELECT * FROM unnest(
        %s::text[], %s::uuid[], %s::int[], %s::text[], %s::text[], %s::int[], %s::text[], %s::timestamptz[], %s::text[]
    ) ON CONFLICT DO NOTHING
"""

_ADD_REJECTIONS: Final = """
    INSERT INTO audit.rejections (digest, source, id, code, document)
    SELECT * FROM unnest(%s::bytea[], %s::text[], %s::text[], %s::text[], %s::bytea[]) ON CONFLICT DO NOTHING
"""

_REACH: Final = """
    INSERT INTO audit.horizons AS h (bus, at)
    SELECT bus, max(at) FROM unnest(%s::text[], %s::timestamptz[]) AS n (bus, at) GROUP BY bus
    ON CONFLICT (bus) DO UPDATE SET at = greatest(h.at, EXCLUDED.at)
"""

_MARK: Final = """
    INSERT INTO audit.dirty (kind, exchange) SELECT * FROM unnest(%s::text[], %s::uuid[])
"""

_ADD_OUTAGES: Final = """
    WITH new AS (
        INSERT INTO audit.outages (bus, service, begun, ended)
        SELECT * FROM unnest(%s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[])
        ON CONFLICT DO NOTHING RETURNING begun, ended
    )
    INSERT INTO audit.dirty (kind, exchange)
    SELECT DISTINCT kind, exchange FROM audit.figures
    JOIN new ON tstzrange(first, last, '[]') && tstzrange(begun, ended, '[]')
"""
