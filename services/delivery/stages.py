"""The stages that copies have reached: kept for ever, and out through the outbox by whichever worker is free."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from connectors.kafka.producer import Message
from connectors.postgres.pool import Connection
from contracts.deliveries import Stage, StageReached
from contracts.topics import DELIVERIES
from services.delivery.copies import Copy
from services.kernel.background import Background
from services.kernel.outbox import Outbox
from services.kernel.service import Runtime
from services.kernel.stages import add_stages

log = structlog.stdlib.get_logger(__name__)

OWNER: Final = "delivery"
"""Whose the stages are in the outbox: their order does not matter."""

_SWEEP_EVERY = 1.0  # seconds
_LAST_SWEEP = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Reached:
    """A stage that an agency's copy has reached now."""

    stage: Stage
    agency: str
    copy: Copy
    attempt: int = 1
    reason: str | None = None


class Stages:
    """Says what copies have reached."""

    def __init__(self, runtime: Runtime, clock: Callable[[], datetime]) -> None:
        self._outbox = Outbox("delivery", runtime.pool, runtime.producer)
        self._bus = runtime.settings.bus
        self._clock = clock
        self._wake = asyncio.Event()
        self._background = Background("delivery: stages", self._publish_always)

    def start(self) -> None:
        """Begin to publish, also what a worker that died has left."""
        self._background.start()

    async def stop(self) -> None:
        """End that, after one last round; what Kafka does not take now stays for the next start."""
        await self._background.stop()
        try:
            async with asyncio.timeout(_LAST_SWEEP):
                await self._outbox.sweep(OWNER)
        except Exception as error:  # noqa: BLE001, they are in the outbox
            log.warning("stages left in the outbox", reason=repr(error))

    async def add(self, connection: Connection, reached: Sequence[Reached]) -> list[StageReached]:
        """Say, in the caller's transaction, what is reached now."""
        if not reached:
            return []
        time = self._clock()
        stages = [self._said(item, time) for item in reached]
        await add_stages(connection, stages)
        await self._outbox.add(connection, [(OWNER, _message(item)) for item in stages])
        return stages

    def publish_soon(self) -> None:
        """There is something to publish."""
        self._wake.set()

    async def _publish_always(self) -> None:
        while True:
            try:
                await self._outbox.sweep(OWNER)
            except Exception as error:  # noqa: BLE001, the next round tries again
                log.warning("stages wait in the outbox", reason=repr(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(_SWEEP_EVERY):
                    await self._wake.wait()
            self._wake.clear()

    def _said(self, item: Reached, time: datetime) -> StageReached:
        return StageReached(
            bus=self._bus,
            kind=item.copy.kind,
            exchange=item.copy.exchange,
            sequence=item.copy.sequence,
            recipient=item.agency,
            stage=item.stage,
            attempt=item.attempt,
            time=time,
            reason=item.reason,
        )


def _message(stage: StageReached) -> Message:
    return Message(topic=DELIVERIES, key=stage.exchange.encode(), value=stage.to_bytes())
