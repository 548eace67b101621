"""A timeline as a page to be printed: who stated what and when, drawn and in tables, with every clock and delay; pure.

    timeline_html(timeline, language="zh", made_at=…, bus="310112-bus")      one HTML document, nothing beside it

The same timeline gives the same page.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby
from xml.etree.ElementTree import Element

from contracts.canonical import Document
from services.audit.printing.drawing import drawing, key, named_clocks
from services.audit.printing.markup import Child, element
from services.audit.printing.sheet import bar, document, pair, section, shares, table
from services.audit.printing.views import Clock, Delay, End, Entry, Exchange, Member, Share, Statement, Timeline
from services.audit.printing.wording import NOTES, TERMS, Language, Wording, deadline, moment


def timeline_html(
    timeline: Document, *, language: Language, made_at: datetime, bus: str, rest: Collection[date] = ()
) -> str:
    """The page of a timeline, an exchange's or a case's.

    `made_at`: until when clocks that run are drawn, aware; `bus`: the bus's code; `rest`: days that are hatched.
    """
    read, wording = Timeline.of(timeline), Wording(language)
    accounts = [share.account for exchange in read.exchanges if exchange.delay for share in exchange.delay.totals]
    authors = [entry.statement.source for entry in read.entries if entry.statement]
    names = {agency.agency: wording.name(agency) for agency in (*accounts, *authors)}
    title = f"{wording.say('case_timeline' if read.of_case else 'timeline')} · {read.case}"
    made = wording.say("made_by", bus=names.get(bus, bus), at=moment(made_at))
    body = element(
        "body",
        _heading(read, made, wording),
        section(
            wording.say("drawing"),
            drawing(read, wording, made_at=made_at, rest=rest),
            _legend(read, wording, rest),
        ),
        section(wording.say("facts"), _facts(read, wording)),
        section(wording.say("clocks"), _clocks(read, wording)),
        section(wording.say("delay"), [_delay(name, delay, wording) for name, delay in _delays(read, wording)]),
        section(wording.say("notes"), _notes(wording)),
    )
    running = " · ".join([read.case, *(exchange.exchange for exchange in read.exchanges[:1] if not read.of_case)])
    return document(title, body, wording, running=running)


def _heading(timeline: Timeline, made: str, wording: Wording) -> Element:
    kinds = dict.fromkeys(wording.kind(exchange.kind) for exchange in timeline.exchanges)
    about = pair(wording.say("case"), timeline.case, "strong")
    if not timeline.of_case:
        about += _standing(timeline.exchanges[0], wording)
    return element(
        "header",
        element("h1", wording.say("case_timeline" if timeline.of_case else "timeline")),
        element("p.kind", wording.one("、", ", ").join(kinds)),
        element("p.quiet.made", made),
        element("dl", about, _parties(timeline, wording), _links(timeline, wording)),
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
    return element("div.standing", table(heads, rows, ("39%", "20%", "25%", "16%")))


def _links(timeline: Timeline, wording: Wording) -> list[Element]:
    """What the exchanges are to each other, and to some elsewhere."""
    lines = [
        element("p", f"{_end(link.origin, wording)} {wording.relation(link.relation)} {_end(link.to, wording)}")
        for link in timeline.links
    ]
    return pair(wording.say("links"), lines) if lines else []


def _end(end: End, wording: Wording) -> str:
    return f"{wording.kind(end.kind)} {end.exchange[-12:]}" + (f"#{end.sequence}" if end.sequence else "")


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
    return pair(wording.say("parties"), people)


def _status(exchange: Exchange, wording: Wording) -> str:
    over = wording.say("ended" if exchange.ended else "open")
    status = wording.status(exchange.kind, exchange.status)
    return wording.one(f"{status}({over})", f"{status} ({over})")


def _standing(exchange: Exchange, wording: Wording) -> list[Element]:
    period = wording.say("span", begin=moment(exchange.opened), end=moment(exchange.changed))
    return [
        *pair(wording.say("exchange"), exchange.exchange, "mono"),
        *pair(wording.say("status"), _status(exchange, wording), "strong"),
        *pair(wording.say("move"), wording.names(exchange.moves) or wording.say("nobody"), "strong"),
        *pair(wording.say("period"), period),
    ]


def _legend(timeline: Timeline, wording: Wording, rest: Collection[date]) -> Element:
    clocks = [clock for _, clock in named_clocks(timeline)]
    states = {clock.state for clock in clocks}
    shown = {
        "fact": True,
        "bus": any(entry.author in timeline.buses for entry in timeline.entries),
        "stub": any(entry.statement is None for entry in timeline.entries),
        "met": "met" in states,
        "late": "late" in states or any(clock.overdue for clock in clocks),
        "running": bool(states & {"running", "suspended"}),
        "gap": any(clock.suspensions for clock in clocks),
        "void": "void" in states,
        "delivered": any(entry.deliveries for entry in timeline.entries),
        "retrieved": any(copy.stage == "retrieved" for entry in timeline.entries for copy in entry.deliveries),
        "now": any(not exchange.ended for exchange in timeline.exchanges),
        "rest": bool(rest),
    }
    return element(
        "div.legend",
        [element("span", key(name), wording.say(f"key_{name}")) for name, used in shown.items() if used],
    )


def _facts(timeline: Timeline, wording: Wording) -> Element:
    heads = [(wording.say(word), "") for word in ("number", "when", "who", "what", "status_after")]
    kinds = {exchange.key: wording.kind(exchange.kind) for exchange in timeline.exchanges} if timeline.of_case else {}
    rows = [
        _fact(number, entry, kinds.get((entry.kind, entry.exchange)), wording)
        for number, entry in enumerate(timeline.entries, 1)
    ]
    return table(heads, rows, ("7%", "19%", "22%", "30%", "22%"))


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
            wording.status(entry.kind, said.status),
            element("p.quiet", wording.say("next", who=wording.names(said.moves))) if said.moves else None,
        ),
    )


def _about(entry: Entry, said: Statement, wording: Wording) -> Iterator[str]:
    if said.leg:
        yield wording.say("for_leg", who=wording.name(said.leg))
    if said.inname:
        yield wording.say("in_name", who=wording.name(said.inname))
    if said.signedby:
        yield wording.say("signed_by", who=wording.name(said.signedby))
    if entry.deliveries:
        reached = {
            stage: {copy.agency for copy in entry.deliveries if copy.stage == stage}
            for stage in ("delivered", "retrieved")
        }
        yield wording.say("copies", delivered=len(reached["delivered"]), retrieved=len(reached["retrieved"]))
    if said.withheld:
        yield wording.say("withheld_members", count=len(said.withheld))


def _clocks(timeline: Timeline, wording: Wording) -> Child:
    numbers: dict[tuple[str, str], dict[int, int]] = {}
    for number, entry in enumerate(timeline.entries, 1):
        numbers.setdefault((entry.kind, entry.exchange), {})[entry.sequence] = number
    named = iter(named_clocks(timeline))
    rows = [
        _clock(*next(named), numbers.get(exchange.key, {}), wording)
        for exchange in timeline.exchanges
        for _ in exchange.clocks
    ]
    if not rows:
        return element("p.quiet", wording.say("nothing"))
    heads = [("", ""), *((wording.say(word), "") for word in ("rule", "duty", "started", "due", "done", "result"))]
    return table(heads, rows, ("5%", "29%", "17%", "13%", "13%", "11%", "12%"))


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
    still = sum((end - begin).total_seconds() for begin, end in clock.suspensions if end is not None)
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
        table(heads, rows, ("31%", "15%", "15%", "10%", "29%")),
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
            element("td", wording.one(item.cause_zh, wording.cause(item.cause))),
            element("td.number", wording.length(item.seconds)),
            element("td.number", f"{part} %"),
            element("td", bar(part)),
        )


def _notes(wording: Wording) -> Element:
    return element(
        "dl.notes",
        [item for name, words in NOTES.items() for item in pair(wording.one(*TERMS[name]), wording.one(*words))],
    )
