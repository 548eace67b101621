"""A month of legal time on a whole bus, undisturbed and with kill -9: what is on record afterwards is the same."""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from connectors.http.client import AgencyClient, new_event
from contracts.canonical import Document
from contracts.records import Record
from events.envelope import DIGEST, SALTS
from services.cli.agencies import agency_key
from services.cli.driver import Driver
from services.cli.stack import REGISTRARS, Stack
from tests.support.agencies import known
from tests.support.factory import CASE, fact
from tests.support.play import CITY, MINHANG, POLICE, PROCURATORATE, QINGPU
from tests.support.told import at

COMMON: Final = frozenset({"extension_requested", "extension_granted", "withdrawn"})
PARTIES: Final = (MINHANG, QINGPU, CITY, POLICE, PROCURATORATE)
BEGIN, END = at(16, 8), at(46, 18)

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True, slots=True)
class Step:
    """One fact: when, who, in which exchange, what."""

    at: datetime
    source: str
    exchange: str
    name: str
    members: dict[str, Any]


def steps() -> list[Step]:
    """Nov 16 (Monday) to Dec 16 2026; days are counted on beyond 30."""
    script: list[tuple[str, str, datetime, str, str, dict[str, Any]]] = [
        # Everything in time.
        ("met", "transfer", at(16, 9), MINHANG, "sent", {}),
        ("met", "transfer", at(16, 15), QINGPU, "receipted", {}),
        ("met", "transfer", at(18, 10), QINGPU, "accepted", {}),
        ("met", "transfer", at(18, 11), QINGPU, "filed", {"filed_on": "2026-11-18"}),
        ("met", "transfer", at(27, 10), QINGPU, "decided", {"decided_on": "2026-11-27"}),
        ("met", "transfer", at(33, 9), QINGPU, "outcome_reported", {"reported_on": "2026-12-03"}),
        # Signed for and returned too late; a superior decides.
        ("late", "transfer", at(16, 10), MINHANG, "sent", {}),
        ("late", "transfer", at(19, 10), QINGPU, "receipted", {}),
        ("late", "transfer", at(27, 9), QINGPU, "returned", {}),
        ("late", "transfer", at(33, 10), MINHANG, "disputed", {}),
        ("late", "transfer", at(46, 9), CITY, "designated", {}),
        # Extended by the other side, to the last day of which the matter is accepted.
        ("extended", "transfer", at(16, 11), MINHANG, "sent", {}),
        ("extended", "transfer", at(16, 16), QINGPU, "receipted", {}),
        ("extended", "transfer", at(20, 9), QINGPU, "extension_requested", {"new_date": "2026-11-27"}),
        ("extended", "transfer", at(20, 10), MINHANG, "extension_granted", {"new_date": "2026-11-27", "rule": None}),
        ("extended", "transfer", at(27, 11), QINGPU, "accepted", {}),
        # Stands still for a week, and is late after that.
        ("suspended", "transfer", at(17, 9), MINHANG, "sent", {}),
        ("suspended", "transfer", at(17, 10), QINGPU, "receipted", {}),
        ("suspended", "transfer", at(18, 9), QINGPU, "supplement_requested", {"reply_by": "2026-11-25"}),
        ("suspended", "transfer", at(24, 9), MINHANG, "supplemented", {}),
        ("suspended", "transfer", at(31, 9), QINGPU, "accepted", {}),
        # Ends before anything is due.
        ("withdrawn", "transfer", at(19, 9), MINHANG, "sent", {}),
        ("withdrawn", "transfer", at(19, 11), MINHANG, "withdrawn", {}),
        # A referral in time.
        ("referred", "referral", at(17, 11), MINHANG, "reported", {"reported_at": _text(at(17, 11))}),
        ("referred", "referral", at(17, 15), MINHANG, "approved", {"approved_at": _text(at(17, 15))}),
        ("referred", "referral", at(17, 16), MINHANG, "sent", {"approved_at": _text(at(17, 15))}),
        ("referred", "referral", at(18, 12), POLICE, "receipted", {}),
        ("referred", "referral", at(19, 12), POLICE, "filed", {"filed_on": "2026-11-19"}),
        ("referred", "referral", at(20, 11), MINHANG, "goods_handed_over", {}),
        # One that is late at each step; the rule itself extends the police's.
        ("slow", "referral", at(18, 13), MINHANG, "reported", {"reported_at": _text(at(18, 13))}),
        ("slow", "referral", at(24, 10), MINHANG, "approved", {"approved_at": _text(at(24, 10))}),
        ("slow", "referral", at(26, 9), MINHANG, "sent", {"approved_at": _text(at(24, 10))}),
        ("slow", "referral", at(30, 9), POLICE, "receipted", {}),
        ("slow", "referral", at(31, 10), POLICE, "extension_requested", {"new_date": "2026-12-10"}),
        ("slow", "referral", at(40, 9), POLICE, "filed", {"filed_on": "2026-12-10"}),
        # One that is supplemented, declined and asked for again.
        ("disputed", "referral", at(23, 9), MINHANG, "reported", {"reported_at": _text(at(23, 9))}),
        ("disputed", "referral", at(23, 10), MINHANG, "approved", {"approved_at": _text(at(23, 10))}),
        ("disputed", "referral", at(23, 11), MINHANG, "sent", {"approved_at": _text(at(23, 10))}),
        ("disputed", "referral", at(23, 15), POLICE, "receipted", {}),
        ("disputed", "referral", at(24, 11), POLICE, "supplement_requested", {}),
        ("disputed", "referral", at(30, 10), MINHANG, "supplemented", {}),
        ("disputed", "referral", at(34, 9), POLICE, "declined", {}),
        ("disputed", "referral", at(37, 9), MINHANG, "reconsideration_requested", {}),
        ("disputed", "referral", at(41, 9), POLICE, "reconsideration_upheld", {}),
    ]
    found = [
        Step(when, source, f"{kind}/{name}", f"{'common' if what in COMMON else kind}.{what}", members)
        for name, kind, when, source, what, members in script
    ]
    return sorted(found, key=lambda step: step.at)


def _text(instant: datetime) -> str:
    return instant.isoformat()


STEPS: Final = steps()

VICTIMS: Final = (("clocks",), ("clocks", "audit"), (REGISTRARS, "clocks"))
RANDOM: Final = frozenset({"signature", "signed", SALTS, DIGEST})


def exchange_of(name: str) -> str:
    """Always the same UUIDv7, so that runs can be compared."""
    return f"0193a000-0000-7000-8000-{int.from_bytes(sha256(name.encode()).digest()[:6]):012x}"


@dataclass(frozen=True, slots=True)
class Month:
    """What is on record at the end: clocks, what was registered, the timelines that the parties read, the report."""

    clocks: Sequence[tuple[Any, ...]]
    registered: Sequence[dict[str, Any]]
    timelines: Mapping[tuple[str, str], Any]
    report: Any


class Strikes:
    """kill -9 at steps that were drawn beforehand, so long after they have begun (seconds)."""

    def __init__(self, stack: Stack, seed: int) -> None:
        self._stack = stack
        draw = random.Random(seed)
        places = sorted(draw.sample(range(2, len(STEPS) - 2), len(VICTIMS)))
        self._planned = {place: (names, draw.uniform(0, 0.4)) for place, names in zip(places, VICTIMS, strict=True)}
        self.killed: list[str] = []

    def begins(self, place: int) -> None:
        """The step with this number begins."""
        names, delay = self._planned.get(place, ((), 0.0))
        for name in names:
            asyncio.get_running_loop().call_later(delay, self._kill, name)

    def _kill(self, name: str) -> None:
        self._stack.children[name].send(signal.SIGKILL)
        self.killed.append(name)


async def play(stack: Stack, strikes: Strikes | None) -> Month:
    keys = known(PARTIES, stack.keys, stack.contracts)
    async with AsyncExitStack() as opened:
        clients = {
            code: await opened.enter_async_context(AgencyClient(stack.url, key, stack.bus))
            for code, key in keys.items()
        }
        driver = await opened.enter_async_context(Driver.start(stack))
        for place, step in enumerate(STEPS):
            if strikes is not None:
                strikes.begins(place)
            await driver.advance(step.at, deadline=90)
            answer = await clients[step.source].submit_surely(_event(step, place, clients[step.source]), wait=30)
            assert answer.status in {201, 202}, f"{step}: {answer.body!r}"
        await driver.advance(END, deadline=90)
        return Month(*await asyncio.to_thread(on_record, stack), await read(clients), await report(stack))


def _event(step: Step, place: int, client: AgencyClient) -> Document:
    kind, name = step.exchange.split("/")
    opens = step.name in {"transfer.sent", "referral.reported"} and step is first_of(step.exchange)
    return new_event(
        client.key,
        fact(step.name, None, **step.members),
        exchange=exchange_of(step.exchange),
        kind=kind,
        case=CASE if opens else None,
        home=client.bus if opens else None,
        time=step.at,
        id_=f"{name}-{place}",
    )


def first_of(exchange: str) -> Step:
    return next(step for step in STEPS if step.exchange == exchange)


def on_record(stack: Stack) -> tuple[Sequence[tuple[Any, ...]], Sequence[dict[str, Any]]]:
    with psycopg.connect(stack.postgres) as connection:
        clocks = connection.execute("SELECT * FROM clocks.clocks AS c ORDER BY c").fetchall()
        rows = connection.execute("SELECT record FROM transfers.events ORDER BY kind, exchange, sequence").fetchall()
    return clocks, [comparable(Record.from_bytes(value).model_dump(mode="json")) for (value,) in rows]


async def read(clients: Mapping[str, AgencyClient]) -> dict[tuple[str, str], Any]:
    """The timelines, as each party reads them."""
    found: dict[tuple[str, str], Any] = {}
    for exchange in sorted({step.exchange for step in STEPS}):
        for code, client in clients.items():
            answer = await client.timeline(exchange=exchange_of(exchange))
            found[exchange, code] = (answer.status, comparable(answer.json) if answer.status == 200 else None)
    return found


async def report(stack: Stack) -> Any:
    """The figures and findings, as the bus's operator reads them."""
    async with AgencyClient(stack.url, agency_key(stack.bus, stack.keys), stack.bus) as bus:
        answer = await bus.get("/v1/indicators", **{"from": f"{BEGIN:%Y-%m-%d}", "to": f"{END:%Y-%m-%d}"})
    assert answer.status == 200, answer.body
    return answer.json


def comparable(value: Any) -> Any:
    """Without what is drawn at random for each signature."""
    if isinstance(value, dict):
        return {name: comparable(member) for name, member in value.items() if name not in RANDOM}
    return [comparable(member) for member in value] if isinstance(value, list) else value


def facts(month: Month) -> Counter[str]:
    return Counter(str(record["event"]["type"]).split(".")[3] for record in month.registered)


def test_a_month_is_the_same_whatever_is_killed_meanwhile(scratch: Path) -> None:
    with (
        Stack(scratch / "undisturbed", legal_time=BEGIN) as quiet,
        Stack(scratch / "killed", legal_time=BEGIN) as stricken,
        ThreadPoolExecutor(2) as threads,
    ):
        strikes = Strikes(stricken, seed=20261116)
        runs = [
            threads.submit(asyncio.run, play(stack, kills)) for stack, kills in ((quiet, None), (stricken, strikes))
        ]
        expected, found = (run.result() for run in runs)
    assert len(expected.registered) == len(STEPS) + 32
    told = facts(expected)
    assert (told["clock_warned"], told["clock_expired"], told["extension_granted"]) == (20, 11, 2)
    assert Counter(row[7] for row in expected.clocks) == {"met": 21, "late": 9, "running": 5, "void": 1}
    assert sorted(strikes.killed) == sorted(name for names in VICTIMS for name in names)
    assert found.clocks == expected.clocks
    assert found.registered == expected.registered
    assert found.timelines == expected.timelines
    assert expected.report["total"]["opened"] == len({step.exchange for step in STEPS})
    assert found.report == expected.report
