"""协查、溯源: given what is registered, when an agency states a fact, then …"""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from contracts.calendar import SHANGHAI
from contracts.clocks import Clock, History, running
from contracts.crosswalk import packaged as crosswalk
from contracts.disclosure import classified
from events.fields import FieldClass
from events.lead import Opened
from services.kernel.exchange import Registration
from tests.support.factory import example
from tests.support.play import CITY, JUSTICE, MINHANG, POLICE, QINGPU, XUHUI, Play

NANTONG, JIAXING, WUXI, CHANGZHOU = "320600-cg", "330400-cg", "320200-cg", "320400-cg"
ENVIRONMENT = "310112-sthj"

OPENED = (MINHANG, "lead.opened")
RECEIPTED = (NANTONG, "lead.receipted")
TRACED = (NANTONG, "lead.traced")
FILED = (NANTONG, "lead.filed")
SHARED = (NANTONG, "lead.evidence_shared")
REPORTED = (NANTONG, "lead.result_reported")
OTHER_RECEIPTED = (JIAXING, "lead.receipted")
NOT_FOUND = (JIAXING, "lead.not_found")
REFUSED = (JIAXING, "lead.refused")
CLOSED = (MINHANG, "lead.closed")

CODE = [{"law": "中华人民共和国生态环境法典", "article": "第四百七十六条"}]
WASTE_LAW = [{"law": "中华人民共和国固体废物污染环境防治法", "article": "第二十二条"}]


def lead(*moves: tuple[Any, ...]) -> Play:
    return Play("lead").given(*moves)


def to_one(*moves: tuple[Any, ...]) -> Play:
    return lead((*OPENED, {"recipients": [NANTONG]}), *moves)


def clocks(play: Play) -> tuple[Clock, ...]:
    """The clocks that run, as the registrar sees them."""
    known = play.context.contracts
    return running(History(play.kind, play.context.entries), known.rules, known.calendars)


# --- the way of a lead


def test_the_source_is_traced_a_case_filed_there_and_its_result_recognised() -> None:
    play = to_one(RECEIPTED, TRACED)
    assert (play.standing.status, play.standing.moves) == ("answered", (MINHANG,))
    play.given(FILED)
    assert (play.standing.status, play.standing.moves) == ("filed", (NANTONG,))
    play.given(SHARED, REPORTED)
    assert (play.standing.status, play.standing.moves) == ("answered", (MINHANG,))
    assert play.given(CLOSED).standing.ended


def test_the_request_makes_the_parties() -> None:
    parties = lead(OPENED).standing.parties
    assert {code: party.role for code, party in parties.items()} == {
        MINHANG: "sender",
        NANTONG: "recipient",
        JIAXING: "recipient",
        ENVIRONMENT: "copied",
        JUSTICE: "supervisor",
    }
    assert FieldClass.PERSONAL in parties[NANTONG].reads
    assert parties[ENVIRONMENT].reads == parties[JUSTICE].reads == (FieldClass.PUBLIC,)


@pytest.mark.parametrize("city", [NANTONG, JIAXING, WUXI, CHANGZHOU, QINGPU])
def test_each_place_may_be_asked_and_may_ask(city: str) -> None:
    assert isinstance(Play("lead").when(*OPENED, recipients=[city], copied=[]), Registration)
    assert isinstance(Play("lead").when(city, "lead.opened", recipients=[MINHANG], copied=[]), Registration)


def test_no_agreement_no_lead() -> None:
    assert Play("lead").when(*OPENED, recipients=[NANTONG, POLICE]).code == "no-agreement"
    assert Play("lead").when(*OPENED, recipients=[NANTONG, "320100-cg"]).code == "no-agreement"


def test_between_districts_the_city_bureau_may_chase_and_across_provinces_nobody_above_both() -> None:
    district = lead((*OPENED, {"recipients": [QINGPU], "copied": []}))
    assert isinstance(district.when(CITY, "common.chased"), Registration)
    assert lead((*OPENED, {"copied": []})).when(CITY, "common.chased").code == "not-a-party"


# --- one place's answer


def test_not_found_ends_the_search_in_one_place_and_what_turns_up_later_is_said() -> None:
    play = to_one(RECEIPTED, (NANTONG, "lead.not_found"))
    assert (play.standing.status, play.standing.moves) == ("answered", (MINHANG,))
    assert play.given(TRACED, FILED).standing.status == "filed"


def test_who_refused_may_think_better_of_it() -> None:
    for answer in ("traced", "not_found"):
        play = to_one(RECEIPTED, (NANTONG, "lead.refused"), (NANTONG, f"lead.{answer}"))
        assert play.standing.legs == {NANTONG: answer}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"ground": {"code": "not-my-mood", "reason": "不想办。"}}, "ground-unknown"),
        ({"ground": {"code": "workload", "reason": "人手不足。"}}, "ground-barred"),
        ({"competent_body": None}, "competent-body-missing"),
        ({"competent_body": {"name": "南通市城市管理局", "agency": NANTONG}}, "competent-body-missing"),
    ],
)
def test_a_refusal_without_a_proper_ground_is_not_registered(change: dict[str, Any], code: str) -> None:
    assert to_one(RECEIPTED).when(NANTONG, "lead.refused", **change).code == code


def test_a_case_is_filed_only_after_something_was_traced() -> None:
    assert to_one(RECEIPTED).when(*FILED).code == "illegal-move"
    assert to_one(RECEIPTED, (NANTONG, "lead.not_found")).when(*FILED).code == "illegal-move"
    assert to_one(RECEIPTED, TRACED).when(*REPORTED).code == "illegal-move"


def test_either_side_shares_evidence() -> None:
    play = to_one(RECEIPTED, TRACED, (MINHANG, "lead.evidence_shared"), FILED, SHARED, REPORTED, SHARED)
    assert play.standing.legs == {NANTONG: "reported"}


# --- a refusal goes up, between districts


REFUSED_BY_QINGPU = (QINGPU, "lead.refused")
ESCALATED = (MINHANG, "lead.escalated", {"by": {"leg": QINGPU}})
OVERRULED = (CITY, "lead.refusal_overruled", {"by": {"leg": QINGPU}})
UPHELD = (CITY, "lead.refusal_upheld", {"by": {"leg": QINGPU}})


def districts(*moves: tuple[Any, ...]) -> Play:
    play = Play("lead")
    assert isinstance(play.when(MINHANG, "lead.opened", "vehicle"), Registration)
    receipted = [(XUHUI, "lead.receipted"), (XUHUI, "lead.not_found"), (QINGPU, "lead.receipted")]
    return play.given(*receipted, *moves)


def test_a_refusal_goes_to_the_superior_of_both() -> None:
    play = districts(REFUSED_BY_QINGPU, ESCALATED)
    assert (play.standing.status, play.standing.moves) == ("escalated", (CITY,))
    assert {(item.rule.id, item.agency) for item in clocks(play)} == {("LD-02", CITY)}
    play.given(OVERRULED)
    assert (play.standing.status, play.standing.moves) == ("answering", (QINGPU,))
    assert {(item.rule.id, item.agency, last_day(item)) for item in clocks(play)} == {
        ("LD-03", QINGPU, date(2026, 12, 2))
    }
    assert play.when(*REFUSED_BY_QINGPU).code == "illegal-move"
    assert play.given((QINGPU, "lead.traced")).standing.status == "answered"
    assert not clocks(play)


def test_a_refusal_that_is_upheld_stands() -> None:
    play = districts(REFUSED_BY_QINGPU, ESCALATED, UPHELD)
    assert (play.standing.status, play.standing.moves) == ("answered", (MINHANG,))
    assert play.when(*ESCALATED[:2], by={"leg": QINGPU}).code == "illegal-move"
    assert play.given(CLOSED).standing.ended


def test_who_refused_may_answer_before_the_ruling() -> None:
    play = districts(REFUSED_BY_QINGPU, ESCALATED, (QINGPU, "lead.not_found"))
    assert play.standing.status == "answered"
    assert not clocks(play)


def test_another_district_does_not_hear_of_it() -> None:
    for audience in districts(REFUSED_BY_QINGPU, ESCALATED, OVERRULED).state.audiences[4:]:
        assert audience is not None
        assert not {"recipient", XUHUI} & {*audience}


def test_only_a_refusal_goes_up_and_only_the_superior_rules() -> None:
    play = districts()
    assert play.when(MINHANG, "lead.escalated", by={"leg": QINGPU}).code == "illegal-move"
    play.given(REFUSED_BY_QINGPU, ESCALATED)
    assert play.when(QINGPU, "lead.refusal_upheld").code == "not-your-move"
    assert play.when(CITY, "lead.refusal_upheld", by={"leg": XUHUI}).code == "illegal-move"


def test_across_provinces_nobody_rules() -> None:
    play = lead(OPENED, OTHER_RECEIPTED, REFUSED)
    assert play.when(MINHANG, "lead.escalated", by={"leg": JIAXING}).code == "no-agreement"
    mixed = lead((*OPENED, {"recipients": [JIAXING, QINGPU]}), OTHER_RECEIPTED, REFUSED)
    answer = mixed.when(MINHANG, "lead.escalated", by={"leg": JIAXING})
    assert (answer.code, answer.members) == ("not-above", {"agency": JIAXING, "arbiter": None})


def test_evidence_is_shared_as_soon_as_the_request_has_arrived_and_whatever_the_answer() -> None:
    to_nantong = (MINHANG, "lead.evidence_shared", {"by": {"leg": NANTONG}})
    assert lead(OPENED).when(*to_nantong[:2], by={"leg": NANTONG}).code == "illegal-move"
    play = to_one(RECEIPTED, to_nantong, SHARED)
    assert play.standing.legs == {NANTONG: "receipted"}
    for answer in ("not_found", "refused"):
        answered = play.fork().given((NANTONG, f"lead.{answer}"), SHARED, to_nantong)
        assert answered.standing.legs == {NANTONG: answer}


def test_what_is_asked_may_name_people() -> None:
    data: Any = example("lead.opened")["data"]
    assert classified(Opened, data)["/questions"] is FieldClass.PERSONAL


# --- several places


def test_one_slow_place_holds_nobody_up() -> None:
    play = lead(OPENED, RECEIPTED, TRACED, FILED, REPORTED)
    assert play.standing.legs == {NANTONG: "reported", JIAXING: "addressed"}
    assert (play.standing.status, play.standing.moves) == ("answering", (JIAXING,))


def test_the_whole_is_answered_when_each_has_answered() -> None:
    play = lead(OPENED, RECEIPTED, OTHER_RECEIPTED, TRACED)
    assert (play.standing.status, play.standing.moves) == ("answering", (JIAXING,))
    assert play.given(NOT_FOUND).standing.status == "answered"


def test_a_case_filed_in_one_place_is_waited_for_when_the_others_have_answered() -> None:
    play = lead(OPENED, RECEIPTED, TRACED, FILED, OTHER_RECEIPTED)
    assert set(play.standing.moves) == {NANTONG, JIAXING}
    play.given(REFUSED)
    assert (play.standing.status, play.standing.moves) == ("filed", (NANTONG,))


def test_no_place_sees_what_another_found_or_was_sent() -> None:
    shared = (MINHANG, "lead.evidence_shared", {"by": {"leg": NANTONG}})
    state = lead(OPENED, RECEIPTED, TRACED, FILED, shared, REPORTED).state
    assert state.audiences[0] is None
    for audience in state.audiences[1:]:
        assert audience is not None
        assert NANTONG in audience
        assert not {"recipient", JIAXING} & {*audience}


def test_the_sender_says_with_whom_it_shares() -> None:
    assert lead(OPENED, RECEIPTED, TRACED).when(MINHANG, "lead.evidence_shared").code == "leg-missing"


def test_a_place_speaks_for_itself() -> None:
    play = lead(OPENED, RECEIPTED)
    assert play.when(*TRACED, by={"leg": JIAXING}).code == "leg-not-yours"
    assert play.when(*NOT_FOUND).code == "illegal-move"


# --- the end


@pytest.mark.parametrize(
    ("moves", "owing"),
    [
        ((OPENED,), [NANTONG, JIAXING]),
        ((OPENED, RECEIPTED), [NANTONG, JIAXING]),
        ((OPENED, RECEIPTED, TRACED), [JIAXING]),
        ((OPENED, RECEIPTED, TRACED, FILED, OTHER_RECEIPTED, NOT_FOUND), [NANTONG]),
    ],
)
def test_closing_over_the_head_of_a_place_needs_a_reason(moves: tuple[Any, ...], owing: list[str]) -> None:
    play = lead(*moves)
    answer = play.when(*CLOSED)
    assert (answer.code, answer.members["legs"]) == ("close-unexplained", owing)
    assert isinstance(play.when(*CLOSED, "unanswered"), Registration)
    assert play.standing.ended


def test_what_all_have_answered_is_closed_without_one() -> None:
    assert lead(OPENED, RECEIPTED, TRACED, OTHER_RECEIPTED, REFUSED, CLOSED).standing.ended


def test_the_sender_withdraws_alone_until_somebody_has_answered() -> None:
    assert lead(OPENED, RECEIPTED, (MINHANG, "common.withdrawn")).standing.status == "withdrawn"
    answered = lead(OPENED, RECEIPTED, TRACED)
    assert answered.when(MINHANG, "common.withdrawn").code == "withdrawal-not-agreed"
    assert answered.when(MINHANG, "common.withdrawal_requested").code == "end-instead"


# --- the law by date


def asked(at: datetime, found_at: str, *laws: dict[str, str]) -> Any:
    data: Any = example("lead.opened")["data"]
    circumstances = {**data["circumstances"], "found_at": found_at}
    members: dict[str, Any] = {
        "circumstances": circumstances,
        "dumped_at": None,
        "legal_basis": [*laws],
        "reply_by": None,
    }
    return Play("lead", at=at).when(*OPENED, **members)


BEFORE, AFTER = datetime(2026, 8, 10, 2, tzinfo=UTC), datetime(2026, 11, 5, 2, tzinfo=UTC)
OLD_ACT, NEW_ACT = "2026-08-01T06:30:00+08:00", "2026-08-15T00:30:00+08:00"


def test_since_the_code_is_in_force_the_waste_law_is_cited_for_older_acts_only() -> None:
    answer = asked(AFTER, NEW_ACT, *WASTE_LAW)
    assert answer.code == "law-not-in-force"
    assert answer.members["in_force"] == ["生态环境法典"]
    assert isinstance(asked(AFTER, NEW_ACT, *CODE), Registration)
    assert isinstance(asked(AFTER, OLD_ACT, *WASTE_LAW), Registration)
    assert isinstance(asked(AFTER, OLD_ACT, *WASTE_LAW, *CODE), Registration)


def test_before_it_is_in_force_the_code_is_not_cited() -> None:
    assert asked(BEFORE, OLD_ACT, *CODE).code == "law-not-in-force"
    assert isinstance(asked(BEFORE, OLD_ACT, *WASTE_LAW), Registration)


def test_the_day_of_the_act_is_told_in_shanghai() -> None:
    assert isinstance(asked(AFTER, "2026-08-14T15:59:59Z", *WASTE_LAW), Registration)
    assert asked(AFTER, "2026-08-14T16:00:00Z", *WASTE_LAW).code == "law-not-in-force"


# --- clocks


def test_each_place_answers_by_the_day_that_was_named() -> None:
    play = lead(OPENED, RECEIPTED)
    assert {(item.rule.id, item.agency) for item in clocks(play)} == {("LD-01", NANTONG), ("LD-01", JIAXING)}
    assert {last_day(item) for item in clocks(play)} == {date(2026, 11, 27)}
    assert {item.agency for item in clocks(play.given(TRACED))} == {JIAXING}


@pytest.mark.parametrize("answer", ["traced", "not_found", "refused"])
def test_any_answer_stops_the_clock(answer: str) -> None:
    assert not clocks(to_one(RECEIPTED, (NANTONG, f"lead.{answer}")))


def test_without_a_day_there_is_no_clock() -> None:
    assert not clocks(lead((*OPENED, {"reply_by": None})))


def test_a_day_that_is_over_is_not_named() -> None:
    assert Play("lead").when(*OPENED, reply_by="2026-11-05").code == "agreed-day-over"


def test_a_place_asks_for_more_time_for_itself() -> None:
    request = {"reason": "需调取港航记录。", "new_date": "2026-12-04"}
    play = lead(OPENED, RECEIPTED, (NANTONG, "common.extension_requested", request))
    play.given((MINHANG, "common.extension_granted", {"new_date": "2026-12-04", "by": {"leg": NANTONG}}))
    assert {item.agency: last_day(item) for item in clocks(play)} == {
        NANTONG: date(2026, 12, 4),
        JIAXING: date(2026, 11, 27),
    }


def test_who_files_reports_its_decision_to_who_asked_within_ninety_days_of_saying_so() -> None:
    play = to_one(RECEIPTED, TRACED, (*FILED, {"filed_on": "2026-10-05"}))
    (item,) = clocks(play)
    assert (item.rule.id, item.agency, last_day(item)) == ("LD-60", NANTONG, date(2027, 2, 3))
    assert item.rule.source.agreed
    assert not clocks(play.given(SHARED, REPORTED))


# --- the other side's law


def test_a_copy_that_crosses_the_province_says_what_the_cause_is_there() -> None:
    crossed = crosswalk().cross(example("lead.opened"), "320600", date(2026, 11, 5))
    assert crossed is not None
    (cause,) = crossed.causes
    assert cause.theirs is not None
    filed: Any = example("lead.filed")["data"]
    assert cause.theirs.code == filed["cause"]["code"]


def last_day(item: Clock) -> date:
    """The last day of a period that ends at 0:00 of the next."""
    return date.fromordinal(item.due.instant.astimezone(SHANGHAI).date().toordinal() - 1)
