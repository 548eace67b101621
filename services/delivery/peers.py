"""Which parcels go to which other bus; pure.

A bus gets the records of the exchanges that we keep and to which it hosts a party, each once and in order; what became
of what its agencies submitted; what our agencies submit in exchanges that it keeps; and the stages that we ourselves
have reached in exchanges that we share with it. Nothing that came from one bus is passed on to another.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from connectors.districts.mapping import mirror_item, outcome_item, stage_item, submission_item, through_item
from contracts.agencies import Agencies
from contracts.canonical import Document, canonical, parse_object
from contracts.deliveries import StageReached
from contracts.errors import MalformedJson
from contracts.mirrors import mirrored
from contracts.records import Record, Standing
from contracts.signatures import SigningKey
from services.delivery.copies import Copy, Parcel


def hosts(standing: Standing, agencies: Agencies, bus: str) -> dict[str, list[str]]:
    """The other buses of an exchange, in code order, and the parties that each hosts."""
    found: dict[str, list[str]] = {}
    for code in sorted(standing.parties):
        peer = agencies.elsewhere(code, bus)
        if peer is not None and agencies.is_bus(peer):
            found.setdefault(peer, []).append(code)
    return dict(sorted(found.items()))


def mirrors(
    run: Sequence[Record], history: Sequence[Record], progress: Mapping[str, int], agencies: Agencies, key: SigningKey
) -> list[Parcel]:
    """The parcels of one exchange's new records for other buses, in order; none of an exchange that we do not keep.

    `history`: everything before `run`. `progress`: the last sequence that each bus has. With the event by which a party
    of a bus joins, or comes to read more, goes what it may read of by then and that bus has not.
    """
    parcels: list[Parcel] = []
    if run[0].standing.home != key.agency:
        return parcels
    known = {record.sequence: record for record in (*history, *run)}
    has = dict(progress)
    for newest in run:
        for peer, hosted in hosts(newest.standing, agencies, key.agency).items():
            last = has.get(peer, 0)
            for sequence in range(last + 1, newest.sequence + 1):
                record = known[sequence]
                wider = _wider(known, last, newest.standing, hosted, key) if record is newest else []
                item = mirror_item(mirrored(record, newest.standing, hosted, key), wider)
                parcels.append(Parcel(peer, Copy(record.kind, record.exchange, sequence), canonical(item)))
            has[peer] = newest.sequence
    return parcels


def shared(standing: Standing, agencies: Agencies, bus: str) -> bool:
    """Whether we keep this exchange and another bus mirrors it: what went before may be needed with every event."""
    return standing.home == bus and bool(hosts(standing, agencies, bus))


def outcome(value: bytes, agencies: Agencies, bus: str) -> Parcel | None:
    """The parcel of what we state about a submission of another bus's agency. Raises MalformedJson."""
    statement = parse_object(value)
    document = statement.get("outcome")
    if not isinstance(document, dict):
        raise MalformedJson("a statement holds an outcome")
    peer = agencies.elsewhere(str(document.get("source")), bus)
    if peer is None or not agencies.is_bus(peer) or document.get("bus") != bus:
        return None
    return _parcel(peer, outcome_item(statement), _thread(document))


def forward(value: bytes) -> Parcel:
    """The parcel of a submission that another bus decides. Raises MalformedJson."""
    message = parse_object(value)
    event, slip, home = (message.get(name) for name in ("event", "slip", "home"))
    if not (isinstance(event, dict) and isinstance(slip, dict) and isinstance(home, str)):
        raise MalformedJson("what is forwarded is an event with its slip, to a home")
    return _parcel(home, submission_item(event, slip), _thread(event))


def stages(
    reached: Sequence[StageReached], sharing: Mapping[tuple[str, str], Collection[str]], agencies: Agencies, bus: str
) -> list[Parcel]:
    """The parcels of stages. `sharing`: the buses with which exchanges, (kind, id), are shared.

    Only of what we have said ourselves, and of copies for agencies: that a bus got a copy concerns the two alone.
    """
    own = [stage for stage in reached if stage.bus == bus and not agencies.is_bus(stage.recipient)]
    return [
        _parcel(peer, stage_item(stage), (stage.kind, stage.exchange))
        for stage in own
        for peer in sorted(sharing.get((stage.kind, stage.exchange), ()))
    ]


def through(peer: str, at: datetime) -> Parcel:
    """The parcel that says that a bus has everything of ours from before an instant."""
    return _parcel(peer, through_item(at), None)


def _wider(
    known: Mapping[int, Record], last: int, standing: Standing, hosted: Collection[str], key: SigningKey
) -> list[Record]:
    """Of what a bus has, the records that it may know more of after an event than it did before."""
    before = known[last].standing if last else standing
    had = [code for code in hosted if code in before.parties]
    if {code: before.parties[code] for code in had} == {code: standing.parties[code] for code in hosted}:
        return []
    found = []
    for sequence in range(1, last + 1):
        now = mirrored(known[sequence], standing, hosted, key)
        if now != mirrored(known[sequence], before, had, key):
            found.append(now)
    return found


def _parcel(peer: str, item: Document, thread: tuple[str, str] | None) -> Parcel:
    body = canonical(item)
    return Parcel(peer, hashlib.sha256(body).digest(), body, thread=thread)


def _thread(document: Document) -> tuple[str, str]:
    return str(document.get("kind")), str(document.get("exchange"))
