"""What the embedded engines have in common: one data folder, one child process, one life cycle."""

import atexit
import contextlib
import fcntl
import logging
import os
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from pathlib import Path
from typing import IO, ClassVar, Final, Self

import psutil

from connectors.errors import EngineError
from connectors.process import Child, free_port, port_is_free, tail

log = logging.getLogger(__name__)

LOG_LIMIT: Final = 32 * 1024 * 1024
_POLL: Final = 0.05


class Engine(ABC):
    """A server that belongs to one data folder and to this process.

    All methods block; call them from asyncio through `asyncio.to_thread`. The data survives
    `stop`, `kill` and a new start, here or in a later process. The port stays the same for the
    life of the object.
    """

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]
    start_deadline: ClassVar[float] = 60.0
    stop_deadline: ClassVar[float] = 20.0

    def __init__(self, data: Path, *, port: int | None = None) -> None:
        """Nothing starts yet. Without a `port` a free one is chosen at the first start."""
        self.data = data.absolute()
        self._port = port
        self._child: Child | None = None
        self._claim: IO[str] | None = None

    @property
    def port(self) -> int:
        """The TCP port on loopback."""
        if self._port is None:
            self._port = free_port()
        return self._port

    @property
    def log(self) -> Path:
        """What the engine prints."""
        return self.data / f"{self.name.lower()}.log"

    @property
    def pid(self) -> int:
        """The engine's process id. Raises EngineError if it was not started."""
        return self._running_child().pid

    @property
    def running(self) -> bool:
        """Whether its process is alive."""
        return self._child is not None and self._child.running

    def start(self) -> None:
        """Start and wait until it serves. Raises EngineError, with the end of its log."""
        if self.running:
            return
        self._take_data_folder()
        try:
            self._end_leftovers()
            self._prepare()
            self._check_port()
            self._launch()
        except BaseException:
            self.stop()
            raise
        atexit.register(self.stop)

    def stop(self) -> None:
        """Shut down cleanly, by force after a deadline. Nothing happens if it does not run."""
        atexit.unregister(self.stop)
        if self._child is not None:
            if self._child.running:
                self._shut_down(self._child)
            self._child = None
        self._release_data_folder()

    def kill(self) -> None:
        """End every process of it at once (SIGKILL), as a power cut would. For fault tests."""
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if self._child is not None:
            self._child.kill()
            self._child = None
        self._release_data_folder()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    @abstractmethod
    def version(self) -> str:
        """The version that the running engine itself reports."""

    @abstractmethod
    def _prepare(self) -> None:
        """Make the data folder ready to be started on, also for the first time."""

    @abstractmethod
    def _spawn(self) -> Child:
        """Start the process."""

    @abstractmethod
    def _ready(self) -> bool:
        """Whether it serves now. Must return within a few seconds."""

    @abstractmethod
    def _is_ours(self, process: psutil.Process) -> bool:
        """Whether a process, by its own attributes, is an engine on this very data folder."""

    def _shut_down(self, child: Child) -> None:
        child.terminate(self.stop_signal, self.stop_deadline)

    def _running_child(self) -> Child:
        if self._child is None:
            message = f"{self.name} is not running; call start() first"
            raise EngineError(message)
        return self._child

    def _launch(self) -> None:
        _rotate(self.log)
        self._child = self._spawn()
        child = self._child
        served = wait_until(lambda: not child.running or self._ready(), self.start_deadline)
        if not child.running:
            raise self._failure(f"ended with code {child.poll()} while starting")
        if not served:
            raise self._failure(f"does not answer after {self.start_deadline:.0f} s")

    def _failure(self, what: str) -> EngineError:
        return EngineError(
            f"{self.name} on port {self.port} {what}. The end of {self.log}:\n{tail(self.log)}\n"
            f"If the log does not say what to do: another port, another data folder than "
            f"{self.data}, or an external server by setting (LIANDONG_{self.name.upper()}=…)."
        )

    def _check_port(self) -> None:
        if not wait_until(lambda: port_is_free(self.port), 2.0):
            message = f"port {self.port} is taken; stop what uses it or give {self.name} another port"
            raise EngineError(message)

    def _take_data_folder(self) -> None:
        """Hold a lock on the folder, so that a second owner is told instead of corrupting it.

        It is held already where the engine ended by itself and is started again.
        """
        if self._claim is not None:
            return
        self.data.mkdir(parents=True, exist_ok=True)
        # Closed by the kernel however we end, and never inherited by children.
        claim = (self.data / "owner").open("a+", encoding="utf-8")
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            claim.seek(0)
            owner = claim.read().strip()
            claim.close()
            message = (
                f"{self.data} is in use by process {owner}; stop that one, "
                f"or choose another data folder for {self.name}"
            )
            raise EngineError(message) from None
        claim.truncate(0)
        claim.write(f"{os.getpid()}\n")
        claim.flush()
        self._claim = claim

    def _release_data_folder(self) -> None:
        if self._claim is not None:
            self._claim.close()
            self._claim = None

    def _processes(self) -> list[psutil.Process]:
        return [process for process in psutil.process_iter() if self._proven(process)]

    def _proven(self, process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error):
            return process.pid != os.getpid() and self._is_ours(process)
        return False

    def _end_leftovers(self) -> None:
        """End what an owner that died left on this folder. Needs the lock: then nobody owns it."""
        leftovers = self._processes()
        for process in leftovers:
            log.warning("ending %s pid %s left on %s", self.name, process.pid, self.data)
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(self.stop_signal)
        _, alive = psutil.wait_procs(leftovers, timeout=self.stop_deadline)
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(alive, timeout=5.0)


@contextlib.contextmanager
def file_lock(path: Path) -> Generator[None]:
    """Wait for, then hold, a lock against other processes that do the same job."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def wait_until(done: Callable[[], bool], seconds: float) -> bool:
    """Poll until `done` or the time is over; says which."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True


def _rotate(path: Path) -> None:
    """Keep one old log, so that a folder used for years does not fill the disk."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > LOG_LIMIT:
            path.replace(path.with_suffix(".log.1"))
