"""How far the whole bus has come: whether everything that was taken before an instant is registered and followed.

The ends of the submissions are noted at an instant of legal time. When every registrar has passed them, and this
service has passed the ends that the registered events then have, nothing that was accepted before that instant is on
its way any more; but for what a gateway still holds in its hands, for which there is the grace.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from connectors.kafka.consume import Partition
from connectors.kafka.progress import Progress
from contracts.topics import EVENTS, SUBMISSIONS, Topics
from services.kernel.time import Clock

Ends = Mapping[Partition, int]

_GROUP: Final = "clocks"


@dataclass(slots=True)
class _Asked:
    """What is waited for: the ends at an instant, first of the submissions, then of the events."""

    at: datetime
    submissions: Ends
    events: Ends | None = None


class Watermark:
    """Asked again and again, it moves on; it never waits. Raises KafkaUnavailable."""

    def __init__(self, progress: Progress, topics: Callable[[], Topics], clock: Clock) -> None:
        self._progress = progress
        self._topics = topics
        self._clock = clock
        self._over: datetime | None = None
        self._asked: _Asked | None = None

    async def reached(self, moment: datetime) -> datetime | None:
        """The instant before which all that was accepted is known here, if it is not before `moment`, which is over."""
        if self._over is not None and self._over >= moment:
            return self._over
        if self._asked is None or self._asked.at < moment:
            self._asked = _Asked(self._clock(), await self._progress.ends(self._family(SUBMISSIONS)))
        asked = self._asked
        if asked.events is None:
            if not await self._registrars_passed(asked.submissions):
                return None
            asked.events = await self._progress.ends(self._family(EVENTS))
        if not await self._passes(_GROUP, asked.events):
            return None
        self._over, self._asked = asked.at, None
        return asked.at

    async def _registrars_passed(self, ends: Ends) -> bool:
        for topic in self._family(SUBMISSIONS):
            own = {where: end for where, end in ends.items() if where[0] == topic}
            if not await self._passes(topic.split(".", 1)[1], own):
                return False
        return True

    async def _passes(self, group: str, ends: Ends) -> bool:
        committed = await self._progress.committed(group)
        if all(committed.get(where, 0) >= end for where, end in ends.items()):
            return True
        # A group commits nothing where Kafka has forgotten everything before it came.
        behind = await self._progress.behind({group: sorted({topic for topic, _ in ends})})
        return behind[group] == 0

    def _family(self, family: str) -> list[str]:
        return [name for name in self._topics().by_name if name.split(".")[0] == family]
