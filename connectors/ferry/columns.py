"""Columns that forms of several partners share: the parts of `events/parts.py` in 拼音首字母."""

from typing import Final

from connectors.ferry.forms import Codes, Column
from events.parts import RedLine

YES_NO: Final[Codes] = {True: "1", False: "0"}
RED_LINES: Final[Codes] = {RedLine.INSIDE.value: "1", RedLine.OUTSIDE.value: "2"}

NUMBER: Final = Column("wh", "number", number=True)
DECIDED: Final = Column("jdrq", "decided_on")
GROUND: Final = (Column("lydm", "ground/code"), Column("ly", "ground/reason"))
CITATIONS: Final = (Column("flmc", "law"), Column("tk", "article"))
CONTACT: Final = (Column("xm", "name"), Column("dh", "phone"), Column("bm", "unit"), Column("dz", "address"))
FILES: Final = (
    Column("mc", "title"),
    Column("zy", "digest"),
    Column("dx", "size"),
    Column("mtlx", "media_type"),
    Column("fs", "copies"),
    Column("ys", "pages"),
)
ATTACHED: Final = Column("fj", "attachments", rows=FILES)
PERSONS: Final = (
    Column("xm", "name"),
    Column("xb", "sex"),
    Column("sfzh", "identity_number"),
    Column("qtzjlx", "other_identity/type"),
    Column("qtzjhm", "other_identity/number"),
    Column("dh", "phone"),
    Column("zz", "address"),
)
UNITS: Final = (
    Column("mc", "name"),
    Column("xydm", "social_credit_code"),
    Column("fddbr", "legal_representative"),
    Column("dh", "phone"),
    Column("dz", "address"),
)
PARTIES: Final = (
    Column("xyr", "parties/persons", rows=PERSONS, always=True),
    Column("xydw", "parties/units", rows=UNITS, always=True),
)
PLACE: Final = (
    Column("dz", "address"),
    Column("qh", "division"),
    Column("jd", "cgcs2000/longitude"),
    Column("wd", "cgcs2000/latitude"),
)
ACT: Final = (
    Column("cmxw", "facts"),
    Column("fxsj", "found_at"),
    Column("sl", "quantity/value"),
    Column("sldw", "quantity/unit"),
    Column("ssje", "loss"),
    Column("cphm", "plates"),
)
