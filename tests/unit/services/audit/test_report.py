"""The printed pages: whole HTML, nothing loaded, nothing run, every fact and clock drawn and told."""

import json
import re
from collections import Counter
from copy import deepcopy
from datetime import date, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.calendar import SHANGHAI
from contracts.calendar import packaged as calendars
from contracts.grounds import load
from contracts.rules import packaged as rules
from services.audit.figures import figures
from services.audit.indicators import indicators
from services.audit.printing.drawing import Span, spread, ticks
from services.audit.printing.figures_page import Names, figures_html
from services.audit.printing.sheet import shares
from services.audit.printing.timeline_page import timeline_html
from services.audit.printing.wording import CAUSES, ROLES, Language, Wording, deadline
from services.kernel.exchange import Role
from tests.support.factory import BUS, world
from tests.support.play import POLICE
from tests.support.told import NOW, Told, at, case, referral, timeline, transfer

_VOID = {"meta", "col", "br", "link", "img"}
_LANGUAGES: tuple[Language, ...] = ("zh", "en")
_HOSTILE = "</title></style><script>alert(1)</script><img src=x onerror=alert(1)> & \"'\u202e"

NAMES = Names(world().agencies, rules(), load())


class Read(HTMLParser):
    """A page: its elements with their attributes, its words, and whether all that was opened is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def of_class(self, name: str) -> list[dict[str, str]]:
        return [about for _, about in self.elements if name in about.get("class", "").split()]


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    return timeline(referral())


@pytest.fixture(scope="module")
def of_case() -> dict[str, Any]:
    return case([referral(), transfer()])


@pytest.fixture(scope="module")
def counted() -> dict[str, Any]:
    known = [figures(item.records, item.stages, [], rules(), calendars()) for item in (referral(), transfer())]
    return indicators(known, at(1, 0), at(45, 0), NOW)


def page(document: dict[str, Any], language: Language = "zh", rest: tuple[date, ...] = ()) -> str:
    return timeline_html(document, language=language, made_at=NOW, bus=BUS, rest=rest)


def listed(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return list(json.loads(json.dumps(document[name])))


def spoiled(value: Any) -> Any:
    """A document in which every name and word is hostile."""
    match value:
        case dict():
            named = {"name", "name_en", "title_zh", "title_en", "case", "basis", "cause_zh", "status", "role"}
            return {
                key: _HOSTILE if key in named and isinstance(item, str) else spoiled(item)
                for key, item in value.items()
            }
        case list():
            return [spoiled(item) for item in value]
        case _:
            return value


def loads_nothing(page: str) -> None:
    read = Read(page)
    assert {tag for tag, _ in read.elements} <= {
        "html", "head", "meta", "title", "style", "body", "header", "section", "article", "h1", "h2", "h3", "p", "span",
        "div", "dl", "dt", "dd", "table", "colgroup", "col", "thead", "tbody", "tr", "th", "td",
        "svg", "defs", "pattern", "g", "rect", "path", "line", "circle", "text",
    }  # fmt: skip
    assert not [
        name for _, about in read.elements for name in about if name.startswith("on") or name in {"src", "href"}
    ]
    assert not re.search(r"https?://|@import|url\((?!#)", page)
    (policy,) = (about["content"] for _, about in read.elements if about.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")


@pytest.mark.parametrize("language", _LANGUAGES)
def test_a_page_loads_and_runs_nothing(told: dict[str, Any], of_case: dict[str, Any], language: Language) -> None:
    for document in (told, of_case, timeline(referral(), POLICE)):
        loads_nothing(page(document, language))


@pytest.mark.parametrize("language", _LANGUAGES)
def test_no_name_breaks_out_of_its_place(of_case: dict[str, Any], told: dict[str, Any], language: Language) -> None:
    for document in (of_case, told):
        made = page(spoiled(document), language)
        loads_nothing(made)
        assert "<script" not in made
        assert "\u202e" not in made
        assert "<script>alert(1)</script>" in Read(made).text


def test_every_fact_is_drawn_with_its_number_and_told_in_the_table(told: dict[str, Any]) -> None:
    read = Read(page(told))
    marks = [int(mark["data-entry"]) for mark in read.of_class("mark")]
    assert sorted(marks) == list(range(1, 19))
    for entry in listed(told, "entries"):
        assert entry["title_zh"] in read.words


def test_every_clock_is_drawn_and_told_in_the_table(told: dict[str, Any]) -> None:
    read = Read(page(told))
    clocks = listed(told, "clocks")
    assert sorted(bar["data-clock"] for bar in read.of_class("clock")) == sorted(
        f"C{n + 1}" for n in range(len(clocks))
    )
    for clock in clocks:
        assert clock["rule"] in read.words
        assert clock["title_zh"] in read.words


def test_a_case_draws_all_its_exchanges(of_case: dict[str, Any]) -> None:
    read = Read(page(of_case))
    assert len(read.of_class("mark")) == len(listed(of_case, "entries"))
    clocks = [clock for exchange in listed(of_case, "exchanges") for clock in exchange["clocks"]]
    assert len(read.of_class("clock")) == len(clocks)
    assert {"涉嫌犯罪案件移送", "案件移送"} <= set(read.words)


def test_a_page_says_where_the_exchange_stands(told: dict[str, Any]) -> None:
    words = Read(page(told)).words
    assert "已立案(办理中)" in words
    assert words[words.index("待办单位") + 1] == "上海市闵行区城市管理行政执法局"
    english = Read(page(told, "en")).words
    assert "filed (open)" in english
    assert english[english.index("Whose move") + 1].startswith("Minhang District Urban Management")


def test_a_deadline_at_midnight_is_the_end_of_the_day_before(told: dict[str, Any]) -> None:
    words = Read(page(told)).words
    assert "2026-11-09 24:00" in words
    assert deadline(datetime(2026, 11, 10, tzinfo=SHANGHAI)) == "2026-11-09 24:00"


def test_what_is_late_is_said_with_its_length(told: dict[str, Any]) -> None:
    text = Read(page(told)).text
    assert "逾期 5小时" in text
    assert "已逾期 3天 9小时" in text
    assert "不是对责任或者过错的认定" in text


def test_a_clock_that_rests_on_what_is_not_certain_is_flagged(told: dict[str, Any]) -> None:
    document = deepcopy(told)
    sure, unsure, *_ = listed(told, "clocks")
    document["clocks"] = [
        {**sure, "verified": True, "provisional": []},
        {**unsure, "verified": False, "provisional": [2027, 2028]},
    ]
    read = Read(page(document))
    assert len(read.of_class("flag")) == 2
    assert "暂定: 2027、2028 年放假安排未公布" in read.words
    document["clocks"] = [{**sure, "verified": True, "provisional": []}]
    assert not Read(page(document)).of_class("flag")


def test_states_differ_in_shape(told: dict[str, Any]) -> None:
    document = deepcopy(told)
    clocks = listed(told, "clocks")
    looks: dict[str, frozenset[tuple[tuple[str, str], ...]]] = {}
    for state in ("met", "late", "running", "void"):
        changes: dict[str, Any] = {"state": state, "overdue": False}
        if state == "running":
            changes |= {"stopped_by": None, "stopped_at": None}
        document["clocks"] = [{**clocks[6 if state == "late" else 7], **changes}]
        drawn = Read(page(document)).elements
        begin = next(index for index, (_, about) in enumerate(drawn) if about.get("class") == "clock")
        about = [item for _, item in drawn[begin + 1 : begin + 8]]
        colourless = {"stroke-dasharray", "class", "stroke-width"}
        patterns = {("fill", item["fill"]) for item in about if item.get("fill", "").startswith("url")}
        looks[state] = frozenset(
            {tuple((name, value) for name, value in item.items() if name in colourless) for item in about}
            | {tuple(patterns)}
        )
    assert len(set(looks.values())) == 4


def test_a_clock_that_no_longer_applies_is_an_empty_dashed_bar(told: dict[str, Any]) -> None:
    document = deepcopy(told)
    document["clocks"] = [{**listed(told, "clocks")[7], "state": "void"}]
    drawn = page(document).split('class="clock"')[1].split("</g>")[0]
    assert re.findall(r'<rect [^>]*fill="([^"]*)"[^>]*stroke-dasharray', drawn) == ["none"]
    assert drawn.count("<rect") == 1
    assert "不再适用" in Read(page(document)).text


def test_the_number_of_a_mark_can_be_read_on_its_ground() -> None:
    made = page(timeline(referral(), POLICE))
    assert re.search(r'stroke-dasharray="2 1.4"></path><text [^>]*fill="#1d2329">1</text>', made)
    assert re.search(r'r="7" fill="#1d2329"></circle><text [^>]*fill="#fff">5</text>', made)


def test_a_withheld_entry_is_drawn_and_told_without_content() -> None:
    read = Read(page(timeline(referral(), POLICE)))
    assert len(read.of_class("mark")) == 18
    assert len(read.of_class("stub")) == 4
    assert "批准移送" not in read.text
    assert "RX-03" not in read.text


def test_rest_days_are_hatched(told: dict[str, Any]) -> None:
    hatched = page(told, rest=(date(2026, 11, 14), date(2026, 11, 15)))
    assert hatched.count('fill="url(#rest)"') == 3  # and once in the legend
    assert "休息日" in hatched
    assert "休息日" not in page(told)


def test_delays_add_up_to_their_span(told: dict[str, Any]) -> None:
    words = Read(page(told)).words
    assert "100.0 %" in words
    assert words[words.index("100.0 %") - 1] == Wording("zh").length(Decimal(str(told["delay"]["span_s"])))


def test_the_same_timeline_gives_the_same_page(told: dict[str, Any]) -> None:
    assert page(told) == page(json.loads(json.dumps(told)))


def test_an_exchange_of_one_fact_has_a_page() -> None:
    whole = transfer()
    first = Told(whole.records[:1], tuple(stage for stage in whole.stages if stage.sequence == 1))
    read = Read(page(timeline(first, now=at(6, 9))))
    assert len(read.of_class("mark")) == 1


def test_marks_never_cover_each_other_however_many_come_at_once(told: dict[str, Any]) -> None:
    document = deepcopy(told)
    again = listed(told, "entries")[4]
    document["entries"] = [{**again, "sequence": number} for number in range(1, 200)]
    made = page(document)
    places = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="7"', made)
    assert len(places) == 199
    by_row: dict[str, list[float]] = {}
    for x, y in places:
        by_row.setdefault(y, []).append(float(x))
    for row in by_row.values():
        ordered = sorted(row)
        assert all(right - left >= 14 for left, right in pairwise(ordered))


@given(st.lists(st.floats(0, 600), max_size=30))
def test_places_are_spread_in_order_within_bounds_and_no_more_than_needed(places: list[float]) -> None:
    places.sort()
    found = spread(places, 16, 0, 600)
    assert all(right - left >= 16 - 1e-6 for left, right in pairwise(found))
    assert all(-1e-6 <= place <= 600 + 1e-6 for place in found)
    if all(right - left >= 16 for left, right in pairwise(places)):
        assert found == pytest.approx(places)


@given(
    st.integers(0, 10**6).map(lambda hours: at(1, 0) + timedelta(hours=hours)),
    st.timedeltas(timedelta(minutes=10), timedelta(days=20000)),
)
def test_an_axis_always_has_room_for_its_labels(begin: datetime, length: timedelta) -> None:
    span = Span(begin, begin + length)
    found = [span.x(tick) for tick in ticks(span)]
    assert found == sorted(found)
    assert all(right - left >= 36 for left, right in pairwise(found))


@given(st.lists(st.decimals(0, 10**9, places=6), min_size=1, max_size=20))
def test_shares_are_a_hundred_per_cent_and_each_is_as_it_should(amounts: list[Decimal]) -> None:
    whole = sum(amounts)
    found = shares(amounts)
    if whole:
        assert sum(found) == 100
        assert all(
            abs(part - 100 * amount / whole) <= Decimal("0.1") for part, amount in zip(found, amounts, strict=True)
        )
    else:
        assert set(found) == {0}


def test_all_roles_have_words() -> None:
    assert {role.value for role in Role} == set(ROLES)


def test_statuses_and_kinds_speak_with_the_words_of_their_contract() -> None:
    assert Wording("zh").status("transfer", "sent") == "已移送"
    assert Wording("en").status("transfer", "taken_back") == "taken back"
    assert Wording("zh").kind("referral") == "涉嫌犯罪案件移送"
    assert Wording("zh").status("gone", "sent") == "sent"
    assert Wording("zh").kind("gone") == "gone"


@pytest.mark.parametrize(("seconds", "zh", "en"), [
    (0.2, "不足1秒", "under 1 s"),
    (59, "59秒", "59 s"),
    (3600, "1小时", "1 h"),
    (86_400 + 59, "1天", "1 d"),
    (86_400 * 400 + 7199, "400天 1小时", "400 d 1 h"),
])  # fmt: skip
def test_lengths_are_said_in_their_two_largest_units(seconds: float, zh: str, en: str) -> None:
    assert (Wording("zh").length(seconds), Wording("en").length(seconds)) == (zh, en)


@pytest.mark.parametrize("language", _LANGUAGES)
def test_figures_have_a_page(counted: dict[str, Any], language: Language) -> None:
    made = figures_html(counted, language=language, made_at=NOW, bus=BUS, names=NAMES)
    loads_nothing(made)
    read = Read(made)
    lamps = Counter(lamp["aria-label"] for lamp in read.of_class("lamp"))
    blocks = [counted["total"], *listed(counted, "agencies")]
    values = Counter(item["light"] for block in blocks for item in block["indicators"])
    for light in ("green", "amber", "red", "none"):
        assert lamps[Wording(language).say(light)] == values[light] + 1  # and once in the legend
    assert "RX-11" in read.words
    assert made == figures_html(json.loads(json.dumps(counted)), language=language, made_at=NOW, bus=BUS, names=NAMES)


def test_a_finding_on_a_page_says_that_it_accuses_nobody(counted: dict[str, Any]) -> None:
    finding: dict[str, Any] = {
        "title_zh": "线索", "title_en": "A lead", "notice_zh": "不是认定", "notice_en": "no finding of fault",
        "wording_zh": "请核查。", "wording_en": "Please check.", "innocent_zh": ["线下办理"], "source": "ours",
        "status": "ours", "case": _HOSTILE, "agencies": [POLICE], "occurred": "2026-12-01T00:00:00Z", "late": True,
        "numbers": {"days": 12}, "evidence": [{"kind": "referral", "exchange": "x", "sequence": 3}],
    }  # fmt: skip
    made = figures_html(counted, language="zh", made_at=NOW, bus=BUS, names=NAMES, findings=[finding])
    loads_nothing(made)
    words = Read(made).words
    assert {"不是认定", "请核查。", "线下办理", "已补, 但逾期", "referral/x #3"} <= set(words)


def test_causes_have_the_same_words_everywhere(told: dict[str, Any]) -> None:
    for share in told["delay"]["totals"]:
        assert CAUSES[share["cause"]][0] == share["cause_zh"]
