"""What a field of a fact can be marked with: its class (who may read it) and its code system."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

_RFC3339 = re.compile(
    r"(?:19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})?"
)


class FieldClass(StrEnum):
    """Who may read a member of `data`. A member without a mark is public to the parties."""

    PUBLIC = "public"
    PERSONAL = "personal"  # 个人信息
    REPORTER = "reporter"  # 举报人: never leaves the agency by default
    SEALED = "sealed"  # 侦查、内部审批等不对外内容


@dataclass(frozen=True, slots=True)
class Classified:
    """Marks a member whose value enters the signature as a salted digest, so that it can be withheld."""

    field_class: FieldClass

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "x-class": self.field_class.value}


@dataclass(frozen=True, slots=True)
class Coded:
    """Marks a string that must be a valid value of a code system (`contracts.codes`)."""

    system: str

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "x-code-system": self.system}


PERSONAL = Classified(FieldClass.PERSONAL)
REPORTER = Classified(FieldClass.REPORTER)
SEALED = Classified(FieldClass.SEALED)


def _rfc3339(value: object) -> object:
    """CloudEvents asks for RFC 3339; pydantic would also take seconds since 1970, or refuse all strings when strict."""
    if not (isinstance(value, datetime) or (isinstance(value, str) and _RFC3339.fullmatch(value))):
        msg = "an instant as in 2026-11-16T14:00:00+08:00"
        raise ValueError(msg)
    return value


def _whole_minutes(value: AwareDatetime) -> AwareDatetime:
    offset = value.utcoffset()
    if offset is None or offset % timedelta(minutes=1):
        msg = "the offset must be whole minutes"
        raise ValueError(msg)
    return value


def _decimal(value: str) -> str:
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        msg = "not a decimal number"
        raise ValueError(msg) from error
    if not number.is_finite() or number < 0:
        msg = "must be a finite number, zero or more"
        raise ValueError(msg)
    return value


def _canonical(value: object) -> object:
    """A UUID has many spellings and one exchange has one key, so one spelling counts."""
    if isinstance(value, str) and not re.fullmatch(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", value):
        msg = "a UUID in lower case with hyphens, as in 01a20896-6555-7624-a23e-67ae6bb87f93"
        raise ValueError(msg)
    return value


class Part(BaseModel):
    """A structured part of a fact. Strict for who writes: no unknown members, no coercion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


AGENCY_PATTERN = r"^[0-9]{6}(?:[0-9]{3})?-[a-z][a-z0-9]{1,15}$"

AgencyCode = Annotated[str, StringConstraints(pattern=AGENCY_PATTERN)]
"""单位代码: division (GB/T 2260, or the nine digits of a 街镇) + role, as in `310112-cg`."""

Kind = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,20}$")]
"""业务类型."""

ExchangeId = Annotated[UUID, BeforeValidator(_canonical)]
"""往来编号: a UUIDv7 that the opener makes."""

Instant = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_rfc3339), AfterValidator(_whole_minutes)]
"""An instant of RFC 3339 with its offset; a naive time is refused."""

Line = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^\S(?:.*\S)?$")]
"""One line of text, no space around it."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]

Fen = Annotated[int, Field(ge=0, le=2**53 - 1)]
"""Money in 分."""

Decimals = Annotated[
    str,
    StringConstraints(pattern=r"^(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,6})?$"),
    AfterValidator(_decimal),
]
"""A quantity as a decimal string: canonical JSON knows only doubles."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^sha-256:[0-9a-f]{64}$")]

DocumentNumber = Annotated[str, StringConstraints(min_length=1, max_length=80), Coded("发文字号")]
"""发文字号."""

SocialCreditCode = Annotated[str, StringConstraints(min_length=18, max_length=18), Coded("GB 32100")]
"""统一社会信用代码."""

IdentityNumber = Annotated[str, StringConstraints(min_length=18, max_length=18), Coded("GB 11643")]
"""公民身份号码."""

Plate = Annotated[str, StringConstraints(min_length=7, max_length=8), Coded("GA 36")]
"""机动车号牌."""

Division = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}(?:[0-9]{3})?$"), Coded("GB/T 2260")]
"""行政区划代码."""
