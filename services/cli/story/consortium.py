"""共联体: a meeting resolves, an undertaking and a letter grow from it; and the list of penalised firms. All invented.

The letter is answered only after its day; of the list one entry is withdrawn, and whoever has read it reads it again.
"""

from collections.abc import Mapping
from datetime import date
from typing import Final

from events import bulletin, common, letter, undertaking
from events.parts import Cause, Relation, Unit
from events.penalties import CaseCategory
from services.cli.story import border, estate
from services.cli.story.cast import (
    BUILDING,
    COOPERATION,
    GREENING,
    HOUSING,
    MINHANG,
    PARTY_OFFICE,
    TRANSPORT,
    Ids,
    Step,
    Thread,
    at,
    desk,
    link,
)

CASE = "SYN-2026-共联体-05"

held = undertaking.MeetingHeld(
    number="闵共联纪〔2026〕5号",
    meeting_type=undertaking.MeetingType.ROTA,
    title="共联体第五次轮值会议(示例)",
    held_on=date(2026, 9, 21),
    place="区行政中心示例会议室",
    rota_unit=GREENING,
    attendants=(MINHANG, GREENING, BUILDING, TRANSPORT, HOUSING),
    copied=(PARTY_OFFICE, GREENING, BUILDING, TRANSPORT, HOUSING),
    minutes="研究出土工地和运输企业信息共享、许可跟进。",
    resolutions=(
        undertaking.Resolution(id="1", text="建立出土工地信息周报。", unit=BUILDING, due=date(2026, 11, 20)),
        undertaking.Resolution(id="2", text="由区城管执法局就运输许可跟进发出建议书。", unit=MINHANG),
    ),
)


def listed(ids: Ids) -> undertaking.Listed:
    """The first resolution becomes an undertaking."""
    return undertaking.Listed(
        number="示例-2026-决议-01",
        undertaking_type=undertaking.UndertakingType.RESOLUTION,
        year=2026,
        title="建立出土工地信息周报(示例)",
        goal="每周报送下周出土计划、工地和运输单位。",
        recipient=BUILDING,
        copied=(PARTY_OFFICE, GREENING, TRANSPORT),
        tasks=(undertaking.Task(agency=GREENING, task="按周提供处置证和运输许可信息。"),),
        tiers=undertaking.ThreeTiers(heading="区建管委党组", in_charge="昌分管(虚构)", carrying_out="质安科"),
        due=date(2026, 11, 23),
        resolution="1",
        links=(link(Relation.GREW_FROM, "undertaking", ids["meeting"], 1),),
    )


task_progressed = undertaking.TaskProgressed(progress="处置证和运输许可信息已接入周报。", percent=50)

done = undertaking.Done(
    result="周报已报送四期, 涉及二十六处工地。(示例)", done_on=date(2026, 11, 2), contact=desk(BUILDING)
)

reviewed = undertaking.Reviewed(reviewed_on=date(2026, 11, 12), opinion="按期完成, 予以销项。")

# The second resolution becomes a letter, which waits too long for its answer.


def issued(ids: Ids) -> letter.Issued:
    """Through the consortium, which is counted apart from the bureau's own."""
    return letter.Issued(
        number="闵共联建〔2026〕7号",
        letter_type=letter.LetterType.ENFORCEMENT_SUGGESTION,
        channel=letter.Channel.CONSORTIUM,
        situation=letter.Situation.ORDINARY,
        recipients=(GREENING,),
        background="今年查处的渣土运输违法六成由三家企业实施。(示例)",
        problems="多次违法的运输企业仍持有效许可。",
        items=(
            letter.Item(id="1", text="将处罚记录作为许可年审的依据。"),
            letter.Item(id="2", text="对三家企业开展许可专项核查。"),
        ),
        legal_basis=(COOPERATION,),
        reply_by=date(2026, 10, 16),
        contact=desk(MINHANG),
        dated=date(2026, 9, 24),
        links=(link(Relation.GREW_FROM, "undertaking", ids["meeting"], 1),),
    )


receipted = letter.Receipted(receiver="凤签收(虚构)", received_at=at(9, 28, 9, 30))

chased = common.Chased(concerns="建议书反馈期限已过, 请尽快书面回复。")

replied = letter.Replied(
    number="闵绿容函〔2026〕118号",
    answers=(
        letter.Answer(
            item="1", adoption=letter.Adoption.ADOPTED, measure="写入四季度年审要求。", due=date(2026, 11, 4)
        ),
        letter.Answer(
            item="2",
            adoption=letter.Adoption.PARTLY,
            reason="一家已注销许可。",
            measure="核查其余两家。",
            due=date(2026, 11, 4),
        ),
    ),
    contact=desk(GREENING),
    dated=date(2026, 10, 21),
)

in_the_rules = letter.ItemCompleted(item="1", completed_on=date(2026, 11, 2), result="年审要求已印发。(示例)")

two_checked = letter.ItemCompleted(item="2", completed_on=date(2026, 11, 3), result="两家核查完毕。(示例)")

assessed = letter.Reviewed(
    implementation=letter.Implementation.FULL, opinion="逾期回复, 措施已落实。", reviewed_on=date(2026, 11, 9)
)

closed = letter.Closed(conclusion="办结。", closed_on=date(2026, 11, 9))

# 行政处罚企业名单通报.


def _entry(number: int, firm: Unit, cause: str, category: CaseCategory, fine: int) -> bulletin.Entry:
    return bulletin.Entry(
        entry_id=f"e-{number:03}",
        name=firm.name,
        social_credit_code=firm.social_credit_code or "",
        cause=Cause(name=cause),
        category=category,
        decision_number=f"闵城执罚〔2026〕{400 + number}号",
        decided_on=date(2026, 10, 10 + number),
        fine=fine,
    )


_DECORATOR = Unit(name="示例建筑装饰有限公司(虚构)", social_credit_code="91310112MA1GB0054N")

published = bulletin.Published(
    series="penalty-list",
    issue="2026年第10期",
    number="闵城执通〔2026〕10号",
    title="行政处罚企业名单通报(示例)",
    period_from=date(2026, 10, 1),
    period_to=date(2026, 10, 28),
    recipients=(GREENING, HOUSING, BUILDING, TRANSPORT),
    entries=(
        _entry(1, border.CARRIER, "运输车辆未密闭", CaseCategory.CONSTRUCTION_WASTE, 1_000_000),
        _entry(2, _DECORATOR, "未及时清运建筑垃圾", CaseCategory.CONSTRUCTION_WASTE, 8_000_000),
        _entry(3, estate.FIRM, "物业服务企业未履行报告义务", CaseCategory.PROPERTY, 500_000),
    ),
    legal_basis=(COOPERATION,),
    purpose="行业监督管理",
    contact=desk(MINHANG),
    dated=date(2026, 10, 29),
    signed_by="陈签发(虚构)",
)

WITHDRAWN = "e-002"

withdrawn = bulletin.EntryWithdrawn(
    entry_id=WITHDRAWN,
    why=bulletin.Flaw.REVOKED,
    reason="经行政复议, 原处罚决定撤销; 请停止据此采取的管理措施。",
    changed_on=date(2026, 11, 9),
    new_decision="闵府复决〔2026〕31号",
)

READERS: Final[Mapping[str, str]] = {
    GREENING: "凤阅件(虚构)",
    HOUSING: "苗阅件(虚构)",
    BUILDING: "昌阅件(虚构)",
    TRANSPORT: "马阅件(虚构)",
}


def _read(reader: str, month: int, day: int) -> bulletin.Read:
    return bulletin.Read(reader=reader, read_at=at(month, day, 9, 45))


THREADS: Final[Mapping[str, Thread]] = {
    "meeting": Thread("undertaking", CASE),
    "undertaking": Thread("undertaking", CASE),
    "letter-late": Thread("letter", CASE),
    "bulletin": Thread("bulletin", "SYN-2026-处罚名单-10"),
}


def steps(ids: Ids) -> tuple[Step, ...]:
    """The meeting and what grew from it, and the list."""
    return (
        Step(at(9, 22, 10), MINHANG, "meeting", held),
        Step(at(9, 24, 10), MINHANG, "undertaking", listed(ids)),
        Step(at(10, 15, 10), GREENING, "undertaking", task_progressed),
        Step(at(11, 3, 10), BUILDING, "undertaking", done),
        Step(at(11, 12, 10), MINHANG, "undertaking", reviewed),
        Step(at(9, 24, 10), MINHANG, "letter-late", issued(ids)),
        Step(at(9, 28, 10), GREENING, "letter-late", receipted),
        # The day that the letter names passes without an answer, and that is recorded.
        Step(at(10, 20, 10), MINHANG, "letter-late", chased),
        Step(at(10, 21, 11), GREENING, "letter-late", replied),
        Step(at(11, 3, 10), GREENING, "letter-late", in_the_rules),
        Step(at(11, 3, 10), GREENING, "letter-late", two_checked),
        Step(at(11, 9, 9), MINHANG, "letter-late", assessed),
        Step(at(11, 9, 9), MINHANG, "letter-late", closed),
        Step(at(10, 29, 10), MINHANG, "bulletin", published),
        *(Step(at(11, 3, 10), code, "bulletin", _read(name, 11, 3)) for code, name in READERS.items()),
        Step(at(11, 10, 11), MINHANG, "bulletin", withdrawn),
        *(Step(at(11, 12, 10), code, "bulletin", _read(name, 11, 12)) for code, name in READERS.items()),
    )
