"""Attachments of other buses' agencies, fetched from the bus that hosts whoever cites them, for those that we host.

What a mirrored event shows to an agency of ours is wanted until it is here; a try that breaks off is taken up where it
stopped. That the other bus gives it out to us says that its agency holds it: so it counts as brought by that agency.
"""

import asyncio
from collections.abc import Collection
from contextlib import aclosing, suppress
from typing import Final
from uuid import NAMESPACE_OID, uuid5

import structlog

from connectors.districts.client import PeerFiles
from connectors.errors import ConnectorError
from connectors.files.store import FileStore
from connectors.http.files import Patience
from connectors.postgres.pool import Connection
from services.kernel.background import Background
from services.kernel.files import hold, in_use
from services.kernel.service import Runtime

log = structlog.stdlib.get_logger(__name__)

_AT_ONCE: Final = 3
_LOOK_EVERY: Final = 1.0  # seconds
_PATIENCE: Final = 10.0  # seconds without a byte, until the next file has its turn

Wanted = tuple[str, str]
"""The digest, and the agency that cites it."""


class Crossing:
    """Fetches what is wanted. Several processes may: each file is fetched by one at a time."""

    def __init__(self, runtime: Runtime, store: FileStore) -> None:
        self._runtime = runtime
        self._store = store
        self._wake = asyncio.Event()
        self._workers = [Background(f"files: crossing {n}", self._fetch_always) for n in range(_AT_ONCE)]

    def start(self) -> None:
        """Begin."""
        for worker in self._workers:
            worker.start()

    async def stop(self) -> None:
        """End; what has come of a file stays."""
        for worker in self._workers:
            await worker.stop()

    async def want(self, connection: Connection, wanted: Collection[Wanted]) -> None:
        """These are to be fetched, as far as their citers are hosted by linked buses; in the caller's transaction."""
        agencies, bus = self._runtime.library.current().agencies, self._runtime.settings.bus
        peers = agencies.peers(bus)
        found = sorted(item for item in set(wanted) if agencies.elsewhere(item[1], bus) in peers)
        if found:
            await connection.execute(_WANT, ([digest for digest, _ in found], [granter for _, granter in found]))

    def soon(self) -> None:
        """Something may be due."""
        self._wake.set()

    async def hurry(self, connection: Connection, digest: str) -> None:
        """Somebody asks for it now."""
        await connection.execute(_HURRY, (digest,))

    async def _fetch_always(self) -> None:
        while True:
            self._wake.clear()
            try:
                if await self._fetch_next():
                    continue
            except Exception as error:  # noqa: BLE001, the next round tries again
                log.warning("files of other buses wait", reason=repr(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY):
                    await self._wake.wait()

    async def _fetch_next(self) -> bool:
        """Try one that is due; whether there was one. Raises psycopg's errors."""
        if not self._runtime.library.current().agencies.peers(self._runtime.settings.bus):
            return False
        async with self._runtime.pool.connection() as connection:
            # Its next turn is set before the try: who dies in it has lost nothing.
            row = await (await connection.execute(_CLAIM)).fetchone()
        if row is None:
            return False
        digest, granter = row
        try:
            await self._fetch(digest, granter)
        except (ConnectorError, TimeoutError) as error:
            log.info("not fetched from another bus", digest=digest, agency=granter, reason=str(error))
        return True

    async def _fetch(self, digest: str, granter: str) -> None:
        """Raises ConnectorError or TimeoutError."""
        runtime = self._runtime
        agencies = runtime.library.current().agencies
        peer = agencies.by_code[agencies.by_code[granter].home]
        files = PeerFiles(peer, runtime.bus_key, runtime.settings.max_file)
        async with aclosing(files), self._store.spool.opened(uuid5(NAMESPACE_OID, f"{digest} {granter}")) as file:
            await files.fetch(digest, file, Patience(_PATIENCE))
            size = file.size
            await self._store.keep(file.path, digest)
        async with runtime.pool.connection() as connection:
            await in_use(connection, [digest])
            await hold(connection, digest, granter, size)
            await connection.execute(_HAVE, (digest, granter))
        log.info("file kept", agency=granter, digest=digest, size=size, peer=peer.code)


_WANT: Final = """
    INSERT INTO files.wanted (digest, granter)
    SELECT w.digest, w.granter FROM unnest(%s::text[], %s::text[]) AS w (digest, granter)
    WHERE NOT EXISTS (SELECT FROM files.holders h WHERE h.digest = w.digest AND h.agency = w.granter)
    ON CONFLICT DO NOTHING
"""

_CLAIM: Final = """
    UPDATE files.wanted SET attempts = attempts + 1, tried = now(),
        next_at = now() + least(2 ^ least(attempts, 12), 3600) * interval '1 second'
    WHERE (digest, granter) = (
        SELECT digest, granter FROM files.wanted WHERE next_at <= now() ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING digest, granter
"""

_HURRY: Final = """
    UPDATE files.wanted SET next_at = least(next_at, greatest(now(), tried + interval '5 seconds')) WHERE digest = %s
"""

_HAVE: Final = "DELETE FROM files.wanted WHERE digest = %s AND granter = %s"
