"""Bad input on the whole bus: each gets an answer of its own, and nothing is registered."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from connectors.http.client import AgencyClient, new_event, new_id
from contracts.canonical import Document
from contracts.codec import sign_event
from contracts.signatures import SigningKey, new_key
from events.common import WithdrawalRefused
from services.cli.stack import Stack
from services.cli.story import border


@dataclass(slots=True)
class Table:
    """Two agencies at one table, with one transfer that 青浦 has signed for."""

    stack: Stack
    minhang: AgencyClient
    qingpu: AgencyClient
    outsider: AgencyClient
    exchange: str = field(default_factory=new_id)

    async def open(self) -> "Table":
        opening = new_event(
            self.minhang.key, border.sent, exchange=self.exchange, case=border.CASE, home=self.stack.bus
        )
        assert (await self.minhang.submit(opening, wait=20)).status == 201
        receipted = new_event(self.qingpu.key, border.transfer_receipted, exchange=self.exchange)
        assert (await self.qingpu.submit(receipted, wait=20)).status == 201
        return self

    def stored(self) -> int:
        with psycopg.connect(self.stack.postgres) as connection:
            row = connection.execute("SELECT count(*) FROM transfers.events").fetchone()
        return int(row[0]) if row else 0


@pytest.fixture
async def table(stack: Stack, keys: dict[str, SigningKey]) -> AsyncIterator[Table]:
    async with (
        AgencyClient(stack.url, keys[border.MINHANG], stack.bus) as minhang,
        AgencyClient(stack.url, keys[border.QINGPU], stack.bus) as qingpu,
        AgencyClient(stack.url, keys["310104-cg"], stack.bus) as outsider,
    ):
        yield await Table(stack, minhang, qingpu, outsider).open()


def signed(document: Document, key: SigningKey) -> Document:
    return sign_event(document, key, lambda: secrets.token_urlsafe(16))


async def refused(table: Table, client: AgencyClient, event: Document) -> tuple[int, str | None, dict[str, Any]]:
    """The answer to a bad event; the store must be as it was."""
    before = table.stored()
    answer = await client.submit(event, wait=20)
    assert table.stored() == before, "a refused submission changed the store"
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    return answer.status, answer.code, answer.json


async def test_unknown_exchange(table: Table) -> None:
    event = new_event(table.qingpu.key, border.accepted, exchange=new_id())
    status, code, problem = await refused(table, table.qingpu, event)
    assert (status, code) == (409, "exchange-unknown")
    assert "sent" in str(problem["detail"])


async def test_illegal_move_says_the_state_and_the_legal_moves(table: Table) -> None:
    event = new_event(table.qingpu.key, border.decided, exchange=table.exchange)
    status, code, problem = await refused(table, table.qingpu, event)
    assert (status, code) == (409, "illegal-move")
    assert problem["status"] == 409
    rejection = problem["rejection"]
    assert "accepted" in rejection["legal_moves"]
    assert rejection["status"] == "receipted"


async def test_not_for_this_agency_to_state(table: Table) -> None:
    event = new_event(table.minhang.key, border.accepted, exchange=table.exchange)
    assert (await refused(table, table.minhang, event))[:2] == (409, "not-your-move")


async def test_an_outsider_learns_nothing(table: Table) -> None:
    event = new_event(table.outsider.key, border.accepted, exchange=table.exchange)
    status, code, problem = await refused(table, table.outsider, event)
    assert (status, code) == (409, "not-a-party")
    assert border.MINHANG not in str(problem)
    for path in (f"/v1/exchanges/{table.exchange}", f"/v1/exchanges/{table.exchange}/timeline"):
        assert (await table.outsider.get(path)).status == 404


async def test_stale_knownsequence(table: Table) -> None:
    event = new_event(table.qingpu.key, border.accepted, exchange=table.exchange, known=1)
    status, code, problem = await refused(table, table.qingpu, event)
    assert (status, code) == (409, "knownsequence-stale")
    assert "2" in str(problem["detail"])


async def test_a_sequence_that_nobody_registered(table: Table) -> None:
    event = new_event(table.qingpu.key, border.accepted, exchange=table.exchange, known=99)
    assert (await refused(table, table.qingpu, event))[1] == "knownsequence-unknown"


async def test_no_agreement(table: Table) -> None:
    fact = border.sent.model_copy(update={"recipient": border.POLICE})
    event = new_event(table.minhang.key, fact, exchange=new_id(), case=border.CASE, home=table.stack.bus)
    status, code, _ = await refused(table, table.minhang, event)
    assert (status, code) == (403, "no-agreement")


async def test_every_violation_at_once_with_pointers(table: Table) -> None:
    event = new_event(table.minhang.key, border.sent, exchange=new_id(), case=border.CASE, home=table.stack.bus)
    given = event["data"]
    assert isinstance(given, dict)
    data: Document = {name: value for name, value in given.items() if name != "purpose"}
    data |= {"number": "闵城执移第117号", "surprise": True}
    status, code, problem = await refused(table, table.minhang, signed({**event, "data": data}, table.minhang.key))
    assert (status, code) == (422, "schema-violation")
    pointers = {error["pointer"] for error in problem["errors"]}
    assert {"/data/purpose", "/data/surprise"} <= pointers


async def test_wrong_check_digit_names_the_field(table: Table) -> None:
    wrong = border.sent.model_dump(mode="json", exclude_none=True)
    wrong["circumstances"]["parties"]["units"][0]["social_credit_code"] = "91310112MA1GB00030"
    event = new_event(table.minhang.key, border.sent, exchange=new_id(), case=border.CASE, home=table.stack.bus)
    _, code, problem = await refused(table, table.minhang, signed({**event, "data": wrong}, table.minhang.key))
    assert code == "schema-violation"
    (error,) = problem["errors"]
    assert error["pointer"] == "/data/circumstances/parties/units/0/social_credit_code"
    assert "check digit" in error["detail"]


async def test_one_exchange_has_one_spelling(table: Table) -> None:
    """Another spelling of a UUID would be another key, for the same row."""
    opened = new_event(table.minhang.key, border.sent, exchange=new_id(), case=border.CASE, home=table.stack.bus)
    for spelling in (str(opened["exchange"]).upper(), str(opened["exchange"]).replace("-", ""), "urn:uuid:" + new_id()):
        event = signed({**opened, "exchange": spelling}, table.minhang.key)
        _, code, problem = await refused(table, table.minhang, event)
        assert (code, problem["errors"][0]["pointer"]) == ("schema-violation", "/exchange")


async def test_control_characters_are_refused_wherever_they_stand(table: Table) -> None:
    """PostgreSQL takes no NUL, a terminal obeys ESC, and U+202E turns a name around."""
    for case in ("a\x00b", "a\x1b[31mb", "a\u202eb"):
        event = new_event(table.minhang.key, border.sent, exchange=new_id(), case=case, home=table.stack.bus)
        _, code, problem = await refused(table, table.minhang, event)
        assert (code, problem["errors"][0]["pointer"]) == ("schema-violation", "/case")
    fact = border.transfer_receipted.model_copy(update={"receiver": "赵\x00签收"})
    _, _, problem = await refused(table, table.qingpu, new_event(table.qingpu.key, fact, exchange=table.exchange))
    assert ("/data/receiver", "control-character") in {(e["pointer"], e["rule"]) for e in problem["errors"]}


async def test_a_time_is_an_instant_of_rfc_3339(table: Table) -> None:
    opened = new_event(table.minhang.key, border.sent, exchange=new_id(), case=border.CASE, home=table.stack.bus)
    for time in ("1700000000", "2024-01-01 00:00Z", "0001-01-01T00:00:00+14:00", 1700000000):
        _, code, problem = await refused(table, table.minhang, signed({**opened, "time": time}, table.minhang.key))
        assert (code, problem["errors"][0]["pointer"]) == ("schema-violation", "/time")


async def test_what_is_said_of_a_wrong_identity_number_does_not_repeat_it(table: Table) -> None:
    data = border.sent.model_dump(mode="json", exclude_none=True)
    data["circumstances"]["parties"]["persons"] = [{"name": "示例", "identity_number": "11010519491231002x"}]
    event = new_event(table.minhang.key, border.sent, exchange=new_id(), case=border.CASE, home=table.stack.bus)
    _, code, problem = await refused(table, table.minhang, signed({**event, "data": data}, table.minhang.key))
    assert code == "schema-violation"
    assert "1949" not in str(problem)
    assert "19491231" not in (table.stack.data / "logs" / "gateway.log").read_text()


async def test_the_gateway_passes_requests_to_its_own_services_only(table: Table) -> None:
    """A request target in absolute form names a host; the gateway must not go there."""
    met = asyncio.Event()

    async def elsewhere(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.set()
        writer.close()

    server = await asyncio.start_server(elsewhere, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        for target in (f"http://127.0.0.1:{port}/v1/inbox", "/v1/inbox/../../readyz"):
            reader, writer = await asyncio.open_connection("127.0.0.1", table.stack.ports["gateway"])
            writer.write(f"GET {target} HTTP/1.1\r\nHost: bus\r\nConnection: close\r\n\r\n".encode())
            head = (await asyncio.wait_for(reader.read(), 10)).split(b"\r\n")[0]
            writer.close()
            assert head.split()[1] in {b"401", b"404"}, (target, head)
    assert not met.is_set()


async def test_a_code_is_signed_in_the_form_in_which_it_is_kept(table: Table) -> None:
    fact = border.sent.model_copy(update={"number": "闵城执移(2026)117号"})
    event = new_event(table.minhang.key, fact, exchange=new_id(), case=border.CASE, home=table.stack.bus)
    _, code, problem = await refused(table, table.minhang, event)
    assert code == "schema-violation"
    assert "闵城执移〔2026〕117号" in problem["errors"][0]["detail"]


async def test_signatures_that_do_not_count(table: Table) -> None:
    event = new_event(table.minhang.key, border.sent, exchange=new_id(), case=border.CASE, home=table.stack.bus)
    stranger = new_key(border.MINHANG, f"{border.MINHANG}.999")
    cases = {
        "signature-invalid": {**event, "case": "SYN-changed"},
        "key-unknown": signed(event, stranger),
        "source-mismatch": signed(event, table.qingpu.key),
        "signature-malformed": {**event, "signature": "abc"},
    }
    for expected, document in cases.items():
        assert (await refused(table, table.minhang, document))[1] == expected


async def test_somebody_elses_id(table: Table) -> None:
    event = new_event(table.minhang.key, border.sent, exchange=new_id(), case=border.CASE, home=table.stack.bus)
    first = await table.minhang.submit(event, wait=20)
    forged = signed({**event, "case": "SYN-other"}, table.qingpu.key)
    assert (await refused(table, table.qingpu, forged))[1] == "source-mismatch"
    other = signed({**event, "case": "SYN-other"}, table.minhang.key)
    assert (await refused(table, table.minhang, other))[:2] == (409, "id-reused")
    assert (await table.minhang.submit(event, wait=20)).body == first.body


async def test_time_in_the_future(table: Table) -> None:
    event = new_event(
        table.qingpu.key, border.accepted, exchange=table.exchange, time=datetime.now(UTC) + timedelta(hours=1)
    )
    assert (await refused(table, table.qingpu, event))[1] == "time-in-future"


async def test_nothing_to_answer(table: Table) -> None:
    event = new_event(table.qingpu.key, WithdrawalRefused(reason="没有申请"), exchange=table.exchange, kind="transfer")
    assert (await refused(table, table.qingpu, event))[1] == "nothing-requested"


async def test_a_batch_with_one_bad_item_answers_each(table: Table) -> None:
    good = [
        new_event(table.minhang.key, border.sent, exchange=new_id(), case=border.CASE, home=table.stack.bus)
        for _ in range(2)
    ]
    bad = {**good[1], "id": new_id(), "type": "cn.liandong.transfer.imagined.v1"}
    answer = await table.minhang.submit_batch([good[0], bad, good[1]], wait=20)
    assert [item["status"] for item in answer.json] == [201, 400, 201]


async def test_titles_follow_the_reader(table: Table) -> None:
    event = new_event(table.qingpu.key, border.decided, exchange=table.exchange)
    assert (await table.qingpu.submit(event, wait=20)).json["title"] == "当前状态不允许"
