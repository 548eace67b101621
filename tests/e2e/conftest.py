"""A whole bus for the end-to-end tests of a file: one that idles until all tests are done would slow them down."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.signatures import SigningKey
from services.cli.stack import Stack
from services.cli.story import border
from tests.support.agencies import known

AGENCIES = (border.MINHANG, border.QINGPU, border.CITY, border.POLICE, border.PROCURATORATE, "310104-cg")


@pytest.fixture(scope="module")
def stack(scratch: Path, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """Engines and services as separate processes."""
    with Stack(scratch / request.path.stem) as stack:
        yield stack


@pytest.fixture(scope="module")
def keys(stack: Stack) -> dict[str, SigningKey]:
    """A key for each agency of the story, made while the bus runs."""
    return known(AGENCIES, stack.keys, stack.contracts)
