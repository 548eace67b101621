"""`liandong scenario`: a year of a district is played on a real bus, and its figures set beside those published.

The plan is made first (`services.cli.years`). Then legal time goes from hour to hour of it; what agencies state at an
hour goes to the gateway in batches, each exchange's facts in their order, and nothing but a receipt is taken for an
answer. Every event has its id from the plan: what was played before on the same data gets its old receipts again.
"""

import asyncio
import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql
from rich.console import Console

from connectors.errors import SubmissionRefused
from connectors.http.client import AgencyClient, new_event
from connectors.kafka.reader import read_all
from connectors.postgres.pool import Pool, open_pool
from contracts import library
from contracts.agencies import Agencies
from contracts.canonical import Document, parse_object
from contracts.counting import midnight
from contracts.errors import SignatureError
from contracts.figures import Publication
from contracts.signatures import SigningKey, verify_seal
from contracts.topics import DEAD_LETTERS
from services.cli import reading
from services.cli.agencies import agency_key, new_agency
from services.cli.draw import draw_published
from services.cli.driver import Driver
from services.cli.partners.partner import Holding, holding
from services.cli.partners.seats import Partners
from services.cli.partners.systems import NotRegisteredError, Systems, all_brought
from services.cli.stack import Stack
from services.cli.years import minhang
from services.cli.years.diary import Step
from services.kernel.keys import key_files
from services.kernel.kinds import registrars

BATCH: Final = 100
"""Events in a request: small enough that the rooms of the bus work at the same time."""
LANES: Final = 4
"""Requests at a time."""
_WAIT: Final = 60  # seconds that a request waits for the outcomes
_SAMPLE: Final = 100
"""One receipt in so many is verified."""
_MOMENT: Final = timedelta(minutes=1)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Part:
    """How much of a year is played: so many months from January on, and one exchange in `share`."""

    months: int = 12
    share: int = 1

    @property
    def whole(self) -> bool:
        """Whether it is all of it, so that the figures have to be equal."""
        return self.months >= 12 and self.share == 1

    def of(self, steps: Sequence[Step]) -> list[Step]:
        """The steps of this part."""
        places: dict[str, int] = {}
        return [
            step
            for step in steps
            if step.at.month <= self.months and places.setdefault(step.exchange, len(places)) % self.share == 0
        ]


@dataclass(frozen=True, slots=True)
class Year:
    """What is played, and what it is compared with. numbers: the case of what each opens in the whole plan."""

    publication: Publication
    part: Part
    steps: Sequence[Step]
    numbers: Mapping[str, Mapping[str, str]]

    @classmethod
    def planned(cls, name: str, contracts: Path, part: Part) -> "Year":
        """The plan of a publication, by the contracts of a deployment."""
        known = library.load(contracts)
        publication = next(item for item in known.figures if item.id == name)
        whole = minhang.plan(publication, known.agencies, known.calendars)
        numbers: dict[str, dict[str, str]] = {}
        for step in whole:
            if step.case is not None:
                numbers.setdefault(step.agency, {})[step.exchange] = step.case
        return cls(publication, part, part.of(whole), numbers)


@dataclass(slots=True)
class Player:
    """States the steps of a plan, each at its hour."""

    client: AgencyClient
    driver: Driver
    keys: Mapping[str, SigningKey]
    say: Say
    systems: Systems
    registered: int = 0
    sample: list[Document] = field(default_factory=list[Document])

    async def play(self, steps: Sequence[Step]) -> None:
        """All of them, in order. Raises NotRegisteredError."""
        hours = [list(own) for _, own in groupby(steps, key=attrgetter("at"))]
        lanes = asyncio.Semaphore(LANES)
        ready = asyncio.create_task(asyncio.to_thread(self._signed, hours[0]))
        for hour, then in zip(hours, [*hours[1:], []], strict=True):
            rounds = await ready
            # While the bus takes these, those of the next hour are signed.
            ready = asyncio.create_task(asyncio.to_thread(self._signed, then))
            await self.advance(hour[0].at)
            for acts, batches in rounds:
                self.registered += len(acts)
                stating = self.systems.state(acts)
                await asyncio.gather(stating, *(self._submit(batch, lanes) for batch in batches))
            if not then or then[0].at.month != hour[0].at.month:
                self.say(f"{hour[0].at:%Y-%m}  {self.registered:>7} registered")
        await ready

    async def advance(self, at: datetime) -> None:
        """Data of an earlier run may have come further already: what it has registered is answered all the same."""
        if at > self.driver.now:
            await self.driver.advance(at)

    def _signed(self, steps: Sequence[Step]) -> list[tuple[list[Step], list[list[Document]]]]:
        """What happens in an hour, in rounds: what partners state at their own systems, and events in batches.

        Those of one exchange are in one batch, in order, or in one round after the other.
        """
        found = rounds(steps, self.systems.says)
        return [(acts, [[self._event(step) for step in batch] for batch in batches(rest)]) for acts, rest in found]

    def _event(self, step: Step) -> Document:
        return new_event(
            self.keys[step.agency],
            step.fact,
            exchange=step.exchange,
            kind=step.kind,
            case=step.case,
            home=self.client.bus if step.case else None,
            leg=step.leg,
            inname=step.inname,
            time=step.at,
            id_=step.id,
        )

    async def _submit(self, events: Sequence[Document], lanes: asyncio.Semaphore) -> None:
        async with lanes:
            try:
                answers = await self.client.submit_all(events, wait=_WAIT)
            except (SubmissionRefused, TimeoutError) as error:
                raise NotRegisteredError(str(error)) from error
        for event, item in zip(events, answers, strict=True):
            if item["status"] != 201:
                raise NotRegisteredError(f"{_named(event)} was answered {item['status']}: {_why(item['body'])}")
            if self.registered % _SAMPLE == 0:
                self.sample.append(item["body"])
            self.registered += 1


def rounds(steps: Sequence[Step], apart: Callable[[Step], bool]) -> list[tuple[list[Step], list[Step]]]:
    """The steps of an hour in rounds: those that are stated apart, and the others; each exchange's in their order."""
    found: list[tuple[list[Step], list[Step]]] = []
    places: dict[str, tuple[int, bool]] = {}
    for step in steps:
        number, before = places.get(step.exchange, (0, apart(step)))
        if apart(step) != before:
            number += 1
        places[step.exchange] = number, apart(step)
        while len(found) <= number:
            found.append(([], []))
        found[number][0 if apart(step) else 1].append(step)
    return found


def batches(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """The steps of an hour in batches, all steps of an exchange in one of them and in order."""
    threads: dict[str, list[Step]] = {}
    for step in steps:
        threads.setdefault(step.exchange, []).append(step)
    batch: list[Step] = []
    for thread in threads.values():
        if batch and len(batch) + len(thread) > BATCH:
            yield batch
            batch = []
        batch += thread
    if batch:
        yield batch


def _named(event: Document) -> str:
    return f"{event['time']} {event['source']} {event['type']} {event['id']} of exchange {event['exchange']}"


def _why(body: Document) -> str:
    return f"{body.get('type')}: {body.get('detail')}"


def play(name: str, *, as_json: bool, data: Path | None, part: Part) -> bool:
    """Play a year, print the figures, and say whether all checks hold. Nothing is left running or behind.

    Of a part of a year the figures differ from those published, which is said and is no fault.
    """
    begun = time.monotonic()
    console = Console(stderr=as_json, highlight=False, emoji=False, soft_wrap=True)
    folder = data or Path(tempfile.mkdtemp(prefix="liandong-scenario-"))
    try:
        result = _played(name, folder, part, console)
    finally:
        if data is None:
            shutil.rmtree(folder, ignore_errors=True)
    result["elapsed_s"] = round(time.monotonic() - begun, 1)
    if as_json:
        print(json.dumps(result, ensure_ascii=False, indent=2))
    else:
        _tell(result, console.print)
    checks = result["checks"] if part.whole else result["checks"][1:]
    return all(check["ok"] for check in checks)


def _played(name: str, folder: Path, part: Part, console: Console) -> dict[str, Any]:
    year = Year.planned(name, folder / "contracts", part)
    exchanges = len({step.exchange for step in year.steps})
    console.print(f"{len(year.steps)} events in {exchanges} exchanges, all invented; starting the bus …")
    begin = midnight(year.publication.begin)
    # What was brought is compared at the end with what inboxes hold: nothing of the year is cleared away before.
    stack = Stack(
        folder,
        legal_time=begin,
        say=lambda line: console.print(line, style="dim"),
        extra={"LIANDONG_INBOX_RETENTION": "P1000D"},
    )
    partners = Partners(minhang.SEATS, folder / "partners")
    partners.settle(stack)
    acting = {step.agency for step in year.steps} | {seat.agency for seat in minhang.SEATS}
    keys = {code: _key(code, stack) for code in sorted(acting)}
    # The loop is made before anything can be interrupted, so that Ctrl-C never meets half a loop.
    with asyncio.Runner() as runner:
        runner.get_loop()
        with partners, stack:
            console.print(f"running at {stack.url}; legal time is driven through {begin.year}")
            try:
                return runner.run(_play(stack, partners, year, keys, console.print))
            except asyncio.CancelledError:
                raise KeyboardInterrupt from None


def _key(code: str, stack: Stack) -> SigningKey:
    """The key that an earlier run has left, or a new one."""
    return (
        agency_key(code, stack.keys) if key_files(stack.keys, code) else new_agency(code, stack.keys, stack.contracts)
    )


async def _play(
    stack: Stack, partners: Partners, year: Year, keys: Mapping[str, SigningKey], say: Say
) -> dict[str, Any]:
    bus_key = agency_key(stack.bus, stack.keys)
    begun = time.monotonic()
    async with (
        partners.open(stack) as by_agency,
        AgencyClient(stack.url, bus_key, stack.bus) as client,
        Driver.start(stack) as driver,
        open_pool(stack.postgres) as pool,
    ):
        for partner in by_agency.values():
            await partner.begin(bus_key)
        systems = await Systems.opened(by_agency, pool, library.load(stack.contracts).topics)
        systems.tell(year.numbers)
        player = Player(client, driver, keys, say, systems)
        await player.play(year.steps)
        await player.advance(_last_moment(year.steps[-1].at))
        await driver.quiet()
        await all_brought(pool)
        played = time.monotonic() - begun
        say("comparing what partners hold …")
        holdings = [await holding(partner, await _inbox(pool, code)) for code, partner in by_agency.items()]
    say("counting …")
    days = {"begin": year.publication.begin, "end": year.publication.end}
    answer = await reading.report(stack.url, bus_key, stack.bus, **days, agency=None, form="json", language="zh")
    counted = await asyncio.to_thread(_counted, stack)
    return {
        **_result(stack, player, answer.json, counted, holdings),
        "part": {"months": year.part.months, "share": year.part.share, "whole": year.part.whole},
        "played_s": round(played, 1),
        "events_per_s": round(counted.events / played, 1),
    }


def _last_moment(at: datetime) -> datetime:
    """That of the month."""
    first = at.replace(day=1, hour=0, minute=0)
    return (first + timedelta(days=32)).replace(day=1) - _MOMENT


@dataclass(frozen=True, slots=True)
class Stored:
    """What the registrars have stored."""

    events: int = 0
    by_the_bus: int = 0
    exchanges: int = 0
    rejections: int = 0
    gaps: int = 0
    audited: int = 0
    dead: int = 0
    for_partners: int = 0
    queued: int = 0


def _counted(stack: Stack) -> Stored:
    """What is in the stores, in audit's log and among the dead letters. Blocks."""
    sums: Counter[str] = Counter()
    with psycopg.connect(stack.postgres) as connection:
        for schema in registrars():
            query = sql.SQL(_STORED).format(
                events=sql.Identifier(schema, "events"), outcomes=sql.Identifier(schema, "outcomes")
            )
            row = connection.execute(query, (stack.bus,)).fetchone() or ()
            sums.update(dict(zip(("events", "by_the_bus", "exchanges", "gaps", "rejections"), row, strict=True)))
            signed = connection.execute(sql.SQL(_SIGNED_FOR).format(sql.Identifier(schema, "events"))).fetchone()
            sums["for_partners"] += signed[0] if signed else 0
        (audited,) = connection.execute("SELECT count(*) FROM audit.events").fetchone() or (0,)
        (queued,) = connection.execute("SELECT count(*) FROM delivery.queue").fetchone() or (0,)
    dead = sum(1 for item in read_all(stack.kafka, DEAD_LETTERS) if item.value)
    return Stored(**sums, audited=audited, dead=dead, queued=queued)


async def _inbox(pool: Pool, agency: str) -> list[Document]:
    """All items that an agency was sent, in order."""
    async with pool.connection() as connection:
        rows = await (await connection.execute(_ITEMS, (agency,))).fetchall()
    return [parse_object(item) for (item,) in rows]


_ITEMS: Final = "SELECT item FROM delivery.items WHERE agency = %s ORDER BY position"

_SIGNED_FOR: Final = "SELECT count(*) FROM {} WHERE position('\"signedby\"'::bytea in record) > 0"

_STORED: Final = """
    SELECT coalesce(sum(n), 0)::bigint, coalesce(sum(own), 0)::bigint, count(*), count(*) FILTER (WHERE last <> n),
        (SELECT count(*) FROM {outcomes} WHERE outcome = 'rejection')
    FROM (
        SELECT count(*) AS n, max(sequence) AS last, count(*) FILTER (WHERE source = %s) AS own
        FROM {events} GROUP BY kind, exchange
    ) AS threads
"""


def _result(
    stack: Stack, player: Player, report: dict[str, Any], stored: Stored, holdings: Sequence[Holding]
) -> dict[str, Any]:
    agencies = library.load(stack.contracts).agencies
    checks = {
        "every figure is derived as it was published": all(item["equal"] for item in report["figures"]),
        "every fact of the plan is registered": stored.events == player.registered + stored.by_the_bus,
        "nothing was rejected": stored.rejections == 0,
        "every exchange's sequences have no gap": stored.gaps == 0,
        "the audit has every registered event": stored.audited == stored.events,
        f"each of {len(player.sample)} receipts verifies": all(
            _sealed(receipt, agencies, stack.bus) for receipt in player.sample
        ),
        "nothing was dead-lettered": stored.dead == 0,
        "every partner holds each copy exactly once, in order": all(item.whole for item in holdings),
        "what partners stated in their own forms is registered once, signed for them by the bus (代签)": (
            stored.for_partners == sum(player.systems.stated.values())
        ),
        "nothing waits any more to be brought": stored.queued == 0,
    }
    return {
        "scenario": report["publications"][0]["publication"],
        "synthetic": "all persons, firms, numbers, places and papers are invented 虚构; the counts are those published",
        "engines": stack.versions(),
        "figures": report["figures"],
        "publications": report["publications"],
        "partners": [
            {
                "agency": item.seat.agency,
                "via": item.seat.via,
                "copies": item.copies,
                "stated": sum(count for (_, code), count in player.systems.stated.items() if code == item.seat.agency),
            }
            for item in holdings
        ],
        "counts": {
            "events": stored.events,
            "by_partners": stored.for_partners,
            "by_the_bus": stored.by_the_bus,
            "exchanges": stored.exchanges,
        },
        "checks": [{"name": name, "ok": ok} for name, ok in checks.items()],
    }


def _sealed(receipt: Document, agencies: Agencies, bus: str) -> bool:
    try:
        return verify_seal(receipt, agencies, datetime.fromisoformat(str(receipt["acceptedtime"]))) == bus
    except SignatureError:
        return False


def _tell(result: dict[str, Any], say: Say) -> None:
    draw_published(result["figures"], result["publications"], say)
    say("\n[bold]partners 对方系统[/]  channel, copies that it holds, facts that it stated there")
    for item in result["partners"]:
        say(f"  {item['agency']:16} {item['via']:11} {item['copies']:>6} {item['stated']:>6}")
    say("")
    for check in result["checks"]:
        say(f"{'[green]✓[/]' if check['ok'] else '[red]✗[/]'} {check['name']}")
    counts = ", ".join(f"{count:,} {name}" for name, count in result["counts"].items())
    if not result["part"]["whole"]:
        say("only a part of the year was played: the figures are those of the part")
    say(f"\n{counts}\n{result['played_s']} s played, {result['events_per_s']} events/s; {result['elapsed_s']} s in all")
