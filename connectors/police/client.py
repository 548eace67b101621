"""公安机关 behind a ferry. `options`: outgoing, incoming, ask_after, resend_after (`connectors/ferry/channel.py`)."""

from functools import partial

from connectors.channel import Channel, Opening
from connectors.ferry.channel import ferry_channel
from connectors.police import mapping


def open_channel(opening: Opening) -> Channel:
    """The channel of a police organ. Raises SettingsError."""
    return ferry_channel(
        opening,
        lambda parcel: mapping.outgoing(parcel).form,
        partial(mapping.incoming, opening.agency.code),
    )
