"""kafka-python's admin client, with types for the little of it we use."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, Final, Protocol, cast

from kafka.admin import KafkaAdminClient  # type: ignore[import-untyped]  # ships no py.typed

from connectors.kafka.settings import KafkaSettings

REQUEST_TIMEOUT_MS: Final = 15_000

# KRaft's metadata.version levels: the first level of each release.
_RELEASES: Final = {17: "3.8", 21: "3.9", 22: "4.0", 26: "4.1", 28: "4.2", 30: "4.3"}


class Admin(Protocol):
    """The part of KafkaAdminClient that we use. What it returns is its own nest of dicts."""

    def describe_cluster(self) -> Mapping[str, Any]:
        """Its id and its `brokers`."""
        ...

    def describe_features(self) -> Mapping[str, Mapping[str, Any]]:
        """By feature: `supported` and `finalized`, each a lowest and a highest level."""
        ...

    def list_topics(self) -> Sequence[str]:
        """Names."""
        ...

    def describe_topics(self, topics: Sequence[str]) -> Sequence[Mapping[str, Any]]:
        """By topic its `name` and `partitions`, each of these with its `replica_nodes`."""
        ...

    def describe_configs(
        self, config_resources: Sequence[object], *, config_filter: str
    ) -> Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any]]]]:
        """By kind of resource, name and key: the `value` and where it comes from."""
        ...

    def create_topics(self, new_topics: Mapping[str, Mapping[str, Any]], *, wait_for_metadata: bool) -> object:
        """By name: `num_partitions`, `replication_factor`, `configs`."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


@contextmanager
def admin(settings: KafkaSettings, timeout_ms: int = REQUEST_TIMEOUT_MS) -> Generator[Admin]:
    """A connected admin client. Raises kafka.errors.KafkaError; KafkaTimeoutError if nobody answers."""
    arguments: dict[str, Any] = {
        **settings.kafka_python(),
        "client_id": "liandong-admin",
        "request_timeout_ms": timeout_ms,
        "bootstrap_timeout_ms": timeout_ms,
    }
    client = KafkaAdminClient(**arguments)
    with closing(cast("Admin", client)) as typed:
        yield typed


def cluster_version(settings: KafkaSettings) -> str:
    """The release that a cluster's finalized metadata.version belongs to, such as "4.3".

    The protocol does not carry the program's version. What the cluster has finalized is the
    nearest thing: a lower bound, since an upgraded broker may not have finalized the new level.
    """
    with admin(settings) as client:
        feature = client.describe_features().get("metadata.version", {})
    level = int(feature.get("finalized", (0, 0))[1])
    known = [release for first, release in _RELEASES.items() if first <= level]
    return known[-1] if known else f"unknown (metadata.version {level})"
