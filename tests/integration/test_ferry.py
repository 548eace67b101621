"""Two ends of a ferry over real folders: a gap that loses, reorders, cuts and repeats; a forger; kills."""

import asyncio
import hashlib
import json
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors import process
from connectors.channel import FileMissing, PartnerAway
from connectors.errors import SettingsError
from connectors.ferry.crossing import Ferry, Item, Pace, Seen
from connectors.ferry.folders import Folders
from connectors.ferry.gap import FAIR, Gap, Weather
from connectors.ferry.papers import WINDOW, Ends, Entry, Manifest, Receipt, Request, file_name, manifest_of
from contracts.canonical import parse_object, timestamp
from contracts.signatures import SigningKey
from tests.support.channels import MemoryFiles
from tests.support.factory import key, world

BUS, POLICE = "310112-bus", "310112-ga"
NOW = datetime(2026, 11, 12, 2, tzinfo=UTC)
EAGER = Pace(ask_after=timedelta(), resend_after=timedelta())
CHILD = Path(__file__).with_name("ferry_worker.py")


class Ticking:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Side:
    """One end, and the reader behind it, who keeps what came together with the cursor."""

    home: Path
    ends: Ends
    pace: Pace | None = None
    seconds: Ticking = field(default_factory=Ticking)
    cursor: str | None = None
    items: list[Item] = field(default_factory=list[Item])
    receipted: list[str] = field(default_factory=list[str])
    troubles: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        for folder in (self.outgoing, self.incoming):
            folder.mkdir(parents=True, exist_ok=True)
        self.files = MemoryFiles()
        self.ferry = self._made()

    @property
    def outgoing(self) -> Path:
        return self.home / "outgoing"

    @property
    def incoming(self) -> Path:
        return self.home / "incoming"

    @property
    def rejected(self) -> list[str]:
        return sorted(path.name for path in (self.incoming / "rejected").glob("*.reason.txt"))

    def _made(self) -> Ferry:
        return Ferry(
            self.ends,
            Folders(self.outgoing, self.incoming),
            key=key(self.ends.ours),
            keys=world().agencies,
            files=self.files,
            clock=lambda: NOW,
            pace=self.pace,
            seconds=self.seconds,
        )

    async def send(self, *ids: str) -> None:
        for id_ in ids:
            await self.ferry.send([Item(id_, f"the document {id_}".encode())])

    async def look(self, *, safe: bool = True) -> Seen:
        """`safe`: whether the reader has kept what came."""
        seen = await self.ferry.look(self.cursor)
        if safe:
            self.cursor = seen.cursor
            self.items += seen.items
            self.receipted += seen.receipted
            self.troubles += seen.troubles
        return seen

    async def restart(self) -> None:
        await self.ferry.close()
        self.ferry = self._made()

    def ids(self) -> list[str]:
        return [item.id for item in self.items]


@dataclass
class Pair:
    """Two ends and the gap between them."""

    bus: Side
    police: Side
    there: Gap
    back: Gap

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.bus, self.police

    def weather(self, weather: Weather) -> None:
        self.there.weather = self.back.weather = weather

    async def turn(self, times: int = 1) -> None:
        for _ in range(times):
            self.there.carry()
            await self.police.look()
            self.back.carry()
            await self.bus.look()

    async def close(self) -> None:
        for side in self.sides:
            await side.ferry.close()


def pair(home: Path, *, pace: Pace | None = None, seed: int = 0) -> Pair:
    bus = Side(home / "bus", Ends(BUS, POLICE), pace)
    police = Side(home / "police", Ends(POLICE, BUS), pace)
    return Pair(
        bus,
        police,
        Gap(bus.outgoing, police.incoming, seed=seed),
        Gap(police.outgoing, bus.incoming, seed=seed + 1),
    )


def ids(count: int, begin: int = 1) -> list[str]:
    return [f"item-{number}" for number in range(begin, begin + count)]


def manifests(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.manifest"))


# --- fair weather


async def test_what_is_sent_is_acted_on_in_order_and_receipted(tmp_path: Path) -> None:
    both = pair(tmp_path)
    await both.bus.send(*ids(5))
    await both.turn(2)
    assert both.police.ids() == ids(5)
    assert both.police.items[0].body == b"the document item-1"
    assert both.bus.receipted == ids(5)
    assert not any(path.is_file() for path in both.police.incoming.iterdir())
    await both.turn()
    assert [*both.bus.incoming.glob("*")] == [both.bus.incoming / "rejected"]
    assert not any((both.bus.outgoing / ".ferry" / "kept").iterdir())


async def test_nothing_is_receipted_before_the_reader_has_it(tmp_path: Path) -> None:
    both = pair(tmp_path)
    await both.bus.send("item-1")
    both.there.carry()
    for _ in range(3):
        seen = await both.police.look(safe=False)
        assert [item.id for item in seen.items] == ["item-1"]
        assert both.back.carry() == 0
    await both.police.look()
    await both.police.look()
    assert both.back.carry() == 1


async def test_attachments_cross_once_each_and_are_kept(tmp_path: Path) -> None:
    both = pair(tmp_path)
    digest = both.bus.files.put(b"photo" * 1_000_000)
    items = [Item("item-1", b"{}", [digest]), Item("item-2", b"{}", [digest])]
    await both.bus.ferry.send(items)
    assert len([path for path in both.bus.outgoing.iterdir() if path.is_file()]) == 4
    await both.turn(2)
    assert [item.attachments for item in both.police.items] == [(digest,), (digest,)]
    assert b"".join([piece async for piece in both.police.files.read(digest)]) == b"photo" * 1_000_000


async def test_a_missing_attachment_stops_its_own_item_and_leaves_nothing_behind(tmp_path: Path) -> None:
    both = pair(tmp_path)
    missing = f"sha-256:{'0' * 64}"
    with pytest.raises(FileMissing):
        await both.bus.ferry.send([Item("item-1", b"{}", [missing])])
    assert not any((both.bus.outgoing / ".ferry" / "kept").iterdir())
    await both.bus.send("item-2")
    await both.turn(2)
    assert both.police.ids() == ["item-2"]


async def test_an_item_that_is_under_way_is_not_sent_twice(tmp_path: Path) -> None:
    both = pair(tmp_path)
    await both.bus.send("item-1", "item-1")
    await both.bus.restart()
    await both.bus.send("item-1")
    assert len(manifests(both.bus.outgoing)) == 1


async def test_too_many_batches_without_a_receipt_make_the_sender_wait(tmp_path: Path) -> None:
    both = pair(tmp_path)
    await both.bus.send(*ids(WINDOW))
    with pytest.raises(PartnerAway, match="no receipt"):
        await both.bus.send("one-too-many")
    await both.turn(20)
    await both.bus.send("one-too-many")
    await both.turn(2)
    assert both.police.ids() == [*ids(WINDOW), "one-too-many"]


# --- foul weather


async def test_a_gap_is_asked_for_and_filled_and_what_came_later_is_held(tmp_path: Path) -> None:
    both = pair(tmp_path)
    await both.bus.look()
    await both.bus.send(*ids(1))
    both.there.carry()
    both.there.weather = Weather(lose=1)
    await both.bus.send(*ids(2, 2))
    both.there.carry()
    both.there.weather = FAIR
    await both.bus.send(*ids(2, 4))
    await both.turn()
    assert both.police.ids() == ids(1)
    both.police.seconds.now += 61
    await both.police.look()
    asked = [path.name for path in both.police.outgoing.glob("*.request")]
    assert asked == ["310112-ga_310112-bus_0000000002-0000000003.request"]
    both.back.carry()
    await both.bus.look()
    await both.turn(2)
    assert both.police.ids() == ids(5)
    assert sorted(both.bus.receipted) == ids(5)


async def test_what_the_gap_is_still_bringing_is_not_asked_for(tmp_path: Path) -> None:
    both = pair(tmp_path)
    await both.bus.send(*ids(2))
    late = sorted(both.bus.outgoing.glob("*_0000000001.*"))
    later = [(path.name, path.read_bytes()) for path in late]
    for path in late:
        path.unlink()
    await both.turn()
    both.police.seconds.now += 59
    await both.turn()
    assert both.police.ids() == []
    assert both.back.carry() == 0
    for name, body in later:
        (both.police.incoming / name).write_bytes(body)
    await both.turn()
    assert both.police.ids() == ids(2)


@pytest.mark.parametrize("spoil", [b"", b"the document item", b"the document item-8"])
async def test_a_damaged_file_is_asked_for_again(tmp_path: Path, spoil: bytes) -> None:
    both = pair(tmp_path)
    await both.bus.look()
    await both.bus.send("item-1")
    both.there.carry()
    (both.police.incoming / file_name(BUS, POLICE, 1, 1)).write_bytes(spoil)
    await both.turn()
    assert both.police.items == []
    both.police.seconds.now += 61
    await both.turn(2)
    both.police.seconds.now += 61
    await both.turn(2)
    assert both.police.ids() == ["item-1"]


async def test_a_manifest_that_was_cut_off_is_no_forgery_and_is_asked_for(tmp_path: Path) -> None:
    both = pair(tmp_path)
    await both.bus.look()
    await both.bus.send("item-1")
    both.there.carry()
    (path,) = manifests(both.police.incoming)
    path.write_bytes(path.read_bytes()[:100])
    await both.turn()
    assert both.police.rejected == []
    both.police.seconds.now += 61
    await both.turn(3)
    assert both.police.ids() == ["item-1"]


async def test_a_replay_is_receipted_again_and_not_acted_on(tmp_path: Path) -> None:
    both = pair(tmp_path)
    await both.bus.send(*ids(2))
    recorded = {path.name: path.read_bytes() for path in both.bus.outgoing.iterdir() if path.is_file()}
    await both.turn(2)
    for name, body in recorded.items():
        (both.police.incoming / name).write_bytes(body)
    await both.police.restart()
    await both.police.look()
    assert both.police.ids() == ids(2)
    assert len([*both.police.outgoing.glob("*.receipt")]) == 2
    await both.turn(2)
    assert both.bus.receipted == ids(2)


async def test_the_last_batch_and_the_last_receipt_may_be_lost(tmp_path: Path) -> None:
    both = pair(tmp_path)
    await both.bus.look()
    both.there.weather = Weather(lose=1)
    await both.bus.send("item-1")
    await both.turn()
    both.there.weather, both.back.weather = FAIR, Weather(lose=1)
    both.bus.seconds.now += 3601
    await both.turn(3)
    assert both.police.ids() == ["item-1"]
    assert both.bus.receipted == []
    both.back.weather = FAIR
    both.bus.seconds.now += 3601
    await both.turn(3)
    assert both.police.ids() == ["item-1"]
    assert both.bus.receipted == ["item-1"]


async def test_a_receipt_speaks_for_all_before_it(tmp_path: Path) -> None:
    both = pair(tmp_path)
    await both.bus.send(*ids(3))
    both.there.carry()
    await both.police.look()
    await both.police.look()
    for path in sorted(both.police.outgoing.glob("*.receipt"))[:2]:
        path.unlink()
    both.back.carry()
    await both.bus.look()
    assert both.bus.receipted == ids(3)


# --- forgers and strangers


def forged(manifest: bytes, signer: SigningKey, **changes: object) -> bytes:
    document = parse_object(manifest)
    del document["signature"]
    return Manifest.model_validate({**document, **changes}).sealed(signer)


@pytest.mark.parametrize(
    ("signer", "reason"),
    [
        (key("310112-cg"), "signed by 310112-cg"),
        (key(POLICE), f"signed by {POLICE}"),
        (SigningKey(BUS, key(BUS).kid, key("310118-ga").private), "signature-invalid"),
        (SigningKey(BUS, "nobody", key("310118-ga").private), "key-unknown"),
    ],
    ids=["a stranger", "ourselves", "a false key", "an unknown key"],
)
async def test_a_forged_manifest_is_set_aside_and_the_true_one_asked_for(
    tmp_path: Path, signer: SigningKey, reason: str
) -> None:
    both = pair(tmp_path)
    await both.bus.look()
    await both.bus.send("item-1")
    both.there.carry()
    (path,) = manifests(both.police.incoming)
    path.write_bytes(forged(path.read_bytes(), signer))
    await both.police.look()
    assert both.police.items == []
    (said,) = both.police.rejected
    assert said.startswith(path.name)
    assert reason in (both.police.incoming / "rejected" / said).read_text()
    assert any(reason in trouble for trouble in both.police.troubles)
    await both.turn(3)
    assert both.police.ids() == ["item-1"]
    assert both.bus.receipted == ["item-1"]


async def test_a_signature_of_another_manifest_is_none(tmp_path: Path) -> None:
    both = pair(tmp_path)
    await both.bus.send("item-1")
    both.there.carry()
    (path,) = manifests(both.police.incoming)
    document = json.loads(path.read_bytes())
    document["files"][0]["id"] = "another"
    path.write_bytes(json.dumps(document).encode())
    await both.police.look()
    assert both.police.items == []
    assert len(both.police.rejected) == 1


async def test_a_paper_under_another_name_or_for_somebody_else_is_set_aside(tmp_path: Path) -> None:
    both = pair(tmp_path)
    await both.bus.send("item-1")
    (path,) = manifests(both.bus.outgoing)
    body = path.read_bytes()
    (both.police.incoming / "310112-bus_310112-ga_0000000002.manifest").write_bytes(body)
    (both.police.incoming / "310112-bus_310118-ga_0000000001.manifest").write_bytes(body)
    await both.police.look()
    assert len(both.police.rejected) == 2


async def test_a_batch_that_does_not_follow_is_set_aside(tmp_path: Path) -> None:
    both = pair(tmp_path)
    await both.bus.send(*ids(2))
    both.there.carry()
    second = manifests(both.police.incoming)[1]
    second.write_bytes(forged(second.read_bytes(), key(BUS), previous=f"sha-256:{'0' * 64}"))
    await both.turn()
    assert both.police.ids() == ["item-1"]
    assert len(both.police.rejected) == 1
    await both.turn(3)
    assert both.police.ids() == ids(2)


async def test_a_sender_that_began_anew_is_not_taken_for_a_replay(tmp_path: Path) -> None:
    both = pair(tmp_path)
    await both.bus.send("item-1")
    await both.turn(3)
    await both.bus.ferry.close()
    anew = replace(both.bus, home=tmp_path / "anew", cursor=None)
    await anew.send("item-2")
    Gap(anew.outgoing, both.police.incoming).carry()
    await both.police.look()
    assert both.police.ids() == ["item-1"]
    assert "another series" in both.police.troubles[0]


async def test_a_folder_and_a_cursor_of_two_ferries_are_not_mixed(tmp_path: Path) -> None:
    both = pair(tmp_path)
    await both.bus.send("item-1")
    await both.turn(3)
    other = Side(tmp_path / "other", Ends(BUS, POLICE), cursor=both.bus.cursor)
    with pytest.raises(SettingsError, match="two ferries"):
        await other.look()


async def test_a_side_that_has_forgotten_what_it_receipted_is_told_of(tmp_path: Path) -> None:
    both = pair(tmp_path)
    await both.bus.send(*ids(2))
    await both.turn(3)
    stale, real = (
        Request(sender=POLICE, receiver=BUS, made=timestamp(NOW + late), first=1, last=2)
        for late in (timedelta(), timedelta(hours=1))
    )
    for asked, said in ((stale, 0), (real, 1)):
        (both.bus.incoming / asked.name).write_bytes(asked.sealed(key(POLICE)))
        await both.bus.restart()
        await both.bus.look()
        assert len(both.bus.troubles) == said
        assert manifests(both.bus.outgoing) == []


async def test_a_receipt_for_what_was_not_sent_is_set_aside(tmp_path: Path) -> None:
    both = pair(tmp_path)
    await both.bus.send("item-1")
    lies = [
        Receipt(sender=POLICE, receiver=BUS, made=timestamp(NOW), batch=batch, manifest=f"sha-256:{'0' * 64}")
        for batch in (1, 9)
    ]
    for lie in lies:
        (both.bus.incoming / lie.name).write_bytes(lie.sealed(key(POLICE)))
    await both.bus.look()
    assert both.bus.receipted == []
    assert len(both.bus.rejected) == 2


async def test_an_agency_may_use_a_ferry_of_its_own_making(tmp_path: Path) -> None:
    """By the description alone: a batch is made here by hand, with more than one item and without our folders."""
    both = pair(tmp_path)
    digest = both.bus.files.put(b"picture")
    bodies = [b'{"a":1}', b'{"a":2}', b"picture"]
    entries = [
        Entry(
            name=file_name(BUS, POLICE, 1, number),
            digest=f"sha-256:{hashlib.sha256(body).hexdigest()}",
            size=len(body),
            role="item" if number < 3 else "attachment",
            id=f"by-hand-{number}" if number < 3 else None,
        )
        for number, body in enumerate(bodies, 1)
    ]
    manifest = manifest_of(both.bus.ends, series="0" * 32, batch=1, previous=None, made=NOW, files=entries)
    (both.police.incoming / manifest.name).write_bytes(manifest.sealed(key(BUS)))
    await both.police.look()
    for entry, body in zip(entries, bodies, strict=True):
        (both.police.incoming / entry.name).write_bytes(body)
    await both.police.look()
    assert [(item.id, item.body, item.attachments) for item in both.police.items] == [
        ("by-hand-1", b'{"a":1}', (digest,)),
        ("by-hand-2", b'{"a":2}', (digest,)),
    ]


# --- folders


async def test_two_processes_do_not_share_a_ferry(tmp_path: Path) -> None:
    both = pair(tmp_path)
    await both.bus.look()
    second = replace(both.bus)
    with pytest.raises(PartnerAway, match="another process"):
        await second.look()
    await both.bus.ferry.close()
    await second.look()


async def test_a_folder_that_is_not_mounted_is_a_partner_that_is_away(tmp_path: Path) -> None:
    both = pair(tmp_path)
    both.bus.incoming.rmdir()
    with pytest.raises(PartnerAway, match="mount"):
        await both.bus.look()
    with pytest.raises(PartnerAway, match="mount"):
        await both.bus.send("item-1")


# --- everything at once

_SHARES = st.floats(0, 0.6)
_WEATHER = st.builds(Weather, lose=_SHARES, cut=_SHARES, repeat=_SHARES, leave=_SHARES, off=st.booleans())


@dataclass(frozen=True)
class Forge:
    """A stranger's manifest under the name of a batch."""

    batch: int


@dataclass(frozen=True)
class Restart:
    """One side ends and begins again; `kept` says whether the reader had kept what came."""

    police: bool
    kept: bool


_STEPS = st.lists(
    st.one_of(
        st.integers(1, 3),
        _WEATHER,
        st.builds(Forge, st.integers(1, 12)),
        st.builds(Restart, st.booleans(), st.booleans()),
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(steps=_STEPS, seed=st.integers(0, 2**16))
def test_whatever_happens_each_item_is_acted_on_once_in_order_and_receipted(
    steps: Sequence[int | Weather | Forge | Restart], seed: int
) -> None:
    with tempfile.TemporaryDirectory(prefix="liandong-test-") as home:
        asyncio.run(_play(Path(home), steps, seed))


async def _play(home: Path, steps: Sequence[int | Weather | Forge | Restart], seed: int) -> None:
    both = pair(home, pace=EAGER, seed=seed)
    sent: dict[Side | str, list[str]] = {BUS: [], POLICE: []}
    for step in steps:
        match step:
            case int():
                for side in both.sides:
                    new = [f"{side.ends.ours}-{len(sent[side.ends.ours]) + number}" for number in range(step)]
                    sent[side.ends.ours] += new
                    await side.send(*new)
            case Weather():
                both.weather(step)
            case Forge(batch=batch):
                lie = manifest_of(
                    both.bus.ends,
                    series="f" * 32,
                    batch=batch,
                    previous=None if batch == 1 else f"sha-256:{'f' * 64}",
                    made=NOW,
                    files=[
                        Entry(
                            name=file_name(BUS, POLICE, batch, 1),
                            digest=f"sha-256:{'f' * 64}",
                            size=1,
                            role="item",
                            id="lie",
                        )
                    ],
                )
                (both.police.incoming / lie.name).write_bytes(lie.sealed(key("310118-ga")))
            case Restart(police=police, kept=kept):
                side = both.police if police else both.bus
                await side.look(safe=kept)
                await side.restart()
        await both.turn()
    both.weather(FAIR)
    for _ in range(40):
        await both.turn()
        if both.bus.receipted == sent[BUS] and both.police.receipted == sent[POLICE]:
            break
    assert both.police.ids() == sent[BUS]
    assert both.bus.ids() == sent[POLICE]
    assert both.bus.receipted == sent[BUS]
    assert both.police.receipted == sent[POLICE]
    await both.close()


# --- kills


async def test_a_sender_that_is_killed_while_it_writes_leaves_whole_files_and_loses_nothing(tmp_path: Path) -> None:
    """A child sends numbered items as fast as it can and is killed, again and again; a gap carries all the while."""
    police = Side(tmp_path / "police", Ends(POLICE, BUS), EAGER)
    bus = Side(tmp_path / "bus", Ends(BUS, POLICE), EAGER)
    there = Gap(bus.outgoing, police.incoming)
    back = Gap(police.outgoing, bus.incoming)
    log = tmp_path / "sender.log"
    kills = half = torn = 0
    while kills < 25:
        child = process.spawn([sys.executable, str(CHILD), str(bus.home)], log=log)
        await asyncio.to_thread(_until_it_writes, bus.home)
        until = time.monotonic() + 0.003 * (kills % 17)
        while True:
            half += _half(bus.outgoing)
            there.carry()
            await police.look()
            back.carry()
            if time.monotonic() >= until:
                break
            await asyncio.sleep(0)
        child.send(signal.SIGKILL)
        assert child.wait(10) == -signal.SIGKILL, child.tail()
        half += _half(bus.outgoing)
        torn += _torn(bus.outgoing / ".ferry")
        kills += 1
    noted = _noted(bus.home)
    for _ in range(60):
        await bus.look()
        half += _half(bus.outgoing)
        there.carry()
        await police.look()
        back.carry()
        if not any(bus.outgoing.joinpath(".ferry", "kept").iterdir()):
            break
    assert half == 0
    assert torn > 0, "no kill came in the middle of a batch"
    came = [int(id_) for id_ in police.ids()]
    assert len({*came}) == len(came)
    # What the child had said was sent is there; the one that it was sending when it was killed may be.
    assert {*noted} <= {*came}
    assert came == sorted(came)
    assert police.rejected == []
    assert len(noted) > kills
    for item in police.items:
        assert item.body == _body(int(item.id))
    await police.ferry.close()
    await bus.ferry.close()


def _noted(home: Path) -> list[int]:
    path = home / "sent.log"
    return [int(line) for line in path.read_text().split("\n")[:-1]] if path.exists() else []


def _until_it_writes(home: Path) -> None:
    before, deadline = len(_noted(home)), time.monotonic() + 30
    while len(_noted(home)) == before:
        assert time.monotonic() < deadline, "the sender does not begin"
        time.sleep(0.005)


def _body(number: int) -> bytes:
    return f"{number:09d}".encode() * 20_000


def _torn(state: Path) -> bool:
    """Whether a kill came in the middle of a batch: something half done lies where nobody outside sees it."""
    kept = [path.name for path in (state / "kept").iterdir()]
    alone = [name for name in kept if f"{name.rsplit('.', 1)[0]}.manifest" not in kept]
    return bool(alone) or any((state / "scratch").iterdir())


def _half(folder: Path) -> int:
    """Files that are visible and not whole, by what their manifests or they themselves say."""
    wrong = 0
    for path in folder.iterdir():
        if path.is_dir():
            continue
        body = path.read_bytes()
        if path.name.endswith(".manifest"):
            manifest = json.loads(body)
            wrong += any(
                hashlib.sha256((folder / entry["name"]).read_bytes()).hexdigest()
                != entry["digest"].removeprefix("sha-256:")
                for entry in manifest["files"]
                if (folder / entry["name"]).exists()
            )
        elif path.name[-4:].isdigit():
            wrong += body != body[:9] * 20_000
    return wrong
