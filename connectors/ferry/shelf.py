"""A folder of files by their digests: where a simulated side has its attachments."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

from connectors.channel import FileMissing, FileSpoilt
from connectors.ferry.folders import PIECE


class Shelf:
    """Files by digest, as `connectors.channel.Files`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    async def read(self, digest: str) -> AsyncIterator[bytes]:
        """The bytes, in pieces. Raises FileMissing."""
        try:
            file = (self._folder / digest).open("rb")
        except FileNotFoundError as error:
            raise FileMissing(f"there is no file {digest}") from error
        with file:
            while piece := await asyncio.to_thread(file.read, PIECE):
                yield piece

    async def write(self, pieces: AsyncIterator[bytes], digest: str | None = None) -> str:
        """Keep bytes; their digest. Raises FileSpoilt."""
        sha, half = hashlib.sha256(), self._folder / f".{digest}"
        with half.open("wb") as file:
            async for piece in pieces:
                sha.update(piece)
                file.write(piece)
        found = f"sha-256:{sha.hexdigest()}"
        if digest not in {None, found}:
            half.unlink()
            raise FileSpoilt(f"the bytes are not those of {digest}")
        half.rename(self._folder / found)
        return found

    async def put(self, body: bytes) -> str:
        """Keep bytes that are at hand; their digest."""

        async def whole() -> AsyncIterator[bytes]:
            yield body

        return await self.write(whole())
