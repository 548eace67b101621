"""The rules that set deadlines, as data: what starts a clock 时限, what stops it, whose duty it is, by which law.

Each file of `contracts/clocks/` holds rules of one kind of exchange. A rule that changed stands there once for every
version, with its period of validity; the date on which a clock starts chooses.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from contracts.calendar import SHANGHAI
from contracts.counting import UNITS_ZH, Unit
from contracts.errors import ClockError, UnusableContract
from contracts.files import ContractPart, files, read


class By(StrEnum):
    """Which time of a fact starts a clock."""

    STATED = "stated"  # when its agency says that it happened
    ACCEPTED = "accepted"  # when the bus took it
    DELIVERED = "delivered"  # when it reached the designated system of whose duty it is
    RECORDED = "recorded"  # when it was registered


class Start(ContractPart):
    """What starts a clock: a fact of the kind, by its short name; `member`: of `data`, where the stated time stands.

    where: members of `data` with the codes that they must have, or else the fact does not start this clock.
    """

    fact: str
    by: By
    member: str | None = None
    where: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)

    def __hash__(self) -> int:
        return hash((self.fact, self.by, self.member, tuple(self.where.items())))

    def fits(self, said: Mapping[str, str | int | bool]) -> bool:
        """Whether a fact that says this starts the clock."""
        return all(said.get(name) in codes for name, codes in self.where.items())

    @model_validator(mode="after")
    def _only_stated_has_a_member(self) -> Self:
        if self.member is not None and self.by is not By.STATED:
            msg = "`member` says where a stated time stands: by must be `stated`"
            raise ValueError(msg)
        return self


class Period(ContractPart):
    """A length of time."""

    amount: int = Field(ge=1, le=3650)
    unit: Unit

    def __str__(self) -> str:
        return f"{self.amount}{UNITS_ZH[self.unit]}"


class Extending(ContractPart):
    """How a clock may be extended: how often, by how much at most beyond the due date, and on whose word.

    `by`: the other side grants it, or whose duty it is says so with its reason (the rule itself grants it).
    """

    most: int = Field(ge=1)
    by: Literal["other_side", "rule"]
    limit: Period | None = None


class Source(ContractPart):
    """Where a rule stands. `verified`: its text was read. `agreed`: no law sets the number (约定时限)."""

    law: str
    article: str
    url: str | None = None
    note: str | None = None
    verified: bool
    agreed: bool = False

    def __str__(self) -> str:
        marks = [] if self.verified else ["not verified 未核实"]
        marks += ["agreed, not statutory 约定时限"] if self.agreed else []
        return f"{self.law} {self.article}" + (f" ({'; '.join(marks)})" if marks else "")


class Rule(ContractPart):
    """One version of one rule.

    starts: any of these starts a clock; without any the rule waits for a fact that no kind has yet. stops: the acts
    that fulfil the duty, or end it. ends: what ends it for everybody, whoever says it, also where each addressee has a
    clock of its own. suspends, resumes: between them the clock stands still. duty: the role that must act. limit: None
    where the law says 及时 or 立即 and no number, or where only `agreed` gives a date. agreed: the member of the
    starting fact with the agreed last day. roll: whether a last day on a rest day moves to a working day. warn: how
    long before the due instant to warn. each: a clock for every addressee, stopped by its own act.
    """

    id: str = Field(pattern=r"^[A-Z0-9]+(?:-[A-Z0-9]+)*$")
    kind: str
    title: str
    title_zh: str
    starts: tuple[Start, ...] = ()
    stops: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    suspends: tuple[str, ...] = ()
    resumes: tuple[str, ...] = ()
    extends: Extending | None = None
    duty: Literal["sender", "recipient", "copied", "supervisor", "arbiter"]
    limit: Period | None = None
    agreed: str | None = None
    roll: bool = False
    warn: Period | None = None
    each: bool = False
    consequence: str
    source: Source
    valid_from: date
    valid_to: date | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.suspends) != bool(self.resumes):
            msg = "what suspends needs what resumes"
            raise ValueError(msg)
        if self.starts and not self.stops:
            msg = "what starts needs what stops"
            raise ValueError(msg)
        if self.roll and self.limit is not None and self.limit.unit is Unit.HOURS:
            msg = "a period of hours does not roll"
            raise ValueError(msg)
        if self.warn is not None and self.warn.unit is Unit.MONTHS:
            msg = "a warning is hours or days before"
            raise ValueError(msg)
        return self

    @property
    def version(self) -> str:
        """What names this version of the rule, such as `RX-03@2020-08-07`."""
        return f"{self.id}@{self.valid_from}"

    def valid(self, day: date) -> bool:
        """Whether this version counts on a day."""
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)


class RuleFile(ContractPart):
    """A file of `contracts/clocks/`."""

    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules, every version."""

    by_id: Mapping[str, tuple[Rule, ...]]
    _starting: Mapping[tuple[str, str], tuple[tuple[Rule, ...], ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        starting: dict[tuple[str, str], list[tuple[Rule, ...]]] = {}
        for versions in self.by_id.values():
            facts = {(rule.kind, start.fact): None for rule in versions for start in rule.starts}
            for kind, fact in facts:
                able = tuple(rule for rule in versions if any(start.fact == fact for start in rule.starts))
                starting.setdefault((kind, fact), []).append(able)
        object.__setattr__(self, "_starting", {key: tuple(found) for key, found in starting.items()})

    def at(self, rule_id: str, start: datetime) -> Rule:
        """The version of a rule on the day on which a clock starts. Raises ClockError."""
        versions = self.by_id.get(rule_id)
        if versions is None:
            raise ClockError(f"there is no rule {rule_id}; there are {', '.join(sorted(self.by_id))}")
        day = start.astimezone(SHANGHAI).date()
        found = next((rule for rule in versions if rule.valid(day)), None)
        if found is None:
            periods = ", ".join(f"{rule.valid_from} to {rule.valid_to or 'now'}" for rule in versions)
            raise ClockError(f"{rule_id} is not in force on {day}; it is from {periods}")
        return found

    def started_by(self, kind: str, fact: str) -> tuple[tuple[Rule, ...], ...]:
        """The rules of a kind that a fact, by its short name, can start; of each all versions that it starts."""
        return self._starting.get((kind, fact), ())


def collect(rules: Iterable[Rule]) -> Rules:
    """These rules. Raises ValueError for two versions of one rule that are in force at once or of two kinds."""
    by_id: dict[str, list[Rule]] = {}
    for rule in rules:
        by_id.setdefault(rule.id, []).append(rule)
    for versions in by_id.values():
        versions.sort(key=lambda rule: rule.valid_from)
        for older, newer in pairwise(versions):
            if older.valid_to is None or older.valid_to > newer.valid_from or older.kind != newer.kind:
                msg = f"two versions of {older.id} overlap or are of two kinds"
                raise ValueError(msg)
    return Rules({id_: tuple(versions) for id_, versions in sorted(by_id.items())})


def load(overlay: Path | None = None) -> Rules:
    """The rules of `contracts/clocks`; a deployment's overlay adds and replaces files. Raises UnusableContract."""
    try:
        return collect(rule for path in files("clocks", overlay) for rule in read(RuleFile, path).rules)
    except ValueError as error:
        raise UnusableContract(f"contracts/clocks: {error}") from error


@cache
def packaged() -> Rules:
    """The packaged rules."""
    return load()
