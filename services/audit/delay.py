"""Whose delay 耗时归属: the time of an exchange, divided between those who had it, without remainder or overlap; pure.

    split(records, stages, outages).totals()        {("310118-cg", Cause.RECEIPT): timedelta(hours=3), …}

Time is `acceptedtime`, by which deadlines are met; where it goes back from one sequence to the next, it stands still.
The span is from the first fact to the one that ended the exchange, and what is said afterwards (corrections, ratings,
annulled expiries) is outside of it; that of an open exchange is to its last fact, or to `until`.

It is a row of waits. A fact begins one if it changes the status, or whose move it is, or whether a request to withdraw
waits for its answer; others (chased, corrected, what the bus says about clocks, extensions, …) leave the wait as it is.
Of each wait the bus has the time until the fact was delivered to the agency whose move it then is, and outages; that
agency has the rest. Its own fact needs no delivery to it. As long as it has no copy the time is the bus's, also if the
next fact comes before the copy does. Three things are only known from what came after:

- an agency that got the matter and passed it on (`forwarded`) had the time for that: 转送, not 待签收 and 待受理;
- a supplement is waited for at the sender's cost, but at the cost of who asked for it if that one went on without it;
- of several who are all waited for the time is the last one's: had that one been quicker, the whole would have been.

Who may not see a fact gets a stub, which tells when it was recorded, and nothing else. So for that reader the fact
counts from then, and of the time after it the split says whose it was, not what for (不予显示): a run of such time is
said to be after the first of the facts hidden in it, and which of the others changed anything is not told.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, TypeAlias

from contracts.canonical import instant
from contracts.clocks import Delivered
from contracts.deliveries import StageReached
from contracts.outages import Outage
from contracts.records import Phase, Record


class Cause(StrEnum):
    """What the time went by with."""

    PREPARATION = "preparation"  # 移送前准备
    TRANSPORT = "transport"  # 传输
    RECEIPT = "receipt"  # 待签收
    ACCEPTANCE = "acceptance"  # 待受理
    FORWARDING = "forwarding"  # 转送
    SUPPLEMENT = "supplement"  # 补正
    PROCESSING = "processing"  # 办理
    COUNTERPART = "counterpart"  # 待对方
    OUTAGE = "outage"  # 总线中断
    WITHHELD = "withheld"  # 不予显示: after a fact that the reader may not see


CAUSES_ZH: Final[Mapping[Cause, str]] = {
    Cause.PREPARATION: "移送前准备",
    Cause.TRANSPORT: "传输",
    Cause.RECEIPT: "待签收",
    Cause.ACCEPTANCE: "待受理",
    Cause.FORWARDING: "转送",
    Cause.SUPPLEMENT: "补正",
    Cause.PROCESSING: "办理",
    Cause.COUNTERPART: "待对方",
    Cause.OUTAGE: "总线中断",
    Cause.WITHHELD: "不予显示",
}

Totals: TypeAlias = Mapping[tuple[str, Cause], timedelta]
"""(account, cause): the time that went there."""

_CAUSE_OF: Final[Mapping[Phase | None, Cause]] = {
    Phase.PREPARATION: Cause.PREPARATION,
    Phase.RECEIPT: Cause.RECEIPT,
    Phase.ACCEPTANCE: Cause.ACCEPTANCE,
    Phase.SUPPLEMENT: Cause.SUPPLEMENT,
    Phase.PROCESSING: Cause.PROCESSING,
    Phase.COUNTERPART: Cause.COUNTERPART,
    None: Cause.PROCESSING,
}


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the time of an exchange. `account`: who had it, an agency or the bus; `after`: which fact began it."""

    begun: datetime
    ended: datetime
    account: str
    cause: Cause
    after: int

    @property
    def length(self) -> timedelta:
        """How long; never nothing."""
        return self.ended - self.begun


@dataclass(frozen=True, slots=True)
class Split:
    """The time of an exchange. Each segment begins where the one before it ends, the first and the last at the ends."""

    begun: datetime
    ended: datetime
    segments: tuple[Segment, ...]

    @property
    def span(self) -> timedelta:
        """From the first fact to the end; what the segments add up to."""
        return self.ended - self.begun

    def totals(self) -> Totals:
        """The time by account and cause, in that order; it adds up to the span."""
        return summed(self.segments)


def summed(segments: Iterable[Segment]) -> Totals:
    """The time by account and cause, in that order."""
    found: dict[tuple[str, Cause], timedelta] = {}
    for segment in segments:
        key = segment.account, segment.cause
        found[key] = found.get(key, timedelta()) + segment.length
    return dict(sorted(found.items()))


def split(
    records: Sequence[Record],
    stages: Iterable[StageReached],
    outages: Iterable[Outage],
    until: datetime | None = None,
    hidden: AbstractSet[int] = frozenset(),
) -> Split:
    """Divide the time of an exchange. `records` are all of it, in order.

    `stages` are those of its copies; a copy without one is not delivered yet. Only outages of the exchange's home
    count. `until`: to where an open exchange is divided (aware); before its last fact it means that. `hidden`: the
    sequences of the facts that the reader may not see.
    """
    bus = records[0].standing.home
    times = _times(records, hidden)
    last = next((place for place, record in enumerate(records) if record.standing.ended), None)
    end = times[-1] if last is None else times[last]
    if last is None and until is not None:
        end = max(end, until)
    counted = records if last is None else records[: last + 1]
    arrived = delivered(stages)
    down = _merged(outage for outage in outages if outage.bus == bus)
    segments: list[Segment] = []
    for wait in _judged(_waits(counted, times, end)):
        own = wait.by.source == wait.mover
        reached = wait.begun if own else arrived.get((wait.by.sequence, wait.mover), wait.ended)
        got = min(max(wait.begun, reached), wait.ended)
        if wait.begun < got:
            segments.append(Segment(wait.begun, got, bus, Cause.TRANSPORT, wait.by.sequence))
        segments += _less_outages(got, wait, down, bus)
    return Split(times[0], end, tuple(_cut(segments, hidden)))


def _cut(segments: Iterable[Segment], hidden: AbstractSet[int]) -> list[Segment]:
    """What is told of them: of a run after hidden facts only the accounts, neighbours on one account as one segment."""
    told: list[Segment] = []
    for segment in segments:
        before = told[-1] if told and told[-1].cause is Cause.WITHHELD else None
        if segment.after not in hidden:
            told.append(segment)
        elif before and before.account == segment.account:
            told[-1] = replace(before, ended=segment.ended)
        else:
            told.append(replace(segment, cause=Cause.WITHHELD, after=before.after if before else segment.after))
    return told


def delivered(stages: Iterable[StageReached]) -> Delivered:
    """When each copy first lay in its recipient's inbox, by sequence and recipient."""
    found: dict[tuple[int, str], datetime] = {}
    for stage in stages:
        key = stage.sequence, stage.recipient
        if stage.stage == "delivered":
            found[key] = min(stage.time, found.get(key, stage.time))
    return found


@dataclass(frozen=True, slots=True)
class _Wait:
    """The time between two facts that moved the exchange. `by` began it, `then` ended it (None: nothing did yet).

    mover: whose move it was. account: whose the time is, which may come to be another's.
    """

    by: Record
    then: Record | None
    begun: datetime
    ended: datetime
    mover: str
    account: str
    cause: Cause


def _waits(records: Sequence[Record], times: Sequence[datetime], end: datetime) -> list[_Wait]:
    """The waits by what is known when they begin; the fact that ended the exchange begins none."""
    began: list[tuple[int, bool]] = []
    asked = False
    before: tuple[str, tuple[str, ...], bool] | None = None
    for place, record in enumerate(records):
        asked = _asked(record, before=asked)
        now = (record.standing.status, record.standing.moves, asked)
        if now != before:
            began.append((place, asked))
        before = now
    waits: list[_Wait] = []
    for number, (place, pending) in enumerate(began):
        record = records[place]
        if record.standing.ended:
            break
        following = began[number + 1][0] if number + 1 < len(began) else None
        # Nobody's move in an exchange that goes on: the time has to be somebody's, so its opener's.
        mover = _last_of(record.standing.moves, records[place:]) or records[0].opener
        waits.append(
            _Wait(
                by=record,
                then=None if following is None else records[following],
                begun=times[place],
                ended=end if following is None else times[following],
                mover=mover,
                account=mover,
                cause=Cause.COUNTERPART if pending else _CAUSE_OF[record.standing.phase],
            )
        )
    return waits


def _last_of(movers: Sequence[str], following: Sequence[Record]) -> str | None:
    """Of several whose move it is, the one that is waited for longest; in code order among those of one length."""
    if len(movers) < 2:
        return next(iter(movers), None)
    waited: set[str] = {*movers}
    for record in following:
        left = waited & {*record.standing.moves}
        if not left:
            break
        waited = left
    return min(waited)


def _asked(record: Record, *, before: bool) -> bool:
    """Whether a request to withdraw waits for its answer."""
    match record.fact:
        case "withdrawal_requested":
            return True
        case "withdrawn" | "withdrawal_refused":
            return False
        case _:
            return before


def _judged(waits: Sequence[_Wait]) -> list[_Wait]:
    """The waits with what is known only from what ended them."""
    needless, forwarded = _needless(waits), _forwarded(waits)
    return [
        replace(
            wait,
            account=needless.get(place, wait.account),
            cause=Cause.FORWARDING if place in forwarded else wait.cause,
        )
        for place, wait in enumerate(waits)
    ]


def _needless(waits: Sequence[_Wait]) -> Mapping[int, str]:
    """The waits for supplements without which the requester itself went on: place, and the requester.

    To agree that the sender withdraws is not to go on.
    """
    found: dict[int, str] = {}
    requester, places = "", list[int]()
    for place, wait in enumerate(waits):
        if wait.by.standing.phase is not Phase.SUPPLEMENT:
            requester, places = "", []
            continue
        requester = requester or wait.by.source
        if wait.cause is Cause.SUPPLEMENT:
            places.append(place)
        then = wait.then
        goes_on = then is not None and then.standing.phase is not Phase.SUPPLEMENT and then.fact != "withdrawn"
        if then is not None and goes_on and then.source == requester:
            found |= dict.fromkeys(places, requester)
    return found


def _forwarded(waits: Sequence[_Wait]) -> AbstractSet[int]:
    """The places of the waits in which an agency had what it then passed on, since it got it last."""
    found: set[int] = set()
    holding: dict[str, list[int]] = {}
    for place, wait in enumerate(waits):
        if wait.cause in {Cause.RECEIPT, Cause.ACCEPTANCE}:
            holding.setdefault(wait.account, []).append(place)
        then = wait.then
        if then is None:
            break
        if then.fact == "forwarded":
            found |= set(holding.get(then.source, ()))
        holding = {code: held for code, held in holding.items() if _recipient(then, code)}
    return found


def _recipient(record: Record, code: str) -> bool:
    party = record.standing.parties.get(code)
    return party is not None and party.role == "recipient"


def _less_outages(
    begun: datetime, wait: _Wait, outages: Sequence[tuple[datetime, datetime]], bus: str
) -> Iterator[Segment]:
    """An agency's part of a wait, from `begun` on, cut at the outages, which are the bus's."""
    at, after = begun, wait.by.sequence
    for down, up in outages[max(0, bisect_right(outages, (begun,)) - 1) :]:
        if down >= wait.ended:
            break
        if up <= at:
            continue
        if at < down:
            yield Segment(at, down, wait.account, wait.cause, after)
        start, at = max(at, down), min(up, wait.ended)
        if start < at:
            yield Segment(start, at, bus, Cause.OUTAGE, after)
    if at < wait.ended:
        yield Segment(at, wait.ended, wait.account, wait.cause, after)


def _merged(outages: Iterable[Outage]) -> list[tuple[datetime, datetime]]:
    """When something was down: periods in order that neither overlap nor touch."""
    found: list[tuple[datetime, datetime]] = []
    for begun, ended in sorted((outage.begun, outage.ended) for outage in outages):
        if found and begun <= found[-1][1]:
            found[-1] = found[-1][0], max(ended, found[-1][1])
        else:
            found.append((begun, ended))
    return found


def _times(records: Sequence[Record], hidden: AbstractSet[int]) -> list[datetime]:
    """When each fact counts from."""
    times: list[datetime] = []
    for record in records:
        known = instant(record.event["recordedtime"] if record.sequence in hidden else record.acceptedtime)
        times.append(max(known, times[-1]) if times else known)
    return times
