"""The commands and the environment of docker-compose.yml, run as local processes on the embedded engines."""

import asyncio
import os
import signal
import sys
from functools import reduce
from pathlib import Path

import pytest
import yaml

from connectors.http.client import AgencyClient, new_event, new_id
from connectors.kafka.broker import EmbeddedKafka
from connectors.postgres.server import EmbeddedPostgres
from connectors.process import Child, free_port, spawn
from services.cli.story import border
from tests.e2e.test_processes import ready
from tests.support.agencies import known

SERVICES = yaml.safe_load((Path(__file__).parents[2] / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
LONG_RUNNING = ("gateway", "registrars", "delivery", "audit")


def local(environment: dict[str, str], replace: dict[str, str]) -> dict[str, str]:
    """The service's environment with the containers' names and folders replaced by this machine's."""
    here = {"PATH": os.environ["PATH"]}
    for name, value in environment.items():
        here[name] = reduce(lambda text, swap: text.replace(*swap), replace.items(), str(value))
    return here


def start(name: str, replace: dict[str, str], folder: Path, ports: dict[str, int] | None = None) -> Child:
    """A service's own command in its own environment."""
    definition = SERVICES[name]
    command = [sys.executable, "-m", "services.cli.app", *definition["command"][1:]]
    # Containers may all listen on the ports that they have by default; processes of one machine that runs more may not.
    own = {f"LIANDONG_{service.upper()}_PORT": str(port) for service, port in (ports or {}).items()}
    return spawn(command, log=folder / f"{name}.log", env=local(definition["environment"], replace) | own)


@pytest.mark.timeout(240)
async def test_the_commands_of_compose_make_a_bus(folder: Path) -> None:
    ports = {service: free_port() for name in LONG_RUNNING for service in SERVICES[name]["command"][2:]}
    with EmbeddedKafka(folder / "kafka") as kafka, EmbeddedPostgres(folder / "postgres") as postgres:
        address = SERVICES["provision"]["environment"]["LIANDONG_POSTGRES"]
        replace = {
            address: postgres.url,
            "kafka:9092": kafka.bootstrap,
            "/data/": f"{folder}/data/",
            "0.0.0.0": "127.0.0.1",
            "http://delivery:8701": f"http://127.0.0.1:{ports['delivery']}",
            "http://audit:8702": f"http://127.0.0.1:{ports['audit']}",
            "${LIANDONG_BUS:-310112-bus}": "310112-bus",
        }
        provision = start("provision", replace, folder)
        assert await asyncio.to_thread(provision.wait, 60) == 0, provision.tail()
        children = [start(name, replace, folder, ports) for name in LONG_RUNNING]
        try:
            for child in children:
                assert child.running, child.tail()
            for port in ports.values():
                await ready(port)
            made = known((border.MINHANG, border.QINGPU), folder / "data" / "keys", folder / "data" / "contracts")
            key = made[border.MINHANG]
            async with AgencyClient(f"http://127.0.0.1:{ports['gateway']}", key, "310112-bus") as agency:
                event = new_event(key, border.sent, exchange=new_id(), case=border.CASE, home="310112-bus")
                assert (await agency.submit_surely(event, wait=20)).status == 201
        finally:
            for child in children:
                child.send(signal.SIGTERM)
            codes = [await asyncio.to_thread(child.wait, 60) for child in children]
        assert codes == [0] * len(LONG_RUNNING)
