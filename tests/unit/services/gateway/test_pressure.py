"""Who is asked to wait when the bus is behind: who sends more than a fair share, and nobody else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.http.problem import ProblemError
from services.gateway.pressure import Quota, shares

DEMANDS = st.dictionaries(st.from_regex("[a-h]", fullmatch=True), st.floats(0.01, 10_000), min_size=1)


@given(capacity=st.floats(1, 1000), demands=DEMANDS)
def test_shares_are_fair(capacity: float, demands: dict[str, float]) -> None:
    found = shares(capacity, demands)
    assert sum(found.values()) <= capacity * 1.000001
    equal = capacity / len(demands)
    for agency, wanted in demands.items():
        assert found[agency] <= wanted
        # Nobody gets less than an equal part, unless it wants less.
        assert found[agency] >= min(wanted, equal) * 0.999999
    if sum(demands.values()) >= capacity:
        assert sum(found.values()) == pytest.approx(capacity)


def send(quota: Quota, agency: str, count: int, now: float) -> int:
    """How many of these are let through."""
    through = 0
    for _ in range(count):
        try:
            quota.require(agency, now)
        except ProblemError:
            continue
        quota.spend(agency)
        quota.sent(1)
        through += 1
    return through


def test_who_has_to_wait_is_told_for_how_long() -> None:
    quota = Quota(limit=1)
    send(quota, "flood", 1000, 0.0)
    quota.look(100, 1.0)
    send(quota, "flood", 1000, 1.0)
    with pytest.raises(ProblemError) as caught:
        quota.require("flood", 1.0)
    assert caught.value.code == "overloaded"
    assert 1 <= int(caught.value.headers["Retry-After"]) <= 60


def test_a_bus_that_keeps_up_asks_nobody() -> None:
    quota = Quota(limit=500)
    for second in range(10):
        assert send(quota, "flood", 5000, float(second)) == 5000
        quota.look(400, float(second))


def test_a_flood_is_cut_to_what_the_bus_can_do_and_others_are_not() -> None:
    quota, rate, backlog, waiting = Quota(limit=500), 100, 0, list[int]()
    through: dict[str, list[int]] = {"flood": [], "quiet": []}
    for second in range(60):
        for agency, wanted in (("flood", 1000), ("quiet", 20)):
            # Within a second they come by turns.
            through[agency].append(sum(send(quota, agency, wanted // 10, second + tenth / 10) for tenth in range(10)))
        backlog = max(0, backlog + through["flood"][-1] + through["quiet"][-1] - rate)
        waiting.append(backlog)
        quota.look(backlog, second + 0.99)
    assert sum(through["quiet"]) == 60 * 20
    # Once it is known, no more than the bus does, and not much less.
    settled = through["flood"][20:]
    assert 0.6 * rate * len(settled) <= sum(settled) <= rate * len(settled)
    # Nobody waits long behind it.
    assert max(waiting[25:]) <= 1.5 * rate


@pytest.mark.parametrize("lag", [0.0, 0.1, 0.2, 0.5])
def test_a_bus_that_could_do_more_holds_nobody_back_for_long(lag: float) -> None:
    """It once stood still for a second. What is on its way through it for so many seconds does not wait."""
    quota, rate, waits = Quota(limit=1000), 1000, 0.0
    flood: list[int] = []
    for second in range(120):
        came = 0
        for agency, wanted in (("a", 20), ("b", 20), ("c", 20), ("flood", 500)):
            through = sum(send(quota, agency, wanted // 10, second + tenth / 10) for tenth in range(10))
            came += through
            if agency == "flood":
                flood.append(through)
        waits = max(0.0, waits + came - (0 if second == 5 else rate))
        quota.look(int(waits + came * lag), second + 0.99)
    assert min(flood[90:]) == 500
    assert not quota.pressed


def test_a_bus_that_stands_still_is_not_buried() -> None:
    quota = Quota(limit=1000)
    backlog = 0
    for second in range(60):
        backlog = max(0, backlog + send(quota, "a", 500, float(second)) + send(quota, "b", 5, float(second)) - 500)
        quota.look(backlog, second + 0.99)
    for second in range(60, 660):
        for agency, wanted in (("a", 500), ("b", 5)):
            backlog += sum(send(quota, agency, wanted // 5, second + fifth / 5) for fifth in range(5))
        quota.look(backlog, second + 0.99)
    assert backlog < 1000 + 40 * 600


def test_it_ends_when_the_bus_has_caught_up() -> None:
    quota = Quota(limit=500)
    for agency in ("flood", "other"):
        send(quota, agency, 500, 0.0)
    quota.look(501, 1.0)
    assert quota.pressed
    quota.look(480, 2.0)
    assert quota.pressed
    quota.look(80, 3.0)
    assert not quota.pressed
    assert send(quota, "flood", 1000, 3.0) == 1000


def test_nobody_is_remembered_for_ever() -> None:
    quota = Quota(limit=500)
    send(quota, "once", 1, 0.0)
    for second in range(10):
        quota.look(0, float(second))
    quota.look(1000, 11.0)
    assert send(quota, "once", 50, 11.0) == 50
