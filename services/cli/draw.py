"""A timeline drawn for a terminal: who, what, when, the gap since the step before, and whose move it is then."""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from rich.cells import cell_len

SHANGHAI: Final = timezone(timedelta(hours=8))
_WHAT: Final = 34  # columns


def draw(timeline: dict[str, Any], say: Callable[[str], None]) -> None:
    """Print the timeline document of one exchange (`services.audit.timeline`)."""
    say(f"[bold]{timeline['kind']} {timeline['exchange']}[/]  case {timeline['case']}")
    for party in timeline["parties"]:
        say(f"  [cyan]{party['agency']:<10}[/] {_padded(party['name'], _WHAT)} {party['role']}")
    entries = timeline["entries"]
    for place, entry in enumerate(entries):
        rail = "┌" if place == 0 else "└" if place == len(entries) - 1 else "├"
        say(f"  {_line(entry, rail)}")
    moves = ", ".join(agency["agency"] for agency in timeline["moves"])
    say(f"  state: [bold]{timeline['status']}[/]" + (f"; the move is with {moves}" if moves else "; ended"))


def _line(entry: dict[str, Any], rail: str) -> str:
    number = f"#{entry['sequence']}"
    if entry.get("stub"):
        return f"{_clock(entry['recordedtime'])} {rail} {number:<4}[dim]not shown to you 不予显示[/]"
    what = _padded(f"{entry['title_zh']} {entry['title_en']}", _WHAT)
    gap = "" if entry["gap_s"] is None else f"+{entry['gap_s']:.1f} s"
    moves = ", ".join(agency["agency"] for agency in entry["moves"])
    after = f"→ {moves}" if moves else f"■ {entry['status']}"
    who = f"[cyan]{entry['source']['agency']:<10}[/]"
    return f"{_clock(entry['acceptedtime'])} {rail} {number:<4}{who} {what} {gap:>8} {after}"


def _padded(text: str, width: int) -> str:
    """The text filled up to a width in columns; a Chinese character takes two."""
    return text + " " * max(0, width - cell_len(text))


def _clock(instant: str) -> str:
    return datetime.fromisoformat(instant).astimezone(SHANGHAI).strftime("%m-%d %H:%M:%S")
