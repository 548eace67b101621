"""What there is in topics, how far groups have come, and so what each still has to read.

    progress = Progress(settings)
    await progress.start()
    await progress.behind({"audit": ["outcomes", "deliveries"]})     # {"audit": 0} when it has caught up

Unlike `connectors.kafka.group.Probe` it keeps its connections, for those who ask often. aiokafka's quirks end here: its
admin client hides a coordinator that is still loading (there is nothing committed, then), would have topics made by
asking for them by name, and neither client recovers from everything, so that both are thrown away after a fault.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]
from aiokafka import errors as kafka_errors
from aiokafka.admin import AIOKafkaAdminClient  # type: ignore[import-untyped]

from connectors.errors import KafkaUnavailable, ProvisionError
from connectors.kafka.record import Partition
from connectors.kafka.settings import KafkaSettings

_FAULTS: Final[tuple[type[BaseException], ...]] = (TimeoutError, OSError, kafka_errors.KafkaError)
_CLOSING, _PAUSE = 5.0, 0.1  # seconds

T = TypeVar("T")


class Progress:
    """Asks one Kafka, one question at a time. Safe to share between tasks of one event loop.

    Every question raises KafkaUnavailable when Kafka does not answer it in time; the next one connects anew.
    """

    def __init__(self, settings: KafkaSettings, *, timeout: float = 10.0, client_id: str = "liandong-progress") -> None:
        """`timeout`, in seconds, holds for each question as a whole."""
        self._settings = settings
        self._timeout = timeout
        self._client_id = client_id
        self._clients: _Clients | None = None
        self._asking = asyncio.Lock()

    async def start(self) -> None:
        """Connect. Raises KafkaUnavailable; a question that comes later tries again."""

        async def nothing(_: _Clients) -> None:
            return None

        await self._ask(nothing)

    async def stop(self) -> None:
        """Close the connections, when the question under way is answered."""
        async with self._asking:
            await self._discard()

    async def ends(self, topics: Collection[str]) -> dict[Partition, int]:
        """The offset that the next record will have, of every partition. Raises ProvisionError for no such topic."""

        async def ask(clients: _Clients) -> dict[Partition, int]:
            return await clients.ends(await clients.partitions(topics))

        return await self._ask(ask)

    async def committed(self, group: str) -> dict[Partition, int]:
        """The offset at which a group would go on reading, of the partitions where it has committed one.

        Never more than what the group has done, but less, or nothing, while Kafka has just been started.
        """
        return await self._ask(lambda clients: clients.committed(group))

    async def behind(self, groups: Mapping[str, Collection[str]]) -> dict[str, int]:
        """How many records each group has still to read in the topics given for it; at least as many as it has.

        Nought for all of them means that there was an instant at which none had anything to read: all positions are
        asked for before all ends. Where a group has committed nothing, it counts from the first record that there is.
        """

        async def ask(clients: _Clients) -> dict[str, int]:
            committed = {group: await clients.committed(group) for group in groups}
            partitions = await clients.partitions({topic for topics in groups.values() for topic in topics})
            starts = await clients.starts(partitions)
            ends = await clients.ends(partitions)
            return {
                group: sum(
                    end - max(starts[where], committed[group].get(where, 0))
                    for where, end in ends.items()
                    if where[0] in topics
                )
                for group, topics in groups.items()
            }

        return await self._ask(ask)

    async def _ask(self, question: Callable[[_Clients], Awaitable[T]]) -> T:
        """The answer. Who asks may be cancelled, the question not: aiokafka forgets connections that are being made."""
        asked = asyncio.ensure_future(self._answer(question))
        asked.add_done_callback(_looked_at)
        return await asyncio.shield(asked)

    async def _answer(self, question: Callable[[_Clients], Awaitable[T]]) -> T:
        async with self._asking:
            try:
                async with asyncio.timeout(self._timeout):
                    if self._clients is None:
                        self._clients = await _open(self._settings, self._client_id, self._timeout)
                    return await question(self._clients)
            except _FAULTS as error:
                await self._discard()
                message = f"Kafka at {self._settings.bootstrap} does not say how far its readers are: {error!r}"
                raise KafkaUnavailable(message) from error

    async def _discard(self) -> None:
        clients, self._clients = self._clients, None
        if clients is not None:
            await clients.close()


@dataclass(slots=True)
class _Clients:
    """aiokafka's two clients, connected, and the topics that they know."""

    admin: Any
    consumer: Any
    known: dict[str, frozenset[Partition]]

    async def partitions(self, topics: Iterable[str]) -> list[Partition]:
        """Those of these topics; their number never changes."""
        wanted = sorted(set(topics))
        if not self.known.keys() >= set(wanted):
            # Asked for all: what is asked for by name is made, where the cluster allows it.
            self.known = {
                topic["topic"]: frozenset((topic["topic"], item["partition"]) for item in topic["partitions"])
                for topic in await self.admin.describe_topics()
            }
        missing = [topic for topic in wanted if not self.known.get(topic)]
        if missing:
            raise ProvisionError(f"no such topic: {', '.join(missing)}; provision the topics first, or check the name")
        return [where for topic in wanted for where in sorted(self.known[topic])]

    async def starts(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        return _offsets(await self.consumer.beginning_offsets(_places(partitions)))

    async def ends(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        return _offsets(await self.consumer.end_offsets(_places(partitions)))

    async def committed(self, group: str) -> dict[Partition, int]:
        while True:
            try:
                found = await self.admin.list_consumer_group_offsets(group)
                return _offsets({place: item.offset for place, item in found.items()})
            except kafka_errors.GroupCoordinatorNotAvailableError:
                # A new cluster makes the topic of offsets when it is first asked for a group's coordinator.
                await asyncio.sleep(_PAUSE)

    async def close(self) -> None:
        for end in (self.admin.close, self.consumer.stop):
            with contextlib.suppress(*_FAULTS):
                async with asyncio.timeout(_CLOSING):
                    await end()


async def _open(settings: KafkaSettings, client_id: str, timeout: float) -> _Clients:
    options: dict[str, Any] = {
        **settings.aiokafka(),
        "client_id": client_id,
        "request_timeout_ms": int(timeout * 1000),
    }
    clients = _Clients(AIOKafkaAdminClient(**options), AIOKafkaConsumer(enable_auto_commit=False, **options), {})
    try:
        await clients.admin.start()
        await clients.consumer.start()
    except BaseException:
        await asyncio.shield(clients.close())
        raise
    return clients


def _looked_at(asked: asyncio.Future[Any]) -> None:
    """What it raised is not lost on anybody, even if nobody waits for it any more."""
    if not asked.cancelled():
        asked.exception()


def _places(partitions: Iterable[Partition]) -> list[Any]:
    return [TopicPartition(*where) for where in partitions]


def _offsets(found: Mapping[Any, Any]) -> dict[Partition, int]:
    return {(place.topic, place.partition): int(offset) for place, offset in found.items()}
