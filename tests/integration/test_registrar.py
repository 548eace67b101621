"""The registrar on the real engines: one outcome each, gapless sequences, fencing, and what a crash leaves behind.

`handle` is called with the records that Kafka would bring, so that each test says exactly what is delivered and when.
"""

import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uuid_utils
from pydantic import JsonValue

from connectors.errors import KafkaUnavailable
from connectors.kafka.consume import Reason, Transient
from connectors.kafka.consume import Record as KafkaRecord
from connectors.kafka.producer import Message, Producer
from connectors.kafka.provision import ensure
from connectors.kafka.reader import read_all
from connectors.kafka.settings import KafkaSettings
from connectors.postgres.pool import open_pool
from contracts.canonical import Document, canonical, parse_object
from contracts.codec import dump, sign_event
from contracts.library import Library
from contracts.records import Statement, slip
from contracts.signatures import SigningKey, seal
from events.fact import Fact
from services.cli.agencies import new_agency
from services.cli.provisioning import provision, topic_specs
from services.cli.story import border
from services.kernel.registrar import DROP, OPERATOR, RETRY, Registrar
from services.kernel.service import Runtime
from services.kernel.settings import Settings
from services.kernel.store import Store

BUS = "310112-bus"


class Bench:
    """A registrar's surroundings, and a hand that writes submissions as the gateway would."""

    def __init__(self, runtime: Runtime, keys: dict[str, SigningKey]) -> None:
        self.runtime = runtime
        self.keys = keys
        self.store = Store("transfers", runtime.pool)
        self.offset = 0

    def registrar(self) -> Registrar:
        return Registrar(self.runtime, "transfers")

    def event(self, source: str, fact: Fact, exchange: str, **attributes: JsonValue) -> Document:
        document: Document = {
            "specversion": "1.0",
            "id": str(uuid_utils.uuid7()),
            "source": source,
            "type": fact.type(),
            "time": datetime.now(UTC).isoformat(),
            "kind": fact.type().split(".")[2],
            "exchange": exchange,
            "data": dump(fact),
            **attributes,
        }
        return sign_event(document, self.keys[source], lambda: secrets.token_urlsafe(16))

    def opening(self, exchange: str | None = None) -> Document:
        return self.event(border.MINHANG, border.sent, exchange or new_id(), case=border.CASE, home=BUS)

    def record(self, document: Document, *, partition: int = 0, operator: bytes | None = None) -> KafkaRecord:
        accepted = seal(slip(document, BUS, datetime.now(UTC).isoformat()), self.runtime.bus_key)
        self.offset += 1
        return KafkaRecord(
            topic="submissions.transfers",
            partition=partition,
            offset=self.offset,
            key=str(document.get("exchange")).encode(),
            value=canonical({"event": document, "slip": accepted}),
            headers={} if operator is None else {OPERATOR: operator},
            timestamp=datetime.now(UTC),
        )

    async def outcome(self, document: Document) -> Document:
        key = (str(document["source"]), str(document["id"]))
        return parse_object((await self.store.outcomes([key]))[key].document)

    def published(self, topic: str, *ids: JsonValue) -> list[bytes]:
        """What is on a topic about these events, in order."""
        values = [item.value for item in read_all(self.runtime.kafka, topic) if item.value is not None]
        if topic == "outcomes":
            values = [Statement.from_bytes(value).document for value in values]
        return [value for value in values if (parse_object(value).get("event") or parse_object(value))["id"] in ids]  # type: ignore[index,call-overload]


def new_id() -> str:
    return str(uuid_utils.uuid7())


@pytest.fixture
async def bench(kafka: KafkaSettings, database: str, tmp_path: Path) -> AsyncIterator[Bench]:
    keys, contracts = tmp_path / "keys", tmp_path / "contracts"
    agencies = [BUS, border.MINHANG, border.QINGPU, border.CITY]
    signing = {code: new_agency(code, keys, contracts) for code in agencies}
    ensure(kafka, topic_specs(contracts))
    provision(kafka, database, contracts)
    settings = Settings(bus=BUS, keys=keys, contracts=contracts, postgres=database)
    async with open_pool(database) as pool, Producer(kafka, deadline=5) as producer:
        yield Bench(Runtime(settings, kafka, Library(contracts), signing[BUS], pool, producer), signing)


async def test_registers_in_order_and_states_receipts(bench: Bench) -> None:
    exchange = new_id()
    first = bench.opening(exchange)
    second = bench.event(border.QINGPU, border.transfer_receipted, exchange)
    registrar = bench.registrar()
    await registrar.handle([bench.record(first), bench.record(second)])
    await registrar.handle([bench.record(bench.event(border.QINGPU, border.returned, exchange))])

    records = (await bench.store.exchanges([("transfer", exchange)]))["transfer", exchange]
    assert [record.sequence for record in records] == [1, 2, 3]
    assert records[-1].standing.status == "returned"
    assert records[-1].standing.moves == (border.MINHANG,)
    receipt = await bench.outcome(first)
    assert (receipt["outcome"], receipt["sequence"], receipt["home"]) == ("receipt", 1, BUS)
    assert len(bench.published("events.transfers", first["id"], second["id"])) == 2


async def test_repeat_gets_the_original_outcome_byte_for_byte(bench: Bench) -> None:
    document = bench.opening()
    registrar = bench.registrar()
    await registrar.handle([bench.record(document), bench.record(document)])
    again = sign_event(document, bench.keys[border.MINHANG], lambda: secrets.token_urlsafe(16))
    await registrar.handle([bench.record(again)])
    outcomes = bench.published("outcomes", document["id"])
    assert len(outcomes) == 3
    assert len(set(outcomes)) == 1


async def test_same_id_with_other_content_is_rejected_and_changes_nothing(bench: Bench) -> None:
    document = bench.opening()
    other = sign_event({**document, "case": "SYN-other"}, bench.keys[border.MINHANG], lambda: secrets.token_urlsafe(16))
    await bench.registrar().handle([bench.record(document), bench.record(other)])
    original, conflict = (parse_object(value) for value in bench.published("outcomes", document["id"]))
    assert (original["outcome"], conflict["code"]) == ("receipt", "id-reused")
    assert await bench.outcome(document) == original


async def test_a_forgery_does_not_use_up_the_id(bench: Bench) -> None:
    document = bench.opening()
    forged = {**document, "case": "SYN-forged"}
    registrar = bench.registrar()
    await registrar.handle([bench.record(forged)])
    await registrar.handle([bench.record(document)])
    answers = [parse_object(value) for value in bench.published("outcomes", document["id"])]
    assert [answer.get("code") or answer["outcome"] for answer in answers] == ["signature-invalid", "receipt"]


async def test_signed_by_another_agency_than_source(bench: Bench) -> None:
    document = sign_event(
        {**bench.opening(), "source": border.QINGPU}, bench.keys[border.MINHANG], lambda: secrets.token_urlsafe(16)
    )
    await bench.registrar().handle([bench.record(document)])
    (answer,) = [parse_object(value) for value in bench.published("outcomes", document["id"])]
    assert answer["code"] == "source-mismatch"


async def test_an_older_owner_cannot_commit(bench: Bench) -> None:
    exchange = new_id()
    old, new = bench.registrar(), bench.registrar()
    await old.handle([bench.record(bench.opening(exchange))])
    await new.handle([bench.record(bench.event(border.QINGPU, border.transfer_receipted, exchange))])
    # The old owner wakes up and believes that it still owns the partition and that the exchange is at 1.
    late = bench.event(border.QINGPU, border.transfer_receipted, exchange)
    with pytest.raises(Transient):
        await old.handle([bench.record(late)])
    records = (await bench.store.exchanges([("transfer", exchange)]))["transfer", exchange]
    assert [record.sequence for record in records] == [1, 2]


async def test_what_a_dead_owner_left_in_the_outbox_is_published_first(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange = new_id()
    opening = bench.opening(exchange)
    receipted = bench.event(border.QINGPU, border.transfer_receipted, exchange)

    async def away(*_: object, **__: object) -> None:
        raise KafkaUnavailable("the owner dies between commit and publication")

    with monkeypatch.context() as dying:
        dying.setattr(Producer, "send_all", away)
        with pytest.raises(KafkaUnavailable):
            await bench.registrar().handle([bench.record(opening)])
    assert bench.published("events.transfers", opening["id"]) == []
    await bench.registrar().handle([bench.record(receipted)])
    published = bench.published("events.transfers", opening["id"], receipted["id"])
    assert [parse_object(value)["event"]["sequence"] for value in published] == [1, 2]  # type: ignore[index,call-overload]


async def test_poison_is_held_and_an_operator_decides(bench: Bench) -> None:
    dropped, retried = bench.opening(), bench.opening()
    registrar = bench.registrar()
    for document in (dropped, retried):
        await registrar.hold(bench.record(document), Reason("Bug", "a fault of ours"))
        assert (await bench.outcome(document))["outcome"] == "held"
        await registrar.handle([bench.record(document)])
        assert (await bench.outcome(document))["outcome"] == "held", "a repeat gets the outcome that stands"
    await registrar.handle([bench.record(dropped, operator=DROP), bench.record(retried, operator=RETRY)])
    assert (await bench.outcome(dropped))["code"] == "dropped"
    assert (await bench.outcome(retried))["outcome"] == "receipt"


async def test_a_record_that_no_gateway_wrote_is_poison(bench: Bench) -> None:
    document = bench.opening()
    record = bench.record(document)
    foreign = seal(slip(document, BUS, datetime.now(UTC).isoformat()), bench.keys[border.QINGPU])
    forged = Message(topic=record.topic, value=canonical({"event": document, "slip": foreign}))
    assert forged.value is not None
    for value in (b"not json", forged.value):
        broken = KafkaRecord(record.topic, 0, 9, None, value, {}, record.timestamp)
        with pytest.raises(Exception, match=r"submission|slip"):
            await bench.registrar().handle([broken])
    assert await bench.store.outcomes([(border.MINHANG, str(document["id"]))]) == {}


async def test_a_time_in_the_future_is_the_registrar_s_rule_too(bench: Bench) -> None:
    document = bench.event(
        border.MINHANG, border.sent, new_id(), case=border.CASE, home=BUS, time="2099-01-01T00:00:00+08:00"
    )
    await bench.registrar().handle([bench.record(document)])
    assert (await bench.outcome(document))["code"] == "time-in-future"


async def test_a_retry_gives_what_was_held_an_outcome_for_good(bench: Bench) -> None:
    """Also when the signer's key counts no more by then: its dead letter is gone, so nobody else would."""
    document = bench.opening()
    held = bench.record({**document, "case": "changed after signing"})
    registrar = bench.registrar()
    await registrar.hold(held, Reason("Bug", "a fault of ours"))
    again = replace(held, headers={OPERATOR: RETRY})
    await registrar.handle([again])
    assert (await bench.outcome(document))["code"] == "signature-invalid"


async def test_a_held_outcome_that_was_not_published_leaves_with_the_next_attempt(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = bench.opening()
    registrar = bench.registrar()

    async def away(*_: object, **__: object) -> None:
        raise KafkaUnavailable("away for now")

    with monkeypatch.context() as dying:
        dying.setattr(Producer, "send_all", away)
        with pytest.raises(KafkaUnavailable):
            await registrar.hold(bench.record(document), Reason("Bug", "a fault of ours"))
    await registrar.hold(bench.record(document), Reason("Bug", "a fault of ours"))
    assert [parse_object(value)["outcome"] for value in bench.published("outcomes", document["id"])] == ["held"]
