"""The hop table: the way of one event through the services, drawn from the topics for README and tests.

`python -m contracts.hops README.md README.zh-CN.md` puts it where it belongs.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from contracts import topics as all_topics
from contracts.files import PACKAGED, ContractPart, read
from contracts.topics import DEAD_LETTERS, REGISTRAR, Topics


class Hop(ContractPart):
    """One service on the way, `*` being the registrars: what it does, and what it reads and writes besides topics."""

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
            rooms(hop, topics),
            does,
            ", ".join([*hop.reads, *reads]),
            ", ".join([*hop.writes, *writes]),
        )
        lines.append(" | ".join(cells))
    return "\n".join(f"| {line} |" if "---" not in line else f"|{line}|" for line in lines)


def put(readme: Path, topics: Topics) -> None:
    """Put the table between its marks in a README; one named `zh` gets the Chinese one."""
    text = readme.read_text(encoding="utf-8")
    before, rest = text.split("<!-- hops -->\n")
    _, after = rest.split("\n<!-- /hops -->")
    drawn = table(load(), topics, "zh" if ".zh" in readme.name else "en")
    readme.write_text(f"{before}<!-- hops -->\n{drawn}\n<!-- /hops -->{after}", encoding="utf-8")


def rooms(hop: Hop, topics: Topics) -> str:
    """The folders of a hop: of one service, or of all registrars."""
    names = topics.kinds.registrars if hop.service == REGISTRAR else (hop.service,)
    return ", ".join(f"`services/{name}`" for name in names)


def _topics(service: str, topics: Topics) -> tuple[list[str], list[str]]:
    """What a service, or any registrar, reads and writes; one topic for each registrar is shown as a family."""
    known = [topic for topic in topics.by_name.values() if topic.name != DEAD_LETTERS]
    names = {*topics.kinds.registrars} if service == REGISTRAR else {service}
    return (
        _shown(topic.name for topic in known if names & {*topic.consumers}),
        _shown(topic.name for topic in known if names & {*topic.producers}),
    )


def _shown(names: Iterable[str]) -> list[str]:
    return sorted({f"`{name.split('.')[0]}.{REGISTRAR}`" if "." in name else f"`{name}`" for name in names})


if __name__ == "__main__":
    for name in sys.argv[1:]:
        put(Path(name), all_topics.load())
