"""Watches the agreed times: when one has run out, its author gets the signed statement, and the timeline the stage."""

from datetime import datetime
from typing import Final

import structlog

from services.delivery.agreed import Broken, statement
from services.delivery.copies import Parcel, evidence
from services.delivery.dispatch import Dispatch
from services.delivery.stages import Reached
from services.kernel.background import Background
from services.kernel.time import until

log = structlog.stdlib.get_logger(__name__)

_LONGEST_SLEEP: Final = 1.0  # seconds


class Watch:
    """One loop. Several workers may run one each: every time runs out once."""

    def __init__(self, dispatch: Dispatch) -> None:
        self._dispatch = dispatch
        self._runtime = dispatch.runtime
        self._background = Background("delivery: watch", self._watch_always)

    def start(self) -> None:
        """Begin."""
        self._background.start()

    async def stop(self) -> None:
        """End."""
        await self._background.stop()

    async def _watch_always(self) -> None:
        while True:
            at: datetime | None = None
            try:
                while await self.look():
                    pass
                at = await self._dispatch.agreed.next_at()
            except Exception as error:  # noqa: BLE001, the next round tries again
                log.warning("agreed times are not watched", reason=repr(error))
            await until(self._runtime.clock, at, _LONGEST_SLEEP)

    async def look(self) -> int:
        """Say of which copies the agreed time has run out; how many."""
        now = self._runtime.clock()
        async with self._runtime.pool.connection() as connection:
            # Inboxes are locked before agreed times, as everybody does.
            concerned = await self._dispatch.agreed.concerned(connection, now)
            if not concerned:
                return 0
            await self._dispatch.inboxes.lock(connection, concerned)
            broken = await self._dispatch.agreed.run_out(connection, now)
            # An author elsewhere sees the stage; our word goes into inboxes of our own.
            here = [item for item in broken if self._dispatch.here(item.promise.author)]
            await self._dispatch.send(connection, [self._parcel(item, now) for item in here])
            await self._dispatch.say(connection, [_reached(item) for item in broken])
        if broken:
            self._dispatch.committed()
        for item in broken:
            copy = item.copy
            log.warning(item.lacks, agency=item.promise.agency, exchange=copy.exchange, sequence=copy.sequence, hop=4)
        return len(broken)

    def _parcel(self, item: Broken, now: datetime) -> Parcel:
        via = self._dispatch.channel(item.promise.agency).via
        return evidence(statement(item, via, now, self._runtime.bus_key), item.promise.author)


def _reached(item: Broken) -> Reached:
    return Reached(item.lacks, item.promise.agency, item.copy, max(1, item.attempts), item.reason)
