"""What simulated partners behind a gap have in common: the other end of the ferry, their memory, and how they run.

A partner is a desk: it takes forms and writes forms, and is pure but for its own state. The desk and the place to which
its reader has come are kept together in one file, so that a partner that is killed has neither lost nor doubled a form.
"""

import argparse
import asyncio
import signal
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Generic, Self, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from connectors.ferry.crossing import Ferry, Item, Pace
from connectors.ferry.folders import Folders
from connectors.ferry.gap import FAIR, Gap, Weather
from connectors.ferry.letters import SPOILT
from connectors.ferry.papers import Ends
from connectors.files.store import open_store
from contracts import library
from contracts.canonical import Document, parse_object, timestamp
from contracts.signatures import Keyring, SigningKey, load_private

ACTS = "acts"
"""The folder in a partner's home where people lay forms."""


class Desk(BaseModel):
    """A partner's memory of forms.

    seen: what it has acted on, in order, and of which exchange that is. returned: what it was told of forms of its own
    that were sent back. tray: forms of its own that are still to go out.
    """

    model_config = ConfigDict(validate_assignment=True)

    serial: int = 0
    seen: dict[str, str] = Field(default_factory=dict[str, str])
    returned: list[Document] = Field(default_factory=list[Document])
    tray: list[Document] = Field(default_factory=list[Document])

    def take(self, form: Document) -> None:
        """Act on a form, once."""
        number = str(form.get("jbh"))
        if number not in self.seen:
            self.seen[number] = str(form.get("wlbh") or "")
            content = form.get("nr")
            if form.get("bdlx") == SPOILT and isinstance(content, dict):
                self.returned.append(content)
            self.act(form)

    def act(self, form: Document) -> None:
        """What the partner does on a form that is new."""
        raise NotImplementedError

    def work(self, now: str) -> None:
        """A working day: put what is answered into the tray."""
        raise NotImplementedError

    def write(self, form: Document, agency: str) -> None:
        """Put a form into the tray, with a number of its own."""
        self.serial += 1
        self.tray.append({**form, "lsh": f"{agency}-{self.serial:06d}", "fsdw": agency})


D = TypeVar("D", bound=Desk)


@dataclass(frozen=True, slots=True)
class There:
    """Where a partner lives: a folder of its own, its ends, its key, and whom it knows."""

    home: Path
    ends: Ends
    key: SigningKey
    keys: Keyring
    clock: Callable[[], datetime]
    seed: int = 0
    pace: Pace | None = None


class FerryPartner(Generic[D]):
    """A partner and the gap before it. `outgoing`, `incoming`: our folders, on this side of the gap.

    by_hand: it does not work by its script, but writes the forms that people lay into `acts` of its home, in order.
    """

    def __init__(self, there: There, desk: D, *, outgoing: Path, incoming: Path) -> None:
        theirs = there.home / "outgoing", there.home / "incoming"
        files = open_store(str(there.home / "files"), there.home)
        self.to_them = Gap(outgoing, theirs[1], seed=there.seed)
        self.to_us = Gap(theirs[0], incoming, seed=there.seed + 1)
        self.closed = self.by_hand = False
        self._there = there
        self._path = there.home / "desk.json"
        self.desk = desk
        self._cursor: str | None = None
        self._recall()
        self._ferry = Ferry(
            there.ends,
            Folders(*theirs),
            key=there.key,
            keys=there.keys,
            files=files,
            clock=there.clock,
            pace=there.pace,
        )

    def set_weather(self, weather: Weather) -> None:
        """How the gap fares from now on, in both directions."""
        self.to_them.weather = self.to_us.weather = weather

    async def step(self) -> None:
        """Everything once: the gap carries, the partner takes, works and answers, the gap carries back.

        While the partner is closed 放假, only the gap works.
        """
        self.to_them.carry()
        if not self.closed:
            await self._take()
            if self.by_hand:
                self._write_what_lies_there()
            else:
                self.desk.work(timestamp(self._there.clock()))
            self._remember()
            await self._send()
        self.to_us.carry()

    async def close(self) -> None:
        """Let go of the folders."""
        await self._ferry.close()

    async def _take(self) -> None:
        more = True
        while more:
            seen = await self._ferry.look(self._cursor)
            for item in seen.items:
                self.desk.take(parse_object(item.body))
            # One look more after something came: it is kept now, and receipted before it is answered.
            self._cursor, more = seen.cursor, seen.more or bool(seen.items)
            self._remember()

    async def _send(self) -> None:
        """A form that was sent, and not yet noted as sent when we were killed, goes again under its number."""
        while self.desk.tray:
            form = self.desk.tray[0]
            cited = [str(digest) for digest in cited_by_form(form.get("nr"))]
            await self._ferry.send([Item(str(form["lsh"]), orjson.dumps(form), cited)])
            self.desk.tray = self.desk.tray[1:]
            self._remember()

    def _write_what_lies_there(self) -> None:
        acts = self._there.home / ACTS
        acts.mkdir(exist_ok=True)
        for path in sorted(path for path in acts.iterdir() if not path.name.startswith(".")):
            self.desk.write(parse_object(path.read_bytes()), self._there.ends.ours)
            self._remember()
            path.unlink()

    def _recall(self) -> None:
        if self._path.exists():
            kept = parse_object(self._path.read_bytes())
            self.desk = type(self.desk).model_validate(kept["desk"])
            self._cursor = str(kept["cursor"])

    def _remember(self) -> None:
        half = self._path.with_suffix(".half")
        half.write_bytes(orjson.dumps({"cursor": self._cursor, "desk": self.desk.model_dump(mode="json")}))
        half.replace(self._path)


def cited_by_form(value: JsonValue) -> list[str]:
    """The attachments that a form of theirs cites, in its columns `zy`."""
    if isinstance(value, dict):
        own = [value["zy"]] if isinstance(value.get("zy"), str) and "mtlx" in value else []
        return [*map(str, own), *(digest for item in value.values() for digest in cited_by_form(item))]
    if isinstance(value, list):
        return [digest for item in value for digest in cited_by_form(item)]
    return []


@dataclass(frozen=True, slots=True)
class Told:
    """What a partner's process is told on its command line."""

    home: Path
    agency: str
    bus: str
    outgoing: Path
    incoming: Path
    key: Path
    kid: str
    contracts: Path
    seed: int
    every: float
    by_hand: bool
    weather: Weather

    @classmethod
    def from_command_line(cls, arguments: Sequence[str] | None = None) -> Self:
        """Parse it."""
        parser = argparse.ArgumentParser(description="A simulated partner behind a gap.")
        for name in ("home", "outgoing", "incoming", "key", "contracts"):
            parser.add_argument(f"--{name}", type=Path, required=True)
        parser.add_argument("--agency", required=True)
        parser.add_argument("--bus", required=True)
        parser.add_argument("--kid", required=True)
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--every", type=float, default=1.0, help="seconds between two steps")
        parser.add_argument("--by-hand", action="store_true", help="write what is laid into its home, and nothing else")
        for name, share in asdict(FAIR).items():
            if name != "off":
                parser.add_argument(f"--{name}", type=float, default=share, help="share of the gap's files")
        given = vars(parser.parse_args(arguments))
        weather = Weather(**{name: given.pop(name) for name in asdict(FAIR) if name != "off"})
        return cls(**given, weather=weather)

    def there(self) -> There:
        """Where the partner lives."""
        self.home.mkdir(parents=True, exist_ok=True)
        key = load_private(self.agency, self.kid, self.key.read_bytes())
        keys = library.load(self.contracts).agencies
        return There(self.home, Ends(self.agency, self.bus), key, keys, lambda: datetime.now(UTC), self.seed)


def run(make: Callable[[There, Told], FerryPartner[D]]) -> None:
    """The `main` of a partner behind a gap: a step every so often until SIGTERM or SIGINT. It prints its folder first.

    It is told on its command line whom it knows: `--contracts` is a folder with the agencies' public keys.
    """
    told = Told.from_command_line()
    asyncio.run(_run(make(told.there(), told), told))


async def _run(partner: FerryPartner[D], told: Told) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    partner.set_weather(told.weather)
    partner.by_hand = told.by_hand
    print(told.home, flush=True)
    while not stopping.is_set():
        await partner.step()
        try:
            await asyncio.wait_for(stopping.wait(), told.every)
        except TimeoutError:
            continue
    await partner.close()
