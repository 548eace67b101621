"""What follows in the district from the waste: the operation over the district line, the site where it was loaded.

All invented. The site's case is filed with the bureau for review, decided, told to the department in charge, watched
over afterwards, and draws a letter that is answered item by item.
"""

from collections.abc import Mapping
from datetime import date
from typing import Final

from events import filing, jointop, letter, notice, supervision
from events.parts import (
    Cause,
    Circumstances,
    Citation,
    Ground,
    Parties,
    Place,
    Quantity,
    QuantityUnit,
    Relation,
    Unit,
    Urgency,
)
from events.penalties import CaseCategory, Outcome, Penalty, PenaltyDecision, PenaltyType, Procedure
from services.cli.story import border
from services.cli.story.cast import (
    BUILDING,
    COOPERATION,
    GOVERNMENT,
    GREENING,
    GRID,
    HUACAO_TEAM,
    MINHANG,
    QINGPU,
    SONGJIANG,
    TRAFFIC_POLICE,
    WASTE_PENALTY,
    Ids,
    Step,
    Thread,
    at,
    attachment,
    contact,
    desk,
    link,
    officers,
)

# 区区联动: the operation over the district line.

_STARTS = at(10, 28, 21)


def proposed(ids: Ids) -> jointop.Proposed:
    """The plan says who does what."""
    return jointop.Proposed(
        title="闵青松交界区域渣土运输联合执法(示例)",
        number="闵城执联〔2026〕31号",
        programme=jointop.Programme.CROSS_DISTRICT,
        recipients=(QINGPU, SONGJIANG, TRAFFIC_POLICE),
        own_duty="牵头组织, 设卡检查出区渣土车, 查处未密闭和擅自倾倒。",
        duties=(
            jointop.Duty(agency=QINGPU, duty="检查区界青浦一侧卸点和道路。", staff=8),
            jointop.Duty(agency=SONGJIANG, duty="检查松江方向来车。", staff=6),
            jointop.Duty(agency=TRAFFIC_POLICE, duty="拦停、核验车辆和驾驶人。", staff=4),
        ),
        places=(border.CIRCUMSTANCES.place,) if border.CIRCUMSTANCES.place else (),
        scope="三区交界五条道路",
        starts_at=_STARTS,
        ends_at=at(10, 29, 1),
        reason="区界偷乱倒多发, 卸点、运输、装点分属三区, 需同时检查。",
        legal_basis=(Citation(law="上海市城市管理行政执法条例(2018)", article="第十四条、第三十条"),),
        staff=14,
        contact=desk(MINHANG),
        urgency=Urgency.EXPEDITED,
        links=(link(Relation.GREW_FROM, "transfer", ids["transfer"]),),
    )


qingpu_comes = jointop.Confirmed(starts_at=_STARTS, contact=desk(QINGPU), staff=8)

police_come = jointop.Confirmed(starts_at=_STARTS, contact=desk(TRAFFIC_POLICE), staff=4)

songjiang_does_not = jointop.Declined(
    ground=Ground(code="time-clash", reason="当晚本区有既定的重大活动保障任务。"),
)

held = jointop.Held(
    started_at=_STARTS,
    ended_at=at(10, 29, 1),
    participants=(QINGPU, TRAFFIC_POLICE),
    staff=26,
    course="检查渣土车四十一辆, 三辆未密闭当场处罚, 一处围挡缺口可直通青浦侧空地。(虚构)",
    objects_checked=41,
    problems_found=5,
    cases_filed=3,
)

gap_in_the_fence = jointop.FindingAssigned(
    findings=(
        jointop.Finding(id="1", text="青浦侧空地围挡缺口, 仍可驶入倾倒。(虚构)"),
        jointop.Finding(id="2", text="空地内有新倾倒渣土约十立方米。(虚构)"),
    ),
    due=date(2026, 11, 6),
)

fence_closed = jointop.FindingAnswered(
    answers=(
        jointop.FindingAnswer(finding="1", handling=jointop.Handling.RECTIFIED, text="缺口已封闭, 加装监控。(虚构)"),
        jointop.FindingAnswer(
            finding="2",
            handling=jointop.Handling.CASE_FILED,
            text="已立案。(虚构)",
            case_number="青城执立〔2026〕499号",
        ),
    ),
    contact=desk(QINGPU),
)

minuted = jointop.Minuted(
    number="闵城执纪〔2026〕31号",
    minuted_on=date(2026, 11, 9),
    minutes="三区约定每月末同时检查一次, 松江下次参加; 卸点、装点信息当日互通。",
)

over = jointop.Closed(note="转入每月联合检查。")

# 重大案件备案: the town's team shows its case to the bureau before it is decided.

SITE = Unit(
    name="示例建设工程有限公司(虚构)",
    social_credit_code="91310112MA1GB00119",
    legal_representative="柳示例(虚构)",
    address="上海市闵行区示例路18号",
)
_CAUSE = Cause(name="未经核准处置建筑垃圾", code="SYN-31-02")
_PARTIES = Parties(units=(SITE,))
_FINE = Penalty(type=PenaltyType.FINE, amount=18_000_000, content="罚款十八万元")
_PLACE = Place(address="闵行区华漕镇示例路18号工地", division="310112106")

_DRAFT = filing.Draft(
    outcome=Outcome.PENALISED,
    penalties=(_FINE,),
    fine=18_000_000,
    measures=("责令限期整改",),
    reason="交由未经核准的单位运输, 数量大, 按裁量基准从重。(虚构)",
    legal_basis=(WASTE_PENALTY,),
)


def submitted(ids: Ids) -> filing.Submitted:
    """The lead has led back to a site in the district."""
    return filing.Submitted(
        number="华府城报〔2026〕22号",
        recipient=MINHANG,
        filing_type=filing.FilingType.MAJOR_CASE,
        case_number="华府执立〔2026〕0333号",
        filed_on=date(2026, 10, 8),
        category=CaseCategory.CONSTRUCTION_WASTE,
        circumstances=Circumstances(
            cause=_CAUSE,
            parties=_PARTIES,
            facts="工地9月间将建筑垃圾约六百吨交未经核准的单位运出, 去向为区界空地和外省码头。(虚构)",
            place=_PLACE,
            quantity=Quantity(value="600", unit=QuantityUnit.TONNE),
        ),
        draft=_DRAFT,
        hearing=filing.Hearing.NOT_ASKED,
        attachments=(attachment("调查终结报告(虚构)", 9), attachment("处罚决定书拟稿(虚构)", 3)),
        contact=desk(HUACAO_TEAM),
        reviewed_by="彭法制(虚构)",
        links=(link(Relation.GREW_FROM, "lead", ids["lead"]),),
    )


commented = filing.Commented(
    problems=(
        filing.Problem(number=1, aspect=filing.Aspect.EVIDENCE, problem="运出数量只有询问笔录, 缺少影像佐证。(虚构)"),
        filing.Problem(number=2, aspect=filing.Aspect.DISCRETION, problem="从重情节未在裁量说明中写明。(虚构)"),
    ),
    contact=contact("陈法制(虚构)", "021-00000006", "闵行区城管执法局法制科"),
)

answered = filing.Answered(
    answers=(
        filing.Answer(
            problem=1, disposition=filing.Disposition.CORRECTED, explanation="补充嘉兴移交的装船记录和卡口影像。(虚构)"
        ),
        filing.Answer(problem=2, disposition=filing.Disposition.CORRECTED, explanation="补写从重情节。(虚构)"),
    ),
    draft=_DRAFT,
)

filed_for_review = filing.Accepted(
    number="闵城执备〔2026〕19号", opinion="同意备案, 按拟定意见处理。(虚构)", accepted_on=date(2026, 10, 21)
)

# The decision, and what the department in charge is told.

DECISION = PenaltyDecision(
    number="华府执罚〔2026〕88号",
    decided_on=date(2026, 10, 22),
    procedure=Procedure.ORDINARY,
    category=CaseCategory.CONSTRUCTION_WASTE,
    cause=_CAUSE,
    parties=_PARTIES,
    penalties=(_FINE,),
    fine=18_000_000,
    legal_basis=(WASTE_PENALTY,),
)


def told(ids: Ids) -> notice.Sent:
    """The penalty, to who keeps the firm's qualification."""
    return notice.Sent(
        number="华府城告〔2026〕88号",
        recipient=BUILDING,
        copied=(GREENING,),
        direction=notice.Direction.ENFORCEMENT_TO_MANAGEMENT,
        subject=notice.NoticeSubject.PENALTY,
        decision=DECISION,
        category=CaseCategory.CONSTRUCTION_WASTE,
        permits=("SYN-D231000001",),
        content="对示例建设工程有限公司未经核准处置建筑垃圾作出行政处罚, 现告知, 请从工地和资质上跟进。(虚构)",
        follow_up=("核查工地建筑垃圾处理方案", "核查运输单位核准文件"),
        feedback=notice.Feedback.REQUIRED,
        feedback_by=date(2026, 11, 13),
        legal_basis=(COOPERATION,),
        purpose="建设工程监督管理",
        contact=desk(HUACAO_TEAM),
        dated=date(2026, 10, 23),
        links=(link(Relation.GREW_FROM, "filing", ids["filing"]),),
    )


acknowledged = notice.Acknowledged(contact=desk(BUILDING))

followed_up = notice.FollowedUp(
    number="闵建管函〔2026〕190号",
    result="已责令工地补报处理方案, 更换运输单位, 约谈项目负责人。(虚构)",
    measures=("责令整改", "约谈"),
    permits=("SYN-D231000001",),
    followed_up_on=date(2026, 11, 9),
)

closed = notice.Closed(reason="已收到反馈; 后续见罚后监管。")

# 罚后监管: put right, and done again.


def opened(ids: Ids) -> supervision.Opened:
    """Which decision, and what is to be put right until when."""
    return supervision.Opened(
        recipient=BUILDING,
        copied=(MINHANG, GRID),
        decision=DECISION,
        payments=(supervision.Payment(paid_on=date(2026, 10, 22), amount=18_000_000),),
        order="补报建筑垃圾处理方案, 只交核准的单位运输, 出口核对联单。(虚构)",
        order_number="华府执改〔2026〕88号",
        rectify_by=date(2026, 11, 2),
        inspect_by=date(2026, 11, 6),
        place=_PLACE,
        permit="SYN-D231000001",
        contact=desk(HUACAO_TEAM),
        links=(link(Relation.GREW_FROM, "notice", ids["notice-penalty"], 1),),
    )


inspected = supervision.Inspected(
    number="华府执复〔2026〕88号",
    inspected_on=date(2026, 11, 3),
    officers=officers("彭队员", "鲍队员"),
    found=supervision.Found.RECTIFIED,
    opinion="方案已报备, 运输单位已更换, 出口设专人核对联单。(虚构)",
)

rectified = supervision.Rectified(rectified_on=date(2026, 11, 2))

relapsed = supervision.Relapsed(
    relapse=supervision.Relapse.AGAIN,
    found_on=date(2026, 11, 11),
    facts="11月11日夜间再次交未经核准的车辆运出建筑垃圾两车。(虚构)",
    case_number="华府执立〔2026〕0402号",
    filed_on=date(2026, 11, 12),
    suggestions=(
        supervision.Suggestion(about=supervision.Lever.QUALIFICATION, text="建议核查其资质条件。"),
        supervision.Suggestion(about=supervision.Lever.CREDIT, text="建议扣减信用分。"),
    ),
)

qualification_followed_up = supervision.QualificationFollowedUp(
    measures=(
        supervision.Measure(
            about=supervision.Lever.QUALIFICATION,
            action=supervision.Action.TALKED,
            text="约谈企业法定代表人, 责令停工整改三日。",
            done_on=date(2026, 11, 13),
        ),
        supervision.Measure(
            about=supervision.Lever.CREDIT,
            action=supervision.Action.DEDUCTED,
            text="扣减信用分六分。",
            number="闵建管信〔2026〕9号",
            done_on=date(2026, 11, 16),
        ),
    ),
    contact=desk(BUILDING),
)

supervised = supervision.Closed(note="再犯另案处理。")

# 执法建议书: three items, answered one by one.


def issued(ids: Ids) -> letter.Issued:
    """The letter rests on the decision and on what the cities found."""
    return letter.Issued(
        number="闵城执建〔2026〕3号",
        letter_type=letter.LetterType.ENFORCEMENT_SUGGESTION,
        channel=letter.Channel.BUREAU,
        situation=letter.Situation.ORDINARY,
        recipients=(BUILDING,),
        copied=(GOVERNMENT,),
        background="一起跨区、跨省倾倒建筑垃圾案查明装点为本区工地, 工地出口未核对联单。(示例)",
        problems="部分出土工地未报备处理方案, 交由未经核准的单位运输。",
        causes="工地出口无人核对; 多次违法的企业未受行业限制。",
        items=(
            letter.Item(id="1", text="对在建出土工地逐一核对处理方案和运输单位核准文件。"),
            letter.Item(id="2", text="将两年内三次以上违法的施工企业列入重点监管。"),
            letter.Item(id="3", text="在全部出土工地出口加装车牌识别设备。"),
        ),
        legal_basis=(COOPERATION,),
        reply_by=date(2026, 11, 20),
        reply_form="书面复函, 逐条答复",
        contact=contact("陈法制(虚构)", "021-00000006", "闵行区城管执法局法制科"),
        dated=date(2026, 10, 27),
        signed_by="陈签发(虚构)",
        links=(
            link(Relation.CITES, "notice", ids["notice-penalty"], 1),
            link(Relation.CITES, "lead", ids["lead"]),
        ),
    )


receipted = letter.Receipted(receiver="昌签收(虚构)", received_at=at(10, 29, 9, 30))

_ANSWERS = (
    letter.Answer(
        item="1",
        adoption=letter.Adoption.ADOPTED,
        measure="11月15日前对二十六处在建出土工地核对一遍。(示例)",
        due=date(2026, 11, 15),
    ),
    letter.Answer(
        item="2",
        adoption=letter.Adoption.PARTLY,
        reason="重点监管办法修订中, 先列入季度检查名单。",
        measure="列入四季度检查名单。",
        due=date(2026, 11, 20),
    ),
    letter.Answer(
        item="3", adoption=letter.Adoption.NOT_ADOPTED, reason="九处工地年内完工, 加装不经济, 以人工核对代替。"
    ),
)

replied = letter.Replied(
    number="闵建管函〔2026〕188号",
    answers=_ANSWERS,
    contact=desk(BUILDING),
    dated=date(2026, 11, 10),
    signed_by="昌签发(虚构)",
)

replied_in_part = replied.model_copy(update={"answers": _ANSWERS[:2]})

checked = letter.ItemCompleted(item="1", completed_on=date(2026, 11, 13), result="二十六处核对完毕, 整改四处。(示例)")

listed = letter.ItemCompleted(item="2", completed_on=date(2026, 11, 18), result="十一家企业列入名单。(示例)")

reviewed = letter.Reviewed(
    implementation=letter.Implementation.FULL,
    opinion="采纳的两项已落实; 第三项理由成立, 以人工核对代替可行。",
    reviewed_on=date(2026, 11, 24),
)

ended = letter.Closed(conclusion="办结, 第三项明年再议。", closed_on=date(2026, 11, 26))

THREADS: Final[Mapping[str, Thread]] = {
    "jointop": Thread("jointop", border.CASE),
    "filing": Thread("filing", border.CASE),
    "notice-penalty": Thread("notice", border.CASE),
    "supervision": Thread("supervision", border.CASE),
    "letter": Thread("letter", border.CASE),
}


def steps(ids: Ids) -> tuple[Step, ...]:
    """The operation, and the site's case from its review to the letter that it draws."""
    return (*_operation(ids), *_site(ids), *_letter(ids))


def _operation(ids: Ids) -> tuple[Step, ...]:
    return (
        Step(at(10, 21, 11), MINHANG, "jointop", proposed(ids)),
        Step(at(10, 23, 10), QINGPU, "jointop", qingpu_comes),
        Step(at(10, 23, 10), TRAFFIC_POLICE, "jointop", police_come),
        Step(at(10, 23, 10), SONGJIANG, "jointop", songjiang_does_not),
        Step(at(10, 29, 10), MINHANG, "jointop", held),
        Step(at(10, 29, 10), MINHANG, "jointop", gap_in_the_fence, leg=QINGPU),
        Step(at(11, 3, 10), QINGPU, "jointop", fence_closed),
        Step(at(11, 9, 9), MINHANG, "jointop", minuted),
        Step(at(11, 9, 9), MINHANG, "jointop", over),
    )


def _site(ids: Ids) -> tuple[Step, ...]:
    return (
        Step(at(10, 12, 10), HUACAO_TEAM, "filing", submitted(ids)),
        Step(at(10, 15, 10), MINHANG, "filing", commented),
        Step(at(10, 20, 10), HUACAO_TEAM, "filing", answered),
        Step(at(10, 21, 11), MINHANG, "filing", filed_for_review),
        Step(at(10, 23, 10), HUACAO_TEAM, "notice-penalty", told(ids)),
        Step(at(10, 27, 10), BUILDING, "notice-penalty", acknowledged),
        Step(at(11, 9, 9), BUILDING, "notice-penalty", followed_up),
        Step(at(11, 16, 9, 30), HUACAO_TEAM, "notice-penalty", closed),
        Step(at(10, 23, 10), HUACAO_TEAM, "supervision", opened(ids)),
        Step(at(11, 3, 10), HUACAO_TEAM, "supervision", inspected),
        Step(at(11, 3, 10), HUACAO_TEAM, "supervision", rectified),
        Step(at(11, 12, 10), HUACAO_TEAM, "supervision", relapsed),
        Step(at(11, 16, 15), BUILDING, "supervision", qualification_followed_up),
        Step(at(11, 18, 10), HUACAO_TEAM, "supervision", supervised),
    )


def _letter(ids: Ids) -> tuple[Step, ...]:
    return (
        Step(at(10, 27, 10), MINHANG, "letter", issued(ids)),
        Step(at(10, 29, 10), BUILDING, "letter", receipted),
        Step(at(11, 9, 9), BUILDING, "letter", replied_in_part, refused="items-unanswered"),
        Step(at(11, 10, 11), BUILDING, "letter", replied),
        Step(at(11, 16, 9, 30), BUILDING, "letter", checked),
        Step(at(11, 19, 11), BUILDING, "letter", listed),
        Step(at(11, 24, 15), MINHANG, "letter", reviewed),
        Step(at(11, 26, 10), MINHANG, "letter", ended),
    )
