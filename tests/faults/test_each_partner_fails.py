"""Each partner in turn is slow, away for days, answers garbage, or does the work and dies before it answers.

The others have everything at once meanwhile; the one that failed gets everything after it is well again: each copy once
as the partner sees it, and in the order of its exchange. The real clients, the partners' simulators over real sockets,
the real database; days pass in legal time.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.grid.simulator import GridSimulator
from connectors.hotline.simulator import HotlineSimulator
from connectors.housing.simulator import HousingSimulator
from connectors.kafka.settings import KafkaSettings
from connectors.provinces.simulator import MailboxCity
from connectors.simulation import Mode, Simulator
from connectors.webhook.simulator import Endpoint
from contracts.canonical import canonical
from contracts.codec import dump
from contracts.records import Record
from events.fact import Fact
from services.delivery.app import SCHEMA
from services.kernel.service import Runtime
from services.kernel.time import driven, set_driven
from tests.support.channels import MemoryFiles
from tests.support.factory import TIME, fact
from tests.support.partners import Delivering, delivering, set_channel
from tests.support.play import MINHANG, QINGPU, Play
from tests.support.registered import registered, runtime
from tests.support.serving import eventually

HOTLINE, GRID, TITLES, JIAXING, TEAM = "310000-rx", "310112-cyzx", "310112-bdc", "330400-cg", "310112102-cg"
DAY = timedelta(days=1)
FAULTS = (Mode.SLOW, Mode.OFF, Mode.GARBAGE, Mode.DYING, Mode.BUSY)
FILES = MemoryFiles()


@dataclass
class Partner:
    """A partner: its simulator, how to make traffic for it, and which parcels it has, in the order they came."""

    agency: str
    via: str
    simulator: Simulator
    play: Callable[[], tuple[Play, str | None]]
    had: Callable[[], Sequence[str]]
    path: str = ""
    options: dict[str, Any] | None = None


def with_files(stated: Fact) -> Fact:
    """The fact with files that there are: small ones, of the name that each attachment has."""
    return type(stated).model_validate_json(canonical(_cited(dump(stated))))


def _cited(value: Any) -> Any:
    if isinstance(value, dict):
        found = {name: _cited(item) for name, item in value.items()}
        if {"digest", "size", "title"} <= found.keys():
            content = f"示例文件: {found['title']}".encode()
            found |= {"digest": FILES.put(content), "size": len(content)}
        return found
    return [_cited(item) for item in value] if isinstance(value, list) else value


def chased(kind: str, source: str, opening: str, **members: Any) -> Callable[[], tuple[Play, str | None]]:
    """An exchange that the source opens and twice asks about."""

    def play() -> tuple[Play, str | None]:
        found = Play(kind)
        found.submit(source, with_files(fact(opening, **members)))
        assert found.log, f"{opening} is not registered"
        return found.given((source, "common.chased"), (source, "common.chased")), None

    return play


def a_call(hotline: HotlineSimulator) -> Callable[[], tuple[Play, str | None]]:
    """An order of the hotline's, which it asks about; who has it takes it and has it done."""

    def play() -> tuple[Play, str | None]:
        number = hotline.open("派单").number
        found = Play("workorder")
        found.submit(HOTLINE, with_files(fact("workorder.dispatched", recipient=TEAM, number=number)))
        assert found.log, "the order is not registered"
        found.submit(TEAM, with_files(fact("workorder.accepted")))
        found.submit(TEAM, with_files(fact("workorder.done")))
        assert len(found.log) == 3
        return found, number

    return play


@pytest.fixture
async def partners() -> AsyncIterator[list[Partner]]:
    grid, hotline, titles, city, webhook = (
        GridSimulator(),
        HotlineSimulator(),
        HousingSimulator(),
        MailboxCity(agency=JIAXING),
        Endpoint(),
    )
    found = [
        Partner(
            GRID,
            "grid",
            grid,
            chased("workorder", TEAM, "workorder.dispatched", recipient=GRID, channel="grid", limit="none", do_by=None),
            lambda: [item for case in grid.desk.cases.values() for item in _by(case.history)],
        ),
        Partner(HOTLINE, "hotline", hotline, a_call(hotline), lambda: _keys(hotline)),
        Partner(
            TITLES, "housing", titles, chased("annotation", MINHANG, "annotation.requested"), lambda: _keys(titles)
        ),
        Partner(
            JIAXING,
            "provinces",
            city,
            chased("lead", MINHANG, "lead.opened", recipients=(JIAXING,)),
            lambda: [*city.desk.seen],
            options={"way": "mailbox"},
        ),
        Partner(
            QINGPU,
            "webhook",
            webhook,
            chased("transfer", MINHANG, "transfer.sent"),
            lambda: [*webhook.taken],
            path="/hook",
        ),
    ]
    for partner in found:
        await partner.simulator.start()
    yield found
    for partner in found:
        await partner.simulator.stop()


def _by(history: Sequence[Any]) -> list[str]:
    return [str(step["byExternalId"]) for step in history if step["byExternalId"]]


def _keys(simulator: HotlineSimulator | HousingSimulator) -> list[str]:
    return [str(letter["key"]) for thread in simulator.threads.values() for letter in thread.letters]


@pytest.fixture
async def around(kafka: KafkaSettings, database: str, tmp_path: Path) -> AsyncIterator[Runtime]:
    set_driven(tmp_path / "legal-time", TIME)
    async with runtime(kafka, database, tmp_path, [SCHEMA]) as found:
        yield replace(found, clock=driven(tmp_path / "legal-time"))


@dataclass
class Sent:
    """What was sent to a partner: its copies, as (exchange, sequence), by the id under which they are handed over."""

    partner: Partner
    delivery: Delivering
    exchanges: list[str]

    async def had(self) -> dict[str, list[int]]:
        """What the partner has of each exchange, in the order it came; what it stated itself does not go to it."""
        known = {str(item["cursor"]): _named(item) for item in await self.delivery.items(self.partner.agency)}
        found: dict[str, list[int]] = {exchange: [] for exchange in self.exchanges}
        for token in self.partner.had():
            # A case that we open bears the id of the exchange, and is its first copy.
            exchange, sequence = known.get(token, (token, 1))
            if exchange in found:
                found[exchange].append(sequence)
        return found

    async def complete(self) -> bool:
        found = await self.had()
        return all(len(sequences) >= len(_expected(self.partner)) for sequences in found.values())


def _named(item: dict[str, Any]) -> tuple[str, int]:
    event = item.get("event") or item["stub"]
    return event["exchange"], event["sequence"]


def _expected(partner: Partner) -> list[int]:
    return [2, 3] if partner.agency == HOTLINE else [1, 2, 3]


async def send(delivery: Delivering, partner: Partner, count: int = 2) -> Sent:
    exchanges: list[str] = []
    for _ in range(count):
        play, number = partner.play()
        records: list[Record] = registered(play)
        if number is not None:
            async with delivery.around.pool.connection() as connection:
                key = (play.kind, records[0].exchange)
                await delivery.queue.number(connection, partner.agency, {key: number})
        await delivery.take_in(*records)
        exchanges.append(records[0].exchange)
    return Sent(partner, delivery, exchanges)


async def open_channels(around: Runtime, partners: Sequence[Partner]) -> None:
    for partner in partners:
        await set_channel(
            around,
            partner.agency,
            via=partner.via,
            url=partner.simulator.url + partner.path,
            signs_for=True,
            timeout=timedelta(seconds=1),
            longest_pause=DAY / 2,
            options=partner.options or {},
        )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", FAULTS)
async def test_it_alone_waits_and_has_everything_once_in_the_end(
    around: Runtime, partners: list[Partner], tmp_path: Path, mode: Mode
) -> None:
    await open_channels(around, partners)
    async with delivering(around, FILES) as delivery:
        for failing in partners:
            # A webhook's confirmation is any 2xx: garbage with 200 is one, by the specification.
            if mode is Mode.GARBAGE and failing.via == "webhook":
                continue
            failing.simulator.faults.set(mode, seconds=5)
            sent = [await send(delivery, partner) for partner in partners]
            # Legal time stands still: whoever is well has everything now.
            for item in sent:
                if item.partner is not failing:
                    await eventually(item.complete)
            await eventually(lambda: has_failed(delivery, failing))  # noqa: B023
            failing.simulator.faults.set(Mode.WELL)
            set_driven(tmp_path / "legal-time", around.clock() + 2 * DAY)
            await eventually(lambda: delivery.rests(tmp_path / "legal-time"))
            for item in sent:
                assert await item.had() == {exchange: _expected(item.partner) for exchange in item.exchanges}


async def has_failed(delivery: Delivering, partner: Partner) -> bool:
    return any(stage == "failed" for stage, _, _ in await delivery.said(partner.agency))
