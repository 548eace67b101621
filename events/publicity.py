"""双公示、征信推送: a penalty decision goes to the credit platform, and what becomes of it there.

The codes behind the terms (CF_…) are the columns of the 双公示 tables, as public code has them.
"""

from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from events.fact import Fact
from events.fields import (
    PERSONAL,
    AgencyCode,
    DocumentNumber,
    Fen,
    Instant,
    Line,
    Part,
    SocialCreditCode,
    Text,
)
from events.parts import Attachment, Citation, Contact, Ground, IdentityType, Link
from events.penalties import PenaltyDecision


class PartyType(StrEnum):
    """行政相对人类别 CF_XDR_LB."""

    LEGAL_PERSON = "legal_person"  # 法人及非法人组织
    NATURAL_PERSON = "natural_person"  # 自然人
    SOLE_TRADER = "sole_trader"  # 个体工商户


class RecordState(StrEnum):
    """当前状态 CF_ZT, as the table has it."""

    NORMAL = "normal"  # 正常
    REVOKED = "revoked"  # 撤销
    OBJECTED = "objected"  # 异议
    OTHER = "other"  # 其他, said in note


class Registrations(Part):
    """行政相对人的其他登记号, beside 统一社会信用代码 CF_XDR_SHXYM."""

    business: Line | None = None
    """工商注册号 CF_XDR_GSDJ"""
    organisation: Line | None = None
    """组织机构代码 CF_XDR_ZZJG"""
    tax: Line | None = None
    """税务登记号 CF_XDR_SWDJ"""
    institution: Line | None = None
    """事业单位证书号 CF_XDR_SYDW"""
    society: Line | None = None
    """社会组织登记证号 CF_XDR_SHZZ"""


class Disclosure(Part):
    """公示信息: what the table has beside the decision itself.

    From the decision come 文号 CF_WSH, 当事人 CF_XDR_MC and CF_FR, 依据 CF_YJ, 种类 CF_CFLB, 内容 CF_NR, 罚款 CF_NR_FK
    and 决定日期 CF_JDRQ.
    """

    party_type: PartyType
    """行政相对人类别 CF_XDR_LB"""
    registrations: Registrations = Registrations()
    """其他登记号"""
    representative_identity: Annotated[IdentityType | None, PERSONAL] = None
    """法定代表人证件类型 CF_FR_ZJLX, where it is not 居民身份证"""
    violation: Line
    """违法行为类型 CF_WFXW"""
    facts: Annotated[Text, PERSONAL]
    """违法事实 CF_SY"""
    confiscated: Fen | None = None
    """没收违法所得、非法财物的金额(分) CF_NR_WFFF"""
    permit: Line | None = None
    """暂扣或者吊销证照名称及编号 CF_NR_ZKDX"""
    effective_until: date | None = None
    """处罚有效期 CF_QX"""
    public_until: date
    """公示截止期 CF_GSJZQ"""
    authority: Line
    """处罚机关 CF_XZJG"""
    authority_code: SocialCreditCode
    """处罚机关统一社会信用代码 CF_CFJGDM"""
    source_code: SocialCreditCode
    """数据来源单位统一社会信用代码 CF_SJLYDM"""
    state: RecordState = RecordState.NORMAL
    """当前状态 CF_ZT"""
    note: Text | None = None
    """备注 BZ"""


class _Record(Fact):
    """A decision as it is to be published."""

    decision: PenaltyDecision
    """行政处罚决定"""
    disclosure: Disclosure
    """公示信息"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""


class HandedOver(_Record):
    """报送: the agency hands its decision to the platform for publication. 行政处罚法 48."""

    title_zh: ClassVar[str] = "报送双公示"
    recipient: AgencyCode
    """信用平台"""
    legal_basis: Annotated[tuple[Citation, ...], Field(min_length=1)]
    """报送依据"""
    purpose: Line
    """用途: 上海市数据条例 39-40"""
    contact: Contact
    """联系人"""
    retain_until: date | None = None
    """保存至"""
    links: tuple[Link, ...] = ()
    """关联往来"""


class Published(Fact):
    """公示: the record is online, or online as amended."""

    title_zh: ClassVar[str] = "上网公示"
    record_number: Line
    """公示编号"""
    url: Line
    """公示网址"""
    published_on: date
    """公示日期"""


class Refused(Fact):
    """退回: the platform does not take the record, for a ground. The agency mends it and hands it over again."""

    title_zh: ClassVar[str] = "退回报送"
    ground: Ground
    """退回理由"""
    columns: tuple[Line, ...] = ()
    """有误的数据项"""


class Resubmitted(_Record):
    """重新报送: the record as mended, of the same decision."""

    title_zh: ClassVar[str] = "重新报送"
    changes: Text
    """修改说明"""


class Corrector(StrEnum):
    """更正范围: who can correct what is objected to. 上海市社会信用条例 36."""

    PLATFORM = "platform"  # 市公共信用信息服务中心更正范围
    AGENCY = "agency"  # 信用信息提供单位更正范围


class ObjectionMarked(Fact):
    """异议标注: the platform got an objection and marks the record. 上海市社会信用条例 36."""

    title_zh: ClassVar[str] = "异议标注"
    number: Line
    """异议受理编号"""
    received_on: date
    """收到异议材料日期"""
    marked_at: Instant
    """标注时间"""
    corrector: Corrector
    """更正范围"""


class Settlement(StrEnum):
    """处理结果."""

    CORRECTED = "corrected"  # 予以更正
    KEPT = "kept"  # 不予更正


class Settled(Fact):
    """平台处理异议: the platform decides on what it can correct itself; the mark goes. 上海市社会信用条例 36."""

    title_zh: ClassVar[str] = "平台处理异议"
    number: Line
    """异议受理编号"""
    settlement: Settlement
    """是否更正"""
    reason: Text
    """理由"""
    settled_on: date
    """决定日期"""


class Objected(Fact):
    """转交异议: the objection goes on to the agency that gave the record. 上海市社会信用条例 36."""

    title_zh: ClassVar[str] = "转交异议"
    number: Line
    """异议受理编号"""
    objection: Annotated[Text, PERSONAL]
    """异议内容"""
    objector: Annotated[Line, PERSONAL]
    """异议人"""
    attachments: tuple[Attachment, ...] = ()
    """异议材料"""


class Upheld(Fact):
    """异议不成立: the agency keeps the record as it is. 上海市社会信用条例 36."""

    title_zh: ClassVar[str] = "异议不成立, 维持"
    number: DocumentNumber | None = None
    """答复文号"""
    ground: Ground
    """理由"""
    decided_on: date
    """答复日期"""


class Amended(_Record):
    """更正信息: the objection holds, and this is the record of the decision as it should be. 上海市社会信用条例 36."""

    title_zh: ClassVar[str] = "异议成立, 更正"
    number: DocumentNumber | None = None
    """答复文号"""
    reason: Text
    """更正理由"""
    amended_on: date
    """更正日期"""


class Repaired(Fact):
    """信用修复: the proof that the firm has repaired its credit. 上海市社会信用条例 38; 优化营商环境条例(2024) 67."""

    title_zh: ClassVar[str] = "信用修复"
    number: DocumentNumber
    """信用修复证明文号"""
    applied_on: date
    """申请日期"""
    repaired_on: date
    """修复日期"""
    reason: Text
    """修复理由"""
    attachments: tuple[Attachment, ...] = ()
    """修复证明"""


class Change(StrEnum):
    """处罚决定的变化: 行政处罚法 48."""

    CHANGED = "changed"  # 被变更
    REVOKED = "revoked"  # 被撤销
    UNLAWFUL = "unlawful"  # 被确认违法
    VOID = "void"  # 被确认无效


class DecisionChanged(Fact):
    """告知决定变更、撤销: the record must go, and the reason is published. 行政处罚法 48; 上海市社会信用条例 37.

    A decision that replaces the old one is handed over in an exchange of its own, linked to this one.
    """

    title_zh: ClassVar[str] = "告知处罚决定变更、撤销"
    change: Change
    """变化"""
    number: DocumentNumber
    """变更、撤销文书的文号"""
    changed_on: date
    """变更、撤销日期"""
    reason: Text
    """公开说明的理由"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""


class TakenDown(Fact):
    """撤下公示: the platform has deleted the record: repaired, resting on a decision that fell, or its time is over."""

    title_zh: ClassVar[str] = "撤下公示"
    taken_down_on: date
    """撤下日期"""
    note: Text | None = None
    """说明"""
