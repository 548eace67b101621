"""Putting what is registered into inboxes, and saying so: the follower's transaction, and what readers acknowledge."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

import structlog

from connectors.kafka.consume import Record as KafkaRecord
from connectors.kafka.producer import Message
from connectors.postgres.pool import Connection
from contracts.agencies import Agencies
from contracts.deliveries import Stage, StageReached
from contracts.records import Record
from contracts.topics import DELIVERIES, FORWARDS, OUTCOMES
from services.delivery.copies import Copy, Parcel, copies, needs_history, rejected
from services.delivery.inboxes import Inboxes
from services.delivery.links import said, sharing
from services.delivery.peers import forward, mirrors, outcome, shared
from services.delivery.peers import stages as peer_stages
from services.delivery.relay import Relay
from services.kernel.outbox import Outbox
from services.kernel.service import Runtime
from services.kernel.stages import add_stages
from services.kernel.store import ExchangeKey, exchanges

log = structlog.stdlib.get_logger(__name__)

_OWNER: Final = "delivery"
_SWEEP_EVERY = 1.0  # seconds
_LAST_SWEEP = 5.0  # seconds

Progress = dict[ExchangeKey, dict[str, int]]
"""Exchange, agency: the last sequence that it has."""


class HistoryMissing(Exception):
    """The store does not have what went before an event that brings in a party."""


class Post:
    """What delivery does with what it follows (`services.kernel.follower.Applier`)."""

    def __init__(self, runtime: Runtime, inboxes: Inboxes, relay: Relay, stages: "Stages") -> None:
        self._runtime = runtime
        self._inboxes = inboxes
        self._relay = relay
        self._stages = stages

    async def apply(self, connection: Connection, records: Sequence[Record], others: Sequence[KafkaRecord]) -> None:
        """Put a copy of each event into the inbox of each party, and each rejection into its submitter's.

        What is for parties or submitters of other buses, those get.
        """
        threads: dict[ExchangeKey, list[Record]] = defaultdict(list)
        for record in records:
            threads[record.kind, record.exchange].append(record)
        progress = await _progress(connection, list(threads))
        histories = await self._histories(threads, progress)
        crosswalk = self._runtime.library.current().crosswalk
        parcels: list[Parcel] = []
        relayed: list[Parcel] = []
        for key, run in threads.items():
            parcels += copies(run, histories.get(key, []), progress[key], crosswalk, self._here)
            relayed += mirrors(run, histories.get(key, []), progress[key], self._agencies, self._runtime.bus_key)
        parcels += self._rejections(others)
        await self._relay.put(connection, [*relayed, *self._for_others(others)])
        await self._share(connection, relayed, threads, progress)
        theirs = self._of_others(others)
        if theirs:
            await add_stages(connection, theirs)
        if parcels:
            done = [(parcel.agency, parcel.what) for parcel in parcels if isinstance(parcel.what, Copy)]
            await self._inboxes.put(connection, parcels)
            await _advance(connection, done)
            await self._stages.add(connection, "delivered", done)

    def committed(self) -> None:
        """Say which copies were delivered."""
        self._stages.publish_soon()

    @property
    def _agencies(self) -> Agencies:
        return self._runtime.library.current().agencies

    def _here(self, agency: str) -> bool:
        return self._agencies.elsewhere(agency, self._runtime.settings.bus) is None

    async def _share(
        self,
        connection: Connection,
        relayed: Sequence[Parcel],
        threads: Mapping[ExchangeKey, Sequence[Record]],
        progress: Progress,
    ) -> None:
        """Note with which buses exchanges are shared; who shares one from now on is told what stages it has reached."""
        bus = self._runtime.settings.bus
        done = [(parcel.agency, parcel.what) for parcel in relayed if isinstance(parcel.what, Copy)]
        homes = ((run[-1].standing.home, Copy(*key, run[-1].sequence)) for key, run in threads.items())
        await _advance(connection, [*done, *(item for item in homes if item[0] != bus)])
        new: dict[ExchangeKey, list[str]] = defaultdict(list)
        for peer, copy in done:
            key = (copy.kind, copy.exchange)
            if copy.sequence == 1 and not progress[key].get(peer):
                new[key].append(peer)
        reached = await said(connection, list(new), bus)
        await self._relay.put(connection, peer_stages(reached, new, self._agencies, bus))

    def _rejections(self, others: Sequence[KafkaRecord]) -> list[Parcel]:
        """Those for agencies that this bus hosts; nobody reads the bus's own."""
        agencies, bus = self._agencies, self._runtime.settings.bus
        parcels = (rejected(item.value) for item in others if item.topic == OUTCOMES)
        return [
            item
            for item in parcels
            if item and item.agency != bus and agencies.get(item.agency) and self._here(item.agency)
        ]

    def _for_others(self, others: Sequence[KafkaRecord]) -> list[Parcel]:
        """What other buses decide, and what became of what their agencies submitted."""
        agencies, bus = self._agencies, self._runtime.settings.bus
        outcomes = (outcome(item.value, agencies, bus) for item in others if item.topic == OUTCOMES)
        forwards = (forward(item.value) for item in others if item.topic == FORWARDS)
        return [*(item for item in outcomes if item), *forwards]

    def _of_others(self, others: Sequence[KafkaRecord]) -> list[StageReached]:
        """The stages that other buses have reached; our own were kept when we reached them."""
        bus = self._runtime.settings.bus
        if not self._agencies.peers(bus):
            return []
        reached = (StageReached.from_bytes(item.value) for item in others if item.topic == DELIVERIES)
        return [stage for stage in reached if stage.bus != bus]

    async def _histories(
        self, threads: Mapping[ExchangeKey, Sequence[Record]], progress: Progress
    ) -> dict[ExchangeKey, list[Record]]:
        """What went before, of the exchanges in which some party or bus lacks it. Raises HistoryMissing."""
        agencies, bus = self._agencies, self._runtime.settings.bus
        wanted = [
            key
            for key, run in threads.items()
            if needs_history(run, progress[key], self._here)
            or (run[0].sequence > 1 and shared(run[-1].standing, agencies, bus))
        ]
        found = await exchanges(self._runtime.pool, self._runtime.library.current().topics, wanted)
        for key in wanted:
            before = threads[key][0].sequence - 1
            found[key] = found.get(key, [])[:before]
            if len(found[key]) < before:
                raise HistoryMissing(f"the store lacks some of the {before} first events of {key[0]} {key[1]}")
        return found


class Stages:
    """The stages that copies have reached: out through the outbox, published by whichever worker is free."""

    def __init__(self, runtime: Runtime, relay: Relay, clock: Callable[[], datetime]) -> None:
        self._library = runtime.library
        self._relay = relay
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
        agencies = self._library.current().agencies
        peers = agencies.peers(self._bus)
        keys = {(item.kind, item.exchange) for item in stages}
        shares = await sharing(connection, keys, peers)
        await self._relay.put(connection, peer_stages(stages, shares, agencies, self._bus))

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
