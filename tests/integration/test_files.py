"""Attachments on the real engines: in over cut lines and kills, out by digest and range, to whom events show them."""

import asyncio
import hashlib
import os
import sys
import time
from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import psutil
import pytest
from click.testing import CliRunner, Result

from connectors.channel import FileMissing, FileSpoilt
from connectors.errors import FileRefused
from connectors.http.client import AgencyClient, Answer
from connectors.http.files import Content
from connectors.http.server import Limits
from connectors.kafka.settings import KafkaSettings
from connectors.process import Child, free_port, spawn
from contracts.agencies import directory
from contracts.library import Library
from contracts.signatures import SigningKey
from services.cli.app import main
from services.cli.stack import trouble
from services.files.app import SCHEMA, build
from services.files.uploads import Bounds, Uploads
from services.kernel.files import Access, access, file_store, on_behalf
from services.kernel.keys import save_key
from services.kernel.parties import HistoryMissing
from services.kernel.service import Runtime
from tests.support import federation
from tests.support.attachments import (
    MIB,
    attachment,
    before,
    digest_of,
    follow,
    may,
    mirrored_here,
    one,
    open_files,
    quiet,
    sent,
    through_the_gateway,
)
from tests.support.factory import BUS, key, world
from tests.support.play import MINHANG, POLICE, QINGPU, XUHUI, Play
from tests.support.registered import message, registered, runtime, store
from tests.support.serving import client, eventually, serving

FROM_THE_START = {
    "Tus-Resumable": "1.0.0",
    "Content-Type": "application/offset+octet-stream",
    "Upload-Offset": "0",
}


@pytest.fixture
async def around(kafka: KafkaSettings, database: str, tmp_path: Path) -> AsyncIterator[Runtime]:
    async with runtime(kafka, database, tmp_path, [SCHEMA]) as found:
        found.settings.files = str(tmp_path / "files")
        yield found


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def pieces_of(content: bytes, cut: int | None = None) -> "Content":
    """A content; `cut`: after so many bytes of the first try the line is lost."""
    tries = iter([cut])

    async def pieces(offset: int) -> AsyncIterator[bytes]:
        limit = next(tries, None)
        for begin in range(offset, len(content), 100_000):
            if limit is not None and begin >= limit:
                raise ConnectionResetError
            yield content[begin : begin + 100_000]

    return Content(digest_of(content), len(content), pieces)


async def tus(agency: AgencyClient, method: str, path: str, content: bytes = b"", **headers: str) -> Answer:
    given = {"Tus-Resumable": "1.0.0", **agency._token(), **{k.replace("_", "-"): v for k, v in headers.items()}}
    return await agency._ask(method, path, headers=given, data=content or None)


async def begin(agency: AgencyClient, digest: str, size: int) -> Answer:
    metadata = f"filename {b64encode('照片'.encode()).decode()},digest {b64encode(digest.encode()).decode()}"
    return await tus(agency, "POST", "/v1/files", Upload_Length=str(size), Upload_Metadata=metadata)


async def carry_on(agency: AgencyClient, path: str, offset: int, content: bytes) -> Answer:
    kind = "application/offset+octet-stream"
    return await tus(agency, "PATCH", path, content, Content_Type=kind, Upload_Offset=str(offset))


async def test_in_and_out(around: Runtime, tmp_path: Path) -> None:
    content = os.urandom(3 * MIB + 17)
    (tmp_path / "in").write_bytes(content)
    async with through_the_gateway(build(around)) as url, client(url, MINHANG) as minhang:
        digest = await minhang.upload(tmp_path / "in")
        assert digest == digest_of(content)
        await minhang.download(digest, tmp_path / "out")
        assert (tmp_path / "out").read_bytes() == content
        answer = await minhang.get(f"/v1/files/{digest}")
        hexadecimal = bytes.fromhex(digest[8:])
        assert answer.headers["Repr-Digest"] == f"sha-256=:{b64encode(hexadecimal).decode()}:"
        assert answer.headers["ETag"] == f'"{digest}"'
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Disposition"] == "attachment"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        head = await minhang._ask("HEAD", f"/v1/files/{digest}", headers=minhang._token())
        assert (head.status, head.headers["Content-Length"], head.body) == (200, str(len(content)), b"")
    assert names(tmp_path) == ["contracts", "files", "in", "out"]
    assert names(tmp_path / "files" / "incoming") == []


async def test_by_the_protocol(around: Runtime) -> None:
    content, service = b"0123456789" * 30, build(around)
    async with through_the_gateway(service) as url, client(url, MINHANG) as minhang, client(url, QINGPU) as qingpu:
        options = await minhang._ask("OPTIONS", "/v1/files")
        assert (options.status, options.headers["Tus-Version"]) == (204, "1.0.0")
        assert options.headers["Tus-Extension"] == "creation,expiration,termination"
        assert options.headers["Tus-Max-Size"] == str(2048 * MIB)

        begun = await begin(minhang, digest_of(content), len(content))
        path = begun.headers["Location"]
        assert (begun.status, begun.headers["Upload-Offset"]) == (201, "0")
        assert begun.headers["Upload-Expires"].endswith("GMT")
        first = await carry_on(minhang, path, 0, content[:100])
        assert (first.status, first.headers["Upload-Offset"], first.headers["Tus-Resumable"]) == (204, "100", "1.0.0")
        wrong = await carry_on(minhang, path, 0, content[:100])
        assert (wrong.status, wrong.code, wrong.json["offset"]) == (409, "upload-offset", 100)
        assert wrong.headers["Tus-Resumable"] == "1.0.0"
        head = await tus(minhang, "HEAD", path)
        assert (head.headers["Upload-Offset"], head.headers["Upload-Length"]) == ("100", str(len(content)))
        assert head.headers["Cache-Control"] == "no-store"
        assert (await tus(qingpu, "HEAD", path)).status == 404
        assert (await carry_on(qingpu, path, 100, b"x")).code == "upload-unknown"
        assert (await carry_on(minhang, path, 100, content)).code == "body-too-large"
        done = await carry_on(minhang, path, 100, content[100:])
        assert (done.status, done.headers["Upload-Offset"]) == (204, str(len(content)))
        assert (await tus(minhang, "HEAD", path)).headers["Upload-Offset"] == str(len(content))
        assert (await minhang.get(f"/v1/files/{digest_of(content)}")).body == content

        again = await begin(minhang, digest_of(content), len(content))
        assert (again.status, again.headers["Upload-Offset"]) == (201, str(len(content)))
        assert again.headers["Content-Location"] == f"/v1/files/{digest_of(content)}"


async def test_what_is_wrong_is_named(around: Runtime) -> None:
    around.settings.max_file = 1000
    digest, token = digest_of(b"x"), "sha-256:" + "0" * 63
    async with through_the_gateway(build(around)) as url, client(url, MINHANG) as minhang:
        assert (await begin(minhang, digest, 1001)).code == "body-too-large"
        assert (await begin(minhang, digest, 0)).json["parameter"] == "Upload-Length"
        assert (await begin(minhang, token, 1)).json["parameter"] == "Upload-Metadata"
        none = await minhang._ask("POST", "/v1/files", headers={"Upload-Length": "1", **minhang._token()})
        assert (none.status, none.code, none.headers["Tus-Version"]) == (412, "tus-version", "1.0.0")
        assert (await minhang._ask("POST", "/v1/files", headers={"Tus-Resumable": "1.0.0"})).status == 401
        path = (await begin(minhang, digest, 1)).headers["Location"]
        assert (await tus(minhang, "PATCH", path, b"x", Upload_Offset="0")).code == "media-type-unsupported"
        assert (await tus(minhang, "DELETE", path)).status == 204
        assert (await tus(minhang, "DELETE", path)).code == "upload-unknown"
        assert (await tus(minhang, "HEAD", "/v1/files/uploads/nonsense")).status == 404
        assert (await minhang.get("/v1/files/nonsense")).code == "not-found"


async def test_a_refused_upload_is_answered_before_it_is_sent(around: Runtime) -> None:
    """The answer to a bad token comes through both servers while the body is still on its way."""
    async with through_the_gateway(build(around)) as url, client(url, MINHANG) as minhang:
        path = (await begin(minhang, digest_of(b"x"), 64 * MIB)).headers["Location"]

        async def endless() -> AsyncIterator[bytes]:
            for _ in range(64):
                yield bytes(MIB)

        headers = {"Content-Length": str(64 * MIB), "Content-Type": "application/offset+octet-stream"}
        for _ in range(3):
            answer = await minhang._ask("PATCH", path, headers=headers, data=endless())
            assert answer.status == 401


async def test_a_digest_that_is_not_right_is_thrown_away(around: Runtime, tmp_path: Path) -> None:
    async with through_the_gateway(build(around)) as url, client(url, MINHANG) as minhang:
        content = pieces_of(b"something else")
        with pytest.raises(FileSpoilt):
            await minhang.upload(Content(digest_of(b"what was said"), content.size, content.pieces))
        path = (await begin(minhang, digest_of(b"what was said"), 4)).headers["Location"]
        refused = await carry_on(minhang, path, 0, b"what")
        assert (refused.status, refused.code) == (422, "file-spoilt")
        assert (await tus(minhang, "HEAD", path)).status == 404
        assert (await minhang.get(f"/v1/files/{digest_of(b'what was said')}")).status == 404
    assert names(tmp_path / "files" / "incoming") == []


async def test_goes_on_where_the_client_was_cut(around: Runtime, tmp_path: Path) -> None:
    content = os.urandom(5 * MIB)
    async with through_the_gateway(build(around)) as url, client(url, MINHANG) as minhang:
        begun = await begin(minhang, digest_of(content), len(content))
        path = begun.headers["Location"]
        with pytest.raises(OSError, match=r".*"):
            await _cut(minhang, path, content, 3 * MIB)

        async def reached() -> int:
            head = await tus(minhang, "HEAD", path)
            return int(head.headers["Upload-Offset"]) if head.status == 200 else 0

        offset = await eventually(reached)
        assert 0 < int(str(offset)) <= 3 * MIB
        assert await minhang.upload(pieces_of(content, cut=2 * MIB)) == digest_of(content)
        await minhang.download(digest_of(content), tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == content


async def _cut(agency: AgencyClient, path: str, content: bytes, after: int) -> None:
    async def half() -> AsyncIterator[bytes]:
        yield content[:after]
        await asyncio.sleep(0.1)
        raise OSError("the line is cut")

    headers = {**FROM_THE_START, "Content-Length": str(len(content)), **agency._token()}
    await agency._ask("PATCH", path, headers=headers, data=half())


async def test_a_client_that_falls_silent_is_told_so_and_loses_nothing(around: Runtime) -> None:
    content, service = os.urandom(MIB), quiet(build(around))
    async with serving("files", service) as own, before(own, Limits(body=0.5)) as url, client(url, MINHANG) as minhang:
        path = (await begin(minhang, digest_of(content), len(content))).headers["Location"]

        async def silent() -> AsyncIterator[bytes]:
            yield content[:700_000]
            await asyncio.sleep(5)

        headers = {**FROM_THE_START, "Content-Length": str(len(content)), **minhang._token()}
        assert (await minhang._ask("PATCH", path, headers=headers, data=silent())).code == "body-timeout"

        async def reached() -> bool:
            return (await tus(minhang, "HEAD", path)).headers.get("Upload-Offset") == "700000"

        await eventually(reached)
        assert (await carry_on(minhang, path, 700_000, content[700_000:])).status == 204


async def test_one_at_a_time(around: Runtime) -> None:
    content = os.urandom(MIB)
    async with through_the_gateway(build(around)) as url, client(url, MINHANG) as minhang:
        path = (await begin(minhang, digest_of(content), len(content))).headers["Location"]
        go_on = asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield content[:300_000]
            await go_on.wait()
            yield content[300_000:]

        headers = {**FROM_THE_START, "Content-Length": str(len(content)), **minhang._token()}
        writing = asyncio.create_task(minhang._ask("PATCH", path, headers=headers, data=slow()))

        async def under_way() -> bool:
            return int((await tus(minhang, "HEAD", path)).headers["Upload-Offset"]) > 0

        await eventually(under_way)
        for answer in (await carry_on(minhang, path, 300_000, b"x"), await tus(minhang, "DELETE", path)):
            assert (answer.status, answer.code, answer.headers["Retry-After"]) == (423, "upload-busy", "1")
        go_on.set()
        assert (await writing).status == 204


async def test_an_agency_s_uploads_are_bounded_and_purged(around: Runtime) -> None:
    around.settings.max_uploads, around.settings.max_uploading = 2, 1000
    async with through_the_gateway(build(around)) as url, client(url, MINHANG) as minhang, client(url, QINGPU) as other:
        first = await begin(minhang, digest_of(b"a"), 400)
        assert (await begin(minhang, digest_of(b"b"), 601)).code == "too-many-uploads"
        assert (await begin(minhang, digest_of(b"b"), 600)).status == 201
        refused = await begin(minhang, digest_of(b"c"), 1)
        assert (refused.status, refused.headers["Retry-After"]) == (429, "60")
        assert (await begin(other, digest_of(b"c"), 1)).status == 201
        await carry_on(minhang, first.headers["Location"], 0, b"a")
        async with around.pool.connection() as connection:
            await connection.execute("UPDATE files.uploads SET expires = now() - interval '1 s' WHERE size = 400")
        assert (await tus(minhang, "HEAD", first.headers["Location"])).status == 404
        kept = file_store(around.settings)
        uploads = Uploads(around.pool, kept, Bounds(2, 1000, timedelta(days=1), 1000, timedelta(days=7)))
        assert kept.spool.size(UUID(first.headers["Location"].rsplit("/", 1)[-1])) == 1
        assert await uploads.purge() == 1
        assert await uploads.purge() == 0
        assert kept.spool.size(UUID(first.headers["Location"].rsplit("/", 1)[-1])) == 0
        assert (await begin(minhang, digest_of(b"c"), 1)).status == 201


async def test_what_no_event_cites_is_bounded(around: Runtime) -> None:
    around.settings.max_uncited = 1000
    content = os.urandom(600)
    async with through_the_gateway(build(around)) as url, client(url, MINHANG) as minhang, client(url, QINGPU) as other:
        await minhang.upload(pieces_of(content))
        refused = await begin(minhang, digest_of(b"b"), 401)
        assert (refused.status, refused.code) == (413, "too-much-uncited")
        assert (await begin(minhang, digest_of(b"b"), 400)).status == 201
        assert (await begin(minhang, digest_of(b"c"), 1)).code == "too-much-uncited"
        assert (await begin(other, digest_of(b"c"), 1)).status == 201
        await follow(around, registered(sent(digest_of(content))))
        assert (await begin(minhang, digest_of(b"c"), 600)).status == 201


async def test_what_no_event_cites_is_forgotten(around: Runtime) -> None:
    """Not what an event cites, though it shows it to nobody, nor what somebody brought or began to bring lately."""
    cited, lone, again, begun = (os.urandom(1000) for _ in range(4))
    kept, bounds = file_store(around.settings), Bounds(9, 9000, timedelta(days=1), 9000, timedelta(days=7))
    uploads = Uploads(around.pool, kept, bounds)
    record = registered(sent(digest_of(cited)))[0]
    await follow(around, [record.model_copy(update={"audience": ()})])
    for content in (cited, lone, again, begun):
        await open_files(around, MINHANG).write(one(content))
    assert await uploads.forget_uncited() == 0
    async with around.pool.connection() as connection:
        await connection.execute("UPDATE files.holders SET since = now() - interval '8 days'")
    assert (await uploads.begin(MINHANG, digest_of(again), 1000)).finished
    assert not (await uploads.begin(QINGPU, digest_of(begun), 1000)).finished
    assert await uploads.forget_uncited() == 1
    with pytest.raises(FileMissing):
        await kept.size(digest_of(lone))
    assert await may(around, MINHANG, digest_of(lone)) is Access.NONE
    for content in (cited, again, begun):
        assert await kept.size(digest_of(content)) == 1000
        assert await may(around, MINHANG, digest_of(content)) is Access.HELD
    assert await open_files(around, MINHANG).write(one(lone)) == digest_of(lone)


async def test_an_agency_of_another_bus_brings_nothing_here(around: Runtime, tmp_path: Path) -> None:
    library = Library(federation.overlay(tmp_path / "federated", federation.QINGPU_BUS, "http://127.0.0.1:9"))
    service = build(replace(around, library=library))
    async with (
        through_the_gateway(service) as url,
        client(url, QINGPU) as qingpu,
        client(url, MINHANG) as minhang,
    ):
        refused = await begin(qingpu, digest_of(b"a"), 1)
        assert (refused.status, refused.code) == (403, "agency-elsewhere")
        assert (await begin(minhang, digest_of(b"a"), 1)).status == 201


async def test_ranges(around: Runtime) -> None:
    content = bytes(range(256)) * 2000
    async with through_the_gateway(build(around)) as url, client(url, MINHANG) as minhang:
        digest = await minhang.upload(pieces_of(content))

        async def part(wanted: str, **headers: str) -> Answer:
            given = {"Range": wanted, **{k.replace("_", "-"): v for k, v in headers.items()}, **minhang._token()}
            return await minhang._ask("GET", f"/v1/files/{digest}", headers=given)

        for wanted, begins, ends in (
            *(("bytes=0-0", 0, 1), ("bytes=100-199", 100, 200), ("bytes=511000-", 511000, 512000)),
            *(("bytes=-10", 511990, 512000), ("bytes=1000-9999999", 1000, 512000), ("bytes=0-", 0, 512000)),
        ):
            answer = await part(wanted)
            assert (answer.status, answer.body) == (206, content[begins:ends]), wanted
            assert answer.headers["Content-Range"] == f"bytes {begins}-{ends - 1}/512000"
        for wanted in ("bytes=0-1,4-5", "lines=1-2", "bytes=9-3"):
            assert (await part(wanted)).status == 200
        beyond = await part("bytes=512000-")
        assert (beyond.status, beyond.code, beyond.headers["Content-Range"]) == (
            *(416, "range-unsatisfiable"),
            "bytes */512000",
        )
        assert (await part("bytes=1-2", If_Range=f'"{digest}"')).status == 206
        assert (await part("bytes=1-2", If_Range='"another"')).status == 200
        assert (await part("bytes=1-2", If_None_Match=f'"{digest}"')).status == 304


async def test_damage_is_found_before_the_end(around: Runtime, tmp_path: Path) -> None:
    small, large = os.urandom(1000), os.urandom(2 * MIB)
    async with through_the_gateway(build(around)) as url, client(url, MINHANG) as minhang:
        path, digest, content = tmp_path, "", b""
        for content in (small, large):
            digest = await minhang.upload(pieces_of(content))
            path = tmp_path / "files" / "sha-256" / digest[8:10] / digest[8:]
            spoilt = bytearray(content)
            spoilt[500] ^= 1
            path.write_bytes(spoilt)
            with pytest.raises(Exception, match=r"(?i)payload|disconnect|reset"):
                await minhang.get(f"/v1/files/{digest}")
            answer = await minhang.get(f"/v1/files/{digest}")
            assert (answer.status, answer.code) == (500, "file-damaged")
            with pytest.raises(FileSpoilt):
                await minhang.download(digest, tmp_path / "out")
            assert not (tmp_path / "out").exists()
            # Whoever has it brings it again, although it was there.
            assert await minhang.upload(pieces_of(content)) == digest
            assert (await minhang.get(f"/v1/files/{digest}")).body == content
        path.unlink()
        assert (await minhang.get(f"/v1/files/{digest}")).code == "file-damaged"
        path.write_bytes(content)
        assert (await minhang.get(f"/v1/files/{digest}")).body == content


async def test_a_download_goes_on_where_it_was_cut(around: Runtime, tmp_path: Path) -> None:
    content = os.urandom(3 * MIB)
    async with through_the_gateway(build(around)) as url, client(url, MINHANG) as minhang:
        digest = await minhang.upload(pieces_of(content))
        part = tmp_path / f".out.{digest[-16:]}.part"
        part.write_bytes(content[:MIB])
        asked: list[str | None] = []
        opening = minhang._open

        def watched(method: str, path: str, headers: dict[str, str], data: None = None) -> object:
            asked.append(headers.get("Range"))
            return opening(method, path, headers, data)

        minhang._open = watched  # type: ignore[assignment, method-assign] # pyright: ignore[reportAttributeAccessIssue]
        await minhang.download(digest, tmp_path / "out")
        assert asked == [f"bytes={MIB}-"]
        assert (tmp_path / "out").read_bytes() == content
        part.write_bytes(b"x" + content[1:MIB])
        with pytest.raises(FileSpoilt):
            await minhang.download(digest, tmp_path / "out")
        assert not part.exists()


# As a process of its own.


@asynccontextmanager
async def as_a_process(around: Runtime, folder: Path) -> AsyncGenerator["Process", None]:
    """`liandong run files`, and the gateway's way through to it, in this process."""
    numbered_key(folder, BUS)
    port = free_port()
    environment = {
        **os.environ,
        **around.kafka.environment(),
        "LIANDONG_POSTGRES": around.settings.postgres,
        "LIANDONG_BUS": BUS,
        "LIANDONG_KEYS": str(folder / "keys"),
        "LIANDONG_CONTRACTS": str(folder / "contracts"),
        "LIANDONG_FILES_PORT": str(port),
    }
    async with before(f"http://127.0.0.1:{port}") as url:
        process = Process(environment, folder / "files.log", f"http://127.0.0.1:{port}", url)
        process.start()
        try:
            await process.ready()
            yield process
        finally:
            await asyncio.to_thread(process.child.terminate)


def numbered_key(folder: Path, agency: str) -> None:
    """An agency's throw-away key as a process finds it."""
    kid, contract = f"{agency}.1", folder / "contracts" / "agencies" / f"{agency}.yaml"
    save_key(folder / "keys", SigningKey(agency, kid, key(agency).private))
    contract.write_text(contract.read_text(encoding="utf-8").replace(key(agency).kid, kid), encoding="utf-8")


class Process:
    def __init__(self, environment: dict[str, str], log: Path, own: str, url: str) -> None:
        self._environment, self._log, self._own = environment, log, own
        self.url = url
        self.child: Child

    def start(self) -> None:
        argv = [sys.executable, "-m", "services.cli.app", "run", "files"]
        self.child = spawn(argv, log=self._log, env=self._environment)

    async def ready(self) -> None:
        async def asked() -> bool:
            return not await asyncio.to_thread(trouble, f"{self._own}/readyz")

        await eventually(asked, 60)

    def memory(self) -> int:
        return int(psutil.Process(self.child.pid).memory_info().rss)


def own_memory() -> int:
    return int(psutil.Process().memory_info().rss)


def generated(size: int, pause: float = 0.0) -> Content:
    """A large content that is nowhere, neither in memory nor on the disk."""
    block = os.urandom(MIB)

    async def pieces(offset: int) -> AsyncIterator[bytes]:
        while offset < size:
            piece = block[offset % MIB :][: size - offset]
            yield piece
            offset += len(piece)
            await asyncio.sleep(pause)

    seen = hashlib.sha256()
    for _ in range(size // MIB):
        seen.update(block)
    return Content(f"sha-256:{seen.hexdigest()}", size, pieces)


@pytest.mark.timeout(240)
async def test_goes_on_where_the_service_was_killed(around: Runtime, tmp_path: Path) -> None:
    content = generated(64 * MIB, pause=0.02)
    async with as_a_process(around, tmp_path) as process, client(process.url, MINHANG) as minhang:
        asked: list[tuple[str, str | None]] = []
        opening = minhang._open

        def watched(
            method: str, path: str, headers: dict[str, str], data: AsyncIterator[bytes] | None = None
        ) -> object:
            asked.append((method, headers.get("Upload-Offset")))
            return opening(method, path, headers, data)  # pyright: ignore[reportArgumentType]

        minhang._open = watched  # type: ignore[assignment, method-assign] # pyright: ignore[reportAttributeAccessIssue]
        uploading = asyncio.create_task(minhang.upload(content))

        def half() -> bool:
            incoming = tmp_path / "files" / "incoming"
            return incoming.is_dir() and any(path.stat().st_size > 20 * MIB for path in incoming.iterdir())

        await eventually(half)
        process.child.kill()
        await asyncio.sleep(0.3)
        process.start()
        assert await uploading == content.digest
        offsets = [int(offset) for method, offset in asked if method == "PATCH" and offset]
        assert offsets[0] == 0
        assert offsets[-1] > 20 * MIB
        await minhang.download(content.digest, tmp_path / "out")
    assert (tmp_path / "out").stat().st_size == content.size


@pytest.mark.timeout(240)
async def test_a_large_file_takes_no_memory(around: Runtime, tmp_path: Path) -> None:
    size = int(os.environ.get("LIANDONG_TEST_FILE_MIB", "256")) * MIB
    content = generated(size)
    async with as_a_process(around, tmp_path) as process, client(process.url, MINHANG) as minhang:
        small = generated(2 * MIB)
        await minhang.upload(small)
        await minhang.download(small.digest, tmp_path / "small")
        both = {"service": process.memory, "gateway and client": own_memory}
        before_, peak = {name: ask() for name, ask in both.items()}, {name: ask() for name, ask in both.items()}

        async def watch() -> None:
            while True:
                for name, ask in both.items():
                    peak[name] = max(peak[name], ask())
                await asyncio.sleep(0.05)

        watching = asyncio.create_task(watch())
        begun = time.monotonic()
        await minhang.upload(content)
        between = time.monotonic()
        await minhang.download(content.digest, tmp_path / "out")
        ended = time.monotonic()
        watching.cancel()
    assert (tmp_path / "out").stat().st_size == size
    grown = {name: (peak[name] - before_[name]) // MIB for name in both}
    took = f"in {between - begun:.1f} s, out {ended - between:.1f} s"
    print(f"{size // MIB} MiB {took}; MiB grown from {before_['service'] // MIB}: {grown}")
    assert all(grew < 64 for grew in grown.values()), grown


@pytest.mark.timeout(180)
async def test_from_kafka_to_the_command_line(around: Runtime, tmp_path: Path) -> None:
    """What `liandong file put` brings and an event cites, `liandong file get` fetches for who was shown it."""
    for agency in (MINHANG, QINGPU):
        numbered_key(tmp_path, agency)
    (tmp_path / "photo.jpg").write_bytes(b"a photograph")
    library = Library(tmp_path / "contracts")
    service = build(replace(around, library=library))
    async with serving("files", service) as url, before(url) as address:
        put = await liandong("put", tmp_path / "photo.jpg", "--as", MINHANG, "--data", tmp_path, "--url", address)
        digest = digest_of(b"a photograph")
        # The servers of this process log to the same place.
        assert (put.exit_code, put.stdout.splitlines()[-1]) == (0, digest)
        get = ("get", digest, "--as", QINGPU, "-o", tmp_path / "got.jpg", "--data", tmp_path, "--url", address)
        refused = await liandong(*get)
        assert (refused.exit_code, "no event that 310118-cg was delivered" in refused.stderr) == (1, True)
        await around.producer.send_all([message(record) for record in registered(sent(digest))])

        async def got() -> bool:
            return (await liandong(*get)).exit_code == 0

        await eventually(got)
        await eventually(service._all_followed)
        assert (tmp_path / "got.jpg").read_bytes() == b"a photograph"


async def liandong(*arguments: str | Path) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, main, ["file", *map(str, arguments)])


# Who may read what.


async def test_who_is_shown_a_file_may_read_it(around: Runtime, tmp_path: Path) -> None:
    content = b"a photograph"
    digest = digest_of(content)
    async with (
        through_the_gateway(build(around)) as url,
        client(url, MINHANG) as minhang,
        client(url, QINGPU) as qingpu,
        client(url, XUHUI) as xuhui,
    ):
        path = f"/v1/files/{digest}"
        assert (await qingpu.get(path)).code == "not-found"
        await follow(around, registered(sent(digest)))
        assert (await qingpu.get(path)).code == "file-awaited"
        with pytest.raises(FileMissing):
            await qingpu.download(digest, tmp_path / "out")
        assert (await minhang.get(path)).code == "not-found"
        assert await minhang.upload(pieces_of(content)) == digest
        assert (await qingpu.get(path)).body == content
        unknown, hidden = await xuhui.get(f"/v1/files/{digest_of(b'no such thing')}"), await xuhui.get(path)
        assert (hidden.status, hidden.code) == (unknown.status, unknown.code) == (404, "not-found")
        with pytest.raises(FileRefused):
            await xuhui.download(digest, tmp_path / "out")


async def test_who_joins_later_may_read_what_went_before(around: Runtime) -> None:
    content = b"a photograph"
    play = sent(digest_of(content)).given((QINGPU, "transfer.receipted"))
    play.given((QINGPU, "transfer.forwarded", {"recipient": XUHUI}))
    records = registered(play)
    await follow(around, records[:1])
    await follow(around, records[1:2])
    with pytest.raises(HistoryMissing):
        await follow(around, records[2:])
    await store(around, records)
    await follow(around, records[2:])
    await open_files(around, MINHANG).write(one(content))
    assert await may(around, XUHUI, digest_of(content)) is Access.HELD
    assert await may(around, POLICE, digest_of(content)) is Access.NONE


async def test_a_first_citation_after_a_party_joined_needs_no_history(around: Runtime) -> None:
    content = b"a photograph"
    play = Play("transfer").given((MINHANG, "transfer.sent", {"attachments": None}), (QINGPU, "transfer.receipted"))
    play.given((QINGPU, "transfer.supplement_requested"))
    play.given((MINHANG, "transfer.supplemented", {"attachments": [attachment(digest_of(content))]}))
    records = registered(play)
    for record in records:
        await follow(around, [record])
    await open_files(around, MINHANG).write(one(content))
    assert await may(around, QINGPU, digest_of(content)) is Access.HELD


async def test_who_joins_a_mirrored_exchange_is_shown_what_came_with_it(around: Runtime) -> None:
    """Until 徐汇 joined, this bus had only a stub of what cites; nothing that it followed cited anything."""
    content = b"a photograph"
    play = sent(digest_of(content)).given((QINGPU, "transfer.receipted"))
    play.given((QINGPU, "transfer.forwarded", {"recipient": XUHUI}))
    first, second, third = (mirrored_here(record) for record in registered(play))
    stub = first.model_copy(update={"event": first.stub(), "audience": ()})
    await follow(around, [stub])
    await follow(around, [second])
    await store(around, [first, second, third])
    await follow(around, [third])
    assert await may(around, XUHUI, digest_of(content)) is Access.AWAITED
    await open_files(around, MINHANG).write(one(content))
    assert await may(around, XUHUI, digest_of(content)) is Access.HELD


async def test_to_cite_a_digest_gets_nobody_a_file_that_one_does_not_hold(around: Runtime) -> None:
    """The confused deputy: 徐汇 knows the digest of a file of 闵行, and cites it to 青浦."""
    content = b"a secret of another agency"
    digest = digest_of(content)
    await open_files(around, MINHANG).write(one(content))
    stranger = Play("transfer").given((XUHUI, "transfer.sent", {"attachments": [attachment(digest)]}))
    await follow(around, registered(stranger))
    recipient = next(code for code in stranger.standing.parties if code not in {XUHUI, MINHANG})
    assert await may(around, recipient, digest) is Access.AWAITED
    assert await may(around, XUHUI, digest) is Access.NONE
    async with through_the_gateway(build(around)) as url, client(url, XUHUI) as xuhui:
        # Nor does it help to say that one uploads it: the bytes have to be shown.
        begun = await begin(xuhui, digest, len(content))
        assert begun.headers["Upload-Offset"] == "0"
        assert (await xuhui.get(f"/v1/files/{digest}")).code == "not-found"
        assert await xuhui.upload(pieces_of(content)) == digest
    assert await may(around, recipient, digest) is Access.HELD


async def test_what_a_copy_withholds_opens_nothing(around: Runtime) -> None:
    """An event that only some parties see shows its attachments to nobody else."""
    content = b"for some eyes only"
    digest = digest_of(content)
    record = registered(sent(digest))[0]
    other = next(code for code in record.standing.parties if code not in {MINHANG, QINGPU})
    await follow(around, [record.model_copy(update={"audience": (QINGPU,)})])
    await open_files(around, MINHANG).write(one(content))
    assert await may(around, QINGPU, digest) is Access.HELD
    assert await may(around, other, digest) is Access.NONE


async def test_another_district_s_bus_reads_for_those_it_hosts(around: Runtime) -> None:
    content = b"a photograph"
    digest = digest_of(content)
    agencies = dict(world().agencies.by_code)
    peer = agencies[BUS].model_copy(update={"code": "310118-bus", "home": "310118-bus", "keys": ()})
    agencies[peer.code] = peer
    agencies[QINGPU] = agencies[QINGPU].model_copy(update={"home": peer.code})
    known = directory(agencies.values())
    assert QINGPU in on_behalf(peer.code, known)
    assert MINHANG not in on_behalf(peer.code, known)
    assert on_behalf(QINGPU, known) == {QINGPU}
    await follow(around, registered(sent(digest)))
    await open_files(around, MINHANG).write(one(content))
    async with around.pool.connection() as connection:
        assert await access(connection, digest, on_behalf(peer.code, known)) is Access.HELD
        assert await access(connection, digest, [peer.code]) is Access.NONE


async def test_a_connector_reads_what_its_agency_may(around: Runtime) -> None:
    content = os.urandom(MIB)
    digest = digest_of(content)
    assert await open_files(around, MINHANG).write(one(content), digest) == digest
    with pytest.raises(FileSpoilt):
        await open_files(around, MINHANG).write(one(b"other"), digest)
    assert b"".join([piece async for piece in open_files(around, MINHANG).read(digest)]) == content
    with pytest.raises(FileMissing):
        await anext(open_files(around, QINGPU).read(digest))
    await follow(around, registered(sent(digest)))
    assert b"".join([piece async for piece in open_files(around, QINGPU).read(digest)]) == content
