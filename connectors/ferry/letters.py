"""What goes over a gap or into a mailbox, both ways: forms whose fields have codes for names, in a head; pure.

Names of fields are 拼音首字母 of their Chinese names, as in the data items of public-security standards. The head:

    bdlx 表单类型   bdmc 表单名称   jbh 件编号: what this form is known by    wlbh 往来编号: the exchange
    fsdw 发送单位   jsdw 接收单位   sj 时间     xh 序号: of our event in the exchange; yzxh 已知序号: the last they knew
    ywlx 业务类型: our kind      ajbh 案件编号: the partner's own number of the case      nr 内容: the form

What the partner sends has `lsh` 流水号 beside them, a number that it gives each of its forms once.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, JsonValue

from connectors.channel import Confirmed, Parcel, Stated
from connectors.errors import Unreadable
from connectors.forms.letters import data_of, lost
from connectors.forms.members import leaves, title
from connectors.forms.table import Form
from connectors.identity import event_of
from connectors.losses import Loss
from contracts.canonical import Document, instant
from contracts.codec import fact_type
from events.envelope import SALTS
from events.parts import Attachment
from events.registry import COMMON_KIND, kind_of

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

OPENED: Final = "yy"
"""已阅: somebody there has opened the item `jbh`."""

SPOILT: Final = "tj"
"""退件: the item `jbh` could not be read there, for the reason `sm`. From us: what was stated was not registered."""

REGISTERED: Final = "djtz"
"""登记通知: what the partner stated under the id `sjbh` is registered."""

WITHHELD: Final = "bgk"
"""不公开事项: something happened that the partner may not see."""

OTHER: Final = "tz"
"""通知: an event for which the partner has no form, member by member: `xm` pointer, `mc` name, `z` value."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A form as it goes out, and what of our event it does not carry."""

    form: Document
    losses: tuple[Loss, ...] = ()


# --- from us


def filled(forms: Mapping[JsonValue, Form], parcel: Parcel) -> Filled:
    """The form for a parcel, by the type of its event, and what it loses."""
    match parcel.item.get("kind"):
        case "event":
            return _event(forms, parcel, _object(parcel.item.get("event")))
        case "stub":
            stub = _object(parcel.item.get("stub"))
            return Filled(_head(parcel, WITHHELD, "不公开事项", {"sj": stub.get("recordedtime")}))
        case "rejection":
            said = _object(parcel.item.get("rejection"))
            told: Document = {"sjbh": said.get("id"), "dm": said.get("code"), "sm": said.get("detail")}
            return Filled(_head(parcel, SPOILT, "退件通知", {"nr": told}))
        case other:
            return Filled(_head(parcel, OTHER, "通知", {"nr": {"sjmc": str(other)}}))


def _event(forms: Mapping[JsonValue, Form], parcel: Parcel, event: Document) -> Filled:
    fact, data = fact_type(event.get("type")), data_of(event)
    around: Document = {"sj": event.get("time"), "fsdw": event.get("source")}
    if event.get("source") == parcel.recipient:
        told: Document = {"sjbh": event.get("id"), "sjmc": fact.title_zh, "djsj": event.get("recordedtime")}
        return Filled(_head(parcel, REGISTERED, "登记通知", {**around, "nr": told}))
    form = forms.get(fact.type())
    if form is None:
        # Nothing is lost but its meaning, which people read from the names.
        rows: list[JsonValue] = [
            {"xm": pointer, "mc": title(fact, pointer), "z": value} for pointer, value in leaves(data)
        ]
        return Filled(_head(parcel, OTHER, "通知", {**around, "nr": {"sjmc": fact.title_zh, "hang": rows}}))
    return Filled(_head(parcel, form.action, form.name, {**around, "nr": form.fill(data)}), lost(event, form))


def _head(parcel: Parcel, code: str, name: str, more: Document) -> Document:
    head: Document = {
        "bdlx": code,
        "bdmc": name,
        "jbh": parcel.id,
        "jsdw": parcel.recipient,
        "ywlx": parcel.kind,
        "wlbh": parcel.exchange,
        "xh": parcel.sequence,
        "ajbh": parcel.reference,
        **more,
    }
    return {member: value for member, value in head.items() if value is not None}


def _object(value: JsonValue) -> Document:
    return value if isinstance(value, dict) else {}


def cited(item: Document) -> tuple[str, ...]:
    """The digests of the attachments that an item cites, once each, in order."""
    event = _object(item.get("event"))
    return tuple(dict.fromkeys(_digests(event.get("data"))))


def _digests(value: JsonValue) -> Iterator[str]:
    if isinstance(value, dict):
        digest = value.get("digest")
        if isinstance(digest, str) and digest.startswith("sha-256:") and "media_type" in value:
            yield digest
        for name, item in value.items():
            if name != SALTS:
                yield from _digests(item)
    elif isinstance(value, list):
        for item in value:
            yield from _digests(item)


def attachments(part: object) -> Iterator[Attachment]:
    """The attachments of a fact, at any depth."""
    if isinstance(part, Attachment):
        yield part
    elif isinstance(part, BaseModel):
        for name in type(part).model_fields:
            yield from attachments(getattr(part, name))
    elif isinstance(part, tuple):
        for item in part:
            yield from attachments(item)


# --- to us


def understood(forms: Mapping[str, Form], agency: str, form: Document) -> Stated | Confirmed:
    """What a form of an agency says in an exchange of ours. Raises Unreadable."""
    code = text(form, "bdlx")
    if code == OPENED:
        return Confirmed(text(form, "jbh"), "retrieved")
    if code == SPOILT:
        return Confirmed(text(form, "jbh"), "failed", text(form, "sm"))
    exchange = text(form, "wlbh")
    if not _UUID.fullmatch(exchange):
        raise Unreadable(f"form {text(form, 'lsh')}: wlbh is not the number of an exchange")
    return stated(forms, agency, form, exchange=exchange)


def stated(forms: Mapping[str, Form], agency: str, form: Document, *, exchange: str, case: str | None = None) -> Stated:
    """The fact that a form states. Raises Unreadable."""
    code, serial = text(form, "bdlx"), text(form, "lsh")
    found = forms.get(code)
    if found is None:
        raise Unreadable(f"form {serial}: there is no form {code}")
    kind = kind_of(found.fact.type())
    known, reference = form.get("yzxh"), form.get("ajbh")
    try:
        return Stated(
            id=event_of(agency, serial, code),
            fact=found.read(_object(form.get("nr"))),
            kind=text(form, "ywlx") if kind == COMMON_KIND else kind,
            exchange=exchange,
            time=instant(form.get("sj")),
            case=case,
            known=known if isinstance(known, int) else None,
            reference=reference if isinstance(reference, str) else None,
        )
    except Unreadable as error:
        raise Unreadable(f"form {serial} ({code}): {error}") from error
    except ValueError as error:
        raise Unreadable(f"form {serial} ({code}): sj is no time") from error


def text(form: Document, name: str) -> str:
    """A member of a form's head. Raises Unreadable."""
    value = form.get(name)
    if not isinstance(value, str) or not value:
        raise Unreadable(f"a form without {name}")
    return value
