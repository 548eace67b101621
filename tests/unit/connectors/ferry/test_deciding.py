"""The receiver's and the sender's decisions, with folders that are only told of."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import SettingsError
from connectors.ferry.deciding import (
    AT_ONCE,
    Cursor,
    Found,
    Landed,
    Position,
    Sending,
    cursor_of,
    due,
    furthest,
    ranges,
    read_cursor,
    receive,
    worth_reading,
)
from connectors.ferry.papers import WINDOW, Manifest, Receipt, Request, manifest_of
from contracts.canonical import timestamp
from tests.support.batches import BUS, DIGEST, NOW, OURS, POLICE, entries

SERIES = "a" * 32
START = Position()


def chain(count: int, series: str = SERIES) -> list[Manifest]:
    """Batches that follow each other."""
    found: list[Manifest] = []
    for batch in range(1, count + 1):
        previous = found[-1].digest if found else None
        files = entries(batch)
        found.append(manifest_of(OURS, series=series, batch=batch, previous=previous, made=NOW, files=files))
    return found


def landed(*manifests: Manifest) -> list[Landed]:
    return [Landed(item.name, item.batch, item) for item in manifests]


def files(*manifests: Manifest) -> dict[str, Found]:
    return {entry.name: Found(entry.size, entry.digest) for item in manifests for entry in item.files}


def test_batches_are_taken_in_order_whatever_order_they_came_in() -> None:
    one, two, three = chain(3)
    decision = receive(START, landed(three, one, two), files(one, two, three))
    assert [*decision.take] == [one, two, three]
    assert decision.troubled == frozenset()


def test_after_a_gap_nothing_is_taken_and_all_of_the_gap_is_missing() -> None:
    batches = chain(6)
    here = [batches[0], batches[3], batches[5]]
    decision = receive(START, landed(*here), files(*here))
    assert [*decision.take] == [batches[0]]
    assert decision.troubled == {2, 3, 5}


@pytest.mark.parametrize("spoilt", [Found(2, DIGEST), Found(1, f"sha-256:{'1' * 64}"), None])
def test_a_batch_with_a_damaged_or_missing_file_waits_and_so_do_those_after_it(spoilt: Found | None) -> None:
    one, two = chain(2)
    here = {**files(one, two), one.files[0].name: spoilt}
    decision = receive(START, landed(one, two), {name: item for name, item in here.items() if item})
    assert [*decision.take] == []
    assert decision.troubled == {1}


def test_a_replay_is_receipted_again_and_a_namesake_of_the_last_is_refused() -> None:
    one, two = chain(2)
    (other, _) = chain(2)
    at = START.after(one).after(two)
    assert [*receive(at, landed(one, two), {}).again] == [one, two]
    namesake = two.model_copy(update={"made": timestamp(NOW).replace("2026", "2027")})
    assert namesake.name in (receive(at, landed(namesake), {}).refused or {})
    assert other == one


def test_another_series_is_refused_once_one_is_known() -> None:
    one, two = chain(2)
    stranger = chain(2, "b" * 32)[1]
    decision = receive(START.after(one), landed(stranger), files(stranger))
    assert "another series" in (decision.refused or {})[stranger.name]
    assert decision.lost == {2}
    assert [*receive(START.after(one), landed(two), files(two)).take] == [two]


def test_a_refused_one_is_lost_only_where_it_may_have_taken_a_true_one_s_place() -> None:
    at = Position(SERIES, 5, DIGEST)
    lies = [Landed(f"{batch}", batch, refused="forged") for batch in (3, 6, 5 + WINDOW, 6 + WINDOW)]
    decision = receive(at, lies, {})
    assert decision.lost == {6, 5 + WINDOW}
    assert {*(decision.refused or {})} == {item.name for item in lies}


def test_an_unreadable_one_is_in_trouble_ahead_and_rubbish_behind() -> None:
    at = Position(SERIES, 5, DIGEST)
    decision = receive(at, [Landed("old", 5), Landed("new", 6), Landed("far", 6 + WINDOW)], {})
    assert [*decision.spoilt] == ["old"]
    assert decision.troubled == {6}


def test_what_is_too_far_ahead_stays_where_it_is() -> None:
    batches = chain(WINDOW + 1)
    decision = receive(START, landed(batches[-1]), files(batches[-1]))
    assert (decision.take, decision.again, decision.troubled) == ([], [], frozenset())
    assert not worth_reading(START, WINDOW + 1)


def test_not_all_is_taken_at_once() -> None:
    batches = chain(AT_ONCE + 1)
    decision = receive(START, landed(*batches), files(*batches))
    assert len(decision.take) == AT_ONCE
    assert decision.more


@given(st.sets(st.integers(1, 2000)))
def test_ranges_cover_all_and_nothing_else(numbers: set[int]) -> None:
    found = ranges(numbers)
    assert [number for first, last in found for number in range(first, last + 1)] == sorted(numbers)
    assert all(last - first < WINDOW for first, last in found)


def test_what_is_due() -> None:
    assert due([1, 2, 3], {1: 0.0, 2: 50.0}, 60.0, 60.0) == [1, 3]


# --- sending


def sending(count: int) -> Sending:
    found = Sending(SERIES, {})
    for item in chain(count):
        found = found.with_batch(item)
    return found


def receipt(batch: int, digest: str) -> Receipt:
    return Receipt(sender=POLICE, receiver=BUS, made=timestamp(NOW), batch=batch, manifest=digest)


def test_a_receipt_is_for_all_before_it_and_only_for_what_was_sent() -> None:
    state = sending(3)
    good = receipt(2, state.kept[2].digest)
    assert state.newest([receipt(3, DIGEST), good, receipt(9, DIGEST)]) == 2
    assert "never sent" in (state.fault(receipt(9, DIGEST)) or "")
    assert "another batch" in (state.fault(receipt(3, DIGEST)) or "")
    after = state.until(2)
    assert [*after.kept] == [3]
    assert after.fault(receipt(1, DIGEST)) is None
    assert after.newest([receipt(1, DIGEST)]) == 2


def test_a_sender_is_full_when_too_many_wait() -> None:
    assert not sending(WINDOW - 1).full
    assert sending(WINDOW).full
    assert not sending(WINDOW).until(1).full


def test_a_request_gets_what_is_kept_and_tells_of_a_partner_that_has_forgotten() -> None:
    state = sending(5).until(2)
    before, after = "2026-11-12T01:00:00.000000Z", "2026-11-12T03:00:00.000000Z"
    asked = Request(sender=POLICE, receiver=BUS, made=timestamp(NOW), first=1, last=9)
    assert state.asked(asked, before) == ([3, 4, 5], True)
    assert state.asked(asked, after) == ([3, 4, 5], False)
    assert state.asked(asked, None) == ([3, 4, 5], False)
    assert state.asked(asked.model_copy(update={"first": 3}), before) == ([3, 4, 5], False)


# --- cursors


def test_a_cursor_comes_back_and_the_furthest_counts() -> None:
    one, two = chain(2)
    given = cursor_of(START.after(one), "c" * 32, 4)
    journal = Cursor(ours="c" * 32, series=SERIES, batch=2, digest=two.digest, receipted=1)
    assert read_cursor(given.text()) == given
    assert given.position == START.after(one)
    assert furthest(journal, given) == journal.model_copy(update={"receipted": 4})
    assert furthest(Cursor(ours="c" * 32), read_cursor(None)).position == START


@pytest.mark.parametrize("text", ["", "17", "{}x", '{"batch":-1}', '{"offset":3}'])
def test_the_cursor_of_another_channel_is_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        read_cursor(text)


# --- everything at once: a receiver and a sender with a gap between them that is only told of


@dataclass
class World:
    """What lies on the receiver's side, and what both remember."""

    sending: Sending = field(default_factory=lambda: Sending(SERIES, {}))
    position: Position = START
    landed: dict[str, Landed] = field(default_factory=dict[str, Landed])
    files: dict[str, Found] = field(default_factory=dict[str, Found])
    acted: list[str] = field(default_factory=list[str])

    def send(self) -> None:
        batch = self.sending.batch + 1
        made = manifest_of(
            OURS, series=SERIES, batch=batch, previous=self.sending.digest, made=NOW, files=entries(batch)
        )
        self.sending = self.sending.with_batch(made)

    def bring(self, batch: int, *, cut: bool = False, mute: bool = False) -> None:
        """A batch comes over: whole, with its file cut off, or with a manifest that nobody can read."""
        made = self.sending.kept.get(batch)
        if made is not None:
            self.landed[made.name] = Landed(made.name, batch) if mute else Landed(made.name, batch, made)
            self.files |= {entry.name: Found(entry.size - cut, entry.digest) for entry in made.files}

    def forge(self, batch: int) -> None:
        name = f"{BUS}_{POLICE}_{batch:010d}.manifest"
        self.landed[name] = Landed(name, batch, refused="forged")

    def look(self) -> frozenset[int]:
        """The receiver looks, acts and receipts; the receipts come over. What it asks for."""
        decision = receive(self.position, self.landed.values(), self.files)
        for made in decision.take:
            self.acted.append(f"{made.batch}")
            self.position = self.position.after(made)
        for name in (*(decision.refused or {}), *decision.spoilt, *(made.name for made in decision.again)):
            del self.landed[name]
        if self.position.digest is not None:
            self.sending = self.sending.until(self.sending.newest([receipt(self.position.batch, self.position.digest)]))
        return decision.troubled | decision.lost


_STEPS = st.lists(
    st.one_of(
        st.just(("send", 0)),
        st.tuples(st.sampled_from(["bring", "cut", "mute", "forge"]), st.integers(1, 8)),
        st.just(("look", 0)),
    ),
    max_size=60,
)


@given(_STEPS)
def test_all_that_was_sent_is_acted_on_once_in_order_and_receipted(steps: list[tuple[str, int]]) -> None:
    world = World()
    for what, batch in steps:
        match what:
            case "send":
                world.send()
            case "forge":
                world.forge(batch)
            case "look":
                world.look()
            case _:
                world.bring(batch, cut=what == "cut", mute=what == "mute")
    for _ in range(10):
        for batch in (world.look() & world.sending.kept.keys()) | world.sending.kept.keys():
            world.bring(batch)
    world.look()
    assert world.acted == [str(batch) for batch in range(1, world.sending.batch + 1)]
    assert world.sending.kept == {}
