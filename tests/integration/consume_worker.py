"""A worker process for test_consume.py: it is started, watched through a file, and killed.

Every line of its journal is one JSON object: what was assigned, revoked, begun, handled or held.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from connectors.kafka.consume import Backoff, Consumer, Partition, Reason, Record
from connectors.kafka.settings import KafkaSettings


class Journal:
    """Handles by writing down; fails on `poison` in a value, and for as long as a file `trouble` is there."""

    def __init__(self, path: Path, pause: float) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._trouble = path.with_suffix(".trouble")
        self._pause = pause

    def write(self, **line: Any) -> None:
        self._file.write(json.dumps(line | {"pid": os.getpid()}) + "\n")
        self._file.flush()

    async def handle(self, batch: Sequence[Record]) -> None:
        self.write(begun=[str(record) for record in batch])
        if self._trouble.exists():
            raise ConnectionError("the database is away")
        if any(b"poison" in record.value for record in batch):
            raise ValueError("poison")
        await asyncio.sleep(self._pause)
        self.write(handled=[str(record) for record in batch], values=[r.value.decode() for r in batch])

    async def hold(self, record: Record, reason: Reason) -> None:
        self.write(held=str(record), reason=str(reason))

    def assigned(self, partitions: frozenset[Partition]) -> None:
        self.write(assigned=sorted(partitions))

    def revoked(self, partitions: frozenset[Partition]) -> None:
        self.write(revoked=sorted(partitions))


async def run(options: argparse.Namespace) -> None:
    """Consume until SIGTERM."""
    consumer = Consumer(
        group=options.group,
        topics=options.topics.split(","),
        handler=Journal(Path(options.journal), options.pause),
        settings=KafkaSettings(bootstrap=options.bootstrap),  # pyright: ignore[reportCallIssue]
        dead_letter_topic=options.dead_letters,
        batch=options.batch,
        backoff=Backoff(first=0.05, cap=0.2),
        stall=timedelta(seconds=options.stall),
    )
    if options.deaf:
        make_deaf(consumer)
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
    await consumer.start()
    await asked.wait()
    await consumer.stop()


def make_deaf(consumer: Consumer) -> None:
    """What aiokafka's silent stop looks like from here: members of the group, and nothing is ever fetched."""

    async def nothing(*_: Any, **__: Any) -> dict[Any, Any]:
        await asyncio.sleep(0.2)
        return {}

    consumer._group._app.consumer._getmany = nothing  # type: ignore[attr-defined]


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("bootstrap", "group", "topics", "journal", "dead-letters"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--deaf", action="store_true")
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--pause", type=float, default=0.0)
    parser.add_argument("--stall", type=float, default=60.0)
    logging.basicConfig(level=logging.INFO)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
