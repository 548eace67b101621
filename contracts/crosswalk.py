"""The crosswalk 对照: what a cause of action 案由 and a place are in another province, and what that loses.

The sides of a cross-province lead 协查 are in different legal systems. A copy that crosses a province stays verbatim;
beside it goes what each named cause is over there, the law that either side cites, and every loss of the mapping. A
cause without an entry is a loss too, never an error.

Each file of `contracts/crosswalk/` holds causes with the sides of all provinces. A cause that changed stands there once
for every version; the day on which the bus accepted an event chooses, so that a copy can be made again byte by byte. So
a version that was in use is never edited: a correction is a new version from its day on.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from contracts import codes
from contracts.canonical import Document
from contracts.errors import CodeError, UnusableContract
from contracts.files import ContractPart, files, read
from contracts.periods import Dated, require_apart
from events.envelope import SALTS
from events.fields import Line

ProvinceCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{2}0000$")]
"""GB/T 2260 code of a province."""

Place = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]
"""GB/T 2260 code of a division."""


class LossKind(StrEnum):
    """What a mapping can lose."""

    BROADER = "broader"  # 原案由更宽
    NARROWER = "narrower"  # 原案由更窄
    SPLIT = "split"  # 分属两个机关
    THRESHOLD = "threshold"  # 数量、幅度不同
    LAW_CHANGED = "law_changed"  # 法律更替
    NONE = "none"  # 没有对应


class Loss(ContractPart):
    """One loss of a mapping; `origin`, `toward`: only where the event is from there, or goes there."""

    kind: LossKind
    zh: str
    en: str
    origin: Place | None = None
    toward: Place | None = None

    def between(self, source: str, recipient: str) -> bool:
        """Whether it is lost on the way from one division to another."""
        return _within(source, self.origin) and _within(recipient, self.toward)


class Law(ContractPart):
    """One provision, and its gist. It counts in `where` only, for acts from `acts_from` on and before `acts_before`."""

    law: str
    article: str
    text_zh: str | None = None
    where: Place | None = None
    acts_from: date | None = None
    acts_before: date | None = None
    source: str
    verified: bool

    def counts(self, division: str) -> bool:
        """Whether it counts in a division."""
        return _within(division, self.where)


class Side(ContractPart):
    """A cause in one province: what it is called (the first name is the one to use), its code, and who handles it."""

    names: tuple[Line, ...] = Field(min_length=1)
    code: Line | None = None
    authority: str
    local: tuple[Law, ...] = ()


class Cause(Dated):
    """One version of one cause, in every province that has it."""

    id: str = Field(pattern=r"^[a-z]+(?:-[a-z]+)*$")
    title_zh: str
    title_en: str
    national: tuple[Law, ...] = ()
    sides: dict[ProvinceCode, Side]
    losses: tuple[Loss, ...]
    status: str
    verified: bool
    source: str

    @property
    def since(self) -> date:
        """The first day of this version."""
        return self.valid_from or date.min

    @property
    def version(self) -> str:
        """What names this version, such as `dumping@2026-08-15`."""
        return f"{self.id}@{self.since}"


class Namesake(ContractPart):
    """One name of several divisions 重名, by their codes."""

    name: str
    codes: tuple[str, ...] = Field(min_length=2)
    source: str


class CrosswalkFile(ContractPart):
    """A file of `contracts/crosswalk/`."""

    causes: tuple[Cause, ...] = ()
    namesakes: tuple[Namesake, ...] = ()


class _Told(BaseModel):
    """A part of what is told beside a copy."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Named(_Told):
    """A cause as it is called somewhere, or a division."""

    name: str
    code: str | None = None


class Handled(_Told):
    """Who handles a cause on one side, and by which rules of its own."""

    authority: str
    local: tuple[Law, ...]


class CrossedCause(_Told):
    """A cause that an event names, at `pointer` in its data. Without an equivalent there is no more than `given`."""

    pointer: str
    given: Named
    theirs: Named | None = None
    there: Handled | None = None
    here: Handled | None = None
    national: tuple[Law, ...] = ()
    version: str | None = None
    status: str | None = None
    verified: bool | None = None


class CrossedDivision(_Told):
    """A division that an event names: six digits, nine of a 街镇, None if unknown; `not_these` have its name too."""

    pointer: str
    given: str
    code: str | None = None
    name: str | None = None
    not_these: tuple[Named, ...] = ()


class Crossed(_Told):
    """What stands beside a copy that has crossed from the province `origin` to the province `toward`."""

    on: date
    origin: str
    toward: str
    causes: tuple[CrossedCause, ...]
    divisions: tuple[CrossedDivision, ...]
    losses: tuple[Loss, ...]

    def document(self) -> Document:
        """As JSON."""
        return self.model_dump(mode="json", exclude_none=True)


@dataclass(frozen=True, slots=True)
class Crosswalk:
    """All causes, every version, and the namesakes."""

    causes: tuple[Cause, ...]
    namesakes: tuple[Namesake, ...]

    def cross(self, copy: Mapping[str, JsonValue], recipient: str, on: date) -> Crossed | None:
        """What goes beside a copy of an event for an agency of the division `recipient`.

        `copy` is the recipient's own, so that nothing that it withholds comes back; `on` the day on which the event was
        accepted. None if it stays in its province, or names neither a cause nor a place.
        """
        source, data = str(copy.get("source", "")), copy.get("data")
        origin, toward = province(source), province(recipient)
        if origin == toward or not isinstance(data, dict):
            return None
        found = list(_members(data))
        causes = [
            self._cause(pointer, named, source, recipient, on)
            for pointer, value in found
            if pointer.endswith("/cause") and (named := _named(value))
        ]
        places = [
            self._division(pointer, value)
            for pointer, value in found
            if pointer.endswith("/division") and isinstance(value, str)
        ]
        if not causes and not places:
            return None
        losses = dict.fromkeys(loss for _, lost in (*causes, *places) for loss in lost)
        return Crossed(
            on=on,
            origin=origin,
            toward=toward,
            causes=tuple(crossed for crossed, _ in causes),
            divisions=tuple(crossed for crossed, _ in places),
            losses=tuple(losses),
        )

    def find(self, named: Named, origin: str, on: date) -> Cause | None:
        """The cause that is called so in a province on a day; a code that is known there goes before a name."""
        there = [cause for cause in self.causes if origin in cause.sides and cause.valid(on)]
        by_code = (cause for cause in there if named.code and cause.sides[origin].code == named.code)
        by_name = (cause for cause in there if named.name in cause.sides[origin].names)
        return next(by_code, None) or next(by_name, None)

    def _cause(
        self, pointer: str, named: Named, source: str, recipient: str, on: date
    ) -> tuple[CrossedCause, Sequence[Loss]]:
        origin, toward = province(source), province(recipient)
        cause = self.find(named, origin, on)
        if cause is None or toward not in cause.sides:
            return CrossedCause(pointer=pointer, given=named), [_no_equivalent(named, toward)]
        here, there = cause.sides[origin], cause.sides[toward]
        crossed = CrossedCause(
            pointer=pointer,
            given=named,
            theirs=Named(name=there.names[0], code=there.code),
            there=_handled(there, recipient),
            here=_handled(here, source),
            national=cause.national,
            version=cause.version,
            status=cause.status,
            verified=cause.verified,
        )
        return crossed, [loss for loss in cause.losses if loss.between(source, recipient)]

    def _division(self, pointer: str, given: str) -> tuple[CrossedDivision, Sequence[Loss]]:
        name = _division_name(given)
        if name is None:
            return CrossedDivision(pointer=pointer, given=given), [_unknown_place(given)]
        others = tuple(
            Named(name=_division_name(other) or namesake.name, code=other)
            for namesake in self.namesakes
            if given in namesake.codes
            for other in namesake.codes
            if other != given
        )
        return CrossedDivision(pointer=pointer, given=given, code=given, name=name, not_these=others), []


def province(code: str) -> str:
    """The province of a division, or of an agency by its code: `310000` of `310112-cg`."""
    return f"{code[:2]}0000"


def collect(found: Iterable[CrosswalkFile]) -> Crosswalk:
    """These files. Raises ValueError for two versions of one cause that count on one day."""
    parts = list(found)
    causes = sorted((cause for part in parts for cause in part.causes), key=lambda cause: (cause.id, cause.since))
    require_apart((cause.id, cause) for cause in causes)
    return Crosswalk(tuple(causes), tuple(namesake for part in parts for namesake in part.namesakes))


def load(overlay: Path | None = None) -> Crosswalk:
    """The crosswalk of `contracts/crosswalk`; an overlay adds and replaces files. Raises UnusableContract."""
    try:
        return collect(read(CrosswalkFile, path) for path in files("crosswalk", overlay))
    except ValueError as error:
        raise UnusableContract(f"contracts/crosswalk: {error}") from error


@cache
def packaged() -> Crosswalk:
    """The packaged crosswalk."""
    return load()


# --- what an event names


def _members(value: JsonValue, pointer: str = "") -> Iterator[tuple[str, JsonValue]]:
    """Every member of `data` with its pointer, salts left out."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name != SALTS:
                yield f"{pointer}/{name}", item
                yield from _members(item, f"{pointer}/{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _members(item, f"{pointer}/{index}")


def _named(value: JsonValue) -> Named | None:
    """A cause as the event names it; None for one that is withheld."""
    if not isinstance(value, dict):
        return None
    name, code = value.get("name"), value.get("code")
    return Named(name=name, code=code if isinstance(code, str) else None) if isinstance(name, str) else None


# --- what is told


def _handled(side: Side, division: str) -> Handled:
    return Handled(authority=side.authority, local=tuple(law for law in side.local if law.counts(division)))


def _no_equivalent(named: Named, toward: str) -> Loss:
    there = _division_name(toward) or toward
    return Loss(
        kind=LossKind.NONE,
        zh=f"案由“{named.name}”在{there}没有已知对应, 须由受理方认定。",
        en=f"No equivalent of the cause {named.name} is known in {there}: the recipient has to determine it.",
    )


def _unknown_place(given: str) -> Loss:
    return Loss(
        kind=LossKind.NONE,
        zh=f"区划代码{given}不在区划代码表 (GB/T 2260 及街镇) 中, 无法对照。",
        en=f"The division {given} is in no table of divisions (GB/T 2260, streets, towns) and cannot be mapped.",
    )


# --- divisions


def _within(division: str, whole: str | None) -> bool:
    """Whether a division, or an agency by its code, lies in another, which may be the whole country."""
    if whole is None:
        return True
    digits = 2 if whole.endswith("0000") else 4 if whole.endswith("00") else 6
    return division.startswith(whole[:digits])


def _division_name(code: str) -> str | None:
    try:
        return codes.lookup_division(code).name
    except CodeError:
        return None
