"""What holds for every fact, whichever kind it is of."""

import inspect
from collections.abc import Iterator
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


MODELS = [pytest.param(model, id=f"{model.__module__.rsplit('.', 1)[-1]}.{model.__name__}") for model in models()]


@pytest.mark.parametrize(("type_", "fact"), facts().items(), ids=facts())
def test_the_type_names_kind_and_fact(type_: str, fact: type[Fact]) -> None:
    assert type_ == fact.type()
    assert type_.startswith("cn.liandong.")
    assert kind_of(type_) in {*kinds(), COMMON_KIND}


@pytest.mark.parametrize("fact", facts().values(), ids=facts())
def test_every_fact_says_what_it_is_in_chinese(fact: type[Fact]) -> None:
    assert not fact.title_zh.isascii()
    assert fact.__doc__
    assert not fact.__doc__.isascii()


@pytest.mark.parametrize("model", MODELS)
def test_a_mark_is_where_disclosure_looks_for_it(model: type[BaseModel]) -> None:
    # `Annotated[X, PERSONAL] | None` would be taken for public; it is written `Annotated[X | None, PERSONAL]`.
    assert [name for name, field in model.model_fields.items() if list(marks(field.annotation))] == []


@pytest.mark.parametrize("model", MODELS)
def test_no_member_is_a_float_or_anything_at_all(model: type[BaseModel]) -> None:
    loose = {float, complex, bytes, dict, object, Any}
    assert [name for name, field in model.model_fields.items() if {*leaves(field.annotation)} & loose] == []


@pytest.mark.parametrize("model", MODELS)
def test_an_optional_member_is_none_by_default(model: type[BaseModel]) -> None:
    assert [name for name, field in model.model_fields.items() if _unset(field)] == []


def _unset(field: FieldInfo) -> bool:
    optional = get_origin(field.annotation) in {Union, UnionType} and NoneType in get_args(field.annotation)
    return optional and field.default is not None


@pytest.mark.parametrize("model", [item for item in MODELS if not str(item.id).startswith("common.")])
def test_every_member_has_its_term(model: type[BaseModel]) -> None:
    terms = {name: field.description or "" for name, field in model.model_fields.items()}
    assert [name for name, term in terms.items() if term.isascii()] == []


@pytest.mark.parametrize("model", MODELS)
def test_models_are_frozen_strict_and_closed(model: type[BaseModel]) -> None:
    assert issubclass(model, Part)
    assert model.model_config.get("frozen")
    assert model.model_config.get("strict")
    assert model.model_config.get("extra") == "forbid"


def test_no_part_is_left_unused() -> None:
    assert {item for item in PARTS if item is not Part} <= set(models())
