"""The mirror 镜像 of an exchange that another bus keeps, as a registrar writes it: verbatim, in order, undecided; pure.

A record that is known is passed over, or makes the known one tell more; the next one is added. A hole, or another
record in a known place (a fork), is an error that stays with the record until an operator looks: nothing that is
written here is ever written over by another word of the same bus.
"""

from dataclasses import dataclass, field
from datetime import datetime

from connectors.kafka.consume import Record as KafkaRecord
from contracts.canonical import digest, parse_object
from contracts.errors import ContractError, RelayError
from contracts.library import Contracts
from contracts.mirrors import merged, require_mirrored, same
from contracts.records import Record
from contracts.signatures import verify_seal
from services.kernel.store import ExchangeKey


@dataclass(frozen=True, slots=True)
class Mirrored:
    """A record of another bus on its way in, checked; `owner` is the partition that brought it."""

    record: Record
    owner: str

    @property
    def exchange(self) -> ExchangeKey:
        """(kind, exchange)."""
        return self.record.kind, self.record.exchange


@dataclass(slots=True)
class Mirror:
    """What is written of an exchange of another bus, or of one that is not known yet."""

    records: list[Record] = field(default_factory=list[Record])

    @property
    def home(self) -> str | None:
        """Whose it is; None for one that is not known yet."""
        return self.records[0].standing.home if self.records else None

    def take(self, record: Record) -> Record | None:
        """The record as it has to be written, if it says anything new. Raises RelayError for a hole or a fork."""
        names = f"{record.kind} {record.exchange} #{record.sequence}"
        if self.home not in {None, record.standing.home}:
            raise RelayError(f"{names}: the home of this exchange is {self.home}, not {record.standing.home}")
        if record.sequence > len(self.records) + 1:
            raise RelayError(f"{names}: a hole; the last that is mirrored is #{len(self.records)}")
        if record.sequence == len(self.records) + 1:
            self.records.append(record)
            return record
        known = self.records[record.sequence - 1]
        if not same(known, record):
            raise RelayError(f"{names}: {record.standing.home} has said something else of this place before: a fork")
        fuller = merged(known, record)
        if fuller == known:
            return None
        self.records[record.sequence - 1] = fuller
        return fuller


def is_mirrored(record: KafkaRecord) -> bool:
    """Whether a record on a submissions topic is another bus's, and not a submission."""
    return record.value.startswith(b'{"mirror":')


def read_mirrored(record: KafkaRecord, contracts: Contracts, bus: str) -> Mirrored:
    """The mirrored record in a Kafka record. Raises RelayError unless a gateway of this bus took it and it verifies."""
    try:
        value = parse_object(record.value)
        document, slip = value["mirror"], value["slip"]
        if not isinstance(document, dict) or not isinstance(slip, dict):
            raise TypeError("a mirrored record comes with a slip")
        signer = verify_seal(slip, contracts.agencies, datetime.fromisoformat(str(slip["takentime"])))
        found = Record.model_validate(document)
    except (KeyError, TypeError, ValueError, ContractError) as error:
        raise RelayError(f"not a record that a gateway of this bus took: {error}") from error
    if signer != bus or slip.get("digest") != digest(document):
        raise RelayError(f"the slip is {signer}'s or about another record")
    if found.standing.home == bus:
        raise RelayError("a record of an exchange of our own does not come from another bus")
    require_mirrored(found, contracts.agencies, found.standing.home)
    return Mirrored(found, f"{record.topic}/{record.partition}")


def recorded(record: Record) -> datetime:
    """When the home recorded it."""
    return datetime.fromisoformat(str(record.event["recordedtime"]))
