"""Which kinds a registrar serves: found by looking through its package."""

import importlib
import importlib.util
import pkgutil
from collections.abc import Mapping
from functools import cache

import services
from services.kernel.exchange import Lifecycle, State

FOLDER = "lifecycles"


@cache
def lifecycles(service: str) -> Mapping[str, Lifecycle[State]]:
    """Kind to lifecycle, for every file in `services/<service>/lifecycles/`."""
    package = importlib.import_module(f"services.{service}.{FOLDER}")
    found = [
        importlib.import_module(f"{package.__name__}.{module.name}").LIFECYCLE
        for module in pkgutil.iter_modules(package.__path__)
    ]
    return {lifecycle.kind: lifecycle for lifecycle in found}


@cache
def registrars() -> tuple[str, ...]:
    """The services that have a folder of lifecycles, in the order of their names."""
    packages = (module.name for module in pkgutil.iter_modules(services.__path__) if module.ispkg)
    return tuple(sorted(name for name in packages if importlib.util.find_spec(f"services.{name}.{FOLDER}")))


@cache
def every_lifecycle() -> Mapping[str, Lifecycle[State]]:
    """Kind to lifecycle, of all registrars."""
    return {kind: item for name in registrars() for kind, item in sorted(lifecycles(name).items())}
