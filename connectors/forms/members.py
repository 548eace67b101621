"""Members of our facts, by pointers into `data`: what there is, what a form leaves out of it, its names; pure.

A form loses what it does not give back when it is read again. What a copy withholds was never there to be lost.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from pydantic import BaseModel, JsonValue

from connectors.losses import Loss
from contracts.canonical import instant
from contracts.disclosure import parts_of
from events.envelope import DIGEST, SALTS
from events.fact import Fact

Value: TypeAlias = JsonValue | Mapping[str, JsonValue]

_TERM: Final = re.compile(r"[^:,;( ]+")


def leaves(value: Value, pointer: str = "") -> Iterator[tuple[str, JsonValue]]:
    """Every readable value with its JSON pointer; salts and what is withheld are none."""
    if isinstance(value, Mapping):
        if DIGEST in value:
            return
        for name, item in value.items():
            if name != SALTS:
                yield from leaves(item, f"{pointer}/{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, f"{pointer}/{index}")
    elif value is not None:
        yield pointer, value


def losses(fact: type[Fact], data: Value, told: Value) -> tuple[Loss, ...]:
    """What data says, and `told`, the data that a form gives back, does not. A part that is missing whole is one."""
    return tuple(_loss(fact, pointer, partly) for pointer, partly in _missing(data, told))


def described(fact: type[Fact], pointer: str) -> Iterator[tuple[str, str]]:
    """The members that a pointer leads through: their names, and what is said of them."""
    models: list[type[BaseModel]] = [fact]
    for name in pointer.split("/")[1:]:
        field = next((model.model_fields[name] for model in models if name in model.model_fields), None)
        if field is not None:
            yield name, field.description or ""
            models = [*parts_of(field.annotation)]


def title(fact: type[Fact], pointer: str) -> str:
    """The Chinese name of a member, or its own where it has none."""
    own = pointer.rpartition("/")[2]
    *_, (name, said) = [(own, ""), *described(fact, pointer)]
    return (said or name).partition("\n")[0]


def _missing(ours: Value, theirs: Value, pointer: str = "") -> Iterator[tuple[str, bool]]:
    """Where theirs says less than ours; and whether it says something there."""
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        for name, value in () if DIGEST in ours else ours.items():
            if name != SALTS:
                yield from _missing(value, theirs.get(name), f"{pointer}/{name}")
    elif isinstance(ours, list) and isinstance(theirs, list):
        for index, (value, other) in enumerate(_paired(ours, theirs)):
            yield from _missing(value, other, f"{pointer}/{index}")
    elif not _same(ours, theirs) and any(leaves(ours)):
        yield pointer, theirs is not None


def _paired(ours: list[JsonValue], theirs: list[JsonValue]) -> Iterable[tuple[JsonValue, JsonValue]]:
    """Each item of ours, and what has become of it: a form leaves out whole items, and keeps the order of the rest."""
    if len(ours) == len(theirs):
        yield from zip(ours, theirs, strict=True)
        return
    rest = deque(theirs)
    for item in ours:
        kept = bool(rest) and not any(_missing(rest[0], item))
        yield item, rest.popleft() if kept else None


def _same(one: Value, other: Value) -> bool:
    """But for the space around a text and the offset of a time."""
    if not isinstance(one, str) or not isinstance(other, str):
        return one == other
    try:
        return one.strip() == other.strip() or instant(one) == instant(other)
    except ValueError:
        return False


def _loss(fact: type[Fact], pointer: str, partly: bool) -> Loss:
    """In the terms of the paper forms, with which docstrings of members begin."""
    terms = [found.group() for name, said in described(fact, pointer) if (found := _TERM.match(said or name))]
    zh, en = ("写不全", "does not hold all of it") if partly else ("无此栏", "has no place for it")
    return Loss(pointer, f"{'·'.join(terms)}: 对方表单{zh}", f"{pointer}: their form {en}")
