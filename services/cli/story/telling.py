"""The whole telling: which exchanges there are, and what happens in them, in the order of ten weeks.

ids = new_ids()
for step in steps(ids): ...         step.thread names the exchange ids[step.thread]
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from connectors.http.client import new_id
from connectors.identity import exchange_of
from services.cli.partners.partner import Seat
from services.cli.story import border, consortium, district, estate, streets, waste
from services.cli.story.cast import (
    CHANGZHOU,
    GRID,
    HOTLINE,
    HOUSING,
    JIAXING,
    JUSTICE,
    NANTONG,
    POLICE,
    PROCURATORATE,
    TITLES,
    TRAFFIC_POLICE,
    WUXI,
    Ids,
    Step,
    Thread,
)

MAIN_CASE: Final = border.CASE
"""The case of the waste: from a call to the hotline to a letter, over eight kinds of exchange."""

_THEMES: Final = (streets, waste, border, estate, district, consortium)

THREADS: Final[Mapping[str, Thread]] = {name: thread for theme in _THEMES for name, thread in theme.THREADS.items()}
"""The exchanges of the telling."""


SEATS: Final = (
    Seat(HOTLINE, "hotline"),
    Seat(GRID, "grid"),
    Seat(HOUSING, "housing"),
    Seat(TITLES, "housing", deliver_within=timedelta(days=1), longest_pause=timedelta(hours=12)),
    Seat(POLICE, "police", gap=True),
    Seat(WUXI, "provinces", gap=True),
    *(Seat(city, "provinces") for city in (NANTONG, CHANGZHOU, JIAXING)),
    Seat(JUSTICE, "webhook"),
    Seat(TRAFFIC_POLICE, "webhook"),
)
"""Who sits behind a channel of its own; everybody else comes to its inbox."""

OUTAGES: Final = (estate.OUTAGE,)
"""When partners are out of reach."""


def new_ids() -> Ids:
    """An exchange id for every thread. They are made up front, because exchanges name each other."""
    return {
        name: exchange_of(thread.opened_by, thread.case) if thread.opened_by else new_id()
        for name, thread in THREADS.items()
    }


def steps(ids: Ids) -> tuple[Step, ...]:
    """Everything that happens, in order; steps of the same instant in the order in which their themes tell them."""
    return tuple(sorted((step for theme in _THEMES for step in theme.steps(ids)), key=lambda step: step.at))


def agencies(told: tuple[Step, ...]) -> tuple[str, ...]:
    """Who states something, and who only reads along: the procuratorate, and the justice bureau that supervises."""
    return tuple(sorted({step.agency for step in told} | {PROCURATORATE, JUSTICE}))
