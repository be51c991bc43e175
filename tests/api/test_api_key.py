"""An API key made in one step works at once, for its scopes alone."""

import json
import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client as Browser

from authz.configuration.api_resource import identifier
from authz.models import AuditEvent, Client, ProtectedResource, Rule, User
from tests.api.conftest import BACKEND, bearer
from tests.support.world import World


def made(*options: str) -> dict:
    out = StringIO()
    call_command("api_key", "Backup job", *options, "--json", stdout=out)
    found: dict = json.loads(out.getvalue())
    return found


def token(gatehouse: World, client_id: str, secret: str, scope: str) -> object:
    return gatehouse.token(
        basic=(client_id, secret), grant_type="client_credentials", resource=identifier(), scope=scope
    )


def test_a_key_of_the_command_reads_and_does_not_write(gatehouse: World) -> None:
    key = made("--scopes", "gatehouse:read", "--owner", "bob")
    answer = token(gatehouse, key["client_id"], key["client_secret"], "gatehouse:read")
    caller = bearer(json.loads(answer.content)["access_token"])  # type: ignore[attr-defined]
    assert caller.get("me")["client_id"] == key["client_id"]
    assert caller("POST", "keys/rotate", {"alg": "ES256"}).status_code == 403
    more = token(gatehouse, key["client_id"], key["client_secret"], "gatehouse:write")
    assert more.status_code == 400  # type: ignore[attr-defined]
    client = Client.objects.get(client_id=key["client_id"])
    assert (client.status, client.owner.username) == ("approved", "bob")
    assert client.approved_until is not None
    assert AuditEvent.objects.filter(event="configuration:object:created", client_id=key["client_id"]).exists()


def test_a_second_key_of_the_same_name_leaves_the_first_one_alone(gatehouse: World) -> None:
    first, second = (made("--scopes", "gatehouse:read", "--owner", "bob") for _ in range(2))
    for key in (first, second):
        answer = token(gatehouse, key["client_id"], key["client_secret"], "gatehouse:read")
        assert answer.status_code == 200  # type: ignore[attr-defined]
    assert ProtectedResource.objects.filter(identifier=identifier()).count() == 1
    assert Rule.objects.filter(name__startswith="API key Backup job").count() == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--scopes", "gatehouse:read", "--owner", "nobody"), "There is no person"),
        (("--scopes", "gatehouse:read", "--owner", "bob", "--until", "soon"), "must be a date"),
        (("--scopes", "gatehouse:all", "--owner", "bob"), "invalid choice: 'gatehouse:all'"),
    ],
)
def test_a_wrong_call_says_why(gatehouse: World, options: tuple[str, ...], said: str) -> None:
    before = Client.objects.count()
    with pytest.raises(CommandError, match=said):
        made(*options)
    assert Client.objects.count() == before


@pytest.fixture
def alice(gatehouse: World) -> Browser:
    browser = Browser()
    browser.force_login(User.objects.get(username="alice"), BACKEND)
    return browser


PAGE = "/console/authz/client/new-api-key/"


def test_the_console_shows_the_secret_once(gatehouse: World, alice: Browser) -> None:
    assert b"uses this server" in alice.get("/console/authz/client/new/").content
    given = {"name": "Backup job", "scopes": ["gatehouse:read"], "owner": "bob", "until": ""}
    shown = alice.post(PAGE, given).content.decode()
    client_id, secret = re.findall(r"<code[^>]*>([\w-]+)</code>", shown)[:2]
    assert token(gatehouse, client_id, secret, "gatehouse:read").status_code == 200  # type: ignore[attr-defined]
    assert secret not in alice.get(PAGE).content.decode()
    event = AuditEvent.objects.filter(event="configuration:object:created", client_id=client_id).latest("id")
    assert event.subject == str(User.objects.get(username="alice").subject)


def test_no_one_makes_a_key_of_their_own(gatehouse: World, alice: Browser) -> None:
    """Attack: an administrator approves an agent that they own."""
    given = {"name": "Mine", "scopes": ["gatehouse:write"], "owner": "alice"}
    assert b"name another owner" in alice.post(PAGE, given).content
    assert not Client.objects.filter(name="Mine").exists()
