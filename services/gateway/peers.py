"""Other buses' way in: what they hand over is checked, put where it is followed, and witnessed.

    POST /v1/peer      an envelope of items (`connectors.districts.mapping`); the answer is the sealed witness

All of an envelope is taken or nothing. What was taken is on Kafka before it is witnessed; what comes twice harms
nothing, for whoever follows it knows it again.
"""

import time
from collections.abc import Iterator, Sequence
from typing import Final

import structlog
from aiohttp import web

from connectors.districts.mapping import LARGEST, Answered, Between, Forwarded, Item, Mirrored, opened, taken
from connectors.errors import KafkaUnavailable
from connectors.http.problem import ProblemError, unavailable
from connectors.http.server import expecting, json_bytes, read_body
from connectors.http.tokens import Door
from connectors.kafka.producer import Message
from connectors.postgres.pool import transient
from contracts.canonical import canonical, parse_object
from contracts.deliveries import StageReached
from contracts.errors import RelayError
from contracts.topics import DELIVERIES, HORIZONS, OUTCOMES, Topics
from services.gateway.outcomes import Store
from services.gateway.pressure import Quota
from services.kernel.service import Runtime
from services.kernel.store import exchanges
from services.kernel.submitting import mirroring, relayed

log = structlog.stdlib.get_logger(__name__)

_KAFKA_DEADLINE: Final = 10.0  # seconds
_ANSWERS: Final = frozenset({OUTCOMES, DELIVERIES, HORIZONS})
"""What nobody has to decide."""


class PeerRoutes:
    """The path of other buses."""

    def __init__(self, runtime: Runtime, store: Store, door: Door, quota: Quota) -> None:
        self._runtime = runtime
        self._store = store
        self._door = door
        self._quota = quota

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """The route."""
        return [web.post("/v1/peer", self.take, expect_handler=expecting(LARGEST))]

    async def take(self, request: web.Request) -> web.Response:
        """Take an envelope.

        403 for who is no bus, 422 for what does not hold, 429 for who sends more than its share while this bus is
        behind, 503 while Kafka is away.
        """
        caller = await self._door.caller(request)
        contracts, settings = self._runtime.library.current(), self._runtime.settings
        if not contracts.agencies.is_bus(caller.agency) or caller.agency == settings.bus:
            raise ProblemError("not-a-bus", f"{caller.agency} is not a bus that this one is linked with")
        sealed = parse_object(await read_body(request, LARGEST))
        now = self._runtime.clock()
        between = Between(contracts.agencies, caller.agency, settings.bus, now, settings.future_tolerance)
        try:
            items = opened(sealed, between)
            for item in items:
                if isinstance(item, Answered):
                    await self._require_asked(item, caller.agency)
            messages = [message for item in items for message in self._messages(item, contracts.topics)]
        except RelayError as error:
            log.error("not taken from another bus", peer=caller.agency, reason=str(error))
            raise ProblemError("relay-refused", str(error)) from error
        decide = sum(message.topic not in _ANSWERS for message in messages)
        if decide:
            self._quota.require(caller.agency, time.monotonic())
            self._quota.spend(caller.agency, decide)
        try:
            await self._runtime.producer.send_all(messages, deadline=_KAFKA_DEADLINE)
            self._quota.sent(decide)
        except KafkaUnavailable as error:
            raise unavailable("whether this bus has it is unknown: hand it over again") from error
        log.info("taken from another bus", peer=caller.agency, items=[type(item).__name__ for item in items], hop=1)
        return json_bytes(canonical(taken(sealed, self._runtime.bus_key, now)))

    async def _require_asked(self, answered: Answered, peer: str) -> None:
        """Make sure that a peer states the outcome of what it was there to decide. Raises RelayError, ProblemError."""
        key, runtime = (answered.kind, answered.exchange), self._runtime
        try:
            kept = await exchanges(runtime.pool, runtime.library.current().topics, [key])
            slip = await self._store.slip((answered.source, answered.id, answered.statement.digest))
        except Exception as error:
            if not transient(error):
                raise
            raise unavailable("whose exchange it is cannot be looked up now: hand it over again") from error
        about = parse_object(slip) if slip else {}
        if about and (about.get("kind"), about.get("exchange")) != key:
            raise RelayError(f"the submission {answered.id[:64]!r} was of another exchange")
        # Of an exchange that is not known here its submission may have been handed on: it named the home.
        homes = {records[0].standing.home for records in kept.values()}
        if homes - {peer} or not (homes or about):
            raise RelayError(f"{peer} does not keep {answered.kind} {answered.exchange}, so it decides nothing in it")

    def _messages(self, item: Item, topics: Topics) -> Iterator[Message]:
        """Where an item goes. Raises RelayError for a kind that nobody registers here."""
        match item:
            case Mirrored(records):
                for record in records:
                    topic = _topic(record.kind, topics)
                    yield mirroring(record, self._runtime.clock(), self._runtime.bus_key, topic)
            case Forwarded(event, slip):
                yield relayed(event, slip, _topic(str(event.get("kind")), topics))
            case Answered():
                yield Message(topic=OUTCOMES, key=item.id.encode(), value=item.statement.to_bytes())
            case StageReached():
                yield Message(topic=DELIVERIES, key=item.exchange.encode(), value=item.to_bytes())
            case _:
                yield Message(topic=HORIZONS, key=item.bus.encode(), value=item.to_bytes())


def _topic(kind: str, topics: Topics) -> str:
    topic = topics.submissions_for(kind)
    if topic is None:
        raise RelayError(f"no registrar of this bus decides {kind[:40]!r}")
    return topic
