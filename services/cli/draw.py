"""A timeline drawn for a terminal of 80 columns; times are Shanghai's.

Who, what, when, the gap since the step before, and whose move it is then; then the clocks, and whose delay it was.
All that the bus says is text: it is escaped, a run of it as one, so that no name or title becomes markup.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from rich.cells import set_cell_size
from rich.markup import escape

from contracts.calendar import SHANGHAI
from contracts.counting import DAY, clock

# In columns; a Chinese character takes two.
_WIDTH: Final = 80
_WHAT: Final = 27
_LENGTH: Final = len("23 h 59 m")
_INSTANT: Final = len("~2026-11-05 24:00")
_STATE: Final = len("no longer applies")
_CAUSE: Final = 22

_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))  # seconds


def draw(timeline: dict[str, Any], say: Callable[[str], None]) -> None:
    """Print the timeline document of one exchange (`services.audit.timeline`)."""
    head = escape(f"{timeline['kind']} {timeline['exchange']}")
    say(f"[bold]{head}[/]  case {escape(timeline['case'])}")
    for party in timeline["parties"]:
        whose = escape(f"{set_cell_size(party['name'], _WHAT)} {party['role']}")
        say(f"  {_code(party, 10)} {whose}")
    entries = timeline["entries"]
    day = ""
    for place, entry in enumerate(entries):
        rail = "┌" if place == 0 else "└" if place == len(entries) - 1 else "├"
        before, day = day, f"{_when(entry):%Y-%m-%d}"
        if day != before:
            say(f"  {day}")
        say(f"  {_line(entry, rail)}")
    moves = ", ".join(agency["agency"] for agency in timeline["moves"])
    state = escape(timeline["status"])
    say(f"  state: [bold]{state}[/]" + (f"; the move is with {escape(moves)}" if moves else "; ended"))
    _draw_clocks(timeline["clocks"], say)
    _draw_delay(timeline["delay"], say)


def draw_links(links: list[dict[str, Any]], say: Callable[[str], None]) -> None:
    """Print what exchanges are to each other."""
    for link in links:
        ends = [f"{end['kind']} {end['exchange'][-12:]}" for end in (link["from"], link["to"])]
        say(escape(f"  {ends[0]} {link['relation_zh']} {link['relation'].replace('_', ' ')} {ends[1]}"))


def duration(seconds: float) -> str:
    """A length of time in its two largest units: `2 d 3 h`, `5 m`; under a minute `12.3 s`. It is cut, not rounded."""
    whole = int(seconds)
    if whole < 60:
        return f"{int(seconds * 10) / 10:.1f} s"
    place = next(place for place, (_, size) in enumerate(_UNITS) if whole >= size)
    (large, size), (small, part) = _UNITS[place], _UNITS[place + 1]
    rest = whole % size // part
    return f"{whole // size} {large}" + (f" {rest} {small}" if rest else "")


def _draw_clocks(clocks: list[dict[str, Any]], say: Callable[[str], None]) -> None:
    """Rule, whose, what for, due when, and how it stands."""
    if not clocks:
        return
    say("  [bold]clocks 时限[/]")
    rules = max(len(item["rule"]) for item in clocks)
    agencies = max(len(item["agency"]["agency"]) for item in clocks)
    title = _WIDTH - 2 - rules - 1 - agencies - 1 - 1 - _INSTANT - 1 - _STATE
    for item in clocks:
        rule = escape(f"{item['rule']:<{rules}} ")
        due = ("~" if item["provisional"] else " ") + clock(datetime.fromisoformat(item["due"]))
        what = escape(f"{set_cell_size(item['title_zh'], title)} {due:<{_INSTANT}} ")
        say(f"  {rule}{_code(item['agency'], agencies)} {what}{_state(item)}")
    years = sorted({year for item in clocks for year in item["provisional"]})
    if years:
        say(f"  ~ provisional 暂定: the calendar of {', '.join(map(str, years))} is not announced yet")


def _state(item: dict[str, Any]) -> str:
    if item["overdue"]:
        return f"[bold red]overdue {duration(item['late_s'])}[/]"
    match item["state"]:
        case "late":
            return f"[red]late by {duration(item['late_s'])}[/]"
        case "void":
            return "[dim]no longer applies[/]"
        case state:
            return escape(str(state))


def _draw_delay(delay: dict[str, Any], say: Callable[[str], None]) -> None:
    """Who, what for, how long, and which share of the whole; the largest first."""
    begun, ended = (clock(datetime.fromisoformat(delay[name])) for name in ("from", "to"))
    say(f"  [bold]delay 耗时归属[/]  {duration(delay['span_s'])}, {begun} to {ended}")
    totals = sorted(delay["totals"], key=lambda item: -item["seconds"])
    codes = max((len(item["account"]["agency"]) for item in totals), default=0)
    name = _WIDTH - 2 - codes - 1 - 1 - _CAUSE - 1 - _LENGTH - 1 - len("100.0 %")
    for item in totals:
        account = item["account"]
        cause = set_cell_size(f"{item['cause_zh']} {item['cause']}", _CAUSE)
        share = item["seconds"] / delay["span_s"] * 100
        what = escape(f"{set_cell_size(account['name'], name)} {cause} {duration(item['seconds']):>{_LENGTH}}")
        say(f"  {_code(account, codes)} {what} {share:5.1f} %")


def _code(agency: dict[str, Any], width: int) -> str:
    """An agency's code in markup."""
    code = escape(f"{agency['agency']:<{width}}")
    return f"[cyan]{code}[/]"


def _line(entry: dict[str, Any], rail: str) -> str:
    start = f"{_when(entry):%H:%M:%S} {rail} #{entry['sequence']:<3}"
    if entry.get("stub"):
        return f"{start}[dim]not shown to you 不予显示[/]"
    what = set_cell_size(f"{entry['title_zh']} {entry['title_en']}", _WHAT)
    gap = "" if entry["gap_s"] is None else f"+{duration(entry['gap_s'])}"
    moves = ", ".join(agency["agency"] for agency in entry["moves"])
    then = f"→ {moves}" if moves else f"■ {entry['status']}"
    said = escape(f"{what} {gap:>{_LENGTH + 1}} {then}")
    return f"{start}{_code(entry['source'], 10)} {said}"


def _when(entry: dict[str, Any]) -> datetime:
    """When the bus took it; a stub tells only when it was recorded."""
    return datetime.fromisoformat(entry.get("acceptedtime") or entry["recordedtime"]).astimezone(SHANGHAI)


def draw_report(figures: dict[str, Any], say: Callable[[str], None]) -> None:
    """Print the figures of a period (`services.audit.indicators`) and the findings in it."""
    first, last = (datetime.fromisoformat(figures[name]).astimezone(SHANGHAI) for name in ("from", "to"))
    say(f"[bold]{first.date()} to {(last - DAY).date()}[/]")
    blocks = [("all 合计", figures["total"])] if figures["total"] else []
    blocks += [(item["agency"], item) for item in figures["agencies"]]
    titles = {item["id"]: item for item in figures["indicators"]}
    for name, block in blocks:
        say(f"\n[bold]{escape(name)}[/]  opened {block['opened']}, ended {block['ended']}, open {block['open']}")
        for item in block["indicators"]:
            _draw_indicator(item, titles[item["id"]], say)
        for item in block["overdue"]:
            worst = duration(max(item["worst_s"], item["running_worst_s"]))
            say(escape(f"  {item['rule']:<8} late {item['count']}, overdue now {item['running']}, at worst {worst}"))
        for item in block["delay"]:
            say(escape(f"  {set_cell_size(item['cause'], _CAUSE)} {duration(item['seconds']):>{_LENGTH}}"))
    if figures.get("figures"):
        draw_published(figures["figures"], figures["publications"], say)
    for item in figures["findings"]:
        lead = escape(f"{item['title_zh']} {item['title_en']}: case {item['case']}")
        say(f"\n[yellow]线索[/] {lead}")
        say(escape(f"  {', '.join(item['agencies'])}; {item['notice_zh']}"))


def draw_published(
    figures: list[dict[str, Any]], publications: list[dict[str, Any]], say: Callable[[str], None]
) -> None:
    """Print each published figure beside the one that the log gives, and what in the publications does not fit."""
    for told in publications:
        say(f"\n[bold]{escape(told['title_zh'])}[/]  {escape(told['source'])}")
    say(escape(f"  {set_cell_size('公布数据 published figure', _WHAT + 17)} {'公布':>12} {'登记推得':>10}  来源 seed"))
    for item in figures:
        sign = "[green]=[/]" if item["equal"] else "[red]≠[/]"
        title = set_cell_size(f"{item['title_zh']} ({item['unit']})", _WHAT + 17)
        say(escape(f"  {title} {item['published']:>14} {item['derived']!s:>14} ") + sign + escape(f" {item['seed']}"))
    differ = sum(not item["equal"] for item in figures)
    say(escape(f"  {len(figures)} figures, {differ} differ"))
    for told in publications:
        for words in told["inconsistencies"]:
            say(f"  [yellow]不一致[/] {escape(words)}")


def _draw_indicator(item: dict[str, Any], described: dict[str, Any], say: Callable[[str], None]) -> None:
    if not item["denominator"]:
        return
    colour = {"green": "green", "amber": "yellow", "red": "red"}.get(item["light"], "dim")
    title = set_cell_size(f"{described['title_zh']} {described['title_en']}", 46)
    what = escape(f"{title} {item['value'] or '–':>8} {described['unit']:<6} ")
    say(f"  {what}[{colour}]{escape(item['light'])}[/]")
