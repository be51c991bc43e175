"""`audit events`: what was done, by whatever the asker has in hand."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from authz.models import AuditEvent
from tests.support.world import NOTES, World, claims, person


def told(*options: str) -> str:
    out = StringIO()
    call_command("audit", "events", *options, stdout=out)
    return out.getvalue()


def test_each_thing_in_hand_leads_to_the_events(gatehouse: World) -> None:
    token = claims(gatehouse.signed_in_tokens()["access_token"])
    issued = AuditEvent.objects.filter(event="token:access:issued").latest("id")
    gatehouse.machine_token()
    in_hand = {
        "--jti": token["jti"],
        "--client": "desktop-app",
        "--user": "Bob@example.com",
        "--authorization": token["authorization"],
        "--request": f"http://127.0.0.1:8000/console/find/?q={issued.request_id}",
        "--rule": "Engineers use agents on Notes",
        "--resource": NOTES,
    }
    for option, value in in_hand.items():
        lines = told(option, value, "--event", "token:access:issued", "--from", "today").splitlines()
        assert any(line.startswith(f"{issued.pk}  ") for line in lines), option
    (line,) = told("--jti", token["jti"]).splitlines()
    assert f"Token issued  agent desktop-app  for {person('bob').username}  at {NOTES}" in line


def test_as_the_api_answers(gatehouse: World) -> None:
    gatehouse.machine_token()
    found = json.loads(told("--client", "nightly-report", "--limit", "1", "--json"))
    assert found["next"] is None
    assert [event["client_id"] for event in found["items"]] == ["nightly-report"]


def test_a_day_ends_and_a_moment_only_begins(gatehouse: World) -> None:
    gatehouse.machine_token()
    event = AuditEvent.objects.latest("id")
    assert told("--from", "2026-01-01") == "No event fits.\n"
    assert told("--from", "yesterday", "--to", "yesterday") == "No event fits.\n"
    for options in (("--from", "2026-01-01", "--to", "today"), ("--from", "2026-01-01 00:00"), ("--to", "today")):
        assert told(*options).startswith(f"{event.pk}  "), options


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--from", "last tuesday"), "--from: 'last tuesday' is no time"),
        (("--to", "31.12.2026"), "--to: '31.12.2026' is no time"),
        (("--user", "bobb"), "No person has the user name or the address 'bobb'."),
    ],
)
def test_what_is_not_understood_is_said(gatehouse: World, options: tuple[str, str], problem: str) -> None:
    with pytest.raises(CommandError, match=problem):
        told(*options)
