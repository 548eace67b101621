"""行政协调: given what is registered, when an agency states a fact, then …"""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from contracts.agreements import Agreements
from contracts.clocks import Clock, ClockState, History, clocks
from services.kernel.exchange import Registration
from tests.support.play import CITY, JUSTICE, MINHANG, QINGPU, XUHUI, Play

GREENERY, ECOLOGY, DISTRICT, PARTY = "310112-lrj", "310112-sthj", "310112-zf", "310112-djb"
QIBAO, HUACAO = "310112102-jz", "310112106-jz"

RAISED = (MINHANG, "coordination.raised")
ESCALATED = (MINHANG, "coordination.escalated")
SETTLED = (MINHANG, "coordination.settled")
DESIGNATED = (DISTRICT, "coordination.designated")


def stated(agency: str) -> tuple[str, str]:
    return agency, "coordination.position_stated"


def agreed(agency: str) -> tuple[str, str]:
    return agency, "coordination.agreed"


def coordination(*moves: tuple[object, ...]) -> Play:
    return Play("coordination").given(*moves)


def all_clocks(play: Play) -> tuple[Clock, ...]:
    known = play.context.contracts
    return clocks(History(play.kind, play.context.entries), known.rules, known.calendars)


def test_the_question_makes_the_parties() -> None:
    standing = coordination(RAISED).standing
    assert {code: party.role for code, party in standing.parties.items()} == {
        MINHANG: "sender",
        GREENERY: "recipient",
        ECOLOGY: "recipient",
        PARTY: "copied",
        JUSTICE: "supervisor",
    }
    assert standing.moves == (GREENERY, ECOLOGY)
    assert standing.legs == {GREENERY: "addressed", ECOLOGY: "addressed"}


def test_it_is_settled_when_all_have_agreed() -> None:
    play = coordination(RAISED, stated(GREENERY), agreed(ECOLOGY), agreed(GREENERY))
    assert play.standing.status == "agreed"
    assert play.standing.moves == (MINHANG,)
    assert play.given(SETTLED).standing.ended


@pytest.mark.parametrize("moves", [(), (stated(GREENERY),), (agreed(GREENERY),), (agreed(GREENERY), stated(ECOLOGY))])
def test_nobody_settles_for_another(moves: tuple[tuple[str, str], ...]) -> None:
    assert coordination(RAISED, *moves).when(*SETTLED).code == "illegal-move"


def test_one_slow_addressee_holds_nobody_up() -> None:
    play = coordination(RAISED, stated(GREENERY))
    assert play.standing.status == "raised"
    assert play.standing.moves == (ECOLOGY,)
    assert play.given(ESCALATED).standing.moves == (DISTRICT,)


def test_everybody_sees_what_everybody_says() -> None:
    play = coordination(RAISED, stated(GREENERY), agreed(ECOLOGY))
    assert play.state.audiences == (None, None, None)


def test_nobody_speaks_for_another() -> None:
    answer = coordination(RAISED).when(*agreed(GREENERY), by={"leg": ECOLOGY})
    assert answer.code == "leg-not-yours"
    assert coordination(RAISED).when(*agreed(MINHANG)).code == "not-your-move"


def test_a_position_is_stated_anew() -> None:
    play = coordination(RAISED, agreed(GREENERY), agreed(ECOLOGY), stated(GREENERY))
    assert play.standing.status == "positions_stated"
    assert play.standing.legs == {GREENERY: "stated", ECOLOGY: "agreed"}
    assert play.given(agreed(GREENERY), SETTLED).standing.status == "settled"


def test_an_agreement_is_not_stated_twice() -> None:
    assert coordination(RAISED, agreed(GREENERY)).when(*agreed(GREENERY)).code == "illegal-move"


@pytest.mark.parametrize("speaker", [MINHANG, GREENERY])
def test_each_side_may_go_to_the_superior(speaker: str) -> None:
    play = coordination(RAISED, stated(GREENERY), stated(ECOLOGY), (speaker, "coordination.escalated"))
    assert play.standing.parties[DISTRICT].role == "arbiter"
    assert play.given(DESIGNATED).standing.ended


def test_the_superior_still_hears_who_was_silent() -> None:
    play = coordination(RAISED, stated(GREENERY), ESCALATED, stated(ECOLOGY))
    assert play.standing.status == "escalated"
    assert play.standing.legs[ECOLOGY] == "stated"


def test_only_the_agreed_superior_decides() -> None:
    assert coordination(RAISED).when(*ESCALATED, arbiter=CITY).code == "no-agreement"
    assert coordination(RAISED, ESCALATED).when(MINHANG, "coordination.designated").code == "not-your-move"


def test_a_duty_is_for_those_who_were_heard() -> None:
    outside = [{"agency": XUHUI, "duty": "日常巡查。"}]
    play = coordination(RAISED, ESCALATED)
    answer = play.when(*DESIGNATED, duties=outside)
    assert answer.code == "duty-outside"
    assert answer.members["outside"] == [XUHUI]
    settled = coordination(RAISED, agreed(GREENERY), agreed(ECOLOGY)).when(*SETTLED, duties=outside)
    assert settled.code == "duty-outside"


def test_a_question_is_withdrawn_until_all_have_agreed() -> None:
    withdrawn = (MINHANG, "common.withdrawn")
    assert coordination(RAISED, stated(GREENERY), withdrawn).standing.status == "withdrawn"
    assert coordination(RAISED, agreed(GREENERY), agreed(ECOLOGY)).when(*withdrawn).code == "withdrawal-not-agreed"


def test_what_builds_on_views_has_seen_the_newest() -> None:
    play = coordination(RAISED, stated(GREENERY), agreed(ECOLOGY))
    assert play.when(*ESCALATED, by={"known": 2}).code == "knownsequence-stale"
    assert isinstance(play.when(*stated(ECOLOGY), by={"known": 2}), Registration)


def test_neighbouring_towns_settle_their_border() -> None:
    play = Play("coordination")
    assert isinstance(play.when(QIBAO, "coordination.raised", "of-border-area", recipients=[HUACAO]), Registration)
    play.given((HUACAO, "coordination.position_stated"), (HUACAO, "coordination.escalated"))
    assert play.standing.moves == (DISTRICT,)


def test_neighbouring_districts_go_to_the_city_bureau() -> None:
    play = coordination((*RAISED, {"recipients": [QINGPU, XUHUI], "copied": None}))
    assert play.given((QINGPU, "coordination.escalated", {"arbiter": CITY})).standing.moves == (CITY,)


@pytest.mark.parametrize("arbiter", [DISTRICT, CITY])
def test_where_nobody_is_above_all_nobody_decides(arbiter: str) -> None:
    play = coordination((*RAISED, {"recipients": [GREENERY, XUHUI]}))
    answer = play.when(*ESCALATED, arbiter=arbiter)
    assert answer.code == "not-above"
    assert answer.members["agencies"] == [XUHUI if arbiter == DISTRICT else GREENERY]
    assert play.given((MINHANG, "coordination.closed")).standing.ended


def test_who_is_no_superior_any_more_decides_no_more() -> None:
    play = coordination(RAISED, ESCALATED)
    known = play.context.contracts
    changed = {
        id_: item.model_copy(update={"arbiter": CITY}) if id_ == "coordination-310112" else item
        for id_, item in known.agreements.by_id.items()
    }
    play.context = replace(play.context, contracts=replace(known, agreements=Agreements(changed)))
    assert play.when(*DESIGNATED).code == "not-above"


def test_parties_may_go_to_the_superior_although_they_had_agreed() -> None:
    play = coordination(RAISED, agreed(GREENERY), agreed(ECOLOGY), (GREENERY, "coordination.escalated"))
    assert play.standing.moves == (DISTRICT,)


def test_parties_may_agree_after_all() -> None:
    play = coordination(RAISED, stated(GREENERY), ESCALATED, agreed(ECOLOGY))
    answer = play.when(*SETTLED)
    assert (answer.code, answer.members) == ("not-agreed", {"agencies": [GREENERY]})
    play.given(agreed(GREENERY))
    assert (play.standing.status, play.standing.moves) == ("escalated", (DISTRICT,))
    assert play.given(SETTLED).standing.status == "settled"


@pytest.mark.parametrize(
    "moves",
    [(), (stated(GREENERY), stated(ECOLOGY)), (agreed(GREENERY), agreed(ECOLOGY)), (ESCALATED,)],
)
def test_whoever_raised_the_question_lets_it_rest_for_a_reason(moves: tuple[tuple[str, str], ...]) -> None:
    play = coordination(RAISED, *moves)
    assert play.when(GREENERY, "coordination.closed").code == "not-your-move"
    play.given((MINHANG, "coordination.closed"))
    assert (play.standing.status, play.standing.moves) == ("closed", ())


def test_what_is_settled_is_what_each_has_agreed_to_do() -> None:
    mine = {"agency": MINHANG, "duty": "立案处罚。"}
    theirs = [{"agency": GREENERY, "duty": "堆点备案。"}, {"agency": ECOLOGY, "duty": "扬尘监测。"}]
    play = coordination(RAISED, (*agreed(GREENERY), {"duty": "堆点备案。"}), (*agreed(ECOLOGY), {"duty": "扬尘监测。"}))
    more = [theirs[0], {"agency": ECOLOGY, "duty": "扬尘监测和日常巡查。"}]
    answer = play.when(*SETTLED, duties=more)
    assert answer.code == "duties-differ"
    assert answer.members["agreed"] == {GREENERY: "堆点备案。", ECOLOGY: "扬尘监测。"}
    assert play.when(*SETTLED, duties=[mine, theirs[0]]).code == "duties-differ"
    again = (*agreed(ECOLOGY), {"duty": "扬尘监测和日常巡查。"})
    play.given(stated(ECOLOGY), again, (*SETTLED, {"duties": [mine, *more]}))


def test_teams_raise_questions_and_are_asked() -> None:
    one, other = "310112102-cg", "310112106-cg"
    play = coordination((one, "coordination.raised", {"recipients": [other, QIBAO]}))
    assert play.given((other, "coordination.escalated")).standing.moves == (DISTRICT,)


@pytest.mark.parametrize(
    ("raising", "asked", "overseen"), [(MINHANG, QINGPU, True), (QINGPU, MINHANG, True), (QINGPU, XUHUI, False)]
)
def test_the_justice_bureau_of_minhang_oversees_what_minhang_is_in(raising: str, asked: str, overseen: bool) -> None:
    play = coordination((raising, "coordination.raised", {"recipients": [asked], "copied": None}))
    assert (JUSTICE in play.standing.parties) is overseen
    assert play.given((asked, "coordination.escalated", {"arbiter": CITY})).standing.moves == (CITY,)


# --- clocks


def test_each_has_its_own_clock_until_the_day_that_was_named() -> None:
    play = coordination(RAISED, stated(GREENERY))
    left = play.clock("CO-01")
    assert left.agency == ECOLOGY
    assert (left.due.instant - timedelta(microseconds=1)).date() == date(2026, 11, 16)


def test_without_a_named_day_it_is_ten_working_days() -> None:
    left = coordination((*RAISED, {"reply_by": None})).clock("CO-01")
    assert (left.due.instant - timedelta(microseconds=1)).date() == date(2026, 11, 19)


def test_the_superior_has_a_clock() -> None:
    assert coordination(RAISED, stated(GREENERY), stated(ECOLOGY), ESCALATED).clock("CO-02").agency == DISTRICT


def test_an_escalation_ends_the_clocks_of_all() -> None:
    play = coordination(RAISED, (GREENERY, "coordination.escalated"))
    stood = {(item.rule.id, item.agency): item.state for item in all_clocks(play)}
    assert stood == {
        ("CO-01", GREENERY): ClockState.MET,
        ("CO-01", ECOLOGY): ClockState.VOID,
        ("CO-02", DISTRICT): ClockState.RUNNING,
    }
