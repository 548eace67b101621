"""Query parameters: each given once, none unknown, and a 400 that names the one that is wrong."""

import re
from collections.abc import Mapping

from aiohttp import web

from connectors.http.problem import ProblemError


def parameters(request: web.Request, *known: str) -> Mapping[str, str]:
    """The parameters of a request. Raises ProblemError for one that is unknown or given twice."""
    for name in request.query:
        if name not in known:
            raise bad(name, f"there is no such parameter; known: {', '.join(known) or 'none'}")
        if len(request.query.getall(name)) > 1:
            raise bad(name, "is given twice")
    return dict(request.query)


def whole(given: Mapping[str, str], name: str, default: int, *, lowest: int, highest: int) -> int:
    """A whole number within bounds. Raises ProblemError."""
    text = given.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,9}", text) or not lowest <= int(text) <= highest:
        raise bad(name, f"must be a whole number from {lowest} to {highest}")
    return int(text)


def matching(given: Mapping[str, str], name: str, pattern: str, what: str) -> str | None:
    """A text of a form that is `what` in words, or None where it is not given. Raises ProblemError."""
    text = given.get(name)
    if text is not None and not re.fullmatch(pattern, text):
        raise bad(name, f"must be {what}")
    return text


def bad(name: str, detail: str) -> ProblemError:
    """The 400 about a parameter."""
    return ProblemError("bad-parameter", f"{name}: {detail}", members={"parameter": name})
