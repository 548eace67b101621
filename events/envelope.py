"""The CloudEvents 1.0 envelope and the bus's own attributes."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from events.fields import AgencyCode, ExchangeId, Instant, Kind

SALTS = "_salts"
"""The member of `data` that carries the salts of its classified members. It is not itself signed."""

DIGEST = "_sd"
"""`{"_sd": digest}` stands where a classified member was withheld."""

EventId = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$")]
CaseId = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^\S(?:.*\S)?$")]


class Envelope(BaseModel):
    """What an agency signs: one CloudEvent. `data` is checked by the type's own model.

    `exchange` is the thread (往来), `case` ties threads together (案件), `home` is the bus that gives the
    sequences, `knownsequence` the last sequence the signer had seen, `leg` the addressee whose part the
    event moves, `inname` the agency in whose name the source acts (以谁的名义). `signedby` is there if not the
    source itself but the bus that hosts it has signed, for what came through its connector (代签).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    specversion: Literal["1.0"]
    id: EventId
    source: AgencyCode
    type: Annotated[str, StringConstraints(max_length=128)]
    time: Instant
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: Annotated[str, StringConstraints(max_length=512)] | None = None
    subject: Annotated[str, StringConstraints(max_length=256)] | None = None
    kind: Kind
    exchange: ExchangeId
    case: CaseId | None = None
    home: AgencyCode | None = None
    knownsequence: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    leg: AgencyCode | None = None
    inname: AgencyCode | None = None
    signedby: AgencyCode | None = None
    signature: Annotated[str, StringConstraints(min_length=1, max_length=4096)]
    data: dict[str, JsonValue]


class RegisteredEnvelope(Envelope):
    """An event after registration: the signed attributes unchanged, and the bus's own beside them."""

    sequence: Annotated[int, Field(ge=1)]
    acceptedtime: Instant
    recordedtime: Instant


BUS_ATTRIBUTES = frozenset(RegisteredEnvelope.model_fields) - frozenset(Envelope.model_fields)
"""Attributes that only the bus writes; a submission that carries one is refused."""
