"""What audit knows, for those who may know it: exchanges, records and stages out of PostgreSQL."""

from asyncio import to_thread
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, LiteralString, TypeAlias

from connectors.postgres.pool import Pool
from contracts.canonical import timestamp
from contracts.deliveries import StageReached
from contracts.outages import Outage
from contracts.records import Record, Standing
from services.audit.links import Known, Stated
from services.audit.timeline import Thread

Key: TypeAlias = tuple[str, str]
"""(kind, exchange)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which exchanges are wanted; None is any. `move`: an agency whose move it is. `home`: which bus keeps them."""

    kind: str | None = None
    state: str | None = None
    party: str | None = None
    case: str | None = None
    move: str | None = None
    home: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a list of exchanges by when they were opened. `opened` is exact to the microsecond."""

    opened: datetime
    kind: str
    exchange: str

    @classmethod
    def of(cls, thread: Thread) -> "Place":
        """The place of an exchange."""
        return cls(datetime.fromisoformat(thread.opened), thread.kind, thread.exchange)


class Reader:
    """The queries. Those that take a caller show it the exchanges that it is a party to. Raises psycopg's errors.

    `home`: only exchanges that this bus keeps, where that is asked for.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def page(self, caller: str, filters: Filters, after: Place | None, limit: int) -> list[Thread]:
        """At most `limit` exchanges, the newest first, after a place or from the newest on."""
        rows = await self._rows(_PAGE, {"caller": caller, **asdict(filters), **_after(after), "limit": limit})
        return [_thread(row) for row in rows]

    async def exchange(self, caller: str, exchange: str, home: str | None = None) -> list[Thread]:
        """The exchanges of that id, at most one of each kind."""
        rows = await self._rows(_EXCHANGE, {"caller": caller, "exchange": exchange, "home": home})
        return [_thread(row) for row in rows]

    async def case(
        self, caller: str, case: str, after: Place | None, limit: int, home: str | None = None
    ) -> list[Thread]:
        """At most `limit` exchanges of a case, the oldest first, after a place or from the oldest on."""
        values = {"caller": caller, "case": case, **_after(after), "limit": limit, "home": home}
        rows = await self._rows(_CASE, values)
        return [_thread(row) for row in rows]

    async def records(self, keys: Collection[Key]) -> Mapping[Key, Sequence[Record]]:
        """The records of exchanges, each in order. They may be many, so they are parsed outside of the event loop."""
        rows = await self._rows(_RECORDS, _columns(keys))
        return await to_thread(_records, keys, (value for (value,) in rows))

    async def stages(self, keys: Collection[Key]) -> Mapping[Key, Sequence[StageReached]]:
        """The stages that the copies of exchanges have reached."""
        found: dict[Key, list[StageReached]] = {key: [] for key in keys}
        for kind, exchange, sequence, recipient, stage, attempt, bus, time, reason in await self._rows(
            _STAGES, _columns(keys)
        ):
            reached = StageReached(
                bus=bus,
                kind=kind,
                exchange=exchange,
                sequence=sequence,
                recipient=recipient,
                stage=stage,
                reason=reason,
                attempt=attempt,
                time=time,
            )
            found[kind, exchange].append(reached)
        return found

    async def links(self, caller: str, keys: Collection[Key], home: str | None = None) -> list[Known]:
        """The links from and to exchanges that are stated in exchanges of the caller's."""
        rows = await self._rows(_LINKS, {"caller": caller, "home": home, **_columns(keys)})
        return [
            Known(Stated(*link), Record.from_bytes(record), Standing.model_validate_json(standing), to_case, to_status)
            for *link, record, standing, to_case, to_status in rows
        ]

    async def outages(self) -> Sequence[Outage]:
        """When the bus took no submissions."""
        rows = await self._rows("SELECT bus, service, begun, ended FROM audit.outages ORDER BY 1, 2, 3, 4", {})
        return [Outage(bus=bus, service=service, begun=begun, ended=ended) for bus, service, begun, ended in rows]

    async def horizons(self) -> Mapping[str, datetime]:
        """Up to which instant each other bus has handed over everything."""
        return dict(await self._rows("SELECT bus, at FROM audit.horizons", {}))

    async def _rows(self, query: LiteralString, values: Mapping[str, object]) -> list[tuple[Any, ...]]:
        async with self._pool.connection() as connection:
            return await (await connection.execute(query, values)).fetchall()


def _columns(keys: Collection[Key]) -> dict[str, list[str]]:
    return {"kinds": [kind for kind, _ in keys], "exchanges": [exchange for _, exchange in keys]}


def _after(place: Place | None) -> dict[str, object]:
    return {
        "opened": place.opened if place else None,
        "after_kind": place.kind if place else None,
        "after_exchange": place.exchange if place else None,
    }


def _records(keys: Iterable[Key], values: Iterable[bytes]) -> dict[Key, list[Record]]:
    found: dict[Key, list[Record]] = {key: [] for key in keys}
    for value in values:
        record = Record.from_bytes(value)
        found[record.kind, record.exchange].append(record)
    return found


def _thread(row: tuple[Any, ...]) -> Thread:
    kind, exchange, opener, opened, changed, sequence, standing = row
    return Thread(
        kind=kind,
        exchange=exchange,
        opener=opener,
        opened=timestamp(opened),
        changed=timestamp(changed),
        sequence=sequence,
        standing=Standing.model_validate_json(standing),
    )


_THREAD: Final = "SELECT kind, exchange::text, opener, opened, changed, sequence, standing FROM audit.exchanges"

_KEPT: Final = """(%(home)s::text IS NULL OR convert_from(standing, 'UTF8')::jsonb ->> 'home' = %(home)s)"""

_PAGE: Final = f"""
    {_THREAD}
    WHERE parties @> ARRAY[%(caller)s::text] AND {_KEPT}
        AND (%(kind)s::text IS NULL OR kind = %(kind)s)
        AND (%(state)s::text IS NULL OR status = %(state)s)
        AND (%(party)s::text IS NULL OR parties @> ARRAY[%(party)s])
        AND (%(case)s::text IS NULL OR case_id = %(case)s)
        AND (%(move)s::text IS NULL OR moves @> ARRAY[%(move)s])
        AND (%(opened)s::timestamptz IS NULL
            OR (opened, kind, exchange) < (%(opened)s, %(after_kind)s::text, %(after_exchange)s::uuid))
    ORDER BY opened DESC, kind DESC, exchange DESC LIMIT %(limit)s
"""

_CASE: Final = f"""
    {_THREAD}
    WHERE parties @> ARRAY[%(caller)s::text] AND case_id = %(case)s AND {_KEPT}
        AND (%(opened)s::timestamptz IS NULL
            OR (opened, kind, exchange) > (%(opened)s, %(after_kind)s::text, %(after_exchange)s::uuid))
    ORDER BY opened, kind, exchange LIMIT %(limit)s
"""

_EXCHANGE: Final = f"""
    {_THREAD}
    WHERE parties @> ARRAY[%(caller)s::text] AND exchange = %(exchange)s::uuid AND {_KEPT}
    ORDER BY kind
"""

_RECORDS: Final = """
    SELECT record FROM audit.events
    JOIN unnest(%(kinds)s::text[], %(exchanges)s::uuid[]) AS wanted (kind, exchange) USING (kind, exchange)
    ORDER BY kind, exchange, sequence
"""

_LINKS: Final = f"""
    WITH wanted AS (SELECT * FROM unnest(%(kinds)s::text[], %(exchanges)s::uuid[]) AS w (kind, exchange)),
    shown AS (SELECT * FROM audit.exchanges WHERE parties @> ARRAY[%(caller)s::text] AND {_KEPT}),
    found AS (
        SELECT links.* FROM audit.links JOIN wanted USING (kind, exchange)
        UNION
        SELECT links.* FROM audit.links JOIN wanted AS w ON (links.to_kind, links.to_exchange) = (w.kind, w.exchange)
    )
    SELECT found.kind, found.exchange::text, found.sequence, relation, to_kind, to_exchange::text, to_sequence,
        record, own.standing, other.case_id, other.status
    FROM found JOIN audit.events USING (kind, exchange, sequence) JOIN shown AS own USING (kind, exchange)
    LEFT JOIN shown AS other ON (other.kind, other.exchange) = (to_kind, to_exchange)
"""  # noqa: S608, of constants

_STAGES: Final = """
    SELECT kind, exchange::text, sequence, recipient, stage, attempt, bus, time, reason FROM audit.deliveries
    JOIN unnest(%(kinds)s::text[], %(exchanges)s::uuid[]) AS wanted (kind, exchange) USING (kind, exchange)
"""
