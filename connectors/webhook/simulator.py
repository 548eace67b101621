"""An agency's endpoint: verifies, remembers the ids it has seen, and keeps what came, in the order it came."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from connectors.simulation import Faults, Simulator, run
from connectors.webhook.mapping import WebhookError, verify
from contracts.canonical import Document
from contracts.signatures import load_public


class Endpoint(Simulator):
    """POST /hook takes items; GET /taken shows them. Without keys and secrets it believes everybody."""

    def __init__(
        self, faults: Faults | None = None, keys: Sequence[Ed25519PublicKey] = (), secrets: Sequence[bytes] = ()
    ) -> None:
        routes = [web.post("/hook", self._take), web.get("/taken", self._show), web.put("/keys", self._trust)]
        super().__init__(routes, faults)
        self.keys = [*keys]
        self.secrets = [*secrets]
        self.taken: dict[str, dict[str, Any]] = {}
        self.repeats = 0
        self.status = 204
        """What it answers to what is good."""

    def kept(self) -> Document:
        """What came."""
        return {"taken": {**self.taken}, "repeats": self.repeats}

    def recall(self, kept: Document) -> None:
        """What came."""
        taken = kept["taken"]
        items = taken.items() if isinstance(taken, dict) else ()
        self.taken = {id_: dict(item) for id_, item in items if isinstance(item, dict)}
        self.repeats = int(str(kept["repeats"]))

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.keys or self.secrets:
            try:
                verify(request.headers, body, datetime.now(UTC), self.keys, self.secrets)
            except WebhookError as error:
                return web.Response(status=401, text=str(error))
        if self.status < 300:
            id_ = request.headers["webhook-id"]
            self.repeats += id_ in self.taken
            self.taken.setdefault(id_, orjson.loads(body))
        return web.Response(status=self.status)

    async def _show(self, _: web.Request) -> web.Response:
        return web.json_response({"items": [*self.taken.values()], "repeats": self.repeats})

    async def _trust(self, request: web.Request) -> web.Response:
        self.keys = [load_public(item) for item in orjson.loads(await request.read())]
        return web.Response(status=204)


if __name__ == "__main__":
    run(Endpoint)
