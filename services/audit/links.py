"""Links 关联 between exchanges: what a fact says that another exchange is to its own; pure.

    {"relation", "relation_zh", "from": {"kind", "exchange", "sequence", "case", "status"}, "to": the same}

`from` is the exchange in which it was stated, by the fact `sequence`; `to` the one that is spoken of, of which a reader
who is no party to it learns only what was stated. Who may not see the fact does not learn of the link.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from contracts.canonical import Document
from contracts.records import Record, Standing
from events.parts import Relation

RELATIONS: Final[Mapping[str, tuple[str, str]]] = {
    Relation.GREW_FROM: ("由其产生", "grew from"),
    Relation.ANSWERS: ("答复", "answers"),
    Relation.REPEATS: ("重复", "repeats"),
    Relation.CITES: ("引用", "cites"),
    Relation.BECAME: ("转为", "became"),
}


@dataclass(frozen=True, slots=True)
class Stated:
    """A link as a fact states it."""

    kind: str
    exchange: str
    sequence: int
    relation: str
    to_kind: str
    to_exchange: str
    to_sequence: int | None


@dataclass(frozen=True, slots=True)
class Known:
    """A link, the fact that states it, how its exchange stands, and case and status of the other, if one may know."""

    link: Stated
    record: Record
    standing: Standing
    to_case: str | None
    to_status: str | None


def stated(record: Record) -> Iterator[Stated]:
    """The links that a fact states: the members `links` and `link` of its data."""
    data = record.event.get("data")
    if not isinstance(data, dict):
        return
    several = data.get("links")
    for item in [*(several if isinstance(several, list) else []), data.get("link")]:
        if isinstance(item, dict) and isinstance(item.get("relation"), str):
            sequence = item.get("sequence")
            yield Stated(
                kind=record.kind,
                exchange=record.exchange,
                sequence=record.sequence,
                relation=str(item["relation"]),
                to_kind=str(item["kind"]),
                to_exchange=str(item["exchange"]),
                to_sequence=sequence if isinstance(sequence, int) else None,
            )


def told(known: Iterable[Known], reader: str) -> list[JsonValue]:
    """The links that a party of their exchanges may know of, in the order of what they were stated in."""
    seen = [item for item in known if not item.record.seen_by(reader, item.standing).get("stub")]
    seen.sort(key=lambda item: (str(item.record.event["recordedtime"]), item.link.kind, item.link.exchange))
    return [_document(item) for item in seen]


def _document(item: Known) -> Document:
    link, standing = item.link, item.standing
    return {
        "relation": link.relation,
        "relation_zh": RELATIONS.get(link.relation, (link.relation, ""))[0],
        "from": _end(link.kind, link.exchange, link.sequence, standing.case, standing.status),
        "to": _end(link.to_kind, link.to_exchange, link.to_sequence, item.to_case, item.to_status),
    }


def _end(kind: str, exchange: str, sequence: int | None, case: str | None, status: str | None) -> Document:
    return {"kind": kind, "exchange": exchange, "sequence": sequence, "case": case, "status": status}
