"""Signing an event in a file with an agency's key."""

import secrets
from datetime import UTC, datetime

from connectors.http.client import new_id
from contracts.canonical import Document, parse_object, timestamp
from contracts.codec import decode, sign_event
from contracts.disclosure import SALT_BYTES
from contracts.signatures import SigningKey


def sign(body: bytes, key: SigningKey) -> Document:
    """The signed event; what is missing of id, source, time and exchange is filled in.

    Raises MalformedJson, and InvalidEvent with every violation.
    """
    given = parse_object(body)
    filled: Document = {
        "id": new_id(),
        "source": key.agency,
        "time": timestamp(datetime.now(UTC)),
        "exchange": new_id(),
        "datacontenttype": "application/json",
        **given,
    }
    event = sign_event(filled, key, lambda: secrets.token_urlsafe(SALT_BYTES))
    decode(event)
    return event
