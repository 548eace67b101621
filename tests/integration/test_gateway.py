"""The gateway on real Kafka and PostgreSQL: every answer it can give, and that a refusal changes nothing.

No registrar runs here; outcomes are put on their topic by hand, so that each test says what became of a submission.
"""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import psycopg
import pytest
import pytest_asyncio
from aiohttp import web
from psycopg import sql
from yarl import URL

from connectors.http.cloudevents import BATCHED, binary
from connectors.http.server import Server
from connectors.http.tokens import Caller, ReplayGuard, issue
from connectors.kafka.broker import EmbeddedKafka
from connectors.kafka.group import Probe
from connectors.kafka.reader import read_all
from connectors.kafka.settings import KafkaSettings
from connectors.postgres.server import EmbeddedPostgres
from contracts.canonical import Document, canonical, parse_object
from contracts.codec import sign_event
from contracts.signatures import new_key, verify_seal
from services.gateway import acceptance
from services.gateway.app import SCHEMA, Gateway
from services.gateway.proxy import Proxy
from tests.support import factory
from tests.support.factory import BUS, event, fact, key, new_exchange, sign
from tests.support.gateway import (
    MINHANG,
    POLICE,
    QINGPU,
    SUBMISSIONS,
    Rig,
    a_hold,
    a_receipt,
    a_rejection,
    eventually,
    opening,
    running,
    serving,
)
from tests.support.registered import runtime

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def gateway_database(postgres: str) -> Iterator[str]:
    name = f"t{secrets.token_hex(6)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield str(URL(postgres).with_path(f"/{name}"))
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(
    kafka: KafkaSettings, gateway_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Rig]:
    folder = tmp_path_factory.mktemp("gateway")
    async with running(kafka, gateway_database, folder, max_batch=50, max_body=200_000) as found:
        yield found


# Accepted.


async def test_accepted_with_a_sealed_slip_once_kafka_has_it(rig: Rig) -> None:
    document = opening()
    answer = await rig.minhang.submit(document)
    assert (answer.status, answer.headers["Location"]) == (202, f"/v1/submissions/{document['id']}")
    slip = parse_object(answer.body)
    assert canonical(slip) == answer.body
    assert verify_seal(slip, factory.world().agencies, datetime.now(UTC)) == BUS
    assert (slip["slip"], slip["source"], slip["id"]) == ("accepted", MINHANG, document["id"])
    accepted = datetime.fromisoformat(str(slip["acceptedtime"]))
    assert abs((datetime.now(UTC) - accepted).total_seconds()) < 10
    assert await rig.submitted(document["id"]) == [{"event": document, "slip": slip}]


async def test_key_on_kafka_is_the_exchange(rig: Rig) -> None:
    document = opening()
    await rig.minhang.submit(document)
    found = await asyncio.to_thread(read_all, rig.runtime.kafka, SUBMISSIONS)
    keys = [record.key for record in found if record.value and str(document["id"]).encode() in record.value]
    assert keys == [str(document["exchange"]).encode()]


async def test_accepted_can_be_looked_up_at_once(rig: Rig) -> None:
    document = opening()
    slip = (await rig.minhang.submit(document)).json
    answer = await rig.minhang.submission(str(document["id"]))
    assert answer.status == 200
    assert answer.json == {"source": MINHANG, "id": document["id"], "state": "accepted", "slip": slip}


async def test_repeat_under_way_gets_the_first_slip_byte_for_byte(rig: Rig) -> None:
    document = opening()
    first = await rig.minhang.submit(document)
    again = await rig.minhang.submit(sign(document))
    assert (again.status, again.body) == (202, first.body)
    assert len(await rig.submitted(document["id"])) == 2


async def test_id_with_odd_characters_has_a_location_that_works(rig: Rig) -> None:
    document = opening(id_="a/b?c#d%e")
    answer = await rig.minhang.submit(document)
    assert answer.headers["Location"] == "/v1/submissions/a%2Fb%3Fc%23d%25e"
    assert (await rig.minhang.get(answer.headers["Location"])).json["id"] == "a/b?c#d%e"


async def test_binary_mode(rig: Rig) -> None:
    document = sign({**opening(), "datacontenttype": "application/json"})
    headers, body = binary(document)
    answer = await rig.post(body, headers.pop("Content-Type"), **headers)
    assert answer.status == 202, answer.body
    assert [value["event"] for value in await rig.submitted(document["id"])] == [document]
    assert (await rig.minhang.submit(document)).body == answer.body


async def test_many_at_once(rig: Rig) -> None:
    documents = [opening() for _ in range(150)]
    answers = await asyncio.gather(*(rig.minhang.submit(document) for document in documents))
    assert {answer.status for answer in answers} == {202}
    found = await asyncio.to_thread(read_all, rig.runtime.kafka, SUBMISSIONS)
    on_kafka = [json.loads(record.value)["event"]["id"] for record in found if record.value]
    assert {str(document["id"]) for document in documents} <= set(on_kafka)


# Waited for.


async def test_receipt_byte_for_byte_as_soon_as_it_is_there(rig: Rig) -> None:
    document = opening()
    waiting = asyncio.create_task(rig.minhang.submit(document, wait=30))
    await asyncio.sleep(0.3)
    begun = time.monotonic()
    stated = await rig.state(a_receipt(document))
    answer = await waiting
    assert (answer.status, answer.body) == (201, stated)
    assert answer.headers["Preference-Applied"] == "wait=30"
    assert answer.headers["Location"] == f"/v1/submissions/{document['id']}"
    assert time.monotonic() - begun < 5


async def test_rejection_is_a_problem_with_the_sealed_document_inside(rig: Rig) -> None:
    document = opening()
    waiting = asyncio.create_task(rig.minhang.submit(document, wait=30))
    await asyncio.sleep(0.2)
    stated = await rig.state(a_rejection(document))
    answer = await waiting
    assert (answer.status, answer.code) == (409, "illegal-move")
    assert stated in answer.body
    assert answer.json["rejection"]["legal_moves"] == ["corrected"]
    assert answer.json["detail"] == "it cannot follow"


async def test_time_runs_out(rig: Rig) -> None:
    begun = time.monotonic()
    answer = await rig.minhang.submit(opening(), wait=1)
    assert (answer.status, answer.headers["Preference-Applied"]) == (202, "wait=1")
    assert answer.json["slip"] == "accepted"
    assert 0.9 < time.monotonic() - begun < 5


async def test_held_is_told_and_a_receipt_takes_its_place_for_good(rig: Rig) -> None:
    document = opening()
    waiting = asyncio.create_task(rig.minhang.submit(document, wait=30))
    await asyncio.sleep(0.2)
    await rig.state(a_hold(document))
    assert (await waiting).status == 202
    shown = await rig.settled(rig.minhang, document["id"], "held")
    assert shown.json["outcome"]["detail"] == "waits for an operator"

    stated = await rig.state(a_receipt(document))
    shown = await rig.settled(rig.minhang, document["id"], "receipt")
    assert stated in shown.body
    await rig.state(a_hold(document))
    await rig.state(a_rejection(document))
    marker = opening()
    await rig.state(a_receipt(marker))
    await rig.settled(rig.minhang, marker["id"], "receipt")
    assert stated in (await rig.minhang.submission(str(document["id"]))).body


async def test_waiter_is_woken_by_another_process(rig: Rig) -> None:
    async with serving(rig.runtime) as other:
        documents = [opening() for _ in range(12)]
        clients = [rig.minhang, other.minhang] * 6
        waiting = [
            asyncio.create_task(client.submit(document, wait=30))
            for client, document in zip(clients, documents, strict=True)
        ]
        await asyncio.sleep(0.3)
        stated = [await rig.state(a_receipt(document)) for document in documents]
        answers = await asyncio.gather(*waiting)
        assert [answer.status for answer in answers] == [201] * 12
        assert [answer.body for answer in answers] == stated


async def test_those_who_wait_are_answered_when_the_server_stops(rig: Rig) -> None:
    async with serving(rig.runtime) as other:
        waiting = asyncio.create_task(other.minhang.submit(opening(), wait=60))
        await asyncio.sleep(0.5)
        begun = time.monotonic()
        await other.server.stop()
        assert (await waiting).status == 202
        assert time.monotonic() - begun < 5


# Repeated.


async def test_repeat_gets_the_receipt_whatever_it_prefers(rig: Rig) -> None:
    document = opening()
    await rig.minhang.submit(document)
    stated = await rig.state(a_receipt(document))
    await rig.settled(rig.minhang, document["id"], "receipt")
    for again in (document, sign(document)):
        for wait in (None, 0, 20):
            answer = await rig.minhang.submit(again, wait=wait)
            assert (answer.status, answer.body) == (201, stated)
    assert len(await rig.submitted(document["id"])) == 1


async def test_repeat_gets_the_rejection_byte_for_byte(rig: Rig) -> None:
    document = opening()
    await rig.minhang.submit(document)
    stated = await rig.state(a_rejection(document))
    await rig.settled(rig.minhang, document["id"], "rejection")
    first, second = await rig.minhang.submit(document), await rig.minhang.submit(sign(document), wait=5)
    assert (first.status, first.code) == (409, "illegal-move")
    assert stated in first.body
    assert first.body == second.body
    assert len(await rig.submitted(document["id"])) == 1


async def test_other_content_under_a_settled_id(rig: Rig) -> None:
    document = opening()
    await rig.minhang.submit(document)
    stated = await rig.state(a_receipt(document))
    await rig.settled(rig.minhang, document["id"], "receipt")
    answer = await rig.minhang.submit(sign({**document, "case": "another"}))
    assert (answer.status, answer.code) == (409, "id-reused")
    assert len(await rig.submitted(document["id"])) == 1
    assert stated in (await rig.minhang.submission(str(document["id"]))).body


async def test_other_content_under_way_goes_on_and_its_rejection_hides_nothing(rig: Rig) -> None:
    document = opening()
    other = sign({**document, "case": "another"})
    await rig.minhang.submit(document)
    assert (await rig.minhang.submit(other)).status == 202
    assert len(await rig.submitted(document["id"])) == 2

    refused = await rig.state(a_rejection(other, "id-reused"))
    assert (await eventually_status(rig, other, 409)).body.find(refused) > 0
    assert (await rig.minhang.submission(str(document["id"]))).json["state"] == "accepted"
    stated = await rig.state(a_receipt(document))
    shown = await rig.settled(rig.minhang, document["id"], "receipt")
    assert stated in shown.body
    assert refused in (await rig.minhang.submit(other)).body
    assert (await rig.minhang.submit(document)).body == stated


async def eventually_status(rig: Rig, document: Document, status: int) -> Any:
    async def look() -> Any:
        answer = await rig.minhang.submit(document)
        return answer if answer.status == status else None

    return await eventually(look)


async def test_same_id_of_two_agencies_are_two_submissions(rig: Rig) -> None:
    id_ = f"shared-{secrets.token_hex(4)}"
    mine = opening(id_=id_)
    sent = fact("transfer.sent", recipient=MINHANG)
    theirs = event(QINGPU, sent, exchange=new_exchange(), id_=id_)
    await rig.minhang.submit(mine)
    await rig.qingpu.submit(theirs)
    await rig.state(a_receipt(mine))
    await rig.settled(rig.minhang, id_, "receipt")
    assert (await rig.qingpu.submission(id_)).json["state"] == "accepted"


# Batches.


async def test_batch_answers_each_and_one_bad_item_harms_none(rig: Rig) -> None:
    exchange = new_exchange()
    first, second = opening(exchange), opening(exchange)
    forged = {**opening(), "case": "changed"}
    settled = opening()
    await rig.minhang.submit(settled)
    stated = await rig.state(a_receipt(settled))
    await rig.settled(rig.minhang, settled["id"], "receipt")

    body = canonical([first, forged, 7, second, settled, {"id": "x", "type": "nonsense"}])
    answer = await rig.post(body, BATCHED)
    assert answer.status == 200
    items = answer.json
    assert [item["status"] for item in items] == [202, 401, 400, 202, 201, 400]
    assert [item["id"] for item in items] == [first["id"], forged["id"], None, second["id"], settled["id"], "x"]
    assert items[1]["body"]["type"] == "urn:liandong:problem:signature-invalid"
    assert canonical(items[4]["body"]) == stated
    assert await rig.submitted(forged["id"]) == []


async def test_batch_keeps_the_order_of_an_exchange(rig: Rig) -> None:
    exchange = new_exchange()
    documents = [opening(exchange) for _ in range(30)]
    answer = await rig.minhang.submit_batch(documents)
    assert {item["status"] for item in answer.json} == {202}
    found = await asyncio.to_thread(read_all, rig.runtime.kafka, SUBMISSIONS)
    arrived = [record for record in found if record.key == exchange.encode() and record.value]
    in_order = [json.loads(record.value or b"")["event"]["id"] for record in sorted(arrived, key=lambda r: r.offset)]
    assert in_order == [document["id"] for document in documents]


async def test_what_waits_is_not_overtaken(rig: Rig) -> None:
    """Once 闵行 has sent its share, nothing that follows in the same exchange goes on, whoever says it."""
    quota = rig.behind(MINHANG, QINGPU)
    exchange = new_exchange()
    others = [event(QINGPU, fact("transfer.receipted"), exchange=of) for of in (exchange, new_exchange())]
    answer = await rig.minhang.submit_batch([*(opening(exchange) for _ in range(40)), *others])
    statuses = [item["status"] for item in answer.json]
    through = statuses.index(429)
    assert statuses == [202] * through + [429] * (41 - through) + [202]
    assert through < 40
    while quota.pressed:
        quota.look(0, time.monotonic())


async def test_batch_that_waits(rig: Rig) -> None:
    one, two, three = opening(), opening(), opening()
    waiting = asyncio.create_task(rig.minhang.submit_batch([one, two, three], wait=3))
    await asyncio.sleep(0.3)
    await rig.state(a_receipt(one))
    await rig.state(a_rejection(two))
    answer = await waiting
    assert [item["status"] for item in answer.json] == [201, 409, 202]
    assert answer.headers["Preference-Applied"] == "wait=3"


async def test_batch_of_nothing_and_of_too_much(rig: Rig) -> None:
    assert ((await rig.post(b"[]", BATCHED)).json) == []
    answer = await rig.post(b"[" + b"{}," * 50 + b"{}]", BATCHED)
    assert (answer.status, answer.code, answer.json["limit"]) == (413, "batch-too-large", 50)


# Bad input: its own clear answer each, and nothing changes.


def deep(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


def forged_by_another() -> bytes:
    sent = fact("transfer.sent", recipient=QINGPU)
    return canonical(event(MINHANG, sent, exchange=new_exchange(), signer=QINGPU))


def of_nobody() -> bytes:
    stranger = new_key(MINHANG, "310112-cg.unknown")
    return canonical(sign_event(opening(), stranger, factory.salt))


def ahead() -> bytes:
    return canonical(opening(time=datetime.now(UTC) + timedelta(hours=1)))


def without_agreement() -> bytes:
    return canonical(event(MINHANG, fact("transfer.sent", recipient=POLICE), exchange=new_exchange()))


def without(name: str) -> bytes:
    return canonical({member: value for member, value in opening().items() if member != name})


def changed(**members: Any) -> bytes:
    document = opening()
    return canonical({**document, "data": {**document["data"], **members}})  # type: ignore[dict-item]


BAD = {
    "no JSON": (b"{", 400, "malformed-json"),
    "nothing": (b"", 400, "malformed-json"),
    "a member twice": (b'{"id":"1","id":"2"}', 400, "malformed-json"),
    "10,000 nested arrays": (deep(10_000), 400, "malformed-json"),
    "40 nested arrays": (b'{"data":' + deep(40) + b"}", 400, "malformed-json"),
    "not UTF-8": (b'{"id":"\xff"}', 400, "malformed-json"),
    "half a character": (b'{"id":"\\ud800"}', 400, "malformed-json"),
    "a fraction": (b'{"id":1.5}', 400, "malformed-json"),
    "a huge number": (b'{"id":123456789012345678901234567890}', 400, "malformed-json"),
    "a name that is not ASCII": ('{"编号":1}'.encode(), 400, "malformed-json"),
    "an array in structured mode": (b"[]", 400, "cloudevent-malformed"),
    "no type": (b"{}", 400, "type-unknown"),
    "unknown type": (b'{"type":"cn.liandong.transfer.imagined.v1"}', 400, "type-unknown"),
    "a type that is no text": (b'{"type":[]}', 400, "type-unknown"),
    "schema": (changed(reason="", extra=1), 422, "schema-violation"),
    "an attribute of the bus": (canonical({**opening(), "sequence": 1}), 422, "schema-violation"),
    "no signature": (without("signature"), 422, "schema-violation"),
    "a signature that is none": (canonical({**opening(), "signature": "x"}), 401, "signature-malformed"),
    "a changed member": (changed(reason="another reason"), 401, "signature-invalid"),
    "a key of nobody": (of_nobody(), 401, "key-unknown"),
    "signed by another agency": (forged_by_another(), 403, "source-mismatch"),
    "time in the future": (ahead(), 409, "time-in-future"),
    "no agreement": (without_agreement(), 403, "no-agreement"),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_input(rig: Rig, name: str) -> None:
    body, status, code = BAD[name]
    before = await state_of_things(rig)
    begun = time.monotonic()
    answer = await rig.post(body, **{"Accept-Language": "en"})
    assert (answer.status, answer.code) == (status, code), answer.body
    assert time.monotonic() - begun < 2
    assert answer.json["title"].isascii()
    assert answer.json["detail"]
    assert "Traceback" not in answer.body.decode()
    assert await state_of_things(rig) == before


async def test_every_violation_at_once_with_pointers(rig: Rig) -> None:
    document = opening()
    place = {"address": "x", "division": "999999"}
    circumstances = {**document["data"]["circumstances"], "place": place}  # type: ignore[dict-item,index,call-overload]
    body = changed(reason="", extra=1, circumstances=circumstances, why="no such reason")
    pointers = {item["pointer"] for item in (await rig.post(body)).json["errors"]}
    assert pointers >= {"/data/reason", "/data/extra", "/data/why"}


async def test_wrong_check_digit_names_the_member(rig: Rig) -> None:
    body = changed(circumstances={**_circumstances(), "place": {"address": "x", "division": "999999"}})
    answer = await rig.post(body)
    errors = {item["pointer"]: item["rule"] for item in answer.json["errors"]}
    assert (answer.status, errors) == (422, {"/data/circumstances/place/division": "code-invalid"})


def _circumstances() -> dict[str, Any]:
    document: Any = opening()
    return dict(document["data"]["circumstances"])


@pytest.mark.parametrize(
    ("content_type", "status", "code"),
    [
        ("text/plain", 415, "media-type-unsupported"),
        ("application/cloudevents+json; charset=gbk", 415, "media-type-unsupported"),
        (BATCHED, 400, "cloudevent-malformed"),
    ],
)
async def test_wrong_media_type(rig: Rig, content_type: str, status: int, code: str) -> None:
    answer = await rig.post(canonical(opening()), content_type)
    assert (answer.status, answer.code) == (status, code)


async def test_binary_mode_with_a_bad_header(rig: Rig) -> None:
    answer = await rig.post(b"{}", "application/json", **{"ce-id": "%zz"})
    assert (answer.status, answer.code) == (400, "cloudevent-malformed")


async def test_body_over_the_limit(rig: Rig) -> None:
    answer = await rig.post(b" " * 200_001)
    assert (answer.status, answer.code, answer.json["limit"]) == (413, "body-too-large", 200_000)


async def state_of_things(rig: Rig) -> tuple[int, list[tuple[Any, ...]]]:
    ends = await Probe(rig.runtime.kafka).ends([(SUBMISSIONS, number) for number in range(6)])
    async with rig.runtime.pool.connection() as connection:
        rows = await (await connection.execute("SELECT count(*), count(outcome) FROM gateway.submissions")).fetchall()
    return sum(ends.values()), rows


# Reading.


async def test_reading_needs_a_token_that_counts_once(rig: Rig) -> None:
    document = opening()
    await rig.minhang.submit(document)
    path = f"/v1/submissions/{document['id']}"
    answer = await rig.ask("GET", path)
    assert (answer.status, answer.code, answer.headers["WWW-Authenticate"]) == (401, "token-missing", "Bearer")

    token = {"Authorization": f"Bearer {issue(key(MINHANG), BUS, datetime.now(UTC), secrets.token_hex(8))}"}
    assert (await rig.ask("GET", path, headers=token)).status == 200
    answer = await rig.ask("GET", path, headers=token)
    assert (answer.status, answer.code) == (401, "token-replayed")


async def test_tokens_that_open_nothing(rig: Rig) -> None:
    now, jti = datetime.now(UTC), secrets.token_hex(8)
    foreign = jwt.encode({"iss": MINHANG}, key(QINGPU).private, "EdDSA", {"kid": key(QINGPU).kid})
    for token, code in [
        ("nonsense", "token-invalid"),
        (foreign, "token-invalid"),
        (issue(key(MINHANG), "310118-bus", now, jti), "token-invalid"),
        (issue(key(MINHANG), BUS, now - timedelta(minutes=6), jti), "token-expired"),
        (issue(key(MINHANG), BUS, now, jti, timedelta(hours=1)), "token-invalid"),
    ]:
        answer = await rig.ask("GET", "/v1/submissions/x", headers={"Authorization": f"Bearer {token}"})
        assert (answer.status, answer.code) == (401, code), answer.body


async def test_token_is_refused_by_every_process_of_the_gateway(rig: Rig) -> None:
    token = {"Authorization": f"Bearer {issue(key(MINHANG), BUS, datetime.now(UTC), secrets.token_hex(8))}"}
    async with serving(rig.runtime) as other:
        codes = [(await asked.ask("GET", "/v1/submissions/none", headers=token)).code for asked in (rig, other)]
    assert codes == ["not-found", "token-replayed"]


async def test_expired_tokens_are_forgotten(rig: Rig) -> None:
    async with rig.runtime.pool.connection() as connection:
        await connection.execute("INSERT INTO gateway.tokens VALUES ('x', 'old', now() - interval '1 hour')")
    guard, now = ReplayGuard(rig.runtime.pool, "gateway"), datetime.now(UTC)
    await guard.use(Caller(MINHANG, secrets.token_hex(8), now + timedelta(minutes=5)), now)
    async with rig.runtime.pool.connection() as connection:
        rows = await (await connection.execute("SELECT jti FROM gateway.tokens WHERE agency = 'x'")).fetchall()
    assert rows == []


async def test_nobody_reads_the_submissions_of_others(rig: Rig) -> None:
    document = opening()
    await rig.minhang.submit(document)
    answer = await rig.qingpu.submission(str(document["id"]))
    assert (answer.status, answer.code) == (404, "not-found")


async def test_methods(rig: Rig) -> None:
    answer = await rig.ask("DELETE", "/v1/submissions")
    assert (answer.status, answer.code, answer.headers["Allow"]) == (405, "method-not-allowed", "POST")


# Contracts.


async def test_contracts_are_published(rig: Rig) -> None:
    index = (await rig.ask("GET", "/v1/contracts")).json
    for path in index.values():
        assert (await rig.ask("GET", path)).status == 200
    schemas = (await rig.ask("GET", index["schemas"])).json
    entry = next(item for item in schemas if item["name"] == "cn.liandong.transfer.sent.v1")
    schema = (await rig.ask("GET", entry["schema"])).json
    assert "recipient" in schema["properties"]
    agencies = (await rig.ask("GET", index["agencies"])).body
    assert key(MINHANG).public().encode() in agencies
    assert b"PRIVATE" not in agencies
    agency = (await rig.ask("GET", f"/v1/contracts/agencies/{MINHANG}")).json
    assert (agency["code"], agency["keys"][0]["kid"]) == (MINHANG, key(MINHANG).kid)
    problems = {item["type"] for item in (await rig.ask("GET", index["problems"])).json}
    assert "urn:liandong:problem:id-reused" in problems


async def test_contracts_that_are_not_there(rig: Rig) -> None:
    for path in ("schemas/cn.liandong.x.y.v1", "agencies/999999-cg", "nothing"):
        answer = await rig.ask("GET", f"/v1/contracts/{path}")
        assert (answer.status, answer.code) == (404, "not-found")


async def test_who_has_it_already_gets_304(rig: Rig) -> None:
    first = await rig.ask("GET", "/v1/contracts/agencies")
    tag = first.headers["ETag"]
    for wanted in (tag, f'"other", W/{tag}', "*"):
        again = await rig.ask("GET", "/v1/contracts/agencies", headers={"If-None-Match": wanted})
        assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
    assert (await rig.ask("GET", "/v1/contracts/agencies", headers={"If-None-Match": '"other"'})).status == 200


# Passed on.


async def behind(request: web.Request) -> web.StreamResponse:
    if request.path.endswith("/broken"):
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.abort()
        return response
    if request.path.endswith("/problem"):
        return web.json_response({"type": "urn:x"}, status=410, content_type="application/problem+json")
    await asyncio.sleep(float(request.query.get("wait", 0)))
    echoed = {
        "method": request.method,
        "path": request.raw_path,
        "authorization": request.headers.get("Authorization"),
        "request_id": request.headers.get("X-Request-Id"),
        "body": (await request.read()).decode(),
    }
    return web.json_response(echoed, headers={"X-Cursor": "7"})


@pytest_asyncio.fixture(loop_scope="module")
async def through() -> AsyncIterator[Server]:
    """A gateway's proxy alone, in front of a server that says what it was asked."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", behind)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    proxy = Proxy("delivery", f"http://127.0.0.1:{runner.addresses[0][1]}", ["/v1/inbox", "/v1/cases"])
    server = Server("gateway", proxy.routes(), list)
    await proxy.start()
    await server.start("127.0.0.1", 0)
    yield server
    await server.stop()
    await proxy.stop()
    await runner.cleanup()


async def test_requests_and_answers_pass_as_they_are(rig: Rig, through: Server) -> None:
    path = "/v1/cases/%E9%97%B5%E3%80%942026%E3%80%95%2F1/timeline?after=a%2Bb&x=%20"
    headers = {"Authorization": "Bearer t", "X-Request-Id": "request-0001"}
    url = URL(f"http://127.0.0.1:{through.port}{path}", encoded=True)
    async with rig.session.get(url, headers=headers) as response:
        echoed = await response.json()
        assert (response.status, response.headers["X-Cursor"]) == (200, "7")
    assert (echoed["method"], echoed["path"]) == ("GET", path)
    assert (echoed["authorization"], echoed["request_id"]) == ("Bearer t", "request-0001")


async def test_bodies_pass_and_large_ones_do_not(rig: Rig, through: Server) -> None:
    url = f"http://127.0.0.1:{through.port}/v1/inbox/ack"
    async with rig.session.post(url, data=b'{"cursor":"7"}') as response:
        assert (await response.json())["body"] == '{"cursor":"7"}'
    async with rig.session.post(url, data=b" " * 70_000) as response:
        assert response.status == 413


async def test_problems_pass_as_they_are(rig: Rig, through: Server) -> None:
    async with rig.session.get(f"http://127.0.0.1:{through.port}/v1/inbox/problem") as response:
        assert (response.status, response.content_type) == (410, "application/problem+json")
        assert json.loads(await response.read()) == {"type": "urn:x"}


async def test_long_poll_passes_and_ends_when_the_gateway_stops(rig: Rig, through: Server) -> None:
    url = f"http://127.0.0.1:{through.port}/v1/inbox"
    async with rig.session.get(f"{url}?wait=0.5") as response:
        assert response.status == 200

    async def poll() -> int:
        async with rig.session.get(f"{url}?wait=30") as response:
            return response.status

    polling = asyncio.create_task(poll())
    await asyncio.sleep(0.2)
    await through.stop()
    assert await polling == 503


async def test_half_an_answer_does_not_look_like_a_whole_one(rig: Rig, through: Server) -> None:
    with pytest.raises(Exception, match=r"(?i)payload|disconnect|reset"):
        async with rig.session.get(f"http://127.0.0.1:{through.port}/v1/inbox/broken") as response:
            await response.read()


async def test_service_behind_is_down(rig: Rig) -> None:
    for path in ("/v1/inbox?after=1", "/v1/exchanges", "/v1/exchanges/x/timeline", "/v1/cases/x/timeline"):
        answer = await rig.ask("GET", path)
        assert (answer.status, answer.code) == (503, "unavailable")
        assert "Retry-After" in answer.headers


# Too much, and engines that are away.


async def test_more_than_is_bearable_is_refused_before_it_hurts(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    # One agency may have half of it.
    monkeypatch.setattr(acceptance, "MAX_IN_HAND", 10)
    answers = await asyncio.gather(*(rig.minhang.submit(opening()) for _ in range(60)))
    counts = {status: [answer.status for answer in answers].count(status) for status in (202, 429)}
    assert counts[202] >= 5
    assert counts[429] >= 1
    assert sum(counts.values()) == 60
    refused = next(answer for answer in answers if answer.status == 429)
    assert (refused.code, refused.headers["Retry-After"]) == ("overloaded", "1")
    assert (await rig.minhang.submit(opening())).status == 202


async def test_ready(rig: Rig) -> None:
    assert (await rig.ask("GET", "/readyz")).status == 200


async def test_kafka_goes_away_and_comes_back(database: str, folder: Path, tmp_path: Path) -> None:
    with EmbeddedKafka(folder / "kafka") as broker:
        async with running(broker.settings, database, tmp_path) as rig:
            assert (await rig.minhang.submit(opening())).status == 202
            document = opening()
            broker.kill()
            begun = time.monotonic()
            answer = await rig.minhang.submit(document)
            assert (answer.status, answer.code) == (503, "unavailable")
            assert "same id" in answer.json["detail"]
            assert int(answer.headers["Retry-After"]) > 0
            assert time.monotonic() - begun < 8
            ready = await rig.ask("GET", "/readyz")
            assert (ready.status, ready.code) == (503, "not-ready")
            assert any("Kafka" in trouble for trouble in ready.json["troubles"])
            assert (await rig.ask("GET", "/healthz")).status == 200

            surely = asyncio.create_task(rig.minhang.submit_surely(document, patience=60))
            await asyncio.to_thread(broker.start)
            assert (await surely).status == 202
            assert {value["slip"]["id"] for value in await rig.submitted(document["id"])} == {str(document["id"])}
            await rig.state(a_receipt(document))
            await eventually(lambda: is_ready(rig), 60)
            await rig.settled(rig.minhang, document["id"], "receipt")


async def test_postgres_goes_away_and_submissions_go_on(folder: Path, tmp_path: Path) -> None:
    # A broker of its own, too: a gateway with another database must not share this one's group.
    with EmbeddedKafka(folder / "kafka") as broker, EmbeddedPostgres(folder / "postgres") as engine:
        async with running(broker.settings, engine.url, tmp_path) as rig:
            document = opening()
            assert (await rig.minhang.submit(document)).status == 202
            stated = await rig.state(a_receipt(document))
            await rig.settled(rig.minhang, document["id"], "receipt")
            engine.kill()
            meanwhile = opening()
            answer = await rig.minhang.submit(meanwhile)
            assert (answer.status, answer.json["slip"]) == (202, "accepted")
            assert (await rig.minhang.submit(document)).status == 202
            read = await rig.minhang.submission(str(document["id"]))
            assert (read.status, read.code) == (503, "unavailable")
            assert (await rig.ask("GET", "/readyz")).status == 503

            await asyncio.to_thread(engine.start)
            await rig.state(a_receipt(meanwhile))
            await rig.settled(rig.minhang, meanwhile["id"], "receipt")
            await eventually(lambda: is_ready(rig), 60)
            assert (await rig.minhang.submit(document)).body == stated


async def test_starts_while_kafka_is_away(database: str, folder: Path, tmp_path: Path) -> None:
    with EmbeddedKafka(folder / "kafka") as broker:
        async with runtime(broker.settings, database, tmp_path, [SCHEMA]) as around:
            broker.kill()
            gateway = Gateway(around)
            server = Server("gateway", gateway.routes(), gateway.troubles)
            await server.start("127.0.0.1", 0)
            starting = asyncio.create_task(gateway.start())
            await asyncio.sleep(1)
            assert gateway.troubles()
            starting.cancel()
            await asyncio.wait([starting])
            await gateway.stop()
            await server.stop()


async def is_ready(rig: Rig) -> bool | None:
    return True if (await rig.ask("GET", "/readyz")).status == 200 else None
