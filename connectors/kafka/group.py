"""Membership of a Kafka consumer group, run by Faust. The only place where Faust is touched.

What Faust does for us: it joins the group, rebalances, keeps the connection and its heartbeats in a
thread of their own (so that work in the event loop cannot get the process thrown out), fetches, and
holds back when the buffer is full. What it is not trusted with, and how that
is kept out:

- Acknowledging. Faust acknowledges an event whose handling raised, an event that it skipped during
  a rebalance, and everything behind a single unacknowledged one. The topics are therefore declared
  `acks=False`, which turns its bookkeeping off altogether, and the offsets that
  `connectors.kafka.consume` counts are committed through the consumer that Faust runs.
- Agents. An agent that raises is restarted one event further on. There are none: the channel that
  would feed an agent is read directly, which is public (`async for event in topic`) and also 1.5 to
  2.5 times as fast.
- Decoding. A deserialiser that raises stops the worker. The schema here hands the message over as
  it came.
- Topics, web server, tables, leader, files, producer: all switched off; nothing is created, served
  or written.
- Cython. Hangs were reported (#133), so the pure Python paths are chosen before Faust is imported.

The Faust version is pinned exactly, because a few inner parts are used: the thread's consumer, its
coordinator's pending error, and the method that makes the consumer (so that TLS, SASL and time-outs
come from our settings).
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol, TypeVar

os.environ.setdefault("NO_CYTHON", "1")  # read when faust is imported

import faust
from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]
from aiokafka import errors as kafka_errors
from aiokafka.coordinator.assignors.roundrobin import (  # type: ignore[import-untyped]
    RoundRobinPartitionAssignor,
)
from faust.app.base import BootStrategy
from faust.transport.drivers import aiokafka as driver
from yarl import URL

from connectors.kafka.record import Partition, Record
from connectors.kafka.settings import KafkaSettings

logger = logging.getLogger(__name__)

_SESSION_MS: Final = 10_000
"""A worker that was killed is missed after this long; its partitions move then."""

_HEARTBEAT_MS: Final = 2_000
_REBALANCE_MS: Final = 40_000
"""How long the group waits for a member that still finishes a batch. Longer than `consume` ever takes."""

_REQUEST_MS: Final = 45_000
"""Longer than a rebalance, since joining is one request that lasts as long as the rebalance does."""

_MAX_POLL_MS: Final = 24 * 3600 * 1000
"""A day: while the database is away nothing is fetched, and leaving the group for that would help
nobody. That a worker is stuck is found out by the watchdog in `consume`, which does not count
patience as being stuck."""

_NEVER: Final = 365 * 86400.0
"""For Faust's own stall reports, which know nothing of our offsets and would cry wolf on every idle topic."""

_ZERO: Final = datetime(1970, 1, 1, tzinfo=UTC)

FAULTS: Final[tuple[type[BaseException], ...]] = (TimeoutError, OSError, kafka_errors.KafkaError)
"""What `Group` and `Probe` raise while Kafka is away."""

T = TypeVar("T")


class Listener(Protocol):
    """Who must know what the group gives and takes. Called in the event loop, one call at a time."""

    async def revoked(self) -> None:
        """Everything is about to be taken away; the group waits until this returns."""

    async def assigned(self, partitions: frozenset[Partition]) -> None:
        """These partitions are ours from now on; no record of them has been delivered yet."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A record with the generation of the group in which it was fetched."""

    record: Record
    generation: int


class Group:
    """One membership of one group. Cannot be started twice; make a new one."""

    def __init__(
        self,
        group: str,
        topics: Sequence[str],
        settings: KafkaSettings,
        listener: Listener,
        *,
        buffer: int,
        client_id: str,
    ) -> None:
        """`buffer` bounds how many records are held here that have not been taken."""
        self._group = group
        self._topics = tuple(topics)
        self._listener = listener
        self._app = _App(
            group,
            broker="kafka://unused",  # the consumer is made by _Thread, from the settings
            consumer_auto_offset_reset="earliest",
            broker_commit_interval=60.0,  # Faust has nothing to commit
            broker_session_timeout=_SESSION_MS / 1000,
            broker_request_timeout=_REQUEST_MS / 1000,
            broker_max_poll_records=buffer,
            stream_buffer_maxsize=buffer,
            stream_recovery_delay=0.0,
            stream_wait_empty=False,
            stream_processing_timeout=_NEVER,
            broker_commit_livelock_soft_timeout=_NEVER,
            topic_allow_declare=False,
            topic_disable_leader=True,
            web_enabled=False,
        )
        options = _consumer_options(group, client_id, buffer) | settings.aiokafka()
        self._app.transport = _Transport([URL("kafka://unused")], self._app, consumer_options=options)
        # Iterating registers the channel with the app, which must happen before it subscribes.
        self._channel: Any = aiter(self._app.topic(*self._topics, acks=False, schema=_Untouched()))
        self._app.on_partitions_revoked.connect(self._on_revoked)
        self._app.on_partitions_assigned.connect(self._on_assigned)

    @property
    def generation(self) -> int:
        """The generation of the group; a record of an earlier one must not be handled."""
        return int(self._app.consumer_generation_id)

    async def start(self) -> None:
        """Join; return when the first assignment (perhaps of nothing) stands."""
        await self._app.start()

    async def stop(self) -> None:
        """Leave. The caller has committed what it handled."""
        await self._app.stop()

    async def take(self, most: int, most_bytes: int, within: timedelta) -> list[Delivery]:
        """Wait for a record, give others `within` to join it; at most `most`, in order of arrival."""
        queue = self._channel.queue
        messages = [await queue.get()]
        if within and queue.qsize() < most - 1:
            await asyncio.sleep(within.total_seconds())
        size = _size(messages[0])
        while len(messages) < most and size < most_bytes and not queue.empty():
            messages.append(queue.get_nowait())
            size += _size(messages[-1])
        return [_delivery(message) for message in messages]

    async def commit(self, offsets: Mapping[Partition, int], *, timeout: float) -> bool:
        """Commit; false if the group has moved on and these partitions may be another's."""
        wanted = {TopicPartition(*partition): offset for partition, offset in offsets.items()}
        try:
            await self._call(self._consumer.commit(wanted), timeout)
        except (kafka_errors.CommitFailedError, kafka_errors.IllegalStateError) as error:
            logger.info("group %s: commit refused: %s", self._group, error)
            return False
        return True

    async def start_of(self, partition: Partition, *, timeout: float) -> int:
        """The offset at which this group goes on reading: committed, or the first that there is."""
        where = TopicPartition(*partition)
        first = (await self._call(self._consumer.beginning_offsets([where]), timeout))[where]
        committed = await self._call(self._consumer.committed(where), timeout)
        return int(first if committed is None else max(first, committed))

    def end_of(self, partition: Partition) -> int | None:
        """The end of a partition as last heard of, without asking."""
        try:
            end = self._consumer.highwater(TopicPartition(*partition))
        except kafka_errors.KafkaError:
            return None
        return None if end is None else int(end)

    def failure(self) -> str | None:
        """Why this membership will never deliver again, if that is so."""
        app = self._app
        if app.crashed:
            return f"faust crashed: {app.crash_reason!r}"
        if app.should_stop:
            return "faust stopped"
        if app._fetcher.crashed:
            return f"the fetcher crashed: {app._fetcher.crash_reason!r}"
        return self._coordination_failure()

    def _coordination_failure(self) -> str | None:
        """What aiokafka keeps for a getmany() that Faust never calls: the silent stop of #175, #1037."""
        try:
            coordinator = self._consumer._coordinator
        except _NotStarted:
            return None
        if coordinator._pending_exception is not None:
            return f"the group coordinator gave up: {coordinator._pending_exception!r}"
        if coordinator._coordination_task.done():
            return "the group coordinator's task has ended"
        return None

    @property
    def _thread(self) -> Any:
        return self._app.consumer._thread  # type: ignore[attr-defined]

    @property
    def _consumer(self) -> Any:
        consumer = self._thread._consumer
        if consumer is None:
            raise _NotStarted
        return consumer

    async def _call(self, call: Coroutine[Any, Any, T], timeout: float) -> T:
        """Await something of the consumer's in the thread (and loop) that it lives in."""
        loop: asyncio.AbstractEventLoop = self._thread.thread_loop
        if loop.is_closed():
            call.close()
            raise _NotStarted
        future = asyncio.run_coroutine_threadsafe(call, loop)
        async with asyncio.timeout(timeout):
            return await asyncio.wrap_future(future)

    async def _on_revoked(self, *_: Any, **__: Any) -> None:
        self._channel.queue.clear()
        await self._listener.revoked()

    async def _on_assigned(self, *given: Any, **_: Any) -> None:
        assigned: Iterable[Any] = given[1]  # given[0] is the app
        await self._listener.assigned(frozenset((tp.topic, tp.partition) for tp in assigned))


class Probe:
    """An independent look at Kafka, over connections of its own, made for one question and closed."""

    def __init__(self, settings: KafkaSettings, *, timeout: float = 10.0) -> None:
        """`timeout`, in seconds, holds for each question as a whole."""
        self._settings = settings
        self._timeout = timeout

    async def missing(self, topics: Iterable[str]) -> frozenset[str]:
        """Which of these topics do not exist."""

        async def ask(client: Any) -> frozenset[str]:
            return frozenset(topics) - frozenset(await client.topics())

        return await self._ask(ask)

    async def ends(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """The end of each partition."""

        async def ask(client: Any) -> dict[Partition, int]:
            found = await client.end_offsets([TopicPartition(*partition) for partition in partitions])
            return {(where.topic, where.partition): int(end) for where, end in found.items()}

        return await self._ask(ask)

    async def next_offset(self, partition: Partition, offset: int) -> int | None:
        """The first offset at or after this one that holds a record; None if none came in time."""

        async def ask(client: Any) -> int | None:
            where = TopicPartition(*partition)
            client.assign([where])
            client.seek(where, offset)
            found = await client.getmany(timeout_ms=int(self._timeout * 500), max_records=1)
            records = found.get(where)
            return int(records[0].offset) if records else None

        return await self._ask(ask)

    async def _ask(self, ask: Callable[[Any], Awaitable[T]]) -> T:
        client = AIOKafkaConsumer(
            request_timeout_ms=int(self._timeout * 1000),
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            **self._settings.aiokafka(),
        )
        try:
            async with asyncio.timeout(self._timeout):
                await client.start()
                return await ask(client)
        finally:
            await client.stop()


class _NotStarted(kafka_errors.KafkaError):  # type: ignore[misc]
    """The thread has no consumer: not yet, or no longer."""


class _Untouched(faust.Schema[Any, Any]):
    """A schema that decodes nothing: what arrives in the channel is Faust's message, as it was fetched."""

    def compile(self, *_: Any, **__: Any) -> Any:
        async def decode(message: Any, **_: Any) -> Any:
            return message

        return decode


class _Boot(BootStrategy):
    """Neither Faust's producer nor its web server is started."""

    enable_kafka_producer = False
    enable_web = False


class _App(faust.App):
    """An app that leaves nothing on disk."""

    BootStrategy = _Boot

    def _create_directories(self) -> None:
        """No data directory: there are no tables."""


class _Thread(driver.AIOKafkaConsumerThread):
    """The thread in which the consumer lives; makes it from our settings."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        return AIOKafkaConsumer(**transport.consumer_options)


class _Consumer(driver.Consumer):
    def _new_consumer_thread(self) -> _Thread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)


class _Transport(driver.Transport):
    """Faust's transport over aiokafka, with the consumer's options given."""

    Consumer = _Consumer

    def __init__(self, url: list[URL], app: Any, *, consumer_options: Mapping[str, Any]) -> None:
        super().__init__(url, app)
        self.consumer_options = consumer_options


def _consumer_options(group: str, client_id: str, buffer: int) -> dict[str, Any]:
    return {
        "group_id": group,
        "client_id": client_id,
        "partition_assignment_strategy": [RoundRobinPartitionAssignor],
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
        "max_poll_records": buffer,
        "max_poll_interval_ms": _MAX_POLL_MS,
        "session_timeout_ms": _SESSION_MS,
        "heartbeat_interval_ms": _HEARTBEAT_MS,
        "rebalance_timeout_ms": _REBALANCE_MS,
        "request_timeout_ms": _REQUEST_MS,
        "metadata_max_age_ms": 30_000,
        "retry_backoff_ms": 300,
    }


def _delivery(message: Any) -> Delivery:
    stamp = message.timestamp
    record = Record(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        value=b"" if message.value is None else message.value,
        headers=dict(message.headers or ()),
        timestamp=_ZERO if stamp is None else datetime.fromtimestamp(stamp, UTC),
    )
    return Delivery(record=record, generation=message.generation_id)


def _size(message: Any) -> int:
    return len(message.value or b"")
