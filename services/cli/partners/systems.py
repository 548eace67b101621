"""Many facts that partners state at their own systems, hour by hour, and that the bus has registered them."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from psycopg import sql

from connectors.errors import ConnectorError
from connectors.postgres.pool import Pool
from contracts.topics import Topics
from services.cli.partners.partner import LOOK, Act, Partner
from services.cli.years.diary import Step
from services.kernel.kinds import registrars

_REGISTERED: Final = 60.0
"""Seconds that it may take until what a partner has stated is registered."""


class NotRegisteredError(ConnectorError):
    """A fact of the plan that the bus did not register."""


@dataclass(slots=True)
class Systems:
    """The partners' own systems.

    stated: how many facts a partner has stated, by exchange and agency. known: how many of them an earlier run had.
    """

    partners: Mapping[str, Partner]
    pool: Pool
    topics: Topics
    stated: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    known: Mapping[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])

    @classmethod
    async def opened(cls, partners: Mapping[str, Partner], pool: Pool, topics: Topics) -> Self:
        """With what an earlier run has registered."""
        known: dict[tuple[str, str], int] = {}
        async with pool.connection() as connection:
            for schema in registrars():
                query = sql.SQL(_STATED).format(sql.Identifier(schema, "events"))
                rows = await (await connection.execute(query, ([*partners],))).fetchall()
                known |= {(exchange, source): count for exchange, source, count in rows}
        return cls(partners, pool, topics, known=known)

    def tell(self, numbers: Mapping[str, Mapping[str, str]]) -> None:
        """Under which number each partner opens which exchange: it may name one that only an earlier run has opened."""
        for code, partner in self.partners.items():
            partner.learn(numbers.get(code, {}))

    def says(self, step: Step) -> bool:
        """Whether a partner states it at its own system."""
        partner = self.partners.get(step.agency)
        return partner is not None and partner.says(step.kind, step.fact)

    async def state(self, steps: Sequence[Step]) -> None:
        """State these, and wait until they are registered. Raises NotRegisteredError."""
        by_agency: dict[str, list[Step]] = {}
        for step in steps:
            key = step.exchange, step.agency
            self.stated[key] += 1
            if self.stated[key] > self.known.get(key, 0):
                by_agency.setdefault(step.agency, []).append(step)
        await asyncio.gather(*(self._state(agency, own) for agency, own in by_agency.items()))

    async def _state(self, agency: str, steps: Sequence[Step]) -> None:
        partner = self.partners[agency]
        await partner.act_all([Act(step.at, step.kind, step.exchange, step.fact, step.case) for step in steps])
        wanted = {(step.kind, step.exchange): self.stated[step.exchange, agency] for step in steps}
        end = time.monotonic() + _REGISTERED
        while missing := await self._missing(agency, wanted):
            if time.monotonic() > end:
                refused = [f"{item.exchange} {item.code}: {item.detail}" for item in await partner.refused()]
                raise NotRegisteredError(f"of {agency}, {len(missing)} are not registered, as {missing[0]}; {refused}")
            await asyncio.sleep(LOOK)

    async def _missing(self, agency: str, wanted: Mapping[tuple[str, str], int]) -> list[tuple[str, str]]:
        counts: Counter[tuple[str, str]] = Counter()
        schemas = {str(self.topics.registrar_of(kind)) for kind, _ in wanted}
        kinds, exchanges = [kind for kind, _ in wanted], [exchange for _, exchange in wanted]
        async with self.pool.connection() as connection:
            for schema in schemas:
                query = sql.SQL(_OF_EXCHANGES).format(sql.Identifier(schema, "events"))
                rows = await (await connection.execute(query, (agency, kinds, exchanges))).fetchall()
                counts.update({(kind, exchange): count for kind, exchange, count in rows})
        return [key for key, count in wanted.items() if counts[key] < count]


async def queued(pool: Pool) -> int:
    """How much waits to be brought, or to be confirmed."""
    async with pool.connection() as connection:
        (count,) = await (await connection.execute("SELECT count(*) FROM delivery.queue")).fetchone() or (0,)
        return int(count)


async def all_brought(pool: Pool) -> None:
    """Wait until partners have said that they have what has left us, for a while."""
    for _ in range(_LOOKS):
        if not await queued(pool):
            return
        await asyncio.sleep(_LOOK)


_LOOK, _LOOKS = 0.1, 200

_STATED: Final = "SELECT exchange::text, source, count(*) FROM {} WHERE source = ANY(%s) GROUP BY exchange, source"

_OF_EXCHANGES: Final = """
    SELECT kind, exchange::text, count(*) FROM {}
    WHERE source = %s AND kind = ANY(%s) AND exchange = ANY(%s::uuid[]) GROUP BY kind, exchange
"""
