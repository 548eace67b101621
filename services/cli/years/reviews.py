"""What is looked at before and after decisions: filings, results of reconsideration and litigation, property firms."""

from datetime import date, datetime
from functools import partial
from typing import Final

from events import filing, notice
from events.filing import Aspect, Disposition, FilingType, Hearing, Major
from events.notice import Direction, Feedback, NoticeSubject, ReviewResult, ReviewType
from events.parts import Quantity, QuantityUnit
from events.penalties import CaseCategory, Outcome, Penalty, PenaltyType
from services.cli.years import cast
from services.cli.years.decisions import YUAN
from services.cli.years.diary import DAY, Diary, Thread

SINCE: Final = date(2023, 5, 15)
"""From which day on the teams file their major cases 重大案件备案."""

_LABELS: Final = {
    FilingType.MAJOR_CASE: "备案",
    FilingType.LEGAL_REVIEW: "审核",
    FilingType.DEMOLITION_REVIEW: "拆违",
}


def filings(diary: Diary, kind: FilingType, count: int, problems: int) -> None:
    """Filings of the teams with the bureau, in some of which it finds problems, so many in all."""
    first = diary.slots.first(SINCE) if kind is FilingType.MAJOR_CASE else 6 * DAY
    for number, slot in enumerate(diary.even(count, first, len(diary.slots) - 20 * DAY), 1):
        team = cast.team(cast.some_unit(diary.rng))
        make = partial(_submitted, diary, kind, team, number)
        case = f"SYN-2023-{_LABELS[kind]}-{number:02}"
        thread = diary.open(slot, team, "filing", make, case=case)
        # Two in one, one in the next, until there are no more; every third has none.
        found = min(problems, 1 + number % 2) if number % 3 else 0
        problems -= found
        looked_at = diary.later(slot, 2, 5)
        if found:
            looked_at = _problems(thread, looked_at, team, found)
        thread.say(looked_at, cast.BUREAU, partial(_accepted, kind, number))


def _problems(thread: Thread, slot: int, team: str, found: int) -> int:
    slot = thread.say(slot, cast.BUREAU, partial(_commented, found))
    slot = thread.say(thread.diary.later(slot, 1, 4), team, partial(_answered, found))
    return thread.diary.later(slot, 1, 4)


def _submitted(diary: Diary, kind: FilingType, team: str, number: int, at: datetime) -> filing.Submitted:
    demolition = kind is FilingType.DEMOLITION_REVIEW
    category = CaseCategory.PLANNING if demolition else CaseCategory.CONSTRUCTION_WASTE
    division = team.split("-", maxsplit=1)[0]
    return filing.Submitted(
        number=cast.document(f"闵{_LABELS[kind]}", number),
        recipient=cast.BUREAU,
        filing_type=kind,
        case_number=f"SYN-{_LABELS[kind]}-2023-{number:02}",
        filed_on=at.date(),
        category=category,
        why=() if demolition else (Major.MAJOR_RIGHTS,),
        circumstances=cast.circumstances(diary.rng, category, division, "示例经营"),
        area=Quantity(value=str(20 + number), unit=QuantityUnit.SQUARE_METRE) if demolition else None,
        draft=_DEMOLITION if demolition else _FINE,
        hearing=Hearing.NOT_DUE if demolition else Hearing.NOT_ASKED,
        attachments=(cast.attachment("案件材料(虚构)", 20),),
        contact=cast.contact(team),
    )


_DEMOLITION: Final = filing.Draft(
    outcome=Outcome.PENALISED,
    penalties=(Penalty(type=PenaltyType.OTHER, content="责令限期拆除"),),
    reason="违法搭建, 拟责令限期拆除。(虚构)",
    legal_basis=(cast.TRADES[CaseCategory.PLANNING].law,),
)

_FINE: Final = filing.Draft(
    outcome=Outcome.PENALISED,
    penalties=(Penalty(type=PenaltyType.FINE, amount=50_000 * YUAN),),
    fine=50_000 * YUAN,
    reason="数额较大, 拟罚款。(虚构)",
    legal_basis=(cast.WASTE_LAW,),
)


def _commented(found: int, _at: datetime) -> filing.Commented:
    problems = tuple(
        filing.Problem(number=number, aspect=Aspect.DOCUMENTS, problem="文书填写不规范。(虚构)")
        for number in range(1, found + 1)
    )
    return filing.Commented(problems=problems, contact=cast.contact(cast.BUREAU))


def _answered(found: int, _at: datetime) -> filing.Answered:
    answers = tuple(
        filing.Answer(problem=number, disposition=Disposition.CORRECTED, explanation="已纠正。(虚构)")
        for number in range(1, found + 1)
    )
    return filing.Answered(answers=answers)


def _accepted(kind: FilingType, number: int, at: datetime) -> filing.Accepted:
    return filing.Accepted(
        number=cast.document(f"闵{_LABELS[kind]}复", number), opinion="同意。(虚构)", accepted_on=at.date()
    )


def results(diary: Diary, count: int) -> None:
    """复议、诉讼: how they ended, as the bureau and the teams are told."""
    for number, slot in enumerate(diary.even(count, 10 * DAY, len(diary.slots) - 5 * DAY), 1):
        source = cast.COURT if number % 4 == 0 else cast.GOVERNMENT
        recipient = cast.BUREAU if number % 2 else cast.team(cast.some_unit(diary.rng))
        make = partial(_result, source, recipient, number)
        thread = diary.open(slot, source, "notice", make, case=f"SYN-2023-复议诉讼-{number:02}")
        thread.say(diary.later(slot, 1, 4), recipient, lambda _: notice.Noted())


def _result(source: str, recipient: str, number: int, at: datetime) -> notice.Sent:
    litigation = source == cast.COURT
    review = notice.Review(
        type=ReviewType.LITIGATION if litigation else ReviewType.RECONSIDERATION,
        number=cast.document("行诉" if litigation else "闵府复", number),
        decided_on=at.date(),
        result=ReviewResult.ENDED if number % 5 == 0 else ReviewResult.UPHELD,
        decision_number=cast.document("闵城执罚", 100 + number),
    )
    return notice.Sent(
        number=cast.document("告知结果", number),
        recipient=recipient,
        direction=Direction.MANAGEMENT_TO_ENFORCEMENT,
        subject=NoticeSubject.REVIEW_RESULT,
        review=review,
        content="现将结果告知你单位。(虚构)",
        feedback=Feedback.NOT_REQUIRED,
        legal_basis=(cast.NOTICE_RULES,),
        purpose="复议、诉讼结果告知",
        contact=cast.contact(source),
        dated=at.date(),
    )


def property_firms(diary: Diary) -> None:
    """《住宅小区物业企业监管告知书》: each team tells the housing bureau to which firms it has given one."""
    slot = diary.slots.first(date(2023, 4, 3))
    for number, unit in enumerate(cast.UNITS, 1):
        team = cast.team(unit)
        make = partial(_supervised, diary, team, number)
        thread = diary.open(slot + number, team, "notice", make, case=f"SYN-2023-物业告知-{unit}")
        thread.say(diary.later(slot + number, 1, 4), cast.HOUSING, lambda _: notice.Noted())


def _supervised(diary: Diary, team: str, number: int, at: datetime) -> notice.Sent:
    return notice.Sent(
        number=cast.document("物业告知", number),
        recipient=cast.HOUSING,
        direction=Direction.ENFORCEMENT_TO_MANAGEMENT,
        subject=NoticeSubject.PROPERTY_SUPERVISION,
        property_firms=(cast.firm(diary.rng, "物业服务"), cast.firm(diary.rng, "物业管理")),
        content="已向辖区物业服务企业发放监管告知书。(虚构)",
        feedback=Feedback.NOT_REQUIRED,
        legal_basis=(cast.NOTICE_RULES,),
        purpose="住宅小区物业企业监管告知",
        contact=cast.contact(team),
        dated=at.date(),
    )
