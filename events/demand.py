"""街镇提需求、部门认领: a street or town says what it needs, and one department takes it on."""

from datetime import date
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from events.fact import Fact
from events.fields import PERSONAL, AgencyCode, DocumentNumber, Line, Text
from events.parts import Attachment, Citation, CompetentBody, Contact, Ground, Link, Place, Urgency
from events.penalties import CaseCategory


class Posted(Fact):
    """提出需求: to the departments that may take it on, or to all of the consortium 共联体."""

    title_zh: ClassVar[str] = "提出需求"
    number: Line
    """需求编号"""
    recipients: Annotated[tuple[AgencyCode, ...], Field(min_length=1)]
    """可认领部门"""
    copied: tuple[AgencyCode, ...] = ()
    """抄送"""
    category: CaseCategory
    """需求类别"""
    title: Line
    """标题"""
    content: Annotated[Text, PERSONAL]
    """需求内容"""
    place: Place
    """地点"""
    claim_by: date | None = None
    """认领期限"""
    wanted_by: date
    """期望办结日期"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""
    contact: Contact
    """联系人"""
    urgency: Urgency = Urgency.ORDINARY
    """紧急程度"""
    links: tuple[Link, ...] = ()
    """关联往来"""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        named = [*self.recipients, *self.copied]
        if len(set(named)) != len(named):
            msg = "an agency is named once"
            raise ValueError(msg)
        if self.claim_by is not None and self.claim_by > self.wanted_by:
            msg = "it is claimed before it is done: claim_by is not after wanted_by"
            raise ValueError(msg)
        return self


class Claimed(Fact):
    """认领: the department takes it on. The first claim counts."""

    title_zh: ClassVar[str] = "认领"
    plan: Text
    """办理措施"""
    done_by: date | None = None
    """承诺办结日期"""
    contact: Contact
    """承办人"""


class Declined(Fact):
    """不认领: not for this department, for a ground. The others may still claim it."""

    title_zh: ClassVar[str] = "不认领"
    ground: Ground
    """不认领理由"""
    competent_body: CompetentBody | None = None
    """职责所属单位"""
    contact: Contact
    """联系人"""


class Escalated(Fact):
    """提请指派: nobody claims it, or whose it is is disputed; the district shall say who does it.

    Before it is claimed that is for the street to say: one department does not end the asking of the others.
    """

    title_zh: ClassVar[str] = "提请指派"
    arbiter: AgencyCode
    """报请指派的机关"""
    reason: Text
    """理由"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""


class Assigned(Fact):
    """指派: the district names the department that does it."""

    title_zh: ClassVar[str] = "指派"
    number: DocumentNumber
    """指派文号"""
    agency: AgencyCode
    """承办单位"""
    reason: Text
    """理由"""
    legal_basis: tuple[Citation, ...] = ()
    """依据"""
    done_by: date | None = None
    """办结期限"""


class Done(Fact):
    """办结: what was done, and how it looks now."""

    title_zh: ClassVar[str] = "办结"
    measures: Text
    """处置措施"""
    done_on: date
    """办结日期"""
    photos: Annotated[tuple[Attachment, ...], Field(min_length=1)]
    """处置前后照片"""
    contact: Contact
    """承办人"""


class Confirmed(Fact):
    """确认办结: by the street that asked."""

    title_zh: ClassVar[str] = "确认办结"
    confirmed_on: date
    """确认日期"""
    note: Text | None = None
    """确认意见"""


class Reopened(Fact):
    """退回重办: the street finds it not done."""

    title_zh: ClassVar[str] = "退回重办"
    reason: Text
    """未办结的情形"""
    done_by: date | None = None
    """重办期限"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""


class Closed(Fact):
    """撤销需求: the street no longer needs it, after somebody has taken it on."""

    title_zh: ClassVar[str] = "撤销需求"
    reason: Text
    """理由"""
