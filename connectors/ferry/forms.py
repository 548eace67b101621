"""Paper forms of partners without a data model like ours: columns that name a member of our event, read both ways.

    FILED = Form("lags", "立案告知书", Filed, (Column("wh", "number"), Column("larq", "filed_on"), …))
    fill(FILED.columns, data)      what our data is in their form
    read(FILED.columns, nr)        what their form says, as our data

Names of columns are 拼音首字母 of their Chinese names, as in the data items of public-security standards. Around the
columns stands the head of the form:

    bdlx 表单类型   bdmc 表单名称   jbh 件编号: what this form is known by    wlbh 往来编号: the exchange
    fsdw 发送单位   jsdw 接收单位   sj 时间     xh 序号: of our event in the exchange; yzxh 已知序号: the last they knew
    ywlx 业务类型: our kind      ajbh 案件编号: the partner's own number of the case      nr 内容: the columns

What the partner sends has `lsh` 流水号 beside them, a number that it gives each of its forms once.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from pydantic import BaseModel, JsonValue, ValidationError

from connectors.channel import Confirmed, Parcel, Stated
from connectors.errors import Unreadable
from connectors.identity import event_of
from connectors.losses import Loss
from contracts import codes
from contracts.canonical import Document, canonical, instant
from contracts.codec import fact_type
from contracts.codes import CodeSystem
from contracts.disclosure import parts_of
from contracts.errors import CodeError
from events.common import (
    Chased,
    ExtensionGranted,
    ExtensionRefused,
    ExtensionRequested,
    WithdrawalRefused,
    WithdrawalRequested,
    Withdrawn,
)
from events.envelope import DIGEST, SALTS
from events.fact import Fact
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


Codes: TypeAlias = Mapping[str | bool, str]
"""Their code of each of our values."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ours: the path of a member in `data`. codes: their code of each of our values.

    rows: the columns of each row, where the member is a list of parts; always: without rows there is an empty list.
    number: it is a 发文字号, which partners write with brackets of many kinds.
    """

    theirs: str
    ours: str
    codes: Codes | None = None
    rows: tuple["Column", ...] = ()
    number: bool = False
    always: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """A form: its code, its name, the fact that it states, and its columns."""

    code: str
    name: str
    fact: type[Fact]
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Filled:
    """A form as it goes out, and what of our event it does not carry."""

    form: Document
    losses: tuple[Loss, ...] = ()


@dataclass(frozen=True, slots=True)
class Book:
    """All forms of a kind of partner."""

    by_fact: Mapping[type[Fact], Form]
    by_code: Mapping[str, Form]


def book(forms: Iterable[Form]) -> Book:
    """The book of these forms. Raises ValueError for two of one code or of one fact, and two columns of one name."""
    found = [*forms]
    for form in found:
        if len({column.theirs for column in form.columns}) < len(form.columns):
            msg = f"two columns of {form.code} have one name"
            raise ValueError(msg)
    by_fact, by_code = {form.fact: form for form in found}, {form.code: form for form in found}
    if not len(by_fact) == len(by_code) == len(found):
        msg = "two forms have one code, or state one fact"
        raise ValueError(msg)
    return Book(by_fact, by_code)


def under(prefix: str, ours: str, columns: Iterable[Column]) -> tuple[Column, ...]:
    """These columns for a part of an event: theirs begin with a prefix, ours with a path."""
    return tuple(replace(item, theirs=prefix + item.theirs, ours=f"{ours}/{item.ours}") for item in columns)


COMMON: Final = (
    Form("sqch", "申请撤回", WithdrawalRequested, (Column("ly", "reason"),)),
    Form("chtz", "撤回通知", Withdrawn, (Column("ly", "reason"),)),
    Form("btych", "不同意撤回", WithdrawalRefused, (Column("ly", "reason"),)),
    Form("sqyq", "申请延期", ExtensionRequested, (Column("ly", "reason"), Column("rq", "new_date"))),
    Form("tyyq", "同意延期", ExtensionGranted, (Column("rq", "new_date"), Column("sqdw", "agency"))),
    Form("btyyq", "不同意延期", ExtensionRefused, (Column("ly", "reason"), Column("sqdw", "agency"))),
    Form("dbtz", "督办通知", Chased, (Column("sx", "concerns"), Column("fkqx", "respond_by"))),
)
"""What every exchange has, whoever the partner is."""


# --- columns


def fill(columns: Iterable[Column], data: Mapping[str, JsonValue]) -> Document:
    """What data is in their columns. What is withheld, or has no code of theirs, is left out."""
    form: Document = {}
    for column in columns:
        value = _theirs(column, _get(data, column.ours))
        if value is not None:
            form[column.theirs] = value
    return form


def read(columns: Iterable[Column], form: Mapping[str, JsonValue]) -> Document:
    """What their columns are as our data."""
    data: Document = {}
    for column in columns:
        value = _ours(column, form.get(column.theirs))
        if value is not None:
            _set(data, column.ours, value)
    return data


def _theirs(column: Column, value: JsonValue) -> JsonValue:
    if value is None or _is_withheld(value):
        return None
    if column.rows:
        rows = value if isinstance(value, list) else []
        return [fill(column.rows, row) for row in rows if isinstance(row, dict)]
    if column.codes is not None:
        return column.codes.get(value) if isinstance(value, (str, bool)) else None
    return value


def _ours(column: Column, value: JsonValue) -> JsonValue:
    if value is None:
        return [] if column.always else None
    if column.rows:
        rows = value if isinstance(value, list) else []
        return [read(column.rows, row) for row in rows if isinstance(row, dict)]
    if column.codes is not None:
        return next((ours for ours, theirs in column.codes.items() if theirs == value), None)
    return _number(value) if column.number else value


def _number(value: JsonValue) -> JsonValue:
    """A 发文字号 in its one form; what is none is left for the check of the event, which says so."""
    try:
        return codes.validate(CodeSystem.DOCUMENT_NUMBER, value) if isinstance(value, str) else value
    except CodeError:
        return value


def _get(data: Mapping[str, JsonValue], path: str) -> JsonValue:
    value: JsonValue = dict(data)
    for name in path.split("/"):
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def _set(data: Document, path: str, value: JsonValue) -> None:
    *above, last = path.split("/")
    for name in above:
        below = data.setdefault(name, {})
        if not isinstance(below, dict):
            return
        data = below
    data[last] = value


def _is_withheld(value: JsonValue) -> bool:
    return isinstance(value, dict) and value.keys() == {DIGEST}


# --- losses


def losses(fact: type[Fact], data: Mapping[str, JsonValue], restored: Mapping[str, JsonValue]) -> tuple[Loss, ...]:
    """What of data is not in what the form gives back. What is withheld was never there to be lost."""
    return tuple(_loss(fact, pointer) for pointer in _lost(dict(data), dict(restored), ""))


def _lost(ours: JsonValue, theirs: JsonValue, pointer: str) -> Iterator[str]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name, value in ours.items():
            if name != SALTS and not _is_withheld(value):
                yield from _lost(value, theirs.get(name), f"{pointer}/{name}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, (value, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from _lost(value, other, f"{pointer}/{index}")
    elif ours != theirs and not _says_nothing(ours):
        yield pointer


def _says_nothing(value: JsonValue) -> bool:
    """Whether there is nothing in it that could be lost: an empty list, or parts of nothing else."""
    if isinstance(value, dict):
        return all(name == SALTS or _is_withheld(item) or _says_nothing(item) for name, item in value.items())
    return value is None or (isinstance(value, list) and all(_says_nothing(item) for item in value))


def _loss(fact: type[Fact], pointer: str) -> Loss:
    name = title(fact, pointer)
    return Loss(f"/data{pointer}", f"对方表单没有“{name}”一栏。", f"Their form has no column for {name} ({pointer}).")


def title(fact: type[Fact], pointer: str) -> str:
    """The Chinese name of a member, or its own where it has none."""
    models: list[type[BaseModel]] = [fact]
    said = last = pointer.rsplit("/", 1)[-1]
    for part in pointer.split("/")[1:]:
        field = next((model.model_fields[part] for model in models if part in model.model_fields), None)
        if field is not None:
            said = field.description or part
            models = [*parts_of(field.annotation)]
    return said.split("\n", 1)[0] or last


# --- whole forms, from us


def filled(forms: Book, parcel: Parcel) -> Filled:
    """The form for a parcel, and what it loses."""
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


def _event(forms: Book, parcel: Parcel, event: Document) -> Filled:
    data = _object(event.get("data"))
    fact = fact_type(event.get("type"))
    around: Document = {"sj": event.get("time"), "fsdw": event.get("source")}
    if event.get("source") == parcel.recipient:
        told: Document = {"sjbh": event.get("id"), "sjmc": fact.title_zh, "djsj": event.get("recordedtime")}
        return Filled(_head(parcel, REGISTERED, "登记通知", {**around, "nr": told}))
    form = forms.by_fact.get(fact)
    if form is None:
        rows: list[JsonValue] = [*_rows(fact, data)]
        return Filled(_head(parcel, OTHER, "通知", {**around, "nr": {"sjmc": fact.title_zh, "hang": rows}}))
    content = fill(form.columns, data)
    lost = losses(fact, data, read(form.columns, content))
    return Filled(_head(parcel, form.code, form.name, {**around, "nr": content}), lost)


def _rows(fact: type[Fact], value: JsonValue, pointer: str = "") -> Iterator[Document]:
    """Every member with a value, by its pointer: nothing is lost but its meaning, which people read from its name."""
    if isinstance(value, dict):
        if not _is_withheld(value):
            for name, item in value.items():
                if name != SALTS:
                    yield from _rows(fact, item, f"{pointer}/{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _rows(fact, item, f"{pointer}/{index}")
    elif value is not None:
        yield {"xm": pointer, "mc": title(fact, pointer), "z": value}


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


# --- whole forms, to us


def understood(forms: Book, agency: str, form: Document) -> Stated | Confirmed:
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


def stated(forms: Book, agency: str, form: Document, *, exchange: str, case: str | None = None) -> Stated:
    """The fact that a form states. Raises Unreadable."""
    code, serial = text(form, "bdlx"), text(form, "lsh")
    found = forms.by_code.get(code)
    if found is None:
        raise Unreadable(f"form {serial}: there is no form {code}")
    data = read(found.columns, _object(form.get("nr")))
    kind = kind_of(found.fact.type())
    known, reference = form.get("yzxh"), form.get("ajbh")
    try:
        return Stated(
            id=event_of(agency, serial, code),
            fact=found.fact.model_validate_json(canonical(data)),
            kind=text(form, "ywlx") if kind == COMMON_KIND else kind,
            exchange=exchange,
            time=instant(form.get("sj")),
            case=case,
            known=known if isinstance(known, int) else None,
            reference=reference if isinstance(reference, str) else None,
        )
    except ValidationError as error:
        raise Unreadable(f"form {serial} ({code}): {_faults(error, found.columns)}") from error


def _faults(error: ValidationError, columns: Sequence[Column]) -> str:
    """Which columns are wrong, and why; never what stands in them."""
    names = {item.ours: item.theirs for item in columns}
    said = [
        (".".join(map(str, item["loc"])), item["msg"])
        for item in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    return "; ".join(f"{names.get(where.replace('.', '/'), where) or 'nr'}: {why}" for where, why in said)


def text(form: Document, name: str) -> str:
    """A member of a form's head. Raises Unreadable."""
    value = form.get(name)
    if not isinstance(value, str) or not value:
        raise Unreadable(f"a form without {name}")
    return value
