import pytest

from connectors.channel import Confirmed
from connectors.errors import Unreadable
from connectors.ferry.letters import cited, stated, understood
from connectors.forms.table import Cell, Form, by_action
from connectors.identity import event_of
from contracts.codec import dump
from events.common import Withdrawn
from tests.support.factory import example
from tests.support.parcels import parcel

EXCHANGE = "0193a000-0000-7000-8000-000000000002"


def test_attachments_are_found_once_each_and_digests_of_other_things_are_not() -> None:
    sent = example("referral.sent")
    sent["data"] = {**sent["data"], "again": sent["data"], "_salts": {"digest": "sha-256:0", "media_type": "x"}}  # type: ignore[dict-item]
    found = cited(parcel("310112-ga", sent).item)
    assert found[0] == f"sha-256:{'0b' * 32}"
    assert len({*found}) == len(found)
    assert cited({"kind": "stub", "stub": {}}) == ()


FORMS = by_action((Form("chtz", Withdrawn, (Cell("/reason", "ly"),), name="撤回通知"),))
HEAD = {"bdlx": "chtz", "lsh": "7", "wlbh": EXCHANGE, "ywlx": "referral", "sj": "2026-11-12T10:00:00+08:00"}


def test_a_form_becomes_a_fact_with_an_id_of_its_numbers() -> None:
    found = stated(FORMS, "310112-ga", {**HEAD, "nr": {"ly": "示例"}, "yzxh": 4, "ajbh": "A1"}, exchange=EXCHANGE)
    assert found.id == event_of("310112-ga", "7", "chtz")
    assert dump(found.fact) == {"reason": "示例"}
    assert (found.kind, found.exchange, found.known, found.reference) == ("referral", EXCHANGE, 4, "A1")


def test_what_is_said_of_an_item_is_a_confirmation() -> None:
    assert understood(FORMS, "310112-ga", {"bdlx": "yy", "jbh": "p"}) == Confirmed("p", "retrieved")
    assert understood(FORMS, "310112-ga", {"bdlx": "tj", "jbh": "p", "sm": "示例"}) == Confirmed("p", "failed", "示例")


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
        understood(FORMS, "310112-ga", form)  # type: ignore[arg-type]
    assert "张三" not in str(error.value)
    assert said in str(error.value).replace("ly:", "reason:")
