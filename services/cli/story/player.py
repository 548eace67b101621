"""Plays the telling on a bus: every agency is a client of its own, and legal time is driven from instant to instant."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from rich.cells import set_cell_size
from rich.markup import escape

from connectors.http.client import AgencyClient, Answer, new_event
from contracts.canonical import Document
from contracts.topics import Topics
from services.cli.driver import Driver
from services.cli.story.cast import Ids, Step, Thread
from services.kernel.store import Store

_ARRIVAL: Final = 20.0
"""Seconds: the longest that an agency waits for an event to reach its inbox."""
_OUTCOME: Final = 20
"""Seconds that the bus may take for an answer."""
_WIDTH: Final = 80
_NAMES: Final = 16


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
                await self.read(wait=5)

    async def read(self, *, wait: int = 0) -> bool:
        """Read a page of the inbox and acknowledge it; whether there was anything."""
        page = (await self.client.inbox(self.cursor, wait=wait)).json
        for item in page["items"]:
            self._take(item)
        self.cursor = page["cursor"]
        if page["items"]:
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
    """What happens, and what is counted. `stores`: the registrars', by service."""

    agencies: Mapping[str, Agency]
    driver: Driver
    stores: Mapping[str, Store]
    topics: Topics
    say: Callable[[str], None]
    bus: str
    threads: Mapping[str, Thread]
    ids: Ids
    opened: set[str] = field(default_factory=set[str])
    submitted: int = 0
    repeats: list[bool] = field(default_factory=list[bool])
    refusals: list[Refusal] = field(default_factory=list[Refusal])
    surprises: list[Step] = field(default_factory=list[Step])

    async def tell(self, steps: Sequence[Step]) -> None:
        """Play steps that are in order. What happens at one instant in several exchanges happens side by side."""
        for instant, together in groupby(steps, key=lambda step: step.at):
            await self.driver.advance(instant)
            await self._at_once([*together])

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
        thread, exchange, agency = self.threads[step.thread], self.ids[step.thread], self.agencies[step.agency]
        known = await self._read_before(step) if thread.careful else None
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
        return [self._noted(step, answer), *([await self._again(step, event, answer)] if step.again else [])]

    async def _read_before(self, step: Step) -> int:
        """The sequence to which the agency has read the exchange: the bus may have said something meanwhile."""
        thread, exchange = self.threads[step.thread], self.ids[step.thread]
        key = thread.kind, exchange
        store = self.stores[str(self.topics.registrar_of(thread.kind))]
        records = (await store.exchanges([key])).get(key, [])
        if not records:
            return 0
        if step.agency in records[-1].standing.parties:
            await self.agencies[step.agency].until(exchange, records[-1].sequence)
        return records[-1].sequence

    def _noted(self, step: Step, answer: Answer) -> str:
        registered, title = answer.status == 201, step.fact.title_zh
        if step.refused != (None if registered else answer.code):
            self.surprises.append(step)
        if registered:
            self.opened.add(step.thread)
            return _line("[green]登记[/]", step, f"#{answer.json['sequence']}", f"{title} {step.fact.name()}")
        self.refusals.append(Refusal(step, answer.code, str(answer.json.get("detail", ""))))
        return _line("[red]退件[/]", step, "–", f"{title}: {answer.code}")

    async def _again(self, step: Step, event: Document, first: Answer) -> str:
        """The same submission once more: the original receipt must come back, byte for byte."""
        answer = await self.agencies[step.agency].client.submit_surely(event, wait=_OUTCOME)
        self.submitted += 1
        self.repeats.append(answer.body == first.body)
        return _line("[yellow]重复[/]", step, "", f"{step.fact.title_zh}: the original receipt")


async def _read_all(agency: Agency) -> None:
    while await agency.read():
        pass


def _line(word: str, step: Step, number: str, what: str) -> str:
    """A step in one line of 80 columns; `word` takes four."""
    line = f" {step.at:%m-%d %H:%M} {step.thread:{_NAMES}} {number:3} {step.agency:12} {what}"
    return word + escape(set_cell_size(line, _WIDTH - 4).rstrip())
