"""Orders and demands: what a caller, the grid, a street or a town brings to who has to deal with it. All invented."""

from collections.abc import Mapping
from datetime import date
from typing import Final

from events import demand, workorder
from events.parts import CompetentBody, Ground, Place, Relation
from events.penalties import CaseCategory
from services.cli.story import border
from services.cli.story.cast import (
    GOVERNMENT,
    GREENING,
    GRID,
    HOTLINE,
    HOUSING,
    HUACAO,
    MINHANG,
    PARTY_OFFICE,
    QIBAO,
    QIBAO_TEAM,
    TRANSPORT,
    WATER,
    Ids,
    Step,
    Thread,
    at,
    attachment,
    desk,
    link,
)

TRUCKS = "SYN-2026-渣土运输-0233"

# 12345: the call from which the main case began.

dispatched = workorder.Dispatched(
    channel=workorder.Channel.HOTLINE_12345,
    matter=workorder.Matter.REPORT,
    limit=workorder.Limit.NONE,
    number="SYN-工单-88",
    recipient=MINHANG,
    title="区界处夜间倾倒工程渣土",
    content="来电人反映区界处正有重型货车倾倒渣土, 请执法部门核查。(虚构)",
    category=CaseCategory.CONSTRUCTION_WASTE,
    place=Place(address="华漕镇示例公路与青浦区徐泾镇交界处", division="310112106"),
    recorded_at=at(9, 18, 23, 5),
    dispatched_at=at(9, 21, 8, 30),
    reporter=border.ORIGIN.reporter,
    first_contact=True,
    contact=desk(HOTLINE),
)

accepted = workorder.Accepted(
    channel=workorder.Channel.HOTLINE_12345,
    first_contact=workorder.FirstContact(contacted_at=at(9, 21, 9, 10), reached=True, note="经热线转接联系。(虚构)"),
    contact=desk(MINHANG),
)


def became_a_case(ids: Ids) -> workorder.CaseLinked:
    """诉转案: out of the call came the case that was transferred."""
    return workorder.CaseLinked(
        case_number="闵城执立〔2026〕1024号",
        filed_on=border.DAY,
        cause=border.CIRCUMSTANCES.cause,
        category=CaseCategory.CONSTRUCTION_WASTE,
        link=link(Relation.BECAME, "transfer", ids["transfer"]),
    )


done = workorder.Done(
    resolution=workorder.Resolution.CASE,
    result="现场查获两车, 已立案并移送有管辖权的青浦区城管执法局, 结果另行告知。(虚构)",
    on_site_at=at(9, 18, 23, 50),
    done_at=at(9, 24, 9, 30),
    handled_by=desk(MINHANG),
    contacted=True,
    satisfaction=workorder.Satisfaction.SATISFIED,
    after=(attachment("清运后照片(虚构)"),),
)

verified = workorder.Verified(
    verified_at=at(9, 28, 9, 40), verified_by="鲁回访(虚构)", satisfaction=workorder.Satisfaction.SATISFIED
)

closed = workorder.Closed(closed_at=at(9, 28, 9, 50), note="已转案, 来电人已获答复。")

# 管执闭环: what a team finds goes through the grid centre to the department in charge, and back.

_PLACE = Place(address="七宝镇示例路与示范路路口", division="310112102")

found = workorder.Dispatched(
    channel=workorder.Channel.GRID,
    matter=workorder.Matter.FINDING,
    limit=workorder.Limit.NONE,
    number="SYN-七城-0921-03",
    recipient=GRID,
    title="渣土运输车辆未密闭, 同一企业多次违法",
    content="夜查发现示例渣土运输公司三辆车未密闭, 一月内第四次, 请派管理部门从许可和资质上跟进。(虚构)",
    category=CaseCategory.CONSTRUCTION_WASTE,
    place=_PLACE,
    recorded_at=at(9, 21, 1, 10),
    dispatched_at=at(9, 21, 8, 30),
    contact=desk(QIBAO_TEAM),
)

taken_by_the_grid = workorder.Accepted(channel=workorder.Channel.GRID, contact=desk(GRID))


_CASE_NUMBER: Final = "SYN-网格-20260921-0417"


def sent_on(ids: Ids) -> workorder.Dispatched:
    """The grid centre's own order, to the department that it holds competent."""
    return workorder.Dispatched(
        channel=workorder.Channel.GRID,
        matter=workorder.Matter.FINDING,
        limit=workorder.Limit.DAY,
        do_by=date(2026, 10, 15),
        number=_CASE_NUMBER,
        recipient=TRANSPORT,
        title="渣土运输企业多次违法, 请管理部门跟进",
        content="七宝镇综合行政执法队反映示例渣土运输公司一月内四次未密闭运输, 请跟进监管并反馈。(虚构)",
        place=_PLACE,
        recorded_at=at(9, 21, 9, 40),
        dispatched_at=at(9, 21, 14),
        contact=desk(GRID),
        links=(link(Relation.GREW_FROM, "workorder", ids["finding"]),),
    )


too_busy = workorder.SentBack(
    ground=Ground(code="workload", reason="国庆保障任务重, 暂无力量。"), contact=desk(TRANSPORT)
)

sent_back = workorder.SentBack(
    ground=Ground(code="not-competent-matter", reason="建筑垃圾运输许可由绿化市容部门核发和监管。"),
    competent_body=CompetentBody(name="上海市闵行区绿化和市容管理局", agency=GREENING),
    contact=desk(TRANSPORT),
)

to_greening = workorder.Redispatched(
    channel=workorder.Channel.GRID,
    matter=workorder.Matter.FINDING,
    limit=workorder.Limit.DAY,
    do_by=date(2026, 10, 16),
    recipient=GREENING,
    reason="运输许可由区绿化市容局核发, 改派该局。",
)

sent_back_again = workorder.SentBack(
    ground=Ground(code="not-competent-matter", reason="车辆和从业人员资质由交通部门管理。"),
    competent_body=CompetentBody(name="上海市闵行区交通委员会", agency=TRANSPORT),
    contact=desk(GREENING),
)

upheld = workorder.Upheld(
    ground=Ground(code="within-duties", reason="所派事项是运输许可的事后监管, 属绿化市容部门职责。")
)

taken_by_greening = workorder.Accepted(channel=workorder.Channel.GRID, contact=desk(GREENING))

done_by_greening = workorder.Done(
    resolution=workorder.Resolution.RESOLVED,
    result="约谈企业, 三辆车停运整改, 许可年审扣分, 加装密闭监测。(虚构)",
    done_at=at(10, 12, 9, 30),
    handled_by=desk(GREENING),
    contacted=False,
    after=(attachment("整改照片(虚构)"),),
)


def checked(name: str, month: int, day: int) -> workorder.Verified:
    """What was done passes the check."""
    return workorder.Verified(verified_at=at(month, day, 9, 30), verified_by=f"{name}(虚构)")


def over(month: int, day: int) -> workorder.Closed:
    """The order is over."""
    return workorder.Closed(closed_at=at(month, day, 9, 40))


told_back = workorder.Done(
    resolution=workorder.Resolution.RESOLVED,
    result="已由区绿化市容局办结: 约谈、停运整改、年审扣分。(虚构)",
    done_at=at(10, 15, 9, 50),
    handled_by=desk(GRID),
    contacted=False,
)

# 街镇提需求、部门认领: one demand is claimed, another nobody wants.

posted = demand.Posted(
    number="SYN-需求-七宝-03",
    recipients=(GREENING, HOUSING),
    copied=(PARTY_OFFICE,),
    category=CaseCategory.CONSTRUCTION_WASTE,
    title="装修垃圾临时堆放点满溢",
    content="三个小区装修垃圾堆放点清运不及时, 居民反映集中, 请部门认领并落实清运频次。(虚构)",
    place=Place(address="七宝镇示例路200弄(虚构)", division="310112102"),
    claim_by=date(2026, 10, 19),
    wanted_by=date(2026, 10, 30),
    contact=desk(QIBAO),
)

claimed = demand.Claimed(plan="增加清运班次, 与物业约定预约清运。", done_by=date(2026, 10, 30), contact=desk(GREENING))

cleared = demand.Done(
    measures="堆放点已清空, 清运由每周两次增至四次。(虚构)",
    done_on=date(2026, 10, 26),
    photos=(attachment("清运前照片(虚构)"), attachment("清运后照片(虚构)")),
    contact=desk(GREENING),
)

confirmed = demand.Confirmed(confirmed_on=date(2026, 10, 29), note="现场核实, 同意办结。")

wanted_by_nobody = demand.Posted(
    number="SYN-需求-华漕-07",
    recipients=(TRANSPORT, WATER),
    copied=(PARTY_OFFICE,),
    category=CaseCategory.RIVER,
    title="示例河桥下积存建筑垃圾",
    content="示例河公路桥下被倾倒建筑垃圾约三十吨, 桥梁和河道管理范围交叠, 请部门认领清除。(虚构)",
    place=Place(address="华漕镇示例河公路桥下", division="310112106"),
    wanted_by=date(2026, 11, 13),
    contact=desk(HUACAO),
)

not_the_bridge = demand.Declined(
    ground=Ground(code="not-competent-matter", reason="垃圾在河道蓝线内, 不在公路用地范围。"),
    competent_body=CompetentBody(name="上海市闵行区水务局", agency=WATER),
    contact=desk(TRANSPORT),
)

not_the_river = demand.Declined(
    ground=Ground(code="not-competent-matter", reason="垃圾在桥下公路用地内, 由公路管理部门清除。"),
    competent_body=CompetentBody(name="上海市闵行区交通委员会", agency=TRANSPORT),
    contact=desk(WATER),
)

escalated = demand.Escalated(arbiter=GOVERNMENT, reason="两部门互称属对方职责, 均不认领, 请区政府指派。")

assigned = demand.Assigned(
    number="闵府办派〔2026〕19号",
    agency=TRANSPORT,
    reason="桥下空间属公路用地, 由区交通委清除, 区水务局配合。",
    done_by=date(2026, 11, 6),
)

half_done = demand.Done(
    measures="已清运约二十吨。(虚构)",
    done_on=date(2026, 10, 28),
    photos=(attachment("桥下照片一(虚构)"),),
    contact=desk(TRANSPORT),
)

reopened = demand.Reopened(reason="桥墩西侧仍有约十吨未清。", done_by=date(2026, 11, 13))

all_done = demand.Done(
    measures="余下十吨已清运, 加装限高和监控。(虚构)",
    done_on=date(2026, 11, 8),
    photos=(attachment("桥下照片二(虚构)"),),
    contact=desk(TRANSPORT),
)

all_confirmed = demand.Confirmed(confirmed_on=date(2026, 11, 10))

THREADS: Final[Mapping[str, Thread]] = {
    "order": Thread("workorder", dispatched.number, opened_by=HOTLINE),
    "finding": Thread("workorder", TRUCKS),
    "grid": Thread("workorder", _CASE_NUMBER, opened_by=GRID),
    "demand": Thread("demand", "SYN-2026-需求-0703"),
    "demand-escalated": Thread("demand", "SYN-2026-需求-0607"),
}


def steps(ids: Ids) -> tuple[Step, ...]:
    """The hotline's order, the loop through the grid centre, and two demands."""
    return (*_order(ids), *_grid(ids), *_demands())


def _order(ids: Ids) -> tuple[Step, ...]:
    return (
        Step(at(9, 21, 8, 30), HOTLINE, "order", dispatched),
        Step(at(9, 21, 9, 30), MINHANG, "order", accepted),
        Step(at(9, 23, 9, 30), MINHANG, "order", became_a_case(ids)),
        Step(at(9, 24, 10), MINHANG, "order", done),
        Step(at(9, 28, 10), HOTLINE, "order", verified),
        Step(at(9, 28, 10), HOTLINE, "order", closed),
    )


def _grid(ids: Ids) -> tuple[Step, ...]:
    return (
        Step(at(9, 21, 8, 30), QIBAO_TEAM, "finding", found),
        Step(at(9, 21, 9, 30), GRID, "finding", taken_by_the_grid),
        Step(at(9, 21, 14), GRID, "grid", sent_on(ids)),
        Step(at(9, 22, 10), TRANSPORT, "grid", too_busy, refused="ground-barred"),
        Step(at(9, 22, 10), TRANSPORT, "grid", sent_back),
        Step(at(9, 23, 9, 30), GRID, "grid", to_greening),
        Step(at(9, 24, 10), GREENING, "grid", sent_back_again),
        # 推诿: each says that it is the other's, and the dispatcher decides.
        Step(at(9, 24, 10), GRID, "grid", upheld),
        Step(at(9, 28, 10), GREENING, "grid", taken_by_greening),
        Step(at(10, 12, 10), GREENING, "grid", done_by_greening),
        Step(at(10, 15, 10), GRID, "grid", checked("韦核查", 10, 15)),
        Step(at(10, 15, 10), GRID, "grid", over(10, 15)),
        Step(at(10, 15, 10), GRID, "finding", told_back),
        Step(at(10, 20, 10), QIBAO_TEAM, "finding", checked("奚核查", 10, 20)),
        Step(at(10, 20, 10), QIBAO_TEAM, "finding", over(10, 20)),
    )


def _demands() -> tuple[Step, ...]:
    return (
        Step(at(10, 12, 10), QIBAO, "demand", posted),
        Step(at(10, 15, 10), GREENING, "demand", claimed),
        Step(at(10, 27, 10), GREENING, "demand", cleared),
        Step(at(10, 29, 10), QIBAO, "demand", confirmed),
        Step(at(9, 28, 10), HUACAO, "demand-escalated", wanted_by_nobody),
        Step(at(9, 30, 16), TRANSPORT, "demand-escalated", not_the_bridge),
        Step(at(9, 30, 16), WATER, "demand-escalated", not_the_river),
        Step(at(10, 12, 10), HUACAO, "demand-escalated", escalated),
        Step(at(10, 15, 10), GOVERNMENT, "demand-escalated", assigned),
        Step(at(10, 29, 10), TRANSPORT, "demand-escalated", half_done),
        Step(at(11, 3, 10), HUACAO, "demand-escalated", reopened),
        Step(at(11, 9, 9), TRANSPORT, "demand-escalated", all_done),
        Step(at(11, 10, 11), HUACAO, "demand-escalated", all_confirmed),
    )
