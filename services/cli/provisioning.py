"""Topics and tables, made or verified: what `liandong provision` does, and every start of a stack."""

import importlib
import pkgutil
from importlib.util import find_spec
from pathlib import Path

import services
from connectors.kafka.provision import TopicSpec, ensure
from connectors.kafka.settings import KafkaSettings
from connectors.postgres import migrations
from connectors.postgres.migrations import Schema
from contracts import topics


def schemas() -> list[Schema]:
    """The schemas of every service that has one."""
    names = [module.name for module in pkgutil.iter_modules(services.__path__) if module.ispkg]
    apps = [
        importlib.import_module(f"services.{name}.app")
        for name in names
        if name != "cli" and find_spec(f"services.{name}.app") is not None
    ]
    return [app.SCHEMA for app in apps if hasattr(app, "SCHEMA")]


def topic_specs(overlay: Path | None) -> list[TopicSpec]:
    """What the topics must be."""
    return [
        TopicSpec(name=topic.name, partitions=topic.partitions, config=dict(topic.config))
        for topic in topics.load(overlay).by_name.values()
    ]


def provision(kafka: KafkaSettings, postgres: str, overlay: Path | None) -> list[str]:
    """Create what is missing and verify what is there; return what was done, in words.

    Raises ProvisionError that names each difference.
    """
    done = ensure(kafka, topic_specs(overlay))
    return [*done, *migrations.provision(postgres, schemas())]
