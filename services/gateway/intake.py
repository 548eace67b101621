"""The gateway's checks of a submission; pure. A courtesy to the caller: the registrar decides by its own.

They come in a fixed order, and the first that fails is the answer: schema (every violation at once), signature, signer,
bus, time, agreement. None of them refuses what the registrar would register, but for what an agency of another bus
states here: its own bus takes that, by its own slip.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from contracts.agreements import Agreement, Agreements
from contracts.canonical import Document
from contracts.codec import Event, content_digest, decode, require_author
from contracts.errors import InvalidEvent, NoAgreement, Violation
from contracts.library import Contracts


@dataclass(frozen=True, slots=True)
class Submission:
    """An event that passed the checks, the topic of its registrar, and the digest of its content."""

    event: Event
    topic: str
    digest: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What the gateway knows it by: (source, id, digest)."""
        return (*self.event.key, self.digest)


def check(document: Document, contracts: Contracts, bus: str, now: datetime, tolerance: timedelta) -> Submission:
    """The submission, if it may go on. Raises InvalidEvent, SignatureError or NoAgreement."""
    event = decode(document)
    topic = contracts.topics.submissions_for(event.envelope.kind)
    if topic is None:
        raise _invalid("kind-elsewhere", "/kind", f"no registrar of this bus decides {event.envelope.kind}")
    require_author(document, contracts.agencies, now)
    hosting = contracts.agencies.elsewhere(event.envelope.source, bus)
    if hosting is not None:
        raise _invalid("home-mismatch", "/source", f"{event.envelope.source} states by its own bus, {hosting}")
    if event.envelope.time > now + tolerance:
        raise _invalid("time-in-future", "/time", f"{event.envelope.time.isoformat()} is ahead of {now.isoformat()}")
    _require_agreement(event, contracts.agreements, now)
    return Submission(event, topic, content_digest(document))


def _require_agreement(event: Event, agreements: Agreements, now: datetime) -> None:
    """Deny at once an agency that no agreement names for this kind, and a letter that no agreement lets it send.

    A fact `sent` addresses its recipient; with all others only the registrar knows who is already a party.
    """
    source, kind = event.envelope.source, event.envelope.kind
    if not any(kind in item.kinds and source in _named(item) for item in agreements.by_id.values()):
        raise NoAgreement(f"no agreement gives {source} a part in a {kind}")
    recipient = getattr(event.fact, "recipient", None)
    addressed = event.fact.name() == "sent" and isinstance(recipient, str)
    if addressed and agreements.allowing(kind, source, str(recipient), now) is None:
        raise NoAgreement(f"no agreement in force lets {source} send a {kind} to {recipient}")


def _named(agreement: Agreement) -> set[str | None]:
    others = (*agreement.copied, *agreement.supervisors, agreement.arbiter)
    return {*agreement.senders, *agreement.recipients, *others}


def _invalid(code: str, pointer: str, detail: str) -> InvalidEvent:
    return InvalidEvent(code, [Violation(pointer, code, detail)])
