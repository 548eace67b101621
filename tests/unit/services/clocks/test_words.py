"""What the bus says of clocks, in exchanges played without engines; the registrar's rules judge each word."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import calendar
from contracts.calendar import SHANGHAI, Calendars
from contracts.clocks import ClockState, History
from contracts.records import Record
from events import common
from events.fact import Fact
from services.clocks.words import Law, Sheet, Timing, Word, sheet
from services.kernel.exchange import Registration
from tests.support.factory import BUS, world
from tests.support.play import CITY, MINHANG, POLICE, QINGPU, Play, everybody, names

TIMING = Timing(grace=timedelta(minutes=1), tolerance=timedelta(minutes=5))
MONDAY = datetime(2026, 11, 2, 9, tzinfo=SHANGHAI)
DECEMBER = datetime(2026, 12, 29, 9, tzinfo=SHANGHAI)

ANNOUNCED = """
versions:
  - year: 2027
    version: 1
    announced: 2026-12-30
    source: SYN notice (invented)
    holidays:
      - {name: 元旦, from: 2027-01-01, to: 2027-01-03}
      - {name: 春节, from: 2027-01-04, to: 2027-01-06}
"""


def approved(at: datetime) -> Play:
    """A referral whose head has approved it, so that it is due at the police within a day (RX-03)."""
    told = at.isoformat()
    return Play("referral", at=at).given(
        (MINHANG, "referral.reported", {"reported_at": told}), (MINHANG, "referral.approved", {"approved_at": told})
    )


def received(at: datetime) -> Play:
    """A referral that the police have received, so that they decide within three days (RX-07)."""
    sent = {"approved_at": at.isoformat()}
    return approved(at).given((MINHANG, "referral.sent", sent), (POLICE, "referral.receipted"))


def delivered(records: Collection[Record], lag: timedelta) -> dict[tuple[int, str], datetime]:
    """Every copy arrives so long after it is recorded."""
    return {
        (record.sequence, code): datetime.fromisoformat(str(record.event["recordedtime"])) + lag
        for record in records
        for code in record.standing.parties
    }


def page(play: Play, said: Collection[str] = (), lag: timedelta = timedelta()) -> Sheet:
    records = [play.record(number) for number in range(1, len(play.log) + 1)]
    known = play.context.contracts
    law = Law(known.rules, known.calendars, TIMING)
    return sheet(records, History.of(records, delivered(records, lag)), said, law)


def words(play: Play, rule: str, said: Collection[str] = (), lag: timedelta = timedelta()) -> list[Word]:
    return [item for item in page(play, said, lag).words if item.about.rule.id == rule]


def word(play: Play, fact: type[Fact], rule: str, said: Collection[str] = (), lag: timedelta = timedelta()) -> Word:
    (found,) = [item for item in words(play, rule, said, lag) if isinstance(item.fact, fact)]
    return found


def go_to(play: Play, at: datetime) -> None:
    """Let time pass until then, less the minute that every fact takes."""
    play.wait(max(timedelta(), at - timedelta(minutes=1) - play.context.acceptedtime))


def say(play: Play, spoken: Word) -> Any:
    go_to(play, spoken.at)
    return play.submit(BUS, spoken.at_last(play.context.acceptedtime, TIMING), id_=spoken.id)


def now(play: Play) -> datetime:
    return play.context.acceptedtime


def state(play: Play, rule: str) -> ClockState:
    return next(item.state for item in page(play).clocks if item.rule.id == rule)


@pytest.fixture(scope="module")
def announced(tmp_path_factory: pytest.TempPathFactory) -> Calendars:
    file = tmp_path_factory.mktemp("calendar") / "2027.yaml"
    file.write_text(ANNOUNCED, encoding="utf-8")
    return calendar.load(None, file)


def know(play: Play, calendars: Calendars) -> None:
    play.context = replace(play.context, contracts=replace(play.context.contracts, calendars=calendars))


def late_arrival(play: Play, accepted: datetime, *move: Any) -> None:
    """A fact that the gateway took then and that is registered only now."""
    present = now(play)
    play.context = replace(play.context, acceptedtime=accepted - timedelta(minutes=1))
    play.given(move)
    play.context = replace(play.context, acceptedtime=present)


def test_a_duty_is_warned_of_and_then_expires() -> None:
    play = approved(MONDAY)
    due = play.clock("RX-03").due.instant
    assert due == datetime(2026, 11, 3, 10, tzinfo=SHANGHAI)
    warning, expiry = words(play, "RX-03")
    assert isinstance(warning.fact, common.ClockWarned)
    assert (warning.at, warning.time) == (due - timedelta(hours=6), due - timedelta(hours=6))
    assert (expiry.at, expiry.time) == (due + TIMING.grace, due)
    assert isinstance(say(play, warning), Registration)
    assert isinstance(say(play, expiry), Registration)
    assert words(play, "RX-03") == []
    assert state(play, "RX-03") is ClockState.RUNNING


def test_an_act_in_time_leaves_nothing_to_say() -> None:
    play = Play("transfer", at=MONDAY).given((MINHANG, "transfer.sent"), (QINGPU, "transfer.receipted"))
    assert state(play, "TR-01") is ClockState.MET
    assert {item.about.rule.id for item in page(play).words} == {"TR-02"}


def test_what_is_said_when_it_should_be_is_not_late_and_what_is_said_after_an_outage_is() -> None:
    play = approved(MONDAY)
    for spoken in words(play, "RX-03"):
        assert spoken.at_last(spoken.at + TIMING.tolerance, TIMING) == spoken.fact
        late = spoken.at_last(spoken.at + TIMING.tolerance + timedelta(microseconds=1), TIMING)
        assert late == spoken.fact.model_copy(update={"late": True})


def test_an_expiry_that_an_act_accepted_in_time_made_void_is_annulled() -> None:
    play = approved(MONDAY)
    due = play.clock("RX-03").due.instant
    expiry = word(play, common.ClockExpired, "RX-03")
    assert isinstance(say(play, expiry), Registration)
    late_arrival(play, due, MINHANG, "referral.sent", {"approved_at": MONDAY.isoformat()})
    annulment = word(play, common.ClockExpiryAnnulled, "RX-03")
    assert annulment.fact.model_dump() | {"reason": ""} == {"expiry": 3, "act": 4, "reason": ""}
    assert isinstance(say(play, annulment), Registration)
    assert words(play, "RX-03") == []


def test_an_act_that_came_too_late_annuls_nothing() -> None:
    play = approved(MONDAY)
    due = play.clock("RX-03").due.instant
    say(play, word(play, common.ClockExpired, "RX-03"))
    sent = (MINHANG, "referral.sent", {"approved_at": MONDAY.isoformat()})
    late_arrival(play, due + timedelta(microseconds=1), *sent)
    assert state(play, "RX-03") is ClockState.LATE
    assert words(play, "RX-03") == []


def test_a_clock_that_started_when_a_copy_arrived_is_annulled_by_that_start() -> None:
    """The copy arrived a day after it was registered, which the registrar cannot know but from the expiry."""
    day = timedelta(days=1)
    play = Play("transfer", at=MONDAY).given((MINHANG, "transfer.sent"))
    expiry = word(play, common.ClockExpired, "TR-01", lag=day)
    assert expiry.time == datetime(2026, 11, 5, tzinfo=SHANGHAI)
    assert isinstance(say(play, expiry), Registration)
    late_arrival(play, expiry.time - timedelta(hours=1), QINGPU, "transfer.receipted")
    annulment = word(play, common.ClockExpiryAnnulled, "TR-01", lag=day)
    assert isinstance(say(play, annulment), Registration)
    assert words(play, "TR-01", lag=day) == []


def reviewed(last: str) -> Play:
    """A referral that the police have received, and for which they ask more time."""
    play = received(MONDAY).given((POLICE, "common.extension_requested", {"new_date": last}))
    assert play.clock("RX-07").due.instant == datetime(2026, 11, 6, tzinfo=SHANGHAI)
    return play


def test_an_extension_that_the_rule_itself_grants_is_stated_by_the_bus_at_once() -> None:
    play = reviewed("2026-11-20")
    grant, warning, expiry = words(play, "RX-07")
    assert grant.at == grant.time == play.times[-1]
    assert grant.fact.model_dump(mode="json") == {"new_date": "2026-11-20", "rule": "RX-07", "agency": POLICE}
    assert isinstance(say(play, grant), Registration)
    assert play.clock("RX-07").due.instant == datetime(2026, 11, 21, tzinfo=SHANGHAI)
    later = words(play, "RX-07", {grant.id, warning.id, expiry.id})
    assert [item.at for item in later] == [warning.at + timedelta(days=15), expiry.at + timedelta(days=15)]


def test_an_extension_that_the_other_side_grants_is_not_stated_by_the_bus() -> None:
    play = Play("transfer", at=MONDAY).given(
        (MINHANG, "transfer.sent"),
        (QINGPU, "transfer.receipted"),
        (QINGPU, "common.extension_requested", {"new_date": "2026-11-11"}),
    )
    assert {type(item.fact) for item in page(play).words} == {common.ClockWarned, common.ClockExpired}


def test_a_calendar_that_is_announced_moves_what_runs_by_a_fact(announced: Calendars) -> None:
    play = received(DECEMBER)
    assert play.clock("RX-07").due.instant == datetime(2027, 1, 5, tzinfo=SHANGHAI)
    assert play.clock("RX-07").due.provisional == (2027,)
    know(play, announced)
    (moved,) = words(play, "RX-07")
    assert isinstance(moved.fact, common.ClockRecomputed)
    assert moved.fact.was_due == datetime(2027, 1, 5, tzinfo=SHANGHAI)
    assert moved.fact.due == datetime(2027, 1, 8, tzinfo=SHANGHAI)
    assert moved.fact.provisional is None
    assert moved.fact.calendar == "2027.1 SYN notice (invented)"
    assert isinstance(say(play, moved), Registration)
    assert [type(item.fact) for item in words(play, "RX-07")] == [common.ClockWarned, common.ClockExpired]
    assert words(play, "RX-07")[-1].time == datetime(2027, 1, 8, tzinfo=SHANGHAI)


def test_a_calendar_that_goes_and_comes_again_moves_the_clock_each_time(announced: Calendars) -> None:
    play, said = received(DECEMBER), set[str]()
    for calendars in (announced, world().calendars, announced, world().calendars):
        know(play, calendars)
        moved = word(play, common.ClockRecomputed, "RX-07", said)
        assert isinstance(say(play, moved), Registration)
        said.add(moved.id)
        assert [type(item.fact) for item in words(play, "RX-07", said)] == [common.ClockWarned, common.ClockExpired]


def test_a_clock_is_warned_of_again_when_it_is_due_at_another_instant(announced: Calendars) -> None:
    play, said = received(DECEMBER), set[str]()
    for calendars in (announced, world().calendars, announced):
        know(play, calendars)
        for fact in (common.ClockRecomputed, common.ClockWarned):
            spoken = word(play, fact, "RX-07", said)
            said.add(spoken.id)
            assert isinstance(say(play, spoken), Registration)


def test_a_warning_counts_only_for_the_instant_of_which_it_warned(announced: Calendars) -> None:
    """The notice says that it is older than the clock, and comes when the clock has been warned of."""
    play = received(DECEMBER + timedelta(days=2))
    before = word(play, common.ClockWarned, "RX-07")
    assert isinstance(say(play, before), Registration)
    know(play, announced)
    again = word(play, common.ClockWarned, "RX-07", {before.id})
    assert again.at > before.at
    assert isinstance(say(play, again), Registration)
    assert [type(item.fact) for item in words(play, "RX-07")] == [common.ClockExpired]


def test_a_clock_that_goes_on_to_the_same_due_instant_still_expires() -> None:
    """An expiry was not registered, because the clock stood still; no working day passed before it went on."""
    friday = datetime(2026, 11, 6, 9, tzinfo=SHANGHAI)
    play = Play("transfer", at=friday).given((MINHANG, "transfer.sent"), (QINGPU, "transfer.receipted"))
    expiry = word(play, common.ClockExpired, "TR-02")
    assert expiry.time == datetime(2026, 11, 14, tzinfo=SHANGHAI)
    go_to(play, expiry.time - timedelta(hours=1))
    play.given((QINGPU, "transfer.supplement_requested", {"reply_by": "2026-11-20"}))
    assert say(play, expiry).code == "clock-disproved"
    play.given((MINHANG, "transfer.supplemented"))
    assert play.clock("TR-02").due.instant == expiry.time
    assert isinstance(say(play, word(play, common.ClockExpired, "TR-02", {expiry.id})), Registration)


moves = st.tuples(
    st.sampled_from([*names("transfer"), *names("common")]),
    st.sampled_from([MINHANG, QINGPU, CITY]),
    st.timedeltas(timedelta(), timedelta(days=3)),
)
referrals = st.tuples(
    st.sampled_from([*names("referral"), *names("common")]),
    st.sampled_from([code for code in everybody("referral") if code != BUS]),
    st.timedeltas(timedelta(), timedelta(days=3)),
)


def speak_up_to(play: Play, until: datetime, said: set[str]) -> None:
    """Say everything that is due by then, each at its time; the registrar takes all of it."""
    while due := [item for item in page(play, said).words if item.at <= until]:
        spoken = due[0]
        assert spoken.id not in said
        said.add(spoken.id)
        answer = say(play, spoken)
        assert isinstance(answer, Registration), f"{spoken}: {answer}"
        assert spoken.id not in {item.id for item in page(play).words}, "what is registered is not said again"


def plays(kind: str, script: list[tuple[str, str, timedelta]]) -> None:
    play, said = Play(kind, at=MONDAY), set[str]()
    for name, source, pause in script:
        play.when(source, name)
        if play.log:
            found = page(play, said).words
            assert len({item.id for item in found}) == len(found)
            assert list(found) == sorted(found, key=lambda item: item.at)
            assert found == page(play, said).words
            speak_up_to(play, now(play) + pause, said)
        play.wait(pause)
    if play.log:
        speak_up_to(play, now(play) + timedelta(days=365), said)
        assert page(play, said).words == page(play).words == ()


@settings(max_examples=60, deadline=None)
@given(st.lists(moves, min_size=3, max_size=14))
def test_whatever_happens_in_a_transfer_every_word_is_said_once_and_is_true(
    script: list[tuple[str, str, timedelta]],
) -> None:
    plays("transfer", [("transfer.sent", MINHANG, timedelta(hours=3)), *script])


@settings(max_examples=60, deadline=None)
@given(st.lists(referrals, min_size=3, max_size=14))
def test_whatever_happens_in_a_referral_every_word_is_said_once_and_is_true(
    script: list[tuple[str, str, timedelta]],
) -> None:
    opening = [("referral.reported", MINHANG, timedelta(hours=1)), ("referral.approved", MINHANG, timedelta(hours=1))]
    plays("referral", [*opening, ("referral.sent", MINHANG, timedelta(hours=1)), *script])


def test_nothing_is_said_of_an_expiry_while_what_was_done_may_be_on_its_way() -> None:
    play = received(MONDAY)
    records = [play.record(number) for number in range(1, len(play.log) + 1)]
    law = Law(world().rules, world().calendars, TIMING)
    history = History("referral", play.context.entries)
    due = play.clock("RX-07").due.instant

    def said(horizon: datetime) -> set[str]:
        def passed(agency: str, at: datetime) -> bool:
            return agency != POLICE or at <= horizon

        return {word.fact.name() for word in sheet(records, history, (), law, passed).words}

    assert said(due) == {"clock_warned"}, "the grace is not over there"
    assert said(due + TIMING.grace) == {"clock_warned", "clock_expired"}
