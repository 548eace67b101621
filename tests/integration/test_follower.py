"""The follower's loop on the real engines: duplicates, gaps, holes, poison, and never on over a hole.

`handle` is called with the records that Kafka would bring, so that each test says exactly what arrives and when; the
last tests go through Kafka itself.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from connectors.kafka.consume import Backoff, Consumer, Reason
from connectors.kafka.consume import Record as KafkaRecord
from connectors.kafka.settings import KafkaSettings
from connectors.postgres.pool import Connection, transient
from contracts.records import Record
from services.cli import dlq
from services.kernel.follower import Follower
from services.kernel.schema import schema
from services.kernel.service import Runtime
from tests.support.factory import new_exchange
from tests.support.play import MINHANG, QINGPU, Play
from tests.support.registered import EVENTS, message, moved, on_kafka, registered, runtime, store
from tests.support.serving import eventually

SERVICE = "probe"


class Notebook:
    """Writes down what it is given; what it cannot bear is poison."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []
        self.others: list[KafkaRecord] = []
        self.unbearable: set[tuple[str, int]] = set()

    async def apply(self, connection: Connection, records: Sequence[Record], others: Sequence[KafkaRecord]) -> None:
        found = [(record.exchange, record.sequence) for record in records]
        if self.unbearable & set(found):
            raise ValueError("unbearable")
        self.seen += found
        self.others += others

    def committed(self) -> None:
        pass

    def of(self, exchange: str) -> list[int]:
        return [sequence for found, sequence in self.seen if found == exchange]


@pytest.fixture
async def around(kafka: KafkaSettings, database: str, tmp_path: Path) -> AsyncIterator[Runtime]:
    async with runtime(kafka, database, tmp_path, [schema(SERVICE, "follower")]) as found:
        yield found


@pytest.fixture(scope="module")
def five() -> list[Record]:
    play = Play("transfer").given(
        (MINHANG, "transfer.sent"),
        (QINGPU, "transfer.receipted"),
        (QINGPU, "transfer.accepted"),
        (MINHANG, "common.chased"),
        (MINHANG, "common.chased"),
    )
    return registered(play)


def exchange_of(records: Sequence[Record]) -> tuple[str, list[Record]]:
    """The same events in a fresh exchange."""
    exchange = new_exchange()
    return exchange, [moved(record, exchange) for record in records]


def follower(around: Runtime, notebook: Notebook, recover_every: float = 60) -> Follower:
    return Follower(around, SERVICE, notebook, [EVENTS], hop=9, recover_every=recover_every)


async def stopped(around: Runtime) -> dict[str, tuple[int, bool]]:
    async with around.pool.connection() as connection:
        rows = await (await connection.execute("SELECT exchange::text, sequence, poison FROM probe.stopped")).fetchall()
    return {exchange: (sequence, poison) for exchange, sequence, poison in rows}


async def test_takes_in_each_event_once_and_in_order(around: Runtime, five: list[Record]) -> None:
    notebook = Notebook()
    one, other = exchange_of(five), exchange_of(five)
    subject = follower(around, notebook)
    mixed = [record for pair in zip(one[1], other[1], strict=True) for record in pair]
    await subject.handle([on_kafka(record) for record in mixed[:6]])
    await subject.handle([on_kafka(record) for record in mixed[4:]])
    await subject.handle([on_kafka(record) for record in mixed])
    assert notebook.of(one[0]) == notebook.of(other[0]) == [1, 2, 3, 4, 5]
    assert await stopped(around) == {}


async def test_others_come_along_with_the_batch(around: Runtime, five: list[Record]) -> None:
    notebook = Notebook()
    await follower(around, notebook).handle([on_kafka(five[0]), on_kafka(b"{}", topic="outcomes")])
    assert notebook.of(five[0].exchange) == [1]
    assert [item.topic for item in notebook.others] == ["outcomes"]


async def test_a_gap_is_said_and_closed_from_the_store(around: Runtime, five: list[Record]) -> None:
    notebook = Notebook()
    exchange, records = exchange_of(five)
    await store(around, records)
    subject = follower(around, notebook)
    await subject.handle([on_kafka(records[0])])
    with capture_logs() as logs:
        await subject.handle([on_kafka(records[3])])
    assert notebook.of(exchange) == [1, 2, 3, 4, 5]
    assert await stopped(around) == {}
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("gap", "error"),
        ("gap recovered", "warning"),
        *[("followed", "info")] * 4,
    ]
    assert (logs[0]["expected"], logs[0]["seen"]) == (2, 4)
    await subject.handle([on_kafka(records[4])])
    assert notebook.of(exchange) == [1, 2, 3, 4, 5]


async def test_a_hole_in_the_store_stops_that_exchange_and_no_other(around: Runtime, five: list[Record]) -> None:
    notebook = Notebook()
    (broken, records), (whole, others) = exchange_of(five), exchange_of(five)
    await store(around, [records[0], records[2]])
    subject = follower(around, notebook)
    await subject.handle([on_kafka(records[0]), on_kafka(records[2]), on_kafka(others[0])])
    await subject.handle([on_kafka(records[3]), on_kafka(others[1])])
    assert notebook.of(broken) == [1]
    assert notebook.of(whole) == [1, 2]
    assert await stopped(around) == {broken: (4, False)}


async def test_a_stopped_exchange_is_recovered_when_the_store_has_what_it_misses(
    around: Runtime, five: list[Record]
) -> None:
    notebook = Notebook()
    exchange, records = exchange_of(five)
    await store(around, [records[0]])
    subject = follower(around, notebook, recover_every=0.05)
    await subject.handle([on_kafka(records[0]), on_kafka(records[2])])
    await subject.start()
    try:
        await asyncio.sleep(0.3)
        # Nothing new in the store is no recovery.
        assert await stopped(around) == {exchange: (3, False)}
        await store(around, [records[1]])
        await asyncio.sleep(0.3)
        # What was seen on Kafka and is not in the store must not be forgotten.
        assert await stopped(around) == {exchange: (3, False)}
        await store(around, records[2:4])
        await eventually(lambda: notebook.of(exchange) == [1, 2, 3, 4])
    finally:
        await subject.stop()
    assert await stopped(around) == {}
    await subject.handle([on_kafka(records[4])])
    assert notebook.of(exchange) == [1, 2, 3, 4, 5]


async def test_one_exchange_that_cannot_be_recovered_does_not_hold_up_another(
    around: Runtime, five: list[Record]
) -> None:
    notebook = Notebook()
    pair = sorted([exchange_of(five), exchange_of(five)])
    (first, records), (second, others) = pair
    subject = follower(around, notebook, recover_every=0.05)
    await subject.handle([on_kafka(records[1]), on_kafka(others[1])])
    notebook.unbearable.add((first, 1))
    await store(around, [*records[:2], *others[:2]])
    await subject.start()
    try:
        await eventually(lambda: notebook.of(second) == [1, 2])
        assert notebook.of(first) == []
        notebook.unbearable.clear()
        await eventually(lambda: notebook.of(first) == [1, 2])
    finally:
        await subject.stop()


async def test_poison_stops_until_it_is_put_back_and_then_catches_up(around: Runtime, five: list[Record]) -> None:
    notebook = Notebook()
    exchange, records = exchange_of(five)
    await store(around, records)
    subject = follower(around, notebook, recover_every=0.05)
    notebook.unbearable.add((exchange, 2))
    await subject.handle([on_kafka(records[0])])
    with pytest.raises(ValueError, match="unbearable"):
        await subject.handle([on_kafka(records[1])])
    await subject.hold(on_kafka(records[1]), Reason("ValueError", "unbearable"))
    await subject.handle([on_kafka(records[2]), on_kafka(records[3])])
    assert notebook.of(exchange) == [1]
    assert await stopped(around) == {exchange: (2, True)}
    notebook.unbearable.clear()
    await subject.start()
    await asyncio.sleep(0.2)
    await subject.stop()
    assert notebook.of(exchange) == [1]  # only an operator puts it back
    await subject.handle([on_kafka(records[1])])
    assert notebook.of(exchange) == [1, 2, 3, 4, 5]
    assert await stopped(around) == {}


async def test_poison_that_shows_only_while_a_gap_is_closed_can_be_put_back(
    around: Runtime, five: list[Record]
) -> None:
    """The record that is dead-lettered is not the one that is unbearable."""
    notebook = Notebook()
    exchange, records = exchange_of(five)
    await store(around, records)
    subject = follower(around, notebook)
    notebook.unbearable.add((exchange, 2))
    await subject.handle([on_kafka(records[0])])
    with pytest.raises(ValueError, match="unbearable"):
        await subject.handle([on_kafka(records[3])])
    await subject.hold(on_kafka(records[3]), Reason("ValueError", "unbearable"))
    notebook.unbearable.clear()
    await subject.handle([on_kafka(records[4])])
    assert notebook.of(exchange) == [1]
    await subject.handle([on_kafka(records[3])])
    assert notebook.of(exchange) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("value", [b"{", b"{}", b"[]", b'{"event":{},"receipt":{},"standing":{}}'])
async def test_what_is_no_record_is_poison_and_stops_nothing(around: Runtime, value: bytes) -> None:
    subject = follower(around, Notebook())
    with pytest.raises(ValueError, match="validation error"):
        await subject.handle([on_kafka(value)])
    await subject.hold(on_kafka(value), Reason("ValueError", "no record"))
    assert await stopped(around) == {}


async def test_two_workers_share_an_exchange_without_doubling(around: Runtime, five: list[Record]) -> None:
    """As while a rebalance hands a partition over: both take in the same records at the same time."""
    notebook = Notebook()
    threads = [exchange_of(five) for _ in range(20)]
    batches = [[on_kafka(record) for _, records in threads for record in records[:n]] for n in (3, 5, 4, 5)]
    await asyncio.gather(*(follower(around, notebook).handle(batch) for batch in batches))
    for exchange, _ in threads:
        assert notebook.of(exchange) == [1, 2, 3, 4, 5]


@pytest.mark.timeout(180)
async def test_through_kafka_poison_is_dead_lettered_and_put_back_by_the_operator(
    around: Runtime, five: list[Record], prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = Notebook()
    (bad, records), (good, others) = exchange_of(five), exchange_of(five)
    notebook.unbearable.add((bad, 2))
    await store(around, [*records, *others])
    subject = follower(around, notebook)
    consumer = Consumer(
        group=prefix,
        topics=[EVENTS],
        handler=subject,
        settings=around.kafka,
        transient=transient,
        backoff=Backoff(first=0.02, cap=0.1),
    )
    await consumer.start()
    try:
        mixed = [record for pair in zip(records, others, strict=True) for record in pair]
        await around.producer.send_all([message(record) for record in mixed])
        await eventually(lambda: notebook.of(good) == [1, 2, 3, 4, 5])
        await eventually(lambda: consumer.health().dead == 1)
        assert notebook.of(bad) == [1]
        assert (await stopped(around))[bad] == (2, True)
        notebook.unbearable.clear()
        (letter,) = [item for item in await asyncio.to_thread(dlq.letters, around.kafka) if item.letter.group == prefix]
        await asyncio.to_thread(dlq.retry, around.kafka, [letter])
        await eventually(lambda: notebook.of(bad) == [1, 2, 3, 4, 5])
        assert bad not in await stopped(around)
    finally:
        await consumer.stop()
