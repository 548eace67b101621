"""Delivery to partners on the real engines: agencies' channels, and the part of delivery that serves them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import yaml

from connectors.channel import Files
from contracts.agencies import Channel
from contracts.records import Record
from services.delivery.agreed import Agreed
from services.delivery.dispatch import Dispatch
from services.delivery.inboxes import Inboxes
from services.delivery.partners import Partners
from services.delivery.post import Post
from services.delivery.queue import Queue
from services.delivery.stages import Stages
from services.delivery.watch import Watch
from services.kernel.follower import Follower
from services.kernel.service import Runtime
from services.kernel.time import set_driven
from tests.support.channels import MemoryFiles
from tests.support.registered import EVENTS, on_kafka, store
from tests.support.serving import eventually


async def set_channel(around: Runtime, agency: str, **channel: Any) -> None:
    """Write a channel into an agency's contract; returns when it counts."""
    assert around.settings.contracts is not None
    path = around.settings.contracts / "agencies" / f"{agency}.yaml"
    contract = yaml.safe_load(path.read_text(encoding="utf-8"))
    chosen = Channel.model_validate({"via": "webhook", "private": True, **channel})
    contract["channel"] = chosen.model_dump(mode="json", exclude_none=True)
    path.write_text(yaml.safe_dump(contract, allow_unicode=True), encoding="utf-8")

    def counts() -> bool:
        found = around.library.current().agencies.get(agency)
        return found is not None and found.channel == chosen

    await eventually(counts)


class Delivering:
    """Delivery without HTTP and without Kafka before it: `take_in` is what the consumer would do."""

    def __init__(self, around: Runtime, files: Files | None = None) -> None:
        self.around = around
        self.inboxes = Inboxes(around.pool)
        self.stages = Stages(around, around.clock)
        self.queue = Queue(around.pool)
        self.dispatch = Dispatch(around, self.inboxes, self.queue, self.stages, Agreed(around.pool))
        self.partners = Partners(self.dispatch, lambda _: files or MemoryFiles())
        self.watch = Watch(self.dispatch)
        self._follower = Follower(around, "delivery", Post(self.dispatch), [EVENTS], hop=4)

    async def take_in(self, *records: Record) -> None:
        """Registered, and come to delivery."""
        await store(self.around, records)
        await self._follower.handle([on_kafka(item) for item in records])

    async def items(self, agency: str) -> list[dict[str, Any]]:
        """What lies in an inbox."""
        page = await self.inboxes.page(await self.inboxes.inbox(agency), 0, 500)
        return [orjson.loads(item) for item in page.items]

    async def waiting(self, agency: str) -> list[tuple[str, int | None, int, str | None]]:
        """state, sequence, attempts and reason of what is in the queue."""
        query = "SELECT state, sequence, attempt, reason FROM delivery.queue WHERE agency = %s ORDER BY position"
        async with self.around.pool.connection() as connection:
            return [*await (await connection.execute(query, (agency,))).fetchall()]

    async def said(self, agency: str) -> list[tuple[str, int, int]]:
        """stage, sequence and attempt of what was said of an agency's copies, in the order of time and rank."""
        query = "SELECT stage, sequence, attempt FROM delivery.stages WHERE recipient = %s ORDER BY time, sequence"
        async with self.around.pool.connection() as connection:
            return [*await (await connection.execute(query, (agency,))).fetchall()]

    async def rests(self, legal_time: Path) -> bool:
        """Whether nothing waits; time goes on to the next attempt when none is due, as whoever drives it has it."""
        async with self.around.pool.connection() as connection:
            row = await (await connection.execute("SELECT min(at) FROM delivery.moments")).fetchone()
            left = await (await connection.execute("SELECT count(*) FROM delivery.queue")).fetchone()
        if row and row[0] is not None and row[0] > self.around.clock():
            set_driven(legal_time, row[0])
        return left == (0,)


@asynccontextmanager
async def delivering(around: Runtime, files: Files | None = None) -> AsyncGenerator[Delivering]:
    """One process's delivery, at work."""
    found = Delivering(around, files)
    found.stages.start()
    found.partners.start()
    found.watch.start()
    try:
        yield found
    finally:
        await found.watch.stop()
        await found.partners.stop()
        await found.stages.stop()
