"""Brings items to an agency's endpoint: POST, and any 2xx is its confirmation.

Secrets are files `<agency>.webhook.<number>.secret` of mode 600 in the folder of keys, each `whsec_…`; the two newest
sign. They are read at every attempt, so a rotation needs no restart.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from connectors.channel import Handed, Opening, Parcel, Pushing
from connectors.errors import SettingsError
from connectors.http.partner import PartnerClient
from connectors.webhook.mapping import headers, secret
from contracts.signatures import SigningKey

_OVERLAP: Final = 2
"""Secrets that sign at once: the newest, and the one before it."""


class Webhook(Pushing):
    """One agency's endpoint."""

    def __init__(self, opening: Opening) -> None:
        """Raises SettingsError."""
        self._agency = opening.agency.code
        self._keys: tuple[SigningKey, ...] = (opening.bus_key,)
        self._folder = opening.keys
        secrets_of(self._folder, self._agency)
        self._client = PartnerClient(opening.agency)

    async def hand_over(self, parcel: Parcel) -> Handed:
        """POST the item. Raises PartnerAway, PartnerRefuses, PartnerGone, or SettingsError for an unusable secret."""
        signed = headers(parcel.id, datetime.now(UTC), parcel.body, self._keys, secrets_of(self._folder, self._agency))
        await self._client.ask("POST", "", data=parcel.body, headers={**signed, "Content-Type": "application/json"})
        return Handed()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def secrets_of(folder: Path, agency: str) -> list[bytes]:
    """The newest secrets of an agency, newest first. Raises SettingsError for a file that cannot be used."""
    found = [path for path in folder.glob(f"{agency}.webhook.*.secret") if path.name.split(".")[-2].isdecimal()]
    newest = sorted(found, key=lambda path: int(path.name.split(".")[-2]), reverse=True)[:_OVERLAP]
    for path in newest:
        if path.stat().st_mode & 0o077:
            raise SettingsError(f"{path.name} can be read by others; run: chmod 600 on it")
    return [secret(path.read_text(encoding="ascii")) for path in newest]


def open_channel(opening: Opening) -> Webhook:
    """The channel. Raises SettingsError."""
    return Webhook(opening)
