"""CPU time that each process spends on one event, from POST to timeline-visible.

    .venv/bin/python benchmarks/cpu_per_event.py [EVENTS] [EVENTS PER REQUEST]

On a shared machine events/s say how busy the others are; CPU time per event, beside that of the client, says what a
change has cost or saved.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

import psutil

from services.cli import bench
from services.cli.agencies import new_agency
from services.cli.stack import Stack
from services.cli.story import border


def spent(stack: Stack) -> dict[str, float]:
    """Seconds of CPU time that each part has used so far."""
    roots = {name: child.pid for name, child in stack.children.items()}
    roots |= {engine.name: engine.pid for engine in stack.engines} | {"client": psutil.Process().pid}
    return {name: sum(map(_seconds, _family(pid, alone=name == "client"))) for name, pid in roots.items()}


def _family(pid: int, *, alone: bool) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process] if alone else [process, *process.children(recursive=True)]


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def measure(stack: Stack, events: int, size: int) -> None:
    sender = new_agency(border.MINHANG, stack.keys, stack.contracts)
    new_agency(border.QINGPU, stack.keys, stack.contracts)
    async with bench.clients(stack, sender) as clients:
        await bench.fly(stack, clients, [bench.submission(stack, sender) for _ in range(500)], None, 1)
        submissions = [bench.submission(stack, sender) for _ in range(events)]
        before = spent(stack)
        flight = await bench.fly(stack, clients, submissions, None, size)
        after = spent(stack)
    print(f"{events / flight.last:.0f} events/s")
    for name, seconds in after.items():
        print(f"{name:10} {(seconds - before[name]) / events * 1000:.2f} ms/event")


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]] + [3000, 1][len(sys.argv) - 1 :]
    with tempfile.TemporaryDirectory(prefix="liandong-bench-") as folder, Stack(Path(folder)) as running:
        asyncio.run(measure(running, numbers[0], numbers[1]))
