"""Random walks through every lifecycle: what stays true whatever agencies try."""

import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from contracts.grounds import load
from events.common import Corrected
from events.registry import COMMON_KIND
from services.kernel.exchange import UNOPENED, Registration, Rejection, Role
from services.kernel.kinds import every_lifecycle
from services.kernel.lifecycle import fold
from tests.support.play import CITY, MINHANG, QINGPU, XUHUI, Play, everybody, names

GROUNDS = load()
CODES = sorted({item.code for rules in GROUNDS.by_kind.values() for item in rules} | {"no-such-ground"})
WALK = settings(
    # A developer's run looks elsewhere each time; continuous integration looks further.
    max_examples=60 if os.environ.get("CI") else 20,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


class Walk(RuleBasedStateMachine):
    """One exchange of a kind in which everybody tries everything."""

    kind: str

    def __init__(self) -> None:
        super().__init__()
        self.play = Play(self.kind)
        self.folded = self.play.state
        self.names = (*names(self.kind), *names(COMMON_KIND))

    def state(self, source: str, name: str, members: dict[str, Any]) -> Registration[Any] | Rejection:
        """State a fact and check what must hold of any answer."""
        before = self.play.state
        answer: Registration[Any] | Rejection = self.play.when(source, name, **members)
        if isinstance(answer, Rejection):
            assert self.play.state is before
            assert answer.code
            assert answer.detail
        else:
            self.check(before.status, name)
        return answer

    def check(self, before: str, name: str) -> None:
        after = self.play.state
        ended = self.play.lifecycle.ended
        # What is read back from the store, one event after the other, is what was decided.
        self.folded = fold(self.play.lifecycle, self.folded, *self.play.log[-1])
        assert self.folded == after
        self.apart()
        assert not ended(before) or after.status == before, "nothing leads out of an end"
        assert after.sequence == len(after.authors) == len(self.play.log)
        ground = getattr(self.play.log[-1][0].fact, "ground", None)
        if ground is not None:
            known = GROUNDS.of(self.kind, name.split(".")[1], self.play.context.acceptedtime.date())
            assert not known[ground.code].barred

    @rule(data=st.data())
    def anything(self, data: st.DataObject) -> None:
        self.state(data.draw(st.sampled_from(everybody(self.kind))), data.draw(st.sampled_from(self.names)), {})

    @rule(data=st.data())
    def something_legal(self, data: st.DataObject) -> None:
        table = self.play.lifecycle.transitions[self.play.state.status]
        moves = sorted(f"{self.kind}.{fact.name()}" for fact in table)
        if not moves:
            return
        name = data.draw(st.sampled_from(moves))
        role = data.draw(st.sampled_from(sorted(self.play.speakers(name))))
        actors = self.play.actors(Role(role))
        if actors:
            legs = [None, *sorted(self.play.state.legs)] if role is not Role.RECIPIENT else [None]
            self.state(data.draw(st.sampled_from(actors)), name, {"by": {"leg": data.draw(st.sampled_from(legs))}})

    @rule(data=st.data(), code=st.sampled_from(CODES))
    def a_refusal(self, data: st.DataObject, code: str) -> None:
        refusals = {rule.facts for rule in GROUNDS.by_kind.get(self.kind, ())}
        if not refusals:
            return
        name = data.draw(st.sampled_from(sorted({fact for item in refusals for fact in item})))
        members = {"ground": {"code": code, "reason": "示例理由。"}}
        role = data.draw(st.sampled_from(sorted(self.play.speakers(f"{self.kind}.{name}"))))
        for actor in self.play.actors(Role(role))[:1]:
            self.state(actor, f"{self.kind}.{name}", members)

    @invariant()
    def one_sender_and_a_leg_for_each_recipient(self) -> None:
        state, lifecycle = self.play.state, self.play.lifecycle
        if state.status == UNOPENED:
            return
        assert len(state.having(Role.SENDER)) == 1
        assert lifecycle.rollup or len(state.having(Role.RECIPIENT)) <= 1
        assert set(state.having(Role.RECIPIENT)) <= set(state.legs) or not lifecycle.leg_transitions

    @invariant()
    def the_whole_follows_from_the_legs(self) -> None:
        state, lifecycle = self.play.state, self.play.lifecycle
        if state.status in lifecycle.rollup:
            assert state.status == lifecycle.rolled(state.legs)

    def apart(self) -> None:
        """An addressee's word is for nobody but itself and those who are no addressees."""
        play, (event, _) = self.play, self.play.log[-1]
        source, audience = event.envelope.source, play.state.audiences[-1]
        if play.lifecycle.apart and play.state.parties.get(source) is Role.RECIPIENT:
            about = event.fact.corrects if isinstance(event.fact, Corrected) else None
            if about is None or play.log[about - 1][0].envelope.source == source:
                assert audience is not None
                assert {code for code in play.state.legs if code in audience} == {source}
                assert Role.RECIPIENT not in audience

    @invariant()
    def every_party_reads_under_an_agreement(self) -> None:
        standing = self.play.standing
        assert all(party.agreement for party in standing.parties.values())
        assert set(standing.moves) <= set(standing.parties)


class TransferWalk(Walk):
    kind = "transfer"

    @rule(
        source=st.sampled_from([MINHANG, QINGPU, XUHUI]),
        recipient=st.sampled_from([MINHANG, QINGPU, XUHUI, CITY, "310112107-cg"]),
    )
    def forward(self, source: str, recipient: str) -> None:
        had = {*self.play.state.legs, *self.play.state.having(Role.SENDER)}
        answer = self.state(source, "transfer.forwarded", {"recipient": recipient})
        if isinstance(answer, Registration):
            assert recipient not in had
            assert self.play.state.having(Role.RECIPIENT) == (recipient,)

    @rule(agency=st.sampled_from([MINHANG, QINGPU, XUHUI, "310112107-cg"]))
    def designate(self, agency: str) -> None:
        if isinstance(self.state(CITY, "transfer.designated", {"agency": agency}), Registration):
            assert self.play.state.having(Role.RECIPIENT) == (agency,)
            assert self.play.standing.moves == (agency,)


class ReferralWalk(Walk):
    kind = "referral"

    @invariant()
    def the_police_come_with_the_letter(self) -> None:
        state = self.play.state
        if state.status in {"reported", "approved", "not_approved"}:
            assert set(state.parties.values()) <= {Role.SENDER, Role.SUPERVISOR}
            assert not state.legs


class TallyWalk(Walk):
    kind = "tally"

    @invariant()
    def it_ends_with_its_first_fact(self) -> None:
        assert self.play.standing.ended == (self.play.state.status != UNOPENED)


OWN: dict[str, type[Walk]] = {"transfer": TransferWalk, "referral": ReferralWalk, "tally": TallyWalk}
"""Walks of kinds of which more must hold."""


def _walk(kind: str) -> type[Walk]:
    return type(f"{kind.capitalize()}Walk", (Walk,), {"kind": kind})


def _case(kind: str) -> Any:
    case = (OWN.get(kind) or _walk(kind)).TestCase
    case.settings = WALK
    return case


globals().update({f"Test{kind.capitalize()}": _case(kind) for kind in every_lifecycle()})
