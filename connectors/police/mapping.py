"""Our referral and the forms of the police, both ways, pure.

To them: 移送书 with its list of materials, 补充材料, 移交物品, and what else happens in the exchange. From them: 回执,
转送, 立案, 不予立案 and the rest of what the law lets them answer. What their forms do not carry is told by `outgoing`.

The police count coordinates by CGCS 2000 alone, and keep neither 联单号 nor the reporter.
"""

from typing import Final

from connectors.channel import Confirmed, Parcel, Stated
from connectors.ferry import forms
from connectors.ferry.columns import (
    ACT,
    ATTACHED,
    CITATIONS,
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
from connectors.ferry.forms import COMMON, Codes, Column, Filled, Form, book, under
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

WAYS: Final[Codes] = {GoodsWay.WITH_CASE.value: "1", GoodsWay.LATER.value: "2", GoodsWay.HELD.value: "3"}
POSTS: Final[Codes] = {HeadPost.PRINCIPAL.value: "1", HeadPost.ACTING.value: "2"}
OUTCOMES: Final[Codes] = {
    CriminalOutcome.PROSECUTED.value: "01",
    CriminalOutcome.CONVICTED.value: "02",
    CriminalOutcome.ACQUITTED.value: "03",
    CriminalOutcome.CONSOLIDATED.value: "04",
}

_CHARGE: Final = (Column("mc", "name"), Column("dm", "code"), Column("tk", "article"))
_CIRCUMSTANCES: Final = (
    Column("ay", "cause/name"),
    Column("aydm", "cause/code"),
    *PARTIES,
    *under("af", "place", PLACE),
    Column("dlhx", "place/red_line", RED_LINES),
    *ACT,
)
_GOODS: Final = (
    Column("mc", "name"),
    Column("sl", "amount"),
    Column("dw", "unit"),
    Column("pj", "grade"),
    Column("gg", "specification"),
    Column("xh", "model"),
    Column("xt", "form"),
    Column("qx", "way", WAYS),
    Column("qxly", "way_reason"),
    Column("bz", "note"),
)
_GOODS_RECEIPT: Final = (
    Column("yz", "complete", YES_NO),
    Column("jsr", "receiver"),
    Column("jsrq", "received_on"),
    Column("cy", "differences"),
)
_DOSSIER_ITEM: Final = (
    Column("", "attachments", rows=FILES),
    Column("bsy", "not_applicable"),
    Column("dbyy", "pending/reason"),
    Column("dbrq", "pending/expected_on"),
)

SENT: Final = Form(
    "ysdj",
    "涉嫌犯罪案件移送书",
    Sent,
    (
        Column("ysbh", "number", number=True),
        Column("sysjg", "recipient"),
        Column("csjcy", "procuratorate"),
        Column("ah", "case_number"),
        Column("larq", "filed_on"),
        Column("ajly", "origin/source"),
        *under("", "circumstances", _CIRCUMSTANCES),
        *under("sxzm", "charge", _CHARGE),
        Column(
            "zazcy",
            "group",
            rows=(Column("xm", "name"), Column("zfzh", "certificate"), Column("zz", "leads", YES_NO)),
        ),
        Column("spr", "approver/name"),
        Column("sprzw", "approver/post", POSTS),
        Column("spsj", "approved_at"),
        Column("ysyj", "legal_basis", rows=CITATIONS),
        Column("yqcs", "measures"),
        Column(
            "yzcf",
            "prior_penalties",
            rows=(NUMBER, DECIDED, Column("nr", "content"), Column("fk", "fine")),
        ),
        # 移送材料清单, item by item as 310号令 第六条 counts them.
        *under("clyss", "dossier/transfer_letter", _DOSSIER_ITEM),
        *under("cldcbg", "dossier/survey_report", _DOSSIER_ITEM),
        *under("clwpqd", "dossier/goods_list", _DOSSIER_ITEM),
        *under("cljyjd", "dossier/test_report", _DOSSIER_ITEM),
        Column("clqt", "dossier/other", rows=FILES),
        Column("sawp", "goods", rows=_GOODS),
        *under("zbr", "contact", CONTACT),
        Column("cwrq", "dated"),
    ),
)

RECEIPTED: Final = Form(
    "hz",
    "移送书回执",
    Receipted,
    (Column("qsr", "receiver"), Column("qssj", "received_at"), Column("hzbh", "number", number=True)),
)

_TO_THEM: Final = (
    SENT,
    Form("bccl", "补充材料", Supplemented, (Column("bcsm", "answers"), ATTACHED)),
    Form(
        "wpyj",
        "涉案物品及材料移交清单",
        GoodsHandedOver,
        (
            Column("wp", "goods", rows=_GOODS),
            Column("cl", "materials"),
            *under("jj", "receipt", _GOODS_RECEIPT),
        ),
    ),
    Form(
        "jhcl",
        "接回处理告知",
        ReturnAccepted,
        (*under("jj", "goods", _GOODS_RECEIPT), Column("hxcl", "note")),
    ),
    Form("tqfy", "提请复议书", ReconsiderationRequested, (NUMBER, Column("fyly", "reasons"), ATTACHED)),
    Form("jyjd", "建议立案监督", OversightSuggested, (NUMBER, Column("jyly", "reasons"), ATTACHED)),
    Form("yqsm", "要求说明不立案理由通知书", ExplanationRequested, (NUMBER, Column("smsx", "questions"))),
    Form("tzla", "通知立案书", FilingOrdered, (NUMBER, Column("ly", "reasons"))),
)

_FROM_THEM: Final = (
    RECEIPTED,
    Form(
        "bcqq",
        "补充材料通知书",
        SupplementRequested,
        (NUMBER, Column("bcx", "items"), Column("ly", "reason")),
    ),
    Form(
        "zsga",
        "移送案件转送通知书",
        Forwarded,
        (NUMBER, Column("jsjg", "recipient"), Column("tjjcy", "procuratorate"), *GROUND),
    ),
    Form(
        "lags",
        "立案告知书",
        Filed,
        (NUMBER, Column("larq", "filed_on"), *under("lazm", "charge", _CHARGE), *under("bar", "contact", CONTACT)),
    ),
    Form(
        "byla",
        "不予立案通知书",
        Declined,
        (NUMBER, DECIDED, *GROUND, Column("ajth", "file_returned", YES_NO)),
    ),
    Form(
        "zacf",
        "治安管理处罚告知",
        Penalised,
        (
            NUMBER,
            DECIDED,
            Column("jlts", "detention_days"),
            Column("fkje", "fine"),
            Column("cfyj", "legal_basis", rows=CITATIONS),
        ),
    ),
    Form("ysxz", "移送行政机关处理函", Returned, (NUMBER, *GROUND, Column("cljy", "proposals"), ATTACHED)),
    Form("fywc", "复议决定书(维持)", ReconsiderationUpheld, (NUMBER, DECIDED, *GROUND)),
    Form("fybg", "复议决定书(立案)", ReconsiderationReversed, (NUMBER, DECIDED)),
    Form("smly", "不立案理由说明书", Explained, (NUMBER, Column("ly", "explanation"))),
    Form("cxaj", "撤销案件决定书", CaseWithdrawn, (NUMBER, DECIDED, *GROUND)),
    Form(
        "jggz",
        "处理结果告知书",
        OutcomeReported,
        (NUMBER, Column("cljg", "outcome", OUTCOMES), Column("gzrq", "reported_on"), Column("sm", "summary")),
    ),
)

FORMS: Final = book((*_TO_THEM, *_FROM_THEM, *COMMON))


def outgoing(parcel: Parcel) -> Filled:
    """Their form of a parcel, and what it loses."""
    return forms.filled(FORMS, parcel)


def incoming(agency: str, form: Document) -> Stated | Confirmed:
    """What a form of theirs says. Raises Unreadable."""
    return forms.understood(FORMS, agency, form)
