"""One partner's desk over HTTP: letters in, its changes out, files both ways. It talks and decides nothing.

    POST <path>            a letter, with Idempotency-Key; answered {"receiptNo", "number"}
    GET  changes           ?after=&limit=; answered {"changes": […], "next", "more"}
    GET  files/<digest>    whether it has a file; PUT files/<digest> its bytes
    GET  files/<digest>/content
    POST errors            what became of a fact of its that the bus did not take

An answer that is not the partner's own word counts as none: nothing is taken for delivered without its receipt.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from connectors.channel import Files, FileSpoilt, Handed, Opening, Parcel, PartnerAway, PartnerGone, PartnerRefuses
from connectors.errors import Unreadable
from connectors.forms.letters import Change, change_of, refusal
from connectors.http.partner import PartnerClient, Reply
from contracts.canonical import Document

PAGE: Final = 100
"""Changes that are asked for at once."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the partner's changes, each once and in its order; `unreadable` says what could not be understood."""

    changes: Sequence[Change]
    cursor: str
    more: bool
    unreadable: Sequence[str]


class Desk:
    """What a client of such a partner is made of."""

    def __init__(self, opening: Opening) -> None:
        """Raises SettingsError."""
        self._client = PartnerClient(opening.agency)
        self._files: Files = opening.files

    async def deliver(self, path: str, parcel: Parcel, letter: Document) -> Handed:
        """Bring a letter, its files first. Raises PartnerAway, PartnerRefuses, PartnerGone, FileMissing, FileSpoilt."""
        for digest in dict.fromkeys(_digests(letter)):
            await self._bring(digest)
        answer = await self._post(path, parcel.id, letter)
        number = answer.get("number")
        return Handed(reference=number if isinstance(number, str) else None)

    async def report(self, parcel: Parcel) -> Handed:
        """Tell the partner which of its facts the bus did not take."""
        rejection = parcel.item.get("rejection")
        if isinstance(rejection, dict):
            await self._post("errors", parcel.id, refusal(rejection, parcel.reference))
        return Handed()

    async def ask(self, path: str, params: dict[str, str]) -> Document:
        """The partner's answer to a question. Raises PartnerAway, PartnerRefuses or PartnerGone."""
        return (await self._client.ask("GET", path, params=params)).document()

    async def changes(self, cursor: str | None) -> Page:
        """The partner's next changes. Raises PartnerAway."""
        try:
            answer = await self.ask("changes", {"after": cursor or "0", "limit": str(PAGE)})
        except (PartnerRefuses, PartnerGone) as error:
            raise PartnerAway(f"no changes: {error}") from error
        offered, after = answer.get("changes"), answer.get("next")
        if not isinstance(offered, list) or not isinstance(after, str):
            raise PartnerAway("the partner answered with no page of changes")
        found: dict[int, Change] = {}
        unreadable: dict[str, None] = {}
        for item in offered:
            try:
                change = change_of(item if isinstance(item, dict) else {})
                found.setdefault(change.id, change)
            except Unreadable as error:
                unreadable.setdefault(str(error))
        return Page([found[id_] for id_ in sorted(found)], after, answer.get("more") is True, [*unreadable])

    async def fetch(self, change: Change) -> Sequence[str]:
        """Take over the files that a change names; which could not be had, in words. Raises PartnerAway."""
        missing: list[str] = []
        for digest in dict.fromkeys(_digests(change.form)):
            try:
                await self._fetch(digest)
            except (PartnerRefuses, PartnerGone) as error:
                missing.append(f"change {change.id}: file {digest}: {error}")
        return missing

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _post(self, path: str, id_: str, document: Document) -> Document:
        answer = (await self._client.ask("POST", path, json=document, headers={"Idempotency-Key": id_})).document()
        if not isinstance(answer.get("receiptNo"), str):
            raise PartnerAway("the partner answered with no receiptNo")
        return answer

    async def _bring(self, digest: str) -> None:
        with suppress(PartnerRefuses):
            if (await self._client.ask("GET", f"files/{digest}")).document().get("digest") == digest:
                return
            raise PartnerAway("the partner answered about another file")
        sending = _Sending(self._files.read(digest))
        await sending.begin()
        try:
            answer = await self._client.ask("PUT", f"files/{digest}", data=sending.pieces())
        except PartnerAway as error:
            raise sending.trouble or error from error
        if answer.document().get("digest") != digest:
            raise PartnerAway("the partner did not confirm a file")

    async def _fetch(self, digest: str) -> None:
        reply = await self._client.ask("GET", f"files/{digest}/content")
        try:
            await self._files.write(_once(reply), digest)
        except FileSpoilt as error:
            raise PartnerAway("the partner gave other bytes than those it had named") from error


class _Sending:
    """A file on its way out. What goes wrong on our side is remembered: it is not the partner's fault."""

    def __init__(self, source: AsyncIterator[bytes]) -> None:
        self._source = source
        self._first = b""
        self.trouble: Exception | None = None

    async def begin(self) -> None:
        """Read the first piece. Raises FileMissing."""
        self._first = await anext(self._source, b"")

    async def pieces(self) -> AsyncIterator[bytes]:
        """The bytes."""
        if self._first:
            yield self._first
        try:
            async for piece in self._source:
                yield piece
        except Exception as error:
            self.trouble = error
            raise


async def _once(reply: Reply) -> AsyncIterator[bytes]:
    yield reply.body


def _digests(value: JsonValue) -> Iterator[str]:
    """The digests of all files that a form names."""
    if isinstance(value, dict):
        digest = value.get("digest")
        if isinstance(digest, str):
            yield digest
        for item in value.values():
            yield from _digests(item)
    elif isinstance(value, list):
        for item in value:
            yield from _digests(item)
