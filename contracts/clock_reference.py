"""The reference page of all clocks, from the rules: `python -m contracts.clock_reference docs/reference/clocks.md`."""

import sys
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Final

from contracts.counting import UNITS_ZH, Unit
from contracts.rules import Rule, Rules, packaged

_UNITS: Final = {Unit.HOURS: "hour", Unit.DAYS: "day", Unit.WORKING_DAYS: "working day", Unit.MONTHS: "month"}

_PREFACE: Final = f"""\
# Clocks 时限

Drawn from `contracts/clocks`; do not edit. `liandong clock explain ID --from INSTANT` counts one, step by step.

How a period is counted: the day or hour of the start does not count; days and months end at 24:00 in Shanghai; *rolls*
says that a last day that rests moves to the next working day; hours know neither nights nor rest days. Units:
{", ".join(f"{name}s {UNITS_ZH[unit]}" for unit, name in _UNITS.items())}.

A clock *starts* by the time that the fact states, by its acceptance at the bus, or by its delivery to whose duty it is.
What starts nothing is either no timer, or waits for a fact that the kind does not have: its source says which. *agreed*
means that no law sets the number; *not verified* that the law's text could not be read, only what others say of it.
"""


def page(rules: Rules) -> str:
    """Markdown: for each kind what sets its deadlines, and on what each rests."""
    versions = sorted((rule for found in rules.by_id.values() for rule in found), key=lambda rule: rule.kind)
    parts = [_part(kind, list(found)) for kind, found in groupby(versions, key=lambda rule: rule.kind)]
    return "\n".join([_PREFACE, *parts])


def limit(rule: Rule) -> str:
    """How long, in words: `24 hours`, `3 days, rolls`, `until reply_by or 5 working days`, `no number`."""
    words = [f"until {rule.agreed}"] if rule.agreed else []
    words += [_period(rule.limit.amount, rule.limit.unit)] if rule.limit else []
    return " or ".join(words) + (", rolls" if rule.roll else "") if words else "no number"


def extension(rule: Rule) -> str:
    """How it may be extended, in words; empty if it may not."""
    extends = rule.extends
    if extends is None:
        return ""
    times = "once" if extends.most == 1 else f"{extends.most} times"
    most = f" by {_period(extends.limit.amount, extends.limit.unit)} at most" if extends.limit else ""
    return f"{times}{most}, {'with its reason' if extends.by == 'rule' else 'granted by the other side'}"


def started(rule: Rule) -> str:
    """What starts it, in words; empty if nothing does."""
    return ", ".join(
        f"{start.fact} ({start.by}{f' in {start.member}' if start.member else ''})" for start in rule.starts
    )


def _part(kind: str, rules: list[Rule]) -> str:
    return "\n".join(
        [
            f"## {kind}",
            "",
            "| rule | what 事项 | whose duty | starts | stops | stands still | limit | extends |",
            "|---|---|---|---|---|---|---|---|",
            *map(_row, rules),
            "",
            "| rule | source 依据 | in force | consequence 后果 |",
            "|---|---|---|---|",
            *map(_source, rules),
            "",
        ]
    )


def _row(rule: Rule) -> str:
    still = f"{', '.join(rule.suspends)} → {', '.join(rule.resumes)}" if rule.suspends else ""
    duty = f"each {rule.duty}" if rule.each else rule.duty
    what = f"{rule.title_zh}<br>{rule.title}"
    return _cells(
        rule.id, what, duty, started(rule), ", ".join([*rule.stops, *rule.ends]), still, limit(rule), extension(rule)
    )


def _source(rule: Rule) -> str:
    note = f"<br>{rule.source.note}" if rule.source.note else ""
    url = f"<br>{rule.source.url}" if rule.source.url else ""
    return _cells(
        rule.id, f"{rule.source}{note}{url}", f"{rule.valid_from} to {rule.valid_to or 'now'}", rule.consequence
    )


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _period(amount: int, unit: Unit) -> str:
    return f"{amount} {_UNITS[unit]}{'' if amount == 1 else 's'}"


def write(paths: Iterable[Path]) -> None:
    """Write the page."""
    for path in paths:
        path.write_text(page(packaged()), encoding="utf-8")


if __name__ == "__main__":
    write(map(Path, sys.argv[1:]))
