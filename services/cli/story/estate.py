"""A flat whose bearing wall was taken out: notices both ways with the housing department, and the register of titles.

All invented. 城管 tells the housing department, which looks into the property firm and answers by a notice of its own;
the register carries the finding until the wall is back.
"""

from collections.abc import Mapping
from datetime import date
from typing import Final

from events import annotation, common, notice
from events.parts import Archive, Cause, Citation, DossierRef, Parties, Person, Relation, Unit
from events.penalties import CaseCategory, Penalty, PenaltyDecision, PenaltyType, Procedure
from services.cli.story.cast import (
    COOPERATION,
    HOUSING,
    QIBAO_TEAM,
    TITLES,
    Ids,
    Outage,
    Step,
    Thread,
    at,
    attachment,
    desk,
    link,
    officers,
)

CASE = "SYN-2026-承重结构-0045"

PROPERTY_RULES = Citation(law="上海市住宅物业管理规定(2020)", article="第八十四条")
TITLE_RULES = Citation(law="上海市不动产登记若干规定(2020)", article="第三十四条")

OWNER = Person(name="房示例(虚构)", phone="13900000000")
FIRM = Unit(name="示例物业服务有限公司(虚构)", social_credit_code="91310112MA1GB0046U")

_DOSSIER = DossierRef(archive=Archive.HOUSEHOLD, number="SYN-户-0045")

sent = notice.Sent(
    number="七府城告〔2026〕45号",
    recipient=HOUSING,
    direction=notice.Direction.ENFORCEMENT_TO_MANAGEMENT,
    subject=notice.NoticeSubject.PENALTY,
    decision=PenaltyDecision(
        number="七府执罚〔2026〕145号",
        decided_on=date(2026, 9, 14),
        procedure=Procedure.ORDINARY,
        category=CaseCategory.HOUSING,
        cause=Cause(name="损坏房屋承重结构"),
        parties=Parties(persons=(OWNER,)),
        penalties=(Penalty(type=PenaltyType.FINE, amount=5_000_000),),
        fine=5_000_000,
        legal_basis=(PROPERTY_RULES,),
    ),
    category=CaseCategory.HOUSING,
    content="某户装修拆除客厅承重墙, 已处罚并责令恢复; 物业服务企业未劝阻、未报告, 请跟进监管。(虚构)",
    follow_up=("核查物业服务企业的劝阻、报告记录", "排查同小区其他在装修房屋"),
    feedback=notice.Feedback.REQUIRED,
    feedback_by=date(2026, 10, 20),
    dossier=_DOSSIER,
    legal_basis=(COOPERATION,),
    purpose="物业服务企业监管",
    contact=desk(QIBAO_TEAM),
    dated=date(2026, 9, 22),
    signed_by="奚签发(虚构)",
)

acknowledged = notice.Acknowledged(contact=desk(HOUSING), note="已交物业科核查。")

followed_up = notice.FollowedUp(
    number="闵房管函〔2026〕61号",
    result="经查物业服务企业无劝阻、报告记录, 已约谈并记入信用档案; 排查结果另行告知。(虚构)",
    measures=("约谈", "记入物业服务企业信用档案"),
    followed_up_on=date(2026, 10, 12),
)

more_time = common.ExtensionRequested(reason="排查尚未结束, 申请延期。", new_date=date(2026, 10, 30))

closed = notice.Closed(reason="已收到反馈, 排查结果见来文。")


def answered(ids: Ids) -> notice.Sent:
    """The other direction: what the housing department found is 城管's to look into."""
    return notice.Sent(
        number="闵房管告〔2026〕18号",
        recipient=QIBAO_TEAM,
        direction=notice.Direction.MANAGEMENT_TO_ENFORCEMENT,
        subject=notice.NoticeSubject.SUPERVISION_RESULT,
        category=CaseCategory.HOUSING,
        content="排查发现同小区另有两户疑似拆改承重墙, 物业服务企业同样未报告, 请依法查处并反馈。(虚构)",
        feedback=notice.Feedback.REQUIRED,
        feedback_by=date(2026, 11, 10),
        legal_basis=(COOPERATION,),
        purpose="违法线索告知",
        attachments=(attachment("排查记录(虚构)", 3),),
        contact=desk(HOUSING),
        dated=date(2026, 10, 12),
        links=(link(Relation.ANSWERS, "notice", ids["notice-estate"]),),
    )


taken_up = notice.Acknowledged(contact=desk(QIBAO_TEAM))

looked_into = notice.FollowedUp(
    result="一户属实, 已立案并责令恢复; 一户为非承重隔墙, 不予立案; 物业服务企业另案处罚。(虚构)",
    measures=("立案一起", "责令恢复"),
    followed_up_on=date(2026, 11, 3),
)

both_closed = notice.Closed(reason="已收到查处结果。")


def requested(ids: Ids) -> annotation.Requested:
    """The determination goes into the register, so that nobody buys the flat unawares."""
    return annotation.Requested(
        number="七府城注〔2026〕15号",
        recipient=TITLES,
        estate=annotation.Estate(
            division="310112102",
            location="七宝镇示例路8弄1号401室(虚构)",
            unit_number="SYN-310112102035GB00017F00010401",
            certificate="沪(2018)闵字不动产权第SYN0001号",
            owners=(annotation.Owner(name=OWNER.name),),
        ),
        determination=annotation.Determination.STRUCTURAL_DAMAGE,
        document="七府执认〔2026〕22号",
        effective_on=date(2026, 9, 14),
        part="客厅与阳台间承重墙",
        officers=officers("奚队员", "柏队员"),
        legal_basis=(TITLE_RULES,),
        attachments=(attachment("认定文书(虚构)", 2), attachment("房屋检测报告(虚构)", 14)),
        dossier=_DOSSIER,
        contact=desk(QIBAO_TEAM),
        links=(link(Relation.GREW_FROM, "notice", ids["notice-estate"], 1),),
    )


NUMBER = "SYN-注-2026-0311"

recorded = annotation.Recorded(number=NUMBER, registered_at=at(9, 28, 9, 30), registrar="水登簿(虚构)")

release_requested = annotation.ReleaseRequested(
    annotation=NUMBER,
    source=annotation.Applicant.SUISHENBAN,
    applied_on=date(2026, 10, 26),
    applicant=OWNER,
    attachments=(attachment("加固验收意见(虚构)", 3),),
)

certified = annotation.RectificationCertified(
    number="七府城整〔2026〕9号",
    completed_on=date(2026, 10, 24),
    inspected_on=date(2026, 10, 28),
    inspectors=officers("奚队员", "柏队员"),
    photos=(attachment("复查照片(虚构)"),),
    note="承重墙已按加固方案恢复。",
)

released = annotation.Released(number="SYN-解-2026-0287", registered_at=at(11, 3, 9, 30), registrar="水登簿(虚构)")

THREADS: Final[Mapping[str, Thread]] = {
    "notice-estate": Thread("notice", CASE),
    "notice-answer": Thread("notice", "SYN-房告-0018", opened_by=HOUSING),
    "annotation": Thread("annotation", CASE),
}

OUTAGE: Final = Outage(TITLES, QIBAO_TEAM, at(9, 24, 9), at(9, 27, 18), "登记系统假期停机检修")
"""The application lies before a registry whose system is off; the team gets proof of it, and knows to telephone."""


def steps(ids: Ids) -> tuple[Step, ...]:
    """Told, answered, recorded and released."""
    return (
        Step(at(9, 22, 10), QIBAO_TEAM, "notice-estate", sent),
        Step(at(9, 28, 10), HOUSING, "notice-estate", acknowledged),
        Step(at(10, 12, 10), HOUSING, "notice-estate", followed_up),
        # It has reported: no deadline of its own runs any more that could be extended.
        Step(at(10, 12, 10), HOUSING, "notice-estate", more_time, refused="not-extendable"),
        Step(at(10, 12, 10), HOUSING, "notice-answer", answered(ids)),
        Step(at(10, 15, 10), QIBAO_TEAM, "notice-answer", taken_up),
        Step(at(10, 20, 10), QIBAO_TEAM, "notice-estate", closed),
        Step(at(11, 3, 10), QIBAO_TEAM, "notice-answer", looked_into),
        Step(at(11, 9, 9), HOUSING, "notice-answer", both_closed),
        Step(at(9, 24, 10), QIBAO_TEAM, "annotation", requested(ids)),
        Step(at(9, 28, 10), TITLES, "annotation", recorded),
        Step(at(10, 27, 10), TITLES, "annotation", release_requested),
        Step(at(10, 29, 10), QIBAO_TEAM, "annotation", certified),
        Step(at(11, 3, 10), TITLES, "annotation", released),
    )
