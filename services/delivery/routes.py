"""Inboxes over HTTP; HTTP only.

GET /v1/inbox?after=CURSOR&wait=S&limit=N      what follows a cursor, by default what is not acknowledged
POST /v1/inbox/ack {"cursor": CURSOR}          everything up to it is with the agency
"""

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from connectors.http.problem import ProblemError
from connectors.http.query import bad, parameters, whole
from connectors.http.server import json_bytes, json_response, patient, read_body
from connectors.http.tokens import Door
from contracts.canonical import parse_object
from services.delivery.bell import Bell
from services.delivery.dispatch import Dispatch
from services.delivery.inboxes import CursorExpired, CursorUnknown, Inbox, Page
from services.delivery.stages import Reached

LONGEST_WAIT: Final = 60
"""Seconds."""

_MOST_ITEMS: Final = 500
_LARGEST_ACK: Final = 4096


class InboxRoutes:
    """The paths of inboxes. An agency sees its own, and no other."""

    def __init__(self, dispatch: Dispatch, bell: Bell, door: Door) -> None:
        self._pool = dispatch.runtime.pool
        self._dispatch = dispatch
        self._inboxes = dispatch.inboxes
        self._bell = bell
        self._door = door

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """The routes."""
        return [web.get("/v1/inbox", self.read), web.post("/v1/inbox/ack", self.ack)]

    async def read(self, request: web.Request) -> web.Response:
        """A page of items in order; where there is none yet, wait for one. 410 for a cursor that does not count."""
        caller = await self._door.caller(request)
        given = parameters(request, "after", "wait", "limit")
        wait = whole(given, "wait", 0, lowest=0, highest=LONGEST_WAIT)
        limit = whole(given, "limit", 100, lowest=1, highest=_MOST_ITEMS)
        inbox = await self._inboxes.inbox(caller.agency)
        after = _position(inbox, given.get("after"))
        if after == inbox.last and wait:
            await patient(request, [self._bell.beyond(caller.agency, after)], wait)
            inbox = await self._inboxes.inbox(caller.agency)
        return _answer(inbox, await self._page(inbox, after, limit))

    async def ack(self, request: web.Request) -> web.Response:
        """Acknowledge up to a cursor. It never moves back; the answer says where it is."""
        caller = await self._door.caller(request)
        cursor = parse_object(await read_body(request, _LARGEST_ACK)).get("cursor")
        if not isinstance(cursor, str):
            raise bad("cursor", 'send {"cursor": …} with the cursor of the last item that you have')
        inbox = await self._inboxes.inbox(caller.agency)
        position = _position(inbox, cursor)
        acked = inbox.acked
        while acked < position:
            async with self._pool.connection() as connection:
                step = await self._inboxes.ack(connection, caller.agency, position)
                await self._dispatch.fetched(connection, caller.agency, step.position)
                retrieved = [Reached("retrieved", caller.agency, copy) for copy in step.copies]
                await self._dispatch.say(connection, retrieved)
            acked = step.position
        self._dispatch.committed()
        return json_response({"acked": str(inbox.cursor(acked))})

    async def _page(self, inbox: Inbox, after: int, limit: int) -> Page:
        try:
            return await self._inboxes.page(inbox, after, limit)
        except CursorExpired as error:
            raise ProblemError("cursor-expired", str(error)) from error


def _position(inbox: Inbox, cursor: str | None) -> int:
    try:
        return inbox.position(cursor)
    except CursorUnknown as error:
        raise ProblemError("cursor-unknown", str(error)) from error


def _answer(inbox: Inbox, page: Page) -> web.Response:
    """The items are put in as the bytes that they are kept as."""
    end, more = str(inbox.cursor(page.end)).encode(), b"true" if page.more else b"false"
    return json_bytes(b'{"cursor":"%s","items":[%s],"more":%s}' % (end, b",".join(page.items), more))
