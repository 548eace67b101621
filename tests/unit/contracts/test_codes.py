"""Code systems: what is accepted and how it is stored, what is refused and whether the refusal is safe to show."""

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.codes import FOLDER, CodeSystem, Level, lookup_division, systems, validate
from contracts.errors import CodeError, UnknownCodeSystem

# Published: companies' codes, and the number that GB 11643 itself gives as an example.
COMPANIES = ("91330100799655058B", "9144030071526726XG", "91110000600037341L", "91620105L015101280")
PERSON = "11010519491231002X"

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
PROVINCES = ("11", "31", "32", "33", "34", "44", "65")


@st.composite
def credit_codes(draw: st.DrawFn) -> str:
    """Valid codes, reckoned here in another way than in the product."""
    body = draw(st.text(ALPHABET, min_size=8, max_size=8))
    total = sum(w * int(c, 36) for w, c in zip((3, 7, 9, 10, 5, 8, 4, 2), body, strict=True))
    inner = next(c for n, c in enumerate("0123456789X") if (total + n) % 11 == 0)
    head = draw(st.text(ALPHABET, min_size=2, max_size=2)) + draw(st.sampled_from(PROVINCES))
    code = head + draw(st.from_regex(r"[0-9]{4}", fullmatch=True)) + body + inner
    total = sum(ALPHABET.index(c) * 3**place for place, c in enumerate(code))
    return code + next(c for n, c in enumerate(ALPHABET) if (total + n) % 31 == 0)


@st.composite
def identity_numbers(draw: st.DrawFn) -> str:
    """Valid numbers. GB 11643 is ISO 7064 MOD 11-2: with the check digit the weighted sum is 1."""
    birth = draw(st.dates(min_value=date(1800, 1, 1))).strftime("%4Y%m%d").zfill(8)
    place = draw(st.sampled_from(PROVINCES)) + draw(st.from_regex(r"[0-9]{4}", fullmatch=True))
    number = place + birth + draw(st.from_regex(r"[0-9]{3}", fullmatch=True))
    total = sum(int(digit) * 2 ** (17 - index) for index, digit in enumerate(number))
    return number + next(c for n, c in enumerate("0123456789X") if (total + n) % 11 == 1)


def refused(system: str, value: str) -> CodeError:
    """The refusal."""
    with pytest.raises(CodeError) as caught:
        validate(system, value)
    assert caught.value.code_system == CodeSystem(system)
    return caught.value


def outcome(system: str, value: str) -> str | CodeError:
    """The stored form or the refusal; anything else that is raised is a crash."""
    try:
        return validate(system, value)
    except CodeError as error:
        return error


@pytest.mark.parametrize(
    ("system", "value", "stored"),
    [
        *(("GB 32100", code, code) for code in COMPANIES),
        ("GB 32100", " 9133010079965505８ｂ ", COMPANIES[0]),
        ("GB 11643", PERSON, PERSON),
        ("GB 11643", PERSON.lower(), PERSON),
        ("GB/T 2260", "310112", "310112"),
        ("GB/T 2260", "310112107", "310112107"),
        ("GA 36", "沪A·12345", "沪A12345"),
        ("GA 36", "苏e d1234", "苏ED1234"),
        ("GA 36", "沪AD12345", "沪AD12345"),
        ("GA 36", "沪AFA1234", "沪AFA1234"),
        ("GA 36", "沪A12345D", "沪A12345D"),
        *(("GA 36", f"沪D1234{last}", f"沪D1234{last}") for last in "挂学警港澳"),
        ("发文字号", "沪城管执〔2024〕3号", "沪城管执〔2024〕3号"),
        ("发文字号", "浦城执法(2023)8号", "浦城执法〔2023〕8号"),
        ("发文字号", "吕城发［2022］68号", "吕城发〔2022〕68号"),
        ("发文字号", "沪城管办[2021]2号", "沪城管办〔2021〕2号"),
        ("发文字号", "沪城管执【2023】 14 号", "沪城管执〔2023〕14号"),
        ("发文字号", "沪城管执（2023）14号", "沪城管执〔2023〕14号"),
    ],
)
def test_accepted_and_stored(system: str, value: str, stored: str) -> None:
    assert validate(system, value) == stored


@pytest.mark.parametrize(
    ("system", "value", "field"),
    [
        ("GB 32100", "91330100799655058", "length"),
        ("GB 32100", "9133010079965505OB", "alphabet"),
        ("GB 32100", "9133A100799655058B", "alphabet"),
        ("GB 32100", "91990100799655058B", "division"),
        ("GB 32100", "91330100799655058A", "check digit"),
        ("GB 32100", "362322198709086409", "organisation code check digit"),
        ("GB 11643", "110105194912310", "length"),
        ("GB 11643", "1101051949123100XX", "alphabet"),
        ("GB 11643", "00010519491231002X", "division"),
        ("GB 11643", "11010519490229002X", "birth date"),
        ("GB 11643", "11010517991231002X", "birth date"),
        ("GB 11643", "110105194912310021", "check digit"),
        ("GB/T 2260", "31011", "length"),
        ("GB/T 2260", "31011A", "alphabet"),
        ("GB/T 2260", "３１０１１²", "alphabet"),
        ("GB/T 2260", "319999", "division"),
        ("GB/T 2260", "310112999", "division"),
        ("GB/T 2260", "320671", "functional zone"),
        ("GA 36", "沪A1234", "length"),
        ("GA 36", "A沪12345", "province"),
        ("GA 36", "沪512345", "issuing office"),
        ("GA 36", "沪A1234I", "serial"),
        ("GA 36", "沪A1234O", "serial"),
        ("GA 36", "沪AL12345", "serial"),
        ("GA 36", "沪A123D45", "serial"),
        ("发文字号", "沪城管执2024年3号", "form"),
        ("发文字号", "秀综移送字〔〕第号", "year"),
        ("发文字号", "HCG〔2024〕3号", "issuer"),
        ("发文字号", "沪城管执〔24〕3号", "year"),
        ("发文字号", "沪城管执〔2024〕号", "serial"),
        ("发文字号", "沪城管执〔2024〕0号", "serial"),
        ("发文字号", "沪城管执〔2024〕第3号", "serial"),
        ("发文字号", "沪城管执〔2024〕03号", "serial"),
    ],
)
def test_refused_by_the_part_that_is_wrong(system: str, value: str, field: str) -> None:
    assert refused(system, value).field == field


def test_the_old_style_of_document_numbers_is_told_how_to_write_it() -> None:
    message = str(refused("发文字号", "沪建管(2002)第0009号"))
    assert "第" in message
    assert "leading zeros" in message
    assert "〔2002〕9号" in message


def test_a_functional_zone_is_told_apart_from_an_unknown_division() -> None:
    assert "南通经济技术开发区" in str(refused("GB/T 2260", "320671"))
    assert "not in the division table" in str(refused("GB/T 2260", "320699"))


@pytest.mark.parametrize(
    "name", ["GB 32100", "gb32100", "GB 32100-2015", "social_credit_code", CodeSystem.SOCIAL_CREDIT_CODE]
)
def test_a_code_system_is_found_under_its_aliases(name: str) -> None:
    assert validate(name, COMPANIES[0]) == COMPANIES[0]


def test_an_unknown_code_system_lists_those_known() -> None:
    with pytest.raises(UnknownCodeSystem) as caught:
        validate("GB 18030", "x")
    assert not isinstance(caught.value, CodeError)
    assert all(system in str(caught.value) for system in CodeSystem)


@given(credit_codes())
def test_valid_credit_codes_pass(code: str) -> None:
    assert validate("GB 32100", code) == code


@given(identity_numbers())
def test_valid_identity_numbers_pass(number: str) -> None:
    assert validate("GB 11643", number) == number


@given(credit_codes(), st.integers(0, 17), st.data())
def test_no_single_wrong_character_passes_in_a_credit_code(code: str, place: int, data: st.DataObject) -> None:
    wrong = data.draw(st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ").filter(lambda c: c != code[place]))
    refused("GB 32100", code[:place] + wrong + code[place + 1 :])


@given(identity_numbers(), st.integers(0, 17), st.data())
def test_no_single_wrong_character_passes_in_an_identity_number(number: str, place: int, data: st.DataObject) -> None:
    wrong = data.draw(st.sampled_from("0123456789ABX").filter(lambda c: c != number[place]))
    refused("GB 11643", number[:place] + wrong + number[place + 1 :])


@given(identity_numbers(), st.integers(0, 16))
def test_no_two_neighbours_change_places_in_an_identity_number(number: str, place: int) -> None:
    swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
    if swapped != number:
        refused("GB 11643", swapped)


TEXT = st.one_of(
    st.text(),
    st.text("0123456789XABCDx〔〕()[]【】（）第号沪苏AdD·-挂警 "),
    st.from_regex(r"\w{17,19}"),
    st.sampled_from(["310112", "沪A·12345", "沪城管执(2024)3号", PERSON.lower(), COMPANIES[0].lower()]),
)


@given(st.sampled_from(list(CodeSystem)), TEXT)
def test_any_text_is_stored_once_and_for_all_or_refused(system: CodeSystem, value: str) -> None:
    found = outcome(system, value)
    if isinstance(found, CodeError):
        assert found.field in {rule.field for listed in systems() if listed.id is system for rule in listed.rules}
    else:
        assert validate(system, found) == found


@given(st.sampled_from(list(CodeSystem)), identity_numbers(), st.text("0123456789X ", max_size=3), st.integers(0, 17))
def test_no_refusal_shows_an_identity_number(system: CodeSystem, number: str, extra: str, place: int) -> None:
    for value in (
        number,
        number + extra,
        extra + number,
        number[:place] + "0" + number[place + 1 :],
        f"某〔2024〕{number}号",
    ):
        found = outcome(system, value)
        if isinstance(found, CodeError):
            assert not re.search(r"[0-9]{9}", str(found))
            assert number[6:14] not in str(found)


# --- the data


def test_names_are_no_keys() -> None:
    town, street = lookup_division("310112107"), lookup_division("310105009")
    assert (town.name, street.name) == ("虹桥镇", "虹桥街道")
    assert lookup_division("110112").name == lookup_division("320612").name == "通州区"


def test_every_parent_is_one_level_or_more_above() -> None:
    order = list(Level)
    for line in (FOLDER / "gb2260.csv").read_text(encoding="utf-8").splitlines()[1:]:
        division = lookup_division(line.split(",")[0])
        assert (division.parent is None) == (division.level is Level.PROVINCE)
        if division.parent is not None:
            assert order.index(lookup_division(division.parent).level) < order.index(division.level)
            assert division.code.startswith(division.parent.rstrip("0"))


@pytest.mark.parametrize(
    ("district", "units"),
    [("310112", 14), ("310114", 12), ("310118", 11), ("310104", 14), ("310105", 10), ("310109", 8), ("310113", 13)],
)
def test_the_streets_and_towns_of_the_seven_districts(district: str, units: int) -> None:
    codes = [line.split(",")[0] for line in (FOLDER / "gb2260.csv").read_text(encoding="utf-8").splitlines()]
    assert sum(code.startswith(district) and len(code) == 9 for code in codes) == units


def test_every_code_system_states_its_rules_and_their_status() -> None:
    assert [system.id for system in systems()] == list(CodeSystem)
    assert all((FOLDER / name).is_file() for system in systems() for name in system.data)
    unverified = {rule.text for system in systems() for rule in system.rules if not rule.verified}
    assert {"no leading zeros", "no 第 before it"} <= unverified
