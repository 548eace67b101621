"""Driving the legal time of a whole bus, for demonstrations and tests.

    with Stack(data, legal_time=monday) as stack:
        async with Driver.start(stack) as driver:
            ...                                     # submit, and wait for the answers
            await driver.advance(monday + timedelta(weeks=3))

Legal time goes from one instant at which something falls due to the next, and only when the bus is quiet: everybody has
taken in what there is, so that whatever follows from an instant is stated at that instant.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from psycopg import sql

from connectors.errors import KafkaUnavailable, SettingsError
from connectors.kafka.progress import Progress
from connectors.kafka.record import Partition
from connectors.postgres.pool import Connection, Pool, open_pool, transient
from contracts import topics
from contracts.topics import Topics
from services.cli.stack import LEGAL_TIME, Stack
from services.kernel.time import driven, set_driven

_POLL, _LONGEST_POLL = 0.05, 0.2
"""Seconds between two looks at what is not quiet yet, at first and at most: every look is work for the bus, too."""

_QUIET: Final = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class Look:
    """What Kafka said: where topics ended, and after that, how many records groups had still to read."""

    ends: Mapping[Partition, int]
    behind: Mapping[str, int]


def following(all_topics: Topics, services: Collection[str]) -> dict[str, list[str]]:
    """The topics that each of these services reads. A service's group has its name."""
    found: dict[str, list[str]] = {}
    for name, topic in sorted(all_topics.by_name.items()):
        for service in topic.consumers:
            if service in services:
                found.setdefault(service, []).append(name)
    return found


def under_way(before: Look, waiting: Mapping[str, int], after: Look) -> str:
    """What is on its way through the bus, in words; nothing when the bus is quiet.

    `waiting`: rows by table that will become messages, seen all at once, between the two looks.
    """
    behind = {group: count for look in (before, after) for group, count in look.behind.items() if count}
    found = [f"{group} has {count} records to read" for group, count in behind.items()]
    found += [f"{table} has {count} rows" for table, count in waiting.items() if count]
    moved = sorted(where for where, end in after.ends.items() if before.ends.get(where) != end)
    found += [f"{topic}/{partition} has just grown" for topic, partition in moved]
    return "; ".join(found)


class Driver:
    """Moves the legal time of one stack, which must have been given one. Made by `start`."""

    def __init__(self, stack: Stack, file: Path, progress: Progress, pool: Pool) -> None:
        self._stack = stack
        self._file = file
        self._clock = driven(file)
        self._progress = progress
        self._pool = pool
        all_topics = topics.load(stack.contracts)
        self._topics = sorted(all_topics.by_name)
        self._groups = following(all_topics, stack.services)
        self._late: set[str] = set()

    @classmethod
    @asynccontextmanager
    async def start(cls, stack: Stack, at: datetime | None = None) -> AsyncGenerator[Self]:
        """A driver for a stack that runs. `at`: an instant to advance to first; by default time stays where it is.

        Raises SettingsError for a stack whose legal time is the real one, and what `advance` raises.
        """
        file = stack.environment().get(LEGAL_TIME)
        if not file:
            raise SettingsError(f"the stack keeps real time; give it a legal_time, or set {LEGAL_TIME}")
        progress = Progress(stack.kafka, client_id="liandong-driver")
        try:
            async with open_pool(stack.postgres, size=1, name="liandong driver") as pool:
                driver = cls(stack, Path(file), progress, pool)
                if at is not None:
                    await driver.advance(at)
                yield driver
        finally:
            await progress.stop()

    @property
    def now(self) -> datetime:
        """Legal time."""
        return self._clock()

    async def quiet(self, deadline: float = _QUIET) -> None:
        """Wait until nothing is on its way through the bus and every service is ready.

        Raises TimeoutError after `deadline` seconds, with what is not quiet. What a client has sent and has no answer
        to is the client's to wait for.

        The bus is quiet when (a) it was noted where all topics end, and no group has anything to read; then (b) no
        outbox holds a row, no follower has stopped an exchange that it will recover, and no moment that legal time has
        reached is left; then (c) the topics end where they did, and again no group has anything to read.

        That is enough, because a message under way is always to be seen. A service commits that it has read a record
        only when all that follows from it is in Kafka or in these tables, and a row leaves them only when what follows
        from it is in Kafka or in another of them. So once nobody has anything to read, the message is in a table, where
        (b) finds it; or it leaves the tables before (b) looks and lengthens a topic, which (c) finds. Nor can a table
        be filled after (b) has looked: for that a record must be read, and there is none unless a topic has grown.

        A service that was killed leaves what it has not done to be read, or in its tables; until it is back, it is not
        ready.
        """
        end, pause = time.monotonic() + deadline, _POLL
        while why := await self._unquiet():
            if time.monotonic() > end:
                raise TimeoutError(f"the bus is not quiet after {deadline:g} s: {why}")
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_POLL)

    async def advance(self, to: datetime, deadline: float = _QUIET) -> None:
        """Move legal time to an instant, and stop at every moment until the bus is quiet again.

        Moments are what services have in their tables or views `moments`.

        `deadline`: for each stop, in seconds. Raises TimeoutError as `quiet` does, and ValueError for an instant that
        is past.
        """
        await self.quiet(deadline)
        while self.now != to:
            moment = await self._next(to)
            self._set(to if moment is None else moment)
            # Nothing follows from an instant that is nobody's moment: a bus that was quiet still is.
            if moment is not None:
                await self.quiet(deadline)

    def _set(self, at: datetime) -> None:
        if at < self.now:
            raise ValueError(f"legal time is {self.now.isoformat()} and does not go back to {at.isoformat()}")
        set_driven(self._file, at)

    async def _unquiet(self) -> str:
        """What is not quiet, in words: the first that is seen, for a bus at work is asked often."""
        try:
            if found := await self._still_late():
                return found
            before = await self._look()
            self._late = {group for group, count in before.behind.items() if count}
            if found := under_way(before, {}, before):
                return found
            async with self._pool.connection() as connection:
                waiting = await self._waiting(connection)
            if found := under_way(before, waiting, before):
                return found
            after = await self._look()
        except Exception as error:
            if not (isinstance(error, KafkaUnavailable) or transient(error)):
                raise
            return str(error)
        return under_way(before, waiting, after) or _named(await asyncio.to_thread(self._stack.not_ready))

    async def _still_late(self) -> str:
        """Whether a group that was seen to be behind still is: most often it is, and few are asked."""
        if not self._late:
            return ""
        seen = Look({}, await self._progress.behind({group: self._groups[group] for group in self._late}))
        return under_way(seen, {}, seen)

    async def _look(self) -> Look:
        ends = await self._progress.ends(self._topics)
        return Look(ends, await self._progress.behind(self._groups))

    async def _waiting(self, connection: Connection) -> dict[str, int]:
        """How many rows will become messages, by table; all tables seen at the same instant."""
        found = await (await connection.execute(_TABLES, (list(_WAITING),))).fetchall()
        counts = [
            sql.SQL("SELECT {}, count(*) FROM {} WHERE {}").format(
                f"{schema}.{table}", sql.Identifier(schema, table), _WAITING[table].format(now=self.now)
            )
            for schema, table in found
        ]
        if not counts:
            return {}
        rows = await (await connection.execute(sql.SQL(" UNION ALL ").join(counts))).fetchall()
        return {table: int(count) for table, count in rows}

    async def _next(self, to: datetime) -> datetime | None:
        """The first moment after now, if it is not after `to`. Without a table of moments there are none."""
        async with self._pool.connection() as connection:
            found = await (await connection.execute(_TABLES, (["moments"],))).fetchall()
            if not found:
                return None
            moments = [sql.SQL("SELECT at FROM {}").format(sql.Identifier(schema, table)) for schema, table in found]
            query = _NEXT.format(sql.SQL(" UNION ALL ").join(moments))
            row = await (await connection.execute(query, (self.now, to))).fetchone()
        return None if row is None else row[0]


def _named(reasons: Mapping[str, str]) -> str:
    return "; ".join(f"{service} is not ready: {why}" for service, why in reasons.items())


_WAITING: Final = {
    "outbox": sql.SQL("true"),
    "stopped": sql.SQL("NOT poison"),
    "moments": sql.SQL("at <= {now}"),
}
"""Tables of which rows become messages by themselves, in whichever schema, and which of their rows do."""

_TABLES: Final = """
    SELECT table_schema, table_name FROM information_schema.tables WHERE table_name = ANY(%s) ORDER BY 1, 2
"""

_NEXT: Final = sql.SQL("SELECT min(at) FROM ({}) AS moments WHERE at > %s AND at <= %s")
