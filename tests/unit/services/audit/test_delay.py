"""Whose delay: the time of an exchange is divided whole, and each part is on the right account."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.canonical import instant, timestamp
from contracts.deliveries import StageReached
from contracts.errors import MalformedJson
from contracts.outages import Outage
from contracts.records import Phase, Record
from services.audit.delay import CAUSES_ZH, Cause, Segment, Split, delivered, split, summed
from services.kernel.exchange import UNOPENED, Role
from tests.support.factory import BUS, TIME
from tests.support.play import CITY, MINHANG, POLICE, QINGPU, XUHUI, Play, reached
from tests.support.registered import registered

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
SENT, RECEIPTED = (MINHANG, "transfer.sent"), (QINGPU, "transfer.receipted")
ACCEPTED = (QINGPU, "transfer.accepted")
REQUESTED = (QINGPU, "transfer.supplement_requested")
Move = tuple[object, ...]
Part = tuple[str, Cause, float, int]


def exchange(*moves: Move, kind: str = "transfer", hours: Sequence[float] | None = None) -> list[Record]:
    """The records of these facts, accepted at these hours (one apart) and recorded a second later."""
    records = registered(Play(kind).given(*moves))
    return at(records, [TIME + HOUR * hour for hour in hours or range(len(records))])


def at(records: Sequence[Record], times: Sequence[datetime], lag: timedelta = SECOND) -> list[Record]:
    return [
        record.model_copy(
            update={
                "event": {**record.event, "acceptedtime": timestamp(time), "recordedtime": timestamp(time + lag)},
            }
        )
        for record, time in zip(records, times, strict=True)
    ]


def without_lag(records: Sequence[Record]) -> list[Record]:
    return at(records, [instant(record.event["acceptedtime"]) for record in records], timedelta())


def at_once(
    records: Sequence[Record],
    outages: Sequence[Outage] = (),
    until: datetime | None = None,
    hidden: frozenset[int] = frozenset(),
) -> Split:
    """The split of an exchange whose copies lie with everybody when the facts are accepted."""
    stages = [
        delivery(record, party, instant(record.event["acceptedtime"]))
        for record in records
        for party in record.standing.parties
    ]
    return split(records, stages, outages, until, hidden)


def parts(found: Split) -> list[Part]:
    """(account, cause, hours, after) of each segment."""
    return [(item.account, item.cause, item.length / HOUR, item.after) for item in found.segments]


def divided(*moves: Move, kind: str = "transfer", hours: Sequence[float] | None = None) -> list[Part]:
    """The parts of an exchange in which nothing takes time on its way."""
    return parts(at_once(exchange(*moves, kind=kind, hours=hours)))


def delivery(record: Record, recipient: str, time: datetime, attempt: int = 1) -> StageReached:
    return StageReached(
        bus=BUS,
        kind=record.kind,
        exchange=record.exchange,
        sequence=record.sequence,
        recipient=recipient,
        stage="delivered",
        attempt=attempt,
        time=time,
    )


def outage(begun: float, ended: float, bus: str = BUS) -> Outage:
    return Outage(bus=bus, service="gateway", begun=TIME + HOUR * begun, ended=TIME + HOUR * ended)


# --- what a wait is


def test_each_wait_is_on_the_account_of_whose_move_it_is() -> None:
    found = divided(SENT, RECEIPTED, ACCEPTED, (QINGPU, "transfer.filed"), (QINGPU, "transfer.decided"))
    assert found == [
        (QINGPU, Cause.RECEIPT, 1, 1),
        (QINGPU, Cause.ACCEPTANCE, 1, 2),
        (QINGPU, Cause.PROCESSING, 1, 3),
        (QINGPU, Cause.PROCESSING, 1, 4),
    ]


def test_what_precedes_a_referral_is_the_senders() -> None:
    moves = ((MINHANG, "referral.reported"), (MINHANG, "referral.approved"), (MINHANG, "referral.sent"))
    assert divided(*moves, kind="referral") == [
        (MINHANG, Cause.PREPARATION, 1, 1),
        (MINHANG, Cause.PREPARATION, 1, 2),
    ]


def test_facts_that_move_nothing_leave_the_wait_as_it_is() -> None:
    remarks = ((MINHANG, "common.chased"), (MINHANG, "common.corrected", {"corrects": 1}))
    assert divided(SENT, *remarks, RECEIPTED) == [(QINGPU, Cause.RECEIPT, 3, 1)]
    records = exchange(SENT, *remarks, RECEIPTED)
    found = split(records, [delivery(records[0], QINGPU, TIME + SECOND)], [])
    assert [item.cause for item in found.segments] == [Cause.TRANSPORT, Cause.RECEIPT]


def test_a_withdrawal_that_is_asked_for_waits_for_the_other_side() -> None:
    asked, refused = (MINHANG, "common.withdrawal_requested"), (QINGPU, "common.withdrawal_refused")
    assert divided(SENT, RECEIPTED, ACCEPTED, asked, refused, (QINGPU, "transfer.filed"))[2:] == [
        (QINGPU, Cause.PROCESSING, 1, 3),
        (QINGPU, Cause.COUNTERPART, 1, 4),
        (QINGPU, Cause.PROCESSING, 1, 5),
    ]


def test_a_return_waits_for_the_sender_and_a_dispute_for_the_arbiter() -> None:
    moves = (SENT, RECEIPTED, (QINGPU, "transfer.returned"), (MINHANG, "transfer.disputed"))
    assert divided(*moves, (CITY, "transfer.designated_back"), hours=[0, 1, 2, 4, 7])[2:] == [
        (MINHANG, Cause.COUNTERPART, 2, 3),
        (CITY, Cause.COUNTERPART, 3, 4),
    ]


def test_an_exchange_of_a_bus_that_named_no_phases_is_processing() -> None:
    records = exchange(SENT, RECEIPTED)
    old = [
        record.model_copy(update={"standing": record.standing.model_copy(update={"phase": None})}) for record in records
    ]
    assert parts(at_once(old)) == [(QINGPU, Cause.PROCESSING, 1, 1)]


def test_time_that_goes_back_stands_still() -> None:
    assert divided(SENT, RECEIPTED, ACCEPTED, (QINGPU, "transfer.filed"), hours=[0, 5, 3, 6]) == [
        (QINGPU, Cause.RECEIPT, 5, 1),
        (QINGPU, Cause.PROCESSING, 1, 3),
    ]


# --- where it ends


def test_the_span_ends_with_the_fact_that_ended_the_exchange() -> None:
    moves = (SENT, (MINHANG, "common.withdrawn"), (MINHANG, "common.corrected", {"corrects": 1}))
    found = at_once(exchange(*moves), until=TIME + HOUR * 9)
    assert parts(found) == [(QINGPU, Cause.RECEIPT, 1, 1)]
    assert found.span == HOUR


def test_an_open_exchange_runs_until_now_if_now_is_given() -> None:
    records = exchange(SENT, RECEIPTED)
    assert at_once(records).span == HOUR
    found = at_once(records, until=TIME + HOUR * 5)
    assert parts(found) == [(QINGPU, Cause.RECEIPT, 1, 1), (QINGPU, Cause.ACCEPTANCE, 4, 2)]
    assert at_once(records, until=TIME).span == HOUR


def test_an_exchange_of_one_fact_took_no_time() -> None:
    found = split(exchange(SENT), [], [])
    assert (found.span, found.segments, found.totals()) == (timedelta(), (), {})


# --- the bus's own


def test_the_bus_has_the_time_until_delivery_to_whose_move_it_is() -> None:
    records = exchange(SENT, RECEIPTED)
    stages = [
        delivery(records[0], QINGPU, TIME + HOUR / 2, attempt=2),
        delivery(records[0], QINGPU, TIME + HOUR / 4),
        delivery(records[0], MINHANG, TIME + SECOND),
    ]
    assert parts(split(records, stages, [])) == [(BUS, Cause.TRANSPORT, 0.25, 1), (QINGPU, Cause.RECEIPT, 0.75, 1)]


def test_who_moved_the_exchange_to_itself_needs_no_copy() -> None:
    """The acceptance of its own fact begins its own time; its copy of it may come when it comes."""
    records = exchange(SENT, RECEIPTED, ACCEPTED)
    late = [delivery(records[0], QINGPU, TIME), delivery(records[1], QINGPU, TIME + HOUR * 1.5)]
    for stages in (late, late[:1]):
        assert parts(split(records, stages, [])) == [(QINGPU, Cause.RECEIPT, 1, 1), (QINGPU, Cause.ACCEPTANCE, 1, 2)]


def test_time_without_a_copy_is_the_buss_until_there_is_one() -> None:
    records, days = exchange(SENT), timedelta(days=10)
    assert parts(split(records, [], [], TIME + days)) == [(BUS, Cause.TRANSPORT, 240, 1)]
    arrived = [delivery(records[0], QINGPU, TIME + days - HOUR)]
    assert parts(split(records, arrived, [], TIME + days)) == [
        (BUS, Cause.TRANSPORT, 239, 1),
        (QINGPU, Cause.RECEIPT, 1, 1),
    ]


def test_a_copy_that_never_came_is_never_charged_not_even_to_who_acted_without_it() -> None:
    records = exchange(SENT, RECEIPTED)
    for stages in ([], [delivery(records[0], MINHANG, TIME)]):
        assert parts(split(records, stages, [])) == [(BUS, Cause.TRANSPORT, 1, 1)]


def test_a_delivery_after_the_next_fact_is_all_transport() -> None:
    records = exchange(SENT, RECEIPTED)
    late = [delivery(records[0], QINGPU, TIME + HOUR * 3)]
    assert parts(split(records, late, [])) == [(BUS, Cause.TRANSPORT, 1, 1)]


def test_an_outage_is_the_buss_wherever_an_agency_would_have_had_the_time() -> None:
    records = exchange(SENT, RECEIPTED, ACCEPTED, hours=[0, 4, 8])
    outages = [outage(6, 7), outage(1, 2), outage(1.5, 3), outage(-2, -1), outage(7.5, 20)]
    assert parts(at_once(records, outages)) == [
        (QINGPU, Cause.RECEIPT, 1, 1),
        (BUS, Cause.OUTAGE, 2, 1),
        (QINGPU, Cause.RECEIPT, 1, 1),
        (QINGPU, Cause.ACCEPTANCE, 2, 2),
        (BUS, Cause.OUTAGE, 1, 2),
        (QINGPU, Cause.ACCEPTANCE, 0.5, 2),
        (BUS, Cause.OUTAGE, 0.5, 2),
    ]


def test_an_outage_while_a_fact_is_on_its_way_stays_transport() -> None:
    records = exchange(SENT, RECEIPTED)
    stages = [delivery(records[0], QINGPU, TIME + HOUR / 2)]
    assert parts(split(records, stages, [outage(0.25, 0.75)])) == [
        (BUS, Cause.TRANSPORT, 0.5, 1),
        (BUS, Cause.OUTAGE, 0.25, 1),
        (QINGPU, Cause.RECEIPT, 0.25, 1),
    ]


def test_an_outage_of_another_bus_does_not_count() -> None:
    records = exchange(SENT, RECEIPTED)
    assert parts(at_once(records, [outage(0, 1, "310118-bus")])) == [(QINGPU, Cause.RECEIPT, 1, 1)]


# --- what is known only afterwards


def test_the_whole_time_of_who_passed_the_matter_on_is_forwarding() -> None:
    forwarded = (QINGPU, "transfer.forwarded", {"recipient": XUHUI})
    found = divided(SENT, RECEIPTED, forwarded, (XUHUI, "transfer.receipted"), (XUHUI, "transfer.accepted"))
    assert found == [
        (QINGPU, Cause.FORWARDING, 1, 1),
        (QINGPU, Cause.FORWARDING, 1, 2),
        (XUHUI, Cause.RECEIPT, 1, 3),
        (XUHUI, Cause.ACCEPTANCE, 1, 4),
    ]


def test_who_got_the_matter_back_after_passing_it_on_has_its_later_time_as_it_is() -> None:
    found = divided(
        SENT,
        RECEIPTED,
        (QINGPU, "transfer.forwarded", {"recipient": XUHUI}),
        (CITY, "transfer.designated", {"agency": QINGPU}),
        ACCEPTED,
    )
    assert found == [
        (QINGPU, Cause.FORWARDING, 1, 1),
        (QINGPU, Cause.FORWARDING, 1, 2),
        (XUHUI, Cause.RECEIPT, 1, 3),
        (QINGPU, Cause.ACCEPTANCE, 1, 4),
    ]


def test_what_was_taken_away_and_given_back_counts_as_forwarding_only_since_then() -> None:
    found = divided(
        SENT,
        (CITY, "transfer.designated", {"agency": XUHUI}),
        (CITY, "transfer.designated", {"agency": QINGPU}),
        ACCEPTED,
        (QINGPU, "transfer.not_filed"),
        (MINHANG, "transfer.disputed"),
        (QINGPU, "transfer.forwarded", {"recipient": "310112107-cg"}),
    )
    assert [part[:2] for part in found[:3]] == [
        (QINGPU, Cause.RECEIPT),
        (XUHUI, Cause.ACCEPTANCE),
        (QINGPU, Cause.FORWARDING),
    ]


def test_a_supplement_that_came_is_the_senders_time() -> None:
    found = divided(SENT, RECEIPTED, REQUESTED, (MINHANG, "transfer.supplemented"), ACCEPTED)
    assert found[2:] == [(MINHANG, Cause.SUPPLEMENT, 1, 3), (QINGPU, Cause.ACCEPTANCE, 1, 4)]


@pytest.mark.parametrize(
    ("then", "account"),
    [
        (ACCEPTED, QINGPU),
        ((QINGPU, "transfer.returned"), QINGPU),
        ((QINGPU, "transfer.forwarded", {"recipient": XUHUI}), QINGPU),
        ((MINHANG, "common.withdrawn"), MINHANG),
        ((MINHANG, "transfer.disputed"), MINHANG),
        ((CITY, "transfer.designated", {"agency": XUHUI}), MINHANG),
    ],
)
def test_a_supplement_without_which_the_requester_went_on_is_its_own_time(then: Move, account: str) -> None:
    assert divided(SENT, RECEIPTED, REQUESTED, then)[2:] == [(account, Cause.SUPPLEMENT, 1, 3)]


def test_what_was_asked_for_while_it_was_waited_for_does_not_hide_who_went_on() -> None:
    asked, refused = (MINHANG, "common.withdrawal_requested"), (QINGPU, "common.withdrawal_refused")
    found = divided(SENT, RECEIPTED, ACCEPTED, REQUESTED, asked, refused, (QINGPU, "transfer.filed"))
    assert found[3:] == [
        (QINGPU, Cause.SUPPLEMENT, 1, 4),
        (QINGPU, Cause.COUNTERPART, 1, 5),
        (QINGPU, Cause.SUPPLEMENT, 1, 6),
    ]


def test_to_agree_that_the_sender_withdraws_is_not_to_go_on() -> None:
    asked, agreed = (MINHANG, "common.withdrawal_requested"), (QINGPU, "common.withdrawn")
    found = divided(SENT, RECEIPTED, ACCEPTED, REQUESTED, asked, agreed)
    assert found[3:] == [(MINHANG, Cause.SUPPLEMENT, 1, 4), (QINGPU, Cause.COUNTERPART, 1, 5)]


def test_a_supplement_that_is_still_awaited_is_the_senders_time() -> None:
    records = exchange(SENT, RECEIPTED, REQUESTED)
    assert parts(at_once(records, until=TIME + HOUR * 9))[2:] == [(MINHANG, Cause.SUPPLEMENT, 7, 3)]


# --- what a reader is told


REFERRAL = (
    (MINHANG, "referral.reported"),
    (MINHANG, "referral.approved"),
    (MINHANG, "referral.sent"),
    (POLICE, "referral.receipted"),
)


def test_after_hidden_facts_only_the_accounts_are_told() -> None:
    records = without_lag(exchange(*REFERRAL, kind="referral", hours=[0, 2, 5, 6]))
    whole, told = (at_once(records, [outage(3, 4)], hidden=hidden) for hidden in (frozenset[int](), frozenset({1, 2})))
    assert parts(told) == [
        (MINHANG, Cause.WITHHELD, 3, 1),
        (BUS, Cause.WITHHELD, 1, 1),
        (MINHANG, Cause.WITHHELD, 1, 1),
        (POLICE, Cause.RECEIPT, 1, 3),
    ]
    assert by_account(told) == by_account(whole)


def test_which_of_the_hidden_facts_changed_anything_is_not_told() -> None:
    """Not by a piece of transport either: nothing was carried from an agency to itself."""
    remark = (MINHANG, "common.corrected", {"corrects": 1})
    steps = [*REFERRAL[:2], remark, *REFERRAL[2:]], [REFERRAL[0], remark, *REFERRAL[1:]]
    told = [
        split(records, [delivery(records[3], POLICE, TIME + HOUR * 9)], [], hidden=frozenset({1, 2, 3}))
        for moves in steps
        for records in [exchange(*moves, kind="referral", hours=[0, 2, 5, 8, 10])]
    ]
    assert parts(told[0]) == [
        (MINHANG, Cause.WITHHELD, 8 - 1 / 3600, 1),
        (BUS, Cause.TRANSPORT, 1, 4),
        (POLICE, Cause.RECEIPT, 1, 4),
    ]
    assert told[0] == told[1]


def test_a_hidden_fact_counts_from_when_it_was_recorded_which_its_stub_tells() -> None:
    records = exchange(*REFERRAL, kind="referral")
    found = [split(records, [], [], hidden=frozenset(hidden)) for hidden in ([1, 2], [2], [3])]
    assert [item.begun - TIME for item in found[0].segments] == [SECOND, HOUR * 2]
    assert [item.begun - TIME for item in found[1].segments] == [HOUR * 0, HOUR + SECOND, HOUR * 2]
    assert [item.begun - TIME for item in found[2].segments] == [HOUR * 0, HOUR, HOUR * 2 + SECOND]


def test_every_cause_has_its_chinese_name() -> None:
    assert set(CAUSES_ZH) == set(Cause)
    assert set(Phase) <= {cause.value for cause in Cause}


# --- several addressees


def test_of_several_who_are_waited_for_the_time_is_the_last_one_s() -> None:
    places = Play("lead").given((MINHANG, "lead.opened")).state.having(Role.RECIPIENT)
    opening = [(MINHANG, "lead.opened"), *((code, "lead.receipted") for code in places)]
    for order in (places, places[::-1]):
        told = divided(*opening, *((code, "lead.not_found") for code in order), kind="lead")
        assert {account for account, *_ in told} == {order[-1]}
        assert sum(hours for _, _, hours, _ in told) == 2 * len(places)


# --- whatever happens


@st.composite
def histories(draw: st.DrawFn, kind: str) -> tuple[list[Record], list[StageReached], list[Outage]]:
    """A random legal exchange with random times, times of delivery (or none) and outages, in whole microseconds."""
    ways = reached(kind)
    play = ways[draw(st.sampled_from(sorted(ways.keys() - {UNOPENED})))].fork()
    for _ in range(draw(st.integers(0, 8))):
        own = [f"{kind}.{fact.name()}" for fact in play.lifecycle.transitions[play.state.status]]
        name = draw(st.sampled_from([*own, "common.chased", "common.corrected", "common.withdrawal_requested"]))
        role = draw(st.sampled_from(sorted(play.speakers(name))))
        play.when(play.actor(Role(role)), name)
    spans = st.sampled_from([0, 1, 10**6, 3600 * 10**6, 86_400 * 10**6]) | st.integers(0, 10**12)
    times, now = list[datetime](), TIME
    for _ in play.log:
        now += timedelta(microseconds=draw(spans))
        times.append(now)
    records = at(registered(play), times, timedelta(microseconds=draw(spans)))
    stages = [
        delivery(record, agency, time + timedelta(microseconds=draw(spans)))
        for record, time in zip(records, times, strict=True)
        for agency in sorted(record.standing.parties)
        if draw(st.booleans())
    ]
    outages = [
        Outage(bus=BUS, service="gateway", begun=begun, ended=begun + timedelta(microseconds=draw(spans)))
        for begun in draw(st.lists(st.sampled_from([TIME, *times]), max_size=3))
    ]
    outages = [item.model_copy(update={"begun": item.begun - timedelta(microseconds=draw(spans))}) for item in outages]
    return records, stages, outages


@pytest.mark.parametrize("kind", ["transfer", "referral"])
@settings(max_examples=2 * settings().max_examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_the_span_is_divided_without_remainder_or_overlap(kind: str, data: st.DataObject) -> None:
    records, stages, outages = data.draw(histories(kind))
    until = data.draw(st.none() | st.timedeltas(timedelta(), timedelta(days=40)).map(lambda span: TIME + span))
    hidden = data.draw(st.frozensets(st.integers(1, len(records))))
    assert_told(split(records, stages, outages, until, hidden), hidden)
    found = split(records, stages, outages, until)
    assert sum((item.length for item in found.segments), timedelta()) == found.span
    assert sum(found.totals().values(), timedelta()) == found.span
    assert_whole(found)
    records = without_lag(records)
    assert by_account(split(records, stages, outages, until, hidden)) == by_account(
        split(records, stages, outages, until)
    )


@pytest.mark.parametrize("kind", ["transfer", "referral"])
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_agency_is_charged_for_a_copy_that_it_did_not_get(kind: str, data: st.DataObject) -> None:
    records, stages, _ = data.draw(histories(kind))
    by_sequence = {record.sequence: record for record in records}
    arrived = delivered(stages)
    for item in split(records, stages, []).segments:
        record = by_sequence[item.after]
        mover = min(record.standing.moves)
        if item.account == mover != record.event["source"]:
            assert item.begun >= arrived[item.after, mover]


def assert_told(found: Split, hidden: frozenset[int]) -> None:
    """Whole, and of time after hidden facts nothing but the accounts."""
    assert_whole(found)
    for before, item in pairwise(found.segments):
        assert (item.after in hidden) == (item.cause is Cause.WITHHELD)
        if before.cause is item.cause is Cause.WITHHELD:
            assert before.account != item.account
            assert before.after == item.after


@pytest.mark.parametrize("kind", ["transfer", "referral"])
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_an_outage_is_on_no_agencys_account(kind: str, data: st.DataObject) -> None:
    records, stages, outages = data.draw(histories(kind))
    for item in split(records, stages, outages).segments:
        if item.account != BUS:
            assert all(down.ended <= item.begun or item.ended <= down.begun for down in outages)
            assert item.account in records[-1].standing.parties
        else:
            assert item.cause in {Cause.TRANSPORT, Cause.OUTAGE}


def assert_whole(found: Split) -> None:
    edges = [found.begun, *(item.ended for item in found.segments)]
    assert [item.begun for item in found.segments] == edges[:-1]
    assert edges[-1] == found.ended
    assert all(item.length > timedelta() for item in found.segments)
    assert [item.after for item in found.segments] == sorted(item.after for item in found.segments)


def by_account(found: Split) -> dict[str, timedelta]:
    sums: dict[str, timedelta] = {}
    for item in found.segments:
        sums[item.account] = sums.get(item.account, timedelta()) + item.length
    return sums


def test_totals_are_by_account_and_cause() -> None:
    segments = [
        Segment(TIME, TIME + HOUR, QINGPU, Cause.RECEIPT, 1),
        Segment(TIME, TIME + HOUR, QINGPU, Cause.RECEIPT, 2),
        Segment(TIME, TIME + HOUR, BUS, Cause.OUTAGE, 2),
    ]
    assert list(summed(segments).items()) == [((BUS, Cause.OUTAGE), HOUR), ((QINGPU, Cause.RECEIPT), HOUR * 2)]


# --- outages


def test_an_outage_travels_as_it_is() -> None:
    one = outage(0.5, 2)
    assert Outage.from_bytes(one.to_bytes()) == one


@pytest.mark.parametrize("value", [b"{}", b"[]", b"no", outage(1, 2).to_bytes().replace(b"T04", b"T01")])
def test_what_is_no_outage_is_refused(value: bytes) -> None:
    with pytest.raises(MalformedJson, match="not an outage"):
        Outage.from_bytes(value)
