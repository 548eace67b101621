"""What one partner's faults, and one agency's flood, cost everybody else.

    .venv/bin/python benchmarks/partners.py [SECONDS]

Letters go at a steady rate to two partners by webhook. One of them is well, then slow, then off, and so on; what is
measured is how long the *other's* take, from the POST until they are in its hands. A ratio of 1 says that the fault
harms nobody else. After that a third agency sends ten times what is brought to one partner, without minding a 429.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import psutil
from aiohttp import web

from connectors.http.client import AgencyClient, new_event, new_id
from connectors.simulation import Faults, Mode
from connectors.webhook.simulator import Endpoint
from contracts.agencies import Channel
from services.cli.agencies import new_agency, set_channel
from services.cli.stack import Stack
from services.cli.story import border

SENDER, WELL, ILL, FLOODER = border.MINHANG, border.QINGPU, "310112107-cg", "310104-cg"
RATE = 40  # letters a second, half of them to each
FLOOD = 10 * RATE  # letters a second, in batches
MODES = (Mode.WELL, Mode.SLOW, Mode.BROKEN, Mode.DYING, Mode.OFF, Mode.WELL)


class Timed(Endpoint):
    """Notes when each exchange's letter arrived."""

    def __init__(self, faults: Faults | None = None) -> None:
        super().__init__(faults)
        self.arrived: dict[str, float] = {}
        self.changed = asyncio.Event()

    async def _take(self, request: web.Request) -> web.Response:
        answer = await super()._take(request)
        item = self.taken.get(request.headers["webhook-id"], {})
        if item.get("kind") == "event":
            self.arrived.setdefault(item["event"]["exchange"], time.perf_counter())
            self.changed.set()
        return answer


async def letters(client: AgencyClient, seconds: float, recipients: tuple[str, ...], well: Timed) -> list[float]:
    """Milliseconds from the POST of each letter to the well one until it had it; each gets half the rate."""
    sent: dict[str, float] = {}
    begun, tasks = time.perf_counter(), []
    rate = RATE / 2 * len(recipients)
    for number in range(int(seconds * rate)):
        await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
        recipient, exchange = recipients[number % len(recipients)], new_id()
        fact = border.sent.model_copy(update={"recipient": recipient})
        event = new_event(client.key, fact, exchange=exchange, case=border.CASE, home=client.bus)
        if recipient == WELL:
            sent[exchange] = time.perf_counter()
        tasks.append(asyncio.create_task(client.submit_surely(event)))
    await asyncio.gather(*tasks)
    async with asyncio.timeout(120):
        while not sent.keys() <= well.arrived.keys():
            await well.changed.wait()
            well.changed.clear()
    return [(well.arrived[exchange] - at) * 1000 for exchange, at in sent.items()]


def told(name: str, found: list[float], before: float) -> float:
    cuts = statistics.quantiles(found, n=100)
    ratio = cuts[98] / before if before else 1.0
    print(f"{name:24} p50 {cuts[49]:7.1f}  p99 {cuts[98]:7.1f} ms   p99 ratio {ratio:.2f}", flush=True)
    return cuts[98]


async def flood(stack: Stack, client: AgencyClient, stop: asyncio.Event) -> Counter[int]:
    """At the flood's rate, whatever the answers are; what each letter was answered."""
    answers: Counter[int] = Counter()
    fact = border.sent.model_copy(update={"recipient": ILL})
    size, begun, sent, tasks = 20, time.perf_counter(), 0, []

    async def one() -> None:
        batch = [new_event(client.key, fact, exchange=new_id(), case=border.CASE, home=stack.bus) for _ in range(size)]
        answer = await client.submit_batch(batch)
        answers.update([item["status"] for item in answer.json] if answer.status == 200 else [answer.status] * size)

    while not stop.is_set():
        await asyncio.sleep(max(0.0, begun + sent / FLOOD - time.perf_counter()))
        tasks.append(asyncio.create_task(one()))
        sent += size
    await asyncio.gather(*tasks)
    return answers


def memory(stack: Stack) -> dict[str, float]:
    return {name: psutil.Process(child.pid).memory_info().rss / 2**20 for name, child in stack.children.items()}


async def measure(stack: Stack, seconds: float) -> None:
    well, ill = Timed(), Endpoint()
    await well.start()
    await ill.start()
    for code, endpoint in ((WELL, well), (ILL, ill)):
        channel = Channel(
            via="webhook",
            url=f"{endpoint.url}/hook",
            private=True,
            timeout=timedelta(seconds=3),
            longest_pause=timedelta(seconds=10),
        )
        set_channel(code, stack.contracts, channel)
    keys = {code: new_agency(code, stack.keys, stack.contracts) for code in (SENDER, WELL, ILL, FLOODER)}
    await asyncio.sleep(1)
    async with (
        AgencyClient(stack.url, keys[SENDER], stack.bus) as client,
        AgencyClient(stack.url, keys[FLOODER], stack.bus) as flooder,
    ):
        await letters(client, 5, (WELL, ILL), well)
        base = 0.0
        for mode in MODES:
            ill.faults.set(mode, seconds=10)
            found = told(f"the other is {mode}", await letters(client, seconds, (WELL, ILL), well), base)
            base = base or found
        alone = told("nobody else sends", await letters(client, seconds, (WELL,), well), 0)
        before, stop = memory(stack), asyncio.Event()
        flooding = asyncio.create_task(flood(stack, flooder, stop))
        await asyncio.sleep(5)
        told("another one floods", await letters(client, seconds, (WELL,), well), alone)
        stop.set()
        answers = await flooding
        after = memory(stack)
        print("the flood was answered", dict(answers))
        print("memory, MiB:", {name: f"{before[name]:.0f} → {after[name]:.0f}" for name in before})
    await well.stop()
    await ill.stop()


if __name__ == "__main__":
    length = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    with tempfile.TemporaryDirectory(prefix="liandong-bench-") as folder, Stack(Path(folder)) as running:
        asyncio.run(measure(running, length))
