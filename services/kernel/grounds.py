"""Refusals rest on coded grounds, and a matter is not passed to and fro; pure."""

from datetime import timedelta, timezone
from typing import Final

from contracts.canonical import Document
from contracts.codec import Event
from events.parts import CompetentBody, Ground
from services.kernel.exchange import Context, Lifecycle, Rejection, Role, S, State

_CHINA: Final = timezone(timedelta(hours=8))


def grounded(state: State, event: Event, context: Context) -> Rejection | None:
    """Whether the `ground` of a fact, if it has one, is a coded one on which it may rest."""
    ground = getattr(event.fact, "ground", None)
    return rests_on(state, event, context, ground, _body(event)) if isinstance(ground, Ground) else None


def rests_on(state: State, event: Event, context: Context, ground: Ground, body: str | None) -> Rejection | None:
    """A refusal rests on a coded ground; where competence is the ground, it names another competent `body`."""
    fact = event.fact.name()
    known = context.contracts.grounds.of(state.kind, fact, context.acceptedtime.astimezone(_CHINA).date())
    rule = known.get(ground.code)
    if rule is None:
        open_ = sorted(code for code, item in known.items() if not item.barred)
        return Rejection("ground-unknown", f"{ground.code} is no ground for {fact}", {"grounds": list(open_)})
    if rule.barred:
        return Rejection(
            "ground-barred",
            f"{fact} cannot rest on {rule.code} {rule.title_zh} ({rule.legal_basis}); state {rule.instead}",
            {"ground": rule.code, "instead": rule.instead, "legal_basis": rule.legal_basis},
        )
    if rule.names_competent_body and body is None:
        return Rejection(
            "competent-body-missing",
            f"the ground {rule.code} {rule.title_zh} names another competent body ({rule.legal_basis})",
            {"ground": rule.code, "legal_basis": rule.legal_basis},
        )
    return None


def _body(event: Event) -> str | None:
    """The competent body that a refusal names, or to which it passes the matter; naming oneself is naming nobody."""
    body = getattr(event.fact, "competent_body", None)
    if isinstance(body, CompetentBody):
        return body.name if body.agency != event.envelope.source else None
    passed_to = getattr(event.fact, "recipient", None)
    return passed_to if isinstance(passed_to, str) else None


def ping_pong(lifecycle: Lifecycle[S], state: S, event: Event, to: str, context: Context) -> Rejection | None:
    """推诿: the matter does not go to an agency that has had it. Who is competent is then for the arbiter to say."""
    had = {*state.legs, *state.having(Role.SENDER)}
    if to not in had:
        return None
    own = state.parties.get(event.envelope.source)
    moves = sorted(
        fact.name()
        for fact in lifecycle.transitions[state.status]
        if own in lifecycle.speakers[fact] and not isinstance(event.fact, fact)
    )
    arbiter = _arbiter(state, context)
    decides = f"; {arbiter} {context.agencies.name(arbiter)} decides" if arbiter else ""
    detail = f"{to} {context.agencies.name(to)} has had this matter{decides}. Open moves: {', '.join(moves)}"
    members: Document = {"agency": to, "arbiter": arbiter, "moves": [*moves], "had": [*sorted(had)]}
    return Rejection("ping-pong", detail, members)


def _arbiter(state: State, context: Context) -> str | None:
    agreements = (context.agreements.by_id.get(id_) for id_ in sorted(set(state.grants.values())))
    return next((agreement.arbiter for agreement in agreements if agreement and agreement.arbiter), None)
