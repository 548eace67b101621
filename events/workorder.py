"""网格派单、热线工单、五早报送、河长派单、信访交办: a matter is dispatched, dealt with, and checked."""

from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar, Final, Self

from pydantic import model_validator

from events.fact import Fact
from events.fields import PERSONAL, REPORTER, AgencyCode, DocumentNumber, Instant, Line, Part, Text
from events.parts import (
    Attachment,
    Cause,
    Citation,
    CompetentBody,
    Contact,
    DossierRef,
    Ground,
    Link,
    Place,
    Relation,
    Reporter,
    Urgency,
)
from events.penalties import CaseCategory


class Channel(StrEnum):
    """事件来源: by which way the matter came."""

    HOTLINE_12345 = "hotline_12345"  # 12345 市民服务热线
    HOTLINE_12319 = "hotline_12319"  # 12319 城建热线
    HOTLINE_962000 = "hotline_962000"  # 962000 热线
    XINMIN = "xinmin"  # 新民帮侬忙
    GRID = "grid"  # 城市网格化管理
    EARLY = "early"  # 五早机制: 物业早发现
    COMMUNITY = "community"  # 居委、物业点对点报送, 社区工作室
    RIVER_CHIEF = "river_chief"  # 河长
    PETITION = "petition"  # 信访件
    VISIT = "visit"  # 来访
    INSPECTION = "inspection"  # 督察


HOTLINES: Final = frozenset({Channel.HOTLINE_12345, Channel.HOTLINE_12319, Channel.HOTLINE_962000})
"""The channels whose orders have a limit of 1, 5 or 15 working days."""


class Matter(StrEnum):
    """事件类型. A report 举报 is one that 城管 verifies and answers; what goes to another department is a complaint."""

    REPORT = "report"  # 举报违法行为: 城管执法条例 第二十六条
    STRUCTURE_REPORT = "structure_report"  # 举报违法建筑: 并见 拆除违法建筑若干规定 第五条
    COMPLAINT = "complaint"  # 投诉
    HELP = "help"  # 求助
    CONSULTATION = "consultation"  # 咨询
    SUGGESTION = "suggestion"  # 意见建议
    FINDING = "finding"  # 巡查、督察发现


class Limit(StrEnum):
    """限办时限. Those in working days are a hotline's; where enforcement procedure is needed it names none of them."""

    WD1 = "wd1"  # 1个工作日
    WD5 = "wd5"  # 5个工作日
    WD15 = "wd15"  # 15个工作日
    DAY = "day"  # 限办日期
    NONE = "none"  # 未另定


class _Limited(Fact):
    """What decides which clocks run, on every fact that starts one."""

    channel: Channel
    """事件来源"""
    matter: Matter
    """事件类型"""
    limit: Limit
    """限办时限"""
    do_by: date | None = None
    """限办日期"""

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if (self.limit is Limit.DAY) != (self.do_by is not None):
            msg = "do_by is given if, and only if, the limit is a day"
            raise ValueError(msg)
        if self.limit not in {Limit.DAY, Limit.NONE} and self.channel not in HOTLINES:
            msg = "a limit in working days is that of a hotline order; another order names a day"
            raise ValueError(msg)
        return self


class Dispatched(_Limited):
    """交办, 派单: 市民事件交办单. 上海市街道办事处条例 第十二条: 派单调度."""

    title_zh: ClassVar[str] = "派单"
    number: Line
    """交办单编号"""
    recipient: AgencyCode
    """经办部门"""
    title: Line
    """标题"""
    content: Annotated[Text, PERSONAL]
    """反映内容"""
    category: CaseCategory | None = None
    """案件大类"""
    big_class: Line | None = None
    """大类代码 of GB/T 30428.2: not checked, as its code tables are not public"""
    small_class: Line | None = None
    """小类代码 of GB/T 30428.2: not checked, as its code tables are not public"""
    grid_number: Line | None = None
    """网格号"""
    place: Place | None = None
    """地址"""
    recorded_at: Instant
    """记录时间"""
    recorded_by: Annotated[Line | None, PERSONAL] = None
    """记录人"""
    dispatched_at: Instant
    """交办时间"""
    reporter: Annotated[Reporter | None, REPORTER] = None
    """投诉人、电话: stays with who took the call, through whom 先行联系 goes"""
    first_contact: bool = False
    """是否须先行联系"""
    remark: Annotated[Text | None, PERSONAL] = None
    """领导意见"""
    urgency: Urgency = Urgency.ORDINARY
    """紧急程度"""
    dossier: DossierRef | None = None
    """小区、工地等档案"""
    photos: tuple[Attachment, ...] = ()
    """照片"""
    contact: Contact
    """交办联系人"""
    links: tuple[Link, ...] = ()
    """关联往来: `repeats` an earlier order 重复件; `grew_from` the finding from which the grid centre made it"""


class FirstContact(Part):
    """先行联系."""

    contacted_at: Instant
    """联系时间"""
    reached: bool
    """是否联系上"""
    note: Annotated[Text | None, PERSONAL] = None
    """联系情况"""


class Accepted(Fact):
    """接单, 受理: the recipient takes the order on. A petition is formally taken up, with a notice to who petitions."""

    title_zh: ClassVar[str] = "接单"
    channel: Channel
    """事件来源, as the order has it"""
    number: DocumentNumber | None = None
    """受理告知书文号"""
    first_contact: FirstContact | None = None
    """先行联系结果"""
    contact: Contact
    """承办人"""


class SentBack(Fact):
    """退单: the recipient does not take the order, or finds on the site that it is not its own, for a ground."""

    title_zh: ClassVar[str] = "退单"
    ground: Ground
    """退单理由"""
    competent_body: CompetentBody | None = None
    """有管辖权的机关"""
    legal_basis: tuple[Citation, ...] = ()
    """退单依据"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""
    contact: Contact
    """联系人"""


class Redispatched(_Limited):
    """改派: another recipient gets the order, with its own limit, or the same once what was unclear is said."""

    title_zh: ClassVar[str] = "改派"
    recipient: AgencyCode
    """经办部门"""
    reason: Text
    """改派说明"""


class Upheld(Fact):
    """退单不成立: the dispatcher holds the recipient competent, which must take the order."""

    title_zh: ClassVar[str] = "维持派单"
    ground: Ground
    """退单不成立的理由"""


class CaseLinked(Fact):
    """诉转案: out of the order a case has become."""

    title_zh: ClassVar[str] = "诉转案"
    case_number: Line
    """案号"""
    filed_on: date
    """立案日期"""
    cause: Cause | None = None
    """案由"""
    category: CaseCategory | None = None
    """案件大类"""
    link: Link | None = None
    """关联往来: what it became, where that is on the bus too"""

    @model_validator(mode="after")
    def _became(self) -> Self:
        if self.link is not None and self.link.relation is not Relation.BECAME:
            msg = "link says what the order became"
            raise ValueError(msg)
        return self


class Resolution(StrEnum):
    """处理结论."""

    RESOLVED = "resolved"  # 已解决
    CASE = "case"  # 转案件办理
    EXPLAINED = "explained"  # 解释说明
    UNFOUNDED = "unfounded"  # 反映不属实
    UNRESOLVED = "unresolved"  # 暂未解决


class Satisfaction(StrEnum):
    """满意度."""

    SATISFIED = "satisfied"  # 满意
    FAIR = "fair"  # 基本满意
    DISSATISFIED = "dissatisfied"  # 不满意
    UNSAID = "unsaid"  # 未评价


class Done(Fact):
    """办结, 处置反馈: what the recipient did."""

    title_zh: ClassVar[str] = "办结"
    resolution: Resolution
    """处理结论"""
    result: Annotated[Text, PERSONAL]
    """处理结果"""
    on_site_at: Instant | None = None
    """到场时间"""
    done_at: Instant
    """办结时间"""
    handled_by: Contact
    """经办人"""
    contacted: bool
    """是否与来电人沟通"""
    satisfaction: Satisfaction | None = None
    """满意度"""
    not_a_case: Text | None = None
    """未转案理由"""
    before: tuple[Attachment, ...] = ()
    """处置前照片"""
    after: tuple[Attachment, ...] = ()
    """处置后照片"""


class Verified(Fact):
    """核查通过: the dispatcher finds the matter dealt with."""

    title_zh: ClassVar[str] = "核查通过"
    verified_at: Instant
    """核查时间"""
    verified_by: Annotated[Line, PERSONAL]
    """核查人"""
    satisfaction: Satisfaction | None = None
    """回访满意度"""
    note: Text | None = None
    """核查意见"""
    photos: tuple[Attachment, ...] = ()
    """核查照片"""


class Reopened(Fact):
    """核查不通过: the dispatcher sends the order back to work, for a ground."""

    title_zh: ClassVar[str] = "核查不通过"
    ground: Ground
    """核查不通过的理由"""
    do_by: date | None = None
    """限办日期"""
    photos: tuple[Attachment, ...] = ()
    """核查照片"""


class Closed(Fact):
    """结案: the order is over, and whoever first told of the matter has been answered."""

    title_zh: ClassVar[str] = "结案"
    closed_at: Instant
    """结案时间"""
    note: Text | None = None
    """结案意见"""
