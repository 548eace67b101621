"""Verifying one event offline, from its file and the agencies' public keys alone."""

from datetime import UTC, datetime
from pathlib import Path

from contracts import library
from contracts.canonical import parse_object
from contracts.codec import require_author
from contracts.disclosure import withheld
from contracts.errors import ContractError, SignatureError


def verify(body: bytes, contracts: Path | None) -> tuple[bool, list[str]]:
    """Whether the event in `body` verifies, and what to tell. Raises MalformedJson or UnusableContract."""
    document = parse_object(body)
    event = document.get("event", document)
    if not isinstance(event, dict):
        raise ContractError("the file holds no event")
    agencies = library.load(contracts).agencies
    try:
        # A key counts at the time when the bus took the event; an unregistered one is judged as of now.
        at = datetime.fromisoformat(str(event["acceptedtime"])) if "acceptedtime" in event else datetime.now(UTC)
        require_author(event, agencies, at)
    except SignatureError as error:
        return False, [f"NOT VALID ({error.code}): {error}"]
    except ValueError as error:
        return False, [f"NOT VALID: acceptedtime is not an instant: {error}"]
    source, signer = str(event.get("source")), event.get("signedby")
    signed = f"{source} {agencies.name(source)}" + (f", signed in its name by {signer}" if signer else "")
    data = event.get("data")
    hidden = withheld(data) if isinstance(data, dict) else []
    lines = [
        f"valid: signed by {signed}" if not signer else f"valid: of {signed}",
        f"  {event.get('type')}  {event.get('kind')} {event.get('exchange')}  sequence {event.get('sequence', '–')}",
    ]
    return True, [*lines, f"  withheld: {', '.join(hidden)}" if hidden else "  nothing withheld"]
