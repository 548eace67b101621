"""From the records of exchanges and the stages of their copies to the timeline that a party reads; pure.

    {"kind", "exchange", "case", "home", "status", "ended", "sequence", "hops", "opened", "changed",
     "opener": agency, "parties": [agency + "role"], "legs": {code: status}, "moves": [agency],
     "entries": [{
        "kind", "exchange", "sequence", "recordedtime", "gap_s", "deliveries": [agency + "stage", "attempt", "time"],
        "type", "title_zh", "title_en", "source": agency, "time", "acceptedtime", "status", "moves": [agency],
        "withheld": [pointer], "event", "receipt", "leg"?: agency, "inname"?: agency}]}

    agency = {"agency": code, "name", "name_en"}

An event that the reader may not see is a stub: `{"stub": true}` and the first line of the above, nothing else.
`time` is when the agency says that it happened, `acceptedtime` when the gateway took it, `recordedtime` when it was
registered; they are given as they were signed. `gap_s`: seconds since the step before it in the same exchange that the
reader may see, both by `acceptedtime`; None for the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from pydantic import AwareDatetime, JsonValue, TypeAdapter

from contracts.agencies import Agencies
from contracts.canonical import Document, timestamp
from contracts.codec import fact_type
from contracts.deliveries import StageReached
from contracts.disclosure import withheld
from contracts.records import Record, Standing

_OVERSEERS: Final = frozenset({"supervisor", "arbiter"})
_INSTANT: Final[TypeAdapter[datetime]] = TypeAdapter(AwareDatetime)


@dataclass(frozen=True, slots=True)
class Thread:
    """An exchange as it stands. `opened` and `changed`: when its first and its last event were recorded."""

    kind: str
    exchange: str
    opener: str
    opened: str
    changed: str
    sequence: int
    standing: Standing

    @classmethod
    def of(cls, records: Sequence[Record]) -> Self:
        """The exchange of these records, all of them, in order."""
        first, last = records[0], records[-1]
        return cls(
            kind=last.kind,
            exchange=last.exchange,
            opener=str(first.event["source"]),
            opened=str(first.event["recordedtime"]),
            changed=str(last.event["recordedtime"]),
            sequence=last.sequence,
            standing=last.standing,
        )


def instant(value: JsonValue) -> datetime:
    """The instant of a time in an event, in any spelling that the envelope allows."""
    return _INSTANT.validate_python(value)


def summary(thread: Thread, agencies: Agencies) -> Document:
    """An exchange as it stands, with its parties' names."""
    standing = thread.standing
    return {
        "kind": thread.kind,
        "exchange": thread.exchange,
        "case": standing.case,
        "home": standing.home,
        "status": standing.status,
        "ended": standing.ended,
        "sequence": thread.sequence,
        "hops": standing.hops,
        "opened": thread.opened,
        "changed": thread.changed,
        "opener": _agency(thread.opener, agencies),
        "parties": [
            {**_agency(code, agencies), "role": party.role} for code, party in sorted(standing.parties.items())
        ],
        "legs": {**standing.legs},
        "moves": _agencies(standing.moves, agencies),
    }


def exchange_timeline(
    records: Sequence[Record], stages: Sequence[StageReached], reader: str, agencies: Agencies
) -> Document:
    """The timeline of one exchange for one of its parties. `records` are all of the exchange, in order."""
    thread = Thread.of(records)
    entries = _entries(records, stages, reader, thread.standing, agencies)
    return {**summary(thread, agencies), "entries": [*entries]}


def case_timeline(
    case: str,
    exchanges: Sequence[tuple[Sequence[Record], Sequence[StageReached]]],
    reader: str,
    agencies: Agencies,
) -> Document:
    """The timelines of exchanges of one case, each with its records and stages, merged by `recordedtime`."""
    threads = [Thread.of(records) for records, _ in exchanges]
    entries: list[tuple[datetime, str, str, Document]] = []
    for thread, (records, stages) in zip(threads, exchanges, strict=True):
        for record, entry in zip(records, _entries(records, stages, reader, thread.standing, agencies), strict=True):
            entries.append((instant(record.event["recordedtime"]), thread.kind, thread.exchange, entry))
    entries.sort(key=lambda item: item[:3])
    threads.sort(key=lambda thread: (instant(thread.opened), thread.kind, thread.exchange))
    return {
        "case": case,
        "exchanges": [summary(thread, agencies) for thread in threads],
        "entries": [entry for _, _, _, entry in entries],
    }


def _entries(
    records: Sequence[Record],
    stages: Sequence[StageReached],
    reader: str,
    newest: Standing,
    agencies: Agencies,
) -> list[Document]:
    by_sequence: dict[int, list[StageReached]] = {}
    for stage in stages:
        by_sequence.setdefault(stage.sequence, []).append(stage)
    entries: list[Document] = []
    before: datetime | None = None
    for record in records:
        seen = record.seen_by(reader, newest)
        stub = bool(seen.get("stub"))
        accepted = None if stub else instant(record.event["acceptedtime"])
        entry: Document = {
            "kind": record.kind,
            "exchange": record.exchange,
            "sequence": record.sequence,
            "recordedtime": record.event["recordedtime"],
            "gap_s": _gap(before, accepted),
            "deliveries": _deliveries(by_sequence.get(record.sequence, []), record, reader, newest, agencies),
        }
        entries.append({**entry, "stub": True} if stub else {**entry, **_statement(record, seen, agencies)})
        before = accepted or before
    return entries


def _statement(record: Record, seen: Document, agencies: Agencies) -> Document:
    """What an event says, for one who may see it."""
    fact = fact_type(record.event["type"])
    data = seen.get("data")
    hidden = withheld(data) if isinstance(data, dict) else []
    statement: Document = {
        "type": record.event["type"],
        "title_zh": fact.title_zh,
        "title_en": fact.name().replace("_", " ").capitalize(),
        "source": _agency(str(record.event["source"]), agencies),
        "time": record.event["time"],
        "acceptedtime": record.event["acceptedtime"],
        "status": record.standing.status,
        "moves": _agencies(record.standing.moves, agencies),
        "withheld": [f"/data{pointer}" for pointer in hidden],
        "event": seen,
        "receipt": record.receipt,
    }
    for name in ("leg", "inname"):
        code = record.event.get(name)
        if isinstance(code, str):
            statement[name] = _agency(code, agencies)
    return statement


def _deliveries(
    stages: Sequence[StageReached], record: Record, reader: str, newest: Standing, agencies: Agencies
) -> list[JsonValue]:
    """The author and the overseers learn of everybody's copies, others of their own."""
    everybody = reader == record.event["source"] or newest.parties[reader].role in _OVERSEERS
    return [
        {
            **_agency(stage.recipient, agencies),
            "stage": stage.stage,
            "attempt": stage.attempt,
            "time": timestamp(stage.time),
        }
        for stage in sorted(stages, key=lambda stage: (stage.recipient, stage.time, stage.stage))
        if everybody or stage.recipient == reader
    ]


def _gap(before: datetime | None, accepted: datetime | None) -> JsonValue:
    return None if before is None or accepted is None else round((accepted - before).total_seconds(), 3)


def _agencies(codes: Sequence[str], agencies: Agencies) -> list[JsonValue]:
    return [_agency(code, agencies) for code in codes]


def _agency(code: str, agencies: Agencies) -> Document:
    agency = agencies.get(code)
    return {
        "agency": code,
        "name": agency.name if agency else code,
        "name_en": agency.name_en if agency else code,
    }
