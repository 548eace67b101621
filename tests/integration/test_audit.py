"""Audit on the real engines: everything is written down once, and each party sees what it may see."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest

from connectors.http.client import AgencyClient
from connectors.kafka.producer import Message
from connectors.kafka.settings import KafkaSettings
from contracts.calendar import Calendars
from contracts.canonical import canonical, timestamp
from contracts.deliveries import Stage, StageReached
from contracts.findings import SCOPE_EN
from contracts.records import Record, Statement
from contracts.rules import Rules
from services.audit.app import SCHEMA, Audit, build, rebuild
from services.audit.compare import compare
from services.audit.ledger import Ledger
from services.audit.writer import Writer
from services.kernel.follower import Follower
from services.kernel.service import Runtime
from tests.support.factory import BUS, CASE, TIME, new_exchange
from tests.support.play import CITY, JUSTICE, MINHANG, POLICE, QINGPU, XUHUI, Play
from tests.support.registered import EVENTS, message, moved, on_kafka, registered, runtime, store
from tests.support.serving import client, eventually, serving


@pytest.fixture
async def around(kafka: KafkaSettings, database: str, tmp_path: Path) -> AsyncIterator[Runtime]:
    async with runtime(kafka, database, tmp_path, [SCHEMA]) as found:
        yield found


@pytest.fixture(scope="module")
def forwarded() -> list[Record]:
    play = Play("transfer").given(
        (MINHANG, "transfer.sent"), (QINGPU, "transfer.receipted"), (QINGPU, "transfer.forwarded", {"recipient": XUHUI})
    )
    return registered(play)


def afresh(records: Sequence[Record], *, later: int = 0, **standing: object) -> list[Record]:
    """The same events in a fresh exchange, recorded so many seconds later."""
    exchange = new_exchange()
    recorded = timestamp(TIME + timedelta(seconds=later))
    return [
        record.model_copy(
            update={
                "event": {**record.event, "exchange": exchange, "recordedtime": recorded},
                "standing": record.standing.model_copy(update=standing),
            }
        )
        for record in records
    ]


async def take_in(around: Runtime, records: Sequence[Record], others: Sequence[tuple[str, bytes]] = ()) -> None:
    """What the consumer would do."""
    follower = Follower(around, "audit", Writer(around.pool, around.library, BUS), [EVENTS], hop=4)
    arrived = [on_kafka(record) for record in records]
    await follower.handle([*arrived, *(on_kafka(value, topic=topic) for topic, value in others)])


def stage(record: Record, recipient: str, name: Stage = "delivered") -> tuple[str, bytes]:
    reached = StageReached(
        bus=BUS,
        kind=record.kind,
        exchange=record.exchange,
        sequence=record.sequence,
        recipient=recipient,
        stage=name,
        time=TIME,
    )
    return "deliveries", reached.to_bytes()


async def test_events_equal_the_store_byte_for_byte(around: Runtime, forwarded: list[Record]) -> None:
    records = [*afresh(forwarded), *afresh(forwarded)]
    await store(around, records)
    await take_in(around, records[:4])
    half = await compare("transfers", around.pool)
    assert (half.equal, half.stored, half.followed, len(half.missing)) == (False, 6, 4, 2)
    await take_in(around, records)
    await take_in(around, records)
    assert (await compare("transfers", around.pool)).equal
    async with around.pool.connection() as connection:
        await connection.execute("UPDATE audit.events SET record = 'x' WHERE sequence = 2")
    assert len((await compare("transfers", around.pool)).different) == 2


async def test_stages_and_rejections_are_written_once(around: Runtime, forwarded: list[Record]) -> None:
    refused = canonical({"outcome": "rejection", "source": MINHANG, "id": "e", "code": "illegal-move"})
    rejection = ("outcomes", Statement("sha-256:0", stands=True, document=refused).to_bytes())
    registered = canonical({"outcome": "receipt", "source": MINHANG, "id": "f"})
    receipt = ("outcomes", Statement("sha-256:1", stands=True, document=registered).to_bytes())
    for _ in range(2):
        await take_in(around, forwarded[:1], [stage(forwarded[0], QINGPU)] * 2 + [rejection, rejection, receipt])
    async with around.pool.connection() as connection:
        for table in ("deliveries", "rejections"):
            row = await (await connection.execute(f"SELECT count(*) FROM audit.{table}")).fetchone()  # pyright: ignore[reportArgumentType]
            assert row == (1,)


async def test_a_party_reads_the_timeline_and_others_find_nothing(around: Runtime, forwarded: list[Record]) -> None:
    records = afresh(forwarded)
    await take_in(around, records, [stage(records[0], QINGPU)])
    exchange = records[0].exchange
    async with serving("audit", quiet(around)) as url, client(url, JUSTICE) as justice, client(url, POLICE) as police:
        found = (await justice.timeline(exchange=exchange)).json
        assert [entry["sequence"] for entry in found["entries"]] == [1, 2, 3]
        assert found["entries"][0]["deliveries"][0]["agency"] == QINGPU
        summary = (await justice.exchange(exchange)).json
        own = {"entries", "running", "clocks", "delay", "links"}
        assert summary == {name: value for name, value in found.items() if name not in own}
        assert [agency["agency"] for agency in summary["moves"]] == [XUHUI]
        for answer in (
            await police.exchange(exchange),
            await police.exchange(new_exchange()),
            await police.exchange("nonsense"),
            await police.timeline(exchange=exchange),
            await police.timeline(case=CASE),
            await police.timeline(case="\0"),
        ):
            assert (answer.status, answer.code) == (404, "not-found")
        # The same words for what is there and what is not.
        hidden, absent = await police.exchange(exchange), await police.exchange(new_exchange())
        assert hidden.body == absent.body
        assert (await police.exchanges()).json == {"items": [], "cursor": None, "more": False}


async def test_two_kinds_may_share_an_id(around: Runtime, forwarded: list[Record]) -> None:
    transfer = afresh(forwarded[:1])[0]
    referral = transfer.model_copy(update={"event": {**transfer.event, "kind": "referral"}})
    await take_in(around, [transfer, referral])
    async with serving("audit", quiet(around)) as url, client(url, MINHANG) as minhang:
        answer = await minhang.exchange(transfer.exchange)
        assert (answer.status, answer.json["parameter"]) == (400, "kind")
        named = await minhang.get(f"/v1/exchanges/{transfer.exchange}", kind="referral")
        assert named.json["kind"] == "referral"
        assert (await minhang.get(f"/v1/exchanges/{transfer.exchange.upper()}", kind="transfer")).status == 200


async def test_pages_of_exchanges_the_newest_first(around: Runtime, forwarded: list[Record]) -> None:
    threads = [afresh(forwarded[:1], later=number // 2) for number in range(7)]
    await take_in(around, [record for records in threads for record in records])
    async with serving("audit", quiet(around)) as url, client(url, MINHANG) as minhang, client(url, QINGPU) as qingpu:
        seen: list[str] = []
        cursor = None
        while True:
            page = (await minhang.exchanges(limit=3, cursor=cursor)).json
            seen += [item["exchange"] for item in page["items"]]
            cursor = page["cursor"]
            if not page["more"]:
                break
            # What is opened meanwhile is newer than the list, and does not disturb it.
            await take_in(around, afresh(forwarded[:1], later=100))
        assert cursor is None
        assert sorted(seen) == sorted(records[0].exchange for records in threads)
        newest = [records[0].exchange for records in sorted(threads, key=lambda r: str(r[0].event["recordedtime"]))]
        assert set(seen[-2:]) == set(newest[:2])

        first = (await minhang.exchanges(limit=3)).json["cursor"]
        for answer in (
            await qingpu.exchanges(limit=3, cursor=first),
            await minhang.exchanges(kind="transfer", cursor=first),
            await minhang.exchanges(cursor="nonsense"),
            await minhang.exchanges(cursor=first[:-1]),
            await minhang.exchanges(cursor="城"),
        ):
            assert (answer.status, answer.code) == (410, "cursor-unknown")


async def test_filters(around: Runtime, forwarded: list[Record]) -> None:
    sent, done = afresh(forwarded[:1]), afresh(forwarded, case="another case")
    await take_in(around, [*sent, *done])
    async with serving("audit", quiet(around)) as url, client(url, MINHANG) as minhang:

        async def found(**filters: str) -> list[str]:
            return [item["exchange"] for item in (await minhang.exchanges(**filters)).json["items"]]

        one, other = sent[0].exchange, done[0].exchange
        assert set(await found()) == {one, other}
        assert await found(party=XUHUI) == [other]
        assert await found(move=QINGPU) == [one]
        assert await found(move=XUHUI) == [other]
        assert await found(case="another case") == [other]
        assert await found(kind="referral") == []
        assert set(await found(kind="transfer", state="sent")) == {one, other}
        assert await found(state="accepted") == []
        for name, value in {
            "kind": "nonsense", "state": "X", "party": "城管", "move": "x", "case": "a\0b", "limit": "0", "color": "red"
        }.items():  # fmt: skip
            answer = await minhang.exchanges(**{name: value})
            assert (answer.status, answer.code, answer.json["parameter"]) == (400, "bad-parameter", name)


async def test_a_case_shows_all_its_exchanges(around: Runtime, forwarded: list[Record]) -> None:
    case = "沪城管〔2026〕1号 / 甲"
    mine, early = afresh(forwarded, later=60, case=case), afresh(forwarded[:1], later=0, case=case)
    foreign = afresh(forwarded[:1], case=case, parties={CITY: forwarded[0].standing.parties[MINHANG]})
    await take_in(around, [*mine, *early, *foreign])
    async with serving("audit", quiet(around)) as url, client(url, MINHANG) as minhang:
        found = (await minhang.timeline(case=case)).json
        assert [item["exchange"] for item in found["exchanges"]] == [early[0].exchange, mine[0].exchange]
        steps = [(entry["exchange"], entry["sequence"]) for entry in found["entries"]]
        assert steps == [(early[0].exchange, 1), *((mine[0].exchange, number) for number in (1, 2, 3))]
        assert (await minhang.get(f"/v1/cases/{quote(case, safe='')}/timeline", kind="transfer")).status == 400


@pytest.mark.timeout(180)
async def test_through_kafka_into_the_timeline(around: Runtime, forwarded: list[Record]) -> None:
    exchange = new_exchange()
    records = [moved(record, exchange) for record in forwarded]
    async with serving("audit", build(around)) as url, client(url, MINHANG) as minhang:
        topic, value = stage(records[0], QINGPU, "retrieved")
        await around.producer.send_all([*map(message, records), Message(topic=topic, key=b"k", value=value)])

        async def visible() -> object:
            answer = await minhang.timeline(exchange=exchange)
            return answer.status == 200 and len(answer.json["entries"]) == 3 and answer.json["entries"][0]["deliveries"]

        assert await eventually(visible)


def quiet(around: Runtime) -> Audit:
    """Audit whose consumer stays out: the test says what arrives."""
    service = build(around)
    service._consumer = _NoConsumer()  # type: ignore[assignment] # pyright: ignore[reportAttributeAccessIssue]
    return service


class _NoConsumer:
    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def health(self) -> object:
        return SimpleNamespace(ready=True)


async def test_a_timeline_comes_in_every_format(around: Runtime, forwarded: list[Record]) -> None:
    records = afresh(forwarded)
    await take_in(around, records, [stage(records[0], QINGPU)])
    exchange, case = records[0].exchange, quote(CASE, safe="")
    async with serving("audit", quiet(around)) as url, client(url, JUSTICE) as justice:
        for name in (exchange, case):
            plain = await justice.get(f"/v1/timelines/{name}")
            assert plain.status == 200
            assert [item["sequence"] for item in plain.json["entries"]] == [1, 2, 3]
        shapes = {"csv": (b"\xef\xbb\xbfkind", "text/csv"), "xes": (b"<?xml", "application/xml")}
        for form, (begin, content) in shapes.items():
            answer = await justice.get(f"/v1/timelines/{exchange}", format=form)
            assert answer.body.startswith(begin)
            assert answer.headers["Content-Type"].startswith(content)
        ocel = await justice.get(f"/v1/timelines/{case}", format="ocel")
        assert {"objectTypes", "eventTypes", "objects", "events"} <= ocel.json.keys()
        for language in ("zh", "en"):
            page = (await justice.get(f"/v1/timelines/{exchange}", format="html", lang=language)).body.decode()
            assert page.startswith("<!doctype html>")
            assert "<svg" in page
            assert "<script" not in page
        for wrong in ({"format": "pdf"}, {"format": "html", "lang": "fr"}, {"colour": "red"}):
            assert (await justice.get(f"/v1/timelines/{exchange}", **wrong)).code == "bad-parameter"
        assert (await justice.get("/v1/timelines/no-such-case")).status == 404


async def test_links_tie_exchanges_in_both_directions_and_survive_a_rebuild(
    around: Runtime, forwarded: list[Record]
) -> None:
    origin = afresh(forwarded[:1])[0]
    link = {"relation": "grew_from", "kind": "transfer", "exchange": origin.exchange}
    grown = registered(Play("transfer").given((MINHANG, "transfer.sent", {"recipient": XUHUI, "links": [link]})))
    (later,) = afresh(grown, later=5, case="another case")
    await take_in(around, [origin, later])
    await take_in(around, [later])
    ends = [("transfer", later.exchange), ("transfer", origin.exchange)]

    async def links(reader: AgencyClient, exchange: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await reader.timeline(exchange=exchange)).json["links"]
        assert [[(item[end]["kind"], item[end]["exchange"]) for end in ("from", "to")] for item in found] in (
            [ends],
            [],
        )
        return found

    async with (
        serving("audit", quiet(around)) as url,
        client(url, MINHANG) as minhang,
        client(url, XUHUI) as xuhui,
        client(url, QINGPU) as qingpu,
    ):
        for _ in range(2):
            for exchange in (origin.exchange, later.exchange):
                (seen,) = await links(minhang, exchange)
                assert (seen["from"]["case"], seen["to"]["case"]) == ("another case", CASE)
            # 徐汇 was told what it grew from, and is no party to that; 青浦 is no party to what grew.
            (told,) = await links(xuhui, later.exchange)
            assert (told["relation"], told["to"]["case"], told["to"]["status"]) == ("grew_from", None, None)
            assert await links(qingpu, origin.exchange) == []
            of_case = (await minhang.timeline(case=CASE)).json
            assert [item["exchange"] for item in of_case["exchanges"]] == [origin.exchange]
            assert len(of_case["links"]) == 1
            page = (await minhang.get(f"/v1/timelines/{origin.exchange}", format="html")).body.decode()
            assert "由其产生" in page
            contracts = around.library.current()
            await Ledger(around.pool).rebuild(contracts.rules, contracts.calendars)


async def test_figures_are_for_those_whom_they_concern(around: Runtime, forwarded: list[Record]) -> None:
    records = afresh(forwarded)
    await take_in(around, records, [stage(records[0], QINGPU)])
    period = {"from": "2026-11-01", "to": "2026-11-30"}
    async with serving("audit", quiet(around)) as url:
        async with client(url, BUS) as bus:
            whole = (await bus.get("/v1/indicators", **period)).json
            assert whole["total"]["opened"] == 1
            assert {MINHANG, QINGPU, XUHUI} <= {item["agency"] for item in whole["agencies"]}
            page = await bus.get("/v1/indicators", **period, format="html", lang="en")
            assert page.headers["Content-Type"].startswith("text/html")
            for wrong in ({"from": "x", "to": "2026-11-30"}, {"from": "2026-11-02", "to": "2026-11-01"}, {}):
                assert (await bus.get("/v1/indicators", **wrong)).code == "bad-parameter"
            for name, odd in (
                ("from", "0001-01-01"),
                ("from", "2026-W45-1"),
                ("to", "9999-12-31"),
                ("to", "3000-01-01"),
            ):
                answer = await bus.get("/v1/indicators", **{**period, name: odd})
                assert (answer.status, answer.json["parameter"]) == (400, name)
                assert "2000" in answer.json["detail"]
            assert (await bus.get("/v1/indicators", **{"from": "2000-01-01", "to": "2999-12-31"})).status == 200
            assert (await bus.get("/v1/indicators", **period, lang="fr")).code == "bad-parameter"
        async with client(url, JUSTICE) as justice:
            assert (await justice.get("/v1/indicators", **period)).json["total"] == whole["total"]
        async with client(url, "310118-sfj") as elsewhere:
            assert (await elsewhere.get("/v1/indicators", **period)).json["total"]["opened"] == 0
        async with client(url, XUHUI) as xuhui:
            own = (await xuhui.get("/v1/indicators", **period)).json
            assert own["total"] is None
            assert [item["agency"] for item in own["agencies"]] == [XUHUI]
            assert own["findings"] == []
            assert (await xuhui.get("/v1/indicators", **period, agency=QINGPU)).status == 404


async def test_an_overseer_sees_its_own_figures_when_it_asks_for_them(around: Runtime) -> None:
    tally = registered(Play("tally").given((MINHANG, "tally.stated")))
    sent = registered(Play("transfer").given((MINHANG, "transfer.sent")))
    outside = {**sent[0].standing.parties, JUSTICE: sent[0].standing.parties[QINGPU]}
    await take_in(around, [*tally, *afresh(sent, parties=outside)])
    period = {"from": "2026-11-01", "to": "2026-11-30"}
    async with serving("audit", quiet(around)) as url, client(url, JUSTICE) as justice:
        whole = (await justice.get("/v1/indicators", **period)).json
        # The day that is stated to it, and not the transfer to it, which it does not oversee.
        assert [item["kind"] for item in whole["total"]["exchanges"]] == ["tally"]
        alone = (await justice.get("/v1/indicators", **period, agency=JUSTICE)).json
        assert alone["total"] is None
        assert {item["kind"]: item["received"] for item in alone["agencies"][0]["exchanges"]} == {"transfer": 1}
        assert whole["findings"]
        assert all(SCOPE_EN in item["wording_en"] for item in whole["findings"])


async def test_at_most_two_reports_are_made_at_a_time(around: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    working, most, go = 0, 0, asyncio.Event()
    settle = Ledger.settle

    async def slow(self: Ledger, rules: Rules, calendars: Calendars) -> None:
        nonlocal working, most
        working += 1
        most = max(most, working)
        await go.wait()
        await settle(self, rules, calendars)
        working -= 1

    monkeypatch.setattr(Ledger, "settle", slow)
    async with serving("audit", quiet(around)) as url, client(url, BUS) as bus:
        period = {"from": "2026-11-01", "to": "2026-11-30"}
        async with asyncio.TaskGroup() as group:
            reports = [group.create_task(bus.get("/v1/indicators", **period)) for _ in range(6)]
            assert await eventually(lambda: working >= 2)
            # Others are answered meanwhile.
            assert (await bus.exchanges()).status == 200
            go.set()
        assert {report.result().status for report in reports} == {200}
    assert most == 2


async def test_what_cannot_be_counted_harms_no_report(around: Runtime, forwarded: list[Record]) -> None:
    broken, whole = afresh(forwarded), afresh(forwarded, later=60)
    await take_in(around, [*broken, *whole])
    async with around.pool.connection() as connection:
        await connection.execute(
            "UPDATE audit.events SET record = '{}' WHERE sequence = 2 AND exchange = %s", (broken[0].exchange,)
        )
    service = quiet(around)
    async with serving("audit", service) as url, client(url, BUS) as bus:
        answer = await bus.get("/v1/indicators", **{"from": "2026-11-01", "to": "2026-11-30"})
        assert (answer.status, answer.json["total"]["opened"]) == (200, 1)
        (told,) = await Ledger(around.pool).uncounted()
        assert broken[0].exchange in told
        assert service.troubles() == []


async def test_a_rebuild_changes_no_answer(around: Runtime, forwarded: list[Record]) -> None:
    for records in (afresh(forwarded), afresh(forwarded, later=60)):
        await take_in(around, records, [stage(records[0], QINGPU)])
    period = {"from": "2026-11-01", "to": "2026-11-30"}
    asked = [f"/v1/timelines/{quote(CASE, safe='')}", "/v1/exchanges", "/v1/indicators"]

    async def answers(url: str) -> list[bytes]:
        async with client(url, JUSTICE) as justice:
            return [(await justice.get(path, **(period if path.endswith("rs") else {}))).body for path in asked]

    standing_still = quiet(replace(around, clock=lambda: TIME + timedelta(days=9)))
    async with serving("audit", standing_still) as url:
        before = await answers(url)
        assert "2 exchanges" in await rebuild(around.settings)
        assert await answers(url) == before
