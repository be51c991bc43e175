"""A file that goes on naming an owner who has left: the agent stays with the successor, and `apply` says so."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command

from authz.approvals import succession
from authz.configuration import LeftOut, apply, export
from authz.models import AuditEvent, Client, User
from tests.support.world import SECRET, World

AGENT = "nightly-report"
FILE: dict[str, Any] = {
    "clients": [
        {
            "client_id": AGENT,
            "status": "approved",
            "owner": "charlie",
            "successor": "bob",
            "grant_types": ["client_credentials"],
            "client_secret": SECRET,
        }
    ]
}


def agent() -> Client:
    return Client.objects.select_related("owner", "successor").get(client_id=AGENT)


def leave(name: str) -> None:
    User.objects.filter(username=name).update(is_active=False)


@pytest.fixture
def passed_on(gatehouse: World) -> World:
    apply(json.dumps(FILE))
    leave("charlie")
    succession.run()
    owner = agent().owner
    assert owner is not None
    assert owner.username == "bob"
    return gatehouse


def test_the_agent_is_not_given_back(passed_on: World) -> None:
    events = set(AuditEvent.objects.values_list("pk", flat=True))
    left_out = LeftOut()
    assert apply(json.dumps(FILE), left_out=left_out) == []
    owner = agent().owner
    assert owner is not None
    assert owner.username == "bob"
    assert left_out.as_item()["leavers"] == [{"client_id": AGENT, "named": "charlie", "owner": "bob"}]
    # Nothing is left to do for the task.
    succession.run()
    assert set(AuditEvent.objects.values_list("pk", flat=True)) == events


def test_who_applies_it_is_told_which_owner_to_name(passed_on: World, tmp_path: Path) -> None:
    file = tmp_path / "gatehouse.yaml"
    file.write_text(json.dumps(FILE))
    out = StringIO()
    call_command("apply", str(file), stdout=out)
    assert f"! {AGENT}: its owner in the file, charlie, has left." in out.getvalue()
    assert "name bob in the file" in out.getvalue()


def test_an_export_has_the_successor(passed_on: World) -> None:
    apply(json.dumps(FILE))
    (found,) = [one for one in yaml.safe_load(export())["clients"] if one["client_id"] == AGENT]
    assert (found["owner"], found.get("successor")) == ("bob", None)
    assert apply(json.dumps({"clients": [{**found, "client_secret": SECRET}]})) == []


def test_another_owner_in_the_file_counts(passed_on: World) -> None:
    apply(json.dumps({"clients": [{**FILE["clients"][0], "owner": "alice"}]}))
    owner = agent().owner
    assert owner is not None
    assert owner.username == "alice"


def test_an_owner_who_comes_back_by_the_same_file_gets_it(passed_on: World) -> None:
    person = {"username": "charlie", "email": "charlie@example.com", "active": True}
    left_out = LeftOut()
    apply(json.dumps({"users": [person], **FILE}), left_out=left_out)
    owner = agent().owner
    assert owner is not None
    assert owner.username == "charlie"
    assert not left_out.leavers


def test_one_that_was_suspended_for_want_of_an_owner_is_not_approved_again(gatehouse: World) -> None:
    """Attack: each run of the pipeline lets an agent go on for which no one answers."""
    given = {**FILE["clients"][0], "successor": None}
    apply(json.dumps({"clients": [given]}))
    leave("charlie")
    succession.run()
    Client.objects.filter(client_id=AGENT).update(owner_left=datetime.now(UTC) - timedelta(days=30))
    succession.run()
    left_out = LeftOut()
    apply(json.dumps({"clients": [given]}), left_out=left_out)
    assert agent().status == "suspended"
    assert "stays suspended" in left_out.lines()[-1]
    # With an owner who is here the file's reviewers approve it.
    apply(json.dumps({"clients": [{**given, "owner": "alice"}]}))
    assert agent().status == "approved"


def test_a_new_agent_may_name_an_owner_who_has_left(gatehouse: World) -> None:
    leave("charlie")
    left_out = LeftOut()
    apply(json.dumps({"clients": [{**FILE["clients"][0], "client_id": "another"}]}), left_out=left_out)
    assert not left_out.leavers
