"""What headers say about uploads and ranges; pure. A header that cannot be read is a ProblemError that names it."""

import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Final

from connectors.http.problem import ProblemError
from connectors.http.query import bad

_DIGEST: Final = re.compile(r"sha-256:[0-9a-f]{64}")
_RANGE: Final = re.compile(r"bytes=(?:([0-9]{1,15})-([0-9]{1,15})?|-([0-9]{1,15}))")


def number(headers: Mapping[str, str], name: str, lowest: int) -> int:
    """The whole number in a header. Raises ProblemError."""
    text = headers.get(name, "")
    if not re.fullmatch(r"[0-9]{1,15}", text) or int(text) < lowest:
        raise bad(name, f"must be a whole number of bytes, at least {lowest}")
    return int(text)


def digest_of(metadata: str) -> str:
    """The digest in Upload-Metadata: `digest` and the base64 of `sha-256:…`. Raises ProblemError.

    What else stands there is left alone: names and media types are in the events, which are signed.
    """
    pairs = (pair.strip().partition(" ") for pair in metadata.split(","))
    encoded = {key: value for key, _, value in pairs}.get("digest", "")
    try:
        digest = b64decode(encoded, validate=True).decode("ascii")
    except ValueError:
        digest = ""
    if not is_digest(digest):
        raise bad("Upload-Metadata", "must have `digest` and the base64 of sha-256: with 64 hexadecimal digits")
    return digest


def is_digest(text: str) -> bool:
    """Whether this is a digest in the form in which events have it."""
    return _DIGEST.fullmatch(text) is not None


def repr_digest(digest: str) -> str:
    """The digest as RFC 9530 writes it."""
    return f"sha-256=:{b64encode(bytes.fromhex(digest.removeprefix('sha-256:'))).decode()}:"


def span(wanted: str | None, size: int) -> tuple[int, int] | None:
    """The bytes that a Range asks for, from the first up to but not including the last; None for all of them.

    Several ranges, and what is not understood, ask for everything (RFC 9110). Raises ProblemError for a range in which
    there is nothing.
    """
    found = _RANGE.fullmatch(wanted or "")
    if found is None:
        return None
    first, last, suffix = found.groups()
    begin = max(size - int(suffix), 0) if suffix else int(first)
    end = min(int(last) + 1, size) if last else size
    if last and int(last) < int(first):
        return None
    if begin >= size:
        headers = {"Content-Range": f"bytes */{size}"}
        raise ProblemError("range-unsatisfiable", f"the file has {size} bytes", headers=headers)
    return begin, end
