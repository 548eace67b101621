"""One event through the bus, hop by hop, in one file: the table at the top of the README, walked."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime

import psycopg

from connectors.http.client import AgencyClient, new_event, new_id
from connectors.kafka.reader import read_all
from contracts import library
from contracts.canonical import Document, parse_object
from contracts.codec import verify_event
from contracts.disclosure import withheld
from contracts.records import digest_of_signed
from contracts.signatures import SigningKey, verify_seal
from services.cli.stack import Stack
from services.cli.story import border


async def eventually(look: Callable[[], Awaitable[object]], seconds: float = 20) -> object:
    """What `look` finds, as soon as it finds something."""
    async with asyncio.timeout(seconds):
        while not (found := await look()):  # noqa: ASYNC110, what is looked at is another process
            await asyncio.sleep(0.05)
    return found


async def test_follow_one_event(stack: Stack, keys: dict[str, SigningKey]) -> None:
    agencies = library.load(stack.contracts).agencies
    exchange = new_id()
    async with (
        AgencyClient(stack.url, keys[border.MINHANG], stack.bus) as sender,
        AgencyClient(stack.url, keys[border.QINGPU], stack.bus) as recipient,
    ):
        # An agency states a fact, signed with its own key.
        event = new_event(sender.key, border.sent, exchange=exchange, case=border.CASE, home=stack.bus)

        # Hop 1, gateway: the acceptance is stamped and sealed once Kafka has the submission.
        accepted = await sender.submit(event)
        assert accepted.status == 202
        assert accepted.headers["Location"] == f"/v1/submissions/{event['id']}"
        slip = parse_object(accepted.body)
        on_kafka = [
            item.value for item in read_all(stack.kafka, "submissions.transfers") if item.key == exchange.encode()
        ]
        (submission,) = [parse_object(value) for value in on_kafka if value]
        assert submission["event"] == event
        assert submission["slip"] == slip

        # Hop 2, transfers: registered unchanged, with a sequence and a sealed receipt, stored and published.
        async def known() -> object:
            answer = await sender.submission(str(event["id"]))
            return answer.json if answer.status == 200 and answer.json["state"] == "receipt" else None

        outcome = await eventually(known)
        assert isinstance(outcome, dict)
        with psycopg.connect(stack.postgres) as connection:
            row = connection.execute(
                "SELECT record FROM transfers.events WHERE source = %s AND id = %s", (event["source"], event["id"])
            ).fetchone()
        assert row is not None
        record = json.loads(row[0])
        assert {name: record["event"][name] for name in event} == event
        assert (record["event"]["sequence"], record["event"]["acceptedtime"]) == (1, slip["acceptedtime"])
        published = [item for item in read_all(stack.kafka, "events.transfers") if item.value == bytes(row[0])]
        assert len(published) == 1
        receipt = record["receipt"]
        assert published[0].key == exchange.encode()
        signer = verify_seal(receipt, agencies, slip_time(slip))
        assert (signer, receipt["sequence"]) == (stack.bus, 1)
        assert receipt["signed"] == digest_of_signed(event)

        # Hop 3, delivery: a copy in the recipient's inbox, cut to what its agreement lets it read; it verifies.
        async def arrived() -> object:
            items = (await recipient.inbox(wait=5)).json["items"]
            return [item for item in items if item.get("event", {}).get("exchange") == exchange]

        copies = await eventually(arrived)
        assert isinstance(copies, list)
        copy = copies[0]["event"]
        assert "/origin/reporter" in withheld(copy["data"])
        assert verify_event(copy, agencies, slip_time(slip)) == border.MINHANG

        # Hop 4, audit: the timeline, for each party what it may see, and whose move it is.
        async def visible() -> object:
            answer = await recipient.timeline(exchange=exchange)
            return answer.json if answer.status == 200 else None

        timeline = await eventually(visible)
        assert isinstance(timeline, dict)
        assert [entry["sequence"] for entry in timeline["entries"]] == [1]
        assert "/data/origin/reporter" in timeline["entries"][0]["withheld"]
        assert timeline["entries"][0]["receipt"] == receipt
        assert [agency["agency"] for agency in timeline["moves"]] == [border.QINGPU]


def slip_time(slip: Document) -> datetime:
    """When the gateway took the submission."""
    return datetime.fromisoformat(str(slip["acceptedtime"]))
