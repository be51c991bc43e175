"""Formats: OCSF by its published schema, and no event that could end its line, its field or its frame (attack 32)."""

import json
import re
from enum import Enum
from typing import Any

import pytest

from authz.evidence.formats import cef, json_lines, ocsf, syslog
from tests.evidence.ocsf_schema import problems
from tests.test_docs import members

PLAIN: dict[str, Any] = {
    "id": 7,
    "time": "2026-01-02T03:04:05.000006Z",
    "event": "token:access:issued",
    "client_id": "agent",
    "subject": "bob",
    "resource": "https://notes.example.com/mcp",
    "authorization": "a-1",
    "address": "203.0.113.7",
    "request_id": "0af7651916cd43dd8448eb211c80319c",
    "detail": {"grant_type": "client_credentials", "lifetime": 300},
}
EVIL = [
    "a\nCEF:0|x|y|1|fake|fake|10|",
    "a\r\nb",
    "\0\x1b[2J",
    "=HYPERLINK(0)",
    "x=1 suser=alice",
    "a|b\\|c",
    "\u202e\u2028\u2029ä",
    '"},{"index":1',
    "] evil=",
]


@pytest.mark.parametrize("event", [member.value for member in members("Event", Enum)])
@pytest.mark.parametrize("shape", ["full", "refused", "bare"])
def test_every_event_is_an_ocsf_object_of_its_class(event: str, shape: str) -> None:
    record = PLAIN | {"event": event}
    if shape == "refused":
        record["reason"] = "denied_by_policy"
    if shape == "bare":
        record = {name: record[name] for name in ("id", "time", "event")}
    assert problems(ocsf.record(12, record)) == []


def test_the_schema_finds_mistakes() -> None:
    record = ocsf.record(12, PLAIN)
    assert problems(record | {"colour": "red"}) == ["api_activity.colour is unknown"]
    assert problems(record | {"time": "yesterday"}) == ["api_activity.time is no timestamp_t"]
    assert problems(record | {"severity_id": 17})[0].startswith("api_activity.severity_id is none of")
    assert problems(record | {"activity_name": "issued"}) == ["activity_name"]
    assert problems(record | {"actor": {}})[0].startswith("api_activity.actor at_least_one")
    del record["api"]
    assert problems(record) == ["api_activity.api is required"]


def test_ocsf_names_actor_action_and_address() -> None:
    record = ocsf.record(12, PLAIN | {"reason": "client_secret_wrong"})
    assert (record["class_uid"], record["activity_id"], record["status_id"]) == (6003, 1, ocsf.FAILURE)
    assert record["actor"] == {"app_uid": "agent", "user": {"uid": "bob"}}
    assert record["src_endpoint"] == {"ip": "203.0.113.7"}
    assert record["time"] == 1767323045000
    assert (record["status_detail"], record["metadata"]["sequence"]) == ("client_secret_wrong", 12)
    assert ocsf.record(1, PLAIN | {"event": "person:session:started"})["type_uid"] == 300201
    assert ocsf.record(1, PLAIN | {"event": "configuration:object:removed"})["type_uid"] == 300404


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("column", ["event", "client_id", "subject", "reason", "address", "detail", "time"])
@pytest.mark.parametrize("spoken", [json_lines, ocsf, cef], ids=["jsonl", "ocsf", "cef"])
def test_no_value_leaves_its_line_or_its_field(spoken: Any, column: str, evil: str) -> None:
    event = PLAIN | {column: {"name": evil} if column == "detail" else evil}
    line = spoken.line(3, event)
    assert re.fullmatch(r"[ -~]+", line)
    if spoken is cef:
        head = re.split(r"(?<!\\)(?:\\\\)*\|", line, maxsplit=7)
        assert head[:4] == ["CEF:0", "Gatehouse", "Gatehouse", "1"]
        assert head[6] in {"3", "5"}, "the header ends where it ended"
        keys = re.findall(r"(?:^| )([A-Za-z0-9]+)=", head[7])
        assert len(keys) == len(set(keys)), "no key was smuggled in"
        assert "evil" not in keys
    else:
        assert json.loads(line)
    frame = syslog.frame("host", 3, event, line)
    length, _, message = frame.partition(b" ")
    assert int(length) == len(message)
    assert re.fullmatch(rb"<\d{1,3}>1 \S+ \S+ gatehouse - \S{1,32} \[meta sequenceId=\"4\"\] [ -~]+", message)


def test_cef_is_as_arcsight_reads_it() -> None:
    line = cef.line(3, PLAIN | {"subject": "a=b|c\\d\ne"})
    assert line.startswith("CEF:0|Gatehouse|Gatehouse|1|token:access:issued|token access issued|3|rt=1767323045000 ")
    assert r"suser=a\=b|c\\d\ne " in line
    assert "src=203.0.113.7" in line


def test_syslog_marks_refusals() -> None:
    assert syslog.frame("h", 0, PLAIN, "x").partition(b" ")[2].startswith(b"<110>1 2026-01-02T03:04:05.000006Z h ")
    assert b"<108>1 " in syslog.frame("h", 0, PLAIN | {"reason": "x"}, "x")
