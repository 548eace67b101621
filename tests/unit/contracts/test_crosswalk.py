"""What stands beside a copy that crosses a province, on a small crosswalk of its own."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.crosswalk import (
    Cause,
    Crossed,
    Crosswalk,
    CrosswalkFile,
    Law,
    Loss,
    LossKind,
    Namesake,
    Side,
    collect,
    load,
    packaged,
    province,
)
from contracts.errors import UnusableContract

NEW = date(2026, 8, 15)
SHANGHAI, JIAXING, HANGZHOU, NANTONG = "310112-cg", "330400", "330100", "320600"


def law(name: str, **members: Any) -> Law:
    return Law(law=name, article="第一条", source="made up", verified=True, **members)


def version(valid_from: date, valid_to: date | None, **members: Any) -> Cause:
    whole: dict[str, Any] = {
        "id": "dumping",
        "title_zh": "倾倒",
        "title_en": "dumping",
        "national": (law(f"国法{valid_from.year}"),),
        "sides": {
            "310000": Side(names=("沪倾倒", "沪乱倒"), code="SH-1", authority="城管"),
            "330000": Side(
                names=("浙倾倒",),
                code="ZJ-1",
                authority="综合执法",
                local=(law("浙规"), law("禾规", where="330400")),
            ),
        },
        "losses": (
            Loss(kind=LossKind.THRESHOLD, zh="幅度", en="bands"),
            Loss(kind=LossKind.BROADER, zh="往嘉兴", en="to Jiaxing", origin="310000", toward="330400"),
            Loss(kind=LossKind.NARROWER, zh="往上海", en="to Shanghai", toward="310000"),
        ),
        "status": "example",
        "verified": False,
        "source": "made up",
        "valid_from": valid_from,
        "valid_to": valid_to,
    } | members
    return Cause(**whole)


SMALL = Crosswalk(
    (version(date(2021, 6, 1), NEW), version(NEW, None)),
    (Namesake(name="通州", codes=("320612", "110112"), source="DIV"),),
)


def crossed(data: dict[str, Any], source: str = SHANGHAI, to: str = JIAXING, on: date = NEW) -> Crossed:
    found = SMALL.cross({"source": source, "data": data}, to, on)
    assert found is not None
    return found


def named(name: str, code: str | None = None) -> dict[str, Any]:
    return {"circumstances": {"cause": {"name": name} | ({"code": code} if code else {})}}


def placed(division: str) -> dict[str, Any]:
    return {"place": {"division": division}}


# --- causes


def test_a_cause_is_told_as_the_other_side_calls_it_with_the_law_of_both() -> None:
    (cause,) = crossed(named("沪乱倒")).causes
    assert cause.pointer == "/circumstances/cause"
    assert cause.given.name == "沪乱倒"
    assert cause.theirs is not None
    assert cause.there is not None
    assert cause.here is not None
    assert (cause.theirs.name, cause.theirs.code) == ("浙倾倒", "ZJ-1")
    assert (cause.here.authority, cause.there.authority) == ("城管", "综合执法")
    assert [item.law for item in cause.national] == ["国法2026"]
    assert (cause.version, cause.status, cause.verified) == ("dumping@2026-08-15", "example", False)


@pytest.mark.parametrize(
    ("to", "laws"), [(JIAXING, ["浙规", "禾规"]), ("330421", ["浙规", "禾规"]), (HANGZHOU, ["浙规"])]
)
def test_a_city_s_own_rules_are_told_only_there(to: str, laws: list[str]) -> None:
    (cause,) = crossed(named("沪倾倒"), to=to).causes
    assert cause.there is not None
    assert [item.law for item in cause.there.local] == laws


@pytest.mark.parametrize(
    ("source", "to", "name", "losses"),
    [
        (SHANGHAI, JIAXING, "沪倾倒", ["幅度", "往嘉兴"]),
        (SHANGHAI, HANGZHOU, "沪倾倒", ["幅度"]),
        ("330400-cg", "310112", "浙倾倒", ["幅度", "往上海"]),
    ],
)
def test_a_loss_is_told_only_on_its_way(source: str, to: str, name: str, losses: list[str]) -> None:
    assert [loss.zh for loss in crossed(named(name), source, to).losses] == losses


def test_a_code_goes_before_a_name_and_an_unknown_code_behind_it() -> None:
    assert crossed(named("不认识的名称", "SH-1")).causes[0].theirs is not None
    assert crossed(named("沪倾倒", "of another system")).causes[0].theirs is not None


@pytest.mark.parametrize(
    ("source", "to", "name"),
    [
        (SHANGHAI, JIAXING, "浙倾倒"),  # it is called so over there only
        (SHANGHAI, JIAXING, "非法倾倒危险废物"),  # nobody has it
        (SHANGHAI, NANTONG, "沪倾倒"),  # the other side has none
        ("320600-cg", JIAXING, "浙倾倒"),  # the own side has none
        ("990000-cg", "880000", "沪倾倒"),  # there is no such province
    ],
)
def test_a_cause_without_an_equivalent_is_a_loss_and_no_error(source: str, to: str, name: str) -> None:
    found = crossed(named(name), source, to)
    assert found.causes[0].model_dump(exclude_none=True, exclude_defaults=True) == {
        "pointer": "/circumstances/cause",
        "given": {"name": name},
    }
    assert [loss.kind for loss in found.losses] == [LossKind.NONE]
    assert name in found.losses[0].zh


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        (date(2021, 5, 31), None),
        (date(2021, 6, 1), "dumping@2021-06-01"),
        (NEW - timedelta(days=1), "dumping@2021-06-01"),
        (NEW, "dumping@2026-08-15"),
    ],
)
def test_the_day_chooses_the_version(on: date, expected: str | None) -> None:
    assert crossed(named("沪倾倒"), on=on).causes[0].version == expected


def test_every_cause_is_found_wherever_it_stands_and_a_loss_told_once() -> None:
    data = {"entries": [{"decision": {"cause": {"name": "沪倾倒"}}}, {"decision": {"cause": {"name": "沪乱倒"}}}]}
    found = crossed(data)
    assert [cause.pointer for cause in found.causes] == ["/entries/0/decision/cause", "/entries/1/decision/cause"]
    assert len(found.losses) == 2


def test_a_withheld_cause_or_place_is_not_there() -> None:
    data: Any = {"cause": {"_sd": "x"}, "place": {"_sd": "y"}, "_salts": {"/cause": "s", "cause": {"name": "沪倾倒"}}}
    assert SMALL.cross({"source": SHANGHAI, "data": data}, JIAXING, NEW) is None


@pytest.mark.parametrize("to", ["310104", "310112102", "310000"])
def test_nothing_within_a_province(to: str) -> None:
    assert SMALL.cross({"source": SHANGHAI, "data": named("沪倾倒")}, to, NEW) is None


@pytest.mark.parametrize("document", [{"source": SHANGHAI}, {"source": SHANGHAI, "data": {}}, {"stub": True}])
def test_nothing_where_nothing_is_named(document: dict[str, Any]) -> None:
    assert SMALL.cross(document, JIAXING, NEW) is None


# --- divisions


@pytest.mark.parametrize("code", ["310112", "330400", "340000"])
def test_a_code_of_gb2260_crosses_unchanged(code: str) -> None:
    found = crossed(placed(code))
    assert (found.divisions[0].given, found.divisions[0].code) == (code, code)
    assert not found.losses


def test_a_town_crosses_with_its_name_and_nothing_is_lost() -> None:
    found = crossed(placed("310112102"))
    assert (found.divisions[0].code, found.divisions[0].name) == ("310112102", "七宝镇")
    assert not found.losses


@pytest.mark.parametrize("given", ["999999", "320671", "310112999"])
def test_a_division_that_is_not_known_is_a_loss(given: str) -> None:
    found = crossed(placed(given))
    assert found.divisions[0].code is None
    assert [loss.kind for loss in found.losses] == [LossKind.NONE]
    assert given in found.losses[0].zh


def test_a_namesake_is_told() -> None:
    (division,) = crossed(placed("320612")).divisions
    assert [(item.code, item.name) for item in division.not_these] == [("110112", "通州区")]
    assert not crossed(placed("310112")).divisions[0].not_these


@pytest.mark.parametrize("code", ["310112", "310112-cg", "310112102-jz", "310000-xy"])
def test_the_province_of_a_division_or_an_agency(code: str) -> None:
    assert province(code) == "310000"


# --- any data


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["cause", "place", "division", "name", "code", "x"]), inner, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_no_data_makes_it_fail(data: Any) -> None:
    found = packaged().cross({"source": SHANGHAI, "data": data}, JIAXING, NEW)
    if found is not None:
        assert Crossed.model_validate(found.document()) == found


# --- the files


def test_two_versions_of_one_cause_on_one_day_are_refused() -> None:
    with pytest.raises(ValueError, match="dumping"):
        collect([CrosswalkFile(causes=(version(date(2021, 6, 1), None), version(NEW, None)))])


def test_an_overlay_takes_the_place_of_a_file(tmp_path: Any) -> None:
    folder = tmp_path / "crosswalk"
    folder.mkdir()
    (folder / "dumping.yaml").write_text("causes: []\n", encoding="utf-8")
    assert not [cause for cause in load(tmp_path).causes if cause.id == "dumping"]
    (folder / "dumping.yaml").write_text("causes: [{}]\n", encoding="utf-8")
    with pytest.raises(UnusableContract, match=r"dumping\.yaml"):
        load(tmp_path)
