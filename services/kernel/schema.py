"""Which tables a service has: parts that the kernel gives, and the service's own migrations."""

from pathlib import Path
from typing import Final

from connectors.postgres.migrations import Schema

_SERVICES: Final = Path(__file__).parent.parent


def schema(service: str, *parts: str) -> Schema:
    """The schema of a service: the kernel's parts (`outbox`, `registrar`, `follower`) and its own folder, if any."""
    folders = [_SERVICES / "kernel" / "migrations" / part for part in parts]
    own = _SERVICES / service / "migrations"
    return Schema(service, tuple([*folders, own] if own.is_dir() else folders))
