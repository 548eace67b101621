"""A hotline as it is: the client against the simulator over real sockets, whatever befalls the hotline."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import pytest
from aiohttp import ClientSession

from connectors.channel import Confirmed, FileMissing, Handed, PartnerAway, PartnerRefuses, Stated, open_channel
from connectors.errors import SettingsError
from connectors.hotline.client import Hotline
from connectors.hotline.simulator import HotlineSimulator
from connectors.identity import exchange_of
from connectors.simulation import RETRY_AFTER, Mode
from contracts.canonical import Document
from events import workorder
from services.kernel.exchange import Registration
from tests.support.channels import MemoryFiles, begun, opening, state
from tests.support.parcels import copied, parcel, rejection
from tests.support.play import Play

HOTLINE, QIBAO = "310000-rx", "310112102-cg"

ORDER: Final[Mapping[str, Any]] = {
    "source": "12345",
    "type": "举报违法建筑",
    "limit": "15个工作日",
    "unit": "MH-QB",
    "title": "露台搭建玻璃房(虚构)",
    "content": "来电人反映示例路8弄1号露台搭建玻璃房。(虚构)",
    "smallClass": "SYN-0207",
    "address": "闵行区七宝镇示例路8弄1号",
    "division": "310112102",
    "recordedAt": "2026-11-05 09:50:00",
    "dispatchedAt": "2026-11-05 10:00:00",
    "callerName": "赵示例",
    "callerPhone": "13000000001",
    "firstContact": "是",
    "contactName": "钱示例",
    "contactPhone": "021-00000021",
}
AT = "2026-11-05 10:00:00"
AWAY = [Mode.SLOW, Mode.BROKEN, Mode.BUSY, Mode.GARBAGE, Mode.OFF, Mode.DYING]


@dataclass
class Rig:
    """The hotline, and our client of it."""

    hotline: HotlineSimulator
    client: Hotline
    files: MemoryFiles

    async def stated(self, cursor: str | None = None) -> Sequence[Stated | Confirmed]:
        """All that the hotline has, page after page."""
        found: list[Stated | Confirmed] = []
        more = True
        while more:
            page = await self.client.collect(cursor)
            assert not page.unreadable
            found += page.arrivals
            cursor, more = page.cursor, page.more
        return found

    async def begun(self) -> Play:
        """An order that the hotline gave and the bus registered."""
        number = self.hotline.order(dict(ORDER), AT)
        play = begun("workorder", exchange_of(HOTLINE, number))
        assert isinstance(state(play, HOTLINE, (await self.stated())[-1]), Registration)
        return play

    def says(self, play: Play, name: str, **members: Any) -> None:
        """Who has the order states a fact."""
        case = play.standing.case
        assert isinstance(play.when(QIBAO, name, by={"case": case}, **members), Registration)

    async def hand_over(self, play: Play, sequence: int) -> None:
        await self.client.hand_over(parcel(HOTLINE, copied(play, sequence, HOTLINE), play.standing.case))

    def heard(self, play: Play) -> list[tuple[Any, Any]]:
        """What the hotline has of us, as it came."""
        return [(item["seq"], item["action"]) for item in self.hotline.threads[play.standing.case].letters]


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    simulator, files = HotlineSimulator(), MemoryFiles()
    await simulator.start()
    client = open_channel(opening(HOTLINE, "hotline", simulator.url, files, timeout=0.5, units={"MH-QB": QIBAO}))
    assert isinstance(client, Hotline)
    yield Rig(simulator, client, files)
    await client.close()
    await simulator.stop()


async def test_an_order_goes_its_whole_way(rig: Rig) -> None:
    play = await rig.begun()
    number, cursor = play.standing.case, "1"
    after = rig.files.put("处置后照片(虚构)".encode())
    photo = {"title": "处置后照片", "digest": after, "size": 10, "media_type": "image/jpeg"}
    redo = {"ground": "诉求未解决", "groundText": "来电人不满意。(虚构)"}
    steps: list[tuple[str, dict[str, Any]]] = [
        ("workorder.accepted", {"channel": "hotline_12345"}),
        ("督办", {"text": "请尽快处置。(虚构)"}),
        ("workorder.case_linked", {}),
        ("workorder.done", {"before": [], "after": [photo]}),
        ("重办", redo),
        ("workorder.done", {"before": [], "after": [photo]}),
        ("核查通过", {"verifiedAt": "2026-11-12 10:00:00", "verifiedBy": "钱示例", "satisfaction": "基本满意"}),
        ("结案", {"closedAt": "2026-11-12 11:00:00"}),
        ("评价", {"unit": "MH-QB", "timeliness": "满意", "quality": "很满意"}),
    ]
    for name, form in steps:
        if name.startswith("workorder"):
            rig.says(play, name, **form)
            await rig.hand_over(play, play.state.sequence)
            continue
        rig.hotline.act(name, form, number, AT)
        page = await rig.client.collect(cursor)
        [found], cursor = page.arrivals, page.cursor or cursor
        assert isinstance(state(play, HOTLINE, found), Registration), name
        await rig.hand_over(play, play.state.sequence)  # its own comes back to it: no call
    assert play.standing.status == "closed"
    assert rig.heard(play) == [(2, "接单"), (4, "诉转案"), (5, "办结"), (7, "办结")]
    thread = rig.hotline.threads[number]
    first, result = thread.notes["接单"], thread.notes["办结"]
    assert isinstance(first, dict)
    assert isinstance(result, dict)
    assert (thread.status, thread.external, first["contactedAt"]) == (
        "已结案",
        play.state.exchange,
        "2026-11-05 14:30:00",
    )
    assert (result["conclusion"], result["satisfaction"]) == ("已解决", "满意")
    assert rig.hotline.files[after] == "处置后照片(虚构)".encode()


async def test_a_return_is_upheld_or_given_to_another(rig: Rig) -> None:
    play = await rig.begun()
    rig.says(play, "workorder.sent_back", attachments=[])
    await rig.hand_over(play, 2)
    rig.hotline.act("改派", {**ORDER, "unit": "310112107-cg", "reason": "地点在虹桥镇。(虚构)"}, play.standing.case, AT)
    [found] = (await rig.client.collect("1")).arrivals
    assert isinstance(state(play, HOTLINE, found), Registration)
    assert play.standing.moves == ("310112107-cg",)


@pytest.mark.parametrize("mode", AWAY)
async def test_whatever_befalls_it_a_reply_is_heard_once(rig: Rig, mode: Mode) -> None:
    play = await rig.begun()
    rig.says(play, "workorder.accepted", channel="hotline_12345")
    rig.says(play, "workorder.done", before=[], after=[])
    rig.hotline.faults.set(mode, seconds=1)
    with pytest.raises(PartnerAway) as caught:
        await rig.hand_over(play, 2)
    if mode is Mode.BUSY:
        assert caught.value.retry_after == timedelta(seconds=RETRY_AFTER)
    rig.hotline.faults.set(Mode.WELL)
    for sequence in (2, 2, 3, 3):
        await rig.hand_over(play, sequence)
    assert rig.heard(play) == [(2, "接单"), (3, "办结")]


@pytest.mark.parametrize("mode", AWAY)
async def test_whatever_befalls_it_an_order_is_collected(rig: Rig, mode: Mode) -> None:
    rig.hotline.order(dict(ORDER), AT)
    rig.hotline.faults.set(mode, seconds=1)
    with pytest.raises(PartnerAway):
        await rig.client.collect(None)
    rig.hotline.faults.set(Mode.WELL)
    [found] = await rig.stated()
    assert isinstance(found, Stated)


async def test_after_many_faults_everything_is_there_once_and_in_order(rig: Rig) -> None:
    """Three of ten requests die, fail or are garbage; delivery would try again, so we do."""
    play = await rig.begun()
    rig.says(play, "workorder.accepted", channel="hotline_12345")
    for _ in range(20):
        rig.says(play, "workorder.case_linked")
    photo = {"title": "照片", "digest": rig.files.put(b"photo"), "size": 5, "media_type": "image/jpeg"}
    rig.says(play, "workorder.done", before=[photo], after=[])
    for number, sequence in enumerate(range(2, play.state.sequence + 1)):
        rig.hotline.faults.set((Mode.DYING, Mode.GARBAGE, Mode.OFF, Mode.BROKEN)[number % 4], share=0.3)
        async with asyncio.timeout(20):
            while True:
                try:
                    await rig.hand_over(play, sequence)
                    break
                except PartnerAway:
                    continue
    assert rig.heard(play) == [(2, "接单"), *((sequence, "诉转案") for sequence in range(3, 23)), (23, "办结")]


@pytest.mark.parametrize("mode", [Mode.REPEATING, Mode.DISORDERED])
async def test_offers_that_repeat_or_come_in_another_order(rig: Rig, mode: Mode) -> None:
    number = rig.hotline.order(dict(ORDER), AT)
    for day in range(10, 20):
        rig.hotline.act("督办", {"text": f"第{day}日。(虚构)"}, number, f"2026-11-{day} 10:00:00")
    well = await rig.stated()
    rig.hotline.faults.set(mode)
    assert await rig.stated() == well
    assert [item.time.day for item in well if isinstance(item, Stated)] == [5, *range(10, 20)]


async def test_many_changes_come_in_pages(rig: Rig) -> None:
    number = rig.hotline.order(dict(ORDER), AT)
    for _ in range(249):
        rig.hotline.act("督办", {"text": "请尽快处置。(虚构)"}, number, AT)
    page = await rig.client.collect(None)
    assert (len(page.arrivals), page.cursor, page.more) == (100, "100", True)
    assert len(await rig.stated()) == 250
    assert await rig.stated("250") == []


async def test_an_order_about_the_same_place_and_class_repeats_the_earlier_one(rig: Rig) -> None:
    rig.hotline.order({**ORDER, "smallClass": "SYN-0301"}, AT)
    first = rig.hotline.order({**ORDER, "dispatchedAt": "2026-11-01 10:00:00"}, AT)
    rig.hotline.order({**ORDER, "callerName": "王示例", "address": "闵行区 七宝镇示例路8弄1号。"}, AT)
    rig.hotline.order({**ORDER, "address": "闵行区七宝镇示例路9号", "repeatOf": "SYN-RX-0001"}, AT)
    rig.hotline.faults.set(Mode.DISORDERED)
    found = await rig.stated()
    facts = [item.fact for item in found if isinstance(item, Stated)]
    links = [[str(link.exchange) for link in fact.links] for fact in facts if isinstance(fact, workorder.Dispatched)]
    assert links == [[], [], [exchange_of(HOTLINE, first)], [exchange_of(HOTLINE, "SYN-RX-0001")]]
    assert await rig.stated() == found


async def test_photos_of_an_order_are_taken_over(rig: Rig) -> None:
    digest = rig.hotline.add_file("来电人照片(虚构)".encode())
    photo: Document = {"name": "照片", "digest": digest, "size": 20, "mediaType": "image/jpeg"}
    rig.hotline.order({**ORDER, "photos": [photo]}, AT)
    await rig.stated()
    assert rig.files.kept == {digest: "来电人照片(虚构)".encode()}
    rig.hotline.files.clear()
    page = await rig.client.collect(None)
    assert (len(page.arrivals), len(page.unreadable)) == (1, 1)
    rig.hotline.files[digest] = "另一张(虚构)".encode()
    with pytest.raises(PartnerAway, match="other bytes"):
        await rig.client.collect(None)


async def test_a_file_that_we_do_not_have_yet_is_our_trouble(rig: Rig) -> None:
    photo = {"title": "照片", "digest": f"sha-256:{'0' * 64}", "size": 1, "media_type": "image/jpeg"}
    play = await rig.begun()
    rig.says(play, "workorder.accepted", channel="hotline_12345")
    rig.says(play, "workorder.done", before=[], after=[photo])
    await rig.hand_over(play, 2)
    with pytest.raises(FileMissing):
        await rig.hand_over(play, 3)
    assert rig.heard(play) == [(2, "接单")]


async def test_what_cannot_be_understood_holds_nothing_up(rig: Rig) -> None:
    rig.hotline.order({**ORDER, "type": "赵示例的来电"}, AT)
    rig.hotline.order(dict(ORDER), AT)
    page = await rig.client.collect(None)
    assert len(page.arrivals) == 1
    [reason] = page.unreadable
    assert reason.startswith("change 1 (派单): type: ")
    assert "赵示例" not in reason


async def test_who_opened_a_reply_confirms_it(rig: Rig) -> None:
    play = await rig.begun()
    rig.says(play, "workorder.accepted", channel="hotline_12345")
    await rig.hand_over(play, 2)
    [letter] = rig.hotline.threads[play.standing.case].letters
    rig.hotline.act("签收", {"id": letter["key"]}, play.standing.case, AT)
    [found] = await rig.stated("1")
    assert found == Confirmed(parcel(HOTLINE, copied(play, 2, HOTLINE)).id, "retrieved")


async def test_a_rejection_is_told_to_it(rig: Rig) -> None:
    refused = rejection(HOTLINE, "SYN-RX-0001", id="1", code="illegal-move", detail="it cannot follow")
    for _ in range(2):
        await rig.client.hand_over(refused)
    [error] = rig.hotline.errors
    assert (error["number"], error["code"], error["detail"]) == ("SYN-RX-0001", "illegal-move", "it cannot follow")


async def test_its_own_facts_and_stubs_need_no_call(rig: Rig) -> None:
    play = await rig.begun()
    await rig.hotline.stop()
    own = parcel(HOTLINE, copied(play, 1, HOTLINE))
    stub = replace(own, item={"kind": "stub", "stub": {"stub": True}})
    assert await rig.client.hand_over(own) == await rig.client.hand_over(stub) == Handed()


async def test_what_it_does_not_take(rig: Rig) -> None:
    play = await rig.begun()
    rig.says(play, "workorder.accepted", channel="hotline_12345")
    with pytest.raises(PartnerRefuses, match="its own orders"):
        await rig.client.hand_over(parcel(HOTLINE, copied(play, 2, HOTLINE)))
    with pytest.raises(PartnerRefuses, match="409"):
        await rig.client.hand_over(parcel(HOTLINE, copied(play, 2, HOTLINE), "SYN-RX-9999"))


async def test_options_are_checked() -> None:
    with pytest.raises(SettingsError, match="repeat_days"):
        open_channel(opening(HOTLINE, "hotline", "http://127.0.0.1:1", repeat_days=-1))
    with pytest.raises(SettingsError, match="units"):
        open_channel(opening(HOTLINE, "hotline", "http://127.0.0.1:1", units={"a": QIBAO, "b": QIBAO}))


async def test_backstage_over_http(rig: Rig) -> None:
    """As the demo drives it; no fault hits it there."""
    rig.hotline.faults.set(Mode.BROKEN)
    async with ClientSession() as session:
        acted = await session.post(f"{rig.hotline.url}/_acts", json={"action": "派单", "form": dict(ORDER), "at": AT})
        assert await acted.json() == {"changeNo": 1, "number": "SYN-RX-0001"}
        refused = await session.post(
            f"{rig.hotline.url}/_acts", json={"action": "结案", "number": "SYN-RX-0001", "form": {}}
        )
        assert refused.status == 409
        seen = await (await session.get(f"{rig.hotline.url}/_state")).json()
        assert seen["threads"]["SYN-RX-0001"]["status"] == "待接单"
