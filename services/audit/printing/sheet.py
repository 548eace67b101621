"""What printed pages share: the sheet, its headings, tables and bars; pure.

A page runs no script and loads nothing; its policy forbids both. It fits A4, in colour or without.
"""

from collections.abc import Iterable, Sequence
from decimal import ROUND_FLOOR, Decimal
from typing import Final
from xml.etree.ElementTree import Element

from services.audit.printing.drawing import INK, QUIET
from services.audit.printing.markup import Child, element, page, safe
from services.audit.printing.wording import Wording

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"

_SANS: Final = (
    '"Source Han Sans SC", "Noto Sans CJK SC", "Noto Sans SC", "PingFang SC", "Microsoft YaHei", '
    '"WenQuanYi Micro Hei", "Helvetica Neue", Arial, sans-serif'
)
_SERIF: Final = (
    '"Source Han Serif SC", "Noto Serif CJK SC", "Noto Serif SC", "Songti SC", STSong, SimSun, Georgia, serif'
)

_STYLE: Final = f"""
@page {{ size: A4; margin: 17mm 15mm 18mm;
  @bottom-left {{ content: var(--running); font: 8pt {_SANS}; color: {QUIET}; }}
  @bottom-right {{ content: counter(page) " / " counter(pages); font: 8pt {_SANS}; color: {QUIET}; }} }}
* {{ box-sizing: border-box; }}
html {{ color: {INK}; background: #fff; font: 9.5pt/1.5 {_SANS}; print-color-adjust: exact;
  -webkit-print-color-adjust: exact; }}
body {{ max-width: 180mm; margin: 0 auto; padding: 0; }}
@media screen {{ body {{ max-width: 196mm; padding: 14mm 8mm 18mm; }} }}
h1, h2 {{ font-family: {_SERIF}; font-weight: 600; break-after: avoid; }}
h1 {{ font-size: 20pt; line-height: 1.25; margin: 0 0 1mm; }}
h2 {{ font-size: 12.5pt; margin: 9mm 0 2.5mm; padding-bottom: 1mm; border-bottom: 0.6pt solid {INK}; }}
p {{ margin: 0; }}
.kind {{ font-size: 10.5pt; color: {QUIET}; }}
.made {{ margin: 0.5mm 0 5mm; }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: 0.8mm 6mm; margin: 0; }}
dt {{ color: {QUIET}; }}
dd {{ margin: 0; overflow-wrap: anywhere; }}
.strong {{ font-weight: 600; }}
.quiet {{ color: {QUIET}; font-size: 8pt; line-height: 1.4; }}
.mono {{ font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }}
.flag {{ border: 0.6pt solid {INK}; padding: 0 1.2mm; font-size: 7.5pt; white-space: nowrap; }}
svg {{ display: block; font-family: {_SANS}; }}
.timeline {{ width: 100%; height: auto; max-height: 235mm; break-inside: avoid; }}
.key {{ width: 6.5mm; height: 3.5mm; flex: none; }}
.legend {{ display: flex; flex-wrap: wrap; gap: 0.8mm 5mm; margin-top: 2.5mm; font-size: 8pt; color: {QUIET}; }}
.legend span {{ display: flex; align-items: center; gap: 1.5mm; }}
table {{ width: 100%; border-collapse: collapse; font-size: 8.5pt; line-height: 1.45; }}
thead {{ display: table-header-group; }}
tr {{ break-inside: avoid; }}
th {{ text-align: left; font-weight: 400; color: {QUIET}; font-size: 8pt; padding: 0 2.5mm 1mm 0;
  vertical-align: bottom; border-bottom: 0.6pt solid {INK}; }}
td {{ padding: 1.6mm 2.5mm 1.6mm 0; vertical-align: top; border-bottom: 0.4pt solid #c9ced3; overflow-wrap: anywhere; }}
th:last-child, td:last-child {{ padding-right: 0; }}
td.time, td.nowrap {{ white-space: nowrap; font-variant-numeric: tabular-nums; }}
td.number, th.number {{ text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }}
tr.stub td {{ color: {QUIET}; }}
tr.total td {{ border-top: 0.6pt solid {INK}; border-bottom: 0; font-weight: 600; }}
h3 {{ font-size: 9.5pt; font-weight: 600; margin: 5mm 0 1.5mm; break-after: avoid; }}
.light {{ display: flex; align-items: center; gap: 1.5mm; font-variant-numeric: tabular-nums; white-space: nowrap; }}
.lamp {{ width: 3mm; height: 3mm; flex: none; }}
article {{ break-inside: avoid; }}
article dl {{ margin-top: 1.5mm; }}
.bar {{ width: 100%; height: 2.4mm; margin-top: 1.2mm; }}
.standing {{ margin-top: 4mm; }}
.period {{ margin-bottom: 2mm; }}
.notes {{ font-size: 8.5pt; line-height: 1.45; break-inside: avoid; }}
"""


def document(title: str, body: Element, wording: Wording, *, running: str) -> str:
    """A whole page. `running`: what stands at the foot of every sheet."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", _STYLE, f":root {{ --running: {_css_string(running)}; }}\n"),
    )
    return page(element("html", head, body, lang=wording.one("zh-CN", "en")))


def _css_string(text: str) -> str:
    """Text as a string of a style sheet, where nothing else escapes it: by the numbers of its characters."""
    return '"' + "".join(f"\\{ord(character):06x}" for character in safe(text)) + '"'


def section(title: str, *content: Child) -> Element:
    """A part of a page with its heading."""
    return element("section", element("h2", title), *content)


def pair(term: str, meaning: Child, look: str = "") -> list[Element]:
    """A term and what it means, for a `dl`."""
    return [element("dt", term), element(f"dd.{look}" if look else "dd", meaning)]


def table(heads: Sequence[tuple[str, str]], rows: Iterable[Element], widths: Sequence[str]) -> Element:
    """A table. `heads`: words and class of each column, repeated on every sheet."""
    return element(
        "table",
        element("colgroup", [element("col", style=f"width:{width}") for width in widths]),
        element("thead", element("tr", [element(f"th.{look}" if look else "th", head) for head, look in heads])),
        element("tbody", rows),
    )


def shares(amounts: Sequence[Decimal]) -> list[Decimal]:
    """What each is of the whole, in per cent with one decimal; largest remainders are rounded up to 100.0 in all."""
    whole = sum(amounts, Decimal())
    if not whole:
        return [Decimal("0.0") for _ in amounts]
    tenths = [amount * 1000 / whole for amount in amounts]
    cut = [tenth.to_integral_value(ROUND_FLOOR) for tenth in tenths]
    left = 1000 - int(sum(cut, Decimal()))
    first = sorted(range(len(amounts)), key=lambda index: (cut[index] - tenths[index], index))[:left]
    return [Decimal(int(value) + (index in first)).scaleb(-1) for index, value in enumerate(cut)]


def bar(part: Decimal) -> Element:
    """A bar of so many per cent of its width; it prints where backgrounds do not."""
    width = max(float(part), 0.3)
    return element(
        "svg.bar",
        element("rect", x=0, y=0, width=width, height=6, fill=INK),
        viewBox="0 0 100 6",
        preserveAspectRatio="none",
        aria_hidden="true",
    )
