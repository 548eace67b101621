"""A timeline as a page to be printed: who stated what and when, drawn and in tables, with every clock and delay; pure.

    timeline_html(timeline, language="zh", made_at=…, bus="310112-bus")      one HTML document, nothing beside it

The page runs no script and loads nothing; its policy forbids both. It fits A4, in colour or without. The same timeline
gives the same page.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import ROUND_FLOOR, Decimal
from itertools import groupby
from typing import Final
from xml.etree.ElementTree import Element

from contracts.canonical import Document
from services.audit.drawing import INK, QUIET, drawing, key, named_clocks
from services.audit.markup import Child, element, page, safe
from services.audit.views import Clock, Delay, Entry, Exchange, Member, Share, Statement, Timeline
from services.audit.wording import NOTES, TERMS, Language, Wording, deadline, moment

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
@media screen {{ body {{ padding: 14mm 0 18mm; }} }}
h1, h2 {{ font-family: {_SERIF}; font-weight: 600; break-after: avoid; }}
h1 {{ font-size: 20pt; line-height: 1.25; margin: 0 0 1mm; }}
h2 {{ font-size: 12.5pt; margin: 9mm 0 2.5mm; padding-bottom: 1mm; border-bottom: 0.6pt solid {INK}; }}
p {{ margin: 0; }}
.kind {{ font-size: 10.5pt; color: {QUIET}; margin-bottom: 5mm; }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: 0.8mm 6mm; margin: 0; }}
dt {{ color: {QUIET}; }}
dd {{ margin: 0; overflow-wrap: anywhere; }}
.strong {{ font-weight: 600; }}
.quiet {{ color: {QUIET}; font-size: 8pt; line-height: 1.4; }}
.mono {{ font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }}
.flag {{ border: 0.6pt solid {INK}; padding: 0 1.2mm; font-size: 7.5pt; white-space: nowrap; }}
svg {{ display: block; font-family: {_SANS}; }}
.timeline {{ width: 100%; height: auto; break-inside: avoid; }}
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
.bar {{ width: 100%; height: 2.4mm; margin-top: 1.2mm; }}
.standing {{ margin-top: 4mm; }}
.period {{ margin-bottom: 2mm; }}
.notes {{ font-size: 8.5pt; line-height: 1.45; break-inside: avoid; }}
footer {{ margin-top: 8mm; padding-top: 2mm; border-top: 0.4pt solid #c9ced3; }}
"""


def timeline_html(
    timeline: Document, *, language: Language, made_at: datetime, bus: str, rest: Collection[date] = ()
) -> str:
    """The page of a timeline, an exchange's or a case's.

    `made_at`: until when clocks that run are drawn, aware; `bus`: the bus's code; `rest`: days that are hatched.
    """
    read, wording = Timeline.of(timeline), Wording(language)
    names = {
        entry.statement.source.agency: wording.name(entry.statement.source) for entry in read.entries if entry.statement
    }
    title = f"{wording.say('case_timeline' if read.of_case else 'timeline')} · {read.case}"
    made = wording.say("made_by", bus=names.get(bus, bus), at=moment(made_at))
    body = element(
        "body",
        _heading(read, wording),
        _section(
            wording.say("drawing"),
            drawing(read, wording, made_at=made_at, bus=bus, rest=rest),
            _legend(read, wording, rest),
        ),
        _section(wording.say("facts"), _facts(read, wording)),
        _section(wording.say("clocks"), _clocks(read, wording)),
        _section(wording.say("delay"), [_delay(name, delay, wording) for name, delay in _delays(read, wording)]),
        _section(wording.say("notes"), _notes(wording)),
        element("footer", element("p.quiet", made)),
    )
    running = " · ".join([read.case, *(exchange.exchange for exchange in read.exchanges[:1] if not read.of_case)])
    return document(title, body, wording, running=running)


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


def _section(title: str, *content: Child) -> Element:
    return element("section", element("h2", title), *content)


def _heading(timeline: Timeline, wording: Wording) -> Element:
    kinds = dict.fromkeys(wording.kind(exchange.kind) for exchange in timeline.exchanges)
    about = _pair(wording.say("case"), timeline.case, "strong")
    if not timeline.of_case:
        about += _standing(timeline.exchanges[0], wording)
    return element(
        "header",
        element("h1", wording.say("case_timeline" if timeline.of_case else "timeline")),
        element("p.kind", wording.one("、", ", ").join(kinds)),
        element("dl", about, _parties(timeline, wording)),
        _exchanges(timeline, wording) if timeline.of_case else None,
    )


def _exchanges(timeline: Timeline, wording: Wording) -> Element:
    """How each exchange of a case stands."""
    rows = [
        element(
            "tr",
            element("td", wording.kind(exchange.kind), element("p.quiet", exchange.exchange)),
            element("td.strong", _status(exchange, wording)),
            element("td", wording.names(exchange.moves) or wording.say("nobody")),
            element("td", moment(exchange.opened), element("p.quiet", moment(exchange.changed))),
        )
        for exchange in timeline.exchanges
    ]
    heads = [(wording.say(word), "") for word in ("kind", "status", "move", "period")]
    return element("div.standing", _table(heads, rows, ("39%", "20%", "25%", "16%")))


def _parties(timeline: Timeline, wording: Wording) -> list[Element]:
    """The parties with all roles that they have."""
    found: dict[str, tuple[Member, dict[str, None]]] = {}
    for exchange in timeline.exchanges:
        for party in exchange.parties:
            found.setdefault(party.agency, (party, {}))[1][wording.role(party.role)] = None
    people = [
        element("p", wording.name(party), " ", element("span.quiet", f"{'/'.join(roles)} · {party.agency}"))
        for party, roles in found.values()
    ]
    return _pair(wording.say("parties"), people)


def _status(exchange: Exchange, wording: Wording) -> str:
    over = wording.say("ended" if exchange.ended else "open")
    return wording.one(f"{wording.status(exchange.status)}({over})", f"{wording.status(exchange.status)} ({over})")


def _standing(exchange: Exchange, wording: Wording) -> list[Element]:
    period = wording.say("span", begin=moment(exchange.opened), end=moment(exchange.changed))
    return [
        *_pair(wording.say("exchange"), exchange.exchange, "mono"),
        *_pair(wording.say("status"), _status(exchange, wording), "strong"),
        *_pair(wording.say("move"), wording.names(exchange.moves) or wording.say("nobody"), "strong"),
        *_pair(wording.say("period"), period),
    ]


def _pair(term: str, meaning: Child, look: str = "") -> list[Element]:
    return [element("dt", term), element(f"dd.{look}" if look else "dd", meaning)]


def _legend(timeline: Timeline, wording: Wording, rest: Collection[date]) -> Element:
    clocks = [clock for _, clock in named_clocks(timeline)]
    states = {clock.state for clock in clocks}
    shown = {
        "fact": True,
        "bus": any(
            entry.statement and entry.statement.type.startswith("cn.liandong.common.clock_")
            for entry in timeline.entries
        ),
        "stub": any(entry.statement is None for entry in timeline.entries),
        "met": "met" in states,
        "late": "late" in states or any(clock.overdue for clock in clocks),
        "running": bool(states & {"running", "suspended"}),
        "gap": any(clock.suspensions for clock in clocks),
        "void": "void" in states,
        "delivered": any(entry.deliveries for entry in timeline.entries),
        "retrieved": any(copy.stage == "retrieved" for entry in timeline.entries for copy in entry.deliveries),
        "rest": bool(rest),
    }
    return element(
        "div.legend",
        [element("span", key(name), wording.say(f"key_{name}")) for name, used in shown.items() if used],
    )


def _table(heads: Sequence[tuple[str, str]], rows: Iterable[Element], widths: Sequence[str]) -> Element:
    return element(
        "table",
        element("colgroup", [element("col", style=f"width:{width}") for width in widths]),
        element("thead", element("tr", [element(f"th.{look}" if look else "th", head) for head, look in heads])),
        element("tbody", rows),
    )


def _facts(timeline: Timeline, wording: Wording) -> Element:
    heads = [(wording.say(word), "") for word in ("number", "when", "who", "what", "status_after")]
    kinds = {exchange.key: wording.kind(exchange.kind) for exchange in timeline.exchanges} if timeline.of_case else {}
    rows = [
        _fact(number, entry, kinds.get((entry.kind, entry.exchange)), wording)
        for number, entry in enumerate(timeline.entries, 1)
    ]
    return _table(heads, rows, ("7%", "19%", "22%", "30%", "22%"))


def _fact(number: int, entry: Entry, kind: str | None, wording: Wording) -> Element:
    said = entry.statement
    of = element("p.quiet", f"{kind} #{entry.sequence}") if kind else None
    if said is None:
        return element(
            "tr.stub",
            element("td.nowrap", str(number)),
            element(
                "td.time", element("p.quiet", wording.say("recorded", at=moment(entry.recordedtime, seconds=True)))
            ),
            element("td", wording.say("unknown")),
            element("td", wording.say("stub"), element("p.quiet", wording.say("stub_text")), of),
            element("td", wording.say("unknown")),
        )
    return element(
        "tr",
        element("td.nowrap", str(number)),
        element(
            "td.time",
            moment(said.acceptedtime, seconds=True),
            element("p.quiet", wording.say("happened", at=moment(said.time, seconds=True))),
            element("p.quiet", wording.say("recorded", at=moment(entry.recordedtime, seconds=True))),
        ),
        element("td", wording.name(said.source), element("p.quiet", said.source.agency)),
        element(
            "td",
            element("p.strong", wording.one(said.title_zh, said.title_en)),
            of,
            [element("p.quiet", line) for line in _about(entry, said, wording)],
        ),
        element(
            "td",
            wording.status(said.status),
            element("p.quiet", wording.say("next", who=wording.names(said.moves))) if said.moves else None,
        ),
    )


def _about(entry: Entry, said: Statement, wording: Wording) -> Iterator[str]:
    if said.leg:
        yield wording.say("for_leg", who=wording.name(said.leg))
    if said.inname:
        yield wording.say("in_name", who=wording.name(said.inname))
    if entry.deliveries:
        reached = {
            stage: {copy.agency for copy in entry.deliveries if copy.stage == stage}
            for stage in ("delivered", "retrieved")
        }
        yield wording.say("copies", delivered=len(reached["delivered"]), retrieved=len(reached["retrieved"]))
    if said.withheld:
        yield wording.say("withheld_members", count=len(said.withheld))


def _clocks(timeline: Timeline, wording: Wording) -> Child:
    numbers = {(entry.kind, entry.exchange, entry.sequence): number for number, entry in enumerate(timeline.entries, 1)}
    rows: list[Element] = []
    names = iter(named_clocks(timeline))
    for exchange in timeline.exchanges:
        own = {sequence: number for (kind, id_, sequence), number in numbers.items() if (kind, id_) == exchange.key}
        rows += [_clock(*next(names), own, wording) for _ in exchange.clocks]
    if not rows:
        return element("p.quiet", wording.say("nothing"))
    heads = [("", ""), *((wording.say(word), "") for word in ("rule", "duty", "started", "due", "done", "result"))]
    return _table(heads, rows, ("5%", "29%", "17%", "13%", "13%", "11%", "12%"))


def _clock(name: str, clock: Clock, numbers: dict[int, int], wording: Wording) -> Element:
    def by(sequence: int | None) -> Element | None:
        number = numbers.get(sequence or 0)
        return element("p.quiet", wording.say("by_fact", number=number)) if number else None

    marks = [] if clock.verified else [wording.say("not_verified")]
    if clock.provisional:
        marks.append(wording.say("provisional", years=wording.one("、", ", ").join(map(str, clock.provisional))))
    moved, void = clock.original_due != clock.due, clock.state == "void"
    return element(
        "tr",
        element("td.nowrap", name),
        element(
            "td",
            element("p.strong", clock.rule),
            element("p", wording.one(clock.title_zh, clock.title_en)),
            element("p.quiet", clock.basis),
            [element("p", element("span.flag", mark)) for mark in marks],
        ),
        element("td", wording.name(clock.agency)),
        element("td", moment(clock.started_at), by(clock.started_by)),
        element(
            "td",
            deadline(clock.due),
            element("p.quiet", wording.say("original_due", at=deadline(clock.original_due))) if moved else None,
            [element("p.quiet", line) for line in _moves(clock, numbers, wording)],
        ),
        element("td", *(("—",) if void or not clock.stopped_at else (moment(clock.stopped_at), by(clock.stopped_by)))),
        element(
            "td",
            [element("p.strong", line) for line in _result(clock, wording)],
            by(clock.stopped_by) if void else None,
            [element("p.quiet", line) for line in _said(clock, numbers, wording)],
        ),
    )


def _result(clock: Clock, wording: Wording) -> Iterator[str]:
    word = "overdue" if clock.overdue else clock.state
    yield wording.say(word)
    if word in {"overdue", "late"}:
        yield wording.length(clock.late_s or 0)


def _moves(clock: Clock, numbers: dict[int, int], wording: Wording) -> Iterator[str]:
    still = sum((end - begin).total_seconds() for begin, end in clock.suspensions)
    if still:
        yield wording.say("suspended_for", length=wording.length(still))
    extended = [str(numbers[sequence]) for sequence in clock.extensions if sequence in numbers]
    if extended:
        yield wording.say("extended_by", numbers=", ".join(extended))


def _said(clock: Clock, numbers: dict[int, int], wording: Wording) -> Iterator[str]:
    for word, sequence in (("warning", clock.warned), ("expiry", clock.expired), ("annulled", clock.annulled)):
        if sequence in numbers:
            yield wording.say(word, number=wording.say("by_fact", number=numbers[sequence]))


def _delays(timeline: Timeline, wording: Wording) -> Iterator[tuple[str | None, Delay]]:
    for exchange in timeline.exchanges:
        if exchange.delay:
            yield (wording.kind(exchange.kind) if timeline.of_case else None), exchange.delay
    if timeline.of_case and timeline.delay and len(timeline.exchanges) > 1:
        yield wording.say("total"), timeline.delay


def _delay(name: str | None, delay: Delay, wording: Wording) -> Element:
    whole = sum((item.seconds for item in delay.totals), Decimal())
    parts = shares([item.seconds for item in delay.totals])
    rows: list[Element] = []
    for _, group in groupby(zip(delay.totals, parts, strict=True), lambda pair: pair[0].account.agency):
        rows += _account(list(group), wording)
    rows.append(
        element(
            "tr.total",
            element("td", wording.say("total"), colspan=2),
            element("td.number", wording.length(whole)),
            element("td.number", f"{sum(parts, Decimal())} %"),
            element("td"),
        )
    )
    heads = [
        (wording.say("who"), ""),
        (wording.say("cause"), ""),
        (wording.say("length"), "number"),
        (wording.say("share"), "number"),
        ("", ""),
    ]
    about = [name] if name else []
    if delay.begin and delay.end:
        about.append(wording.say("span", begin=moment(delay.begin), end=moment(delay.end)))
    return element(
        "div",
        element("p.period", " · ".join(about)),
        _table(heads, rows, ("31%", "15%", "15%", "10%", "29%")),
    )


def _account(items: Sequence[tuple[Share, Decimal]], wording: Wording) -> Iterator[Element]:
    """The rows of one agency, with its sum where there are several."""
    whole = wording.length(sum((item.seconds for item, _ in items), Decimal()))
    together = f"{wording.say('total')} {whole} · {sum((part for _, part in items), Decimal())} %"
    for index, (item, part) in enumerate(items):
        who = [
            wording.name(item.account),
            element("p.quiet", together) if len(items) > 1 else None,
        ]
        yield element(
            "tr",
            element("td", who, rowspan=len(items)) if index == 0 else None,
            element("td", wording.one(item.cause_zh, item.cause)),
            element("td.number", wording.length(item.seconds)),
            element("td.number", f"{part} %"),
            element("td", _bar(part)),
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


def _bar(part: Decimal) -> Element:
    width = max(float(part), 0.3)
    return element(
        "svg.bar",
        element("rect", x=0, y=0, width=width, height=6, fill=INK),
        viewBox="0 0 100 6",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def _notes(wording: Wording) -> Element:
    return element(
        "dl.notes",
        [item for name, words in NOTES.items() for item in _pair(wording.one(*TERMS[name]), wording.one(*words))],
    )
