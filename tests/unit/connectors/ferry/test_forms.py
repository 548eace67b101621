import pytest

from connectors.channel import Confirmed
from connectors.errors import Unreadable
from connectors.ferry.forms import (
    Column,
    Form,
    book,
    cited,
    fill,
    losses,
    read,
    stated,
    title,
    understood,
)
from connectors.identity import event_of
from contracts.canonical import Document
from contracts.codec import dump
from events.common import Withdrawn
from events.referral import Filed, Sent
from tests.support.factory import example
from tests.support.parcels import parcel

EXCHANGE = "0193a000-0000-7000-8000-000000000002"
COLUMNS = (
    Column("wh", "number", number=True),
    Column("zm", "charge/name"),
    Column("qx", "way", {"held": "3", "later": "2"}),
    Column("yz", "complete", {True: "1", False: "0"}),
    Column("ry", "persons", rows=(Column("xm", "name"),)),
)


def test_columns_are_read_both_ways() -> None:
    data: Document = {
        "number": "闵公立〔2026〕3号",
        "charge": {"name": "罪"},
        "way": "held",
        "complete": False,
        "persons": [{"name": "甲"}],
    }
    form = fill(COLUMNS, data)
    assert form == {"wh": "闵公立〔2026〕3号", "zm": "罪", "qx": "3", "yz": "0", "ry": [{"xm": "甲"}]}
    assert read(COLUMNS, form) == data


def test_a_document_number_comes_into_its_one_form() -> None:
    assert read(COLUMNS, {"wh": "闵公立[2026]3号"}) == {"number": "闵公立〔2026〕3号"}
    assert read(COLUMNS, {"wh": "无号"}) == {"number": "无号"}


def test_what_is_withheld_is_neither_carried_nor_lost() -> None:
    data: Document = {"charge": {"name": {"_sd": "x"}}, "_salts": {"/a": "b"}}
    assert fill(COLUMNS, data) == {}
    assert losses(Sent, data, {}) == ()


def test_a_value_without_a_code_of_theirs_is_lost() -> None:
    assert [
        loss.pointer for loss in losses(Sent, {"way": "with_case"}, read(COLUMNS, fill(COLUMNS, {"way": "with_case"})))
    ] == ["/data/way"]


def test_a_loss_is_told_by_the_name_of_the_member() -> None:
    assert title(Sent, "/circumstances/place/wgs84") == "WGS 84 坐标"
    assert title(Sent, "/dossier/test_report/pending/reason") == "原因"
    (loss,) = losses(Sent, {"purpose": "示例"}, {})
    assert "用途" in loss.zh
    assert "/purpose" in loss.en
    assert "示例" not in loss.zh + loss.en


def test_attachments_are_found_once_each_and_digests_of_other_things_are_not() -> None:
    sent = example("referral.sent")
    sent["data"] = {**sent["data"], "again": sent["data"], "_salts": {"digest": "sha-256:0", "media_type": "x"}}  # type: ignore[dict-item]
    found = cited(parcel("310112-ga", sent).item)
    assert found[0] == f"sha-256:{'0b' * 32}"
    assert len({*found}) == len(found)
    assert cited({"kind": "stub", "stub": {}}) == ()


def test_two_forms_of_one_code_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="two forms"):
        book((Form("a", "甲", Filed, ()), Form("a", "乙", Sent, ())))


BOOK = book((Form("chtz", "撤回通知", Withdrawn, (Column("ly", "reason"),)),))
HEAD = {"bdlx": "chtz", "lsh": "7", "wlbh": EXCHANGE, "ywlx": "referral", "sj": "2026-11-12T10:00:00+08:00"}


def test_a_form_becomes_a_fact_with_an_id_of_its_numbers() -> None:
    found = stated(BOOK, "310112-ga", {**HEAD, "nr": {"ly": "示例"}, "yzxh": 4, "ajbh": "A1"}, exchange=EXCHANGE)
    assert found.id == event_of("310112-ga", "7", "chtz")
    assert dump(found.fact) == {"reason": "示例"}
    assert (found.kind, found.exchange, found.known, found.reference) == ("referral", EXCHANGE, 4, "A1")


def test_what_is_said_of_an_item_is_a_confirmation() -> None:
    assert understood(BOOK, "310112-ga", {"bdlx": "yy", "jbh": "p"}) == Confirmed("p", "retrieved")
    assert understood(BOOK, "310112-ga", {"bdlx": "tj", "jbh": "p", "sm": "示例"}) == Confirmed("p", "failed", "示例")


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({}, "without bdlx"),
        ({**HEAD, "bdlx": "zz"}, "no form zz"),
        ({**HEAD, "wlbh": "张三"}, "wlbh"),
        ({**HEAD, "nr": {}}, "reason: Field required"),
        ({**HEAD, "nr": "text"}, "reason: Field required"),
        ({**HEAD, "nr": {"ly": "示例"}, "sj": "yesterday"}, "chtz"),
        ({"bdlx": "yy"}, "without jbh"),
    ],
)
def test_a_form_that_says_nothing_is_said_to_and_shows_no_value(form: dict[str, object], said: str) -> None:
    with pytest.raises(Unreadable) as error:
        understood(BOOK, "310112-ga", form)  # type: ignore[arg-type]
    assert "张三" not in str(error.value)
    assert said in str(error.value).replace("ly:", "reason:")
