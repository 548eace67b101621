"""Exports are read back by what they are for: a table reader, and a process-mining library."""

import csv
import io
import json
from collections.abc import Iterator
from copy import deepcopy
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import r4pm
from jsonschema import Draft7Validator, FormatChecker
from r4pm import bindings

from services.audit.exports import WITHHELD, csv_of, ocel_of, xes_of
from tests.support.factory import CASE
from tests.support.play import MINHANG, POLICE
from tests.support.told import at, case, referral, timeline, transfer

_NAMED = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "type": {"type": "string"}},
    "required": ["name", "type"],
}
_TYPES = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "attributes": {"type": "array", "items": _NAMED}},
        "required": ["name", "attributes"],
    },
}
_TIME = {"type": "string", "format": "date-time"}


def _things(*, times: bool) -> dict[str, Any]:
    """Events have a time, attributes of objects have theirs; the value of an attribute is a string."""
    attribute = {"name": {"type": "string"}, "value": {"type": "string"}, **({"time": _TIME} if times else {})}
    related = {"objectId": {"type": "string"}, "qualifier": {"type": "string"}}
    own = {"id": {"type": "string"}, "type": {"type": "string"}, **({} if times else {"time": _TIME})}
    lists = {
        name: {"type": "array", "items": {"type": "object", "properties": item, "required": list(item)}}
        for name, item in (("attributes", attribute), ("relationships", related))
    }
    return {"type": "array", "items": {"type": "object", "properties": {**own, **lists}, "required": list(own)}}


OCEL_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "eventTypes": _TYPES,
        "objectTypes": _TYPES,
        "events": _things(times=False),
        "objects": _things(times=True),
    },
    "required": ["eventTypes", "objectTypes", "events", "objects"],
}
"""What the JSON schema of OCEL 2.0 (ocel-standard.org) asks for"""

REFERRED, SENT = "cn.liandong.referral.reported.v1", "cn.liandong.referral.sent.v1"


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    return timeline(referral())


@pytest.fixture(scope="module")
def cut() -> dict[str, Any]:
    """The same as the police read it: what came before the referral is withheld."""
    return timeline(referral(), POLICE)


@pytest.fixture(scope="module")
def of_case() -> dict[str, Any]:
    return case([referral(), transfer()])


def rows(document: dict[str, Any]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(csv_of(document).decode("utf-8-sig"))))


def entries(document: dict[str, Any]) -> list[dict[str, Any]]:
    return list(json.loads(json.dumps(document["entries"])))


def ocel(*documents: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ocel_of(documents))
    return found


def linked(folder: Path, *documents: dict[str, Any]) -> str:
    path = folder / "log.json"
    path.write_bytes(ocel_of(documents))
    return str(bindings.slim_link_ocel(ocel=r4pm.import_item("OCEL", str(path))))


def changes(log: str, object_id: str, attribute: str) -> list[tuple[str, datetime]]:
    """The values of an object's attribute and since when."""
    found: Any = bindings.get_object_attribute_changes(ocel=log, object_id=object_id)
    return [(item["value"], datetime.fromisoformat(item["time"])) for item in found["traces"][attribute]]


def personal(value: Any, name: str = "") -> Iterator[str]:
    """What members of `data` say of people."""
    match value:
        case dict():
            for key, item in value.items():
                yield from personal(item, key)
        case list():
            for item in value:
                yield from personal(item, name)
        case str() if name in {"phone", "identity_number", "address", "legal_representative", "facts", "certificate"}:
            yield value
        case _:
            pass


def test_a_table_has_a_row_for_every_entry_in_order(told: dict[str, Any]) -> None:
    found = rows(told)
    assert [(row["sequence"], row["title_zh"]) for row in found] == [
        (str(entry["sequence"]), entry["title_zh"]) for entry in entries(told)
    ]
    assert {row["case"] for row in found} == {CASE}


def test_a_spreadsheet_takes_the_table_for_utf_8(told: dict[str, Any]) -> None:
    assert csv_of(told).startswith(b"\xef\xbb\xbfkind,exchange,case,")
    assert csv_of(told).endswith(b"\r\n")


def test_times_of_a_table_are_those_of_shanghai_and_exact(told: dict[str, Any]) -> None:
    found = rows(told)[4]
    assert found["acceptedtime"] == "2026-11-07T20:00:00.000000+08:00"
    assert datetime.fromisoformat(found["acceptedtime"]) == at(7, 20)
    assert datetime.fromisoformat(found["recordedtime"]) == at(7, 20) + timedelta(seconds=1)


def test_a_table_says_what_a_fact_did_to_clocks(told: dict[str, Any]) -> None:
    found = {row["sequence"]: row["clocks"] for row in rows(told)}
    assert "starts RX-03 310112-cg due 2026-11-07T15:00:00+08:00" in found["2"]
    assert found["3"] == "warns RX-03 310112-cg"
    assert found["4"] == "expires RX-03 310112-cg"
    assert "stops RX-03 310112-cg late 18000 s" in found["5"]


def test_a_table_of_a_case_tells_its_exchanges_apart(of_case: dict[str, Any]) -> None:
    assert {row["kind"] for row in rows(of_case)} == {"referral", "transfer"}
    assert len(rows(of_case)) == len(entries(of_case))


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_no_cell_is_a_formula(told: dict[str, Any], begin: str) -> None:
    hostile = f'{begin}cmd|"/c calc"!A1'
    document = deepcopy(told)
    document["case"] = hostile
    document["entries"] = [{**entry, "title_zh": hostile} for entry in entries(told)]
    for row in rows(document):
        assert row["case"] == row["title_zh"] == f"'{hostile}"


def test_a_withheld_entry_is_a_row_without_content(cut: dict[str, Any]) -> None:
    first = rows(cut)[0]
    filled = {name for name, value in first.items() if value}
    assert first["type"] == WITHHELD
    assert filled == {"kind", "exchange", "case", "sequence", "type", "recordedtime"}


def test_nothing_that_an_event_says_of_people_is_exported(told: dict[str, Any], of_case: dict[str, Any]) -> None:
    said = {text for entry in entries(of_case) for text in personal(entry["event"]["data"])}
    assert len(said) > 10
    for export in (csv_of(of_case), ocel_of([of_case]), xes_of([of_case])):
        assert not [text for text in said if text in export.decode()]


def test_the_same_timelines_give_the_same_bytes(told: dict[str, Any], of_case: dict[str, Any]) -> None:
    again = json.loads(json.dumps(of_case))
    assert csv_of(of_case) == csv_of(again)
    assert ocel_of([of_case]) == ocel_of([again])
    assert xes_of([of_case]) == xes_of([again])


def test_an_exchange_that_comes_twice_is_exported_once(told: dict[str, Any], of_case: dict[str, Any]) -> None:
    assert ocel_of([of_case, told]) == ocel_of([of_case])
    assert xes_of([of_case, told]) == xes_of([of_case])


def test_ocel_keeps_to_its_schema(cut: dict[str, Any], of_case: dict[str, Any]) -> None:
    for document in (cut, of_case):
        Draft7Validator(OCEL_SCHEMA, format_checker=FormatChecker()).validate(ocel(document))


def test_ocel_declares_all_that_it_uses_and_no_id_is_used_twice(cut: dict[str, Any], of_case: dict[str, Any]) -> None:
    found = ocel(cut, of_case)
    names = [item["id"] for item in (*found["events"], *found["objects"])]
    assert len(names) == len(set(names))
    objects = {item["id"] for item in found["objects"]}
    for things, types in (("events", "eventTypes"), ("objects", "objectTypes")):
        declared = {item["name"]: {one["name"] for one in item["attributes"]} for item in found[types]}
        for item in found[things]:
            assert {one["name"] for one in item["attributes"]} <= declared[item["type"]]
            assert {one["objectId"] for one in item["relationships"]} <= objects


def test_a_process_miner_reads_the_events_of_a_case(tmp_path: Path, of_case: dict[str, Any]) -> None:
    log = linked(tmp_path, of_case)
    copies = sum(len(entry["deliveries"]) for entry in entries(of_case))
    assert bindings.num_events(ocel=log) == len(entries(of_case)) + copies
    (sent,) = bindings.get_event_ids_of_type(ocel=log, ev_type=SENT)
    assert sent.endswith("/5")
    instant = datetime.fromisoformat(str(bindings.get_event_timestamp_of_id(ocel=log, ev_id=sent)).replace(" +", "+"))
    assert instant == at(7, 20)


def test_a_process_miner_reads_who_and_what_an_event_touched(tmp_path: Path, told: dict[str, Any]) -> None:
    log = linked(tmp_path, told)
    exchange = f"referral/{told['exchange']}"
    (sent,) = bindings.get_event_ids_of_type(ocel=log, ev_type=SENT)
    assert set(bindings.get_e2o_ids(ocel=log, ev_id=sent) or []) == {
        exchange,
        f"case/{CASE}",
        f"agency/{MINHANG}",
        f"agency/{POLICE}",
        f"{exchange}/clock/RX-03/2/{MINHANG}",
        f"{exchange}/clock/RX-05-A/5/{POLICE}",
    }
    (event,) = (item for item in ocel(told)["events"] if item["id"] == sent)
    assert {one["qualifier"] for one in event["relationships"]} == {
        "exchange", "case", "source", "moves", "starts", "stops",
    }  # fmt: skip


def test_a_process_miner_reads_how_status_and_clocks_changed(tmp_path: Path, told: dict[str, Any]) -> None:
    log = linked(tmp_path, told)
    exchange = f"referral/{told['exchange']}"
    status = changes(log, exchange, "status")
    changed = [entry["status"] for entry in entries(told)]
    assert [value for value, _ in status] == [
        value for value, before in zip(changed, ["", *changed], strict=False) if value != before
    ]
    assert status[1] == ("approved", at(6, 15))
    state = changes(log, f"{exchange}/clock/RX-07/6/{POLICE}", "state")
    assert [value for value, _ in state] == ["running", "suspended", "running", "late"]


def test_a_process_miner_reads_withheld_events(tmp_path: Path, cut: dict[str, Any]) -> None:
    log = linked(tmp_path, cut)
    found = bindings.get_event_ids_of_type(ocel=log, ev_type=WITHHELD)
    assert len(found) == 4
    for name in found:
        (event,) = (item for item in ocel(cut)["events"] if item["id"] == name)
        assert [one["name"] for one in event["attributes"]] == ["sequence"]
        assert {one["qualifier"] for one in event["relationships"]} == {"exchange", "case"}


def test_a_process_miner_reads_the_traces(tmp_path: Path, of_case: dict[str, Any]) -> None:
    path = tmp_path / "log.xes"
    path.write_bytes(xes_of([of_case]))
    log = r4pm.import_item("EventLog", str(path))
    assert bindings.get_num_cases(bindings.log_to_activity_projection(log)) == 2
    found: Any = bindings.discover_dfg(log)
    assert found["activities"][REFERRED] == 1
    assert sum(found["activities"].values()) == len(entries(of_case))


def test_traces_say_when_who_and_what(cut: dict[str, Any]) -> None:
    root = ET.fromstring(xes_of([cut]))
    space = {"x": "http://www.xes-standard.org/"}
    assert [child.tag.split("}")[1] for child in root][:7] == [*["extension"] * 4, "global", "global", "classifier"]
    events = [
        {item.get("key"): item.get("value") for item in event} for event in root.findall("x:trace/x:event", space)
    ]
    assert [event["concept:name"] for event in events[:5]] == [*[WITHHELD] * 4, SENT]
    assert "org:resource" not in events[0]
    assert (events[4]["org:resource"], events[4]["lifecycle:transition"]) == (MINHANG, "complete")
    assert datetime.fromisoformat(str(events[4]["time:timestamp"])) == at(7, 20)


def test_traces_are_xml_whatever_a_name_holds(told: dict[str, Any]) -> None:
    document = deepcopy(told)
    document["case"] = "a\x00\x0b\ufffe]]>&<\"'"
    (value,) = {item.get("value") for item in ET.fromstring(xes_of([document])).iter() if item.get("key") == "case"}
    assert value == "a\ufffd\ufffd\ufffd]]>&<\"'"
