"""The figures of a period as a page to be printed: indicators with their lights, counts, delays and findings; pure.

    figures_html(indicators(…), language="zh", made_at=…, bus="310112-bus", names=Names(agencies, rules, grounds))

A light is a circle (green), a triangle (amber), a square (red) or a ring (no data): it shows without colour.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal
from xml.etree.ElementTree import Element

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from contracts.agencies import Agencies
from contracts.canonical import Document
from contracts.grounds import Grounds
from contracts.rules import Rules
from events.registry import facts
from services.audit.printing.drawing import LATE, MET, QUIET
from services.audit.printing.markup import Child, element
from services.audit.printing.sheet import bar, document, pair, section, shares, table
from services.audit.printing.wording import Language, Wording, deadline, moment

_AMBER: Final = "#b7791f"
_HUNDREDTH: Final = Decimal("0.1")

Light = Literal["green", "amber", "red", "none"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Described(_Part):
    id: str
    title_zh: str
    title_en: str
    unit: Literal["share", "days"]
    source: str
    status: str


class _Value(_Part):
    id: str
    numerator: int
    denominator: int
    value: Decimal | None
    light: Light


class _Kind(_Part):
    kind: str
    sent: int
    received: int
    ended: int
    open: int


class _Refused(_Part):
    fact: str
    ground: str
    count: int


class _Overdue(_Part):
    rule: str
    count: int
    total_s: int
    worst_s: int
    running: int
    running_total_s: int
    running_worst_s: int


class _Time(_Part):
    cause: str
    seconds: Decimal


class _Block(_Part):
    opened: int
    ended: int
    open: int
    indicators: tuple[_Value, ...]
    exchanges: tuple[_Kind, ...]
    refused: tuple[_Refused, ...]
    overdue: tuple[_Overdue, ...]
    forwards: dict[str, int]
    letters: dict[str, int]
    notices: dict[str, int] = {}
    delay: tuple[_Time, ...]


class _OfAgency(_Block):
    agency: str


class _Published(_Part):
    name: str
    title_zh: str
    unit: str
    seed: str
    published: int | str
    derived: int | str | None
    equal: bool


class _Publication(_Part):
    title_zh: str
    title_en: str
    source: str
    inconsistencies: tuple[str, ...]


class _Figures(_Part):
    begin: AwareDatetime = Field(alias="from")
    end: AwareDatetime = Field(alias="to")
    indicators: tuple[_Described, ...]
    total: _Block | None
    agencies: tuple[_OfAgency, ...]
    figures: tuple[_Published, ...] = ()
    publications: tuple[_Publication, ...] = ()


class _Evidence(_Part):
    kind: str
    exchange: str
    sequence: int


class _Finding(_Part):
    title_zh: str
    title_en: str
    notice_zh: str
    notice_en: str
    wording_zh: str
    wording_en: str
    innocent_zh: tuple[str, ...]
    source: str
    status: str
    case: str
    agencies: tuple[str, ...]
    occurred: AwareDatetime
    late: bool
    numbers: dict[str, int | str]
    evidence: tuple[_Evidence, ...]


@dataclass(frozen=True, slots=True)
class Names:
    """What the codes in figures stand for."""

    agencies: Agencies
    rules: Rules
    grounds: Grounds

    def agency(self, code: str, wording: Wording) -> str:
        """The name of an agency, or its code."""
        found = self.agencies.get(code)
        return wording.one(found.name, found.name_en) if found else code

    def rule(self, code: str, wording: Wording) -> str:
        """The title of a rule's newest version, or nothing."""
        versions = self.rules.by_id.get(code, ())
        return wording.one(versions[-1].title_zh, versions[-1].title) if versions else ""

    def ground(self, code: str, wording: Wording) -> str:
        """The title of a ground, or its code."""
        rules = (rule for rules in self.grounds.by_kind.values() for rule in rules)
        found = next((rule for rule in rules if rule.code == code), None)
        return wording.one(found.title_zh, found.title_en) if found else code


def figures_html(
    figures: Document,
    *,
    language: Language,
    made_at: datetime,
    bus: str,
    names: Names,
    findings: Sequence[Document] = (),
) -> str:
    """The page of a period's figures, of one agency or of all. `made_at`: as of when, aware; `bus`: its code."""
    read, wording = _Figures.model_validate(figures), Wording(language)
    period = wording.say("span", begin=moment(read.begin), end=deadline(read.end))
    made = wording.say("made_by", bus=names.agency(bus, wording), at=moment(made_at))
    blocks: list[tuple[str, _Block]] = [(names.agency(item.agency, wording), item) for item in read.agencies]
    if read.total:
        blocks.insert(0, (wording.say("everybody"), read.total))
    body = element(
        "body",
        element(
            "header",
            element("h1", wording.say("figures")),
            element("p.kind", period),
            element("p.quiet.made", made),
        ),
        section(wording.say("published_figures"), _published(read, wording)) if read.figures else None,
        section(wording.say("overview"), _overview(blocks, read, wording), _lights(wording)),
        [section(name, _block(block, names, wording)) for name, block in blocks],
        _findings([_Finding.model_validate(item) for item in findings], names, wording) if findings else None,
        section(wording.say("indicator_sources"), _sources(read, wording)),
    )
    title = f"{wording.say('figures')} · {period}"
    return document(title, body, wording, running=title)


def _published(figures: _Figures, wording: Wording) -> list[Element]:
    """What was published beside what the log gives, and what in the publication does not fit."""
    heads = [
        (wording.say("figure"), ""),
        (wording.say("unit"), ""),
        (wording.say("published"), "number"),
        (wording.say("derived"), "number"),
        ("", ""),
        (wording.say("seed"), ""),
    ]
    rows = [
        element(
            "tr",
            element("td", wording.one(item.title_zh, item.name.replace("_", " "))),
            element("td", item.unit),
            element("td.number", str(item.published)),
            element("td.number", "—" if item.derived is None else str(item.derived)),
            element("td", "=" if item.equal else "≠"),
            element("td", item.seed),
        )
        for item in figures.figures
    ]
    told = [
        element("p.quiet", line)
        for item in figures.publications
        for line in (f"{wording.one(item.title_zh, item.title_en)}: {item.source}", *item.inconsistencies)
    ]
    return [table(heads, rows, ("36%", "10%", "14%", "14%", "4%", "22%")), *told]


def _overview(blocks: Sequence[tuple[str, _Block]], figures: _Figures, wording: Wording) -> Element:
    """Agencies against indicators."""
    described = {item.id: item for item in figures.indicators}
    heads = [
        (wording.say("agency"), ""),
        *((wording.one(item.title_zh, item.title_en), "") for item in described.values()),
    ]
    rows = [
        element(
            "tr",
            element("td", name),
            [element("td", _value(value, described[value.id], wording)) for value in block.indicators],
        )
        for name, block in blocks
    ]
    wide = 72 / max(1, len(described))
    return table(heads, rows, ("28%", *(f"{wide:.2f}%" for _ in described)))


def _value(value: _Value, described: _Described, wording: Wording) -> list[Element]:
    if value.value is None:
        return [element("p.light", light(value.light, wording), "—")]
    if described.unit == "days":
        words, of = wording.say("days", value=f"{value.value.quantize(_HUNDREDTH)}"), f"n = {value.denominator}"
    else:
        words = f"{(value.value * 100).quantize(_HUNDREDTH)} %"
        of = wording.say("of", numerator=value.numerator, denominator=value.denominator)
    return [element("p.light", light(value.light, wording), words), element("p.quiet", of)]


def light(name: Light, wording: Wording) -> Element:
    """A traffic light: its shape says what its colour says."""
    shapes = {
        "green": element("circle", cx=6, cy=6, r=5, fill=MET),
        "amber": element("path", d="M6,0.8 L11.4,10.8 H0.6 z", fill=_AMBER),
        "red": element("rect", x=1, y=1, width=10, height=10, fill=LATE),
        "none": element("circle", cx=6, cy=6, r=4.4, fill="none", stroke=QUIET, stroke_width=1.2),
    }
    return element("svg.lamp", shapes[name], viewBox="0 0 12 12", role="img", aria_label=wording.say(name))


def _lights(wording: Wording) -> Element:
    names: tuple[Light, ...] = ("green", "amber", "red", "none")
    return element("div.legend", [element("span", light(name, wording), wording.say(name)) for name in names])


def _block(block: _Block, names: Names, wording: Wording) -> Iterator[Element]:
    counts = [("opened", block.opened), ("closed", block.ended), ("pending", block.open)]
    yield element("p", " · ".join(f"{wording.say(word)} {count}" for word, count in counts))
    if block.exchanges:
        yield from _titled("exchanges", _exchanges(block, wording), wording)
    if block.overdue:
        yield from _titled("overdue_rules", _overdue(block, names, wording), wording)
    if block.refused:
        yield from _titled("refused", _refused(block, names, wording), wording)
    if block.delay:
        yield from _titled("delay_by_cause", _delay(block, wording), wording)
    for word, numbers in (("forwards", block.forwards), ("notices", block.notices), ("letters", block.letters)):
        if any(numbers.values()):
            yield element("p.quiet", wording.say(word, **numbers))


def _titled(word: str, content: Child, wording: Wording) -> list[Element]:
    return [element("h3", wording.say(word)), element("div", content)]


def _exchanges(block: _Block, wording: Wording) -> Element:
    words = ("sent", "received", "closed", "pending")
    heads = [(wording.say("kind"), ""), *((wording.say(word), "number") for word in words)]
    rows = [
        _row(wording.kind(item.kind), *map(str, (item.sent, item.received, item.ended, item.open)))
        for item in block.exchanges
    ]
    return table(heads, rows, ("52%", "12%", "12%", "12%", "12%"))


def _overdue(block: _Block, names: Names, wording: Wording) -> Element:
    late, still, together, worst = (wording.say(word) for word in ("done_late", "still_due", "together", "worst"))
    heads = [(wording.say("rule"), ""), *((word, "number") for word in (late, together, worst, still, together, worst))]
    rows = [
        _row(
            [element("span.strong", item.rule), " ", names.rule(item.rule, wording)],
            str(item.count),
            _length(item.total_s, wording),
            _length(item.worst_s, wording),
            str(item.running),
            _length(item.running_total_s, wording),
            _length(item.running_worst_s, wording),
        )
        for item in block.overdue
    ]
    return table(heads, rows, ("34%", "9%", "13%", "13%", "9%", "11%", "11%"))


def _refused(block: _Block, names: Names, wording: Wording) -> Element:
    heads = [(wording.say("what"), ""), (wording.say("ground"), ""), (wording.say("count"), "number")]
    rows = [
        element(
            "tr",
            element("td", _fact(item.fact, wording)),
            element("td", names.ground(item.ground, wording), " ", element("span.quiet", item.ground)),
            element("td.number", str(item.count)),
        )
        for item in block.refused
    ]
    return table(heads, rows, ("30%", "58%", "12%"))


def _fact(name: str, wording: Wording) -> str:
    """A fact by its short name, which several kinds may have, each with words of its own."""
    titles = dict.fromkeys(fact.title_zh for fact in facts().values() if fact.name() == name)
    return wording.one("/".join(titles) or name, name.replace("_", " "))


def _delay(block: _Block, wording: Wording) -> Element:
    parts = shares([item.seconds for item in block.delay])
    heads = [(wording.say("cause"), ""), (wording.say("length"), "number"), (wording.say("share"), "number"), ("", "")]
    rows = [
        element(
            "tr",
            element("td", wording.cause(item.cause)),
            element("td.number", wording.length(item.seconds)),
            element("td.number", f"{part} %"),
            element("td", bar(part)),
        )
        for item, part in zip(block.delay, parts, strict=True)
    ]
    return table(heads, rows, ("28%", "18%", "12%", "42%"))


def _findings(found: Sequence[_Finding], names: Names, wording: Wording) -> Element:
    notice = wording.one(found[0].notice_zh, found[0].notice_en)
    return section(
        wording.say("findings"), element("p.strong", notice), [_finding(item, names, wording) for item in found]
    )


def _finding(item: _Finding, names: Names, wording: Wording) -> Element:
    concerned = wording.one("、", ", ").join(names.agency(code, wording) for code in item.agencies)
    about = [
        *pair(wording.say("case"), item.case),
        *pair(wording.say("who"), concerned),
        *pair(wording.say("occurred"), moment(item.occurred)),
    ]
    if item.numbers:
        compared = wording.one("; ", "; ").join(f"{name}: {value}" for name, value in item.numbers.items())
        about += pair(wording.say("numbers"), compared)
    rests = [element("p.mono", f"{it.kind}/{it.exchange} #{it.sequence}") for it in item.evidence]
    about += pair(wording.say("rests_on"), rests)
    about += pair(wording.say("innocent"), [element("p", words) for words in item.innocent_zh])
    about += pair(wording.say("source"), f"{item.source} ({item.status})")
    late = element("span.flag", wording.say("came_late")) if item.late else None
    return element(
        "article",
        element("h3", wording.one(item.title_zh, item.title_en), " ", late),
        element("p", wording.one(item.wording_zh, item.wording_en)),
        element("dl.notes", about),
    )


def _sources(figures: _Figures, wording: Wording) -> Element:
    about = [
        item
        for one in figures.indicators
        for item in pair(wording.one(one.title_zh, one.title_en), f"{one.source} ({one.status})")
    ]
    return element("dl.notes", about)


def _row(first: Child, *numbers: str) -> Element:
    return element("tr", element("td", first), [element("td.number", number) for number in numbers])


def _length(seconds: int, wording: Wording) -> str:
    return wording.length(seconds) if seconds else "—"
