"""An exchange of five weeks with its clocks, deliveries and delay, as a party reads it; made without engines.

told = referral()
timeline(told, POLICE)           the timeline of one exchange for a party
case([told, transfer()], CITY)   that of a case
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from contracts.calendar import SHANGHAI
from contracts.calendar import packaged as calendars
from contracts.canonical import Document
from contracts.clocks import History, running
from contracts.deliveries import StageReached
from contracts.records import Record
from contracts.rules import packaged as rules
from services.audit.timeline import case_timeline, exchange_timeline
from tests.support.factory import BUS, CASE, world
from tests.support.play import MINHANG, POLICE, PROCURATORATE, QINGPU, Play
from tests.support.registered import registered

_COMMON = frozenset({"clock_warned", "clock_expired", "chased", "corrected"})

NOW = datetime(2026, 12, 15, 9, tzinfo=SHANGHAI)


@dataclass(frozen=True, slots=True)
class Told:
    """The records of an exchange and the stages of their copies."""

    records: tuple[Record, ...]
    stages: tuple[StageReached, ...]


def timeline(told: Told, reader: str = MINHANG, now: datetime = NOW) -> Document:
    """The timeline of the exchange for one of its parties."""
    law, days = rules(), calendars()
    return exchange_timeline(
        told.records, told.stages, [], reader, world().agencies, now=now, rules=law, calendars=days
    )


def case(all_told: Sequence[Told], reader: str = MINHANG, now: datetime = NOW) -> Document:
    """The timeline of these exchanges as one case."""
    exchanges = [(told.records, told.stages) for told in all_told]
    law, days = rules(), calendars()
    return case_timeline(CASE, exchanges, [], reader, world().agencies, now=now, rules=law, calendars=days)


@cache
def referral() -> Told:
    """A referral that the police decline and the procuratorate orders to be filed; some duties are done late."""
    return _told(
        "referral",
        (at(5, 10), MINHANG, "reported", {"reported_at": _text(at(5, 9, 40))}),
        (at(6, 15), MINHANG, "approved", {"approved_at": _text(at(6, 14, 30))}),
        (at(7, 9), BUS, "clock_warned", {"rule": "RX-03"}),
        (at(7, 15, 1), BUS, "clock_expired", {"rule": "RX-03"}),
        (at(7, 20), MINHANG, "sent", {"approved_at": _text(at(6, 14, 30))}),
        (at(9, 16), POLICE, "receipted", {}),
        (at(11, 11), POLICE, "supplement_requested", {}),
        (at(17, 9, 20), MINHANG, "supplemented", {}),
        (at(19, 17), POLICE, "declined", {}),
        (at(20, 16), MINHANG, "reconsideration_requested", {}),
        (at(25, 10), POLICE, "reconsideration_upheld", {}),
        (at(26, 9), MINHANG, "oversight_suggested", {}),
        (at(27, 14), PROCURATORATE, "explanation_requested", {}),
        (at(33, 10), MINHANG, "chased", {}),
        (at(34, 15), POLICE, "explained", {}),
        (at(36, 10), PROCURATORATE, "filing_ordered", {}),
        (at(38, 11), POLICE, "filed", {}),
        (at(38, 11, 5), POLICE, "corrected", {"corrects": 17}),
    )


@cache
def transfer() -> Told:
    """A transfer that was accepted and waits for its decision."""
    return _told(
        "transfer",
        (at(6, 9), MINHANG, "sent", {}),
        (at(6, 11), QINGPU, "receipted", {}),
        (at(13, 15), QINGPU, "accepted", {}),
        (at(30, 10), QINGPU, "filed", {"filed_on": at(29, 0).date().isoformat()}),
    )


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """An instant in Shanghai, by the day counted from 31 October 2026."""
    return datetime(2026, 11, 1, tzinfo=SHANGHAI) + timedelta(days=day - 1, hours=hour, minutes=minute)


def _told(kind: str, *facts: tuple[datetime, str, str, dict[str, Any]]) -> Told:
    play = Play(kind, at=facts[0][0] - timedelta(minutes=1))
    for when, source, name, members in facts:
        play.wait(when - play.context.acceptedtime - timedelta(minutes=1))
        spoken = f"{'common' if name in _COMMON else kind}.{name}"
        about = _clock(play, members["rule"]) if source == BUS else members
        play.given((source, spoken, {"by": {"time": when - timedelta(minutes=20)}, **about}))
    records = tuple(registered(play))
    return Told(records, tuple(stage for record in records for stage in _stages(record)))


def _stages(record: Record) -> list[StageReached]:
    recorded = datetime.fromisoformat(str(record.event["recordedtime"]))
    after: dict[str, timedelta] = {"delivered": timedelta(seconds=2), "retrieved": timedelta(minutes=40)}
    return [
        StageReached.model_validate(
            {
                "bus": BUS,
                "kind": record.kind,
                "exchange": record.exchange,
                "sequence": record.sequence,
                "recipient": party,
                "stage": stage,
                "time": recorded + lag,
            }
        )
        for party in record.standing.parties
        if party != record.event["source"]
        for stage, lag in after.items()
    ]


def _clock(play: Play, rule: str) -> dict[str, Any]:
    """What the bus says about the clock of a rule that runs."""
    item = next(item for item in running(History(play.kind, play.context.entries)) if item.rule.id == rule)
    due = _text(item.due.instant)
    return {"rule": rule, "started_by": item.started_by, "agency": item.agency, "due": due}


def _text(instant: datetime) -> str:
    return instant.isoformat()
