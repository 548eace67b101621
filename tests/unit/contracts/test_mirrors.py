"""Mirrors: what another bus may know and no more, that it verifies, and that any order ends in the same record."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from contracts.canonical import Document, canonical
from contracts.disclosure import withheld
from contracts.errors import RelayError
from contracts.mirrors import merged, mirrored, require_mirrored, same
from contracts.records import SENDER, Part, Party, Record, Standing, receipt
from contracts.signatures import seal
from events.envelope import BUS_ATTRIBUTES
from services.kernel.mirror import Mirror
from tests.support.factory import BUS, key, sign
from tests.support.federation import QINGPU_BUS, federated
from tests.support.play import CITY, JUSTICE, MINHANG, POLICE, QINGPU, Play
from tests.support.registered import registered

AGENCIES = federated().agencies
JIAXING = "330400-cg"


def transfer() -> list[Record]:
    return registered(
        Play("transfer").given(
            (MINHANG, "transfer.sent"), (QINGPU, "transfer.receipted"), (QINGPU, "transfer.accepted")
        )
    )


def referral() -> list[Record]:
    return registered(
        Play("referral").given(
            (MINHANG, "referral.reported"), (MINHANG, "referral.approved"), (MINHANG, "referral.sent")
        )
    )


def lead() -> list[Record]:
    """A lead to two districts that learn nothing of each other."""
    play = Play("lead")
    play.given((MINHANG, "lead.opened", {"recipients": [QINGPU, JIAXING]}))
    for source in (QINGPU, JIAXING):
        play.when(source, "lead.receipted", by={"leg": source})
    assert len(play.log) == 3
    return registered(play)


def cut(record: Record, hosted: list[str], newest: Record | None = None) -> Record:
    return mirrored(record, (newest or record).standing, hosted, key(BUS))


def data(record: Record) -> Document:
    found = record.event["data"]
    assert isinstance(found, dict)
    return found


def test_a_mirror_is_cut_to_its_parties_and_verifies() -> None:
    opening = transfer()[0]
    overseen, handled = cut(opening, [JUSTICE]), cut(opening, [JUSTICE, QINGPU])
    assert not overseen.stubbed
    assert set(withheld(data(handled))) < set(withheld(data(overseen)))
    for record in (overseen, handled):
        require_mirrored(record, AGENCIES, BUS)


def test_what_none_of_them_may_see_is_a_stub_that_names_nobody() -> None:
    first, _, last = referral()
    stub = cut(first, [POLICE], last)
    assert stub.stubbed
    assert stub.audience == ()
    said = canonical({"event": stub.event, "receipt": stub.receipt}).decode()
    assert "referral.reported" not in said
    assert str(first.event["id"]) not in said
    assert MINHANG not in said
    assert stub.opener == MINHANG, "the sender is a party, which is no secret"
    require_mirrored(stub, AGENCIES, BUS)
    assert not cut(last, [POLICE]).stubbed


def test_addressees_apart_stay_apart_on_the_other_bus() -> None:
    records = lead()
    newest = records[-1]
    seen = [cut(record, [QINGPU], newest) for record in records]
    assert [record.stubbed for record in seen] == [False, False, True]
    standing = seen[-1].standing
    assert set(standing.legs) == {QINGPU}
    assert set(standing.parts or ()) == {QINGPU}
    assert standing.told_to(QINGPU) == newest.standing.told_to(QINGPU)
    assert cut(newest, [QINGPU, MINHANG]).standing == newest.standing, "the sender knows all of it"


def test_an_addressee_that_is_not_told_of_here_is_told_nothing() -> None:
    """What a bus mirrors for its own addressee says nothing to that of another bus."""
    records = lead()
    here = cut(records[1], [QINGPU], records[-1]).standing
    assert here.status != here.told_to(JIAXING).status == ""
    assert (here.told_to(JIAXING).moves, here.told_to(JIAXING).legs, here.told_to(JIAXING).parts) == ((), {}, None)
    assert here.told_at([JIAXING]).legs == {}
    assert here.told_to(QINGPU).status == records[1].standing.told_to(QINGPU).status != ""


def test_own_words_of_the_other_bus_s_agencies_come_back_whole() -> None:
    receipted = transfer()[1]
    assert cut(receipted, [QINGPU]).event == receipted.event


def _receipt(record: Record, **members: JsonValue) -> Record:
    return record.model_copy(update={"receipt": seal({**record.receipt, **members}, key(BUS))})


def _signed_anew(record: Record, **members: JsonValue) -> Record:
    """The record of an event that its own author has signed with these members."""
    event = {**record.event, **members}
    signed = {name: value for name, value in event.items() if name not in BUS_ATTRIBUTES}
    document = {**event, **sign(signed)}
    return record.model_copy(update={"event": document, "receipt": seal(receipt(document, BUS, BUS), key(BUS))})


def _sent_by(record: Record, sender: str | None) -> Record:
    """The record with another sender among the parties, or with none."""
    parties = {code: party for code, party in record.standing.parties.items() if party.role != SENDER}
    if sender is not None:
        parties[sender] = Party(role=SENDER, reads=())
    return record.model_copy(update={"standing": record.standing.model_copy(update={"parties": parties})})


@pytest.mark.parametrize("form", [str.upper, lambda id_: id_.replace("-", ""), lambda id_: f"{{{id_}}}"])
def test_an_exchange_has_one_id(form: Callable[[str], str]) -> None:
    """PostgreSQL takes them all for one and the same."""
    opening = transfer()[0]
    with pytest.raises(RelayError, match="names its kind"):
        require_mirrored(cut(_signed_anew(opening, exchange=form(opening.exchange)), [QINGPU]), AGENCIES, BUS)


@pytest.mark.parametrize("sequence", [True, 0, -1, "1", 1.0])
def test_a_place_has_one_number(sequence: JsonValue) -> None:
    opening = transfer()[0]
    event, proof = ({**part, "sequence": sequence} for part in (opening.event, opening.receipt))
    forged = opening.model_copy(update={"event": event, "receipt": seal(proof, key(BUS))})
    with pytest.raises(RelayError, match="names its kind"):
        require_mirrored(forged, AGENCIES, BUS)


def _refused(record: Record) -> bool:
    try:
        require_mirrored(record, AGENCIES, BUS)
    except RelayError:
        return True
    return False


def test_forgeries_are_refused() -> None:
    opening = cut(transfer()[0], [QINGPU])
    stub = cut(referral()[0], [POLICE], referral()[-1])
    elsewhere = registered(Play("transfer").given((QINGPU, "transfer.sent", {"recipient": MINHANG})))[0]
    named = _signed_anew(transfer()[0], home=QINGPU_BUS)
    forged = {
        "sealed by another": opening.model_copy(update={"receipt": seal(opening.receipt, key(CITY))}),
        "not sealed": opening.model_copy(
            update={"receipt": {**opening.receipt, "recordedtime": "2026-01-01T00:00:00Z"}}
        ),
        "of another sequence": _receipt(opening, sequence=7),
        "of another source": _receipt(opening, source=CITY),
        "of other bytes": _receipt(opening, signed="sha-256:0"),
        "of another home": _receipt(opening, home=QINGPU_BUS),
        "altered data": opening.model_copy(update={"event": {**opening.event, "data": {**data(opening), "more": 1}}}),
        "altered attribute": opening.model_copy(update={"event": {**opening.event, "case": "SYN-other"}}),
        "opened by an agency of another bus": cut(elsewhere, [MINHANG]),
        "stubbed, and opened by an agency of another bus": _sent_by(stub, QINGPU),
        "stubbed, and opened by nobody": _sent_by(stub, None),
        "of an author who names another home": cut(named, [QINGPU]),
        "no exchange": opening.model_copy(update={"event": {**opening.event, "exchange": "x"}}),
        "a stub that tells more": stub.model_copy(update={"event": {**stub.event, "source": MINHANG}}),
        "an event under a stub's receipt": opening.model_copy(update={"receipt": stub.receipt}),
    }
    taken = [what for what, record in forged.items() if not _refused(record)]
    assert taken == []
    with pytest.raises(RelayError):
        require_mirrored(opening, AGENCIES, QINGPU_BUS)


@given(st.permutations(range(3)), st.lists(st.integers(0, 100), max_size=6))
def test_forms_of_one_record_become_one_in_any_order(order: list[int], again: list[int]) -> None:
    records = lead()
    newest = records[-1]
    told = [cut(records[2], codes, newest) for codes in ([QINGPU], [JIAXING], [MINHANG, QINGPU])]
    assert all(same(told[0], other) for other in told)
    one = told[order[0]]
    for place in [*order[1:], *(number % 3 for number in again)]:
        one = merged(one, told[place])
    assert one == told[2]


@given(st.data())
def test_any_order_and_repetition_ends_in_the_same_mirror(drawn: st.DataObject) -> None:
    """Holes are refused and come again, as the sender does; everything else is known, wider or next."""
    records = transfer()
    newest = records[-1]
    told = [cut(record, hosted, newest) for record in records for hosted in ([QINGPU], [JUSTICE, QINGPU], [JUSTICE])]
    come = drawn.draw(st.lists(st.sampled_from(told), max_size=12))
    mirror = Mirror()
    for record in [*come, *told]:
        if record.sequence <= len(mirror.records) + 1:
            mirror.take(record)
        else:
            with pytest.raises(RelayError, match="hole"):
                mirror.take(record)
    for record in told:
        mirror.take(record)
    assert mirror.records == [cut(record, [QINGPU], newest) for record in records]


TOLD_OTHERWISE: dict[str, JsonValue] = {
    "status": "another",
    "moves": [],
    "legs": {QINGPU: "another"},
    "case": "示例案〔2026〕2号",
    "ended": True,
    "hops": 7,
    "phase": "supplement",
    "parties": {MINHANG: {"role": "sender", "reads": []}, QINGPU: {"role": "supervisor", "reads": []}},
}


@pytest.mark.parametrize("member", TOLD_OTHERWISE)
def test_a_standing_is_not_told_anew(member: str) -> None:
    """No receipt is over it, so the first word of it stays; a later event may change it."""
    first = cut(transfer()[0], [QINGPU])
    standing = {**first.standing.model_dump(mode="json"), member: TOLD_OTHERWISE[member]}
    other = first.model_copy(update={"standing": Standing.model_validate(standing)})
    assert other != first
    mirror = Mirror([first])
    with pytest.raises(RelayError, match="fork"):
        mirror.take(other)
    assert mirror.records == [first]


def test_what_an_addressee_apart_was_told_is_not_told_anew() -> None:
    newest = lead()[-1]
    narrow, full = cut(newest, [QINGPU], newest), cut(newest, [MINHANG, QINGPU], newest)
    assert same(narrow, full)
    part = Part(status="another", moves=())
    for update in ({"parts": {QINGPU: part}}, {"legs": {QINGPU: "another"}}, {"case": "示例案〔2026〕2号"}):
        other = narrow.model_copy(update={"standing": narrow.standing.model_copy(update=update)})
        assert not same(other, full)
        assert not same(full, other)


def test_a_fork_is_loud_and_writes_nothing_over() -> None:
    mirror = Mirror()
    first, second = transfer(), transfer()
    mirror.take(cut(first[0], [QINGPU]))
    other = second[0].model_copy(update={"event": {**second[0].event, "exchange": first[0].exchange}})
    other = other.model_copy(update={"receipt": {**second[0].receipt, "exchange": first[0].exchange}})
    with pytest.raises(RelayError, match="fork"):
        mirror.take(cut(other, [QINGPU]))
    assert mirror.records == [cut(first[0], [QINGPU])]
