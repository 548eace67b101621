"""The content-addressed store of attachments: a file lies under its digest, and is checked against it in and out.

    store = open_store("s3://bucket/prefix", Path("/var/lib/liandong/files"))
    digest = await store.write(pieces)
    async for piece in store.read(digest): ...

A folder (by default) or an S3-compatible store, by one setting. What comes in is collected in a folder of this
machine's disk in either case, and put under its digest only when it is whole and right: a file is there or is not,
never half of it. Nothing is held in memory but the piece in hand. `obstore` talks with both; what is odd about it
stays in here.
"""

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from connectors.channel import FileMissing, FileSpoilt
from connectors.errors import ConnectorError, SettingsError
from connectors.files.spool import Spool

if TYPE_CHECKING:
    from obstore import GetOptions
    from obstore.store import ClientConfig, RetryConfig

PIECE: Final = 256 * 1024
"""Bytes of a piece that is read."""

_INCOMING: Final = "incoming"
_DIGEST: Final = re.compile(r"sha-256:([0-9a-f]{64})")
_PART: Final = 5 * 1024 * 1024
_PARTS_AT_ONCE: Final = 2


class FilesAway(ConnectorError):
    """The store does not answer, or does not let us in: the same call may succeed later."""


class FileStore:
    """The store. `spool` holds what is on its way in; `keep` takes it from there."""

    def __init__(self, shelf: "Shelf", spool: Spool) -> None:
        self.spool = spool
        self._shelf = shelf

    async def size(self, digest: str) -> int:
        """How long the file is, in bytes. Raises FileMissing or FilesAway."""
        try:
            return int((await obstore.head_async(self._shelf.store, _key(digest)))["size"])
        except FileNotFoundError as error:
            raise _missing(digest) from error
        except BaseError as error:
            raise _away(error) from error

    async def read(self, digest: str) -> AsyncIterator[bytes]:
        """The bytes in pieces; the last one only when all are known to be those of the digest.

        Raises FileMissing, FileSpoilt or FilesAway.
        """
        seen, held = hashlib.sha256(), b""
        async for piece in self.read_range(digest, 0):
            if held:
                yield held
            seen.update(piece)
            held = piece
        if f"sha-256:{seen.hexdigest()}" != digest:
            raise FileSpoilt(f"{digest} is damaged in the store: whoever has the file may upload it again")
        yield held

    async def read_range(self, digest: str, begin: int, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `begin` up to but not including `end`, as they lie: who puts ranges together checks the whole.

        The range begins within the file. Raises FileMissing or FilesAway.
        """
        options: GetOptions = {}
        if begin or end:
            options["range"] = {"offset": begin} if end is None else (begin, end)
        try:
            found = await obstore.get_async(self._shelf.store, _key(digest), options=options)
            async for piece in found.stream(min_chunk_size=PIECE):
                yield piece
        except FileNotFoundError as error:
            raise _missing(digest) from error
        except BaseError as error:
            raise _away(error) from error

    async def write(self, pieces: AsyncIterator[bytes], digest: str | None = None) -> str:
        """Keep bytes; return their digest. Raises FileSpoilt if it is not the one that was expected, and FilesAway."""
        async with self.spool.opened(uuid4()) as file:
            try:
                await file.append(pieces)
                found = await file.digest()
                if digest not in {None, found}:
                    raise FileSpoilt(f"the bytes are those of {found} and not of {digest}")
                await self.keep(file.path, found)
            finally:
                file.remove()
        return found

    async def keep(self, path: Path, digest: str) -> None:
        """Take a spooled file that is whole and whose digest was checked; one that is there already is replaced.

        Raises FilesAway.
        """
        try:
            await self._shelf.put(path, _key(digest))
        except BaseError as error:
            raise _away(error) from error

    async def remove(self, digest: str) -> None:
        """Forget a file; one that is not there is forgotten already. Raises FilesAway."""
        try:
            await obstore.delete_async(self._shelf.store, _key(digest))
        except FileNotFoundError:
            return
        except BaseError as error:
            raise _away(error) from error


class Shelf(Protocol):
    """Where the files lie: what differs between a folder and S3."""

    store: LocalStore | S3Store

    async def put(self, path: Path, key: str) -> None:
        """Put a file of this machine's disk there, whole or not at all; the path is gone afterwards."""
        ...


class Folder:
    """A folder of this machine, or one that is mounted."""

    store: LocalStore | S3Store

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.store = LocalStore(root)
        self._root = root

    async def put(self, path: Path, key: str) -> None:
        """Rename it: obstore would copy it, and would not ask the disk for more than a promise."""
        await asyncio.to_thread(self._rename, path, self._root / key)

    def _rename(self, path: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
        for folder in (target.parent, *target.parent.parents):
            _sync(folder)
            if folder == self._root:
                break


class Bucket:
    """An S3-compatible store; AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and so on say which, and who we are there."""

    store: LocalStore | S3Store

    def __init__(self, bucket: str, prefix: str) -> None:
        # By default a request is over after 30 s, however much of a large file still comes.
        options: ClientConfig = {"timeout": "1day", "connect_timeout": "5s", "read_timeout": "30s"}
        endpoint = os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT") or ""
        if endpoint.startswith("http://"):
            options["allow_http"] = True
        retries: RetryConfig = {"max_retries": 4, "retry_timeout": timedelta(seconds=30)}
        self.store = S3Store(bucket, prefix=prefix or None, client_options=options, retry_config=retries)

    async def put(self, path: Path, key: str) -> None:
        """Upload it in parts; the object appears with the last."""
        await obstore.put_async(self.store, key, path, chunk_size=_PART, max_concurrency=_PARTS_AT_ONCE)
        await asyncio.to_thread(path.unlink)


def open_store(place: str, spool: Path) -> FileStore:
    """The store at a place: a path, `file:///path` or `s3://bucket/prefix`.

    `spool`: where what comes in is collected, for S3; a folder has it within itself. Raises SettingsError.
    """
    url = urlsplit(place)
    if url.scheme == "s3" and url.netloc:
        try:
            bucket = Bucket(url.netloc, url.path.strip("/"))
        except (BaseError, ValueError) as error:
            raise SettingsError(f"LIANDONG_FILES={place}: {error}") from error
        return FileStore(bucket, Spool(spool / _INCOMING))
    if url.scheme not in {"", "file"} or url.netloc:
        raise SettingsError(f"LIANDONG_FILES={place}: give a path, file:///path or s3://bucket/prefix")
    root = Path(unquote(url.path) if url.scheme else place).absolute()
    return FileStore(Folder(root), Spool(root / _INCOMING))


def _key(digest: str) -> str:
    found = _DIGEST.fullmatch(digest)
    if found is None:
        raise FileMissing("a file is asked for by its digest, sha-256: and 64 hexadecimal digits")
    return f"sha-256/{found[1][:2]}/{found[1]}"


def _missing(digest: str) -> FileMissing:
    return FileMissing(f"{digest} is not in the store")


def _away(error: BaseError) -> FilesAway:
    # Only its first line: the rest is the whole conversation.
    return FilesAway(f"the store of files does not answer: {str(error).partition(chr(10))[0]}")


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
