"""Counts running clocks again when what they are counted by has changed, as when a calendar was announced."""

import asyncio
from contextlib import suppress
from typing import Final

import structlog

from services.clocks.keeper import Keeper
from services.clocks.words import Law

log = structlog.stdlib.get_logger(__name__)

_EVERY: Final = 1.0  # seconds between two looks


class Recounting:
    """One loop; whoever finds another law counts."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._task: asyncio.Task[None] | None = None
        self.trouble: str | None = None

    def start(self) -> None:
        """Begin, with what changed while nobody looked."""
        self._task = asyncio.create_task(self._recount_always(), name="clocks: recounting")

    async def stop(self) -> None:
        """End; what is not counted again yet is, after the next start."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _recount_always(self) -> None:
        counted: Law | None = None
        while True:
            try:
                law = self._keeper.law
                if law != counted and await self._keeper.recount(law.digest):
                    log.info("clocks are counted by another law", law=law.digest)
                counted, self.trouble = law, None
            except Exception as error:  # noqa: BLE001, the next round tries again
                self.trouble = f"clocks are not counted again: {error}"
                log.warning("counting waits", reason=repr(error))
            await asyncio.sleep(_EVERY)
