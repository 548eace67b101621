"""Type string to class, found by looking through the package: a new kind needs no entry here."""

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

import events
from events.fact import Fact

COMMON_KIND = "common"


@cache
def facts() -> Mapping[str, type[Fact]]:
    """Every type on the wire and its class."""
    found: dict[str, type[Fact]] = {}
    for module in pkgutil.iter_modules(events.__path__):
        for name, member in inspect.getmembers(importlib.import_module(f"events.{module.name}"), inspect.isclass):
            own = member.__module__ == f"events.{module.name}" and not name.startswith("_")
            if issubclass(member, Fact) and own and member is not Fact:
                found[member.type()] = member
    return MappingProxyType(dict(sorted(found.items())))


@cache
def kinds() -> tuple[str, ...]:
    """Every kind of exchange that has facts of its own."""
    return tuple(sorted({kind_of(type_) for type_ in facts()} - {COMMON_KIND}))


def kind_of(type_: str) -> str:
    """`transfer` for `cn.liandong.transfer.sent.v1`; `common` for a fact of every kind."""
    return type_.split(".")[2] if type_.count(".") >= 2 else ""
