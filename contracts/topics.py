"""The topics: who writes what to whom. The hop table of the README and the provisioning come from here.

Where `*` stands, a registrar's name is put: a topic with it in its name is one for each registrar, and as a producer or
a consumer it means the registrar of that topic, or every registrar.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from contracts.files import ContractPart, files, read
from contracts.kinds import Kinds
from contracts.kinds import load as load_kinds

SUBMISSIONS, EVENTS = "submissions", "events"
REGISTRAR = "*"
OUTCOMES, DELIVERIES, OUTAGES, DEAD_LETTERS = "outcomes", "deliveries", "outages", "dead-letters"
FORWARDS, HORIZONS = "forwards", "horizons"


class Topic(ContractPart):
    """One topic. `partitions` never change."""

    name: str
    title: str
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
    kinds: Kinds

    def submissions_for(self, kind: str) -> str | None:
        """The topic that takes submissions of a kind, or None where no registrar decides it."""
        registrar = self.registrar_of(kind)
        return f"{SUBMISSIONS}.{registrar}" if registrar else None

    def events(self) -> tuple[str, ...]:
        """All topics of registered events."""
        return tuple(f"{EVENTS}.{registrar}" for registrar in self.kinds.registrars)

    def registrar_of(self, kind: str) -> str | None:
        """The service that registers a kind."""
        return self.kinds.registrar_of(kind)


def load(overlay: Path | None = None, kinds: Kinds | None = None) -> Topics:
    """The topics of `contracts/topics`, for the registrars of these kinds. Raises UnusableContract."""
    known = kinds or load_kinds(overlay)
    found = [topic for path in files("topics", overlay) for topic in _expanded(read(Topic, path), known.registrars)]
    return Topics({topic.name: topic for topic in found}, known)


def _expanded(topic: Topic, registrars: Sequence[str]) -> list[Topic]:
    if REGISTRAR not in topic.name:
        return [_between(topic, topic.name, registrars)]
    return [_between(topic, topic.name.replace(REGISTRAR, name), [name]) for name in registrars]


def _between(topic: Topic, name: str, registrars: Sequence[str]) -> Topic:
    """The topic under its name, with registrars in the places of `*`."""
    return topic.model_copy(
        update={
            "name": name,
            "producers": _named(topic.producers, registrars),
            "consumers": _named(topic.consumers, registrars),
        }
    )


def _named(services: Sequence[str], registrars: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for service in services for name in (registrars if service == REGISTRAR else (service,)))
