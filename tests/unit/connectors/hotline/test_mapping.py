"""热线: both sides of every form, what gets lost, and which order repeats which."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.channel import Confirmed, Stated
from connectors.errors import Unreadable
from connectors.forms.table import Form
from connectors.hotline.mapping import OURS, THEIRS, Options, arrival, asks_for, losses, repeated, reply
from connectors.identity import event_of, exchange_of
from contracts.codec import copy_for
from events import workorder
from events.fact import Fact
from events.fields import FieldClass
from services.kernel.exchange import Registration
from tests.support.channels import begun, state
from tests.support.factory import event, new_exchange
from tests.support.forms import change, require_round_trip
from tests.support.made import made
from tests.support.parcels import copied
from tests.support.play import Play

HOTLINE, QIBAO = "310000-rx", "310112102-cg"
NUMBER = "SYN-RX-0001"
OPTIONS = Options(units={"MH-QB": QIBAO})

ORDER: Final[Mapping[str, Any]] = {
    "orderNo": NUMBER,
    "source": "12345",
    "type": "举报违法建筑",
    "limit": "5个工作日",
    "unit": "MH-QB",
    "title": "露台搭建玻璃房(虚构)",
    "content": "来电人反映示例路8弄1号露台搭建玻璃房。(虚构)",
    "category": "城乡规划",
    "bigClass": "SYN-02",
    "smallClass": "SYN-0207",
    "address": "闵行区七宝镇示例路8弄1号",
    "division": "310112102",
    "recordedAt": "2026-11-05 09:50:00",
    "dispatchedAt": "2026-11-05 10:00:00",
    "callerName": "赵示例",
    "callerPhone": "13000000001",
    "callerVia": "12345 电话",
    "firstContact": "是",
    "urgency": "平件",
    "contactName": "钱示例",
    "contactPhone": "021-00000021",
}

LOSABLE = frozenset({"/links", "/dossier", "/rule", "/link", "/cause/code", "/place/wgs84", "/place/red_line"})
FORMS = [*THEIRS.values(), *OURS.values()]

_NUMBERED: Final[Mapping[str, Any]] = {"number": NUMBER}


def stated(action: str, form: Mapping[str, Any], **members: Any) -> Stated:
    found = arrival(HOTLINE, change(action, form, **{**_NUMBERED, **members}), OPTIONS)
    assert isinstance(found, Stated)
    return found


def earlier(number: str, id_: int, at: str, **members: Any) -> dict[str, Any]:
    """An order as the hotline tells of it."""
    told = {name: ORDER[name] for name in ("address", "division", "smallClass")}
    return {"number": number, "changeNo": id_, "dispatchedAt": at, **told, **members}


# --- both sides


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.action)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_form_says_what_the_fact_says_but_for_its_losses(form: Form, data: st.DataObject) -> None:
    require_round_trip(form, data.draw(_facts(form.fact)), LOSABLE)


@pytest.mark.parametrize("limit", ["1个工作日", "5个工作日", "15个工作日", "未定"])
def test_limits(limit: str) -> None:
    fact = stated("派单", {**ORDER, "limit": limit}).fact
    assert isinstance(fact, workorder.Dispatched)
    assert THEIRS["派单"].fill(fact.model_dump(mode="json"))["limit"] == limit


def test_an_order_is_stated_under_ids_that_its_numbers_make() -> None:
    found = stated("派单", ORDER, id_=17)
    assert found == stated("派单", ORDER, id_=17)
    assert (found.id, found.exchange) == (event_of(HOTLINE, NUMBER, "17"), exchange_of(HOTLINE, NUMBER))
    assert (found.kind, found.case, found.reference, found.known) == ("workorder", NUMBER, NUMBER, None)
    assert found.time.isoformat() == "2026-11-05T10:00:00+08:00"
    assert isinstance(found.fact, workorder.Dispatched)
    assert (found.fact.recipient, found.fact.first_contact) == (QIBAO, True)


def test_what_follows_is_stated_in_the_same_exchange() -> None:
    found = stated("督办", {"text": "请尽快联系来电人。"}, id_=18, externalNo=exchange_of(HOTLINE, NUMBER))
    assert (found.exchange, found.case) == (exchange_of(HOTLINE, NUMBER), None)


def test_who_opened_our_reply_is_a_confirmation() -> None:
    assert arrival(HOTLINE, change("签收", {"id": "parcel-1"}), OPTIONS) == Confirmed("parcel-1", "retrieved")


def test_the_caller_is_the_hotlines_alone() -> None:
    fact = stated("派单", ORDER).fact
    signed = event(HOTLINE, fact, exchange=new_exchange())
    copied = str(copy_for(signed, [FieldClass.PUBLIC, FieldClass.PERSONAL])["data"])
    assert "赵示例" in str(signed["data"])
    assert not any(word in copied for word in ("赵示例", "13000000001", "12345 电话"))


@pytest.mark.parametrize(
    ("action", "form"),
    [
        ("派单", {**ORDER, "type": "赵示例的来电"}),
        ("派单", {**ORDER, "orderNo": "SYN-RX-9999"}),
        ("派单", {name: value for name, value in ORDER.items() if name != "content"}),
        ("派单", {**ORDER, "dispatchedAt": "2026/11/05"}),
        ("派单", {**ORDER, "limit": "限期"}),
        ("派单", {**ORDER, "unit": ["MH-QB"]}),
        ("升级", {}),
        ("签收", {}),
    ],
)
def test_what_cannot_be_understood_is_told_without_its_values(action: str, form: Mapping[str, Any]) -> None:
    with pytest.raises(Unreadable, match=r"^change 1") as caught:
        stated(action, form)
    assert "赵示例" not in str(caught.value)


# --- the whole way, by the rules of the kind


def test_the_whole_way_of_an_order() -> None:
    """Every fact that the hotline states may follow, and each reply says what was done."""
    play = begun("workorder", exchange_of(HOTLINE, NUMBER))
    redo = {"ground": "诉求未解决", "groundText": "来电人不满意, 露台仍有框架。(虚构)"}
    checked = {"verifiedAt": "2026-11-12 10:00:00", "verifiedBy": "钱示例", "satisfaction": "满意"}
    steps: list[Any] = [
        ("派单", ORDER),
        ("workorder.sent_back", {}),
        ("维持", {"ground": "属于承办单位职责", "groundText": "违法建筑由城管查处。"}),
        ("workorder.accepted", {"channel": "hotline_12345"}),
        ("督办", {"text": "请尽快处置。", "respondBy": "2026-11-10"}),
        ("common.extension_requested", {}),
        ("同意延期", {"newDate": "2026-11-30"}),
        ("workorder.case_linked", {}),
        ("workorder.done", {}),
        ("重办", redo),
        ("workorder.done", {}),
        ("核查通过", checked),
        ("结案", {"closedAt": "2026-11-12 11:00:00"}),
        ("评价", {"unit": "MH-QB", "timeliness": "满意", "quality": "很满意"}),
    ]
    for id_, (name, form) in enumerate(steps, start=1):
        theirs = name in THEIRS
        answer = state(play, HOTLINE, stated(name, form, id_=id_)) if theirs else _says(play, QIBAO, name, **form)
        assert isinstance(answer, Registration), (name, answer)
    assert play.standing.status == "closed"
    replies = [reply(_event(play, number), NUMBER, OPTIONS) for number in (2, 4, 6, 8, 9)]
    assert [item["action"] for item in replies] == ["退单", "接单", "延期申请", "诉转案", "办结"]
    assert [item["unit"] for item in replies] == ["MH-QB"] * 5
    assert [item["number"] for item in replies] == [NUMBER] * 5


def test_first_contact_goes_with_its_time() -> None:
    play = _accepted()
    form = reply(_event(play, 2), NUMBER, OPTIONS)["form"]
    assert isinstance(form, dict)
    assert (form["contactedAt"], form["reached"]) == ("2026-11-05 14:30:00", "是")


def test_what_has_no_form_goes_as_our_whole_copy() -> None:
    play = _accepted()
    assert isinstance(_says(play, "310112-sfj", "common.chased"), Registration)
    copy = _event(play, 3)
    found = reply(copy, NUMBER, OPTIONS)
    assert (found["action"], found["form"]) == ("告知", {"title": "督办", "kind": "workorder"})
    assert found["document"] == copy
    assert losses(copy) == ()


def test_the_loss_report() -> None:
    play = _accepted()
    assert losses(_event(play, 2)) == ()
    link = {"relation": "became", "kind": "transfer", "exchange": new_exchange()}
    linked = _says(play, QIBAO, "workorder.case_linked", link=link, cause={"name": "搭建", "code": "GH-01"})
    assert isinstance(linked, Registration)
    lost = {loss.pointer: loss.zh for loss in losses(_event(play, 3))}
    assert set(lost) == {"/data/link", "/data/cause/code"}
    assert lost["/data/cause/code"] == "案由·案由代码: 对方表单无此栏"


@cache
def _facts(of: type[Fact]) -> st.SearchStrategy[dict[str, Any]]:
    return made(of, **({"limit": st.just("none"), "do_by": st.none()} if "limit" in of.model_fields else {}))


def _accepted() -> Play:
    play = begun("workorder", exchange_of(HOTLINE, NUMBER))
    assert isinstance(state(play, HOTLINE, stated("派单", ORDER)), Registration)
    assert isinstance(_says(play, QIBAO, "workorder.accepted", channel="hotline_12345"), Registration)
    return play


def _says(play: Play, source: str, name: str, **members: Any) -> Any:
    return play.when(source, name, by={"case": NUMBER}, **members)


def _event(play: Play, sequence: int) -> dict[str, Any]:
    return copied(play, sequence, HOTLINE)


# --- 重复件


AGAIN = change("派单", {**ORDER, "orderNo": "SYN-RX-0003"}, id_=30, number="SYN-RX-0003")


def test_the_hotline_says_that_an_order_repeats_another() -> None:
    said = change("派单", {**ORDER, "repeatOf": "SYN-RX-0002"}, id_=30, number=NUMBER)
    assert asks_for(said, OPTIONS) is None
    assert repeated(said, (), OPTIONS) == "SYN-RX-0002"
    found = arrival(HOTLINE, said, OPTIONS, "SYN-RX-0002")
    assert isinstance(found, Stated)
    assert isinstance(found.fact, workorder.Dispatched)
    [link] = found.fact.links
    assert (link.relation, link.kind, str(link.exchange)) == (
        "repeats",
        "workorder",
        exchange_of(HOTLINE, "SYN-RX-0002"),
    )


def test_no_order_repeats_itself() -> None:
    assert repeated(change("派单", {**ORDER, "repeatOf": NUMBER}, number=NUMBER), (), OPTIONS) is None


def test_it_is_asked_for_by_place_and_class() -> None:
    assert asks_for(AGAIN, OPTIONS) == {
        "before": "30",
        "since": "2026-10-21 10:00:00",
        "division": "310112102",
        "class": "SYN-0207",
    }
    assert asks_for(AGAIN, Options(repeat_days=0)) is None
    assert asks_for(change("派单", {"address": "示例路"}), OPTIONS) is None
    assert asks_for(change("结案", ORDER), OPTIONS) is None


def test_the_last_order_about_the_same_is_repeated() -> None:
    found = [earlier("SYN-RX-0002", 20, "2026-11-01 10:00:00"), earlier("SYN-RX-0001", 10, "2026-10-25 10:00:00")]
    assert repeated(AGAIN, found, OPTIONS) == "SYN-RX-0002"
    assert repeated(AGAIN, reversed(found), OPTIONS) == "SYN-RX-0002"


def test_an_address_may_be_spelled_otherwise() -> None:
    other = earlier("SYN-RX-0002", 20, "2026-11-01 10:00:00", address="闵行区 七宝镇示例路8弄1号。")
    assert repeated(AGAIN, [other], OPTIONS) == "SYN-RX-0002"


@pytest.mark.parametrize(
    "other",
    [
        earlier("SYN-RX-0002", 20, "2026-10-21 09:59:59"),
        earlier("SYN-RX-0002", 31, "2026-11-01 10:00:00"),
        earlier("SYN-RX-0002", 20, "2026-11-01 10:00:00", smallClass="SYN-0301"),
        earlier("SYN-RX-0002", 20, "2026-11-01 10:00:00", address="闵行区七宝镇示例路8弄2号"),
        earlier("SYN-RX-0003", 20, "2026-11-01 10:00:00"),
    ],
    ids=["too-long-ago", "later", "another-class", "another-place", "itself"],
)
def test_what_is_no_repeat(other: dict[str, Any]) -> None:
    assert repeated(AGAIN, [other], OPTIONS) is None


@given(st.text(max_size=8), st.text(max_size=8))
def test_who_called_plays_no_part(one: str, other: str) -> None:
    before = earlier("SYN-RX-0002", 20, "2026-11-01 10:00:00", callerName=one)
    now = change("派单", {**ORDER, "callerName": other}, id_=30, number="SYN-RX-0003")
    assert repeated(now, [before], OPTIONS) == "SYN-RX-0002"
