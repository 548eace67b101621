"""The real engines, once per session, and a fresh corner of them for every test."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
import pytest
from hypothesis import settings
from kafka.net.inet import KafkaNetSocket  # type: ignore[import-untyped]  # ships no py.typed
from kafka.net.selector import NetworkSelector  # type: ignore[import-untyped]
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from connectors import process
from connectors.kafka.broker import EmbeddedKafka
from connectors.kafka.settings import KafkaSettings
from connectors.postgres.server import EmbeddedPostgres

# A developer's run looks for new cases; continuous integration must say the same of the same commit every time.
# `make check` looks for fewer, to be over within its minute; `make test` for all.
settings.register_profile("quick", max_examples=30)
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a test logs may hold half a character on purpose; from one process to another only whole text passes."""
    report = yield
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report


@pytest.fixture(scope="session", autouse=True)
def ports() -> Iterator[None]:
    """Test processes side by side each take their ports from a part of the range of its own."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    mine = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    share = len(process.PORTS) // workers
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "PORTS", process.PORTS[mine * share : (mine + 1) * share])
        yield


@pytest.fixture(scope="session", autouse=True)
def closed_sockets() -> Iterator[None]:
    """kafka-python forgets the socket of a connection that is refused, or closes while being made or yet to write.

    They are closed here, so that every other socket that is left to the collector fails a test.
    """
    connect, close = KafkaNetSocket.sock_connect, NetworkSelector.close
    connected: WeakKeyDictionary[Any, list[Any]] = WeakKeyDictionary()

    async def connecting(self: Any, net: Any, sock: Any, *arguments: Any, **options: Any) -> Any:
        connected.setdefault(net, []).append(sock)
        try:
            return await connect(self, net, sock, *arguments, **options)
        except BaseException:
            sock.close()
            raise

    def closing(self: Any) -> None:
        close(self)
        for sock in connected.pop(self, []):
            sock.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(KafkaNetSocket, "sock_connect", connecting)
        patch.setattr(NetworkSelector, "close", closing)
        yield


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A folder for engines' data, gone after the session.

    Not pytest's own: PostgreSQL's user must pass through it, and pytest shuts its own again.
    """
    with tempfile.TemporaryDirectory(prefix="liandong-test-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def embedded_kafka(scratch: Path) -> Iterator[EmbeddedKafka]:
    """The session's broker itself. Tests that stop or kill an engine start one of their own."""
    with EmbeddedKafka(scratch / "kafka") as engine:
        yield engine


@pytest.fixture(scope="session")
def embedded_postgres(scratch: Path) -> Iterator[EmbeddedPostgres]:
    """The session's server itself."""
    with EmbeddedPostgres(scratch / "postgres") as engine:
        yield engine


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> KafkaSettings:
    """A Kafka to test on: LIANDONG_TEST_KAFKA=host:port if set, else the session's own."""
    external = os.environ.get("LIANDONG_TEST_KAFKA")
    if external:
        return KafkaSettings(bootstrap=external)
    engine: EmbeddedKafka = request.getfixturevalue("embedded_kafka")
    return engine.settings


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> str:
    """The URL of a PostgreSQL to test on: LIANDONG_TEST_POSTGRES if set, else the session's own."""
    external = os.environ.get("LIANDONG_TEST_POSTGRES")
    if external:
        return external
    engine: EmbeddedPostgres = request.getfixturevalue("embedded_postgres")
    return engine.url


@pytest.fixture
def prefix() -> str:
    """A beginning for names of topics and groups that no other test uses."""
    return f"t{secrets.token_hex(4)}"


@pytest.fixture
def database(postgres: str) -> Iterator[str]:
    """The URL of an empty database of this test alone, dropped afterwards with its connections."""
    with _database(postgres) as url:
        yield url


@pytest.fixture
def other_database(postgres: str) -> Iterator[str]:
    """Another one: for a test of two buses."""
    with _database(postgres) as url:
        yield url


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for an engine of this test alone."""
    path = Path(tempfile.mkdtemp(prefix="liandong-test-"))
    yield path
    shutil.rmtree(path)


@contextmanager
def _database(server: str) -> Generator[str]:
    name = f"t{secrets.token_hex(6)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield _with_database(server, name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _with_database(url: str, name: str) -> str:
    """The same server and user, another database."""
    current = conninfo_to_dict(url)["dbname"]
    base, _, query = url.partition("?")
    return base.removesuffix(f"/{current}") + f"/{name}" + (f"?{query}" if query else "")
