"""Attachments in tests: events that cite them, the files service without its consumer, and what an agency may read."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from connectors.http.server import Limits, Server
from connectors.kafka.handler import Health
from contracts.records import Record
from services.files.app import FilesService
from services.files.crossing import Crossing
from services.files.grants import Grants
from services.gateway.proxy import Proxy
from services.kernel.files import Access, AgencyFiles, access, file_store
from services.kernel.follower import Follower
from services.kernel.service import Runtime
from tests.support.play import MINHANG, Play
from tests.support.registered import EVENTS, on_kafka
from tests.support.serving import serving

MIB = 1024 * 1024


def digest_of(content: bytes) -> str:
    return f"sha-256:{hashlib.sha256(content).hexdigest()}"


def attachment(digest: str, size: int = 10) -> dict[str, object]:
    return {"title": "现场照片(示例)", "digest": digest, "size": size, "media_type": "image/jpeg"}


def sent(*digests: str) -> Play:
    """A transfer of 闵行 to 青浦 that cites these."""
    return Play("transfer").given(
        (MINHANG, "transfer.sent", {"attachments": [attachment(digest) for digest in digests]})
    )


async def follow(around: Runtime, records: Sequence[Record]) -> None:
    """What the consumer would do."""
    follower = Follower(around, "files", Grants(around, Crossing(around, file_store(around.settings))), [EVENTS], hop=6)
    await follower.handle([on_kafka(record) for record in records])


@asynccontextmanager
async def through_the_gateway(service: FilesService) -> AsyncGenerator[str, None]:
    """The address of a gateway's way through to the service."""
    async with serving("files", quiet(service)) as url, before(url) as address:
        yield address


def quiet(service: FilesService) -> FilesService:
    """The service whose consumer stays out: the test says what arrives."""
    service._consumer = _NoConsumer()  # type: ignore[assignment] # pyright: ignore[reportAttributeAccessIssue]
    return service


@asynccontextmanager
async def before(url: str, limits: Limits | None = None) -> AsyncGenerator[str, None]:
    proxy = Proxy("files", url, ["/v1/files"], max_body=2048 * MIB)
    server = Server("gateway", proxy.routes(), list, limits)
    await proxy.start()
    await server.start("127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        await server.stop()
        await proxy.stop()


class _NoConsumer:
    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def health(self) -> Health:
        return Health(
            ready=True,
            state="running",
            reason="",
            since=datetime.now(UTC),
            assignment=frozenset(),
            lag=None,
            handled=0,
            dead=0,
            last_progress=None,
        )


def mirrored_here(record: Record) -> Record:
    """The record as one of an exchange that another district's bus keeps."""
    return record.model_copy(update={"standing": record.standing.model_copy(update={"home": "310118-bus"})})


def open_files(around: Runtime, agency: str) -> AgencyFiles:
    return AgencyFiles(file_store(around.settings), around.pool, agency)


async def one(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def may(around: Runtime, agency: str, digest: str) -> Access:
    async with around.pool.connection() as connection:
        return await access(connection, digest, [agency])
