import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.channel import Stated
from connectors.errors import Unreadable
from connectors.forms.members import losses
from connectors.forms.table import Form, fill, read
from connectors.identity import event_of
from connectors.police.mapping import FORMS, incoming, outgoing
from contracts import codec
from contracts.canonical import Document, canonical, parse_object
from contracts.disclosure import cut, salted
from events.fact import Fact
from events.fields import FieldClass
from events.referral import Sent
from services.kernel.exchange import Role
from services.transfers.lifecycles.referral import LIFECYCLE
from tests.support.factory import EXAMPLES, example
from tests.support.forms import data_of
from tests.support.parcels import parcel

POLICE = "310112-ga"
OWN = [form for form in FORMS if form.fact.type().split(".")[2] == "referral"]
FROM_THEM = [form for form in OWN if Role.RECIPIENT in LIFECYCLE.speakers[form.fact]]


def examples(fact: type[Fact]) -> list[Document]:
    return [json.loads(path.read_bytes()) for path in sorted((EXAMPLES / fact.type()).glob("valid-*.json"))]


def put_back(data: Any, pointers: list[str], original: Any) -> Any:
    """Data with what was lost taken from the original again."""
    for pointer in pointers:
        _, *above, last = pointer.split("/")
        target, source = data, original
        for name in above:
            source = source[int(name)] if isinstance(source, list) else source[name]
            target = target[int(name)] if isinstance(target, list) else target.setdefault(name, {})
        target[last] = source[last]
    return data


def without_nothing(value: Any) -> Any:
    """Without empty lists, which say nothing."""
    if isinstance(value, dict):
        found = {name: without_nothing(item) for name, item in value.items()}
        return {name: item for name, item in found.items() if item not in ([], {})}
    return [without_nothing(item) for item in value] if isinstance(value, list) else value


def test_the_recipient_can_say_all_that_its_role_may() -> None:
    may = {fact for fact, roles in LIFECYCLE.speakers.items() if Role.RECIPIENT in roles}
    assert may <= {form.fact for form in FORMS}


@pytest.mark.parametrize("form", OWN, ids=lambda form: form.action)
def test_what_a_form_carries_comes_back_and_the_rest_is_told(form: Form) -> None:
    for document in examples(form.fact):
        data: Any = document["data"]
        restored = read(form.cells, fill(form.cells, data))
        lost = [loss.pointer for loss in losses(form.fact, data, restored)]
        assert without_nothing(put_back(restored, lost, data)) == without_nothing(data)


@pytest.mark.parametrize("form", OWN, ids=lambda form: form.action)
def test_whatever_stands_in_the_columns_comes_back(form: Form) -> None:
    @given(data_of(form.cells))
    def check(data: Document) -> None:
        assert read(form.cells, fill(form.cells, data)) == data
        assert losses(form.fact, data, data) == ()

    check()


def test_the_letter_is_their_form_with_its_numbers_and_list_of_materials() -> None:
    sent = example("referral.sent")
    found = outgoing(parcel(POLICE, sent, sequence=4))
    form: Any = found.form
    assert (form["bdlx"], form["bdmc"], form["wlbh"], form["xh"]) == ("ysdj", "涉嫌犯罪案件移送书", sent["exchange"], 4)
    assert form["nr"]["ysbh"] == "闵城执刑移〔2026〕3号"
    assert form["nr"]["clyss"][0]["mc"] == "涉嫌犯罪案件移送书"
    assert form["nr"]["cljyjddbyy"] == "已委托检测,报告尚未出具"
    assert form["nr"]["afjd"] == "121.238100"
    assert form["nr"]["sprzw"] == "1"


def test_the_loss_report_of_a_letter() -> None:
    found = outgoing(parcel(POLICE, example("referral.sent")))
    assert [loss.pointer for loss in found.losses] == [
        "/data/circumstances/place/wgs84",
        "/data/circumstances/manifests",
        "/data/purpose",
        "/data/internal_opinion",
    ]
    assert "联单" in found.losses[1].zh


def test_what_the_police_may_not_read_is_not_in_the_form() -> None:
    sent = example("referral.sent")
    data = {**sent["data"], "internal_opinion": "不外传"}  # type: ignore[dict-item]
    counter = iter(range(1000))
    safe = cut(Sent, salted(Sent, data, lambda: f"{next(counter):024d}"), [FieldClass.PUBLIC])
    form = outgoing(parcel(POLICE, {**sent, "data": safe}))
    assert "不外传" not in str(form)
    assert "郑示例" not in str(form)
    assert not any("internal_opinion" in loss.pointer for loss in form.losses)


@pytest.mark.parametrize("form", FROM_THEM, ids=lambda form: form.action)
def test_what_they_state_is_our_fact(form: Form) -> None:
    for document in examples(form.fact):
        fact = form.fact.model_validate_json(canonical(document["data"]))
        data = codec.dump(fact)
        theirs = {
            "bdlx": form.action,
            "lsh": "ga-7",
            "wlbh": document["exchange"],
            "sj": document["time"],
            "ajbh": "A3101120001",
            "nr": fill(form.cells, data),
        }
        found = incoming(POLICE, parse_object(canonical(theirs)))
        assert isinstance(found, Stated)
        assert found.id == event_of(POLICE, "ga-7", form.action)
        assert (found.kind, found.exchange, found.reference) == ("referral", document["exchange"], "A3101120001")
        lost = losses(form.fact, data, codec.dump(found.fact))
        assert [loss.pointer for loss in lost] == (["/investigation"] if form.action == "lags" else [])


def test_every_event_of_the_exchange_has_a_form_or_is_told_member_by_member() -> None:
    for folder in sorted(EXAMPLES.glob("cn.liandong.referral.*")) + sorted(EXAMPLES.glob("cn.liandong.common.*")):
        for path in folder.glob("valid-*.json"):
            document = json.loads(path.read_bytes())
            form: Any = outgoing(parcel(POLICE, {**document, "kind": "referral"})).form
            assert form["bdlx"]
            assert canonical(form)


def test_their_own_events_come_back_as_notices_of_registration() -> None:
    filed = example("referral.filed")
    form: Any = outgoing(parcel(POLICE, {**filed, "source": POLICE})).form
    assert form["bdlx"] == "djtz"
    assert form["nr"]["sjbh"] == filed["id"]


@pytest.mark.parametrize("wrong", [{"ajth": "0"}, {"lydm": None}, {"jdrq": "昨天"}])
def test_a_form_that_breaks_the_fact_is_unreadable(wrong: Document) -> None:
    good: Document = {
        "wh": "示例〔2026〕1号",
        "jdrq": "2026-11-14",
        "lydm": "manifestly-minor",
        "ly": "示例",
        "ajth": "1",
    }
    exchange = example("referral.sent")["exchange"]
    head: Document = {"bdlx": "byla", "lsh": "1", "wlbh": exchange, "sj": "2026-11-14T10:00:00+08:00"}
    assert isinstance(incoming(POLICE, {**head, "nr": good}), Stated)
    with pytest.raises(Unreadable) as error:
        incoming(POLICE, {**head, "nr": {**good, **wrong}})
    assert "昨天" not in str(error.value)


@given(
    st.dictionaries(
        st.sampled_from(["bdlx", "lsh", "wlbh", "sj", "nr", "jbh"]),
        st.one_of(st.none(), st.integers(), st.sampled_from([form.action for form in FORMS]), st.just({})),
    )
)
def test_nonsense_is_unreadable_and_nothing_else(form: dict[str, Any]) -> None:
    try:
        incoming(POLICE, form)
    except Unreadable:
        return
