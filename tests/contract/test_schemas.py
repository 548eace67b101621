"""The golden JSON Schemas: what the models generate, no more and no less."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema import validate as check

from contracts import schemas
from events.registry import facts

GOLDEN = {path.name.removesuffix(".schema.json"): path for path in schemas.FOLDER.glob("*.schema.json")}


def read(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(GOLDEN[name].read_text(encoding="utf-8"))
    return document


def test_the_golden_files_are_what_the_models_generate() -> None:
    assert schemas.differences() == [], "run: python -m contracts.schemas --write"


def test_every_type_has_a_schema_and_every_schema_a_type() -> None:
    assert GOLDEN.keys() == {*facts(), *schemas.ENVELOPES}


@pytest.mark.parametrize("kind", sorted({name.split(".")[2] for name in GOLDEN}))
def test_a_schema_is_valid_2020_12_and_closed(kind: str) -> None:
    for name in (name for name in GOLDEN if name.split(".")[2] == kind):
        schema = read(name)
        Draft202012Validator.check_schema(schema)
        assert schema["$schema"] == schemas.DIALECT
        assert schema["$id"] == f"urn:liandong:schema:{name}"
        assert schema["additionalProperties"] is False, name
        objects = [part for part in schema.get("$defs", {}).values() if part.get("type") == "object"]
        assert all(part["additionalProperties"] is False for part in objects), name


def test_classified_and_coded_members_are_marked() -> None:
    parts = read("cn.liandong.transfer.sent.v1")["$defs"]
    assert parts["Person"]["properties"]["name"]["x-class"] == "personal"
    assert parts["ReportedBy"]["properties"]["reporter"]["x-class"] == "reporter"
    assert read("cn.liandong.transfer.sent.v1")["properties"]["approval"]["x-class"] == "sealed"
    assert read("cn.liandong.transfer.sent.v1")["properties"]["number"]["x-code-system"] == "发文字号"


def test_salts_belong_to_types_with_classified_members() -> None:
    for type_ in facts():
        text = json.dumps(read(type_))
        assert ('"x-class"' in text) == ("_salts" in read(type_)["properties"]), type_


def test_the_command_says_what_differs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    monkeypatch.setattr(schemas, "FOLDER", tmp_path)
    (tmp_path / "cn.liandong.gone.sent.v1.schema.json").write_text("{}", encoding="utf-8")
    assert schemas.main([]) == 1
    assert "cn.liandong.gone.sent.v1.schema.json differs" in capsys.readouterr().err
    assert schemas.main(["--write"]) == 0
    assert not (tmp_path / "cn.liandong.gone.sent.v1.schema.json").exists()


def test_the_schema_refuses_what_is_not_declared() -> None:
    with pytest.raises(Exception, match="Additional properties"):
        check({"reason": "示例", "remark": "x"}, read("cn.liandong.common.withdrawn.v1"))
