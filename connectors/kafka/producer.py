"""Sending to Kafka: awaited, idempotent, in order, and never for longer than a deadline.

`Producer.send` returns when every in-sync replica has the message, or raises:

    KafkaUnavailable   Kafka did not acknowledge within the deadline. The message may be there all
                       the same, so send it again: readers must be ready for a duplicate.
    KafkaRefused       Kafka (or its client) will never take it: too large, no such topic, not
                       allowed.

aiokafka ships no types, and its client can end in states that it does not leave by itself (a lost
sequence number, a dead sender task). Both are kept inside this file: a client that failed is thrown
away and the next attempt makes a new one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Self

from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]
from aiokafka import errors as kafka_errors

from connectors.errors import KafkaRefused, KafkaUnavailable
from connectors.kafka.settings import KafkaSettings

logger = logging.getLogger(__name__)

MAX_REQUEST_BYTES: Final = 4 * 1024 * 1024
"""The largest message that the client lets through; the topic's own limit is what normally decides."""

_RETRY_PAUSE: Final = 0.2

_REFUSALS: Final[tuple[type[BaseException], ...]] = (
    kafka_errors.MessageSizeTooLargeError,
    kafka_errors.InvalidTopicError,
    kafka_errors.InvalidMessageError,
    kafka_errors.TopicAuthorizationFailedError,
    kafka_errors.ClusterAuthorizationFailedError,
    kafka_errors.UnknownTopicOrPartitionError,
)
"""Errors about the message or the topic, which another attempt would only meet again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message on its way out."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    headers: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))


class Producer:
    """Sends messages and waits until Kafka has them. Safe to share between tasks of one event loop."""

    def __init__(self, settings: KafkaSettings, *, deadline: float = 15.0, client_id: str = "liandong") -> None:
        """`deadline` is the longest, in seconds, that one call of `send` or `send_all` takes."""
        self._settings = settings
        self._deadline = deadline
        self._client_id = client_id
        self._client: Any = None
        self._opening = asyncio.Lock()
        self._closed = False
        self._discards: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Nothing is opened before the first message, so that a service starts while Kafka is still away."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close, as `stop` does."""
        await self.stop()

    async def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Mapping[str, bytes] | None = None,
        *,
        deadline: float | None = None,
    ) -> None:
        """Send one message; return when Kafka has it."""
        message = Message(topic=topic, key=key, value=value, headers=headers or {})
        await self.send_all([message], deadline=deadline)

    async def send_all(self, messages: Sequence[Message], *, deadline: float | None = None) -> None:
        """Send messages in this order (kept per partition); return when Kafka has all of them.

        When it raises, some of them may have been taken. To send the same list again is always
        right: what a reader sees first, per partition, is in order.
        """
        seconds = self._deadline if deadline is None else deadline
        ends = time.monotonic() + seconds
        waiting = list(messages)
        cause: BaseException | None = None
        while waiting:
            left = ends - time.monotonic()
            if left <= 0:
                raise KafkaUnavailable(f"Kafka did not acknowledge within {seconds:g} s") from cause
            waiting, cause = await self._attempt(waiting, left)
            if waiting:
                await asyncio.sleep(min(_RETRY_PAUSE, max(ends - time.monotonic(), 0)))

    async def stop(self) -> None:
        """Close the connections. What was acknowledged is in Kafka; nothing else was promised."""
        self._closed = True
        client, self._client = self._client, None
        if client is not None:
            await _close(client)
        if self._discards:
            await asyncio.wait(self._discards)

    async def _attempt(self, messages: list[Message], seconds: float) -> tuple[list[Message], BaseException | None]:
        """Send once; return what Kafka has not acknowledged, still in order, and why."""
        client: Any = None
        futures: list[asyncio.Future[Any]] = []
        try:
            async with asyncio.timeout(seconds):
                client = await self._open()
                for message in messages:
                    futures.append(await _enqueue(client, message))  # noqa: PERF401, kept if one fails
                await asyncio.wait(futures)
        except TimeoutError as error:
            self._discard(client)
            return _unacknowledged(messages, futures), error
        except kafka_errors.KafkaError as error:
            return await self._failed(client, error, messages, futures)
        for future in futures:
            if (failure := future.exception()) is not None:
                return await self._failed(client, failure, messages, futures)
        return [], None

    async def _failed(
        self,
        client: Any,
        error: BaseException,
        messages: list[Message],
        futures: list[asyncio.Future[Any]],
    ) -> tuple[list[Message], BaseException | None]:
        """Raise if the message itself is at fault; otherwise throw the client away and keep what is left."""
        if isinstance(error, _REFUSALS) and await _reachable(client):
            self._discard(client)
            raise KafkaRefused(f"{type(error).__name__}: {error}") from error
        if not isinstance(error, kafka_errors.KafkaError):
            raise error
        logger.warning("kafka producer failed, a new client will be made: %r", error)
        self._discard(client)
        return _unacknowledged(messages, futures), error

    async def _open(self) -> Any:
        """The client, connected; made when there is none."""
        async with self._opening:
            if self._closed:
                raise RuntimeError("this producer has been stopped")
            if self._client is None:
                self._client = await self._connect()
            return self._client

    async def _connect(self) -> Any:
        client = AIOKafkaProducer(
            client_id=self._client_id,
            enable_idempotence=True,
            acks="all",
            max_request_size=MAX_REQUEST_BYTES,
            request_timeout_ms=max(int(self._deadline * 500), 500),
            **self._settings.aiokafka(),
        )
        try:
            await client.start()
        except BaseException:
            await asyncio.shield(_close(client))
            raise
        return client

    def _discard(self, client: Any) -> None:
        """Throw a client away in the background, so that nobody waits for its dying requests."""
        if client is None or client is not self._client:
            return
        self._client = None
        task = asyncio.get_running_loop().create_task(_close(client))
        self._discards.add(task)
        task.add_done_callback(self._discards.discard)


async def _enqueue(client: Any, message: Message) -> asyncio.Future[Any]:
    """Hand a message to the client's buffer; the future is its acknowledgement."""
    future: asyncio.Future[Any] = await client.send(
        message.topic,
        value=message.value,
        key=message.key,
        headers=list(message.headers.items()),
    )
    future.add_done_callback(_looked_at)
    return future


def _looked_at(future: asyncio.Future[Any]) -> None:
    """Keep asyncio from reporting an exception that nobody asked for: the client is gone by then."""
    if not future.cancelled():
        future.exception()


async def _reachable(client: Any) -> bool:
    """Whether Kafka answers at all: while it does not, aiokafka calls every topic unknown."""
    try:
        async with asyncio.timeout(5):
            return bool(await client.client.force_metadata_update())
    except (TimeoutError, kafka_errors.KafkaError):
        return False


def _unacknowledged(messages: list[Message], futures: list[asyncio.Future[Any]]) -> list[Message]:
    """Those that Kafka has not said it has, in their order."""
    left: list[Message] = []
    for index, message in enumerate(messages):
        future = futures[index] if index < len(futures) else None
        if future is None or not future.done() or future.cancelled() or future.exception() is not None:
            left.append(message)
    return left


async def _close(client: Any) -> None:
    """End a client without waiting for what it could not deliver.

    `AIOKafkaProducer.stop` first flushes, and an idempotent producer never gives a batch up, so
    without failing the buffer first it would wait for as long as Kafka is away.
    """
    failure = kafka_errors.KafkaConnectionError("the producer was closed")
    with contextlib.suppress(Exception):
        client._message_accumulator.fail_all(failure)
    try:
        async with asyncio.timeout(5):
            await client.stop()
    except (TimeoutError, kafka_errors.KafkaError, OSError):
        with contextlib.suppress(Exception):
            await client.client.close()
