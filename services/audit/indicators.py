"""Indicators 指标 of a period, by agency and in total, from what exchanges contribute; pure.

    indicators(figures, begin, end, now)

    {"from", "to", "now", "indicators": [{"id", "title_zh", "title_en", "unit", "source", "status"}],
     "total": block, "agencies": [{"agency": code} + block]}

    block = {"opened", "ended", "open",
             "indicators": [{"id", "numerator", "denominator", "value": decimal or None, "light"}],
             "exchanges": [{"kind", "sent", "received", "ended", "open"}],
             "refused": [{"fact", "ground", "count"}],
             "overdue": [{"rule", "count", "total_s", "worst_s", "running", "running_total_s", "running_worst_s"}],
             "forwards": {"count", "again"}, "letters": {"adopted", "partly", "not_adopted"},
             "notices": {"told", "answered", "open"},
             "delay": [{"cause", "seconds"}]}

What counts in a period [begin, end), by `acceptedtime`:

- opened, sent, and delay (the exchange's whole time, by whose it is): by when the exchange was opened; received: by
  when it was asked of the agency; ended: by when it ended; open: opened before `end`, and not ended yet as is known.
- notices 双向告知: told by the agency in the period; of these, what came back (followed up, or answered by a notice of
  the other side), and what is still open.
- refused, forwards, letters: by when it was stated. A forward is of whose word it was, the arbiter's that designates
  included; `again`: to an agency that had had the matter.
- accepted: what was asked of an agency counts when it took a position, or `days` after it was asked, whichever was
  first. It was accepted in time, or it was not; what was turned away in time, or withdrawn in time, is left out.
- on_time: a clock of a recipient counts when it was met, or else when it was due. Those that became void in time, or
  stand still, are left out. So are those that run and are not due `now`.
- days_to_answer: by when the answer was stated; from when it was asked. The numerator is in seconds.
- timeliness, quality: by when it was rated; the last rating of one agency by another in an exchange.
- overdue: clocks of any duty that were due in the period and stopped late; running: those due before `end` that are
  overdue `now`, whenever they fell due.

All sums are of whole numbers, so that no order of the exchanges changes a digit.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final, NamedTuple

from pydantic import JsonValue

from contracts.canonical import Document, timestamp
from contracts.clocks import ClockState
from contracts.indicators import Indicator, Measure, packaged
from services.audit.figures import RECIPIENT, TURNED_AWAY, Ask, Figures, Rating, Timed

_MICROSECOND: Final = timedelta(microseconds=1)
_SECOND: Final = 10**6
_DAY: Final = 86_400 * _SECOND
_NOTICE: Final = "notice"
_FOLLOWED_UP: Final = "followed_up"


class _Weight(NamedTuple):
    """What an exchange adds: to these agencies each, and once to the total. Under "worst", the greatest counts."""

    agencies: tuple[str, ...]
    key: tuple[str, ...]
    amount: int = 1


class _Period(NamedTuple):
    begin: datetime
    end: datetime
    now: datetime

    def has(self, at: datetime | None) -> bool:
        return at is not None and self.begin <= at < self.end


class _Sums:
    """The sums of an agency, or of all."""

    def __init__(self) -> None:
        self._of: Counter[tuple[str, ...]] = Counter()

    def add(self, key: tuple[str, ...], amount: int) -> None:
        self._of[key] = max(self._of[key], amount) if key[-1].endswith("worst") else self._of[key] + amount

    def __call__(self, *key: str) -> int:
        return self._of[key]

    def under(self, name: str, names: int = 1) -> list[tuple[str, ...]]:
        """The distinct names that come after `name`, in order."""
        return sorted({key[1 : 1 + names] for key in self._of if key[0] == name})


class _Told(NamedTuple):
    opener: str
    addressed: frozenset[str]
    followed_up: bool
    ended: bool


class _Notices:
    """Which notices were told and which were answered: what answers one is another exchange, opened by who got it."""

    def __init__(self) -> None:
        self._told: dict[str, _Told] = {}
        self._answers: set[tuple[str, str]] = set()

    def add(self, item: Figures, period: _Period) -> None:
        self._answers |= {(exchange, item.opener) for exchange in item.answers}
        if item.kind == _NOTICE and period.has(item.opened):
            addressed = frozenset(joined.agency for joined in item.joined if joined.role == RECIPIENT)
            followed_up = any(act.fact == _FOLLOWED_UP for act in item.acts)
            self._told[item.exchange] = _Told(item.opener, addressed, followed_up, item.ended is not None)

    def counts(self, agency: str | None) -> JsonValue:
        """Those of an agency, or of all."""
        own = {exchange: told for exchange, told in self._told.items() if agency in {None, told.opener}}
        answered = {
            exchange
            for exchange, told in own.items()
            if told.followed_up or any((exchange, code) in self._answers for code in told.addressed)
        }
        waiting = [exchange for exchange, told in own.items() if exchange not in answered and not told.ended]
        return {"told": len(own), "answered": len(answered), "open": len(waiting)}


class Tabulation:
    """The indicators of the period [begin, end) as of `now` (all aware), of exchanges that come one by one.

    With `agency`: its block only, and no total. `measured`: the packaged indicators by default.
    """

    def __init__(
        self,
        begin: datetime,
        end: datetime,
        now: datetime,
        agency: str | None = None,
        *,
        measured: Sequence[Indicator] | None = None,
    ) -> None:
        self._period = _Period(begin, end, now)
        self._agency = agency
        self._measured = packaged() if measured is None else tuple(measured)
        self._total = _Sums()
        self._by_agency: dict[str, _Sums] = {}
        self._notices = _Notices()

    def add(self, item: Figures) -> None:
        """Count an exchange. One that has nothing to do with the period changes nothing."""
        self._notices.add(item, self._period)
        for weight in _weights(item, self._period, self._measured):
            self._total.add(weight.key, weight.amount)
            for code in weight.agencies:
                self._by_agency.setdefault(code, _Sums()).add(weight.key, weight.amount)

    def document(self) -> Document:
        """The document of what was counted."""
        measured, begin, end, now = self._measured, *self._period
        shown = sorted(self._by_agency) if self._agency is None else [self._agency]
        return {
            "from": timestamp(begin),
            "to": timestamp(end),
            "now": timestamp(now),
            "indicators": [_described(item) for item in measured],
            "total": self._block(self._total, None) if self._agency is None else None,
            "agencies": [{"agency": code, **self._block(self._by_agency.get(code, _Sums()), code)} for code in shown],
        }

    def _block(self, sums: _Sums, agency: str | None) -> Document:
        return {**_block(sums, self._measured), "notices": self._notices.counts(agency)}


def indicators(
    figures: Iterable[Figures], begin: datetime, end: datetime, now: datetime, agency: str | None = None
) -> Document:
    """The document of the period [begin, end) as of `now` (all aware). With `agency`: its block only, and no total."""
    tabulation = Tabulation(begin, end, now, agency)
    for item in figures:
        tabulation.add(item)
    return tabulation.document()


def _weights(item: Figures, period: _Period, asked: Sequence[Indicator]) -> Iterator[_Weight]:
    yield from _exchange(item, period)
    yield from _stated(item, period)
    for clock in item.clocks:
        yield from _overdue(clock, period)
    for indicator in asked:
        for code, numerator, denominator in _measured(item, indicator, period):
            yield _Weight((code,), ("indicator", indicator.id, "numerator"), numerator)
            yield _Weight((code,), ("indicator", indicator.id, "denominator"), denominator)


def _exchange(item: Figures, period: _Period) -> Iterator[_Weight]:
    """What counts of the exchange as a whole."""
    concerned = tuple(sorted({item.opener, *(ask.agency for ask in item.asks)}))
    if period.has(item.opened):
        yield _Weight(concerned, ("opened",))
        yield _Weight((item.opener,), ("kind", item.kind, "sent"))
        for part in item.time:
            yield _Weight((part.account,), ("delay", part.cause), part.length)
    if period.has(item.ended):
        yield _Weight(concerned, ("ended",))
        yield _Weight(concerned, ("kind", item.kind, "ended"))
    if item.ended is None and item.opened < period.end:
        yield _Weight(concerned, ("open",))
        yield _Weight(concerned, ("kind", item.kind, "open"))
    for ask in item.asks:
        if period.has(ask.asked):
            yield _Weight((ask.agency,), ("kind", item.kind, "received"))


def _stated(item: Figures, period: _Period) -> Iterator[_Weight]:
    """What counts when it was stated."""
    for refusal in item.refusals:
        if period.has(refusal.at):
            yield _Weight((refusal.agency,), ("refused", refusal.fact, refusal.ground))
    for hop in item.hops:
        if period.has(hop.at):
            yield _Weight((hop.by,), ("forwards", "count"))
            yield _Weight((hop.by,), ("forwards", "again"), int(hop.again))
    for reply in item.replies:
        if period.has(reply.at):
            for name in ("adopted", "partly", "not_adopted"):
                yield _Weight((reply.agency,), ("letters", name), int(getattr(reply, name)))


def _overdue(clock: Timed, period: _Period) -> Iterator[_Weight]:
    lengths = {"": clock.late if clock.late and period.has(clock.due) else 0}
    if clock.runs and clock.due < min(period.now, period.end):
        lengths["running_"] = (period.now - clock.due) // _MICROSECOND
    for prefix, late in lengths.items():
        if late:
            yield _Weight((clock.agency,), ("overdue", clock.rule, prefix + "count"))
            yield _Weight((clock.agency,), ("overdue", clock.rule, prefix + "total"), late)
            yield _Weight((clock.agency,), ("overdue", clock.rule, prefix + "worst"), late)


def _measured(item: Figures, indicator: Indicator, period: _Period) -> Iterator[tuple[str, int, int]]:
    """(agency, numerator, denominator) of what counts in the period."""
    match indicator.measure:
        case Measure.ACCEPTED:
            within = timedelta(days=indicator.days or 0)
            yield from ((ask.agency, *found) for ask in item.asks if (found := _accepted(ask, within, period)))
        case Measure.ON_TIME:
            yield from ((clock.agency, *found) for clock in item.clocks if (found := _on_time(clock, period)))
        case Measure.DAYS_TO_ANSWER:
            for ask in item.asks:
                if ask.answered is not None and period.has(ask.answered):
                    yield ask.agency, max(0, (ask.answered - ask.asked) // _MICROSECOND), 1
        case Measure.TIMELINESS | Measure.QUALITY as measure:
            for rating in item.ratings:
                if period.has(rating.at):
                    yield rating.of, int(_mark(rating, measure) <= (indicator.negative or 0)), 1


def _accepted(ask: Ask, within: timedelta, period: _Period) -> tuple[int, int] | None:
    limit = ask.asked + within
    done = min((at for at in (ask.positioned, ask.over) if at is not None), default=None)
    in_time = done is not None and done <= limit
    if not period.has(done if in_time else limit) or (done is None and period.now <= limit):
        return None
    if not in_time:
        return 0, 1
    return None if ask.position is None or ask.position in TURNED_AWAY else (1, 1)


def _on_time(clock: Timed, period: _Period) -> tuple[int, int] | None:
    if clock.duty != RECIPIENT:
        return None
    if clock.state is ClockState.MET:
        return (1, 1) if period.has(clock.stopped) else None
    missed = clock.late > 0 or (clock.runs and clock.due < period.now)
    return (0, 1) if missed and period.has(clock.due) else None


def _mark(rating: Rating, measure: Measure) -> int:
    return rating.timeliness if measure is Measure.TIMELINESS else rating.quality


def _block(sums: _Sums, asked: Sequence[Indicator]) -> Document:
    return {
        **{name: sums(name) for name in ("opened", "ended", "open")},
        "indicators": [_valued(sums, item) for item in asked],
        "exchanges": [
            {"kind": kind, **{name: sums("kind", kind, name) for name in ("sent", "received", "ended", "open")}}
            for (kind,) in sums.under("kind")
        ],
        "refused": [
            {"fact": fact, "ground": ground, "count": sums("refused", fact, ground)}
            for fact, ground in sums.under("refused", 2)
        ],
        "overdue": [_late(sums, rule) for (rule,) in sums.under("overdue")],
        "forwards": {name: sums("forwards", name) for name in ("count", "again")},
        "letters": {name: sums("letters", name) for name in ("adopted", "partly", "not_adopted")},
        "delay": [{"cause": cause, "seconds": sums("delay", cause) // _SECOND} for (cause,) in sums.under("delay")],
    }


def _late(sums: _Sums, rule: str) -> Document:
    found: Document = {"rule": rule}
    for prefix in ("", "running_"):
        found[prefix.rstrip("_") or "count"] = sums("overdue", rule, prefix + "count")
        for name in ("total", "worst"):
            found[f"{prefix}{name}_s"] = sums("overdue", rule, prefix + name) // _SECOND
    return found


def _described(item: Indicator) -> JsonValue:
    return {
        "id": item.id,
        "title_zh": item.title_zh,
        "title_en": item.title_en,
        "unit": item.unit,
        "source": item.source,
        "status": item.status,
    }


def _valued(sums: _Sums, item: Indicator) -> JsonValue:
    numerator, denominator = (sums("indicator", item.id, name) for name in ("numerator", "denominator"))
    days = item.unit == "days"
    value = Fraction(numerator, denominator * (_DAY if days else 1)) if denominator else None
    return {
        "id": item.id,
        "numerator": numerator // _SECOND if days else numerator,
        "denominator": denominator,
        "value": None if value is None else _decimal(value, 2 if days else 4),
        "light": item.light(value),
    }


def _decimal(value: Fraction, places: int) -> str:
    """A number, zero or more, with so many places; half a unit of the last one goes up."""
    scaled = (value.numerator * 10**places * 2 + value.denominator) // (value.denominator * 2)
    whole, part = divmod(scaled, 10**places)
    return f"{whole}.{part:0{places}}"
