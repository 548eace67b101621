import asyncio
import os
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import SettingsError
from services.kernel.time import driven, set_driven, system, until

NINE = datetime(2026, 11, 2, 9, tzinfo=timezone(timedelta(hours=8)))

offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
instants = st.datetimes(datetime(1900, 1, 2), datetime(2199, 12, 30), timezones=offsets)  # noqa: DTZ001, given one


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("time") / "legal-time"


def test_the_system_clock_gives_the_real_time_in_utc() -> None:
    now = system()
    assert now.tzinfo is UTC
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=5)


@given(first=instants, second=instants)
def test_what_is_set_is_what_every_clock_of_the_file_shows(file: Path, first: datetime, second: datetime) -> None:
    set_driven(file, first)
    clock = driven(file)
    assert clock() == first
    set_driven(file, second)
    assert clock() == driven(file)() == second
    assert clock().utcoffset() is not None


def test_a_clock_stands_still_until_it_is_moved(file: Path) -> None:
    set_driven(file, NINE)
    clock = driven(file)
    assert {clock() for _ in range(100)} == {NINE}
    set_driven(file, NINE + timedelta(weeks=3))
    assert clock() == NINE + timedelta(weeks=3)


def test_of_moves_that_follow_at_once_none_is_missed(file: Path) -> None:
    set_driven(file, NINE)
    clock = driven(file)
    for step in range(1, 1000):
        set_driven(file, NINE + timedelta(microseconds=step))
        assert clock() == NINE + timedelta(microseconds=step)


def test_a_file_that_stays_is_not_read_again(tmp_path: Path) -> None:
    file = tmp_path / "legal-time"
    set_driven(file, NINE)
    clock = driven(file)
    kept = file.stat()
    file.write_text("x" * kept.st_size, encoding="ascii")
    os.utime(file, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    assert clock() == NINE


def test_a_naive_instant_cannot_be_set(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="timezone"):
        set_driven(tmp_path / "legal-time", datetime(2026, 11, 2, 9))  # noqa: DTZ001, the point of the test
    assert not list(tmp_path.iterdir())


def test_nothing_is_left_beside_the_file(tmp_path: Path) -> None:
    set_driven(tmp_path / "legal-time", NINE)
    set_driven(tmp_path / "legal-time", NINE)
    assert [path.name for path in tmp_path.iterdir()] == ["legal-time"]


@pytest.mark.parametrize("text", ["2026-11-02T09:00:00+08:00", "2026-11-02T01:00:00Z\n"])
def test_an_instant_may_be_written_by_hand(tmp_path: Path, text: str) -> None:
    (tmp_path / "legal-time").write_text(text, encoding="utf-8")
    assert driven(tmp_path / "legal-time")() == NINE


@pytest.mark.parametrize(
    "text", ["", "2026-11-02T09:00:00", "2026-11-02", "1793581200", "九点", "2026-13-01T00:00:00Z"]
)
def test_what_is_no_aware_instant_is_refused_by_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "legal-time"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=rf"{re.escape(str(file))}.*LIANDONG_LEGAL_TIME"):
        driven(file)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "legal-time").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError):
        driven(tmp_path / "legal-time")


def test_a_missing_file_is_said_at_once_and_later(tmp_path: Path) -> None:
    file = tmp_path / "legal-time"
    with pytest.raises(SettingsError, match="No such file"):
        driven(file)
    set_driven(file, NINE)
    clock = driven(file)
    file.unlink()
    with pytest.raises(SettingsError, match="No such file"):
        clock()
    set_driven(file, NINE)
    assert clock() == NINE


async def test_whoever_waits_for_legal_time_goes_on_when_it_has_come(tmp_path: Path) -> None:
    set_driven(tmp_path / "legal-time", NINE)
    clock = driven(tmp_path / "legal-time")
    waiting = asyncio.create_task(until(clock, NINE + timedelta(hours=1), 60))
    done, _ = await asyncio.wait({waiting}, timeout=0.1)
    assert not done
    set_driven(tmp_path / "legal-time", NINE + timedelta(hours=1))
    assert not await asyncio.wait_for(waiting, 5)


async def test_whoever_waits_can_be_woken_and_does_not_wait_for_ever(tmp_path: Path) -> None:
    wake = asyncio.Event()
    waiting = asyncio.create_task(until(system, None, 60, wake))
    wake.set()
    assert await asyncio.wait_for(waiting, 5)
    assert not await until(system, None, 0.01)
    assert not await until(system, datetime.now(UTC) - timedelta(days=1), 60)
