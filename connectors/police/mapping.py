"""Our referral and the forms of the police, both ways, pure.

To them: 移送书 with its list of materials, 补充材料, 移交物品, and what else happens in the exchange. From them: 回执,
转送, 立案, 不予立案 and the rest of what the law lets them answer. What their forms do not carry is told by `outgoing`.

The police count coordinates by CGCS 2000 alone, and keep neither 联单号 nor the reporter.
"""

from typing import Final

from connectors.channel import Confirmed, Parcel, Stated
from connectors.ferry import letters
from connectors.ferry.cells import (
    ACT,
    ATTACHED,
    CITATIONS,
    COMMON,
    CONTACT,
    DECIDED,
    FILES,
    GROUND,
    NUMBER,
    PARTIES,
    PLACE,
    RED_LINES,
    YES_NO,
)
from connectors.ferry.letters import Filled
from connectors.forms.table import NUMBERED, Cell, Form, Rows, Terms, by_action, by_type, under
from contracts.canonical import Document
from events.parts import GoodsWay
from events.referral import (
    CaseWithdrawn,
    CriminalOutcome,
    Declined,
    Explained,
    ExplanationRequested,
    Filed,
    FilingOrdered,
    Forwarded,
    GoodsHandedOver,
    HeadPost,
    OutcomeReported,
    OversightSuggested,
    Penalised,
    Receipted,
    ReconsiderationRequested,
    ReconsiderationReversed,
    ReconsiderationUpheld,
    ReturnAccepted,
    Returned,
    Sent,
    Supplemented,
    SupplementRequested,
)

WAYS: Final = Terms({GoodsWay.WITH_CASE.value: "1", GoodsWay.LATER.value: "2", GoodsWay.HELD.value: "3"})
POSTS: Final = Terms({HeadPost.PRINCIPAL.value: "1", HeadPost.ACTING.value: "2"})
OUTCOMES: Final = Terms(
    {
        CriminalOutcome.PROSECUTED.value: "01",
        CriminalOutcome.CONVICTED.value: "02",
        CriminalOutcome.ACQUITTED.value: "03",
        CriminalOutcome.CONSOLIDATED.value: "04",
    }
)

_CHARGE: Final = (Cell("/name", "mc"), Cell("/code", "dm"), Cell("/article", "tk"))
_CIRCUMSTANCES: Final = (
    Cell("/cause/name", "ay"),
    Cell("/cause/code", "aydm"),
    *PARTIES,
    *under("/place", "af", PLACE),
    Cell("/place/red_line", "dlhx", RED_LINES),
    *ACT,
)
_GOODS: Final = Rows(
    (
        Cell("/name", "mc"),
        Cell("/amount", "sl"),
        Cell("/unit", "dw"),
        Cell("/grade", "pj"),
        Cell("/specification", "gg"),
        Cell("/model", "xh"),
        Cell("/form", "xt"),
        Cell("/way", "qx", WAYS),
        Cell("/way_reason", "qxly"),
        Cell("/note", "bz"),
    )
)
_GOODS_RECEIPT: Final = (
    Cell("/complete", "yz", YES_NO),
    Cell("/receiver", "jsr"),
    Cell("/received_on", "jsrq"),
    Cell("/differences", "cy"),
)
_DOSSIER_ITEM: Final = (
    Cell("/attachments", "", FILES),
    Cell("/not_applicable", "bsy"),
    Cell("/pending/reason", "dbyy"),
    Cell("/pending/expected_on", "dbrq"),
)

SENT: Final = Form(
    "ysdj",
    Sent,
    (
        Cell("/number", "ysbh", NUMBERED),
        Cell("/recipient", "sysjg"),
        Cell("/procuratorate", "csjcy"),
        Cell("/case_number", "ah"),
        Cell("/filed_on", "larq"),
        Cell("/origin/source", "ajly"),
        *under("/circumstances", "", _CIRCUMSTANCES),
        *under("/charge", "sxzm", _CHARGE),
        Cell(
            "/group",
            "zazcy",
            Rows((Cell("/name", "xm"), Cell("/certificate", "zfzh"), Cell("/leads", "zz", YES_NO))),
        ),
        Cell("/approver/name", "spr"),
        Cell("/approver/post", "sprzw", POSTS),
        Cell("/approved_at", "spsj"),
        Cell("/legal_basis", "ysyj", CITATIONS),
        Cell("/measures", "yqcs"),
        Cell(
            "/prior_penalties",
            "yzcf",
            Rows((NUMBER, DECIDED, Cell("/content", "nr"), Cell("/fine", "fk"))),
        ),
        # 移送材料清单, item by item as 310号令 第六条 counts them.
        *under("/dossier/transfer_letter", "clyss", _DOSSIER_ITEM),
        *under("/dossier/survey_report", "cldcbg", _DOSSIER_ITEM),
        *under("/dossier/goods_list", "clwpqd", _DOSSIER_ITEM),
        *under("/dossier/test_report", "cljyjd", _DOSSIER_ITEM),
        Cell("/dossier/other", "clqt", FILES),
        Cell("/goods", "sawp", _GOODS),
        *under("/contact", "zbr", CONTACT),
        Cell("/dated", "cwrq"),
    ),
    parts=("/circumstances/parties",),
    name="涉嫌犯罪案件移送书",
)

RECEIPTED: Final = Form(
    "hz",
    Receipted,
    (Cell("/receiver", "qsr"), Cell("/received_at", "qssj"), Cell("/number", "hzbh", NUMBERED)),
    name="移送书回执",
)

_TO_THEM: Final = (
    SENT,
    Form("bccl", Supplemented, (Cell("/answers", "bcsm"), ATTACHED), name="补充材料"),
    Form(
        "wpyj",
        GoodsHandedOver,
        (
            Cell("/goods", "wp", _GOODS),
            Cell("/materials", "cl"),
            *under("/receipt", "jj", _GOODS_RECEIPT),
        ),
        name="涉案物品及材料移交清单",
    ),
    Form("jhcl", ReturnAccepted, (*under("/goods", "jj", _GOODS_RECEIPT), Cell("/note", "hxcl")), name="接回处理告知"),
    Form("tqfy", ReconsiderationRequested, (NUMBER, Cell("/reasons", "fyly"), ATTACHED), name="提请复议书"),
    Form("jyjd", OversightSuggested, (NUMBER, Cell("/reasons", "jyly"), ATTACHED), name="建议立案监督"),
    Form("yqsm", ExplanationRequested, (NUMBER, Cell("/questions", "smsx")), name="要求说明不立案理由通知书"),
    Form("tzla", FilingOrdered, (NUMBER, Cell("/reasons", "ly")), name="通知立案书"),
)

_FROM_THEM: Final = (
    RECEIPTED,
    Form("bcqq", SupplementRequested, (NUMBER, Cell("/items", "bcx"), Cell("/reason", "ly")), name="补充材料通知书"),
    Form(
        "zsga",
        Forwarded,
        (NUMBER, Cell("/recipient", "jsjg"), Cell("/procuratorate", "tjjcy"), *GROUND),
        name="移送案件转送通知书",
    ),
    Form(
        "lags",
        Filed,
        (NUMBER, Cell("/filed_on", "larq"), *under("/charge", "lazm", _CHARGE), *under("/contact", "bar", CONTACT)),
        name="立案告知书",
    ),
    Form("byla", Declined, (NUMBER, DECIDED, *GROUND, Cell("/file_returned", "ajth", YES_NO)), name="不予立案通知书"),
    Form(
        "zacf",
        Penalised,
        (
            NUMBER,
            DECIDED,
            Cell("/detention_days", "jlts"),
            Cell("/fine", "fkje"),
            Cell("/legal_basis", "cfyj", CITATIONS),
        ),
        name="治安管理处罚告知",
    ),
    Form("ysxz", Returned, (NUMBER, *GROUND, Cell("/proposals", "cljy"), ATTACHED), name="移送行政机关处理函"),
    Form("fywc", ReconsiderationUpheld, (NUMBER, DECIDED, *GROUND), name="复议决定书(维持)"),
    Form("fybg", ReconsiderationReversed, (NUMBER, DECIDED), name="复议决定书(立案)"),
    Form("smly", Explained, (NUMBER, Cell("/explanation", "ly")), name="不立案理由说明书"),
    Form("cxaj", CaseWithdrawn, (NUMBER, DECIDED, *GROUND), name="撤销案件决定书"),
    Form(
        "jggz",
        OutcomeReported,
        (NUMBER, Cell("/outcome", "cljg", OUTCOMES), Cell("/reported_on", "gzrq"), Cell("/summary", "sm")),
        name="处理结果告知书",
    ),
)

FORMS: Final = (*_TO_THEM, *_FROM_THEM, *COMMON)
_BY_TYPE: Final = by_type(FORMS)
_BY_CODE: Final = by_action(FORMS)


def outgoing(parcel: Parcel) -> Filled:
    """Their form of a parcel, and what it loses."""
    return letters.filled(_BY_TYPE, parcel)


def incoming(agency: str, form: Document) -> Stated | Confirmed:
    """What a form of theirs says. Raises Unreadable."""
    return letters.understood(_BY_CODE, agency, form)
