"""How members of our facts and members of a form stand for each other; pure. The table of them is mapping.py's."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Final

from pydantic import JsonValue

from connectors.losses import Loss
from contracts.canonical import Document, instant

BEIJING: Final = timezone(timedelta(hours=8))
_MOMENT: Final = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True)
class Codec:
    """A value of ours in their spelling, and back. `lost`: what has no place there, by pointers into the value."""

    out: Callable[[JsonValue], JsonValue]
    back: Callable[[JsonValue], JsonValue]
    lost: Callable[[JsonValue], Sequence[Loss]] = field(default=lambda _: ())


def _same(value: JsonValue) -> JsonValue:
    return value


SAME: Final = Codec(_same, _same)


@dataclass(frozen=True, slots=True)
class Member:
    """One row: the path of our member, their name of it, and the spelling. Both are left out where there is nothing."""

    ours: str
    theirs: str
    codec: Codec = SAME


def words(table: Mapping[str, str]) -> Codec:
    """Codes of ours in their words. What is not in the table passes as it is, and the model of the fact judges it."""
    inverse = {theirs: ours for ours, theirs in table.items()}
    return Codec(lambda value: table.get(str(value), value), lambda value: inverse.get(str(value), value))


def outward(members: Sequence[Member], data: Mapping[str, JsonValue]) -> Document:
    """Their form of the data of a fact."""
    found = ((member, _get(data, member.ours)) for member in members)
    return {member.theirs: member.codec.out(value) for member, value in found if value is not None}


def inward(members: Sequence[Member], form: Mapping[str, JsonValue]) -> Document:
    """The data of a fact from their form. Raises ValueError for what cannot be read."""
    data: Document = {}
    for member in members:
        value = form.get(member.theirs)
        if value is not None:
            _put(data, member.ours, member.codec.back(value))
    return data


def lost(members: Sequence[Member], data: Mapping[str, JsonValue], name: Callable[[str], Loss]) -> Iterator[Loss]:
    """What of the data no row carries. `name` says in words what stands at a path that no row has."""
    rows = {member.ours: member.codec for member in members}
    for path, value in _reached(data, "", rows):
        if value in ([], {}):
            continue
        if path not in rows:
            yield name(path)
        else:
            yield from (replace(loss, pointer=f"{path}{loss.pointer}") for loss in rows[path].lost(value))


def _reached(data: Mapping[str, JsonValue], prefix: str, rows: Mapping[str, Codec]) -> Iterator[tuple[str, JsonValue]]:
    """Every member that stands in a row of its own, or in none."""
    for name, value in data.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict) and path not in rows and any(row.startswith(f"{path}/") for row in rows):
            yield from _reached(value, f"{path}/", rows)
        else:
            yield path, value


def _get(data: Mapping[str, JsonValue], path: str) -> JsonValue:
    value: JsonValue = dict(data)
    for part in path.split("/"):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _put(data: Document, path: str, value: JsonValue) -> None:
    *parents, last = path.split("/")
    for parent in parents:
        inner = data.setdefault(parent, {})
        if not isinstance(inner, dict):  # pragma: no cover, no row stands inside another
            raise TypeError(path)
        data = inner
    data[last] = value


# --- moments


def moment(at: datetime) -> str:
    """`2026-11-05 10:00:00`, in Beijing's time and to the second."""
    return at.astimezone(BEIJING).strftime(_MOMENT)


def read_moment(value: JsonValue) -> datetime:
    """The instant. Raises ValueError."""
    return datetime.strptime(str(value), _MOMENT).replace(tzinfo=BEIJING)


def _fraction(value: JsonValue) -> Sequence[Loss]:
    return [Loss("", "秒以下的时刻", "fractions of a second")] if instant(value).microsecond else []


MOMENT: Final = Codec(lambda value: moment(instant(value)), lambda value: read_moment(value).isoformat(), _fraction)


# --- lists of parts


def _objects(value: JsonValue) -> list[Document]:
    """Raises ValueError."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        msg = "a list of objects is expected"
        raise ValueError(msg)
    return [item for item in value if isinstance(item, dict)]


def _each(pairs: Mapping[str, str]) -> tuple[Callable[[JsonValue], JsonValue], Callable[[JsonValue], JsonValue]]:
    members = [Member(ours, theirs) for ours, theirs in pairs.items()]

    def out(value: JsonValue) -> JsonValue:
        return [outward(members, item) for item in _objects(value)]

    def back(value: JsonValue) -> JsonValue:
        return [inward(members, item) for item in _objects(value)]

    return out, back


_PHOTO: Final = _each({"title": "name", "digest": "digest", "size": "size", "media_type": "mediaType"})
_PAPER: Final = {"copies": ("份数", "number of copies"), "pages": ("页数", "number of pages")}


def _of_paper(value: JsonValue) -> Sequence[Loss]:
    return [
        Loss(f"/{index}/{name}", *said)
        for index, item in enumerate(_objects(value))
        for name, said in _PAPER.items()
        if name in item
    ]


PHOTOS: Final = Codec(*_PHOTO, _of_paper)


# --- places


_SYSTEMS: Final = {"cgcs2000": "CGCS2000", "wgs84": "WGS84"}
"""Their form has one position and says of which system; the nation's grid uses CGCS 2000, so that one goes first."""


def _positions(place: Document) -> dict[str, Document]:
    found = {name: place.get(name) for name in _SYSTEMS}
    return {name: value for name, value in found.items() if isinstance(value, dict)}


def _place_out(value: JsonValue) -> JsonValue:
    place = value if isinstance(value, dict) else {}
    form: Document = {"address": place.get("address"), "areaCode": place.get("division")}
    for name, position in [*_positions(place).items()][:1]:
        form |= {"x": position.get("longitude"), "y": position.get("latitude"), "coordSystem": _SYSTEMS[name]}
    return form


def _place_back(value: JsonValue) -> JsonValue:
    if not isinstance(value, dict):
        msg = "a place is an object"
        raise ValueError(msg)
    place: Document = {"address": value.get("address"), "division": value.get("areaCode")}
    for name, theirs in _SYSTEMS.items():
        if value.get("coordSystem") == theirs:
            place[name] = {"longitude": degrees(value.get("x")), "latitude": degrees(value.get("y"))}
    return place


def degrees(value: JsonValue) -> JsonValue:
    """A number as the decimal string that we keep: six digits are a tenth of a metre."""
    return f"{value:.6f}" if isinstance(value, (int, float)) else value


def _place_lost(value: JsonValue) -> Sequence[Loss]:
    place = value if isinstance(value, dict) else {}
    second = [Loss(f"/{name}", "第二套坐标", "the position in a second system") for name in [*_positions(place)][1:]]
    red_line = [Loss("/red_line", "道路红线内/外", "within the red line of the road or not")]
    return [*second, *(red_line if "red_line" in place else [])]


PLACE: Final = Codec(_place_out, _place_back, _place_lost)
