"""Talks with the river chiefs' platform: letters out to `letters`, its changes in."""

from connectors.channel import Channel, Collected, Confirmed, Handed, Opening, Parcel, Stated
from connectors.forms.desk import Desk
from connectors.forms.table import Unreadable
from connectors.rivers.mapping import arrival, letter


class Rivers:
    """The channel of the platform."""

    def __init__(self, opening: Opening) -> None:
        """Raises SettingsError."""
        self._agency = opening.agency.code
        self._desk = Desk(opening)

    async def hand_over(self, parcel: Parcel) -> Handed:
        """Bring our copy as a letter. Its own facts, and what it may not see, it needs no call for."""
        if parcel.item.get("kind") == "rejection":
            return await self._desk.report(parcel)
        event = parcel.item.get("event")
        if not isinstance(event, dict) or event.get("source") == self._agency:
            return Handed()
        return await self._desk.deliver("letters", parcel, letter(event, parcel.reference))

    async def collect(self, cursor: str | None) -> Collected:
        """What the platform has for us after a cursor."""
        page = await self._desk.changes(cursor)
        arrivals: list[Stated | Confirmed] = []
        unreadable = [*page.unreadable]
        for change in page.changes:
            try:
                arrivals.append(arrival(self._agency, change))
            except Unreadable as error:
                unreadable.append(str(error))
            else:
                unreadable += await self._desk.fetch(change)
        return Collected(arrivals, page.cursor, page.more, unreadable)

    async def close(self) -> None:
        """Close the connections."""
        await self._desk.close()


def open_channel(opening: Opening) -> Channel:
    """The channel of the river chiefs' platform, by its contract."""
    return Rivers(opening)
