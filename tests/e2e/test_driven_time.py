"""Legal time on a whole bus: it stands still, and goes on when somebody moves it and nothing is under way."""

import asyncio
import signal
import time
from collections.abc import AsyncGenerator, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from connectors.errors import SettingsError
from connectors.http.client import AgencyClient, new_event, new_id
from contracts.canonical import Document, timestamp
from contracts.signatures import SigningKey
from contracts.topics import load
from services.cli.driver import Driver, Look, following, under_way
from services.cli.stack import Stack
from services.cli.story import border
from services.kernel.time import driven
from tests.support.agencies import known

SERVICES = ("gateway", "transfers", "delivery", "audit")
MONDAY = border.at(11, 2, 9)

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def bus(scratch: Path) -> Iterator[Stack]:
    """A bus without clocks, which has stood at Monday nine o'clock since before it started."""
    with Stack(scratch / "driven", services=[(name,) for name in SERVICES], legal_time=MONDAY) as stack:
        yield stack


@pytest.fixture(scope="module")
def signers(bus: Stack) -> dict[str, SigningKey]:
    return known((border.MINHANG, border.QINGPU), bus.keys, bus.contracts)


@pytest.fixture
async def driver(bus: Stack) -> AsyncGenerator[Driver]:
    async with Driver.start(bus) as driver:
        yield driver


@pytest.fixture
async def minhang(bus: Stack, signers: dict[str, SigningKey]) -> AsyncGenerator[AgencyClient]:
    async with AgencyClient(bus.url, signers[border.MINHANG], bus.bus) as client:
        yield client


def sent(driver: Driver, client: AgencyClient) -> Document:
    """A transfer, stated at this legal time."""
    return new_event(client.key, border.sent, exchange=new_id(), case=border.CASE, home=client.bus, time=driver.now)


async def entry(driver: Driver, client: AgencyClient) -> dict[str, Any]:
    """A transfer as it stands in its timeline once the bus is quiet: nothing has to be waited for then."""
    event = sent(driver, client)
    assert (await client.submit_surely(event, wait=20)).status == 201
    await driver.quiet()
    answer = await client.timeline(exchange=str(event["exchange"]))
    assert answer.status == 200, answer.json
    (found,) = answer.json["entries"]
    assert isinstance(found, dict)
    return found


def times(entry: dict[str, Any]) -> set[str]:
    delivered = {stage["agency"]: stage["time"] for stage in entry["deliveries"] if stage["stage"] == "delivered"}
    assert set(delivered) >= {border.QINGPU}
    return {entry["acceptedtime"], entry["recordedtime"], *delivered.values()}


async def test_everything_that_happens_at_an_instant_bears_it(driver: Driver, minhang: AgencyClient) -> None:
    began = driver.now
    assert began >= MONDAY
    for _ in range(3):
        assert times(await entry(driver, minhang)) == {timestamp(began)}
    await driver.advance(began + timedelta(weeks=3))
    assert driver.now == began + timedelta(weeks=3)
    assert times(await entry(driver, minhang)) == {timestamp(began + timedelta(weeks=3))}


async def test_a_killed_gateway_comes_back_to_the_same_time(bus: Stack, driver: Driver, minhang: AgencyClient) -> None:
    await driver.advance(driver.now + timedelta(days=1, microseconds=1))
    began = driver.now
    killed = bus.children["gateway"]
    killed.kill()
    await driver.quiet()
    assert bus.children["gateway"].pid != killed.pid
    assert times(await entry(driver, minhang)) == {timestamp(began)}
    assert '"event": "legal time is driven"' in (bus.data / "logs" / "gateway.log").read_text()


async def test_what_is_under_way_is_waited_for_and_named(bus: Stack, driver: Driver, minhang: AgencyClient) -> None:
    await driver.quiet()
    reader = bus.children["audit"]
    reader.send(signal.SIGSTOP)
    try:
        assert (await minhang.submit_surely(sent(driver, minhang), wait=20)).status == 201
        with pytest.raises(TimeoutError, match=r"audit has [0-9]+ records to read"):
            await driver.quiet(deadline=2)
        began = driver.now
        with pytest.raises(TimeoutError):
            await driver.advance(began + timedelta(days=1), deadline=1)
        assert driver.now == began
    finally:
        reader.send(signal.SIGCONT)
    await driver.quiet()


async def test_many_submissions_are_all_in_the_timelines_when_the_bus_is_quiet(
    bus: Stack, driver: Driver, minhang: AgencyClient
) -> None:
    """Accepted is enough: whoever has a slip need not wait for the outcome."""
    for _ in range(5):
        events = [sent(driver, minhang) for _ in range(40)]
        answers = await asyncio.gather(*(minhang.submit(event) for event in events))
        assert {answer.status for answer in answers} == {202}
        await driver.quiet()
        with psycopg.connect(bus.postgres) as connection:
            ids = [str(event["exchange"]) for event in events]
            row = connection.execute(
                "SELECT count(DISTINCT exchange) FROM audit.deliveries WHERE exchange = ANY(%s::uuid[])", (ids,)
            ).fetchone()
        assert row == (40,)


async def test_time_stops_at_every_moment_until_it_has_been_dealt_with(bus: Stack, driver: Driver) -> None:
    began = driver.now
    moments = [began + timedelta(days=days, seconds=1) for days in (1, 1, 2, 5)]
    to = began + timedelta(days=5)
    with psycopg.connect(bus.postgres, autocommit=True) as connection:
        # A hand in place of the clocks service, which this bus does not run.
        connection.execute("DROP SCHEMA IF EXISTS clocks CASCADE")
        connection.execute("CREATE SCHEMA clocks CREATE TABLE moments (at timestamptz NOT NULL)")
        try:
            with connection.cursor() as cursor:
                cursor.executemany("INSERT INTO clocks.moments VALUES (%s)", [(at,) for at in moments])
            advance = asyncio.create_task(driver.advance(to))
            stops = list[datetime]()
            while not advance.done():
                due = connection.execute("SELECT 1 FROM clocks.moments WHERE at <= %s", (driver.now,)).fetchone()
                if due:
                    stops.append(driver.now)
                    await asyncio.sleep(0.3)  # time enough to go on in
                    assert driver.now == stops[-1]
                    connection.execute("DELETE FROM clocks.moments WHERE at <= %s", (driver.now,))
                await asyncio.sleep(0.01)
            await advance
            assert stops == [moments[0], moments[2]]
            assert driver.now == to
            with pytest.raises(TimeoutError, match=r"clocks\.moments has 1 row"):
                await driver.advance(moments[-1], deadline=0.5)
        finally:
            connection.execute("DROP SCHEMA clocks CASCADE")


async def test_time_does_not_go_back(driver: Driver) -> None:
    began = driver.now
    with pytest.raises(ValueError, match="does not go back"):
        await driver.advance(began - timedelta(microseconds=1))
    await driver.advance(began)
    assert driver.now == began


async def test_a_quiet_bus_is_soon_found_to_be_quiet(driver: Driver) -> None:
    await driver.quiet()
    began = time.monotonic()
    for _ in range(10):
        await driver.advance(driver.now + timedelta(hours=1))
    assert time.monotonic() - began < 10


async def test_a_driver_may_begin_with_a_later_time(bus: Stack, driver: Driver) -> None:
    later = driver.now + timedelta(hours=1)
    async with Driver.start(bus, later) as second:
        assert second.now == driver.now == later


def test_data_that_has_come_further_stays_there(folder: Path) -> None:
    for given, found in ((border.at(11, 3, 9), 3), (MONDAY, 3), (border.at(11, 4, 9), 4)):
        stack = Stack(folder, services=[], legal_time=given)
        stack._set_legal_time()
        assert driven(folder / "legal-time")() == border.at(11, found, 9)


async def test_a_bus_that_keeps_real_time_has_no_driver(bus: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus, "environment", dict)
    with pytest.raises(SettingsError, match="real time"):
        async with Driver.start(bus):
            pass


def test_groups_follow_what_the_topics_say_of_the_services_that_run() -> None:
    found = following(load(), {"audit", "delivery", "gateway", "nobody"})
    assert set(found) == {"audit", "delivery", "gateway"}
    assert found["gateway"] == ["outcomes"]
    assert set(found["audit"]) >= {"deliveries", "events.transfers", "outcomes"}


def test_whatever_is_under_way_is_said() -> None:
    still = Look({("t", 0): 5, ("t", 1): 0}, {"a": 0, "b": 0})
    assert under_way(still, {"x.outbox": 0}, still) == ""
    assert under_way(still, {"x.outbox": 2}, still) == "x.outbox has 2 rows"
    assert under_way(Look(still.ends, {"a": 1, "b": 0}), {}, still) == "a has 1 records to read"
    assert under_way(still, {}, Look(still.ends, {"a": 0, "b": 3})) == "b has 3 records to read"
    assert under_way(still, {}, Look({("t", 0): 5, ("t", 1): 1}, still.behind)) == "t/1 has just grown"
