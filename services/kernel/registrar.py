"""The registrar's loop, once for every kind: known? → load → verify and decide → one transaction → publish.

    registrar = Registrar(runtime, "transfers")     # the kinds in services/transfers/lifecycles/

Pure decisions are made by `Decider`, which holds what a batch knows; everything else here is I/O.
"""

from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from pydantic import JsonValue

from connectors.kafka.consume import Consumer, Partition, Reason, Transient
from connectors.kafka.consume import Record as KafkaRecord
from connectors.kafka.producer import Message
from connectors.postgres.pool import transient
from contracts.canonical import Document, canonical, parse_object, timestamp
from contracts.clocks import Entry
from contracts.codec import Event, content_digest, decode, decode_registered, require_author
from contracts.errors import ContractError, InvalidEvent, RelayError, SignatureError
from contracts.library import Contracts
from contracts.records import HELD, RECEIPT, REJECTION, Record, Statement, held, receipt, rejection
from contracts.signatures import SigningKey, seal, verify_seal
from contracts.topics import EVENTS, FORWARDS, OUTCOMES, SUBMISSIONS
from services.kernel.exchange import Context, Lifecycle, Rejection, State
from services.kernel.kinds import lifecycles
from services.kernel.lifecycle import decide, fold, standing
from services.kernel.mirror import Mirror, Mirrored, is_mirrored, read_mirrored, recorded
from services.kernel.outbox import Outbox
from services.kernel.service import Runtime
from services.kernel.store import ExchangeKey, Fenced, Outcome, Row, Store, SubmissionKey

log = structlog.stdlib.get_logger(__name__)

OPERATOR = "operator"
"""The Kafka header by which `liandong dlq` says what shall become of a held submission: RETRY or DROP."""
RETRY, DROP = b"retry", b"drop"

_CACHED_EXCHANGES = 20_000


class Unreadable(ContractError):
    """A record on a submissions topic that no gateway of this bus wrote."""


@dataclass(frozen=True, slots=True)
class Submission:
    """An event on its way in: the document as the agency sent it, and the slip by which a gateway took it.

    `relayed`: the gateway was that of the bus which hosts the source; this bus decides.
    """

    document: Document
    slip: Document
    acceptedtime: datetime
    digest: str
    owner: str
    relayed: bool = False
    operator: bytes | None = None

    @property
    def accepted(self) -> str:
        """When the gateway took it, as it wrote it."""
        return str(self.slip["acceptedtime"])

    @property
    def key(self) -> SubmissionKey:
        """(source, id)."""
        return str(self.document.get("source")), str(self.document.get("id"))

    @property
    def exchange(self) -> ExchangeKey:
        """(kind, exchange)."""
        return str(self.document.get("kind")), str(self.document.get("exchange"))


@dataclass(frozen=True, slots=True)
class Thread:
    """An exchange as the registrar remembers it. Times recorded in one exchange never go back."""

    state: State
    entries: tuple[Entry, ...] = ()

    @property
    def recordedtime(self) -> datetime | None:
        """When the last event was recorded."""
        return self.entries[-1].recordedtime if self.entries else None


@dataclass(slots=True)
class Decisions:
    """What a batch decided: the rows to store and the messages to send, in order.

    `widened`: mirrored records that are there already and tell more now.
    """

    rows: list[Row] = field(default_factory=list)
    widened: list[Record] = field(default_factory=list)
    outcomes: dict[SubmissionKey, Outcome] = field(default_factory=dict)
    messages: list[tuple[str, Message]] = field(default_factory=list)


def read_submission(record: KafkaRecord, contracts: Contracts, bus: str) -> Submission:
    """The submission in a Kafka record. Raises Unreadable unless this bus, or the source's, sealed its slip."""
    try:
        value = parse_object(record.value)
        document, slip = value["event"], value["slip"]
        if not isinstance(document, dict) or not isinstance(slip, dict):
            raise TypeError("a submission holds an event and a slip")
        acceptedtime = datetime.fromisoformat(str(slip["acceptedtime"]))
        signer = verify_seal(slip, contracts.agencies, acceptedtime)
    except (KeyError, TypeError, ValueError, ContractError) as error:
        raise Unreadable(f"not a submission that a gateway of this bus accepted: {error}") from error
    digest = content_digest(document)
    hosting = contracts.agencies.elsewhere(str(document.get("source")), bus)
    if signer not in {bus, hosting} or slip.get("digest") != digest:
        raise Unreadable(f"the acceptance slip is {signer}'s or about another content")
    where = f"{record.topic}/{record.partition}"
    return Submission(document, slip, acceptedtime, digest, where, signer != bus, record.headers.get(OPERATOR))


class Decider:
    """Decides the submissions of one batch in order; no I/O. `known`, `threads` and `mirrors` grow as it decides.

    What belongs to an exchange of another bus is not decided: a record of it is mirrored, a submission handed on.
    """

    def __init__(
        self,
        *,
        kinds: Mapping[str, Lifecycle[State]],
        contracts: Contracts,
        bus_key: SigningKey,
        now: datetime,
        tolerance: timedelta,
        events_topic: str,
        known: dict[SubmissionKey, Outcome],
        threads: dict[ExchangeKey, Thread],
        mirrors: dict[ExchangeKey, Mirror],
    ) -> None:
        self._kinds = kinds
        self._contracts = contracts
        self._key = bus_key
        self._now = now
        self._tolerance = tolerance
        self._events_topic = events_topic
        self._known = known
        self._mirrors = mirrors
        self.threads = threads
        self.decisions = Decisions()

    def settle(self, submission: Submission) -> None:
        """Give a submission its outcome: the one that it has, or a new one."""
        known = self._known.get(submission.key)
        if known is not None and not self._reopened(known, submission):
            self._restate(submission, known)
            return
        if submission.operator == DROP:
            self._reject(submission, Rejection("dropped", "an operator dropped this submission; it was not registered"))
            return
        event = self._authentic(submission)
        if isinstance(event, Event):
            self._register_or_reject(submission, event)

    def mirror(self, item: Mirrored) -> None:
        """Write down what another bus has registered. Raises RelayError for a hole or a fork."""
        if item.exchange in self.threads:
            raise RelayError(f"{item.record.standing.home} registers in {item.record.exchange}, which is our own")
        known = self._mirrors.setdefault(item.exchange, Mirror())
        last = len(known.records)
        record = known.take(item.record)
        if record is None:
            return
        if record.sequence <= last:
            self.decisions.widened.append(record)
            return
        self.decisions.rows.append(Row(None, record, recorded(record)))
        self._publish(item.owner, record)
        log.info("mirrored", exchange=record.exchange, case=record.standing.case, sequence=record.sequence, hop=2)

    def _reopened(self, known: Outcome, submission: Submission) -> bool:
        return known.outcome == HELD and known.digest == submission.digest and submission.operator is not None

    def _restate(self, submission: Submission, known: Outcome) -> None:
        if known.digest == submission.digest:
            self._state(submission, known.document, stands=True)
            return
        detail = "this (source, id) was used for another content; a correction needs a new id"
        self._reject(submission, Rejection("id-reused", detail), stored=False)

    def _authentic(self, submission: Submission) -> Event | None:
        """The event, if its source signed it. A forgery is answered but never becomes the outcome of that id.

        What was held has its id already, and an operator's retry gives it an outcome for good.
        """
        stored = submission.key in self._known
        try:
            require_author(submission.document, self._contracts.agencies, submission.acceptedtime)
            event = decode(submission.document)
        except SignatureError as error:
            self._reject(submission, Rejection(error.code, str(error)), stored=stored)
            return None
        except InvalidEvent as error:
            wrong: list[JsonValue] = [
                {"pointer": item.pointer, "rule": item.rule, "detail": item.detail} for item in error.violations
            ]
            self._reject(submission, Rejection(error.code, str(error), {"errors": wrong}), stored=stored)
            return None
        if event.envelope.time > submission.acceptedtime + self._tolerance:
            detail = f"{event.envelope.time.isoformat()} is ahead of {submission.accepted}, when the bus took it"
            self._reject(submission, Rejection("time-in-future", detail))
            return None
        return event

    def _register_or_reject(self, submission: Submission, event: Event) -> None:
        lifecycle = self._kinds.get(event.envelope.kind)
        if lifecycle is None:
            self._reject(submission, Rejection("kind-elsewhere", f"{event.envelope.kind} is not decided here"))
            return
        home = self._home(submission, event, lifecycle)
        if home != self._key.agency:
            self._hand_on_or_reject(submission, event, lifecycle, home)
            return
        kind, exchange = submission.exchange
        thread = self.threads.get(submission.exchange) or Thread(_new(lifecycle, exchange))
        hosting = self._contracts.agencies.elsewhere(event.envelope.source, home)
        if hosting is not None and not thread.entries and type(event.fact) in lifecycle.opening:
            detail = f"an exchange is opened on the bus that hosts its opener; {event.envelope.source}'s is {hosting}"
            self._reject(submission, Rejection("home-mismatch", detail))
            return
        context = Context(self._contracts, self._key.agency, submission.acceptedtime, thread.entries)
        decision = decide(lifecycle, thread.state, event, context)
        if isinstance(decision, Rejection):
            self._reject(submission, decision)
            return
        recordedtime = max(self._now, thread.recordedtime or self._now)
        registered: Document = {
            **submission.document,
            "sequence": decision.state.sequence,
            "acceptedtime": submission.accepted,
            "recordedtime": timestamp(recordedtime),
        }
        home = decision.state.home
        record = Record(
            event=registered,
            receipt=seal(receipt(registered, self._key.agency, home), self._key),
            standing=standing(lifecycle, decision.state, context),
            audience=decision.audience,
        )
        self.threads[kind, exchange] = Thread(decision.state, (*thread.entries, Entry.of(record)))
        self._register(submission, record, recordedtime)

    def _home(self, submission: Submission, event: Event, lifecycle: Lifecycle[State]) -> str:
        """The bus that decides: of an exchange that is not known here the one that the event names, unless it opens."""
        bus, named = self._key.agency, event.envelope.home
        if submission.exchange in self.threads:
            return bus
        mirror = self._mirrors.get(submission.exchange)
        if mirror is not None and mirror.home is not None:
            return mirror.home
        elsewhere = named is not None and self._contracts.agencies.is_bus(named)
        return named if named and elsewhere and type(event.fact) not in lifecycle.opening else bus

    def _hand_on_or_reject(self, submission: Submission, event: Event, lifecycle: Lifecycle[State], home: str) -> None:
        """Hand on what goes on with an exchange of another bus; whoever opens one, or names another home, means none.

        The other bus may have taken an id that was ours to use: it gets nothing of what was not meant for it.
        """
        if lifecycle.only_opens(type(event.fact)) or event.envelope.home not in {None, home}:
            detail = f"{home} keeps an exchange of this id already; open one under another id"
            self._reject(submission, Rejection("home-mismatch", detail))
            return
        self._hand_on(submission, home)

    def _hand_on(self, submission: Submission, home: str) -> None:
        """Send a submission to the bus that decides it: only of our own agencies, so that none goes round."""
        source = submission.key[0]
        hosting = self._contracts.agencies.elsewhere(source, self._key.agency)
        if hosting is not None:
            detail = f"the exchange's home is {home}; what {source} states reaches it by its own bus, {hosting}"
            self._reject(submission, Rejection("home-mismatch", detail), stored=False)
            return
        value = canonical({"event": submission.document, "slip": submission.slip, "home": home})
        message = Message(topic=FORWARDS, key=submission.exchange[1].encode(), value=value)
        self.decisions.messages.append((submission.owner, message))
        log.info("forwarded", **_names(submission), home=home)

    def _publish(self, owner: str, record: Record) -> None:
        message = Message(topic=self._events_topic, key=record.exchange.encode(), value=record.to_bytes())
        self.decisions.messages.append((owner, message))

    def _register(self, submission: Submission, record: Record, recordedtime: datetime) -> None:
        self.decisions.rows.append(Row(submission.key, record, recordedtime))
        self._publish(submission.owner, record)
        self._store(submission, RECEIPT, canonical(record.receipt))
        log.info("registered", **_names(submission), sequence=record.sequence, status=record.standing.status)

    def _reject(self, submission: Submission, why: Rejection, *, stored: bool = True) -> None:
        document = rejection(
            submission.document,
            self._key.agency,
            submission.accepted,
            code=why.code,
            detail=why.detail,
            members=why.members,
        )
        sealed = canonical(seal(document, self._key))
        log.info("rejected", **_names(submission), code=why.code)
        if stored:
            self._store(submission, REJECTION, sealed)
        else:
            self._state(submission, sealed, stands=False)

    def hold(self, submission: Submission, reason: str) -> None:
        """Make `held` the outcome of a submission that could not be decided."""
        if submission.key in self._known:
            return
        document = held(submission.document, self._key.agency, submission.accepted, reason)
        self._store(submission, HELD, canonical(seal(document, self._key)))

    def _store(self, submission: Submission, name: str, document: bytes) -> None:
        outcome = Outcome(submission.digest, name, document)  # type: ignore[arg-type]
        self._known[submission.key] = outcome
        self.decisions.outcomes[submission.key] = outcome
        self._state(submission, document, stands=True)

    def _state(self, submission: Submission, document: bytes, *, stands: bool) -> None:
        statement = Statement(submission.digest, stands, document)
        message = Message(topic=OUTCOMES, key=submission.key[1].encode(), value=statement.to_bytes())
        self.decisions.messages.append((submission.owner, message))


class Registrar:
    """The handler of a registrar's consumer."""

    def __init__(
        self, runtime: Runtime, service: str, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.service = service
        self._runtime = runtime
        self._kinds = lifecycles(service)
        self._store = Store(service, runtime.pool)
        self._outbox = Outbox(service, runtime.pool, runtime.producer)
        self._clock = clock
        self._epochs: dict[str, int] = {}
        self._cache: OrderedDict[ExchangeKey, Thread] = OrderedDict()

    def consumer(self) -> Consumer:
        """The consumer that feeds this registrar."""
        return Consumer(
            group=self.service,
            topics=[f"{SUBMISSIONS}.{self.service}"],
            handler=self,
            settings=self._runtime.kafka,
            transient=transient,
            # Holes and forks of another bus must not stop what our own agencies state.
            foreign=lambda error: isinstance(error, RelayError),
        )

    def assigned(self, partitions: frozenset[Partition]) -> None:  # noqa: ARG002, the consumer's protocol
        """Remember nothing of earlier ownership: a new epoch is taken with the first batch."""
        self._forget()

    def revoked(self, partitions: frozenset[Partition]) -> None:  # noqa: ARG002
        """Forget what was known of partitions that another now owns."""
        self._forget()

    async def handle(self, batch: Sequence[KafkaRecord]) -> None:
        """Decide a batch and register it, all or nothing. Raises what the policy of `consume` sorts."""
        contracts = self._runtime.library.current()
        items = list(self._readable(batch, contracts))
        async with self._forgetting():
            await self._own({item.owner for item in items})
            decider = await self._decider(contracts, items)
            for item in items:
                if isinstance(item, Mirrored):
                    decider.mirror(item)
                else:
                    decider.settle(item)
            await self._commit(decider.decisions, {item.owner for item in items})
        self._remember(decider.threads)

    def _readable(self, batch: Sequence[KafkaRecord], contracts: Contracts) -> Iterator[Submission | Mirrored]:
        """What a batch brings. Raises Unreadable or RelayError, but for what an operator has dropped."""
        for record in batch:
            dropped = record.headers.get(OPERATOR) == DROP
            try:
                if not is_mirrored(record):
                    yield read_submission(record, contracts, self._runtime.settings.bus)
                elif not dropped:
                    yield read_mirrored(record, contracts, self._runtime.settings.bus)
            except Unreadable as error:
                if not dropped:
                    raise
                log.warning("dropped", record=str(record), reason=str(error))

    async def hold(self, record: KafkaRecord, reason: Reason) -> None:
        """Make the poison visible to its submitter; what no gateway wrote, or another bus registered, has none."""
        contracts = self._runtime.library.current()
        if is_mirrored(record):
            log.error("not mirrored", record=str(record), reason=str(reason))
            return
        try:
            submission = read_submission(record, contracts, self._runtime.settings.bus)
        except Unreadable as error:
            log.error("unreadable submission", record=str(record), reason=str(error))
            return
        async with self._forgetting():
            await self._own({submission.owner})
            known = await self._store.outcomes([submission.key])
            decider = self._new_decider(contracts, known, {}, {})
            decider.hold(submission, f"waits for an operator ({reason.error})")
            await self._commit(decider.decisions, {submission.owner})
        log.error("held", **_names(submission), reason=str(reason))

    @asynccontextmanager
    async def _forgetting(self) -> AsyncGenerator[None]:
        """Whatever fails in here, ownership and states are taken afresh. Raises Transient for Fenced."""
        try:
            yield
        except BaseException as error:
            # What was committed may be unpublished: the next attempt takes a new epoch and publishes it first.
            self._forget()
            if isinstance(error, Fenced):
                raise Transient(str(error)) from error
            raise

    async def _own(self, owners: set[str]) -> None:
        """Take a new epoch for partitions that are new here, and publish what their last owner left."""
        for owner in sorted(owners - self._epochs.keys()):
            epoch = await self._store.take(owner)
            left = await self._outbox.drain(owner)
            self._epochs[owner] = epoch
            log.info("partition taken", partition=owner, epoch=epoch, published=left)

    async def _decider(self, contracts: Contracts, items: Sequence[Submission | Mirrored]) -> Decider:
        known = await self._store.outcomes({item.key for item in items if isinstance(item, Submission)})
        wanted = {item.exchange for item in items if _readable(item.exchange)}
        threads = {key: self._cache[key] for key in wanted if key in self._cache}
        mirrors: dict[ExchangeKey, Mirror] = {}
        missing = wanted - threads.keys()
        for key, records in (await self._store.exchanges(missing)).items() if missing else ():
            if records[0].standing.home == self._runtime.settings.bus:
                threads[key] = self._replay(records)
            else:
                mirrors[key] = Mirror(records)
        return self._new_decider(contracts, known, threads, mirrors)

    def _new_decider(
        self,
        contracts: Contracts,
        known: dict[SubmissionKey, Outcome],
        threads: dict[ExchangeKey, Thread],
        mirrors: dict[ExchangeKey, Mirror],
    ) -> Decider:
        return Decider(
            kinds=self._kinds,
            contracts=contracts,
            bus_key=self._runtime.bus_key,
            now=self._clock(),
            tolerance=self._runtime.settings.future_tolerance,
            events_topic=f"{EVENTS}.{self.service}",
            known=known,
            threads=threads,
            mirrors=mirrors,
        )

    def _replay(self, records: Sequence[Record]) -> Thread:
        lifecycle = self._kinds[records[0].kind]
        state = _new(lifecycle, records[0].exchange)
        for record in records:
            state = fold(lifecycle, state, decode_registered(record.event), record.standing)
        return Thread(state, tuple(map(Entry.of, records)))

    async def _commit(self, decisions: Decisions, owners: AbstractSet[str]) -> None:
        async with self._runtime.pool.connection() as connection:
            await self._store.lock(connection, {owner: self._epochs[owner] for owner in owners})
            if decisions.rows:
                await self._store.add_events(connection, decisions.rows)
            if decisions.widened:
                await self._store.widen(connection, decisions.widened)
            if decisions.outcomes:
                await self._store.add_outcomes(connection, decisions.outcomes)
            ids = await self._outbox.add(connection, decisions.messages)
        await self._outbox.publish(ids, [message for _, message in decisions.messages])

    def _remember(self, threads: Mapping[ExchangeKey, Thread]) -> None:
        for key, thread in threads.items():
            self._cache[key] = thread
            self._cache.move_to_end(key)
        while len(self._cache) > _CACHED_EXCHANGES:
            self._cache.popitem(last=False)

    def _forget(self) -> None:
        self._epochs.clear()
        self._cache.clear()


def _new(lifecycle: Lifecycle[State], exchange: str) -> State:
    return lifecycle.new(exchange)


def _readable(key: ExchangeKey) -> bool:
    """Whether the exchange id can be asked for; a submission without one is rejected by its schema."""
    try:
        UUID(key[1])
    except ValueError:
        return False
    return True


def _names(submission: Submission) -> dict[str, object]:
    document = submission.document
    return {
        "event_id": document.get("id"),
        "exchange": document.get("exchange"),
        "case": document.get("case"),
        "agency": document.get("source"),
        "type": document.get("type"),
        "hop": 2,
    }
