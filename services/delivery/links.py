"""What delivery knows of its links with other buses: with which of them an exchange is shared.

The progress of copies says so: a bus that mirrors an exchange has its own there, and so has the home of one that we
mirror.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from connectors.postgres.pool import Connection
from contracts.deliveries import StageReached
from services.kernel.store import ExchangeKey

Sharing = Mapping[ExchangeKey, Collection[str]]
"""The other buses of an exchange."""


async def sharing(connection: Connection, keys: Collection[ExchangeKey], buses: Collection[str]) -> Sharing:
    """With which of these buses each exchange is shared."""
    found: dict[ExchangeKey, list[str]] = {key: [] for key in keys}
    if not keys or not buses:
        return found
    columns = ([kind for kind, _ in keys], [exchange for _, exchange in keys], list(buses))
    for kind, exchange, bus in await (await connection.execute(_SHARING, columns)).fetchall():
        found[kind, exchange].append(bus)
    return found


async def said(connection: Connection, keys: Collection[ExchangeKey], bus: str) -> Sequence[StageReached]:
    """The stages that we, the bus, have reached so far in these exchanges: for whom they are shared with only now."""
    columns = ([kind for kind, _ in keys], [exchange for _, exchange in keys], bus)
    rows = await (await connection.execute(_SAID, columns)).fetchall() if keys else []
    names = ("kind", "exchange", "sequence", "recipient", "stage", "attempt", "bus", "time", "reason")
    return [StageReached.model_validate(dict(zip(names, row, strict=True))) for row in rows]


_SHARING: Final = """
    SELECT kind, exchange::text, agency FROM delivery.progress
    JOIN unnest(%s::text[], %s::uuid[]) AS wanted (kind, exchange) USING (kind, exchange)
    WHERE agency = ANY(%s) ORDER BY agency
"""

_SAID: Final = """
    SELECT kind, exchange::text, sequence, recipient, stage, attempt, bus, time, reason FROM delivery.stages
    JOIN unnest(%s::text[], %s::uuid[]) AS wanted (kind, exchange) USING (kind, exchange)
    WHERE bus = %s ORDER BY kind, exchange, sequence, recipient, time
"""
