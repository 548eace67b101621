"""青浦's registrar on the real engines: it mirrors what 闵行's bus has registered, and hands on what that bus decides.

And 闵行's, to which such submissions come. Records are given to `handle` as Kafka would bring them.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.kafka.consume import Reason
from connectors.kafka.consume import Record as KafkaRecord
from connectors.kafka.producer import Message, Producer
from connectors.kafka.provision import ensure
from connectors.kafka.reader import read_all
from connectors.kafka.settings import KafkaSettings
from connectors.postgres import migrations
from connectors.postgres.pool import open_pool
from contracts.canonical import Document, parse_object, timestamp
from contracts.errors import RelayError
from contracts.library import Library
from contracts.mirrors import mirrored
from contracts.records import Record, Statement, receipt, slip
from contracts.signatures import seal
from services.audit.app import SCHEMA as AUDIT
from services.audit.compare import compare
from services.audit.ledger import Ledger
from services.audit.reader import Filters, Reader
from services.audit.writer import Writer
from services.cli.provisioning import topic_specs
from services.kernel.registrar import DROP, OPERATOR, Registrar, Unreadable
from services.kernel.schema import schema
from services.kernel.service import Runtime
from services.kernel.settings import Settings
from services.kernel.store import Store
from services.kernel.submitting import mirroring, relayed, submission
from tests.support.factory import CASE, event, fact, key, new_exchange
from tests.support.federation import MINHANG_BUS, QINGPU_BUS, overlay
from tests.support.play import JUSTICE, MINHANG, POLICE, QINGPU, Play
from tests.support.registered import registered

TOPIC = "submissions.transfers"
NOW = datetime(2026, 11, 6, 2, tzinfo=UTC)


class Bench:
    """A registrar of one bus, and its surroundings."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.store = Store("transfers", runtime.pool)
        self.registrar = Registrar(runtime, "transfers", clock=lambda: NOW)
        self.offset = 0

    async def take(self, *messages: Message, operator: bytes | None = None) -> None:
        await self.registrar.handle([self.brought(message, operator) for message in messages])

    def brought(self, message: Message, operator: bytes | None = None) -> KafkaRecord:
        assert message.value is not None
        self.offset += 1
        headers = {} if operator is None else {OPERATOR: operator}
        return KafkaRecord(TOPIC, 0, self.offset, None, message.value, headers, NOW)

    def mirror(self, record: Record, hosted: Sequence[str] = (QINGPU,), newest: Record | None = None) -> Message:
        seen = mirrored(record, (newest or record).standing, hosted, key(MINHANG_BUS))
        return mirroring(seen, NOW, self.runtime.bus_key, TOPIC)

    async def stored(self, exchange: str) -> list[Record]:
        return (await self.store.exchanges([("transfer", exchange)])).get(("transfer", exchange), [])

    def published(self, topic: str, exchange: str) -> list[Any]:
        values = [json.loads(item.value) for item in read_all(self.runtime.kafka, topic) if item.value is not None]
        return [item for item in values if exchange in json.dumps(item)]


@asynccontextmanager
async def bench_of(bus: str, kafka: KafkaSettings, database: str, folder: Path) -> AsyncGenerator[Bench]:
    peer = QINGPU_BUS if bus == MINHANG_BUS else MINHANG_BUS
    contracts = overlay(folder / bus, peer, "http://127.0.0.1:9")
    ensure(kafka, topic_specs(contracts))
    migrations.provision(database, [schema("transfers", "outbox", "registrar")])
    settings = Settings(bus=bus, contracts=contracts, postgres=database)
    async with open_pool(database) as pool, Producer(kafka, deadline=5) as producer:
        yield Bench(Runtime(settings, kafka, Library(contracts), key(bus), pool, producer))


@pytest.fixture
async def qingpu(kafka: KafkaSettings, database: str, tmp_path: Path) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(bench_of(QINGPU_BUS, kafka, database, tmp_path))


@pytest.fixture
async def minhang(kafka: KafkaSettings, database: str, tmp_path: Path) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(bench_of(MINHANG_BUS, kafka, database, tmp_path))


def transfer() -> list[Record]:
    return registered(
        Play("transfer").given(
            (MINHANG, "transfer.sent"), (QINGPU, "transfer.receipted"), (QINGPU, "transfer.accepted")
        )
    )


def said(exchange: str, name: str = "transfer.receipted", source: str = QINGPU, **given: Any) -> Document:
    attributes: dict[str, Any] = {"case": None, "home": None, **given}
    return event(source, fact(name), exchange=exchange, **attributes)


def opening(home: str, source: str = QINGPU, recipient: str = MINHANG) -> Document:
    return event(source, fact("transfer.sent", recipient=recipient), exchange=new_exchange(), case=CASE, home=home)


async def test_it_mirrors_verbatim_and_publishes_once(qingpu: Bench) -> None:
    records = transfer()
    exchange = records[0].exchange
    first, second, third = (qingpu.mirror(record) for record in records)
    await qingpu.take(first, first, second)
    await qingpu.take(second, first, third)
    assert [item.receipt for item in await qingpu.stored(exchange)] == [item.receipt for item in records]
    assert (await qingpu.stored(exchange))[1].event == records[1].event
    published = qingpu.published("events.transfers", exchange)
    assert [item["event"]["sequence"] for item in published] == [1, 2, 3]
    assert qingpu.published("outcomes", exchange) == [], "what another has registered is no submission here"


async def test_it_mirrors_the_same_id_in_two_exchanges(qingpu: Bench) -> None:
    """Whose ids are whose is for each home to see to."""
    one, other = transfer()[0], transfer()[0]
    event_id = one.event["id"]
    play = event(MINHANG, fact("transfer.sent"), exchange=other.exchange, id_=str(event_id))
    again = {**other.event, **play}
    twin = other.model_copy(update={"event": again, "receipt": _receipt(again)})
    await qingpu.take(qingpu.mirror(one), qingpu.mirror(twin))
    assert len(await qingpu.stored(other.exchange)) == 1


def _receipt(document: Document) -> Document:

    return seal(receipt(document, MINHANG_BUS, MINHANG_BUS), key(MINHANG_BUS))


async def test_a_hole_and_a_fork_are_loud_and_change_nothing(qingpu: Bench) -> None:
    records, others = transfer(), transfer()
    exchange = records[0].exchange
    await qingpu.take(qingpu.mirror(records[0]))
    with pytest.raises(RelayError, match="hole"):
        await qingpu.take(qingpu.mirror(records[2]))
    document = {**others[0].event, **event(MINHANG, fact("transfer.sent"), exchange=exchange)}
    fork = others[0].model_copy(update={"event": document, "receipt": _receipt(document)})
    with pytest.raises(RelayError, match="fork"):
        await qingpu.take(qingpu.mirror(fork))
    poison = qingpu.brought(qingpu.mirror(fork))
    await qingpu.registrar.hold(poison, Reason("RelayError", "a fork"))
    await qingpu.take(qingpu.mirror(fork), operator=DROP)
    await qingpu.take(qingpu.mirror(records[1]), qingpu.mirror(records[2]))
    assert [item.receipt for item in await qingpu.stored(exchange)] == [item.receipt for item in records]


async def test_a_record_that_no_gateway_of_this_bus_took_is_refused(qingpu: Bench) -> None:
    seen = mirrored(transfer()[0], transfer()[0].standing, [QINGPU], key(MINHANG_BUS))
    with pytest.raises(RelayError):
        await qingpu.take(mirroring(seen, NOW, key(MINHANG_BUS), TOPIC))
    forged = seen.model_copy(update={"receipt": seal(seen.receipt, key(QINGPU_BUS))})
    with pytest.raises(RelayError):
        await qingpu.take(mirroring(forged, NOW, key(QINGPU_BUS), TOPIC))


async def test_a_fuller_form_takes_the_place_of_a_narrower_one(qingpu: Bench) -> None:
    records = transfer()
    exchange = records[0].exchange
    narrow, full = qingpu.mirror(records[0], [JUSTICE]), qingpu.mirror(records[0], [JUSTICE, QINGPU])
    await qingpu.take(narrow)
    before = (await qingpu.stored(exchange))[0]
    await qingpu.take(full, qingpu.mirror(records[1]))
    await qingpu.take(narrow)
    after = (await qingpu.stored(exchange))[0]
    assert after != before
    assert after.event == mirrored(records[0], records[0].standing, [JUSTICE, QINGPU], key(MINHANG_BUS)).event
    assert len(qingpu.published("events.transfers", exchange)) == 2


async def test_what_another_bus_decides_is_handed_on_with_its_slip(qingpu: Bench) -> None:
    records = transfer()
    exchange = records[0].exchange
    await qingpu.take(qingpu.mirror(records[0]))
    document = said(exchange)
    message, accepted = submission(document, NOW, key(QINGPU_BUS), TOPIC)
    await qingpu.take(message)
    await qingpu.take(message)
    found = qingpu.published("forwards", exchange)
    assert found == [{"event": document, "slip": accepted, "home": MINHANG_BUS}] * 2, "the home knows a repeat"
    assert qingpu.published("outcomes", exchange) == []
    assert len(await qingpu.stored(exchange)) == 1


async def test_an_exchange_that_is_not_known_is_handed_on_if_its_home_is_named(qingpu: Bench) -> None:
    named, unnamed = said(new_exchange(), home=MINHANG_BUS), said(new_exchange())
    for document in (named, unnamed):
        await qingpu.take(submission(document, NOW, key(QINGPU_BUS), TOPIC)[0])
    assert len(qingpu.published("forwards", str(named["exchange"]))) == 1
    assert qingpu.published("forwards", str(unnamed["exchange"])) == []
    assert code(qingpu, unnamed) == ["exchange-unknown"]


async def test_another_bus_s_agency_is_sent_to_its_own(minhang: Bench) -> None:
    """It may come to any gateway; but the home takes from each bus only what agencies of that one have said."""
    document = said(new_exchange(), home=QINGPU_BUS)
    await minhang.take(submission(document, NOW, key(MINHANG_BUS), TOPIC)[0])
    assert minhang.published("forwards", str(document["exchange"])) == []
    assert code(minhang, document) == ["home-mismatch"]


async def test_a_forgery_is_answered_where_it_is_taken(qingpu: Bench) -> None:
    records = transfer()
    await qingpu.take(qingpu.mirror(records[0]))
    forged = said(records[0].exchange, signer=MINHANG)
    await qingpu.take(submission(forged, NOW, key(QINGPU_BUS), TOPIC)[0])
    assert qingpu.published("forwards", records[0].exchange) == []
    assert code(qingpu, forged) == ["source-mismatch"]


async def test_an_exchange_is_opened_on_the_bus_of_its_opener(qingpu: Bench, minhang: Bench) -> None:
    elsewhere = opening(MINHANG_BUS)
    await qingpu.take(submission(elsewhere, NOW, key(QINGPU_BUS), TOPIC)[0])
    assert code(qingpu, elsewhere) == ["home-mismatch"]
    pushed = opening(MINHANG_BUS)
    await minhang.take(handed_over(pushed))
    assert code(minhang, pushed) == ["home-mismatch"]


def handed_over(document: Document, by: str = QINGPU_BUS, at: datetime = NOW) -> Message:
    """A submission as the gateway puts it that got it from another bus."""
    return relayed(document, seal(slip(document, by, timestamp(at)), key(by)), TOPIC)


async def test_the_home_decides_by_the_other_bus_s_slip(minhang: Bench) -> None:
    opened = opening(MINHANG_BUS, MINHANG, QINGPU)
    await minhang.take(submission(opened, NOW, key(MINHANG_BUS), TOPIC)[0])
    earlier = datetime(2026, 11, 5, 9, tzinfo=UTC)
    document = said(str(opened["exchange"]))
    await minhang.take(handed_over(document, at=earlier))
    await minhang.take(handed_over(document, at=earlier))
    _, second = await minhang.stored(str(opened["exchange"]))
    assert (second.event["acceptedtime"], second.receipt["home"]) == (timestamp(earlier), MINHANG_BUS)
    assert len(minhang.published("outcomes", str(document["id"]))) == 2


async def test_only_the_bus_that_hosts_the_source_may_have_taken_it(minhang: Bench) -> None:
    document = said(new_exchange(), source=MINHANG)
    with pytest.raises(Unreadable):
        await minhang.take(handed_over(document))


async def test_what_was_handed_over_is_not_handed_on(minhang: Bench) -> None:
    """A loop: 青浦 hands over what belongs to an exchange of its own."""
    document = said(new_exchange(), home=QINGPU_BUS)
    await minhang.take(handed_over(document))
    assert minhang.published("forwards", str(document["exchange"])) == []
    assert code(minhang, document) == ["home-mismatch"]


async def test_audit_tells_who_joins_what_it_may_read_of_what_went_before(qingpu: Bench) -> None:
    migrations.provision(qingpu.runtime.settings.postgres, [AUDIT])
    records = transfer()
    exchange = records[0].exchange
    writer = Writer(qingpu.runtime.pool, qingpu.runtime.library, QINGPU_BUS)

    async def follow(place: int) -> None:
        async with qingpu.runtime.pool.connection() as connection:
            await writer.apply(connection, (await qingpu.stored(exchange))[place : place + 1], [])

    await qingpu.take(qingpu.mirror(records[0], [JUSTICE]))
    await follow(0)
    await qingpu.take(qingpu.mirror(records[0], [JUSTICE, QINGPU]), qingpu.mirror(records[1]))
    await follow(1)
    compared = await compare("transfers", qingpu.runtime.pool)
    assert (compared.followed, compared.missing, compared.different) == (2, (), ())


async def test_audit_writes_stubs_down_and_tells_of_them(qingpu: Bench) -> None:
    migrations.provision(qingpu.runtime.settings.postgres, [AUDIT])
    records = registered(
        Play("referral").given(
            (MINHANG, "referral.reported"), (MINHANG, "referral.approved"), (MINHANG, "referral.sent")
        )
    )
    mirror = [mirrored(record, records[-1].standing, [POLICE], key(MINHANG_BUS)) for record in records]
    writer = Writer(qingpu.runtime.pool, qingpu.runtime.library, QINGPU_BUS)
    async with qingpu.runtime.pool.connection() as connection:
        await writer.apply(connection, [Record.from_bytes(record.to_bytes()) for record in mirror], [])
    ledger, law = Ledger(qingpu.runtime.pool), qingpu.runtime.library.current()
    await ledger.settle(law.rules, law.calendars)
    assert await ledger.uncounted() == []
    (thread,) = await Reader(qingpu.runtime.pool).page(POLICE, Filters(), None, 10)
    assert (thread.opener, thread.sequence) == (MINHANG, 3)
    await shown_of_a_home(Reader(qingpu.runtime.pool), thread.exchange)
    await ledger.rebuild(law.rules, law.calendars)
    assert await ledger.uncounted() == []


async def shown_of_a_home(reader: Reader, exchange: str) -> None:
    """What one bus mirrors is shown as that of its home, and not as its own."""
    for home, found in ((None, 1), (MINHANG_BUS, 1), (QINGPU_BUS, 0)):
        page = await reader.page(POLICE, Filters(home=home), None, 10)
        of_case = await reader.case(POLICE, CASE, None, 10, home)
        alone = await reader.exchange(POLICE, exchange, home)
        assert [len(page), len(of_case), len(alone)] == [found] * 3
        assert await reader.links(POLICE, [("referral", exchange)], home) == []


def code(bench: Bench, document: Document) -> list[Any]:
    """The codes of what was answered to this event."""
    values = [item.value for item in read_all(bench.runtime.kafka, "outcomes") if item.value is not None]
    outcomes = [parse_object(Statement.from_bytes(value).document) for value in values]
    return [outcome.get("code") for outcome in outcomes if outcome["id"] == document["id"]]
