"""执法建议书 and its sisters: a letter that recommends, item by item, and is answered item by item."""

from collections import Counter
from collections.abc import Iterable
from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import Field, StringConstraints, model_validator

from events.fact import Fact
from events.fields import PERSONAL, AgencyCode, DocumentNumber, Instant, Line, Part, Text
from events.parts import Attachment, Citation, CompetentBody, Contact, Ground, Link

ItemId = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]?$")]
"""建议序号, as in 1, 2, 3."""


class LetterType(StrEnum):
    """文书种类. Which law's number holds for the reply follows from it."""

    ENFORCEMENT_SUGGESTION = "enforcement_suggestion"  # 执法建议书
    LEGAL_SUGGESTION = "legal_suggestion"  # 法制建议
    PROCURATORIAL_SUGGESTION = "procuratorial_suggestion"  # 检察建议(社会治理类)
    PUBLIC_INTEREST_SUGGESTION = "public_interest_suggestion"  # 公益诉讼检察建议
    PROCURATORIAL_OPINION = "procuratorial_opinion"  # 检察意见
    JUDICIAL_SUGGESTION = "judicial_suggestion"  # 司法建议
    SUPERVISION_OPINION = "supervision_opinion"  # 监督意见
    LIST_OR_PAPER = "list_or_paper"  # 两单两书
    DEPARTMENT_SUGGESTION = "department_suggestion"  # 部门书面建议: 城管执法条例(2018) 第三十六条
    PETITION_SUGGESTION = "petition_suggestion"  # 信访改进建议


class Channel(StrEnum):
    """发出主体. The two are counted apart."""

    BUREAU = "bureau"  # 以区局为主体
    CONSORTIUM = "consortium"  # 通过共联体


class Situation(StrEnum):
    """是否紧急 as the law on public-interest litigation means it; not how fast the paper is to travel."""

    ORDINARY = "ordinary"  # 一般情形
    URGENT = "urgent"  # 国家利益或者社会公共利益损害继续扩大等紧急情形


class Item(Part):
    """建议事项."""

    id: ItemId
    """序号"""
    text: Text
    """建议内容"""
    basis: tuple[Citation, ...] = ()
    """依据"""


class Adoption(StrEnum):
    """采纳情况."""

    ADOPTED = "adopted"  # 采纳
    PARTLY = "partly"  # 部分采纳
    NOT_ADOPTED = "not_adopted"  # 不采纳


class Answer(Part):
    """逐条答复."""

    item: ItemId
    """序号"""
    adoption: Adoption
    """采纳情况"""
    reason: Text | None = None
    """部分采纳、不采纳的理由"""
    measure: Text | None = None
    """措施"""
    due: date | None = None
    """完成时间"""

    @model_validator(mode="after")
    def _a_measure_or_a_reason(self) -> Self:
        if self.adoption is not Adoption.ADOPTED and self.reason is None:
            msg = "what is not adopted in full has a reason"
            raise ValueError(msg)
        carried_out = self.adoption is not Adoption.NOT_ADOPTED
        if carried_out != (self.measure is not None) or carried_out != (self.due is not None):
            msg = "a measure and its due date are given if, and only if, something is adopted"
            raise ValueError(msg)
        return self


class Implementation(StrEnum):
    """落实情况."""

    FULL = "full"  # 已落实
    PARTLY = "partly"  # 部分落实
    NONE = "none"  # 未落实


def _once_each(ids: Iterable[str], what: str) -> None:
    twice = sorted(id_ for id_, count in Counter(ids).items() if count > 1)
    if twice:
        msg = f"{what} given twice: {', '.join(twice)}"
        raise ValueError(msg)


class Issued(Fact):
    """发出建议书. 城管执法条例(2018) 第三十二条: 提出管理建议; its sisters have laws of their own."""

    title_zh: ClassVar[str] = "发出建议书"
    number: DocumentNumber
    """发文字号"""
    letter_type: LetterType
    """文书种类"""
    channel: Channel | None = None
    """发出主体: 区局、共联体"""
    situation: Situation
    """是否紧急情形"""
    recipients: Annotated[tuple[AgencyCode, ...], Field(min_length=1)]
    """主送"""
    copied: tuple[AgencyCode, ...] = ()
    """抄送"""
    background: Text
    """起因、办案数据, without names of persons"""
    problems: Text
    """问题"""
    causes: Text | None = None
    """原因分析"""
    items: Annotated[tuple[Item, ...], Field(min_length=1, max_length=99)]
    """建议"""
    legal_basis: Annotated[tuple[Citation, ...], Field(min_length=1)]
    """依据"""
    reply_by: date | None = None
    """反馈期限"""
    reply_form: Line | None = None
    """反馈方式"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""
    contact: Contact
    """联系人"""
    dated: date
    """成文日期"""
    signed_by: Annotated[Line | None, PERSONAL] = None
    """签发人"""
    links: tuple[Link, ...] = ()
    """关联往来: the decisions that it grew from"""

    @model_validator(mode="after")
    def _everybody_and_every_item_once(self) -> Self:
        _once_each((*self.recipients, *self.copied), "an agency is")
        _once_each((item.id for item in self.items), "an item is")
        return self

    @model_validator(mode="after")
    def _says_whose_it_is(self) -> Self:
        if self.letter_type is LetterType.ENFORCEMENT_SUGGESTION and self.channel is None:
            msg = "an enforcement suggestion says in channel whose it is: they are counted apart"
            raise ValueError(msg)
        return self


class Receipted(Fact):
    """签收: the letter arrived."""

    title_zh: ClassVar[str] = "签收"
    receiver: Annotated[Line, PERSONAL]
    """签收人"""
    received_at: Instant
    """签收时间"""


class Replied(Fact):
    """复函: each item is answered once, adopted or not."""

    title_zh: ClassVar[str] = "复函"
    number: DocumentNumber
    """复函文号"""
    answers: Annotated[tuple[Answer, ...], Field(min_length=1, max_length=99)]
    """逐条答复"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""
    contact: Contact
    """联系人"""
    dated: date
    """成文日期"""
    signed_by: Annotated[Line | None, PERSONAL] = None
    """签发人"""

    @model_validator(mode="after")
    def _every_item_once(self) -> Self:
        _once_each((answer.item for answer in self.answers), "an item is")
        return self


class ItemCompleted(Fact):
    """事项落实: the measure for one item is carried out."""

    title_zh: ClassVar[str] = "事项落实"
    item: ItemId
    """序号"""
    completed_on: date
    """完成日期"""
    result: Text
    """落实情况"""
    attachments: tuple[Attachment, ...] = ()
    """佐证材料"""


class Reviewed(Fact):
    """回访评估: the sender has looked at what one addressee has made of the letter."""

    title_zh: ClassVar[str] = "回访评估"
    implementation: Implementation
    """落实情况"""
    opinion: Text
    """评估意见"""
    reviewed_on: date
    """评估日期"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""


class Closed(Fact):
    """办结: by the sender. Where somebody has not answered, the conclusion says why it ends all the same."""

    title_zh: ClassVar[str] = "办结"
    conclusion: Text
    """办结意见"""
    closed_on: date
    """办结日期"""


class Objected(Fact):
    """提出异议: the addressee holds that the letter, or some of its items, should not stand."""

    title_zh: ClassVar[str] = "提出异议"
    number: DocumentNumber
    """文号"""
    items: tuple[ItemId, ...] = ()
    """异议所指事项; none for the whole letter"""
    ground: Ground
    """异议理由"""
    competent_body: CompetentBody | None = None
    """有管辖权的机关"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""
    contact: Contact
    """联系人"""


class Maintained(Fact):
    """维持建议: the objection does not hold, and the addressee is told why."""

    title_zh: ClassVar[str] = "维持建议"
    number: DocumentNumber | None = None
    """文号"""
    reason: Text
    """理由"""


class Revised(Fact):
    """修改建议: for the addressee that objected, these items stand in place of the former ones."""

    title_zh: ClassVar[str] = "修改建议"
    number: DocumentNumber
    """发文字号"""
    items: Annotated[tuple[Item, ...], Field(min_length=1, max_length=99)]
    """修改后的建议"""
    reason: Text
    """理由"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""

    @model_validator(mode="after")
    def _every_item_once(self) -> Self:
        _once_each((item.id for item in self.items), "an item is")
        return self


class Revoked(Fact):
    """撤销建议: the objection holds, and the letter no longer stands for who objected."""

    title_zh: ClassVar[str] = "撤销建议"
    number: DocumentNumber | None = None
    """文号"""
    reason: Text
    """理由"""
