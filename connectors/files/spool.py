"""Files on their way in: each under an id in a folder of this machine's disk, until it is whole and its digest right.

    async with spool.opened(id_) as file:       # by one at a time, whichever process; SpoolBusy for the others
        await file.append(pieces)
        if await file.digest() == expected: ...

What was appended is there also after this process was killed. After a power cut a file may be shorter than was said,
or hold what was never sent; its size is asked anew each time, and its digest before anybody gets it.
"""

import asyncio
import fcntl
import hashlib
import math
import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from io import FileIO
from pathlib import Path
from typing import Final
from uuid import UUID

from connectors.errors import ConnectorError

_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_WRITE: Final = 256 * 1024
"""Bytes that are collected before they are written."""


class SpoolBusy(ConnectorError):
    """Somebody else has this file open: ask again when that is over."""


class Spooled:
    """A file on its way in that nobody else may touch meanwhile."""

    def __init__(self, path: Path, file: FileIO) -> None:
        self.path = path
        self._file = file

    @property
    def size(self) -> int:
        """How much of it is here, in bytes."""
        return os.fstat(self._file.fileno()).st_size

    async def append(self, pieces: AsyncIterator[bytes]) -> None:
        """Put these after what is here. Whatever ends them, all that came before is kept. Raises what they raise."""
        waiting = bytearray()
        try:
            async for piece in pieces:
                waiting += piece
                if len(waiting) >= _WRITE:
                    taken, waiting = waiting, bytearray()
                    await _surely(self._write, taken)
        finally:
            self._write(waiting)

    async def digest(self) -> str:
        """The digest of what is here, once it is safe on the disk."""
        return await asyncio.to_thread(self._digest)

    def empty(self) -> None:
        """Begin anew."""
        self._file.truncate(0)

    def remove(self) -> None:
        """Throw it away."""
        self.path.unlink(missing_ok=True)

    def _write(self, content: bytearray) -> None:
        rest = memoryview(content)
        while rest:
            rest = rest[self._file.write(rest) :]

    def _digest(self) -> str:
        os.fsync(self._file.fileno())
        with self.path.open("rb") as file:
            return f"sha-256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


@asynccontextmanager
async def spooled(path: Path) -> AsyncGenerator[Spooled, None]:
    """A file that is not whole yet, made where there is none, for us alone. Raises SpoolBusy."""
    # Unbuffered, so that a kill loses nothing of what was written. The lock ends with the process, however it ends.
    with FileIO(path, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SpoolBusy(f"{path.name} is being written; ask again when that is over") from error
        yield Spooled(path, file)


class Spool:
    """The folder of what is on its way in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def size(self, id_: UUID) -> int:
        """How much of it is here, in bytes; 0 where nothing is."""
        try:
            return self._path(id_).stat().st_size
        except FileNotFoundError:
            return 0

    @asynccontextmanager
    async def opened(self, id_: UUID) -> AsyncGenerator[Spooled, None]:
        """The file of this id, made where there is none, for us alone. Raises SpoolBusy."""
        self._folder.mkdir(parents=True, exist_ok=True)
        async with spooled(self._path(id_)) as file:
            yield file

    def untouched(self, since: datetime) -> list[UUID]:
        """What nobody has appended to since then."""
        paths = self._folder.iterdir() if self._folder.is_dir() else ()
        ids = [UUID(path.name) for path in paths if _ID.fullmatch(path.name)]
        return [id_ for id_ in ids if self._touched(id_) < since.timestamp()]

    def _touched(self, id_: UUID) -> float:
        """When, in seconds since 1970; never, where it is gone meanwhile."""
        try:
            return self._path(id_).stat().st_mtime
        except FileNotFoundError:
            return math.inf

    def _path(self, id_: UUID) -> Path:
        return self._folder / str(id_)


async def _surely(write: Callable[[bytearray], None], content: bytearray) -> None:
    """Write in a thread; who is cancelled meanwhile waits for its end all the same, for the file is closed after it."""
    writing = asyncio.ensure_future(asyncio.to_thread(write, content))
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait([writing])
        raise
