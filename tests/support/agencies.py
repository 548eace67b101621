"""Agencies that a running bus knows."""

import time
from collections.abc import Iterable
from pathlib import Path

from contracts.signatures import SigningKey
from services.cli.agencies import new_agency

_LOOK = 0.5
"""Seconds: longer than a service takes until it looks again for contracts that have changed."""


def known(codes: Iterable[str], keys: Path, contracts: Path) -> dict[str, SigningKey]:
    """Make a key for each; every service knows them when this returns. Blocks for a moment."""
    made = {code: new_agency(code, keys, contracts) for code in codes}
    time.sleep(_LOOK)
    return made
