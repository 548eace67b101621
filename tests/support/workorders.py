"""Work orders of every shape, drawn at random: for the forms of partners."""

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st
from pydantic import JsonValue

from contracts import grounds
from contracts.canonical import instant, timestamp
from events import common, workorder
from events.fact import Fact
from events.parts import (
    Archive,
    Attachment,
    Cause,
    Citation,
    CompetentBody,
    Contact,
    DossierRef,
    Ground,
    Link,
    Place,
    Position,
    RedLine,
    Relation,
    Reporter,
    Urgency,
)
from events.penalties import CaseCategory

LETTERS = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp", "Cf"])
lines = st.text(LETTERS, min_size=1, max_size=12)
numbers = st.integers(1, 9999).map(lambda number: f"闵网格〔2026〕{number}号")
agencies = st.sampled_from(["310112102-cg", "310112-cg", "310112107-cg"])
days = st.dates(date(2020, 1, 1), date(2035, 1, 1))
zones = st.sampled_from([UTC, timezone(timedelta(hours=8)), timezone(timedelta(hours=-5, minutes=-30))])
moments = st.integers(int(datetime(2020, 1, 1, tzinfo=UTC).timestamp()) * 10, 20_000_000_000).map(
    lambda tenths: datetime.fromtimestamp(tenths / 10, UTC)
)
instants = st.builds(lambda at, zone: at.astimezone(zone), moments, zones)
contacts = st.builds(Contact, name=lines, phone=lines, unit=st.none() | lines, address=st.none() | lines)
digests = st.binary(min_size=32, max_size=32).map(lambda raw: f"sha-256:{raw.hex()}")
attachments = st.builds(
    Attachment,
    title=lines,
    digest=digests,
    size=st.integers(1, 10**9),
    media_type=st.sampled_from(["image/jpeg", "application/pdf"]),
    copies=st.none() | st.integers(1, 9),
    pages=st.none() | st.integers(1, 9),
)
photos = st.lists(attachments, max_size=3).map(tuple)
degrees = st.integers(0, 90_000_000).map(lambda number: f"{number / 10**6:.6f}")
positions = st.builds(Position, longitude=degrees, latitude=degrees)
places = st.builds(
    Place,
    address=lines,
    division=st.sampled_from(["310112", "310112102"]),
    wgs84=st.none() | positions,
    cgcs2000=st.none() | positions,
    red_line=st.none() | st.sampled_from(RedLine),
)
links = st.builds(
    Link,
    relation=st.sampled_from(Relation),
    kind=st.sampled_from(["workorder", "notice"]),
    exchange=st.uuids(),
    sequence=st.none() | st.integers(1, 99),
)
citations = st.builds(Citation, law=lines, article=lines)
codes = st.sampled_from([ground.code for ground in grounds.load().by_kind["workorder"]])
grounds_ = st.builds(Ground, code=codes, reason=lines)
channels = st.sampled_from(workorder.Channel)
satisfactions = st.none() | st.sampled_from(workorder.Satisfaction)


@st.composite
def limits(draw: st.DrawFn) -> dict[str, Any]:
    channel = draw(channels)
    hotline = channel in workorder.HOTLINES
    named = [limit for limit in workorder.Limit if hotline or not limit.startswith("wd")]
    limit = draw(st.sampled_from(named))
    return {
        "channel": channel,
        "matter": draw(st.sampled_from(workorder.Matter)),
        "limit": limit,
        "do_by": draw(days) if limit is workorder.Limit.DAY else None,
    }


@st.composite
def dispatched(draw: st.DrawFn) -> workorder.Dispatched:
    return workorder.Dispatched(
        **draw(limits()),
        number=draw(lines),
        recipient=draw(agencies),
        title=draw(lines),
        content=draw(lines),
        category=draw(st.none() | st.sampled_from(CaseCategory)),
        big_class=draw(st.none() | lines),
        small_class=draw(st.none() | lines),
        grid_number=draw(st.none() | lines),
        place=draw(st.none() | places),
        recorded_at=draw(instants),
        recorded_by=draw(st.none() | lines),
        dispatched_at=draw(instants),
        reporter=draw(st.none() | st.builds(Reporter, name=lines, phone=lines)),
        first_contact=draw(st.booleans()),
        remark=draw(st.none() | lines),
        urgency=draw(st.sampled_from(Urgency)),
        dossier=draw(st.none() | st.builds(DossierRef, archive=st.sampled_from(Archive), number=lines)),
        photos=draw(photos),
        contact=draw(contacts),
        links=draw(st.lists(links, max_size=2).map(tuple)),
    )


@st.composite
def redispatched(draw: st.DrawFn) -> workorder.Redispatched:
    return workorder.Redispatched(**draw(limits()), recipient=draw(agencies), reason=draw(lines))


FACTS: list[st.SearchStrategy[Fact]] = [
    dispatched(),
    redispatched(),
    st.builds(
        workorder.Accepted,
        channel=channels,
        number=st.none() | numbers,
        first_contact=st.none()
        | st.builds(workorder.FirstContact, contacted_at=instants, reached=st.booleans(), note=st.none() | lines),
        contact=contacts,
    ),
    st.builds(
        workorder.SentBack,
        ground=grounds_,
        competent_body=st.none()
        | st.builds(
            CompetentBody,
            name=lines,
            agency=st.none() | agencies,
            legal_basis=st.lists(citations, max_size=2).map(tuple),
        ),
        legal_basis=st.lists(citations, max_size=2).map(tuple),
        attachments=photos,
        contact=contacts,
    ),
    st.builds(workorder.Upheld, ground=grounds_),
    st.builds(
        workorder.CaseLinked,
        case_number=lines,
        filed_on=days,
        cause=st.none() | st.builds(Cause, name=lines, code=st.none() | lines),
        category=st.none() | st.sampled_from(CaseCategory),
        link=st.none()
        | st.builds(Link, relation=st.just(Relation.BECAME), kind=st.just("transfer"), exchange=st.uuids()),
    ),
    st.builds(
        workorder.Done,
        resolution=st.sampled_from(workorder.Resolution),
        result=lines,
        on_site_at=st.none() | instants,
        done_at=instants,
        handled_by=contacts,
        contacted=st.booleans(),
        satisfaction=satisfactions,
        not_a_case=st.none() | lines,
        before=photos,
        after=photos,
    ),
    st.builds(
        workorder.Verified,
        verified_at=instants,
        verified_by=lines,
        satisfaction=satisfactions,
        note=st.none() | lines,
        photos=photos,
    ),
    st.builds(workorder.Reopened, ground=grounds_, do_by=st.none() | days, photos=photos),
    st.builds(workorder.Closed, closed_at=instants, note=st.none() | lines),
    st.builds(common.Chased, concerns=lines, respond_by=st.none() | days),
    st.builds(common.ExtensionRequested, reason=lines, new_date=days),
    st.builds(common.ExtensionGranted, new_date=days, agency=st.none() | agencies),
    st.builds(common.ExtensionRefused, reason=lines, agency=st.none() | agencies),
    st.builds(common.WithdrawalRequested, reason=lines),
    st.builds(common.Withdrawn, reason=lines),
    st.builds(common.WithdrawalRefused, reason=lines),
]
any_fact = st.one_of(FACTS)


def pruned(data: JsonValue, pointers: Collection[str], here: str = "/data") -> JsonValue:
    """The data without members and without empty lists; instants in one spelling."""
    if isinstance(data, dict):
        kept = {name: pruned(item, pointers, f"{here}/{name}") for name, item in data.items()}
        return {name: item for name, item in kept.items() if f"{here}/{name}" not in pointers and item != []}
    if isinstance(data, list):
        kept_items = [(f"{here}/{index}", item) for index, item in enumerate(data)]
        return [pruned(item, pointers, at) for at, item in kept_items if at not in pointers]
    return timestamp(instant(data)) if isinstance(data, str) and here.endswith("_at") else data
