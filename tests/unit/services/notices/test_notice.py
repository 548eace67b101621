"""双向告知: given what is registered, when an agency states a fact, then …"""

from datetime import date, timedelta
from typing import Any

import pytest

from contracts.clocks import ClockState, History, clocks
from events.fields import FieldClass
from services.kernel.exchange import Registration, Rejection
from tests.support.factory import CASE, new_exchange
from tests.support.play import JUSTICE, MINHANG, POLICE, QINGPU, Play

HOUSING, BUILDING, DISTRICT, STREET = "310112-fgj", "310112-jgw", "310112-zf", "310112006-cg"
SENT = (MINHANG, "notice.sent")
ASKING = (MINHANG, "notice.sent", "risk-feedback-required")
ACKNOWLEDGED = (BUILDING, "notice.acknowledged")
NOT_OURS = (BUILDING, "notice.not_ours")
DISPUTED = (MINHANG, "notice.disputed")
FOLLOWED_UP = (BUILDING, "notice.followed_up")
CLOSED = (MINHANG, "notice.closed")
OUT = "enforcement_to_management"
BACK: dict[str, Any] = {"direction": "management_to_enforcement", "recipient": MINHANG, "copied": []}


def notice(*moves: tuple[object, ...]) -> Play:
    return Play("notice").given(*moves)


def asking(*moves: tuple[object, ...]) -> Play:
    play = Play("notice")
    assert isinstance(play.when(*ASKING), Registration)
    return play.given(*moves)


def names(play: Play) -> set[str]:
    found = clocks(History("notice", play.context.entries))
    return {item.rule.id for item in found if item.running}


def test_what_is_followed_up_is_closed() -> None:
    play = asking(ACKNOWLEDGED)
    assert play.standing.moves == (BUILDING,)
    play.given(FOLLOWED_UP)
    assert play.standing.moves == (MINHANG,)
    assert play.given(FOLLOWED_UP, CLOSED).standing.ended


def test_what_needs_no_feedback_ends_when_it_is_noted() -> None:
    play = notice(SENT, (BUILDING, "notice.noted"))
    assert play.standing.status == "noted"
    assert play.standing.ended


def test_what_needs_feedback_is_not_just_noted() -> None:
    assert asking().when(BUILDING, "notice.noted").code == "feedback-required"


def test_the_sender_may_stop_waiting() -> None:
    assert asking(ACKNOWLEDGED, CLOSED).standing.ended


def test_who_is_told_who_reads_along_and_who_may_chase() -> None:
    standing = notice(SENT).standing
    assert {code: party.role for code, party in standing.parties.items()} == {
        MINHANG: "sender",
        BUILDING: "recipient",
        "310112-lrj": "copied",
        JUSTICE: "supervisor",
    }
    assert FieldClass.PERSONAL in standing.parties[BUILDING].reads
    assert standing.parties[JUSTICE].reads == (FieldClass.PUBLIC,)
    assert isinstance(notice(SENT).when(JUSTICE, "common.chased"), Registration)


@pytest.mark.parametrize(
    ("source", "change"), [(MINHANG, {"direction": BACK["direction"]}), (BUILDING, {**BACK, "direction": OUT})]
)
def test_a_notice_goes_the_way_it_says(source: str, change: dict[str, Any]) -> None:
    assert Play("notice").when(source, "notice.sent", **change).code == "direction-mismatch"


@pytest.mark.parametrize("source", [BUILDING, HOUSING, POLICE, "310112107-jz", "310112-fy"])
def test_management_tells_enforcement(source: str) -> None:
    assert isinstance(Play("notice").when(source, "notice.sent", **BACK), Registration)


@pytest.mark.parametrize("team", [STREET, "310112107-cg"])
def test_the_teams_tell_the_departments(team: str) -> None:
    name = {"inname": MINHANG} if team == STREET else {}
    assert isinstance(Play("notice").when(team, "notice.sent", by=name), Registration)


def test_departments_do_not_tell_each_other_here() -> None:
    answer = Play("notice").when(BUILDING, "notice.sent", recipient=HOUSING, copied=[])
    assert answer.code == "no-agreement"
    assert Play("notice").when(MINHANG, "notice.sent", recipient=QINGPU, copied=[]).code == "no-agreement"


def test_a_notice_says_which_one_it_answers() -> None:
    link = {"relation": "answers", "kind": "notice", "exchange": new_exchange()}
    answer = Play("notice").when(BUILDING, "notice.sent", **BACK, links=[link])
    assert isinstance(answer, Registration)
    assert answer.state.case == CASE


@pytest.mark.parametrize(
    ("subject", "members"),
    [
        (
            "review_result",
            {
                "review": {
                    "type": "reconsideration",
                    "number": "闵府复决〔2026〕31号",
                    "decided_on": "2026-11-03",
                    "result": "revoked",
                    "decision_number": "闵城管罚〔2026〕412号",
                }
            },
        ),
        ("grade_changed", {"grade": "高风险"}),
        ("property_supervision", {"property_firms": [{"name": "上海示例物业服务有限公司"}]}),
        ("discipline", {}),
        ("interview", {}),
        ("suggestion", {}),
        ("permit", {}),
        ("supervision_result", {}),
        ("competence", {}),
        ("object_updated", {}),
    ],
)
def test_every_subject_of_the_seeds_can_be_told(subject: str, members: dict[str, Any]) -> None:
    answer = Play("notice").when(MINHANG, "notice.sent", subject=subject, decision=None, **members)
    assert isinstance(answer, Registration)


@pytest.mark.parametrize(
    ("subject", "members"),
    [("discipline", {}), ("property_supervision", {"property_firms": [{"name": "上海示例物业服务有限公司"}]})],
)
def test_what_grew_from_a_penalty_may_tell_it(subject: str, members: dict[str, Any]) -> None:
    assert isinstance(Play("notice").when(MINHANG, "notice.sent", subject=subject, **members), Registration)


# --- not ours


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"ground": {"code": "workload", "reason": "人手不足。"}}, "ground-barred"),
        ({"ground": {"code": "not-my-mood", "reason": "不想办。"}}, "ground-unknown"),
        ({"competent_body": None}, "competent-body-missing"),
        ({"competent_body": {"name": "区建管委", "agency": BUILDING}}, "competent-body-missing"),
    ],
)
def test_a_refusal_rests_on_a_ground_and_says_who_is_competent(change: dict[str, Any], code: str) -> None:
    play = notice(SENT)
    answer = play.when(*NOT_OURS, **change)
    assert isinstance(answer, Rejection)
    assert answer.code == code


def test_the_sender_may_take_the_refusal() -> None:
    play = notice(SENT, NOT_OURS)
    assert play.standing.moves == (MINHANG,)
    assert play.given(CLOSED).standing.ended


def test_a_dispute_goes_to_the_common_superior() -> None:
    play = notice(SENT, NOT_OURS, DISPUTED)
    assert play.standing.moves == (DISTRICT,)
    assert play.when(MINHANG, "notice.not_ours_reversed").code == "not-your-move"
    upheld = play.fork().given((DISTRICT, "notice.not_ours_upheld"))
    assert upheld.standing.ended
    reversed_ = play.given((DISTRICT, "notice.not_ours_reversed"))
    assert reversed_.standing.moves == (BUILDING,)
    assert reversed_.when(*NOT_OURS).code == "illegal-move"
    assert reversed_.given(ACKNOWLEDGED).standing.status == "acknowledged"


def test_who_is_silent_after_the_ruling_keeps_nothing_open() -> None:
    play = notice(SENT, NOT_OURS, DISPUTED, (DISTRICT, "notice.not_ours_reversed"))
    assert play.given(CLOSED).standing.ended
    assert names(play) == set()


def test_another_superior_is_not_asked() -> None:
    assert notice(SENT, NOT_OURS).when(*DISPUTED, arbiter="310000-cg").code == "no-agreement"


def test_the_recipient_may_give_way_in_a_dispute() -> None:
    assert notice(SENT, NOT_OURS, DISPUTED, ACKNOWLEDGED).standing.moves == (BUILDING,)


def test_a_court_has_no_arbiter_above_it() -> None:
    play = Play("notice")
    assert isinstance(play.when("310112-fy", "notice.sent", **BACK), Registration)
    play.given((MINHANG, "notice.not_ours"))
    assert play.when("310112-fy", "notice.disputed").code == "no-agreement"


def test_it_is_withdrawn_alone_until_it_is_taken_up() -> None:
    assert notice(SENT, (MINHANG, "common.withdrawn")).standing.status == "withdrawn"
    assert notice(SENT, ACKNOWLEDGED).when(MINHANG, "common.withdrawn").code == "withdrawal-not-agreed"


# --- clocks


def test_the_day_for_feedback_is_the_senders() -> None:
    play = asking()
    assert names(play) == {"NT-01", "NT-02"}
    clock = play.clock("NT-02")
    assert clock.agency == BUILDING
    assert clock.agreed
    assert clock.due.instant.date() == date(2026, 11, 26)
    play.given((*ACKNOWLEDGED, {"feedback_by": "2026-12-30"}))
    assert play.clock("NT-02").due.instant == clock.due.instant
    assert names(play.given(FOLLOWED_UP)) == {"NT-03"}


def test_without_a_day_feedback_has_fifteen_working_days() -> None:
    play = Play("notice")
    play.when(*ASKING, feedback_by=None)
    assert not play.clock("NT-02").agreed
    assert play.clock("NT-02").due.instant.date() == date(2026, 11, 27)


def test_a_day_for_feedback_is_still_to_come() -> None:
    assert Play("notice").when(*ASKING, feedback_by="2026-11-05").code == "agreed-day-over"


def test_who_offers_feedback_that_nobody_asked_for_names_its_own_day() -> None:
    play = notice(SENT)
    assert names(play) == {"NT-01"}
    play.given((*ACKNOWLEDGED, {"feedback_by": "2026-12-30"}))
    assert names(play) == {"NT-02"}
    assert play.clock("NT-02").due.instant.date() == date(2026, 12, 31)


def test_feedback_stands_still_while_it_is_open_whose_matter_it_is() -> None:
    play = asking(NOT_OURS)
    assert names(play) == {"NT-02", "NT-04"}
    assert play.clock("NT-02").state is ClockState.SUSPENDED
    due = play.clock("NT-02").due.instant
    assert names(play.given(DISPUTED)) == {"NT-02", "NT-05"}
    assert play.clock("NT-05").agency == DISTRICT
    play.wait(timedelta(days=7))
    assert names(play.given((DISTRICT, "notice.not_ours_reversed"))) == {"NT-01", "NT-02"}
    assert play.clock("NT-02").state is ClockState.RUNNING
    assert play.clock("NT-02").due.instant > due


def test_more_time_is_granted_once_by_the_other_side() -> None:
    play = asking(ACKNOWLEDGED, (BUILDING, "common.extension_requested", {"new_date": "2026-12-04"}))
    play.given((MINHANG, "common.extension_granted", {"new_date": "2026-12-04"}))
    assert play.clock("NT-02").due.instant.date() == date(2026, 12, 5)


def test_who_has_not_read_the_newest_is_refused_where_it_matters() -> None:
    play = asking(ACKNOWLEDGED, FOLLOWED_UP)
    assert play.when(*CLOSED, by={"known": 2}).code == "knownsequence-stale"
