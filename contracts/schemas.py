"""JSON Schemas (2020-12) of every event type's `data` and of the envelope, generated from the models.

The golden files in contracts/schemas/ are what agencies build on; `python -m contracts.schemas --write` renews
them, and a test says when they differ. `x-class` marks who may read a member, `x-code-system` what checks it.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from events.envelope import SALTS, Envelope, RegisteredEnvelope
from events.fact import PREFIX, Fact
from events.registry import facts

FOLDER: Final = Path(__file__).parent / "schemas"
RELEASED: Final = Path(__file__).parent / "released"
"""The schemas of the last released version: what readers out there have. Renewed by a release and by nothing else."""

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

ENVELOPES: Final[Mapping[str, type[BaseModel]]] = {
    f"{PREFIX}.envelope.v1": Envelope,
    f"{PREFIX}.registered_envelope.v1": RegisteredEnvelope,
}

Schema = dict[str, Any]

_SALTS: Final[Schema] = {
    "type": "object",
    "description": "the salts of the classified members, by JSON pointer: 128 random bits each, base64url",
    "propertyNames": {"pattern": "^(?:/[^/]+)+$"},
    "additionalProperties": {"type": "string", "minLength": 22, "maxLength": 128},
}


def generate() -> dict[str, Schema]:
    """Name to schema: each type on the wire, and the two envelopes."""
    data = {type_: _data(fact) for type_, fact in facts().items()}
    return data | {name: _headed(name, model.model_json_schema()) for name, model in ENVELOPES.items()}


def path_of(name: str) -> Path:
    """The golden file of a schema."""
    return FOLDER / f"{name}.schema.json"


def differences() -> list[str]:
    """The golden files that are missing, differ from the models, or have no model any more."""
    wanted = _golden()
    found = {path: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    return sorted(path.name for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path))


def write() -> None:
    """Renew the golden files; those of types that are gone go too."""
    wanted = _golden()
    for path in FOLDER.glob("*.json"):
        if path not in wanted:
            path.unlink()
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")


def release() -> None:
    """Make the golden files the released ones."""
    RELEASED.mkdir(exist_ok=True)
    for path in RELEASED.glob("*.json"):
        path.unlink()
    for path in FOLDER.glob("*.json"):
        schema = json.loads(path.read_text(encoding="utf-8"))
        (RELEASED / path.name).write_text(json.dumps(schema, ensure_ascii=False) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Say which golden files differ, or write them; the exit code is 1 where they differ."""
    parser = argparse.ArgumentParser(prog="python -m contracts.schemas", description=__doc__)
    parser.add_argument("--write", action="store_true", help="renew the golden files")
    parser.add_argument("--release", action="store_true", help="make the golden files the released ones")
    options = parser.parse_args(arguments)
    if options.write:
        write()
    found = differences()
    for name in found:
        sys.stderr.write(f"{name} differs from the models\n")
    if options.release and not found:
        release()
    return 1 if found else 0


def _golden() -> dict[Path, str]:
    return {
        path_of(name): json.dumps(schema, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
        for name, schema in generate().items()
    }


def _data(fact: type[Fact]) -> Schema:
    schema: Schema = {**_headed(fact.type(), fact.model_json_schema()), "title": fact.title_zh}
    if _has_classified(schema):
        schema["properties"][SALTS] = _SALTS
    return schema


def _headed(name: str, schema: Schema) -> Schema:
    return {"$schema": DIALECT, "$id": f"urn:liandong:schema:{name}", **schema}


def _has_classified(schema: object) -> bool:
    if isinstance(schema, dict):
        return "x-class" in schema or any(_has_classified(item) for item in schema.values())
    return isinstance(schema, list) and any(_has_classified(item) for item in schema)


if __name__ == "__main__":
    sys.exit(main())
