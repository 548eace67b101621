"""Our leads and joint operations, and the forms of cities in other provinces, both ways, pure.

A cause of action is not the same thing in another province. In a form to them `ay` is what the crosswalk says that it
is there, `lhay` 来函案由 what we call it; beside the columns stand `dz` 对照 with the law of either side and `dzsm`
对照说明 with what the crosswalk loses. In a form from them `ay` is in their words; our crosswalk goes beside copies.
"""

from collections.abc import Sequence
from typing import Final

from pydantic import JsonValue

from connectors.channel import Confirmed, Parcel, Stated
from connectors.ferry import forms
from connectors.ferry.columns import ACT, ATTACHED, CITATIONS, CONTACT, FILES, GROUND, NUMBER, PARTIES, PLACE, YES_NO
from connectors.ferry.forms import COMMON, OPENED, SPOILT, Codes, Column, Filled, Form, book, fill, text, under
from connectors.identity import exchange_of
from connectors.losses import Loss
from contracts.canonical import Document
from events import jointop, lead
from events.parts import Urgency
from events.penalties import PenaltyType, Procedure

LEAD_TYPES: Final[Codes] = {
    lead.LeadType.TRACING.value: "溯源",
    lead.LeadType.VEHICLE.value: "车辆",
    lead.LeadType.VESSEL.value: "船舶",
    lead.LeadType.SITE.value: "工地",
    lead.LeadType.UNLOADING_POINT.value: "卸点",
    lead.LeadType.UNIT.value: "单位",
    lead.LeadType.PERSON.value: "人员",
}
APPROVALS: Final[Codes] = {
    lead.CrossProvinceApproval.APPROVED.value: "已批准",
    lead.CrossProvinceApproval.REPORTED.value: "已提前报送",
    lead.CrossProvinceApproval.NONE.value: "未批准、未报送",
    lead.CrossProvinceApproval.UNKNOWN.value: "不明",
}
USABILITIES: Final[Codes] = {
    lead.Usability.USABLE.value: "可以作为证据使用",
    lead.Usability.AFTER_REVIEW.value: "经审查可以作为证据使用",
    lead.Usability.REFERENCE.value: "仅供参考",
}
URGENCIES: Final[Codes] = {
    Urgency.ORDINARY.value: "平件",
    Urgency.EXPEDITED.value: "加急",
    Urgency.EXTRA.value: "特急",
}
PROCEDURES: Final[Codes] = {Procedure.SIMPLE.value: "简易程序", Procedure.ORDINARY.value: "一般程序"}
PENALTIES: Final[Codes] = {
    PenaltyType.WARNING.value: "警告",
    PenaltyType.CENSURE.value: "通报批评",
    PenaltyType.FINE.value: "罚款",
    PenaltyType.CONFISCATION.value: "没收",
    PenaltyType.PERMIT.value: "许可证件",
    PenaltyType.RESTRICTION.value: "限制生产经营",
    PenaltyType.OTHER.value: "其他",
}
HANDLINGS: Final[Codes] = {
    jointop.Handling.RECTIFIED.value: "已整改",
    jointop.Handling.CASE_FILED.value: "已立案",
    jointop.Handling.HANDED_OVER.value: "已移送",
    jointop.Handling.UNFOUNDED.value: "经查不成立",
    jointop.Handling.NOT_OURS.value: "不属本单位职责",
}

_EVIDENCE: Final = (Column("mc", "title"), Column("bh", "number"), *under("fj", "attachment", FILES))
_SITE: Final = (Column("mc", "name"), Column("bjbh", "registration"), *under("", "place", PLACE))
_COMPETENT: Final = (Column("mc", "name"), Column("dm", "agency"), Column("yj", "legal_basis", rows=CITATIONS))
_CIRCUMSTANCES: Final = (*PARTIES, *under("af", "place", PLACE), *ACT, Column("ldh", "manifests"))
_CARRIERS: Final = (
    Column("cp", "plate"),
    Column("cm", "vessel"),
    Column("hz", "rated_load/value"),
    Column("hzdw", "rated_load/unit"),
)
_PAPERS: Final = (
    Column("ydh", "waybill"),
    Column("czzh", "disposal_permit"),
    Column("ysxkzh", "transport_permit"),
)
_DECISION: Final = (
    NUMBER,
    Column("jdrq", "decided_on"),
    Column("cx", "procedure", PROCEDURES),
    Column("jg", "outcome"),
    Column("dl", "category"),
    Column("fxc", "off_site", YES_NO),
    *PARTIES,
    Column("cf", "penalties", rows=(Column("zl", "type", PENALTIES), Column("je", "amount"), Column("nr", "content"))),
    Column("fkhj", "fine"),
    Column("yj", "legal_basis", rows=CITATIONS),
    Column("ly", "reason"),
)


def _cause(prefix: str, path: str) -> tuple[Column, Column]:
    """A cause of action; ours and theirs have columns of their own."""
    return Column(f"{prefix}ay", f"{path}/name"), Column(f"{prefix}aydm", f"{path}/code")


def _leads(prefix: str) -> tuple[Form, ...]:
    return (
        Form(
            "xch",
            "协查函",
            lead.Opened,
            (
                NUMBER,
                Column("qhdw", "recipients"),
                Column("csdw", "copied"),
                Column("xclx", "lead_type", LEAD_TYPES),
                *_cause(prefix, "circumstances/cause"),
                *under("", "circumstances", _CIRCUMSTANCES),
                Column("qdsj", "dumped_at"),
                Column("ysgj", "carriers", rows=_CARRIERS),
                *under("", "papers", _PAPERS),
                *under("gd", "site", _SITE),
                Column("kszy", "cross_province_approval", APPROVALS),
                Column("xcsx", "questions"),
                Column("yx", "images", rows=FILES),
                ATTACHED,
                Column("bjrq", "reply_by"),
                Column("yj", "legal_basis", rows=CITATIONS),
                Column("yt", "purpose"),
                *under("lxr", "contact", CONTACT),
                Column("qhrq", "dated"),
                Column("qfr", "signed_by"),
                Column("jjcd", "urgency", URGENCIES),
            ),
        ),
        Form("qs", "签收单", lead.Receipted, (Column("qsr", "receiver"), Column("qssj", "received_at"))),
        Form(
            "hf",
            "协查复函(查明)",
            lead.Traced,
            (
                NUMBER,
                Column("hcjl", "findings"),
                *under("yt", "source_site", _SITE),
                Column("xyr", "parties/persons", rows=PARTIES[0].rows),
                Column("xydw", "parties/units", rows=PARTIES[1].rows),
                Column("zj", "evidence", rows=_EVIDENCE),
                Column("zjxl", "usability", USABILITIES),
                *under("lxr", "contact", CONTACT),
            ),
        ),
        Form(
            "wcm",
            "协查复函(未查明)",
            lead.NotFound,
            (NUMBER, Column("hcfw", "checked"), Column("hcjl", "findings"), *under("lxr", "contact", CONTACT)),
        ),
        Form(
            "byxc",
            "不予协查复函",
            lead.Refused,
            (NUMBER, *GROUND, *under("gx", "competent_body", _COMPETENT), *under("lxr", "contact", CONTACT)),
        ),
        Form(
            "ytla",
            "源头立案告知",
            lead.Filed,
            (NUMBER, Column("larq", "filed_on"), *_cause(prefix, "cause"), *under("lxr", "contact", CONTACT)),
        ),
        Form(
            "zjyj",
            "证据移交清单",
            lead.EvidenceShared,
            (
                Column("zj", "evidence", rows=_EVIDENCE),
                Column("zjxl", "usability", USABILITIES),
                Column("yt", "purpose"),
                Column("yj", "legal_basis", rows=CITATIONS),
            ),
        ),
        Form(
            "jgtb",
            "办理结果通报",
            lead.ResultReported,
            (
                NUMBER,
                *under("cf", "decision", _DECISION),
                *_cause(prefix, "decision/cause"),
                Column("hr", "recognised", YES_NO),
                Column("bhrly", "not_recognised_because"),
            ),
        ),
        Form(
            "bjtz",
            "协查办结通知",
            lead.Closed,
            (Column("jg", "summary"), Column("bjrq", "closed_on"), Column("ly", "reason")),
        ),
    )


_OPERATION_TIMES: Final = (Column("kssj", "starts_at"), Column("jssj", "ends_at"), Column("qrrq", "confirm_by"))

_OPERATIONS: Final = (
    Form(
        "lhzf",
        "联合执法方案",
        jointop.Proposed,
        (
            Column("mc", "title"),
            NUMBER,
            Column("lb", "programme"),
            Column("zx", "campaign"),
            Column("cydw", "recipients"),
            Column("csdw", "copied"),
            Column("fqzz", "own_duty"),
            Column(
                "fg",
                "duties",
                rows=(
                    Column("dw", "agency"),
                    Column("zz", "duty"),
                    Column("rs", "staff"),
                    Column("zb", "equipment"),
                ),
            ),
            Column("qtdw", "others"),
            Column("dd", "places", rows=PLACE),
            Column("fw", "scope"),
            *_OPERATION_TIMES,
            Column("pc", "rhythm"),
            Column("sy", "reason"),
            Column("yj", "legal_basis", rows=CITATIONS),
            Column("rs", "staff"),
            Column("zb", "equipment"),
            *under("lxr", "contact", CONTACT),
            ATTACHED,
            Column("jjcd", "urgency", URGENCIES),
        ),
    ),
    Form(
        "qrcj",
        "确认参加",
        jointop.Confirmed,
        (
            Column("kssj", "starts_at"),
            *under("ddr", "contact", CONTACT),
            Column("rs", "staff"),
            Column("zb", "equipment"),
            Column("yj", "note"),
        ),
    ),
    Form("bcj", "不参加答复", jointop.Declined, (*GROUND, *under("gx", "competent_body", _COMPETENT))),
    Form("yqjx", "延期举行通知", jointop.Postponed, (*_OPERATION_TIMES, Column("ly", "reason"))),
    Form("qxtz", "取消通知", jointop.Cancelled, (Column("ly", "reason"),)),
    Form(
        "wtfb",
        "问题分办单",
        jointop.FindingAssigned,
        (
            Column("wt", "findings", rows=(Column("bh", "id"), Column("nr", "text"), *under("", "place", PLACE))),
            Column("qx", "due"),
            ATTACHED,
        ),
    ),
    Form(
        "wtfk",
        "问题反馈单",
        jointop.FindingAnswered,
        (
            Column(
                "fk",
                "answers",
                rows=(
                    Column("bh", "finding"),
                    Column("jg", "handling", HANDLINGS),
                    Column("qk", "text"),
                    Column("ah", "case_number"),
                    *under("gx", "competent_body", _COMPETENT),
                ),
            ),
            *under("lxr", "contact", CONTACT),
            ATTACHED,
        ),
    ),
    Form("lhbj", "联合执法办结", jointop.Closed, (Column("bz", "note"),)),
)

TO_THEM: Final = book((*_leads("lh"), *_OPERATIONS, *COMMON))
FROM_THEM: Final = book((*_leads(""), *_OPERATIONS, *COMMON))
_SCENE: Final = "/circumstances/place/division"
_OPENING: Final = {"xch", "lhzf"}
"""Forms with which they begin an exchange of their own; its number is their `ajbh`."""


def outgoing(parcel: Parcel) -> Filled:
    """Their form of a parcel, and what it loses, the crosswalk's losses first."""
    found = forms.filled(TO_THEM, parcel)
    crossed = parcel.item.get("crosswalk")
    content = found.form.get("nr")
    if not isinstance(crossed, dict) or not isinstance(content, dict):
        return found
    said, lost = _crossed(crossed)
    return Filled({**found.form, "nr": {**content, **_theirs(crossed)}, **said}, (*lost, *found.losses))


def incoming(agency: str, form: Document) -> Stated | Confirmed:
    """What a form of theirs says, in an exchange of ours or of their own. Raises Unreadable."""
    code = text(form, "bdlx")
    if code in {OPENED, SPOILT} or "wlbh" in form:
        return forms.understood(FROM_THEM, agency, form)
    number = text(form, "ajbh")
    opens = code in _OPENING
    return forms.stated(FROM_THEM, agency, form, exchange=exchange_of(agency, number), case=number if opens else None)


# --- the crosswalk


def _crossed(crossed: Document) -> tuple[Document, tuple[Loss, ...]]:
    """What stands beside the form, and the losses of the mapping."""
    causes = [fill(_CAUSE_ROW, row) for row in _rows(crossed, "causes")]
    places = [fill(_PLACE_ROW, row) for row in _rows(crossed, "divisions")]
    losses = [
        Loss(f"/crosswalk/losses/{number}", str(row.get("zh")), str(row.get("en")))
        for number, row in enumerate(_rows(crossed, "losses"))
    ]
    told: list[JsonValue] = [loss.zh for loss in losses]
    rows: Document = {"ay": [*causes], "qh": [*places]}
    return {"dz": rows, "dzsm": told}, tuple(losses)


_CAUSE_ROW: Final = (
    Column("xm", "pointer"),
    Column("lhay", "given/name"),
    Column("lhaydm", "given/code"),
    Column("ay", "theirs/name"),
    Column("aydm", "theirs/code"),
    Column("zgbm", "there/authority"),
    Column("zgfg", "there/local", rows=(*CITATIONS, Column("nr", "text_zh"))),
    Column("gjfg", "national", rows=(*CITATIONS, Column("nr", "text_zh"))),
    Column("bb", "version"),
    Column("zt", "status"),
)
_PLACE_ROW: Final = (
    Column("xm", "pointer"),
    Column("qh", "code"),
    Column("qhmc", "name"),
    Column("fei", "not_these", rows=(Column("mc", "name"), Column("dm", "code"))),
)


def _theirs(crossed: Document) -> Document:
    """The event's cause and place as they call them. A cause without an equivalent stays empty; `dzsm` says so."""
    causes = [fill(_CAUSE_ROW, row) for row in _rows(crossed, "causes")]
    places = [fill(_PLACE_ROW, row) for row in _rows(crossed, "divisions") if row.get("pointer") == _SCENE]
    cause, place = next(iter(causes), {}), next(iter(places), {})
    found: Document = {"ay": cause.get("ay"), "aydm": cause.get("aydm"), "afqhmc": place.get("qhmc")}
    return {name: value for name, value in found.items() if value is not None}


def _rows(crossed: Document, name: str) -> Sequence[Document]:
    rows = crossed.get(name)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
