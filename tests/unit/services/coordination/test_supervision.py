"""罚后监管: the sender inspects, the department follows up."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from contracts.clocks import History, running
from events.fields import FieldClass
from tests.support.play import JUSTICE, MINHANG, Play

BUILDERS, CENTRE = "310112-jgw", "310112-cyzx"
OPENED = (MINHANG, "supervision.opened")
CLEAR = (MINHANG, "supervision.inspected")
NOT_YET = (MINHANG, "supervision.inspected", {"found": "not_yet", "inspect_by": "2026-12-04"})
AGAIN = (MINHANG, "supervision.inspected", {"found": "again"})
RECTIFIED = (MINHANG, "supervision.rectified")
RELAPSED = (MINHANG, "supervision.relapsed")
FOLLOWED_UP = (BUILDERS, "supervision.qualification_followed_up")
CLOSED = (MINHANG, "supervision.closed")
CHINA = timezone(timedelta(hours=8))


def supervision(*moves: tuple[Any, ...]) -> Play:
    return Play("supervision").given(OPENED, *moves)


def on_time(play: Play) -> list[tuple[str, str]]:
    history = History("supervision", play.context.entries)
    return [(item.rule.id, item.agency) for item in running(history)]


def test_what_was_put_right_is_followed_up_and_closed() -> None:
    play = supervision()
    assert (play.standing.status, play.standing.moves) == ("opened", (MINHANG,))
    play.given(CLEAR)
    assert (play.standing.status, play.standing.moves) == ("inspected", (MINHANG,))
    play.given(RECTIFIED)
    assert (play.standing.status, play.standing.moves) == ("rectified", (BUILDERS,))
    play.given(FOLLOWED_UP)
    assert (play.standing.status, play.standing.moves) == ("followed_up", (MINHANG,))
    play.given(CLOSED)
    assert (play.standing.status, play.standing.ended, play.standing.moves) == ("closed", True, ())


def test_the_parties_and_what_they_read() -> None:
    standing = supervision().standing
    assert {code: party.role for code, party in standing.parties.items()} == {
        MINHANG: "sender",
        BUILDERS: "recipient",
        CENTRE: "copied",
        JUSTICE: "supervisor",
    }
    assert FieldClass.PERSONAL in standing.parties[BUILDERS].reads
    assert FieldClass.PERSONAL not in standing.parties[CENTRE].reads


def test_only_the_sender_inspects() -> None:
    assert supervision().when(BUILDERS, "supervision.inspected").code == "not-your-move"


def test_what_is_not_put_right_yet_is_inspected_again() -> None:
    play = supervision(NOT_YET)
    assert (play.standing.status, play.standing.moves) == ("inspected", (MINHANG,))
    assert play.clock("SV-01").due.instant == datetime(2026, 12, 5, tzinfo=CHINA)
    play.given(CLEAR, RECTIFIED)
    assert play.standing.status == "rectified"


@pytest.mark.parametrize("inspected", [NOT_YET, AGAIN])
def test_who_does_not_put_it_right_or_does_it_again_has_relapsed(inspected: tuple[Any, ...]) -> None:
    play = supervision(inspected, RELAPSED)
    assert (play.standing.status, play.standing.moves) == ("relapsed", (BUILDERS,))
    play.given(FOLLOWED_UP, CLOSED)


def test_a_relapse_may_be_found_after_all_was_put_right() -> None:
    assert supervision(CLEAR, RECTIFIED, RELAPSED).standing.status == "relapsed"


@pytest.mark.parametrize(
    ("inspected", "outcome", "found"),
    [(CLEAR, RELAPSED, "rectified"), (NOT_YET, RECTIFIED, "not_yet"), (AGAIN, RECTIFIED, "again")],
)
def test_the_outcome_rests_on_the_last_inspection(
    inspected: tuple[Any, ...], outcome: tuple[Any, ...], found: str
) -> None:
    answer = supervision(inspected).when(*outcome)
    assert (answer.code, answer.members) == ("inspection-differs", {"found": found})


def test_nothing_is_said_to_be_put_right_without_an_inspection() -> None:
    assert supervision().when(*RECTIFIED).code == "illegal-move"


@pytest.mark.parametrize("moves", [(CLEAR, RECTIFIED), (AGAIN, RELAPSED)])
def test_a_department_that_is_silent_is_waited_for_no_longer_for_a_reason(moves: tuple[Any, ...]) -> None:
    play = supervision(*moves)
    assert play.when(*CLOSED).code == "not-followed-up"
    play.given((MINHANG, "supervision.closed", {"reason": "部门逾期未反馈,已另行提请督办。"}))
    assert play.standing.ended
    assert not on_time(play)


def test_a_supervision_opened_by_mistake_is_withdrawn_until_the_department_is_to_move() -> None:
    assert supervision(CLEAR, (MINHANG, "common.withdrawn")).standing.status == "withdrawn"
    answer = supervision(CLEAR, RECTIFIED).when(MINHANG, "common.withdrawn")
    assert answer.code == "withdrawal-not-agreed"


def test_the_sender_inspects_by_the_day_that_it_has_named() -> None:
    play = supervision()
    assert on_time(play) == [("SV-01", MINHANG)]
    assert play.clock("SV-01").due.instant == datetime(2026, 11, 28, tzinfo=CHINA)


def test_what_follows_from_an_inspection_is_said_in_five_working_days() -> None:
    play = supervision(CLEAR)
    assert play.clock("SV-01").due.instant == datetime(2026, 11, 13, tzinfo=CHINA)
    assert on_time(play.given(RECTIFIED)) == [("SV-02", BUILDERS)]


def test_the_department_has_fifteen_working_days_and_may_ask_for_more() -> None:
    play = supervision(CLEAR, RECTIFIED)
    assert play.clock("SV-02").due.instant == datetime(2026, 11, 27, tzinfo=CHINA)
    asked = {"reason": "企业资质正在核查。", "new_date": "2026-12-11"}
    granted = (MINHANG, "common.extension_granted", {"new_date": "2026-12-11"})
    play.given((BUILDERS, "common.extension_requested", asked), granted)
    assert play.clock("SV-02").due.instant == datetime(2026, 12, 12, tzinfo=CHINA)
    assert not on_time(play.given(FOLLOWED_UP))


def test_a_relapse_gives_the_department_its_time_anew() -> None:
    play = supervision(CLEAR, RECTIFIED)
    play.wait(timedelta(days=7)).given(RELAPSED)
    assert on_time(play) == [("SV-02", BUILDERS)]
    assert play.clock("SV-02").due.instant == datetime(2026, 12, 4, tzinfo=CHINA)


def test_a_team_opens_one_too_and_only_to_whom_an_agreement_names() -> None:
    team = Play("supervision").given(("310112102-cg", "supervision.opened", {"recipient": "310112-lrj"}))
    assert team.standing.moves == ("310112102-cg",)
    assert Play("supervision").when(*OPENED, recipient="310112-fy").code == "no-agreement"
