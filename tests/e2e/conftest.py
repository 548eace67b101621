"""A whole bus for the end-to-end tests, started once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.signatures import SigningKey
from services.cli.stack import Stack
from services.cli.story import border
from tests.support.agencies import known

AGENCIES = (border.MINHANG, border.QINGPU, border.CITY, border.POLICE, border.PROCURATORATE, "310104-cg")


@pytest.fixture(scope="session")
def stack(scratch: Path) -> Iterator[Stack]:
    """Engines and services as separate processes."""
    with Stack(scratch / "bus") as stack:
        yield stack


@pytest.fixture(scope="session")
def keys(stack: Stack) -> dict[str, SigningKey]:
    """A key for each agency of the story, made while the bus runs."""
    return known(AGENCIES, stack.keys, stack.contracts)
