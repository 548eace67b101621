"""Exchanges and timelines over HTTP; HTTP only.

    GET /v1/exchanges?kind=&state=&party=&case=&move=&limit=&cursor=     the newest first, in pages
    GET /v1/exchanges/{id}?kind=                how it stands
    GET /v1/exchanges/{id}/timeline?kind=       what was stated, when, who got it, the clocks, and whose delay it was
    GET /v1/cases/{id}/timeline?limit=&cursor=  the same for the exchanges of a case, the oldest first, in pages
    GET /v1/timelines/{id}                      the first of these, if the id is an exchange's, else the second

A timeline comes as `format`: json (the default), csv, ocel (OCEL 2.0), xes, or html (to print, in `lang` zh or en).
A page of a case says whether there are `more`, and the `cursor` with which they are asked for; in every format the next
page is also in the header `Link`, as rel="next".

A party sees the exchanges that it is party to; about others it is told what it is told about none: 404.
So is an agency of another bus about an exchange that this one only mirrors: what that tells is cut for others.
"""

import asyncio
import hashlib
import re
from asyncio import to_thread
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from aiohttp import web
from pydantic import JsonValue

from connectors.http.problem import ProblemError
from connectors.http.query import bad, matching, parameters, whole
from connectors.http.server import json_response
from connectors.http.tokens import Door
from contracts.calendar import SHANGHAI
from contracts.canonical import Document, canonical, instant, parse
from contracts.counting import DAY
from contracts.errors import MalformedJson
from contracts.horizons import Horizons
from contracts.library import Library
from events.fields import AGENCY_PATTERN
from events.registry import kinds
from services.audit.asking import language
from services.audit.exports import csv_of, ocel_of, xes_of
from services.audit.links import told
from services.audit.printing.timeline_page import timeline_html
from services.audit.printing.wording import Language
from services.audit.reader import Filters, Key, Place, Reader
from services.audit.timeline import Thread, case_timeline, exchange_timeline, summary
from services.kernel.time import Clock

_MOST_EXCHANGES: Final = 200
_MOST_DAYS: Final = 3660
_SHOWN: Final = ("format", "lang")
_EXCHANGE_ID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_AN_AGENCY: Final = (AGENCY_PATTERN, "an agency's code, such as 310112-cg")
_A_STATUS: Final = (r"[a-z][a-z_]{0,39}", "a status, such as accepted")
_A_CASE: Final = (r"[^\s\0](?:[^\0]{0,126}[^\s\0])?", "the id of a case, at most 128 characters")


class AuditRoutes:
    """The paths of exchanges and cases."""

    def __init__(self, reader: Reader, door: Door, library: Library, bus: str, clock: Clock) -> None:
        """`clock`: legal time, by which an open clock is overdue."""
        self._reader = reader
        self._door = door
        self._library = library
        self._bus = bus
        self._clock = clock
        # A timeline is held whole while it is made, and may be large.
        self._building = asyncio.Semaphore(2)

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """The routes."""
        return [
            web.get("/v1/exchanges", self.exchanges),
            web.get("/v1/exchanges/{id}", self.exchange),
            web.get("/v1/exchanges/{id}/timeline", self.timeline),
            web.get("/v1/cases/{id}/timeline", self.case_timeline),
            web.get("/v1/timelines/{id}", self.any_timeline),
        ]

    async def exchanges(self, request: web.Request) -> web.Response:
        """A page of the caller's exchanges. 410 for a cursor that is not of this list."""
        caller = await self._door.caller(request)
        given = parameters(request, "kind", "state", "party", "case", "move", "limit", "cursor")
        filters = Filters(
            kind=_kind(given.get("kind")),
            state=matching(given, "state", *_A_STATUS),
            party=matching(given, "party", *_AN_AGENCY),
            case=matching(given, "case", *_A_CASE),
            move=matching(given, "move", *_AN_AGENCY),
            home=self._home(caller.agency),
        )
        limit = whole(given, "limit", 50, lowest=1, highest=_MOST_EXCHANGES)
        this_list = _fingerprint(caller.agency, **asdict(filters))
        after = _place(given["cursor"], this_list) if "cursor" in given else None
        found = await self._reader.page(caller.agency, filters, after, limit + 1)
        shown, more = found[:limit], len(found) > limit
        agencies = self._library.current().agencies
        return json_response(
            {
                "items": [summary(thread, agencies, caller.agency) for thread in shown],
                "cursor": _cursor(Place.of(shown[-1]), this_list) if more else None,
                "more": more,
            }
        )

    async def exchange(self, request: web.Request) -> web.Response:
        """One exchange as it stands."""
        caller = await self._door.caller(request)
        thread = await self._thread(request, caller.agency)
        return json_response(summary(thread, self._library.current().agencies, caller.agency))

    async def timeline(self, request: web.Request) -> web.Response:
        """One exchange, step by step."""
        caller = await self._door.caller(request)
        thread = await self._thread(request, caller.agency)
        async with self._building:
            return await self._answer(
                parameters(request, "kind", *_SHOWN), await self._exchange_timeline(thread, caller.agency)
            )

    async def case_timeline(self, request: web.Request) -> web.Response:
        """A page of the exchanges of a case that the caller is party to, step by step. 410 as for the exchanges."""
        caller = (await self._door.caller(request)).agency
        given = parameters(request, "limit", "cursor", *_SHOWN)
        limit = whole(given, "limit", 50, lowest=1, highest=_MOST_EXCHANGES)
        case = request.match_info["id"]
        this_list = _fingerprint(caller, timelines_of=case)
        after = _place(given["cursor"], this_list) if "cursor" in given else None
        async with self._building:
            home = self._home(caller)
            found = await self._reader.case(caller, case, after, limit + 1, home) if "\0" not in case else []
            if not found:
                raise _not_found()
            cursor = _cursor(Place.of(found[limit - 1]), this_list) if len(found) > limit else None
            timeline = await self._case_timeline(case, found[:limit], caller)
            answer = await self._answer(given, {**timeline, "cursor": cursor, "more": cursor is not None})
        if cursor is not None:
            answer.headers["Link"] = f'<?{urlencode({**given, "cursor": cursor})}>; rel="next"'
        return answer

    async def any_timeline(self, request: web.Request) -> web.Response:
        """The timeline of an exchange or of a case."""
        is_exchange = _EXCHANGE_ID.fullmatch(request.match_info["id"])
        return await (self.timeline(request) if is_exchange else self.case_timeline(request))

    async def _exchange_timeline(self, thread: Thread, caller: str) -> Document:
        key: Key = (thread.kind, thread.exchange)
        records, stages = await self._reader.records([key]), await self._reader.stages([key])
        links, outages = await self._reader.links(caller, [key], self._home(caller)), await self._reader.outages()
        contracts = self._library.current()
        timeline = await to_thread(
            exchange_timeline,
            records[key],
            stages[key],
            outages,
            caller,
            contracts.agencies,
            now=self._clock(),
            rules=contracts.rules,
            calendars=contracts.calendars,
            horizons=await self._horizons(),
        )
        return {**timeline, "links": told(links, caller)}

    async def _case_timeline(self, case: str, threads: Sequence[Thread], caller: str) -> Document:
        keys: list[Key] = [(thread.kind, thread.exchange) for thread in threads]
        records, stages = await self._reader.records(keys), await self._reader.stages(keys)
        links, outages = await self._reader.links(caller, keys, self._home(caller)), await self._reader.outages()
        contracts = self._library.current()
        timeline = await to_thread(
            case_timeline,
            case,
            [(records[key], stages[key]) for key in keys],
            outages,
            caller,
            contracts.agencies,
            now=self._clock(),
            rules=contracts.rules,
            calendars=contracts.calendars,
            horizons=await self._horizons(),
        )
        return {**timeline, "links": told(links, caller)}

    def _home(self, caller: str) -> str | None:
        """Whose exchanges alone a caller is shown: ours, if another bus hosts it; None for any."""
        hosted_elsewhere = self._library.current().agencies.elsewhere(caller, self._bus) is not None
        return self._bus if hosted_elsewhere else None

    async def _horizons(self) -> Horizons:
        return Horizons(self._library.current().agencies, self._bus, await self._reader.horizons())

    async def _answer(self, given: Mapping[str, str], timeline: Document) -> web.Response:
        """A timeline in the format that was asked for. A large one takes its time, and others do not wait."""
        match given.get("format", "json"):
            case "json":
                return await to_thread(json_response, timeline)
            case "csv":
                return web.Response(body=await to_thread(csv_of, timeline), content_type="text/csv", charset="utf-8")
            case "ocel":
                return web.Response(body=await to_thread(ocel_of, [timeline]), content_type="application/json")
            case "xes":
                return web.Response(body=await to_thread(xes_of, [timeline]), content_type="application/xml")
            case "html":
                page = await to_thread(self._page, timeline, language(given))
                return web.Response(text=page, content_type="text/html", charset="utf-8")
            case _:
                raise bad("format", "one of: json, csv, ocel, xes, html")

    def _page(self, timeline: Document, chosen: Language) -> str:
        now, calendar = self._clock(), self._library.current().calendars.newest()
        first = min(instant(entry["recordedtime"]) for entry in _objects(timeline["entries"]))
        days = [first.astimezone(SHANGHAI).date() + DAY * n for n in range((now - first).days + 2)]
        rest = [day for day in days[:_MOST_DAYS] if not calendar.working(day)]
        return timeline_html(timeline, language=chosen, made_at=now, bus=self._bus, rest=rest)

    async def _thread(self, request: web.Request, caller: str) -> Thread:
        """The exchange of the path. Raises ProblemError: 404, or 400 where the id is of several kinds."""
        given = parameters(request, "kind", *_SHOWN)
        kind = _kind(given.get("kind"))
        try:
            exchange = str(UUID(request.match_info["id"]))
        except ValueError as error:
            raise _not_found() from error
        found = await self._reader.exchange(caller, exchange, self._home(caller))
        wanted = [thread for thread in found if kind in {None, thread.kind}]
        if not wanted:
            raise _not_found()
        if len(wanted) > 1:
            raise bad("kind", f"this id is of several exchanges; say which: {', '.join(item.kind for item in wanted)}")
        return wanted[0]


def _objects(value: JsonValue) -> list[Document]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _kind(given: str | None) -> str | None:
    if given is not None and given not in kinds():
        raise bad("kind", f"there is no such kind; known: {', '.join(kinds())}")
    return given


def _not_found() -> ProblemError:
    return ProblemError("not-found", "there is nothing here that you are a party to")


def _fingerprint(caller: str, **about: JsonValue) -> str:
    """Which list a cursor belongs to: whose, and of what."""
    return hashlib.sha256(canonical({"caller": caller, **about})).hexdigest()[:16]


def _cursor(place: Place, this_list: str) -> str:
    document = [this_list, place.opened.isoformat(), place.kind, place.exchange]
    return urlsafe_b64encode(canonical([*document])).rstrip(b"=").decode()


def _place(cursor: str, this_list: str) -> Place:
    """The place that a cursor names. Raises ProblemError: 410."""
    try:
        value = parse(urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)))
        whose, opened, kind, exchange = (str(part) for part in value) if isinstance(value, list) else ("",) * 4
        place = Place(datetime.fromisoformat(opened), kind, str(UUID(exchange)))
    except (ValueError, MalformedJson) as error:
        raise _cursor_unknown() from error
    if whose != this_list or kind not in kinds() or _cursor(place, this_list) != cursor:
        raise _cursor_unknown()
    return place


def _cursor_unknown() -> ProblemError:
    return ProblemError("cursor-unknown", "this is no cursor of this list of yours; begin without one")
