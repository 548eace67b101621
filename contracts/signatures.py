"""Keys, and signatures over canonical JSON: detached JWS (RFC 7515, 7797), one interface for every algorithm."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from contracts.canonical import Document, canonical
from contracts.errors import SignatureError

SIGNATURE = "signature"
ALGORITHMS = {"Ed25519": "EdDSA"}
"""Our name of an algorithm and its JWS name. SM2/SM3 takes its place here."""

_jws = jwt.PyJWS(algorithms=list(ALGORITHMS.values()))


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and whose it is. Its representation never shows the key."""

    agency: str
    kid: str
    private: Ed25519PrivateKey
    algorithm: str = "Ed25519"

    def __repr__(self) -> str:
        return f"SigningKey({self.kid})"

    def sign(self, payload: bytes) -> str:
        """A detached JWS of the payload."""
        headers = {"kid": self.kid, "typ": None}  # PyJWT's default `typ` says JWT, which this is not
        return _jws.encode(payload, self.private, ALGORITHMS[self.algorithm], headers, is_payload_detached=True)

    def public(self) -> str:
        """The public key, base64url."""
        raw = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return urlsafe_b64encode(raw).rstrip(b"=").decode()

    def pem(self) -> bytes:
        """The private key as PKCS #8 PEM, for a file of mode 600."""
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key of an agency and when it counts."""

    agency: str
    kid: str
    public: Ed25519PublicKey
    algorithm: str = "Ed25519"
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    revoked: datetime | None = None

    def valid_at(self, instant: datetime) -> bool:
        """Whether a signature made with this key counts at the instant."""
        return (
            (self.valid_from is None or self.valid_from <= instant)
            and (self.valid_to is None or instant < self.valid_to)
            and (self.revoked is None or instant < self.revoked)
        )


class Keyring(Protocol):
    """Where public keys are looked up."""

    def key(self, kid: str) -> PublicKey | None:
        """The key of that id, if it is known."""
        ...


def new_key(agency: str, kid: str) -> SigningKey:
    """A fresh Ed25519 key."""
    return SigningKey(agency, kid, Ed25519PrivateKey.generate())


def load_private(agency: str, kid: str, pem: bytes) -> SigningKey:
    """The private key of a PEM file. Raises SignatureError when it is not an Ed25519 key."""
    try:
        private = load_pem_private_key(pem, password=None)
    except ValueError as error:
        raise SignatureError(f"the key file of {kid} is not a PEM private key", "key-unusable") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise SignatureError(f"the key file of {kid} does not hold an Ed25519 key", "key-unusable")
    return SigningKey(agency, kid, private)


def load_public(text: str) -> Ed25519PublicKey:
    """The public key in base64url. Raises ValueError."""
    return Ed25519PublicKey.from_public_bytes(urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def seal(document: Mapping[str, object], key: SigningKey) -> Document:
    """The document with its `signature` over the canonical form of everything else."""
    body: Document = {name: value for name, value in document.items() if name != SIGNATURE}  # type: ignore[misc]
    return {**body, SIGNATURE: key.sign(canonical(body))}


def verify_seal(document: Document, keys: Keyring, at: datetime) -> str:
    """The agency that sealed the document. Raises SignatureError."""
    body = {name: value for name, value in document.items() if name != SIGNATURE}
    return verify(document.get(SIGNATURE), canonical(body), keys, at)


def verify(signature: object, payload: bytes, keys: Keyring, at: datetime) -> str:
    """The agency whose key made this detached JWS of the payload, valid at the instant.

    Raises SignatureError with a code: signature-missing, signature-malformed, key-unknown, key-not-valid,
    signature-invalid.
    """
    if not isinstance(signature, str) or not signature:
        raise SignatureError("there is no signature", "signature-missing")
    key = _key_of(signature, keys)
    if not key.valid_at(at):
        raise SignatureError(f"key {key.kid} does not count at {at.isoformat()}", "key-not-valid")
    try:
        _jws.decode(signature, key.public, algorithms=[ALGORITHMS[key.algorithm]], detached_payload=payload)
    except jwt.InvalidTokenError as error:
        raise SignatureError("the signature does not match the content", "signature-invalid") from error
    return key.agency


def _key_of(signature: str, keys: Keyring) -> PublicKey:
    try:
        header = jwt.get_unverified_header(signature)
    except jwt.InvalidTokenError as error:
        raise SignatureError("the signature is not a detached JWS", "signature-malformed") from error
    # A JWS that carries its own payload, such as a read token, must never pass for the signature of another.
    if header.get("b64") is not False or signature.split(".")[1:2] != [""]:
        raise SignatureError("the signature is not a detached JWS (b64: false)", "signature-malformed")
    kid = header.get("kid")
    key = keys.key(kid) if isinstance(kid, str) else None
    if key is None:
        raise SignatureError(f"key {kid!r} is in no agency's contract", "key-unknown")
    return key
