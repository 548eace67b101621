"""The way through to delivery, audit and files, so that an integrator has one address.

Requests and answers pass as they are and as they come, held nowhere, tokens and problems included: the service behind
knows its callers itself.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

import structlog
from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, hdrs, web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from connectors.http.problem import ProblemError, unavailable
from connectors.http.server import REQUEST, REQUEST_ID, body_pieces, patient, write_pieces

log = structlog.stdlib.get_logger(__name__)

MAX_BODY: Final = 64 * 1024
"""Bytes of a body on its way through: acknowledgements are small."""

LONGEST_WAIT: Final = 90.0
"""Seconds without a byte from behind, longer than any long poll."""

_HOP_BY_HOP: Final = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
        "transfer-encoding", "upgrade", "host", "content-length", "expect", "server", "date",
    }
)  # fmt: skip


class Proxy:
    """Passes some paths on to another service."""

    def __init__(self, service: str, url: str, paths: Sequence[str], *, max_body: int = MAX_BODY) -> None:
        """`service` is its name in words; `paths` are whole segments, such as `/v1/inbox`, with all below them."""
        self._service = service
        self._max_body = max_body
        self._url = URL(url)
        self._paths = tuple(paths)
        self._session: ClientSession | None = None

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """The routes."""
        return [web.route("*", path + below, self._pass_on) for path in self._paths for below in ("", "/{below:.*}")]

    async def start(self) -> None:
        """Make ready to pass on; nothing is connected yet."""
        timeout = ClientTimeout(total=None, sock_connect=3, sock_read=LONGEST_WAIT)
        self._session = ClientSession(timeout=timeout, auto_decompress=False)

    async def stop(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        if self._session is None or self._session.closed:
            raise self._away()
        body = Passing(request, self._max_body) if request.can_read_body else None
        headers = _end_to_end(request.headers)
        if request.content_length is not None:
            headers[hdrs.CONTENT_LENGTH] = str(request.content_length)
        headers[REQUEST_ID] = request[REQUEST]
        # Never from `raw_path`: a request target in absolute form would name another host.
        target = URL.build(
            scheme=self._url.scheme,
            authority=self._url.raw_authority,
            path=request.rel_url.raw_path,
            query_string=request.rel_url.raw_query_string,
            encoded=True,
        )
        asked = asyncio.ensure_future(
            self._session.request(request.method, target, headers=headers, data=body, allow_redirects=False)
        )
        await patient(request, [asked], None)
        if not asked.done():
            raise unavailable("the gateway is stopping; ask again")
        try:
            answer = asked.result()
        except (ClientError, OSError, TimeoutError) as error:
            if body is not None and body.problem is not None:
                raise body.problem from error
            log.warning("passed on in vain", service=self._service, reason=str(error))
            raise self._away() from error
        async with answer:
            return await self._pass_back(request, answer)

    async def _pass_back(self, request: web.Request, answer: ClientResponse) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers=_end_to_end(answer.headers))
        if hdrs.CONTENT_LENGTH in answer.headers:
            response.content_length = answer.content_length
        await response.prepare(request)
        try:
            await write_pieces(request, response, answer.content.iter_any())
        except (ClientError, OSError, TimeoutError) as error:
            log.warning("an answer broke off", service=self._service, reason=str(error))
        return response

    def _away(self) -> Exception:
        return unavailable(f"the {self._service} service does not answer now; ask again")


class Passing:
    """A body on its way through. What is wrong with it is kept, for who sends it on says only that it broke off."""

    def __init__(self, request: web.Request, limit: int) -> None:
        self._request = request
        self._limit = limit
        self.problem: ProblemError | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces, as they arrive."""
        try:
            async for piece in body_pieces(self._request, self._limit):
                yield piece
        except ProblemError as error:
            self.problem = error
            raise


def _end_to_end(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP)
