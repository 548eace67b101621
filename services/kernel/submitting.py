"""A submission as it goes to its registrar: the event and the acceptance slip, sealed by the bus."""

from datetime import datetime

from connectors.kafka.producer import Message
from contracts.canonical import Document, canonical, timestamp
from contracts.records import slip
from contracts.signatures import SigningKey, seal


def submission(document: Document, accepted: datetime, key: SigningKey, topic: str) -> tuple[Message, Document]:
    """The message for the registrar's topic, and the sealed slip in it. `key` is the bus's."""
    sealed = seal(slip(document, key.agency, timestamp(accepted)), key)
    value = canonical({"event": document, "slip": sealed})
    return Message(topic=topic, key=str(document["exchange"]).encode(), value=value), sealed
