"""The gateways' beat on the real engines: a gap in it is an outage, told once, in legal time."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.errors import KafkaUnavailable
from connectors.kafka.producer import Producer
from connectors.kafka.reader import read_all
from connectors.kafka.settings import KafkaSettings
from contracts.calendar import SHANGHAI
from contracts.outages import Outage
from contracts.topics import OUTAGES
from services.gateway.app import SCHEMA
from services.gateway.beat import OUTAGE, Beat
from services.kernel.service import Runtime
from tests.support.registered import runtime
from tests.support.serving import eventually

REAL = datetime(2026, 11, 5, 2, tzinfo=UTC)
LEGAL = datetime(2026, 11, 30, 9, tzinfo=SHANGHAI)
SECOND = timedelta(seconds=1)


@dataclass
class Legal:
    """Legal time, which stands where it was set."""

    now: datetime = LEGAL

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Rig:
    """A gateway's surroundings on a bus with a name of its own."""

    around: Runtime
    legal: Legal

    def beat(self) -> Beat:
        return Beat(self.around, lambda: True)

    async def told(self) -> list[Outage]:
        """The outages of this bus on Kafka."""
        found = await asyncio.to_thread(read_all, self.around.kafka, OUTAGES)
        outages = [Outage.from_bytes(record.value) for record in found if record.value is not None]
        return [outage for outage in outages if outage.bus == self.around.settings.bus]


@pytest.fixture
async def rig(kafka: KafkaSettings, database: str, tmp_path: Path, prefix: str) -> AsyncIterator[Rig]:
    async with runtime(kafka, database, tmp_path, [SCHEMA]) as around:
        legal = Legal()
        settings = around.settings.model_copy(update={"bus": prefix})
        yield Rig(replace(around, clock=legal, settings=settings), legal)


async def test_a_first_beat_ends_no_outage(rig: Rig) -> None:
    assert await rig.beat().beat(REAL) is None
    assert await rig.told() == []


async def test_beats_that_follow_one_another_tell_of_nothing(rig: Rig) -> None:
    beat = rig.beat()
    for number in range(4):
        rig.legal.now = LEGAL + timedelta(hours=number)
        assert await beat.beat(REAL + number * (OUTAGE - SECOND)) is None
    assert await rig.told() == []


async def test_a_gap_is_an_outage_from_the_last_beat_to_this_one_in_legal_time(rig: Rig) -> None:
    await rig.beat().beat(REAL)
    rig.legal.now = LEGAL + timedelta(hours=2)
    outage = await rig.beat().beat(REAL + OUTAGE)
    assert outage == Outage(bus=rig.around.settings.bus, service="gateway", begun=LEGAL, ended=rig.legal.now)
    assert await rig.told() == [outage]


async def test_an_outage_in_which_legal_time_stood_still_is_none(rig: Rig) -> None:
    await rig.beat().beat(REAL)
    assert await rig.beat().beat(REAL + 10 * OUTAGE) is None
    assert await rig.told() == []


async def test_of_many_gateways_one_tells_of_a_gap(rig: Rig) -> None:
    await rig.beat().beat(REAL)
    rig.legal.now = LEGAL + timedelta(hours=2)
    found = await asyncio.gather(*(rig.beat().beat(REAL + OUTAGE) for _ in range(4)))
    (outage,) = [item for item in found if item is not None]
    assert await rig.told() == [outage]


async def test_first_beats_at_once_are_one_row(rig: Rig) -> None:
    assert await asyncio.gather(*(rig.beat().beat(REAL) for _ in range(4))) == [None] * 4


async def test_a_gateway_that_takes_no_submissions_does_not_beat_and_one_that_does_again_tells(rig: Rig) -> None:
    able = False
    await rig.beat().beat(datetime.now(UTC) - 2 * OUTAGE)
    rig.legal.now = LEGAL + timedelta(hours=2)
    beat = Beat(rig.around, lambda: able)
    beat.start()
    try:
        assert await rig.told() == []
    finally:
        await beat.stop()
    able = True
    beat.start()
    try:
        await eventually(rig.told)
    finally:
        await beat.stop()
    (outage,) = await rig.told()
    assert (outage.begun, outage.ended) == (LEGAL, LEGAL + timedelta(hours=2))


async def test_an_outage_that_could_not_be_published_is_told_with_the_next_beat(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.beat().beat(REAL)
    rig.legal.now = LEGAL + timedelta(hours=2)

    async def away(*_: object, **__: object) -> None:
        raise KafkaUnavailable("away for now")

    with monkeypatch.context() as dying:
        dying.setattr(Producer, "send_all", away)
        with pytest.raises(KafkaUnavailable):
            await rig.beat().beat(REAL + OUTAGE)
    assert await rig.told() == []
    assert await rig.beat().beat(REAL + OUTAGE + SECOND) is None
    assert len(await rig.told()) == 1


async def test_a_gateway_whose_clock_is_behind_makes_no_outage(rig: Rig) -> None:
    beat = rig.beat()
    await beat.beat(REAL)
    rig.legal.now = LEGAL - 40 * SECOND
    assert await beat.beat(REAL - 40 * SECOND) is None
    rig.legal.now = LEGAL + SECOND
    assert await beat.beat(REAL + SECOND) is None
    assert await rig.told() == []
