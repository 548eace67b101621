"""Registrar and clocks on the real engines, in one process, at a legal time that the test sets.

Copies are delivered by hand, so that each test says what arrived and when.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, LiteralString

import pytest
from aiokafka import TopicPartition  # type: ignore[import-untyped]
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete  # type: ignore[import-untyped]

from connectors.errors import KafkaUnavailable
from connectors.kafka.broker import EmbeddedKafka
from connectors.kafka.producer import Message, Producer
from connectors.kafka.progress import Progress
from connectors.kafka.provision import TopicSpec, ensure
from connectors.kafka.reader import read_all
from connectors.kafka.settings import KafkaSettings
from connectors.postgres import migrations
from contracts.calendar import SHANGHAI
from contracts.canonical import Document
from contracts.deliveries import StageReached
from contracts.kinds import KindContract, collect
from contracts.library import Library
from contracts.records import Record
from contracts.topics import DELIVERIES, Topic, Topics
from services.clocks import crier
from services.clocks.app import SCHEMA, Clocks
from services.clocks.keeper import Keeper
from services.kernel.outbox import Outbox
from services.kernel.registrar_service import RegistrarService
from services.kernel.schema import schema
from services.kernel.service import Runtime, Service
from services.kernel.stages import add_stages
from services.kernel.store import Store
from services.kernel.submitting import submission
from services.kernel.watermark import Watermark
from tests.support.factory import BUS, event, fact, new_exchange
from tests.support.play import MINHANG, POLICE, QINGPU
from tests.support.registered import registrar_schemas, runtime
from tests.support.serving import eventually

MONDAY = datetime(2026, 11, 2, 9, tzinfo=SHANGHAI)
GRACE = timedelta(minutes=1)
DUE = datetime(2026, 11, 4, tzinfo=SHANGHAI)
SUBMISSIONS = "submissions.transfers"

NOTICE = """
versions:
  - year: 2027
    version: 1
    announced: 2026-12-30
    source: SYN notice (invented)
    holidays:
      - {name: 元旦, from: 2027-01-01, to: 2027-01-03}
      - {name: 春节, from: 2027-01-04, to: 2027-01-06}
"""

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def kafka(scratch: Path) -> Iterator[KafkaSettings]:
    """A broker on which nobody else has left submissions."""
    with EmbeddedKafka(scratch / "kafka-of-clocks") as engine:
        yield engine.settings


@dataclass
class Legal:
    """Legal time, which stands where it was set."""

    now: datetime = MONDAY

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Bus:
    """A registrar and clocks, and hands in the places of gateway and delivery."""

    around: Runtime
    legal: Legal
    folder: Path

    async def state(
        self, source: str, name: str, exchange: str, /, *, at: datetime | None = None, **members: Any
    ) -> None:
        """What a gateway does; `at`: when it took the fact, if that was not now."""
        message, _ = self.message(source, name, exchange, at or self.legal.now, members)
        await self.around.producer.send_all([message])

    def message(
        self, source: str, name: str, exchange: str, at: datetime, members: Mapping[str, Any]
    ) -> tuple[Message, Document]:
        kind = "referral" if name.startswith("referral") else members.get("kind", "transfer")
        stated = fact(name, None, **{key: value for key, value in members.items() if key != "kind"})
        document = event(source, stated, exchange=exchange, kind=kind, time=at)
        return submission(document, at, self.around.bus_key, SUBMISSIONS)

    async def records(self, exchange: str, kind: str = "transfer") -> list[Record]:
        found = await Store("transfers", self.around.pool).exchanges([(kind, exchange)])
        return found.get((kind, exchange), [])

    async def facts(self, exchange: str, kind: str = "transfer") -> list[str]:
        return [str(record.event["type"]).split(".")[3] for record in await self.records(exchange, kind)]

    async def registered(self, exchange: str, *names: str, kind: str = "transfer") -> list[Record]:
        """Wait until these are the facts of an exchange, in order."""

        async def look() -> bool:
            return await self.facts(exchange, kind) == list(names)

        try:
            await eventually(look, 20)
        except TimeoutError:
            assert await self.facts(exchange, kind) == list(names)
        return await self.records(exchange, kind)

    async def deliver(self, exchange: str, sequence: int, recipient: str, kind: str = "transfer") -> None:
        stage = StageReached(
            bus=BUS,
            kind=kind,
            exchange=exchange,
            sequence=sequence,
            recipient=recipient,
            stage="delivered",
            time=self.legal.now,
        )
        async with self.around.pool.connection() as connection:
            await add_stages(connection, [stage])
        await self.around.producer.send_all([Message(topic=DELIVERIES, key=exchange.encode(), value=stage.to_bytes())])

    async def clocks(self, *exchanges: str) -> list[tuple[Any, ...]]:
        return await self.table(
            "SELECT rule, started_by, agency, due, state, stopped_by, warned, expired, annulled, next_at"
            " FROM clocks.clocks WHERE exchange = ANY(%s::uuid[]) ORDER BY exchange, rule, started_by, agency",
            list(exchanges),
        )

    async def clock(self, exchange: str, rule: str) -> tuple[Any, ...] | None:
        return next((row for row in await self.clocks(exchange) if row[0] == rule), None)

    async def table(self, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        async with self.around.pool.connection() as connection:
            return await (await connection.execute(query, values)).fetchall()

    async def kept(self, exchange: str, rule: str) -> datetime:
        """Wait until a clock is kept; when it is due."""
        row: Any = await eventually(lambda: self.clock(exchange, rule))
        assert isinstance(row[3], datetime)
        return row[3]


@asynccontextmanager
async def run(*services: Service) -> AsyncGenerator[None]:
    await asyncio.gather(*(service.start() for service in services))
    try:
        yield
    finally:
        await asyncio.gather(*(service.stop() for service in services))


def registrar(bus: Bus) -> RegistrarService:
    return RegistrarService(bus.around, "transfers")


@pytest.fixture
async def still(kafka: KafkaSettings, database: str, tmp_path: Path) -> AsyncIterator[Bus]:
    """Nothing runs yet."""
    schemas = [SCHEMA, schema("delivery", "outbox", "follower")]
    async with runtime(kafka, database, tmp_path, schemas) as around:
        legal = Legal()
        yield Bus(replace(around, clock=legal), legal, tmp_path)


@pytest.fixture
async def bus(still: Bus) -> AsyncIterator[Bus]:
    async with run(registrar(still), Clocks(still.around)):
        yield still


async def opened(bus: Bus) -> str:
    """A transfer of Monday that has been delivered and not yet signed for: due at the end of Tuesday."""
    exchange = new_exchange()
    await bus.state(MINHANG, "transfer.sent", exchange)
    await bus.registered(exchange, "sent")
    await bus.deliver(exchange, 1, QINGPU)
    assert await bus.kept(exchange, "TR-01") == DUE
    return exchange


async def received(bus: Bus) -> str:
    """A referral that the police have just received: they decide within three days."""
    exchange, now = new_exchange(), bus.legal.now.isoformat()
    await bus.state(MINHANG, "referral.reported", exchange, reported_at=now)
    await bus.state(MINHANG, "referral.approved", exchange, approved_at=now)
    await bus.state(MINHANG, "referral.sent", exchange, approved_at=now)
    await bus.state(POLICE, "referral.receipted", exchange)
    await bus.registered(exchange, "reported", "approved", "sent", "receipted", kind="referral")
    await bus.kept(exchange, "RX-07")
    return exchange


def data(record: Record) -> dict[str, Any]:
    found = record.event["data"]
    assert isinstance(found, dict)
    return found


async def test_a_duty_is_warned_of_and_met(bus: Bus) -> None:
    exchange, other = await opened(bus), await opened(bus)
    bus.legal.now = DUE - timedelta(hours=12)
    _, warned = await bus.registered(exchange, "sent", "clock_warned")
    told = data(warned)
    assert (told["rule"], told["agency"], told["started_by"], told["late"]) == ("TR-01", QINGPU, 1, False)
    assert warned.event["acceptedtime"] == warned.event["recordedtime"] == "2026-11-03T04:00:00.000000Z"
    assert warned.event["source"] == BUS
    await bus.state(QINGPU, "transfer.receipted", exchange)
    await bus.registered(exchange, "sent", "clock_warned", "receipted")
    bus.legal.now = DUE + GRACE
    await bus.registered(other, "sent", "clock_warned", "clock_expired")
    assert await bus.facts(exchange) == ["sent", "clock_warned", "receipted"]
    met = await bus.clock(exchange, "TR-01")
    assert met is not None
    assert met[4:] == ("met", 3, 2, None, None, None)


async def test_a_duty_expires_after_the_grace_and_its_late_act_is_late(bus: Bus) -> None:
    exchange = await opened(bus)
    bus.legal.now = DUE + GRACE
    *_, expired = await bus.registered(exchange, "sent", "clock_warned", "clock_expired")
    assert datetime.fromisoformat(str(expired.event["time"])) == DUE
    assert data(expired)["late"] is False
    await bus.state(QINGPU, "transfer.receipted", exchange)
    await eventually(lambda: in_state(bus, exchange, "TR-01", "late"))


async def in_state(bus: Bus, exchange: str, rule: str, state: str) -> bool:
    row = await bus.clock(exchange, rule)
    return row is not None and row[4] == state


async def test_nothing_is_said_before_the_grace_is_over(bus: Bus) -> None:
    exchange = await opened(bus)
    bus.legal.now = DUE + GRACE - timedelta(microseconds=1)
    await bus.registered(exchange, "sent", "clock_warned")
    row = await eventually(lambda: warned(bus, exchange))
    assert row == DUE + GRACE


async def warned(bus: Bus, exchange: str) -> datetime | None:
    """What comes next, once the warning has been followed."""
    row = await bus.clock(exchange, "TR-01")
    assert row is not None
    return row[9] if row[6] is not None else None


async def test_an_expiry_is_annulled_when_an_act_that_was_accepted_in_time_arrives(bus: Bus) -> None:
    exchange = await opened(bus)
    bus.legal.now = DUE + GRACE
    await bus.registered(exchange, "sent", "clock_warned", "clock_expired")
    await bus.state(QINGPU, "transfer.receipted", exchange, at=DUE - timedelta(seconds=1))
    found = await bus.registered(
        exchange, "sent", "clock_warned", "clock_expired", "receipted", "clock_expiry_annulled"
    )
    told = data(found[-1])
    assert (told["expiry"], told["act"]) == (3, 4)
    await eventually(lambda: followed(bus, exchange, 5))
    clock = await bus.clock(exchange, "TR-01")
    assert clock is not None
    assert clock[4:] == ("met", 4, 2, 3, 5, None)


async def test_an_extension_that_the_rule_grants_is_stated_by_the_bus(bus: Bus) -> None:
    exchange = await received(bus)
    await bus.state(POLICE, "common.extension_requested", exchange, kind="referral", new_date="2026-11-20")
    names = ("reported", "approved", "sent", "receipted", "extension_requested", "extension_granted")
    *_, granted = await bus.registered(exchange, *names, kind="referral")
    said = {"new_date": "2026-11-20", "rule": "RX-07", "agency": POLICE}
    assert (granted.event["source"], data(granted)) == (BUS, said)
    await eventually(lambda: due_at(bus, exchange, "RX-07", datetime(2026, 11, 21, tzinfo=SHANGHAI)))


async def due_at(bus: Bus, exchange: str, rule: str, due: datetime) -> bool:
    return await bus.kept(exchange, rule) == due


async def test_a_clock_stands_still_while_a_supplement_is_awaited(bus: Bus) -> None:
    exchange, other = await opened(bus), await opened(bus)
    for one in (exchange, other):
        await bus.state(QINGPU, "transfer.receipted", one)
        await bus.registered(one, "sent", "receipted")
    await bus.state(QINGPU, "transfer.supplement_requested", exchange, reply_by="2026-11-20")
    await bus.registered(exchange, "sent", "receipted", "supplement_requested")
    await eventually(lambda: in_state(bus, exchange, "TR-02", "suspended"))
    bus.legal.now = await bus.kept(other, "TR-02") + GRACE
    await bus.registered(other, "sent", "receipted", "clock_warned", "clock_expired")
    assert await bus.facts(exchange) == ["sent", "receipted", "supplement_requested"]


@pytest.mark.parametrize("by_file", [False, True])
async def test_a_calendar_that_is_announced_moves_what_runs(still: Bus, *, by_file: bool) -> None:
    """As a file of the contracts folder that appears, or as the one local file, which is replaced."""
    appears = still.folder / "contracts" / "calendars" / "2027.yaml"
    if by_file:
        appears = still.folder / "calendar.yaml"
        appears.write_text(NOTICE.replace("2027", "2028").replace("2026", "2027"), encoding="utf-8")
        library = Library(still.folder / "contracts", calendar_file=appears)
        still = replace(still, around=replace(still.around, library=library))
    still.legal.now = datetime(2026, 12, 29, 9, tzinfo=SHANGHAI)
    async with run(registrar(still), Clocks(still.around)):
        exchange = await received(still)
        assert await still.kept(exchange, "RX-07") == datetime(2027, 1, 5, tzinfo=SHANGHAI)
        appears.parent.mkdir(exist_ok=True)
        appears.write_text(NOTICE, encoding="utf-8")
        names = ("reported", "approved", "sent", "receipted", "clock_recomputed")
        *_, moved = await still.registered(exchange, *names, kind="referral")
        assert data(moved)["was_due"] == "2027-01-05T00:00:00+08:00"
        assert data(moved)["calendar"] == "2027.1 SYN notice (invented)"
        await eventually(lambda: due_at(still, exchange, "RX-07", datetime(2027, 1, 8, tzinfo=SHANGHAI)))
        still.legal.now = datetime(2027, 1, 8, tzinfo=SHANGHAI) + GRACE
        await still.registered(exchange, *names, "clock_warned", "clock_expired", kind="referral")


async def test_a_calendar_that_came_while_nobody_kept_clocks_moves_them_at_the_start(still: Bus) -> None:
    still.legal.now = datetime(2026, 12, 29, 9, tzinfo=SHANGHAI)
    async with run(registrar(still)):
        async with run(Clocks(still.around)):
            exchange = await received(still)
        appears = still.folder / "contracts" / "calendars" / "2027.yaml"
        appears.parent.mkdir()
        appears.write_text(NOTICE, encoding="utf-8")
        async with run(Clocks(still.around)):
            names = ("reported", "approved", "sent", "receipted", "clock_recomputed")
            await still.registered(exchange, *names, kind="referral")


async def test_an_expiry_waits_until_everything_accepted_before_is_registered(
    still: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[datetime]()
    reached = Watermark.reached

    async def watched(self: Watermark, moment: datetime) -> datetime | None:
        asked.append(moment)
        return await reached(self, moment)

    monkeypatch.setattr(Watermark, "reached", watched)
    async with run(Clocks(still.around)):
        async with run(registrar(still)):
            exchange, silent = await opened(still), await opened(still)
            still.legal.now = DUE - timedelta(hours=12)
            for one in (exchange, silent):
                await still.registered(one, "sent", "clock_warned")
        await still.state(QINGPU, "transfer.receipted", exchange)
        still.legal.now = DUE + GRACE
        asked.clear()
        await eventually(lambda: len(asked) > 3)
        said = await still.table("SELECT id FROM clocks.said WHERE id LIKE 'clock-expired-%%' AND %s", True)
        assert said == []
        async with run(registrar(still)):
            await still.registered(silent, "sent", "clock_warned", "clock_expired")
            assert await still.facts(exchange) == ["sent", "clock_warned", "receipted"]
        said = await still.table("SELECT exchange::text FROM clocks.said WHERE id LIKE 'clock-expired-%%' AND %s", True)
        assert said == [(silent,)]


async def test_after_an_outage_everything_is_said_once_in_order_and_marked_late(still: Bus) -> None:
    async with run(registrar(still)):
        async with run(Clocks(still.around)):
            exchanges = [await opened(still) for _ in range(4)]
        still.legal.now = DUE + timedelta(days=2)
        for _ in range(2):
            async with run(Clocks(still.around)):
                for exchange in exchanges:
                    found = await still.registered(exchange, "sent", "clock_warned", "clock_expired")
                    assert [data(record)["late"] for record in found[1:]] == [True, True]
                    assert [data(record)["due"] for record in found[1:]] == ["2026-11-04T00:00:00+08:00"] * 2
    sent = await submitted(still)
    assert len(sent) == len(set(sent)) == 8


async def submitted(bus: Bus) -> list[str]:
    """The ids of all words about clocks on Kafka that are in this test's store."""
    ids = {str(row[0]) for row in await bus.table("SELECT id FROM clocks.said WHERE %s", True)}
    found = await asyncio.to_thread(read_all, bus.around.kafka, SUBMISSIONS)
    events = [json.loads(record.value)["event"] for record in found if record.value is not None]
    return [item["id"] for item in events if item["id"] in ids]


async def test_the_order_is_kept_over_all_exchanges(still: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crier, "_AT_ONCE", 3)
    async with run(registrar(still)):
        async with run(Clocks(still.around)):
            for number in range(8):
                still.legal.now = MONDAY + timedelta(days=number % 2)
                exchange = new_exchange()
                await still.state(MINHANG, "transfer.sent", exchange)
                await still.registered(exchange, "sent")
                await still.deliver(exchange, 1, QINGPU)
                await still.kept(exchange, "TR-01")
        still.legal.now = MONDAY + timedelta(days=9)
        with monkeypatch.context() as context:

            async def kept_back(*_: object) -> int:
                return 0

            context.setattr(Outbox, "drain", kept_back)
            async with run(Clocks(still.around)):
                await eventually(lambda: count(still, "clocks.outbox", 16))
        rows = await still.table("SELECT value FROM clocks.outbox WHERE %s ORDER BY id", True)
        times = [datetime.fromisoformat(json.loads(row[0])["event"]["time"]) for row in rows]
        facts = [json.loads(row[0])["event"]["type"].split(".")[3] for row in rows]
        at = [
            time + (GRACE if name == "clock_expired" else timedelta()) for time, name in zip(times, facts, strict=True)
        ]
        assert at == sorted(at)
        async with run(Clocks(still.around)):
            await eventually(lambda: count(still, "clocks.outbox", 0))
            await eventually(lambda: count(still, "transfers.events", 24))


async def count(bus: Bus, table: LiteralString, number: int) -> bool:
    return await bus.table(f"SELECT count(*) = %s FROM {table}", number) == [(True,)]


async def test_two_workers_say_each_word_once(still: Bus) -> None:
    async with run(registrar(still), Clocks(still.around), Clocks(still.around)):
        exchanges = [await opened(still) for _ in range(12)]
        for moment in (DUE - timedelta(hours=12), DUE + GRACE):
            still.legal.now = moment
            await eventually(lambda: nothing_due(still))
        for exchange in exchanges:
            await still.registered(exchange, "sent", "clock_warned", "clock_expired")
    sent = await submitted(still)
    assert len(sent) == len(set(sent)) == 24


async def nothing_due(bus: Bus) -> bool:
    return await bus.table("SELECT count(*) FROM clocks.clocks WHERE next_at <= %s", bus.legal.now) == [(0,)]


async def test_what_was_decided_and_not_sent_is_sent_after_a_restart(
    still: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with run(registrar(still)):
        async with run(Clocks(still.around)):
            exchange = await opened(still)

            async def away(*_: object, **__: object) -> None:
                raise KafkaUnavailable("the worker dies between commit and publication")

            with monkeypatch.context() as dying:
                dying.setattr(Producer, "send_all", away)
                still.legal.now = DUE - timedelta(hours=12)
                await eventually(lambda: count(still, "clocks.outbox", 1))
            # Before its next attempt.
        async with run(Clocks(still.around)):
            await still.registered(exchange, "sent", "clock_warned")
            await eventually(lambda: count(still, "clocks.outbox", 0))
    assert len(await submitted(still)) == 1


async def test_a_rule_that_is_gone_leaves_no_clock_behind(bus: Bus) -> None:
    exchange = await opened(bus)
    await bus.table("UPDATE clocks.clocks SET rule = 'GONE' WHERE exchange = %s RETURNING 1", exchange)
    await bus.state(QINGPU, "transfer.receipted", exchange)
    await eventually(lambda: in_state(bus, exchange, "TR-01", "met"))
    assert [row[0] for row in await bus.clocks(exchange)] == ["TR-01", "TR-02"]


async def test_the_tables_are_the_same_when_they_are_made_anew(still: Bus) -> None:
    async with run(registrar(still), Clocks(still.around)):
        silent, annulled, moved = await opened(still), await opened(still), await received(still)
        await still.state(POLICE, "common.extension_requested", moved, kind="referral", new_date="2026-11-20")
        await eventually(lambda: due_at(still, moved, "RX-07", datetime(2026, 11, 21, tzinfo=SHANGHAI)))
        still.legal.now = DUE + GRACE
        for exchange in (silent, annulled):
            await still.registered(exchange, "sent", "clock_warned", "clock_expired")
        await still.state(QINGPU, "transfer.receipted", annulled, at=DUE)
        for exchange, sequence in ((silent, 3), (annulled, 5), (moved, 6)):
            await eventually(partial(followed, still, exchange, sequence))
        await eventually(lambda: nothing_due(still))
    before = await dump(still)
    assert len(before["clocks"]) >= 5
    # It reads the stores of all registrars.
    await asyncio.to_thread(migrations.provision, still.around.settings.postgres, registrar_schemas())
    await Keeper(still.around.pool, still.around.library, still.around.settings).rebuild()
    assert await dump(still) == before
    async with run(registrar(still), Clocks(still.around)):
        await eventually(lambda: nothing_due(still))
    assert await dump(still) == before


async def followed(bus: Bus, exchange: str, sequence: int) -> bool:
    rows = await bus.table("SELECT sequence FROM clocks.positions WHERE exchange = %s", exchange)
    return rows == [(sequence,)]


async def dump(bus: Bus) -> dict[str, list[tuple[Any, ...]]]:
    """The tables, without the exchanges that an earlier test has left in Kafka and that this store does not know."""
    known = "SELECT 1 FROM transfers.events AS e WHERE (e.kind, e.exchange) = (t.kind, t.exchange)"
    return {
        name: await bus.table(f"SELECT * FROM clocks.{name} AS t WHERE EXISTS ({known}) AND %s ORDER BY t", True)
        for name in ("clocks", "delivered", "positions")
    }


def topics_of(prefix: str) -> Topics:
    """A bus with one registrar, whose name nobody else uses."""
    rest = {"title": "", "key": "", "value": "", "producers": (), "consumers": (), "partitions": 2}
    names = (f"submissions.{prefix}", f"events.{prefix}")
    kind = KindContract(kind="transfer", registrar=prefix, title_zh="", title_en="", statuses={})
    return Topics({name: Topic.model_validate({"name": name, **rest}) for name in names}, collect([kind]))


async def delete_all(kafka: KafkaSettings, names: Sequence[str]) -> None:
    """What retention does after a week."""
    progress = Progress(kafka)
    admin = AIOKafkaAdminClient(**kafka.aiokafka())
    await admin.start()
    try:
        ends = await progress.ends(names)
        await admin.delete_records({TopicPartition(*where): RecordsToDelete(end) for where, end in ends.items()})
    finally:
        await admin.close()
        await progress.stop()


async def test_the_watermark_is_not_held_back_by_what_is_no_longer_in_kafka(kafka: KafkaSettings, prefix: str) -> None:
    """Nobody has read what has run out since, and nobody can any more."""
    topics, progress = topics_of(prefix), Progress(kafka)
    ensure(kafka, [TopicSpec(name=name, partitions=2) for name in topics.by_name])
    async with Producer(kafka) as producer:
        await producer.send_all([Message(topic=name, key=b"1", value=b"{}") for name in topics.by_name])
    watermark = Watermark(progress, lambda: topics, lambda: MONDAY, "clocks")
    try:
        assert await watermark.reached(MONDAY) is None
        await delete_all(kafka, list(topics.by_name))
        assert await watermark.reached(MONDAY) == MONDAY
    finally:
        await progress.stop()
