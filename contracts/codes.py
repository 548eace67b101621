"""Code systems: checking a value, its stored form, and divisions resolved by code.

What each system demands, its source and how far it was verified stand in contracts/codes/systems.yaml.
"""

import csv
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from typing import Final

from contracts.errors import CodeError, UnknownCodeSystem
from contracts.files import PACKAGED, ContractPart, read

FOLDER: Final = PACKAGED / "codes"


class CodeSystem(StrEnum):
    """The code systems; looking one up forgives case, spaces and the year of an edition."""

    DIVISION = "GB/T 2260"
    SOCIAL_CREDIT_CODE = "GB 32100"
    IDENTITY_NUMBER = "GB 11643"
    PLATE = "GA 36"
    DOCUMENT_NUMBER = "发文字号"

    @classmethod
    def _missing_(cls, value: object) -> "CodeSystem | None":
        wanted = _folded(str(value))
        return next((system for system in cls if wanted in {_folded(system), _folded(system.name)}), None)


class Level(StrEnum):
    """The level of a division; `township` has nine digits and covers 街道, 镇 and statistical zones."""

    PROVINCE = "province"
    PREFECTURE = "prefecture"
    COUNTY = "county"
    TOWNSHIP = "township"


@dataclass(frozen=True, slots=True)
class Division:
    """One row of the division table; `parent` is a code, None for a province."""

    code: str
    name: str
    parent: str | None
    level: Level
    verified: bool


class Title(ContractPart):
    """A title in both languages."""

    zh: str
    en: str


class Rule(ContractPart):
    """One demand of a code system; `field` is what a CodeError names when it is not met."""

    field: str
    text: str
    verified: bool
    source: str


class System(ContractPart):
    """One code system, as listed in systems.yaml; `coverage` says what falls outside."""

    id: CodeSystem
    title: Title
    source: str
    verified: bool
    valid_from: date | None
    valid_to: date | None
    data: tuple[str, ...]
    coverage: str
    rules: tuple[Rule, ...]


class _Systems(ContractPart):
    systems: tuple[System, ...]


class _Plates(ContractPart):
    provinces: dict[str, str]
    serial_letters: str
    new_energy_letters: str
    trailing: str


def validate(code_system: CodeSystem | str, value: str) -> str:
    """The value in its stored form; validating that form again changes nothing.

    Raises CodeError when the value is not of the code system, UnknownCodeSystem when there is no such system.
    """
    return _CHECKS[_system(code_system)](value.strip().translate(_HALF_WIDTH))


def lookup_division(code: str) -> Division:
    """The division of a code of six or nine digits. Raises CodeError. Names are no key: 虹桥 is two."""
    return _divisions()[_division(code)]


@cache
def systems() -> tuple[System, ...]:
    """Every code system with its rules and their status. Raises UnusableContract."""
    return read(_Systems, FOLDER / "systems.yaml").systems


def _system(name: CodeSystem | str) -> CodeSystem:
    try:
        return CodeSystem(name)
    except ValueError as error:
        message = f"there is no code system {name!r}; known: {', '.join(CodeSystem)}"
        raise UnknownCodeSystem(message) from error


def _folded(name: str) -> str:
    return re.sub(r"[\W_]", "", re.sub(r"-\d{4}$", "", name.strip())).casefold()


_HALF_WIDTH: Final = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}

# Not str.upper(): that would turn letters outside ASCII (ı, ſ) into letters of the code.
_UPPER: Final = {ord(letter): ord(letter) - 0x20 for letter in "abcdefghijklmnopqrstuvwxyz"}


def _require_length(system: CodeSystem, code: str, length: int) -> None:
    if len(code) != length:
        raise CodeError(system, "length", f"{length} characters expected, {len(code)} given")


# --- GB/T 2260


def _division(code: str) -> str:
    system = CodeSystem.DIVISION
    if len(code) not in {6, 9}:
        raise CodeError(system, "length", f"6 digits expected (9 for a 街镇), {len(code)} characters given")
    if not (code.isascii() and code.isdigit()):
        raise CodeError(system, "alphabet", "digits only expected")
    if code in _functional_zones():
        zone = f"{code} {_functional_zones()[code]}"
        raise CodeError(system, "functional zone", f"{zone} is a zone of the statistics, not a division of GB/T 2260")
    if code not in _divisions():
        raise CodeError(system, "division", f"{code} is not in the division table (contracts/codes/gb2260.csv)")
    return code


@cache
def _divisions() -> Mapping[str, Division]:
    return {row["code"]: _row(row) for row in _table("gb2260.csv")}


def _row(row: Mapping[str, str]) -> Division:
    return Division(row["code"], row["name"], row["parent"] or None, Level(row["level"]), row["verified"] == "true")


@cache
def _functional_zones() -> Mapping[str, str]:
    return {row["code"]: row["name"] for row in _table("functional_zones.csv")}


def _table(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def _province_numbers() -> tuple[str, ...]:
    return tuple(code[:2] for code, division in _divisions().items() if division.level is Level.PROVINCE)


# --- GB 32100

_CREDIT_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_CREDIT_VALUES: Final = {character: number for number, character in enumerate(_CREDIT_ALPHABET)}
_CREDIT_WEIGHTS: Final = tuple(pow(3, place, 31) for place in range(17))
_CREDIT_LAYOUT: Final = re.compile(rf"[{_CREDIT_ALPHABET}]{{2}}[0-9]{{6}}[{_CREDIT_ALPHABET}]{{10}}")
_ORGANISATION_WEIGHTS: Final = (3, 7, 9, 10, 5, 8, 4, 2)
_NATIONAL_REGISTRARS: Final = frozenset({"100000", "990000"})


def _social_credit_code(value: str) -> str:
    system = CodeSystem.SOCIAL_CREDIT_CODE
    code = value.translate(_UPPER)
    _require_length(system, code, 18)
    if not _CREDIT_LAYOUT.fullmatch(code):
        raise CodeError(system, "alphabet", "digits and letters without I O S V Z expected, digits in places 3 to 8")
    if not (code.startswith(_province_numbers(), 2) or code[2:8] in _NATIONAL_REGISTRARS):
        raise CodeError(system, "division", "places 3 to 8 begin with the number of no province")
    if code[17] != _credit_check(code):
        raise CodeError(system, "check digit", "the last character does not follow from the other 17")
    if code[16] != _organisation_check(code[8:16]):
        reason = "places 9 to 17 are no organisation code (GB 11714); is this another kind of number?"
        raise CodeError(system, "organisation code check digit", reason)
    return code


def _credit_check(code: str) -> str:
    total = sum(_CREDIT_VALUES[character] * weight for character, weight in zip(code, _CREDIT_WEIGHTS, strict=False))
    return _CREDIT_ALPHABET[-total % 31]


def _organisation_check(body: str) -> str:
    """GB 11714 counts letters from A = 10 with none left out, unlike GB 32100: that is base 36."""
    total = sum(int(character, 36) * weight for character, weight in zip(body, _ORGANISATION_WEIGHTS, strict=True))
    return "0123456789X"[-total % 11]


# --- GB 11643

_IDENTITY_LAYOUT: Final = re.compile(r"[0-9]{17}[0-9X]")
_IDENTITY_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_IDENTITY_CHECKS: Final = "10X98765432"
_RESIDENCE_PERMITS: Final = ("83", "9")  # 台湾居民居住证, 外国人永久居留身份证 [R]
_EARLIEST_BIRTH_YEAR: Final = 1800


def _identity_number(value: str) -> str:
    system = CodeSystem.IDENTITY_NUMBER
    code = value.translate(_UPPER)
    _require_length(system, code, 18)
    if not _IDENTITY_LAYOUT.fullmatch(code):
        raise CodeError(system, "alphabet", "17 digits expected, then a digit or X")
    if not code.startswith(_province_numbers() + _RESIDENCE_PERMITS):
        raise CodeError(system, "division", "the first six digits begin with the number of no province")
    if not _is_birth_date(code[6:14]):
        raise CodeError(system, "birth date", f"places 7 to 14 are no date (YYYYMMDD) since {_EARLIEST_BIRTH_YEAR}")
    if code[17] != _identity_check(code):
        raise CodeError(system, "check digit", "the last character does not follow from the other 17")
    return code


def _is_birth_date(digits: str) -> bool:
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:])).year >= _EARLIEST_BIRTH_YEAR
    except ValueError:
        return False


def _identity_check(code: str) -> str:
    total = sum(int(digit) * weight for digit, weight in zip(code, _IDENTITY_WEIGHTS, strict=False))
    return _IDENTITY_CHECKS[total % 11]


# --- GA 36

_SEPARATORS: Final = re.compile(r"[\s·•・‧.\-]")


def _plate(value: str) -> str:
    system = CodeSystem.PLATE
    code = _SEPARATORS.sub("", value).translate(_UPPER)
    if len(code) not in {7, 8}:
        raise CodeError(system, "length", f"7 characters expected (8 for new energy), {len(code)} given")
    if code[0] not in _plate_data().provinces.values():
        raise CodeError(system, "province", "the first character abbreviates no province")
    if not "A" <= code[1] <= "Z":
        raise CodeError(system, "issuing office", "a letter is expected after the province")
    if not _plate_serials().fullmatch(code, 2):
        expected = "5 digits or letters (the last may be 挂学警港澳), or a new-energy serial of 6; no I or O"
        raise CodeError(system, "serial", f"expected {expected}")
    return code


@cache
def _plate_data() -> _Plates:
    return read(_Plates, FOLDER / "plates.yaml")


@cache
def _plate_serials() -> re.Pattern[str]:
    data = _plate_data()
    either = f"[0-9{data.serial_letters}]"
    ordinary = f"{either}{{4}}[0-9{data.serial_letters}{data.trailing}]"
    small = f"[{data.new_energy_letters}]{either}[0-9]{{4}}"
    large = f"[0-9]{{5}}[{data.new_energy_letters}]"
    return re.compile(f"{ordinary}|{small}|{large}")


# --- 发文字号

_BRACKETS: Final = str.maketrans("([【", "〔〔〔") | str.maketrans(")]】", "〕〕〕")
_SPACES: Final = re.compile(r"\s")
_NUMBER_FORM: Final = re.compile(r"(?P<issuer>[^〔〕]+)〔(?P<year>[0-9]*)〕(?P<ordinal>第?)(?P<serial>[0-9]{0,6})号")
_ISSUER: Final = re.compile(r"[\u4e00-\u9fff]+")
_YEAR: Final = re.compile(r"(?:19|20)[0-9]{2}")


def _document_number(value: str) -> str:
    system = CodeSystem.DOCUMENT_NUMBER
    code = _SPACES.sub("", value).translate(_BRACKETS)
    parts = _NUMBER_FORM.fullmatch(code)
    if parts is None:
        raise CodeError(system, "form", "expected 机关代字〔year〕serial号, as in 沪城管执〔2024〕3号")
    if not _ISSUER.fullmatch(parts["issuer"]):
        raise CodeError(system, "issuer", "Chinese characters expected before 〔")
    if not _YEAR.fullmatch(parts["year"]):
        raise CodeError(system, "year", "four digits of a year expected inside 〔〕")
    _require_plain_serial(parts["year"], parts["ordinal"], parts["serial"])
    return code


def _require_plain_serial(year: str, ordinal: str, serial: str) -> None:
    plain = serial.lstrip("0")
    if not plain:
        raise CodeError(CodeSystem.DOCUMENT_NUMBER, "serial", "a number from 1 expected before 号")
    if ordinal or plain != serial:
        wrong = " and ".join(["第 before the serial"] * bool(ordinal) + ["leading zeros"] * (plain != serial))
        reason = f"{wrong} are of the old style; expected 〔{year}〕{plain}号"
        raise CodeError(CodeSystem.DOCUMENT_NUMBER, "serial", reason)


_CHECKS: Final[Mapping[CodeSystem, Callable[[str], str]]] = {
    CodeSystem.DIVISION: _division,
    CodeSystem.SOCIAL_CREDIT_CODE: _social_credit_code,
    CodeSystem.IDENTITY_NUMBER: _identity_number,
    CodeSystem.PLATE: _plate,
    CodeSystem.DOCUMENT_NUMBER: _document_number,
}
