"""What a simulated grid centre does inside: cases 案卷, their stages, who may do what, and a list of changes; no I/O.

It knows nothing of us: a platform 执法平台 opens cases under a number of its own (externalId) and reports steps; the
centre's own desk 值守台 does the rest. What comes twice under one externalId is done once and answered alike.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Final, Literal

from pydantic import TypeAdapter

from contracts.canonical import Document

Side = Literal["desk", "platform"]

OVER: Final = frozenset({"结案", "撤单"})
_ANY: Final = frozenset({"派遣", "退单", "处置", "核查", "待结案"})
_WORKED_ON: Final = frozenset({"派遣", "处置"})


@dataclass(frozen=True, slots=True)
class Rule:
    """From which stages a step is possible, and where it leads (None: nowhere). `by`: who dispatches, who handles."""

    stages: frozenset[str]
    leads: str | None
    by: Literal["dispatcher", "handler", "both"] = "both"


RULES: Final[Mapping[str, Rule]] = {
    "接单": Rule(frozenset({"派遣"}), "处置", "handler"),
    "退单": Rule(_WORKED_ON, "退单", "handler"),
    "改派": Rule(frozenset({"退单", "处置"}), "派遣", "dispatcher"),
    "退单不成立": Rule(frozenset({"退单"}), "派遣", "dispatcher"),
    "转案": Rule(_ANY, None, "handler"),
    "处置完成": Rule(frozenset({"处置"}), "核查", "handler"),
    "核查通过": Rule(frozenset({"核查"}), "待结案", "dispatcher"),
    "核查不通过": Rule(frozenset({"核查"}), "处置", "dispatcher"),
    "结案": Rule(frozenset({"待结案"}), "结案", "dispatcher"),
    "督办": Rule(_ANY, None),
    "延期申请": Rule(_WORKED_ON, None),
    "延期批准": Rule(_ANY, None),
    "延期驳回": Rule(_ANY, None),
    "撤单申请": Rule(_ANY, None, "dispatcher"),
    "撤单": Rule(_ANY, "撤单"),
    "撤单驳回": Rule(_ANY, None, "handler"),
    "备注": Rule(_ANY | OVER, None),
}


class Refused(Exception):
    """The centre does not do it; `status` is that of HTTP."""

    def __init__(self, message: str, status: int = 409) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class Case:
    """One case.

    external: the number of the platform, if that opened it. dept: who handles it. asked: which side has asked for more
    time. history: every step, oldest first.
    """

    serial: int
    number: str
    external: str | None
    detail: Document
    stage: str = "受理"
    dept: str | None = None
    deadline: str | None = None
    asked: Side | None = None
    urged: int = 0
    updated: str = ""
    history: list[Document] = field(default_factory=list)

    def shown(self) -> Document:
        """What the state page shows of it."""
        return {
            "caseNo": self.number,
            "externalId": self.external,
            "stage": self.stage,
            "dept": self.dept,
            "deadline": self.deadline,
            "urged": self.urged,
            "detail": self.detail,
            "history": [*self.history],
        }


@dataclass(frozen=True, slots=True)
class _Kept:
    cases: list[Case]
    changes: list[Document]
    letters: list[Document]
    errors: list[Document]
    files: dict[str, str]
    answers: dict[str, Document]


_KEPT: Final = TypeAdapter(_Kept)


class Desk:
    """The centre's books. `code`: what others call the centre. `clock`: its own time, and how it writes it down."""

    def __init__(self, code: str, clock: Callable[[], datetime], write: Callable[[datetime], str]) -> None:
        self._code = code
        self._clock = clock
        self._write = write
        self.cases: dict[str, Case] = {}
        self.changes: list[Document] = []
        self.letters: list[Document] = []
        self.errors: list[Document] = []
        self.files: dict[str, bytes] = {}
        self._answers: dict[str, Document] = {}

    # --- the platform's calls

    def opened(self, form: Mapping[str, object]) -> Document:
        """A case that the platform brings. Raises Refused."""
        external = _text(form, "externalId")
        known = next((case for case in self.cases.values() if case.external == external), None)
        if known is None:
            detail = _detail(form)
            known = self._new(external, detail)
            at, losses = str(form.get("time") or self._now()), form.get("losses")
            self._note(known, "派遣", "派遣", detail, at=at, by=external, losses=losses)
        return {"caseNo": known.number, "externalId": external}

    def reported(self, form: Mapping[str, object]) -> Document:
        """A step that the platform reports. Raises Refused."""
        external = _text(form, "externalId")
        if external not in self._answers:
            case = self._case(form)
            action, at = _text(form, "action"), str(form.get("time") or self._now())
            change = self._step(case, "platform", action, _detail(form), at=at, by=external, losses=form.get("losses"))
            self._answers[external] = {"caseNo": case.number, "changeNo": change, "stage": case.stage}
        return self._answers[external]

    def kept(self, book: Literal["letters", "errors"], form: Document) -> Document:
        """A letter 来文, or word of an error, is put on file."""
        external = _text(form, "externalId")
        shelf = self.letters if book == "letters" else self.errors
        if external not in self._answers:
            shelf.append(form)
            self._answers[external] = {"externalId": external, "number": len(shelf)}
        return self._answers[external]

    def filed(self, digest: str, content: bytes) -> None:
        """A picture of the platform's. Raises Refused if it is not what its digest says."""
        if digest != f"sha-256:{sha256(content).hexdigest()}":
            raise Refused("the content is not that of the digest", 422)
        self.files[digest] = content

    # --- the centre's own doing

    def open_case(self, detail: Document, at: str | None = None, number: str | None = None) -> Case:
        """The centre takes something in, files it, and dispatches it; under its next number where none is given."""
        case = self._new(None, detail, number)
        when = at or self._now()
        for action in ("受理", "立案"):
            self._note(case, action, action, {}, at=when)
        self._note(case, "派遣", "派遣", {**detail, "orderNo": detail.get("orderNo") or case.number}, at=when)
        return case

    def act(self, number: str, action: str, detail: Document | None = None, at: str | None = None) -> int:
        """Somebody at the desk takes a step. Returns the number of the change. Raises Refused."""
        return self._step(self._case({"caseNo": number}), "desk", action, detail or {}, at=at or self._now())

    def picture(self, content: bytes, name: str = "现场照片", media_type: str = "image/jpeg") -> Document:
        """A picture that the centre has taken, as its form names it."""
        digest = f"sha-256:{sha256(content).hexdigest()}"
        self.files[digest] = content
        return {
            "name": name, "digest": digest, "size": len(content), "mediaType": media_type, "url": f"files/{digest}",
        }  # fmt: skip

    def closed_books(self) -> Document:
        """The books, to be found again."""
        return {
            "cases": [asdict(case) for case in self.cases.values()],
            "changes": [*self.changes],
            "letters": [*self.letters],
            "errors": [*self.errors],
            "files": {digest: b64encode(content).decode() for digest, content in self.files.items()},
            "answers": {**self._answers},
        }

    def open_books(self, kept: Document) -> None:
        """The books as they were kept."""
        found = _KEPT.validate_python(kept)
        self.cases = {case.number: case for case in found.cases}
        self.changes, self.letters, self.errors = found.changes, found.letters, found.errors
        self.files = {digest: b64decode(content) for digest, content in found.files.items()}
        self._answers = found.answers

    def state(self) -> Document:
        """Everything, for whoever compares."""
        return {
            "cases": [case.shown() for case in self.cases.values()],
            "changes": [*self.changes],
            "letters": [*self.letters],
            "errors": [*self.errors],
            "files": [*sorted(self.files)],
        }

    # --- the books

    def _new(self, external: str | None, detail: Document, number: str | None = None) -> Case:
        serial = len(self.cases) + 1
        case = Case(serial, number or f"闵网格〔{self._clock().year}〕{serial:06}号", external, detail)
        case.dept, case.deadline = _or_none(detail.get("deptCode")), _or_none(detail.get("deadline"))
        self.cases[case.number] = case
        return case

    def _case(self, form: Mapping[str, object]) -> Case:
        number, external = form.get("caseNo"), form.get("caseExternalId")
        for case in self.cases.values():
            if number == case.number or (external is not None and external == case.external):
                return case
        raise Refused("there is no such case", 404)

    def _step(
        self,
        case: Case,
        side: Side,
        action: str,
        detail: Document,
        *,
        at: str,
        by: str | None = None,
        losses: object = None,
    ) -> int:
        rule = RULES.get(action)
        if rule is None:
            raise Refused(f"there is no step {action!r}", 400)
        if rule.by != "both" and side != self._side(case, rule.by):
            raise Refused(f"{action} is not for this side")
        if case.stage not in rule.stages:
            raise Refused(f"{action} is not possible in stage {case.stage}")
        self._bear_in_mind(case, side, action, detail)
        return self._note(case, action, rule.leads or case.stage, detail, at=at, by=by, losses=losses)

    def _side(self, case: Case, part: Literal["dispatcher", "handler"]) -> Side:
        if part == "dispatcher":
            return "desk" if case.external is None else "platform"
        return "desk" if case.dept == self._code else "platform"

    def _bear_in_mind(self, case: Case, side: Side, action: str, detail: Document) -> None:
        new = detail.get("newDeadline") or detail.get("deadline")
        match action:
            case "延期申请":
                case.asked = side
            case "延期批准" | "延期驳回" if case.asked in {None, side}:
                raise Refused("the other side has not asked for more time")
            case "延期批准":
                case.deadline, case.asked = _or_none(new), None
            case "延期驳回":
                case.asked = None
            case "督办":
                case.urged += 1
            case "改派":
                case.dept, case.deadline = _or_none(detail.get("deptCode")), _or_none(new)
            case "核查不通过":
                case.deadline = _or_none(new) or case.deadline
            case _:
                pass

    def _note(
        self,
        case: Case,
        action: str,
        stage: str,
        detail: Document,
        *,
        at: str,
        by: str | None = None,
        losses: object = None,
    ) -> int:
        case.stage, case.updated = stage, self._now()
        number = len(self.changes) + 1
        entry: Document = {"changeNo": number, "action": action, "time": at, "byExternalId": by, "detail": detail}
        remark: Document = {"losses": losses} if isinstance(losses, list) and losses else {}
        case.history.append({**entry, "stage": stage, **remark})
        self.changes.append({**entry, "caseNo": case.number, "externalId": case.external})
        return number

    def _now(self) -> str:
        return self._write(self._clock())


def _text(form: Mapping[str, object], name: str) -> str:
    value = form.get(name)
    if not isinstance(value, str) or not value:
        raise Refused(f"{name} is missing", 400)
    return value


def _detail(form: Mapping[str, object]) -> Document:
    detail = form.get("detail")
    if not isinstance(detail, dict):
        raise Refused("detail is missing", 400)
    return detail


def _or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None
