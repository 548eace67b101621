import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue, ValidationError

from connectors.ferry.papers import (
    LARGEST_ITEM,
    WINDOW,
    Ends,
    Manifest,
    Name,
    Paper,
    PaperRefused,
    PaperUnreadable,
    Receipt,
    Request,
    file_name,
    manifest_of,
    open_paper,
    read_name,
)
from contracts.canonical import canonical, digest, timestamp
from contracts.signatures import SigningKey, seal
from tests.support.batches import BUS, DIGEST, NOW, OURS, POLICE, entries
from tests.support.factory import key, world

KEYS = world().agencies
THEIRS = Ends(POLICE, BUS)


def manifest(batch: int = 1, count: int = 1) -> Manifest:
    previous = None if batch == 1 else DIGEST
    files = entries(batch, count)
    return manifest_of(OURS, series="a" * 32, batch=batch, previous=previous, made=NOW, files=files)


def opened(name: str, body: bytes, ends: Ends = THEIRS) -> Paper:
    return open_paper(name, body, ends, KEYS, NOW)


def receipt(batch: int = 7) -> Receipt:
    return Receipt(sender=POLICE, receiver=BUS, made=timestamp(NOW), batch=batch, manifest=DIGEST)


def test_names_say_what_they_are_of() -> None:
    assert manifest(7).name == "310112-bus_310112-ga_0000000007.manifest"
    assert receipt().name == "310112-ga_310112-bus_0000000007.receipt"
    asked = Request(sender=POLICE, receiver=BUS, made=timestamp(NOW), first=5, last=6)
    assert asked.name == "310112-ga_310112-bus_0000000005-0000000006.request"
    assert read_name(manifest(7).name) == Name(BUS, POLICE, 7, "manifest")
    assert read_name(asked.name) == Name(POLICE, BUS, 5, "request")
    assert read_name(file_name(BUS, POLICE, 7, 2)) == Name(BUS, POLICE, 7, "0002")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "journal.json",
        ".310112-bus_310112-ga_0000000007.0001",
        "310112-bus_310112-ga_7.manifest",
        "../../x.manifest",
        "310112-bus_310112-ga_0000000007.0001/..",
        "310112-bus_310112-ga_0000000007.manifest\n",
    ],
)
def test_other_names_are_not_ours(name: str) -> None:
    assert read_name(name) is None


@given(st.integers(1, 9_999_999_999), st.integers(1, 40))
def test_a_manifest_comes_back_as_it_was(batch: int, count: int) -> None:
    made = manifest(batch, count)
    assert opened(made.name, made.sealed(key(BUS))) == made


def test_a_manifest_that_is_signed_with_another_key_is_the_same_manifest() -> None:
    made = manifest()
    first, second = json.loads(made.sealed(key(BUS))), json.loads(made.sealed(key(POLICE)))
    assert first.pop("signature") != second.pop("signature")
    assert digest(first) == digest(second) == made.digest


@given(st.integers(0, 600))
def test_a_paper_that_is_cut_off_is_unreadable_and_no_forgery(length: int) -> None:
    made = manifest()
    body = made.sealed(key(BUS))
    with pytest.raises(PaperUnreadable):
        opened(made.name, body[: min(length, len(body) - 1)])


@given(st.data())
def test_a_paper_that_was_changed_anywhere_is_not_taken(data: st.DataObject) -> None:
    made = manifest(3, 2)
    body = bytearray(made.sealed(key(BUS)))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] = data.draw(st.integers(0, 255).filter(lambda byte: byte != body[at]))
    with pytest.raises((PaperRefused, PaperUnreadable)):
        opened(made.name, bytes(body))


def sealed(changes: dict[str, JsonValue], signer: SigningKey | None = None) -> bytes:
    document = {**manifest(2).document(), **changes}
    return canonical(seal({name: value for name, value in document.items() if value != "left out"}, signer or key(BUS)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"count": 2}, "count"),
        ({"files": [], "count": 0}, "files"),
        ({"previous": "left out"}, "previous"),
        ({"batch": 0}, "batch"),
        ({"format": "liandong-ferry/2"}, "format"),
        ({"more": 1}, "more"),
        ({"paper": "letter"}, "paper|tag"),
        ({"series": "left out"}, "series"),
        ({"made": "2026-11-12"}, "made"),
        ({"receiver": "310118-ga"}, "named|from"),
    ],
)
def test_what_is_signed_and_not_by_the_rules_is_refused(changes: dict[str, JsonValue], said: str) -> None:
    with pytest.raises(PaperRefused, match=said):
        opened(manifest(2).name, sealed(changes))


@pytest.mark.parametrize(
    "file",
    [
        {"name": "../../etc/passwd"},
        {"name": file_name(BUS, POLICE, 3, 1)},
        {"name": file_name(BUS, POLICE, 2, 2)},
        {"role": "attachment"},
        {"role": "program"},
        {"size": LARGEST_ITEM + 1},
        {"size": -1},
        {"digest": "md5:0"},
        {"id": None},
    ],
)
def test_a_file_that_is_not_by_the_rules_makes_its_manifest_refused(file: dict[str, JsonValue]) -> None:
    entry = {**entries(2)[0].model_dump(mode="json"), **file}
    with pytest.raises(PaperRefused):
        opened(manifest(2).name, sealed({"files": [entry]}))


def test_null_is_not_a_way_to_leave_out() -> None:
    attachment: JsonValue = {
        "name": file_name(BUS, POLICE, 2, 1),
        "digest": DIGEST,
        "size": 1,
        "role": "attachment",
        "id": None,
    }
    with pytest.raises(PaperRefused, match="left out"):
        opened(manifest(2).name, sealed({"files": [attachment]}))


def test_an_attachment_is_there_once() -> None:
    twice: list[JsonValue] = [
        {"name": file_name(BUS, POLICE, 2, number), "digest": DIGEST, "size": 1, "role": "attachment"}
        for number in (1, 2)
    ]
    with pytest.raises(PaperRefused, match="twice"):
        opened(manifest(2).name, sealed({"files": twice, "count": 2}))


def test_a_request_asks_for_a_bounded_run() -> None:
    for first, last in ((2, 1), (1, WINDOW + 1)):
        with pytest.raises(ValidationError):
            Request(sender=POLICE, receiver=BUS, made=timestamp(NOW), first=first, last=last)


def test_a_receipt_is_of_its_writer_alone() -> None:
    assert opened(receipt().name, receipt().sealed(key(POLICE)), OURS) == receipt()
    with pytest.raises(PaperRefused, match="signed by 310112-cg"):
        opened(receipt().name, receipt().sealed(key("310112-cg")), OURS)
    with pytest.raises(PaperRefused, match="another name"):
        opened(receipt(8).name, receipt().sealed(key(POLICE)), OURS)
