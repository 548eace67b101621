"""A grid centre 网格化/城运中心 (`connectors/grid`): cases of its own, and steps of those that we bring."""

from collections.abc import Mapping
from typing import Any

from aiohttp import ClientSession

from connectors.forms.table import local
from connectors.grid.mapping import KIND, has_step, told
from connectors.identity import exchange_of
from contracts.codec import dump
from events.fact import Fact
from events.workorder import Dispatched
from services.cli.partners.partner import Act, Copies, NotAllowedError, Partner, Refused, Seat


class Grid(Partner):
    """The centre."""

    def __init__(self, seat: Seat, url: str, session: ClientSession) -> None:
        super().__init__(seat, url, session)
        self._numbers: dict[str, str] = {}

    def says(self, kind: str, fact: Fact) -> bool:
        """Whether it is a step of theirs."""
        return kind == KIND and has_step(fact)

    async def refused(self) -> list[Refused]:
        """What it has on file of errors."""
        errors = (await self._state())["errors"]
        return [Refused(item["exchange"], item["code"], item["reason"]) for item in errors]

    async def held(self) -> Copies:
        """The steps of others in its cases, and the letters 来文."""
        state, found = await self._state(), Copies()
        for case in state["cases"]:
            exchange = case["externalId"] or exchange_of(self.seat.agency, case["caseNo"])
            steps = [item["byExternalId"] for item in case["history"] if item["byExternalId"]]
            found.setdefault(exchange, []).extend(steps)
        for letter in state["letters"]:
            found.setdefault(letter["document"]["event"]["exchange"], []).append(letter["externalId"])
        return {exchange: held for exchange, held in found.items() if held}

    def due(self, item: Mapping[str, Any]) -> str | None:
        """What opens a case goes by the exchange."""
        cursor, event = super().due(item), item.get("event") or {}
        return str(event["exchange"]) if cursor and event["type"] == Dispatched.type() else cursor

    async def _act(self, act: Act) -> None:
        form = told({"type": type(act.fact).type(), "data": dump(act.fact)})
        said = {"detail": form.detail, "time": local(act.at)}
        if act.number is not None:
            self._numbers[act.exchange] = act.number
            await self._ask("POST", "/_desk/cases", {**said, "caseNo": act.number})
        else:
            number = await self._number(act.exchange)
            await self._ask("POST", "/_desk/actions", {**said, "caseNo": number, "action": form.action})

    async def _number(self, exchange: str) -> str:
        """Its number of a case. Raises NotAllowedError before we have brought it."""
        if exchange not in self._numbers:
            cases = (await self._state())["cases"]
            self._numbers |= {item["externalId"]: item["caseNo"] for item in cases if item["externalId"]}
        if exchange not in self._numbers:
            raise NotAllowedError(f"{self.seat.agency} has heard nothing of {exchange} yet")
        return self._numbers[exchange]

    async def _state(self) -> dict[str, Any]:
        return await self._ask("GET", "/_desk/state")
