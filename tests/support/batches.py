"""Batches of a ferry that are only told of."""

from datetime import UTC, datetime

from connectors.ferry.papers import Ends, Entry, file_name

BUS, POLICE = "310112-bus", "310112-ga"
OURS = Ends(BUS, POLICE)
NOW = datetime(2026, 11, 12, 2, tzinfo=UTC)
DIGEST = f"sha-256:{'0' * 64}"


def entries(batch: int, count: int = 1) -> list[Entry]:
    """The files of a batch from the bus to the police."""
    return [
        Entry(name=file_name(BUS, POLICE, batch, number), digest=DIGEST, size=1, role="item", id=f"item-{number}")
        for number in range(1, count + 1)
    ]
