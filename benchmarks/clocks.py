"""What legal clocks cost: opening them, saying that they were warned of and expired, and keeping them while idle.

    .venv/bin/python benchmarks/clocks.py [CLOCKS …]          # by default 10000 30000 100000

Each exchange is a transfer with one clock that runs (TR-01). Exchanges are put into the registrar's store and onto the
topics directly; warnings and expiries go the whole way: clocks, registrar, clocks. On a shared machine the seconds say
how busy the others are; CPU time per clock, and how both grow with the number of clocks, say what a change has cost.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, LiteralString

import psutil
import psycopg

from connectors.http.client import AgencyClient, new_event, new_id
from connectors.kafka.producer import Message, Producer
from connectors.postgres.pool import Pool, open_pool
from contracts.calendar import SHANGHAI
from contracts.canonical import timestamp
from contracts.deliveries import StageReached
from contracts.records import Record
from contracts.topics import DELIVERIES
from services.cli.agencies import new_agency
from services.cli.stack import LEGAL_TIME, Stack
from services.cli.story import border
from services.kernel.store import Row, Store
from services.kernel.time import set_driven

SIZES: Final = (10_000, 30_000, 100_000)
MONDAY: Final = datetime(2026, 11, 2, 9, tzinfo=SHANGHAI)
WEEK: Final = timedelta(weeks=1)
IDLE: Final = 60.0  # seconds
CHUNK: Final = 2000
EVENTS: Final = "events.transfers"


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds that something took for so many clocks, and CPU seconds by process."""

    what: str
    clocks: int
    seconds: float
    cpu: dict[str, float]

    def line(self, first: "Cost") -> str:
        """Per clock, and as a multiple of the smallest run."""
        each = " ".join(f"{name} {seconds / self.clocks * 1000:.2f}" for name, seconds in self.cpu.items())
        grown, cpu = self.seconds / self.clocks / (first.seconds / first.clocks), self._clocks / first._clocks
        return (
            f"{self.what:8} {self.clocks:7}  {self.seconds / self.clocks * 1000:6.2f} ms/clock (x{grown:.2f})"
            f"  CPU ms/clock: {each} (clocks x{cpu:.2f})"
        )

    @property
    def _clocks(self) -> float:
        return self.cpu["clocks"] / self.clocks


class Feed:
    """Puts exchanges where a registrar and delivery would have put them: copies of one that was really registered."""

    def __init__(self, pool: Pool, producer: Producer, template: Record) -> None:
        self._pool = pool
        self._producer = producer
        self._template = template

    async def open(self, count: int, at: datetime) -> tuple[list[Message], list[Message]]:
        """Store so many exchanges; the messages that make them known, and those that say that they were delivered."""
        records = [self._fresh(at) for _ in range(count)]
        for place in range(0, count, CHUNK):
            rows = [Row((record.exchange, "1"), record, at) for record in records[place : place + CHUNK]]
            async with self._pool.connection() as connection:
                await Store("transfers", self._pool).add_events(connection, rows)
        events = [Message(topic=EVENTS, key=record.exchange.encode(), value=record.to_bytes()) for record in records]
        return events, [self._delivered(record, at) for record in records]

    async def send(self, messages: Sequence[Message]) -> None:
        """Put messages on their topics."""
        for place in range(0, len(messages), CHUNK):
            await self._producer.send_all(messages[place : place + CHUNK])

    def _fresh(self, at: datetime) -> Record:
        times = {"acceptedtime": timestamp(at), "recordedtime": timestamp(at), "exchange": new_id()}
        return self._template.model_copy(update={"event": {**self._template.event, **times}})

    def _delivered(self, record: Record, at: datetime) -> Message:
        stage = StageReached(
            bus=record.standing.home,
            kind=record.kind,
            exchange=record.exchange,
            sequence=1,
            recipient=border.QINGPU,
            stage="delivered",
            time=at,
        )
        return Message(topic=DELIVERIES, key=record.exchange.encode(), value=stage.to_bytes())


class Meter:
    """What the processes of a stack have used."""

    def __init__(self, stack: Stack, pool: Pool) -> None:
        self._stack = stack
        self._pool = pool

    async def measure(
        self, what: str, clocks: int, doing: Callable[[], Awaitable[None]], query: LiteralString, number: int
    ) -> Cost:
        """Do something, and wait until a query gives a number."""
        before, began = self._spent(), time.monotonic()
        await doing()
        while await self.number(query) < number:  # noqa: ASYNC110, the database gives no sign
            await asyncio.sleep(0.2)
        seconds, after = time.monotonic() - began, self._spent()
        return Cost(what, clocks, seconds, {name: after[name] - before[name] for name in after})

    async def number(self, query: LiteralString) -> int:
        """The one number that a query gives."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute(query)).fetchone()
        return int(row[0]) if row else 0

    def _spent(self) -> dict[str, float]:
        roots = {name: child.pid for name, child in self._stack.children.items() if name in {"clocks", "transfers"}}
        roots |= {engine.name: engine.pid for engine in self._stack.engines if "postgres" in engine.name.lower()}
        return {name: _cpu(pid) for name, pid in roots.items()}


def _cpu(pid: int) -> float:
    process = psutil.Process(pid)
    family = [process, *process.children(recursive=True)]
    return sum(float(times.user + times.system) for times in (item.cpu_times() for item in family))


async def growth(stack: Stack, sizes: Sequence[int]) -> Record:
    """Open and expire clocks, so many at a time; the exchange of which all are copies."""
    template = await _template(stack)
    async with AsyncExitStack() as opened:
        pool = await opened.enter_async_context(open_pool(stack.postgres, size=2))
        producer = await opened.enter_async_context(Producer(stack.kafka))
        feed, meter, first = Feed(pool, producer, template), Meter(stack, pool), dict[str, Cost]()
        for number, size in enumerate(sizes):
            monday, total = MONDAY + number * WEEK, await meter.number("SELECT count(*) FROM clocks.clocks") + size
            _go_to(stack, monday)
            events, delivered = await feed.open(size, monday)
            told = await meter.number("SELECT count(*) FROM clocks.clocks WHERE expired IS NOT NULL") + size
            costs = [
                await meter.measure("known", size, _sending(feed, events), KNOWN, total),
                await meter.measure("opened", size, _sending(feed, delivered), OPEN, total),
                await meter.measure("warned", size, _moving(stack, monday + timedelta(days=1, hours=4)), WARNED, told),
                await meter.measure("expired", size, _moving(stack, monday + timedelta(days=2)), EXPIRED, told),
            ]
            for cost in costs:
                print(cost.line(first.setdefault(cost.what, cost)), flush=True)
    return template


KNOWN: Final = "SELECT count(*) FROM clocks.positions"
OPEN: Final = "SELECT count(*) FROM clocks.clocks"
WARNED: Final = "SELECT count(*) FROM clocks.clocks WHERE warned IS NOT NULL"
EXPIRED: Final = "SELECT count(*) FROM clocks.clocks WHERE expired IS NOT NULL"
COMMITS: Final = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"


def _sending(feed: Feed, messages: Sequence[Message]) -> Callable[[], Awaitable[None]]:
    return lambda: feed.send(messages)


def _moving(stack: Stack, at: datetime) -> Callable[[], Awaitable[None]]:
    async def move() -> None:
        _go_to(stack, at)

    return move


def _go_to(stack: Stack, at: datetime) -> None:
    set_driven(Path(stack.environment()[LEGAL_TIME]), at)


async def _template(stack: Stack) -> Record:
    sender = new_agency(border.MINHANG, stack.keys, stack.contracts)
    new_agency(border.QINGPU, stack.keys, stack.contracts)
    event = new_event(sender, border.sent, exchange=new_id(), case=border.CASE, home=stack.bus, time=MONDAY - WEEK)
    async with AgencyClient(stack.url, sender, stack.bus) as client:
        answer = await client.submit_surely(event, wait=30)
    if answer.status != 201:
        raise SystemExit(f"the exchange to copy was not registered: {answer.body!r}")
    with psycopg.connect(stack.postgres) as connection:
        row = connection.execute("SELECT record FROM transfers.events").fetchone()
        connection.execute("DELETE FROM transfers.events")
    if row is None:
        raise SystemExit("the exchange to copy is not in the store")
    return Record.from_bytes(row[0])


async def idle(stack: Stack, size: int, template: Record) -> None:
    """Nothing happens to so many running clocks, in real time."""
    async with AsyncExitStack() as opened:
        pool = await opened.enter_async_context(open_pool(stack.postgres, size=1))
        producer = await opened.enter_async_context(Producer(stack.kafka))
        feed, meter = Feed(pool, producer, template), Meter(stack, pool)
        events, delivered = await feed.open(size, datetime.now(SHANGHAI))
        await meter.measure("known", size, _sending(feed, events), KNOWN, size)
        await meter.measure("opened", size, _sending(feed, delivered), OPEN, size)
        await asyncio.sleep(10)
        before, began = await meter.number(COMMITS), time.monotonic()
        cost = await meter.measure("idle", size, lambda: asyncio.sleep(IDLE), "SELECT 1", 1)
        seconds = time.monotonic() - began
        commits = (await meter.number(COMMITS) - before) / seconds
    print(f"idle     {size:7}  {commits:.2f} transactions/s, CPU s/min: {cost.cpu['clocks'] * 60 / seconds:.2f}")


def main() -> None:
    """Run all of it."""
    sizes = [int(argument) for argument in sys.argv[1:]] or list(SIZES)
    with tempfile.TemporaryDirectory(prefix="liandong-bench-") as folder:
        services = [("gateway",), ("transfers",), ("clocks",)]
        with Stack(Path(folder) / "driven", services=services, legal_time=MONDAY - WEEK) as stack:
            template = asyncio.run(growth(stack, sizes))
        with Stack(Path(folder) / "real", services=[("clocks",)]) as stack:
            asyncio.run(idle(stack, sizes[-1], template))


if __name__ == "__main__":
    main()
