"""情况通报: given what is registered, when an agency states a fact, then …"""

from datetime import timedelta
from typing import Any

import pytest

from contracts.clocks import History, clocks
from services.kernel.exchange import Registration, Rejection
from tests.support.play import JUSTICE, MINHANG, QINGPU, Play

GREENING, HOUSING, BUILDING, TRAFFIC = SUBSCRIBERS = ("310112-lrj", "310112-fgj", "310112-jgw", "310112-jtw")
PUBLISHED = (MINHANG, "bulletin.published")
WITHDRAWN = (MINHANG, "bulletin.entry_withdrawn")
CLOSED = (MINHANG, "bulletin.closed")


def bulletin(*moves: tuple[object, ...]) -> Play:
    return Play("bulletin").given(PUBLISHED, *moves)


def read(*agencies: str) -> list[tuple[str, str]]:
    return [(agency, "bulletin.read") for agency in agencies]


def running(play: Play) -> set[str]:
    found = clocks(History("bulletin", play.context.entries))
    return {item.agency for item in found if item.running and item.rule.id == "TB-01"}


def test_everybody_reads_for_itself() -> None:
    play = bulletin(*read(BUILDING, GREENING))
    assert play.standing.status == "published"
    assert play.standing.moves == (HOUSING, TRAFFIC)
    assert play.when(BUILDING, "bulletin.read").code == "illegal-move"
    play.given(*read(HOUSING, TRAFFIC))
    assert play.standing.status == "read"
    assert not play.standing.moves
    assert not play.standing.ended


def test_who_has_not_read_holds_nobody_up() -> None:
    play = bulletin(*read(GREENING)).wait(timedelta(days=30)).given(*read(BUILDING))
    assert play.standing.legs == {GREENING: "read", BUILDING: "read", HOUSING: "unread", TRAFFIC: "unread"}


def test_who_has_read_what_is_not_the_other_addressees_business() -> None:
    play = bulletin(*read(GREENING))
    audience = play.state.audiences[1]
    assert audience is not None
    assert {"sender", "supervisor", GREENING} <= set(audience)
    assert not {HOUSING, "recipient"} & set(audience)


def test_nobody_reads_for_another() -> None:
    assert bulletin().when(GREENING, "bulletin.read", by={"leg": HOUSING}).code == "leg-not-yours"
    assert bulletin().when(JUSTICE, "bulletin.read").code == "not-your-move"


def test_every_subscriber_of_the_series_is_addressed() -> None:
    answer = Play("bulletin").when(*PUBLISHED, recipients=[GREENING, BUILDING])
    assert isinstance(answer, Rejection)
    assert answer.code == "subscriber-missing"
    assert answer.members["missing"] == [HOUSING, TRAFFIC]


def test_others_may_get_it_too_where_an_agreement_lets_them() -> None:
    more = Play("bulletin").when(*PUBLISHED, recipients=[*SUBSCRIBERS, "310112-swj"])
    assert isinstance(more, Registration)
    assert Play("bulletin").when(*PUBLISHED, recipients=[*SUBSCRIBERS, QINGPU]).code == "no-agreement"


def test_only_the_publisher_publishes() -> None:
    assert Play("bulletin").when("310112006-cg", "bulletin.published").code == "no-agreement"


def test_an_unknown_series_names_those_that_there_are() -> None:
    answer = Play("bulletin").when(*PUBLISHED, series="no-such-list")
    assert answer.code == "series-unknown"
    assert answer.members["series"] == ["penalty-list", "situation"]


def test_the_circular_goes_to_its_own_subscribers() -> None:
    play = Play("bulletin")
    assert isinstance(play.when(MINHANG, "bulletin.published", "situation"), Registration)
    assert play.state.parties[JUSTICE] == "recipient"
    assert len(play.state.legs) == 8


# --- an entry that falls


def test_a_withdrawn_entry_reaches_everybody_who_read_the_list() -> None:
    play = bulletin(*read(*SUBSCRIBERS), WITHDRAWN)
    assert play.state.audiences[-1] is None
    assert play.standing.status == "published"
    assert play.standing.moves == tuple(sorted(SUBSCRIBERS))
    play.given(*read(*SUBSCRIBERS))
    assert play.standing.status == "read"


def test_an_entry_falls_once() -> None:
    play = bulletin(WITHDRAWN)
    answer = play.when(*WITHDRAWN)
    assert answer.code == "entry-unknown"
    assert answer.members["entries"] == ["e-002", "e-003"]
    assert isinstance(play.when(*WITHDRAWN, "mistaken"), Registration)


def test_that_an_entry_fell_is_told_to_all_or_not_at_all() -> None:
    assert bulletin().when(*WITHDRAWN, by={"leg": GREENING}).code == "leg-not-meant"
    assert bulletin().when(*CLOSED, by={"leg": GREENING}).code == "leg-not-meant"


def test_who_had_not_seen_that_an_entry_fell_has_not_read_the_list() -> None:
    play = bulletin(WITHDRAWN)
    assert play.when(GREENING, "bulletin.read", by={"known": 1}).code == "knownsequence-stale"
    assert isinstance(play.when(GREENING, "bulletin.read", by={"known": 2}), Registration)


@pytest.mark.parametrize("why", ["changed", "revoked", "unlawful", "void", "repaired"])
def test_an_entry_falls_with_a_document(why: str) -> None:
    assert isinstance(bulletin().when(*WITHDRAWN, why=why), Registration)


# --- the end


def test_a_list_stays_open_as_long_as_an_entry_of_it_may_fall() -> None:
    play = bulletin(*read(*SUBSCRIBERS))
    answer = play.when(*CLOSED)
    assert answer.code == "entries-stand"
    assert answer.members["entries"] == ["e-001", "e-002", "e-003"]
    assert play.wait(timedelta(days=400)).given(WITHDRAWN).standing.status == "published"


def test_a_list_of_which_nothing_stands_is_closed() -> None:
    play = bulletin(*((*WITHDRAWN, {"entry_id": entry}) for entry in ("e-001", "e-002", "e-003")))
    assert play.given(CLOSED).standing.ended


def test_a_list_is_closed_when_it_is_kept_no_longer() -> None:
    play = Play("bulletin").given((*PUBLISHED, {"retain_until": "2026-11-30"}))
    assert play.wait(timedelta(days=25)).when(*CLOSED).members["retain_until"] == "2026-11-30"
    assert play.wait(timedelta(days=1)).given(CLOSED).standing.ended


def test_a_circular_without_a_list_is_closed_at_any_time() -> None:
    play = Play("bulletin")
    play.when(MINHANG, "bulletin.published", "situation")
    assert play.given(*read(GREENING), CLOSED).standing.ended


@pytest.mark.parametrize("moves", [[], read(*SUBSCRIBERS)])
def test_the_publisher_withdraws_a_whole_issue_alone(moves: list[Any]) -> None:
    play = bulletin(*moves)
    assert play.when(MINHANG, "common.withdrawal_requested").code == "withdraw-alone"
    assert play.given((MINHANG, "common.withdrawn")).standing.ended


# --- clocks


def test_each_addressee_has_a_clock_of_its_own() -> None:
    play = bulletin()
    assert running(play) == set(SUBSCRIBERS)
    play.given(*read(GREENING))
    assert running(play) == set(SUBSCRIBERS) - {GREENING}
    older = play.clock("TB-01").started_by
    play.given(WITHDRAWN)
    assert running(play) == set(SUBSCRIBERS)
    assert play.clock("TB-01").started_by == older
    play.given(*read(*SUBSCRIBERS))
    assert running(play) == set()
