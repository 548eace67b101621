"""案件移送: given what is registered, when an agency states a fact, then …"""

from datetime import timedelta
from typing import Any

import pytest

from events.fields import FieldClass
from services.kernel.exchange import Registration, Rejection
from tests.support.factory import BUS, example
from tests.support.play import CITY, JUSTICE, MINHANG, POLICE, QINGPU, XUHUI, Play

SENT = (MINHANG, "transfer.sent")
RECEIPTED = (QINGPU, "transfer.receipted")
RETURNED = (QINGPU, "transfer.returned")
NOT_OURS = {"code": "not-competent-territory", "reason": "倾倒地点不在本辖区。"}
FORWARDED = (QINGPU, "transfer.forwarded")


def transfer(*moves: tuple[object, ...]) -> Play:
    return Play("transfer").given(*moves)


def test_a_case_goes_from_letter_to_outcome() -> None:
    play = transfer(
        SENT,
        RECEIPTED,
        (QINGPU, "transfer.accepted"),
        (QINGPU, "transfer.filed"),
        (QINGPU, "transfer.decided"),
        (QINGPU, "transfer.outcome_reported"),
    )
    assert play.standing.status == "reported"
    assert play.standing.ended
    assert play.standing.moves == ()


def test_the_letter_makes_the_parties() -> None:
    standing = transfer(SENT).standing
    assert {code: party.role for code, party in standing.parties.items()} == {
        MINHANG: "sender",
        QINGPU: "recipient",
        JUSTICE: "supervisor",
    }
    assert standing.moves == (QINGPU,)
    assert FieldClass.PERSONAL in standing.parties[QINGPU].reads
    assert standing.parties[JUSTICE].reads == (FieldClass.PUBLIC,)


def test_the_reporter_leaves_to_nobody() -> None:
    readers = transfer(SENT).standing.parties.values()
    assert not any(FieldClass.REPORTER in party.reads or FieldClass.SEALED in party.reads for party in readers)


def test_no_agreement_no_transfer() -> None:
    answer = Play("transfer").when(MINHANG, "transfer.sent", recipient=POLICE)
    assert answer.code == "no-agreement"


def test_nobody_transfers_to_itself() -> None:
    assert Play("transfer").when(MINHANG, "transfer.sent", recipient=MINHANG).code == "role-taken"


def test_a_street_team_sends_in_the_bureaus_name_and_a_town_in_its_own() -> None:
    street, town = "310112006-cg", "310112107-cg"
    assert isinstance(Play("transfer").when(street, "transfer.sent", by={"inname": MINHANG}), Registration)
    assert Play("transfer").when(town, "transfer.sent", by={"inname": MINHANG}).code == "name-not-held"


# --- the return


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"ground": {"code": "not-my-mood", "reason": "不想办。"}}, "ground-unknown"),
        ({"ground": {"code": "incomplete", "reason": "材料不齐。"}}, "ground-barred"),
        ({"ground": {"code": "workload", "reason": "人手不足。"}}, "ground-barred"),
        ({"ground": NOT_OURS, "competent_body": None}, "competent-body-missing"),
        ({"ground": NOT_OURS, "competent_body": {"name": "青浦区局", "agency": QINGPU}}, "competent-body-missing"),
        ({"ground": {"code": "filed-first", "reason": "他区已立案。"}, "filed_first": None}, "first-filing-missing"),
    ],
)
def test_a_return_without_a_proper_ground_is_not_registered(change: dict[str, Any], code: str) -> None:
    play = transfer(SENT, RECEIPTED)
    before = play.state
    answer = play.when(*RETURNED, "not-competent", **change)
    assert isinstance(answer, Rejection)
    assert answer.code == code
    assert play.state is before


def test_a_barred_ground_says_what_to_state_instead() -> None:
    answer = transfer(SENT, RECEIPTED).when(*RETURNED, ground={"code": "incomplete", "reason": "材料不齐。"})
    assert answer.members["instead"] == "supplement_requested"


def test_an_unknown_ground_names_the_open_ones() -> None:
    answer = transfer(SENT, RECEIPTED).when(*RETURNED, ground={"code": "no-reason", "reason": "无。"})
    assert "not-competent-territory" in answer.members["grounds"]
    assert "incomplete" not in answer.members["grounds"]


def test_filed_first_is_shown_by_an_earlier_date() -> None:
    first = {"agency": XUHUI, "number": "徐城执立〔2026〕77号", "filed_on": "2026-11-04"}
    late = transfer(SENT, RECEIPTED).when(*RETURNED, "filed-first", filed_first=first)
    assert late.code == "not-filed-first"
    early = transfer(SENT, RECEIPTED).when(*RETURNED, "filed-first", filed_first=first | {"filed_on": "2026-11-03"})
    assert isinstance(early, Registration)


def test_a_returned_case_is_taken_back() -> None:
    play = transfer(SENT, RECEIPTED, RETURNED)
    assert play.standing.moves == (MINHANG,)
    assert play.given((MINHANG, "transfer.return_accepted")).standing.ended


def test_what_was_returned_cannot_be_sent_again_in_the_same_exchange() -> None:
    assert transfer(SENT, RECEIPTED, RETURNED).when(*SENT).code == "illegal-move"


# --- forwarding


def test_forwarding_changes_the_recipient_and_counts_the_hop() -> None:
    standing = transfer(SENT, RECEIPTED, FORWARDED).standing
    assert standing.parties[XUHUI].role == "recipient"
    assert standing.parties[QINGPU].role == "former"
    assert standing.hops == 1
    assert standing.moves == (XUHUI,)
    assert standing.legs == {QINGPU: "forwarded", XUHUI: "addressed"}


def test_a_former_recipient_speaks_no_more() -> None:
    assert transfer(SENT, RECEIPTED, FORWARDED).when(*RECEIPTED).code == "not-your-move"


@pytest.mark.parametrize("target", [QINGPU, MINHANG, XUHUI])
def test_the_file_does_not_go_to_and_fro(target: str) -> None:
    play = transfer(SENT, RECEIPTED, FORWARDED, (XUHUI, "transfer.receipted"))
    answer = play.when(XUHUI, "transfer.forwarded", recipient=target)
    assert answer.code == "ping-pong"
    assert answer.members["arbiter"] == CITY
    assert "disputed" in answer.members["moves"]
    assert "forwarded" not in answer.members["moves"]


def test_forwarding_to_an_agency_without_an_agreement() -> None:
    assert transfer(SENT, RECEIPTED).when(*FORWARDED, recipient=POLICE).code == "no-agreement"


def test_forwarding_never_makes_the_supervisor_a_recipient() -> None:
    assert transfer(SENT, RECEIPTED).when(*FORWARDED, recipient=JUSTICE).code == "role-taken"


def test_forwarding_rests_on_a_ground() -> None:
    answer = transfer(SENT, RECEIPTED).when(*FORWARDED, ground={"code": "workload", "reason": "人手不足。"})
    assert answer.code == "ground-barred"


# --- disputes


def test_a_dispute_brings_in_the_common_superior() -> None:
    standing = transfer(SENT, RECEIPTED, RETURNED, (MINHANG, "transfer.disputed")).standing
    assert standing.parties[CITY].role == "arbiter"
    assert standing.moves == (CITY,)


def test_a_dispute_goes_to_no_other_than_the_agreed_arbiter() -> None:
    answer = transfer(SENT, RECEIPTED).when(MINHANG, "transfer.disputed", arbiter=XUHUI)
    assert answer.code == "no-agreement"


def test_a_dispute_is_negotiated_by_the_one_who_takes_it_on() -> None:
    play = transfer(SENT, RECEIPTED, RETURNED, (MINHANG, "transfer.disputed"))
    assert play.when(MINHANG, "transfer.negotiated").code == "not-your-move"
    assert play.given((QINGPU, "transfer.negotiated")).standing.status == "accepted"


def test_the_designated_agency_must_take_it_on() -> None:
    play = transfer(SENT, RECEIPTED, RETURNED, (MINHANG, "transfer.disputed"), (CITY, "transfer.designated"))
    assert play.standing.moves == (QINGPU,)
    assert play.when(*RETURNED).code == "illegal-move"
    assert play.given((QINGPU, "transfer.accepted")).standing.status == "accepted"


def test_the_superior_also_designates_unasked_and_whom_it_likes() -> None:
    standing = transfer(SENT, (CITY, "transfer.designated", {"agency": XUHUI})).standing
    assert standing.moves == (XUHUI,)
    assert standing.parties[QINGPU].role == "former"
    assert standing.parties[CITY].role == "arbiter"


def test_one_who_had_it_may_be_designated() -> None:
    play = transfer(SENT, RECEIPTED, FORWARDED, (CITY, "transfer.designated", {"agency": QINGPU}))
    assert play.standing.moves == (QINGPU,)
    assert play.standing.parties[XUHUI].role == "former"


def test_a_designated_sender_takes_it_back() -> None:
    play = transfer(SENT, RECEIPTED, RETURNED, (MINHANG, "transfer.disputed"))
    assert play.when(CITY, "transfer.designated", agency=MINHANG).code == "designates-sender"
    play.given((CITY, "transfer.designated_back"))
    assert play.standing.moves == (MINHANG,)
    assert play.given((MINHANG, "transfer.return_accepted")).standing.status == "taken_back"


def test_only_the_arbiter_designates() -> None:
    assert transfer(SENT, RECEIPTED).when(MINHANG, "transfer.designated").code == "not-your-move"
    assert transfer(SENT, RECEIPTED).when(XUHUI, "transfer.designated").code == "not-a-party"


# --- supplement, goods, outcomes


def test_a_supplement_leads_back_to_where_it_was_asked_for() -> None:
    asked, answered = (QINGPU, "transfer.supplement_requested"), (MINHANG, "transfer.supplemented")
    assert transfer(SENT, RECEIPTED, asked).standing.moves == (MINHANG,)
    assert transfer(SENT, RECEIPTED, asked, answered).standing.status == "receipted"
    accepted = transfer(SENT, RECEIPTED, (QINGPU, "transfer.accepted"), asked)
    assert accepted.standing.moves == (MINHANG,)
    assert accepted.given(answered).standing.status == "accepted"


def test_goods_go_along_with_the_case() -> None:
    play = transfer(SENT, RECEIPTED)
    assert play.when(QINGPU, "transfer.accepted", goods=None).code == "goods-unaccounted"
    without = Play("transfer").given((MINHANG, "transfer.sent", {"goods": []}), RECEIPTED)
    assert isinstance(without.when(QINGPU, "transfer.accepted", goods=None), Registration)


def test_a_lead_needs_no_party_and_no_filing() -> None:
    play = Play("transfer")
    assert isinstance(play.when(MINHANG, "transfer.sent", "lead"), Registration)
    assert play.state.case


def test_not_filed_is_reported_or_disputed() -> None:
    play = transfer(SENT, RECEIPTED, (QINGPU, "transfer.accepted"), (QINGPU, "transfer.not_filed"))
    assert play.fork().given((QINGPU, "transfer.outcome_reported")).standing.ended
    assert play.fork().given((MINHANG, "transfer.disputed")).standing.status == "disputed"


def test_a_decision_without_a_penalty_is_an_outcome() -> None:
    play = transfer(SENT, RECEIPTED, (QINGPU, "transfer.accepted"), (QINGPU, "transfer.filed"))
    assert isinstance(play.when(QINGPU, "transfer.decided", "no-penalty"), Registration)


# --- what is common


def test_the_sender_withdraws_alone_until_acceptance() -> None:
    assert transfer(SENT, (MINHANG, "common.withdrawn")).standing.status == "withdrawn"
    assert transfer(SENT).when(MINHANG, "common.withdrawal_requested").code == "withdraw-alone"


def test_after_acceptance_the_other_side_consents() -> None:
    play = transfer(SENT, RECEIPTED, (QINGPU, "transfer.accepted"))
    assert play.when(MINHANG, "common.withdrawn").code == "withdrawal-not-agreed"
    assert play.when(QINGPU, "common.withdrawn").code == "withdrawal-not-agreed"
    play.given((MINHANG, "common.withdrawal_requested"))
    assert play.standing.moves == (QINGPU,)
    assert play.fork().given((QINGPU, "common.withdrawn")).standing.ended
    assert play.fork().given((QINGPU, "common.withdrawal_refused")).standing.status == "accepted"


def test_an_extension_is_answered_by_the_other_side() -> None:
    play = transfer(SENT, RECEIPTED)
    assert play.when(MINHANG, "common.extension_granted").code == "nothing-requested"
    later: dict[str, Any] = {"new_date": (play.clock("TR-02").due.instant + timedelta(days=2)).date().isoformat()}
    play.given((QINGPU, "common.extension_requested", later))
    assert play.when(QINGPU, "common.extension_granted", **later).code == "not-your-move"
    assert play.when(QINGPU, "common.extension_requested", **later).code == "request-pending"
    due = play.clock("TR-02").due.instant
    play.given((MINHANG, "common.extension_granted", later))
    assert not play.state.extensions
    assert play.clock("TR-02").due.instant == due + timedelta(days=3)


def test_only_a_clock_whose_rule_allows_it_is_extended_and_only_as_far() -> None:
    play = transfer(SENT)
    soon: dict[str, Any] = {"new_date": (play.clock("TR-01").due.instant + timedelta(days=1)).date().isoformat()}
    assert play.when(QINGPU, "common.extension_requested", **soon).code == "not-extendable"
    play.given(RECEIPTED)
    due = play.clock("TR-02").due.instant
    far: dict[str, Any] = {"new_date": (due + timedelta(days=60)).date().isoformat()}
    assert play.when(QINGPU, "common.extension_requested", **far).code == "not-extendable"
    assert play.when(QINGPU, "common.extension_requested", new_date="2026-11-06").code == "not-extendable"
    once: dict[str, Any] = {"new_date": (due + timedelta(days=1)).date().isoformat()}
    play.given((QINGPU, "common.extension_requested", once), (MINHANG, "common.extension_granted", once))
    again: dict[str, Any] = {"new_date": (due + timedelta(days=2)).date().isoformat()}
    assert play.when(QINGPU, "common.extension_requested", **again).code == "not-extendable"


def test_only_its_author_corrects_a_fact_also_after_the_end() -> None:
    play = transfer(SENT, RECEIPTED, RETURNED, (MINHANG, "transfer.return_accepted"))
    assert play.when(QINGPU, "common.corrected", corrects=1).code == "not-your-fact"
    assert play.when(MINHANG, "common.corrected", corrects=9).code == "sequence-unknown"
    play.given((MINHANG, "common.corrected", {"corrects": 1}))
    assert play.state.corrections == {5}
    assert play.when(MINHANG, "common.correction_withdrawn", correction=1).code == "not-a-correction"
    play.given((MINHANG, "common.correction_withdrawn", {"correction": 5}))
    assert not play.state.corrections


def test_the_bus_records_silence_and_nobody_else_does() -> None:
    play = transfer(SENT)
    told = play.about("TR-01")
    assert play.when(BUS, "common.clock_expired", **told).code == "clock-disproved", "it is not due yet"
    play.wait(timedelta(days=5))
    assert play.when(QINGPU, "common.clock_expired", **told).code == "not-your-move"
    assert isinstance(play.fork().when(BUS, "common.clock_expired", **told), Registration)
    play.given((BUS, "common.clock_warned", told), (BUS, "common.clock_expired", told))
    assert play.when(BUS, "common.clock_expired", **told).code == "clock-disproved"


@pytest.mark.parametrize(
    "untrue",
    [{"rule": "TR-02"}, {"due": "2026-11-09T00:00:00+08:00"}, {"agency": MINHANG}, {"started_by": 2}],
)
def test_the_bus_cannot_say_of_a_clock_what_is_not_so(untrue: dict[str, Any]) -> None:
    play = transfer(SENT, (JUSTICE, "common.chased"))
    told = {**play.about("TR-01"), **untrue}
    assert play.when(BUS, "common.clock_expired", **told).code == "clock-disproved"
    assert play.when(BUS, "common.clock_warned", **told).code == "clock-disproved"


def test_an_expiry_of_what_was_done_is_refused() -> None:
    play = transfer(SENT)
    told = play.about("TR-01")
    play.given(RECEIPTED)
    assert play.when(BUS, "common.clock_expired", **told).code == "clock-disproved"


def test_an_expiry_that_an_act_in_time_made_void_is_annulled_once() -> None:
    play = transfer(SENT).wait(timedelta(days=5))
    play.given((BUS, "common.clock_expired", play.about("TR-01")))
    play.wait(timedelta(days=-5)).given(RECEIPTED)
    void: dict[str, Any] = {"expiry": 2, "act": 3, "reason": "accepted in time"}
    other: dict[str, Any] = {**void, "act": 2}
    assert play.when(BUS, "common.clock_expiry_annulled", **other).code == "clock-disproved"
    play.given((BUS, "common.clock_expiry_annulled", void))
    assert play.when(BUS, "common.clock_expiry_annulled", **void).code == "clock-disproved"


def test_a_supervisor_chases_and_states_nothing_else() -> None:
    play = transfer(SENT)
    assert isinstance(play.when(JUSTICE, "common.chased"), Registration)
    assert play.when(JUSTICE, "transfer.receipted").code == "not-your-move"


# --- the thread


def test_the_opening_event_names_case_and_home() -> None:
    assert Play("transfer").when(*SENT, by={"case": None}).code == "case-missing"
    assert Play("transfer").when(*SENT, by={"home": "310118-bus"}).code == "home-mismatch"
    assert transfer(SENT).when(*RECEIPTED, by={"case": "another"}).code == "case-mismatch"
    assert isinstance(transfer(SENT).when(*RECEIPTED, by={"case": None, "home": None}), Registration)


def test_an_outsider_learns_nothing_of_the_thread() -> None:
    answer = transfer(SENT).when(XUHUI, "transfer.receipted", by={"case": "another"})
    assert answer.code == "not-a-party"
    assert answer.members == {}


def test_an_exchange_begins_with_its_opening_fact() -> None:
    assert Play("transfer").when(*RECEIPTED).code == "exchange-unknown"
    assert transfer(SENT).when(*SENT).code == "illegal-move"
    assert transfer(SENT).when(XUHUI, "transfer.sent").code == "not-a-party"


def test_a_decision_on_stale_knowledge_is_refused() -> None:
    play = transfer(SENT, RECEIPTED, (MINHANG, "common.chased"))
    assert play.when(*RETURNED, by={"known": 2}).code == "knownsequence-stale"
    assert play.when(*RETURNED, by={"known": 4}).code == "knownsequence-unknown"
    assert isinstance(play.when(*RETURNED, by={"known": 3}), Registration)


def test_the_leg_that_an_event_names_is_an_addressee() -> None:
    assert transfer(SENT).when(*RECEIPTED, by={"leg": XUHUI}).code == "leg-unknown"


def test_an_illegal_move_names_the_legal_ones() -> None:
    answer = transfer(SENT, RECEIPTED).when(QINGPU, "transfer.decided")
    assert answer.code == "illegal-move"
    assert {"accepted", "returned", "forwarded"} <= set(answer.members["legal_moves"])


def test_every_example_of_a_return_is_registrable() -> None:
    for variant in ("not-competent", "filed-first"):
        members = example("transfer.returned", variant)["data"]
        assert isinstance(members, dict)
        assert isinstance(transfer(SENT, RECEIPTED).when(*RETURNED, variant), Registration)
