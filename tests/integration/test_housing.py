"""The registry of titles and the housing bureau as they are: the client against the simulator over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest
from aiohttp import ClientSession

from connectors.channel import Confirmed, FileMissing, Handed, PartnerAway, PartnerRefuses, Stated, open_channel
from connectors.housing.client import Housing
from connectors.housing.simulator import HousingSimulator
from connectors.identity import exchange_of
from connectors.simulation import Mode
from services.kernel.exchange import Registration
from tests.support.channels import MemoryFiles, begun, opening, state
from tests.support.parcels import copied, parcel, rejection
from tests.support.play import MINHANG, Play

REGISTRY, BUREAU = "310112-bdc", "310112-fgj"
AT = "2026-11-09 09:30:00"
AWAY = [Mode.SLOW, Mode.BROKEN, Mode.BUSY, Mode.GARBAGE, Mode.OFF, Mode.DYING]

RECORDED: Final = {"registerNo": "SYN-注-2026-0007", "registeredAt": AT, "registrar": "郑示例"}
RELEASED: Final = {"registerNo": "SYN-解-2026-0003", "registeredAt": "2026-11-25 15:00:00"}
REFUSED: Final = {
    "letterNo": "闵登注〔2026〕3号",
    "ground": "证明文件与注记不符",
    "groundText": "整改证明所载部位不符。(虚构)",
    "contactName": "郑示例",
    "contactPhone": "021-00000031",
}
TOLD: Final[Mapping[str, Any]] = {
    "letterNo": "闵房告〔2026〕7号",
    "addressee": MINHANG,
    "direction": "管理告知执法",
    "subject": "属对方职责的事项",
    "content": "物业报告: 示例路8弄1号401室拆改承重墙, 劝阻无效, 请依法查处。(虚构)",
    "feedback": "需反馈",
    "basis": [{"law": "上海市住宅物业管理规定", "article": "第五十九条"}],
    "purpose": "违法行为查处",
    "contactName": "冯示例",
    "contactPhone": "021-00000041",
    "dated": "2026-11-05",
}


@dataclass
class Rig:
    """A partner, and our client of it."""

    agency: str
    partner: HousingSimulator
    client: Housing
    files: MemoryFiles

    async def stated(self, cursor: str | None = None) -> Sequence[Stated | Confirmed]:
        page = await self.client.collect(cursor)
        assert not page.unreadable
        assert not page.more
        return page.arrivals

    async def hand_over(self, play: Play, sequence: int, reference: str | None = None) -> Handed:
        return await self.client.hand_over(parcel(self.agency, copied(play, sequence, self.agency), reference))

    async def acts(self, play: Play, action: str, form: Mapping[str, Any], number: str) -> None:
        """The partner acts, and the bus registers what it states; its own copy needs no call."""
        self.partner.act(action, dict(form), number, AT)
        assert isinstance(state(play, self.agency, (await self.stated())[-1]), Registration), action
        await self.hand_over(play, play.state.sequence)

    def heard(self, number: str) -> list[tuple[Any, Any]]:
        return [(item["seq"], item["action"]) for item in self.partner.threads[number].letters]


async def _rig(agency: str) -> AsyncIterator[Rig]:
    simulator, files = HousingSimulator(), MemoryFiles()
    await simulator.start()
    client = open_channel(opening(agency, "housing", simulator.url, files, timeout=0.5))
    assert isinstance(client, Housing)
    yield Rig(agency, simulator, client, files)
    await client.close()
    await simulator.stop()


@pytest.fixture
async def registry() -> AsyncIterator[Rig]:
    async for rig in _rig(REGISTRY):
        yield rig


@pytest.fixture
async def bureau() -> AsyncIterator[Rig]:
    async for rig in _rig(BUREAU):
        yield rig


def requested(rig: Rig) -> Play:
    """An annotation that 城管 asks for, with its document."""
    document = {
        "title": "认定文书",
        "digest": rig.files.put("认定文书(虚构)".encode()),
        "size": 20,
        "media_type": "application/pdf",
    }
    return Play("annotation").given((MINHANG, "annotation.requested", {"attachments": [document], "dossier": None}))


async def test_an_annotation_and_its_release(registry: Rig) -> None:
    play = requested(registry)
    number = (await registry.hand_over(play, 1)).reference
    assert number == "SYN-SJ-0001"
    assert registry.partner.threads[number].external == play.state.exchange
    assert [*registry.partner.files.values()] == ["认定文书(虚构)".encode()]

    await registry.acts(play, "注记登簿", RECORDED, number)
    assert registry.partner.register == {"SYN-注-2026-0007": number}
    release = {"registerNo": "SYN-注-2026-0007", "source": "随申办", "appliedOn": "2026-11-22"}
    await registry.acts(play, "解除注记申请", release, number)
    proof = {"digest": registry.files.put(b"proof"), "title": "复查照片", "size": 5, "media_type": "image/jpeg"}
    play.given((MINHANG, "annotation.rectification_certified", {"photos": [proof]}))
    await registry.hand_over(play, play.state.sequence, number)
    await registry.acts(play, "不予解注", REFUSED, number)
    again = {"annotation": "SYN-注-2026-0007", "attachments": []}
    play.given((MINHANG, "annotation.release_requested", again))
    await registry.hand_over(play, play.state.sequence, number)
    play.given((MINHANG, "annotation.rectification_certified", {"photos": [proof]}))
    await registry.hand_over(play, play.state.sequence, number)
    await registry.acts(play, "注销注记", RELEASED, number)

    assert play.standing.status == "released"
    assert registry.partner.register == {}
    assert registry.partner.threads[number].status == "已注销"
    assert registry.heard(number) == [(1, "注记申请"), (4, "整改证明"), (6, "解除注记申请"), (7, "整改证明")]


async def test_an_annotation_is_refused(registry: Rig) -> None:
    play = requested(registry)
    number = (await registry.hand_over(play, 1)).reference
    assert number is not None
    await registry.acts(play, "不予注记", {**REFUSED, "ground": "登记簿无此不动产"}, number)
    assert play.standing.status == "refused"


@pytest.mark.parametrize("mode", AWAY)
async def test_whatever_befalls_it_an_application_is_taken_once(registry: Rig, mode: Mode) -> None:
    play = requested(registry)
    registry.partner.faults.set(mode, seconds=1)
    with pytest.raises(PartnerAway):
        await registry.hand_over(play, 1)
    registry.partner.faults.set(Mode.WELL)
    one, other = await registry.hand_over(play, 1), await registry.hand_over(play, 1)
    assert one == other == Handed(reference="SYN-SJ-0001")
    assert registry.heard("SYN-SJ-0001") == [(1, "注记申请")]


@pytest.mark.parametrize("mode", AWAY)
async def test_whatever_befalls_it_its_receipt_is_collected(registry: Rig, mode: Mode) -> None:
    play = requested(registry)
    number = (await registry.hand_over(play, 1)).reference
    registry.partner.act("注记登簿", {**RECORDED}, number, AT)
    registry.partner.faults.set(mode, seconds=1)
    with pytest.raises(PartnerAway):
        await registry.stated()
    registry.partner.faults.set(Mode.WELL)
    [found] = await registry.stated()
    assert isinstance(state(play, REGISTRY, found), Registration)


async def test_dying_again_and_again_nothing_is_entered_twice(registry: Rig) -> None:
    """It dies after the work with every second request; files and letters go again, under the same ids."""
    plays = [requested(registry) for _ in range(10)]
    registry.partner.faults.set(Mode.DYING, share=0.5)
    async with asyncio.timeout(20):
        for play in plays:
            while True:
                try:
                    await registry.hand_over(play, 1)
                    break
                except PartnerAway:
                    continue
    assert len(registry.partner.threads) == 10
    assert [len(thread.letters) for thread in registry.partner.threads.values()] == [1] * 10
    assert len(registry.partner.files) == 1


@pytest.mark.parametrize("mode", [Mode.REPEATING, Mode.DISORDERED])
async def test_offers_that_repeat_or_come_in_another_order(registry: Rig, mode: Mode) -> None:
    plays = [requested(registry) for _ in range(8)]
    for play in plays:
        number = (await registry.hand_over(play, 1)).reference
        registry.partner.act("注记登簿", {**RECORDED, "registerNo": f"SYN-{number}"}, number, AT)
    well = await registry.stated()
    registry.partner.faults.set(mode)
    assert await registry.stated() == well
    assert [item.exchange for item in well if isinstance(item, Stated)] == [play.state.exchange for play in plays]


async def test_a_notice_about_property_firms_is_answered(bureau: Rig) -> None:
    firms = [{"name": "上海示例物业服务有限公司"}]
    sent = {"recipient": BUREAU, "copied": [], "subject": "property_supervision", "property_firms": firms}
    plain: dict[str, Any] = {"decision": None, "attachments": [], "feedback": "required"}
    play = Play("notice").given((MINHANG, "notice.sent", {**sent, **plain}))
    number = (await bureau.hand_over(play, 1)).reference
    assert number is not None
    form = bureau.partner.threads[number].notes["告知单"]
    assert isinstance(form, dict)
    assert (form["subject"], form["propertyFirms"]) == ("物业企业监管告知书", firms)
    await bureau.acts(play, "受告", {"contactName": "冯示例", "contactPhone": "021-00000041"}, number)
    await bureau.acts(play, "跟进反馈", {"result": "已约谈。(虚构)", "followedUpOn": "2026-11-10"}, number)
    play.given((MINHANG, "notice.closed"))
    await bureau.hand_over(play, 4, number)
    assert (play.standing.status, bureau.partner.threads[number].status) == ("closed", "已办结")
    assert bureau.heard(number) == [(1, "告知单"), (4, "办结")]


async def test_what_a_firm_reported_is_passed_on_by_the_bureau_and_answered(bureau: Rig) -> None:
    number = str(bureau.partner.act("告知单", {**TOLD}, at=AT)["number"])
    [found] = await bureau.stated()
    play = begun("notice", exchange_of(BUREAU, number))
    assert isinstance(state(play, BUREAU, found), Registration)
    for name in ("notice.acknowledged", "notice.followed_up"):
        assert isinstance(play.when(MINHANG, name, by={"case": number}, **_bare(name)), Registration)
        await bureau.hand_over(play, play.state.sequence, number)
    await bureau.acts(play, "办结", {"reason": "已处理完毕。(虚构)"}, number)
    assert bureau.heard(number) == [(2, "受告"), (3, "跟进反馈")]


async def test_any_other_business_arrives_as_a_letter(bureau: Rig) -> None:
    play = Play("jointop").given((MINHANG, "jointop.proposed", {"attachments": []}))
    item = parcel("310112-jgw", copied(play, 1, "310112-jgw"))
    handed = await bureau.client.hand_over(replace(item, recipient=BUREAU))
    [letter] = bureau.partner.threads[str(handed.reference)].letters
    assert (letter["business"], letter["document"]) == ("来文", item.item["event"])


async def test_files_that_we_do_not_have_are_our_trouble(registry: Rig) -> None:
    play = requested(registry)
    registry.files.kept.clear()
    with pytest.raises(FileMissing):
        await registry.hand_over(play, 1)
    assert not registry.partner.threads


async def test_what_it_may_not_do_is_refused(registry: Rig) -> None:
    play = requested(registry)
    await registry.hand_over(play, 1)
    play.given((REGISTRY, "annotation.recorded"))
    play.given((MINHANG, "annotation.release_requested", {"attachments": []}))
    with pytest.raises(PartnerRefuses, match="409"):
        await registry.hand_over(play, 3)


async def test_a_rejection_is_told_to_it_once(registry: Rig) -> None:
    for _ in range(2):
        await registry.client.hand_over(rejection(REGISTRY, None, id="1", code="illegal-move", detail="no"))
    assert [error["code"] for error in registry.partner.errors] == ["illegal-move"]


async def test_its_own_facts_and_stubs_need_no_call(registry: Rig) -> None:
    play = requested(registry).given((REGISTRY, "annotation.recorded"))
    await registry.partner.stop()
    own = parcel(REGISTRY, copied(play, 2, REGISTRY))
    stub = replace(own, item={"kind": "stub", "stub": {"stub": True}})
    assert await registry.client.hand_over(own) == await registry.client.hand_over(stub) == Handed()


async def test_backstage_over_http(bureau: Rig) -> None:
    """As the demo drives it; no fault hits it there."""
    bureau.partner.faults.set(Mode.BROKEN)
    url = bureau.partner.url
    async with ClientSession() as session:
        file = await (await session.post(f"{url}/_files", data=b"photo")).json()
        form = {**TOLD, "files": [{"name": "照片", "digest": file["digest"], "size": 5, "mediaType": "image/jpeg"}]}
        acted = await session.post(f"{url}/_acts", json={"action": "告知单", "form": form, "at": AT})
        assert await acted.json() == {"changeNo": 1, "number": "SYN-SJ-0001"}
        seen = await (await session.get(f"{url}/_state")).json()
    assert (seen["threads"]["SYN-SJ-0001"]["status"], seen["files"]) == ("待受告", [file["digest"]])
    bureau.partner.faults.set(Mode.WELL)
    assert len(await bureau.stated()) == 1
    assert [*bureau.files.kept] == [file["digest"]]


def _bare(name: str) -> dict[str, Any]:
    return {"attachments": []} if name == "notice.followed_up" else {}
