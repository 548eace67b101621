"""Clocks of an exchange, folded from hand-made histories: what runs, what stands still, what is met, late or void."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import calendar
from contracts.calendar import SHANGHAI, packaged
from contracts.clocks import (
    Clock,
    ClockState,
    Entry,
    History,
    Unfounded,
    clocks,
    due,
    latest,
    may_extend,
    recounted,
    running,
)
from contracts.rules import Rule, Rules, collect

SENDER, RECIPIENT, OTHER, ARBITER, BUS = "310112-cg", "310118-cg", "310104-cg", "310000-cg", "310112-bus"
PARTIES: Final = {SENDER: "sender", RECIPIENT: "recipient"}

WORDS: Final[dict[str, Any]] = {
    "kind": "transfer",
    "title": "a rule made up for tests",
    "title_zh": "虚构规则",
    "duty": "recipient",
    "stops": ["accepted"],
    "starts": [{"fact": "receipted", "by": "accepted"}],
    "consequence": "无",
    "source": {"law": "虚构", "article": "第一条", "verified": False},
    "valid_from": "2000-01-01",
}
SUPPLEMENT: Final[dict[str, Any]] = {"suspends": ["supplement_requested"], "resumes": ["supplemented"]}


def law(limit: str | None, **others: Any) -> Rules:
    """One rule X with a limit such as `24 hours`."""
    amount, unit = limit.split() if limit else (None, None)
    period = {"limit": {"amount": int(amount), "unit": unit}} if amount else {}
    return collect([Rule.model_validate(WORDS | period | {"id": "X"} | others)])


def at(text: str) -> datetime:
    """`06-01 09:00` of 2026 in Shanghai."""
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=SHANGHAI)


def entry(fact: str, when: str, source: str = RECIPIENT, **others: Any) -> Entry:
    """An entry accepted at `when`, recorded a minute later and claimed for an hour before. Numbered by `told`."""
    accepted = at(when)
    known: dict[str, Any] = {
        "sequence": 0,
        "fact": fact,
        "source": source,
        "leg": None,
        "time": accepted - timedelta(hours=1),
        "acceptedtime": accepted,
        "recordedtime": accepted + timedelta(minutes=1),
        "ended": False,
        "parties": PARTIES,
        "said": {},
    }
    return Entry(**(known | others))


def told(
    *entries: Entry, delivered: Mapping[tuple[int, str], datetime] | None = None, kind: str = "transfer"
) -> History:
    return History(kind, [replace(item, sequence=number) for number, item in enumerate(entries, 1)], delivered)


def only(history: History, rules: Rules) -> Clock:
    (item,) = clocks(history, rules)
    return item


def ends(item: Clock) -> str:
    """The due instant as `06-04 00:00`."""
    return f"{item.due.instant:%m-%d %H:%M}"


def adds_up(item: Clock) -> bool:
    return sum((step.length for step in item.due.steps), timedelta()) == item.due.instant - item.started_at


# --- met, late, void -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "state", "late"),
    [
        ("06-03 17:00", ClockState.MET, timedelta()),
        ("06-05 00:00", ClockState.MET, timedelta()),
        ("06-05 00:01", ClockState.LATE, timedelta(minutes=1)),
    ],
)
def test_an_act_meets_its_clock_until_the_last_instant(when: str, state: ClockState, late: timedelta) -> None:
    # Monday 1 June and three days: the end of Thursday 4 June.
    item = only(told(entry("receipted", "06-01 09:00"), entry("accepted", when)), law("3 days"))
    assert (ends(item), item.state, item.stopped_by, item.stopped_at) == ("06-05 00:00", state, 2, at(when))
    assert item.overdue(at("07-01 00:00")) == late
    assert item.original == item.due.instant


def test_a_clock_that_nothing_stopped_runs_and_grows_overdue() -> None:
    history = told(entry("receipted", "06-01 09:00"), entry("chased", "06-02 09:00", SENDER))
    (item,) = running(history, law("3 days", warn={"amount": 1, "unit": "days"}))
    assert (item.state, item.key) == (ClockState.RUNNING, ("X", 1, RECIPIENT))
    assert item.overdue(at("06-04 23:59")) == timedelta()
    assert item.overdue(at("06-05 06:00")) == timedelta(hours=6)
    assert item.warn_at == at("06-04 00:00")


def test_a_warning_is_never_before_the_start() -> None:
    rules = law("2 hours", warn={"amount": 1, "unit": "days"})
    assert only(told(entry("receipted", "06-01 09:30")), rules).warn_at == at("06-01 09:30")
    assert only(told(entry("receipted", "06-01 09:30")), law("2 hours")).warn_at is None


def test_what_was_claimed_or_recorded_does_not_count_but_what_was_accepted() -> None:
    early = entry("accepted", "06-04 23:59", recordedtime=at("06-09 00:00"))
    claimed = entry("accepted", "06-06 10:00", time=at("06-02 10:00"))
    assert only(told(entry("receipted", "06-01 09:00"), early), law("3 days")).state is ClockState.MET
    assert only(told(entry("receipted", "06-01 09:00"), claimed), law("3 days")).state is ClockState.LATE


def test_a_clock_is_void_when_the_duty_went_to_another() -> None:
    moved = entry(
        "designated", "06-02 09:00", ARBITER, parties={SENDER: "sender", RECIPIENT: "former", OTHER: "recipient"}
    )
    item = only(told(entry("receipted", "06-01 09:00"), moved), law("3 days"))
    assert (item.state, item.stopped_by, item.overdue(at("07-01 00:00"))) == (ClockState.VOID, 2, timedelta())


def test_a_clock_is_void_when_the_exchange_ended() -> None:
    history = told(entry("receipted", "06-01 09:00"), entry("withdrawn", "06-02 09:00", SENDER, ended=True))
    assert only(history, law("3 days")).state is ClockState.VOID
    assert running(history, law("3 days")) == ()


def test_the_act_that_ends_an_exchange_meets_its_clock() -> None:
    history = told(entry("receipted", "06-01 09:00"), entry("accepted", "06-02 09:00", ended=True))
    assert only(history, law("3 days")).state is ClockState.MET


def test_nothing_starts_after_the_end() -> None:
    assert clocks(told(entry("receipted", "06-01 09:00", ended=True)), law("3 days")) == ()


# --- starting --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "others", "expected"),
    [
        ({"by": "accepted"}, {}, "06-02 09:30"),
        ({"by": "recorded"}, {}, "06-02 09:31"),
        ({"by": "delivered"}, {}, "06-02 09:31"),
        ({"by": "stated"}, {}, "06-02 08:30"),
        ({"by": "stated", "member": "done_at"}, {"done_at": "2026-06-01T20:00:00+08:00"}, "06-01 20:00"),
        ({"by": "stated", "member": "done_at"}, {"done_at": "2026-06-01T12:00:00Z"}, "06-01 20:00"),
        ({"by": "stated", "member": "done_at"}, {"done_at": "2026-06-05T20:00:00+08:00"}, "06-02 09:30"),
        ({"by": "stated", "member": "done_at"}, {"done_at": "2026-05-30"}, "05-30 00:00"),
        ({"by": "stated", "member": "done_at"}, {"done_at": "next week"}, "06-02 08:30"),
        ({"by": "stated", "member": "done_at"}, {"done_at": "2026-06-01T20:00:00"}, "06-02 08:30"),
        ({"by": "stated", "member": "done_at"}, {}, "06-02 08:30"),
    ],
)
def test_a_clock_starts_at_the_time_that_its_rule_names(
    start: dict[str, str], others: dict[str, str], expected: str
) -> None:
    rules = law("3 days", starts=[{"fact": "receipted"} | start])
    assert only(told(entry("receipted", "06-02 09:30", said=others)), rules).started_at == at(expected)


def test_what_is_not_delivered_has_started_nothing() -> None:
    rules = law("3 days", starts=[{"fact": "sent", "by": "delivered"}])
    sent = entry("sent", "06-01 09:00", SENDER)
    assert clocks(told(sent, delivered={}), rules) == ()
    assert clocks(told(sent, delivered={(1, OTHER): at("06-02 11:00")}), rules) == ()
    item = only(told(sent, delivered={(1, RECIPIENT): at("06-02 11:00")}), rules)
    assert (item.started_at, ends(item)) == (at("06-02 11:00"), "06-06 00:00")


def test_the_day_of_the_start_chooses_the_version() -> None:
    old = law("3 days", valid_to="2026-06-02").by_id["X"]
    new = law("5 days", valid_from="2026-06-02").by_id["X"]
    rules = collect([*new, *old])
    assert ends(only(told(entry("receipted", "06-01 23:59")), rules)) == "06-05 00:00"
    assert ends(only(told(entry("receipted", "06-02 00:00")), rules)) == "06-08 00:00"


def test_a_rule_without_a_number_starts_no_clock() -> None:
    assert clocks(told(entry("receipted", "06-01 09:00")), law(None)) == ()


def test_a_clock_that_runs_is_not_started_again_and_one_that_was_met_is() -> None:
    again = entry("receipted", "06-03 09:00")
    assert len(clocks(told(entry("receipted", "06-01 09:00"), again), law("3 days"))) == 1
    met = told(entry("receipted", "06-01 09:00"), entry("accepted", "06-02 09:00"), again)
    assert [item.state for item in clocks(met, law("3 days"))] == [ClockState.MET, ClockState.RUNNING]


def test_a_fact_that_stops_and_starts_the_same_rule_begins_a_new_clock() -> None:
    rules = law("3 days", stops=["accepted", "receipted"])
    history = told(entry("receipted", "06-01 09:00"), entry("receipted", "06-03 09:00"))
    assert [(item.state, ends(item)) for item in clocks(history, rules)] == [
        (ClockState.MET, "06-05 00:00"),
        (ClockState.RUNNING, "06-07 00:00"),
    ]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"reply_by": "2026-06-20"}, "06-21 00:00"),  # a Saturday in 端午: who agreed it meant it
        ({}, "06-09 00:00"),
        ({"reply_by": "soon"}, "06-09 00:00"),
        ({"reply_by": "2026-05-01"}, "06-09 00:00"),  # over when it was agreed, so that nothing is
        ({"reply_by": "2026-06-01"}, "06-09 00:00"),
        ({"reply_by": "9999-12-31"}, "06-09 00:00"),
    ],
)
def test_the_agreed_day_comes_before_the_default(said: dict[str, str], expected: str) -> None:
    item = only(told(entry("receipted", "06-01 09:00", said=said)), law("5 working_days", agreed="reply_by"))
    assert ends(item) == expected
    assert adds_up(item)


def test_without_an_agreed_day_and_a_default_there_is_no_clock() -> None:
    rules = law(None, agreed="reply_by")
    assert clocks(told(entry("receipted", "06-01 09:00")), rules) == ()
    assert ends(only(told(entry("receipted", "06-01 09:00", said={"reply_by": "2026-06-03"})), rules)) == "06-04 00:00"


def test_each_addressee_has_a_clock_that_its_own_act_stops() -> None:
    parties = {SENDER: "sender", RECIPIENT: "recipient", OTHER: "recipient"}
    rules = law("3 days", each=True, starts=[{"fact": "sent", "by": "accepted"}])
    sent = entry("sent", "06-01 09:00", SENDER, parties=parties)
    history = told(sent, entry("accepted", "06-02 09:00", OTHER, parties=parties))
    assert {item.agency: item.state for item in clocks(history, rules)} == {
        OTHER: ClockState.MET,
        RECIPIENT: ClockState.RUNNING,
    }
    for_leg = told(sent, entry("accepted", "06-02 09:00", SENDER, leg=RECIPIENT, parties=parties))
    assert [item.agency for item in running(for_leg, rules)] == [OTHER]


# --- standing still --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "again", "expected"),
    [
        # From Monday 1 June 9:00; stands still from Tuesday 12:00.
        ("72 hours", "06-02 15:30", "06-04 13:30"),
        ("3 days", "06-02 17:00", "06-05 00:00"),
        ("3 days", "06-04 17:00", "06-07 00:00"),
        ("3 working_days", "06-02 17:00", "06-05 00:00"),
        ("3 working_days", "06-08 17:00", "06-11 00:00"),  # 3, 4, 5 and Monday 8 June: four working days more
        ("1 months", "06-04 09:00", "07-04 00:00"),
    ],
)
def test_a_clock_that_stood_still_goes_on_by_its_own_unit(limit: str, again: str, expected: str) -> None:
    history = told(
        entry("receipted", "06-01 09:00"),
        entry("supplement_requested", "06-02 12:00"),
        entry("supplemented", again, SENDER),
    )
    item = only(history, law(limit, **SUPPLEMENT))
    assert (ends(item), item.state) == (expected, ClockState.RUNNING)
    assert item.suspensions == ((at("06-02 12:00"), at(again)),)
    assert adds_up(item)


def test_a_clock_that_rolls_rolls_again_after_it_stood_still() -> None:
    # 15 June and 3 days: Thursday the 18th; one day more is 19 June, 端午, which rests to Sunday.
    history = told(
        entry("receipted", "06-15 09:00"),
        entry("supplement_requested", "06-16 09:00"),
        entry("supplemented", "06-17 09:00", SENDER),
    )
    assert ends(only(history, law("3 days", roll=True, **SUPPLEMENT))) == "06-23 00:00"


def test_a_clock_that_stands_still_is_not_overdue_and_the_act_meets_it() -> None:
    waiting = (entry("receipted", "06-01 09:00"), entry("supplement_requested", "06-02 12:00"))
    rules = law("3 days", **SUPPLEMENT)
    (item,) = running(told(*waiting), rules)
    assert (item.state, item.suspended_at) == (ClockState.SUSPENDED, at("06-02 12:00"))
    assert item.overdue(at("07-01 00:00")) == timedelta()
    assert only(told(*waiting, entry("accepted", "06-20 09:00")), rules).state is ClockState.MET


def test_what_is_overdue_does_not_stand_still_any_more() -> None:
    history = told(entry("receipted", "06-01 09:00"), entry("supplement_requested", "06-05 00:01"))
    assert only(history, law("3 days", **SUPPLEMENT)).state is ClockState.RUNNING


def test_a_second_request_does_not_suspend_twice_and_a_stray_supplement_does_nothing() -> None:
    history = told(
        entry("receipted", "06-01 09:00"),
        entry("supplemented", "06-01 10:00", SENDER),
        entry("supplement_requested", "06-02 12:00"),
        entry("supplement_requested", "06-03 12:00"),
        entry("supplemented", "06-04 09:00", SENDER),
    )
    item = only(history, law("3 days", **SUPPLEMENT))
    assert (ends(item), len(item.suspensions)) == ("06-07 00:00", 1)


# --- extension -------------------------------------------------------------------------------------------------------

ONCE: Final[dict[str, Any]] = {"extends": {"most": 1, "by": "other_side", "limit": {"amount": 5, "unit": "days"}}}


def extension(when: str, new: str, granted_by: str = SENDER, asked_by: str = RECIPIENT, **said: str) -> list[Entry]:
    return [
        entry("extension_requested", when, asked_by, said={"new_date": new}),
        entry("extension_granted", when, granted_by, said={"new_date": new} | said),
    ]


def test_a_clock_is_extended_once_and_not_twice() -> None:
    history = told(
        entry("receipted", "06-01 09:00"),
        *extension("06-02 09:00", "2026-06-06"),
        *extension("06-03 09:00", "2026-06-08"),
    )
    item = only(history, law("3 days", **ONCE))
    assert (ends(item), item.extensions, may_extend(item)) == ("06-07 00:00", (3,), False)
    assert f"{item.original:%m-%d}" == "06-05"
    assert adds_up(item)


def test_a_clock_may_be_extended_as_often_as_its_rule_says() -> None:
    twice = {"extends": {"most": 2, "by": "rule", "limit": {"amount": 5, "unit": "days"}}}
    history = told(
        entry("receipted", "06-01 09:00"),
        *extension("06-02 09:00", "2026-06-06", BUS),
        *extension("06-03 09:00", "2026-06-08", BUS, rule="X"),
        *extension("06-04 09:00", "2026-06-10", BUS),
    )
    item = only(history, law("3 days", **twice))
    assert (ends(item), item.extensions) == ("06-09 00:00", (3, 5))


def test_an_extension_goes_no_further_than_the_rule_lets_it() -> None:
    history = told(entry("receipted", "06-01 09:00"), *extension("06-02 09:00", "2026-12-31"))
    item = only(history, law("3 days", **ONCE))
    assert ends(item) == "06-10 00:00"
    bare = only(told(entry("receipted", "06-01 09:00")), law("3 days", **ONCE))
    assert latest(bare, packaged().newest()) == item.due.instant
    without = law("3 days", extends={"most": 1, "by": "rule"})
    assert f"{only(history, without).due.instant:%m-%d}" == "01-01"


def test_what_the_rule_grants_it_grants_when_it_is_asked_however_late_the_bus_says_so() -> None:
    by_rule: dict[str, Any] = {"extends": {"most": 1, "by": "rule", "limit": {"amount": 5, "unit": "days"}}}
    asked = entry("extension_requested", "06-04 23:00", said={"new_date": "2026-06-07"})
    granted = entry("extension_granted", "06-06 10:00", BUS, said={"new_date": "2026-06-07", "rule": "X"})
    item = only(told(entry("receipted", "06-01 09:00"), asked, granted), law("3 days", **by_rule))
    assert (ends(item), item.extensions) == ("06-08 00:00", (3,))


@pytest.mark.parametrize(
    ("others", "entries"),
    [
        pytest.param({}, extension("06-02 09:00", "2026-06-06"), id="no extension in the rule"),
        pytest.param(ONCE, extension("06-05 00:01", "2026-06-06"), id="after it was due"),
        pytest.param(ONCE, extension("06-02 09:00", "2026-06-04"), id="no later than before"),
        pytest.param(ONCE, extension("06-02 09:00", "2026-06-06", rule="Y"), id="of another rule"),
        pytest.param(ONCE, extension("06-02 09:00", "2026-06-06", RECIPIENT, SENDER), id="asked for by the other side"),
        pytest.param(ONCE, extension("06-02 09:00", "some day"), id="no date"),
        pytest.param(ONCE, extension("06-02 09:00", "2026-06-06")[:1], id="asked for and not granted"),
        pytest.param(ONCE, extension("06-02 09:00", "2026-06-06")[1:], id="granted and not asked for"),
    ],
)
def test_an_extension_that_may_not_be_moves_nothing(others: dict[str, Any], entries: Sequence[Entry]) -> None:
    item = only(told(entry("receipted", "06-01 09:00"), *entries), law("3 days", **others))
    assert (ends(item), item.extensions) == ("06-05 00:00", ())


# --- what the bus says -----------------------------------------------------------------------------------------------


def about(fact: str, when: str, **said: str | int) -> Entry:
    named: dict[str, str | int] = {"rule": "X", "started_by": 1, "agency": RECIPIENT}
    return entry(fact, when, BUS, said=named | said)


def test_an_act_accepted_in_time_meets_a_clock_whose_expiry_was_said_before() -> None:
    late_news = entry("accepted", "06-04 23:59", recordedtime=at("06-05 08:00"))
    history = [entry("receipted", "06-01 09:00"), about("clock_expired", "06-05 00:01"), late_news]
    item = only(told(*history), law("3 days"))
    assert (item.state, item.expired, item.unfounded) == (ClockState.MET, 2, Unfounded(2, 3, late_news.acceptedtime))
    other = entry("clock_expiry_annulled", "06-05 08:01", BUS, said={"expiry": 1, "act": 3})
    assert only(told(*history, other), law("3 days")).unfounded
    annulled = entry("clock_expiry_annulled", "06-05 08:01", BUS, said={"expiry": 2, "act": 3})
    item = only(told(*history, annulled), law("3 days"))
    assert (item.state, item.annulled, item.unfounded) == (ClockState.MET, 4, None)


def test_an_act_accepted_too_late_leaves_the_expiry_as_it_is() -> None:
    history = told(
        entry("receipted", "06-01 09:00"), about("clock_expired", "06-05 00:01"), entry("accepted", "06-05 00:02")
    )
    item = only(history, law("3 days"))
    assert (item.state, item.unfounded) == (ClockState.LATE, None)


def test_a_warning_says_for_which_due_instant_it_was() -> None:
    history = [entry("receipted", "06-01 09:00"), about("clock_warned", "06-04 00:00", due="2026-06-05T00:00:00+08:00")]
    item = only(told(*history), law("3 days", **ONCE))
    assert (item.warned, item.warned_due) == (2, at("06-05 00:00"))
    item = only(told(*history, *extension("06-04 09:00", "2026-06-06")), law("3 days", **ONCE))
    assert item.warned_due != item.due.instant


@pytest.mark.parametrize("other", [{"rule": "Y"}, {"started_by": 2}, {"agency": OTHER}])
def test_what_is_said_of_another_clock_is_not_heard(other: dict[str, str | int]) -> None:
    history = told(
        entry("receipted", "06-01 09:00"),
        about("clock_warned", "06-04 00:00", **other),
        about("clock_expired", "06-05 00:01", **other),
    )
    item = only(history, law("3 days"))
    assert (item.warned, item.expired) == (None, None)


def test_a_clock_counted_again_is_due_when_the_bus_said() -> None:
    moved = about("clock_recomputed", "06-02 09:00", due="2026-06-08T00:00:00+08:00", calendar="2026.2")
    item = only(told(entry("receipted", "06-01 09:00"), moved), law("3 days"))
    assert (ends(item), item.recomputed, item.due.provisional) == ("06-08 00:00", (2,), ())
    assert f"{item.original:%m-%d}" == "06-05"
    assert adds_up(item)


# --- a calendar announced later --------------------------------------------------------------------------------------


@pytest.fixture
def with_2027(tmp_path: Path) -> calendar.Calendars:
    """Calendars with a notice for 2027 that is made up: 元旦 rests to Monday 4 January, the 9th is worked."""
    file = tmp_path / "2027.yaml"
    text = """
        versions:
          - year: 2027
            version: 1
            announced: 2026-12-20
            source: 虚构
            holidays: [{name: 元旦, from: 2027-01-01, to: 2027-01-04}]
            workdays: [2027-01-09]
    """
    file.write_text(dedent(text), encoding="utf-8")
    return calendar.load(file=file)


def test_a_clock_over_new_year_is_counted_again_when_the_calendar_is_out(with_2027: calendar.Calendars) -> None:
    history = told(entry("receipted", "12-15 09:00"))
    rules = law("15 working_days")
    (item,) = clocks(history, rules, with_2027)
    assert (f"{item.due.instant:%Y-%m-%d}", item.due.provisional) == ("2027-01-07", (2027,))
    again = recounted(item, with_2027)
    assert again is not None
    assert (f"{again.instant:%Y-%m-%d}", again.provisional) == ("2027-01-08", ())
    assert recounted(item, packaged()) is None


def test_what_is_met_extended_or_agreed_is_not_counted_again(with_2027: calendar.Calendars) -> None:
    start = entry("receipted", "12-15 09:00")
    rules = law("15 working_days", agreed="reply_by", extends={"most": 1, "by": "other_side"})
    agreed = entry("receipted", "12-15 09:00", said={"reply_by": "2027-01-05"})
    for history in (
        told(start, entry("accepted", "12-16 09:00")),
        told(start, *extension("12-16 09:00", "2027-02-01")),
        told(agreed),
    ):
        (item,) = clocks(history, rules, with_2027)
        assert recounted(item, with_2027) is None


def test_a_clock_that_starts_after_the_notice_knows_it(with_2027: calendar.Calendars) -> None:
    (item,) = clocks(told(entry("receipted", "12-21 09:00")), law("8 working_days"), with_2027)
    assert (f"{item.due.instant:%Y-%m-%d}", item.due.provisional) == ("2027-01-01", ())
    (item,) = clocks(told(entry("receipted", "12-31 09:00")), law("1 working_days"), with_2027)
    assert (f"{item.due.instant:%Y-%m-%d}", item.due.provisional) == ("2027-01-06", ())


# --- the packaged rules ----------------------------------------------------------------------------------------------


def states(history: History) -> dict[str, ClockState]:
    return {item.rule.id: item.state for item in clocks(history)}


def test_a_transfer_that_is_returned_disputed_and_designated() -> None:
    disputed = {**PARTIES, ARBITER: "arbiter"}
    moved = {SENDER: "sender", RECIPIENT: "former", ARBITER: "arbiter", OTHER: "recipient"}
    history = [
        entry("sent", "06-01 09:00", SENDER),
        entry("receipted", "06-02 09:00"),
        entry("returned", "06-03 09:00"),
        entry("disputed", "06-04 09:00", SENDER, parties=disputed),
    ]
    assert states(told(*history)) == {
        "TR-01": ClockState.MET,
        "TR-02": ClockState.MET,
        "TR-04": ClockState.MET,
        "TR-06": ClockState.RUNNING,
    }
    (arbiter,) = running(told(*history))
    assert (arbiter.agency, ends(arbiter)) == (ARBITER, "06-19 00:00")
    (designated,) = running(told(*history, entry("designated", "06-05 09:00", ARBITER, parties=moved)))
    assert (designated.rule.id, designated.agency) == ("TR-02", OTHER)


def test_a_transfer_that_is_worked_to_its_end() -> None:
    history = [
        entry("sent", "06-01 09:00", SENDER),
        entry("receipted", "06-01 15:00"),
        entry("supplement_requested", "06-02 09:00", said={"reply_by": "2026-06-05"}),
        entry("supplemented", "06-05 16:00", SENDER),
        entry("accepted", "06-09 09:00"),
        entry("filed", "06-10 09:00", said={"filed_on": "2026-06-09"}),
    ]
    found = {item.rule.id: item for item in clocks(told(*history))}
    # Five working days from Monday are 8 June; 3, 4, 5 June stood still: 9, 10, 11 June.
    assert ends(found["TR-02"]) == "06-12 00:00"
    assert ends(found["TR-03"]) == "06-06 00:00"
    (penalty,) = running(told(*history))
    assert (penalty.rule.id, penalty.started_at) == ("XCF-60", at("06-09 00:00"))
    history += [entry("decided", "08-31 09:00"), entry("outcome_reported", "09-03 09:00", ended=True)]
    assert set(states(told(*history)).values()) == {ClockState.MET}
    assert running(told(*history)) == ()


def test_a_referral_that_the_police_decline_and_the_procuratorate_orders() -> None:
    police, procuratorate = RECIPIENT, "310112-jcy"
    parties = {SENDER: "sender", police: "recipient", procuratorate: "copied"}
    alone = {SENDER: "sender"}
    history = [
        entry("reported", "06-01 09:00", SENDER, parties=alone, said={"reported_at": "2026-06-01T08:00:00+08:00"}),
        entry("approved", "06-02 09:00", SENDER, parties=alone, said={"approved_at": "2026-06-02T08:30:00+08:00"}),
        entry("sent", "06-03 08:00", SENDER, parties=parties),
        entry("receipted", "06-03 10:00", police, parties=parties),
        entry("declined", "06-05 10:00", police, parties=parties),
        entry("oversight_suggested", "06-08 10:00", SENDER, parties=parties),
        entry("explanation_requested", "06-09 10:00", procuratorate, parties=parties),
        entry("explained", "06-12 10:00", police, parties=parties),
        entry("filing_ordered", "06-15 10:00", procuratorate, parties=parties),
        entry("filed", "06-16 10:00", police, parties=parties),
    ]
    found = {item.rule.id: (item.state, ends(item)) for item in clocks(told(*history, kind="referral"))}
    assert found == {
        "RX-02": (ClockState.MET, "06-05 00:00"),
        "RX-03": (ClockState.MET, "06-03 09:00"),
        "RX-05-A": (ClockState.MET, "06-05 00:00"),
        "RX-07": (ClockState.MET, "06-09 00:00"),  # 6 June is a Saturday: Monday the 8th
        "RX-08": (ClockState.MET, "06-09 00:00"),
        "RX-18": (ClockState.MET, "06-17 00:00"),
        "RX-18-15": (ClockState.MET, "07-01 00:00"),
        "RX-11": (ClockState.RUNNING, "06-23 00:00"),  # 19 June is 端午, which rests to Sunday: Monday the 22nd
    }


def test_police_that_forward_have_met_their_clock_and_the_next_have_their_own() -> None:
    first, second = RECIPIENT, "310118-ga"
    before, after = {SENDER: "sender", first: "recipient"}, {SENDER: "sender", first: "former", second: "recipient"}
    history = told(
        entry("sent", "06-01 09:00", SENDER, parties=before),
        entry("receipted", "06-01 10:00", first, parties=before),
        entry("forwarded", "06-02 09:00", first, parties=after),
        kind="referral",
    )
    assert states(history)["RX-07"] is ClockState.MET
    assert [(item.rule.id, item.agency) for item in running(history)] == [("RX-05-A", second)]


def test_due_says_its_basis_with_its_status() -> None:
    start = datetime(2026, 6, 1, 9, tzinfo=SHANGHAI)
    assert (
        due("TR-01", start).basis
        == "TR-01@2016-01-01 约定时限: 本总线缺省, 可由协议另定 TR-01 (agreed, not statutory 约定时限)"
    )
    assert due("RX-17-7", start).basis.endswith("(not verified 未核实)")
    assert due("RX-03", start).trace == [
        "2026-06-01 09:00  RX-03 批准后24小时内移送同级公安机关: starts",
        "2026-06-01 10:00  the hour of the start, 2026-06-01 09:00, is not counted",
        "2026-06-02 10:00  24 hours, rest days and nights included",
    ]


# --- whatever happens ------------------------------------------------------------------------------------------------

FACTS: Final = """
sent receipted accepted returned return_accepted supplement_requested supplemented forwarded filed not_filed decided
outcome_reported disputed negotiated designated designated_back extension_requested extension_granted chased
clock_warned clock_expired clock_recomputed clock_expiry_annulled
"""
CLOSED: Final = {ClockState.MET, ClockState.LATE, ClockState.VOID}
DAYS: Final = st.dates(date(2026, 6, 1), date(2026, 12, 31)).map(str)


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Facts in any order, also such as no lifecycle lets follow; only the last may end the exchange."""
    now, found = at("06-01 09:00"), list[Entry]()
    number = draw(st.integers(1, 14))
    for sequence in range(1, number + 1):
        now += timedelta(minutes=draw(st.integers(0, 6 * 24 * 60)))
        rule = draw(st.sampled_from(["TR-01", "TR-02", "TR-03", "TR-04", "XCF-60"]))
        said: dict[str, str | int | bool] = {
            "rule": rule,
            "started_by": draw(st.integers(1, number)),
            "agency": draw(st.sampled_from([SENDER, RECIPIENT])),
            "expiry": draw(st.integers(1, number)),
            "new_date": draw(DAYS),
            "filed_on": draw(DAYS),
            "due": f"{draw(DAYS)}T00:00:00+08:00",
            "calendar": "2026.2",
        }
        if draw(st.booleans()):
            said["reply_by"] = draw(DAYS)
        fact = draw(st.sampled_from(FACTS.split()))
        if fact == "extension_granted":
            del said["rule"]
        holder = draw(st.sampled_from([RECIPIENT, RECIPIENT, OTHER]))
        found.append(
            Entry(
                sequence=sequence,
                fact=fact,
                source=draw(st.sampled_from([SENDER, RECIPIENT, ARBITER, BUS])),
                leg=None,
                time=now - timedelta(hours=draw(st.integers(0, 48))),
                acceptedtime=now,
                recordedtime=now + timedelta(minutes=draw(st.integers(0, 60))),
                ended=sequence == number and draw(st.booleans()),
                parties={SENDER: "sender", holder: "recipient", ARBITER: "arbiter"},
                said=said,
            )
        )
    return History("transfer", found)


@given(histories())
def test_every_clock_s_steps_add_up_whatever_happened(history: History) -> None:
    for item in clocks(history):
        assert adds_up(item), item.due.trace
        assert item.running == (item.stopped_by is None)


@given(histories())
def test_what_runs_is_among_all_clocks_and_every_clock_has_its_own_key(history: History) -> None:
    found = clocks(history)
    assert set(running(history)) <= set(found)
    assert len({item.key for item in found}) == len(found)
    assert not running(history) or not history.entries[-1].ended


@given(histories())
def test_a_clock_that_is_over_never_changes_again(history: History) -> None:
    over: dict[tuple[str, int, str], Clock] = {}
    for length in range(1, len(history.entries) + 1):
        now = {item.key: item for item in clocks(History("transfer", history.entries[:length]))}
        for key, item in over.items():
            # That its expiry was annulled is the one thing that may still be said of it.
            assert replace(now[key], annulled=item.annulled) == item
        over = {key: item for key, item in now.items() if item.state in CLOSED}


@given(histories())
def test_an_exchange_has_the_same_clocks_however_often_it_is_folded(history: History) -> None:
    assert clocks(history) == clocks(history)


# --- what a review has found -----------------------------------------------------------------------------------------


def test_a_day_of_another_millennium_is_no_day() -> None:
    rules = law("3 days", agreed="reply_by", **ONCE)
    asked = entry("receipted", "06-01 09:00", said={"reply_by": "9999-12-31"})
    item = only(told(asked, *extension("06-02 09:00", "9999-12-31")), rules)
    assert (ends(item), item.extensions) == ("06-05 00:00", ())


def test_an_extension_accepted_in_time_and_registered_after_the_expiry_makes_that_void() -> None:
    history = [
        entry("receipted", "06-01 09:00"),
        about("clock_expired", "06-05 00:01"),
        *extension("06-04 23:00", "2026-06-06"),
    ]
    item = only(told(*history), law("3 days", **ONCE))
    assert (ends(item), item.expired) == ("06-07 00:00", None)
    assert item.unfounded == Unfounded(2, 4, at("06-04 23:00"))
    again = about("clock_expired", "06-07 00:01")
    annulled = entry("clock_expiry_annulled", "06-05 00:02", BUS, said={"expiry": 2, "act": 4})
    item = only(told(*history, annulled, again), law("3 days", **ONCE))
    assert (item.annulled, item.unfounded, item.expired) == (5, None, 6)


def test_a_start_said_to_be_before_the_law_frees_nobody() -> None:
    starts = [{"fact": "receipted", "by": "stated", "member": "received_at"}]
    rules = law("3 days", starts=starts, valid_from="2026-01-01")
    early = entry("receipted", "06-01 09:00", said={"received_at": "2025-06-01T10:00:00+08:00"})
    assert only(told(early), rules).due.instant == at("06-05 00:00").replace(year=2025)


def test_who_acts_while_the_clock_stands_still_was_not_late() -> None:
    rules = law("3 days", suspends=["supplement_requested"], resumes=["supplemented"])
    start, ask = entry("receipted", "06-01 09:00"), entry("supplement_requested", "06-02 09:00")
    item = only(told(start, ask, entry("accepted", "06-20 09:00")), rules)
    assert (item.state, item.overdue(at("06-21 00:00"))) == (ClockState.MET, timedelta())
