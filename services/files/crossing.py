"""Attachments of other buses' agencies, fetched from the bus that hosts whoever cites them, for those that we host.

What an event of theirs shows to an agency of ours is wanted until it is here; a try that breaks off is taken up where
it stopped. The other bus gives it out only if whoever cites it holds it there: so here it counts as brought by that
agency.
"""

import asyncio
from collections.abc import Collection
from contextlib import aclosing, suppress
from typing import Final
from uuid import NAMESPACE_OID, uuid5

import structlog

from connectors.channel import FileMissing
from connectors.districts.client import PeerFiles
from connectors.errors import ConnectorError
from connectors.files.spool import SpoolBusy
from connectors.files.store import FileStore
from connectors.http.files import Patience
from connectors.postgres.pool import Connection
from contracts.agencies import Agencies
from services.kernel.background import Background
from services.kernel.files import hold, in_use
from services.kernel.service import Runtime

log = structlog.stdlib.get_logger(__name__)

_AT_ONCE: Final = 4
_LOOK_EVERY: Final = 1.0  # seconds
_PATIENCE: Final = 10.0  # seconds in which nothing comes, until another file has its turn
_REST: Final = 15.0  # seconds, of a bus that was not reached

Wanted = tuple[str, str]
"""The digest, and the agency that cites it."""


class Crossing:
    """Fetches what is wanted, of each bus one file at a time. Several processes may."""

    def __init__(self, runtime: Runtime, store: FileStore) -> None:
        self._runtime = runtime
        self._store = store
        self._wake = asyncio.Event()
        self._in_hand: set[str] = set()
        self._rests: dict[str, float] = {}
        self._peers: tuple[str, ...] = ()
        self._workers = [Background(f"files: crossing {n}", self._fetch_always) for n in range(_AT_ONCE)]

    def start(self) -> None:
        """Begin."""
        for worker in self._workers:
            worker.start()

    async def stop(self) -> None:
        """End; what has come of a file stays."""
        for worker in self._workers:
            await worker.stop()

    def soon(self) -> None:
        """Something may be due."""
        self._wake.set()

    async def want(self, connection: Connection, wanted: Collection[Wanted]) -> None:
        """These are to be fetched, as far as their citers are hosted by linked buses; in the caller's transaction."""
        theirs = self._hosted_by(self._linked)
        found = sorted(item for item in set(wanted) if item[1] in theirs)
        if found:
            await connection.execute(_WANT, ([digest for digest, _ in found], [granter for _, granter in found]))

    async def hurry(self, connection: Connection, digest: str) -> None:
        """Somebody asks for it now."""
        await connection.execute(_HURRY, (digest,))

    async def lost(self, connection: Connection, digest: str) -> None:
        """What was fetched is damaged: it is wanted once more."""
        await connection.execute(_AGAIN, (digest, self._hosted_by(self._linked)))

    @property
    def _agencies(self) -> Agencies:
        return self._runtime.library.current().agencies

    @property
    def _linked(self) -> tuple[str, ...]:
        return self._agencies.peers(self._runtime.settings.bus)

    def _hosted_by(self, buses: Collection[str]) -> list[str]:
        return [code for code, agency in self._agencies.by_code.items() if agency.home in buses]

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
        now = asyncio.get_running_loop().time()
        linked = self._linked
        ready = [peer for peer in linked if peer not in self._in_hand and self._rests.get(peer, 0) <= now]
        if not ready:
            return False
        async with self._runtime.pool.connection() as connection:
            if linked != self._peers:
                # What was cited before there was the link.
                here = self._hosted_by([self._runtime.settings.bus])
                await connection.execute(_WANT_ALL, (self._hosted_by(linked), here))
                self._peers = linked
            # Its next turn is set before the try: who dies in it has lost nothing.
            row = await (await connection.execute(_CLAIM, (self._hosted_by(ready),))).fetchone()
        if row is None:
            return False
        digest, granter = row
        peer = self._agencies.by_code[granter].home
        if peer in self._in_hand:
            await self._later(digest, granter)
            return False
        self._in_hand.add(peer)
        try:
            await self._try(digest, granter, peer)
        finally:
            self._in_hand.discard(peer)
        return True

    async def _try(self, digest: str, granter: str, peer: str) -> None:
        try:
            await self._fetch(digest, granter, peer)
        except TimeoutError as error:
            # The bus is away, not the file: all of its files wait, and go on when it is back.
            self._rests[peer] = asyncio.get_running_loop().time() + _REST
            log.warning("files of another bus wait", peer=peer, reason=str(error))
            async with self._runtime.pool.connection() as connection:
                await connection.execute(_BACK, (digest, granter))
        except ConnectorError as error:
            say = log.info if isinstance(error, FileMissing | SpoolBusy) else log.warning
            say("not fetched from another bus", digest=digest, agency=granter, peer=peer, reason=str(error))
            await self._later(digest, granter)

    async def _later(self, digest: str, granter: str) -> None:
        async with self._runtime.pool.connection() as connection:
            await connection.execute(_LATER, (digest, granter))

    async def _fetch(self, digest: str, granter: str, peer: str) -> None:
        """Raises ConnectorError, or TimeoutError when nothing comes."""
        runtime = self._runtime
        files = PeerFiles(self._agencies.by_code[peer], runtime.bus_key, runtime.settings.max_file)
        async with aclosing(files), self._store.spool.opened(uuid5(NAMESPACE_OID, f"{digest} {granter}")) as file:
            await files.fetch(digest, granter, file, Patience(_PATIENCE))
            size = file.size
            await self._store.keep(file.path, digest)
        async with runtime.pool.connection() as connection:
            await in_use(connection, [digest])
            await hold(connection, digest, granter, size)
            await connection.execute(_HAVE, (digest, granter))
        log.info("file kept", agency=granter, digest=digest, size=size, peer=peer)


_WANT: Final = """
    INSERT INTO files.wanted (digest, granter)
    SELECT w.digest, w.granter FROM unnest(%s::text[], %s::text[]) AS w (digest, granter)
    WHERE NOT EXISTS (SELECT FROM files.holders h WHERE h.digest = w.digest AND h.agency = w.granter)
    ON CONFLICT DO NOTHING
"""

_WANT_ALL: Final = """
    INSERT INTO files.wanted (digest, granter)
    SELECT DISTINCT s.digest, s.granter FROM files.shown s
    WHERE s.granter = ANY(%s) AND s.agency = ANY(%s)
        AND NOT EXISTS (SELECT FROM files.holders h WHERE h.digest = s.digest AND h.agency = s.granter)
    ON CONFLICT DO NOTHING
"""

_AGAIN: Final = """
    INSERT INTO files.wanted (digest, granter)
    SELECT digest, agency FROM files.holders WHERE digest = %s AND agency = ANY(%s) ON CONFLICT DO NOTHING
"""

_CLAIM: Final = """
    UPDATE files.wanted SET attempts = attempts + 1, tried = now(), next_at = now() + interval '10 minutes'
    WHERE (digest, granter) = (
        SELECT digest, granter FROM files.wanted WHERE next_at <= now() AND granter = ANY(%s)
        ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING digest, granter
"""

_LATER: Final = """
    UPDATE files.wanted SET next_at = now() + least(2 ^ least(attempts - 1, 12), 3600) * interval '1 second'
    WHERE digest = %s AND granter = %s
"""

_BACK: Final = "UPDATE files.wanted SET attempts = 0, next_at = now() WHERE digest = %s AND granter = %s"

_HURRY: Final = """
    UPDATE files.wanted SET next_at = least(next_at, greatest(now(), tried + interval '5 seconds')) WHERE digest = %s
"""

_HAVE: Final = "DELETE FROM files.wanted WHERE digest = %s AND granter = %s"
