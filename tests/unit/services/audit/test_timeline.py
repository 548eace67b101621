"""Timelines: who, what, when, gap, whose move; and nothing that its reader may not know."""

import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.calendar import packaged
from contracts.canonical import timestamp
from contracts.counting import Unit
from contracts.deliveries import Stage, StageReached
from contracts.horizons import Horizons
from contracts.outages import Outage
from contracts.records import Record
from contracts.rules import By, Extending, Period, Rule, Source, Start, collect
from events.registry import facts
from services.audit.timeline import Thread, case_timeline, exchange_timeline, summary
from tests.support.factory import BUS, CASE, TIME, world
from tests.support.federation import QINGPU_BUS, federated
from tests.support.play import JUSTICE, MINHANG, POLICE, QINGPU, XUHUI, Play
from tests.support.registered import registered

AGENCIES = world().agencies
NOW = TIME + timedelta(hours=2)
LATER = TIME + timedelta(days=40)


def rule(name: str, kind: str, duty: Literal["sender", "recipient"], starts: str, *stops: str, **more: Any) -> Rule:
    """An invented rule of 24 hours; `starts`: facts."""
    return Rule(
        id=name,
        kind=kind,
        title=f"title of {name}",
        title_zh=f"示例{name}",
        starts=tuple(Start(fact=fact, by=By.ACCEPTED) for fact in starts.split()),
        stops=stops,
        duty=duty,
        limit=Period(amount=24, unit=Unit.HOURS),
        consequence="none",
        source=Source(law="示例规定", article="第一条", verified=False),
        valid_from=date(2020, 1, 1),
        **more,
    )


RULES = collect(
    [
        rule("X-RECEIPT", "transfer", "recipient", "sent forwarded", "receipted"),
        rule(
            "X-ACCEPTANCE",
            "transfer",
            "recipient",
            "receipted",
            "accepted",
            suspends=("supplement_requested",),
            resumes=("supplemented",),
            extends=Extending(most=1, by="other_side"),
        ),
        rule("X-APPROVAL", "referral", "sender", "reported", "approved"),
        rule("X-LETTER", "referral", "sender", "approved", "sent"),
        rule("X-POLICE", "referral", "recipient", "sent", "receipted"),
    ]
)


@pytest.fixture(scope="module")
def forwarded() -> list[Record]:
    play = Play("transfer").given(
        (MINHANG, "transfer.sent"), (QINGPU, "transfer.receipted"), (QINGPU, "transfer.forwarded", {"recipient": XUHUI})
    )
    return registered(play)


def timeline(
    records: list[Record],
    reader: str,
    stages: list[StageReached] | None = None,
    outages: list[Outage] | None = None,
    now: datetime = NOW,
) -> dict[str, Any]:
    return exchange_timeline(
        records, stages or [], outages or [], reader, AGENCIES, now=now, rules=RULES, calendars=packaged()
    )


def of_case(exchanges: list[list[Record]], reader: str) -> dict[str, Any]:
    told = [(records, list[StageReached]()) for records in exchanges]
    return case_timeline(CASE, told, [], reader, AGENCIES, now=NOW, rules=RULES, calendars=packaged())


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
    found = of_case([forwarded, late], MINHANG)
    steps = [(entry["exchange"], entry["sequence"]) for entry in entries(found)]
    first, second = forwarded[0].exchange, late[0].exchange
    assert steps == [(first, 1), (second, 1), (first, 2), (first, 3)]
    assert found["case"] == CASE
    assert [item["exchange"] for item in listed(found)] == [first, second]
    assert [entry["gap_s"] for entry in entries(found)] == [None, None, 60.0, 60.0]


def test_the_same_summary_from_records_and_from_a_row(forwarded: list[Record]) -> None:
    thread = Thread.of(forwarded)
    assert datetime.fromisoformat(thread.opened) < datetime.fromisoformat(thread.changed)
    found = timeline(forwarded, MINHANG)
    head = {name: found[name] for name in found if name not in {"entries", "clocks", "running", "delay"}}
    assert summary(thread, AGENCIES, MINHANG) == head


# --- clocks


def test_a_clock_says_whose_duty_it_is_until_when_and_on_what_basis(forwarded: list[Record]) -> None:
    met, void, running = timeline(forwarded, MINHANG)["clocks"]
    due = "2026-11-06T03:00:00.000000Z"  # the hour of the start is not counted
    assert running == {
        "rule": "X-RECEIPT",
        "version": "X-RECEIPT@2020-01-01",
        "title_zh": "示例X-RECEIPT",
        "title_en": "title of X-RECEIPT",
        "agency": agency(XUHUI),
        "started_by": 3,
        "started_at": timestamp(TIME + timedelta(minutes=3)),
        "due": due,
        "original_due": due,
        "state": "running",
        "overdue": False,
        "late_s": 0.0,
        "stopped_by": None,
        "stopped_at": None,
        "warned": None,
        "expired": None,
        "annulled": None,
        "extensions": [],
        "suspensions": [],
        "provisional": [],
        "basis": "X-RECEIPT@2020-01-01 示例规定 第一条 (not verified 未核实)",
        "verified": False,
        "trace": running["trace"],
    }
    assert running["trace"][0].endswith("starts")
    assert (met["agency"], met["state"], met["stopped_by"]) == (agency(QINGPU), "met", 2)
    assert met["stopped_at"] == timestamp(TIME + timedelta(minutes=2))
    assert (void["rule"], void["state"], void["stopped_by"]) == ("X-ACCEPTANCE", "void", 3)


def test_a_clock_past_due_is_overdue_by_legal_time(forwarded: list[Record]) -> None:
    due = datetime.fromisoformat("2026-11-06T03:00:00+00:00")
    for now, overdue, late in ((due, False, 0.0), (due + timedelta(seconds=90), True, 90.0)):
        found = timeline(forwarded, MINHANG, now=now)
        clock = found["clocks"][-1]
        assert (clock["state"], clock["overdue"], clock["late_s"]) == ("running", overdue, late)
        assert found["running"] == [
            {"rule": "X-RECEIPT", "agency": XUHUI, "due": timestamp(due), "overdue": overdue},
        ]


def test_a_clock_that_stands_still_says_since_when() -> None:
    play = Play("transfer").given(
        (MINHANG, "transfer.sent"), (QINGPU, "transfer.receipted"), (QINGPU, "transfer.supplement_requested")
    )
    _, clock = timeline(registered(play), MINHANG)["clocks"]
    assert clock["state"] == "suspended"
    assert clock["suspensions"] == [[timestamp(TIME + timedelta(minutes=3)), None]]
    play.given((MINHANG, "transfer.supplemented"))
    _, clock = timeline(registered(play), MINHANG)["clocks"]
    assert clock["state"] == "running"
    assert clock["suspensions"] == [[timestamp(TIME + timedelta(minutes=minutes)) for minutes in (3, 4)]]
    assert clock["due"] > clock["original_due"]


def test_a_clock_that_a_hidden_event_touched_is_not_there() -> None:
    moves = ((MINHANG, "referral.reported"), (MINHANG, "referral.approved"), (MINHANG, "referral.sent"))
    records = registered(Play("referral").given(*moves))

    def rules(reader: str) -> list[str]:
        return [clock["rule"] for clock in timeline(records, reader)["clocks"]]

    assert rules(MINHANG) == rules(JUSTICE) == ["X-APPROVAL", "X-LETTER", "X-POLICE"]
    assert rules(POLICE) == ["X-POLICE"]


def test_a_clock_that_a_hidden_event_stopped_or_suspended_is_not_there() -> None:
    play = Play("transfer").given(
        (MINHANG, "transfer.sent"), (QINGPU, "transfer.receipted"), (QINGPU, "transfer.supplement_requested")
    )
    sent, receipted, requested = registered(play)

    def rules(*records: Record) -> list[str]:
        found = timeline([*records], JUSTICE)
        assert {clock["rule"] for clock in found["running"]} <= {clock["rule"] for clock in found["clocks"]}
        return [clock["rule"] for clock in found["clocks"]]

    assert rules(sent, receipted, requested) == ["X-RECEIPT", "X-ACCEPTANCE"]
    assert rules(sent, receipted, unseen(requested)) == ["X-RECEIPT"]
    assert rules(sent, unseen(receipted), requested) == []


# --- delay


def test_the_delay_says_whose_the_time_was_until_now(forwarded: list[Record]) -> None:
    outage = Outage(bus=BUS, service="gateway", begun=NOW - timedelta(minutes=5), ended=NOW)
    movers = zip(forwarded, (QINGPU, QINGPU, XUHUI), (61, 150, 181), strict=True)
    stages = [stage(record, mover, "delivered", after) for record, mover, after in movers]
    delay = timeline(forwarded, MINHANG, stages, outages=[outage])["delay"]
    assert (delay["from"], delay["to"], delay["span_s"]) == (
        timestamp(TIME + timedelta(minutes=1)),
        timestamp(NOW),
        7140.0,
    )
    assert delay["segments"][1] == {
        "from": timestamp(TIME + timedelta(minutes=1, seconds=1)),
        "to": timestamp(TIME + timedelta(minutes=2)),
        "seconds": 59.0,
        "account": agency(QINGPU),
        "cause": "forwarding",
        "cause_zh": "转送",
        "after": 1,
    }
    assert [(item["account"]["agency"], item["cause"], item["seconds"]) for item in delay["totals"]] == [
        (XUHUI, "receipt", 6719.0),
        (BUS, "outage", 300.0),
        (BUS, "transport", 2.0),
        (QINGPU, "forwarding", 119.0),
    ]


def test_the_delay_of_what_has_ended_does_not_grow() -> None:
    records = registered(Play("transfer").given((MINHANG, "transfer.sent"), (MINHANG, "common.withdrawn")))
    assert timeline(records, MINHANG, now=LATER)["delay"]["span_s"] == 60.0


def test_of_the_time_after_a_stub_a_reader_learns_only_whose_it_was() -> None:
    moves = ((MINHANG, "referral.reported"), (MINHANG, "referral.approved"), (MINHANG, "referral.sent"))
    records = registered(Play("referral").given(*moves))
    stages = [stage(records[2], POLICE, "delivered", 190)]
    whole, cut = (timeline(records, reader, stages) for reader in (MINHANG, POLICE))
    assert [item["cause"] for item in whole["delay"]["segments"][:-2]] == ["preparation", "preparation"]
    before, *after = cut["delay"]["segments"]
    # What the stubs say themselves: when the first was recorded; of the second nothing.
    assert (before["cause"], before["account"]["agency"], before["after"]) == ("withheld", MINHANG, 1)
    assert (before["from"], before["to"]) == (cut["entries"][0]["recordedtime"], cut["entries"][2]["acceptedtime"])
    assert (cut["delay"]["from"], cut["delay"]["span_s"]) == (before["from"], whole["delay"]["span_s"] - 1)
    assert after == whole["delay"]["segments"][-2:]


@given(
    lengths=st.lists(st.timedeltas(timedelta(), timedelta(days=400)), min_size=4, max_size=4),
    begun=st.timedeltas(timedelta(), timedelta(days=400)),
)
def test_seconds_add_up_exactly_as_decimals(
    forwarded: list[Record], lengths: list[timedelta], begun: timedelta
) -> None:
    times = [TIME + sum(lengths[: place + 1], timedelta()) for place in range(len(lengths))]
    records = [
        record.model_copy(update={"event": {**record.event, "acceptedtime": timestamp(time)}})
        for record, time in zip(forwarded, times, strict=False)
    ]
    outage = Outage(bus=BUS, service="gateway", begun=TIME + begun, ended=TIME + begun + lengths[0])
    document = timeline(records, MINHANG, outages=[outage], now=times[-1])
    delay = json.loads(orjson.dumps(document), parse_float=Decimal)["delay"]
    assert sum(item["seconds"] for item in delay["segments"]) == delay["span_s"]
    assert sum(item["seconds"] for item in delay["totals"]) == delay["span_s"]


# --- a case


def test_a_case_has_clocks_and_delay_for_each_exchange_and_sums_over_all(forwarded: list[Record]) -> None:
    other = registered(Play("transfer").given((MINHANG, "transfer.sent")))
    found = of_case([forwarded, other], MINHANG)
    for records, head in zip((forwarded, other), listed(found), strict=True):
        alone = timeline(records, MINHANG)
        assert head == {name: alone[name] for name in alone if name != "entries"}
    delays = [head["delay"] for head in listed(found)]
    assert found["delay"].keys() == {"totals"}
    assert sum(item["seconds"] for item in found["delay"]["totals"]) == sum(delay["span_s"] for delay in delays)
    sums = {(item["account"]["agency"], item["cause"]): item["seconds"] for item in found["delay"]["totals"]}
    assert sums[BUS, "transport"] == 7020.0 + 60.0 + 7140.0


def entries(document: dict[str, Any]) -> list[dict[str, Any]]:
    return list(document["entries"])


def listed(document: dict[str, Any]) -> list[dict[str, Any]]:
    return list(document["exchanges"])


def agency(code: str) -> dict[str, str]:
    known = AGENCIES.by_code[code]
    return {"agency": code, "name": known.name, "name_en": known.name_en}


def test_what_may_still_be_on_its_way_from_another_bus_is_undetermined() -> None:
    play = Play("transfer").given((MINHANG, "transfer.sent"), (QINGPU, "transfer.receipted"))
    records = registered(play)
    later, directory = TIME + timedelta(days=30), federated().agencies
    due = play.clock("TR-02").due.instant

    def told(reached: dict[str, datetime]) -> tuple[object, object]:
        found: dict[str, Any] = exchange_timeline(
            records,
            [stage(record, code, "delivered", 1) for record in records for code in record.standing.parties],
            [],
            MINHANG,
            directory,
            now=later,
            rules=world().rules,
            calendars=packaged(),
            horizons=Horizons(directory, BUS, reached),
        )
        (clock,) = (item for item in found["clocks"] if item["rule"] == "TR-02")
        return clock["overdue"], clock.get("undetermined")

    assert told({}) == (False, True), "nothing was heard of it yet"
    assert told({QINGPU_BUS: due - timedelta(seconds=1)}) == (False, True)
    assert told({QINGPU_BUS: due}) == (True, None)
