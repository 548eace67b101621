"""Facts of any class, made by Hypothesis from the models themselves: every member, present and absent.

made(workorder.Done)
made(notice.Sent, subject=st.just("interview"))      a member that the rules of the whole would else refuse too often
"""

import re
from collections.abc import Iterable
from datetime import date, datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin
from uuid import UUID

from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel, ValidationError

from contracts.calendar import SHANGHAI
from contracts.canonical import canonical
from contracts.codec import dump
from events.fact import Fact

_DIGEST = r"^sha-256:[0-9a-f]{64}$"
_LETTERS = st.sampled_from("abcXYZ019闵行城管热线注记〔〕号,。-")


def made(fact: type[Fact], **members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """The `data` of a fact that keeps to its schema."""
    return _model(fact, members).map(lambda data: _whole(fact, data)).filter(bool)


def _whole(fact: type[Fact], data: dict[str, Any]) -> dict[str, Any]:
    try:
        return dump(fact.model_validate_json(canonical(data)))
    except ValidationError:
        return {}


def _model(model: type[BaseModel], members: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    needed: dict[str, st.SearchStrategy[Any]] = {}
    may_be: dict[str, st.SearchStrategy[Any]] = {}
    for name, member in model.model_fields.items():
        found = members[name] if name in members else _value(member.annotation, member.metadata)
        (needed if member.is_required() or name in members else may_be)[name] = found
    return st.fixed_dictionaries(needed, optional=may_be)


def _value(annotation: Any, rules: Iterable[Any]) -> st.SearchStrategy[Any]:  # noqa: PLR0911, one line for each type
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _value(arguments[0], [*_flat(arguments[1:]), *rules])
    if origin in {Union, UnionType}:
        return st.one_of(*(_value(item, rules) for item in arguments if item is not NoneType))
    if origin is tuple:
        least = _rule(rules, "min_length") or 0
        return st.lists(_value(arguments[0], ()), min_size=least, max_size=least + 1)
    if annotation is bool:
        return st.booleans()
    if annotation is int:
        return st.integers(_rule(rules, "ge") or 0, min(_rule(rules, "le") or 99, 2**40))
    if annotation is date:
        return st.dates(date(2000, 1, 1), date(2099, 12, 31)).map(str)
    if annotation in {datetime, AwareDatetime}:
        times = st.datetimes(datetime.fromisoformat("2000-01-01"), datetime.fromisoformat("2099-12-31"))
        return times.map(lambda time: time.replace(microsecond=0, tzinfo=SHANGHAI).isoformat())
    if annotation is UUID:
        return st.uuids().map(str)
    if issubclass(annotation, Enum):
        return st.sampled_from([item.value for item in annotation])
    return _model(annotation, {}) if issubclass(annotation, BaseModel) else _text(list(rules))


def _text(rules: list[Any]) -> st.SearchStrategy[str]:
    pattern = _rule(rules, "pattern")
    least, most = _rule(rules, "min_length") or 1, min(_rule(rules, "max_length") or 12, 12)
    plain = st.text(_LETTERS, min_size=least, max_size=max(least, most))
    if pattern is None:
        return plain
    if pattern == _DIGEST:
        return st.integers(0, 2**256 - 1).map(lambda number: f"sha-256:{number:064x}")
    if re.fullmatch(pattern, "闵行 a〔1〕"):
        return plain
    exact = st.from_regex(re.compile(str(pattern), re.ASCII), fullmatch=True)
    longest = _rule(rules, "max_length")
    return exact.filter(lambda text: least <= len(text) <= longest) if longest else exact


def _rule(rules: Iterable[Any], name: str) -> Any:
    return next((found for rule in rules if (found := getattr(rule, name, None)) is not None), None)


def _flat(rules: Iterable[Any]) -> list[Any]:
    """What a Field or a group of constraints says, each by itself."""
    return [item for rule in rules for item in (rule, *getattr(rule, "metadata", ()))]
