"""A part of the year of 闵行 on a real bus: the log gives what the plan says, and playing it again adds nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from contracts.codec import dump
from services.audit.published import Counting, Said
from services.cli.scenario import Part, Year

ROOT = Path(__file__).parents[2]
PART = Part(months=1, share=15)

pytestmark = pytest.mark.timeout(600)


def played(data: Path) -> tuple[int, dict[str, Any]]:
    """The exit status and the one JSON object of the command."""
    part = ["--months", str(PART.months), "--share", str(PART.share)]
    argv = [sys.executable, "-m", "services.cli.app", "scenario", "minhang-2023", "--json", "--data", str(data), *part]
    done = subprocess.run(argv, env={**os.environ, "LIANDONG_DEBUG": "1"}, cwd=ROOT, capture_output=True, check=False)
    assert done.stdout, done.stderr.decode()
    return done.returncode, json.loads(done.stdout)


def planned() -> dict[str, Any]:
    """What each figure of the part has to be, counted from the plan alone."""
    year = Year.planned("minhang-2023", ROOT / "nowhere", PART)
    counting, openings = Counting(year.publication), dict[str, Said]()
    for step in year.steps:
        opened = openings.get(step.exchange)
        case = str(step.case) if opened is None else opened.case
        said = Said(step.fact.type(), step.agency, step.at, case, dump(step.fact))
        counting.add(openings.setdefault(step.exchange, said), [said])
    figures = counting.document()["figures"]
    assert isinstance(figures, list)
    return {str(item["name"]): item["derived"] for item in figures if isinstance(item, dict)}


def test_the_log_of_a_part_gives_the_figures_of_its_plan(folder: Path) -> None:
    status, first = played(folder / "data")
    assert status == 0
    assert first["part"] == {"months": 1, "share": 15, "whole": False}
    assert [check["name"] for check in first["checks"] if not check["ok"]] == [first["checks"][0]["name"]]
    assert all({"name", "seed", "published", "derived"} <= set(item) for item in first["figures"])
    assert {item["name"]: item["derived"] for item in first["figures"]} == planned()
    assert any(item["derived"] for item in first["figures"])
    assert len(first["publications"][0]["inconsistencies"]) >= 6
    (hotline,) = [item for item in first["partners"] if item["via"] == "hotline"]
    assert hotline["copies"] > 50
    assert first["counts"]["by_partners"] >= hotline["stated"] > 50

    # The same ids: every fact gets its old receipt, and nothing is counted twice.
    status, again = played(folder / "data")
    assert status == 0
    assert again["counts"] == first["counts"]
    assert again["partners"] == first["partners"]
    assert again["figures"] == first["figures"]
