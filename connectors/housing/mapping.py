"""注记、解注 with the registry of titles; 双向告知 with the housing bureau, about property firms too; pure.

Ours, kind `annotation`                            Theirs, the registry
    requested                                          注记申请
    release_requested, ours                            解除注记申请
    rectification_certified · not_rectified            整改证明 · 复查未整改
    determination_revoked                              认定撤销
Theirs, in its feed (`number` is 收件编号)         Ours, stated by the registry
    注记登簿  registerNo registeredAt registrar         recorded
    不予注记 · 不予解注  letterNo ground …              refused · release_refused
    解除注记申请, where the party applied there         release_requested
    注销注记  registerNo registeredAt registrar         released

Kind `notice`, whoever opened it                   The housing bureau
    sent                                               告知单  subject, firms, party, decision …
                                                       replyTo: our number of the notice that it answers
    acknowledged · noted · not_ours                    受告 · 知悉 · 不属本部门
    followed_up                                        跟进反馈
    disputed · closed                                  提请明确职责 · 办结

Both sides, any kind
    common.extension_requested, _granted, _refused     延期申请, 同意延期, 不同意延期
    common.chased · withdrawn                          催办 · 撤回
    anything else from us, and of any other kind       告知, with our whole copy

Notices about property firms 物业 are kind `notice`: the agreement notice-310112 lets 城管 give the housing bureau
《住宅小区物业企业监管告知书》 (subject property_supervision, with the firms), and notice-310112-in lets the bureau pass
on what a firm has reported (物业报告, 住宅物业管理规定 第五十九条; subject competence). A work order by channel `early`
五早 is not the bureau's to give: workorder-310112-jz lets only streets and towns send one. An undertaking is what the
bureau itself is to do. The owner and the certificate go to the registry alone: whoever else gets a copy gets it cut.
What their forms have no place for: `losses`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from pydantic import JsonValue

from connectors.channel import Confirmed, Stated
from connectors.errors import Unreadable
from connectors.forms import letters
from connectors.forms.cells import CATEGORY, CITATIONS, COMPETENT, FILES, OFFICERS, URGENCY, contact, ground
from connectors.forms.letters import Change
from connectors.forms.table import LOCAL, YES_NO, Cell, Form, Rows, Terms, by_action, by_type
from connectors.losses import Loss
from contracts.canonical import Document
from events import annotation, common, notice
from events.parts import Relation

ANNOTATION: Final = "annotation"
NOTICE: Final = "notice"
BUSINESS: Final = {ANNOTATION: "注记", NOTICE: "双向告知"}
"""Their name of each business that they have forms for."""
OTHER: Final = "来文"
"""What is any other business of ours to them: a letter that people read."""

_REASON: Final = (Cell("/reason", "reason"),)
_EXTENSIONS: Final = (
    Form("延期申请", common.ExtensionRequested, (*_REASON, Cell("/new_date", "newDate"))),
    Form("同意延期", common.ExtensionGranted, (Cell("/new_date", "newDate"), Cell("/agency", "unit"))),
    Form("不同意延期", common.ExtensionRefused, (*_REASON, Cell("/agency", "unit"))),
    Form("催办", common.Chased, (Cell("/concerns", "text"), Cell("/respond_by", "respondBy"))),
    Form("撤回", common.Withdrawn, _REASON),
)

_REGISTERED: Final = (
    Cell("/number", "registerNo"),
    Cell("/registered_at", "registeredAt", LOCAL),
    Cell("/registrar", "registrar"),
)
_REFUSED: Final = (
    Cell("/number", "letterNo"),
    *ground(
        {
            "not-this-registrar": "不在本登记机构辖区",
            "no-effective-document": "无生效认定文书",
            "title-not-found": "登记簿无此不动产",
            "already-recorded": "已注记",
            "incomplete": "材料不齐",
            "certificate-does-not-fit": "证明文件与注记不符",
        }
    ),
    *contact(),
)
_INSPECTED: Final = (
    Cell("/inspected_on", "inspectedOn"),
    Cell("/inspectors", "inspectors", OFFICERS),
    Cell("/photos", "photos", FILES),
)
_RELEASE: Final = Form(
    "解除注记申请",
    annotation.ReleaseRequested,
    (
        Cell("/annotation", "registerNo"),
        Cell("/source", "source", Terms({"party": "当事人", "suishenban": "随申办", "ex_officio": "依职权"})),
        Cell("/applied_on", "appliedOn"),
        Cell("/applicant/name", "applicantName"),
        Cell("/applicant/identity_number", "applicantIdNo"),
        Cell("/applicant/phone", "applicantPhone"),
        Cell("/attachments", "files", FILES),
    ),
)

_REGISTRY_GETS: Final = (
    Form(
        "注记申请",
        annotation.Requested,
        (
            Cell("/number", "letterNo"),
            Cell("/recipient", "registry"),
            Cell("/estate/division", "division"),
            Cell("/estate/location", "location"),
            Cell("/estate/unit_number", "unitNo"),
            Cell("/estate/certificate", "certificateNo"),
            Cell("/estate/owners", "owners", Rows((Cell("/name", "name"), Cell("/social_credit_code", "creditCode")))),
            Cell(
                "/determination",
                "determination",
                Terms({"illegal_structure": "附有违法建筑", "structural_damage": "损坏承重结构"}),
            ),
            Cell("/document", "documentNo"),
            Cell("/effective_on", "effectiveOn"),
            Cell("/area/value", "area"),
            Cell("/area/unit", "areaUnit", Terms({"m2": "平方米", "m3": "立方米", "t": "吨"})),
            Cell("/part", "part"),
            Cell("/officers", "officers", OFFICERS),
            Cell("/legal_basis", "basis", CITATIONS),
            Cell("/attachments", "files", FILES),
            *contact(),
        ),
    ),
    _RELEASE,
    Form(
        "整改证明",
        annotation.RectificationCertified,
        (
            Cell("/number", "proofNo"),
            Cell("/completed_on", "completedOn"),
            *_INSPECTED,
            Cell("/note", "note"),
        ),
    ),
    Form(
        "复查未整改",
        annotation.NotRectified,
        (
            *ground({"still-there": "违法建筑未拆除", "not-restored": "承重结构未恢复", "no-entry": "无法复查"}),
            *_INSPECTED,
        ),
    ),
    Form(
        "认定撤销",
        annotation.DeterminationRevoked,
        (
            Cell("/number", "letterNo"),
            *ground({"own-correction": "自行纠正", "reconsideration": "复议撤销", "judgment": "判决撤销"}),
            Cell("/revoked_by", "revokedBy"),
            Cell("/revoked_on", "revokedOn"),
            Cell("/attachments", "files", FILES),
        ),
    ),
)
_REGISTRY_STATES: Final = (
    Form("注记登簿", annotation.Recorded, _REGISTERED),
    Form("不予注记", annotation.Refused, (*_REFUSED, *COMPETENT)),
    _RELEASE,
    Form("注销注记", annotation.Released, _REGISTERED),
    Form("不予解注", annotation.ReleaseRefused, _REFUSED),
)


@dataclass(frozen=True, slots=True)
class _Answered:
    """Which notice this one answers: our link, and the number of ours that they keep of it (externalNo)."""

    def out(self, value: JsonValue) -> JsonValue:
        """The number."""
        links = value if isinstance(value, list) else []
        named = [item["exchange"] for item in links if isinstance(item, dict) and self._answers(item)]
        return named[0] if named else None

    def back(self, value: JsonValue) -> JsonValue:
        """The link."""
        try:
            return [{"relation": Relation.ANSWERS.value, "kind": NOTICE, "exchange": str(UUID(str(value)))}]
        except ValueError as error:
            raise Unreadable("is no number of ours") from error

    @staticmethod
    def _answers(link: Document) -> bool:
        return link.get("relation") == Relation.ANSWERS.value and link.get("kind") == NOTICE


_UNITS: Final = Rows(
    (
        Cell("/name", "name"),
        Cell("/social_credit_code", "creditCode"),
        Cell("/legal_representative", "legalRepresentative"),
        Cell("/phone", "phone"),
        Cell("/address", "address"),
    )
)
_PERSONS: Final = Rows(
    (
        Cell("/name", "name"),
        Cell("/identity_number", "idNo"),
        Cell("/phone", "phone"),
        Cell("/address", "address"),
    )
)
_PENALTIES: Final = Rows(
    (
        Cell(
            "/type",
            "type",
            Terms(
                {
                    "warning": "警告",
                    "censure": "通报批评",
                    "fine": "罚款",
                    "confiscation": "没收",
                    "permit": "暂扣降级吊销许可证件",
                    "restriction": "限制生产经营或从业",
                    "other": "其他",
                }
            ),
        ),
        Cell("/amount", "amount"),
        Cell("/content", "content"),
    )
)
_DECISION: Final = (
    Cell("/decision/number", "decisionNo"),
    Cell("/decision/decided_on", "decidedOn"),
    Cell("/decision/procedure", "procedure", Terms({"simple": "简易程序", "ordinary": "一般程序"})),
    Cell(
        "/decision/outcome",
        "outcome",
        Terms(
            {
                "penalised": "予以处罚",
                "minor": "轻微不罚",
                "first_time": "首违不罚",
                "no_fault": "无过错不罚",
                "not_established": "违法事实不成立",
                "time_barred": "超过时效",
                "crime_suspected": "涉嫌犯罪",
                "closed": "撤销案件",
            }
        ),
    ),
    Cell("/decision/category", "decisionCategory", CATEGORY),
    Cell("/decision/off_site", "offSite", YES_NO),
    Cell("/decision/cause/name", "decisionCause"),
    Cell("/decision/cause/code", "decisionCauseCode"),
    Cell("/decision/parties/units", "decisionUnits", _UNITS),
    Cell("/decision/parties/persons", "decisionPersons", _PERSONS),
    Cell("/decision/penalties", "penalties", _PENALTIES),
    Cell("/decision/fine", "fine"),
    Cell("/decision/legal_basis", "decisionBasis", CITATIONS),
    Cell("/decision/reason", "decisionReason"),
)
_CIRCUMSTANCES: Final = (
    Cell("/circumstances/cause/name", "cause"),
    Cell("/circumstances/cause/code", "causeCode"),
    Cell("/circumstances/parties/units", "units", _UNITS),
    Cell("/circumstances/parties/persons", "persons", _PERSONS),
    Cell("/circumstances/facts", "facts"),
    Cell("/circumstances/place/address", "address"),
    Cell("/circumstances/place/division", "division"),
    Cell("/circumstances/found_at", "foundAt", LOCAL),
)
_NOTICES: Final = (
    Form(
        "告知单",
        notice.Sent,
        (
            Cell("/number", "letterNo"),
            Cell("/recipient", "addressee"),
            Cell("/copied", "copied"),
            Cell(
                "/direction",
                "direction",
                Terms({"enforcement_to_management": "执法告知管理", "management_to_enforcement": "管理告知执法"}),
            ),
            Cell(
                "/subject",
                "subject",
                Terms(
                    {
                        "penalty": "行政处罚",
                        "risk": "风险隐患",
                        "permit": "行政许可信息",
                        "supervision_result": "监督管理结果",
                        "competence": "属对方职责的事项",
                        "review_result": "复议诉讼结果",
                        "property_supervision": "物业企业监管告知书",
                        "discipline": "涉及工作人员",
                        "interview": "约谈",
                        "suggestion": "人民建议",
                        "grade_changed": "等级调整",
                        "object_updated": "监管对象信息更新",
                        "other": "其他",
                    }
                ),
            ),
            *_DECISION,
            Cell("/property_firms", "propertyFirms", _UNITS),
            Cell("/grade", "grade"),
            Cell("/category", "category", CATEGORY),
            *_CIRCUMSTANCES,
            Cell("/provisions", "provisions", CITATIONS),
            Cell("/ordered_on", "orderedOn"),
            Cell("/filed_on", "filedOn"),
            Cell("/permits", "permits"),
            Cell("/content", "content"),
            Cell("/follow_up", "followUp"),
            Cell("/feedback", "feedback", Terms({"required": "需反馈", "not_required": "仅供知悉"})),
            Cell("/feedback_by", "feedbackBy"),
            Cell("/legal_basis", "basis", CITATIONS),
            Cell("/purpose", "purpose"),
            Cell("/attachments", "files", FILES),
            *contact(),
            Cell("/dated", "dated"),
            Cell("/signed_by", "signedBy"),
            Cell("/urgency", "urgency", URGENCY),
            Cell("/links", "replyTo", _Answered()),
        ),
        parts=("/circumstances/parties", "/decision/parties"),
    ),
    Form(
        "受告",
        notice.Acknowledged,
        (*contact(), Cell("/feedback_by", "feedbackBy"), Cell("/note", "note")),
    ),
    Form("知悉", notice.Noted, (Cell("/note", "note"),)),
    Form(
        "不属本部门",
        notice.NotOurs,
        (
            Cell("/number", "letterNo"),
            *ground(
                {
                    "not-competent-matter": "不属本部门职责",
                    "not-competent-territory": "不属管辖区域",
                    "not-competent-level": "不属本级权限",
                    "object-unknown": "非本部门监管对象",
                }
            ),
            *COMPETENT,
            Cell("/legal_basis", "basis", CITATIONS),
            *contact(),
            Cell("/attachments", "files", FILES),
        ),
    ),
    Form(
        "跟进反馈",
        notice.FollowedUp,
        (
            Cell("/number", "letterNo"),
            Cell("/result", "result"),
            Cell("/measures", "measures"),
            Cell("/permits", "permits"),
            Cell("/followed_up_on", "followedUpOn"),
            Cell("/attachments", "files", FILES),
        ),
    ),
    Form(
        "提请明确职责",
        notice.Disputed,
        (
            *ground({"recipient-competent": "受告知单位有职责"}),
            Cell("/arbiter", "arbiter"),
            Cell("/attachments", "files", FILES),
        ),
    ),
    Form("办结", notice.Closed, _REASON),
)

THEIRS: Final[Mapping[str, Mapping[str, Form]]] = {
    ANNOTATION: by_action([*_REGISTRY_STATES, *_EXTENSIONS]),
    NOTICE: by_action([*_NOTICES, *_EXTENSIONS]),
}
"""What they state, by kind and by their action."""

OURS: Final[Mapping[str, Mapping[JsonValue, Form]]] = {
    ANNOTATION: by_type([*_REGISTRY_GETS, *_EXTENSIONS]),
    NOTICE: by_type([*_NOTICES, *_EXTENSIONS]),
}
"""What they have a form for, by kind and by the type of our event."""


def arrival(agency: str, change: Change) -> Stated | Confirmed:
    """What a change says. Raises Unreadable."""
    confirmed = letters.opened(change)
    if confirmed is not None:
        return confirmed
    kind = next((kind for kind, name in BUSINESS.items() if name == change.business), "")
    form = THEIRS.get(kind, {}).get(change.action)
    fact = letters.fact_of(change, form)
    return letters.stated(agency, kind, change, fact, opens=isinstance(fact, notice.Sent))


def letter(event: Mapping[str, JsonValue], number: str | None) -> Document:
    """The letter by which the partner gets our copy of an event. `number`: its own of the thread, where it is known."""
    kind = str(event["kind"])
    written = {**letters.letter(event, _form(event)), "business": BUSINESS.get(kind, OTHER)}
    return {**written, "number": number} if number else written


def losses(event: Mapping[str, JsonValue]) -> tuple[Loss, ...]:
    """What our event says and their form does not."""
    return letters.lost(event, _form(event))


def _form(event: Mapping[str, JsonValue]) -> Form | None:
    return OURS.get(str(event["kind"]), {}).get(event["type"])
