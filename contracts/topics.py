"""The topics: who writes what to whom. The hop table of the README and the provisioning come from here."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from contracts.files import ContractPart, files, read

SUBMISSIONS, EVENTS = "submissions", "events"
OUTCOMES, DELIVERIES, OUTAGES, DEAD_LETTERS = "outcomes", "deliveries", "outages", "dead-letters"


class Topic(ContractPart):
    """One topic. `kinds` are the kinds of exchange whose facts it carries; `partitions` never change."""

    name: str
    title: str
    kinds: tuple[str, ...] = ()
    key: str
    value: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    partitions: int = Field(ge=1)
    config: Mapping[str, str] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Topics:
    """All topics by name."""

    by_name: Mapping[str, Topic]

    def submissions_for(self, kind: str) -> str | None:
        """The topic that takes submissions of a kind, or None where no registrar decides it."""
        return next((name for name in self._family(SUBMISSIONS) if kind in self.by_name[name].kinds), None)

    def events(self) -> tuple[str, ...]:
        """All topics of registered events."""
        return self._family(EVENTS)

    def registrar_of(self, kind: str) -> str | None:
        """The service that registers a kind."""
        topic = self.submissions_for(kind)
        return topic.split(".", 1)[1] if topic else None

    def _family(self, family: str) -> tuple[str, ...]:
        return tuple(name for name in sorted(self.by_name) if name.split(".")[0] == family)


def load(overlay: Path | None = None) -> Topics:
    """The topics of `contracts/topics`. Raises UnusableContract."""
    found = [read(Topic, path) for path in files("topics", overlay)]
    return Topics({topic.name: topic for topic in found})
