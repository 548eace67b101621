"""What holds for every fact, whichever kind it is of."""

import inspect
from collections.abc import Callable, Iterator
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

import events.parts
from events.fact import Fact
from events.fields import Classified, Part
from events.registry import COMMON_KIND, facts, kind_of, kinds

PARTS = [item for _, item in inspect.getmembers(events.parts, inspect.isclass) if issubclass(item, Part)]


def models() -> list[type[BaseModel]]:
    """Every fact and every part of one."""
    found: dict[type[BaseModel], None] = {}
    waiting: list[type[BaseModel]] = list(facts().values())
    while waiting:
        model = waiting.pop()
        if model not in found:
            found[model] = None
            waiting += [part for field in model.model_fields.values() for part in inside(field.annotation)]
    return list(found)


def inside(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from inside(argument)


def marks(annotation: Any) -> Iterator[Classified]:
    yield from (item for item in getattr(annotation, "__metadata__", ()) if isinstance(item, Classified))
    for argument in get_args(annotation):
        yield from marks(argument)


def leaves(annotation: Any) -> Iterator[Any]:
    arguments = get_args(annotation)
    if not arguments:
        yield annotation
    for argument in arguments:
        yield from leaves(argument)


BY_KIND: dict[str, list[type[BaseModel]]] = {}
for _model in models():
    BY_KIND.setdefault(_model.__module__.rsplit(".", 1)[-1], []).append(_model)
MODULES = pytest.mark.parametrize("module", BY_KIND)


def of(module: str) -> list[type[Fact]]:
    return [model for model in BY_KIND[module] if issubclass(model, Fact)]


def wrong(module: str, fails: Callable[[FieldInfo], object]) -> list[str]:
    """The members of a module's models with which something is wrong."""
    return [
        f"{model.__name__}.{name}"
        for model in BY_KIND[module]
        for name, field in model.model_fields.items()
        if fails(field)
    ]


def test_the_type_names_kind_and_fact() -> None:
    for type_, fact in facts().items():
        assert type_ == fact.type()
        assert type_.startswith("cn.liandong.")
        assert kind_of(type_) in {*kinds(), COMMON_KIND}


@MODULES
def test_every_fact_says_what_it_is_in_chinese(module: str) -> None:
    assert [fact for fact in of(module) if fact.title_zh.isascii() or (fact.__doc__ or "").isascii()] == []


@MODULES
def test_a_mark_is_where_disclosure_looks_for_it(module: str) -> None:
    # `Annotated[X, PERSONAL] | None` would be taken for public; it is written `Annotated[X | None, PERSONAL]`.
    assert wrong(module, lambda field: [*marks(field.annotation)]) == []


@MODULES
def test_no_member_is_a_float_or_anything_at_all(module: str) -> None:
    loose = {float, complex, bytes, dict, object, Any}
    assert wrong(module, lambda field: {*leaves(field.annotation)} & loose) == []


@MODULES
def test_an_optional_member_is_none_by_default(module: str) -> None:
    assert wrong(module, _unset) == []


def _unset(field: FieldInfo) -> bool:
    optional = get_origin(field.annotation) in {Union, UnionType} and NoneType in get_args(field.annotation)
    return optional and field.default is not None


@pytest.mark.parametrize("module", [module for module in BY_KIND if module != "common"])
def test_every_member_has_its_term(module: str) -> None:
    assert wrong(module, lambda field: (field.description or "").isascii()) == []


@MODULES
def test_models_are_frozen_strict_and_closed(module: str) -> None:
    for model in BY_KIND[module]:
        assert issubclass(model, Part), model
        assert model.model_config.get("frozen"), model
        assert model.model_config.get("strict"), model
        assert model.model_config.get("extra") == "forbid", model


def test_no_part_is_left_unused() -> None:
    assert {item for item in PARTS if item is not Part} <= set(models())
