"""The policy of connectors.kafka.consume on a real broker, with real processes where a process must die.

Nothing here sleeps for luck: every wait is for a condition, with a deadline.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import kafka as kafka_python  # type: ignore[import-untyped]
import pytest

from connectors.errors import KafkaRefused, KafkaUnavailable
from connectors.kafka.broker import EmbeddedKafka
from connectors.kafka.consume import Backoff, Consumer, Exit, Limit, Partition, Reason, Record
from connectors.kafka.producer import Message, Producer
from connectors.kafka.record import DeadLetter, read_dead_letter
from connectors.kafka.settings import KafkaSettings

# kafka-python ships no types, and the stubs that pyright brings are of another version.
library: Any = kafka_python

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]
WORKER = Path(__file__).with_name("consume_worker.py")
QUICK = Backoff(first=0.02, cap=0.1)


# The bench.


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    broker = EmbeddedKafka(tmp_path_factory.mktemp("kafka"))
    broker.start()
    yield broker
    broker.stop()


@dataclass
class Bench:
    """A broker, topics of this test alone, and an independent look at both."""

    broker: EmbeddedKafka
    tag: str = field(default_factory=lambda: uuid4().hex[:8])

    @property
    def bootstrap(self) -> str:
        return self.broker.bootstrap

    @property
    def settings(self) -> KafkaSettings:
        return self.broker.settings

    @property
    def dead_letters(self) -> str:
        return f"dead-{self.tag}"

    @property
    def group(self) -> str:
        return f"group-{self.tag}"

    async def topic(self, name: str, partitions: int = 1, configs: Mapping[str, str] = MappingProxyType({})) -> str:
        full = f"{name}-{self.tag}"
        await asyncio.to_thread(self._create, full, partitions, dict(configs))
        return full

    def _create(self, name: str, partitions: int, configs: dict[str, str]) -> None:
        admin = library.KafkaAdminClient(bootstrap_servers=self.bootstrap)
        admin.create_topics({name: {"num_partitions": partitions, "replication_factor": 1, "configs": configs}})
        admin.wait_for_topics([name])
        admin.close()

    async def send(self, topic: str, values: Iterable[str], *, start: int = 0) -> None:
        """One message per value, with keys that spread over the partitions."""
        async with Producer(self.settings) as producer:
            await producer.send_all(
                [
                    Message(topic=topic, key=str(number).encode(), value=value.encode())
                    for number, value in enumerate(values, start)
                ]
            )

    async def committed(self, group: str, topic: str) -> dict[int, int]:
        def ask() -> dict[int, int]:
            admin = library.KafkaAdminClient(bootstrap_servers=self.bootstrap)
            offsets = admin.list_group_offsets([group])[group]
            admin.close()
            return {tp.partition: found.offset for tp, found in offsets.items() if tp.topic == topic}

        return await asyncio.to_thread(ask)

    async def members(self, group: str) -> int:
        def ask() -> int:
            admin = library.KafkaAdminClient(bootstrap_servers=self.bootstrap)
            found = admin.describe_groups([group])[group]
            admin.close()
            return len(found["members"])

        return await asyncio.to_thread(ask)

    async def read(self, topic: str) -> list[Any]:
        """Everything in a topic, read with another library."""

        def ask() -> list[Any]:
            consumer = library.KafkaConsumer(bootstrap_servers=self.bootstrap, auto_offset_reset="earliest")
            places = [library.TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
            consumer.assign(places)
            ends = consumer.end_offsets(places)
            found: list[Any] = []
            while any(consumer.position(place) < ends[place] for place in places):
                for records in consumer.poll(timeout_ms=500).values():
                    found.extend(records)
            consumer.close()
            return found

        return await asyncio.to_thread(ask)

    async def dead(self) -> list[DeadLetter]:
        return [read_dead_letter(r.value, dict(r.headers)) for r in await self.read(self.dead_letters)]


@pytest.fixture
async def bench(kafka: EmbeddedKafka) -> Bench:
    bench = Bench(kafka)
    await bench.topic("dead")
    return bench


async def until(
    condition: Callable[[], Any] | Callable[[], Awaitable[Any]], seconds: float = 60, every: float = 0.05
) -> None:
    """Wait until the condition holds."""
    ends = time.monotonic() + seconds
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return
        if time.monotonic() > ends:
            raise AssertionError(f"did not come true within {seconds} s: {condition}")
        await asyncio.sleep(every)


class Recorder:
    """A handler that remembers, and fails where it is told to."""

    def __init__(self, fail: Callable[[Sequence[Record]], BaseException | None] = lambda _: None) -> None:
        self.fail = fail
        self.fail_hold: Callable[[Record], BaseException | None] = lambda _: None
        self.calls = 0
        self.handled: list[Record] = []
        self.story: list[str] = []
        self.held: list[tuple[Record, Reason]] = []

    async def handle(self, batch: Sequence[Record]) -> None:
        self.calls += 1
        if (error := self.fail(batch)) is not None:
            raise error
        self.handled.extend(batch)

    async def hold(self, record: Record, reason: Reason) -> None:
        if (error := self.fail_hold(record)) is not None:
            raise error
        self.held.append((record, reason))
        self.story.append(f"hold {record.value.decode()}")

    def assigned(self, partitions: frozenset[Partition]) -> None:
        self.story.append(f"assigned {len(partitions)}")

    def revoked(self, partitions: frozenset[Partition]) -> None:
        self.story.append(f"revoked {len(partitions)}")

    @property
    def values(self) -> list[str]:
        return [record.value.decode() for record in self.handled]


@asynccontextmanager
async def consuming(
    bench: Bench, handler: Recorder, topics: Sequence[str], **options: Any
) -> AsyncGenerator[Consumer, None]:
    arguments: dict[str, Any] = {
        "group": bench.group,
        "topics": topics,
        "handler": handler,
        "settings": bench.settings,
        "dead_letter_topic": bench.dead_letters,
        "backoff": QUICK,
        **options,
    }
    consumer = Consumer(**arguments)
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


class Worker:
    """A process of consume_worker.py, and what it wrote down."""

    def __init__(self, bench: Bench, topics: str, journal: Path, *options: str, group: str = "") -> None:
        self.journal = journal
        self.log = journal.with_suffix(".log")
        command = [
            *(sys.executable, str(WORKER), "--bootstrap", bench.bootstrap, "--topics", topics),
            *("--group", group or bench.group, "--journal", str(journal)),
            *("--dead-letters", bench.dead_letters, *options),
        ]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=log)

    def all_lines(self) -> list[dict[str, Any]]:
        if not self.journal.exists():
            return []
        lines = [line for line in self.journal.read_text("utf-8").splitlines() if line.endswith("}")]
        return [line for line in map(json.loads, lines) if line["pid"] == self.process.pid]

    def lines(self, kind: str) -> list[Any]:
        return [line[kind] for line in self.all_lines() if kind in line]

    @property
    def handled(self) -> list[str]:
        return [record for batch in self.lines("handled") for record in batch]

    @property
    def owned(self) -> set[int]:
        lines = self.lines("assigned")
        return {partition for _, partition in lines[-1]} if lines else set()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    async def exit_code(self, seconds: float = 60) -> int:
        await until(lambda: self.process.poll() is not None, seconds)
        return self.process.returncode

    async def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return await self.exit_code()


@pytest.fixture
def workers(bench: Bench, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    started: list[Worker] = []

    def start(topics: str, *options: str, journal: str = "journal", group: str = "") -> Worker:
        started.append(Worker(bench, topics, tmp_path / journal, *options, group=group))
        return started[-1]

    yield start
    for worker in started:
        if worker.process.poll() is None:
            worker.kill()


# What arrives.


async def test_records_arrive_in_order_with_key_headers_and_time(bench: Bench) -> None:
    topic = await bench.topic("in")
    async with Producer(bench.settings) as producer:
        await producer.send(topic, b"key", "值".encode(), {"ce_id": b"1", "who": "闵行".encode()})
        await producer.send(topic, None, b"", None)
    handler = Recorder()
    async with consuming(bench, handler, [topic]):
        await until(lambda: len(handler.handled) == 2)
    first, second = handler.handled
    assert (first.topic, first.partition, first.offset, first.key) == (topic, 0, 0, b"key")
    assert first.value.decode() == "值"
    assert first.headers == {"ce_id": b"1", "who": "闵行".encode()}
    assert abs(first.timestamp - datetime.now(UTC)) < timedelta(minutes=5)
    assert (second.key, second.value, second.headers) == (None, b"", {})


async def test_one_consumer_reads_several_topics_and_several_run_in_one_loop(bench: Bench) -> None:
    one, two = await bench.topic("one", 2), await bench.topic("two")
    both, single = Recorder(), Recorder()
    async with (
        consuming(bench, both, [one, two]) as first,
        consuming(bench, single, [two], group=f"{bench.group}-other") as second,
    ):
        await bench.send(one, [f"a{n}" for n in range(20)])
        await bench.send(two, [f"b{n}" for n in range(20)])
        await until(lambda: len(both.handled) == 40 and len(single.handled) == 20)
        assert first.health().assignment == {(one, 0), (one, 1), (two, 0)}
        assert second.health().assignment == {(two, 0)}
        assert first.health().ready
        assert second.health().ready
        assert first.health().lag == 0
    assert single.values == [f"b{n}" for n in range(20)]


async def test_stop_finishes_the_batch_commits_and_leaves(bench: Bench) -> None:
    topic = await bench.topic("in")
    begun, go = asyncio.Event(), asyncio.Event()

    class Slow(Recorder):
        async def handle(self, batch: Sequence[Record]) -> None:
            begun.set()
            await go.wait()
            await super().handle(batch)

    await bench.send(topic, [str(n) for n in range(10)])
    handler = Slow()
    async with consuming(bench, handler, [topic]) as consumer:
        await asyncio.wait_for(begun.wait(), 30)
        stopping = asyncio.create_task(consumer.stop())
        go.set()
        await asyncio.wait_for(stopping, 30)
        assert handler.handled
        assert await bench.committed(bench.group, topic) == {0: handler.handled[-1].offset + 1}
        assert await bench.members(bench.group) == 0
        assert consumer.health().state == "stopped"
    assert handler.story == ["assigned 1", "revoked 1"]


@pytest.mark.parametrize("state", ["away", "joining"])
async def test_stop_is_quick_before_the_group_is_joined(bench: Bench, state: str) -> None:
    away = KafkaSettings.model_construct(bootstrap="127.0.0.1:1")
    consumer = Consumer(
        group=bench.group,
        topics=[await bench.topic("in")],
        handler=Recorder(),
        settings=away if state == "away" else bench.settings,
        dead_letter_topic=bench.dead_letters,
        backoff=QUICK,
    )
    starting = asyncio.create_task(consumer.start())
    await until(lambda: "away" in consumer.health().reason if state == "away" else consumer._joining)
    assert not consumer.health().ready
    began = time.monotonic()
    await consumer.stop()
    await starting
    assert time.monotonic() - began < 10
    assert consumer.health().state == "stopped"
    assert not [thread for thread in threading.enumerate() if "WorkerThread" in type(thread).__name__]


async def test_what_is_handled_is_committed_without_stopping(bench: Bench) -> None:
    topic = await bench.topic("in")
    handler = Recorder()
    async with consuming(bench, handler, [topic]):
        await bench.send(topic, ["a", "b", "c"])
        await until(lambda: len(handler.handled) == 3)
        done = time.monotonic()

        async def all_committed() -> bool:
            return await bench.committed(bench.group, topic) == {0: 3}

        await until(all_committed, 10)
        assert time.monotonic() - done < 2


# Faults that pass.


async def test_a_transient_fault_is_retried_in_place_and_handled_once(bench: Bench) -> None:
    topic = await bench.topic("in")
    away = True
    handler = Recorder(lambda _: ConnectionError("no database") if away else None)
    async with consuming(bench, handler, [topic]) as consumer:
        await bench.send(topic, ["a", "b", "c"])
        await until(lambda: handler.calls > 5)
        health = consumer.health()
        assert (health.ready, health.state) == (False, "retrying")
        assert "no database" in health.reason
        assert await bench.committed(bench.group, topic) == {}
        away = False
        await until(lambda: len(handler.handled) == 3)
        assert consumer.health().ready
    assert handler.values == ["a", "b", "c"]
    assert handler.held == []
    assert await bench.dead() == []


async def test_a_call_that_takes_too_long_is_cancelled_and_tried_again(bench: Bench) -> None:
    topic = await bench.topic("in")
    handler = Recorder()
    hung: list[bool] = []

    class Hangs(Recorder):
        async def handle(self, batch: Sequence[Record]) -> None:
            if not hung:
                hung.append(True)
                await asyncio.Event().wait()
            await super().handle(batch)

    handler = Hangs()
    async with consuming(bench, handler, [topic], patience=timedelta(seconds=0.3)):
        await bench.send(topic, ["a"])
        await until(lambda: handler.values == ["a"])
    assert hung


async def test_stop_gives_up_a_retry_and_the_records_come_again(bench: Bench) -> None:
    topic = await bench.topic("in")
    await bench.send(topic, ["a", "b"])
    failing = Recorder(lambda _: ConnectionError("no database"))
    async with consuming(bench, failing, [topic], backoff=Backoff(first=30, cap=30)):
        await until(lambda: failing.calls == 1)
        began = time.monotonic()
    assert time.monotonic() - began < 10
    assert await bench.committed(bench.group, topic) == {}
    handler = Recorder()
    async with consuming(bench, handler, [topic]):
        await until(lambda: handler.values == ["a", "b"])


# Poison.


def poisonous(batch: Sequence[Record]) -> BaseException | None:
    return ValueError("不是 JSON \udcff") if any(b"poison" in r.value for r in batch) else None


async def test_poison_is_isolated_held_and_dead_lettered_and_all_others_are_handled(bench: Bench) -> None:
    topic = await bench.topic("in")
    values = [f"poison {n}" if n in {0, 37, 38, 99} else str(n) for n in range(100)]
    async with Producer(bench.settings) as producer:
        await producer.send_all(
            [Message(topic=topic, key=b"k", value=value.encode(), headers={"id": b"7"}) for value in values]
        )
    handler = Recorder(poisonous)
    async with consuming(bench, handler, [topic], batch=64) as consumer:
        await until(lambda: consumer.health().handled == 100)
        assert consumer.health().dead == 4
        assert consumer.health().ready
    assert handler.values == [value for value in values if "poison" not in value]
    assert await bench.committed(bench.group, topic) == {0: 100}
    letters = await bench.dead()
    assert [letter.record.value.decode() for letter in letters] == [v for v in values if "poison" in v]
    last = letters[-1]
    assert (last.record.topic, last.record.partition, last.record.offset) == (topic, 0, 99)
    assert (last.record.key, last.record.headers, last.group) == (b"k", {"id": b"7"}, bench.group)
    assert last.reason.error == "builtins.ValueError"
    assert last.reason.text.startswith("不是 JSON")
    assert last.hold_error is None
    keys = [record.key.decode() for record in await bench.read(bench.dead_letters)]
    assert keys[-1] == f"{bench.group}/{topic}/0/99"


async def test_hold_comes_before_the_dead_letter(bench: Bench) -> None:
    topic = await bench.topic("in")
    at_hold: list[int] = []

    class Looks(Recorder):
        async def hold(self, record: Record, reason: Reason) -> None:
            at_hold.append(len(await bench.dead()))
            await super().hold(record, reason)

    handler = Looks(poisonous)
    async with consuming(bench, handler, [topic]) as consumer:
        await bench.send(topic, ["poison"])
        await until(lambda: consumer.health().dead == 1)
    assert at_hold == [0]
    assert len(await bench.dead()) == 1
    assert handler.held[0][1].error == "builtins.ValueError"


async def test_hold_is_retried_when_transient_and_noted_when_it_fails(bench: Bench) -> None:
    topic = await bench.topic("in")
    handler = Recorder(poisonous)
    tries = 0

    def fail_hold(record: Record) -> BaseException | None:
        nonlocal tries
        if record.value == b"poison 1":
            tries += 1
            return ConnectionError("no database") if tries < 3 else None
        return ValueError("cannot be stored")

    handler.fail_hold = fail_hold
    async with consuming(bench, handler, [topic]) as consumer:
        await bench.send(topic, ["poison 1", "poison 2", "good"])
        await until(lambda: consumer.health().handled == 3)
    assert [record.value for record, _ in handler.held] == [b"poison 1"]
    assert [letter.hold_error for letter in await bench.dead()] == [
        None,
        "builtins.ValueError: cannot be stored",
    ]
    assert handler.values == ["good"]


async def test_too_much_poison_halts_and_nothing_more_is_acknowledged(bench: Bench) -> None:
    topic = await bench.topic("in")
    handler = Recorder(poisonous)
    async with consuming(bench, handler, [topic], limit=Limit(poison=3, of=20)) as consumer:
        await bench.send(topic, ["poison"] * 10)
        await until(lambda: consumer.health().state == "halted")
        health = consumer.health()
        assert not health.ready
        assert "Replace the deployment" in health.reason
    assert len(handler.held) == len(await bench.dead()) == 3
    assert await bench.committed(bench.group, topic) == {0: 3}


async def test_a_process_that_cannot_dead_letter_ends_and_acknowledges_nothing(
    bench: Bench, workers: Callable[..., Worker]
) -> None:
    topic = await bench.topic("in")
    await bench.send(topic, ["a", "poison", "b"])
    tiny = await bench.topic("tiny", configs={"max.message.bytes": "80"})
    worker = workers(topic, "--dead-letters", tiny)
    assert await worker.exit_code() == Exit.DEAD_LETTER
    assert worker.lines("held") == [f"{topic}/0/1"]
    assert (await bench.committed(bench.group, topic)).get(0, 0) <= 1
    assert f"{topic}/0/2" not in worker.handled
    assert "could not be dead-lettered" in worker.log.read_text("utf-8")


# Processes that die.


async def test_what_was_not_handled_comes_again_after_kill(bench: Bench, workers: Callable[..., Worker]) -> None:
    topic = await bench.topic("in", 2)
    await bench.send(topic, [str(n) for n in range(200)])
    first = workers(topic, "--pause", "0.2", "--batch", "10")
    await until(lambda: len(first.lines("handled")) >= 5)
    first.kill()
    committed = await bench.committed(bench.group, topic)
    handled = set(first.handled)
    assert sum(committed.values()) >= len(handled) - 10  # at most the last batch is handled and not committed
    assert all(f"{topic}/{p}/{n}" in handled for p, end in committed.items() for n in range(end))

    second = workers(topic, "--batch", "50", journal="second")
    await until(lambda: len(handled | set(second.handled)) == 200)
    starts = {p: min(int(r.split("/")[2]) for r in second.handled if r.split("/")[1] == str(p)) for p in (0, 1)}
    assert starts == {p: committed.get(p, 0) for p in (0, 1)}
    assert len(second.handled) == len(set(second.handled)) == 200 - sum(committed.values())
    assert await second.stop() == 0


async def test_two_processes_share_partitions_and_the_survivor_takes_over(
    bench: Bench, workers: Callable[..., Worker]
) -> None:
    topic = await bench.topic("in", 4)
    first = workers(topic, "--pause", "0.02", journal="first")
    await until(lambda: len(first.owned) == 4)
    await bench.send(topic, [str(n) for n in range(300)])
    second = workers(topic, "--pause", "0.02", journal="second")
    await until(lambda: len(first.owned) == len(second.owned) == 2)
    await bench.send(topic, [str(n) for n in range(300, 600)], start=300)
    await until(lambda: len(second.handled) > 50)
    second.kill()
    await until(lambda: len(first.owned) == 4, 40)
    await bench.send(topic, [str(n) for n in range(600, 700)], start=600)

    async def all_committed() -> bool:
        return sum((await bench.committed(bench.group, topic)).values()) == 700

    await until(all_committed, 60, every=0.3)
    assert len(set(first.handled) | set(second.handled)) == 700
    assert in_order(first)
    assert in_order(second)
    assert await first.stop() == 0


def in_order(worker: Worker) -> bool:
    """Within an assignment, the offsets of a partition follow on each other, each once."""
    following: dict[str, int] = {}
    for line in worker.all_lines():
        if "assigned" in line:
            following.clear()
        for record in line.get("handled", ()):
            where, _, offset = record.rpartition("/")
            if following.get(where, int(offset)) != int(offset):
                return False
            following[where] = int(offset) + 1
    return True


async def test_a_retry_is_given_up_when_the_partition_moves(
    bench: Bench, workers: Callable[..., Worker], tmp_path: Path
) -> None:
    topic = await bench.topic("in", 2)
    trouble = tmp_path / "first.trouble"
    trouble.touch()
    first = workers(topic, journal="first")
    await bench.send(topic, [str(n) for n in range(40)])
    await until(lambda: len(first.lines("begun")) > 3)
    second = workers(topic, journal="second")
    await until(lambda: len(second.owned) == len(first.owned) == 1, 40)
    await until(lambda: {int(record.split("/")[1]) for record in second.handled} == second.owned)
    trouble.unlink()
    await until(lambda: len(set(first.handled) | set(second.handled)) == 40)
    assert await first.stop() == 0
    assert await second.stop() == 0


# Kafka itself.


async def test_consumption_goes_on_after_the_broker_was_killed(bench: Bench, workers: Callable[..., Worker]) -> None:
    topic = await bench.topic("in", 2)
    worker = workers(topic)
    await bench.send(topic, [str(n) for n in range(50)])
    await until(lambda: len(worker.handled) == 50)
    await asyncio.to_thread(bench.broker.kill)
    await asyncio.to_thread(bench.broker.start)
    async with Producer(bench.settings, deadline=60) as producer:
        for number in range(50, 100):
            await producer.send(topic, str(number).encode(), str(number).encode())

    def revived() -> Worker:
        nonlocal worker
        if worker.process.poll() is not None:  # what the supervisor does
            assert worker.process.returncode in set(Exit)
            worker = workers(topic)
        return worker

    seen: set[str] = set()

    def all_seen() -> bool:
        seen.update(revived().handled)
        return len(seen) == 100

    await until(all_seen, 120)
    assert await worker.stop() == 0
    assert sum((await bench.committed(bench.group, topic)).values()) == 100


async def test_a_worker_that_fetches_nothing_ends_itself_but_an_idle_one_does_not(
    bench: Bench, workers: Callable[..., Worker]
) -> None:
    topic, quiet = await bench.topic("in"), await bench.topic("quiet")
    deaf = workers(topic, "--deaf", "--stall", "3", journal="deaf")
    idle = workers(quiet, "--stall", "1", journal="idle", group=f"{bench.group}-idle")
    await until(lambda: deaf.owned and idle.owned)
    await bench.send(topic, ["a"])
    assert await deaf.exit_code(60) == Exit.STUCK
    assert "do not arrive" in deaf.log.read_text("utf-8")
    assert idle.process.poll() is None
    await bench.send(quiet, ["still here"])
    await until(lambda: len(idle.handled) == 1)


# The producer.


async def test_the_producer_says_when_kafka_is_away_and_goes_on_when_it_is_back(bench: Bench) -> None:
    topic = await bench.topic("out")
    async with Producer(bench.settings, deadline=3) as producer:
        await producer.send(topic, b"1", b"before")
        await asyncio.to_thread(bench.broker.kill)
        began = time.monotonic()
        with pytest.raises(KafkaUnavailable):
            await producer.send(topic, b"2", b"lost or not")
        assert time.monotonic() - began < 5
        await asyncio.to_thread(bench.broker.start)
        await producer.send_all(
            [Message(topic=topic, key=b"k", value=str(n).encode()) for n in range(500)], deadline=60
        )
    values = [record.value.decode() for record in await bench.read(topic)]
    assert values[0] == "before"
    assert [value for value in values if value.isdigit()] == [str(n) for n in range(500)]


async def test_the_producer_tells_a_refusal_from_an_outage(bench: Bench) -> None:
    topic = await bench.topic("out")
    async with Producer(bench.settings, deadline=4) as producer:
        with pytest.raises(KafkaRefused, match="UnknownTopic"):
            await producer.send(f"missing-{bench.tag}", None, b"x")
        with pytest.raises(KafkaRefused, match="TooLarge"):
            await producer.send(topic, None, b"x" * 2_000_000)
        await producer.send(topic, None, b"small")
    assert [record.value for record in await bench.read(topic)] == [b"small"]
