"""The partners' processes, their channels, and who acts at them."""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Self

from aiohttp import ClientSession

from connectors.errors import EngineError
from connectors.process import Child, free_port, port_answers, spawn
from services.cli.agencies import set_channel
from services.cli.partners.endpoint import Endpoint
from services.cli.partners.forms import Forms
from services.cli.partners.grid import Grid
from services.cli.partners.partner import LOOK, Partner, Seat

_STARTS: Final = 30.0  # seconds

_BY_VIA: Final[Mapping[str, type[Partner]]] = {"webhook": Endpoint, "hotline": Forms, "housing": Forms, "grid": Grid}


class Partners:
    """The partners' processes. Use it as a context manager: none is left running."""

    def __init__(self, seats: Sequence[Seat], folder: Path, *, seed: int = 7) -> None:
        """`folder`: where they keep what they know from one run to the next."""
        self.seats = tuple(seats)
        self._folder = folder
        self._seed = seed
        self._ports = {seat.agency: free_port() for seat in seats}
        self._children: dict[str, Child] = {}

    def settle(self, contracts: Path) -> None:
        """Write into the overlay how copies reach them. Raises UnusableContract."""
        for seat in self.seats:
            path = "/hook" if seat.via == "webhook" else ""
            set_channel(seat.agency, contracts, seat.channel(self._url(seat) + path))

    def __enter__(self) -> Self:
        """Start the processes; `open` waits for them."""
        try:
            for seat in self.seats:
                self._children[seat.agency] = self._spawned(seat)
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
    async def open(self) -> AsyncGenerator[dict[str, Partner]]:
        """The partners by agency, each of which answers. Raises EngineError."""
        async with ClientSession() as session:
            await asyncio.gather(*map(self._answers, self.seats))
            yield {seat.agency: _BY_VIA[seat.via](seat, self._url(seat), session) for seat in self.seats}

    async def _answers(self, seat: Seat) -> None:
        end = time.monotonic() + _STARTS
        while not port_answers(self._ports[seat.agency]):
            child = self._children[seat.agency]
            if not child.running or time.monotonic() > end:
                raise EngineError(f"the simulator of {seat.agency} does not answer\n{child.tail()}")
            await asyncio.sleep(LOOK)

    def _url(self, seat: Seat) -> str:
        return f"http://127.0.0.1:{self._ports[seat.agency]}"

    def _spawned(self, seat: Seat) -> Child:
        program = f"connectors.{seat.via}.simulator"
        keep = self._folder / f"{seat.agency}.json"
        port = str(self._ports[seat.agency])
        argv = [sys.executable, "-m", program, "--port", port, "--seed", str(self._seed), "--keep", str(keep)]
        return spawn(argv, log=self._folder / f"{seat.agency}.log")
