"""One process that runs one or more services, until it is told to stop; then it drains and ends."""

import asyncio
import gc
import importlib
import pkgutil
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from importlib.util import find_spec

import structlog

import services
from connectors.http.server import Server
from connectors.kafka.producer import Producer
from connectors.kafka.settings import KafkaSettings
from connectors.postgres.pool import open_pool
from contracts.library import Library
from services.kernel.keys import load_key
from services.kernel.service import Noting, Runtime, Service
from services.kernel.settings import Settings
from services.kernel.time import Clock, driven, system

log = structlog.stdlib.get_logger(__name__)


def known_services() -> frozenset[str]:
    """The services that there are: every package beside the kernel with an `app` that builds one."""
    return frozenset(
        module.name
        for module in pkgutil.iter_modules(services.__path__)
        if module.ispkg and module.name not in {"kernel", "cli"} and find_spec(f"services.{module.name}.app")
    )


async def run_services(names: Sequence[str], settings: Settings, kafka: KafkaSettings) -> None:
    """Run the services until SIGTERM or SIGINT, then drain.

    Raises KeyMissing, UnusableContract or SettingsError when the process cannot begin.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with AsyncExitStack() as stack:
        runtime = await _runtime(stack, names, settings, kafka)
        # Side by side: to join a group is mostly waiting.
        starting = [_start(stack, service, stopping) for service in await _served(stack, names, runtime)]
        for failed in filter(None, await asyncio.gather(*starting, return_exceptions=True)):
            raise failed
        # What lives as long as the process is not looked at again, and the rest less often: with the default, half of
        # a busy service's time goes into looking for cycles among a batch's short-lived documents.
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 20, 50)
        log.info("running", services=list(names))
        await stopping.wait()
        log.info("draining", services=list(names))
    log.info("stopped", services=list(names))


async def _runtime(stack: AsyncExitStack, names: Sequence[str], settings: Settings, kafka: KafkaSettings) -> Runtime:
    library = Library(settings.contracts, calendar_file=settings.calendar)
    bus_key = load_key(settings.keys, settings.bus, library.current().agencies)
    clock = _clock(settings)
    pool = await stack.enter_async_context(
        open_pool(settings.postgres, size=4 + 4 * len(names), name="liandong " + " ".join(names))
    )
    producer = Producer(kafka, client_id="liandong-" + "-".join(names))
    stack.push_async_callback(producer.stop)
    return Runtime(settings, kafka, library, bus_key, pool, producer, clock)


def _clock(settings: Settings) -> Clock:
    if settings.legal_time is None:
        return system
    clock = driven(settings.legal_time)
    log.warning("legal time is driven", file=str(settings.legal_time), legal_time=clock().isoformat())
    return clock


async def _served(stack: AsyncExitStack, names: Sequence[str], runtime: Runtime) -> list[Service]:
    """The services, each behind its server, so that /healthz answers while Kafka or PostgreSQL is still away."""
    found: list[Service] = []
    for name in names:
        service: Service = importlib.import_module(f"services.{name}.app").build(runtime)
        notes = service.notes if isinstance(service, Noting) else None
        server = Server(name, service.routes(), service.troubles, notes=notes)
        await server.start(runtime.settings.listen, runtime.settings.port(name))
        stack.push_async_callback(server.stop)
        found.append(service)
    return found


async def _start(stack: AsyncExitStack, service: Service, stopping: asyncio.Event) -> None:
    starting = asyncio.ensure_future(service.start())
    waiting = asyncio.ensure_future(stopping.wait())
    await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not starting.done():
        starting.cancel()
    stack.push_async_callback(service.stop)
    if starting.done():
        starting.result()
