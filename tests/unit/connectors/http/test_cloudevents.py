"""The HTTP binding: every mode in, binary mode out and back, and what is no event."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.http.cloudevents import BATCHED, JSON, STRUCTURED, BindingError, binary, read
from contracts.canonical import canonical
from contracts.errors import MalformedJson

EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "1",
    "source": "310112-cg",
    "case": "闵城管〔2026〕12号 100%",
    "knownsequence": 3,
    "datacontenttype": JSON,
    "data": {"reason": "…"},
}


def test_structured_and_plain_json() -> None:
    body = canonical(EVENT)
    assert read(STRUCTURED, [], body) == EVENT
    assert read(f"{STRUCTURED}; charset=UTF-8", [], body) == EVENT
    assert read(JSON, [], body) == EVENT


def test_batched_and_plain_array() -> None:
    body = canonical([EVENT, 7])
    assert read(BATCHED, [], body) == [EVENT, 7]
    assert read(JSON, [], body) == [EVENT, 7]
    assert read(BATCHED, [], b"[]") == []


def test_binary_round_trip() -> None:
    headers, body = binary(EVENT)
    assert headers["ce-case"].isascii()
    assert headers["Content-Type"] == JSON
    assert read(headers.pop("Content-Type"), headers.items(), body) == EVENT


attribute = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(attribute)
def test_binary_keeps_every_text(text: str) -> None:
    event = {**EVENT, "subject": text}
    headers, body = binary(event)
    assert all(32 < ord(char) < 127 for char in headers["ce-subject"])
    assert read(headers.pop("Content-Type"), headers.items(), body) == event


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        ("%E9%97%B5", "闵"),
        ("%e9%97%b5", "闵"),
        ('"quoted \\"inside\\" and %25"', 'quoted "inside" and %'),
        ("闵", "闵"),
        ("a+b", "a+b"),
    ],
)
def test_header_values(value: str, expected: str) -> None:
    found = read(JSON, [("CE-Subject", value)], b"{}")
    assert isinstance(found, dict)
    assert found["subject"] == expected


def test_integers_are_numbers_only_where_they_are_whole() -> None:
    for value, expected in [("0", 0), ("12", 12), ("012", "012"), ("1.0", "1.0"), ("", "")]:
        found = read(JSON, [("ce-knownsequence", value)], b"{}")
        assert isinstance(found, dict)
        assert found["knownsequence"] == expected


@pytest.mark.parametrize(
    ("content_type", "headers", "body", "code"),
    [
        ("", [], b"{}", "media-type-unsupported"),
        ("text/plain", [], b"{}", "media-type-unsupported"),
        ("application/xml", [("ce-id", "1")], b"{}", "media-type-unsupported"),
        (f"{JSON}; charset=gbk", [], b"{}", "media-type-unsupported"),
        (STRUCTURED, [], b"[]", "cloudevent-malformed"),
        (BATCHED, [], b"{}", "cloudevent-malformed"),
        (JSON, [], b'"text"', "cloudevent-malformed"),
        (JSON, [("ce-id", "1"), ("CE-ID", "2")], b"{}", "cloudevent-malformed"),
        (JSON, [("ce-data", "x")], b"{}", "cloudevent-malformed"),
        (JSON, [("ce-datacontenttype", "x")], b"{}", "cloudevent-malformed"),
        (JSON, [("ce-id", "%")], b"{}", "cloudevent-malformed"),
        (JSON, [("ce-id", "%zz")], b"{}", "cloudevent-malformed"),
        (JSON, [("ce-id", "%ff")], b"{}", "cloudevent-malformed"),
        (JSON, [("ce-id", "\udcff")], b"{}", "cloudevent-malformed"),
    ],
)
def test_what_is_no_event(content_type: str, headers: list[tuple[str, str]], body: bytes, code: str) -> None:
    with pytest.raises(BindingError) as caught:
        read(content_type, headers, body)
    assert caught.value.code == code


@pytest.mark.parametrize("content_type", [STRUCTURED, BATCHED, JSON])
def test_wrong_json(content_type: str) -> None:
    for body in (
        b"",
        b"{",
        b'{"a":1,"a":2}',
        b"[" * 10_000 + b"]" * 10_000,
        b'{"a":1.5}',
        json.dumps("x").encode()[:-1],
    ):
        with pytest.raises(MalformedJson):
            read(content_type, [], body)
