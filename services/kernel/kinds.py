"""Which kinds a registrar serves: found by looking through its package."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from services.kernel.lifecycle import Lifecycle, State

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
