"""The pure parts of consuming: dead letters, limits, pauses, quiet partitions, and the bisection."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import KafkaRefused, KafkaUnavailable
from connectors.kafka.consume import Consumer, Partition, _Abandoned, _Assignment
from connectors.kafka.handler import Backoff, Health, Limit, Recent, Transient, is_transient
from connectors.kafka.producer import Message
from connectors.kafka.record import DeadLetter, Reason, Record, dead_letter, read_dead_letter
from connectors.kafka.settings import KafkaSettings
from connectors.kafka.watchdog import Quiet

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
A, B = ("events", 0), ("events", 1)

names = st.text(min_size=1).filter(lambda name: not name.startswith("dead-"))
records = st.builds(
    Record,
    topic=st.sampled_from(["events.transfers", "submissions.letters"]),
    partition=st.integers(0, 99),
    offset=st.integers(0, 2**60),
    key=st.none() | st.binary(),
    value=st.binary(),
    headers=st.dictionaries(names, st.binary()),
    timestamp=st.datetimes(timezones=st.just(UTC)),
)
texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]))


@given(records, texts, st.none() | texts)
def test_a_dead_letter_gives_the_record_back_unchanged(record: Record, text: str, hold_error: str | None) -> None:
    letter = DeadLetter(record, "transfers", Reason("builtins.ValueError", text), hold_error, NOW)
    message = dead_letter(letter, "dead-letters")
    assert message.topic == "dead-letters"
    assert message.key == f"transfers/{record}".encode()
    assert message.value == record.value
    assert read_dead_letter(message.value or b"", message.headers) == letter


def test_the_reason_is_written_whatever_the_error_says() -> None:
    reason = Reason.of(ValueError("half a character \ud83d and 十" + "x" * 10_000))
    assert reason.error == "builtins.ValueError"
    record = Record("events", 0, 7, None, b"", {"dead-topic": b"an older story"}, NOW)
    message = dead_letter(DeadLetter(record, "g", reason, None, NOW), "dead-letters")
    assert message.headers["dead-topic"] == b"events"
    assert len(message.headers["dead-reason"]) < 8_100


def test_a_message_that_is_no_dead_letter_is_told_apart() -> None:
    with pytest.raises(KeyError):
        read_dead_letter(b"{}", {"ce_id": b"1"})


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Transient(), True),
        (KafkaUnavailable(), True),
        (TimeoutError(), True),
        (ConnectionRefusedError(), True),
        (KafkaRefused(), False),
        (ValueError(), False),
        (FileNotFoundError(), False),
    ],
)
def test_what_passes_by_itself(error: Exception, expected: bool) -> None:
    assert is_transient(error) is expected


@given(st.lists(st.booleans()), st.integers(1, 5), st.integers(5, 20))
def test_the_limit_counts_the_poison_among_the_last(history: list[bool], poison: int, of: int) -> None:
    recent = Recent(Limit(poison=poison, of=of))
    for bad in history:
        recent.poison() if bad else recent.good(1)
    assert recent.full == (sum(history[-of:]) >= poison)


def test_good_records_wash_the_poison_out() -> None:
    recent = Recent(Limit(poison=2, of=10))
    recent.poison()
    recent.poison()
    assert recent.full
    recent.good(100_000)
    assert not recent.full


@given(st.integers(0, 1_000))
def test_pauses_grow_to_the_cap_and_are_never_nothing(attempt: int) -> None:
    pause = Backoff(first=0.1, cap=10).pause(attempt)
    assert min(0.1 * 2**attempt, 10) / 2 <= pause <= 10


def test_a_partition_is_stuck_when_it_is_behind_for_long_whatever_the_others_do() -> None:
    quiet = Quiet(60)
    assert quiet.quiet([A, B], {A: 5}, 0) == set()
    assert quiet.quiet([A, B], {A: 9}, 30) == {B}
    assert quiet.stuck([B], 30) == set()
    assert quiet.quiet([A, B], {A: 12}, 90) == {A, B} - {A}
    assert quiet.stuck([B], 90) == {B}


def test_a_partition_that_brings_something_is_not_stuck() -> None:
    quiet = Quiet(60)
    quiet.quiet([A], {A: 5}, 0)
    quiet.stuck([A], 40)
    assert quiet.quiet([A], {A: 6}, 95) == set()
    assert quiet.stuck([A], 100) == set()


def test_an_idle_partition_is_quiet_and_never_stuck() -> None:
    quiet = Quiet(60)
    quiet.quiet([A], {}, 0)
    assert quiet.quiet([A], {}, 10_000) == {A}
    assert quiet.stuck([], 10_000) == set()


def test_patience_begins_the_count_anew() -> None:
    quiet = Quiet(60)
    quiet.quiet([A], {}, 0)
    quiet.stuck([A], 30)
    quiet.reset()
    assert quiet.quiet([A], {}, 1_000) == set()
    assert quiet.stuck([A], 1_000) == set()


class Owner:
    """A handler that refuses poison; and a producer, since one list then tells the whole order."""

    def __init__(self, poison: set[int], foreign: set[int] | None = None) -> None:
        self.poison = poison
        self.foreign = foreign or set()
        self.story: list[tuple[str, int]] = []

    async def handle(self, batch: Sequence[Record]) -> None:
        if self.poison.intersection(record.offset for record in batch):
            raise ValueError
        if self.foreign.intersection(record.offset for record in batch):
            raise LookupError
        self.story.extend(("handled", record.offset) for record in batch)

    async def hold(self, record: Record, reason: Reason) -> None:
        self.story.append(("held", record.offset))

    async def send_all(self, messages: Sequence[Message]) -> None:
        self.story.extend(("dead", int(message.headers["dead-offset"])) for message in messages)

    def assigned(self, partitions: frozenset[Partition]) -> None: ...
    def revoked(self, partitions: frozenset[Partition]) -> None: ...


@given(st.integers(1, 60), st.sets(st.integers(0, 59), max_size=8))
def test_bisection_ends_every_record_once_in_order(size: int, poison: set[int]) -> None:
    async def settle() -> dict[Partition, int]:
        consumer = Consumer(group="g", topics=["events"], handler=owner, settings=settings)
        consumer._producer = owner  # type: ignore[assignment]
        assignment = _Assignment(frozenset({A}), 1)
        await consumer._settle([Record("events", 0, n, None, b"", {}, NOW) for n in range(size)], assignment)
        return assignment.done

    owner = Owner(poison)
    settings = KafkaSettings.model_construct(bootstrap="127.0.0.1:1")
    assert asyncio.run(settle()) == {A: size}
    ends = [(what, offset) for what, offset in owner.story if what != "held"]
    assert ends == [("dead" if offset in poison else "handled", offset) for offset in range(size)]
    held = [index for index, (what, _) in enumerate(owner.story) if what == "held"]
    assert [owner.story[index + 1] for index in held] == [("dead", n) for n in sorted(poison) if n < size]


def test_poison_of_somebody_outside_halts_nobody() -> None:
    """It is held and dead-lettered as any, however much of it comes, also beside as much as may be of our own."""

    async def settle() -> tuple[Health, dict[Partition, int]]:
        consumer = Consumer(
            group="g",
            topics=["events"],
            handler=owner,
            settings=KafkaSettings.model_construct(bootstrap="127.0.0.1:1"),
            limit=Limit(poison=2, of=20),
            foreign=lambda error: isinstance(error, LookupError),
        )
        consumer._producer = owner  # type: ignore[assignment]
        assignment = _Assignment(frozenset({A}), 1)
        await consumer._settle([Record("events", 0, n, None, b"", {}, NOW) for n in range(20)], assignment)
        own = asyncio.create_task(
            consumer._settle([Record("events", 0, 20, None, b"", {}, NOW)], assignment), name="one more of our own"
        )
        await asyncio.wait([own], timeout=0.1)
        assert consumer.health().state == "halted"
        assignment.over.set()
        with pytest.raises(_Abandoned):
            await own
        return consumer.health(), assignment.done

    owner = Owner({3, 15, 20}, foreign={*range(4, 14), 16, 17})
    health, done = asyncio.run(settle())
    assert done == {A: 20}
    assert health.dead == 14
    assert [n for what, n in owner.story if what == "dead"] == [*range(3, 14), 15, 16, 17]
