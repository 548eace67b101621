"""Data that columns of partners' forms can carry, made up by Hypothesis."""

from collections.abc import Iterable

from hypothesis import strategies as st
from pydantic import JsonValue

from connectors.ferry.forms import Column, read
from contracts.canonical import Document

_VALUES: st.SearchStrategy[JsonValue] = st.one_of(st.text(min_size=1, max_size=8), st.integers(0, 10**6))


def contents(columns: Iterable[Column]) -> st.SearchStrategy[Document]:
    """What may stand in these columns of theirs."""
    return st.fixed_dictionaries({}, optional={column.theirs: _values(column) for column in columns})


def data_of(columns: tuple[Column, ...]) -> st.SearchStrategy[Document]:
    """The same as our data."""
    return contents(columns).map(lambda content: read(columns, content))


def _values(column: Column) -> st.SearchStrategy[JsonValue]:
    if column.rows:
        return st.lists(contents(column.rows), max_size=2).map(lambda rows: [*rows])
    if column.codes is not None:
        return st.sampled_from(sorted({*column.codes.values()}))
    if column.number:
        return st.integers(1, 999).map(lambda number: f"示例〔2026〕{number}号")
    return _VALUES
