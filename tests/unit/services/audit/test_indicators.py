"""Indicators of a period: hand-worked numbers, and sums that no order and no division changes."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.canonical import canonical, parse
from contracts.errors import UnusableContract
from contracts.indicators import Bound, Indicator, Light, load, packaged
from services.audit.figures import Figures
from services.audit.indicators import Tabulation, indicators
from tests.support.counted import DAY, HOUR, counted, delivered, told
from tests.support.factory import BUS, TIME
from tests.support.play import CITY, JUSTICE, MINHANG, QINGPU, XUHUI

MONTH = (TIME - DAY, TIME + DAY * 29)
NOW = TIME + DAY * 60
SENT, RECEIPTED = (0, MINHANG, "transfer.sent"), (2, QINGPU, "transfer.receipted")
RATED = {"agency": QINGPU, "timeliness": 2, "quality": 4, "remark": None}


@cache
def late() -> Figures:
    """Accepted eight hours late and 189 hours after it was asked; answered 309 hours after; rated."""
    records = told(
        "transfer",
        SENT,
        RECEIPTED,
        (26, QINGPU, "transfer.supplement_requested"),
        (50, MINHANG, "transfer.supplemented"),
        (190, QINGPU, "transfer.accepted"),
        (200, QINGPU, "transfer.filed"),
        (300, QINGPU, "transfer.decided"),
        (310, QINGPU, "transfer.outcome_reported"),
        (320, MINHANG, "common.rated", RATED),
    )
    return counted(
        records, [delivered(records[0], QINGPU, hours=1), delivered(records[2], MINHANG, hours=26 + 1 / 3600)]
    )


@cache
def prompt() -> Figures:
    """Accepted after 20 hours, and not answered yet."""
    return counted(told("transfer", SENT, RECEIPTED, (20, QINGPU, "transfer.accepted")))


@cache
def silent() -> Figures:
    """Signed for, and nothing since."""
    return counted(told("transfer", SENT, RECEIPTED))


@cache
def wandering() -> Figures:
    """Passed on, disputed, and designated to who had it."""
    return counted(
        told(
            "transfer",
            SENT,
            RECEIPTED,
            (3, QINGPU, "transfer.forwarded", {"recipient": XUHUI}),
            (4, XUHUI, "transfer.receipted"),
            (5, XUHUI, "transfer.disputed"),
            (6, CITY, "transfer.designated", {"agency": QINGPU}),
        )
    )


@cache
def withdrawn() -> Figures:
    """Withdrawn after 20 days without an answer."""
    return counted(told("transfer", SENT, RECEIPTED, (24 * 20, MINHANG, "common.withdrawn")))


@cache
def tallied() -> Figures:
    """A day's statement, in a period of its own."""
    return counted(told("tally", (24 * 40, MINHANG, "tally.stated")))


@cache
def belated() -> Figures:
    """Reported long after the fact: the three days for the approval were over before the exchange was opened."""
    reported = {"reported_at": (TIME - DAY * 40).isoformat()}
    return counted(told("referral", (0, MINHANG, "referral.reported", reported), (24, MINHANG, "referral.approved")))


def document(*items: Figures, period: tuple[datetime, datetime] = MONTH, agency: str | None = None) -> dict[str, Any]:
    return indicators(items, *period, NOW, agency)


def block(found: dict[str, Any], agency: str) -> dict[str, Any]:
    return next(item for item in found["agencies"] if item["agency"] == agency)


def value(found: dict[str, Any], id_: str) -> tuple[int, int, str | None, str]:
    item = next(item for item in found["indicators"] if item["id"] == id_)
    return item["numerator"], item["denominator"], item["value"], item["light"]


def test_the_five_indicators_of_an_exchange_by_hand() -> None:
    found = block(document(late()), QINGPU)
    # 189 hours are more than seven days.
    assert value(found, "accepted-in-time") == (0, 1, "0.0000", "red")
    # Signing (TR-01), filing (TR-07), the decision (XCF-60) and the report (TR-05) on time; accepting (TR-02) late.
    assert value(found, "answered-by-agreed-date") == (4, 5, "0.8000", "green")
    # 309 hours are 12.875 days.
    assert value(found, "days-to-answer") == (309 * 3600, 1, "12.88", "green")
    assert value(found, "timeliness-rated") == (1, 1, "1.0000", "red")
    assert value(found, "quality-rated") == (0, 1, "0.0000", "green")
    assert block(document(late()), MINHANG)["indicators"][0]["light"] == "none"


def test_two_exchanges_make_a_share_and_a_mean() -> None:
    total = document(late(), prompt())["total"]
    assert value(total, "accepted-in-time") == (1, 2, "0.5000", "red")
    assert (total["opened"], total["ended"], total["open"]) == (2, 1, 1)
    assert total["exchanges"] == [{"kind": "transfer", "sent": 2, "received": 2, "ended": 1, "open": 1}]


def test_what_nobody_answered_fails_when_it_is_due_and_not_before() -> None:
    total = document(silent())["total"]
    assert value(total, "accepted-in-time") == (0, 1, "0.0000", "red")
    assert value(total, "answered-by-agreed-date") == (0, 1, "0.0000", "red")
    early = indicators([silent()], *MONTH, TIME + DAY * 6)["total"]
    assert isinstance(early, dict)
    assert value(early, "accepted-in-time") == (0, 0, None, "none")
    assert value(early, "answered-by-agreed-date") == (0, 0, None, "none")


def test_it_counts_in_the_period_in_which_it_was_due() -> None:
    # Asked on 5 November and a second after ten o'clock: seven days are over on the 12th.
    before, after = (TIME - DAY, TIME + DAY * 7), (TIME + DAY * 7, TIME + DAY * 8)
    assert value(document(silent(), period=before)["total"], "accepted-in-time")[1] == 0
    assert value(document(silent(), period=after)["total"], "accepted-in-time")[1] == 1


def test_what_was_turned_away_in_time_is_no_failure_to_accept() -> None:
    found = document(wandering())
    assert value(block(found, XUHUI), "accepted-in-time") == (0, 0, None, "none")
    # It went to Qingpu twice: forwarded the first time, and left lying the second.
    assert value(block(found, QINGPU), "accepted-in-time") == (0, 1, "0.0000", "red")
    assert value(block(found, QINGPU), "days-to-answer")[:2] == (3 * 3600 - 1, 1)


def test_forwards_are_of_who_passed_the_matter_on() -> None:
    found = document(wandering())
    assert found["total"]["forwards"] == {"count": 2, "again": 1}
    assert block(found, QINGPU)["forwards"] == {"count": 1, "again": 0}
    assert block(found, CITY)["forwards"] == {"count": 1, "again": 1}
    assert found["total"]["exchanges"] == [{"kind": "transfer", "sent": 1, "received": 3, "ended": 0, "open": 1}]
    assert [(item["fact"], item["count"]) for item in found["total"]["refused"]] == [("disputed", 1), ("forwarded", 1)]


def test_overdue_is_counted_by_rule_and_what_still_runs_apart() -> None:
    found = {item["rule"]: item for item in document(late(), silent())["total"]["overdue"]}
    # Five working days from Thursday the 5th end on the 12th at 24:00; `now` is 60 days after the 5th at 10:00.
    due = silent().clocks[0].due
    running = (NOW - due) // timedelta(seconds=1)
    assert running == (60 * 24 - 7 * 24 - 14) * 3600
    assert found == {
        "TR-02": {
            "rule": "TR-02",
            "count": 1,
            "total_s": 8 * 3600,
            "worst_s": 8 * 3600,
            "running": 1,
            "running_total_s": running,
            "running_worst_s": running,
        }
    }


def test_what_fell_due_before_the_exchange_was_opened_is_late_in_the_period_in_which_it_was_due() -> None:
    due = next(clock.due for clock in belated().clocks if clock.late)
    assert due < belated().opened
    (overdue,) = document(belated(), period=(due, due + DAY))["total"]["overdue"]
    assert (overdue["rule"], overdue["count"]) == ("RX-02", 1)


def test_the_worst_is_the_worst_of_all() -> None:
    found = {item["rule"]: item for item in document(late(), withdrawn())["total"]["overdue"]}["TR-02"]
    void = (20 * 24 - 7 * 24 - 14) * 3600
    assert (found["count"], found["total_s"], found["worst_s"]) == (2, 8 * 3600 + void, void)


def test_delay_is_by_whose_it_is() -> None:
    found = document(late())
    assert {item["cause"]: item["seconds"] for item in block(found, MINHANG)["delay"]} == {"supplement": 24 * 3600 - 1}
    assert block(found, BUS)["delay"][0]["cause"] == "transport"
    assert sum(item["seconds"] for item in found["total"]["delay"]) == 310 * 3600


def test_one_agency_is_asked_for_alone() -> None:
    every, own = document(late(), wandering()), document(late(), wandering(), agency=XUHUI)
    assert own["total"] is None
    assert own["agencies"] == [block(every, XUHUI)]
    (nothing,) = document(late(), agency=JUSTICE)["agencies"]
    assert (nothing["agency"], nothing["opened"], nothing["exchanges"]) == (JUSTICE, 0, [])


def test_nothing_to_measure_has_no_light() -> None:
    found = document()
    assert found["agencies"] == []
    assert {item["light"] for item in found["total"]["indicators"]} == {"none"}
    assert found["total"]["letters"] == {"adopted": 0, "partly": 0, "not_adopted": 0}


def test_the_letters_of_an_agency_are_counted_by_what_became_of_their_items() -> None:
    (record,) = told("transfer", SENT)
    answers = [{"adoption": name} for name in ("adopted", "partly", "not_adopted", "not_adopted")]
    reply = {**record.event, "type": "cn.liandong.letter.replied.v1", "data": {"answers": answers}}
    found = document(counted([record.model_copy(update={"event": reply})]))
    assert block(found, MINHANG)["letters"] == {"adopted": 1, "partly": 1, "not_adopted": 2}


# --- sums


EVERY = (late, prompt, silent, wandering, withdrawn, tallied, belated)
SOME = st.lists(st.sampled_from(EVERY), max_size=8)
MOMENTS = st.integers(min_value=-45 * 24, max_value=50 * 24).map(lambda hours: TIME + HOUR * hours)
PERIODS = st.tuples(MOMENTS, MOMENTS).map(lambda pair: (min(pair), max(pair)))


def concerns(item: Figures, period: tuple[datetime, datetime]) -> bool:
    """What the ledger reads for a period."""
    return item.first < period[1] and (item.last is None or item.last >= period[0])


@settings(deadline=None)
@given(chosen=SOME, period=PERIODS, now=MOMENTS, data=st.data())
def test_no_order_of_the_exchanges_changes_a_byte(
    chosen: list[Any], period: tuple[datetime, datetime], now: datetime, data: st.DataObject
) -> None:
    items = [make() for make in chosen]
    again = data.draw(st.permutations(items))
    first, second = (canonical(indicators(order, *period, now)) for order in (items, again))
    assert first == second
    parse(first)
    assert canonical(indicators([item for item in items if concerns(item, period)], *period, now)) == first


ADDS_UP = ("numerator", "denominator", "sent", "received", "ended", "count", "adopted")


def summed(found: Any, prefix: str = "") -> dict[str, int]:
    """Every number of a document that two periods beside each other add up to."""
    if isinstance(found, list):
        named = (
            (str(next((item[key] for key in ("id", "kind", "rule", "ground") if key in item), "")), item)
            for item in found
        )
        return {key: number for name, item in named for key, number in summed(item, f"{prefix}/{name}").items()}
    numbers: dict[str, int] = {}
    for name, item in found.items():
        if isinstance(item, dict | list):
            numbers |= summed(item, f"{prefix}/{name}")
        elif name in ADDS_UP:
            numbers[f"{prefix}/{name}"] = item
    return numbers


@settings(deadline=None)
@given(chosen=SOME, moments=st.tuples(MOMENTS, MOMENTS, MOMENTS).map(sorted))
def test_two_periods_beside_each_other_add_up_to_the_whole(chosen: list[Any], moments: Sequence[datetime]) -> None:
    items = [make() for make in chosen]
    begin, middle, end = moments
    first, second, whole = (
        summed(document(*items, period=period)["total"]) for period in ((begin, middle), (middle, end), (begin, end))
    )
    assert {key: first.get(key, 0) + second.get(key, 0) for key in whole} == whole


def test_a_tabulation_can_be_read_while_it_is_made() -> None:
    tabulation = Tabulation(*MONTH, NOW)
    tabulation.add(late())
    assert tabulation.document() == document(late())
    tabulation.add(prompt())
    assert tabulation.document() == document(late(), prompt())


# --- the indicators as data


@pytest.mark.parametrize(
    ("id_", "value", "light"),
    [
        ("accepted-in-time", "0.8", Light.GREEN),
        ("accepted-in-time", "0.7999", Light.AMBER),
        ("accepted-in-time", "0.6", Light.AMBER),
        ("accepted-in-time", "0.5999", Light.RED),
        ("days-to-answer", "15.999", Light.GREEN),
        ("days-to-answer", "16", Light.AMBER),
        ("days-to-answer", "25", Light.AMBER),
        ("days-to-answer", "25.001", Light.RED),
        ("quality-rated", "0.0499", Light.GREEN),
        ("quality-rated", "0.05", Light.AMBER),
        ("quality-rated", "0.15", Light.RED),
    ],
)
def test_the_lights_change_where_the_source_says(id_: str, value: str, light: Light) -> None:
    assert next(item for item in packaged() if item.id == id_).light(Fraction(value)) is light


def test_an_indicator_says_what_it_needs_and_no_more() -> None:
    good = packaged()[0].model_dump()
    for wrong in ({"days": None}, {"negative": 2}, {"measure": "quality"}):
        with pytest.raises(ValidationError):
            Indicator.model_validate({**good, **wrong})
    for bound in ({}, {"at_least": "1", "below": "2"}):
        with pytest.raises(ValidationError):
            Bound.model_validate(bound)


def test_a_deployment_may_have_indicators_of_its_own(tmp_path: Any) -> None:
    folder = tmp_path / "indicators"
    folder.mkdir()
    (folder / "imi.yaml").write_text("indicators: []", encoding="utf-8")
    assert load(tmp_path) == ()
    (folder / "imi.yaml").write_text("indicators: [{id: x}]", encoding="utf-8")
    with pytest.raises(UnusableContract, match=r"imi\.yaml"):
        load(tmp_path)
