"""What is read from a running bus: timelines, and the report of a period."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

import click
import orjson
from rich.console import Console

from connectors.errors import ReadRefused
from connectors.http.client import AgencyClient, Answer
from contracts.signatures import SigningKey
from services.cli.agencies import agency_key
from services.cli.draw import draw, draw_links, draw_report
from services.kernel.keys import agencies_of

TEXT = "text"
_PAGE: Final = 200


async def timeline(
    url: str, bus: str, readers: Sequence[SigningKey], id_: str, *, form: str, language: str
) -> tuple[str, Answer]:
    """The timeline of an exchange or a case for the first of these agencies that may see it, and who that is.

    Of a large case: all of it, for text and JSON; in another format its first page, and that is said on stderr.
    Raises ReadRefused with what the bus said to the last of them.
    """
    path, limit = f"/v1/timelines/{quote(id_, safe='')}", None if _of_exchange(id_) else _PAGE
    wanted = "json" if form == TEXT else form
    for key in readers:
        async with AgencyClient(url, key, bus) as client:
            answer = await client.get(path, format=wanted, lang=language, limit=limit)
            if answer.status == 404:
                continue
            if wanted == "json":
                return key.agency, await _whole(client, path, _read(answer))
            if "Link" in _read(answer).headers:
                click.echo(
                    f"{id_} has more exchanges than this first page of it; text and json have them all", err=True
                )
            return key.agency, answer
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


def merged(pages: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The pages of a case as one document; the one page of an exchange as it is."""
    first, *others = pages
    if not others:
        return first
    entries = [entry for page in pages for entry in page["entries"]]
    return {
        **first,
        "exchanges": [exchange for page in pages for exchange in page["exchanges"]],
        # Each page is in order, and what is recorded in the same instant is by exchange.
        "entries": sorted(entries, key=lambda entry: (_recorded(entry), entry["kind"], entry["exchange"])),
        # A link between exchanges of two pages stands on both.
        "links": [*{str(link): link for page in pages for link in page["links"]}.values()],
        "delay": {"totals": _summed([item for page in pages for item in page["delay"]["totals"]])},
        "more": False,
        "cursor": None,
    }


def show_timeline(document: dict[str, Any]) -> None:
    """Draw the timeline of an exchange, or of each exchange of a case."""
    say = Console(highlight=False, emoji=False).print
    for exchange in document.get("exchanges", [document]):
        entries = [
            entry
            for entry in document["entries"]
            if (entry["kind"], entry["exchange"]) == (exchange["kind"], exchange["exchange"])
        ]
        draw({**exchange, "entries": entries}, say)
    draw_links(document.get("links", []), say)


def show_report(document: dict[str, Any]) -> None:
    """Print the figures of a period."""
    draw_report(document, Console(highlight=False, emoji=False).print)


async def _whole(client: AgencyClient, path: str, first: Answer) -> Answer:
    """The first answer and all pages after it as one. Raises ReadRefused."""
    pages = [first.json]
    while pages[-1].get("more"):
        pages.append(_read(await client.get(path, limit=_PAGE, cursor=pages[-1]["cursor"])).json)
    if len(pages) == 1:
        return first
    return replace(first, body=orjson.dumps(merged(pages), option=orjson.OPT_SORT_KEYS))


def _of_exchange(id_: str) -> bool:
    try:
        UUID(id_)
    except ValueError:
        return False
    return True


def _recorded(entry: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(entry["recordedtime"])


def _summed(totals: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Totals by account and cause, in that order, exact to the six digits that they have."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for item in totals:
        key = item["account"]["agency"], item["cause"]
        before = found[key]["seconds"] if key in found else 0.0
        found[key] = {**item, "seconds": float(Decimal(str(before)) + Decimal(str(item["seconds"])))}
    return [found[key] for key in sorted(found)]


def _read(answer: Answer) -> Answer:
    if answer.status != 200:
        problem = answer.json
        raise ReadRefused(str(problem.get("detail") or problem.get("title") or f"HTTP {answer.status}"))
    return answer
