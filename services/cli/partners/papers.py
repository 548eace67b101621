"""Partners of paper forms (`connectors/ferry/letters`): police and cities, before a gap or with a mailbox."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any, Final

import orjson
from aiohttp import ClientSession

from connectors.ferry.partner import ACTS
from connectors.forms.table import Form
from connectors.http.files import content_in
from connectors.police import mapping as police
from connectors.provinces import mapping as provinces
from contracts.canonical import Document, parse_object
from contracts.codec import dump
from contracts.signatures import SigningKey
from events.fact import Fact
from services.cli.partners.partner import Act, Copies, NotAllowedError, Partner, Refused, Seat

PAPERS: Final[Mapping[str, Mapping[type[Fact], Form]]] = {
    "police": {form.fact: form for form in police.FORMS},
    "provinces": {form.fact: form for form in provinces.FROM_THEM.values()},
}
"""What they have forms for, by connector and by fact."""


class Papers(Partner):
    """Such a partner."""

    def __init__(self, seat: Seat, url: str, session: ClientSession) -> None:
        super().__init__(seat, url, session)
        self._own: dict[str, str] = {}

    def learn(self, numbers: Mapping[str, str]) -> None:
        """Under which numbers of its own it has opened exchanges, or will."""
        self._own |= numbers

    def says(self, kind: str, fact: Fact) -> bool:  # noqa: ARG002, its forms know their kind
        """Whether it has a form for it."""
        return type(fact) in PAPERS[self.seat.via]

    async def refused(self) -> list[Refused]:
        """What was sent back to it; such a form does not say in which exchange."""
        returned = (await self._state())["returned"]
        return [Refused(None, str(item["dm"]), str(item["sm"])) for item in returned]

    async def held(self) -> Copies:
        """The forms that it has acted on."""
        found: Copies = {}
        for number, exchange in (await self._state())["seen"].items():
            if exchange:
                found.setdefault(exchange, []).append(number)
        return found

    def due(self, item: Mapping[str, Any]) -> str | None:
        """It is told of everything: that a fact of its own is registered, and that there is what it may not see."""
        return str(item["cursor"]) if item.get("event") or item.get("stub") else None

    async def _act(self, act: Act) -> None:
        form = PAPERS[self.seat.via][type(act.fact)]
        content = form.fill(dump(act.fact))
        head: Document = {"bdlx": form.action, "ywlx": act.kind, "sj": act.at.isoformat(), "nr": content}
        await self._lay(act, {**head, **await self._thread(act)})

    async def _thread(self, act: Act) -> Document:
        """By which number the form goes: its own of what it opened, else ours. Raises NotAllowedError before ours."""
        own = self._own.get(act.exchange) or act.number
        if own is not None:
            self._own[act.exchange] = own
            return {"ajbh": own}
        if act.exchange not in (await self._state())["seen"].values():
            raise NotAllowedError(f"{self.seat.agency} has heard nothing of {act.exchange} yet")
        return {"wlbh": act.exchange}

    @abstractmethod
    async def _lay(self, act: Act, form: Document) -> None:
        """Lay a form where it goes out."""

    @abstractmethod
    async def _state(self) -> dict[str, Any]:
        """What it has seen, and what was sent back to it."""


class Mailbox(Papers):
    """With a mailbox."""

    async def begin(self, key: SigningKey) -> None:  # noqa: ARG002, it takes what lies in its box
        """People work, and no script."""
        await self._ask("PUT", "/_script", {"on": False})

    async def _lay(self, act: Act, form: Document) -> None:
        for content in act.files:
            await self._put(content)
        await self._ask("POST", "/_acts", form)

    async def _put(self, content: bytes) -> None:
        url = f"{self._url}/files/{content_in(content).digest}"
        async with self._session.put(url, data=content) as answer:
            answer.raise_for_status()

    async def _state(self) -> dict[str, Any]:
        return await self._ask("GET", "/_state")


class Gap(Papers):
    """Beyond a gap. `home`: its own folder."""

    def __init__(self, seat: Seat, home: Path, session: ClientSession) -> None:
        super().__init__(seat, "", session)
        self._home = home
        self._numbers: Iterator[int] = count(1)

    async def _lay(self, act: Act, form: Document) -> None:
        if act.files:
            raise NotAllowedError(f"{self.seat.agency}: over the gap its people send forms without files")
        acts = self._home / ACTS
        name = f"{next(self._numbers):06}.json"
        acts.mkdir(exist_ok=True)
        (acts / f".{name}").write_bytes(orjson.dumps(form))
        (acts / f".{name}").rename(acts / name)

    async def _state(self) -> dict[str, Any]:
        path = self._home / "desk.json"
        desk: Any = parse_object(path.read_bytes())["desk"] if path.exists() else {"seen": {}, "returned": []}
        return dict(desk)
