"""Problems over HTTP (RFC 9457): one form for everything that a caller is told went wrong.

    {"detail": …, "errors": […], "status": 422, "title": …, "type": "urn:liandong:problem:schema-violation"}

`type` is stable and is what a program looks at; `title` is Chinese or English by Accept-Language; `detail` says
what to mend. The bytes are canonical JSON, so the same problem has the same bytes. Handlers raise ProblemError,
or let any ContractError pass; the middleware `answer_problems` turns every exception into an answer.
"""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import orjson
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from connectors.errors import KafkaUnavailable
from connectors.postgres.pool import transient
from contracts.errors import (
    CodeError,
    ContractError,
    DisclosureError,
    InvalidEvent,
    MalformedJson,
    NoAgreement,
    SignatureError,
    Violation,
)
from contracts.problems import REJECTED, Problem, problems

log = structlog.stdlib.get_logger(__name__)

Language: TypeAlias = Literal["zh", "en"]

CONTENT_TYPE: Final = "application/problem+json"
URN: Final = "urn:liandong:problem:"
MAX_ERRORS: Final = 200
"""An answer lists at most so many violations, and says how many there are."""

RETRY_AFTER: Final = 2
"""Seconds after which a caller may try again what a passing trouble prevented."""

_UNKNOWN: Final = Problem(
    status=REJECTED, title_zh="未列明的问题", title_en="A problem that this version does not know"
)
"""For a rejection by a newer registrar, while a deployment is being upgraded."""

_HTTP_CODES: Final = {404: "not-found", 405: "method-not-allowed"}


class ProblemError(Exception):
    """A problem on its way to the caller. `members` are added to the document; orjson must be able to write them."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        members: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        status: int | None = None,
    ) -> None:
        """`status` is what the contract of the code says, unless given."""
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.members = members or {}
        self.headers = headers or {}
        self._contract = problems().get(code, _UNKNOWN)
        self.status = status or self._contract.status

    def body(self, language: Language) -> bytes:
        """The document."""
        contract, english = self._contract, language == "en"
        document = {
            **self.members,
            "type": URN + self.code,
            "title": contract.title_en if english else contract.title_zh,
            "status": self.status,
            "detail": self.detail,
        }
        if words := contract.help_en if english else contract.help_zh:
            document["help"] = words
        return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)

    def response(self, language: Language) -> web.Response:
        """The answer."""
        headers = {**self.headers, "Content-Language": language, "Vary": "Accept-Language"}
        return web.Response(status=self.status, body=self.body(language), content_type=CONTENT_TYPE, headers=headers)


def unavailable(detail: str, retry_after: int = RETRY_AFTER) -> ProblemError:
    """503: nothing is known about what was asked for; ask again, after so many seconds."""
    return ProblemError("unavailable", detail, headers={"Retry-After": str(retry_after)})


def of(error: ContractError) -> ProblemError:
    """The problem that an error of the contracts is to a caller."""
    match error:
        case InvalidEvent():
            return _invalid(error.code, error.violations)
        case MalformedJson():
            return ProblemError("malformed-json", str(error))
        case SignatureError():
            return ProblemError(error.code, str(error))
        case NoAgreement():
            return ProblemError("no-agreement", str(error))
        case DisclosureError():
            return _invalid("schema-violation", [Violation(f"/data{error.pointer}", "salts", str(error))])
        case CodeError():
            return ProblemError("bad-parameter", str(error))
        case _:
            raise error


def language(accept: str | None) -> Language:
    """The language of an Accept-Language header that is ours and wanted most; Chinese where none is."""
    wanted: dict[Language, float] = {}
    for part in (accept or "").split(","):
        tag, _, parameters = part.strip().partition(";")
        quality = _quality(parameters)
        prefix = tag.strip().lower().partition("-")[0]
        for ours in _matching(prefix):
            wanted[ours] = max(wanted.get(ours, 0.0), quality)
    return "en" if wanted.get("en", 0.0) > wanted.get("zh", 0.0) else "zh"


@web.middleware
async def answer_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into a problem. What nobody foresaw is logged, and told as no more than a 500."""
    try:
        return await handler(request)
    except ProblemError as error:
        problem_error = error
    except web.HTTPException as error:
        problem_error = _of_aiohttp(request, error)
    except ContractError as error:
        problem_error = _of_contract(error)
    except ConnectionResetError:
        raise
    except Exception as error:  # noqa: BLE001, the last stop before the caller
        problem_error = _of_unforeseen(error)
    return problem_error.response(language(request.headers.get("Accept-Language")))


def _invalid(code: str, violations: tuple[Violation, ...] | list[Violation]) -> ProblemError:
    errors = [{"pointer": item.pointer, "rule": item.rule, "detail": item.detail} for item in violations[:MAX_ERRORS]]
    first, count = violations[0], len(violations)
    more = f" (the first of {count}, see errors)" if count > 1 else ""
    return ProblemError(
        code, f"{first.pointer or '/'}: {first.detail}{more}", members={"errors": errors, "errors_total": count}
    )


def _of_aiohttp(request: web.Request, error: web.HTTPException) -> ProblemError:
    code = _HTTP_CODES.get(error.status)
    if code is None:
        raise error
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
    return ProblemError(code, f"{request.method} {request.path}: {error.reason}", headers=headers)


def _of_contract(error: ContractError) -> ProblemError:
    try:
        return of(error)
    except ContractError as unforeseen:
        return _of_unforeseen(unforeseen)


def _of_unforeseen(error: Exception) -> ProblemError:
    if isinstance(error, KafkaUnavailable) or transient(error):
        log.warning("an engine is away", reason=f"{type(error).__name__}: {error}")
        return unavailable("the bus cannot answer now; ask again")
    log.error("unforeseen", exc_info=error)
    return ProblemError("internal", "the bus met an error of its own; it is logged under this request's id")


def _matching(prefix: str) -> tuple[Language, ...]:
    match prefix:
        case "zh":
            return ("zh",)
        case "en":
            return ("en",)
        case "*":
            return ("zh", "en")
        case _:
            return ()


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
