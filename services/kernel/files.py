"""Who may read which attachment, as the files service keeps it, and the store as an agency's connector sees it.

An agency holds a file if it brought it, or if an event that it was delivered shows the digest and the event's source
holds the file itself. So it is by the agreements that a file is read, like the event that cites it; and to cite the
digest of a file that one does not hold makes nobody hand it out. Written by the files service and by connectors that
bring files; others may ask, and only through here.
"""

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from enum import Enum
from typing import Final

from connectors.channel import FileMissing
from connectors.files.store import FileStore, open_store
from connectors.postgres.pool import Connection, Pool
from contracts.agencies import Agencies
from services.kernel.settings import Settings


def file_store(settings: Settings) -> FileStore:
    """The store that the settings name. Raises SettingsError."""
    return open_store(settings.files or str(settings.files_folder), settings.files_folder)


class Access(Enum):
    """What an agency is to a file. `AWAITED`: it was shown the digest by one who does not hold the file (yet)."""

    HELD = "held"
    AWAITED = "awaited"
    NONE = "none"


async def access(connection: Connection, digest: str, agencies: Collection[str]) -> Access:
    """What the closest of these agencies is to a file."""
    row = await (await connection.execute(_ACCESS, {"digest": digest, "agencies": [*agencies]})).fetchone()
    held, awaited = row or (False, False)
    return Access.HELD if held else Access.AWAITED if awaited else Access.NONE


async def held_by_citer(connection: Connection, digest: str, citer: str, agencies: Collection[str]) -> Access:
    """What a file that an agency cites to one of these is to them, going by what the citer itself holds."""
    row = await (await connection.execute(_SHOWN, (digest, citer, [*agencies]))).fetchone()
    if row is None:
        return Access.NONE
    return Access.HELD if await access(connection, digest, [citer]) is Access.HELD else Access.AWAITED


async def hold(connection: Connection, digest: str, agency: str, size: int) -> None:
    """Note, in the caller's transaction, that an agency brought a file, which is whole in the store."""
    await connection.execute(_HOLD, (digest, agency, size))
    await connection.execute("DELETE FROM files.spoilt WHERE digest = %s", (digest,))


async def in_use(connection: Connection, digests: Collection[str]) -> None:
    """Until the caller's transaction ends none of these files is forgotten."""
    await connection.execute(_IN_USE, (sorted(digests),))


async def out_of_use(connection: Connection, digest: str) -> None:
    """Until the caller's transaction ends nobody else brings, cites or forgets this file."""
    await connection.execute(_OUT_OF_USE, (digest,))


def on_behalf(agency: str, agencies: Agencies) -> frozenset[str]:
    """For whom an agency reads files: for itself, and a bus for all that it hosts."""
    if not agencies.is_bus(agency):
        return frozenset({agency})
    return frozenset({agency, *(code for code, item in agencies.by_code.items() if item.home == agency)})


@dataclass(frozen=True, slots=True)
class AgencyFiles:
    """The files that one agency may read, and a way in for what it brings (`connectors.channel.Files`)."""

    store: FileStore
    pool: Pool
    agency: str

    async def read(self, digest: str) -> AsyncIterator[bytes]:
        """The bytes, in pieces, checked against the digest. Raises FileMissing, FileSpoilt or FilesAway."""
        async with self.pool.connection() as connection:
            if await access(connection, digest, [self.agency]) is not Access.HELD:
                raise FileMissing(f"{digest}: whoever cites it to {self.agency} has not brought it yet")
        async for piece in self.store.read(digest):
            yield piece

    async def write(self, pieces: AsyncIterator[bytes], digest: str | None = None) -> str:
        """Keep what the agency brings; return its digest. Raises FileSpoilt, FileMissing or FilesAway."""
        found = await self.store.write(pieces, digest)
        async with self.pool.connection() as connection:
            # Between the two it may have been forgotten: then its size says so, and whoever brings it tries again.
            await in_use(connection, [found])
            await hold(connection, found, self.agency, await self.store.size(found))
        return found


_HOLD: Final = """
    INSERT INTO files.holders (digest, agency, size) VALUES (%s, %s, %s)
    ON CONFLICT (digest, agency) DO UPDATE SET since = now(), size = EXCLUDED.size
"""

_IN_USE: Final = """
    SELECT pg_advisory_xact_lock_shared(hashtextextended('file ' || digest, 0)) FROM unnest(%s::text[]) AS digest
"""

_OUT_OF_USE: Final = "SELECT pg_advisory_xact_lock(hashtextextended('file ' || %s, 0))"

_SHOWN: Final = "SELECT 1 FROM files.shown WHERE digest = %s AND granter = %s AND agency = ANY(%s)"

_ACCESS: Final = """
    WITH RECURSIVE holding (agency) AS (
        SELECT agency FROM files.holders WHERE digest = %(digest)s
        UNION
        SELECT shown.agency FROM files.shown JOIN holding ON shown.granter = holding.agency
        WHERE shown.digest = %(digest)s
    )
    SELECT
        EXISTS (SELECT FROM holding WHERE agency = ANY(%(agencies)s)),
        EXISTS (SELECT FROM files.shown WHERE digest = %(digest)s AND agency = ANY(%(agencies)s))
"""
