"""重大案件备案、法制审核、拆违案件审理、疑难案件会商、简易事项报备: a case is shown to who has to look at it."""

from collections.abc import Iterable, Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar, Final, Self

from pydantic import Field, model_validator

from events.fact import Fact
from events.fields import PERSONAL, AgencyCode, DocumentNumber, Fen, Line, Part, Text
from events.parts import (
    Attachment,
    Circumstances,
    Citation,
    CompetentBody,
    Contact,
    DossierRef,
    Ground,
    Link,
    Quantity,
    Urgency,
)
from events.penalties import CaseCategory, Outcome, Penalty, PenaltyType, Procedure

Number = Annotated[int, Field(ge=1, le=999)]
"""问题序号: a problem that is raised again keeps its number."""


class FilingType(StrEnum):
    """报送类型."""

    MAJOR_CASE = "major_case"  # 重大案件备案
    LEGAL_REVIEW = "legal_review"  # 重大执法决定法制审核
    DEMOLITION_REVIEW = "demolition_review"  # 区政府拆违案件审理
    CONFERENCE = "conference"  # 重大、疑难案件会商
    SIMPLE_MATTER = "simple_matter"  # 简易事项报备


_NEEDED: Final[Mapping[FilingType, tuple[str, ...]]] = {
    FilingType.MAJOR_CASE: ("filed_on", "draft"),
    FilingType.LEGAL_REVIEW: ("filed_on", "draft", "why"),
    FilingType.DEMOLITION_REVIEW: ("filed_on", "draft", "area"),
    FilingType.CONFERENCE: ("questions",),
    FilingType.SIMPLE_MATTER: (),
}
"""What a filing of each type must have besides what all have."""


class Major(StrEnum):
    """重大事由: 行政处罚法 第五十八条第一款第一项至第四项."""

    PUBLIC_INTEREST = "public_interest"  # 涉及重大公共利益
    MAJOR_RIGHTS = "major_rights"  # 直接关系当事人或者第三人重大权益, 经过听证程序
    COMPLEX = "complex"  # 案件情况疑难复杂、涉及多个法律关系
    BY_LAW = "by_law"  # 法律、法规规定应当进行法制审核的其他情形


class Hearing(StrEnum):
    """听证."""

    NOT_DUE = "not_due"  # 不属于听证范围
    NOT_ASKED = "not_asked"  # 当事人未要求
    HELD = "held"  # 已听证


class Draft(Part):
    """拟作处理决定. The decision itself is told when it is made, by another fact."""

    outcome: Outcome
    """拟处理结果"""
    penalties: tuple[Penalty, ...] = ()
    """拟处罚内容"""
    fine: Fen = 0
    """拟罚款合计(分)"""
    measures: Annotated[tuple[Line, ...], PERSONAL] = ()
    """拟采取的责令改正、限期拆除等措施"""
    reason: Annotated[Text, PERSONAL]
    """理由、裁量说明"""
    legal_basis: Annotated[tuple[Citation, ...], Field(min_length=1)]
    """依据"""

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if sum(item.amount or 0 for item in self.penalties if item.type is PenaltyType.FINE) != self.fine:
            msg = "fine is the sum of the penalties that are fines"
            raise ValueError(msg)
        return self


class Submitted(Fact):
    """报送: the case and the draft decision, with all materials."""

    title_zh: ClassVar[str] = "报送"
    number: DocumentNumber
    """报送文号"""
    recipient: AgencyCode
    """备案、审核、审理、会商单位"""
    filing_type: FilingType
    """报送类型"""
    case_number: Line
    """案号"""
    filed_on: date | None = None
    """立案日期"""
    category: CaseCategory | None = None
    """案件大类"""
    procedure: Procedure = Procedure.ORDINARY
    """处罚程序"""
    why: tuple[Major, ...] = ()
    """重大事由"""
    circumstances: Circumstances
    """案情"""
    illegal_gains: Fen | None = None
    """违法所得(分)"""
    area: Quantity | None = None
    """违法建筑面积"""
    draft: Draft | None = None
    """拟作处理决定"""
    hearing: Hearing
    """听证情况"""
    questions: Annotated[tuple[Text, ...], PERSONAL] = ()
    """提请会商的问题"""
    attachments: Annotated[tuple[Attachment, ...], Field(min_length=1)]
    """案件材料"""
    dossier: DossierRef | None = None
    """一户一档、一店一档; with `set` its materials are complete"""
    contact: Contact
    """联系人"""
    reviewed_by: Annotated[Line | None, PERSONAL] = None
    """本单位法制员"""
    urgency: Urgency = Urgency.ORDINARY
    """紧急程度"""
    links: tuple[Link, ...] = ()
    """关联往来"""

    @model_validator(mode="after")
    def _each_type_has_its_own(self) -> Self:
        missing = [name for name in _NEEDED[self.filing_type] if not getattr(self, name)]
        if missing:
            msg = f"a filing of type {self.filing_type} has {', '.join(missing)}"
            raise ValueError(msg)
        return self


class Returned(Fact):
    """退回: the matter is not for this body to look at."""

    title_zh: ClassVar[str] = "退回"
    ground: Ground
    """退回理由"""
    competent_body: CompetentBody | None = None
    """有权备案、审核、审理的机关"""
    contact: Contact
    """联系人"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""


class Aspect(StrEnum):
    """审核方面."""

    COMPETENCE = "competence"  # 主体、权限
    FACTS = "facts"  # 事实
    EVIDENCE = "evidence"  # 证据
    LAW = "law"  # 适用依据
    DISCRETION = "discretion"  # 裁量
    PROCEDURE = "procedure"  # 程序
    DOCUMENTS = "documents"  # 文书


class Problem(Part):
    """审核发现的问题."""

    number: Number
    """序号"""
    aspect: Aspect
    """方面"""
    problem: Annotated[Text, PERSONAL]
    """问题"""
    advice: Annotated[Text | None, PERSONAL] = None
    """意见"""


class Commented(Fact):
    """提出意见: what is wrong, numbered."""

    title_zh: ClassVar[str] = "提出意见"
    number: DocumentNumber | None = None
    """意见书文号"""
    problems: Annotated[tuple[Problem, ...], Field(min_length=1)]
    """问题"""
    reply_by: date | None = None
    """反馈期限"""
    contact: Contact
    """审核人"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        _once(item.number for item in self.problems)
        return self


class Disposition(StrEnum):
    """问题处理."""

    CORRECTED = "corrected"  # 已纠正
    MAINTAINED = "maintained"  # 不采纳, 说明理由


class Answer(Part):
    """问题反馈."""

    problem: Number
    """问题序号"""
    disposition: Disposition
    """处理"""
    explanation: Annotated[Text, PERSONAL]
    """纠正情况或者不采纳的理由"""


class Answered(Fact):
    """反馈纠正: each problem of the last comment is corrected, or it is said why not."""

    title_zh: ClassVar[str] = "反馈纠正"
    answers: Annotated[tuple[Answer, ...], Field(min_length=1)]
    """逐项反馈"""
    draft: Draft | None = None
    """修改后的拟作处理决定"""
    attachments: tuple[Attachment, ...] = ()
    """修改后的材料"""

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        _once(item.problem for item in self.answers)
        return self


class Accepted(Fact):
    """同意: 予以备案, 审核通过, 审理意见, 会商意见."""

    title_zh: ClassVar[str] = "同意"
    number: DocumentNumber | None = None
    """备案、审核、审理、会商意见文号"""
    opinion: Annotated[Text, PERSONAL]
    """意见"""
    accepted_on: date
    """日期"""
    contact: Contact | None = None
    """审核人"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""


class NotPassed(Fact):
    """审核未通过: no decision may be made on it (行政处罚法 第五十八条). What was mended is filed anew."""

    title_zh: ClassVar[str] = "审核未通过"
    number: DocumentNumber | None = None
    """备案、审核、审理、会商意见文号"""
    reason: Annotated[Text, PERSONAL]
    """未通过的理由"""
    concluded_on: date
    """日期"""
    contact: Contact | None = None
    """审核人"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""


def _once(numbers: Iterable[int]) -> None:
    found = tuple(numbers)
    if len(set(found)) != len(found):
        msg = "each problem stands once"
        raise ValueError(msg)
