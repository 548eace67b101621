"""What it costs to count the figures of many events, and to answer for a period, and how both grow.

    .venv/bin/python benchmarks/figures.py [EVENTS]...        by default 10,000, 100,000 and 1,000,000

Synthetic transfers of ten facts each, opened over a year, go straight into audit's log; then audit counts them, answers
for a day, a month and the year, and makes everything anew. The first size is the measure of the others.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from connectors.kafka.consume import Record as KafkaRecord
from connectors.postgres import migrations
from connectors.postgres.pool import Pool, open_pool
from connectors.postgres.server import EmbeddedPostgres
from contracts.calendar import SHANGHAI
from contracts.canonical import timestamp
from contracts.library import Contracts, Library, load
from contracts.records import Record
from events import transfer
from services.audit.app import SCHEMA
from services.audit.ledger import Ledger
from services.audit.writer import Writer
from services.cli.story import border

BEGIN = datetime(2026, 1, 5, 9, tzinfo=SHANGHAI)
YEAR = timedelta(days=365)
FACTS = (
    (border.sent, "sent", "receipt", "310118-cg"),
    (border.transfer_receipted, "receipted", "acceptance", "310118-cg"),
    (border.returned, "returned", "counterpart", "310112-cg"),
    (border.disputed, "disputed", "counterpart", "310000-cg"),
    (border.designated, "designated", "acceptance", "310118-cg"),
    (border.accepted, "accepted", "processing", "310118-cg"),
    (border.filed, "filed", "processing", "310118-cg"),
    (border.filed, "filed", "processing", "310118-cg"),
    (border.decided, "decided", "processing", "310118-cg"),
    (border.outcome_reported, "reported", None, "310118-cg"),
)
SPEAKERS = ("310112-cg", "310118-cg", "310118-cg", "310112-cg", "310000-cg", *["310118-cg"] * 5)


def exchange(number: int, opened: datetime) -> Iterator[Record]:
    """Ten records, two days apart; nobody signed them."""
    parties = {"310112-cg": "sender", "310118-cg": "recipient", "310000-cg": "arbiter", "310112-sfj": "supervisor"}
    for place, (fact, status, phase, moves) in enumerate(FACTS):
        at = timestamp(opened + timedelta(days=2 * place, minutes=number % 600))
        event = {
            "id": f"{number}-{place}",
            "source": SPEAKERS[place],
            "type": fact.type(),
            "kind": "transfer",
            "exchange": f"00000000-0000-7000-8000-{number:012x}",
            "time": at,
            "data": fact.model_dump(mode="json", exclude_none=True) if isinstance(fact, transfer.Sent) else {},
            "sequence": place + 1,
            "acceptedtime": at,
            "recordedtime": at,
        }
        standing = {
            "status": status,
            "ended": phase is None,
            "legs": {},
            "parties": {code: {"role": role, "reads": ["public"]} for code, role in parties.items()},
            "moves": [moves] if phase else [],
            "case": f"SYN-{number}",
            "home": "310112-bus",
            "phase": phase,
        }
        yield Record.model_validate({"event": event, "receipt": {}, "standing": standing})


async def write(pool: Pool, first: int, count: int, total: int) -> None:
    """Put exchanges into audit's log as its follower does."""
    records = [record for n in range(first, first + count) for record in exchange(n, BEGIN + YEAR * n / total)]
    nothing: list[KafkaRecord] = []
    async with pool.connection() as connection:
        await Writer(pool, Library(), "310112-bus").apply(connection, records, nothing)


async def took(work: Awaitable[object]) -> float:
    """Seconds."""
    begun = time.perf_counter()
    await work
    return time.perf_counter() - begun


async def count_all(ledger: Ledger, contracts: Contracts) -> None:
    """Until nothing is left to count."""
    while await ledger.refresh(contracts.rules, contracts.calendars, 200):
        pass


async def measure(url: str, events: int, contracts: Contracts) -> dict[str, float]:
    """Seconds by what was done, on an empty database."""
    migrations.provision(url, [SCHEMA])
    exchanges = events // len(FACTS)
    async with open_pool(url) as pool:
        async with pool.connection() as connection:
            tables = "audit.events, audit.exchanges, audit.figures, audit.dirty"
            await connection.execute(f"TRUNCATE {tables}")
        ledger, now = Ledger(pool), BEGIN + YEAR
        for first in range(0, exchanges, 200):
            await write(pool, first, min(200, exchanges - first), exchanges)
        async with pool.connection() as connection:
            await connection.execute("ANALYZE")
        middle = BEGIN + YEAR / 2
        return {
            "count": await took(count_all(ledger, contracts)),
            "day": await took(ledger.indicators(middle, middle + timedelta(days=1), now)),
            "month": await took(ledger.indicators(middle, middle + timedelta(days=30), now)),
            "year": await took(ledger.indicators(BEGIN, now, now)),
            "one agency, month": await took(ledger.indicators(middle, middle + timedelta(days=30), now, "310118-cg")),
            "rebuild": await took(ledger.rebuild(contracts.rules, contracts.calendars)),
        }


async def main(sizes: list[int]) -> None:
    contracts = load()
    base: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="liandong-bench-") as folder, EmbeddedPostgres(Path(folder)) as postgres:
        for events in sizes:
            found = await measure(postgres.url, events, contracts)
            base = base or found
            for name, seconds in found.items():
                ratio = seconds / base[name]
                print(f"{events:>9,}  {name:20} {seconds:9.3f} s  {1e6 * seconds / events:8.1f} µs/event  ×{ratio:.1f}")


if __name__ == "__main__":
    asyncio.run(main([int(text) for text in sys.argv[1:]] or [10_000, 100_000, 1_000_000]))
