"""The one rule of a follower, as arithmetic: never on over a hole."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from contracts.records import Record, Standing
from services.kernel.follower import _gapless

STANDING = Standing(status="sent", ended=False, legs={}, parties={}, moves=(), case="c", home="h")


def records(sequences: Sequence[int]) -> list[Record]:
    return [
        Record(event={"kind": "transfer", "exchange": "x", "sequence": number}, receipt={}, standing=STANDING)
        for number in sequences
    ]


@given(st.integers(0, 20), st.sets(st.integers(1, 40)))
def test_the_longest_run_that_continues(position: int, sequences: set[int]) -> None:
    later = sorted(number for number in sequences if number > position)
    run = [record.sequence for record in _gapless(position, records(later))]
    assert run == list(range(position + 1, position + 1 + len(run)))
    assert position + len(run) + 1 not in sequences
