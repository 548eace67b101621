"""Tables of two sides: a member of our `data` here, a field of the partner's form there; pure, one for both ways.

    CELLS = (Cell("/number", "orderNo"), Cell("/done_at", "doneAt", LOCAL), Cell("/after", "after", Rows(FILE)))
    fill(CELLS, data)       their form from our data
    read(CELLS, form)       our data from their form

What a copy withholds is not there, and neither is a field that they leave empty. Partners write times as Beijing time
without an offset, to the second, and codes as the words of their lists.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Protocol, cast

from pydantic import JsonValue, ValidationError

from connectors.errors import Unreadable
from connectors.forms.members import losses
from connectors.losses import Loss
from contracts import codes
from contracts.calendar import SHANGHAI
from contracts.canonical import Document, canonical, instant
from contracts.codes import CodeSystem
from contracts.errors import CodeError
from events.envelope import DIGEST
from events.fact import Fact

_FORMAT: Final = "%Y-%m-%d %H:%M:%S"


class Way(Protocol):
    """How one value is written on the other side."""

    def out(self, value: JsonValue) -> JsonValue:
        """Their value of ours; None for what they have no place for."""
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
    """A code of ours and the word of their list, one for one. A code without a word is lost, a strange word unreadable.

    open: both pass as they are; the fact judges them.
    """

    words: Mapping[JsonValue, str]
    open: bool = False

    def out(self, value: JsonValue) -> JsonValue:
        """The word."""
        return next((word for code, word in self.words.items() if code == value), value if self.open else None)

    def back(self, value: JsonValue) -> JsonValue:
        """The code."""
        for code, word in self.words.items():
            if word == value:
                return code
        if self.open:
            return value
        raise Unreadable(f"is none of {', '.join(self.words.values())}")


@dataclass(frozen=True, slots=True)
class Numbered:
    """A 发文字号, which partners write with brackets of many kinds."""

    def out(self, value: JsonValue) -> JsonValue:
        """Itself."""
        return value

    def back(self, value: JsonValue) -> JsonValue:
        """In its one form; what is none is left to the fact, which says so."""
        try:
            return codes.validate(CodeSystem.DOCUMENT_NUMBER, value) if isinstance(value, str) else value
        except CodeError:
            return value


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

    def out(self, value: JsonValue) -> list[JsonValue]:
        """Their rows."""
        return [fill(self.cells, row) for row in value if isinstance(row, dict)] if isinstance(value, list) else []

    def back(self, value: JsonValue) -> list[JsonValue]:
        """Our parts."""
        if not isinstance(value, list):
            raise Unreadable("is no list")
        return [read(self.cells, _row(item)) for item in value]


LOCAL: Final = Local()
NUMBERED: Final = Numbered()
YES_NO: Final = Terms({True: "是", False: "否"})


@dataclass(frozen=True, slots=True)
class Form:
    """A form of the partner: what it calls it, the fact of ours, and the two sides.

    parts: pointers to structured parts that are there, even if empty, wherever the part around them is. name: what
    people call it, where the action is a code. Raises ValueError for two fields of one name.
    """

    action: str
    fact: type[Fact]
    cells: Sequence[Cell]
    parts: Sequence[str] = ()
    name: str = ""

    def __post_init__(self) -> None:
        _one_for_one((cell.theirs for cell in self.cells), f"two fields of {self.action}")

    def fill(self, data: Mapping[str, JsonValue]) -> Document:
        """The filled form."""
        return fill(self.cells, data)

    def read(self, form: Mapping[str, JsonValue]) -> Fact:
        """The fact that a filled form states. Raises Unreadable."""
        try:
            return self.fact.model_validate_json(canonical(self._read(form)))
        except ValidationError as error:
            raise Unreadable("; ".join(self._wrong(error))) from error

    def losses(self, data: Mapping[str, JsonValue]) -> tuple[Loss, ...]:
        """What the data says and the filled form does not, by pointers into the data."""
        return losses(self.fact, data, self._read(self.fill(data)))

    def _read(self, form: Mapping[str, JsonValue]) -> Document:
        data = read(self.cells, form)
        for around, _, name in (pointer.rpartition("/") for pointer in self.parts):
            part = _at(data, around)
            if isinstance(part, dict):
                part.setdefault(name, {})
        return data

    def _wrong(self, error: ValidationError) -> Iterator[str]:
        """Where, by their name and ours, and why; never the value: it may be a caller's name."""
        names = {cell.ours: cell.theirs for cell in self.cells}
        for item in error.errors(include_url=False, include_input=False, include_context=False):
            pointer = "".join(f"/{part}" for part in item["loc"])
            yield f"{names.get(pointer, '')} {pointer}: {item['msg']}".lstrip()


def by_action(forms: Iterable[Form]) -> dict[str, Form]:
    """The forms by what the partner calls them. Raises ValueError for two of one name."""
    found = [*forms]
    _one_for_one((form.action for form in found), "two forms")
    return {form.action: form for form in found}


def by_type(forms: Iterable[Form]) -> dict[JsonValue, Form]:
    """The forms by the type of our event. Raises ValueError for two of one."""
    found = [*forms]
    _one_for_one((form.fact.type() for form in found), "two forms")
    return {form.fact.type(): form for form in found}


def under(ours: str, theirs: str, cells: Iterable[Cell]) -> tuple[Cell, ...]:
    """These cells for a part: our pointers and their names are preceded by its own."""
    return tuple(replace(cell, ours=ours + cell.ours, theirs=theirs + cell.theirs) for cell in cells)


def fill(cells: Iterable[Cell], data: Mapping[str, JsonValue]) -> Document:
    """The fields of what is there and readable."""
    found = ((cell, _get(data, cell.ours)) for cell in cells)
    filled = {cell.theirs: cell.way.out(value) for cell, value in found if value is not None}
    return {name: value for name, value in filled.items() if value is not None}


def read(cells: Iterable[Cell], form: Mapping[str, JsonValue]) -> Document:
    """The members of what is filled in. Raises Unreadable."""
    data: Document = {}
    for cell in cells:
        value = form.get(cell.theirs)
        if value is None or value == "":
            continue
        try:
            found = cell.way.back(value)
        except Unreadable as error:
            raise Unreadable(f"{cell.theirs}: {error}") from error
        if found != "":
            _put(data, cell.ours, found)
    return data


def blank(value: JsonValue) -> bool:
    """Whether there is nothing in a field."""
    return value is None or value in ("", [])


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
    """The value there; None for what is withheld."""
    found = _at(data, pointer)
    return None if isinstance(found, dict) and DIGEST in found else found


def _at(data: Mapping[str, JsonValue], pointer: str) -> JsonValue:
    found: JsonValue = dict(data)
    for name in pointer.split("/")[1:]:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _put(data: Document, pointer: str, value: JsonValue) -> None:
    *path, last = pointer.split("/")[1:]
    for name in path:
        data = cast("Document", data.setdefault(name, {}))
    data[last] = value


def _row(item: JsonValue) -> Document:
    if not isinstance(item, dict):
        raise Unreadable("holds a row that is no object")
    return item


def _one_for_one(names: Iterable[str], what: str) -> None:
    seen = [*names]
    twice = {name for name in seen if seen.count(name) > 1}
    if twice:
        msg = f"{what} have one name: {', '.join(sorted(twice))}"
        raise ValueError(msg)
