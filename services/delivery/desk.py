"""Deliveries over HTTP, for operators; HTTP only. The bus itself reads and acts, by a token of its own key.

GET  /v1/deliveries?agency=&state=&cursor=&limit=    what waits, was relayed, or is parked; how partners fare
GET  /v1/deliveries/{kind}/{exchange}/{sequence}     the stages of each copy of an event
POST /v1/deliveries/pause|resume {"agency"}          let nothing, or everything, be brought to a partner
POST /v1/deliveries/retry {"agency", "positions"}    try items again now; without positions all that are parked
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from aiohttp import web
from psycopg.rows import TupleRow

from connectors.http.problem import ProblemError
from connectors.http.query import bad, parameters, whole
from connectors.http.server import json_response, read_body
from connectors.http.tokens import Door
from contracts.canonical import Document, parse_object, timestamp
from services.delivery.dispatch import Dispatch
from services.delivery.queue import Partner

_MOST: Final = 500
_LARGEST: Final = 64 * 1024
_CURSOR: Final = re.compile(r"([0-9T:.-]{19,26}Z)/([0-9A-Za-z-]{0,64})/([0-9]{1,18})")
_START: Final = "0001-01-01T00:00:00Z//0"


class DeskRoutes:
    """The paths of deliveries."""

    def __init__(self, dispatch: Dispatch, door: Door) -> None:
        self._dispatch = dispatch
        self._pool = dispatch.runtime.pool
        self._door = door

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """The routes."""
        return [
            web.get("/v1/deliveries", self.listed),
            web.get("/v1/deliveries/{kind}/{exchange}/{sequence}", self.shown),
            web.post("/v1/deliveries/pause", self.pause),
            web.post("/v1/deliveries/resume", self.resume),
            web.post("/v1/deliveries/retry", self.retry),
        ]

    async def listed(self, request: web.Request) -> web.Response:
        """Partners, and what is in the queue, those first that wait longest; the next page follows `cursor`."""
        await self._operator(request)
        given = parameters(request, "agency", "state", "cursor", "limit")
        limit = whole(given, "limit", 100, lowest=1, highest=_MOST)
        place = _place(given.get("cursor", _START))
        state, agency = given.get("state"), given.get("agency")
        if state not in {None, "waiting", "relayed", "parked"}:
            raise bad("state", "waiting, relayed or parked")
        values = {"agency": agency, "state": state, "limit": limit, **place}
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(_LIST, values)).fetchall()
            counts: dict[str, int] = dict(await (await connection.execute(_COUNTS)).fetchall())
        noted = await self._dispatch.queue.partners()
        channels = self._dispatch.partners()
        codes = sorted({*channels, *noted} if agency is None else {agency} & {*channels, *noted})
        partners = [self._partner(code, noted.get(code, Partner(code)), counts.get(code, 0)) for code in codes]
        page: Document = {"partners": [*partners], "deliveries": [_queued(row) for row in rows]}
        if len(rows) == limit:
            page["cursor"] = _cursor(rows[-1])
        return json_response(page)

    async def shown(self, request: web.Request) -> web.Response:
        """The stages of every copy of an event, by recipient, and where it stands in the queue."""
        await self._operator(request)
        kind, exchange, sequence = (request.match_info[name] for name in ("kind", "exchange", "sequence"))
        try:
            key = (kind, UUID(exchange), int(sequence))
        except ValueError as error:
            raise ProblemError("not-found", "deliveries are named by kind, exchange and sequence") from error
        async with self._pool.connection() as connection:
            stages = await (await connection.execute(_STAGES, key)).fetchall()
            queued = await (await connection.execute(_QUEUED, key)).fetchall()
        if not stages:
            raise ProblemError("not-found", f"nothing of {kind} {exchange} #{sequence} was delivered from here")
        names = ("recipient", "stage", "attempt", "bus", "reason")
        shown = [
            {**{name: value for name, value in zip(names, row, strict=False) if value is not None}, "time": _at(row[5])}
            for row in stages
        ]
        return json_response({"stages": shown, "queue": [_queued(row) for row in queued]})

    async def pause(self, request: web.Request) -> web.Response:
        """Bring nothing to a partner until it is resumed."""
        agency, _ = await self._asked(request)
        async with self._pool.connection() as connection:
            await self._dispatch.queue.pause(connection, agency)
        return json_response({"paused": agency})

    async def resume(self, request: web.Request) -> web.Response:
        """Bring everything again, now."""
        agency, _ = await self._asked(request)
        async with self._pool.connection() as connection:
            await self._dispatch.queue.resume(connection, agency, self._dispatch.runtime.clock())
        return json_response({"resumed": agency})

    async def retry(self, request: web.Request) -> web.Response:
        """Try items again now, with a fresh time to give up."""
        agency, document = await self._asked(request)
        positions = document.get("positions")
        if positions is not None and not (
            isinstance(positions, list) and all(isinstance(item, int) for item in positions)
        ):
            raise bad("positions", "a list of positions, as the list of deliveries shows them")
        wanted = None if positions is None else [int(str(item)) for item in positions]
        async with self._pool.connection() as connection:
            count = await self._dispatch.queue.retry(connection, agency, wanted, self._dispatch.runtime.clock())
        return json_response({"retried": count})

    async def _operator(self, request: web.Request) -> None:
        caller = await self._door.caller(request)
        if caller.agency != self._dispatch.runtime.settings.bus:
            raise ProblemError("not-found", "deliveries are shown to the bus's own operators")

    async def _asked(self, request: web.Request) -> tuple[str, Document]:
        await self._operator(request)
        document = parse_object(await read_body(request, _LARGEST))
        agency = document.get("agency")
        if not isinstance(agency, str) or not self._dispatch.channel(agency).pushes:
            raise bad("agency", "the code of an agency to which copies are brought (its contract's channel)")
        return agency, document

    def _partner(self, code: str, partner: Partner, queued: int) -> Document:
        opens = partner.breaker.open_until
        state = "parked" if partner.parked else "paused" if partner.paused else _breaker(opens, partner)
        return {
            "agency": code,
            "via": self._dispatch.channel(code).via,
            "state": state,
            "queued": queued,
            "failures": partner.breaker.failures,
            **({"again_at": timestamp(opens)} if opens else {}),
            **({"reason": partner.parked} if partner.parked else {}),
            **({"trouble": partner.trouble} if partner.trouble else {}),
        }


def _breaker(opens: object, partner: Partner) -> str:
    """`away` while its breaker is open or half open, else `well`."""
    return "away" if opens is not None else "failing" if partner.breaker.failures else "well"


def _queued(row: TupleRow) -> Document:
    agency, position, state, kind, exchange, sequence, attempt, queued_at, next_at, reason = row
    document: Document = {
        "agency": agency,
        "position": position,
        "state": state,
        "kind": kind,
        "exchange": exchange,
        "sequence": sequence,
        "attempts": attempt,
        "queued_at": _at(queued_at),
        "next_at": _at(next_at) if state == "waiting" else None,
        "reason": reason,
    }
    return {name: value for name, value in document.items() if value is not None}


def _cursor(row: TupleRow) -> str:
    agency, position, queued_at = row[0], row[1], row[7]
    return f"{_at(queued_at)}/{agency}/{position}"


def _place(cursor: str) -> dict[str, object]:
    """What follows a cursor. Raises ProblemError."""
    found = _CURSOR.fullmatch(cursor)
    try:
        since = datetime.fromisoformat(found[1]) if found else None
    except ValueError:
        since = None
    if found is None or since is None:
        raise bad("cursor", "is none that an earlier page gave")
    return {"since": since, "code": found[2], "position": int(found[3])}


def _at(value: object) -> str:
    return timestamp(value)  # type: ignore[arg-type]


_ROW: Final = "agency, position, state, kind, exchange::text, sequence, attempt, queued_at, next_at, reason"

_LIST: Final = f"""
    SELECT {_ROW} FROM delivery.queue
    WHERE (%(agency)s::text IS NULL OR agency = %(agency)s) AND (%(state)s::text IS NULL OR state = %(state)s)
        AND (queued_at, agency, position) > (%(since)s, %(code)s, %(position)s)
    ORDER BY queued_at, agency, position LIMIT %(limit)s
"""  # noqa: S608, of constants

_COUNTS: Final = "SELECT agency, count(*) FROM delivery.queue GROUP BY agency"

_STAGES: Final = """
    SELECT recipient, stage, attempt, bus, reason, time FROM delivery.stages
    WHERE kind = %s AND exchange = %s AND sequence = %s ORDER BY recipient, time, attempt, stage
"""

_QUEUED: Final = f"""
    SELECT {_ROW} FROM delivery.queue WHERE kind = %s AND exchange = %s AND sequence = %s ORDER BY agency
"""  # noqa: S608, of constants
