"""Plays the telling on a bus: every agency is a client of its own, and legal time is driven from instant to instant."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

from rich.cells import set_cell_size
from rich.markup import escape

from connectors.http.client import AgencyClient, Answer, new_event
from connectors.http.files import content_in
from connectors.simulation import Mode
from contracts.canonical import Document
from contracts.records import Record
from contracts.topics import Topics
from services.cli.driver import Driver
from services.cli.partners.partner import Act, Partner, Refused
from services.cli.story.cast import Ids, Outage, Step, Thread, content
from services.kernel.store import Store

_ARRIVAL: Final = 20.0
"""Seconds: the longest that an agency waits for an event to reach its inbox."""
_OUTCOME: Final = 20
"""Seconds that the bus may take for an answer."""
_COLLECTED: Final = 30.0
"""Seconds that it may take until what a partner has stated is registered, or refused."""
_LOOK: Final = 0.05  # seconds
_WIDTH: Final = 80
_NAMES: Final = 16


@dataclass(slots=True)
class Agency:
    """One agency: its client, and what its inbox has shown it.

    brought: its copies are brought to it as well, so that it does not acknowledge what it reads here.
    """

    client: AgencyClient
    brought: bool = False
    cursor: str | None = None
    seen: dict[str, int] = field(default_factory=dict[str, int])
    items: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    async def until(self, exchange: str, sequence: int) -> None:
        """Read the inbox until an exchange has come this far. Raises TimeoutError."""
        async with asyncio.timeout(_ARRIVAL):
            while self.seen.get(exchange, 0) < sequence:
                await self.read(wait=5)

    async def read(self, *, wait: int = 0) -> bool:
        """Read a page of the inbox and acknowledge it; whether there was anything."""
        page = (await self.client.inbox(self.cursor, wait=wait)).json
        for item in page["items"]:
            self._take(item)
        self.cursor = page["cursor"]
        if page["items"] and not self.brought:
            await self.client.ack(page["cursor"])
        return bool(page["items"])

    def _take(self, item: dict[str, Any]) -> None:
        self.items.append(item)
        event = item.get("event") or item.get("stub")
        if event is not None:
            self.seen[event["exchange"]] = event["sequence"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A step that the bus refused."""

    step: Step
    code: str | None
    detail: str


@dataclass(slots=True)
class Player:
    """What happens, and what is counted. stores: the registrars', by service. acted: by partners, at their systems.

    brought: attachments, by who has brought them.
    """

    agencies: Mapping[str, Agency]
    partners: Mapping[str, Partner]
    driver: Driver
    stores: Mapping[str, Store]
    topics: Topics
    say: Callable[[str], None]
    bus: str
    threads: Mapping[str, Thread]
    ids: Ids
    opened: set[str] = field(default_factory=set[str])
    submitted: int = 0
    acted: list[Step] = field(default_factory=list[Step])
    brought: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    repeats: list[bool] = field(default_factory=list[bool])
    refusals: list[Refusal] = field(default_factory=list[Refusal])
    surprises: list[Step] = field(default_factory=list[Step])

    async def tell(self, steps: Sequence[Step], outages: Sequence[Outage]) -> None:
        """Play steps that are in order. What happens at one instant in several exchanges happens side by side."""
        turns = [turn for outage in outages for turn in _turns(outage)]
        happens: list[Turn | Step] = sorted([*turns, *steps], key=attrgetter("at"))
        for instant, together in groupby(happens, key=attrgetter("at")):
            await self.driver.advance(instant)
            now = [*together]
            for turn in now:
                if isinstance(turn, Turn):
                    await self.partners[turn.outage.agency].fare(turn.mode)
                    self.say(turn.line())
            await self._at_once([item for item in now if isinstance(item, Step)])

    async def everybody_reads(self) -> None:
        """Every agency reads its inbox to the end."""
        await self.driver.quiet()
        await asyncio.gather(*map(_read_all, self.agencies.values()))

    async def _at_once(self, steps: Sequence[Step]) -> None:
        by_thread: dict[str, list[Step]] = {}
        for step in steps:
            by_thread.setdefault(step.thread, []).append(step)
        for lines in await asyncio.gather(*map(self._one_by_one, by_thread.values())):
            for line in lines:
                self.say(line)

    async def _one_by_one(self, steps: Sequence[Step]) -> list[str]:
        return [line for step in steps for line in await self._step(step)]

    async def _step(self, step: Step) -> list[str]:
        """An agency states a fact; what is to be said of it, in lines."""
        partner = self.partners.get(step.agency)
        if partner is not None and partner.says(self.threads[step.thread].kind, step.fact):
            return [await self._acted(partner, step)]
        thread, exchange, agency = self.threads[step.thread], self.ids[step.thread], self.agencies[step.agency]
        known = await self._read_before(step) if thread.careful else None
        await self._bring(step)
        case, home = (None, None) if step.thread in self.opened else (thread.case, self.bus)
        event = new_event(
            agency.client.key,
            step.fact,
            exchange=exchange,
            kind=thread.kind,
            known=known or None,
            case=case,
            home=home,
            leg=step.leg,
            inname=step.inname,
            time=step.at,
        )
        answer = await agency.client.submit_surely(event, wait=_OUTCOME)
        self.submitted += 1
        if answer.status == 201:
            line = self._registered(step, answer.json["sequence"])
        else:
            line = self._rejected(step, answer.code, str(answer.json.get("detail", "")))
        return [line, *([await self._again(step, event, answer)] if step.again else [])]

    async def _bring(self, step: Step) -> None:
        """The attachments that a fact cites are with the bus before it cites them."""
        for item in step.attachments:
            if (step.agency, item.digest) not in self.brought:
                await self.agencies[step.agency].client.upload(content_in(content(item.title)))
                self.brought.add((step.agency, item.digest))

    async def _acted(self, partner: Partner, step: Step) -> str:
        """A partner states a fact at its own system; the bus learns of it, and takes it or sends it back."""
        thread, exchange = self.threads[step.thread], self.ids[step.thread]
        stated, refused = await self._own(step), await self._refused(partner, step)
        opens = thread.opened_by == step.agency and step.thread not in self.opened
        files = [content(item.title) for item in step.attachments]
        number = thread.case if opens else None
        await partner.act(Act(step.at, thread.kind, exchange, step.fact, number, files))
        self.acted.append(step)
        async with asyncio.timeout(_COLLECTED):
            while True:
                if records := (await self._own(step))[len(stated) :]:
                    return self._registered(step, records[0].sequence, "[cyan]代签[/]")
                if found := (await self._refused(partner, step))[len(refused) :]:
                    return self._rejected(step, found[0].code, found[0].detail)
                await asyncio.sleep(_LOOK)

    async def _own(self, step: Step) -> list[Record]:
        """What the agency of a step has stated in its exchange so far."""
        records = await self._records(step)
        return [record for record in records if record.event["source"] == step.agency]

    async def _refused(self, partner: Partner, step: Step) -> list[Refused]:
        """What the partner was told of its own facts in this exchange that were not taken."""
        exchange = self.ids[step.thread]
        return [error for error in await partner.refused() if error.exchange in {None, exchange}]

    async def _records(self, step: Step) -> Sequence[Record]:
        thread, exchange = self.threads[step.thread], self.ids[step.thread]
        key = thread.kind, exchange
        store = self.stores[str(self.topics.registrar_of(thread.kind))]
        return (await store.exchanges([key])).get(key, [])

    async def _read_before(self, step: Step) -> int:
        """The sequence to which the agency has read the exchange: the bus may have said something meanwhile."""
        records = await self._records(step)
        if not records:
            return 0
        if step.agency in records[-1].standing.parties:
            await self.agencies[step.agency].until(self.ids[step.thread], records[-1].sequence)
        return records[-1].sequence

    def _registered(self, step: Step, sequence: int, word: str = "[green]登记[/]") -> str:
        self.opened.add(step.thread)
        if step.refused is not None:
            self.surprises.append(step)
        return _line(word, step, f"#{sequence}", f"{step.fact.title_zh} {step.fact.name()}")

    def _rejected(self, step: Step, code: str | None, detail: str) -> str:
        if step.refused != code:
            self.surprises.append(step)
        self.refusals.append(Refusal(step, code, detail))
        return _line("[red]退件[/]", step, "–", f"{step.fact.title_zh}: {code}")

    async def _again(self, step: Step, event: Document, first: Answer) -> str:
        """The same submission once more: the original receipt must come back, byte for byte."""
        answer = await self.agencies[step.agency].client.submit_surely(event, wait=_OUTCOME)
        self.submitted += 1
        self.repeats.append(answer.body == first.body)
        return _line("[yellow]重复[/]", step, "", f"{step.fact.title_zh}: the original receipt")


@dataclass(frozen=True, slots=True)
class Turn:
    """A partner's system goes off, or comes back."""

    at: datetime
    outage: Outage
    mode: Mode

    def line(self) -> str:
        """What is to be said of it."""
        word = "[yellow]停机[/]" if self.mode is Mode.OFF else "[green]恢复[/]"
        line = f" {self.at:%m-%d %H:%M} {'':{_NAMES}} {'':3} {self.outage.agency:12} {self.outage.why}"
        return word + escape(set_cell_size(line, _WIDTH - 4).rstrip())


def _turns(outage: Outage) -> tuple[Turn, Turn]:
    return Turn(outage.begins, outage, Mode.OFF), Turn(outage.ends, outage, Mode.WELL)


async def _read_all(agency: Agency) -> None:
    while await agency.read():
        pass


def _line(word: str, step: Step, number: str, what: str) -> str:
    """A step in one line of 80 columns; `word` takes four."""
    line = f" {step.at:%m-%d %H:%M} {step.thread:{_NAMES}} {number:3} {step.agency:12} {what}"
    return word + escape(set_cell_size(line, _WIDTH - 4).rstrip())
