"""What a rule asks and when it is due: `liandong clock explain RX-03 --from 2026-09-30T15:00+08:00`."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from contracts import calendar
from contracts.calendar import SHANGHAI, Calendar
from contracts.canonical import Document
from contracts.clock_reference import extension, limit, started
from contracts.clocks import Clock, Due, due_by
from contracts.counting import Unit, clock
from contracts.errors import ClockError
from contracts.rules import Rule, packaged


def explain(rule_id: str, start: datetime, calendar_file: Path | None = None) -> list[str]:
    """Lines for people: what the rule is, how the date comes about step by step, or why there is none.

    `start`: aware. Raises ClockError: no such rule, not in force on that day, no offset; UnusableContract for the file.
    """
    found = _counted(rule_id, start, calendar_file)
    return [*_about(found.rule), "", *(_count(found.due, found.calendar) if found.due else [found.why])]


def explained(rule_id: str, start: datetime, calendar_file: Path | None = None) -> Document:
    """The same as a document.

        {"rule", "version", "kind", "title", "title_zh", "duty", "started_at", "due", "warn_at", "basis", "verified",
         "agreed", "provisional": [year], "consequence", "trace": [line]}

    `due` is null where there is no number to count, and `trace` then says so. Raises as `explain`.
    """
    found = _counted(rule_id, start, calendar_file)
    rule, due = found.rule, found.due
    warn_at = _warn_at(due) if due else None
    return {
        "rule": rule.id,
        "version": rule.version,
        "kind": rule.kind,
        "title": rule.title,
        "title_zh": rule.title_zh,
        "duty": rule.duty,
        "started_at": start.astimezone(SHANGHAI).isoformat(),
        "due": due.instant.isoformat() if due else None,
        "warn_at": warn_at.isoformat() if warn_at else None,
        "basis": f"{rule.version} {rule.source}",
        "verified": rule.source.verified,
        "agreed": rule.source.agreed,
        "provisional": [*due.provisional] if due else [],
        "consequence": rule.consequence,
        "trace": [*due.trace] if due else [found.why],
    }


@dataclass(frozen=True, slots=True)
class _Counted:
    """A rule and its count; `why` says why there is none."""

    rule: Rule
    calendar: Calendar
    due: Due | None = None
    why: str = ""


def _counted(rule_id: str, start: datetime, calendar_file: Path | None) -> _Counted:
    if start.tzinfo is None:
        raise ClockError(f"{start.isoformat()} has no offset; in Shanghai write {start.isoformat()}+08:00")
    known = (calendar.load(file=calendar_file) if calendar_file else calendar.packaged()).newest()
    rules = packaged()
    if rule_id not in rules.by_id:
        raise ClockError(f"there is no rule {rule_id}; docs/reference/clocks.md lists them all")
    rule = rules.at(rule_id, start)
    if rule.limit is not None:
        return _Counted(rule, known, due_by(rule, start, known))
    if rule.agreed:
        why = f"There is nothing to count: the parties agree the last day each time, in {rule.agreed} 约定时限."
    else:
        why = "There is nothing to count: no number is given 没有规定具体期限."
    return _Counted(rule, known, why=why)


def _about(rule: Rule) -> list[str]:
    others = [item.version for item in packaged().by_id[rule.id] if item is not rule]
    facts = {
        "kind": rule.kind,
        "duty": f"each {rule.duty}" if rule.each else rule.duty,
        "starts": started(rule) or "by nothing on the bus",
        "stops": ", ".join(rule.stops),
        "stands still": f"from {', '.join(rule.suspends)} to {', '.join(rule.resumes)}" if rule.suspends else "",
        "limit": limit(rule),
        "extended": extension(rule),
        "basis": f"{rule.version} {rule.source}",
        "note": rule.source.note or "",
        "read at": rule.source.url or "",
        "consequence": rule.consequence,
        "in force": f"{rule.valid_from} to {rule.valid_to or 'now'}",
        "other times": ", ".join(others),
    }
    return [f"{rule.id}  {rule.title_zh}", rule.title, "", *(_line(name, text) for name, text in facts.items() if text)]


def _count(due: Due, known: Calendar) -> list[str]:
    warn_at = _warn_at(due)
    return [
        *due.trace,
        "",
        _line("due", f"{clock(due.instant)}  ({due.instant.isoformat()})"),
        *([_line("warned", clock(warn_at))] if warn_at else []),
        *(_line("calendar", label) for label in _calendars(due, known)),
    ]


def _calendars(due: Due, known: Calendar) -> list[str]:
    """What the years of a count that asks for working days are counted by."""
    limit_ = due.rule.limit
    if limit_ is None or (limit_.unit is not Unit.WORKING_DAYS and not due.rule.roll):
        return []
    last = due.instant - timedelta(microseconds=1)
    return [known.label(year) for year in range(due.started_at.year, last.year + 1)]


def _warn_at(due: Due) -> datetime | None:
    """When a clock of this count is warned of in an exchange."""
    start, end = due.started_at, due.instant
    return Clock(rule=due.rule, agency="", started_by=1, started_at=start, due=due, original=end).warn_at


def _line(name: str, text: str) -> str:
    return f"{name:<14}{text}"
