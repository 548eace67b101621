"""Pauses grow and are bounded; the breaker opens, lets one through, and closes."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.delivery.schedule import FIRST_PAUSE, TRIPS_AT, Breaker, Pace, pause

NOW = datetime(2026, 11, 26, tzinfo=UTC)
LONGEST = timedelta(minutes=30)
SECOND = timedelta(seconds=1)


@given(attempt=st.integers(1, 10_000), salt=st.text(max_size=20))
def test_a_pause_is_bounded_spread_and_the_same_for_the_same(attempt: int, salt: str) -> None:
    found = pause(attempt, LONGEST, salt)
    plain = min(FIRST_PAUSE * 3 ** min(attempt - 1, 20), LONGEST)
    assert plain * 0.8 <= found <= plain * 1.2
    assert found == pause(attempt, LONGEST, salt)


def test_two_that_fail_together_do_not_come_back_together() -> None:
    assert len({pause(3, LONGEST, f"310118-cg/{position}") for position in range(50)}) == 50


def failed(breaker: Breaker, times: int, now: datetime = NOW) -> Breaker:
    for _ in range(times):
        breaker = breaker.failed(now, LONGEST, None, "x")
    return breaker


def test_a_few_failures_leave_it_closed() -> None:
    breaker = failed(Breaker(), TRIPS_AT - 1)
    assert breaker.open_until is None
    assert breaker.room(NOW, 1, 4) == 3


def test_it_opens_then_lets_one_through_then_all() -> None:
    breaker = failed(Breaker(), TRIPS_AT)
    assert breaker.open_until is not None
    assert breaker.room(breaker.open_until - SECOND, 0, 4) == 0
    assert breaker.room(breaker.open_until, 0, 4) == 1
    assert breaker.room(breaker.open_until, 1, 4) == 0
    assert breaker.succeeded().room(NOW, 0, 4) == 4


def test_a_probe_that_fails_opens_it_for_longer() -> None:
    first = failed(Breaker(), TRIPS_AT)
    assert first.open_until is not None
    second = failed(first, 1, first.open_until)
    assert second.open_until is not None
    assert second.open_until - first.open_until > first.open_until - NOW


def test_what_the_partner_asks_for_is_kept_to_from_the_first_time() -> None:
    breaker = Breaker().failed(NOW, LONGEST, timedelta(hours=2), "x")
    assert breaker.open_until == NOW + timedelta(hours=2)
    assert breaker.room(NOW + timedelta(hours=1), 0, 4) == 0
    shorter = breaker.failed(NOW, LONGEST, SECOND, "x")
    assert shorter.open_until == breaker.open_until


@given(outcomes=st.lists(st.booleans(), max_size=60), concurrency=st.integers(1, 64))
def test_there_is_never_room_for_more_than_was_agreed(outcomes: list[bool], concurrency: int) -> None:
    breaker, now = Breaker(), NOW
    for good in outcomes:
        now += SECOND
        breaker = breaker.succeeded() if good else breaker.failed(now, LONGEST, None, "x")
        for in_hand in range(concurrency + 2):
            assert 0 <= breaker.room(now, in_hand, concurrency) <= max(0, concurrency - in_hand)


def test_the_pace_is_kept() -> None:
    pace = Pace(per_second=10)
    waits = [pace.wait(100.0) for _ in range(5)]
    assert [round(wait, 6) for wait in waits] == [0, 0.1, 0.2, 0.3, 0.4]
    assert pace.wait(200.0) == 0
