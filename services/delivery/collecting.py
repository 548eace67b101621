"""What partners state through their connectors: signed in the agency's name 代签, where its contract allows it.

What was collected, the cursor to go on from, and what follows from it are one transaction; a partner that offers
something twice, or that we ask twice because we died, makes the same submission twice, which has one outcome.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import structlog

from connectors.channel import Channel, Collected, Confirmed, Stated
from connectors.errors import ConnectorError
from connectors.http.client import new_event
from connectors.kafka.producer import Message
from connectors.postgres.pool import Connection
from contracts.agencies import Agency
from contracts.deliveries import Stage
from services.delivery.dispatch import Dispatch
from services.delivery.drain import arrived
from services.delivery.inboxes import CursorUnknown, Inbox
from services.delivery.queue import Partner, Waiting
from services.delivery.stages import Reached
from services.kernel.background import Background
from services.kernel.outbox import Outbox
from services.kernel.submitting import submission
from services.kernel.time import system

log = structlog.stdlib.get_logger(__name__)

_EVERY: Final = 1.0  # seconds
_SETBACK, _LONGEST_SETBACK = 2.0, 60.0  # seconds
_DRIVEN: Final = 0.2  # seconds: where legal time is driven, days pass in a second
_LONGEST_TROUBLE: Final = 300


class NotAllowed(ConnectorError):
    """The contract does not let the bus sign for the agency."""


class Collector:
    """One partner's. At most one process runs it at a time."""

    def __init__(self, agency: Agency, channel: Channel, dispatch: Dispatch) -> None:
        self._agency = agency
        self._channel = channel
        self._dispatch = dispatch
        self._runtime = dispatch.runtime
        self._outbox = Outbox("delivery", self._runtime.pool, self._runtime.producer)
        self._owner = f"from {agency.code}"
        driven = self._runtime.clock is not system
        self._every, self._setback, self._longest = (
            (_DRIVEN, _DRIVEN, _DRIVEN) if driven else (_EVERY, _SETBACK, _LONGEST_SETBACK)
        )
        self._origin = f"{agency.channel.via} {agency.channel.url or ''}"
        self._troubled = False
        self._background = Background(f"delivery: from {agency.code}", self._collect_always)

    def start(self) -> None:
        """Begin, with what an earlier run has not sent on."""
        self._background.start()

    async def stop(self) -> None:
        """End; what is in the outbox stays for the next start."""
        await self._background.stop()

    async def _collect_always(self) -> None:
        setback = self._setback
        while True:
            try:
                await self._outbox.drain(self._owner)
                partner = await self._dispatch.queue.partner(self._agency.code)
                more = not partner.resting and await self._collect(partner)
                setback = self._setback
                if not more:
                    await asyncio.sleep(self._every)
            except Exception as error:  # noqa: BLE001, the next round tries again
                await self._in_trouble(error)
                await asyncio.sleep(setback)
                setback = min(setback * 2, self._longest)

    async def _collect(self, partner: Partner) -> bool:
        """One page; whether there is more. Raises ConnectorError and psycopg's errors."""
        # A partner that has another system now begins its numbers anew.
        cursor = partner.cursor if partner.origin in {None, self._origin} else None
        found = await self._channel.collect(cursor)
        for line in found.unreadable:
            log.error("not understood", agency=self._agency.code, via=self._agency.channel.via, what=line)
        if found.arrivals or found.unreadable or found.cursor != cursor or self._troubled:
            await self._take_in(found)
        self._troubled = False
        return found.more and found.cursor != cursor

    async def _take_in(self, found: Collected) -> None:
        stated = [item for item in found.arrivals if isinstance(item, Stated)]
        if stated and not self._agency.channel.signs_for:
            raise NotAllowed(
                f"{self._agency.code} states facts, but its contract does not let the bus sign for it (signs_for)"
            )
        messages = [self._message(item) for item in stated]
        numbers = {(item.kind, item.exchange): item.reference for item in stated if item.reference}
        queue, code = self._dispatch.queue, self._agency.code
        async with self._runtime.pool.connection() as connection:
            await self._outbox.add(connection, [(self._owner, message) for message in messages])
            await queue.number(connection, code, numbers)
            await self._confirm(connection, [item for item in found.arrivals if isinstance(item, Confirmed)])
            await queue.come_to(connection, code, found.cursor, self._origin)
            # What could not be read stays to be seen until an operator has looked after it.
            if found.unreadable or self._troubled:
                await queue.troubled(connection, code, found.unreadable[-1] if found.unreadable else None)
        await self._outbox.drain(self._owner)
        self._dispatch.committed()
        for item in stated:
            log.info("stated", agency=code, event_id=item.id, exchange=item.exchange, type=item.fact.type(), hop=1)

    def _message(self, item: Stated) -> Message:
        now, key = self._runtime.clock(), self._runtime.bus_key
        event = new_event(
            key,
            item.fact,
            source=self._agency.code,
            exchange=item.exchange,
            kind=item.kind,
            case=item.case,
            home=key.agency if item.case else None,
            known=item.known,
            leg=item.leg,
            time=min(item.time, now),
            id_=item.id,
        )
        topic = self._runtime.library.current().topics.submissions_for(item.kind)
        if topic is None:
            raise NotAllowed(f"{self._agency.code} states a fact of {item.kind}, which no registrar here decides")
        return submission(event, now, key, topic)[0]

    async def _confirm(self, connection: Connection, confirmed: Sequence[Confirmed]) -> None:
        inbox = await self._dispatch.inboxes.inbox(self._agency.code) if confirmed else None
        for item in confirmed:
            position = _position(inbox, item.parcel)
            if position is None:
                log.warning("confirmed what was never sent", agency=self._agency.code)
            elif item.stage == "failed":
                await self._spoilt(connection, position, item.reason or "the partner has it, but not whole")
            else:
                await self._arrived(connection, position, item)

    async def _arrived(self, connection: Connection, position: int, item: Confirmed) -> None:
        code, now = self._agency.code, self._runtime.clock()
        waiting = await self._dispatch.queue.confirm(connection, code, position, now)
        if waiting is not None:
            await self._say(connection, waiting, "delivered")
            await arrived(self._dispatch, connection, self._agency, [waiting], now)
        if item.stage == "retrieved":
            copy = await self._dispatch.inboxes.copy(connection, code, position)
            if copy is not None:
                await self._dispatch.say(connection, [Reached("retrieved", code, copy)])
            await self._dispatch.agreed.opened(connection, code, position)

    async def _spoilt(self, connection: Connection, position: int, reason: str) -> None:
        code, now = self._agency.code, self._runtime.clock()
        copy = await self._dispatch.queue.spoilt(connection, code, position, reason, now)
        if copy is not None:
            await self._dispatch.say(connection, [Reached("failed", code, copy, reason=reason)])
        log.warning("spoilt", agency=code, position=position, reason=reason)

    async def _say(self, connection: Connection, waiting: Waiting, stage: Stage) -> None:
        if waiting.what is not None:
            reached = Reached(stage, self._agency.code, waiting.what, max(1, waiting.attempt))
            await self._dispatch.say(connection, [reached])

    async def _in_trouble(self, error: Exception) -> None:
        self._troubled = True
        log.warning("nothing is collected", agency=self._agency.code, reason=repr(error))
        words = str(error) if isinstance(error, ConnectorError) else f"not collected: {type(error).__name__}"
        with suppress(Exception):
            async with self._runtime.pool.connection() as connection:
                await self._dispatch.queue.troubled(connection, self._agency.code, words[:_LONGEST_TROUBLE])


def _position(inbox: Inbox | None, parcel: str) -> int | None:
    """The position that a parcel's id names in the inbox as it is now, whatever a partner sends for one."""
    try:
        return inbox.position(parcel) if inbox else None
    except CursorUnknown:
        return None
