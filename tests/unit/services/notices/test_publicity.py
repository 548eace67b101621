"""双公示: given what is registered, when an agency states a fact, then …"""

from datetime import date

import pytest

from contracts.clocks import ClockState, History, clocks
from events.fields import FieldClass
from services.kernel.exchange import Registration
from tests.support.play import JUSTICE, MINHANG, QINGPU, Play

PLATFORM = "310000-xy"
HANDED_OVER = (MINHANG, "publicity.handed_over")
PUBLISHED = (PLATFORM, "publicity.published")
REFUSED = (PLATFORM, "publicity.refused")
RESUBMITTED = (MINHANG, "publicity.resubmitted")
MARKED = (PLATFORM, "publicity.objection_marked")
OBJECTED = (PLATFORM, "publicity.objected")
UPHELD = (MINHANG, "publicity.upheld")
AMENDED = (MINHANG, "publicity.amended")
REPAIRED = (MINHANG, "publicity.repaired")
FALLEN = (MINHANG, "publicity.decision_changed")
TAKEN_DOWN = (PLATFORM, "publicity.taken_down")


def publicity(*moves: tuple[object, ...]) -> Play:
    return Play("publicity").given(HANDED_OVER, *moves)


def names(play: Play) -> set[str]:
    return {item.rule.id for item in clocks(History("publicity", play.context.entries)) if item.running}


def test_a_decision_is_online_until_its_time_is_over() -> None:
    play = publicity()
    assert play.standing.moves == (PLATFORM,)
    play.given(PUBLISHED)
    assert play.standing.status == "published"
    assert not play.standing.moves
    assert names(play) == set()
    assert play.given(TAKEN_DOWN).standing.ended


def test_what_is_refused_is_mended_and_handed_over_again() -> None:
    play = publicity(REFUSED)
    assert play.standing.moves == (MINHANG,)
    play.given(RESUBMITTED)
    assert play.standing.moves == (PLATFORM,)
    assert play.given(REFUSED, RESUBMITTED, PUBLISHED).standing.status == "published"


@pytest.mark.parametrize("code", ["no-such-ground", "record-correct"])
def test_the_platform_refuses_for_a_ground_of_its_own(code: str) -> None:
    answer = publicity().when(*REFUSED, ground={"code": code, "reason": "示例。"})
    assert answer.code == "ground-unknown"


def test_a_refusal_is_of_the_record_that_was_handed_over() -> None:
    answer = publicity().when(*REFUSED, decided_on="2026-11-01")
    assert answer.code == "decision-mismatch"
    assert answer.members["pointer"] == "/data/decided_on"


@pytest.mark.parametrize("team", ["310112006-cg", "310112107-cg"])
def test_the_teams_hand_over_too(team: str) -> None:
    name = {"inname": MINHANG} if team == "310112006-cg" else {}
    assert isinstance(Play("publicity").when(team, "publicity.handed_over", by=name), Registration)


def test_another_district_has_no_agreement_here() -> None:
    assert Play("publicity").when(QINGPU, "publicity.handed_over").code == "no-agreement"


def test_the_supervisor_reads_what_is_public() -> None:
    parties = publicity().standing.parties
    assert parties[JUSTICE].reads == (FieldClass.PUBLIC,)
    assert FieldClass.PERSONAL in parties[PLATFORM].reads


# --- objections


def test_an_objection_that_fails_leaves_the_record_online() -> None:
    play = publicity(PUBLISHED, MARKED)
    assert play.standing.moves == (PLATFORM,)
    assert play.given(OBJECTED).standing.moves == (MINHANG,)
    assert play.given(UPHELD).standing.status == "published"
    assert play.given(MARKED).standing.status == "marked"


def test_an_objection_that_holds_puts_the_record_right() -> None:
    play = publicity(PUBLISHED, MARKED, OBJECTED, AMENDED)
    assert play.standing.moves == (PLATFORM,)
    assert play.given(PUBLISHED).standing.status == "published"


def test_an_objection_is_not_put_aside_without_a_ground() -> None:
    answer = publicity(PUBLISHED, MARKED, OBJECTED).when(*UPHELD, ground={"code": "columns-wrong", "reason": "示例。"})
    assert answer.code == "ground-unknown"


# --- the ends


@pytest.mark.parametrize("before", [(), (MARKED,), (MARKED, OBJECTED), (MARKED, OBJECTED, AMENDED)])
def test_a_decision_may_fall_at_any_time_and_its_record_goes(before: tuple[tuple[str, str], ...]) -> None:
    play = publicity(PUBLISHED, *before, FALLEN)
    assert play.standing.moves == (PLATFORM,)
    assert names(play) == {"XY-37"}
    assert play.given(TAKEN_DOWN).standing.ended


def test_a_repaired_record_goes() -> None:
    play = publicity(PUBLISHED, REPAIRED)
    assert names(play) == {"XY-38"}
    assert play.given(TAKEN_DOWN).standing.status == "taken_down"


def test_before_it_is_online_the_agency_takes_it_back_alone() -> None:
    assert publicity((MINHANG, "common.withdrawn")).standing.ended
    assert publicity(REFUSED, (MINHANG, "common.withdrawn")).standing.ended
    assert publicity(PUBLISHED).when(MINHANG, "common.withdrawn").code == "withdrawal-not-agreed"


# --- clocks


def test_seven_working_days_run_from_the_decision_against_the_agency() -> None:
    play = publicity()
    assert names(play) == {"GS-01"}
    assert play.clock("GS-01").agency == PLATFORM
    play.given(REFUSED)
    assert names(play) == {"SGS-07"}
    clock = play.clock("SGS-07")
    assert clock.agency == MINHANG
    assert clock.started_at.date() == date(2026, 11, 3)
    assert clock.due.instant.date() == date(2026, 11, 13)
    assert names(play.given(RESUBMITTED)) == {"GS-01"}


def test_an_objection_goes_on_within_two_working_days_of_its_receipt_and_is_decided_within_five() -> None:
    play = publicity(PUBLISHED, (*MARKED, {"received_on": "2026-11-04"}))
    assert names(play) == {"XY-36-2"}
    assert play.clock("XY-36-2").due.instant.date() == date(2026, 11, 7)
    play.given(OBJECTED)
    assert names(play) == {"XY-36-5"}
    assert play.clock("XY-36-5").agency == MINHANG
    play.given(UPHELD)
    found = clocks(History("publicity", play.context.entries))
    assert {item.rule.id for item in found if item.state is ClockState.MET} == {"GS-01", "XY-36-2", "XY-36-5"}
