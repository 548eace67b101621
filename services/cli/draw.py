"""A timeline drawn for a terminal: who, what, when, the gap since the step before, and whose move it is then."""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from rich.table import Table

SHANGHAI: Final = timezone(timedelta(hours=8))


def draw(timeline: dict[str, Any], say: Callable[[Any], None]) -> None:
    """Print the timeline document of one exchange (`services.audit.timeline`)."""
    kind, status = timeline["kind"], timeline["status"]
    table = Table(
        title=f"{kind} {timeline['exchange']} · case {timeline['case']} · {status}", title_justify="left", box=None
    )
    for heading in ("#", "who 单位", "what 事项", "accepted 收件", "gap 间隔", "status 状态", "whose move 该谁"):
        table.add_column(heading, justify="right" if heading in {"#", "gap 间隔"} else "left")
    for entry in timeline["entries"]:
        table.add_row(*_row(entry))
    say(table)


def _row(entry: dict[str, Any]) -> list[str]:
    number = str(entry["sequence"])
    if entry.get("stub"):
        return [number, "–", "[dim]not shown to you 不予显示[/]", _clock(entry["recordedtime"]), "", "", ""]
    moves = ", ".join(agency["name"] for agency in entry["moves"]) or "–"
    what = f"{entry['title_zh']} [dim]{entry['title_en']}[/]"
    gap = "" if entry["gap_s"] is None else f"+{entry['gap_s']:.1f} s"
    return [number, entry["source"]["name"], what, _clock(entry["acceptedtime"]), gap, entry["status"], moves]


def _clock(instant: str) -> str:
    return datetime.fromisoformat(instant).astimezone(SHANGHAI).strftime("%m-%d %H:%M:%S")
