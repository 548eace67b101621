"""协查、溯源: one place asks others about waste, vehicles, sites or people; each answers for itself.

What a cause of action and a place are in the other province stands beside the copy (`contracts/crosswalk`).
"""

from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from events.fact import Fact
from events.fields import PERSONAL, AgencyCode, DocumentNumber, Instant, Line, Part, Plate, Text
from events.parts import (
    Attachment,
    Cause,
    Circumstances,
    Citation,
    CompetentBody,
    Contact,
    Ground,
    Link,
    Parties,
    Place,
    Quantity,
    Urgency,
)
from events.penalties import PenaltyDecision


class LeadType(StrEnum):
    """协查类型."""

    TRACING = "tracing"  # 溯源
    VEHICLE = "vehicle"  # 车辆
    VESSEL = "vessel"  # 船舶
    SITE = "site"  # 工地
    UNLOADING_POINT = "unloading_point"  # 卸点
    UNIT = "unit"  # 单位
    PERSON = "person"  # 人员


class CrossProvinceApproval(StrEnum):
    """是否跨省转移批准/提前报送: 生态环境法典 476, before it 固体废物污染环境防治法 22."""

    APPROVED = "approved"  # 贮存、处置: 已批准
    REPORTED = "reported"  # 利用: 已提前报送(此前为备案)
    NONE = "none"  # 未批准、未报送
    UNKNOWN = "unknown"  # 不明


class Carrier(Part):
    """运输工具: a vehicle by its plate, or a vessel by its name."""

    plate: Annotated[Plate | None, PERSONAL] = None
    """车牌"""
    vessel: Line | None = None
    """船名"""
    rated_load: Quantity | None = None
    """核载"""

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if (self.plate is None) == (self.vessel is None):
            msg = "a carrier has either a plate or a vessel's name"
            raise ValueError(msg)
        return self


class Papers(Part):
    """随车、随船单证. 联单号 stand in the circumstances."""

    waybill: Line | None = None
    """运单号"""
    disposal_permit: Line | None = None
    """处置证号"""
    transport_permit: Line | None = None
    """运输许可证号"""


class Site(Part):
    """工地."""

    name: Line
    """工地名称"""
    registration: Line | None = None
    """报建编号"""
    place: Place | None = None
    """位置"""


class Evidence(Part):
    """证据清单 row."""

    title: Line
    """名称"""
    number: Line | None = None
    """编号"""
    attachment: Attachment | None = None
    """电子件"""


class Usability(StrEnum):
    """结果是否可作证据."""

    USABLE = "usable"  # 可以作为证据使用
    AFTER_REVIEW = "after_review"  # 经审查可以作为证据使用: 长三角示范区条例(2024) 第五十七条
    REFERENCE = "reference"  # 仅供参考


class Opened(Fact):
    """发出协查函. 行政处罚法 26 between agencies of one place; between provinces by agreement 协作机制."""

    title_zh: ClassVar[str] = "发出协查函"
    number: DocumentNumber
    """文号"""
    recipients: Annotated[tuple[AgencyCode, ...], Field(min_length=1)]
    """去函单位"""
    copied: tuple[AgencyCode, ...] = ()
    """抄送"""
    lead_type: LeadType
    """协查类型"""
    circumstances: Circumstances
    """案件基本情况, with the dumping point 倾倒点, its coordinates, and 联单号"""
    dumped_at: Instant | None = None
    """倾倒时间"""
    carriers: tuple[Carrier, ...] = ()
    """运输工具"""
    papers: Papers | None = None
    """单证号"""
    site: Site | None = None
    """工地"""
    cross_province_approval: CrossProvinceApproval
    """是否跨省转移批准/提前报送"""
    questions: Annotated[tuple[Text, ...], Field(min_length=1, max_length=30), PERSONAL]
    """以书面形式协助查明的事项: 1, 2, 3"""
    images: tuple[Attachment, ...] = ()
    """影像"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""
    reply_by: date | None = None
    """希望办结日"""
    legal_basis: Annotated[tuple[Citation, ...], Field(min_length=1)]
    """依据"""
    purpose: Line
    """用途: 上海市数据条例 39-40"""
    contact: Contact
    """联系人"""
    dated: date
    """去函日期"""
    signed_by: Annotated[Line | None, PERSONAL] = None
    """签发人"""
    urgency: Urgency = Urgency.ORDINARY
    """紧急程度"""
    retain_until: date | None = None
    """保存至"""
    links: tuple[Link, ...] = ()
    """关联往来"""

    @model_validator(mode="after")
    def _everybody_once(self) -> Self:
        named = (*self.recipients, *self.copied)
        if len({*named}) < len(named):
            msg = "an agency is given twice"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _says_what_it_asks_about(self) -> Self:
        if not self._subject():
            msg = f"a lead about a {self.lead_type} names it"
            raise ValueError(msg)
        return self

    def _subject(self) -> bool:
        match self.lead_type:
            case LeadType.TRACING | LeadType.UNLOADING_POINT:
                return self.circumstances.place is not None
            case LeadType.VEHICLE:
                return bool(self.circumstances.plates) or any(item.plate for item in self.carriers)
            case LeadType.VESSEL:
                return any(item.vessel for item in self.carriers)
            case LeadType.SITE:
                return self.site is not None
            case LeadType.UNIT:
                return bool(self.circumstances.parties.units)
            case LeadType.PERSON:
                return bool(self.circumstances.parties.persons)


class Receipted(Fact):
    """签收."""

    title_zh: ClassVar[str] = "签收"
    receiver: Annotated[Line, PERSONAL]
    """签收人"""
    received_at: Instant
    """签收时间"""


class Traced(Fact):
    """查明: the reply 回函 that says what was found."""

    title_zh: ClassVar[str] = "查明"
    number: DocumentNumber
    """回函文号"""
    findings: Annotated[Text, PERSONAL]
    """核查结论, question by question"""
    source_site: Site | None = None
    """源头工地"""
    parties: Parties | None = None
    """查明的当事人"""
    evidence: tuple[Evidence, ...] = ()
    """证据清单"""
    usability: Usability
    """结果是否可作证据"""
    contact: Contact
    """联系人"""


class NotFound(Fact):
    """未查明: what was asked about is not known in this place. What turns up later is stated all the same."""

    title_zh: ClassVar[str] = "未查明"
    number: DocumentNumber
    """回函文号"""
    checked: Annotated[tuple[Line, ...], Field(min_length=1)]
    """已核查的范围"""
    findings: Annotated[Text, PERSONAL]
    """核查结论"""
    contact: Contact
    """联系人"""


class Refused(Fact):
    """不予协查: for a ground."""

    title_zh: ClassVar[str] = "不予协查"
    number: DocumentNumber
    """回函文号"""
    ground: Ground
    """理由"""
    competent_body: CompetentBody | None = None
    """有管辖权的机关"""
    contact: Contact
    """联系人"""


class Escalated(Fact):
    """报请裁定: the one who asked does not accept a refusal, and brings it before the common superior of both."""

    title_zh: ClassVar[str] = "报请裁定"
    arbiter: AgencyCode
    """报请的共同上一级机关"""
    reason: Text
    """理由"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""


class _Ruling(Fact):
    """What both rulings of the common superior say."""

    number: DocumentNumber
    """文号"""
    reason: Text
    """理由"""
    legal_basis: Annotated[tuple[Citation, ...], Field(min_length=1)]
    """依据"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""


class RefusalUpheld(_Ruling):
    """拒绝成立: the place need not answer."""

    title_zh: ClassVar[str] = "裁定拒绝成立"


class RefusalOverruled(_Ruling):
    """拒绝不成立: the place must answer."""

    title_zh: ClassVar[str] = "裁定应予协查"
    reply_by: date | None = None
    """答复期限"""


class Filed(Fact):
    """源头立案: the place in which the waste, the vehicle or the site is files a case of its own."""

    title_zh: ClassVar[str] = "源头立案"
    number: DocumentNumber
    """立案文号"""
    filed_on: date
    """立案日期"""
    cause: Cause
    """案由"""
    contact: Contact | None = None
    """承办人"""


class EvidenceShared(Fact):
    """证据移交: either side hands the other what it has."""

    title_zh: ClassVar[str] = "证据移交"
    evidence: Annotated[tuple[Evidence, ...], Field(min_length=1)]
    """证据清单"""
    usability: Usability
    """是否可作证据"""
    purpose: Line
    """用途"""
    legal_basis: Annotated[tuple[Citation, ...], Field(min_length=1)]
    """移交依据"""


class ResultReported(Fact):
    """结果互认: what the place that filed has decided, and whether it recognises the other side's findings."""

    title_zh: ClassVar[str] = "办理结果通报"
    number: DocumentNumber
    """通报文号"""
    decision: PenaltyDecision
    """处理决定"""
    recognised: bool
    """对方认定的事实、证据是否予以认可"""
    not_recognised_because: Text | None = None
    """不予认可的理由"""

    @model_validator(mode="after")
    def _a_reason_where_not(self) -> Self:
        if self.recognised != (self.not_recognised_because is None):
            msg = "what is not recognised has a reason in not_recognised_because, and only that"
            raise ValueError(msg)
        return self


class Closed(Fact):
    """办结: by who asked."""

    title_zh: ClassVar[str] = "办结"
    summary: Text
    """协查结果"""
    closed_on: date
    """办结日期"""
    reason: Text | None = None
    """尚有单位未答复、未通报结果而办结的理由"""
