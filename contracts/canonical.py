"""Bytes in and out: strict JSON, its canonical form (RFC 8785), and digests of it."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, cast

import orjson
from pydantic import AwareDatetime, JsonValue, TypeAdapter

from contracts.errors import MalformedJson

Document = dict[str, JsonValue]
"""A JSON object."""

_INSTANT: Final[TypeAdapter[datetime]] = TypeAdapter(AwareDatetime)
MAX_DEPTH = 32
_SAFE_INTEGER = 2**53 - 1


def canonical(value: JsonValue | Mapping[str, JsonValue]) -> bytes:
    """The RFC 8785 bytes of a value with ASCII keys and whole numbers, which is all that our events hold.

    Sorting is by UTF-8 bytes, which for ASCII keys is the order that RFC 8785 asks for.
    """
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def parse(body: bytes) -> JsonValue:
    """Parse JSON. Raises MalformedJson for what is not JSON, too deep, names a member twice, or cannot be canonical."""
    try:
        value = cast("JsonValue", orjson.loads(body))
    except orjson.JSONDecodeError as error:
        raise MalformedJson(f"not JSON: {error}") from error
    require_canonical(value)
    # orjson keeps the last of two members with one name, silently; what is canonical already cannot hold two.
    if canonical(value) != body:
        json.loads(body, object_pairs_hook=_distinct)
    return value


def parse_object(body: bytes) -> Document:
    """Parse a JSON object. Raises MalformedJson."""
    value = parse(body)
    if not isinstance(value, dict):
        raise MalformedJson("a JSON object is expected")
    return value


def clone(document: Mapping[str, JsonValue]) -> Document:
    """A deep copy of a JSON object: through its bytes, which is several times quicker than walking it."""
    return cast("Document", orjson.loads(canonical(document)))


def require_canonical(value: JsonValue, depth: int = 0) -> None:
    """Raise MalformedJson for a value whose canonical form another implementation could write differently."""
    if depth > MAX_DEPTH:
        raise MalformedJson(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, dict):
        for name, item in value.items():
            if not name.isascii():
                raise MalformedJson(f"member names are ASCII; found {name[:40]!r}")
            require_canonical(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            require_canonical(item, depth + 1)
    elif isinstance(value, float):
        raise MalformedJson("numbers are whole: money in 分, quantities as decimal strings")
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) > _SAFE_INTEGER:
        raise MalformedJson("a whole number is at most 2^53 - 1 in size")


def _distinct(members: list[tuple[str, JsonValue]]) -> None:
    seen: set[str] = set()
    for name, _ in members:
        if name in seen:
            raise MalformedJson(f"member {name[:40]!r} comes twice")
        seen.add(name)


def digest(value: JsonValue | Mapping[str, JsonValue]) -> str:
    """`sha-256:` and the hexadecimal SHA-256 of the canonical form."""
    return f"sha-256:{hashlib.sha256(canonical(value)).hexdigest()}"


def timestamp(instant: datetime) -> str:
    """The one form in which the bus writes an instant: UTC, microseconds, `Z`."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def instant(value: JsonValue) -> datetime:
    """The instant of a time in an event, in any spelling that the envelope allows. Raises ValueError."""
    return _INSTANT.validate_python(value)


def stamped(value: object) -> datetime:
    """The instant of a time that a bus wrote, in the one form of `timestamp`. Raises ValueError for any other."""
    found = datetime.fromisoformat(str(value))
    if found.tzinfo is None or timestamp(found) != value:
        raise ValueError(f"{str(value)[:40]!r} is not an instant as a bus writes it")
    return found
