"""All contracts of a bus, packaged ones and the deployment's overlay, read again when a file changes."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from contracts import (
    agencies,
    agreements,
    calendar,
    crosswalk,
    dossiers,
    figures,
    findings,
    grounds,
    groups,
    indicators,
    kinds,
    rules,
    subscriptions,
    topics,
)
from contracts.agencies import Agencies, Agency
from contracts.agreements import Agreement, Agreements
from contracts.calendar import Calendars
from contracts.crosswalk import Crosswalk
from contracts.dossiers import Dossiers
from contracts.errors import UnusableContract
from contracts.figures import Publication
from contracts.files import files, read
from contracts.findings import FindingRule
from contracts.grounds import Grounds
from contracts.groups import Groups
from contracts.indicators import Indicator
from contracts.kinds import Kinds
from contracts.rules import Rules
from contracts.subscriptions import Subscriptions
from contracts.topics import Topics

log = logging.getLogger(__name__)

_FOLDERS = (
    *("agencies", "agreements", "kinds", "topics", "grounds", "groups", "subscriptions", "dossiers", "crosswalk"),
    *("clocks", "calendars", "indicators", "findings", "figures"),
)


@dataclass(frozen=True, slots=True)
class Contracts:
    """What the bus decides by."""

    agencies: Agencies
    agreements: Agreements
    kinds: Kinds
    topics: Topics
    grounds: Grounds
    groups: Groups
    subscriptions: Subscriptions
    dossiers: Dossiers
    crosswalk: Crosswalk
    rules: Rules
    calendars: Calendars
    indicators: tuple[Indicator, ...]
    findings: tuple[FindingRule, ...]
    figures: tuple[Publication, ...]


def load(overlay: Path | None = None, calendar_file: Path | None = None) -> Contracts:
    """The contracts as they stand; `calendar_file`: one more file of calendars. Raises UnusableContract."""
    try:
        directory = agencies.directory(read(Agency, path) for path in files("agencies", overlay))
    except ValueError as error:
        raise UnusableContract(f"contracts/agencies: {error}") from error
    known = kinds.load(overlay)
    return Contracts(
        agencies=directory,
        agreements=agreements.collect(read(Agreement, path) for path in files("agreements", overlay)),
        kinds=known,
        topics=topics.load(overlay, known),
        grounds=grounds.load(overlay),
        groups=groups.load(overlay),
        subscriptions=subscriptions.load(overlay),
        dossiers=dossiers.load(overlay),
        crosswalk=crosswalk.load(overlay),
        rules=rules.load(overlay),
        calendars=calendar.load(overlay, calendar_file),
        indicators=indicators.load(overlay),
        findings=findings.load(overlay),
        figures=figures.load(overlay),
    )


class Library:
    """The contracts in force now. `current()` reads them again only after a file was written or removed."""

    def __init__(
        self, overlay: Path | None = None, *, calendar_file: Path | None = None, look_every: float = 0.2
    ) -> None:
        """`look_every`: seconds; a file that was written is in force after so long at most."""
        self._overlay = overlay
        self._calendar_file = calendar_file
        self._look_every = look_every
        self._looked = time.monotonic()
        self._seen = self._stamps()
        self._contracts = load(overlay, calendar_file)

    def current(self) -> Contracts:
        """The contracts, fresh. A file that cannot be read leaves the last good ones in force and raises nothing."""
        if time.monotonic() - self._looked < self._look_every:
            return self._contracts
        self._looked = time.monotonic()
        stamps = self._stamps()
        if stamps != self._seen:
            try:
                self._contracts = load(self._overlay, self._calendar_file)
            except (UnusableContract, OSError) as error:
                # Half a file of a write under way: the next call sees it whole. A broken one is said each time.
                log.warning("contracts stay as they were: %s", error)
                return self._contracts
            self._seen = stamps
        return self._contracts

    def _stamps(self) -> Mapping[str, int]:
        paths = [self._calendar_file] if self._calendar_file else []
        if self._overlay is not None:
            paths += [path for folder in _FOLDERS for path in (self._overlay / folder).glob("*.yaml")]
        # A file may go between the two looks; it is then no longer there.
        return {str(path): path.stat().st_mtime_ns for path in paths if path.exists()}
