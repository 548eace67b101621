"""The channel to a centre that speaks Open311."""

from collections.abc import Mapping

from pydantic import JsonValue

from connectors.channel import Collected, Handed, Parcel, PartnerAway, PartnerGone, PartnerRefuses, Stated
from connectors.errors import Unreadable
from connectors.grid.mapping import KIND
from connectors.grid.open311 import Cursor, Seen, read_record, request, sift, stated, update
from connectors.grid.options import Options
from connectors.http.partner import PartnerClient
from contracts.canonical import Document, timestamp
from events.workorder import Dispatched


class Open311Channel:
    """The centre by GeoReport v2."""

    def __init__(self, agency: str, partner: PartnerClient, options: Options, token: str | None) -> None:
        self._agency = agency
        self._partner = partner
        self._options = options
        self._every = {"jurisdiction_id": options.jurisdiction} if options.jurisdiction else {}
        self._key = {"api_key": token} if token else {}
        self._services: frozenset[str] | None = None

    async def hand_over(self, parcel: Parcel) -> Handed:
        """Bring one parcel. Raises PartnerAway, PartnerRefuses or PartnerGone."""
        kind, event = parcel.item.get("kind"), parcel.item.get("event")
        own = isinstance(event, dict) and event.get("source") == self._agency
        if own or kind in {"stub", "rejection"}:
            # The standard has no place for errors either.
            return Handed(reference=parcel.reference)
        if parcel.kind != KIND or not isinstance(event, dict):
            raise PartnerRefuses("Open311 has service requests and no other form; this goes to the agency another way")
        if event.get("type") == Dispatched.type():
            return Handed(reference=await self._open(event))
        await self._update(update(event, self._number(parcel), parcel.id))
        return Handed(reference=parcel.reference)

    async def collect(self, cursor: str | None) -> Collected:
        """What has changed since. Raises PartnerAway."""
        since = Cursor.read(cursor) if cursor else None
        params = {"extensions": "true", **self._every, **({"updated_after": timestamp(since.at)} if since else {})}
        try:
            records = (await self._partner.ask("GET", "requests.json", params=params)).array()
        except (PartnerRefuses, PartnerGone) as error:
            raise PartnerAway(f"the list of requests is refused: {error}") from error
        found, unreadable = _read(records)
        new, after = sift(found, since)
        arrivals: list[Stated] = []
        for seen in new:
            try:
                arrivals += stated(seen, self._agency, self._options.recipient, since)
            except Unreadable as error:
                unreadable.append(str(error))
        return Collected(tuple(arrivals), str(after) if after else cursor, unreadable=tuple(unreadable))

    async def close(self) -> None:
        """Let go of connections."""
        await self._partner.close()

    async def _open(self, event: Document) -> str:
        form = request(event, await self._known_services(), self._options.media)
        answer = await self._post("requests.json", form.detail)
        number = answer.get("service_request_id")
        if not number and answer.get("token"):
            # A server that numbers in batches gives a token first.
            path = f"tokens/{answer['token']}.json"
            number = _first((await self._partner.ask("GET", path, params=self._every)).array()).get(
                "service_request_id"
            )
        if not number:
            raise PartnerAway("the partner has given the request no number yet")
        return str(number)

    def _number(self, parcel: Parcel) -> str:
        if parcel.reference is None:
            raise PartnerRefuses("the partner has given no number for this exchange, so it cannot be told of it")
        return parcel.reference

    async def _update(self, form: Document) -> None:
        if not (await self._post("servicerequestupdates.json", form)).get("update_id"):
            raise PartnerAway("the partner answered without update_id")

    async def _post(self, path: str, form: Mapping[str, JsonValue]) -> Document:
        sent = {name: str(value) for name, value in {**form, **self._every, **self._key}.items() if value is not None}
        return _first((await self._partner.ask("POST", path, data=sent)).array())

    async def _known_services(self) -> frozenset[str]:
        if self._services is None:
            found = (await self._partner.ask("GET", "services.json", params=self._every)).array()
            self._services = frozenset(str(item.get("service_code")) for item in found if isinstance(item, dict))
        return self._services


def _first(answer: list[JsonValue]) -> Document:
    """The one object of an answer. Raises PartnerAway."""
    if not answer or not isinstance(answer[0], dict):
        raise PartnerAway("the partner answered with an empty list")
    return answer[0]


def _read(records: list[JsonValue]) -> tuple[list[Seen], list[str]]:
    found: list[Seen] = []
    unreadable: list[str] = []
    for record in records:
        try:
            found.append(read_record(record))
        except Unreadable as error:
            unreadable.append(str(error))
    return found, unreadable
