"""The packaged agencies, groups, subscriptions and dossier sets: they fit each other and what the sources count."""

import re
from collections.abc import Mapping
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import Final

import pytest

from contracts import dossiers, groups, library, subscriptions
from contracts.agencies import Agency, How
from contracts.codes import FOLDER, lookup_division
from contracts.files import files
from contracts.groups import Part, Ring
from contracts.registry_reference import packaged
from events.parts import Archive

ROOT: Final = Path(__file__).parents[2]
AGENCIES: Final = library.load().agencies
GROUPS: Final = groups.packaged()
SERIES: Final = subscriptions.packaged()
SETS: Final = dossiers.packaged()
DAY: Final = date(2026, 11, 5)
MINHANG: Final = "310112-cg"
UNITS: Final = ["001", "006", "008", "009", "101", "102", "103", "106", "107", "108", "110", "112", "114", "501"]
SOURCED: Final = re.compile(r"\b(?:S[0-4]|SEEDS|DIV|LAW)\b|this project")


def _of(division: str, roles: str) -> set[str]:
    return {f"{division}-{role}" for role in roles.split()}


DEPARTMENTS: Final = _of("310112", "jgw jtw sfj fgj lrj sthj swj cyzx ghzy scjg yjj xfj xfb dsj ga")
BESIDE: Final = _of("310112", "zf djb bdc jj jcy fy")
CITY: Final = _of("310000", "cg rx xy")
NEIGHBOURS: Final = {f"{division}-cg" for division in ("310104", "310105", "310117", "310118", "310120")}
OTHERS: Final = {"310109-cg", "310113-cg", "310114-cg", *_of("310118", "ga jcy sfj")}
DELTA: Final = {f"{division}-cg" for division in ("320600", "320400", "320200", "330400", "320100", "341200", "340400")}
TEAMS: Final = {f"310112{unit}-cg" for unit in UNITS}
STREETS_AND_TOWNS: Final = {f"310112{unit}-jz" for unit in UNITS}


def test_the_agencies_are_those_that_the_sources_name() -> None:
    expected = DEPARTMENTS | BESIDE | CITY | NEIGHBOURS | OTHERS | DELTA | TEAMS | STREETS_AND_TOWNS
    assert set(AGENCIES.by_code) == expected | {MINHANG, "310112-bus"}


@pytest.mark.parametrize("agency", AGENCIES.by_code.values(), ids=AGENCIES.by_code)
def test_an_agency_has_a_source_and_stands_under_others(agency: Agency) -> None:
    assert SOURCED.search(agency.source)
    assert agency.status == "example"
    above = {agency.superior, agency.government} - {None}
    assert above <= set(AGENCIES.by_code) - {agency.code}
    assert all(other.name != agency.name and other.source for other in agency.names)


@pytest.mark.parametrize(
    ("folder", "codes"),
    [
        ("agencies", AGENCIES.by_code),
        ("groups", GROUPS.by_code),
        ("subscriptions", SERIES.by_code),
        ("dossiers", SETS.by_code),
    ],
)
def test_a_file_is_named_by_its_code(folder: str, codes: Mapping[str, object]) -> None:
    assert {path.stem for path in files(folder, None)} == set(codes)


# --- who is above whom, and in whose name


def test_the_common_superior_of_two_districts_is_the_city_bureau() -> None:
    districts = {code for code in AGENCIES.by_code if re.fullmatch(r"3101\d\d-cg", code)}
    assert len(districts) == 9
    assert {AGENCIES.common_superior(one, other) for one, other in combinations(districts, 2)} == {"310000-cg"}


def test_the_common_superior_of_two_departments_is_the_district_government() -> None:
    pairs = combinations(sorted(DEPARTMENTS | {MINHANG, "310112-bdc"}), 2)
    found = {pair: AGENCIES.common_superior(*pair) for pair in pairs if pair != ("310112-bdc", "310112-ghzy")}
    assert set(found.values()) == {"310112-zf"}


def test_streets_and_towns_have_the_district_above_them_and_teams_the_bureau() -> None:
    for ours, above in ((STREETS_AND_TOWNS, "310112-zf"), (TEAMS, MINHANG)):
        assert {AGENCIES.common_superior(one, other) for one, other in combinations(ours, 2)} == {above}


def test_provinces_have_no_common_superior_here() -> None:
    assert {AGENCIES.common_superior(MINHANG, city) for city in DELTA} == {None}


def test_a_town_team_acts_for_its_town_and_every_other_team_for_the_bureau() -> None:
    for unit in UNITS:
        team = AGENCIES.by_code[f"310112{unit}-cg"]
        town = unit.startswith("1")
        assert lookup_division(team.division).name.endswith("镇") is town
        assert team.acts_for == (f"310112{unit}-jz" if town else MINHANG,)
        assert team.government == (f"310112{unit}-jz" if town else None)


def test_only_teams_act_for_others() -> None:
    assert {agency.code for agency in AGENCIES.by_code.values() if agency.acts_for} == TEAMS


def test_every_team_bears_the_plate_since_the_end_of_april_2021() -> None:
    for team in TEAMS:
        before, after = (AGENCIES.by_code[team].called(date(2021, 4, day)) for day in (29, 30))
        assert len(before) == 1
        assert after[1].endswith("综合行政执法队")
    assert {other.how for agency in AGENCIES.by_code.values() for other in agency.names} == {How.PLATE}


def test_the_hotline_has_three_channels() -> None:
    assert AGENCIES.by_code["310000-rx"].platforms == ("12345", "12319", "962000")


# --- groups


@pytest.mark.parametrize("group", GROUPS.by_code.values(), ids=GROUPS.by_code)
def test_a_group_has_members_that_there_are(group: groups.Group) -> None:
    assert {group.centre, *(member.agency for member in group.members)} <= set(AGENCIES.by_code)
    assert SOURCED.search(group.source)
    assert group.status == "example"


def test_the_fourteen_units_are_those_of_the_division_table() -> None:
    rows = (FOLDER / "gb2260.csv").read_text(encoding="utf-8")
    table = set(re.findall(r"^(\d{9}),.*,310112,", rows, re.MULTILINE))
    assert len(table) == 14
    for code, role in (("units-310112", "jz"), ("teams-310112", "cg")):
        assert set(GROUPS.members(code, DAY)) == {f"{division}-{role}" for division in table}


def test_the_consortium_has_nine_units_one_lead_and_a_guide_beside_them() -> None:
    units = GROUPS.members("consortium-310112", DAY)
    assert len(units) == 9
    assert set(units) == {MINHANG, *_of("310112", "jgw jtw sfj fgj lrj sthj swj cyzx")}
    assert units[0] == GROUPS.lead("consortium-310112", DAY) == MINHANG
    assert GROUPS.guides("consortium-310112", DAY) == ("310112-djb",)
    assert GROUPS.members("consortium-310112", date(2022, 12, 31)) == ()


def test_the_neighbours_and_the_delta_are_those_of_the_summary() -> None:
    assert set(GROUPS.members("neighbours-310112", DAY)) == NEIGHBOURS
    assert len(GROUPS.members("delta-310112", DAY)) == 4
    assert {*GROUPS.members("delta-310112", DAY), *GROUPS.members("delta-visits-310112", DAY)} == DELTA


def test_every_partner_is_in_one_ring_and_what_is_no_partner_in_none() -> None:
    rings = {code: GROUPS.ring(MINHANG, code, DAY) for code in AGENCIES.by_code}
    assert {code for code, ring in rings.items() if ring is Ring.DISTRICT} == (
        DEPARTMENTS | BESIDE | TEAMS | STREETS_AND_TOWNS
    )
    assert {code for code, ring in rings.items() if ring is Ring.NEIGHBOUR} == NEIGHBOURS | OTHERS
    assert {code for code, ring in rings.items() if ring is Ring.DELTA} == DELTA
    assert {code for code, ring in rings.items() if ring is None} == CITY | {MINHANG, "310112-bus"}


def test_only_the_consortium_is_led() -> None:
    led = {
        group.code for group in GROUPS.by_code.values() for member in group.members if member.role is not Part.MEMBER
    }
    assert led == {"consortium-310112"}


# --- subscriptions, dossiers, the page


@pytest.mark.parametrize("series", SERIES.by_code.values(), ids=SERIES.by_code)
def test_a_series_goes_to_agencies_that_there_are(series: subscriptions.Series) -> None:
    assert {series.publisher, *(subscriber.agency for subscriber in series.subscribers)} <= set(AGENCIES.by_code)
    assert SOURCED.search(series.source)
    assert series.legal_basis


def test_the_two_series_of_the_plan_reach_the_departments_that_it_names() -> None:
    assert set(SERIES.by_code) == {"penalty-list", "situation"}
    for series in SERIES.by_code:
        assert SERIES.by_code[series].publisher == MINHANG
        assert _of("310112", "lrj fgj jgw jtw") <= set(SERIES.subscribers(series, DAY))
        assert SERIES.subscribers(series, date(2023, 12, 31)) == ()


@pytest.mark.parametrize("found", SETS.by_code.values(), ids=SETS.by_code)
def test_a_dossier_set_is_one_licence_two_certificates_three_drawings(found: dossiers.DossierSet) -> None:
    titles = [item.title_zh for item in found.items]
    assert titles == ["营业执照", "建筑规划许可证", "房屋产权证", "宗地图", "立面图", "平面图"]
    assert all(SOURCED.search(item.source) for item in found.items)
    assert not (found.verified and "our reading" in found.source)


def test_the_archives_of_households_and_shops_have_a_set() -> None:
    assert {found.code: found.archives for found in SETS.by_code.values()} == {
        "household": (Archive.HOUSEHOLD,),
        "shop": (Archive.SHOP,),
    }


def test_the_page_is_what_the_data_say() -> None:
    assert (ROOT / "docs" / "reference" / "agencies.md").read_text(encoding="utf-8") == packaged()
