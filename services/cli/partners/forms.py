"""Partners with a desk (`connectors/forms`): the hotline, the housing bureau, the registry of titles."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiohttp import ClientSession

from connectors.forms.table import Form, local
from connectors.hotline import mapping as hotline
from connectors.housing import mapping as housing
from contracts.canonical import Document
from contracts.codec import dump
from events import workorder
from events.fact import Fact
from events.parts import Relation
from services.cli.partners.partner import LOOK, PATIENCE, Act, Copies, NotAllowedError, Partner, Refused, Seat

FORMS: Final[Mapping[str, Mapping[tuple[str, type[Fact]], Form]]] = {
    "hotline": {(hotline.KIND, form.fact): form for form in hotline.THEIRS.values()},
    "housing": {(kind, form.fact): form for kind, forms in housing.THEIRS.items() for form in forms.values()},
}
"""What they have a form for, by connector, and by kind and fact."""


class Forms(Partner):
    """Such a partner."""

    def __init__(self, seat: Seat, url: str, session: ClientSession) -> None:
        super().__init__(seat, url, session)
        self._forms = FORMS[seat.via]
        self._numbers: dict[str, str] = {}

    def learn(self, numbers: Mapping[str, str]) -> None:
        """Under which numbers of its own it has opened exchanges, or will."""
        self._numbers |= numbers

    def says(self, kind: str, fact: Fact) -> bool:
        """Whether it has a form for it."""
        return (kind, type(fact)) in self._forms

    async def refused(self) -> list[Refused]:
        """What came to its `errors`."""
        errors = (await self._state())["errors"]
        return [Refused(item["exchange"], item["code"], item["detail"]) for item in errors]

    async def held(self) -> Copies:
        """The letters in its threads."""
        found: Copies = {}
        for thread in (await self._state())["threads"].values():
            for letter in thread["letters"]:
                found.setdefault(letter["externalNo"], []).append(letter["key"])
        return found

    async def act_all(self, acts: Sequence[Act]) -> None:
        """State many, in order; what its system does not allow yet, again. Raises NotAllowedError, after a while."""
        end = time.monotonic() + PATIENCE
        waiting = [*acts]
        while waiting:
            forms: list[Document] = []
            for act in waiting:
                if act.number is not None:
                    self._numbers[act.exchange] = act.number
                forms.append({**self._form(act), "number": await self._number(act.exchange)})
            answers = (await self._ask("POST", "/_acts", {"acts": forms}))["acts"]
            errors = [answer.get("error") for answer in answers]
            waiting = [act for act, error in zip(waiting, errors, strict=True) if error]
            if waiting and time.monotonic() > end:
                raise NotAllowedError(f"{self.seat.agency}: {next(filter(None, errors))}")
            await asyncio.sleep(LOOK if waiting else 0)

    async def _act(self, act: Act) -> None:
        for content in act.files:
            async with self._session.post(f"{self._url}/_files", data=content) as answer:
                answer.raise_for_status()
        if act.number is not None:
            self._numbers[act.exchange] = act.number
        number = await self._number(act.exchange)
        await self._ask("POST", "/_acts", {**self._form(act), "number": number})

    def _form(self, act: Act) -> Document:
        form = self._forms[act.kind, type(act.fact)]
        filled = {**form.fill(dump(act.fact)), **self._repeats(act.fact)}
        return {"action": form.action, "form": filled, "at": local(act.at)}

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
