"""The HTTP server of a service: routes, health, limits, logs and a graceful end, in one place.

    server = Server("audit", routes, troubles)
    await server.start("127.0.0.1", 8702)
    ...
    await server.stop()        # stops accepting, lets running requests finish

Every answer carries `X-Request-Id`, which is also in every line that is logged while the request is handled, and
each request that fails is one line in the log. What callers may cost is bounded by `Limits`: a head that does not
arrive in time closes the connection, a body that is too large is 413 (at once, where Content-Length says so) and one
that does not arrive in time 408. Handlers read bodies with `read_body`, or with `body_pieces` where one may be large,
and with nothing else; they answer at length with `write_pieces`, and wait for something with `patient`.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import Any, Final

import orjson
import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from connectors.http.problem import RETRY_AFTER, ProblemError, answer_problems

log = structlog.stdlib.get_logger(__name__)

REQUEST_ID: Final = "X-Request-Id"
"""The header; `request[REQUEST]` is the same to a handler."""
REQUEST: Final = web.RequestKey("request id", str)

_SANE_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,64}")
_BROKEN: Final = (web.RequestPayloadError, ConnectionError)
"""What a body that ends too early raises, by how it ends."""
_PROBES: Final = frozenset({"/healthz", "/readyz"})
_FULL: Final = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What callers may cost. Times in seconds.

    connections: open at once; one more is answered 503 and closed.
    head: how long a connection may be open, or idle after an answer, without a whole request head.
    body: how long the body of a request may take to arrive; a large one, how long nothing of it may arrive, and how
    long beyond what it would take at `pace` bytes a second. The same counts for who does not take a long answer.
    linger: how long the rest of a body that nobody wants is read and thrown away, so that the answer is not lost.
    drain: how long running requests may go on while the server stops.
    """

    connections: int = 800
    head: float = 20.0
    body: float = 30.0
    pace: int = 8 * 1024
    linger: float = 2.0
    drain: float = 15.0


_LIMITS: Final = web.AppKey("limits", Limits)
_STOPPING: Final = web.AppKey("stopping", asyncio.Event)


class Server:
    """One service's server. Cannot be started twice."""

    def __init__(
        self,
        service: str,
        routes: Sequence[web.AbstractRouteDef],
        troubles: Callable[[], Sequence[str]],
        limits: Limits | None = None,
        *,
        notes: Callable[[], Sequence[str]] | None = None,
    ) -> None:
        """`troubles` says why the service is not ready; it is asked at each GET /readyz, and so are its `notes`."""
        self._service = service
        self._troubles = troubles
        self._notes = notes
        self._limits = limits or Limits()
        self._app = web.Application(middlewares=[_observe, answer_problems])
        self._app[_LIMITS] = self._limits
        self._app[_STOPPING] = asyncio.Event()
        self._app.add_routes([web.get("/healthz", self._healthz), web.get("/readyz", self._readyz), *routes])
        self._app.on_response_prepare.append(_stamp)
        self._runner = web.AppRunner(
            self._app,
            access_log=None,
            keepalive_timeout=self._limits.head,
            lingering_time=self._limits.linger,
            shutdown_timeout=self._limits.drain,
            max_line_size=8190,
            max_field_size=8190,
            max_headers=64,
            auto_decompress=False,
        )
        self._listener: asyncio.Server | None = None
        self.port = 0
        """The port that it listens on, once started; the one it got, where 0 was asked for."""

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises OSError when the address is taken."""
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._protocol, host, port, backlog=512)
        self.port = int(self._listener.sockets[0].getsockname()[1])
        log.info("listening", service=self._service, host=host, port=self.port)

    async def stop(self) -> None:
        """Accept nothing more, let running requests finish (those that wait for something answer now), and close."""
        self._app[_STOPPING].set()
        if self._listener is not None:
            self._listener.close()
        await self._runner.cleanup()

    def _protocol(self) -> asyncio.BaseProtocol:
        server = self._runner.server
        if server is None or len(server.connections) >= self._limits.connections:
            return _Full()
        return server()

    async def _healthz(self, _: web.Request) -> web.Response:
        return json_response({"alive": True, "service": self._service})

    async def _readyz(self, _: web.Request) -> web.Response:
        troubles = list(self._troubles())
        if not troubles:
            notes = list(self._notes()) if self._notes else []
            return json_response({"ready": True, "service": self._service, **({"notes": notes} if notes else {})})
        raise ProblemError(
            "not-ready",
            "; ".join(troubles),
            members={"ready": False, "service": self._service, "troubles": troubles},
            headers={"Retry-After": str(RETRY_AFTER)},
        )


def json_response(document: object, *, status: int = 200) -> web.Response:
    """An answer of JSON, its members sorted."""
    return json_bytes(orjson.dumps(document, option=orjson.OPT_SORT_KEYS), status=status)


def json_bytes(body: bytes, *, status: int = 200) -> web.Response:
    """An answer of JSON that is bytes already."""
    return web.Response(status=status, body=body, content_type="application/json")


async def read_body(request: web.Request, limit: int) -> bytes:
    """The body, of at most `limit` bytes.

    Raises ProblemError: 413 too large, 408 too slow, 415 compressed, 400 half a body.
    """
    _require_bearable(request, limit)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(request.app[_LIMITS].body):
            async for chunk in request.content.iter_any():
                size += len(chunk)
                if size > limit:
                    raise _too_large(limit)
                chunks.append(chunk)
    except TimeoutError as error:
        raise _too_slow(request) from error
    except _BROKEN as error:
        raise _broken() from error
    return b"".join(chunks)


async def body_pieces(request: web.Request, limit: int) -> AsyncIterator[bytes]:
    """The body of at most `limit` bytes in pieces as they arrive, held nowhere.

    Raises ProblemError like `read_body`, wherever in the body it is found out.
    """
    _require_bearable(request, limit)
    limits = request.app[_LIMITS]
    size, waited = 0, 0.0
    try:
        while not request.content.at_eof():
            begun = time.monotonic()
            async with asyncio.timeout(min(limits.body, limits.body + size / limits.pace - waited)):
                piece = await request.content.readany()
            waited += time.monotonic() - begun
            size += len(piece)
            if size > limit:
                raise _too_large(limit)
            if piece:
                yield piece
    except TimeoutError as error:
        raise _too_slow(request) from error
    except _BROKEN as error:
        raise _broken() from error


async def write_pieces(request: web.Request, response: web.StreamResponse, pieces: AsyncIterator[bytes]) -> None:
    """Send a prepared answer in pieces. What breaks off, or is not taken in time, does not look like a whole one.

    Raises what the pieces raise, after the connection is closed.
    """
    try:
        async for piece in pieces:
            async with asyncio.timeout(request.app[_LIMITS].body):
                await response.write(piece)
    except BaseException as error:
        if request.transport is not None:
            request.transport.abort()
        if not isinstance(error, (TimeoutError, ConnectionError)):
            raise
        log.info("an answer was not taken", path=request.path, reason=type(error).__name__)


def expecting(limit: int) -> Callable[[web.Request], Awaitable[web.StreamResponse | None]]:
    """A route's `expect_handler`: a body that is too large is not asked for (100-continue), so it is never sent."""

    async def ask(request: web.Request) -> web.StreamResponse | None:
        if (request.content_length or 0) <= limit:
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        return None

    return ask


async def patient(request: web.Request, awaited: "Collection[asyncio.Future[Any]]", seconds: float | None) -> None:
    """Wait until all are done, the time is over, or the server stops. What is not done then is cancelled.

    Afterwards a future has come if it is `done()` and not `cancelled()`.
    """
    stopping: asyncio.Future[Any] = asyncio.ensure_future(request.app[_STOPPING].wait())
    together: asyncio.Future[Any] = asyncio.ensure_future(asyncio.wait(awaited))
    try:
        await asyncio.wait({together, stopping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for future in (stopping, together, *awaited):
            future.cancel()


class _Full(asyncio.Protocol):
    """What a connection over the limit meets."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say so and close."""
        if isinstance(transport, asyncio.Transport):
            transport.write(_FULL)
            transport.close()


@web.middleware
async def _observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request its id, and log it when it is over."""
    begun = time.perf_counter()
    given = request.headers.get(REQUEST_ID, "")
    request_id = given if _SANE_ID.fullmatch(given) else token_hex(8)
    request[REQUEST] = request_id
    structlog.contextvars.bind_contextvars(request=request_id)
    response = await handler(request)
    milliseconds = round((time.perf_counter() - begun) * 1000, 1)
    # What went well is logged by the handler, with the event's own names; this line would only repeat it.
    say = log.debug if request.path in _PROBES or response.status < 400 else log.info
    say("http", method=request.method, path=request.path, status=response.status, ms=milliseconds)
    return response


async def _stamp(request: web.Request, response: web.StreamResponse) -> None:
    response.headers[REQUEST_ID] = request.get(REQUEST, "")
    response.headers[hdrs.SERVER] = "liandong"
    response.headers["X-Content-Type-Options"] = "nosniff"


def _require_bearable(request: web.Request, limit: int) -> None:
    """Raises ProblemError for a body that need not be read to be refused."""
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity") != "identity":
        raise ProblemError("media-type-unsupported", "bodies are not compressed (Content-Encoding: identity)")
    if (request.content_length or 0) > limit:
        raise _too_large(limit)


def _too_slow(request: web.Request) -> ProblemError:
    return ProblemError("body-timeout", f"the body did not arrive within {request.app[_LIMITS].body:g} s")


def _broken() -> ProblemError:
    return ProblemError("body-incomplete", "the body ended too early or is not framed as HTTP asks")


def _too_large(limit: int) -> ProblemError:
    return ProblemError("body-too-large", f"a body is at most {limit} bytes", members={"limit": limit})
