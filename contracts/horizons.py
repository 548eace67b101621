"""How far another bus has come: up to which instant it has handed over everything. They travel on `horizons`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from contracts.agencies import Agencies
from contracts.canonical import canonical, timestamp
from contracts.errors import MalformedJson


class Horizon(BaseModel):
    """A bus says that whatever it took or registered for us before `at` has been handed over; nothing is on its way."""

    model_config = ConfigDict(frozen=True)

    bus: str
    at: AwareDatetime

    def to_bytes(self) -> bytes:
        """The canonical bytes."""
        return canonical({"bus": self.bus, "at": timestamp(self.at)})

    @classmethod
    def from_bytes(cls, value: bytes) -> "Horizon":
        """Parse one. Raises MalformedJson."""
        try:
            return cls.model_validate_json(value)
        except ValidationError as error:
            raise MalformedJson(f"not a horizon: {error}") from error


@dataclass(frozen=True, slots=True)
class Horizons:
    """What is known of the other buses' horizons here, on `bus`."""

    agencies: Agencies
    bus: str
    by_bus: Mapping[str, datetime]

    def passed(self, agency: str, at: datetime) -> bool:
        """Whether nothing that an agency did before an instant can still be on its way to us."""
        peer = self.agencies.elsewhere(agency, self.bus)
        return peer is None or (peer in self.by_bus and self.by_bus[peer] >= at)
