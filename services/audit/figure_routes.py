"""Figures over HTTP; HTTP only.

    GET /v1/indicators?from=&to=&agency=&format=&lang=      days in Shanghai, the last one included; json or html

    the document of `services.audit.indicators`, and "findings": [document of `services.audit.findings`]

The bus itself sees everybody; a supervisor or an arbiter what it oversees, and the findings in it; any other agency its
own figures and no findings. They are made of what audit has followed when it is asked.
"""

from asyncio import to_thread
from collections.abc import Sequence
from datetime import datetime

from aiohttp import web

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


class FigureRoutes:
    """The path of figures."""

    def __init__(self, ledger: Ledger, door: Door, library: Library, bus: str, clock: Clock) -> None:
        """`clock`: legal time, by which what runs is overdue."""
        self._ledger = ledger
        self._door = door
        self._library = library
        self._bus = bus
        self._clock = clock

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
        period = midnight(first), midnight(last + DAY)
        document = await self._document(caller, asked, *period)
        if form == "json":
            return json_response(document)
        return web.Response(
            text=await to_thread(self._page, document, language(given)), content_type="text/html", charset="utf-8"
        )

    async def _document(self, caller: str, asked: str | None, begin: datetime, end: datetime) -> Document:
        contracts = self._library.current()
        await self._ledger.settle(contracts.rules, contracts.calendars)
        oversees = caller == self._bus or contracts.agreements.oversees(caller)
        if not oversees and asked not in {None, caller}:
            raise ProblemError("not-found", f"{caller} sees its own figures and not those of {asked}")
        overseer = caller if oversees and caller != self._bus else None
        agency = asked if oversees else caller
        now = self._clock()
        figures = await self._ledger.indicators(
            begin, end, now, agency, overseer=overseer, measured=contracts.indicators
        )
        found = await self._ledger.findings(now, begin, overseer=overseer, rules=contracts.findings) if oversees else []
        shown = [item for item in found if item.occurred < end and (agency is None or agency in item.agencies)]
        return {**figures, "findings": [item.document() for item in shown]}

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
