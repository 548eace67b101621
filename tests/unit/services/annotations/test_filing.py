"""备案、审核、审理、会商: given what is registered, when an agency states a fact, then …"""

from typing import Any

import pytest
from pydantic import ValidationError

from contracts.clocks import History, running
from contracts.disclosure import classified
from events.fact import PREFIX
from events.fields import FieldClass
from events.registry import facts
from services.kernel.exchange import Registration
from tests.support.factory import example, fact
from tests.support.play import CITY, JUSTICE, MINHANG, POLICE, Play

TEAM, GOVERNMENT = "310112102-cg", "310112-zf"

SUBMITTED = (MINHANG, "filing.submitted")
COMMENTED = (JUSTICE, "filing.commented")
ANSWERED = (MINHANG, "filing.answered")
ACCEPTED = (JUSTICE, "filing.accepted")
RETURNED = (JUSTICE, "filing.returned")
NOT_PASSED = (JUSTICE, "filing.not_passed")


def filing(*moves: tuple[object, ...]) -> Play:
    return Play("filing").given(*moves)


def answers(*numbers: int) -> list[dict[str, Any]]:
    return [{"problem": number, "disposition": "corrected", "explanation": "已补正。"} for number in numbers]


def test_a_filing_is_commented_answered_and_accepted() -> None:
    play = filing(SUBMITTED)
    assert play.standing.moves == (JUSTICE,)
    assert play.given(COMMENTED).standing.moves == (MINHANG,)
    assert play.given(ANSWERED).standing.moves == (JUSTICE,)
    standing = play.given(ACCEPTED).standing
    assert (standing.status, standing.ended) == ("accepted", True)


def test_a_filing_without_problems_is_accepted_at_once() -> None:
    assert filing(SUBMITTED, ACCEPTED).standing.ended


def test_it_is_not_accepted_while_problems_wait_for_an_answer() -> None:
    assert filing(SUBMITTED, COMMENTED).when(*ACCEPTED).code == "illegal-move"


@pytest.mark.parametrize(("numbers", "missing", "unknown"), [((1,), [2], []), ((1, 2, 3), [], [3]), ((2, 3), [1], [3])])
def test_each_problem_has_one_answer(numbers: tuple[int, ...], missing: list[int], unknown: list[int]) -> None:
    answer = filing(SUBMITTED, COMMENTED).when(*ANSWERED, answers=answers(*numbers))
    assert (answer.code, answer.members) == ("problems-unanswered", {"missing": missing, "unknown": unknown})


def test_a_problem_may_be_raised_again_under_its_number() -> None:
    data: Any = example("filing.commented")["data"]
    again = (*COMMENTED, {"problems": data["problems"][1:]})
    play = filing(SUBMITTED, COMMENTED, ANSWERED, again)
    assert play.when(*ANSWERED).members == {"missing": [], "unknown": [1]}
    assert play.given((*ANSWERED, {"answers": answers(2)}), ACCEPTED).standing.ended


def test_what_is_not_its_own_to_review_goes_back_for_a_ground() -> None:
    play = filing(SUBMITTED)
    assert play.when(*RETURNED, competent_body=None).code == "competent-body-missing"
    assert play.when(*RETURNED, ground={"code": "workload", "reason": "年底任务重。"}).code == "ground-barred"
    incomplete = play.when(*RETURNED, ground={"code": "incomplete", "reason": "缺听证笔录。"})
    assert incomplete.members["instead"] == "commented"
    assert play.when(MINHANG, "filing.returned").code == "not-your-move"
    standing = play.given(RETURNED).standing
    assert (standing.status, standing.ended, standing.moves) == ("returned", True, ())


def test_who_has_begun_to_review_does_not_return_it() -> None:
    assert filing(SUBMITTED, COMMENTED).when(*RETURNED).code == "illegal-move"
    assert filing(SUBMITTED, COMMENTED, ANSWERED).when(*RETURNED).code == "illegal-move"


@pytest.mark.parametrize("before", [(), (COMMENTED,), (COMMENTED, ANSWERED)])
def test_what_does_not_pass_the_review_ends_so(before: tuple[Any, ...]) -> None:
    """行政处罚法 第五十八条: no decision on it; also where the sender never answers what was found."""
    play = filing(SUBMITTED, *before)
    assert play.when(MINHANG, "filing.not_passed").code == "not-your-move"
    standing = play.given(NOT_PASSED).standing
    assert (standing.status, standing.ended, standing.moves) == ("not_passed", True, ())
    assert running(History("filing", play.context.entries)) == ()
    assert play.when(*ACCEPTED).code == "illegal-move"


@pytest.mark.parametrize(
    ("name", "variant", "members"),
    [
        ("submitted", None, {"/draft/reason", "/draft/measures", "/circumstances/facts"}),
        ("submitted", "for-conference", {"/questions"}),
        ("commented", None, {"/problems/0/problem", "/problems/0/advice", "/problems/1/problem"}),
        ("answered", None, {"/answers/0/explanation", "/answers/1/explanation"}),
        ("accepted", None, {"/opinion"}),
        ("not_passed", None, {"/reason"}),
    ],
)
def test_who_oversees_reads_no_text_of_the_case(name: str, variant: str | None, members: set[str]) -> None:
    data: Any = example(f"filing.{name}", variant)["data"]
    marked = classified(facts()[f"{PREFIX}.filing.{name}.v1"], data)
    assert members <= {pointer for pointer, marked_as in marked.items() if marked_as is FieldClass.PERSONAL}
    standing = Play("filing").given((TEAM, "filing.submitted", {"recipient": MINHANG})).standing
    assert standing.parties[JUSTICE].reads == (FieldClass.PUBLIC,)


@pytest.mark.parametrize(
    ("sender", "recipient", "variant"),
    [
        (TEAM, MINHANG, "major-case"),
        (TEAM, MINHANG, "simple-matter"),
        (TEAM, MINHANG, None),
        (MINHANG, GOVERNMENT, "for-demolition"),
        ("310112102-jz", GOVERNMENT, "for-demolition"),
        (MINHANG, CITY, "for-conference"),
    ],
)
def test_each_type_goes_to_who_looks_at_it(sender: str, recipient: str, variant: str | None) -> None:
    play = Play("filing")
    assert isinstance(play.when(sender, "filing.submitted", variant, recipient=recipient), Registration)
    assert play.standing.moves == (recipient,)


def test_it_goes_to_nobody_else() -> None:
    assert Play("filing").when(*SUBMITTED, recipient=POLICE).code == "no-agreement"


def test_each_type_has_what_it_needs() -> None:
    with pytest.raises(ValidationError, match="legal_review has why"):
        fact("filing.submitted", why=[])
    with pytest.raises(ValidationError, match="demolition_review has area"):
        fact("filing.submitted", filing_type="demolition_review")
    with pytest.raises(ValidationError, match="conference has questions"):
        fact("filing.submitted", filing_type="conference")
    with pytest.raises(ValidationError, match="major_case has filed_on, draft"):
        fact("filing.submitted", "major-case", filed_on=None, draft=None)


def test_a_dossier_that_names_a_set_is_complete() -> None:
    dossier = {"archive": "household", "number": "SYN-户-0401", "set": "household", "items": []}
    assert Play("filing").when(*SUBMITTED, dossier=dossier).code == "dossier-set-incomplete"


def test_the_sender_withdraws_alone_until_it_is_accepted() -> None:
    for moves in [(), (COMMENTED,), (COMMENTED, ANSWERED)]:
        assert filing(SUBMITTED, *moves, (MINHANG, "common.withdrawn")).standing.ended


def test_the_agreed_clocks() -> None:
    play = filing(SUBMITTED)
    assert f"{play.clock('FA-01').due.instant:%m-%d}" == "11-13"
    play.given(COMMENTED)
    assert (play.clock("FA-02").agency, f"{play.clock('FA-02').due.instant:%m-%d}") == (MINHANG, "11-21")
    assert play.given(ANSWERED).clock("FA-01").agency == JUSTICE
