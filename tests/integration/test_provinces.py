"""Leads to simulated cities in other provinces, by mailbox and by ferry."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors import process
from connectors.channel import (
    Channel,
    Confirmed,
    Opening,
    Parcel,
    PartnerAway,
    PartnerRefuses,
    Stated,
    open_channel,
)
from connectors.errors import SettingsError
from connectors.ferry.crossing import Pace
from connectors.ferry.gap import FAIR, Weather
from connectors.ferry.papers import Ends
from connectors.ferry.partner import FerryPartner, There
from connectors.identity import exchange_of
from connectors.provinces.simulator import CityDesk, MailboxCity, city_behind_gap
from connectors.simulation import Faults, Mode
from contracts import crosswalk
from contracts.canonical import Document
from events import lead
from tests.support.channels import MemoryFiles, opening
from tests.support.factory import BUS, TIME, example, key, new_exchange, world
from tests.support.parcels import in_exchange, parcel

CITY = "330400-cg"
TRACED = ("hf", "ytla", "jgtb")


@dataclass
class Reader:
    """Delivery's side of a channel."""

    channel: Channel
    cursor: str | None = None
    stated: list[Stated] = field(default_factory=list[Stated])
    confirmed: list[Confirmed] = field(default_factory=list[Confirmed])
    unreadable: list[str] = field(default_factory=list[str])

    async def collect(self) -> None:
        more = True
        while more:
            found = await self.channel.collect(self.cursor)
            self.stated += [item for item in found.arrivals if isinstance(item, Stated)]
            self.confirmed += [item for item in found.arrivals if isinstance(item, Confirmed)]
            self.unreadable += found.unreadable
            self.cursor, more = found.cursor, found.more

    async def insist(self, letter: Parcel | None = None) -> None:
        """Hand over and collect as delivery does: again, while the partner is away."""
        for _ in range(200):
            try:
                if letter is not None:
                    await self.channel.hand_over(letter)
                    letter = None
                await self.collect()
            except PartnerAway:
                continue
            return
        raise AssertionError("the partner never came back")

    def names(self, exchange: object) -> list[str]:
        return [*{item.id: item.fact.name() for item in self.stated if item.exchange == exchange}.values()]


def mailbox_opening(home: Path, shelf: MemoryFiles, url: str, **options: str) -> Opening:
    given: dict[str, Any] = {"way": "mailbox", **options}
    return opening(CITY, "provinces", url, shelf, keys=home, **given)


@asynccontextmanager
async def mailbox(
    home: Path, *, branch: tuple[str, ...] | None = TRACED, token: str | None = None, **options: str
) -> AsyncGenerator[tuple[MailboxCity, Reader, MemoryFiles]]:
    city = MailboxCity(Faults(3), agency=CITY, branch=branch, token=token, clock=lambda: TIME)
    await city.start()
    shelf = MemoryFiles()
    reader = Reader(open_channel(mailbox_opening(home, shelf, city.url, **options)))
    try:
        yield city, reader, shelf
    finally:
        await reader.channel.close()
        await city.stop()


def letter(shelf: MemoryFiles, *, exchange: str | None = None) -> Parcel:
    """A lead's letter with the crosswalk beside it; the shelf has its files."""
    opened: Any = in_exchange(example("lead.opened"), exchange)
    for number, file in enumerate((*opened["data"]["images"], *opened["data"]["attachments"])):
        file["digest"] = shelf.put(f"示例附件 {number}".encode())
    crossed = crosswalk.packaged().cross(opened, CITY, TIME.date())
    assert crossed is not None
    return parcel(CITY, opened, crosswalk=crossed.document())


# --- mailbox


async def test_a_lead_in_a_mailbox_is_delivered_opened_answered_and_its_result_told(tmp_path: Path) -> None:
    async with mailbox(tmp_path) as (city, reader, shelf):
        sent = letter(shelf)
        assert (await reader.channel.hand_over(sent)).stage == "delivered"
        assert len(city.files) == 3
        for _ in range(6):
            city.step()
            await reader.collect()
        assert reader.confirmed == [Confirmed(sent.id, "retrieved")]
        assert reader.names(sent.exchange) == ["receipted", "traced", "filed", "result_reported"]
        assert reader.unreadable == []
        await reader.collect()
        assert city.box == {}


@pytest.mark.parametrize(("branch", "end"), [(("wcm",), "not_found"), (("byxc",), "refused")])
async def test_other_answers(tmp_path: Path, branch: tuple[str, ...], end: str) -> None:
    async with mailbox(tmp_path, branch=branch) as (city, reader, shelf):
        sent = letter(shelf)
        await reader.channel.hand_over(sent)
        for _ in range(4):
            city.step()
        await reader.collect()
        assert reader.names(sent.exchange) == ["receipted", end]


async def test_the_same_letter_twice_is_one_letter(tmp_path: Path) -> None:
    async with mailbox(tmp_path) as (city, reader, shelf):
        sent = letter(shelf)
        await reader.channel.hand_over(sent)
        await reader.channel.hand_over(sent)
        assert len(city.desk.matters) == 1
        assert len(city.desk.matters[str(sent.exchange)].plan) == 5


async def test_a_reply_stays_in_the_box_until_the_next_look(tmp_path: Path) -> None:
    async with mailbox(tmp_path) as (city, reader, shelf):
        await reader.channel.hand_over(letter(shelf))
        city.step()
        for _ in range(2):
            assert len((await reader.channel.collect(None)).arrivals) == 1
        await reader.collect()
        assert len(city.box) == 1
        await reader.collect()
        assert city.box == {}


async def test_a_city_asks_us_and_ends_it_by_its_own_number(tmp_path: Path) -> None:
    async with mailbox(tmp_path) as (city, reader, _):
        city.desk.ask("嘉协2026-1", "310112-cg", city.now())
        city.desk.close("嘉协2026-1", city.now())
        city.post_tray()
        await reader.collect()
        exchange = exchange_of(CITY, "嘉协2026-1")
        assert reader.names(exchange) == ["opened", "closed"]
        assert reader.stated[0].case == "嘉协2026-1"
        assert isinstance(reader.stated[0].fact, lead.Opened)


async def test_an_attachment_of_theirs_is_fetched_piece_by_piece(tmp_path: Path) -> None:
    async with mailbox(tmp_path) as (city, reader, shelf):
        body = b"0123456789" * 1_000_000
        digest = MemoryFiles().put(body)
        city.files[digest] = body
        file: Document = {"mc": "装载记录", "zy": digest, "dx": len(body), "mtlx": "application/pdf"}
        row = {"mc": "装载记录", **{f"fj{name}": value for name, value in file.items()}}
        content: Document = {"zj": [row], "zjxl": "仅供参考", "yt": "协查", "yj": [{"flmc": "示例法", "tk": "第一条"}]}
        head: Document = {"bdlx": "zjyj", "wlbh": new_exchange(), "ywlx": "lead", "sj": city.now()}
        city.desk.write({**head, "nr": content}, CITY)
        city.post_tray()
        await reader.collect()
        assert isinstance(reader.stated[0].fact, lead.EvidenceShared)
        assert b"".join([piece async for piece in shelf.read(digest)]) == body
        row["fjzy"] = f"sha-256:{'0' * 64}"
        city.desk.write({**head, "nr": content}, CITY)
        city.post_tray()
        await reader.collect()
        assert len(reader.stated) == 1
        assert "left in the box" in reader.unreadable[0]
        await reader.collect()
        assert len(city.box) == 1


async def test_a_form_that_nobody_understands_is_left_with_them(tmp_path: Path) -> None:
    async with mailbox(tmp_path) as (city, reader, shelf):
        city.desk.write({"bdlx": "qita", "wlbh": new_exchange()}, CITY)
        await reader.channel.hand_over(letter(shelf))
        city.step()
        await reader.collect()
        await reader.collect()
        assert len(reader.confirmed) == 1
        assert len(reader.unreadable) == 1
        assert [form["bdlx"] for form in city.box.values()] == ["qita"]


@pytest.mark.parametrize(
    "mode", [Mode.BROKEN, Mode.BUSY, Mode.GARBAGE, Mode.DYING, Mode.OFF, Mode.REPEATING, Mode.DISORDERED, Mode.SLOW]
)
async def test_whatever_ails_the_mailbox_every_lead_is_answered_once_and_in_order(tmp_path: Path, mode: Mode) -> None:
    async with mailbox(tmp_path) as (city, reader, shelf):
        city.faults.set(mode, share=0.5, seconds=0.02)
        letters = [letter(shelf, exchange=new_exchange()) for _ in range(4)]
        for sent in letters:
            await reader.insist(sent)
        for _ in range(6):
            city.step()
            await reader.insist()
        await reader.insist()
        for sent in letters:
            assert reader.names(sent.exchange) == ["receipted", "traced", "filed", "result_reported"]
        assert len(city.desk.matters) == len(letters)
        assert reader.unreadable == []


async def test_a_mailbox_that_asks_for_a_token_gets_it(tmp_path: Path) -> None:
    (tmp_path / "city.token").write_text("invented\n", encoding="ascii")
    async with mailbox(tmp_path / "with", token="invented") as (city, stranger, shelf):
        with pytest.raises(PartnerAway, match="401"):
            await stranger.collect()
        knows = Reader(open_channel(mailbox_opening(tmp_path, shelf, city.url, token="city.token")))
        await knows.channel.hand_over(letter(shelf))
        await knows.collect()
        await knows.channel.close()
    with pytest.raises(SettingsError, match="token"):
        open_channel(mailbox_opening(tmp_path, MemoryFiles(), "http://127.0.0.1:1", token="none"))


async def test_a_missing_attachment_is_a_parcel_that_waits(tmp_path: Path) -> None:
    async with mailbox(tmp_path) as (city, reader, _):
        with pytest.raises(PartnerRefuses, match="attachment"):
            await reader.channel.hand_over(parcel(CITY, example("lead.opened")))
        assert city.desk.matters == {}


async def test_the_mailbox_as_a_process(tmp_path: Path) -> None:
    log = tmp_path / "city.log"
    argv = [sys.executable, "-m", "connectors.provinces.simulator", "--port", "0", "--seed", "7"]
    child = process.spawn(argv, log=log)
    async with asyncio.timeout(60):
        while not log.exists() or "\n" not in log.read_text():
            assert child.running, child.tail()
            await asyncio.sleep(0.05)
        shelf = MemoryFiles()
        reader = Reader(open_channel(mailbox_opening(tmp_path, shelf, log.read_text().split()[0])))
        sent = letter(shelf)
        await reader.channel.hand_over(sent)
        while len(reader.names(sent.exchange)) < 2:
            await reader.collect()
    assert reader.names(sent.exchange)[0] == "receipted"
    await reader.channel.close()
    assert child.terminate() == 0, child.tail()


# --- ferry


def folders(home: Path) -> tuple[Path, Path]:
    for name in ("outgoing", "incoming"):
        (home / name).mkdir(parents=True, exist_ok=True)
    return home / "outgoing", home / "incoming"


def ferry_opening(home: Path, shelf: MemoryFiles) -> Opening:
    outgoing, incoming = folders(home)
    options: dict[str, Any] = {
        "way": "ferry",
        "outgoing": str(outgoing),
        "incoming": str(incoming),
        "ask_after": 0,
        "resend_after": 0,
    }
    return opening(CITY, "provinces", files=shelf, **options)


def behind_gap(home: Path) -> FerryPartner[CityDesk]:
    outgoing, incoming = folders(home / "bus")
    there = There(
        home / "city",
        Ends(CITY, BUS),
        key(CITY),
        world().agencies,
        lambda: datetime(2026, 11, 6, 2, tzinfo=UTC),
        5,
        Pace(timedelta(), timedelta()),
    )
    return city_behind_gap(there, outgoing=outgoing, incoming=incoming, branch=TRACED)


async def test_leads_over_a_ferry_through_foul_weather(tmp_path: Path) -> None:
    shelf = MemoryFiles()
    reader = Reader(open_channel(ferry_opening(tmp_path / "bus", shelf)))
    city = behind_gap(tmp_path)
    city.set_weather(Weather(lose=0.3, cut=0.2, repeat=0.3, leave=0.4))
    letters = [letter(shelf, exchange=new_exchange()) for _ in range(5)]
    for sent in letters:
        assert (await reader.channel.hand_over(sent)).stage == "relayed"
        await city.step()
        await reader.collect()
    city.desk.ask("嘉协2026-2", "310112-cg", "2026-11-06T02:00:00.000000Z")
    for turn in range(40):
        if turn == 20:
            city.set_weather(FAIR)
        await city.step()
        await reader.collect()
    for sent in letters:
        assert reader.names(sent.exchange) == ["receipted", "traced", "filed", "result_reported"]
    assert reader.names(exchange_of(CITY, "嘉协2026-2")) == ["opened"]
    stages = [(item.parcel, item.stage) for item in reader.confirmed if item.stage == "delivered"]
    assert stages == [(sent.id, "delivered") for sent in letters]
    assert reader.unreadable == []
    await city.close()
    await reader.channel.close()


# --- options


@pytest.mark.parametrize(
    "options",
    [{}, {"way": "pigeon"}, {"way": "ferry"}, {"way": "mailbox", "token": "../key"}, {"way": "mailbox", "x": 1}],
)
async def test_options_that_mean_nothing_are_said(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        open_channel(opening(CITY, "provinces", "http://127.0.0.1:1", keys=tmp_path, **options))
