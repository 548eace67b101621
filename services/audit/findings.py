"""Findings 应移未移: what is looked for in cases, by rules that are data; pure.

    find(cases, rules, now)      leads for a supervisor's own checking 供监督核查的线索; no accusation, and they say so

Nothing of a finding is personal data. A finding keeps its id as long as its rule and the fact that it rests on stay.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Final, TypeAlias

from pydantic import JsonValue

from contracts.calendar import SHANGHAI
from contracts.canonical import Document, timestamp
from contracts.counting import DAY, midnight
from contracts.findings import (
    NOTICE_EN,
    NOTICE_ZH,
    SCOPE_EN,
    SCOPE_ZH,
    DayDiffers,
    DayNotReferred,
    FindingRule,
    Missing,
    Threshold,
    Unanswered,
    Upon,
)
from services.audit.figures import Act, Circumstance, DayStatement, Figures

_OPENED: Final = "opened"

_Seen: TypeAlias = Counter[tuple[str, date, str, str]]
"""What the bus saw: by agency, day in Shanghai, kind and direction."""


@dataclass(frozen=True, slots=True)
class CaseView:
    """A case 案件: what all its exchanges contribute."""

    case: str
    exchanges: tuple[Figures, ...]


@dataclass(frozen=True, slots=True)
class _Tally:
    """An agency's statement for a day, and where it stands."""

    case: str
    exchange: Figures
    said: DayStatement


@dataclass(frozen=True, slots=True)
class Evidence:
    """An event that a finding rests on."""

    kind: str
    exchange: str
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One lead. `occurred`: when what it rests on came about. `late`: what was missing came after all, too late.

    agencies: whom it concerns. numbers: what was compared.
    """

    id: str
    rule: FindingRule
    case: str
    agencies: tuple[str, ...]
    occurred: datetime
    late: bool = False
    numbers: Mapping[str, int | str] = field(default_factory=dict[str, int | str])
    evidence: tuple[Evidence, ...]

    def document(self, *, overseer: bool = False) -> Document:
        """The finding for its readers, with what it is not and what would explain it.

        `overseer`: for one for whom it was looked for among what that one oversees, and in nothing else.
        """
        rule = self.rule
        return {
            "id": self.id,
            "rule": rule.id,
            "title_zh": rule.title_zh,
            "title_en": rule.title_en,
            "notice_zh": NOTICE_ZH,
            "notice_en": NOTICE_EN,
            "wording_zh": f"{rule.wording_zh}{SCOPE_ZH}" if overseer else rule.wording_zh,
            "wording_en": f"{rule.wording_en} {SCOPE_EN}" if overseer else rule.wording_en,
            "innocent_zh": [*rule.innocent_zh],
            "source": rule.source,
            "status": rule.status,
            "case": self.case,
            "agencies": [*self.agencies],
            "occurred": timestamp(self.occurred),
            "late": self.late,
            "numbers": {**self.numbers},
            "evidence": [_shown(item) for item in self.evidence],
        }


class Search:
    """What is found in cases that come one by one. Each case must be whole.

    `since`: only what came about then or later; there must be every case with a fact since then. All aware.
    """

    def __init__(self, rules: Sequence[FindingRule], now: datetime, since: datetime | None = None) -> None:
        self._rules = tuple(rules)
        self._now = now
        self._since = since
        self._found: list[Finding] = []
        self._seen: _Seen = Counter()
        self._tallies: dict[tuple[str, date], _Tally] = {}

    def add(self, case: CaseView) -> None:
        """Look through a case."""
        for rule in self._rules:
            self._found += _of_case(case, rule, self._now)
        for item in case.exchanges:
            self._seen.update(_counted(item))
            _keep_newest(self._tallies, case.case, item)

    def findings(self) -> list[Finding]:
        """What was found, by when it came about."""
        of_days = (
            finding
            for tally in self._tallies.values()
            for rule in self._rules
            for finding in _of_day(tally, rule, self._seen, self._now)
        )
        wanted = (item for item in (*self._found, *of_days) if self._since is None or item.occurred >= self._since)
        return sorted(wanted, key=lambda item: (item.occurred, item.id))


def find(
    cases: Iterable[CaseView], rules: Sequence[FindingRule], now: datetime, since: datetime | None = None
) -> list[Finding]:
    """The findings as of `now`, by when they came about; with `since`, as `Search` says."""
    search = Search(rules, now, since)
    for case in cases:
        search.add(case)
    return search.findings()


def _of_case(case: CaseView, rule: FindingRule, now: datetime) -> Iterator[Finding]:
    for item in case.exchanges:
        match rule.check:
            case Threshold() as check if item.kind in check.kinds:
                yield from _beyond(case, item, rule, check, now)
            case Unanswered() as check:
                yield from _unanswered(case, item, rule, check, now)
            case Missing() as check if item.kind == check.kind:
                yield from _missing(case, item, rule, check, now)
            case _:
                pass


def _beyond(case: CaseView, item: Figures, rule: FindingRule, check: Threshold, now: datetime) -> Iterator[Finding]:
    act = _first(item.acts, check.upon)
    grave = next((known for known in item.circumstances if _grave(known, check)), None)
    if act is None or grave is None or any(known.outcome in check.cleared for known in item.acts if known.outcome):
        return
    until = _end(act.at, check.days)
    met = _met(case, check)
    if now < until or (met is not None and met[0] < until):
        return
    over: dict[str, int | str] = (
        {"loss": grave.loss or 0, "threshold": check.loss}
        if check.loss is not None
        else {"quantity": f"{grave.quantity} {grave.unit}", "threshold": f"{check.quantity} {check.unit}"}
    )
    yield Finding(
        id=_id(rule, item, act.sequence),
        rule=rule,
        case=case.case,
        agencies=(act.agency,),
        occurred=act.at,
        late=met is not None,
        numbers={**over, "days": check.days},
        evidence=(
            *_evidence(item, sorted({grave.sequence, act.sequence})),
            *(_evidence(met[1], [1]) if met else ()),
        ),
    )


def _grave(known: Circumstance, check: Threshold) -> bool:
    if check.causes and not any(word in (known.cause or "") for word in check.causes):
        return False
    if check.loss is not None:
        return known.loss is not None and known.loss >= check.loss
    same = known.quantity is not None and known.unit == check.unit
    return same and Decimal(known.quantity or 0) >= Decimal(check.quantity or 0)


def _met(case: CaseView, check: Threshold) -> tuple[datetime, Figures] | None:
    """When what a grave matter asks for was there first, and by which exchange."""
    if check.kind is not None:
        opened = [(item.opened, item) for item in case.exchanges if item.kind == check.kind]
        return min(opened, key=lambda found: found[0], default=None)
    told: list[tuple[datetime, Figures]] = []
    for role in check.told:
        joined = [
            (party.at, item)
            for item in case.exchanges
            for party in item.joined
            if party.agency.rsplit("-", 1)[1] == role
        ]
        if not joined:
            return None
        told.append(min(joined, key=lambda found: found[0]))
    return max(told, key=lambda found: found[0])


def _unanswered(
    case: CaseView, item: Figures, rule: FindingRule, check: Unanswered, now: datetime
) -> Iterator[Finding]:
    for clock in item.clocks:
        concerned = not check.rules or clock.rule in check.rules
        if not concerned or not clock.runs or now - clock.due <= DAY * check.days:
            continue
        if any(act.agency == clock.agency and act.at > clock.due for act in item.acts):
            continue
        said = [clock.started_by] if clock.expired is None else [clock.started_by, clock.expired]
        yield Finding(
            id=f"{_id(rule, item, clock.started_by)}/{clock.rule}/{clock.agency}",
            rule=rule,
            case=case.case,
            agencies=(clock.agency,),
            occurred=clock.due,
            numbers={"clock": clock.rule, "due": timestamp(clock.due), "days": check.days},
            evidence=_evidence(item, said),
        )


def _missing(case: CaseView, item: Figures, rule: FindingRule, check: Missing, now: datetime) -> Iterator[Finding]:
    act = _first(item.acts, (check.upon,))
    if act is None or item.ended is not None or now < _end(act.at, check.days):
        return
    if any(later.fact in check.expects for later in item.acts if later.sequence > act.sequence):
        return
    asked = tuple(sorted({ask.agency for ask in item.asks if ask.over is None}))
    yield Finding(
        id=_id(rule, item, act.sequence),
        rule=rule,
        case=case.case,
        agencies=asked or (item.opener,),
        occurred=act.at,
        numbers={"days": check.days},
        evidence=_evidence(item, [act.sequence]),
    )


def _counted(item: Figures) -> Iterator[tuple[str, date, str, str]]:
    """What the bus saw of an exchange. Each act is of the day on which it was accepted."""
    at = {act.sequence: act.at for act in item.acts}
    yield item.opener, _day(item.opened), item.kind, _OPENED
    for ask in item.asks:
        yield ask.agency, _day(at[ask.sequence]), item.kind, "received"
        if ask.by == item.opener:
            yield ask.by, _day(at[ask.sequence]), item.kind, "sent"
    for act in item.acts:
        if act.fact in {"forwarded", "returned", "decided"}:
            yield act.agency, _day(act.at), item.kind, act.fact


def _keep_newest(tallies: dict[tuple[str, date], _Tally], case: str, item: Figures) -> None:
    """Of several statements for one day, the last one counts."""
    said = item.statement
    if said is None:
        return
    old = tallies.get((said.agency, said.day))
    if old is None or (old.said.at, old.exchange.exchange) < (said.at, item.exchange):
        tallies[said.agency, said.day] = _Tally(case, item, said)


def _of_day(tally: _Tally, rule: FindingRule, seen: _Seen, now: datetime) -> Iterator[Finding]:
    said = tally.said
    match rule.check:
        case DayDiffers():
            for count in said.counts:
                saw = seen[said.agency, said.day, count.kind, count.direction]
                if saw != count.count:
                    what = f"{count.kind}/{count.direction}"
                    yield _day_finding(tally, rule, {"counted": what, "stated": count.count, "seen": saw}, f"/{what}")
        case DayNotReferred(kind=kind, days=days):
            window = [said.day + DAY * number for number in range(days + 1)]
            opened = sum(seen[said.agency, day, kind, _OPENED] for day in window)
            if now >= midnight(window[-1] + DAY) and said.over_threshold > opened:
                yield _day_finding(tally, rule, {"stated": said.over_threshold, "seen": opened, "days": days})
        case _:
            pass


def _day_finding(tally: _Tally, rule: FindingRule, numbers: Mapping[str, int | str], suffix: str = "") -> Finding:
    said = tally.said
    return Finding(
        id=f"{_id(rule, tally.exchange, said.sequence)}{suffix}",
        rule=rule,
        case=tally.case,
        agencies=(said.agency,),
        occurred=midnight(said.day),
        numbers={"day": said.day.isoformat(), **numbers},
        evidence=_evidence(tally.exchange, [said.sequence]),
    )


def _first(acts: Sequence[Act], upon: Sequence[Upon]) -> Act | None:
    return next((act for act in acts if any(_is(act, item) for item in upon)), None)


def _is(act: Act, upon: Upon) -> bool:
    return act.fact == upon.fact and (not upon.outcomes or act.outcome in upon.outcomes)


def _end(start: datetime, days: int) -> datetime:
    """24:00 of the last of so many natural days after the day of the start, in Shanghai."""
    return midnight(_day(start) + DAY * (days + 1))


def _day(at: datetime) -> date:
    return at.astimezone(SHANGHAI).date()


def _id(rule: FindingRule, item: Figures, sequence: int) -> str:
    return f"{rule.id}/{item.kind}/{item.exchange}/{sequence}"


def _evidence(item: Figures, sequences: Iterable[int]) -> tuple[Evidence, ...]:
    return tuple(Evidence(item.kind, item.exchange, sequence) for sequence in sequences)


def _shown(item: Evidence) -> JsonValue:
    return {"kind": item.kind, "exchange": item.exchange, "sequence": item.sequence}
