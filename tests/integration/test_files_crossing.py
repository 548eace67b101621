"""Two buses, each with its files: what 青浦's agency cites to 闵行's is fetched over the line between them."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from uuid import NAMESPACE_OID, uuid5

import pytest

from connectors.districts.client import PeerFiles
from connectors.files.store import FileStore
from connectors.http.client import AgencyClient
from connectors.http.files import content_in
from connectors.kafka.producer import Producer
from connectors.kafka.provision import ensure
from connectors.kafka.settings import KafkaSettings
from connectors.postgres import migrations
from connectors.postgres.pool import open_pool
from contracts.library import Library
from contracts.records import Record
from services.cli.provisioning import topic_specs
from services.files.app import SCHEMA, build
from services.kernel.files import Access, file_store
from services.kernel.schema import schema
from services.kernel.service import Runtime
from services.kernel.settings import Settings
from tests.support.attachments import MIB, attachment, digest_of, follow, may, quiet, through_the_gateway
from tests.support.factory import key
from tests.support.federation import MINHANG_BUS, QINGPU_BUS, federated, overlay
from tests.support.linked import Line
from tests.support.play import MINHANG, POLICE_QINGPU, QINGPU, XUHUI, Play
from tests.support.registered import registered
from tests.support.serving import eventually


@dataclass(frozen=True, slots=True)
class Two:
    """青浦's bus `there`, which hosts who cites, and 闵行's `here`, which comes for it over the line."""

    here: Runtime
    there: Runtime
    line: Line
    qingpu: AgencyClient
    minhang: AgencyClient

    @property
    def store(self) -> FileStore:
        return file_store(self.here.settings)

    async def get(self, digest: str) -> bytes | None:
        """The file, asked for here; None while it is awaited."""
        answer = await self.minhang.get(f"/v1/files/{digest}")
        assert answer.status == 200 or answer.code == "file-awaited"
        return answer.body if answer.status == 200 else None

    async def wanted(self) -> list[tuple[str, str, int]]:
        async with self.here.pool.connection() as connection:
            found = await connection.execute("SELECT digest, granter, attempts FROM files.wanted")
            return [(digest, granter, attempts) for digest, granter, attempts in await found.fetchall()]


@pytest.fixture
async def two(kafka: KafkaSettings, database: str, other_database: str, tmp_path: Path) -> AsyncIterator[Two]:
    async with AsyncExitStack() as opened:

        async def bus(code: str, peer: str, url: str, postgres: str) -> Runtime:
            contracts = overlay(tmp_path / code, peer, url)
            ensure(kafka, topic_specs(contracts))
            migrations.provision(postgres, [schema("transfers", "outbox", "registrar"), SCHEMA])
            settings = Settings(bus=code, contracts=contracts, postgres=postgres, files=str(tmp_path / f"{code}-files"))
            pool = await opened.enter_async_context(open_pool(postgres))
            producer = await opened.enter_async_context(Producer(kafka, deadline=5))
            return Runtime(settings, kafka, Library(contracts), key(code), pool, producer)

        back = opened.enter_context(Line(9))
        there = await bus(QINGPU_BUS, MINHANG_BUS, back.url, other_database)
        there_url = await opened.enter_async_context(through_the_gateway(build(there)))
        line = opened.enter_context(Line(int(there_url.rsplit(":", 1)[-1])))
        here = await bus(MINHANG_BUS, QINGPU_BUS, line.url, database)
        here_url = await opened.enter_async_context(through_the_gateway(build(here)))
        back._target = int(here_url.rsplit(":", 1)[-1])
        qingpu = await opened.enter_async_context(AgencyClient(there_url, key(QINGPU), QINGPU_BUS))
        minhang = await opened.enter_async_context(AgencyClient(here_url, key(MINHANG), MINHANG_BUS))
        yield Two(here, there, line, qingpu, minhang)


def cited(digest: str) -> list[Record]:
    """青浦 has sent 闵行 a transfer that cites it; 青浦's bus keeps the exchange."""
    moves = Play("transfer", contracts=federated()).given(
        (QINGPU, "transfer.sent", {"recipient": MINHANG, "attachments": [attachment(digest)]})
    )
    records = registered(moves)
    return [
        record.model_copy(update={"standing": record.standing.model_copy(update={"home": QINGPU_BUS})})
        for record in records
    ]


async def test_what_is_cited_comes_when_it_is_brought(two: Two) -> None:
    content = os.urandom(3 * MIB)
    digest = digest_of(content)
    for bus in (two.there, two.here):
        await follow(bus, cited(digest))
    await eventually(lambda: tried(two))
    assert await two.get(digest) is None
    await two.qingpu.upload(content_in(content))
    assert await eventually(lambda: two.get(digest)) == content
    assert await two.wanted() == []
    assert await may(two.here, QINGPU, digest) is Access.HELD
    await follow(two.here, cited(digest))
    assert await two.wanted() == [], "what is here is not wanted once more"


async def test_while_the_line_is_cut_it_is_wanted(two: Two) -> None:
    content = b"a photograph"
    digest = digest_of(content)
    two.line.cut()
    for bus in (two.there, two.here):
        await follow(bus, cited(digest))
    await two.qingpu.upload(content_in(content))
    await eventually(lambda: tried(two))
    assert await two.get(digest) is None
    two.line.mend()
    assert await eventually(lambda: two.get(digest)) == content


async def test_it_goes_on_where_it_broke_off(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    content = os.urandom(3 * MIB)
    digest = digest_of(content)
    asked: list[str | None] = []
    opening = PeerFiles._open

    def watched(self: PeerFiles, citer: str, method: str, path: str, headers: dict[str, str]) -> object:
        asked.append(headers.get("Range"))
        return opening(self, citer, method, path, headers)

    monkeypatch.setattr(PeerFiles, "_open", watched)
    await two.qingpu.upload(content_in(content))
    async with two.store.spool.opened(uuid5(NAMESPACE_OID, f"{digest} {QINGPU}")) as file:
        file.path.write_bytes(content[:MIB])
    for bus in (two.there, two.here):
        await follow(bus, cited(digest))
    assert await eventually(lambda: two.get(digest)) == content
    assert asked == [f"bytes={MIB}-"]


async def test_what_came_wrong_is_fetched_anew(two: Two) -> None:
    content = os.urandom(2 * MIB)
    digest = digest_of(content)
    await two.qingpu.upload(content_in(content))
    async with two.store.spool.opened(uuid5(NAMESPACE_OID, f"{digest} {QINGPU}")) as file:
        file.path.write_bytes(b"x" * MIB)
    for bus in (two.there, two.here):
        await follow(bus, cited(digest))
    assert await eventually(lambda: two.get(digest)) == content


async def test_a_larger_one_than_this_bus_takes_is_left(two: Two) -> None:
    content = os.urandom(MIB)
    digest = digest_of(content)
    two.here.settings.max_file = MIB - 1
    await two.qingpu.upload(content_in(content))
    for bus in (two.there, two.here):
        await follow(bus, cited(digest))
    await eventually(lambda: answered(two))
    assert await two.get(digest) is None
    two.here.settings.max_file = MIB
    assert await eventually(lambda: two.get(digest)) == content


async def test_the_other_bus_is_no_deputy_either(two: Two) -> None:
    """青浦 knows the digest of a file that 徐汇 has shown to somebody else at its bus, and cites it to 闵行."""
    content = b"a secret of another agency"
    digest = digest_of(content)
    async with AgencyClient(two.minhang._base_url, key(XUHUI), MINHANG_BUS) as xuhui:
        await xuhui.upload(content_in(content))
    for bus in (two.here, two.there):
        async with bus.pool.connection() as connection:
            await connection.execute("INSERT INTO files.shown VALUES (%s, %s, %s)", (digest, XUHUI, POLICE_QINGPU))
            if bus is two.there:
                await connection.execute("INSERT INTO files.wanted (digest, granter) VALUES (%s, %s)", (digest, XUHUI))

    async def fetched() -> bool:
        return await may(two.there, POLICE_QINGPU, digest) is Access.HELD

    await eventually(fetched)
    for bus in (two.there, two.here):
        await follow(bus, cited(digest))
    await eventually(lambda: answered(two))
    assert await may(two.here, MINHANG, digest) is Access.AWAITED
    await two.qingpu.upload(content_in(content))
    assert await eventually(lambda: two.get(digest)) == content


async def test_whom_nobody_is_linked_with_is_not_asked(two: Two) -> None:
    """What one's own agencies cite, or show to others' only, is nothing to fetch."""
    digest = digest_of(b"of one's own")
    await follow(two.there, cited(digest))
    own = Play("transfer", contracts=federated()).given(
        (MINHANG, "transfer.sent", {"recipient": QINGPU, "attachments": [attachment(digest)]})
    )
    await follow(two.here, registered(own))
    async with two.there.pool.connection() as connection:
        assert await (await connection.execute("SELECT * FROM files.wanted")).fetchall() == []
    assert await two.wanted() == []


async def test_several_processes_fetch_each_file_once(two: Two) -> None:
    contents = [os.urandom(100_000) for _ in range(12)]
    for content in contents:
        await two.qingpu.upload(content_in(content))
        for bus in (two.there, two.here):
            await follow(bus, cited(digest_of(content)))
    beside = quiet(build(replace(two.here)))
    await beside.start()
    try:
        for content in contents:
            assert await eventually(partial(two.get, digest_of(content))) == content
    finally:
        await beside.stop()
    assert await two.wanted() == []


async def tried(two: Two) -> bool:
    """Whether all that is wanted was asked for."""
    async with two.here.pool.connection() as connection:
        found = await connection.execute("SELECT count(*) = count(tried) FROM files.wanted")
        return await found.fetchone() == (True,)


async def answered(two: Two) -> bool:
    """Whether all that is wanted was asked for a second time, so that the first was answered."""
    return all(attempts > 1 for *_, attempts in await two.wanted())
