"""The registrar's loop, once for every kind: known? → load → verify and decide → one transaction → publish.

    registrar = Registrar(runtime, "transfers")     # the kinds in services/transfers/lifecycles/

Pure decisions are made by `Decider`, which holds what a batch knows; everything else here is I/O.
"""

from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
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
from contracts.errors import ContractError, InvalidEvent, SignatureError
from contracts.library import Contracts
from contracts.records import HELD, RECEIPT, REJECTION, Record, Statement, held, receipt, rejection
from contracts.signatures import SigningKey, seal, verify_seal
from contracts.topics import EVENTS, OUTCOMES, SUBMISSIONS
from services.kernel.exchange import Context, Lifecycle, Rejection, State
from services.kernel.kinds import lifecycles
from services.kernel.lifecycle import decide, fold, standing
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
    """An event on its way in: the document as the agency sent it, and when the gateway took it."""

    document: Document
    acceptedtime: datetime
    accepted: str
    digest: str
    owner: str
    operator: bytes | None = None

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
    """What a batch decided: the rows to store and the messages to send, in order."""

    rows: list[Row] = field(default_factory=list)
    outcomes: dict[SubmissionKey, Outcome] = field(default_factory=dict)
    messages: list[tuple[str, Message]] = field(default_factory=list)


def read_submission(record: KafkaRecord, contracts: Contracts, bus: str) -> Submission:
    """The submission in a Kafka record. Raises Unreadable unless this bus sealed its acceptance slip."""
    try:
        value = parse_object(record.value)
        document, slip = value["event"], value["slip"]
        if not isinstance(document, dict) or not isinstance(slip, dict):
            raise TypeError("a submission holds an event and a slip")
        accepted = str(slip["acceptedtime"])
        acceptedtime = datetime.fromisoformat(accepted)
        signer = verify_seal(slip, contracts.agencies, acceptedtime)
    except (KeyError, TypeError, ValueError, ContractError) as error:
        raise Unreadable(f"not a submission that a gateway of this bus accepted: {error}") from error
    digest = content_digest(document)
    if signer != bus or slip.get("digest") != digest:
        raise Unreadable(f"the acceptance slip is {signer}'s or about another content")
    where = f"{record.topic}/{record.partition}"
    return Submission(document, acceptedtime, accepted, digest, where, record.headers.get(OPERATOR))


class Decider:
    """Decides the submissions of one batch in order; no I/O. `known` and `threads` grow as it decides."""

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
    ) -> None:
        self._kinds = kinds
        self._contracts = contracts
        self._key = bus_key
        self._now = now
        self._tolerance = tolerance
        self._events_topic = events_topic
        self._known = known
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
        kind, exchange = submission.exchange
        thread = self.threads.get(submission.exchange) or Thread(_new(lifecycle, exchange))
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

    def _register(self, submission: Submission, record: Record, recordedtime: datetime) -> None:
        self.decisions.rows.append(Row(submission.key, record, recordedtime))
        message = Message(topic=self._events_topic, key=record.exchange.encode(), value=record.to_bytes())
        self.decisions.messages.append((submission.owner, message))
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
        submissions = list(self._readable(batch, contracts))
        async with self._forgetting():
            await self._own({submission.owner for submission in submissions})
            decider = await self._decider(contracts, submissions)
            for submission in submissions:
                decider.settle(submission)
            await self._commit(decider.decisions)
        self._remember(decider.threads)

    def _readable(self, batch: Sequence[KafkaRecord], contracts: Contracts) -> Iterator[Submission]:
        """The submissions of a batch. Raises Unreadable, but for what an operator has dropped."""
        for record in batch:
            try:
                yield read_submission(record, contracts, self._runtime.settings.bus)
            except Unreadable as error:
                if record.headers.get(OPERATOR) != DROP:
                    raise
                log.warning("dropped", record=str(record), reason=str(error))

    async def hold(self, record: KafkaRecord, reason: Reason) -> None:
        """Make the poison visible to its submitter; what no gateway wrote has no submitter."""
        contracts = self._runtime.library.current()
        try:
            submission = read_submission(record, contracts, self._runtime.settings.bus)
        except Unreadable as error:
            log.error("unreadable submission", record=str(record), reason=str(error))
            return
        async with self._forgetting():
            await self._own({submission.owner})
            known = await self._store.outcomes([submission.key])
            decider = self._new_decider(contracts, known, {})
            decider.hold(submission, f"waits for an operator ({reason.error})")
            await self._commit(decider.decisions)
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

    async def _decider(self, contracts: Contracts, submissions: Sequence[Submission]) -> Decider:
        known = await self._store.outcomes({submission.key for submission in submissions})
        wanted = {submission.exchange for submission in submissions if _readable(submission.exchange)}
        threads = {key: self._cache[key] for key in wanted if key in self._cache}
        missing = wanted - threads.keys()
        if missing:
            threads |= {key: self._replay(records) for key, records in (await self._store.exchanges(missing)).items()}
        return self._new_decider(contracts, known, threads)

    def _new_decider(
        self, contracts: Contracts, known: dict[SubmissionKey, Outcome], threads: dict[ExchangeKey, Thread]
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
        )

    def _replay(self, records: Sequence[Record]) -> Thread:
        lifecycle = self._kinds[records[0].kind]
        state = _new(lifecycle, records[0].exchange)
        for record in records:
            state = fold(lifecycle, state, decode_registered(record.event), record.standing)
        return Thread(state, tuple(map(Entry.of, records)))

    async def _commit(self, decisions: Decisions) -> None:
        owners = {owner for owner, _ in decisions.messages}
        async with self._runtime.pool.connection() as connection:
            await self._store.lock(connection, {owner: self._epochs[owner] for owner in owners})
            if decisions.rows:
                await self._store.add_events(connection, decisions.rows)
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
