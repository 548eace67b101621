"""Calendars: hand-written facts of every announced year, what was known when, the provisional rule, local files."""

import csv
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any, Final

import pytest
import yaml
from hatchling.builders.wheel import WheelBuilder
from hypothesis import given
from hypothesis import strategies as st

from contracts import calendar
from contracts.calendar import EXCHANGED, FESTIVALS, SHANGHAI, Calendars, load, packaged
from contracts.errors import UnusableContract
from contracts.files import PACKAGED

ANNOUNCED: Final = range(2016, 2027)
# 2010 to 2030, in seconds since 1970.
INSTANTS: Final = st.integers(1262304000, 1893456000).map(lambda second: datetime.fromtimestamp(second, UTC))

# All weekends that were worked, as the notices list them.
WORKED: Final = {
    2016: "0206 0214 0612 0918 1008 1009",
    2017: "0122 0204 0401 0527 0930",
    2018: "0211 0224 0408 0428 0929 0930 1229",
    2019: "0202 0203 0428 0505 0929 1012",
    2020: "0119 0426 0509 0628 0927 1010",
    2021: "0207 0220 0425 0508 0918 0926 1009",
    2022: "0129 0130 0402 0424 0507 1008 1009",
    2023: "0128 0129 0423 0506 0625 1007 1008",
    2024: "0204 0218 0407 0428 0511 0914 0929 1012",
    2025: "0126 0208 0427 0928 1011",
    2026: "0104 0214 0228 0509 0920 1010",
}

# All weekdays that were not.
RESTED: Final = {
    2016: "0101 0208-0212 0404 0502 0609-0610 0915-0916 1003-1007",
    2017: "0102 0127 0130-0202 0403-0404 0501 0529-0530 1002-1006",
    2018: "0101 0215-0216 0219-0221 0405-0406 0430 0501 0618 0924 1001-1005 1231",
    2019: "0101 0204-0208 0405 0501-0503 0607 0913 1001-1004 1007",
    2020: "0101 0124 0127-0131 0406 0501 0504-0505 0625-0626 1001-1002 1005-1008",
    2021: "0101 0211-0212 0215-0217 0405 0503-0505 0614 0920-0921 1001 1004-1007",
    2022: "0103 0131-0204 0404-0405 0502-0504 0603 0912 1003-1007",
    2023: "0102 0123-0127 0405 0501-0503 0622-0623 0929 1002-1006",
    2024: "0101 0212-0216 0404-0405 0501-0503 0610 0916-0917 1001-1004 1007",
    2025: "0101 0128-0131 0203-0204 0404 0501-0502 0505 0602 1001-1003 1006-1008",
    2026: "0101-0102 0216-0220 0223 0406 0501 0504-0505 0619 0925 1001-1002 1005-1007",
}


def every_day(year: int) -> list[date]:
    """The days of a year."""
    return [date(year, 1, 1) + timedelta(days=number) for number in range(365 + (year % 4 == 0))]


def days(year: int, listed: str) -> set[date]:
    """`0101 0103-0105` as days."""
    found: set[date] = set()
    for item in listed.split():
        first, last = (item.split("-") * 2)[:2]
        found |= {day for day in every_day(year) if first <= f"{day:%m%d}" <= last}
    return found


def a_version(**changes: Any) -> dict[str, Any]:
    """A notice for 2027 that nobody has given."""
    return {
        "year": 2027,
        "version": 1,
        "announced": date(2026, 11, 30),
        "source": "国办发明电〔2026〕0号",
        "holidays": [
            {"name": "元旦", "from": date(2026, 12, 31), "to": date(2027, 1, 3)},
            {"name": "春节", "from": date(2027, 2, 5), "to": date(2027, 2, 11)},
        ],
        "workdays": [date(2026, 12, 27), date(2027, 1, 30), date(2027, 2, 20)],
        **changes,
    }


def written(path: Path, *versions: dict[str, Any]) -> Path:
    """A local file of these versions."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"versions": [*versions]}, allow_unicode=True), encoding="utf-8")
    return path


@pytest.mark.parametrize("year", ANNOUNCED)
def test_an_announced_year_works_and_rests_as_its_notice_says(year: int) -> None:
    newest = packaged().newest()
    working = {day for day in every_day(year) if newest.working(day)}
    weekdays = {day for day in every_day(year) if day.weekday() < 5}
    assert working - weekdays == days(year, WORKED[year])
    assert weekdays - working == days(year, RESTED[year])
    assert not newest.provisional(year)


@pytest.mark.parametrize(
    ("day", "why"),
    [
        ("2016-05-02", "劳动节"),
        ("2017-10-04", "中秋节、国庆节"),
        ("2018-12-31", "元旦"),
        ("2018-12-29", "调休上班"),
        ("2019-04-06", "星期六"),
        ("2020-01-31", "春节"),
        ("2020-02-03", ""),
        ("2022-12-31", "元旦"),
        ("2023-06-25", "调休上班"),
        ("2024-02-09", ""),
        ("2024-02-18", "调休上班"),
        ("2025-10-06", "国庆节、中秋节"),
        ("2026-02-14", "调休上班"),
        ("2026-10-04", "国庆节"),
        ("2026-10-07", "国庆节"),
        ("2026-10-10", "调休上班"),
        ("2026-11-21", "星期六"),
        ("2026-11-22", "星期日"),
        ("2026-11-23", ""),
    ],
)
def test_a_calendar_says_why(day: str, why: str) -> None:
    assert packaged().newest().why(date.fromisoformat(day)) == why


@given(st.dates())
def test_a_day_rests_if_and_only_if_there_is_a_reason_other_than_an_exchange(day: date) -> None:
    newest = packaged().newest()
    assert newest.working(day) == (newest.why(day) in {"", EXCHANGED})


@given(st.dates(date(2010, 1, 1), date(2060, 12, 31)), INSTANTS)
def test_so_it_is_in_what_was_known_at_any_time(day: date, at: datetime) -> None:
    known = packaged().as_of(at)
    assert known.working(day) == (known.why(day) in {"", EXCHANGED})
    if known.provisional(day.year) and known.provisional(day.year + 1):
        assert known.working(day) == (not known.why(day))
        assert day.weekday() < 5 or not known.working(day)


def test_a_datetime_is_refused_as_it_would_match_no_day() -> None:
    with pytest.raises(TypeError, match="SHANGHAI"):
        packaged().newest().working(datetime(2026, 10, 1, tzinfo=SHANGHAI))


# --- who knew what when


@pytest.mark.parametrize(
    ("at", "day", "works", "label"),
    [
        ("2019-03-21", "2019-05-02", True, "2019.1 国办发明电〔2018〕15号"),
        ("2019-03-22", "2019-05-02", False, "2019.2 国办发明电〔2019〕3号"),
        ("2019-03-21", "2019-05-05", False, "2019.1 国办发明电〔2018〕15号"),
        ("2019-03-22", "2019-05-05", True, "2019.2 国办发明电〔2019〕3号"),
        ("2020-01-20", "2020-01-31", True, "2020.1 国办发明电〔2019〕16号"),
        ("2020-01-20", "2020-02-01", True, "2020.1 国办发明电〔2019〕16号"),
        ("2020-01-27", "2020-01-31", False, "2020.2 国办发明电〔2020〕1号"),
        ("2020-01-27", "2020-02-01", False, "2020.2 国办发明电〔2020〕1号"),
    ],
)
def test_a_year_that_was_changed_is_counted_by_what_was_known(at: str, day: str, works: bool, label: str) -> None:
    known = packaged().as_of(datetime.fromisoformat(at).replace(tzinfo=SHANGHAI))
    assert known.working(date.fromisoformat(day)) is works
    assert known.label(date.fromisoformat(day).year) == label


def test_a_notice_is_known_from_midnight_in_shanghai() -> None:
    before = packaged().as_of(datetime(2020, 1, 26, 15, 59, 59, tzinfo=UTC))
    after = packaged().as_of(datetime(2020, 1, 26, 16, tzinfo=UTC))
    assert before.label(2020).startswith("2020.1 ")
    assert after.label(2020).startswith("2020.2 ")


def test_a_year_is_provisional_until_it_is_announced() -> None:
    before = packaged().as_of(datetime(2025, 10, 1, tzinfo=SHANGHAI))
    after = packaged().as_of(datetime(2025, 11, 4, tzinfo=SHANGHAI))
    assert before.provisional(2026)
    assert not before.working(date(2026, 2, 14))
    assert not after.provisional(2026)
    assert after.working(date(2026, 2, 14))


def test_the_next_years_notice_may_change_december_and_the_label_says_so() -> None:
    before = packaged().as_of(datetime(2018, 12, 5, tzinfo=SHANGHAI))
    assert before.working(date(2018, 12, 31))
    assert before.label(2018) == "2018.1 国办发明电〔2017〕12号"
    newest = packaged().newest()
    assert not newest.working(date(2018, 12, 31))
    assert newest.label(2018) == "2018.1 国办发明电〔2017〕12号; 2019.2 国办发明电〔2019〕3号"


@given(INSTANTS, INSTANTS)
def test_equal_knowledge_is_the_same_calendar(one: datetime, other: datetime) -> None:
    calendars = packaged()
    one_day, other_day = sorted(at.astimezone(SHANGHAI).date() for at in (one, other))
    learned = any(one_day < day <= other_day for day in calendars.announced)
    assert (calendars.as_of(one) is calendars.as_of(other)) == (not learned)


def test_in_the_far_future_everything_is_known() -> None:
    assert packaged().as_of(datetime(2200, 1, 1, tzinfo=UTC)) is packaged().newest()


# --- the provisional rule


def weekday_holidays(calendars: Calendars, year: int) -> dict[str, str]:
    """Weekdays of a year that rest, by `%m%d`."""
    newest = calendars.newest()
    return {f"{day:%m%d}": newest.why(day) for day in every_day(year) if day.weekday() < 5 and not newest.working(day)}


def test_2027_is_provisional_weekends_and_the_holidays_of_the_law() -> None:
    newest = packaged().newest()
    assert newest.provisional(2027)
    assert newest.label(2027) == "2027 provisional (not announced; weekends and statutory holidays only)"
    assert weekday_holidays(packaged(), 2027) == {
        "0101": "元旦",
        "0205": "春节",
        "0208": "春节",
        "0405": "清明节",
        "0609": "端午节",
        "0915": "中秋节",
        "1001": "国庆节",
    }
    assert newest.why(date(2027, 2, 6)) == "春节"
    assert newest.why(date(2027, 5, 2)) == "劳动节"
    assert EXCHANGED not in {newest.why(day) for day in every_day(2027)}


def test_the_edition_of_the_law_is_the_one_in_force_and_known() -> None:
    in_2022 = packaged().as_of(datetime(2021, 6, 1, tzinfo=SHANGHAI))
    assert in_2022.why(date(2022, 1, 31)) == ""
    assert [in_2022.why(date(2022, 2, day)) for day in (1, 2, 3, 4)] == ["春节", "春节", "春节", ""]
    assert in_2022.why(date(2022, 5, 2)) == ""
    not_yet_revised = packaged().as_of(datetime(2024, 11, 11, tzinfo=SHANGHAI))
    assert not_yet_revised.working(date(2025, 5, 2))
    assert not_yet_revised.working(date(2026, 2, 16))
    unannounced = packaged().as_of(datetime(2024, 11, 12, tzinfo=SHANGHAI))
    assert unannounced.provisional(2026)
    assert unannounced.why(date(2026, 2, 16)) == "春节"


def test_two_festivals_on_a_day_are_both_named() -> None:
    assert packaged().newest().why(date(2031, 10, 1)) == "中秋节、国庆节"


def test_beyond_the_table_fixed_days_are_left_and_beyond_the_law_weekends() -> None:
    assert set(weekday_holidays(packaged(), 2041).values()) == {"元旦", "劳动节", "国庆节"}
    newest = packaged().newest()
    assert newest.label(2041) == "2041 provisional (not announced; weekends and fixed holidays only)"
    assert newest.label(2013) == "2013 provisional (not announced; weekends only)"
    assert newest.working(date(2013, 10, 1))
    assert newest.working(date.min) == (date.min.weekday() < 5)
    assert newest.working(date.max) == (date.max.weekday() < 5)


def test_each_festival_of_the_table_is_in_the_holiday_that_was_announced() -> None:
    names = {"spring_festival": "春节", "qingming": "清明节", "dragon_boat": "端午节", "mid_autumn": "中秋节"}
    newest = packaged().newest()
    with FESTIVALS.open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    assert [int(row["year"]) for row in rows] == list(range(2016, 2041))
    for row in rows:
        for column, name in names.items():
            assert name in newest.why(date.fromisoformat(row[column])), (row["year"], column)


# --- files


def test_a_local_file_announces_a_year(tmp_path: Path) -> None:
    newest = load(file=written(tmp_path / "local.yaml", a_version())).newest()
    assert not newest.provisional(2027)
    assert newest.label(2027) == "2027.1 国办发明电〔2026〕0号"
    assert newest.working(date(2027, 1, 30))
    assert newest.why(date(2027, 2, 11)) == "春节"
    assert newest.working(date(2027, 10, 1)), "a notice says everything about its year"
    assert not newest.working(date(2026, 12, 31))
    assert newest.label(2026) == "2026.1 国办发明电〔2025〕7号; 2027.1 国办发明电〔2026〕0号"
    assert newest.working(date(2026, 10, 10)), "what is packaged stays"
    assert newest.provisional(2028)


def test_a_local_file_may_hold_several_years_and_a_change(tmp_path: Path) -> None:
    changed = a_version(version=2, announced=date(2027, 1, 20), workdays=[])
    later = a_version(
        year=2028,
        announced=date(2027, 11, 8),
        holidays=[{"name": "元旦", "from": date(2028, 1, 1), "to": date(2028, 1, 3)}],
        workdays=[],
    )
    calendars = load(file=written(tmp_path / "local.yaml", a_version(), changed, later))
    assert not calendars.newest().working(date(2027, 1, 30))
    assert calendars.as_of(datetime(2027, 1, 19, tzinfo=SHANGHAI)).working(date(2027, 1, 30))
    assert not calendars.newest().provisional(2028)


def test_a_local_file_replaces_a_version_and_leaves_the_others(tmp_path: Path) -> None:
    holidays = [{"name": "春节", "from": date(2020, 1, 24), "to": date(2020, 2, 9)}]
    replaced = a_version(year=2020, version=2, announced=date(2020, 1, 27), holidays=holidays, workdays=[])
    calendars = load(file=written(tmp_path / "local.yaml", replaced))
    assert not calendars.newest().working(date(2020, 2, 7))
    assert calendars.as_of(datetime(2020, 1, 20, tzinfo=SHANGHAI)).working(date(2020, 2, 1))


def test_a_file_of_the_overlay_takes_the_place_of_the_packaged_one(tmp_path: Path) -> None:
    holidays = [{"name": "元旦", "from": date(2020, 1, 1), "to": date(2020, 1, 1)}]
    version = a_version(year=2020, announced=date(2019, 11, 21), holidays=holidays, workdays=[])
    written(tmp_path / "calendars" / "2020.yaml", version)
    written(tmp_path / "calendars" / "2027.yaml", a_version())
    newest = load(tmp_path).newest()
    assert newest.working(date(2020, 1, 31))
    assert newest.label(2020).startswith("2020.1 ")
    assert not newest.provisional(2027)
    assert newest.label(2026).startswith("2026.1 ")


def test_the_local_file_counts_over_the_overlay(tmp_path: Path) -> None:
    written(tmp_path / "calendars" / "2027.yaml", a_version(source="overlay"))
    local = written(tmp_path / "local.yaml", a_version(source="local"))
    assert load(tmp_path, local).newest().label(2027) == "2027.1 local"


def test_an_overlay_may_bring_a_new_edition_of_the_law(tmp_path: Path) -> None:
    law = yaml.safe_load((PACKAGED / "calendars" / "statutory.yaml").read_text(encoding="utf-8"))
    invented = {"name": "劳动节", "first": "05-01", "days": 4}
    law["editions"].append({**law["editions"][-1], "valid_from": date(2028, 1, 1), "holidays": [invented]})
    (tmp_path / "calendars").mkdir()
    (tmp_path / "calendars" / "statutory.yaml").write_text(yaml.safe_dump(law), encoding="utf-8")
    calendars = load(tmp_path)
    assert "0504" not in weekday_holidays(calendars, 2027)
    assert weekday_holidays(calendars, 2028) == {"0501": "劳动节", "0502": "劳动节", "0503": "劳动节", "0504": "劳动节"}


def test_the_file_that_the_module_describes_can_be_used(tmp_path: Path) -> None:
    described = (calendar.__doc__ or "").split("invents its days:\n")[1].split("\nA version says")[0]
    (tmp_path / "local.yaml").write_text(dedent(described), encoding="utf-8")
    assert load(file=tmp_path / "local.yaml").newest().working(date(2027, 1, 30))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"year": 2028}, "announced on 2026-11-30"),
        ({"announced": "soon"}, "announced"),
        ({"holidays": []}, "holidays"),
        ({"holidays": [{"name": "元旦", "from": date(2027, 1, 3), "to": date(2027, 1, 1)}]}, "exchange from and to"),
        (
            {"holidays": [{"name": "元旦", "from": date(2028, 1, 1), "to": date(2028, 1, 1)}]},
            "2028-01-01 is neither in",
        ),
        ({"holidays": [{"name": "元旦", "from": date(2027, 1, 30), "to": date(2027, 1, 30)}]}, "named twice"),
        ({"holidays": [{"name": EXCHANGED, "from": date(2027, 1, 9), "to": date(2027, 1, 9)}]}, "under workdays"),
        ({"workdays": [date(2027, 3, 3)]}, "2027-03-03 among workdays is no Saturday or Sunday"),
        ({"workday": []}, "workday"),
        ({"version": 0}, "version"),
    ],
)
def test_a_broken_local_file_is_named_with_what_is_wrong(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    path = written(tmp_path / "local.yaml", a_version(**changes))
    with pytest.raises(UnusableContract) as caught:
        load(file=path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


def test_a_local_file_that_is_not_there_or_no_yaml_is_named(tmp_path: Path) -> None:
    (tmp_path / "local.yaml").write_text("versions: [", encoding="utf-8")
    for path in (tmp_path / "local.yaml", tmp_path / "none.yaml"):
        with pytest.raises(UnusableContract, match=path.name):
            load(file=path)


def test_versions_are_numbered_once_and_in_the_order_of_announcement(tmp_path: Path) -> None:
    twice = written(tmp_path / "twice.yaml", a_version(), a_version())
    with pytest.raises(UnusableContract, match=r"twice.yaml: 2027\.1 is there twice"):
        load(file=twice)
    earlier = written(tmp_path / "earlier.yaml", a_version(), a_version(version=2, announced=date(2026, 11, 1)))
    with pytest.raises(UnusableContract, match=r"earlier.yaml: 2027\.2 is announced on 2026-11-01, before version 1"):
        load(file=earlier)


def test_every_packaged_version_says_how_far_it_was_checked() -> None:
    assert all(item.status and item.source for item in packaged().versions)
    assert [item.year for item in packaged().versions if item.version == 1] == list(ANNOUNCED)


def test_the_wheel_holds_the_calendars() -> None:
    builder = WheelBuilder(str(PACKAGED.parent))
    packed = {item.distribution_path for item in builder.recurse_included_files()}
    data = {f"contracts/calendars/{path.name}" for path in (PACKAGED / "calendars").iterdir()}
    assert len(data) == len(ANNOUNCED) + 2
    assert data <= packed
