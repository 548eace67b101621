"""The folders of a ferry: whole files or none, whatever happens; what is kept; and what is set aside."""

import asyncio
import fcntl
import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, Self, TypedDict

from pydantic import BaseModel, ConfigDict, ValidationError

from connectors.channel import PartnerAway
from connectors.errors import SettingsError
from connectors.ferry.deciding import Cursor, Found, Sending
from connectors.ferry.papers import LARGEST_PAPER, Entry, Manifest, Name, read_name
from contracts.canonical import parse_object
from contracts.errors import MalformedJson
from contracts.signatures import SIGNATURE

PIECE: Final = 1024 * 1024
"""Bytes that are read or written at a time."""

STATE: Final = ".ferry"
REJECTED: Final = "rejected"


class Journal(BaseModel):
    """What a side remembers of what is no longer in its folders.

    receipted, receipted_at: the last batch of ours with a receipt, and when that was made. incoming: how far we have
    receipted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    series: str
    batch: int = 0
    digest: str | None = None
    receipted: int = 0
    receipted_at: str | None = None
    incoming: Cursor = Cursor()


class Kept(TypedDict):
    """A file that is kept."""

    name: str
    size: int
    digest: str


class Folders:
    """One side's pair of folders. For one process at a time, which holds the lock; blocking, for threads."""

    def __init__(self, outgoing: Path, incoming: Path) -> None:
        self.outgoing, self.incoming = outgoing, incoming
        self._state = outgoing / STATE
        self._kept = self._state / "kept"
        self._scratch = self._state / "scratch"
        self._lock: int | None = None
        self._seen: dict[str, tuple[tuple[int, int, int], Found]] = {}

    def open(self) -> Self:
        """Take the folders for us and clear away what was half done. Raises PartnerAway.

        The two folders are not made: where they are missing, what connects to the gap is not there.
        """
        if self._lock is not None:
            return self
        for folder in (self.outgoing, self.incoming):
            if not folder.is_dir():
                raise PartnerAway(f"{folder.name} is no folder; mount what connects to the gap")
        for folder in (self._kept, self._scratch, self.incoming / REJECTED):
            folder.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(self._state / "lock")
        for path in self._scratch.iterdir():
            path.unlink()
        return self

    def close(self) -> None:
        """Let another process have them."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # --- what is remembered

    def load(self) -> tuple[Journal, Sending]:
        """The journal, and how far the sender has come by it and by what is kept. Raises SettingsError."""
        path = self._state / "journal.json"
        manifests = sorted(self._manifests(), key=lambda item: item.batch)
        try:
            journal = Journal.model_validate_json(path.read_bytes())
        except FileNotFoundError as error:
            if manifests:
                raise SettingsError(f"{STATE}/journal.json is gone; restore it from a backup") from error
            journal = Journal(series=secrets.token_hex(16))
            self.save(journal)
        except ValidationError as error:
            raise SettingsError(f"{STATE}/journal.json is not a ferry's; restore it from a backup") from error
        sending = Sending(journal.series, {}, journal.batch, journal.digest, journal.receipted)
        for manifest in manifests:
            if manifest.batch > journal.receipted:
                sending = sending.with_batch(manifest)
        self._clear(sending)
        return journal, sending

    def save(self, journal: Journal) -> None:
        """Write the journal, wholly or not at all."""
        self._write(self._state / "journal.json", journal.model_dump_json(exclude_none=True).encode())

    def _manifests(self) -> Iterator[Manifest]:
        for path in self._kept.glob("*.manifest"):
            try:
                document = parse_object(path.read_bytes())
                yield Manifest.model_validate({name: item for name, item in document.items() if name != SIGNATURE})
            except (MalformedJson, ValidationError) as error:
                raise SettingsError(f"{STATE}/kept/{path.name} is not what was written; restore it") from error

    def _clear(self, sending: Sending) -> None:
        """Files of batches that were never finished, or are receipted."""
        for path in self._kept.iterdir():
            name = read_name(path.name)
            if name is None or name.batch not in sending.kept:
                path.unlink()

    # --- what goes out

    async def keep_stream(self, name: str, pieces: AsyncIterator[bytes]) -> Kept:
        """Keep a file of a batch that is being made."""
        scratch, size, sha = self._new_scratch(), 0, hashlib.sha256()
        with scratch.open("xb") as file:
            async for piece in pieces:
                await asyncio.to_thread(file.write, piece)
                sha.update(piece)
                size += len(piece)
            await asyncio.to_thread(_flush, file)
        scratch.rename(self._kept / name)
        return Kept(name=name, size=size, digest=f"sha-256:{sha.hexdigest()}")

    def keep(self, name: str, body: bytes) -> None:
        """Keep the manifest of a batch: from now on the batch exists."""
        _flush_folder(self._kept)
        self._write(self._kept / name, body)

    def clear_away(self, batch: int) -> None:
        """Drop what was kept of a batch that is not made after all."""
        for path in self._kept.iterdir():
            name = read_name(path.name)
            if name is None or name.batch == batch:
                path.unlink()

    def publish(self, files: Iterable[Entry], manifest: str, sealed: bytes) -> None:
        """Let a kept batch appear for the gap: its files, and then its manifest. What is there already stays."""
        for entry in files:
            self._appear(self._kept / entry.name, self.outgoing / entry.name)
        _flush_folder(self.outgoing)
        self.say(manifest, sealed)

    def say(self, name: str, body: bytes) -> None:
        """Let a paper appear for the gap."""
        self._write(self.outgoing / name, body)

    def forget(self, manifests: Iterable[Manifest]) -> None:
        """Drop batches that are receipted, the manifest first: what is left of one is then no batch."""
        for manifest in manifests:
            for name in (manifest.name, *(entry.name for entry in manifest.files)):
                for folder in (self.outgoing, self._kept):
                    (folder / name).unlink(missing_ok=True)

    def _appear(self, kept: Path, target: Path) -> None:
        try:
            os.link(kept, target)
        except FileExistsError:
            return
        except OSError:
            # Not every file system that leads to a gap knows links.
            scratch = self._new_scratch()
            with kept.open("rb") as source, scratch.open("xb") as file:
                while piece := source.read(PIECE):
                    file.write(piece)
                _flush(file)
            scratch.rename(target)

    def _write(self, path: Path, body: bytes) -> None:
        scratch = self._new_scratch()
        with scratch.open("xb") as file:
            file.write(body)
            _flush(file)
        scratch.rename(path)
        _flush_folder(path.parent)

    def _new_scratch(self) -> Path:
        return self._scratch / secrets.token_hex(8)

    # --- what comes in

    def arrived(self) -> Mapping[str, Name]:
        """The files that have come, of those that are named as ours are."""
        names = {entry.name: read_name(entry.name) for entry in os.scandir(self.incoming) if entry.is_file()}
        return {name: found for name, found in names.items() if found is not None}

    def read(self, name: str) -> bytes:
        """A small file that has come, or its beginning if it is larger than any paper; empty if it has gone."""
        try:
            with (self.incoming / name).open("rb") as file:
                return file.read(LARGEST_PAPER + 1)
        except FileNotFoundError:
            return b""

    def found(self, entries: Iterable[Entry]) -> dict[str, Found]:
        """Those of these files that have come, as they are. One that stays as it was is not read again."""
        found: dict[str, Found] = {}
        for entry in entries:
            with suppress(FileNotFoundError):
                found[entry.name] = self._look(entry)
        self._seen = {name: self._seen[name] for name in found if name in self._seen}
        return found

    def _look(self, entry: Entry) -> Found:
        path = self.incoming / entry.name
        status = path.stat()
        stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
        known = self._seen.get(entry.name)
        if known is not None and known[0] == stamp:
            return known[1]
        # Of another size it is not what was sent, whatever is in it.
        digest = _digest(path) if status.st_size == entry.size else ""
        found = Found(status.st_size, digest)
        self._seen[entry.name] = stamp, found
        return found

    async def pieces(self, name: str) -> AsyncIterator[bytes]:
        """The bytes of a file that has come."""
        with (self.incoming / name).open("rb") as file:
            while piece := await asyncio.to_thread(file.read, PIECE):
                yield piece

    def discard(self, names: Iterable[str]) -> None:
        """Delete what is no longer needed of what has come."""
        for name in names:
            (self.incoming / name).unlink(missing_ok=True)

    def set_aside(self, name: str, reason: str, body: bytes | None = None) -> None:
        """Put a file, or a copy of `body`, where people find it, with the reason beside it."""
        content = self.read(name) if body is None else body
        folder, marked = self.incoming / REJECTED, f"{name}.{hashlib.sha256(content).hexdigest()[:8]}"
        self._write_aside(folder / f"{marked}.reason.txt", f"{reason}\n".encode())
        if body is not None:
            self._write_aside(folder / marked, body)
            return
        with suppress(FileNotFoundError):
            (self.incoming / name).rename(folder / marked)

    def _write_aside(self, path: Path, body: bytes) -> None:
        """The incoming folder may be another file system than our scratch."""
        half = path.with_name(f".{path.name}")
        half.write_bytes(body)
        half.rename(path)


def _locked(path: Path) -> int:
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise PartnerAway("another process has this ferry; stop it first") from error
    return lock


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha-256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _flush(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
