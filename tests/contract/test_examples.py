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
from events.registry import facts
from tests.support.factory import EXAMPLES, TIME, sign, world

VALID = sorted(EXAMPLES.glob("*/valid-*.json"))
INVALID = sorted(EXAMPLES.glob("*/invalid-*.json"))
REFUSED = sorted(EXAMPLES.glob("*/refused-*.json"))
SCHEMAS = {name: Draft202012Validator(schema) for name, schema in schemas.generate().items()}
ENVELOPE = SCHEMAS["cn.liandong.envelope.v1"]


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def named(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("type_", facts())
def test_every_type_has_examples_of_both_sorts(type_: str) -> None:
    assert len([path for path in VALID if path.parent.name == type_]) >= 1
    assert len([path for path in INVALID if path.parent.name == type_]) >= 2


def test_every_file_is_an_example_of_a_type() -> None:
    assert {path.parent.name for path in EXAMPLES.glob("*/*")} == set(facts())
    assert set(EXAMPLES.glob("*/*")) == {*VALID, *INVALID, *REFUSED}


@pytest.mark.parametrize("path", [*VALID, *REFUSED], ids=named)
def test_a_valid_example_passes_the_codec_and_the_golden_schema(path: Path) -> None:
    read_ = read(path)
    document = sign(read_.get("event", read_))
    event = decode(document)
    assert event.envelope.type == path.parent.name
    assert verify_event(document, world().agencies, TIME) == document["source"]
    ENVELOPE.validate(document)
    SCHEMAS[path.parent.name].validate(document["data"])


@pytest.mark.parametrize("path", INVALID, ids=named)
def test_an_invalid_example_fails_for_the_reason_it_states_and_no_other(path: Path) -> None:
    stated = read(path)
    assert stated.keys() == {"why", "pointer", "rule", "event"}
    with pytest.raises(InvalidEvent) as caught:
        decode(sign(stated["event"]))
    assert [(item.pointer, item.rule) for item in caught.value.violations] == [(stated["pointer"], stated["rule"])]


@pytest.mark.parametrize("path", REFUSED, ids=named)
def test_an_example_that_a_registrar_refuses_says_why(path: Path) -> None:
    assert read(path).keys() == {"why", "code", "event"}
    assert read(path)["code"] in problems()


@pytest.mark.parametrize("path", [*VALID, *INVALID, *REFUSED], ids=named)
def test_an_example_is_unsigned(path: Path) -> None:
    document = read(path)
    event = document.get("event", document)
    assert "signature" not in event
    assert "_salts" not in event["data"]


@pytest.mark.parametrize("path", INVALID, ids=named)
def test_the_schema_also_refuses_what_a_schema_can_tell(path: Path) -> None:
    # Check digits, model rules and calendars are the codec's alone; JSON Schema need not see them.
    stated = read(path)
    if stated["rule"] in {"code-invalid", "value_error", "timezone_aware", "date_parsing"}:
        return
    assert not SCHEMAS[path.parent.name].is_valid(stated["event"]["data"])
