"""The channel to a centre that speaks Open311, over real sockets."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession

from connectors.channel import Channel, Collected, Parcel, PartnerAway, PartnerRefuses, Stated, open_channel
from connectors.grid.geo import SERVICES
from connectors.grid.open311 import ATTRIBUTES
from connectors.grid.simulator import GridSimulator
from connectors.identity import exchange_of
from connectors.simulation import Faults, Mode
from events import workorder
from tests.support.channels import Exchanging, opening
from tests.support.factory import TIME, example, new_exchange
from tests.support.parcels import parcel_of

CENTRE, TEAM, BUREAU = "310112-cyzx", "310112102-cg", "310112-cg"
NUMBER = "闵网格〔2026〕000001号"
DETAIL: dict[str, Any] = {
    "deptCode": TEAM,
    "title": "占道堆物",
    "description": "示例路12号门前人行道堆放建筑垃圾。",
    "subClass": "SYN-0207",
    "location": {
        "address": "闵行区七宝镇示例路12号", "areaCode": "310112102", "x": "121.354100", "y": "31.155200",
    },
    "reportedAt": "2026-11-05 09:20:00",
    "dispatchedAt": "2026-11-05 10:00:00",
    "source": "网格巡查",
    "eventType": "巡查发现",
    "limit": "限办日期",
    "deadline": "2026-11-20",
    "callFirst": False,
    "dispatcher": "孙示例",
    "dispatcherPhone": "021-00000011",
}  # fmt: skip
ACCEPTED: dict[str, Any] = {"channel": "grid", "first_contact": None}


class Place:
    def __init__(self, folder: Path) -> None:
        self.now = TIME
        self.centre = GridSimulator(Faults(seed=7), clock=lambda: self.now, token="key")
        self.desk = self.centre.desk
        self.folder = folder
        self.channels: list[Channel] = []
        (folder / "open311.key").write_text("key")

    @property
    def url(self) -> str:
        return f"{self.centre.url}/open311"

    def channel(self, **options: Any) -> Channel:
        given: dict[str, Any] = {"dialect": "open311", "token": "open311.key", "jurisdiction": "shmh.gov.cn", **options}
        found = open_channel(opening(CENTRE, "grid", self.url, keys=self.folder, **given))
        self.channels.append(found)
        return found

    def pass_time(self) -> None:
        self.now += timedelta(hours=1)

    def actions(self, number: str = NUMBER) -> list[str]:
        return [str(entry["action"]) for entry in self.desk.cases[number].history]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    found = Place(tmp_path)
    await found.centre.start()
    yield found
    for channel in found.channels:
        await channel.close()
    await found.centre.stop()


async def test_an_order_of_theirs(place: Place) -> None:
    place.desk.open_case(DETAIL)
    order = Exchanging("workorder", CENTRE, place.channel(), exchange_of(CENTRE, "1"))
    await order.collect()
    assert (order.status, order.reference) == ("dispatched", "1")
    opened = order.play.log[0][0].fact
    assert isinstance(opened, workorder.Dispatched)
    assert (opened.number, opened.recipient, str(opened.do_by)) == (NUMBER, TEAM, "2026-11-20")

    place.pass_time()
    order.state(TEAM, "workorder.accepted", **ACCEPTED)
    order.state(TEAM, "workorder.done")
    await order.deliver()
    assert (await order.collect()).arrivals == (), "what we told them ourselves states nothing"
    place.desk.act(NUMBER, "核查通过", {"opinion": "现场复核，已清理。"})
    place.pass_time()
    place.desk.act(NUMBER, "结案", {})
    await order.collect()
    await order.deliver()
    assert order.status == "closed"
    assert place.actions() == ["受理", "立案", "派遣", "接单", "处置完成", "核查通过", "结案"]
    verified = order.play.log[3][0].fact
    assert isinstance(verified, workorder.Verified)
    assert verified.note == "现场复核，已清理。"


async def test_an_order_of_ours(place: Place) -> None:
    finding = Exchanging("workorder", CENTRE, place.channel(), new_exchange())
    finding.state(BUREAU, "workorder.dispatched", recipient=CENTRE)
    await finding.deliver()
    case = place.desk.cases[NUMBER]
    assert (finding.reference, case.external) == ("1", finding.play.state.exchange)
    assert "案件大类 /data/category" in str(case.detail["losses"])
    assert (await finding.collect()).arrivals == ()

    place.pass_time()
    place.desk.act(NUMBER, "接单")
    place.desk.act(NUMBER, "处置完成", {"resultText": "已派绿容局处置。"})
    await finding.collect()
    assert finding.status == "done"
    finding.state(BUREAU, "workorder.verified")
    finding.state(BUREAU, "workorder.closed")
    await finding.deliver()
    assert case.stage == "结案"


FAULTS = [Mode.SLOW, Mode.BROKEN, Mode.BUSY, Mode.GARBAGE, Mode.DYING, Mode.OFF]


@pytest.mark.parametrize("mode", FAULTS)
async def test_handed_over_and_collected_again_after_a_fault(place: Place, mode: Mode) -> None:
    place.desk.open_case(DETAIL)
    theirs = Exchanging("workorder", CENTRE, place.channel(timeout=0.3), exchange_of(CENTRE, "1"))
    await theirs.collect()
    theirs.state(TEAM, "workorder.accepted", **ACCEPTED)
    ours = Exchanging("workorder", CENTRE, theirs.channel, new_exchange())
    ours.state(BUREAU, "workorder.dispatched", recipient=CENTRE)
    collect: Callable[[], Any] = lambda: theirs.channel.collect(None)  # noqa: E731

    place.centre.faults.set(mode, seconds=0.5)
    for work in (theirs.deliver, ours.deliver, collect):
        for _ in range(2):
            with pytest.raises(PartnerAway):
                await work()
    place.centre.faults.set(Mode.WELL)
    # With the services known, it is the order itself that meets the fault.
    await theirs.channel.hand_over(order_to_nobody())
    place.centre.faults.set(mode, seconds=0.5)
    with pytest.raises(PartnerAway):
        await ours.deliver()
    place.centre.faults.set(Mode.WELL)
    await theirs.deliver()
    await ours.deliver()
    await ours.deliver()

    assert place.actions() == ["受理", "立案", "派遣", "接单"]
    external = [case.external for case in place.desk.cases.values()]
    assert external.count(ours.play.state.exchange) == 1
    assert ids(await theirs.channel.collect(None)) == ["open311-1-dispatched"]


def order_to_nobody() -> Parcel:
    event = {**example("workorder.dispatched"), "exchange": new_exchange()}
    return parcel_of(CENTRE, {"kind": "event", "event": event})


@pytest.mark.parametrize("mode", [Mode.REPEATING, Mode.DISORDERED])
async def test_what_is_offered_twice_or_in_disorder_arrives_once_and_in_order(place: Place, mode: Mode) -> None:
    for _ in range(5):
        place.desk.open_case(DETAIL, None)
        place.pass_time()
    place.centre.faults.set(mode)
    channel = place.channel()
    found = await channel.collect(None)
    assert ids(found) == [f"open311-{number}-dispatched" for number in range(1, 6)]
    assert await channel.collect(None) == found
    assert (await channel.collect(found.cursor)) == Collected((), found.cursor)


async def test_what_makes_no_call_and_what_has_no_form(place: Place) -> None:
    channel = place.channel()
    place.centre.faults.set(Mode.OFF)
    for item in ({"kind": "stub", "stub": {}}, {"kind": "rejection", "rejection": {"id": "x"}}):
        await channel.hand_over(parcel_of(CENTRE, item))
    await channel.hand_over(
        parcel_of(CENTRE, {"kind": "event", "event": {**example("workorder.closed"), "source": CENTRE}})
    )
    with pytest.raises(PartnerRefuses, match="no other form"):
        await channel.hand_over(parcel_of(CENTRE, {"kind": "event", "event": example("notice.sent")}, kind="notice"))
    with pytest.raises(PartnerRefuses, match="no number"):
        await channel.hand_over(parcel_of(CENTRE, {"kind": "event", "event": example("workorder.closed")}))


async def test_without_the_api_key_nothing_is_taken(place: Place) -> None:
    with pytest.raises(PartnerAway, match="403"):
        await place.channel(token=None).hand_over(order_to_nobody())


async def test_a_class_of_no_service_goes_as_other(place: Place) -> None:
    ours = Exchanging("workorder", CENTRE, place.channel(), new_exchange())
    ours.state(BUREAU, "workorder.dispatched", recipient=CENTRE, small_class="SYN-9999")
    await ours.deliver()
    assert place.desk.cases[NUMBER].detail["subClass"] == "other"


async def test_the_centre_serves_the_standard(place: Place) -> None:
    place.desk.open_case(DETAIL)
    async with ClientSession() as session:

        async def got(path: str, status: int = 200) -> Any:
            async with session.get(f"{place.url}/{path}") as answer:
                assert answer.status == status
                return orjson.loads(await answer.read())

        services = await got("services.json")
        assert {item["service_code"] for item in services} == SERVICES.keys()
        definition = await got("services/SYN-0207.json")
        assert {item["code"] for item in definition["attributes"]} == {*ATTRIBUTES}
        (request,) = await got("requests/1.json")
        assert request == {
            "service_request_id": "1",
            "status": "open",
            "status_notes": None,
            "service_name": "违法搭建",
            "service_code": "SYN-0207",
            "description": DETAIL["description"],
            "agency_responsible": "闵行区城市运行管理中心",
            "service_notice": None,
            "requested_datetime": "2026-11-05T10:00:00+08:00",
            "updated_datetime": "2026-11-05T10:00:00+08:00",
            "expected_datetime": "2026-11-20T23:59:59+08:00",
            "address": "闵行区七宝镇示例路12号",
            "address_id": None,
            "zipcode": None,
            "lat": 31.1552,
            "long": 121.3541,
            "media_url": None,
        }
        assert await got("requests.json?status=closed") == []
        assert len(await got("requests.json?service_request_id=1,2")) == 1
        assert await got("requests.json?updated_after=2026-11-06T00:00:00Z") == []
        assert (await got("requests/9.json", 404))[0]["code"] == 404
        assert (await got("services/none.json", 404))[0]["code"] == 404
        async with session.post(
            f"{place.url}/requests.json", data={"api_key": "key", "service_code": "other"}
        ) as answer:
            assert (answer.status, (await answer.json())[0]["description"]) == (400, "a location is missing")


def ids(found: Collected) -> list[str]:
    return [arrival.id for arrival in found.arrivals if isinstance(arrival, Stated)]
