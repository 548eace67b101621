"""Registered events as the registrar would have made them, and what a follower needs around it.

records = registered(Play("transfer").given((MINHANG, "transfer.sent"), (QINGPU, "transfer.receipted")))
async with runtime(kafka, database, folder) as around: ...
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from connectors.kafka.consume import Record as KafkaRecord
from connectors.kafka.producer import Message, Producer
from connectors.kafka.provision import ensure
from connectors.kafka.settings import KafkaSettings
from connectors.postgres import migrations
from connectors.postgres.pool import open_pool
from contracts.library import Library
from contracts.records import Record, receipt
from contracts.signatures import seal
from services.cli.provisioning import topic_specs
from services.kernel.kinds import registrars
from services.kernel.schema import schema
from services.kernel.service import Runtime
from services.kernel.settings import Settings
from services.kernel.store import Row, Store
from tests.support.factory import BUS, key, overlay
from tests.support.play import Play

EVENTS = "events.transfers"


def registered(play: Play) -> list[Record]:
    """The records of everything that was stated, with the bus's receipts."""
    return [_received(play.record(number)) for number in range(1, len(play.log) + 1)]


def _received(record: Record) -> Record:
    sealed = seal(receipt(record.event, BUS, record.standing.home), key(BUS))
    return record.model_copy(update={"receipt": sealed})


def moved(record: Record, exchange: str) -> Record:
    """The same event in another exchange; its signature does not count any more."""
    return record.model_copy(update={"event": {**record.event, "exchange": exchange}})


def on_kafka(record: Record | bytes, offset: int = 0, topic: str = EVENTS) -> KafkaRecord:
    """A record as the consumer hands it over."""
    value = record if isinstance(record, bytes) else record.to_bytes()
    return KafkaRecord(
        topic=topic, partition=0, offset=offset, key=None, value=value, headers={}, timestamp=datetime.now(UTC)
    )


def message(record: Record) -> Message:
    """A record as the registrar sends it."""
    return Message(topic=EVENTS, key=record.exchange.encode(), value=record.to_bytes())


async def store(around: Runtime, records: Sequence[Record]) -> None:
    """Put records into the registrar's store."""
    rows = [
        Row(
            (str(record.event["source"]), f"{record.exchange}/{record.sequence}"),
            record,
            datetime.fromisoformat(str(record.event["recordedtime"])),
        )
        for record in records
    ]
    async with around.pool.connection() as connection:
        await Store("transfers", around.pool).add_events(connection, rows)


def registrar_schemas() -> list[migrations.Schema]:
    """The schemas of all registrars but transfers, which is always there."""
    return [schema(name, "outbox", "registrar") for name in registrars() if name != "transfers"]


@asynccontextmanager
async def runtime(
    kafka: KafkaSettings, database: str, folder: Path, schemas: Sequence[migrations.Schema]
) -> AsyncGenerator[Runtime, None]:
    """What a service shares, on real engines: topics, the registrar's schema and the given ones.

    Who reads every registrar's store needs their schemas too: `registrar_schemas()`.
    """
    contracts = overlay(folder / "contracts")
    ensure(kafka, topic_specs(contracts))
    migrations.provision(database, [schema("transfers", "outbox", "registrar"), *schemas])
    settings = Settings(bus=BUS, contracts=contracts, postgres=database)
    async with open_pool(database) as pool, Producer(kafka, deadline=5) as producer:
        yield Runtime(settings, kafka, Library(contracts), key(BUS), pool, producer)
