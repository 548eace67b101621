"""What goes to which other bus: every record once and in order, more of it when more may be read, nothing passed on."""

import json
from datetime import timedelta
from typing import Any

import pytest

from connectors.districts.mapping import Between, Mirrored, envelope, opened
from contracts.canonical import canonical, parse_object
from contracts.deliveries import StageReached
from contracts.disclosure import withheld
from contracts.errors import MalformedJson
from contracts.records import Record, Statement, rejection, slip
from contracts.signatures import seal
from services.delivery.copies import Copy, copies
from services.delivery.peers import forward, hosts, mirrors, outcome, shared, stages, through
from services.kernel.mirror import Mirror
from services.kernel.parties import needs_history
from tests.support.factory import BUS, TIME, key, new_exchange, world
from tests.support.federation import MINHANG_BUS, QINGPU_BUS, federated
from tests.support.play import JUSTICE, MINHANG, QINGPU, XUHUI, Play
from tests.support.registered import registered

AGENCIES = federated().agencies
THERE = federated(MINHANG_BUS).agencies


@pytest.fixture(scope="module")
def forwarded() -> list[Record]:
    """From 徐汇 to 青浦: who is of the other bus joins with the third event."""
    play = Play("transfer").given(
        (MINHANG, "transfer.sent", {"recipient": XUHUI}),
        (XUHUI, "transfer.receipted"),
        (XUHUI, "transfer.forwarded", {"recipient": QINGPU}),
        (QINGPU, "transfer.receipted"),
    )
    return registered(play)


def sent(run: list[Record], history: list[Record], progress: dict[str, int], directory: Any = AGENCIES) -> list[Any]:
    found = mirrors(run, history, progress, directory, key(BUS))
    assert all(parcel.agency == QINGPU_BUS for parcel in found)
    return [(parcel.what, json.loads(parcel.body)) for parcel in found]


def test_a_bus_gets_all_that_went_before_when_its_party_joins(forwarded: list[Record]) -> None:
    assert sent(forwarded[:2], [], {}) == []
    found = sent(forwarded[2:], forwarded[:2], {})
    kind, exchange = forwarded[0].kind, forwarded[0].exchange
    assert [what for what, _ in found] == [Copy(kind, exchange, number) for number in (1, 2, 3, 4)]
    assert all(item["wider"] == [] for _, item in found)


def test_in_pieces_or_at_once_the_same_is_sent(forwarded: list[Record]) -> None:
    pieces: list[Any] = []
    progress: dict[str, int] = {}
    for place, record in enumerate(forwarded):
        found = sent([record], forwarded[:place], progress)
        pieces += found
        if found:
            progress[QINGPU_BUS] = found[-1][0].sequence
    assert pieces == sent(forwarded, [], {})
    assert sent(forwarded[3:], forwarded[:3], {QINGPU_BUS: 4}) == []


def test_what_a_bus_is_sent_makes_the_mirror(forwarded: list[Record]) -> None:
    mirror = Mirror()
    between = Between(THERE, MINHANG_BUS, QINGPU_BUS, TIME, timedelta(minutes=5))
    for _, item in sent(forwarded, [], {}):
        (found,) = opened(envelope([item], QINGPU_BUS, key(MINHANG_BUS), TIME), between)
        assert isinstance(found, Mirrored)
        for record in found.records:
            mirror.take(record)
    assert [record.sequence for record in mirror.records] == [1, 2, 3, 4]
    assert mirror.records[3].event == forwarded[3].event


def test_a_second_party_that_may_read_more_brings_more_of_what_went_before(forwarded: list[Record]) -> None:
    """司法局, which reads only what is public, is of the other bus too: it was there first."""
    home = {JUSTICE: QINGPU_BUS}
    directory = moved(home)
    first = sent(forwarded[:2], [], {}, directory)
    assert [len(item["wider"]) for _, item in first] == [0, 0]
    assert withheld(first[0][1]["record"]["event"]["data"])
    later = sent(forwarded[2:], forwarded[:2], {QINGPU_BUS: 2}, directory)
    assert [[item["event"]["sequence"] for item in found["wider"]] for _, found in later] == [[1, 2], []]
    mirror = Mirror()
    for _, item in [*first, *later, *first]:
        for record in [*item["wider"], item["record"]]:
            mirror.take(Record.model_validate(record))
    at_once = [Record.model_validate(item["record"]) for _, item in sent(forwarded, [], {}, directory)]
    assert [record.event for record in mirror.records][:2] != [record.event for record in at_once][:2]
    whole = sent(forwarded[2:3], forwarded[:2], {}, directory)
    assert [record.event for record in mirror.records][:2] == [item["record"]["event"] for _, item in whole][:2]


def moved(homes: dict[str, str]) -> Any:
    """The directory with some agencies hosted elsewhere."""
    by_code = {
        code: agency.model_copy(update={"home": homes.get(code, agency.home)})
        for code, agency in AGENCIES.by_code.items()
    }
    return type(AGENCIES)(by_code, AGENCIES.by_kid)


def test_an_exchange_of_another_bus_is_passed_on_to_nobody(forwarded: list[Record]) -> None:
    theirs = [
        record.model_copy(update={"standing": record.standing.model_copy(update={"home": QINGPU_BUS})})
        for record in forwarded
    ]
    assert mirrors(theirs, [], {}, AGENCIES, key(BUS)) == []
    assert not shared(theirs[-1].standing, AGENCIES, BUS)
    assert shared(forwarded[-1].standing, AGENCIES, BUS)
    assert hosts(forwarded[-1].standing, AGENCIES, BUS) == {QINGPU_BUS: [QINGPU]}


def test_only_parties_that_are_hosted_here_get_copies(forwarded: list[Record]) -> None:
    def here(agency: str) -> bool:
        return AGENCIES.elsewhere(agency, BUS) is None

    found = copies(forwarded, [], {}, world().crosswalk, here)
    assert QINGPU not in {parcel.agency for parcel in found}
    assert MINHANG in {parcel.agency for parcel in found}
    assert not needs_history(forwarded[2:], dict.fromkeys((MINHANG, XUHUI, JUSTICE), 2), here)


def an_outcome(source: str, bus: str = BUS) -> bytes:
    document = {"source": source, "id": "1", "type": "x", "kind": "transfer", "exchange": "e"}
    refused = rejection(document, bus, "2026-11-05T02:00:00Z", code="illegal-move", detail="no", members={})
    return Statement("sha-256:0", stands=True, document=canonical(seal(refused, key(bus)))).to_bytes()


def test_outcomes_go_to_the_bus_that_hosts_their_submitter() -> None:
    found = outcome(an_outcome(QINGPU), AGENCIES, BUS)
    assert found is not None
    assert (found.agency, found.thread) == (QINGPU_BUS, ("transfer", "e"))
    assert outcome(an_outcome(MINHANG), AGENCIES, BUS) is None
    assert outcome(an_outcome(QINGPU, QINGPU_BUS), AGENCIES, BUS) is None, "not ours to tell"
    with pytest.raises(MalformedJson):
        outcome(b"{}", AGENCIES, BUS)


def test_forwards_keep_their_slip_and_their_place(forwarded: list[Record]) -> None:
    event = forwarded[3].event
    sealed = seal(slip(event, QINGPU_BUS, "2026-11-05T02:00:00Z"), key(QINGPU_BUS))
    found = forward(canonical({"event": event, "slip": sealed, "home": BUS}))
    assert (found.agency, found.thread) == (BUS, ("transfer", event["exchange"]))
    assert parse_object(found.body) == {"kind": "submission", "event": event, "slip": sealed}
    with pytest.raises(MalformedJson):
        forward(canonical({"event": event}))


def test_only_own_stages_of_agencies_go_to_who_shares_the_exchange() -> None:
    exchange, other = new_exchange(), new_exchange()
    own = StageReached(
        bus=BUS, kind="transfer", exchange=exchange, sequence=1, recipient=MINHANG, stage="delivered", time=TIME
    )
    theirs = own.model_copy(update={"bus": QINGPU_BUS, "recipient": QINGPU})
    of_a_bus = own.model_copy(update={"recipient": QINGPU_BUS})
    alone = own.model_copy(update={"exchange": other})
    sharing = {("transfer", exchange): [QINGPU_BUS]}
    (found,) = stages([own, theirs, of_a_bus, alone], sharing, AGENCIES, BUS)
    assert found.agency == QINGPU_BUS
    assert StageReached.model_validate(json.loads(found.body)["stage"]) == own


def test_a_horizon_is_nobody_s_exchange() -> None:
    assert through(QINGPU_BUS, TIME).thread is None
