"""A grid centre's form, both ways: what survives, what is lost and named, and what must never go out."""

import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from connectors.errors import Unreadable
from connectors.grid.mapping import (
    INNER,
    REMARK,
    STEPS,
    WITHHELD,
    Change,
    Told,
    change_number,
    noted,
    pictures,
    read_change,
    read_step,
    stated,
    told,
)
from connectors.identity import exchange_of
from connectors.losses import Loss
from contracts.canonical import Document, instant
from contracts.codec import copy_for, dump, sign_event
from events import workorder
from events.fact import Fact
from events.fields import FieldClass
from events.parts import (
    Position,
    Relation,
)
from events.registry import facts
from tests.support.factory import example, fact, key
from tests.support.workorders import FACTS, LETTERS, any_fact, pruned

CENTRE = "310112-cyzx"
TEAM = "310112102-cg"
AT = "2026-11-05 10:00:00"


def event_of(fact_: Fact) -> Document:
    return {"type": fact_.type(), "source": TEAM, "data": dump(fact_)}


def leaves(value: JsonValue, here: str = "") -> Iterator[str]:
    yield here
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, f"{here}/{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, f"{here}/{index}")


# --- ours, theirs, ours


def test_every_step_is_drawn() -> None:
    assert len(FACTS) == len(STEPS)


@given(any_fact)
def test_what_is_not_named_as_lost_comes_back(fact_: Fact) -> None:
    sent = told(event_of(fact_))
    back = read_step(sent.action, sent.detail, CENTRE)
    gone = [loss.pointer for loss in sent.losses]
    assert type(back) is type(fact_)
    # Only what is lost in part is there to be left out: an instant that has lost its fractions.
    assert pruned(dump(back), [pointer for pointer in gone if pointer.endswith("_at")]) == pruned(dump(fact_), gone)


@given(any_fact)
def test_what_is_named_as_lost_is_there_and_does_not_come_back(fact_: Fact) -> None:
    event = event_of(fact_)
    sent = told(event)
    there = set(leaves(event["data"], "/data"))
    back = dump(read_step(sent.action, sent.detail, CENTRE))
    for loss in sent.losses:
        assert loss.pointer in there
        assert loss.zh
        assert loss.en
        # Fractions of a second are lost, the second is not.
        if not loss.pointer.endswith("_at"):
            assert value_at(back, loss.pointer) != value_at(dump(fact_), loss.pointer)


def value_at(data: JsonValue, pointer: str) -> JsonValue:
    value: JsonValue = {"data": data}
    for part in pointer.split("/")[1:]:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


@given(any_fact)
def test_their_form_has_words_for_every_loss(fact_: Fact) -> None:
    assert not [loss for loss in told(event_of(fact_)).losses if loss.zh.startswith("成员 ")]


# --- theirs, ours, theirs


@given(any_fact, st.integers(1, 10**6), st.booleans())
def test_a_change_of_theirs_comes_back_whole(fact_: Fact, number: int, ours: bool) -> None:
    exchange = "0193a000-0000-7000-8000-000000000014"
    sent = told(event_of(fact_))
    change = Change.model_validate({
        "changeNo": number,
        "caseNo": "闵网格〔2026〕000123号",
        "externalId": exchange if ours else None,
        "action": sent.action,
        "time": AT,
        "detail": sent.detail,
    })  # fmt: skip
    found = stated(change, CENTRE)
    assert found is not None
    assert told(event_of(found.fact)) == Told(sent.action, sent.detail, ())
    assert (found.id, found.kind, found.reference) == (f"grid-{number}", "workorder", change.case_no)
    assert found.exchange == (exchange if ours else exchange_of(CENTRE, change.case_no))
    assert found.time == instant("2026-11-05T10:00:00+08:00")
    assert (found.case == change.case_no) is isinstance(fact_, workorder.Dispatched)


@given(st.text(LETTERS, min_size=1, max_size=30), st.text(LETTERS, min_size=1, max_size=30))
def test_an_exchange_is_made_of_the_agency_and_their_number(one: str, other: str) -> None:
    assert exchange_of(CENTRE, one) == exchange_of(CENTRE, one) == str(UUID(exchange_of(CENTRE, one)))
    assert (exchange_of(CENTRE, one) == exchange_of(CENTRE, other)) is (one == other)
    assert exchange_of(CENTRE, one) != exchange_of("310104-cyzx", one)


def test_numbers_of_changes_come_back_from_the_ids_of_events() -> None:
    assert change_number("grid-17") == 17
    assert [change_number(other) for other in ("17", "grid-", "grid-x", "0193a000")] == [None] * 4


# --- what is lost, said plainly


def test_the_losses_of_an_order_that_has_everything() -> None:
    order = fact(
        "workorder.dispatched",
        category="planning",
        reporter={"name": "钱示例", "phone": "021-00000001"},
        dossier={"archive": "estate", "number": "SYN-1"},
        contact={"name": "孙示例", "phone": "021-00000011", "address": "示例路1号"},
        links=[{"relation": "answers", "kind": "notice", "exchange": "0193a000-0000-7000-8000-000000000114"}],
        place={
            "address": "示例路12号",
            "division": "310112",
            "red_line": "inside",
            "wgs84": {"longitude": "121.1", "latitude": "31.1"},
            "cgcs2000": {"longitude": "121.2", "latitude": "31.2"},
        },
        recorded_at="2026-11-05T09:20:00.5+08:00",
    )
    assert sorted(loss.pointer for loss in told(event_of(order)).losses) == [
        "/data/category",
        "/data/contact/address",
        "/data/dossier",
        "/data/links/0",
        "/data/place/red_line",
        "/data/place/wgs84",
        "/data/recorded_at",
        "/data/reporter",
    ]
    assert noted([Loss("/data/category", "案件大类", "category")]) == [
        {"pointer": "/data/category", "zh": "案件大类", "en": "category"}
    ]


@pytest.mark.parametrize("name", ["workorder.dispatched", "workorder.done", "workorder.sent_back", "workorder.closed"])
def test_the_examples_lose_what_is_known(name: str) -> None:
    expected = {"workorder.dispatched": ["/data/category"]}
    assert [loss.pointer for loss in told(example(name)).losses] == expected.get(name, [])


def test_a_second_system_of_coordinates_is_lost_and_the_nations_is_kept() -> None:
    sent = told(event_of(fact("workorder.dispatched", place={
        "address": "示例路12号", "division": "310112",
        "wgs84": {"longitude": "121.1", "latitude": "31.1"}, "cgcs2000": {"longitude": "121.2", "latitude": "31.2"},
    })))  # fmt: skip
    assert sent.detail["location"] == {
        "address": "示例路12号", "areaCode": "310112", "x": "121.2", "y": "31.2", "coordSystem": "CGCS2000",
    }  # fmt: skip


# --- facts without a step


UNFORMED = sorted(
    {type_ for type_ in facts().values() if type_.__module__ in {"events.workorder", "events.common"}}
    - {step.fact for step in STEPS},
    key=lambda type_: type_.name(),
)


@pytest.mark.parametrize("type_", UNFORMED, ids=lambda type_: type_.name())
def test_facts_without_a_step_go_in_words_and_say_so(type_: type[Fact]) -> None:
    sent = told(example(f"common.{type_.name()}"))
    text = str(sent.detail["text"])
    assert sent.action == REMARK
    assert text.startswith(type_.title_zh)
    assert not re.search(r"\b[a-z]+_[a-z_]+: ", text), "every member has a term"
    assert [loss.pointer for loss in sent.losses] == ["/data"]


def test_more_time_by_a_rule_is_nobodys_step() -> None:
    sent = told(event_of(fact("common.extension_granted", rule="WO-1")))
    assert (sent.action, sent.detail) == (REMARK, {"text": "同意延期。新的期限: 2026-12-10; 时限规则: WO-1"})


# --- what must not go out


def cut(document: Document, *allowed: FieldClass) -> Document:
    salts = iter(range(1000))
    signed = sign_event(document, key(str(document["source"])), lambda: f"{next(salts):022}")
    return copy_for(signed, allowed)


@given(any_fact)
def test_neither_salts_nor_digests_nor_reporters_go_out(fact_: Fact) -> None:
    document: Document = {**example("workorder.closed"), "type": fact_.type(), "data": dump(fact_)}
    for allowed in ((), (FieldClass.PERSONAL,), tuple(FieldClass)):
        sent = told(cut(document, *allowed)).detail
        names = {pointer.rpartition("/")[2] for pointer in leaves(sent)}
        assert not names & {"_salts", "_sd", "reporter"}


def test_withheld_text_is_said_to_be_withheld() -> None:
    sent = told(cut(example("workorder.done"), FieldClass.PUBLIC))
    assert sent.detail["resultText"] == sent.detail["operator"] == sent.detail["operatorPhone"] == WITHHELD
    assert "李示例" not in json.dumps(sent.detail, ensure_ascii=False)
    assert sent.detail["operatorDept"] == "七宝镇综合行政执法队"


def test_what_a_copy_withholds_is_not_called_lost() -> None:
    order = fact("workorder.dispatched", category=None, reporter={"name": "钱示例", "phone": "021-00000001"})
    copy = cut({**example("workorder.dispatched"), "data": dump(order)}, FieldClass.PUBLIC, FieldClass.PERSONAL)
    assert told(copy).losses == ()


# --- what comes in and is not of the form


def a_change(**members: Any) -> Document:
    return {
        "changeNo": 7,
        "caseNo": "闵网格〔2026〕000001号",
        "action": "结案",
        "time": AT,
        "detail": {"closedAt": AT},
        **members,
    }


@pytest.mark.parametrize("action", sorted(INNER))
def test_steps_of_their_own_house_state_nothing(action: str) -> None:
    assert stated(read_change(a_change(action=action)), CENTRE) is None


def test_what_we_did_ourselves_states_nothing() -> None:
    assert stated(read_change(a_change(byExternalId="p1")), CENTRE) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"action": "飞检"},
        {"time": "5.11.2026"},
        {"detail": {}},
        {"detail": {"closedAt": "soon"}},
        {"externalId": "no uuid"},
        {"action": "核查不通过", "detail": {"reasonType": "未整改到位"}},
        {"action": "处置完成", "detail": {"photosBefore": "none"}},
        {"action": "派遣", "detail": {"location": "here"}},
    ],
)
def test_what_is_not_of_the_form_is_unreadable(wrong: dict[str, Any]) -> None:
    with pytest.raises(Unreadable, match="change 7"):
        stated(read_change(a_change(**wrong)), CENTRE)


@pytest.mark.parametrize("wrong", [None, [], {"changeNo": "x"}, a_change(caseNo=" "), a_change(changeNo=0)])
def test_lines_that_are_none(wrong: Any) -> None:
    with pytest.raises(Unreadable):
        read_change(wrong)


def test_an_unreadable_change_is_described_without_its_values() -> None:
    with pytest.raises(Unreadable) as caught:
        stated(read_change(a_change(action="处置完成", detail={"operator": "李示例", "result": "李示例"})), CENTRE)
    assert "李示例" not in str(caught.value)
    assert "resolution" in str(caught.value)


def test_a_reporter_of_theirs_is_not_taken() -> None:
    detail = told(example("workorder.dispatched")).detail
    change = read_change(
        a_change(action="派遣", detail={**detail, "reporter": "钱示例", "reporterPhone": "021-00000001"})
    )
    found = stated(change, CENTRE)
    assert found is not None
    assert isinstance(found.fact, workorder.Dispatched)
    assert found.fact.reporter is None


def test_an_order_without_a_number_of_its_own_has_that_of_the_case() -> None:
    detail = {name: value for name, value in told(example("workorder.dispatched")).detail.items() if name != "orderNo"}
    found = stated(read_change(a_change(action="派遣", detail=detail)), CENTRE)
    assert found is not None
    assert isinstance(found.fact, workorder.Dispatched)
    assert found.fact.number == "闵网格〔2026〕000001号"


def test_coordinates_that_are_numbers_and_an_order_that_grew_from_another() -> None:
    detail: Document = {
        **told(example("workorder.dispatched")).detail,
        "location": {"address": "示例路", "areaCode": "310112", "x": 121.3541, "y": 31, "coordSystem": "CGCS2000"},
        "related": [{"relation": "来源案卷", "caseNo": "闵网格〔2026〕000009号"}],
    }
    order = read_step("派遣", detail, CENTRE)
    assert isinstance(order, workorder.Dispatched)
    assert order.place is not None
    assert order.place.cgcs2000 == Position(longitude="121.354100", latitude="31.000000")
    assert [(link.relation, str(link.exchange)) for link in order.links] == [
        (Relation.GREW_FROM, exchange_of(CENTRE, "闵网格〔2026〕000009号"))
    ]


def test_pictures_of_a_step() -> None:
    assert len(pictures(told(example("workorder.done")).detail)) == 2
    assert pictures({"photos": [None, {"name": "a"}], "photosAfter": None}) == [{"name": "a"}]
