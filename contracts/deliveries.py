"""Facts about copies: the stage that a copy has reached on its way to its recipient. They travel on `deliveries`."""

from typing import Literal, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from contracts.canonical import canonical, timestamp
from contracts.errors import MalformedJson

Stage: TypeAlias = Literal["delivered", "retrieved"]
"""`delivered`: the copy lies in the recipient's inbox. `retrieved`: the recipient says that it has it."""


class StageReached(BaseModel):
    """One stage of one copy, known by everything but its time: a repeat of it changes nothing."""

    model_config = ConfigDict(frozen=True)

    bus: str
    kind: str
    exchange: str
    sequence: int = Field(ge=1)
    recipient: str
    stage: Stage
    attempt: int = Field(default=1, ge=1)
    time: AwareDatetime

    def to_bytes(self) -> bytes:
        """The canonical bytes."""
        return canonical({**self.model_dump(exclude={"time"}), "time": timestamp(self.time)})

    @classmethod
    def from_bytes(cls, value: bytes) -> "StageReached":
        """Parse one. Raises MalformedJson."""
        try:
            return cls.model_validate_json(value)
        except ValidationError as error:
            raise MalformedJson(f"not a stage of a delivery: {error}") from error
