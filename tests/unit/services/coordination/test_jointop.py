"""联合执法: who takes part, what was found and who dealt with it; nobody who is silent holds the rest up."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from contracts.clocks import History, clocks, running
from events.fields import PERSONAL, FieldClass
from events.jointop import Minuted
from services.kernel.exchange import Registration
from tests.support.factory import fact, world
from tests.support.play import CITY, JUSTICE, MINHANG, XUHUI, Play

BUILDERS, GREENERS, GOVERNMENT, OFFICE = "310112-jgw", "310112-lrj", "310112-zf", "310112-djb"
PROPOSED = (MINHANG, "jointop.proposed")
CONFIRMED = (BUILDERS, "jointop.confirmed")
ALSO_CONFIRMED = (GREENERS, "jointop.confirmed")
DECLINED = (GREENERS, "jointop.declined")
HELD = (MINHANG, "jointop.held")
ANSWERED = (BUILDERS, "jointop.finding_answered")
ESCALATED = (MINHANG, "jointop.escalated")
ORDERED = (GOVERNMENT, "jointop.participation_ordered")
POSTPONED = (MINHANG, "jointop.postponed")
MINUTED = (MINHANG, "jointop.minuted")
CLOSED = (MINHANG, "jointop.closed")
NEW_TIME = "2026-11-19T21:00:00+08:00"
NOT_OURS: list[dict[str, Any]] = [
    {
        "finding": "1",
        "handling": "not_ours",
        "text": "非本单位管理。",
        "competent_body": {"name": "上海市闵行区绿化和市容管理局", "agency": GREENERS},
    },
    {"finding": "2", "handling": "unfounded", "text": "经查不成立。"},
]
CHINA = timezone(timedelta(hours=8))


def about(leg: str, name: str, **members: Any) -> tuple[str, str, dict[str, Any]]:
    """A fact of the initiator about one addressee."""
    return MINHANG, f"jointop.{name}", {"by": {"leg": leg}, **members}


def found(*ids: str) -> list[dict[str, str]]:
    return [{"id": id_, "text": "示例问题。"} for id_ in ids]


def dealt_with(*ids: str) -> list[dict[str, str]]:
    return [{"finding": id_, "handling": "rectified", "text": "已整改。"} for id_ in ids]


def jointop(*then: tuple[Any, ...]) -> Play:
    return Play("jointop").given(PROPOSED, *then)


def moves(play: Play) -> tuple[str, ...]:
    return play.standing.moves


def stands(play: Play) -> tuple[str, tuple[str, ...]]:
    return play.standing.status, play.standing.moves


def held(*then: tuple[Any, ...]) -> Play:
    return jointop(CONFIRMED, DECLINED, HELD, *then)


def on_time(play: Play) -> list[tuple[str, str]]:
    history = History("jointop", play.context.entries)
    return [(item.rule.id, item.agency) for item in running(history)]


def test_an_operation_goes_from_plan_to_minutes() -> None:
    play = jointop(CONFIRMED, ALSO_CONFIRMED, HELD, about(BUILDERS, "finding_assigned"), ANSWERED, MINUTED, CLOSED)
    assert (play.standing.status, play.standing.ended, play.standing.moves) == ("closed", True, ())
    assert play.standing.legs == {BUILDERS: "finding_answered", GREENERS: "confirmed"}


def test_the_plan_makes_the_parties_and_all_of_them_see_everything() -> None:
    play = jointop(CONFIRMED)
    assert {code: party.role for code, party in play.standing.parties.items()} == {
        MINHANG: "sender",
        BUILDERS: "recipient",
        GREENERS: "recipient",
        OFFICE: "copied",
        JUSTICE: "supervisor",
    }
    assert play.state.audiences == (None, None)
    assert FieldClass.PERSONAL in play.standing.parties[GREENERS].reads
    assert play.standing.parties[JUSTICE].reads == (FieldClass.PUBLIC,)


def test_each_addressee_answers_for_itself() -> None:
    play = jointop()
    assert moves(play) == (BUILDERS, GREENERS)
    play.given(CONFIRMED)
    assert stands(play) == ("proposed", (GREENERS,))
    play.given(DECLINED)
    assert stands(play) == ("answered", (MINHANG,))
    assert play.when(BUILDERS, "jointop.confirmed", by={"leg": GREENERS}).code == "leg-not-yours"


def test_it_is_held_although_one_declined() -> None:
    play = jointop(CONFIRMED, DECLINED, HELD)
    assert stands(play) == ("held", (MINHANG,))


def test_who_is_silent_holds_nobody_up() -> None:
    play = jointop(CONFIRMED)
    assert play.when(*HELD).code == "illegal-move"
    assert play.when(MINHANG, "jointop.left_out").code == "leg-missing"
    play.given(about(GREENERS, "left_out"))
    assert (play.standing.status, play.standing.legs[GREENERS]) == ("answered", "left_out")
    late = play.fork().given(ALSO_CONFIRMED)
    assert late.standing.legs[GREENERS] == "confirmed"
    play.given(HELD)
    assert play.when(*ALSO_CONFIRMED).code == "illegal-move"


def test_who_has_answered_is_not_left_out() -> None:
    play = jointop(CONFIRMED)
    assert play.when(*about(BUILDERS, "left_out")[:2], by={"leg": BUILDERS}).code == "illegal-move"


@pytest.mark.parametrize(("first", "then"), [("confirmed", "declined"), ("declined", "confirmed")])
def test_an_answer_may_be_another_one_until_it_is_held(first: str, then: str) -> None:
    play = jointop((BUILDERS, f"jointop.{first}"), (BUILDERS, f"jointop.{then}"))
    assert play.standing.legs[BUILDERS] == then


def test_a_refusal_rests_on_a_coded_ground() -> None:
    ground = {"code": "not-competent-matter", "reason": "运输许可由交通部门核发。"}
    play = jointop()
    assert play.when(*DECLINED, ground={"code": "busy", "reason": "忙。"}).code == "ground-unknown"
    assert play.when(*DECLINED, ground=ground).code == "competent-body-missing"
    body = {"name": "上海市闵行区交通委员会", "agency": "310112-jtw"}
    assert isinstance(play.when(*DECLINED, ground=ground, competent_body=body), Registration)


def test_the_government_does_not_let_a_refusal_stand() -> None:
    ordered = (GOVERNMENT, "jointop.participation_ordered")
    play = jointop(CONFIRMED)
    assert play.when(*ordered).code == "illegal-move"
    play.given(DECLINED, ordered)
    assert (play.standing.status, play.standing.legs[GREENERS]) == ("answered", "ordered")
    assert play.standing.parties[GOVERNMENT].role == "arbiter"
    assert play.when(*DECLINED).code == "illegal-move"
    play.given(ALSO_CONFIRMED)
    assert jointop(DECLINED).when(MINHANG, "jointop.participation_ordered").code == "not-your-move"


def test_a_postponement_asks_everybody_again() -> None:
    play = jointop(CONFIRMED, DECLINED, (MINHANG, "jointop.postponed"))
    assert play.standing.status == "proposed"
    assert play.standing.legs == {BUILDERS: "asked", GREENERS: "asked"}
    assert moves(play) == (BUILDERS, GREENERS)
    assert on_time(play) == [("JO-01", BUILDERS), ("JO-01", GREENERS)]
    assert play.clock("JO-01").due.instant == datetime(2026, 11, 17, tzinfo=CHINA)


def test_a_confirmation_and_a_postponement_do_not_cross_unseen() -> None:
    play = jointop((MINHANG, "jointop.postponed"))
    answer = play.when(*CONFIRMED)
    assert answer.code == "plan-moved"
    assert answer.members["starts_at"] == NEW_TIME
    assert isinstance(play.when(*CONFIRMED, starts_at="2026-11-19T13:00:00Z"), Registration)


@pytest.mark.parametrize("before", [(), (CONFIRMED,), (CONFIRMED, DECLINED)])
def test_it_is_cancelled_before_it_is_held(before: tuple[Any, ...]) -> None:
    play = jointop(*before, (MINHANG, "jointop.cancelled"))
    assert (play.standing.status, play.standing.ended) == ("cancelled", True)
    assert not on_time(play)


def test_it_is_not_cancelled_after_it_was_held() -> None:
    assert held().when(MINHANG, "jointop.cancelled").code == "illegal-move"


def test_a_plan_sent_by_mistake_is_withdrawn() -> None:
    play = jointop((MINHANG, "common.withdrawn"))
    assert play.standing.status == "withdrawn"


def test_only_who_was_addressed_took_part() -> None:
    answer = jointop(CONFIRMED, DECLINED).when(*HELD, participants=[BUILDERS, XUHUI])
    assert (answer.code, answer.members["agencies"]) == ("participant-unknown", [XUHUI])


def test_without_findings_it_is_minuted_at_once() -> None:
    play = held(MINUTED)
    assert stands(play) == ("minuted", (MINHANG,))


def test_findings_go_to_those_whose_they_are_who_declined_too() -> None:
    play = held(about(GREENERS, "finding_assigned", findings=found("7")))
    assert stands(play) == ("findings_open", (GREENERS,))
    assert play.when(*MINUTED).code == "illegal-move"
    assert play.when(*ANSWERED).code == "illegal-move"
    play.given((GREENERS, "jointop.finding_answered", {"answers": dealt_with("7")}))
    assert stands(play) == ("findings_answered", (MINHANG,))


def test_a_finding_is_answered_by_whom_it_was_assigned_to() -> None:
    play = held(about(BUILDERS, "finding_assigned"), about(GREENERS, "finding_assigned", findings=found("7")))
    assert moves(play) == (BUILDERS, GREENERS)
    answer = play.when(GREENERS, "jointop.finding_answered", answers=dealt_with("1", "2"))
    assert (answer.code, answer.members) == ("findings-unmatched", {"missing": ["7"], "unknown": ["1", "2"]})
    play.given(ANSWERED)
    assert stands(play) == ("findings_open", (GREENERS,))


def test_an_answer_is_about_all_that_is_open() -> None:
    play = held(about(BUILDERS, "finding_assigned"), about(BUILDERS, "finding_assigned", findings=found("3")))
    answer = play.when(*ANSWERED)
    assert (answer.code, answer.members["missing"]) == ("findings-unmatched", ["3"])
    play.given((*ANSWERED, {"answers": dealt_with("1", "2", "3")}))
    assert play.standing.status == "findings_answered"


def test_a_finding_is_given_to_one_addressee_at_a_time() -> None:
    play = held(about(BUILDERS, "finding_assigned"))
    elsewhere = about(GREENERS, "finding_assigned", findings=found("2", "3"))
    answer = play.when(*elsewhere[:2], **elsewhere[2])
    assert (answer.code, answer.members["findings"]) == ("finding-open", {"2": BUILDERS})
    play.given((*ANSWERED, {"answers": dealt_with("1", "2")}), elsewhere)
    assert play.standing.legs == {BUILDERS: "finding_answered", GREENERS: "finding_open"}


def test_what_is_not_one_s_own_names_whose_it_is_and_goes_to_another() -> None:
    play = held(about(BUILDERS, "finding_assigned"), (BUILDERS, "jointop.finding_answered", {"answers": NOT_OURS}))
    assert stands(play) == ("findings_answered", (MINHANG,))
    play.given(about(GREENERS, "finding_assigned", findings=found("1")))
    assert moves(play) == (GREENERS,)
    with pytest.raises(ValueError, match="competent_body"):
        fact("jointop.finding_answered", answers=[{**NOT_OURS[0], "competent_body": None}])


def test_it_is_minuted_without_an_answer_only_with_the_reason_why() -> None:
    play = held(about(BUILDERS, "finding_assigned"))
    assert play.when(*MINUTED).code == "illegal-move"
    play.given(about(BUILDERS, "finding_left_open"))
    assert stands(play) == ("findings_answered", (MINHANG,))
    play.given(MINUTED, ANSWERED)
    assert (play.standing.status, play.standing.legs[BUILDERS]) == ("minuted", "finding_answered")
    assert play.when(*ANSWERED).code == "illegal-move"
    play.given(CLOSED)


def test_what_was_left_open_is_handed_out_again() -> None:
    play = held(about(BUILDERS, "finding_assigned", findings=found("1")), about(BUILDERS, "finding_left_open"))
    play.given(about(GREENERS, "finding_assigned", findings=found("1")))
    assert moves(play) == (GREENERS,)
    assert play.when(*ANSWERED, answers=dealt_with("1")).code == "findings-unmatched"


def test_the_clock_of_an_answer_is_each_one_s_own() -> None:
    play = jointop()
    assert on_time(play) == [("JO-01", BUILDERS), ("JO-01", GREENERS)]
    assert play.clock("JO-01").due.instant == datetime(2026, 11, 10, tzinfo=CHINA)
    play.given(CONFIRMED)
    assert on_time(play) == [("JO-01", GREENERS)]
    play.given(about(GREENERS, "left_out"))
    assert not on_time(play)


def test_without_a_day_the_answer_has_three_working_days() -> None:
    play = Play("jointop").given((*PROPOSED, {"confirm_by": None}))
    assert play.clock("JO-01").due.instant == datetime(2026, 11, 11, tzinfo=CHINA)


def test_the_clock_of_findings_is_due_on_the_newest_day() -> None:
    play = held(about(BUILDERS, "finding_assigned"), about(GREENERS, "finding_assigned", findings=found("7")))
    assert on_time(play) == [("JO-02", BUILDERS), ("JO-02", GREENERS)]
    assert play.clock("JO-02").due.instant == datetime(2026, 11, 28, tzinfo=CHINA)
    play.given(about(BUILDERS, "finding_assigned", findings=found("3"), due="2026-12-04"))
    own = [item for item in clocks(History("jointop", play.context.entries)) if item.agency == BUILDERS]
    assert [(item.state.value, item.due.instant.day) for item in own if item.rule.id == "JO-02"] == [
        ("void", 28),
        ("running", 5),
    ]


def test_an_addressee_may_ask_for_more_time_for_its_findings() -> None:
    play = held(about(BUILDERS, "finding_assigned"), about(GREENERS, "finding_assigned", findings=found("7")))
    asked = {"reason": "整改需停工审批。", "new_date": "2026-12-11"}
    granted = {"new_date": "2026-12-11", "by": {"leg": BUILDERS}}
    play.given((BUILDERS, "common.extension_requested", asked), (MINHANG, "common.extension_granted", granted))
    assert play.clock("JO-02").due.instant == datetime(2026, 12, 12, tzinfo=CHINA)


def test_the_initiator_hands_out_or_minutes_in_five_working_days() -> None:
    play = held()
    assert on_time(play) == [("JO-03", MINHANG)]
    assert not on_time(play.fork().given(MINUTED))
    play.given(about(BUILDERS, "finding_assigned"))
    assert on_time(play) == [("JO-02", BUILDERS)]


def test_a_day_for_findings_is_still_to_come() -> None:
    answer = held().when(MINHANG, "jointop.finding_assigned", by={"leg": BUILDERS}, due="2026-11-05")
    assert answer.code == "agreed-day-over"


def test_who_may_be_asked_stands_in_an_agreement() -> None:
    duties = [{"agency": "310118-cg", "duty": "查处跨区运输车辆。"}, {"agency": BUILDERS, "duty": "检查工地。"}]
    across: dict[str, Any] = {"recipients": ["310118-cg", BUILDERS], "duties": duties, "programme": "cross_district"}
    play = Play("jointop").given((*PROPOSED, across))
    assert {party.agreement for party in play.standing.parties.values()} >= {"jointop-310112-districts"}
    court: dict[str, Any] = {"recipients": ["310112-fy"], "duties": [{"agency": "310112-fy", "duty": "示例。"}]}
    assert Play("jointop").when(*PROPOSED, **court).code == "no-agreement"


def asking(*agencies: str) -> Play:
    """An operation to which these are asked."""
    duties = [{"agency": code, "duty": "示例职责。"} for code in agencies]
    return Play("jointop").given((*PROPOSED, {"recipients": [*agencies], "duties": duties, "copied": None}))


@pytest.mark.parametrize("before", [(), (CONFIRMED,)])
def test_the_superior_is_told_of_a_refusal_and_orders(before: tuple[Any, ...]) -> None:
    play = jointop(*before)
    assert play.when(*ESCALATED).code == "nothing-declined"
    play.given(DECLINED)
    waited_for = stands(play)
    play.given(ESCALATED)
    assert stands(play) == waited_for
    assert play.standing.parties[GOVERNMENT].role == "arbiter"
    assert FieldClass.PERSONAL in play.standing.parties[GOVERNMENT].reads
    assert play.given(ORDERED).standing.legs[GREENERS] == "ordered"
    assert play.when(GREENERS, "jointop.escalated").code == "not-your-move"


@pytest.mark.parametrize(("other", "own"), [(XUHUI, CITY), ("320600-cg", None), ("310112-jj", None)])
def test_a_superior_orders_only_who_is_under_him(other: str, own: str | None) -> None:
    play = asking(other, GREENERS).given((other, "jointop.declined"))
    answer = play.when(*ESCALATED)
    assert (answer.code, answer.members) == ("not-above", {"agencies": [other], "arbiter": GOVERNMENT})
    assert play.when(*ORDERED[:2], agency=other).code == "not-above"
    if own is not None:
        play.given((*ESCALATED, {"arbiter": own}), (own, "jointop.participation_ordered", {"agency": other}))
        assert play.standing.legs[other] == "ordered"
    play.given(DECLINED, ESCALATED, ORDERED)


def test_only_an_addressee_is_ordered() -> None:
    play = asking(GREENERS).given(DECLINED)
    assert play.when(*ORDERED, agency=BUILDERS).code == "leg-unknown"


def test_no_operation_copies_who_may_have_to_order() -> None:
    known = [item for item in world().agreements.by_id.values() if "jointop" in item.kinds]
    for agreement in known:
        beside = [item for item in known if {*item.senders} & {*agreement.senders}]
        assert not {agreement.arbiter} & {code for item in beside for code in item.copied}, agreement.id


def test_an_order_stands_whatever_comes_after() -> None:
    play = jointop(CONFIRMED, DECLINED, ORDERED)
    later = play.fork().given(POSTPONED)
    assert later.standing.legs == {BUILDERS: "asked", GREENERS: "asked"}
    answer = later.when(*DECLINED)
    assert (answer.code, answer.members) == ("participation-ordered", {"agency": GREENERS})
    later.given((*ALSO_CONFIRMED, {"starts_at": NEW_TIME}), (BUILDERS, "jointop.declined"))
    assert later.standing.status == "answered"
    assert play.given(ALSO_CONFIRMED).when(*DECLINED).code == "participation-ordered"


def test_it_is_held_by_the_initiator_alone_where_nobody_came() -> None:
    play = jointop((BUILDERS, "jointop.declined"), about(GREENERS, "left_out"))
    for absent in (BUILDERS, GREENERS):
        answer = play.when(*HELD, participants=[MINHANG, absent])
        assert (answer.code, answer.members["agencies"]) == ("participant-absent", [absent])
    play.given((*HELD, {"participants": [MINHANG]}))
    assert play.standing.status == "held"


def test_who_was_ordered_is_told_to_have_come_or_not() -> None:
    for came in ([BUILDERS], [BUILDERS, GREENERS]):
        jointop(CONFIRMED, DECLINED, ORDERED, (*HELD, {"participants": came}))


def test_minutes_may_name_people() -> None:
    assert PERSONAL in Minuted.model_fields["minutes"].metadata


@pytest.mark.parametrize(
    ("sender", "superior"),
    [("310105-cg", CITY), ("310117-cg", CITY), ("310120-cg", CITY), ("330400-cg", None), ("320600-cg", None)],
)
def test_others_propose_to_minhang(sender: str, superior: str | None) -> None:
    plan = {"recipients": [MINHANG], "duties": [{"agency": MINHANG, "duty": "示例职责。"}], "copied": None}
    play = Play("jointop").given((sender, "jointop.proposed", plan), (MINHANG, "jointop.declined"))
    assert JUSTICE in play.standing.parties
    answer = play.when(sender, "jointop.escalated", arbiter=CITY)
    assert isinstance(answer, Registration) if superior else answer.code == "no-agreement"


@pytest.mark.parametrize("sender", ["310112-jj", "310112-jtw", "310112-cyzx", "310112102-jz", "310112501-jz"])
def test_departments_and_streets_propose_to_the_bureau_and_its_teams(sender: str) -> None:
    asked = [MINHANG, "310112102-cg"]
    duties = [{"agency": code, "duty": "示例职责。"} for code in asked]
    play = Play("jointop").given((sender, "jointop.proposed", {"recipients": asked, "duties": duties, "copied": None}))
    assert sorted(play.standing.moves) == sorted(asked)
