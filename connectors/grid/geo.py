"""The simulated centre's cases by Open311 GeoReport v2, as JSON.

GET  services.json, services/{code}.json
GET  requests.json?updated_after=…&status=…&extensions=true, requests/{id}.json
POST requests.json                 form-encoded; the same attribute[external_id] is the same request
POST servicerequestupdates.json    form-encoded; a clerk reads the description: it begins with what was done
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import JsonValue

from connectors.grid.desk import OVER, RULES, Case, Desk, Refused
from connectors.http.server import json_response
from connectors.simulation import Faults
from contracts.canonical import Document

_SHANGHAI: Final = ZoneInfo("Asia/Shanghai")

SERVICES: Final[Mapping[str, tuple[str, str]]] = {
    "SYN-0101": ("暴露垃圾", "SYN-01"),
    "SYN-0207": ("违法搭建", "SYN-02"),
    "SYN-0301": ("占道设摊", "SYN-03"),
    "other": ("其他", "SYN-99"),
}
"""Classes that are invented: the code tables of GB/T 30428.2 are not public."""

_ATTRIBUTES: Final = {
    "order_no": "orderNo",
    "dept_code": "deptCode",
    "title": "title",
    "main_class": "mainClass",
    "source": "source",
    "event_type": "eventType",
    "limit": "limit",
    "deadline": "deadline",
    "urgency": "urgency",
    "call_first": "callFirst",
    "reported_at": "reportedAt",
    "dispatched_at": "dispatchedAt",
    "contact_name": "dispatcher",
    "contact_phone": "dispatcherPhone",
    "contact_dept": "dispatcherDept",
    "losses": "losses",
}
"""What the service definitions ask for beyond the standard, and where the centre's own form has it."""
_NOTES: Final = ("resultText", "opinion", "reason", "requirement")


class Geo:
    """The routes, under a prefix. `token`: the api_key that a POST must show."""

    def __init__(self, desk: Desk, faults: Callable[[], Faults], token: str | None = None) -> None:
        self._desk = desk
        self._faults = faults
        self._token = token

    def routes(self, prefix: str) -> list[web.AbstractRouteDef]:
        """For the simulator."""
        return [
            web.get(f"{prefix}/services.json", _answering(self._services)),
            web.get(f"{prefix}/services/{{code}}.json", _answering(self._definition)),
            web.get(f"{prefix}/requests.json", _answering(self._requests)),
            web.post(f"{prefix}/requests.json", _answering(self._open)),
            web.get(f"{prefix}/requests/{{id}}.json", _answering(self._request)),
            web.post(f"{prefix}/servicerequestupdates.json", _answering(self._update)),
        ]

    async def _services(self, _: web.Request) -> web.Response:
        return json_response([
            {
                "service_code": code, "service_name": name, "description": name, "metadata": True, "type": "realtime",
                "keywords": name, "group": group,
            }
            for code, (name, group) in SERVICES.items()
        ])  # fmt: skip

    async def _definition(self, request: web.Request) -> web.Response:
        code = request.match_info["code"]
        if code not in SERVICES:
            raise Refused("there is no such service", 404)
        attributes: list[JsonValue] = [
            {
                "variable": True, "code": name, "datatype": "string", "required": False, "datatype_description": None,
                "order": order, "description": name, "values": [],
            }
            for order, name in enumerate(("external_id", "area_code", *_ATTRIBUTES), start=1)
        ]  # fmt: skip
        return json_response({"service_code": code, "attributes": attributes})

    async def _requests(self, request: web.Request) -> web.Response:
        query = request.query
        extended = query.get("extensions") == "true"
        ids = [id_ for id_ in query.get("service_request_id", "").split(",") if id_]
        after = query.get("updated_after")
        found = [
            _record(case, extended)
            for case in self._desk.cases.values()
            if (not ids or str(case.serial) in ids)
            and ("status" not in query or _status(case) in query["status"].split(","))
            and (after is None or _instant(case.updated) >= datetime.fromisoformat(after))
        ]
        return json_response(self._faults().offered(found))

    async def _request(self, request: web.Request) -> web.Response:
        case = self._case(request.match_info["id"])
        return json_response([_record(case, request.query.get("extensions") == "true")])

    async def _open(self, request: web.Request) -> web.Response:
        form = await self._form(request)
        code = form.get("service_code", "")
        if code not in SERVICES:
            raise Refused("service_code was not found", 404)
        if not (form.get("address_string") or form.get("address_id") or (form.get("lat") and form.get("long"))):
            raise Refused("a location is missing", 400)
        external = form.get("attribute[external_id]", "")
        answer = self._desk.opened({"externalId": external, "detail": _detail(form)})
        case = self._desk.cases[str(answer["caseNo"])]
        return json_response([{"service_request_id": str(case.serial), "service_notice": None, "account_id": None}])

    async def _update(self, request: web.Request) -> web.Response:
        form = await self._form(request)
        case, said = self._case(form.get("service_request_id", "")), form.get("description", "")
        action = said.partition("。")[0]
        update = form.get("update_id", "")
        self._desk.reported({
            "externalId": update,
            "caseNo": case.number,
            "action": action if action in RULES else "备注",
            "detail": {"text": said},
        })  # fmt: skip
        return json_response([{"update_id": update}])

    def _case(self, id_: str) -> Case:
        for case in self._desk.cases.values():
            if str(case.serial) == id_:
                return case
        raise Refused("service_request_id was not found", 404)

    async def _form(self, request: web.Request) -> dict[str, str]:
        form = {name: str(value) for name, value in (await request.post()).items()}
        if self._token and form.get("api_key") != self._token:
            raise Refused("api_key is missing or wrong", 403)
        return form


def _answering(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Handler:
    """What is refused is said as the standard says it."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refused as refused:
            return json_response([{"code": refused.status, "description": str(refused)}], status=refused.status)

    return answer


def _status(case: Case) -> str:
    """For who asked, a request is closed when the centre has done its part."""
    done = case.stage in OVER or (case.external is not None and case.stage in {"核查", "待结案"})
    return "closed" if done else "open"


def _record(case: Case, extended: bool) -> Document:
    detail = case.detail
    place = detail.get("location")
    location = place if isinstance(place, dict) else {}
    code = str(detail.get("subClass") or "other")
    record: Document = {
        "service_request_id": str(case.serial),
        "status": _status(case),
        "status_notes": _notes(case),
        "service_name": SERVICES.get(code, SERVICES["other"])[0],
        "service_code": code,
        "description": detail.get("description"),
        "agency_responsible": "闵行区城市运行管理中心",
        "service_notice": None,
        "requested_datetime": _w3(str(case.history[0]["time"])),
        "updated_datetime": _w3(case.updated),
        "expected_datetime": f"{case.deadline}T23:59:59+08:00" if case.deadline else None,
        "address": location.get("address"),
        "address_id": detail.get("gridNo"),
        "zipcode": None,
        "lat": _degrees(location.get("y")),
        "long": _degrees(location.get("x")),
        "media_url": _media(detail),
    }
    return {**record, "attributes": _attributes(case, location)} if extended else record


def _attributes(case: Case, location: Mapping[str, JsonValue]) -> list[JsonValue]:
    values = {code: case.detail.get(name) for code, name in _ATTRIBUTES.items()}
    values["order_no"] = values["order_no"] or case.number
    values |= {name: _w3(str(values[name])) for name in ("reported_at", "dispatched_at") if values[name]}
    values |= {"external_id": case.external, "area_code": location.get("areaCode")}
    if isinstance(values["call_first"], bool):
        values["call_first"] = "true" if values["call_first"] else "false"
    return [{"code": code, "label": code, "value": value} for code, value in values.items() if value is not None]


def _detail(form: Mapping[str, str]) -> Document:
    location: Document = {
        "address": form.get("address_string"),
        "areaCode": form.get("attribute[area_code]"),
        "x": form.get("long"),
        "y": form.get("lat"),
        "coordSystem": "WGS84" if form.get("lat") else None,
    }
    found: Document = {
        "description": form.get("description"),
        "subClass": form.get("service_code"),
        "gridNo": form.get("address_id"),
        "location": {name: value for name, value in location.items() if value is not None},
        "mediaUrl": form.get("media_url"),
        **{name: form.get(f"attribute[{code}]") for code, name in _ATTRIBUTES.items()},
    }
    return {name: value for name, value in found.items() if value is not None}


def _notes(case: Case) -> JsonValue:
    for entry in reversed(case.history[1:]):
        detail = entry["detail"]
        if isinstance(detail, dict) and entry["byExternalId"] is None:
            for name in _NOTES:
                if detail.get(name):
                    return detail[name]
    return None


def _media(detail: Mapping[str, JsonValue]) -> JsonValue:
    photos = detail.get("photos")
    first = photos[0] if isinstance(photos, list) and photos else None
    return first.get("url") if isinstance(first, dict) else detail.get("mediaUrl")


def _degrees(value: JsonValue) -> JsonValue:
    return float(str(value)) if value is not None else None


def _instant(text: str) -> datetime:
    """A time as the centre writes it, or as the standard does."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=_SHANGHAI)


def _w3(text: str) -> str:
    return _instant(text).isoformat()
