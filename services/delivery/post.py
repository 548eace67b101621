"""Putting what is registered into inboxes, and saying so: the follower's transaction, and what readers acknowledge."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

import structlog

from connectors.kafka.consume import Record as KafkaRecord
from connectors.kafka.producer import Message
from connectors.postgres.pool import Connection
from contracts.deliveries import Stage, StageReached
from contracts.records import Record
from contracts.topics import DELIVERIES
from services.delivery.copies import Copy, Parcel, copies, rejected
from services.delivery.inboxes import Inboxes
from services.kernel.outbox import Outbox
from services.kernel.parties import histories, needs_history
from services.kernel.service import Runtime
from services.kernel.stages import add_stages
from services.kernel.store import ExchangeKey

log = structlog.stdlib.get_logger(__name__)

_OWNER: Final = "delivery"
_SWEEP_EVERY = 1.0  # seconds
_LAST_SWEEP = 5.0  # seconds

Progress = dict[ExchangeKey, dict[str, int]]
"""Exchange, agency: the last sequence that it has."""


class Post:
    """What delivery does with what it follows (`services.kernel.follower.Applier`)."""

    def __init__(self, runtime: Runtime, inboxes: Inboxes, stages: "Stages") -> None:
        self._runtime = runtime
        self._inboxes = inboxes
        self._stages = stages

    async def apply(self, connection: Connection, records: Sequence[Record], others: Sequence[KafkaRecord]) -> None:
        """Put a copy of each event into the inbox of each party, and each rejection into its submitter's."""
        threads: dict[ExchangeKey, list[Record]] = defaultdict(list)
        for record in records:
            threads[record.kind, record.exchange].append(record)
        progress = await _progress(connection, list(threads))
        before = {key: run[0].sequence - 1 for key, run in threads.items() if needs_history(run, progress[key])}
        earlier = await histories(self._runtime, before)
        parcels = [
            parcel
            for key, run in threads.items()
            for parcel in copies(run, earlier.get(key, []), progress[key], self._runtime.library.current().crosswalk)
        ]
        parcels += self._rejections(others)
        if parcels:
            done = [(parcel.agency, parcel.what) for parcel in parcels if isinstance(parcel.what, Copy)]
            await self._inboxes.put(connection, parcels)
            await _advance(connection, done)
            await self._stages.add(connection, "delivered", done)

    def committed(self) -> None:
        """Say which copies were delivered."""
        self._stages.publish_soon()

    def _rejections(self, others: Sequence[KafkaRecord]) -> list[Parcel]:
        """Those for agencies that there are; nobody reads the bus's own."""
        agencies, bus = self._runtime.library.current().agencies, self._runtime.settings.bus
        parcels = (rejected(item.value) for item in others)
        return [item for item in parcels if item and item.agency != bus and agencies.get(item.agency)]


class Stages:
    """The stages that copies have reached: out through the outbox, published by whichever worker is free."""

    def __init__(self, runtime: Runtime, clock: Callable[[], datetime]) -> None:
        self._outbox = Outbox("delivery", runtime.pool, runtime.producer)
        self._bus = runtime.settings.bus
        self._clock = clock
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to publish, also what a worker that died has left."""
        self._task = asyncio.create_task(self._publish_always(), name="delivery: stages")

    async def stop(self) -> None:
        """End that, after one last round; what Kafka does not take now stays for the next start."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        try:
            async with asyncio.timeout(_LAST_SWEEP):
                await self._outbox.sweep()
        except Exception as error:  # noqa: BLE001, they are in the outbox
            log.warning("stages left in the outbox", reason=repr(error))

    async def add(self, connection: Connection, stage: Stage, reached: Sequence[tuple[str, Copy]]) -> None:
        """Say, in the caller's transaction, that these agencies' copies have reached the stage now."""
        time = self._clock()
        stages = [self._reached(stage, time, *item) for item in reached]
        await add_stages(connection, stages)
        await self._outbox.add(connection, [(_OWNER, _message(item)) for item in stages])

    def publish_soon(self) -> None:
        """There is something to publish."""
        self._wake.set()

    async def _publish_always(self) -> None:
        while True:
            try:
                await self._outbox.sweep()
            except Exception as error:  # noqa: BLE001, the next round tries again
                log.warning("stages wait in the outbox", reason=repr(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(_SWEEP_EVERY):
                    await self._wake.wait()
            self._wake.clear()

    def _reached(self, stage: Stage, time: datetime, agency: str, copy: Copy) -> StageReached:
        return StageReached(
            bus=self._bus,
            kind=copy.kind,
            exchange=copy.exchange,
            sequence=copy.sequence,
            recipient=agency,
            stage=stage,
            time=time,
        )


def _message(stage: StageReached) -> Message:
    return Message(topic=DELIVERIES, key=stage.exchange.encode(), value=stage.to_bytes())


async def _progress(connection: Connection, keys: Sequence[ExchangeKey]) -> Progress:
    progress: Progress = {key: {} for key in keys}
    columns = ([kind for kind, _ in keys], [exchange for _, exchange in keys])
    rows = await (await connection.execute(_PROGRESS, columns)).fetchall() if keys else []
    for kind, exchange, agency, sequence in rows:
        progress[kind, exchange][agency] = sequence
    return progress


async def _advance(connection: Connection, done: Sequence[tuple[str, Copy]]) -> None:
    last = {(copy.kind, copy.exchange, agency): copy.sequence for agency, copy in done}
    if last:
        await connection.execute(_ADVANCE, (*map(list, zip(*last, strict=True)), list(last.values())))


_PROGRESS: Final = """
    SELECT kind, exchange::text, agency, sequence FROM delivery.progress
    JOIN unnest(%s::text[], %s::uuid[]) AS wanted (kind, exchange) USING (kind, exchange)
"""

_ADVANCE: Final = """
    INSERT INTO delivery.progress (kind, exchange, agency, sequence)
    SELECT * FROM unnest(%s::text[], %s::uuid[], %s::text[], %s::int[])
    ON CONFLICT (kind, exchange, agency) DO UPDATE SET sequence = EXCLUDED.sequence
"""
