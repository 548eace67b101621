"""What a registrar decides when another bus is linked with its own: what it hands on, mirrors, and refuses."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.canonical import Document, parse_object, timestamp
from contracts.codec import content_digest
from contracts.mirrors import mirrored
from contracts.records import Record, Statement, slip
from contracts.signatures import seal
from contracts.topics import FORWARDS, OUTCOMES
from services.kernel.kinds import lifecycles
from services.kernel.mirror import Mirrored
from services.kernel.registrar import Decider, Submission
from tests.support.factory import CASE, event, fact, key, new_exchange
from tests.support.federation import MINHANG_BUS, QINGPU_BUS, federated
from tests.support.play import MINHANG, QINGPU, Play
from tests.support.registered import registered

NOW = datetime(2026, 11, 6, 2, tzinfo=UTC)


def decider(bus: str = QINGPU_BUS) -> Decider:
    return Decider(
        kinds=lifecycles("transfers"),
        contracts=federated(MINHANG_BUS),
        bus_key=key(bus),
        now=NOW,
        tolerance=timedelta(minutes=5),
        events_topic="events.transfers",
        known={},
        threads={},
        mirrors={},
    )


def taken(document: Document, by: str = QINGPU_BUS, *, relayed: bool = False) -> Submission:
    sealed = seal(slip(document, by, timestamp(NOW)), key(by))
    return Submission(document, sealed, NOW, content_digest(document), "submissions.transfers/0", relayed)


def opening(home: str | None = QINGPU_BUS, source: str = QINGPU, recipient: str = MINHANG, **given: Any) -> Document:
    given = {"exchange": new_exchange(), "case": CASE, **given}
    return event(source, fact("transfer.sent", recipient=recipient), home=home, **given)


def receipted(exchange: str, home: str | None = None) -> Document:
    return event(QINGPU, fact("transfer.receipted"), exchange=exchange, case=None, home=home)


def transfer() -> list[Record]:
    return registered(Play("transfer").given((MINHANG, "transfer.sent"), (QINGPU, "transfer.receipted")))


def cut(record: Record) -> Mirrored:
    return Mirrored(mirrored(record, record.standing, [QINGPU], key(MINHANG_BUS)), "submissions.transfers/0")


def topics(of: Decider) -> list[str]:
    return [message.topic for _, message in of.decisions.messages]


def codes(of: Decider) -> list[Any]:
    values = [message.value for _, message in of.decisions.messages if message.topic == OUTCOMES and message.value]
    return [parse_object(Statement.from_bytes(value).document).get("code") for value in values]


@pytest.mark.parametrize("home", [QINGPU_BUS, MINHANG_BUS, None])
def test_an_opening_is_not_handed_to_a_bus_that_has_taken_its_id(home: str | None) -> None:
    """Ids can be guessed: a stub under one may not draw what an agency states for the first time."""
    first, here = transfer()[0], decider()
    here.mirror(cut(first))
    here.settle(taken(opening(home, exchange=first.exchange)))
    assert FORWARDS not in topics(here)
    assert codes(here) == ["home-mismatch"]


def test_what_names_another_home_than_the_mirror_s_is_not_handed_on() -> None:
    first, here = transfer()[0], decider()
    here.mirror(cut(first))
    here.settle(taken(receipted(first.exchange, QINGPU_BUS)))
    assert FORWARDS not in topics(here)
    assert codes(here) == ["home-mismatch"]


@pytest.mark.parametrize("home", [MINHANG_BUS, None])
def test_what_goes_on_with_a_mirrored_exchange_is_handed_on(home: str | None) -> None:
    first, here = transfer()[0], decider()
    here.mirror(cut(first))
    here.settle(taken(receipted(first.exchange, home)))
    assert FORWARDS in topics(here)
    assert codes(here) == []


@pytest.mark.parametrize("relayed", [True, False])
def test_an_exchange_is_opened_on_the_bus_of_its_opener(relayed: bool) -> None:
    """Whichever way the opening has come here."""
    there = decider(MINHANG_BUS)
    by = QINGPU_BUS if relayed else MINHANG_BUS
    there.settle(taken(opening(MINHANG_BUS), by, relayed=relayed))
    assert topics(there) == [OUTCOMES]
    assert codes(there) == ["home-mismatch"]
