"""Topics and tables, made or verified: what `liandong provision` does, and every start of a stack."""

import importlib
from pathlib import Path

from connectors.kafka.provision import TopicSpec, ensure
from connectors.kafka.settings import KafkaSettings
from connectors.postgres import migrations
from connectors.postgres.migrations import Schema
from contracts import topics
from contracts.errors import UnusableContract
from services.cli.agencies import new_agency
from services.kernel.process import known_services


def schemas() -> list[Schema]:
    """The schemas of every service that has one."""
    apps = [importlib.import_module(f"services.{name}.app") for name in sorted(known_services())]
    return [app.SCHEMA for app in apps if hasattr(app, "SCHEMA")]


def topic_specs(overlay: Path | None) -> list[TopicSpec]:
    """What the topics must be."""
    return [
        TopicSpec(name=topic.name, partitions=topic.partitions, config=dict(topic.config))
        for topic in topics.load(overlay).by_name.values()
    ]


def ensure_bus_key(bus: str, keys: Path, overlay: Path | None) -> list[str]:
    """Make the bus's own key pair where it has none; return what was done, in words.

    Raises UnusableContract where there is no overlay to keep the public half in.
    """
    if list(keys.glob(f"{bus}.*.pem")):
        return []
    if overlay is None:
        message = f"{bus} has no key in {keys}; set LIANDONG_CONTRACTS to the folder that shall keep its public half"
        raise UnusableContract(message)
    return [f"key {new_agency(bus, keys, overlay).kid}: made for the bus"]


def provision(kafka: KafkaSettings, postgres: str, overlay: Path | None) -> list[str]:
    """Create what is missing and verify what is there; return what was done, in words.

    Raises ProvisionError that names each difference.
    """
    report = ensure(kafka, topic_specs(overlay))
    done = [f"topic {name}: created" for name in report.created]
    return [*done, *migrations.provision(postgres, schemas())]
