"""The whole telling of the demo, played through the lifecycles with its clocks, without engines."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import pytest
from pydantic import BaseModel

from connectors.grid.mapping import told as told_to_grid
from connectors.losses import Loss
from contracts.canonical import Document, parse_object
from contracts.clocks import History
from contracts.codec import dump
from contracts.crosswalk import packaged as crosswalk
from contracts.records import Record
from services.audit.links import Known, stated
from services.audit.links import told as links_told
from services.cli.partners.forms import FORMS
from services.cli.partners.papers import PAPERS
from services.cli.story import telling
from services.cli.story.cast import JUSTICE, QINGPU, Step
from services.cli.story.outcome import STORY, Seen, outcome, seen
from services.clocks.words import Law, Timing, sheet
from services.delivery.copies import copies
from services.kernel.exchange import Registration, Rejection, State
from services.kernel.kinds import registrars
from tests.support.factory import BUS, world
from tests.support.play import Play
from tests.support.registered import registered

IDS = telling.new_ids()
STEPS = telling.steps(IDS)
TIMING = Timing(grace=timedelta(minutes=1), tolerance=timedelta(minutes=5))
INVENTED = ("虚构", "示例", "SYN-")
NAMED = frozenset({"Approver", "Contact", "Entry", "Officer", "Owner", "Person", "Reporter", "Site", "Unit"})
"""Parts whose `name` is that of a person, a firm or a site."""
SIGNING = frozenset(
    {
        "in_charge",
        "legal_representative",
        "reader",
        "receiver",
        "recorded_by",
        "registrar",
        "reviewed_by",
        "signed_by",
        "verified_by",
    }
)
"""Members that name a person."""


class Telling:
    """The steps as the bus would take them: an exchange for each thread, and the answer to each step."""

    def __init__(self) -> None:
        self.plays: dict[str, Play] = {}
        self.answers: list[tuple[Step, Registration[State] | Rejection]] = []
        self._said: set[str] = set()
        for step in STEPS:
            self._step(step)
        for play in self.plays.values():
            self._speak(play, STEPS[-1].at)

    def _step(self, step: Step) -> None:
        """State a fact at its instant, after what the bus has had to say until then."""
        thread = telling.THREADS[step.thread]
        play = self.plays.get(step.thread)
        if play is None:
            play = self.plays[step.thread] = Play(thread.kind, at=step.at - timedelta(minutes=1))
            play.state = play.lifecycle.new(IDS[step.thread])
        self._speak(play, step.at)
        _go_to(play, step.at)
        by = {"case": thread.case, "leg": step.leg, "inname": step.inname, "time": step.at}
        self.answers.append((step, play.submit(step.agency, step.fact, **by)))

    def _speak(self, play: Play, until: datetime) -> None:
        """The bus says what is due about the clocks of an exchange."""
        law = Law(world().rules, world().calendars, TIMING)
        while play.log:
            found = _records(play)
            words = [word for word in sheet(found, History.of(found), self._said, law).words if word.at <= until]
            if not words:
                return
            _go_to(play, words[0].at)
            self._said.add(words[0].id)
            answer = play.submit(BUS, words[0].fact, case=play.state.case, time=words[0].time)
            assert isinstance(answer, Registration), answer


def _records(play: Play) -> list[Record]:
    return [play.record(number) for number in range(1, len(play.log) + 1)]


def _go_to(play: Play, at: datetime) -> None:
    """Let time pass until then, less the minute that every fact takes."""
    play.wait(max(timedelta(), at - timedelta(minutes=1) - play.context.acceptedtime))


@cache
def told() -> Telling:
    return Telling()


@cache
def judged() -> Seen:
    """What would be found in the stores, the inboxes and the timelines of the main case."""
    exchanges = [registered(play) for play in told().plays.values()]
    inboxes: dict[str, list[Document]] = {}
    for records in exchanges:
        for parcel in copies(records, [], {}, crosswalk()):
            inboxes.setdefault(parcel.agency, []).append(parse_object(parcel.body))
    return seen(IDS, [record for records in exchanges for record in records], inboxes, _links(exchanges))


def _links(exchanges: Sequence[Sequence[Record]]) -> list[Any]:
    """Those from and to the exchanges of the main case, to the two who read its timelines."""
    main = {IDS[name] for name, thread in telling.THREADS.items() if thread.case == telling.MAIN_CASE}
    return [
        link
        for records in exchanges
        for record in records
        for item in stated(record)
        for reader in (JUSTICE, QINGPU)
        if main & {record.exchange, item.to_exchange} and reader in records[-1].standing.parties
        for link in links_told([Known(item, record, records[-1].standing, None, None)], reader)
    ]


def without(thread: str, *facts: str) -> Seen:
    """As if these facts had never been stated, nor arrived, in an exchange."""
    kept = [record for record in judged().of(thread) if record.fact not in facts]
    gone = {(record.exchange, record.sequence) for record in judged().of(thread)} - {
        (record.exchange, record.sequence) for record in kept
    }
    inboxes = {
        agency: [item for item in items if _place(item) not in gone] for agency, items in judged().inboxes.items()
    }
    return replace(judged(), records={**judged().records, thread: kept}, inboxes=inboxes)


def _place(item: Mapping[str, Any]) -> tuple[str, int]:
    event = item.get("event") or item["stub"]
    return event["exchange"], event["sequence"]


def test_every_step_is_registered_or_refused_as_it_is_told() -> None:
    found = [(step, answer.code if isinstance(answer, Rejection) else None) for step, answer in told().answers]
    assert [(step.at, step.thread, step.fact.name(), code) for step, code in found if code != step.refused] == []
    assert {code for _, code in found} == {
        None,
        "dossier-incomplete",
        "ground-barred",
        "items-unanswered",
        "law-not-in-force",
        "not-extendable",
        "ping-pong",
    }


def test_all_that_must_come_of_it_comes_of_it() -> None:
    assert [name for name, ok in outcome(judged()).items() if not ok] == []


def test_of_nothing_told_nothing_comes() -> None:
    assert [name for name, ok in outcome(Seen({}, {}, frozenset())).items() if ok] == []


@pytest.mark.parametrize(
    ("item", "thread", "facts"),
    [
        ("12345", "order", ("case_linked",)),
        ("grid", "finding", ("done",)),
        ("推诿", "grid", ("upheld",)),
        ("found, not found", "lead", ("refused",)),
        ("no city saw", "lead", ("receipted",)),
        ("crosswalk", "lead", ("opened",)),
        ("transfer is concluded", "transfer", ("designated",)),
        ("police saw only stubs", "referral", ("reported",)),
        ("district line", "jointop", ("finding_answered",)),
        ("major case", "filing", ("commented",)),
        ("after the penalty", "supervision", ("relapsed",)),
        ("answered item by item", "letter", ("item_completed",)),
        ("late letter", "letter-late", ("clock_expired",)),
        ("both ways", "notice-answer", ("sent",)),
        ("register took", "annotation", ("released",)),
        ("claimed and done", "demand", ("claimed",)),
        ("escalated and assigned", "demand-escalated", ("declined",)),
        ("withdrawn entry", "bulletin", ("entry_withdrawn",)),
        ("undertaking", "meeting", ("meeting_held",)),
    ],
)
def test_an_item_is_not_there_without_what_makes_it(item: str, thread: str, facts: tuple[str, ...]) -> None:
    (name,) = [name for name in outcome(judged()) if item in name]
    # Who lacks a place of the sequence lacks it in the inbox only: then the city has not seen what it should.
    changed = without(thread, *facts)
    if item == "no city saw":
        changed = replace(changed, records=judged().records)
    assert outcome(changed)[name] is False


def test_another_citys_answer_in_an_inbox_is_noticed() -> None:
    (record,) = [record for record in judged().of("lead") if record.fact == "not_found"]
    leaked = {**judged().inboxes, "320600-cg": [*judged().inboxes["320600-cg"], {"event": record.event}]}
    assert outcome(replace(judged(), inboxes=leaked))["no city saw another's answer"] is False


def test_a_reporter_in_an_inbox_is_noticed() -> None:
    opening = judged().of("transfer")[0].event
    leaked = {**judged().inboxes, QINGPU: [*judged().inboxes[QINGPU], {"event": opening}]}
    assert outcome(replace(judged(), inboxes=leaked))["nobody but its own agency saw a reporter (举报人)"] is False


def test_a_link_that_no_timeline_shows_is_missed() -> None:
    (name,) = [name for name in outcome(judged()) if "case timeline" in name]
    assert all(outcome(replace(judged(), joined=judged().joined - {link}))[name] is False for link in STORY)


def test_the_bus_speaks_of_few_deadlines_so_that_time_passes_quickly() -> None:
    spoken = [
        (thread, record.fact, record.event["data"]["rule"])  # type: ignore[index, call-overload]
        for thread, records in judged().records.items()
        for record in records
        if record.event["source"] == BUS
    ]
    assert sorted(spoken) == [
        ("letter-late", "clock_expired", "LT-15"),
        ("letter-late", "clock_warned", "LT-15"),
        ("transfer", "clock_expired", "TR-01"),
        ("transfer", "clock_warned", "TR-01"),
        ("transfer", "clock_warned", "TR-04"),
        ("transfer", "clock_warned", "TR-07"),
    ]


def test_it_takes_ten_weeks_and_every_registrar() -> None:
    assert [step.at for step in STEPS] == sorted(step.at for step in STEPS)
    assert timedelta(weeks=9) < STEPS[-1].at - STEPS[0].at < timedelta(weeks=10)
    assert {step.thread for step in STEPS} == telling.THREADS.keys() == IDS.keys()
    kinds = {thread.kind for thread in telling.THREADS.values()}
    assert {world().topics.registrar_of(kind) for kind in kinds} == {*registrars()}


def test_every_exchange_is_over_but_where_somebody_goes_on() -> None:
    going_on = {name: play.state.status for name, play in told().plays.items() if not play.standing.ended}
    assert going_on == {"bulletin": "read", "referral": "handed_over"}


def test_every_name_says_that_it_is_invented() -> None:
    names = [(step.thread, name) for step in STEPS for name in _names(step.fact)]
    assert len(names) > 120
    assert [(thread, name) for thread, name in names if not any(word in name for word in INVENTED)] == []


def test_what_a_partner_states_its_own_form_can_say() -> None:
    """What the form has no place for would be missing from the registered fact."""
    lost = [(step.thread, step.fact.name(), loss.pointer) for step in STEPS for loss in _lost(step)]
    assert lost == []


def test_every_kind_of_channel_is_seen() -> None:
    assert {seat.via for seat in telling.SEATS} == {"grid", "hotline", "housing", "police", "provinces", "webhook"}
    assert {seat.agency for seat in telling.SEATS} <= {*telling.agencies(STEPS)}
    assert {outage.agency for outage in telling.OUTAGES} <= {seat.agency for seat in telling.SEATS}


def test_telephones_are_nobodys() -> None:
    text = "\n".join(step.fact.model_dump_json() for step in STEPS)
    phones = set(re.findall(r'"phone":"([^"]+)"', text))
    assert len(phones) > 20
    assert [phone for phone in sorted(phones) if not re.fullmatch(r"0\d{2,3}-000000\d\d|1[39]\d00000000", phone)] == []


def test_a_town_team_acts_in_its_towns_name() -> None:
    acting = {step.agency: step.inname for step in STEPS if step.inname}
    assert all(name in world().agencies.by_code[team].acts_for for team, name in acting.items())
    own = {step.agency for step in STEPS if len(step.agency.split("-")[0]) == 9 and step.agency.endswith("-cg")}
    assert own == acting.keys()


def _lost(step: Step) -> Sequence[Loss]:
    """What of a fact the form of its partner does not say, if it is one for which the partner has a form."""
    via = next((seat.via for seat in telling.SEATS if seat.agency == step.agency), "")
    kind, data = telling.THREADS[step.thread].kind, dump(step.fact)
    if via == "grid" and kind == "workorder":
        return told_to_grid({"type": step.fact.type(), "data": data}).losses
    form = FORMS.get(via, {}).get((kind, type(step.fact))) or PAPERS.get(via, {}).get(type(step.fact))
    return () if form is None else form.losses(data)


def _names(part: object) -> Iterator[str]:
    """What persons and firms are called, at any depth."""
    if isinstance(part, BaseModel):
        for name in type(part).model_fields:
            value = getattr(part, name)
            if name in SIGNING or (name == "name" and type(part).__name__ in NAMED):
                yield from [value] if value else []
            else:
                yield from _names(value)
    elif isinstance(part, (tuple, list)):
        for item in part:
            yield from _names(item)
