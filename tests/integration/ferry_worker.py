"""A child of test_ferry.py: sends numbered items until it is killed, and notes each that it was told is sent."""

import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from connectors.ferry.crossing import Ferry, Item
from connectors.ferry.folders import Folders
from connectors.ferry.papers import Ends
from tests.support.channels import MemoryFiles
from tests.support.factory import key, world


async def main(home: Path) -> None:
    ferry = Ferry(
        Ends("310112-bus", "310112-ga"),
        Folders(home / "outgoing", home / "incoming"),
        key=key("310112-bus"),
        keys=world().agencies,
        files=MemoryFiles(),
        clock=lambda: datetime(2026, 11, 12, 2, tzinfo=UTC),
    )
    noted = home / "sent.log"
    lines = noted.read_text().split("\n")[:-1] if noted.exists() else []
    number = int(lines[-1]) if lines else 0
    cursor = None
    log = os.open(noted, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    while True:
        number += 1
        await ferry.send([Item(str(number), f"{number:09d}".encode() * 20_000)])
        os.write(log, f"{number}\n".encode())
        cursor = (await ferry.look(cursor)).cursor


asyncio.run(main(Path(sys.argv[1])))
