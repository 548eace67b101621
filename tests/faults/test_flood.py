"""An agency floods the bus: it is asked to wait, nobody else is, and what was accepted is registered all the same."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg
import pytest

from connectors.http.client import AgencyClient, new_event, new_id
from services.cli.stack import Stack
from services.cli.story import border
from tests.support.agencies import known
from tests.support.serving import eventually

SENDERS = 12
BATCH = 25
QUIET = 40


class Flood:
    """One agency's clients, as fast as they can, deaf to Retry-After."""

    def __init__(self, stack: Stack, client: AgencyClient) -> None:
        self._stack = stack
        self._client = client
        self.answers: Counter[int] = Counter()
        self.retry_after: set[str] = set()
        self.accepted: set[str] = set()
        self.stopping = asyncio.Event()

    async def run(self) -> None:
        await asyncio.gather(*(self._one() for _ in range(SENDERS)))

    async def _one(self) -> None:
        while not self.stopping.is_set():
            batch = [
                new_event(self._client.key, border.sent, exchange=new_id(), case=border.CASE, home=self._stack.bus)
                for _ in range(BATCH)
            ]
            answer = await self._client.submit_batch(batch)
            items: list[dict[str, Any]] = answer.json if answer.status == 200 else [{"id": "", "status": answer.status}]
            self.answers.update(item["status"] for item in items)
            self.accepted |= {item["id"] for item in items if item["status"] == 202}

    async def one_by_one(self) -> None:
        """Single requests until one is refused: the header says for how long."""
        while not self.retry_after:
            event = new_event(self._client.key, border.sent, exchange=new_id(), case=border.CASE, home=self._stack.bus)
            answer = await self._client.submit(event)
            if answer.status == 429:
                self.retry_after.add(answer.headers["Retry-After"])
            else:
                self.accepted.add(str(event["id"]))


@pytest.mark.timeout(300)
async def test_who_floods_waits_and_nobody_else(folder: Path) -> None:
    with Stack(folder / "data", extra={"LIANDONG_BACKLOG_LIMIT": "300"}) as stack:
        keys = known((border.MINHANG, border.QINGPU, "310104-cg"), stack.keys, stack.contracts)
        async with (
            AgencyClient(stack.url, keys["310104-cg"], stack.bus) as flooder,
            AgencyClient(stack.url, keys[border.MINHANG], stack.bus) as quiet,
        ):
            flood = Flood(stack, flooder)
            flooding = asyncio.create_task(flood.run())
            await eventually(lambda: flood.answers[429] > 0, seconds=60)
            statuses: list[int] = []
            for _ in range(QUIET):
                event = new_event(quiet.key, border.sent, exchange=new_id(), case=border.CASE, home=stack.bus)
                statuses.append((await quiet.submit(event)).status)
            await asyncio.wait_for(flood.one_by_one(), 60)
            flood.stopping.set()
            await flooding
        assert set(statuses) == {202}
        assert set(flood.answers) <= {202, 429}
        assert all(1 <= int(seconds) <= 60 for seconds in flood.retry_after)

        def all_settled() -> bool:
            with psycopg.connect(stack.postgres) as connection:
                row = connection.execute("SELECT count(*) FROM transfers.outcomes").fetchone()
            return row == (len(flood.accepted) + QUIET,)

        await eventually(all_settled, seconds=120)
        with psycopg.connect(stack.postgres) as connection:
            registered = connection.execute("SELECT count(*) FROM transfers.events").fetchone()
        assert registered == (len(flood.accepted) + QUIET,)
