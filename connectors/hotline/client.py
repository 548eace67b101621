"""Talks with a hotline: replies out to `replies`, its changes in; earlier orders are asked for where one may repeat."""

from typing import Final

from pydantic import ValidationError

from connectors.channel import (
    Channel,
    Collected,
    Confirmed,
    Handed,
    Opening,
    Parcel,
    PartnerAway,
    PartnerGone,
    PartnerRefuses,
    Stated,
)
from connectors.errors import SettingsError, Unreadable
from connectors.forms.desk import Desk
from connectors.forms.letters import Change
from connectors.hotline.mapping import KIND, Options, arrival, asks_for, repeated, reply

_REPLIES: Final = "replies"


class Hotline:
    """The channel of a hotline."""

    def __init__(self, opening: Opening) -> None:
        """Raises SettingsError."""
        self._agency = opening.agency.code
        try:
            self._options = Options.model_validate(dict(opening.agency.channel.options))
        except ValidationError as error:
            raise SettingsError(f"{self._agency}: the channel's options: {error}") from error
        self._desk = Desk(opening)

    async def hand_over(self, parcel: Parcel) -> Handed:
        """Bring our copy as a reply. Its own facts, and what it may not see, it needs no call for."""
        if parcel.item.get("kind") == "rejection":
            return await self._desk.report(parcel)
        event = parcel.item.get("event")
        if not isinstance(event, dict) or event.get("source") == self._agency:
            return Handed()
        if parcel.kind != KIND or parcel.reference is None:
            raise PartnerRefuses(f"the hotline takes replies to its own orders only, and knows no {parcel.exchange}")
        return await self._desk.deliver(_REPLIES, parcel, reply(event, parcel.reference, self._options))

    async def collect(self, cursor: str | None) -> Collected:
        """What the hotline has for us after a cursor."""
        page = await self._desk.changes(cursor)
        arrivals: list[Stated | Confirmed] = []
        unreadable = [*page.unreadable]
        for change in page.changes:
            try:
                arrivals.append(arrival(self._agency, change, self._options, await self._repeats(change)))
            except Unreadable as error:
                unreadable.append(str(error))
            else:
                unreadable += await self._desk.fetch(change)
        return Collected(arrivals, page.cursor, page.more, unreadable)

    async def close(self) -> None:
        """Close the connections."""
        await self._desk.close()

    async def _repeats(self, change: Change) -> str | None:
        """The number of the order that an order repeats."""
        asked = asks_for(change, self._options)
        if asked is None:
            return repeated(change, (), self._options)
        try:
            answer = await self._desk.ask("orders", asked)
            orders = answer.get("orders")
            if not isinstance(orders, list):
                raise PartnerAway("the hotline answered with no list of orders")
            return repeated(change, orders, self._options)
        except (PartnerGone, PartnerRefuses, Unreadable) as error:
            raise PartnerAway(f"earlier orders: {error}") from error


def open_channel(opening: Opening) -> Channel:
    """The channel of a hotline, by its contract."""
    return Hotline(opening)
