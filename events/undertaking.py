"""共联体事项: what a meeting has resolved, and what a unit has undertaken to do by a day."""

from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from events.fact import Fact
from events.fields import PERSONAL, AgencyCode, DocumentNumber, Line, Part, Text
from events.parts import Attachment, Contact, Ground, Link, Relation

ResolutionId = Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z.-]{0,19}$")]
"""决议编号, within its meeting."""


class UndertakingType(StrEnum):
    """事项类别."""

    PROJECT = "project"  # 年度项目
    ACTION = "action"  # 共同行动清单
    RESOLUTION = "resolution"  # 会议决议


class ThreeTiers(Part):
    """三级责任: 党委(党组)牵头、分管领导分工、业务部门落实."""

    heading: Line
    """牵头党委(党组)"""
    in_charge: Annotated[Line, PERSONAL]
    """分管领导"""
    carrying_out: Line
    """落实部门"""


class Task(Part):
    """协同单位任务: what a co-unit does."""

    agency: AgencyCode
    """协同单位"""
    task: Text
    """任务"""


class Listed(Fact):
    """列入事项清单: the lead unit answers for it, the co-units 协同单位 have their tasks and read along."""

    title_zh: ClassVar[str] = "列入事项清单"
    number: Line
    """事项编号"""
    undertaking_type: UndertakingType
    """事项类别"""
    year: Annotated[int, Field(ge=2020, le=2100)]
    """年度"""
    title: Line
    """事项名称"""
    goal: Text
    """目标任务"""
    recipient: AgencyCode
    """牵头单位"""
    copied: tuple[AgencyCode, ...] = ()
    """协同单位及抄送"""
    tasks: tuple[Task, ...] = ()
    """协同任务"""
    tiers: ThreeTiers
    """三级责任"""
    due: date
    """完成期限"""
    resolution: ResolutionId | None = None
    """所落实的决议编号"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""
    links: tuple[Link, ...] = ()
    """关联往来"""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if len({self.recipient, *self.copied}) <= len(self.copied):
            msg = "a unit is addressed once"
            raise ValueError(msg)
        agencies = [item.agency for item in self.tasks]
        if len({*agencies}) < len(agencies) or not {*agencies} <= {*self.copied}:
            msg = "tasks are of those copied, one each"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _a_resolution_names_its_meeting(self) -> Self:
        born = any(
            item.relation is Relation.GREW_FROM and item.kind == "undertaking" and item.sequence is not None
            for item in self.links
        )
        resolved = self.undertaking_type is UndertakingType.RESOLUTION
        if resolved != (self.resolution is not None) or (resolved and not born):
            msg = (
                "a resolution, and nothing else, has its number; its link grew_from names its meeting and the sequence"
            )
            raise ValueError(msg)
        return self


class _Progress(Fact):
    """What a report says."""

    progress: Text
    """进展情况"""
    percent: Annotated[int, Field(ge=0, le=100)] | None = None
    """完成比例(%)"""
    difficulties: Text | None = None
    """困难和问题"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""


class Progressed(_Progress):
    """进展: of the lead unit. It has begun."""

    title_zh: ClassVar[str] = "报告进展"


class TaskProgressed(_Progress):
    """协同进展: of a co-unit about its own task. It accepts nothing for the lead unit."""

    title_zh: ClassVar[str] = "报告协同进展"


class Done(Fact):
    """完成: by the word of the lead unit."""

    title_zh: ClassVar[str] = "报告完成"
    result: Text
    """完成情况"""
    done_on: date
    """完成日期"""
    contact: Contact | None = None
    """联系人"""
    attachments: tuple[Attachment, ...] = ()
    """佐证材料"""


class Reviewed(Fact):
    """验收通过: the undertaking is completed 销项."""

    title_zh: ClassVar[str] = "验收通过"
    reviewed_on: date
    """验收日期"""
    opinion: Text
    """验收意见"""


class SentBack(Fact):
    """验收退回: it is not done yet, for a ground, and is due on a new day."""

    title_zh: ClassVar[str] = "验收退回"
    ground: Ground
    """退回理由"""
    due: date
    """重新完成期限"""


class Discontinued(Fact):
    """终止: whoever listed it takes it off the list."""

    title_zh: ClassVar[str] = "终止"
    reason: Text
    """终止理由"""


class MeetingType(StrEnum):
    """会议类别."""

    ROTA = "rota"  # 轮值会议
    TOPIC = "topic"  # 联动协调专题会议
    CONSULTATION = "consultation"  # 定期协商
    CONFERENCE = "conference"  # 专题会商


class Resolution(Part):
    """会议决议. It becomes an undertaking when somebody lists it."""

    id: ResolutionId
    """决议编号"""
    text: Text
    """决议内容"""
    unit: AgencyCode
    """责任单位"""
    due: date | None = None
    """完成期限"""


class MeetingHeld(Fact):
    """会议: a record, which ends with itself. What was resolved goes on as undertakings of its own."""

    title_zh: ClassVar[str] = "会议召开"
    number: DocumentNumber | None = None
    """纪要文号"""
    meeting_type: MeetingType
    """会议类别"""
    title: Line
    """会议名称"""
    held_on: date
    """召开日期"""
    place: Line | None = None
    """地点"""
    rota_unit: AgencyCode | None = None
    """轮值单位"""
    attendants: Annotated[tuple[AgencyCode, ...], Field(min_length=1)]
    """参会单位"""
    copied: Annotated[tuple[AgencyCode, ...], Field(min_length=1)]
    """纪要印发单位"""
    others: tuple[Line, ...] = ()
    """总线外的参会方"""
    minutes: Text
    """会议纪要"""
    resolutions: tuple[Resolution, ...] = ()
    """会议决议"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""
    links: tuple[Link, ...] = ()
    """关联往来"""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if any(len({*units}) < len(units) for units in (self.attendants, self.copied)):
            msg = "a unit is named once"
            raise ValueError(msg)
        if (self.meeting_type is MeetingType.ROTA) != (self.rota_unit is not None):
            msg = "a rota meeting, and no other, names its rota_unit"
            raise ValueError(msg)
        if self.rota_unit is not None and self.rota_unit not in self.attendants:
            msg = "the rota_unit attends its meeting"
            raise ValueError(msg)
        if len({item.id for item in self.resolutions}) < len(self.resolutions):
            msg = "each resolution has an id of its own"
            raise ValueError(msg)
        return self
