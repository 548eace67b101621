"""Every status against every fact, and what the tables promise as graphs: for every kind there is."""

import pytest

from contracts.kinds import packaged
from contracts.problems import problems
from events.fact import PREFIX
from events.registry import COMMON_KIND, facts, kinds
from services.kernel.exchange import UNOPENED, WITHDRAWN, Lifecycle, Registration, Role, State
from services.kernel.kinds import every_lifecycle
from services.kernel.lifecycle import COMMON
from tests.support.play import Play, everybody, names, reached

LIFECYCLES = every_lifecycle()
CASES = [
    pytest.param(kind, status, id=f"{kind}-{status}")
    for kind, item in LIFECYCLES.items()
    for status in item.transitions
]
TABLE = {"illegal-move", "not-your-move", "exchange-unknown", "not-a-party"}
SCHEMA = {"schema-violation", "signature-invalid"}


def allowed(play: Play, name: str, role: Role | None) -> bool:
    fact, status = facts()[f"{PREFIX}.{name}.v1"], str(play.state.status)
    ended = play.lifecycle.ended(status)
    if status == UNOPENED:
        return fact in play.lifecycle.opening and role is Role.SENDER
    legal = (COMMON[fact].after_end or not ended) if fact in COMMON else fact in play.lifecycle.transitions[status]
    return legal and role in play.speakers(name)


def role(play: Play, source: str, name: str) -> Role | None:
    if source == everybody(play.kind)[-1]:
        return Role.BUS
    if source in play.state.parties:
        return play.state.parties[source]
    if play.state.status == UNOPENED:
        return Role.SENDER if facts()[f"{PREFIX}.{name}.v1"] in play.lifecycle.opening else None
    agreements = [play.context.agreements.by_id[id_] for id_ in sorted(set(play.state.grants.values()))]
    if any(agreement.arbiter == source for agreement in agreements):
        return Role.ARBITER
    return Role.SUPERVISOR if any(source in agreement.supervisors for agreement in agreements) else None


def test_every_kind_that_has_facts_has_a_lifecycle_and_a_contract() -> None:
    assert set(LIFECYCLES) == set(kinds()) == set(packaged().by_name)
    for kind, contract in packaged().by_name.items():
        assert type(LIFECYCLES[kind]) is Lifecycle
        assert LIFECYCLES[kind].kind == kind == contract.kind


@pytest.mark.parametrize(("kind", "status"), CASES)
def test_the_table_is_the_whole_truth(kind: str, status: str) -> None:
    origin = reached(kind)[status]
    for name in (*names(kind), *names(COMMON_KIND)):
        for source in everybody(kind):
            play = origin.fork()
            before = play.state
            answer = play.when(source, name)
            where = f"{status}: {source} {name}: {answer}"
            if not allowed(origin, name, role(origin, source, name)):
                assert answer.code in TABLE, where
                assert play.state is before, where
            elif isinstance(answer, Registration):
                assert play.state.sequence == before.sequence + 1, where
            else:
                # A rule beyond the table; one that a caller is told in words.
                assert answer.code in problems(), where
                assert answer.code not in SCHEMA | (TABLE - {"illegal-move"}) or answer.code == "not-your-move", where


@pytest.mark.parametrize("kind", LIFECYCLES)
def test_every_status_is_reached_by_the_examples(kind: str) -> None:
    assert set(reached(kind)) == set(LIFECYCLES[kind].transitions)


def following(lifecycle: Lifecycle[State], status: str) -> set[str]:
    """The statuses to which the table leads; one that follows from the legs may be any of those."""
    after = set(lifecycle.transitions[status].values())
    return after | set(lifecycle.rollup) if after & set(lifecycle.rollup) else after


@pytest.mark.parametrize(("kind", "status"), CASES)
def test_from_every_status_there_is_a_way_to_an_end(kind: str, status: str) -> None:
    lifecycle = LIFECYCLES[kind]
    seen, waiting = {status}, [status]
    while waiting:
        for after in following(lifecycle, waiting.pop()) - seen:
            seen.add(after)
            waiting.append(after)
    assert any(lifecycle.ended(item) for item in seen)


@pytest.mark.parametrize("lifecycle", LIFECYCLES.values(), ids=LIFECYCLES)
def test_the_tables_fit_each_other(lifecycle: Lifecycle[State]) -> None:
    statuses = set(lifecycle.transitions)
    assert next(iter(lifecycle.transitions)) == UNOPENED
    assert (WITHDRAWN in statuses) == bool(lifecycle.unaccepted)
    assert {after for row in lifecycle.transitions.values() for after in row.values()} <= statuses
    assert set(lifecycle.awaits) == statuses
    assert set(lifecycle.audiences) <= statuses
    assert lifecycle.unaccepted <= statuses
    assert not any(lifecycle.ended(status) for status in lifecycle.unaccepted)
    legs = set(lifecycle.leg_transitions)
    assert {after for row in lifecycle.leg_transitions.values() for after in row.values()} <= legs
    assert set(lifecycle.rollup) <= statuses
    assert all(held <= legs for held in lifecycle.rollup.values())
    assert set(lifecycle.leg_awaits) <= legs
    assert not lifecycle.rollup or legs in lifecycle.rollup.values(), "some status holds whatever the legs are"
    assert bool(lifecycle.rollup) >= lifecycle.apart
    assert lifecycle.leg_unaccepted <= legs


@pytest.mark.parametrize("lifecycle", LIFECYCLES.values(), ids=LIFECYCLES)
def test_a_contract_has_words_for_every_status(lifecycle: Lifecycle[State]) -> None:
    contract = packaged().by_name[lifecycle.kind]
    assert set(contract.statuses) == set(lifecycle.transitions) - {UNOPENED}
    assert set(contract.legs) == set(lifecycle.leg_transitions)
    assert not any(word.isascii() for word in (*contract.statuses.values(), *contract.legs.values()))
    assert contract.title_en.isascii()


@pytest.mark.parametrize("lifecycle", LIFECYCLES.values(), ids=LIFECYCLES)
def test_every_fact_of_the_kind_has_a_place_and_a_speaker(lifecycle: Lifecycle[State]) -> None:
    own = {facts()[f"{PREFIX}.{name}.v1"] for name in names(lifecycle.kind)}
    assert {fact for row in lifecycle.transitions.values() for fact in row} == own
    assert set(lifecycle.speakers) == own
    assert lifecycle.stale_refused <= own
    assert {fact for row in lifecycle.leg_transitions.values() for fact in row} <= own


@pytest.mark.parametrize("lifecycle", LIFECYCLES.values(), ids=LIFECYCLES)
def test_every_opening_fact_can_say_what_it_grew_from(lifecycle: Lifecycle[State]) -> None:
    assert lifecycle.kind == "tally" or all("links" in fact.model_fields for fact in lifecycle.opening)


@pytest.mark.parametrize(("kind", "status"), CASES)
def test_somebody_who_can_move_is_waited_for_until_the_end(kind: str, status: str) -> None:
    play = reached(kind)[status]
    lifecycle, moves = play.lifecycle, play.standing.moves
    nobody = lifecycle.awaits[status] is None
    if lifecycle.ended(status) or status == UNOPENED or (nobody and status not in lifecycle.rollup):
        assert moves == ()
    else:
        assert moves or nobody
        able = {role for fact in lifecycle.transitions[status] for role in lifecycle.speakers[fact]}
        assert {play.state.parties[code] for code in moves} <= able


def test_every_common_fact_has_a_rule() -> None:
    assert set(COMMON) == {facts()[f"{PREFIX}.{name}.v1"] for name in names(COMMON_KIND)}
