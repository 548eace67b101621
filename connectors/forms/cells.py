"""Cells that the forms of several partners share: their names for files, contacts, grounds and provisions."""

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import JsonValue

from connectors.forms.table import YES_NO, Cell, Rows, Terms

FILE: Final = (
    Cell("/title", "name"),
    Cell("/digest", "digest"),
    Cell("/size", "size"),
    Cell("/media_type", "mediaType"),
    Cell("/copies", "copies"),
    Cell("/pages", "pages"),
)
FILES: Final = Rows(FILE)
"""附件. The partner gives the digest too: what is fetched is checked against it, and the fact does not wait for it."""

CITATIONS: Final = Rows((Cell("/law", "law"), Cell("/article", "article")))
"""法律依据."""

OFFICERS: Final = Rows((Cell("/name", "name"), Cell("/certificate", "certificateNo"), Cell("/leads", "leads", YES_NO)))
"""执法人员."""

COMPETENT: Final = (
    Cell("/competent_body/name", "competentName"),
    Cell("/competent_body/agency", "competentCode"),
    Cell("/competent_body/legal_basis", "competentBasis", CITATIONS),
)
"""有管辖权的机关."""

URGENCY: Final = Terms({"ordinary": "平件", "expedited": "加急", "extra": "特急"})
CATEGORY: Final = Terms(
    {
        "greening": "绿化",
        "appearance": "市容",
        "municipal": "市政",
        "environment": "环境保护",
        "water": "水务",
        "commerce": "工商",
        "construction": "建设",
        "property": "物业管理",
        "housing": "房屋使用",
        "planning": "城乡规划",
        "household_waste": "生活垃圾",
        "construction_waste": "建筑垃圾",
        "advertising": "户外广告",
        "fumes": "油烟",
        "straw": "秸秆",
        "river": "河道",
        "other": "其他",
    }
)
"""案件大类."""


def contact(member: str = "contact") -> Sequence[Cell]:
    """联系人, 承办人."""
    return (
        Cell(f"/{member}/name", "contactName"),
        Cell(f"/{member}/phone", "contactPhone"),
        Cell(f"/{member}/unit", "contactUnit"),
        Cell(f"/{member}/address", "contactAddress"),
    )


def ground(words: Mapping[JsonValue, str]) -> Sequence[Cell]:
    """理由: from their list where it has the code; the list is open, as ours is."""
    return Cell("/ground/code", "ground", Terms(words, open=True)), Cell("/ground/reason", "groundText")
