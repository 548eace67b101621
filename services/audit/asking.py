"""What the questions about timelines and figures have in common."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Final

from connectors.http.query import bad, matching
from services.audit.printing.wording import Language

_A_DAY: Final = re.compile(r"2[0-9]{3}-[0-9]{2}-[0-9]{2}")


def language(given: Mapping[str, str]) -> Language:
    """The language of a page, `lang`. Raises ProblemError."""
    return "en" if matching(given, "lang", "zh|en", "zh or en") == "en" else "zh"


def day(given: Mapping[str, str], name: str) -> date:
    """A day of the years 2000 to 2999 that must be given. Raises ProblemError."""
    value = given.get(name, "")
    try:
        found = date.fromisoformat(value) if _A_DAY.fullmatch(value) else None
    except ValueError:
        found = None
    if found is None:
        raise bad(name, "must be a day such as 2026-11-01, of the years 2000 to 2999")
    return found
