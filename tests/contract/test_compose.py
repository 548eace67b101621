"""docker-compose.yml keeps to the compose specification, and says what the project says elsewhere."""

import json
from importlib.util import find_spec
from pathlib import Path

import jsonschema
import yaml

from connectors.kafka.jars import VERSION
from services.kernel.process import known_services
from services.kernel.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))


def specification() -> dict[str, object]:
    """The compose specification's schema, as the package check-jsonschema brings it (its command is not used)."""
    package = find_spec("check_jsonschema")
    assert package is not None
    assert package.submodule_search_locations is not None
    folder = Path(package.submodule_search_locations[0]) / "builtin_schemas" / "vendor"
    schema: dict[str, object] = json.loads((folder / "compose-spec.json").read_text(encoding="utf-8"))
    return schema


def test_keeps_to_the_specification() -> None:
    jsonschema.validate(COMPOSE, specification())


def test_runs_every_service_with_a_health_check() -> None:
    services = COMPOSE["services"]
    assert known_services() <= services.keys()
    for name in known_services():
        assert services[name]["command"] == ["liandong", "run", name]
        assert str(Settings().port(name)) in services[name]["healthcheck"]["test"][-1]
    for name in ("kafka", "postgres"):
        assert "healthcheck" in services[name]
        assert services[name]["volumes"]


def test_uses_the_engines_that_the_project_is_tested_with() -> None:
    assert COMPOSE["services"]["kafka"]["image"] == f"apache/kafka:{VERSION}"
    assert COMPOSE["services"]["postgres"]["image"] == "postgres:18"


def test_sets_only_what_services_read() -> None:
    read = {f"LIANDONG_{name.upper()}" for name in Settings.model_fields} | {"LIANDONG_KAFKA"}
    for name in known_services() | {"provision"}:
        assert COMPOSE["services"][name]["environment"].keys() <= read
