"""From bytes to a typed event and back: the one place where an event is decoded, signed, verified and cut.

document  = the JSON object of a CloudEvent, as submitted or registered
Event     = a document that keeps to its schema, with its typed envelope and fact
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Final, get_args

from pydantic import BaseModel, JsonValue, ValidationError

from contracts import codes
from contracts.agencies import Agencies
from contracts.canonical import Document, canonical, digest
from contracts.codes import CodeSystem
from contracts.disclosure import blinded, cut, parts_of, require_salts, salted
from contracts.errors import CodeError, DisclosureError, InvalidEvent, SignatureError, Violation
from contracts.signatures import SIGNATURE, Keyring, SigningKey, verify
from events.envelope import BUS_ATTRIBUTES, SALTS, Envelope, RegisteredEnvelope
from events.fact import Fact
from events.fields import Coded, FieldClass
from events.registry import COMMON_KIND, facts, kind_of, kinds

_SUSPICIOUS: Final = re.compile(rb"\\[ubf]|\x7f|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Event:
    """A fact and its envelope, checked against their schemas; `document` is what was signed and is kept."""

    document: Document
    envelope: Envelope
    fact: Fact

    @property
    def key(self) -> tuple[str, str]:
        """(source, id): what a submission is known by, as CloudEvents defines."""
        return self.envelope.source, self.envelope.id

    @property
    def data(self) -> dict[str, JsonValue]:
        """The data with its salts."""
        return self.envelope.data


def decode(document: Mapping[str, JsonValue]) -> Event:
    """The typed event of a submitted document. Raises InvalidEvent with every violation at once."""
    return _decode(dict(document), Envelope)


def decode_registered(document: Mapping[str, JsonValue]) -> Event:
    """The typed event of a registered document, with the bus's attributes. Raises InvalidEvent."""
    return _decode(dict(document), RegisteredEnvelope)


def require_envelope(document: Mapping[str, JsonValue]) -> None:
    """Make sure that a registered document is well made but for its data, of which a copy withholds some.

    Raises InvalidEvent.
    """
    _, violations = _envelope(dict(document), RegisteredEnvelope)
    violations += _unprintable(dict(document))
    if violations:
        raise InvalidEvent("schema-violation", violations)


def signing_form(document: Mapping[str, JsonValue]) -> bytes:
    """The bytes that the agency signs: no signature, no bus attributes, classified members as digests.

    Raises DisclosureError when a salt names a member that is not there.
    """
    attributes = {
        name: value
        for name, value in document.items()
        if name != SIGNATURE and name not in BUS_ATTRIBUTES and name != "data"
    }
    data = document.get("data")
    return canonical({**attributes, "data": blinded(data) if isinstance(data, dict) else data})


def content_digest(document: Mapping[str, JsonValue]) -> str:
    """The digest by which two submissions are called the same: the content without signature and salts."""
    content: Document = {
        name: value for name, value in document.items() if name != SIGNATURE and name not in BUS_ATTRIBUTES
    }
    data = content.get("data")
    if isinstance(data, dict):
        content["data"] = {name: value for name, value in data.items() if name != SALTS}
    return digest(content)


def sign_event(document: Mapping[str, JsonValue], key: SigningKey, salt: Callable[[], str]) -> Document:
    """The document with salts for its classified members and the agency's signature.

    Raises InvalidEvent for an unknown type.
    """
    fact = fact_type(document.get("type"))
    data = document.get("data")
    body: Document = {name: value for name, value in document.items() if name != SIGNATURE}
    body["data"] = salted(fact, data, salt) if isinstance(data, dict) else data
    return {**body, SIGNATURE: key.sign(signing_form(body))}


def verify_event(document: Mapping[str, JsonValue], keys: Keyring, at: datetime) -> str:
    """The agency that signed this event or copy, readable members checked against their digests.

    Raises SignatureError, also when a readable member was changed.
    """
    try:
        payload = signing_form(document)
    except DisclosureError as error:
        raise SignatureError(str(error), "signature-invalid") from error
    return verify(document.get(SIGNATURE), payload, keys, at)


def require_author(document: Mapping[str, JsonValue], agencies: Agencies, at: datetime) -> None:
    """Make sure that the event is its source's: signed by it, or by its bus where the contract lets it (`signs_for`).

    Raises SignatureError.
    """
    signer, source = verify_event(document, agencies, at), document.get("source")
    said = document.get("signedby")
    if signer == source and said is None:
        return
    if signer != (said or source):
        raise SignatureError(f"signed by {signer}, but it says {said or source}", "source-mismatch")
    agency = agencies.get(str(source))
    if agency is None or signer != agency.home or not agency.channel.signs_for:
        raise SignatureError(f"the contract of {source} does not let {signer} sign for it", "source-mismatch")


def copy_for(event: Document, allowed: Collection[FieldClass]) -> Document:
    """A copy for a reader who may see these classes; it still verifies. Raises InvalidEvent."""
    data = event.get("data")
    if not isinstance(data, dict):
        return event
    return {**event, "data": cut(fact_type(event.get("type")), data, allowed)}


def fact_type(type_: JsonValue) -> type[Fact]:
    """The class of a type on the wire. Raises InvalidEvent `type-unknown`."""
    fact = facts().get(type_) if isinstance(type_, str) else None
    if fact is None:
        detail = f"{str(type_)[:128]!r} is not an event type of this bus; GET /v1/contracts/schemas lists them"
        raise InvalidEvent("type-unknown", [Violation("/type", "type-unknown", detail)])
    return fact


def dump(fact: Fact) -> dict[str, JsonValue]:
    """The `data` of a fact; absent optional members are left out."""
    return fact.model_dump(mode="json", exclude_none=True)


def _decode(document: Document, envelope_type: type[Envelope]) -> Event:
    fact_class = fact_type(document.get("type"))
    envelope, violations = _envelope(document, envelope_type)
    violations += _unprintable(document)
    fact: Fact | None = None
    data = document.get("data")
    if isinstance(data, dict):
        fact, wrong = _fact(fact_class, data)
        violations += wrong
    if envelope is None or fact is None or violations:
        raise InvalidEvent("schema-violation", violations)
    return Event(document, envelope, fact)


def _envelope(document: Document, envelope_type: type[Envelope]) -> tuple[Envelope | None, list[Violation]]:
    try:
        envelope = envelope_type.model_validate_json(canonical(document))
    except ValidationError as error:
        return None, _violations(error, "")
    if kind_of(envelope.type) not in {envelope.kind, COMMON_KIND}:
        return envelope, [Violation("/kind", "kind-mismatch", f"{envelope.type} is not a fact of {envelope.kind}")]
    if envelope.kind not in kinds():
        return envelope, [
            Violation("/kind", "kind-unknown", f"there is no kind {envelope.kind!r}; known: {', '.join(kinds())}")
        ]
    return envelope, []


def _fact(fact_class: type[Fact], data: Document) -> tuple[Fact | None, list[Violation]]:
    bare = {name: value for name, value in data.items() if name != SALTS}
    try:
        fact = fact_class.model_validate_json(canonical(bare))
    except ValidationError as error:
        return None, _violations(error, "/data")
    violations = list(_wrong_codes(fact, "/data"))
    try:
        require_salts(fact_class, data)
    except DisclosureError as error:
        violations.append(Violation(f"/data{error.pointer}", "salts", str(error)))
    return fact, violations


def _unprintable(document: Document) -> list[Violation]:
    """Every string with a control character in it: databases, terminals and papers take them for something else."""
    # Escapes and a few UTF-8 sequences betray them in the bytes, so that a clean document is not walked.
    if _SUSPICIOUS.search(canonical(document)) is None:
        return []
    return list(_control_characters(document, ""))


def _control_characters(value: JsonValue, pointer: str) -> Iterator[Violation]:
    if isinstance(value, str) and _CONTROL.search(value):
        yield Violation(pointer, "control-character", "control and text-direction characters are not allowed")
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _control_characters(item, f"{pointer}/{_escape(name)}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _control_characters(item, f"{pointer}/{index}")


def _violations(error: ValidationError, prefix: str) -> list[Violation]:
    return [
        Violation(prefix + "".join(f"/{_escape(part)}" for part in item["loc"]), item["type"], item["msg"])
        for item in error.errors(include_url=False, include_input=False, include_context=False)
    ]


def _escape(part: int | str) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")


def _wrong_codes(part: object, pointer: str) -> list[Violation]:
    """Every coded member, at any depth, whose value is not of its code system."""
    if isinstance(part, BaseModel):
        found: list[Violation] = []
        for name, system in _systems(type(part)).items():
            value = getattr(part, name)
            here = f"{pointer}/{name}"
            found += _wrong_code(system, value, here) if system else _wrong_codes(value, here)
        return found
    if isinstance(part, (tuple, list)):
        return [wrong for index, item in enumerate(part) for wrong in _wrong_codes(item, f"{pointer}/{index}")]
    return []


@cache
def _systems(model: type[BaseModel]) -> Mapping[str, str | None]:
    """The code system of each member that has one, and None for each that holds parts of its own."""
    found = {name: _system(field.metadata, field.annotation) for name, field in model.model_fields.items()}
    return {
        name: system
        for name, system in found.items()
        if system is not None or any(parts_of(model.model_fields[name].annotation))
    }


def _system(metadata: list[object], annotation: object) -> str | None:
    marks = [*metadata, *(getattr(annotation, "__metadata__", ()))]
    for argument in get_args(annotation):
        marks += getattr(argument, "__metadata__", ())
    return next((mark.system for mark in marks if isinstance(mark, Coded)), None)


def _wrong_code(system: str, value: object, pointer: str) -> list[Violation]:
    values = value if isinstance(value, (tuple, list)) else [value]
    found: list[Violation] = []
    for item in values:
        try:
            if isinstance(item, str) and (stored := codes.validate(system, item)) != item:
                # What is signed is kept as it is, so it must be in the form in which it is kept.
                # The value itself may be personal, and what is wrong is also logged.
                said = f"write it as {stored}" if system == CodeSystem.DOCUMENT_NUMBER else "not in its one form"
                found.append(Violation(pointer, "code-form", f"{system}: {said}"))
        except CodeError as error:
            found.append(Violation(pointer, "code-invalid", str(error)))
    return found
