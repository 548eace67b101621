"""Links between exchanges: what a fact states, and who may learn of it; and notices that answer each other."""

from typing import Any

from contracts.records import Record
from events.parts import Relation
from services.audit.indicators import indicators
from services.audit.links import RELATIONS, Known, stated, told
from tests.support.counted import DAY, counted
from tests.support.counted import told as exchange
from tests.support.factory import TIME, new_exchange
from tests.support.play import MINHANG, POLICE, QINGPU

HOUSING = "310112-fgj"
OTHER = new_exchange()


def link(relation: str, kind: str, to: str = OTHER, **more: Any) -> dict[str, Any]:
    return {"relation": relation, "kind": kind, "exchange": to, **more}


def known(record: Record) -> list[Known]:
    return [Known(item, record, record.standing, None, None) for item in stated(record)]


def test_a_fact_states_the_links_of_its_opening() -> None:
    (sent,) = exchange("transfer", (0, MINHANG, "transfer.sent", {"links": [link("grew_from", "lead", sequence=3)]}))
    (found,) = stated(sent)
    assert (found.kind, found.exchange, found.sequence) == ("transfer", sent.exchange, 1)
    assert (found.relation, found.to_kind, found.to_exchange, found.to_sequence) == ("grew_from", "lead", OTHER, 3)


def test_an_order_says_what_case_it_became() -> None:
    sender, recipient = MINHANG, "310112102-cg"
    steps = [(0, sender, "workorder.dispatched"), (1, recipient, "workorder.accepted")]
    became = {"link": link("became", "transfer")}
    records = exchange("workorder", *steps, (2, recipient, "workorder.case_linked", became))
    assert [item.relation for record in records for item in stated(record)] == ["repeats", "became"]


def test_both_parties_read_what_an_exchange_is_to_another() -> None:
    (sent,) = exchange("transfer", (0, MINHANG, "transfer.sent", {"links": [link("grew_from", "lead")]}))
    for reader in (MINHANG, QINGPU):
        (found,) = told(known(sent), reader)
        assert isinstance(found, dict)
        assert (found["relation"], found["relation_zh"]) == ("grew_from", "由其产生")
        assert found["to"] == {"kind": "lead", "exchange": OTHER, "sequence": None, "case": None, "status": None}


def test_who_gets_a_stub_of_the_fact_does_not_learn_of_the_link() -> None:
    at = TIME.isoformat()
    records = exchange(
        "referral",
        (0, MINHANG, "referral.reported", {"links": [link("grew_from", "transfer")], "reported_at": at}),
        (1, MINHANG, "referral.approved", {"approved_at": at}),
        (2, MINHANG, "referral.sent", {"approved_at": at}),
    )
    before = known(records[0])
    newest = [Known(item.link, item.record, records[-1].standing, None, None) for item in before]
    assert told(newest, MINHANG)
    assert told(newest, POLICE) == []


def test_every_relation_has_words() -> None:
    assert set(RELATIONS) == set(Relation)


# --- notices 双向告知


def notice(*steps: tuple[Any, ...], **members: Any) -> list[Record]:
    return exchange("notice", (0, MINHANG, "notice.sent", {"recipient": HOUSING, **members}), *steps)


def test_nobody_answers_its_own_notice() -> None:
    asking = notice(feedback="required")
    own = notice(feedback="required", links=[link("answers", "notice", asking[0].exchange)])
    found = indicators([counted(asking), counted(own)], TIME - DAY, TIME + DAY, TIME + DAY)
    assert isinstance(found["total"], dict)
    assert found["total"]["notices"] == {"told": 2, "answered": 0, "open": 2}


def test_notices_are_paired_with_what_answers_them() -> None:
    asking, quiet = notice(feedback="required"), notice(feedback="required")
    answer = exchange(
        "notice",
        (
            *(5, HOUSING, "notice.sent"),
            {
                "recipient": MINHANG,
                "direction": "management_to_enforcement",
                "links": [link("answers", "notice", asking[0].exchange)],
            },
        ),
    )
    items = [counted(records) for records in (asking, quiet, answer)]
    for order in (items, items[::-1]):
        found = indicators(order, TIME - DAY, TIME + DAY, TIME + DAY)
        own = {item["agency"]: item["notices"] for item in found["agencies"] if isinstance(item, dict)}  # type: ignore[union-attr]
        assert own[MINHANG] == {"told": 2, "answered": 1, "open": 1}
        assert own[HOUSING] == {"told": 1, "answered": 0, "open": 1}
        assert isinstance(found["total"], dict)
        assert found["total"]["notices"] == {"told": 3, "answered": 1, "open": 2}
