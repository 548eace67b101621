"""An agency's attachments over HTTP: brought by tus 1.0, and fetched; both go on where a lost connection stopped them.

Nothing is held in memory but the piece in hand. Used through `AgencyClient.upload` and `.download`.
"""

import asyncio
import hashlib
import random
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import orjson
from aiohttp import ClientError, ClientResponse

from connectors.channel import FileMissing, FileSpoilt
from connectors.errors import FileRefused
from connectors.files.spool import Spooled, spooled

_PIECE: Final = 256 * 1024
_TUS: Final = {"Tus-Resumable": "1.0.0"}
_LATER: Final = frozenset({408, 409, 423, 429, 502, 503, 504})
"""Answers after which the same may succeed: the bus is busy, or still writes what came before the line was cut."""
_LOST: Final = (ClientError, OSError, TimeoutError)
_LONGEST_PAUSE: Final = 5.0  # seconds
_LONGEST_PROBLEM: Final = 64 * 1024  # bytes


class Ask(Protocol):
    """One request with a fresh token."""

    def __call__(
        self, method: str, path: str, headers: Mapping[str, str], data: AsyncIterator[bytes] | None = None
    ) -> AbstractAsyncContextManager[ClientResponse]:
        """The answer, its body not read yet."""
        ...


@dataclass(frozen=True, slots=True)
class Content:
    """What is brought: `pieces` gives the bytes from an offset on, as often as the line is cut."""

    digest: str
    size: int
    pieces: Callable[[int], AsyncIterator[bytes]]


async def content_of(path: Path) -> Content:
    """The content of a file."""

    async def pieces(offset: int) -> AsyncIterator[bytes]:
        with await asyncio.to_thread(path.open, "rb") as file:
            file.seek(offset)
            while piece := await asyncio.to_thread(file.read, _PIECE):
                yield piece

    return Content(await asyncio.to_thread(_digest, path), (await asyncio.to_thread(path.stat)).st_size, pieces)


def content_in(content: bytes) -> Content:
    """The content of a few bytes."""

    async def pieces(offset: int) -> AsyncIterator[bytes]:
        yield content[offset:]

    return Content(f"sha-256:{hashlib.sha256(content).hexdigest()}", len(content), pieces)


class Patience:
    """How long nothing may get on: pauses that grow until something does."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.renew()

    def renew(self) -> None:
        """Something got on."""
        self._until, self._attempt = time.monotonic() + self._seconds, 0

    async def pause(self, why: str) -> None:
        """Wait before the next try. Raises TimeoutError when it has been enough."""
        if time.monotonic() > self._until:
            msg = f"nothing has got on for {self._seconds:.0f} s: {why}"
            raise TimeoutError(msg)
        pause = min(0.1 * 2 ** min(self._attempt, 8), _LONGEST_PAUSE)
        self._attempt += 1
        await asyncio.sleep(pause * random.uniform(1, 1.5))  # noqa: S311, jitter


class Upload:
    """One upload of a content. `advance` takes one step; it may fail, and be called again."""

    def __init__(self, ask: Ask, content: Content) -> None:
        self._ask = ask
        self._content = content
        self._location: str | None = None
        self.offset: int | None = None
        """How far it has come; None while that is not known."""

    async def advance(self) -> bool:
        """Begin, ask how far it came, or carry on; whether that is all. Raises FileSpoilt, FileRefused or Later."""
        if self._location is None:
            await self._begin()
        elif self.offset is None:
            await self._look(self._location)
        elif self.offset < self._content.size:
            await self._carry_on(self._location, self.offset)
        return self.offset == self._content.size

    async def _begin(self) -> None:
        headers = {
            **_TUS,
            "Upload-Length": str(self._content.size),
            "Upload-Metadata": f"digest {b64encode(self._content.digest.encode()).decode()}",
        }
        async with self._ask("POST", "/v1/files", headers) as answer:
            await _require(answer, 201)
            self._location, self.offset = answer.headers["Location"], int(answer.headers["Upload-Offset"])

    async def _look(self, location: str) -> None:
        async with self._ask("HEAD", location, _TUS) as answer:
            if answer.status == 404:
                self._location = None
                raise Later("the bus knows nothing of the upload any more; it is begun anew")
            await _require(answer, 200)
            self.offset = int(answer.headers["Upload-Offset"])

    async def _carry_on(self, location: str, offset: int) -> None:
        self.offset = None
        headers = {
            **_TUS,
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(self._content.size - offset),
            "Upload-Offset": str(offset),
        }
        async with self._ask("PATCH", location, headers, self._content.pieces(offset)) as answer:
            await _require(answer, 204)
            self.offset = int(answer.headers["Upload-Offset"])


class Later(Exception):
    """It may succeed later."""


async def upload(ask: Ask, content: Content, patience: Patience) -> None:
    """Bring a content. Raises FileSpoilt, FileRefused, or TimeoutError when nothing gets on."""
    way, reached = Upload(ask, content), 0
    while True:
        try:
            if await way.advance():
                return
        except (Later, *_LOST) as error:
            await patience.pause(str(error))
        if (way.offset or 0) > reached:
            reached = way.offset or 0
            patience.renew()


async def download(ask: Ask, digest: str, path: Path, patience: Patience) -> None:
    """Fetch a file to a path, which is there only when it is whole and right; what came so far lies beside it.

    Raises what `fetch` does, and SpoolBusy.
    """
    part = path.with_name(f".{path.name}.{digest[-16:]}.part")
    async with spooled(part) as file:
        await fetch(ask, digest, file, patience)
        await asyncio.to_thread(part.replace, path)


async def fetch(ask: Ask, digest: str, file: Spooled, patience: Patience, largest: int | None = None) -> None:
    """Fetch what is still missing of a file; it is whole and right then, or it is thrown away.

    largest: bytes that are taken at most. Raises FileMissing, FileSpoilt, FileRefused, or TimeoutError when nothing
    gets on.
    """
    while True:
        before = file.size
        try:
            await _fetch(ask, digest, file, largest)
            break
        except (Later, *_LOST) as error:
            if file.size > before:
                patience.renew()
            await patience.pause(str(error))
    found = await file.digest()
    if found != digest:
        file.remove()
        raise FileSpoilt(f"what came for {digest} has the digest {found}")


async def _fetch(ask: Ask, digest: str, file: Spooled, largest: int | None) -> None:
    """What is still missing of a file."""
    rest = {"Range": f"bytes={file.size}-", "If-Range": f'"{digest}"'} if file.size else {}
    async with ask("GET", f"/v1/files/{digest}", rest) as answer:
        if answer.status == 416:
            return
        await _require(answer, 206 if rest and answer.status == 206 else 200)
        if answer.status == 200:
            file.empty()
        try:
            await file.append(_bounded(answer.content.iter_any(), largest, file.size))
        except FileRefused:
            file.empty()
            raise


async def _bounded(pieces: AsyncIterator[bytes], largest: int | None, come: int) -> AsyncIterator[bytes]:
    """The pieces. Raises FileRefused when there are more than is taken, whatever was said of their length."""
    async for piece in pieces:
        come += len(piece)
        if largest is not None and come > largest:
            raise FileRefused(f"the file is longer than {largest} bytes, which is all that is taken")
        yield piece


async def _require(answer: ClientResponse, status: int) -> None:
    """Raises Later, FileMissing, FileSpoilt or FileRefused for another status."""
    if answer.status == status:
        return
    code, detail = _problem(await answer.content.read(_LONGEST_PROBLEM), answer.status)
    if answer.status in _LATER or code == "body-incomplete":
        raise Later(detail)
    match code:
        case "file-spoilt" | "file-damaged":
            raise FileSpoilt(detail)
        case "file-awaited":
            raise FileMissing(detail)
        case _:
            raise FileRefused(detail)


def _problem(body: bytes, status: int) -> tuple[str, str]:
    """The code and the words of a problem; HEAD has none."""
    try:
        problem: Any = orjson.loads(body)
        return str(problem["type"]).rsplit(":", 1)[-1], str(problem.get("detail") or problem["title"])
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return ("file-spoilt" if status == 422 else ""), f"the bus answered {status}"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha-256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
