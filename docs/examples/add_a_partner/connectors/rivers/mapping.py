"""河长派单: what the river chiefs' forms and our facts of kind `workorder` say, in both directions; pure.

Theirs, in its feed (`number` is 交办单号)          Ours, stated by the water bureau
    交办  unit title content river deadline …          dispatched: by channel river_chief, the matter a finding
    改派  unit deadline reason                         redispatched
    维持  ground groundText                            upheld
    复核通过 · 复核不通过 · 销号                       verified · reopened · closed
    同意延期 · 不同意延期 · 撤回                       common.extension_granted · extension_refused · withdrawn
    签收  id of a letter                               Confirmed: retrieved
Ours, about such an order                          Theirs, in a letter
    accepted · sent_back · done                        接单 · 退单 · 办结
    common.extension_requested                         延期申请
    anything else, and of any other kind               告知, with our whole copy

Their forms name no channel, matter or limit, which every order of ours has: `_filled` says what they mean by that.
What their forms have no place for: `losses`.
"""

from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

from connectors.channel import Confirmed, Stated
from connectors.forms import letters
from connectors.forms.cells import COMPETENT, FILES, contact, ground
from connectors.forms.letters import Change
from connectors.forms.table import LOCAL, YES_NO, Cell, Form, Terms, by_action, by_type
from connectors.losses import Loss
from contracts.canonical import Document
from events import common, workorder

KIND: Final = "workorder"

_SOURCE: Final = Cell("/channel", "source", Terms({"river_chief": "河长"}))
_LIMITED: Final = (
    _SOURCE,
    Cell("/matter", "type", Terms({"finding": "巡河发现"})),
    Cell("/limit", "limit", Terms({"day": "限期", "none": "不限期"})),
    Cell("/do_by", "deadline"),
    Cell("/recipient", "unit"),
)
_UPHELD: Final = ground({"within-duties": "属于承办单位职责", "return-unproven": "退单理由不成立"})
_SENT_BACK: Final = ground(
    {
        "not-competent-matter": "不属于本单位职责",
        "not-competent-territory": "不在本辖区",
        "duplicate-order": "重复交办",
        "place-unclear": "河段或问题不明",
    }
)
_REOPENED: Final = ground({"not-remedied": "未整改到位", "relapsed": "问题反弹", "photos-do-not-show": "照片不符"})
_CONCLUSION: Final = Terms(
    {
        "resolved": "已整改",
        "case": "转案件办理",
        "explained": "已说明",
        "unfounded": "不属实",
        "unresolved": "暂未整改",
    }
)

DISPATCHED: Final = Form(
    "交办",
    workorder.Dispatched,
    (
        *_LIMITED,
        Cell("/number", "orderNo"),
        Cell("/title", "title"),
        Cell("/content", "content"),
        Cell("/place/address", "river"),
        Cell("/place/division", "division"),
        Cell("/recorded_at", "foundAt", LOCAL),
        Cell("/dispatched_at", "dispatchedAt", LOCAL),
        Cell("/photos", "photos", FILES),
        *contact(),
    ),
)

THEIRS: Final = by_action(
    [
        DISPATCHED,
        Form("改派", workorder.Redispatched, (*_LIMITED, Cell("/reason", "reason"))),
        Form("维持", workorder.Upheld, _UPHELD),
        Form(
            "复核通过",
            workorder.Verified,
            (
                Cell("/verified_at", "verifiedAt", LOCAL),
                Cell("/verified_by", "verifiedBy"),
                Cell("/note", "note"),
                Cell("/photos", "photos", FILES),
            ),
        ),
        Form(
            "复核不通过",
            workorder.Reopened,
            (*_REOPENED, Cell("/do_by", "deadline"), Cell("/photos", "photos", FILES)),
        ),
        Form("销号", workorder.Closed, (Cell("/closed_at", "closedAt", LOCAL), Cell("/note", "note"))),
        Form("同意延期", common.ExtensionGranted, (Cell("/new_date", "newDate"),)),
        Form("不同意延期", common.ExtensionRefused, (Cell("/reason", "reason"),)),
        Form("撤回", common.Withdrawn, (Cell("/reason", "reason"),)),
    ]
)
"""What the river chiefs state, by their action."""

OURS: Final = by_type(
    [
        Form("接单", workorder.Accepted, (_SOURCE, Cell("/number", "acceptanceNo"), *contact())),
        Form("退单", workorder.SentBack, (*_SENT_BACK, *COMPETENT, *contact())),
        Form(
            "办结",
            workorder.Done,
            (
                Cell("/resolution", "conclusion", _CONCLUSION),
                Cell("/result", "result"),
                Cell("/done_at", "doneAt", LOCAL),
                *contact("handled_by"),
                Cell("/contacted", "contacted", YES_NO),
                Cell("/before", "before", FILES),
                Cell("/after", "after", FILES),
            ),
        ),
        Form("延期申请", common.ExtensionRequested, (Cell("/reason", "reason"), Cell("/new_date", "newDate"))),
    ]
)
"""What they have a form for, by the type of our event."""


def arrival(agency: str, change: Change) -> Stated | Confirmed:
    """What a change says. Raises Unreadable."""
    confirmed = letters.opened(change)
    if confirmed is not None:
        return confirmed
    form = THEIRS.get(change.action)
    fact = letters.fact_of(change, form, _filled(change))
    return letters.stated(agency, KIND, change, fact, opens=form is DISPATCHED)


def letter(event: Mapping[str, JsonValue], number: str | None) -> Document:
    """The letter by which they get our copy of an event. `number`: theirs of the order, where it is one of theirs."""
    written = letters.letter(event, _form(event))
    return {**written, "number": number} if number else written


def losses(event: Mapping[str, JsonValue]) -> tuple[Loss, ...]:
    """What our event says and their form does not."""
    return letters.lost(event, _form(event))


def _form(event: Mapping[str, JsonValue]) -> Form | None:
    return OURS.get(event["type"]) if event["kind"] == KIND else None


def _filled(change: Change) -> Document:
    """Their form with what it leaves unsaid: a finding of a river chief, for a day or for none, under its number."""
    limit = "限期" if change.form.get("deadline") else "不限期"
    return {**change.form, "orderNo": change.number, "source": "河长", "type": "巡河发现", "limit": limit}
