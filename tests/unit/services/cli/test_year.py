"""The plan of a year: exactly what was published, all invented, and nothing that the bus would refuse."""

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any, cast
from uuid import UUID

import pytest

from connectors.errors import SubmissionRefused
from connectors.http.client import AgencyClient
from contracts.calendar import SHANGHAI
from contracts.canonical import Document, canonical, timestamp
from contracts.clocks import Entry
from contracts.codec import decode, dump
from contracts.figures import Publication
from contracts.records import Record
from events.notice import Sent
from events.penalties import CaseCategory, Procedure
from services.audit.published import Counting, Said
from services.cli.driver import Driver
from services.cli.partners.systems import NotRegisteredError, Systems
from services.cli.scenario import BATCH, Part, Player, batches, rounds
from services.cli.years import minhang
from services.cli.years.decisions import Block, blocks, spread
from services.cli.years.diary import Step
from services.cli.years.published import Published
from services.kernel.exchange import Context, Registration
from services.kernel.kinds import every_lifecycle
from services.kernel.lifecycle import decide, standing
from tests.support.factory import BUS, TIME, event, fact, new_exchange, world

pytestmark = pytest.mark.timeout(240)

PLENTY = {"workorder", "notice"}
"""Kinds of which there are thousands: a sample of them is tried."""


@pytest.fixture(scope="module")
def publication() -> Publication:
    (found,) = (item for item in world().figures if item.id == minhang.PUBLICATION)
    return found


@pytest.fixture(scope="module")
def plan(publication: Publication) -> Sequence[Step]:
    return minhang.plan(publication, world().agencies, world().calendars)


@pytest.fixture(scope="module")
def threads(plan: Sequence[Step]) -> dict[tuple[str, str], list[Step]]:
    found: defaultdict[tuple[str, str], list[Step]] = defaultdict(list)
    for step in plan:
        found[step.kind, step.exchange].append(step)
    return dict(found)


def test_every_figure_comes_out_as_it_was_published(
    publication: Publication, threads: dict[tuple[str, str], list[Step]]
) -> None:
    counting = Counting(publication)
    for thread in threads.values():
        case = str(thread[0].case)
        facts = [Said(step.fact.type(), step.agency, step.at, case, dump(step.fact)) for step in thread]
        counting.add(facts[0], facts)
    figures = counting.document()["figures"]
    assert isinstance(figures, list)
    assert [item for item in figures if isinstance(item, dict) and not item["equal"]] == []
    assert len(figures) == 52


def test_the_same_seed_gives_the_same_plan(publication: Publication, plan: Sequence[Step]) -> None:
    assert minhang.plan(publication, world().agencies, world().calendars) == plan


def test_the_bus_would_register_it(threads: dict[tuple[str, str], list[Step]]) -> None:
    seen: Counter[str] = Counter()
    for (kind, exchange), thread in threads.items():
        seen[kind] += 1
        if kind not in PLENTY or seen[kind] % 50 == 0:
            played(kind, exchange, thread)
    assert set(seen) == {
        "assist",
        "filing",
        "jointop",
        "lead",
        "letter",
        "notice",
        "transfer",
        "undertaking",
        "workorder",
    }


def played(kind: str, exchange: str, thread: Sequence[Step]) -> None:
    lifecycle = every_lifecycle()[kind]
    state, entries = lifecycle.new(exchange), tuple[Entry, ...]()
    for step in thread:
        document = signed(step)
        context = Context(world(), BUS, step.at, entries)
        answer = decide(lifecycle, state, decode(document), context)
        assert isinstance(answer, Registration), (step, answer)
        state = answer.state
        at = timestamp(step.at)
        registered: Document = {**document, "sequence": state.sequence, "acceptedtime": at, "recordedtime": at}
        after = standing(lifecycle, state, context)
        record = Record(event=registered, receipt={}, standing=after, audience=answer.audience)
        entries = (*entries, Entry.of(record))


def signed(step: Step) -> Document:
    return event(
        step.agency,
        step.fact,
        exchange=step.exchange,
        kind=step.kind,
        case=step.case,
        home=BUS if step.case else None,
        leg=step.leg,
        inname=step.inname,
        id_=step.id,
        time=step.at,
    )


def test_it_is_in_the_order_of_time_on_working_days(plan: Sequence[Step]) -> None:
    assert [step.at for step in plan] == sorted(step.at for step in plan)
    calendar = world().calendars.newest()
    days = {step.at.astimezone(SHANGHAI).date() for step in plan}
    assert all(calendar.working(day) and day.year == 2023 for day in days)
    assert len({step.at for step in plan}) <= 2 * len(days)


def test_ids_are_of_the_instant_and_no_two_are_the_same(plan: Sequence[Step]) -> None:
    assert len({step.id for step in plan}) == len(plan)
    for step in plan[::1000]:
        id_ = UUID(step.id)
        assert (id_.version, id_.int >> 80) == (7, int(step.at.timestamp() * 1000))


def test_only_the_first_fact_of_an_exchange_opens_it(threads: dict[tuple[str, str], list[Step]]) -> None:
    for thread in threads.values():
        assert [step.case is not None for step in thread] == [True] + [False] * (len(thread) - 1)


def test_everything_says_that_it_is_invented(threads: dict[tuple[str, str], list[Step]]) -> None:
    names = re.compile(r'"name":"([^"]*)","phone"')
    for thread in list(threads.values())[::7]:
        assert re.match(r"SYN-(\w+-)?2023-", str(thread[0].case))
        assert re.search("虚构|示例|SYN-", canonical(dump(thread[0].fact)).decode())
        for step in thread:
            written = canonical(dump(step.fact)).decode()
            assert all(name.endswith("(虚构)") for name in names.findall(written)), written


def test_a_decision_on_the_spot_is_within_what_the_law_allows(plan: Sequence[Step]) -> None:
    decisions = [step.fact.decision for step in plan if isinstance(step.fact, Sent) and step.fact.decision]
    simple = [item for item in decisions if item.procedure is Procedure.SIMPLE]
    assert max(item.fine for item in simple) <= 20_000
    assert len({item.number for item in decisions}) == len(decisions) == 11113
    grown = sum(step.fact.links != () for step in plan if isinstance(step.fact, Sent))
    assert grown > 2_000


def test_some_orders_are_late_and_most_are_not(threads: dict[tuple[str, str], list[Step]]) -> None:
    within = timedelta(days=8)
    slow = total = 0
    for (kind, _), thread in threads.items():
        done = [step.at for step in thread if step.fact.name() == "done"]
        if kind == "workorder" and done and dump(thread[0].fact).get("limit") == "wd5":
            total += 1
            slow += done[0] - thread[0].at > within
    assert 0 < slow < total / 10


@pytest.mark.parametrize("seed", range(5))
def test_fines_add_up(seed: int) -> None:
    block = Block(CaseCategory.APPEARANCE, Procedure.SIMPLE, 80, 602_800, 2_000, 20_000)
    fines = spread(block, Random(seed))
    assert (len(fines), sum(fines)) == (80, 602_800)
    assert 2_000 <= min(fines) < max(fines) <= 20_000


def test_fines_that_cannot_add_up_are_refused(publication: Publication) -> None:
    with pytest.raises(ValueError, match="do not add up"):
        spread(Block(CaseCategory.APPEARANCE, Procedure.SIMPLE, 2, 100_000, 0, 20_000), Random(1))
    published = {**Published.of(publication).values, "fines_simple": 60_000_000}
    with pytest.raises(ValueError, match="do not add up"):
        [spread(block, Random(1)) for block in blocks(Published(published)).plain]


def test_batches_keep_the_order_of_each_exchange(plan: Sequence[Step]) -> None:
    busiest, _ = Counter(step.at for step in plan).most_common(1)[0]
    hour = [step for step in plan if step.at == busiest]
    found = list(batches(hour))
    assert all(len(batch) <= BATCH for batch in found)
    assert sorted((step for batch in found for step in batch), key=hour.index) == hour
    for batch in found:
        for exchange in {step.exchange for step in batch}:
            own = [step for step in hour if step.exchange == exchange]
            assert [step for step in batch if step.exchange == exchange] == own


def test_rounds_keep_the_order_of_each_exchange(plan: Sequence[Step]) -> None:
    """Whoever states what apart from the others, in whichever order they come."""
    for salt in range(5):
        rng = Random(salt)
        hour = [replace(step, exchange=rng.choice("abc"), at=TIME) for step in plan[:40]]
        apart = {id(step) for step in hour if rng.random() < 0.5}
        found = rounds(hour, lambda step, apart=apart: id(step) in apart)  # type: ignore[misc]
        for exchange in "abc":
            own = [step for acts, rest in found for step in (*acts, *rest) if step.exchange == exchange]
            assert own == [step for step in hour if step.exchange == exchange]
        assert all(id(step) in apart for acts, _ in found for step in acts)
        assert all(id(step) not in apart for _, rest in found for step in rest)


class Bus:
    """Answers a list with what it is given, or does not."""

    def __init__(self, answer: list[dict[str, Any]] | Exception) -> None:
        self.answer = answer
        self.bus = BUS

    async def submit_all(self, events: Sequence[Document], *, wait: int | None = None) -> list[dict[str, Any]]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def submitted(answer: list[dict[str, Any]] | Exception) -> Player:
    """A player that has stated one fact to a bus that answers so."""
    step = Step(TIME, "310112-cg", "transfer", new_exchange(), "id-1", fact("transfer.sent"), case="SYN-1")
    client, driver, systems = cast("AgencyClient", Bus(answer)), cast("Driver", None), cast("Systems", None)
    player = Player(client, driver, {}, lambda _: None, systems)
    await player._submit([signed(step)], asyncio.Semaphore(1))
    return player


RECEIPT: Document = {"outcome": "receipt"}


async def test_a_receipt_is_an_answer() -> None:
    player = await submitted([{"id": "id-1", "status": 201, "body": RECEIPT}])
    assert (player.registered, player.sample) == (1, [RECEIPT])


@pytest.mark.parametrize("error", [SubmissionRefused("answered 413"), TimeoutError("nothing has got on")])
async def test_a_batch_that_is_not_taken_is_an_error(error: Exception) -> None:
    with pytest.raises(NotRegisteredError, match=str(error)):
        await submitted(error)


@pytest.mark.parametrize("status", [202, 409, 422, 503])
async def test_anything_but_a_receipt_is_an_error_that_names_the_fact(status: int) -> None:
    problem = {"type": "urn:liandong:problem:not-a-party", "detail": "310112-cg is no party"}
    with pytest.raises(NotRegisteredError, match=f"310112-cg .*transfer.sent.* id-1 .*{status}: urn.*is no party"):
        await submitted([{"id": "id-1", "status": status, "body": problem}])


def test_a_part_is_of_whole_exchanges(plan: Sequence[Step]) -> None:
    assert Part().whole
    assert Part().of(plan) == plan
    part = Part(months=2, share=10)
    assert not part.whole
    steps = part.of(plan)
    assert {step.at.month for step in steps} == {1, 2}
    opened = {step.exchange for step in steps if step.case}
    assert opened == {step.exchange for step in steps}
