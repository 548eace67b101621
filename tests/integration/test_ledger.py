"""The ledger on PostgreSQL: counted little by little or at once, the same bytes; and only what matters is read."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from connectors.kafka.settings import KafkaSettings
from connectors.postgres import migrations
from connectors.postgres.pool import Pool, open_pool
from contracts.canonical import canonical
from contracts.deliveries import StageReached
from contracts.findings import packaged
from contracts.library import Library
from contracts.outages import Outage
from contracts.records import Record
from services.audit.app import SCHEMA
from services.audit.figures import Figures
from services.audit.findings import CaseView, find
from services.audit.indicators import indicators
from services.audit.ledger import Ledger
from services.audit.writer import COUNTING, Writer
from tests.support.counted import DAY, HOUR, Step, counted, delivered, told
from tests.support.factory import BUS, TIME, world
from tests.support.play import CITY, JUSTICE, MINHANG, POLICE, QINGPU, XUHUI
from tests.support.registered import on_kafka

RULES, CALENDARS = world().rules, world().calendars
MONTH, NOW = (TIME - DAY, TIME + DAY * 29), TIME + DAY * 90
SENT, RECEIPTED = (0, MINHANG, "transfer.sent"), (2, QINGPU, "transfer.receipted")
STORIES: Sequence[tuple[str, Sequence[Step]]] = [
    ("transfer", [SENT]),
    ("transfer", [SENT, RECEIPTED, (300, QINGPU, "transfer.accepted"), (310, QINGPU, "transfer.filed")]),
    ("transfer", [SENT, RECEIPTED, (3, QINGPU, "transfer.returned"), (9, MINHANG, "transfer.return_accepted")]),
    ("transfer", [SENT, RECEIPTED, (5, QINGPU, "transfer.forwarded", {"recipient": XUHUI})]),
    (
        "transfer",
        [
            SENT,
            RECEIPTED,
            (3, QINGPU, "transfer.returned"),
            (20, MINHANG, "transfer.disputed"),
            (200, CITY, "transfer.designated_back"),
            (210, MINHANG, "transfer.return_accepted"),
            (220, MINHANG, "common.rated", {"agency": QINGPU, "timeliness": 2, "quality": 5, "remark": None}),
        ],
    ),
    (
        "referral",
        [
            (0, MINHANG, "referral.reported"),
            (1, MINHANG, "referral.approved"),
            (2, MINHANG, "referral.sent"),
            (4, POLICE, "referral.receipted"),
        ],
    ),
    ("tally", [(24, MINHANG, "tally.stated", {"day": "2026-11-05"})]),
]


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    migrations.provision(database, [SCHEMA])
    async with open_pool(database) as found:
        yield found


@dataclass
class Followed:
    """What audit is to follow: records in order, and what comes beside them."""

    records: list[Record]
    stages: list[StageReached]
    outages: list[Outage]

    def figures(self) -> list[Figures]:
        """The figures by the pure function, over all."""
        keys = dict.fromkeys((record.kind, record.exchange) for record in self.records)
        return [
            counted(
                [record for record in self.records if (record.kind, record.exchange) == key],
                [stage for stage in self.stages if (stage.kind, stage.exchange) == key],
                self.outages,
            )
            for key in keys
        ]


def followed(seed: int = 1) -> Followed:
    """Every story twice, each in a case of its own or in a shared one, with deliveries and outages."""
    chance = random.Random(seed)
    threads = [told(kind, *steps, case=f"案{number % 9}") for number, (kind, steps) in enumerate([*STORIES, *STORIES])]
    stages = [
        delivered(record, code, hours=chance.randint(0, 400))
        for thread in threads
        for record in thread
        for code in record.standing.parties
        if chance.random() < 0.7
    ]
    outages = [
        Outage(
            bus=BUS, service="gateway", begun=TIME + HOUR * begun, ended=TIME + HOUR * (begun + chance.randint(1, 9))
        )
        for begun in chance.sample(range(300), 5)
    ]
    order: list[Record] = []
    waiting = [list(thread) for thread in threads]
    while any(waiting):
        order.append(chance.choice([thread for thread in waiting if thread]).pop(0))
    return Followed(order, stages, outages)


async def take_in(pool: Pool, records: Sequence[Record] = (), others: Sequence[tuple[str, bytes]] = ()) -> None:
    """What the follower does with a batch."""
    read = [Record.from_bytes(record.to_bytes()) for record in records]
    async with pool.connection() as connection:
        await Writer(pool, Library(), BUS).apply(
            connection, read, [on_kafka(value, topic=topic) for topic, value in others]
        )


async def take_in_all(pool: Pool, all_of_it: Followed, seed: int = 2, *, ledger: Ledger | None = None) -> None:
    """In batches of any size; a ledger counts now and then meanwhile."""
    chance = random.Random(seed)
    records = list(all_of_it.records)
    beside = [("deliveries", stage.to_bytes()) for stage in all_of_it.stages]
    beside += [("outages", outage.to_bytes()) for outage in all_of_it.outages]
    chance.shuffle(beside)
    while records or beside:
        size, others = chance.randint(0, 6), chance.randint(0, 6)
        batch, records = records[:size], records[size:]
        came, beside = beside[:others], beside[others:]
        await take_in(pool, batch, came)
        if ledger is not None and chance.random() < 0.5:
            await ledger.refresh(RULES, CALENDARS, chance.randint(1, 4))


async def stored(pool: Pool) -> list[Any]:
    """Everything derived, as it is stored."""
    async with pool.connection() as connection:
        figures = await connection.execute(
            "SELECT kind, exchange, case_id, opened, first, last::text, agencies, overseers, figures"
            " FROM audit.figures ORDER BY 1, 2"
        )
        exchanges = await connection.execute("SELECT * FROM audit.exchanges ORDER BY kind, exchange")
        return [*await figures.fetchall(), *await exchanges.fetchall()]


async def answers(ledger: Ledger) -> bytes:
    """Everything that is answered."""
    found = await ledger.findings(NOW)
    return canonical(
        [
            await ledger.indicators(*MONTH, NOW),
            await ledger.indicators(TIME + DAY * 5, TIME + DAY * 10, NOW),
            await ledger.indicators(*MONTH, NOW, QINGPU),
            [finding.document() for finding in found],
        ]
    )


async def marks(pool: Pool) -> int:
    async with pool.connection() as connection:
        row = await (await connection.execute("SELECT count(*) FROM audit.dirty")).fetchone()
        return int(row[0]) if row else 0


async def test_counted_little_by_little_is_counted_at_once_byte_for_byte(pool: Pool) -> None:
    ledger, all_of_it = Ledger(pool), followed()
    await take_in_all(pool, all_of_it, ledger=ledger)
    await ledger.settle(RULES, CALENDARS)
    assert await marks(pool) == 0
    before = await stored(pool), await answers(ledger)
    assert await ledger.rebuild(RULES, CALENDARS) == len(STORIES) * 2
    assert (await stored(pool), await answers(ledger)) == before
    figures = all_of_it.figures()
    assert {bytes(row[-1]) for row in before[0][: len(figures)]} == {item.to_bytes() for item in figures}


async def test_the_answers_are_those_of_the_pure_functions_over_everything(pool: Pool) -> None:
    ledger, all_of_it = Ledger(pool), followed(seed=3)
    await take_in_all(pool, all_of_it)
    await ledger.settle(RULES, CALENDARS)
    figures = all_of_it.figures()
    for begin, end in (MONTH, (TIME + DAY * 5, TIME + DAY * 10), (TIME - DAY * 9, TIME - DAY), (TIME, TIME)):
        assert await ledger.indicators(begin, end, NOW) == indicators(figures, begin, end, NOW)
        for agency in (QINGPU, MINHANG, JUSTICE):
            assert await ledger.indicators(begin, end, NOW, agency) == indicators(figures, begin, end, NOW, agency)
    cases = [
        CaseView(case, tuple(item for item in figures if item.case == case)) for case in {item.case for item in figures}
    ]
    for since in (None, TIME + HOUR * 30, TIME + DAY * 4):
        found = await ledger.findings(NOW, since)
        # What a case's exchanges are in order of is the reader's business: it changes no finding.
        assert [item.document() for item in found] == [item.document() for item in find(cases, packaged(), NOW, since)]
    assert await ledger.findings(NOW)


async def test_what_came_twice_or_before_its_exchange_changes_nothing(pool: Pool) -> None:
    ledger = Ledger(pool)
    (record,) = told("transfer", SENT)
    stage = ("deliveries", delivered(record, QINGPU, hours=1).to_bytes())
    await take_in(pool, others=[stage])
    assert await ledger.refresh(RULES, CALENDARS) == 1
    assert await stored(pool) == []
    await take_in(pool, [record], [stage])
    await ledger.settle(RULES, CALENDARS)
    before = await stored(pool)
    assert bytes(before[0][-1]) == counted([record], [delivered(record, QINGPU, hours=1)]).to_bytes()
    await take_in(pool, others=[stage, stage])
    await ledger.settle(RULES, CALENDARS)
    assert await stored(pool) == before


async def test_an_outage_is_counted_for_what_was_open_and_for_nothing_else(pool: Pool) -> None:
    ledger = Ledger(pool)
    ended = told(
        "transfer", SENT, RECEIPTED, (3, QINGPU, "transfer.returned"), (9, MINHANG, "transfer.return_accepted")
    )
    open_ = told("transfer", SENT, RECEIPTED, (40, QINGPU, "transfer.accepted"))
    await take_in(pool, [*ended, *open_])
    await ledger.settle(RULES, CALENDARS)
    outage = Outage(bus=BUS, service="gateway", begun=TIME + HOUR * 20, ended=TIME + HOUR * 21)
    await take_in(pool, others=[("outages", outage.to_bytes())])
    assert await marks(pool) == 1
    await take_in(pool, others=[("outages", outage.to_bytes())])
    assert await marks(pool) == 1
    await ledger.settle(RULES, CALENDARS)
    found = await ledger.indicators(*MONTH, NOW, BUS)
    (block,) = json_list(found["agencies"])
    assert {"cause": "outage", "seconds": 3600} in block["delay"]


async def test_many_may_count_at_once_and_while_more_comes(pool: Pool) -> None:
    ledgers, all_of_it = [Ledger(pool) for _ in range(3)], followed(seed=5)
    async with asyncio.TaskGroup() as group:
        coming = group.create_task(take_in_all(pool, all_of_it))
        for ledger in ledgers * 3:
            group.create_task(counting(ledger, coming))
    await ledgers[0].settle(RULES, CALENDARS)
    before = await stored(pool)
    await ledgers[0].rebuild(RULES, CALENDARS)
    assert await stored(pool) == before


async def test_a_rebuild_and_what_comes_meanwhile_do_not_disturb_each_other(pool: Pool) -> None:
    ledger, all_of_it = Ledger(pool), followed(seed=7)
    async with asyncio.TaskGroup() as group:
        coming = group.create_task(take_in_all(pool, all_of_it))
        while not coming.done():
            await ledger.rebuild(RULES, CALENDARS)
    await ledger.settle(RULES, CALENDARS)
    figures = {bytes(row[-1]) for row in (await stored(pool))[: len(STORIES) * 2]}
    assert figures == {item.to_bytes() for item in all_of_it.figures()}


async def test_an_exchange_that_cannot_be_counted_delays_no_other(pool: Pool) -> None:
    ledger, good, bad = Ledger(pool), told("transfer", SENT), told("transfer", SENT)
    worse = bad[0].model_copy(update={"event": {**bad[0].event, "data": "?", "type": "cn.liandong.common.rated.v1"}})
    await take_in(pool, [worse, *good])
    await ledger.settle(RULES, CALENDARS)
    assert await marks(pool) == 0
    assert await counted_exchanges(pool) == [good[0].exchange]
    (trouble,) = await ledger.uncounted()
    assert bad[0].exchange in trouble
    assert "KeyError" in trouble


async def test_a_record_that_cannot_be_read_delays_no_other_until_it_is_mended(pool: Pool) -> None:
    ledger, good, bad = Ledger(pool), told("transfer", SENT), told("transfer", SENT)
    await take_in(pool, [*bad, *good])
    await damage(pool, bad[0].exchange, b"{}")
    await ledger.settle(RULES, CALENDARS)
    assert await marks(pool) == 0
    assert await counted_exchanges(pool) == [good[0].exchange]
    assert await ledger.rebuild(RULES, CALENDARS) == 2
    assert await counted_exchanges(pool) == [good[0].exchange]
    (trouble,) = await ledger.uncounted()
    assert bad[0].exchange in trouble
    await damage(pool, bad[0].exchange, bad[0].to_bytes())
    await ledger.rebuild(RULES, CALENDARS)
    assert await ledger.uncounted() == []
    assert len(await counted_exchanges(pool)) == 2


async def test_figures_that_the_database_refuses_delay_no_other(pool: Pool) -> None:
    ledger, good, bad = Ledger(pool), told("transfer", SENT), told("transfer", SENT)
    await take_in(pool, [*bad, *good])
    async with pool.connection() as connection:
        refusing = sql.SQL("ALTER TABLE audit.figures ADD CONSTRAINT refusing CHECK (exchange <> {})")
        await connection.execute(refusing.format(bad[0].exchange))
    await ledger.settle(RULES, CALENDARS)
    assert (await marks(pool), await counted_exchanges(pool)) == (0, [good[0].exchange])
    (trouble,) = await ledger.uncounted()
    assert "CheckViolation" in trouble
    async with pool.connection() as connection:
        await connection.execute("ALTER TABLE audit.figures DROP CONSTRAINT refusing")
    # What comes to it lets it be counted again.
    await take_in(pool, others=[("deliveries", delivered(bad[0], QINGPU, hours=1).to_bytes())])
    await ledger.settle(RULES, CALENDARS)
    assert await ledger.uncounted() == []


async def test_who_reads_does_not_wait_for_a_rebuild(pool: Pool) -> None:
    ledger = Ledger(pool)
    await take_in(pool, told("transfer", SENT))
    async with pool.connection() as rebuilding:
        await rebuilding.execute("SELECT pg_advisory_xact_lock(%s)", (COUNTING,))
        async with asyncio.timeout(10):
            await ledger.settle(RULES, CALENDARS)
            assert await ledger.refresh(RULES, CALENDARS) == 0
        assert await marks(pool) == 1
    await ledger.settle(RULES, CALENDARS)
    assert await marks(pool) == 0


async def test_what_fell_due_before_it_was_opened_is_counted_in_its_period(pool: Pool) -> None:
    ledger, reported = Ledger(pool), {"reported_at": (TIME - DAY * 40).isoformat()}
    records = told("referral", (0, MINHANG, "referral.reported", reported), (24, MINHANG, "referral.approved"))
    await take_in(pool, records)
    await ledger.settle(RULES, CALENDARS)
    earlier = TIME - DAY * 60, TIME - DAY
    found = await ledger.indicators(*earlier, NOW)
    assert found == indicators([counted(records)], *earlier, NOW)
    assert json_list(json_object(found["total"])["overdue"])


# --- what an overseer is told


async def keep(pool: Pool, *items: Figures) -> None:
    """Store figures as they were counted or made up."""
    async with pool.connection() as connection:
        for item in items:
            await connection.execute(
                "INSERT INTO audit.figures (kind, exchange, case_id, opened, first, last, agencies, overseers, figures)"
                " VALUES (%s, %s, %s, %s, %s, 'infinity', %s, %s, %s)",
                (
                    *(item.kind, item.exchange, item.case, item.opened, item.first),
                    *(item.agencies, item.overseers, item.to_bytes()),
                ),
            )


def unseen(item: Figures, **changes: object) -> Figures:
    """The same without its overseers."""
    joined = tuple(party for party in item.joined if party.agency not in item.overseers)
    return item.model_copy(update={"joined": joined, **changes})


async def test_who_oversees_a_kind_sees_nothing_of_another_kind_with_the_same_id(pool: Pool) -> None:
    mine = counted(told("transfer", SENT, RECEIPTED))
    foreign = unseen(mine, kind="referral", case="另案")
    await keep(pool, mine, foreign)
    ledger = Ledger(pool)
    assert {item.evidence[0].kind for item in await ledger.findings(NOW)} == {"transfer", "referral"}
    assert {item.evidence[0].kind for item in await ledger.findings(NOW, overseer=JUSTICE)} == {"transfer"}


async def test_no_finding_goes_away_by_what_its_reader_may_not_see(pool: Pool) -> None:
    steps = (SENT, RECEIPTED, (3, QINGPU, "transfer.accepted"), (4, QINGPU, "transfer.filed"))
    transfer = counted(told("transfer", *steps))
    grave = tuple(item.model_copy(update={"loss": 40_000_000}) for item in transfer.circumstances)
    transfer = transfer.model_copy(update={"circumstances": grave, "clocks": ()})
    ledger = Ledger(pool)
    await keep(pool, transfer)
    before = await ledger.findings(NOW, overseer=JUSTICE)
    assert [item.rule.id for item in before] == ["loss-not-referred"]
    for hours in (1, 24 * 30):
        hidden = counted(told("referral", (hours, MINHANG, "referral.reported")))
        await keep(pool, unseen(hidden, case=transfer.case, clocks=()))
        assert await ledger.findings(NOW, overseer=JUSTICE) == before
        assert await ledger.findings(NOW) == []


async def test_the_findings_of_a_day_reach_the_supervisor_to_whom_it_is_stated(pool: Pool) -> None:
    tally = told("tally", (24, MINHANG, "tally.stated", {"day": "2026-11-05"}))
    await take_in(pool, tally)
    ledger = Ledger(pool)
    await ledger.settle(RULES, CALENDARS)
    found = await ledger.findings(NOW, overseer=JUSTICE)
    assert {item.evidence[0].exchange for item in found} == {tally[0].exchange}
    assert await ledger.findings(NOW, overseer="310118-sfj") == []


async def test_what_was_followed_before_there_were_figures_is_counted(
    kafka: KafkaSettings, database: str, tmp_path: Path
) -> None:
    old = tmp_path / "old"
    old.mkdir()
    first = SCHEMA.folders[-1] / "0001_audit.py"
    (old / first.name).write_text(first.read_text(encoding="utf-8"), encoding="utf-8")
    migrations.provision(database, [migrations.Schema("audit", (*SCHEMA.folders[:-1], old))])
    async with open_pool(database) as pool:
        async with pool.connection() as connection:
            await connection.execute(
                "INSERT INTO audit.exchanges"
                " VALUES ('transfer', gen_random_uuid(), 'c', 'o', 's', 1, '{}', '{}', '', now(), now())"
            )
        migrations.provision(database, [SCHEMA])
        assert await marks(pool) == 1


async def counted_exchanges(pool: Pool) -> list[str]:
    async with pool.connection() as connection:
        rows = await (await connection.execute("SELECT exchange::text FROM audit.figures ORDER BY 1")).fetchall()
        return [row[0] for row in rows]


async def damage(pool: Pool, exchange: str, record: bytes) -> None:
    async with pool.connection() as connection:
        await connection.execute("UPDATE audit.events SET record = %s WHERE exchange = %s", (record, exchange))


async def counting(ledger: Ledger, coming: asyncio.Task[None]) -> None:
    while not coming.done():
        await ledger.settle(RULES, CALENDARS)
        await asyncio.sleep(0)


def json_object(value: object) -> dict[str, Any]:
    assert isinstance(value, dict)
    return value


def json_list(value: object) -> list[Any]:
    assert isinstance(value, list)
    return value
