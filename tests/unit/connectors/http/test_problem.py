"""Problems: stable bytes, two languages, and every error of the contracts as one of them."""

import json

import pytest

from connectors.http.problem import MAX_ERRORS, ProblemError, language, of, unavailable
from contracts.errors import (
    CodeError,
    ContractError,
    DisclosureError,
    InvalidEvent,
    MalformedJson,
    NoAgreement,
    SignatureError,
    UnusableContract,
    Violation,
)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "zh"),
        ("", "zh"),
        ("en", "en"),
        ("en-GB,en;q=0.9", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("zh;q=0.3, en;q=0.4", "en"),
        ("fr, de;q=0.5", "zh"),
        ("fr, en;q=0.1", "en"),
        ("*", "zh"),
        ("en;q=0", "zh"),
        ("en;q=nonsense", "zh"),
        ("EN-us ; q=0.7 , zh ; q=0.2", "en"),
    ],
)
def test_language_is_the_one_wanted_most(accept: str | None, expected: str) -> None:
    assert language(accept) == expected


def test_body_is_canonical_and_complete() -> None:
    problem = ProblemError("id-reused", "a correction needs a new id", members={"z": 1, "a": [2]})
    assert problem.status == 409
    body = problem.body("en")
    assert body == problem.body("en")
    document = json.loads(body)
    assert list(document) == sorted(document)
    assert document["type"] == "urn:liandong:problem:id-reused"
    assert document["title"] != json.loads(problem.body("zh"))["title"]
    assert (document["z"], document["a"], document["status"]) == (1, [2], 409)


def test_members_never_hide_what_every_problem_has() -> None:
    document = json.loads(ProblemError("internal", "x", members={"status": "mine", "type": "mine"}).body("zh"))
    assert (document["status"], document["type"]) == (500, "urn:liandong:problem:internal")


def test_rejection_code_of_a_newer_registrar_is_still_a_problem() -> None:
    problem = ProblemError("code-of-tomorrow", "x")
    assert problem.status == 409
    assert json.loads(problem.body("en"))["type"] == "urn:liandong:problem:code-of-tomorrow"


def test_response_names_its_language() -> None:
    response = unavailable("wait").response("en")
    assert response.status == 503
    assert response.content_type == "application/problem+json"
    assert (response.headers["Content-Language"], response.headers["Vary"]) == ("en", "Accept-Language")
    assert int(response.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (MalformedJson("not JSON"), "malformed-json", 400),
        (InvalidEvent("schema-violation", [Violation("/id", "missing", "required")]), "schema-violation", 422),
        (InvalidEvent("type-unknown", [Violation("/type", "type-unknown", "?")]), "type-unknown", 400),
        (SignatureError("forged", "signature-invalid"), "signature-invalid", 401),
        (SignatureError("signed by another", "source-mismatch"), "source-mismatch", 403),
        (NoAgreement("none"), "no-agreement", 403),
        (DisclosureError("a salt is missing", "/contact/name"), "schema-violation", 422),
        (CodeError("GB 32100", "code", "check digit"), "bad-parameter", 400),
    ],
)
def test_errors_of_the_contracts(error: ContractError, code: str, status: int) -> None:
    problem = of(error)
    assert (problem.code, problem.status) == (code, status)


def test_all_violations_at_once_with_pointers() -> None:
    wrong = [Violation("/data/a", "missing", "required"), Violation("/data/b", "code-invalid", "check digit")]
    document = json.loads(of(InvalidEvent("schema-violation", wrong)).body("en"))
    assert [item["pointer"] for item in document["errors"]] == ["/data/a", "/data/b"]
    assert document["errors_total"] == 2


def test_an_answer_to_a_flood_of_violations_is_bounded() -> None:
    wrong = [Violation(f"/data/{n}", "extra_forbidden", "no such member") for n in range(100_000)]
    document = json.loads(of(InvalidEvent("schema-violation", wrong)).body("zh"))
    assert (len(document["errors"]), document["errors_total"]) == (MAX_ERRORS, 100_000)


def test_what_is_our_own_fault_is_no_callers_problem() -> None:
    with pytest.raises(UnusableContract):
        of(UnusableContract("contracts/agencies/x.yaml"))
