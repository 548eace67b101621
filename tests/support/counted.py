"""Exchanges with facts at stated hours, and what they contribute to the indicators.

records = told("transfer", (0, MINHANG, "transfer.sent"), (2, QINGPU, "transfer.receipted"))
figures = counted(records, [delivered(records[0], QINGPU, hours=1)])
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, Final

from contracts.deliveries import StageReached
from contracts.outages import Outage
from contracts.records import Record
from services.audit.figures import Figures, figures
from tests.support.factory import BUS, TIME, world
from tests.support.play import Play
from tests.support.registered import registered

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
_MINUTE: Final = timedelta(minutes=1)

Step = tuple[Any, ...]
"""(hours after TIME, source, name) or (hours, source, name, members)."""


def told(kind: str, *steps: Step, case: str | None = None) -> list[Record]:
    """The records of these facts, each accepted at its hour and recorded a second later."""
    play = Play(kind)
    for hours, source, name, *members in steps:
        play.wait(TIME + HOUR * hours - play.context.acceptedtime - _MINUTE).given((source, name, *members))
    records = registered(play)
    return records if case is None else [in_case(record, case) for record in records]


def in_case(record: Record, case: str) -> Record:
    """The same event in another case; its signature does not count any more."""
    standing = record.standing.model_copy(update={"case": case})
    return record.model_copy(update={"event": {**record.event, "case": case}, "standing": standing})


def delivered(record: Record, recipient: str, *, hours: float) -> StageReached:
    """The delivery of a copy at an hour."""
    return StageReached(
        bus=BUS,
        kind=record.kind,
        exchange=record.exchange,
        sequence=record.sequence,
        recipient=recipient,
        stage="delivered",
        time=TIME + HOUR * hours,
    )


def counted(records: Sequence[Record], stages: Iterable[StageReached] = (), outages: Iterable[Outage] = ()) -> Figures:
    """The figures of an exchange, by the packaged rules and calendars."""
    return figures(records, tuple(stages), tuple(outages), world().rules, world().calendars)
