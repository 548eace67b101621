"""What became of submissions: followed from topic `outcomes` into a table, looked up, and waited for.

A row is one content of one (source, id). `held` gives way to a receipt or rejection; those never change.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, LiteralString, TypeAlias

import structlog
from psycopg.rows import TupleRow

from connectors.kafka.consume import Partition, Reason, Record
from connectors.postgres.listen import Listener
from connectors.postgres.pool import Pool
from contracts.canonical import parse_object
from contracts.errors import MalformedJson
from contracts.records import HELD, OutcomeName, Statement
from services.gateway.together import Together

log = structlog.stdlib.get_logger(__name__)

Id: TypeAlias = tuple[str, str]
"""(source, id): what CloudEvents calls the same event."""

Key: TypeAlias = tuple[str, str, str]
"""(source, id, digest of the content)."""

ID_REUSED: Final = "id-reused"
"""The code of a rejection because the (source, id) belongs to another content."""

MAX_WAITING: Final = 5000
"""Submissions that are waited for at once; who comes then has no longer answer than 202."""

_OUTCOMES: Final[Mapping[str, OutcomeName]] = {"receipt": "receipt", "rejection": "rejection", "held": "held"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a submission: `document` is the sealed outcome, the very bytes that the bus signed.

    One that does not stand answers an attempt (a reused id, a forgery) and is not the outcome of that (source, id).
    """

    key: Key
    name: OutcomeName
    code: str | None
    document: bytes
    stands: bool = True

    @property
    def final(self) -> bool:
        """Whether it answers the submission: what is held waits for an operator."""
        return self.name != HELD

    def answers(self, accepted: str) -> bool:
        """Whether this answers the attempt with that `acceptedtime`: one that does not stand answers its own only."""
        if self.stands or self.code == ID_REUSED:
            return True
        return parse_object(self.document).get("acceptedtime") == accepted


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a (source, id): its slip, if the gateway kept it, and its outcome, if there is one yet."""

    slip: bytes | None
    outcome: Outcome | None


def read_outcome(value: bytes) -> Outcome:
    """The outcome in a record of topic `outcomes`. Raises MalformedJson."""
    statement = Statement.from_bytes(value)
    document = parse_object(statement.document)
    source, id_, name, code = (document.get(member) for member in ("source", "id", "outcome", "code"))
    if not (isinstance(source, str) and isinstance(id_, str) and isinstance(name, str)):
        raise MalformedJson("an outcome names its source, id and outcome")
    if name not in _OUTCOMES:
        raise MalformedJson(f"{name!r} is not an outcome")
    key = (source, id_, statement.digest)
    code = code if isinstance(code, str) else None
    return Outcome(key, _OUTCOMES[name], code, statement.document, statement.stands)


class Store:
    """The table of submissions. Raises psycopg's errors; `connectors.postgres.pool.transient` tells which pass."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._accepting = Together(self._accept)
        self._recalling = Together(self._recall)

    async def accepted(self, slips: Mapping[Key, bytes]) -> dict[Key, bytes]:
        """Keep the slips of accepted submissions; return those that count, for the first slip of a content stays."""
        return await self._accepting.ask(slips)

    async def final(self, ids: Collection[Id]) -> dict[Id, list[Outcome]]:
        """The final outcomes of these (source, id), whatever their content, refusals of a reused id too."""
        return await self._recalling.ask(dict.fromkeys(ids))

    async def _accept(self, slips: Mapping[Key, bytes]) -> dict[Key, bytes]:
        keys = sorted(slips)  # one order for all, so that two statements never wait for each other
        rows = await self._run(_ACCEPT, (*_columns(keys), [slips[key] for key in keys]))
        return {(source, id_, digest): slip for source, id_, digest, slip in rows}

    async def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Store outcomes, in the order they came, and wake who waits for them in any process."""
        newest: dict[Key, Outcome] = {}
        for outcome in outcomes:
            if outcome.key not in newest or not (newest[outcome.key].final and newest[outcome.key].stands):
                newest[outcome.key] = outcome
        keys = sorted(newest)
        values = [newest[key] for key in keys]
        columns = zip(*((item.name, item.code, item.document, item.stands) for item in values), strict=True)
        await self._run(_SETTLE, (*_columns(keys), *map(list, columns)))

    async def _recall(self, ids: Mapping[Id, None]) -> dict[Id, list[Outcome]]:
        found: dict[Id, list[Outcome]] = {}
        for row in await self._run(_FINAL, ([source for source, _ in ids], [id_ for _, id_ in ids])):
            outcome = _outcome(row)
            found.setdefault(outcome.key[:2], []).append(outcome)
        return found

    async def outcomes(self, keys: Collection[Key]) -> list[Outcome]:
        """The outcomes that these submissions have by now."""
        return [_outcome(row) for row in await self._run(_OUTCOMES_OF, _columns(keys))]

    async def slip(self, key: Key) -> bytes | None:
        """The slip of a submission, if the gateway kept it."""
        rows = await self._run(_SLIP, key)
        return rows[0][0] if rows else None

    async def known(self, source: str, id_: str) -> Known | None:
        """What is known of a (source, id). A later content under the same id never hides the first."""
        rows = await self._run(_KNOWN, (source, id_))
        if not rows:
            return None
        slip, row = rows[0][0], rows[0][1:]
        return Known(slip, _outcome(row) if row[3] else None)

    async def _run(self, query: LiteralString, parameters: Sequence[object]) -> list[TupleRow]:
        async with self._pool.connection(timeout=2) as connection:
            cursor = await connection.execute(query, parameters)
            return await cursor.fetchall() if cursor.description else []


class OutcomeHandler:
    """The handler of the consumer of topic `outcomes`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def handle(self, batch: Sequence[Record]) -> None:
        """Store a batch. Raises MalformedJson for a record that holds no outcome."""
        await self._store.settle([read_outcome(record.value) for record in batch])

    async def hold(self, record: Record, reason: Reason) -> None:
        """Nobody waits for what cannot be read; the dead letter is all there is."""
        log.error("unreadable outcome", record=str(record), reason=str(reason))

    def assigned(self, partitions: frozenset[Partition]) -> None:
        """Nothing is remembered between batches."""

    def revoked(self, partitions: frozenset[Partition]) -> None:
        """Nothing to forget."""


class Waiting:
    """Those who wait for an outcome, woken by `listener` in whichever process it was stored."""

    def __init__(self, url: str, store: Store) -> None:
        self._store = store
        self._waiters: dict[Key, dict[asyncio.Future[Outcome], str]] = {}
        self.listener = Listener(url, "gateway_outcomes", self._wake)

    @property
    def deaf(self) -> bool:
        """Whether PostgreSQL is known not to answer now."""
        return self.listener.trouble is not None

    def outcome(self, key: Key, accepted: str) -> "asyncio.Future[Outcome] | None":
        """The outcome of a submission that is stamped `accepted`; ask before it is sent, cancel when no longer wanted.

        None: too many wait.
        """
        if len(self._waiters) >= MAX_WAITING:
            return None
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(key, {})[future] = accepted
        future.add_done_callback(lambda done: self._forget(key, done))
        return future

    def _forget(self, key: Key, future: "asyncio.Future[Outcome]") -> None:
        waiters = self._waiters.get(key, {})
        waiters.pop(future, None)
        if not waiters:
            self._waiters.pop(key, None)

    async def _wake(self) -> None:
        if not self._waiters:
            return
        for outcome in await self._store.outcomes(list(self._waiters)):
            for future, accepted in list(self._waiters.get(outcome.key, {}).items()):
                if not future.done() and outcome.answers(accepted):
                    future.set_result(outcome)


def _columns(keys: Collection[Key]) -> tuple[list[str], list[str], list[str]]:
    return [key[0] for key in keys], [key[1] for key in keys], [key[2] for key in keys]


def _outcome(row: TupleRow) -> Outcome:
    source, id_, digest, name, code, document, stands = row
    return Outcome((source, id_, digest), name, code, document, stands)


_ACCEPT: Final = """
    INSERT INTO gateway.submissions AS s (source, id, digest, slip)
    SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::bytea[])
    ON CONFLICT (source, id, digest) DO UPDATE SET slip = coalesce(s.slip, EXCLUDED.slip)
    RETURNING source, id, digest, slip
"""

_SETTLE: Final = """
    WITH settled AS (
        INSERT INTO gateway.submissions AS s (source, id, digest, outcome, code, document, stands)
        SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bytea[], %s::boolean[])
        ON CONFLICT (source, id, digest) DO UPDATE
        SET outcome = EXCLUDED.outcome, code = EXCLUDED.code, document = EXCLUDED.document, stands = EXCLUDED.stands
        WHERE s.outcome IS NULL OR s.outcome = 'held' OR NOT s.stands
    )
    SELECT pg_notify('gateway_outcomes', '')
"""

_FINAL: Final = """
    SELECT s.source, s.id, s.digest, s.outcome, s.code, s.document, s.stands
    FROM unnest(%s::text[], %s::text[]) AS k (source, id) JOIN gateway.submissions s USING (source, id)
    WHERE s.outcome IN ('receipt', 'rejection') AND (s.stands OR s.code = 'id-reused')
"""

_OUTCOMES_OF: Final = """
    SELECT s.source, s.id, s.digest, s.outcome, s.code, s.document, s.stands
    FROM unnest(%s::text[], %s::text[], %s::text[]) AS k (source, id, digest)
    JOIN gateway.submissions s USING (source, id, digest)
    WHERE s.outcome IS NOT NULL
"""

_SLIP: Final = "SELECT slip FROM gateway.submissions WHERE source = %s AND id = %s AND digest = %s"

_KNOWN: Final = """
    SELECT slip, source, id, digest, outcome, code, document, stands FROM gateway.submissions
    WHERE source = %s AND id = %s
    ORDER BY NOT stands, outcome IS NULL LIMIT 1
"""
