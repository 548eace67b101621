"""The reference pages of the kinds, drawn from their tables: `python -m services.kernel.reference docs/reference`."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from contracts.kinds import KindContract, Kinds, packaged
from events.fact import Fact
from services.kernel.exchange import UNOPENED, CommonRule, Lifecycle, State
from services.kernel.kinds import every_lifecycle
from services.kernel.lifecycle import COMMON

_DRAWN = "Drawn from the tables that decide; do not edit."


def page(lifecycle: Lifecycle[State], contract: KindContract) -> str:
    """Markdown with the diagrams, who may state what, and whose move it is in each status."""
    return "\n".join(
        [
            f"# {lifecycle.kind} {contract.title_zh}",
            "",
            f"{_DRAWN} {contract.title_en}; registered by `services/{contract.registrar}`.",
            "Facts of every kind: [common](common.md).",
            "",
            *_diagram(_edges(lifecycle), [status for status in lifecycle.transitions if lifecycle.ended(status)]),
            *_legs(lifecycle, contract),
            "| fact | 中文 | stated by | type |",
            "|---|---|---|---|",
            *(_row(fact, sorted(speakers)) for fact, speakers in lifecycle.speakers.items()),
            "",
            "| status | 中文 | whose move | clock |",
            "|---|---|---|---|",
            *(_status(lifecycle, contract, status) for status in lifecycle.transitions if status != UNOPENED),
            "",
        ]
    )


def common_page() -> str:
    """Markdown with the facts of every kind."""
    return "\n".join(
        [
            "# Facts of every kind",
            "",
            f"{_DRAWN} They move no status, but for `withdrawn`, which ends the exchange.",
            "",
            "| fact | 中文 | stated by | also after the end |",
            "|---|---|---|---|",
            *(_common_row(fact, rule) for fact, rule in COMMON.items()),
            "",
        ]
    )


def pages(kinds: Kinds) -> dict[str, str]:
    """Every page by the name of its file."""
    drawn = {f"{kind}.md": page(item, kinds.by_name[kind]) for kind, item in every_lifecycle().items()}
    return {**drawn, "common.md": common_page()}


def _edges(lifecycle: Lifecycle[State]) -> Iterator[tuple[str, str, str]]:
    """From, to, and the fact. Statuses that follow from the legs are drawn as one, which the legs' diagram explains."""
    seen: set[tuple[str, str, str]] = set()
    for status, row in lifecycle.transitions.items():
        for fact, target in row.items():
            edge = (_drawn(lifecycle, status), _drawn(lifecycle, target), fact.name())
            if edge not in seen:
                seen.add(edge)
                yield edge


def _drawn(lifecycle: Lifecycle[State], status: str) -> str:
    if status == UNOPENED:
        return "[*]"
    return "by_legs" if status in lifecycle.rollup else status


def _diagram(edges: Iterator[tuple[str, str, str]], ends: list[str]) -> list[str]:
    lines = [f"    {origin} --> {target}: {fact}" for origin, target, fact in edges]
    return ["```mermaid", "stateDiagram-v2", *lines, *(f"    {end} --> [*]" for end in ends), "```", ""]


def _legs(lifecycle: Lifecycle[State], contract: KindContract) -> list[str]:
    """How a leg moves, and what follows from the legs for the whole."""
    table: Mapping[str, Mapping[type[Fact], str]] = lifecycle.leg_transitions
    if not table:
        return []
    first = next(iter(table))
    edges = ((leg, target, fact.name()) for leg, row in table.items() for fact, target in row.items())
    lines = ["Each addressee's part (leg):", "", *_diagram(iter([("[*]", first, "addressed"), *edges]), [])]
    if lifecycle.rollup:
        lines += [
            "The status while it follows from the legs (`by_legs`): the first of these whose set holds every leg.",
            "",
            "| status | legs |",
            "|---|---|",
            *(
                f"| {status} | {', '.join(leg for leg in table if leg in held)} |"
                for status, held in lifecycle.rollup.items()
            ),
            "",
        ]
    whose = [f"| {leg} | {contract.legs[leg]} | {lifecycle.leg_awaits.get(leg) or ''} |" for leg in table]
    return [*lines, "| leg | 中文 | whose move |", "|---|---|---|", *whose, ""]


def _row(fact: type[Fact], speakers: list[str]) -> str:
    return f"| {fact.name()} | {fact.title_zh} | {', '.join(speakers)} | `{fact.type()}` |"


def _common_row(fact: type[Fact], rule: CommonRule) -> str:
    after_end = "yes" if rule.after_end else ""
    return f"| {fact.name()} | {fact.title_zh} | {', '.join(sorted(rule.speakers))} | {after_end} |"


def _awaited(lifecycle: Lifecycle[State], status: str) -> str:
    if lifecycle.ended(status):
        return "ended"
    role = lifecycle.awaits[status]
    return f"by its legs, else {role or 'nobody'}" if status in lifecycle.rollup else str(role or "nobody")


def _status(lifecycle: Lifecycle[State], contract: KindContract, status: str) -> str:
    why = contract.unclocked.get(status)
    words, clock = contract.statuses[status], f"none: {why}" if why else ""
    return f"| {status} | {words} | {_awaited(lifecycle, status)} | {clock} |"


def write(folder: Path) -> None:
    """Write every page."""
    for name, text in pages(packaged()).items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
