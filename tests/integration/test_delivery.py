"""Inboxes on the real engines: every party, in order, once; cursors; stages; what workers that die leave behind."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import JsonValue

from connectors.kafka.producer import Message
from connectors.kafka.reader import read_all
from connectors.kafka.settings import KafkaSettings
from contracts.canonical import Document, canonical
from contracts.deliveries import StageReached
from contracts.records import Record, Statement
from contracts.signatures import seal
from services.delivery.agreed import Agreed
from services.delivery.app import SCHEMA, Delivery, build
from services.delivery.dispatch import Dispatch
from services.delivery.inboxes import Inboxes
from services.delivery.post import Post
from services.delivery.queue import Queue
from services.delivery.stages import Stages
from services.kernel.follower import Follower
from services.kernel.parties import HistoryMissing
from services.kernel.service import Runtime
from tests.support.factory import BUS, TIME, key, new_exchange
from tests.support.play import JUSTICE, MINHANG, QINGPU, XUHUI, Play
from tests.support.registered import EVENTS, message, moved, on_kafka, registered, runtime, store
from tests.support.serving import client, eventually, serving


@pytest.fixture
async def around(kafka: KafkaSettings, database: str, tmp_path: Path) -> AsyncIterator[Runtime]:
    async with runtime(kafka, database, tmp_path, [SCHEMA]) as found:
        yield found


@pytest.fixture(scope="module")
def forwarded() -> list[Record]:
    play = Play("transfer").given(
        (MINHANG, "transfer.sent"), (QINGPU, "transfer.receipted"), (QINGPU, "transfer.forwarded", {"recipient": XUHUI})
    )
    return registered(play)


class Worker:
    """Delivery without HTTP and without Kafka before it: `take_in` is what the consumer would do."""

    def __init__(self, around: Runtime) -> None:
        self.inboxes = Inboxes(around.pool)
        self.stages = Stages(around, lambda: TIME)
        self.dispatch = Dispatch(around, self.inboxes, Queue(around.pool), self.stages, Agreed(around.pool))
        self.follower = Follower(around, "delivery", Post(self.dispatch), [EVENTS], hop=3)

    async def take_in(self, records: Sequence[Record | bytes]) -> None:
        await self.follower.handle(
            [on_kafka(item, topic="outcomes" if isinstance(item, bytes) else EVENTS) for item in records]
        )

    async def items(self, agency: str) -> list[dict[str, Any]]:
        page = await self.inboxes.page(await self.inboxes.inbox(agency), 0, 500)
        return [orjson.loads(item) for item in page.items]

    async def sequences(self, agency: str) -> list[int]:
        return [(item.get("event") or item["stub"])["sequence"] for item in await self.items(agency)]


def afresh(records: Sequence[Record]) -> list[Record]:
    exchange = new_exchange()
    return [moved(record, exchange) for record in records]


def a_rejection(code: str = "illegal-move", id_: str = "e1", **members: JsonValue) -> bytes:
    outcome: Document = {"outcome": "rejection", "source": MINHANG, "id": id_, "code": code, **members}
    return stated(seal(outcome, key(BUS)))


def stated(outcome: Document) -> bytes:
    """The outcome as it lies on its topic."""
    return Statement("sha-256:0", stands=True, document=canonical(outcome)).to_bytes()


async def test_every_party_in_order_once(around: Runtime, forwarded: list[Record]) -> None:
    worker = Worker(around)
    await store(around, forwarded)
    await worker.take_in(forwarded[:1])
    await worker.take_in(forwarded[:2])
    await worker.take_in(forwarded)
    await worker.take_in(forwarded)
    for agency in (MINHANG, QINGPU, JUSTICE, XUHUI):
        assert await worker.sequences(agency) == [1, 2, 3]


async def test_a_party_that_joins_gets_the_history_from_the_store(around: Runtime, forwarded: list[Record]) -> None:
    worker = Worker(around)
    await worker.take_in(forwarded[:2])
    with pytest.raises(HistoryMissing):
        await worker.take_in(forwarded[2:])
    await store(around, forwarded)
    await worker.take_in(forwarded[2:])
    assert await worker.sequences(XUHUI) == [1, 2, 3]
    assert await worker.sequences(MINHANG) == [1, 2, 3]


async def test_rejections_come_once_and_to_their_submitter(around: Runtime) -> None:
    worker = Worker(around)
    first, second = a_rejection(), a_rejection("no-agreement")
    foreign = stated({"outcome": "rejection", "source": "999999-zz", "id": "x"})
    receipt = stated({"outcome": "receipt", "source": MINHANG, "id": "x"})
    await worker.take_in([first, foreign, receipt, first])
    await worker.take_in([second, first])
    assert [item["rejection"]["code"] for item in await worker.items(MINHANG)] == ["illegal-move", "no-agreement"]


async def test_stages_leave_through_the_outbox(around: Runtime, forwarded: list[Record]) -> None:
    worker, records = Worker(around), afresh(forwarded[:2])
    await worker.take_in(records)
    worker.stages.start()
    await worker.stages.stop()
    found = stages(around.kafka, records[0].exchange)
    assert {(item.recipient, item.sequence) for item in found} == {
        (agency, number) for agency in records[1].standing.parties for number in (1, 2)
    }
    assert {(item.stage, item.bus, item.attempt) for item in found} == {("delivered", BUS, 1)}
    assert await left_in_outbox(around) == 0


async def test_what_a_worker_left_in_the_outbox_another_publishes(around: Runtime, forwarded: list[Record]) -> None:
    records = afresh(forwarded[:1])
    await Worker(around).take_in(records)
    assert await left_in_outbox(around) > 0
    other = Worker(around)
    other.stages.start()
    await eventually(lambda: left_in_outbox_is_empty(around))
    await other.stages.stop()
    assert len(stages(around.kafka, records[0].exchange)) == len(records[0].standing.parties)


async def test_workers_share_the_outbox_without_doubling(around: Runtime, forwarded: list[Record]) -> None:
    threads = [afresh(forwarded[:2]) for _ in range(400)]
    workers = [Worker(around) for _ in range(3)]
    await workers[0].take_in([record for records in threads for record in records])
    rows = await left_in_outbox(around)
    for worker in workers:
        worker.stages.start()
    await eventually(lambda: left_in_outbox_is_empty(around))
    for worker in workers:
        await worker.stages.stop()
    exchanges = {records[0].exchange for records in threads}
    found = [StageReached.from_bytes(item.value) for item in read_all(around.kafka, "deliveries") if item.value]
    assert sum(item.exchange in exchanges for item in found) == rows > 2000


async def test_positions_have_no_gap_while_many_write(around: Runtime, forwarded: list[Record]) -> None:
    """A reader that follows while four workers deliver never skips what is committed late."""
    workers = [Worker(around) for _ in range(4)]
    batches = [[afresh(forwarded[:2]) for _ in range(10)] for _ in workers]
    total = 4 * 10 * 2
    seen: list[bytes] = []

    async def read() -> None:
        inboxes = Inboxes(around.pool)
        while len(seen) < total:
            page = await inboxes.page(await inboxes.inbox(JUSTICE), len(seen), 7)
            seen.extend(page.items)

    async def write(worker: Worker, threads: list[list[Record]]) -> None:
        for records in threads:
            await worker.take_in(records)

    async with asyncio.timeout(60):
        await asyncio.gather(read(), *map(write, workers, batches))
    events = [orjson.loads(item)["event"] for item in seen]
    assert len({(found["exchange"], found["sequence"]) for found in events}) == total


async def test_purges_what_is_acknowledged_and_old(around: Runtime, forwarded: list[Record]) -> None:
    worker = Worker(around)
    await worker.take_in(forwarded[:2])
    async with around.pool.connection() as connection:
        await worker.inboxes.ack(connection, QINGPU, 1)
    assert await worker.inboxes.purge(timedelta(hours=1)) == 0
    assert await worker.inboxes.purge(timedelta(0)) == 1
    async with serving("delivery", quiet(around)) as url, client(url, QINGPU) as qingpu:
        inbox = await worker.inboxes.inbox(QINGPU)
        expired = await qingpu.inbox(str(inbox.cursor(0)))
        assert (expired.status, expired.code) == (410, "cursor-expired")
        assert len((await qingpu.inbox()).json["items"]) == 1
        # To acknowledge again what is long gone changes nothing.
        assert (await qingpu.ack(str(inbox.cursor(0)))).json == {"acked": str(inbox.cursor(1))}


async def test_reading_and_acknowledging_over_http(around: Runtime, forwarded: list[Record]) -> None:
    worker, records = Worker(around), afresh(forwarded[:2])
    await worker.take_in([*records, *afresh(forwarded[:2])])
    async with serving("delivery", quiet(around)) as url, client(url, QINGPU) as qingpu:
        first = (await qingpu.get("/v1/inbox", limit=3)).json
        assert (len(first["items"]), first["more"]) == (3, True)
        assert first["items"][-1]["cursor"] == first["cursor"]
        rest = (await qingpu.inbox(first["cursor"])).json
        assert (len(rest["items"]), rest["more"]) == (1, False)
        empty = await qingpu.inbox(rest["cursor"])
        assert empty.json == {"items": [], "cursor": rest["cursor"], "more": False}

        assert (await qingpu.ack(first["cursor"])).json == {"acked": first["cursor"]}
        assert (await qingpu.inbox()).json == rest
        assert (await qingpu.ack(first["items"][0]["cursor"])).json == {"acked": first["cursor"]}
    found = stages(around.kafka, records[0].exchange)
    assert {item.sequence for item in found if item.stage == "retrieved"} == {1, 2}
    assert {item.recipient for item in found if item.stage == "retrieved"} == {QINGPU}


async def test_cursors_that_do_not_count_are_410(around: Runtime, forwarded: list[Record]) -> None:
    worker = Worker(around)
    await worker.take_in(forwarded[:1])
    async with serving("delivery", quiet(around)) as url, client(url, QINGPU) as qingpu, client(url, MINHANG) as other:
        mine, foreign = (await qingpu.inbox()).json["cursor"], (await other.inbox()).json["cursor"]
        beyond = str((await worker.inboxes.inbox(QINGPU)).cursor(2))
        for cursor in ("", "nonsense", "城管", foreign, beyond):
            for answer in (await qingpu.inbox(cursor, wait=5), await qingpu.ack(cursor)):
                assert (answer.status, answer.code) == (410, "cursor-unknown"), cursor
        async with around.pool.connection() as connection:
            await connection.execute("UPDATE delivery.inboxes SET id = gen_random_uuid()")
        assert (await qingpu.inbox(mine)).status == 410


async def test_wrong_parameters_are_named(around: Runtime) -> None:
    async with serving("delivery", quiet(around)) as url, client(url, QINGPU) as qingpu:
        for name, value in (("wait", "-1"), ("wait", "61"), ("limit", "0"), ("limit", "x"), ("since", "1")):
            answer = await qingpu.get("/v1/inbox", **{name: value})
            assert (answer.status, answer.code, answer.json["parameter"]) == (400, "bad-parameter", name)
        assert (await qingpu.inbox()).json["items"] == []
        bad_ack = await qingpu._post("/v1/inbox/ack", {"cursor": 5}, "application/json", None, qingpu._token())
        assert bad_ack.status == 400
        assert (await qingpu._ask("GET", "/v1/inbox")).status == 401


async def test_a_long_poll_is_woken_by_another_process(around: Runtime, forwarded: list[Record]) -> None:
    worker = Worker(around)
    async with serving("delivery", quiet(around)) as url, client(url, QINGPU) as qingpu:
        begun = time.monotonic()
        assert (await qingpu.inbox(wait=1)).json["items"] == []
        assert time.monotonic() - begun > 0.9
        waiting = asyncio.create_task(qingpu.inbox(wait=30))
        await asyncio.sleep(0.2)
        begun = time.monotonic()
        await worker.take_in(forwarded[:1])
        assert len((await waiting).json["items"]) == 1
        assert time.monotonic() - begun < 2


async def test_a_stopping_service_answers_those_who_wait(around: Runtime) -> None:
    running = AsyncExitStack()
    url = await running.enter_async_context(serving("delivery", quiet(around)))
    async with client(url, QINGPU) as qingpu:
        waiting = asyncio.create_task(qingpu.inbox(wait=60))
        await asyncio.sleep(0.3)
        begun = time.monotonic()
        await running.aclose()
        answer = await waiting
    assert answer.json["items"] == []
    assert time.monotonic() - begun < 10


async def test_pages_are_bounded_in_bytes(around: Runtime, forwarded: list[Record]) -> None:
    worker = Worker(around)
    for number in range(6):
        await worker.take_in([a_rejection(id_=str(number), padding="x" * 3_000_000)])
    inbox = await worker.inboxes.inbox(MINHANG)
    page = await worker.inboxes.page(inbox, 0, 100)
    assert (len(page.items), page.more) == (3, True)


@pytest.mark.timeout(180)
async def test_through_kafka_into_the_inbox(around: Runtime, forwarded: list[Record]) -> None:
    records = afresh(forwarded)
    await store(around, records)
    rejected = a_rejection(id_=records[0].exchange)
    async with serving("delivery", build(around)) as url, client(url, XUHUI) as xuhui, client(url, MINHANG) as minhang:
        await around.producer.send_all([message(record) for record in records])
        await around.producer.send_all([Message(topic="outcomes", key=b"k", value=rejected)])

        async def mine() -> object:
            items = (await xuhui.inbox(wait=1)).json["items"]
            return [i["event"]["sequence"] for i in items if i.get("event", {}).get("exchange") == records[0].exchange]

        assert await eventually(mine) == [1, 2, 3]

        async def refused() -> object:
            items = (await minhang.inbox(wait=1)).json["items"]
            return [item for item in items if item.get("rejection", {}).get("id") == records[0].exchange]

        assert await eventually(refused)
        await eventually(lambda: left_in_outbox_is_empty(around))


def quiet(around: Runtime) -> Delivery:
    """Delivery whose consumer stays out: the test says what arrives."""
    service = build(around)
    service._consumer = _NoConsumer()  # type: ignore[assignment] # pyright: ignore[reportAttributeAccessIssue]
    return service


class _NoConsumer:
    async def start(self) -> None: ...

    async def stop(self) -> None: ...


def stages(kafka: KafkaSettings, exchange: str) -> list[StageReached]:
    found = [StageReached.from_bytes(item.value) for item in read_all(kafka, "deliveries") if item.value]
    return [item for item in found if item.exchange == exchange]


async def left_in_outbox(around: Runtime) -> int:
    async with around.pool.connection() as connection:
        row = await (await connection.execute("SELECT count(*) FROM delivery.outbox")).fetchone()
    return row[0] if row else 0


async def left_in_outbox_is_empty(around: Runtime) -> bool:
    return await left_in_outbox(around) == 0
