"""行政协调: agencies settle who does what, or the common superior says so."""

from collections.abc import Iterable
from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from events.fact import Fact
from events.fields import PERSONAL, AgencyCode, DocumentNumber, Line, Part, Text
from events.parts import Attachment, Citation, CompetentBody, Contact, Link, Place, Urgency


class Subject(StrEnum):
    """协调事项."""

    DUTIES = "duties"  # 职责分工
    JURISDICTION = "jurisdiction"  # 管辖
    BORDER_AREA = "border_area"  # 街镇交界区域
    LAW_APPLICATION = "law_application"  # 法律适用


class Duty(Part):
    """职责: what one agency does from now on."""

    agency: AgencyCode
    """承担单位"""
    duty: Text
    """承担事项"""


def _distinct(agencies: Iterable[str]) -> None:
    named = list(agencies)
    if len(set(named)) != len(named):
        msg = "an agency is named once"
        raise ValueError(msg)


def _one_duty_each(duties: tuple[Duty, ...]) -> tuple[Duty, ...]:
    _distinct(item.agency for item in duties)
    return duties


Duties = Annotated[tuple[Duty, ...], Field(min_length=1), AfterValidator(_one_duty_each)]


class Raised(Fact):
    """提请协调: the question, and how the one who raises it sees it."""

    title_zh: ClassVar[str] = "提请协调"
    number: DocumentNumber
    """提请函文号"""
    recipients: Annotated[tuple[AgencyCode, ...], Field(min_length=1)]
    """协调对象"""
    copied: tuple[AgencyCode, ...] = ()
    """抄送"""
    subject: Subject
    """协调事项"""
    title: Line
    """标题"""
    question: Text
    """需协调的问题"""
    position: Text
    """提请单位意见及方案"""
    legal_basis: Annotated[tuple[Citation, ...], Field(min_length=1)]
    """依据"""
    places: tuple[Place, ...] = ()
    """涉及区域"""
    case_number: Line | None = None
    """案号"""
    reply_by: date | None = None
    """请于何日前表明意见"""
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
    links: tuple[Link, ...] = ()
    """关联往来"""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        _distinct([*self.recipients, *self.copied])
        if self.subject is Subject.BORDER_AREA and not self.places:
            msg = "a border area says where it is: places"
            raise ValueError(msg)
        return self


class PositionStated(Fact):
    """表明意见: how an addressee sees the question. It may state it anew, also after it had agreed."""

    title_zh: ClassVar[str] = "表明意见"
    number: DocumentNumber | None = None
    """文号"""
    position: Text
    """意见"""
    competent_body: CompetentBody | None = None
    """认为有管辖权的机关"""
    legal_basis: tuple[Citation, ...] = ()
    """依据"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""
    contact: Contact
    """联系人"""


class Agreed(Fact):
    """表示同意: an addressee agrees, and says to what, and what it takes on. Only who takes it on can say so."""

    title_zh: ClassVar[str] = "表示同意"
    number: DocumentNumber | None = None
    """文号"""
    agreement: Text
    """同意的方案"""
    duty: Text
    """本单位承担事项"""
    contact: Contact
    """联系人"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""


class Settled(Fact):
    """达成一致: all have agreed; who does what from now on, each addressee in the words in which it agreed."""

    title_zh: ClassVar[str] = "达成一致"
    number: DocumentNumber
    """协调纪要文号"""
    settled_on: date
    """达成日期"""
    agreement: Text
    """协调意见"""
    duties: Duties
    """职责分工"""
    attachments: tuple[Attachment, ...] = ()
    """协调纪要"""


class Escalated(Fact):
    """提请上级协调: no agreement is in sight; the common superior shall say who does what."""

    title_zh: ClassVar[str] = "提请上级协调"
    arbiter: AgencyCode
    """报请的共同上一级机关"""
    reason: Text
    """理由"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""


class Designated(Fact):
    """指定: the common superior says who does what."""

    title_zh: ClassVar[str] = "指定"
    number: DocumentNumber
    """指定文号"""
    duties: Duties
    """职责分工"""
    reason: Text
    """理由"""
    legal_basis: Annotated[tuple[Citation, ...], Field(min_length=1)]
    """依据"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""


class Closed(Fact):
    """终止协调: whoever raised the question lets it rest, undecided, and says why."""

    title_zh: ClassVar[str] = "终止协调"
    reason: Text
    """终止理由"""
