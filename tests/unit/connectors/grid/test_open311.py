"""Open311, both ways: what survives, what is lost, what a request states, and where to go on."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from connectors.errors import Unreadable
from connectors.grid.mapping import STEPS
from connectors.grid.open311 import (
    ATTRIBUTES,
    EXTERNAL_ID,
    LONGEST,
    NOT_GIVEN,
    OTHER,
    Cursor,
    Seen,
    read_record,
    request,
    sift,
    stated,
    update,
)
from connectors.identity import exchange_of
from contracts.canonical import Document
from contracts.codec import dump
from events import workorder
from events.fact import Fact
from tests.support.factory import example, fact
from tests.support.workorders import any_fact, dispatched, pruned

CENTRE, TEAM = "310112-cyzx", "310112102-cg"
AT = datetime(2026, 11, 5, 2, tzinfo=UTC)


def event_of(fact_: Fact) -> Document:
    return {"type": fact_.type(), "exchange": "0193a000-0000-7000-8000-000000000014", "data": dump(fact_)}


def a_record(**members: Any) -> dict[str, Any]:
    return {
        "service_request_id": 638344,
        "status": "open",
        "service_name": "违法搭建",
        "service_code": "SYN-0207",
        "description": "示例路12号门前堆物。",
        "requested_datetime": "2026-11-05T10:00:00+08:00",
        "updated_datetime": "2026-11-05T10:00:00+08:00",
        "address": "示例路12号",
        "lat": 31.1552,
        "long": 121.3541,
        **members,
    }


def echoed(form: Document, external: bool) -> dict[str, Any]:
    """The request that a server would show after such a POST; as the agency's own, without its external id."""
    attributes = [
        {"code": name[10:-1], "value": value}
        for name, value in form.items()
        if name.startswith("attribute[") and (external or EXTERNAL_ID not in name)
    ]
    place: dict[str, Any] = {name: float(str(form[name])) for name in ("lat", "long") if name in form}
    shown = {name: form.get(name) for name in ("service_code", "description", "address_id")}
    bare = {name: value for name, value in a_record().items() if name not in {"lat", "long"}}
    return {**bare, **shown, **place, "address": form.get("address_string"), "attributes": attributes}


@given(dispatched(), st.booleans())
def test_what_is_not_named_as_lost_comes_back(order: workorder.Dispatched, served: bool) -> None:
    # Their words for nothing are nobody's class or address.
    assume(order.small_class != OTHER and (order.place is None or order.place.address != NOT_GIVEN))
    sent = request(event_of(order), {order.small_class} if served and order.small_class else {OTHER})
    (back,) = stated(read_record(echoed(sent.detail, external=False)), CENTRE, None, None)
    gone = {loss.pointer for loss in sent.losses}
    assert pruned(dump(back.fact), gone) == pruned(dump(order), gone)
    assert all(loss.zh and loss.en for loss in sent.losses)
    assert all(value is not None for value in sent.detail.values())


@given(dispatched())
def test_what_goes_out_is_of_the_standard(order: workorder.Dispatched) -> None:
    sent = request(event_of(order), {OTHER})
    own = {f"attribute[{name}]" for name in ATTRIBUTES}
    standard = {"service_code", "description", "address_string", "address_id", "lat", "long", "media_url"}
    assert sent.detail.keys() <= own | standard
    assert "address_string" in sent.detail
    assert not [name for name in sent.detail if "reporter" in name]
    assert ("attribute[losses]" in sent.detail) is bool(sent.losses)


def test_what_an_order_loses_there() -> None:
    order = fact("workorder.dispatched", content="堆" * (LONGEST + 1))
    sent = request(event_of(order), {"SYN-0207"})
    assert sorted(loss.pointer for loss in sent.losses) == [
        "/data/category",
        "/data/content",
        "/data/links",
        "/data/photos",
        "/data/recorded_by",
        "/data/remark",
    ]
    assert len(str(sent.detail["description"])) == LONGEST
    assert "案件大类 /data/category" in str(sent.detail["attribute[losses]"])


def test_the_first_photo_has_a_url_where_the_contract_says_which() -> None:
    photo = {"title": "照片", "digest": f"sha-256:{'31' * 32}", "size": 9, "media_type": "image/jpeg"}
    order = fact("workorder.dispatched", photos=[photo, photo])
    sent = request(event_of(order), {"SYN-0207"}, "https://files.example/v1/")
    assert sent.detail["media_url"] == f"https://files.example/v1/{photo['digest']}"
    pointers = [loss.pointer for loss in sent.losses]
    assert "/data/photos" not in pointers
    assert "/data/photos/1" in pointers


def test_a_class_that_they_have_not_goes_as_other_and_is_named() -> None:
    sent = request(example("workorder.dispatched"), {OTHER})
    assert sent.detail["service_code"] == OTHER
    assert "/data/small_class" in [loss.pointer for loss in sent.losses]


@given(any_fact)
def test_later_facts_are_told_in_words(fact_: Fact) -> None:
    form = update({**event_of(fact_), "time": "2026-11-05T10:00:00Z"}, "17", "p1")
    action = next(step.action for step in STEPS if step.fact is type(fact_))
    assert str(form["description"]).startswith(f"{action}。")
    assert form["status"] == ("CLOSED" if action in {"结案", "撤单"} else "OPEN")
    assert (form["service_request_id"], form["update_id"]) == ("17", "p1")


def test_the_words_of_an_update() -> None:
    assert update(example("workorder.sent_back"), "17", "p1")["description"] == (
        "退单。退单理由理由代码: 不在本辖区; 退单理由具体理由: 经现场核实,该商铺位于虹桥镇界内。; "
        "有管辖权的机关名称: 闵行区虹桥镇人民政府(城管执法); 有管辖权的机关单位代码: 310112107-cg; "
        '退单依据: [{"law":"中华人民共和国行政处罚法","article":"第二十二条"}]; '
        '附件: [{"name":"镇界示意图","digest":"sha-256:'
        + "32"
        * 32
        + '","size":48213,"mediaType":"application/pdf"}]; '
        "联系人姓名: 李示例; 联系人电话: 021-00000012; 联系人承办部门: 七宝镇综合行政执法队"
    )


# --- what a request states


def facts_of(record: Any, cursor: Cursor | None = None, recipient: str | None = TEAM) -> list[Fact]:
    return [item.fact for item in stated(read_record(record), CENTRE, recipient, cursor)]


def test_a_bare_request_has_defaults() -> None:
    (order,) = stated(read_record(a_record(expected_datetime="2026-11-20T15:59:59Z")), CENTRE, TEAM, None)
    assert (order.id, order.case, order.reference) == ("open311-638344-dispatched", "638344", "638344")
    assert order.exchange == exchange_of(CENTRE, "638344")
    assert order.time == AT
    assert isinstance(order.fact, workorder.Dispatched)
    assert order.fact.limit is workorder.Limit.DAY
    assert str(order.fact.do_by) == "2026-11-20"
    assert (order.fact.small_class, order.fact.title, order.fact.recipient) == ("SYN-0207", "违法搭建", TEAM)
    assert order.fact.contact.name == order.fact.contact.phone == NOT_GIVEN
    assert order.fact.place is not None
    assert order.fact.place.division == "310112"
    assert order.fact.place.wgs84 is not None
    assert order.fact.place.wgs84.latitude == "31.155200"


def test_a_request_that_says_next_to_nothing() -> None:
    bare = a_record(address=None, lat=None, long="", description=None, service_code=None, service_name=None)
    (order,) = facts_of(bare)
    assert isinstance(order, workorder.Dispatched)
    assert (order.place, order.small_class, order.content, order.title) == (None, None, NOT_GIVEN, NOT_GIVEN)
    assert order.limit is workorder.Limit.NONE


def test_a_request_of_theirs_that_is_closed() -> None:
    record = a_record(status="closed", status_notes="已核查。", updated_datetime="2026-11-06T10:00:00+08:00")
    verified, closed = facts_of(record, Cursor(AT + timedelta(hours=1), frozenset()))
    assert isinstance(verified, workorder.Verified)
    assert isinstance(closed, workorder.Closed)
    assert (verified.note, verified.verified_by) == ("已核查。", NOT_GIVEN)
    assert closed.closed_at == AT + timedelta(days=1)


def test_a_request_of_ours() -> None:
    ours = [
        {"code": "external_id", "value": "0193a000-0000-7000-8000-000000000014"},
        {"code": "source", "value": "督察"},
    ]
    assert facts_of(a_record(attributes=ours)) == []
    record = a_record(attributes=ours, status="closed", status_notes="已清理。", agency_responsible="绿容局")
    found = stated(read_record(record), CENTRE, None, None)
    assert {item.exchange for item in found} == {"0193a000-0000-7000-8000-000000000014"}
    accepted, done = (item.fact for item in found)
    assert isinstance(accepted, workorder.Accepted)
    assert isinstance(done, workorder.Done)
    assert accepted.channel is workorder.Channel.INSPECTION
    assert (done.result, done.handled_by.name, done.contacted) == ("已清理。", "绿容局", False)


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        {},
        a_record(requested_datetime="yesterday"),
        a_record(service_request_id=None),
        a_record(attributes=[{"code": "limit", "value": "尽快"}]),
        a_record(attributes=[{"code": "external_id", "value": "17"}]),
        a_record(
            status="closed", attributes=[{"code": "external_id", "value": "0193a000-0000-7000-8000-000000000014"}]
        ),
        a_record(expected_datetime="soon"),
    ],
)
def test_what_is_not_of_the_form_is_unreadable(wrong: Any) -> None:
    with pytest.raises(Unreadable):
        facts_of(wrong)


def test_a_request_for_nobody_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="recipient"):
        facts_of(a_record(), recipient=None)


# --- where to go on


def seen(id_: int, minutes: int, status: str = "open", requested: int = 0) -> Seen:
    at = (AT + timedelta(minutes=minutes)).isoformat()
    asked = (AT + timedelta(minutes=requested)).isoformat()
    return read_record(a_record(service_request_id=id_, status=status, updated_datetime=at, requested_datetime=asked))


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 5), st.sampled_from(["open", "closed"])), max_size=12))
def test_whatever_is_offered_is_read_once_and_in_order(offered: list[tuple[int, int, str]]) -> None:
    found = [seen(*item) for item in {(id_, status): (id_, at, status) for id_, at, status in offered}.values()]
    new, cursor = sift([*found, *reversed(found)], None)
    assert [item.updated for item in new] == sorted(item.updated for item in found)
    assert len(new) == len(found)
    assert sift(found, cursor) == ([], cursor)
    assert cursor is None or Cursor.read(str(cursor)) == cursor


def test_what_happens_in_the_very_second_of_the_cursor_is_not_missed() -> None:
    new, cursor = sift([seen(1, 0)], None)
    assert len(new) == 1
    new, cursor = sift([seen(1, 0), seen(2, 0)], cursor)
    assert [item.id for item in new] == ["2"]
    new, cursor = sift([seen(1, 0, "closed"), seen(2, 0)], cursor)
    assert [item.mark for item in new] == ["1:closed"]
    assert cursor is not None
    assert cursor.seen == {"1:open", "2:open", "1:closed"}
    assert [fact_.name() for fact_ in facts_of(new[0].record, Cursor(cursor.at, frozenset({"1:open"})))] == [
        "verified",
        "closed",
    ]


def test_an_old_request_that_changes_is_not_opened_again() -> None:
    _, cursor = sift([seen(1, 5)], None)
    new, _ = sift([seen(1, 6), seen(2, 7, requested=7)], cursor)
    assert [len(stated(item, CENTRE, TEAM, cursor)) for item in new] == [0, 1]
