"""Referrals to a simulated police organ on the other side of a gap, in fair weather and foul, and as a process."""

import asyncio
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors import process
from connectors.channel import Channel, Confirmed, Opening, Parcel, PartnerRefuses, Stated, open_channel
from connectors.errors import SettingsError
from connectors.ferry.crossing import Pace
from connectors.ferry.gap import FAIR, Weather
from connectors.ferry.papers import Ends
from connectors.ferry.partner import FerryPartner, There
from connectors.police.simulator import BRANCHES, PoliceDesk, police
from contracts import agencies
from contracts.canonical import Document
from tests.support.channels import MemoryFiles, opening
from tests.support.factory import BUS, example, key, new_exchange, overlay, world
from tests.support.parcels import in_exchange, parcel

POLICE = "310112-ga"
EAGER = {"ask_after": 0, "resend_after": 0}
FOUL = Weather(lose=0.3, cut=0.2, repeat=0.3, leave=0.4)


class Reader:
    """Delivery's side of a channel: keeps what came, with the cursor."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.cursor: str | None = None
        self.stated: list[Stated] = []
        self.confirmed: list[Confirmed] = []
        self.unreadable: list[str] = []

    async def collect(self) -> None:
        more = True
        while more:
            found = await self.channel.collect(self.cursor)
            self.stated += [item for item in found.arrivals if isinstance(item, Stated)]
            self.confirmed += [item for item in found.arrivals if isinstance(item, Confirmed)]
            self.unreadable += found.unreadable
            self.cursor, more = found.cursor, found.more

    def names(self, exchange: str) -> list[str]:
        """What was stated in an exchange, each event once."""
        return [*{item.id: item.fact.name() for item in self.stated if item.exchange == exchange}.values()]


def folders(home: Path) -> tuple[Path, Path]:
    for name in ("outgoing", "incoming"):
        (home / name).mkdir(parents=True, exist_ok=True)
    return home / "outgoing", home / "incoming"


def opened(home: Path, shelf: MemoryFiles, **options: Any) -> Opening:
    outgoing, incoming = folders(home)
    given: dict[str, Any] = {"outgoing": str(outgoing), "incoming": str(incoming), **EAGER, **options}
    return opening(POLICE, "police", files=shelf, **given)


def there(home: Path, *, seed: int = 0) -> There:
    return There(
        home,
        Ends(POLICE, BUS),
        key(POLICE),
        world().agencies,
        lambda: datetime(2026, 11, 13, 2, tzinfo=UTC),
        seed,
        Pace(timedelta(), timedelta()),
    )


def simulated(home: Path, *, seed: int = 0, branch: str | None = None) -> FerryPartner[PoliceDesk]:
    outgoing, incoming = folders(home / "bus")
    return police(there(home / "police", seed=seed), outgoing=outgoing, incoming=incoming, branch=branch)


def referral(shelf: MemoryFiles, exchange: str | None = None, *, number: int = 3) -> Parcel:
    """A letter whose attachments the shelf has."""
    sent = in_exchange(example("referral.sent"), exchange)
    data = sent["data"]
    assert isinstance(data, dict)
    dossier = data["dossier"]
    assert isinstance(dossier, dict)
    digest = shelf.put(f"示例材料 {number}".encode())
    for item in dossier.values():
        files = item.get("attachments", []) if isinstance(item, dict) else item
        assert isinstance(files, list)
        for file in files:
            assert isinstance(file, dict)
            file["digest"] = digest
    return parcel(POLICE, {**sent, "data": {**data, "number": f"闵城执刑移〔2026〕{number}号"}}, sequence=4)


def follows(found: Parcel, name: str, sequence: int, **data: str) -> Parcel:
    event = in_exchange(example(f"referral.{name}"), found.exchange)
    content = event["data"]
    assert isinstance(content, dict)
    bare: Document = {member: value for member, value in content.items() if member != "attachments"}
    return parcel(POLICE, {**event, "data": {**bare, **data}}, sequence=sequence)


async def turns(reader: Reader, partner: FerryPartner[PoliceDesk], times: int) -> None:
    for _ in range(times):
        await partner.step()
        await reader.collect()


async def test_a_referral_is_signed_for_filed_and_its_outcome_told(tmp_path: Path) -> None:
    shelf = MemoryFiles()
    reader = Reader(open_channel(opened(tmp_path / "bus", shelf)))
    partner = simulated(tmp_path, branch="lags")
    letter = referral(shelf)
    handed = await reader.channel.hand_over(letter)
    assert handed.stage == "relayed"
    await turns(reader, partner, 5)
    exchange = str(letter.exchange)
    assert reader.names(exchange) == ["receipted", "filed"]
    assert [item.stage for item in reader.confirmed] == ["delivered", "retrieved"]
    assert {item.parcel for item in reader.confirmed} == {letter.id}
    assert {item.kind for item in reader.stated} == {"referral"}
    assert reader.stated[0].reference == "A310112000001"
    assert len([*(tmp_path / "police" / "files" / "sha-256").glob("*/*")]) == 1
    await reader.channel.hand_over(follows(letter, "goods_handed_over", 7))
    await turns(reader, partner, 4)
    assert reader.names(exchange)[-1] == "outcome_reported"
    assert reader.unreadable == []
    await partner.close()
    await reader.channel.close()


@pytest.mark.parametrize(
    ("branch", "then", "end"),
    [
        ("bcqq", "supplemented", ["receipted", "supplement_requested", "filed"]),
        ("byla", "explanation_requested", ["receipted", "declined", "explained"]),
        ("zacf", None, ["receipted", "penalised"]),
        ("ysxz", None, ["receipted", "returned"]),
        ("zsga", None, ["receipted", "forwarded"]),
    ],
)
async def test_each_branch_of_their_decision(tmp_path: Path, branch: str, then: str | None, end: list[str]) -> None:
    shelf = MemoryFiles()
    reader = Reader(open_channel(opened(tmp_path / "bus", shelf)))
    partner = simulated(tmp_path, branch=branch)
    letter = referral(shelf)
    await reader.channel.hand_over(letter)
    await turns(reader, partner, 5)
    if then is not None:
        await reader.channel.hand_over(follows(letter, then, 7))
        await turns(reader, partner, 4)
    assert reader.names(str(letter.exchange)) == end
    await partner.close()
    await reader.channel.close()


async def test_through_foul_weather_and_restarts_every_case_is_told_once_and_in_order(tmp_path: Path) -> None:
    shelf = MemoryFiles()
    reader = Reader(open_channel(opened(tmp_path / "bus", shelf)))
    partner = simulated(tmp_path, seed=11)
    partner.set_weather(FOUL)
    letters = [referral(shelf, new_exchange(), number=number) for number in range(1, 13)]
    for count, letter in enumerate(letters):
        await reader.channel.hand_over(letter)
        if count % 4 == 3:
            await partner.close()
            partner = simulated(tmp_path, seed=11)
            partner.set_weather(FOUL)
            partner.closed = count == 7
        await turns(reader, partner, 2)
        partner.closed = False
    await turns(reader, partner, 30)
    partner.set_weather(FAIR)
    await turns(reader, partner, 20)
    delivered = [item.parcel for item in reader.confirmed if item.stage == "delivered"]
    assert delivered == [letter.id for letter in letters]
    first = {
        "lags": "filed",
        "bcqq": "supplement_requested",
        "byla": "declined",
        "zacf": "penalised",
        "ysxz": "returned",
    }
    stated = [reader.names(str(letter.exchange)) for letter in letters]
    assert all(names[0] == "receipted" and len(names) == 2 for names in stated)
    assert {names[1] for names in stated} <= {first[branch[0]] for branch in BRANCHES}
    assert len({item.id for item in reader.stated}) == len(reader.stated)
    assert len(partner.desk.cases) == len(letters)
    assert reader.unreadable == []
    await partner.close()
    await reader.channel.close()


async def test_days_off_delay_and_lose_nothing(tmp_path: Path) -> None:
    shelf = MemoryFiles()
    reader = Reader(open_channel(opened(tmp_path / "bus", shelf)))
    partner = simulated(tmp_path, branch="lags")
    partner.closed = True
    letter = referral(shelf)
    await reader.channel.hand_over(letter)
    await turns(reader, partner, 5)
    assert reader.confirmed == []
    partner.closed = False
    await turns(reader, partner, 6)
    assert reader.names(str(letter.exchange)) == ["receipted", "filed"]
    await partner.close()
    await reader.channel.close()


async def test_a_form_that_nobody_understands_is_set_aside_and_holds_nobody_up(tmp_path: Path) -> None:
    shelf = MemoryFiles()
    reader = Reader(open_channel(opened(tmp_path / "bus", shelf)))
    partner = simulated(tmp_path, branch="lags")
    partner.desk.write({"bdlx": "qita", "wlbh": new_exchange()}, POLICE)
    letter = referral(shelf)
    await reader.channel.hand_over(letter)
    await turns(reader, partner, 6)
    assert reader.names(str(letter.exchange)) == ["receipted", "filed"]
    (said,) = reader.unreadable
    assert "there is no form qita" in said
    assert len([*(tmp_path / "bus" / "incoming" / "rejected").glob("*.reason.txt")]) == 1
    await partner.close()
    await reader.channel.close()


async def test_a_letter_whose_attachment_is_not_there_yet_waits(tmp_path: Path) -> None:
    shelf = MemoryFiles()
    channel = open_channel(opened(tmp_path / "bus", shelf))
    letter = parcel(POLICE, example("referral.sent"), sequence=4)
    with pytest.raises(PartnerRefuses, match="attachment"):
        await channel.hand_over(letter)
    assert not [path for path in (tmp_path / "bus" / "outgoing").iterdir() if path.is_file()]
    await channel.close()


async def test_what_was_rejected_and_registered_is_told_to_them(tmp_path: Path) -> None:
    shelf = MemoryFiles()
    reader = Reader(open_channel(opened(tmp_path / "bus", shelf)))
    partner = simulated(tmp_path)
    refused: Document = {"kind": "rejection", "rejection": {"id": "x", "code": "not-allowed", "detail": "示例"}}
    stub: Document = {"kind": "stub", "stub": {"stub": True, "recordedtime": "2026-11-12T02:00:00Z"}}
    for number, item in enumerate((refused, stub), 1):
        await reader.channel.hand_over(Parcel(f"item-{number}", POLICE, item, b""))
    filed = parcel(POLICE, {**example("referral.filed"), "source": POLICE})
    await reader.channel.hand_over(filed)
    await turns(reader, partner, 2)
    assert partner.desk.sent_back == ["not-allowed: 示例"]
    assert partner.desk.registered == [example("referral.filed")["id"]]
    assert len([item for item in reader.confirmed if item.stage == "delivered"]) == 3
    await partner.close()
    await reader.channel.close()


def test_a_channel_without_folders_says_what_is_missing(tmp_path: Path) -> None:
    given = opened(tmp_path, MemoryFiles())
    bare = given.agency.model_copy(update={"channel": agencies.Channel(via="police")})
    with pytest.raises(SettingsError, match="outgoing"):
        open_channel(replace(given, agency=bare))


async def test_the_police_as_a_process(tmp_path: Path) -> None:
    shelf = MemoryFiles()
    reader = Reader(open_channel(opened(tmp_path / "bus", shelf)))
    outgoing, incoming = folders(tmp_path / "bus")
    pem = tmp_path / "police.pem"
    pem.write_bytes(key(POLICE).pem())
    argv = [sys.executable, "-m", "connectors.police.simulator", "--home", str(tmp_path / "police")]
    argv += ["--agency", POLICE, "--bus", BUS, "--kid", key(POLICE).kid, "--key", str(pem)]
    argv += ["--outgoing", str(outgoing), "--incoming", str(incoming), "--seed", "4", "--every", "0.05"]
    argv += ["--contracts", str(overlay(tmp_path / "contracts")), "--repeat", "0.5", "--leave", "0.3"]
    child = process.spawn(argv, log=tmp_path / "police.log")
    letter = referral(shelf)
    await reader.channel.hand_over(letter)
    async with asyncio.timeout(60):
        while len(reader.names(str(letter.exchange))) < 2:
            assert child.running, child.tail()
            await asyncio.sleep(0.05)
            await reader.collect()
    assert child.terminate() == 0, child.tail()
    assert reader.names(str(letter.exchange))[0] == "receipted"
    await reader.channel.close()
