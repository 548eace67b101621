"""Dead letters as an operator meets them, with the command, on the whole bus."""

import json
import subprocess
import sys

import psycopg

from connectors.http.client import AgencyClient, new_event, new_id
from connectors.kafka.producer import Producer
from contracts.canonical import parse_object
from contracts.signatures import SigningKey
from services.cli.stack import Stack
from services.cli.story import border
from tests.e2e.test_follow_one_event import eventually


def dlq(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.cli.app", "dlq", *arguments],
        env=stack.environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def listed(stack: Stack, text: str) -> list[str]:
    """The ids of the dead letters whose value holds a text."""
    letters = json.loads(dlq(stack, "list", "--json").stdout)
    return [letter["id"] for letter in letters if text in json.loads(dlq(stack, "show", letter["id"]).stdout)["value"]]


async def test_what_no_gateway_wrote_is_listed_shown_retried_and_dropped(
    stack: Stack, keys: dict[str, SigningKey]
) -> None:
    mark = new_id()
    exchange = new_id()
    async with Producer(stack.kafka) as producer:
        await producer.send("submissions.transfers", exchange.encode(), f"not a submission {mark}".encode())

    async def dead() -> object:
        return listed(stack, mark)

    found = await eventually(dead, 40)
    assert isinstance(found, list)
    (first,) = found
    assert first.startswith("transfers/submissions.transfers/")
    assert "not JSON" in json.loads(dlq(stack, "show", first).stdout)["reason"]

    # Another exchange on the same partition goes on: poison delays nobody else.
    async with AgencyClient(stack.url, keys[border.MINHANG], stack.bus) as agency:
        event = new_event(agency.key, border.sent, exchange=exchange, case=border.CASE, home=stack.bus)
        assert (await agency.submit(event, wait=20)).status == 201

    assert dlq(stack, "retry", first).returncode == 0

    async def dead_again() -> object:
        again = listed(stack, mark)
        return again if again and again != [first] else None

    second = await eventually(dead_again, 40)
    assert isinstance(second, list)
    assert dlq(stack, "drop", *second).returncode == 0
    assert listed(stack, mark) == []
    missing = dlq(stack, "show", first)
    assert missing.returncode == 1
    assert "dlq list" in missing.stderr


async def test_a_registered_event_that_a_follower_cannot_take_stops_that_exchange_only(
    stack: Stack, keys: dict[str, SigningKey]
) -> None:
    """A record whose event no audit table can take: its exchange stops; `dlq drop` refuses to leave a hole."""
    exchange = new_id()
    async with AgencyClient(stack.url, keys[border.MINHANG], stack.bus) as agency:
        event = new_event(agency.key, border.sent, exchange=exchange, case=border.CASE, home=stack.bus)
        assert (await agency.submit(event, wait=20)).status == 201
        with psycopg.connect(stack.postgres) as connection:
            row = connection.execute("SELECT record FROM transfers.events WHERE id = %s", (event["id"],)).fetchone()
        assert row is not None
        poison = parse_object(bytes(row[0]))
        inner = poison["event"]
        assert isinstance(inner, dict)
        inner |= {"sequence": 2, "time": "never", "acceptedtime": "never"}
        async with Producer(stack.kafka) as producer:
            await producer.send("events.transfers", exchange.encode(), json.dumps(poison).encode())

        async def dead() -> object:
            return [id_ for id_ in listed(stack, exchange) if id_.startswith("audit/")]

        found = await eventually(dead, 40)
        assert isinstance(found, list)
        refused = dlq(stack, "drop", *found)
        assert refused.returncode == 1
        assert "hole" in refused.stderr
        # Everything else goes on.
        other = new_event(agency.key, border.sent, exchange=new_id(), case=border.CASE, home=stack.bus)
        assert (await agency.submit(other, wait=20)).status == 201

        async def visible() -> object:
            return (await agency.timeline(exchange=str(other["exchange"]))).status == 200

        assert await eventually(visible)
