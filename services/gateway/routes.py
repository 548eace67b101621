"""The gateway's own paths; HTTP only.

    POST /v1/submissions          one CloudEvent (structured or binary) or a batch
    GET  /v1/submissions/{id}     what became of a submission of the caller's agency

What happens to a submission is in acceptance.py.
"""

import re
from collections.abc import Sequence
from typing import Final, cast
from urllib.parse import quote

import orjson
from aiohttp import hdrs, web

from connectors.http import cloudevents
from connectors.http.problem import Language, ProblemError, language
from connectors.http.server import expecting, json_bytes, json_response, patient, read_body
from connectors.http.tokens import Door
from contracts.canonical import parse_object
from contracts.records import RECEIPT
from services.gateway.acceptance import Acceptance, Accepted, Answer
from services.gateway.outcomes import Outcome, Store
from services.kernel.settings import Settings

MAX_WAIT: Final = 60
"""Seconds; a longer `Prefer: wait` is cut to this, and the answer says so."""

_WAIT: Final = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?([0-9]{1,9})\"?\s*(?=$|[,;])", re.IGNORECASE)


class SubmissionRoutes:
    """The paths of submissions."""

    def __init__(self, settings: Settings, acceptance: Acceptance, store: Store, door: Door) -> None:
        self._settings = settings
        self._acceptance = acceptance
        self._store = store
        self._door = door

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """The routes."""
        expect_handler = expecting(self._settings.max_body)
        return [
            web.post("/v1/submissions", self.submit, expect_handler=expect_handler),
            web.get("/v1/submissions/{id}", self.submission),
        ]

    async def submit(self, request: web.Request) -> web.Response:
        """Take one event or a batch.

        One: 202 with the slip, 201 with the receipt, 409 with the rejection, or a problem. A batch: 200 with an array
        of `{"id", "status", "body"}`, in the order of the batch, each as if it had come alone.
        """
        body = await read_body(request, self._settings.max_body)
        try:
            content = cloudevents.read(request.headers.get(hdrs.CONTENT_TYPE, ""), request.headers.items(), body)
        except cloudevents.BindingError as error:
            raise ProblemError(error.code, str(error)) from error
        wait = preferred_wait(request.headers.getall("Prefer", []))
        items = content if isinstance(content, list) else [content]
        if len(items) > self._settings.max_batch:
            limit = self._settings.max_batch
            raise ProblemError("batch-too-large", f"a batch is at most {limit} events", members={"limit": limit})
        answers = await self._settled(request, items, wait)
        tongue = language(request.headers.get(hdrs.ACCEPT_LANGUAGE))
        if isinstance(content, list):
            response = json_response([_item(item, answer, tongue) for item, answer in zip(items, answers, strict=True)])
        else:
            response = _response(answers[0], tongue)
        if wait is not None:
            response.headers["Preference-Applied"] = f"wait={wait}"
        return response

    async def submission(self, request: web.Request) -> web.Response:
        """Tell what is known of a submission of the caller's: state, slip if it was kept, outcome if there is one."""
        caller = await self._door.caller(request)
        id_ = request.match_info["id"]
        known = await self._store.known(caller.agency, id_) if id_.isprintable() else None
        if known is None:
            raise ProblemError("not-found", f"{caller.agency} has no submission {id_[:128]!r} here, or not yet")
        document: dict[str, object] = {"source": caller.agency, "id": id_, "state": "accepted"}
        if known.slip is not None:
            document["slip"] = orjson.Fragment(known.slip)
        if known.outcome is not None:
            document |= {"state": known.outcome.name, "outcome": orjson.Fragment(known.outcome.document)}
        return json_response(document)

    async def _settled(self, request: web.Request, items: Sequence[object], wait: int | None) -> list[Answer]:
        answers = await self._acceptance.take(items, wait=bool(wait))
        awaited = [answer.outcome for answer in answers if isinstance(answer, Accepted) and answer.outcome]
        if awaited:
            await patient(request, awaited, wait)
        return [answer.settled() if isinstance(answer, Accepted) else answer for answer in answers]


def preferred_wait(headers: Sequence[str]) -> int | None:
    """The seconds of `Prefer: wait=N` (RFC 7240), at most MAX_WAIT; None where it is not asked for."""
    found = _WAIT.search(",".join(headers))
    return min(int(found.group(1)), MAX_WAIT) if found else None


def rejected(outcome: Outcome) -> ProblemError:
    """The 409 that a rejection is: the sealed document inside, byte for byte as it is stored."""
    document = parse_object(outcome.document)
    return ProblemError(
        str(outcome.code),
        str(document.get("detail")),
        members={"rejection": orjson.Fragment(outcome.document)},
        status=409,
    )


def _response(answer: Answer, tongue: Language) -> web.Response:
    if isinstance(answer, ProblemError):
        return answer.response(tongue)
    if isinstance(answer, Accepted):
        id_, response = answer.submission.event.envelope.id, json_bytes(answer.slip, status=202)
    elif answer.name == RECEIPT:
        id_, response = answer.key[1], json_bytes(answer.document, status=201)
    else:
        id_, response = answer.key[1], rejected(answer).response(tongue)
    response.headers["Location"] = f"/v1/submissions/{quote(id_, safe='')}"
    return response


def _item(item: object, answer: Answer, tongue: Language) -> dict[str, object]:
    response = _response(answer, tongue)
    id_ = item.get("id") if isinstance(item, dict) else None
    return {"id": id_, "status": response.status, "body": orjson.Fragment(cast("bytes", response.body))}
