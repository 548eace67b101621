"""The way of a submission through the gateway: checked → known already? → on Kafka → slip kept → outcome awaited.

A list goes the way together and in order, so that a batch costs little more than a single event; each of its items
has an answer of its own.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, TypeAlias

import structlog

from connectors.errors import KafkaUnavailable
from connectors.http.problem import ProblemError, of, unavailable
from connectors.kafka.producer import Message
from connectors.postgres.pool import transient
from contracts.canonical import canonical, timestamp
from contracts.errors import ContractError, MalformedJson
from services.gateway.intake import Submission, check
from services.gateway.outcomes import ID_REUSED, Key, Outcome, Store, Waiting
from services.gateway.pressure import Quota
from services.kernel.service import Runtime
from services.kernel.submitting import submission as sealed_submission

log = structlog.stdlib.get_logger(__name__)

KAFKA_DEADLINE: Final = 5.0
"""Seconds that a submission waits for Kafka before its submitter is told that nothing is known."""

DATABASE_DEADLINE: Final = 3.0
"""Seconds that the gateway's own memory may take; submissions go on without it."""

MAX_IN_HAND: Final = 1000
"""Submissions that are on their way to Kafka at once; more are refused (429) before the process suffers."""

_CHECKS_IN_A_ROW: Final = 20


@dataclass(frozen=True, slots=True)
class Accepted:
    """Kafka has the submission. `slip`: the sealed acceptance slip. `outcome`: there if somebody waits for it."""

    submission: Submission
    slip: bytes
    outcome: "asyncio.Future[Outcome] | None" = None

    def settled(self) -> "Accepted | Outcome":
        """The outcome, if it has come and stays; else this."""
        if self.outcome is None or not self.outcome.done() or self.outcome.cancelled():
            return self
        outcome = self.outcome.result()
        return outcome if outcome.final else self

    def forget(self) -> None:
        """Nobody waits any more."""
        if self.outcome is not None:
            self.outcome.cancel()


Answer: TypeAlias = Accepted | Outcome | ProblemError


@dataclass(frozen=True, slots=True)
class _Sent:
    """A submission about to be sent."""

    accepted: Accepted
    message: Message


class Acceptance:
    """Takes submissions. Safe to share between requests."""

    def __init__(
        self,
        runtime: Runtime,
        store: Store,
        waiting: Waiting,
        quota: Quota,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`now` is the bus's clock, the one that legal deadlines are met by."""
        self._runtime = runtime
        self._store = store
        self._waiting = waiting
        self._quota = quota
        self._now = now
        self._in_hand: Counter[str] = Counter()
        self._kafka_refused_at: float | None = None

    @property
    def trouble(self) -> str | None:
        """Why the last submissions were not taken; forgotten when one is, or after a while without any."""
        since = self._kafka_refused_at
        recent = since is not None and time.monotonic() - since < 3 * KAFKA_DEADLINE
        return "Kafka does not take submissions" if recent else None

    async def take(self, items: Sequence[object], *, wait: bool) -> list[Answer]:
        """Take events in order; an answer for each. Raises ProblemError `overloaded` when too much is in hand.

        `wait`: whether outcomes will be waited for; then cancel those that are no longer wanted.
        """
        now = self._now()
        answers: dict[int, Answer] = {}
        fresh: dict[int, Submission] = {}
        waits: dict[str, ProblemError] = {}
        for index, item in enumerate(items):
            if index and index % _CHECKS_IN_A_ROW == 0:
                await asyncio.sleep(0)  # others must not wait for a whole batch
            # Nothing of an exchange overtakes what is to be sent again.
            exchange = str(item.get("exchange")) if isinstance(item, dict) else ""
            checked = waits.get(exchange) or self._check(item, now)
            if isinstance(checked, Submission):
                fresh[index] = checked
                continue
            answers[index] = checked
            if checked.code == "overloaded":
                waits[exchange] = checked
        # Only what is its sender's own takes up room.
        with self._room([item.event.envelope.source for item in fresh.values()]):
            answers |= await self._known(fresh)
            unknown = {index: item for index, item in fresh.items() if index not in answers}
            answers |= await self._send({index: self._stamped(item, now, wait) for index, item in unknown.items()})
        for answer in answers.values():
            _say(answer)
        return [answers[index] for index in range(len(items))]

    def _check(self, item: object, now: datetime) -> Submission | ProblemError:
        try:
            if not isinstance(item, dict):
                raise MalformedJson("an event is a JSON object")
            self._quota.require(str(item.get("source")), time.monotonic())
            settings = self._runtime.settings
            checked = check(item, self._runtime.library.current(), settings.bus, now, settings.future_tolerance)
        except ContractError as error:
            return of(error)
        except ProblemError as error:
            return error
        self._quota.spend(checked.event.envelope.source)
        return checked

    async def _known(self, fresh: Mapping[int, Submission]) -> dict[int, Answer]:
        """The answers to those of which the outcome is known, or whose id belongs to another content."""
        if not fresh or self._waiting.deaf:
            return {}
        try:
            async with asyncio.timeout(DATABASE_DEADLINE):
                known = await self._store.final({submission.event.key for submission in fresh.values()})
        except Exception as error:
            if not _passes(error):
                raise
            # The registrar knows them as well: without our memory a repeat only takes the longer way.
            log.warning("repeats are not recognised", reason=str(error))
            return {}
        answers = {index: _recalled(item, known.get(item.event.key, ())) for index, item in fresh.items()}
        return {index: answer for index, answer in answers.items() if answer is not None}

    async def _send(self, sending: Mapping[int, _Sent]) -> dict[int, Answer]:
        if not sending:
            return {}
        accepted = [item.accepted for item in sending.values()]
        try:
            await self._runtime.producer.send_all([item.message for item in sending.values()], deadline=KAFKA_DEADLINE)
            self._quota.sent(len(sending))
            slips = await self._keep({item.submission.key: item.slip for item in accepted})
        except BaseException as error:
            for item in accepted:
                item.forget()
            if not isinstance(error, KafkaUnavailable):
                raise
            log.warning("Kafka does not take submissions", reason=str(error), count=len(sending))
            self._kafka_refused_at = time.monotonic()
            return dict.fromkeys(sending, unavailable("whether the bus has it is unknown: send the same id again"))
        self._kafka_refused_at = None
        answers = [replace(item, slip=slips[item.submission.key]) for item in accepted]
        return dict[int, Answer](zip(sending, answers, strict=True))

    def _stamped(self, submission: Submission, now: datetime, wait: bool) -> _Sent:
        document = submission.event.document
        message, sealed = sealed_submission(document, now, self._runtime.bus_key, submission.topic)
        # Asked for before it is sent, so that no outcome can come in between.
        outcome = self._waiting.outcome(submission.key, timestamp(now)) if wait else None
        return _Sent(Accepted(submission, canonical(sealed), outcome), message)

    async def _keep(self, slips: Mapping[Key, bytes]) -> Mapping[Key, bytes]:
        """Remember the slips; the ones that count. Kafka has the submissions, so failing here takes no promise back."""
        if self._waiting.deaf:
            return slips
        try:
            async with asyncio.timeout(DATABASE_DEADLINE):
                return await self._store.accepted(slips)
        except Exception as error:
            if not _passes(error):
                raise
            log.warning("slips are not kept", reason=str(error), count=len(slips))
            return slips

    @contextmanager
    def _room(self, sources: Sequence[str]) -> Generator[None]:
        """Room for submissions of these agencies. Raises ProblemError when all is full, or one has its half of it."""
        wanted = Counter(sources)
        full = bool(self._in_hand) and self._in_hand.total() + len(sources) > MAX_IN_HAND
        most = MAX_IN_HAND // 2
        if full or any(self._in_hand[code] and self._in_hand[code] + count > most for code, count in wanted.items()):
            detail = "too many submissions are in hand; this one was not taken"
            raise ProblemError("overloaded", detail, headers={"Retry-After": "1"})
        self._in_hand.update(wanted)
        try:
            yield
        finally:
            self._in_hand -= wanted


def _passes(error: Exception) -> bool:
    """Whether the database is away for now, or too slow to wait for."""
    return isinstance(error, TimeoutError) or transient(error)


def _recalled(submission: Submission, outcomes: Sequence[Outcome]) -> Answer | None:
    """The outcome of the very same content, or the refusal of another content under a settled id."""
    same = next((outcome for outcome in outcomes if outcome.key == submission.key), None)
    if same is None and any(outcome.stands for outcome in outcomes):
        return ProblemError(ID_REUSED, "this (source, id) was used for another content; a correction needs a new id")
    return same


def _say(answer: Answer) -> None:
    match answer:
        case Accepted(submission=submission):
            envelope = submission.event.envelope
            log.info(
                "accepted",
                event_id=envelope.id,
                exchange=str(envelope.exchange),
                case=envelope.case,
                agency=envelope.source,
                type=envelope.type,
                hop=1,
            )
        case Outcome(key=key, name=name):
            log.info("repeated", event_id=key[1], agency=key[0], outcome=name, hop=1)
        case ProblemError(code="overloaded"):
            pass  # a flood must not become a flood in the log
        case ProblemError():
            log.info("refused", code=answer.code, reason=answer.detail, hop=1)
