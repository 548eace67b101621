"""Sending parcels: into inboxes, and for recipients to whom they are brought, into the queue as well."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connectors.postgres.pool import Connection
from contracts.agencies import INBOX, Agency, Channel
from contracts.deliveries import Stage
from services.delivery.agreed import Agreed, Lacks, Promise
from services.delivery.copies import Copy, Parcel
from services.delivery.inboxes import Inboxes, Placed
from services.delivery.links import sharing
from services.delivery.peers import stages as peer_stages
from services.delivery.queue import Queue
from services.delivery.stages import Reached, Stages
from services.kernel.service import Runtime

_NONE = Channel()


@dataclass(frozen=True, slots=True)
class Dispatch:
    """What puts parcels where their recipients' channels want them, in the caller's transaction."""

    runtime: Runtime
    inboxes: Inboxes
    queue: Queue
    stages: Stages
    agreed: Agreed

    def partners(self) -> dict[str, Agency]:
        """The agencies hosted here, and the other buses, to which items are brought."""
        agencies, bus = self.runtime.library.current().agencies, self.runtime.settings.bus
        hosted = {code: item for code, item in agencies.by_code.items() if item.home == bus and item.channel.pushes}
        linked = {code: agencies.by_code[code] for code in agencies.peers(bus)}
        return {code: item for code, item in {**hosted, **linked}.items() if code != bus}

    def here(self, agency: str) -> bool:
        """Whether this bus hosts an agency; what nobody knows is nowhere else."""
        return self.runtime.library.current().agencies.elsewhere(agency, self.runtime.settings.bus) is None

    def channel(self, agency: str) -> Channel:
        """The channel of an agency."""
        found = self.runtime.library.current().agencies.get(agency)
        return found.channel if found else _NONE

    async def send(self, connection: Connection, parcels: Sequence[Parcel]) -> None:
        """Send parcels, in order."""
        if not parcels:
            return
        placed = await self.inboxes.put(connection, parcels)
        channels = {item.parcel.agency: self.channel(item.parcel.agency) for item in placed}
        brought = [item for item in placed if channels[item.parcel.agency].pushes]
        here = [item for item in placed if channels[item.parcel.agency].via == INBOX]
        await self.queue.put(connection, brought, self.runtime.clock())
        await self.say(connection, [*_reached("queued", brought), *_reached("delivered", here)])
        await self._promise(connection, "undelivered", brought, channels)
        await self._promise(connection, "unretrieved", here, channels)

    async def say(self, connection: Connection, reached: Sequence[Reached]) -> None:
        """Say what stages copies have reached; the other buses that share their exchanges hear it too."""
        stages = await self.stages.add(connection, reached)
        agencies, bus = self.runtime.library.current().agencies, self.runtime.settings.bus
        peers = agencies.peers(bus)
        if stages and peers:
            shares = await sharing(connection, {(stage.kind, stage.exchange) for stage in stages}, peers)
            await self.send(connection, peer_stages(stages, shares, agencies, bus))

    async def _promise(
        self, connection: Connection, lacks: Lacks, placed: Sequence[Placed], channels: Mapping[str, Channel]
    ) -> None:
        promises = [
            Promise(item.parcel.agency, item.position, str(item.parcel.author))
            for item in placed
            # The bus needs no proof for itself.
            if item.parcel.author not in {None, self.runtime.settings.bus} and isinstance(item.parcel.what, Copy)
        ]
        await self.agreed.begin(connection, lacks, promises, channels, self.runtime.clock())

    async def fetched(self, connection: Connection, agency: str, until: int) -> None:
        """An agency has fetched everything up to a position itself: none of it needs to be brought any more."""
        left = await self.queue.fetched(connection, agency, until, self.runtime.clock())
        await self.say(connection, [Reached("delivered", agency, item) for item in left])
        await self.agreed.retrieved(connection, agency, until)

    def committed(self) -> None:
        """What was sent is committed."""
        self.stages.publish_soon()


def _reached(stage: Stage, placed: Sequence[Placed]) -> list[Reached]:
    return [
        Reached(stage, item.parcel.agency, item.parcel.what) for item in placed if isinstance(item.parcel.what, Copy)
    ]
