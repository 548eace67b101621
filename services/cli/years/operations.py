"""Joint operations of the year, by the programme that counts them: each is proposed, confirmed, held and minuted."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

from events import jointop
from events.jointop import Handling, Programme, Rhythm
from events.parts import Ground, Link, Relation
from services.cli.years import cast
from services.cli.years.decisions import Block, Ruling, Rulings, spread
from services.cli.years.diary import DAY, Diary, Thread

_MEMBERS: Final = (
    (cast.BUILDING, cast.TRANSPORT),
    (cast.HOUSING, cast.GREENING),
    (cast.ECOLOGY, cast.WATER),
    (cast.GREENING, cast.TRANSPORT, cast.GRID),
    (cast.BUILDING, cast.ECOLOGY, cast.GREENING),
)
_LASTS: Final = timedelta(hours=3)
_AHEAD: Final = 3 * DAY
"""Slots from the proposal to the operation: whoever is asked has three working days."""


@dataclass(frozen=True, slots=True)
class Plan:
    """An operation: who plans it with whom, and what will have come of it. `slot`: when it is proposed."""

    slot: int
    sender: str
    programme: Programme
    title: str
    recipients: tuple[str, ...]
    case: str
    rounds: int = 1
    held_after: int = _AHEAD
    problems: int = 0
    cases: int = 0
    declines: str | None = None

    @property
    def held(self) -> int:
        """The slot in which it is held."""
        return self.slot + self.held_after

    @property
    def rhythm(self) -> Rhythm:
        """Once, or again and again."""
        return Rhythm.ONCE if self.rounds == 1 else Rhythm.STANDING

    @property
    def participants(self) -> tuple[str, ...]:
        """Who comes."""
        return tuple(code for code in self.recipients if code != self.declines)


def consortium(diary: Diary, count: int) -> None:
    """联合执法 of the consortium."""
    for number, slot in enumerate(diary.even(count, 8 * DAY, len(diary.slots) - 8 * DAY)):
        recipients = _MEMBERS[number % len(_MEMBERS)]
        _write(
            diary,
            Plan(
                slot,
                cast.BUREAU,
                Programme.CONSORTIUM,
                f"共联体第{number + 1}次联合执法(示例)",
                recipients,
                f"SYN-2023-联合-{number + 1:02}",
                problems=number % 3,
                cases=number % 4,
                declines=recipients[-1] if number % 12 == 11 else None,
            ),
        )


def road(rulings: Rulings, count: int, block: Block) -> None:
    """道路环境区级联合执法, and the decisions that grew from it."""
    diary = rulings.diary
    fines = spread(block, diary.rng)
    slots = diary.even(count, 20 * DAY, len(diary.slots) - 20 * DAY)
    for number, slot in enumerate(slots):
        own = fines[number::count]
        plan = Plan(
            slot,
            cast.BUREAU,
            Programme.ROAD,
            f"道路环境区级联合执法第{number + 1}次(示例)",
            (cast.TRAFFIC_POLICE, cast.TRANSPORT, cast.GREENING),
            f"SYN-2023-道路-{number + 1:02}",
            problems=1,
            cases=len(own),
        )
        thread = _write(diary, plan)
        link = Link(relation=Relation.GREW_FROM, kind="jointop", exchange=UUID(thread.exchange))
        for fine in own:
            told = diary.later(plan.held, 2, 4 * DAY)
            decision = rulings.decision(block, fine, told)
            rulings.told(Ruling(decision, told, cast.some_unit(diary.rng), plan.case, (link,)))


def community(diary: Diary, count: int) -> None:
    """社区联合整治: a team and its street, month by month, so many rounds in all."""
    pairs = [(unit, month) for unit in cast.UNITS for month in range(1, 13)]
    pull = [cast.UNITS[unit] for unit, _ in pairs]
    rounds = Counter(pairs) + Counter(diary.rng.choices(pairs, pull, k=count - len(pairs)))
    months = {month: [slot for slot, at in enumerate(diary.slots.instants) if at.month == month] for _, month in pairs}
    for unit, month in pairs:
        slots = months[month]
        plan = Plan(
            slots[DAY],
            cast.team(unit),
            Programme.COMMUNITY,
            f"{month}月社区联合整治(示例)",
            (cast.street(unit),),
            f"SYN-2023-社区整治-{unit}-{month:02}",
            rounds=rounds[unit, month],
            held_after=slots[-1] - slots[DAY] - DAY,
        )
        _write(diary, plan)


def random_checks(diary: Diary, cases: int) -> None:
    """双随机、一公开: a check in every quarter; the draw is made elsewhere."""
    for number, slot in enumerate(diary.even(4, 20 * DAY, len(diary.slots) - 25 * DAY)):
        own = cases // 4 + (number < cases % 4)
        title = f"“双随机、一公开”联合检查第{number + 1}次(示例)"
        case = f"SYN-2023-双随机-{number + 1}"
        recipients = (cast.MARKET, cast.BUILDING)
        _write(diary, Plan(slot, cast.BUREAU, Programme.RANDOM_CHECK, title, recipients, case, problems=1, cases=own))


def support(diary: Diary, occasions: Sequence[tuple[str, str]]) -> None:
    """执法保障 of great occasions: the day before which it is proposed, and its name."""
    for day, name in occasions:
        slot = diary.slots.first(datetime.fromisoformat(day).date())
        units = ("310112106", "310112008", "310112112")
        recipients = (*map(cast.team, units), cast.POLICE)
        title, case = f"{name}执法保障(示例)", f"SYN-2023-保障-{name}"
        _write(diary, Plan(slot, cast.BUREAU, Programme.SUPPORT, title, recipients, case))


def _write(diary: Diary, plan: Plan) -> Thread:
    """All of an operation."""
    thread = diary.open(plan.slot, plan.sender, "jointop", partial(_proposed, diary, plan), case=plan.case)
    starts = diary.slots[plan.held]
    for code in plan.recipients:
        answer = partial(_declined, code) if code == plan.declines else partial(_confirmed, code, starts)
        thread.say(diary.later(plan.slot, 1, DAY), code, answer)
    slot = thread.say(plan.held + 1, plan.sender, partial(_held, plan, starts))
    if plan.problems:
        slot = _findings(diary, thread, plan, slot)
    slot = thread.say(slot, plan.sender, partial(_minuted, plan))
    thread.say(slot, plan.sender, lambda _: jointop.Closed())
    return thread


def _findings(diary: Diary, thread: Thread, plan: Plan, slot: int) -> int:
    """What was found is given to one of those who came, which answers it."""
    to = plan.participants[0]
    ids = tuple(str(number) for number in range(1, plan.problems + 1))
    slot = thread.say(slot, plan.sender, partial(_assigned, ids), leg=to)
    return thread.say(diary.later(slot, DAY, 5 * DAY), to, partial(_answered, ids, to)) + 1


def _proposed(diary: Diary, plan: Plan, _at: datetime) -> jointop.Proposed:
    starts = diary.slots[plan.held]
    return jointop.Proposed(
        title=plan.title,
        programme=plan.programme,
        recipients=plan.recipients,
        own_duty="牵头组织, 现场指挥。",
        duties=tuple(jointop.Duty(agency=code, duty="按职责参加检查和整治。") for code in plan.recipients),
        scope="示例路沿线及周边(虚构)",
        starts_at=starts,
        ends_at=starts + _LASTS,
        rhythm=plan.rhythm,
        reason="群众反映集中, 需多部门协同处置。(虚构)",
        legal_basis=(cast.JOINT_RULES,),
        contact=cast.contact(plan.sender),
    )


def _confirmed(code: str, starts: datetime, _at: datetime) -> jointop.Confirmed:
    return jointop.Confirmed(starts_at=starts, contact=cast.contact(code), staff=4)


def _declined(_code: str, _at: datetime) -> jointop.Declined:
    return jointop.Declined(ground=Ground(code="time-clash", reason="当日另有专项检查。(虚构)"))


def _held(plan: Plan, starts: datetime, _at: datetime) -> jointop.Held:
    return jointop.Held(
        started_at=starts,
        ended_at=starts + _LASTS,
        participants=plan.participants,
        rounds=plan.rounds,
        course="按方案开展, 秩序良好。(虚构)",
        objects_checked=12 * plan.rounds,
        problems_found=plan.problems,
        cases_filed=plan.cases,
    )


def _assigned(ids: tuple[str, ...], at: datetime) -> jointop.FindingAssigned:
    findings = tuple(jointop.Finding(id=id_, text="场地未落实管理措施。(虚构)") for id_ in ids)
    return jointop.FindingAssigned(findings=findings, due=cast.longest(at.date(), 21))


def _answered(ids: tuple[str, ...], code: str, _at: datetime) -> jointop.FindingAnswered:
    text = "已督促整改到位。(虚构)"
    answers = tuple(jointop.FindingAnswer(finding=id_, handling=Handling.RECTIFIED, text=text) for id_ in ids)
    return jointop.FindingAnswered(answers=answers, contact=cast.contact(code))


def _minuted(plan: Plan, at: datetime) -> jointop.Minuted:
    return jointop.Minuted(minuted_on=at.date(), minutes=f"{plan.title}纪要。(虚构)")
