"""What a ferry decides, pure: which batches are acted on, receipted, asked for and sent again."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connectors.errors import SettingsError
from connectors.ferry.papers import WINDOW, Manifest, Receipt, Request, Series
from contracts.canonical import canonical
from events.fields import Sha256

AT_ONCE: Final = 32
"""Batches that are taken in one look; the others wait for the next."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a receiver has come: the last batch that was acted on, and its manifest's digest."""

    series: str | None = None
    batch: int = 0
    digest: str | None = None

    def after(self, manifest: Manifest) -> "Position":
        """Where it is after this batch."""
        return Position(manifest.series, manifest.batch, manifest.digest)


@dataclass(frozen=True, slots=True)
class Landed:
    """What lies under the name of a manifest: the manifest, or why it is refused, or neither if it is unreadable."""

    name: str
    batch: int
    manifest: Manifest | None = None
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A file as it lies there."""

    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class Received:
    """What to do with what has landed.

    take: act on these, in this order. again: acted on before; receipt them again. refused: set these aside, by name,
    with the reason. spoilt: names of no use any more. lost: ask for these at once. troubled: missing or damaged, if
    the gap is not still about to bring them. more: there is more to take.
    """

    take: Sequence[Manifest] = ()
    again: Sequence[Manifest] = ()
    refused: Mapping[str, str] | None = None
    spoilt: Sequence[str] = ()
    lost: frozenset[int] = frozenset()
    troubled: frozenset[int] = frozenset()
    more: bool = False


def worth_reading(position: Position, batch: int) -> bool:
    """Whether a batch's files matter now: neither acted on nor too far ahead."""
    return position.batch < batch <= position.batch + WINDOW


def receive(position: Position, landed: Iterable[Landed], files: Mapping[str, Found]) -> Received:
    """Decide. `files`: the files of batches that are worth reading, by name."""
    piles = _Piles(position)
    for item in sorted(landed, key=lambda item: item.batch):
        piles.sort(item)
    broken = {batch for batch, manifest in piles.ahead.items() if not _whole(manifest, files)}
    take, stray = _in_turn(position, piles.ahead, broken)
    for manifest in stray:
        piles.refuse(manifest.name, manifest.batch, f"batch {manifest.batch} does not follow the one before it")
    missing = {*range(position.batch + 1, max(piles.ahead, default=0))} - piles.ahead.keys()
    return Received(
        take=take[:AT_ONCE],
        again=piles.again,
        refused=piles.refused,
        spoilt=piles.spoilt,
        lost=frozenset(piles.lost),
        troubled=frozenset((broken | missing | piles.unreadable) - piles.lost),
        more=len(take) > AT_ONCE,
    )


class _Piles:
    """What has landed, sorted by what it is."""

    def __init__(self, position: Position) -> None:
        self._position = position
        self.ahead: dict[int, Manifest] = {}
        self.again: list[Manifest] = []
        self.refused: dict[str, str] = {}
        self.spoilt: list[str] = []
        self.lost: set[int] = set()
        self.unreadable: set[int] = set()

    def sort(self, item: Landed) -> None:
        """Put one on its pile. One that is too far ahead stays where it is."""
        position, manifest = self._position, item.manifest
        if item.refused is not None:
            self.refuse(item.name, item.batch, item.refused)
        elif manifest is None:
            if item.batch <= position.batch:
                self.spoilt.append(item.name)
            elif worth_reading(position, item.batch):
                self.unreadable.add(item.batch)
        elif position.series not in {None, manifest.series}:
            self.refuse(item.name, item.batch, "of another series: if its sender began anew, both sides must agree")
        elif manifest.batch == position.batch and manifest.digest != position.digest:
            self.refuse(item.name, item.batch, f"another batch {manifest.batch} was acted on")
        elif manifest.batch <= position.batch:
            self.again.append(manifest)
        elif worth_reading(position, manifest.batch):
            self.ahead[manifest.batch] = manifest

    def refuse(self, name: str, batch: int, reason: str) -> None:
        """Set one aside. The true one may have been under its name, so it is asked for."""
        self.refused[name] = reason
        self.ahead.pop(batch, None)
        if worth_reading(self._position, batch):
            self.lost.add(batch)


def _in_turn(
    position: Position, ahead: Mapping[int, Manifest], broken: set[int]
) -> tuple[list[Manifest], list[Manifest]]:
    """The batches whose turn it is, and the one, if any, that has its turn and does not follow."""
    take: list[Manifest] = []
    while (manifest := ahead.get(position.batch + 1)) is not None:
        if manifest.previous != position.digest or position.series not in {None, manifest.series}:
            return take, [manifest]
        if manifest.batch in broken:
            break
        take.append(manifest)
        position = position.after(manifest)
    return take, []


def _whole(manifest: Manifest, files: Mapping[str, Found]) -> bool:
    return all(files.get(entry.name) == Found(entry.size, entry.digest) for entry in manifest.files)


def ranges(batches: Iterable[int]) -> list[tuple[int, int]]:
    """Runs of numbers without a hole, none longer than may be asked for at once."""
    numbers = sorted(batches)
    if not numbers:
        return []
    starts = [numbers[0], *(after for before, after in pairwise(numbers) if after != before + 1)]
    ends = [*(before for before, after in pairwise(numbers) if after != before + 1), numbers[-1]]
    return [
        (begin, min(begin + WINDOW - 1, end))
        for start, end in zip(starts, ends, strict=True)
        for begin in range(start, end + 1, WINDOW)
    ]


def due(batches: Iterable[int], since: Mapping[int, float], now: float, patience: float) -> list[int]:
    """Those for which the time is up. `since`: when each was last seen to, in seconds."""
    return [batch for batch in batches if now - since.get(batch, float("-inf")) >= patience]


@dataclass(frozen=True, slots=True)
class Sending:
    """How far a sender has come. kept: the manifests of batches that are not receipted, by number."""

    series: str
    kept: Mapping[int, Manifest]
    batch: int = 0
    digest: str | None = None
    receipted: int = 0

    @property
    def full(self) -> bool:
        """Whether a receipt has to come first."""
        return self.batch - self.receipted >= WINDOW

    @property
    def ids(self) -> frozenset[str]:
        """The items that wait for their receipt."""
        return frozenset(item for manifest in self.kept.values() for item in manifest.ids)

    def with_batch(self, manifest: Manifest) -> "Sending":
        """After a batch was made."""
        kept = {**self.kept, manifest.batch: manifest}
        return replace(self, kept=kept, batch=manifest.batch, digest=manifest.digest)

    def until(self, receipted: int) -> "Sending":
        """After a receipt was acted on."""
        kept = {batch: manifest for batch, manifest in self.kept.items() if batch > receipted}
        return replace(self, kept=kept, receipted=max(self.receipted, receipted))

    def newest(self, receipts: Iterable[Receipt]) -> int:
        """How far these receipts say that the other end has come."""
        return max([self.receipted, *(item.batch for item in receipts if self.fault(item) is None)])

    def fault(self, receipt: Receipt) -> str | None:
        """What is wrong with a receipt. One for a batch that is receipted already is not wrong."""
        if receipt.batch <= self.receipted:
            return None
        manifest = self.kept.get(receipt.batch)
        if manifest is None:
            return f"batch {receipt.batch} was never sent"
        if manifest.digest != receipt.manifest:
            return f"another batch {receipt.batch} was sent"
        return None

    def asked(self, request: Request, receipted_at: str | None) -> tuple[list[int], bool]:
        """The batches to send again, and whether the other end has forgotten what it receipted before it asked.

        A request that was late on its way may well ask for what has come since. `receipted_at`: when the last receipt
        was made, by the clock of who made both.
        """
        wanted = range(request.first, request.last + 1)
        forgotten = request.first <= self.receipted and receipted_at is not None and request.made > receipted_at
        return [batch for batch in wanted if batch in self.kept], forgotten


class Cursor(BaseModel):
    """What our reader has safely: batches of theirs, and receipts for ours. Travels as `cursor` of a channel.

    series, batch, digest: theirs. ours: the series of ours, of which `receipted` counts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ours: Series | None = None

    series: Series | None = None
    batch: int = Field(default=0, ge=0)
    digest: Sha256 | None = None
    receipted: int = Field(default=0, ge=0)

    @property
    def position(self) -> Position:
        """How far the reader has come."""
        return Position(self.series, self.batch, self.digest)

    def text(self) -> str:
        """As text."""
        return canonical(self.model_dump(exclude_none=True)).decode()


def cursor_of(position: Position, ours: str, receipted: int) -> Cursor:
    """The cursor of a place."""
    return Cursor(ours=ours, series=position.series, batch=position.batch, digest=position.digest, receipted=receipted)


def read_cursor(text: str | None) -> Cursor:
    """The cursor of a text. Raises SettingsError."""
    if text is None:
        return Cursor()
    try:
        return Cursor.model_validate_json(text)
    except ValidationError as error:
        raise SettingsError("the cursor is not one of a ferry: this agency had another channel; begin anew") from error


def furthest(journal: Cursor, given: Cursor) -> Cursor:
    """What is safe by the journal of the folder and by the reader's cursor. Raises SettingsError."""
    for one, other in ((journal.series, given.series), (journal.ours, given.ours)):
        if one is not None and other is not None and one != other:
            raise SettingsError("the folder's journal and the cursor are of two ferries; restore the folder .ferry")
    ahead = max(journal, given, key=lambda item: item.batch)
    return ahead.model_copy(update={"ours": journal.ours, "receipted": max(journal.receipted, given.receipted)})
