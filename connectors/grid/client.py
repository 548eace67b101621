"""The channel to a grid centre: copies become its cases and steps, its list of changes becomes facts of its own.

    channel:
      via: grid
      url: https://…/api
      options: {dialect: national, token: grid.token}

`dialect`: `national` (mapping.py) or `open311` (open311.py). `token`: the name of a file in the folder of secrets.
What the agency stated itself, and what it may not see (a stub), is not brought to it. What of its own was refused it is
told as an error. What is no work order goes to it as a letter 来文, whole.
"""

from collections.abc import AsyncIterator, Mapping, Sequence

from pydantic import JsonValue, ValidationError

from connectors.channel import (
    Channel,
    Collected,
    FileMissing,
    Files,
    FileSpoilt,
    Handed,
    Opening,
    Parcel,
    PartnerAway,
    PartnerGone,
    PartnerRefuses,
    Stated,
)
from connectors.errors import SettingsError, Unreadable
from connectors.forms.table import local
from connectors.grid.mapping import (
    KIND,
    PICTURES,
    Change,
    change_number,
    noted,
    pictures,
    read_change,
    stated,
    told,
)
from connectors.grid.open311_client import Open311Channel
from connectors.grid.options import Dialect, Options, secret
from connectors.http.partner import LARGEST_ANSWER, PartnerClient, Reply
from contracts.canonical import Document, instant
from events.workorder import Dispatched


def open_channel(opening: Opening) -> Channel:
    """The channel of an agency. Raises SettingsError."""
    try:
        options = Options.model_validate(dict(opening.agency.channel.options))
    except ValidationError as error:
        raise SettingsError(f"{opening.agency.code}: the options of its channel: {error}") from error
    token = secret(options, opening.keys)
    partner = PartnerClient(opening.agency)
    if options.dialect is Dialect.OPEN311:
        return Open311Channel(opening.agency.code, partner, options, token)
    return GridChannel(opening.agency.code, partner, options, token, opening.files)


class GridChannel:
    """The centre by its own interface."""

    def __init__(self, agency: str, partner: PartnerClient, options: Options, token: str | None, files: Files) -> None:
        self._agency = agency
        self._partner = partner
        self._page = options.page
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._files = files

    async def hand_over(self, parcel: Parcel) -> Handed:
        """Bring one parcel. Raises PartnerAway, PartnerRefuses or PartnerGone."""
        kind = parcel.item.get("kind")
        event, rejection = parcel.item.get("event"), parcel.item.get("rejection")
        if kind == "stub" or (isinstance(event, dict) and event.get("source") == self._agency):
            return Handed(reference=parcel.reference)
        if kind == "rejection" and isinstance(rejection, dict):
            await self._put_on_file("errors", parcel, _error(rejection))
        elif parcel.kind == KIND and isinstance(event, dict):
            return await self._work(parcel, event)
        else:
            await self._put_on_file("letters", parcel, {"title": _title(parcel), "document": parcel.item})
        return Handed(reference=parcel.reference)

    async def collect(self, cursor: str | None) -> Collected:
        """What has changed since. Raises PartnerAway."""
        params = {"after": cursor or "0", "limit": str(self._page)}
        try:
            lines = (await self._ask("GET", "changes", params=params)).array()
        except (PartnerRefuses, PartnerGone) as error:
            raise PartnerAway(f"the list of changes is refused: {error}") from error
        arrivals: list[Stated] = []
        unreadable: list[str] = []
        for line in _in_order(lines):
            try:
                change, lacking = await self._pictured(read_change(line))
                found = stated(change, self._agency)
            except Unreadable as error:
                unreadable.append(str(error))
                continue
            unreadable += lacking
            arrivals += [found] if found else []
        return Collected(tuple(arrivals), _newest(lines, cursor), len(lines) >= self._page, tuple(unreadable))

    async def close(self) -> None:
        """Let go of connections."""
        await self._partner.close()

    async def _work(self, parcel: Parcel, event: Document) -> Handed:
        """An event of a work order: the first brings a case, each later one is a step of it."""
        form = told(event)
        said: Document = {
            "dept": event.get("source"),
            "onBehalfOf": event.get("inname"),
            "time": local(instant(event["time"])),
            "detail": form.detail,
            "missing": await self._give_pictures(form.detail),
            "losses": noted(form.losses),
        }
        if event.get("type") == Dispatched.type():
            case: Document = {"externalId": parcel.exchange, "caseRef": event.get("case")}
            answer = await self._post("cases", parcel, {**said, **case})
        else:
            case = {"caseNo": parcel.reference, "caseExternalId": parcel.exchange, "action": form.action}
            answer = await self._post("steps", parcel, {**said, **case})
        number = answer.get("caseNo")
        if not isinstance(number, str):
            raise PartnerAway("the partner answered without the number of the case")
        return Handed(reference=number)

    async def _put_on_file(self, path: str, parcel: Parcel, form: Document) -> None:
        """What starts no work of theirs."""
        if (await self._post(path, parcel, form)).get("externalId") != parcel.id:
            raise PartnerAway("the partner answered without the externalId of what it was given")

    async def _post(self, path: str, parcel: Parcel, form: Document) -> Document:
        """A call that the partner knows again by its externalId."""
        sent = {name: value for name, value in {"externalId": parcel.id, **form}.items() if value is not None}
        return (await self._ask("POST", path, json=sent)).document()

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        data: object = None,
        params: Mapping[str, str] | None = None,
    ) -> Reply:
        return await self._partner.ask(method, path, json=json, data=data, headers=self._headers, params=params)

    async def _give_pictures(self, detail: Document) -> list[JsonValue]:
        """Bring the pictures that a step names. Returns the digests of which our store has no bytes (yet)."""
        missing: list[JsonValue] = []
        for picture in pictures(detail):
            digest = str(picture["digest"])
            pieces = self._files.read(digest)
            try:
                first = await anext(pieces, b"")
            except (FileMissing, FileSpoilt):
                missing.append(digest)
                continue
            await self._ask("PUT", f"files/{digest}", data=_chained(first, pieces))
        return missing

    async def _pictured(self, change: Change) -> tuple[Change, list[str]]:
        """The change with its pictures in our store, and which of them cannot be had."""
        detail, lacking = dict(change.detail), list[str]()
        for name in PICTURES:
            listed = detail.get(name)
            if isinstance(listed, list):
                taken = [await self._taken(picture) for picture in listed]
                detail[name] = [picture for picture in taken if picture is not None]
                lacking += [f"change {change.change_no}: a picture of {name} cannot be had"] * taken.count(None)
        return change.model_copy(update={"detail": detail}), lacking

    async def _taken(self, picture: JsonValue) -> JsonValue:
        """A picture of theirs with its digest; None if it cannot be had. Only what is under their url is fetched."""
        if not isinstance(picture, dict) or not isinstance(url := picture.get("url"), str):
            return picture
        size, digest = picture.get("size"), picture.get("digest")
        if not isinstance(size, int) or size > LARGEST_ANSWER or "://" in url or ".." in url:
            return None
        try:
            found = _file(await self._ask("GET", url))
            kept = await self._files.write(_one(found), digest if isinstance(digest, str) else None)
        except (PartnerRefuses, PartnerGone, FileSpoilt):
            return None
        return {**picture, "digest": kept, "size": len(found)}


def _file(reply: Reply) -> bytes:
    """The bytes of a picture. A partner that is not well shows a page in its place."""
    if reply.headers.get("Content-Type", "").startswith("text/html"):
        raise PartnerAway("the partner answered with a page in place of a picture")
    return reply.body


async def _chained(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


async def _one(piece: bytes) -> AsyncIterator[bytes]:
    yield piece


def _number(line: JsonValue) -> int:
    number = line.get("changeNo") if isinstance(line, dict) else None
    return number if isinstance(number, int) else 0


def _in_order(lines: Sequence[JsonValue]) -> list[JsonValue]:
    """Each line once, in the order in which it happened, however it was offered. What has no number comes first."""
    once = {_number(line): line for line in lines if _number(line)}
    return [*(line for line in lines if not _number(line)), *(once[number] for number in sorted(once))]


def _newest(lines: Sequence[JsonValue], cursor: str | None) -> str | None:
    newest = max(map(_number, lines), default=0)
    return str(newest) if newest else cursor


def _error(rejection: Document) -> Document:
    """What the partner is told of something of its own that was not registered."""
    id_ = str(rejection.get("id"))
    return {
        "changeNo": change_number(id_),
        "eventId": id_,
        "exchange": rejection.get("exchange"),
        "code": rejection.get("code"),
        "reason": rejection.get("detail"),
    }


def _title(parcel: Parcel) -> str:
    return f"联动 {parcel.kind or parcel.item.get('kind')}"
