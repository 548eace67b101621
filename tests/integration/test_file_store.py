"""The store of attachments in both of its forms: a folder, and an S3-compatible server.

For S3: LIANDONG_TEST_S3, the address of a server that takes any key and has the bucket `liandong`, or moto's own.
"""

import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest
from moto.server import ThreadedMotoServer

from connectors.channel import FileMissing, FileSpoilt
from connectors.errors import SettingsError
from connectors.files.spool import Spool, SpoolBusy
from connectors.files.store import PIECE, FilesAway, FileStore, open_store

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of an S3-compatible server, with the bucket."""
    given = os.environ.get("LIANDONG_TEST_S3")
    if given:
        _make_bucket(given)
        yield given
        return
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    _make_bucket(f"http://{host}:{port}")
    yield f"http://{host}:{port}"
    server.stop()


def _make_bucket(url: str) -> None:
    with urlopen(Request(f"{url}/liandong", method="PUT")):
        pass


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "folder":
        return (tmp_path / "files").as_uri()
    monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("s3"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "example")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    monkeypatch.setenv("AWS_REGION", "cn-east-1")
    return f"s3://liandong/{uuid4()}"


@pytest.fixture
def store(place: str, tmp_path: Path) -> FileStore:
    return open_store(place, tmp_path / "spool")


async def pieces(content: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for begin in range(0, len(content), size):
        yield content[begin : begin + size]


async def whole(found: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in found])


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def digest_of(content: bytes) -> str:
    return f"sha-256:{hashlib.sha256(content).hexdigest()}"


@pytest.mark.parametrize("size", [0, 1, PIECE, PIECE + 1, 20 * MIB + 3], ids=str)
async def test_in_and_out(store: FileStore, size: int) -> None:
    content = os.urandom(size)
    digest = await store.write(pieces(content))
    assert digest == digest_of(content)
    assert await store.size(digest) == size
    assert await whole(store.read(digest)) == content
    assert await store.write(pieces(content), digest) == digest
    assert await whole(store.read(digest)) == content


async def test_ranges(store: FileStore) -> None:
    content = os.urandom(3 * PIECE)
    digest = await store.write(pieces(content))
    for begin, end in ((0, 1), (5, PIECE + 5), (2 * PIECE, 3 * PIECE)):
        assert await whole(store.read_range(digest, begin, end)) == content[begin:end]
    assert await whole(store.read_range(digest, 7)) == content[7:]


async def test_what_is_not_there(store: FileStore) -> None:
    for digest in (digest_of(b"never brought"), "sha-256:../../etc/passwd", "", "城管"):
        with pytest.raises(FileMissing):
            await store.size(digest)
        with pytest.raises(FileMissing):
            await whole(store.read(digest))


async def test_what_is_not_as_expected_is_not_kept(store: FileStore, tmp_path: Path) -> None:
    content = os.urandom(2 * MIB)
    with pytest.raises(FileSpoilt):
        await store.write(pieces(content), digest_of(b"another"))

    async def broken() -> AsyncIterator[bytes]:
        yield content
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await store.write(broken())
    for digest in (digest_of(content), digest_of(b"another")):
        with pytest.raises(FileMissing):
            await store.size(digest)
    assert files(tmp_path) == []


async def test_damage_is_found_before_the_last_piece(store: FileStore, place: str, tmp_path: Path) -> None:
    content = os.urandom(3 * PIECE)
    damaged = bytes([content[0] ^ 1]) + content[1:]
    wrong = tmp_path / "wrong"
    wrong.write_bytes(damaged)
    await store.keep(wrong, digest_of(content))
    got = bytearray()

    async def read() -> None:
        async for piece in store.read(digest_of(content)):
            got.extend(piece)

    with pytest.raises(FileSpoilt):
        await read()
    assert damaged.startswith(got)
    assert len(got) < len(damaged)
    await store.write(pieces(content))
    assert await whole(store.read(digest_of(content))) == content


async def test_a_server_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ACCESS_KEY_ID", "x"), ("SECRET_ACCESS_KEY", "x"), ("ENDPOINT_URL", "http://127.0.0.1:1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    store = open_store("s3://liandong", tmp_path)
    with pytest.raises(FilesAway):
        await store.size(digest_of(b""))


def test_a_place_that_is_none(tmp_path: Path) -> None:
    for place in ("http://host/x", "s3://", "file://host/x", "ftp:x"):
        with pytest.raises(SettingsError, match="LIANDONG_FILES"):
            open_store(place, tmp_path)


async def test_one_writer_at_a_time(tmp_path: Path) -> None:
    spool, id_ = Spool(tmp_path / "incoming"), uuid4()
    assert spool.size(id_) == 0
    async with spool.opened(id_) as file:
        await file.append(pieces(b"x" * 10))
        with pytest.raises(SpoolBusy):
            async with Spool(tmp_path / "incoming").opened(id_):
                pass
    async with spool.opened(id_) as file:
        await file.append(pieces(b"y" * 5))
        assert await file.digest() == digest_of(b"x" * 10 + b"y" * 5)
    assert spool.size(id_) == 15


async def test_what_lies_untouched(tmp_path: Path) -> None:
    spool, id_ = Spool(tmp_path), uuid4()
    (tmp_path / "stray").touch()
    async with spool.opened(id_) as file:
        await file.append(pieces(b"x"))
    now = datetime.now(UTC)
    assert spool.untouched(now - timedelta(minutes=1)) == []
    assert spool.untouched(now + timedelta(minutes=1)) == [id_]
