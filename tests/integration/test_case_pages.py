"""A case of many exchanges comes in pages, the oldest first, and nothing large stops the others."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from threading import current_thread, main_thread
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest

from connectors.http.client import AgencyClient
from connectors.kafka.settings import KafkaSettings
from contracts.canonical import timestamp
from contracts.records import Record
from services.audit import reader, routes
from services.audit.app import SCHEMA, Audit, build
from services.audit.writer import Writer
from services.cli import reading
from services.kernel.follower import Follower
from services.kernel.service import Runtime
from tests.support.factory import BUS, TIME, key, new_exchange
from tests.support.play import JUSTICE, MINHANG, QINGPU, Play
from tests.support.registered import EVENTS, on_kafka, registered, runtime
from tests.support.serving import client, serving

SECOND = timedelta(seconds=1)
CASE = "沪城管〔2026〕1号 / 甲"
PATH = f"/v1/cases/{quote(CASE, safe='')}/timeline"
SAME = f"/v1/timelines/{quote(CASE, safe='')}"


@pytest.fixture
async def around(kafka: KafkaSettings, database: str, tmp_path: Path) -> AsyncIterator[Runtime]:
    async with runtime(kafka, database, tmp_path, [SCHEMA]) as found:
        yield found


@pytest.fixture(scope="module")
def told() -> list[Record]:
    return registered(Play("transfer").given((MINHANG, "transfer.sent"), (QINGPU, "transfer.receipted")))


def afresh(told: Sequence[Record], later: int) -> list[Record]:
    """The same events of the case in a fresh exchange, recorded so many seconds later."""
    exchange, recorded = new_exchange(), timestamp(TIME + SECOND * later)
    return [
        record.model_copy(
            update={
                "event": {**record.event, "exchange": exchange, "recordedtime": recorded},
                "standing": record.standing.model_copy(update={"case": CASE}),
            }
        )
        for record in told
    ]


async def take_in(around: Runtime, exchanges: Sequence[Sequence[Record]]) -> None:
    follower = Follower(around, "audit", Writer(around.pool, around.library, BUS), [EVENTS], hop=4)
    await follower.handle([on_kafka(record) for records in exchanges for record in records])


def quiet(around: Runtime) -> Audit:
    """Audit whose consumer stays out: the test says what arrives."""
    service = build(around)
    service._consumer = _NoConsumer()  # type: ignore[assignment] # pyright: ignore[reportAttributeAccessIssue]
    return service


class _NoConsumer:
    async def start(self) -> None: ...

    async def stop(self) -> None: ...


async def pages(agency: AgencyClient, path: str, **query: int) -> list[dict[str, Any]]:
    found = [(await agency.get(path, **query)).json]
    while found[-1]["more"]:
        found.append((await agency.get(path, cursor=found[-1]["cursor"], **query)).json)
    return found


def ids(page: dict[str, Any]) -> list[str]:
    return [item["exchange"] for item in page["exchanges"]]


async def test_a_case_comes_in_pages_the_oldest_first(around: Runtime, told: list[Record]) -> None:
    exchanges = [afresh(told, number // 2) for number in range(7)]
    await take_in(around, exchanges)
    async with serving("audit", quiet(around)) as url, client(url, MINHANG) as minhang:
        (whole,) = await pages(minhang, PATH)
        assert (len(whole["exchanges"]), whole["more"], whole["cursor"]) == (7, False, None)
        for path in (PATH, SAME):
            found = await pages(minhang, path, limit=3)
            assert [len(page["exchanges"]) for page in found] == [3, 3, 1]
            assert [code for page in found for code in ids(page)] == ids(whole)
            for page in found:
                assert {entry["exchange"] for entry in page["entries"]} == set(ids(page))
                spans = sum(item["delay"]["span_s"] for item in page["exchanges"])
                assert sum(item["seconds"] for item in page["delay"]["totals"]) == pytest.approx(spans)
        # What is opened meanwhile comes last.
        first = (await minhang.get(PATH, limit=3)).json
        newest = afresh(told, 100)
        await take_in(around, [newest])
        second = (await minhang.get(PATH, limit=200, cursor=first["cursor"])).json
        assert ids(first) + ids(second) == [*ids(whole), newest[0].exchange]


async def test_no_exchange_of_a_large_case_is_lost(around: Runtime, told: list[Record]) -> None:
    await take_in(around, [afresh(told[:1], number) for number in range(205)])
    async with serving("audit", quiet(around)) as url, client(url, MINHANG) as minhang:
        assert [len(page["exchanges"]) for page in await pages(minhang, PATH)] == [50, 50, 50, 50, 5]
        assert [len(page["exchanges"]) for page in await pages(minhang, SAME, limit=200)] == [200, 5]


async def test_a_cursor_is_of_one_case_and_one_reader(around: Runtime, told: list[Record]) -> None:
    await take_in(around, [afresh(told, number) for number in range(3)])
    async with serving("audit", quiet(around)) as url, client(url, MINHANG) as minhang, client(url, QINGPU) as qingpu:
        cursor = (await minhang.get(PATH, limit=1)).json["cursor"]
        of_list = (await minhang.exchanges(case=CASE, limit=1)).json["cursor"]
        for answer in (
            await qingpu.get(PATH, cursor=cursor),
            await minhang.get("/v1/cases/another/timeline", cursor=cursor),
            await minhang.get(PATH, cursor=of_list),
            await minhang.get(PATH, cursor="nonsense"),
            await minhang.exchanges(case=CASE, cursor=cursor),
        ):
            assert (answer.status, answer.code) == (410, "cursor-unknown")
        for limit in ("0", "201", "x"):
            answer = await minhang.get(PATH, limit=limit)
            assert (answer.status, answer.json["parameter"]) == (400, "limit")
        answer = await minhang.get(f"/v1/timelines/{new_exchange()}", limit=3)
        assert (answer.status, answer.json["parameter"]) == (400, "limit")


async def test_every_format_says_in_its_headers_that_there_is_more(around: Runtime, told: list[Record]) -> None:
    await take_in(around, [afresh(told, number) for number in range(3)])
    async with serving("audit", quiet(around)) as url, client(url, JUSTICE) as justice:
        for form in ("json", "csv", "ocel", "xes", "html"):
            cursor = (await justice.get(SAME, limit=2)).json["cursor"]
            answer = await justice.get(SAME, limit=2, format=form)
            assert answer.headers["Link"] == f'<?limit=2&format={form}&cursor={cursor}>; rel="next"'
            assert "Link" not in (await justice.get(SAME, limit=2, cursor=cursor, format=form)).headers


async def test_the_command_follows_the_pages_or_says_that_there_are_more(
    around: Runtime, told: list[Record], capsys: pytest.CaptureFixture[str]
) -> None:
    await take_in(around, [afresh(told[:1], number) for number in range(205)])
    async with serving("audit", quiet(around)) as url, client(url, MINHANG) as minhang:

        async def asked(form: str) -> Any:
            return (await reading.timeline(url, BUS, [key(MINHANG)], CASE, form=form, language="zh"))[1]

        everything = [code for page in await pages(minhang, PATH) for code in ids(page)]
        for form in ("text", "json"):
            found = (await asked(form)).json
            assert (ids(found), found["more"], len(found["entries"])) == (everything, False, 205)
        assert capsys.readouterr().err == ""
        csv = (await asked("csv")).body
        assert csv.count(b"\n") == 201
        assert "more" in capsys.readouterr().err


async def test_large_timelines_are_made_outside_of_the_event_loop(
    around: Runtime, told: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[tuple[str, bool]] = set()

    def noting(name: str, made: Any) -> Any:
        def noted(*given: Any, **named: Any) -> Any:
            seen.add((name, current_thread() is main_thread()))
            return made(*given, **named)

        return noted

    records = afresh(told, 0)
    await take_in(around, [records])
    names = ("exchange_timeline", "case_timeline", "json_response")
    for name in names:
        monkeypatch.setattr(routes, name, noting(name, getattr(routes, name)))
    monkeypatch.setattr(reader, "Record", SimpleNamespace(from_bytes=noting("from_bytes", Record.from_bytes)))
    async with serving("audit", quiet(around)) as url, client(url, MINHANG) as minhang:
        answers = await asyncio.gather(minhang.get(PATH), minhang.timeline(exchange=records[0].exchange))
        assert [answer.status for answer in answers] == [200, 200]
    assert seen == {(name, False) for name in (*names, "from_bytes")}
