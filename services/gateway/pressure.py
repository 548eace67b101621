"""Back-pressure: when the bus falls behind, who sends more than a fair share is asked to wait, and nobody else.

Once a second the gateway looks how many submissions and events wait in Kafka, and so what the bus does in a second.
When more waits than it does in a second, what it does is divided among those who send: who wants less than an equal
part gets all of it, the others share the rest equally (max-min fairness), and only half of it until the bus has caught
up, for everybody's submissions wait behind theirs. What is beyond is answered 429 with the seconds to wait, before it
costs a signature. It ends when no more is wanted than the bus does. Who sends alone may send up to a fixed limit.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from connectors.http.problem import ProblemError
from connectors.kafka.progress import Progress
from contracts.topics import SUBMISSIONS, Topics
from services.kernel.background import Background

log = structlog.stdlib.get_logger(__name__)

LOOK_EVERY: Final = 1.0  # seconds
_DELIVERY: Final = "delivery"
_MEMORY: Final = 0.5
"""How much of an agency's demand is that of the seconds before."""
_LONGEST_WAIT: Final = 60  # seconds
_BEHIND: Final = 1.0  # seconds of its work that may wait for the bus
_FEW: Final = 100
"""As many may wait for any bus."""
_BRAKE: Final = 0.5
"""How much of their share they may send who want more, while the bus is behind."""
_PROBE: Final = 1.1
"""The same while it is not: it may do more than is known."""
_LEAST: Final = 20.0
"""Submissions a second that always may come."""
_FORGOTTEN: Final = 0.5
"""An agency that wants less than this in a second is not thought of any more."""


def shares(capacity: float, demands: Mapping[str, float]) -> dict[str, float]:
    """What each gets of a capacity: what it wants, or an equal part of what is left; pure."""
    found: dict[str, float] = {}
    left, waiting = capacity, len(demands)
    for agency in sorted(demands, key=lambda code: (demands[code], code)):
        found[agency] = min(demands[agency], left / waiting)
        left, waiting = left - found[agency], waiting - 1
    return found


@dataclass(slots=True)
class Bucket:
    """What an agency may send now. Seconds of a monotonic clock."""

    rate: float
    left: float
    at: float

    def fill(self, now: float) -> None:
        """At most a second's worth is saved up; one event is always possible in the end."""
        self.left = min(max(self.rate * LOOK_EVERY, 1.0), self.left + (now - self.at) * self.rate)
        self.at = now

    def wait(self) -> float:
        """Seconds until something is left again."""
        return 0.0 if self.left > 0 else (1 - self.left) / self.rate if self.rate else _LONGEST_WAIT


class Quota:
    """Decides who may go on; no I/O. Safe within one loop."""

    def __init__(self, limit: int) -> None:
        """`limit`: how many may wait at most before the bus is behind, whatever it does in a second."""
        self._limit = limit
        self._backlog = 0
        self._capacity = 0.0
        self._through = 0
        self._wanted: dict[str, float] = {}
        self._demand: dict[str, float] = {}
        self._buckets: dict[str, Bucket] | None = None

    @property
    def pressed(self) -> bool:
        """Whether the bus is behind."""
        return self._buckets is not None

    def look(self, backlog: int, now: float) -> None:
        """Take in how many records wait, once every `LOOK_EVERY` seconds."""
        agencies = {*self._wanted, *self._demand}
        demand = {
            code: self._demand.get(code, 0) * _MEMORY + self._wanted.get(code, 0) * (1 - _MEMORY) for code in agencies
        }
        self._demand = {code: wanted for code, wanted in demand.items() if wanted >= _FORGOTTEN}
        done = max(0.0, self._through - (backlog - self._backlog))
        # What is on its way through the bus does not wait.
        busy = self._capacity and min(backlog, self._backlog) >= max(_FEW, self._capacity * _BEHIND) / 2
        if not busy:
            # It has little to do: that is the least that it can do.
            self._capacity = max(self._capacity, done)
        elif done > 0 or backlog > self._limit:
            # One that stands still does not show what it can do; but it is not to be buried meanwhile.
            self._capacity = (self._capacity + done) / 2
        most = max(_FEW, self._capacity * _BEHIND) if len(self._demand) > 1 else self._limit
        behind = backlog > min(self._limit, most)
        if behind or (self.pressed and sum(self._demand.values()) > self._capacity):
            self._divide(_BRAKE if behind else _PROBE, now)
        else:
            self._buckets = None
        self._wanted, self._through, self._backlog = {}, 0, backlog

    def _divide(self, part: float, now: float) -> None:
        """Give each its share of what the bus does, those who want more than that only a part of it."""
        fair = shares(max(_LEAST, self._capacity), self._demand)
        before, level = self._buckets or {}, max(fair.values(), default=_LEAST)
        # Who wanted less may want as much as the others at any moment.
        rates = {code: level * part if self._demand[code] > share else level for code, share in fair.items()}
        self._buckets = {code: _renewed(before.get(code), rate, now) for code, rate in rates.items()}

    def require(self, agency: str, now: float) -> None:
        """Before anything is checked. Raises ProblemError `overloaded` for who has sent its share."""
        bucket = self._buckets.get(agency) if self._buckets is not None else None
        if bucket is None:
            return
        bucket.fill(now)
        if bucket.left <= 0:
            self._want(agency)
            wait = min(_LONGEST_WAIT, max(1, math.ceil(bucket.wait())))
            detail = f"the bus is behind and {agency} has sent its share; send the same again in {wait} s"
            raise ProblemError("overloaded", detail, headers={"Retry-After": str(wait)})

    def spend(self, agency: str, count: int = 1) -> None:
        """What was shown to be the agency's counts against its share: nobody else can use it up."""
        self._want(agency, count)
        if self._buckets is not None and agency in self._buckets:
            self._buckets[agency].left -= count

    def sent(self, count: int) -> None:
        """So many are on their way through the bus."""
        self._through += count

    def _want(self, agency: str, count: int = 1) -> None:
        self._wanted[agency] = self._wanted.get(agency, 0) + count


class Pressure:
    """Keeps a quota up to what waits in Kafka. While Kafka does not answer, what was known last counts."""

    def __init__(self, quota: Quota, backlog: Callable[[], Awaitable[int]]) -> None:
        self.quota = quota
        self._backlog = backlog
        self._background = Background("gateway: pressure", self._look_always)

    def start(self) -> None:
        """Begin to look."""
        self._background.start()

    async def stop(self) -> None:
        """End."""
        await self._background.stop()

    async def _look_always(self) -> None:
        while True:
            try:
                backlog, before = await self._backlog(), self.quota.pressed
                self.quota.look(backlog, time.monotonic())
                if self.quota.pressed != before:
                    log.warning("the bus is behind" if self.quota.pressed else "the bus has caught up", backlog=backlog)
            except Exception as error:  # noqa: BLE001, the next look tries again
                log.warning("pressure is not measured", reason=repr(error))
            await asyncio.sleep(LOOK_EVERY)


async def backlog(progress: Progress, topics: Topics) -> int:
    """How many submissions wait for their registrar, and events for delivery. Raises KafkaUnavailable."""
    groups = {name: [f"{SUBMISSIONS}.{name}"] for name in topics.kinds.registrars}
    return sum((await progress.behind({**groups, _DELIVERY: topics.events()})).values())


def _renewed(bucket: Bucket | None, rate: float, now: float) -> Bucket:
    if bucket is None:
        return Bucket(rate, rate, now)
    bucket.fill(now)
    bucket.rate = rate
    return bucket
