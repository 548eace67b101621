"""Kafka's jars: which ones, and fetching them once per user.

`jars.lock` names every jar with its SHA-256, as requirements.lock does for Python; it is written
by `python -m connectors.kafka.jars` (`make lock`). jgo's own environments are not used: to sort
jars from modules they download a further JDK.
"""

import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import requests

from connectors.engine import file_lock
from connectors.errors import EngineError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from jgo.maven import MavenContext

VERSION: Final = "4.3.0"
ROOTS: Final = (f"org.apache.kafka:kafka_2.13:{VERSION}", "org.slf4j:slf4j-simple:1.7.36")
LOCK: Final = Path(__file__).with_name("jars.lock")

_ATTEMPTS: Final = 3
_WORKERS: Final = 4
_TIMEOUT: Final = 30


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of the lock."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def filename(self) -> str:
        """The file's name, in Maven and here."""
        return f"{self.artifact}-{self.version}.jar"


def cache_folder() -> Path:
    """Where fetched things are kept: LIANDONG_CACHE, else the user's cache folder."""
    chosen = os.environ.get("LIANDONG_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "liandong"


def class_path() -> list[Path]:
    """Every jar Kafka needs, fetched if this user never did. Raises EngineError."""
    jars = read_lock()
    folder = cache_folder() / f"kafka-{VERSION}-{_digest(LOCK)[:12]}"
    if not folder.is_dir():
        with file_lock(cache_folder() / "kafka.lock"):
            # Another process may have fetched them while we waited.
            if not folder.is_dir():
                _fetch(jars, folder)
    return [folder / jar.filename for jar in jars]


def read_lock() -> list[Jar]:
    """The jars as the lock has them."""
    lines = (line.split("#")[0].split() for line in LOCK.read_text("utf-8").splitlines())
    return [_jar(*fields) for fields in lines if fields]


def write_lock() -> int:
    """Resolve the roots afresh and write the lock. Returns the number of jars."""
    repository = cache_folder() / "resolve"
    context = _maven(repository)
    dependencies = [context.project(*root.split(":")[:2]).at_version(root.split(":")[2]) for root in ROOTS]
    from jgo.maven import Dependency

    inputs, transitive = context.resolver.resolve(
        [Dependency(component.artifact(), scope="compile") for component in dependencies]
    )
    wanted = [*inputs, *(one for one in transitive if one.scope in {"compile", "runtime"})]
    lines = sorted(f"{one.groupId}:{one.artifactId}:{one.version} {_digest(one.artifact.resolve())}" for one in wanted)
    LOCK.write_text("\n".join(["# make lock", *lines, ""]), "utf-8")
    shutil.rmtree(repository)
    return len(lines)


def _jar(coordinate: str, sha256: str) -> Jar:
    group, artifact, version = coordinate.split(":")
    return Jar(group, artifact, version, sha256)


def _fetch(jars: Sequence[Jar], folder: Path) -> None:
    """Download, check and put in place at once. What an interrupted run has got is kept."""
    partial = folder.with_name(f"{folder.name}.partial")
    try:
        with _progress(len(jars)) as report, ThreadPoolExecutor(_WORKERS) as pool:
            files = list(pool.map(lambda jar: _download(jar, partial, report), jars))
    except requests.RequestException as error:
        message = (
            f"cannot fetch Kafka's jars from Maven: {error}. Check the network or the proxy, set "
            "LIANDONG_MAVEN_REPO to a mirror, or use an external cluster (LIANDONG_KAFKA=host:port)"
        )
        raise EngineError(message) from error
    complete = folder.with_name(f"{folder.name}.complete")
    shutil.rmtree(complete, ignore_errors=True)
    complete.mkdir()
    for file in files:
        file.rename(complete / file.name)
    complete.rename(folder)
    shutil.rmtree(partial)


def _download(jar: Jar, repository: Path, report: Callable[[str, int], None]) -> Path:
    """One jar, with the right digest. jgo only warns of a wrong one."""
    context = _maven(repository, report)
    artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
    cached = artifact.cached_path
    fault: Exception | None = None
    for _ in range(_ATTEMPTS):
        try:
            file: Path = artifact.resolve()
        except (requests.RequestException, RuntimeError) as error:
            fault = error
        else:
            if _digest(file) == jar.sha256:
                report(jar.filename, 0)
                return file
        if cached is not None:
            cached.unlink(missing_ok=True)
    if isinstance(fault, requests.RequestException):
        raise fault
    reason = fault or "its SHA-256 is not the one in jars.lock; the mirror is broken or hostile"
    message = f"{jar.filename} could not be fetched: {reason}. Set LIANDONG_MAVEN_REPO to a good mirror"
    raise EngineError(message)


def _maven(repository: Path, report: Callable[[str, int], None] | None = None) -> "MavenContext":
    """Maven as jgo sees it, confined to a folder of ours."""
    from jgo.maven import MavenContext, PythonResolver

    @contextmanager
    def following(filename: str, _total: int) -> Generator[Callable[[int], None]]:
        yield lambda count: report(filename, count) if report else None

    mirror = os.environ.get("LIANDONG_MAVEN_REPO")
    return MavenContext(
        resolver=PythonResolver(progress_callback=following),
        repo_cache=repository,
        local_repos=[],
        remote_repos={"mirror": mirror.rstrip("/")} if mirror else None,
        timeout=_TIMEOUT,
    )


def _progress(total: int) -> "AbstractContextManager[Callable[[str, int], None]]":
    """Shows the fetching: a bar on a terminal, two lines otherwise."""
    return _bar(total) if sys.stderr.isatty() else _lines(total)


@contextmanager
def _bar(total: int) -> Generator[Callable[[str, int], None]]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"Kafka {VERSION}", total=total)
        received = 0

        def report(_filename: str, count: int) -> None:
            nonlocal received
            received += count
            description = f"Kafka {VERSION}, {received / 1e6:.0f} MB"
            progress.update(task, description=description, advance=0 if count else 1)

        yield report


@contextmanager
def _lines(total: int) -> Generator[Callable[[str, int], None]]:
    sys.stderr.write(f"fetching Kafka {VERSION}: {total} jars, once\n")
    yield lambda _filename, _count: None
    sys.stderr.write(f"fetched Kafka {VERSION}\n")


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


if __name__ == "__main__":
    sys.stderr.write(f"{write_lock()} jars in {LOCK.name}\n")
