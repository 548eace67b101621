"""Facts about copies: the stage that a copy has reached on its way to its recipient. They travel on `deliveries`."""

from typing import Annotated, Final, Literal, TypeAlias
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from contracts.canonical import canonical, timestamp
from contracts.errors import MalformedJson

Stage: TypeAlias = Literal[
    "queued", "relayed", "delivered", "retrieved", "failed", "parked", "undelivered", "unretrieved"
]
"""`queued`: it waits to be brought to the recipient; what lies in an inbox at once was never queued.
`relayed`: its bytes have left us, towards a partner that confirms later.
`delivered`: it is with the recipient's designated system: it lies in the inbox, or the partner has confirmed it.
`retrieved`: the recipient says that it has it, or has opened it.
`failed`: an attempt failed, with the reason. `parked`: nobody tries any more until an operator resumes it.
`undelivered`, `unretrieved`: the time agreed for it ran out; the sender has a signed statement of it."""


_LARGEST: Final = 2**31 - 1
"""What the tables of stages hold."""


def _one_form(value: str) -> str:
    if str(UUID(value)) != value:
        raise ValueError("write the exchange as a lower-case UUID")
    return value


_Exchange: TypeAlias = Annotated[str, AfterValidator(_one_form)]


class StageReached(BaseModel):
    """One stage of one copy, known by everything but its time and reason: a repeat of it changes nothing.

    `bus`: which bus says so. `attempt`: which try, from 1. `reason`: why it failed or is parked, in words.
    """

    model_config = ConfigDict(frozen=True)

    bus: str
    kind: str
    exchange: _Exchange
    sequence: int = Field(ge=1, le=_LARGEST)
    recipient: str
    stage: Stage
    attempt: int = Field(default=1, ge=1, le=_LARGEST)
    time: AwareDatetime
    reason: str | None = None

    def to_bytes(self) -> bytes:
        """The canonical bytes."""
        return canonical({**self.model_dump(exclude={"time"}, exclude_none=True), "time": timestamp(self.time)})

    @classmethod
    def from_bytes(cls, value: bytes) -> "StageReached":
        """Parse one. Raises MalformedJson."""
        try:
            return cls.model_validate_json(value)
        except ValidationError as error:
            raise MalformedJson(f"not a stage of a delivery: {error}") from error
