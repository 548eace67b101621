"""What is written into a plan: steps at the hours of working days, in exchanges with ids of their own.

A working day has two hours at which things happen. Each is a slot; slots are numbered through the year, so that "two
days later" is a sum. That the hours are few keeps the days few on which a bus has to stand still.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Final
from uuid import UUID

from contracts.calendar import SHANGHAI, Calendar
from events.fact import Fact

HOURS: Final = (time(9, 30), time(15))
"""When things happen, Shanghai time."""
DAY: Final = len(HOURS)
"""Slots of a working day."""


@dataclass(frozen=True, slots=True)
class Step:
    """An agency states a fact in an exchange. `id`: the event's. `case`: on the fact that opens an exchange."""

    at: datetime
    agency: str
    kind: str
    exchange: str
    id: str
    fact: Fact
    case: str | None = None
    leg: str | None = None
    inname: str | None = None


@dataclass(frozen=True, slots=True)
class Slots:
    """The slots of a period, in order."""

    instants: tuple[datetime, ...]

    @classmethod
    def of(cls, begin: date, end: date, calendar: Calendar) -> "Slots":
        """Those of the working days from `begin` to `end`, both included."""
        days = (begin + timedelta(days=number) for number in range((end - begin).days + 1))
        working = [day for day in days if calendar.working(day)]
        return cls(tuple(datetime.combine(day, hour, SHANGHAI) for day in working for hour in HOURS))

    def __len__(self) -> int:
        return len(self.instants)

    def __getitem__(self, slot: int) -> datetime:
        return self.instants[slot]

    def day(self, slot: int) -> date:
        """The day of a slot."""
        return self.instants[slot].date()

    def first(self, day: date) -> int:
        """The first slot that is not before a day."""
        return next(slot for slot, at in enumerate(self.instants) if at.date() >= day)


@dataclass(slots=True)
class Diary:
    """The steps that are planned so far. `rng`: where everything that is invented comes from.

    inname: in whose name an agency acts, where it is another's.
    """

    slots: Slots
    rng: Random
    inname: Mapping[str, str]
    steps: list[Step] = field(default_factory=list)

    def open(
        self, slot: int, agency: str, kind: str, make: Callable[[datetime], Fact], *, case: str, exchange: str = ""
    ) -> "Thread":
        """Open an exchange. Raises IndexError for a slot after the period."""
        thread = Thread(self, kind, exchange or self.id(self.slots[slot]))
        thread.write(self.slots[slot], agency, make, case=case)
        return thread

    def id(self, at: datetime) -> str:
        """A UUIDv7 of an instant, with random bits from the seed."""
        millis = int(at.timestamp() * 1000)
        low = 0b10 << 62 | self.rng.getrandbits(62)
        return str(UUID(int=millis << 80 | 7 << 76 | self.rng.getrandbits(12) << 64 | low))

    def later(self, slot: int, least: int, most: int) -> int:
        """A slot at least and at most so many after this one; it may be after the period."""
        return slot + self.rng.randint(least, most)

    def some(self, count: int, weights: Sequence[int], last: int) -> list[int]:
        """So many slots up to `last`, in order, by the weights of all slots."""
        return sorted(self.rng.choices(range(last + 1), weights[: last + 1], k=count))

    def even(self, count: int, first: int, last: int) -> list[int]:
        """So many slots from `first` to `last`, at even distances."""
        return [first + (last - first) * number // max(count - 1, 1) for number in range(count)]


@dataclass(frozen=True, slots=True)
class Thread:
    """An exchange that is being planned."""

    diary: Diary
    kind: str
    exchange: str

    def say(self, slot: int, agency: str, make: Callable[[datetime], Fact], *, leg: str | None = None) -> int:
        """A further fact; the slot after it. What would come after the period is not planned any more."""
        if slot < len(self.diary.slots):
            self.write(self.diary.slots[slot], agency, make, leg=leg)
        return slot + 1

    def write(
        self,
        at: datetime,
        agency: str,
        make: Callable[[datetime], Fact],
        *,
        case: str | None = None,
        leg: str | None = None,
    ) -> None:
        """Note a step."""
        diary = self.diary
        step = Step(at, agency, self.kind, self.exchange, diary.id(at), make(at), case, leg, diary.inname.get(agency))
        diary.steps.append(step)
