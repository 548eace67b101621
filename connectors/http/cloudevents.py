"""The HTTP binding of CloudEvents 1.0.2: structured, binary and batched content to documents, and back. Pure.

In binary mode the body is `data` and the headers `ce-<name>` are the attributes, percent-encoded; `Content-Type` is the
attribute `datacontenttype`, so an agency that sends in binary mode signs its event with that attribute in it.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from contracts.canonical import Document, canonical, parse

STRUCTURED: Final = "application/cloudevents+json"
BATCHED: Final = "application/cloudevents-batch+json"
JSON: Final = "application/json"

_PREFIX: Final = "ce-"
_INTEGERS: Final = frozenset({"knownsequence", "sequence"})
_INTEGER: Final = re.compile(r"0|-?[1-9][0-9]{0,9}")
_RESERVED: Final = frozenset({"data", "data_base64", "datacontenttype"})
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
_BAD_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SAFE: Final = "!#$&'()*+,-./:;<=>?@[]^_`{|}~"
"""Printable ASCII but for space, the double quote and the percent sign."""


class BindingError(Exception):
    """A request that holds no event in any mode of the binding; `code` is stable."""

    def __init__(self, message: str, code: str = "cloudevent-malformed") -> None:
        super().__init__(message)
        self.code = code


def read(content_type: str, headers: Iterable[tuple[str, str]], body: bytes) -> list[object] | Document:
    """The event of a request, or the items of a batch (which need not be objects yet).

    Raises BindingError (cloudevent-malformed, media-type-unsupported) or MalformedJson.
    """
    media_type, charset = _media_type(content_type)
    attributes = [(name.lower(), value) for name, value in headers if name.lower().startswith(_PREFIX)]
    if media_type not in {STRUCTURED, BATCHED, JSON} or charset not in {"", "utf-8"}:
        raise BindingError(f"send {STRUCTURED}, {BATCHED} or {JSON}, in UTF-8", "media-type-unsupported")
    if media_type == JSON and attributes:
        return {**_attributes(attributes), "datacontenttype": JSON, "data": parse(body)}
    value = parse(body)
    if media_type != BATCHED and isinstance(value, dict):
        return value
    if media_type != STRUCTURED and isinstance(value, list):
        return list[object](value)
    raise BindingError("a batch is a JSON array" if media_type == BATCHED else "an event is a JSON object")


def binary(document: Mapping[str, object]) -> tuple[dict[str, str], bytes]:
    """The headers and the body of an event in binary mode. `datacontenttype` must be an attribute of it."""
    headers = {
        _PREFIX + name: quote(str(value), safe=_SAFE)
        for name, value in document.items()
        if name not in _RESERVED and value is not None
    }
    return {**headers, "Content-Type": str(document["datacontenttype"])}, canonical(document.get("data"))  # type: ignore[arg-type]


def _media_type(content_type: str) -> tuple[str, str]:
    media_type, _, parameters = content_type.partition(";")
    charset = ""
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            charset = value.strip().strip('"').lower()
    return media_type.strip().lower(), charset


def _attributes(headers: Iterable[tuple[str, str]]) -> Document:
    found: Document = {}
    for header, value in headers:
        name = header.removeprefix(_PREFIX)
        if name in found:
            raise BindingError(f"header {header} comes twice")
        if name in _RESERVED:
            raise BindingError(f"{header} is not a header of the binary mode")
        found[name] = _value(header, name, value)
    return found


def _value(header: str, name: str, value: str) -> str | int:
    quoted = _QUOTED.fullmatch(value)
    plain = re.sub(r"\\(.)", r"\1", quoted.group(1)) if quoted else value
    if _BAD_PERCENT.search(plain):
        raise BindingError(f"{header} holds a percent sign that is not followed by two hexadecimal digits")
    try:
        text = unquote_to_bytes(plain).decode("utf-8")
    except UnicodeError as error:
        raise BindingError(f"{header} is not UTF-8, percent-encoded") from error
    if name in _INTEGERS and _INTEGER.fullmatch(text):
        return int(text)
    return text
