"""A whole bus on one machine: engines and services as supervised processes under one data folder."""

import json
import os
import shlex
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, Self

import psycopg

from connectors.engine import Engine
from connectors.errors import EngineError
from connectors.kafka.admin import cluster_version
from connectors.kafka.broker import EmbeddedKafka
from connectors.kafka.settings import KafkaSettings
from connectors.postgres.server import EmbeddedPostgres
from connectors.process import Child, free_port, spawn
from services.cli.provisioning import ensure_bus_key, provision
from services.kernel.kinds import registrars
from services.kernel.settings import Settings
from services.kernel.time import driven, set_driven

REGISTRARS: Final = "registrars"
"""What the process is called that runs all registrars."""
TOGETHER: Final = (("gateway",), registrars(), ("delivery", "files"), ("audit",), ("clocks",))
"""The services of each process: by far the most of what a registrar does is to wait, so all of them share one."""
APART: Final = tuple((name,) for names in TOGETHER for name in names)
"""Each service in a process of its own."""
LEGAL_TIME: Final = "LIANDONG_LEGAL_TIME"
"""The setting that names the file by which legal time is driven."""
_BACKOFF_FIRST, _BACKOFF_CAP, _STABLE = 0.5, 30.0, 60.0  # seconds
_READY_DEADLINE = 60.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Ports:
    """Where each service listens."""

    by_service: Mapping[str, int]

    def __getitem__(self, service: str) -> int:
        return self.by_service[service]

    @classmethod
    def free(cls) -> "Ports":
        """Ports that nobody uses now."""
        return cls({service: free_port() for service in Settings.ports()})

    @classmethod
    def from_base(cls, base: int) -> "Ports":
        """Ports in a row, the gateway's first."""
        usual = Settings.ports()
        return cls({service: base + port - usual["gateway"] for service, port in usual.items()})


@dataclass(slots=True)
class Supervised:
    """A process that is started again when it ends, with a growing pause."""

    name: str
    start: Callable[[], None]
    running: Callable[[], bool]
    pause: float = _BACKOFF_FIRST
    started: float = field(default_factory=time.monotonic)
    due: float | None = None


class Stack:
    """Engines and services. `start` and `stop` block; use it as a context manager."""

    def __init__(
        self,
        data: Path,
        *,
        services: Sequence[Sequence[str]] = TOGETHER,
        ports: Ports | None = None,
        bus: str = "310112-bus",
        say: Say = lambda _: None,
        extra: Mapping[str, str] | None = None,
        legal_time: datetime | None = None,
    ) -> None:
        """`services`: the services of each process. `extra`: more environment for the services.

        `legal_time`: where legal time stands until somebody moves it (`services.cli.driver`); real time by default.
        """
        self.data = data
        self.bus = bus
        self.ports = ports or Ports.free()
        self.children: dict[str, Child] = {}
        self._processes = {_name(names): tuple(names) for names in services}
        self._extra = dict(extra or {})
        self._legal_time = legal_time
        self._say = say
        self._external_kafka = KafkaSettings.from_environment()
        self._external_postgres = os.environ.get("LIANDONG_POSTGRES")
        self.kafka_engine = None if self._external_kafka else EmbeddedKafka(data / "kafka")
        self.postgres_engine = None if self._external_postgres else EmbeddedPostgres(data / "postgres")
        self._supervisor: threading.Thread | None = None
        self._stopping = threading.Event()

    @property
    def url(self) -> str:
        """The gateway's address: the one that agencies use."""
        return f"http://127.0.0.1:{self.ports['gateway']}"

    @property
    def kafka(self) -> KafkaSettings:
        """The cluster that the services use."""
        if self._external_kafka is not None:
            return self._external_kafka
        assert self.kafka_engine is not None  # noqa: S101
        return KafkaSettings(bootstrap=self.kafka_engine.bootstrap)

    @property
    def postgres(self) -> str:
        """The URL of the database that the services use. Holds the password."""
        if self._external_postgres is not None:
            return self._external_postgres
        assert self.postgres_engine is not None  # noqa: S101
        return self.postgres_engine.url

    @property
    def keys(self) -> Path:
        """The folder of private keys."""
        return self.data / "keys"

    @property
    def contracts(self) -> Path:
        """The deployment's overlay over the packaged contracts."""
        return self.data / "contracts"

    @property
    def _legal_time_file(self) -> Path:
        return self.data / "legal-time"

    @property
    def services(self) -> list[str]:
        """The services that run, in whichever process."""
        return [name for names in self._processes.values() for name in names]

    @property
    def engines(self) -> list[Engine]:
        """The embedded engines."""
        return [engine for engine in (self.kafka_engine, self.postgres_engine) if engine is not None]

    def versions(self) -> dict[str, str]:
        """Each engine's version, as it reports it itself."""
        kafka = self.kafka_engine.version() if self.kafka_engine else cluster_version(self.kafka)
        with psycopg.connect(self.postgres) as connection:
            postgres = connection.execute("SHOW server_version").fetchone()
        return {"kafka": kafka, "postgresql": str(postgres[0]) if postgres else "unknown"}

    def __enter__(self) -> Self:
        """Start."""
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def start(self) -> None:
        """Start the engines, make topics and tables, start the services and wait until all are ready.

        Raises EngineError or ProvisionError.
        """
        self._start_engines()
        self.data.mkdir(parents=True, exist_ok=True)
        self._set_legal_time()
        done = ensure_bus_key(self.bus, self.keys, self.contracts)
        for line in [*done, *provision(self.kafka, self.postgres, self.contracts)]:
            self._say(line)
        for name in self._processes:
            self._start_process(name)
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)
        self._supervisor.start()
        self._write_settings()
        self.wait_ready()

    def stop(self) -> None:
        """Drain and end the services, then the engines. Nothing is left running."""
        self._stopping.set()
        self.settings_file.unlink(missing_ok=True)
        if self._supervisor is not None:
            self._supervisor.join()
        for child in self.children.values():
            if child.running:
                child.send(signal.SIGTERM)
        for child in self.children.values():
            child.terminate(deadline=30.0)
        for engine in self.engines:
            engine.stop()

    def wait_ready(self, deadline: float = _READY_DEADLINE) -> None:
        """Wait until every service answers /readyz with 200. Raises EngineError with what is missing."""
        end = time.monotonic() + deadline
        waiting = self.not_ready()
        while waiting:
            if time.monotonic() > end:
                late = [name for name, names in self._processes.items() if waiting.keys() & {*names}]
                logs = "\n".join(self.children[name].tail(15) for name in late)
                raise EngineError(f"not ready after {deadline:.0f} s: {waiting}\n{logs}")
            time.sleep(0.1)
            waiting = self.not_ready()

    def not_ready(self) -> dict[str, str]:
        """The services that do not answer /readyz with 200, and why. Blocks."""
        found: dict[str, str] = {}
        for name in self.services:
            why = trouble(f"http://127.0.0.1:{self.ports[name]}/readyz")
            if why:
                found[name] = why
        return found

    def _start_engines(self) -> None:
        threads = [threading.Thread(target=self._start_engine, args=(engine,)) for engine in self.engines]
        self._failures: list[BaseException] = []
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._failures:
            raise self._failures[0]

    def _start_engine(self, engine: Engine) -> None:
        try:
            engine.start()
        except BaseException as error:  # noqa: BLE001, handed to the thread that waits
            self._failures.append(error)

    def environment(self) -> dict[str, str]:
        """The environment of a service of this stack."""
        ports = {f"LIANDONG_{name.upper()}_PORT": str(port) for name, port in self.ports.by_service.items()}
        return {
            **os.environ,
            **self.kafka.environment(),
            **ports,
            "LIANDONG_POSTGRES": self.postgres,
            "LIANDONG_BUS": self.bus,
            "LIANDONG_KEYS": str(self.keys),
            "LIANDONG_CONTRACTS": str(self.contracts),
            "LIANDONG_DELIVERY_URL": f"http://127.0.0.1:{self.ports['delivery']}",
            "LIANDONG_AUDIT_URL": f"http://127.0.0.1:{self.ports['audit']}",
            "LIANDONG_FILES_URL": f"http://127.0.0.1:{self.ports['files']}",
            **({} if self._legal_time is None else {LEGAL_TIME: str(self._legal_time_file)}),
            **self._extra,
        }

    @property
    def settings_file(self) -> Path:
        """A file for an operator's shell to read, with the settings of this stack's services. Holds the password."""
        return self.data / "settings.env"

    def _write_settings(self) -> None:
        own = {name: value for name, value in self.environment().items() if name.startswith("LIANDONG_")}
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in sorted(own.items())]
        self.settings_file.unlink(missing_ok=True)
        descriptor = os.open(self.settings_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.writelines(lines)

    def _set_legal_time(self) -> None:
        """Make legal time stand still. It never goes back: data that has come to a later one already stays there."""
        path = self._legal_time_file
        if self._legal_time is not None and (not path.exists() or driven(path)() < self._legal_time):
            set_driven(path, self._legal_time)

    def _start_process(self, name: str) -> None:
        argv = [sys.executable, "-m", "services.cli.app", "run", *self._processes[name]]
        log = self.data / "logs" / f"{name}.log"
        self.children[name] = spawn(argv, log=log, env=self.environment())

    def _supervise(self) -> None:
        watched = [Supervised(engine.name, engine.start, partial(_runs, engine)) for engine in self.engines]
        watched += [
            Supervised(name, partial(self._start_process, name), partial(self._process_runs, name))
            for name in self._processes
        ]
        while not self._stopping.wait(0.1):
            for process in watched:
                self._look_after(process)

    def _process_runs(self, name: str) -> bool:
        return self.children[name].running

    def _look_after(self, process: Supervised) -> None:
        now = time.monotonic()
        if process.running():
            if now - process.started > _STABLE:
                process.pause = _BACKOFF_FIRST
            return
        if process.due is None:
            process.due = now + process.pause
            self._say(f"{process.name} ended; it is started again in {process.pause:.1f} s")
            process.pause = min(process.pause * 2, _BACKOFF_CAP)
        elif now >= process.due:
            process.due, process.started = None, now
            try:
                process.start()
            except EngineError as error:
                self._say(f"{process.name} did not start: {error}")


def _name(names: Sequence[str]) -> str:
    return REGISTRARS if tuple(names) == registrars() else "+".join(names)


def _runs(engine: Engine) -> bool:
    return engine.running


def trouble(url: str) -> str:
    """Why a service is not ready, or nothing when it is."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310, our own loopback address
            return "" if response.status == 200 else f"HTTP {response.status}"
    except urllib.error.HTTPError as error:
        with error:
            body = error.read()
        try:
            return str(json.loads(body).get("detail") or error)
        except ValueError:
            return str(error)
    except OSError as error:
        return f"no answer ({error})"
