"""A gateway on real engines, without a registrar: outcomes are stated by hand.

async with running(kafka, database, folder) as rig:
    answer = await rig.minhang.submit(rig.opening())
    await rig.state(rig.receipt(document))
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import ClientSession

from connectors.http.client import AgencyClient, Answer
from connectors.http.server import Limits, Server
from connectors.kafka.reader import read_all
from connectors.kafka.settings import KafkaSettings
from contracts.canonical import Document, canonical
from contracts.codec import content_digest
from contracts.records import Statement, held, receipt, rejection
from contracts.signatures import seal
from contracts.topics import OUTCOMES
from services.gateway.app import SCHEMA, Gateway
from services.gateway.pressure import Quota
from services.kernel.service import Runtime
from tests.support.factory import BUS, event, fact, key, new_exchange
from tests.support.registered import runtime

MINHANG, QINGPU, POLICE = "310112-cg", "310118-cg", "310112-ga"
SUBMISSIONS = "submissions.transfers"
ACCEPTED = "2026-11-05T02:00:00.000000Z"

T = TypeVar("T")


@dataclass
class Rig:
    """A gateway, its address, two agencies, and a hand that writes what a registrar would."""

    runtime: Runtime
    gateway: Gateway
    server: Server
    minhang: AgencyClient
    qingpu: AgencyClient
    session: ClientSession
    stated: list[bytes] = field(default_factory=list[bytes])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    def behind(self, *senders: str) -> Quota:
        """The bus is far behind, and these have sent much."""
        quota = self.gateway._pressure.quota
        for code in senders:
            quota.spend(code, 1000)
        quota.look(5000, time.monotonic())
        return quota

    async def post(self, body: bytes, content_type: str = "application/cloudevents+json", **headers: str) -> Answer:
        """A submission as raw as a test wants it."""
        return await self.ask("POST", "/v1/submissions", data=body, headers={"Content-Type": content_type, **headers})

    async def ask(self, method: str, path: str, **options: Any) -> Answer:
        async with self.session.request(method, self.url + path, **options) as response:
            return Answer(response.status, await response.read(), response.headers)

    async def state(self, stated: "Stated") -> bytes:
        """Seal an outcome and put it on its topic; the bytes of the outcome."""
        sealed = canonical(seal(stated.outcome, self.runtime.bus_key))
        statement = Statement(content_digest(stated.about), stated.outcome.get("code") != "id-reused", sealed)
        await self.runtime.producer.send(OUTCOMES, str(stated.about["id"]).encode(), statement.to_bytes())
        return sealed

    async def submitted(self, id_: object) -> list[dict[str, Any]]:
        """What is on Kafka under this event id, in order, seen by another library."""
        found = await asyncio.to_thread(read_all, self.runtime.kafka, SUBMISSIONS)
        values = [json.loads(record.value) for record in found if record.value is not None]
        return [value for value in values if value["event"]["id"] == id_]

    async def settled(self, client: AgencyClient, id_: object, state: str) -> Answer:
        """GET the submission until it is in this state."""

        async def look() -> Answer | None:
            answer = await client.submission(str(id_))
            return answer if answer.status == 200 and answer.json["state"] == state else None

        return await eventually(look)


def opening(exchange: str | None = None, **attributes: Any) -> Document:
    """A transfer from 闵行 to 青浦."""
    sent = fact("transfer.sent", recipient=QINGPU)
    return event(MINHANG, sent, exchange=exchange or new_exchange(), **attributes)


@dataclass(frozen=True, slots=True)
class Stated:
    """An outcome, not yet sealed, and the event that it is about."""

    about: Document
    outcome: Document


def a_receipt(document: Document, sequence: int = 1) -> Stated:
    times = {"acceptedtime": ACCEPTED, "recordedtime": ACCEPTED}
    return Stated(document, receipt({**document, "sequence": sequence, **times}, BUS, BUS))


def a_rejection(document: Document, code: str = "illegal-move") -> Stated:
    members: Document = {"status": "closed", "legal_moves": ["corrected"]}
    rejected = rejection(document, BUS, ACCEPTED, code=code, detail="it cannot follow", members=members)
    return Stated(document, rejected)


def a_hold(document: Document) -> Stated:
    return Stated(document, held(document, BUS, ACCEPTED, "waits for an operator"))


async def eventually(look: Callable[[], Awaitable[T | None]], seconds: float = 15) -> T:
    """What `look` finds, asked until it finds something."""
    ends = time.monotonic() + seconds
    while True:
        found = await look()
        if found is not None:
            return found
        if time.monotonic() > ends:
            raise AssertionError(f"not within {seconds} s: {look.__qualname__}")
        await asyncio.sleep(0.05)


@asynccontextmanager
async def serving(around: Runtime, limits: Limits | None = None) -> AsyncGenerator[Rig]:
    """A gateway in these surroundings."""
    gateway = Gateway(around)
    server = Server("gateway", gateway.routes(), gateway.troubles, limits)
    await server.start("127.0.0.1", 0)
    await gateway.start()
    # Nobody takes what is submitted: a test says itself when the bus is behind.
    await gateway._pressure.stop()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.stop)
        stack.push_async_callback(gateway.stop)
        url = f"http://127.0.0.1:{server.port}"
        minhang = await stack.enter_async_context(AgencyClient(url, key(MINHANG), BUS))
        qingpu = await stack.enter_async_context(AgencyClient(url, key(QINGPU), BUS))
        session = await stack.enter_async_context(ClientSession())
        yield Rig(around, gateway, server, minhang, qingpu, session)


@asynccontextmanager
async def running(kafka: KafkaSettings, database: str, folder: Path, **settings: Any) -> AsyncGenerator[Rig]:
    """A gateway with topics and tables of its own."""
    async with runtime(kafka, database, folder, [SCHEMA]) as around:
        for name, value in settings.items():
            setattr(around.settings, name, value)
        async with serving(around) as rig:
            yield rig
