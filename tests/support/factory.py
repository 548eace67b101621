"""Signed events in one line, from the contract examples and throw-away keys.

sent = event("310112-cg", fact("transfer.sent"), exchange=new_exchange())
world().agencies, world().agreements      the packaged contracts, in which every agency has a key
overlay(folder)                           the same for a process: --contracts folder
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import uuid_utils
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts import agencies, codec, library
from contracts.agencies import Agency, KeyEntry
from contracts.canonical import Document, canonical
from contracts.files import PACKAGED, files, read
from contracts.library import Contracts
from contracts.signatures import SigningKey
from events.fact import PREFIX, Fact
from events.registry import COMMON_KIND, facts, kind_of

F = TypeVar("F", bound=Fact)

EXAMPLES = PACKAGED / "examples"
BUS = "310112-bus"
CASE = "示例案〔2026〕1号"
TIME = datetime(2026, 11, 5, 2, tzinfo=UTC)


@cache
def key(agency: str) -> SigningKey:
    """The throw-away key of an agency: always the same one, so that processes agree."""
    seed = hashlib.sha256(f"throw-away key of {agency}".encode()).digest()
    return SigningKey(agency, f"{agency}.test", Ed25519PrivateKey.from_private_bytes(seed))


@cache
def world() -> Contracts:
    """The packaged contracts, with the throw-away key of every agency in its contract."""
    packaged = library.load()
    directory = agencies.directory(_keyed(agency) for agency in packaged.agencies.by_code.values())
    return replace(packaged, agencies=directory)


def overlay(folder: Path) -> Path:
    """Write a contracts overlay in which every packaged agency has its throw-away key. Returns the folder."""
    (folder / "agencies").mkdir(parents=True, exist_ok=True)
    for path in files("agencies", None):
        contract = _keyed(read(Agency, path)).model_dump(mode="json", exclude_none=True)
        (folder / "agencies" / path.name).write_text(yaml.safe_dump(contract, allow_unicode=True), encoding="utf-8")
    return folder


def new_exchange() -> str:
    """A fresh id of an exchange: UUIDv7."""
    return str(uuid_utils.uuid7())


@cache
def _example(name: str, variant: str | None) -> bytes:
    folder = EXAMPLES / f"{PREFIX}.{name}.v1"
    refused = folder / f"refused-{variant}.json"
    if refused.exists():
        return canonical(json.loads(refused.read_bytes())["event"])
    return (folder / f"valid-{variant}.json" if variant else min(folder.glob("valid-*.json"))).read_bytes()


def example(name: str, variant: str | None = None) -> Document:
    """The example document of `transfer.sent`: the first valid one, or the one of that variant; unsigned."""
    document: Document = json.loads(_example(name, variant))
    return document


def variants(name: str) -> tuple[str, ...]:
    """The valid examples of a fact, in the order of their names."""
    folder = EXAMPLES / f"{PREFIX}.{name}.v1"
    return tuple(path.stem.removeprefix("valid-") for path in sorted(folder.glob("valid-*.json")))


def fact(name: str, variant: str | None = None, /, **members: Any) -> Fact:
    """The example fact of `transfer.sent`, with members replaced (None leaves one out)."""
    data = {**_object(example(name, variant)["data"]), **members}
    present = {name: value for name, value in data.items() if value is not None}
    return facts()[f"{PREFIX}.{name}.v1"].model_validate_json(canonical(present))


def event(
    source: str,
    stated: Fact,
    *,
    exchange: str,
    kind: str | None = None,
    case: str | None = CASE,
    home: str | None = BUS,
    known: int | None = None,
    leg: str | None = None,
    inname: str | None = None,
    id_: str | None = None,
    time: datetime = TIME,
    signer: str | None = None,
) -> Document:
    """A signed event. A common fact needs its `kind`; `signer` forges."""
    document: Document = {
        "specversion": "1.0",
        "id": id_ or secrets.token_hex(8),
        "source": source,
        "type": stated.type(),
        "time": time.isoformat(),
        "kind": kind or _own_kind(stated),
        "exchange": exchange,
        "data": codec.dump(stated),
    }
    optional: Document = {"case": case, "home": home, "knownsequence": known, "leg": leg, "inname": inname}
    document |= {name: value for name, value in optional.items() if value is not None}
    return sign(document, signer or source)


def sign(document: Mapping[str, Any], signer: str | None = None) -> Document:
    """The document with fresh salts, signed by its source or by another."""
    return codec.sign_event(document, key(signer or str(document["source"])), salt)


def salt() -> str:
    """128 random bits, base64url."""
    return secrets.token_urlsafe(16)


def _own_kind(stated: Fact) -> str:
    kind = kind_of(stated.type())
    if kind == COMMON_KIND:
        raise ValueError(f"{stated.type()} is a fact of every kind: say which")
    return kind


def _keyed(agency: Agency) -> Agency:
    own = key(agency.code)
    return agency.model_copy(update={"keys": (KeyEntry(kid=own.kid, public=own.public()),)})


def _object(value: object) -> dict[str, Any]:
    assert isinstance(value, dict)
    return value
