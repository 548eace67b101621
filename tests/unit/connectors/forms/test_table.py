"""Tables of two sides: what is withheld or empty is not there, and what cannot be understood says where, not what."""

import pytest

from connectors.errors import Unreadable
from connectors.forms.members import leaves, losses, title
from connectors.forms.table import (
    LOCAL,
    NUMBERED,
    Cell,
    Form,
    Rows,
    Terms,
    by_action,
    by_type,
    fill,
    local,
    moment,
    read,
)
from connectors.identity import event_of, exchange_of
from contracts.canonical import Document
from contracts.codec import copy_for
from events import workorder
from events.fields import FieldClass
from events.referral import Filed, Sent
from tests.support.factory import event, fact, new_exchange

CELLS = (
    Cell("/a", "first"),
    Cell("/part/time", "when", LOCAL),
    Cell("/part/kind", "kind", Terms({"x": "甲", "y": "乙"})),
    Cell("/rows", "rows", Rows((Cell("/n", "number"),))),
    Cell("/done", "done", Terms({True: "1", False: "0"})),
    Cell("/letter", "letterNo", NUMBERED),
)


def test_both_ways() -> None:
    data: Document = {
        "a": "1",
        "part": {"time": "2026-11-05T10:00:00+08:00", "kind": "y"},
        "rows": [{"n": 1}, {"n": 2}],
        "done": False,
        "letter": "闵公立〔2026〕3号",
    }
    form = fill(CELLS, data)
    assert form == {
        "first": "1",
        "when": "2026-11-05 10:00:00",
        "kind": "乙",
        "rows": [{"number": 1}, {"number": 2}],
        "done": "0",
        "letterNo": "闵公立〔2026〕3号",
    }
    assert read(CELLS, form) == data


def test_a_document_number_comes_into_its_one_form() -> None:
    assert read(CELLS, {"letterNo": "闵公立[2026]3号"}) == {"letter": "闵公立〔2026〕3号"}
    assert read(CELLS, {"letterNo": "无号"}) == {"letter": "无号"}


def test_what_is_withheld_or_empty_is_not_there_but_an_empty_list_is() -> None:
    assert fill(CELLS, {"a": {"_sd": "digest"}, "part": {"_sd": "digest"}, "rows": []}) == {"rows": []}
    assert read(CELLS, {"first": " ", "letterNo": "", "when": None, "rows": []}) == {"rows": []}
    assert list(leaves({"a": {"_sd": "d"}, "b": [{"c": False}], "_salts": {"/a": "s"}})) == [("/b/0/c", False)]


def test_times_are_beijing_times() -> None:
    assert LOCAL.out("2026-11-05T02:00:00.5Z") == "2026-11-05 10:00:00"
    assert local(moment("2026-11-05 10:00:00")) == "2026-11-05 10:00:00"


@pytest.mark.parametrize(
    ("form", "where"),
    [
        ({"when": "昨天王某"}, "when"),
        ({"kind": "王某"}, "kind"),
        ({"rows": "王某"}, "rows"),
        ({"rows": ["王某"]}, "rows"),
    ],
)
def test_what_cannot_be_understood_says_where_and_not_what(form: dict[str, object], where: str) -> None:
    with pytest.raises(Unreadable, match=f"^{where}: ") as caught:
        read(CELLS, form)  # type: ignore[arg-type]  # what a partner sends
    assert "王" not in str(caught.value)


def test_a_fact_that_breaks_its_rules_says_where_and_not_what() -> None:
    closed = Form("结案", workorder.Closed, (Cell("/closed_at", "closedAt"), Cell("/note", "note")))
    with pytest.raises(Unreadable, match="/closed_at") as caught:
        closed.read({"closedAt": "王某说的那天"})
    assert "王" not in str(caught.value)


def test_losses_name_the_member_by_its_term_and_not_its_value() -> None:
    done = Form("办结", workorder.Done, (Cell("/resolution", "conclusion"),))
    lost = {item.pointer: item for item in done.losses({"resolution": "resolved", "handled_by": {"phone": "1300"}})}
    assert set(lost) == {"/handled_by"}
    assert lost["/handled_by"].zh == "经办人: 对方表单无此栏"
    assert "1300" not in str(lost)


def test_a_member_of_a_part_that_is_there_is_named_by_both_terms() -> None:
    done = Form("办结", workorder.Done, (Cell("/handled_by/name", "by"), Cell("/done_at", "doneAt", LOCAL)))
    phone, at = done.losses(
        {"handled_by": {"name": "李示例", "phone": "1300"}, "done_at": "2026-11-05T10:00:00.5+08:00"}
    )
    assert phone.zh == "经办人·电话: 对方表单无此栏"
    assert (at.zh, at.en) == ("办结时间: 对方表单写不全", "/done_at: their form does not hold all of it")


def test_what_a_form_leaves_out_of_a_list_is_named_by_its_place_there() -> None:
    lost = losses(Sent, {"goods": [{"name": "甲"}, {"name": "乙", "unit": "吨"}]}, {"goods": [{"name": "乙"}]})
    assert [loss.pointer for loss in lost] == ["/goods/0", "/goods/1/unit"]


def test_a_code_without_a_word_of_theirs_is_lost() -> None:
    goods = Form("移送", Sent, (Cell("/way", "qx", Terms({"held": "3"})), Cell("/open", "kq", Terms({}, open=True))))
    assert goods.fill({"way": "with_case", "open": "x"}) == {"kq": "x"}
    assert [loss.pointer for loss in goods.losses({"way": "with_case"})] == ["/way"]


def test_a_member_has_its_title() -> None:
    assert title(Sent, "/circumstances/place/wgs84") == "WGS 84 坐标"
    assert title(Sent, "/dossier/test_report/pending/reason") == "原因"
    assert title(Sent, "/strange") == "strange"


def test_two_forms_or_fields_of_one_name_are_a_mistake() -> None:
    forms = (Form("a", Filed, ()), Form("a", Sent, ()))
    with pytest.raises(ValueError, match="two forms"):
        by_action(forms)
    with pytest.raises(ValueError, match="two forms"):
        by_type((*forms, *forms))
    with pytest.raises(ValueError, match="two fields of a"):
        Form("a", Filed, (Cell("/number", "wh"), Cell("/filed_on", "wh")))


def test_a_withheld_member_is_no_loss() -> None:
    sent = event("310000-rx", fact("workorder.closed"), exchange=new_exchange())
    cut = copy_for(sent, [FieldClass.PUBLIC])
    nothing = Form("结案", workorder.Closed, ())
    data = cut["data"]
    assert isinstance(data, dict)
    assert {loss.pointer for loss in nothing.losses(data)} == {pointer for pointer, _ in leaves(data)}


def test_ids_of_what_a_partner_numbers() -> None:
    assert exchange_of("310000-rx", "SYN-RX-0001") == "8fe057e3-a92c-5629-8d99-61d3be79ec39"
    assert event_of("310000-rx", "SYN-RX-0001", "17") == "f053c5df-dd84-5ff3-b3d1-3965e708e6fb"
    ids = {exchange_of("a", "b"), exchange_of("b", "a"), event_of("a", "b", "1"), event_of("a", "b1", "")}
    assert len(ids) == 4
