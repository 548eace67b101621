"""What the documents draw is what the code and the contracts say."""

from pathlib import Path

import pytest

from contracts import hops, topics
from services.kernel.kinds import lifecycles
from services.kernel.process import known_services
from services.kernel.reference import page

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("readme", "language"), [("README.md", "en"), ("README.zh-CN.md", "zh")])
def test_readme_shows_the_hops_as_the_topics_have_them(readme: str, language: str) -> None:
    text = (ROOT / readme).read_text(encoding="utf-8")
    shown = text.split("<!-- hops -->\n")[1].split("\n<!-- /hops -->")[0]
    assert shown == hops.table(hops.load(), topics.load(), language)


def test_every_service_is_a_hop() -> None:
    assert {hop.service for hop in hops.load()} == known_services()


@pytest.mark.parametrize("kind", lifecycles("transfers"))
def test_a_kind_s_page_is_drawn_from_its_tables(kind: str) -> None:
    drawn = page(lifecycles("transfers")[kind])
    assert (ROOT / "docs" / "reference" / f"{kind}.md").read_text(encoding="utf-8") == drawn


def test_readme_shows_the_example_that_is_there() -> None:
    example = (ROOT / "docs" / "examples" / "first_submission.py").read_text(encoding="utf-8")
    body = example.split('"""', 2)[2].strip()
    assert body in (ROOT / "README.md").read_text(encoding="utf-8")


def test_topics_name_services_that_exist() -> None:
    for topic in topics.load().by_name.values():
        assert {*topic.producers, *topic.consumers} <= known_services(), topic.name
