"""Timelines: who, what, when, gap, whose move; and nothing that its reader may not know."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from contracts.canonical import timestamp
from contracts.deliveries import Stage, StageReached
from contracts.records import Record
from events.registry import facts
from services.audit.timeline import Thread, case_timeline, exchange_timeline, summary
from tests.support.factory import BUS, CASE, TIME, world
from tests.support.play import JUSTICE, MINHANG, QINGPU, XUHUI, Play
from tests.support.registered import registered

AGENCIES = world().agencies


@pytest.fixture(scope="module")
def forwarded() -> list[Record]:
    play = Play("transfer").given(
        (MINHANG, "transfer.sent"), (QINGPU, "transfer.receipted"), (QINGPU, "transfer.forwarded", {"recipient": XUHUI})
    )
    return registered(play)


def timeline(records: list[Record], reader: str, stages: list[StageReached] | None = None) -> dict[str, Any]:
    return exchange_timeline(records, stages or [], reader, AGENCIES)


def stage(record: Record, recipient: str, name: Stage, after: int) -> StageReached:
    return StageReached(
        bus=BUS,
        kind=record.kind,
        exchange=record.exchange,
        sequence=record.sequence,
        recipient=recipient,
        stage=name,
        time=TIME + timedelta(seconds=after),
    )


def unseen(record: Record) -> Record:
    return record.model_copy(update={"audience": ("sender",)})


def test_the_head_says_where_the_exchange_stands(forwarded: list[Record]) -> None:
    found = timeline(forwarded, MINHANG)
    assert found["kind"] == "transfer"
    assert found["exchange"] == forwarded[0].exchange
    assert (found["case"], found["home"]) == (CASE, BUS)
    assert (found["status"], found["ended"], found["sequence"], found["hops"]) == ("sent", False, 3, 1)
    assert found["opener"]["agency"] == MINHANG
    assert found["moves"] == [agency(XUHUI)]
    roles = {party["agency"]: party["role"] for party in found["parties"]}
    assert roles == {MINHANG: "sender", QINGPU: "former", XUHUI: "recipient", JUSTICE: "supervisor"}
    assert all(party["name"] and party["name_en"] for party in found["parties"])


def test_each_step_says_who_what_and_when(forwarded: list[Record]) -> None:
    first, second, third = timeline(forwarded, MINHANG)["entries"]
    assert [entry["sequence"] for entry in (first, second, third)] == [1, 2, 3]
    assert (first["title_zh"], first["title_en"]) == (facts()[first["type"]].title_zh, "Sent")
    assert first["source"]["agency"] == MINHANG
    assert second["source"]["name"] == AGENCIES.name(QINGPU)
    assert first["event"] == forwarded[0].event
    assert (second["status"], [agency["agency"] for agency in third["moves"]]) == ("receipted", [XUHUI])


def test_the_times_are_never_mixed(forwarded: list[Record]) -> None:
    for entry, record in zip(timeline(forwarded, MINHANG)["entries"], forwarded, strict=True):
        for name in ("time", "acceptedtime", "recordedtime"):
            assert entry[name] == record.event[name]


def test_gaps_are_by_accepted_time(forwarded: list[Record]) -> None:
    assert [entry["gap_s"] for entry in timeline(forwarded, MINHANG)["entries"]] == [None, 60.0, 60.0]


def test_a_reader_gets_its_copies_and_is_told_what_is_withheld(forwarded: list[Record]) -> None:
    whole, cut = (timeline(forwarded, reader)["entries"][0] for reader in (MINHANG, JUSTICE))
    assert whole["withheld"] == []
    assert whole["receipt"] == forwarded[0].receipt
    assert "/data/circumstances/parties/persons/0/name" in cut["withheld"]
    assert cut["receipt"] == forwarded[0].receipt


def test_copies_are_cut_by_the_newest_standing(forwarded: list[Record]) -> None:
    """A former party reads less, also of what it could read before."""
    before = timeline(forwarded[:2], QINGPU)["entries"][0]["withheld"]
    after = timeline(forwarded, QINGPU)["entries"][0]["withheld"]
    assert set(before) < set(after)


def test_a_stub_tells_nothing_but_that_there_is_something(forwarded: list[Record]) -> None:
    records = [forwarded[0], unseen(forwarded[1]), forwarded[2]]
    stages = [stage(records[1], MINHANG, "delivered", 1), stage(records[1], XUHUI, "delivered", 2)]
    _, stub, after = timeline(records, XUHUI, stages)["entries"]
    assert stub == {
        "kind": "transfer",
        "exchange": records[1].exchange,
        "sequence": 2,
        "recordedtime": records[1].event["recordedtime"],
        "gap_s": None,
        "deliveries": [{**agency(XUHUI), "stage": "delivered", "attempt": 1, "time": timestamp(stages[1].time)}],
        "stub": True,
    }
    assert after["gap_s"] == 120.0  # since what the reader saw last


def test_stages_of_others_are_for_the_author_and_overseers(forwarded: list[Record]) -> None:
    stages = [
        stage(forwarded[0], QINGPU, "retrieved", 5),
        stage(forwarded[0], QINGPU, "delivered", 1),
        stage(forwarded[0], JUSTICE, "delivered", 1),
    ]

    def seen(reader: str) -> list[tuple[str, str]]:
        return [
            (item["agency"], item["stage"]) for item in timeline(forwarded, reader, stages)["entries"][0]["deliveries"]
        ]

    everybody = [(QINGPU, "delivered"), (QINGPU, "retrieved"), (JUSTICE, "delivered")]
    assert sorted(seen(MINHANG)) == sorted(seen(JUSTICE)) == sorted(everybody)
    assert seen(QINGPU) == [(QINGPU, "delivered"), (QINGPU, "retrieved")]
    assert seen(XUHUI) == []


def test_a_case_merges_its_exchanges_by_recorded_time(forwarded: list[Record]) -> None:
    other = registered(Play("transfer", at=TIME).given((MINHANG, "transfer.sent")))
    late = [
        record.model_copy(update={"event": {**record.event, "recordedtime": timestamp(TIME + timedelta(minutes=2))}})
        for record in other
    ]
    found = case_timeline(CASE, [(forwarded, []), (late, [])], MINHANG, AGENCIES)
    steps = [(entry["exchange"], entry["sequence"]) for entry in entries(found)]
    first, second = forwarded[0].exchange, late[0].exchange
    assert steps == [(first, 1), (second, 1), (first, 2), (first, 3)]
    assert found["case"] == CASE
    assert [item["exchange"] for item in listed(found)] == [first, second]
    assert [entry["gap_s"] for entry in entries(found)] == [None, None, 60.0, 60.0]


def test_the_same_summary_from_records_and_from_a_row(forwarded: list[Record]) -> None:
    thread = Thread.of(forwarded)
    assert datetime.fromisoformat(thread.opened) < datetime.fromisoformat(thread.changed)
    head = timeline(forwarded, MINHANG)
    del head["entries"]
    assert summary(thread, AGENCIES) == head


def entries(document: dict[str, Any]) -> list[dict[str, Any]]:
    return list(document["entries"])


def listed(document: dict[str, Any]) -> list[dict[str, Any]]:
    return list(document["exchanges"])


def agency(code: str) -> dict[str, str]:
    known = AGENCIES.by_code[code]
    return {"agency": code, "name": known.name, "name_en": known.name_en}
