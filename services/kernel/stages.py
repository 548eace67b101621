"""The stages that copies have reached, as delivery stores them: with the registrars' stores, what rebuilds read.

Written by delivery; like the store of a registrar, others may read it, and only through here.
"""

from collections.abc import AsyncIterator, Sequence

from connectors.postgres.pool import Connection, Pool
from contracts.deliveries import StageReached

_ADD = """
    INSERT INTO delivery.stages (kind, exchange, sequence, recipient, stage, attempt, bus, time, reason)
    SELECT * FROM unnest(
        %s::text[], %s::uuid[], %s::int[], %s::text[], %s::text[], %s::int[], %s::text[], %s::timestamptz[], %s::text[]
    ) ON CONFLICT DO NOTHING
"""

_PAGE = """
    SELECT kind, exchange::text, sequence, recipient, stage, attempt, bus, time, reason FROM delivery.stages
    WHERE (kind, exchange, sequence, recipient, stage, attempt, bus) > (%s, %s::uuid, %s, %s, %s, %s, %s)
    ORDER BY kind, exchange, sequence, recipient, stage, attempt, bus LIMIT %s
"""


def columns(stages: Sequence[StageReached]) -> tuple[list[object], ...]:
    """Their columns: kind, exchange, sequence, recipient, stage, attempt, bus, time, reason."""
    return (
        [stage.kind for stage in stages],
        [stage.exchange for stage in stages],
        [stage.sequence for stage in stages],
        [stage.recipient for stage in stages],
        [stage.stage for stage in stages],
        [stage.attempt for stage in stages],
        [stage.bus for stage in stages],
        [stage.time for stage in stages],
        [stage.reason for stage in stages],
    )


async def add_stages(connection: Connection, stages: Sequence[StageReached]) -> None:
    """Keep stages, each once, in the caller's transaction."""
    await connection.execute(_ADD, columns(stages))


async def all_stages(pool: Pool, *, page: int = 5000) -> AsyncIterator[Sequence[StageReached]]:
    """Every stage that was ever reached, in pages, by exchange."""
    after: tuple[object, ...] = ("", "00000000-0000-0000-0000-000000000000", 0, "", "", 0, "")
    while True:
        async with pool.connection() as connection:
            rows = await (await connection.execute(_PAGE, (*after, page))).fetchall()
        names = ("kind", "exchange", "sequence", "recipient", "stage", "attempt", "bus", "time", "reason")
        yield [StageReached.model_validate(dict(zip(names, row, strict=True))) for row in rows]
        if len(rows) < page:
            return
        after = tuple(rows[-1][:7])
