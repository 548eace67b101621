"""The demo: one case crosses the bus end to end, on real engines, every agency a client of its own over HTTP.

Legal time is driven: ten weeks pass in well under a minute, with a deadline warned and met, one missed, one extended.

What it claims at the end it has read from the store and with an independent Kafka reader, not from its clients.
"""

import asyncio
import json
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console

from connectors.http.client import AgencyClient, Answer, new_event, new_id
from connectors.kafka.reader import read_all
from connectors.postgres.pool import open_pool
from contracts import library
from contracts.agencies import Agencies
from contracts.canonical import Document, canonical, parse_object
from contracts.codec import verify_event
from contracts.disclosure import withheld
from contracts.errors import SignatureError
from contracts.records import Record
from contracts.signatures import verify_seal
from contracts.topics import DEAD_LETTERS, DELIVERIES
from services.cli.agencies import agency_key, new_agency
from services.cli.draw import draw
from services.cli.driver import Driver
from services.cli.stack import Stack
from services.cli.story import border
from services.kernel.store import Store

AGENCIES = (border.MINHANG, border.QINGPU, border.CITY, border.POLICE, border.PROCURATORATE)
_ARRIVAL = 20.0  # seconds: the longest that an agency waits for an event to reach its inbox
_REFERRAL_SENT = 3  # what precedes the referral itself is not shown to the police


@dataclass(slots=True)
class Agency:
    """One agency: its client, and what its inbox has shown it."""

    client: AgencyClient
    cursor: str | None = None
    seen: dict[str, int] = field(default_factory=dict[str, int])
    items: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    async def until(self, exchange: str, sequence: int) -> None:
        """Read the inbox until an exchange has come this far. Raises TimeoutError."""
        async with asyncio.timeout(_ARRIVAL):
            while self.seen.get(exchange, 0) < sequence:
                answer = await self.client.inbox(self.cursor, wait=5)
                page = answer.json
                for item in page["items"]:
                    self._take(item)
                self.cursor = page["cursor"]
                if page["items"]:
                    await self.client.ack(page["cursor"])

    def _take(self, item: dict[str, Any]) -> None:
        self.items.append(item)
        event = item.get("event") or item.get("stub")
        if event is not None:
            self.seen[event["exchange"]] = event["sequence"]


@dataclass(slots=True)
class Play:
    """What happens in the demo, and what is counted."""

    agencies: dict[str, Agency]
    driver: Driver
    store: Store
    say: Callable[[str], None]
    bus: str
    transfer: str = field(default_factory=new_id)
    referral: str = field(default_factory=new_id)
    parties: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    submitted: int = 0
    duplicates: int = 0
    duplicates_equal: bool = True
    refusals: list[str | None] = field(default_factory=list[str | None])

    async def step(self, step: border.Step) -> None:
        """One step of the story at its instant: an agency states a fact, having read everything that came before it."""
        await self.driver.advance(step.at)
        exchange = getattr(self, step.kind)
        agency = self.agencies[step.agency]
        # The bus may have said something about a clock meanwhile.
        known = await self._registered(step.kind, exchange)
        if known and step.agency in self.parties.get(exchange, ()):
            await agency.until(exchange, known)
        case, home = (None, None) if known else (border.CASE, self.bus)
        event = new_event(
            agency.client.key,
            step.fact,
            exchange=exchange,
            kind=step.kind,
            known=known or None,
            case=case,
            home=home,
            time=step.at,
        )
        answer = await agency.client.submit_surely(event, wait=20)
        self.submitted += 1
        self._report(step, answer)
        if step.again:
            await self.again(step, event, answer)

    async def _registered(self, kind: str, exchange: str) -> int:
        """How far the exchange has come, by the store; who its parties are is noted."""
        records = (await self.store.exchanges([(kind, exchange)])).get((kind, exchange), [])
        if not records:
            return 0
        self.parties[exchange] = tuple(records[-1].standing.parties)
        return records[-1].sequence

    def _report(self, step: border.Step, answer: Answer) -> None:
        said = f"{step.at:%m-%d %H:%M} {step.kind:8}"
        fact = f"{step.agency:10} {step.fact.title_zh} {step.fact.name()}"
        if answer.status == 201:
            self.say(f"[green]登记[/] {said} #{answer.json['sequence']:<2} {fact}")
        else:
            self.refusals.append(answer.code)
            self.say(f"[red]退件[/] {said} –   {fact}: {answer.code}: {answer.json.get('detail')}")

    async def again(self, step: border.Step, event: Document, first: Answer) -> None:
        """The same submission once more: the original receipt must come back, byte for byte."""
        answer = await self.agencies[step.agency].client.submit_surely(event, wait=20)
        self.submitted += 1
        self.duplicates += 1
        self.duplicates_equal &= answer.body == first.body
        self.say(f"[yellow]重复[/] {step.at:%m-%d %H:%M} {step.kind:8}     the same again: the original receipt")

    async def everybody_reads(self) -> None:
        """Every party reads its inbox to the end."""
        await self.driver.quiet()
        for kind in ("transfer", "referral"):
            exchange = getattr(self, kind)
            last = await self._registered(kind, exchange)
            for code in self.parties[exchange]:
                if code in self.agencies:
                    await self.agencies[code].until(exchange, last)


def play(*, as_json: bool, data: Path | None) -> bool:
    """Play the demo, print it, and say whether all checks hold. Nothing is left running or behind."""
    begun = time.monotonic()
    console = Console(stderr=as_json, highlight=False)
    folder = data or Path(tempfile.mkdtemp(prefix="liandong-demo-"))
    say: Callable[[str], None] = console.print
    try:
        say("starting Kafka, PostgreSQL and five services; legal time is driven …")
        stack = Stack(folder, legal_time=border.STEPS[0].at, say=lambda line: console.print(line, style="dim"))
        for code in AGENCIES:
            new_agency(code, stack.keys, stack.contracts)
        # The loop is made before anything can be interrupted, so that Ctrl-C never meets half a loop.
        with asyncio.Runner() as runner:
            runner.get_loop()
            with stack:
                say(f"running after {time.monotonic() - begun:.1f} s at {stack.url}")
                result = _run(runner, _play(stack, say))
    finally:
        if data is None:
            shutil.rmtree(folder, ignore_errors=True)
    result["elapsed_s"] = round(time.monotonic() - begun, 1)
    if as_json:
        print(json.dumps(result, ensure_ascii=False, indent=2))
    else:
        _tell(result, say)
    return all(check["ok"] for check in result["checks"])


def _run(runner: asyncio.Runner, playing: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    """Run it. A Ctrl-C that arrives while tasks are being cancelled comes out as CancelledError: it is the same."""
    try:
        return runner.run(playing)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _play(stack: Stack, say: Callable[[str], None]) -> dict[str, Any]:
    async with _agencies(stack) as agencies, Driver.start(stack) as driver, open_pool(stack.postgres) as pool:
        run = Play(agencies, driver, Store("transfers", pool), say, stack.bus)
        for step in border.STEPS:
            await run.step(step)
        await run.everybody_reads()
        timelines = [
            (await agencies[border.QINGPU].client.timeline(exchange=exchange)).json
            for exchange in (run.transfer, run.referral)
        ]
        for timeline in timelines:
            say("")
            draw(timeline, say)
        return await _result(stack, run, timelines)


@asynccontextmanager
async def _agencies(stack: Stack) -> AsyncGenerator[dict[str, Agency]]:
    async with AsyncExitStack() as opened:
        yield {
            code: Agency(
                await opened.enter_async_context(AgencyClient(stack.url, agency_key(code, stack.keys), stack.bus))
            )
            for code in AGENCIES
        }


async def _result(stack: Stack, run: Play, timelines: list[dict[str, Any]]) -> dict[str, Any]:
    """What the store and an independent reader say happened."""
    async with open_pool(stack.postgres) as pool:
        stored = [record async for record in Store("transfers", pool).all_records()]
        async with pool.connection() as connection:
            rows = await (
                await connection.execute("SELECT outcome, count(*) FROM transfers.outcomes GROUP BY outcome")
            ).fetchall()
            audited = await (
                await connection.execute("SELECT kind, exchange::text, sequence, record FROM audit.events")
            ).fetchall()
    outcomes = {str(name): int(count) for name, count in rows}
    published = [item.value for item in read_all(stack.kafka, "events.transfers") if item.value]
    dead = [item for item in read_all(stack.kafka, DEAD_LETTERS) if item.value]
    deliveries = [parse_object(item.value) for item in read_all(stack.kafka, DELIVERIES) if item.value]
    agencies = library.load(stack.contracts).agencies
    newest = {record.exchange: record for record in sorted(stored, key=lambda record: record.sequence)}
    by_bus = sum(record.event["source"] == stack.bus for record in stored)
    clocks = [item for timeline in timelines for item in timeline["clocks"]]
    checks = {
        "every exchange's sequences have no gap": _gapless(stored),
        "Kafka, read independently, holds what the store holds": _equal(stored, published),
        "the audit's timelines equal the store": {(k, e, s): bytes(r) for k, e, s, r in audited}
        == {(r.kind, r.exchange, r.sequence): r.to_bytes() for r in stored},
        "every registered event verifies against its agency's key": all(_verifies(r.event, agencies) for r in stored),
        "every receipt verifies against the bus's key": all(_sealed(r.receipt, agencies, stack.bus) for r in stored),
        "every cut copy in every inbox verifies": all(
            _verifies(item["event"], agencies)
            for agency in run.agencies.values()
            for item in agency.items
            if item.get("event")
        ),
        "nobody but its own agency saw the reporter (举报人)": _reporter_kept(run),
        "the police saw only stubs of what precedes the referral": _police_stubs(run),
        "the procuratorate read along": run.agencies[border.PROCURATORATE].seen.get(run.referral)
        == newest[run.referral].sequence,
        "the dossier without the survey report was rejected": run.refusals == ["dossier-incomplete"],
        "a repeated submission got the original receipt, byte for byte": run.duplicates_equal and run.duplicates > 0,
        "the transfer is concluded": newest[run.transfer].standing.status == "reported",
        "the goods of the referral are handed over": newest[run.referral].standing.status == "handed_over",
        "a deadline was warned of, and met": any(item["warned"] and item["state"] == "met" for item in clocks),
        "a deadline was missed, recorded, and met late": any(
            item["expired"] and item["state"] == "late" for item in clocks
        ),
        "a deadline was extended with its reason, and met": any(
            item["extensions"] and item["state"] == "met" for item in clocks
        ),
        "the delay table adds up to the span of each exchange": all(map(_adds_up, timelines)),
        "nothing was dead-lettered": not dead,
    }
    return {
        "engines": stack.versions(),
        "exchanges": [_exchange(record) for record in newest.values()],
        "counts": {
            "submitted": run.submitted + by_bus,
            "by_the_bus": by_bus,
            "registered": outcomes.get("receipt", 0),
            "rejected": outcomes.get("rejection", 0),
            "duplicates": run.duplicates,
            "delivered": sum(item["stage"] == "delivered" for item in deliveries),
        },
        "clocks": clocks,
        "delay": {timeline["exchange"]: timeline["delay"] for timeline in timelines},
        "checks": [{"name": name, "ok": bool(ok)} for name, ok in checks.items()],
    }


def _adds_up(timeline: dict[str, Any]) -> bool:
    """Whether the segments of the delay table add up to the span, to the microsecond."""
    delay = timeline["delay"]
    return sum(Decimal(str(item["seconds"])) for item in delay["segments"]) == Decimal(str(delay["span_s"]))


def _exchange(record: Record) -> dict[str, Any]:
    standing = record.standing
    return {
        "id": record.exchange,
        "kind": record.kind,
        "state": standing.status,
        "sequence": record.sequence,
        "parties": {code: party.role for code, party in sorted(standing.parties.items())},
    }


def _gapless(stored: list[Record]) -> bool:
    sequences: dict[str, list[int]] = {}
    for record in stored:
        sequences.setdefault(record.exchange, []).append(record.sequence)
    return bool(sequences) and all(sorted(found) == list(range(1, len(found) + 1)) for found in sequences.values())


def _equal(stored: list[Record], published: list[bytes]) -> bool:
    return sorted(record.to_bytes() for record in stored) == sorted(set(published))


def _verifies(event: Document, agencies: Agencies) -> bool:
    try:
        at = datetime.fromisoformat(str(event["acceptedtime"]))
        return verify_event(event, agencies, at) == event["source"]
    except SignatureError:
        return False


def _sealed(receipt: Document, agencies: Agencies, bus: str) -> bool:
    try:
        return verify_seal(receipt, agencies, datetime.fromisoformat(str(receipt["acceptedtime"]))) == bus
    except SignatureError:
        return False


def _reporter_kept(run: Play) -> bool:
    """The transfer's opening names a reporter: withheld from the recipient, in full for its author."""
    copies = {
        code: item["event"]
        for code, agency in run.agencies.items()
        for item in agency.items
        if item.get("event") and item["event"]["exchange"] == run.transfer and item["event"]["sequence"] == 1
    }
    others = [copy for code, copy in copies.items() if code != border.MINHANG]
    told = str(border.ORIGIN.reporter.phone if border.ORIGIN.reporter else "").encode()
    return bool(others) and all(
        "/origin/reporter" in withheld(copy["data"]) and told not in canonical(copy) for copy in others
    )


def _police_stubs(run: Play) -> bool:
    items = [
        item
        for item in run.agencies[border.POLICE].items
        if (item.get("event") or item.get("stub") or {}).get("exchange") == run.referral
    ]
    shapes = {(item.get("event") or item["stub"])["sequence"]: "stub" in item and bool(item["stub"]) for item in items}
    return all(shapes.get(n) for n in range(1, _REFERRAL_SENT)) and shapes.get(_REFERRAL_SENT) is False


def _tell(result: dict[str, Any], say: Callable[[str], None]) -> None:
    say("")
    for check in result["checks"]:
        say(f"{'[green]✓[/]' if check['ok'] else '[red]✗[/]'} {check['name']}")
    counts = ", ".join(f"{count} {name}" for name, count in result["counts"].items())
    engines = ", ".join(f"{name} {version}" for name, version in result["engines"].items())
    say(f"\n{counts}\n{engines}\n{result['elapsed_s']} s")
