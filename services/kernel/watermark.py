"""How far the whole bus has come: whether everything that was taken before an instant is registered and followed.

The ends of the submissions are noted at an instant of legal time. When every registrar has passed them, and this
service has passed the ends that what registrars write then has, nothing that was accepted before that instant is on
its way to it any more; but for what a gateway still holds in its hands, for which there is the grace.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from connectors.kafka.consume import Partition
from connectors.kafka.progress import Progress
from contracts.topics import EVENTS, SUBMISSIONS, Topics
from services.kernel.time import Clock

Ends = Mapping[Partition, int]


@dataclass(slots=True)
class _Asked:
    """What is waited for: the ends at an instant, first of the submissions, then of what follows from them."""

    at: datetime
    submissions: Ends
    following: Ends | None = None


class Watermark:
    """Asked again and again, it moves on; it never waits. Raises KafkaUnavailable."""

    def __init__(
        self,
        progress: Progress,
        topics: Callable[[], Topics],
        clock: Clock,
        group: str,
        families: Sequence[str] = (EVENTS,),
    ) -> None:
        """`group`: the service that asks. `families`: what it follows of that which registrars write."""
        self._group = group
        self._families = tuple(families)
        self._progress = progress
        self._topics = topics
        self._clock = clock
        self._over: datetime | None = None
        self._asked: _Asked | None = None

    def forget(self) -> None:
        """More may have been accepted before an instant than was known of when it was asked."""
        self._over = self._asked = None

    async def reached(self, moment: datetime) -> datetime | None:
        """The instant before which all that was accepted is known here, if it is not before `moment`, which is over."""
        if self._over is not None and self._over >= moment:
            return self._over
        if self._asked is None or self._asked.at < moment:
            self._asked = _Asked(self._clock(), await self._progress.ends(self._named(SUBMISSIONS)))
        asked = self._asked
        if asked.following is None:
            if not await self._registrars_passed(asked.submissions):
                return None
            asked.following = await self._progress.ends(self._named(*self._families))
        if not await self._passes(self._group, asked.following):
            return None
        self._over, self._asked = asked.at, None
        return asked.at

    async def _registrars_passed(self, ends: Ends) -> bool:
        for topic in self._named(SUBMISSIONS):
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

    def _named(self, *families: str) -> list[str]:
        return [name for name in self._topics().by_name if name.split(".")[0] in families]
