"""执法建议书 and its sisters: given what is registered, when an agency states a fact, then …"""

from datetime import date
from typing import Any

import pytest

from contracts.calendar import SHANGHAI
from contracts.clocks import Clock, History, running
from events.fields import FieldClass
from events.letter import LetterType
from services.kernel.exchange import Registration
from services.letters.lifecycles.letter import ISSUERS
from tests.support.factory import world
from tests.support.play import JUSTICE, MINHANG, POLICE_QINGPU, PROCURATORATE, Play

GREENING, CONSTRUCTION, GOVERNMENT = "310112-lrj", "310112-jgw", "310112-zf"
COURT, PETITIONS = "310112-fy", "310112-xfb"

ISSUED = (MINHANG, "letter.issued")
RECEIPTED = (GREENING, "letter.receipted")
REPLIED = (GREENING, "letter.replied")
OBJECTED = (GREENING, "letter.objected")
MAINTAINED = (MINHANG, "letter.maintained", {"by": {"leg": GREENING}})
REVISED = (MINHANG, "letter.revised", {"by": {"leg": GREENING}})
REVOKED = (MINHANG, "letter.revoked", {"by": {"leg": GREENING}})
REVIEWED = (MINHANG, "letter.reviewed", {"by": {"leg": GREENING}})
CLOSED = (MINHANG, "letter.closed")

ITEMS = ("1", "2", "3")


def letter(*moves: tuple[Any, ...]) -> Play:
    return Play("letter").given(*moves)


def to_one(*moves: tuple[Any, ...], **members: Any) -> Play:
    return letter((*ISSUED, {"recipients": [GREENING], **members}), *moves)


def answers(*items: str) -> list[dict[str, str]]:
    return [{"item": item, "adoption": "not_adopted", "reason": "示例理由。"} for item in items]


# --- the way of a letter


def test_a_letter_goes_from_issue_to_review_and_close() -> None:
    play = to_one(RECEIPTED, REPLIED)
    assert (play.standing.status, play.standing.moves) == ("replied", (MINHANG,))
    play.given((GREENING, "letter.item_completed"), REVIEWED)
    assert (play.standing.status, play.standing.moves) == ("reviewed", (MINHANG,))
    assert play.given(CLOSED).standing.ended


def test_the_letter_makes_the_parties() -> None:
    parties = letter(ISSUED).standing.parties
    assert {code: party.role for code, party in parties.items()} == {
        MINHANG: "sender",
        GREENING: "recipient",
        CONSTRUCTION: "recipient",
        GOVERNMENT: "copied",
        JUSTICE: "supervisor",
    }
    assert parties[JUSTICE].reads == parties[GOVERNMENT].reads == (FieldClass.PUBLIC,)


def test_no_agreement_no_letter() -> None:
    assert Play("letter").when(*ISSUED, recipients=[GREENING, POLICE_QINGPU]).code == "no-agreement"
    assert Play("letter").when(CONSTRUCTION, "letter.issued", recipients=[GREENING], copied=[]).code == "no-agreement"


def test_what_is_carried_out_after_the_review_is_said_and_reviewed_again() -> None:
    play = to_one(RECEIPTED, REPLIED, REVIEWED, (GREENING, "letter.item_completed"), REVIEWED)
    assert play.standing.status == "reviewed"


# --- item by item


@pytest.mark.parametrize(
    ("given", "code", "member", "named"),
    [
        (["1", "3"], "items-unanswered", "missing", ["2"]),
        (["2"], "items-unanswered", "missing", ["1", "3"]),
        (["1", "2", "3", "4"], "items-unknown", "unknown", ["4"]),
    ],
)
def test_every_item_is_answered_and_none_invented(given: list[str], code: str, member: str, named: list[str]) -> None:
    play = to_one(RECEIPTED)
    answer = play.when(*REPLIED, answers=answers(*given))
    assert (answer.code, answer.members[member]) == (code, named)
    assert play.standing.status == "receipted"


def test_items_are_told_in_their_order() -> None:
    items = [{"id": str(number), "text": "示例建议。"} for number in range(1, 12)]
    play = to_one(RECEIPTED, items=items)
    assert play.when(*REPLIED, answers=answers("1")).members["missing"] == [str(number) for number in range(2, 12)]


def test_only_what_was_adopted_is_carried_out_and_only_once() -> None:
    play = to_one(RECEIPTED, REPLIED)
    assert play.when(GREENING, "letter.item_completed", item="3").code == "item-not-open"
    play.given((GREENING, "letter.item_completed"))
    again = play.when(GREENING, "letter.item_completed")
    assert (again.code, again.members["open"]) == ("item-not-open", ["2"])


def test_a_letter_is_not_carried_out_in_full_as_long_as_items_are_open() -> None:
    play = to_one(RECEIPTED, REPLIED, (GREENING, "letter.item_completed"))
    early = play.when(MINHANG, "letter.reviewed", implementation="full")
    assert (early.code, early.members["open"]) == ("items-open", ["2"])
    play.given((GREENING, "letter.item_completed", {"item": "2"}))
    assert isinstance(play.when(MINHANG, "letter.reviewed", implementation="full"), Registration)


# --- the objection


def test_an_objection_is_the_sender_s_move() -> None:
    play = to_one(RECEIPTED, OBJECTED)
    assert (play.standing.status, play.standing.moves) == ("objected", (MINHANG,))
    assert play.when(*REPLIED, answers=answers("1")).code == "items-unanswered"


def test_who_objected_may_reply_all_the_same() -> None:
    assert to_one(RECEIPTED, OBJECTED, REPLIED).standing.status == "replied"
    play = letter(ISSUED, RECEIPTED, (CONSTRUCTION, "letter.receipted"), OBJECTED, (CONSTRUCTION, "letter.objected"))
    assert play.given(REPLIED).standing.legs == {GREENING: "replied", CONSTRUCTION: "objected"}


def test_what_is_maintained_is_answered_and_not_objected_to_again() -> None:
    play = to_one(RECEIPTED, OBJECTED, MAINTAINED)
    assert (play.standing.status, play.standing.moves) == ("replying", (GREENING,))
    assert play.fork().when(*OBJECTED).code == "illegal-move"
    assert play.given(REPLIED).standing.status == "replied"


def test_a_revised_letter_is_answered_as_it_stands_now() -> None:
    items = [{"id": "1", "text": "示例建议。"}, {"id": "5", "text": "示例建议。"}]
    play = to_one(RECEIPTED, OBJECTED, (*REVISED[:2], {"items": items}))
    assert play.fork().when(*OBJECTED, items=["2"]).code == "items-unknown"
    assert play.when(*REPLIED, answers=answers(*ITEMS)).code == "items-unanswered"
    assert isinstance(play.when(*REPLIED, answers=answers("1", "5")), Registration)


def test_a_revised_letter_may_be_objected_to() -> None:
    assert to_one(RECEIPTED, OBJECTED, REVISED, OBJECTED).standing.status == "objected"


def test_a_letter_revoked_for_its_only_addressee_is_over() -> None:
    play = to_one(RECEIPTED, OBJECTED, REVOKED)
    assert (play.standing.status, play.standing.ended) == ("revoked", True)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"ground": {"code": "not-my-mood", "reason": "不想办。"}}, "ground-unknown"),
        ({"ground": {"code": "workload", "reason": "人手不足。"}}, "ground-barred"),
        ({"ground": {"code": "disagreement", "reason": "不同意。"}}, "ground-barred"),
        ({"competent_body": None}, "competent-body-missing"),
        ({"items": ["7"]}, "items-unknown"),
    ],
)
def test_an_objection_without_a_proper_ground_is_not_registered(change: dict[str, Any], code: str) -> None:
    assert to_one(RECEIPTED).when(*OBJECTED, **change).code == code


def test_who_only_disagrees_is_told_to_say_so_in_the_reply() -> None:
    answer = to_one(RECEIPTED).when(*OBJECTED, ground={"code": "disagreement", "reason": "不同意。"})
    assert answer.members["instead"] == "replied"


# --- several addressees


def test_one_slow_addressee_holds_nobody_up() -> None:
    play = letter(ISSUED, RECEIPTED, REPLIED, REVIEWED)
    assert play.standing.legs == {GREENING: "reviewed", CONSTRUCTION: "addressed"}
    assert (play.standing.status, play.standing.moves) == ("replying", (CONSTRUCTION,))


def test_a_reply_waits_for_the_sender_while_another_is_awaited() -> None:
    assert letter(ISSUED, RECEIPTED, REPLIED).standing.moves == (MINHANG, CONSTRUCTION)


def test_nobody_has_answered_as_long_as_all_have_only_signed() -> None:
    assert letter(ISSUED, RECEIPTED).standing.status == "receipted"
    assert letter(ISSUED, RECEIPTED, (CONSTRUCTION, "letter.receipted")).standing.status == "receipted"


def test_an_objection_of_the_last_one_is_what_the_whole_waits_for() -> None:
    play = letter(ISSUED, RECEIPTED, REPLIED, (CONSTRUCTION, "letter.receipted"), (CONSTRUCTION, "letter.objected"))
    assert (play.standing.status, play.standing.moves) == ("objected", (MINHANG,))
    revoked = play.given((MINHANG, "letter.revoked", {"by": {"leg": CONSTRUCTION}}))
    assert revoked.standing.status == "replied"


def test_a_revision_for_one_leaves_the_others_items() -> None:
    play = letter(ISSUED, RECEIPTED, OBJECTED, (*REVISED[:2], {**REVISED[2], "items": [{"id": "9", "text": "示例。"}]}))
    play.given((GREENING, "letter.replied", {"answers": answers("9")}), (CONSTRUCTION, "letter.receipted"))
    assert play.when(CONSTRUCTION, "letter.replied", answers=answers("9")).code == "items-unanswered"
    assert isinstance(play.when(CONSTRUCTION, "letter.replied", answers=answers(*ITEMS)), Registration)


def test_the_sender_says_whose_objection_it_answers() -> None:
    play = letter(ISSUED, RECEIPTED, OBJECTED)
    assert play.when(MINHANG, "letter.maintained").code == "leg-missing"
    assert play.when(MINHANG, "letter.maintained", by={"leg": CONSTRUCTION}).code == "illegal-move"


def test_nobody_sees_what_the_others_answered_or_were_answered() -> None:
    state = letter(ISSUED, RECEIPTED, OBJECTED, MAINTAINED, REPLIED, REVIEWED, CLOSED).state
    assert state.audiences[0] is None
    for audience in state.audiences[1:6]:
        assert audience is not None
        assert GREENING in audience
        assert not {"recipient", CONSTRUCTION} & {*audience}
        assert {"sender", "copied", "supervisor"} <= {*audience}
    assert state.audiences[6] is None


def test_who_never_answers_does_not_keep_a_letter_open() -> None:
    for moves in ((ISSUED,), (ISSUED, RECEIPTED), (ISSUED, RECEIPTED, OBJECTED), (ISSUED, RECEIPTED, REPLIED)):
        assert letter(*moves, CLOSED).standing.ended


def test_the_sender_withdraws_alone_until_somebody_has_answered() -> None:
    assert letter(ISSUED, RECEIPTED, (MINHANG, "common.withdrawn")).standing.status == "withdrawn"
    answered = letter(ISSUED, RECEIPTED, REPLIED)
    assert answered.when(MINHANG, "common.withdrawn").code == "withdrawal-not-agreed"
    assert answered.when(MINHANG, "common.withdrawal_requested").code == "end-instead"


# --- types of letters and their clocks


BY_ROLE = {"cg": MINHANG, "jcy": PROCURATORATE, "fy": COURT, "xfb": PETITIONS, "sfj": JUSTICE}


def from_others(source: str, letter_type: str, **members: Any) -> Play:
    members = {"channel": None, "copied": [], "reply_by": None, **members}
    return letter((source, "letter.issued", {"recipients": [MINHANG], "letter_type": letter_type, **members}))


@pytest.mark.parametrize(
    ("source", "letter_type", "situation", "rule", "due"),
    [
        (PROCURATORATE, "public_interest_suggestion", "ordinary", "GY-21", date(2027, 1, 5)),
        (PROCURATORATE, "public_interest_suggestion", "urgent", "GY-21-U", date(2026, 11, 20)),
        (PROCURATORATE, "procuratorial_suggestion", "ordinary", "JC-02", date(2027, 1, 5)),
        (PROCURATORATE, "procuratorial_opinion", "ordinary", "FX-04", date(2027, 1, 5)),
        (COURT, "judicial_suggestion", "ordinary", "SJ-08", date(2027, 1, 5)),
        (JUSTICE, "supervision_opinion", "ordinary", "LT-15", date(2026, 11, 26)),
        (JUSTICE, "list_or_paper", "ordinary", "LT-15", date(2026, 11, 26)),
        (JUSTICE, "legal_suggestion", "ordinary", "LT-15", date(2026, 11, 26)),
        (GREENING, "department_suggestion", "ordinary", "LT-15", date(2026, 11, 26)),
        (PETITIONS, "petition_suggestion", "ordinary", "XF-30", date(2026, 12, 7)),
    ],
)
def test_each_type_has_its_own_number_and_no_other(
    source: str, letter_type: str, situation: str, rule: str, due: date
) -> None:
    play = from_others(source, letter_type, situation=situation)
    assert {item.rule.id for item in clocks(play)} == {rule}
    item = play.clock(rule)
    assert (item.agency, last_day(item.due.instant)) == (MINHANG, due)


@pytest.mark.parametrize("letter_type", LetterType)
def test_every_type_has_a_clock(letter_type: LetterType) -> None:
    source = BY_ROLE[ISSUERS.get(letter_type, "sfj")]
    members = {"recipients": [GREENING]} if source == MINHANG else {}
    assert len(clocks(from_others(source, str(letter_type), channel="bureau", **members))) == 1


@pytest.mark.parametrize(
    ("letter_type", "rule", "moved"),
    [
        ("procuratorial_suggestion", "JC-02", True),
        ("procuratorial_opinion", "FX-04", True),
        ("public_interest_suggestion", "GY-21", False),
        ("petition_suggestion", "XF-30", False),
    ],
)
def test_the_day_that_the_letter_names_counts_where_the_law_leaves_it_to_the_sender(
    letter_type: str, rule: str, moved: bool
) -> None:
    play = from_others(BY_ROLE[ISSUERS[LetterType(letter_type)]], letter_type, reply_by="2026-11-16")
    assert (last_day(play.clock(rule).due.instant) == date(2026, 11, 16)) is moved


@pytest.mark.parametrize("letter_type", ISSUERS)
def test_a_type_that_is_of_one_body_is_issued_by_it(letter_type: LetterType) -> None:
    source = GREENING if ISSUERS[letter_type] == "cg" else MINHANG
    recipients = [MINHANG] if source == GREENING else [GREENING]
    answer = Play("letter").when(
        source, "letter.issued", letter_type=str(letter_type), recipients=recipients, copied=[]
    )
    assert (answer.code, answer.members["role"]) == ("letter-type-not-yours", ISSUERS[letter_type])


@pytest.mark.parametrize("source", [MINHANG, COURT, PROCURATORATE])
def test_only_a_department_writes_as_a_department(source: str) -> None:
    recipients = [GREENING] if source == MINHANG else [MINHANG]
    answer = Play("letter").when(
        source, "letter.issued", letter_type="department_suggestion", recipients=recipients, copied=[]
    )
    assert (answer.code, answer.members["role"]) == ("letter-type-not-yours", "department")


def test_a_letter_s_own_day_comes_first() -> None:
    assert last_day(to_one().clock("LT-15").due.instant) == date(2026, 11, 30)
    assert last_day(to_one(reply_by=None).clock("LT-15").due.instant) == date(2026, 11, 26)
    assert Play("letter").when(*ISSUED, reply_by="2026-11-05").code == "agreed-day-over"


def test_each_addressee_has_its_own_clock() -> None:
    play = letter(ISSUED, RECEIPTED)
    assert {item.agency for item in clocks(play)} == {GREENING, CONSTRUCTION}
    play.given(REPLIED)
    assert {item.agency for item in clocks(play)} == {CONSTRUCTION}


def test_our_own_clock_stands_still_while_an_objection_is_looked_at() -> None:
    play = letter(ISSUED, RECEIPTED, OBJECTED)
    states = {(item.rule.id, item.agency): str(item.state) for item in clocks(play)}
    assert states == {
        ("LT-15", GREENING): "suspended",
        ("LT-15", CONSTRUCTION): "running",
        ("LT-OB", MINHANG): "running",
    }
    play.given(MAINTAINED)
    assert {(item.rule.id, str(item.state)) for item in clocks(play)} == {("LT-15", "running")}


@pytest.mark.parametrize(
    ("letter_type", "rule"),
    [
        ("public_interest_suggestion", "GY-21"),
        ("procuratorial_suggestion", "JC-02"),
        ("procuratorial_opinion", "FX-04"),
        ("judicial_suggestion", "SJ-08"),
        ("petition_suggestion", "XF-30"),
    ],
)
def test_an_objection_does_not_freeze_the_number_of_a_law(letter_type: str, rule: str) -> None:
    source = BY_ROLE[ISSUERS[LetterType(letter_type)]]
    play = from_others(source, letter_type).given((MINHANG, "letter.receipted"))
    due = play.clock(rule).due.instant
    play.given((MINHANG, "letter.objected"))
    assert {(item.rule.id, item.agency, str(item.state)) for item in clocks(play)} == {
        (rule, MINHANG, "running"),
        ("LT-OB", source, "running"),
    }
    assert play.given((source, "letter.maintained")).clock(rule).due.instant == due


def test_who_is_replied_to_in_spite_of_an_objection_ends_it_by_looking_at_the_reply() -> None:
    play = to_one(RECEIPTED, OBJECTED, REPLIED)
    assert {item.rule.id for item in clocks(play)} == {"LT-OB"}
    assert not clocks(play.given(REVIEWED))


def test_the_clock_ends_with_the_letter() -> None:
    assert not clocks(letter(ISSUED, RECEIPTED, OBJECTED, REVOKED, CLOSED))


def test_every_addressee_of_the_bureau_is_an_agency_that_there_is() -> None:
    agreement = world().agreements.by_id["letter-310112"]
    assert len([code for code in agreement.recipients if code.endswith("-jz")]) == 14


def clocks(play: Play) -> tuple[Clock, ...]:
    """The clocks that run, as the registrar sees them."""
    known = play.context.contracts
    return running(History(play.kind, play.context.entries), known.rules, known.calendars)


def last_day(instant: Any) -> date:
    """The last day of a period that ends at 0:00 of the next."""
    at = instant.astimezone(SHANGHAI)
    return date.fromordinal(at.date().toordinal() - 1)
