"""kill -9 of each part once, while 20 clients submit: what was answered is registered exactly once.

Real processes, the real broker and the real database; the bus's own supervision brings each part back.
"""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from connectors.http.client import AgencyClient, new_event, new_id
from connectors.process import Child
from services.cli.stack import REGISTRARS, Stack
from services.cli.story import border
from tests.support.agencies import known

CLIENTS = 20
EXCHANGES = 25  # of each client
PLOT = (
    (border.MINHANG, border.sent),
    (border.QINGPU, border.transfer_receipted),
    (border.QINGPU, border.accepted),
    (border.QINGPU, border.filed),
)
TOTAL = CLIENTS * EXCHANGES * len(PLOT)


class Count:
    """What the clients were answered, and a bell that rings at every answer."""

    def __init__(self) -> None:
        self.answered: dict[tuple[str, str], int] = {}
        self.changed = asyncio.Condition()

    async def note(self, source: str, id_: str, status: int) -> None:
        async with self.changed:
            self.answered[source, id_] = status
            self.changed.notify_all()

    async def reaches(self, number: int) -> None:
        async with self.changed:
            await self.changed.wait_for(lambda: len(self.answered) >= number)


async def client(stack: Stack, agencies: dict[str, AgencyClient], count: Count) -> None:
    for _ in range(EXCHANGES):
        exchange = new_id()
        for code, fact in PLOT:
            case, home = (border.CASE, stack.bus) if fact is border.sent else (None, None)
            event = new_event(agencies[code].key, fact, exchange=exchange, case=case, home=home)
            answer = await agencies[code].submit_surely(event, patience=180)
            await count.note(code, str(event["id"]), answer.status)


def kill(child: Child) -> None:
    child.send(signal.SIGKILL)


def killers(stack: Stack) -> list[tuple[str, Callable[[], None]]]:
    kafka, postgres = stack.kafka_engine, stack.postgres_engine
    assert kafka is not None
    assert postgres is not None
    return [
        ("gateway", lambda: kill(stack.children["gateway"])),
        (REGISTRARS, lambda: kill(stack.children[REGISTRARS])),
        # By their process ids, as the kernel would: the objects that started them are not told.
        ("kafka", lambda: os.kill(kafka.pid, signal.SIGKILL)),
        ("postgres", lambda: os.kill(postgres.pid, signal.SIGKILL)),
        ("audit", lambda: kill(stack.children["audit"])),
    ]


async def storm(stack: Stack) -> Count:
    """All clients to their end, each part killed once on the way, evenly spread."""
    count = Count()
    keys = known((border.MINHANG, border.QINGPU), stack.keys, stack.contracts)
    async with (
        AgencyClient(stack.url, keys[border.MINHANG], stack.bus) as minhang,
        AgencyClient(stack.url, keys[border.QINGPU], stack.bus) as qingpu,
    ):
        agencies = {border.MINHANG: minhang, border.QINGPU: qingpu}
        async with asyncio.TaskGroup() as tasks:
            for _ in range(CLIENTS):
                tasks.create_task(client(stack, agencies, count))
            for number, (_, strike) in enumerate(killers(stack), start=1):
                await count.reaches(number * TOTAL // 6)
                await asyncio.to_thread(strike)
    return count


def settled(url: str, answered: set[tuple[str, str]], deadline: float) -> None:
    """Wait until every answered submission has an outcome and every follower has caught up."""
    end = time.monotonic() + deadline
    state: object = None
    while time.monotonic() < end:
        with psycopg.connect(url) as connection:
            state = connection.execute(
                "SELECT (SELECT count(*) FROM transfers.outcomes), (SELECT count(*) FROM transfers.events),"
                " (SELECT count(*) FROM audit.events), (SELECT count(*) FROM transfers.outbox)"
            ).fetchone()
        if state == (len(answered), len(answered), len(answered), 0):
            return
        time.sleep(0.2)
    pytest.fail(f"outcomes, events, audited, outbox are {state}; {len(answered)} submissions were answered")


@pytest.mark.timeout(420)
def test_nothing_is_lost_and_nothing_doubled(folder: Path) -> None:
    said: list[str] = []
    with Stack(folder / "data", say=said.append) as stack:
        count = asyncio.run(storm(stack))
        assert len(count.answered) == TOTAL
        assert set(count.answered.values()) <= {201, 202}
        stack.wait_ready(90)
        settled(stack.postgres, set(count.answered), 90)
        with psycopg.connect(stack.postgres) as connection:
            registered = connection.execute("SELECT source, id FROM transfers.events").fetchall()
            gaps = connection.execute(
                "SELECT exchange FROM transfers.events GROUP BY kind, exchange"
                " HAVING count(*) <> max(sequence) OR min(sequence) <> 1 OR count(*) <> 4"
            ).fetchall()
            differences = connection.execute(
                "SELECT e.exchange, e.sequence FROM transfers.events e FULL JOIN audit.events a"
                " USING (kind, exchange, sequence) WHERE e.record IS DISTINCT FROM a.record"
            ).fetchall()
        assert len(registered) == TOTAL
        assert set(registered) == set(count.answered)
        assert gaps == []
        assert differences == []
        for name, _ in killers(stack):
            assert any(line.lower().startswith(f"{name} ended") for line in said), f"{name} was not killed: {said}"
