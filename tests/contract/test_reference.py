"""What the documents draw is what the code and the contracts say."""

from pathlib import Path

import pytest

from contracts import hops, topics
from contracts.kinds import packaged
from contracts.topics import REGISTRAR
from services.kernel.kinds import registrars
from services.kernel.process import known_services
from services.kernel.reference import pages

ROOT = Path(__file__).parents[2]
PAGES = pages(packaged())
HINT = "run: make generate"


@pytest.mark.parametrize(("readme", "language"), [("README.md", "en"), ("README.zh-CN.md", "zh")])
def test_readme_shows_the_hops_as_the_topics_have_them(readme: str, language: str) -> None:
    text = (ROOT / readme).read_text(encoding="utf-8")
    shown = text.split("<!-- hops -->\n")[1].split("\n<!-- /hops -->")[0]
    assert shown == hops.table(hops.load(), topics.load(), language)


def test_every_service_is_a_hop() -> None:
    assert {hop.service for hop in hops.load()} - {REGISTRAR} == known_services() - {*registrars()}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_drawn_from_the_tables(name: str) -> None:
    assert (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8") == PAGES[name], HINT


def test_readme_shows_the_example_that_is_there() -> None:
    example = (ROOT / "docs" / "examples" / "first_submission.py").read_text(encoding="utf-8")
    body = example.split('"""', 2)[2].strip()
    assert body in (ROOT / "README.md").read_text(encoding="utf-8")


def test_topics_name_services_that_exist() -> None:
    for topic in topics.load().by_name.values():
        assert {*topic.producers, *topic.consumers} <= known_services(), topic.name
