"""Two complete buses: a transfer between 闵行 and 青浦, the link cut for a week in its midst, both used meanwhile."""

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self

import psycopg
import pytest
from aiohttp import ClientSession

from connectors.http.client import AgencyClient, Answer, new_event, new_id
from connectors.http.files import content_in
from contracts.canonical import parse_object
from contracts.codec import require_author
from contracts.library import load
from contracts.mirrors import require_mirrored
from contracts.records import Record
from contracts.signatures import verify_seal
from services.cli import delivery
from services.cli.agencies import agency_key
from services.cli.driver import Driver
from services.cli.stack import REGISTRARS, Stack
from tests.support.attachments import attachment
from tests.support.factory import CASE, fact, key
from tests.support.federation import MINHANG_BUS, QINGPU_BUS
from tests.support.linked import Drivers, Link, linked
from tests.support.play import MINHANG, QINGPU, XUHUI
from tests.support.told import at

pytestmark = pytest.mark.timeout(900)

DELIVERY: Final = "delivery+files"
BUSES: Final = (MINHANG_BUS, QINGPU_BUS)
PHOTO: Final = content_in(b"a photograph" * 100_000)
HOSTED: Final = {MINHANG: MINHANG_BUS, QINGPU: QINGPU_BUS}


@pytest.fixture(scope="module")
def link(scratch: Path) -> Iterator[Link]:
    with linked(scratch / "linked", at(16, 8)) as found:
        yield found


class Ends:
    """Both agencies, each at its own bus and, to look, at the other's."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._opened = AsyncExitStack()
        self.at: dict[tuple[str, str], AgencyClient] = {}

    async def __aenter__(self) -> Self:
        for agency in (MINHANG, QINGPU):
            for bus, stack in zip(BUSES, (self._link.minhang, self._link.qingpu), strict=True):
                client = AgencyClient(stack.url, key(agency), bus)
                self.at[agency, bus] = await self._opened.enter_async_context(client)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    async def state(
        self, source: str, name: str, exchange: str, when: datetime, wait: int = 30, **members: Any
    ) -> Answer:
        """State a fact on the source's own bus."""
        bus = HOSTED[source]
        opens = name == "transfer.sent"
        event = new_event(
            key(source),
            fact(name, None, **members),
            exchange=exchange,
            kind="transfer",
            case=CASE if opens else None,
            home=bus if opens else None,
            time=when,
        )
        return await self.at[source, bus].submit_surely(event, wait=wait)

    async def timeline(self, reader: str, bus: str, exchange: str) -> dict[str, Any]:
        answer = await self.at[reader, bus].timeline(exchange=exchange)
        return answer.json if answer.status == 200 else {"entries": [], "clocks": []}

    async def inbox(self, agency: str) -> list[dict[str, Any]]:
        """All that lies in the agency's inbox, at its own bus."""
        client = self.at[agency, HOSTED[agency]]
        items, cursor = [], None
        while True:
            page = (await client.inbox(after=cursor)).json
            items += page["items"]
            if not page["more"]:
                return items
            cursor = page["cursor"]

    async def notes(self, service: str) -> list[str]:
        """What a service of 闵行's bus says of its links."""
        url = f"http://127.0.0.1:{self._link.minhang.ports[service]}/readyz"
        async with ClientSession() as session, session.get(url) as answer:
            ready = await answer.json()
        assert ready["ready"], "that another bus is away makes nothing unready"
        return list(ready.get("notes", []))

    async def length(self, reader: str, bus: str, exchange: str, entries: int) -> dict[str, Any]:
        """The timeline, as soon as it has so many entries."""
        found: dict[str, Any] = await eventually(
            lambda: self.timeline(reader, bus, exchange), lambda found: len(found["entries"]) == entries
        )
        return found


async def eventually(look: Callable[[], Any], enough: Callable[[Any], bool], seconds: float = 60) -> Any:
    ends = time.monotonic() + seconds
    while True:
        found = await look()
        if enough(found):
            return found
        assert time.monotonic() < ends, f"not within {seconds} s: {str(found)[:2000]}"
        await asyncio.sleep(0.2)


def essence(timeline: dict[str, Any]) -> Any:
    """What both sides must tell alike: how it stands, its clocks, every entry with its receipt, the parties' stages."""
    entries = [
        {
            **{name: value for name, value in entry.items() if name != "deliveries"},
            "deliveries": sorted(
                (copy["agency"], copy["stage"], copy["attempt"], copy["time"])
                for copy in entry["deliveries"]
                if copy["agency"] not in BUSES
            ),
        }
        for entry in timeline["entries"]
    ]
    left_out = {"entries", "delay", "links"}
    return {**{name: value for name, value in timeline.items() if name not in left_out}, "entries": entries}


def differences(one: Any, other: Any, where: str = "") -> list[str]:
    """Where two documents differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = sorted({*one, *other})
        return [item for name in names for item in differences(one.get(name), other.get(name), f"{where}/{name}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [item for place, pair in pairs for item in differences(*pair, f"{where}/{place}")]
    return [] if one == other else [f"{where}: {one!r} or {other!r}"]


def registered(stack: Stack) -> list[Record]:
    with psycopg.connect(stack.postgres) as connection:
        rows = connection.execute("SELECT record FROM transfers.events ORDER BY kind, exchange, sequence").fetchall()
    return [Record.from_bytes(row[0]) for row in rows]


class Week:
    """The story. `ours`, `late` and `lapsed` are kept by 闵行's bus, `theirs` and `later` by 青浦's."""

    def __init__(self, link: Link, ends: Ends, drivers: Drivers) -> None:
        self._link = link
        self._ends = ends
        self._drivers = drivers
        self.ours, self.theirs, self.late, self.later, self.lapsed = (new_id() for _ in range(5))
        self.facts = {
            self.ours: ["sent", "receipted", "chased", "clock_warned", "accepted"],
            self.theirs: ["sent", "receipted", "clock_warned", "accepted"],
            self.late: ["sent"],
            self.later: ["sent"],
            self.lapsed: ["sent", "receipted", "clock_warned", "clock_expired"],
        }

    async def begin(self) -> None:
        """The link holds: opened here, receipted there, and the other way round."""
        ends, ours, theirs, lapsed = self._ends, self.ours, self.theirs, self.lapsed
        await self._drivers.advance(at(16, 9))
        for source, recipient, exchange in (
            (MINHANG, QINGPU, ours),
            (QINGPU, MINHANG, theirs),
            (MINHANG, QINGPU, lapsed),
        ):
            assert (await ends.state(source, "transfer.sent", exchange, at(16, 9), recipient=recipient)).status == 201
            await ends.length(recipient, HOSTED[recipient], exchange, 1)
        await self._drivers.advance(at(16, 10))
        for source, exchange in ((QINGPU, ours), (MINHANG, theirs), (QINGPU, lapsed)):
            answer = await ends.state(source, "transfer.receipted", exchange, at(16, 10))
            home = QINGPU_BUS if exchange == theirs else MINHANG_BUS
            assert (answer.status, answer.json["bus"], answer.json["sequence"]) == (201, home, 2)
            assert verify_seal(answer.json, load(self._link.qingpu.contracts).agencies, at(16, 10)) == home
            await ends.length(source, HOSTED[source], exchange, 2)
        await self._drivers.quiet()

    async def without(self) -> Answer:
        """It is cut. What each side states is taken by its own bus, and what that decides is decided."""
        ends, ours, theirs, late, later = self._ends, self.ours, self.theirs, self.late, self.later
        self._link.cut()
        await self._drivers.advance(at(17, 9))
        accepted = await ends.state(QINGPU, "transfer.accepted", ours, at(17, 9), wait=0)
        assert accepted.status == 202
        assert (await ends.state(MINHANG, "transfer.accepted", theirs, at(17, 9), wait=0)).status == 202
        assert (await ends.state(MINHANG, "common.chased", ours, at(17, 9))).status == 201
        await self._drivers.advance(at(17, 10))
        for source, exchange, recipient in (
            (MINHANG, late, QINGPU),
            (QINGPU, later, MINHANG),
            (MINHANG, new_id(), XUHUI),
        ):
            members: dict[str, Any] = {"recipient": recipient}
            if exchange == late:
                members["attachments"] = [attachment(PHOTO.digest, PHOTO.size)]
            answer = await ends.state(source, "transfer.sent", exchange, at(17, 10), **members)
            assert answer.status == 201
        await ends.at[MINHANG, MINHANG_BUS].upload(PHOTO)
        assert (await ends.state(QINGPU, "transfer.returned", new_id(), at(17, 10))).code == "exchange-unknown"
        await self._drivers.advance(at(24, 9))
        assert (await ends.timeline(QINGPU, QINGPU_BUS, late))["entries"] == []
        assert [entry["sequence"] for entry in (await ends.timeline(QINGPU, QINGPU_BUS, ours))["entries"]] == [1, 2]
        return accepted

    async def undetermined(self) -> None:
        """What 青浦 may have done by the due instant is not known at 闵行's bus, so nothing is said of it."""
        for exchange in (self.ours, self.lapsed):
            told = await self._ends.timeline(MINHANG, MINHANG_BUS, exchange)
            (clock,) = (item for item in told["clocks"] if item["rule"] == "TR-02")
            assert (clock.get("undetermined"), clock["overdue"], clock["expired"]) == (True, False, None)
        for service in ("delivery", "audit"):
            assert any(QINGPU_BUS in note for note in await self._ends.notes(service))

    async def mend(self) -> None:
        """It is mended; who hands over and who takes is killed while they do."""
        self._link.mend()
        # The operators know that it is, and do not wait for the next attempt.
        for stack, peer in ((self._link.minhang, QINGPU_BUS), (self._link.qingpu, MINHANG_BUS)):
            bus_key = agency_key(stack.bus, stack.keys)
            await delivery.act(stack.url, bus_key, "resume", {"agency": peer})
        await self._ends.length(QINGPU, QINGPU_BUS, self.late, 1)
        for stack, names in (
            (self._link.minhang, (DELIVERY,)),
            (self._link.qingpu, (DELIVERY, REGISTRARS, "gateway")),
        ):
            for name in names:
                stack.children[name].send(signal.SIGKILL)
            await asyncio.to_thread(stack.wait_ready)
        # What met nobody is tried again when legal time has come so far.
        await self._drivers.advance(at(24, 10))
        for exchange, facts in self.facts.items():
            for reader, bus in HOSTED.items():
                told = await self._ends.length(reader, bus, exchange, len(facts))
                assert [entry["type"].split(".")[3] for entry in told["entries"]] == facts
        await self._drivers.quiet()

    async def same(self) -> None:
        """Both tell the same to who is hosted by the mirror; to others only the home tells anything."""
        for exchange in self.facts:
            for reader in (MINHANG, QINGPU):
                mirror = MINHANG_BUS if exchange in {self.theirs, self.later} else QINGPU_BUS
                if HOSTED[reader] != mirror:
                    assert (await self._ends.at[reader, mirror].timeline(exchange=exchange)).status == 404
                    continue

                async def both(reader: str = reader, exchange: str = exchange) -> list[str]:
                    told = [essence(await self._ends.timeline(reader, bus, exchange)) for bus in BUSES]
                    return differences(*told)

                await eventually(both, lambda found: not found)

    async def refused(self) -> None:
        """A refusal comes back, too: as the answer, and to the inbox."""
        again = await self._ends.state(QINGPU, "transfer.receipted", self.ours, at(24, 9))
        assert (again.status, again.code) == (409, "illegal-move")
        assert again.json["rejection"]["bus"] == MINHANG_BUS
        await eventually(
            lambda: self._ends.inbox(QINGPU), lambda items: [item["kind"] for item in items].count("rejection") == 2
        )

    async def inboxes(self) -> None:
        """Each copy lies in its inbox once, what it cites is there; and what 青浦 takes out of its own, 闵行 knows."""
        for agency in (MINHANG, QINGPU):
            items = await self._ends.inbox(agency)
            places = [(item["event"]["exchange"], item["event"]["sequence"]) for item in items if "event" in item]
            assert len(places) == len(set(places))
            assert {exchange for exchange, _ in places} >= self.facts.keys()
        qingpu = self._ends.at[QINGPU, QINGPU_BUS]
        await eventually(lambda: qingpu.get(f"/v1/files/{PHOTO.digest}"), brought)
        await qingpu.ack((await qingpu.inbox()).json["cursor"])
        await eventually(lambda: self._ends.timeline(MINHANG, MINHANG_BUS, self.ours), retrieved)
        await self._drivers.quiet()


def brought(answer: Answer) -> bool:
    """Whether this is what 闵行 has brought to its own bus."""
    return answer.status == 200 and answer.body == b"a photograph" * 100_000


def retrieved(told: dict[str, Any]) -> bool:
    """Whether 青浦 has retrieved what it was chased with."""
    return (QINGPU, "retrieved") in [(copy["agency"], copy["stage"]) for copy in told["entries"][2]["deliveries"]]


async def test_a_week_without_the_link(link: Link) -> None:
    async with (
        Ends(link) as ends,
        Driver.start(link.minhang) as minhang,
        Driver.start(link.qingpu) as qingpu,
    ):
        week = Week(link, ends, Drivers(minhang, qingpu))
        await week.begin()
        accepted = await week.without()
        await week.undetermined()
        await week.mend()
        answer = await ends.at[QINGPU, QINGPU_BUS].submission(str(accepted.json["id"]))
        assert answer.json["state"] == "receipt"
        assert answer.json["outcome"]["acceptedtime"] == accepted.json["acceptedtime"], "by its own bus's slip"
        await week.same()
        await week.refused()
        await week.inboxes()
        _no_loss_and_no_doubles(link)


def _no_loss_and_no_doubles(link: Link) -> None:
    """Each side has each record of what is shared once, byte for byte the same to its author, and verifies it."""
    stacks = dict(zip(BUSES, (link.minhang, link.qingpu), strict=True))
    found = {bus: registered(stack) for bus, stack in stacks.items()}
    agencies = {bus: load(stack.contracts).agencies for bus, stack in stacks.items()}
    for bus, records in found.items():
        places = [(record.exchange, record.sequence) for record in records]
        assert len(places) == len(set(places))
        for record in records:
            require_mirrored(record, agencies[bus], record.standing.home)
            require_author(record.event, agencies[bus], datetime.fromisoformat(str(record.acceptedtime)))
    receipts = [{(record.exchange, record.sequence): record.receipt for record in found[bus]} for bus in BUSES]
    shared = receipts[0].keys() & receipts[1].keys()
    assert all(receipts[0][place] == receipts[1][place] for place in shared)
    assert len(shared) == 15
    stated = [(record.source, record.event["id"]) for record in found[MINHANG_BUS]]
    assert len(stated) == len(set(stated))
    with psycopg.connect(link.minhang.postgres) as connection:
        witnesses = [row[0] for row in connection.execute("SELECT proof FROM delivery.witnesses").fetchall()]
    assert all(witnesses)
    for witness in witnesses:
        assert verify_seal(parse_object(bytes(witness)), agencies[MINHANG_BUS], at(24, 9)) == QINGPU_BUS
