"""The demo: one case crosses the bus end to end, on real engines, every agency a client of its own over HTTP.

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
from events.fact import Fact
from services.cli import story
from services.cli.agencies import agency_key, new_agency
from services.cli.draw import draw
from services.cli.stack import Stack
from services.kernel.store import Store

AGENCIES = (story.MINHANG, story.QINGPU, story.CITY, story.POLICE, story.PROCURATORATE)
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
    say: Callable[[str], None]
    bus: str
    transfer: str = field(default_factory=new_id)
    referral: str = field(default_factory=new_id)
    last: dict[str, int] = field(default_factory=dict[str, int])
    submitted: int = 0
    duplicates: int = 0
    duplicates_equal: bool = True
    refusals: list[str | None] = field(default_factory=list[str | None])

    async def state(self, code: str, fact: Fact, exchange: str, *, opens: bool = False) -> tuple[Document, Answer]:
        """An agency states a fact, having read everything that came before it."""
        agency = self.agencies[code]
        known = self.last.get(exchange, 0)
        if known and code in self._readers(exchange):
            await agency.until(exchange, known)
        case, home = (story.CASE, self.bus) if opens else (None, None)
        event = new_event(agency.client.key, fact, exchange=exchange, known=known or None, case=case, home=home)
        answer = await agency.client.submit_surely(event, wait=20)
        self.submitted += 1
        self._report(code, fact, exchange, answer)
        return event, answer

    def _readers(self, exchange: str) -> set[str]:
        """Who is a party already; the arbiter and the police join with what they state or are sent."""
        readers = {story.QINGPU, story.MINHANG} if exchange == self.transfer else {story.QINGPU}
        if exchange == self.referral and self.last.get(exchange, 0) >= _REFERRAL_SENT:
            readers |= {story.POLICE, story.PROCURATORATE}
        if exchange == self.transfer and self.last.get(exchange, 0) >= 4:
            readers |= {story.CITY}
        return readers

    def _report(self, code: str, fact: Fact, exchange: str, answer: Answer) -> None:
        kind = "transfer" if exchange == self.transfer else "referral"
        if answer.status == 201:
            sequence = answer.json["sequence"]
            self.last[exchange] = sequence
            self.say(f"[green]登记[/] {kind:8} #{sequence:<2} {code:10} {fact.title_zh} {fact.name()}")
        else:
            self.refusals.append(answer.code)
            detail = answer.json.get("detail")
            self.say(f"[red]退件[/] {kind:8} –   {code:10} {fact.title_zh} {fact.name()}: {answer.code}: {detail}")

    async def again(self, code: str, event: Document, first: Answer) -> None:
        """The same submission once more: the original receipt must come back, byte for byte."""
        answer = await self.agencies[code].client.submit_surely(event, wait=20)
        self.submitted += 1
        self.duplicates += 1
        self.duplicates_equal &= answer.body == first.body
        self.say(
            f"[yellow]重复[/] transfer     {code:10} the same submission again: the original receipt, byte for byte"
        )

    async def transfer_case(self) -> None:
        """案件移送: returned once, disputed, designated, accepted, decided, reported."""
        event, answer = await self.state(story.MINHANG, story.sent, self.transfer, opens=True)
        await self.again(story.MINHANG, event, answer)
        for code, fact in (
            (story.QINGPU, story.transfer_receipted),
            (story.QINGPU, story.returned),
            (story.MINHANG, story.disputed),
            (story.CITY, story.designated),
            (story.QINGPU, story.accepted),
            (story.QINGPU, story.filed),
        ):
            await self.state(code, fact, self.transfer)

    async def conclude_transfer(self) -> None:
        """The decision, and the word to who sent the case."""
        await self.state(story.QINGPU, story.decided, self.transfer)
        await self.state(story.QINGPU, story.outcome_reported, self.transfer)

    async def refer(self) -> None:
        """行刑衔接: the first submission lacks the survey report."""
        await self.state(story.QINGPU, story.reported, self.referral, opens=True)
        for code, fact in (
            (story.QINGPU, story.approved),
            (story.QINGPU, story.referred_without_report),
            (story.QINGPU, story.referred),
            (story.POLICE, story.referral_receipted),
            (story.POLICE, story.supplement_requested),
            (story.QINGPU, story.supplemented),
            (story.POLICE, story.referral_filed),
            (story.QINGPU, story.goods_handed_over),
        ):
            await self.state(code, fact, self.referral)

    async def everybody_reads(self) -> None:
        """Every party reads its inbox to the end."""
        for exchange in (self.transfer, self.referral):
            for code in self._readers(exchange):
                await self.agencies[code].until(exchange, self.last[exchange])


def play(*, as_json: bool, data: Path | None) -> bool:
    """Play the demo, print it, and say whether all checks hold. Nothing is left running or behind."""
    begun = time.monotonic()
    console = Console(stderr=as_json, highlight=False)
    folder = data or Path(tempfile.mkdtemp(prefix="liandong-demo-"))
    say: Callable[[str], None] = console.print
    try:
        say("starting Kafka, PostgreSQL and four services …")
        stack = Stack(folder, say=lambda line: console.print(line, style="dim"))
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
    async with _agencies(stack) as agencies:
        run = Play(agencies, say, stack.bus)
        await run.transfer_case()
        async with asyncio.TaskGroup() as parallel:
            parallel.create_task(run.refer())
            parallel.create_task(run.conclude_transfer())
        await run.everybody_reads()
        timelines = [
            await _timeline(agencies[story.QINGPU], exchange, run) for exchange in (run.transfer, run.referral)
        ]
        for timeline in timelines:
            say("")
            draw(timeline, say)
        return await _result(stack, run)


async def _timeline(agency: Agency, exchange: str, run: Play) -> dict[str, Any]:
    """The timeline, once the audit has followed to the last event."""
    async with asyncio.timeout(_ARRIVAL):
        while True:
            answer = await agency.client.timeline(exchange=exchange)
            if answer.status == 200 and len(answer.json["entries"]) >= run.last[exchange]:
                return dict(answer.json)
            await asyncio.sleep(0.1)


@asynccontextmanager
async def _agencies(stack: Stack) -> AsyncGenerator[dict[str, Agency]]:
    async with AsyncExitStack() as opened:
        yield {
            code: Agency(
                await opened.enter_async_context(AgencyClient(stack.url, agency_key(code, stack.keys), stack.bus))
            )
            for code in AGENCIES
        }


async def _result(stack: Stack, run: Play) -> dict[str, Any]:
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
        "the procuratorate read along": run.agencies[story.PROCURATORATE].seen.get(run.referral)
        == run.last[run.referral],
        "the dossier without the survey report was rejected": run.refusals == ["dossier-incomplete"],
        "a repeated submission got the original receipt, byte for byte": run.duplicates_equal and run.duplicates > 0,
        "the transfer is concluded": newest[run.transfer].standing.status == "reported",
        "the goods of the referral are handed over": newest[run.referral].standing.status == "handed_over",
        "nothing was dead-lettered": not dead,
    }
    return {
        "engines": stack.versions(),
        "exchanges": [_exchange(record) for record in newest.values()],
        "counts": {
            "submitted": run.submitted,
            "registered": outcomes.get("receipt", 0),
            "rejected": outcomes.get("rejection", 0),
            "duplicates": run.duplicates,
            "delivered": sum(item["stage"] == "delivered" for item in deliveries),
        },
        "checks": [{"name": name, "ok": bool(ok)} for name, ok in checks.items()],
    }


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
    others = [copy for code, copy in copies.items() if code != story.MINHANG]
    told = str(story.ORIGIN.reporter.phone if story.ORIGIN.reporter else "").encode()
    return bool(others) and all(
        "/origin/reporter" in withheld(copy["data"]) and told not in canonical(copy) for copy in others
    )


def _police_stubs(run: Play) -> bool:
    items = [
        item
        for item in run.agencies[story.POLICE].items
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
