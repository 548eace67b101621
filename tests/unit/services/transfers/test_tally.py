"""日报对账: what may be stated for which day, by whom, and what may follow."""

from datetime import UTC, datetime
from typing import Any

from services.kernel.exchange import Registration
from tests.support.play import JUSTICE, MINHANG, POLICE, QINGPU, XUHUI, Play


def test_a_day_is_stated_and_needs_no_answer() -> None:
    play = Play("tally").given((MINHANG, "tally.stated"))
    assert (play.standing.status, play.standing.ended, play.standing.moves) == ("stated", True, ())
    assert {code: party.role for code, party in play.standing.parties.items()} == {
        MINHANG: "sender",
        JUSTICE: "recipient",
    }


def test_a_day_that_is_not_over_in_shanghai_is_not_counted_yet() -> None:
    # A play states its first fact a minute after it begins.
    at = datetime(2026, 11, 5, 15, 58, tzinfo=UTC)
    assert Play("tally", at=at).when(MINHANG, "tally.stated", day="2026-11-05").code == "day-not-over"
    a_minute_later = datetime(2026, 11, 5, 15, 59, tzinfo=UTC)
    assert isinstance(Play("tally", at=a_minute_later).when(MINHANG, "tally.stated", day="2026-11-05"), Registration)


def test_what_was_wrong_is_corrected_by_who_stated_it() -> None:
    play = Play("tally").given((MINHANG, "tally.stated"))
    wrong: dict[str, Any] = {"corrects": 1, "pointer": "/counts/0/count", "correct_value": "2"}
    assert play.when(JUSTICE, "common.corrected", **wrong).code == "not-your-fact"
    assert isinstance(play.when(MINHANG, "common.corrected", **wrong), Registration)


def test_only_whom_an_agreement_names_may_state_and_receive() -> None:
    assert Play("tally").when(MINHANG, "tally.stated", recipient=QINGPU).code == "no-agreement"
    assert Play("tally").when(XUHUI, "tally.stated").code == "no-agreement"
    assert isinstance(Play("tally").when(POLICE, "tally.stated"), Registration)
