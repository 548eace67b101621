"""The partners' processes, their channels, and who acts at them."""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Self

from aiohttp import ClientSession
from pydantic import JsonValue

from connectors.errors import EngineError
from connectors.process import Child, free_port, port_answers, spawn
from contracts.agencies import Channel
from services.cli.agencies import agency_key, set_channel
from services.cli.partners.endpoint import Endpoint
from services.cli.partners.forms import Forms
from services.cli.partners.grid import Grid
from services.cli.partners.papers import Gap, Mailbox
from services.cli.partners.partner import LOOK, Partner, Seat
from services.cli.stack import Stack

_STARTS: Final = 30.0  # seconds

_BY_VIA: Final[Mapping[str, type[Partner]]] = {
    "webhook": Endpoint,
    "hotline": Forms,
    "housing": Forms,
    "grid": Grid,
    "provinces": Mailbox,
}
_STEP: Final = "0.2"
"""Seconds from one look of a partner beyond a gap to the next."""


class Partners:
    """The partners' processes. Use it as a context manager: none is left running."""

    def __init__(self, seats: Sequence[Seat], folder: Path, *, seed: int = 7) -> None:
        """`folder`: where they keep what they know from one run to the next."""
        self.seats = tuple(seats)
        self._folder = folder
        self._seed = seed
        self._ports = {seat.agency: free_port() for seat in seats}
        self._children: dict[str, Child] = {}

    def settle(self, stack: Stack) -> None:
        """Write into the stack's overlay how copies reach them. Raises UnusableContract."""
        for seat in self.seats:
            set_channel(seat.agency, stack.contracts, self._channel(seat))
            for path in self._ours(seat).values() if seat.gap else ():
                path.mkdir(parents=True, exist_ok=True)

    def _channel(self, seat: Seat) -> Channel:
        way: dict[str, JsonValue] = {"way": "ferry" if seat.gap else "mailbox"} if seat.via == "provinces" else {}
        if seat.gap:
            return seat.channel(None, {**way, **{name: str(path) for name, path in self._ours(seat).items()}})
        return seat.channel(self._url(seat) + ("/hook" if seat.via == "webhook" else ""), way)

    def __enter__(self) -> Self:
        """Start the processes; `open` waits for them, and starts those that need the keys of a bus that runs."""
        try:
            for seat in self.seats:
                if not seat.gap:
                    self._children[seat.agency] = self._served(seat)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def stop(self) -> None:
        """End the processes."""
        for child in self._children.values():
            child.terminate()

    @asynccontextmanager
    async def open(self, stack: Stack) -> AsyncGenerator[dict[str, Partner]]:
        """The partners by agency, each of which answers. Raises EngineError."""
        for seat in self.seats:
            if seat.gap:
                self._children[seat.agency] = self._beyond(seat, stack)
        async with ClientSession() as session:
            await asyncio.gather(*(self._answers(seat) for seat in self.seats if not seat.gap))
            yield {seat.agency: self._partner(seat, session) for seat in self.seats}

    def _partner(self, seat: Seat, session: ClientSession) -> Partner:
        if seat.gap:
            return Gap(seat, self._home(seat), session)
        return _BY_VIA[seat.via](seat, self._url(seat), session)

    async def _answers(self, seat: Seat) -> None:
        end = time.monotonic() + _STARTS
        while not port_answers(self._ports[seat.agency]):
            child = self._children[seat.agency]
            if not child.running or time.monotonic() > end:
                raise EngineError(f"the simulator of {seat.agency} does not answer\n{child.tail()}")
            await asyncio.sleep(LOOK)

    def _url(self, seat: Seat) -> str:
        return f"http://127.0.0.1:{self._ports[seat.agency]}"

    def _served(self, seat: Seat) -> Child:
        keep = self._folder / f"{seat.agency}.json"
        port = str(self._ports[seat.agency])
        return self._spawned(seat, "--port", port, "--seed", str(self._seed), "--keep", str(keep))

    def _beyond(self, seat: Seat, stack: Stack) -> Child:
        key = agency_key(seat.agency, stack.keys)
        told: dict[str, object] = {
            "home": self._home(seat),
            **self._ours(seat),
            "agency": seat.agency,
            "bus": stack.bus,
            "key": stack.keys / f"{key.kid}.pem",
            "kid": key.kid,
            "contracts": stack.contracts,
            "every": _STEP,
        }
        return self._spawned(
            seat, *(word for name, value in told.items() for word in (f"--{name}", str(value))), "--by-hand"
        )

    def _spawned(self, seat: Seat, *arguments: str) -> Child:
        argv = [sys.executable, "-m", f"connectors.{seat.via}.simulator", *arguments]
        return spawn(argv, log=self._folder / f"{seat.agency}.log")

    def _home(self, seat: Seat) -> Path:
        return self._folder / seat.agency / "home"

    def _ours(self, seat: Seat) -> dict[str, Path]:
        """Our folders on this side of a gap."""
        return {name: self._folder / seat.agency / name for name in ("outgoing", "incoming")}
