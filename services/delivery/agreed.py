"""Agreed times: by when a copy was to be delivered, or retrieved. When one runs out, its author gets proof of it.

    {"statement": "undelivered" or "unretrieved", "bus", "kind", "exchange", "sequence", "recipient", "via",
     "since", "due", "time", "attempts", "reason"?, "signature"}

Negative evidence 未送达证明: signed by the bus, in the author's inbox, so that the author knows to telephone. The
copy is brought all the same as soon as that goes.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

from connectors.postgres.pool import Connection, Pool
from contracts.agencies import Channel
from contracts.canonical import Document, timestamp
from contracts.signatures import SigningKey, seal
from services.delivery.copies import Copy

Lacks: TypeAlias = Literal["undelivered", "unretrieved"]

_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Promise:
    """A copy at a position of an agency's inbox, and who stated its event."""

    agency: str
    position: int
    author: str


@dataclass(frozen=True, slots=True)
class Broken:
    """An agreed time that ran out, and what was tried until then."""

    promise: Promise
    lacks: Lacks
    copy: Copy
    since: datetime
    due: datetime
    attempts: int
    reason: str | None


def within(channel: Channel, lacks: Lacks) -> timedelta | None:
    """The time that was agreed for it, if one was."""
    return channel.deliver_within if lacks == "undelivered" else channel.retrieve_within


def statement(broken: Broken, via: str, now: datetime, key: SigningKey) -> Document:
    """The sealed statement; pure. `key` is the bus's."""
    copy = broken.copy
    said: Document = {
        "statement": broken.lacks,
        "bus": key.agency,
        "kind": copy.kind,
        "exchange": copy.exchange,
        "sequence": copy.sequence,
        "recipient": broken.promise.agency,
        "via": via,
        "since": timestamp(broken.since),
        "due": timestamp(broken.due),
        "time": timestamp(now),
        "attempts": broken.attempts,
    }
    return seal({**said, **({"reason": broken.reason} if broken.reason else {})}, key)


class Agreed:
    """The table. Raises psycopg's errors."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def begin(
        self,
        connection: Connection,
        lacks: Lacks,
        promises: Sequence[Promise],
        channels: Mapping[str, Channel],
        now: datetime,
    ) -> None:
        """The time begins for those copies for which one was agreed. An author needs no proof of its own copy."""
        timed = [
            (item, now + time)
            for item in promises
            if item.author != item.agency and (time := within(channels[item.agency], lacks)) is not None
        ]
        if timed:
            columns = (
                [item.agency for item, _ in timed],
                [item.position for item, _ in timed],
                [item.author for item, _ in timed],
                [at for _, at in timed],
            )
            await connection.execute(_BEGIN, (lacks, now, *columns))

    async def delivered(self, connection: Connection, agency: str, positions: Collection[int]) -> None:
        """These copies have arrived: no statement follows."""
        await connection.execute(_DELIVERED, (agency, list(positions)))

    async def retrieved(self, connection: Connection, agency: str, until: int) -> None:
        """An agency has everything up to a position."""
        await connection.execute(_RETRIEVED, (agency, until))

    async def opened(self, connection: Connection, agency: str, position: int) -> None:
        """The recipient has opened this copy."""
        await connection.execute(_OPENED, (agency, position))

    async def next_at(self) -> datetime | None:
        """When the next agreed time runs out."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_NEXT)).fetchone()
        return row[0] if row else None

    async def concerned(self, connection: Connection, now: datetime) -> list[str]:
        """Whose inboxes are concerned when what has run out is said: recipients and authors."""
        return [code for (code,) in await (await connection.execute(_CONCERNED, (now, _AT_ONCE))).fetchall()]

    async def run_out(self, connection: Connection, now: datetime) -> list[Broken]:
        """The agreed times that have run out, some of them if there are many; each is given once."""
        rows = await (await connection.execute(_RUN_OUT, (now, _AT_ONCE))).fetchall()
        return [
            Broken(Promise(agency, position, author), lacks, Copy(kind, exchange, sequence), since, at, tried, reason)
            for agency, position, author, lacks, kind, exchange, sequence, since, at, tried, reason in rows
        ]


_BEGIN: Final = """
    INSERT INTO delivery.agreed (lacks, since, agency, position, author, at)
    SELECT %s, %s, * FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::timestamptz[]) ON CONFLICT DO NOTHING
"""

_DELIVERED: Final = """
    DELETE FROM delivery.agreed WHERE agency = %s AND lacks = 'undelivered' AND position = ANY(%s)
"""

_RETRIEVED: Final = "DELETE FROM delivery.agreed WHERE agency = %s AND position <= %s"

_OPENED: Final = "DELETE FROM delivery.agreed WHERE agency = %s AND position = %s"

_NEXT: Final = "SELECT min(at) FROM delivery.agreed"

_CONCERNED: Final = """
    SELECT DISTINCT unnest(ARRAY[agency, author]) FROM (
        SELECT agency, author FROM delivery.agreed WHERE at <= %s ORDER BY at, agency, position LIMIT %s
    ) AS over
"""

_RUN_OUT: Final = """
    WITH over AS (
        DELETE FROM delivery.agreed WHERE (agency, position, lacks) IN (
            SELECT agency, position, lacks FROM delivery.agreed WHERE at <= %s
            ORDER BY at, agency, position LIMIT %s FOR UPDATE SKIP LOCKED
        ) RETURNING *
    )
    SELECT o.agency, o.position, o.author, o.lacks, i.kind, i.exchange::text, i.sequence, o.since, o.at,
        coalesce(q.attempt, 0), q.reason
    FROM over o JOIN delivery.items i USING (agency, position) LEFT JOIN delivery.queue q USING (agency, position)
    ORDER BY o.at, o.agency, o.position
"""
