"""The papers of a ferry and their names, pure: manifest 清单, receipt 回执, request 补传请求."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError, model_validator

from connectors.errors import ConnectorError
from contracts.canonical import Document, canonical, digest, parse_object, timestamp
from contracts.errors import MalformedJson, SignatureError
from contracts.signatures import SIGNATURE, Keyring, SigningKey, seal, verify_seal
from events.envelope import EventId
from events.fields import AGENCY_PATTERN, AgencyCode, Sha256

FORMAT: Final = "liandong-ferry/1"
WINDOW: Final = 256
"""Batches that may be under way in one direction, without a receipt."""

LARGEST_ITEM: Final = 8 * 1024 * 1024
"""Bytes of an item."""

LARGEST_PAPER: Final = 8 * 1024 * 1024
"""Bytes of a paper that are read at most."""

_MOST_FILES: Final = 9999

Batch = Annotated[int, Field(ge=1, le=9_999_999_999)]
Made = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z$")]
Series = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]


class PaperUnreadable(ConnectorError):
    """The bytes are no JSON object: cut off, or still being written by the gap."""


class PaperRefused(ConnectorError):
    """A paper that is not what it says: forged, for somebody else, or not by the rules. It is never acted on."""


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Paper(_Form):
    """What every paper says."""

    format: Literal["liandong-ferry/1"] = FORMAT
    sender: AgencyCode
    receiver: AgencyCode
    made: Made

    def document(self) -> Document:
        """What is signed."""
        return self.model_dump(mode="json", exclude_none=True)

    def sealed(self, key: SigningKey) -> bytes:
        """The bytes of its file."""
        return canonical(seal(self.document(), key))


class Entry(_Form):
    """A file of a batch. `id`: of an item."""

    name: str
    digest: Sha256
    size: Annotated[int, Field(ge=0, le=2**40)]
    role: Literal["item", "attachment"]
    id: EventId | None = None

    @model_validator(mode="after")
    def _items_have_ids(self) -> Self:
        if (self.role == "item") != (self.id is not None):
            msg = "an item, and only an item, has an id"
            raise ValueError(msg)
        if self.role == "item" and self.size > LARGEST_ITEM:
            msg = f"an item has at most {LARGEST_ITEM} bytes"
            raise ValueError(msg)
        return self


class Manifest(_Paper):
    """清单: what a batch is."""

    paper: Literal["manifest"] = "manifest"
    series: Series
    batch: Batch
    previous: Sha256 | None = None
    count: int
    files: Annotated[list[Entry], Field(min_length=1, max_length=_MOST_FILES)]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.count != len(self.files):
            msg = f"count is {self.count}, and there are {len(self.files)} files"
            raise ValueError(msg)
        if (self.batch == 1) != (self.previous is None):
            msg = "every batch but the first names the one before it in previous"
            raise ValueError(msg)
        for number, entry in enumerate(self.files, 1):
            if entry.name != file_name(self.sender, self.receiver, self.batch, number):
                msg = f"file {number} is not named so"
                raise ValueError(msg)
        cited = [entry.digest for entry in self.files if entry.role == "attachment"]
        if len({*cited}) < len(cited):
            msg = "an attachment comes twice"
            raise ValueError(msg)
        return self

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"{stem(self.sender, self.receiver, self.batch)}.manifest"

    @property
    def digest(self) -> str:
        """What the next manifest and the receipt call it by."""
        return digest(self.document())

    @property
    def ids(self) -> tuple[str, ...]:
        """The items in it."""
        return tuple(entry.id for entry in self.files if entry.id is not None)


class Receipt(_Paper):
    """回执: the receiver has acted on a batch, and on all before it."""

    paper: Literal["receipt"] = "receipt"
    batch: Batch
    manifest: Sha256

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"{stem(self.sender, self.receiver, self.batch)}.receipt"


class Request(_Paper):
    """补传请求: the receiver asks for batches again."""

    paper: Literal["request"] = "request"
    first: Batch
    last: Batch

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not 0 <= self.last - self.first < WINDOW:
            msg = f"first is not after last, and no more than {WINDOW} are asked for"
            raise ValueError(msg)
        return self

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"{stem(self.sender, self.receiver, self.first)}-{self.last:010d}.request"


Paper: TypeAlias = Manifest | Receipt | Request

_PAPERS: Final[TypeAdapter[Paper]] = TypeAdapter(Annotated[Paper, Field(discriminator="paper")])

_CODE: Final = AGENCY_PATTERN.strip("^$")
_NAME: Final = re.compile(
    rf"(?P<sender>{_CODE})_(?P<receiver>{_CODE})_(?P<batch>[0-9]{{10}})(?:-[0-9]{{10}})?\.(?P<what>[0-9]{{4}}|[a-z]+)"
)


@dataclass(frozen=True, slots=True)
class Ends:
    """Who we are, and who is at the other end."""

    ours: str
    theirs: str


@dataclass(frozen=True, slots=True)
class Name:
    """What the name of a file says. `what`: manifest, receipt, request, or the four digits of a batch's file."""

    sender: str
    receiver: str
    batch: int
    what: str


def stem(sender: str, receiver: str, batch: int) -> str:
    """How the names of all files of a batch begin."""
    return f"{sender}_{receiver}_{batch:010d}"


def file_name(sender: str, receiver: str, batch: int, number: int) -> str:
    """The name of a file of a batch."""
    return f"{stem(sender, receiver, batch)}.{number:04d}"


def read_name(name: str) -> Name | None:
    """What a name says, if it is one of ours."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    return Name(found["sender"], found["receiver"], int(found["batch"]), found["what"])


def manifest_of(
    ends: Ends, *, series: str, batch: int, previous: str | None, made: datetime, files: Iterable[Entry]
) -> Manifest:
    """The manifest of a batch of ours."""
    entries = [*files]
    return Manifest(
        sender=ends.ours,
        receiver=ends.theirs,
        made=timestamp(made),
        series=series,
        batch=batch,
        previous=previous,
        count=len(entries),
        files=entries,
    )


def open_paper(name: str, body: bytes, ends: Ends, keys: Keyring, at: datetime) -> Paper:
    """The paper of the other end that lies under a name. Raises PaperUnreadable or PaperRefused."""
    try:
        document = parse_object(body)
    except MalformedJson as error:
        raise PaperUnreadable(f"{name} is no JSON object") from error
    try:
        signer = verify_seal(document, keys, at)
    except SignatureError as error:
        raise PaperRefused(f"{error.code}: {error}") from error
    if signer != ends.theirs:
        raise PaperRefused(f"signed by {signer}, and only {ends.theirs} writes here")
    said = {member: value for member, value in document.items() if member != SIGNATURE}
    try:
        paper = _PAPERS.validate_json(canonical(said))
    except ValidationError as error:
        raise PaperRefused(f"not by the rules: {_first_fault(error)}") from error
    if canonical(paper.document()) != canonical(said):
        raise PaperRefused("not by the rules: a member without a value is left out")
    if (paper.sender, paper.receiver) != (ends.theirs, ends.ours):
        raise PaperRefused(f"from {paper.sender} to {paper.receiver}, and here {ends.theirs} writes to {ends.ours}")
    if paper.name != name:
        raise PaperRefused(f"it is {paper.name}, and came under another name")
    return paper


def _first_fault(error: ValidationError) -> str:
    """Where and what, without the value, which may be anything."""
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'/'.join(map(str, fault['loc']))}: {fault['msg']}"
