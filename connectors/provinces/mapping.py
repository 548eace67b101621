"""Our leads and joint operations, and the forms of cities in other provinces, both ways, pure.

A cause of action is not the same thing in another province. In a form to them `ay` is what the crosswalk says that it
is there, `lhay` 来函案由 what we call it; beside the columns stand `dz` 对照 with the law of either side and `dzsm`
对照说明 with what the crosswalk loses. In a form from them `ay` is in their words; our crosswalk goes beside copies.
"""

from collections.abc import Sequence
from typing import Final

from pydantic import JsonValue

from connectors.channel import Confirmed, Parcel, Stated
from connectors.ferry import letters
from connectors.ferry.cells import (
    ACT,
    ATTACHED,
    CITATION,
    CITATIONS,
    COMMON,
    CONTACT,
    FILE,
    FILES,
    GROUND,
    NUMBER,
    PARTIES,
    PLACE,
    YES_NO,
)
from connectors.ferry.letters import OPENED, SPOILT, Filled, text
from connectors.forms.table import Cell, Form, Rows, Terms, by_action, by_type, fill, under
from connectors.identity import exchange_of
from connectors.losses import Loss
from contracts.canonical import Document
from events import jointop, lead
from events.parts import Urgency
from events.penalties import PenaltyType, Procedure

LEAD_TYPES: Final = Terms(
    {
        lead.LeadType.TRACING.value: "溯源",
        lead.LeadType.VEHICLE.value: "车辆",
        lead.LeadType.VESSEL.value: "船舶",
        lead.LeadType.SITE.value: "工地",
        lead.LeadType.UNLOADING_POINT.value: "卸点",
        lead.LeadType.UNIT.value: "单位",
        lead.LeadType.PERSON.value: "人员",
    }
)
APPROVALS: Final = Terms(
    {
        lead.CrossProvinceApproval.APPROVED.value: "已批准",
        lead.CrossProvinceApproval.REPORTED.value: "已提前报送",
        lead.CrossProvinceApproval.NONE.value: "未批准、未报送",
        lead.CrossProvinceApproval.UNKNOWN.value: "不明",
    }
)
USABILITIES: Final = Terms(
    {
        lead.Usability.USABLE.value: "可以作为证据使用",
        lead.Usability.AFTER_REVIEW.value: "经审查可以作为证据使用",
        lead.Usability.REFERENCE.value: "仅供参考",
    }
)
URGENCIES: Final = Terms(
    {
        Urgency.ORDINARY.value: "平件",
        Urgency.EXPEDITED.value: "加急",
        Urgency.EXTRA.value: "特急",
    }
)
PROCEDURES: Final = Terms({Procedure.SIMPLE.value: "简易程序", Procedure.ORDINARY.value: "一般程序"})
PENALTIES: Final = Terms(
    {
        PenaltyType.WARNING.value: "警告",
        PenaltyType.CENSURE.value: "通报批评",
        PenaltyType.FINE.value: "罚款",
        PenaltyType.CONFISCATION.value: "没收",
        PenaltyType.PERMIT.value: "许可证件",
        PenaltyType.RESTRICTION.value: "限制生产经营",
        PenaltyType.OTHER.value: "其他",
    }
)
HANDLINGS: Final = Terms(
    {
        jointop.Handling.RECTIFIED.value: "已整改",
        jointop.Handling.CASE_FILED.value: "已立案",
        jointop.Handling.HANDED_OVER.value: "已移送",
        jointop.Handling.UNFOUNDED.value: "经查不成立",
        jointop.Handling.NOT_OURS.value: "不属本单位职责",
    }
)

_EVIDENCE: Final = Rows((Cell("/title", "mc"), Cell("/number", "bh"), *under("/attachment", "fj", FILE)))
_SITE: Final = (Cell("/name", "mc"), Cell("/registration", "bjbh"), *under("/place", "", PLACE))
_COMPETENT: Final = (Cell("/name", "mc"), Cell("/agency", "dm"), Cell("/legal_basis", "yj", CITATIONS))
_CIRCUMSTANCES: Final = (*PARTIES, *under("/place", "af", PLACE), *ACT, Cell("/manifests", "ldh"))
_CARRIERS: Final = Rows(
    (
        Cell("/plate", "cp"),
        Cell("/vessel", "cm"),
        Cell("/rated_load/value", "hz"),
        Cell("/rated_load/unit", "hzdw"),
    )
)
_PAPERS: Final = (
    Cell("/waybill", "ydh"),
    Cell("/disposal_permit", "czzh"),
    Cell("/transport_permit", "ysxkzh"),
)
_DECISION: Final = (
    NUMBER,
    Cell("/decided_on", "jdrq"),
    Cell("/procedure", "cx", PROCEDURES),
    Cell("/outcome", "jg"),
    Cell("/category", "dl"),
    Cell("/off_site", "fxc", YES_NO),
    *PARTIES,
    Cell("/penalties", "cf", Rows((Cell("/type", "zl", PENALTIES), Cell("/amount", "je"), Cell("/content", "nr")))),
    Cell("/fine", "fkhj"),
    Cell("/legal_basis", "yj", CITATIONS),
    Cell("/reason", "ly"),
)


def _cause(prefix: str, path: str) -> tuple[Cell, Cell]:
    """A cause of action; ours and theirs have columns of their own."""
    return Cell(f"{path}/name", f"{prefix}ay"), Cell(f"{path}/code", f"{prefix}aydm")


def _leads(prefix: str) -> tuple[Form, ...]:
    return (
        Form(
            "xch",
            lead.Opened,
            (
                NUMBER,
                Cell("/recipients", "qhdw"),
                Cell("/copied", "csdw"),
                Cell("/lead_type", "xclx", LEAD_TYPES),
                *_cause(prefix, "/circumstances/cause"),
                *under("/circumstances", "", _CIRCUMSTANCES),
                Cell("/dumped_at", "qdsj"),
                Cell("/carriers", "ysgj", _CARRIERS),
                *under("/papers", "", _PAPERS),
                *under("/site", "gd", _SITE),
                Cell("/cross_province_approval", "kszy", APPROVALS),
                Cell("/questions", "xcsx"),
                Cell("/images", "yx", FILES),
                ATTACHED,
                Cell("/reply_by", "bjrq"),
                Cell("/legal_basis", "yj", CITATIONS),
                Cell("/purpose", "yt"),
                *under("/contact", "lxr", CONTACT),
                Cell("/dated", "qhrq"),
                Cell("/signed_by", "qfr"),
                Cell("/urgency", "jjcd", URGENCIES),
            ),
            parts=("/circumstances/parties",),
            name="协查函",
        ),
        Form("qs", lead.Receipted, (Cell("/receiver", "qsr"), Cell("/received_at", "qssj")), name="签收单"),
        Form(
            "hf",
            lead.Traced,
            (
                NUMBER,
                Cell("/findings", "hcjl"),
                *under("/source_site", "yt", _SITE),
                *PARTIES,
                Cell("/evidence", "zj", _EVIDENCE),
                Cell("/usability", "zjxl", USABILITIES),
                *under("/contact", "lxr", CONTACT),
            ),
            name="协查复函(查明)",
        ),
        Form(
            "wcm",
            lead.NotFound,
            (NUMBER, Cell("/checked", "hcfw"), Cell("/findings", "hcjl"), *under("/contact", "lxr", CONTACT)),
            name="协查复函(未查明)",
        ),
        Form(
            "byxc",
            lead.Refused,
            (NUMBER, *GROUND, *under("/competent_body", "gx", _COMPETENT), *under("/contact", "lxr", CONTACT)),
            name="不予协查复函",
        ),
        Form(
            "ytla",
            lead.Filed,
            (NUMBER, Cell("/filed_on", "larq"), *_cause(prefix, "/cause"), *under("/contact", "lxr", CONTACT)),
            name="源头立案告知",
        ),
        Form(
            "zjyj",
            lead.EvidenceShared,
            (
                Cell("/evidence", "zj", _EVIDENCE),
                Cell("/usability", "zjxl", USABILITIES),
                Cell("/purpose", "yt"),
                Cell("/legal_basis", "yj", CITATIONS),
            ),
            name="证据移交清单",
        ),
        Form(
            "jgtb",
            lead.ResultReported,
            (
                NUMBER,
                *under("/decision", "cf", _DECISION),
                *_cause(prefix, "/decision/cause"),
                Cell("/recognised", "hr", YES_NO),
                Cell("/not_recognised_because", "bhrly"),
            ),
            parts=("/decision/parties",),
            name="办理结果通报",
        ),
        Form(
            "bjtz",
            lead.Closed,
            (Cell("/summary", "jg"), Cell("/closed_on", "bjrq"), Cell("/reason", "ly")),
            name="协查办结通知",
        ),
    )


_OPERATION_TIMES: Final = (Cell("/starts_at", "kssj"), Cell("/ends_at", "jssj"), Cell("/confirm_by", "qrrq"))

_OPERATIONS: Final = (
    Form(
        "lhzf",
        jointop.Proposed,
        (
            Cell("/title", "mc"),
            NUMBER,
            Cell("/programme", "lb"),
            Cell("/campaign", "zx"),
            Cell("/recipients", "cydw"),
            Cell("/copied", "csdw"),
            Cell("/own_duty", "fqzz"),
            Cell(
                "/duties",
                "fg",
                Rows(
                    (
                        Cell("/agency", "dw"),
                        Cell("/duty", "zz"),
                        Cell("/staff", "rs"),
                        Cell("/equipment", "zb"),
                    )
                ),
            ),
            Cell("/others", "qtdw"),
            Cell("/places", "dd", Rows(PLACE)),
            Cell("/scope", "fw"),
            *_OPERATION_TIMES,
            Cell("/rhythm", "pc"),
            Cell("/reason", "sy"),
            Cell("/legal_basis", "yj", CITATIONS),
            Cell("/staff", "rs"),
            Cell("/equipment", "zb"),
            *under("/contact", "lxr", CONTACT),
            ATTACHED,
            Cell("/urgency", "jjcd", URGENCIES),
        ),
        name="联合执法方案",
    ),
    Form(
        "qrcj",
        jointop.Confirmed,
        (
            Cell("/starts_at", "kssj"),
            *under("/contact", "ddr", CONTACT),
            Cell("/staff", "rs"),
            Cell("/equipment", "zb"),
            Cell("/note", "yj"),
        ),
        name="确认参加",
    ),
    Form("bcj", jointop.Declined, (*GROUND, *under("/competent_body", "gx", _COMPETENT)), name="不参加答复"),
    Form("yqjx", jointop.Postponed, (*_OPERATION_TIMES, Cell("/reason", "ly")), name="延期举行通知"),
    Form("qxtz", jointop.Cancelled, (Cell("/reason", "ly"),), name="取消通知"),
    Form(
        "wtfb",
        jointop.FindingAssigned,
        (
            Cell("/findings", "wt", Rows((Cell("/id", "bh"), Cell("/text", "nr"), *under("/place", "", PLACE)))),
            Cell("/due", "qx"),
            ATTACHED,
        ),
        name="问题分办单",
    ),
    Form(
        "wtfk",
        jointop.FindingAnswered,
        (
            Cell(
                "/answers",
                "fk",
                Rows(
                    (
                        Cell("/finding", "bh"),
                        Cell("/handling", "jg", HANDLINGS),
                        Cell("/text", "qk"),
                        Cell("/case_number", "ah"),
                        *under("/competent_body", "gx", _COMPETENT),
                    )
                ),
            ),
            *under("/contact", "lxr", CONTACT),
            ATTACHED,
        ),
        name="问题反馈单",
    ),
    Form("lhbj", jointop.Closed, (Cell("/note", "bz"),), name="联合执法办结"),
)

TO_THEM: Final = by_type((*_leads("lh"), *_OPERATIONS, *COMMON))
FROM_THEM: Final = by_action((*_leads(""), *_OPERATIONS, *COMMON))
_SCENE: Final = "/circumstances/place/division"
_OPENING: Final = {"xch", "lhzf"}
"""Forms with which they begin an exchange of their own; its number is their `ajbh`."""


def outgoing(parcel: Parcel) -> Filled:
    """Their form of a parcel, and what it loses, the crosswalk's losses first."""
    found = letters.filled(TO_THEM, parcel)
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
        return letters.understood(FROM_THEM, agency, form)
    number = text(form, "ajbh")
    opens = code in _OPENING
    return letters.stated(FROM_THEM, agency, form, exchange=exchange_of(agency, number), case=number if opens else None)


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
    Cell("/pointer", "xm"),
    Cell("/given/name", "lhay"),
    Cell("/given/code", "lhaydm"),
    Cell("/theirs/name", "ay"),
    Cell("/theirs/code", "aydm"),
    Cell("/there/authority", "zgbm"),
    Cell("/there/local", "zgfg", Rows((*CITATION, Cell("/text_zh", "nr")))),
    Cell("/national", "gjfg", Rows((*CITATION, Cell("/text_zh", "nr")))),
    Cell("/version", "bb"),
    Cell("/status", "zt"),
)
_PLACE_ROW: Final = (
    Cell("/pointer", "xm"),
    Cell("/code", "qh"),
    Cell("/name", "qhmc"),
    Cell("/not_these", "fei", Rows((Cell("/name", "mc"), Cell("/code", "dm")))),
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
