"""From bytes to a typed event: canonical form, every violation at once, signatures over what was agreed."""

from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from contracts.canonical import MAX_DEPTH, canonical, parse, parse_object
from contracts.codec import content_digest, decode, decode_registered, dump, sign_event, signing_form, verify_event
from contracts.errors import InvalidEvent, MalformedJson, SignatureError
from contracts.signatures import new_key
from events.envelope import BUS_ATTRIBUTES
from tests.support.factory import TIME, event, example, fact, key, new_exchange, salt, sign, world

# What our events hold: ASCII names and whole numbers that a double can carry.
NAMES = st.text(st.characters(max_codepoint=127), max_size=8)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-(2**53) + 1, 2**53 - 1), st.text(max_size=20))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=20,
)

RECEIPTED = sign(example("transfer.receipted"))


def violations(document: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(InvalidEvent) as caught:
        decode(document)
    return [(item.pointer, item.rule) for item in caught.value.violations]


# --- canonical form


@given(VALUES)
def test_our_canonical_form_is_that_of_rfc_8785(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@given(VALUES)
def test_parsing_gives_back_what_was_written(value: Any) -> None:
    assert parse(canonical(value)) == value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"NaN",
        b"[1.5]",
        b"[1e3]",
        b"[9007199254740993]",
        '{"名称": 1}'.encode(),
        b'"\xff"',
        b"[" * (MAX_DEPTH + 2) + b"]" * (MAX_DEPTH + 2),
    ],
)
def test_what_has_no_canonical_form_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedJson):
        parse(body)


def test_an_event_is_an_object() -> None:
    with pytest.raises(MalformedJson):
        parse_object(b"[]")


# --- decoding


def test_a_decoded_event_is_typed_and_keeps_its_document() -> None:
    read = decode(RECEIPTED)
    assert read.document == RECEIPTED
    assert read.key == (RECEIPTED["source"], RECEIPTED["id"])
    assert dump(read.fact) == example("transfer.receipted")["data"]


def test_an_unknown_type_says_where_to_look() -> None:
    with pytest.raises(InvalidEvent, match="contracts/schemas") as caught:
        decode({**RECEIPTED, "type": "cn.liandong.transfer.teleported.v1"})
    assert caught.value.code == "type-unknown"


def test_all_violations_are_told_at_once() -> None:
    document = {**RECEIPTED, "source": "闵行城管", "time": "yesterday", "data": {"receiver": 7}}
    assert {pointer for pointer, _ in violations(document)} >= {
        "/source",
        "/time",
        "/data/receiver",
        "/data/received_at",
    }


@pytest.mark.parametrize("name", sorted(BUS_ATTRIBUTES))
def test_a_submission_with_an_attribute_of_the_bus_is_refused(name: str) -> None:
    assert (f"/{name}", "extra_forbidden") in violations({**RECEIPTED, name: 1})


def test_the_kind_of_the_exchange_is_the_kind_of_the_fact() -> None:
    assert ("/kind", "kind-mismatch") in violations(sign({**example("transfer.receipted"), "kind": "referral"}))
    assert ("/kind", "kind-unknown") in violations(sign({**example("common.chased"), "kind": "nothing"}))


def test_a_classified_member_without_a_salt_is_refused() -> None:
    assert violations({**RECEIPTED, "data": example("transfer.receipted")["data"]}) == [("/data/receiver", "salts")]


def test_a_registered_event_has_the_attributes_of_the_bus() -> None:
    with pytest.raises(InvalidEvent):
        decode_registered(RECEIPTED)
    times = {"acceptedtime": TIME.isoformat(), "recordedtime": TIME.isoformat()}
    assert decode_registered({**RECEIPTED, "sequence": 1, **times}).envelope.id == RECEIPTED["id"]


def test_a_code_that_is_wrong_deep_inside_is_found() -> None:
    circumstances: Any = example("transfer.sent", "case")["data"]
    circumstances = circumstances["circumstances"]
    circumstances["parties"]["persons"][0]["identity_number"] = "110105194912310021"
    document = event("310112-cg", fact("transfer.sent", "case", circumstances=circumstances), exchange=new_exchange())
    assert violations(document) == [("/data/circumstances/parties/persons/0/identity_number", "code-invalid")]


# --- signing


def test_signature_attributes_of_the_bus_and_salts_are_not_signed_content() -> None:
    registered = {**RECEIPTED, "sequence": 1, "acceptedtime": "x", "recordedtime": "y"}
    assert signing_form(registered) == signing_form(RECEIPTED)
    assert content_digest(registered) == content_digest(RECEIPTED)


def test_the_same_content_signed_twice_is_the_same_content() -> None:
    again = sign(example("transfer.receipted"))
    assert again["signature"] != RECEIPTED["signature"]
    assert content_digest(again) == content_digest(RECEIPTED)


@pytest.mark.parametrize("name", ["id", "source", "time", "kind", "exchange", "case", "home", "type"])
def test_a_changed_attribute_does_not_verify(name: str) -> None:
    with pytest.raises(SignatureError) as caught:
        verify_event({**RECEIPTED, name: "changed"}, world().agencies, TIME)
    assert caught.value.code == "signature-invalid"


def test_an_added_attribute_does_not_verify() -> None:
    with pytest.raises(SignatureError):
        verify_event({**RECEIPTED, "inname": "310112-cg"}, world().agencies, TIME)


@pytest.mark.parametrize(
    ("signature", "code"),
    [(None, "signature-missing"), ("", "signature-missing"), ("no jws", "signature-malformed")],
)
def test_what_is_no_signature_is_told_apart(signature: str | None, code: str) -> None:
    with pytest.raises(SignatureError) as caught:
        verify_event({**RECEIPTED, "signature": signature}, world().agencies, TIME)
    assert caught.value.code == code


def test_a_key_of_nobody_is_unknown() -> None:
    forged = sign_event(example("transfer.receipted"), new_key("310118-cg", "310118-cg.other"), salt)
    with pytest.raises(SignatureError) as caught:
        verify_event(forged, world().agencies, TIME)
    assert caught.value.code == "key-unknown"


def test_a_key_of_the_same_name_but_another_secret_is_no_good() -> None:
    forged = sign_event(example("transfer.receipted"), new_key("310118-cg", key("310118-cg").kid), salt)
    with pytest.raises(SignatureError) as caught:
        verify_event(forged, world().agencies, TIME)
    assert caught.value.code == "signature-invalid"


def test_who_signs_for_another_is_seen() -> None:
    forged = sign(example("transfer.receipted"), "310104-cg")
    assert verify_event(forged, world().agencies, TIME) == "310104-cg"
    assert forged["source"] == "310118-cg"


def test_a_salt_for_nothing_makes_the_signature_invalid_not_an_error_of_ours() -> None:
    data: Any = RECEIPTED["data"]
    forged: dict[str, Any] = {**RECEIPTED, "data": {**data, "_salts": {"/nothing/here": "x" * 22}}}
    with pytest.raises(SignatureError):
        verify_event(forged, world().agencies, TIME)
