"""Attachments over HTTP; HTTP only.

POST /v1/files                          begin an upload (tus 1.0: creation); its address comes back as Location
HEAD, PATCH, DELETE /v1/files/uploads/{id}      how far it has come, carry on there, end it (core, termination)
GET, HEAD /v1/files/{digest}            the file, whole or a range of it; `?citer=`: only if that agency holds it itself
"""

import errno
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from email.utils import format_datetime
from typing import Final
from uuid import UUID

import structlog
from aiohttp import hdrs, web

from connectors.channel import FileMissing, FileSpoilt
from connectors.files.spool import SpoolBusy
from connectors.files.store import FilesAway, FileStore
from connectors.http.problem import ProblemError, unavailable
from connectors.http.server import body_pieces, write_pieces
from connectors.http.tokens import Door
from connectors.postgres.pool import Pool
from contracts.library import Library
from services.files.crossing import Crossing
from services.files.headers import digest_of, is_digest, number, repr_digest, span
from services.files.uploads import OffsetWrong, TooLong, TooManyUploads, TooMuchUncited, Upload, Uploads, UploadUnknown
from services.kernel.files import Access, access, held_by_citer, on_behalf

log = structlog.stdlib.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

VERSION: Final = "1.0.0"
EXTENSIONS: Final = "creation,expiration,termination"

_TUS: Final = {"Tus-Resumable": VERSION}
_PATCH_TYPE: Final = "application/offset+octet-stream"
_AGAIN: Final = {"Retry-After": "1"}
_ENOUGH: Final = {"Retry-After": "60"}
_CODES: Final[dict[type[Exception], str]] = {
    UploadUnknown: "upload-unknown",
    TooLong: "body-too-large",
    TooMuchUncited: "too-much-uncited",
    FileSpoilt: "file-spoilt",
}


class UploadRoutes:
    """The paths by which files come in."""

    def __init__(self, uploads: Uploads, door: Door, library: Library, bus: str, max_file: int) -> None:
        self._uploads = uploads
        self._door = door
        self._library = library
        self._bus = bus
        self._max_file = max_file

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """The routes."""
        one = "/v1/files/uploads/{id}"
        return [
            web.options("/v1/files", self.options),
            web.options(one, self.options),
            web.post("/v1/files", _tus(self.begin)),
            web.head(one, _tus(self.look)),
            web.patch(one, _tus(self.append)),
            web.delete(one, _tus(self.end)),
        ]

    async def options(self, _: web.Request) -> web.Response:
        """What this server can do."""
        can = {"Tus-Version": VERSION, "Tus-Extension": EXTENSIONS, "Tus-Max-Size": str(self._max_file)}
        return web.Response(status=204, headers=_TUS | can)

    async def begin(self, request: web.Request) -> web.Response:
        """Begin an upload. Upload-Offset in the answer is Upload-Length where nothing needs to be sent."""
        caller = await self._door.caller(request)
        _require_version(request)
        self._require_hosted(caller.agency)
        size = number(request.headers, "Upload-Length", 1)
        if size > self._max_file:
            limit = self._max_file
            raise ProblemError("body-too-large", f"a file is at most {limit} bytes", members={"limit": limit})
        digest = digest_of(request.headers.get("Upload-Metadata", ""))
        with _told():
            upload = await self._uploads.begin(caller.agency, digest, size)
        where = {"Location": f"/v1/files/uploads/{upload.id}", "Content-Location": f"/v1/files/{digest}"}
        return web.Response(status=201, headers=_state(upload) | where)

    async def look(self, request: web.Request) -> web.Response:
        """How far an upload has come."""
        caller = await self._door.caller(request)
        _require_version(request)
        with _told():
            upload = await self._uploads.look(caller.agency, _id(request))
        headers = _state(upload) | {"Upload-Length": str(upload.size), "Cache-Control": "no-store"}
        return web.Response(status=200, headers=headers)

    async def append(self, request: web.Request) -> web.Response:
        """Carry on with an upload. 422 if all is there and its digest is another one: then it is gone."""
        caller = await self._door.caller(request)
        _require_version(request)
        if request.content_type != _PATCH_TYPE:
            raise ProblemError("media-type-unsupported", f"send Content-Type: {_PATCH_TYPE}")
        offset = number(request.headers, "Upload-Offset", 0)
        pieces = body_pieces(request, self._max_file)
        with _told():
            upload = await self._uploads.append(caller.agency, _id(request), offset, pieces)
        return web.Response(status=204, headers=_state(upload))

    async def end(self, request: web.Request) -> web.Response:
        """Forget an upload."""
        caller = await self._door.caller(request)
        _require_version(request)
        with _told():
            await self._uploads.end(caller.agency, _id(request))
        return web.Response(status=204)

    def _require_hosted(self, agency: str) -> None:
        hosting = self._library.current().agencies.elsewhere(agency, self._bus)
        if hosting is not None:
            raise ProblemError("agency-elsewhere", f"{agency} is hosted by {hosting}: bring files there")


class FileRoutes:
    """The path by which files go out."""

    def __init__(self, pool: Pool, store: FileStore, door: Door, library: Library, crossing: Crossing) -> None:
        self._pool = pool
        self._store = store
        self._door = door
        self._library = library
        self._crossing = crossing

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """The routes; HEAD comes with GET."""
        return [web.get("/v1/files/{digest}", self.read)]

    async def read(self, request: web.Request) -> web.StreamResponse:
        """The file. A whole one that is damaged breaks off before its end; a range goes out as it lies."""
        caller = await self._door.caller(request)
        digest = request.match_info["digest"]
        await self._require_access(caller.agency, digest, request.query.get("citer"))
        size = await self._sound(digest)
        etag = f'"{digest}"'
        headers = {
            hdrs.ETAG: etag,
            "Repr-Digest": repr_digest(digest),
            hdrs.ACCEPT_RANGES: "bytes",
            hdrs.CACHE_CONTROL: "private, no-transform",
            hdrs.CONTENT_DISPOSITION: "attachment",
        }
        if etag in request.headers.get(hdrs.IF_NONE_MATCH, ""):
            return web.Response(status=304, headers=headers)
        same = request.headers.get(hdrs.IF_RANGE, etag) == etag
        part = span(request.headers.get(hdrs.RANGE), size) if same else None
        begin, end = part or (0, size)
        if part is not None:
            headers[hdrs.CONTENT_RANGE] = f"bytes {begin}-{end - 1}/{size}"
        response = web.StreamResponse(status=206 if part else 200, headers=headers)
        response.content_type = "application/octet-stream"
        response.content_length = end - begin
        await response.prepare(request)
        if request.method != hdrs.METH_HEAD:
            await self._send(request, response, digest, (begin, end) if end - begin < size else None)
        return response

    async def _send(
        self, request: web.Request, response: web.StreamResponse, digest: str, part: tuple[int, int] | None
    ) -> None:
        pieces = self._store.read_range(digest, *part) if part else self._store.read(digest)
        try:
            await write_pieces(request, response, pieces)
        except (FileSpoilt, FileMissing) as error:
            await self._note_damage(digest, error)
        except FilesAway as error:
            log.warning("a file broke off", digest=digest, reason=str(error))

    async def _require_access(self, agency: str, digest: str, citer: str | None) -> None:
        """Who was never shown a digest does not learn whether there is a file of it. Raises ProblemError.

        citer: whose file another bus wants, to which it will count as held by that agency.
        """
        found, readers = Access.NONE, on_behalf(agency, self._library.current().agencies)
        if is_digest(digest):
            async with self._pool.connection() as connection:
                if citer is None:
                    found = await access(connection, digest, readers)
                else:
                    found = await held_by_citer(connection, digest, citer, readers)
                if found is Access.AWAITED:
                    await self._crossing.hurry(connection, digest)
        if found is Access.AWAITED:
            self._crossing.soon()
            raise ProblemError(
                "file-awaited", f"{digest} is cited, and not brought here yet by who cites it, or its bus"
            )
        if found is Access.NONE:
            raise ProblemError("not-found", f"no event that {agency} was delivered cites such a file")

    async def _sound(self, digest: str) -> int:
        """How long the file is; one that was damaged when it last went out is looked through first.

        Raises ProblemError.
        """
        async with self._pool.connection() as connection:
            suspect = await (await connection.execute(_SUSPECT, (digest,))).fetchone()
        try:
            if suspect:
                async for _ in self._store.read(digest):
                    pass
                async with self._pool.connection() as connection:
                    await connection.execute(_CLEAR, (digest,))
            return await self._store.size(digest)
        except (FileMissing, FileSpoilt) as error:
            await self._note_damage(digest, error)
            raise ProblemError("file-damaged", str(error)) from error
        except FilesAway as error:
            raise unavailable(str(error)) from error

    async def _note_damage(self, digest: str, error: Exception) -> None:
        """From now on it is looked through before it goes out, and may be uploaded again, which mends it."""
        log.error("file damaged", digest=digest, reason=str(error))
        async with self._pool.connection() as connection:
            await connection.execute(_SUSPECT_NOW, (digest,))
            await self._crossing.lost(connection, digest)
        self._crossing.soon()


def _tus(handler: Handler) -> Handler:
    """The handler, its answers marked as tus asks, problems included."""

    async def marked(request: web.Request) -> web.StreamResponse:
        try:
            response = await handler(request)
        except ProblemError as error:
            error.headers = {**error.headers, **_TUS}
            raise
        response.headers.update(_TUS)
        return response

    return marked


@contextmanager
def _told() -> Generator[None]:
    """What can become of an upload, as a problem."""
    try:
        yield
    except (UploadUnknown, TooLong, TooMuchUncited, FileSpoilt) as error:
        raise ProblemError(_CODES[type(error)], str(error)) from error
    except OffsetWrong as error:
        raise ProblemError("upload-offset", str(error), members={"offset": error.offset}) from error
    except TooManyUploads as error:
        raise ProblemError("too-many-uploads", str(error), headers=_ENOUGH) from error
    except SpoolBusy as error:
        raise ProblemError("upload-busy", str(error), headers=_AGAIN) from error
    except FilesAway as error:
        raise unavailable(str(error)) from error
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        log.error("no room for files", reason=str(error))
        raise unavailable("there is no room for files now; go on later", 60) from error


def _require_version(request: web.Request) -> None:
    if request.headers.get("Tus-Resumable") != VERSION:
        raise ProblemError("tus-version", f"send Tus-Resumable: {VERSION}", headers={"Tus-Version": VERSION})


def _id(request: web.Request) -> UUID:
    try:
        return UUID(request.match_info["id"])
    except ValueError as error:
        raise UploadUnknown("this is no id of an upload") from error


def _state(upload: Upload) -> dict[str, str]:
    return {"Upload-Offset": str(upload.offset), "Upload-Expires": format_datetime(upload.expires, usegmt=True)}


_SUSPECT: Final = "SELECT 1 FROM files.spoilt WHERE digest = %s"
_SUSPECT_NOW: Final = "INSERT INTO files.spoilt (digest) VALUES (%s) ON CONFLICT DO NOTHING"
_CLEAR: Final = "DELETE FROM files.spoilt WHERE digest = %s"
