"""The rules of an exchange: tables, and two pure functions over them.

Everything about which fact may follow which lives in a kind's lifecycle file and in the common table here.
`decide` says whether a submission may follow what is registered, `evolve` folds a registered event in.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Final, TypedDict

from pydantic import JsonValue

from contracts.agreements import Agreement
from contracts.calendar import SHANGHAI
from contracts.canonical import Document
from contracts.claims import disproved, not_extendable
from contracts.clocks import History, asked, named_day, running
from contracts.codec import Event
from contracts.records import Part, Party, Standing
from events import common
from events.fact import Fact
from events.fields import FieldClass
from services.kernel.archives import dossier_whole
from services.kernel.exchange import (
    UNOPENED,
    WITHDRAWN,
    CommonRule,
    Context,
    Lifecycle,
    Newcomer,
    Registration,
    Rejection,
    Role,
    S,
    State,
)
from services.kernel.grounds import grounded
from services.kernel.legs import leg_awaited, leg_rejection, legs_awaited, next_legs, spoken_of


class _Memory(TypedDict):
    withdrawal: str | None
    extensions: frozenset[str]
    corrections: frozenset[int]


_HANDLERS = frozenset({Role.SENDER, Role.RECIPIENT})
_OVERSEERS = frozenset({Role.SUPERVISOR, Role.ARBITER})
_BUS = frozenset({Role.BUS})
_MENDS: Final = (common.Corrected, common.CorrectionWithdrawn, common.Erased)
"""What all who saw the earlier fact have to see, and nobody else."""
_REQUEST: Final = common.ExtensionRequested.name()

COMMON: Final[Mapping[type[Fact], CommonRule]] = {
    common.WithdrawalRequested: CommonRule(frozenset({Role.SENDER})),
    common.Withdrawn: CommonRule(_HANDLERS),
    common.WithdrawalRefused: CommonRule(frozenset({Role.RECIPIENT})),
    common.ExtensionRequested: CommonRule(_HANDLERS),
    common.ExtensionGranted: CommonRule(_HANDLERS | _BUS),
    common.ExtensionRefused: CommonRule(_HANDLERS | _BUS),
    common.Corrected: CommonRule(_HANDLERS | _OVERSEERS | {Role.FORMER}, after_end=True),
    common.CorrectionWithdrawn: CommonRule(_HANDLERS | _OVERSEERS | {Role.FORMER}, after_end=True),
    common.Chased: CommonRule(_OVERSEERS | {Role.SENDER}),
    common.ClockWarned: CommonRule(_BUS),
    common.ClockExpired: CommonRule(_BUS),
    common.ClockRecomputed: CommonRule(_BUS),
    common.ClockExpiryAnnulled: CommonRule(_BUS, after_end=True),
    common.Rated: CommonRule(_HANDLERS | {Role.FORMER}, after_end=True),
    common.Erased: CommonRule(_BUS, after_end=True),
}
"""The facts of every kind. They move no status, but for `withdrawn`, which ends the exchange."""


def decide(lifecycle: Lifecycle[S], state: S, event: Event, context: Context) -> Registration[S] | Rejection:
    """Whether this event may follow what is registered; pure. The first rule that fails is the answer."""
    role = role_of(lifecycle, state, event, context)
    rejection = (
        _unknown_exchange(lifecycle, state, event)
        or _party(state, event, role)
        or _name(event, context)
        or _thread(state, event, context)
        or _knowledge(lifecycle, state, event)
        or _move(lifecycle, state, event, role)
        or leg_rejection(lifecycle, state, event, type(event.fact) in COMMON)
        or _above(state, event, role, context)
        or _agreed(lifecycle, state, event, context)
        or _common(lifecycle, state, event, context)
        or _clocks(state, event, context)
        or grounded(state, event, context)
        or dossier_whole(event, context)
        or (None if type(event.fact) in COMMON else lifecycle.guard(state, event, context))
        or _roles_kept(lifecycle, state, event)
    )
    if rejection is not None:
        return rejection
    newcomers = {code: new for code, new in _newcomers(lifecycle, state, event, context).items() if new}
    after = evolve(lifecycle, state, event, newcomers)
    return Registration(after, after.audiences[-1])


def evolve(lifecycle: Lifecycle[S], state: S, event: Event, newcomers: Mapping[str, Newcomer]) -> S:
    """The state after a registered event; pure. `newcomers` are the parties that it brings in."""
    fact, envelope = event.fact, event.envelope
    after = state if type(fact) in COMMON else lifecycle.evolve(state, event)
    joined = _joined(lifecycle, state, event)
    legs = next_legs(lifecycle, state, event, joined)
    status = _next_status(lifecycle, state, fact, legs)
    memory = _common_memory(state, event, {**state.parties, **joined})
    if status in lifecycle.unaccepted:
        # Whom it was asked of has it no more; the sender withdraws alone.
        memory["withdrawal"] = None
    return replace(
        after,
        case=state.case or envelope.case or "",
        home=state.home or envelope.home or "",
        sequence=state.sequence + 1,
        status=status,
        parties={
            **state.parties,
            **{code: new.role for code, new in newcomers.items()},
            **joined,
        },
        grants={**state.grants, **{code: new.agreement for code, new in newcomers.items()}},
        legs=legs,
        authors=(*state.authors, envelope.source),
        audiences=(*state.audiences, _audience(lifecycle, state, event, status)),
        **memory,
    )


def standing(lifecycle: Lifecycle[S], state: S, context: Context) -> Standing:
    """What the registrar tells the followers about the exchange."""
    parties = {
        code: Party(role=role, reads=_reads(state, code, role, context), agreement=state.grants.get(code))
        for code, role in state.parties.items()
    }
    return Standing(
        status=state.status,
        ended=lifecycle.ended(state.status),
        legs=dict(state.legs),
        parties=parties,
        moves=moves(lifecycle, state),
        case=state.case,
        home=state.home,
        hops=state.hops,
        phase=lifecycle.phases.get(state.status),
        parts=_parts(lifecycle, state) if lifecycle.apart else None,
    )


def _parts(lifecycle: Lifecycle[S], state: S) -> dict[str, Part]:
    """What each addressee is told of how it stands, where it learns nothing of the others."""
    if state.status not in lifecycle.rollup:
        return {leg: Part(status=state.status, moves=moves(lifecycle, state)) for leg in state.legs}
    return {
        leg: Part(status=status, moves=leg_awaited(lifecycle, state, leg)) for leg, status in sorted(state.legs.items())
    }


def fold(lifecycle: Lifecycle[S], state: S, event: Event, after: Standing) -> S:
    """The state after a registered event read back from the store, with the newcomers that it brought in then."""
    newcomers = {
        code: Newcomer(Role(party.role), party.agreement)
        for code, party in after.parties.items()
        if code not in state.parties and party.agreement is not None
    }
    return evolve(lifecycle, state, event, newcomers)


def moves(lifecycle: Lifecycle[S], state: S) -> tuple[str, ...]:
    """Whose move it is: the agencies, in code order. A request that waits for an answer comes first."""
    if lifecycle.ended(state.status):
        return ()
    if state.withdrawal is not None:
        return state.having(Role.RECIPIENT)
    awaited = lifecycle.awaits[state.status]
    return legs_awaited(lifecycle, state) or (state.having(awaited) if awaited is not None else ())


def role_of(lifecycle: Lifecycle[S], state: S, event: Event, context: Context) -> Role | None:
    """The role in which an agency speaks, also of one whom only an agreement makes arbiter or supervisor."""
    source = event.envelope.source
    if source == context.bus:
        return Role.BUS
    if source in state.parties:
        return state.parties[source]
    if type(event.fact) in lifecycle.opening and state.status == UNOPENED:
        return Role.SENDER
    for agreement in _agreements(state, context):
        if source == agreement.arbiter:
            return Role.ARBITER
        if source in agreement.supervisors:
            return Role.SUPERVISOR
    return None


def legal_moves(lifecycle: Lifecycle[S], state: S, role: Role | None) -> list[str]:
    """The facts that an agency in this role may state now, by their names."""
    own = [fact for fact in lifecycle.transitions[state.status] if role in lifecycle.speakers[fact]]
    ended = lifecycle.ended(state.status)
    shared = [
        fact
        for fact, rule in COMMON.items()
        if role in rule.speakers and (rule.after_end or not ended) and _asked_for(state, fact)
    ]
    return sorted(fact.name() for fact in (own + shared if state.status != UNOPENED else own))


def _asked_for(state: State, fact: type[Fact]) -> bool:
    """Whether an answer has something to answer."""
    if fact is common.WithdrawalRefused:
        return state.withdrawal is not None
    if fact in {common.ExtensionGranted, common.ExtensionRefused}:
        return bool(state.extensions)
    return True


def _agreements(state: State, context: Context) -> list[Agreement]:
    ids = sorted(set(state.grants.values()))
    return [context.agreements.by_id[id_] for id_ in ids if id_ in context.agreements.by_id]


def _unknown_exchange(lifecycle: Lifecycle[S], state: S, event: Event) -> Rejection | None:
    if state.status == UNOPENED and type(event.fact) not in lifecycle.opening:
        opening = ", ".join(sorted(fact.name() for fact in lifecycle.opening))
        return Rejection(
            "exchange-unknown", f"there is no {state.kind} exchange {state.exchange}; it is opened by {opening}"
        )
    return None


def _thread(state: State, event: Event, context: Context) -> Rejection | None:
    """The opener names case and home; later events name the same ones or none."""
    envelope = event.envelope
    if state.status == UNOPENED:
        if envelope.case is None:
            return Rejection("case-missing", "the event that opens an exchange names its case (attribute `case`)")
        if envelope.home != context.bus:
            return Rejection("home-mismatch", f"the event that opens an exchange here names home {context.bus}")
        return None
    if envelope.case not in {None, state.case}:
        return Rejection("case-mismatch", f"the exchange belongs to case {state.case}, not {envelope.case}")
    if envelope.home not in {None, state.home}:
        return Rejection("home-mismatch", f"the exchange's home is {state.home}, not {envelope.home}")
    return None


def _party(state: State, event: Event, role: Role | None) -> Rejection | None:
    if role is None:
        # Not saying more: an outsider must not learn what it is outside of.
        return Rejection("not-a-party", f"{event.envelope.source} is not a party to {state.kind} {state.exchange}")
    return None


def _name(event: Event, context: Context) -> Rejection | None:
    """Acting in another's name (城管条例 4: a 街道 team in the district bureau's) is for whom the contract says so."""
    source, name = event.envelope.source, event.envelope.inname
    agency = context.agencies.get(source)
    if name in {None, source} or (agency is not None and name in agency.acts_for):
        return None
    return Rejection("name-not-held", f"{source} does not act in the name of {name}", {"inname": name})


def _knowledge(lifecycle: Lifecycle[S], state: S, event: Event) -> Rejection | None:
    known = event.envelope.knownsequence
    members: Document = {"sequence": state.sequence, "knownsequence": known}
    if known is None or known == state.sequence:
        return None
    if known > state.sequence:
        return Rejection(
            "knownsequence-unknown", f"sequence {known} is not registered; the last is {state.sequence}", members
        )
    if type(event.fact) in lifecycle.stale_refused and known < _newest_seen(state, event.envelope.source):
        detail = f"the signer had seen sequence {known}, but {state.sequence} is registered: read it first"
        return Rejection("knownsequence-stale", detail, members)
    return None


def _newest_seen(state: State, agency: str) -> int:
    """The last sequence that an agency got in full; what is withheld from it makes its word no older."""
    names = {agency, state.parties.get(agency)}
    seen = (
        number
        for number, (author, audience) in enumerate(zip(state.authors, state.audiences, strict=True), start=1)
        if audience is None or author == agency or names & {*audience}
    )
    return max(seen, default=0)


def _move(lifecycle: Lifecycle[S], state: S, event: Event, role: Role | None) -> Rejection | None:
    fact = type(event.fact)
    rule = COMMON.get(fact)
    ended = lifecycle.ended(state.status)
    legal = (rule.after_end or not ended) if rule else fact in lifecycle.transitions[state.status]
    speakers = rule.speakers if rule else lifecycle.speakers.get(fact, frozenset())
    members: Document = {"status": state.status, "legal_moves": [*legal_moves(lifecycle, state, role)]}
    if not legal:
        return Rejection(
            "illegal-move", f"{fact.name()} cannot follow in status {state.status} of {state.kind}", members
        )
    if role not in speakers:
        who = ", ".join(sorted(speakers))
        return Rejection("not-your-move", f"{fact.name()} is stated by: {who}; you are {role}", members)
    return None


def _above(state: State, event: Event, role: Role | None, context: Context) -> Rejection | None:
    """An arbiter rules over an agency only if the agreement under which that one came in names him."""
    about = getattr(event.fact, "agency", None) or event.envelope.leg
    agreement = context.agreements.by_id.get(state.grants.get(about or "", ""))
    if role is not Role.ARBITER or agreement is None or agreement.arbiter == event.envelope.source:
        return None
    detail = f"{event.envelope.source} is not the arbiter of {about} (agreement {agreement.id})"
    return Rejection("not-above", detail, {"agency": about, "arbiter": agreement.arbiter})


def _agreed(lifecycle: Lifecycle[S], state: S, event: Event, context: Context) -> Rejection | None:
    for agency, newcomer in _newcomers(lifecycle, state, event, context).items():
        if context.agencies.get(agency) is None:
            return Rejection("agency-unknown", f"{agency} is in no contract of this bus", {"agency": agency})
        if newcomer is None:
            detail = f"no agreement in force lets {event.envelope.source} bring {agency} into a {state.kind}"
            return Rejection("no-agreement", detail, {"agency": agency})
    return None


def _roles_kept(lifecycle: Lifecycle[S], state: S, event: Event) -> Rejection | None:
    """Nobody gets a second role: only who handles the matter may change. The opener is the sender and nothing else."""
    handling = {Role.RECIPIENT, Role.FORMER}
    joined = _joined(lifecycle, state, event)
    held = state.parties if state.status != UNOPENED else {event.envelope.source: Role.SENDER}
    for code, role in joined.items():
        if code in held and held[code] is not role and not {held[code], role} <= handling:
            return Rejection("role-taken", f"{code} is {held[code]} here and cannot be {role}", {"agency": code})
    return None


def _common(lifecycle: Lifecycle[S], state: S, event: Event, context: Context) -> Rejection | None:
    """The rules of the common facts beyond the table."""
    return (
        _withdrawal(lifecycle, state, event) or _extension(lifecycle, state, event, context) or _reference(state, event)
    )


def _withdrawal(lifecycle: Lifecycle[S], state: S, event: Event) -> Rejection | None:
    match event.fact:
        case common.WithdrawalRequested():
            return _asks_to_withdraw(lifecycle, state)
        case common.Withdrawn():
            role = state.parties.get(event.envelope.source)
            if (role is Role.SENDER and _alone(lifecycle, state)) or (
                role is Role.RECIPIENT and state.withdrawal is not None
            ):
                return None
            detail = "after acceptance the sender asks (withdrawal_requested) and the other side states withdrawn"
            return Rejection("withdrawal-not-agreed", detail, {"status": state.status})
        case common.WithdrawalRefused() if state.withdrawal is None:
            return Rejection("nothing-requested", "no withdrawal was asked for")
        case _:
            return None


def _alone(lifecycle: Lifecycle[S], state: S) -> bool:
    """Whether the sender may withdraw alone: nobody has accepted yet."""
    accepted = lifecycle.leg_unaccepted and not lifecycle.leg_unaccepted.issuperset(state.legs.values())
    return state.status in lifecycle.unaccepted and not accepted


def _asks_to_withdraw(lifecycle: Lifecycle[S], state: S) -> Rejection | None:
    if _alone(lifecycle, state):
        return Rejection("withdraw-alone", "the other side has not accepted: state `withdrawn` instead")
    if lifecycle.rollup and len(state.having(Role.RECIPIENT)) > 1:
        detail = "several addressees are at work, and none of them speaks for the others: end it by a fact of its kind"
        return Rejection("end-instead", detail, {"legs": {**state.legs}})
    if state.withdrawal is not None:
        return Rejection("request-pending", "a withdrawal is already asked for")
    return None


def _extension(lifecycle: Lifecycle[S], state: S, event: Event, context: Context) -> Rejection | None:
    source, role = event.envelope.source, role_of(lifecycle, state, event, context)
    match event.fact:
        case common.ExtensionRequested() if source in state.extensions:
            return Rejection("request-pending", "an extension is already asked for")
        case common.ExtensionGranted() | common.ExtensionRefused() if not state.extensions:
            return Rejection("nothing-requested", "no extension was asked for")
        case common.ExtensionGranted(rule=str()) | common.ExtensionRefused(rule=str()) if role is not Role.BUS:
            return Rejection("not-your-move", "that a rule grants or refuses an extension is said by the bus")
        case common.ExtensionGranted() | common.ExtensionRefused():
            return _answers_extension(state, event, role)
        case _:
            return None


def _answers_extension(state: State, event: Event, role: Role | None) -> Rejection | None:
    others = sorted(code for code in state.extensions if state.parties.get(code) is not role)
    if not others:
        return Rejection("not-your-move", "an extension is answered by the other side")
    if _asked(state, event) is None:
        return Rejection("leg-missing", "say in `leg` whose request this answers", {"legs": [*others]})
    return None


def _asked(state: State, event: Event) -> str | None:
    """Whose request for more time an answer is about."""
    whose = getattr(event.fact, "agency", None) or event.envelope.leg
    return asked(state.extensions, event.envelope.source, whose, state.parties)


def _clocks(state: State, event: Event, context: Context) -> Rejection | None:
    """What is said about clocks must be true of them, and only what its rule lets be extended is."""
    source = event.envelope.source
    match event.fact:
        case common.ExtensionRequested(new_date=last):
            return _extendable(state, source, last, None, context)
        case common.ExtensionGranted(new_date=last, rule=rule):
            about = _asked(state, event) or ""
            request = next(item for item in reversed(context.entries) if (item.fact, item.source) == (_REQUEST, about))
            when = replace(context, acceptedtime=request.acceptedtime) if rule else context
            return _extendable(state, about, last, rule, when)
        case fact if type(fact) not in COMMON:
            return _agreed_day(state, fact, context)
        case fact:
            history, contracts = History(state.kind, context.entries), context.contracts
            why = disproved(history, fact, context.acceptedtime, contracts.rules, contracts.calendars)
            return Rejection("clock-disproved", why, {"sequence": state.sequence}) if why else None


def _agreed_day(state: State, fact: Fact, context: Context) -> Rejection | None:
    """A last day that is named for the other side is still to come."""
    today = context.acceptedtime.astimezone(SHANGHAI).date()
    started = context.contracts.rules.started_by(state.kind, fact.name())
    for rule in (rule for versions in started for rule in versions):
        day = getattr(fact, rule.agreed, None) if rule.agreed else None
        if isinstance(day, date) and (named_day(day) is None or day <= today):
            detail = f"{rule.agreed} {day} is over, or no day of this time; it is after {today}"
            return Rejection("agreed-day-over", detail, {"pointer": f"/data/{rule.agreed}"})
    return None


def _extendable(state: State, agency: str, last: date, rule: str | None, context: Context) -> Rejection | None:
    contracts = context.contracts
    found = running(History(state.kind, context.entries), contracts.rules, contracts.calendars)
    own = [item for item in found if item.agency == agency]
    why = not_extendable(own, last, rule, context.acceptedtime, contracts.calendars)
    names: list[JsonValue] = [*sorted({item.rule.id for item in own})]
    return Rejection("not-extendable", why, {"running": names}) if why else None


def _reference(state: State, event: Event) -> Rejection | None:
    """A fact about an earlier event names one that there is, and one's own where only its author may speak."""
    sequence = _earlier(event.fact)
    if isinstance(event.fact, common.CorrectionWithdrawn) and sequence not in state.corrections:
        return Rejection("not-a-correction", f"sequence {sequence} is not a correction that stands")
    return _own_earlier(state, event, sequence) if sequence is not None else None


def _earlier(fact: Fact) -> int | None:
    """The sequence of the event that a fact is about."""
    match fact:
        case (
            common.Corrected(corrects=sequence)
            | common.CorrectionWithdrawn(correction=sequence)
            | common.Erased(event=sequence)
            | common.ClockWarned(started_by=sequence)
            | common.ClockExpired(started_by=sequence)
            | common.ClockRecomputed(started_by=sequence)
            | common.ClockExpiryAnnulled(expiry=sequence)
        ):
            return sequence
        case _:
            return None


def _own_earlier(state: State, event: Event, sequence: int) -> Rejection | None:
    if sequence > state.sequence:
        return Rejection("sequence-unknown", f"sequence {sequence} is not registered in this exchange")
    mine = isinstance(event.fact, (common.Corrected, common.CorrectionWithdrawn))
    if mine and state.authors[sequence - 1] != event.envelope.source:
        return Rejection("not-your-fact", f"sequence {sequence} was stated by another agency; only it may correct it")
    return None


def _newcomers(lifecycle: Lifecycle[S], state: S, event: Event, context: Context) -> dict[str, Newcomer | None]:
    """Each party that this event brings in, with the agreement that allows it, or None where nothing does.

    Besides those whom the fact names: the speaker, if an agreement made it arbiter or supervisor, and from the
    start the supervisors of the agreement under which the exchange was opened.
    """
    source = event.envelope.source
    joined = _joined(lifecycle, state, event)
    addressed = [code for code, role in joined.items() if role is Role.RECIPIENT and code != source]
    covering = _agreements(state, context)
    if state.status == UNOPENED and not addressed:
        covering = context.agreements.of_sender(state.kind, source, context.acceptedtime)
    found: dict[str, Newcomer | None] = {}
    for code in addressed:
        agreement = _allowing(state, source, code, context)
        covering = [agreement, *covering] if agreement else covering
        if code not in state.parties:
            found[code] = Newcomer(Role.RECIPIENT, agreement.id) if agreement else None
    others = {code: role for code, role in joined.items() if code not in addressed}
    speaker = role_of(lifecycle, state, event, context)
    if speaker is Role.ARBITER or speaker is Role.SUPERVISOR:
        others.setdefault(source, speaker)
    found |= {code: _covered(covering, code, role) for code, role in others.items() if code not in state.parties}
    if state.status == UNOPENED:
        for agreement in covering:
            supervisors = [code for code in agreement.supervisors if code not in found]
            found |= {code: Newcomer(Role.SUPERVISOR, agreement.id) for code in supervisors}
    return found


def _allowing(state: State, source: str, code: str, context: Context) -> Agreement | None:
    """The agreement under which `source` may address `code`.

    An arbiter, and a recipient who passes the matter on, may address any recipient of the exchange's own agreements.
    """
    at, handling = context.acceptedtime, state.parties.get(source) is Role.RECIPIENT
    within = (
        agreement
        for agreement in _agreements(state, context)
        if code in agreement.recipients and (agreement.arbiter == source or (handling and agreement.in_force(at)))
    )
    return context.agreements.allowing(state.kind, source, code, at) or next(within, None)


def _covered(agreements: list[Agreement], code: str, role: Role) -> Newcomer | None:
    for agreement in agreements:
        allowed = {
            Role.SENDER: agreement.senders,
            Role.RECIPIENT: agreement.recipients,
            Role.COPIED: agreement.copied,
            Role.SUPERVISOR: agreement.supervisors,
            Role.ARBITER: (agreement.arbiter,),
        }.get(role, ())
        if code in allowed:
            return Newcomer(role, agreement.id)
    return None


def _joined(lifecycle: Lifecycle[S], state: S, event: Event) -> Mapping[str, Role]:
    return {} if type(event.fact) in COMMON else lifecycle.join(state, event)


def _reads(state: State, code: str, role: Role, context: Context) -> tuple[FieldClass, ...]:
    agreement = context.agreements.by_id.get(state.grants.get(code, ""))
    return agreement.reads(role) if agreement else (FieldClass.PUBLIC,)


def _audience(lifecycle: Lifecycle[S], state: S, event: Event, status: str) -> tuple[str, ...] | None:
    """Who sees the fact that led to this status; what is said about an earlier event, those who saw that one."""
    earlier = _earlier(event.fact)
    if earlier is not None and (isinstance(event.fact, _MENDS) or state.audiences[earlier - 1] is not None):
        return state.audiences[earlier - 1]
    roles = lifecycle.audiences.get(status)
    if roles is not None:
        return tuple(sorted(roles))
    leg = _concerned(state, event) if lifecycle.apart else None
    return (*sorted(set(Role) - {Role.RECIPIENT, Role.BUS}), leg) if leg is not None else None


def _concerned(state: State, event: Event) -> str | None:
    """The addressee whose part a fact is about, if it is about one."""
    if isinstance(event.fact, (common.ExtensionGranted, common.ExtensionRefused)):
        whose = _asked(state, event)
        return whose if whose in state.legs else None
    return spoken_of(state, event)


def _next_status(lifecycle: Lifecycle[S], state: S, fact: Fact, legs: Mapping[str, str]) -> str:
    if isinstance(fact, common.Withdrawn):
        return WITHDRAWN
    status = lifecycle.transitions[state.status].get(type(fact), state.status)
    return lifecycle.rolled(legs) if status in lifecycle.rollup else status


def _common_memory(state: State, event: Event, parties: Mapping[str, Role]) -> _Memory:
    source = event.envelope.source
    # Who handed the matter on needs no more time for it.
    asking = frozenset(code for code in state.extensions if parties.get(code) is not Role.FORMER)
    memory = _Memory(withdrawal=state.withdrawal, extensions=asking, corrections=state.corrections)
    match event.fact:
        case common.WithdrawalRequested():
            memory["withdrawal"] = source
        case common.Withdrawn() | common.WithdrawalRefused():
            memory["withdrawal"] = None
        case common.ExtensionRequested():
            memory["extensions"] = asking | {source}
        case common.ExtensionGranted() | common.ExtensionRefused():
            memory["extensions"] = asking - {_asked(state, event) or ""}
        case common.Corrected():
            memory["corrections"] = state.corrections | {state.sequence + 1}
        case common.CorrectionWithdrawn(correction=sequence):
            memory["corrections"] = state.corrections - {sequence}
        case _:
            pass
    return memory
