"""What is looked for in cases 应移未移, as data: leads for a supervisor's own checking, none of them an accusation.

Each file of `contracts/findings/` holds rules; a rule says what it looks for by one of a few typed checks, on what
source it rests, and what would explain a finding innocently. Checks name facts by their short names, and so also those
of kinds that are not built yet.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from contracts.errors import UnusableContract
from contracts.files import ContractPart, files, read
from events.fields import Decimals, Fen
from events.parts import QuantityUnit

NOTICE_ZH: Final = "供监督核查的线索, 不是对任何单位或者个人违法的认定。"
NOTICE_EN: Final = "A lead for a supervisor's own checking; it establishes no wrong of anybody."

SCOPE_ZH: Final = "仅在你机关监督、仲裁或者向你机关报送的往来中检索; 此外的移送、抄送和往来, 你机关看不到, 也未计入。"
SCOPE_EN: Final = "Looked for only among what you oversee; a referral or notice outside of it is not visible to you."


class Upon(ContractPart):
    """The fact upon which something is due; `outcomes`: only with one of these, of a decision."""

    fact: str
    outcomes: tuple[str, ...] = ()


class Threshold(ContractPart):
    """A matter that is as grave as a crime and did not go where such a matter goes.

    upon: a fact of one of the kinds, the first counts; cleared: not if it was decided with one of these outcomes.
    loss: in 分; or quantity with its unit. causes: only of causes 案由 that hold one of these words.
    At the end of `days` natural days after the day of the fact there must be an exchange of `kind` in the same case, or
    agencies of all the roles in `told` must be party to an exchange of the case.
    """

    check: Literal["threshold"]
    kinds: tuple[str, ...] = Field(min_length=1)
    upon: tuple[Upon, ...] = Field(min_length=1)
    cleared: tuple[str, ...] = ()
    loss: Fen | None = None
    quantity: Decimals | None = None
    unit: QuantityUnit | None = None
    causes: tuple[str, ...] = ()
    kind: str | None = None
    told: tuple[str, ...] = ()
    days: int = Field(ge=0, le=365)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.loss is None) == (self.quantity is None) or (self.quantity is None) != (self.unit is None):
            msg = "a threshold is a loss, or a quantity with its unit"
            raise ValueError(msg)
        if (self.kind is None) == (not self.told):
            msg = "what is due is an exchange of a kind, or that agencies are told"
            raise ValueError(msg)
        return self


class Unanswered(ContractPart):
    """A clock of one of these rules (any, without) that ran out more than `days` ago, and nothing done since."""

    check: Literal["unanswered"]
    rules: tuple[str, ...] = ()
    days: int = Field(ge=0, le=3650)


class Missing(ContractPart):
    """A fact of a kind, and none of the facts that should follow within `days` natural days after its day."""

    check: Literal["missing"]
    kind: str
    upon: Upon
    expects: tuple[str, ...] = Field(min_length=1)
    days: int = Field(ge=0, le=3650)


class DayDiffers(ContractPart):
    """A count that an agency stated for a day, and another number that the bus saw."""

    check: Literal["day_differs"]


class DayNotReferred(ContractPart):
    """More cases over the threshold than exchanges of `kind` opened on that day and the `days` after it."""

    check: Literal["day_not_referred"]
    kind: str
    days: int = Field(ge=0, le=365)


Check: TypeAlias = Annotated[
    Threshold | Unanswered | Missing | DayDiffers | DayNotReferred, Field(discriminator="check")
]


class FindingRule(ContractPart):
    """One thing to look for. `wording`: what a finding says. `innocent`: what would explain it."""

    id: str = Field(pattern=r"^[a-z0-9]+(?:-[a-z0-9]+)*$")
    title_zh: str
    title_en: str
    check: Check
    wording_zh: str
    wording_en: str
    innocent_zh: tuple[str, ...] = Field(min_length=1)
    source: str
    status: str


class FindingFile(ContractPart):
    """A file of `contracts/findings/`."""

    findings: tuple[FindingRule, ...]


def load(overlay: Path | None = None) -> tuple[FindingRule, ...]:
    """The rules of `contracts/findings`, by id. Raises UnusableContract, also for two of one id."""
    return _distinct(rule for path in files("findings", overlay) for rule in read(FindingFile, path).findings)


def _distinct(rules: Iterable[FindingRule]) -> tuple[FindingRule, ...]:
    found: dict[str, FindingRule] = {}
    for rule in rules:
        if rule.id in found:
            raise UnusableContract(f"contracts/findings: two rules are called {rule.id}; rename one")
        found[rule.id] = rule
    return tuple(rule for _, rule in sorted(found.items()))


@cache
def packaged() -> tuple[FindingRule, ...]:
    """The packaged rules."""
    return load()
