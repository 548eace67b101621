"""`liandong bench`: Kafka by itself, a bare Faust agent, and the bus, in one run on one machine.

Absolute figures say as much about the machine as about the bus; the ratio bus/Faust is what can be compared.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg

from connectors.http.client import AgencyClient, new_event, new_id
from connectors.kafka import baseline
from connectors.kafka.provision import TopicSpec, ensure
from contracts.canonical import Document, canonical
from contracts.signatures import SigningKey
from services.cli.agencies import new_agency
from services.cli.stack import Stack
from services.cli.story import border

CLIENTS: Final = 20
BATCH: Final = 50
_TOPIC: Final = "bench"
_POLL: Final = 0.02  # seconds: the resolution with which visibility in the audit is seen
_PATIENCE: Final = 300.0

Say = Callable[[str], None]


@dataclass(slots=True)
class Flight:
    """Submissions on their way, and how long each took from POST to timeline-visible."""

    sent: dict[str, float] = field(default_factory=dict[str, float])
    latencies: list[float] = field(default_factory=list[float])
    last: float = 0.0

    def seen(self, exchanges: Sequence[str]) -> None:
        """These are visible now."""
        self.last = time.perf_counter()
        self.latencies += [self.last - self.sent.pop(exchange) for exchange in exchanges]


def ingest(events: int, say: Say) -> dict[str, Any]:
    """Measure; returns figures in events/s and milliseconds."""
    with tempfile.TemporaryDirectory(prefix="liandong-bench-") as folder, Stack(Path(folder)) as stack:
        sender = new_agency(border.MINHANG, stack.keys, stack.contracts)
        new_agency(border.QINGPU, stack.keys, stack.contracts)
        return asyncio.run(_ingest(stack, sender, events, say))


async def _ingest(stack: Stack, sender: SigningKey, events: int, say: Say) -> dict[str, Any]:
    say(f"signing {events} submissions …")
    submissions = [submission(stack, sender) for _ in range(events)]
    values = [canonical(submission) for submission in submissions]
    rates = await _baselines(stack, values, say)
    warm, rest = submissions[: events // 10], submissions[events // 10 :]
    half = len(rest) // 2
    async with clients(stack, sender) as opened:
        await fly(stack, opened, warm, None, 1)
        say("the bus, saturated, one event a request …")
        single = await fly(stack, opened, rest[:half], None, 1)
        rates["bus"] = _rate(single, half)
        say("the bus, at half of that rate, for the latency …")
        paced = await fly(stack, opened, [submission(stack, sender) for _ in range(half)], rates["bus"] / 2, 1)
        say(f"the bus, saturated, batches of {BATCH} …")
        batched = await fly(stack, opened, rest[half:], None, BATCH)
        rates["bus_batched"] = _rate(batched, len(rest) - half)
    return {
        "events": events,
        "event_bytes": round(statistics.mean(map(len, values))),
        "cores": os.cpu_count(),
        "engines": stack.versions(),
        "events_per_s": {name: round(rate, 1) for name, rate in rates.items()},
        "latency_ms": _percentiles(paced.latencies),
        "latency_saturated_ms": _percentiles(single.latencies),
        "ratio_bus_faust": round(rates["bus"] / rates["faust"], 4),
        "ratio_bus_batched_faust": round(rates["bus_batched"] / rates["faust"], 4),
    }


def submission(stack: Stack, sender: SigningKey) -> Document:
    """A transfer letter that opens an exchange of its own."""
    return new_event(sender, border.sent, exchange=new_id(), case=border.CASE, home=stack.bus)


async def _baselines(stack: Stack, values: Sequence[bytes], say: Say) -> dict[str, float]:
    """Events/s of Kafka's own libraries, over the same values and as many partitions as the bus has."""
    await asyncio.to_thread(ensure, stack.kafka, [TopicSpec(name=_TOPIC, partitions=6)])
    say("raw aiokafka …")
    produced = await baseline.produce(stack.kafka, _TOPIC, values)
    consumed = await baseline.consume(stack.kafka, _TOPIC, len(values))
    say("a bare Faust agent …")
    faust = await asyncio.to_thread(_faust, stack, len(values))
    return {
        "aiokafka_produce": len(values) / produced,
        "aiokafka_consume": len(values) / consumed,
        "faust": len(values) / faust,
    }


def _faust(stack: Stack, count: int) -> float:
    argv = [sys.executable, "-m", "connectors.kafka.baseline", _TOPIC, str(count)]
    done = subprocess.run(argv, env=stack.environment(), check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


@asynccontextmanager
async def clients(stack: Stack, sender: SigningKey) -> AsyncGenerator[list[AgencyClient]]:
    """Clients of one agency, each with connections of its own."""
    async with AsyncExitStack() as opened:
        yield [await opened.enter_async_context(AgencyClient(stack.url, sender, stack.bus)) for _ in range(CLIENTS)]


async def fly(
    stack: Stack, clients: Sequence[AgencyClient], submissions: Sequence[Document], rate: float | None, size: int
) -> Flight:
    """Submit all, by all clients at once, at most at a rate; return when the audit shows all."""
    flight = Flight()
    waiting = iter(range(0, len(submissions), size))
    begun = time.perf_counter()

    async def one(client: AgencyClient) -> None:
        for start in waiting:
            if rate is not None:
                await asyncio.sleep(max(0.0, begun + start / rate - time.perf_counter()))
            await _submit(client, submissions[start : start + size], flight)

    async with asyncio.timeout(_PATIENCE), asyncio.TaskGroup() as tasks:
        tasks.create_task(_watch(stack, flight, len(submissions)))
        for client in clients:
            tasks.create_task(one(client))
    flight.last -= begun
    return flight


async def _submit(client: AgencyClient, events: Sequence[Document], flight: Flight) -> None:
    now = time.perf_counter()
    flight.sent |= {str(event["exchange"]): now for event in events}
    if len(events) == 1:
        answer = await client.submit_surely(events[0])
        statuses = {answer.status}
    else:
        statuses = {item["status"] for item in await client.submit_all(events)}
    if not statuses <= {200, 201, 202}:
        message = f"submissions were answered {sorted(statuses)}"
        raise RuntimeError(message)


async def _watch(stack: Stack, flight: Flight, count: int) -> None:
    query = "SELECT exchange::text FROM audit.events WHERE kind = 'transfer' AND exchange = ANY(%s::uuid[])"
    async with await psycopg.AsyncConnection.connect(stack.postgres, autocommit=True) as connection:
        while len(flight.latencies) < count:
            await asyncio.sleep(_POLL)
            rows = await (await connection.execute(query, (list(flight.sent),))).fetchall()
            if rows:
                flight.seen([row[0] for row in rows])


def _rate(flight: Flight, count: int) -> float:
    return count / flight.last


def _percentiles(latencies: Sequence[float]) -> dict[str, float]:
    cuts = statistics.quantiles(latencies, n=100)
    return {f"p{n}": round(cuts[n - 1] * 1000, 1) for n in (50, 95, 99)}
