"""情况通报、行政处罚企业名单通报: one issue of a series, to everybody who gets it."""

from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import Field, StringConstraints, model_validator

from events.fact import Fact
from events.fields import PERSONAL, AgencyCode, DocumentNumber, Fen, Instant, Line, Part, SocialCreditCode, Text
from events.parts import Attachment, Cause, Citation, Contact, GroundCode, Link
from events.penalties import CaseCategory

EntryId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
"""条目编号, once in an issue."""

Url = Annotated[str, StringConstraints(pattern=r"^https?://[\x21-\x7e]{1,300}$")]


class RepairState(StrEnum):
    """信用修复状态."""

    NONE = "none"  # 未修复
    APPLIED = "applied"  # 已申请
    REPAIRED = "repaired"  # 已修复


class Entry(Part):
    """处罚企业名单 row."""

    entry_id: EntryId
    """条目编号"""
    name: Line
    """企业名称"""
    social_credit_code: SocialCreditCode
    """统一社会信用代码"""
    cause: Cause
    """案由"""
    category: CaseCategory | None = None
    """案件大类"""
    decision_number: DocumentNumber
    """决定书文号"""
    decided_on: date
    """决定日期"""
    fine: Fen = 0
    """罚款(分)"""
    publicity_url: Url | None = None
    """公示网址"""
    repair: RepairState = RepairState.NONE
    """信用修复状态"""


class Published(Fact):
    """通报: an issue goes to everybody who gets the series. 城管执法条例(2018) 第三十二条."""

    title_zh: ClassVar[str] = "通报"
    series: GroundCode
    """系列代码, of contracts/subscriptions"""
    issue: Line
    """期号"""
    number: DocumentNumber | None = None
    """发文字号"""
    title: Line
    """标题"""
    period_from: date
    """统计期间起"""
    period_to: date
    """统计期间止"""
    recipients: Annotated[tuple[AgencyCode, ...], Field(min_length=1, max_length=200)]
    """主送单位"""
    copied: tuple[AgencyCode, ...] = ()
    """抄送"""
    entries: Annotated[tuple[Entry, ...], Field(max_length=1000)] = ()
    """名单"""
    content: Text | None = None
    """通报内容"""
    legal_basis: Annotated[tuple[Citation, ...], Field(min_length=1)]
    """依据"""
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
    retain_until: date | None = None
    """保存至"""
    links: tuple[Link, ...] = ()
    """关联往来"""

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len({*self.recipients}) < len(self.recipients):
            msg = "an addressee is named once"
            raise ValueError(msg)
        if len({entry.entry_id for entry in self.entries}) < len(self.entries):
            msg = "an entry_id stands once in an issue"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.entries and self.content is None:
            msg = "an issue has entries or content"
            raise ValueError(msg)
        if self.period_from > self.period_to:
            msg = "period_from is not after period_to"
            raise ValueError(msg)
        return self


class Read(Fact):
    """已阅: an addressee has read the issue as it stands."""

    title_zh: ClassVar[str] = "已阅"
    reader: Annotated[Line, PERSONAL]
    """阅件人"""
    read_at: Instant
    """阅件时间"""
    note: Text | None = None
    """拟采取的措施"""


class Flaw(StrEnum):
    """撤回原因: 行政处罚法 48, a repaired credit, and what was listed by mistake."""

    CHANGED = "changed"  # 处罚决定被变更
    REVOKED = "revoked"  # 处罚决定被撤销
    UNLAWFUL = "unlawful"  # 处罚决定被确认违法
    VOID = "void"  # 处罚决定被确认无效
    REPAIRED = "repaired"  # 已信用修复
    MISTAKEN = "mistaken"  # 误列


class EntryWithdrawn(Fact):
    """撤回条目: whoever got the list must not go by the entry any more, and reads it again. 行政处罚法 48."""

    title_zh: ClassVar[str] = "撤回通报条目"
    entry_id: EntryId
    """条目编号"""
    why: Flaw
    """撤回原因"""
    reason: Text
    """说明"""
    changed_on: date
    """变更、撤销、修复或者发现误列之日"""
    new_decision: DocumentNumber | None = None
    """变更、撤销文书或者信用修复证明的文号"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""

    @model_validator(mode="after")
    def _by_a_document(self) -> Self:
        if (self.why is Flaw.MISTAKEN) != (self.new_decision is None):
            msg = "new_decision is given unless the entry was a mistake"
            raise ValueError(msg)
        return self


class Closed(Fact):
    """归档: nothing that stands in the issue could still fall, or it is kept no longer. The exchange ends."""

    title_zh: ClassVar[str] = "归档"
    reason: Text
    """说明"""
