"""Cursors: opaque, and refused unless an inbox gave them out."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.delivery.inboxes import Cursor, CursorUnknown, Inbox


@given(st.uuids(), st.integers(0, 2**63 - 1))
def test_reads_back(inbox: UUID, position: int) -> None:
    cursor = Cursor(inbox, position)
    assert Cursor.parse(str(cursor)) == cursor
    assert str(cursor).isascii()


@given(st.text())
def test_anything_else_is_unknown(text: str) -> None:
    with pytest.raises(CursorUnknown):
        Cursor.parse(text)


def test_a_changed_cursor_is_unknown() -> None:
    text = str(Cursor(uuid4(), 7))
    for changed in (text + "=", text[:-4], text + "AAAA", text[:-1] + "\n"):
        with pytest.raises(CursorUnknown):
            Cursor.parse(changed)


def test_positions_of_an_inbox() -> None:
    inbox = Inbox("310112-cg", uuid4(), last=5, acked=2)
    assert inbox.position(None) == 2
    assert inbox.position(str(inbox.cursor(5))) == 5
    for text in (str(inbox.cursor(6)), str(Cursor(uuid4(), 1)), ""):
        with pytest.raises(CursorUnknown):
            inbox.position(text)
