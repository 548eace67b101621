"""行政协助、协助认定、执法协作: one agency asks another for what lies within its powers."""

from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from events.fact import Fact
from events.fields import PERSONAL, AgencyCode, DocumentNumber, Instant, Line, Part, Text
from events.parts import (
    Attachment,
    Circumstances,
    Citation,
    CompetentBody,
    Contact,
    DossierRef,
    Ground,
    Link,
    Place,
    Urgency,
)

QuestionNumber = Annotated[int, Field(ge=1, le=99)]


class AssistType(StrEnum):
    """协助事项."""

    DETERMINATION = "determination"  # 协助认定
    INQUIRY = "inquiry"  # 查询资料
    INVESTIGATION = "investigation"  # 调查取证
    INTERVIEW = "interview"  # 约谈
    APPRAISAL = "appraisal"  # 鉴定
    COLLABORATION = "collaboration"  # 执法协作
    SUPPORT = "support"  # 力量支援


class SupportMode(StrEnum):
    """支援方式."""

    REINFORCEMENT = "reinforcement"  # 力量支援
    NIGHT_WATCH = "night_watch"  # 夜间联防
    REDEPLOYMENT = "redeployment"  # 跨区域调动


class Support(Part):
    """力量支援: which forces, where and when."""

    mode: SupportMode
    """支援方式"""
    place: Place
    """地点"""
    starts_at: Instant
    """开始时间"""
    ends_at: Instant
    """结束时间"""
    people: Annotated[int, Field(ge=1, le=9_999)] | None = None
    """人数"""
    equipment: tuple[Line, ...] = ()
    """车辆装备"""

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.ends_at <= self.starts_at:
            msg = "ends_at is after starts_at"
            raise ValueError(msg)
        return self


class Answer(Part):
    """答复: of one question, by its number."""

    question: QuestionNumber
    """事项序号"""
    opinion: Annotated[Text, PERSONAL]
    """意见"""


class Requested(Fact):
    """请求协助: 协助通知书. 城管执法条例(2018) 第二十九条; 行政处罚法 26. Questions are numbered in order, from 1."""

    title_zh: ClassVar[str] = "请求协助"
    number: DocumentNumber
    """协助通知书文号"""
    recipient: AgencyCode
    """协助单位"""
    assist_type: AssistType
    """协助事项"""
    case_number: Line | None = None
    """案号"""
    circumstances: Circumstances | None = None
    """案件基本情况"""
    support: Support | None = None
    """支援需求"""
    questions: Annotated[tuple[Text, ...], Field(min_length=1, max_length=99), PERSONAL]
    """需以书面形式协助完成的事项"""
    legal_basis: Annotated[tuple[Citation, ...], Field(min_length=1)]
    """法律依据"""
    purpose: Line
    """用途: 上海市数据条例 39-40"""
    reply_by: date | None = None
    """盼复日期"""
    dossier: DossierRef | None = None
    """一户一档/一店一档"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""
    contact: Contact
    """联系人"""
    dated: date
    """成文日期"""
    signed_by: Annotated[Line | None, PERSONAL] = None
    """签发人"""
    urgency: Urgency = Urgency.ORDINARY
    """紧急程度"""
    retain_until: date | None = None
    """保存至"""
    links: tuple[Link, ...] = ()
    """关联往来"""

    @model_validator(mode="after")
    def _a_case_or_forces(self) -> Self:
        if (self.assist_type is AssistType.SUPPORT) != (self.support is not None):
            msg = "support is given if, and only if, assist_type is support"
            raise ValueError(msg)
        if self.support is None and self.circumstances is None:
            msg = "assistance in a case says which: circumstances"
            raise ValueError(msg)
        return self


class Answered(Fact):
    """书面意见: an answer to each question. 城管执法条例(2018) 第二十九条."""

    title_zh: ClassVar[str] = "书面答复"
    number: DocumentNumber
    """复函文号"""
    answers: Annotated[tuple[Answer, ...], Field(min_length=1, max_length=99)]
    """逐项意见"""
    legal_basis: tuple[Citation, ...] = ()
    """依据"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""
    contact: Contact
    """联系人"""

    @model_validator(mode="after")
    def _one_answer_each(self) -> Self:
        numbers = [item.question for item in self.answers]
        if len(set(numbers)) != len(numbers):
            msg = "a question is answered once"
            raise ValueError(msg)
        return self


class Refused(Fact):
    """不予协助: with its ground. 行政处罚法 26: 属于职权范围内的, 依法予以协助."""

    title_zh: ClassVar[str] = "不予协助"
    number: DocumentNumber
    """文号"""
    ground: Ground
    """不予协助理由"""
    competent_body: CompetentBody | None = None
    """有管辖权的机关"""
    legal_basis: tuple[Citation, ...] = ()
    """依据"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""
    contact: Contact
    """联系人"""


class Escalated(Fact):
    """报请裁定: the one who asked does not accept the refusal, and brings it before the common superior."""

    title_zh: ClassVar[str] = "报请裁定"
    arbiter: AgencyCode
    """报请的共同上一级机关"""
    reason: Text
    """理由"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""


class _Ruling(Fact):
    """What both outcomes of an escalation say."""

    number: DocumentNumber
    """文号"""
    reason: Text
    """理由"""
    legal_basis: Annotated[tuple[Citation, ...], Field(min_length=1)]
    """依据"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""


class RefusalUpheld(_Ruling):
    """拒绝成立: the agency need not assist."""

    title_zh: ClassVar[str] = "裁定拒绝成立"


class RefusalOverruled(_Ruling):
    """拒绝不成立: the agency must answer."""

    title_zh: ClassVar[str] = "裁定应予协助"
    reply_by: date | None = None
    """答复期限"""


class Closed(Fact):
    """办结: the one who asked has what it needs, or accepts the refusal."""

    title_zh: ClassVar[str] = "办结"
    reason: Text
    """办结说明: how the answer was used, or why nothing more is asked"""
