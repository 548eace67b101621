"""热线工单: what the hotline's forms and our facts of kind `workorder` say, in both directions; pure.

Theirs, in its feed (`number` is 工单编号)         Ours, stated by the hotline
    派单  source type limit deadline unit …            dispatched: channel matter limit do_by recipient …
          callerName callerPhone callerVia             reporter, which is REPORTER: nobody else gets it
          firstContact 是|否                           first_contact
          repeatOf, or found (`repeated`)              links: repeats
    改派  source type limit deadline unit reason       redispatched
    维持  ground groundText                            upheld
    核查通过  verifiedAt verifiedBy satisfaction …       verified
    重办  ground groundText deadline photos            reopened
    结案  closedAt note                                closed
    签收  id of a reply                                Confirmed: retrieved
    评价  unit timeliness quality remark               common.rated
    督办  text respondBy                               common.chased
    同意延期  newDate · 不同意延期  reason             common.extension_granted · extension_refused
    撤单  reason · 申请撤单  reason                    common.withdrawn · withdrawal_requested
Ours, stated by who has the order                  Theirs, in a reply
    accepted: first_contact                            接单  contactedAt reached contactNote, acceptanceNo
    sent_back                                          退单
    case_linked                                        诉转案  caseNo filedOn cause
    done                                               办结  conclusion result satisfaction …
    common.extension_requested                         延期申请
    common.withdrawn, withdrawal_refused               同意撤单, 不同意撤单
    anything else (clocks, corrections, 督办)           告知, with our whole copy

An order repeats another 重复件 if the hotline says so, or if the same class was told of at the same place within so
many days; who called plays no part in that. What their forms have no place for: `losses`.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Final, Self
from uuid import UUID

from pydantic import Field, JsonValue, model_validator

from connectors.channel import Confirmed, Stated
from connectors.errors import Unreadable
from connectors.forms import letters
from connectors.forms.cells import CATEGORY, CITATIONS, COMPETENT, FILES, URGENCY, contact, ground
from connectors.forms.letters import Change
from connectors.forms.table import LOCAL, YES_NO, Cell, Form, Terms, by_action, by_type, local, moment
from connectors.identity import exchange_of
from connectors.losses import Loss
from contracts.canonical import Document
from contracts.files import ContractPart
from events import common, workorder
from events.fields import AgencyCode
from events.parts import Link, Relation

KIND: Final = "workorder"
DISPATCH: Final = "派单"


class Options(ContractPart):
    """What was agreed with a hotline.

    units: its codes of units, and ours; what is not in it is ours already. repeat_days: within how many days the same
    class at the same place is 重复件; 0 leaves that to the hotline alone.
    """

    units: Mapping[str, AgencyCode] = Field(default_factory=dict)
    repeat_days: int = Field(default=15, ge=0, le=366)

    @model_validator(mode="after")
    def _one_for_one(self) -> Self:
        if len({*self.units.values()}) < len(self.units):
            msg = "units: two of its codes mean one of ours; a reply could not say which"
            raise ValueError(msg)
        return self


_SOURCE: Final = Cell(
    "/channel",
    "source",
    Terms(
        {
            "hotline_12345": "12345",
            "hotline_12319": "12319",
            "hotline_962000": "962000",
            "xinmin": "新民帮侬忙",
            "grid": "网格",
            "early": "五早",
            "community": "居委物业",
            "river_chief": "河长",
            "petition": "信访",
            "visit": "来访",
            "inspection": "督察",
        }
    ),
)
_LIMITED: Final = (
    _SOURCE,
    Cell(
        "/matter",
        "type",
        Terms(
            {
                "report": "举报",
                "structure_report": "举报违法建筑",
                "complaint": "投诉",
                "help": "求助",
                "consultation": "咨询",
                "suggestion": "意见建议",
                "finding": "巡查发现",
            }
        ),
    ),
    Cell(
        "/limit",
        "limit",
        Terms({"wd1": "1个工作日", "wd5": "5个工作日", "wd15": "15个工作日", "day": "限期", "none": "未定"}),
    ),
    Cell("/do_by", "deadline"),
)
_SATISFACTION: Final = Terms({"satisfied": "满意", "fair": "基本满意", "dissatisfied": "不满意", "unsaid": "未评价"})
_CONCLUSION: Final = Terms(
    {
        "resolved": "已解决",
        "case": "转案件办理",
        "explained": "解释说明",
        "unfounded": "反映不属实",
        "unresolved": "暂未解决",
    }
)
_MARK: Final = Terms({1: "很不满意", 2: "不满意", 3: "一般", 4: "满意", 5: "很满意"})
_RETURN: Final = ground(
    {
        "not-competent-matter": "不属于本单位职责",
        "not-competent-territory": "不在本辖区",
        "duplicate-order": "重复工单",
        "place-unclear": "地点或事项不明",
    }
)
_UPHOLD: Final = ground({"within-duties": "属于承办单位职责", "return-unproven": "退单理由不成立"})
_REDO: Final = ground(
    {
        "not-remedied": "诉求未解决",
        "relapsed": "问题反复",
        "photos-do-not-show": "照片不符",
        "caller-not-contacted": "未联系来电人",
    }
)

DISPATCHED: Final = Form(
    DISPATCH,
    workorder.Dispatched,
    (
        *_LIMITED,
        Cell("/number", "orderNo"),
        Cell("/recipient", "unit"),
        Cell("/title", "title"),
        Cell("/content", "content"),
        Cell("/category", "category", CATEGORY),
        Cell("/big_class", "bigClass"),
        Cell("/small_class", "smallClass"),
        Cell("/grid_number", "gridNo"),
        Cell("/place/address", "address"),
        Cell("/place/division", "division"),
        Cell("/place/cgcs2000/longitude", "longitude"),
        Cell("/place/cgcs2000/latitude", "latitude"),
        Cell("/recorded_at", "recordedAt", LOCAL),
        Cell("/recorded_by", "recordedBy"),
        Cell("/dispatched_at", "dispatchedAt", LOCAL),
        Cell("/reporter/name", "callerName"),
        Cell("/reporter/phone", "callerPhone"),
        Cell("/reporter/channel", "callerVia"),
        Cell("/first_contact", "firstContact", YES_NO),
        Cell("/remark", "remark"),
        Cell("/urgency", "urgency", URGENCY),
        Cell("/photos", "photos", FILES),
        *contact(),
    ),
)

THEIRS: Final = by_action(
    [
        DISPATCHED,
        Form("改派", workorder.Redispatched, (*_LIMITED, Cell("/recipient", "unit"), Cell("/reason", "reason"))),
        Form("维持", workorder.Upheld, _UPHOLD),
        Form(
            "核查通过",
            workorder.Verified,
            (
                Cell("/verified_at", "verifiedAt", LOCAL),
                Cell("/verified_by", "verifiedBy"),
                Cell("/satisfaction", "satisfaction", _SATISFACTION),
                Cell("/note", "note"),
                Cell("/photos", "photos", FILES),
            ),
        ),
        Form("重办", workorder.Reopened, (*_REDO, Cell("/do_by", "deadline"), Cell("/photos", "photos", FILES))),
        Form("结案", workorder.Closed, (Cell("/closed_at", "closedAt", LOCAL), Cell("/note", "note"))),
        Form(
            "评价",
            common.Rated,
            (
                Cell("/agency", "unit"),
                Cell("/timeliness", "timeliness", _MARK),
                Cell("/quality", "quality", _MARK),
                Cell("/remark", "remark"),
            ),
        ),
        Form("督办", common.Chased, (Cell("/concerns", "text"), Cell("/respond_by", "respondBy"))),
        Form("同意延期", common.ExtensionGranted, (Cell("/new_date", "newDate"), Cell("/agency", "unit"))),
        Form("不同意延期", common.ExtensionRefused, (Cell("/reason", "reason"), Cell("/agency", "unit"))),
        Form("撤单", common.Withdrawn, (Cell("/reason", "reason"),)),
        Form("申请撤单", common.WithdrawalRequested, (Cell("/reason", "reason"),)),
    ]
)
"""What the hotline states, by its action."""

OURS: Final = by_type(
    [
        Form(
            "接单",
            workorder.Accepted,
            (
                _SOURCE,
                Cell("/number", "acceptanceNo"),
                Cell("/first_contact/contacted_at", "contactedAt", LOCAL),
                Cell("/first_contact/reached", "reached", YES_NO),
                Cell("/first_contact/note", "contactNote"),
                *contact(),
            ),
        ),
        Form(
            "退单",
            workorder.SentBack,
            (
                *_RETURN,
                *COMPETENT,
                Cell("/legal_basis", "basis", CITATIONS),
                Cell("/attachments", "files", FILES),
                *contact(),
            ),
        ),
        Form(
            "诉转案",
            workorder.CaseLinked,
            (
                Cell("/case_number", "caseNo"),
                Cell("/filed_on", "filedOn"),
                Cell("/cause/name", "cause"),
                Cell("/category", "category", CATEGORY),
            ),
        ),
        Form(
            "办结",
            workorder.Done,
            (
                Cell("/resolution", "conclusion", _CONCLUSION),
                Cell("/result", "result"),
                Cell("/on_site_at", "onSiteAt", LOCAL),
                Cell("/done_at", "doneAt", LOCAL),
                *contact("handled_by"),
                Cell("/contacted", "contacted", YES_NO),
                Cell("/satisfaction", "satisfaction", _SATISFACTION),
                Cell("/not_a_case", "notACase"),
                Cell("/before", "before", FILES),
                Cell("/after", "after", FILES),
            ),
        ),
        Form("延期申请", common.ExtensionRequested, (Cell("/reason", "reason"), Cell("/new_date", "newDate"))),
        Form("同意撤单", common.Withdrawn, (Cell("/reason", "reason"),)),
        Form("不同意撤单", common.WithdrawalRefused, (Cell("/reason", "reason"),)),
    ]
)
"""What the hotline has a form for, by the type of our event."""


def arrival(agency: str, change: Change, options: Options, repeats: str | None = None) -> Stated | Confirmed:
    """What a change says. `repeats`: the number of the order that an order repeats. Raises Unreadable."""
    confirmed = letters.opened(change)
    if confirmed is not None:
        return confirmed
    form = THEIRS.get(change.action)
    fact = letters.fact_of(change, form, {**change.form, **_unit(change.form, options)})
    if isinstance(fact, workorder.Dispatched) and fact.number != change.number:
        raise Unreadable(f"change {change.id} ({change.action}): orderNo is not the number of the order")
    if isinstance(fact, workorder.Dispatched) and repeats is not None:
        fact = fact.model_copy(update={"links": (_repeats(agency, repeats),)})
    return letters.stated(agency, KIND, change, fact, opens=form is DISPATCHED)


def reply(event: Mapping[str, JsonValue], number: str, options: Options) -> Document:
    """The reply by which the hotline gets our copy of an event about its order."""
    ours = {code: unit for unit, code in options.units.items()}
    letter = letters.letter(event, OURS.get(event["type"]))
    return {**letter, "number": number, "unit": ours.get(str(event["source"]), str(event["source"]))}


def losses(event: Mapping[str, JsonValue]) -> tuple[Loss, ...]:
    """What our event says and the hotline's form does not."""
    return letters.lost(event, OURS.get(event["type"]))


def asks_for(change: Change, options: Options) -> dict[str, str] | None:
    """By what to look for orders that an order may repeat; None where there is nothing to look for."""
    matter = _matter(change.form)
    if change.action != DISPATCH or change.form.get("repeatOf") or matter is None or not options.repeat_days:
        return None
    division, _, class_ = matter
    since = change.at - timedelta(days=options.repeat_days)
    return {"before": str(change.id), "since": local(since), "division": division, "class": class_}


def repeated(change: Change, earlier: Iterable[JsonValue], options: Options) -> str | None:
    """The number of the order that this one repeats: the one that the hotline names, else the last about the same.

    earlier: orders as the hotline tells of them. Only those before this change count, so the answer is always the same.
    """
    named = change.form.get("repeatOf")
    if isinstance(named, str) and named:
        return named if named != change.number else None
    matter, since = _matter(change.form), change.at - timedelta(days=options.repeat_days)
    found: dict[int, str] = {}
    for order in earlier:
        id_, number = (order.get("changeNo"), order.get("number")) if isinstance(order, dict) else (None, None)
        if not (isinstance(order, dict) and isinstance(id_, int) and isinstance(number, str)):
            raise Unreadable("an earlier order without changeNo and number")
        near = since <= moment(order.get("dispatchedAt")) <= change.at
        if near and id_ < change.id and number != change.number and _matter(order) == matter:
            found[id_] = number
    return found[max(found)] if found else None


def _matter(form: Mapping[str, JsonValue]) -> tuple[str, str, str] | None:
    """Where and what, whoever tells it: 区划, 地址, 小类 (else 大类)."""
    class_ = form.get("smallClass") or form.get("bigClass")
    division, address = form.get("division"), form.get("address")
    if not (isinstance(class_, str) and isinstance(division, str) and isinstance(address, str)):
        return None
    return division, re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", address)).casefold(), class_


def _repeats(agency: str, number: str) -> Link:
    return Link(relation=Relation.REPEATS, kind=KIND, exchange=UUID(exchange_of(agency, number)))


def _unit(form: Mapping[str, JsonValue], options: Options) -> Document:
    """The unit that a form names, by our code."""
    unit = form.get("unit")
    return {"unit": options.units.get(unit, unit)} if isinstance(unit, str) else {}
