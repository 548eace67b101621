"""Dead letters for an operator: see what could not be handled, put it back, or drop it.

What an operator decides goes the same way as everything else: the record is written to its own topic again, with a
header that says so, and the service that refused it looks again. Nothing is changed behind a service's back.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from connectors.errors import ConnectorError
from connectors.kafka.producer import Producer
from connectors.kafka.reader import read_all
from connectors.kafka.record import DeadLetter, read_dead_letter
from connectors.kafka.settings import KafkaSettings
from contracts.errors import ContractError
from contracts.records import Record
from contracts.topics import DEAD_LETTERS, EVENTS, SUBMISSIONS
from services.kernel.registrar import DROP, OPERATOR, RETRY


class NoSuchLetter(ConnectorError):
    """There is no dead letter of that id."""


class CannotDrop(ConnectorError):
    """Dropping it would make a follower carry on over a hole."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter and its id, `group/topic/partition/offset` of the record."""

    id: str
    letter: DeadLetter


def letters(kafka: KafkaSettings) -> list[Letter]:
    """The dead letters that nobody has dealt with, oldest first."""
    open_: dict[str, Letter] = {}
    for record in read_all(kafka, DEAD_LETTERS):
        id_ = (record.key or b"").decode()
        open_.pop(id_, None)
        if record.value is not None:
            open_[id_] = Letter(id_, read_dead_letter(record.value, dict(record.headers)))
    return list(open_.values())


def find(kafka: KafkaSettings, id_: str) -> Letter:
    """The dead letter of an id. Raises NoSuchLetter."""
    for letter in letters(kafka):
        if letter.id == id_:
            return letter
    raise NoSuchLetter(f"there is no dead letter {id_}; `liandong dlq list` shows them")


def retry(kafka: KafkaSettings, chosen: Sequence[Letter]) -> None:
    """Put records back into their topics."""
    asyncio.run(_put_back(kafka, chosen, RETRY))


def drop(kafka: KafkaSettings, chosen: Sequence[Letter]) -> None:
    """Give records up: a held submission becomes a rejection. Raises CannotDrop for a registered event."""
    for letter in chosen:
        if _registered(letter):
            raise CannotDrop(
                f"{letter.id} is a registered event: a follower never carries on over a hole. "
                "Mend the cause, then `liandong dlq retry`"
            )
    asyncio.run(_put_back(kafka, chosen, DROP))


def _registered(letter: Letter) -> bool:
    """Whether this is an event that a registrar registered, and not bytes that merely lay on its topic."""
    record = letter.letter.record
    if record.topic.split(".")[0] != EVENTS:
        return False
    try:
        Record.from_bytes(record.value)
    except (ContractError, ValueError):
        return False
    return True


async def _put_back(kafka: KafkaSettings, chosen: Sequence[Letter], operator: bytes) -> None:
    producer = Producer(kafka, client_id="liandong-dlq")
    try:
        for letter in chosen:
            record = letter.letter.record
            submission = record.topic.split(".")[0] == SUBMISSIONS
            if submission or operator == RETRY:
                headers = {**record.headers, OPERATOR: operator}
                await producer.send(record.topic, record.key, record.value, headers)
            await producer.send(DEAD_LETTERS, letter.id.encode(), None, {})
    finally:
        await producer.stop()
