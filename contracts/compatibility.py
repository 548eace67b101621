"""Whether a reader with the old JSON Schema still reads what a writer with the new one may send.

Writers are strict, readers are open: a reader ignores members it does not know, and takes the first branch
of a union that fits. So `additionalProperties: false` binds nobody who reads, and `oneOf` reads as `anyOf`.
A change is breaking when some instance of the new schema is not one that the old schema, read like that,
accepts:

    breaking                                     not breaking
    type-widened         string → string|int     type-narrowed
    null-added           T → T|null              null-removed
    branch-added         a variant more          branch-removed
    enum-value-added     enum-dropped            enum-value-removed   enum-added
    const-changed        const-dropped           const-added
    required-dropped     optional now, or gone   required-added
                                                 property-added       the old reader ignores it
                                                 property-removed     was optional
    bound-relaxed        min…, max…, multipleOf  bound-tightened
    pattern-changed      pattern-dropped         pattern-added
    format-changed       format-dropped          format-added
    unique-dropped                               unique-added
    default-changed      absence means another value
    discriminator-changed
    schema-removed       the whole file          schema-added
    not-understood       see below               constraint-added

Titles, descriptions and examples are not compared. `not`, `if`, `contains`, `dependent…` and `content…` must
stay as they are and hold no `$ref`; a keyword that this module does not know must stay as it is on both
sides; references to other documents and `unevaluated…` are never understood. What is not understood is
breaking, so nothing passes because nobody looked.

The judgement errs on one side only: what it calls harmless is harmless, but it may call breaking what a
longer proof would clear (an enum that fits the pattern it replaces, one branch covered by two together).

    python -m contracts.compatibility OLD_DIR NEW_DIR
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import chain
from operator import ge, gt, le, lt
from pathlib import Path
from typing import Final, TypeGuard
from urllib.parse import unquote


@dataclass(frozen=True, slots=True)
class Change:
    """One difference; `path` is a JSON pointer into the schema of the one who reads, `rule` is stable."""

    breaking: bool
    path: str
    rule: str
    detail: str


def compare(old: Mapping[str, object], new: Mapping[str, object]) -> list[Change]:
    """Every change from `old` to `new`, breaking ones first; empty for the same schema.

    Breaking ones are never missed. Harmless ones tell what became narrower and may name more than was written, where
    parts of a recursive schema overlap.

    Raises nothing for a malformed schema: that is a change that is `not-understood`.
    """
    if _key(old) == _key(new):
        return []
    breaking = dict.fromkeys(_Reading(written=new, read=old).gaps())
    # Asked the other way round, the same question finds what became narrower.
    narrower = dict.fromkeys(_Reading(written=old, read=new, names=True).gaps())
    broken = {gap.path for gap in breaking}
    return [
        *(Change(True, gap.path, gap.rule, _detail(gap.read, gap.written)) for gap in breaking),
        *(
            Change(False, gap.path, _HARMLESS.get(gap.rule, gap.rule), _detail(gap.written, gap.read))
            for gap in narrower
            if gap.path not in broken
        ),
    ]


def compare_trees(old_dir: Path, new_dir: Path) -> dict[str, list[Change]]:
    """The changes of every `*.json` below the two folders, by relative path; unchanged files are left out.

    `old_dir` may lie inside `new_dir`. Raises FileNotFoundError when `old_dir` holds no schema: a comparison
    with nothing would pass everything.
    """
    old, new = _files(old_dir), _files(new_dir)
    if new_dir.resolve() in old_dir.resolve().parents:
        new = {name: path for name, path in new.items() if path not in old.values()}
    if not old:
        message = f"no schemas in {old_dir}"
        raise FileNotFoundError(message)
    changes = {name: _compare_files(old.get(name), new.get(name)) for name in sorted(old.keys() | new.keys())}
    return {name: found for name, found in changes.items() if found}


def main(arguments: Sequence[str]) -> int:
    """Prints the changes between two folders. 0: none is breaking, 1: some are, 2: wrong usage."""
    if len(arguments) != 2:
        print("usage: python -m contracts.compatibility OLD_DIR NEW_DIR", file=sys.stderr)
        return 2
    try:
        trees = compare_trees(Path(arguments[0]), Path(arguments[1]))
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    for name, changes in trees.items():
        for change in changes:
            mark = "BREAKING" if change.breaking else "ok"
            print(f"{mark:8} {name}#{change.path} {change.rule}: {change.detail}")
    return int(any(change.breaking for changes in trees.values() for change in changes))


def _files(folder: Path) -> dict[str, Path]:
    return {path.relative_to(folder).as_posix(): path.resolve() for path in folder.rglob("*.json")}


def _compare_files(old: Path | None, new: Path | None) -> list[Change]:
    if old is None:
        return [Change(False, "", "schema-added", "a schema that no released reader knows")]
    if new is None:
        return [Change(True, "", "schema-removed", "released readers still expect it")]
    try:
        return compare(_load(old), _load(new))
    except _NotUnderstoodError as error:
        return [Change(True, "", "not-understood", str(error))]


def _load(path: Path) -> Mapping[str, object]:
    try:
        return _mapping(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise _NotUnderstoodError(f"{path} is not JSON: {error}") from error


# --- What the keywords of JSON Schema 2020-12 are to this module

_HARMLESS: Final = {
    "type-widened": "type-narrowed",
    "null-added": "null-removed",
    "branch-added": "branch-removed",
    "enum-value-added": "enum-value-removed",
    "enum-dropped": "enum-added",
    "const-dropped": "const-added",
    "required-dropped": "required-added",
    "bound-relaxed": "bound-tightened",
    "pattern-dropped": "pattern-added",
    "format-dropped": "format-added",
    "unique-dropped": "unique-added",
    "not-understood": "constraint-added",
}

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_ANNOTATIONS: Final = frozenset(
    {"$schema", "$id", "$comment", "$defs", "title", "description", "default", "examples"}
    | {"deprecated", "readOnly", "writeOnly"}
)
_COMBINERS: Final = frozenset({"$ref", "allOf", "anyOf", "oneOf"})


def _divisible(number: float, by: float) -> bool:
    """Exact for integers; of fractions only equality is trusted."""
    return number == by or (isinstance(number, int) and isinstance(by, int) and by > 0 and number % by == 0)


# For each bound of the reader: which bounds of the writer ensure it, and how they must compare with it.
_BOUNDS: Final[Mapping[str, Mapping[str, Callable[[float, float], bool]]]] = {
    "minLength": {"minLength": ge},
    "minItems": {"minItems": ge},
    "minProperties": {"minProperties": ge},
    "maxLength": {"maxLength": le},
    "maxItems": {"maxItems": le},
    "maxProperties": {"maxProperties": le},
    "minimum": {"minimum": ge, "exclusiveMinimum": ge},
    "exclusiveMinimum": {"minimum": gt, "exclusiveMinimum": ge},
    "maximum": {"maximum": le, "exclusiveMaximum": le},
    "exclusiveMaximum": {"maximum": lt, "exclusiveMaximum": le},
    "multipleOf": {"multipleOf": _divisible},
}
_COUNTS_FROM_ZERO: Final = frozenset({"minLength", "minItems", "minProperties"})
_STRUCTURE: Final = frozenset(
    {"type", "const", "enum", "required", "properties", "additionalProperties", "patternProperties"}
    | {"propertyNames", "items", "prefixItems", "uniqueItems", "pattern", "format", "discriminator"}
)
_OPAQUE: Final = (
    ("not",),
    ("if", "then", "else"),
    ("contains", "minContains", "maxContains"),
    ("dependentRequired",),
    ("dependentSchemas",),
    ("contentEncoding", "contentMediaType", "contentSchema"),
)
# Their meaning depends on keywords elsewhere, so that looking at them alone proves nothing.
_REFUSED: Final = frozenset({"unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$dynamicAnchor", "$anchor"})
_KNOWN: Final = (
    _ANNOTATIONS
    | _COMBINERS
    | _STRUCTURE
    | _REFUSED
    | _BOUNDS.keys()
    | {keyword for group in _OPAQUE for keyword in group}
)
_TYPES: Final = {
    "null": frozenset({"null"}),
    "boolean": frozenset({"boolean"}),
    "integer": frozenset({"integer"}),
    "number": frozenset({"integer", "number"}),
    "string": frozenset({"string"}),
    "array": frozenset({"array"}),
    "object": frozenset({"object"}),
}
_EVERY_TYPE: Final = frozenset(_TYPES)
_MOST_ALTERNATIVES: Final = 512


class _NotUnderstoodError(Exception):
    """A schema, or a part of one, about which nothing can be proved."""


@dataclass(frozen=True, slots=True)
class _Node:
    """A schema and where it stands in its document."""

    pointer: str
    schema: object

    def at(self, *steps: str | int) -> str:
        """The pointer of something below."""
        return self.pointer + "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)

    def get(self, keyword: str) -> object:
        """The value of a keyword, None where it is absent."""
        return _mapping(self.schema).get(keyword)

    def members(self, keyword: str) -> dict[str, "_Node"]:
        """The schemas under a keyword that maps names to schemas."""
        values = _mapping(_mapping(self.schema).get(keyword, {}))
        return {name: _Node(self.at(keyword, name), value) for name, value in values.items()}

    def elements(self, keyword: str) -> list["_Node"]:
        """The schemas under a keyword that lists schemas."""
        values = _list(_mapping(self.schema).get(keyword, []))
        return [_Node(self.at(keyword, index), value) for index, value in enumerate(values)]

    def child(self, keyword: str) -> "_Node | None":
        """The schema under a keyword; None where it is absent or allows everything."""
        value = _mapping(self.schema).get(keyword, True)
        return None if value is True else _Node(self.at(keyword), value)


# All of these must hold; where there are none, anything does.
_Conjunction = tuple[_Node, ...]


@dataclass(frozen=True, slots=True)
class _Gap:
    """Something the writer may send and the reader does not accept, with what each side says there."""

    path: str
    rule: str
    read: str
    written: str


class _Reading:
    """One question: whether the schema that is read, openly, accepts every instance of the one that is written.

    A node is unfolded into alternatives, each a conjunction of plain schemas. Every alternative of the writer
    must fit one of the reader's, keyword by keyword. Each step down reaches a smaller part of the instance,
    so a pair of places that is met again below itself may be assumed to fit: recursive schemas end.
    """

    def __init__(self, written: object, read: object, *, names: bool = False) -> None:
        """`names` also reports the properties that only one side lists; to a reader they are no obstacle."""
        self._written = written
        self._read = read
        self._names = names
        self._known: dict[object, list[_Gap]] = {}

    def gaps(self) -> list[_Gap]:
        """Where it does not, each place once."""
        return self._node((_Node("", self._written),), _Node("", self._read))

    def _node(self, writers: _Conjunction, reader: _Node) -> list[_Gap]:
        pair = (tuple(writer.pointer for writer in writers), reader.pointer)
        if pair in self._known:
            return self._known[pair]
        before = frozenset(self._known)
        self._known[pair] = []
        gaps = list(dict.fromkeys(self._judged(writers, reader)))
        if gaps:
            # What was found to fit meanwhile may have leant on the assumption that this does.
            self._known = {key: found for key, found in self._known.items() if found or key in before}
        self._known[pair] = gaps
        return gaps

    def _judged(self, writers: _Conjunction, reader: _Node) -> list[_Gap]:
        try:
            accepted = _alternatives((reader,), self._read)
            gaps = list(_default_gaps(writers, reader))
            for offered in _alternatives(writers, self._written):
                gaps += self._alternative(offered, accepted, reader)
        except _NotUnderstoodError as error:
            return [_Gap(reader.pointer, "not-understood", str(error), str(error))]
        return gaps

    def _alternative(self, writers: _Conjunction, accepted: list[_Conjunction], reader: _Node) -> list[_Gap]:
        """Nothing if some accepted alternative fits, else what is wrong with the one that comes closest."""
        nearest: list[_Gap] | None = None
        for readers in accepted:
            gaps = self._conjunction(writers, readers)
            if not gaps:
                return []
            comparable = len(accepted) == 1 or _alike(writers, readers)
            if comparable and (nearest is None or len(gaps) < len(nearest)):
                nearest = gaps
        is_null = _types(writers) == _TYPES["null"]
        if nearest is not None and not is_null:
            return nearest
        rule = "null-added" if is_null else "branch-added"
        return [_Gap(reader.pointer, rule, "not accepted", _described(writers))]

    def _conjunction(self, writers: _Conjunction, readers: _Conjunction) -> list[_Gap]:
        gaps = list(_extension_gaps(writers, readers))
        if self._names:
            gaps += _name_gaps(writers, readers)
        for reader in readers:
            gaps += list(_type_gaps(writers, reader)) or self._plain(writers, reader)
        return gaps

    def _plain(self, writers: _Conjunction, reader: _Node) -> list[_Gap]:
        gaps = [gap for check in _CHECKS for gap in check(writers, reader)]
        for parts, part in chain(_property_pairs(writers, reader), _item_pairs(writers, reader)):
            gaps += self._node(parts, part)
        return gaps


# --- Unfolding


def _alternatives(nodes: _Conjunction, document: object) -> list[_Conjunction]:
    """The nodes together as alternatives of plain schemas, without those that no type can satisfy."""
    unfolded = _product(_unfold(node, document, frozenset()) for node in nodes)
    return [alternative for alternative in unfolded if _types(alternative)]


def _unfold(node: _Node, document: object, through: frozenset[str]) -> list[_Conjunction]:
    if node.schema is True:
        return [()]
    if node.schema is False:
        return []
    schema = _mapping(node.schema)
    if schema.get("$schema", _DIALECT) != _DIALECT:
        raise _NotUnderstoodError(f"{schema['$schema']} is another dialect")
    if node.pointer and "$id" in schema:
        raise _NotUnderstoodError("an inner $id changes what references mean")
    return _product(
        [
            _plain_alternatives(node),
            *([_referred(node, document, through)] if "$ref" in schema else []),
            *(_unfold(part, document, through) for part in node.elements("allOf")),
            *(
                [way for part in node.elements(union) for way in _unfold(part, document, through)]
                for union in ("anyOf", "oneOf")
                if union in schema
            ),
        ]
    )


def _plain_alternatives(node: _Node) -> list[_Conjunction]:
    """The node without combiners, one alternative for each type that it lists."""
    plain = {keyword: value for keyword, value in _mapping(node.schema).items() if keyword not in _COMBINERS}
    types = plain.get("type")
    if not _is_list(types):
        return [(_Node(node.pointer, plain),)]
    return [(_Node(node.pointer, plain | {"type": one}),) for one in types]


def _referred(node: _Node, document: object, through: frozenset[str]) -> list[_Conjunction]:
    reference = node.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#"):
        raise _NotUnderstoodError(f"reference {reference!r} leaves the document")
    pointer = unquote(reference[1:])
    if pointer in through:
        raise _NotUnderstoodError(f"reference {reference} leads back to itself")
    target = document
    for step in pointer.split("/")[1:]:
        target = _step(target, step.replace("~1", "/").replace("~0", "~"), reference)
    return _unfold(_Node(pointer, target), document, through | {pointer})


def _step(target: object, step: str, reference: str) -> object:
    if _is_list(target) and step.isdecimal() and int(step) < len(target):
        return target[int(step)]
    if _is_mapping(target) and step in target:
        return target[step]
    raise _NotUnderstoodError(f"reference {reference} leads nowhere")


def _product(factors: Iterable[list[_Conjunction]]) -> list[_Conjunction]:
    result: list[_Conjunction] = [()]
    for factor in factors:
        result = [left + right for left in result for right in factor]
        if len(result) > _MOST_ALTERNATIVES:
            raise _NotUnderstoodError(f"more than {_MOST_ALTERNATIVES} alternatives")
    return result


# --- Pairs of places further down: what the writer may put there, and how the reader reads it

_Pair = tuple[_Conjunction, _Node]


def _property_pairs(writers: _Conjunction, reader: _Node) -> Iterator[_Pair]:
    properties = reader.members("properties")
    for name, part in properties.items():
        yield from _pair(_written_property(writers, name), part)
    for pattern, part in reader.members("patternProperties").items():
        yield (
            tuple(same for writer in writers if (same := writer.members("patternProperties").get(pattern))),
            part,
        )
    rest = reader.child("additionalProperties")
    if rest is not None and rest.schema is not False:
        others = {name for writer in writers for name in writer.members("properties")} - properties.keys()
        for name in sorted(others):
            yield from _pair(_written_property(writers, name), rest)
        matched = frozenset(reader.members("patternProperties"))
        yield from _pair(_merged(_written_rest(writer, matched) for writer in writers), rest)
    names = reader.child("propertyNames")
    if names is not None:
        yield tuple(same for writer in writers if (same := writer.child("propertyNames"))), names


def _written_property(writers: _Conjunction, name: str) -> _Conjunction | None:
    """What the writer may put under that name; None if the name cannot occur."""
    return _merged(writer.members("properties").get(name) or _written_rest(writer, frozenset()) for writer in writers)


def _written_rest(writer: _Node, unmatched: frozenset[str]) -> _Node | None:
    """What the writer may put under a name that it does not list and that matches none of these patterns.

    None for anything, as also where another pattern of the writer's may match.
    """
    patterns = writer.members("patternProperties").keys()
    return writer.child("additionalProperties") if patterns <= unmatched else None


def _item_pairs(writers: _Conjunction, reader: _Node) -> Iterator[_Pair]:
    most = min(_numbers(writers, "maxItems"), default=None)
    prefix = reader.elements("prefixItems")
    longest = max([len(prefix), *(len(writer.elements("prefixItems")) for writer in writers)])
    # The place after every prefix stands for all that follow.
    for index in range(longest + 1):
        part = prefix[index] if index < len(prefix) else reader.child("items")
        if part is not None and (most is None or index < most):
            yield from _pair(_merged(_written_item(writer, index) for writer in writers), part)


def _written_item(writer: _Node, index: int) -> _Node | None:
    prefix = writer.elements("prefixItems")
    return prefix[index] if index < len(prefix) else writer.child("items")


def _merged(parts: Iterable[_Node | None]) -> _Conjunction | None:
    """The parts that say something, together; None if one of them forbids the place."""
    together = {part.pointer: part for part in parts if part is not None and part.schema is not True}
    never = any(part.schema is False for part in together.values())
    return None if never else tuple(together[pointer] for pointer in sorted(together))


def _pair(written: _Conjunction | None, part: _Node) -> Iterator[_Pair]:
    if written is not None:
        yield written, part


# --- Keywords, one at a time: what the reader's schema demands and the writer's do not ensure


def _default_gaps(writers: _Conjunction, reader: _Node) -> Iterator[_Gap]:
    """The reader fills in its own default where the writer left out its own, and reads another value."""
    ours, theirs = _stated((reader,), "default"), _stated(writers, "default")
    if ours and theirs and _key(ours[0]) != _key(theirs[0]):
        yield _Gap(reader.at("default"), "default-changed", _shown(ours[0]), _shown(theirs[0]))


def _extension_gaps(writers: _Conjunction, readers: _Conjunction) -> Iterator[_Gap]:
    """Nobody here knows what these keywords mean, so they must be the same on both sides."""
    ours, theirs = _extensions(readers), _extensions(writers)
    for keyword in sorted(ours.keys() | theirs.keys()):
        if ours.get(keyword) != theirs.get(keyword):
            place = readers[0] if readers else _Node("", {})
            message = f"{keyword} is not known here and is not the same on both sides"
            yield _Gap(place.at(keyword), "not-understood", message, message)


def _extensions(nodes: _Conjunction) -> dict[str, frozenset[str]]:
    names = {keyword for node in nodes for keyword in _mapping(node.schema) if keyword not in _KNOWN}
    return {name: frozenset(map(_key, _stated(nodes, name))) for name in names}


def _type_gaps(writers: _Conjunction, reader: _Node) -> Iterator[_Gap]:
    ours, theirs = _types((reader,)), _types(writers)
    if not theirs <= ours:
        yield _Gap(reader.at("type"), "type-widened", ", ".join(sorted(ours)), ", ".join(sorted(theirs)))


def _value_gaps(writers: _Conjunction, reader: _Node) -> Iterator[_Gap]:
    ours, theirs = _values((reader,)), _values(writers)
    if ours is None or (theirs is not None and theirs <= ours):
        return
    keyword = "const" if "const" in _mapping(reader.schema) else "enum"
    dropped, changed = (f"{keyword}-dropped", "const-changed" if keyword == "const" else "enum-value-added")
    said = "anything" if theirs is None else ", ".join(sorted(theirs))
    yield _Gap(reader.at(keyword), dropped if theirs is None else changed, ", ".join(sorted(ours)), said)


def _bound_gaps(writers: _Conjunction, reader: _Node) -> Iterator[_Gap]:
    for keyword, bounds in _BOUNDS.items():
        limit = _number(reader, keyword)
        if limit is None or (keyword in _COUNTS_FROM_ZERO and limit <= 0):
            continue
        ensured = any(fits(bound, limit) for other, fits in bounds.items() for bound in _numbers(writers, other))
        if not ensured:
            yield _Gap(reader.at(keyword), "bound-relaxed", _shown(limit), _said(writers, keyword))


def _exact_gaps(writers: _Conjunction, reader: _Node) -> Iterator[_Gap]:
    """Whether one pattern or format covers another is not decided here."""
    for keyword in ("pattern", "format"):
        ours, theirs = _stated((reader,), keyword), _stated(writers, keyword)
        if ours and ours[0] not in theirs:
            rule = f"{keyword}-changed" if theirs else f"{keyword}-dropped"
            yield _Gap(reader.at(keyword), rule, _shown(ours[0]), _said(writers, keyword))


def _opaque_gaps(writers: _Conjunction, reader: _Node) -> Iterator[_Gap]:
    for group in _OPAQUE:
        ours = _group(reader, group)
        if ours and (_refers(ours) or _key(ours) not in {_key(_group(writer, group)) for writer in writers}):
            message = f"{', '.join(ours)} changed, or refers to what may have"
            yield _Gap(reader.at(next(iter(ours))), "not-understood", message, message)


def _refused_gaps(_: _Conjunction, reader: _Node) -> Iterator[_Gap]:
    for keyword in sorted(_REFUSED & _mapping(reader.schema).keys()):
        message = f"{keyword} depends on what other keywords did"
        yield _Gap(reader.at(keyword), "not-understood", message, message)


def _required_gaps(writers: _Conjunction, reader: _Node) -> Iterator[_Gap]:
    ensured = {name for writer in writers for name in _strings(writer, "required")}
    for name in _strings(reader, "required"):
        if name not in ensured:
            said = "optional" if _written_property(writers, name) is not None else "gone"
            yield _Gap(reader.at("properties", name), "required-dropped", "required", said)


def _unique_gaps(writers: _Conjunction, reader: _Node) -> Iterator[_Gap]:
    if True in _stated((reader,), "uniqueItems") and True not in _stated(writers, "uniqueItems"):
        yield _Gap(reader.at("uniqueItems"), "unique-dropped", "unique items", "repeated items")


def _discriminator_gaps(writers: _Conjunction, reader: _Node) -> Iterator[_Gap]:
    """A typed reader chooses the branch by this member before it looks at anything else."""
    ours, theirs = _tag_names((reader,)), _tag_names(writers)
    if ours and theirs and ours != theirs:
        path = reader.at("discriminator", "propertyName")
        yield _Gap(path, "discriminator-changed", ", ".join(sorted(ours)), ", ".join(sorted(theirs)))


def _name_gaps(writers: _Conjunction, readers: _Conjunction) -> Iterator[_Gap]:
    """Property names that only one side lists, told from an old writer to a new reader."""
    ours, theirs = _property_names(readers), _property_names(writers)
    for name in sorted(ours.keys() - theirs.keys()):
        yield _Gap(ours[name], "property-added", "listed", "not listed")
    for name in sorted(theirs.keys() - ours.keys()):
        place = readers[0] if readers else _Node("", {})
        yield _Gap(place.at("properties", name), "property-removed", "not listed", "listed")


def _property_names(nodes: _Conjunction) -> dict[str, str]:
    return {name: part.pointer for node in nodes for name, part in node.members("properties").items()}


_Check = Callable[[_Conjunction, _Node], Iterator[_Gap]]

_CHECKS: Final[tuple[_Check, ...]] = (
    _refused_gaps,
    _value_gaps,
    _bound_gaps,
    _exact_gaps,
    _opaque_gaps,
    _required_gaps,
    _unique_gaps,
    _discriminator_gaps,
)


# --- What nodes say


def _types(nodes: _Conjunction) -> frozenset[str]:
    """The types that an instance of all the nodes can have."""
    possible = _EVERY_TYPE
    for node in nodes:
        stated = _stated((node,), "type")
        if stated:
            possible &= _TYPES.get(str(stated[0])) or _unknown_type(stated[0])
        values = _literals(node)
        if values is not None:
            possible &= {_type_of(value) for value in values}
    return possible


def _unknown_type(name: object) -> frozenset[str]:
    raise _NotUnderstoodError(f"there is no type {name!r}")


def _type_of(value: object) -> str:
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "integer" if value.is_integer() else "number"
        case str():
            return "string"
        case None:
            return "null"
        case _:
            return "array" if _is_list(value) else "object"


def _literals(node: _Node) -> list[object] | None:
    """The values that const or enum leave; None where there is neither."""
    schema = _mapping(node.schema)
    return [schema["const"]] if "const" in schema else _list(schema["enum"]) if "enum" in schema else None


def _values(nodes: _Conjunction) -> frozenset[str] | None:
    """The canonical JSON of the values that all the nodes leave; None for no limit."""
    limits = [frozenset(map(_key, values)) for node in nodes if (values := _literals(node)) is not None]
    return reduce(lambda some, others: some & others, limits) if limits else None


def _alike(one: _Conjunction, other: _Conjunction) -> bool:
    """Whether two variants are meant as the same: a common type, and no tag that tells them apart."""
    ours, theirs = _tags(one), _tags(other)
    return bool(_types(one) & _types(other)) and all(ours[name] == theirs[name] for name in ours.keys() & theirs.keys())


def _tags(nodes: _Conjunction) -> dict[str, str]:
    return {
        name: _key(constant)
        for node in nodes
        for name, part in node.members("properties").items()
        for constant in _stated((part,), "const")
    }


def _tag_names(nodes: _Conjunction) -> set[str]:
    return {str(_mapping(value).get("propertyName")) for value in _stated(nodes, "discriminator")}


def _described(nodes: _Conjunction) -> str:
    tags = ", ".join(f"{name} = {value}" for name, value in sorted(_tags(nodes).items()))
    return tags or " or ".join(sorted(_types(nodes)))


def _detail(old: str, new: str) -> str:
    return old if old == new else f"old: {old}; new: {new}"


def _stated(nodes: _Conjunction, keyword: str) -> list[object]:
    """The value of the keyword in each node that has it."""
    schemas = [node.schema for node in nodes]
    return [schema[keyword] for schema in schemas if _is_mapping(schema) and keyword in schema]


def _said(nodes: _Conjunction, keyword: str) -> str:
    return ", ".join(map(_shown, _stated(nodes, keyword))) or "nothing"


def _number(node: _Node, keyword: str) -> float | None:
    stated = _stated((node,), keyword)
    if not stated:
        return None
    value = stated[0]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _NotUnderstoodError(f"{keyword} is not a number")
    return value


def _numbers(nodes: _Conjunction, keyword: str) -> list[float]:
    return [number for node in nodes if (number := _number(node, keyword)) is not None]


def _strings(node: _Node, keyword: str) -> list[str]:
    return [str(value) for stated in _stated((node,), keyword) for value in _list(stated)]


def _group(node: _Node, keywords: tuple[str, ...]) -> dict[str, object]:
    schema = _mapping(node.schema)
    return {keyword: schema[keyword] for keyword in keywords if keyword in schema}


def _refers(value: object) -> bool:
    if _is_mapping(value):
        return any(name.startswith("$") or _refers(part) for name, part in value.items())
    return _is_list(value) and any(map(_refers, value))


def _is_mapping(value: object) -> TypeGuard[dict[str, object]]:
    return isinstance(value, dict)


def _is_list(value: object) -> TypeGuard[list[object]]:
    return isinstance(value, list)


def _mapping(value: object) -> Mapping[str, object]:
    if not _is_mapping(value):
        raise _NotUnderstoodError(f"an object was expected, not {_shown(value)}")
    return value


def _list(value: object) -> list[object]:
    if not _is_list(value):
        raise _NotUnderstoodError(f"a list was expected, not {_shown(value)}")
    return value


def _key(value: object) -> str:
    """Equal for equal JSON only: Python's == takes true for 1, and JSON text tells 1 from 1.0."""
    return json.dumps(_plainly(value), sort_keys=True, ensure_ascii=False)


def _plainly(value: object) -> object:
    if _is_mapping(value):
        return {name: _plainly(part) for name, part in value.items()}
    if _is_list(value):
        return [_plainly(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _shown(value: object) -> str:
    text = _key(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
