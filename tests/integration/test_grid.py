"""The channel to a grid centre against one that is played, over real sockets: every stage, every fault, every order."""

import asyncio
import hashlib
import signal
import sys
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession

from connectors.channel import Channel, Collected, Parcel, PartnerAway, PartnerRefuses, Stated, open_channel
from connectors.errors import SettingsError
from connectors.grid.simulator import GridSimulator
from connectors.identity import exchange_of
from connectors.simulation import Faults, Mode
from events import workorder
from tests.support.channels import Exchanging, MemoryFiles, opening
from tests.support.factory import TIME, example, new_exchange
from tests.support.parcels import parcel_of

CENTRE, TEAM, OTHER, BUREAU = "310112-cyzx", "310112102-cg", "310112107-cg", "310112-cg"
FIRST = "闵网格〔2026〕000001号"
DETAIL: dict[str, Any] = {
    "deptCode": TEAM,
    "title": "占道堆物",
    "description": "示例路12号门前人行道堆放建筑垃圾。",
    "mainClass": "SYN-02",
    "subClass": "SYN-0207",
    "gridNo": "SYN-310112102-0035",
    "location": {
        "address": "闵行区七宝镇示例路12号", "areaCode": "310112102", "x": "121.354100", "y": "31.155200",
        "coordSystem": "CGCS2000",
    },
    "reportedAt": "2026-11-05 09:20:00",
    "dispatchedAt": "2026-11-05 10:00:00",
    "source": "网格巡查",
    "eventType": "巡查发现",
    "limit": "限办日期",
    "deadline": "2026-11-20",
    "dispatcher": "孙示例",
    "dispatcherPhone": "021-00000011",
    "reporter": "钱示例",
}  # fmt: skip
ACCEPTED: dict[str, Any] = {"channel": "grid", "first_contact": None}


class Place:
    """A centre, a channel to it, and our files."""

    def __init__(self, centre: GridSimulator, folder: Path) -> None:
        self.centre = centre
        self.desk = centre.desk
        self.folder = folder
        self.files = MemoryFiles()
        self.channels: list[Channel] = []

    def channel(self, **options: Any) -> Channel:
        found = open_channel(opening(CENTRE, "grid", self.centre.url, self.files, keys=self.folder, **options))
        self.channels.append(found)
        return found

    def exchange(self, **options: Any) -> Exchanging:
        return Exchanging("workorder", CENTRE, self.channel(**options), exchange_of(CENTRE, FIRST))

    def actions(self, number: str = FIRST) -> list[str]:
        return [str(entry["action"]) for entry in self.history(number)]

    def history(self, number: str = FIRST) -> list[Any]:
        return [*self.desk.cases[number].history]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    centre = GridSimulator(Faults(seed=7), clock=lambda: TIME)
    await centre.start()
    found = Place(centre, tmp_path)
    yield found
    for channel in found.channels:
        await channel.close()
    await centre.stop()


async def dispatched(place: Place, **options: Any) -> Exchanging:
    """An order of theirs, registered, and known to the team."""
    place.desk.open_case(DETAIL)
    order = place.exchange(**options)
    await order.collect()
    return order


# --- every stage


async def test_an_order_of_theirs_through_every_stage(place: Place) -> None:
    order = await dispatched(place)
    assert order.status == "dispatched"
    assert (order.play.state.case, order.reference) == (FIRST, FIRST)

    order.state(TEAM, "workorder.accepted", **ACCEPTED)
    order.state(TEAM, "common.extension_requested", new_date="2026-11-27")
    await order.deliver()
    place.desk.act(FIRST, "延期批准", {"newDeadline": "2026-11-27"})
    place.desk.act(FIRST, "督办", {"requirement": "请说明进展。", "replyBy": "2026-11-10"})
    await order.collect()
    assert place.desk.cases[FIRST].deadline == "2026-11-27"

    after = place.files.put(b"after")
    photo = {"title": "处置后照片", "digest": after, "size": 5, "media_type": "image/jpeg"}
    order.state(TEAM, "workorder.done", after=[photo], before=[])
    await order.deliver()
    assert place.desk.files == {after: b"after"}
    place.desk.act(FIRST, "核查不通过", {"reasonType": "未整改到位", "reason": "仍有残留。"})
    await order.collect()
    assert order.status == "reopened"

    order.state(TEAM, "workorder.case_linked", link=None)
    order.state(TEAM, "workorder.done")
    await order.deliver()
    place.desk.act(FIRST, "核查通过", {"checkedAt": "2026-11-05 11:00:00", "checker": "孙示例"})
    place.desk.act(FIRST, "结案", {"closedAt": "2026-11-05 12:00:00"})
    await order.collect()
    await order.deliver()
    assert order.status == "closed"
    assert place.actions() == [
        "受理", "立案", "派遣", "接单", "延期申请", "延期批准", "督办", "处置完成", "核查不通过",
        "转案", "处置完成", "核查通过", "结案",
    ]  # fmt: skip
    assert len(place.desk.changes) == 13


async def test_a_return_that_is_not_accepted_and_an_order_that_is_passed_on(place: Place) -> None:
    order = await dispatched(place)
    order.state(TEAM, "workorder.sent_back")
    await order.deliver()
    assert place.desk.cases[FIRST].stage == "退单"
    limits = {name: DETAIL[name] for name in ("source", "eventType", "limit", "deadline")}
    place.desk.act(FIRST, "改派", {"deptCode": OTHER, "reason": "退单成立。", **limits})
    await order.collect()
    order.state(
        OTHER, "workorder.sent_back", ground={"code": "place-unclear", "reason": "地址不明。"}, competent_body=None
    )
    await order.deliver()
    place.desk.act(FIRST, "退单不成立", {"reasonType": "属本单位职责", "reason": "见附图。"})
    await order.collect()
    order.state(OTHER, "workorder.accepted", **ACCEPTED)
    await order.deliver()
    assert order.status == "accepted"
    assert place.actions()[3:] == ["退单", "改派", "退单", "退单不成立", "接单"]
    sent_back = place.history()[3]
    assert sent_back["detail"]["reasonType"] == "不在本辖区"
    assert sent_back["byExternalId"] == f"{exchange_of(CENTRE, FIRST)}:2"


async def test_withdrawals_both_ways(place: Place) -> None:
    order = await dispatched(place)
    order.state(TEAM, "workorder.accepted", **ACCEPTED)
    await order.deliver()
    place.desk.act(FIRST, "撤单申请", {"reason": "重复受理。"})
    await order.collect()
    order.state(TEAM, "common.withdrawal_refused")
    await order.deliver()
    place.desk.act(FIRST, "撤单申请", {"reason": "确属重复。"})
    await order.collect()
    order.state(TEAM, "common.withdrawn")
    await order.deliver()
    assert (order.status, place.desk.cases[FIRST].stage) == ("withdrawn", "撤单")


async def test_an_order_of_ours_and_the_one_that_grows_from_it(place: Place) -> None:
    exchange = new_exchange()
    finding = Exchanging("workorder", CENTRE, place.channel(), exchange)
    finding.state(BUREAU, "workorder.dispatched", recipient=CENTRE, links=None)
    await finding.deliver()
    case = place.desk.cases[FIRST]
    assert (case.external, finding.reference, finding.handed[1].reference) == (exchange, FIRST, FIRST)
    assert [loss["pointer"] for loss in place.history()[0]["losses"]] == ["/data/category"]

    contact: dict[str, Any] = {"operator": "周示例", "operatorPhone": "021-00000021"}
    place.desk.act(FIRST, "接单", {"source": "督察", **contact})
    done: dict[str, Any] = {
        "result": "已解决",
        "resultText": "已派绿容局处置。",
        "finishedAt": "2026-11-05 15:00:00",
        "contacted": False,
    }
    place.desk.act(FIRST, "处置完成", {**done, **contact})
    await finding.collect()
    assert finding.status == "done"
    finding.state(BUREAU, "workorder.verified")
    finding.state(BUREAU, "workorder.closed")
    await finding.deliver()
    assert case.stage == "结案"

    place.desk.open_case({**DETAIL, "related": [{"relation": "来源案卷", "externalId": exchange}]})
    grown = Exchanging("workorder", CENTRE, finding.channel, exchange_of(CENTRE, "闵网格〔2026〕000002号"))
    grown.cursor = finding.cursor
    await grown.collect()
    order = grown.play.log[0][0].fact
    assert isinstance(order, workorder.Dispatched)
    assert [str(link.exchange) for link in order.links] == [exchange]


async def test_an_order_of_ours_that_another_gets_in_the_end(place: Place) -> None:
    """Who had it hears of what becomes of it, and takes no part any more."""
    finding = Exchanging("workorder", CENTRE, place.channel(), new_exchange())
    finding.state(BUREAU, "workorder.dispatched", recipient=CENTRE)
    await finding.deliver()
    place.desk.act(FIRST, "延期申请", {"reason": "需现场核实。", "newDeadline": "2026-11-27"})
    place.desk.act(
        FIRST,
        "退单",
        {"reasonType": "地点事项不明", "reason": "地址不明。", "operator": "周示例", "operatorPhone": "021-00000021"},
    )
    await finding.collect()
    finding.state(BUREAU, "common.extension_refused")
    finding.state(BUREAU, "workorder.redispatched", recipient="310112-swj", reason="属河道。")
    finding.state("310112-swj", "workorder.accepted", first_contact=None)
    finding.state("310112-swj", "workorder.done")
    await finding.deliver()
    done = place.history()[-1]
    assert place.actions() == ["派遣", "延期申请", "退单", "延期驳回", "改派", "接单", "处置完成"]
    assert done["detail"]["operator"] == "（依协议不予提供）"
    assert "losses" not in done, "what is withheld is not lost"


async def test_losses_go_along_and_words_stand_for_what_has_no_step(place: Place) -> None:
    order = await dispatched(place)
    order.state(
        TEAM,
        "workorder.accepted",
        contact={"name": "李示例", "phone": "021-00000012", "address": "示例路1号"},
        **ACCEPTED,
    )
    order.state(
        TEAM, "common.corrected", corrects=2, pointer="/data/contact/name", correct_value="李示范", reason="笔误。"
    )
    await order.deliver()
    accepted, corrected = place.history()[3:]
    assert accepted["losses"] == [{"pointer": "/data/contact/address", "zh": "联系地址", "en": "the contact's address"}]
    assert corrected["action"] == "备注"
    assert corrected["detail"] == {
        "text": "更正。被更正事件: 2; 成员: /data/contact/name; 更正为: 李示范; 理由: 笔误。"
    }
    assert [loss["pointer"] for loss in corrected["losses"]] == ["/data"]


# --- what is not brought, and what goes another way


async def test_its_own_word_and_stubs_make_no_call(place: Place) -> None:
    order = await dispatched(place)
    place.centre.faults.set(Mode.OFF)
    await order.deliver()
    stub = parcel_of(CENTRE, {"kind": "stub", "stub": {"sequence": 2}}, reference=FIRST)
    assert (await order.channel.hand_over(stub)).reference == FIRST


async def test_a_rejection_of_its_own_word_is_told_as_an_error_once(place: Place) -> None:
    channel = place.channel()
    rejection = {"outcome": "rejection", "id": "grid-9", "exchange": "e", "code": "illegal-move", "detail": "too late"}
    for _ in range(2):
        await channel.hand_over(parcel_of(CENTRE, {"kind": "rejection", "rejection": rejection}, kind=None))
    assert place.desk.errors == [
        {
            "externalId": "p1",
            "changeNo": 9,
            "eventId": "grid-9",
            "exchange": "e",
            "code": "illegal-move",
            "reason": "too late",
        }
    ]


async def test_other_kinds_go_as_letters(place: Place) -> None:
    channel = place.channel()
    item: dict[str, Any] = {"kind": "event", "event": {**example("notice.sent"), "sequence": 1}}
    for _ in range(2):
        await channel.hand_over(parcel_of(CENTRE, item, kind="notice"))
    assert place.desk.letters == [{"externalId": "p1", "title": "联动 notice", "document": item}]


async def test_what_the_centre_refuses_is_refused_and_holds_up_nothing_else(place: Place) -> None:
    order = await dispatched(place)
    order.state(TEAM, "workorder.accepted", **ACCEPTED)
    place.desk.act(FIRST, "撤单", {"reason": "重复。"})
    with pytest.raises(PartnerRefuses, match="409"):
        await order.deliver()
    place.desk.open_case(DETAIL)
    assert len((await order.channel.collect(order.cursor)).arrivals) == 2


async def test_an_order_whose_number_is_not_known_is_refused(place: Place) -> None:
    order = await dispatched(place)
    order.state(TEAM, "workorder.accepted", **ACCEPTED)
    order.reference = None
    with pytest.raises(PartnerRefuses, match="404"):
        await order.hand_over(order.parcels()[1])


# --- faults


FAULTS = [Mode.SLOW, Mode.BROKEN, Mode.BUSY, Mode.GARBAGE, Mode.DYING, Mode.OFF]


@pytest.mark.parametrize("mode", FAULTS)
async def test_handed_over_again_after_a_fault_acts_once(place: Place, mode: Mode) -> None:
    place.desk.open_case(DETAIL)
    theirs = place.exchange(timeout=0.3)
    await theirs.collect()
    await theirs.deliver()
    theirs.state(TEAM, "workorder.accepted", **ACCEPTED)
    ours = Exchanging("workorder", CENTRE, theirs.channel, new_exchange())
    ours.state(BUREAU, "workorder.dispatched", recipient=CENTRE)
    rejected = parcel_of(CENTRE, {"kind": "rejection", "rejection": {"id": "grid-3"}}, kind=None)
    letter = parcel_of(CENTRE, {"kind": "event", "event": example("notice.sent")}, id_="p2", kind="notice")

    place.centre.faults.set(mode, seconds=0.5)
    for work in (theirs.deliver, ours.deliver, handing(theirs, rejected), handing(theirs, letter)):
        for _ in range(2):
            with pytest.raises(PartnerAway) as caught:
                await work()
            assert (caught.value.retry_after == timedelta(seconds=3)) is (mode is Mode.BUSY)
    place.centre.faults.set(Mode.WELL)
    for work in (theirs.deliver, ours.deliver, handing(theirs, rejected), handing(theirs, letter)):
        await work()
    # What was given up while the partner was slow arrives there after all.
    await asyncio.sleep(0.6 if mode is Mode.SLOW else 0)

    assert place.actions() == ["受理", "立案", "派遣", "接单"]
    assert place.actions("闵网格〔2026〕000002号") == ["派遣"]
    assert ours.reference == "闵网格〔2026〕000002号"
    assert (len(place.desk.cases), len(place.desk.errors), len(place.desk.letters)) == (2, 1, 1)


def handing(order: Exchanging, given: Parcel) -> Callable[[], Any]:
    async def hand() -> None:
        await order.channel.hand_over(given)

    return hand


@pytest.mark.parametrize("mode", FAULTS)
async def test_collected_again_after_a_fault(place: Place, mode: Mode) -> None:
    place.desk.open_case(DETAIL)
    channel = place.channel(timeout=0.3)
    place.centre.faults.set(mode, seconds=0.5)
    with pytest.raises(PartnerAway):
        await channel.collect(None)
    place.centre.faults.set(Mode.WELL)
    assert ids(await channel.collect(None)) == ["grid-3"]


async def test_a_partner_that_fares_badly_half_of_the_time(place: Place) -> None:
    """Whatever happens in between: everything once, in order."""
    order = await dispatched(place, timeout=0.2)
    order.state(TEAM, "workorder.accepted", **ACCEPTED)
    order.state(TEAM, "common.extension_requested", new_date="2026-11-27")
    order.state(TEAM, "workorder.done")
    for mode in FAULTS * 2:
        place.centre.faults.set(mode, share=0.5, seconds=0.4)
        with_luck = asyncio.create_task(order.deliver())
        await asyncio.wait([with_luck])
        assert with_luck.exception() is None or isinstance(with_luck.exception(), PartnerAway)
    place.centre.faults.set(Mode.WELL)
    await order.deliver()
    assert place.actions()[3:] == ["接单", "延期申请", "处置完成"]


@pytest.mark.parametrize("mode", [Mode.REPEATING, Mode.DISORDERED])
async def test_what_is_offered_twice_or_in_disorder_arrives_once_and_in_order(place: Place, mode: Mode) -> None:
    order = await dispatched(place)
    order.state(TEAM, "workorder.accepted", **ACCEPTED)
    order.state(TEAM, "workorder.done")
    await order.deliver()
    place.desk.act(FIRST, "督办", {"requirement": "请说明进展。"})
    place.desk.act(FIRST, "核查通过", {"checkedAt": "2026-11-05 11:00:00", "checker": "孙示例"})
    place.desk.act(FIRST, "结案", {"closedAt": "2026-11-05 12:00:00"})
    place.centre.faults.set(mode)
    found = await order.collect()
    assert ids(found) == ["grid-6", "grid-7", "grid-8"]
    assert (found.cursor, order.status) == ("8", "closed")
    assert (await order.collect()).arrivals == ()


# --- cursors


async def test_after_a_crash_the_same_comes_again_under_the_same_ids(place: Place) -> None:
    channel = place.channel(page=4)
    for _ in range(3):
        place.desk.open_case(DETAIL)
    first = await channel.collect(None)
    assert (ids(first), first.cursor, first.more) == (["grid-3"], "4", True)
    assert await channel.collect(None) == first
    second = await channel.collect(first.cursor)
    assert (ids(second), second.cursor, second.more) == (["grid-6"], "8", True)
    third = await channel.collect(second.cursor)
    assert (ids(third), third.cursor, third.more) == (["grid-9"], "9", False)
    assert await channel.collect(third.cursor) == Collected((), "9")
    assert await place.channel(page=4).collect(first.cursor) == second


async def test_a_cursor_of_nothing_stays(place: Place) -> None:
    assert await place.channel().collect(None) == Collected((), None)


async def test_what_cannot_be_read_is_named_and_passed_over(place: Place) -> None:
    place.desk.open_case({**DETAIL, "limit": "尽快", "dispatcher": "孙示例"})
    place.desk.changes.append({"action": "派遣"})
    place.desk.open_case(DETAIL)
    found = await place.channel().collect(None)
    assert len(found.arrivals) == 1
    assert found.cursor == "7"
    assert "孙示例" not in " ".join(found.unreadable)
    assert [said.split(":")[0] for said in found.unreadable] == ["change ?", "change 3 (派遣)"]


# --- pictures


async def test_pictures_of_theirs_come_into_our_store(place: Place) -> None:
    photo = place.desk.picture(b"photo")
    bare = {name: value for name, value in place.desk.picture(b"bare").items() if name != "digest"}
    place.desk.open_case({**DETAIL, "photos": [photo, bare]})
    order = place.exchange()
    assert (await order.collect()).unreadable == ()
    fact_ = order.play.log[0][0].fact
    assert isinstance(fact_, workorder.Dispatched)
    assert {item.digest: item.size for item in fact_.photos} == {digest(b"photo"): 5, digest(b"bare"): 4}
    assert place.files.kept == {digest(b"photo"): b"photo", digest(b"bare"): b"bare"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "files/sha-256:none"},
        {"digest": f"sha-256:{'0' * 64}"},
        {"size": 2**33},
        {"url": "http://elsewhere.example/photo"},
        {"url": "../secrets"},
    ],
)
async def test_a_picture_that_cannot_be_had_is_left_out_and_named(place: Place, wrong: dict[str, Any]) -> None:
    place.desk.open_case({**DETAIL, "photos": [{**place.desk.picture(b"photo"), **wrong}, place.desk.picture(b"good")]})
    found = await place.channel().collect(None)
    assert found.unreadable == ("change 3: a picture of photos cannot be had",)
    (arrival,) = found.arrivals
    assert isinstance(arrival, Stated)
    assert isinstance(arrival.fact, workorder.Dispatched)
    assert [item.digest for item in arrival.fact.photos] == [digest(b"good")]


async def test_a_picture_is_waited_for_while_the_partner_is_not_well(place: Place) -> None:
    place.desk.open_case({**DETAIL, "photos": [place.desk.picture(b"photo")]})
    channel = place.channel()
    place.centre.faults.set(Mode.GARBAGE, share=0.5)
    whole = 0
    for _ in range(30):
        try:
            assert (await channel.collect(None)).unreadable == ()
            whole += 1
        except PartnerAway:
            continue
    assert 0 < whole < 30
    assert place.files.kept == {digest(b"photo"): b"photo"}


async def test_a_photo_that_our_store_has_not_is_named_by_its_digest(place: Place) -> None:
    order = await dispatched(place)
    order.state(TEAM, "workorder.accepted", **ACCEPTED)
    order.state(TEAM, "workorder.done")
    await order.deliver()
    done = place.history()[-1]
    assert done["detail"]["photosAfter"][0]["digest"] == f"sha-256:{'34' * 32}"
    assert place.desk.files == {}


def digest(content: bytes) -> str:
    return f"sha-256:{hashlib.sha256(content).hexdigest()}"


# --- contracts and processes


async def test_who_has_no_token_is_away_until_the_contract_is_mended(tmp_path: Path) -> None:
    centre = GridSimulator(clock=lambda: TIME, token="secret")
    await centre.start()
    place = Place(centre, tmp_path)
    with pytest.raises(PartnerAway, match="401"):
        await place.channel().collect(None)
    (tmp_path / "grid.token").write_text("secret\n")
    assert await place.channel(token="grid.token").collect(None) == Collected((), None)
    for channel in place.channels:
        await channel.close()
    await centre.stop()


@pytest.mark.parametrize(
    "options", [{"dialect": "soap"}, {"token": "none.token"}, {"token": "../key"}, {"colour": "red"}]
)
async def test_options_that_cannot_be_meant(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        open_channel(opening(CENTRE, "grid", "http://127.0.0.1:1", keys=tmp_path, **options))


async def test_the_centre_as_a_process_of_its_own(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "connectors.grid.simulator", "--seed", "7", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()
    channel = open_channel(opening(CENTRE, "grid", url, keys=tmp_path))
    async with ClientSession() as session:
        case = await asked(session, f"{url}/_desk/cases", {"detail": DETAIL, "time": "2026-11-05 10:00:00"})
        urged = {"caseNo": case["caseNo"], "action": "督办", "detail": {"requirement": "请说明进展。"}}
        assert await asked(session, f"{url}/_desk/actions", urged) == {"changeNo": 4}
        assert "error" in await asked(session, f"{url}/_desk/actions", {**urged, "action": "结案"})
        assert ids(await channel.collect(None)) == ["grid-3", "grid-4"]
        async with session.get(f"{url}/_desk/state") as answer:
            state = orjson.loads(await answer.read())
        assert [entry["action"] for entry in state["cases"][0]["history"]] == ["受理", "立案", "派遣", "督办"]
        await session.put(f"{url}/_faults", json={"mode": "busy"})
    with pytest.raises(PartnerAway):
        await channel.collect(None)
    await channel.close()
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0


async def asked(session: ClientSession, url: str, form: dict[str, Any]) -> dict[str, Any]:
    async with session.post(url, data=orjson.dumps(form)) as answer:
        found: dict[str, Any] = orjson.loads(await answer.read())
        return found


def ids(found: Collected) -> list[str]:
    return [arrival.id for arrival in found.arrivals if isinstance(arrival, Stated)]
