"""The rules of `contracts/clocks` name real facts and members, and make sense on the tables of their kinds."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, Final

import pytest

from contracts.clock_reference import page
from contracts.counting import DAY, HOUR, Unit
from contracts.rules import By, Rule, packaged
from events.fact import Fact
from events.registry import COMMON_KIND, facts, kind_of, kinds
from services.kernel.kinds import lifecycles
from services.kernel.lifecycle import UNOPENED, Lifecycle, Role, State

ROOT: Final = Path(__file__).parents[2]
RULES: Final = list(chain.from_iterable(packaged().by_id.values()))
TABLES: Final = {
    kind: table for kind, table in lifecycles("transfers").items() if any(rule.kind == kind for rule in RULES)
}

# The facts of the kinds that have no facts of their own yet, by their short names.
PLANNED: Final = {
    "notice": "sent acknowledged not_ours followed_up closed",
    "bulletin": "published read entry_withdrawn",
    "publicity": "handed_over published refused objected upheld amended repaired withdrawn",
    "letter": "issued receipted replied item_completed reviewed closed objected maintained revised revoked",
    "lead": "opened receipted traced not_found refused filed evidence_shared result_reported closed",
    "assist": "requested answered extended refused closed",
    "coordination": "raised position_stated settled escalated designated",
    "jointop": "proposed confirmed declined postponed cancelled held finding_assigned finding_answered minuted closed",
    "demand": "posted claimed escalated assigned done confirmed reopened",
    "undertaking": "listed progressed done reviewed meeting_held",
    "supervision": "opened inspected rectified relapsed qualification_followed_up closed",
    "workorder": "dispatched accepted sent_back redispatched upheld done verified reopened closed case_linked chased",
    "annotation": "requested recorded refused release_requested rectification_certified determination_revoked released "
    "release_refused",
    "filing": "submitted commented corrected accepted",
}

CATALOGUE: Final = """
RX-01 RX-02 RX-03 RX-04 RX-05 RX-06 RX-07 RX-08 RX-09 RX-10 RX-11 RX-12 RX-13 RX-14 RX-15 RX-16 RX-16-S RX-17
RX-17-7 RX-17-30 RX-18 RX-18-15 RX-19 RX-20 RX-21 FX-01 FX-02 FX-03 FX-04 FX-05 FX-06 XCF-25 XCF-26 XCF-48 XCF-60
XCF-61 XCF-63 XCF-64 CG-26 CG-26-T CG-28 CG-29 CW-05 CW-07 CW-07-B CW-09 WY-59 HL-1 HL-5 HL-15 SGS-07 SGS-03
WZ-24 LT-15 LD-01 GY-21 GY-21-U SJ-08 FY-48 XF-15 XF-60 XY-36-1 XY-36-2 XY-36-5 XY-37 YS-67 ZA-118 ST-476 ST-1179
TR-01 TR-02 TR-03 TR-04 TR-05 TR-06 TR-07
"""


def of_kind(kind: str) -> dict[str, type[Fact]]:
    """The facts of a kind and those of every kind, by short name."""
    return {fact.name(): fact for type_, fact in facts().items() if kind_of(type_) in {kind, COMMON_KIND}}


def known(kind: str) -> set[str]:
    return set(of_kind(kind)) if kind in kinds() else set(PLANNED[kind].split())


def formats(fact: type[Fact], member: str) -> set[str]:
    """`date` or `date-time`, as the schema has it."""
    schema: Mapping[str, Any] = fact.model_json_schema(mode="validation")["properties"][member]
    return {str(option.get("format")) for option in schema.get("anyOf", [schema]) if option.get("type") != "null"}


def versions(rule: Rule) -> str:
    return rule.version


def test_every_timer_of_the_law_stands_there() -> None:
    assert set(CATALOGUE.split()) <= set(packaged().by_id)


@pytest.mark.parametrize("rule", RULES, ids=versions)
def test_a_rule_names_facts_of_its_kind(rule: Rule) -> None:
    assert rule.kind in {*kinds(), *PLANNED}
    named = {start.fact for start in rule.starts} | {*rule.stops, *rule.suspends, *rule.resumes}
    assert named <= known(rule.kind)


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.kind in kinds()], ids=versions)
def test_a_rule_names_members_that_are_dates(rule: Rule) -> None:
    built = of_kind(rule.kind)
    for start in rule.starts:
        if start.by is By.STATED:
            assert start.member is not None
            assert formats(built[start.fact], start.member) <= {"date", "date-time"}
        if rule.agreed is not None:
            assert formats(built[start.fact], rule.agreed) == {"date"}


@pytest.mark.parametrize("rule", RULES, ids=versions)
def test_what_was_not_read_says_how_it_is_known(rule: Rule) -> None:
    source = rule.source
    if not source.verified:
        assert source.note is not None
        assert "second-hand" in source.note or "recalled" in source.note
    assert source.agreed == source.law.startswith("约定时限") or rule.id == "WZ-24"


@pytest.mark.parametrize("rule", RULES, ids=versions)
def test_a_rule_that_starts_nothing_says_why(rule: Rule) -> None:
    if not rule.starts:
        assert rule.source.note is not None
        words = ("nothing starts", "no number", "no timer", "no limit", "not on the bus")
        assert any(word in rule.source.note for word in words), rule.source.note
    else:
        assert rule.limit is not None or rule.agreed is not None


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.limit is not None], ids=versions)
def test_a_warning_comes_before_it_is_due_and_after_the_start(rule: Rule) -> None:
    assert rule.warn is not None
    assert rule.limit is not None
    lengths = {Unit.HOURS: HOUR, Unit.DAYS: DAY, Unit.WORKING_DAYS: DAY, Unit.MONTHS: DAY * 28}
    assert lengths[rule.warn.unit] * rule.warn.amount < lengths[rule.limit.unit] * rule.limit.amount


@pytest.mark.parametrize("rule", RULES, ids=versions)
def test_working_days_need_no_rolling(rule: Rule) -> None:
    assert not (rule.roll and rule.limit and rule.limit.unit is Unit.WORKING_DAYS)


def test_a_version_ends_where_the_next_begins() -> None:
    for found in packaged().by_id.values():
        for older, newer in pairwise(found):
            assert older.valid_to == newer.valid_from, newer.version


def test_the_reference_page_is_drawn_from_the_rules() -> None:
    assert (ROOT / "docs" / "reference" / "clocks.md").read_text(encoding="utf-8") == page(packaged())


# --- on the tables of the kinds that are built -----------------------------------------------------------------------

# Nobody's clock runs there: no law gives a number, or the act may never come.
WITHOUT: Final = {
    "transfer": set[str](),
    "referral": {
        "handed_over",  # the investigation
        "oversight_suggested",  # the procuratorate's, no number
        "explained",  # the procuratorate's, no number
        "filing_due",  # after reconsideration was successful; ordered by the procuratorate it is RX-18-15
        "explanation_upheld",  # FX-03, RX-12: 及时
        "case_withdrawn",
        "not_prosecuted",
    },
}

Running = frozenset[tuple[str, bool]]
"""Rule and whether it stands still."""


@dataclass(frozen=True)
class Point:
    """Where a walk through the tables has got to."""

    status: str
    running: Running


def newest(kind: str) -> dict[str, Rule]:
    return {rule.id: rule for rule in RULES if rule.kind == kind and rule.valid_to is None}


def after(lifecycle: Lifecycle[State], point: Point, fact: type[Fact], *, elsewhere: bool) -> Point:
    """The point after a fact. `elsewhere`: whether the recipient is another agency from then on."""
    rules, name = newest(lifecycle.kind), fact.name()
    status = lifecycle.transitions[point.status][fact]
    if lifecycle.ended(status):
        return Point(status, frozenset())
    found = dict[str, bool]()
    for id_, still in point.running:
        rule = rules[id_]
        if name in rule.stops or (elsewhere and rule.duty == str(Role.RECIPIENT)):
            continue
        found[id_] = (still or name in rule.suspends) and name not in rule.resumes
    for rule in rules.values():
        if name in {start.fact for start in rule.starts}:
            found.setdefault(rule.id, False)
    return Point(status, frozenset(found.items()))


def walked(lifecycle: Lifecycle[State]) -> Iterator[Point]:
    """Every point that can be reached."""
    start = Point(UNOPENED, frozenset())
    seen, todo = {start}, [start]
    while todo:
        point = todo.pop()
        for fact in lifecycle.transitions[point.status]:
            ways = {"forwarded": [True], "designated": [True, False]}.get(fact.name(), [False])
            for elsewhere in ways:
                following = after(lifecycle, point, fact, elsewhere=elsewhere)
                if following not in seen:
                    seen.add(following)
                    todo.append(following)
                    yield following


def reachable(lifecycle: Lifecycle[State], status: str) -> set[str]:
    """The facts that can still come, by short name."""
    seen, todo, names = {status}, [status], set[str]()
    while todo:
        for fact, following in lifecycle.transitions[todo.pop()].items():
            names.add(fact.name())
            if following not in seen:
                seen.add(following)
                todo.append(following)
    return names


@pytest.mark.parametrize("kind", TABLES)
def test_every_clock_that_runs_can_be_stopped_by_whose_duty_it_is(kind: str) -> None:
    lifecycle, rules = TABLES[kind], newest(kind)
    speakers = {fact.name(): roles for fact, roles in lifecycle.speakers.items()}
    for point in walked(lifecycle):
        can_come = reachable(lifecycle, point.status)
        for id_, still in point.running:
            rule = rules[id_]
            mine = {name for name in can_come & {*rule.stops} if rule.duty in speakers[name]}
            assert mine or (still and can_come & {*rule.resumes}), (point, id_)


@pytest.mark.parametrize("kind", TABLES)
def test_a_clock_runs_only_against_who_is_to_move(kind: str) -> None:
    lifecycle, rules = TABLES[kind], newest(kind)
    for point in walked(lifecycle):
        for id_, still in point.running:
            assert still or rules[id_].duty == lifecycle.awaits[point.status], (point, id_)


@pytest.mark.parametrize("kind", TABLES)
def test_where_somebody_is_to_move_a_clock_runs(kind: str) -> None:
    lifecycle = TABLES[kind]
    without = {point.status for point in walked(lifecycle) if not any(not still for _, still in point.running)}
    assert without - {status for status in without if lifecycle.ended(status)} == WITHOUT[kind]


@pytest.mark.parametrize("kind", TABLES)
def test_every_rule_that_starts_is_reached(kind: str) -> None:
    lifecycle = TABLES[kind]
    reached = {id_ for point in walked(lifecycle) for id_, _ in point.running}
    assert reached == {rule.id for rule in newest(kind).values() if rule.starts}
