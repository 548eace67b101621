"""Penalties 行政处罚, as facts of several kinds tell them."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from events.fields import DocumentNumber, Fen, Part, Text
from events.parts import Cause, Citation, Parties


class Outcome(StrEnum):
    """处理结果: 行政处罚法 33, 57."""

    PENALISED = "penalised"  # 予以行政处罚
    MINOR = "minor"  # 违法行为轻微并及时改正, 不予处罚
    FIRST_TIME = "first_time"  # 初次违法且后果轻微并及时改正, 可以不予处罚
    NO_FAULT = "no_fault"  # 足以证明没有主观过错, 不予处罚
    NOT_ESTABLISHED = "not_established"  # 违法事实不能成立, 不予处罚
    TIME_BARRED = "time_barred"  # 超过处罚时效, 不予处罚
    CRIME_SUSPECTED = "crime_suspected"  # 涉嫌犯罪, 移送司法机关
    CLOSED = "closed"  # 撤销案件


class PenaltyType(StrEnum):
    """处罚种类: 行政处罚法 9."""

    WARNING = "warning"  # 警告
    CENSURE = "censure"  # 通报批评
    FINE = "fine"  # 罚款
    CONFISCATION = "confiscation"  # 没收
    PERMIT = "permit"  # 暂扣、降级、吊销许可证件
    RESTRICTION = "restriction"  # 限制开展生产经营活动、责令停产停业、责令关闭、限制从业
    OTHER = "other"  # 法律、行政法规规定的其他行政处罚


class Penalty(Part):
    """行政处罚."""

    type: PenaltyType
    """种类"""
    amount: Fen | None = None
    """金额(分)"""
    content: Text | None = None
    """内容"""

    @model_validator(mode="after")
    def _a_fine_has_an_amount(self) -> Self:
        if self.type is PenaltyType.FINE and self.amount is None:
            msg = "a fine has an amount"
            raise ValueError(msg)
        return self


class Procedure(StrEnum):
    """处罚程序: 行政处罚法 51, 54."""

    SIMPLE = "simple"  # 简易程序
    ORDINARY = "ordinary"  # 一般程序


class CaseCategory(StrEnum):
    """案件大类, as the bureaus' own statistics divide them."""

    GREENING = "greening"  # 绿化
    APPEARANCE = "appearance"  # 市容
    MUNICIPAL = "municipal"  # 市政
    ENVIRONMENT = "environment"  # 环境保护
    WATER = "water"  # 水务
    COMMERCE = "commerce"  # 工商
    CONSTRUCTION = "construction"  # 建设
    PROPERTY = "property"  # 物业管理
    HOUSING = "housing"  # 群租、损坏承重结构
    PLANNING = "planning"  # 城乡规划
    HOUSEHOLD_WASTE = "household_waste"  # 生活垃圾
    CONSTRUCTION_WASTE = "construction_waste"  # 建筑垃圾
    ADVERTISING = "advertising"  # 户外广告
    FUMES = "fumes"  # 油烟
    STRAW = "straw"  # 秸秆
    RIVER = "river"  # 河道
    OTHER = "other"  # 其他


class PenaltyDecision(Part):
    """行政处罚决定, as one agency tells it to another."""

    number: DocumentNumber
    """决定书文号"""
    decided_on: date
    """决定日期"""
    procedure: Procedure
    """处罚程序"""
    outcome: Outcome = Outcome.PENALISED
    """处理结果"""
    category: CaseCategory
    """案件大类"""
    off_site: bool = False
    """非现场执法"""
    cause: Cause
    """案由"""
    parties: Parties
    """当事人"""
    penalties: tuple[Penalty, ...] = ()
    """处罚内容"""
    fine: Fen = 0
    """罚款合计(分)"""
    legal_basis: Annotated[tuple[Citation, ...], Field(min_length=1)]
    """处罚依据"""
    reason: Text | None = None
    """不予处罚或其他结果的理由"""

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if (self.outcome is Outcome.PENALISED) != bool(self.penalties):
            msg = "penalties are given if, and only if, the outcome is penalised"
            raise ValueError(msg)
        if sum(item.amount or 0 for item in self.penalties if item.type is PenaltyType.FINE) != self.fine:
            msg = "fine is the sum of the penalties that are fines"
            raise ValueError(msg)
        return self
