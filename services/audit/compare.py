"""Whether the timelines equal the store: the same events, byte for byte."""

import hashlib
from dataclasses import dataclass

from connectors.postgres.pool import Pool
from services.kernel.store import Store

_Place = tuple[str, str, int]
"""(kind, exchange, sequence)."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How many events each side has, and where they differ: (kind, exchange, sequence)."""

    stored: int
    followed: int
    missing: tuple[_Place, ...]
    unknown: tuple[_Place, ...]
    different: tuple[_Place, ...]

    @property
    def equal(self) -> bool:
        """Whether audit has exactly what was registered."""
        return not (self.missing or self.unknown or self.different)


async def compare(registrar: str, pool: Pool) -> Comparison:
    """Compare audit's events with those of one registrar's store."""
    stored = {
        (record.kind, record.exchange, record.sequence): hashlib.sha256(record.to_bytes()).digest()
        async for record in Store(registrar, pool).all_records()
    }
    kinds = sorted({kind for kind, _, _ in stored})
    query = "SELECT kind, exchange::text, sequence, sha256(record) FROM audit.events WHERE kind = ANY(%s)"
    async with pool.connection() as connection:
        rows = await (await connection.execute(query, (kinds,))).fetchall()
    followed = {(kind, exchange, sequence): digest for kind, exchange, sequence, digest in rows}
    return Comparison(
        stored=len(stored),
        followed=len(followed),
        missing=tuple(sorted(stored.keys() - followed.keys())),
        unknown=tuple(sorted(followed.keys() - stored.keys())),
        different=tuple(sorted(key for key in stored.keys() & followed.keys() if stored[key] != followed[key])),
    )
