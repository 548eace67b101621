"""Sending what is registered to those whom it concerns: the follower's transaction."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from connectors.kafka.consume import Record as KafkaRecord
from connectors.postgres.pool import Connection
from contracts.agencies import Agencies
from contracts.deliveries import StageReached
from contracts.records import Record
from contracts.topics import DELIVERIES, FORWARDS, OUTCOMES
from services.delivery.copies import Copy, Parcel, copies, rejected
from services.delivery.dispatch import Dispatch
from services.delivery.links import said
from services.delivery.peers import forward, mirrors, outcome, shared, stages
from services.kernel.parties import histories, needs_history
from services.kernel.stages import add_stages
from services.kernel.store import ExchangeKey

Progress = dict[ExchangeKey, dict[str, int]]
"""Exchange, agency: the last sequence that it has."""


class Post:
    """What delivery does with what it follows (`services.kernel.follower.Applier`)."""

    def __init__(self, dispatch: Dispatch) -> None:
        self._dispatch = dispatch
        self._runtime = dispatch.runtime

    async def apply(self, connection: Connection, records: Sequence[Record], others: Sequence[KafkaRecord]) -> None:
        """Send a copy of each event to each party, and each rejection to its submitter.

        What is for parties or submitters of other buses, those get.
        """
        threads: dict[ExchangeKey, list[Record]] = defaultdict(list)
        for record in records:
            threads[record.kind, record.exchange].append(record)
        progress = await _progress(connection, list(threads))
        earlier = await histories(self._runtime, self._before(threads, progress))
        crosswalk, key = self._runtime.library.current().crosswalk, self._runtime.bus_key
        own: list[Parcel] = []
        mirrored: list[Parcel] = []
        for thread, run in threads.items():
            own += copies(run, earlier.get(thread, []), progress[thread], crosswalk, self._dispatch.here)
            mirrored += mirrors(run, earlier.get(thread, []), progress[thread], self._agencies, key)
        parcels = [*own, *self._rejections(others), *mirrored, *self._for_others(others)]
        await _advance(connection, [(item.agency, item.what) for item in own if isinstance(item.what, Copy)])
        late = await self._shared_from_now(connection, mirrored, threads, progress)
        # The stages of these copies go to the buses with which their exchanges are shared now.
        await self._dispatch.send(connection, [*parcels, *late])
        theirs = self._of_others(others)
        if theirs:
            await add_stages(connection, theirs)

    def committed(self) -> None:
        """What was sent is committed."""
        self._dispatch.committed()

    @property
    def _agencies(self) -> Agencies:
        return self._runtime.library.current().agencies

    def _before(self, threads: Mapping[ExchangeKey, Sequence[Record]], progress: Progress) -> dict[ExchangeKey, int]:
        """How many events went before, of the exchanges of which somebody may need them."""
        bus = self._runtime.settings.bus
        return {
            key: run[0].sequence - 1
            for key, run in threads.items()
            if needs_history(run, progress[key], self._dispatch.here)
            or (run[0].sequence > 1 and shared(run[-1].standing, self._agencies, bus))
        }

    async def _shared_from_now(
        self,
        connection: Connection,
        mirrored: Sequence[Parcel],
        threads: Mapping[ExchangeKey, Sequence[Record]],
        progress: Progress,
    ) -> list[Parcel]:
        """Note with which buses exchanges are shared; to those that share one only now, the stages reached so far."""
        bus = self._runtime.settings.bus
        done = [(parcel.agency, parcel.what) for parcel in mirrored if isinstance(parcel.what, Copy)]
        homes = ((run[-1].standing.home, Copy(*key, run[-1].sequence)) for key, run in threads.items())
        await _advance(connection, [*done, *(item for item in homes if item[0] != bus)])
        new: dict[ExchangeKey, list[str]] = defaultdict(list)
        for peer, copy in done:
            key = (copy.kind, copy.exchange)
            if copy.sequence == 1 and not progress[key].get(peer):
                new[key].append(peer)
        return stages(await said(connection, list(new), bus), new, self._agencies, bus)

    def _rejections(self, others: Sequence[KafkaRecord]) -> list[Parcel]:
        """Those for agencies that this bus hosts; nobody reads the bus's own."""
        agencies, bus = self._agencies, self._runtime.settings.bus
        parcels = (rejected(item.value) for item in others if item.topic == OUTCOMES)
        return [
            item
            for item in parcels
            if item and item.agency != bus and agencies.get(item.agency) and self._dispatch.here(item.agency)
        ]

    def _for_others(self, others: Sequence[KafkaRecord]) -> list[Parcel]:
        """What other buses decide, and what became of what their agencies submitted."""
        agencies, bus = self._agencies, self._runtime.settings.bus
        outcomes = (outcome(item.value, agencies, bus) for item in others if item.topic == OUTCOMES)
        forwards = (forward(item.value) for item in others if item.topic == FORWARDS)
        return [*(item for item in outcomes if item), *forwards]

    def _of_others(self, others: Sequence[KafkaRecord]) -> list[StageReached]:
        """The stages that other buses have reached; our own were kept when we reached them."""
        bus = self._runtime.settings.bus
        if not self._agencies.peers(bus):
            return []
        reached = (StageReached.from_bytes(item.value) for item in others if item.topic == DELIVERIES)
        return [stage for stage in reached if stage.bus != bus]


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
