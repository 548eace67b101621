"""What is looked for in cases: leads, when they are due, and what makes them go away."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.canonical import canonical
from contracts.errors import UnusableContract
from contracts.findings import NOTICE_ZH, SCOPE_EN, SCOPE_ZH, FindingRule, load, packaged
from services.audit.figures import Figures
from services.audit.findings import CaseView, Evidence, Finding, find
from tests.support.counted import DAY, HOUR, Step, counted, told
from tests.support.factory import BUS, CASE, TIME, fact
from tests.support.play import MINHANG, QINGPU, Play
from tests.support.registered import registered

SENT, RECEIPTED = (0, MINHANG, "transfer.sent"), (2, QINGPU, "transfer.receipted")
PENALISED = {"outcome": "penalised", "penalties": [{"type": "warning"}], "reason": None}
# Decided on Saturday 7 November at 10:00: ten days after that day end on the 17th at 24:00.
DECIDED_AT = TIME + DAY * 2
TEN_DAYS_ON = datetime.fromisoformat("2026-11-18T00:00:00+08:00")
LONG_AFTER = TIME + DAY * 200


def circumstances(**members: Any) -> dict[str, Any]:
    """Those of the example, with members replaced."""
    known: dict[str, Any] = json.loads(fact("transfer.sent").model_dump_json(exclude_none=True))["circumstances"]
    return {"circumstances": {**known, **members}}


def grave(*later: Step, outcome: dict[str, Any] | None = None, **members: Any) -> Figures:
    """A transfer of a loss of 300 000 yuan that is filed and decided."""
    sent = circumstances(**({"loss": 30_000_000} | members))
    return counted(
        told(
            "transfer",
            (0, MINHANG, "transfer.sent", sent),
            RECEIPTED,
            (3, QINGPU, "transfer.accepted"),
            (4, QINGPU, "transfer.filed"),
            (48, QINGPU, "transfer.decided", PENALISED if outcome is None else outcome),
            *later,
        )
    )


def referral(hours: float, *, sent: bool = False) -> Figures:
    """A referral that is reported at an hour, and sent an hour later."""
    steps: list[Step] = [(hours, MINHANG, "referral.reported")]
    if sent:
        steps += [(hours + 0.5, MINHANG, "referral.approved"), (hours + 1, MINHANG, "referral.sent")]
    return counted(told("referral", *steps))


def found(*exchanges: Figures, now: datetime = LONG_AFTER, rule: str | None = None) -> list[Finding]:
    rules = [item for item in packaged() if rule in {None, item.id}]
    return find([CaseView(CASE, exchanges)], rules, now)


def ids(findings: Sequence[Finding]) -> list[str]:
    return [item.rule.id for item in findings]


# --- as grave as a crime


def test_a_loss_as_of_a_crime_without_a_referral_is_found_ten_days_after_the_filing() -> None:
    case = grave()
    (finding,) = found(case, rule="loss-not-referred")
    assert (finding.agencies, finding.occurred, finding.late) == ((QINGPU,), TIME + HOUR * 4, False)
    assert finding.numbers == {"loss": 30_000_000, "threshold": 30_000_000, "days": 10}
    assert finding.evidence == (Evidence("transfer", case.exchange, 1), Evidence("transfer", case.exchange, 4))
    last = datetime.fromisoformat("2026-11-16T00:00:00+08:00")
    assert found(case, now=last - timedelta(seconds=1), rule="loss-not-referred") == []
    assert len(found(case, now=last, rule="loss-not-referred")) == 1


def test_a_smaller_loss_is_no_finding() -> None:
    assert found(grave(loss=29_999_999), rule="loss-not-referred") == []
    assert found(grave(loss=None), rule="loss-not-referred") == []


def test_a_referral_in_the_same_case_is_what_was_looked_for() -> None:
    assert found(grave(), referral(0), rule="loss-not-referred") == []
    late = referral(24 * 30)
    (finding,) = found(grave(), late, rule="loss-not-referred")
    assert finding.late
    assert finding.evidence[-1] == Evidence("referral", late.exchange, 1)
    elsewhere = find([CaseView(CASE, (grave(),)), CaseView("另案", (referral(0),))], packaged(), LONG_AFTER)
    assert "loss-not-referred" in ids(elsewhere)


def test_a_case_that_was_not_made_out_is_no_finding() -> None:
    cleared = {"outcome": "not_established", "penalties": [], "reason": "违法事实不能成立。"}
    assert found(grave(outcome=cleared), rule="loss-not-referred") == []


def test_a_loss_that_was_corrected_is_no_finding() -> None:
    correction = {"corrects": 1, "pointer": "/circumstances/loss", "correct_value": "2000000"}
    assert found(grave((60, MINHANG, "common.corrected", correction)), rule="loss-not-referred") == []


def test_tonnes_count_of_hazardous_waste_only() -> None:
    rule, tonnes = "hazardous-waste-not-referred", {"loss": None, "quantity": {"value": "3", "unit": "t"}}
    assert found(grave(**tonnes), rule=rule) == []
    hazardous = {**tonnes, "cause": {"name": "非法倾倒危险废物"}}
    (finding,) = found(grave(**hazardous), rule=rule)
    assert finding.numbers["quantity"] == "3 t"
    for other in ({"value": "2.999", "unit": "t"}, {"value": "300", "unit": "m3"}):
        assert found(grave(**{**hazardous, "quantity": other}), rule=rule) == []


def test_who_was_penalised_and_of_whom_the_police_were_not_told_is_found() -> None:
    rule = "penalised-police-not-told"
    (finding,) = found(grave(), rule=rule)
    assert finding.occurred == DECIDED_AT
    assert found(grave(), now=TEN_DAYS_ON - timedelta(seconds=1), rule=rule) == []
    assert ids(found(grave(), now=TEN_DAYS_ON, rule=rule)) == [rule]
    # A referral that was only reported is inside the agency; one that was sent went to both.
    assert ids(found(grave(), referral(50), rule=rule)) == [rule]
    assert found(grave(), referral(50, sent=True), rule=rule) == []
    minor = {"outcome": "minor", "penalties": [], "reason": "轻微。"}
    assert found(grave(outcome=minor), rule=rule) == []


# --- unanswered


def overdue() -> Play:
    return Play("transfer").given((MINHANG, "transfer.sent"), (QINGPU, "transfer.receipted"))


def test_a_duty_that_ran_out_and_nothing_done_since_is_found() -> None:
    play = overdue()
    play.wait(DAY * 9).given((BUS, "common.clock_expired", play.about("TR-02")))
    case = counted(registered(play))
    due = datetime.fromisoformat("2026-11-13T00:00:00+08:00")
    assert found(case, now=due + DAY * 10) == []
    (finding,) = found(case, now=due + DAY * 10 + timedelta(seconds=1))
    assert (finding.rule.id, finding.agencies, finding.occurred) == ("duty-unanswered", (QINGPU,), due)
    assert [item.sequence for item in finding.evidence] == [2, 3]
    assert finding.id == f"duty-unanswered/transfer/{case.exchange}/2/TR-02/{QINGPU}"


def test_a_duty_of_which_anything_was_heard_since_is_not() -> None:
    asked = (QINGPU, "transfer.supplement_requested", {"reply_by": "2026-11-30"})
    play = overdue().wait(DAY * 12).given(asked)
    assert found(counted(registered(play)), rule="duty-unanswered") == []
    # What others say since is no sign of the one whose duty it is.
    chased = overdue().wait(DAY * 12).given((MINHANG, "common.chased"))
    assert ids(found(counted(registered(chased)), rule="duty-unanswered")) == ["duty-unanswered"]


# --- what should follow


def order(*facts: str, ended: bool = False) -> Figures:
    """A work order with these facts, a day apart; its kind is not built yet."""
    (first,) = counted(told("transfer", SENT)).acts
    acts = [
        first.model_copy(update={"sequence": number, "fact": name, "at": TIME + DAY * number})
        for number, name in enumerate(facts, 1)
    ]
    base = counted(told("transfer", SENT))
    return base.model_copy(
        update={"kind": "workorder", "acts": tuple(acts), "ended": TIME + DAY * 9 if ended else None}
    )


def test_a_fact_that_should_follow_and_did_not_is_found_by_names_alone() -> None:
    rule = "order-not-linked"
    (finding,) = found(order("dispatched", "accepted", "done"), rule=rule)
    assert [item.sequence for item in finding.evidence] == [3]
    assert finding.agencies == (QINGPU,)
    assert found(order("dispatched", "done", "case_linked"), rule=rule) == []
    assert found(order("dispatched", "done", ended=True), rule=rule) == []
    assert found(order("dispatched"), rule=rule) == []
    assert found(order("dispatched", "done"), now=TIME + DAY * 20, rule=rule) == []


# --- daily counts


def stated(hours: float = 24, **members: Any) -> Figures:
    """闵行's statement for 5 November, which counts one transfer sent, and nothing else."""
    counts = {"counts": [{"kind": "transfer", "direction": "sent", "count": 1}], "day": "2026-11-05"}
    return counted(told("tally", (hours, MINHANG, "tally.stated", {**counts, "over_threshold": 0, **members})))


def counts(**numbers: int) -> dict[str, Any]:
    return {"counts": [{"kind": "transfer", "direction": name, "count": count} for name, count in numbers.items()]}


def test_a_day_that_agrees_is_no_finding() -> None:
    assert found(counted(told("transfer", SENT)), stated(), rule="day-differs") == []


def test_a_day_that_differs_is_found_with_both_numbers() -> None:
    transfer = counted(told("transfer", SENT, RECEIPTED, (3, QINGPU, "transfer.returned")))
    said = stated(**counts(sent=3, received=0, returned=0))
    (finding,) = found(transfer, said, rule="day-differs")
    assert finding.numbers == {"day": "2026-11-05", "counted": "transfer/sent", "stated": 3, "seen": 1}
    assert finding.evidence == (Evidence("tally", said.exchange, 1),)
    assert finding.occurred == datetime.fromisoformat("2026-11-05T00:00:00+08:00")


def test_the_day_is_that_of_shanghai() -> None:
    # 14 hours after 10:00 it is midnight there, and still the same day in UTC.
    assert found(counted(told("transfer", (13.9, *SENT[1:]))), stated(), rule="day-differs") == []
    assert len(found(counted(told("transfer", (14, *SENT[1:]))), stated(), rule="day-differs")) == 1


def test_the_last_statement_for_a_day_counts() -> None:
    wrong, right = stated(24, **counts(sent=5)), stated(25)
    transfer = counted(told("transfer", SENT))
    assert found(transfer, wrong, right, rule="day-differs") == []
    assert len(found(transfer, right, stated(26, **counts(sent=5)), rule="day-differs")) == 1


def test_more_cases_over_the_threshold_than_referrals_are_found_when_ten_days_are_over() -> None:
    rule, two = "day-not-referred", stated(over_threshold=2)
    over = datetime.fromisoformat("2026-11-16T00:00:00+08:00")
    assert found(two, referral(1), now=over - timedelta(seconds=1), rule=rule) == []
    (finding,) = found(two, referral(1), now=over, rule=rule)
    assert finding.numbers == {"day": "2026-11-05", "stated": 2, "seen": 1, "days": 10}
    assert found(two, referral(1), referral(24 * 9), rule=rule) == []
    assert len(found(two, referral(1), referral(24 * 11), rule=rule)) == 1


# --- all of them


def cases() -> list[CaseView]:
    play = overdue()
    return [
        CaseView("甲", (grave(),)),
        CaseView("乙", (grave(), referral(24 * 40))),
        CaseView("丙", (counted(registered(play)),)),
        CaseView("丁", (stated(over_threshold=3), order("done"))),
    ]


CASES = cases()


@settings(deadline=None)
@given(order_=st.permutations(CASES))
def test_no_order_of_the_cases_changes_a_byte(order_: list[CaseView]) -> None:
    def text(items: Sequence[CaseView]) -> bytes:
        return canonical([finding.document() for finding in find(items, packaged(), LONG_AFTER)])

    assert text(order_) == text(CASES)


@settings(deadline=None)
@given(hours=st.integers(min_value=-48, max_value=400))
def test_what_came_about_since_is_a_part_of_the_whole(hours: int) -> None:
    since = TIME + HOUR * hours
    whole = find(CASES, packaged(), LONG_AFTER)
    assert find(CASES, packaged(), LONG_AFTER, since) == [item for item in whole if item.occurred >= since]


def test_a_finding_keeps_its_id_and_no_two_share_one() -> None:
    before, after = (find(CASES, packaged(), LONG_AFTER + DAY * days) for days in (0, 100))
    assert [item.id for item in before] == [item.id for item in after]
    assert len({item.id for item in before}) == len(before)


def test_every_finding_says_that_it_is_a_lead_and_what_would_explain_it() -> None:
    for finding in find(CASES, packaged(), LONG_AFTER):
        shown = finding.document()
        assert shown["notice_zh"] == NOTICE_ZH
        assert shown["innocent_zh"]
        assert shown["source"]
        assert shown["status"]
        assert json.loads(canonical(shown)) == shown


def test_a_finding_for_an_overseer_says_among_what_it_was_looked_for() -> None:
    for finding in find(CASES, packaged(), LONG_AFTER):
        shown, whole = finding.document(overseer=True), finding.document()
        assert shown["wording_zh"] == finding.rule.wording_zh + SCOPE_ZH
        assert shown["wording_en"] == f"{finding.rule.wording_en} {SCOPE_EN}"
        assert whole["wording_zh"] == finding.rule.wording_zh
        assert {**shown, "wording_zh": "", "wording_en": ""} == {**whole, "wording_zh": "", "wording_en": ""}


def test_a_day_that_was_corrected_to_the_end_of_time_stops_nobody() -> None:
    said = {"corrects": 1, "pointer": "/day", "correct_value": "9999-12-31"}
    tally = counted(told("tally", (24, MINHANG, "tally.stated"), (25, MINHANG, "common.corrected", said)))
    for finding in found(tally):
        finding.document()


def test_a_rule_says_what_it_looks_for() -> None:
    good = next(item for item in packaged() if item.id == "loss-not-referred").model_dump(exclude_none=True)
    for wrong in ({"loss": None}, {"kind": None}, {"told": ("ga",)}, {"quantity": "3", "unit": "t"}, {"upon": ()}):
        check = {name: value for name, value in {**good["check"], **wrong}.items() if value is not None}
        with pytest.raises(ValidationError):
            FindingRule.model_validate({**good, "check": check})


def test_two_rules_of_one_name_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "findings"
    folder.mkdir()
    packaged_file = Path(load.__code__.co_filename).parent / "findings" / "tally.yaml"
    (folder / "more.yaml").write_text(packaged_file.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(UnusableContract, match="day-differs"):
        load(tmp_path)
