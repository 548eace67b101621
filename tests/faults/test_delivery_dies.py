"""kill -9 of delivery, again and again, while it brings copies to partners; one of them dies before its answers too.

Real processes. Everything arrives, in order in each exchange, and what came twice came under the same id.
"""

import asyncio
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from connectors.http.client import AgencyClient, new_event, new_id
from connectors.simulation import Faults, Mode
from connectors.webhook.simulator import Endpoint
from contracts.agencies import Channel
from services.cli.agencies import set_channel
from services.cli.stack import Stack
from services.cli.story import border
from tests.support.agencies import known
from tests.support.serving import eventually

EXCHANGES = 80
KILLS = 3
PLOT = (
    (border.MINHANG, border.sent),
    (border.QINGPU, border.transfer_receipted),
    (border.QINGPU, border.accepted),
    (border.QINGPU, border.filed),
)
PER_EXCHANGE = len(PLOT)


async def play(stack: Stack, agencies: dict[str, AgencyClient]) -> str:
    exchange = new_id()
    for code, fact in PLOT:
        case, home = (border.CASE, stack.bus) if fact is border.sent else (None, None)
        event = new_event(agencies[code].key, fact, exchange=exchange, case=case, home=home)
        assert (await agencies[code].submit_surely(event, patience=180)).status in {201, 202}
    return exchange


async def lanes(stack: Stack, agencies: dict[str, AgencyClient]) -> list[str]:
    room = asyncio.Semaphore(8)

    async def one() -> str:
        async with room:
            return await play(stack, agencies)

    return await asyncio.gather(*(one() for _ in range(EXCHANGES)))


async def strike(stack: Stack, endpoint: Endpoint) -> None:
    """Kill delivery whenever another part of everything has arrived; the supervisor brings it back."""
    total = EXCHANGES * PER_EXCHANGE
    for number in range(1, KILLS + 1):
        await eventually(lambda: len(endpoint.taken) >= number * total // (KILLS + 2), seconds=120)  # noqa: B023
        stack.children["delivery+files"].send(signal.SIGKILL)


def order(endpoint: Endpoint) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    events: list[dict[str, Any]] = [item["event"] for item in endpoint.taken.values() if item["kind"] == "event"]
    for event in events:
        found.setdefault(event["exchange"], []).append(event["sequence"])
    return found


@pytest.mark.timeout(300)
async def test_everything_arrives_once_and_in_order(folder: Path) -> None:
    well, dying = Endpoint(), Endpoint(Faults(7, Mode.DYING, share=0.1))
    await asyncio.gather(well.start(), dying.start())
    with Stack(folder / "data") as stack:
        for code, endpoint in ((border.MINHANG, well), (border.QINGPU, dying)):
            channel = Channel(
                via="webhook", url=f"{endpoint.url}/hook", private=True, longest_pause=timedelta(seconds=1)
            )
            set_channel(code, stack.contracts, channel)
        keys = known((border.MINHANG, border.QINGPU), stack.keys, stack.contracts)
        async with (
            AgencyClient(stack.url, keys[border.MINHANG], stack.bus) as minhang,
            AgencyClient(stack.url, keys[border.QINGPU], stack.bus) as qingpu,
        ):
            agencies = {border.MINHANG: minhang, border.QINGPU: qingpu}
            exchanges, _ = await asyncio.gather(lanes(stack, agencies), strike(stack, well))
        total = EXCHANGES * PER_EXCHANGE
        for endpoint in (well, dying):
            await eventually(lambda: len(endpoint.taken) == total, seconds=120)  # noqa: B023
            assert order(endpoint) == {exchange: [1, 2, 3, 4] for exchange in exchanges}
        # What the dying one had done before it died came again, and under the same id.
        assert dying.repeats > 0

        def over() -> bool:
            with psycopg.connect(stack.postgres) as connection:
                return connection.execute("SELECT count(*) FROM delivery.queue").fetchone() == (0,)

        await eventually(over, seconds=60)
        with psycopg.connect(stack.postgres) as connection:
            delivered = connection.execute(
                "SELECT recipient, count(DISTINCT (exchange, sequence)) FROM delivery.stages"
                " WHERE stage = 'delivered' AND recipient = ANY(%s) GROUP BY recipient ORDER BY recipient",
                ([border.MINHANG, border.QINGPU],),
            ).fetchall()
        assert delivered == [(border.MINHANG, total), (border.QINGPU, total)]
    await asyncio.gather(well.stop(), dying.stop())
