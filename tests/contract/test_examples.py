"""The examples: every type has some, the valid ones pass and the invalid ones fail for the reason they state."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from contracts import schemas
from contracts.codec import decode, verify_event
from contracts.errors import InvalidEvent
from contracts.problems import problems
from events.registry import facts, kind_of
from tests.support.factory import EXAMPLES, TIME, sign, world

SCHEMAS = {name: Draft202012Validator(schema) for name, schema in schemas.generate().items()}
ENVELOPE = SCHEMAS["cn.liandong.envelope.v1"]


def examples(kind: str, *sorts: str) -> list[Path]:
    """The files of these sorts, of all types of a kind."""
    folders = [EXAMPLES / type_ for type_ in facts() if kind_of(type_) == kind]
    return sorted(path for folder in folders for sort in sorts for path in folder.glob(f"{sort}-*.json"))


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def named(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


KINDS = pytest.mark.parametrize("kind", sorted({kind_of(type_) for type_ in facts()}))


def test_every_file_is_an_example_of_a_type() -> None:
    assert {path.parent.name for path in EXAMPLES.glob("*/*")} == set(facts())
    assert {path.name.split("-", 1)[0] for path in EXAMPLES.glob("*/*")} == {"valid", "invalid", "refused"}


@KINDS
def test_every_type_has_examples_of_both_sorts(kind: str) -> None:
    for type_ in (type_ for type_ in facts() if kind_of(type_) == kind):
        assert any((EXAMPLES / type_).glob("valid-*.json")), type_
        assert len([*(EXAMPLES / type_).glob("invalid-*.json")]) >= 2, type_


@KINDS
def test_a_valid_example_passes_the_codec_and_the_golden_schema(kind: str) -> None:
    for path in examples(kind, "valid", "refused"):
        read_ = read(path)
        document = sign(read_.get("event", read_))
        assert decode(document).envelope.type == path.parent.name, named(path)
        assert verify_event(document, world().agencies, TIME) == document["source"], named(path)
        assert [*ENVELOPE.iter_errors(document)] == [], named(path)
        assert [*SCHEMAS[path.parent.name].iter_errors(document["data"])] == [], named(path)


@KINDS
def test_an_invalid_example_fails_for_the_reason_it_states_and_no_other(kind: str) -> None:
    for path in examples(kind, "invalid"):
        stated = read(path)
        assert stated.keys() == {"why", "pointer", "rule", "event"}, named(path)
        assert violations(stated["event"]) == [(stated["pointer"], stated["rule"])], named(path)


def violations(event: dict[str, Any]) -> list[tuple[str, str]]:
    """What is wrong with an event, by pointer and rule."""
    try:
        decode(sign(event))
    except InvalidEvent as error:
        return [(item.pointer, item.rule) for item in error.violations]
    return []


@KINDS
def test_an_example_that_a_registrar_refuses_says_why(kind: str) -> None:
    for path in examples(kind, "refused"):
        assert read(path).keys() == {"why", "code", "event"}, named(path)
        assert read(path)["code"] in problems(), named(path)


@KINDS
def test_an_example_is_unsigned(kind: str) -> None:
    for path in examples(kind, "valid", "invalid", "refused"):
        document = read(path)
        event = document.get("event", document)
        assert "signature" not in event, named(path)
        assert "_salts" not in event["data"], named(path)


@KINDS
def test_the_schema_also_refuses_what_a_schema_can_tell(kind: str) -> None:
    # Check digits, model rules and calendars are the codec's alone; JSON Schema need not see them.
    beyond = {"code-invalid", "value_error", "timezone_aware", "date_parsing"}
    for path in examples(kind, "invalid"):
        stated = read(path)
        valid = SCHEMAS[path.parent.name].is_valid(stated["event"]["data"])
        assert stated["rule"] in beyond or not valid, named(path)
