"""Which party gets which events of an exchange, and cut by which standing: what every follower that tells parties asks.

A party that an event brings in gets everything that went before; each copy is cut by the standing after the event with
which it is due, so that a rebuild cuts the same.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from contracts.records import Record, Standing
from services.kernel.service import Runtime
from services.kernel.store import ExchangeKey, exchanges


class HistoryMissing(Exception):
    """The store does not have what went before an event that brings in a party."""


def everybody(_agency: str) -> bool:
    """Every party."""
    return True


def due(
    run: Sequence[Record],
    history: Sequence[Record],
    progress: Mapping[str, int],
    here: Callable[[str], bool] = everybody,
) -> Iterator[tuple[Record, str, Standing]]:
    """The events of one exchange that are due, for whom, and the standing by which they are cut, in order; pure.

    `run` continues `history`, which begins at sequence 1 and may be empty where every party has it. `progress` is the
    last sequence that each agency has. `here`: whether a party is to be told by whoever asks.
    """
    known = {record.sequence: record for record in (*history, *run)}
    has = dict(progress)
    for newest in run:
        for agency in sorted(filter(here, newest.standing.parties)):
            for sequence in range(has.get(agency, 0) + 1, newest.sequence + 1):
                yield known[sequence], agency, newest.standing
            has[agency] = newest.sequence


def needs_history(run: Sequence[Record], progress: Mapping[str, int], here: Callable[[str], bool] = everybody) -> bool:
    """Whether some party of these records lacks what went before them."""
    before = run[0].sequence - 1
    return any(progress.get(agency, 0) < before for agency in filter(here, run[-1].standing.parties))


async def histories(runtime: Runtime, before: Mapping[ExchangeKey, int]) -> dict[ExchangeKey, list[Record]]:
    """The first so many events of each of these exchanges, from the registrars' stores. Raises HistoryMissing."""
    found = await exchanges(runtime.pool, runtime.library.current().topics, list(before))
    for key, count in before.items():
        found[key] = found.get(key, [])[:count]
        if len(found[key]) < count:
            raise HistoryMissing(f"the store lacks some of the {count} first events of {key[0]} {key[1]}")
    return found
