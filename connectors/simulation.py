"""What simulators of partners have in common: a real server on loopback, and faults that a seeded script brings about.

    simulator = Simulator(routes, faults=Faults(seed=7))
    await simulator.start()                  # simulator.url
    simulator.faults.set(Mode.SLOW, share=0.3)
    ...
    await simulator.stop()

As a process of its own: `python -m connectors.grid.simulator --port 0 --seed 7` prints its address as the first line,
and PUT /_faults {"mode": "slow", "share": 0.3} changes how it fares. A simulator plays the partner as it is: it keeps
its own state and knows nothing of ours.
"""

import argparse
import asyncio
import random
import signal
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from contracts.canonical import Document, parse_object

T = TypeVar("T")

CONTROL: Final = "/_faults"
BACKSTAGE: Final = "/_"
"""Paths that begin so are the demo's and the tests', not the partner's: no fault hits them."""
RETRY_AFTER: Final = 3
"""Seconds that a busy partner asks for."""


class Mode(StrEnum):
    """How a partner fares. Only requests of the share that is hit feel it."""

    WELL = "well"
    SLOW = "slow"  # answers after `seconds`
    BROKEN = "broken"  # 500
    BUSY = "busy"  # 503 with Retry-After
    GARBAGE = "garbage"  # does nothing, and answers 200 with nonsense
    DYING = "dying"  # does the work and dies before it answers
    OFF = "off"  # closes the connection at once
    REPEATING = "repeating"  # what it offers comes twice
    DISORDERED = "disordered"  # what it offers comes in another order


class Faults:
    """The seeded script of a partner's faults: the same seed hits the same requests."""

    def __init__(self, seed: int = 0, mode: Mode = Mode.WELL, *, share: float = 1.0, seconds: float = 1.0) -> None:
        self._random = random.Random(seed)  # noqa: S311, a script and no secret
        self.mode = mode
        self.share = share
        self.seconds = seconds

    def set(self, mode: Mode, *, share: float = 1.0, seconds: float = 1.0) -> None:
        """From now on. `share`: of requests, from 0 to 1. `seconds`: how slow it is."""
        self.mode, self.share, self.seconds = mode, share, seconds

    def hit(self) -> Mode:
        """How this request fares."""
        if self.mode is Mode.WELL or self._random.random() >= self.share:
            return Mode.WELL
        return self.mode

    def offered(self, items: Sequence[T]) -> list[T]:
        """What the partner offers, as it comes out of it."""
        mode, found = self.hit(), [*items]
        if mode is Mode.REPEATING:
            return [item for item in found for _ in range(2)]
        if mode is Mode.DISORDERED:
            self._random.shuffle(found)
        return found

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Lets a request fare as the script says."""
        mode = Mode.WELL if request.path.startswith(BACKSTAGE) else self.hit()
        match mode:
            case Mode.SLOW:
                await asyncio.sleep(self.seconds)
            case Mode.BROKEN:
                return web.Response(status=500, text="内部错误")
            case Mode.BUSY:
                return web.Response(status=503, headers={"Retry-After": str(RETRY_AFTER)})
            case Mode.GARBAGE:
                return web.Response(status=200, text="<html>登录超时</html>", content_type="text/html")
            case Mode.OFF:
                return _cut(request)
            case Mode.DYING:
                await handler(request)
                return _cut(request)
            case _:
                pass
        return await handler(request)


class Simulator:
    """A partner's server on loopback. `routes` are the partner's own; `client_max_size` bytes of a request at most."""

    def __init__(
        self,
        routes: Sequence[web.AbstractRouteDef],
        faults: Faults | None = None,
        *,
        client_max_size: int = 64 * 1024 * 1024,
    ) -> None:
        self.faults = faults or Faults()
        app = web.Application(middlewares=[self.faults.middleware], client_max_size=client_max_size)
        app.add_routes([*routes, web.put(CONTROL, self._control)])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        self.port = 0

    @property
    def url(self) -> str:
        """Where it is, once started."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self, port: int = 0) -> None:
        """Listen on loopback; on any free port by default. Raises OSError."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.port = int(self._runner.addresses[0][1])

    def kept(self) -> Document:
        """What it would find again in the morning; nothing where it keeps nothing."""
        return {}

    def recall(self, kept: Document) -> None:
        """Find again what was kept."""

    async def stop(self) -> None:
        """Close everything at once, as a partner's outage does."""
        await self._runner.cleanup()

    async def _control(self, request: web.Request) -> web.Response:
        given = parse_object(await request.read())
        share, seconds = given.get("share", 1.0), given.get("seconds", 1.0)
        if not (isinstance(share, (int, float)) and isinstance(seconds, (int, float))):
            return web.Response(status=400, text="share and seconds are numbers")
        self.faults.set(Mode(str(given.get("mode"))), share=float(share), seconds=float(seconds))
        return web.Response(status=204)


def run(make: Callable[[Faults], Simulator]) -> None:
    """The `main` of a simulator: serve until SIGTERM or SIGINT. The first line that it prints is its address."""
    parser = argparse.ArgumentParser(description="A simulated partner.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a file in which it keeps its state from one run to the next")
    given = parser.parse_args()
    simulator, keep = make(Faults(given.seed)), given.keep
    if keep is not None and keep.exists():
        simulator.recall(orjson.loads(keep.read_bytes()))
    asyncio.run(_serve(simulator, given.port))
    if keep is not None:
        keep.write_bytes(orjson.dumps(simulator.kept()))


async def _serve(simulator: Simulator, port: int) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await simulator.start(port)
    print(simulator.url, flush=True)
    await stopping.wait()
    await simulator.stop()


def _cut(request: web.Request) -> web.Response:
    """End the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
