"""街镇提需求、部门认领: given what is registered, when an agency states a fact, then …"""

from datetime import date, timedelta
from typing import Any

import pytest

from contracts.clocks import History, running
from events.demand import Posted
from events.fields import PERSONAL
from tests.support.play import CITY, JUSTICE, MINHANG, QINGPU, Play

GREENERY, DISTRICT, PARTY, WATER = "310112-lrj", "310112-zf", "310112-djb", "310112-swj"
QIBAO = "310112102-jz"

POSTED = (QIBAO, "demand.posted")
CLAIMED = (GREENERY, "demand.claimed")
DECLINED = (MINHANG, "demand.declined")
ESCALATED = (QIBAO, "demand.escalated")
ASSIGNED = (DISTRICT, "demand.assigned")
DONE = (GREENERY, "demand.done")
REOPENED = (QIBAO, "demand.reopened")
ALSO_DECLINED = (GREENERY, "demand.declined")


def demand(*moves: tuple[object, ...]) -> Play:
    return Play("demand").given(*moves)


def ticking(play: Play) -> dict[str, list[str]]:
    known = play.context.contracts
    found: dict[str, list[str]] = {}
    for item in running(History(play.kind, play.context.entries), known.rules, known.calendars):
        found.setdefault(item.rule.id, []).append(item.agency)
    return found


def due(play: Play, rule: str) -> date:
    return (play.clock(rule).due.instant - timedelta(microseconds=1)).date()


def test_a_demand_is_claimed_done_and_confirmed() -> None:
    play = demand(POSTED, CLAIMED, DONE)
    assert play.standing.moves == (QIBAO,)
    assert play.given((QIBAO, "demand.confirmed")).standing.ended


def test_the_move_is_with_all_who_may_claim() -> None:
    standing = demand(POSTED).standing
    assert {code: party.role for code, party in standing.parties.items()} == {
        QIBAO: "sender",
        MINHANG: "recipient",
        GREENERY: "recipient",
        PARTY: "copied",
        JUSTICE: "supervisor",
    }
    assert standing.moves == (MINHANG, GREENERY)


def test_streets_post_and_nobody_else() -> None:
    assert Play("demand").when(MINHANG, "demand.posted", recipients=[GREENERY]).code == "no-agreement"


def test_the_first_claim_counts() -> None:
    play = demand(POSTED, CLAIMED)
    assert play.standing.moves == (GREENERY,)
    assert play.standing.parties[MINHANG].role == "former"
    assert play.when(MINHANG, "demand.claimed").code == "illegal-move"
    assert play.standing.legs == {MINHANG: "addressed", GREENERY: "in_hand"}


def test_only_the_claimer_says_that_it_is_done() -> None:
    assert demand(POSTED).when(*DONE).code == "illegal-move"
    assert demand(POSTED, CLAIMED).when(MINHANG, "demand.done").code == "not-your-move"


def test_who_declines_leaves_it_to_the_others() -> None:
    play = demand(POSTED, DECLINED)
    assert play.standing.status == "posted"
    assert play.standing.moves == (GREENERY,)
    assert play.given(CLAIMED).standing.status == "claimed"


def test_what_all_decline_goes_back_to_the_street() -> None:
    play = demand(POSTED, DECLINED, ALSO_DECLINED)
    assert play.standing.status == "unclaimed"
    assert play.standing.moves == (QIBAO,)
    assert play.given(ESCALATED).standing.moves == (DISTRICT,)


def test_who_declined_may_think_better_of_it() -> None:
    play = demand(POSTED, DECLINED, ALSO_DECLINED, (MINHANG, "demand.claimed"))
    assert play.standing.moves == (MINHANG,)
    assert play.standing.legs == {MINHANG: "in_hand", GREENERY: "declined"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"ground": {"code": "not-my-mood", "reason": "不想办。"}}, "ground-unknown"),
        ({"ground": {"code": "workload", "reason": "人手不足。"}}, "ground-barred"),
        ({"competent_body": None}, "competent-body-missing"),
        ({"competent_body": {"name": "本局", "agency": MINHANG}}, "competent-body-missing"),
    ],
)
def test_it_is_declined_for_a_proper_ground(change: dict[str, Any], code: str) -> None:
    assert demand(POSTED).when(*DECLINED, **change).code == code


def test_what_nobody_claims_is_assigned() -> None:
    play = demand(POSTED, ESCALATED)
    assert play.standing.parties[GREENERY].role == "former"
    assert play.when(*CLAIMED).code == "illegal-move"
    play.given(ASSIGNED)
    assert play.standing.moves == (GREENERY,)
    assert play.when(MINHANG, "demand.done").code == "not-your-move"
    assert play.given(DONE).standing.status == "done"


def test_it_may_be_assigned_to_a_department_that_was_not_asked() -> None:
    play = demand(POSTED, ESCALATED, (*ASSIGNED, {"agency": WATER}), (WATER, "demand.done"))
    assert play.standing.legs == {MINHANG: "addressed", GREENERY: "addressed", WATER: "done"}
    play.given(REOPENED)
    assert play.standing.moves == (WATER,)


def test_it_is_not_assigned_to_an_outsider_nor_to_the_street_itself() -> None:
    play = demand(POSTED, ESCALATED)
    assert play.when(*ASSIGNED, agency=QINGPU).code == "no-agreement"
    assert play.when(*ASSIGNED, agency=QIBAO).code in {"no-agreement", "role-taken"}


def test_only_the_agreed_superior_assigns() -> None:
    assert demand(POSTED).when(*ESCALATED, arbiter=CITY).code == "no-agreement"
    assert demand(POSTED, ESCALATED).when(QIBAO, "demand.assigned").code == "not-your-move"


def test_the_district_may_think_better_of_its_choice() -> None:
    play = demand(POSTED, ESCALATED, ASSIGNED, (*ASSIGNED, {"agency": MINHANG}))
    assert play.standing.moves == (MINHANG,)
    assert play.standing.parties[GREENERY].role == "former"


def test_who_declined_can_be_assigned_it() -> None:
    play = demand(POSTED, DECLINED, ESCALATED, (*ASSIGNED, {"agency": MINHANG}), (MINHANG, "demand.done"))
    assert play.standing.legs[MINHANG] == "done"


def test_a_claim_is_disputed_by_either_side() -> None:
    for speaker in (QIBAO, GREENERY):
        play = demand(POSTED, CLAIMED, (speaker, "demand.escalated"))
        assert play.standing.moves == (DISTRICT,)


def test_what_is_not_done_is_reopened() -> None:
    play = demand(POSTED, CLAIMED, DONE, REOPENED)
    assert play.standing.moves == (GREENERY,)
    assert play.given(DONE, (QIBAO, "demand.confirmed")).standing.status == "confirmed"


def test_what_is_reopened_again_and_again_goes_to_the_district() -> None:
    assert demand(POSTED, CLAIMED, DONE, REOPENED, ESCALATED, ASSIGNED).standing.status == "assigned"


def test_the_street_ends_it() -> None:
    assert demand(POSTED, (QIBAO, "common.withdrawn")).standing.status == "withdrawn"
    claimed = demand(POSTED, CLAIMED)
    assert claimed.when(QIBAO, "common.withdrawn").code == "withdrawal-not-agreed"
    assert claimed.given((QIBAO, "demand.closed")).standing.ended


def test_another_department_s_answer_makes_no_claim_stale() -> None:
    assert demand(POSTED, DECLINED).when(*CLAIMED, by={"known": 1}).state.status == "claimed"


@pytest.mark.parametrize("moves", [(), (DECLINED,), (DECLINED, ALSO_DECLINED)])
def test_before_it_is_claimed_only_the_street_goes_to_the_district(moves: tuple[tuple[str, str], ...]) -> None:
    play = demand(POSTED, *moves)
    assert play.when(GREENERY, "demand.escalated").code == "not-your-move"
    assert play.given(ESCALATED).standing.moves == (DISTRICT,)


def test_who_has_it_back_may_dispute_it() -> None:
    play = demand(POSTED, CLAIMED, DONE, REOPENED, (GREENERY, "demand.escalated"))
    assert play.standing.moves == (DISTRICT,)


def test_what_is_needed_may_name_people() -> None:
    assert PERSONAL in Posted.model_fields["content"].metadata


# --- clocks


def test_each_is_to_answer_by_the_day_that_was_named() -> None:
    play = demand(POSTED)
    assert ticking(play) == {"DM-01": [MINHANG, GREENERY]}
    assert due(play, "DM-01") == date(2026, 11, 11)
    assert due(demand((*POSTED, {"claim_by": None})), "DM-01") == date(2026, 11, 12)


def test_who_declined_is_free_and_the_others_are_not() -> None:
    assert ticking(demand(POSTED, DECLINED)) == {"DM-01": [GREENERY]}


def test_when_it_is_claimed_the_others_are_free() -> None:
    play = demand(POSTED, CLAIMED)
    assert ticking(play) == {"DM-02": [GREENERY]}
    assert due(play, "DM-02") == date(2026, 11, 25)


def test_while_the_district_decides_only_its_clock_runs() -> None:
    assert ticking(demand(POSTED, ESCALATED)) == {"DM-04": [DISTRICT]}
    assert ticking(demand(POSTED, CLAIMED, ESCALATED)) == {"DM-04": [DISTRICT]}


def test_who_is_assigned_has_until_the_day_that_was_named() -> None:
    play = demand(POSTED, ESCALATED, ASSIGNED)
    assert ticking(play) == {"DM-02": [GREENERY]}
    assert due(play, "DM-02") == date(2026, 11, 30)


def test_the_street_has_to_look_at_what_was_done() -> None:
    play = demand(POSTED, CLAIMED, DONE)
    assert ticking(play) == {"DM-03": [QIBAO]}
    assert ticking(play.given(REOPENED)) == {"DM-02": [GREENERY]}


def test_no_clock_runs_when_all_have_declined() -> None:
    assert ticking(demand(POSTED, DECLINED, ALSO_DECLINED)) == {}
