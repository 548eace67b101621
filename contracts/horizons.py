"""How far another bus has come: up to which instant it has handed over everything. They travel on `horizons`."""

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

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
