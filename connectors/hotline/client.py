"""Talks with a hotline: replies out to `replies`, its changes in; earlier orders are asked for where one may repeat."""

from pydantic import ValidationError

from connectors.channel import (
    Channel,
    Confirmed,
    Opening,
    Parcel,
    PartnerAway,
    PartnerGone,
    PartnerRefuses,
    Stated,
)
from connectors.errors import SettingsError, Unreadable
from connectors.forms.client import DeskChannel
from connectors.forms.letters import Change
from connectors.hotline.mapping import KIND, Options, arrival, asks_for, repeated, reply
from contracts.canonical import Document


class Hotline(DeskChannel):
    """The channel of a hotline."""

    path = "replies"

    def __init__(self, opening: Opening) -> None:
        """Raises SettingsError."""
        try:
            self._options = Options.model_validate(dict(opening.agency.channel.options))
        except ValidationError as error:
            raise SettingsError(f"{opening.agency.code}: the channel's options: {error}") from error
        super().__init__(opening)

    def written(self, event: Document, parcel: Parcel) -> Document:
        """Our copy as a reply. Raises PartnerRefuses for what is about no order of the hotline's."""
        if parcel.kind != KIND or parcel.reference is None:
            raise PartnerRefuses(f"the hotline takes replies to its own orders only, and knows no {parcel.exchange}")
        return reply(event, parcel.reference, self._options)

    async def said(self, change: Change) -> Stated | Confirmed:
        """What a change says. Raises Unreadable or PartnerAway."""
        return arrival(self.agency, change, self._options, await self._repeats(change))

    async def _repeats(self, change: Change) -> str | None:
        """The number of the order that an order repeats."""
        asked = asks_for(change, self._options)
        if asked is None:
            return repeated(change, (), self._options)
        try:
            answer = await self.desk.ask("orders", asked)
            orders = answer.get("orders")
            if not isinstance(orders, list):
                raise PartnerAway("the hotline answered with no list of orders")
            return repeated(change, orders, self._options)
        except (PartnerGone, PartnerRefuses, Unreadable) as error:
            raise PartnerAway(f"earlier orders: {error}") from error


def open_channel(opening: Opening) -> Channel:
    """The channel of a hotline, by its contract."""
    return Hotline(opening)
