"""Which copies each party gets, in which order, and what is in them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from contracts.codec import content_digest, verify_event
from contracts.crosswalk import packaged
from contracts.disclosure import withheld
from contracts.records import Party, Record, Statement
from events.fields import FieldClass
from services.delivery import copies as delivered
from services.delivery.copies import Copy, Parcel, rejected
from services.kernel.parties import needs_history
from tests.support.factory import TIME, world
from tests.support.play import CITY, JUSTICE, MINHANG, QINGPU, XUHUI, Play
from tests.support.registered import registered

JIAXING = "330400-cg"


def copies(run: Sequence[Record], history: Sequence[Record], progress: Mapping[str, int]) -> list[Parcel]:
    return delivered.copies(run, history, progress, packaged())


def order(parcels: list[Parcel], agency: str) -> list[int]:
    return [parcel.what.sequence for parcel in parcels if parcel.agency == agency and isinstance(parcel.what, Copy)]


def item(parcels: list[Parcel], agency: str, sequence: int) -> dict[str, Any]:
    (found,) = [
        parcel
        for parcel in parcels
        if parcel.agency == agency and isinstance(parcel.what, Copy) and parcel.what.sequence == sequence
    ]
    document: dict[str, Any] = json.loads(found.item("here"))
    return document


@pytest.fixture(scope="module")
def forwarded() -> list[Record]:
    """A transfer that a third agency joins at the end."""
    play = Play("transfer").given(
        (MINHANG, "transfer.sent"), (QINGPU, "transfer.receipted"), (QINGPU, "transfer.forwarded", {"recipient": XUHUI})
    )
    return registered(play)


def test_every_party_gets_every_event_in_order(forwarded: list[Record]) -> None:
    parcels = copies(forwarded, [], {})
    for agency in (MINHANG, QINGPU, XUHUI, JUSTICE):
        assert order(parcels, agency) == [1, 2, 3]


def test_a_party_that_joins_later_first_gets_what_went_before(forwarded: list[Record]) -> None:
    has = dict.fromkeys(forwarded[1].standing.parties, 2)
    assert needs_history(forwarded[2:], has)
    parcels = copies(forwarded[2:], forwarded[:2], has)
    assert order(parcels, XUHUI) == [1, 2, 3]
    assert order(parcels, MINHANG) == [3]


def test_history_is_needed_only_by_who_lacks_it(forwarded: list[Record]) -> None:
    assert not needs_history(forwarded, {})
    assert not needs_history(forwarded[1:2], dict.fromkeys(forwarded[1].standing.parties, 1))


def test_the_same_copies_however_they_are_batched(forwarded: list[Record]) -> None:
    whole = {(item.agency, str(item.what)): item.body for item in copies(forwarded, [], {})}
    stepwise: dict[tuple[str, str], bytes] = {}
    progress: dict[str, int] = {}
    for number, record in enumerate(forwarded):
        stepwise |= {(p.agency, str(p.what)): p.body for p in copies([record], forwarded[:number], progress)}
        progress |= dict.fromkeys(record.standing.parties, record.sequence)
    assert stepwise == whole


def test_a_copy_is_cut_to_what_its_reader_may_see_and_still_verifies(forwarded: list[Record]) -> None:
    parcels = copies(forwarded, [], {})
    assert item(parcels, MINHANG, 1)["event"] == forwarded[0].event
    for agency in (QINGPU, JUSTICE):
        copy = item(parcels, agency, 1)["event"]
        assert withheld(copy["data"])
        assert verify_event(copy, world().agencies, TIME) == MINHANG
    assert len(withheld(item(parcels, JUSTICE, 1)["event"]["data"])) > len(
        withheld(item(parcels, QINGPU, 1)["event"]["data"])
    )


def test_a_receipt_comes_with_every_copy_and_does_not_undo_the_salting(forwarded: list[Record]) -> None:
    """A digest without salt of the whole content would let one who guesses find out what was withheld."""
    parcels = copies(forwarded, [], {})
    assert item(parcels, MINHANG, 1)["receipt"] == forwarded[0].receipt
    receipt = item(parcels, JUSTICE, 1)["receipt"]
    assert receipt == forwarded[0].receipt
    assert content_digest(forwarded[0].event) not in receipt.values()


def test_an_item_says_where_the_exchange_stands_after_it(forwarded: list[Record]) -> None:
    found = item(copies(forwarded, [], {}), QINGPU, 1)
    assert found["cursor"] == "here"
    assert found["kind"] == "event"
    assert found["standing"] == {"status": "sent", "ended": False, "moves": [QINGPU]}


def test_a_stub_says_that_there_is_an_event_and_nothing_else(forwarded: list[Record]) -> None:
    secret = forwarded[0].model_copy(update={"audience": ("sender",)})
    parcels = copies([secret], [], {})
    assert item(parcels, MINHANG, 1)["kind"] == "event"
    assert item(parcels, QINGPU, 1) == {"cursor": "here", "kind": "stub", "stub": secret.stub()}


def test_a_rejection_keeps_its_bytes() -> None:
    value = b'{"code":"illegal-move","outcome":"rejection","source":"310112-cg"}'
    parcel = rejected(Statement("sha-256:0", stands=True, document=value).to_bytes())
    assert parcel is not None
    assert parcel.agency == MINHANG
    assert value in parcel.item("here")
    assert json.loads(parcel.item("here"))["rejection"]["code"] == "illegal-move"


@pytest.mark.parametrize("value", [b'{"outcome":"receipt","source":"310112-cg"}', b'{"outcome":"rejection"}'])
def test_other_outcomes_are_no_items(value: bytes) -> None:
    assert rejected(Statement("sha-256:0", stands=True, document=value).to_bytes()) is None


def test_nobody_outside_gets_anything(forwarded: list[Record]) -> None:
    assert CITY not in {parcel.agency for parcel in copies(forwarded, [], {})}


# --- to another province


def far_away(record: Record, **attributes: str) -> Record:
    """The record with a party in another province, which may read what is public."""
    parties = {**record.standing.parties, JIAXING: Party(role="recipient", reads=(FieldClass.PUBLIC,))}
    standing = record.standing.model_copy(update={"parties": parties})
    return record.model_copy(update={"event": {**record.event, **attributes}, "standing": standing})


def test_a_copy_that_crosses_a_province_has_the_crosswalk_beside_it(forwarded: list[Record]) -> None:
    found = item(copies([far_away(forwarded[0])], [], {}), JIAXING, 1)
    crossed = found["crosswalk"]
    assert (crossed["origin"], crossed["toward"]) == ("310000", "330000")
    assert [cause["pointer"] for cause in crossed["causes"]] == ["/circumstances/cause"]
    assert crossed["losses"]
    assert verify_event(found["event"], world().agencies, TIME) == MINHANG


def test_the_copy_itself_stays_as_it_was_signed(forwarded: list[Record]) -> None:
    record = far_away(forwarded[0])
    assert item(copies([record], [], {}), JIAXING, 1)["event"] == record.seen_by(JIAXING)


def test_no_crosswalk_within_a_province_nor_where_nothing_is_named(forwarded: list[Record]) -> None:
    parcels = copies([far_away(record) for record in forwarded], [], {})
    assert "crosswalk" not in item(parcels, QINGPU, 1)
    assert "crosswalk" not in item(parcels, MINHANG, 1)
    assert "crosswalk" not in item(parcels, JIAXING, 2)


def test_what_is_withheld_does_not_come_back_beside_the_copy(forwarded: list[Record]) -> None:
    record = far_away(forwarded[0])
    found = item(copies([record], [], {}), JIAXING, 1)
    full: Any = record.event["data"]
    assert "/circumstances/facts" in withheld(found["event"]["data"])
    assert full["circumstances"]["facts"] not in json.dumps(found, ensure_ascii=False)
    assert all(salt not in json.dumps(found["crosswalk"]) for salt in full["_salts"].values())


def test_the_day_of_acceptance_chooses_the_version(forwarded: list[Record]) -> None:
    """Also if the copy is made later; it is the day in Shanghai."""
    before = far_away(forwarded[0], acceptedtime="2026-08-14T15:59:59.999999Z")
    after = far_away(forwarded[0], acceptedtime="2026-08-14T16:00:00.000000Z")
    named = {"name": "擅自倾倒建筑垃圾"}

    def version(record: Record) -> str:
        data: Any = record.event["data"]
        data = {**data, "circumstances": {**data["circumstances"], "cause": named}}
        record = record.model_copy(update={"event": {**record.event, "data": data}})
        return str(item(copies([record], [], {}), JIAXING, 1)["crosswalk"]["causes"][0]["version"])

    assert version(before) == "dumping@2021-06-01"
    assert version(after) == "dumping@2026-08-15"


def test_a_stub_has_no_crosswalk(forwarded: list[Record]) -> None:
    secret = far_away(forwarded[0]).model_copy(update={"audience": ("sender",)})
    assert set(item(copies([secret], [], {}), JIAXING, 1)) == {"cursor", "kind", "stub"}
