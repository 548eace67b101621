"""The penalty decisions of the year, each told to the department in charge by a notice 双向告知.

What was published are two margins, by procedure and by category, with parts of them (off site, of road operations, of
leads). Blocks fill them: each has one category, one procedure, a number of decisions and the sum of their fines. How
the margins fall into blocks is invented; the last block takes what is left, so that every sum is exact.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import count
from random import Random
from typing import Final
from uuid import UUID

from events import notice
from events.fields import Fen
from events.notice import Direction, Feedback, NoticeSubject
from events.parts import Link, Relation
from events.penalties import CaseCategory, Penalty, PenaltyDecision, PenaltyType, Procedure
from services.cli.years import cast
from services.cli.years.cast import TRADES
from services.cli.years.diary import DAY, Diary
from services.cli.years.orders import Origin, weights
from services.cli.years.published import Published

YUAN: Final = 100
"""分."""


@dataclass(frozen=True, slots=True)
class Block:
    """Decisions of one category and procedure. `least`, `most`: of one fine, in 分; `trade`: of the firms, if firms."""

    category: CaseCategory
    procedure: Procedure
    count: int
    fines: Fen
    least: Fen = 0
    most: Fen = 1_000_000 * YUAN
    off_site: bool = False
    trade: str | None = None


@dataclass(frozen=True, slots=True)
class Ruling:
    """A decision and its notice, before they are written."""

    decision: PenaltyDecision
    slot: int
    unit: str
    case: str
    links: tuple[Link, ...] = ()


@dataclass(slots=True)
class Rulings:
    """Makes decisions, numbered through."""

    diary: Diary
    numbers: Iterator[int] = field(default_factory=partial(count, 1))

    def decision(self, block: Block, fine: Fen, slot: int) -> PenaltyDecision:
        """A decision of this day."""
        return PenaltyDecision(
            number=cast.document("闵城执罚", next(self.numbers)),
            decided_on=self.diary.slots.day(slot),
            procedure=block.procedure,
            category=block.category,
            off_site=block.off_site,
            cause=cast.cause(block.category),
            parties=cast.parties(self.diary.rng, block.trade),
            penalties=(_penalty(block, fine),),
            fine=fine,
            legal_basis=(TRADES[block.category].law,),
        )

    def told(self, ruling: Ruling) -> None:
        """The notice of a decision, and that it was noted, or followed up where that is asked for."""
        diary, decision = self.diary, ruling.decision
        sender = cast.BUREAU if decision.category in _BY_THE_BUREAU else cast.team(ruling.unit)
        recipient = TRADES[decision.category].department
        follow = decision.category in _FOLLOWED_UP
        thread = diary.open(ruling.slot, sender, "notice", partial(_notice, ruling, sender, follow), case=ruling.case)
        slot = diary.later(ruling.slot, 1, 4)
        if not follow:
            thread.say(slot, recipient, lambda _: notice.Noted())
            return
        slot = thread.say(slot, recipient, lambda _: notice.Acknowledged(contact=cast.contact(recipient)))
        slot = thread.say(diary.later(slot, 2, 12), recipient, _followed_up)
        thread.say(diary.later(slot, 0, 4), sender, lambda _: notice.Closed(reason="已跟进, 办结。(虚构)"))


_BY_THE_BUREAU: Final = frozenset({CaseCategory.CONSTRUCTION, CaseCategory.PROPERTY})
_FOLLOWED_UP: Final = frozenset(
    {CaseCategory.CONSTRUCTION, CaseCategory.PROPERTY, CaseCategory.FUMES, CaseCategory.RIVER}
)


def _penalty(block: Block, fine: Fen) -> Penalty:
    if fine:
        return Penalty(type=PenaltyType.FINE, amount=fine)
    if block.category is CaseCategory.PLANNING:
        return Penalty(type=PenaltyType.OTHER, content="责令限期拆除")
    return Penalty(type=PenaltyType.WARNING)


def _notice(ruling: Ruling, sender: str, follow: bool, at: datetime) -> notice.Sent:
    decision = ruling.decision
    return notice.Sent(
        number=decision.number.replace("罚", "告"),
        recipient=TRADES[decision.category].department,
        direction=Direction.ENFORCEMENT_TO_MANAGEMENT,
        subject=NoticeSubject.PENALTY,
        decision=decision,
        content="已作出行政处罚决定, 现予告知。",
        follow_up=("请核查相关许可、资质并反馈",) if follow else (),
        feedback=Feedback.REQUIRED if follow else Feedback.NOT_REQUIRED,
        legal_basis=(cast.NOTICE_RULES,),
        purpose="行政处罚双向告知",
        contact=cast.contact(sender),
        dated=at.date(),
        links=ruling.links,
    )


def _followed_up(at: datetime) -> notice.FollowedUp:
    return notice.FollowedUp(result="已约谈当事人并列入重点监管。(虚构)", measures=("约谈",), followed_up_on=at.date())


def tell(rulings: Rulings, blocks: Sequence[Block], origins: Sequence[Origin]) -> None:
    """The decisions of these blocks in the order of time, many of them grown from an order that became a case."""
    drafts = sorted(_drafts(rulings.diary, blocks, origins), key=lambda draft: draft.slot)
    for number, draft in enumerate(drafts, 1):
        decision = rulings.decision(draft.block, draft.fine, draft.slot)
        origin = draft.origin
        if origin is None:
            unit = cast.some_unit(rulings.diary.rng)
            rulings.told(Ruling(decision, draft.slot, unit, f"SYN-2023-案件-{number:05}"))
        else:
            link = Link(relation=Relation.GREW_FROM, kind="workorder", exchange=UUID(origin.exchange))
            rulings.told(Ruling(decision, draft.slot, origin.unit, origin.case, (link,)))


@dataclass(frozen=True, slots=True)
class _Draft:
    """A decision before it is numbered."""

    block: Block
    fine: Fen
    slot: int
    origin: Origin | None


def _drafts(diary: Diary, blocks: Sequence[Block], origins: Sequence[Origin]) -> Iterator[_Draft]:
    waiting: defaultdict[CaseCategory, list[Origin]] = defaultdict(list)
    for origin in origins:
        if origin.slot + DAY < len(diary.slots):
            waiting[origin.category].append(origin)
    last = len(diary.slots) - 1
    for block in blocks:
        grown = [] if block.off_site else waiting[block.category]
        slots = diary.some(block.count, weights(diary), last)
        for fine, slot in zip(spread(block, diary.rng), slots, strict=True):
            if grown and diary.rng.random() < _GROWN:
                origin = grown.pop()
                yield _Draft(block, fine, min(diary.later(origin.slot, DAY, 20 * DAY), last), origin)
            else:
                yield _Draft(block, fine, slot, None)


_GROWN: Final = 0.9
"""How many decisions grow from an order, as long as there are orders of their category."""


def spread(block: Block, rng: Random) -> list[Fen]:
    """Fines of a block: uneven, in tens of yuan but for one of them, and exactly the sum. Raises ValueError."""
    step = 10 * YUAN
    steps, rest = divmod(block.fines - block.least * block.count, step)
    room = (block.most - block.least) // step
    if not 0 <= steps <= room * block.count:
        msg = f"{block.count} fines of {block.least} to {block.most} do not add up to {block.fines}"
        raise ValueError(msg)
    found = [0] * block.count
    pull = [rng.paretovariate(1.5) for _ in found]
    while steps:
        open_ = [place for place, taken in enumerate(found) if taken < room]
        for place in rng.choices(open_, [pull[place] for place in open_], k=steps):
            if found[place] < room:
                found[place] += 1
                steps -= 1
    fines = [block.least + taken * step for taken in found]
    fines[fines.index(min(fines))] += rest
    return fines


@dataclass(frozen=True, slots=True)
class Blocks:
    """All decisions of the year: those of road operations and of leads from other provinces apart."""

    plain: tuple[Block, ...]
    road: Block
    leads: Block


def blocks(published: Published) -> Blocks:
    """The blocks that the published figures fall into. `spread` refuses what does not fit together."""
    road = _ordinary(CaseCategory.CONSTRUCTION_WASTE, 28, published["road_operation_fines"], (500, 3_000), "渣土运输")
    sites = published["cross_province_leads_filed"], published["cross_province_fines"]
    leads = _ordinary(CaseCategory.CONSTRUCTION_WASTE, *sites, (30_000, 120_000), "建设工程")
    off_site = _off_site(published)
    simple = _simple(published, off_site)
    ordinary = _ordinaries(published, [*off_site, *simple, road, leads])
    return Blocks((*off_site, *simple, *ordinary), road, leads)


def _ordinary(
    category: CaseCategory, number: int, fines: Fen, limits: tuple[int, int], trade: str | None = None
) -> Block:
    """Ordinary procedure; `limits`: the least and the most of one fine, in yuan."""
    least, most = (limit * YUAN for limit in limits)
    return Block(category, Procedure.ORDINARY, number, fines, least, most, trade=trade)


def _summary(category: CaseCategory, number: int, fines: Fen, least: int = 0, *, off_site: bool = False) -> Block:
    """Simple procedure: up to 200 yuan from a person, 行政处罚法(2021) 第五十一条."""
    return Block(category, Procedure.SIMPLE, number, fines, least * YUAN, 200 * YUAN, off_site=off_site)


def _off_site(published: Published) -> tuple[Block, ...]:
    """非现场: lorries, waste thrown away in estates, and street order, which takes the rest."""
    lorries = Block(
        CaseCategory.CONSTRUCTION_WASTE,
        Procedure.ORDINARY,
        37,
        23_500 * YUAN,
        200 * YUAN,
        2_000 * YUAN,
        off_site=True,
        trade="渣土运输",
    )
    estates = _summary(CaseCategory.HOUSEHOLD_WASTE, 70, 5_250 * YUAN, 20, off_site=True)
    number = published["off_site_decisions"] - lorries.count - estates.count
    fines = published["off_site_fines"] - lorries.fines - estates.fines
    return lorries, estates, _summary(CaseCategory.APPEARANCE, number, fines, 20, off_site=True)


def _simple(published: Published, before: Sequence[Block]) -> tuple[Block, ...]:
    """Decisions on the spot: household waste for the most part, and street order, which takes the rest."""
    waste = _summary(CaseCategory.HOUSEHOLD_WASTE, 4_030, 179_250 * YUAN)
    number, fines = _left(published, "decisions_simple", "fines_simple", [*before, waste], procedure=Procedure.SIMPLE)
    return waste, _summary(CaseCategory.APPEARANCE, number, fines)


def _ordinaries(published: Published, before: Sequence[Block]) -> tuple[Block, ...]:
    """What was published by category, demolitions without a fine, and other categories, the last with the rest."""

    def of(category: CaseCategory, name: str, limits: tuple[int, int], trade: str | None = None) -> Block:
        number, fines = _left(published, f"{name}_decisions", f"{name}_fines", before, category=category)
        return _ordinary(category, number, fines, limits, trade)

    fumes = _ordinary(CaseCategory.FUMES, 6, 25_000 * YUAN, (1_000, 10_000), "餐饮")
    straw = _ordinary(CaseCategory.STRAW, 2, 1_500 * YUAN, (500, 1_000))
    ecology = _left(published, "environment_decisions", "environment_fines", [fumes, straw])
    found = [
        of(CaseCategory.HOUSEHOLD_WASTE, "household_waste", (50, 5_000)),
        of(CaseCategory.CONSTRUCTION_WASTE, "construction_waste", (200, 100_000), "装饰工程"),
        of(CaseCategory.HOUSING, "group_renting_and_structure", (1_000, 20_000)),
        of(CaseCategory.CONSTRUCTION, "construction_site", (50_000, 200_000), "建设工程"),
        _ordinary(
            CaseCategory.PROPERTY, published["property_firm_decisions"], 30_000 * YUAN, (1_000, 10_000), "物业服务"
        ),
        *(fumes, straw, _ordinary(CaseCategory.RIVER, *ecology, (500, 10_000))),
        _ordinary(CaseCategory.PLANNING, 1_400, 0, (0, 0)),
        _ordinary(CaseCategory.APPEARANCE, 600, 80_000 * YUAN, (50, 2_000), "餐饮"),
        _ordinary(CaseCategory.GREENING, 250, 70_000 * YUAN, (100, 5_000)),
        _ordinary(CaseCategory.MUNICIPAL, 300, 90_000 * YUAN, (100, 5_000), "市政工程"),
    ]
    rest = _left(published, "decisions_ordinary", "fines_ordinary", [*before, *found], procedure=Procedure.ORDINARY)
    return (*found, _ordinary(CaseCategory.ADVERTISING, *rest, (200, 20_000), "广告"))


def _left(
    published: Published,
    number: str,
    fines: str,
    blocks: Sequence[Block],
    *,
    category: CaseCategory | None = None,
    procedure: Procedure | None = None,
) -> tuple[int, Fen]:
    """What these blocks leave of a published number and its fines, of one category or procedure."""
    own = [block for block in blocks if category in {None, block.category} and procedure in {None, block.procedure}]
    return (
        published[number] - sum(block.count for block in own),
        published[fines] - sum(block.fines for block in own),
    )
