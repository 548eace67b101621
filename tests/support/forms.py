"""Forms of partners: what they may hold, and what a mapping keeps both ways."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from hypothesis import strategies as st
from pydantic import JsonValue

from connectors.forms.letters import Change, change_of
from connectors.forms.members import leaves
from connectors.forms.table import Cell, Form, Numbered, Rows, Terms, read
from contracts.canonical import Document, instant
from contracts.codec import dump

_VALUES: st.SearchStrategy[JsonValue] = st.one_of(st.text(min_size=1, max_size=8), st.integers(0, 10**6))


def contents(cells: Iterable[Cell]) -> st.SearchStrategy[Document]:
    """What may stand in these fields of theirs, made up by Hypothesis."""
    return st.fixed_dictionaries({}, optional={cell.theirs: _values(cell) for cell in cells})


def data_of(cells: Iterable[Cell]) -> st.SearchStrategy[Document]:
    """The same as our data."""
    return contents(cells).map(lambda content: read(cells, content))


def _values(cell: Cell) -> st.SearchStrategy[JsonValue]:
    match cell.way:
        case Rows(cells):
            return st.lists(contents(cells), max_size=2).map(lambda rows: [*rows])
        case Terms(words):
            return st.sampled_from(sorted(words.values()))
        case Numbered():
            return st.integers(1, 999).map(lambda number: f"示例〔2026〕{number}号")
        case _:
            return _VALUES


def change(action: str, form: Mapping[str, Any], id_: int = 1, number: str = "SYN-0001", **members: Any) -> Change:
    """A change of a partner's."""
    document: Document = {
        "changeNo": id_,
        "number": number,
        "action": action,
        "at": "2026-11-05 10:00:00",
        "form": {**form},
    }
    return change_of({**document, **members})


def require_round_trip(form: Form, data: Mapping[str, Any], losable: frozenset[str]) -> None:
    """Our data, their form, and our data again are the same, but for what the losses name; and no other may be lost.

    losable: pointers without the places in lists; what is below one is losable too.
    """
    losses = {loss.pointer for loss in form.losses(data)}
    assert {item for item in losses if not _within(_bare(item), losable)} == set()
    written = form.fill(data)
    again = dump(form.read(written))
    kept = {pointer: _plain(value) for pointer, value in leaves(data) if not _within(pointer, losses)}
    assert kept.items() <= {pointer: _plain(value) for pointer, value in leaves(again)}.items()
    assert form.fill(again) == written


def _within(pointer: str, parts: Collection[str]) -> bool:
    return any(f"{pointer}/".startswith(f"{part}/") for part in parts)


def _bare(pointer: str) -> str:
    """A pointer without the places in lists."""
    return "/".join(part for part in pointer.split("/") if not part.isdecimal())


def _plain(value: Any) -> Any:
    try:
        return instant(value) if isinstance(value, str) and "T" in value else value
    except ValueError:
        return value
