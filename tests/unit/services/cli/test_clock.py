"""`liandong clock explain`: what people and programs read."""

import json
from datetime import datetime
from pathlib import Path
from textwrap import dedent

import pytest

from contracts.errors import ClockError, UnusableContract
from contracts.rules import packaged
from services.cli.clock import explain, explained


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_rule_is_explained_from_its_start_to_its_warning() -> None:
    assert explain("RX-07", at("2026-09-29T08:00Z")) == [
        "RX-07  公安机关自接受移送之日起3日内决定是否立案",
        "the police decide whether to file the case",
        "",
        "kind          referral",
        "duty          recipient",
        "starts        receipted (accepted)",
        "stops         filed, declined, penalised, returned, forwarded",
        "stands still  from supplement_requested to supplemented",
        "limit         3 days, rolls",
        "extended      once by 27 days at most, with its reason",
        "basis         RX-07@2001-07-09 行政执法机关移送涉嫌犯罪案件的规定(国务院令310, 2020) 第八条",
        f"note          {packaged().by_id['RX-07'][0].source.note}",
        f"consequence   {packaged().by_id['RX-07'][0].consequence}",
        "in force      2001-07-09 to now",
        "",
        "2026-09-29 16:00  RX-07 公安机关自接受移送之日起3日内决定是否立案: starts",
        "2026-09-29 24:00  the day of the start, 2026-09-29, is not counted",
        "2026-10-02 24:00  2026-09-30 to 2026-10-02: day 1 to 3 of 3",
        "2026-10-08 24:00  2026-10-02 is no working day (国庆节): the period ends on 2026-10-08",
        "",
        "due           2026-10-08 24:00  (2026-10-09T00:00:00+08:00)",
        "warned        2026-10-07 24:00",
        "calendar      2026.1 国办发明电〔2025〕7号",
    ]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("RX-12", "There is nothing to count: no number is given 没有规定具体期限."),
        ("RX-13", "There is nothing to count: no number is given 没有规定具体期限."),
        ("LD-01", "There is nothing to count: the parties agree the last day each time, in reply_by 约定时限."),
    ],
)
def test_a_rule_without_a_number_says_so_and_what_it_is(rule: str, words: str) -> None:
    start = at("2026-09-29T16:00+08:00")
    lines = explain(rule, start)
    assert lines[0] == f"{rule}  {packaged().by_id[rule][0].title_zh}"
    assert lines[-1] == words
    assert (explained(rule, start)["due"], explained(rule, start)["trace"]) == (None, [words])


def test_hours_ask_no_calendar() -> None:
    assert not any(line.startswith("calendar") for line in explain("RX-03", at("2026-12-31T18:20+08:00")))


def test_a_provisional_date_says_so_with_both_calendars() -> None:
    lines = explain("TR-01", at("2026-12-31T09:00+08:00"))
    assert "2027-01-04 24:00  provisional: the calendar of 2027 is not announced yet" in lines
    assert lines[-2:] == [
        "calendar      2026.1 国办发明电〔2025〕7号",
        "calendar      2027 provisional (not announced; weekends and statutory holidays only)",
    ]


def test_a_period_that_ends_with_the_year_names_that_year_only() -> None:
    assert [line for line in explain("RX-02", at("2026-12-28T10:00+08:00")) if line.startswith("calendar")] == [
        "calendar      2026.1 国办发明电〔2025〕7号"
    ]


def test_a_calendar_file_makes_it_final(tmp_path: Path) -> None:
    file = tmp_path / "2027.yaml"
    text = """
        versions:
          - year: 2027
            version: 1
            announced: 2026-11-25
            source: 虚构
            holidays: [{name: 元旦, from: 2027-01-01, to: 2027-01-04}]
    """
    file.write_text(dedent(text), encoding="utf-8")
    start = at("2026-12-31T09:00+08:00")
    assert explained("TR-01", start)["due"] == "2027-01-05T00:00:00+08:00"
    final = explained("TR-01", start, file)
    assert (final["due"], final["provisional"]) == ("2027-01-06T00:00:00+08:00", [])
    assert explain("TR-01", start, file)[-1] == "calendar      2027.1 虚构"


def test_the_version_of_the_day_is_explained_and_the_others_are_named() -> None:
    old, new = explain("ZA-118", at("2025-12-31T10:00+08:00")), explain("ZA-118", at("2026-01-01T10:00+08:00"))
    assert "basis         ZA-118@2013-01-01 治安管理处罚法(2012) 第九十九条" in old
    assert "other times   ZA-118@2026-01-01" in old
    assert "extended      2 times by 30 days at most, with its reason" in new


def test_the_document_says_all_that_a_program_needs() -> None:
    document = explained("XCF-60", at("2026-10-10T07:00:00Z"))
    assert json.loads(json.dumps(document)) == document
    trace = document.pop("trace")
    assert isinstance(trace, list)
    assert len(trace) == 4
    assert document == {
        "rule": "XCF-60",
        "version": "XCF-60@2021-07-15",
        "kind": "transfer",
        "title": "the penalty decision",
        "title_zh": "自立案之日起90日内作出处罚决定",
        "duty": "recipient",
        "started_at": "2026-10-10T15:00:00+08:00",
        "due": "2027-01-09T00:00:00+08:00",
        "warn_at": "2026-12-30T00:00:00+08:00",
        "basis": "XCF-60@2021-07-15 行政处罚法(2021) 第六十条",
        "verified": True,
        "agreed": False,
        "provisional": [2027],
        "consequence": "违反法定程序的, 责令改正, 对主管人员和直接责任人员依法给予处分 (第七十六条)",
    }


@pytest.mark.parametrize("rule", sorted(packaged().by_id))
def test_every_rule_can_be_explained(rule: str) -> None:
    newest = packaged().by_id[rule][-1]
    day = min(max(newest.valid_from.isoformat(), "2026-06-01"), "2026-09-01")
    start = at(f"{day if newest.valid_to is None else newest.valid_from}T10:00+08:00")
    lines = explain(rule, start)
    assert newest.title in lines
    assert explained(rule, start)["version"] == newest.version


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(ClockError, match="no rule RX-99"):
        explain("RX-99", at("2026-09-29T16:00+08:00"))
    with pytest.raises(ClockError, match="no offset"):
        explain("RX-03", at("2026-09-29T16:00"))
    with pytest.raises(ClockError, match="not in force on 2020-01-01"):
        explained("XCF-60", at("2020-01-01T16:00+08:00"))
    with pytest.raises(UnusableContract):
        explain("RX-03", at("2026-09-29T16:00+08:00"), Path("nowhere.yaml"))
