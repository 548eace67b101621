"""The contracts, for everybody to read: schemas, agencies and their public keys, topics, problems. With ETags.

    /v1/contracts                       the index
    /v1/contracts/schemas[/{type}]      what the `data` of an event must look like, as JSON Schema
    /v1/contracts/agencies[/{code}]     who takes part, and the public keys
    /v1/contracts/topics, …/problems    for operators and for those who handle answers

Read again from the library at each request, so a key that was added is there at once.
"""

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any

import orjson
from aiohttp import hdrs, web

from connectors.http.problem import URN, ProblemError
from contracts import schemas
from contracts.agencies import Agency
from contracts.library import Library
from contracts.problems import problems
from events.registry import facts, kind_of

_BASE = "/v1/contracts"


class ContractRoutes:
    """The paths of the contracts. Public: nobody needs a token to learn how to speak."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """The routes."""
        return [
            web.get(_BASE, self._index),
            web.get(f"{_BASE}/schemas", self._schemas),
            web.get(f"{_BASE}/schemas/{{type}}", self._schema),
            web.get(f"{_BASE}/agencies", self._agencies),
            web.get(f"{_BASE}/agencies/{{code}}", self._agency),
            web.get(f"{_BASE}/topics", self._topics),
            web.get(f"{_BASE}/problems", self._problems),
        ]

    async def _index(self, request: web.Request) -> web.Response:
        names = ("schemas", "agencies", "topics", "problems")
        return _tagged(request, {name: f"{_BASE}/{name}" for name in names})

    async def _schemas(self, request: web.Request) -> web.Response:
        return _tagged(request, [_entry(name) for name in sorted(_schemas())])

    async def _schema(self, request: web.Request) -> web.Response:
        name = request.match_info["type"]
        schema = _schemas().get(name)
        if schema is None:
            raise _unknown(f"{name[:128]!r} is no type of this bus; GET {_BASE}/schemas lists them")
        return _tagged(request, schema, "application/schema+json")

    async def _agencies(self, request: web.Request) -> web.Response:
        by_code = self._library.current().agencies.by_code
        return _tagged(request, [_public(by_code[code]) for code in sorted(by_code)])

    async def _agency(self, request: web.Request) -> web.Response:
        code = request.match_info["code"]
        agency = self._library.current().agencies.get(code)
        if agency is None:
            raise _unknown(f"{code[:64]!r} is in no contract of this bus")
        return _tagged(request, _public(agency))

    async def _topics(self, request: web.Request) -> web.Response:
        topics = self._library.current().topics.by_name
        return _tagged(request, [topics[name].model_dump(mode="json") for name in sorted(topics)])

    async def _problems(self, request: web.Request) -> web.Response:
        return _tagged(request, _problem_list())


@cache
def _problem_list() -> list[dict[str, Any]]:
    return [
        {"type": URN + code, **item.model_dump(mode="json", exclude_none=True)}
        for code, item in sorted(problems().items())
    ]


@cache
def _schemas() -> dict[str, dict[str, Any]]:
    return schemas.generate()


def _entry(name: str) -> dict[str, str]:
    fact = facts().get(name)
    entry = {"name": name, "schema": f"{_BASE}/schemas/{name}"}
    return {**entry, "kind": kind_of(name), "title": fact.title_zh} if fact else entry


def _public(agency: Agency) -> dict[str, Any]:
    return agency.model_dump(mode="json", exclude_none=True)


def _unknown(detail: str) -> ProblemError:
    return ProblemError("not-found", detail)


def _tagged(request: web.Request, document: object, content_type: str = "application/json") -> web.Response:
    """The document with an ETag of its content, or 304 for who has it already."""
    body = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    tag = hashlib.sha256(body).hexdigest()[:32]
    headers = {hdrs.ETAG: f'"{tag}"', hdrs.CACHE_CONTROL: "no-cache"}
    held = request.headers.get(hdrs.IF_NONE_MATCH, "")
    if {item.strip().removeprefix("W/").strip('"') for item in held.split(",")} & {tag, "*"}:
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type=content_type, headers=headers)
