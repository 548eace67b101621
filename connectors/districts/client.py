"""The client of another bus: each parcel in an envelope of its own, which that bus witnesses; and its attachments."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial

from aiohttp import ClientResponse

from connectors.channel import Handed, Opening, Parcel, PartnerAway, Pushing
from connectors.districts.mapping import envelope, require_taken
from connectors.files.spool import Spooled
from connectors.http.files import Patience, fetch
from connectors.http.partner import PartnerClient
from connectors.http.tokens import bearer
from contracts.agencies import Agency
from contracts.canonical import canonical
from contracts.errors import RelayError
from contracts.signatures import SigningKey


class DistrictChannel(Pushing):
    """The way to one other bus."""

    def __init__(self, opening: Opening) -> None:
        """Raises SettingsError for a contract without a usable url."""
        self._opening = opening
        self._client = PartnerClient(opening.agency)

    async def hand_over(self, parcel: Parcel) -> Handed:
        """Bring one item. Raises PartnerAway, PartnerRefuses or PartnerGone."""
        opening = self._opening
        peer, key = opening.agency.code, opening.bus_key
        item = {name: value for name, value in parcel.item.items() if name != "cursor"}
        sealed = envelope([item], peer, key, opening.clock())
        reply = await self._client.ask(
            "POST",
            "/v1/peer",
            data=canonical(sealed),
            headers={"Content-Type": "application/json", **bearer(key, peer)},
        )
        witness = reply.document()
        try:
            require_taken(witness, sealed, opening.contracts.agencies, opening.clock())
        except RelayError as error:
            raise PartnerAway(f"{peer} answered, but not as a witness: {error}") from error
        return Handed(proof=canonical(witness))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


class PeerFiles:
    """The attachments that another bus's agencies show to those that we, the bus, host."""

    def __init__(self, peer: Agency, key: SigningKey, largest: int) -> None:
        """`largest`: bytes of a file that is taken at most. Raises SettingsError for a contract without a url."""
        self._peer = peer.code
        self._key = key
        self._largest = largest
        self._client = PartnerClient(peer)

    async def fetch(self, digest: str, citer: str, file: Spooled, patience: Patience) -> None:
        """What is still missing of one that the citer itself holds. Raises what `connectors.http.files.fetch` does."""
        await fetch(partial(self._open, citer), digest, file, patience, self._largest)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    @asynccontextmanager
    async def _open(
        self,
        citer: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        data: AsyncIterator[bytes] | None = None,  # noqa: ARG002, nothing is brought to a bus that is not one's own
    ) -> AsyncGenerator[ClientResponse]:
        sent = {**headers, **bearer(self._key, self._peer)}
        async with self._client.open(method, path, sent, params={"citer": citer}) as answer:
            yield answer


def open_channel(opening: Opening) -> DistrictChannel:
    """The channel to another bus. Raises SettingsError."""
    return DistrictChannel(opening)
