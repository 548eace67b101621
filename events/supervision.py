"""罚后监管: after the penalty it is seen whether the wrong was put right, and the permit's keeper follows up."""

from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from events.fact import Fact
from events.fields import PERSONAL, AgencyCode, DocumentNumber, Fen, Line, Part, Text
from events.parts import Attachment, Contact, DossierRef, Link, Officer, Place
from events.penalties import PenaltyDecision


class Lever(StrEnum):
    """监管抓手: by what the department holds the penalised."""

    QUALIFICATION = "qualification"  # 资质
    PERMIT = "permit"  # 许可
    CREDIT = "credit"  # 信用


class Payment(Part):
    """罚款缴纳."""

    paid_on: date
    """缴款日期"""
    amount: Fen
    """缴款金额(分)"""


class Opened(Fact):
    """启动罚后监管: which decision, how far it was carried out, what is to be put right until when."""

    title_zh: ClassVar[str] = "启动罚后监管"
    recipient: AgencyCode
    """行业主管部门"""
    copied: tuple[AgencyCode, ...] = ()
    """抄送"""
    decision: PenaltyDecision
    """行政处罚决定"""
    payments: tuple[Payment, ...] = ()
    """执行情况"""
    order: Annotated[Text, PERSONAL]
    """责令改正内容"""
    order_number: DocumentNumber | None = None
    """责令改正通知书文号"""
    rectify_by: date
    """整改期限"""
    inspect_by: date
    """复查期限"""
    place: Place | None = None
    """地点"""
    permit: Line | None = None
    """资质或者许可证号"""
    dossier: DossierRef | None = None
    """档案引用"""
    contact: Contact
    """联系人"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""
    links: tuple[Link, ...] = ()
    """关联往来"""

    @model_validator(mode="after")
    def _inspected_when_it_is_due(self) -> Self:
        if self.inspect_by < self.rectify_by:
            msg = "inspect_by is not before rectify_by"
            raise ValueError(msg)
        return self


class Found(StrEnum):
    """复查结果."""

    RECTIFIED = "rectified"  # 整改到位
    NOT_YET = "not_yet"  # 整改未到位
    AGAIN = "again"  # 再次违法


class Inspected(Fact):
    """整改复查: the 整改复查意见书. What follows from it is a fact of its own."""

    title_zh: ClassVar[str] = "整改复查"
    number: DocumentNumber
    """整改复查意见书文号"""
    inspected_on: date
    """复查日期"""
    officers: Annotated[tuple[Officer, ...], Field(min_length=2)]
    """执法人员"""
    found: Found
    """复查结果"""
    opinion: Annotated[Text, PERSONAL]
    """复查意见"""
    signed_by: Annotated[Line | None, PERSONAL] = None
    """负责人"""
    inspect_by: date | None = None
    """再次复查期限"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""

    @model_validator(mode="after")
    def _once_more_where_it_is_not_done(self) -> Self:
        if self.inspect_by is not None and self.found is not Found.NOT_YET:
            msg = "inspect_by is named only where it is not_yet rectified"
            raise ValueError(msg)
        return self


class Suggestion(Part):
    """管理建议."""

    about: Lever
    """监管抓手"""
    text: Text
    """建议"""


class Rectified(Fact):
    """整改到位."""

    title_zh: ClassVar[str] = "整改到位"
    rectified_on: date
    """整改完成日期"""
    suggestions: tuple[Suggestion, ...] = ()
    """建议"""


class Relapse(StrEnum):
    """再犯情形."""

    NOT_RECTIFIED = "not_rectified"  # 逾期不改正
    AGAIN = "again"  # 再次违法


class Relapsed(Fact):
    """再犯: not put right, or done again. It is a new case."""

    title_zh: ClassVar[str] = "再犯"
    relapse: Relapse
    """再犯情形"""
    found_on: date
    """发现日期"""
    facts: Annotated[Text, PERSONAL]
    """违法事实"""
    case_number: Line
    """新案案号"""
    filed_on: date
    """立案日期"""
    suggestions: tuple[Suggestion, ...] = ()
    """建议"""


class Action(StrEnum):
    """跟进措施."""

    NONE = "none"  # 不作处理
    TALKED = "talked"  # 约谈
    ORDERED = "ordered"  # 责令整改
    RECORDED = "recorded"  # 记入信用档案
    DEDUCTED = "deducted"  # 扣减信用分
    SUSPENDED = "suspended"  # 暂扣或者限制
    DOWNGRADED = "downgraded"  # 降低资质等级
    REVOKED = "revoked"  # 吊销或者撤销
    RESTORED = "restored"  # 恢复


class Measure(Part):
    """跟进结果."""

    about: Lever
    """监管抓手"""
    action: Action
    """措施"""
    text: Text
    """说明"""
    number: DocumentNumber | None = None
    """文号"""
    done_on: date | None = None
    """日期"""


class QualificationFollowedUp(Fact):
    """资质许可信用跟进: what the department did, or why nothing."""

    title_zh: ClassVar[str] = "资质跟进"
    measures: Annotated[tuple[Measure, ...], Field(min_length=1)]
    """跟进结果"""
    contact: Contact
    """承办人"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""


class Closed(Fact):
    """办结."""

    title_zh: ClassVar[str] = "办结"
    reason: Text | None = None
    """未经跟进即办结的理由"""
    note: Text | None = None
    """备注"""
