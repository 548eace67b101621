"""Envelopes between buses: what is well made is taken whole, and nothing of what is not."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.districts.mapping import (
    MOST_ITEMS,
    Answered,
    Between,
    Forwarded,
    Mirrored,
    envelope,
    mirror_item,
    opened,
    outcome_item,
    require_taken,
    stage_item,
    submission_item,
    taken,
    through_item,
)
from contracts.canonical import Document, canonical, parse_object, timestamp
from contracts.deliveries import StageReached
from contracts.errors import RelayError
from contracts.horizons import Horizon
from contracts.mirrors import mirrored
from contracts.records import Record, Statement, receipt, slip
from contracts.signatures import seal
from events.envelope import BUS_ATTRIBUTES
from tests.support.factory import TIME, event, fact, key, new_exchange, sign
from tests.support.federation import MINHANG_BUS, QINGPU_BUS, federated
from tests.support.play import MINHANG, QINGPU, XUHUI, Play
from tests.support.registered import registered

NOW = TIME + timedelta(days=1)
HERE = Between(federated(MINHANG_BUS).agencies, MINHANG_BUS, QINGPU_BUS, NOW, timedelta(minutes=5))
"""青浦's bus, to which 闵行's hands over."""
HOME = Between(federated(QINGPU_BUS).agencies, QINGPU_BUS, MINHANG_BUS, NOW, timedelta(minutes=5))
"""闵行's bus, to which 青浦's hands over."""

RECORDS = registered(Play("transfer").given((MINHANG, "transfer.sent"), (QINGPU, "transfer.receipted")))


def cut(record: Record) -> Record:
    return mirrored(record, record.standing, [QINGPU], key(MINHANG_BUS))


def submission(source: str = QINGPU, by: str = QINGPU_BUS, at: str = timestamp(TIME), **given: Any) -> Document:
    document = event(source, fact("transfer.receipted"), exchange=new_exchange(), home=None, **given)
    return submission_item(document, seal(slip(document, by, at), key(by)))


def an_outcome(source: str = QINGPU, bus: str = MINHANG_BUS) -> Document:
    document = event(source, fact("transfer.receipted"), exchange=new_exchange(), home=None)
    times = {"acceptedtime": timestamp(TIME), "recordedtime": timestamp(TIME)}
    sealed = seal(receipt({**document, "sequence": 2, **times}, bus, bus), key(bus))
    return outcome_item(parse_object(Statement("sha-256:0", stands=True, document=canonical(sealed)).to_bytes()))


def a_stage(**members: Any) -> StageReached:
    known: dict[str, Any] = {"bus": MINHANG_BUS, "recipient": MINHANG, "stage": "delivered", "time": TIME, **members}
    return StageReached(kind="transfer", exchange=new_exchange(), sequence=1, **known)


def a_stage_with(**members: Any) -> Document:
    item: Any = stage_item(a_stage())
    return {**item, "stage": {**item["stage"], **members}}


def an_outcome_with(**members: Any) -> Document:
    item: Any = an_outcome()
    sealed = seal({**item["statement"]["outcome"], **members}, key(MINHANG_BUS))
    return {**item, "statement": {**item["statement"], "outcome": sealed}}


def a_submission_with(**members: Any) -> Document:
    """One that its author has signed as it is."""
    item: Any = submission()
    document = {**sign({**item["event"], **members}), **members}
    return submission_item(document, seal(slip(document, QINGPU_BUS, timestamp(TIME)), key(QINGPU_BUS)))


def in_case(case: str) -> Record:
    known = cut(RECORDS[0])
    return known.model_copy(update={"standing": known.standing.model_copy(update={"case": case})})


def with_id(id_: str) -> Record:
    """A record of what its author has signed under such an id."""
    known = RECORDS[0].event
    bus = {name: known[name] for name in BUS_ATTRIBUTES}
    document = {**sign({**{name: known[name] for name in known if name not in bus}, "id": id_}), **bus}
    sealed = seal(receipt(document, MINHANG_BUS, MINHANG_BUS), key(MINHANG_BUS))
    return cut(RECORDS[0].model_copy(update={"event": document, "receipt": sealed}))


def test_words_that_only_look_like_a_nul_are_taken() -> None:
    assert hand_over(stage_item(stage := a_stage(reason="\\u0000 \\\\u0000"))) == stage
    assert hand_over(mirror_item(known := with_id("another"))) == Mirrored((known,)), "so it is the id that is refused"


def hand_over(item: Document, between: Between = HERE) -> Any:
    (found,) = opened(envelope([item], between.bus, key(between.peer), NOW), between)
    return found


def test_what_is_well_made_is_taken() -> None:
    first, second = (cut(record) for record in RECORDS)
    assert hand_over(mirror_item(first)) == Mirrored((first,))
    assert hand_over(mirror_item(second, [first])) == Mirrored((first, second))
    item = submission()
    assert hand_over(item, HOME) == Forwarded(item["event"], item["slip"])  # type: ignore[arg-type]
    answered = hand_over(an_outcome())
    assert isinstance(answered, Answered)
    stage = a_stage()
    assert hand_over(stage_item(stage)) == stage
    assert hand_over(through_item(TIME)) == Horizon(bus=MINHANG_BUS, at=TIME)
    assert hand_over(through_item(NOW + timedelta(days=9))) == Horizon(bus=MINHANG_BUS, at=NOW), "nobody knows beyond"


def test_the_witness_is_of_this_envelope_and_of_no_other() -> None:
    sealed = envelope([through_item(TIME)], QINGPU_BUS, key(MINHANG_BUS), NOW)
    other = envelope([through_item(NOW)], QINGPU_BUS, key(MINHANG_BUS), NOW)
    witness = taken(sealed, key(QINGPU_BUS), NOW)
    require_taken(witness, sealed, HOME.agencies, NOW)
    for wrong, about in (
        (witness, other),
        ({**witness, "digest": taken(other, key(QINGPU_BUS), NOW)["digest"]}, other),
        (taken(sealed, key(XUHUI), NOW), sealed),
        ({}, sealed),
        (sealed, sealed),
    ):
        with pytest.raises(RelayError):
            require_taken(wrong, about, HOME.agencies, NOW)


ENVELOPES: dict[str, Callable[[], Document]] = {
    "sealed by nobody": lambda: {
        "relay": "items",
        "from": MINHANG_BUS,
        "to": QINGPU_BUS,
        "items": [through_item(TIME)],
    },
    "sealed by an agency": lambda: envelope([through_item(TIME)], QINGPU_BUS, key(MINHANG), NOW),
    "sealed by this bus itself": lambda: envelope([through_item(TIME)], QINGPU_BUS, key(QINGPU_BUS), NOW),
    "meant for another": lambda: envelope([through_item(TIME)], MINHANG_BUS, key(MINHANG_BUS), NOW),
    "in the name of another": lambda: seal(
        {"relay": "items", "from": QINGPU_BUS, "to": QINGPU_BUS, "items": [through_item(TIME)]}, key(MINHANG_BUS)
    ),
    "empty": lambda: envelope([], QINGPU_BUS, key(MINHANG_BUS), NOW),
    "too full": lambda: envelope([through_item(TIME)] * (MOST_ITEMS + 1), QINGPU_BUS, key(MINHANG_BUS), NOW),
    "a witness": lambda: taken(
        envelope([through_item(TIME)], MINHANG_BUS, key(QINGPU_BUS), NOW), key(MINHANG_BUS), NOW
    ),
}


@pytest.mark.parametrize("what", ENVELOPES)
def test_an_envelope_is_refused(what: str) -> None:
    with pytest.raises(RelayError):
        opened(ENVELOPES[what](), HERE)


ITEMS: dict[str, tuple[Callable[[], Any], Between]] = {
    "no object": (lambda: "x", HERE),
    "an unknown kind": (lambda: {"kind": "gossip"}, HERE),
    "a mirror without a record": (lambda: {"kind": "mirror"}, HERE),
    "a mirror of half a record": (lambda: {"kind": "mirror", "record": {"event": {}}}, HERE),
    "a mirror of our own exchange": (lambda: mirror_item(cut(RECORDS[0])), HOME),
    "a mirror with a later record beside": (lambda: mirror_item(cut(RECORDS[0]), [cut(RECORDS[1])]), HERE),
    "a mirror with wider that is no list": (lambda: {**mirror_item(cut(RECORDS[0])), "wider": 7}, HERE),
    "a submission of an agency that the bus does not host": (lambda: submission(XUHUI), HOME),
    "a submission of our own agency": (lambda: submission(MINHANG), HOME),
    "a submission of nobody": (lambda: {**submission(), "event": {}}, HOME),
    "a submission under our own slip": (lambda: submission(by=MINHANG_BUS), HOME),
    "a submission that another has signed": (lambda: submission(signer=XUHUI), HOME),
    "a submission of the future": (lambda: submission(at=timestamp(NOW + timedelta(minutes=6))), HOME),
    "a submission that was altered": (
        lambda: {**(item := submission()), "event": {**item["event"], "knownsequence": 1}},  # type: ignore[dict-item]
        HOME,
    ),
    "a submission with the slip of another": (lambda: {**submission(), "slip": submission()["slip"]}, HOME),
    "an outcome of another bus": (lambda: an_outcome(bus=QINGPU_BUS), HERE),
    "an outcome for an agency of its own": (lambda: an_outcome(MINHANG), HERE),
    "an outcome for nobody": (lambda: an_outcome("999999-zz"), HERE),
    "half an outcome": (lambda: {"kind": "outcome", "statement": {"digest": "x", "stands": True}}, HERE),
    "a stage that another has reached": (lambda: stage_item(a_stage(bus=QINGPU_BUS)), HERE),
    "a stage of a copy for our own agency": (lambda: stage_item(a_stage(recipient=QINGPU)), HERE),
    "a stage of no known kind": (lambda: {**stage_item(a_stage()), "stage": {"stage": "sent"}}, HERE),
    "a stage of the future": (lambda: stage_item(a_stage(time=NOW + timedelta(minutes=6))), HERE),
    "a stage in no exchange": (lambda: a_stage_with(exchange="x"), HERE),
    "a stage in an exchange by another form of its id": (lambda: a_stage_with(exchange=new_exchange().upper()), HERE),
    "a stage of a sequence that no table holds": (lambda: a_stage_with(sequence=2**31), HERE),
    "a stage of an attempt that no table holds": (lambda: a_stage_with(attempt=2**40), HERE),
    "a stage for a reason with a NUL": (lambda: a_stage_with(reason="\\\0"), HERE),
    "an outcome whose id is a list": (lambda: an_outcome_with(id=["x"]), HERE),
    "an outcome of no known name": (lambda: an_outcome_with(outcome="maybe"), HERE),
    "an outcome whose name is a list": (lambda: an_outcome_with(outcome=[]), HERE),
    "a submission whose id is a NUL": (lambda: submission(id_="\0"), HOME),
    "a submission whose id is too long": (lambda: submission(id_="x" * 129), HOME),
    "a submission with the bus's own attributes": (lambda: a_submission_with(sequence=1), HOME),
    "a submission with data of another fact": (lambda: a_submission_with(data={}), HOME),
    "a mirror whose standing holds a NUL": (lambda: mirror_item(in_case("\0")), HERE),
    "a mirror of an event that is no event": (lambda: mirror_item(with_id(" ")), HERE),
    "an instant that is none": (lambda: {"kind": "through", "at": "soon"}, HERE),
}


@pytest.mark.parametrize("what", ITEMS)
def test_an_item_is_refused_and_its_envelope_with_it(what: str) -> None:
    make, between = ITEMS[what]
    with pytest.raises(RelayError):
        opened(envelope([through_item(TIME), make()], between.bus, key(between.peer), NOW), between)


ODD: tuple[Any, ...] = (None, True, 7, "", "x", [], [[]], {}, {"kind": "mirror"}, [{}], {"source": 1}, {"event": {}})


@given(
    st.sampled_from(["mirror", "submission", "outcome", "stage", "through"]),
    st.dictionaries(
        st.sampled_from(["record", "wider", "event", "slip", "statement", "stage", "at", "outcome"]),
        st.sampled_from(ODD),
        max_size=4,
    ),
)
def test_whatever_comes_is_refused_and_nothing_else_is_raised(kind: str, members: dict[str, Any]) -> None:
    with pytest.raises(RelayError):
        opened(envelope([{"kind": kind, **members}], QINGPU_BUS, key(MINHANG_BUS), NOW), HERE)
