"""A first submission: 闵行城管 transfers a case to 青浦城管. The case and everybody in it are invented."""

import asyncio
from pathlib import Path

from connectors.http.client import AgencyClient, new_event, new_id
from services.cli.agencies import agency_key
from services.cli.story import border


async def main() -> None:
    key = agency_key("310112-cg", Path("liandong-data/keys"))
    async with AgencyClient("http://127.0.0.1:8700", key, bus="310112-bus") as agency:
        event = new_event(key, border.sent, exchange=new_id(), case="SYN-2026-0001", home="310112-bus")
        answer = await agency.submit_surely(event, wait=10)
        print(answer.status, answer.body.decode())


asyncio.run(main())
