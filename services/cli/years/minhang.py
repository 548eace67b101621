"""闵行 2023: the whole plan, made from the publication `minhang-2023` of `contracts/figures`."""

from collections.abc import Sequence
from operator import attrgetter
from random import Random
from typing import Final

from contracts.agencies import Agencies
from contracts.calendar import Calendars
from contracts.figures import Publication
from events.filing import FilingType
from events.letter import Channel as LetterChannel
from events.workorder import Channel
from services.cli.partners.partner import Seat
from services.cli.years import cast, consortium, decisions, leads, operations, orders, reviews
from services.cli.years.decisions import Rulings
from services.cli.years.diary import Diary, Slots, Step
from services.cli.years.published import Published

PUBLICATION: Final = "minhang-2023"
SEED: Final = 2023

SEATS: Final = (
    Seat(cast.HOTLINE, "hotline", options={"repeat_days": 0}),
    Seat(cast.HOUSING, "housing"),
    Seat(cast.GRID, "grid"),
    Seat(cast.POLICE, "police", gap=True),
    Seat(cast.WUXI, "provinces", gap=True),
    *(Seat(city, "provinces") for city in (cast.NANTONG, cast.CHANGZHOU, cast.JIAXING)),
    Seat(cast.TRAFFIC_POLICE, "webhook"),
)
"""Who sits behind a channel of its own. The hotline says itself which order repeats another."""

_OCCASIONS: Final = (("2023-01-03", "春运虹桥枢纽"), ("2023-09-20", "网球大师赛"), ("2023-10-25", "进博会"))


def plan(publication: Publication, agencies: Agencies, calendars: Calendars, seed: int = SEED) -> Sequence[Step]:
    """The steps of the year, in order; of one exchange in the order in which they have to be stated."""
    published = Published.of(publication)
    slots = Slots.of(publication.begin, publication.end, calendars.newest())
    diary = Diary(slots, Random(seed), cast.names_of_teams(agencies))  # noqa: S311, nothing secret
    _orders_and_decisions(diary, published)
    _consortium(diary, published)
    _reviews(diary, published)
    operations.community(diary, published["community_operations"])
    operations.random_checks(diary, published["random_check_cases"])
    operations.support(diary, _OCCASIONS)
    return sorted(diary.steps, key=attrgetter("at"))


def _orders_and_decisions(diary: Diary, published: Published) -> None:
    origins = orders.hotline(
        diary,
        {
            Channel.HOTLINE_12345: published["hotline_12345_orders"],
            Channel.HOTLINE_12319: published["hotline_12319_orders"],
            Channel.HOTLINE_962000: published["hotline_962000_orders"],
        },
        published.part("hotline_orders_linked_share", "hotline_orders"),
    )
    orders.petitions(diary, Channel.PETITION, "信访", published["petitions"])
    orders.petitions(diary, Channel.VISIT, "来访", published["petition_visits"])
    orders.community(diary, published["community_reports"], published["community_reports_done"])
    orders.xinmin(diary, published["xinmin_requests"])
    orders.inspections(diary, published["inspection_problems"])
    rulings, blocks = Rulings(diary), decisions.blocks(published)
    decisions.tell(rulings, blocks.plain, origins)
    operations.road(rulings, published["road_operations"], blocks.road)
    leads.leads(rulings, published["cross_province_leads"], blocks.leads)


def _consortium(diary: Diary, published: Published) -> None:
    consortium.meetings(diary, published["rota_meetings"], published["topic_meetings"])
    consortium.projects(diary, published["annual_projects"])
    consortium.actions(diary, published["action_list_items_done"])
    consortium.transfers(diary, published["transfers_via_consortium"])
    consortium.collaborations(diary, published["collaborations_via_consortium"])
    consortium.letters(diary, published["letters_by_bureau"], LetterChannel.BUREAU)
    consortium.letters(diary, published["letters_via_consortium"], LetterChannel.CONSORTIUM)
    operations.consortium(diary, published["joint_operations_via_consortium"])


def _reviews(diary: Diary, published: Published) -> None:
    reviews.filings(diary, FilingType.LEGAL_REVIEW, published["major_decisions_reviewed"], 20)
    reviews.filings(diary, FilingType.DEMOLITION_REVIEW, published["demolition_cases_reviewed"], 6)
    reviews.filings(diary, FilingType.MAJOR_CASE, published["major_case_filings"], published["filing_problems_found"])
    reviews.results(diary, published["reconsideration_and_litigation_results"])
    reviews.property_firms(diary)
