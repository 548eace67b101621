"""Our work orders and the cases 案卷 of a grid centre, both ways; pure.

No interface of such a system is public: this one has the stages of its trade (受理 立案 派遣 处置 督办 核查 结案), the
classes of GB/T 30428 and the members of 市民事件交办单.

| fact | step 环节 | their members |
|---|---|---|
| `dispatched` | 派遣 | orderNo deptCode title description mainClass subClass gridNo location reportedAt |
| | | receiver dispatchedAt callFirst leaderNote urgency photos dispatcher… related |
| | | source eventType limit deadline |
| `redispatched` | 改派 | deptCode reason source eventType limit deadline |
| `accepted` | 接单 | source acceptanceNo contactedAt reached contactNote operator… |
| `sent_back` | 退单 | reasonType reason competentUnit competentDeptCode basis attachments operator… |
| `upheld` | 退单不成立 | reasonType reason |
| `case_linked` | 转案 | lawCaseNo lawCaseFiledOn lawCaseCause |
| `done` | 处置完成 | result resultText arrivedAt finishedAt operator… contacted satisfaction |
| | | photosBefore photosAfter |
| `verified` | 核查通过 | checkedAt checker satisfaction opinion photos |
| `reopened` | 核查不通过 | reasonType reason deadline photos |
| `closed` | 结案 | closedAt opinion |
| `chased` | 督办 | requirement replyBy |
| `extension_requested` | 延期申请 | reason newDeadline |
| `extension_granted` | 延期批准 | newDeadline |
| `extension_refused` | 延期驳回 | reason |
| `withdrawal_requested` | 撤单申请 | reason |
| `withdrawn` | 撤单 | reason |
| `withdrawal_refused` | 撤单驳回 | reason |
| every other fact, and an extension by a rule | 备注 | text: in words only |
| none: a step of their own house | 受理 立案 备注 | |

| ours | theirs |
|---|---|
| exchange | externalId of a case that we opened; else made of agency and caseNo, always the same |
| id of an event | `grid-` and changeNo |
| an instant | Beijing's time to the second |
| codes of grounds, channels, resolutions | their words (words.py) |
| positions in CGCS 2000 and WGS 84 | one position, and of which system |
| attachment | name digest size mediaType; in what they offer also url, where it can be fetched |

`operator…` is operator, operatorPhone, operatorDept. What their form has no place for is named (`Told.losses`) and goes
along with what is handed over. Reporters 投诉人 are neither sent nor taken: they stay with who took the call. The
signature stays on the bus.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic.alias_generators import to_camel

from connectors.channel import Stated
from connectors.errors import Unreadable
from connectors.forms.table import LOCAL, Cell, Form, blank, by_action, by_type, moment, under
from connectors.grid.ways import PHOTOS, Placed, Related
from connectors.grid.words import (
    EVENT_TYPES,
    LIMITS,
    REASONS,
    RESULTS,
    SATISFACTIONS,
    SOURCES,
    URGENCIES,
    in_words,
    plain,
    term,
)
from connectors.identity import exchange_of
from connectors.losses import Loss
from contracts.canonical import Document
from contracts.codec import dump, fact_type
from events import common, workorder
from events.envelope import DIGEST, SALTS
from events.fact import Fact

KIND: Final = "workorder"
WITHHELD: Final = "（依协议不予提供）"
"""Stands in their form where our copy withholds a text that the form asks for."""

OPENING: Final = "派遣"
REMARK: Final = "备注"
INNER: Final = frozenset({"受理", "立案", REMARK})
"""Steps of their own house: no fact of ours."""

PICTURES: Final = ("photos", "photosBefore", "photosAfter", "attachments")
"""Where a step has photos and papers."""

# --- the table


_PERSON: Final = (Cell("/name", ""), Cell("/phone", "Phone"), Cell("/unit", "Dept"))
_PLACE_IN_LIST: Final = re.compile(r"/\d+(?=/|$)")

_GROUND: Final = (Cell("/ground/code", "reasonType", REASONS), Cell("/ground/reason", "reason"))
_LIMITED: Final = (
    Cell("/channel", "source", SOURCES),
    Cell("/matter", "eventType", EVENT_TYPES),
    Cell("/limit", "limit", LIMITS),
    Cell("/do_by", "deadline"),
)
_REASON: Final = (Cell("/reason", "reason"),)


STEPS: Final = (
    Form(OPENING, workorder.Dispatched, (
        Cell("/number", "orderNo"),
        Cell("/recipient", "deptCode"),
        Cell("/title", "title"),
        Cell("/content", "description"),
        Cell("/big_class", "mainClass"),
        Cell("/small_class", "subClass"),
        Cell("/grid_number", "gridNo"),
        Cell("/place", "location", Placed()),
        Cell("/recorded_at", "reportedAt", LOCAL),
        Cell("/recorded_by", "receiver"),
        Cell("/dispatched_at", "dispatchedAt", LOCAL),
        Cell("/first_contact", "callFirst"),
        Cell("/remark", "leaderNote"),
        Cell("/urgency", "urgency", URGENCIES),
        Cell("/photos", "photos", PHOTOS),
        *under("/contact", "dispatcher", _PERSON),
        Cell("/links", "related", Related()),
        *_LIMITED,
    )),
    Form("改派", workorder.Redispatched, (Cell("/recipient", "deptCode"), *_REASON, *_LIMITED)),
    Form("接单", workorder.Accepted, (
        Cell("/channel", "source", SOURCES),
        Cell("/number", "acceptanceNo"),
        Cell("/first_contact/contacted_at", "contactedAt", LOCAL),
        Cell("/first_contact/reached", "reached"),
        Cell("/first_contact/note", "contactNote"),
        *under("/contact", "operator", _PERSON),
    )),
    Form("退单", workorder.SentBack, (
        *_GROUND,
        Cell("/competent_body/name", "competentUnit"),
        Cell("/competent_body/agency", "competentDeptCode"),
        Cell("/legal_basis", "basis"),
        Cell("/attachments", "attachments", PHOTOS),
        *under("/contact", "operator", _PERSON),
    )),
    Form("退单不成立", workorder.Upheld, _GROUND),
    Form("转案", workorder.CaseLinked, (
        Cell("/case_number", "lawCaseNo"),
        Cell("/filed_on", "lawCaseFiledOn"),
        Cell("/cause/name", "lawCaseCause"),
    )),
    Form("处置完成", workorder.Done, (
        Cell("/resolution", "result", RESULTS),
        Cell("/result", "resultText"),
        Cell("/on_site_at", "arrivedAt", LOCAL),
        Cell("/done_at", "finishedAt", LOCAL),
        *under("/handled_by", "operator", _PERSON),
        Cell("/contacted", "contacted"),
        Cell("/satisfaction", "satisfaction", SATISFACTIONS),
        Cell("/before", "photosBefore", PHOTOS),
        Cell("/after", "photosAfter", PHOTOS),
    )),
    Form("核查通过", workorder.Verified, (
        Cell("/verified_at", "checkedAt", LOCAL),
        Cell("/verified_by", "checker"),
        Cell("/satisfaction", "satisfaction", SATISFACTIONS),
        Cell("/note", "opinion"),
        Cell("/photos", "photos", PHOTOS),
    )),
    Form("核查不通过", workorder.Reopened, (*_GROUND, Cell("/do_by", "deadline"), Cell("/photos", "photos", PHOTOS))),
    Form("结案", workorder.Closed, (Cell("/closed_at", "closedAt", LOCAL), Cell("/note", "opinion"))),
    Form("督办", common.Chased, (Cell("/concerns", "requirement"), Cell("/respond_by", "replyBy"))),
    Form("延期申请", common.ExtensionRequested, (*_REASON, Cell("/new_date", "newDeadline"))),
    Form("延期批准", common.ExtensionGranted, (Cell("/new_date", "newDeadline"),)),
    Form("延期驳回", common.ExtensionRefused, _REASON),
    Form("撤单申请", common.WithdrawalRequested, _REASON),
    Form("撤单", common.Withdrawn, _REASON),
    Form("撤单驳回", common.WithdrawalRefused, _REASON),
)  # fmt: skip
"""The steps of a case 环节 that say the same as a fact of ours."""

_BY_TYPE: Final = by_type(STEPS)
_BY_ACTION: Final = by_action(STEPS)

_MOMENTS: Final = (
    "/recorded_at",
    "/dispatched_at",
    "/first_contact/contacted_at",
    "/on_site_at",
    "/done_at",
    "/verified_at",
    "/closed_at",
)
_LISTS: Final = ("/photos", "/attachments", "/before", "/after")
LOST: Final[Mapping[str, tuple[str, str]]] = {
    "/category": ("案件大类", "the bureaus' own category of the case"),
    "/reporter": ("投诉人", "who complained"),
    "/dossier": ("档案引用", "the dossier referred to"),
    "/contact/address": ("联系地址", "the contact's address"),
    "/handled_by/address": ("联系地址", "the contact's address"),
    "/competent_body/legal_basis": ("管辖依据", "on what the other body's competence rests"),
    "/cause/code": ("案由代码", "the code of the cause"),
    "/link": ("转为的往来", "the exchange that the order became"),
    "/not_a_case": ("未转案理由", "why no case was filed"),
    "/agency": ("申请单位", "who had asked"),
}
"""What their form has no place for, in the words of the trade."""

_IN_PART: Final[Mapping[str, tuple[str, str]]] = {
    **LOST,
    "/place/wgs84": ("第二套坐标", "the position in a second system"),
    "/place/red_line": ("道路红线内/外", "within the red line of the road or not"),
    "/links/*": ("其他关联往来", "a link that is neither an origin nor a repetition"),
    "/links/*/sequence": ("关联事件序号", "which event of the linked exchange"),
    **dict.fromkeys(_MOMENTS, ("秒以下的时刻", "fractions of a second")),
    **{f"{files}/*/copies": ("份数", "number of copies") for files in _LISTS},
    **{f"{files}/*/pages": ("页数", "number of pages") for files in _LISTS},
}
"""The same, and what their form carries in part; * is any place in a list."""


# --- ours to theirs


@dataclass(frozen=True, slots=True)
class Told:
    """What a copy of an event is in their form, and what of it is lost there."""

    action: str
    detail: Document
    losses: tuple[Loss, ...]


def told(event: Mapping[str, JsonValue]) -> Told:
    """Their form of an event of a work order, as far as the copy shows it."""
    fact, data = fact_type(event.get("type")), readable(event.get("data"))
    step = _step_of(fact, data)
    if step is None:
        only_words = Loss("/data", "整件仅以备注文字送达", "the whole is told in words only")
        return Told(REMARK, {"text": in_words(fact, data)}, (only_words,))
    return Told(step.action, step.fill(data), worded(step.losses(data), _IN_PART))


def has_step(fact: Fact) -> bool:
    """Whether a fact is a step of theirs."""
    return _step_of(type(fact), dump(fact)) is not None


def spoken(event: Mapping[str, JsonValue]) -> str:
    """An event for a reader: its step, and the members in the words of the forms."""
    fact, form = fact_type(event.get("type")), told(event)
    step = _step_of(fact, readable(event.get("data")))
    if step is None:
        return str(form.detail["text"])
    rows = ((cell, form.detail.get(cell.theirs)) for cell in step.cells)
    said = [f"{term(step.fact, cell.ours)}: {plain(value)}" for cell, value in rows if not blank(value)]
    return f"{form.action}。{'; '.join(said)}"


def _step_of(fact: type[Fact], data: Mapping[str, JsonValue]) -> Form | None:
    """More time that a rule gives or refuses is nobody's step: they are told of it."""
    return None if "rule" in data else _BY_TYPE.get(fact.type())


def noted(losses: Iterable[Loss]) -> list[JsonValue]:
    """Losses as they go along with what is handed over."""
    return [{"pointer": loss.pointer, "zh": loss.zh, "en": loss.en} for loss in losses]


def readable(data: JsonValue) -> Document:
    """The data of a copy without salts and reporters, and with words where a text is withheld."""
    given = data if isinstance(data, dict) else {}
    return {
        name: _shown(value)
        for name, value in given.items()
        if name != SALTS and not (name == "reporter" and isinstance(value, dict) and DIGEST in value)
    }


def _shown(value: JsonValue) -> JsonValue:
    if isinstance(value, list):
        return [_shown(item) for item in value]
    if isinstance(value, dict):
        return WITHHELD if value.keys() == {DIGEST} else {name: _shown(item) for name, item in value.items()}
    return value


def worded(losses: Iterable[Loss], words: Mapping[str, tuple[str, str]]) -> tuple[Loss, ...]:
    """Losses of data as those of its event, in these words. A member that is new to us is named as it is."""
    return tuple(_worded(loss.pointer, words) for loss in losses)


def _worded(pointer: str, words: Mapping[str, tuple[str, str]]) -> Loss:
    name = pointer.removeprefix("/")
    said = words.get(_PLACE_IN_LIST.sub("/*", pointer), (f"成员 {name}", f"member {name}"))
    return Loss(f"/data{pointer}", *said)


# --- theirs to ours


class Change(BaseModel):
    """One line of their list of changes."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, extra="ignore")

    change_no: int = Field(ge=1)
    case_no: str = Field(pattern=r"^\S(?:.*\S)?$", max_length=100)
    external_id: str | None = None
    """What who opened the case calls it, where they did not open it themselves."""
    by_external_id: str | None = None
    """The call of somebody else's that made the change."""
    action: str
    time: str
    detail: dict[str, JsonValue] = Field(default_factory=dict)


def read_change(form: JsonValue) -> Change:
    """One line. Raises Unreadable."""
    try:
        return Change.model_validate(form)
    except ValidationError as error:
        number = form.get("changeNo") if isinstance(form, dict) else None
        raise Unreadable(f"change {number if isinstance(number, int) else '?'}: {places(error)}") from error


def stated(change: Change, agency: str) -> Stated | None:
    """The fact that a change states; None for steps of their own house and for what we did ourselves.

    Raises Unreadable.
    """
    if change.action in INNER or change.by_external_id is not None:
        return None
    if change.action not in _BY_ACTION:
        raise Unreadable(f"change {change.change_no}: there is no step {change.action[:20]}")
    opens = change.action == OPENING
    detail = {"orderNo": change.case_no, **change.detail} if opens else change.detail
    try:
        fact = read_step(change.action, detail, agency)
        at, exchange = moment(change.time), _exchange(change, agency)
    except Unreadable as error:
        raise Unreadable(f"change {change.change_no} ({change.action}): {error}") from error
    except ValueError as error:
        raise Unreadable(f"change {change.change_no} ({change.action}) is not of the form") from error
    return Stated(
        id=f"grid-{change.change_no}",
        fact=fact,
        kind=KIND,
        exchange=exchange,
        time=at,
        case=change.case_no if opens else None,
        reference=change.case_no,
    )


def read_step(action: str, detail: Mapping[str, JsonValue], agency: str) -> Fact:
    """The fact of a step. Raises KeyError for a step that we do not know, Unreadable for what is not of the form."""
    step = _BY_ACTION[action]
    related = detail.get("related")
    if isinstance(related, list):
        detail = {**detail, "related": [_known(item, agency) for item in related]}
    return step.read(detail)


def change_number(event_id: str) -> int | None:
    """Which change of theirs an event of theirs was."""
    number = event_id.removeprefix("grid-")
    return int(number) if number != event_id and number.isdecimal() else None


def pictures(detail: Mapping[str, JsonValue]) -> list[Document]:
    """Every photo and attachment of a step."""
    lists = [found for name in PICTURES if isinstance(found := detail.get(name), list)]
    return [item for item in chain.from_iterable(lists) if isinstance(item, dict)]


def _exchange(change: Change, agency: str) -> str:
    return str(UUID(change.external_id)) if change.external_id else exchange_of(agency, change.case_no)


def _known(link: JsonValue, agency: str) -> JsonValue:
    """A case of their own that they name by its number."""
    if isinstance(link, dict) and not link.get("externalId") and isinstance(link.get("caseNo"), str):
        return {**link, "externalId": exchange_of(agency, str(link["caseNo"]))}
    return link


def places(error: ValidationError) -> str:
    """Where something is wrong, without the values: they may be personal."""
    return "; ".join(f"{'/'.join(map(str, item['loc']))}: {item['type']}" for item in error.errors())
