"""The reference page of a kind, drawn from its tables: `python -m services.kernel.reference SERVICE FOLDER`."""

import sys
from pathlib import Path

from events.fact import Fact
from services.kernel.kinds import lifecycles
from services.kernel.lifecycle import COMMON, UNOPENED, CommonRule, Lifecycle, State


def page(lifecycle: Lifecycle[State]) -> str:
    """Markdown with the diagram, who may state what, and whose move it is in each status."""
    return "\n".join(
        [
            f"# {lifecycle.kind} {lifecycle.title_zh}",
            "",
            "Drawn from the tables that decide; do not edit.",
            "",
            "```mermaid",
            *_diagram(lifecycle),
            "```",
            "",
            "| fact | 中文 | stated by | type |",
            "|---|---|---|---|",
            *(_row(fact, sorted(speakers)) for fact, speakers in lifecycle.speakers.items()),
            "",
            "| status | whose move |",
            "|---|---|",
            *(
                f"| {status} | {_awaited(lifecycle, status)} |"
                for status in lifecycle.transitions
                if status != UNOPENED
            ),
            "",
            "Facts of every kind:",
            "",
            "| fact | 中文 | stated by | also after the end |",
            "|---|---|---|---|",
            *(_common_row(fact, rule) for fact, rule in COMMON.items()),
            "",
        ]
    )


def _diagram(lifecycle: Lifecycle[State]) -> list[str]:
    lines = ["stateDiagram-v2"]
    for status, row in lifecycle.transitions.items():
        origin = "[*]" if status == UNOPENED else status
        lines += [f"    {origin} --> {target}: {fact.name()}" for fact, target in row.items()]
        if not row:
            lines.append(f"    {status} --> [*]")
    return lines


def _row(fact: type[Fact], speakers: list[str]) -> str:
    return f"| {fact.name()} | {fact.title_zh} | {', '.join(speakers)} | `{fact.type()}` |"


def _common_row(fact: type[Fact], rule: CommonRule) -> str:
    after_end = "yes" if rule.after_end else ""
    return f"| {fact.name()} | {fact.title_zh} | {', '.join(sorted(rule.speakers))} | {after_end} |"


def _awaited(lifecycle: Lifecycle[State], status: str) -> str:
    role = lifecycle.awaits[status]
    return "ended" if lifecycle.ended(status) else str(role or "nobody")


def write(service: str, folder: Path) -> None:
    """Write the page of each kind of a service."""
    for kind, lifecycle in lifecycles(service).items():
        (folder / f"{kind}.md").write_text(page(lifecycle), encoding="utf-8")


if __name__ == "__main__":
    write(sys.argv[1], Path(sys.argv[2]))
