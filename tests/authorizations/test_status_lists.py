"""Status lists, as a resource server sees them: with PyJWT and zlib alone, none of our code."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command

from authz.authorizations import cut_off
from authz.conf import conf
from authz.configuration import apply
from authz.models import Authorization, Client, ProtectedResource, StatusList, User
from tests.support import world
from tests.support.world import NOTES, World

from .status_list_reader import status

# --- The claim ------------------------------------------------------------------------------------------------------


def test_only_tokens_of_resources_that_want_it_have_a_status(gatehouse: World) -> None:
    assert "status" not in world.claims(gatehouse.machine_token()["access_token"])
    assert "status" not in world.claims(gatehouse.signed_in_tokens()["access_token"])
    assert StatusList.objects.count() == 0
    apply_status(True)
    with_status = world.claims(gatehouse.machine_token()["access_token"])
    assert with_status["status"]["status_list"]["uri"].startswith(f"{conf.issuer}/status-lists/")
    apply_status(False)
    assert "status" not in world.claims(gatehouse.machine_token()["access_token"])


def apply_status(wanted: bool) -> None:
    output = [line for line in world.configuration().splitlines() if line]
    at = output.index(f"  - identifier: {NOTES}")
    output.insert(at + 1, f"    status_list: {str(wanted).lower()}")
    apply("\n".join(output))


def test_it_is_exported(gatehouse: World, capsys: pytest.CaptureFixture[str]) -> None:
    apply_status(True)
    call_command("export")
    assert "status_list: true" in capsys.readouterr().out


def test_a_family_of_tokens_has_one_entry(notes: World) -> None:
    first = notes.signed_in_tokens()
    later = json.loads(notes.refresh(first["refresh_token"]).content)
    assert world.claims(first["access_token"])["status"] == world.claims(later["access_token"])["status"]
    machine = [world.claims(notes.machine_token()["access_token"])["status"] for _ in range(2)]
    assert machine[0] == machine[1]


def test_what_is_older_than_the_wish_gets_its_entry_with_the_next_token(gatehouse: World) -> None:
    first = gatehouse.signed_in_tokens()
    gatehouse.machine_token()
    apply_status(True)
    later = json.loads(gatehouse.refresh(first["refresh_token"]).content)
    assert status(gatehouse, later["access_token"]) == 0
    assert status(gatehouse, gatehouse.machine_token()["access_token"]) == 0
    assert Authorization.objects.filter(status_list=None).count() == 0


def test_introspection_tells_of_it_too(notes: World) -> None:
    token = notes.machine_token()["access_token"]
    assert notes.introspect(token)["status"] == world.claims(token)["status"]


# --- What a list says -----------------------------------------------------------------------------------------------


def suspend() -> None:
    Client.objects.filter(client_id="desktop-app").update(status="suspended")


def end_access(kind: str, identifier: str) -> None:
    found = cut_off.target(kind, identifier)
    cut_off.cut_off(found, kind=kind, identifier=identifier, reason="", by="alice", now=datetime.now(UTC))


def end_the_approval() -> None:
    """As by a file that is applied, after the token was issued."""
    Client.objects.filter(client_id="desktop-app").update(approved_until=datetime.now(UTC) - timedelta(seconds=1))


ENDINGS = {
    "the agent's approval has ended": end_the_approval,
    "the agent is suspended": suspend,
    "the person is deactivated": lambda: User.objects.filter(username="bob").update(is_active=False),
    "the resource is switched off": lambda: ProtectedResource.objects.update(is_active=False),
    "the agent's security changed": lambda: Client.objects.update(consent_digest="another"),
    "access ended of the agent": lambda: end_access("client", "desktop-app"),
    "access ended of the person": lambda: end_access("person", "bob"),
    "access ended of the resource": lambda: end_access("resource", NOTES),
    "access ended of the authorization": lambda: end_access("authorization", str(Authorization.objects.get().pk)),
    "access ended of the session": lambda: end_access("session", Authorization.objects.get().session_digest),
    "access ended of everything": lambda: end_access("everything", ""),
    "its issuer is trusted no more": lambda: Authorization.objects.update(lineage={"issuer": "https://gone.example"}),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_whatever_ends_it_is_in_the_list(notes: World, ending: str) -> None:
    token = notes.signed_in_tokens()["access_token"]
    assert status(notes, token) == 0
    ENDINGS[ending]()
    assert status(notes, token) == 1


def test_the_client_revokes(notes: World) -> None:
    tokens = notes.signed_in_tokens()
    notes.post("revoke", {"token": tokens["refresh_token"], "client_id": "desktop-app"})
    assert status(notes, tokens["access_token"]) == 1


def test_a_replayed_refresh_token_ends_it(notes: World, settings: Any) -> None:
    settings.GATEHOUSE = {**settings.GATEHOUSE, "REFRESH_REUSE_WINDOW": 0}
    tokens = notes.signed_in_tokens()
    assert notes.refresh(tokens["refresh_token"]).status_code == 200
    assert notes.refresh(tokens["refresh_token"]).status_code == 400
    assert status(notes, tokens["access_token"]) == 1


def test_a_machine_is_in_it(notes: World) -> None:
    token = notes.machine_token()["access_token"]
    assert status(notes, token) == 0
    end_access("client", "nightly-report")
    assert status(notes, token) == 1


def test_an_undo_makes_nothing_valid_again(notes: World) -> None:
    token = notes.signed_in_tokens()["access_token"]
    end_access("client", "desktop-app")
    cut_off.undo(cut_off.last("client", "desktop-app"), by="alice", now=datetime.now(UTC))
    assert status(notes, token) == 1


def test_others_stay_valid(notes: World) -> None:
    machine, person = notes.machine_token()["access_token"], notes.signed_in_tokens()["access_token"]
    end_access("client", "desktop-app")
    assert (status(notes, machine), status(notes, person)) == (0, 1)
