"""The case of the demo: construction waste dumped at the border of 闵行 and 青浦.

The agencies are public institutions; every person, number, plate and firm in this file is invented.
"""

from collections.abc import Mapping
from datetime import date
from typing import Final

from events import common, referral, transfer
from events.parts import (
    CaseSource,
    Cause,
    Circumstances,
    Citation,
    CompetentBody,
    Goods,
    GoodsReceipt,
    Ground,
    Officer,
    Parties,
    Place,
    Position,
    Quantity,
    QuantityUnit,
    RedLine,
    Relation,
    ReportedBy,
    Reporter,
    Unit,
    Urgency,
)
from events.penalties import Outcome, Penalty, PenaltyType
from services.cli.story import cast
from services.cli.story.cast import Ids, Step, Thread, attachment, contact, link

MINHANG, QINGPU, CITY = cast.MINHANG, cast.QINGPU, cast.CITY
POLICE, PROCURATORATE = cast.POLICE, cast.PROCURATORATE
at = cast.at
CASE = "SYN-2026-建筑垃圾-0117"

WASTE_LAW = Citation(law="中华人民共和国生态环境法典", article="第一千零八十三条")
CITY_RULES = Citation(law="上海市城市管理行政执法条例", article="第二十八条")
PENALTY_LAW = Citation(law="中华人民共和国行政处罚法", article="第二十五条")
REFERRAL_RULES = Citation(law="行政执法机关移送涉嫌犯罪案件的规定", article="第五条、第六条")

DAY = date(2026, 9, 21)

CARRIER = Unit(
    name="示例渣土运输有限公司(虚构)",
    social_credit_code="91310112MA1GB0003E",
    legal_representative="张示例(虚构)",
    phone="021-00000000",
    address="上海市闵行区示例路1号",
)

CIRCUMSTANCES = Circumstances(
    cause=Cause(name="擅自倾倒建筑垃圾"),
    parties=Parties(units=(CARRIER,)),
    facts="9月18日夜间, 两辆重型自卸货车在区界以西30米处倾倒工程渣土, 现场查获, 驾驶员承认受雇于当事人。",
    place=Place(
        address="青浦区徐泾镇示例公路与闵行区交界处",
        division="310118",
        wgs84=Position(longitude="121.2701", latitude="31.1702"),
        cgcs2000=Position(longitude="121.2701", latitude="31.1702"),
        red_line=RedLine.OUTSIDE,
    ),
    found_at=at(9, 18, 23, 40),
    quantity=Quantity(value="61.5", unit=QuantityUnit.CUBIC_METRE),
    loss=32_000_000,
    plates=("沪DA1234", "沪DB5678"),
    manifests=("SYN-LD-20260918-001",),
)

GOODS = (
    Goods(name="重型自卸货车", amount="2", unit="辆", specification="四轴", note="已登记保存"),
    Goods(name="倾倒作业照片及视频", amount="1", unit="套"),
)

ORIGIN = ReportedBy(
    source=CaseSource.COMPLAINT,
    reporter=Reporter(name="李举报(虚构)", phone="13800000000", channel="12345 SYN-工单-88"),
)

sent = transfer.Sent(
    number="闵城执移〔2026〕117号",
    recipient=QINGPU,
    nature=transfer.Nature.CASE,
    case_number="闵城执立〔2026〕1024号",
    filed_on=DAY,
    origin=ORIGIN,
    circumstances=CIRCUMSTANCES,
    why=transfer.Why.TERRITORY,
    reason="经现场测绘, 倾倒点位于青浦区一侧, 违法行为发生地属青浦区。",
    legal_basis=(CITY_RULES, WASTE_LAW),
    purpose="建筑垃圾违法倾倒案件移送",
    measures=("现场勘验", "车辆登记保存"),
    goods=GOODS,
    attachments=(attachment("现场勘验笔录(虚构)", 6), attachment("询问笔录(虚构)", 4)),
    contact=contact("王经办(虚构)", "021-00000001", "闵行区城管执法局机动中队"),
    dated=DAY,
    signed_by="陈签发(虚构)",
    approval="同意移送。(内部审批意见, 虚构)",
    urgency=Urgency.EXPEDITED,
)

transfer_receipted = transfer.Receipted(receiver="赵签收(虚构)", received_at=at(9, 23, 9, 30))

returned = transfer.Returned(
    number="青城执退〔2026〕31号",
    ground=Ground(code="not-competent-territory", reason="倾倒车辆自闵行工地驶出, 装点和主要违法行为在闵行区。"),
    competent_body=CompetentBody(name="上海市闵行区城市管理行政执法局", agency=MINHANG, legal_basis=(PENALTY_LAW,)),
    legal_basis=(PENALTY_LAW,),
    contact=contact("周法制(虚构)", "021-00000002", "青浦区城管执法局法制科"),
)

forwarded_back = transfer.Forwarded(
    number="青城执转〔2026〕12号",
    recipient=MINHANG,
    ground=Ground(code="not-competent-territory", reason="装点在闵行区, 转送闵行区城管执法局。"),
)

disputed = transfer.Disputed(
    ground=Ground(code="recipient-competent", reason="卸点在青浦区, 违法行为发生地以倾倒地认定。"),
    competent_body=CompetentBody(name="上海市青浦区城市管理行政执法局", agency=QINGPU, legal_basis=(PENALTY_LAW,)),
    arbiter=CITY,
)

designated = transfer.Designated(
    number="沪城管执指〔2026〕9号",
    agency=QINGPU,
    reason="倾倒地在青浦区, 由青浦区城管执法局管辖; 闵行区城管执法局配合查明装点。",
    legal_basis=(PENALTY_LAW,),
)

extension_requested = common.ExtensionRequested(
    reason="公私财产损失评估报告尚未出具, 立案审查需要评估结论。", new_date=date(2026, 11, 20)
)

extension_granted = common.ExtensionGranted(new_date=date(2026, 11, 20))

accepted = transfer.Accepted(
    number="青城执受〔2026〕208号",
    contact=contact("钱承办(虚构)", "021-00000003", "青浦区城管执法局徐泾中队"),
    goods=GoodsReceipt(complete=True, receiver="钱承办(虚构)", received_on=date(2026, 10, 21)),
)

filed = transfer.Filed(number="青城执立〔2026〕511号", filed_on=date(2026, 11, 12))

decided = transfer.Decided(
    number="青城执罚〔2026〕498号",
    decided_on=date(2026, 11, 24),
    outcome=Outcome.PENALISED,
    penalties=(Penalty(type=PenaltyType.FINE, amount=12_000_000),),
    legal_basis=(Citation(law="中华人民共和国生态环境法典", article="第一千一百七十四条"),),
)

outcome_reported = transfer.OutcomeReported(
    number="青城执函〔2026〕77号",
    summary="对当事人罚款人民币12万元; 涉嫌犯罪线索已移送公安机关。",
    reported_on=date(2026, 11, 26),
)

GROUP = (
    Officer(name="孙组长(虚构)", certificate="SYN-0001", leads=True),
    Officer(name="吴组员(虚构)", certificate="SYN-0002"),
)
CHARGE = referral.Charge(name="污染环境罪", article="第三百三十八条")

reported = referral.Reported(
    case_number="青城执立〔2026〕511号",
    filed_on=date(2026, 11, 12),
    group=GROUP,
    origin=ReportedBy(source=CaseSource.DEPARTMENT),
    circumstances=CIRCUMSTANCES,
    charge=CHARGE,
    opinion="道路红线外倾倒, 公私财产损失评估32万元, 建议移送。(虚构)",
    reported_at=at(11, 12, 14),
)

approved = referral.Approved(
    approver=referral.Approver(name="郑局长(虚构)", post=referral.HeadPost.PRINCIPAL),
    approved_at=at(11, 13, 16),
    opinion="同意移送。(虚构)",
)

_PENDING_TEST = referral.DossierItem(
    pending=referral.Pending(reason="损失评估报告由第三方机构出具中", expected_on=date(2026, 11, 20))
)

_DOSSIER = referral.Dossier(
    transfer_letter=referral.DossierItem(attachments=(attachment("涉嫌犯罪案件移送书(虚构)", 2),)),
    survey_report=referral.DossierItem(attachments=(attachment("涉嫌犯罪案件情况的调查报告(虚构)", 12),)),
    goods_list=referral.DossierItem(attachments=(attachment("涉案物品清单(虚构)"),)),
    test_report=_PENDING_TEST,
)

referred = referral.Sent(
    number="青城执刑移〔2026〕5号",
    recipient=POLICE,
    procuratorate=PROCURATORATE,
    case_number="青城执立〔2026〕511号",
    filed_on=date(2026, 11, 12),
    origin=ReportedBy(source=CaseSource.DEPARTMENT),
    circumstances=CIRCUMSTANCES,
    charge=CHARGE,
    group=GROUP,
    approver=referral.Approver(name="郑局长(虚构)", post=referral.HeadPost.PRINCIPAL),
    approved_at=at(11, 13, 16),
    legal_basis=(REFERRAL_RULES,),
    purpose="涉嫌犯罪案件移送",
    dossier=_DOSSIER,
    goods=GOODS,
    contact=contact("孙组长(虚构)", "021-00000004", "青浦区城管执法局法制科"),
    dated=date(2026, 11, 14),
)

referred_without_report = referred.model_copy(update={"dossier": _DOSSIER.model_copy(update={"survey_report": None})})

referral_receipted = referral.Receipted(receiver="冯民警(虚构)", received_at=at(11, 16, 9, 30))

supplement_requested = referral.SupplementRequested(
    items=("公私财产损失评估报告",), reason="认定是否达到追诉标准需要损失评估结论。"
)

supplemented = referral.Supplemented(
    answers="补充第三方损失评估报告一份。", attachments=(attachment("损失评估报告(虚构)", 20),)
)

referral_filed = referral.Filed(
    number="青公立字〔2026〕1203号",
    filed_on=date(2026, 11, 19),
    charge=CHARGE,
    contact=contact("褚办案(虚构)", "021-00000005", "青浦公安分局食药环侦支队"),
)

goods_handed_over = referral.GoodsHandedOver(
    goods=GOODS,
    materials=("现场勘验笔录原件", "询问笔录原件"),
    receipt=GoodsReceipt(complete=True, receiver="褚办案(虚构)", received_on=date(2026, 11, 20)),
)


THREADS: Final[Mapping[str, Thread]] = {
    "transfer": Thread("transfer", CASE, careful=True),
    "referral": Thread("referral", CASE, careful=True),
}


def steps(ids: Ids) -> tuple[Step, ...]:
    """The transfer that grew from a lead, and the referral that grew from the transfer."""
    from_lead = sent.model_copy(update={"links": (link(Relation.GREW_FROM, "lead", ids["lead"]),)})
    from_transfer = reported.model_copy(update={"links": (link(Relation.GREW_FROM, "transfer", ids["transfer"]),)})
    return (
        Step(at(9, 21, 14), MINHANG, "transfer", from_lead, again=True),
        # The letter lies unsigned: the deadline of one working day passes and is recorded.
        Step(at(9, 23, 9, 30), QINGPU, "transfer", transfer_receipted),
        # 推诿: it is not forwarded to who has had it, but returned, and who is competent is then disputed.
        Step(at(9, 30, 16), QINGPU, "transfer", forwarded_back, refused="ping-pong"),
        Step(at(9, 30, 16), QINGPU, "transfer", returned),
        # Five working days, over the National Day holiday and with the Saturday that is worked for it; warned, and met.
        Step(at(10, 12, 10), MINHANG, "transfer", disputed),
        Step(at(10, 20, 10), CITY, "transfer", designated),
        Step(at(10, 21, 11), QINGPU, "transfer", accepted),
        Step(at(11, 9, 9), QINGPU, "transfer", extension_requested),
        Step(at(11, 10, 11), MINHANG, "transfer", extension_granted),
        Step(at(11, 12, 10), QINGPU, "transfer", filed),
        Step(at(11, 12, 14), QINGPU, "referral", from_transfer),
        Step(at(11, 13, 16, 5), QINGPU, "referral", approved),
        Step(at(11, 14, 9), QINGPU, "referral", referred_without_report, refused="dossier-incomplete"),
        Step(at(11, 14, 9, 30), QINGPU, "referral", referred),
        Step(at(11, 16, 9, 30), POLICE, "referral", referral_receipted),
        Step(at(11, 16, 15), POLICE, "referral", supplement_requested),
        Step(at(11, 18, 10), QINGPU, "referral", supplemented),
        Step(at(11, 19, 11), POLICE, "referral", referral_filed),
        Step(at(11, 20, 10), QINGPU, "referral", goods_handed_over),
        Step(at(11, 24, 15), QINGPU, "transfer", decided),
        Step(at(11, 26, 10), QINGPU, "transfer", outcome_reported),
    )
