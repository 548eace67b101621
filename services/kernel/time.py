"""Legal time: the clock that deadlines are met by, and the only one that may be other than the real one.

    clock = system                      # by default
    clock = driven(Path("legal-time"))  # demonstrations and tests: stands still until somebody moves it

A clock gives an aware instant. `acceptedtime`, `recordedtime` and the times of stages come from the runtime's clock;
tokens, retries, time-outs, Kafka's timestamps, purges and logs always keep real time.
"""

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias

from pydantic import TypeAdapter, ValidationError

from connectors.errors import SettingsError
from contracts.canonical import timestamp
from events.fields import Instant

Clock: TypeAlias = Callable[[], datetime]
"""Gives the present instant, aware."""

_DRIVEN_LOOK: Final = 0.02  # seconds: a driven clock moves without a sign
_SHORTEST_NAP: Final = 0.01  # seconds

_INSTANT: Final[TypeAdapter[datetime]] = TypeAdapter(Instant)


def system() -> datetime:
    """The real time."""
    return datetime.now(UTC)


def driven(path: Path) -> Clock:
    """A clock that shows what stands in a file, an instant of RFC 3339, as soon as it stands there.

    Raises SettingsError, now and whenever the clock is looked at, if the file is missing or holds no such instant.
    """
    seen: tuple[tuple[int, int, int], datetime] | None = None

    def clock() -> datetime:
        nonlocal seen
        stamp = _stamp(path)
        if seen is None or seen[0] != stamp:
            # Replaced since the stamp was taken? Then the next look finds another stamp and reads again.
            seen = (stamp, _read(path))
        return seen[1]

    clock()
    return clock


async def until(clock: Clock, at: datetime | None, seconds: float, wake: asyncio.Event | None = None) -> bool:
    """Wait until legal time has come to an instant, or so many seconds have passed. True: somebody woke us before."""
    woken = wake or asyncio.Event()
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and (at is None or clock() < at):
        with suppress(TimeoutError):
            async with asyncio.timeout(min(left, _nap(clock, at, seconds))):
                return await woken.wait()
    return False


def _nap(clock: Clock, at: datetime | None, longest: float) -> float:
    """Seconds until legal time has to be looked at."""
    if at is None:
        return longest
    return _DRIVEN_LOOK if clock is not system else max(_SHORTEST_NAP, (at - clock()).total_seconds())


def set_driven(path: Path, instant: datetime) -> None:
    """Move the legal time of all who read this file. Atomic. Raises OSError, and ValueError for a naive instant."""
    scratch = path.with_name(f".{path.name}.tmp")
    scratch.write_text(timestamp(_INSTANT.validate_python(instant)), encoding="ascii")
    # The file system's own stamps move only every few milliseconds, and two moves must not look alike.
    moved = time.time_ns()
    os.utime(scratch, ns=(moved, moved))
    scratch.replace(path)


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise _unusable(path, str(error)) from error
    return found.st_ino, found.st_mtime_ns, found.st_size


def _read(path: Path) -> datetime:
    try:
        return _INSTANT.validate_python(path.read_text(encoding="utf-8").strip())
    except OSError as error:
        raise _unusable(path, str(error)) from error
    except (ValidationError, UnicodeDecodeError) as error:
        raise _unusable(path, "it holds no such instant") from error


def _unusable(path: Path, why: str) -> SettingsError:
    return SettingsError(
        f"legal time is driven by {path}, which cannot be used: {why}."
        " Write an instant as in 2026-11-16T14:00:00+08:00 into it, or unset LIANDONG_LEGAL_TIME"
    )
