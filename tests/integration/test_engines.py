"""The embedded engines: what they keep, what they survive, and that nothing of them stays behind."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg
import pytest
from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]

from connectors.engine import Engine, wait_until
from connectors.errors import EngineError
from connectors.kafka.admin import cluster_version
from connectors.kafka.broker import EmbeddedKafka
from connectors.kafka.provision import TopicSpec, ensure
from connectors.kafka.reader import read_all
from connectors.kafka.settings import KafkaSettings
from connectors.postgres.server import EmbeddedPostgres
from connectors.process import port_answers, port_is_free, spawn

ROOT = Path(__file__).parents[2]
NATIVE = re.compile(r"snappy|libzstd|liblz4|\.s\.PGSQL", re.IGNORECASE)


def left_in_tmp(*pids: int) -> list[Path]:
    """What JVMs and their native libraries are known to leave, if it is of these processes or has no owner's name."""
    tmp = Path(tempfile.gettempdir())
    named = [path for pid in pids for path in tmp.glob(f"hsperfdata_*/{pid}")]
    return named + [path for path in tmp.iterdir() if NATIVE.match(path.name)]


def processes_on(folder: Path) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            if any(str(folder) in part for part in process.cmdline()) or process.cwd().startswith(str(folder)):
                found.append(process)
        except psutil.Error:
            continue
    return found


async def produce(settings: KafkaSettings, topic: str, *values: bytes) -> None:
    async with AIOKafkaProducer(**settings.aiokafka(), acks="all", enable_idempotence=True) as producer:
        for value in values:
            await producer.send_and_wait(topic, value, key=b"k")


async def test_kafka_keeps_its_data_through_a_stop_and_a_kill(folder: Path) -> None:
    before = left_in_tmp()
    engine = EmbeddedKafka(folder / "kafka")
    await asyncio.to_thread(engine.start)
    try:
        bootstrap, pids = engine.bootstrap, [engine.pid]
        ensure(engine.settings, [TopicSpec("facts", 1)])
        await produce(engine.settings, "facts", b"1", b"2")

        engine.stop()
        assert not port_answers(engine.port)
        engine.start()
        pids.append(engine.pid)
        await produce(engine.settings, "facts", b"3")

        engine.kill()
        assert not any(psutil.pid_exists(pid) for pid in pids)
        engine.start()

        assert engine.bootstrap == bootstrap
        assert [record.value for record in read_all(engine.settings, "facts")] == [b"1", b"2", b"3"]
        assert engine.version() == "4.3.0"
    finally:
        engine.stop()
    assert processes_on(folder) == []
    assert left_in_tmp(*pids) == before


def test_postgres_keeps_its_data_through_a_stop_and_a_kill(folder: Path) -> None:
    with EmbeddedPostgres(folder / "postgres") as engine:
        with psycopg.connect(engine.url) as connection:
            connection.execute("CREATE TABLE fact (n int PRIMARY KEY)")
            connection.execute("INSERT INTO fact VALUES (1)")

        engine.stop()
        assert port_is_free(engine.port)
        engine.start()
        with psycopg.connect(engine.url) as connection:
            connection.execute("INSERT INTO fact VALUES (2)")

        with psycopg.connect(engine.url) as connection:
            connection.execute("INSERT INTO fact VALUES (3)")
            engine.kill()
            with pytest.raises(psycopg.OperationalError):
                connection.commit()
        assert processes_on(folder) == []
        engine.start()

        with psycopg.connect(engine.url) as connection:
            assert connection.execute("SELECT n FROM fact ORDER BY n").fetchall() == [(1,), (2,)]
            assert connection.execute("SHOW fsync").fetchone() == ("on",)
    assert processes_on(folder) == []


def test_postgres_tells_its_version_and_refuses_without_password(postgres: str, embedded_postgres: Engine) -> None:
    assert embedded_postgres.version().startswith("18.")
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(postgres, password="wrong").close()
    assert (embedded_postgres.data / "password").stat().st_mode & 0o777 == 0o600


def test_kafka_tells_its_version_also_by_protocol(kafka: KafkaSettings, embedded_kafka: Engine) -> None:
    assert embedded_kafka.version() == "4.3.0"
    assert cluster_version(kafka) == "4.3"


def test_an_engine_outlives_the_thread_that_started_it(folder: Path) -> None:
    engine = EmbeddedPostgres(folder / "postgres")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(engine.start).result()
    try:
        assert not wait_until(lambda: not engine.running, 0.5)
        assert engine.version().startswith("18.")
    finally:
        engine.stop()


@pytest.mark.parametrize("engine_class", [EmbeddedPostgres, EmbeddedKafka])
def test_an_engine_dies_with_its_owner_and_the_next_owner_finds_the_data(
    folder: Path, engine_class: type[Engine]
) -> None:
    module, name = engine_class.__module__, engine_class.__name__
    script = f"""
        import sys, time
        from pathlib import Path
        from {module} import {name}
        engine = {name}(Path({str(folder)!r}) / "data")
        engine.start()
        print(engine.pid, flush=True)
        time.sleep(600)
    """
    owner = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    with owner:
        assert owner.stdout
        pid = int(owner.stdout.readline())
        engine = engine_class(folder / "data")

        with pytest.raises(EngineError, match=f"in use by process {owner.pid}"):
            engine.start()
        assert psutil.pid_exists(pid), "a second owner must not end the first one's engine"

        owner.kill()
    assert wait_until(lambda: processes_on(folder) == [], 5.0)
    with engine:
        assert engine.running


def test_a_leftover_on_the_same_data_is_ended_before_the_start(folder: Path) -> None:
    engine = EmbeddedPostgres(folder / "postgres")
    engine.start()
    leftover = engine.pid
    # What an owner that vanished without the kernel telling the child would leave.
    engine._child, child = None, engine._child
    engine._release_data_folder()

    with EmbeddedPostgres(folder / "postgres") as successor:
        assert successor.pid != leftover
        assert child is not None
        assert child.wait(1.0) == 0
        assert successor.version().startswith("18.")


def test_a_failing_start_shows_the_end_of_the_log_and_leaves_nothing(folder: Path) -> None:
    engine = EmbeddedPostgres(folder / "postgres")
    with engine:
        pass
    (folder / "postgres" / "pgdata" / "PG_VERSION").write_text("9\n")

    with pytest.raises(EngineError, match=r"(?s)end of .*postgres\.log.*(incompatible|valid data)"):
        engine.start()
    assert not engine.running
    assert processes_on(folder) == []


def test_a_taken_port_is_told_before_anything_starts(folder: Path, embedded_postgres: Engine) -> None:
    with pytest.raises(EngineError, match=f"port {embedded_postgres.port} is taken"):
        EmbeddedPostgres(folder / "postgres", port=embedded_postgres.port).start()


def test_a_child_has_its_own_session_a_log_and_a_deadline(folder: Path) -> None:
    command = ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"]
    child = spawn(command, log=folder / "child.log")
    assert wait_until(lambda: child.tail() == "ready", 5.0)
    assert psutil.Process(child.pid).terminal() is None

    assert child.terminate(deadline=0.2) == -signal.SIGKILL
    assert wait_until(lambda: processes_on(folder) == [], 2.0)


def test_a_program_that_does_not_exist_says_so_in_the_log(folder: Path) -> None:
    child = spawn(["no-such-program"], log=folder / "child.log")
    assert child.wait(5.0) == 127
    assert child.tail() == "cannot run no-such-program: No such file or directory"


def test_every_test_has_its_own_database(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("CREATE TABLE mine (n int)")
        row = connection.execute("SELECT current_database()").fetchone()
    assert row
    assert database.endswith(row[0])


@pytest.mark.parametrize("engine", [EmbeddedKafka, EmbeddedPostgres])
def test_an_engine_that_was_killed_by_others_starts_again(engine: type[Engine], folder: Path) -> None:
    """A full disk, the kernel's out-of-memory killer: nobody tells the object that owns it."""
    with engine(folder / "data") as running:
        os.kill(running.pid, signal.SIGKILL)
        assert wait_until(lambda: not running.running, 10)
        running.start()
        assert running.running
