"""The hop table: the way of one event through the services, drawn from the topics for README and tests."""

from pathlib import Path
from typing import Final

from contracts.files import PACKAGED, ContractPart, read
from contracts.topics import DEAD_LETTERS, Topics


class Hop(ContractPart):
    """One service on the way: what it does, and what it reads and writes besides topics."""

    service: str
    does: str
    does_zh: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]


class Hops(ContractPart):
    """The services in the order in which an event meets them."""

    hops: tuple[Hop, ...]


HEADINGS: Final = {
    "en": ("hop", "room", "does", "reads", "writes"),
    "zh": ("跳", "房间", "职责", "读", "写"),
}


def load(path: Path = PACKAGED / "hops.yaml") -> tuple[Hop, ...]:
    """The hops. Raises UnusableContract."""
    return read(Hops, path).hops


def table(hops: tuple[Hop, ...], topics: Topics, language: str = "en") -> str:
    """The table as Markdown, in English (`en`) or Chinese (`zh`)."""
    heading = HEADINGS[language]
    lines = [" | ".join(heading), "|".join("---" for _ in heading)]
    for number, hop in enumerate(hops, start=1):
        does = hop.does_zh if language == "zh" else hop.does
        reads, writes = _topics(hop.service, topics)
        cells = (
            str(number),
            f"`services/{hop.service}`",
            does,
            ", ".join([*hop.reads, *reads]),
            ", ".join([*hop.writes, *writes]),
        )
        lines.append(" | ".join(cells))
    return "\n".join(f"| {line} |" if "---" not in line else f"|{line}|" for line in lines)


def _topics(service: str, topics: Topics) -> tuple[list[str], list[str]]:
    known = [topic for topic in topics.by_name.values() if topic.name != DEAD_LETTERS]
    return (
        [f"`{topic.name}`" for topic in known if service in topic.consumers],
        [f"`{topic.name}`" for topic in known if service in topic.producers],
    )
