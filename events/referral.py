"""涉嫌犯罪案件移送 (行刑衔接): 行政执法机关移送涉嫌犯罪案件的规定 (国务院令 310, 2020)."""

from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from events.fact import Fact
from events.fields import PERSONAL, SEALED, AgencyCode, DocumentNumber, Fen, Instant, Line, Part, Text
from events.parts import (
    Attachment,
    Circumstances,
    Citation,
    Contact,
    Goods,
    GoodsReceipt,
    Ground,
    Link,
    Officer,
    ReportedBy,
)


class Charge(Part):
    """涉嫌罪名. A free list: slag dumping has also gone by 故意毁坏财物."""

    name: Line
    """罪名"""
    code: Line | None = None
    """罪名代码"""
    article: Line | None = None
    """涉嫌触犯《刑法》条款"""


class HeadPost(StrEnum):
    """谁可以批准: 310号令 5, nobody else may."""

    PRINCIPAL = "principal"  # 正职负责人
    ACTING = "acting"  # 主持工作的负责人


class Approver(Part):
    """审批人."""

    name: Annotated[Line, PERSONAL]
    """姓名"""
    post: HeadPost
    """职务"""


class PriorPenalty(Part):
    """移送前已作出的行政处罚. It keeps running and does not replace the referral: 310号令 11."""

    number: DocumentNumber
    """决定书文号"""
    decided_on: date
    """决定日期"""
    content: Text
    """处罚内容"""
    fine: Fen | None = None
    """罚款(分), 折抵罚金"""


class Pending(Part):
    """尚未取得."""

    reason: Text
    """原因"""
    expected_on: date
    """预计取得日期"""


class DossierItem(Part):
    """One item of the dossier: attached, or not applicable for a reason, or pending with a reason and a date.

    Which of the three it is, and whether it is exactly one, is the gate's question, not the form's.
    """

    attachments: tuple[Attachment, ...] = ()
    """材料"""
    not_applicable: Text | None = None
    """不适用的理由"""
    pending: Pending | None = None
    """待补"""

    @property
    def settled(self) -> bool:
        """Whether exactly one of the three is given."""
        return [bool(self.attachments), self.not_applicable is not None, self.pending is not None].count(True) == 1


class Dossier(Part):
    """移送材料: 310号令 6. Every member may be left out here, so that the gate can name all that is missing."""

    transfer_letter: DossierItem | None = None
    """涉嫌犯罪案件移送书"""
    survey_report: DossierItem | None = None
    """涉嫌犯罪案件情况的调查报告"""
    goods_list: DossierItem | None = None
    """涉案物品清单"""
    test_report: DossierItem | None = None
    """有关检验报告或者鉴定结论"""
    other: tuple[Attachment, ...] = ()
    """其他有关涉嫌犯罪的材料"""

    def unsettled(self) -> dict[str, str]:
        """The items that the gate asks for and that are not settled: name to title."""
        items = {name: getattr(self, name) for name in type(self).model_fields if name != "other"}
        return {
            name: type(self).model_fields[name].description or name
            for name, item in items.items()
            if item is None or not item.settled
        }


Group = Annotated[tuple[Officer, ...], Field(min_length=2)]
"""专案组: 310号令 5, two officers or more."""


class Reported(Fact):
    """专案组报告: the group proposes to refer the case, in writing, to the head. 310号令 5."""

    title_zh: ClassVar[str] = "专案组提出移送报告"
    case_number: Line | None = None
    """案号"""
    filed_on: date
    """立案日期"""
    group: Group
    """专案组成员"""
    origin: ReportedBy
    """案件来源"""
    circumstances: Circumstances
    """案情"""
    charge: Charge
    """涉嫌罪名"""
    opinion: Text
    """核实情况及移送意见"""
    reported_at: Instant
    """报告时间"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""
    links: tuple[Link, ...] = ()
    """关联往来"""


class EarlyConsulted(Fact):
    """公安提前介入: the police were consulted before the referral."""

    title_zh: ClassVar[str] = "商请公安提前介入"
    police: AgencyCode
    """公安机关"""
    consulted_at: Instant
    """商请时间"""
    police_contact: Contact
    """公安联系人"""
    opinion: Text
    """公安意见"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""


class Approved(Fact):
    """批准移送: 310号令 5."""

    title_zh: ClassVar[str] = "批准移送"
    approver: Approver
    """审批人"""
    approved_at: Instant
    """批准时间"""
    opinion: Text
    """审批意见"""


class NotApproved(Fact):
    """不批准移送: the reasons stay on file. 310号令 5."""

    title_zh: ClassVar[str] = "不批准移送"
    approver: Approver
    """审批人"""
    decided_at: Instant
    """决定时间"""
    ground: Ground
    """不批准的理由"""


class Sent(Fact):
    """移送: the letter 涉嫌犯罪案件移送书 with its dossier, copied to the procuratorate. 310号令 5, 6."""

    title_zh: ClassVar[str] = "移送"
    number: DocumentNumber
    """文书编号"""
    recipient: AgencyCode
    """受移送公安机关"""
    procuratorate: AgencyCode
    """抄送检察院: 高检会〔2006〕2号 1"""
    case_number: Line | None = None
    """案号"""
    filed_on: date
    """立案日期"""
    origin: ReportedBy
    """案件来源"""
    circumstances: Circumstances
    """案情"""
    charge: Charge
    """涉嫌罪名"""
    group: Group
    """专案组成员"""
    approver: Approver
    """批准人"""
    approved_at: Instant
    """批准时间"""
    legal_basis: Annotated[tuple[Citation, ...], Field(min_length=1)]
    """移送依据"""
    purpose: Line
    """用途: 上海市数据条例 39-40"""
    measures: tuple[Line, ...] = ()
    """已采取措施"""
    prior_penalties: tuple[PriorPenalty, ...] = ()
    """已作出的行政处罚"""
    dossier: Dossier
    """移送材料"""
    goods: tuple[Goods, ...] = ()
    """涉案物品清单"""
    contact: Contact
    """案件主办人"""
    dated: date
    """成文日期"""
    internal_opinion: Annotated[Text | None, SEALED] = None
    """内部意见"""


class Receipted(Fact):
    """回执: the police sign for the referral. 310号令 7."""

    title_zh: ClassVar[str] = "签收回执"
    receiver: Annotated[Line, PERSONAL]
    """签收人"""
    received_at: Instant
    """签收时间"""
    number: DocumentNumber | None = None
    """回执编号"""


class SupplementRequested(Fact):
    """要求补充材料: the police may not refuse for incompleteness; they ask. 公通字〔2016〕16号 3 [R]."""

    title_zh: ClassVar[str] = "要求补充材料"
    number: DocumentNumber | None = None
    """文号"""
    items: Annotated[tuple[Line, ...], Field(min_length=1)]
    """需补充材料"""
    reason: Text
    """理由"""


class Supplemented(Fact):
    """补充材料."""

    title_zh: ClassVar[str] = "补充材料"
    answers: Text
    """补充说明"""
    attachments: tuple[Attachment, ...] = ()
    """补充材料"""


class Forwarded(Fact):
    """转送: to the police organ that is competent, the sender told in writing. 310号令 7."""

    title_zh: ClassVar[str] = "转送有管辖权的公安机关"
    number: DocumentNumber
    """文号"""
    recipient: AgencyCode
    """接收公安机关"""
    procuratorate: AgencyCode | None = None
    """其同级检察院"""
    ground: Ground
    """转送理由"""


class Filed(Fact):
    """立案: written notice. 310号令 8."""

    title_zh: ClassVar[str] = "立案"
    number: DocumentNumber
    """立案决定书文号"""
    filed_on: date
    """立案日期"""
    charge: Charge
    """立案罪名"""
    contact: Contact
    """办案单位联系人"""
    investigation: Annotated[Text | None, SEALED] = None
    """侦查工作安排"""


class Declined(Fact):
    """不予立案: reasons, written notice, the file comes back. 310号令 8."""

    title_zh: ClassVar[str] = "不予立案"
    number: DocumentNumber
    """不予立案通知书文号"""
    decided_on: date
    """决定日期"""
    ground: Ground
    """不予立案理由"""
    file_returned: Literal[True]
    """案卷材料退回"""


class Penalised(Fact):
    """治安处罚: no crime, but the police punish themselves. 生态环境法典 1179; before 2026-08-15 固废法 120."""

    title_zh: ClassVar[str] = "作出治安处罚"
    number: DocumentNumber
    """处罚决定书文号"""
    decided_on: date
    """决定日期"""
    detention_days: Annotated[int, Field(ge=1, le=20)] | None = None
    """行政拘留(日)"""
    fine: Fen | None = None
    """罚款(分)"""
    legal_basis: Annotated[tuple[Citation, ...], Field(min_length=1)]
    """依据"""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.detention_days is None and self.fine is None:
            msg = "a penalty has detention_days or a fine"
            raise ValueError(msg)
        return self


class Returned(Fact):
    """移送行政机关: no crime, but administrative liability; the agency handles it. 310号令 13."""

    title_zh: ClassVar[str] = "移送行政机关处理"
    number: DocumentNumber
    """文号"""
    ground: Ground
    """理由"""
    proposals: Text | None = None
    """处理建议"""
    attachments: tuple[Attachment, ...] = ()
    """随附证据材料"""


class ReturnAccepted(Fact):
    """接回处理: the agency handles administratively what comes back. 310号令 10; 行政处罚法 27."""

    title_zh: ClassVar[str] = "接回依法处理"
    goods: GoodsReceipt | None = None
    """涉案物品接收"""
    note: Text | None = None
    """后续处理"""


class ReconsiderationRequested(Fact):
    """提请复议: to the same police. Either this or oversight. 310号令 9."""

    title_zh: ClassVar[str] = "提请复议"
    number: DocumentNumber
    """文号"""
    reasons: Text
    """复议理由"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""


class ReconsiderationUpheld(Fact):
    """复议维持: 310号令 9."""

    title_zh: ClassVar[str] = "复议维持不予立案"
    number: DocumentNumber
    """复议决定书文号"""
    decided_on: date
    """决定日期"""
    ground: Ground
    """维持理由"""


class ReconsiderationReversed(Fact):
    """复议变更: the police will file the case. 310号令 9."""

    title_zh: ClassVar[str] = "复议决定立案"
    number: DocumentNumber
    """复议决定书文号"""
    decided_on: date
    """决定日期"""


class OversightSuggested(Fact):
    """建议立案监督: to the procuratorate. 310号令 9."""

    title_zh: ClassVar[str] = "建议立案监督"
    number: DocumentNumber
    """建议书文号"""
    reasons: Text
    """建议理由"""
    attachments: tuple[Attachment, ...] = ()
    """附件"""


class ExplanationRequested(Fact):
    """要求说明不立案理由: 检察院办理行政执法机关移送涉嫌犯罪案件的规定 (2001) 10."""

    title_zh: ClassVar[str] = "要求说明不立案理由"
    number: DocumentNumber
    """通知书文号"""
    questions: Text
    """需说明事项"""


class Explained(Fact):
    """说明不立案理由: same rule, 10."""

    title_zh: ClassVar[str] = "说明不立案理由"
    number: DocumentNumber
    """说明书文号"""
    explanation: Annotated[Text, PERSONAL]
    """不立案理由"""


class ExplanationUpheld(Fact):
    """不立案理由成立: the procuratorate tells the agency that suggested oversight. Same rule, 11."""

    title_zh: ClassVar[str] = "认定不立案理由成立"
    number: DocumentNumber
    """文号"""
    ground: Ground
    """理由"""


class FilingOrdered(Fact):
    """通知立案: same rule, 10."""

    title_zh: ClassVar[str] = "通知公安机关立案"
    number: DocumentNumber
    """通知立案书文号"""
    reasons: Text
    """理由"""


class GoodsHandedOver(Fact):
    """移交涉案物品及其他材料: 310号令 12."""

    title_zh: ClassVar[str] = "移交涉案物品和材料"
    goods: tuple[Goods, ...] = ()
    """移交物品清单"""
    materials: Annotated[tuple[Line, ...], Field(min_length=1)]
    """移交材料"""
    receipt: GoodsReceipt
    """交接手续"""


class CaseWithdrawn(Fact):
    """撤销案件: what is left is administrative. 310号令 13; 行政处罚法 27."""

    title_zh: ClassVar[str] = "撤销案件"
    number: DocumentNumber
    """撤销案件决定书文号"""
    decided_on: date
    """决定日期"""
    ground: Ground
    """撤销案件理由"""


class NotProsecuted(Fact):
    """不起诉: the procuratorate passes the matter back, with its opinion if a penalty is due. 刑事诉讼法 177."""

    title_zh: ClassVar[str] = "不起诉"
    number: DocumentNumber
    """不起诉决定书文号"""
    decided_on: date
    """决定日期"""
    ground: Ground
    """不起诉理由"""
    opinion_number: DocumentNumber | None = None
    """检察意见书文号"""


class CriminalOutcome(StrEnum):
    """处理结果."""

    PROSECUTED = "prosecuted"  # 提起公诉
    CONVICTED = "convicted"  # 作出有罪判决
    ACQUITTED = "acquitted"  # 作出无罪判决
    CONSOLIDATED = "consolidated"  # 并案处理


class OutcomeReported(Fact):
    """处理结果告知: "处理情况请告知我局". The exchange ends."""

    title_zh: ClassVar[str] = "处理结果告知"
    number: DocumentNumber
    """文号"""
    outcome: CriminalOutcome
    """处理结果"""
    reported_on: date
    """告知日期"""
    summary: Annotated[Text | None, PERSONAL] = None
    """说明"""
