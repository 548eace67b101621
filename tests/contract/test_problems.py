"""Every code that the source uses stands in the catalogue, and the catalogue is fit to be shown."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.files import PACKAGED
from contracts.problems import Problem, problem, problems

ROOT = PACKAGED.parent
SOURCES = [path for package in ("services", "connectors", "contracts") for path in (ROOT / package).rglob("*.py")]
CODE = re.compile(r"[a-z]+(?:-[a-z]+)*")

MAKERS = {"Rejection": 0, "ProblemError": 0, "problem": 0, "InvalidEvent": 0, "SignatureError": 1, "TokenError": 1}
"""What takes a code, and in which place."""

LOCAL = {"key-unusable"}
"""Codes of errors that an operator meets on a command line, never a caller."""


def used() -> Iterator[tuple[str, str]]:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS:
                place = MAKERS[node.func.id]
                argument = node.args[place] if len(node.args) > place else None
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value, f"{path.relative_to(ROOT)}:{node.lineno}"


USED = sorted(set(used()))


def test_the_source_was_read() -> None:
    assert {"ping-pong", "dossier-incomplete", "no-agreement", "signature-missing", "schema-violation"} <= {
        code for code, _ in USED
    }


@pytest.mark.parametrize(("code", "where"), USED, ids=[f"{code}@{Path(where).stem}" for code, where in USED])
def test_no_code_is_used_that_has_no_entry(code: str, where: str) -> None:
    assert code in problems() or code in LOCAL, where


@pytest.mark.parametrize(("code", "entry"), problems().items(), ids=problems())
def test_an_entry_speaks_both_languages(code: str, entry: Problem) -> None:
    assert CODE.fullmatch(code)
    assert entry.title_en.isascii()
    assert not entry.title_zh.isascii()
    assert (entry.help_zh is None) == (entry.help_en is None)


def test_an_unknown_code_is_our_fault() -> None:
    with pytest.raises(KeyError):
        problem("no-such-code")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("malformed-json", 400),
        ("schema-violation", 422),
        ("signature-invalid", 401),
        ("token-replayed", 401),
        ("source-mismatch", 403),
        ("no-agreement", 403),
        ("not-found", 404),
        ("method-not-allowed", 405),
        ("id-reused", 409),
        ("ping-pong", 409),
        ("dossier-incomplete", 409),
        ("cursor-expired", 410),
        ("body-too-large", 413),
        ("media-type-unsupported", 415),
        ("unavailable", 503),
    ],
)
def test_a_code_has_its_status(code: str, status: int) -> None:
    assert problem(code).status == status


def test_what_helps_is_said_for_every_rejection() -> None:
    silent = {code for code, entry in problems().items() if entry.status == 409 and entry.help_en is None}
    assert silent <= {"kind-elsewhere"}
