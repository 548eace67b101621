"""Sending what is registered to those whom it concerns: the follower's transaction."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from connectors.kafka.consume import Record as KafkaRecord
from connectors.postgres.pool import Connection
from contracts.records import Record
from services.delivery.copies import Copy, Parcel, copies, rejected
from services.delivery.dispatch import Dispatch
from services.kernel.parties import histories, needs_history
from services.kernel.store import ExchangeKey

Progress = dict[ExchangeKey, dict[str, int]]
"""Exchange, agency: the last sequence that it has."""


class Post:
    """What delivery does with what it follows (`services.kernel.follower.Applier`)."""

    def __init__(self, dispatch: Dispatch) -> None:
        self._dispatch = dispatch
        self._runtime = dispatch.runtime

    async def apply(self, connection: Connection, records: Sequence[Record], others: Sequence[KafkaRecord]) -> None:
        """Send a copy of each event to each party, and each rejection to its submitter."""
        threads: dict[ExchangeKey, list[Record]] = defaultdict(list)
        for record in records:
            threads[record.kind, record.exchange].append(record)
        progress = await _progress(connection, list(threads))
        before = {key: run[0].sequence - 1 for key, run in threads.items() if needs_history(run, progress[key])}
        earlier = await histories(self._runtime, before)
        parcels = [
            parcel
            for key, run in threads.items()
            for parcel in copies(run, earlier.get(key, []), progress[key], self._runtime.library.current().crosswalk)
        ]
        parcels += self._rejections(others)
        if parcels:
            done = [(parcel.agency, parcel.what) for parcel in parcels if isinstance(parcel.what, Copy)]
            await self._dispatch.send(connection, parcels)
            await _advance(connection, done)

    def committed(self) -> None:
        """What was sent is committed."""
        self._dispatch.committed()

    def _rejections(self, others: Sequence[KafkaRecord]) -> list[Parcel]:
        """Those for agencies that there are; nobody reads the bus's own."""
        agencies, bus = self._runtime.library.current().agencies, self._runtime.settings.bus
        parcels = (rejected(item.value) for item in others)
        return [item for item in parcels if item and item.agency != bus and agencies.get(item.agency)]


async def _progress(connection: Connection, keys: Sequence[ExchangeKey]) -> Progress:
    progress: Progress = {key: {} for key in keys}
    columns = ([kind for kind, _ in keys], [exchange for _, exchange in keys])
    rows = await (await connection.execute(_PROGRESS, columns)).fetchall() if keys else []
    for kind, exchange, agency, sequence in rows:
        progress[kind, exchange][agency] = sequence
    return progress


async def _advance(connection: Connection, done: Sequence[tuple[str, Copy]]) -> None:
    last = {(copy.kind, copy.exchange, agency): copy.sequence for agency, copy in done}
    if last:
        await connection.execute(_ADVANCE, (*map(list, zip(*last, strict=True)), list(last.values())))


_PROGRESS: Final = """
    SELECT kind, exchange::text, agency, sequence FROM delivery.progress
    JOIN unnest(%s::text[], %s::uuid[]) AS wanted (kind, exchange) USING (kind, exchange)
"""

_ADVANCE: Final = """
    INSERT INTO delivery.progress (kind, exchange, agency, sequence)
    SELECT * FROM unnest(%s::text[], %s::uuid[], %s::text[], %s::int[])
    ON CONFLICT (kind, exchange, agency) DO UPDATE SET sequence = EXCLUDED.sequence
"""
