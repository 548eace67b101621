"""What goes over such a desk, both ways, before any partner's own forms; pure.

theirs, out of its feed                       ours
    changeNo  the change's own number             Stated.id, with `number`
    number    its number of the thread            Stated.reference; Stated.exchange where it opened the thread
    externalNo  our exchange, as we gave it       Stated.exchange where we opened it
    action, at, form                              the fact, Stated.time

ours, in a letter                             theirs
    id of the parcel                              Idempotency-Key: what it knows the letter by
    exchange, sequence, source, time, fact        externalNo, seq, unit, at, action and form
    a fact that no form of theirs is for          action 告知, title, and our whole copy in `document`
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from pydantic import JsonValue

from connectors.channel import Confirmed, Stated
from connectors.errors import Unreadable
from connectors.forms.table import Form, blank, local, moment
from connectors.identity import event_of, exchange_of
from connectors.losses import Loss
from contracts.canonical import Document, instant
from contracts.codec import fact_type
from events.fact import Fact

TOLD: Final = "告知"
"""Their action for what they have no form for: people read it."""
OPENED: Final = "签收"
"""Their change that says that somebody there has opened a letter; it names the letter's id."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the partner's own, as its feed offers it. `business`: its name of our kind, if it has several."""

    id: int
    number: str
    action: str
    at: datetime
    form: Document
    external: str | None = None
    business: str | None = None


def change_of(document: Mapping[str, JsonValue]) -> Change:
    """A change. Raises Unreadable."""
    id_, form, external = document.get("changeNo"), document.get("form"), document.get("externalNo")
    number, action, business = document.get("number"), document.get("action"), document.get("business")
    if not isinstance(id_, int) or not isinstance(form, dict):
        raise Unreadable("changeNo is a whole number, form an object")
    if not isinstance(number, str) or not number or not isinstance(action, str):
        raise Unreadable(f"change {id_}: number and action are texts")
    try:
        at = moment(document.get("at"))
        return Change(
            id_, number, action, at, form, _exchange(external), business if isinstance(business, str) else None
        )
    except Unreadable as error:
        raise Unreadable(f"change {id_}: {error}") from error


def opened(change: Change) -> Confirmed | None:
    """What 签收 says; None for another change. Raises Unreadable."""
    if change.action != OPENED:
        return None
    parcel = change.form.get("id")
    if not isinstance(parcel, str):
        raise Unreadable(f"change {change.id}: 签收 names no letter in `id`")
    return Confirmed(parcel, "retrieved")


def fact_of(change: Change, form: Form | None, filled: Mapping[str, JsonValue] | None = None) -> Fact:
    """The fact that a change states by a form. `filled`: its form in our terms, where that differs. Raises Unreadable.

    A form of None: nothing was agreed for such an action.
    """
    if form is None:
        raise Unreadable(f"change {change.id}: {change.action[:20]} is no action that was agreed")
    try:
        return form.read(change.form if filled is None else filled)
    except Unreadable as error:
        raise Unreadable(f"change {change.id} ({change.action}): {error}") from error


def stated(agency: str, kind: str, change: Change, fact: Fact, *, opens: bool) -> Stated:
    """The fact of a change. `opens`: it opens the exchange, whose case is the partner's number."""
    given = None if opens else change.external
    return Stated(
        id=event_of(agency, change.number, str(change.id)),
        fact=fact,
        kind=kind,
        exchange=given or exchange_of(agency, change.number),
        time=change.at,
        case=change.number if opens else None,
        reference=change.number,
    )


def letter(event: Mapping[str, JsonValue], form: Form | None) -> Document:
    """The letter by which the partner gets our copy of an event. A form of None: it has none for it."""
    head: Document = {
        "externalNo": event["exchange"],
        "seq": event["sequence"],
        "unit": event["source"],
        "at": local(instant(event["time"])),
    }
    if form is not None:
        filled = {name: value for name, value in form.fill(data_of(event)).items() if not blank(value)}
        return {**head, "action": form.action, "form": filled}
    title = fact_type(event["type"]).title_zh
    return {**head, "action": TOLD, "form": {"title": title, "kind": event["kind"]}, "document": dict(event)}


def lost(event: Mapping[str, JsonValue], form: Form | None) -> tuple[Loss, ...]:
    """What the event says and its letter does not; nothing where the whole copy goes along."""
    found = () if form is None else form.losses(data_of(event))
    return tuple(replace(loss, pointer=f"/data{loss.pointer}") for loss in found)


def data_of(event: Mapping[str, JsonValue]) -> Document:
    """The data of an event."""
    data = event["data"]
    return data if isinstance(data, dict) else {}


def refusal(rejection: Mapping[str, JsonValue], reference: str | None) -> Document:
    """What the partner is told when the bus did not take a fact of its."""
    told = {name: rejection.get(name) for name in ("id", "type", "exchange", "code", "detail")}
    return {**told, **({"number": reference} if reference else {})}


def _exchange(value: JsonValue) -> str | None:
    if value is None or value == "":
        return None
    try:
        known = str(UUID(str(value)))
    except ValueError as error:
        raise Unreadable("externalNo is no id of ours") from error
    if known != value:
        raise Unreadable("externalNo is no id of ours")
    return known
