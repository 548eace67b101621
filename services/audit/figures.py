"""What one exchange contributes to the indicators and to the findings, whatever the time is; pure.

    figures(records, stages, outages, rules, calendars)      from all that is known of an exchange
    Figures.from_bytes(stored)                               as it was stored

Times are `acceptedtime`, by which deadlines are met, if nothing else is said; lengths are whole microseconds.
Nothing of this is personal data: names of facts, agencies, codes, amounts and times.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, JsonValue, PlainSerializer, ValidationError

from contracts.calendar import SHANGHAI, Calendars
from contracts.canonical import Document, canonical, clone, instant, timestamp
from contracts.clocks import Clock, ClockState, Delivered, History, clocks
from contracts.deliveries import StageReached
from contracts.errors import MalformedJson
from contracts.outages import Outage
from contracts.records import Phase, Record
from contracts.rules import Rules
from events.envelope import SALTS
from events.parts import Relation
from events.registry import COMMON_KIND, facts, kind_of
from services.audit.delay import delivered, split
from services.audit.links import stated

RECIPIENT: Final = "recipient"
"""The role of who is asked."""

TURNED_AWAY: Final = frozenset({"returned", "forwarded", "disputed"})
"""The positions of an agency that does not take the matter on."""

_OVERSEERS: Final = frozenset({"supervisor", "arbiter"})
_TALLY: Final = "tally"

# What a correction changes in figures, by its pointer into the data or into the event. No member here holds free text,
# which may be personal, and none says of whom a fact is.
_CORRECTABLE_NUMBER: Final = re.compile(
    r"(?:/data)?/(circumstances/loss|counts/(?:0|[1-9][0-9]{0,2})/count|cases_filed|decided|over_threshold"
    r"|timeliness|quality)"
)
_CORRECTABLE_WORD: Final = re.compile(
    r"(?:/data)?/(circumstances/quantity/(?:value|unit)|day|outcome|answers/(?:0|[1-9][0-9]{0,2})/adoption)"
)

_MICROSECOND: Final = timedelta(microseconds=1)
_NUMBER: Final = re.compile(r"[0-9]{1,15}")
_EARLIEST: Final = date(2000, 1, 1)

Moment = Annotated[AwareDatetime, PlainSerializer(timestamp, return_type=str)]
"""An instant, written as the bus writes them."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Act(_Part):
    """One registered fact, by its short name. `outcome` of a decision 处理结果."""

    sequence: int
    fact: str
    agency: str
    at: Moment
    outcome: str | None = None


class Joined(_Part):
    """When an agency became a party, and as what."""

    agency: str
    role: str
    at: Moment


class Ask(_Part):
    """What was asked of one agency: it became a recipient by the act `sequence` of `by`.

    asked: when its copy was delivered, or the act was recorded. position: the first fact by which it took one.
    answered: when it had stated what the asker waited for, so that it was not its move any more. over: when the
    exchange ended or the matter passed on.
    """

    agency: str
    by: str
    sequence: int
    asked: Moment
    receipted: Moment | None = None
    position: str | None = None
    positioned: Moment | None = None
    answered: Moment | None = None
    over: Moment | None = None


class Timed(_Part):
    """One clock 时限. `duty`: the role that has to act. `stopped`: when it was met, met late, or became void.

    late: microseconds by which it was stopped late, also where it was void by then. expired: the sequence of the
    registered expiry that still stands.
    """

    rule: str
    agency: str
    duty: str
    started_by: int
    started: Moment
    due: Moment
    state: ClockState
    stopped: Moment | None = None
    late: int = 0
    expired: int | None = None

    @property
    def runs(self) -> bool:
        """Whether the duty stands and time goes by."""
        return self.state is ClockState.RUNNING


class Refusal(_Part):
    """A fact that rests on a coded ground 理由."""

    sequence: int
    fact: str
    ground: str
    agency: str
    at: Moment


class Hop(_Part):
    """The matter passed from one recipient to the next, by whose word. `again`: to an agency that had had it 推诿."""

    sequence: int
    by: str
    taker: str
    at: Moment
    again: bool


class Time(_Part):
    """What part of the time is whose, and what it went by with; microseconds."""

    account: str
    cause: str
    length: int


class Rating(_Part):
    """How one side found the other's handling, 1 to 5."""

    by: str
    of: str
    at: Moment
    timeliness: int
    quality: int


class Reply(_Part):
    """How many items of a letter were adopted 采纳, in part, or not."""

    agency: str
    at: Moment
    adopted: int
    partly: int
    not_adopted: int


class Circumstance(_Part):
    """What a fact says of the size of the matter: the cause 案由, the loss in 分, the quantity with its unit."""

    sequence: int
    cause: str | None
    loss: int | None
    quantity: str | None
    unit: str | None


class DayCount(_Part):
    """One number of a day's statement."""

    kind: str
    direction: str
    count: int


class DayStatement(_Part):
    """What an agency stated for a day 日报: what it counted on the bus, and what the bus cannot see."""

    sequence: int
    agency: str
    at: Moment
    day: date
    counts: tuple[DayCount, ...]
    cases_filed: int
    decided: int
    over_threshold: int


class Figures(_Part):
    """What one exchange contributes. `ended`: when the fact was accepted that ended it.

    answers: the notices 双向告知 that this one says it answers.
    """

    kind: str
    exchange: str
    case: str
    opener: str
    opened: Moment
    ended: Moment | None
    status: str
    acts: tuple[Act, ...]
    joined: tuple[Joined, ...]
    asks: tuple[Ask, ...]
    clocks: tuple[Timed, ...]
    refusals: tuple[Refusal, ...]
    hops: tuple[Hop, ...]
    time: tuple[Time, ...]
    ratings: tuple[Rating, ...]
    replies: tuple[Reply, ...]
    circumstances: tuple[Circumstance, ...]
    statement: DayStatement | None = None
    answers: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        """The canonical bytes."""
        return canonical(self.model_dump(mode="json"))

    @classmethod
    def from_bytes(cls, value: bytes) -> "Figures":
        """Parse what was stored. Raises MalformedJson."""
        try:
            return cls.model_validate_json(value)
        except ValidationError as error:
            raise MalformedJson(f"not the figures of an exchange: {error}") from error

    @property
    def agencies(self) -> list[str]:
        """Whom something of it counts for, in order."""
        parties, accounts = (item.agency for item in self.joined), (part.account for part in self.time)
        return sorted({*parties, *accounts, *(rating.of for rating in self.ratings)})

    @property
    def overseers(self) -> list[str]:
        """Its supervisors and arbiters, and the supervisor to whom a day is stated, in order."""
        roles = {*_OVERSEERS, RECIPIENT} if self.kind == _TALLY else _OVERSEERS
        return sorted({item.agency for item in self.joined if item.role in roles})

    @property
    def first(self) -> datetime:
        """The first instant at which something of it counts: a clock may have been due before it was opened."""
        return min([*self._instants, *(item.due for item in self.clocks)])

    @property
    def last(self) -> datetime | None:
        """The last instant at which something of it counts; None as long as more may come."""
        if self.ended is None or any(item.stopped is None for item in self.clocks):
            return None
        return max(self._instants)

    @property
    def _instants(self) -> list[datetime]:
        stopped = (item.stopped for item in self.clocks if item.stopped is not None)
        return [*(act.at for act in self.acts), *(ask.asked for ask in self.asks), *stopped]


def figures(
    records: Sequence[Record],
    stages: Sequence[StageReached],
    outages: Sequence[Outage],
    rules: Rules,
    calendars: Calendars,
) -> Figures:
    """The figures of an exchange. `records` are all of it, in order; `stages` and `outages` in any order."""
    first, last = records[0], records[-1]
    data = _as_corrected(records)
    arrived = delivered(stages)
    return Figures(
        kind=first.kind,
        exchange=first.exchange,
        case=last.standing.case,
        opener=first.opener,
        opened=_accepted(first),
        ended=next((_accepted(record) for record in records if record.standing.ended), None),
        status=last.standing.status,
        acts=tuple(_act(record, data) for record in records if not record.stubbed),
        joined=tuple(_joined(records)),
        asks=tuple(_asks(records, arrived)),
        clocks=tuple(_timed(item) for item in clocks(History.of(records, arrived), rules, calendars)),
        refusals=tuple(_refusals(records, data)),
        hops=tuple(_hops(records)),
        time=tuple(
            Time(account=account, cause=cause, length=length // _MICROSECOND)
            for (account, cause), length in split(records, stages, outages).totals().items()
        ),
        ratings=tuple(_ratings(records, data)),
        replies=tuple(_replies(records, data)),
        circumstances=tuple(_circumstances(data)),
        statement=_statement(first, data),
        answers=tuple(_answers(first)),
    )


_Data = Mapping[int, Mapping[str, JsonValue]]
"""The data of each event by its sequence."""


def _as_corrected(records: Sequence[Record]) -> _Data:
    """What each event says now: with the corrections of it that stand."""
    found: dict[int, Document] = {record.sequence: _object(record.event.get("data")) for record in records}
    types = {record.sequence: str(record.event.get("type")) for record in records}
    withdrawn = [found[record.sequence]["correction"] for record in records if record.fact == "correction_withdrawn"]
    for record in records:
        if record.fact == "corrected" and record.sequence not in withdrawn:
            said = found[record.sequence]
            wrong, value = int(str(said["corrects"])), said["correct_value"]
            # In a mirror the value may be withheld.
            if isinstance(value, str):
                found[wrong] = _corrected(types[wrong], found[wrong], str(said["pointer"]), value)
    return found


def _corrected(type_: str, data: Document, pointer: str, value: str) -> Document:
    """The data with a member corrected; as it was, if figures take no such correction, or it were no such fact then."""
    fact = facts().get(type_)
    number, word = _CORRECTABLE_NUMBER.fullmatch(pointer), _CORRECTABLE_WORD.fullmatch(pointer)
    found = number if _NUMBER.fullmatch(value) and number else word
    if fact is None or found is None:
        return data
    said = clone(data)
    _put(said, found[1].split("/"), int(value) if number else value)
    try:
        fact.model_validate_json(canonical({name: member for name, member in said.items() if name != SALTS}))
    except ValidationError:
        return data
    return said


def _put(data: Document, path: Sequence[str], value: JsonValue) -> None:
    """Set a member of an object that is there."""
    place: JsonValue = data
    for name in path[:-1]:
        place = _member(place, name)
    if isinstance(place, dict):
        place[path[-1]] = value


def _member(place: JsonValue, name: str) -> JsonValue:
    if isinstance(place, dict):
        return place.get(name)
    if isinstance(place, list) and name.isdigit() and int(name) < len(place):
        return place[int(name)]
    return None


def _act(record: Record, data: _Data) -> Act:
    outcome = data[record.sequence].get("outcome")
    return Act(
        sequence=record.sequence,
        fact=record.fact,
        agency=record.source,
        at=_accepted(record),
        outcome=outcome if isinstance(outcome, str) else None,
    )


def _joined(records: Sequence[Record]) -> Iterator[Joined]:
    known: set[str] = set()
    for record in records:
        for code, party in sorted(record.standing.parties.items()):
            if code not in known:
                yield Joined(agency=code, role=party.role, at=_accepted(record))
        known |= record.standing.parties.keys()


def _asks(records: Sequence[Record], delivered: Delivered) -> list[Ask]:
    """What was asked, in the order in which it was."""
    found: list[Ask] = []
    pending: dict[str, int] = {}
    for record in records:
        agency = record.source
        # An exchange that its own opening ends asks nobody for anything.
        now = frozenset[str]() if record.standing.ended else _recipients(record)
        if agency in pending:
            place = pending[agency]
            found[place] = found[place].model_copy(update=_stated(record, found[place]))
        for code in pending.keys() - now:
            place = pending.pop(code)
            found[place] = found[place].model_copy(update={"over": _accepted(record)})
        for code in sorted(now - pending.keys()):
            pending[code] = len(found)
            asked = delivered.get((record.sequence, code)) or _recorded(record)
            found.append(Ask(agency=code, by=agency, sequence=record.sequence, asked=asked))
    return found


def _stated(record: Record, ask: Ask) -> dict[str, object]:
    """What a fact of the agency changes in what is asked of it."""
    at, fact = _accepted(record), record.fact
    if kind_of(str(record.event["type"])) == COMMON_KIND:
        return {}
    if fact == "receipted":
        return {"receipted": ask.receipted or at}
    # Who asks for more says neither yes nor no.
    if record.standing.phase is Phase.SUPPLEMENT:
        return {}
    known: dict[str, object] = {} if ask.position else {"position": fact, "positioned": at}
    done = ask.answered is None and ask.agency not in record.standing.moves
    return {**known, "answered": at} if done else known


def _timed(item: Clock) -> Timed:
    late = max(timedelta(), item.stopped_at - item.due.instant) if item.stopped_at else timedelta()
    return Timed(
        rule=item.rule.id,
        agency=item.agency,
        duty=item.rule.duty,
        started_by=item.started_by,
        started=item.started_at,
        due=item.due.instant,
        state=item.state,
        stopped=item.stopped_at,
        late=0 if item.state is ClockState.MET else late // _MICROSECOND,
        expired=item.expired if item.annulled is None else None,
    )


def _refusals(records: Sequence[Record], data: _Data) -> Iterator[Refusal]:
    for record in records:
        code = _object(data[record.sequence].get("ground")).get("code")
        if isinstance(code, str):
            yield Refusal(
                sequence=record.sequence, fact=record.fact, ground=code, agency=record.source, at=_accepted(record)
            )


def _hops(records: Sequence[Record]) -> Iterator[Hop]:
    """A recipient came where another one went."""
    before: frozenset[str] = frozenset()
    had = {records[0].opener}
    for record in records:
        now = _recipients(record)
        for taker in sorted(now - before) if before - now else ():
            yield Hop(sequence=record.sequence, by=record.source, taker=taker, at=_accepted(record), again=taker in had)
        had |= now
        before = now


def _ratings(records: Sequence[Record], data: _Data) -> Iterator[Rating]:
    """The last rating of one agency by another; an earlier one gives way."""
    found: dict[tuple[str, str], Rating] = {}
    for record in records:
        if record.fact == "rated":
            said, by = data[record.sequence], record.source
            marks = {name: int(str(said[name])) for name in ("timeliness", "quality")}
            rating = Rating(by=by, of=str(said["agency"]), at=_accepted(record), **marks)
            found[rating.by, rating.of] = rating
    yield from (rating for _, rating in sorted(found.items()))


def _replies(records: Sequence[Record], data: _Data) -> Iterator[Reply]:
    for record in records:
        answers = data[record.sequence].get("answers")
        if record.fact == "replied" and isinstance(answers, list):
            given = [_object(answer).get("adoption") for answer in answers]
            yield Reply(
                agency=record.source,
                at=_accepted(record),
                adopted=given.count("adopted"),
                partly=given.count("partly"),
                not_adopted=given.count("not_adopted"),
            )


def _circumstances(data: _Data) -> Iterator[Circumstance]:
    for sequence, said in data.items():
        circumstances = said.get("circumstances")
        if isinstance(circumstances, dict):
            loss, quantity = circumstances.get("loss"), _object(circumstances.get("quantity"))
            yield Circumstance(
                sequence=sequence,
                cause=_line(_object(circumstances.get("cause")).get("name")),
                loss=loss if isinstance(loss, int) else None,
                quantity=_line(quantity.get("value")),
                unit=_line(quantity.get("unit")),
            )


def _answers(first: Record) -> Iterator[str]:
    for link in stated(first):
        if link.relation == Relation.ANSWERS and link.to_kind == first.kind:
            yield link.to_exchange


def _statement(first: Record, data: _Data) -> DayStatement | None:
    """What a tally states; as it was first stated, where it was corrected to a day that nobody could have counted."""
    if first.kind != _TALLY or first.stubbed:
        return None
    return _day(first, data[first.sequence]) or _day(first, _object(first.event["data"]))


def _day(first: Record, said: Mapping[str, JsonValue]) -> DayStatement | None:
    """The statement, if it is of a day that had come when it was accepted, and not of one before there was a bus."""
    found = DayStatement.model_validate(
        {
            "sequence": first.sequence,
            "agency": first.source,
            "at": first.acceptedtime,
            **{name: said[name] for name in ("day", "counts", "cases_filed", "decided", "over_threshold")},
        }
    )
    return found if _EARLIEST <= found.day <= _accepted(first).astimezone(SHANGHAI).date() else None


def _recipients(record: Record) -> frozenset[str]:
    return frozenset(code for code, party in record.standing.parties.items() if party.role == RECIPIENT)


def _accepted(record: Record) -> datetime:
    return instant(record.acceptedtime)


def _recorded(record: Record) -> datetime:
    return instant(record.event["recordedtime"])


def _object(value: JsonValue) -> Document:
    return value if isinstance(value, dict) else {}


def _line(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None
