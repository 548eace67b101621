"""The client of another bus: each parcel in an envelope of its own, which that bus witnesses."""

import secrets
from datetime import UTC, datetime

from connectors.channel import Handed, Opening, Parcel, PartnerAway, Pushing
from connectors.districts.mapping import envelope, require_taken
from connectors.http.partner import PartnerClient
from connectors.http.tokens import issue
from contracts.canonical import canonical
from contracts.errors import RelayError


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
        token = issue(key, peer, datetime.now(UTC), secrets.token_urlsafe(16))
        reply = await self._client.ask(
            "POST",
            "/v1/peer",
            data=canonical(sealed),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
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


def open_channel(opening: Opening) -> DistrictChannel:
    """The channel to another bus. Raises SettingsError."""
    return DistrictChannel(opening)
