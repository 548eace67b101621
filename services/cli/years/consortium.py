"""What goes on in the consortium 共联体 besides operations: meetings, undertakings, transfers, assistance, letters."""

from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Final
from uuid import UUID

from events import assist, letter, transfer, undertaking
from events.assist import AssistType
from events.letter import Adoption, Channel, Implementation, LetterType, Situation
from events.parts import CaseSource, Ground, Link, Relation, ReportedBy
from events.penalties import CaseCategory, Outcome, Penalty, PenaltyType
from events.undertaking import MeetingType, UndertakingType
from services.cli.years import cast
from services.cli.years.diary import DAY, Diary, Thread

MEMBERS: Final = (
    cast.BUREAU,
    cast.BUILDING,
    cast.TRANSPORT,
    cast.JUSTICE,
    cast.HOUSING,
    cast.GREENING,
    cast.ECOLOGY,
    cast.WATER,
    cast.GRID,
)
"""The nine units, the bureau in the lead."""
_OTHERS: Final = tuple(code for code in MEMBERS if code not in {cast.BUREAU, cast.JUSTICE})
"""Those that manage something, and are asked and advised."""

_TOPICS: Final = ("建筑垃圾", "工地文明施工", "群租治理", "河道周边", "道路扬尘", "户外广告", "餐饮油烟", "小区治理")


@dataclass(frozen=True, slots=True)
class _Item:
    """An undertaking: what it is about, whose it is, and in how many days it is due. `link`: to its meeting."""

    kind: UndertakingType
    number: str
    topic: str
    unit: str
    days: int
    link: Link | None = None

    @property
    def sender(self) -> str:
        """Nobody gives an undertaking to itself: what the bureau is to do is listed by the party office."""
        return cast.PARTY_OFFICE if self.unit == cast.BUREAU else cast.BUREAU

    def listed(self, at: datetime) -> undertaking.Listed:
        """That it is on the list."""
        return undertaking.Listed(
            number=self.number,
            undertaking_type=self.kind,
            year=at.year,
            title=f"{self.topic}联动治理(示例)",
            goal=f"建立{self.topic}常态化联动协调机制。(虚构)",
            recipient=self.unit,
            tiers=undertaking.ThreeTiers(heading="党委(党组)", in_charge="分管领导(虚构)", carrying_out="业务部门"),
            due=cast.longest(at.date(), self.days),
            resolution="1" if self.link is not None else None,
            links=(self.link,) if self.link is not None else (),
        )


def meetings(diary: Diary, rota: int, topic: int) -> None:
    """轮值会议 and 专题会议; each resolves something, which becomes an undertaking."""
    last = len(diary.slots) - 30 * DAY
    for number, slot in enumerate(diary.even(rota, 10 * DAY, last)):
        _meeting(diary, slot, MeetingType.ROTA, number)
    for number, slot in enumerate(diary.even(topic, 12 * DAY + 1, last)):
        _meeting(diary, slot, MeetingType.TOPIC, number)


def _meeting(diary: Diary, slot: int, kind: MeetingType, number: int) -> None:
    unit = MEMBERS[1 + number % (len(MEMBERS) - 1)]
    topic = _TOPICS[number % len(_TOPICS)]
    case = f"SYN-2023-会议-{kind}-{number + 1:02}"
    thread = diary.open(slot, cast.BUREAU, "undertaking", partial(_held, kind, number, unit, topic), case=case)
    link = Link(relation=Relation.GREW_FROM, kind="undertaking", exchange=UUID(thread.exchange), sequence=1)
    item = _Item(UndertakingType.RESOLUTION, f"SYN-决议-{kind}-{number + 1:02}", topic, unit, 90, link)
    _carry_out(diary, slot + DAY, item, case, done=(64 if number % 9 == 8 else 20) * DAY)


def _held(kind: MeetingType, number: int, unit: str, topic: str, at: datetime) -> undertaking.MeetingHeld:
    rota = kind is MeetingType.ROTA
    label = "轮值会议" if rota else f"{topic}联动协调专题会议"
    return undertaking.MeetingHeld(
        meeting_type=kind,
        title=f"共联体{label}第{number + 1}次(示例)",
        held_on=at.date(),
        rota_unit=MEMBERS[(number + 1) % len(MEMBERS)] if rota else None,
        attendants=MEMBERS,
        copied=(*MEMBERS[1:], cast.PARTY_OFFICE),
        minutes="会议纪要。(虚构)",
        resolutions=(undertaking.Resolution(id="1", text=f"落实{topic}联动措施。(虚构)", unit=unit),),
    )


def projects(diary: Diary, count: int) -> None:
    """年度项目: listed in February, done before the year ends."""
    slot = diary.slots.first(date(2023, 2, 6))
    for number in range(count):
        topic, unit = _TOPICS[number % len(_TOPICS)], MEMBERS[number % len(MEMBERS)]
        item = _Item(UndertakingType.PROJECT, f"SYN-项目-{number + 1}", topic, unit, 320)
        done = diary.slots.first(date(2023, 11, 20)) - slot + number
        _carry_out(diary, slot, item, f"SYN-2023-项目-{number + 1}", done=done, progress=3)


def actions(diary: Diary, count: int) -> None:
    """共同行动清单: all of them done within the year, a few too late."""
    first = diary.slots.first(date(2023, 3, 1))
    for number, slot in enumerate(diary.even(count, first, first + 40 * DAY)):
        topic, unit = _TOPICS[number % len(_TOPICS)], MEMBERS[number % len(MEMBERS)]
        item = _Item(UndertakingType.ACTION, f"SYN-行动-{number + 1:02}", topic, unit, 180)
        done = (125 if number % 7 == 6 else 80) * DAY
        _carry_out(diary, slot, item, f"SYN-2023-行动-{number + 1:02}", done=done, progress=2)


def _carry_out(diary: Diary, slot: int, item: _Item, case: str, *, done: int, progress: int = 1) -> None:
    """It is listed, moves on, is done after so many slots, and reviewed."""
    thread = diary.open(slot, item.sender, "undertaking", item.listed, case=case)
    for number in range(1, progress + 1):
        percent = 100 * number // (progress + 1)
        thread.say(slot + done * number // (progress + 1), item.unit, partial(_progressed, percent))
    over = thread.say(slot + done, item.unit, _done)
    thread.say(diary.later(over, DAY, 4 * DAY), item.sender, _reviewed)


def _progressed(percent: int, _at: datetime) -> undertaking.Progressed:
    return undertaking.Progressed(progress="按计划推进。(虚构)", percent=percent)


def _done(at: datetime) -> undertaking.Done:
    return undertaking.Done(result="已完成, 形成长效机制。(虚构)", done_on=at.date())


def _reviewed(at: datetime) -> undertaking.Reviewed:
    return undertaking.Reviewed(reviewed_on=at.date(), opinion="验收通过。(虚构)")


@dataclass(frozen=True, slots=True)
class _Way:
    """What goes from a member to another."""

    number: int
    sender: str
    recipient: str
    category: CaseCategory = CaseCategory.MUNICIPAL


_TRANSFERS: Final = (
    (cast.BUREAU, cast.BUILDING, CaseCategory.CONSTRUCTION),
    (cast.HOUSING, cast.BUREAU, CaseCategory.HOUSING),
    (cast.GREENING, cast.BUREAU, CaseCategory.CONSTRUCTION_WASTE),
    (cast.BUREAU, cast.TRANSPORT, CaseCategory.MUNICIPAL),
    (cast.WATER, cast.BUREAU, CaseCategory.RIVER),
)


def transfers(diary: Diary, count: int) -> None:
    """案件移送 between members: most are decided, some returned, some not filed."""
    for number, slot in enumerate(diary.even(count, 15 * DAY, len(diary.slots) - 70 * DAY), 1):
        way = _Way(number, *_TRANSFERS[number % len(_TRANSFERS)])
        case = f"SYN-2023-移送-{number:02}"
        thread = diary.open(slot, way.sender, "transfer", partial(_transferred, diary, way), case=case)
        after = thread.say(slot + 1, way.recipient, partial(_transfer_receipted, way.recipient))
        if number % 7:
            _taken_on(thread, diary.later(after, 2, 4), way)
        else:
            after = thread.say(diary.later(after, 2, 4), way.recipient, partial(_returned, way))
            thread.say(diary.later(after, 1, 4), way.sender, lambda _: transfer.ReturnAccepted())


def _transferred(diary: Diary, way: _Way, at: datetime) -> transfer.Sent:
    return transfer.Sent(
        number=cast.document("闵移", way.number),
        recipient=way.recipient,
        nature=transfer.Nature.LEAD,
        origin=ReportedBy(source=CaseSource.PATROL),
        circumstances=cast.circumstances(diary.rng, way.category, "310112", "示例经营"),
        why=transfer.Why.MATTER,
        reason="不属于本机关职责范围。(虚构)",
        legal_basis=(cast.TRANSFER_RULES,),
        purpose="共联体案件移送",
        contact=cast.contact(way.sender),
        dated=at.date(),
    )


def _transfer_receipted(recipient: str, at: datetime) -> transfer.Receipted:
    return transfer.Receipted(receiver=cast.contact(recipient).name, received_at=at)


def _returned(way: _Way, _at: datetime) -> transfer.Returned:
    return transfer.Returned(
        number=cast.document("闵退", way.number),
        ground=Ground(code="already-handled", reason="该事项已由本单位立案处理完毕。(虚构)"),
        contact=cast.contact(way.recipient),
    )


def _taken_on(thread: Thread, slot: int, way: _Way) -> None:
    diary, number = thread.diary, way.number
    slot = thread.say(slot, way.recipient, lambda _: transfer.Accepted(contact=cast.contact(way.recipient)))
    slot = diary.later(slot, 4, 20)
    if number % 5:
        slot = thread.say(slot, way.recipient, partial(_filed, number))
        slot = thread.say(diary.later(slot, 30, 80), way.recipient, partial(_ruled, number))
    else:
        slot = thread.say(slot, way.recipient, partial(_not_filed, number))
    thread.say(diary.later(slot, 1, 5), way.recipient, partial(_outcome, number))


def _not_filed(number: int, _at: datetime) -> transfer.NotFiled:
    ground = Ground(code="no-unlawful-act", reason="经核查违法事实不成立。(虚构)")
    return transfer.NotFiled(number=cast.document("闵不立", number), ground=ground)


def _filed(number: int, at: datetime) -> transfer.Filed:
    return transfer.Filed(number=cast.document("闵立", number), filed_on=at.date())


def _ruled(number: int, at: datetime) -> transfer.Decided:
    return transfer.Decided(
        number=cast.document("闵罚移", number),
        decided_on=at.date(),
        outcome=Outcome.PENALISED,
        penalties=(Penalty(type=PenaltyType.WARNING),),
        legal_basis=(cast.TRANSFER_RULES,),
    )


def _outcome(number: int, at: datetime) -> transfer.OutcomeReported:
    return transfer.OutcomeReported(
        number=cast.document("闵函", number), summary="已依法处理, 通报办理结果。(虚构)", reported_on=at.date()
    )


def collaborations(diary: Diary, count: int) -> None:
    """执法协作: the bureau and its teams ask the members, and they the bureau."""
    for number, slot in enumerate(diary.even(count, 12 * DAY, len(diary.slots) - 15 * DAY), 1):
        member = _OTHERS[number % len(_OTHERS)]
        ways = ((cast.BUREAU, member), (member, cast.BUREAU), (cast.team(cast.some_unit(diary.rng)), member))
        way = _Way(number, *ways[number % len(ways)])
        case = f"SYN-2023-协作-{number:02}"
        thread = diary.open(slot, way.sender, "assist", partial(_requested, diary, way), case=case)
        after = thread.say(diary.later(slot, 2, 6), way.recipient, partial(_opinion, way))
        thread.say(diary.later(after, 1, 4), way.sender, lambda _: assist.Closed(reason="已按协作意见处置。(虚构)"))


def _requested(diary: Diary, way: _Way, at: datetime) -> assist.Requested:
    return assist.Requested(
        number=cast.document("闵协", way.number),
        recipient=way.recipient,
        assist_type=AssistType.COLLABORATION,
        circumstances=cast.circumstances(diary.rng, way.category, "310112", "示例经营"),
        questions=("请派员协同到场并提供管理信息。",),
        legal_basis=(cast.ASSIST_RULES,),
        purpose="共联体执法协作",
        contact=cast.contact(way.sender),
        dated=at.date(),
    )


def _opinion(way: _Way, _at: datetime) -> assist.Answered:
    return assist.Answered(
        number=cast.document("闵协复", way.number),
        answers=(assist.Answer(question=1, opinion="已派员协同, 信息随函附送。(虚构)"),),
        contact=cast.contact(way.recipient),
    )


def letters(diary: Diary, count: int, channel: Channel) -> None:
    """执法建议书, by the bureau or through the consortium: answered item by item, a few too late."""
    for number, slot in enumerate(diary.even(count, 18 * DAY, len(diary.slots) - 45 * DAY)):
        first, second = _OTHERS[number % len(_OTHERS)], _OTHERS[(number + 1) % len(_OTHERS)]
        recipients = (first, second) if number % 5 == 4 else (first,)
        case = f"SYN-2023-建议-{channel}-{number + 1:02}"
        thread = diary.open(slot, cast.BUREAU, "letter", partial(_issued, channel, number, recipients), case=case)
        ends = [_replied(thread, slot, code, number) for code in recipients]
        thread.say(max(ends), cast.BUREAU, _closed)


def _issued(channel: Channel, number: int, recipients: tuple[str, ...], at: datetime) -> letter.Issued:
    issuer = "闵城建" if channel is Channel.BUREAU else "闵共建"
    topic = _TOPICS[number % len(_TOPICS)]
    return letter.Issued(
        number=cast.document(issuer, number + 1),
        letter_type=LetterType.ENFORCEMENT_SUGGESTION,
        channel=channel,
        situation=Situation.ORDINARY,
        recipients=recipients,
        background=f"执法中发现{topic}问题较为集中。(虚构)",
        problems="前端管理措施落实不到位。(虚构)",
        items=(
            letter.Item(id="1", text=f"完善{topic}日常管理。"),
            letter.Item(id="2", text="建立信息互通机制。"),
        ),
        legal_basis=(cast.NOTICE_RULES,),
        contact=cast.contact(cast.BUREAU),
        dated=at.date(),
    )


def _replied(thread: Thread, slot: int, code: str, number: int) -> int:
    diary = thread.diary
    slot = thread.say(slot + 1, code, partial(_letter_receipted, code))
    slot = diary.later(slot, 34, 40) if number % 6 == 3 else diary.later(slot, 8, 18)
    slot = thread.say(slot, code, partial(_reply, code, number))
    slot = thread.say(diary.later(slot, 8, 20), code, _completed)
    return thread.say(diary.later(slot, 2, 8), cast.BUREAU, _looked_at, leg=code)


def _letter_receipted(code: str, at: datetime) -> letter.Receipted:
    return letter.Receipted(receiver=cast.contact(code).name, received_at=at)


def _reply(code: str, number: int, at: datetime) -> letter.Replied:
    adopted = letter.Answer(
        item="1", adoption=Adoption.ADOPTED, measure="纳入日常巡查。(虚构)", due=cast.longest(at.date(), 60)
    )
    other = letter.Answer(item="2", adoption=Adoption.NOT_ADOPTED, reason="已有同类机制。(虚构)")
    return letter.Replied(
        number=cast.document("闵复", number + 1),
        answers=(adopted, other),
        contact=cast.contact(code),
        dated=at.date(),
    )


def _completed(at: datetime) -> letter.ItemCompleted:
    return letter.ItemCompleted(item="1", completed_on=at.date(), result="已落实。(虚构)")


def _looked_at(at: datetime) -> letter.Reviewed:
    return letter.Reviewed(implementation=Implementation.FULL, opinion="采纳部分已落实。(虚构)", reviewed_on=at.date())


def _closed(at: datetime) -> letter.Closed:
    return letter.Closed(conclusion="建议已办结。(虚构)", closed_on=at.date())
