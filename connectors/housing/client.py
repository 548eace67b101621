"""Talks with the registry of titles or the housing bureau: letters out to `letters`, their changes in."""

from connectors.channel import Channel, Confirmed, Opening, Parcel, Stated
from connectors.forms.client import DeskChannel
from connectors.forms.letters import Change
from connectors.housing.mapping import arrival, letter
from contracts.canonical import Document


class Housing(DeskChannel):
    """The channel of such a partner."""

    def written(self, event: Document, parcel: Parcel) -> Document:
        """Our copy as a letter."""
        return letter(event, parcel.reference)

    async def said(self, change: Change) -> Stated | Confirmed:
        """What a change says. Raises Unreadable."""
        return arrival(self.agency, change)


def open_channel(opening: Opening) -> Channel:
    """The channel of the registry of titles or of the housing bureau, by its contract."""
    return Housing(opening)
