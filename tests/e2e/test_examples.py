"""Every example of `contracts/examples` on a real bus: the valid are registered, the invalid refused as they state."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from connectors.http.client import AgencyClient, new_event, new_id
from connectors.kafka.producer import Producer
from contracts import topics
from contracts.canonical import Document
from contracts.codec import sign_event
from contracts.signatures import SigningKey
from events.fact import PREFIX, Fact
from events.registry import COMMON_KIND, kind_of, kinds
from services.cli.agencies import agency_key
from services.cli.stack import TOGETHER, Stack
from services.kernel.exchange import Registration
from services.kernel.submitting import submission
from tests.support.agencies import known
from tests.support.factory import BUS, CASE, EXAMPLES, TIME, fact
from tests.support.play import Play, attempts, explored

VALID = sorted([*EXAMPLES.glob("*/valid-*.json"), *EXAMPLES.glob("*/refused-*.json")])
INVALID = sorted(EXAMPLES.glob("*/invalid-*.json"))
NOW = TIME + timedelta(hours=1)

ABOUT_CLOCKS = ("clock_warned", "clock_expired", "clock_recomputed", "clock_expiry_annulled")
UNTRUE = {f"{PREFIX}.{COMMON_KIND}.{name}.v1" for name in ABOUT_CLOCKS}
"""The bus's own words about clocks: the examples are not true of an exchange here, and the registrar says so.

That the true ones are registered is seen wherever a clock runs out (`tests/integration/test_clocks.py`).
"""

ANSWERS = {
    "common.withdrawal_refused": "common.withdrawal_requested",
    "common.extension_granted": "common.extension_requested",
    "common.extension_refused": "common.extension_requested",
    "common.correction_withdrawn": "common.corrected",
}

Move: TypeAlias = tuple[str, str, Fact, str | None]
"""Kind, source, fact, leg."""


@dataclass(frozen=True)
class Case:
    """An example as the last move of an exchange, and the code with which it is refused, if it is."""

    name: str
    moves: tuple[Move, ...]
    code: str | None


@cache
def cases() -> tuple[Case, ...]:
    return tuple(map(case, VALID))


def case(path: Path) -> Case:
    """The shortest exchange of the examples in which this one may be stated, or is refused with the code it names."""
    type_, (_, _, variant) = path.parent.name, path.stem.partition("-")
    kind, name = kind_of(type_), f"{kind_of(type_)}.{type_.split('.')[3]}"
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    code = "clock-disproved" if type_ in UNTRUE else read.get("code")
    of_kinds = [read["kind"], *kinds()] if kind == COMMON_KIND else [kind]
    for of in dict.fromkeys(of_kinds):
        for before, source, leg in everywhere(of, name):
            answer = before.fork().when(source, name, variant, by={"leg": leg})
            if (None if isinstance(answer, Registration) else answer.code) == code:
                return Case(f"{type_}/{path.stem}", (*told(before), (of, source, fact(name, variant), leg)), code)
    raise AssertionError(f"{path}: no exchange of the examples takes it")


def everywhere(kind: str, name: str) -> Iterator[tuple[Play, str, str | None]]:
    """Wherever a fact may be tried; an answer to a fact of every kind also after that fact."""
    for reached in explored(kind):
        for before in [reached, *asked(reached, name)]:
            for source, leg in attempts(before, name):
                yield before, source, leg


def asked(play: Play, name: str) -> Iterator[Play]:
    if name not in ANSWERS or play.lifecycle.ended(play.state.status) or not play.log:
        return
    for source, leg in attempts(play, ANSWERS[name]):
        after = play.fork()
        if isinstance(after.when(source, ANSWERS[name], by={"leg": leg}), Registration):
            yield after


def told(play: Play) -> Iterator[Move]:
    return ((play.kind, event.envelope.source, event.fact, event.envelope.leg) for event, _ in play.log)


@pytest.fixture(scope="module")
def stack(scratch: Path) -> Iterator[Stack]:
    """A gateway and all registrars, at the time of the examples."""
    with Stack(scratch / "examples", services=TOGETHER[:2], legal_time=NOW) as stack:
        yield stack


@pytest.fixture(scope="module")
def keys(stack: Stack) -> dict[str, SigningKey]:
    """A key of everybody who states something."""
    invalid = {str(json.loads(path.read_text(encoding="utf-8"))["event"]["source"]) for path in INVALID}
    codes = {source for item in cases() for _, source, _, _ in item.moves} | invalid
    made = known(sorted(codes - {BUS}), stack.keys, stack.contracts)
    return made | {BUS: agency_key(BUS, stack.keys)}


@pytest.fixture
async def client(stack: Stack, keys: dict[str, SigningKey]) -> AsyncIterator[AgencyClient]:
    async with AgencyClient(stack.url, keys[BUS], stack.bus) as client:
        yield client


async def test_every_valid_example_is_registered(
    stack: Stack, client: AgencyClient, keys: dict[str, SigningKey]
) -> None:
    exchanges = {item.name: new_id() for item in cases()}
    wrong: list[str] = []
    async with Producer(stack.kafka) as producer:
        for step in range(max(len(item.moves) for item in cases())):
            playing = [item for item in cases() if len(item.moves) > step]
            events = [move(keys, item.moves[step], exchanges[item.name], opens=step == 0) for item in playing]
            answers = await submitted(events, client, producer)
            for item, event in zip(playing, events, strict=True):
                expected = item.code if step == len(item.moves) - 1 else None
                answer = answers[str(event["id"])]
                if answer["outcome"] != ("rejection" if expected else "receipt") or answer.get("code") != expected:
                    wrong.append(f"{item.name}, step {step + 1}: {answer}")
    assert wrong == []


async def submitted(events: Sequence[Document], client: AgencyClient, producer: Producer) -> dict[str, dict[str, Any]]:
    """The outcomes by event: agencies come over HTTP, and the bus itself puts its own word on the topic."""
    own = [event for event in events if event["source"] == BUS]
    for event in own:
        topic = topics.load().submissions_for(str(event["kind"]))
        message, _ = submission(event, NOW, client.key, str(topic))
        await producer.send(message.topic, message.key, message.value)
    answers = await client.submit_all([event for event in events if event not in own], wait=60)
    found = {answer["id"]: answer["body"].get("rejection", answer["body"]) for answer in answers}
    for event in own:
        found[str(event["id"])] = await outcome(client, str(event["id"]))
    return found


async def outcome(client: AgencyClient, id_: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while (answer := await client.submission(id_)).status != 200 or "outcome" not in answer.json:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    found: dict[str, Any] = answer.json["outcome"]
    return found


def move(keys: dict[str, SigningKey], given: Move, exchange: str, *, opens: bool) -> Document:
    kind, source, stated, leg = given
    case, home = (CASE, BUS) if opens else (None, None)
    return new_event(keys[source], stated, exchange=exchange, kind=kind, leg=leg, time=TIME, case=case, home=home)


async def test_every_invalid_example_is_refused_for_the_reason_it_states(
    client: AgencyClient, keys: dict[str, SigningKey]
) -> None:
    wrong: list[str] = []
    for path in INVALID:
        example = json.loads(path.read_text(encoding="utf-8"))
        event: dict[str, Any] = {**example["event"], "id": new_id(), "exchange": new_id()}
        answer = await client.submit(sign_event(event, keys[event["source"]], salt))
        found = [(item["pointer"], item["rule"]) for item in answer.json.get("errors", [])]
        if answer.status != 422 or found != [(example["pointer"], example["rule"])]:
            wrong.append(f"{path.parent.name}/{path.stem}: {answer.status} {answer.json}")
    assert wrong == []


def salt() -> str:
    return secrets.token_urlsafe(16)
