"""A timeline as a drawing: days from left to right, a lane for each agency, the bus, and what is withheld; pure.

    drawing(timeline, wording, made_at=…, rest=…)      an `svg`; its unit is a quarter of a millimetre

Facts are numbered marks in the lane of who stated them, in the order of the timeline's entries; their number is that of
the table of facts. Where they crowd, marks stand beside each other and a line leads to the instant. Clocks are bars in
the lane of whose duty it is, C1, C2, … in the order of the table of clocks. All differences show without colour.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final, NamedTuple
from xml.etree.ElementTree import Element

from contracts.calendar import SHANGHAI
from services.audit.printing.markup import element
from services.audit.printing.views import Agency, Clock, Delivery, Entry, Timeline
from services.audit.printing.wording import Wording, deadline, moment

WIDTH: Final = 720.0
_LEFT: Final = 122.0
_RIGHT: Final = WIDTH - 8
_TOP: Final = 34.0
_MARK: Final = 7.0
_APART: Final = 16.5
_BAR: Final = 7.0
_BAR_ROW: Final = 15.0
_MARK_ROW: Final = 17.0
_LABEL: Final = 9.0

INK: Final = "#1d2329"
QUIET: Final = "#6d757d"
FAINT: Final = "#d5d9dd"
MET: Final = "#2c6e4f"
LATE: Final = "#b3261e"
RUNNING: Final = "#2d5b9a"

_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_STEPS: Final = (*(_HOUR * hours for hours in (1, 3, 6, 12)), *(_DAY * days for days in (1, 2, 7, 14)))
_MONTHS: Final = (1, 3, 6, 12, 60, 1200)
_MONDAY: Final = datetime(2024, 1, 1, tzinfo=SHANGHAI)
"""Where steps are counted from: the first day of a week, a month and a year"""

_WITHHELD: Final = ""
"""The lane of stubs: nobody's code"""


class Span(NamedTuple):
    """A stretch of time on a line of a page: instants become distances from the left."""

    begin: datetime
    end: datetime
    left: float = _LEFT
    right: float = _RIGHT

    def x(self, at: datetime) -> float:
        """The place of an instant; one outside of the stretch is at its edge."""
        share = (at - self.begin) / (self.end - self.begin)
        return self.left + (self.right - self.left) * min(1.0, max(0.0, share))


class _Mark(NamedTuple):
    number: int
    entry: Entry
    at: float
    """The instant's place"""
    x: float
    row: int
    boxed: bool
    """Whether a bus stated it"""


class _Bar(NamedTuple):
    name: str
    clock: Clock
    begin: float
    end: float
    row: int
    label: float
    anchor: str
    """Where the label is: after the bar, or before it, or inside where neither has room"""


@dataclass(frozen=True, slots=True)
class _Lane:
    name: str
    marks: tuple[_Mark, ...]
    bars: tuple[_Bar, ...]
    deliveries: tuple[Delivery, ...]

    @property
    def line(self) -> float:
        """How far below its upper edge the lane's line is."""
        rows = max((mark.row for mark in self.marks), default=-1) + 1
        return 9 + rows * _MARK_ROW + (5 if rows else 0)

    @property
    def height(self) -> float:
        rows = max((bar.row for bar in self.bars), default=-1) + 1
        return max(self.line + 14 + rows * _BAR_ROW, 40)


def drawing(timeline: Timeline, wording: Wording, *, made_at: datetime, rest: Collection[date] = ()) -> Element:
    """The drawing. `made_at`: what is not over is drawn to here, aware; `rest`: days to be hatched."""
    span = stretch(timeline, made_at)
    lanes = _lanes(timeline, wording, span, made_at)
    height = _TOP + sum(lane.height for lane in lanes)
    drawn = element(
        "svg.timeline",
        _patterns(),
        _rest_days(span, rest, height),
        _axis(span, height),
        viewBox=f"0 0 {WIDTH:g} {height + 2:g}",
        role="img",
        aria_label=wording.say("drawing"),
    )
    top = _TOP
    for lane in lanes:
        drawn.append(_drawn_lane(lane, top, span, wording, made_at))
        top += lane.height
    drawn.append(_now(span, made_at, height, wording))
    return drawn


def stretch(timeline: Timeline, made_at: datetime) -> Span:
    """What the drawing spans: all facts, and dues and the present as far as they do not squeeze the facts."""
    known = [entry.at for entry in timeline.entries]
    clocks = [clock for exchange in timeline.exchanges for clock in exchange.clocks]
    known += [clock.started_at for clock in clocks] + [clock.stopped_at for clock in clocks if clock.stopped_at]
    first, last = min(known, default=made_at), max(known, default=made_at)
    ahead = [clock.due for clock in clocks]
    ahead += [made_at] if any(not exchange.ended for exchange in timeline.exchanges) else []
    room = max((last - first) * 0.4, _DAY)
    end = max(last, min(max(ahead, default=last), last + room))
    margin = max((end - first) * 0.02, timedelta(minutes=30))
    return Span(first - margin, end + margin)


def _lanes(timeline: Timeline, wording: Wording, span: Span, made_at: datetime) -> list[_Lane]:
    """Parties by when they appear, then others, the bus, and what is withheld."""
    authors: dict[str, list[tuple[int, Entry]]] = {}
    for number, entry in enumerate(timeline.entries, 1):
        authors.setdefault(entry.author or _WITHHELD, []).append((number, entry))
    bars: dict[str, list[tuple[str, Clock]]] = {}
    for name, clock in named_clocks(timeline):
        bars.setdefault(clock.agency.agency, []).append((name, clock))
    copies: dict[str, list[Delivery]] = {}
    for entry in timeline.entries:
        for copy in entry.deliveries:
            copies.setdefault(copy.agency, []).append(copy)
    names = _names(timeline, wording)
    last = [*sorted(timeline.buses), _WITHHELD]
    order = [code for code in names if code not in last] + [code for code in last if code in authors]
    return [
        _Lane(
            name=names.get(code, wording.say("stub")),
            marks=_placed(authors.get(code, []), span, boxed=code in timeline.buses),
            bars=_packed(bars.get(code, []), span, made_at),
            deliveries=tuple(copies.get(code, ())),
        )
        for code in order
    ]


def named_clocks(timeline: Timeline) -> list[tuple[str, Clock]]:
    """The clocks with the names that drawing and tables give them."""
    clocks = (clock for exchange in timeline.exchanges for clock in exchange.clocks)
    return [(f"C{number}", clock) for number, clock in enumerate(clocks, 1)]


def _names(timeline: Timeline, wording: Wording) -> dict[str, str]:
    found: dict[str, str] = {}

    def add(agency: Agency) -> None:
        found.setdefault(agency.agency, wording.name(agency))

    for exchange in timeline.exchanges:
        add(exchange.opener)
    for entry in timeline.entries:
        if entry.statement:
            add(entry.statement.source)
    for exchange in timeline.exchanges:
        for agency in (*exchange.parties, *(clock.agency for clock in exchange.clocks)):
            add(agency)
    return found


def _placed(entries: Sequence[tuple[int, Entry]], span: Span, *, boxed: bool) -> tuple[_Mark, ...]:
    """Where marks stand: near their instants, never on each other, in as few rows as hold them."""
    room = int((span.right - span.left) / _APART)
    rows = max(1, -(-len(entries) // room))
    placed: list[_Mark] = []
    for row in range(rows):
        own = entries[row::rows]
        places = [span.x(entry.at) for _, entry in own]
        low, high = span.left + _APART / 2, span.right - _APART / 2
        for (number, entry), at, x in zip(own, places, spread(places, _APART, low, high), strict=True):
            placed.append(_Mark(number, entry, at, x, row, boxed))
    return tuple(sorted(placed))


def spread(places: Sequence[float], apart: float, low: float, high: float) -> list[float]:
    """Ascending or not, the places in their order, moved as little as keeps them `apart` and within `low` and `high`.

    Neighbours that would touch are joined into a block around the mean of what its members want. There must be room.
    """
    blocks: list[tuple[float, int]] = []  # where a block's first member would like to be, and how many it has
    for place in places:
        start, size = place, 1
        while blocks and blocks[-1][0] + blocks[-1][1] * apart > start:
            before, count = blocks.pop()
            start = (before * count + (start - count * apart) * size) / (count + size)
            size += count
        blocks.append((start, size))
    found = [start + index * apart for start, size in blocks for index in range(size)]
    count = len(found)
    return [
        min(max(place, low + index * apart), high - (count - 1 - index) * apart) for index, place in enumerate(found)
    ]


def _packed(clocks: Sequence[tuple[str, Clock]], span: Span, made_at: datetime) -> tuple[_Bar, ...]:
    """Bars in as few rows as let each have its label beside it."""
    free: list[float] = []
    packed: list[_Bar] = []
    for name, clock in sorted(clocks, key=lambda item: (item[1].started_at, item[0])):
        begin, end = span.x(clock.started_at), span.x(max(clock.due, _until(clock, made_at)))
        wide = 6 + 5.4 * len(_label(name, clock))
        before = end + wide > WIDTH
        inside = before and begin - wide < span.left
        left, right = (begin - wide if before and not inside else begin), (end if before else end + wide)
        row = next((row for row, taken in enumerate(free) if taken <= left), len(free))
        free[row:] = [right + 4, *free[row + 1 :]]
        place = end - 6 if inside else begin - 4 if before else end + 6
        packed.append(_Bar(name, clock, begin, end, row, place, "end" if before else "start"))
    return tuple(packed)


def _until(clock: Clock, made_at: datetime) -> datetime:
    """To where a clock has run."""
    return clock.stopped_at or max(made_at, clock.started_at)


def _label(name: str, clock: Clock) -> str:
    return f"{name} {clock.rule}"


def _patterns() -> Element:
    return element(
        "defs",
        element(
            "pattern",
            element("rect", width=4, height=4, fill="#fff"),
            element("path", d="M-1,1 l2,-2 M0,4 l4,-4 M3,5 l2,-2", stroke=LATE, stroke_width=1.4),
            id="late", width=4, height=4, patternUnits="userSpaceOnUse",
        ),
        element(
            "pattern",
            element("path", d="M-1,1 l2,-2 M0,6 l6,-6 M5,7 l2,-2", stroke=FAINT, stroke_width=0.7),
            id="rest", width=6, height=6, patternUnits="userSpaceOnUse",
        ),
    )  # fmt: skip


def _rest_days(span: Span, rest: Collection[date], height: float) -> Element:
    hatched = element("g.rest")
    for day in sorted(rest):
        begin = datetime.combine(day, time(), SHANGHAI)
        left, right = span.x(begin), span.x(begin + _DAY)
        if right - left >= 2:
            hatched.append(element("rect", x=left, y=_TOP, width=right - left, height=height - _TOP, fill="url(#rest)"))
    return hatched


def _axis(span: Span, height: float) -> Element:
    axis = element("g.axis", element("line", x1=_LEFT, y1=_TOP, x2=_RIGHT, y2=_TOP, stroke=INK, stroke_width=0.8))
    year, found = 0, list(ticks(span))
    days = all(at.time() == time() for at in found)
    for at in found:
        x = span.x(at)
        axis.append(element("line", x1=x, y1=_TOP - 4, x2=x, y2=height, stroke=FAINT, stroke_width=0.5))
        words = f"{at:%m-%d}" if days or at.time() == time() else f"{at:%H:%M}"
        # Near the edge a label is pushed inwards.
        anchor, place = ("end", _RIGHT) if x > _RIGHT - 14 else ("middle", x)
        axis.append(_words(place, _TOP - 8, words, anchor=anchor, fill=INK))
        if at.year != year:
            year = at.year
            first = f"{at:%Y}" if days else f"{at:%Y-%m-%d}"
            axis.append(_words(place, _TOP - 20, first, anchor=anchor, fill=QUIET))
    return axis


def ticks(span: Span) -> Iterator[datetime]:
    """Instants to be labelled, in Shanghai: round hours, days, Mondays, firsts of months; as many as fit."""
    most = max(1, int((span.right - span.left) / 42))
    length = span.end - span.begin
    step = next((step for step in _STEPS if length / step <= most), None)
    if step:
        at = _MONDAY + step * (-(-(span.begin - _MONDAY) // step))
        while at <= span.end:
            yield at
            at += step
        return
    months = next(months for months in _MONTHS if length / (30 * _DAY * months) <= most)
    first = span.begin.astimezone(SHANGHAI)
    number = -(-(first.year * 12 + first.month - 1) // months)
    while (at := datetime(number * months // 12, number * months % 12 + 1, 1, tzinfo=SHANGHAI)) <= span.end:
        if at >= span.begin:
            yield at
        number += 1


def _drawn_lane(lane: _Lane, top: float, span: Span, wording: Wording, made_at: datetime) -> Element:
    line = top + lane.line
    drawn = element(
        "g.lane",
        element("line", x1=0, y1=top, x2=_RIGHT, y2=top, stroke=FAINT, stroke_width=0.8) if top > _TOP else None,
        _title(lane.name, top, wording),
        element("line", x1=_LEFT, y1=line, x2=_RIGHT, y2=line, stroke=QUIET, stroke_width=0.8),
    )
    for copy in lane.deliveries:
        x, delivered = span.x(copy.time), copy.stage == "delivered"
        tick = element("line", x1=x, y1=line, x2=x, y2=line + 5, stroke=QUIET, stroke_width=0.8)
        dot = element("circle", cx=x, cy=line + 3.5, r=1.6, fill="#fff", stroke=QUIET, stroke_width=0.7)
        drawn.append(tick if delivered else dot)
    for bar in lane.bars:
        drawn.append(_drawn_bar(bar, line + 9 + bar.row * _BAR_ROW, span, made_at))
    # Leading lines first: no mark is crossed by the line of another.
    drawn.extend(_leader(mark, top, line) for mark in lane.marks)
    drawn.extend(_drawn_mark(mark, top, wording) for mark in lane.marks)
    return drawn


def _title(name: str, top: float, wording: Wording) -> Element:
    lines = _wrapped(name, wording)
    return element(
        "g",
        element("title", name),
        (_words(0, top + 13 + 10.5 * index, words, fill=INK) for index, words in enumerate(lines)),
    )


def _wrapped(name: str, wording: Wording) -> list[str]:
    """A name in three lines at most."""
    wide = 12 if wording.language == "zh" else 23
    lines = [""]
    for piece in name if wording.language == "zh" else name.split():
        glue = " " if lines[-1] and wording.language == "en" else ""
        if lines[-1] and len(lines[-1]) + len(glue) + len(piece) > wide:
            lines.append(piece[:wide])
        else:
            lines[-1] += (glue + piece)[:wide]
    return lines if len(lines) <= 3 else [*lines[:2], f"{lines[2][: wide - 1]}…"]


def _y(mark: _Mark, top: float) -> float:
    return top + 9 + mark.row * _MARK_ROW + _MARK_ROW / 2


def _leader(mark: _Mark, top: float, line: float) -> Element:
    path = f"M{mark.x:.1f},{_y(mark, top):.1f} V{line - 6:.1f} L{mark.at:.1f},{line:.1f}"
    return element("path.leader", d=path, fill="none", stroke=QUIET, stroke_width=0.6)


def _drawn_mark(mark: _Mark, top: float, wording: Wording) -> Element:
    said, y = mark.entry.statement, _y(mark, top)
    digits = element(
        "text", str(mark.number), x=mark.x, y=y + 2.8, text_anchor="middle",
        font_size=8 if mark.number < 100 else 6.5, fill=INK if said is None or mark.boxed else "#fff",
    )  # fmt: skip
    if said is None:
        d = f"M{mark.x - 8:.1f},{y:.1f} l8,-8 l8,8 l-8,8 z"
        shape = element("path", d=d, fill="#fff", stroke=QUIET, stroke_width=0.9, stroke_dasharray="2 1.4")
    elif mark.boxed:
        side = 2 * _MARK - 1
        x = mark.x - side / 2
        shape = element("rect", x=x, y=y - side / 2, width=side, height=side, fill="#fff", stroke=INK, stroke_width=1.1)
    else:
        shape = element("circle", cx=mark.x, cy=y, r=_MARK, fill=INK)
    what = wording.one(said.title_zh, said.title_en) if said else wording.say("stub")
    tip = element("title", f"{mark.number}  {what}  {moment(mark.entry.at, seconds=True)}")
    return element("g.mark", tip, shape, digits, data_entry=mark.number)


def _drawn_bar(bar: _Bar, y: float, span: Span, made_at: datetime) -> Element:
    clock, middle = bar.clock, y + _BAR / 2
    drawn = element(
        "g.clock", element("title", f"{_label(bar.name, clock)}  {deadline(clock.due)}"), data_clock=bar.name
    )
    drawn.extend(_body(clock, y, span, made_at))
    due = span.x(clock.due)
    if clock.due <= span.end:
        drawn.append(element("line", x1=due, y1=y - 2, x2=due, y2=y + _BAR + 2, stroke=INK, stroke_width=1.3))
    else:
        drawn.append(
            element("path", d=f"M{due - 5:.1f},{y:.1f} l5,{_BAR / 2:g} l-5,{_BAR / 2:g}", fill="none", stroke=INK)
        )
    if clock.stopped_at is not None and clock.state != "void":
        drawn.append(_act(span.x(clock.stopped_at), middle, late=clock.state == "late"))
    words = _label(bar.name, clock)
    if bar.begin < bar.label < bar.end:
        wide = 6 + 5.4 * len(words)
        drawn.append(element("rect", x=bar.label - wide + 2, y=y - 1, width=wide, height=_BAR + 2, fill="#fff"))
    drawn.append(_words(bar.label, middle + 3, words, anchor=bar.anchor, fill=INK))
    return drawn


def _act(x: float, y: float, *, late: bool) -> Element:
    if late:
        return element("path.act", d=f"M{x - 3:.1f},{y - 3:.1f} l6,6 m0,-6 l-6,6", stroke=INK, stroke_width=1.5)
    return element("circle.act", cx=x, cy=y, r=2.6, fill="#fff", stroke=INK, stroke_width=1.2)


def _body(clock: Clock, y: float, span: Span, made_at: datetime) -> Iterator[Element]:
    begin, due = span.x(clock.started_at), span.x(clock.due)
    until = span.x(_until(clock, made_at))

    def box(left: float, right: float, **look: str | float) -> Element:
        return element("rect", x=left, y=y, width=max(right - left, 0.8), height=_BAR, **look)

    if clock.state == "void":
        yield box(begin, due, fill="none", stroke=QUIET, stroke_width=0.9, stroke_dasharray="3 2")
        return
    yield box(begin, due, fill="#fff", stroke=QUIET, stroke_width=0.7)
    runs = clock.stopped_at is None
    for left, right in _running_parts(clock, min(clock.due, _until(clock, made_at))):
        yield box(span.x(left), span.x(right), fill=RUNNING if runs else MET)
        if runs:
            yield _seam(span.x(left), span.x(right), y + _BAR / 2)
    for left, right in clock.stood_still(made_at):
        x, width = span.x(left), span.x(right) - span.x(left)
        yield element("rect", x=x, y=y, width=width, height=_BAR, fill="#fff", stroke=QUIET, stroke_width=0.7)
        yield _gap(x + 1, x + width - 1, y + _BAR / 2)
    if until > due and clock.state != "suspended":
        yield box(due, until, fill="url(#late)", stroke=LATE, stroke_width=0.7)


def _seam(left: float, right: float, y: float) -> Element:
    """What tells a bar that runs from one that is over, without colour."""
    return element("line.seam", x1=left, y1=y, x2=right, y2=y, stroke="#fff", stroke_width=1.4)


def _gap(left: float, right: float, y: float) -> Element:
    look = {"stroke": QUIET, "stroke_dasharray": "1.2 2.2"}
    return element("line.gap", x1=left, y1=y, x2=right, y2=y, stroke_width=1.1, **look)


def _running_parts(clock: Clock, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    begin = clock.started_at
    for left, right in clock.stood_still(until):
        if begin < min(left, until):
            yield begin, min(left, until)
        begin = max(begin, right)
    if begin < until:
        yield begin, until


def _now(span: Span, made_at: datetime, height: float, wording: Wording) -> Element:
    if not span.begin <= made_at <= span.end:
        return element("g.now")
    x = span.x(made_at)
    return element(
        "g.now",
        element("title", f"{wording.say('key_now')} {moment(made_at)}"),
        element("line", x1=x, y1=_TOP, x2=x, y2=height, stroke=INK, stroke_width=0.9, stroke_dasharray="1 2.5"),
        element("path", d=f"M{x - 3.5:.1f},{_TOP - 4:.1f} h7 l-3.5,4 z", fill=INK),
    )


def _words(x: float, y: float, words: str, *, fill: str, anchor: str = "start") -> Element:
    return element("text", words, x=x, y=y, fill=fill, text_anchor=anchor, font_size=_LABEL)


def key(name: str) -> Element:
    """A small picture for the legend, which the drawing's own patterns fill: the name of a phrase `key_…`."""
    return element("svg.key", _key(name), viewBox="0 0 26 14")


def _key(name: str) -> Sequence[Element]:
    def box(left: float = 1, width: float = 24, **look: str | float) -> Element:
        return element("rect", x=left, y=3.5, width=width, height=_BAR, **look)

    def due(x: float) -> Element:
        return element("line", x1=x, y1=1.5, x2=x, y2=12.5, stroke=INK, stroke_width=1.3)

    empty = box(fill="#fff", stroke=QUIET, stroke_width=0.7)
    over = box(11, 12, fill="url(#late)", stroke=LATE, stroke_width=0.7)
    line = element("line", x1=2, y1=4, x2=24, y2=4, stroke=QUIET, stroke_width=0.8)
    diamond = "M6,7 l7,-6.5 l7,6.5 l-7,6.5 z"
    pictures = {
        "fact": [element("circle", cx=13, cy=7, r=6, fill=INK)],
        "bus": [element("rect", x=7, y=1, width=12, height=12, fill="#fff", stroke=INK, stroke_width=1.1)],
        "stub": [element("path", d=diamond, fill="#fff", stroke=QUIET, stroke_dasharray="2 1.4")],
        "met": [empty, box(width=14, fill=MET), _act(15, 7, late=False), due(25)],
        "late": [box(width=10, fill=MET), over, due(11), _act(22, 7, late=True)],
        "running": [empty, box(width=14, fill=RUNNING), _seam(1, 15, 7), due(25)],
        "gap": [empty, _gap(2, 24, 7)],
        "void": [box(fill="none", stroke=QUIET, stroke_width=0.9, stroke_dasharray="3 2")],
        "delivered": [line, element("line", x1=13, y1=4, x2=13, y2=9, stroke=QUIET, stroke_width=0.8)],
        "retrieved": [line, element("circle", cx=13, cy=7.5, r=1.8, fill="#fff", stroke=QUIET, stroke_width=0.8)],
        "now": [
            element("line", x1=13, y1=3, x2=13, y2=14, stroke=INK, stroke_width=0.9, stroke_dasharray="1 2.5"),
            element("path", d="M9.5,1 h7 l-3.5,4 z", fill=INK),
        ],
        "rest": [element("rect", x=1, y=1, width=24, height=12, fill="url(#rest)")],
    }
    return pictures[name]
