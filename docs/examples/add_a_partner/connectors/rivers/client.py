"""Talks with the river chiefs' platform: letters out to `letters`, its changes in."""

from connectors.channel import Channel, Confirmed, Opening, Parcel, Stated
from connectors.forms.client import DeskChannel
from connectors.forms.letters import Change
from connectors.rivers.mapping import arrival, letter
from contracts.canonical import Document


class Rivers(DeskChannel):
    """The channel of the platform."""

    def written(self, event: Document, parcel: Parcel) -> Document:
        """Our copy as a letter."""
        return letter(event, parcel.reference)

    async def said(self, change: Change) -> Stated | Confirmed:
        """What a change says. Raises Unreadable."""
        return arrival(self.agency, change)


def open_channel(opening: Opening) -> Channel:
    """The channel of the river chiefs' platform, by its contract."""
    return Rivers(opening)
