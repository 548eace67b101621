"""Cells that forms of several partners share: the parts of `events/parts.py`, their names in 拼音首字母."""

from typing import Final

from connectors.forms.table import NUMBERED, Cell, Form, Rows, Terms
from events.common import (
    Chased,
    ExtensionGranted,
    ExtensionRefused,
    ExtensionRequested,
    WithdrawalRefused,
    WithdrawalRequested,
    Withdrawn,
)
from events.parts import RedLine

YES_NO: Final = Terms({True: "1", False: "0"})
RED_LINES: Final = Terms({RedLine.INSIDE.value: "1", RedLine.OUTSIDE.value: "2"})

NUMBER: Final = Cell("/number", "wh", NUMBERED)
DECIDED: Final = Cell("/decided_on", "jdrq")
GROUND: Final = (Cell("/ground/code", "lydm"), Cell("/ground/reason", "ly"))
CITATION: Final = (Cell("/law", "flmc"), Cell("/article", "tk"))
CITATIONS: Final = Rows(CITATION)
CONTACT: Final = (Cell("/name", "xm"), Cell("/phone", "dh"), Cell("/unit", "bm"), Cell("/address", "dz"))
FILE: Final = (
    Cell("/title", "mc"),
    Cell("/digest", "zy"),
    Cell("/size", "dx"),
    Cell("/media_type", "mtlx"),
    Cell("/copies", "fs"),
    Cell("/pages", "ys"),
)
FILES: Final = Rows(FILE)
ATTACHED: Final = Cell("/attachments", "fj", FILES)
PERSONS: Final = Rows(
    (
        Cell("/name", "xm"),
        Cell("/sex", "xb"),
        Cell("/identity_number", "sfzh"),
        Cell("/other_identity/type", "qtzjlx"),
        Cell("/other_identity/number", "qtzjhm"),
        Cell("/phone", "dh"),
        Cell("/address", "zz"),
    )
)
UNITS: Final = Rows(
    (
        Cell("/name", "mc"),
        Cell("/social_credit_code", "xydm"),
        Cell("/legal_representative", "fddbr"),
        Cell("/phone", "dh"),
        Cell("/address", "dz"),
    )
)
PARTIES: Final = (
    Cell("/parties/persons", "xyr", PERSONS),
    Cell("/parties/units", "xydw", UNITS),
)
PLACE: Final = (
    Cell("/address", "dz"),
    Cell("/division", "qh"),
    Cell("/cgcs2000/longitude", "jd"),
    Cell("/cgcs2000/latitude", "wd"),
)
ACT: Final = (
    Cell("/facts", "cmxw"),
    Cell("/found_at", "fxsj"),
    Cell("/quantity/value", "sl"),
    Cell("/quantity/unit", "sldw"),
    Cell("/loss", "ssje"),
    Cell("/plates", "cphm"),
)

COMMON: Final = (
    Form("sqch", WithdrawalRequested, (Cell("/reason", "ly"),), name="申请撤回"),
    Form("chtz", Withdrawn, (Cell("/reason", "ly"),), name="撤回通知"),
    Form("btych", WithdrawalRefused, (Cell("/reason", "ly"),), name="不同意撤回"),
    Form("sqyq", ExtensionRequested, (Cell("/reason", "ly"), Cell("/new_date", "rq")), name="申请延期"),
    Form("tyyq", ExtensionGranted, (Cell("/new_date", "rq"), Cell("/agency", "sqdw")), name="同意延期"),
    Form("btyyq", ExtensionRefused, (Cell("/reason", "ly"), Cell("/agency", "sqdw")), name="不同意延期"),
    Form("dbtz", Chased, (Cell("/concerns", "sx"), Cell("/respond_by", "fkqx")), name="督办通知"),
)
"""What every exchange has, whoever the partner is."""
