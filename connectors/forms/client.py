"""The channel of a partner with a desk: letters out, its changes in. What is written in them, each partner's own says.

class Housing(DeskChannel):
path = "letters"
def written(self, event, parcel): ...       the letter for our copy of an event
async def said(self, change): ...           what a change of theirs says
"""

from typing import ClassVar

from connectors.channel import Collected, Confirmed, Handed, Opening, Parcel, Stated
from connectors.errors import Unreadable
from connectors.forms.desk import Desk
from connectors.forms.letters import Change
from contracts.canonical import Document


class DeskChannel:
    """The channel of such a partner. `path`: where its letters go."""

    path: ClassVar[str] = "letters"

    def __init__(self, opening: Opening) -> None:
        """Raises SettingsError."""
        self.agency = opening.agency.code
        self.desk = Desk(opening)

    def written(self, event: Document, parcel: Parcel) -> Document:
        """The letter by which the partner gets our copy of an event. Raises PartnerRefuses."""
        raise NotImplementedError

    async def said(self, change: Change) -> Stated | Confirmed:
        """What a change of the partner's says. Raises Unreadable or PartnerAway."""
        raise NotImplementedError

    async def hand_over(self, parcel: Parcel) -> Handed:
        """Bring our copy as a letter. Its own facts, and what it may not see, it needs no call for."""
        if parcel.item.get("kind") == "rejection":
            return await self.desk.report(parcel)
        event = parcel.item.get("event")
        if not isinstance(event, dict) or event.get("source") == self.agency:
            return Handed()
        return await self.desk.deliver(self.path, parcel, self.written(event, parcel))

    async def collect(self, cursor: str | None) -> Collected:
        """What the partner has for us after a cursor."""
        page = await self.desk.changes(cursor)
        arrivals: list[Stated | Confirmed] = []
        unreadable = [*page.unreadable]
        for change in page.changes:
            try:
                arrivals.append(await self.said(change))
            except Unreadable as error:
                unreadable.append(str(error))
            else:
                unreadable += await self.desk.fetch(change)
        return Collected(arrivals, page.cursor, page.more, unreadable)

    async def close(self) -> None:
        """Close the connections."""
        await self.desk.close()
