"""How a grid centre writes what is no word: photos, positions, and how its cases hang together; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from connectors.errors import Unreadable
from connectors.forms.table import Cell, Rows, Terms, fill, read, under

PHOTOS: Final = Rows((
    Cell("/title", "name"),
    Cell("/digest", "digest"),
    Cell("/size", "size"),
    Cell("/media_type", "mediaType"),
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Degrees:
    """A decimal string of ours; theirs may be a number. Six digits are a tenth of a metre."""

    def out(self, value: JsonValue) -> JsonValue:
        """Itself."""
        return value

    def back(self, value: JsonValue) -> JsonValue:
        """As a string."""
        return f"{value:.6f}" if isinstance(value, (int, float)) else value


DEGREES: Final = Degrees()

_PLACE: Final = (Cell("/address", "address"), Cell("/division", "areaCode"))
_POSITION: Final = (Cell("/longitude", "x", DEGREES), Cell("/latitude", "y", DEGREES))
_SYSTEMS: Final = {
    "CGCS2000": (*_PLACE, *under("/cgcs2000", "", _POSITION)),
    "WGS84": (*_PLACE, *under("/wgs84", "", _POSITION)),
}


@dataclass(frozen=True, slots=True)
class Placed:
    """A place has one position there, and says of which system: the nation's, if we have that."""

    def out(self, value: JsonValue) -> JsonValue:
        """With its first position."""
        place = value if isinstance(value, dict) else {}
        for system, cells in _SYSTEMS.items():
            if isinstance(place.get(system.lower()), dict):
                return {**fill(cells, place), "coordSystem": system}
        return fill(_PLACE, place)

    def back(self, value: JsonValue) -> JsonValue:
        """With its position under the name of the system."""
        if not isinstance(value, dict):
            raise Unreadable("is no object")
        return read(_SYSTEMS.get(str(value.get("coordSystem")), _PLACE), value)


_LINKS: Final = Rows((
    Cell("/relation", "relation", Terms({"grew_from": "来源案卷", "repeats": "重复案卷"})),
    Cell("/exchange", "externalId"),
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Related:
    """Links to other cases: where a case came from, and what it repeats."""

    def out(self, value: JsonValue) -> JsonValue:
        """Those that they have a word for."""
        links = value if isinstance(value, list) else []
        return _LINKS.out([item for item in links if isinstance(item, dict) and self._known(item)])

    def back(self, value: JsonValue) -> JsonValue:
        """All of them are of our kind."""
        return [{"kind": "workorder", **item} for item in _LINKS.back(value) if isinstance(item, dict)]

    @staticmethod
    def _known(link: Mapping[str, JsonValue]) -> bool:
        return link.get("kind") == "workorder" and link.get("relation") in {"grew_from", "repeats"}
