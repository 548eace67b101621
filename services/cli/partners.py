"""Partners as they are, for demonstrations: simulators as processes of their own, each behind its contract's channel.

    partners = Partners([Seat("310000-rx", "hotline")], folder)
    partners.settle(contracts)                      # their channels, written into the overlay
    with partners:                                  # the processes
        async with partners.open() as by_agency:    # who acts at them
            await by_agency["310000-rx"].act(act)
            await by_agency["310000-rx"].held()

What a partner states it enters into its own system, in its own form; the bus learns of it through its connector. What
that form has no place for, its people state with the bus's own client.
"""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self

from aiohttp import ClientSession

from connectors.errors import EngineError
from connectors.forms.table import Form, local
from connectors.hotline import mapping as hotline
from connectors.housing import mapping as housing
from connectors.process import Child, free_port, port_answers, spawn
from connectors.simulation import CONTROL, Mode
from contracts.agencies import Channel
from contracts.canonical import Document
from contracts.codec import dump
from contracts.signatures import SigningKey
from events import workorder
from events.fact import Fact
from events.parts import Relation
from services.cli.agencies import set_channel

_PATIENCE: Final = 30.0
"""Seconds: the longest that a partner waits until its own system allows what it wants to do."""
_LOOK: Final = 0.05  # seconds
_STARTS: Final = 30.0  # seconds

Copies = dict[str, list[int]]
"""Sequences by exchange, in the order in which they came."""


@dataclass(frozen=True, slots=True)
class Seat:
    """A partner, and what was agreed with it. via: the folder of `connectors/`."""

    agency: str
    via: str
    deliver_within: timedelta | None = None
    longest_pause: timedelta = timedelta(minutes=30)
    options: Mapping[str, Any] = field(default_factory=dict)

    def channel(self, url: str) -> Channel:
        """Its contract's channel to a simulator on this machine."""
        return Channel(
            via=self.via,
            url=url,
            private=True,
            signs_for=True,
            deliver_within=self.deliver_within,
            longest_pause=self.longest_pause,
            per_second=_PER_SECOND,
            concurrency=_CONCURRENCY,
            options=self.options,
        )


_PER_SECOND: Final = 1000.0
_CONCURRENCY: Final = 8


@dataclass(frozen=True, slots=True)
class Act:
    """What a partner states. number: its own of the exchange, if this opens it. files: what the fact cites."""

    at: datetime
    kind: str
    exchange: str
    fact: Fact
    number: str | None = None
    files: Sequence[bytes] = ()


class NotAllowedError(EngineError):
    """The partner's own system does not allow it."""


class Partner:
    """One partner's simulator, backstage."""

    def __init__(self, seat: Seat, url: str, session: ClientSession) -> None:
        self.seat = seat
        self._url = url
        self._session = session

    async def fare(self, mode: Mode) -> None:
        """How its system fares from now on."""
        await self._ask("PUT", CONTROL, {"mode": mode.value})

    async def trust(self, key: SigningKey) -> None:
        """What it is told by this bus, it believes."""

    def says(self, kind: str, fact: Fact) -> bool:  # noqa: ARG002, for who overrides it
        """Whether its system has a form for it."""
        return False

    async def act(self, act: Act) -> None:
        """State a fact at its own system. Raises NotAllowedError if that does not allow it, for long."""
        raise NotImplementedError

    async def refused(self) -> list[Document]:
        """What it was told of facts that the bus did not take."""
        return []

    async def held(self) -> Copies:
        """The copies that it holds."""
        raise NotImplementedError

    def due(self, item: Mapping[str, Any]) -> bool:
        """Whether it has to hold what this item of its inbox shows."""
        return bool(item.get("event") or item.get("stub"))

    async def _ask(self, method: str, path: str, document: object = None) -> dict[str, Any]:
        async with self._session.request(method, self._url + path, json=document) as answer:
            if answer.status == 409:
                raise NotAllowedError(f"{self.seat.agency}: {await answer.text()}")
            answer.raise_for_status()
            return dict(await answer.json()) if answer.content_type == "application/json" else {}


class Endpoint(Partner):
    """An agency that has its copies pushed to an endpoint of its own (webhook)."""

    async def trust(self, key: SigningKey) -> None:
        """From now on it takes only what this key has signed."""
        await self._ask("PUT", "/keys", [key.public()])

    async def held(self) -> Copies:
        """The copies that it holds, stubs too."""
        found: Copies = {}
        for item in (await self._ask("GET", "/taken"))["items"]:
            if event := item.get("event") or item.get("stub"):
                found.setdefault(event["exchange"], []).append(event["sequence"])
        return found


class Forms(Partner):
    """A partner with a desk (`connectors/forms`): hotline, housing, registry of titles."""

    def __init__(
        self, seat: Seat, url: str, session: ClientSession, forms: Mapping[tuple[str, type[Fact]], Form]
    ) -> None:
        super().__init__(seat, url, session)
        self._forms = forms
        self._numbers: dict[str, str] = {}

    def says(self, kind: str, fact: Fact) -> bool:
        """Whether it has a form for it."""
        return (kind, type(fact)) in self._forms

    async def act(self, act: Act) -> None:
        """Fill in its form. It waits for our letters that have to come before. Raises NotAllowedError."""
        for content in act.files:
            async with self._session.post(f"{self._url}/_files", data=content) as answer:
                answer.raise_for_status()
        if act.number is not None:
            self._numbers[act.exchange] = act.number
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                await self._ask("POST", "/_acts", {**self._form(act), "number": await self._number(act.exchange)})
                return
            except NotAllowedError:
                if time.monotonic() > end:
                    raise
            await asyncio.sleep(_LOOK)

    async def refused(self) -> list[Document]:
        """What came to its `errors`."""
        return list((await self._state())["errors"])

    async def held(self) -> Copies:
        """The letters in its threads."""
        found: Copies = {}
        for thread in (await self._state())["threads"].values():
            for letter in thread["letters"]:
                found.setdefault(letter["externalNo"], []).append(letter["seq"])
        return found

    def due(self, item: Mapping[str, Any]) -> bool:
        """It gets no letters about what it has stated itself, nor about what it may not see."""
        event = item.get("event")
        return event is not None and event["source"] != self.seat.agency

    def _form(self, act: Act) -> Document:
        form = self._forms[act.kind, type(act.fact)]
        return {
            "action": form.action,
            "form": {**form.fill(dump(act.fact)), **self._repeats(act.fact)},
            "at": local(act.at),
        }

    def _repeats(self, fact: Fact) -> Document:
        """An order that repeats another names it by its number."""
        links = fact.links if isinstance(fact, workorder.Dispatched) else ()
        repeated = [str(link.exchange) for link in links if link.relation is Relation.REPEATS]
        return {"repeatOf": self._numbers[repeated[0]]} if repeated else {}

    async def _number(self, exchange: str) -> str:
        """Its own number of an exchange. Raises NotAllowedError before our letter has come."""
        if exchange not in self._numbers:
            threads = (await self._state())["threads"].values()
            self._numbers |= {item["external"]: item["number"] for item in threads if item["external"]}
        if exchange not in self._numbers:
            raise NotAllowedError(f"{self.seat.agency} has heard nothing of {exchange} yet")
        return self._numbers[exchange]

    async def _state(self) -> dict[str, Any]:
        return await self._ask("GET", "/_state")


_FORMS: Final[Mapping[str, Mapping[tuple[str, type[Fact]], Form]]] = {
    "hotline": {(hotline.KIND, form.fact): form for form in hotline.THEIRS.values()},
    "housing": {(kind, form.fact): form for kind, forms in housing.THEIRS.items() for form in forms.values()},
}


def _partner(seat: Seat, url: str, session: ClientSession) -> Partner:
    forms = _FORMS.get(seat.via)
    return Endpoint(seat, url, session) if forms is None else Forms(seat, url, session, forms)


class Partners:
    """The partners' processes. Use it as a context manager: none is left running."""

    def __init__(self, seats: Sequence[Seat], folder: Path, *, seed: int = 7) -> None:
        self.seats = tuple(seats)
        self._folder = folder
        self._seed = seed
        self._ports = {seat.agency: free_port() for seat in seats}
        self._children: dict[str, Child] = {}

    def settle(self, contracts: Path) -> None:
        """Write into the overlay how copies reach them. Raises UnusableContract."""
        for seat in self.seats:
            path = "/hook" if seat.via == "webhook" else ""
            set_channel(seat.agency, contracts, seat.channel(self._url(seat) + path))

    def __enter__(self) -> Self:
        """Start the processes; `open` waits for them."""
        try:
            for seat in self.seats:
                self._children[seat.agency] = self._spawned(seat)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def stop(self) -> None:
        """End the processes."""
        for child in self._children.values():
            child.terminate()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[dict[str, Partner]]:
        """The partners by agency, each of which answers. Raises EngineError."""
        async with ClientSession() as session:
            await asyncio.gather(*map(self._answers, self.seats))
            yield {seat.agency: _partner(seat, self._url(seat), session) for seat in self.seats}

    async def _answers(self, seat: Seat) -> None:
        end = time.monotonic() + _STARTS
        while not port_answers(self._ports[seat.agency]):
            child = self._children[seat.agency]
            if not child.running or time.monotonic() > end:
                raise EngineError(f"the simulator of {seat.agency} does not answer\n{child.tail()}")
            await asyncio.sleep(_LOOK)

    def _url(self, seat: Seat) -> str:
        return f"http://127.0.0.1:{self._ports[seat.agency]}"

    def _spawned(self, seat: Seat) -> Child:
        program = f"connectors.{seat.via}.simulator"
        port = str(self._ports[seat.agency])
        argv = [sys.executable, "-m", program, "--port", port, "--seed", str(self._seed)]
        return spawn(argv, log=self._folder / f"{seat.agency}.log")
