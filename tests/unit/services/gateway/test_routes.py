"""What the gateway's answers are made of, without a server."""

import json

import pytest

from contracts.canonical import canonical
from contracts.errors import MalformedJson
from contracts.records import Statement
from services.gateway.outcomes import Outcome, read_outcome
from services.gateway.routes import MAX_WAIT, preferred_wait, rejected

SEALED = canonical(
    {
        "outcome": "rejection",
        "source": "310112-cg",
        "id": "1",
        "digest": "sha-256:0",
        "code": "illegal-move",
        "detail": "accepted cannot follow in status closed of transfer",
        "status": "closed",
        "legal_moves": ["corrected"],
    }
)
REJECTION = Statement("sha-256:0", stands=True, document=SEALED).to_bytes()


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], None),
        (["wait=10"], 10),
        (["respond-async, wait=10"], 10),
        (["respond-async", "wait=10"], 10),
        (["WAIT = 7; x=y"], 7),
        (['wait="5"'], 5),
        (["wait=0"], 0),
        (["wait=9999"], MAX_WAIT),
        (["wait=-1"], None),
        (["wait=soon"], None),
        (["await=10"], None),
        (["wait=1e3"], None),
    ],
)
def test_prefer_wait(headers: list[str], expected: int | None) -> None:
    assert preferred_wait(headers) == expected


def test_rejection_is_in_its_problem_byte_for_byte() -> None:
    problem = rejected(read_outcome(REJECTION))
    assert problem.status == 409
    body = problem.body("en")
    assert SEALED in body
    document = json.loads(body)
    assert document["type"] == "urn:liandong:problem:illegal-move"
    assert (document["status"], document["rejection"]["status"]) == (409, "closed")
    assert document["rejection"]["legal_moves"] == ["corrected"]


def test_outcome_keeps_its_bytes() -> None:
    assert read_outcome(REJECTION) == Outcome(("310112-cg", "1", "sha-256:0"), "rejection", "illegal-move", SEALED)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"[]",
        b"{}",
        SEALED,
        Statement("sha-256:0", stands=True, document=canonical({"outcome": "receipt", "source": "a"})).to_bytes(),
        REJECTION.replace(b"rejection", b"maybe"),
    ],
)
def test_what_is_no_outcome(value: bytes) -> None:
    with pytest.raises(MalformedJson):
        read_outcome(value)
