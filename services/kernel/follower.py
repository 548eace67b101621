"""The follower's loop, once: each registered event once, in order, and never on over a hole.

A follower sees the events of an exchange by sequence. One it has seen is passed over; one that is not the next is a
gap: the follower says so, stops that exchange and recovers it from the store, and only then goes on with it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from psycopg import sql

from connectors.kafka.consume import Consumer, Partition, Reason
from connectors.kafka.consume import Record as KafkaRecord
from connectors.postgres.pool import Connection, transient
from contracts.errors import ContractError
from contracts.records import Record
from contracts.topics import EVENTS
from services.kernel.background import Background
from services.kernel.service import Runtime
from services.kernel.store import ExchangeKey, Store

log = structlog.stdlib.get_logger(__name__)


class Applier(Protocol):
    """What a follower does with what it follows."""

    async def apply(self, connection: Connection, records: Sequence[Record], others: Sequence[KafkaRecord]) -> None:
        """Take in a batch, in the follower's transaction.

        `records` are registered events; each exchange's come in order, without a gap, and never twice. `others`
        come from topics that hold no registered events, and may come again.
        """
        ...

    def committed(self) -> None:
        """The transaction of a batch is committed."""
        ...


@dataclass(frozen=True, slots=True)
class Stop:
    """An exchange that a follower does not carry on with, and why.

    It goes on when everything up to `sequence` can be taken in; with `poison`, when an operator puts that back.
    """

    sequence: int
    reason: str
    poison: bool


class Follower:
    """The handler of a follower's consumer. `service` names the group and the schema."""

    def __init__(
        self,
        runtime: Runtime,
        service: str,
        applier: Applier,
        topics: Sequence[str],
        *,
        hop: int,
        recover_every: float = 30.0,
    ) -> None:
        """`hop`: where the service stands in the hop table, for the log.

        `recover_every`: seconds between two looks into the store for what stopped exchanges miss.
        """
        self.service = service
        self._runtime = runtime
        self._applier = applier
        self._topics = tuple(topics)
        self._hop = hop
        self._recover_every = recover_every
        self._recovery = Background(f"{service}: recovery", self._recover_now_and_then)

    def consumer(self) -> Consumer:
        """The consumer that feeds this follower."""
        return Consumer(
            group=self.service,
            topics=self._topics,
            handler=self,
            settings=self._runtime.kafka,
            transient=transient,
        )

    async def start(self) -> None:
        """Begin to look after stopped exchanges."""
        self._recovery.start()

    async def stop(self) -> None:
        """End that."""
        await self._recovery.stop()

    async def stopped(self) -> bool:
        """Whether some exchange is not carried on with."""
        async with self._runtime.pool.connection() as connection:
            return bool(await self._stops(connection))

    def assigned(self, partitions: frozenset[Partition]) -> None:
        """Nothing is remembered between batches: the positions are in the database."""

    def revoked(self, partitions: frozenset[Partition]) -> None:
        """Nothing to forget."""

    async def handle(self, batch: Sequence[KafkaRecord]) -> None:
        """Take in a batch, all or nothing."""
        records = [Record.from_bytes(item.value) for item in batch if _holds_events(item)]
        others = [item for item in batch if not _holds_events(item)]
        async with self._runtime.pool.connection() as connection:
            ready = await self._ready(connection, records) if records else []
            await self._take_in(connection, ready, others)
        self._committed(ready)

    async def hold(self, record: KafkaRecord, reason: Reason) -> None:
        """Stop the exchange of a poison event; what is behind it waits in the store."""
        if not _holds_events(record):
            return
        try:
            poison = Record.from_bytes(record.value)
        except (ValueError, ContractError):
            # Of which exchange it is cannot be said. Its next event will show the gap.
            return
        async with self._runtime.pool.connection() as connection:
            stop = Stop(poison.sequence, str(reason), poison=True)
            await self._stop_exchange(connection, (poison.kind, poison.exchange), stop)

    async def _take_in(self, connection: Connection, records: Sequence[Record], others: Sequence[KafkaRecord]) -> None:
        if records or others:
            await self._applier.apply(connection, records, others)
        if records:
            await self._move(connection, records)

    def _committed(self, records: Sequence[Record]) -> None:
        self._applier.committed()
        for record in records:
            event = record.event
            log.info(
                "followed",
                service=self.service,
                event_id=event.get("id"),
                exchange=record.exchange,
                sequence=record.sequence,
                case=record.standing.case,
                agency=event.get("source"),
                type=event.get("type"),
                hop=self._hop,
            )

    async def _ready(self, connection: Connection, records: Sequence[Record]) -> list[Record]:
        """Those records that continue their exchanges without a hole, and what the store has to close one."""
        threads: dict[ExchangeKey, list[Record]] = {}
        for record in records:
            threads.setdefault((record.kind, record.exchange), []).append(record)
        positions = await self._lock_positions(connection, sorted(threads))
        stops = await self._stops(connection)
        ready: list[Record] = []
        for key, arrived in threads.items():
            ready += await self._next(connection, key, positions[key], arrived, stops.get(key))
        return ready

    async def _next(
        self,
        connection: Connection,
        key: ExchangeKey,
        position: int,
        arrived: Sequence[Record],
        stop: Stop | None,
    ) -> list[Record]:
        fresh = {record.sequence: record for record in arrived if record.sequence > position}
        if not fresh or (stop is not None and stop.poison and min(fresh) > stop.sequence):
            return []
        records = [fresh[sequence] for sequence in sorted(fresh)]
        whole = _gapless(position, records)
        if stop is None and len(whole) == len(records):
            return whole
        if len(whole) < len(records):
            expected, seen = position + len(whole) + 1, max(fresh)
            log.error("gap", service=self.service, **_names(key), expected=expected, seen=seen)
        return await self._recover(connection, key, position, records, stop)

    async def _recover(
        self,
        connection: Connection,
        key: ExchangeKey,
        position: int,
        records: Sequence[Record],
        stop: Stop | None,
    ) -> list[Record]:
        """What the store has after the position; the exchange stays stopped if the store does not close the gap."""
        found = {record.sequence: record for record in records}
        found |= {record.sequence: record for record in await self._stored(key) if record.sequence > position}
        whole = _gapless(position, [found[sequence] for sequence in sorted(found)])
        reached = position + len(whole)
        seen = max([*found, stop.sequence if stop else 0])
        if reached >= seen:
            await self._carry_on(connection, key)
            log.warning("gap recovered", service=self.service, **_names(key), sequence=reached)
        else:
            reason = f"sequence {reached + 1} is neither in Kafka nor in the store"
            await self._stop_exchange(connection, key, Stop(seen, reason, poison=False))
        return whole

    async def _stored(self, key: ExchangeKey) -> list[Record]:
        registrar = self._runtime.library.current().topics.registrar_of(key[0])
        if registrar is None:
            return []
        return (await Store(registrar, self._runtime.pool).exchanges([key])).get(key, [])

    async def _recover_now_and_then(self) -> None:
        while True:
            try:
                await self._recover_stopped()
            except Exception as error:  # noqa: BLE001, the next round tries again
                log.warning("recovery waits", service=self.service, reason=str(error))
            await asyncio.sleep(self._recover_every)

    async def _recover_stopped(self) -> None:
        async with self._runtime.pool.connection() as connection:
            stops = await self._stops(connection)
        for key in [key for key, stop in stops.items() if not stop.poison]:
            try:
                await self._recover_one(key)
            except Exception as error:  # noqa: BLE001, one exchange never delays another
                log.error("not recovered", service=self.service, **_names(key), reason=repr(error))

    async def _recover_one(self, key: ExchangeKey) -> None:
        async with self._runtime.pool.connection() as connection:
            position = (await self._lock_positions(connection, [key]))[key]
            stop = (await self._stops(connection)).get(key)
            if stop is None or stop.poison:
                return
            found = await self._recover(connection, key, position, [], stop)
            await self._take_in(connection, found, [])
        self._committed(found)

    def _sql(self, query: str) -> sql.Composed:
        tables = {name: sql.Identifier(self.service, name) for name in ("positions", "stopped")}
        return sql.SQL(query).format(**tables)  # pyright: ignore[reportArgumentType]

    async def _lock_positions(self, connection: Connection, keys: Sequence[ExchangeKey]) -> Mapping[ExchangeKey, int]:
        columns = ([kind for kind, _ in keys], [exchange for _, exchange in keys])
        insert = self._sql(
            "INSERT INTO {positions} (kind, exchange, sequence)"
            " SELECT kind, exchange, 0 FROM unnest(%s::text[], %s::uuid[]) AS wanted (kind, exchange)"
            " ON CONFLICT DO NOTHING"
        )
        await connection.execute(insert, columns)
        select = self._sql(
            "SELECT kind, exchange::text, sequence FROM {positions}"
            " JOIN unnest(%s::text[], %s::uuid[]) AS wanted (kind, exchange) USING (kind, exchange)"
            " ORDER BY kind, exchange FOR UPDATE OF positions"
        )
        rows = await (await connection.execute(select, columns)).fetchall()
        return {(kind, exchange): sequence for kind, exchange, sequence in rows}

    async def _move(self, connection: Connection, records: Sequence[Record]) -> None:
        last = {(record.kind, record.exchange): record.sequence for record in records}
        query = self._sql(
            "UPDATE {positions} AS p SET sequence = n.sequence"
            " FROM unnest(%s::text[], %s::uuid[], %s::int[]) AS n (kind, exchange, sequence)"
            " WHERE p.kind = n.kind AND p.exchange = n.exchange"
        )
        columns = ([kind for kind, _ in last], [exchange for _, exchange in last], list(last.values()))
        await connection.execute(query, columns)

    async def _stops(self, connection: Connection) -> dict[ExchangeKey, Stop]:
        query = self._sql("SELECT kind, exchange::text, sequence, reason, poison FROM {stopped}")
        rows = await (await connection.execute(query)).fetchall()
        return {(kind, exchange): Stop(sequence, reason, poison) for kind, exchange, sequence, reason, poison in rows}

    async def _stop_exchange(self, connection: Connection, key: ExchangeKey, stop: Stop) -> None:
        log.error("exchange stopped", service=self.service, **_names(key), sequence=stop.sequence, reason=stop.reason)
        query = self._sql(
            "INSERT INTO {stopped} (kind, exchange, sequence, reason, poison) VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (kind, exchange) DO UPDATE SET (sequence, reason, poison) ="
            " (EXCLUDED.sequence, EXCLUDED.reason, EXCLUDED.poison)"
        )
        await connection.execute(query, (*key, stop.sequence, stop.reason, stop.poison))

    async def _carry_on(self, connection: Connection, key: ExchangeKey) -> None:
        await connection.execute(self._sql("DELETE FROM {stopped} WHERE kind = %s AND exchange = %s"), key)


def _holds_events(record: KafkaRecord) -> bool:
    return record.topic.split(".")[0] == EVENTS


def _names(key: ExchangeKey) -> dict[str, str]:
    return {"kind": key[0], "exchange": key[1]}


def _gapless(position: int, records: Sequence[Record]) -> list[Record]:
    """The longest run of records that continues the position without a hole."""
    run: list[Record] = []
    for record in records:
        if record.sequence != position + len(run) + 1:
            break
        run.append(record)
    return run
