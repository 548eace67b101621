"""The one policy of the project for acknowledging, retrying and dead-lettering Kafka's records.

    consumer = Consumer(group="transfers", topics=[…], handler=handler, settings=settings)
    await consumer.start()      # joined, assigned
    ...
    await consumer.stop()       # the batch in hand finished, offsets committed, group left

What happens to a batch, in order:

1. `handler.handle(batch)` succeeds: its offsets are committed, within a tenth of a second.
2. It fails, and `transient(error)` says that this will pass (a database or Kafka is away, or the
   call took too long): the same call is made again, with a growing pause, for as long as it takes.
   Nothing else is taken in meanwhile, `health()` is not ready, and the log has one line when it
   begins and one when it ends.
3. It fails otherwise: the batch is halved, and the halves, until the poison stands alone. All
   others are handled, in order. The poison goes to `handler.hold`, then to the dead-letter topic,
   and counts as done when Kafka has it.
4. More than `limit.poison` of the last `limit.of` records are poison: that is a bad deployment, not
   bad records. Nothing more is dead-lettered or acknowledged; the consumer stands still, says so,
   and waits to be replaced. What `foreign(error)` says to be another's fault is poison as any, but
   says nothing of this deployment: it is not counted, and goes to the dead letters also then.
5. A dead letter that Kafka refuses, a hook that raises, a membership that has died: the process
   ends at once, with a code of its own (`Exit`), before anything else is acknowledged. Its
   supervisor starts it again.

What is done is always a prefix of each partition, so an offset is never committed over a record
that is not done. Delivery is at least once: a process that is killed meets again what it did not
commit, which may include what it handled last, so a handler must recognise what it has handled
already.

During a rebalance a call that is running may finish (`drain`), then it is cancelled; a retry is
given up at once. Only then do the partitions pass on. So there is never more than one call of the
handler, it never spans two assignments, and records of an earlier assignment never reach it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from connectors.errors import KafkaRefused, KafkaUnavailable
from connectors.kafka.group import FAULTS, Delivery, Group, Probe
from connectors.kafka.handler import (
    Backoff,
    Exit,
    Handler,
    Health,
    Limit,
    Recent,
    State,
    Transient,
    is_transient,
)
from connectors.kafka.producer import Message, Producer
from connectors.kafka.record import DeadLetter, Partition, Reason, Record, dead_letter
from connectors.kafka.settings import KafkaSettings
from connectors.kafka.watchdog import Watchdog

__all__ = [
    "Backoff",
    "Consumer",
    "Exit",
    "Handler",
    "Health",
    "Limit",
    "Partition",
    "Reason",
    "Record",
    "Transient",
    "end_process",
    "is_transient",
]

logger = logging.getLogger(__name__)

_LONG: Final = 180.0
"""Seconds after which having no assignment, or offsets that do not get committed, is a fault."""

_KAFKA_CALL: Final = 10.0


@dataclass(slots=True, eq=False)
class _Assignment:
    """What is ours, from one rebalance to the next, and how far it has been taken and done."""

    partitions: frozenset[Partition]
    generation: int
    over: asyncio.Event = field(default_factory=asyncio.Event)
    taken: dict[Partition, int] = field(default_factory=dict[Partition, int])
    """The next offset to take in, by partition."""
    done: dict[Partition, int] = field(default_factory=dict[Partition, int])
    """The offset to commit, by partition."""
    committed: dict[Partition, int] = field(default_factory=dict[Partition, int])

    def uncommitted(self) -> dict[Partition, int]:
        """What is done and not committed."""
        return {where: offset for where, offset in self.done.items() if self.committed.get(where) != offset}


class _Abandoned(Exception):
    """The rest of the batch is not ours any more; it will be delivered again, here or elsewhere."""


class _Ended(BaseException):
    """The process is being ended; nothing may be done after it."""


def end_process(code: int, why: str) -> None:
    """End the process at once. Nothing is flushed but the log: what is not committed must not be."""
    logger.critical("the process ends with code %d: %s", code, why)
    logging.shutdown()
    os._exit(code)


class Consumer:
    """Reads topics as a member of a group and brings every record to an end, as said above.

    Several can run in one event loop. One cannot be started twice.
    """

    def __init__(
        self,
        *,
        group: str,
        topics: Sequence[str],
        handler: Handler,
        settings: KafkaSettings,
        transient: Callable[[BaseException], bool] = lambda _: False,
        foreign: Callable[[BaseException], bool] = lambda _: False,
        dead_letter_topic: str = "dead-letters",
        batch: int = 500,
        batch_bytes: int = 8 * 1024 * 1024,
        within: timedelta = timedelta(milliseconds=20),
        limit: Limit | None = None,
        backoff: Backoff | None = None,
        patience: timedelta = timedelta(seconds=120),
        drain: timedelta = timedelta(seconds=15),
        stall: timedelta = timedelta(seconds=60),
        end: Callable[[int, str], None] = end_process,
    ) -> None:
        """`transient`: which errors pass by themselves, besides those that `is_transient` names.

        `foreign`: which errors are in what somebody outside has written, whatever deployment reads it.

        `within`: how long a record may wait for others to share its batch, when there is nothing
        else to do.

        `patience`: the longest that one call of the handler takes; then it is cancelled and counts
        as transient. `drain`: the longest that a rebalance or `stop` waits for the call that is
        running; then it is cancelled. `stall`: how long records may lie in Kafka without arriving
        here before the process is ended. `end`: how the process is ended.
        """
        self._group_id = group
        self._topics = tuple(topics)
        self._handler = handler
        self._settings = settings
        self._transient = lambda error: is_transient(error) or transient(error)
        self._foreign = foreign
        self._dead_letter_topic = dead_letter_topic
        self._batch = batch
        self._batch_bytes = batch_bytes
        self._within = within
        self._backoff = backoff or Backoff()
        self._patience = patience.total_seconds()
        self._drain = drain.total_seconds()
        self._stall = stall.total_seconds()
        self._end = end
        self._limit = limit or Limit()
        self._recent = Recent(self._limit)
        self._group = Group(group, topics, settings, self, buffer=max(batch * 2, 1000), client_id=f"liandong-{group}")
        self._producer = Producer(settings, client_id=f"liandong-{group}-dead-letters")
        self._probe = Probe(settings)
        self._status: tuple[State, str, datetime] = ("starting", "not started", _now())
        self._assignment: _Assignment | None = None
        self._unassigned_since = time.monotonic()
        self._idle = asyncio.Event()
        self._idle.set()
        self._call: asyncio.Task[None] | None = None
        self._dirty = asyncio.Event()
        self._committing = asyncio.Lock()
        self._commit_failing_since: float | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self._joining = False
        self._dead_process = False
        self._handled = 0
        self._dead = 0
        self._last_progress: datetime | None = None
        self._batches = 0
        self._uncommitted_since = time.monotonic()
        self._watchdog = Watchdog(group, self._group, self._probe, self._stall)

    async def start(self) -> None:
        """Join the group; return when partitions are assigned (perhaps none). Waits while Kafka is away."""
        opening = asyncio.create_task(self._open(), name=f"{self._group_id}: open")
        self._tasks.append(opening)
        await asyncio.wait([opening])
        self._tasks.remove(opening)
        if not opening.cancelled():
            opening.result()

    async def stop(self) -> None:
        """Finish the batch in hand, commit, leave the group."""
        self._stopping = True
        if self._joining and self._tasks:
            # Faust does not stand being cancelled while it starts: its thread would be left behind.
            await asyncio.wait(self._tasks, timeout=self._drain + 15)
        await self._retire()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        try:
            async with asyncio.timeout(self._drain + 15):
                await self._group.stop()
        except TimeoutError:
            logger.warning("group %s: could not be left in time; its session will run out", self._group_id)
        await self._producer.stop()
        self._say("stopped", "stopped")

    def health(self) -> Health:
        """How it is, without asking anybody."""
        state, reason, since = self._status
        failing = self._commit_failing_since
        if state == "running" and failing is not None and time.monotonic() - failing > 30:
            reason = "offsets cannot be committed"
        if state == "running" and self._watchdog.kafka_away_since is not None:
            reason, since = "Kafka does not answer", self._watchdog.kafka_away_since
        return Health(
            ready=state == "running" and reason == "",
            state=state,
            reason=reason,
            since=since,
            assignment=self._assignment.partitions if self._assignment else frozenset(),
            lag=self._lag(),
            handled=self._handled,
            dead=self._dead,
            last_progress=self._last_progress,
        )

    # What the group gives and takes (the Listener of group.py).

    async def assigned(self, partitions: frozenset[Partition]) -> None:
        """The group calls this; nobody else should."""
        self._hook(self._handler.assigned, partitions)
        self._assignment = _Assignment(partitions, self._group.generation)
        self._watchdog.reset()
        self._say("running", "")

    async def revoked(self) -> None:
        """The group calls this; nobody else should."""
        if not self._stopping:
            await self._retire()
            self._say("rebalancing", "the group is rebalancing")

    async def _retire(self) -> None:
        """Bring the work on the current assignment to an end, commit what is done, and forget it."""
        assignment, self._unassigned_since = self._assignment, time.monotonic()
        if assignment is None:
            return
        assignment.over.set()
        if not await _came(self._idle, self._drain):
            await self._cancel_call()
        try:
            await self._commit(assignment, timeout=_KAFKA_CALL)
        except FAULTS as error:
            logger.warning("group %s: the last offsets were not committed: %r", self._group_id, error)
        self._assignment = None
        self._hook(self._handler.revoked, assignment.partitions)

    async def _cancel_call(self) -> None:
        logger.warning("group %s: cancelling a call that outlasts its assignment", self._group_id)
        if self._call is not None:
            self._call.cancel()
        if not await _came(self._idle, 10):
            self._fatal(Exit.STUCK, "the handler does not let itself be cancelled")

    # Taking in.

    async def _open(self) -> None:
        await self._wait_for_topics()
        self._joining = True
        logger.info("group %s: joining for %s", self._group_id, ", ".join(self._topics))
        try:
            async with asyncio.timeout(180):
                await self._group.start()
        except TimeoutError:
            self._fatal(Exit.GROUP, "the group could not be joined within 180 s")
        except Exception as error:  # noqa: BLE001, whatever Faust raises
            self._fatal(Exit.GROUP, f"the group could not be joined: {error!r}")
        self._joining = False
        if self._stopping:
            return
        for loop in (self._work, self._commit_soon, self._watch_over):
            self._tasks.append(asyncio.create_task(self._guard(loop), name=f"{self._group_id}: {loop.__name__}"))

    async def _wait_for_topics(self) -> None:
        attempt = 0
        while True:
            try:
                missing = await self._probe.missing({*self._topics, self._dead_letter_topic})
                if not missing:
                    return
                self._say("starting", f"no such topic: {', '.join(sorted(missing))}")
            except FAULTS as error:
                self._say("starting", f"Kafka is away: {type(error).__name__}")
            await asyncio.sleep(self._backoff.pause(attempt))
            attempt += 1

    async def _guard(self, loop: Callable[[], Awaitable[None]]) -> None:
        """A loop of this module that raises is a bug in it, and must not end quietly."""
        try:
            await loop()
        except _Ended:
            pass
        except Exception as error:
            logger.exception("group %s: the consumer itself failed", self._group_id)
            try:
                self._fatal(Exit.BUG, f"the consumer itself failed: {error!r}")
            except _Ended:
                return

    async def _work(self) -> None:
        while True:
            deliveries = await self._group.take(self._batch, self._batch_bytes, self._within)
            assignment = self._assignment
            if assignment is None or assignment.over.is_set():
                continue
            self._idle.clear()
            self._batches += 1
            try:
                batch = await self._admit(deliveries, assignment)
                if batch:
                    await self._settle(batch, assignment)
            except _Abandoned:
                logger.info("group %s: a batch was left for the next owner", self._group_id)
            finally:
                self._idle.set()

    async def _admit(self, deliveries: Sequence[Delivery], assignment: _Assignment) -> list[Record]:
        """Those that are ours and follow on what was taken before, in order, each once."""
        batch: list[Record] = []
        for delivery in deliveries:
            record = delivery.record
            where = record.source
            if delivery.generation != assignment.generation or where not in assignment.partitions:
                continue
            if where not in assignment.taken:
                await self._find_start(where, assignment)
            expected = assignment.taken[where]
            if record.offset < expected:
                continue  # delivered twice, as after a seek
            if record.offset > expected:
                await self._check_gap(record, expected, assignment)
            assignment.taken[where] = record.offset + 1
            batch.append(record)
        return batch

    async def _find_start(self, where: Partition, assignment: _Assignment) -> None:
        async def find() -> None:
            assignment.taken[where] = await self._group.start_of(where, timeout=_KAFKA_CALL)

        await self._persist(find, assignment, _is_kafka_away)

    async def _check_gap(self, record: Record, expected: int, assignment: _Assignment) -> None:
        """Offsets were left out. Kafka says whether it has records there; if so, the way here lost them."""
        found: list[int | None] = []

        async def look() -> None:
            found[:] = [await self._probe.next_offset(record.source, expected)]

        await self._persist(look, assignment, _is_kafka_away)
        if found[0] is not None and found[0] < record.offset:
            self._fatal(Exit.GAP, f"{record} arrived, but {found[0]} has not been delivered")
        logger.info("group %s: Kafka has nothing between %d and %s", self._group_id, expected, record)

    # Bringing to an end.

    async def _settle(self, batch: Sequence[Record], assignment: _Assignment) -> None:
        """Bring every record of the batch to an end, in order."""
        error = await self._persist(lambda: self._handler.handle(batch), assignment, self._transient)
        if error is None:
            self._recent.good(len(batch))
            self._done(batch, assignment)
        elif len(batch) == 1:
            await self._bury(batch[0], error, assignment)
        else:
            middle = len(batch) // 2
            await self._settle(batch[:middle], assignment)
            await self._settle(batch[middle:], assignment)

    async def _bury(self, record: Record, error: BaseException, assignment: _Assignment) -> None:
        """Poison: hold, dead letter, and only then done."""
        reason, counts = Reason.of(error), not self._foreign(error)
        if counts and self._recent.full:
            await self._halt(record, reason, assignment)
        logger.error("group %s: %s is poison: %s", self._group_id, record, reason, exc_info=error)
        held = await self._persist(lambda: self._handler.hold(record, reason), assignment, self._transient)
        if held is not None:
            logger.error("group %s: %s could not be held: %r", self._group_id, record, held, exc_info=held)
        letter = DeadLetter(
            record=record,
            group=self._group_id,
            reason=reason,
            hold_error=None if held is None else str(Reason.of(held)),
            time=_now(),
        )
        await self._send_dead(dead_letter(letter, self._dead_letter_topic), record, assignment)
        if counts:
            self._recent.poison()
        self._dead += 1
        self._done([record], assignment)

    async def _send_dead(self, message: Message, record: Record, assignment: _Assignment) -> None:
        failure = await self._persist(
            lambda: self._producer.send_all([message]),
            assignment,
            lambda error: not isinstance(error, KafkaRefused) and _is_kafka_away(error),
        )
        if failure is not None:
            self._fatal(Exit.DEAD_LETTER, f"{record} could not be dead-lettered: {failure!r}")

    async def _halt(self, record: Record, reason: Reason, assignment: _Assignment) -> None:
        """Stand still until somebody replaces this process."""
        limit = self._limit
        self._say(
            "halted",
            f"{limit.poison} of the last {limit.of} records are dead letters already;"
            f" {record} would be one more ({reason}). Replace the deployment, then restart.",
        )
        await assignment.over.wait()
        raise _Abandoned

    def _done(self, batch: Sequence[Record], assignment: _Assignment) -> None:
        """These have been brought to an end, and everything before them."""
        for record in batch:
            assignment.done[record.source] = record.offset + 1
        self._handled += len(batch)
        self._last_progress = _now()
        self._watchdog.heard()
        self._dirty.set()

    async def _persist(
        self,
        action: Callable[[], Awaitable[None]],
        assignment: _Assignment,
        transient: Callable[[BaseException], bool],
    ) -> BaseException | None:
        """Try until it succeeds (None) or fails for good (the error), or the assignment is over."""
        attempt = 0
        while True:
            if assignment.over.is_set():
                raise _Abandoned
            error = await self._attempt(action, assignment)
            if error is None or not (isinstance(error, _Interrupted) or transient(error)):
                if attempt:
                    self._recovered(attempt)
                return error
            self._retrying(error)
            await _came(assignment.over, self._backoff.pause(attempt))
            attempt += 1

    async def _attempt(self, action: Callable[[], Awaitable[None]], assignment: _Assignment) -> BaseException | None:
        """One attempt, in a task of its own, so that it can be cancelled without cancelling this loop."""

        async def run() -> None:
            await action()

        self._call = task = asyncio.create_task(run(), name=f"{self._group_id}: call")
        try:
            finished, _ = await asyncio.wait([task], timeout=self._patience)
            if not finished:
                task.cancel()
                finished, _ = await asyncio.wait([task], timeout=_KAFKA_CALL)
                if not finished:
                    self._fatal(Exit.STUCK, "the handler does not let itself be cancelled")
                return _Interrupted(f"took longer than {self._patience:g} s")
            if task.cancelled():
                if assignment.over.is_set():
                    raise _Abandoned
                return _Interrupted("was cancelled")
            return task.exception()
        finally:
            self._call = None
            if not task.done():
                task.cancel()

    # Committing.

    async def _commit_soon(self) -> None:
        """Commit what is done, at most ten times a second."""
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            assignment = self._assignment
            if assignment is not None:
                await self._commit_or_note(assignment)
            await asyncio.sleep(0.1)

    async def _commit_or_note(self, assignment: _Assignment) -> None:
        try:
            await self._commit(assignment, timeout=_KAFKA_CALL)
        except FAULTS as error:
            if self._commit_failing_since is None:
                self._commit_failing_since = time.monotonic()
                logger.warning("group %s: offsets cannot be committed: %r", self._group_id, error)
            await asyncio.sleep(1)
            self._dirty.set()
            return
        if self._commit_failing_since is not None:
            self._commit_failing_since = None
            logger.info("group %s: offsets are committed again", self._group_id)

    async def _commit(self, assignment: _Assignment, *, timeout: float) -> None:
        async with self._committing:
            offsets = assignment.uncommitted()
            if offsets and await self._group.commit(offsets, timeout=timeout):
                assignment.committed |= offsets
                self._uncommitted_since = time.monotonic()

    # Watching.

    async def _watch_over(self) -> None:
        """End the process when it will not get on by itself. Patience is not being stuck."""
        period = max(min(self._stall / 6, 10.0), 0.2)
        batches = -1
        while True:
            await asyncio.sleep(period)
            if failure := self._group.failure():
                self._fatal(Exit.GROUP, failure)
            assignment, now = self._assignment, time.monotonic()
            if assignment is None or (batches == self._batches and not self._idle.is_set()):
                self._watchdog.reset()  # nothing to bring, or the same batch is still in hand
                await self._watch_membership(now)
            else:
                await self._watch_arrivals(assignment, now)
            await self._watch_commits(assignment)
            batches = self._batches

    async def _watch_arrivals(self, assignment: _Assignment, now: float) -> None:
        stuck = await self._watchdog.stuck(assignment.partitions, assignment.taken, now)
        if stuck and assignment is self._assignment:
            self._fatal(Exit.STUCK, f"records lie in Kafka and do not arrive: {sorted(stuck)}")

    async def _watch_membership(self, now: float) -> None:
        if self._assignment is not None or now - self._unassigned_since < _LONG:
            return
        if await self._watchdog.kafka_answers():
            self._fatal(Exit.STUCK, f"no assignment for {_LONG:g} s, though Kafka answers")

    async def _watch_commits(self, assignment: _Assignment | None) -> None:
        if assignment is None or not assignment.uncommitted():
            self._uncommitted_since = time.monotonic()
        elif time.monotonic() - self._uncommitted_since > _LONG and await self._watchdog.kafka_answers():
            self._fatal(Exit.STUCK, f"offsets not committed for {_LONG:g} s, though Kafka answers")

    # Saying.

    def _lag(self) -> int | None:
        assignment = self._assignment
        if assignment is None:
            return None
        lag: int | None = None
        for where in assignment.partitions:
            end, done = self._group.end_of(where), assignment.done.get(where, assignment.taken.get(where))
            if end is not None and done is not None:
                lag = (lag or 0) + max(end - done, 0)
        return lag

    def _say(self, state: State, reason: str) -> None:
        """Change the status; log it if it changed."""
        before, why, _ = self._status
        if (before, why) == (state, reason):
            return
        self._status = (state, reason, _now())
        level = logging.INFO if state in {"running", "rebalancing", "stopped"} else logging.WARNING
        logger.log(level, "group %s: %s%s", self._group_id, state, f": {reason}" if reason else "")

    def _retrying(self, error: BaseException) -> None:
        """Said once, and again only if it has become another error."""
        state, reason, _ = self._status
        kind = f"{type(error).__module__}.{type(error).__qualname__}"
        if state != "retrying" or not reason.startswith(kind):
            self._say("retrying", str(Reason.of(error)))

    def _recovered(self, attempts: int) -> None:
        if self._status[0] == "retrying":
            logger.info("group %s: got on after %d retries", self._group_id, attempts)
            self._say("running", "")

    def _hook(self, hook: Callable[[frozenset[Partition]], None], partitions: frozenset[Partition]) -> None:
        try:
            hook(partitions)
        except Exception as error:
            logger.exception("group %s: the handler's hook raised", self._group_id)
            self._fatal(Exit.BUG, f"the handler's hook raised: {error!r}")

    def _fatal(self, code: Exit, why: str) -> None:
        """End the process. Where `end` returns (in tests), nothing more is done or acknowledged here."""
        self._say("ended", why)
        if not self._dead_process:
            self._dead_process = True
            self._end(code, f"group {self._group_id}: {why}")
        raise _Ended


class _Interrupted(Exception):
    """A call took too long or was cancelled from inside."""


async def _came(event: asyncio.Event, seconds: float) -> bool:
    """Whether the event was set within so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _is_kafka_away(error: BaseException) -> bool:
    return isinstance(error, (KafkaUnavailable, *FAULTS))


def _now() -> datetime:
    return datetime.now(UTC)
