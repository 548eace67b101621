"""案件移送、线索移送: a case or a lead goes to the agency that is competent for it."""

from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from events.fact import Fact
from events.fields import PERSONAL, SEALED, AgencyCode, DocumentNumber, Instant, Line, Part, Text
from events.parts import (
    Attachment,
    Circumstances,
    Citation,
    CompetentBody,
    Contact,
    Goods,
    GoodsReceipt,
    Ground,
    Link,
    ReportedBy,
    Urgency,
)
from events.penalties import Outcome, Penalty


class Nature(StrEnum):
    """移送的是案件还是线索."""

    CASE = "case"  # 案件, 已立案
    LEAD = "lead"  # 线索, 未立案


class Why(StrEnum):
    """移送理由 as ticked on the form."""

    MATTER = "matter"  # 超出本机关职责范围
    TERRITORY = "territory"  # 超出本机关地域管辖
    LEVEL = "level"  # 超出本机关级别管辖
    FILED_FIRST = "filed_first"  # 他机关最先立案
    OTHER = "other"  # 其他


class FirstFiling(Part):
    """最先立案: 行政处罚法 25."""

    agency: AgencyCode
    """立案机关"""
    number: DocumentNumber
    """立案文号"""
    filed_on: date
    """立案日期"""


class Sent(Fact):
    """移送: the letter 案件移送函 with its file. 城管执法条例(2018) 第二十八条; 生态环境法典 1083."""

    title_zh: ClassVar[str] = "移送"
    number: DocumentNumber
    """文书编号"""
    recipient: AgencyCode
    """受移送单位"""
    nature: Nature
    """案件/线索"""
    case_number: Line | None = None
    """案号"""
    filed_on: date | None = None
    """立案日期"""
    origin: ReportedBy
    """案件来源"""
    circumstances: Circumstances
    """案情"""
    why: Why
    """移送理由(选项)"""
    reason: Text
    """移送理由"""
    legal_basis: Annotated[tuple[Citation, ...], Field(min_length=1)]
    """移送依据"""
    purpose: Line
    """用途: 上海市数据条例 39-40"""
    measures: tuple[Line, ...] = ()
    """已采取措施"""
    goods: tuple[Goods, ...] = ()
    """涉案物品清单"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""
    contact: Contact
    """联系人"""
    dated: date
    """成文日期"""
    signed_by: Annotated[Line | None, PERSONAL] = None
    """签发人"""
    approval: Annotated[Text | None, SEALED] = None
    """审批意见(内部)"""
    urgency: Urgency = Urgency.ORDINARY
    """紧急程度"""
    retain_until: date | None = None
    """保存至"""
    links: tuple[Link, ...] = ()
    """关联往来"""

    @model_validator(mode="after")
    def _a_case_is_filed(self) -> Self:
        if self.nature is Nature.CASE and (self.filed_on is None or not self.circumstances.parties.known):
            msg = "a case has filed_on and a party; what has not is a lead"
            raise ValueError(msg)
        return self


class Receipted(Fact):
    """签收: the letter arrived. It says nothing about competence."""

    title_zh: ClassVar[str] = "签收"
    receiver: Annotated[Line, PERSONAL]
    """签收人"""
    received_at: Instant
    """签收时间"""


class Accepted(Fact):
    """受理: the recipient takes the matter on."""

    title_zh: ClassVar[str] = "受理"
    number: DocumentNumber | None = None
    """受理文号"""
    contact: Contact
    """承办人"""
    goods: GoodsReceipt | None = None
    """涉案物品接收"""
    note: Text | None = None
    """受理意见"""


class Returned(Fact):
    """退回: the recipient does not take it, for a ground. 城管执法条例(2018) 第二十八条: 不得无正当理由拒绝."""

    title_zh: ClassVar[str] = "退回"
    number: DocumentNumber
    """退回函文号"""
    ground: Ground
    """退回理由"""
    competent_body: CompetentBody | None = None
    """有管辖权的机关"""
    filed_first: FirstFiling | None = None
    """最先立案"""
    legal_basis: tuple[Citation, ...] = ()
    """退回依据"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""
    contact: Contact
    """联系人"""


class ReturnAccepted(Fact):
    """接受退回: the sender takes the matter back."""

    title_zh: ClassVar[str] = "接受退回"
    goods: GoodsReceipt | None = None
    """涉案物品接收"""
    note: Text | None = None
    """后续处理"""


class SupplementRequested(Fact):
    """要求补正: what is missing, item by item."""

    title_zh: ClassVar[str] = "要求补正"
    items: Annotated[tuple[Line, ...], Field(min_length=1)]
    """需补正事项"""
    reason: Text
    """理由"""
    reply_by: date | None = None
    """补正期限"""


class Supplemented(Fact):
    """补正."""

    title_zh: ClassVar[str] = "补正"
    answers: Text
    """补正说明"""
    attachments: tuple[Attachment, ...] = ()
    """补正材料"""
    goods: tuple[Goods, ...] = ()
    """补充移交物品"""


class Forwarded(Fact):
    """转送: the recipient passes the matter on to the agency that it holds competent. The exchange stays."""

    title_zh: ClassVar[str] = "转送"
    number: DocumentNumber
    """转送函文号"""
    recipient: AgencyCode
    """接收单位"""
    ground: Ground
    """转送理由"""
    legal_basis: tuple[Citation, ...] = ()
    """转送依据"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""


class Filed(Fact):
    """立案."""

    title_zh: ClassVar[str] = "立案"
    number: DocumentNumber
    """立案文号"""
    filed_on: date
    """立案日期"""
    contact: Contact | None = None
    """承办人"""


class NotFiled(Fact):
    """不予立案: with its ground."""

    title_zh: ClassVar[str] = "不予立案"
    number: DocumentNumber
    """文号"""
    ground: Ground
    """不予立案理由"""
    competent_body: CompetentBody | None = None
    """有管辖权的机关"""


class Decided(Fact):
    """作出处理决定: a penalty, or one of the outcomes without one."""

    title_zh: ClassVar[str] = "作出处理决定"
    number: DocumentNumber
    """决定书文号"""
    decided_on: date
    """决定日期"""
    outcome: Outcome
    """处理结果"""
    penalties: tuple[Penalty, ...] = ()
    """处罚内容"""
    legal_basis: Annotated[tuple[Citation, ...], Field(min_length=1)]
    """处理依据"""
    reason: Text | None = None
    """不予处罚或其他结果的理由"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""

    @model_validator(mode="after")
    def _a_penalty_or_a_reason(self) -> Self:
        if (self.outcome is Outcome.PENALISED) != bool(self.penalties):
            msg = "penalties are given if, and only if, the outcome is penalised"
            raise ValueError(msg)
        if self.outcome is not Outcome.PENALISED and self.reason is None:
            msg = "an outcome without a penalty needs a reason"
            raise ValueError(msg)
        return self


class OutcomeReported(Fact):
    """办理结果通报: the sender is told. 城管执法条例(2018) 第二十八条: 及时通报移送部门."""

    title_zh: ClassVar[str] = "办理结果通报"
    number: DocumentNumber
    """文号"""
    summary: Text
    """办理结果"""
    reported_on: date
    """通报日期"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""


class Disputed(Fact):
    """管辖争议: the speaker holds the other side competent, and tells the common superior. 行政处罚法 25."""

    title_zh: ClassVar[str] = "提出管辖争议"
    ground: Ground
    """争议理由"""
    competent_body: CompetentBody | None = None
    """有管辖权的机关"""
    arbiter: AgencyCode
    """报请的共同上一级机关"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""


class Negotiated(Fact):
    """协商确定: the recipient takes the matter on after all. Only who takes it on can say so."""

    title_zh: ClassVar[str] = "协商确定管辖"
    agreed_on: date
    """协商日期"""
    agreement: Text
    """协商意见"""
    contact: Contact
    """承办人"""
    goods: GoodsReceipt | None = None
    """涉案物品接收"""
    attachments: tuple[Attachment, ...] = ()
    """会商纪要"""


class _Designation(Fact):
    """What both outcomes of a designation say."""

    number: DocumentNumber
    """指定管辖文号"""
    reason: Text
    """理由"""
    legal_basis: Annotated[tuple[Citation, ...], Field(min_length=1)]
    """依据"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""


class Designated(_Designation):
    """指定管辖: the common superior names the agency that must take the matter on, disputed or not."""

    title_zh: ClassVar[str] = "指定管辖"
    agency: AgencyCode
    """被指定单位"""


class DesignatedBack(_Designation):
    """指定移送单位管辖: the common superior finds the sender itself competent; it takes the matter back."""

    title_zh: ClassVar[str] = "指定移送单位管辖"
