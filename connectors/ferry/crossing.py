"""One end of a ferry: sends items, receives items, and sees to receipts, requests and what is sent again.

The papers and the decisions are pure (`papers.py`, `deciding.py`); here they are carried out on the folders.
"""

import asyncio
import hashlib
import itertools
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypedDict

from connectors.channel import Files, FileSpoilt, PartnerAway
from connectors.errors import ConnectorError
from connectors.ferry.deciding import (
    Cursor,
    Landed,
    Position,
    Received,
    Sending,
    cursor_of,
    due,
    furthest,
    ranges,
    read_cursor,
    receive,
    worth_reading,
)
from connectors.ferry.folders import Folders, Journal
from connectors.ferry.papers import (
    Ends,
    Entry,
    Manifest,
    Name,
    Paper,
    PaperRefused,
    PaperUnreadable,
    Receipt,
    Request,
    file_name,
    manifest_of,
    open_paper,
)
from contracts.canonical import timestamp
from contracts.signatures import Keyring, SigningKey

ASK_AFTER: Final = timedelta(minutes=1)
RESEND_AFTER: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Item:
    """A document on its way. `attachments`: the digests that it cites."""

    id: str
    body: bytes
    attachments: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look brought: items in order, the ids of items of ours that are receipted, and where to go on."""

    items: Sequence[Item]
    receipted: Sequence[str]
    cursor: str
    more: bool
    troubles: Sequence[str]


@dataclass(frozen=True, slots=True)
class Pace:
    """After how long what is missing is asked for, and what is not receipted sent again."""

    ask_after: timedelta = ASK_AFTER
    resend_after: timedelta = RESEND_AFTER


@dataclass(slots=True)
class _Post:
    """What has come, opened and sorted."""

    arrived: Mapping[str, Name]
    landed: list[Landed] = field(default_factory=list[Landed])
    receipts: list[Receipt] = field(default_factory=list[Receipt])
    requests: list[Request] = field(default_factory=list[Request])
    strays: dict[str, str] = field(default_factory=dict[str, str])

    def sort(self, name: str, paper: Paper, sending: Sending) -> None:
        """Put a paper on its pile."""
        match paper:
            case Manifest():
                self.landed.append(Landed(name, paper.batch, paper))
            case Receipt():
                if fault := sending.fault(paper):
                    self.strays[name] = fault
                else:
                    self.receipts.append(paper)
            case Request():
                self.requests.append(paper)

    def refuse(self, name: str, said: Name, reason: str) -> None:
        """One that is not what it says. Whether the true manifest is missing now, is for who receives to decide."""
        if said.what == "manifest":
            self.landed.append(Landed(name, said.batch, refused=reason))
        else:
            self.strays[name] = reason


class Ferry:
    """One end. `clock`: legal time, for papers. Its methods may be called side by side."""

    def __init__(
        self,
        ends: Ends,
        folders: Folders,
        *,
        key: SigningKey,
        keys: Keyring,
        files: Files,
        clock: Callable[[], datetime],
        pace: Pace | None = None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ends, self._folders = ends, folders
        self._key, self._keys = key, keys
        self._files, self._clock, self._seconds = files, clock, seconds
        self._pace = pace or Pace()
        self._lock = asyncio.Lock()
        self._state: tuple[Journal, Sending] | None = None
        self._sent_at: dict[int, float] = {}
        self._troubled_since: dict[int, float] = {}
        self._receipted_at: str | None = None

    async def send(self, items: Sequence[Item]) -> None:
        """Send items in one batch; when this returns, it lies there for the gap, and is kept until it is receipted.

        An item that is under way is not sent twice. Raises PartnerAway, and FileMissing or FileSpoilt, and then sends
        nothing.
        """
        async with self._lock:
            try:
                await self._send(items)
            except OSError as error:
                raise PartnerAway(f"the folders cannot be used: {error.strerror}") from error

    async def look(self, cursor: str | None) -> Seen:
        """What has come after a cursor; all that is to be done besides is done too. Raises PartnerAway, SettingsError.

        What came with the cursor that is given is safe with the caller: only now it is receipted.
        """
        async with self._lock:
            try:
                return await self._look(read_cursor(cursor))
            except OSError as error:
                raise PartnerAway(f"the folders cannot be used: {error.strerror}") from error

    def set_aside(self, name: str, body: bytes, reason: str) -> None:
        """Put what came whole and cannot be understood where people find it. Raises PartnerAway."""
        try:
            self._folders.set_aside(name, reason, body)
        except OSError as error:
            raise PartnerAway(f"the folders cannot be used: {error.strerror}") from error

    async def close(self) -> None:
        """Let another process have the folders."""
        async with self._lock:
            self._folders.close()
            self._state = None

    def _open(self) -> tuple[Journal, Sending]:
        """The folders are ours from the first use on, not from the making: whoever had them may still be ending."""
        if self._state is None:
            self._state = self._folders.open().load()
        return self._state

    # --- sending

    async def _send(self, items: Sequence[Item]) -> None:
        journal, sending = await asyncio.to_thread(self._open)
        going = [item for item in {item.id: item for item in items}.values() if item.id not in sending.ids]
        if not going:
            return
        if sending.full:
            raise PartnerAway("no receipt has come for too many batches; ask at the other end of the gap")
        manifest = manifest_of(
            self._ends,
            series=sending.series,
            batch=sending.batch + 1,
            previous=sending.digest,
            made=self._clock(),
            files=await self._keep(sending.batch + 1, going),
        )
        await asyncio.to_thread(self._folders.keep, manifest.name, manifest.sealed(self._key))
        # From here on the batch exists. Should we end now, it appears outside when the folders are opened again.
        self._state = journal, sending.with_batch(manifest)
        await asyncio.to_thread(self._publish, manifest)

    async def _keep(self, batch: int, items: Sequence[Item]) -> list[Entry]:
        cited = dict.fromkeys(digest for item in items for digest in item.attachments)
        names = (file_name(self._ends.ours, self._ends.theirs, batch, number) for number in itertools.count(1))
        entries: list[Entry] = []
        try:
            for item in items:
                kept = await self._folders.keep_stream(next(names), _whole(item.body))
                entries.append(Entry(**kept, role="item", id=item.id))
            for cited_digest in cited:
                kept = await self._folders.keep_stream(next(names), self._files.read(cited_digest))
                entries.append(Entry(**kept, role="attachment"))
        except ConnectorError:
            await asyncio.to_thread(self._folders.clear_away, batch)
            raise
        return entries

    def _publish(self, manifest: Manifest) -> None:
        """Let a kept batch appear, signed with the key of today."""
        self._folders.publish(manifest.files, manifest.name, manifest.sealed(self._key))
        self._sent_at[manifest.batch] = self._seconds()

    # --- receiving

    async def _look(self, given: Cursor) -> Seen:
        journal, sending = await asyncio.to_thread(self._open)
        known = journal.incoming.model_copy(update={"ours": journal.series, "receipted": sending.receipted})
        safe = furthest(known, given)
        sending = await asyncio.to_thread(self._settle, journal, sending, safe)
        post, decision = await asyncio.to_thread(self._decide, safe.position, sending)
        await asyncio.to_thread(self._answer, safe.position, decision, post, sending)
        asked_again = await asyncio.to_thread(self._send_again, journal, post, sending)
        items, position = await self._take(safe.position, decision.take)
        newest = sending.newest(post.receipts)
        done = [id_ for batch, manifest in sorted(sending.kept.items()) if batch <= newest for id_ in manifest.ids]
        troubles = [f"{name} was set aside: {reason}" for name, reason in post.strays.items()]
        return Seen(
            items, done, cursor_of(position, sending.series, newest).text(), decision.more, [*troubles, *asked_again]
        )

    def _settle(self, journal: Journal, sending: Sending, safe: Cursor) -> Sending:
        """Remember what is safe with the reader, before anything of it is receipted or dropped."""
        after = sending.until(safe.receipted)
        incoming = safe.model_copy(update={"ours": None, "receipted": 0})
        if (after.receipted, incoming) != (journal.receipted, journal.incoming):
            journal = Journal(
                series=after.series,
                batch=after.batch,
                digest=after.digest,
                receipted=after.receipted,
                receipted_at=max(filter(None, (journal.receipted_at, self._receipted_at)), default=None),
                incoming=incoming,
            )
            self._folders.save(journal)
        self._folders.forget(manifest for batch, manifest in sending.kept.items() if batch not in after.kept)
        self._sent_at = {batch: at for batch, at in self._sent_at.items() if batch in after.kept}
        self._state = journal, after
        return after

    def _decide(self, position: Position, sending: Sending) -> tuple[_Post, Received]:
        post = self._open_post(sending)
        ahead = [item.manifest for item in post.landed if item.manifest and worth_reading(position, item.batch)]
        found = self._folders.found(entry for manifest in ahead for entry in manifest.files)
        decision = receive(position, post.landed, found)
        post.strays.update(decision.refused or {})
        return post, decision

    def _open_post(self, sending: Sending) -> _Post:
        """Open every paper that has come."""
        post = _Post(arrived=self._folders.arrived())
        now = self._clock()
        for name, said in post.arrived.items():
            if (said.sender, said.receiver) != (self._ends.theirs, self._ends.ours):
                post.strays[name] = f"{self._ends.theirs} writes to {self._ends.ours} here"
            elif not said.what.isdigit():
                self._open_paper(name, said, now, post, sending)
        return post

    def _open_paper(self, name: str, said: Name, now: datetime, post: _Post, sending: Sending) -> None:
        try:
            paper = open_paper(name, self._folders.read(name), self._ends, self._keys, now)
        except PaperUnreadable:
            if said.what == "manifest":
                post.landed.append(Landed(name, said.batch))
        except PaperRefused as error:
            post.refuse(name, said, str(error))
        else:
            post.sort(name, paper, sending)

    def _answer(self, position: Position, decision: Received, post: _Post, sending: Sending) -> None:
        """Set aside, receipt, ask, and clear away."""
        for name, reason in post.strays.items():
            self._folders.set_aside(name, reason)
        for manifest in decision.again:
            self._say(Receipt(**self._head(), batch=manifest.batch, manifest=manifest.digest))
            self._folders.discard([manifest.name])
        self._folders.discard(decision.spoilt)
        self._folders.discard(
            name for name, said in post.arrived.items() if said.what.isdigit() and said.batch <= position.batch
        )
        self._folders.discard(receipt.name for receipt in post.receipts if receipt.batch <= sending.receipted)
        for first, last in ranges(self._to_ask(decision)):
            self._say(Request(**self._head(), first=first, last=last))

    def _to_ask(self, decision: Received) -> list[int]:
        """What is missing may be on its way: it is asked for when it has been so for a while."""
        now = self._seconds()
        since = {batch: self._troubled_since.get(batch, now) for batch in decision.troubled}
        asking = {*due(since, since, now, self._pace.ask_after.total_seconds()), *decision.lost}
        self._troubled_since = {**since, **dict.fromkeys(asking, now)}
        return sorted(asking)

    def _send_again(self, journal: Journal, post: _Post, sending: Sending) -> list[str]:
        """What is asked for, and what has waited for its receipt too long. Says what cannot be sent any more."""
        again: set[int] = set()
        words: list[str] = []
        for request in post.requests:
            batches, forgotten = sending.asked(request, journal.receipted_at)
            again.update(batches)
            if forgotten:
                words.append(f"{self._ends.theirs} asks for batches from {request.first} on, which it has receipted")
        receipted = sending.newest(post.receipts)
        self._receipted_at = max((receipt.made for receipt in post.receipts), default=self._receipted_at)
        waiting = [batch for batch in sending.kept if batch > receipted]
        again.update(due(waiting, self._sent_at, self._seconds(), self._pace.resend_after.total_seconds()))
        for batch in sorted(again):
            self._publish(sending.kept[batch])
        self._folders.discard(request.name for request in post.requests)
        return words

    async def _take(self, position: Position, take: Sequence[Manifest]) -> tuple[list[Item], Position]:
        """The items of these batches, their attachments put away. What was damaged since it was looked at waits."""
        items: list[Item] = []
        for manifest in take:
            try:
                items += await self._unpack(manifest)
            except (FileSpoilt, FileNotFoundError):
                break
            position = position.after(manifest)
        return items, position

    async def _unpack(self, manifest: Manifest) -> list[Item]:
        attachments = [entry for entry in manifest.files if entry.role == "attachment"]
        for entry in attachments:
            await self._files.write(self._folders.pieces(entry.name), entry.digest)
        cited = tuple(entry.digest for entry in attachments)
        items: list[Item] = []
        for entry in manifest.files:
            if entry.id is not None:
                body = await asyncio.to_thread(self._folders.read, entry.name)
                if f"sha-256:{hashlib.sha256(body).hexdigest()}" != entry.digest:
                    raise FileSpoilt(f"{entry.name} was changed while it was read")
                items.append(Item(entry.id, body, cited))
        return items

    def _say(self, paper: Receipt | Request) -> None:
        self._folders.say(paper.name, paper.sealed(self._key))

    def _head(self) -> "_Head":
        return _Head(sender=self._ends.ours, receiver=self._ends.theirs, made=timestamp(self._clock()))


class _Head(TypedDict):
    """How every paper of ours begins."""

    sender: str
    receiver: str
    made: str


async def _whole(body: bytes) -> AsyncIterator[bytes]:
    yield body
