"""The rules of `contracts/clocks` name real facts and members, and make sense on the tables of their kinds."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain, pairwise, product
from pathlib import Path
from typing import Any, Final

import pytest

from contracts.clock_reference import page
from contracts.counting import DAY, HOUR, Unit
from contracts.kinds import packaged as packaged_kinds
from contracts.rules import By, Rule, Start, packaged
from events.fact import Fact
from events.registry import COMMON_KIND, facts, kind_of, kinds
from services.kernel.exchange import UNOPENED, Lifecycle, Role, State
from services.kernel.kinds import every_lifecycle

ROOT: Final = Path(__file__).parents[2]
RULES: Final = list(chain.from_iterable(packaged().by_id.values()))
TABLES: Final = {kind: table for kind, table in every_lifecycle().items() if kind != "tally"}

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


def formats(fact: type[Fact], member: str) -> set[str]:
    """`date` or `date-time`, as the schema has it."""
    schema: Mapping[str, Any] = fact.model_json_schema(mode="validation")["properties"][member]
    return {str(option.get("format")) for option in schema.get("anyOf", [schema]) if option.get("type") != "null"}


def codes_of(fact: type[Fact], member: str) -> set[str]:
    """The codes that a member may have; they must be such that clocks hear them."""
    schema: Mapping[str, Any] = fact.model_json_schema(mode="validation")
    option = schema["properties"][member]
    options = option.get("anyOf", [*option.get("allOf", []), option])
    named = [schema["$defs"][item["$ref"].rsplit("/", 1)[1]] if "$ref" in item else item for item in options]
    codes = {code for item in named for code in [*item.get("enum", []), *([item["const"]] if "const" in item else [])]}
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", code) for code in codes)
    return codes


RULED = sorted({rule.kind for rule in RULES})


def rules_of(kind: str) -> list[Rule]:
    return [rule for rule in RULES if rule.kind == kind]


def test_every_timer_of_the_law_stands_there() -> None:
    assert set(CATALOGUE.split()) <= set(packaged().by_id)


@pytest.mark.parametrize("kind", RULED)
def test_a_rule_names_facts_of_its_kind(kind: str) -> None:
    for rule in rules_of(kind):
        assert rule.kind in kinds()
        named = {start.fact for start in rule.starts} | {*rule.stops, *rule.ends, *rule.suspends, *rule.resumes}
        assert named <= set(of_kind(rule.kind))


@pytest.mark.parametrize("kind", RULED)
def test_a_rule_names_members_that_are_dates(kind: str) -> None:
    for rule in rules_of(kind):
        built = of_kind(rule.kind)
        for start in rule.starts:
            if start.by is By.STATED:
                assert start.member is not None
                assert formats(built[start.fact], start.member) <= {"date", "date-time"}
            if rule.agreed is not None:
                assert formats(built[start.fact], rule.agreed) == {"date"}
            for member, codes in start.where.items():
                assert {*codes} <= codes_of(built[start.fact], member)


@pytest.mark.parametrize("kind", RULED)
def test_what_was_not_read_says_how_it_is_known(kind: str) -> None:
    for rule in rules_of(kind):
        source = rule.source
        if not source.verified:
            assert source.note is not None
            assert "second-hand" in source.note or "recalled" in source.note
        assert source.agreed == source.law.startswith("约定时限") or rule.id == "WZ-24"


@pytest.mark.parametrize("kind", RULED)
def test_a_rule_that_starts_nothing_says_why(kind: str) -> None:
    for rule in rules_of(kind):
        if not rule.starts:
            assert rule.source.note is not None
            words = ("nothing starts", "no number", "no timer", "no limit", "not on the bus")
            assert any(word in rule.source.note for word in words), rule.source.note
        else:
            assert rule.limit is not None or rule.agreed is not None


@pytest.mark.parametrize("kind", RULED)
def test_a_warning_comes_before_it_is_due_and_after_the_start(kind: str) -> None:
    for rule in rules_of(kind):
        if rule.limit is None:
            continue
        assert rule.warn is not None, rule.version
        lengths = {Unit.HOURS: HOUR, Unit.DAYS: DAY, Unit.WORKING_DAYS: DAY, Unit.MONTHS: DAY * 28}
        assert lengths[rule.warn.unit] * rule.warn.amount < lengths[rule.limit.unit] * rule.limit.amount


@pytest.mark.parametrize("kind", RULED)
def test_working_days_need_no_rolling(kind: str) -> None:
    for rule in rules_of(kind):
        assert not (rule.roll and rule.limit and rule.limit.unit is Unit.WORKING_DAYS)


def test_a_version_ends_where_the_next_begins() -> None:
    for found in packaged().by_id.values():
        for older, newer in pairwise(found):
            assert older.valid_to == newer.valid_from, newer.version


def test_the_reference_page_is_drawn_from_the_rules() -> None:
    assert (ROOT / "docs" / "reference" / "clocks.md").read_text(encoding="utf-8") == page(packaged())


# --- on the tables of the kinds that are built -----------------------------------------------------------------------

Running = frozenset[tuple[str, bool]]
"""Rule and whether it stands still."""


@dataclass(frozen=True)
class Point:
    """Where a walk through the tables has got to; with several addressees, one of them is looked at."""

    status: str
    leg: str | None
    running: Running


def newest(kind: str) -> dict[str, Rule]:
    return {rule.id: rule for rule in RULES if rule.kind == kind and rule.valid_to is None}


def whose(lifecycle: Lifecycle[State], point: Point) -> Role | None:
    """Whose move it is."""
    by_leg = lifecycle.leg_awaits.get(point.leg or "") if point.status in lifecycle.rollup else None
    return by_leg or lifecycle.awaits[point.status]


def said(rules: Iterable[Rule], fact: type[Fact]) -> Iterator[dict[str, str]]:
    """Every way in which a fact can say what the conditions of rules ask for; empty where it says none of it."""
    starts = [start for rule in rules for start in rule.starts if start.fact == fact.name()]
    members = sorted({member for start in starts for member in start.where})
    options = [sorted(said_of(fact, member, starts)) for member in members]
    return (dict(zip(members, values, strict=True)) for values in product(*options))


def said_of(fact: type[Fact], member: str, starts: Iterable[Start]) -> set[str]:
    asked = {code for start in starts for code in start.where.get(member, ())}
    others = not fact.model_fields[member].is_required() or codes_of(fact, member) - asked
    return asked | ({""} if others else set[str]())


def legal(lifecycle: Lifecycle[State], point: Point) -> Iterator[tuple[type[Fact], str, str | None]]:
    """The facts that may follow, with the status and the leg that they lead to."""
    first = next(iter(lifecycle.leg_transitions), None)
    moving = {fact for row in lifecycle.leg_transitions.values() for fact in row}
    for fact, target in lifecycle.transitions[point.status].items():
        leg, status = point.leg, target
        if lifecycle.rollup and (point.status == UNOPENED or fact in lifecycle.asks_anew):
            leg = first
        elif lifecycle.rollup and fact in moving:
            row = lifecycle.leg_transitions[point.leg or ""]
            if fact not in row:
                continue
            leg = row[fact]
        if status in lifecycle.rollup and leg is not None:
            status = lifecycle.rolled({"": leg})
        yield fact, status, leg


def clocks_after(kind: str, point: Point, fact: type[Fact], words: dict[str, str], *, elsewhere: bool) -> Running:
    """The clocks after a fact. `elsewhere`: whether the recipient is another agency from then on."""
    rules, name = newest(kind), fact.name()
    found = dict[str, bool]()
    for id_, still in point.running:
        rule = rules[id_]
        if name in {*rule.stops, *rule.ends} or (elsewhere and rule.duty == str(Role.RECIPIENT)):
            continue
        found[id_] = (still or name in rule.suspends) and name not in rule.resumes
    for rule in rules.values():
        if any(start.fact == name and start.fits(words) for start in rule.starts):
            found.setdefault(rule.id, False)
    return frozenset(found.items())


EITHER = ("designated", "redispatched")
"""After these the recipient may be another one or the same."""


def passes_on(lifecycle: Lifecycle[State], fact: type[Fact]) -> list[bool]:
    """Whether the recipient is another one after a fact; both, where it may be either."""
    if fact.name() in EITHER:
        return [True, False]
    return [fact not in lifecycle.opening and "recipient" in fact.model_fields]


@cache
def walked(kind: str) -> frozenset[Point]:
    """Every point that can be reached."""
    lifecycle = TABLES[kind]
    start = Point(UNOPENED, None, frozenset())
    seen, todo = {start}, [start]
    while todo:
        point = todo.pop()
        for fact, status, leg in legal(lifecycle, point):
            for words in said(newest(kind).values(), fact):
                for elsewhere in passes_on(lifecycle, fact):
                    running = clocks_after(kind, point, fact, words, elsewhere=elsewhere)
                    following = Point(status, leg, frozenset() if lifecycle.ended(status) else running)
                    if following not in seen:
                        seen.add(following)
                        todo.append(following)
    return frozenset(seen - {start})


def reachable(lifecycle: Lifecycle[State], origin: Point) -> set[str]:
    """The facts that can still come, by short name."""
    start = Point(origin.status, origin.leg, frozenset())
    seen, todo, names = {start}, [start], set[str]()
    while todo:
        for fact, status, leg in legal(lifecycle, todo.pop()):
            names.add(fact.name())
            following = Point(status, leg, frozenset())
            if following not in seen:
                seen.add(following)
                todo.append(following)
    return names


@pytest.mark.parametrize("kind", TABLES)
def test_every_clock_that_runs_can_be_stopped_by_whose_duty_it_is(kind: str) -> None:
    lifecycle, rules = TABLES[kind], newest(kind)
    speakers = {fact.name(): roles for fact, roles in lifecycle.speakers.items()}
    for point in walked(kind):
        can_come = reachable(lifecycle, point)
        for id_, still in point.running:
            rule = rules[id_]
            mine = {name for name in can_come & {*rule.stops} if rule.duty in speakers[name]}
            assert mine or (still and can_come & {*rule.resumes}), (point, id_)


@pytest.mark.parametrize("kind", TABLES)
def test_a_clock_runs_only_against_who_is_to_move(kind: str) -> None:
    lifecycle, rules = TABLES[kind], newest(kind)
    for point in walked(kind):
        for id_, still in point.running:
            rule = rules[id_]
            able = {fact.name() for fact, _, _ in legal(lifecycle, point) if rule.duty in lifecycle.speakers[fact]}
            # The number of a law also runs while another is to move, if its duty holder may fulfil it all the same.
            own = not rule.source.agreed and able & {*rule.stops}
            assert still or own or rule.duty == whose(lifecycle, point), (point, id_)


@pytest.mark.parametrize("kind", TABLES)
def test_where_somebody_is_to_move_a_clock_runs_or_the_contract_says_why_not(kind: str) -> None:
    lifecycle = TABLES[kind]
    moving = {point for point in walked(kind) if not lifecycle.ended(point.status) and whose(lifecycle, point)}
    without = {point.status for point in moving if not any(not still for _, still in point.running)}
    assert without == set(packaged_kinds().by_name[kind].unclocked)


@pytest.mark.parametrize("kind", TABLES)
def test_every_rule_that_starts_is_reached(kind: str) -> None:
    reached = {id_ for point in walked(kind) for id_, _ in point.running}
    assert reached == {rule.id for rule in newest(kind).values() if rule.starts}


@pytest.mark.parametrize("kind", [kind for kind, table in TABLES.items() if table.rollup])
def test_a_clock_of_one_of_several_addressees_is_each_one_s_own(kind: str) -> None:
    assert all(rule.each for rule in newest(kind).values() if rule.starts and rule.duty == str(Role.RECIPIENT))
