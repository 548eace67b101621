"""A channel over a ferry, whatever forms are carried: used by the connectors of partners behind a gap."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

import orjson
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from connectors.channel import (
    Collected,
    Confirmed,
    FileMissing,
    FileSpoilt,
    Handed,
    Opening,
    Parcel,
    PartnerRefuses,
    Stated,
)
from connectors.errors import SettingsError, Unreadable
from connectors.ferry.crossing import ASK_AFTER, RESEND_AFTER, Ferry, Item, Pace
from connectors.ferry.folders import Folders
from connectors.ferry.letters import cited
from connectors.ferry.papers import Ends
from contracts.canonical import Document, parse_object
from contracts.errors import MalformedJson

Outgoing: TypeAlias = Callable[[Parcel], Document]
"""The form for a parcel."""

Incoming: TypeAlias = Callable[[Document], Stated | Confirmed]
"""What a form says. Raises Unreadable."""


class FerryOptions(BaseModel):
    """`options` of a channel: our two folders, and the pace (seconds, or ISO 8601)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    outgoing: Path
    incoming: Path
    ask_after: timedelta = Field(default=ASK_AFTER, ge=timedelta())
    resend_after: timedelta = Field(default=RESEND_AFTER, ge=timedelta())


class FerryChannel:
    """The channel of an agency at the other end of a ferry."""

    def __init__(self, ferry: Ferry, outgoing: Outgoing, incoming: Incoming) -> None:
        self._ferry = ferry
        self._outgoing, self._incoming = outgoing, incoming

    async def hand_over(self, parcel: Parcel) -> Handed:
        """Let it lie there for the gap; the return receipt confirms it later."""
        item = Item(parcel.id, orjson.dumps(self._outgoing(parcel)), cited(parcel.item))
        try:
            await self._ferry.send([item])
        except (FileMissing, FileSpoilt) as error:
            raise PartnerRefuses(f"not sent: an attachment is not there to go with it ({error})") from error
        return Handed("relayed")

    async def collect(self, cursor: str | None) -> Collected:
        """What has come over the gap: forms, and receipts for what was sent."""
        seen = await self._ferry.look(cursor)
        arrivals: list[Stated | Confirmed] = [Confirmed(parcel, "delivered") for parcel in seen.receipted]
        unreadable = [*seen.troubles]
        for item in seen.items:
            try:
                arrivals.append(self._incoming(parse_object(item.body)))
            except (Unreadable, MalformedJson) as error:
                self._ferry.set_aside(item.id.replace("/", "_"), item.body, str(error))
                unreadable.append(f"item {item.id} was set aside: {error}")
        return Collected(arrivals, seen.cursor, seen.more, unreadable)

    async def close(self) -> None:
        """Let another process have the folders."""
        await self._ferry.close()


def ferry_channel(
    opening: Opening, outgoing: Outgoing, incoming: Incoming, options: Mapping[str, JsonValue] | None = None
) -> FerryChannel:
    """The channel of an agency by its options. Raises SettingsError."""
    agency = opening.agency
    try:
        given = FerryOptions.model_validate(agency.channel.options if options is None else options)
    except ValidationError as error:
        raise SettingsError(f"{agency.code}: options of its channel: {error}") from error
    ferry = Ferry(
        Ends(opening.bus_key.agency, agency.code),
        Folders(given.outgoing, given.incoming),
        key=opening.bus_key,
        keys=opening.contracts.agencies,
        files=opening.files,
        clock=opening.clock,
        pace=Pace(given.ask_after, given.resend_after),
    )
    return FerryChannel(ferry, outgoing, incoming)
