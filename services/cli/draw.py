"""A timeline drawn for a terminal: who, what, when, the gap since the step before, and whose move it is then."""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from rich.cells import set_cell_size

SHANGHAI: Final = timezone(timedelta(hours=8))
_WHAT: Final = 30  # columns, so that a line has 80; a Chinese character takes two


def draw(timeline: dict[str, Any], say: Callable[[str], None]) -> None:
    """Print the timeline document of one exchange (`services.audit.timeline`)."""
    say(f"[bold]{timeline['kind']} {timeline['exchange']}[/]  case {timeline['case']}")
    for party in timeline["parties"]:
        say(f"  [cyan]{party['agency']:<10}[/] {set_cell_size(party['name'], _WHAT)} {party['role']}")
    entries = timeline["entries"]
    day = ""
    for place, entry in enumerate(entries):
        rail = "┌" if place == 0 else "└" if place == len(entries) - 1 else "├"
        before, day = day, f"{_when(entry):%Y-%m-%d}"
        if day != before:
            say(f"  {day}")
        say(f"  {_line(entry, rail)}")
    moves = ", ".join(agency["agency"] for agency in timeline["moves"])
    say(f"  state: [bold]{timeline['status']}[/]" + (f"; the move is with {moves}" if moves else "; ended"))


def _line(entry: dict[str, Any], rail: str) -> str:
    start = f"{_when(entry):%H:%M:%S} {rail} #{entry['sequence']:<3}"
    if entry.get("stub"):
        return f"{start}[dim]not shown to you 不予显示[/]"
    what = set_cell_size(f"{entry['title_zh']} {entry['title_en']}", _WHAT)
    gap = "" if entry["gap_s"] is None else f"+{entry['gap_s']:.1f} s"
    moves = ", ".join(agency["agency"] for agency in entry["moves"])
    who = f"[cyan]{entry['source']['agency']:<10}[/]"
    return f"{start}{who} {what} {gap:>7} " + (f"→ {moves}" if moves else f"■ {entry['status']}")


def _when(entry: dict[str, Any]) -> datetime:
    """When the bus took it; a stub tells only when it was recorded."""
    return datetime.fromisoformat(entry.get("acceptedtime") or entry["recordedtime"]).astimezone(SHANGHAI)
