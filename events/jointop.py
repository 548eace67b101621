"""联合执法、联合整治、跨区行动、保障: one agency plans, several take part, and what was found is handed out."""

from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from events.fact import Fact
from events.fields import PERSONAL, AgencyCode, DocumentNumber, Instant, Line, Part, Text
from events.parts import Attachment, Citation, CompetentBody, Contact, Ground, Link, Place, Urgency

Count = Annotated[int, Field(ge=0, le=1_000_000)]


class Programme(StrEnum):
    """行动类别. The bureaus count these apart, so that no two of them are ever added up by chance."""

    CONSORTIUM = "consortium"  # 共联体联合执法
    ROAD = "road"  # 区级道路联合整治
    COMMUNITY = "community"  # 社区联合整治, 城管社区工作室牵头的在内
    CROSS_DISTRICT = "cross_district"  # 区区联动, 跨区域联合执法
    METRO = "metro"  # 轨交联动
    SUPPORT = "support"  # 执法保障
    REDEPLOYMENT = "redeployment"  # 机动支援, 跨区域调动
    CHECK = "check"  # 部门联合检查
    RANDOM_CHECK = "random_check"  # 双随机、一公开
    CAMPAIGN = "campaign"  # 专项整治


class Rhythm(StrEnum):
    """开展频次."""

    ONCE = "once"  # 单次
    DAILY = "daily"  # 每日联合巡查
    WEEKLY = "weekly"  # 每周联合执法
    MONTHLY = "monthly"  # 每月
    STANDING = "standing"  # 常态化


class Step(StrEnum):
    """八步工作法."""

    SURVEY = "survey"  # 摸底
    OPINION = "opinion"  # 舆情
    INTERVIEW = "interview"  # 约谈
    PERSUASION = "persuasion"  # 疏导
    CLEARING = "clearing"  # 整治
    DEMOLITION = "demolition"  # 拆违封门
    RESTORATION = "restoration"  # 修复
    IMPROVEMENT = "improvement"  # 提升


class Duty(Part):
    """职责分工: what an addressee is to do."""

    agency: AgencyCode
    """参与单位"""
    duty: Text
    """职责"""
    staff: Count | None = None
    """人数"""
    equipment: tuple[Line, ...] = ()
    """装备"""


def _in_order(starts_at: Instant, ends_at: Instant) -> None:
    if ends_at <= starts_at:
        msg = "it ends after it starts"
        raise ValueError(msg)


class Proposed(Fact):
    """提出行动方案: 浙江省综合行政执法条例(2022) 第十四条: the initiator's 工作方案 says who does what."""

    title_zh: ClassVar[str] = "提出行动方案"
    title: Line
    """行动名称"""
    number: DocumentNumber | None = None
    """方案文号"""
    programme: Programme
    """行动类别"""
    campaign: Line | None = None
    """专项名称"""
    recipients: Annotated[tuple[AgencyCode, ...], Field(min_length=1)]
    """参与单位"""
    copied: tuple[AgencyCode, ...] = ()
    """抄送"""
    own_duty: Text
    """发起单位职责"""
    duties: tuple[Duty, ...]
    """参与单位职责"""
    others: tuple[Line, ...] = ()
    """总线外的参与方"""
    places: tuple[Place, ...] = ()
    """地点"""
    scope: Text
    """范围"""
    starts_at: Instant
    """开始时间"""
    ends_at: Instant
    """结束时间"""
    rhythm: Rhythm = Rhythm.ONCE
    """开展频次"""
    steps: tuple[Step, ...] = ()
    """八步工作法"""
    reason: Text
    """事由"""
    legal_basis: Annotated[tuple[Citation, ...], Field(min_length=1)]
    """依据"""
    staff: Count | None = None
    """发起单位人数"""
    equipment: tuple[Line, ...] = ()
    """发起单位装备"""
    confirm_by: date | None = None
    """请确认日期"""
    contact: Contact
    """联系人"""
    attachments: tuple[Attachment, ...] = ()
    """方案及附件"""
    urgency: Urgency = Urgency.ORDINARY
    """紧急程度"""
    links: tuple[Link, ...] = ()
    """关联往来"""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if len({*self.recipients, *self.copied}) < len(self.recipients) + len(self.copied):
            msg = "an agency is addressed once"
            raise ValueError(msg)
        if sorted(item.agency for item in self.duties) != sorted(self.recipients):
            msg = "duties says of each of the recipients, once, what it is to do"
            raise ValueError(msg)
        _in_order(self.starts_at, self.ends_at)
        return self


class Confirmed(Fact):
    """确认参加: at the time that it names, so that a confirmation and a postponement cannot cross unseen."""

    title_zh: ClassVar[str] = "确认参加"
    starts_at: Instant
    """所确认的开始时间"""
    contact: Contact
    """带队人"""
    staff: Count | None = None
    """人数"""
    equipment: tuple[Line, ...] = ()
    """装备"""
    note: Text | None = None
    """意见"""


class Declined(Fact):
    """不参加: for a ground. The operation may be held all the same."""

    title_zh: ClassVar[str] = "不参加"
    ground: Ground
    """不参加的理由"""
    competent_body: CompetentBody | None = None
    """应当参加的单位"""


class Escalated(Fact):
    """报请责令参加: the initiator brings a refusal before the superior of whoever declined. It waits for nobody."""

    title_zh: ClassVar[str] = "报请责令参加"
    arbiter: AgencyCode
    """报请的共同上一级机关"""
    reason: Text
    """理由"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""


class ParticipationOrdered(Fact):
    """责令参加: the common superior does not let the refusal stand, and it is not declined again.

    城管执法条例(2018) 第三十条、第四十条.
    """

    title_zh: ClassVar[str] = "责令参加"
    number: DocumentNumber | None = None
    """文号"""
    agency: AgencyCode
    """被责令单位"""
    reason: Text
    """理由"""
    legal_basis: Annotated[tuple[Citation, ...], Field(min_length=1)]
    """依据"""


class LeftOut(Fact):
    """不再等候答复: the initiator goes on without an addressee that does not answer."""

    title_zh: ClassVar[str] = "不再等候答复"
    reason: Text
    """理由"""


class Postponed(Fact):
    """延期举行: to a new time, to which all are asked again."""

    title_zh: ClassVar[str] = "延期举行"
    starts_at: Instant
    """新的开始时间"""
    ends_at: Instant
    """新的结束时间"""
    confirm_by: date | None = None
    """请确认日期"""
    reason: Text
    """延期理由"""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _in_order(self.starts_at, self.ends_at)
        return self


class Cancelled(Fact):
    """取消."""

    title_zh: ClassVar[str] = "取消"
    reason: Text
    """取消理由"""


class Held(Fact):
    """行动开展情况. The initiator itself is named where it was there; alone, where nobody else came."""

    title_zh: ClassVar[str] = "行动开展"
    started_at: Instant
    """开始时间"""
    ended_at: Instant
    """结束时间"""
    participants: Annotated[tuple[AgencyCode, ...], Field(min_length=1)]
    """到场单位"""
    rounds: Annotated[int, Field(ge=1, le=10_000)] = 1
    """开展次数"""
    staff: Count | None = None
    """出动人数"""
    course: Annotated[Text, PERSONAL]
    """现场情况"""
    objects_checked: Count
    """检查对象数"""
    problems_found: Count
    """发现问题数"""
    cases_filed: Count
    """立案数"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        _in_order(self.started_at, self.ended_at)
        if len({*self.participants}) < len(self.participants):
            msg = "a participant is named once"
            raise ValueError(msg)
        return self


FindingId = Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z.-]{0,19}$")]
"""问题编号, within the operation."""


class Finding(Part):
    """发现的问题."""

    id: FindingId
    """问题编号"""
    text: Annotated[Text, PERSONAL]
    """问题"""
    place: Place | None = None
    """地点"""


class FindingAssigned(Fact):
    """问题分办: what was found and one addressee has to deal with. The newest day holds for all that is open there."""

    title_zh: ClassVar[str] = "问题分办"
    findings: Annotated[tuple[Finding, ...], Field(min_length=1)]
    """问题"""
    due: date
    """办理期限"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""

    @model_validator(mode="after")
    def _once_each(self) -> Self:
        _apart([item.id for item in self.findings])
        return self


class Handling(StrEnum):
    """问题办理结果."""

    RECTIFIED = "rectified"  # 已整改
    CASE_FILED = "case_filed"  # 已立案
    HANDED_OVER = "handed_over"  # 已移送有关部门
    UNFOUNDED = "unfounded"  # 经查不成立
    NOT_OURS = "not_ours"  # 不属本单位职责


class FindingAnswer(Part):
    """一项问题的办理结果. That it is not one's own names whose it is: 城管执法条例(2018) 第二十八条."""

    finding: FindingId
    """问题编号"""
    handling: Handling
    """办理结果"""
    text: Annotated[Text, PERSONAL]
    """办理情况"""
    case_number: Line | None = None
    """案号"""
    competent_body: CompetentBody | None = None
    """有权处理的单位"""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.handling is Handling.NOT_OURS) != (self.competent_body is not None):
            msg = "a competent_body is named if, and only if, the handling is not_ours"
            raise ValueError(msg)
        if (self.handling is Handling.CASE_FILED) != (self.case_number is not None):
            msg = "a case_number is given if, and only if, the handling is case_filed"
            raise ValueError(msg)
        return self


class FindingAnswered(Fact):
    """问题反馈: an addressee answers all that is open with it, item by item."""

    title_zh: ClassVar[str] = "问题反馈"
    answers: Annotated[tuple[FindingAnswer, ...], Field(min_length=1)]
    """办理结果"""
    contact: Contact
    """承办人"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""

    @model_validator(mode="after")
    def _once_each(self) -> Self:
        _apart([item.finding for item in self.answers])
        return self


def _apart(ids: list[str]) -> None:
    if len({*ids}) < len(ids):
        msg = "each finding stands there once"
        raise ValueError(msg)


class FindingLeftOpen(Fact):
    """问题未反馈说明: the initiator goes on without an addressee's answer, and says why. It may still come."""

    title_zh: ClassVar[str] = "问题未反馈说明"
    reason: Text
    """理由"""


class Minuted(Fact):
    """形成纪要: after every finding was answered, or left open for a reason."""

    title_zh: ClassVar[str] = "形成纪要"
    number: DocumentNumber | None = None
    """纪要文号"""
    minuted_on: date
    """纪要日期"""
    minutes: Annotated[Text, PERSONAL]
    """纪要"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""


class Closed(Fact):
    """办结."""

    title_zh: ClassVar[str] = "办结"
    note: Text | None = None
    """备注"""
