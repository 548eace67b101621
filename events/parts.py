"""Parts that facts of several kinds share. The words under a member are its term in the paper forms."""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from events.fields import (
    PERSONAL,
    REPORTER,
    AgencyCode,
    Decimals,
    Division,
    ExchangeId,
    Fen,
    IdentityNumber,
    Instant,
    Kind,
    Line,
    Part,
    Plate,
    Sha256,
    SocialCreditCode,
    Text,
)

MediaType = Annotated[str, StringConstraints(pattern=r"^[a-z]+/[a-z0-9][a-z0-9.+-]{0,99}$")]

GroundCode = Annotated[str, StringConstraints(pattern=r"^[a-z]+(?:-[a-z]+)*$", max_length=60)]
"""A code of `contracts/grounds`."""


def _at_most(limit: int) -> AfterValidator:
    def check(value: str) -> str:
        if Decimal(value) > limit:
            msg = f"must be at most {limit}"
            raise ValueError(msg)
        return value

    return AfterValidator(check)


Longitude = Annotated[Decimals, _at_most(180)]
Latitude = Annotated[Decimals, _at_most(90)]


class Attachment(Part):
    """附件. The content lies in the file store; the event carries its digest."""

    title: Line
    """名称"""
    digest: Sha256
    """摘要"""
    size: Annotated[int, Field(ge=1, le=2**40)]
    """字节数"""
    media_type: MediaType
    """媒体类型"""
    copies: Annotated[int, Field(ge=1, le=999)] | None = None
    """份数"""
    pages: Annotated[int, Field(ge=1, le=99_999)] | None = None
    """页数"""


class Contact(Part):
    """联系人."""

    name: Annotated[Line, PERSONAL]
    """姓名"""
    phone: Annotated[Line, PERSONAL]
    """电话"""
    unit: Line | None = None
    """承办部门"""
    address: Line | None = None
    """联系地址"""


class Officer(Part):
    """执法人员."""

    name: Annotated[Line, PERSONAL]
    """姓名"""
    certificate: Annotated[Line, PERSONAL]
    """执法证号"""
    leads: bool = False
    """是否组长"""


class Urgency(StrEnum):
    """紧急程度: GB/T 9704."""

    ORDINARY = "ordinary"  # 平件
    EXPEDITED = "expedited"  # 加急
    EXTRA = "extra"  # 特急


class Reporter(Part):
    """举报人. Its secrecy is the agency's duty: 城管执法条例(2018) 第二十六条."""

    name: Line | None = None
    """姓名"""
    phone: Line | None = None
    """电话"""
    channel: Line | None = None
    """举报渠道及工单号"""


class IdentityType(StrEnum):
    """证件类型 other than 居民身份证, which has a member of its own because it has check digits."""

    PASSPORT = "passport"  # 护照
    PERMIT = "permit"  # 港澳台居民通行证
    OTHER = "other"  # 其他


class OtherIdentity(Part):
    """其他证件."""

    type: IdentityType
    """证件类型"""
    number: Line
    """证件号码"""


class Person(Part):
    """当事人(个人)."""

    name: Annotated[Line, PERSONAL]
    """姓名"""
    sex: Annotated[Line | None, PERSONAL] = None
    """性别"""
    identity_number: Annotated[IdentityNumber | None, PERSONAL] = None
    """公民身份号码"""
    other_identity: Annotated[OtherIdentity | None, PERSONAL] = None
    """其他证件"""
    phone: Annotated[Line | None, PERSONAL] = None
    """电话"""
    address: Annotated[Line | None, PERSONAL] = None
    """住址"""


class Unit(Part):
    """当事人(单位), a 个体工商户 included."""

    name: Line
    """名称"""
    social_credit_code: SocialCreditCode | None = None
    """统一社会信用代码"""
    legal_representative: Annotated[Line | None, PERSONAL] = None
    """法定代表人"""
    agent: Annotated[Line | None, PERSONAL] = None
    """委托人"""
    phone: Annotated[Line | None, PERSONAL] = None
    """电话"""
    address: Line | None = None
    """地址"""


class Parties(Part):
    """当事人: persons and units. Both empty where nobody is known yet."""

    persons: tuple[Person, ...] = ()
    """个人"""
    units: tuple[Unit, ...] = ()
    """单位"""

    @property
    def known(self) -> bool:
        """Whether anybody is named."""
        return bool(self.persons or self.units)


class Position(Part):
    """坐标, in degrees."""

    longitude: Longitude
    """经度"""
    latitude: Latitude
    """纬度"""


class RedLine(StrEnum):
    """道路红线: it suggests the charge (危害交通安全 / 污染环境)."""

    INSIDE = "inside"  # 红线内
    OUTSIDE = "outside"  # 红线外


class Place(Part):
    """案发地. Both coordinate systems are kept: nobody has to guess which one was meant."""

    address: Line
    """地址"""
    division: Division
    """行政区划"""
    wgs84: Position | None = None
    """WGS 84 坐标"""
    cgcs2000: Position | None = None
    """CGCS 2000 坐标"""
    red_line: RedLine | None = None
    """道路红线内/外"""


class QuantityUnit(StrEnum):
    """数量单位."""

    TONNE = "t"  # 吨
    CUBIC_METRE = "m3"  # 立方米
    SQUARE_METRE = "m2"  # 平方米


class Quantity(Part):
    """数量."""

    value: Decimals
    """数值"""
    unit: QuantityUnit
    """单位"""


class GoodsWay(StrEnum):
    """涉案物品去向. 非法物品 go along with the case: 城管执法条例(2018) 第二十八条."""

    WITH_CASE = "with_case"  # 随案移送
    LATER = "later"  # 另行移交
    HELD = "held"  # 由移送单位保管


class Goods(Part):
    """涉案物品清单 row."""

    name: Line
    """名称"""
    amount: Decimals
    """数量"""
    unit: Line
    """计量单位"""
    grade: Line | None = None
    """品级"""
    specification: Line | None = None
    """规格"""
    model: Line | None = None
    """型号"""
    form: Line | None = None
    """形态"""
    way: GoodsWay = GoodsWay.WITH_CASE
    """去向"""
    way_reason: Text | None = None
    """未随案移送的理由"""
    note: Text | None = None
    """备注"""

    @model_validator(mode="after")
    def _explained(self) -> Self:
        if self.way is not GoodsWay.WITH_CASE and self.way_reason is None:
            msg = "goods that do not go along with the case need way_reason"
            raise ValueError(msg)
        return self


class GoodsReceipt(Part):
    """涉案物品接收."""

    complete: bool
    """与清单是否一致"""
    receiver: Annotated[Line, PERSONAL]
    """接收人"""
    received_on: date
    """接收日期"""
    differences: Text | None = None
    """差异说明"""

    @model_validator(mode="after")
    def _explained(self) -> Self:
        if not self.complete and self.differences is None:
            msg = "goods that differ from the list need differences"
            raise ValueError(msg)
        return self


class Citation(Part):
    """法律依据: which provision."""

    law: Line
    """法律法规规章名称"""
    article: Line
    """条款"""


class Cause(Part):
    """案由."""

    name: Line
    """案由"""
    code: Line | None = None
    """案由代码"""


class Ground(Part):
    """理由: a coded ground of `contracts/grounds`, and the reason in words. Neither stands without the other."""

    code: GroundCode
    """理由代码"""
    reason: Text
    """具体理由"""


class CompetentBody(Part):
    """有管辖权的机关."""

    name: Line
    """名称"""
    agency: AgencyCode | None = None
    """单位代码"""
    legal_basis: tuple[Citation, ...] = ()
    """管辖依据"""


class CaseSource(StrEnum):
    """案件来源. 1 to 6 as in the paper form, 7 to 10 added."""

    COMPLAINT = "1"  # 投诉举报
    SUPERIOR = "2"  # 上级交办
    SUBORDINATE = "3"  # 下级报送
    PEER = "4"  # 同级转办
    PATROL = "5"  # 巡查发现
    OTHER = "6"  # 其他
    DEPARTMENT = "7"  # 部门移送
    ASSISTANCE = "8"  # 协查
    PROCURATORATE = "9"  # 检察意见
    OFF_SITE = "10"  # 非现场


class Circumstances(Part):
    """案情: what is known of the act, the same whoever gets the case."""

    cause: Cause
    """案由"""
    parties: Parties
    """当事人"""
    facts: Annotated[Text, PERSONAL]
    """案件简介 / 查明行为"""
    place: Place | None = None
    """案发地"""
    found_at: Instant | None = None
    """发现时间"""
    quantity: Quantity | None = None
    """数量"""
    loss: Fen | None = None
    """公私财产损失(分)"""
    plates: Annotated[tuple[Plate, ...], PERSONAL] = ()
    """车牌"""
    manifests: tuple[Line, ...] = ()
    """建筑垃圾联单号: 生态环境法典 516-520"""


class ReportedBy(Part):
    """案件来源, with the reporter, who never leaves the agency by default."""

    source: CaseSource
    """案件来源"""
    reporter: Annotated[Reporter | None, REPORTER] = None
    """举报人"""


class Relation(StrEnum):
    """关联关系: what another exchange is to this one."""

    GREW_FROM = "grew_from"  # 由其产生: 线索转移送, 移送转刑事, 决定转罚后监管, 会议决议转事项
    ANSWERS = "answers"  # 答复: the notice that this one answers
    REPEATS = "repeats"  # 重复: an earlier order about the same matter
    CITES = "cites"  # 引用: a decision on which a letter rests
    BECAME = "became"  # 转为: 诉转案


class Link(Part):
    """关联往来: another exchange, and what it is to this one. The case ties all; a link says how."""

    relation: Relation
    """关联关系"""
    kind: Kind
    """业务类型"""
    exchange: ExchangeId
    """往来编号"""
    sequence: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    """事件序号"""


class Archive(StrEnum):
    """档案类别."""

    HOUSEHOLD = "household"  # 一户一档
    SHOP = "shop"  # 一店一档
    ESTATE = "estate"  # 小区档案
    SITE = "site"  # 工地档案
    OBJECT = "object"  # 执法对象监管库


class DossierFile(Part):
    """档案材料: one item of a set in `contracts/dossiers`."""

    code: GroundCode
    """材料代码"""
    attachment: Attachment
    """材料"""


class DossierRef(Part):
    """档案引用: 一户一档, 一店一档. With `set`, all items of that set of `contracts/dossiers` must be there."""

    archive: Archive
    """档案类别"""
    number: Line
    """档案编号"""
    set: GroundCode | None = None
    """材料清单代码"""
    items: tuple[DossierFile, ...] = ()
    """材料"""
