"""Copies brought to partners: in order, once for each recipient, whatever the partner does; and what is said of it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.http.server import Server
from connectors.http.tokens import Door, ReplayGuard
from connectors.kafka.settings import KafkaSettings
from connectors.simulation import Mode
from connectors.webhook.simulator import Endpoint
from contracts.records import Record
from contracts.signatures import verify_seal
from services.delivery.app import SCHEMA
from services.delivery.desk import DeskRoutes
from services.kernel.service import Runtime
from services.kernel.time import driven, set_driven
from tests.support.factory import BUS, TIME, key, new_exchange, world
from tests.support.partners import Delivering, delivering, set_channel
from tests.support.play import MINHANG, QINGPU, XUHUI, Play
from tests.support.registered import moved, registered, runtime
from tests.support.serving import client, eventually

HOUR = timedelta(hours=1)


@pytest.fixture
async def around(kafka: KafkaSettings, database: str, tmp_path: Path) -> AsyncIterator[Runtime]:
    """A runtime whose legal time stands still until a test moves it."""
    set_driven(tmp_path / "legal-time", TIME)
    async with runtime(kafka, database, tmp_path, [SCHEMA]) as found:
        yield replace(found, clock=driven(tmp_path / "legal-time"))


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    found = Endpoint(keys=[key(BUS).private.public_key()])
    await found.start()
    yield found
    await found.stop()


@pytest.fixture(scope="module")
def play() -> list[Record]:
    acts = ((MINHANG, "transfer.sent"), (QINGPU, "transfer.receipted"), (QINGPU, "transfer.accepted"))
    return registered(Play("transfer").given(*acts))


def afresh(records: list[Record]) -> list[Record]:
    exchange = new_exchange()
    return [moved(record, exchange) for record in records]


def move(tmp_path: Path, by: timedelta) -> datetime:
    at = driven(tmp_path / "legal-time")() + by
    set_driven(tmp_path / "legal-time", at)
    return at


def sequences(endpoint: Endpoint, exchange: str) -> list[int]:
    events: list[dict[str, Any]] = [item["event"] for item in endpoint.taken.values() if item["kind"] == "event"]
    return [event["sequence"] for event in events if event["exchange"] == exchange]


async def all_taken(endpoint: Endpoint, count: int) -> None:
    await eventually(lambda: len(endpoint.taken) == count)


async def nothing_waits(delivery: Delivering, agency: str = QINGPU) -> None:
    async def done() -> bool:
        return not await delivery.waiting(agency)

    await eventually(done)


async def troubled(delivery: Delivering, why: str) -> bool:
    return why in str((await delivery.queue.partner(QINGPU)).trouble)


async def test_each_in_order_signed_and_confirmed(around: Runtime, endpoint: Endpoint, play: list[Record]) -> None:
    await set_channel(around, QINGPU, url=f"{endpoint.url}/hook")
    async with delivering(around) as delivery:
        exchanges = [afresh(play) for _ in range(20)]
        for records in exchanges:
            await delivery.take_in(*records)
        await all_taken(endpoint, 60)
        await nothing_waits(delivery)
        for records in exchanges:
            assert sequences(endpoint, records[0].exchange) == [1, 2, 3]
        assert endpoint.repeats == 0
        assert endpoint.taken.keys() == {item["cursor"] for item in await delivery.items(QINGPU)}
        said = await delivery.said(QINGPU)
        assert {(stage, said.count((stage, 1, 1))) for stage, _, _ in said} == {
            *(("queued", 20), ("relayed", 20), ("delivered", 20))
        }
        # Who comes for its copies itself has them at once.
        assert {stage for stage, _, _ in await delivery.said(MINHANG)} == {"delivered"}


@pytest.mark.parametrize("mode", [Mode.BROKEN, Mode.OFF, Mode.DYING, Mode.BUSY])
async def test_a_partner_that_fails_gets_everything_once_and_in_order(
    around: Runtime, endpoint: Endpoint, play: list[Record], tmp_path: Path, mode: Mode
) -> None:
    await set_channel(around, QINGPU, url=f"{endpoint.url}/hook", longest_pause=HOUR)
    endpoint.faults.set(mode)
    async with delivering(around) as delivery:
        exchanges = [afresh(play) for _ in range(6)]
        for records in exchanges:
            await delivery.take_in(*records)

        async def left_alone() -> bool:
            """Whether the breaker is open; until then time goes on from attempt to attempt."""
            opens = (await delivery.queue.partner(QINGPU)).breaker.open_until
            if opens is not None and opens > around.clock():
                return True
            await delivery.rests(tmp_path / "legal-time")
            return False

        await eventually(left_alone)
        assert len(await delivery.waiting(QINGPU)) == 18
        endpoint.faults.set(Mode.WELL)
        # Not before its pause is over.
        seen = dict(endpoint.taken)
        await delivery.take_in(*afresh(play))
        assert endpoint.taken == seen
        await eventually(lambda: delivery.rests(tmp_path / "legal-time"))
        await all_taken(endpoint, 21)
        for records in exchanges:
            assert sequences(endpoint, records[0].exchange) == [1, 2, 3]
        assert (await delivery.queue.partner(QINGPU)).breaker.failures == 0
        assert ("failed", 1, 1) in await delivery.said(QINGPU)


async def test_one_exchange_s_refusal_holds_up_no_other(
    around: Runtime, endpoint: Endpoint, play: list[Record], tmp_path: Path
) -> None:
    """A partner that does not take one copy is well: only what follows in that exchange waits."""
    await set_channel(around, QINGPU, url=f"{endpoint.url}/hook")
    endpoint.status = 422
    async with delivering(around) as delivery:
        refused, taken = afresh(play), afresh(play)
        await delivery.take_in(*refused)

        async def was_refused() -> bool:
            return any(attempt for _, _, attempt, _ in await delivery.waiting(QINGPU))

        await eventually(was_refused)
        endpoint.status = 204
        await delivery.take_in(*taken)
        await all_taken(endpoint, 3)
        assert sequences(endpoint, taken[0].exchange) == [1, 2, 3]

        async def only_those_wait() -> bool:
            return [attempts for _, _, attempts, _ in await delivery.waiting(QINGPU)] == [1, 0, 0]

        await eventually(only_those_wait)
        await eventually(lambda: delivery.rests(tmp_path / "legal-time"))
        await all_taken(endpoint, 6)
        assert sequences(endpoint, refused[0].exchange) == [1, 2, 3]


async def test_one_partner_s_outage_holds_up_no_other(around: Runtime, endpoint: Endpoint, play: list[Record]) -> None:
    away = Endpoint()
    await away.start()
    away.faults.set(Mode.SLOW, seconds=30)
    await set_channel(around, QINGPU, url=f"{away.url}/hook")
    await set_channel(around, MINHANG, url=f"{endpoint.url}/hook")
    async with delivering(around) as delivery:
        for _ in range(8):
            await delivery.take_in(*afresh(play))
        await all_taken(endpoint, 24)
        assert not away.taken
    await away.stop()


async def test_a_partner_that_is_gone_is_parked_until_it_is_resumed(
    around: Runtime, endpoint: Endpoint, play: list[Record], tmp_path: Path
) -> None:
    await set_channel(around, QINGPU, url=f"{endpoint.url}/hook")
    endpoint.status = 410
    async with delivering(around) as delivery:
        await delivery.take_in(*afresh(play))

        async def parked() -> bool:
            return (await delivery.queue.partner(QINGPU)).parked is not None

        await eventually(parked)
        endpoint.status = 204
        move(tmp_path, 200 * HOUR)
        await delivery.take_in(*afresh(play))
        assert not endpoint.taken
        async with around.pool.connection() as connection:
            await delivery.queue.resume(connection, QINGPU, around.clock())
        await all_taken(endpoint, 6)


@pytest.mark.parametrize("positions", [[1], None])
async def test_what_was_given_up_stands_parked_and_can_be_tried_again(
    around: Runtime, endpoint: Endpoint, play: list[Record], tmp_path: Path, positions: list[int] | None
) -> None:
    await set_channel(around, QINGPU, url=f"{endpoint.url}/hook", give_up_after=2 * HOUR, longest_pause=HOUR)
    endpoint.status = 422
    async with delivering(around) as delivery:
        await delivery.take_in(*afresh(play))

        async def given_up() -> bool:
            rows = await delivery.waiting(QINGPU)
            if rows[0][0] != "parked":
                move(tmp_path, HOUR)
            return rows[0][0] == "parked"

        await eventually(given_up)
        rows = await delivery.waiting(QINGPU)
        assert [state for state, *_ in rows] == ["parked", "waiting", "waiting"]
        assert "given up" in str(rows[0][3])
        endpoint.status = 204
        async with around.pool.connection() as connection:
            assert await delivery.queue.retry(connection, QINGPU, positions, around.clock()) == 1
        await all_taken(endpoint, 3)


async def test_the_author_gets_proof_when_the_agreed_time_runs_out(
    around: Runtime, endpoint: Endpoint, play: list[Record], tmp_path: Path
) -> None:
    await set_channel(around, QINGPU, url=f"{endpoint.url}/hook", deliver_within=4 * HOUR, retrieve_within=24 * HOUR)
    endpoint.faults.set(Mode.OFF)
    async with delivering(around) as delivery:
        (sent, *_) = afresh(play)
        await delivery.take_in(sent)

        async def tried() -> bool:
            return any(attempt for _, _, attempt, _ in await delivery.waiting(QINGPU))

        await eventually(tried)
        move(tmp_path, 4 * HOUR)

        async def proof() -> list[dict[str, Any]]:
            return [item["evidence"] for item in await delivery.items(MINHANG) if item["kind"] == "evidence"]

        await eventually(proof)
        (statement,) = await proof()
        assert (statement["statement"], statement["recipient"]) == ("undelivered", QINGPU)
        assert statement["exchange"] == sent.exchange
        assert statement["attempts"] >= 1
        assert verify_seal(statement, world().agencies, TIME) == BUS
        assert ("undelivered", 1) in [(stage, sequence) for stage, sequence, _ in await delivery.said(QINGPU)]
        # It is brought all the same, and then the time to open it begins.
        endpoint.faults.set(Mode.WELL)

        async def brought() -> bool:
            return await delivery.rests(tmp_path / "legal-time") or not await delivery.waiting(QINGPU)

        await eventually(brought)
        await all_taken(endpoint, 1)
        move(tmp_path, 24 * HOUR)

        async def both() -> bool:
            return [item["statement"] for item in await proof()] == ["undelivered", "unretrieved"]

        await eventually(both)
        assert await delivery.items(QINGPU) != []


async def test_of_two_processes_one_serves_and_the_other_takes_over(
    around: Runtime, endpoint: Endpoint, play: list[Record]
) -> None:
    await set_channel(around, QINGPU, url=f"{endpoint.url}/hook")
    first, second = Delivering(around), Delivering(around)
    for item in (first, second):
        item.partners.start()
    for _ in range(10):
        await first.take_in(*afresh(play))
    await all_taken(endpoint, 30)
    await first.partners.stop()
    for _ in range(10):
        await second.take_in(*afresh(play))
    await all_taken(endpoint, 60)
    await second.partners.stop()
    assert endpoint.repeats == 0
    await asyncio.gather(first.stages.stop(), second.stages.stop())


async def test_who_wants_to_come_itself_from_now_on_finds_everything_in_its_inbox(
    around: Runtime, endpoint: Endpoint, play: list[Record]
) -> None:
    await set_channel(around, QINGPU, url=f"{endpoint.url}/hook")
    endpoint.faults.set(Mode.OFF)
    async with delivering(around) as delivery:
        await delivery.take_in(*afresh(play))
        await set_channel(around, QINGPU, via="inbox")
        await nothing_waits(delivery)
        assert [sequence for stage, sequence, _ in await delivery.said(QINGPU) if stage == "delivered"] == [1, 2, 3]


async def test_what_is_parked_is_left_in_the_inbox_too(around: Runtime, endpoint: Endpoint, play: list[Record]) -> None:
    """Nothing of it is due any more, so nothing else would look at it."""
    await set_channel(around, QINGPU, url=f"{endpoint.url}/hook")
    endpoint.faults.set(Mode.OFF)
    async with delivering(around) as delivery:
        await delivery.take_in(*afresh(play))
        async with around.pool.connection() as connection:
            await connection.execute("UPDATE delivery.queue SET state = 'parked', head = position = 1")
        await set_channel(around, QINGPU, via="inbox")
        await nothing_waits(delivery)


async def test_the_list_of_deliveries_comes_in_pages_in_order(around: Runtime, play: list[Record]) -> None:
    """Of several agencies, whose positions are their own."""
    for agency in (QINGPU, MINHANG):
        await set_channel(around, agency, url="http://127.0.0.1:9/hook", disabled=True)
    async with delivering(around) as delivery:
        for _ in range(3):
            await delivery.take_in(*afresh(play))
        door = Door(around.library, BUS, ReplayGuard(around.pool, "delivery"), around.settings.token_lifetime)
        server = Server("delivery", DeskRoutes(delivery.dispatch, door).routes(), list)
        await server.start("127.0.0.1", 0)
        try:
            async with client(f"http://127.0.0.1:{server.port}", BUS) as operator:
                whole = (await operator.get("/v1/deliveries", limit=500)).json
                assert "cursor" not in whole
                found: list[Any] = []
                cursor: str | None = None
                while cursor is not None or not found:
                    page = (await operator.get("/v1/deliveries", cursor=cursor, limit=4)).json
                    found += page["deliveries"]
                    cursor = page.get("cursor")
                assert found == whole["deliveries"]
                assert {item["agency"] for item in found} == {QINGPU, MINHANG}
                for wrong in ("7", "//", "2026-13-01T00:00:00Z/a/1", "2026-11-01T00:00:00Z/a/9999999999999999999"):
                    assert (await operator.get("/v1/deliveries", cursor=wrong)).code == "bad-parameter"
        finally:
            await server.stop()


async def test_of_many_letters_of_one_sender_another_s_do_not_wait(around: Runtime, endpoint: Endpoint) -> None:
    ours, theirs = (registered(Play("transfer").given((source, "transfer.sent"))) for source in (MINHANG, XUHUI))
    await set_channel(around, QINGPU, url=f"{endpoint.url}/hook", disabled=True)
    async with delivering(around) as delivery:
        for _ in range(40):
            await delivery.take_in(*afresh(ours))
        late = [afresh(theirs) for _ in range(3)]
        for records in late:
            await delivery.take_in(*records)
        await set_channel(around, QINGPU, url=f"{endpoint.url}/hook", concurrency=1)
        await all_taken(endpoint, 43)
        sources = [item["event"]["source"] for item in endpoint.taken.values()]
        places = [place for place, source in enumerate(sources) if source == XUHUI]
        assert places in ([1, 3, 5], [0, 2, 4])
        exchanges = [item["event"]["exchange"] for item in endpoint.taken.values() if item["event"]["source"] == XUHUI]
        assert exchanges == [records[0].exchange for records in late]


async def test_what_lies_unread_is_brought_when_a_channel_begins(
    around: Runtime, endpoint: Endpoint, play: list[Record]
) -> None:
    async with delivering(around) as delivery:
        unread, then = afresh(play), afresh(play)
        await delivery.take_in(*unread)
        await set_channel(around, QINGPU, url=f"{endpoint.url}/hook")
        await delivery.take_in(*then)
        await all_taken(endpoint, 6)
        for records in (unread, then):
            assert sequences(endpoint, records[0].exchange) == [1, 2, 3]
        await delivery.queue.brought([QINGPU])
        assert (await delivery.inboxes.inbox(QINGPU)).acked == 0


async def test_what_a_partner_found_spoilt_is_brought_again_though_it_was_delivered(
    around: Runtime, endpoint: Endpoint, play: list[Record]
) -> None:
    await set_channel(around, QINGPU, url=f"{endpoint.url}/hook")
    async with delivering(around) as delivery:
        await delivery.take_in(*afresh(play))
        await all_taken(endpoint, 3)
        await nothing_waits(delivery)
        async with around.pool.connection() as connection:
            copy = await delivery.queue.spoilt(connection, QINGPU, 2, "half of it", around.clock())
        assert copy is not None
        assert copy.sequence == 2
        await eventually(lambda: endpoint.repeats == 1)
        await nothing_waits(delivery)


async def test_what_an_agency_fetches_itself_is_not_brought_again(
    around: Runtime, endpoint: Endpoint, play: list[Record], tmp_path: Path
) -> None:
    await set_channel(around, QINGPU, url=f"{endpoint.url}/hook")
    endpoint.faults.set(Mode.OFF)
    async with delivering(around) as delivery:
        records = afresh(play)
        await delivery.take_in(*records)

        async def tried() -> bool:
            return any(attempt for _, _, attempt, _ in await delivery.waiting(QINGPU))

        # No attempt is in hand when the agency fetches.
        await eventually(tried)
        async with around.pool.connection() as connection:
            await delivery.dispatch.fetched(connection, QINGPU, 2)
        assert [sequence for _, sequence, *_ in await delivery.waiting(QINGPU)] == [3]
        endpoint.faults.set(Mode.WELL)
        await eventually(lambda: delivery.rests(tmp_path / "legal-time"))
        assert sequences(endpoint, records[0].exchange) == [3]


async def test_a_private_address_needs_its_contract_s_word(around: Runtime, endpoint: Endpoint) -> None:
    await set_channel(around, QINGPU, url=f"{endpoint.url}/hook", private=False)
    async with delivering(around) as delivery:
        await eventually(lambda: troubled(delivery, "private: true"))


async def test_a_name_that_leads_to_a_private_address_is_not_spoken_to(
    around: Runtime, endpoint: Endpoint, play: list[Record]
) -> None:
    await set_channel(around, QINGPU, url=f"http://localhost:{endpoint.port}/hook", private=False)
    async with delivering(around) as delivery:
        await delivery.take_in(*afresh(play))

        async def refused() -> bool:
            return any("private: true" in str(reason) for *_, reason in await delivery.waiting(QINGPU))

        await eventually(refused)
        assert not endpoint.taken


async def test_a_channel_that_there_is_not_is_said(around: Runtime) -> None:
    await set_channel(around, QINGPU, via="pigeon")
    async with delivering(around) as delivery:
        await eventually(lambda: troubled(delivery, "connectors/pigeon"))
        assert delivery.partners.trouble is None
