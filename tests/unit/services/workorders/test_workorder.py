"""派单: given what is registered, when an agency states a fact, then …"""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from contracts.clocks import ClockState, History, running
from events.fields import FieldClass
from events.workorder import HOTLINES, Channel, Limit
from services.kernel.exchange import Registration, Rejection
from tests.support.factory import fact, new_exchange
from tests.support.play import CITY, JUSTICE, MINHANG, Play

QIBAO, HONGQIAO, MEILONG = "310112102-cg", "310112107-cg", "310112108-cg"
HOTLINE, CENTRE, PETITIONS, TOWN, BUILDERS = "310000-rx", "310112-cyzx", "310112-xfb", "310112102-jz", "310112-jgw"

DISPATCHED = (MINHANG, "workorder.dispatched")
ACCEPTED = (QIBAO, "workorder.accepted")
SENT_BACK = (QIBAO, "workorder.sent_back")
REDISPATCHED = (MINHANG, "workorder.redispatched")
UPHELD = (MINHANG, "workorder.upheld")
LINKED = (QIBAO, "workorder.case_linked")
DONE = (QIBAO, "workorder.done")
VERIFIED = (MINHANG, "workorder.verified")
REOPENED = (MINHANG, "workorder.reopened")
CLOSED = (MINHANG, "workorder.closed")


def order(*moves: tuple[object, ...]) -> Play:
    return Play("workorder").given(*moves)


def ordered(sender: str, channel: str, limit: str = "none", **members: Any) -> Play:
    """An order by another channel, without a day of its own."""
    return order((sender, "workorder.dispatched", {"channel": channel, "limit": limit, "do_by": None, **members}))


def ticking(play: Play) -> set[str]:
    """The rules whose clocks run on, against whose move it is."""
    known = play.context.contracts
    found = running(History("workorder", play.context.entries), known.rules, known.calendars)
    return {item.rule.id for item in found if item.state is ClockState.RUNNING and item.agency in play.standing.moves}


# --- the way of an order


def test_an_order_is_dispatched_done_checked_and_closed() -> None:
    play = order(DISPATCHED)
    for move, status, awaited in [
        (ACCEPTED, "accepted", QIBAO),
        (DONE, "done", MINHANG),
        (VERIFIED, "verified", MINHANG),
    ]:
        assert play.given(move).standing.status == status
        assert play.standing.moves == (awaited,)
    standing = play.given(CLOSED).standing
    assert (standing.status, standing.ended, standing.moves) == ("closed", True, ())


def test_the_order_makes_the_parties() -> None:
    standing = order(DISPATCHED).standing
    roles = {code: party.role for code, party in standing.parties.items()}
    assert roles == {MINHANG: "sender", QIBAO: "recipient", JUSTICE: "supervisor"}
    assert standing.moves == (QIBAO,)


def test_who_reported_it_is_shown_to_nobody() -> None:
    reporter = {"name": "投诉人示例", "phone": "13000000001", "channel": "12345"}
    standing = ordered(HOTLINE, "hotline_12345", "wd5", reporter=reporter).standing
    assert not any(FieldClass.REPORTER in party.reads for party in standing.parties.values())
    assert standing.parties[JUSTICE].reads == (FieldClass.PUBLIC,)


def test_what_did_not_pass_the_check_goes_back_to_work() -> None:
    play = order(DISPATCHED, ACCEPTED, DONE, REOPENED)
    assert (play.standing.status, play.standing.moves) == ("reopened", (QIBAO,))
    assert play.given(DONE, VERIFIED, CLOSED).standing.ended


@pytest.mark.parametrize("before", [(), (DONE,), (DONE, REOPENED), (DONE, VERIFIED)])
def test_a_case_may_be_told_until_the_order_is_closed(before: tuple[Any, ...]) -> None:
    play = order(DISPATCHED, ACCEPTED, *before)
    status = play.standing.status
    assert play.given(LINKED).standing.status == status


def test_a_case_is_not_told_before_the_order_is_taken_on_or_after_it_is_closed() -> None:
    assert order(DISPATCHED).when(*LINKED).code == "illegal-move"
    assert order(DISPATCHED, ACCEPTED, DONE, VERIFIED, CLOSED).when(*LINKED).code == "illegal-move"
    assert order(DISPATCHED, ACCEPTED).when(MINHANG, "workorder.case_linked").code == "not-your-move"


def test_the_link_of_a_case_says_what_the_order_became() -> None:
    link = {"relation": "cites", "kind": "transfer", "exchange": new_exchange()}
    with pytest.raises(ValidationError, match="link says what the order became"):
        fact("workorder.case_linked", link=link)
    assert isinstance(order(DISPATCHED, ACCEPTED).when(*LINKED, link=None), Registration)


# --- 先行联系


def test_where_a_first_contact_is_asked_for_its_result_is_told() -> None:
    play = order((*DISPATCHED, {"first_contact": True}))
    assert play.when(*ACCEPTED, first_contact=None).code == "first-contact-missing"
    assert isinstance(play.when(*ACCEPTED), Registration)


def test_where_none_is_asked_for_none_is_told() -> None:
    assert isinstance(order(DISPATCHED).when(*ACCEPTED, first_contact=None), Registration)


# --- 退单


def test_what_was_sent_back_is_redispatched_to_another() -> None:
    play = order(DISPATCHED, SENT_BACK)
    assert play.standing.moves == (MINHANG,)
    play.given(REDISPATCHED)
    roles = {code: party.role for code, party in play.standing.parties.items()}
    assert (roles[QIBAO], roles[HONGQIAO]) == ("former", "recipient")
    assert (play.standing.status, play.standing.moves, play.standing.hops) == ("dispatched", (HONGQIAO,), 1)
    assert play.standing.legs == {QIBAO: "redispatched", HONGQIAO: "addressed"}
    assert play.when(*ACCEPTED).code == "not-your-move"
    assert isinstance(play.when(HONGQIAO, "workorder.accepted"), Registration)


def test_the_dispatcher_alone_decides_to_whom_it_goes_also_back_to_who_had_it() -> None:
    play = order(DISPATCHED, SENT_BACK)
    assert play.when(*REDISPATCHED, recipient=MINHANG).code == "role-taken"
    body = {"name": "闵行区梅陇镇人民政府(城管执法)", "agency": MEILONG}
    play.given(REDISPATCHED, (HONGQIAO, "workorder.sent_back", {"competent_body": body}))
    play.given((*REDISPATCHED, {"recipient": QIBAO}))
    assert (play.standing.moves, play.standing.hops) == ((QIBAO,), 2)
    assert play.standing.legs == {QIBAO: "addressed", HONGQIAO: "redispatched"}
    assert play.standing.parties[HONGQIAO].role == "former"
    assert play.given(ACCEPTED, DONE, VERIFIED, CLOSED).standing.ended


def test_what_was_sent_back_as_unclear_goes_to_the_same_unit_once_it_is_clear() -> None:
    unclear = {"ground": {"code": "place-unclear", "reason": "示例路有南北两段,未写明。"}, "competent_body": None}
    play = order(DISPATCHED, (*SENT_BACK, unclear), (*REDISPATCHED, {"recipient": QIBAO, "do_by": "2026-11-24"}))
    assert (play.standing.status, play.standing.moves, play.standing.hops) == ("dispatched", (QIBAO,), 0)
    assert play.standing.legs == {QIBAO: "addressed"}
    assert ticking(play) == {"WO-01", "WO-02"}
    assert f"{play.clock('WO-02').due.instant:%m-%d}" == "11-25"
    assert isinstance(play.when(*SENT_BACK), Registration)


@pytest.mark.parametrize("before", [(), (LINKED,), (DONE, REOPENED)])
def test_who_is_silent_or_does_not_get_it_done_is_relieved(before: tuple[Any, ...]) -> None:
    play = order(DISPATCHED, ACCEPTED, *before)
    assert play.when(QIBAO, "workorder.redispatched").code == "not-your-move"
    play.given(REDISPATCHED)
    assert (play.standing.status, play.standing.moves, play.standing.hops) == ("dispatched", (HONGQIAO,), 1)
    assert play.standing.legs == {QIBAO: "redispatched", HONGQIAO: "addressed"}
    assert play.when(*DONE).code == "illegal-move"
    assert ticking(play) == {"WO-01", "WO-02"}
    assert play.clock("WO-02").agency == HONGQIAO
    assert play.given((HONGQIAO, "workorder.accepted")).when(*DONE).code == "not-your-move"


@pytest.mark.parametrize("before", [(), (DONE, REOPENED)])
def test_who_has_the_order_in_hand_is_not_given_it_anew(before: tuple[Any, ...]) -> None:
    """It would have all its time anew."""
    answer = order(DISPATCHED, ACCEPTED, *before).when(*REDISPATCHED, recipient=QIBAO)
    assert (answer.code, answer.members) == ("recipient-unchanged", {"agency": QIBAO})


def test_what_was_upheld_is_taken_on_and_not_sent_back_again() -> None:
    play = order(DISPATCHED, SENT_BACK, UPHELD)
    assert (play.standing.status, play.standing.moves) == ("upheld", (QIBAO,))
    assert play.when(*SENT_BACK).code == "illegal-move"
    assert play.given(ACCEPTED).when(*SENT_BACK).code == "already-upheld"
    assert play.fork().given(DONE, VERIFIED, CLOSED).standing.ended
    # The dispatcher may still give it to another, who has not been told so.
    body = {"name": "闵行区梅陇镇人民政府(城管执法)", "agency": MEILONG}
    assert isinstance(play.given(REDISPATCHED).when(HONGQIAO, SENT_BACK[1], competent_body=body), Registration)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"ground": {"code": "not-my-mood", "reason": "不想办。"}}, "ground-unknown"),
        ({"ground": {"code": "within-duties", "reason": "用错的理由。"}}, "ground-unknown"),
        ({"ground": {"code": "workload", "reason": "人手不足。"}}, "ground-barred"),
        ({"competent_body": None}, "competent-body-missing"),
        ({"competent_body": {"name": "七宝镇", "agency": QIBAO}}, "competent-body-missing"),
    ],
)
def test_an_order_is_not_sent_back_without_a_proper_ground(change: dict[str, Any], code: str) -> None:
    answer = order(DISPATCHED).when(*SENT_BACK, **change)
    assert isinstance(answer, Rejection)
    assert answer.code == code


def test_what_turns_out_on_the_site_not_to_be_its_own_is_sent_back() -> None:
    play = order(DISPATCHED, ACCEPTED, SENT_BACK)
    assert (play.standing.status, play.standing.moves) == ("sent_back", (MINHANG,))
    assert play.standing.legs == {QIBAO: "sent_back"}
    assert ticking(play) == {"WO-05"}
    assert play.clock("WO-02").state is ClockState.SUSPENDED
    assert ticking(play.fork().given(UPHELD)) == {"WO-01", "WO-02"}
    assert ticking(play.fork().given(UPHELD, ACCEPTED)) == {"WO-02"}
    assert play.given(REDISPATCHED).standing.moves == (HONGQIAO,)


def test_what_is_done_is_not_sent_back() -> None:
    assert order(DISPATCHED, ACCEPTED, DONE).when(*SENT_BACK).code == "illegal-move"
    assert order(DISPATCHED, ACCEPTED, DONE, REOPENED).when(*SENT_BACK).code == "illegal-move"


def test_a_redispatched_order_keeps_its_channel() -> None:
    play = order(DISPATCHED, SENT_BACK)
    answer = play.when(*REDISPATCHED, channel="grid")
    assert (answer.code, answer.members) == ("channel-mismatch", {"channel": "inspection"})
    assert order(DISPATCHED).when(*ACCEPTED, channel="petition").code == "channel-mismatch"


def test_the_dispatcher_withdraws_alone_until_the_order_is_taken_on() -> None:
    for moves in [(), (SENT_BACK,), (SENT_BACK, UPHELD)]:
        assert order(DISPATCHED, *moves).given((MINHANG, "common.withdrawn")).standing.ended
    assert order(DISPATCHED, ACCEPTED).when(MINHANG, "common.withdrawn").code == "withdrawal-not-agreed"


# --- who dispatches what to whom


def test_a_finding_goes_through_the_grid_centre_to_the_department() -> None:
    found = ordered(MINHANG, "grid", recipient=CENTRE)
    link = {"relation": "grew_from", "kind": "workorder", "exchange": found.state.exchange}
    assert ordered(CENTRE, "grid", recipient=BUILDERS, links=[link]).standing.moves == (BUILDERS,)
    assert Play("workorder").when(*DISPATCHED, recipient=BUILDERS).code == "no-agreement"


@pytest.mark.parametrize(
    ("sender", "channel", "recipient"),
    [
        (HOTLINE, "hotline_12319", MINHANG),
        (HOTLINE, "hotline_962000", CENTRE),
        (PETITIONS, "visit", BUILDERS),
        (TOWN, "community", QIBAO),
        (TOWN, "early", QIBAO),
        (TOWN, "xinmin", QIBAO),
        ("310112-swj", "river_chief", QIBAO),
        (QIBAO, "river_chief", "310112-swj"),
        (CITY, "inspection", MINHANG),
    ],
)
def test_every_channel_has_its_dispatcher(sender: str, channel: str, recipient: str) -> None:
    assert ordered(sender, channel, recipient=recipient).standing.moves == (recipient,)


def test_a_town_dispatches_to_no_department() -> None:
    assert Play("workorder").when(TOWN, "workorder.dispatched", recipient=BUILDERS).code == "no-agreement"


# --- limits and clocks


@pytest.mark.parametrize("channel", [item for item in Channel if item not in HOTLINES])
def test_a_limit_in_working_days_is_a_hotlines(channel: Channel) -> None:
    with pytest.raises(ValidationError, match="hotline"):
        fact("workorder.dispatched", channel=channel, limit="wd5", do_by=None)


@pytest.mark.parametrize(("limit", "do_by"), [("day", None), ("none", "2026-11-20"), ("wd1", "2026-11-20")])
def test_a_day_is_named_where_the_limit_is_a_day(limit: str, do_by: str | None) -> None:
    with pytest.raises(ValidationError, match="do_by is given"):
        fact("workorder.redispatched", channel="hotline_12345", limit=limit, do_by=do_by)


# 2026-11-05 is a Thursday: it was delivered on it, so the first working day is the Friday.
@pytest.mark.parametrize(
    ("limit", "rule", "due"), [("wd1", "HL-1", "11-07"), ("wd5", "HL-5", "11-13"), ("wd15", "HL-15", "11-27")]
)
def test_a_hotline_order_has_its_limit(limit: str, rule: str, due: str) -> None:
    play = ordered(HOTLINE, "hotline_12345", limit)
    clock = play.clock(rule)
    assert (clock.agency, f"{clock.due.instant:%m-%d}") == (QIBAO, due)
    assert ticking(play) == {rule, "WO-01"}


def test_another_order_has_the_day_that_it_names_or_our_default() -> None:
    assert f"{order(DISPATCHED).clock('WO-02').due.instant:%m-%d}" == "11-21"
    assert ticking(order(DISPATCHED)) == {"WO-01", "WO-02"}
    assert ticking(ordered(MINHANG, "inspection")) == {"WO-01", "WO-03"}


def test_a_report_is_answered_within_five_working_days() -> None:
    assert "CG-26" in ticking(ordered(TOWN, "community", matter="report"))
    assert {"CG-26", "CW-05"} <= ticking(ordered(TOWN, "community", matter="structure_report"))


@pytest.mark.parametrize("channel", ["petition", "visit"])
def test_a_petition_is_taken_up_in_fifteen_days_and_handled_in_sixty(channel: str) -> None:
    play = ordered(PETITIONS, channel)
    assert ticking(play) == {"XF-15"}
    play.given((*ACCEPTED, {"channel": channel}))
    assert ticking(play) == {"XF-60"}
    assert f"{play.clock('XF-60').due.instant:%m-%d}" == "01-05"
    assert ticking(play.given(DONE)) == {"WO-06"}


def test_a_return_is_not_a_word_to_who_petitions() -> None:
    """信访工作条例 第二十三条: an objection takes effect when who passed the petition on agrees."""
    play = ordered(PETITIONS, "petition").given(SENT_BACK)
    assert play.clock("XF-15").state is ClockState.SUSPENDED
    assert ticking(play) == {"WO-05"}
    before = play.clock("XF-15").due.instant
    play.wait(timedelta(days=1)).given((PETITIONS, "workorder.upheld"))
    assert play.clock("XF-15").due.instant > before
    assert ticking(play) == {"XF-15", "WO-01"}
    assert ticking(play.given((*ACCEPTED, {"channel": "petition"}))) == {"XF-60"}


def test_a_petition_keeps_its_sixty_days_from_when_it_was_taken_up() -> None:
    play = ordered(PETITIONS, "petition").given((*ACCEPTED, {"channel": "petition"}))
    started = play.clock("XF-60").started_by
    play.given(SENT_BACK)
    assert (play.clock("XF-60").state, ticking(play)) == (ClockState.SUSPENDED, {"WO-05"})
    again = {"channel": "petition", "limit": "none", "do_by": None}
    other = play.fork().given((PETITIONS, "workorder.redispatched", again))
    assert ticking(other) == {"XF-15"}
    assert other.clock("XF-15").agency == HONGQIAO
    play.given((PETITIONS, "workorder.upheld"), (*ACCEPTED, {"channel": "petition"}))
    assert (play.clock("XF-60").started_by, ticking(play)) == (started, {"XF-60"})


def test_what_the_law_gives_to_answer_a_report_does_not_begin_anew_with_the_same_unit() -> None:
    """An agreed limit does: the dispatcher names it."""
    play = ordered(HOTLINE, "hotline_12345", "wd15", matter="report").given(SENT_BACK)
    started = play.clock("CG-26").started_by
    again = {"channel": "hotline_12345", "matter": "report", "limit": "wd1", "do_by": None}
    same = play.fork().given((HOTLINE, "workorder.redispatched", {**again, "recipient": QIBAO}))
    assert (same.clock("CG-26").started_by, same.clock("CG-26").state) == (started, ClockState.RUNNING)
    assert ticking(same) == {"HL-1", "CG-26", "WO-01"}
    other = play.given((HOTLINE, "workorder.redispatched", again))
    assert (other.clock("CG-26").agency, other.clock("CG-26").started_by) == (HONGQIAO, len(play.log))
    assert ticking(other) == {"HL-1", "CG-26", "WO-01"}


def test_that_a_case_came_of_it_leaves_the_dispatchers_clocks_alone() -> None:
    play = order(DISPATCHED, ACCEPTED, DONE)
    due = play.clock("WO-06").due
    assert (play.given(LINKED).clock("WO-06").due, ticking(play)) == (due, {"WO-06"})
    due = play.given(VERIFIED).clock("WO-07").due
    assert (play.given(LINKED).clock("WO-07").due, ticking(play)) == (due, {"WO-07"})
    assert play.standing.moves == (MINHANG,)


def test_who_passes_a_petition_on_may_name_a_day() -> None:
    play = ordered(PETITIONS, "petition", "day", do_by="2026-12-01")
    assert ticking(play) == {"XF-15", "WO-02"}


def test_the_limit_stands_still_while_a_return_is_looked_at() -> None:
    play = ordered(HOTLINE, "hotline_12345", "wd5").given(SENT_BACK)
    assert play.clock("HL-5").state is ClockState.SUSPENDED
    assert ticking(play) == {"WO-05"}
    before = play.clock("HL-5").due.instant
    play.wait(timedelta(days=1)).given((HOTLINE, "workorder.upheld"))
    assert play.clock("HL-5").due.instant > before
    assert ticking(play) == {"HL-5", "WO-01"}


def test_who_gets_a_redispatched_order_has_a_limit_of_its_own() -> None:
    play = ordered(HOTLINE, "hotline_12345", "wd5").given(SENT_BACK)
    again = {"channel": "hotline_12345", "limit": "wd1", "do_by": None}
    play.given((HOTLINE, "workorder.redispatched", again))
    assert ticking(play) == {"HL-1", "WO-01"}
    assert play.clock("HL-1").agency == HONGQIAO


def test_what_is_reopened_and_what_is_to_be_checked_have_clocks() -> None:
    play = order(DISPATCHED, ACCEPTED, DONE)
    assert ticking(play) == {"WO-06"}
    assert ticking(play.fork().given(VERIFIED)) == {"WO-07"}
    play.given(REOPENED)
    assert ticking(play) == {"WO-04"}
    assert f"{play.clock('WO-04').due.instant:%m-%d}" == "11-28"


@pytest.mark.parametrize("channel", Channel)
@pytest.mark.parametrize("limit", Limit)
def test_whoever_is_to_move_has_a_clock(channel: Channel, limit: Limit) -> None:
    if limit not in {Limit.DAY, Limit.NONE} and channel not in HOTLINES:
        return
    members = {"channel": channel, "limit": limit, "do_by": "2026-11-20" if limit is Limit.DAY else None}
    play = order((*DISPATCHED, members))
    assert ticking(play)
    assert ticking(play.fork().given(SENT_BACK))
    assert ticking(play.fork().given(SENT_BACK, (*REDISPATCHED, members)))
    assert ticking(play.fork().given(SENT_BACK, UPHELD))
    assert ticking(play.given((*ACCEPTED, {"channel": channel})))
    assert ticking(play.fork().given(SENT_BACK))
    assert ticking(play.fork().given(SENT_BACK, UPHELD))
    assert ticking(play.fork().given(SENT_BACK, (*REDISPATCHED, {**members, "recipient": QIBAO})))
    assert ticking(play.fork().given((*REDISPATCHED, members)))
    assert ticking(play.fork().given(DONE, REOPENED, (*REDISPATCHED, members)))


def test_more_time_is_asked_of_the_dispatcher() -> None:
    play = ordered(HOTLINE, "hotline_12345", "wd5").given((*ACCEPTED, {"channel": "hotline_12345"}))
    play.given((QIBAO, "common.extension_requested", {"new_date": "2026-11-20"}))
    play.given((HOTLINE, "common.extension_granted", {"new_date": "2026-11-20"}))
    assert f"{play.clock('HL-5').due.instant:%m-%d}" == "11-21"
