"""Periods, names, superiors, groups, subscriptions and dossier sets, on made-up data (虚构)."""

from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import ValidationError

from contracts import dossiers, groups, subscriptions
from contracts.agencies import Agencies, Agency, directory
from contracts.dossiers import DossierSet
from contracts.errors import UnusableContract
from contracts.groups import Group, Groups, Ring
from contracts.periods import Dated
from contracts.subscriptions import Series

FIRST: Final = date(2024, 1, 1)
LAST: Final = date(2024, 12, 31)
END: Final = date(2025, 1, 1)


def agency(code: str, **members: Any) -> Agency:
    """An agency of that code."""
    division, role = code.split("-")
    plain = {"name": "示例局", "name_en": "Example", "home": "310112-bus", "source": "SYN", "status": "example"}
    return Agency.model_validate({"code": code, "division": division, "role": role, **plain, **members})


def group(code: str = "some", **members: Any) -> Group:
    """A group of that code, kept by 310112-cg."""
    plain = {"name": "示例群组", "name_en": "Example", "centre": "310112-cg", "source": "SYN", "status": "example"}
    return Group.model_validate({"code": code, **plain, **members})


def series(**members: Any) -> Series:
    """A series of 310112-cg."""
    plain = {"code": "some-list", "title_zh": "示例通报", "title_en": "Example", "publisher": "310112-cg"}
    return Series.model_validate({**plain, "legal_basis": "SYN", "source": "SYN", "status": "example", **members})


def dossier_set(*items: str) -> DossierSet:
    """A set of these items."""
    plain = {"title_zh": "示例材料", "title_en": "Example", "source": "SYN"}
    entries = [{"code": item, **plain} for item in items]
    members = {"code": "some", "archives": ["shop"], "items": entries, "verified": False, "status": "example"}
    return DossierSet.model_validate({**plain, **members})


# --- periods


@pytest.mark.parametrize(
    ("day", "counts"), [(date(2023, 12, 31), False), (FIRST, True), (LAST, True), (END, False), (date.max, False)]
)
def test_a_period_has_its_first_day_and_not_its_last(day: date, counts: bool) -> None:
    assert Dated(valid_from=FIRST, valid_to=END).valid(day) is counts


def test_an_end_that_is_not_known_is_open() -> None:
    assert Dated().valid(date.min)
    assert Dated(valid_from=FIRST).valid(date.max)
    assert not Dated(valid_to=END).valid(END)


def test_a_period_is_said_in_words() -> None:
    assert Dated(valid_from=FIRST).period == "2024-01-01 to now"
    assert Dated(valid_to=END).period == "? to 2025-01-01"
    assert Dated().period == ""


def test_a_period_goes_forwards() -> None:
    for end in (FIRST, date(2023, 12, 31)):
        with pytest.raises(ValidationError, match="valid_from must be before valid_to"):
            Dated(valid_from=FIRST, valid_to=end)


@pytest.mark.parametrize(
    ("other", "overlap"),
    [
        (Dated(valid_from=END), False),
        (Dated(valid_from=LAST), True),
        (Dated(valid_to=FIRST), False),
        (Dated(valid_to=date(2024, 1, 2)), True),
        (Dated(), True),
    ],
)
def test_periods_overlap_if_they_share_a_day(other: Dated, overlap: bool) -> None:
    year = Dated(valid_from=FIRST, valid_to=END)
    assert year.overlaps(other) is other.overlaps(year) is overlap


# --- names


def test_what_an_agency_was_called_on_a_day() -> None:
    found = agency(
        "310112-cg",
        names=[
            {"name": "旧示例局", "how": "former", "valid_to": FIRST, "source": "SYN"},
            {"name": "示例队", "how": "plate", "valid_from": LAST, "valid_to": END, "source": "SYN"},
        ],
    )
    assert found.called(date(2023, 12, 31)) == ("旧示例局",)
    assert found.called(FIRST) == ("示例局",)
    assert found.called(LAST) == ("示例局", "示例队")
    assert found.called(END) == ("示例局",)


def test_a_former_name_has_an_end_and_no_other_beside_it() -> None:
    with pytest.raises(ValidationError, match="is a former name"):
        agency("310112-cg", names=[{"name": "旧示例局", "how": "former", "source": "SYN"}])
    twice = [{"name": name, "how": "former", "valid_to": FIRST, "source": "SYN"} for name in ("甲示例局", "乙示例局")]
    with pytest.raises(ValidationError, match="a former name stands twice on one day"):
        agency("310112-cg", names=twice)


# --- superiors


@pytest.fixture
def state() -> Agencies:
    """Two districts with a bureau each, one of them with a government, a department and a team."""
    return directory(
        [
            agency("310000-cg"),
            agency("310112-zf"),
            agency("310112-cg", superior="310000-cg", government="310112-zf"),
            agency("310112-jgw", government="310112-zf"),
            agency("310112101-cg", superior="310112-cg", government="310112101-jz"),
            agency("310112101-jz", superior="310112-zf"),
            agency("310118-cg", superior="310000-cg"),
        ]
    )


@pytest.mark.parametrize(
    ("one", "other", "superior"),
    [
        ("310112-cg", "310118-cg", "310000-cg"),
        ("310112-cg", "310112-jgw", "310112-zf"),
        ("310112101-cg", "310118-cg", "310000-cg"),
        ("310112101-cg", "310112-jgw", "310112-zf"),
        ("310112101-cg", "310112101-jz", "310112-zf"),
        ("310112-cg", "310112-cg", "310000-cg"),
        ("310112-jgw", "310118-cg", None),
        ("310112-cg", "999999-cg", None),
    ],
)
def test_the_common_superior_is_the_nearest_in_either_line(
    state: Agencies, one: str, other: str, superior: str | None
) -> None:
    assert state.common_superior(one, other) == state.common_superior(other, one) == superior


def test_superiors_in_a_circle_come_to_an_end() -> None:
    circle = directory([agency("310112-cg", superior="310118-cg"), agency("310118-cg", superior="310112-cg")])
    assert circle.common_superior("310112-cg", "999999-cg") is None


# --- groups


def _consortium() -> Groups:
    members = [
        {"agency": "310112-jgw", "valid_from": FIRST, "valid_to": END},
        {"agency": "310112-jtw", "role": "lead", "valid_to": FIRST},
        {"agency": "310112-cg", "role": "lead", "valid_from": FIRST},
        {"agency": "310112-djb", "role": "guide"},
    ]
    return groups.collect([group(members=members)])


def test_members_of_a_day_with_the_lead_first_and_without_the_guide() -> None:
    found = _consortium()
    assert found.members("some", date(2023, 12, 31)) == ("310112-jtw",)
    assert found.members("some", FIRST) == found.members("some", LAST) == ("310112-cg", "310112-jgw")
    assert found.members("some", END) == ("310112-cg",)
    assert (found.lead("some", date(2023, 12, 31)), found.lead("some", FIRST)) == ("310112-jtw", "310112-cg")
    assert found.guides("some", END) == ("310112-djb",)


def test_the_groups_of_an_agency_on_a_day() -> None:
    assert _consortium().containing("310112-jgw", LAST) == ("some",)
    assert _consortium().containing("310112-djb", LAST) == ("some",)
    assert _consortium().containing("310112-jgw", END) == ()


def test_a_group_that_is_not_there() -> None:
    found = _consortium()
    assert found.get("other") is None
    with pytest.raises(KeyError):
        found.members("other", FIRST)


def test_one_agency_has_one_part_at_a_time_and_one_leads() -> None:
    with pytest.raises(ValidationError, match="310112-jgw stands twice on one day"):
        group(members=[{"agency": "310112-jgw"}, {"agency": "310112-jgw", "valid_from": FIRST}])
    with pytest.raises(ValidationError, match="the lead stands twice on one day"):
        group(members=[{"agency": code, "role": "lead"} for code in ("310112-jgw", "310112-cg")])
    left_and_back = [{"agency": "310112-jgw", "valid_to": FIRST}, {"agency": "310112-jgw", "valid_from": FIRST}]
    assert len(group(members=left_and_back).members) == 2


def test_a_ring_is_seen_from_a_centre_on_a_day() -> None:
    moving = [{"agency": "310118-cg", "valid_from": FIRST, "valid_to": END}, {"agency": "310112-cg"}]
    found = groups.collect(
        [
            group("plain", members=[{"agency": "310118-cg"}]),
            group("near", ring="neighbour", members=moving),
            group("far", ring="delta", members=[{"agency": "310118-cg", "valid_from": END}]),
        ]
    )
    assert found.ring("310112-cg", "310118-cg", date(2023, 12, 31)) is None
    assert found.ring("310112-cg", "310118-cg", LAST) is Ring.NEIGHBOUR
    assert found.ring("310112-cg", "310118-cg", END) is Ring.DELTA
    assert found.ring("310118-cg", "310118-cg", LAST) is None
    assert found.ring("310112-cg", "310112-cg", LAST) is None


def test_nobody_is_in_two_rings_of_one_centre_at_once() -> None:
    near = group("near", ring="neighbour", members=[{"agency": "310118-cg"}])
    far = {"ring": "delta", "members": [{"agency": "310118-cg", "valid_from": FIRST}]}
    with pytest.raises(ValueError, match="310118-cg stands in two rings of 310112-cg"):
        groups.collect([near, group("far", **far)])
    others = groups.collect([near, group("far", **{**far, "centre": "310120-cg"})])
    assert others.ring("310120-cg", "310118-cg", FIRST) is Ring.DELTA


# --- subscriptions


def test_who_gets_a_series_on_a_day() -> None:
    subscribers = [{"agency": "310112-lrj"}, {"agency": "310112-jgw", "valid_from": FIRST, "valid_to": END}]
    found = subscriptions.collect([series(subscribers=subscribers)])
    assert found.subscribers("some-list", date(2023, 12, 31)) == ("310112-lrj",)
    assert found.subscribers("some-list", LAST) == ("310112-lrj", "310112-jgw")
    assert found.subscribers("some-list", END) == ("310112-lrj",)
    assert found.get("other-list") is None
    with pytest.raises(KeyError):
        found.subscribers("other-list", FIRST)


def test_a_subscriber_stands_once_and_is_not_the_publisher() -> None:
    with pytest.raises(ValidationError, match="310112-lrj stands twice on one day"):
        series(subscribers=[{"agency": "310112-lrj"}, {"agency": "310112-lrj"}])
    with pytest.raises(ValidationError, match="does not subscribe to it"):
        series(subscribers=[{"agency": "310112-cg"}])


# --- dossiers


def test_what_a_dossier_still_needs() -> None:
    found = dossiers.collect([dossier_set("licence", "permit", "plan")])
    assert [item.code for item in found.missing("some", [])] == ["licence", "permit", "plan"]
    assert [item.code for item in found.missing("some", iter(["plan", "photo", "plan"]))] == ["licence", "permit"]
    assert found.missing("some", ["plan", "permit", "licence"]) == ()
    assert found.get("other") is None
    with pytest.raises(KeyError):
        found.missing("other", [])


def test_an_item_stands_once_in_a_set() -> None:
    with pytest.raises(ValidationError, match="an item stands twice in some"):
        dossier_set("licence", "licence")


# --- files


def test_a_code_stands_in_one_file() -> None:
    members = [{"agency": "310118-cg"}]
    with pytest.raises(ValueError, match="group some stands in two files"):
        groups.collect([group(members=members), group(members=members)])
    with pytest.raises(ValueError, match="series some-list stands in two files"):
        subscriptions.collect([series(subscribers=[]), series(subscribers=[])])
    with pytest.raises(ValueError, match="set some stands in two files"):
        dossiers.collect([dossier_set("licence"), dossier_set("licence")])


@pytest.mark.parametrize("part", [groups, subscriptions, dossiers], ids=lambda part: part.__name__)
def test_a_deployment_adds_files_and_a_wrong_one_is_said(part: Any, tmp_path: Path) -> None:
    assert part.load(tmp_path).by_code == part.packaged().by_code
    folder = tmp_path / part.__name__.rpartition(".")[2]
    folder.mkdir()
    for path in sorted(Path(part.__file__).with_suffix("").glob("*.yaml"))[:1]:
        (folder / "zz-copy.yaml").write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(UnusableContract, match="stands in two files"):
        part.load(tmp_path)
