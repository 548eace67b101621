"""Our work orders and Open311 service requests (GeoReport v2), both ways; pure.

| fact | Open311 |
|---|---|
| `dispatched`, outward | POST requests |
| `dispatched`, inward | a request that is new |
| `verified` and `closed` of theirs | their request is `closed` |
| `accepted` and `done` of theirs | the request that we made is `closed` |
| every other fact, outward | POST servicerequestupdates (mySociety's extension): in words only |

| ours | theirs |
|---|---|
| small_class, GB/T 30428 | service_code, `other` where they have none such |
| content | description, of at most 4,000 characters |
| place: address, WGS 84; grid_number | address_string (address), lat, long; address_id |
| exchange of an order of ours | attribute `external_id`, which they echo |
| number, recipient, title, channel, limit … | attributes of their service definition (`ATTRIBUTES`) |
| first photo | media_url, where the contract says under which url our files are to be had (`media`) |
| status_notes of a closed request | note of `verified`, result of `done` |

The standard knows open and closed and nothing between: what they say of 督办, 延期, 退单 and 核查不通过 does not come
through it, and whoever has it to say telephones. Attributes come back only with the extension `attributes`
(extensions=true); a request without them has the defaults of `opened`. What is asked for by updated_after is the draft
v2.1's; a server that does not know it answers with all of its last 90 days, which are sifted here.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import quote
from uuid import UUID

from pydantic import JsonValue, ValidationError

from connectors.channel import Stated
from connectors.errors import Unreadable
from connectors.forms.members import losses
from connectors.forms.table import Cell, Form, Terms
from connectors.grid.mapping import KIND, LOST, Told, places, readable, spoken, worded
from connectors.grid.ways import DEGREES
from connectors.grid.words import EVENT_TYPES, LIMITS, SOURCES, URGENCIES
from connectors.identity import exchange_of
from contracts.calendar import SHANGHAI
from contracts.canonical import Document, instant
from events import common, workorder
from events.fact import Fact
from events.parts import Contact

LONGEST: Final = 4000
"""Characters of a description."""

NOT_GIVEN: Final = "（未提供）"
"""Where our form asks for a text that Open311 does not carry."""

OTHER: Final = "other"
"""The service of what is in no service of theirs."""


@dataclass(frozen=True, slots=True)
class _Cut:
    """The beginning of a long text."""

    def out(self, value: JsonValue) -> JsonValue:
        """What there is room for."""
        return str(value)[:LONGEST]

    def back(self, value: JsonValue) -> JsonValue:
        """Itself."""
        return value


_TRUTH: Final = Terms({True: "true", False: "false"}, open=True)
_LOST: Final = {
    **LOST,
    "/content": (f"{LONGEST}字以后的文字", f"text after {LONGEST} characters"),
    "/photos/*": ("其余照片", "a photo beside the first"),
}


def _argument(code: str) -> str:
    return f"attribute[{code}]"


ORDER: Final = Form(
    "POST requests",
    workorder.Dispatched,
    (
        Cell("/small_class", "service_code"),
        Cell("/content", "description", _Cut()),
        Cell("/place/address", "address_string"),
        Cell("/place/wgs84/latitude", "lat", DEGREES),
        Cell("/place/wgs84/longitude", "long", DEGREES),
        Cell("/grid_number", "address_id"),
        Cell("/number", _argument("order_no")),
        Cell("/recipient", _argument("dept_code")),
        Cell("/title", _argument("title")),
        Cell("/big_class", _argument("main_class")),
        Cell("/place/division", _argument("area_code")),
        Cell("/channel", _argument("source"), SOURCES),
        Cell("/matter", _argument("event_type"), EVENT_TYPES),
        Cell("/limit", _argument("limit"), LIMITS),
        Cell("/do_by", _argument("deadline")),
        Cell("/urgency", _argument("urgency"), URGENCIES),
        Cell("/first_contact", _argument("call_first"), _TRUTH),
        Cell("/recorded_at", _argument("reported_at")),
        Cell("/dispatched_at", _argument("dispatched_at")),
        Cell("/contact/name", _argument("contact_name")),
        Cell("/contact/phone", _argument("contact_phone")),
        Cell("/contact/unit", _argument("contact_dept")),
    ),
)
EXTERNAL_ID: Final = "external_id"
LOSSES: Final = "losses"
ATTRIBUTES: Final = (
    EXTERNAL_ID,
    LOSSES,
    *(cell.theirs[10:-1] for cell in ORDER.cells if cell.theirs.startswith("attribute[")),
)
"""What a service definition of the partner asks for beyond the standard."""


# --- ours to theirs


def request(event: Mapping[str, JsonValue], services: Collection[str], media: str | None = None) -> Told:
    """The arguments of POST requests for an order.

    `services`: the codes that they take; another class goes as OTHER. `media`: under which url our files are to be had.
    """
    data = readable(event.get("data"))
    form, found = ORDER.fill(data), [*ORDER.losses(data)]
    if form.get("service_code") not in services:
        found += losses(ORDER.fact, {"small_class": data.get("small_class")}, {})
        form["service_code"] = OTHER
    photos = data.get("photos")
    if media is not None and isinstance(photos, list) and photos and isinstance(photos[0], dict):
        form["media_url"] = f"{media.rstrip('/')}/{photos[0]['digest']}"
        found = [loss for loss in found if loss.pointer != "/photos"]
        found += losses(ORDER.fact, {"photos": photos}, {"photos": photos[:1]})
    if "address_string" not in form and "lat" not in form:
        form["address_string"] = NOT_GIVEN
    form[_argument(EXTERNAL_ID)] = event.get("exchange")
    lost = worded(found, _LOST)
    if lost:
        form[_argument(LOSSES)] = "; ".join(f"{loss.zh} {loss.pointer}" for loss in lost)
    return Told(ORDER.action, form, lost)


def update(event: Mapping[str, JsonValue], request_id: str, update_id: str) -> Document:
    """The arguments of POST servicerequestupdates for a later event."""
    over = event.get("type") in {workorder.Closed.type(), common.Withdrawn.type()}
    return {
        "service_request_id": request_id,
        "update_id": update_id,
        "status": "CLOSED" if over else "OPEN",
        "updated_datetime": event.get("time"),
        "description": spoken(event)[:LONGEST],
    }


# --- theirs to ours


@dataclass(frozen=True, slots=True)
class Cursor:
    """Up to when we have read, and what we have read of that very second."""

    at: datetime
    seen: frozenset[str]

    def __str__(self) -> str:
        return " ".join([self.at.isoformat(), *sorted(self.seen)])

    @classmethod
    def read(cls, text: str) -> "Cursor":
        """The cursor that was written so."""
        at, *seen = text.split(" ")
        return cls(datetime.fromisoformat(at), frozenset(seen))


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it was found."""

    id: str
    closed: bool
    requested: datetime
    updated: datetime
    form: Document
    """As POST requests would have it: arguments by their names."""
    record: Document

    @property
    def mark(self) -> str:
        """What we remember of it."""
        return f"{quote(self.id, safe='')}:{'closed' if self.closed else 'open'}"

    @property
    def external(self) -> str | None:
        """The exchange, where the request is ours."""
        value = self.form.get(_argument(EXTERNAL_ID))
        return value if isinstance(value, str) and value else None


def read_record(record: JsonValue) -> Seen:
    """One request of their list. Raises Unreadable."""
    if not isinstance(record, dict):
        raise Unreadable("a request is an object")
    id_ = str(record.get("service_request_id") or "")
    if not id_:
        raise Unreadable("a request without service_request_id")
    try:
        requested = _instant(record["requested_datetime"])
        updated = _instant(record.get("updated_datetime") or record["requested_datetime"])
    except (KeyError, ValueError) as error:
        raise Unreadable(f"request {id_}: its times are not of the form") from error
    return Seen(id_, record.get("status") == "closed", requested, updated, _form(record), record)


def sift(found: Sequence[Seen], cursor: Cursor | None) -> tuple[list[Seen], Cursor | None]:
    """What is new of it, oldest first, each once, and where to go on."""
    new = {
        seen.mark: seen
        for seen in found
        if cursor is None or seen.updated > cursor.at or (seen.updated == cursor.at and seen.mark not in cursor.seen)
    }
    if not new:
        return [], cursor
    last = max(seen.updated for seen in new.values())
    marks = {mark for mark, seen in new.items() if seen.updated == last}
    before = cursor.seen if cursor is not None and cursor.at == last else frozenset[str]()
    return sorted(new.values(), key=lambda seen: (seen.updated, seen.id)), Cursor(last, before | marks)


def stated(seen: Seen, agency: str, recipient: str | None, cursor: Cursor | None) -> list[Stated]:
    """The facts that a request states, for whoever has read up to a cursor. Raises Unreadable."""
    is_new = cursor is None or seen.requested > cursor.at or (seen.requested == cursor.at and not _met(seen, cursor))
    try:
        if seen.external is not None:
            facts = _handled(seen) if seen.closed else []
            exchange = str(UUID(seen.external))
        else:
            facts = [*([_opened(seen, agency, recipient)] if is_new else []), *(_ended(seen) if seen.closed else [])]
            exchange = exchange_of(agency, seen.id)
    except Unreadable as error:
        raise Unreadable(f"request {seen.id}: {error}") from error
    except ValidationError as error:
        raise Unreadable(f"request {seen.id}: {places(error)}") from error
    except ValueError as error:
        raise Unreadable(f"request {seen.id} is not of the form") from error
    return [_stated(seen, fact, exchange) for fact in facts]


def _met(seen: Seen, cursor: Cursor) -> bool:
    return any(mark.rpartition(":")[0] == seen.mark.rpartition(":")[0] for mark in cursor.seen)


def _stated(seen: Seen, fact: Fact, exchange: str) -> Stated:
    opens = isinstance(fact, workorder.Dispatched)
    return Stated(
        id=f"open311-{quote(seen.id, safe='')}-{fact.name()}",
        fact=fact,
        kind=KIND,
        exchange=exchange,
        time=seen.requested if opens else seen.updated,
        case=seen.id if opens else None,
        reference=seen.id,
    )


def _opened(seen: Seen, agency: str, recipient: str | None) -> Fact:
    expected = seen.record.get("expected_datetime")
    requested = seen.requested.isoformat()
    placed = "address_string" in seen.form or "lat" in seen.form
    defaults: Document = {
        "description": NOT_GIVEN,
        _argument("order_no"): seen.id,
        _argument("dept_code"): recipient,
        _argument("title"): seen.record.get("service_name") or NOT_GIVEN,
        _argument("source"): "网格巡查",
        _argument("event_type"): "巡查发现",
        _argument("limit"): "限办日期" if expected else "未另定",
        _argument("deadline"): _instant(expected).astimezone(SHANGHAI).date().isoformat() if expected else None,
        _argument("reported_at"): requested,
        _argument("dispatched_at"): requested,
        _argument("contact_name"): seen.record.get("agency_responsible") or NOT_GIVEN,
        _argument("contact_phone"): NOT_GIVEN,
        **({"address_string": NOT_GIVEN, _argument("area_code"): agency[:6]} if placed else {}),
    }
    return ORDER.read({**defaults, **seen.form})


def _ended(seen: Seen) -> list[Fact]:
    """They have found our work good, and closed their request."""
    by, note = seen.record.get("agency_responsible"), seen.record.get("status_notes")
    at = seen.updated
    return [
        workorder.Verified(verified_at=at, verified_by=str(by or NOT_GIVEN), note=str(note) if note else None),
        workorder.Closed(closed_at=at),
    ]


def _handled(seen: Seen) -> list[Fact]:
    """They have done what we asked, and closed our request."""
    by, note = seen.record.get("agency_responsible"), seen.record.get("status_notes")
    contact = Contact(name=str(by or NOT_GIVEN), phone=NOT_GIVEN)
    channel = workorder.Channel(str(SOURCES.back(seen.form.get(_argument("source")))))
    return [
        workorder.Accepted(channel=channel, contact=contact),
        workorder.Done(
            resolution=workorder.Resolution.RESOLVED,
            result=str(note or NOT_GIVEN),
            done_at=seen.updated,
            handled_by=contact,
            contacted=False,
        ),
    ]


def _form(record: Document) -> Document:
    """The arguments with which the request would have been made."""
    names = {"address": "address_string", **{name: name for name in ("description", "lat", "long", "address_id")}}
    form = {ours: record[theirs] for theirs, ours in names.items() if record.get(theirs) not in {None, "", NOT_GIVEN}}
    code, attributes = record.get("service_code"), record.get("attributes")
    if code not in {None, OTHER}:
        form["service_code"] = str(code)
    for item in attributes if isinstance(attributes, list) else []:
        if isinstance(item, dict) and item.get("value") not in (None, ""):
            form[_argument(str(item.get("code")))] = item.get("value")
    return form


def _instant(value: JsonValue) -> datetime:
    """Raises ValueError."""
    return instant(str(value))
