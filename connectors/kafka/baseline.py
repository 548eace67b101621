"""What Kafka and its libraries do by themselves on this machine: the measures that the bus is compared with."""

import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

import faust
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer  # type: ignore[import-untyped]

from connectors.kafka.settings import KafkaSettings

_PATIENCE = 300.0


async def produce(settings: KafkaSettings, topic: str, values: Sequence[bytes]) -> float:
    """Seconds that raw aiokafka needs to have all values acknowledged by all replicas."""
    producer = AIOKafkaProducer(**settings.aiokafka(), acks="all", enable_idempotence=True, linger_ms=5)
    await producer.start()
    try:
        begun = time.perf_counter()
        acknowledged = [await producer.send(topic, value) for value in values]
        await asyncio.gather(*acknowledged)
        return time.perf_counter() - begun
    finally:
        await producer.stop()


async def consume(settings: KafkaSettings, topic: str, count: int) -> float:
    """Seconds that raw aiokafka needs to read so many values."""
    consumer = AIOKafkaConsumer(topic, **settings.aiokafka(), auto_offset_reset="earliest")
    await consumer.start()
    try:
        begun, seen = time.perf_counter(), 0
        async with asyncio.timeout(_PATIENCE):
            while seen < count:
                batches = await consumer.getmany(timeout_ms=1000, max_records=2000)
                seen += sum(len(batch) for batch in batches.values())
        return time.perf_counter() - begun
    finally:
        await consumer.stop()


async def faust_agent(settings: KafkaSettings, topic: str, count: int) -> float:
    """Seconds between the first and the last event that a bare Faust agent sees."""
    with tempfile.TemporaryDirectory(prefix="liandong-faust-") as folder:
        return await _faust_agent(settings, topic, count, folder)


async def _faust_agent(settings: KafkaSettings, topic: str, count: int, folder: str) -> float:
    app = faust.App(
        f"{topic}-faust",
        broker=[f"kafka://{server}" for server in settings.servers],
        value_serializer="raw",
        web_enabled=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        store="memory://",
        datadir=folder,
    )
    done: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    seen, begun = 0, 0.0

    async def count_events(stream: Any) -> None:
        nonlocal seen, begun
        async for _ in stream:
            begun = begun or time.perf_counter()
            seen += 1
            if seen == count:
                done.set_result(time.perf_counter() - begun)

    app.agent(app.topic(topic, value_type=bytes))(count_events)
    app.finalize()
    await app.start()
    try:
        async with asyncio.timeout(_PATIENCE):
            return await done
    finally:
        await app.stop()


def main() -> None:
    """`python -m connectors.kafka.baseline TOPIC COUNT`: the Faust agent alone, in a process of its own."""
    settings = KafkaSettings.from_environment()
    if settings is None:
        raise SystemExit("set LIANDONG_KAFKA")
    print(asyncio.run(faust_agent(settings, sys.argv[1], int(sys.argv[2]))))


if __name__ == "__main__":
    main()
