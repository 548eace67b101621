"""An agency's way to the bus over HTTP: used by the demo, the tests, the benchmark, and as an example.

    async with AgencyClient("http://127.0.0.1:8700", key, bus="310112-bus") as agency:
        event = new_event(key, Sent(...), exchange=new_id(), case="闵城管〔2026〕12号", home=agency.bus)
        answer = await agency.submit_surely(event, wait=10)

Nothing here is needed to speak with the bus: it is CloudEvents over HTTP, and a signature.
"""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import orjson
import uuid_utils
from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, TCPConnector
from yarl import URL

from connectors.errors import SubmissionRefused
from connectors.http.cloudevents import BATCHED, STRUCTURED
from connectors.http.files import Content, Patience, content_of, download, upload
from connectors.http.tokens import bearer
from contracts.canonical import Document, canonical
from contracts.codec import dump, sign_event
from contracts.disclosure import SALT_BYTES
from contracts.signatures import SigningKey
from events.fact import Fact
from events.registry import kind_of

TRY_AGAIN: Final = frozenset({429, 502, 503, 504})
"""Answers after which the same submission is sent again."""

_LONGEST_PAUSE: Final = 5.0  # seconds, of our own accord
_LONGEST_ASKED: Final = 30  # seconds, however long Retry-After asks for


@dataclass(frozen=True, slots=True)
class Answer:
    """What the bus answered. `body` is JSON in every case but an empty one."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:
        """The document."""
        return orjson.loads(self.body)

    @property
    def code(self) -> str | None:
        """The code of a problem, such as `id-reused`; None for another answer."""
        if not self.headers.get("Content-Type", "").startswith("application/problem+json"):
            return None
        return str(self.json["type"]).rsplit(":", 1)[-1]


def new_id() -> str:
    """A UUIDv7: for an event, or for an exchange that is being opened."""
    return str(uuid_utils.uuid7())


def new_event(
    key: SigningKey,
    fact: Fact,
    *,
    exchange: str,
    kind: str | None = None,
    case: str | None = None,
    home: str | None = None,
    known: int | None = None,
    leg: str | None = None,
    inname: str | None = None,
    source: str | None = None,
    time: datetime | None = None,
    id_: str | None = None,
) -> Document:
    """The signed event by which the key's agency states a fact.

    kind: only for a fact of every kind, which does not say it. case, home: for the fact that opens an exchange.
    known: the last sequence that the agency had seen. leg: the addressee whose part it moves. time: now by default.
    source: the agency for which the key's owner, its bus, signs 代签. id_: a fresh one by default.
    """
    attributes: dict[str, Any] = {
        "specversion": "1.0",
        "id": id_ or new_id(),
        "source": source or key.agency,
        "type": fact.type(),
        "time": (time or datetime.now(UTC)).isoformat(),
        "datacontenttype": "application/json",
        "kind": kind or kind_of(fact.type()),
        "exchange": exchange,
        "case": case,
        "home": home,
        "knownsequence": known,
        "leg": leg,
        "inname": inname,
        "signedby": key.agency if source else None,
        "data": dump(fact),
    }
    document = {name: value for name, value in attributes.items() if value is not None}
    return sign_event(document, key, lambda: secrets.token_urlsafe(SALT_BYTES))


class AgencyClient:
    """One agency's client. Reads carry a fresh token each; submissions need none, they are signed themselves."""

    def __init__(self, base_url: str, key: SigningKey, bus: str, *, connections: int = 100) -> None:
        """`bus` is the code of the bus, for which tokens are made out."""
        self.key = key
        self.bus = bus
        self._base_url = base_url.rstrip("/")
        self._connections = connections
        self._session: ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Make ready; nothing is connected yet."""
        timeout = ClientTimeout(total=None, sock_connect=5, sock_read=90)
        connector = TCPConnector(limit=self._connections)
        self._session = ClientSession(connector=connector, timeout=timeout)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def submit(self, event: Document, *, wait: int | None = None) -> Answer:
        """Send one event once. `wait`: how many seconds the bus may take for the outcome. Raises ClientError."""
        return await self._post("/v1/submissions", event, STRUCTURED, wait)

    async def submit_batch(self, events: Sequence[Document], *, wait: int | None = None) -> Answer:
        """Send a batch once; its answer is an array of `{"id", "status", "body"}`. Raises ClientError."""
        return await self._post("/v1/submissions", list(events), BATCHED, wait)

    async def submit_all(
        self, events: Sequence[Document], *, wait: int | None = None, patience: float = 120
    ) -> list[dict[str, Any]]:
        """Send a list until each event is answered: those the same again that are to wait, in their order.

        What the bus answered, `{"id", "status", "body"}` for each. Raises TimeoutError when for `patience` seconds
        none was, and SubmissionRefused when the list as a whole is not taken.
        """
        answers: dict[int, dict[str, Any]] = {}
        attempt, waiting = Patience(patience), list(range(len(events)))
        while waiting:
            with suppress(ClientError, OSError):
                answer = await self.submit_batch([events[index] for index in waiting], wait=wait)
                if answer.status == 200:
                    answers |= dict(zip(waiting, answer.json, strict=True))
                elif answer.status not in TRY_AGAIN:
                    raise SubmissionRefused(f"a list of events was answered {answer.status}: {answer.body[:500]!r}")
            left = [index for index in waiting if index not in answers or answers[index]["status"] in TRY_AGAIN]
            if len(left) < len(waiting):
                attempt.renew()
            waiting = left
            if waiting:
                await attempt.pause(f"{len(waiting)} of {len(events)} events wait")
        return [answers[index] for index in range(len(events))]

    async def submit_surely(self, event: Document, *, wait: int | None = None, patience: float = 120) -> Answer:
        """Send one event until it is answered: the same id again after 503, 429 or a lost connection.

        That is safe, because a repeat gets the original outcome. Raises TimeoutError after `patience` seconds.
        """
        async with asyncio.timeout(patience):
            attempt = 0
            while True:
                pause = min(0.2 * 2 ** min(attempt, 8), _LONGEST_PAUSE)
                try:
                    answer = await self.submit(event, wait=wait)
                    if answer.status not in TRY_AGAIN:
                        return answer
                    asked = answer.headers.get("Retry-After", "")
                    pause = max(pause, min(int(asked), _LONGEST_ASKED)) if asked.isdecimal() else pause
                except (ClientError, OSError):
                    pass
                await asyncio.sleep(pause * random.uniform(1, 1.5))  # noqa: S311, jitter
                attempt += 1

    async def submission(self, id_: str) -> Answer:
        """What became of a submission."""
        return await self.get(f"/v1/submissions/{quote(id_, safe='')}")

    async def inbox(self, after: str | None = None, *, wait: int = 0) -> Answer:
        """What has arrived after a cursor; waits up to so many seconds for something."""
        return await self.get("/v1/inbox", after=after, wait=wait or None)

    async def ack(self, cursor: str) -> Answer:
        """Say that everything up to the cursor is safely here."""
        return await self.post("/v1/inbox/ack", {"cursor": cursor})

    async def exchanges(self, **filters: str | int | None) -> Answer:
        """The exchanges that the agency may see: kind, state, party, case, whose move, cursor."""
        return await self.get("/v1/exchanges", **filters)

    async def exchange(self, id_: str) -> Answer:
        """Where an exchange stands."""
        return await self.get(f"/v1/exchanges/{id_}")

    async def timeline(self, *, exchange: str | None = None, case: str | None = None) -> Answer:
        """Who did what and when, in an exchange or in all exchanges of a case."""
        if exchange is not None:
            return await self.get(f"/v1/exchanges/{exchange}/timeline")
        return await self.get(f"/v1/cases/{quote(str(case), safe='')}/timeline")

    async def get(self, path: str, **query: str | int | None) -> Answer:
        """Any read, with a fresh token. Raises ClientError."""
        wanted = {name: str(value) for name, value in query.items() if value is not None}
        return await self._ask("GET", path, headers=self._token(), params=wanted)

    async def post(self, path: str, document: Mapping[str, Any]) -> Answer:
        """Any act that is no submission, with a fresh token. Raises ClientError."""
        return await self._post(path, dict(document), "application/json", None, self._token())

    async def upload(self, file: Path | Content, *, patience: float = 120) -> str:
        """Bring an attachment; its digest. A lost connection is taken up where it was cut.

        Raises FileSpoilt, FileRefused, or TimeoutError when nothing has got on for `patience` seconds.
        """
        content = file if isinstance(file, Content) else await content_of(file)
        await upload(self._open, content, Patience(patience))
        return content.digest

    async def download(self, digest: str, path: Path, *, patience: float = 120) -> None:
        """Fetch an attachment to a path, whole and checked. What came before a lost connection is not fetched again.

        Raises FileMissing (not brought yet), FileSpoilt, FileRefused, or TimeoutError as `upload` does.
        """
        await download(self._open, digest, path, Patience(patience))

    def _open(
        self, method: str, path: str, headers: Mapping[str, str], data: AsyncIterator[bytes] | None = None
    ) -> AbstractAsyncContextManager[ClientResponse]:
        url = URL(self._base_url + path, encoded=True)
        return self._connected().request(method, url, headers={**headers, **self._token()}, data=data)

    def _token(self) -> dict[str, str]:
        return bearer(self.key, self.bus)

    async def _post(
        self,
        path: str,
        content: Any,
        content_type: str,
        wait: int | None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        prefer = {} if wait is None else {"Prefer": f"wait={wait}"}
        all_headers = {"Content-Type": content_type, **prefer, **(headers or {})}
        return await self._ask("POST", path, headers=all_headers, data=canonical(content))

    async def _ask(self, method: str, path: str, **options: Any) -> Answer:
        url = URL(self._base_url + path, encoded=True)
        async with self._connected().request(method, url, **options) as response:
            return Answer(response.status, await response.read(), response.headers)

    def _connected(self) -> ClientSession:
        if self._session is None:
            msg = "use the client in `async with`"
            raise RuntimeError(msg)
        return self._session
