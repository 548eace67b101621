"""Simulators backstage, as demonstrations use them: what people enter there, and what one run keeps for the next."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession

from connectors.ferry.partner import ACTS
from connectors.grid.simulator import GridSimulator
from connectors.hotline.simulator import HotlineSimulator
from connectors.housing.simulator import HousingSimulator
from connectors.police.simulator import PoliceDesk, police
from connectors.provinces.simulator import MailboxCity
from connectors.simulation import Simulator
from connectors.webhook.simulator import Endpoint
from tests.integration.test_police import folders, there

AT = "2026-11-05 10:00:00"


async def asked(simulator: Simulator, *calls: tuple[str, str, Any]) -> list[tuple[int, Any]]:
    """What it answers, one after the other."""
    found: list[tuple[int, Any]] = []
    await simulator.start()
    async with ClientSession(simulator.url) as session:
        for method, path, document in calls:
            async with session.request(method, path, json=document, headers={"webhook-id": "1"}) as answer:
                json = answer.content_type == "application/json"
                found.append((answer.status, await answer.json() if json else await answer.text()))
    await simulator.stop()
    return found


async def test_a_thread_is_opened_under_a_number_that_is_given() -> None:
    act = {"action": "派单", "number": "SYN-工单-88", "form": {"title": "示例"}, "at": AT}
    other = {"action": "结案", "number": "SYN-工单-89", "form": {}}
    hotline = HotlineSimulator()
    opened, unknown, several = await asked(
        hotline, ("POST", "/_acts", act), ("POST", "/_acts", other), ("POST", "/_acts", {"acts": [other, act]})
    )
    assert opened == (201, {"changeNo": 1, "number": "SYN-工单-88"})
    assert unknown[0] == 409
    # Of several each has its own answer: the second cannot be given twice.
    assert several[0] == 200
    assert [[*item] for item in several[1]["acts"]] == [["error"], ["error"]]
    assert [*hotline.threads] == ["SYN-工单-88"]


async def test_a_case_of_the_grid_has_the_number_that_is_given() -> None:
    case = {"caseNo": "SYN-网格-1", "detail": {"title": "示例"}, "time": AT}
    grid = GridSimulator()
    [(status, answer)] = await asked(grid, ("POST", "/_desk/cases", case))
    assert (status, answer) == (201, {"caseNo": "SYN-网格-1"})


HAPPENED: list[tuple[Callable[[], Simulator], tuple[tuple[str, str, Any], ...], str]] = [
    (HotlineSimulator, (("POST", "/_acts", {"action": "派单", "form": {"title": "示例"}, "at": AT}),), "/_state"),
    (HousingSimulator, (("POST", "/_acts", {"action": "告知单", "form": {"content": "示例"}, "at": AT}),), "/_state"),
    (GridSimulator, (("POST", "/_desk/cases", {"detail": {"title": "示例"}, "time": AT}),), "/_desk/state"),
    (MailboxCity, (("POST", "/_acts", {"bdlx": "qs", "wlbh": "1", "nr": {}}),), "/_state"),
    (Endpoint, (("POST", "/hook", {"cursor": "1", "kind": "event"}),), "/taken"),
]


@pytest.mark.parametrize(("make", "calls", "state"), HAPPENED, ids=lambda item: getattr(item, "__name__", ""))
async def test_what_one_run_has_kept_the_next_finds(
    make: Callable[[], Simulator], calls: tuple[tuple[str, str, Any], ...], state: str
) -> None:
    first, second = make(), make()
    before = (await asked(first, *calls, ("GET", state, None)))[-1]
    second.recall(orjson.loads(orjson.dumps(first.kept())))
    assert (await asked(second, ("GET", state, None)))[-1] == before
    assert second.kept() == first.kept() != make().kept()


async def test_people_of_a_city_write_in_place_of_its_script() -> None:
    city = MailboxCity(works_when_looked_at=True)
    letter = {"jbh": "1", "bdlx": "xch", "wlbh": "exchange", "ywlx": "lead", "nr": {}}
    answers = await asked(
        city,
        ("PUT", "/_script", {"on": False}),
        ("POST", "/boxes/330400-cg/messages", letter),
        ("GET", "/boxes/310112-bus/messages?after=0&limit=9", None),
        ("POST", "/_acts", {"bdlx": "qs", "wlbh": "exchange", "nr": {}}),
        ("GET", "/boxes/310112-bus/messages?after=0&limit=9", None),
        ("GET", "/_state", None),
    )
    assert answers[2][1]["messages"] == []
    assert [item["form"]["bdlx"] for item in answers[4][1]["messages"]] == ["qs"]
    assert answers[5][1] == {"seen": {"1": "exchange"}, "returned": []}


async def test_people_beyond_a_gap_write_what_they_lay_there(tmp_path: Any) -> None:
    outgoing, incoming = folders(tmp_path / "bus")
    partner = police(there(tmp_path / "police"), outgoing=outgoing, incoming=incoming)
    partner.by_hand = True
    await partner.step()
    for number, code in ((2, "lags"), (1, "hz")):
        form = {"bdlx": code, "wlbh": "exchange", "nr": {}}
        await asyncio.to_thread((tmp_path / "police" / ACTS / f"{number}.json").write_bytes, orjson.dumps(form))
    sent: list[Any] = []
    partner.desk.tray = sent
    partner._write_what_lies_there()
    assert [form["bdlx"] for form in partner.desk.tray] == ["hz", "lags"]
    assert [*(tmp_path / "police" / ACTS).iterdir()] == []


def test_what_was_sent_back_is_remembered() -> None:
    desk = PoliceDesk(agency="310112-ga")
    desk.take({"jbh": "1", "bdlx": "tj", "nr": {"sjbh": "e", "dm": "ground-barred", "sm": "示例"}})
    desk.take({"jbh": "1", "bdlx": "tj", "nr": {"sjbh": "e", "dm": "ground-barred", "sm": "示例"}})
    assert desk.returned == [{"sjbh": "e", "dm": "ground-barred", "sm": "示例"}]
