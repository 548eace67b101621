"""双向告知、抄告、监管告知: enforcement tells management, and management enforcement, what concerns the other."""

from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar, Final, Self

from pydantic import Field, model_validator

from events.fact import Fact
from events.fields import PERSONAL, AgencyCode, DocumentNumber, Line, Part, Text
from events.parts import (
    Attachment,
    Circumstances,
    Citation,
    CompetentBody,
    Contact,
    DossierRef,
    Ground,
    Link,
    Relation,
    Unit,
    Urgency,
)
from events.penalties import CaseCategory, PenaltyDecision

FollowUp = Annotated[tuple[Line, ...], Field(max_length=50)]


class Direction(StrEnum):
    """告知方向."""

    ENFORCEMENT_TO_MANAGEMENT = "enforcement_to_management"  # 执法部门告知管理部门
    MANAGEMENT_TO_ENFORCEMENT = "management_to_enforcement"  # 管理部门告知执法部门


class NoticeSubject(StrEnum):
    """告知事项."""

    PENALTY = "penalty"  # 行政处罚
    RISK = "risk"  # 风险隐患: fire, dangerous goods in an unlawful building
    PERMIT = "permit"  # 行政许可信息
    SUPERVISION_RESULT = "supervision_result"  # 监督管理结果
    COMPETENCE = "competence"  # 发现属对方职责的事项
    REVIEW_RESULT = "review_result"  # 行政复议、行政诉讼结果
    PROPERTY_SUPERVISION = "property_supervision"  # 住宅小区物业企业监管告知书
    DISCIPLINE = "discipline"  # 涉及工作人员的告知: 拆除违法建筑若干规定 22
    INTERVIEW = "interview"  # 约谈告知
    SUGGESTION = "suggestion"  # 人民建议转交
    GRADE_CHANGED = "grade_changed"  # 监管对象等级调整
    OBJECT_UPDATED = "object_updated"  # 监管对象信息更新
    OTHER = "other"  # 其他


class Feedback(StrEnum):
    """是否需要反馈."""

    REQUIRED = "required"  # 需反馈
    NOT_REQUIRED = "not_required"  # 仅供知悉


class ReviewType(StrEnum):
    """复议或者诉讼."""

    RECONSIDERATION = "reconsideration"  # 行政复议
    LITIGATION = "litigation"  # 行政诉讼


class ReviewResult(StrEnum):
    """复议、诉讼结果."""

    UPHELD = "upheld"  # 维持, 驳回请求
    CHANGED = "changed"  # 变更
    REVOKED = "revoked"  # 撤销
    UNLAWFUL = "unlawful"  # 确认违法
    VOID = "void"  # 确认无效
    ORDERED = "ordered"  # 责令履行
    SETTLED = "settled"  # 调解、和解
    ENDED = "ended"  # 撤回申请(起诉)、终止、不予受理


class Review(Part):
    """复议、诉讼结果. The procedure itself runs elsewhere; the agency is told how it ended."""

    type: ReviewType
    """复议/诉讼"""
    number: DocumentNumber
    """复议决定书、裁判文书文号"""
    decided_on: date
    """作出日期"""
    result: ReviewResult
    """结果"""
    decision_number: DocumentNumber
    """被复议、被诉决定书文号"""


_OF_SUBJECT: Final = {
    NoticeSubject.PENALTY: "decision",
    NoticeSubject.REVIEW_RESULT: "review",
    NoticeSubject.PROPERTY_SUPERVISION: "property_firms",
    NoticeSubject.GRADE_CHANGED: "grade",
}
"""The member that a subject has, and no other subject but those of `_MAY_TELL_A_DECISION`."""

_MAY_TELL_A_DECISION: Final = frozenset({NoticeSubject.PROPERTY_SUPERVISION, NoticeSubject.DISCIPLINE})
"""Subjects that grow from a penalty or not: the firm that manages the estate, the staff member who is involved."""


class Sent(Fact):
    """告知(抄告): 城管执法条例(2018) 第三十二条; 双向告知 is named by 沪建管(2002)第0009号."""

    title_zh: ClassVar[str] = "告知"
    number: DocumentNumber
    """文书编号"""
    recipient: AgencyCode
    """受告知单位"""
    copied: tuple[AgencyCode, ...] = ()
    """抄送"""
    direction: Direction
    """告知方向"""
    subject: NoticeSubject
    """告知事项"""
    decision: PenaltyDecision | None = None
    """行政处罚决定"""
    review: Review | None = None
    """复议、诉讼结果"""
    property_firms: tuple[Unit, ...] = ()
    """物业服务企业"""
    grade: Line | None = None
    """调整后的监管等级"""
    category: CaseCategory | None = None
    """案件大类"""
    circumstances: Circumstances | None = None
    """当事人及违法时间、地点、行为"""
    provisions: tuple[Citation, ...] = ()
    """涉嫌违反规定"""
    ordered_on: date | None = None
    """责令(限期)整改、停止通知日期"""
    filed_on: date | None = None
    """立案日期"""
    permits: tuple[Line, ...] = ()
    """许可、资质编号"""
    content: Annotated[Text, PERSONAL]
    """告知内容"""
    follow_up: FollowUp = ()
    """请予跟进事项"""
    feedback: Feedback
    """是否需反馈"""
    feedback_by: date | None = None
    """反馈期限"""
    dossier: DossierRef | None = None
    """一户一档、一店一档"""
    legal_basis: Annotated[tuple[Citation, ...], Field(min_length=1)]
    """告知依据"""
    purpose: Line
    """用途: 上海市数据条例 39-40"""
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
    """关联往来: `answers` names the notice that this one answers"""

    @model_validator(mode="after")
    def _what_the_subject_asks_for(self) -> Self:
        for subject, name in _OF_SUBJECT.items():
            if name == "decision" and self.subject in _MAY_TELL_A_DECISION:
                continue
            if (self.subject is subject) != bool(getattr(self, name)):
                msg = f"{name} is given if, and only if, the subject is {subject}"
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _a_day_only_for_feedback(self) -> Self:
        if self.feedback_by is not None and self.feedback is not Feedback.REQUIRED:
            msg = "feedback_by says until when feedback is required"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _answers_a_notice(self) -> Self:
        if any(link.relation is Relation.ANSWERS and link.kind != "notice" for link in self.links):
            msg = "what a notice answers is a notice"
            raise ValueError(msg)
        return self


class Acknowledged(Fact):
    """受告: the recipient takes the matter up and will tell what came of it."""

    title_zh: ClassVar[str] = "受告并跟进"
    contact: Contact
    """承办人"""
    feedback_by: date | None = None
    """拟反馈日期, where the notice asks for no feedback"""
    note: Text | None = None
    """说明"""


class Noted(Fact):
    """知悉: the recipient has read what needs no feedback. The exchange ends."""

    title_zh: ClassVar[str] = "知悉"
    note: Text | None = None
    """说明"""


class NotOurs(Fact):
    """不属本部门职责: with its ground, and who is competent. 城管执法条例(2018) 第二十八条、第四十条."""

    title_zh: ClassVar[str] = "不属本部门职责"
    number: DocumentNumber
    """文号"""
    ground: Ground
    """理由"""
    competent_body: CompetentBody | None = None
    """有管辖权的机关"""
    legal_basis: tuple[Citation, ...] = ()
    """依据"""
    contact: Contact
    """联系人"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""


class FollowedUp(Fact):
    """跟进反馈: what the recipient did, and what came of it."""

    title_zh: ClassVar[str] = "跟进反馈"
    number: DocumentNumber | None = None
    """反馈文号"""
    result: Annotated[Text, PERSONAL]
    """反馈内容"""
    measures: tuple[Line, ...] = ()
    """采取的管理措施"""
    permits: tuple[Line, ...] = ()
    """涉及的许可、资质编号"""
    followed_up_on: date
    """反馈日期"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""


class Disputed(Fact):
    """不同意退回: the sender holds the recipient competent, and asks the common superior."""

    title_zh: ClassVar[str] = "提请明确职责"
    ground: Ground
    """理由"""
    arbiter: AgencyCode
    """报请的共同上一级机关"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""


class _Ruling(Fact):
    """What both rulings of the common superior say."""

    number: DocumentNumber
    """文号"""
    reason: Text
    """理由"""
    legal_basis: Annotated[tuple[Citation, ...], Field(min_length=1)]
    """依据"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""


class NotOursReversed(_Ruling):
    """认定属其职责: the recipient takes the matter up. The exchange goes on."""

    title_zh: ClassVar[str] = "认定属受告知单位职责"


class NotOursUpheld(_Ruling):
    """认定不属其职责: and who is competent. The exchange ends; the sender tells that body by a notice of its own."""

    title_zh: ClassVar[str] = "认定不属受告知单位职责"
    competent_body: CompetentBody
    """有管辖权的机关"""


class Closed(Fact):
    """办结: the sender has what it needs, or takes a refusal, or gives up waiting. The exchange ends."""

    title_zh: ClassVar[str] = "办结"
    reason: Text
    """办结说明"""
