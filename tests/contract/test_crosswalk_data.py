"""The data of `contracts/crosswalk` are whole, unambiguous, and say how far they can be trusted."""

from collections import Counter
from datetime import date, timedelta
from itertools import groupby, pairwise, permutations
from pathlib import Path
from typing import Final

import pytest

from contracts import codes
from contracts.codes import Level, lookup_division
from contracts.crosswalk import Cause, LossKind, Named, packaged
from contracts.crosswalk_reference import LOSSES_ZH, page
from contracts.errors import CodeError

ROOT: Final = Path(__file__).parents[2]
CAUSES: Final = packaged().causes
PROVINCES: Final = ("310000", "320000", "330000", "340000")
CODE_DAY: Final = date(2026, 8, 15)  # 生态环境法典 in force
OLD_LAW: Final = "固体废物污染环境防治法(2020)"
NEW_LAW: Final = "生态环境法典"

# What the seeds and the law name, in Shanghai's words.
MATTERS: Final = {
    "擅自倾倒建筑垃圾": "dumping",
    "未经核准处置建筑垃圾": "unapproved-disposal",
    "运输车辆未密闭": "uncovered-transport",
    "运输车辆抛洒滴漏": "uncovered-transport",
    "无运输许可": "unlicensed-transport",
    "跨省转移未批准": "unapproved-export",
    "跨省利用未提前报送": "unreported-export",
    "未及时清运建筑垃圾": "site-not-cleared",
    "向河道管理范围内倾倒生活垃圾": "household-dumping",
}


def versions(cause: Cause) -> str:
    return cause.version


@pytest.mark.parametrize(("name", "id_"), MATTERS.items())
@pytest.mark.parametrize("day", [date(2023, 6, 1), date(2026, 11, 20)])
def test_every_matter_has_an_equivalent_in_every_other_province(name: str, id_: str, day: date) -> None:
    found = packaged().find(Named(name=name), "310000", day)
    assert found is not None
    assert found.id == id_
    for toward in PROVINCES[1:]:
        crossed = packaged().cross({"source": "310112-cg", "data": {"cause": {"name": name}}}, toward, day)
        assert crossed is not None
        assert crossed.causes[0].theirs is not None
        assert crossed.losses, "a mapping between two legal systems loses something"


@pytest.mark.parametrize("cause", CAUSES, ids=versions)
def test_every_cause_has_a_side_in_each_of_the_four_provinces(cause: Cause) -> None:
    assert tuple(sorted(cause.sides)) == PROVINCES


@pytest.mark.parametrize("cause", CAUSES, ids=versions)
def test_there_and_back_is_the_same_cause(cause: Cause) -> None:
    for origin, toward in permutations(PROVINCES, 2):
        theirs = cause.sides[toward]
        back = packaged().find(Named(name=theirs.names[0], code=theirs.code), toward, cause.since)
        assert back is cause, (origin, toward)


def test_a_name_or_a_code_is_one_cause_of_a_province_on_a_day() -> None:
    for day in {cause.since for cause in CAUSES} | {date(2030, 1, 1)}:
        for province in PROVINCES:
            sides = [cause.sides[province] for cause in CAUSES if cause.valid(day)]
            names = Counter(name for side in sides for name in side.names)
            numbers = Counter(side.code for side in sides)
            assert max(names.values()) == max(numbers.values()) == 1, (day, province)


def test_a_version_ends_where_the_next_begins() -> None:
    for _, found in groupby(CAUSES, key=lambda cause: cause.id):
        for older, newer in pairwise(found):
            assert older.valid_to == newer.since, newer.version


@pytest.mark.parametrize("cause", CAUSES, ids=versions)
def test_the_standard_could_not_be_read_and_that_is_said(cause: Cause) -> None:
    assert cause.status == "example"
    assert not cause.verified
    assert all((side.code or "SYN-").startswith("SYN-") for side in cause.sides.values())


@pytest.mark.parametrize("cause", CAUSES, ids=versions)
def test_a_law_is_cited_only_while_it_stands(cause: Cause) -> None:
    """法典 1242 repeals 固废法 on 2026-08-15; by 1057 the old law still counts for acts before."""
    for law in cause.national:
        if law.law == NEW_LAW:
            assert cause.since >= CODE_DAY
            assert law.acts_from == CODE_DAY
        if law.law == OLD_LAW:
            old = cause.valid_to is not None and cause.valid_to <= CODE_DAY
            assert old or law.acts_before == CODE_DAY


@pytest.mark.parametrize("id_", sorted({cause.id for cause in CAUSES if any(x.law == OLD_LAW for x in cause.national)}))
def test_both_versions_of_what_the_code_changed_stand(id_: str) -> None:
    before, after = (
        next(cause for cause in CAUSES if cause.id == id_ and cause.valid(day))
        for day in (CODE_DAY - timedelta(days=1), CODE_DAY)
    )
    assert NEW_LAW not in {law.law for law in before.national}
    assert {NEW_LAW, OLD_LAW} <= {law.law for law in after.national}
    assert LossKind.LAW_CHANGED in {loss.kind for loss in after.losses}


@pytest.mark.parametrize("id_", ["unapproved-export", "dumping"])
def test_dumping_and_export_are_for_two_authorities(id_: str) -> None:
    """法典 1171 is for 生态环境, 1169 and 1174 are for 城管."""
    for cause in (cause for cause in CAUSES if cause.id == id_):
        environment = {side.authority == "生态环境部门" for side in cause.sides.values()}
        assert environment == {id_ == "unapproved-export"}
        assert LossKind.SPLIT in {loss.kind for loss in cause.losses}


@pytest.mark.parametrize("cause", CAUSES, ids=versions)
def test_every_place_named_is_in_gb2260(cause: Cause) -> None:
    for province, side in cause.sides.items():
        assert lookup_division(province).level is Level.PROVINCE
        for law in side.local:
            if law.where is not None:
                assert law.where.startswith(province[:2])
                assert lookup_division(law.where).code == law.where
    for loss in cause.losses:
        for place in (loss.origin, loss.toward):
            assert place is None or lookup_division(place).code == place


@pytest.mark.parametrize("cause", CAUSES, ids=versions)
def test_every_text_is_in_both_languages(cause: Cause) -> None:
    for loss in cause.losses:
        assert any("\u4e00" <= letter <= "\u9fff" for letter in loss.zh)
        assert not loss.zh.isascii()
        assert sum(letter.isascii() for letter in loss.en) > len(loss.en) * 0.8


def test_namesakes_are_several_places_of_one_name() -> None:
    found = packaged().namesakes
    assert {"320612", "110112"} in [set(item.codes) for item in found]
    for item in found:
        assert all(item.name in lookup_division(code).name for code in item.codes), item.name


def test_a_zone_of_the_statistics_is_no_division() -> None:
    """The door refuses 320671, so that the crosswalk need not know where it lies."""
    zones = (codes.FOLDER / "functional_zones.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert any(zone.startswith("320671,") for zone in zones)
    for zone in (line.split(",")[0] for line in zones):
        with pytest.raises(CodeError):
            lookup_division(zone)


def test_every_kind_of_loss_has_its_word() -> None:
    assert set(LOSSES_ZH) == set(LossKind)


def test_the_reference_page_is_drawn_from_the_data() -> None:
    assert (ROOT / "docs" / "reference" / "crosswalk.md").read_text(encoding="utf-8") == page(packaged())
