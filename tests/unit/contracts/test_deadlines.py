"""Worked deadlines: each row of deadlines.csv was counted by hand, day by day, on the calendars as announced.

A row names the law and says in a sentence what a person checks. `provisional`: the years not announced that it asks.
"""

import csv
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from contracts.calendar import packaged as calendars
from contracts.clocks import due, due_by
from contracts.errors import ClockError
from contracts.rules import packaged

TABLE: Final = Path(__file__).with_name("deadlines.csv")


def rows() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table))


def name(row: dict[str, str]) -> str:
    return f"{row['rule']} {row['start']}"


@pytest.mark.parametrize("row", rows(), ids=name)
def test_a_deadline_is_what_a_person_counts(row: dict[str, str]) -> None:
    counted = due(row["rule"], datetime.fromisoformat(row["start"]))
    assert counted.instant == datetime.fromisoformat(row["due"]), "\n".join([row["check"], *counted.trace])
    assert counted.provisional == tuple(map(int, row["provisional"].split()))
    assert sum((step.length for step in counted.steps), timedelta()) == counted.instant - counted.started_at


def test_no_row_stands_twice_and_each_says_what_to_check() -> None:
    found = rows()
    assert len({name(row) for row in found}) == len(found) >= 70
    assert all(row["source"] and row["check"].endswith(".") for row in found)


def test_the_table_counts_in_every_unit_and_in_every_year_announced() -> None:
    found = [due(row["rule"], datetime.fromisoformat(row["start"])) for row in rows()]
    assert {item.rule.limit.unit for item in found if item.rule.limit} == {"hours", "days", "working_days", "months"}
    assert {item.instant.year for item in found} >= set(range(2017, 2028))


@pytest.mark.parametrize(
    ("start", "version", "law"),
    [
        ("2025-12-31T23:59:59+08:00", "ZA-118@2013-01-01", "治安管理处罚法(2012) 第九十九条"),
        ("2026-01-01T00:00:00+08:00", "ZA-118@2026-01-01", "治安管理处罚法(2025) 第一百一十八条"),
        ("2025-12-31T16:00:00Z", "ZA-118@2026-01-01", "治安管理处罚法(2025) 第一百一十八条"),
    ],
)
def test_the_day_of_the_start_in_shanghai_chooses_the_version(start: str, version: str, law: str) -> None:
    counted = due("ZA-118", datetime.fromisoformat(start))
    assert counted.rule.version == version
    assert counted.basis == f"{version} {law}"


def test_since_2026_a_public_order_case_may_be_extended_twice() -> None:
    old, new = (rule.extends for rule in packaged().by_id["ZA-118"])
    assert old is not None
    assert new is not None
    assert (old.most, str(old.limit)) == (1, "30日")
    assert (new.most, str(new.limit)) == (2, "30日")


@pytest.mark.parametrize(
    ("rule", "start", "known", "last"),
    [
        # 2019: the notice of 2018 rests 1 May only; that of 22 March 2019 rests 1 to 4 May and works Sunday 5 May.
        ("RX-08", "2019-04-29T09:00+08:00", "2019-03-21T12:00+08:00", "2019-05-02"),
        ("RX-08", "2019-04-29T09:00+08:00", "2019-03-22T12:00+08:00", "2019-05-05"),
        # 2020: the notice of 2019 rests to 30 January, works 1 February; that of 27 January 2020 rests to 2 February.
        ("RX-07", "2020-01-21T09:00+08:00", "2020-01-26T12:00+08:00", "2020-01-31"),
        ("RX-07", "2020-01-21T09:00+08:00", "2020-01-27T12:00+08:00", "2020-02-03"),
        ("TR-05", "2020-01-20T09:00+08:00", "2020-01-26T12:00+08:00", "2020-02-01"),
        ("TR-05", "2020-01-20T09:00+08:00", "2020-01-27T12:00+08:00", "2020-02-04"),
    ],
)
def test_a_calendar_that_changed_moves_the_deadline(rule: str, start: str, known: str, last: str) -> None:
    begin = datetime.fromisoformat(start)
    counted = due_by(packaged().at(rule, begin), begin, calendars().as_of(datetime.fromisoformat(known)))
    assert str((counted.instant - timedelta(microseconds=1)).date()) == last


def test_a_deadline_provisional_before_the_notice_is_final_after_it() -> None:
    # 元旦 2026 rests 1 to 3 January and works Sunday the 4th; before the notice of 4 November 2025 nobody knew.
    begin = datetime.fromisoformat("2025-12-31T09:00+08:00")
    rule = packaged().at("TR-01", begin)
    before = due_by(rule, begin, calendars().as_of(datetime.fromisoformat("2025-11-03T12:00+08:00")))
    after = due_by(rule, begin, calendars().as_of(datetime.fromisoformat("2025-11-04T12:00+08:00")))
    assert (str(before.instant.date()), before.provisional) == ("2026-01-03", (2026,))
    assert (str(after.instant.date()), after.provisional) == ("2026-01-05", ())


def test_a_start_without_an_offset_is_refused() -> None:
    with pytest.raises(ClockError, match="offset"):
        due("RX-03", datetime(2026, 9, 30, 15, 0))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("rule", "start", "words"),
    [
        ("RX-12", "2026-09-30T15:00+08:00", "gives no number"),
        ("LD-01", "2026-09-30T15:00+08:00", "agreed each time"),
        ("XCF-60", "2021-07-14T15:00+08:00", "not in force on 2021-07-14"),
        ("RX-99", "2026-09-30T15:00+08:00", "no rule RX-99"),
    ],
)
def test_what_cannot_be_counted_says_why(rule: str, start: str, words: str) -> None:
    with pytest.raises(ClockError, match=words):
        due(rule, datetime.fromisoformat(start))
