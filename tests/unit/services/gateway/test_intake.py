"""The gateway's checks, one after another, on otherwise good events."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.agreements import collect
from contracts.codec import content_digest
from contracts.errors import ContractError, InvalidEvent, NoAgreement, SignatureError
from contracts.kinds import Kinds
from contracts.library import Contracts
from contracts.topics import Topics
from events import common
from services.gateway.intake import Submission, check
from tests.support import factory
from tests.support.federation import MINHANG_BUS, QINGPU_BUS, federated

MINHANG, QINGPU, POLICE, CITY = "310112-cg", "310118-cg", "310112-ga", "310000-cg"
NOW = datetime(2026, 11, 23, 4, tzinfo=UTC)
TOLERANCE = timedelta(minutes=5)


def opening(**attributes: Any) -> dict[str, Any]:
    sent = factory.fact("transfer.sent", recipient=QINGPU)
    return dict(factory.event(MINHANG, sent, exchange=factory.new_exchange(), **attributes))


def checked(document: dict[str, Any], contracts: Contracts | None = None, bus: str = factory.BUS) -> Submission:
    return check(document, contracts or factory.world(), bus, NOW, TOLERANCE)


def refusal(document: dict[str, Any], contracts: Contracts | None = None) -> ContractError:
    with pytest.raises(ContractError) as caught:
        checked(document, contracts)
    return caught.value


def code(error: ContractError) -> str:
    assert isinstance(error, (InvalidEvent, SignatureError))
    return error.code


def test_a_good_event_goes_on() -> None:
    document = opening()
    submission = checked(document)
    assert submission.topic == "submissions.transfers"
    assert submission.key == (MINHANG, document["id"], content_digest(document))


def test_every_violation_of_the_schema_at_once() -> None:
    document = opening()
    document["data"] = {**document["data"], "reason": "", "extra": 1}
    document["time"] = "yesterday"
    error = refusal(document)
    assert isinstance(error, InvalidEvent)
    assert {item.pointer for item in error.violations} >= {"/data/reason", "/data/extra", "/time"}


def test_schema_comes_before_signature() -> None:
    assert code(refusal({**opening(), "signature": "x", "source": "nobody"})) == "schema-violation"


def test_unknown_type_comes_first() -> None:
    assert code(refusal({"type": "cn.liandong.transfer.imagined.v1"})) == "type-unknown"
    assert code(refusal({})) == "type-unknown"


def test_an_attribute_of_the_bus_is_not_for_agencies() -> None:
    assert code(refusal({**opening(), "sequence": 1})) == "schema-violation"


def test_changed_content() -> None:
    assert code(refusal({**opening(), "case": "another"})) == "signature-invalid"


def test_changed_classified_member() -> None:
    document = opening()
    document["data"] = {**document["data"], "contact": {**document["data"]["contact"], "name": "李四"}}
    assert code(refusal(document)) == "signature-invalid"


def test_signed_by_another_agency() -> None:
    sent = factory.fact("transfer.sent", recipient=QINGPU)
    document = factory.event(MINHANG, sent, exchange=factory.new_exchange(), signer=QINGPU)
    assert code(refusal(document)) == "source-mismatch"


def test_key_of_nobody() -> None:
    without_keys = replace(factory.world(), agencies=replace(factory.world().agencies, by_kid={}))
    assert code(refusal(opening(), without_keys)) == "key-unknown"


def test_agency_of_another_bus() -> None:
    """Whatever it states: its own bus takes it."""
    with pytest.raises(InvalidEvent, match=MINHANG_BUS) as caught:
        checked(opening(home=QINGPU_BUS), federated(), QINGPU_BUS)
    assert caught.value.code == "home-mismatch"
    assert checked(opening(), federated(), MINHANG_BUS).topic


def test_time_in_the_future_beyond_tolerance() -> None:
    assert checked(opening(time=NOW + TOLERANCE)).topic
    assert code(refusal(opening(time=NOW + TOLERANCE + timedelta(seconds=1)))) == "time-in-future"


def test_no_agreement_to_send_there() -> None:
    sent = factory.fact("transfer.sent", recipient=POLICE)
    error = refusal(dict(factory.event(MINHANG, sent, exchange=factory.new_exchange())))
    assert isinstance(error, NoAgreement)
    assert POLICE in str(error)


def test_agreement_that_has_run_out() -> None:
    world = factory.world()
    over = collect(item.model_copy(update={"valid_to": NOW}) for item in world.agreements.by_id.values())
    assert isinstance(refusal(opening(), replace(world, agreements=over)), NoAgreement)


def test_a_party_may_go_on_after_the_agreement_has_run_out() -> None:
    world = factory.world()
    over = collect(item.model_copy(update={"valid_to": NOW}) for item in world.agreements.by_id.values())
    chased = common.Chased(concerns="进展")
    document = dict(factory.event(MINHANG, chased, exchange=factory.new_exchange(), kind="transfer"))
    assert checked(document, replace(world, agreements=over)).topic


def test_agency_that_no_agreement_names() -> None:
    chased = common.Chased(concerns="进展")
    document = dict(factory.event(POLICE, chased, exchange=factory.new_exchange(), kind="transfer"))
    assert isinstance(refusal(document), NoAgreement)


def test_arbiter_is_named() -> None:
    chased = common.Chased(concerns="进展")
    assert checked(dict(factory.event(CITY, chased, exchange=factory.new_exchange(), kind="transfer"))).topic


def test_kind_that_no_registrar_decides() -> None:
    error = refusal(opening(), replace(factory.world(), topics=Topics({}, Kinds({}))))
    assert code(error) == "kind-elsewhere"
