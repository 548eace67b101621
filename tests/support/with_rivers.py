"""A bus and the river chiefs' platform exchange orders, in a copy of the project that knows such a partner.

    python -m tests.support.with_rivers DATA

Plays `docs/examples/add_a_partner`; the last line that it prints says what came of it.
"""

import asyncio
import json
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from aiohttp import ClientSession

from connectors.forms.table import local
from connectors.http.client import AgencyClient, new_event
from connectors.identity import exchange_of
from connectors.process import spawn
from connectors.simulation import Mode
from contracts import library
from contracts.signatures import SigningKey
from events import workorder
from events.fact import Fact
from events.parts import Contact
from services.cli.agencies import agency_key, set_channel
from services.cli.delivery import ask
from services.cli.stack import Stack
from tests.support.agencies import known
from tests.support.serving import eventually

RIVERS, BUREAU, STRANGER, BUS = "310112-swj", "310112-cg", "310118-cg", "310112-bus"
SERVICES: Final = (("gateway", "workorders", "delivery"),)

NOW: Final = datetime.now(UTC)
CONTACT: Final = Contact(name="李示例", phone="021-00000012", unit="闵行区城管执法局")
ACCEPTED: Final = workorder.Accepted(channel=workorder.Channel.RIVER_CHIEF, contact=CONTACT)
DONE: Final = workorder.Done(
    resolution=workorder.Resolution.RESOLVED,
    result="堆物已清除。(虚构)",
    done_at=NOW,
    handled_by=CONTACT,
    contacted=False,
)
FORM: Final[Mapping[str, Any]] = {
    "unit": BUREAU,
    "title": "河道堤防内堆物(虚构)",
    "content": "巡河发现堤防内堆放建筑材料。(虚构)",
    "river": "示例港左岸(虚构)",
    "division": "310112102",
    "deadline": "2099-12-30",
    "foundAt": local(NOW),
    "dispatchedAt": local(NOW),
    "contactName": "周示例",
    "contactPhone": "021-00000051",
}


class Platform:
    """The simulator's backstage."""

    def __init__(self, url: str, session: ClientSession) -> None:
        self._url = url
        self._session = session

    async def gives(self, **changed: Any) -> str:
        """The river chiefs give an order; its number."""
        given = {"action": "交办", "form": {**FORM, **changed}}
        async with self._session.post(f"{self._url}/_acts", json=given) as answer:
            return str((await answer.json())["number"])

    async def fares(self, mode: Mode) -> None:
        """From now on."""
        async with self._session.put(f"{self._url}/_faults", json={"mode": mode}) as answer:
            assert answer.status == 204

    async def errors(self) -> list[dict[str, Any]]:
        """What it was told that the bus did not take."""
        return list((await self._state())["errors"])

    async def heard(self, number: str) -> tuple[str, list[tuple[int, str]]]:
        """Where an order stands there, and what it has of us about it, as that came."""
        thread = (await self._state())["threads"][number]
        return thread["status"], [(letter["seq"], letter["action"]) for letter in thread["letters"]]

    async def _state(self) -> dict[str, Any]:
        async with self._session.get(f"{self._url}/_state") as answer:
            return dict(await answer.json())


class Bureau:
    """闵行城管, and what the bus tells its operators."""

    def __init__(self, client: AgencyClient, bus: SigningKey, url: str) -> None:
        self._client = client
        self._bus = bus
        self._url = url

    async def order(self, number: str) -> dict[str, Any]:
        """Its copy of the order of that number, as soon as it has one."""

        async def look() -> dict[str, Any] | None:
            items = (await self._client.inbox()).json["items"]
            events = [item["event"] for item in items if item["kind"] == "event"]
            return next((event for event in events if event["data"].get("number") == number), None)

        found = await eventually(look)
        assert isinstance(found, dict)
        return found

    async def states(self, number: str, fact: Fact) -> None:
        """A fact about an order is registered."""
        event = new_event(self._client.key, fact, exchange=exchange_of(RIVERS, number))
        answer = await self._client.submit(event, wait=20)
        assert answer.status == 201, answer.body

    async def all_is_brought(self) -> None:
        """Nothing waits for the platform any more."""

        async def look() -> bool:
            return not await self._waiting()

        await eventually(look)

    async def something_failed(self) -> None:
        """An attempt got no answer, and will be made again."""

        async def look() -> bool:
            return any("not reached" in item.get("reason", "") for item in await self._waiting())

        await eventually(look)

    async def _waiting(self) -> list[dict[str, Any]]:
        return list((await ask(self._url, self._bus, "", agency=RIVERS))["deliveries"])


async def play(platform: Platform, bureau: Bureau) -> dict[str, Any]:
    """Orders and replies, whatever befalls the platform."""
    first = await platform.gives()
    order = await bureau.order(first)
    said = {name: order.get(name) for name in ("source", "signedby", "exchange", "case")}
    assert said == {"source": RIVERS, "signedby": BUS, "exchange": exchange_of(RIVERS, first), "case": first}

    # It takes the acceptance and dies before it answers: the acceptance is brought again, and is there once.
    await platform.fares(Mode.DYING)
    await bureau.states(first, ACCEPTED)
    await bureau.something_failed()
    await platform.fares(Mode.WELL)
    await bureau.all_is_brought()
    assert await platform.heard(first) == ("整改中", [(2, "接单")])

    # It is off. Meanwhile the order is done, and two more are given, one of them to whom no agreement lets it.
    await platform.fares(Mode.OFF)
    await bureau.states(first, DONE)
    second, third = await platform.gives(), await platform.gives(unit=STRANGER)
    await bureau.something_failed()
    await platform.fares(Mode.WELL)
    await bureau.order(second)
    await bureau.all_is_brought()
    assert await platform.heard(first) == ("待复核", [(2, "接单"), (3, "办结")])
    assert await platform.heard(second) == ("待接单", [])

    # What the bus refuses comes to its errors, once.
    await eventually(platform.errors)
    await bureau.all_is_brought()
    [error] = await platform.errors()
    assert error["exchange"] == exchange_of(RIVERS, third)
    return {"orders": 2, "refused": error["code"]}


async def run(stack: Stack, bureau: SigningKey, url: str) -> dict[str, Any]:
    """Play, with everybody's clients."""
    async with AgencyClient(stack.url, bureau, BUS) as client, ClientSession() as session:
        return await play(Platform(url, session), Bureau(client, agency_key(BUS, stack.keys), stack.url))


@contextmanager
def simulator(log: Path) -> Generator[str]:
    """The partner's simulator as a process of its own, on a free port; its address."""
    child = spawn([sys.executable, "-m", "connectors.rivers.simulator"], log=log)
    try:
        while not (lines := log.read_text(encoding="utf-8").splitlines()):
            assert child.running, child.tail()
            time.sleep(0.05)
        yield lines[0]
    finally:
        child.terminate()


def main(data: Path) -> None:
    """A bus as far as it is needed; the packaged contract of the partner counts, but for the address."""
    stack = Stack(data, services=SERVICES)
    with simulator(data / "logs" / "simulator.log") as url:
        channel = library.load().agencies.by_code[RIVERS].channel
        set_channel(RIVERS, stack.contracts, channel.model_copy(update={"url": url}))
        with stack:
            [bureau] = known((BUREAU,), stack.keys, stack.contracts).values()
            print(json.dumps(asyncio.run(run(stack, bureau, url))))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
