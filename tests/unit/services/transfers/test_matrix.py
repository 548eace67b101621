"""Every status against every fact, and what the tables promise as graphs."""

import pytest

from events.fact import PREFIX
from events.registry import COMMON_KIND, facts
from services.kernel.kinds import lifecycles
from services.kernel.lifecycle import COMMON, UNOPENED, WITHDRAWN, Lifecycle, Registration, Role, State
from tests.support.play import EVERYBODY, Play, names, reached

LIFECYCLES = lifecycles("transfers")
CASES = [
    pytest.param(kind, status, id=f"{kind}-{status}")
    for kind, item in LIFECYCLES.items()
    for status in item.transitions
]
TABLE = {"illegal-move", "not-your-move", "exchange-unknown", "not-a-party"}
RULES = {
    *{"ping-pong", "withdraw-alone", "withdrawal-not-agreed", "nothing-requested", "request-pending"},
    *{"clock-disproved", "not-extendable"},
    *{"not-your-fact", "sequence-unknown", "not-a-correction", "no-agreement", "role-taken", "competent-body-missing"},
}


def allowed(play: Play, name: str, role: Role | None) -> bool:
    fact, status = facts()[f"{PREFIX}.{name}.v1"], str(play.state.status)
    ended = play.lifecycle.ended(status)
    if status == UNOPENED:
        return fact in play.lifecycle.opening and role is Role.SENDER
    legal = (COMMON[fact].after_end or not ended) if fact in COMMON else fact in play.lifecycle.transitions[status]
    return legal and role in play.speakers(name)


def role(play: Play, source: str, name: str) -> Role | None:
    if source == EVERYBODY[-1]:
        return Role.BUS
    if source in play.state.parties:
        return play.state.parties[source]
    if play.state.status == UNOPENED:
        return Role.SENDER if facts()[f"{PREFIX}.{name}.v1"] in play.lifecycle.opening else None
    return Role.ARBITER if source == "310000-cg" and play.kind == "transfer" else None


@pytest.mark.parametrize(("kind", "status"), CASES)
def test_the_table_is_the_whole_truth(kind: str, status: str) -> None:
    origin = reached(kind)[status]
    for name in (*names(kind), *names(COMMON_KIND)):
        for source in EVERYBODY:
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
                assert answer.code in RULES, where


@pytest.mark.parametrize("kind", LIFECYCLES)
def test_every_status_is_reached_by_the_examples(kind: str) -> None:
    assert set(reached(kind)) == set(LIFECYCLES[kind].transitions)


@pytest.mark.parametrize(("kind", "status"), CASES)
def test_from_every_status_there_is_a_way_to_an_end(kind: str, status: str) -> None:
    table = LIFECYCLES[kind].transitions
    seen, waiting = {status}, [status]
    while waiting:
        for after in table[waiting.pop()].values():
            if after not in seen:
                seen.add(after)
                waiting.append(after)
    assert any(not table[item] for item in seen)


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


@pytest.mark.parametrize("lifecycle", LIFECYCLES.values(), ids=LIFECYCLES)
def test_every_fact_of_the_kind_has_a_place_and_a_speaker(lifecycle: Lifecycle[State]) -> None:
    own = {facts()[f"{PREFIX}.{name}.v1"] for name in names(lifecycle.kind)}
    assert {fact for row in lifecycle.transitions.values() for fact in row} == own
    assert set(lifecycle.speakers) == own
    assert lifecycle.stale_refused <= own
    assert {fact for row in lifecycle.leg_transitions.values() for fact in row} <= own


@pytest.mark.parametrize(("kind", "status"), CASES)
def test_somebody_is_waited_for_until_the_end(kind: str, status: str) -> None:
    play = reached(kind)[status]
    if play.lifecycle.ended(status) or status == UNOPENED:
        assert play.standing.moves == ()
    else:
        assert len(play.standing.moves) == 1
        awaited = play.state.parties[play.standing.moves[0]]
        assert any(awaited in play.lifecycle.speakers[fact] for fact in play.lifecycle.transitions[status])


def test_every_common_fact_has_a_rule() -> None:
    assert set(COMMON) == {facts()[f"{PREFIX}.{name}.v1"] for name in names(COMMON_KIND)}
