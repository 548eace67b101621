"""What is drawn on a terminal: what the bus says is text, and never markup."""

import io
from typing import Any

import pytest
from rich.console import Console

from services.cli.draw import draw, draw_report
from services.cli.reading import merged, show_timeline
from tests.support.told import case, referral, timeline, transfer

HOSTILE = ("案[/]1", "案[conceal]x", "案[link=x]y[/link]", "案[2026]1号", "[bold", "[/bold] [red]")


def drawn(document: dict[str, Any]) -> str:
    out = io.StringIO()
    draw(document, Console(file=out, highlight=False, emoji=False, width=400).print)
    return out.getvalue()


def spoilt(value: Any, name: str) -> Any:
    """The document with every name, title and case replaced."""
    if isinstance(value, dict):
        hostile = {"name", "title_zh", "title_en", "case", "role", "cause_zh", "notice_zh", "unit"}
        return {
            key: name if key in hostile and isinstance(item, str) else spoilt(item, name) for key, item in value.items()
        }
    return [spoilt(item, name) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", HOSTILE)
def test_names_titles_and_cases_are_shown_as_they_are(name: str) -> None:
    for told in (referral(), transfer()):
        found = drawn(spoilt(timeline(told), name)).splitlines()
        assert found[0].endswith(f"  case {name}")
        assert all(name in line for line in found[1:3])
        assert name in next(line for line in found if "#1 " in line)


def test_a_title_that_only_together_with_the_next_is_markup_is_text() -> None:
    document = timeline(referral())
    document["entries"] = [{**entry, "title_zh": "[red", "title_en": "x]"} for entry in entries(document)]
    assert "[red x]" in drawn(document)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_report_shows_what_it_is_given(name: str) -> None:
    described = {"id": "i", "title_zh": "示例", "title_en": "example", "unit": "percent"}
    item = {"id": "i", "value": "1", "denominator": 1, "light": "green"}
    block = {"opened": 1, "ended": 1, "open": 0, "indicators": [item], "overdue": [], "delay": []}
    finding = {"title_zh": "示例", "title_en": "example", "case": "x", "agencies": ["[/]"], "notice_zh": "示例"}
    figures = {
        "from": "2026-11-01T00:00:00+08:00",
        "to": "2026-12-01T00:00:00+08:00",
        "total": None,
        "agencies": [{"agency": "[/red]", **block}],
        "indicators": [described],
        "findings": [finding],
    }
    out = io.StringIO()
    draw_report(spoilt(figures, name), Console(file=out, highlight=False, emoji=False, width=400).print)
    shown = out.getvalue()
    assert f"线索 {name} {name}: case {name}\n  [/]; {name}\n" in shown
    assert "\n[/red]  opened 1" in shown
    assert f"{name} {name}" in next(line for line in shown.splitlines() if line.endswith("green"))


def test_what_looks_like_the_name_of_an_emoji_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    show_timeline({**timeline(transfer()), "case": "案:smile:"})
    assert "案:smile:" in capsys.readouterr().out


# --- the pages of a case

LINK = {
    "relation": "grew_from",
    "relation_zh": "由其产生",
    "from": {"kind": "referral", "exchange": "b", "sequence": 1, "case": "c", "status": "sent"},
    "to": {"kind": "transfer", "exchange": "a", "sequence": None, "case": "c", "status": "filed"},
}


def test_pages_of_a_case_make_one_document() -> None:
    whole = case([referral(), transfer()])
    pages = [
        # A link between exchanges of two pages stands on both.
        {**case([told]), "links": [LINK], "more": more, "cursor": "x" if more else None}
        for told, more in zip((referral(), transfer()), (True, False), strict=True)
    ]
    assert merged(pages) == {**whole, "links": [LINK], "more": False, "cursor": None}


def test_the_one_page_of_an_exchange_stays_as_it_is() -> None:
    assert merged([timeline(transfer())]) == timeline(transfer())


def entries(document: dict[str, Any]) -> list[dict[str, Any]]:
    return list(document["entries"])
