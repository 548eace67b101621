"""The reference page of the registries: `python -m contracts.registry_reference docs/reference/agencies.md`."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from contracts import dossiers, groups, library, subscriptions
from contracts.agencies import Agencies, Agency, How
from contracts.dossiers import Dossiers, DossierSet
from contracts.groups import Group, Groups, Part, Ring
from contracts.subscriptions import Series, Subscriptions

CENTRE: Final = "310112-cg"

_RINGS: Final = {
    Ring.DISTRICT: "District 区级联动",
    Ring.NEIGHBOUR: "Other districts 外区",
    Ring.DELTA: "Delta 长三角",
    None: "In no ring",
}
_PARTS: Final = {Part.LEAD: "lead 牵头", Part.MEMBER: "member 成员", Part.GUIDE: "guide 指导"}
_HOW: Final = {How.PLATE: "plate 加挂", How.FORMER: "former 曾用"}

_PREFACE: Final = """\
# Agencies, groups, subscriptions, dossiers

Drawn from `contracts/agencies`, `groups`, `subscriptions` and `dossiers`; do not edit. Agencies are resolved by code,
never by name. All are examples: public institutions whose names a deployment checks; *recalled* says that no source was
read for it. Keys of the sources: [sources.md](sources.md); of the SEEDS, S0 is the feature on 闵行 of 2022, S1 the four
on-site meetings of 2017, S2 the report of 嘉定 for 2023, S3 the summary of 闵行 for 2023 with its plan for 2024, S4 the
feature on 徐汇 of 2016.

A period counts from its first day, up to and without its last; where none stands, its source tells of none.
"""


def page(agencies: Agencies, found: Groups, series: Subscriptions, sets: Dossiers) -> str:
    """Markdown: the agencies by ring, as seen from 闵行, then the groups, the series and the sets."""
    return "\n".join(
        [
            _PREFACE,
            f"## Agencies by ring, seen from {CENTRE}",
            "",
            *(_ring(ring, agencies, found) for ring in _RINGS),
            "## Groups",
            "",
            *(_group(group, agencies) for group in found.by_code.values()),
            "## Subscriptions 订阅",
            "",
            *(_series(item, agencies) for item in series.by_code.values()),
            "## Dossier sets 建档材料",
            "",
            *(_set(item) for item in sets.by_code.values()),
        ]
    )


def _ring(ring: Ring | None, agencies: Agencies, found: Groups) -> str:
    rings = _rings(found)
    rows = [_agency(agencies.by_code[code]) for code in sorted(agencies.by_code) if rings.get(code) is ring]
    head = ["code", "name", "also called", "superior 条", "government 块", "acts for", "source"]
    return _table(f"### {_RINGS[ring]}", head, rows)


def _rings(found: Groups) -> dict[str, Ring]:
    """The ring of each partner of the centre, whenever it was in it; the last file has the last word."""
    return {
        member.agency: group.ring
        for group in found.by_code.values()
        if group.ring and group.centre == CENTRE
        for member in group.members
    }


def _agency(agency: Agency) -> list[str]:
    names = [f"{other.name} ({', '.join(filter(None, [_HOW[other.how], other.period]))})" for other in agency.names]
    return [
        agency.code,
        f"{agency.name}<br>{agency.name_en}",
        "<br>".join([*names, *agency.platforms]),
        agency.superior or "",
        agency.government or "",
        ", ".join(agency.acts_for),
        "<br>".join([agency.source, *(f"{other.name}: {other.source}" for other in agency.names)]),
    ]


def _group(group: Group, agencies: Agencies) -> str:
    rows = [
        [member.agency, agencies.name(member.agency), _PARTS[member.role], member.period, member.source or ""]
        for member in group.members
    ]
    told = f"{group.name_en}. Kept by {group.centre}. Source: {group.source}."
    return _table(f"### {group.code} {group.name}", ["agency", "name", "part", "period", "source"], rows, told)


def _series(series: Series, agencies: Agencies) -> str:
    rows = [
        [subscriber.agency, agencies.name(subscriber.agency), subscriber.period, subscriber.source or ""]
        for subscriber in series.subscribers
    ]
    told = f"{series.title_en}. Published by {series.publisher}. Basis: {series.legal_basis}. Source: {series.source}."
    return _table(f"### {series.code} {series.title_zh}", ["subscriber", "name", "period", "source"], rows, told)


def _set(found: DossierSet) -> str:
    rows = [[item.code, item.title_zh, item.title_en, item.source] for item in found.items]
    mark = "" if found.verified else " Not verified 未核实."
    told = f"{found.title_en}. For the archive {', '.join(found.archives)}. Source: {found.source}.{mark}"
    return _table(f"### {found.code} {found.title_zh}", ["item", "材料", "what", "source"], rows, told)


def _table(title: str, head: list[str], rows: list[list[str]], told: str = "") -> str:
    words = [told, ""] if told else []
    return "\n".join([title, "", *words, _cells(head), "|---" * len(head) + "|", *map(_cells, rows), ""])


def _cells(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def packaged() -> str:
    """The page of the packaged registries."""
    return page(library.load().agencies, groups.packaged(), subscriptions.packaged(), dossiers.packaged())


def write(paths: Iterable[Path]) -> None:
    """Write the page."""
    for path in paths:
        path.write_text(packaged(), encoding="utf-8")


if __name__ == "__main__":
    write(map(Path, sys.argv[1:]))
