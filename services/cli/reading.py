"""What is read from a running bus: timelines, and the report of a period."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rich.console import Console

from connectors.errors import ReadRefused
from connectors.http.client import AgencyClient, Answer
from contracts.signatures import SigningKey
from services.cli.agencies import agency_key
from services.cli.draw import draw, draw_report
from services.kernel.keys import agencies_of

TEXT = "text"


async def timeline(
    url: str, bus: str, readers: Sequence[SigningKey], id_: str, *, form: str, language: str
) -> tuple[str, Answer]:
    """The timeline of an exchange or a case for the first of these agencies that may see it, and who that is.

    Raises ReadRefused with what the bus said to the last of them.
    """
    wanted = "json" if form == TEXT else form
    answer = None
    for key in readers:
        async with AgencyClient(url, key, bus) as client:
            answer = await client.get(f"/v1/timelines/{quote(id_, safe='')}", format=wanted, lang=language)
        if answer.status != 404:
            return key.agency, _read(answer)
    raise ReadRefused(f"no timeline of {id_} for {', '.join(key.agency for key in readers) or 'nobody: no key'}")


async def report(
    url: str, key: SigningKey, bus: str, *, begin: date, end: date, agency: str | None, form: str, language: str
) -> Answer:
    """The figures and findings of a period, `end` included. Raises ReadRefused."""
    async with AgencyClient(url, key, bus) as client:
        return _read(
            await client.get(
                "/v1/indicators",
                **{"from": begin.isoformat(), "to": end.isoformat()},
                agency=agency,
                format=form,
                lang=language,
            )
        )


def readers(keys: Path, code: str | None) -> list[SigningKey]:
    """The key of an agency, or those of all agencies that have one here. Raises FileNotFoundError."""
    return [agency_key(agency, keys) for agency in ([code] if code else agencies_of(keys))]


def show_timeline(document: dict[str, Any]) -> None:
    """Draw the timeline of an exchange, or of each exchange of a case."""
    say = Console(highlight=False).print
    for exchange in document.get("exchanges", [document]):
        entries = [
            entry
            for entry in document["entries"]
            if (entry["kind"], entry["exchange"]) == (exchange["kind"], exchange["exchange"])
        ]
        draw({**exchange, "entries": entries}, say)


def show_report(document: dict[str, Any]) -> None:
    """Print the figures of a period."""
    draw_report(document, Console(highlight=False).print)


def _read(answer: Answer) -> Answer:
    if answer.status != 200:
        problem = answer.json
        raise ReadRefused(str(problem.get("detail") or problem.get("title") or f"HTTP {answer.status}"))
    return answer
