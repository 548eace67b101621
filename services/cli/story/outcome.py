"""What came of the telling, item by item, judged by what is registered, delivered and told in timelines; pure."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

from contracts.canonical import Document, canonical, instant
from contracts.disclosure import withheld
from contracts.records import Record
from services.cli.story import border, consortium
from services.cli.story.cast import (
    BUILDING,
    CITIES,
    CITY,
    GOVERNMENT,
    GREENING,
    GRID,
    HOUSING,
    JIAXING,
    JUSTICE,
    MINHANG,
    NANTONG,
    POLICE,
    PROCURATORATE,
    QINGPU,
    TITLES,
    TRANSPORT,
    WATER,
    Ids,
)

Joined = tuple[str, str, str]
"""A thread, what another is to it (`events.parts.Relation`), and that other."""

STORY: Final[AbstractSet[Joined]] = frozenset(
    {
        ("order", "became", "transfer"),
        ("transfer", "grew_from", "lead"),
        ("referral", "grew_from", "transfer"),
        ("jointop", "grew_from", "transfer"),
        ("filing", "grew_from", "lead"),
        ("notice-penalty", "grew_from", "filing"),
        ("supervision", "grew_from", "notice-penalty"),
        ("letter", "cites", "notice-penalty"),
        ("letter", "cites", "lead"),
    }
)
"""What makes one story of the main case."""

_REFERRED: Final = 3
"""The sequence of the referral itself: what precedes it is not shown to the police."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is judged.

    records: of each thread, in order, from the registrars' stores. inboxes: each agency's items. joined: the links that
    the timelines of the main case show.
    """

    records: Mapping[str, Sequence[Record]]
    inboxes: Mapping[str, Sequence[Mapping[str, Any]]]
    joined: AbstractSet[Joined]

    def of(self, thread: str) -> Sequence[Record]:
        """The records of an exchange."""
        return self.records.get(thread, ())

    def ended(self, thread: str, status: str) -> bool:
        """Whether an exchange has come to this status."""
        return [record.standing.status for record in self.of(thread)[-1:]] == [status]

    def follow(self, thread: str, *wanted: tuple[str, str]) -> bool:
        """Whether these, of agency and fact, were stated in this order, whatever else between them."""
        stated = iter([(str(record.event["source"]), record.fact) for record in self.of(thread)])
        return all(item in stated for item in wanted)

    def data(self, thread: str, fact: str) -> list[Document]:
        """What was said by a fact, each time."""
        said = [record.event["data"] for record in self.of(thread) if record.fact == fact]
        return [data for data in said if isinstance(data, dict)]

    def items(self, agency: str, thread: str) -> dict[int, Mapping[str, Any]]:
        """What an agency got of an exchange, by sequence."""
        exchange = self.of(thread)[0].exchange if self.of(thread) else None
        found: dict[int, Mapping[str, Any]] = {}
        for item in self.inboxes.get(agency, ()):
            event = item.get("event") or item.get("stub")
            if event and event["exchange"] == exchange:
                found[event["sequence"]] = item
        return found


def seen(
    ids: Ids,
    records: Sequence[Record],
    inboxes: Mapping[str, Sequence[Mapping[str, Any]]],
    links: Sequence[Mapping[str, Any]],
) -> Seen:
    """From everything that is stored, and the links of the timelines of the main case; threads as they were opened."""
    threads = {exchange: thread for thread, exchange in ids.items()}
    by_thread: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda record: (str(record.event["recordedtime"]), record.sequence)):
        by_thread.setdefault(threads.get(record.exchange, record.exchange), []).append(record)
    ends = [(link["from"], str(link["relation"]), link["to"]) for link in links]
    joined = {
        (threads.get(this["exchange"], ""), relation, threads.get(other["exchange"], ""))
        for this, relation, other in ends
    }
    return Seen(by_thread, inboxes, joined)


def outcome(told: Seen) -> dict[str, bool]:
    """What must have come of the story, and whether it has."""
    return {
        "nobody but its own agency saw a reporter (举报人)": _reporters_kept(told),
        "12345: the order became a case (诉转案) and its caller was answered": _order(told),
        "grid: found, passed on, dealt with, and told back to the team": _grid(told),
        "推诿: two sent the order back, each to the other; the dispatcher upheld it": _upheld(told),
        "found, not found, refused for a ground, filed: four cities answered": _cities(told),
        "no city saw another's answer": all(_sees_itself(told, city) for city in CITIES),
        "the crosswalk's losses stand in the copy that 南通 got": _crossed(told),
        "the transfer is concluded": _concluded(told),
        "the police saw only stubs of what precedes the referral": _police_stubs(told),
        "the procuratorate read along": _has_all(told, PROCURATORATE, "referral"),
        "the goods of the referral are handed over": told.ended("referral", "handed_over"),
        "over the district line: an operation held, its findings answered": _operation(told),
        "the major case was reviewed, its problems answered, and accepted": _reviewed(told),
        "after the penalty: put right, done again, and the department followed up": _relapsed(told),
        "the letter was answered item by item: adopted, partly, not": _item_by_item(told),
        "the late letter: expiry recorded, then answered": _late(told),
        "notices went both ways with 房管, the second answers the first": _both_ways(told),
        "the register took the annotation and released it; it alone saw the owner": _annotated(told),
        "one demand was claimed and done": _claimed(told),
        "the other, which nobody wanted, was escalated and assigned": _assigned(told),
        "the withdrawn entry reached all who had read the list; they read it again": _read_again(told),
        "the undertaking was born from the meeting's resolution, and is reviewed": _undertaken(told),
        "the case timeline joins lead, transfer, referral … into one story": told.joined >= STORY,
    }


def _order(told: Seen) -> bool:
    stated = ("accepted", "case_linked", "done")
    return told.follow("order", *((MINHANG, fact) for fact in stated)) and told.ended("order", "closed")


def _grid(told: Seen) -> bool:
    grown = any(_links(data, told, "finding") for data in told.data("grid", "dispatched"))
    return grown and told.follow("finding", (GRID, "accepted"), (GRID, "done")) and told.ended("finding", "closed")


def _upheld(told: Seen) -> bool:
    way = (
        (TRANSPORT, "sent_back"),
        (GRID, "redispatched"),
        (GREENING, "sent_back"),
        (GRID, "upheld"),
        (GREENING, "accepted"),
        (GREENING, "done"),
    )
    hops = [record.standing.hops for record in told.of("grid")][-1:]
    return told.follow("grid", *way) and hops == [1] and told.ended("grid", "closed")


def _cities(told: Seen) -> bool:
    legs = [record.standing.legs for record in told.of("lead")][-1:]
    grounds = [data["ground"] for data in told.data("lead", "refused")]
    return (
        legs == [dict(zip(CITIES, ("reported", "not_found", "refused", "traced"), strict=True))]
        and bool(grounds)
        and told.follow("lead", (NANTONG, "traced"), (NANTONG, "filed"), (NANTONG, "result_reported"))
        and told.ended("lead", "closed")
    )


def _sees_itself(told: Seen, city: str) -> bool:
    """Every place of the sequence is there; what another city said, or was told, is a stub."""
    items = told.items(city, "lead")
    own = {
        record.sequence
        for record in told.of("lead")
        if record.event["source"] == city
        or (record.event["source"] == MINHANG and record.event.get("leg", city) == city)
    }
    shown = {sequence for sequence, item in items.items() if item.get("event")}
    return _has_all(told, city, "lead") and shown == own


def _crossed(told: Seen) -> bool:
    """南通 is told that the law has changed and that powers are split; 嘉兴 that it tells two kinds of waste apart."""
    losses = {city: _losses(told.items(city, "lead").get(1, {})) for city in (NANTONG, JIAXING)}
    return {"law_changed", "split", "threshold"} <= losses[NANTONG] and "broader" in losses[JIAXING] - losses[NANTONG]


def _losses(item: Mapping[str, Any]) -> set[str]:
    return {str(loss["kind"]) for loss in item.get("crosswalk", {}).get("losses", ())}


def _concluded(told: Seen) -> bool:
    return told.follow("transfer", (CITY, "designated"), (QINGPU, "decided")) and told.ended("transfer", "reported")


def _police_stubs(told: Seen) -> bool:
    items = told.items(POLICE, "referral")
    return all(items.get(number, {}).get("stub") for number in range(1, _REFERRED)) and bool(
        items.get(_REFERRED, {}).get("event")
    )


def _has_all(told: Seen, agency: str, thread: str) -> bool:
    sequences = [record.sequence for record in told.of(thread)]
    return bool(sequences) and sorted(told.items(agency, thread)) == sequences


def _operation(told: Seen) -> bool:
    return told.follow(
        "jointop", (QINGPU, "confirmed"), (MINHANG, "held"), (QINGPU, "finding_answered"), (MINHANG, "minuted")
    ) and told.ended("jointop", "closed")


def _reviewed(told: Seen) -> bool:
    return told.follow("filing", (MINHANG, "commented"), (MINHANG, "accepted")) and told.ended("filing", "accepted")


def _relapsed(told: Seen) -> bool:
    facts = [record.fact for record in told.of("supervision")]
    stated = [fact for fact in facts if fact in {"rectified", "relapsed", "qualification_followed_up", "closed"}]
    return stated == ["rectified", "relapsed", "qualification_followed_up", "closed"] and told.follow(
        "supervision", (BUILDING, "qualification_followed_up")
    )


def _item_by_item(told: Seen) -> bool:
    asked = [item["id"] for data in told.data("letter", "issued") for item in _list(data["items"])]
    answers = [item for data in told.data("letter", "replied") for item in _list(data["answers"])]
    adopted = [item["item"] for item in answers if item["adoption"] != "not_adopted"]
    return (
        [item["item"] for item in answers] == asked
        and {item["adoption"] for item in answers} == {"adopted", "partly", "not_adopted"}
        and [data["item"] for data in told.data("letter", "item_completed")] == adopted
        and told.ended("letter", "closed")
    )


def _late(told: Seen) -> bool:
    due = [instant(data["due"]) for data in told.data("letter-late", "clock_expired")]
    taken = [instant(record.event["acceptedtime"]) for record in told.of("letter-late") if record.fact == "replied"]
    facts = [record.fact for record in told.of("letter-late") if record.fact in {"clock_expired", "replied"}]
    return facts == ["clock_expired", "replied"] and due < taken and told.ended("letter-late", "closed")


def _both_ways(told: Seen) -> bool:
    first, second = told.data("notice-estate", "sent"), told.data("notice-answer", "sent")
    return (
        [data["direction"] for data in (*first, *second)] == ["enforcement_to_management", "management_to_enforcement"]
        and told.follow("notice-estate", (HOUSING, "followed_up"))
        and told.follow("notice-answer", (HOUSING, "sent"))
        and all(_links(data, told, "notice-estate", "answers") for data in second)
        and told.ended("notice-estate", "closed")
        and told.ended("notice-answer", "closed")
    )


def _annotated(told: Seen) -> bool:
    copies = {agency: told.items(agency, "annotation").get(1, {}).get("event") for agency in (TITLES, JUSTICE)}
    hidden = {agency: set(withheld(copy["data"])) for agency, copy in copies.items() if copy}
    return (
        hidden.keys() == copies.keys()
        and not hidden[TITLES]
        and {"/estate/owners", "/estate/location", "/estate/certificate"} <= hidden[JUSTICE]
        and told.follow("annotation", (TITLES, "recorded"), (TITLES, "released"))
        and told.ended("annotation", "released")
    )


def _claimed(told: Seen) -> bool:
    return told.follow("demand", (GREENING, "claimed"), (GREENING, "done")) and told.ended("demand", "confirmed")


def _assigned(told: Seen) -> bool:
    declined = {str(record.event["source"]) for record in told.of("demand-escalated") if record.fact == "declined"}
    assigned = told.follow("demand-escalated", (GOVERNMENT, "assigned"), (TRANSPORT, "done"))
    return declined == {TRANSPORT, WATER} and assigned and told.ended("demand-escalated", "confirmed")


def _read_again(told: Seen) -> bool:
    withdrawn = [record.sequence for record in told.of("bulletin") if record.fact == "entry_withdrawn"]
    reads = [(record.sequence, str(record.event["source"])) for record in told.of("bulletin") if record.fact == "read"]
    if len(withdrawn) != 1:
        return False
    (sequence,) = withdrawn
    before = {agency for number, agency in reads if number < sequence}
    after = {agency for number, agency in reads if number > sequence}
    copies = [told.items(agency, "bulletin").get(sequence, {}).get("event") for agency in before]
    reached = all(copy and copy["data"]["entry_id"] == consortium.WITHDRAWN for copy in copies)
    return before == after == {*consortium.READERS} and reached and told.ended("bulletin", "read")


def _undertaken(told: Seen) -> bool:
    resolved = {item["id"] for data in told.data("meeting", "meeting_held") for item in _list(data["resolutions"])}
    born = [data for data in told.data("undertaking", "listed") if data["resolution"] in resolved]
    return bool(born) and all(_links(data, told, "meeting") for data in born) and told.ended("undertaking", "reviewed")


def _links(data: Document, told: Seen, thread: str, relation: str = "grew_from") -> bool:
    """Whether what was said names an exchange of the story as what it grew from, or else is to it."""
    exchanges = {record.exchange for record in told.of(thread)}
    return any(item["relation"] == relation and item["exchange"] in exchanges for item in _list(data.get("links")))


def _list(value: Any) -> list[dict[str, Any]]:
    return value if isinstance(value, list) else []


def _reporters_kept(told: Seen) -> bool:
    """Two openings name a reporter: in full for their authors, withheld from everybody else."""
    named = border.ORIGIN.reporter
    secret = [part.encode() for part in (named.name, named.phone) if part] if named else []
    copies = [(agency, item["event"]) for agency, items in told.inboxes.items() for item in items if item.get("event")]
    others = [copy for agency, copy in copies if copy["source"] != agency]
    hidden = [pointer for copy in others for pointer in withheld(copy["data"]) if pointer.endswith("/reporter")]
    return bool(secret and hidden) and not any(part in canonical(copy) for copy in others for part in secret)
