"""`liandong delivery`: what waits to be brought to partners, how they fare, and what an operator does about it.

Asks the bus over HTTP, with a token of the bus's own key.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import click

from connectors.errors import ReadRefused
from connectors.http.client import AgencyClient, Answer
from contracts.signatures import SigningKey

_WELL: Final = "well"


async def ask(url: str, key: SigningKey, path: str, **query: str | int | None) -> dict[str, Any]:
    """Read something about deliveries. Raises ReadRefused or ClientError."""
    async with AgencyClient(url, key, key.agency) as client:
        return _said(await client.get(f"/v1/deliveries{path}", **query))


async def act(url: str, key: SigningKey, action: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """Do something about deliveries. Raises ReadRefused or ClientError."""
    async with AgencyClient(url, key, key.agency) as client:
        return _said(await client.post(f"/v1/deliveries/{action}", document))


def read(url: str, key: SigningKey, path: str, **query: str | int | None) -> dict[str, Any]:
    """`ask`, from where there is no loop."""
    return asyncio.run(ask(url, key, path, **query))


def do(url: str, key: SigningKey, action: str, **document: Any) -> dict[str, Any]:
    """`act`, from where there is no loop."""
    return asyncio.run(act(url, key, action, document))


def show_list(found: Mapping[str, Any]) -> None:
    """Partners first, then what waits."""
    for item in found["partners"]:
        why = item.get("reason") or item.get("trouble") or ""
        again = f"again at {item['again_at']}" if item.get("again_at") else ""
        line = f"{item['agency']:14} {item['via']:10} {item['state']:8} {item['queued']:>6} queued  {again} {why}"
        click.echo(line.rstrip())
    for item in found["deliveries"]:
        what = f"{item['kind']} {item['exchange']} #{item['sequence']}" if item.get("kind") else "no exchange's"
        next_at = f"next {item['next_at']}" if item.get("next_at") else ""
        tried = f"{item['attempts']} tried" if item["attempts"] else ""
        line = f"  {item['agency']:14} @{item['position']:<6} {item['state']:8} {what}  {tried} {next_at} "
        click.echo((line + str(item.get("reason", ""))).rstrip())
    click.echo(f"{len(found['deliveries'])} shown; nothing is lost while it stands here")


def show_one(found: Mapping[str, Any]) -> None:
    """The stages of each copy, in order."""
    for item in found["stages"]:
        attempt = f"attempt {item['attempt']}" if item["attempt"] > 1 else ""
        line = f"{item['recipient']:14} {item['time']:32} {item['stage']:12} {attempt} {item.get('reason', '')}"
        click.echo(line.rstrip())
    for item in found["queue"]:
        click.echo(f"{item['agency']:14} {item['state']} @{item['position']} {item.get('reason', '')}".rstrip())


def _said(answer: Answer) -> dict[str, Any]:
    if answer.status != 200:
        raise ReadRefused(str(answer.json.get("detail", f"HTTP {answer.status}")))
    return dict(answer.json)
