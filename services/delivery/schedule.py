"""When something is tried again, and when a partner is left alone for a while; pure.

A copy that failed is tried again after a pause that grows threefold, from 5 seconds to the longest that the contract
allows. A partner that is away (not reached, too slow, 5xx, 429) opens its breaker after a few failures in a row: nobody
knocks until its pause is over, then one does (half-open), and if that goes well all go on.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

FIRST_PAUSE: Final = timedelta(seconds=5)
TRIPS_AT: Final = 4
"""Failures in a row after which the breaker opens."""


def pause(attempt: int, longest: timedelta, salt: str) -> timedelta:
    """The pause after a failed attempt, the first of which is 1: spread by a fifth, the same for the same salt."""
    steps = min(attempt - 1, 20)
    plain: timedelta = min(FIRST_PAUSE * 3**steps, longest)
    drawn = int.from_bytes(hashlib.sha256(f"{salt}/{attempt}".encode()).digest()[:4]) / 2**32
    return plain * (0.8 + 0.4 * drawn)


@dataclass(frozen=True, slots=True)
class Breaker:
    """How a partner fares: its failures in a row, and until when it is left alone."""

    failures: int = 0
    open_until: datetime | None = None

    def failed(self, now: datetime, longest: timedelta, asked: timedelta | None, salt: str) -> Self:
        """After an attempt at which the partner was away. `asked`: for how long it wants to be left alone."""
        failures = self.failures + 1
        wait = asked or timedelta()
        if failures >= TRIPS_AT:
            wait = max(wait, pause(failures, longest, salt))
        until = now + wait if wait else self.open_until
        return type(self)(failures, max(filter(None, (until, self.open_until)), default=None))

    def succeeded(self) -> Self:
        """After an attempt at which the partner answered, whatever it said."""
        return type(self)()

    def room(self, now: datetime, in_hand: int, concurrency: int) -> int:
        """How many attempts may begin now, beside those in hand."""
        if self.open_until is not None and now < self.open_until:
            return 0
        if self.failures >= TRIPS_AT or self.open_until is not None:
            return max(0, 1 - in_hand)
        return max(0, concurrency - in_hand)


class Pace:
    """Attempts per second, at most: each asks when it may begin. Seconds of a monotonic clock."""

    def __init__(self, per_second: float) -> None:
        self._gap = 1 / per_second
        self._next = 0.0

    def wait(self, now: float) -> float:
        """Seconds to wait before the next attempt begins."""
        begins = max(now, self._next)
        self._next = begins + self._gap
        return begins - now
