"""A grid centre that plays its part: `python -m connectors.grid.simulator --port 0`.

Its interface to a platform, under the address that it prints:

    POST cases     a case from outside       {"externalId", "time", "detail", …}                → {"caseNo"}
    POST steps     a step of one             {"externalId", "caseNo" | "caseExternalId", "action", "time", "detail"}
    POST letters   any other document        {"externalId", …}
    POST errors    what was wrong of theirs  {"externalId", …}
    PUT, GET files/{digest}                  pictures
    GET changes?after=17&limit=100           what has changed, in order of changeNo, as a list
    open311/…                                the same cases by Open311 (geo.py)

What the people inside do, for demos and tests:

    POST _desk/cases    {"detail", "time"?, "caseNo"?}
    POST _desk/actions  {"caseNo", "action", "detail"?, "time"?}
    GET  _desk/state    every case with its history, every change, letter and error
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from aiohttp import web
from aiohttp.typedefs import Handler

from connectors.grid.desk import Desk, Refused
from connectors.grid.geo import Geo
from connectors.http.server import json_response
from connectors.simulation import Faults, Simulator, run
from contracts.canonical import Document, parse_object
from contracts.errors import MalformedJson

_SHANGHAI: Final = ZoneInfo("Asia/Shanghai")
_PAGE: Final = 100


class GridSimulator(Simulator):
    """The centre. `desk`: its books, for tests in the same process. `code`: what others call it. `token`: its key."""

    def __init__(
        self,
        faults: Faults | None = None,
        *,
        code: str = "310112-cyzx",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        token: str | None = None,
    ) -> None:
        self.desk = Desk(code, lambda: clock().astimezone(_SHANGHAI), _written)
        self._token = token
        routes: list[web.AbstractRouteDef] = [
            web.post("/cases", self._answering(self._cases)),
            web.post("/steps", self._answering(self._steps)),
            web.post("/letters", self._answering(self._letters)),
            web.post("/errors", self._answering(self._errors)),
            web.put("/files/{digest}", self._answering(self._put_file)),
            web.get("/files/{digest}", self._answering(self._get_file)),
            web.get("/changes", self._answering(self._changes)),
            web.post("/_desk/cases", self._answering(self._desk_cases)),
            web.post("/_desk/actions", self._answering(self._desk_actions)),
            web.get("/_desk/state", self._answering(self._state)),
        ]
        geo = Geo(self.desk, lambda: self.faults, token)
        super().__init__([*routes, *geo.routes("/open311")], faults)

    def kept(self) -> Document:
        """The centre's books."""
        return self.desk.closed_books()

    def recall(self, kept: Document) -> None:
        """The centre's books."""
        self.desk.open_books(kept)

    def _answering(self, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Handler:
        """What the centre refuses, it says so."""

        async def answer(request: web.Request) -> web.StreamResponse:
            inside = request.path.startswith("/_desk/")
            if self._token and not inside and request.headers.get("Authorization") != f"Bearer {self._token}":
                return json_response({"error": "who is asking?"}, status=401)
            try:
                return await handler(request)
            except Refused as refused:
                return json_response({"error": str(refused)}, status=refused.status)
            except MalformedJson as error:
                return json_response({"error": str(error)}, status=400)

        return answer

    async def _cases(self, request: web.Request) -> web.Response:
        return json_response(self.desk.opened(await _form(request)))

    async def _steps(self, request: web.Request) -> web.Response:
        return json_response(self.desk.reported(await _form(request)))

    async def _letters(self, request: web.Request) -> web.Response:
        return json_response(self.desk.kept("letters", await _form(request)))

    async def _errors(self, request: web.Request) -> web.Response:
        return json_response(self.desk.kept("errors", await _form(request)))

    async def _put_file(self, request: web.Request) -> web.Response:
        self.desk.filed(request.match_info["digest"], await request.read())
        return json_response({"digest": request.match_info["digest"]})

    async def _get_file(self, request: web.Request) -> web.Response:
        content = self.desk.files.get(request.match_info["digest"])
        if content is None:
            raise Refused("there is no such file", 404)
        return web.Response(body=content, content_type="application/octet-stream")

    async def _changes(self, request: web.Request) -> web.Response:
        after, limit = int(request.query.get("after", "0")), int(request.query.get("limit", str(_PAGE)))
        page = self.desk.changes[after : after + min(limit, _PAGE)]
        return json_response(self.faults.offered(page))

    async def _desk_cases(self, request: web.Request) -> web.Response:
        form = await _form(request)
        given = form.get("caseNo")
        case = self.desk.open_case(_detail_of(form), _time_of(form), given if isinstance(given, str) else None)
        return json_response({"caseNo": case.number}, status=201)

    async def _desk_actions(self, request: web.Request) -> web.Response:
        form = await _form(request)
        number = self.desk.act(str(form.get("caseNo")), str(form.get("action")), _detail_of(form), _time_of(form))
        return json_response({"changeNo": number})

    async def _state(self, _: web.Request) -> web.Response:
        return json_response(self.desk.state())


async def _form(request: web.Request) -> Document:
    return parse_object(await request.read())


def _detail_of(form: Document) -> Document:
    detail = form.get("detail")
    return detail if isinstance(detail, dict) else {}


def _time_of(form: Document) -> str | None:
    at = form.get("time")
    return at if isinstance(at, str) else None


def _written(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")


if __name__ == "__main__":
    run(GridSimulator)
