"""A mirror tells its parties what the home tells them, byte for byte, in whatever kind and however much is withheld."""

from datetime import timedelta

import pytest

from contracts.canonical import Document, canonical
from contracts.clocks import History, clocks
from contracts.deliveries import StageReached
from contracts.kinds import packaged
from contracts.mirrors import mirrored, require_mirrored
from contracts.records import Record
from services.audit.delay import delivered
from services.audit.figures import figures
from services.audit.links import stated
from services.audit.timeline import exchange_timeline
from tests.support.factory import BUS, TIME, key, world
from tests.support.play import Play, reached
from tests.support.registered import registered

KINDS = sorted(packaged().by_name)
NOW = TIME + timedelta(days=90)
WORLD = world()


def stages(records: list[Record]) -> list[StageReached]:
    """Every copy is delivered when its event is recorded."""
    return [
        StageReached(
            bus=BUS,
            kind=record.kind,
            exchange=record.exchange,
            sequence=record.sequence,
            recipient=code,
            stage="delivered",
            time=record.event["recordedtime"],  # type: ignore[arg-type]
        )
        for record in records
        for code in sorted(record.standing.parties)
    ]


def told(records: list[Record], reader: str) -> Document:
    law, days = WORLD.rules, WORLD.calendars
    return exchange_timeline(records, stages(records), [], reader, WORLD.agencies, now=NOW, rules=law, calendars=days)


def own_clocks(there: Document, here: Document) -> Document:
    """The mirror's timeline with only those clocks that the home tells of.

    Where addressees learn nothing of each other, one clock of the sender may be about several of them at once. The home
    does not tell of it; a mirror, which knows of one addressee only, counts it as about that one.
    """
    known = here["clocks"]
    assert isinstance(known, list)
    clocks_ = [item for item in there["clocks"] if item in known]  # type: ignore[union-attr]
    return {**there, "clocks": clocks_, "running": here["running"]}


def plays(kind: str) -> list[Play]:
    """The longest ways through a kind: what can be said in it comes in one of them."""
    played = [play for play in reached(kind).values() if play.log]
    return sorted(played, key=lambda play: len(play.log))[-4:]


@pytest.mark.parametrize("kind", KINDS)
def test_the_mirror_of_each_party_tells_it_what_the_home_tells_it(kind: str) -> None:
    for play in plays(kind):
        records = registered(play)
        newest = records[-1].standing
        for reader in sorted(newest.parties):
            mirror = [mirrored(record, newest, [reader], key(BUS)) for record in records]
            for record in mirror:
                require_mirrored(record, WORLD.agencies, BUS)
                assert Record.from_bytes(record.to_bytes()) == record
                assert record.stub().get("stub")
            there, here = told(mirror, reader), told(records, reader)
            if play.lifecycle.apart:
                there = own_clocks(there, here)
            assert canonical(there) == canonical(here), f"{reader} in {kind} {play.state.status}"


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_withheld_can_be_counted(kind: str) -> None:
    for play in plays(kind):
        records = registered(play)
        newest = records[-1].standing
        for reader in sorted(newest.parties):
            mirror = [mirrored(record, newest, [reader], key(BUS)) for record in records]
            found = figures(mirror, stages(mirror), [], WORLD.rules, WORLD.calendars)
            assert found.opener == records[0].source
            assert found.status == mirror[-1].standing.status
            assert [act.sequence for act in found.acts] == [item.sequence for item in mirror if not item.stubbed]
            assert list(clocks(History.of(mirror, delivered(stages(mirror))), WORLD.rules, WORLD.calendars)) is not None
            assert all(list(stated(record)) is not None for record in mirror)
