"""What every partner of a demonstration does at its own system, whatever that is."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from aiohttp import ClientSession
from pydantic import JsonValue

from connectors.errors import EngineError
from connectors.simulation import CONTROL, Mode
from contracts.agencies import Channel
from contracts.signatures import SigningKey
from events.fact import Fact

PATIENCE: Final = 30.0
"""Seconds: the longest that a partner waits until its own system allows what it wants to do."""
LOOK: Final = 0.05  # seconds

Copies = dict[str, list[str]]
"""What it knows them by, of each exchange, in the order in which they came."""


@dataclass(frozen=True, slots=True)
class Seat:
    """A partner, and what was agreed with it. via: the folder of `connectors/`. gap: it sits beyond a network gap."""

    agency: str
    via: str
    gap: bool = False
    deliver_within: timedelta | None = None
    longest_pause: timedelta = timedelta(minutes=30)
    options: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])

    def channel(self, url: str | None, options: Mapping[str, JsonValue]) -> Channel:
        """Its contract's channel to a simulator on this machine. `options`: beside those that were agreed."""
        return Channel(
            via=self.via,
            url=url,
            private=url is not None,
            signs_for=True,
            deliver_within=self.deliver_within,
            longest_pause=self.longest_pause,
            per_second=_PER_SECOND,
            concurrency=_CONCURRENCY,
            options={**self.options, **options},
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


@dataclass(frozen=True, slots=True)
class Refused:
    """What a partner was told of a fact of its own that the bus did not take."""

    exchange: str | None
    code: str
    detail: str


class NotAllowedError(EngineError):
    """The partner's own system does not allow it."""


class Partner(ABC):
    """One partner's simulator, backstage."""

    def __init__(self, seat: Seat, url: str, session: ClientSession) -> None:
        self.seat = seat
        self._url = url
        self._session = session

    async def fare(self, mode: Mode) -> None:
        """How its system fares from now on."""
        await self._ask("PUT", CONTROL, {"mode": mode.value})

    async def begin(self, key: SigningKey) -> None:  # noqa: B027, most have nothing to do
        """Make ready for a bus with this key."""

    def says(self, kind: str, fact: Fact) -> bool:  # noqa: ARG002, for who overrides it
        """Whether its system has a form for it."""
        return False

    async def act(self, act: Act) -> None:
        """State a fact at its own system, as soon as that allows it. Raises NotAllowedError if it does not for long."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                await self._act(act)
                return
            except NotAllowedError:
                if time.monotonic() > end:
                    raise
            await asyncio.sleep(LOOK)

    async def act_all(self, acts: Sequence[Act]) -> None:
        """State many, in order. Raises NotAllowedError."""
        for act in acts:
            await self.act(act)

    def learn(self, numbers: Mapping[str, str]) -> None:  # noqa: B027, most open none
        """Under which numbers of its own it has opened exchanges, or will."""

    async def refused(self) -> list[Refused]:
        """What it was told of facts that the bus did not take."""
        return []

    @abstractmethod
    async def held(self) -> Copies:
        """The copies that it holds."""

    def due(self, item: Mapping[str, Any]) -> str | None:
        """By what name it has to hold what this item of its inbox shows, if it has to: most go by the cursor."""
        event = item.get("event")
        return str(item["cursor"]) if event is not None and event["source"] != self.seat.agency else None

    async def _act(self, act: Act) -> None:
        """State it. Raises NotAllowedError, also before our letter has come that it follows upon."""
        raise NotImplementedError

    async def _ask(self, method: str, path: str, document: object = None) -> dict[str, Any]:
        async with self._session.request(method, self._url + path, json=document) as answer:
            if answer.status in {404, 409}:
                raise NotAllowedError(f"{self.seat.agency}: {await answer.text()}")
            answer.raise_for_status()
            return dict(await answer.json()) if answer.content_type == "application/json" else {}


@dataclass(frozen=True, slots=True)
class Holding:
    """A partner at the end: the copies that it has to hold, those that it holds, and what it was told of refusals."""

    seat: Seat
    due: Copies
    held: Copies
    refused: list[Refused]

    @property
    def copies(self) -> int:
        """How many it has to hold."""
        return sum(map(len, self.due.values()))

    @property
    def whole(self) -> bool:
        """Whether it holds each of them exactly once, in order, and no other."""
        return self.due == self.held


async def holding(partner: Partner, items: Iterable[Mapping[str, Any]]) -> Holding:
    """What a partner holds, and what it has to hold by these items of its inbox."""
    due: Copies = {}
    for item in items:
        if name := partner.due(item):
            event = item.get("event") or item["stub"]
            due.setdefault(event["exchange"], []).append(name)
    return Holding(partner.seat, due, await partner.held(), await partner.refused())
