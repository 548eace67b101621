"""Two linked buses: 闵行's and 青浦's. Agencies of 青浦 (310118-…) are hosted by its own bus.

federated(MINHANG_BUS)          the contracts as that bus has them, with throw-away keys
overlay(folder, peer, url)      the same for a process: the other bus is brought copies at that url
"""

from dataclasses import replace
from functools import cache
from pathlib import Path

import yaml

from contracts import agencies
from contracts.agencies import Agency, Channel, KeyEntry
from contracts.library import Contracts
from tests.support.factory import key, world

MINHANG_BUS, QINGPU_BUS = "310112-bus", "310118-bus"


@cache
def federated(peer: str = QINGPU_BUS) -> Contracts:
    """The contracts of the bus that is linked with `peer`."""
    known = world()
    directory = agencies.directory(hosted(peer, "http://127.0.0.1:9"))
    return replace(known, agencies=directory)


def overlay(folder: Path, peer: str, url: str) -> Path:
    """Write a contracts overlay. Returns the folder."""
    (folder / "agencies").mkdir(parents=True, exist_ok=True)
    for agency in hosted(peer, url):
        text = yaml.safe_dump(agency.model_dump(mode="json", exclude_none=True), allow_unicode=True)
        (folder / "agencies" / f"{agency.code}.yaml").write_text(text, encoding="utf-8")
    return folder


def hosted(peer: str, url: str) -> list[Agency]:
    """Every agency, with its key, on the bus of its district; `peer` is the other bus."""
    known = [*world().agencies.by_code.values(), _qingpu_bus()]
    channel = Channel(via="districts", url=url, private=True)
    return [
        agency.model_copy(
            update={
                "home": QINGPU_BUS if agency.code.startswith("310118") else MINHANG_BUS,
                "channel": channel if agency.code == peer else Channel(),
            }
        )
        for agency in known
    ]


def _qingpu_bus() -> Agency:
    own = key(QINGPU_BUS)
    return Agency(
        code=QINGPU_BUS,
        name="联动青浦",
        name_en="Liandong Qingpu, the bus",
        division="310118",
        role="bus",
        home=QINGPU_BUS,
        keys=(KeyEntry(kid=own.kid, public=own.public()),),
        source="tests",
        status="example",
    )
