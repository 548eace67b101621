"""Whether Kafka is there and provisioned, asked now and then, so that /readyz knows before a submission does."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from connectors.kafka.group import FAULTS, Probe
from connectors.kafka.settings import KafkaSettings
from contracts.topics import Topics
from services.kernel.background import Background

log = structlog.stdlib.get_logger(__name__)

_EVERY: Final = 3.0
_PATIENCE: Final = 3.0


class KafkaWatch:
    """Looks at Kafka every few seconds."""

    def __init__(self, settings: KafkaSettings, topics: Callable[[], Topics]) -> None:
        self._probe = Probe(settings, timeout=_PATIENCE)
        self._topics = topics
        self._background = Background("gateway: kafka watch", self._look_always)
        self._trouble: str | None = None

    @property
    def trouble(self) -> str | None:
        """What is wrong with it, in words."""
        return self._trouble

    def start(self) -> None:
        """Begin to look."""
        self._background.start()

    async def stop(self) -> None:
        """End that."""
        await self._background.stop()

    async def _look_always(self) -> None:
        while True:
            trouble = await self._look()
            if trouble != self._trouble:
                log.warning(trouble or "Kafka answers again")
            self._trouble = trouble
            await asyncio.sleep(_EVERY)

    async def _look(self) -> str | None:
        try:
            missing = await self._probe.missing(self._topics().by_name)
        except FAULTS:
            return "Kafka does not answer"
        return f"topics are missing: {', '.join(sorted(missing))}; run: liandong provision" if missing else None
