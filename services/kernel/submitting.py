"""What goes to a registrar: a submission with its acceptance slip, or a mirrored record with the slip of its relay.

Both slips are sealed by this bus's gateway, but for that of a submission which another bus took from an agency that it
hosts: there the slip is that bus's.
"""

from datetime import datetime

from connectors.kafka.producer import Message
from contracts.canonical import Document, canonical, digest, parse_object, timestamp
from contracts.records import Record, slip
from contracts.signatures import SigningKey, seal


def submission(document: Document, accepted: datetime, key: SigningKey, topic: str) -> tuple[Message, Document]:
    """The message for the registrar's topic, and the sealed slip in it. `key` is the bus's."""
    sealed = seal(slip(document, key.agency, timestamp(accepted)), key)
    return relayed(document, sealed, topic), sealed


def relayed(document: Document, slip_: Document, topic: str) -> Message:
    """The message of a submission that has its slip."""
    value = canonical({"event": document, "slip": slip_})
    return Message(topic=topic, key=str(document["exchange"]).encode(), value=value)


def mirroring(record: Record, taken: datetime, key: SigningKey, topic: str) -> Message:
    """The message of a record of an exchange that another bus keeps. `key` is ours: we have checked it."""
    document = parse_object(record.to_bytes())
    about: Document = {"slip": "mirrored", "bus": key.agency, "digest": digest(document), "takentime": timestamp(taken)}
    value = canonical({"mirror": document, "slip": seal(about, key)})
    return Message(topic=topic, key=record.exchange.encode(), value=value)
