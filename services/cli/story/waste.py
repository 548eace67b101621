"""溯源: 闵行 asks four cities of 江苏 and 浙江 about the waste that was dumped at the border. All invented.

南通 finds where a part of it was unloaded, files a case of its own and tells what it decided; 嘉兴 finds where it was
loaded; 常州 finds nothing; 无锡 refuses, for a ground.
"""

from collections.abc import Mapping
from datetime import date
from typing import Final

from events import lead
from events.parts import Cause, Citation, CompetentBody, Ground, Parties, Place, Quantity, QuantityUnit, Unit, Urgency
from events.penalties import CaseCategory, Penalty, PenaltyDecision, PenaltyType, Procedure
from services.cli.story import border
from services.cli.story.cast import (
    CHANGZHOU,
    CITIES,
    ECOLOGY,
    JIAXING,
    MINHANG,
    NANTONG,
    WASTE_PENALTY,
    WUXI,
    Ids,
    Step,
    Thread,
    at,
    attachment,
    desk,
)

OLD_LAW = Citation(law="中华人民共和国固体废物污染环境防治法(2020)", article="第二十二条")
CODE = (
    Citation(law="中华人民共和国生态环境法典", article="第五十条"),
    Citation(law="中华人民共和国生态环境法典", article="第四百七十六条"),
)

opened = lead.Opened(
    number="闵城执协查〔2026〕12号",
    recipients=CITIES,
    copied=(ECOLOGY,),
    lead_type=lead.LeadType.TRACING,
    circumstances=border.CIRCUMSTANCES,
    dumped_at=at(9, 18, 23, 40),
    carriers=(
        lead.Carrier(plate="沪DA1234", rated_load=Quantity(value="31", unit=QuantityUnit.TONNE)),
        lead.Carrier(vessel="示例货0088", rated_load=Quantity(value="480", unit=QuantityUnit.TONNE)),
    ),
    papers=lead.Papers(waybill="SYN-YD-20260918-07", disposal_permit="SYN-CZ-2026-0088"),
    cross_province_approval=lead.CrossProvinceApproval.UNKNOWN,
    questions=(
        "两车9月以来的装载地点和所属工地。",
        "示例货0088轮9月以来的卸货地点和货物。",
        "该批建筑垃圾是否经批准或者提前报送跨省转移。",
    ),
    images=(attachment("卡口影像(虚构)"),),
    reply_by=date(2026, 10, 16),
    legal_basis=CODE,
    purpose="案件溯源调查",
    contact=desk(MINHANG),
    dated=date(2026, 9, 21),
    signed_by="陈签发(虚构)",
    urgency=Urgency.EXPEDITED,
)

opened_by_the_old_law = opened.model_copy(update={"legal_basis": (OLD_LAW,)})


def receipted(name: str, day: int, hour: int) -> lead.Receipted:
    """A city signs for the lead, in September."""
    return lead.Receipted(receiver=f"{name}(虚构)", received_at=at(9, day, hour))


not_found = lead.NotFound(
    number="常城管函〔2026〕61号",
    checked=("9月卡口过车记录", "辖区卸点、码头台账", "在建工地处置申报"),
    findings="两车未进入本市, 该船未在本市码头停靠。(虚构)",
    contact=desk(CHANGZHOU),
)

too_busy = lead.Refused(
    number="锡城管函〔2026〕40号",
    ground=Ground(code="workload", reason="近期专项任务集中, 力量不足。"),
    contact=desk(WUXI),
)

refused = lead.Refused(
    number="锡城管函〔2026〕41号",
    ground=Ground(code="not-competent-territory", reason="所涉船舶在嘉兴登记, 9月未进入无锡水域。(虚构)"),
    competent_body=CompetentBody(name="嘉兴市综合行政执法局", agency=JIAXING),
    contact=desk(WUXI),
)

traced_in_jiaxing = lead.Traced(
    number="嘉综执函〔2026〕31号",
    findings="一、船舶经营人称货物自闵行区华漕镇示例地块工地经两车短驳装船。二、未见跨省转移手续。(虚构)",
    source_site=lead.Site(
        name="华漕镇示例地块工地(虚构)",
        registration="SYN-BJ-2026-0021",
        place=Place(address="闵行区华漕镇示例路18号", division="310112106"),
    ),
    evidence=(lead.Evidence(title="船舶经营人询问笔录(虚构)", attachment=attachment("船舶经营人询问笔录(虚构)", 5)),),
    usability=lead.Usability.AFTER_REVIEW,
    contact=desk(JIAXING),
)

RECEIVER = Unit(name="南通示例码头装卸有限公司(虚构)", social_credit_code="91320600MA1GB0089T")

traced_in_nantong = lead.Traced(
    number="通城管函〔2026〕55号",
    findings="示例货0088轮9月16日在示例码头卸下建筑垃圾约420吨, 堆于码头后方空地, 未经批准。(虚构)",
    parties=Parties(units=(RECEIVER,)),
    evidence=(lead.Evidence(title="码头作业记录(虚构)", number="SYN-MT-0916"),),
    usability=lead.Usability.USABLE,
    contact=desk(NANTONG),
)

filed_in_nantong = lead.Filed(
    number="通城管立〔2026〕233号",
    filed_on=date(2026, 10, 20),
    cause=Cause(name="随意倾倒、抛撒、堆放建筑垃圾", code="SYN-32-01"),
    contact=desk(NANTONG),
)

evidence_shared = lead.EvidenceShared(
    evidence=(lead.Evidence(title="驾驶员询问笔录(虚构)", attachment=attachment("驾驶员询问笔录(虚构)", 4)),),
    usability=lead.Usability.AFTER_REVIEW,
    purpose="供南通市城市管理局立案调查使用",
    legal_basis=CODE[:1],
)

reported_by_nantong = lead.ResultReported(
    number="通城管函〔2026〕70号",
    decision=PenaltyDecision(
        number="通城管罚〔2026〕166号",
        decided_on=date(2026, 11, 18),
        procedure=Procedure.ORDINARY,
        category=CaseCategory.CONSTRUCTION_WASTE,
        cause=Cause(name="随意倾倒、抛撒、堆放建筑垃圾", code="SYN-32-01"),
        parties=Parties(units=(RECEIVER,)),
        penalties=(Penalty(type=PenaltyType.FINE, amount=20_000_000),),
        fine=20_000_000,
        legal_basis=(WASTE_PENALTY,),
    ),
    recognised=True,
)

closed = lead.Closed(
    summary="南通立案并处罚码头经营人; 嘉兴查明装点在华漕镇; 常州未查明; 无锡不予协查。",
    closed_on=date(2026, 11, 20),
)

THREADS: Final[Mapping[str, Thread]] = {"lead": Thread("lead", border.CASE)}


def steps(_ids: Ids) -> tuple[Step, ...]:
    """Each city answers for itself."""
    return (
        # The act is of September: since August 15 the code counts, and no longer the law on solid waste.
        Step(at(9, 21, 9, 30), MINHANG, "lead", opened_by_the_old_law, refused="law-not-in-force"),
        Step(at(9, 21, 9, 30), MINHANG, "lead", opened),
        Step(at(9, 22, 10), NANTONG, "lead", receipted("章签收", 22, 9)),
        Step(at(9, 22, 10), JIAXING, "lead", receipted("潘签收", 22, 9)),
        Step(at(9, 23, 9, 30), CHANGZHOU, "lead", receipted("云签收", 23, 9)),
        Step(at(9, 23, 9, 30), WUXI, "lead", receipted("苏签收", 23, 9)),
        Step(at(9, 28, 10), WUXI, "lead", too_busy, refused="ground-barred"),
        Step(at(9, 30, 16), CHANGZHOU, "lead", not_found),
        Step(at(9, 30, 16), WUXI, "lead", refused),
        Step(at(9, 30, 16), JIAXING, "lead", traced_in_jiaxing),
        Step(at(10, 12, 10), NANTONG, "lead", traced_in_nantong),
        Step(at(10, 20, 10), NANTONG, "lead", filed_in_nantong),
        Step(at(10, 21, 11), MINHANG, "lead", evidence_shared, leg=NANTONG),
        Step(at(11, 19, 11), NANTONG, "lead", reported_by_nantong),
        Step(at(11, 20, 10), MINHANG, "lead", closed),
    )
