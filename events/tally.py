"""日报对账: what an agency counted on one day, signed, so that it can be compared with what the bus saw."""

from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from events.fact import Fact
from events.fields import AgencyCode, Kind, Part

Count = Annotated[int, Field(ge=0, le=1_000_000)]


class Direction(StrEnum):
    """What was counted, on the day on which the bus accepted it."""

    SENT = "sent"  # 发出: matters handed to another agency
    RECEIVED = "received"  # 收到: matters handed to this agency, by the sender or by who passed them on
    FORWARDED = "forwarded"  # 转出
    RETURNED = "returned"  # 退回
    DECIDED = "decided"  # 作出处理决定


class Counted(Part):
    """One count."""

    kind: Kind
    """业务类型"""
    direction: Direction
    """方向"""
    count: Count
    """件数"""


class Stated(Fact):
    """日报: the counts of one day in Shanghai. What is not listed was not counted, which is not zero."""

    title_zh: ClassVar[str] = "日报对账"
    recipient: AgencyCode
    """监督机关"""
    day: date
    """统计日期"""
    counts: Annotated[tuple[Counted, ...], Field(max_length=200)]
    """经总线往来件数"""
    cases_filed: Count
    """当日立案数, 含未经总线的"""
    decided: Count
    """当日作出处理决定数, 含未经总线的"""
    over_threshold: Count
    """其中达到刑事追诉标准的件数"""

    @model_validator(mode="after")
    def _once_each(self) -> Self:
        if len({(item.kind, item.direction) for item in self.counts}) < len(self.counts):
            msg = "each kind and direction is counted once"
            raise ValueError(msg)
        return self
