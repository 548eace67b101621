"""Tables of two sides: a member of our `data` here, a field of the partner's form there; pure, one for both ways.

    CELLS = (Cell("/number", "orderNo"), Cell("/done_at", "doneAt", LOCAL), Cell("/after", "after", Rows(FILE)))
    fill(CELLS, data)       their form from our data
    read(CELLS, form)       our data from their form

What a copy withholds is not there; a field that is empty is not there either. Partners write times as Beijing time
without an offset, to the second, and codes as the Chinese words of their lists.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol, cast, get_args

from pydantic import BaseModel, JsonValue, ValidationError

from connectors.errors import Unreadable
from connectors.losses import Loss
from contracts.calendar import SHANGHAI
from contracts.canonical import Document, canonical, instant
from events.envelope import DIGEST, SALTS
from events.fact import Fact

_FORMAT: Final = "%Y-%m-%d %H:%M:%S"
_TERM: Final = re.compile(r"[^:,;( ]+")


class Way(Protocol):
    """How one value is written on the other side."""

    def out(self, value: JsonValue) -> JsonValue:
        """Their value of ours."""
        ...

    def back(self, value: JsonValue) -> JsonValue:
        """Our value of theirs. Raises Unreadable."""
        ...


@dataclass(frozen=True, slots=True)
class AsIs:
    """The same on both sides, but for the space around a text."""

    def out(self, value: JsonValue) -> JsonValue:
        """Itself."""
        return value

    def back(self, value: JsonValue) -> JsonValue:
        """Itself, without the space around it."""
        return value.strip() if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Local:
    """An instant as Beijing time, to the second."""

    def out(self, value: JsonValue) -> JsonValue:
        """`2026-11-05 10:00:00`."""
        return local(instant(value))

    def back(self, value: JsonValue) -> JsonValue:
        """With its offset."""
        return moment(value).isoformat()


@dataclass(frozen=True, slots=True)
class Terms:
    """A code of ours and the word of their list, one for one. A code that has no word goes out as it is.

    open: a word that is not in the list comes in as it is.
    """

    words: Mapping[JsonValue, str]
    open: bool = False

    def out(self, value: JsonValue) -> JsonValue:
        """The word."""
        return self.words.get(value, value)

    def back(self, value: JsonValue) -> JsonValue:
        """The code."""
        for code, word in self.words.items():
            if word == value:
                return code
        if self.open:
            return value
        raise Unreadable(f"is none of {', '.join(self.words.values())}")


@dataclass(frozen=True, slots=True)
class Cell:
    """`ours`: a JSON pointer into `data`. `theirs`: the name of a field."""

    ours: str
    theirs: str
    way: Way = field(default_factory=AsIs)


@dataclass(frozen=True, slots=True)
class Rows:
    """A list of parts as rows of a table."""

    cells: Sequence[Cell]

    def out(self, value: JsonValue) -> JsonValue:
        """Their rows."""
        return [fill(self.cells, row) for row in value if isinstance(row, dict)] if isinstance(value, list) else []

    def back(self, value: JsonValue) -> JsonValue:
        """Our parts."""
        if not isinstance(value, list):
            raise Unreadable("is no list")
        return [read(self.cells, _row(item)) for item in value]


LOCAL: Final = Local()
YES_NO: Final = Terms({True: "是", False: "否"})


@dataclass(frozen=True, slots=True)
class Form:
    """A form of the partner: what it calls it, the fact of ours, and the two sides.

    parts: pointers to structured parts that are there, even if empty, wherever the part around them is.
    """

    action: str
    fact: type[Fact]
    cells: Sequence[Cell]
    parts: Sequence[str] = ()

    def fill(self, data: Mapping[str, JsonValue]) -> Document:
        """The filled form."""
        return fill(self.cells, data)

    def read(self, form: Mapping[str, JsonValue]) -> Fact:
        """The fact that a filled form states. Raises Unreadable."""
        try:
            return self.fact.model_validate_json(canonical(self._read(form)))
        except ValidationError as error:
            raise Unreadable("; ".join(_wrong(error))) from error

    def losses(self, data: Mapping[str, JsonValue]) -> tuple[Loss, ...]:
        """What the data says and the filled form does not, by pointers into the data."""
        told = dict(leaves(self._read(self.fill(data))))
        missing = (pointer for pointer, value in leaves(data) if not _same(told.get(pointer), value))
        return tuple(_loss(self.fact, pointer) for pointer in missing)

    def _read(self, form: Mapping[str, JsonValue]) -> Document:
        data = read(self.cells, form)
        for around, _, name in (pointer.rpartition("/") for pointer in self.parts):
            part = _at(data, around)
            if isinstance(part, dict):
                part.setdefault(name, {})
        return data


def by_action(forms: Iterable[Form]) -> dict[str, Form]:
    """The forms by what the partner calls them."""
    return {form.action: form for form in forms}


def by_type(forms: Iterable[Form]) -> dict[JsonValue, Form]:
    """The forms by the type of our event."""
    return {form.fact.type(): form for form in forms}


def fill(cells: Iterable[Cell], data: Mapping[str, JsonValue]) -> Document:
    """The fields of what is there and readable."""
    found = ((cell, _get(data, cell.ours)) for cell in cells)
    filled = {cell.theirs: cell.way.out(value) for cell, value in found if not _empty(value)}
    return {name: value for name, value in filled.items() if not _empty(value)}


def read(cells: Iterable[Cell], form: Mapping[str, JsonValue]) -> Document:
    """The members of what is filled in. Raises Unreadable."""
    data: Document = {}
    for cell in cells:
        value = form.get(cell.theirs)
        if _empty(value):
            continue
        try:
            _put(data, cell.ours, cell.way.back(value))
        except Unreadable as error:
            raise Unreadable(f"{cell.theirs}: {error}") from error
    return data


def leaves(value: JsonValue | Mapping[str, JsonValue], pointer: str = "") -> Iterator[tuple[str, JsonValue]]:
    """Every readable value with its JSON pointer; salts and what is withheld are none."""
    if isinstance(value, Mapping):
        if DIGEST in value:
            return
        for name, item in value.items():
            if name != SALTS:
                yield from leaves(item, f"{pointer}/{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, f"{pointer}/{index}")
    elif value is not None:
        yield pointer, value


def local(time: datetime) -> str:
    """Beijing time to the second, as partners write it."""
    return time.astimezone(SHANGHAI).strftime(_FORMAT)


def moment(value: JsonValue) -> datetime:
    """The instant of a time as partners write it. Raises Unreadable."""
    try:
        return datetime.strptime(str(value), _FORMAT).replace(tzinfo=SHANGHAI)
    except ValueError as error:
        raise Unreadable("is no time as in 2026-11-05 10:00:00") from error


def _get(data: Mapping[str, JsonValue], pointer: str) -> JsonValue:
    """The value there; None for what is withheld or no value."""
    found = _at(data, pointer)
    return None if isinstance(found, Mapping) else found


def _at(data: Mapping[str, JsonValue], pointer: str) -> JsonValue | Mapping[str, JsonValue]:
    found: JsonValue | Mapping[str, JsonValue] = data
    for name in pointer.split("/")[1:]:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _put(data: Document, pointer: str, value: JsonValue) -> None:
    *path, last = pointer.split("/")[1:]
    for name in path:
        data = cast("Document", data.setdefault(name, {}))
    data[last] = value


def _empty(value: JsonValue) -> bool:
    return value is None or value in ("", [])


def _row(item: JsonValue) -> Document:
    if not isinstance(item, dict):
        raise Unreadable("holds a row that is no object")
    return item


def _wrong(error: ValidationError) -> Iterator[str]:
    """Where and by which rule, never the value: it may be a caller's name."""
    for item in error.errors(include_url=False, include_input=False, include_context=False):
        yield f"/{'/'.join(str(part) for part in item['loc'])}: {item['type']}"


def _same(one: JsonValue, other: JsonValue) -> bool:
    if one == other:
        return True
    try:
        return isinstance(one, str) and isinstance(other, str) and instant(one) == instant(other)
    except ValueError:
        return False


def _loss(fact: type[Fact], pointer: str) -> Loss:
    names = [name for name in pointer.split("/") if name]
    words = [item for item in _terms(fact, names) if item]
    return Loss(pointer, f"{'·'.join(words)}: 对方表单无此栏", f"{' '.join(names)}: their form has no place for it")


def _terms(model: type[BaseModel], names: Sequence[str]) -> Iterator[str]:
    """The term of each member in the paper forms, which is how its docstring begins."""
    within: type[BaseModel] | None = model
    for name in names:
        if name.isdecimal() or within is None:
            continue
        member = within.model_fields[name]
        term = _TERM.match(member.description or name)
        yield term.group() if term else name
        within = _part(member.annotation)


def _part(annotation: Any) -> type[BaseModel] | None:
    """The structured part that an annotation speaks of, if any."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for item in get_args(annotation) if (found := _part(item))), None)
