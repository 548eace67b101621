"""Making a cluster's topics what the contracts say. Creates what is missing, changes nothing.

A difference is refused, not mended: more partitions would break the order of an exchange, and a
changed setting may be an operator's decision.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from kafka.admin import ConfigResource, ConfigResourceType  # type: ignore[import-untyped]  # ships no py.typed
from kafka.errors import KafkaError, TopicAlreadyExistsError  # type: ignore[import-untyped]

from connectors.errors import ProvisionError
from connectors.kafka.admin import REQUEST_TIMEOUT_MS, Admin, admin
from connectors.kafka.settings import KafkaSettings

DEFAULT_REPLICATION: Final = 3


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it should be.

    `replication_factor="default"` asks for three copies, or as many as a smaller cluster can hold;
    of an existing topic it accepts any. A number is meant exactly. `config` values are Kafka's.
    """

    name: str
    partitions: int
    replication_factor: int | Literal["default"] = "default"
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """One point in which an existing topic is not as it should be."""

    topic: str
    what: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.what} should be {self.expected} but is {self.found}"


@dataclass(frozen=True, slots=True)
class Report:
    """What `ensure` did: names of topics, in the order asked for."""

    created: tuple[str, ...]
    verified: tuple[str, ...]


class TopicsDifferError(ProvisionError):
    """Existing topics differ from the contracts; `differences` has each point."""

    def __init__(self, differences: Sequence[Difference]) -> None:
        """Tell every difference and what to do."""
        self.differences = tuple(differences)
        points = "\n".join(f"  {difference}" for difference in differences)
        super().__init__(
            f"the cluster's topics are not what the contracts say; nothing was changed:\n{points}\n"
            "Set configuration right with kafka-configs, or change the contract. The number of partitions "
            "cannot follow: drain and delete the topic, then provision again; the store has the record."
        )


def ensure(settings: KafkaSettings, specs: Sequence[TopicSpec], *, timeout_ms: int = REQUEST_TIMEOUT_MS) -> Report:
    """Create the topics that are missing, once those that exist are found right. Blocks.

    Raises TopicsDifferError, having created nothing, and ProvisionError if the cluster cannot be
    reached or refuses. Safe to run from several processes at once.
    """
    try:
        with admin(settings, timeout_ms) as client:
            return _ensure(client, specs)
    except KafkaError as error:
        message = (
            f"cannot provision topics on {settings.bootstrap}: {error}. "
            "Check the address, the credentials, and the right to create and describe topics"
        )
        raise ProvisionError(message) from error


def _ensure(client: Admin, specs: Sequence[TopicSpec]) -> Report:
    existing = set(client.list_topics())
    present = [spec for spec in specs if spec.name in existing]
    missing = [spec for spec in specs if spec.name not in existing]
    _verify(client, present)
    if missing:
        _create(client, missing)
    return Report(tuple(spec.name for spec in missing), tuple(spec.name for spec in present))


def _create(client: Admin, specs: Sequence[TopicSpec]) -> None:
    brokers = len(client.describe_cluster()["brokers"])
    wanted = {
        spec.name: {
            "num_partitions": spec.partitions,
            "replication_factor": _copies(spec, brokers),
            "configs": dict(spec.config),
        }
        for spec in specs
    }
    try:
        client.create_topics(wanted, wait_for_metadata=True)
    except TopicAlreadyExistsError:
        # Somebody provisions at the same time; between us, all are made now.
        _create_one_by_one(client, wanted)
    _verify(client, specs)


def _create_one_by_one(client: Admin, wanted: Mapping[str, Mapping[str, Any]]) -> None:
    for name, options in wanted.items():
        if name not in client.list_topics():
            try:
                client.create_topics({name: options}, wait_for_metadata=True)
            except TopicAlreadyExistsError:
                continue


def _copies(spec: TopicSpec, brokers: int) -> int:
    if spec.replication_factor == "default":
        return min(DEFAULT_REPLICATION, brokers)
    return spec.replication_factor


def _verify(client: Admin, specs: Sequence[TopicSpec]) -> None:
    """Raises TopicsDifferError."""
    if not specs:
        return
    names = [spec.name for spec in specs]
    topics = {topic["name"]: topic for topic in client.describe_topics(names)}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    configs = client.describe_configs(resources, config_filter="all")["topic"]
    differences = [
        difference
        for spec in specs
        for difference in (*_shape(spec, topics[spec.name]), *_config(spec, configs[spec.name]))
    ]
    if differences:
        raise TopicsDifferError(differences)


def _shape(spec: TopicSpec, found: Mapping[str, Any]) -> Iterator[Difference]:
    partitions = found["partitions"]
    if len(partitions) != spec.partitions:
        yield Difference(spec.name, "partitions", str(spec.partitions), str(len(partitions)))
    if spec.replication_factor == "default":
        return
    copies = {len(partition["replica_nodes"]) for partition in partitions}
    if copies != {spec.replication_factor}:
        numbers = " and ".join(str(number) for number in sorted(copies))
        yield Difference(spec.name, "replication factor", str(spec.replication_factor), numbers)


def _config(spec: TopicSpec, found: Mapping[str, Mapping[str, Any]]) -> Iterator[Difference]:
    for key, expected in spec.config.items():
        value = str(found[key]["value"]) if key in found else "unknown to this Kafka"
        if value != expected:
            yield Difference(spec.name, key, expected, value)
