"""Attack 39: status lists that forget. What had an authorization is ended, not removed, by every door there is."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import ProtectedError
from django.test import Client as Browser

from authz.authorizations import removal, status_lists
from authz.configuration import apply, export
from authz.database import configuration_cache
from authz.models import (
    AccessRequest,
    AuditEvent,
    Authorization,
    AuthorizationCode,
    Client,
    Consent,
    ProtectedResource,
    User,
)
from cimd import housekeeping
from cimd.registration import room
from tests.cimd.test_registration import ON, PATH, ask, program
from tests.support import append_only, world
from tests.support.world import NOTES, SECRET, World

CLIENT, PERSON, SERVER = "desktop-app", "bob", NOTES


@pytest.fixture
def given(gatehouse: World) -> tuple[World, dict[str, Any]]:
    """Bob let the desktop app in to Notes, with a place in a status list; a code and a request are open."""
    ProtectedResource.objects.filter(identifier=NOTES).update(status_list=True)
    configuration_cache.forget()
    tokens = gatehouse.signed_in_tokens()
    gatehouse.authorize()
    AccessRequest.objects.create(
        digest="one", status="approved", client=world.client(CLIENT), user=world.person(PERSON), resource=NOTES,
        grant_type="authorization_code", first_asked=datetime.now(UTC), last_asked=datetime.now(UTC),
    )  # fmt: skip
    return gatehouse, tokens


def without(section: str, key: str) -> str:
    """The export without one item."""
    data = yaml.safe_load(export())
    name = {"users": "username", "clients": "client_id", "resources": "identifier"}[section]
    kept = [item for item in data[section] if item[name] != key]
    for item in kept:
        if item.get("owner") == key:
            del item["owner"]
    return yaml.safe_dump({section: kept})


def as_administrator(method: str, path: str) -> Any:
    alice = World()
    alice.sign_in("alice")
    response: Any = alice.browser.generic(method, f"/api/v1/{path}", headers={"if-match": "*"})
    assert response.status_code == 204, response.content
    return response


def pruned(section: str, key: str) -> Callable[[], object]:
    return lambda: apply(without(section, key), prune=True)


def deleted(section: str, key: str) -> Callable[[], object]:
    return lambda: as_administrator("DELETE", f"configuration/{section}/{key}")


DOORS: dict[str, Callable[[], object]] = {
    "agent, apply --prune": pruned("clients", CLIENT),
    "agent, API": deleted("clients", CLIENT),
    "person, apply --prune": pruned("users", PERSON),
    "person, API": deleted("users", PERSON),
    "MCP server, apply --prune": pruned("resources", SERVER),
    "MCP server, API": deleted("resources", SERVER),
    "agent, in code": lambda: removal.remove(world.client(CLIENT)),
}


@pytest.mark.parametrize("door", DOORS)
def test_a_removed_object_has_ended_and_stays(given: tuple[World, dict[str, Any]], door: str) -> None:
    gatehouse, tokens = given
    row = Authorization.objects.get()
    assert row.status_list is not None
    refresh, access = tokens["refresh_token"], tokens["access_token"]
    DOORS[door]()

    row.refresh_from_db()
    assert row.revoked is not None
    assert row.revoked_reason == removal.REASON
    assert status_lists.ended(row.status_list or 0, time.time()) == [row.status_index]
    if "MCP server" not in door:  # no client may introspect its tokens
        assert gatehouse.introspect(access) == {"active": False}
    assert gatehouse.refresh(refresh).status_code in {400, 401}
    assert not Consent.objects.exists()
    assert not AuthorizationCode.objects.filter(used=None, expires__gt=datetime.now(UTC)).exists()
    assert AccessRequest.objects.get().status == "expired"
    ended = AuditEvent.objects.get(event="configuration:object:ended")
    assert (ended.detail["authorizations"], ended.detail["consents"], ended.detail["codes"]) == (1, 1, 1)
    assert AuditEvent.objects.filter(event="token:authorization:revoked", authorization=str(row.pk)).exists()
    # What points at it still finds it.
    assert (row.client.client_id, row.resource and row.resource.identifier) == (CLIENT, NOTES)
    assert row.user is not None
    assert row.user.username.startswith(PERSON)


@pytest.mark.parametrize(("section", "key"), [("clients", CLIENT), ("users", PERSON), ("resources", SERVER)])
def test_pruning_again_finds_nothing_to_do(given: tuple[World, dict[str, Any]], section: str, key: str) -> None:
    text = without(section, key)
    assert [change.action for change in apply(text, prune=True)] == ["removed"]
    assert apply(text, prune=True) == []
    assert apply(export()) == []
    assert key not in str(yaml.safe_load(export())[section])


def test_an_id_that_comes_back_is_a_new_registration(given: tuple[World, dict[str, Any]]) -> None:
    gatehouse, tokens = given
    before, file = Authorization.objects.get(), export()
    apply(without("clients", CLIENT), prune=True)
    row = Client.all_objects.get(client_id=CLIENT)
    assert (row.status, row.secret_digest, row.ended is None) == ("retired", "", False)

    changes = apply(
        yaml.safe_dump({"clients": [c for c in yaml.safe_load(file)["clients"] if c["client_id"] == CLIENT]})
    )
    assert [change.action for change in changes] == ["created"]
    again = world.client(CLIENT)
    assert (again.pk, again.status, again.ended) == (row.pk, "approved", None)
    configuration_cache.forget()
    assert gatehouse.refresh(tokens["refresh_token"]).status_code == 400
    assert gatehouse.introspect(tokens["access_token"]) == {"active": False}
    assert status_lists.ended(before.status_list or 0, time.time()) == [before.status_index]
    # The person is asked again, and what they then give is another authorization.
    gatehouse.sign_in("bob")
    assert gatehouse.browser.get(gatehouse.authorize_url()).status_code == 200
    gatehouse.signed_in_tokens()
    assert Authorization.objects.filter(revoked=None).count() == 1


def test_a_secret_does_not_come_back(gatehouse: World) -> None:
    gatehouse.machine_token()
    item = next(c for c in yaml.safe_load(export())["clients"] if c["client_id"] == "nightly-report")
    apply(without("clients", "nightly-report"), prune=True)
    with pytest.raises(Exception, match="this client has none yet"):
        apply(yaml.safe_dump({"clients": [item]}))
    apply(yaml.safe_dump({"clients": [item | {"client_secret": "another-" + SECRET}]}))
    configuration_cache.forget()
    assert gatehouse.token(basic=("nightly-report", SECRET), grant_type="client_credentials").status_code == 401


def test_a_user_name_that_comes_back_is_another_person(given: tuple[World, dict[str, Any]]) -> None:
    gatehouse, _ = given
    before = world.person("bob")
    apply(without("users", "bob"), prune=True)
    apply("users: [{username: bob, password: bob-password, email: bob@example.com, groups: [engineering]}]")
    after = world.person("bob")
    assert after.subject != before.subject
    assert User.all_objects.get(subject=before.subject).username.startswith("bob (ended ")
    gatehouse.browser = Browser()
    gatehouse.sign_in("bob")
    assert "Desktop app" not in gatehouse.browser.get("/account/").content.decode()
    assert gatehouse.browser.get(gatehouse.authorize_url()).status_code == 200


def test_a_program_that_deletes_itself_has_ended(gatehouse: World) -> None:
    apply(ON)
    registered = ask("post", PATH, program()).json()
    flow = {"client_id": registered["client_id"], "redirect_uri": "http://localhost:9/callback"}
    tokens = json.loads(gatehouse.redeem(gatehouse.authorize(**flow)["code"], **flow).content)
    address = registered["registration_client_uri"].removeprefix("http://testserver")
    path = f"{PATH}/{registered['client_id']}"
    assert address.endswith(path)
    token = registered["registration_access_token"]
    assert ask("delete", path, token=token).status_code == 204
    assert gatehouse.introspect(tokens["access_token"]) == {"active": False}
    assert Authorization.objects.get().revoked_reason == removal.REASON
    for method in ("get", "put", "delete"):
        assert ask(method, path, program(), token).status_code == 401


def test_replacing_clients_spares_those_with_authorizations(gatehouse: World, monkeypatch: pytest.MonkeyPatch) -> None:
    apply(ON)
    registered = ask("post", PATH, program()).json()
    Consent.objects.create(
        user=world.person("bob"), client=world.client(registered["client_id"]), redirect_origin="x",
        given=datetime.now(UTC),
    )  # fmt: skip
    monkeypatch.setattr(housekeeping, "KEPT_UNUSED", timedelta(0))
    monkeypatch.setattr(room, "UNUSED_WHEN_FULL", timedelta(0))
    monkeypatch.setattr(room, "MAX_CLIENTS", 1)
    housekeeping.run()
    assert ask("post", PATH, program()).status_code == 503
    assert Client.objects.filter(client_id=registered["client_id"]).exists()


@pytest.mark.parametrize(
    ("section", "key"), [("clients", "posting-agent"), ("users", "charlie"), ("resources", world.PAYROLL)]
)
def test_what_never_had_one_is_removed(gatehouse: World, section: str, key: str) -> None:
    apply(without(section, key), prune=True)
    for model in (Client, User, ProtectedResource):
        assert not model.all_objects.exclude(ended=None).exists()  # type: ignore[attr-defined]
    assert not AuditEvent.objects.filter(event="configuration:object:ended").exists()


# --- The database itself ---------------------------------------------------------------------------------------------


STATEMENTS = [
    (False, "DELETE FROM authz_authorization"),
    (True, "DELETE FROM authz_authorization"),
    (False, "DELETE FROM authz_client WHERE client_id = 'desktop-app'"),
    (True, "DELETE FROM authz_client WHERE client_id = 'desktop-app'"),
    (True, "DELETE FROM authz_user WHERE username = 'bob'"),
    (True, f"DELETE FROM authz_protectedresource WHERE identifier = '{NOTES}'"),  # noqa: S608
    (True, "UPDATE authz_authorization SET revoked = NULL"),
    (False, "UPDATE authz_authorization SET status_index = status_index + 1"),
    (True, "UPDATE authz_authorization SET status_list = NULL, status_index = NULL"),
]


@pytest.mark.parametrize(("is_ended", "statement"), STATEMENTS)
def test_the_database_keeps_it(given: tuple[World, dict[str, Any]], is_ended: bool, statement: str) -> None:
    if is_ended:
        Authorization.objects.update(revoked=datetime.now(UTC))
    before = list(Authorization.objects.values())
    with pytest.raises(DatabaseError, match="ended"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert list(Authorization.objects.values()) == before


@pytest.mark.parametrize("model", [Client, User, ProtectedResource])
def test_the_orm_is_refused(given: tuple[World, dict[str, Any]], model: Any) -> None:
    with pytest.raises(ProtectedError):
        model.objects.all().delete()
    with pytest.raises((IntegrityError, DatabaseError)), transaction.atomic():
        model.objects.all()._raw_delete(using="default")


def test_authorizations_that_ended_long_ago_may_be_removed(given: tuple[World, dict[str, Any]]) -> None:
    with append_only.lifted():
        Authorization.objects.update(revoked="2026-01-01T00:00Z", created="2026-01-01T00:00Z")
    assert Authorization.objects.all().delete()[0] >= 1
