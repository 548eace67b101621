"""What the questions about timelines and figures have in common."""

from collections.abc import Mapping
from datetime import date

from connectors.http.query import bad, matching
from services.audit.printing.wording import Language


def language(given: Mapping[str, str]) -> Language:
    """The language of a page, `lang`. Raises ProblemError."""
    return "en" if matching(given, "lang", "zh|en", "zh or en") == "en" else "zh"


def day(given: Mapping[str, str], name: str) -> date:
    """A day that must be given. Raises ProblemError."""
    try:
        return date.fromisoformat(given.get(name, ""))
    except ValueError as error:
        raise bad(name, "must be a day such as 2026-11-01") from error
