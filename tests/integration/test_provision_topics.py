"""Provisioning on a real broker: create, verify, refuse; and the independent reader."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]

from connectors.errors import ConnectorError, ProvisionError
from connectors.kafka.provision import Difference, Report, TopicsDifferError, TopicSpec, ensure
from connectors.kafka.reader import iterate, read_all
from connectors.kafka.settings import KafkaSettings
from connectors.process import free_port

CONFIG = {"retention.ms": "604800000", "cleanup.policy": "delete"}


def test_missing_topics_are_created_and_then_found_right(kafka: KafkaSettings, prefix: str) -> None:
    specs = [TopicSpec(f"{prefix}.events", 4, config=CONFIG), TopicSpec(f"{prefix}.outcomes", 2)]
    names = tuple(spec.name for spec in specs)

    assert ensure(kafka, specs) == Report(created=names, verified=())
    assert ensure(kafka, specs) == Report(created=(), verified=names)

    more = TopicSpec(f"{prefix}.deliveries", 1, replication_factor=1)
    assert ensure(kafka, [*specs, more]) == Report(created=(more.name,), verified=names)


def test_every_difference_is_named_and_nothing_is_changed(kafka: KafkaSettings, prefix: str) -> None:
    events, missing = f"{prefix}.events", f"{prefix}.missing"
    ensure(kafka, [TopicSpec(events, 4, config=CONFIG)])
    other = TopicSpec(events, 8, replication_factor=3, config={**CONFIG, "retention.ms": "1"})

    with pytest.raises(TopicsDifferError, match="nothing was changed") as refusal:
        ensure(kafka, [other, TopicSpec(missing, 1)])

    assert refusal.value.differences == (
        Difference(events, "partitions", "8", "4"),
        Difference(events, "replication factor", "3", "1"),
        Difference(events, "retention.ms", "1", "604800000"),
    )
    assert f"{events}: partitions should be 8 but is 4" in str(refusal.value)
    assert ensure(kafka, [TopicSpec(events, 4, config=CONFIG), TopicSpec(missing, 1)]).created == (missing,)


def test_several_processes_may_provision_at_once(kafka: KafkaSettings, prefix: str) -> None:
    specs = [TopicSpec(f"{prefix}.{number}", 1) for number in range(3)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: ensure(kafka, specs), range(4)))
    assert ensure(kafka, specs).created == ()


def test_more_copies_than_brokers_are_refused_unless_by_default(kafka: KafkaSettings, prefix: str) -> None:
    with pytest.raises(ProvisionError, match=r"InvalidReplicationFactor"):
        ensure(kafka, [TopicSpec(f"{prefix}.exact", 1, replication_factor=3)])
    assert ensure(kafka, [TopicSpec(f"{prefix}.default", 1)]).created


def test_an_unknown_setting_is_refused(kafka: KafkaSettings, prefix: str) -> None:
    with pytest.raises(ProvisionError, match=r"no\.such\.setting"):
        ensure(kafka, [TopicSpec(f"{prefix}.events", 1, config={"no.such.setting": "1"})])


def test_nobody_there_is_said_with_the_address() -> None:
    nobody = KafkaSettings(bootstrap=f"127.0.0.1:{free_port()}")
    with pytest.raises(ProvisionError, match=nobody.bootstrap):
        ensure(nobody, [], timeout_ms=500)


async def test_the_reader_gets_everything_in_order_by_partition(kafka: KafkaSettings, prefix: str) -> None:
    topic = f"{prefix}.events"
    ensure(kafka, [TopicSpec(topic, 2)])
    assert read_all(kafka, topic) == []

    async with AIOKafkaProducer(**kafka.aiokafka(), transactional_id=prefix) as producer, producer.transaction():
        for number in range(10):
            await producer.send(topic, b"%d" % number, key=b"k", partition=number % 2, headers=[("h", b"1")])

    records = read_all(kafka, topic)
    assert [[int(r.value or b"") for r in records if r.partition == p] for p in (0, 1)] == [
        [0, 2, 4, 6, 8],
        [1, 3, 5, 7, 9],
    ]
    assert {record.headers for record in records} == {(("h", b"1"),)}
    assert [record.offset for record in iterate(kafka, topic) if record.partition == 0] == [0, 1, 2, 3, 4]


def test_the_reader_refuses_a_topic_that_does_not_exist(kafka: KafkaSettings, prefix: str) -> None:
    with pytest.raises(ConnectorError, match=prefix):
        read_all(kafka, prefix)
