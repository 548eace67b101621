"""Counts running clocks again when what they are counted by has changed, as when a calendar was announced."""

import asyncio
from typing import Final

import structlog

from services.clocks.keeper import Keeper
from services.clocks.words import Law
from services.kernel.background import Background

log = structlog.stdlib.get_logger(__name__)

_EVERY: Final = 1.0  # seconds between two looks


class Recounting:
    """One loop; whoever finds another law counts."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._background = Background("clocks: recounting", self._recount_always)
        self.trouble: str | None = None

    def start(self) -> None:
        """Begin, with what changed while nobody looked."""
        self._background.start()

    async def stop(self) -> None:
        """End; what is not counted again yet is, after the next start."""
        await self._background.stop()

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
