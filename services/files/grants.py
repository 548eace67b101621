"""Which event shows whom which attachment: the follower's part of who may read a file."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from connectors.kafka.consume import Record as KafkaRecord
from connectors.postgres.pool import Connection
from contracts.records import Record
from services.files.crossing import Crossing
from services.kernel.files import in_use
from services.kernel.parties import due, histories, needs_history
from services.kernel.service import Runtime
from services.kernel.store import ExchangeKey

_DIGEST: Final = re.compile(r"sha-256:[0-9a-f]{64}")
_ATTACHMENT: Final = frozenset({"digest", "size", "media_type"})

Progress = dict[ExchangeKey, dict[str, int]]
"""Exchange, agency: the last sequence that it was looked through for. One that we keep has any once it cites."""


@dataclass(frozen=True, slots=True, order=True)
class Shown:
    """An event of `granter` shows `agency` the digest."""

    digest: str
    granter: str
    agency: str


def cited(value: JsonValue) -> Iterator[str]:
    """The digests of the attachments in a document, at any depth; what is withheld is not in it."""
    if isinstance(value, list):
        for item in value:
            yield from cited(item)
    elif isinstance(value, dict):
        digest = value.get("digest")
        if value.keys() >= _ATTACHMENT and isinstance(digest, str) and _DIGEST.fullmatch(digest):
            yield digest
        for item in value.values():
            yield from cited(item)


def cites(record: Record) -> bool:
    """Whether an event has attachments; a stub has none."""
    return next(cited(record.event.get("data")), None) is not None


def shown(run: Sequence[Record], history: Sequence[Record], progress: Mapping[str, int]) -> set[Shown]:
    """What the new records of one exchange show to whom, by the copies that are due to each party; pure."""
    found: set[Shown] = set()
    citing = {record.sequence for record in (*history, *run) if cites(record)}
    for record, agency, standing in due(run, history, progress):
        if record.sequence in citing and agency != record.source:
            copy = record.seen_by(agency, standing)
            found |= {Shown(digest, record.source, agency) for digest in cited(copy.get("data"))}
    return found


class Grants:
    """What the files service does with what it follows (`services.kernel.follower.Applier`)."""

    def __init__(self, runtime: Runtime, crossing: Crossing) -> None:
        self._runtime = runtime
        self._crossing = crossing

    async def apply(
        self,
        connection: Connection,
        records: Sequence[Record],
        others: Sequence[KafkaRecord],  # noqa: ARG002, it follows no other topics
    ) -> None:
        """Note who was shown what. An exchange counts from the first event in it that cites something.

        One that another bus keeps always counts: of what went before, a party that joins may bring more than was here.
        """
        threads: dict[ExchangeKey, list[Record]] = defaultdict(list)
        for record in records:
            threads[record.kind, record.exchange].append(record)
        await _note_cited(connection, records)
        progress = await _progress(connection, list(threads))
        threads = {
            key: run for key, run in threads.items() if progress[key] or self._elsewhere(run) or any(map(cites, run))
        }
        has = {
            key: progress[key] if progress[key] or self._elsewhere(run) else _nothing_before(run)
            for key, run in threads.items()
        }
        wanted = {key: run[0].sequence - 1 for key, run in threads.items() if needs_history(run, has[key])}
        found = await histories(self._runtime, wanted)
        await _note_cited(connection, [record for history in found.values() for record in history])
        pairs: set[Shown] = set()
        for key, run in threads.items():
            pairs |= shown(run, found.get(key, []), has[key])
        await _add(connection, sorted(pairs))
        await self._crossing.want(connection, {(item.digest, item.granter) for item in pairs if self._here(item)})
        await _advance(connection, threads)

    def committed(self) -> None:
        """What was wanted is committed."""
        self._crossing.soon()

    def _here(self, item: Shown) -> bool:
        return self._runtime.library.current().agencies.elsewhere(item.agency, self._runtime.settings.bus) is None

    def _elsewhere(self, run: Sequence[Record]) -> bool:
        return run[0].standing.home != self._runtime.settings.bus


def _nothing_before(run: Sequence[Record]) -> dict[str, int]:
    """The progress of every party in an exchange that cited nothing so far: there was nothing to be shown."""
    parties = {agency for record in run for agency in record.standing.parties}
    return dict.fromkeys(parties, run[0].sequence - 1)


async def _note_cited(connection: Connection, records: Sequence[Record]) -> None:
    """What any event cites is not forgotten, whether it is shown to anybody or not."""
    digests = sorted({digest for record in records for digest in cited(record.event.get("data"))})
    if digests:
        await in_use(connection, digests)
        await connection.execute(_CITE, (digests,))


async def _progress(connection: Connection, keys: Sequence[ExchangeKey]) -> Progress:
    progress: Progress = {key: {} for key in keys}
    if keys:
        columns = ([kind for kind, _ in keys], [exchange for _, exchange in keys])
        for kind, exchange, agency, sequence in await (await connection.execute(_PROGRESS, columns)).fetchall():
            progress[kind, exchange][agency] = sequence
    return progress


async def _add(connection: Connection, found: Sequence[Shown]) -> None:
    if found:
        columns = ([item.digest for item in found], [item.granter for item in found], [item.agency for item in found])
        await connection.execute(_ADD, columns)


async def _advance(connection: Connection, threads: Mapping[ExchangeKey, Sequence[Record]]) -> None:
    last = {
        (*key, agency): record.sequence
        for key, run in threads.items()
        for record in run
        for agency in record.standing.parties
    }
    if last:
        await connection.execute(_ADVANCE, (*map(list, zip(*last, strict=True)), list(last.values())))


_PROGRESS: Final = """
    SELECT kind, exchange::text, agency, sequence FROM files.progress
    JOIN unnest(%s::text[], %s::uuid[]) AS wanted (kind, exchange) USING (kind, exchange)
"""

_CITE: Final = "INSERT INTO files.cited (digest) SELECT unnest(%s::text[]) ON CONFLICT DO NOTHING"

_ADD: Final = """
    INSERT INTO files.shown (digest, granter, agency) SELECT * FROM unnest(%s::text[], %s::text[], %s::text[])
    ON CONFLICT DO NOTHING
"""

_ADVANCE: Final = """
    INSERT INTO files.progress (kind, exchange, agency, sequence)
    SELECT * FROM unnest(%s::text[], %s::uuid[], %s::text[], %s::int[])
    ON CONFLICT (kind, exchange, agency) DO UPDATE SET sequence = EXCLUDED.sequence
"""
