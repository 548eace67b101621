"""Several addressees: who moves whose part, who learns of it, and who may end what; on the kinds that have them."""

from datetime import timedelta
from typing import Any

from contracts.records import Record
from services.audit.timeline import Thread, summary
from services.kernel.exchange import Registration, Role
from tests.support.factory import BUS, world
from tests.support.play import MINHANG, Play, stage
from tests.support.registered import registered

OPENED = (MINHANG, "lead.opened")


def lead(*moves: tuple[Any, ...]) -> Play:
    """A lead to several places, each of which has signed for it."""
    play = Play("lead").given(OPENED)
    return play.given(*((code, "lead.receipted") for code in play.state.having(Role.RECIPIENT)), *moves)


A, B = lead().state.having(Role.RECIPIENT)[:2]


def asked(play: Play, agency: str) -> Play:
    due = play.clock("LD-01").due.instant
    new_date = (due + timedelta(days=3)).date().isoformat()
    return play.given((agency, "common.extension_requested", {"new_date": new_date}))


def later(play: Play) -> dict[str, Any]:
    return {"new_date": (play.clock("LD-01").due.instant + timedelta(days=3)).date().isoformat()}


def sees(play: Play, agency: str, sequence: int) -> bool:
    record: Record = registered(play)[sequence - 1]
    return not record.seen_by(agency, play.standing).get("stub")


def test_an_addressee_speaks_for_its_own_part() -> None:
    assert lead().when(A, "lead.not_found", by={"leg": B}).code == "leg-not-yours"
    assert lead().when(A, "lead.not_found", by={"leg": BUS}).code == "leg-unknown"


def test_what_concerns_all_names_no_leg() -> None:
    assert Play("lead").when(*OPENED, by={"leg": A}).code == "leg-not-meant"
    assert lead().when(MINHANG, "common.withdrawal_requested", by={"leg": A}).code == "leg-not-meant"
    assert Play("jointop").when(MINHANG, "jointop.proposed", by={"leg": "310112-ga"}).code == "leg-not-meant"


def test_a_fact_about_an_agency_names_no_other_in_its_leg() -> None:
    play = lead((A, "lead.not_found"))
    assert play.when(MINHANG, "common.rated", agency=A, by={"leg": B}).code == "leg-mismatch"
    assert isinstance(play.when(MINHANG, "common.rated", agency=A), Registration)
    assert sees(play, A, len(play.log))
    assert not sees(play, B, len(play.log))


def test_one_addressee_learns_nothing_of_another() -> None:
    play = lead((A, "lead.not_found"))
    last = len(play.log)
    assert sees(play, MINHANG, last)
    assert sees(play, A, last)
    assert not sees(play, B, last)
    assert set(play.standing.moves) >= {B}
    told = play.standing.told_to(B)
    assert (told.moves, told.legs, told.status) == ((B,), {B: "receipted"}, "receipted")
    whole = play.standing
    assert whole.told_to(MINHANG) is whole
    for reader in (A, B):
        thread_of = summary(Thread.of(registered(play)), world().agencies, reader)
        assert thread_of["legs"] == {reader: play.state.legs[reader]}


def test_a_correction_of_what_all_have_seen_reaches_all_of_them() -> None:
    play = lead().given((MINHANG, "common.corrected", {"corrects": 1, "pointer": "/data/purpose", "by": {"leg": A}}))
    assert sees(play, B, len(play.log))
    answered = lead((A, "lead.not_found"))
    answered.given((A, "common.corrected", {"corrects": len(answered.log), "pointer": "/data/number"}))
    assert not sees(answered, B, len(answered.log))


def test_an_answer_to_a_request_for_time_is_for_who_asked() -> None:
    play = asked(lead(), A)
    assert not sees(play, B, len(play.log))
    play.given((MINHANG, "common.extension_granted", later(play)))
    assert sees(play, A, len(play.log))
    assert not sees(play, B, len(play.log))


def test_where_two_wait_for_time_the_answer_says_whose_it_is() -> None:
    play = asked(asked(lead(), A), B)
    new = later(play)
    assert play.when(A, "common.extension_granted", **new).code == "not-your-move"
    assert play.when(MINHANG, "common.extension_granted", **new).code == "leg-missing"
    play.given((MINHANG, "common.extension_granted", {**new, "agency": B}))
    assert play.state.extensions == {A}
    play.given((MINHANG, "common.extension_refused", {"by": {"leg": A}}))
    assert not play.state.extensions


def test_what_is_withheld_makes_nobody_s_word_stale() -> None:
    play = Play("bulletin").given((MINHANG, "bulletin.published"))
    first, second = play.state.having(Role.RECIPIENT)[:2]
    play.given((first, "bulletin.read", {"by": {"known": 1}}))
    assert isinstance(play.fork().when(second, "bulletin.read", by={"known": 1}), Registration)
    play.given((MINHANG, "bulletin.entry_withdrawn"))
    assert play.when(second, "bulletin.read", by={"known": 1}).code == "knownsequence-stale"


def test_who_passed_the_matter_on_has_no_part_to_move() -> None:
    sender = stage("workorder")[Role.SENDER]
    play = Play("workorder").given((sender, "workorder.dispatched"))
    (first,) = play.state.having(Role.RECIPIENT)
    play.given((first, "workorder.sent_back"), (sender, "workorder.redispatched"))
    (second,) = play.state.having(Role.RECIPIENT)
    play.given((second, "workorder.sent_back", {"competent_body": {"name": "示例", "agency": first}}))
    assert first != second
    assert play.when(sender, "workorder.upheld", by={"leg": first}).code == "leg-unknown"
    assert isinstance(play.when(sender, "workorder.upheld"), Registration)


def test_a_request_to_withdraw_is_over_when_nobody_has_the_matter() -> None:
    sender = stage("workorder")[Role.SENDER]
    play = Play("workorder").given((sender, "workorder.dispatched"))
    (first,) = play.state.having(Role.RECIPIENT)
    play.given((first, "workorder.accepted"), (sender, "common.withdrawal_requested"))
    assert play.standing.moves == (first,)
    play.given((first, "workorder.sent_back"))
    assert play.state.withdrawal is None
    assert play.standing.moves == (sender,)
    assert isinstance(play.when(sender, "common.withdrawn"), Registration)


def test_the_sender_withdraws_alone_until_one_of_them_has_accepted() -> None:
    play = Play("jointop").given((MINHANG, "jointop.proposed"))
    first, *_ = play.state.having(Role.RECIPIENT)
    assert isinstance(play.fork().when(MINHANG, "common.withdrawn"), Registration)
    play.given((first, "jointop.confirmed"))
    assert play.fork().when(MINHANG, "common.withdrawn").code == "withdrawal-not-agreed"
    assert play.when(MINHANG, "common.withdrawal_requested").code == "end-instead"
    assert isinstance(play.when(MINHANG, "jointop.cancelled"), Registration)
