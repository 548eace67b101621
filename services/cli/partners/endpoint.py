"""Agencies that have their copies pushed to an endpoint of their own (`connectors/webhook`)."""

from collections.abc import Mapping
from typing import Any

from contracts.signatures import SigningKey
from services.cli.partners.partner import Copies, Partner


class Endpoint(Partner):
    """Such an agency. Its own facts its people state with the bus's client."""

    async def begin(self, key: SigningKey) -> None:
        """From now on it takes only what this key has signed."""
        await self._ask("PUT", "/keys", [key.public()])

    async def held(self) -> Copies:
        """The copies that it holds, stubs too."""
        found: Copies = {}
        for item in (await self._ask("GET", "/taken"))["items"]:
            if event := item.get("event") or item.get("stub"):
                found.setdefault(event["exchange"], []).append(item["cursor"])
        return found

    def due(self, item: Mapping[str, Any]) -> str | None:
        """Everything that is of an exchange."""
        return str(item["cursor"]) if item.get("event") or item.get("stub") else None
