"""The judge of schema changes: every rule once, and the promise that what it passes does no harm."""

import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ConfigDict, Field

from contracts.compatibility import Change, compare, compare_trees, main

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
NULL: Schema = {"type": "null"}


def thing(*required: str, **properties: Schema) -> Schema:
    """An object schema as pydantic writes it."""
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def unclosed(schema: Schema) -> Schema:
    """The same for writers who may add what they like."""
    return {name: value for name, value in schema.items() if name != "additionalProperties"}


def variant(tag: str, **properties: Schema) -> Schema:
    """One branch of a tagged union."""
    return thing("tag", tag={"const": tag, "type": "string"}, **properties)


def breaking(changes: list[Change]) -> list[tuple[str, str]]:
    """Where and by which rule."""
    return [(change.path, change.rule) for change in changes if change.breaking]


def harmless(changes: list[Change]) -> list[tuple[str, str]]:
    """Where and by which rule."""
    return [(change.path, change.rule) for change in changes if not change.breaking]


ONE_WAY: list[tuple[Schema, Schema, str, str, str]] = [
    # narrow, wide, path, rule when it widens, rule when it narrows
    (INTEGER, {"type": "number"}, "/type", "type-widened", "type-narrowed"),
    (STRING, {"anyOf": [STRING, NULL]}, "", "null-added", "null-removed"),
    (STRING, {"type": ["string", "null"]}, "", "null-added", "null-removed"),
    ({"enum": ["a"]}, {"enum": ["a", "b"]}, "/enum", "enum-value-added", "enum-value-removed"),
    ({"enum": ["a"], **STRING}, STRING, "/enum", "enum-dropped", "enum-added"),
    ({"const": "a", **STRING}, STRING, "/const", "const-dropped", "const-added"),
    (thing("a", a=STRING), thing(a=STRING), "/properties/a", "required-dropped", "required-added"),
    (
        {**STRING, "maxLength": 5},
        {**STRING, "maxLength": 6},
        "/maxLength",
        "bound-relaxed",
        "bound-tightened",
    ),
    ({**STRING, "minLength": 1}, STRING, "/minLength", "bound-relaxed", "bound-tightened"),
    ({"minimum": 2}, {"exclusiveMinimum": 1}, "/minimum", "bound-relaxed", "bound-tightened"),
    ({"multipleOf": 6}, {"multipleOf": 3}, "/multipleOf", "bound-relaxed", "bound-tightened"),
    ({**STRING, "pattern": "a"}, STRING, "/pattern", "pattern-dropped", "pattern-added"),
    ({**STRING, "format": "date"}, STRING, "/format", "format-dropped", "format-added"),
    (
        {"type": "array", "uniqueItems": True},
        {"type": "array"},
        "/uniqueItems",
        "unique-dropped",
        "unique-added",
    ),
    ({"type": "array", "items": INTEGER}, {"type": "array"}, "/items/type", "type-widened", "type-narrowed"),
    (
        {"anyOf": [variant("a"), variant("b")]},
        {"anyOf": [variant("a"), variant("b"), variant("c")]},
        "",
        "branch-added",
        "branch-removed",
    ),
    (
        {"type": "object", "additionalProperties": INTEGER},
        {"type": "object", "additionalProperties": {"type": "number"}},
        "/additionalProperties/type",
        "type-widened",
        "type-narrowed",
    ),
]


@pytest.mark.parametrize(("narrow", "wide", "path", "widened", "narrowed"), ONE_WAY)
def test_a_rule_judges_both_directions(narrow: Schema, wide: Schema, path: str, widened: str, narrowed: str) -> None:
    assert (path, widened) in breaking(compare(narrow, wide))
    back = compare(wide, narrow)
    assert not breaking(back)
    assert narrowed in {rule for _, rule in harmless(back)}


BOTH_WAYS: list[tuple[Schema, Schema, str, str]] = [
    ({"const": 1}, {"const": True}, "/type", "type-widened"),
    ({"const": "a"}, {"const": "b"}, "/const", "const-changed"),
    ({**STRING, "pattern": "a"}, {**STRING, "pattern": "b"}, "/pattern", "pattern-changed"),
    ({**STRING, "format": "date"}, {**STRING, "format": "time"}, "/format", "format-changed"),
    ({**STRING, "default": "a"}, {**STRING, "default": "b"}, "/default", "default-changed"),
    ({**STRING, "x-class": "public"}, {**STRING, "x-class": "personal"}, "/x-class", "not-understood"),
    ({**STRING}, {**STRING, "x-class": "personal"}, "/x-class", "not-understood"),
    ({"not": STRING}, {"not": INTEGER}, "/not", "not-understood"),
    ({"$ref": "other.json"}, STRING, "", "not-understood"),
    ({"$ref": "#/$defs/A"}, STRING, "", "not-understood"),
    ({"$ref": "#"}, STRING, "", "not-understood"),
    ({"type": "text"}, STRING, "", "not-understood"),
    ({"$schema": "http://json-schema.org/draft-07/schema#"}, STRING, "", "not-understood"),
    ({"type": "array", "items": [STRING]}, {"type": "array"}, "/items", "not-understood"),
    (
        {"unevaluatedProperties": False},
        {"unevaluatedProperties": False, "title": 1, "type": "object"},
        "/unevaluatedProperties",
        "not-understood",
    ),
]


@pytest.mark.parametrize(("old", "new", "path", "rule"), BOTH_WAYS)
def test_what_fits_in_no_direction_is_breaking(old: Schema, new: Schema, path: str, rule: str) -> None:
    assert (path, rule) in breaking(compare(old, new))
    assert not harmless(compare(old, new)) or rule == "not-understood"


def test_an_optional_property_comes_and_goes_without_harm() -> None:
    without, with_ = thing("a", a=STRING), thing("a", a=STRING, b=INTEGER)
    assert compare(without, with_) == [Change(False, "/properties/b", "property-added", "old: not listed; new: listed")]
    assert compare(with_, without) == [
        Change(False, "/properties/b", "property-removed", "old: listed; new: not listed")
    ]


def test_a_required_property_that_is_gone_breaks() -> None:
    changes = compare(thing("a", a=STRING), thing())
    assert changes == [Change(True, "/properties/a", "required-dropped", "old: required; new: gone")]


def test_a_property_dropped_from_an_open_writer_may_come_back_as_anything() -> None:
    changes = compare(unclosed(thing(a=STRING)), unclosed(thing()))
    assert breaking(changes) == [("/properties/a/type", "type-widened")]


def test_a_new_property_must_suit_a_reader_of_maps() -> None:
    readers = {"type": "object", "additionalProperties": INTEGER}
    assert breaking(compare(readers, thing(a=STRING))) == [("/additionalProperties/type", "type-widened")]
    assert not breaking(compare(readers, thing(a=INTEGER)))


def test_a_change_inside_a_variant_is_told_there() -> None:
    old = {"oneOf": [variant("a", x=INTEGER), variant("b", x=INTEGER)]}
    new = {"oneOf": [variant("b", x=INTEGER), variant("a", x={"type": "number"})]}
    assert breaking(compare(old, new)) == [("/oneOf/0/properties/x/type", "type-widened")]


def test_another_discriminator_breaks() -> None:
    both = thing("a", "b", a={"const": 1}, b={"const": 1})
    old = {"oneOf": [both], "discriminator": {"propertyName": "a"}}
    new = {"oneOf": [both], "discriminator": {"propertyName": "b"}}
    assert breaking(compare(old, new)) == [("/discriminator/propertyName", "discriminator-changed")]


def test_definitions_may_be_renamed() -> None:
    def tree(name: str, leaf: Schema) -> Schema:
        node = thing("leaf", leaf=leaf, next={"anyOf": [{"$ref": f"#/$defs/{name}"}, NULL]})
        return {"$ref": f"#/$defs/{name}", "$defs": {name: node}}

    assert compare(tree("A", STRING), tree("B", STRING)) == []
    changes = compare(tree("A", STRING), tree("B", INTEGER))
    assert breaking(changes) == [("/$defs/A/properties/leaf/type", "type-widened")]


def test_tuples_are_judged_place_by_place() -> None:
    def pair(*items: Schema) -> Schema:
        return {"type": "array", "prefixItems": list(items), "minItems": 2, "maxItems": 2}

    assert breaking(compare(pair(STRING, INTEGER), pair(STRING, STRING))) == [("/prefixItems/1/type", "type-widened")]
    assert not breaking(compare({"type": "array", "items": STRING}, pair(STRING, STRING)))


def test_a_pattern_of_the_writer_may_match_what_the_reader_lists() -> None:
    new = {"type": "object", "patternProperties": {"a": STRING}, "additionalProperties": False}
    assert breaking(compare(thing(a=INTEGER), new)) == [("/properties/a/type", "type-widened")]


def test_what_leant_on_a_refuted_assumption_is_asked_again() -> None:
    def node(bad: Schema) -> Schema:
        step = {"type": "object", "properties": {"q": {"$ref": "#/$defs/N"}}}
        return {"type": "object", "properties": {"bad": bad, "p": step}}

    step, whole = {"$ref": "#/$defs/N/properties/p"}, {"$ref": "#/$defs/N"}
    old = {
        "anyOf": [{"type": "object", "properties": {"x": step}}, {"type": "object", "properties": {"y": whole}}],
        "$defs": {"N": {**node(INTEGER), "properties": dict(reversed(node(INTEGER)["properties"].items()))}},
    }
    mended = {"allOf": [whole, {"type": "object", "properties": {"bad": INTEGER}}]}
    new = {"type": "object", "properties": {"x": step, "y": mended}, "$defs": {"N": node(STRING)}}
    sample = {"x": {"q": {"bad": "s"}}, "y": {"p": {"q": {"bad": "s"}}}}
    assert Draft202012Validator(new).is_valid(sample)
    assert not Draft202012Validator(opened(old)).is_valid(sample)
    assert breaking(compare(old, new))


def test_too_many_alternatives_are_not_understood() -> None:
    wide = {"allOf": [{"anyOf": [{"minimum": n} for n in range(8)]} for _ in range(4)]}
    assert breaking(compare(wide, {**wide, "title": "T"})) == [("", "not-understood")]


# --- as pydantic writes schemas


class Ground(StrEnum):
    """Why."""

    A = "a"
    B = "b"


class Part(BaseModel):
    """Refers to itself."""

    model_config = ConfigDict(extra="forbid")
    kind: Literal["part"]
    name: Annotated[str, Field(max_length=20, pattern="^a")]
    parts: tuple["Part", ...] = ()


class Whole(BaseModel):
    """Another branch."""

    model_config = ConfigDict(extra="forbid")
    kind: Literal["whole"]
    pair: tuple[int, str]


class FactOne(BaseModel):
    """The first version."""

    model_config = ConfigDict(extra="forbid")
    ground: Ground
    body: Annotated[Part | Whole, Field(discriminator="kind")]
    counts: dict[str, int]
    note: str | None = None


class FactTwo(FactOne):
    """A later version that old readers read."""

    remark: str | None = None


class FactThree(FactOne):
    """A later version that they do not."""

    ground: Ground | None = None  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleVariableOverride, reportGeneralTypeIssues]


def test_pydantic_models_evolve() -> None:
    one, two, three = (model.model_json_schema() for model in (FactOne, FactTwo, FactThree))
    assert not breaking(compare(one, two))
    assert ("/properties/remark", "property-added") in harmless(compare(one, two))
    assert set(breaking(compare(one, three))) == {
        ("/properties/ground", "required-dropped"),
        ("/properties/ground", "null-added"),
    }


# --- the promise: what passes does no harm

NAMES = ("a", "b", "c")
SCALARS: tuple[Any, ...] = (None, True, False, -1, 0, 1, 2, 3, 4, 1.0, 0.5, "", "a", "b", "ab", "aab")
ROOT = "#/$defs/"


def _some(pairs: Mapping[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Schema]:
    return st.fixed_dictionaries({}, optional=dict(pairs))


counts = st.integers(0, 3)
scalars = st.sampled_from(SCALARS)
strings = _some({"minLength": counts, "maxLength": counts, "pattern": st.sampled_from(["^a", "b$"])})
numbers = _some(
    {keyword: st.integers(-1, 4) for keyword in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")}
    | {"multipleOf": st.integers(1, 4)}
)


def _typed(*names: str) -> Callable[[Schema], st.SearchStrategy[Schema]]:
    return lambda rest: st.sampled_from(names).map(lambda name: {"type": name, **rest})


leaves: st.SearchStrategy[Schema] = st.one_of(
    strings.flatmap(_typed("string")),
    numbers.flatmap(_typed("integer", "number")),
    st.sampled_from([NULL, {"type": "boolean"}, {}, {"type": ["string", "null"]}, {"type": ["integer", "array"]}]),
    scalars.map(lambda value: {"const": value}),
    st.lists(scalars, min_size=1, max_size=3).map(lambda values: {"enum": values}),
    strings,
    numbers,
    st.sampled_from([STRING, INTEGER, {"const": "a"}, {"minimum": 2}]).map(lambda schema: {"not": schema}),
)
references = st.sampled_from([{"$ref": f"{ROOT}A"}, {"$ref": f"{ROOT}B"}])


@st.composite
def objects(draw: st.DrawFn, parts: st.SearchStrategy[Any]) -> Schema:
    """Object schemas over three names, tagged or not."""
    schema: Schema = draw(_some({"type": st.just("object"), "minProperties": counts, "maxProperties": counts}))
    if draw(st.booleans()):
        schema["properties"] = draw(st.dictionaries(st.sampled_from(NAMES), parts, max_size=3))
        schema["required"] = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=2))
    extra: st.SearchStrategy[Any] = st.one_of(st.just(False), st.just(False), st.just(True), parts)
    schema |= draw(_some({"additionalProperties": extra}))
    if draw(st.integers(0, 4)) == 0:
        schema["patternProperties"] = draw(st.dictionaries(st.sampled_from(["a", "^b"]), parts, min_size=1, max_size=1))
    if draw(st.integers(0, 4)) == 0:
        schema["propertyNames"] = draw(strings)
    return schema


def arrays(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Schema]:
    """Array schemas, also tuples."""
    return _some(
        {
            "type": st.just("array"),
            "items": st.one_of(parts, st.just(False)),
            "prefixItems": st.lists(parts, min_size=1, max_size=2),
            "minItems": counts,
            "maxItems": counts,
            "uniqueItems": st.booleans(),
            "contains": leaves,
        }
    )


def unions(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Schema]:
    """Combinations, also beside other keywords."""
    lists = st.lists(parts, min_size=1, max_size=3)
    combined = st.sampled_from(["anyOf", "oneOf", "allOf"]).flatmap(lambda name: lists.map(lambda some: {name: some}))
    return st.tuples(combined, st.one_of(st.just(Schema()), leaves)).map(lambda both: {**both[1], **both[0]})


def _grown(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Schema]:
    below = st.one_of(parts, references)
    return st.one_of(objects(below), objects(below), arrays(below), unions(parts))


nodes: st.SearchStrategy[Any] = st.recursive(leaves, _grown, max_leaves=6)
documents: st.SearchStrategy[Schema] = st.builds(
    lambda root, a, b: {**root, "$defs": {"A": a, "B": b}}, nodes, nodes, nodes
)
instances: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda parts: st.one_of(st.lists(parts, max_size=3), st.dictionaries(st.sampled_from(NAMES), parts, max_size=3)),
    max_leaves=5,
)


EXCLUSIVE: Mapping[str, str] = {
    "minimum": "exclusiveMinimum",
    "exclusiveMinimum": "minimum",
    "maximum": "exclusiveMaximum",
    "exclusiveMaximum": "maximum",
}


@st.composite
def mutated(draw: st.DrawFn, schema: Any) -> Any:
    """The schema with one thing changed somewhere."""
    if not isinstance(schema, dict) or not schema or draw(st.integers(0, 6)) == 0:
        return draw(st.one_of(leaves, st.just({"anyOf": [schema, NULL]}), st.just({"allOf": [schema]})))
    keyword = draw(st.sampled_from(sorted(schema)))
    if keyword in EXCLUSIVE and draw(st.booleans()):
        return {EXCLUSIVE.get(name, name): value for name, value in schema.items()}
    if keyword == "$ref" or draw(st.integers(0, 4)) == 0:
        return {name: value for name, value in schema.items() if name != keyword or name == "$defs"}
    return {**schema, keyword: draw(_mutated_value(keyword, schema[keyword]))}


FRESH: Mapping[str, tuple[Any, ...]] = {
    "type": ("string", "integer", "number", "object"),
    "pattern": ("^a", "b$"),
    "const": SCALARS,
    "uniqueItems": (True, False),
    "additionalProperties": (True, False),
    "items": (True, False),
}


@st.composite
def _mutated_value(draw: st.DrawFn, keyword: str, value: Any) -> Any:
    if keyword in FRESH and not isinstance(value, dict):
        return draw(st.sampled_from(FRESH[keyword]))
    if isinstance(value, int):
        return max(value + draw(st.sampled_from([-1, 1])), int(keyword == "multipleOf"))
    if keyword in {"properties", "$defs", "patternProperties"}:
        name = draw(st.sampled_from(sorted(value) or ["a"]))
        return {**value, name: draw(mutated(value.get(name, {})))}
    if keyword == "required":
        return draw(st.lists(st.sampled_from(NAMES), max_size=3, unique=True))
    if keyword == "enum":
        return draw(st.lists(scalars, min_size=1, max_size=3))
    return draw(_mutated_list(value) if isinstance(value, list) else mutated(value))


@st.composite
def _mutated_list(draw: st.DrawFn, parts: list[Any]) -> list[Any]:
    index = draw(st.integers(0, len(parts) - 1))
    changed = [*parts[:index], draw(mutated(parts[index])), *parts[index + 1 :]]
    fewer = parts[:-1] or changed
    more = [*parts, draw(leaves)]
    return [changed, fewer, more][draw(st.integers(0, 2))]


def opened(schema: Any) -> Any:
    """The schema as an open reader reads it. What stands under `not` and `if` is no place to be open in."""
    if isinstance(schema, list):
        return [opened(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    result: Schema = {}
    for keyword, value in schema.items():
        if keyword in {"properties", "$defs", "patternProperties"}:
            result[keyword] = {name: opened(part) for name, part in value.items()}
        elif keyword in {"items", "prefixItems", "anyOf", "allOf", "additionalProperties"} and value is not False:
            result[keyword] = opened(value)
        elif keyword == "oneOf":
            result.setdefault("allOf", []).append({"anyOf": opened(value)})
        elif keyword != "additionalProperties":
            result[keyword] = value
    return result


@st.composite
def fitting(draw: st.DrawFn, schema: Any, document: Schema, depth: int = 3) -> Any:
    """An instance that tries to be valid."""
    if depth == 0 or not isinstance(schema, dict) or draw(st.integers(0, 9)) == 0:
        return draw(instances)
    ways = [way for union in ("anyOf", "oneOf", "allOf") for way in schema.get(union, [])]
    if "$ref" in schema:
        ways.append(document["$defs"][schema["$ref"][-1]])
    if len(ways) > 0 and draw(st.integers(0, 3)):
        return draw(fitting(draw(st.sampled_from(ways)), document, depth))
    if schema.get("type") == "object" or {"properties", "additionalProperties", "required"} & schema.keys():
        return draw(_fitting_object(schema, document, depth))
    if schema.get("type") == "array" or {"items", "prefixItems"} & schema.keys():
        return draw(_fitting_array(schema, document, depth))
    return draw(st.sampled_from(_fitting_scalars(schema)))


def _fitting_scalars(schema: Schema) -> list[Any]:
    if "const" in schema or "enum" in schema:
        return [schema["const"]] if "const" in schema else schema["enum"]
    return [value for value in SCALARS if isinstance(value, KINDS.get(str(schema.get("type")), object))]


@st.composite
def _fitting_array(draw: st.DrawFn, schema: Schema, document: Schema, depth: int) -> list[Any]:
    prefix, rest, least = schema.get("prefixItems", []), schema.get("items", {}), schema.get("minItems", 0)
    size: int = draw(st.integers(least, max(3, least)))
    parts = [prefix[n] if n < len(prefix) else rest for n in range(size)]
    return [draw(fitting(part, document, depth - 1)) for part in parts]


KINDS: Mapping[str, type] = {"string": str, "integer": int, "boolean": bool}


@st.composite
def _fitting_object(draw: st.DrawFn, schema: Schema, document: Schema, depth: int) -> Schema:
    names = {*schema.get("required", []), *draw(st.lists(st.sampled_from(NAMES), max_size=2))}
    properties, rest = schema.get("properties", {}), schema.get("additionalProperties", {})
    return {name: draw(fitting(properties.get(name, rest), document, depth - 1)) for name in sorted(names)}


@st.composite
def evolutions(draw: st.DrawFn) -> tuple[Schema, Schema, list[Any]]:
    """An old schema, a new one that is mostly a little different, and instances meant for the new one."""
    old = draw(documents)
    new = draw(st.one_of(mutated(old), mutated(old), documents))
    if "$defs" not in new:
        new = {**new, "$defs": old["$defs"]}
    return old, new, draw(st.lists(fitting(new, new), min_size=1, max_size=8))


SLOW = settings(
    max_examples=3 * settings().max_examples,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@SLOW
@given(evolutions())
def test_what_passes_is_read_by_every_old_reader(evolution: tuple[Schema, Schema, list[Any]]) -> None:
    old, new, samples = evolution
    if breaking(compare(old, new)):
        return
    writes, reads = Draft202012Validator(new), Draft202012Validator(opened(old))
    for sample in samples:
        assert not writes.is_valid(sample) or reads.is_valid(sample), sample


FEW: tuple[Any, ...] = (None, 1, 2.5, "a", "ab")
SMALL: list[Any] = [
    *SCALARS,
    *([one, *other] for one in FEW for other in ([], *([value] for value in FEW))),
    *({"a": one, **other} for one in FEW for other in ({}, *({"b": value} for value in FEW))),
    *([], {}, {"b": 1}, [1, 1, 1], [1, 1, "a"]),
]


@SLOW
@given(st.one_of(leaves, arrays(leaves), objects(leaves), unions(leaves)), st.data())
def test_what_passes_is_read_in_every_small_case(old: Schema, data: st.DataObject) -> None:
    new = data.draw(st.one_of(mutated(old), mutated(old), leaves))
    if not breaking(compare(old, new)):
        writes, reads = Draft202012Validator(new), Draft202012Validator(opened(old))
        assert [value for value in SMALL if writes.is_valid(value) and not reads.is_valid(value)] == []


@SLOW
@given(documents)
def test_a_schema_is_compatible_with_itself(schema: Schema) -> None:
    assert compare(schema, json.loads(json.dumps(schema))) == []
    # What became narrower may be named too often where parts of a recursive schema overlap; that is never breaking.
    assert breaking(compare(schema, {**schema, "title": "T"})) == []


KEYWORDS = [
    *("type", "properties", "required", "items", "$ref", "anyOf", "enum", "minimum", "maxLength", "allOf", "$defs"),
    *("additionalProperties", "prefixItems", "not", "discriminator", "default", "patternProperties", "uniqueItems"),
    *("const", "propertyNames", "multipleOf", "contains", "$id", "x-mark"),
]


def junk() -> st.SearchStrategy[Any]:
    """Anything that JSON can hold, often under a keyword that expects something else."""
    keywords = st.sampled_from(KEYWORDS)
    scalar = st.one_of(scalars, st.sampled_from(["#", "#/$defs/a", "string", "object"]))
    return st.recursive(scalar, lambda part: st.one_of(st.lists(part), st.dictionaries(keywords, part)), max_leaves=12)


@SLOW
@given(
    st.dictionaries(st.sampled_from(["type", "properties", "anyOf", "$ref", "items", "allOf"]), junk()),
    junk(),
)
def test_nothing_crashes_it(one: Schema, other: Any) -> None:
    compare(one, other if isinstance(other, dict) else {"const": other})
    compare(other if isinstance(other, dict) else {}, one)


# --- folders


def write(folder: Path, name: str, schema: object) -> None:
    """Puts one schema file there."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(schema), encoding="utf-8")


def test_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new, old = tmp_path / "schemas", tmp_path / "schemas" / "released"
    for name in ("same.json", "gone.json", "kind/wider.json"):
        write(old, name, INTEGER)
    write(new, "same.json", INTEGER)
    write(new, "kind/wider.json", {"type": "number"})
    write(new, "fresh.json", STRING)
    rules = {name: [change.rule for change in changes] for name, changes in compare_trees(old, new).items()}
    assert rules == {
        "fresh.json": ["schema-added"],
        "gone.json": ["schema-removed"],
        "kind/wider.json": ["type-widened"],
    }
    assert main([str(old), str(new)]) == 1
    assert "BREAKING gone.json# schema-removed" in capsys.readouterr().out


def test_unchanged_folders_pass(tmp_path: Path) -> None:
    write(tmp_path / "old", "a.json", INTEGER)
    write(tmp_path / "new", "a.json", {**INTEGER, "title": "T"})
    assert main([str(tmp_path / "old"), str(tmp_path / "new")]) == 0
    assert main([str(tmp_path / "old"), str(tmp_path / "old")]) == 0


def test_nothing_to_compare_with_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "new", "a.json", INTEGER)
    assert main([str(tmp_path / "old"), str(tmp_path / "new")]) == 2
    assert main([]) == 2


def test_a_file_that_is_not_json_breaks(tmp_path: Path) -> None:
    write(tmp_path / "old", "a.json", INTEGER)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "a.json").write_text("{", encoding="utf-8")
    assert [change.rule for change in compare_trees(tmp_path / "old", tmp_path / "new")["a.json"]] == ["not-understood"]
