"""What callers may cost, over real sockets: slow, large and broken heads and bodies, and the end of a server."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, web

from connectors.errors import KafkaUnavailable
from connectors.http.problem import ProblemError
from connectors.http.server import (
    Limits,
    Server,
    body_pieces,
    expecting,
    json_response,
    patient,
    read_body,
    write_pieces,
)
from contracts.errors import MalformedJson

BODY_LIMIT = 10_000
LONG_BODY = 1_000_000
QUICK = Limits(head=0.5, body=0.5, linger=0.2, drain=1.0, connections=5)


async def echo(request: web.Request) -> web.Response:
    body = await read_body(request, BODY_LIMIT)
    return json_response({"size": len(body)})


async def count(request: web.Request) -> web.Response:
    return json_response({"size": sum([len(piece) async for piece in body_pieces(request, LONG_BODY)])})


async def long(request: web.Request) -> web.StreamResponse:
    """So many pieces, by default for ever; `broken`: after them something fails."""
    response = web.StreamResponse()
    await response.prepare(request)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(int(request.query.get("pieces", 10**6))):
            yield bytes(100_000)
        if "broken" in request.query:
            raise ValueError("it broke")

    await write_pieces(request, response, pieces())
    return response


async def bug(_: web.Request) -> web.Response:
    raise RuntimeError("the secret of the house")


async def contract(_: web.Request) -> web.Response:
    raise MalformedJson("not JSON")


async def away(_: web.Request) -> web.Response:
    raise KafkaUnavailable("no answer")


async def poll(request: web.Request) -> web.Response:
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    await patient(request, [never], 30)
    return json_response({"waited": never.cancelled()})


async def work(_: web.Request) -> web.Response:
    await asyncio.sleep(0.3)
    return json_response({"done": True})


class Guarded:
    """A server with quick limits, and raw connections to it."""

    def __init__(self, server: Server, troubles: list[str]) -> None:
        self.server = server
        self.troubles = troubles
        self.url = f"http://127.0.0.1:{server.port}"

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.server.port)

    async def raw(self, sent: bytes, *, then: bytes = b"", every: float = 0.0) -> tuple[bytes, float]:
        """Send, then drip; everything that comes back until the server closes, and how long that took."""
        reader, writer = await self.connect()
        begun = time.monotonic()
        writer.write(sent)
        dripping = asyncio.create_task(drip(writer, then, every))
        answer = await asyncio.wait_for(read_all(reader), 15)
        dripping.cancel()
        writer.close()
        return answer, time.monotonic() - begun


async def drip(writer: asyncio.StreamWriter, sent: bytes, every: float) -> None:
    for index in range(len(sent)):
        await asyncio.sleep(every)
        try:
            writer.write(sent[index : index + 1])
            await writer.drain()
        except ConnectionError:
            return


async def read_all(reader: asyncio.StreamReader) -> bytes:
    chunks: list[bytes] = []
    try:
        while chunk := await reader.read(65536):
            chunks.append(chunk)
    except ConnectionError:
        pass
    return b"".join(chunks)


@asynccontextmanager
async def guarded(limits: Limits = QUICK) -> AsyncGenerator[Guarded]:
    troubles: list[str] = []
    handlers: dict[str, Callable[[web.Request], Awaitable[web.Response]]] = {
        "/bug": bug, "/contract": contract, "/away": away, "/poll": poll, "/work": work,
    }  # fmt: skip
    routes: list[web.AbstractRouteDef] = [web.get(path, handler) for path, handler in handlers.items()]
    routes.append(web.post("/echo", echo, expect_handler=expecting(BODY_LIMIT)))
    routes += [web.post("/count", count), web.get("/long", long)]
    server = Server("test", routes, lambda: troubles, limits)
    await server.start("127.0.0.1", 0)
    try:
        yield Guarded(server, troubles)
    finally:
        await server.stop()


@pytest.fixture
async def house() -> AsyncIterator[Guarded]:
    async with guarded() as found:
        yield found


def head_of(answer: bytes) -> str:
    return answer.split(b"\r\n\r\n", 1)[0].decode()


def document_of(answer: bytes) -> Any:
    return json.loads(answer.split(b"\r\n\r\n", 1)[1])


async def get(url: str, **headers: str) -> tuple[int, Any, Mapping[str, str]]:
    async with ClientSession() as session, session.get(url, headers=headers) as response:
        return response.status, json.loads(await response.read()), response.headers


# Health and problems.


async def test_alive_and_ready(house: Guarded) -> None:
    assert (await get(f"{house.url}/healthz"))[:2] == (200, {"alive": True, "service": "test"})
    assert (await get(f"{house.url}/readyz"))[0] == 200
    house.troubles.append("Kafka does not answer")
    status, document, headers = await get(f"{house.url}/readyz")
    assert (status, document["troubles"]) == (503, ["Kafka does not answer"])
    assert document["type"] == "urn:liandong:problem:not-ready"
    assert int(headers["Retry-After"]) > 0
    assert (await get(f"{house.url}/healthz"))[0] == 200


async def test_unforeseen_error_shows_nothing_of_the_house(house: Guarded) -> None:
    status, document, _ = await get(f"{house.url}/bug")
    assert (status, document["type"]) == (500, "urn:liandong:problem:internal")
    assert "secret" not in json.dumps(document)


async def test_errors_of_contracts_and_engines(house: Guarded) -> None:
    assert (await get(f"{house.url}/contract"))[:1] == (400,)
    status, document, headers = await get(f"{house.url}/away")
    assert (status, document["type"]) == (503, "urn:liandong:problem:unavailable")
    assert "Retry-After" in headers


async def test_no_such_path_or_method(house: Guarded) -> None:
    assert (await get(f"{house.url}/nothing"))[1]["type"] == "urn:liandong:problem:not-found"
    async with ClientSession() as session, session.put(f"{house.url}/echo") as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")
        assert response.content_type == "application/problem+json"


async def test_title_by_language(house: Guarded) -> None:
    chinese = (await get(f"{house.url}/nothing"))[1]["title"]
    english = (await get(f"{house.url}/nothing", **{"Accept-Language": "en-GB, zh;q=0.5"}))[1]["title"]
    assert english.isascii()
    assert not chinese.isascii()


async def test_request_id_is_given_or_kept(house: Guarded) -> None:
    given = (await get(f"{house.url}/healthz", **{"X-Request-Id": "my-request-0001"}))[2]
    assert given["X-Request-Id"] == "my-request-0001"
    made = (await get(f"{house.url}/healthz", **{"X-Request-Id": 'no good, "at" all'}))[2]
    assert len(made["X-Request-Id"]) == 16
    assert made["Server"] == "liandong"


# Bodies.


async def test_too_large_is_refused_before_it_is_sent(house: Guarded) -> None:
    request = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000000\r\n\r\n"
    answer, seconds = await house.raw(request)
    assert head_of(answer).startswith("HTTP/1.1 413")
    assert document_of(answer)["type"] == "urn:liandong:problem:body-too-large"
    assert document_of(answer)["limit"] == BODY_LIMIT
    assert seconds < 1.5


async def test_too_large_is_not_even_asked_for(house: Guarded) -> None:
    request = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000000\r\nExpect: 100-continue\r\n\r\n"
    answer, _ = await house.raw(request)
    assert answer.startswith(b"HTTP/1.1 413")


async def test_body_within_the_limit_is_asked_for(house: Guarded) -> None:
    reader, writer = await house.connect()
    writer.write(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"hello")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    assert await reader.readexactly(10) == b'{"size":5}'
    writer.close()


async def test_too_large_without_a_length_is_cut_off_while_it_comes(house: Guarded) -> None:
    reader, writer = await house.connect()
    writer.write(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    sent = 0
    answer = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
    while not answer.done() and sent < 50_000_000:
        writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        sent += 4096
        await writer.drain()
        await asyncio.sleep(0)
    assert (await answer).startswith(b"HTTP/1.1 413")
    assert sent < 5_000_000
    writer.close()


async def test_body_of_the_exact_limit(house: Guarded) -> None:
    async with ClientSession() as session:
        for size, status in [(BODY_LIMIT, 200), (BODY_LIMIT + 1, 413)]:
            async with session.post(f"{house.url}/echo", data=b"x" * size) as response:
                assert response.status == status


async def test_slow_body(house: Guarded) -> None:
    request = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    answer, seconds = await house.raw(request, then=b"x" * 1000, every=0.05)
    assert head_of(answer).startswith("HTTP/1.1 408")
    assert document_of(answer)["type"] == "urn:liandong:problem:body-timeout"
    assert seconds < 2


async def half_of(house: Guarded, path: str) -> bytes:
    reader, writer = await house.connect()
    writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf".encode())
    writer.write_eof()
    answer = await asyncio.wait_for(read_all(reader), 5)
    writer.close()
    return answer


async def test_half_a_body(house: Guarded) -> None:
    assert not (await half_of(house, "/echo")).startswith(b"HTTP/1.1 200")
    assert (await get(f"{house.url}/healthz"))[0] == 200


# Bodies and answers that are passed on as they come.


async def test_a_long_body_may_take_its_time_at_a_bearable_pace(house: Guarded) -> None:
    async def steady() -> AsyncIterator[bytes]:
        for _ in range(12):
            yield b"x" * 20_000
            await asyncio.sleep(0.1)

    async with ClientSession() as session, session.post(f"{house.url}/count", data=steady()) as response:
        assert (response.status, await response.json()) == (200, {"size": 240_000})


@pytest.mark.parametrize("sent", [b"", b"x" * 100], ids=["nothing", "a trickle"])
async def test_a_long_body_that_does_not_come(house: Guarded, sent: bytes) -> None:
    request = b"POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"
    answer, seconds = await house.raw(request, then=sent, every=0.05)
    assert head_of(answer).startswith("HTTP/1.1 408")
    assert document_of(answer)["type"] == "urn:liandong:problem:body-timeout"
    assert seconds < 2


async def test_a_long_body_is_bounded_and_whole(house: Guarded) -> None:
    async def many() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 100_000

    async with ClientSession() as session:
        for data in (b"x" * (LONG_BODY + 1), many()):
            async with session.post(f"{house.url}/count", data=data) as response:
                assert response.status == 413
    answer = await half_of(house, "/count")
    assert not answer.startswith(b"HTTP/1.1 200")


async def test_who_does_not_take_an_answer_is_left(house: Guarded) -> None:
    reader, writer = await house.connect()
    writer.write(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n")
    begun = time.monotonic()
    # What the system holds of the connection comes; then it is at an end, and not for ever.
    await asyncio.sleep(1.5)
    await asyncio.wait_for(read_all(reader), 10)
    assert time.monotonic() - begun < 8
    writer.close()


async def test_an_answer_that_breaks_does_not_look_like_a_whole_one(house: Guarded) -> None:
    async with ClientSession() as session:
        async with session.get(f"{house.url}/long?pieces=3") as response:
            assert len(await response.read()) == 300_000
        with pytest.raises(ClientError):
            async with session.get(f"{house.url}/long?pieces=3&broken") as response:
                await response.read()
    assert (await get(f"{house.url}/healthz"))[0] == 200


async def test_broken_chunks(house: Guarded) -> None:
    request = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n"
    answer, _ = await house.raw(request)
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))


async def test_compressed_body_is_not_unpacked(house: Guarded) -> None:
    async with ClientSession() as session:
        headers = {"Content-Encoding": "gzip"}
        async with session.post(f"{house.url}/echo", data=b"\x1f\x8b", headers=headers) as response:
            assert response.status == 415


# Heads and connections.


async def test_silent_connection_is_closed(house: Guarded) -> None:
    answer, seconds = await house.raw(b"")
    assert answer == b""
    assert 0.3 < seconds < 2


async def test_slow_head_is_closed_however_long_it_drips(house: Guarded) -> None:
    answer, seconds = await house.raw(b"GET /healthz HTTP/1.1\r\n", then=b"X-Slow: " + b"x" * 500, every=0.05)
    assert answer == b""
    assert 0.3 < seconds < 2


async def test_idle_connection_is_closed_after_an_answer(house: Guarded) -> None:
    answer, seconds = await house.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert 0.3 < seconds < 2


async def test_slow_head_on_a_used_connection_is_closed(house: Guarded) -> None:
    first = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\n"
    answer, seconds = await house.raw(first, then=b"X-Slow: " + b"x" * 500, every=0.05)
    assert answer.count(b"HTTP/1.1 200") == 1
    assert seconds < 2


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Large: " + b"x" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(200)) + b"\r\n",
        b"this is not HTTP\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
    ids=["long line", "large header", "many headers", "not HTTP", "TLS"],
)
async def test_head_that_is_too_large_or_no_head(house: Guarded, head: bytes) -> None:
    answer, seconds = await house.raw(head)
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))
    assert b"Traceback" not in answer
    assert seconds < 2


async def test_one_connection_too_many(house: Guarded) -> None:
    held = [await house.connect() for _ in range(QUICK.connections)]
    await asyncio.sleep(0.05)
    answer, seconds = await house.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 503")
    assert b"Retry-After" in answer
    assert seconds < 0.4
    for _, writer in held:
        writer.close()
    await asyncio.sleep(0.05)
    assert (await get(f"{house.url}/healthz"))[0] == 200


async def test_others_are_served_while_slow_ones_are_waited_for(house: Guarded) -> None:
    slow = [
        asyncio.create_task(house.raw(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")) for _ in range(3)
    ]
    await asyncio.sleep(0.05)
    begun = time.monotonic()
    assert (await get(f"{house.url}/healthz"))[0] == 200
    assert time.monotonic() - begun < 0.3
    for answer, _ in await asyncio.gather(*slow):
        assert answer.startswith(b"HTTP/1.1 408")


# The end.


async def test_running_request_finishes_and_new_ones_are_refused() -> None:
    async with guarded() as house:
        working = asyncio.create_task(get(f"{house.url}/work"))
        await asyncio.sleep(0.1)
        stopping = asyncio.create_task(house.server.stop())
        await asyncio.sleep(0.05)
        with pytest.raises(ConnectionRefusedError):
            await house.connect()
        assert (await working)[:2] == (200, {"done": True})
        await stopping


async def test_long_poll_answers_at_once_when_the_server_stops() -> None:
    async with guarded() as house:
        polling = asyncio.create_task(get(f"{house.url}/poll"))
        await asyncio.sleep(0.1)
        begun = time.monotonic()
        await house.server.stop()
        assert (await polling)[:2] == (200, {"waited": True})
        assert time.monotonic() - begun < 0.5


async def test_request_that_does_not_end_is_cut_off_at_the_deadline() -> None:
    async with guarded(Limits(drain=0.2)) as house:

        async def hang(_: web.Request) -> web.Response:
            await asyncio.sleep(60)
            raise AssertionError

        server = Server("hanging", [web.get("/hang", hang)], list, Limits(drain=0.2))
        await server.start("127.0.0.1", 0)
        hanging = asyncio.create_task(get(f"http://127.0.0.1:{server.port}/hang"))
        await asyncio.sleep(0.1)
        begun = time.monotonic()
        await server.stop()
        assert time.monotonic() - begun < 2
        with pytest.raises(ClientError):
            await hanging
        assert (await get(f"{house.url}/healthz"))[0] == 200


def test_problem_error_is_an_exception_with_words() -> None:
    assert str(ProblemError("internal", "what went wrong")) == "what went wrong"
