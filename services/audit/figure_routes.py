"""Figures over HTTP; HTTP only.

    GET /v1/indicators?from=&to=&agency=&format=&lang=      days in Shanghai, the last one included; json or html

    the document of `services.audit.indicators`, and "findings": [document of `services.audit.findings`]; where the
    period holds that of published figures whole, also "figures" and "publications" (`services.audit.published`)

Published figures are shown to the bus itself and to the agency whose they are.

The bus itself sees everybody; a supervisor or an arbiter what it oversees, days that are stated to it included, and
what is found in that alone; any other agency its own figures and no findings. An overseer that asks for itself, with
`agency`, gets its own figures as any agency does. All are made of what is counted when it is asked: what audit has
followed by then, unless it is just being counted anew.
"""

import asyncio
from asyncio import to_thread
from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

from aiohttp import web
from pydantic import JsonValue

from connectors.http.problem import ProblemError
from connectors.http.query import bad, matching, parameters
from connectors.http.server import json_response
from connectors.http.tokens import Door
from contracts.canonical import Document
from contracts.counting import DAY, midnight
from contracts.grounds import load as grounds
from contracts.library import Library
from events.fields import AGENCY_PATTERN
from services.audit.asking import day, language
from services.audit.ledger import Ledger
from services.audit.printing.figures_page import Names, figures_html
from services.audit.printing.wording import Language
from services.kernel.time import Clock

_AT_ONCE: Final = 2
"""Reports that are made at a time. Each holds a connection, and followers need some of them."""


class FigureRoutes:
    """The path of figures."""

    def __init__(self, ledger: Ledger, door: Door, library: Library, bus: str, clock: Clock) -> None:
        """`clock`: legal time, by which what runs is overdue."""
        self._ledger = ledger
        self._door = door
        self._library = library
        self._bus = bus
        self._clock = clock
        self._reporting = asyncio.Semaphore(_AT_ONCE)

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """The route."""
        return [web.get("/v1/indicators", self.indicators)]

    async def indicators(self, request: web.Request) -> web.Response:
        """The figures of a period, and what a supervisor may want to look into."""
        caller = (await self._door.caller(request)).agency
        given = parameters(request, "from", "to", "agency", "format", "lang")
        first, last = day(given, "from"), day(given, "to")
        if last < first:
            raise bad("to", "is before from")
        asked = matching(given, "agency", AGENCY_PATTERN, "an agency's code, such as 310112-cg")
        form = matching(given, "format", "json|html", "json or html") or "json"
        chosen = language(given)
        async with self._reporting:
            document = await self._document(caller, asked, midnight(first), midnight(last + DAY))
            document |= await self._published(caller, first, last)
            if form == "json":
                return json_response(document)
            page = await to_thread(self._page, document, chosen)
        return web.Response(text=page, content_type="text/html", charset="utf-8")

    async def _document(self, caller: str, asked: str | None, begin: datetime, end: datetime) -> Document:
        contracts = self._library.current()
        oversees = caller == self._bus or contracts.agreements.oversees(caller)
        if not oversees and asked not in {None, caller}:
            raise ProblemError("not-found", f"{caller} sees its own figures and not those of {asked}")
        await self._ledger.settle(contracts.rules, contracts.calendars)
        overseer = caller if oversees and caller != self._bus else None
        agency = asked if oversees else caller
        now = self._clock()
        seen_by = None if agency == caller else overseer
        figures = await self._ledger.indicators(
            begin, end, now, agency, overseer=seen_by, measured=contracts.indicators
        )
        found = await self._ledger.findings(now, begin, overseer=overseer, rules=contracts.findings) if oversees else []
        shown = [item for item in found if item.occurred < end and (agency is None or agency in item.agencies)]
        return {**figures, "findings": [item.document(overseer=overseer is not None) for item in shown]}

    async def _published(self, caller: str, first: date, last: date) -> Document:
        """What was published of the period, beside what the log gives; nothing if nothing was."""
        found = [item for item in self._library.current().figures if item.covers(first, last)]
        told = [await self._ledger.published(item) for item in found if caller in {self._bus, item.agency}]
        if not told:
            return {}
        figures = [figure for item in told for figure in _listed(item.pop("figures"))]
        return {"figures": figures, "publications": [*told]}

    def _page(self, document: Document, chosen: Language) -> str:
        contracts = self._library.current()
        findings = document.pop("findings")
        return figures_html(
            document,
            language=chosen,
            made_at=self._clock(),
            bus=self._bus,
            names=Names(contracts.agencies, contracts.rules, grounds()),
            findings=[item for item in findings if isinstance(item, dict)] if isinstance(findings, list) else [],
        )


def _listed(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []
