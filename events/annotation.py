"""不动产注记、解注: what 城管 determined about a building is entered in the register of titles, and taken out again.

Owner, unit and certificate are for the registrar of titles alone: they are PERSONAL, and the agreement discloses that.
"""

from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from events.fact import Fact
from events.fields import PERSONAL, AgencyCode, Division, DocumentNumber, Instant, Line, Part, SocialCreditCode, Text
from events.parts import (
    Attachment,
    Citation,
    CompetentBody,
    Contact,
    DossierRef,
    Ground,
    Link,
    Officer,
    Person,
    Quantity,
    QuantityUnit,
)

Inspectors = Annotated[tuple[Officer, ...], Field(min_length=2)]
"""复查人: two at least."""


class Determination(StrEnum):
    """认定类型: 上海市不动产登记若干规定 第三十四条."""

    ILLEGAL_STRUCTURE = "illegal_structure"  # 附有违法建筑
    STRUCTURAL_DAMAGE = "structural_damage"  # 擅自改变承重结构, 损坏承重结构


class Owner(Part):
    """权利人: a person or a unit."""

    name: Line
    """姓名或者名称"""
    social_credit_code: SocialCreditCode | None = None
    """统一社会信用代码"""


class Estate(Part):
    """不动产. The unit number or that of the certificate tells which one is meant."""

    division: Division
    """行政区划"""
    location: Annotated[Line, PERSONAL]
    """坐落"""
    unit_number: Annotated[Line | None, PERSONAL] = None
    """不动产单元号"""
    certificate: Annotated[Line | None, PERSONAL] = None
    """不动产权证号"""
    owners: Annotated[tuple[Owner, ...], PERSONAL] = ()
    """权利人"""

    @model_validator(mode="after")
    def _which_one(self) -> Self:
        if self.unit_number is None and self.certificate is None:
            msg = "an estate is known by its unit_number or its certificate"
            raise ValueError(msg)
        return self


class Requested(Fact):
    """请求注记: the letter 注记函 with the document that has taken effect. 上海市不动产登记若干规定 第三十四条."""

    title_zh: ClassVar[str] = "请求注记"
    number: DocumentNumber
    """注记函文号"""
    recipient: AgencyCode
    """登记机构"""
    estate: Estate
    """不动产"""
    determination: Determination
    """认定类型"""
    document: DocumentNumber
    """认定文书号"""
    effective_on: date
    """认定文书生效日期"""
    area: Quantity | None = None
    """面积"""
    part: Line | None = None
    """部位"""
    officers: Annotated[tuple[Officer, ...], Field(min_length=1)]
    """经办人"""
    legal_basis: Annotated[tuple[Citation, ...], Field(min_length=1)]
    """认定依据"""
    attachments: Annotated[tuple[Attachment, ...], Field(min_length=1)]
    """认定文书等附件"""
    dossier: DossierRef | None = None
    """一户一档"""
    contact: Contact
    """联系人"""
    links: tuple[Link, ...] = ()
    """关联往来"""

    @model_validator(mode="after")
    def _what_is_wrong_with_it(self) -> Self:
        if self.area is not None and self.area.unit is not QuantityUnit.SQUARE_METRE:
            msg = "area is in m2"
            raise ValueError(msg)
        if self.determination is Determination.ILLEGAL_STRUCTURE and self.area is None:
            msg = "an illegal structure has its area"
            raise ValueError(msg)
        if self.determination is Determination.STRUCTURAL_DAMAGE and self.part is None:
            msg = "damage to the structure has its part"
            raise ValueError(msg)
        return self


class Recorded(Fact):
    """完成注记: the determination is entered."""

    title_zh: ClassVar[str] = "完成注记"
    number: Line
    """注记编号"""
    registered_at: Instant
    """登簿时间"""
    registrar: Annotated[Line | None, PERSONAL] = None
    """登簿人"""


class Refused(Fact):
    """不予注记: with its ground."""

    title_zh: ClassVar[str] = "不予注记"
    number: DocumentNumber
    """文号"""
    ground: Ground
    """不予注记理由"""
    competent_body: CompetentBody | None = None
    """有管辖权的登记机构"""
    contact: Contact
    """联系人"""


class Applicant(StrEnum):
    """解注申请来源."""

    PARTY = "party"  # 当事人
    SUISHENBAN = "suishenban"  # 随申办: 不动产解除注记申请
    EX_OFFICIO = "ex_officio"  # 依职权


class ReleaseRequested(Fact):
    """请求解注: by 城管 of its own motion or for the party, or by the registrar, where the party applied."""

    title_zh: ClassVar[str] = "请求解注"
    annotation: Line
    """原注记编号"""
    source: Applicant
    """申请来源"""
    applied_on: date
    """申请日期"""
    applicant: Annotated[Person | None, PERSONAL] = None
    """申请人"""
    attachments: tuple[Attachment, ...] = ()
    """申请材料"""


class RectificationCertified(Fact):
    """出具整改证明: two officers have seen that it is rectified. 上海市不动产登记若干规定 第三十四条: 证明文件."""

    title_zh: ClassVar[str] = "出具整改证明"
    number: DocumentNumber
    """整改证明文件号"""
    completed_on: date
    """整改完成日期"""
    inspected_on: date
    """复查日期"""
    inspectors: Inspectors
    """复查人"""
    photos: Annotated[tuple[Attachment, ...], Field(min_length=1)]
    """复查照片"""
    note: Text | None = None
    """复查意见"""

    @model_validator(mode="after")
    def _seen_afterwards(self) -> Self:
        if self.inspected_on < self.completed_on:
            msg = "it is inspected when the rectification is complete"
            raise ValueError(msg)
        return self


class NotRectified(Fact):
    """复查未整改: 城管 cannot certify it, for a ground; the annotation stands."""

    title_zh: ClassVar[str] = "复查未整改"
    ground: Ground
    """未出具整改证明的理由"""
    inspected_on: date
    """复查日期"""
    inspectors: Inspectors
    """复查人"""
    photos: tuple[Attachment, ...] = ()
    """复查照片"""


class DeterminationRevoked(Fact):
    """认定撤销: what was determined does not stand any more, on a ground."""

    title_zh: ClassVar[str] = "认定撤销"
    number: DocumentNumber
    """撤销文书号"""
    ground: Ground
    """撤销理由"""
    revoked_by: Line
    """作出撤销决定的机关"""
    revoked_on: date
    """撤销日期"""
    attachments: tuple[Attachment, ...] = ()
    """撤销文书"""


class Released(Fact):
    """完成解注: the annotation is taken out."""

    title_zh: ClassVar[str] = "完成解注"
    number: Line
    """解注编号"""
    registered_at: Instant
    """登簿时间"""
    registrar: Annotated[Line | None, PERSONAL] = None
    """登簿人"""


class ReleaseRefused(Fact):
    """不予解注: with its ground; the annotation stands, and release may be requested again."""

    title_zh: ClassVar[str] = "不予解注"
    number: DocumentNumber
    """文号"""
    ground: Ground
    """不予解注理由"""
    contact: Contact
    """联系人"""
