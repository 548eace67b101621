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

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic.alias_generators import to_camel

from connectors.channel import Stated
from connectors.errors import Unreadable
from connectors.grid.members import MOMENT, PHOTOS, PLACE, Member, inward, lost, outward, read_moment
from connectors.grid.words import (
    EVENT_TYPES,
    LIMITS,
    LINKS,
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
from contracts.canonical import Document, canonical
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


def _person(ours: str, theirs: str) -> tuple[Member, ...]:
    return (
        Member(f"{ours}/name", theirs),
        Member(f"{ours}/phone", f"{theirs}Phone"),
        Member(f"{ours}/unit", f"{theirs}Dept"),
    )


_GROUND: Final = (Member("ground/code", "reasonType", REASONS), Member("ground/reason", "reason"))
_LIMITED: Final = (
    Member("channel", "source", SOURCES),
    Member("matter", "eventType", EVENT_TYPES),
    Member("limit", "limit", LIMITS),
    Member("do_by", "deadline"),
)
_REASON: Final = (Member("reason", "reason"),)


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a case 环节 that says the same as a fact of ours."""

    action: str
    fact: type[Fact]
    members: tuple[Member, ...]


STEPS: Final = (
    Step(OPENING, workorder.Dispatched, (
        Member("number", "orderNo"),
        Member("recipient", "deptCode"),
        Member("title", "title"),
        Member("content", "description"),
        Member("big_class", "mainClass"),
        Member("small_class", "subClass"),
        Member("grid_number", "gridNo"),
        Member("place", "location", PLACE),
        Member("recorded_at", "reportedAt", MOMENT),
        Member("recorded_by", "receiver"),
        Member("dispatched_at", "dispatchedAt", MOMENT),
        Member("first_contact", "callFirst"),
        Member("remark", "leaderNote"),
        Member("urgency", "urgency", URGENCIES),
        Member("photos", "photos", PHOTOS),
        *_person("contact", "dispatcher"),
        Member("links", "related", LINKS),
        *_LIMITED,
    )),
    Step("改派", workorder.Redispatched, (Member("recipient", "deptCode"), *_REASON, *_LIMITED)),
    Step("接单", workorder.Accepted, (
        Member("channel", "source", SOURCES),
        Member("number", "acceptanceNo"),
        Member("first_contact/contacted_at", "contactedAt", MOMENT),
        Member("first_contact/reached", "reached"),
        Member("first_contact/note", "contactNote"),
        *_person("contact", "operator"),
    )),
    Step("退单", workorder.SentBack, (
        *_GROUND,
        Member("competent_body/name", "competentUnit"),
        Member("competent_body/agency", "competentDeptCode"),
        Member("legal_basis", "basis"),
        Member("attachments", "attachments", PHOTOS),
        *_person("contact", "operator"),
    )),
    Step("退单不成立", workorder.Upheld, _GROUND),
    Step("转案", workorder.CaseLinked, (
        Member("case_number", "lawCaseNo"),
        Member("filed_on", "lawCaseFiledOn"),
        Member("cause/name", "lawCaseCause"),
    )),
    Step("处置完成", workorder.Done, (
        Member("resolution", "result", RESULTS),
        Member("result", "resultText"),
        Member("on_site_at", "arrivedAt", MOMENT),
        Member("done_at", "finishedAt", MOMENT),
        *_person("handled_by", "operator"),
        Member("contacted", "contacted"),
        Member("satisfaction", "satisfaction", SATISFACTIONS),
        Member("before", "photosBefore", PHOTOS),
        Member("after", "photosAfter", PHOTOS),
    )),
    Step("核查通过", workorder.Verified, (
        Member("verified_at", "checkedAt", MOMENT),
        Member("verified_by", "checker"),
        Member("satisfaction", "satisfaction", SATISFACTIONS),
        Member("note", "opinion"),
        Member("photos", "photos", PHOTOS),
    )),
    Step("核查不通过", workorder.Reopened, (*_GROUND, Member("do_by", "deadline"), Member("photos", "photos", PHOTOS))),
    Step("结案", workorder.Closed, (Member("closed_at", "closedAt", MOMENT), Member("note", "opinion"))),
    Step("督办", common.Chased, (Member("concerns", "requirement"), Member("respond_by", "replyBy"))),
    Step("延期申请", common.ExtensionRequested, (*_REASON, Member("new_date", "newDeadline"))),
    Step("延期批准", common.ExtensionGranted, (Member("new_date", "newDeadline"),)),
    Step("延期驳回", common.ExtensionRefused, _REASON),
    Step("撤单申请", common.WithdrawalRequested, _REASON),
    Step("撤单", common.Withdrawn, _REASON),
    Step("撤单驳回", common.WithdrawalRefused, _REASON),
)  # fmt: skip

_BY_FACT: Final = {step.fact: step for step in STEPS}
_BY_ACTION: Final = {step.action: step for step in STEPS}

_LOST: Final = {
    "category": ("案件大类", "the bureaus' own category of the case"),
    "reporter": ("投诉人", "who complained"),
    "dossier": ("档案引用", "the dossier referred to"),
    "contact/address": ("联系地址", "the contact's address"),
    "handled_by/address": ("联系地址", "the contact's address"),
    "competent_body/legal_basis": ("管辖依据", "on what the other body's competence rests"),
    "cause/code": ("案由代码", "the code of the cause"),
    "link": ("转为的往来", "the exchange that the order became"),
    "not_a_case": ("未转案理由", "why no case was filed"),
    "agency": ("申请单位", "who had asked"),
}


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
    found = lost(step.members, data, named)
    losses = tuple(Loss(f"/data/{loss.pointer}", loss.zh, loss.en) for loss in found)
    return Told(step.action, outward(step.members, data), losses)


def has_step(fact: Fact) -> bool:
    """Whether a fact is a step of theirs."""
    return _step_of(type(fact), dump(fact)) is not None


def spoken(event: Mapping[str, JsonValue]) -> str:
    """An event for a reader: its step, and the members in the words of the forms."""
    fact, form = fact_type(event.get("type")), told(event)
    step = _step_of(fact, readable(event.get("data")))
    if step is None:
        return str(form.detail["text"])
    rows = ((member, form.detail.get(member.theirs)) for member in step.members)
    said = [f"{term(step.fact, member.ours)}: {plain(value)}" for member, value in rows if value not in (None, [])]
    return f"{form.action}。{'; '.join(said)}"


def _step_of(fact: type[Fact], data: Mapping[str, JsonValue]) -> Step | None:
    """More time that a rule gives or refuses is nobody's step: they are told of it."""
    return None if "rule" in data else _BY_FACT.get(fact)


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


def named(path: str) -> Loss:
    """What a member that no row carries is called. A member that is new to us is named as it is."""
    return Loss(path, *_LOST.get(path, (f"成员 {path}", f"member {path}")))


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
        at, exchange = read_moment(change.time), _exchange(change, agency)
    except ValidationError as error:
        raise Unreadable(f"change {change.change_no} ({change.action}): {places(error)}") from error
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
    """The fact of a step. Raises KeyError for a step that we do not know, ValueError for what cannot be read."""
    step = _BY_ACTION[action]
    related = detail.get("related")
    if isinstance(related, list):
        detail = {**detail, "related": [_known(item, agency) for item in related]}
    return step.fact.model_validate_json(canonical(inward(step.members, detail)))


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
