"""Files on their way in: begun, carried on wherever they stopped, checked when whole, thrown away when abandoned.

What was promised (digest, size, until when) is in PostgreSQL; the bytes are in the store's spool, whose file is as long
as the upload has come. Only one request at a time may touch an upload.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

import structlog

from connectors.channel import FileMissing, FileSpoilt
from connectors.files.spool import SpoolBusy, Spooled
from connectors.files.store import FileStore
from connectors.postgres.pool import Connection, Pool
from services.kernel.files import Access, access, hold, in_use, out_of_use

log = structlog.stdlib.get_logger(__name__)


class UploadUnknown(Exception):
    """The agency has no such upload (any more)."""


class OffsetWrong(Exception):
    """The upload goes on at another place."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"the upload goes on at byte {offset}")
        self.offset = offset


class TooLong(Exception):
    """More arrives than the upload said that it is long."""


class TooManyUploads(Exception):
    """The agency has enough on its way in."""


class TooMuchUncited(Exception):
    """The agency has brought enough that no event cites."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one agency may have on its way in: files, and bytes together. `lifetime`: of what nobody carries on with.

    `uncited`: the bytes together of what it brings and brought that no event cites; `uncited_lifetime`: of such a file.
    """

    uploads: int
    size: int
    lifetime: timedelta
    uncited: int
    uncited_lifetime: timedelta


@dataclass(frozen=True, slots=True)
class Upload:
    """One file on its way in. `offset`: how far it has come."""

    id: UUID
    agency: str
    digest: str
    size: int
    finished: bool
    expires: datetime
    offset: int = 0


class Uploads:
    """The uploads of all agencies."""

    def __init__(self, pool: Pool, store: FileStore, bounds: Bounds) -> None:
        self._pool = pool
        self._store = store
        self._bounds = bounds

    async def begin(self, agency: str, digest: str, size: int) -> Upload:
        """A new upload; it is finished at once if the agency may read that file anyway.

        That others have brought it finishes nothing: who only knows a digest has to show the bytes. Raises
        TooManyUploads, TooMuchUncited or FilesAway.
        """
        async with self._pool.connection() as connection:
            await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"uploads {agency}",))
            await in_use(connection, [digest])
            there = await self._there(connection, agency, digest, size)
            if there:
                await connection.execute(_WANTED_AGAIN, (digest, agency))
            else:
                await self._require_room(connection, agency, size)
            upload = Upload(uuid4(), agency, digest, size, there, self._until(), size if there else 0)
            row = (upload.id, agency, digest, size, there, upload.expires)
            await connection.execute(_BEGIN, row)
        return upload

    async def look(self, agency: str, id_: UUID) -> Upload:
        """How far it has come, also while somebody writes; one that is whole and was not checked is checked now.

        Raises UploadUnknown, FileSpoilt, FilesAway, or SpoolBusy while it is being checked.
        """
        come = self._store.spool.size(id_)
        upload = await self._find(agency, id_)
        if upload.finished or come < upload.size:
            return replace(upload, offset=upload.size if upload.finished else come)
        async with self._opened(agency, id_) as (upload, file):
            return upload if upload.finished else await self._advanced(upload, file)

    async def append(self, agency: str, id_: UUID, offset: int, pieces: AsyncIterator[bytes]) -> Upload:
        """Carry on at an offset; all that arrives is kept, also if the pieces break off. Whole, it is checked.

        Raises UploadUnknown, OffsetWrong, TooLong, FileSpoilt, SpoolBusy, FilesAway, and what the pieces raise.
        """
        async with self._opened(agency, id_) as (upload, file):
            if offset != upload.offset:
                raise OffsetWrong(upload.offset)
            if upload.finished:
                return upload
            await file.append(_at_most(pieces, upload.size - upload.offset))
            return await self._advanced(upload, file)

    async def end(self, agency: str, id_: UUID) -> None:
        """Forget it. Raises UploadUnknown or SpoolBusy."""
        async with self._opened(agency, id_) as (upload, file):
            await self._forget(upload, file)

    async def purge(self) -> int:
        """Forget what expired, and what is in the spool though nobody knows of it; how many that were."""
        async with self._pool.connection() as connection:
            rows = await (await connection.execute("SELECT id FROM files.uploads WHERE expires < now()")).fetchall()
            expired = {row[0] for row in rows}
            old = self._store.spool.untouched(datetime.now(UTC) - self._bounds.lifetime)
            known = await (
                await connection.execute("SELECT id FROM files.uploads WHERE id = ANY(%s)", (old,))
            ).fetchall()
        gone = 0
        for id_ in expired | ({*old} - {row[0] for row in known}):
            gone += await self._purge(id_)
        return gone

    async def _purge(self, id_: UUID) -> bool:
        try:
            async with self._store.spool.opened(id_) as file, self._pool.connection() as connection:
                await connection.execute("DELETE FROM files.uploads WHERE id = %s", (id_,))
                file.remove()
        except SpoolBusy:
            return False
        return True

    async def forget_uncited(self) -> int:
        """Forget the files that were brought long ago and that no event cites; how many that were. Raises FilesAway."""
        async with self._pool.connection() as connection:
            old = (self._bounds.uncited_lifetime,)
            rows = await (await connection.execute(_FORGETTABLE, old)).fetchall()
        return sum([await self._forget_file(digest) for (digest,) in rows])

    async def _forget_file(self, digest: str) -> bool:
        async with self._pool.connection() as connection:
            await out_of_use(connection, digest)
            gone = await connection.execute(_FORGET, {"digest": digest, "old": self._bounds.uncited_lifetime})
            if not gone.rowcount:
                return False
            await connection.execute("DELETE FROM files.spoilt WHERE digest = %s", (digest,))
            await self._store.remove(digest)
        log.info("file forgotten", digest=digest, reason="no event cites it")
        return True

    async def _there(self, connection: Connection, agency: str, digest: str, size: int) -> bool:
        spoilt = await (await connection.execute(_SPOILT, (digest,))).fetchone()
        if spoilt or await access(connection, digest, [agency]) is not Access.HELD:
            return False
        try:
            return await self._store.size(digest) == size
        except FileMissing:
            return False

    async def _require_room(self, connection: Connection, agency: str, size: int) -> None:
        row = await (await connection.execute(_UNDER_WAY, {"agency": agency})).fetchone()
        count, together, uncited = row or (0, 0, 0)
        if count >= self._bounds.uploads or together + size > self._bounds.size:
            raise TooManyUploads(
                f"{agency} has {count} uploads of {together} bytes under way;"
                f" {self._bounds.uploads} of {self._bounds.size} bytes are allowed"
            )
        if together + uncited + size > self._bounds.uncited:
            raise TooMuchUncited(
                f"{agency} has brought {uncited} bytes that no event cites, and {together} are under way;"
                f" {self._bounds.uncited} are allowed"
            )

    @asynccontextmanager
    async def _opened(self, agency: str, id_: UUID) -> AsyncGenerator[tuple[Upload, Spooled], None]:
        """An upload and its file, for us alone. Raises UploadUnknown or SpoolBusy."""
        await self._find(agency, id_)
        async with self._store.spool.opened(id_) as file:
            # Once more: until now somebody else may have finished or ended it.
            try:
                upload = await self._find(agency, id_)
            except UploadUnknown:
                file.remove()
                raise
            if upload.finished:
                file.remove()
            yield replace(upload, offset=upload.size if upload.finished else file.size), file

    async def _find(self, agency: str, id_: UUID) -> Upload:
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_FIND, (id_, agency))).fetchone()
        if row is None:
            raise UploadUnknown(f"{agency} has no upload {id_}")
        return Upload(*row)

    async def _advanced(self, upload: Upload, file: Spooled) -> Upload:
        """The upload as far as its file has come; finished, if that is all of it. Raises FileSpoilt."""
        now = replace(upload, offset=file.size, expires=self._until())
        if now.offset < now.size:
            async with self._pool.connection() as connection:
                await connection.execute("UPDATE files.uploads SET expires = %s WHERE id = %s", (now.expires, now.id))
            return now
        found = await file.digest()
        if found != now.digest:
            await self._forget(now, file)
            raise FileSpoilt(f"the bytes are those of {found} and not of {now.digest}; the upload was thrown away")
        await self._store.keep(file.path, now.digest)
        async with self._pool.connection() as connection:
            await hold(connection, now.digest, now.agency, now.size)
            await connection.execute(_FINISH, (now.expires, now.id))
        log.info("file kept", agency=now.agency, digest=now.digest, size=now.size)
        return replace(now, finished=True)

    async def _forget(self, upload: Upload, file: Spooled) -> None:
        async with self._pool.connection() as connection:
            await connection.execute("DELETE FROM files.uploads WHERE id = %s", (upload.id,))
        file.remove()

    def _until(self) -> datetime:
        return datetime.now(UTC) + self._bounds.lifetime


async def _at_most(pieces: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
    """The pieces as far as they fit. Raises TooLong."""
    async for piece in pieces:
        if len(piece) > size:
            raise TooLong("more arrived than Upload-Length said")
        size -= len(piece)
        yield piece


_BEGIN: Final = (
    "INSERT INTO files.uploads (id, agency, digest, size, finished, expires) VALUES (%s, %s, %s, %s, %s, %s)"
)
_FIND: Final = (
    "SELECT id, agency, digest, size, finished, expires FROM files.uploads WHERE id = %s AND agency = %s"
    " AND expires > now()"
)
_FINISH: Final = "UPDATE files.uploads SET finished = true, expires = %s WHERE id = %s"
_SPOILT: Final = "SELECT 1 FROM files.spoilt WHERE digest = %s"
_UNDER_WAY: Final = """
    SELECT count(*), coalesce(sum(size), 0), (
        SELECT coalesce(sum(size), 0) FROM files.holders
        WHERE agency = %(agency)s AND NOT EXISTS (SELECT FROM files.cited WHERE cited.digest = holders.digest)
    )
    FROM files.uploads WHERE agency = %(agency)s AND NOT finished AND expires > now()
"""
_WANTED_AGAIN: Final = "UPDATE files.holders SET since = now() WHERE digest = %s AND agency = %s"
_FORGETTABLE: Final = """
    SELECT digest FROM files.holders GROUP BY digest HAVING max(since) < now() - %s
    AND NOT EXISTS (SELECT FROM files.cited WHERE cited.digest = holders.digest)
"""
_FORGET: Final = """
    DELETE FROM files.holders WHERE digest = %(digest)s
    AND NOT EXISTS (SELECT FROM files.cited WHERE cited.digest = %(digest)s)
    AND NOT EXISTS (SELECT FROM files.holders WHERE digest = %(digest)s AND since >= now() - %(old)s)
    AND NOT EXISTS (SELECT FROM files.uploads WHERE digest = %(digest)s AND NOT finished)
"""
