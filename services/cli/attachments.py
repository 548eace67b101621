"""Attachments, brought and fetched by an agency whose key is here."""

import asyncio
from pathlib import Path

from connectors.http.client import AgencyClient
from services.cli.agencies import agency_key


def agency(url: str, bus: str, code: str, keys: Path) -> AgencyClient:
    """The client of an agency. Raises FileNotFoundError."""
    return AgencyClient(url, agency_key(code, keys), bus)


async def put(client: AgencyClient, path: Path) -> str:
    """Bring a file; its digest. Raises ConnectorError, or TimeoutError when nothing gets on."""
    async with client:
        return await client.upload(path)


async def get(client: AgencyClient, digest: str, output: Path) -> int:
    """Fetch a file to a path; how long it is. Raises ConnectorError, or TimeoutError when nothing gets on."""
    async with client:
        await client.download(digest, output)
    return (await asyncio.to_thread(output.stat)).st_size
