"""docker-compose.yml keeps to the compose specification, and says what the project says elsewhere."""

import json
from importlib.util import find_spec
from pathlib import Path

import jsonschema
import yaml

from connectors.kafka.jars import VERSION
from services.kernel.kinds import registrars
from services.kernel.process import known_services
from services.kernel.settings import Settings

ROOT = Path(__file__).parents[2]
RUN = ["liandong", "run"]
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
    running = {name: item["command"][2:] for name, item in services.items() if item.get("command", [])[:2] == RUN}
    assert sorted(name for names in running.values() for name in names) == sorted(known_services())
    assert running["registrars"] == list(registrars())
    for process, names in running.items():
        asked = services[process]["healthcheck"]["test"]
        assert asked[:3] == ["CMD", "liandong", "health"]
        assert sorted(asked[3:]) == sorted(f"http://127.0.0.1:{Settings().port(name)}/readyz" for name in names)
    for name in ("kafka", "postgres"):
        assert "healthcheck" in services[name]
        assert services[name]["volumes"]


def test_uses_the_engines_that_the_project_is_tested_with() -> None:
    assert COMPOSE["services"]["kafka"]["image"] == f"apache/kafka:{VERSION}"
    assert COMPOSE["services"]["postgres"]["image"] == "postgres:18"


def test_sets_only_what_services_read() -> None:
    read = {f"LIANDONG_{name.upper()}" for name in Settings.model_fields} | {"LIANDONG_KAFKA"}
    for name in [name for name, item in COMPOSE["services"].items() if item.get("image") == "liandong"]:
        assert COMPOSE["services"][name]["environment"].keys() <= read
