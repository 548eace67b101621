"""What a service is to the process that runs it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from aiohttp import web
from psycopg_pool import AsyncConnectionPool

from connectors.kafka.producer import Producer
from connectors.kafka.settings import KafkaSettings
from contracts.library import Library
from contracts.signatures import SigningKey
from services.kernel.settings import Settings
from services.kernel.time import Clock, system


@dataclass(frozen=True, slots=True)
class Runtime:
    """What every service of a process shares.

    `bus_key` signs slips, receipts and the bus's own facts. `clock` gives legal time.
    """

    settings: Settings
    kafka: KafkaSettings
    library: Library
    bus_key: SigningKey
    pool: AsyncConnectionPool
    producer: Producer
    clock: Clock = system


class Service(Protocol):
    """One service: `services/<name>/app.py` has `build(runtime) -> Service`."""

    async def start(self) -> None:
        """Begin to work; returns when it does."""
        ...

    async def stop(self) -> None:
        """Finish what is in hand, commit, and end."""
        ...

    def troubles(self) -> Sequence[str]:
        """Why the service is not ready, in words; empty when it is."""
        ...

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """The HTTP routes that it answers, besides /healthz and /readyz, which every service has."""
        ...


@runtime_checkable
class Noting(Protocol):
    """A service that has something to say of its surroundings while it is ready."""

    def notes(self) -> Sequence[str]:
        """What an operator should know, in words: a link with another bus that is behind."""
        ...
