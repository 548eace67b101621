"""The partner's side of a desk, for simulators: a counter that keeps threads, takes letters, and offers its changes.

It knows letters by their Idempotency-Key: the same again gets the same answer, another under the same key is refused.
Backstage, for the demo and the tests:

    GET  /_state       threads with their letters, changes, files and errors
    POST /_acts        {"action", "form", "number"?, "at"?}: the partner acts; answered {"changeNo", "number"}
                       number: of its thread, or of one that it opens; its next number by default
                       {"acts": [one, …]}: answered {"acts": [its answer, or {"error"}, …]}
    POST /_files       bytes that a form may name by their digest; answered {"digest", "size"}
"""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Final

from aiohttp import web
from pydantic import JsonValue, TypeAdapter

from connectors.forms.table import local
from connectors.http.server import json_response
from connectors.simulation import Faults, Simulator
from contracts.calendar import SHANGHAI
from contracts.canonical import Document, canonical, parse_object
from contracts.errors import MalformedJson

KEY: Final = "Idempotency-Key"

Moves = Mapping[str, Mapping[str, str]]
"""What may be done in a status, and the status after it. `*` is any status, `=` the same status again."""


class NotPossible(ValueError):
    """The partner's own rules do not allow it."""


@dataclass(slots=True)
class Thread:
    """One order, application or notice. `external`: our number of it. `notes`: what the partner writes down."""

    number: str
    opened_by: str
    status: str
    external: str | None = None
    letters: list[Document] = field(default_factory=list[Document])
    notes: Document = field(default_factory=dict[str, JsonValue])


@dataclass(frozen=True, slots=True)
class _Kept:
    threads: list[Thread]
    changes: list[Document]
    files: dict[str, str]
    errors: list[Document]
    answers: dict[str, tuple[str, Document]]


_KEPT: Final = TypeAdapter(_Kept)


class Counter(Simulator):
    """A partner that keeps threads. `moves`: of ours and its own; `prefix`: of its numbers."""

    def __init__(self, prefix: str, moves: Moves, paths: Sequence[str], faults: Faults | None = None) -> None:
        self.threads: dict[str, Thread] = {}
        self.changes: list[Document] = []
        self.files: dict[str, bytes] = {}
        self.errors: list[Document] = []
        self._answers: dict[str, tuple[bytes, Document]] = {}
        self._prefix = prefix
        self._moves = moves
        super().__init__(
            [
                *(web.post(f"/{path}", self._answering(self.take)) for path in paths),
                web.post("/errors", self._answering(self._take_error)),
                web.get("/changes", self._offer),
                web.get("/files/{digest}", self._describe),
                web.put("/files/{digest}", self._keep),
                web.get("/files/{digest}/content", self._content),
                web.get("/_state", self._state),
                web.post("/_acts", self._act),
                web.post("/_files", self._add),
                *self.more_routes(),
            ],
            faults,
        )

    def more_routes(self) -> Sequence[web.AbstractRouteDef]:
        """What only this partner has."""
        return []

    def kept(self) -> Document:
        """Everything."""
        return {
            "threads": [asdict(thread) for thread in self.threads.values()],
            "changes": [*self.changes],
            "files": {digest: b64encode(content).decode() for digest, content in self.files.items()},
            "errors": [*self.errors],
            "answers": {key: [asked.decode(), given] for key, (asked, given) in self._answers.items()},
        }

    def recall(self, kept: Document) -> None:
        """Everything."""
        found = _KEPT.validate_python(kept)
        self.threads = {thread.number: thread for thread in found.threads}
        self.changes, self.errors = found.changes, found.errors
        self.files = {digest: b64decode(content) for digest, content in found.files.items()}
        self._answers = {key: (asked.encode(), given) for key, (asked, given) in found.answers.items()}

    def open(self, action: str, external: str | None = None, number: str | None = None) -> Thread:
        """A new thread, opened by an action. Raises NotPossible."""
        if action not in self._moves[""]:
            raise NotPossible(f"{action}: no such thread")
        given = number or f"{self._prefix}{len(self.threads) + 1:04d}"
        thread = Thread(given, action, self._moves[""][action], external)
        self.threads[thread.number] = thread
        return thread

    def act(self, action: str, form: Document, number: str | None = None, at: str | None = None) -> Document:
        """The partner does something, in a thread or opening one, and offers it. Raises NotPossible."""
        known = self.threads.get(number or "")
        if known is not None:
            self.move(known, action)
        thread = known or self.open(action, number=number)
        form = self.written(thread, action, form)
        self.noted(thread, action, form)
        change: Document = {
            "changeNo": len(self.changes) + 1,
            "number": thread.number,
            "action": action,
            "at": at or local(datetime.now(SHANGHAI)),
            "form": form,
            "externalNo": thread.external,
            "business": self.business(thread),
        }
        self.changes.append(change)
        return change

    def take(self, key: str, letter: Document) -> Document:
        """A letter of ours. Raises NotPossible."""
        thread, action = self._thread(letter), str(letter.get("action"))
        missing = sorted(set(_named(letter)) - self.files.keys())
        if missing:
            raise NotPossible(f"no such files: {', '.join(missing)}")
        if thread is None:
            thread = self.open(action, str(letter["externalNo"]))
        else:
            self.move(thread, action)
            thread.external = str(letter["externalNo"])
        thread.letters.append({**letter, "key": key})
        form = letter.get("form")
        self.noted(thread, action, form if isinstance(form, dict) else {})
        return {"receiptNo": f"{self._prefix}R{len(self._answers) + 1:05d}", "number": thread.number}

    def move(self, thread: Thread, action: str) -> None:
        """Go to the status after an action. Raises NotPossible."""
        after = self._moves.get(thread.status, {}).get(action) or self._moves["*"].get(action)
        if after is None:
            raise NotPossible(f"{thread.number}: {action} is not possible while it is {thread.status}")
        thread.status = thread.status if after == "=" else after

    def business(self, thread: Thread) -> str | None:  # noqa: ARG002, for who overrides it
        """Of which business a thread is, where the partner has several."""
        return None

    def written(self, thread: Thread, action: str, form: Document) -> Document:  # noqa: ARG002, for who overrides it
        """A form of the partner's own as it goes out."""
        return form

    def noted(self, thread: Thread, action: str, form: Document) -> None:
        """What this partner writes down beyond the status."""

    def add_file(self, content: bytes) -> str:
        """A file of the partner's own; its digest."""
        digest = f"sha-256:{hashlib.sha256(content).hexdigest()}"
        self.files[digest] = content
        return digest

    def _thread(self, letter: Document) -> Thread | None:
        number, external = letter.get("number"), letter["externalNo"]
        found = (item for item in self.threads.values() if item.number == number or item.external == external)
        return next(found, None)

    def _take_error(self, _: str, error: Document) -> Document:
        self.errors.append(error)
        return {"receiptNo": f"{self._prefix}E{len(self.errors):05d}"}

    def _answering(self, take: Callable[[str, Document], Document]) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            key, document = request.headers.get(KEY), await _body(request)
            if not key or document is None:
                return _no(400, f"a JSON object and {KEY} are needed")
            before = self._answers.get(key)
            if before is not None:
                return json_response(before[1]) if before[0] == canonical(document) else _no(422, f"{KEY} is taken")
            try:
                given = take(key, document)
            except NotPossible as error:
                return _no(409, str(error))
            except KeyError as error:
                return _no(400, f"{error.args[0]} is missing")
            self._answers[key] = (canonical(document), given)
            return json_response(given, status=201)

        return answer

    async def _offer(self, request: web.Request) -> web.Response:
        after, limit = int(request.query.get("after", "0")), int(request.query.get("limit", "100"))
        page = self.changes[after : after + limit]
        reached = after + len(page)
        offered = self.faults.offered(page)
        return json_response({"changes": offered, "next": str(reached), "more": reached < len(self.changes)})

    async def _describe(self, request: web.Request) -> web.Response:
        digest = request.match_info["digest"]
        if digest not in self.files:
            return _no(404, "no such file")
        return json_response({"digest": digest, "size": len(self.files[digest])})

    async def _keep(self, request: web.Request) -> web.Response:
        content = await request.read()
        digest = f"sha-256:{hashlib.sha256(content).hexdigest()}"
        if digest != request.match_info["digest"]:
            return _no(422, "other bytes than the digest says")
        self.files[digest] = content
        return json_response({"digest": digest, "size": len(content)}, status=201)

    async def _content(self, request: web.Request) -> web.Response:
        content = self.files.get(request.match_info["digest"])
        return _no(404, "no such file") if content is None else web.Response(body=content)

    async def _state(self, _: web.Request) -> web.Response:
        return json_response(
            {
                "threads": {number: asdict(thread) for number, thread in self.threads.items()},
                "changes": self.changes,
                "files": sorted(self.files),
                "errors": self.errors,
            }
        )

    async def _act(self, request: web.Request) -> web.Response:
        given = await _body(request)
        several = given.get("acts") if given else None
        if isinstance(several, list):
            return json_response({"acts": [self._tried(item if isinstance(item, dict) else {}) for item in several]})
        answer = self._tried(given or {})
        return json_response(answer, status=409 if "error" in answer else 201)

    def _tried(self, given: Document) -> Document:
        form, number, at = given.get("form"), given.get("number"), given.get("at")
        if not isinstance(form, dict):
            return {"error": "action and form are needed"}
        try:
            change = self.act(str(given.get("action")), form, str(number) if number else None, str(at) if at else None)
        except NotPossible as error:
            return {"error": str(error)}
        return {"changeNo": change["changeNo"], "number": change["number"]}

    async def _add(self, request: web.Request) -> web.Response:
        content = await request.read()
        return json_response({"digest": self.add_file(content), "size": len(content)}, status=201)


async def _body(request: web.Request) -> Document | None:
    try:
        return parse_object(await request.read())
    except MalformedJson:
        return None


def _named(value: JsonValue) -> list[str]:
    """The files that a letter names."""
    if isinstance(value, dict):
        own = value.get("digest")
        return [*([own] if isinstance(own, str) else []), *(item for inner in value.values() for item in _named(inner))]
    return [found for item in value for found in _named(item)] if isinstance(value, list) else []


def _no(status: int, reason: str) -> web.Response:
    return json_response({"error": reason}, status=status)
