"""行政协助: given what is registered, when an agency states a fact, then …"""

from datetime import date, timedelta
from typing import Any

import pytest

from contracts.clocks import Clock, ClockState, History, running
from contracts.counting import midnight
from events.assist import Requested
from events.fields import PERSONAL, FieldClass
from services.kernel.exchange import Registration
from tests.support.factory import BUS
from tests.support.play import CITY, JUSTICE, MINHANG, QINGPU, XUHUI, Play

GREENERY, DISTRICT = "310112-lrj", "310112-zf"
TEAM, TOWN_TEAM = "310112006-cg", "310112102-cg"

REQUESTED = (MINHANG, "assist.requested")
ANSWERED = (GREENERY, "assist.answered")
REFUSED = (GREENERY, "assist.refused")
ESCALATED = (MINHANG, "assist.escalated")
OVERRULED = (DISTRICT, "assist.refusal_overruled")
CLOSED = (MINHANG, "assist.closed")
ONE_ANSWER = [{"question": 1, "opinion": "同意派员。"}]
NOT_OURS = {"code": "not-within-powers", "reason": "由交通部门核发。"}


def assist(*moves: tuple[object, ...]) -> Play:
    return Play("assist").given(*moves)


def ticking(play: Play) -> tuple[Clock, ...]:
    known = play.context.contracts
    return running(History(play.kind, play.context.entries), known.rules, known.calendars)


def due(play: Play, rule: str) -> date:
    return (play.clock(rule).due.instant - timedelta(microseconds=1)).date()


def test_a_request_is_answered_in_writing_and_closed() -> None:
    play = assist(REQUESTED, ANSWERED)
    assert play.standing.status == "answered"
    assert play.standing.moves == (MINHANG,)
    assert play.given(CLOSED).standing.ended


def test_the_notice_makes_the_parties() -> None:
    standing = assist(REQUESTED).standing
    assert {code: party.role for code, party in standing.parties.items()} == {
        MINHANG: "sender",
        GREENERY: "recipient",
        JUSTICE: "supervisor",
    }
    assert standing.moves == (GREENERY,)
    assert FieldClass.PERSONAL in standing.parties[GREENERY].reads
    assert standing.parties[JUSTICE].reads == (FieldClass.PUBLIC,)


def test_each_question_is_answered_and_no_other() -> None:
    play = assist(REQUESTED)
    before = play.state
    answer = play.when(*ANSWERED, answers=[*ONE_ANSWER, {"question": 4, "opinion": "另有意见。"}])
    assert answer.code == "questions-unanswered"
    assert answer.members == {"missing": [2, 3], "unasked": [4]}
    assert play.state is before


def test_a_request_for_forces_has_its_own_questions() -> None:
    play = Play("assist")
    assert isinstance(play.when(*REQUESTED, "night-watch"), Registration)
    assert isinstance(play.when(*ANSWERED, answers=ONE_ANSWER), Registration)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"ground": {"code": "not-my-mood", "reason": "不想办。"}}, "ground-unknown"),
        ({"ground": {"code": "complex", "reason": "情况复杂。"}}, "ground-barred"),
        ({"ground": {"code": "workload", "reason": "人手不足。"}}, "ground-barred"),
        ({"ground": NOT_OURS, "competent_body": None}, "competent-body-missing"),
    ],
)
def test_a_refusal_without_a_proper_ground_is_not_registered(change: dict[str, Any], code: str) -> None:
    answer = assist(REQUESTED).when(*REFUSED, **change)
    assert answer.code == code


def test_what_is_complex_is_extended_not_refused() -> None:
    answer = assist(REQUESTED).when(*REFUSED, ground={"code": "complex", "reason": "情况复杂。"})
    assert answer.members["instead"] == "extension_requested"


def test_a_refusal_is_accepted_by_closing() -> None:
    play = assist(REQUESTED, REFUSED)
    assert play.standing.moves == (MINHANG,)
    assert play.given(CLOSED).standing.status == "closed"


def test_a_refusal_that_is_not_accepted_goes_to_the_common_superior() -> None:
    play = assist(REQUESTED, REFUSED, ESCALATED)
    assert play.standing.parties[DISTRICT].role == "arbiter"
    assert play.standing.moves == (DISTRICT,)
    assert play.when(MINHANG, "assist.refusal_overruled").code == "not-your-move"
    assert play.given((DISTRICT, "assist.refusal_upheld")).standing.ended


def test_who_was_overruled_must_answer() -> None:
    play = assist(REQUESTED, REFUSED, ESCALATED, OVERRULED)
    assert play.standing.moves == (GREENERY,)
    assert play.when(*REFUSED).code == "illegal-move"
    assert play.given(ANSWERED, CLOSED).standing.ended


@pytest.mark.parametrize("moves", [(REFUSED,), (REFUSED, ESCALATED)])
def test_who_refused_may_still_answer(moves: tuple[tuple[str, str], ...]) -> None:
    assert assist(REQUESTED, *moves, ANSWERED).standing.status == "answered"


def test_nobody_but_the_agreed_superior_is_asked() -> None:
    assert assist(REQUESTED, REFUSED).when(*ESCALATED, arbiter=QINGPU).code == "no-agreement"


def test_what_is_not_answered_yet_is_withdrawn_alone() -> None:
    assert assist(REQUESTED, (MINHANG, "common.withdrawn")).standing.status == "withdrawn"
    assert assist(REQUESTED, ANSWERED).when(MINHANG, "common.withdrawn").code == "withdrawal-not-agreed"


def test_neighbours_help_each_other_under_the_city_bureau() -> None:
    play = assist((MINHANG, "assist.requested", {"recipient": QINGPU}), (QINGPU, "assist.refused"))
    assert play.when(*ESCALATED, arbiter=DISTRICT).code == "no-agreement"
    assert play.given((MINHANG, "assist.escalated", {"arbiter": CITY})).standing.moves == (CITY,)


def test_teams_ask_too_a_street_team_in_the_bureaus_name() -> None:
    assert isinstance(Play("assist").when(TEAM, "assist.requested", by={"inname": MINHANG}), Registration)
    assert Play("assist").when(TOWN_TEAM, "assist.requested", by={"inname": MINHANG}).code == "name-not-held"


def test_the_bureau_lends_its_teams_forces() -> None:
    answer = Play("assist").when(*REQUESTED, "night-watch", recipient=TOWN_TEAM)
    assert isinstance(answer, Registration)


def test_a_department_asks_the_bureau() -> None:
    assert isinstance(Play("assist").when(GREENERY, "assist.requested", recipient=MINHANG), Registration)


def test_who_won_the_ruling_may_need_the_answer_no_more() -> None:
    assert assist(REQUESTED, REFUSED, ESCALATED, OVERRULED, CLOSED).standing.status == "closed"


def test_what_is_asked_may_name_people() -> None:
    assert PERSONAL in Requested.model_fields["questions"].metadata


def test_a_refusal_between_teams_goes_to_the_bureau() -> None:
    asked = (TEAM, "assist.requested", {"recipient": TOWN_TEAM})
    play = assist(asked, (TOWN_TEAM, "assist.refused"), (TEAM, "assist.escalated", {"arbiter": MINHANG}))
    assert play.standing.moves == (MINHANG,)
    assert play.given((MINHANG, "assist.refusal_overruled")).standing.moves == (TOWN_TEAM,)


def test_the_bureau_and_a_team_have_no_arbiter() -> None:
    for asking, asked in ((MINHANG, TEAM), (TEAM, MINHANG)):
        play = assist((asking, "assist.requested", {"recipient": asked}), (asked, "assist.refused"))
        assert play.when(asking, "assist.escalated", arbiter=DISTRICT).code == "no-agreement"


@pytest.mark.parametrize(
    ("asking", "asked", "overseen"), [(MINHANG, QINGPU, True), (QINGPU, MINHANG, True), (QINGPU, XUHUI, False)]
)
def test_the_justice_bureau_of_minhang_oversees_what_minhang_is_in(asking: str, asked: str, overseen: bool) -> None:
    play = assist((asking, "assist.requested", {"recipient": asked}), (asked, "assist.refused"))
    assert (JUSTICE in play.standing.parties) is overseen
    assert play.given((asking, "assist.escalated", {"arbiter": CITY})).standing.moves == (CITY,)


# --- clocks


def test_a_determination_has_the_ten_days_of_the_law_whatever_day_is_hoped_for() -> None:
    play = assist(REQUESTED)
    # 2026-11-05 and ten days is a Sunday.
    assert play.clock("CG-29").agency == GREENERY
    assert due(play, "CG-29") == date(2026, 11, 16)
    assert {item.rule.id for item in ticking(play)} == {"CG-29"}


@pytest.mark.parametrize("type_", ["inquiry", "investigation", "interview", "appraisal", "collaboration"])
def test_other_assistance_is_due_when_it_was_asked_for(type_: str) -> None:
    play = assist((*REQUESTED, {"assist_type": type_}))
    assert due(play, "AS-01") == date(2026, 11, 13)
    assert due(assist((*REQUESTED, {"assist_type": type_, "reply_by": None})), "AS-01") == date(2026, 11, 16)
    assert {item.rule.id for item in ticking(play)} == {"AS-01"}


def test_forces_are_answered_at_once() -> None:
    play = Play("assist")
    play.when(*REQUESTED, "night-watch", reply_by=None)
    assert due(play, "AS-02") == date(2026, 11, 6)


def test_the_department_extends_it_itself_and_once() -> None:
    asked = (GREENERY, "common.extension_requested", {"reason": "需现场测量。", "new_date": "2026-11-27"})
    play = assist(REQUESTED, asked)
    granted = (BUS, "common.extension_granted", {"new_date": "2026-11-27", "rule": "CG-29"})
    assert play.given(granted).clock("CG-29").due.instant == midnight(date(2026, 11, 28))
    again = play.when(GREENERY, "common.extension_requested", reason="仍需时间。", new_date="2026-12-10")
    assert again.code == "not-extendable"


def test_a_day_to_answer_by_is_still_to_come() -> None:
    assert Play("assist").when(*REQUESTED, reply_by="2026-11-05").code == "agreed-day-over"


@pytest.mark.parametrize(
    ("moves", "rule", "agency"),
    [
        ((REQUESTED, REFUSED), "AS-03", MINHANG),
        ((REQUESTED, REFUSED, ESCALATED), "AS-04", DISTRICT),
        ((REQUESTED, REFUSED, ESCALATED, OVERRULED), "AS-05", GREENERY),
    ],
)
def test_whose_move_it_is_has_the_only_clock(moves: tuple[tuple[str, str], ...], rule: str, agency: str) -> None:
    play = assist(*moves)
    assert [(item.rule.id, item.agency, item.state) for item in ticking(play)] == [(rule, agency, ClockState.RUNNING)]
    assert play.standing.moves == (agency,)


def test_no_clock_runs_when_it_is_answered() -> None:
    assert ticking(assist(REQUESTED, ANSWERED)) == ()
