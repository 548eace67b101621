"""Readers that wait for something new in their inbox, woken by whichever process put it there."""

import asyncio

from connectors.postgres.listen import Listener
from services.delivery.inboxes import CHANNEL, Inboxes


class Bell:
    """Wakes the readers of this process."""

    def __init__(self, url: str, inboxes: Inboxes) -> None:
        self._inboxes = inboxes
        self._waiting: dict[asyncio.Future[None], tuple[str, int]] = {}
        self.listener = Listener(url, CHANNEL, self._look)

    def beyond(self, agency: str, position: int) -> "asyncio.Future[None]":
        """Done when the agency's inbox has something after the position. Cancel it when no longer wanted."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = (agency, position)
        future.add_done_callback(lambda done: self._waiting.pop(done, None))
        return future

    async def _look(self) -> None:
        if not self._waiting:
            return
        last = await self._inboxes.last({agency for agency, _ in self._waiting.values()})
        for future, (agency, position) in list(self._waiting.items()):
            if last.get(agency, 0) > position and not future.done():
                future.set_result(None)
