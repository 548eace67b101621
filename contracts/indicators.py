"""Indicators 指标 with traffic lights, as data: what is measured, and from where on it is green or amber."""

from enum import StrEnum
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from contracts.files import ContractPart, files, read
from events.fields import Decimals


class Measure(StrEnum):
    """What can be measured; `services/audit/indicators.py` says how each is counted."""

    ACCEPTED = "accepted"  # 受理
    ON_TIME = "on_time"  # 按期
    DAYS_TO_ANSWER = "days_to_answer"  # 答复天数
    TIMELINESS = "timeliness"  # 时效评价
    QUALITY = "quality"  # 质量评价


class Light(StrEnum):
    """A traffic light. `NONE`: there is nothing to measure."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"
    NONE = "none"


class Bound(ContractPart):
    """One side of a band: exactly one of the three, in the indicator's unit."""

    at_least: Decimals | None = None
    at_most: Decimals | None = None
    below: Decimals | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if [self.at_least, self.at_most, self.below].count(None) != 2:
            msg = "a bound is one of at_least, at_most and below"
            raise ValueError(msg)
        return self

    def holds(self, value: Fraction) -> bool:
        """Whether a value keeps to it."""
        if self.at_least is not None:
            return value >= Fraction(self.at_least)
        if self.at_most is not None:
            return value <= Fraction(self.at_most)
        return value < Fraction(str(self.below))


class Indicator(ContractPart):
    """One indicator. `days`: the period of `accepted`. `negative`: the highest mark that says no, of a rating."""

    id: str = Field(pattern=r"^[a-z0-9]+(?:-[a-z0-9]+)*$")
    title_en: str
    title_zh: str
    measure: Measure
    days: int | None = Field(default=None, ge=1)
    negative: int | None = Field(default=None, ge=1, le=4)
    unit: Literal["share", "days"]
    green: Bound
    amber: Bound
    source: str
    status: str

    @model_validator(mode="after")
    def _whole(self) -> Self:
        rating = self.measure in {Measure.TIMELINESS, Measure.QUALITY}
        if (self.days is not None) != (self.measure is Measure.ACCEPTED) or (self.negative is not None) != rating:
            msg = "`days` is for `accepted`, `negative` for ratings, and each of these has its own"
            raise ValueError(msg)
        return self

    def light(self, value: Fraction | None) -> Light:
        """The light of a value; None where there is none."""
        if value is None:
            return Light.NONE
        if self.green.holds(value):
            return Light.GREEN
        return Light.AMBER if self.amber.holds(value) else Light.RED


class IndicatorFile(ContractPart):
    """A file of `contracts/indicators/`."""

    indicators: tuple[Indicator, ...]


def load(overlay: Path | None = None) -> tuple[Indicator, ...]:
    """The indicators of `contracts/indicators`, in the order of their files. Raises UnusableContract."""
    return tuple(item for path in files("indicators", overlay) for item in read(IndicatorFile, path).indicators)


@cache
def packaged() -> tuple[Indicator, ...]:
    """The packaged indicators."""
    return load()
