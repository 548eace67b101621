"""Published figures beside what the log gives: counted in one pass over the facts of a period; pure.

    counting = Counting(publication)
    for exchange in …: counting.add(opening fact, facts)
    counting.document()

    {"publication", "title_zh", "title_en", "source", "inconsistencies": [text],
     "figures": [{"name", "title_zh", "unit", "seed", "published", "derived", "equal"}]}

Facts count as they were stated, by `acceptedtime`; a correction of a number stands beside it and is not counted here.
Exchanges come in any order: what counts only under another exchange of its case is held until all have come.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from fnmatch import fnmatchcase
from typing import Final

from pydantic import JsonValue

from contracts.canonical import Document
from contracts.counting import DAY, midnight
from contracts.figures import Count, Figure, Publication, Selection, Share, Sum, Total, Under
from events.registry import kind_of

_HUNDREDTH: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Said:
    """A fact as it is counted. `case`: the case of its exchange."""

    type: str
    source: str
    at: datetime
    case: str
    data: Mapping[str, JsonValue]


class Counting:
    """What was counted for one publication so far."""

    def __init__(self, publication: Publication) -> None:
        self._publication = publication
        self._begin, self._end = midnight(publication.begin), midnight(publication.end + DAY)
        self._wanted: dict[str, dict[str, Count | Sum]] = {}
        self._over: dict[str, Under] = {}
        # By selection: what counts, what counts if its case is one of those below, and which agencies took part.
        self._sums: Counter[str] = Counter()
        self._held: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._agencies: defaultdict[str, set[str]] = defaultdict(set)
        # By `Under`: the cases that have such an exchange.
        self._cases: defaultdict[str, set[str]] = defaultdict(set)
        for selection in (item for figure in publication.figures for item in figure.selections()):
            self._wanted.setdefault(selection.type, {})[_key(selection)] = selection
            if selection.under is not None:
                self._over[_key(selection.under)] = selection.under

    @property
    def types(self) -> frozenset[str]:
        """The types on the wire that count."""
        return frozenset(self._wanted)

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of the exchanges that count, and of those under which something counts."""
        counted = {item.kind for found in self._wanted.values() for item in found.values()}
        return frozenset(counted | {item.kind for item in self._over.values()})

    @property
    def period(self) -> tuple[datetime, datetime]:
        """From, and up to and without."""
        return self._begin, self._end

    def add(self, opening: Said, facts: Iterable[Said]) -> None:
        """Count the facts of an exchange, which the first of all of them opened."""
        for key, under in self._over.items():
            if kind_of(opening.type) == under.kind and _has(opening.data, under.opening):
                self._cases[key].add(opening.case)
        for said in facts:
            if self._begin <= said.at < self._end:
                for key, selection in self._wanted.get(said.type, {}).items():
                    if _selected(selection, said, opening):
                        self._count(key, selection, said, opening)

    def _count(self, key: str, selection: Count | Sum, said: Said, opening: Said) -> None:
        if selection.under is not None:
            self._held[key][said.case] += _amount(selection, said)
        elif isinstance(selection, Count) and selection.agencies:
            self._agencies[key] |= {code for code in _parties(opening) if _matches(selection.agencies, code)}
        else:
            self._sums[key] += _amount(selection, said)

    def document(self) -> Document:
        """Each figure as it was published and as the log gives it."""
        told = self._publication
        return {
            "publication": told.id,
            "title_zh": told.title_zh,
            "title_en": told.title_en,
            "source": told.source,
            "inconsistencies": [*told.inconsistencies],
            "figures": [self._figure(figure) for figure in told.figures],
        }

    def _figure(self, figure: Figure) -> Document:
        derived = self._derived(figure)
        return {
            "name": figure.name,
            "title_zh": figure.title_zh,
            "unit": figure.unit,
            "seed": figure.seed,
            "published": figure.published,
            "derived": derived,
            "equal": derived == figure.published,
        }

    def _derived(self, figure: Figure) -> int | str | None:
        match figure.derived:
            case Share(part=part, whole=whole):
                return _per_cent(self._total(part), self._total(whole))
            case Total(of=of):
                return sum(map(self._total, of))
            case one:
                return self._total(one)

    def _total(self, selection: Count | Sum) -> int:
        key = _key(selection)
        if selection.under is not None:
            cases = self._cases[_key(selection.under)]
            return sum(amount for case, amount in self._held[key].items() if case in cases)
        if isinstance(selection, Count) and selection.agencies:
            return len(self._agencies[key])
        return self._sums[key]


def _key(selection: Count | Sum | Under) -> str:
    return selection.model_dump_json()


def _per_cent(part: int, whole: int) -> str | None:
    if not whole:
        return None
    return str((Decimal(part) * 100 / whole).quantize(_HUNDREDTH, ROUND_HALF_UP))


def _amount(selection: Count | Sum, said: Said) -> int:
    match selection:
        case Sum(member=member):
            return sum(value for value in _values(said.data, member) if isinstance(value, int))
        case Count(items=str() as items):
            return sum(1 for _ in _values(said.data, items))
        case Count():
            return 1


def _selected(selection: Selection, said: Said, opening: Said) -> bool:
    return (
        _has(said.data, selection.where)
        and _has(opening.data, selection.opening)
        and _some(selection.by, [said.source])
        and _some(selection.to, _addressed(opening))
        and all(_some(patterns, _parties(opening)) for patterns in selection.between)
    )


def _has(data: Mapping[str, JsonValue], wanted: Mapping[str, Sequence[JsonValue]]) -> bool:
    return all(any(value in values for value in _values(data, member)) for member, values in wanted.items())


def _some(patterns: Sequence[str], codes: Iterable[str]) -> bool:
    return not patterns or any(_matches(patterns, code) for code in codes)


def _matches(patterns: Sequence[str], code: str) -> bool:
    return any(fnmatchcase(code, pattern) for pattern in patterns)


def _parties(opening: Said) -> list[str]:
    return [opening.source, *_addressed(opening)]


def _addressed(opening: Said) -> list[str]:
    several = opening.data.get("recipients")
    named = [opening.data.get("recipient"), *(several if isinstance(several, list) else [])]
    return [code for code in named if isinstance(code, str)]


def _values(data: JsonValue | Mapping[str, JsonValue], member: str) -> Iterator[JsonValue]:
    """The values of a member; of a list, those of each item."""
    name, _, rest = member.partition("/")
    value = data.get(name) if isinstance(data, Mapping) else None
    for item in value if isinstance(value, list) else [value]:
        if item is not None:
            yield from _values(item, rest) if rest else [item]
