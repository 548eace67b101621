"""Leads across provinces 长三角协查: four cities ask 闵行 about waste, and 闵行 asks them."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from connectors.identity import exchange_of
from events import lead
from events.fact import Fact
from events.lead import CrossProvinceApproval, LeadType, Usability
from events.parts import CompetentBody, Ground, Link, Relation
from events.penalties import CaseCategory, PenaltyDecision
from services.cli.years import cast
from services.cli.years.decisions import Block, Ruling, Rulings, spread
from services.cli.years.diary import DAY, Diary, Thread

_TO_CITIES: Final = ((cast.NANTONG, cast.WUXI), (cast.JIAXING,), (cast.CHANGZHOU, cast.NANTONG))
"""Whom 闵行 asks; all other leads come from the cities in turn."""


def leads(rulings: Rulings, count: int, block: Block) -> None:
    """So many leads, of which 闵行 files as many as the block has decisions."""
    diary = rulings.diary
    asked = count - len(_TO_CITIES)
    fines = spread(block, diary.rng)
    for number, slot in enumerate(diary.even(asked, 12 * DAY, len(diary.slots) - 75 * DAY), 1):
        city = cast.CITIES[number % len(cast.CITIES)]
        make = partial(_opened, diary, (cast.BUREAU,), city, number)
        exchange = exchange_of(city, _case(number))
        thread = diary.open(slot, city, "lead", make, case=_case(number), exchange=exchange)
        after = diary.later(thread.say(slot + 1, cast.BUREAU, partial(_receipted, cast.BUREAU)), 4, 16)
        if number <= len(fines):
            after = _filed(rulings, thread, after, number, partial(rulings.decision, block, fines[number - 1]))
        else:
            after = thread.say(after, cast.BUREAU, _ANSWERS[number % len(_ANSWERS)](cast.BUREAU, number))
        thread.say(diary.later(after, 1, 6), city, _closed)
    for place, slot in enumerate(diary.even(len(_TO_CITIES), 30 * DAY, len(diary.slots) - 30 * DAY)):
        _to_cities(diary, slot, _TO_CITIES[place], asked + 1 + place)


def _case(number: int) -> str:
    return f"SYN-2023-溯源-{number:02}"


def _filed(rulings: Rulings, thread: Thread, slot: int, number: int, decide: Callable[[int], PenaltyDecision]) -> int:
    """The site is in 闵行: the decision goes to the city as a result, and to the department in charge as a notice."""
    diary = rulings.diary
    slot = thread.say(slot, cast.BUREAU, partial(_traced, cast.BUREAU, number))
    slot = thread.say(diary.later(slot, 2, 8), cast.BUREAU, partial(_source_filed, number))
    slot = diary.later(slot, 60, 90)
    decision = decide(slot)
    link = Link(relation=Relation.GREW_FROM, kind="lead", exchange=UUID(thread.exchange))
    rulings.told(Ruling(decision, slot, cast.some_unit(diary.rng), _case(number), (link,)))
    return thread.say(slot, cast.BUREAU, partial(_result, decision, number))


def _to_cities(diary: Diary, slot: int, cities: tuple[str, ...], number: int) -> None:
    """闵行 asks cities, and each answers for itself."""
    make = partial(_opened, diary, cities, cast.BUREAU, number)
    thread = diary.open(slot, cast.BUREAU, "lead", make, case=_case(number))
    ends: list[int] = []
    for place, city in enumerate(cities):
        after = thread.say(diary.later(slot, 1, 3), city, partial(_receipted, city))
        answer = _ANSWERS[(number + place) % len(_ANSWERS)](city, number)
        ends.append(thread.say(diary.later(after, 4, 16), city, answer))
    thread.say(max(ends) + 1, cast.BUREAU, _closed)


def _opened(diary: Diary, recipients: tuple[str, ...], sender: str, number: int, at: datetime) -> lead.Opened:
    asking = sender.split("-", maxsplit=1)[0]
    return lead.Opened(
        number=cast.document("协查", number),
        recipients=recipients,
        lead_type=LeadType.TRACING,
        circumstances=cast.circumstances(diary.rng, CaseCategory.CONSTRUCTION_WASTE, asking, "渣土运输"),
        dumped_at=diary.slots[0],
        cross_province_approval=CrossProvinceApproval.UNKNOWN,
        questions=("请核查建筑垃圾的来源工地和运输单位。",),
        legal_basis=(_EXPORT_LAW,),
        purpose="建筑垃圾跨省偷乱倒溯源",
        contact=cast.contact(sender),
        dated=at.date(),
    )


_EXPORT_LAW: Final = cast.WASTE_LAW.model_copy(update={"article": "第二十二条"})


def _receipted(code: str, at: datetime) -> lead.Receipted:
    return lead.Receipted(receiver=cast.contact(code).name, received_at=at)


def _traced(code: str, number: int, _at: datetime) -> lead.Traced:
    return lead.Traced(
        number=cast.document("协查复", number),
        findings="来源为本地示例工地。(虚构)",
        source_site=lead.Site(name="示例建设工地(虚构)"),
        usability=Usability.AFTER_REVIEW,
        contact=cast.contact(code),
    )


def _not_found(code: str, number: int, _at: datetime) -> lead.NotFound:
    return lead.NotFound(
        number=cast.document("协查复", number),
        checked=("本辖区在建工地(示例)",),
        findings="未发现相关工地和车辆。(虚构)",
        contact=cast.contact(code),
    )


def _refused(code: str, number: int, _at: datetime) -> lead.Refused:
    return lead.Refused(
        number=cast.document("协查复", number),
        ground=Ground(code="not-competent-territory", reason="所查地点不在本辖区。(虚构)"),
        competent_body=CompetentBody(name="所在地城管执法部门(示例)"),
        contact=cast.contact(code),
    )


def _answering(make: Callable[[str, int, datetime], Fact]) -> Callable[[str, int], Callable[[datetime], Fact]]:
    return lambda code, number: partial(make, code, number)


_ANSWERS: Final = (_answering(_not_found), _answering(_traced), _answering(_refused))


def _source_filed(number: int, at: datetime) -> lead.Filed:
    return lead.Filed(
        number=cast.document("闵立溯", number), filed_on=at.date(), cause=cast.cause(CaseCategory.CONSTRUCTION_WASTE)
    )


def _result(decision: PenaltyDecision, number: int, _at: datetime) -> lead.ResultReported:
    return lead.ResultReported(number=cast.document("闵溯报", number), decision=decision, recognised=True)


def _closed(at: datetime) -> lead.Closed:
    return lead.Closed(summary="协查办结。(虚构)", closed_on=at.date())
