import json
import re
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.channel import Confirmed, Stated
from connectors.errors import Unreadable
from connectors.forms.members import losses
from connectors.forms.table import Form, fill, read
from connectors.identity import exchange_of
from connectors.provinces.mapping import FROM_THEM, TO_THEM, incoming, outgoing
from contracts import codec, crosswalk
from contracts.canonical import Document, canonical, parse_object
from events import jointop, lead
from events.fact import Fact
from services.kernel.exchange import Role
from services.leads.lifecycles.lead import LIFECYCLE
from tests.support.factory import EXAMPLES, example
from tests.support.forms import data_of
from tests.support.parcels import parcel

CITY = "330400-cg"
EVERY = [*TO_THEM.values(), *FROM_THEM.values()]
OWN = [form for form in FROM_THEM.values() if form.fact.type().split(".")[2] != "common"]


def named(form: Form) -> str:
    return form.action


def examples(fact: type[Fact]) -> list[Document]:
    return [json.loads(path.read_bytes()) for path in sorted((EXAMPLES / fact.type()).glob("valid-*.json"))]


def crossed(document: Document, recipient: str = CITY) -> Document:
    found = crosswalk.packaged().cross(document, recipient, date(2026, 11, 5))
    assert found is not None
    return found.document()


def test_a_city_can_say_all_that_it_may_say_of_a_lead() -> None:
    may = {fact for fact, roles in LIFECYCLE.speakers.items() if Role.RECIPIENT in roles}
    assert may | {lead.Opened, lead.Closed} <= {form.fact for form in FROM_THEM.values()}


@pytest.mark.parametrize("form", EVERY, ids=named)
def test_whatever_stands_in_the_columns_comes_back(form: Form) -> None:
    @given(data_of(form.cells))
    def check(data: Document) -> None:
        assert read(form.cells, fill(form.cells, data)) == data

    check()


@pytest.mark.parametrize("form", OWN, ids=named)
def test_what_they_state_is_our_fact_but_for_what_is_told(form: Form) -> None:
    for document in examples(form.fact):
        fact = form.fact.model_validate_json(canonical(document["data"]))
        data = codec.dump(fact)
        content = fill(form.cells, data)
        theirs: Document = {
            "bdlx": form.action,
            "lsh": "7",
            "wlbh": document["exchange"],
            "sj": document["time"],
            "nr": content,
        }
        found = incoming(CITY, parse_object(canonical(theirs)))
        assert isinstance(found, Stated)
        assert type(found.fact) is form.fact
        restored = codec.dump(found.fact)
        told = {re.sub(r"/\d+$", "", loss.pointer) for loss in losses(form.fact, data, restored)}
        assert told <= {
            "/circumstances/place/wgs84",
            "/circumstances/place/red_line",
            "/retain_until",
            "/links",
            "/steps",
        }
        assert (found.kind, found.exchange, found.case) == (document["kind"], document["exchange"], None)


def test_the_letter_has_the_cause_as_they_call_it_and_as_we_do() -> None:
    opened = example("lead.opened")
    found = outgoing(parcel(CITY, opened, crosswalk=crossed(opened)))
    form: Any = found.form
    content = form["nr"]
    assert (form["bdlx"], form["bdmc"]) == ("xch", "协查函")
    assert (content["lhay"], content["lhaydm"]) == ("擅自倾倒建筑垃圾", "SYN-31-01")
    theirs = crossed(opened)["causes"][0]["theirs"]  # type: ignore[index, call-overload]
    assert (content["ay"], content["aydm"]) == (theirs["name"], theirs["code"])  # type: ignore[index, call-overload]
    assert content["ay"] != content["lhay"] or content["aydm"] != content["lhaydm"]
    assert content["afqhmc"] == "闵行区"
    assert content["xclx"] == "溯源"
    assert content["ysgj"][1]["cm"] == "示例货0088"
    assert form["dz"]["ay"][0]["zgbm"] == "综合行政执法部门"


def test_the_loss_report_names_what_the_crosswalk_loses_and_what_the_form_has_no_place_for() -> None:
    opened = example("lead.opened")
    found = outgoing(parcel(CITY, opened, crosswalk=crossed(opened)))
    pointers = [loss.pointer for loss in found.losses]
    assert pointers[0] == "/crosswalk/losses/0"
    assert "/data/circumstances/place/wgs84" in pointers
    assert [loss.zh for loss in found.losses if loss.pointer.startswith("/crosswalk")] == found.form["dzsm"]
    assert len(found.form["dzsm"]) == len(crossed(opened)["losses"])  # type: ignore[arg-type]


def test_a_cause_without_an_equivalent_leaves_their_column_empty_and_says_so() -> None:
    opened: Any = example("lead.opened")
    opened["data"]["circumstances"]["cause"] = {"name": "示例案由"}
    found = outgoing(parcel(CITY, opened, crosswalk=crossed(opened)))
    content: Any = found.form["nr"]
    assert "ay" not in content
    assert content["lhay"] == "示例案由"
    assert "没有已知对应" in str(found.form["dzsm"])


def test_what_stays_in_its_province_is_not_mapped() -> None:
    found = outgoing(parcel("310118-cg", example("lead.opened")))
    assert "dz" not in found.form
    assert found.form["nr"]["lhay"] == "擅自倾倒建筑垃圾"  # type: ignore[index, call-overload]


def test_every_event_of_theirs_has_a_form_or_is_told_member_by_member() -> None:
    for kind in ("lead", "jointop"):
        for folder in sorted(EXAMPLES.glob(f"cn.liandong.{kind}.*")):
            for path in folder.glob("valid-*.json"):
                document = json.loads(path.read_bytes())
                assert canonical(outgoing(parcel(CITY, document)).form)


def asks(**changes: Any) -> Document:
    data = codec.dump(lead.Opened.model_validate_json(canonical(example("lead.opened")["data"])))
    content = fill(FROM_THEM["xch"].cells, {**data, "recipients": ["310112-cg"]})
    form: dict[str, Any] = {
        "bdlx": "xch",
        "ajbh": "嘉协2026-1",
        "lsh": "1",
        "sj": "2026-11-05T10:00:00+08:00",
        "nr": content,
    }
    return {**form, **changes}


def test_a_city_opens_a_lead_of_its_own_and_speaks_in_it_by_its_own_number() -> None:
    opened = incoming(CITY, asks())
    closed = incoming(
        CITY,
        asks(bdlx="bjtz", lsh="2", nr={"jg": "示例", "bjrq": "2026-11-20"}),
    )
    assert isinstance(opened, Stated)
    assert isinstance(closed, Stated)
    assert opened.exchange == closed.exchange == exchange_of(CITY, "嘉协2026-1")
    assert (opened.case, closed.case) == ("嘉协2026-1", None)
    assert opened.reference == "嘉协2026-1"
    assert isinstance(opened.fact, lead.Opened)
    assert opened.fact.circumstances.cause.name == "擅自倾倒建筑垃圾"


def test_a_letter_without_parties_has_nobody_known_in_it() -> None:
    form: Any = asks()
    for name in ("xyr", "xydw"):
        form["nr"].pop(name, None)
    found = incoming(CITY, form)
    assert isinstance(found, Stated)
    assert isinstance(found.fact, lead.Opened)
    assert not found.fact.circumstances.parties.known


def test_a_joint_operation_is_confirmed_at_the_time_that_was_proposed() -> None:
    proposed = example("jointop.proposed")
    form: Any = outgoing(parcel(CITY, proposed)).form
    answer = {"bdlx": "qrcj", "lsh": "3", "wlbh": proposed["exchange"], "sj": "2026-11-06T10:00:00+08:00"}
    found = incoming(CITY, {**answer, "nr": {"kssj": form["nr"]["kssj"], "ddrxm": "冯示例", "ddrdh": "0573-00000011"}})
    assert isinstance(found, Stated)
    assert isinstance(found.fact, jointop.Confirmed)
    assert found.kind == "jointop"


def test_that_they_opened_it_is_a_confirmation() -> None:
    assert incoming(CITY, {"bdlx": "yy", "jbh": "x"}) == Confirmed("x", "retrieved")


@given(
    st.dictionaries(
        st.sampled_from(["bdlx", "lsh", "wlbh", "ajbh", "sj", "nr", "jbh", "ywlx"]),
        st.one_of(st.none(), st.integers(), st.sampled_from([*FROM_THEM]), st.just({})),
    )
)
def test_nonsense_is_unreadable_and_nothing_else(form: dict[str, Any]) -> None:
    try:
        incoming(CITY, form)
    except Unreadable:
        return
