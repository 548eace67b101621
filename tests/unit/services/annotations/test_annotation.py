"""不动产注记、解注: given what is registered, when an agency states a fact, then …"""

from datetime import date, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from contracts.clocks import History, running
from contracts.disclosure import classified
from events.annotation import Requested
from events.fields import FieldClass
from services.kernel.exchange import Registration, Rejection
from tests.support.factory import TIME, example, fact
from tests.support.play import JUSTICE, MINHANG, Play

TITLES = "310112-bdc"

REQUESTED = (MINHANG, "annotation.requested")
RECORDED = (TITLES, "annotation.recorded")
REFUSED = (TITLES, "annotation.refused")
RELEASE = (MINHANG, "annotation.release_requested")
CERTIFIED = (MINHANG, "annotation.rectification_certified")
NOT_RECTIFIED = (MINHANG, "annotation.not_rectified")
REVOKED = (MINHANG, "annotation.determination_revoked")
RELEASED = (TITLES, "annotation.released")
RELEASE_REFUSED = (TITLES, "annotation.release_refused")


def annotation(*moves: tuple[object, ...]) -> Play:
    return Play("annotation").given(*moves)


def test_a_determination_is_recorded_and_released_after_rectification() -> None:
    play = annotation(REQUESTED)
    for move, status, awaited in [
        (RECORDED, "recorded", ()),
        (RELEASE, "release_requested", (MINHANG,)),
        (CERTIFIED, "release_due", (TITLES,)),
    ]:
        play.given(move)
        assert (play.standing.status, play.standing.moves) == (status, awaited)
    standing = play.given(RELEASED).standing
    assert (standing.status, standing.ended) == ("released", True)


def test_only_the_registrar_of_titles_is_shown_whose_it_is() -> None:
    standing = annotation(REQUESTED).standing
    readers = {code for code, party in standing.parties.items() if FieldClass.PERSONAL in party.reads}
    assert readers == {MINHANG, TITLES}
    assert standing.parties[JUSTICE].reads == (FieldClass.PUBLIC,)
    data: Any = example("annotation.requested")["data"]
    personal = {pointer for pointer, kept in classified(Requested, data).items() if kept is FieldClass.PERSONAL}
    assert {f"/estate/{name}" for name in ("location", "unit_number", "certificate", "owners")} <= personal


def test_a_refusal_ends_it_and_has_a_ground() -> None:
    assert annotation(REQUESTED, REFUSED).standing.ended
    answer = annotation(REQUESTED).when(*REFUSED, ground={"code": "workload", "reason": "人手不足。"})
    assert isinstance(answer, Rejection)
    assert (answer.code, answer.members["instead"]) == ("ground-barred", "extension_requested")
    elsewhere = annotation(REQUESTED).when(*REFUSED, ground={"code": "not-this-registrar", "reason": "不在本区。"})
    assert elsewhere.code == "competent-body-missing"


def test_only_a_document_that_has_taken_effect_is_annotated() -> None:
    today = TIME.date()
    assert Play("annotation").when(*REQUESTED, effective_on=str(today.replace(day=6))).code == "document-not-effective"
    assert isinstance(Play("annotation").when(*REQUESTED, effective_on=str(today)), Registration)


def test_what_is_wrong_with_the_building_is_said() -> None:
    assert isinstance(Play("annotation").when(*REQUESTED, "illegal-structure"), Registration)
    with pytest.raises(ValidationError, match="has its part"):
        fact("annotation.requested", part=None)
    with pytest.raises(ValidationError, match="has its area"):
        fact("annotation.requested", "illegal-structure", area=None)


def test_the_release_is_requested_by_either_side() -> None:
    assert annotation(REQUESTED, RECORDED, (TITLES, RELEASE[1])).standing.moves == (MINHANG,)


def test_the_release_is_that_of_this_annotation() -> None:
    answer = annotation(REQUESTED, RECORDED).when(*RELEASE, annotation="SYN-注-2026-0001")
    assert (answer.code, answer.members) == ("annotation-mismatch", {"annotation": "SYN-注-2026-0007"})


def test_nothing_is_released_before_it_is_certified() -> None:
    play = annotation(REQUESTED, RECORDED, RELEASE)
    assert play.when(*RELEASED).code == "illegal-move"
    assert play.when(TITLES, CERTIFIED[1]).code == "not-your-move"


def test_a_revoked_determination_is_released_too() -> None:
    assert annotation(REQUESTED, RECORDED, RELEASE, REVOKED, RELEASED).standing.ended


@pytest.mark.parametrize("way", [(NOT_RECTIFIED,), (CERTIFIED, RELEASE_REFUSED)])
def test_what_is_not_released_stays_recorded_and_may_be_requested_again(way: tuple[Any, ...]) -> None:
    play = annotation(REQUESTED, RECORDED, RELEASE, *way)
    assert (play.standing.status, play.standing.moves) == ("recorded", ())
    assert play.given(RELEASE, CERTIFIED, RELEASED).standing.ended


def test_two_officers_inspect() -> None:
    data: Any = example("annotation.rectification_certified")["data"]
    with pytest.raises(ValidationError, match="at least 2"):
        fact("annotation.rectification_certified", inspectors=data["inspectors"][:1])


def test_the_sender_withdraws_alone_until_it_is_recorded() -> None:
    assert annotation(REQUESTED, (MINHANG, "common.withdrawn")).standing.ended
    assert annotation(REQUESTED, RECORDED).when(MINHANG, "common.withdrawn").code == "withdrawal-not-agreed"


def test_a_town_requests_in_its_own_name() -> None:
    play = Play("annotation")
    assert isinstance(play.when("310112102-cg", REQUESTED[1], by={"inname": "310112102-jz"}), Registration)


def test_the_agreed_clocks() -> None:
    play = annotation(REQUESTED)
    assert play.clock("BD-01").due.instant.date() == date(2026, 11, 13)
    assert play.given(RECORDED, RELEASE).clock("BD-02").agency == MINHANG
    assert play.given(CERTIFIED).clock("BD-03").agency == TITLES


def test_the_inspection_is_due_from_when_the_request_reached_who_inspects() -> None:
    play = annotation(REQUESTED, RECORDED, (TITLES, RELEASE[1]))
    rules = [item.rule.id for item in running(History("annotation", play.context.entries, {}))]
    assert rules == []
    reached = play.times[-1] + timedelta(days=1)
    history = History("annotation", play.context.entries, {(len(play.log), MINHANG): reached})
    assert [(item.rule.id, item.started_at) for item in running(history)] == [("BD-02", reached)]
