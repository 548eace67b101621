"""From the records of exchanges and the stages of their copies to the timeline that a party reads; pure.

    {"kind", "exchange", "case", "home", "status", "ended", "sequence", "hops", "opened", "changed",
     "opener": agency, "parties": [agency + "role"], "legs": {code: status}, "moves": [agency],
     "entries": [{
        "kind", "exchange", "sequence", "recordedtime", "gap_s",
        "deliveries": [agency + "stage", "attempt", "time", "reason"?],
        "type", "title_zh", "title_en", "source": agency, "time", "acceptedtime", "status", "moves": [agency],
        "withheld": [pointer], "event", "receipt", "leg"?: agency, "inname"?: agency,
        "signedby"?: agency}],
     "running": [{"rule", "agency": code, "due", "overdue"}],
     "clocks": [{
        "rule", "version", "title_zh", "title_en", "agency": agency, "started_by": sequence, "started_at",
        "due", "original_due", "state", "overdue", "late_s", "stopped_by": sequence, "stopped_at",
        "warned": sequence, "expired": sequence, "annulled": sequence, "extensions": [sequence],
        "suspensions": [[from, to]], "provisional": [year], "basis", "verified", "trace": [line], "undetermined"?}],
     "delay": {
        "from", "to", "span_s", "totals": [{"account": agency, "cause", "cause_zh", "seconds"}],
        "segments": [{"from", "to", "seconds", "account": agency, "cause", "cause_zh", "after": sequence}]},
     "links": [`services.audit.links`]}

    agency = {"agency": code, "name", "name_en"}

The timeline of a case:

    {"case", "entries": [as above, of all its exchanges], "links": [`services.audit.links`],
     "exchanges": [the above without "entries" and "links"], "delay": {"totals": [as above, over the exchanges]}}

Over HTTP a case comes in pages, each of which is such a document of some of its exchanges, with "more" and "cursor".

An event that the reader may not see is a stub: `{"stub": true}` and the first line of the above, nothing else.
`time` is when the agency says that it happened, `acceptedtime` when the gateway took it, `recordedtime` when it was
registered; they are given as they were signed. `gap_s`: seconds since the step before it in the same exchange that the
reader may see, both by `acceptedtime`; None for the first.

`clocks` are all that the exchange had (`contracts.clocks`), `running` names those whose duty stands. `state`: running,
suspended, met, late or void; `overdue`: it runs and is past due; `late_s`: seconds by which the duty was done late, or
is late by now; the last of `suspensions` has no `to` as long as it lasts. A clock that an event started, stopped or
changed of which the reader gets a stub is not there at all. `undetermined`, instead of overdue: the bus that hosts the
agency has not said yet that all from before it was due is here; a link is behind.

`delay` says whose the time was (`services.audit.delay`), to the end or, in an open exchange, to now. Of the time after
an event of which the reader gets a stub it says whose it was, and not what for: cause `withheld`; such an event counts
from its `recordedtime`, which the stub tells, others from `acceptedtime`. `seconds` have six digits at most; read as
decimals, they add up to `span_s` exactly.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from pydantic import JsonValue

from contracts.agencies import Agencies
from contracts.calendar import Calendars
from contracts.canonical import Document, instant, timestamp
from contracts.clocks import Clock, History, clocks
from contracts.codec import fact_type
from contracts.deliveries import StageReached
from contracts.disclosure import withheld
from contracts.horizons import Horizons
from contracts.outages import Outage
from contracts.records import RECIPIENT, Record, Standing
from contracts.rules import Rules
from services.audit.delay import CAUSES_ZH, Segment, Split, Totals, delivered, split, summed

_OVERSEERS: Final = frozenset({"supervisor", "arbiter"})


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
            opener=first.opener,
            opened=str(first.event["recordedtime"]),
            changed=str(last.event["recordedtime"]),
            sequence=last.sequence,
            standing=last.standing,
        )


def summary(thread: Thread, agencies: Agencies, reader: str) -> Document:
    """An exchange as it stands for one of its parties, with the parties' names."""
    standing = thread.standing.told_to(reader)
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
    records: Sequence[Record],
    stages: Sequence[StageReached],
    outages: Sequence[Outage],
    reader: str,
    agencies: Agencies,
    *,
    now: datetime,
    rules: Rules,
    calendars: Calendars,
    horizons: Horizons | None = None,
) -> Document:
    """The timeline of one exchange for one of its parties. `records` are all of the exchange, in order.

    `outages`: of the bus; `now`: legal time, aware; `horizons`: of other buses, if there are any.
    """
    told = _told_to(reader, records)
    thread = Thread.of(told)
    entries = _entries(told, stages, reader, records[-1].standing, agencies)
    hidden = _hidden(entries)
    own = _own(reader, records[-1])
    found = _seen_clocks(told, stages, hidden, own=own, rules=rules, calendars=calendars)
    delay = split(told, stages, outages, now, hidden)
    head = _head(thread, found, delay, agencies, reader=reader, at=_Now(now, horizons))
    return {**head, "entries": [*entries]}


def case_timeline(
    case: str,
    exchanges: Sequence[tuple[Sequence[Record], Sequence[StageReached]]],
    outages: Sequence[Outage],
    reader: str,
    agencies: Agencies,
    *,
    now: datetime,
    rules: Rules,
    calendars: Calendars,
    horizons: Horizons | None = None,
) -> Document:
    """The timelines of exchanges of one case, each with its records and stages, merged by `recordedtime`."""
    heads: list[tuple[datetime, str, str, Document]] = []
    entries: list[tuple[datetime, str, str, Document]] = []
    segments: list[Segment] = []
    for registered, stages in exchanges:
        records = _told_to(reader, registered)
        thread = Thread.of(records)
        told = _entries(records, stages, reader, registered[-1].standing, agencies)
        hidden = _hidden(told)
        own = _own(reader, registered[-1])
        found = _seen_clocks(records, stages, hidden, own=own, rules=rules, calendars=calendars)
        delay = split(records, stages, outages, now, hidden)
        segments += delay.segments
        head = _head(thread, found, delay, agencies, reader=reader, at=_Now(now, horizons))
        heads.append((instant(thread.opened), thread.kind, thread.exchange, head))
        for record, entry in zip(records, told, strict=True):
            entries.append((instant(record.event["recordedtime"]), thread.kind, thread.exchange, entry))
    return {
        "case": case,
        "exchanges": [head for _, _, _, head in sorted(heads, key=lambda item: item[:3])],
        "delay": {"totals": _totals(summed(segments), agencies)},
        "entries": [entry for _, _, _, entry in sorted(entries, key=lambda item: item[:3])],
    }


def _told_to(reader: str, records: Sequence[Record]) -> Sequence[Record]:
    """The records with the standing that the reader may know of: where addressees learn nothing of each other, its own.

    So whose delay it was is told as if the others were not there.
    """
    if records[-1].standing.parts is None:
        return records
    return [record.model_copy(update={"standing": record.standing.told_to(reader)}) for record in records]


def _own(reader: str, newest: Record) -> str | None:
    """The reader, if it is told of its own leg and of no other."""
    return reader if newest.standing.told_to(reader) is not newest.standing else None


def _head(
    thread: Thread, found: Sequence[Clock], delay: Split, agencies: Agencies, *, reader: str, at: "_Now"
) -> Document:
    """What a timeline says besides its entries."""
    return {
        **summary(thread, agencies, reader),
        "running": [
            {
                "rule": item.rule.id,
                "agency": item.agency,
                "due": timestamp(item.due.instant),
                "overdue": at.overdue(item),
            }
            for item in found
            if item.running
        ],
        "clocks": [_clock(item, agencies, at) for item in found],
        "delay": {
            "from": timestamp(delay.begun),
            "to": timestamp(delay.ended),
            "span_s": delay.span.total_seconds(),
            "segments": [_segment(item, agencies) for item in delay.segments],
            "totals": _totals(delay.totals(), agencies),
        },
    }


def _hidden(entries: Sequence[Document]) -> frozenset[int]:
    """The sequences of the stubs."""
    return frozenset(int(str(entry["sequence"])) for entry in entries if "stub" in entry)


def _seen_clocks(
    records: Sequence[Record],
    stages: Sequence[StageReached],
    hidden: AbstractSet[int],
    *,
    own: str | None,
    rules: Rules,
    calendars: Calendars,
) -> list[Clock]:
    """The clocks that tell nothing of what is hidden: the name of a rule tells what started and what stopped it.

    `own`: of the addressees' clocks only this one's.
    """
    every = clocks(History.of(records, delivered(stages)), rules, calendars)
    found = [item for item in every if own in {None, item.agency} or item.rule.duty != RECIPIENT]
    # What suspended a clock, it knows only by its time.
    times = {instant(record.acceptedtime) for record in records if record.sequence in hidden}
    return [
        item
        for item in found
        if not hidden & _touched(item) and not times & {at for period in _suspensions(item) for at in period}
    ]


def _touched(item: Clock) -> set[int | None]:
    """The sequences of the events that made a clock what it is."""
    said = {item.warned, item.expired, item.annulled, *item.extensions, *item.recomputed}
    return {item.started_by, item.stopped_by, *said}


def _suspensions(item: Clock) -> list[tuple[datetime, datetime | None]]:
    """The periods in which a clock stood still; the one that lasts has no end."""
    lasting = [(item.suspended_at, None)] if item.suspended_at else []
    return [*item.suspensions, *lasting]


def _clock(item: Clock, agencies: Agencies, at: "_Now") -> Document:
    return {
        "rule": item.rule.id,
        "version": item.rule.version,
        "title_zh": item.rule.title_zh,
        "title_en": item.rule.title,
        "agency": _agency(item.agency, agencies),
        "started_by": item.started_by,
        "started_at": timestamp(item.started_at),
        "due": timestamp(item.due.instant),
        "original_due": timestamp(item.original),
        "state": item.state.value,
        "overdue": at.overdue(item),
        "late_s": item.overdue(at.now).total_seconds(),
        "stopped_by": item.stopped_by,
        "stopped_at": timestamp(item.stopped_at) if item.stopped_at else None,
        "warned": item.warned,
        "expired": item.expired,
        "annulled": item.annulled,
        "extensions": [*item.extensions],
        "suspensions": [[timestamp(begun), timestamp(ended) if ended else None] for begun, ended in _suspensions(item)],
        "provisional": [*item.due.provisional],
        "basis": item.due.basis,
        "verified": item.rule.source.verified,
        "trace": [*item.due.trace],
        **({"undetermined": True} if at.undetermined(item) else {}),
    }


@dataclass(frozen=True, slots=True)
class _Now:
    """Legal time, and how far other buses are by then."""

    now: datetime
    horizons: Horizons | None

    def overdue(self, item: Clock) -> bool:
        return self._past_due(item) and not self.undetermined(item)

    def undetermined(self, item: Clock) -> bool:
        behind = self.horizons is not None and not self.horizons.passed(item.agency, item.due.instant)
        return behind and self._past_due(item)

    def _past_due(self, item: Clock) -> bool:
        return item.running and item.overdue(self.now) > timedelta()


def _segment(item: Segment, agencies: Agencies) -> Document:
    return {
        "from": timestamp(item.begun),
        "to": timestamp(item.ended),
        "seconds": item.length.total_seconds(),
        "account": _agency(item.account, agencies),
        "cause": item.cause.value,
        "cause_zh": CAUSES_ZH[item.cause],
        "after": item.after,
    }


def _totals(totals: Totals, agencies: Agencies) -> list[JsonValue]:
    return [
        {
            "account": _agency(account, agencies),
            "cause": cause.value,
            "cause_zh": CAUSES_ZH[cause],
            "seconds": length.total_seconds(),
        }
        for (account, cause), length in totals.items()
    ]


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
        accepted = None if stub else instant(record.acceptedtime)
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
        "source": _agency(record.source, agencies),
        "time": record.event["time"],
        "acceptedtime": record.event["acceptedtime"],
        "status": record.standing.status,
        "moves": _agencies(record.standing.moves, agencies),
        "withheld": [f"/data{pointer}" for pointer in hidden],
        "event": seen,
        "receipt": record.receipt,
    }
    for name in ("leg", "inname", "signedby"):
        code = record.event.get(name)
        if isinstance(code, str):
            statement[name] = _agency(code, agencies)
    return statement


def _deliveries(
    stages: Sequence[StageReached], record: Record, reader: str, newest: Standing, agencies: Agencies
) -> list[JsonValue]:
    """The author and the overseers learn of everybody's copies, others of their own."""
    everybody = reader == record.source or newest.parties[reader].role in _OVERSEERS
    return [
        {
            **_agency(stage.recipient, agencies),
            "stage": stage.stage,
            "attempt": stage.attempt,
            "time": timestamp(stage.time),
            **({"reason": stage.reason} if stage.reason else {}),
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
