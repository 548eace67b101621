"""The agencies' client: events that verify, and a submission that is sent until it is answered."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from aiohttp import web

from connectors.errors import SubmissionRefused
from connectors.http.client import AgencyClient, new_event, new_id
from connectors.http.server import Server
from connectors.http.tokens import verify
from contracts.canonical import canonical
from contracts.codec import decode, verify_event
from events import common
from tests.support.factory import BUS, CASE, fact, key, world

MINHANG, QINGPU = "310112-cg", "310118-cg"


def test_event_keeps_to_its_schema_and_verifies() -> None:
    sent = fact("transfer.sent", recipient=QINGPU)
    document = new_event(key(MINHANG), sent, exchange=new_id(), case=CASE, home=BUS)
    event = decode(document)
    assert (event.envelope.kind, event.envelope.source, event.fact) == ("transfer", MINHANG, sent)
    assert verify_event(document, world().agencies, datetime.now(UTC)) == MINHANG
    assert "knownsequence" not in document


def test_fact_of_every_kind_says_its_kind() -> None:
    document = new_event(key(MINHANG), common.Chased(concerns="进展"), exchange=new_id(), kind="referral", known=3)
    assert (document["kind"], document["knownsequence"]) == ("referral", 3)
    assert decode(document).envelope.kind == "referral"


class Moody:
    """A bus that answers the first attempts badly."""

    def __init__(self) -> None:
        self.moods: list[str] = []
        self.bodies: list[bytes] = []
        self.tokens: list[str] = []
        self.queries: list[str] = []

    async def submit(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        mood = self.moods.pop(0) if self.moods else "good"
        if mood == "gone":
            assert request.transport is not None
            request.transport.abort()
        status = {"busy": 429, "away": 503, "bad": 422}.get(mood, 202)
        return web.Response(status=status, body=b"{}", headers={"Retry-After": "0"})

    async def read(self, request: web.Request) -> web.Response:
        self.tokens.append(request.headers["Authorization"].removeprefix("Bearer "))
        self.queries.append(request.path_qs)
        return web.json_response({"type": "urn:liandong:problem:not-found"}, content_type="application/problem+json")


@pytest.fixture
def bus() -> Moody:
    return Moody()


@pytest.fixture
async def client(bus: Moody) -> AsyncIterator[AgencyClient]:
    routes: list[web.AbstractRouteDef] = [web.post("/v1/submissions", bus.submit), web.get("/{path:.*}", bus.read)]
    server = Server("moody", routes, list)
    await server.start("127.0.0.1", 0)
    async with AgencyClient(f"http://127.0.0.1:{server.port}/", key(MINHANG), BUS) as opened:
        yield opened
    await server.stop()


async def test_sent_until_it_is_answered_always_the_same(client: AgencyClient, bus: Moody) -> None:
    bus.moods = ["away", "gone", "busy", "good"]
    document = new_event(key(MINHANG), common.Chased(concerns="进展"), exchange=new_id(), kind="transfer")
    assert (await client.submit_surely(document)).status == 202
    assert bus.bodies == [canonical(document)] * 4


async def test_a_refusal_is_an_answer(client: AgencyClient, bus: Moody) -> None:
    bus.moods = ["bad", "good"]
    assert (await client.submit_surely({"id": "1"})).status == 422
    assert len(bus.bodies) == 1


class Choosy:
    """A bus that answers lists, and each event in them, as it is told; what else is good."""

    def __init__(self, *moods: int | list[int]) -> None:
        self.moods = list(moods)
        self.lists: list[list[str]] = []

    async def submit(self, request: web.Request) -> web.Response:
        ids = [event["id"] for event in await request.json()]
        self.lists.append(ids)
        mood = self.moods.pop(0) if self.moods else [202] * len(ids)
        if isinstance(mood, int):
            return web.json_response({}, status=mood)
        return web.json_response(
            [{"id": id_, "status": status, "body": {}} for id_, status in zip(ids, mood, strict=True)]
        )


@asynccontextmanager
async def before(bus: Choosy) -> AsyncGenerator[AgencyClient]:
    server = Server("choosy", [web.post("/v1/submissions", bus.submit)], list)
    await server.start("127.0.0.1", 0)
    async with AgencyClient(f"http://127.0.0.1:{server.port}/", key(MINHANG), BUS) as opened:
        yield opened
    await server.stop()


async def test_of_a_list_those_that_wait_are_sent_again_in_their_order() -> None:
    bus = Choosy(503, [202, 429, 422, 429], [503, 201])
    async with before(bus) as client:
        answers = await client.submit_all([{"id": id_} for id_ in "abcd"])
    assert [(item["id"], item["status"]) for item in answers] == [("a", 202), ("b", 202), ("c", 422), ("d", 201)]
    assert bus.lists == [["a", "b", "c", "d"], ["a", "b", "c", "d"], ["b", "d"], ["b"]]


async def test_a_list_that_is_not_taken_is_said() -> None:
    async with before(Choosy(413)) as client:
        with pytest.raises(SubmissionRefused, match="413"):
            await client.submit_all([{"id": "1"}])
    async with before(Choosy(*[[429]] * 100)) as client:
        with pytest.raises(TimeoutError, match="1 of 1 events wait"):
            await client.submit_all([{"id": "1"}], patience=0.2)


async def test_patience_ends(client: AgencyClient, bus: Moody) -> None:
    bus.moods = ["away"] * 1000
    with pytest.raises(TimeoutError):
        await client.submit_surely({"id": "1"}, patience=0.3)


async def test_each_read_has_a_token_of_its_own(client: AgencyClient, bus: Moody) -> None:
    for _ in range(3):
        assert (await client.submission("a/b")).code == "not-found"
    callers = [verify(token, world().agencies, BUS, datetime.now(UTC)) for token in bus.tokens]
    assert {caller.agency for caller in callers} == {MINHANG}
    assert len({caller.jti for caller in callers}) == 3


async def test_paths_and_queries(client: AgencyClient, bus: Moody) -> None:
    await client.submission("a/b")
    await client.inbox("c+1", wait=5)
    await client.exchanges(kind="transfer", case="闵〔2026〕", state=None)
    await client.timeline(case="闵/1")
    assert bus.queries[0] == "/v1/submissions/a%2Fb"
    assert bus.queries[1] == "/v1/inbox?after=c%2B1&wait=5"
    assert bus.queries[2].startswith("/v1/exchanges?kind=transfer&case=")
    assert bus.queries[3] == "/v1/cases/%E9%97%B5%2F1/timeline"
