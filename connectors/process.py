"""Child processes: engines and services alike.

A child gets its own session, so a Ctrl-C at the terminal reaches only us and we decide the order
of shutdown. On Linux it dies with us, however we die. What it prints goes to a log file.
"""

import contextlib
import os
import queue
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from connectors.errors import EngineError

LOOPBACK: Final = "127.0.0.1"

# Below every usual range of ephemeral ports. A client that keeps dialling a dead port inside that
# range can connect to itself and so keep a restarted server from its own port.
PORTS: Final = range(20_000, 30_000)

_HANDED_OUT: Final[set[int]] = set()
"""A port is free until its server has started: without this, two servers could be given the same one."""

_LAUNCH: Final = Path(__file__).with_name("_launch.py")
_TAIL_BYTES: Final = 16_384


@dataclass(frozen=True, slots=True)
class Owner:
    """The user a child runs as, if not ours."""

    uid: int
    gid: int


class Child:
    """A running child process. Not for use by two threads at once."""

    def __init__(self, process: subprocess.Popen[bytes], argv: Sequence[str], log: Path) -> None:
        """Wrap what `spawn` started."""
        self._process = process
        self.argv = tuple(argv)
        self.log = log

    @property
    def pid(self) -> int:
        """The process id, also after the end."""
        return self._process.pid

    def poll(self) -> int | None:
        """The exit code, negative for a signal, or None while it runs."""
        return self._process.poll()

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.poll() is None

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, after at most `timeout` seconds. Raises TimeoutError."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            message = f"{self.argv[0]} (pid {self.pid}) still runs after {timeout} s"
            raise TimeoutError(message) from None

    def send(self, sig: signal.Signals) -> None:
        """Send a signal to this one process. Nothing happens if it has ended."""
        self._process.send_signal(sig)

    def terminate(self, sig: signal.Signals = signal.SIGTERM, deadline: float = 10.0) -> int:
        """Ask it to end; after `deadline` seconds make it. Returns the exit code."""
        self.send(sig)
        try:
            return self.wait(deadline)
        except TimeoutError:
            return self.kill()

    def kill(self) -> int:
        """End it and its process group at once, as a power cut would. Returns the exit code."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        return self.wait()

    def tail(self, lines: int = 20) -> str:
        """The last lines of its log."""
        return tail(self.log, lines)


def spawn(
    argv: Sequence[str],
    *,
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    owner: Owner | None = None,
    death_signal: signal.Signals = signal.SIGKILL,
) -> Child:
    """Start a child whose output is appended to `log`.

    `env` replaces the environment; `owner` is possible for root only; `death_signal` is what the
    child gets if we die first (Linux). Raises OSError if the log cannot be opened. A program that
    cannot be run shows as exit code 127 with the reason in the log.
    """
    uid, gid = (owner.uid, owner.gid) if owner else (-1, -1)
    numbers = (os.getpid(), int(death_signal), uid, gid)
    shim = [sys.executable, "-I", "-S", str(_LAUNCH), *map(str, numbers), *argv]
    log.parent.mkdir(parents=True, exist_ok=True)

    def start() -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            return subprocess.Popen(
                shim,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=cwd,
                env=env,
                start_new_session=True,
            )

    return Child(_SPAWNER.run(start), argv, log)


def tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log file, empty if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def free_port() -> int:
    """A TCP port on loopback that nobody uses now and no caller got before. Raises EngineError if none is found."""
    for port in random.sample(PORTS, k=200):
        if port not in _HANDED_OUT and port_is_free(port):
            _HANDED_OUT.add(port)
            return port
    message = f"no free TCP port between {PORTS.start} and {PORTS.stop}; close some programs"
    raise EngineError(message)


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Servers set this too: connections of a predecessor in TIME_WAIT do not matter.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def port_answers(port: int) -> bool:
    """Whether somebody listens on this loopback port now."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1.0):
            return True
    except OSError:
        return False


class _Spawner:
    """Starts every child from one thread that lives as long as we do.

    The kernel's death signal follows the *thread* that made the child: a child started from a
    pool's thread would be killed when the pool is shut down.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()

    def run(self, start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        """Run `start` there and return or raise what it does."""
        result: Future[subprocess.Popen[bytes]] = Future()
        with self._lock:
            # Not alive either in a fork of the process that first used it.
            if self._thread is None or not self._thread.is_alive():
                self._jobs = queue.SimpleQueue()
                self._thread = threading.Thread(target=self._work, args=(self._jobs,), name="spawner", daemon=True)
                self._thread.start()
            self._jobs.put((start, result))
        return result.result()

    @staticmethod
    def _work(jobs: "queue.SimpleQueue[_Job]") -> None:
        while True:
            start, result = jobs.get()
            try:
                result.set_result(start())
            except BaseException as error:  # noqa: BLE001  # raised again by the caller
                result.set_exception(error)


_Job = tuple[Callable[[], subprocess.Popen[bytes]], Future[subprocess.Popen[bytes]]]
_SPAWNER: Final = _Spawner()
