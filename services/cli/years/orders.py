"""Work orders of the year: of the hotlines, petitions, what is reported in the neighbourhoods, and inspections."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from connectors.identity import exchange_of
from events import common, workorder
from events.parts import CompetentBody, Ground, Link, Relation, Reporter
from events.penalties import CaseCategory
from events.workorder import Channel, Limit, Matter, Resolution, Satisfaction
from services.cli.years import cast
from services.cli.years.cast import TRADES
from services.cli.years.diary import DAY, Diary, Thread

_BY_MONTH: Final = (8, 8, 10, 10, 11, 12, 14, 14, 12, 10, 9, 9)
_BY_WEEKDAY: Final = (12, 10, 10, 10, 9, 8, 8)
_WEDNESDAY: Final = 2

_CATEGORIES: Final[Mapping[CaseCategory, int]] = {
    CaseCategory.APPEARANCE: 24,
    CaseCategory.HOUSEHOLD_WASTE: 22,
    CaseCategory.PLANNING: 18,
    CaseCategory.CONSTRUCTION_WASTE: 14,
    CaseCategory.MUNICIPAL: 6,
    CaseCategory.GREENING: 5,
    CaseCategory.HOUSING: 4,
    CaseCategory.ADVERTISING: 3,
    CaseCategory.FUMES: 2,
    CaseCategory.CONSTRUCTION: 2,
}
_LIMITS: Final[Mapping[Limit, int]] = {Limit.WD1: 15, Limit.WD5: 60, Limit.WD15: 25}
_WITHIN: Final[Mapping[Limit, tuple[int, int]]] = {Limit.WD1: (2, 2), Limit.WD5: (2, 5), Limit.WD15: (4, 22)}
"""After how many slots an order is done: before the bus warns."""
_LATE: Final = (5 * DAY + 2, 5 * DAY + 8)
_AGAIN: Final = 0.2
"""Repeats of an earlier order; most of them are taken back and dealt with there."""
_MERGED: Final = 0.9


@dataclass(frozen=True, slots=True)
class Origin:
    """An order of which a case has become: what a decision may have grown from. `slot`: when the case was filed."""

    exchange: str
    case: str
    unit: str
    category: CaseCategory
    slot: int


@dataclass(slots=True)
class _Draft:
    """A hotline's order before it is written."""

    number: str
    channel: Channel
    slot: int
    unit: str
    category: CaseCategory
    matter: Matter
    limit: Limit
    done: int
    linked: int | None = None
    repeats: str | None = None
    merged: bool = False


def weights(diary: Diary) -> list[int]:
    """How much comes in at each slot: more in summer and on Mondays."""
    return [_BY_MONTH[at.month - 1] * _BY_WEEKDAY[at.weekday()] for at in diary.slots.instants]


def hotline(diary: Diary, counts: Mapping[Channel, int], linked: int) -> list[Origin]:
    """The orders of the hotlines by channel, so many of them linked to a case; those."""
    drafts = sorted(
        (_draft(diary, channel, number, slot) for channel, number, slot in _incoming(diary, counts)),
        key=lambda item: (item.slot, item.number),
    )
    exchanges = [exchange_of(cast.HOTLINE, item.number) for item in drafts]
    _mark_repeats(diary, drafts, exchanges)
    last = len(diary.slots) - 1
    candidates = [item for item in drafts if not item.merged and item.done <= last]
    for item in diary.rng.sample(candidates, linked):
        item.linked = diary.rng.randint(item.slot + 2, item.done)
    return [
        origin
        for item, exchange in zip(drafts, exchanges, strict=True)
        if (origin := _write(diary, item, exchange)) is not None
    ]


def _incoming(diary: Diary, counts: Mapping[Channel, int]) -> Iterator[tuple[Channel, str, int]]:
    for channel, count in counts.items():
        for number, slot in enumerate(diary.some(count, weights(diary), len(diary.slots) - 1), 1):
            yield channel, f"SYN-{channel.value.split('_')[-1]}-2023-{number:05}", slot


def _draft(diary: Diary, channel: Channel, number: str, slot: int) -> _Draft:
    rng = diary.rng
    category = rng.choices([*_CATEGORIES], [*_CATEGORIES.values()])[0]
    limit = rng.choices([*_LIMITS], [*_LIMITS.values()])[0]
    late = limit is Limit.WD5 and diary.slots[slot].weekday() == _WEDNESDAY and rng.random() < 0.12
    done = slot + rng.randint(*(_LATE if late else _WITHIN[limit]))
    return _Draft(
        number, channel, slot, cast.some_unit(rng), category, _matter(diary, category, limit, late=late), limit, done
    )


def _matter(diary: Diary, category: CaseCategory, limit: Limit, *, late: bool) -> Matter:
    """A report 举报 has five working days, whatever the hotline allows."""
    if late or limit is Limit.WD15 or diary.rng.random() < 0.5:
        return Matter.COMPLAINT
    return Matter.STRUCTURE_REPORT if category is CaseCategory.PLANNING else Matter.REPORT


def _mark_repeats(diary: Diary, drafts: Sequence[_Draft], exchanges: Sequence[str]) -> None:
    """Some orders say again what an earlier one in the same 街镇 has said."""
    before: dict[str, tuple[_Draft, str]] = {}
    for item, exchange in zip(drafts, exchanges, strict=True):
        earlier = before.get(item.unit)
        if earlier is not None and diary.rng.random() < _AGAIN:
            item.category, item.repeats = earlier[0].category, earlier[1]
            item.matter = Matter.COMPLAINT
            item.merged = diary.rng.random() < _MERGED
        else:
            before[item.unit] = item, exchange


def _write(diary: Diary, item: _Draft, exchange: str) -> Origin | None:
    case = item.number
    team = cast.team(item.unit)
    thread = diary.open(
        item.slot, cast.HOTLINE, "workorder", partial(_hotline_order, diary, item), case=case, exchange=exchange
    )
    if item.merged:
        thread.say(item.slot + 1, cast.HOTLINE, lambda _: common.Withdrawn(reason="重复工单, 并入前件办理。(虚构)"))
        return None
    roll = diary.rng.random()
    slot = item.slot + 1
    if roll < 0.006 and item.limit is not Limit.WD1:
        slot, team = _misdirected(thread, item, slot)
    thread.say(slot, team, partial(_accepted, item.channel, team, None))
    linked = item.linked if item.linked is None else max(item.linked, slot + 1)
    if linked is not None:
        thread.say(linked, team, partial(_linked, item))
    done = max(item.done, slot + 1, linked or 0)
    _finish(thread, cast.HOTLINE, team, done, case=linked is not None, again=roll > 0.995)
    return None if linked is None else Origin(exchange, case, item.unit, item.category, linked)


def _misdirected(thread: Thread, item: _Draft, slot: int) -> tuple[int, str]:
    """The team sends the order back, and the hotline gives it to another one."""
    first = cast.team(item.unit)
    other = cast.team(next(unit for unit in cast.UNITS if unit != item.unit))
    thread.say(slot, first, lambda _: _sent_back(first, other))
    thread.say(
        slot + 1,
        cast.HOTLINE,
        lambda _: workorder.Redispatched(
            channel=item.channel,
            matter=item.matter,
            limit=item.limit,
            recipient=other,
            reason="按退单理由改派。(虚构)",
        ),
    )
    return slot + 2, other


def _sent_back(team: str, other: str) -> workorder.SentBack:
    return workorder.SentBack(
        ground=Ground(code="not-competent-territory", reason="经现场核实, 地点不在本辖区。(虚构)"),
        competent_body=CompetentBody(name="毗邻街镇城管中队(示例)", agency=other),
        contact=cast.contact(team),
    )


def _hotline_order(diary: Diary, item: _Draft, at: datetime) -> workorder.Dispatched:
    rng = diary.rng
    place = cast.place(rng, item.unit)
    call = rng.choice(TRADES[item.category].calls)
    reporter = Reporter(name="来电人(虚构)", phone="13800000000") if rng.random() < 0.05 else None
    return workorder.Dispatched(
        channel=item.channel,
        matter=item.matter,
        limit=item.limit,
        number=item.number,
        recipient=cast.team(item.unit),
        title=call,
        content=f"来电反映{place.address}{call}, 要求处理。",
        category=item.category,
        place=place,
        recorded_at=at,
        dispatched_at=at,
        reporter=reporter,
        contact=cast.contact(cast.HOTLINE),
        links=(
            (Link(relation=Relation.REPEATS, kind="workorder", exchange=UUID(item.repeats)),) if item.repeats else ()
        ),
    )


@dataclass(frozen=True, slots=True)
class _Way:
    """By which way orders come that no hotline sends: who sends them to which team, and how they are numbered."""

    diary: Diary
    channel: Channel
    label: str

    def dispatch(self, slot: int, number: int, sender: str, team: str) -> Thread:
        """Open an order."""
        make = partial(self._dispatched, f"SYN-{self.label}-2023-{number:05}", sender, team)
        return self.diary.open(slot, sender, "workorder", make, case=f"SYN-2023-工单-{self.label}-{number:05}")

    def accepted(self, team: str, number: str | None = None) -> Callable[[datetime], workorder.Accepted]:
        """That the team takes it on."""
        return partial(_accepted, self.channel, team, number)

    def _dispatched(self, number: str, sender: str, team: str, at: datetime) -> workorder.Dispatched:
        rng = self.diary.rng
        category = rng.choices([*_CATEGORIES], [*_CATEGORIES.values()])[0]
        place = cast.place(rng, team.split("-", maxsplit=1)[0])
        call = rng.choice(TRADES[category].calls)
        inspected = self.channel is Channel.INSPECTION
        return workorder.Dispatched(
            channel=self.channel,
            matter=Matter.FINDING if self.channel in _FOUND else Matter.COMPLAINT,
            limit=Limit.DAY if inspected else Limit.NONE,
            do_by=cast.longest(at.date(), 21) if inspected else None,
            number=number,
            recipient=team,
            title=call,
            content=f"{place.address}{call}, 请予处置。",
            category=category,
            place=place,
            recorded_at=at,
            dispatched_at=at,
            contact=cast.contact(sender),
        )


_FOUND: Final = frozenset({Channel.INSPECTION, Channel.COMMUNITY})
"""What comes by these was found by somebody on duty; by the others somebody complains."""

_TAIL: Final = 12
"""Slots at the end of the year in which nothing is opened that has to be closed within it."""


def petitions(diary: Diary, channel: Channel, label: str, count: int) -> None:
    """Petitions 信访件, or visits 来访, which the petition office passes on."""
    way = _Way(diary, channel, label)
    for number, slot in enumerate(diary.some(count, weights(diary), len(diary.slots) - 1), 1):
        team = cast.team(cast.some_unit(diary.rng))
        thread = way.dispatch(slot, number, cast.PETITIONS, team)
        thread.say(diary.later(slot, 2, 8), team, way.accepted(team, cast.document(f"闵城{label}受", number)))
        _finish(thread, cast.PETITIONS, team, diary.later(slot, 12, 60))


def community(diary: Diary, count: int, done: int) -> None:
    """What neighbourhoods report to the offices of the teams; so many are done, the others taken back."""
    way = _Way(diary, Channel.COMMUNITY, "社区")
    handled = {*diary.rng.sample(range(count), done)}
    for number, slot in enumerate(diary.some(count, weights(diary), len(diary.slots) - 1 - _TAIL)):
        unit = cast.some_unit(diary.rng)
        sender, team = cast.street(unit), cast.team(unit)
        thread = way.dispatch(slot, number + 1, sender, team)
        if number in handled:
            thread.say(slot + 1, team, way.accepted(team))
            _finish(thread, sender, team, diary.later(slot, 2, 6))
        else:
            thread.say(slot + 1, sender, lambda _: common.Withdrawn(reason="经劝阻已自行改正, 撤回。(虚构)"))


def xinmin(diary: Diary, count: int) -> None:
    """What readers of a newspaper have asked for 新民帮侬忙."""
    way = _Way(diary, Channel.XINMIN, "新民")
    for number, slot in enumerate(diary.some(count, weights(diary), len(diary.slots) - 1 - _TAIL), 1):
        unit = cast.some_unit(diary.rng)
        sender, team = cast.street(unit), cast.team(unit)
        thread = way.dispatch(slot, number, sender, team)
        thread.say(slot + 1, team, way.accepted(team))
        _finish(thread, sender, team, diary.later(slot, 2, 8))


def inspections(diary: Diary, count: int) -> None:
    """What inspectors 督察 have found at the teams, and is put right."""
    way = _Way(diary, Channel.INSPECTION, "督察")
    for number, slot in enumerate(diary.even(count, 4 * DAY, len(diary.slots) - 1 - 2 * _TAIL), 1):
        team = cast.team(cast.some_unit(diary.rng))
        thread = way.dispatch(slot, number, cast.BUREAU, team)
        thread.say(slot + 1, team, way.accepted(team))
        _finish(thread, cast.BUREAU, team, diary.later(slot, 4, 20))


def _accepted(channel: Channel, team: str, number: str | None, _at: datetime) -> workorder.Accepted:
    return workorder.Accepted(channel=channel, number=number, contact=cast.contact(team))


def _linked(item: _Draft, at: datetime) -> workorder.CaseLinked:
    return workorder.CaseLinked(
        case_number=f"SYN-闵执立-2023-{item.number[4:]}",
        filed_on=at.date(),
        cause=cast.cause(item.category),
        category=item.category,
    )


def _finish(thread: Thread, sender: str, team: str, slot: int, *, case: bool = False, again: bool = False) -> None:
    """The order is done, checked and closed; with `again`, it does not pass the check the first time."""
    resolution = Resolution.CASE if case else thread.diary.rng.choice(_RESOLUTIONS)
    done = partial(_done, team, resolution)
    slot = thread.say(slot, team, done)
    if again:
        ground = Ground(code="not-remedied", reason="现场仍未恢复。(虚构)")
        slot = thread.say(slot, sender, lambda _: workorder.Reopened(ground=ground))
        slot = thread.say(slot + 1, team, done)
    slot = thread.say(slot, sender, partial(_verified, sender, thread.diary.rng.choice(_SATISFACTION)))
    thread.say(slot, sender, lambda at: workorder.Closed(closed_at=at))


_RESOLUTIONS: Final = (Resolution.RESOLVED, Resolution.RESOLVED, Resolution.EXPLAINED)
_SATISFACTION: Final = (Satisfaction.SATISFIED, Satisfaction.SATISFIED, Satisfaction.FAIR, Satisfaction.UNSAID)


def _done(team: str, resolution: Resolution, at: datetime) -> workorder.Done:
    return workorder.Done(
        resolution=resolution,
        result="现场核查后已处置。(虚构)",
        done_at=at,
        handled_by=cast.contact(team),
        contacted=True,
    )


def _verified(sender: str, satisfaction: Satisfaction, at: datetime) -> workorder.Verified:
    return workorder.Verified(verified_at=at, verified_by=cast.contact(sender).name, satisfaction=satisfaction)
