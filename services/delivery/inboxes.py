"""Inboxes in PostgreSQL: each agency's items at positions 1, 2, 3 … without a gap, and how far it has acknowledged.

Positions are given under a lock on the agency's inbox that is held until the transaction ends, so a reader that has
seen position n has seen everything up to n. A cursor is an opaque name of a position in one inbox.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self
from uuid import UUID

from connectors.postgres.pool import Connection, Pool
from services.delivery.copies import Copy, Parcel

CHANNEL: Final = "delivery_inboxes"
"""Notified when something was put into inboxes."""

_PAGE_BYTES: Final = 8 * 1024 * 1024
_ACK_STEP: Final = 1000
_PURGE_STEP: Final = 10_000


class CursorUnknown(Exception):
    """The cursor is malformed, another agency's, of an inbox that was made anew, or beyond the end."""


class CursorExpired(Exception):
    """What followed the cursor has been acknowledged and purged."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position in an inbox; 0 is before the first item. `inbox` changes when an inbox is made anew."""

    inbox: UUID
    position: int

    def __str__(self) -> str:
        return urlsafe_b64encode(self.inbox.bytes + self.position.to_bytes(8)).decode()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read one back. Raises CursorUnknown."""
        try:
            raw = urlsafe_b64decode(text.encode("ascii"))
        except ValueError:
            raw = b""
        if len(raw) != 24 or urlsafe_b64encode(raw) != text.encode():
            raise CursorUnknown("this is no cursor that an inbox gave out")
        return cls(UUID(bytes=raw[:16]), int.from_bytes(raw[16:]))


@dataclass(frozen=True, slots=True)
class Inbox:
    """How an agency's inbox stands: its last position, and the last that is acknowledged."""

    agency: str
    id: UUID
    last: int
    acked: int

    def cursor(self, position: int) -> Cursor:
        """The cursor of a position."""
        return Cursor(self.id, position)

    def position(self, text: str | None) -> int:
        """The position of a cursor, by default the acknowledged one. Raises CursorUnknown."""
        if text is None:
            return self.acked
        cursor = Cursor.parse(text)
        if cursor.inbox != self.id or cursor.position > self.last:
            raise CursorUnknown(f"this cursor is not of the inbox of {self.agency}, or is beyond its end")
        return cursor.position


@dataclass(frozen=True, slots=True)
class Page:
    """Items that follow a position, as bytes; `end` is the position of the last."""

    items: Sequence[bytes]
    end: int
    more: bool


@dataclass(frozen=True, slots=True)
class Placed:
    """A parcel and its position in the inbox."""

    parcel: Parcel
    position: int


@dataclass(frozen=True, slots=True)
class Acked:
    """A step of acknowledgement: the copies of events in it, and the position that is acknowledged now."""

    copies: Sequence[Copy]
    position: int


class Inboxes:
    """The tables of inboxes. Raises psycopg's errors."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def put(self, connection: Connection, parcels: Sequence[Parcel]) -> list[Placed]:
        """Put parcels into inboxes, in order, in the caller's transaction, and say where.

        What is known by its digest and is there already is not put again.
        """
        inboxes = await _lock(connection, sorted({parcel.agency for parcel in parcels}))
        last = {agency: position for agency, (_, position) in inboxes.items()}
        rows: list[tuple[Parcel, int, bytes]] = []
        for parcel in await _without_known(connection, parcels):
            position = last[parcel.agency] = last[parcel.agency] + 1
            cursor = Cursor(inboxes[parcel.agency][0], position)
            rows.append((parcel, position, parcel.item(str(cursor))))
        if rows:
            await _insert(connection, rows)
            await connection.execute(_ADVANCE, (list(last), list(last.values())))
            await connection.execute(_NOTIFY)
        return [Placed(parcel, position) for parcel, position, _ in rows]

    async def lock(self, connection: Connection, agencies: Collection[str]) -> None:
        """Hold the locks of these inboxes until the caller's transaction ends."""
        await _lock(connection, sorted(agencies))

    async def inbox(self, agency: str) -> Inbox:
        """The inbox of an agency, made if there is none."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_INBOX, (agency,))).fetchone()
            if row is None:
                await _lock(connection, [agency])
                row = await (await connection.execute(_INBOX, (agency,))).fetchone()
            if row is None:
                msg = "an inbox that was just made is gone"
                raise RuntimeError(msg)
        return Inbox(agency, *row)

    async def page(self, inbox: Inbox, after: int, limit: int) -> Page:
        """At most `limit` items after a position, and not many more bytes than 8 MiB. Raises CursorExpired."""
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(_PAGE, (inbox.agency, after, limit, _PAGE_BYTES))).fetchall()
        if after < inbox.last and (not rows or rows[0][0] != after + 1):
            raise CursorExpired("what followed this cursor was acknowledged and then purged; begin without a cursor")
        end = after + len(rows)
        return Page([item for _, item in rows], end, more=end < inbox.last)

    async def last(self, agencies: Collection[str]) -> dict[str, int]:
        """The last position of each of these inboxes."""
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(_LAST, (list(agencies),))).fetchall()
        return dict(rows)

    async def ack(self, connection: Connection, agency: str, position: int) -> Acked:
        """Acknowledge up to a position, at most 1000 items at once, in the caller's transaction; never back."""
        await connection.execute(_READER, (agency,))
        row = await (await connection.execute(_ACKED, (agency,))).fetchone()
        acked = int(row[0]) if row else 0
        until = min(position, acked + _ACK_STEP)
        if until <= acked:
            return Acked([], acked)
        rows = await (await connection.execute(_COPIES, (agency, acked, until))).fetchall()
        await connection.execute(_ACK, (until, agency))
        return Acked([Copy(kind, exchange, sequence) for kind, exchange, sequence in rows], until)

    async def copy(self, connection: Connection, agency: str, position: int) -> Copy | None:
        """The copy at a position, if there is one and it is of an event."""
        row = await (await connection.execute(_COPIES, (agency, position - 1, position))).fetchone()
        return Copy(*row) if row else None

    async def purge(self, retention: timedelta) -> int:
        """Purge acknowledged items older than that, the oldest 10,000 of each inbox at most; return how many."""
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(_OLD, (_PURGE_STEP, retention))).fetchall()
            old = {agency: position for agency, position in rows if position is not None}
            return (await connection.execute(_DELETE, (list(old), list(old.values())))).rowcount


async def _lock(connection: Connection, agencies: Sequence[str]) -> dict[str, tuple[UUID, int]]:
    """Lock inboxes, in the order of codes, those of buses last; return each one's id and last position."""
    await connection.execute(_OPEN, (agencies,))
    rows = await (await connection.execute(_LOCK, (agencies,))).fetchall()
    return {agency: (id_, last) for agency, id_, last in rows}


async def _without_known(connection: Connection, parcels: Sequence[Parcel]) -> list[Parcel]:
    """The parcels without rejections that are in their inbox already, or twice in here."""
    rejections = {(parcel.agency, parcel.what) for parcel in parcels if isinstance(parcel.what, bytes)}
    if not rejections:
        return list(parcels)
    columns = ([agency for agency, _ in rejections], [digest for _, digest in rejections])
    rows = await (await connection.execute(_KNOWN, columns)).fetchall()
    seen: set[tuple[str, Copy | bytes]] = {(agency, digest) for agency, digest in rows}
    fresh: list[Parcel] = []
    for parcel in parcels:
        key = (parcel.agency, parcel.what)
        if key not in seen:
            fresh.append(parcel)
            seen.add(key)
    return fresh


async def _insert(connection: Connection, rows: Collection[tuple[Parcel, int, bytes]]) -> None:
    async with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.set_types(["text", "int8", "text", "uuid", "int4", "bytea", "bytea"])
        for parcel, position, item in rows:
            await copy.write_row((parcel.agency, position, *_named(parcel.what), item))


def _named(what: Copy | bytes) -> tuple[object, ...]:
    """kind, exchange, sequence, rejection."""
    if isinstance(what, bytes):
        return None, None, None, what
    return what.kind, UUID(what.exchange), what.sequence, None


_OPEN: Final = "INSERT INTO delivery.inboxes (agency) SELECT unnest(%s::text[]) ON CONFLICT DO NOTHING"

_LOCK: Final = """
    SELECT agency, id, last_position FROM delivery.inboxes WHERE agency = ANY(%s)
    ORDER BY agency LIKE '%%-bus', agency FOR UPDATE
"""

_KNOWN: Final = """
    SELECT agency, rejection FROM delivery.items
    JOIN unnest(%s::text[], %s::bytea[]) AS wanted (agency, rejection) USING (agency, rejection)
"""

_COPY: Final = """
    COPY delivery.items (agency, position, kind, exchange, sequence, rejection, item) FROM STDIN (FORMAT BINARY)
"""

_ADVANCE: Final = """
    UPDATE delivery.inboxes AS i SET last_position = n.position
    FROM unnest(%s::text[], %s::bigint[]) AS n (agency, position) WHERE i.agency = n.agency
"""

_NOTIFY: Final = f"SELECT pg_notify('{CHANNEL}', '')"

_INBOX: Final = """
    SELECT i.id, i.last_position, coalesce(r.acked, 0)
    FROM delivery.inboxes i LEFT JOIN delivery.readers r USING (agency) WHERE agency = %s
"""

_PAGE: Final = """
    SELECT position, item FROM (
        SELECT position, item, sum(octet_length(item)) OVER (ORDER BY position) - octet_length(item) AS before
        FROM delivery.items WHERE agency = %s AND position > %s ORDER BY position LIMIT %s
    ) AS next WHERE before < %s ORDER BY position
"""

_LAST: Final = "SELECT agency, last_position FROM delivery.inboxes WHERE agency = ANY(%s)"

_READER: Final = "INSERT INTO delivery.readers (agency) VALUES (%s) ON CONFLICT DO NOTHING"

_ACKED: Final = "SELECT acked FROM delivery.readers WHERE agency = %s FOR UPDATE"

_COPIES: Final = """
    SELECT kind, exchange::text, sequence FROM delivery.items
    WHERE agency = %s AND position > %s AND position <= %s AND rejection IS NULL ORDER BY position
"""

_ACK: Final = "UPDATE delivery.readers SET acked = %s WHERE agency = %s"

_OLD: Final = """
    SELECT agency, (
        SELECT max(position) FROM (
            SELECT position, stored FROM delivery.items i
            WHERE i.agency = r.agency AND position <= greatest(r.acked, r.brought) ORDER BY position LIMIT %s
        ) AS oldest WHERE stored < now() - %s
    ) FROM delivery.readers r
"""

_DELETE: Final = """
    DELETE FROM delivery.items AS i USING unnest(%s::text[], %s::bigint[]) AS o (agency, position)
    WHERE i.agency = o.agency AND i.position <= o.position
"""
