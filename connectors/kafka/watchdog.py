"""Finding out that records lie in Kafka and do not arrive here.

aiokafka can stop fetching without a word (#1037, #718), and so can Faust (#175, #629, #640).
Neither can be asked whether it has, so Kafka itself is asked, over other connections, and only
about partitions that have been quiet. While Kafka does not answer nobody is stuck but Kafka.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime

from connectors.kafka.group import FAULTS, Group, Probe
from connectors.kafka.record import Partition

logger = logging.getLogger(__name__)


class Quiet:
    """For how long partitions have brought nothing, and for how long they should have."""

    def __init__(self, stall: float) -> None:
        """A partition is quiet after half of `stall` seconds, and stuck after all of it."""
        self._stall = stall
        self._last: dict[Partition, tuple[int | None, float]] = {}
        self._behind: dict[Partition, float] = {}

    def reset(self) -> None:
        """Nothing could arrive: begin anew."""
        self._last.clear()
        self._behind.clear()

    def quiet(
        self, partitions: Iterable[Partition], taken: Mapping[Partition, int], now: float
    ) -> frozenset[Partition]:
        """Those that have brought nothing for some time."""
        for where in partitions:
            offset = taken.get(where)
            if where not in self._last or self._last[where][0] != offset:
                self._last[where] = (offset, now)
                self._behind.pop(where, None)
        return frozenset(where for where, (_, since) in self._last.items() if now - since >= self._stall / 2)

    def stuck(self, behind: Collection[Partition], now: float) -> frozenset[Partition]:
        """Of these, which are known to have something to bring, those that have been for too long."""
        self._behind = {where: self._behind.get(where, now) for where in behind}
        return frozenset(where for where, since in self._behind.items() if now - since >= self._stall)


class Watchdog:
    """Compares what Kafka has with what arrived."""

    def __init__(self, name: str, group: Group, probe: Probe, stall: float) -> None:
        """`name` is for the log."""
        self._name = name
        self._group = group
        self._probe = probe
        self._quiet = Quiet(stall)
        self.kafka_away_since: datetime | None = None

    def reset(self) -> None:
        """Nothing could arrive: nobody was assigned anything, or the handler had all the time."""
        self._quiet.reset()

    async def stuck(
        self, partitions: frozenset[Partition], taken: Mapping[Partition, int], now: float
    ) -> frozenset[Partition]:
        """The partitions that do not bring what Kafka has in them."""
        quiet = self._quiet.quiet(partitions, taken, now)
        behind = await self._behind(quiet, taken) if quiet else frozenset[Partition]()
        return self._quiet.stuck(behind, now)

    async def kafka_answers(self) -> bool:
        """Whether Kafka does."""
        return await self._ends(frozenset()) is not None

    def heard(self) -> None:
        """Kafka was heard of."""
        if self.kafka_away_since is not None:
            self.kafka_away_since = None
            logger.info("group %s: Kafka answers again", self._name)

    async def _behind(self, partitions: frozenset[Partition], taken: Mapping[Partition, int]) -> frozenset[Partition]:
        """Those in which there is a record beyond what was taken (a transaction's marker is none)."""
        ends = await self._ends(partitions)
        behind: set[Partition] = set()
        for where, end in (ends or {}).items():
            try:
                start = taken.get(where)
                if start is None:
                    start = await self._group.start_of(where, timeout=5)
                if start < end and await self._probe.next_offset(where, start) is not None:
                    behind.add(where)
            except FAULTS:
                continue
        return frozenset(behind)

    async def _ends(self, partitions: frozenset[Partition]) -> dict[Partition, int] | None:
        """The ends of partitions; None when Kafka does not answer."""
        try:
            ends = await self._probe.ends(partitions)
        except FAULTS:
            if self.kafka_away_since is None:
                self.kafka_away_since = datetime.now(UTC)
                logger.warning("group %s: Kafka does not answer", self._name)
            return None
        self.heard()
        return ends
