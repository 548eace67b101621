"""共联体事项: what a unit has undertaken, until when, and the meetings from which it grew."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from contracts.clocks import History, running
from services.kernel.exchange import Registration
from tests.support.factory import fact
from tests.support.play import JUSTICE, MINHANG, Play

BUILDERS, GREENERS, TRANSPORT, OFFICE = "310112-jgw", "310112-lrj", "310112-jtw", "310112-djb"
LISTED = (MINHANG, "undertaking.listed")
PROGRESSED = (BUILDERS, "undertaking.progressed")
TASK = (TRANSPORT, "undertaking.task_progressed")
DONE = (BUILDERS, "undertaking.done")
REVIEWED = (MINHANG, "undertaking.reviewed")
SENT_BACK = (MINHANG, "undertaking.sent_back")
DISCONTINUED = (MINHANG, "undertaking.discontinued")
MEETING = (MINHANG, "undertaking.meeting_held")
CHINA = timezone(timedelta(hours=8))


def undertaking(*moves: tuple[Any, ...]) -> Play:
    return Play("undertaking").given(LISTED, *moves)


def on_time(play: Play) -> list[tuple[str, str]]:
    history = History("undertaking", play.context.entries)
    return [(item.rule.id, item.agency) for item in running(history)]


def test_an_undertaking_goes_from_the_list_to_its_review() -> None:
    play = undertaking()
    assert (play.standing.status, play.standing.moves) == ("listed", (BUILDERS,))
    play.given(PROGRESSED, PROGRESSED)
    assert (play.standing.status, play.standing.moves) == ("in_progress", (BUILDERS,))
    play.given(DONE)
    assert (play.standing.status, play.standing.moves) == ("done", (MINHANG,))
    play.given(REVIEWED)
    assert (play.standing.status, play.standing.ended, play.standing.moves) == ("reviewed", True, ())


def test_the_lead_unit_answers_and_the_co_units_read_along() -> None:
    assert {code: party.role for code, party in undertaking().standing.parties.items()} == {
        MINHANG: "sender",
        BUILDERS: "recipient",
        GREENERS: "copied",
        TRANSPORT: "copied",
        OFFICE: "copied",
        JUSTICE: "supervisor",
    }


def test_a_co_unit_tells_of_its_task_and_the_lead_unit_that_all_is_done() -> None:
    play = undertaking(TASK)
    assert (play.standing.status, play.standing.moves) == ("listed", (BUILDERS,))
    for name in ("progressed", "done"):
        assert play.when(TRANSPORT, f"undertaking.{name}").code == "not-your-move"
    assert play.fork().given((MINHANG, "common.withdrawn")).standing.status == "withdrawn"
    play.given(PROGRESSED, TASK)
    assert play.standing.status == "in_progress"


def test_who_has_no_task_has_nothing_to_tell() -> None:
    answer = undertaking().when(OFFICE, "undertaking.task_progressed")
    assert (answer.code, answer.members) == ("no-task", {"agencies": [TRANSPORT, GREENERS]})
    assert undertaking().when(BUILDERS, "undertaking.task_progressed").code == "not-your-move"


def test_what_needs_no_progress_is_done_at_once() -> None:
    assert undertaking(DONE).standing.status == "done"


def test_what_is_not_done_is_sent_back_for_a_ground_and_due_anew() -> None:
    play = undertaking(DONE)
    assert play.when(*SENT_BACK, ground={"code": "too-slow", "reason": "太慢。"}).code == "ground-unknown"
    assert play.when(*SENT_BACK, due="2026-11-05").code == "agreed-day-over"
    play.given(SENT_BACK)
    assert (play.standing.status, play.standing.moves) == ("in_progress", (BUILDERS,))
    assert play.clock("UT-01").due.instant == datetime(2027, 1, 30, tzinfo=CHINA)
    play.given(DONE, REVIEWED)


@pytest.mark.parametrize("moves", [(), (PROGRESSED,), (DONE,)])
def test_whoever_listed_it_takes_it_off_the_list(moves: tuple[Any, ...]) -> None:
    play = undertaking(*moves, DISCONTINUED)
    assert (play.standing.status, play.standing.ended) == ("discontinued", True)
    assert not on_time(play)


def test_what_was_listed_by_mistake_is_withdrawn_until_work_has_begun() -> None:
    assert undertaking((MINHANG, "common.withdrawn")).standing.status == "withdrawn"
    assert undertaking(PROGRESSED).when(MINHANG, "common.withdrawn").code == "withdrawal-not-agreed"


def test_the_lead_unit_has_until_the_day_of_the_list() -> None:
    play = undertaking()
    assert on_time(play) == [("UT-01", BUILDERS)]
    assert play.clock("UT-01").due.instant == datetime(2026, 12, 26, tzinfo=CHINA)
    asked = {"reason": "接口改造未完成。", "new_date": "2027-01-15"}
    granted = (MINHANG, "common.extension_granted", {"new_date": "2027-01-15"})
    play.given(PROGRESSED, (BUILDERS, "common.extension_requested", asked), granted)
    assert play.clock("UT-01").due.instant == datetime(2027, 1, 16, tzinfo=CHINA)


def test_the_review_has_ten_working_days() -> None:
    play = undertaking(DONE)
    assert on_time(play) == [("UT-02", MINHANG)]
    assert play.clock("UT-02").due.instant == datetime(2026, 11, 20, tzinfo=CHINA)
    assert not on_time(play.given(REVIEWED))


def test_the_office_that_guides_the_consortium_lists_too_also_for_the_bureau() -> None:
    plan: dict[str, Any] = {"recipient": MINHANG, "copied": [GREENERS], "tasks": []}
    play = Play("undertaking").given((OFFICE, "undertaking.listed", plan))
    assert play.standing.moves == (MINHANG,)
    assert Play("undertaking").when(MINHANG, "undertaking.listed", **plan).code == "role-taken"
    assert Play("undertaking").when(BUILDERS, "undertaking.listed", **plan).code == "no-agreement"


def test_a_meeting_is_a_record_that_ends_with_itself() -> None:
    play = Play("undertaking").given(MEETING)
    assert (play.standing.status, play.standing.ended, play.standing.moves) == ("meeting_recorded", True, ())
    readers = {code for code, party in play.standing.parties.items() if party.role == "copied"}
    assert readers == {BUILDERS, GREENERS, OFFICE}
    assert play.when(*PROGRESSED).code == "illegal-move"


@pytest.mark.parametrize(
    ("change", "outside"),
    [
        ({"copied": [OFFICE, BUILDERS]}, [GREENERS]),
        ({"resolutions": [{"id": "1", "text": "示例决议。", "unit": TRANSPORT}]}, [TRANSPORT]),
    ],
)
def test_the_minutes_go_to_all_who_were_there_and_all_who_are_to_act(
    change: dict[str, Any], outside: list[str]
) -> None:
    answer = Play("undertaking").when(*MEETING, **change)
    assert (answer.code, answer.members) == ("minutes-not-sent", {"agencies": outside})


def test_the_rota_unit_is_there() -> None:
    with pytest.raises(ValueError, match="attends"):
        fact("undertaking.meeting_held", "rota", rota_unit=TRANSPORT)


def test_a_resolution_names_the_meeting_that_it_grew_from() -> None:
    meeting = Play("undertaking").given(MEETING)
    link = {"relation": "grew_from", "kind": "undertaking", "exchange": meeting.state.exchange, "sequence": 1}
    listed = Play("undertaking").when(MINHANG, "undertaking.listed", "resolution", links=[link])
    assert isinstance(listed, Registration)
    with pytest.raises(ValueError, match="names its meeting"):
        fact("undertaking.listed", "resolution", links=[])
    with pytest.raises(ValueError, match="names its meeting"):
        fact("undertaking.listed", "project", resolution="1")
