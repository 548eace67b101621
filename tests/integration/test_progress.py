"""How far groups have come, asked of a real broker while a real consumer reads."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest

from connectors.errors import KafkaUnavailable, ProvisionError
from connectors.kafka.broker import EmbeddedKafka
from connectors.kafka.consume import Consumer, Partition, Reason, Record
from connectors.kafka.producer import Message, Producer
from connectors.kafka.progress import Progress
from connectors.kafka.provision import TopicSpec, ensure
from connectors.kafka.settings import KafkaSettings
from connectors.process import free_port
from tests.support.serving import eventually


class Gate:
    """A handler that waits until it is opened."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.handled = 0

    async def handle(self, batch: Sequence[Record]) -> None:
        await self.open.wait()
        self.handled += len(batch)

    async def hold(self, record: Record, reason: Reason) -> None:
        raise AssertionError(f"{record} is no poison: {reason}")

    def assigned(self, partitions: frozenset[Partition]) -> None: ...

    def revoked(self, partitions: frozenset[Partition]) -> None: ...


@pytest.fixture
async def progress(kafka: KafkaSettings) -> AsyncGenerator[Progress]:
    progress = Progress(kafka)
    await progress.start()
    yield progress
    await progress.stop()


@pytest.fixture
def topic(kafka: KafkaSettings, prefix: str) -> str:
    """An empty topic of three partitions, and one for dead letters."""
    ensure(kafka, [TopicSpec(f"{prefix}-in", 3), TopicSpec(f"{prefix}-dead", 1)])
    return f"{prefix}-in"


def reader(kafka: KafkaSettings, topic: str, gate: Gate) -> Consumer:
    prefix = topic.removesuffix("-in")
    return Consumer(group=prefix, topics=[topic], handler=gate, settings=kafka, dead_letter_topic=f"{prefix}-dead")


async def send(kafka: KafkaSettings, topic: str, count: int) -> None:
    async with Producer(kafka) as producer:
        await producer.send_all([Message(topic=topic, key=str(n).encode(), value=b"x") for n in range(count)])


async def test_ends_are_those_of_every_partition(kafka: KafkaSettings, topic: str, progress: Progress) -> None:
    assert await progress.ends([topic]) == {(topic, number): 0 for number in range(3)}
    await send(kafka, topic, 30)
    ends = await progress.ends([topic])
    assert set(ends) == {(topic, number) for number in range(3)}
    assert sum(ends.values()) == 30


async def test_a_group_that_never_read_is_behind_by_all_there_is(
    kafka: KafkaSettings, topic: str, prefix: str, progress: Progress
) -> None:
    await send(kafka, topic, 30)
    assert await progress.committed(prefix) == {}
    assert await progress.behind({prefix: [topic], f"{prefix}-other": [topic, f"{prefix}-dead"]}) == {
        prefix: 30,
        f"{prefix}-other": 30,
    }
    assert await progress.behind({prefix: []}) == {prefix: 0}
    assert await progress.behind({}) == {}


async def test_a_group_is_behind_until_what_it_took_is_handled_and_committed(
    kafka: KafkaSettings, topic: str, prefix: str, progress: Progress
) -> None:
    gate, groups = Gate(), {prefix: [topic]}
    consumer = reader(kafka, topic, gate)
    await consumer.start()
    try:
        await send(kafka, topic, 30)
        for _ in range(20):
            assert await progress.behind(groups) == {prefix: 30}
        gate.open.set()

        async def caught_up() -> bool:
            return await progress.behind(groups) == {prefix: 0}

        await eventually(caught_up)
        assert gate.handled == 30
        committed, ends = await progress.committed(prefix), await progress.ends([topic])
        assert committed == {where: end for where, end in ends.items() if end}
        await send(kafka, topic, 7)
        await eventually(caught_up)
        assert gate.handled == 37
    finally:
        await consumer.stop()


async def test_a_watermark_is_passed_when_everything_before_it_is_handled(
    kafka: KafkaSettings, topic: str, prefix: str, progress: Progress
) -> None:
    gate = Gate()
    gate.open.set()
    await send(kafka, topic, 30)
    watermark = await progress.ends([topic])
    consumer = reader(kafka, topic, gate)
    await consumer.start()
    try:

        async def passed() -> bool:
            committed = await progress.committed(prefix)
            return all(committed.get(where, 0) >= end for where, end in watermark.items())

        await eventually(passed)
        assert gate.handled >= 30
    finally:
        await consumer.stop()


async def test_a_topic_that_does_not_exist_is_named_and_not_made(
    kafka: KafkaSettings, topic: str, progress: Progress
) -> None:
    for _ in range(2):
        with pytest.raises(ProvisionError, match=f"{topic}-missing"):
            await progress.ends([topic, f"{topic}-missing"])
    ensure(kafka, [TopicSpec(f"{topic}-missing", 2)])
    assert len(await progress.ends([topic, f"{topic}-missing"])) == 5


async def test_many_may_ask_at_once(kafka: KafkaSettings, topic: str, prefix: str, progress: Progress) -> None:
    await send(kafka, topic, 5)
    found = await asyncio.gather(*(progress.behind({prefix: [topic]}) for _ in range(50)))
    assert found == [{prefix: 5}] * 50


async def test_a_kafka_that_is_not_there_is_said_in_time() -> None:
    progress = Progress(KafkaSettings(bootstrap=f"127.0.0.1:{free_port()}"), timeout=2)
    for ask in (progress.start(), progress.committed("nobody"), progress.ends(["nothing"])):
        began = time.monotonic()
        with pytest.raises(KafkaUnavailable, match=r"127\.0\.0\.1"):
            await ask
        assert time.monotonic() - began < 4
    await progress.stop()


async def test_it_goes_on_when_the_broker_is_back_after_being_killed(folder: Path, prefix: str) -> None:
    with EmbeddedKafka(folder) as broker:
        ensure(broker.settings, [TopicSpec(prefix, 2)])
        await send(broker.settings, prefix, 10)
        progress = Progress(broker.settings, timeout=3)
        assert await progress.behind({"g": [prefix]}) == {"g": 10}
        broker.kill()
        for _ in range(2):
            with pytest.raises(KafkaUnavailable):
                await progress.behind({"g": [prefix]})
        await asyncio.to_thread(broker.start)

        async def answers() -> bool:
            try:
                return await progress.behind({"g": [prefix]}) == {"g": 10}
            except KafkaUnavailable:
                return False

        await eventually(answers)
        await progress.stop()
