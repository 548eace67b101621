"""青浦's bus at the door of 闵行's, by the client that delivery uses: what it hands over, and what it is refused."""

import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from connectors.channel import Handed, Opening, Parcel, PartnerAway, PartnerRefuses, open_channel
from connectors.districts.mapping import (
    envelope,
    mirror_item,
    outcome_item,
    stage_item,
    submission_item,
    through_item,
)
from connectors.http.server import Server, json_response
from connectors.http.tokens import issue
from connectors.kafka.producer import Producer
from connectors.kafka.provision import ensure
from connectors.kafka.reader import read_all
from connectors.kafka.settings import KafkaSettings
from connectors.postgres import migrations
from connectors.postgres.pool import open_pool
from contracts.agencies import Channel
from contracts.canonical import Document, canonical, parse_object, timestamp
from contracts.codec import content_digest
from contracts.deliveries import StageReached
from contracts.horizons import Horizon
from contracts.library import Library
from contracts.mirrors import mirrored
from contracts.records import Record, Statement, receipt, slip
from contracts.signatures import seal, verify_seal
from events.envelope import BUS_ATTRIBUTES
from services.cli.provisioning import topic_specs
from services.gateway.app import SCHEMA
from services.kernel.registrar import read_submission
from services.kernel.schema import schema
from services.kernel.service import Runtime
from services.kernel.settings import Settings
from services.kernel.submitting import mirroring
from tests.support.factory import event, fact, key, new_exchange, sign
from tests.support.federation import MINHANG_BUS, QINGPU_BUS, federated, overlay
from tests.support.gateway import Rig, serving
from tests.support.play import MINHANG, QINGPU, XUHUI, Play
from tests.support.registered import on_kafka, registered, store


@pytest.fixture
async def rig(kafka: KafkaSettings, database: str, tmp_path: Path) -> AsyncIterator[Rig]:
    contracts = overlay(tmp_path / "contracts", QINGPU_BUS, "http://127.0.0.1:9")
    ensure(kafka, topic_specs(contracts))
    migrations.provision(database, [schema("transfers", "outbox", "registrar"), SCHEMA])
    settings = Settings(bus=MINHANG_BUS, contracts=contracts, postgres=database)
    async with open_pool(database) as pool, Producer(kafka, deadline=5) as producer:
        around = Runtime(settings, kafka, Library(contracts), key(MINHANG_BUS), pool, producer)
        async with serving(around) as found:
            yield found


class Peer:
    """青浦's bus; `by`: the key that it uses."""

    def __init__(self, rig: Rig, by: str = QINGPU_BUS) -> None:
        agencies = federated(MINHANG_BUS).agencies
        home = agencies.by_code[MINHANG_BUS]
        channel = Channel(via="districts", url=rig.url, private=True)
        contracts = replace(federated(MINHANG_BUS), agencies=agencies)
        self.opening = Opening(
            agency=home.model_copy(update={"channel": channel}),
            contracts=contracts,
            bus_key=key(by),
            keys=Path(),
            clock=lambda: datetime.now(UTC),
            files=None,  # type: ignore[arg-type]
        )

    async def hand_over(self, item: Document) -> Handed:
        channel = open_channel(self.opening)
        try:
            return await channel.hand_over(Parcel("1", MINHANG_BUS, item, canonical(item)))
        finally:
            await channel.close()


def submission(source: str = QINGPU) -> Document:
    document = event(source, fact("transfer.receipted"), exchange=new_exchange(), case=None, home=None)
    accepted = timestamp(datetime.now(UTC))
    return submission_item(document, seal(slip(document, QINGPU_BUS, accepted), key(QINGPU_BUS)))


def on(rig: Rig, topic: str, exchange: object) -> list[bytes]:
    values = (item.value for item in read_all(rig.runtime.kafka, topic))
    return [value for value in values if value is not None and str(exchange).encode() in value]


async def test_a_submission_is_taken_and_witnessed(rig: Rig) -> None:
    item: Any = submission()
    handed = await Peer(rig).hand_over(item)
    assert handed.stage == "delivered"
    assert handed.proof is not None
    witness = parse_object(handed.proof)
    assert verify_seal(witness, federated().agencies, datetime.now(UTC)) == MINHANG_BUS
    (value,) = on(rig, "submissions.transfers", item["event"]["exchange"])
    contracts = rig.runtime.library.current()
    taken = read_submission(on_kafka(value, topic="submissions.transfers"), contracts, MINHANG_BUS)
    assert (taken.relayed, taken.accepted) == (True, item["slip"]["acceptedtime"])


def opened_there() -> Record:
    """What 青浦's bus has registered of an exchange that its own agency has opened."""
    theirs = registered(Play("transfer").given((QINGPU, "transfer.sent", {"recipient": MINHANG})))[0]
    standing = theirs.standing.model_copy(update={"home": QINGPU_BUS})
    signed = {name: value for name, value in theirs.event.items() if name not in BUS_ATTRIBUTES}
    document = {**theirs.event, **sign({**signed, "home": QINGPU_BUS})}
    sealed = seal(receipt(document, QINGPU_BUS, QINGPU_BUS), key(QINGPU_BUS))
    return Record(event=document, receipt=sealed, standing=standing, audience=theirs.audience)


async def test_everything_goes_where_it_is_followed(rig: Rig) -> None:
    record = opened_there()
    standing = record.standing
    seen = mirrored(record, standing, [MINHANG], key(QINGPU_BUS))
    stage = StageReached(
        bus=QINGPU_BUS,
        kind="transfer",
        exchange=new_exchange(),
        sequence=1,
        recipient=QINGPU,
        stage="retrieved",
        time=datetime.now(UTC),
    )
    at = datetime.now(UTC) - timedelta(minutes=1)
    peer = Peer(rig)
    for item in (mirror_item(seen), mirror_item(seen), stage_item(stage), through_item(at)):
        await peer.hand_over(item)
    found = on(rig, "submissions.transfers", record.exchange)
    assert len(found) == 2, "whoever follows knows it again"
    written = mirroring(seen, datetime.now(UTC), key(MINHANG_BUS), "submissions.transfers").value
    assert written is not None
    assert parse_object(found[0])["mirror"] == parse_object(written)["mirror"]
    assert on(rig, "deliveries", stage.exchange) == [stage.to_bytes()]
    assert Horizon(bus=QINGPU_BUS, at=at).to_bytes() in on(rig, "horizons", QINGPU_BUS)


def outcome_of(document: Document, by: str = QINGPU_BUS) -> Document:
    times = {"acceptedtime": timestamp(datetime.now(UTC)), "recordedtime": timestamp(datetime.now(UTC))}
    sealed = seal(receipt({**document, "sequence": 2, **times}, by, by), key(by))
    return outcome_item(
        parse_object(Statement(content_digest(document), stands=True, document=canonical(sealed)).to_bytes())
    )


async def test_a_peer_states_outcomes_only_in_what_it_keeps(rig: Rig) -> None:
    theirs = opened_there()
    ours = registered(Play("transfer").given((MINHANG, "transfer.sent")))[0]
    await store(rig.runtime, [theirs, ours])
    peer = Peer(rig)

    def answer(exchange: str) -> Document:
        return event(MINHANG, fact("transfer.receipted"), exchange=exchange, case=None, home=None)

    decided = answer(theirs.exchange)
    await peer.hand_over(outcome_of(decided))
    assert len(on(rig, "outcomes", theirs.exchange)) == 1
    for exchange in (ours.exchange, new_exchange()):
        with pytest.raises(PartnerRefuses, match="422"):
            await peer.hand_over(outcome_of(answer(exchange)))
        assert on(rig, "outcomes", exchange) == []


async def test_what_was_handed_on_to_the_home_it_names_is_answered_by_it(rig: Rig) -> None:
    """Of an exchange that is not known here: the home says so, and its answer is not lost."""
    asked = event(MINHANG, fact("transfer.receipted"), exchange=new_exchange(), case=None, home=QINGPU_BUS)
    assert (await rig.minhang.submit(asked)).status == 202
    await Peer(rig).hand_over(outcome_of(asked))
    assert len(on(rig, "outcomes", asked["exchange"])) == 1


async def test_a_peer_does_not_answer_for_another_exchange_what_was_asked_in_ours(rig: Rig) -> None:
    theirs = opened_there()
    await store(rig.runtime, [theirs])
    asked = event(MINHANG, fact("transfer.sent"), exchange=new_exchange())
    assert (await rig.minhang.submit(asked)).status == 202
    lie = {**asked, "exchange": theirs.exchange}
    item: Any = outcome_of(lie)
    item["statement"]["digest"] = content_digest(asked)
    with pytest.raises(PartnerRefuses, match="422"):
        await Peer(rig).hand_over(item)


async def test_what_does_not_hold_is_refused(rig: Rig) -> None:
    foreign: Any = submission(XUHUI)
    with pytest.raises(PartnerRefuses, match="422"):
        await Peer(rig).hand_over(foreign)
    assert on(rig, "submissions.transfers", foreign["event"]["exchange"]) == []


async def test_who_is_no_bus_is_told_so(rig: Rig) -> None:
    with pytest.raises(PartnerAway, match="403"):
        await Peer(rig, by=QINGPU).hand_over(through_item(datetime.now(UTC)))


async def test_a_bus_that_is_not_known_is_told_so(rig: Rig) -> None:
    with pytest.raises(PartnerAway, match="401"):
        await Peer(rig, by="320000-bus").hand_over(through_item(datetime.now(UTC)))


async def test_an_envelope_of_another_is_not_taken_from_a_bus(rig: Rig) -> None:
    sealed = envelope([through_item(datetime.now(UTC))], MINHANG_BUS, key(XUHUI), datetime.now(UTC))
    answer = await post(rig, canonical(sealed))
    assert (answer.status, answer.code) == (422, "relay-refused")
    assert (await post(rig, b"[]")).code == "malformed-json"


async def test_a_token_opens_the_door_once(rig: Rig) -> None:
    token = issue(key(QINGPU_BUS), MINHANG_BUS, datetime.now(UTC), secrets.token_urlsafe(16))
    body = canonical(envelope([through_item(datetime.now(UTC))], MINHANG_BUS, key(QINGPU_BUS), datetime.now(UTC)))
    assert (await post(rig, body, token)).status == 200
    assert (await post(rig, body, token)).code == "token-replayed"


async def post(rig: Rig, body: bytes, token: str | None = None) -> Any:
    token = token or issue(key(QINGPU_BUS), MINHANG_BUS, datetime.now(UTC), secrets.token_urlsafe(16))
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    return await rig.ask("POST", "/v1/peer", data=body, headers=headers)


async def test_a_peer_that_floods_is_asked_to_wait(rig: Rig) -> None:
    """As an agency is: while the bus is behind, and for what has to be decided."""
    quota = rig.behind(QINGPU_BUS, MINHANG)
    while quota._buckets and quota._buckets[QINGPU_BUS].left > 0:
        await Peer(rig).hand_over(submission())
    with pytest.raises(PartnerAway) as caught:
        await Peer(rig).hand_over(submission())
    assert caught.value.retry_after is not None
    assert caught.value.retry_after >= timedelta(seconds=1)


async def test_a_peer_that_does_not_witness_is_not_believed(rig: Rig) -> None:
    """A server that answers 200 with something else: the item waits."""
    async with pretender() as url:
        peer = Peer(rig)
        channel = Channel(via="districts", url=url, private=True)
        agency = peer.opening.agency.model_copy(update={"channel": channel})
        peer.opening = replace(peer.opening, agency=agency)
        with pytest.raises(PartnerAway, match="witness"):
            await peer.hand_over(through_item(datetime.now(UTC)))


@asynccontextmanager
async def pretender() -> AsyncGenerator[str]:
    async def take(_: web.Request) -> web.Response:
        return json_response({"relay": "taken"})

    server = Server("pretender", [web.post("/v1/peer", take)], list)
    await server.start("127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        await server.stop()
