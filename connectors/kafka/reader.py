"""Reading a topic whole, without a consumer group: for inspection, replay and tests.

kafka-python, so that what aiokafka and Faust wrote is seen through other eyes.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol, cast

from kafka import KafkaConsumer  # type: ignore[import-untyped]  # ships no py.typed
from kafka.errors import KafkaError  # type: ignore[import-untyped]

from connectors.errors import ConnectorError, KafkaUnavailable
from connectors.kafka.settings import KafkaSettings

_POLL_MS: Final = 500
_PATIENCE_MS: Final = 15_000


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record as the broker keeps it. `timestamp` is in milliseconds since 1970, UTC."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class _Partition(NamedTuple):
    """kafka-python's TopicPartition, which is an equal named tuple."""

    topic: str
    partition: int


class _Consumer(Protocol):
    """The part of KafkaConsumer that we use."""

    def partitions_for_topic(self, topic: str) -> set[int] | None: ...
    def assign(self, partitions: Sequence[_Partition]) -> None: ...
    def seek_to_beginning(self) -> None: ...
    def end_offsets(self, partitions: Sequence[_Partition]) -> Mapping[_Partition, int]: ...
    def position(self, partition: _Partition) -> int: ...
    def poll(self, timeout_ms: int) -> Mapping[_Partition, Sequence[Any]]: ...
    def close(self) -> None: ...


def read_all(settings: KafkaSettings, topic: str, *, committed_only: bool = True) -> list[StoredRecord]:
    """Every record from the beginning to the end that each partition had when called. Blocks.

    In order of offset within a partition. Raises ConnectorError if there is no such topic,
    KafkaUnavailable if the cluster cannot be reached.
    """
    return list(iterate(settings, topic, committed_only=committed_only))


def iterate(settings: KafkaSettings, topic: str, *, committed_only: bool = True) -> Iterator[StoredRecord]:
    """The same, one by one, for topics that do not fit into memory."""
    try:
        with closing(_open(settings, committed_only=committed_only)) as consumer:
            yield from _read(consumer, topic)
    except KafkaError as error:
        message = f"Kafka at {settings.bootstrap} cannot be read: {error}"
        raise KafkaUnavailable(message) from error


def _open(settings: KafkaSettings, *, committed_only: bool) -> _Consumer:
    arguments: dict[str, Any] = {
        **settings.kafka_python(),
        "client_id": "liandong-reader",
        "group_id": None,
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
        "isolation_level": "read_committed" if committed_only else "read_uncommitted",
        "bootstrap_timeout_ms": _PATIENCE_MS,
    }
    return cast("_Consumer", KafkaConsumer(**arguments))


def _read(consumer: _Consumer, topic: str) -> Iterator[StoredRecord]:
    numbers = consumer.partitions_for_topic(topic)
    if not numbers:
        message = f"topic {topic} does not exist here; provision the topics first, or check the name"
        raise ConnectorError(message)
    partitions = [_Partition(topic, number) for number in sorted(numbers)]
    consumer.assign(partitions)
    consumer.seek_to_beginning()
    ends = consumer.end_offsets(partitions)
    # Positions, not records, tell the end: markers of transactions and compaction leave holes.
    while any(consumer.position(partition) < end for partition, end in ends.items()):
        for partition, records in consumer.poll(timeout_ms=_POLL_MS).items():
            yield from (_stored(record) for record in records if record.offset < ends[partition])


def _stored(record: Any) -> StoredRecord:
    return StoredRecord(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp=record.timestamp,
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
    )
