"""装备借用: one team lends another what it needs for an operation, and gets it back."""

from datetime import date
from typing import Annotated, ClassVar

from pydantic import Field

from events.fact import Fact
from events.fields import PERSONAL, AgencyCode, Line, Text
from events.parts import Contact, Ground, Link


class Requested(Fact):
    """请求借用."""

    title_zh: ClassVar[str] = "请求借用"
    recipient: AgencyCode
    """出借单位"""
    items: Annotated[tuple[Line, ...], Field(min_length=1)]
    """装备"""
    return_by: date
    """拟归还日期"""
    purpose: Line
    """用途"""
    contact: Contact
    """联系人"""
    links: tuple[Link, ...] = ()
    """关联往来"""


class Lent(Fact):
    """出借."""

    title_zh: ClassVar[str] = "出借"
    return_by: date
    """归还日期"""
    handed_to: Annotated[Line, PERSONAL]
    """领取人"""


class Declined(Fact):
    """不予出借: for a ground."""

    title_zh: ClassVar[str] = "不予出借"
    ground: Ground
    """理由"""


class Returned(Fact):
    """归还."""

    title_zh: ClassVar[str] = "归还"
    complete: bool
    """是否齐全"""
    note: Text | None = None
    """说明"""
