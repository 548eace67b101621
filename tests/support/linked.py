"""Two whole buses, 闵行's and 青浦's, each with engines of its own, linked by lines that can be cut.

with linked(folder, legal_time=monday) as link:
    link.minhang.url, link.qingpu.url       their gateways
    link.cut() ... link.mend()              nothing passes meanwhile, in either direction
"""

import asyncio
import socket
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

import yaml

from connectors.process import free_port
from contracts.agencies import KeyEntry
from contracts.signatures import new_key
from services.cli.driver import Driver
from services.cli.stack import Ports, Stack
from services.kernel.keys import save_key
from tests.support.federation import MINHANG_BUS, QINGPU_BUS, hosted


class Line:
    """A line to a port of this machine, on a port of its own; while it is cut, who comes is hung up on."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self._target = target
        self._cut = threading.Event()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # A thread that waits in accept() is not woken by close().
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        self.cut()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Nothing passes any more, nor does what is on its way."""
        self._cut.set()
        for end in list(self._open):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """It passes again."""
        self._cut.clear()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        with near, suppress(OSError):
            if self._cut.is_set():
                return
            with socket.create_connection(("127.0.0.1", self._target)) as far:
                ends = {near, far}
                self._open |= ends
                back = threading.Thread(target=_pump, args=(far, near), daemon=True)
                back.start()
                _pump(near, far)
                back.join()
                self._open -= ends


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True, slots=True)
class Link:
    """Both buses, and the lines between them."""

    minhang: Stack
    qingpu: Stack
    lines: tuple[Line, Line]

    def cut(self) -> None:
        for line in self.lines:
            line.cut()

    def mend(self) -> None:
        for line in self.lines:
            line.mend()


@dataclass(frozen=True, slots=True)
class Drivers:
    """The legal time of both."""

    minhang: Driver
    qingpu: Driver

    async def advance(self, to: datetime) -> None:
        """Move both to an instant, one after the other."""
        for driver in (self.minhang, self.qingpu):
            await driver.advance(to, deadline=120)

    async def quiet(self) -> None:
        """Nothing is on its way through either."""
        await asyncio.gather(self.minhang.quiet(120), self.qingpu.quiet(120))


@contextmanager
def linked(folder: Path, legal_time: datetime) -> Generator[Link]:
    """Start both, each with the other's contract, url and public keys."""
    ports = {MINHANG_BUS: Ports.free(), QINGPU_BUS: Ports.free()}
    with ExitStack() as opened:
        lines = {bus: opened.enter_context(Line(own["gateway"])) for bus, own in ports.items()}
        stacks = {bus: Stack(folder / bus, bus=bus, ports=own, legal_time=legal_time) for bus, own in ports.items()}
        _introduce(stacks, {bus: line.url for bus, line in lines.items()})
        for stack in stacks.values():
            opened.enter_context(stack)
        yield Link(stacks[MINHANG_BUS], stacks[QINGPU_BUS], (lines[MINHANG_BUS], lines[QINGPU_BUS]))


def _introduce(stacks: dict[str, Stack], urls: dict[str, str]) -> None:
    """A key pair for each bus; the private half stays with it, the public half is in both contracts."""
    entries = {}
    for bus, stack in stacks.items():
        key = new_key(bus, f"{bus}.1")
        save_key(stack.keys, key)
        entries[bus] = KeyEntry(kid=key.kid, public=key.public())
    for bus, stack in stacks.items():
        peer = QINGPU_BUS if bus == MINHANG_BUS else MINHANG_BUS
        folder = stack.contracts / "agencies"
        folder.mkdir(parents=True)
        for agency in hosted(peer, urls[peer]):
            keyed = agency.model_copy(update={"keys": (entries[agency.code],)}) if agency.code in entries else agency
            text = yaml.safe_dump(keyed.model_dump(mode="json", exclude_none=True), allow_unicode=True)
            (folder / f"{agency.code}.yaml").write_text(text, encoding="utf-8")
