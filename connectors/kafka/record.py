"""A record as Kafka has it, why one could not be handled, and the dead letter made of both.

Pure: nothing here talks to Kafka. A dead letter keeps the value, the key and the headers of the
record unchanged and adds where it came from and what went wrong, so that it can be read, and put
back, without anything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from connectors.kafka.producer import Message

Partition: TypeAlias = tuple[str, int]
"""A topic and the number of one of its partitions."""

PREFIX: Final = "dead-"
"""Headers that begin so were added by this module; all others are the record's own."""

_TEXT_LIMIT: Final = 2000


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a topic. `timestamp` is Kafka's own, real time, aware, in UTC."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: Mapping[str, bytes]
    timestamp: datetime

    @property
    def source(self) -> Partition:
        """The partition it was read from."""
        return (self.topic, self.partition)

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a record is poison: the class of the error and what it said."""

    error: str
    text: str

    @classmethod
    def of(cls, error: BaseException) -> Reason:
        """The reason that an exception gives."""
        kind = type(error)
        return cls(error=f"{kind.__module__}.{kind.__qualname__}", text=str(error)[:_TEXT_LIMIT])

    def __str__(self) -> str:
        return f"{self.error}: {self.text}"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter, read back: the record as it was, and the story of its end."""

    record: Record
    group: str
    reason: Reason
    hold_error: str | None
    time: datetime


def dead_letter(letter: DeadLetter, topic: str) -> Message:
    """The message that goes to the dead-letter topic.

    Its key is the address of the record for this group, so a dead letter written twice (the process
    was killed between writing it and acknowledging the record) is recognised as one.
    """
    record = letter.record
    own: dict[str, bytes] = {
        f"{PREFIX}topic": _text(record.topic),
        f"{PREFIX}partition": _text(str(record.partition)),
        f"{PREFIX}offset": _text(str(record.offset)),
        f"{PREFIX}timestamp": _text(record.timestamp.isoformat()),
        f"{PREFIX}group": _text(letter.group),
        f"{PREFIX}error": _text(letter.reason.error),
        f"{PREFIX}reason": _text(letter.reason.text),
        f"{PREFIX}time": _text(letter.time.isoformat()),
    }
    if record.key is not None:
        own[f"{PREFIX}key"] = record.key
    if letter.hold_error is not None:
        own[f"{PREFIX}hold-error"] = _text(letter.hold_error)
    headers = {name: value for name, value in record.headers.items() if not name.startswith(PREFIX)}
    address = f"{letter.group}/{record.topic}/{record.partition}/{record.offset}"
    return Message(topic=topic, key=_text(address), value=record.value, headers=headers | own)


def read_dead_letter(value: bytes, headers: Mapping[str, bytes]) -> DeadLetter:
    """The dead letter that a message of the dead-letter topic holds; raises KeyError if it is not one."""
    own = {name.removeprefix(PREFIX): item for name, item in headers.items() if name.startswith(PREFIX)}
    hold_error = own.get("hold-error")
    record = Record(
        topic=own["topic"].decode(),
        partition=int(own["partition"]),
        offset=int(own["offset"]),
        key=own.get("key"),
        value=value,
        headers={name: item for name, item in headers.items() if not name.startswith(PREFIX)},
        timestamp=datetime.fromisoformat(own["timestamp"].decode()),
    )
    return DeadLetter(
        record=record,
        group=own["group"].decode(),
        reason=Reason(error=own["error"].decode(), text=own["reason"].decode()),
        hold_error=None if hold_error is None else hold_error.decode(),
        time=datetime.fromisoformat(own["time"].decode()),
    )


def _text(text: str) -> bytes:
    """UTF-8 that never fails: an error message may hold anything, half a character included."""
    return text.encode("utf-8", "backslashreplace")
