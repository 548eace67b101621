"""Ids of ours for what a partner numbers: the same number always has the same id, whoever computes it, and when.

    exchange_of("310000-rx", "SYN-RX-0001")          the exchange that the partner opened under this number
    event_of("310000-rx", "SYN-RX-0001", "17")       what it stated there by its change 17

They are UUIDv5 of the canonical JSON array of the arguments, so a partner can compute them too.
"""

from typing import Final
from uuid import UUID, uuid5

from contracts.canonical import canonical

NAMESPACE: Final = UUID("6f1b6d0e-5d0b-5c43-9f0a-8a4b2f6e7c11")


def exchange_of(agency: str, number: str) -> str:
    """The exchange that an agency's system opened under a number of its own."""
    return _id(agency, number)


def event_of(agency: str, number: str, step: str) -> str:
    """The event of one step, as the agency's system numbers it, under that number."""
    return _id(agency, number, step)


def _id(*parts: str) -> str:
    return str(uuid5(NAMESPACE, canonical([*parts]).decode()))
