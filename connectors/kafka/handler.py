"""What an owner of records must offer, and the words in which a consumer speaks about itself.

Pure: nothing here talks to Kafka. The policy that uses it is connectors.kafka.consume.
"""

from __future__ import annotations

import enum
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

from connectors.errors import KafkaUnavailable
from connectors.kafka.record import Partition, Reason, Record

State: TypeAlias = Literal["starting", "running", "rebalancing", "retrying", "halted", "stopped", "ended"]


class Exit(enum.IntEnum):
    """The codes with which a consumer ends its process. All of them mean: start me again."""

    DEAD_LETTER = 81
    """Poison could be neither handled nor dead-lettered. It will be met again after the restart."""
    STUCK = 82
    """There are records to read and nothing arrives, or a call of the handler cannot be ended."""
    GROUP = 83
    """Faust, its fetcher or the group coordinator died."""
    GAP = 84
    """Records that are in Kafka were passed over on the way here; a restart reads them."""
    BUG = 85
    """The handler's `assigned` or `revoked`, or the consumer itself, raised."""


class Transient(Exception):
    """For handlers: this will pass, try the same batch again."""


def is_transient(error: BaseException) -> bool:
    """What always counts as passing. `Consumer(transient=…)` adds the database driver's errors."""
    return isinstance(error, Transient | KafkaUnavailable | TimeoutError | ConnectionError)


class Handler(Protocol):
    """What an owner of records does with them."""

    async def handle(self, batch: Sequence[Record]) -> None:
        """Do all of the batch, in order, or nothing. May be cancelled, and may see a record again."""

    async def hold(self, record: Record, reason: Reason) -> None:
        """A record is poison and goes to the dead letters next: store the outcome others can see."""

    def assigned(self, partitions: frozenset[Partition]) -> None:
        """These, and only these, are ours from now on. No record of them has been handled yet."""

    def revoked(self, partitions: frozenset[Partition]) -> None:
        """They are ours no longer: forget what was known of them. No call of `handle` is running."""


@dataclass(frozen=True, slots=True)
class Limit:
    """More than `poison` of the last `of` records dead-lettered is a bad deployment."""

    poison: int = 100
    of: int = 1000


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses between retries, in seconds: doubled from `first` to `cap`, each cut by up to half."""

    first: float = 0.1
    cap: float = 10.0

    def pause(self, attempt: int) -> float:
        """The pause after the attempt with this number, counted from 0."""
        full = min(self.first * 2.0 ** min(attempt, 32), self.cap)
        return full * random.uniform(0.5, 1.0)  # noqa: S311, jitter, not a secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How a consumer is. `ready` is for /readyz; it ends the process itself when only that helps."""

    ready: bool
    state: State
    reason: str
    since: datetime
    assignment: frozenset[Partition]
    lag: int | None
    """Records known to be in Kafka and not done; None while nothing has been heard of them."""
    handled: int
    dead: int
    last_progress: datetime | None


class Recent:
    """Which of the last records were poison."""

    def __init__(self, limit: Limit) -> None:
        """Nothing has been seen yet."""
        self._limit = limit
        self._recent: deque[bool] = deque()
        self._poison = 0

    def good(self, count: int) -> None:
        """So many records were handled."""
        for _ in range(min(count, self._limit.of)):
            self._add(poison=False)

    def poison(self) -> None:
        """One was dead-lettered."""
        self._add(poison=True)

    @property
    def full(self) -> bool:
        """Whether one more would be over the limit."""
        return self._poison >= self._limit.poison

    def _add(self, *, poison: bool) -> None:
        self._recent.append(poison)
        self._poison += poison
        if len(self._recent) > self._limit.of:
            self._poison -= self._recent.popleft()
