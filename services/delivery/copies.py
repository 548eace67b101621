"""What a party gets of a registered event, and a submitter of a rejection, as an item of an inbox; pure.

    {"cursor", "kind": "event", "event", "standing": {"status", "ended", "moves"}, "receipt", "crosswalk"}
    {"cursor", "kind": "stub", "stub"}              an event that the party may not see
    {"cursor", "kind": "rejection", "rejection"}    of a submission of the agency's own
    {"cursor", "kind": "evidence", "evidence"}      that a copy of the agency's own fact reached somebody not in time

`crosswalk` is there only if the event comes from another province and names a cause or a place.
An item is made once and kept as bytes, so that what was delivered can be shown years later.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from contracts.calendar import SHANGHAI
from contracts.canonical import Document, canonical, instant, parse_object
from contracts.crosswalk import Crosswalk
from contracts.records import REJECTION, Record, Standing, Statement
from services.kernel.parties import due, everybody


@dataclass(frozen=True, slots=True)
class Copy:
    """Which event a party gets: the exchange is (kind, exchange)."""

    kind: str
    exchange: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Parcel:
    """An item before it has its place. `what`: the copy, or a digest of what is none; the same comes only once.

    author: who stated the event, if the recipient may know it. thread: the exchange, (kind, id), in whose order
    something stands that is no copy.
    """

    agency: str
    what: Copy | bytes
    body: bytes
    author: str | None = None
    thread: tuple[str, str] | None = None

    def item(self, cursor: str) -> bytes:
        """The bytes of the item; `cursor` is plain ASCII."""
        return b'{"cursor":"' + cursor.encode() + b'",' + self.body[1:]


def copies(
    run: Sequence[Record],
    history: Sequence[Record],
    progress: Mapping[str, int],
    crosswalk: Crosswalk,
    here: Callable[[str], bool] = everybody,
) -> list[Parcel]:
    """The parcels of one exchange's new records, in order. `here`: whether this bus hosts a party; no other gets any.

    `run`, `history` and `progress` are those of `due`, which says what is due to whom.
    """
    return [
        _parcel(record, agency, standing, crosswalk) for record, agency, standing in due(run, history, progress, here)
    ]


def rejected(value: bytes) -> Parcel | None:
    """The parcel of an outcome, if it is a rejection. Raises MalformedJson.

    The same rejection, stated again, has the same bytes; another attempt under the same id is told again.
    """
    sealed = Statement.from_bytes(value).document
    document = parse_object(sealed)
    source = document.get("source")
    if document.get("outcome") != REJECTION or not isinstance(source, str):
        return None
    return Parcel(source, hashlib.sha256(sealed).digest(), b'{"kind":"rejection","rejection":' + sealed + b"}")


def evidence(statement: Document, author: str) -> Parcel:
    """The parcel of a sealed statement that a copy did not arrive in time, for who stated the event."""
    body = canonical({"kind": "evidence", "evidence": statement})
    return Parcel(author, hashlib.sha256(canonical(statement)).digest(), body)


def _parcel(record: Record, agency: str, standing: Standing, crosswalk: Crosswalk) -> Parcel:
    what = Copy(record.kind, record.exchange, record.sequence)
    seen = record.seen_by(agency, standing)
    if seen.get("stub"):
        return Parcel(agency, what, canonical({"kind": "stub", "stub": seen}))
    body = canonical({**_body(record, agency, seen), **_crosswalk(seen, agency, crosswalk)})
    return Parcel(agency, what, body, str(seen["source"]))


def _body(record: Record, agency: str, seen: Document) -> Document:
    after = record.standing.told_to(agency)
    return {
        "kind": "event",
        "event": seen,
        "standing": {"status": after.status, "ended": after.ended, "moves": [*after.moves]},
        "receipt": record.receipt,
    }


def _crosswalk(seen: Document, agency: str, crosswalk: Crosswalk) -> Document:
    """What goes beside a copy in another province: from the cut copy, and in the version of the day of acceptance."""
    accepted = instant(seen["acceptedtime"]).astimezone(SHANGHAI).date()
    crossed = crosswalk.cross(seen, agency, accepted)
    return {"crosswalk": crossed.document()} if crossed else {}
