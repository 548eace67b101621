"""Timelines as files for other tools: a spreadsheet, an object-centric event log, an event log; pure.

    csv_of(timeline)      one row for every entry; UTF-8 with a byte order mark, times with the offset of Shanghai
    ocel_of(timelines)    OCEL 2.0 JSON: cases, exchanges, agencies and clocks, and the events that touch them
    xes_of(timelines)     XES (IEEE 1849): one trace for every exchange

They carry what the bus knows of an event - its type, source, times, status, sequence, and what it did to clocks - and
never what an event says in `data`. An entry that the reader may not see is an event `withheld` with the time of its
registration. `acceptedtime` is the time of every other event. The same timelines give the same bytes.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, TypeAlias
from xml.etree import ElementTree as ET

from pydantic import JsonValue

from contracts.calendar import SHANGHAI
from contracts.canonical import Document, canonical, timestamp
from services.audit.printing.views import Agency, Clock, Entry, Exchange, Link, Timeline, threads

WITHHELD: Final = "withheld"
"""The type of an event that the reader may not see."""

Cell: TypeAlias = str | int | float | bool | datetime | None
Row: TypeAlias = dict[str, Cell]
Deed: TypeAlias = tuple[str, Clock]

# A spreadsheet takes a cell that begins so for a formula; the full-width forms too, in Chinese editions.
_FORMULA: Final = re.compile("[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_COLUMNS: Final = (
    "kind", "exchange", "case", "sequence", "type", "title_zh", "title_en", "source", "source_name", "source_name_en",
    "time", "acceptedtime", "recordedtime", "gap_s", "status", "moves", "leg", "inname", "withheld", "clocks",
)  # fmt: skip

_OF_EVENTS: Final = {
    "sequence": "integer",
    "title_zh": "string",
    "title_en": "string",
    "status": "string",
    "statedtime": "time",
    "recordedtime": "time",
    "gap_s": "float",
}
_OF_DELIVERIES: Final = {"sequence": "integer", "attempt": "integer"}
_OF_OBJECTS: Final = {
    "agency": {"code": "string", "name": "string", "name_en": "string"},
    "case": {"case": "string"},
    "clock": {
        "rule": "string",
        "version": "string",
        "title_zh": "string",
        "title_en": "string",
        "started_at": "time",
        "due": "time",
        "original_due": "time",
        "late_s": "float",
        "state": "string",
    },
    "exchange": {
        "kind": "string",
        "exchange": "string",
        "home": "string",
        "hops": "integer",
        "ended": "boolean",
        "status": "string",
    },
}
_ALWAYS: Final = "1970-01-01T00:00:00Z"
"""The time that OCEL 2.0 gives to the value of an attribute that an object has from the outset."""

_EXTENSIONS: Final = {
    "Concept": ("concept", "http://www.xes-standard.org/concept.xesext"),
    "Lifecycle": ("lifecycle", "http://www.xes-standard.org/lifecycle.xesext"),
    "Organizational": ("org", "http://www.xes-standard.org/org.xesext"),
    "Time": ("time", "http://www.xes-standard.org/time.xesext"),
}


def csv_of(timeline: Document) -> bytes:
    """A timeline as a table. A cell that a spreadsheet would run as a formula begins with an apostrophe."""
    read = Timeline.of(timeline)
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(_COLUMNS)
    by_key = {exchange.key: (exchange, exchange.deeds()) for exchange in read.exchanges}
    for entry in read.entries:
        exchange, deeds = by_key[entry.kind, entry.exchange]
        row = _row(entry, exchange, deeds.get(entry.sequence, ()))
        table.writerow(_cell(row.get(column)) for column in _COLUMNS)
    return text.getvalue().encode("utf-8-sig")


def _row(entry: Entry, exchange: Exchange, deeds: Sequence[Deed]) -> Row:
    row: Row = {
        "kind": entry.kind,
        "exchange": entry.exchange,
        "case": exchange.case,
        "sequence": entry.sequence,
        "type": WITHHELD,
        "recordedtime": entry.recordedtime,
        "gap_s": entry.gap_s,
        "clocks": _clocks(deeds),
    }
    said = entry.statement
    if said is None:
        return row
    return row | {
        "type": said.type,
        "title_zh": said.title_zh,
        "title_en": said.title_en,
        "source": said.source.agency,
        "source_name": said.source.name,
        "source_name_en": said.source.name_en,
        "time": said.time,
        "acceptedtime": said.acceptedtime,
        "status": said.status,
        "moves": " ".join(agency.agency for agency in said.moves),
        "leg": said.leg.agency if said.leg else None,
        "inname": said.inname.agency if said.inname else None,
        "withheld": len(said.withheld),
    }


def _cell(value: Cell) -> str | int | float:
    match value:
        case None:
            return ""
        case datetime():
            return value.astimezone(SHANGHAI).isoformat(timespec="microseconds")
        case str():
            return f"'{value}" if _FORMULA.match(value) else value
        case _:
            return value


def _clocks(deeds: Sequence[Deed]) -> str:
    """What an entry did to clocks: `starts RX-03 310112-cg due …; stops RX-12 310112-ga late 3600 s`."""
    return "; ".join(_deed(verb, clock) for verb, clock in deeds)


def _deed(verb: str, clock: Clock) -> str:
    words = [verb, clock.rule, clock.agency.agency]
    if verb == "starts":
        words += ["due", clock.original_due.astimezone(SHANGHAI).isoformat(timespec="seconds")]
    if verb == "stops":
        words += [clock.state, *([f"{clock.late_s:.0f} s"] if clock.late_s else [])]
    return " ".join(words)


def ocel_of(timelines: Iterable[Document]) -> bytes:
    """Timelines as OCEL 2.0 JSON. Every value is written as a string, as its schema has it; its type says how to read.

    Events are facts by their type, `delivery.delivered` and `delivery.retrieved` of copies, and `withheld`. The status
    of an exchange and the state of a clock are attributes with the times from which they held.
    """
    documents = [*timelines]
    found = threads(documents)
    events = [event for exchange, entries in found for event in _events(exchange, entries)]
    objects = {str(item["id"]): item for exchange, entries in found for item in _objects(exchange, entries)}
    for link in [link for document in documents for link in Timeline.of(document).links]:
        _relate(objects, link)
    events.sort(key=lambda event: (str(event["time"]), str(event["id"])))
    return canonical(
        {
            "eventTypes": [
                _type(name, _attributes_of(name)) for name in sorted({str(event["type"]) for event in events})
            ],
            "objectTypes": [_type(name, attributes) for name, attributes in _OF_OBJECTS.items()],
            "events": [*events],
            "objects": [objects[name] for name in sorted(objects)],
        }
    )


def _relate(objects: Mapping[str, Document], link: Link) -> None:
    """Relate two exchanges as a fact of the first states it, where both are there."""
    ends = [f"{end.kind}/{end.exchange}" for end in (link.origin, link.to)]
    related = objects[ends[0]]["relationships"] if all(end in objects for end in ends) else []
    relation: Document = {"objectId": ends[1], "qualifier": link.relation}
    if isinstance(related, list) and relation not in related:
        related.append(relation)


def _type(name: str, attributes: dict[str, str]) -> Document:
    return {"name": name, "attributes": [{"name": key, "type": type_} for key, type_ in attributes.items()]}


def _attributes_of(event_type: str) -> dict[str, str]:
    if event_type == WITHHELD:
        return {"sequence": "integer"}
    return _OF_DELIVERIES if event_type.startswith("delivery.") else _OF_EVENTS


def _events(exchange: Exchange, entries: Sequence[Entry]) -> Iterator[Document]:
    around, deeds = [(_exchange_id(exchange), "exchange"), (_case_id(exchange), "case")], exchange.deeds()
    for entry in entries:
        name = f"{_exchange_id(exchange)}/{entry.sequence}"
        touched = [(_clock_id(exchange, clock), verb) for verb, clock in deeds.get(entry.sequence, ())]
        said = entry.statement
        values: Row = {"sequence": entry.sequence}
        agencies: list[tuple[str, str]] = []
        if said is not None:
            values |= {
                "title_zh": said.title_zh,
                "title_en": said.title_en,
                "status": said.status,
                "statedtime": said.time,
                "recordedtime": entry.recordedtime,
                "gap_s": entry.gap_s,
            }
            named = [(said.source, "source"), (said.leg, "leg"), (said.inname, "inname")]
            agencies = [(_agency_id(agency), qualifier) for agency, qualifier in named if agency is not None]
            agencies += [(_agency_id(agency), "moves") for agency in said.moves]
        type_ = said.type if said else WITHHELD
        yield _event(name, type_, entry.at, values, [*around, *agencies, *touched])
        for copy in entry.deliveries:
            yield _event(
                f"{name}/{copy.agency}/{copy.stage}/{copy.attempt}",
                f"delivery.{copy.stage}",
                copy.time,
                {"sequence": entry.sequence, "attempt": copy.attempt},
                [*around, (_agency_id(copy), "recipient")],
            )


def _event(name: str, type_: str, at: datetime, values: Row, related: Iterable[tuple[str, str]]) -> Document:
    return {
        "id": name,
        "type": type_,
        "time": timestamp(at),
        "attributes": [{"name": key, "value": _text(value)} for key, value in values.items() if value is not None],
        "relationships": _relationships(related),
    }


def _relationships(related: Iterable[tuple[str, str]]) -> list[JsonValue]:
    return [{"objectId": object_id, "qualifier": qualifier} for object_id, qualifier in dict.fromkeys(related)]


def _objects(exchange: Exchange, entries: Sequence[Entry]) -> Iterator[Document]:
    agencies = {agency.agency: agency for agency in _agencies(exchange, entries)}
    for code, agency in agencies.items():
        yield _object("agency", _agency_id(agency), {"code": code, "name": agency.name, "name_en": agency.name_en})
    yield _object("case", _case_id(exchange), {"case": exchange.case})
    constant: Row = {name: getattr(exchange, name) for name in ("kind", "exchange", "home", "hops", "ended")}
    parties = [(_agency_id(party), party.role) for party in exchange.parties]
    related = [(_case_id(exchange), "case"), *parties]
    yield _object("exchange", _exchange_id(exchange), constant, ("status", _statuses(entries)), related)
    for clock in exchange.clocks:
        constant = {name: getattr(clock, name) for name in _OF_OBJECTS["clock"] if name != "state"}
        related = [(_exchange_id(exchange), "exchange"), (_agency_id(clock.agency), "duty")]
        yield _object("clock", _clock_id(exchange, clock), constant, ("state", _states(clock)), related)


def _object(
    type_: str,
    name: str,
    constant: Row,
    changing: tuple[str, Iterable[tuple[datetime, str]]] = ("", ()),
    related: Iterable[tuple[str, str]] = (),
) -> Document:
    attribute, values = changing
    always = [(key, _text(value), _ALWAYS) for key, value in constant.items() if value is not None]
    since = [(attribute, value, timestamp(at)) for at, value in values]
    return {
        "id": name,
        "type": type_,
        "attributes": [{"name": key, "value": value, "time": time} for key, value, time in [*always, *since]],
        "relationships": _relationships(related),
    }


def _statuses(entries: Sequence[Entry]) -> Iterator[tuple[datetime, str]]:
    """The statuses of an exchange and since when; what a withheld entry changed shows with the entry after it."""
    before = ""
    for entry in entries:
        if entry.statement is not None and entry.statement.status != before:
            before = entry.statement.status
            yield entry.at, before


def _states(clock: Clock) -> Iterator[tuple[datetime, str]]:
    yield clock.started_at, "running"
    for begin, end in clock.suspensions:
        yield begin, "suspended"
        if end is not None:
            yield end, "running"
    if clock.stopped_at is not None:
        yield clock.stopped_at, clock.state


def _agencies(exchange: Exchange, entries: Sequence[Entry]) -> Iterator[Agency]:
    yield from (exchange.opener, *exchange.parties, *exchange.moves, *(clock.agency for clock in exchange.clocks))
    for entry in entries:
        yield from entry.deliveries
        said = entry.statement
        if said is not None:
            yield from (agency for agency in (said.source, said.leg, said.inname, *said.moves) if agency is not None)


def _text(value: Cell) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case datetime():
            return timestamp(value)
        case _:
            return str(value)


def _agency_id(agency: Agency) -> str:
    return f"agency/{agency.agency}"


def _case_id(exchange: Exchange) -> str:
    return f"case/{exchange.case}"


def _exchange_id(exchange: Exchange) -> str:
    return f"{exchange.kind}/{exchange.exchange}"


def _clock_id(exchange: Exchange, clock: Clock) -> str:
    return f"{_exchange_id(exchange)}/clock/{clock.rule}/{clock.started_by}/{clock.agency.agency}"


def xes_of(timelines: Iterable[Document]) -> bytes:
    """Timelines as XES: a trace for every exchange, for a case runs several procedures side by side and no one order.

    An agency is the resource of its events; a withheld event has none. All transitions are `complete`: a fact is stated
    at once.
    """
    log = ET.Element("log", {"xes.version": "1849.2016", "xes.features": "", "xmlns": "http://www.xes-standard.org/"})
    for name, (prefix, uri) in _EXTENSIONS.items():
        ET.SubElement(log, "extension", {"name": name, "prefix": prefix, "uri": uri})
    _put(ET.SubElement(log, "global", {"scope": "trace"}), {"concept:name": ""})
    common: Row = {
        "concept:name": "",
        "lifecycle:transition": "complete",
        "time:timestamp": datetime(1970, 1, 1, tzinfo=UTC),
    }
    _put(ET.SubElement(log, "global", {"scope": "event"}), common)
    ET.SubElement(log, "classifier", {"name": "Fact", "keys": "concept:name"})
    for exchange, entries in threads(timelines):
        trace = ET.SubElement(log, "trace")
        about = {
            name: getattr(exchange, name) for name in ("kind", "exchange", "case", "home", "status", "ended", "hops")
        }
        _put(trace, {"concept:name": _exchange_id(exchange), **about})
        deeds = exchange.deeds()
        for entry in entries:
            _put(ET.SubElement(trace, "event"), _xes_event(entry, exchange, deeds.get(entry.sequence, ())))
    ET.indent(log)
    body: bytes = ET.tostring(log, encoding="utf-8", xml_declaration=True)
    return body + b"\n"


def _xes_event(entry: Entry, exchange: Exchange, deeds: Sequence[Deed]) -> Row:
    row = _row(entry, exchange, deeds)
    return {
        "concept:name": row["type"],
        "concept:instance": f"{_exchange_id(exchange)}/{entry.sequence}",
        "lifecycle:transition": "complete",
        "time:timestamp": entry.at,
        "org:resource": row.get("source"),
        "sequence": entry.sequence,
        "title_zh": row.get("title_zh"),
        "title_en": row.get("title_en"),
        "status": row.get("status"),
        "statedtime": row.get("time"),
        "recordedtime": entry.recordedtime,
        "gap_s": entry.gap_s,
        "moves": row.get("moves") or None,
        "clocks": row["clocks"] or None,
    }


def _put(parent: ET.Element, values: Row) -> None:
    for key, value in values.items():
        if value is not None:
            ET.SubElement(parent, _xes_type(value), {"key": key, "value": _NOT_XML.sub("\ufffd", _text(value))})


def _xes_type(value: Cell) -> str:
    match value:
        case bool():
            return "boolean"
        case int():
            return "int"
        case float():
            return "float"
        case datetime():
            return "date"
        case _:
            return "string"
