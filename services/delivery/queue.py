"""What waits to be brought to recipients, in PostgreSQL: per recipient and thread in order, the head of each is next.

A thread is an exchange; what belongs to none (rejections, statements) is one thread of its own. All who put in or take
out hold the lock of the recipient's inbox, so that of two who do so side by side neither overlooks the other's head.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

from psycopg.rows import TupleRow

from connectors.postgres.pool import Connection, Pool
from services.delivery.copies import Copy, Parcel
from services.delivery.inboxes import Placed
from services.delivery.schedule import Breaker

CHANNEL: Final = "delivery_queue"
"""Notified when something was put into the queue, or an operator has done something."""

State: TypeAlias = Literal["waiting", "relayed", "parked"]

NO_EXCHANGE: Final = ""
"""The thread of what belongs to no exchange."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An item in the queue, with the bytes that are to be brought. `cursor` names it to the recipient."""

    agency: str
    position: int
    thread: str
    what: Copy | None
    author: str | None
    state: State
    attempt: int
    queued_at: datetime
    item: bytes
    number: str | None


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an attempt: `state` is None when the item was delivered. `next_at` counts while it waits."""

    waiting: Waiting
    state: State | None
    attempt: int
    next_at: datetime
    reason: str | None = None
    number: str | None = None
    proof: bytes | None = None


_WELL: Final = Breaker()


@dataclass(frozen=True, slots=True)
class Partner:
    """How a partner fares. `parked`: why nothing is brought; `trouble`: what else is wrong with it."""

    agency: str
    breaker: Breaker = _WELL
    paused: bool = False
    parked: str | None = None
    cursor: str | None = None
    origin: str | None = None
    trouble: str | None = None

    @property
    def resting(self) -> bool:
        """Whether nothing is brought to it until somebody does something."""
        return self.paused or self.parked is not None


class Queue:
    """The tables. Raises psycopg's errors."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def put(self, connection: Connection, placed: Sequence[Placed], now: datetime) -> None:
        """Put items that were just placed in inboxes into the queue, in the same transaction."""
        if not placed:
            return
        named = [_columns_of(item.parcel) for item in placed]
        columns = (
            [item.parcel.agency for item in placed],
            [item.position for item in placed],
            *(list(column) for column in zip(*named, strict=True)),
            [item.parcel.author for item in placed],
        )
        await connection.execute(_PUT, (now, now, *columns))
        await connection.execute(_NOTIFY)

    async def due(
        self, agency: str, now: datetime, without: Collection[str], limit: int, after: str | None = None
    ) -> list[Waiting]:
        """The heads that may be tried now, of each author in turn, beginning with who follows `after`.

        Of one author's those first that have been due for longest; `without` these threads.
        """
        values = {"agency": agency, "now": now, "without": [*without], "limit": limit, "after": after or ""}
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(_DUE, values)).fetchall()
        return [_waiting(agency, row) for row in rows]

    async def next_due(self, agency: str | None = None) -> dict[str, datetime]:
        """When the next head of each recipient, or of this one, is due."""
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(_NEXT_DUE, {"agency": agency})).fetchall()
        return dict(rows)

    async def recipients(self) -> list[str]:
        """All for whom anything is in the queue, whatever its state."""
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(_RECIPIENTS)).fetchall()
        return [code for (code,) in rows]

    async def leave(self, connection: Connection, agency: str) -> list[Copy]:
        """Take everything of a recipient out of the queue; the copies among it."""
        await lock_inbox(connection, agency)
        await connection.execute("UPDATE delivery.partners SET begun = NULL WHERE agency = %s", (agency,))
        rows = await (await connection.execute(_LEAVE, (agency,))).fetchall()
        return [Copy(kind, exchange, sequence) for kind, exchange, sequence in rows if kind is not None]

    async def fetched(self, connection: Connection, agency: str, until: int, now: datetime) -> list[Copy]:
        """Take out of the queue what a recipient has fetched itself; the copies among it."""
        await lock_inbox(connection, agency)
        rows = await (await connection.execute(_FETCHED, (agency, until))).fetchall()
        if rows:
            threads = sorted({thread for thread, *_ in rows})
            await connection.execute(_PROMOTE, {"agency": agency, "threads": threads, "now": now})
        return [Copy(kind, exchange, sequence) for _, kind, exchange, sequence in rows if kind is not None]

    async def settle(
        self, connection: Connection, agency: str, results: Sequence[Result], now: datetime
    ) -> list[Result]:
        """Note what became of attempts, in the caller's transaction; those that count: nobody settled them meanwhile.

        What follows a head that is done becomes the head.
        """
        await lock_inbox(connection, agency)
        counted = [item for item in results if await _settled(connection, item)]
        done = sorted({item.waiting.thread for item in counted if item.state in {None, "relayed"}})
        if done:
            await connection.execute(_PROMOTE, {"agency": agency, "threads": done, "now": now})
        # What the partner said counts, even where somebody settled the item meanwhile.
        numbers = {item.waiting.what: item.number for item in results if item.number and item.waiting.what}
        await self.number(connection, agency, {(what.kind, what.exchange): number for what, number in numbers.items()})
        await self._witness(connection, agency, {item.waiting.position: item.proof for item in results if item.proof})
        return counted

    async def passed(self, agency: str, position: int) -> bool:
        """Whether a recipient has everything up to a position."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_PASSED, (agency, position))).fetchone()
        return row == (True,)

    async def _witness(self, connection: Connection, agency: str, proofs: Mapping[int, bytes]) -> None:
        if proofs:
            await connection.execute(_WITNESS, (agency, list(proofs), list(proofs.values())))

    async def number(self, connection: Connection, agency: str, numbers: Mapping[tuple[str, str], str]) -> None:
        """Remember the numbers that a partner gave to exchanges (kind, exchange)."""
        if numbers:
            columns = ([kind for kind, _ in numbers], [exchange for _, exchange in numbers], list(numbers.values()))
            await connection.execute(_NUMBER, (agency, *columns))

    async def confirm(self, connection: Connection, agency: str, position: int, now: datetime) -> Waiting | None:
        """An item has arrived, says its recipient: it leaves the queue. None if it is not there any more.

        It may come before we have noted that it was relayed.
        """
        await lock_inbox(connection, agency)
        row = await (await connection.execute(_CONFIRM, (agency, position))).fetchone()
        if row is None:
            return None
        waiting = _waiting(agency, row)
        await connection.execute(_PROMOTE, {"agency": agency, "threads": [waiting.thread], "now": now})
        return waiting

    async def spoilt(
        self, connection: Connection, agency: str, position: int, reason: str, now: datetime
    ) -> Copy | None:
        """An item has not arrived whole, says its recipient: it is brought again; the copy that it is, if it is one.

        It is the head of its thread again, also if it was taken for delivered.
        """
        await lock_inbox(connection, agency)
        values = {"agency": agency, "position": position, "reason": reason, "now": now}
        row = await (await connection.execute(_SPOILT, values)).fetchone()
        if row is None:
            return None
        await connection.execute(_DEMOTE, {**values, "thread": row[0]})
        return None if row[1] is None else Copy(row[1], row[2], row[3])

    async def partner(self, agency: str) -> Partner:
        """How a partner fares."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_PARTNER, (agency,))).fetchone()
        return _partner(agency, row) if row else Partner(agency)

    async def partners(self) -> dict[str, Partner]:
        """All partners that anything was ever noted of."""
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(_PARTNERS)).fetchall()
        return {row[0]: _partner(row[0], row[1:]) for row in rows}

    async def fares(self, connection: Connection, agency: str, breaker: Breaker, parked: str | None) -> None:
        """Note how a partner fares."""
        await connection.execute(_FARES, (agency, breaker.failures, breaker.open_until, parked))

    async def troubled(self, connection: Connection, agency: str, trouble: str | None) -> None:
        """Note what else is wrong with a partner, or that nothing is."""
        await connection.execute(_TROUBLED, (agency, trouble))

    async def come_to(self, connection: Connection, agency: str, cursor: str | None, origin: str) -> None:
        """Note how far a partner's own facts are collected; `origin`: where the cursor is from."""
        await connection.execute(_COME_TO, (agency, cursor, origin))

    async def pause(self, connection: Connection, agency: str) -> None:
        """An operator lets nothing be brought to a partner."""
        await connection.execute(_PAUSE, (agency,))
        await connection.execute(_NOTIFY)

    async def resume(self, connection: Connection, agency: str, now: datetime) -> None:
        """An operator lets everything be brought again, now: what was paused, parked, or waits for its next attempt."""
        await connection.execute(_RESUME, (agency,))
        await connection.execute(_NOW, {"agency": agency, "now": now})
        await connection.execute(_NOTIFY)

    async def retry(self, connection: Connection, agency: str, positions: Sequence[int] | None, now: datetime) -> int:
        """An operator has items tried again now, with a fresh time to give up; how many there were.

        positions: None for all that are parked.
        """
        await lock_inbox(connection, agency)
        values = {"agency": agency, "positions": None if positions is None else list(positions), "now": now}
        count = (await connection.execute(_RETRY, values)).rowcount
        await connection.execute(_NOTIFY)
        return count

    async def begin(self, connection: Connection, agency: str, now: datetime) -> int:
        """From now on everything is brought to a recipient, what lies unread in its inbox too; how much that was."""
        await lock_inbox(connection, agency)
        row = await (await connection.execute(_BEGUN, (agency,))).fetchone()
        if row is not None and row[0] is not None:
            return 0
        count = (await connection.execute(_UNREAD, {"agency": agency, "now": now})).rowcount
        await connection.execute(_BEGIN, {"agency": agency})
        return count

    async def brought(self, agencies: Collection[str]) -> None:
        """Note up to where everything was brought, so that it is purged like what an agency fetched itself."""
        async with self._pool.connection() as connection:
            await connection.execute(_READERS, (sorted(agencies),))
            await connection.execute(_BROUGHT, (sorted(agencies),))


async def lock_inbox(connection: Connection, agency: str) -> None:
    """Hold the lock of a recipient's inbox until the caller's transaction ends."""
    await connection.execute(_LOCK, (agency,))


def _columns_of(parcel: Parcel) -> tuple[object, ...]:
    """thread, kind, exchange, sequence."""
    what = parcel.what
    if isinstance(what, bytes):
        return "/".join(parcel.thread) if parcel.thread else NO_EXCHANGE, None, None, None
    return f"{what.kind}/{what.exchange}", what.kind, UUID(what.exchange), what.sequence


async def _settled(connection: Connection, item: Result) -> bool:
    waiting = item.waiting
    key = (waiting.agency, waiting.position, waiting.attempt)
    if item.state is None:
        return (await connection.execute(_DONE, key)).rowcount == 1
    changed = (item.state, item.attempt, item.next_at, item.reason, item.state != "relayed")
    return (await connection.execute(_AGAIN, (*changed, *key))).rowcount == 1


def _waiting(agency: str, row: TupleRow) -> Waiting:
    position, thread, kind, exchange, sequence, author, state, attempt, queued_at, item, number = row
    what = None if kind is None else Copy(kind, exchange, sequence)
    return Waiting(agency, position, thread, what, author, state, attempt, queued_at, item, number)


def _partner(agency: str, row: TupleRow) -> Partner:
    failures, open_until, paused, parked, cursor, origin, trouble = row
    return Partner(agency, Breaker(failures, open_until), paused, parked, cursor, origin, trouble)


_LOCK: Final = "SELECT FROM delivery.inboxes WHERE agency = %s FOR UPDATE"

_NOTIFY: Final = f"SELECT pg_notify('{CHANNEL}', '')"

_PUT: Final = """
    INSERT INTO delivery.queue
        (queued_at, next_at, agency, position, thread, kind, exchange, sequence, author, head)
    SELECT %s, %s, n.*,
        row_number() OVER (PARTITION BY agency, thread ORDER BY position) = 1 AND NOT EXISTS (
            SELECT FROM delivery.queue q
            WHERE q.agency = n.agency AND q.thread = n.thread AND q.state <> 'relayed'
        )
    FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::text[], %s::uuid[], %s::int[], %s::text[])
        AS n (agency, position, thread, kind, exchange, sequence, author)
"""

_COLUMNS: Final = """
    q.position, q.thread, q.kind, q.exchange::text, q.sequence, q.author, q.state, q.attempt, q.queued_at, i.item,
    n.number
"""

_JOINED: Final = """
    JOIN delivery.items i USING (agency, position)
    LEFT JOIN delivery.partner_numbers n
        ON n.agency = q.agency AND n.kind = q.kind AND n.exchange = q.exchange
"""

_DUE: Final = f"""
    WITH RECURSIVE authors AS (
        SELECT min(coalesce(author, '')) AS author FROM delivery.queue
        WHERE agency = %(agency)s AND head AND state = 'waiting'
        UNION ALL
        SELECT (
            SELECT min(coalesce(q.author, '')) FROM delivery.queue q
            WHERE q.agency = %(agency)s AND q.head AND q.state = 'waiting' AND coalesce(q.author, '') > authors.author
        ) FROM authors WHERE authors.author IS NOT NULL
    ), due AS (
        SELECT first.*, row_number() OVER (PARTITION BY authors.author ORDER BY next_at, position) AS turn
        FROM authors CROSS JOIN LATERAL (
            SELECT * FROM delivery.queue q
            WHERE q.agency = %(agency)s AND q.head AND q.state = 'waiting' AND coalesce(q.author, '') = authors.author
                AND q.next_at <= %(now)s AND NOT q.thread = ANY(%(without)s)
            ORDER BY q.next_at, q.position LIMIT %(limit)s
        ) AS first
    )
    SELECT {_COLUMNS} FROM due q {_JOINED}
    ORDER BY q.turn, coalesce(q.author, '') <= %(after)s, coalesce(q.author, ''), q.position LIMIT %(limit)s
"""  # noqa: S608, of constants

_NEXT_DUE: Final = """
    SELECT agency, min(next_at) FROM delivery.queue
    WHERE (%(agency)s::text IS NULL OR agency = %(agency)s) AND head AND state = 'waiting' GROUP BY agency
"""

_RECIPIENTS: Final = """
    SELECT agency FROM delivery.inboxes i WHERE EXISTS (SELECT FROM delivery.queue q WHERE q.agency = i.agency)
"""

_FETCHED: Final = """
    DELETE FROM delivery.queue WHERE agency = %s AND position <= %s RETURNING thread, kind, exchange::text, sequence
"""

_LEAVE: Final = "DELETE FROM delivery.queue WHERE agency = %s RETURNING kind, exchange::text, sequence"

_DONE: Final = "DELETE FROM delivery.queue WHERE agency = %s AND position = %s AND attempt = %s AND state = 'waiting'"

_AGAIN: Final = """
    UPDATE delivery.queue SET state = %s, attempt = %s, next_at = %s, reason = %s, head = head AND %s
    WHERE agency = %s AND position = %s AND attempt = %s AND state = 'waiting'
"""

_PROMOTE: Final = """
    UPDATE delivery.queue q SET head = true, next_at = %(now)s, queued_at = %(now)s FROM (
        SELECT DISTINCT ON (thread) position, state, head FROM delivery.queue
        WHERE agency = %(agency)s AND thread = ANY(%(threads)s) AND state <> 'relayed' ORDER BY thread, position
    ) AS next WHERE q.agency = %(agency)s AND q.position = next.position AND NOT next.head
"""

_NUMBER: Final = """
    INSERT INTO delivery.partner_numbers (agency, kind, exchange, number)
    SELECT %s, * FROM unnest(%s::text[], %s::uuid[], %s::text[])
    ON CONFLICT (agency, kind, exchange) DO UPDATE SET number = EXCLUDED.number
"""

_PASSED: Final = "SELECT NOT EXISTS (SELECT FROM delivery.queue WHERE agency = %s AND position <= %s)"

_WITNESS: Final = """
    INSERT INTO delivery.witnesses (agency, position, proof) SELECT %s, * FROM unnest(%s::bigint[], %s::bytea[])
    ON CONFLICT DO NOTHING
"""

_CONFIRM: Final = f"""
    WITH q AS (
        DELETE FROM delivery.queue WHERE agency = %s AND position = %s AND (head OR state = 'relayed') RETURNING *
    ) SELECT {_COLUMNS} FROM q {_JOINED}
"""  # noqa: S608, of constants

_SPOILT: Final = """
    INSERT INTO delivery.queue AS q
        (agency, position, thread, kind, exchange, sequence, attempt, queued_at, next_at, reason, head)
    SELECT i.agency, i.position, coalesce(i.kind || '/' || i.exchange::text, ''), i.kind, i.exchange, i.sequence,
        1, %(now)s, %(now)s, %(reason)s, true
    FROM delivery.items i WHERE i.agency = %(agency)s AND i.position = %(position)s
    ON CONFLICT (agency, position) DO UPDATE SET (state, head, attempt, next_at, reason) =
        ('waiting', true, q.attempt + 1, EXCLUDED.next_at, EXCLUDED.reason)
    RETURNING thread, kind, exchange::text, sequence
"""

_DEMOTE: Final = """
    UPDATE delivery.queue SET head = false
    WHERE agency = %(agency)s AND thread = %(thread)s AND position <> (
        SELECT min(position) FROM delivery.queue
        WHERE agency = %(agency)s AND thread = %(thread)s AND state <> 'relayed'
    ) AND head
"""

_PARTNER: Final = """
    SELECT failures, open_until, paused, parked, cursor, origin, trouble FROM delivery.partners WHERE agency = %s
"""

_PARTNERS: Final = "SELECT agency, failures, open_until, paused, parked, cursor, origin, trouble FROM delivery.partners"

_FARES: Final = """
    INSERT INTO delivery.partners (agency, failures, open_until, parked) VALUES (%s, %s, %s, %s)
    ON CONFLICT (agency) DO UPDATE SET (failures, open_until, parked) =
        (EXCLUDED.failures, EXCLUDED.open_until, EXCLUDED.parked)
"""

_TROUBLED: Final = """
    INSERT INTO delivery.partners (agency, trouble) VALUES (%s, %s)
    ON CONFLICT (agency) DO UPDATE SET trouble = EXCLUDED.trouble
"""

_COME_TO: Final = """
    INSERT INTO delivery.partners (agency, cursor, origin) VALUES (%s, %s, %s)
    ON CONFLICT (agency) DO UPDATE SET (cursor, origin) = (EXCLUDED.cursor, EXCLUDED.origin)
"""

_PAUSE: Final = """
    INSERT INTO delivery.partners (agency, paused) VALUES (%s, true) ON CONFLICT (agency) DO UPDATE SET paused = true
"""

_RESUME: Final = """
    UPDATE delivery.partners
    SET (paused, parked, trouble, failures, open_until) = (false, NULL, NULL, 0, NULL) WHERE agency = %s
"""

_NOW: Final = """
    UPDATE delivery.queue SET next_at = least(next_at, %(now)s), queued_at = %(now)s
    WHERE agency = %(agency)s AND head AND state = 'waiting'
"""

_RETRY: Final = """
    UPDATE delivery.queue SET state = 'waiting', next_at = %(now)s, queued_at = %(now)s
    WHERE agency = %(agency)s AND state <> 'relayed'
        AND coalesce(position = ANY(%(positions)s::bigint[]), state = 'parked')
"""

_READERS: Final = """
    INSERT INTO delivery.readers (agency)
    SELECT agency FROM delivery.inboxes WHERE agency = ANY(%s) ON CONFLICT DO NOTHING
"""

_BROUGHT: Final = """
    UPDATE delivery.readers r SET brought = greatest(r.brought, done.until) FROM (
        SELECT i.agency, coalesce(min(q.position) - 1, i.last_position) AS until
        FROM delivery.inboxes i JOIN delivery.partners p USING (agency) LEFT JOIN delivery.queue q USING (agency)
        WHERE i.agency = ANY(%s) AND p.begun IS NOT NULL GROUP BY i.agency, i.last_position
    ) AS done WHERE r.agency = done.agency AND r.brought < done.until
"""

_BEGUN: Final = "SELECT begun FROM delivery.partners WHERE agency = %s"

_UNREAD: Final = """
    INSERT INTO delivery.queue (agency, position, thread, kind, exchange, sequence, queued_at, next_at, head)
    SELECT i.agency, i.position, coalesce(i.kind || '/' || i.exchange::text, ''), i.kind, i.exchange, i.sequence,
        %(now)s, %(now)s, false
    FROM delivery.items i LEFT JOIN delivery.readers r USING (agency)
    WHERE i.agency = %(agency)s AND i.position > coalesce(r.acked, 0)
    ON CONFLICT (agency, position) DO NOTHING
"""

_BEGIN: Final = """
    WITH last AS (SELECT last_position FROM delivery.inboxes WHERE agency = %(agency)s), noted AS (
        INSERT INTO delivery.partners (agency, begun) SELECT %(agency)s, coalesce((SELECT last_position FROM last), 0)
        ON CONFLICT (agency) DO UPDATE SET begun = EXCLUDED.begun
    )
    UPDATE delivery.queue q SET head = q.position = first.position FROM (
        SELECT thread, min(position) FILTER (WHERE state <> 'relayed') AS position FROM delivery.queue
        WHERE agency = %(agency)s GROUP BY thread
    ) AS first WHERE q.agency = %(agency)s AND q.thread = first.thread AND q.state <> 'relayed'
"""
