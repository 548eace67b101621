"""A city in another province whose side has no bus. `options`: way: ferry (with its folders) or mailbox.

{way: ferry, outgoing: …, incoming: …, ask_after: …, resend_after: …}
{way: mailbox, token: <name of a file in the folder of secrets>}          with the channel's url
"""

from collections.abc import AsyncIterator, Iterable
from functools import partial
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError

from connectors.channel import (
    Channel,
    Collected,
    Confirmed,
    FileMissing,
    FileSpoilt,
    Handed,
    Opening,
    Parcel,
    PartnerAway,
    PartnerRefuses,
    Stated,
)
from connectors.errors import ConnectorError, SettingsError, Unreadable
from connectors.ferry.channel import FerryOptions, ferry_channel
from connectors.ferry.letters import attachments, cited
from connectors.http.partner import PartnerClient
from connectors.provinces import mapping
from contracts.canonical import Document, canonical
from events.parts import Attachment

AT_ONCE: Final = 50
PIECE: Final = 4 * 1024 * 1024
"""Bytes of an attachment that are asked for at a time."""


class _ByFerry(FerryOptions):
    way: Literal["ferry"]


class _ByMailbox(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    way: Literal["mailbox"]
    token: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")


_OPTIONS: Final[TypeAdapter[_ByFerry | _ByMailbox]] = TypeAdapter(
    Annotated[_ByFerry | _ByMailbox, Field(discriminator="way")]
)


class _Cursor(BaseModel):
    """Up to which message the box was read, and which of the last are safe and not acknowledged yet."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    after: int = 0
    acks: tuple[int, ...] = ()


class _Put(BaseModel):
    jbh: str
    missing: list[str]


class _Message(BaseModel):
    id: int = Field(ge=1)
    form: dict[str, JsonValue]


class _Page(BaseModel):
    messages: list[_Message]
    more: bool = False


class Mailbox:
    """The channel of a city by its mailbox."""

    def __init__(self, opening: Opening, token: str | None) -> None:
        self._agency, self._bus = opening.agency.code, opening.bus_key.agency
        self._files = opening.files
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = PartnerClient(opening.agency)

    async def hand_over(self, parcel: Parcel) -> Handed:
        """Put the form into their box, and the files that it cites: then it is delivered."""
        form = mapping.outgoing(parcel).form
        missing = await self._put(parcel.id, form)
        if missing:
            await self._bring(set(cited(parcel.item)) & missing)
            if await self._put(parcel.id, form):
                raise PartnerAway("the mailbox still misses files that it was given")
        return Handed("delivered")

    async def collect(self, cursor: str | None) -> Collected:
        """The forms in our box after a cursor; those that came with it are acknowledged first."""
        last = _read_cursor(cursor)
        if last.acks:
            acks = {"ids": [*last.acks]}
            await self._ask_own("POST", "acks", json=acks)
        page = await self._page(last.after)
        arrivals: list[Stated | Confirmed] = []
        acks_next: list[int] = []
        unreadable: list[str] = []
        for message in sorted({item.id: item for item in page.messages}.values(), key=lambda item: item.id):
            try:
                arrivals.append(await self._understood(message.form))
                acks_next.append(message.id)
            except (Unreadable, FileMissing) as error:
                unreadable.append(f"message {message.id} was left in the box: {error}")
        after = max((item.id for item in page.messages), default=last.after)
        following = _Cursor(after=after, acks=tuple(acks_next))
        return Collected(arrivals, canonical(following.model_dump(mode="json")).decode(), page.more, unreadable)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _put(self, parcel: str, form: Document) -> set[str]:
        """Put a form into their box; the files that it still misses, without which it is not there."""
        where = f"boxes/{self._agency}/messages"
        reply = await self._client.ask("POST", where, json=form, headers=self._headers)
        try:
            answer = _Put.model_validate(reply.document())
        except ValidationError as error:
            raise PartnerAway("the mailbox does not say what it took") from error
        if answer.jbh != parcel:
            raise PartnerAway("the mailbox answered about another form")
        return {*answer.missing}

    async def _bring(self, digests: Iterable[str]) -> None:
        for digest in sorted(digests):
            upload = _Upload(self._files.read(digest))
            try:
                await self._client.ask("PUT", f"files/{digest}", data=upload.pieces(), headers=self._headers)
            except PartnerAway as error:
                if upload.fault is None:
                    raise
                reason = f"not sent: an attachment is not there to go with it ({upload.fault})"
                raise PartnerRefuses(reason) from error

    async def _page(self, after: int) -> _Page:
        reply = await self._ask_own("GET", "messages", params={"after": str(after), "limit": str(AT_ONCE)})
        try:
            page = _Page.model_validate(reply)
        except ValidationError as error:
            raise PartnerAway("the mailbox answered with no page of messages") from error
        return page.model_copy(update={"messages": [item for item in page.messages if item.id > after]})

    async def _ask_own(
        self, method: str, path: str, *, json: object = None, params: dict[str, str] | None = None
    ) -> Document:
        """Ask about our own box. Whatever is wrong with it, there is nothing to be read: the partner is away."""
        where = f"boxes/{self._bus}/{path}"
        try:
            reply = await self._client.ask(method, where, json=json, params=params, headers=self._headers)
        except PartnerRefuses as error:
            raise PartnerAway(f"the mailbox does not give our box: {error}") from error
        return reply.document()

    async def _understood(self, form: Document) -> Stated | Confirmed:
        found = mapping.incoming(self._agency, form)
        if isinstance(found, Stated):
            for attachment in attachments(found.fact):
                await self._fetch(attachment)
        return found

    async def _fetch(self, attachment: Attachment) -> None:
        try:
            await self._files.write(self._pieces(attachment), attachment.digest)
        except FileSpoilt as error:
            raise PartnerAway(f"the mailbox gives other bytes than those of {attachment.digest}") from error

    async def _pieces(self, attachment: Attachment) -> AsyncIterator[bytes]:
        """One of their files, piece by piece: none is larger than what an answer may be."""
        offset = 0
        while offset < attachment.size:
            params = {"offset": str(offset), "length": str(PIECE)}
            try:
                reply = await self._client.ask(
                    "GET", f"files/{attachment.digest}", params=params, headers=self._headers
                )
            except PartnerRefuses as error:
                raise FileMissing(f"they do not have the file that they cite: {error}") from error
            if not reply.body:
                return
            offset += len(reply.body)
            yield reply.body


class _Upload:
    """A file on its way. `fault`: what was wrong with it on our side; HTTP takes that for a broken connection."""

    def __init__(self, source: AsyncIterator[bytes]) -> None:
        self._source = source
        self.fault: ConnectorError | None = None

    async def pieces(self) -> AsyncIterator[bytes]:
        """The bytes."""
        try:
            async for piece in self._source:
                yield piece
        except (FileMissing, FileSpoilt) as error:
            self.fault = error
            raise


def open_channel(opening: Opening) -> Channel:
    """The channel of a city. Raises SettingsError."""
    agency = opening.agency
    try:
        given = _OPTIONS.validate_python({**agency.channel.options})
    except ValidationError as error:
        raise SettingsError(f"{agency.code}: options of its channel: {error}") from error
    if isinstance(given, _ByFerry):
        folders = {name: value for name, value in agency.channel.options.items() if name != "way"}
        incoming = partial(mapping.incoming, agency.code)
        return ferry_channel(opening, lambda parcel: mapping.outgoing(parcel).form, incoming, folders)
    return Mailbox(opening, _token(opening, given.token))


def _token(opening: Opening, name: str | None) -> str | None:
    if name is None:
        return None
    try:
        return (opening.keys / name).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{opening.agency.code}: the file of its token cannot be read; put it beside the keys"
        ) from error


def _read_cursor(text: str | None) -> _Cursor:
    try:
        return _Cursor.model_validate_json(text) if text is not None else _Cursor()
    except ValidationError as error:
        raise SettingsError("the cursor is not one of a mailbox: this agency had another channel") from error
