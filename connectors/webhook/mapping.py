"""Standard Webhooks 1.0: what is sent with an item so that its receiver knows whose it is and that it is fresh; pure.

    webhook-id          the item's cursor, the same at every attempt: who has seen it answers 2xx and does nothing
    webhook-timestamp   seconds since 1970, of the attempt
    webhook-signature   one or more: "v1a,<base64>" Ed25519 by a key of the bus; "v1,<base64>" HMAC-SHA256 by a secret

The signed content is `<id>.<timestamp>.<body>`. `v1a` is always there: the bus's public keys stand in its contract
(GET /v1/contracts/agencies/<bus>). `v1` is there for every secret that was agreed; while one is replaced by another,
both sign, so that the receiver may change at any time in between.
"""

import hashlib
import hmac
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from connectors.errors import SettingsError
from contracts.signatures import SigningKey

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
PREFIX: Final = "whsec_"
TOLERANCE: Final = timedelta(minutes=5)
SHORTEST_SECRET, LONGEST_SECRET = 24, 64  # bytes, as the specification asks


class WebhookError(Exception):
    """A request that does not show who sent it, or is not fresh."""


def secret(text: str) -> bytes:
    """The bytes of a secret `whsec_<base64>`. Raises SettingsError, which never shows the secret."""
    try:
        raw = b64decode(text.strip().removeprefix(PREFIX), validate=True)
    except (Base64Error, ValueError):
        raw = b""
    if not text.strip().startswith(PREFIX) or not SHORTEST_SECRET <= len(raw) <= LONGEST_SECRET:
        raise SettingsError(
            f"a webhook secret is {PREFIX} and the base64 of {SHORTEST_SECRET} to {LONGEST_SECRET} random bytes"
        )
    return raw


def headers(
    id_: str, at: datetime, body: bytes, keys: Sequence[SigningKey], secrets: Sequence[bytes]
) -> dict[str, str]:
    """The headers of an attempt at an instant, signed by each key and each secret."""
    timestamp = str(int(at.timestamp()))
    content = _content(id_, timestamp, body)
    signatures = [f"v1a,{b64encode(key.private.sign(content)).decode()}" for key in keys]
    signatures += [f"v1,{b64encode(_hmac(item, content)).decode()}" for item in secrets]
    return {ID: id_, TIMESTAMP: timestamp, SIGNATURE: " ".join(signatures)}


def verify(
    given: Mapping[str, str],
    body: bytes,
    now: datetime,
    keys: Sequence[Ed25519PublicKey] = (),
    secrets: Sequence[bytes] = (),
) -> str:
    """The id of a request that one of the keys or secrets signed, and that is fresh. Raises WebhookError.

    For receivers: `given` are the request's headers, looked up by lower-case name.
    """
    id_, timestamp, signatures = (given.get(name, "") for name in (ID, TIMESTAMP, SIGNATURE))
    if not id_ or not timestamp.isdecimal():
        raise WebhookError(f"{ID} or {TIMESTAMP} is missing")
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE.total_seconds():
        raise WebhookError("the request is not fresh")
    content = _content(id_, timestamp, body)
    if not any(_counts(item, content, keys, secrets) for item in signatures.split(" ")):
        raise WebhookError("no signature counts")
    return id_


def _counts(signature: str, content: bytes, keys: Sequence[Ed25519PublicKey], secrets: Sequence[bytes]) -> bool:
    version, _, text = signature.partition(",")
    try:
        given = b64decode(text, validate=True)
    except (Base64Error, ValueError):
        return False
    if version == "v1":
        return any(hmac.compare_digest(given, _hmac(item, content)) for item in secrets)
    return version == "v1a" and any(_signed(key, given, content) for key in keys)


def _signed(key: Ed25519PublicKey, signature: bytes, content: bytes) -> bool:
    try:
        key.verify(signature, content)
    except InvalidSignature:
        return False
    return True


def _content(id_: str, timestamp: str, body: bytes) -> bytes:
    return b".".join((id_.encode(), timestamp.encode(), body))


def _hmac(key: bytes, content: bytes) -> bytes:
    return hmac.new(key, content, hashlib.sha256).digest()
