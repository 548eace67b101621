"""双公示: given what is registered, when an agency states a fact, then …"""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from contracts.clocks import ClockState, History, clocks
from events.fields import FieldClass
from services.kernel.exchange import Registration
from tests.support.factory import example
from tests.support.play import JUSTICE, MINHANG, QINGPU, Play

PLATFORM = "310000-xy"
HANDED_OVER = (MINHANG, "publicity.handed_over")
PUBLISHED = (PLATFORM, "publicity.published")
REFUSED = (PLATFORM, "publicity.refused")
RESUBMITTED = (MINHANG, "publicity.resubmitted")
MARKED = (PLATFORM, "publicity.objection_marked", {"corrector": "agency"})
SETTLED = (PLATFORM, "publicity.settled")
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
    early = play.when(*TAKEN_DOWN)
    assert (early.code, early.members) == ("publicity-not-over", {"public_until": "2029-11-03"})
    play.wait(datetime(2029, 11, 3, tzinfo=UTC) - play.context.acceptedtime)
    assert play.given(TAKEN_DOWN).standing.ended


def test_the_day_until_which_it_is_public_is_that_of_the_record_as_amended() -> None:
    disclosure: Any = example("publicity.amended")["data"]
    changed = {"disclosure": {**disclosure["disclosure"], "public_until": "2026-11-04"}}
    play = publicity(PUBLISHED, MARKED, OBJECTED, (*AMENDED, changed), PUBLISHED)
    assert play.given(TAKEN_DOWN).standing.ended


# --- what is not published


def decided(**members: Any) -> dict[str, Any]:
    data: Any = example("publicity.handed_over")["data"]
    return {"decision": {**data["decision"], **members}}


WARNED = {"penalties": [{"type": "warning"}, {"type": "censure"}], "fine": 0}
LAW_IN_FORCE = datetime(2024, 10, 31, 16, tzinfo=UTC)


@pytest.mark.parametrize("change", [{"procedure": "simple"}, WARNED])
def test_what_is_not_to_be_public_is_not_handed_over(change: dict[str, Any]) -> None:
    answer = Play("publicity").when(*HANDED_OVER, **decided(**change))
    assert (answer.code, answer.members["pointer"]) == ("not-to-be-public", "/data/decision")
    assert publicity(REFUSED).when(*RESUBMITTED, **decided(**change)).code == "not-to-be-public"
    objected = publicity(PUBLISHED, MARKED, OBJECTED)
    assert objected.when(*AMENDED, **decided(**change)).code == "not-to-be-public"


def test_a_warning_beside_a_fine_is_published() -> None:
    penalties = [{"type": "warning"}, {"type": "fine", "amount": 100}]
    assert isinstance(Play("publicity").when(*HANDED_OVER, **decided(penalties=penalties, fine=100)), Registration)


@pytest.mark.parametrize(("before", "refused"), [(timedelta(minutes=2), False), (timedelta(0), True)])
def test_before_the_law_was_in_force_it_was_published(before: timedelta, *, refused: bool) -> None:
    answer = Play("publicity", at=LAW_IN_FORCE - before).when(*HANDED_OVER, **decided(procedure="simple"))
    assert isinstance(answer, Registration) is not refused


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


def test_a_record_stays_that_of_one_decision() -> None:
    other = decided(number="闵城管罚〔2026〕413号")
    answer = publicity(REFUSED).when(*RESUBMITTED, **other)
    assert (answer.code, answer.members["pointer"]) == ("decision-mismatch", "/data/decision/number")
    assert publicity(PUBLISHED, MARKED, OBJECTED).when(*AMENDED, **other).code == "decision-mismatch"


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


def test_an_amendment_that_is_refused_leaves_the_record_online() -> None:
    play = publicity(PUBLISHED, MARKED, OBJECTED, AMENDED, REFUSED)
    assert (play.standing.status, play.standing.moves) == ("amendment_refused", (MINHANG,))
    assert names(play) == {"GS-02"}
    assert play.when(MINHANG, "common.withdrawn").code == "withdrawal-not-agreed"
    assert play.fork().given(FALLEN).standing.status == "fallen"
    assert names(play.given(AMENDED)) == {"GS-01"}
    assert play.given(PUBLISHED).standing.status == "published"


def test_the_platform_settles_what_it_can_correct_itself() -> None:
    play = publicity(PUBLISHED, (*MARKED[:2], {"corrector": "platform", "received_on": "2026-11-04"}))
    assert names(play) == {"XY-36-1-5"}
    assert play.clock("XY-36-1-5").due.instant.date() == date(2026, 11, 12)
    assert play.fork().given(OBJECTED).standing.status == "objected"
    play.given(SETTLED)
    assert play.standing.status == "published"
    assert names(play) == set()


def test_the_platform_does_not_settle_what_is_the_agencys_to_correct() -> None:
    assert publicity(PUBLISHED, MARKED).when(*SETTLED).code == "corrector-mismatch"


def test_an_objection_is_not_put_aside_without_a_ground() -> None:
    answer = publicity(PUBLISHED, MARKED, OBJECTED).when(*UPHELD, ground={"code": "columns-wrong", "reason": "示例。"})
    assert answer.code == "ground-unknown"


# --- the ends


@pytest.mark.parametrize("before", [(), (MARKED,), (MARKED, OBJECTED), (MARKED, OBJECTED, AMENDED)])
def test_a_decision_may_fall_at_any_time_and_its_record_goes(before: tuple[tuple[Any, ...], ...]) -> None:
    play = publicity(PUBLISHED, *before, FALLEN)
    assert play.standing.moves == (PLATFORM,)
    assert names(play) == {"XY-37"}
    assert play.given(TAKEN_DOWN).standing.ended


def test_a_repaired_record_goes() -> None:
    play = publicity(PUBLISHED, REPAIRED)
    assert names(play) == {"XY-38"}
    assert play.given(TAKEN_DOWN).standing.status == "taken_down"


@pytest.mark.parametrize(("applied_on", "taken"), [("2027-02-09", False), ("2027-02-10", True)])
def test_a_record_is_repaired_when_its_shortest_period_is_over(applied_on: str, *, taken: bool) -> None:
    answer = publicity((*PUBLISHED, {"published_on": "2026-11-09"})).when(*REPAIRED, applied_on=applied_on)
    assert isinstance(answer, Registration) is taken
    if not taken:
        assert (answer.code, answer.members["from"]) == ("repair-too-early", "2027-02-10")


def test_before_it_is_online_the_agency_takes_it_back_alone() -> None:
    assert publicity((MINHANG, "common.withdrawn")).standing.ended
    assert publicity(REFUSED, (MINHANG, "common.withdrawn")).standing.ended
    assert publicity(PUBLISHED).when(MINHANG, "common.withdrawn").code == "withdrawal-not-agreed"


# --- clocks


def test_each_side_has_a_clock_of_its_own_while_a_record_is_mended() -> None:
    play = publicity()
    assert names(play) == {"GS-01"}
    assert play.clock("GS-01").agency == PLATFORM
    play.given(REFUSED)
    assert names(play) == {"GS-02"}
    clock = play.clock("GS-02")
    assert clock.agency == MINHANG
    assert clock.due.instant.date() == date(2026, 11, 11)
    assert names(play.given(RESUBMITTED)) == {"GS-01"}


def test_an_objection_goes_on_within_two_working_days_of_its_receipt_and_is_decided_within_five() -> None:
    play = publicity(PUBLISHED, (*MARKED[:2], {"corrector": "agency", "received_on": "2026-11-04"}))
    assert names(play) == {"XY-36-2"}
    assert play.clock("XY-36-2").due.instant.date() == date(2026, 11, 7)
    play.given(OBJECTED)
    assert names(play) == {"XY-36-5"}
    assert play.clock("XY-36-5").agency == MINHANG
    play.given(UPHELD)
    found = clocks(History("publicity", play.context.entries))
    assert {item.rule.id for item in found if item.state is ClockState.MET} == {"GS-01", "XY-36-2", "XY-36-5"}
