"""Which event shows whom which attachment."""

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from contracts.records import Record
from services.files.grants import Shown, cited, cites, shown
from tests.support.play import MINHANG, QINGPU, XUHUI, Play
from tests.support.registered import registered

ONE, TWO = "sha-256:" + "1" * 64, "sha-256:" + "2" * 64


def attachment(digest: str) -> dict[str, Any]:
    return {"title": "附件(示例)", "digest": digest, "size": 1, "media_type": "application/pdf"}


def played() -> list[Record]:
    play = Play("transfer").given(
        (MINHANG, "transfer.sent", {"attachments": [attachment(ONE)]}),
        (QINGPU, "transfer.receipted"),
        (QINGPU, "transfer.forwarded", {"recipient": XUHUI}),
    )
    return registered(play)


def of(
    agency: str, run: Sequence[Record], history: Sequence[Record] = (), progress: Mapping[str, int] | None = None
) -> set[Shown]:
    return {item for item in shown(run, history, progress or {}) if item.agency == agency and item.digest in {ONE, TWO}}


def test_every_party_but_its_source_is_shown_what_an_event_cites() -> None:
    records = played()[:1]
    parties = records[0].standing.parties.keys() - {MINHANG}
    assert {item for item in shown(records, [], {}) if item.digest == ONE} == {
        Shown(ONE, MINHANG, agency) for agency in parties
    }
    assert not of(MINHANG, records)


def test_who_joins_is_shown_what_went_before() -> None:
    records = played()
    assert not of(XUHUI, records[:2])
    has = dict.fromkeys(records[1].standing.parties, 2)
    assert of(XUHUI, records[2:], records[:2], has) == {Shown(ONE, MINHANG, XUHUI)}
    assert not of(QINGPU, records[2:], records[:2], has)
    assert of(XUHUI, records) == {Shown(ONE, MINHANG, XUHUI)}


def test_a_stub_shows_nothing() -> None:
    record = played()[0]
    other = min(record.standing.parties.keys() - {MINHANG, QINGPU})
    hidden = record.model_copy(update={"audience": (QINGPU,)})
    assert of(QINGPU, [hidden]) == {Shown(ONE, MINHANG, QINGPU)}
    assert not of(other, [hidden])


def test_a_mirrored_stub_after_a_citation_is_passed_over() -> None:
    """Of an exchange of another bus some records are only stubs, which name no source."""
    first, second, third = played()
    stub = second.model_copy(update={"event": second.stub(), "audience": ()})
    assert not cites(stub)
    assert of(XUHUI, [first, stub, third]) == {Shown(ONE, MINHANG, XUHUI)}
    has = dict.fromkeys(first.standing.parties, 1)
    assert of(XUHUI, [stub, third], [first], has) == {Shown(ONE, MINHANG, XUHUI)}


def test_what_is_withheld_is_not_cited() -> None:
    assert [*cited({"a": attachment(ONE), "b": {"_sd": "x"}, "_salts": {"/b": "y"}})] == [ONE]


def test_only_attachments_are_cited() -> None:
    assert not [*cited({"digest": ONE})]
    assert not [*cited({**attachment(ONE), "digest": "sha-256:x"})]
    assert not [*cited(None)]


@given(
    st.recursive(
        st.one_of(st.none(), st.integers(), st.text(max_size=5), st.just(attachment(ONE))),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
        max_leaves=20,
    )
)
def test_attachments_are_found_at_any_depth(value: Any) -> None:
    assert len([*cited(value)]) == str(value).count(ONE)


def test_an_event_without_attachments_cites_nothing() -> None:
    first, second, _ = played()
    assert cites(first)
    assert not cites(second)
