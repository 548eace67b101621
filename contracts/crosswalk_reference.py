"""The reference page of the crosswalk: `python -m contracts.crosswalk_reference docs/reference/crosswalk.md`."""

import sys
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Final

from contracts.codes import lookup_division
from contracts.crosswalk import Cause, Crosswalk, Law, Loss, LossKind, Namesake, Side, packaged

LOSSES_ZH: Final = {
    LossKind.BROADER: "原案由更宽",
    LossKind.NARROWER: "原案由更窄",
    LossKind.SPLIT: "分属两个机关",
    LossKind.THRESHOLD: "幅度不同",
    LossKind.LAW_CHANGED: "法律更替",
    LossKind.NONE: "没有对应",
}

_PREFACE: Final = f"""\
# Crosswalk 对照

Drawn from `contracts/crosswalk`; do not edit. An event that goes to an agency of another province arrives verbatim; the
item in the inbox has a member `crosswalk` beside it: what each cause of action 案由 that the event names is over there,
the law that either side cites, what each place is called, and `losses`: all that the mapping loses.

```json
{{"on": "2026-11-20", "origin": "310000", "toward": "330000",
 "causes": [{{"pointer": "/circumstances/cause", "given": {{…}}, "theirs": {{…}}, "there": {{…}}, "here": {{…}},
             "national": […], "version": "dumping@2026-08-15", "status": "example", "verified": false}}],
 "divisions": [{{"pointer": "/circumstances/place/division", "given": "310112102", "code": "310112102",
                "name": "七宝镇", "not_these": []}}],
 "losses": [{{"kind": "split", "zh": "…", "en": "…"}}]}}
```

- A cause is found by its code, or by any of its names in the province of who states the event. One that is not found,
  or has no side in the other province, has only `given`, and a loss of the kind `none`.
- The version is that of the day on which the bus accepted the event, so that a copy can be made again byte by byte. A
  version that was in use is not edited; what changes is a new version. Laws are those in force then, and older ones for
  acts of their time: which of them applies the recipient says (生态环境法典 1057).
- It is made from the recipient's own copy: what that withholds, the crosswalk does not know.
- Codes of GB/T 2260 and of streets and towns cross unchanged, with their name. One that is in no table of divisions is
  a loss of the kind `none`; a zone of the statistics (such as 320671) is no code, and no event has it.
- *example*: 《长三角建筑垃圾案件移送标准(试行)》 (沪城管执〔2024〕3号) could not be read. Names and codes (SYN-) of
  causes are examples, to be replaced by an overlay; the laws were read where they are not marked *not verified*.

Losses: {", ".join(f"`{kind}` {LOSSES_ZH[kind]}" for kind in LossKind)}.
"""


def page(crosswalk: Crosswalk) -> str:
    """Markdown: each cause with its sides and losses, then the names that are several places."""
    causes = [_cause(id_, list(found)) for id_, found in groupby(crosswalk.causes, key=lambda cause: cause.id)]
    return "\n".join([_PREFACE, *causes, _namesakes(crosswalk.namesakes)])


def _cause(id_: str, versions: list[Cause]) -> str:
    return "\n".join([f"## {id_}", "", *map(_version, versions)])


def _version(cause: Cause) -> str:
    return "\n".join(
        [
            f"**{cause.version}**, {cause.period}: {cause.title_zh}, {cause.title_en} ({cause.status})",
            "",
            f"National law: {_laws(cause.national, '; ')}",
            "",
            "| province | names 案由 | code | handled by 承办 | local law |",
            "|---|---|---|---|---|",
            *(_side(province, side) for province, side in sorted(cause.sides.items())),
            "",
            "| lost | on the way | what 说明 |",
            "|---|---|---|",
            *map(_loss, cause.losses),
            "",
        ]
    )


def _side(province: str, side: Side) -> str:
    return _cells(_place(province), "<br>".join(side.names), side.code or "", side.authority, _laws(side.local, "<br>"))


def _loss(loss: Loss) -> str:
    way = f"{_place(loss.origin) if loss.origin else 'any'} → {_place(loss.toward) if loss.toward else 'any'}"
    return _cells(f"{loss.kind} {LOSSES_ZH[loss.kind]}", way, f"{loss.zh}<br>{loss.en}")


def _laws(laws: Iterable[Law], between: str) -> str:
    return between.join(map(_law, laws))


def _law(law: Law) -> str:
    marks = [f"only {_place(law.where)}"] if law.where else []
    marks += [f"acts from {law.acts_from}"] if law.acts_from else []
    marks += [f"acts before {law.acts_before}"] if law.acts_before else []
    marks += [] if law.verified else ["not verified"]
    gist = f": {law.text_zh}" if law.text_zh else ""
    return f"{law.law} {law.article}{gist}" + (f" ({', '.join(marks)})" if marks else "")


def _namesakes(namesakes: Iterable[Namesake]) -> str:
    rows = [_cells(item.name, ", ".join(map(_place, item.codes))) for item in namesakes]
    return "\n".join(["## Names that are several places 重名", "", "| name | divisions |", "|---|---|", *rows, ""])


def _place(code: str) -> str:
    return f"{code} {lookup_division(code).name}"


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def write(paths: Iterable[Path]) -> None:
    """Write the page."""
    for path in paths:
        path.write_text(page(packaged()), encoding="utf-8")


if __name__ == "__main__":
    write(map(Path, sys.argv[1:]))
