"""Salted digests: what may be withheld, that a copy still verifies, and that nothing readable can be changed."""

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.codec import copy_for, fact_type, signing_form, verify_event
from contracts.disclosure import blinded, classified, cut, require_salts, salted, withheld
from contracts.errors import DisclosureError, SignatureError
from events.envelope import DIGEST, SALTS
from events.fields import FieldClass
from events.registry import facts, kind_of
from tests.support.factory import EXAMPLES, TIME, example, salt, sign, world

NAMES = [
    (f"{kind}.{fact}", path.stem.removeprefix("valid-"))
    for path in sorted(EXAMPLES.glob("*/valid-*.json"))
    for kind, fact in [path.parent.name.split(".")[2:4]]
]
READERS = [frozenset(item) for size in range(5) for item in combinations(FieldClass, size)]
LEAD = sign(example("transfer.sent", "lead"))
CASE = sign(example("transfer.sent", "case"))
SENT = fact_type(CASE["type"])


def data_of(document: dict[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = document["data"]
    return data


def at(value: Any, pointer: str) -> Any:
    return along(value, pointer.split("/")[1:])


def along(value: Any, path: list[str]) -> Any:
    for part in path:
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def replaced(value: Any, path: list[str], new: Any) -> Any:
    if not path:
        return new
    if isinstance(value, list):
        return [replaced(item, path[1:], new) if index == int(path[0]) else item for index, item in enumerate(value)]
    return {name: replaced(item, path[1:], new) if name == path[0] else item for name, item in value.items()}


def scalars(value: Any) -> list[list[str]]:
    """The ways to everything that is neither an object nor a list."""
    if isinstance(value, dict):
        return [[name, *way] for name, item in value.items() for way in scalars(item)]
    if isinstance(value, list):
        return [[str(index), *way] for index, item in enumerate(value) for way in scalars(item)]
    return [[]]


@pytest.mark.parametrize("kind", sorted({name.split(".")[0] for name, _ in NAMES}))
def test_every_cut_copy_of_every_example_verifies(kind: str) -> None:
    for name, variant in (item for item in NAMES if item[0].split(".")[0] == kind):
        document = sign(example(name, variant))
        for reader in READERS:
            copy = copy_for(document, reader)
            assert verify_event(copy, world().agencies, TIME) == document["source"], (name, variant)
            assert signing_form(copy) == signing_form(document), (name, variant)


@pytest.mark.parametrize("reader", READERS, ids=lambda item: "+".join(sorted(item)) or "nobody")
def test_a_copy_holds_what_its_reader_may_read_and_shows_what_is_withheld(reader: frozenset[FieldClass]) -> None:
    for document in (LEAD, CASE):
        marks = classified(SENT, data_of(document))
        copy = data_of(copy_for(document, reader))
        assert set(withheld(copy)) == {pointer for pointer, field_class in marks.items() if field_class not in reader}
        for pointer, field_class in marks.items():
            if field_class in reader:
                assert at(copy, pointer) == at(data_of(document), pointer)
            else:
                assert at(copy, pointer).keys() == {DIGEST}
                assert pointer not in copy.get(SALTS, {})


def test_the_reporter_is_one_member_that_goes_or_stays_whole() -> None:
    marks = classified(SENT, data_of(LEAD))
    assert marks["/origin/reporter"] is FieldClass.REPORTER
    assert not any(pointer.startswith("/origin/reporter/") for pointer in marks)
    copy = copy_for(LEAD, {FieldClass.PUBLIC, FieldClass.PERSONAL})
    assert "举报人示例" not in str(copy)


@given(st.data())
@settings(max_examples=2 * settings().max_examples, deadline=None)
def test_a_changed_readable_member_does_not_verify(data: st.DataObject) -> None:
    document = data.draw(st.sampled_from([LEAD, CASE]))
    reader = data.draw(st.sampled_from(READERS))
    copy = copy_for(document, reader)
    way = data.draw(st.sampled_from(scalars(copy["data"])))
    old = along(copy["data"], way)
    new = data.draw(st.one_of(st.text(max_size=8), st.integers(0, 9), st.none()).filter(lambda value: value != old))
    forged = {**copy, "data": replaced(copy["data"], way, new)}
    with pytest.raises(SignatureError):
        verify_event(forged, world().agencies, TIME)


@given(st.data())
@settings(deadline=None)
def test_a_member_that_is_taken_away_or_added_does_not_verify(data: st.DataObject) -> None:
    copy = copy_for(CASE, data.draw(st.sampled_from(READERS)))
    body = data_of(copy)
    name = data.draw(st.sampled_from(sorted(body)))
    without = {key: value for key, value in body.items() if key != name}
    for forged in (without, {**body, "remark": "x"}):
        if forged.keys() != body.keys():
            with pytest.raises(SignatureError):
                verify_event({**copy, "data": forged}, world().agencies, TIME)


@given(st.lists(st.sampled_from(READERS), min_size=1, max_size=4))
@settings(deadline=None)
def test_cutting_again_gives_what_both_may_read(readers: list[frozenset[FieldClass]]) -> None:
    copy = CASE
    for reader in readers:
        copy = copy_for(copy, reader)
    assert copy["data"] == copy_for(CASE, frozenset.intersection(*readers))["data"]


def test_the_digest_hides_a_guessable_value() -> None:
    first, second = sign(example("transfer.sent", "case")), sign(example("transfer.sent", "case"))
    pointer = "/circumstances/parties/persons/0/sex"
    assert at(blinded(data_of(first)), pointer) != at(blinded(data_of(second)), pointer)


def test_cut_does_not_change_what_it_cuts() -> None:
    before = repr(CASE)
    cut(SENT, data_of(CASE), ())
    assert repr(CASE) == before


@pytest.mark.parametrize("kind", sorted({kind_of(type_) for type_ in facts()}))
def test_salts_are_asked_for_exactly_where_a_member_is_classified(kind: str) -> None:
    for type_, fact in facts().items():
        if kind_of(type_) == kind:
            name = type_.removeprefix("cn.liandong.").removesuffix(".v1")
            data: dict[str, Any] = salted(fact, data_of(example(name)), salt)
            require_salts(fact, data)
            for pointer in data.get(SALTS, {}):
                rest = {key: value for key, value in data[SALTS].items() if key != pointer}
                with pytest.raises(DisclosureError, match="needs a salt"):
                    require_salts(fact, {**data, SALTS: rest})


@pytest.mark.parametrize(
    ("salts", "message"),
    [
        ({"/number": "x" * 22}, "not a classified member"),
        ({"/signed_by": "short"}, "22 to 128"),
        ({"/signed_by": "x" * 129}, "22 to 128"),
        ({"/signed_by": 7}, "map JSON pointers to strings"),
    ],
)
def test_salts_that_do_not_fit_are_refused(salts: dict[str, Any], message: str) -> None:
    data = data_of(CASE)
    with pytest.raises(DisclosureError, match=message):
        require_salts(SENT, {**data, SALTS: {**data[SALTS], **salts}})


def test_one_salt_for_two_members_is_refused() -> None:
    data = data_of(CASE)
    with pytest.raises(DisclosureError, match="a salt of its own"):
        require_salts(SENT, {**data, SALTS: dict.fromkeys(data[SALTS], "x" * 22)})


def test_a_salt_for_what_is_not_there_is_refused() -> None:
    with pytest.raises(DisclosureError, match="is not there"):
        blinded({"a": 1, SALTS: {"/b/c": "x" * 22}})
