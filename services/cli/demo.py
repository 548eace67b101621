"""The demo: the seeds' story crosses the bus in one run, on real engines, every agency a client of its own over HTTP.

Legal time is driven: ten weeks pass in well under a minute, with deadlines warned and met, missed, extended.

What it claims at the end it has read from the stores, the inboxes, the timelines and with an independent Kafka reader.
"""

import asyncio
import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Container, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from psycopg import sql
from rich.console import Console
from rich.markup import escape

from connectors.http.client import AgencyClient
from connectors.kafka.reader import read_all
from connectors.kafka.settings import KafkaSettings
from connectors.postgres.pool import Pool, open_pool
from contracts import library
from contracts.agencies import Agencies
from contracts.canonical import Document, instant, parse_object
from contracts.codec import require_author
from contracts.errors import SignatureError
from contracts.library import Contracts
from contracts.records import REJECTION, Record
from contracts.signatures import verify_seal
from contracts.topics import DEAD_LETTERS, DELIVERIES
from services.cli.agencies import agency_key, new_agency
from services.cli.draw import draw
from services.cli.driver import Driver
from services.cli.partners.partner import Holding, Seat, holding
from services.cli.partners.seats import Partners
from services.cli.partners.systems import all_brought, queued
from services.cli.stack import Stack
from services.cli.story import telling
from services.cli.story.cast import JUSTICE, QINGPU, Ids, Outage
from services.cli.story.outcome import outcome, seen
from services.cli.story.player import Agency, Player
from services.kernel.store import Store

_DRAWN: Final = ("transfer", "referral")
"""The exchanges of the main case whose timelines are drawn."""
_READERS: Final = (JUSTICE, QINGPU)
"""Whose timelines of the main case are asked for: in 闵行 the justice bureau sees all of it, in 青浦 the bureau."""

Say = Callable[[str], None]


def play(*, as_json: bool, data: Path | None) -> bool:
    """Play the demo, print it, and say whether all checks hold. Nothing is left running or behind."""
    begun = time.monotonic()
    console = Console(stderr=as_json, highlight=False)
    folder = data or Path(tempfile.mkdtemp(prefix="liandong-demo-"))
    say: Say = console.print
    ids = telling.new_ids()
    steps = telling.steps(ids)
    try:
        say("starting Kafka, PostgreSQL and the services; legal time is driven …")
        stack = Stack(folder, legal_time=steps[0].at, say=lambda line: console.print(line, style="dim"))
        partners = Partners(telling.SEATS, folder / "partners")
        partners.settle(stack)
        for code in telling.agencies(steps):
            new_agency(code, stack.keys, stack.contracts)
        # The loop is made before anything can be interrupted, so that Ctrl-C never meets half a loop.
        with asyncio.Runner() as runner:
            runner.get_loop()
            with partners, stack:
                say(f"running after {time.monotonic() - begun:.1f} s at {stack.url}")
                say(f"partners behind their channels: {_seated(telling.SEATS)}")
                say("登记 registered  代签 stated at a partner's own system, signed for it  退件 refused  停机 off\n")
                result = _run(runner, _play(stack, partners, ids, say))
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


def _seated(seats: Sequence[Seat]) -> str:
    by_via: dict[str, list[str]] = {}
    for seat in seats:
        by_via.setdefault(f"{seat.via}{' over a gap' if seat.gap else ''}", []).append(seat.agency)
    return "; ".join(f"{via} {', '.join(codes)}" for via, codes in by_via.items())


async def _play(stack: Stack, partners: Partners, ids: Ids, say: Say) -> dict[str, Any]:
    steps = telling.steps(ids)
    contracts = library.load(stack.contracts)
    async with (
        partners.open(stack) as by_agency,
        _agencies(stack, telling.agencies(steps), by_agency) as agencies,
        Driver.start(stack) as driver,
        open_pool(stack.postgres) as pool,
    ):
        stores = {name: Store(name, pool) for name in contracts.topics.kinds.registrars}
        for partner in by_agency.values():
            await partner.begin(agency_key(stack.bus, stack.keys))
        player = Player(agencies, by_agency, driver, stores, contracts.topics, say, stack.bus, telling.THREADS, ids)
        await player.tell(steps, telling.OUTAGES)
        await player.everybody_reads()
        await all_brought(pool)
        holdings = [await holding(partner, agencies[code].items) for code, partner in by_agency.items()]
        found = await _found(stack, contracts, pool, stores, holdings)
        found = replace(found, fetched=await _fetched(stack, agencies))
        told = await _timelines(agencies, ids, found.records)
        for thread in _DRAWN:
            say("")
            draw(told.exchanges[thread], say)
        return _result(stack, player, contracts, found, told)


@asynccontextmanager
async def _agencies(stack: Stack, codes: Iterable[str], brought: Container[str]) -> AsyncGenerator[dict[str, Agency]]:
    async with AsyncExitStack() as opened:
        yield {
            code: Agency(
                await opened.enter_async_context(AgencyClient(stack.url, agency_key(code, stack.keys), stack.bus)),
                brought=code in brought,
            )
            for code in codes
        }


@dataclass(frozen=True, slots=True)
class Found:
    """What lies in the stores, with audit, on Kafka and with partners. `refused`: the codes of the rejections."""

    records: list[Record]
    outcomes: Counter[str]
    refused: Counter[str]
    audited: Mapping[tuple[str, str, int], bytes]
    published: list[bytes]
    dead: int
    delivered: int
    queued: int
    holdings: Sequence[Holding]
    fetched: int = 0


async def _found(
    stack: Stack, contracts: Contracts, pool: Pool, stores: Mapping[str, Store], holdings: Sequence[Holding]
) -> Found:
    records = [record for store in stores.values() async for record in store.all_records()]
    outcomes: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    async with pool.connection() as connection:
        for name in stores:
            query = sql.SQL("SELECT outcome, document FROM {}").format(sql.Identifier(name, "outcomes"))
            for kind, document in await (await connection.execute(query)).fetchall():
                outcomes[kind] += 1
                if kind == REJECTION:
                    refused[str(parse_object(document)["code"])] += 1
        rows = await (
            await connection.execute("SELECT kind, exchange::text, sequence, record FROM audit.events")
        ).fetchall()
    topics = (*contracts.topics.events(), DEAD_LETTERS, DELIVERIES)
    values = await _values(stack.kafka, topics)
    return Found(
        records=records,
        outcomes=outcomes,
        refused=refused,
        audited={(kind, exchange, sequence): bytes(record) for kind, exchange, sequence, record in rows},
        published=[value for topic in contracts.topics.events() for value in values[topic]],
        dead=len(values[DEAD_LETTERS]),
        delivered=sum(parse_object(value)["stage"] == "delivered" for value in values[DELIVERIES]),
        queued=await queued(pool),
        holdings=holdings,
    )


async def _fetched(stack: Stack, agencies: Mapping[str, Agency]) -> int:
    """How many attachments were fetched, each by somebody to whom a copy cites it. Raises what `download` does."""
    readers: dict[str, str] = {}
    for code, agency in agencies.items():
        events = [item["event"] for item in agency.items if item.get("event")]
        readers |= {digest: code for event in events if event["source"] != code for digest in _cited(event["data"])}
    folder = stack.data / "fetched"
    folder.mkdir(exist_ok=True)
    places = [(agencies[code].client, digest, folder / digest[-32:]) for digest, code in readers.items()]
    await asyncio.gather(*(client.download(digest, path) for client, digest, path in places))
    return len(places)


def _cited(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(digest := value.get("digest"), str) and "media_type" in value:
            yield digest
        for item in value.values():
            yield from _cited(item)
    elif isinstance(value, list):
        for item in value:
            yield from _cited(item)


async def _values(kafka: KafkaSettings, topics: Sequence[str]) -> dict[str, list[bytes]]:
    """What each topic holds, by the independent reader."""
    read = await asyncio.gather(*(asyncio.to_thread(read_all, kafka, topic) for topic in topics))
    return {topic: [item.value for item in items if item.value] for topic, items in zip(topics, read, strict=True)}


@dataclass(frozen=True, slots=True)
class Told:
    """What timelines say: of each exchange to its opener, and of the main case to its readers."""

    exchanges: Mapping[str, dict[str, Any]]
    cases: list[dict[str, Any]]

    @property
    def links(self) -> list[dict[str, Any]]:
        """The links of the main case."""
        return [link for case in self.cases for link in case["links"]]


async def _timelines(agencies: Mapping[str, Agency], ids: Ids, records: Sequence[Record]) -> Told:
    openers = {record.exchange: str(record.event["source"]) for record in records if record.sequence == 1}
    threads = {thread: exchange for thread, exchange in ids.items() if exchange in openers}
    answers = await asyncio.gather(
        *(agencies[openers[exchange]].client.timeline(exchange=exchange) for exchange in threads.values()),
        *(agencies[code].client.timeline(case=telling.MAIN_CASE) for code in _READERS),
    )
    documents = [answer.json for answer in answers]
    return Told(dict(zip(threads, documents, strict=False)), documents[len(threads) :])


def _result(stack: Stack, player: Player, contracts: Contracts, found: Found, told: Told) -> dict[str, Any]:
    inboxes = {code: agency.items for code, agency in player.agencies.items()}
    judged = seen(player.ids, found.records, inboxes, told.links)
    clocks = [
        {"exchange": timeline["exchange"], **item}
        for timeline in told.exchanges.values()
        for item in timeline["clocks"]
    ]
    checks = {
        **_bus_checks(stack.bus, contracts.agencies, found, inboxes),
        **_play_checks(player, found),
        **_partner_checks(stack.bus, player, contracts.agencies, found),
        **_timeline_checks(clocks, told, player.ids),
        **outcome(judged),
    }
    by_bus = sum(record.event["source"] == stack.bus for record in found.records)
    return {
        "engines": stack.versions(),
        "exchanges": [_exchange(thread, records[-1]) for thread, records in judged.records.items()],
        "links": [
            {"from": this, "relation": relation, "to": other}
            for thread in judged.records
            for this, relation, other in sorted(judged.joined)
            if this == thread
        ],
        "refusals": [
            {
                "thread": item.step.thread,
                "agency": item.step.agency,
                "fact": item.step.fact.name(),
                "code": item.code,
                "detail": item.detail,
            }
            for item in player.refusals
        ],
        "partners": [
            {
                "agency": item.seat.agency,
                "via": item.seat.via,
                "copies": item.copies,
                "stated": sum(step.agency == item.seat.agency for step in player.acted),
            }
            for item in found.holdings
        ],
        "counts": {
            "submitted": player.submitted + len(player.acted) + by_bus,
            "by_partners": len(player.acted),
            "by_the_bus": by_bus,
            "registered": found.outcomes["receipt"],
            "rejected": found.outcomes[REJECTION],
            "duplicates": len(player.repeats),
            "delivered": found.delivered,
        },
        "clocks": clocks,
        "delay": {timeline["exchange"]: timeline["delay"] for timeline in told.exchanges.values()},
        "checks": [{"name": name, "ok": bool(ok)} for name, ok in checks.items()],
    }


def _bus_checks(
    bus: str, agencies: Agencies, found: Found, inboxes: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, bool]:
    """What must hold of whatever is played."""
    stored = {(record.kind, record.exchange, record.sequence): record.to_bytes() for record in found.records}
    copies = [item["event"] for items in inboxes.values() for item in items if item.get("event")]
    return {
        "every exchange's sequences have no gap": _gapless(found.records),
        "Kafka, read independently, holds what the stores hold": sorted(stored.values())
        == sorted(set(found.published)),
        "the audit's timelines equal the stores": found.audited == stored,
        "every registered event verifies against its agency's key": all(
            _verifies(record.event, agencies) for record in found.records
        ),
        "every receipt verifies against the bus's key": all(
            _sealed(record.receipt, agencies, bus) for record in found.records
        ),
        "every cut copy in every inbox verifies": bool(copies) and all(_verifies(copy, agencies) for copy in copies),
        "nothing was dead-lettered": not found.dead,
    }


def _play_checks(player: Player, found: Found) -> dict[str, bool]:
    refused = Counter(str(item.step.refused) for item in player.refusals)
    return {
        "what had to be refused was refused, for its reason; all else was registered": not player.surprises
        and found.refused == refused,
        "the dossier without the survey report was rejected": found.refused["dossier-incomplete"] == 1,
        "a repeated submission got the original receipt, byte for byte": bool(player.repeats) and all(player.repeats),
    }


def _partner_checks(bus: str, player: Player, agencies: Agencies, found: Found) -> dict[str, bool]:
    signed = Counter(str(item.event["source"]) for item in found.records if item.event.get("signedby") == bus)
    stated = Counter(step.agency for step in player.acted if step.refused is None)
    refused = Counter((step.agency, step.refused) for step in player.acted if step.refused is not None)
    told = Counter((item.seat.agency, error.code) for item in found.holdings for error in item.refused)
    late = [
        proof
        for outage in telling.OUTAGES
        for item in player.agencies[outage.author].items
        if (proof := item.get("evidence")) and _proves(proof, outage, bus, agencies)
    ]
    return {
        "every partner holds each copy exactly once, in order": bool(found.holdings)
        and all(item.due and item.whole for item in found.holdings),
        "what partners stated in their own forms is registered once, signed for them by the bus (代签)": bool(stated)
        and signed == stated,
        "what the bus refused of it came back to the partner that had stated it": bool(refused) and told == refused,
        "of a copy that a partner's outage held up, the author got signed proof; then it arrived": len(late)
        == len(telling.OUTAGES),
        "nothing waits any more to be brought": not found.queued,
        "every attachment that was shown to another could be fetched, whole, by who was shown it": found.fetched
        == len({digest for record in found.records for digest in _cited(record.event["data"])}),
    }


def _proves(proof: Document, outage: Outage, bus: str, agencies: Agencies) -> bool:
    """Whether it is the bus's word that a copy did not reach the partner in the time that was agreed."""
    due, at = instant(proof["due"]), instant(proof["time"])
    return (
        (proof["statement"], proof["recipient"]) == ("undelivered", outage.agency)
        and outage.begins < due <= at < outage.ends
        and verify_seal(proof, agencies, at) == bus
    )


def _timeline_checks(clocks: Sequence[Mapping[str, Any]], told: Told, ids: Ids) -> dict[str, bool]:
    main = {ids[name] for name, thread in telling.THREADS.items() if thread.case == telling.MAIN_CASE}
    return {
        "a deadline was warned of, and met": any(item["warned"] and item["state"] == "met" for item in clocks),
        "a deadline was missed, recorded, and met late": any(
            item["expired"] and item["state"] == "late" for item in clocks
        ),
        "a deadline was extended with its reason, and met": any(
            item["extensions"] and item["state"] == "met" for item in clocks
        ),
        "the delay table adds up to the span of each exchange": all(map(_adds_up, told.exchanges.values())),
        "the case timelines hold every exchange of the main case": main
        == {item["exchange"] for case in told.cases for item in case["exchanges"]},
    }


def _adds_up(timeline: dict[str, Any]) -> bool:
    """Whether the segments of the delay table add up to the span, to the microsecond."""
    delay = timeline["delay"]
    return sum(Decimal(str(item["seconds"])) for item in delay["segments"]) == Decimal(str(delay["span_s"]))


def _exchange(thread: str, record: Record) -> dict[str, Any]:
    standing = record.standing
    return {
        "thread": thread,
        "id": record.exchange,
        "kind": record.kind,
        "case": standing.case,
        "state": standing.status,
        "ended": standing.ended,
        "moves": [*standing.moves],
        "sequence": record.sequence,
        "parties": {code: party.role for code, party in sorted(standing.parties.items())},
    }


def _gapless(stored: Sequence[Record]) -> bool:
    sequences: dict[tuple[str, str], list[int]] = {}
    for record in stored:
        sequences.setdefault((record.kind, record.exchange), []).append(record.sequence)
    return bool(sequences) and all(sorted(found) == list(range(1, len(found) + 1)) for found in sequences.values())


def _verifies(event: Document, agencies: Agencies) -> bool:
    try:
        at = datetime.fromisoformat(str(event["acceptedtime"]))
        require_author(event, agencies, at)
    except SignatureError:
        return False
    return True


def _sealed(receipt: Document, agencies: Agencies, bus: str) -> bool:
    try:
        return verify_seal(receipt, agencies, datetime.fromisoformat(str(receipt["acceptedtime"]))) == bus
    except SignatureError:
        return False


def _tell(result: dict[str, Any], say: Say) -> None:
    say("\n[bold]the main case as one story 关联[/]")
    for item in result["links"]:
        say(escape(f"  {item['from']:16} {item['relation'].replace('_', ' '):9} {item['to']}"))
    say("\n[bold]partners 对方系统[/]  channel, copies that it holds, facts that it stated there")
    for item in result["partners"]:
        say(escape(f"  {item['agency']:16} {item['via']:11} {item['copies']:>3} {item['stated']:>3}"))
    say("\n[bold]exchanges 往来[/]  kind, state, events, whose move")
    for item in result["exchanges"]:
        then = "■" if item["ended"] else f"→ {', '.join(item['moves']) or 'nobody'}"
        say(escape(f"  {item['thread']:16} {item['kind']:11} {item['state']:16} {item['sequence']:>2} {then}"))
    say("")
    for check in result["checks"]:
        say(f"{'[green]✓[/]' if check['ok'] else '[red]✗[/]'} {check['name']}")
    counts = ", ".join(f"{count} {name}" for name, count in result["counts"].items())
    engines = ", ".join(f"{name} {version}" for name, version in result["engines"].items())
    say(f"\n{counts}\n{engines}\n{result['elapsed_s']} s")
