"""Services as processes: alone, several in one, two of the same; told to stop, and brought back when they die."""

import asyncio
import signal
import sys
from pathlib import Path

import psycopg
import pytest

from connectors.http.client import AgencyClient, new_event, new_id
from connectors.process import Child, free_port, spawn
from contracts.signatures import SigningKey
from services.cli.stack import Stack, trouble
from services.cli.story import border
from tests.e2e.test_follow_one_event import eventually
from tests.support.agencies import known


async def submit(stack: Stack, key: SigningKey, number: int) -> None:
    """So many transfers, each answered with its receipt."""
    async with AgencyClient(stack.url, key, stack.bus) as agency:

        async def one() -> int:
            event = new_event(key, border.sent, exchange=new_id(), case=border.CASE, home=stack.bus)
            return (await agency.submit_surely(event, wait=30)).status

        assert set(await asyncio.gather(*(one() for _ in range(number)))) == {201}


def worker(stack: Stack, *services: str) -> tuple[Child, int]:
    """One more process of these services, and the port at which its first service tells how it is."""
    ports = {name: free_port() for name in services}
    env = stack.environment() | {f"LIANDONG_{name.upper()}_PORT": str(port) for name, port in ports.items()}
    argv = [sys.executable, "-m", "services.cli.app", "run", *services]
    return spawn(argv, log=stack.data / "logs" / f"extra-{ports[services[0]]}.log", env=env), ports[services[0]]


async def ready(port: int) -> None:
    async def look() -> object:
        return not await asyncio.to_thread(trouble, f"http://127.0.0.1:{port}/readyz")

    await eventually(look, 40)


@pytest.mark.timeout(240)
async def test_two_of_the_same_share_the_work_and_sigterm_drains(stack: Stack, keys: dict[str, SigningKey]) -> None:
    second, port = worker(stack, "transfers", "audit")
    try:
        await ready(port)
        await submit(stack, keys[border.MINHANG], 60)
        worked = second.log.read_text().count('"event": "registered"')
        assert 0 < worked < 60, "the second registrar took none, or all, of the work"
    finally:
        second.send(signal.SIGTERM)
        code = await asyncio.to_thread(second.wait, 40)
    assert code == 0, second.tail()
    assert '"event": "stopped"' in second.tail()
    # The first one goes on alone, with the partitions that the second gave back.
    await submit(stack, keys[border.MINHANG], 20)


@pytest.mark.timeout(180)
def test_everything_in_one_process_and_data_survives_a_restart(folder: Path) -> None:
    together = (("gateway", "transfers", "delivery", "audit"),)
    with Stack(folder / "data", services=together) as stack:
        key = known((border.MINHANG, border.QINGPU), stack.keys, stack.contracts)[border.MINHANG]
        asyncio.run(submit(stack, key, 5))
        process = stack.children["gateway+transfers+delivery+audit"]
    assert process.poll() == 0, process.tail()
    with Stack(folder / "data", services=together) as stack:
        asyncio.run(submit(stack, key, 5))
        with psycopg.connect(stack.postgres) as connection:
            row = connection.execute("SELECT count(*) FROM transfers.events").fetchone()
        assert row == (10,)


def test_a_service_without_engines_says_what_to_set() -> None:
    import subprocess

    done = subprocess.run(
        [sys.executable, "-m", "services.cli.app", "run", "transfers"],
        env={"PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "LIANDONG_KAFKA" in done.stderr
    assert "Traceback" not in done.stderr
