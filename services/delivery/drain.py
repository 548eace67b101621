"""Bringing one partner what waits for it: side by side for several exchanges, one after the other in each.

A copy may be brought twice (we may die between the partner's answer and our note of it), under the same id. Nothing is
taken out of the queue before the partner has answered.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import psycopg
import structlog

from connectors.channel import Channel, Handed, Parcel, PartnerAway, PartnerGone, PartnerRefuses
from connectors.errors import ConnectorError
from connectors.postgres.pool import Connection
from contracts.agencies import Agency
from contracts.canonical import parse_object
from services.delivery.agreed import Promise
from services.delivery.dispatch import Dispatch
from services.delivery.queue import Partner, Result, State, Waiting
from services.delivery.schedule import Pace, pause
from services.delivery.stages import Reached
from services.kernel.background import Background
from services.kernel.time import until

log = structlog.stdlib.get_logger(__name__)

_LONGEST_SLEEP: Final = 1.0  # seconds: what another process put in is announced; this is for what was missed
_SETBACK: Final = 1.0  # seconds, after the database failed
_GRACE: Final = 3.0  # seconds
_LONGEST_REASON: Final = 300

Attempted = tuple[Waiting, Handed | ConnectorError]


class Drain:
    """One partner's. At most one process runs it at a time."""

    def __init__(self, agency: Agency, channel: Channel, dispatch: Dispatch) -> None:
        self.agency = agency
        self._terms = agency.channel
        self._channel = channel
        self._dispatch = dispatch
        self._queue = dispatch.queue
        self._clock = dispatch.runtime.clock
        self._pace = Pace(self._terms.per_second)
        self._in_hand: dict[asyncio.Task[Attempted], Waiting] = {}
        self._next: datetime | None = None
        self._last_author: str | None = None
        self._background = Background(f"delivery: {agency.code}", self._drain_always)
        self.wake = asyncio.Event()

    def start(self) -> None:
        """Begin."""
        self._background.start()

    async def stop(self) -> None:
        """End. What is in hand may finish for a moment; else it is brought again by whoever comes next."""
        await self._background.stop()
        if self._in_hand:
            await asyncio.wait(self._in_hand, timeout=_GRACE)
            with suppress(Exception):
                await self._settle_done()
        left: list[asyncio.Task[Any]] = [*self._in_hand]
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)

    async def _drain_always(self) -> None:
        while True:
            # Before the look: a sign that comes while it lasts is not lost.
            self.wake.clear()
            try:
                await self._settle_done()
                await self._begin_due()
            except Exception as error:  # noqa: BLE001, the next round tries again
                log.warning("delivery waits", agency=self.agency.code, reason=repr(error))
                await asyncio.sleep(_SETBACK)
                continue
            # Until an attempt is over, something new is there, or the next one is due.
            await until(self._clock, self._next, _LONGEST_SLEEP, self.wake)

    async def _begin_due(self) -> None:
        code, now = self.agency.code, self._clock()
        partner = await self._queue.partner(code)
        self._next = None
        if partner.resting:
            return
        room = partner.breaker.room(now, len(self._in_hand), self._terms.concurrency)
        if room:
            without = {waiting.thread for waiting in self._in_hand.values()}
            for waiting in await self._queue.due(code, now, without, room, self._last_author):
                self._last_author = waiting.author
                task = asyncio.create_task(self._attempt(waiting))
                task.add_done_callback(lambda _: self.wake.set())
                self._in_hand[task] = waiting
        if not self._in_hand:
            due = (await self._queue.next_due(code)).get(code)
            opens = partner.breaker.open_until
            self._next = max(due, opens) if due and opens else due

    async def _attempt(self, waiting: Waiting) -> Attempted:
        await asyncio.sleep(self._pace.wait(time.monotonic()))
        try:
            return waiting, await self._channel.hand_over(_parcel(waiting))
        except ConnectorError as error:
            return waiting, error
        except Exception as error:
            log.exception("connector failed", agency=self.agency.code, via=self._terms.via)
            return waiting, PartnerRefuses(f"the connector failed: {type(error).__name__}")

    async def _settle_done(self) -> None:
        done = [task for task in self._in_hand if task.done()]
        if not done:
            return
        attempted = [task.result() for task in done]
        try:
            await self._settle(attempted)
        except psycopg.DataError:
            # It is brought again, under the same id.
            refused = PartnerRefuses("what the partner answered cannot be kept")
            await self._settle([(waiting, refused) for waiting, _ in attempted])
        for task in done:
            del self._in_hand[task]

    async def _settle(self, attempted: Sequence[Attempted]) -> None:
        code, now = self.agency.code, self._clock()
        partner = _after(await self._queue.partner(code), attempted, now, self.agency)
        results = [self._result(waiting, outcome, now) for waiting, outcome in attempted]
        async with self._dispatch.runtime.pool.connection() as connection:
            counted = await self._queue.settle(connection, code, results, now)
            await self._queue.fares(connection, code, partner.breaker, partner.parked)
            await self._note(connection, counted, now)
        self._dispatch.committed()
        for item in counted:
            _say(self.agency, item)

    async def _note(self, connection: Connection, results: Sequence[Result], now: datetime) -> None:
        """Say what stages the copies have reached; their agreed times end or begin."""
        stages = [stage for item in results for stage in _stages(item)]
        await self._dispatch.say(connection, stages)
        delivered = [item.waiting for item in results if item.state is None]
        await arrived(self._dispatch, connection, self.agency, delivered, now)

    def _result(self, waiting: Waiting, outcome: Handed | ConnectorError, now: datetime) -> Result:
        attempt = waiting.attempt + 1
        if isinstance(outcome, Handed):
            state: State | None = None if outcome.stage == "delivered" else "relayed"
            return Result(waiting, state, attempt, now, number=outcome.reference, proof=outcome.proof)
        reason = str(outcome)[:_LONGEST_REASON]
        if now - waiting.queued_at >= self._terms.give_up_after:
            return Result(waiting, "parked", attempt, now, f"given up after {attempt} attempts; the last: {reason}")
        wait = pause(attempt, self._terms.longest_pause, f"{waiting.agency}/{waiting.position}")
        asked = outcome.retry_after if isinstance(outcome, PartnerAway) else None
        return Result(waiting, "waiting", attempt, now + max(wait, asked or wait), reason)


async def arrived(
    dispatch: Dispatch, connection: Connection, agency: Agency, delivered: Sequence[Waiting], now: datetime
) -> None:
    """Copies are with the recipient: no statement of the contrary follows, and the time to retrieve them begins."""
    await dispatch.agreed.delivered(connection, agency.code, [item.position for item in delivered])
    bus = dispatch.runtime.settings.bus
    told = [(item, item.author) for item in delivered if item.author and item.author != bus]
    promises = [Promise(item.agency, item.position, author) for item, author in told]
    await dispatch.agreed.begin(connection, "unretrieved", promises, {agency.code: agency.channel}, now)


def _parcel(waiting: Waiting) -> Parcel:
    document = parse_object(waiting.item)
    what = waiting.what
    return Parcel(
        id=str(document["cursor"]),
        recipient=waiting.agency,
        item=document,
        body=waiting.item,
        kind=what.kind if what else None,
        exchange=what.exchange if what else None,
        sequence=what.sequence if what else None,
        reference=waiting.number,
    )


def _after(partner: Partner, attempted: Sequence[Attempted], now: datetime, agency: Agency) -> Partner:
    """How the partner fares after these attempts."""
    breaker, parked = partner.breaker, partner.parked
    outcomes = [outcome for _, outcome in attempted]
    away = [outcome for outcome in outcomes if isinstance(outcome, PartnerAway)]
    gone = [outcome for outcome in outcomes if isinstance(outcome, PartnerGone)]
    if gone:
        parked = f"{gone[0]}; `liandong delivery resume {agency.code}` when it is back"
    if len(away) + len(gone) < len(outcomes):
        breaker = breaker.succeeded()
    elif away:
        # Several at once are one failure: they met the same outage.
        asked = max((item.retry_after for item in away if item.retry_after), default=None)
        breaker = breaker.failed(now, agency.channel.longest_pause, asked, agency.code)
    return replace(partner, breaker=breaker, parked=parked)


def _stages(item: Result) -> list[Reached]:
    """What to say of the copy after an attempt."""
    what, agency = item.waiting.what, item.waiting.agency
    if what is None:
        return []
    match item.state:
        case None:
            return [Reached("relayed", agency, what, item.attempt), Reached("delivered", agency, what, item.attempt)]
        case "relayed":
            return [Reached("relayed", agency, what, item.attempt)]
        case "parked":
            return [Reached("parked", agency, what, item.attempt, item.reason)]
        case "waiting":
            return [Reached("failed", agency, what, item.attempt, item.reason)]


def _say(agency: Agency, item: Result) -> None:
    what = item.waiting.what
    names = {"exchange": what.exchange, "sequence": what.sequence} if what else {"position": item.waiting.position}
    say = log.info if item.state in {None, "relayed"} else log.warning
    said = item.state or "delivered"
    say(said, agency=agency.code, via=agency.channel.via, attempt=item.attempt, reason=item.reason, hop=4, **names)
