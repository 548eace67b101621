"""A simulated city in another province: officers sign, trace, refuse and report by a seeded script, and ask us too.

Backstage of a mailbox: GET /_state what it has seen; PUT /_script {"on": false}, POST /_acts a form that people write.

The same desk stands behind a mailbox and behind a gap. As a process:

    python -m connectors.provinces.simulator --port 0 --seed 7          a mailbox; works when it is looked into
    python -m connectors.provinces.simulator --home … --outgoing … …    behind a gap (`connectors/ferry/partner.py`)
"""

import hashlib
import random
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson
from aiohttp import web
from pydantic import BaseModel, Field, JsonValue

from connectors import simulation
from connectors.ferry.partner import Desk, FerryPartner, There, Told, cited_by_form
from connectors.ferry.partner import run as run_ferry
from connectors.simulation import Faults, Simulator
from contracts.canonical import Document, parse_object, timestamp

CITY: Final = "330400-cg"
BRANCHES: Final = (("hf",), ("hf", "ytla", "jgtb"), ("wcm",), ("byxc",))
"""What follows 签收: 查明; 查明、立案、通报结果; 未查明; 不予协查."""


class Matter(BaseModel):
    """A matter on their desk. `plan`: the forms that are to come, one a day."""

    exchange: str
    kind: str
    letter: str
    plan: list[str]
    starts_at: str | None = None


class CityDesk(Desk):
    """The desk of a city. `letters`: what it was told in forms that it need not answer."""

    agency: str
    seed: int = 0
    branch: tuple[str, ...] | None = None
    matters: dict[str, Matter] = Field(default_factory=dict[str, Matter])
    letters: list[str] = Field(default_factory=list[str])

    def act(self, form: Document) -> None:
        """Plan what a form asks for."""
        code, exchange, content = str(form.get("bdlx")), str(form.get("wlbh")), form.get("nr")
        said = content if isinstance(content, dict) else {}
        script = random.Random(f"{self.seed}:{exchange}:{code}")  # noqa: S311, a script and no secret
        plans: dict[str, list[str]] = {
            "xch": ["yy", "qs", *(self.branch or script.choice(BRANCHES))],
            "lhzf": ["yy", script.choice(["qrcj", "bcj"])],
            "wtfb": ["wtfk"],
        }
        if code not in plans:
            self.letters.append(code)
            return
        known = self.matters.get(exchange)
        starts_at = said.get("kssj", known.starts_at if known else None)
        self.matters[exchange] = Matter(
            exchange=exchange,
            kind=str(form.get("ywlx")),
            letter=str(form.get("jbh")),
            plan=[*(known.plan if known else []), *plans[code]],
            starts_at=starts_at if isinstance(starts_at, str) else None,
        )

    def work(self, now: str) -> None:
        """One form for each matter a day."""
        for matter in self.matters.values():
            if matter.plan:
                self.write(self._form(matter, matter.plan.pop(0), now), self.agency)

    def ask(self, number: str, recipient: str, now: str) -> None:
        """Ask a bureau on our side 协查, under a number of the city's own."""
        content: Document = {
            **self._number(now),
            "qhdw": [recipient],
            "xclx": "卸点",
            "ay": "随意倾倒、抛撒、堆放建筑垃圾",
            "cmxw": "示例: 涉案车辆自述在贵区卸点倾倒。",
            "afdz": "闵行区示例路南侧空地",
            "afqh": "310112",
            "kszy": "不明",
            "xcsx": ["示例: 该卸点的管理单位。"],
            "yj": [{"flmc": "中华人民共和国生态环境法典", "tk": "第五十条"}],
            "yt": "协查",
            **self._contact(),
            "qhrq": now[:10],
        }
        self.write({"bdlx": "xch", "ajbh": number, "sj": now, "ywlx": "lead", "nr": content}, self.agency)

    def close(self, number: str, now: str) -> None:
        """End a matter that the city opened."""
        content: Document = {"jg": "示例: 已协查。", "bjrq": now[:10]}
        self.write({"bdlx": "bjtz", "ajbh": number, "sj": now, "ywlx": "lead", "nr": content}, self.agency)

    def _form(self, matter: Matter, step: str, now: str) -> Document:
        head: Document = {"bdlx": step, "wlbh": matter.exchange, "ywlx": matter.kind, "sj": now, "jbh": matter.letter}
        return {**head, "nr": self._content(matter, step, now)}

    def _content(self, matter: Matter, step: str, now: str) -> Document:
        number, contact, day = self._number(now), self._contact(), now[:10]
        cause: Document = {"ay": "随意倾倒、抛撒、堆放建筑垃圾"}
        law: list[JsonValue] = [{"flmc": "中华人民共和国生态环境法典", "tk": "第一千一百六十九条"}]
        contents: dict[str, Document] = {
            "yy": {},
            "qs": {"qsr": "钱示例", "qssj": now},
            "hf": {**number, "hcjl": "示例: 装载地为示例工地。", "ytmc": "示例工地", "zjxl": "仅供参考", **contact},
            "wcm": {**number, "hcfw": ["示例卡口记录"], "hcjl": "示例: 未查到该车。", **contact},
            "byxc": {
                **number,
                "lydm": "not-competent-territory",
                "ly": "示例: 所涉船舶不在本辖区。",
                "gxmc": "示例市综合行政执法局",
                **contact,
            },
            "ytla": {**number, "larq": day, **cause},
            "jgtb": {
                **number,
                **cause,
                "cfwh": f"示例罚决字〔{day[:4]}〕{self.serial + 1}号",
                "cfjdrq": day,
                "cfcx": "一般程序",
                "cfdl": "construction_waste",
                "cfcf": [{"zl": "罚款", "je": 1_000_000}],
                "cffkhj": 1_000_000,
                "cfyj": law,
                "hr": "1",
            },
            "qrcj": {"kssj": matter.starts_at, **{f"ddr{name[3:]}": value for name, value in contact.items()}},
            "bcj": {"lydm": "time-clash", "ly": "示例: 当晚另有安排。"},
            "wtfk": {"fk": [{"bh": "1", "jg": "已整改", "qk": "示例: 已整改。"}], **contact},
        }
        return contents[step]

    def _number(self, now: str) -> Document:
        return {"wh": f"示例综执函[{now[:4]}]{self.serial + 1}号"}

    def _contact(self) -> Document:
        return {"lxrxm": "钱示例", "lxrdh": "0573-00000003"}


def city_behind_gap(
    there: There, *, outgoing: Path, incoming: Path, branch: tuple[str, ...] | None = None
) -> FerryPartner[CityDesk]:
    """A city behind a gap; `branch`: how it answers every lead, if not as its script says."""
    desk = CityDesk(agency=there.ends.ours, seed=there.seed, branch=branch)
    return FerryPartner(there, desk, outgoing=outgoing, incoming=incoming)


class _Kept(BaseModel):
    desk: CityDesk
    files: dict[str, str]
    box: dict[int, Document]
    last: int


class MailboxCity(Simulator):
    """A city with a mailbox. `step` is a working day; with `works_when_looked_at` there is one before each look."""

    def __init__(
        self,
        faults: Faults | None = None,
        *,
        agency: str = CITY,
        seed: int = 0,
        branch: tuple[str, ...] | None = None,
        token: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        works_when_looked_at: bool = False,
    ) -> None:
        super().__init__(
            [
                web.post("/boxes/{agency}/messages", self._post),
                web.get("/boxes/{bus}/messages", self._get),
                web.post("/boxes/{bus}/acks", self._ack),
                web.put("/files/{digest}", self._put_file),
                web.get("/files/{digest}", self._get_file),
                web.get("/_state", self._state),
                web.put("/_script", self._turn_script),
                web.post("/_acts", self._write_by_hand),
            ],
            faults,
        )
        self.desk = CityDesk(agency=agency, seed=seed, branch=branch)
        self.files: dict[str, bytes] = {}
        self.box: dict[int, Document] = {}
        self.last = 0
        self._token, self._clock, self._works = token, clock, works_when_looked_at

    def kept(self) -> Document:
        """The desk, the files and our box."""
        return {
            "desk": self.desk.model_dump(mode="json"),
            "files": {digest: b64encode(content).decode() for digest, content in self.files.items()},
            "box": {str(number): form for number, form in self.box.items()},
            "last": self.last,
        }

    def recall(self, kept: Document) -> None:
        """The desk, the files and our box."""
        found = _Kept.model_validate(kept)
        self.desk, self.box, self.last = found.desk, found.box, found.last
        self.files = {digest: b64decode(content) for digest, content in found.files.items()}

    def now(self) -> str:
        """The city's own time."""
        return timestamp(self._clock())

    def step(self) -> None:
        """A working day: what is answered lies in our box afterwards."""
        self.desk.work(self.now())
        self.post_tray()

    def post_tray(self) -> None:
        """Put what was written into our box."""
        for form in self.desk.tray:
            self.last += 1
            self.box[self.last] = form
        self.desk.tray = []

    async def _post(self, request: web.Request) -> web.Response:
        self._admit(request)
        form = parse_object(await request.read())
        missing = [digest for digest in cited_by_form(form.get("nr")) if digest not in self.files]
        if not missing:
            self.desk.take(form)
        return _json({"jbh": form.get("jbh"), "missing": [*missing]})

    async def _get(self, request: web.Request) -> web.Response:
        self._admit(request)
        if self._works:
            self.step()
        after, limit = int(request.query["after"]), int(request.query["limit"])
        waiting = sorted(number for number in self.box if number > after)
        offered = self.faults.offered(waiting[:limit])
        messages: list[JsonValue] = [{"id": number, "form": self.box[number]} for number in offered]
        return _json({"messages": messages, "more": len(waiting) > limit})

    async def _ack(self, request: web.Request) -> web.Response:
        self._admit(request)
        ids = parse_object(await request.read()).get("ids")
        for number in ids if isinstance(ids, list) else []:
            self.box.pop(int(str(number)), None)
        return _json({})

    async def _put_file(self, request: web.Request) -> web.Response:
        self._admit(request)
        body, digest = await request.read(), request.match_info["digest"]
        if f"sha-256:{hashlib.sha256(body).hexdigest()}" != digest:
            return web.Response(status=422, text="摘要不符")
        self.files[digest] = body
        return _json({})

    async def _get_file(self, request: web.Request) -> web.Response:
        self._admit(request)
        body = self.files.get(request.match_info["digest"])
        if body is None:
            return web.Response(status=404)
        offset, length = int(request.query["offset"]), int(request.query["length"])
        return web.Response(body=body[offset : offset + length])

    async def _state(self, _: web.Request) -> web.Response:
        return _json({"seen": {**self.desk.seen}, "returned": [*self.desk.returned]})

    async def _turn_script(self, request: web.Request) -> web.Response:
        self._works = bool(parse_object(await request.read())["on"])
        return web.Response(status=204)

    async def _write_by_hand(self, request: web.Request) -> web.Response:
        self.desk.write(parse_object(await request.read()), self.desk.agency)
        self.post_tray()
        return _json({"lsh": self.box[self.last]["lsh"]})

    def _admit(self, request: web.Request) -> None:
        if self._token is not None and request.headers.get("Authorization") != f"Bearer {self._token}":
            raise web.HTTPUnauthorized(text="请登录")


def _json(value: JsonValue) -> web.Response:
    return web.Response(body=orjson.dumps(value), content_type="application/json")


def _told(there: There, told: Told) -> FerryPartner[CityDesk]:
    return city_behind_gap(there, outgoing=told.outgoing, incoming=told.incoming)


if __name__ == "__main__":
    if "--home" in sys.argv:
        run_ferry(_told)
    else:
        simulation.run(lambda faults: MailboxCity(faults, works_when_looked_at=True))
