"""What an exchange contributes: who was asked, what became of it, and which clocks it kept."""

import json
from datetime import timedelta

import pytest

from contracts.canonical import canonical
from contracts.clocks import ClockState
from contracts.errors import MalformedJson
from contracts.outages import Outage
from contracts.records import Record
from services.audit.delay import split
from services.audit.figures import Ask, Figures
from tests.support.counted import DAY, HOUR, counted, delivered, told
from tests.support.factory import BUS, TIME
from tests.support.play import CITY, JUSTICE, MINHANG, POLICE, QINGPU, XUHUI, Play
from tests.support.registered import registered

SENT, RECEIPTED = (0, MINHANG, "transfer.sent"), (2, QINGPU, "transfer.receipted")
WHOLE = (
    SENT,
    RECEIPTED,
    (26, QINGPU, "transfer.supplement_requested"),
    (50, MINHANG, "transfer.supplemented"),
    (190, QINGPU, "transfer.accepted"),
    (200, QINGPU, "transfer.filed"),
    (300, QINGPU, "transfer.decided"),
    (310, QINGPU, "transfer.outcome_reported"),
)


def asks(found: Figures) -> list[dict[str, object]]:
    """Each ask in hours after TIME; the second between accepting and recording is left out."""
    return [
        {
            name: round((value - TIME) / HOUR)
            if name in {"asked", "receipted", "positioned", "answered", "over"}
            else value
            for name, value in ask
            if value is not None
        }
        for ask in found.asks
    ]


def test_what_was_asked_is_followed_from_its_delivery_to_its_answer() -> None:
    records = told("transfer", *WHOLE)
    found = counted(records, [delivered(records[0], QINGPU, hours=1), delivered(records[0], QINGPU, hours=4)])
    assert asks(found) == [
        {
            "agency": QINGPU,
            "by": MINHANG,
            "sequence": 1,
            "asked": 1,
            "receipted": 2,
            "position": "accepted",
            "positioned": 190,
            "answered": 310,
            "over": 310,
        }
    ]
    assert (found.opened, found.ended, found.status) == (TIME, TIME + HOUR * 310, "reported")
    assert [act.fact for act in found.acts] == [str(item[2]).split(".")[1] for item in WHOLE]
    assert found.acts[6].outcome == "first_time"


def test_without_a_delivery_it_was_asked_when_it_was_recorded() -> None:
    assert counted(told("transfer", SENT)).asks == (
        Ask(agency=QINGPU, by=MINHANG, sequence=1, asked=TIME + timedelta(seconds=1)),
    )


def test_who_asks_for_a_supplement_has_neither_accepted_nor_refused() -> None:
    found = counted(told("transfer", *WHOLE[:3]))
    assert (found.asks[0].position, found.asks[0].answered) == (None, None)


def test_a_return_answers_what_was_asked_and_the_duty_goes_on_until_it_is_taken_back() -> None:
    found = counted(
        told("transfer", SENT, RECEIPTED, (3, QINGPU, "transfer.returned"), (9, MINHANG, "transfer.return_accepted"))
    )
    assert (asks(found)[0]["position"], asks(found)[0]["answered"], asks(found)[0]["over"]) == ("returned", 3, 9)
    assert [(item.fact, item.ground, item.agency) for item in found.refusals] == [("returned", "filed-first", QINGPU)]


def test_the_police_have_answered_when_the_sender_knows_what_they_decided() -> None:
    found = counted(registered(Play("referral").given(*_REFERRAL)))
    (ask,) = found.asks
    assert (ask.position, ask.answered, ask.over) == ("declined", ask.positioned, None)


_REFERRAL = (
    (MINHANG, "referral.reported"),
    (MINHANG, "referral.approved"),
    (MINHANG, "referral.sent"),
    ("310112-ga", "referral.receipted"),
    ("310112-ga", "referral.declined"),
)


def test_a_hop_is_known_and_so_is_one_to_an_agency_that_had_the_matter() -> None:
    found = counted(
        told(
            "transfer",
            SENT,
            RECEIPTED,
            (3, QINGPU, "transfer.forwarded", {"recipient": XUHUI}),
            (4, XUHUI, "transfer.receipted"),
            (5, XUHUI, "transfer.disputed"),
            (6, CITY, "transfer.designated", {"agency": QINGPU}),
        )
    )
    assert [(hop.by, hop.taker, hop.again) for hop in found.hops] == [(QINGPU, XUHUI, False), (CITY, QINGPU, True)]
    assert [(ask["agency"], ask.get("position"), ask.get("over")) for ask in asks(found)] == [
        (QINGPU, "forwarded", 3),
        (XUHUI, "disputed", 6),
        (QINGPU, None, None),
    ]


def test_a_clock_that_was_met_late_says_by_how_much() -> None:
    # Signed for on Thursday 5 November; five working days end on the 12th at 24:00. The 13th at 8:00 is 8 hours late.
    records = told("transfer", *WHOLE)
    found = {item.rule: item for item in counted(records, [delivered(records[0], QINGPU, hours=1)]).clocks}
    acceptance = found["TR-02"]
    assert (acceptance.state, acceptance.agency, acceptance.duty) == (ClockState.LATE, QINGPU, "recipient")
    assert acceptance.late == 8 * 3600 * 10**6
    assert (found["TR-01"].state, found["TR-01"].late) == (ClockState.MET, 0)


def test_an_expiry_stands_until_it_is_annulled() -> None:
    play = Play("transfer").given((MINHANG, "transfer.sent"), (QINGPU, "transfer.receipted"))
    play.wait(DAY * 10).given((BUS, "common.clock_expired", play.about("TR-02")))
    running = {item.rule: item for item in counted(registered(play)).clocks}["TR-02"]
    assert (running.state, running.expired, running.stopped) == (ClockState.RUNNING, 3, None)


def test_a_clock_that_the_end_made_void_after_it_was_due_was_missed() -> None:
    found = counted(told("transfer", SENT, RECEIPTED, (24 * 20, MINHANG, "common.withdrawn")))
    acceptance = next(item for item in found.clocks if item.rule == "TR-02")
    assert acceptance.state is ClockState.VOID
    assert acceptance.late == (TIME + DAY * 20 - acceptance.due) // timedelta(microseconds=1) > 0
    assert found.asks[0].position is None


def test_the_time_is_divided_as_the_delay_says() -> None:
    records = told("transfer", *WHOLE)
    down = [Outage(bus=BUS, service="gateway", begun=TIME + HOUR * 5, ended=TIME + HOUR * 7)]
    found = counted(records, outages=down)
    totals = split(records, [], down).totals()
    assert {(part.account, part.cause): timedelta(microseconds=part.length) for part in found.time} == totals
    assert sum(part.length for part in found.time) == 310 * 3600 * 10**6


def correction(sequence: int, pointer: str, value: str) -> dict[str, object]:
    return {"corrects": sequence, "pointer": pointer, "correct_value": value}


@pytest.mark.parametrize("root", ["", "/data"])
def test_what_was_corrected_counts_as_corrected_and_as_stated_when_that_is_taken_back(root: str) -> None:
    steps = (
        SENT,
        (1, MINHANG, "common.corrected", correction(1, f"{root}/circumstances/loss", "31000000")),
        (2, MINHANG, "common.corrected", correction(1, f"{root}/circumstances/quantity/value", "20")),
    )
    (corrected,) = counted(told("transfer", *steps)).circumstances
    assert (corrected.loss, corrected.quantity, corrected.unit) == (31000000, "20", "t")
    taken_back = (*steps, (3, MINHANG, "common.correction_withdrawn", {"correction": 2}))
    (stated,) = counted(told("transfer", *taken_back)).circumstances
    assert (stated.loss, stated.quantity) == (4200000, "20")


NONSENSE = [
    ("/nowhere/loss", "7"),
    ("/circumstances/plates/9", "7"),
    ("/circumstances/loss/x", "7"),
    ("/circumstances/loss", "a lot"),
    ("/circumstances/loss", "9" * 30),
    ("/circumstances/quantity", "20 t"),
    ("/circumstances", "none"),
    ("/circumstances/quantity/value", "a lot"),
    ("/circumstances/quantity/unit", "buckets"),
    ("/circumstances/loss", "-1"),
    ("/circumstances/cause/name", "当事人张示例"),
    ("/data/data/circumstances/loss", "7"),
]


@pytest.mark.parametrize(("pointer", "value"), NONSENSE)
def test_a_correction_that_fits_nowhere_changes_nothing(pointer: str, value: str) -> None:
    steps = (SENT, (1, MINHANG, "common.corrected", correction(1, pointer, value)))
    assert counted(told("transfer", *steps)).circumstances == counted(told("transfer", SENT)).circumstances


def test_no_text_of_a_correction_is_shown_as_a_ground() -> None:
    steps = (SENT, RECEIPTED, (3, QINGPU, "transfer.returned"))
    corrected = (4, QINGPU, "common.corrected", correction(3, "/ground/code", "当事人张示例"))
    assert counted(told("transfer", *steps, corrected)).refusals == counted(told("transfer", *steps)).refusals


@pytest.mark.parametrize(
    ("pointer", "value", "mark"),
    [("/agency", "310115-cg", 1), ("/timeliness", "0", 1), ("/timeliness", "6", 1), ("/data/timeliness", "3", 3)],
)
def test_a_rating_is_corrected_within_its_marks_and_stays_of_whom_it_was(pointer: str, value: str, mark: int) -> None:
    rated = {"agency": QINGPU, "timeliness": 1, "quality": 2, "remark": None}
    steps = (*WHOLE, (320, MINHANG, "common.rated", rated))
    wrong = (330, MINHANG, "common.corrected", correction(len(steps), pointer, value))
    assert [(item.of, item.timeliness) for item in counted(told("transfer", *steps, wrong)).ratings] == [(QINGPU, mark)]


@pytest.mark.parametrize("day", ["yesterday", "9999-12-31", "2026-11-06", "1999-12-31", "0001-01-01"])
def test_a_day_that_was_corrected_to_none_that_can_be_counted_stays_what_it_was(day: str) -> None:
    steps = ((0, MINHANG, "tally.stated"), (1, MINHANG, "common.corrected", correction(1, "/day", day)))
    found = counted(told("tally", *steps)).statement
    assert found is not None
    assert str(found.day) == "2026-11-04"


def test_a_statement_of_a_day_that_nobody_can_count_is_none() -> None:
    assert counted(told("tally", (0, MINHANG, "tally.stated", {"day": "0001-01-01"}))).statement is None


def test_a_day_may_be_corrected_to_another_that_is_over() -> None:
    steps = ((0, MINHANG, "tally.stated"), (1, MINHANG, "common.corrected", correction(1, "/data/day", "2026-11-03")))
    found = counted(told("tally", *steps)).statement
    assert found is not None
    assert str(found.day) == "2026-11-03"


def test_the_last_rating_of_one_agency_by_another_counts() -> None:
    rated = {"agency": QINGPU, "timeliness": 1, "quality": 2, "remark": None}
    found = counted(
        told(
            "transfer",
            *WHOLE,
            (320, MINHANG, "common.rated", rated),
            (330, MINHANG, "common.rated", {**rated, "timeliness": 4}),
        )
    )
    assert [(item.by, item.of, item.timeliness, item.quality) for item in found.ratings] == [(MINHANG, QINGPU, 4, 2)]
    assert found.last == TIME + HOUR * 330


def test_the_items_of_a_reply_are_counted_by_what_became_of_them() -> None:
    (record,) = told("transfer", SENT)
    answers = [{"adoption": name} for name in ("adopted", "adopted", "partly", "not_adopted")]
    reply = record.model_copy(
        update={"event": {**record.event, "type": "cn.liandong.letter.replied.v1", "data": {"answers": answers}}}
    )
    (found,) = counted([reply]).replies
    assert (found.agency, found.adopted, found.partly, found.not_adopted) == (MINHANG, 2, 1, 1)


def test_a_statement_of_a_day_is_kept_with_its_corrections() -> None:
    found = counted(
        told(
            "tally",
            (0, MINHANG, "tally.stated"),
            (1, MINHANG, "common.corrected", correction(1, "/counts/0/count", "2")),
        )
    )
    assert found.statement is not None
    assert [item.count for item in found.statement.counts] == [2, 1, 1, 1]
    assert (found.statement.agency, str(found.statement.day), found.statement.over_threshold) == (
        MINHANG,
        "2026-11-04",
        1,
    )
    assert found.asks == ()
    assert [(item.agency, item.role) for item in found.joined] == [(MINHANG, "sender"), (JUSTICE, "recipient")]


def test_figures_are_stored_as_canonical_bytes_and_read_back() -> None:
    for records in (told("transfer", *WHOLE), told("tally", (0, MINHANG, "tally.stated"))):
        found = counted(records)
        stored = found.to_bytes()
        assert canonical(json.loads(stored)) == stored
        assert Figures.from_bytes(stored) == found
        assert Figures.from_bytes(stored).to_bytes() == stored
    with pytest.raises(MalformedJson):
        Figures.from_bytes(b'{"kind":"transfer"}')


def test_more_may_come_until_the_exchange_is_over() -> None:
    assert counted(told("transfer", *WHOLE[:-1])).last is None
    assert counted(told("transfer", *WHOLE)).last == TIME + HOUR * 310


def test_what_fell_due_before_it_was_opened_counts_from_then_on() -> None:
    reported = {"reported_at": (TIME - DAY * 40).isoformat()}
    found = counted(told("referral", (0, MINHANG, "referral.reported", reported), (24, MINHANG, "referral.approved")))
    assert found.first == min(clock.due for clock in found.clocks) < found.opened
    assert counted(told("transfer", *WHOLE)).first == TIME


def test_its_overseers_are_the_supervisor_the_arbiter_and_to_whom_a_day_is_stated() -> None:
    disputed = (SENT, RECEIPTED, (3, QINGPU, "transfer.returned"), (20, MINHANG, "transfer.disputed"))
    assert counted(told("transfer", *disputed)).overseers == sorted([CITY, JUSTICE])
    assert counted(told("tally", (0, MINHANG, "tally.stated"))).overseers == [JUSTICE]
    assert POLICE not in counted(told("referral", (0, MINHANG, "referral.reported"))).overseers


def _personal(value: object) -> list[str]:
    """The texts of the persons in a document."""
    if isinstance(value, dict):
        own = [str(value[name]) for name in ("name", "phone", "identity_number") if "sex" in value]
        return own + [text for item in value.values() for text in _personal(item)]
    return [text for item in value for text in _personal(item)] if isinstance(value, list) else []


def test_nothing_of_it_is_personal_data() -> None:
    records: list[Record] = told("transfer", *WHOLE)
    names = _personal(records[0].event["data"])
    assert names
    stored = counted(records).to_bytes().decode()
    assert not [name for name in names if name in stored]
    assert "沪D" not in stored
