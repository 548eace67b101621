"""The composition root of the files service."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import structlog
from aiohttp import web

from connectors.http.tokens import Door, ReplayGuard
from services.files.crossing import Crossing
from services.files.grants import Grants
from services.files.routes import FileRoutes, UploadRoutes
from services.files.uploads import Bounds, Uploads
from services.kernel.files import file_store
from services.kernel.follower import Follower
from services.kernel.schema import schema
from services.kernel.service import Runtime

SCHEMA: Final = schema("files", "follower")

_PURGE_EVERY: Final = 600.0  # seconds

log = structlog.stdlib.get_logger(__name__)


class FilesService:
    """The files service."""

    def __init__(self, runtime: Runtime) -> None:
        """Raises SettingsError where `files` names no place."""
        settings, pool = runtime.settings, runtime.pool
        store = file_store(settings)
        bounds = Bounds(
            settings.max_uploads,
            settings.max_uploading,
            settings.upload_lifetime,
            settings.max_uncited,
            settings.uncited_lifetime,
        )
        self._uploads = Uploads(pool, store, bounds)
        self._crossing = Crossing(runtime, store)
        grants = Grants(runtime, self._crossing)
        self._follower = Follower(runtime, "files", grants, runtime.library.current().topics.events(), hop=6)
        self._consumer = self._follower.consumer()
        door = Door(runtime.library, settings.bus, ReplayGuard(pool, "files"), settings.token_lifetime)
        self._ways_in = UploadRoutes(self._uploads, door, runtime.library, settings.bus, settings.max_file)
        self._ways_out = FileRoutes(pool, store, door, runtime.library, self._crossing)
        self._purging: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to follow; returns when the group is joined."""
        self._purging = asyncio.create_task(self._purge_now_and_then(), name="files: purge")
        await self._follower.start()
        await self._consumer.start()
        self._crossing.start()

    async def stop(self) -> None:
        """Finish the batch in hand. What is on its way in goes on at the next start, where it stopped."""
        await self._crossing.stop()
        await self._consumer.stop()
        await self._follower.stop()
        if self._purging is not None:
            self._purging.cancel()
            with suppress(asyncio.CancelledError):
                await self._purging

    def troubles(self) -> Sequence[str]:
        """Why nobody may learn of new attachments."""
        health = self._consumer.health()
        return [] if health.ready else [str(health.reason or health.state)]

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """Files in and out."""
        return [*self._ways_in.routes(), *self._ways_out.routes()]

    async def _purge_now_and_then(self) -> None:
        while True:
            try:
                purged = await self._uploads.purge()
                if purged:
                    log.info("purged", uploads=purged)
                forgotten = await self._uploads.forget_uncited() if await self._all_followed() else 0
                if forgotten:
                    log.info("forgotten", files=forgotten)
            except Exception as error:  # noqa: BLE001, the next round tries again
                log.warning("purge waits", reason=repr(error))
            await asyncio.sleep(_PURGE_EVERY)

    async def _all_followed(self) -> bool:
        """Whether no event is known that was not looked through: it might cite what nothing cites so far."""
        return self._consumer.health().lag == 0 and not await self._follower.stopped()


def build(runtime: Runtime) -> FilesService:
    """The service."""
    return FilesService(runtime)
