"""What a party gets of a registered event, and a submitter of a rejection, as an item of an inbox; pure.

    {"cursor", "kind": "event", "event", "standing": {"status", "ended", "moves"}, "receipt", "crosswalk"}
    {"cursor", "kind": "stub", "stub"}              an event that the party may not see
    {"cursor", "kind": "rejection", "rejection"}    of a submission of the agency's own

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


@dataclass(frozen=True, slots=True)
class Copy:
    """Which event a party gets: the exchange is (kind, exchange)."""

    kind: str
    exchange: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Parcel:
    """An item before it has its place. `what`: the copy, or a digest of what is none; the same comes only once.

    thread: the exchange, (kind, id), in whose order something stands that is no copy.
    """

    agency: str
    what: Copy | bytes
    body: bytes
    thread: tuple[str, str] | None = None

    def item(self, cursor: str) -> bytes:
        """The bytes of the item; `cursor` is plain ASCII."""
        return b'{"cursor":"' + cursor.encode() + b'",' + self.body[1:]


def _everybody(_agency: str) -> bool:
    return True


def copies(
    run: Sequence[Record],
    history: Sequence[Record],
    progress: Mapping[str, int],
    crosswalk: Crosswalk,
    here: Callable[[str], bool] = _everybody,
) -> list[Parcel]:
    """The parcels of one exchange's new records, in order. `here`: whether this bus hosts a party; no other gets any.

    `run` continues `history`, which begins at sequence 1 and may be empty where every party has it. `progress` is the
    last sequence that each agency has. A party that an event brings in first gets everything that went before; each
    copy is cut by the standing after the event with which it is delivered, so that a rebuild cuts the same.
    """
    known = {record.sequence: record for record in (*history, *run)}
    has = dict(progress)
    parcels: list[Parcel] = []
    for newest in run:
        for agency in sorted(filter(here, newest.standing.parties)):
            missing = range(has.get(agency, 0) + 1, newest.sequence + 1)
            parcels += [_parcel(known[sequence], agency, newest.standing, crosswalk) for sequence in missing]
            has[agency] = newest.sequence
    return parcels


def needs_history(run: Sequence[Record], progress: Mapping[str, int], here: Callable[[str], bool] = _everybody) -> bool:
    """Whether some party of these records that this bus hosts lacks what went before them."""
    before = run[0].sequence - 1
    return any(progress.get(agency, 0) < before for agency in filter(here, run[-1].standing.parties))


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


def _parcel(record: Record, agency: str, standing: Standing, crosswalk: Crosswalk) -> Parcel:
    what = Copy(record.kind, record.exchange, record.sequence)
    seen = record.seen_by(agency, standing)
    if seen.get("stub"):
        return Parcel(agency, what, canonical({"kind": "stub", "stub": seen}))
    return Parcel(agency, what, canonical({**_body(record, agency, seen), **_crosswalk(seen, agency, crosswalk)}))


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
