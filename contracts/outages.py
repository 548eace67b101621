"""Outages 总线中断 of a bus: when one of its services did not serve. They travel on `outages`."""

from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError, model_validator

from contracts.canonical import canonical, timestamp
from contracts.errors import MalformedJson


class Outage(BaseModel):
    """One outage of a service of a bus: from `begun`, and up to but not at `ended`."""

    model_config = ConfigDict(frozen=True)

    bus: str
    service: str
    begun: AwareDatetime
    ended: AwareDatetime

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        if self.ended < self.begun:
            msg = "an outage ends no earlier than it began"
            raise ValueError(msg)
        return self

    def to_bytes(self) -> bytes:
        """The canonical bytes."""
        times = {"begun": timestamp(self.begun), "ended": timestamp(self.ended)}
        return canonical({"bus": self.bus, "service": self.service, **times})

    @classmethod
    def from_bytes(cls, value: bytes) -> "Outage":
        """Parse one. Raises MalformedJson."""
        try:
            return cls.model_validate_json(value)
        except ValidationError as error:
            raise MalformedJson(f"not an outage: {error}") from error
