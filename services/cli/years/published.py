"""The published figures that a plan is made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from contracts.figures import Publication


@dataclass(frozen=True, slots=True)
class Published:
    """The published figures by name."""

    values: Mapping[str, int | str]

    @classmethod
    def of(cls, publication: Publication) -> "Published":
        """Those of a publication."""
        return cls({figure.name: figure.published for figure in publication.figures})

    def __getitem__(self, name: str) -> int:
        """A count, or money in 分. Raises KeyError and ValueError."""
        return int(self.values[name])

    def part(self, share: str, whole: str) -> int:
        """How many of a whole its published share in per cent is."""
        part = Decimal(self.values[share]) * self[whole] / 100
        return int(part.quantize(Decimal(1), ROUND_HALF_UP))
