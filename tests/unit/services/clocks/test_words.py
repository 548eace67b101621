"""What the bus says of clocks, in exchanges played without engines; the registrar's rules judge each word."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import calendar
from contracts.calendar import SHANGHAI, Calendars
from contracts.clocks import ClockState, History
from contracts.records import Record
from events import common
from events.fact import Fact
from services.clocks.words import Law, Sheet, Timing, Word, sheet
from services.kernel.lifecycle import Registration
from tests.support.factory import BUS, world
from tests.support.play import MINHANG, POLICE, PROCURATORATE, QINGPU, Play

TIMING = Timing(grace=timedelta(minutes=1), tolerance=timedelta(minutes=5))
MONDAY = datetime(2026, 11, 2, 9, tzinfo=SHANGHAI)
DECEMBER = datetime(2026, 12, 28, 9, tzinfo=SHANGHAI)

ANNOUNCED = """
versions:
  - year: 2027
    version: 1
    announced: 2026-12-30
    source: SYN notice (invented)
    holidays:
      - {name: 元旦, from: 2027-01-01, to: 2027-01-03}
      - {name: 春节, from: 2027-01-04, to: 2027-01-06}
"""

REFERRED = (
    (MINHANG, "referral.reported", {"reported_at": MONDAY.isoformat()}),
    (MINHANG, "referral.approved", {"approved_at": MONDAY.isoformat()}),
)


def delivered(records: Collection[Record]) -> dict[tuple[int, str], datetime]:
    """Every copy arrives when it is recorded."""
    return {
        (record.sequence, code): datetime.fromisoformat(str(record.event["recordedtime"]))
        for record in records
        for code in record.standing.parties
    }


def page(play: Play, said: Collection[str] = ()) -> Sheet:
    records = [play.record(number) for number in range(1, len(play.log) + 1)]
    known = play.context.contracts
    law = Law(known.rules, known.calendars, TIMING)
    return sheet(records, History.of(records, delivered(records)), said, law)


def word(play: Play, fact: type[Fact], rule: str, said: Collection[str] = ()) -> Word:
    (found,) = [
        item for item in page(play, said).words if isinstance(item.fact, fact) and item.about.rule.id == rule
    ]
    return found


def go_to(play: Play, at: datetime) -> None:
    """Let time pass until then, less the minute that every fact takes."""
    play.wait(max(timedelta(), at - timedelta(minutes=1) - play.context.acceptedtime))


def say(play: Play, spoken: Word) -> Any:
    go_to(play, spoken.at)
    return play.submit(BUS, spoken.at_last(play.context.acceptedtime, TIMING), id_=spoken.id)


def now(play: Play) -> datetime:
    return play.context.acceptedtime


def state(play: Play, rule: str) -> ClockState:
    return next(item.state for item in page(play).clocks if item.rule.id == rule)


@pytest.fixture(scope="module")
def announced(tmp_path_factory: pytest.TempPathFactory) -> Calendars:
    file = tmp_path_factory.mktemp("calendar") / "2027.yaml"
    file.write_text(ANNOUNCED, encoding="utf-8")
    return calendar.load(None, file)


def know(play: Play, calendars: Calendars) -> None:
    play.context = replace(play.context, contracts=replace(play.context.contracts, calendars=calendars))


def test_a_duty_is_warned_of_and_then_expires() -> None:
    play = Play("referral", at=MONDAY).given(*REFERRED)
    due = play.clock("RX-03").due.instant
    assert due == datetime(2026, 11, 3, 10, tzinfo=SHANGHAI)
    warning, expiry = (word(play, fact, "RX-03") for fact in (common.ClockWarned, common.ClockExpired))
    assert (warning.at, expiry.at, expiry.time) == (due - timedelta(hours=6), due + TIMING.grace, due)
    assert isinstance(say(play, warning), Registration)
    assert isinstance(say(play, expiry), Registration)
    assert [item for item in page(play).words if item.about.rule.id == "RX-03"] == []
    assert state(play, "RX-03") is ClockState.RUNNING


def test_an_act_in_time_leaves_nothing_to_say() -> None:
    play = Play("transfer", at=MONDAY).given((MINHANG, "transfer.sent"), (QINGPU, "transfer.receipted"))
    assert state(play, "TR-01") is ClockState.MET
    assert {item.about.rule.id for item in page(play).words} == {"TR-02"}


def test_an_expiry_that_an_act_accepted_in_time_made_void_is_annulled() -> None:
    play = Play("referral", at=MONDAY).given(*REFERRED)
    due = play.clock("RX-03").due.instant
    expiry = word(play, common.ClockExpired, "RX-03")
    assert isinstance(say(play, expiry), Registration)
    play.context = replace(play.context, acceptedtime=due - timedelta(minutes=1))
    play.given((MINHANG, "referral.sent", {"approved_at": MONDAY.isoformat()}))
    annulment = word(play, common.ClockExpiryAnnulled, "RX-03", {expiry.id})
    assert annulment.fact == common.ClockExpiryAnnulled(
        expiry=3, act=4, reason="RX-03: #4 was accepted at 2026-11-03 24:00, in time"
    ) or annulment.fact.expiry == 3  # type: ignore[attr-defined]
    assert isinstance(say(play, annulment), Registration)
    assert page(play).words == () or all(item.about.rule.id != "RX-03" for item in page(play).words)
