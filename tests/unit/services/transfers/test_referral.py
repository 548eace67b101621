"""涉嫌犯罪案件移送: given what is registered, when an agency states a fact, then …"""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from contracts.records import Record
from events.fields import FieldClass
from services.kernel.exchange import Registration
from tests.support.factory import BUS, event, example, fact
from tests.support.play import JUSTICE, MINHANG, POLICE, POLICE_QINGPU, PROCURATORATE, QINGPU, Play

REPORTED = (MINHANG, "referral.reported")
APPROVED = (MINHANG, "referral.approved")
SENT = (MINHANG, "referral.sent")
RECEIPTED = (POLICE, "referral.receipted")
DECLINED = (POLICE, "referral.declined")
RECEIVED = (REPORTED, APPROVED, SENT, RECEIPTED)
RECONSIDERED = (
    (MINHANG, "referral.reconsideration_requested"),
    (POLICE, "referral.reconsideration_upheld"),
)
OVERSIGHT = (MINHANG, "referral.oversight_suggested")


def referral(*moves: tuple[object, ...]) -> Play:
    return Play("referral").given(*moves)


def dossier(**items: object) -> dict[str, Any]:
    data = example("referral.sent", "complete")["data"]
    assert isinstance(data, dict)
    whole = data["dossier"]
    assert isinstance(whole, dict)
    return {name: item for name, item in {**whole, **items}.items() if item is not None}


# --- before the letter


def test_the_report_opens_the_exchange_and_the_police_know_nothing_of_it() -> None:
    standing = referral(REPORTED, APPROVED).standing
    assert {code: party.role for code, party in standing.parties.items()} == {MINHANG: "sender", JUSTICE: "supervisor"}
    assert standing.moves == (MINHANG,)


def test_what_precedes_the_letter_stays_inside() -> None:
    play = referral()
    inside = ("sender", "supervisor")
    assert play.when(*REPORTED).audience == inside
    assert play.when(JUSTICE, "common.chased").audience == inside
    assert play.when(*APPROVED).audience == inside
    assert play.when(*SENT).audience is None


def test_the_police_get_stubs_of_what_precedes_the_letter() -> None:
    play = Play("referral")
    answer = play.when(*REPORTED)
    submitted = event(MINHANG, fact("referral.reported"), exchange=play.state.exchange)
    registered = {**submitted, "sequence": 1, "recordedtime": "x"}
    record = Record(event=registered, receipt={"signed": "x"}, standing=play.standing, audience=answer.audience)
    joined = play.given(APPROVED, SENT).standing
    assert record.seen_by(POLICE, joined)["stub"]
    assert record.seen_by(PROCURATORATE, joined)["stub"]
    assert record.seen_by(MINHANG, joined) == registered


def test_what_is_said_later_about_what_stayed_inside_stays_inside() -> None:
    play = referral(REPORTED, APPROVED, SENT)
    assert play.when(MINHANG, "common.corrected", corrects=1).audience == ("sender", "supervisor")
    assert play.when(MINHANG, "common.correction_withdrawn", correction=4).audience == ("sender", "supervisor")
    early = referral(REPORTED).wait(timedelta(days=10))
    told = early.when(BUS, "common.clock_expired", **early.about("RX-02"))
    assert told.audience == ("sender", "supervisor")
    assert play.when(MINHANG, "common.corrected", corrects=3).audience is None


def test_an_agency_without_an_agreement_opens_nothing() -> None:
    assert Play("referral").when("310104-cg", "referral.reported").code == "no-agreement"


def test_nobody_refers_what_was_not_approved() -> None:
    assert referral(REPORTED).when(*SENT).code == "illegal-move"
    assert referral(REPORTED, (MINHANG, "referral.not_approved")).when(*SENT).code == "illegal-move"


def test_a_penalty_does_not_replace_the_referral() -> None:
    ground = {"code": "penalised-instead", "reason": "已罚款。"}
    answer = referral(REPORTED).when(MINHANG, "referral.not_approved", ground=ground)
    assert answer.code == "ground-barred"
    assert answer.members["instead"] == "approved"


def test_only_the_head_approves() -> None:
    with pytest.raises(ValidationError, match=r"approver\.post"):
        fact("referral.approved", approver={"name": "副职示例", "post": "deputy"})


def test_the_group_has_two_officers() -> None:
    with pytest.raises(ValidationError, match="group"):
        fact("referral.reported", group=[{"name": "陈示例", "certificate": "SH-MH-0001"}])


def test_the_letter_states_the_approval_on_file() -> None:
    answer = referral(REPORTED, APPROVED).when(*SENT, approved_at="2026-11-10T08:00:00+08:00")
    assert answer.code == "approval-mismatch"


# --- the gate of art. 6


def test_a_letter_without_the_survey_report_is_rejected_and_then_sent_complete() -> None:
    play = referral(REPORTED, APPROVED)
    answer = play.when(*SENT, "without-survey-report")
    assert answer.code == "dossier-incomplete"
    assert answer.members == {"missing": ["survey_report"]}
    assert "调查报告" in answer.detail
    assert play.standing.status == "approved"
    assert play.given(SENT).standing.status == "sent"


@pytest.mark.parametrize("item", ["transfer_letter", "survey_report", "goods_list", "test_report"])
@pytest.mark.parametrize("state", [None, {}, {"attachments": []}, "two answers"])
def test_an_item_that_is_not_settled_is_named(item: str, state: Any) -> None:
    both = {"not_applicable": "无。", "pending": {"reason": "待补。", "expected_on": "2026-12-01"}}
    answer = referral(REPORTED, APPROVED).when(
        *SENT, dossier=dossier(**{item: both if state == "two answers" else state})
    )
    assert answer.code == "dossier-incomplete"
    assert answer.members == {"missing": [item]}


@pytest.mark.parametrize(
    "state", [{"not_applicable": "无涉案物品。"}, {"pending": {"reason": "检验中。", "expected_on": "2026-12-01"}}]
)
def test_not_applicable_and_pending_are_answers(state: dict[str, Any]) -> None:
    answer = referral(REPORTED, APPROVED).when(*SENT, dossier=dossier(goods_list=state))
    assert isinstance(answer, Registration)


def test_all_that_is_missing_is_named_at_once() -> None:
    answer = referral(REPORTED, APPROVED).when(*SENT, dossier={})
    assert answer.members == {"missing": ["transfer_letter", "survey_report", "goods_list", "test_report"]}


# --- with the police


def test_the_letter_brings_in_the_police_and_copies_the_procuratorate() -> None:
    parties = referral(REPORTED, APPROVED, SENT).standing.parties
    assert parties[POLICE].role == "recipient"
    assert parties[PROCURATORATE].role == "copied"
    assert parties[PROCURATORATE].reads == (FieldClass.PUBLIC, FieldClass.PERSONAL)
    assert parties[JUSTICE].reads == (FieldClass.PUBLIC,)


def test_one_agency_is_not_police_and_procuratorate() -> None:
    assert referral(REPORTED, APPROVED).when(*SENT, procuratorate=POLICE).code == "no-agreement"


def test_the_police_do_not_refuse_for_incompleteness_they_ask() -> None:
    play = referral(*RECEIVED)
    answer = play.when(*DECLINED, ground={"code": "incomplete", "reason": "材料不全。"})
    assert answer.code == "ground-barred"
    assert answer.members["instead"] == "supplement_requested"
    play.given((POLICE, "referral.supplement_requested"))
    assert play.standing.moves == (MINHANG,)
    assert play.when(*DECLINED).code == "illegal-move"
    assert play.given((MINHANG, "referral.supplemented")).standing.status == "receipted"


def test_other_police_get_it_with_their_procuratorate() -> None:
    play = referral(*RECEIVED, (POLICE, "referral.forwarded"))
    assert play.standing.parties[POLICE_QINGPU].role == "recipient"
    assert play.standing.parties[POLICE].role == "former"
    assert play.standing.parties["310118-jcy"].role == "copied"
    assert play.standing.hops == 1
    play.given((POLICE_QINGPU, "referral.receipted"))
    back = play.when(POLICE_QINGPU, "referral.forwarded", recipient=POLICE)
    assert back.code == "ping-pong"
    assert "filed" in back.members["moves"]


def test_the_police_forward_to_police_only() -> None:
    assert referral(*RECEIVED).when(POLICE, "referral.forwarded", recipient=QINGPU).code == "no-agreement"


def test_the_police_open_no_referral() -> None:
    assert Play("referral").when(POLICE, "referral.reported").code == "no-agreement"


def test_filed_then_handed_over_then_concluded() -> None:
    play = referral(*RECEIVED, (POLICE, "referral.filed"))
    assert play.standing.moves == (MINHANG,)
    play.given((MINHANG, "referral.goods_handed_over"), (POLICE, "referral.outcome_reported"))
    assert play.standing.status == "concluded"


@pytest.mark.parametrize(
    ("source", "name"), [(POLICE, "referral.case_withdrawn"), (PROCURATORATE, "referral.not_prosecuted")]
)
def test_what_ends_without_a_crime_goes_back_to_the_agency(source: str, name: str) -> None:
    play = referral(*RECEIVED, (POLICE, "referral.filed"), (source, name))
    assert play.standing.moves == (MINHANG,)
    assert play.given((MINHANG, "referral.return_accepted")).standing.status == "taken_back"


def test_a_police_penalty_is_an_outcome_of_its_own() -> None:
    assert referral(*RECEIVED, (POLICE, "referral.penalised")).standing.ended


# --- refused: reconsideration or oversight


@pytest.mark.parametrize("refusal", [DECLINED, (POLICE, "referral.returned")])
def test_a_refusal_goes_to_reconsideration_or_to_oversight_not_to_both(refusal: tuple[str, str]) -> None:
    play = referral(*RECEIVED, refusal)
    assert play.standing.moves == (MINHANG,)
    reconsidering = play.fork().given((MINHANG, "referral.reconsideration_requested"))
    assert reconsidering.when(*OVERSIGHT).code == "illegal-move"
    overseen = play.fork().given(OVERSIGHT)
    assert overseen.when(MINHANG, "referral.reconsideration_requested").code == "illegal-move"


def test_oversight_after_a_failed_reconsideration_but_no_second_reconsideration() -> None:
    play = referral(*RECEIVED, DECLINED, *RECONSIDERED)
    assert play.when(MINHANG, "referral.reconsideration_requested").code == "illegal-move"
    assert play.given(OVERSIGHT).standing.moves == (PROCURATORATE,)


def test_a_reversed_reconsideration_obliges_to_file() -> None:
    play = referral(*RECEIVED, DECLINED, RECONSIDERED[0], (POLICE, "referral.reconsideration_reversed"))
    assert play.standing.moves == (POLICE,)
    assert play.when(*DECLINED).code == "illegal-move"
    assert play.given((POLICE, "referral.filed")).standing.status == "filed"


def test_oversight_ends_in_filing_or_in_reasons_that_hold() -> None:
    play = referral(
        *RECEIVED,
        DECLINED,
        OVERSIGHT,
        (PROCURATORATE, "referral.explanation_requested"),
        (POLICE, "referral.explained"),
    )
    assert play.standing.moves == (PROCURATORATE,)
    ordered = play.fork().given((PROCURATORATE, "referral.filing_ordered"))
    assert ordered.standing.moves == (POLICE,)
    assert ordered.given((POLICE, "referral.filed")).standing.legs == {POLICE: "filed"}
    upheld = play.fork().given((PROCURATORATE, "referral.explanation_upheld"))
    assert upheld.given((MINHANG, "referral.return_accepted")).standing.ended


@pytest.mark.parametrize("name", ["explanation_requested", "filing_ordered", "not_prosecuted", "explanation_upheld"])
@pytest.mark.parametrize("source", [MINHANG, POLICE, JUSTICE])
def test_what_is_the_procuratorates_is_nobody_elses(source: str, name: str) -> None:
    play = referral(*RECEIVED, DECLINED, OVERSIGHT)
    assert play.when(source, f"referral.{name}").code in {"not-your-move", "illegal-move"}


@pytest.mark.parametrize(
    ("moves", "source", "name"),
    [
        ((REPORTED,), MINHANG, "not_approved"),
        (RECEIVED, POLICE, "declined"),
        (RECEIVED, POLICE, "returned"),
        (RECEIVED, POLICE, "forwarded"),
        ((*RECEIVED, DECLINED, RECONSIDERED[0]), POLICE, "reconsideration_upheld"),
        ((*RECEIVED, DECLINED, OVERSIGHT), PROCURATORATE, "explanation_upheld"),
        ((*RECEIVED, (POLICE, "referral.filed")), POLICE, "case_withdrawn"),
        ((*RECEIVED, (POLICE, "referral.filed")), PROCURATORATE, "not_prosecuted"),
    ],
)
def test_every_refusal_rests_on_a_coded_ground(moves: tuple[Any, ...], source: str, name: str) -> None:
    answer = referral(*moves).when(source, f"referral.{name}", ground={"code": "no-such-ground", "reason": "无。"})
    assert answer.code == "ground-unknown"
    assert answer.members["grounds"]
