"""A simulated hotline: takes calls, gives orders, hears replies, asks callers back.

    python -m connectors.hotline.simulator --port 0 --seed 7

POST /_acts {"action": "派单", "form": {…}} creates an order; {"action": "重办", "number": …} and so on go on with it.
"""

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from connectors.forms.counter import Counter, Moves, NotPossible, Thread
from connectors.http.server import json_response
from connectors.simulation import Faults, run
from contracts.canonical import Document

_WITHDRAWN: Final = {"撤单": "已撤单"}

MOVES: Final[Moves] = {
    "": {"派单": "待接单"},
    "待接单": {"接单": "处理中", "退单": "退单待审", **_WITHDRAWN},
    "退单待审": {"维持": "待接单", "改派": "待接单", **_WITHDRAWN},
    "处理中": {
        "办结": "待回访",
        "退单": "退单待审",
        "改派": "待接单",
        "诉转案": "=",
        "申请撤单": "=",
        "同意撤单": "已撤单",
        "不同意撤单": "=",
    },
    "待回访": {"核查通过": "待结案", "重办": "处理中", "诉转案": "="},
    "待结案": {"结案": "已结案", "诉转案": "="},
    "已结案": {"评价": "="},
    "已撤单": {},
    "*": {"督办": "=", "延期申请": "=", "同意延期": "=", "不同意延期": "=", "告知": "=", "签收": "="},
}

_TELLS: Final = ("address", "division", "bigClass", "smallClass", "dispatchedAt")
"""What it tells of earlier orders; nothing of who called."""


class HotlineSimulator(Counter):
    """The hotline."""

    def __init__(self, faults: Faults | None = None) -> None:
        super().__init__("SYN-RX-", MOVES, ["replies"], faults)

    def more_routes(self) -> Sequence[web.AbstractRouteDef]:
        """Earlier orders."""
        return [web.get("/orders", self._orders)]

    def order(self, form: Document, at: str | None = None) -> str:
        """A caller's matter becomes an order; its number."""
        return str(self.act("派单", form, at=at)["number"])

    def take(self, key: str, letter: Document) -> Document:
        """Only about an order of its own."""
        if letter.get("number") not in self.threads:
            raise NotPossible("no such order")
        return super().take(key, letter)

    def written(self, thread: Thread, action: str, form: Document) -> Document:
        """An order bears its number."""
        return {**form, "orderNo": thread.number} if action == "派单" else form

    def noted(self, thread: Thread, action: str, form: Document) -> None:
        """The last of each: who was called first and when, the result, the case, how satisfied the caller is."""
        thread.notes[action] = form

    async def _orders(self, request: web.Request) -> web.Response:
        asked = request.query
        found = [
            {"changeNo": change["changeNo"], "number": change["number"], **told}
            for change in self.changes[: int(asked["before"]) - 1]
            if change["action"] == "派单"
            and isinstance(form := change["form"], dict)
            and (told := {name: form[name] for name in _TELLS if name in form})
            and form.get("division") == asked["division"]
            and asked["class"] in (form.get("smallClass"), form.get("bigClass"))
            and str(form.get("dispatchedAt")) >= asked["since"]
        ]
        return json_response({"orders": self.faults.offered(found)})


if __name__ == "__main__":
    run(HotlineSimulator)
