"""Salted digests of classified members (the construction of SD-JWT, RFC 9901), and copies that withhold them.

The signature covers a form of the event in which every classified member is replaced by
`{"_sd": digest}`, where digest = base64url(SHA-256(canonical([salt, name, value]))). The salts travel beside
the readable members, in `data._salts`, keyed by JSON pointer. So a copy in which a member was withheld, or
erased years later, still verifies, and what was withheld is visible.
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache
from typing import get_args

from pydantic import BaseModel, JsonValue
from pydantic.fields import FieldInfo

from contracts.canonical import canonical, clone
from contracts.errors import DisclosureError
from events.envelope import DIGEST, SALTS
from events.fact import Fact
from events.fields import Classified, FieldClass

SALT_BYTES = 16


def classified(fact: type[BaseModel], data: Mapping[str, JsonValue]) -> dict[str, FieldClass]:
    """The members of `data` that the model classifies and that are present: JSON pointer to class."""
    return dict(_walk(fact, data, ""))


def salted(fact: type[Fact], data: Mapping[str, JsonValue], salt: Callable[[], str]) -> dict[str, JsonValue]:
    """`data` with a fresh salt for each classified member; `salt` returns base64url text of 128 random bits."""
    bare = {name: value for name, value in data.items() if name != SALTS}
    salts: dict[str, JsonValue] = {pointer: salt() for pointer in classified(fact, bare)}
    return {**bare, SALTS: salts} if salts else bare


def blinded(data: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """`data` as it is signed: each salted member replaced by its digest.

    Raises DisclosureError when a salt names a member that is not there.
    """
    form, salts = _copy(data)
    for pointer, salt in salts.items():
        _withhold(form, pointer, salt)
    return form


def cut(fact: type[Fact], data: Mapping[str, JsonValue], allowed: Collection[FieldClass]) -> dict[str, JsonValue]:
    """A copy of `data` from which the members of classes outside `allowed` are withheld."""
    form, salts = _copy(data)
    classes = classified(fact, data)
    kept: dict[str, JsonValue] = {}
    for pointer, salt in salts.items():
        # A salt that the model does not explain is withheld from everybody: SEALED is never granted by default.
        if classes.get(pointer, FieldClass.SEALED) in allowed:
            kept[pointer] = salt
        else:
            _withhold(form, pointer, salt)
    return {**form, SALTS: kept} if kept else form


def withheld(data: Mapping[str, JsonValue]) -> list[str]:
    """The JSON pointers of the members that this copy withholds."""
    found: list[str] = []
    for name, value in data.items():
        _find_digests(value, f"/{_escape(name)}", found)
    return found


def require_salts(fact: type[Fact], data: Mapping[str, JsonValue]) -> None:
    """Raise DisclosureError unless the salts cover exactly the classified members, each of full strength."""
    salts = _salts(data)
    bare = {name: value for name, value in data.items() if name != SALTS}
    expected = classified(fact, bare)
    for pointer in sorted(expected.keys() - salts.keys()):
        raise DisclosureError(f"{pointer} is classified as {expected[pointer]} and needs a salt", pointer)
    for pointer in sorted(salts.keys() - expected.keys()):
        raise DisclosureError(f"{pointer} has a salt but is not a classified member", pointer)
    for pointer, salt in salts.items():
        if not 22 <= len(salt) <= 128:
            raise DisclosureError(f"the salt of {pointer} must be 22 to 128 characters of base64url", pointer)
    if len(set(salts.values())) != len(salts):
        raise DisclosureError("each classified member needs a salt of its own", "")


def _salts(data: Mapping[str, JsonValue]) -> dict[str, str]:
    salts = data.get(SALTS, {})
    if not isinstance(salts, dict) or not all(isinstance(salt, str) for salt in salts.values()):
        raise DisclosureError(f"{SALTS} must map JSON pointers to strings", f"/{SALTS}")
    return {pointer: str(salt) for pointer, salt in salts.items()}


def _copy(data: Mapping[str, JsonValue]) -> tuple[dict[str, JsonValue], dict[str, str]]:
    """The members without their salts, free to be changed, and the salts."""
    bare = {name: value for name, value in data.items() if name != SALTS}
    return clone(bare), _salts(data)


def _withhold(form: dict[str, JsonValue], pointer: str, salt: str) -> None:
    *path, name = (part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])
    parent: JsonValue = form
    try:
        for part in path:
            parent = parent[int(part)] if isinstance(parent, list) else parent[part]  # type: ignore[index]
        key = int(name) if isinstance(parent, list) else name
        value = parent[key]  # type: ignore[index]
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise DisclosureError(f"{pointer} has a salt but is not there", pointer) from error
    parent[key] = {DIGEST: _digest(salt, name, value)}  # type: ignore[index]


def _digest(salt: str, name: str, value: JsonValue) -> str:
    disclosure: list[JsonValue] = [salt, name, value]
    return urlsafe_b64encode(hashlib.sha256(canonical(disclosure)).digest()).rstrip(b"=").decode()


def _find_digests(value: JsonValue, pointer: str, found: list[str]) -> None:
    if isinstance(value, dict):
        if value.keys() == {DIGEST}:
            found.append(pointer)
            return
        for name, item in value.items():
            if isinstance(item, (dict, list)):
                _find_digests(item, f"{pointer}/{_escape(name)}", found)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _find_digests(item, f"{pointer}/{index}", found)


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _walk(
    model: type[BaseModel], data: JsonValue | Mapping[str, JsonValue], pointer: str
) -> Iterator[tuple[str, FieldClass]]:
    if not isinstance(data, Mapping):
        return
    for name, mark, parts in _members_of(model):
        value = data.get(name)
        if value is None:
            continue
        here = f"{pointer}/{name}"
        if mark is not None:
            yield here, mark
            continue
        for part in parts:
            if isinstance(value, list):
                for index, item in enumerate(value):
                    yield from _walk(part, item, f"{here}/{index}")
            else:
                yield from _walk(part, value, here)


@cache
def _members_of(model: type[BaseModel]) -> list[tuple[str, FieldClass | None, tuple[type[BaseModel], ...]]]:
    """Name, class and inner models of each member that has either: every copy of every event asks."""
    members = [(name, _mark(field), tuple(parts_of(field.annotation))) for name, field in model.model_fields.items()]
    return [member for member in members if member[1] is not None or member[2]]


def _mark(field: FieldInfo) -> FieldClass | None:
    return next((item.field_class for item in field.metadata if isinstance(item, Classified)), None)


def parts_of(annotation: object) -> Iterator[type[BaseModel]]:
    """The models inside an annotation such as `tuple[Item, ...] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from parts_of(argument)
