"""Dynamic client registration: off, then by token or by host; never more than a person's program (attacks 8, 29)."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client as Browser
from oauth2_provider.models import get_access_token_model

from authz.conf import conf
from authz.configuration import apply
from authz.models import AuditEvent, Authorization, Client
from cimd import housekeeping
from cimd.models import FetchWindow, Registration
from cimd.registration import room
from tests.support import world
from tests.support.races import at_once

TOKEN = "initial-access-token-0123456789-0123456789"
ON = f"cimd: {{registration: true, registration_tokens: [{TOKEN}], registration_hosts: ['old.example.com', localhost]}}"
PATH = f"{conf.issuer_path}/register"
METADATA = f"/.well-known/oauth-authorization-server{conf.issuer_path}"


def ask(method: str, path: str, body: Any = None, token: str = "", **headers: str) -> Any:
    sent = {"authorization": f"Bearer {token}"} if token else {}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Browser(enforce_csrf_checks=True).generic(
        method.upper(), path, data, content_type="application/json", headers=sent | headers
    )


def program(**members: Any) -> dict[str, Any]:
    return {
        "client_name": "Old program",
        "redirect_uris": ["http://localhost:1234/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
        **members,
    }


@pytest.fixture
def on(gatehouse: world.World) -> world.World:
    apply(ON)
    return gatehouse


def test_it_is_off_by_default_and_not_advertised(gatehouse: world.World) -> None:
    assert ask("post", PATH, program(), TOKEN).status_code == 404
    assert "registration_endpoint" not in Browser().get(METADATA).json()
    apply(ON)
    assert Browser().get(METADATA).json()["registration_endpoint"] == conf.endpoint("register")


def test_a_program_of_a_named_host_registers_and_signs_a_person_in(on: world.World) -> None:
    response = ask("post", PATH, program())
    assert response.status_code == 201, response.content
    assert response["Cache-Control"] == "no-store"
    registered = response.json()
    client_id = registered["client_id"]
    assert not client_id.startswith("http")
    assert "client_secret" not in registered
    assert registered["registration_client_uri"] == f"{conf.endpoint('register')}/{client_id}"
    flow = {"client_id": client_id, "redirect_uri": "http://localhost:9/callback"}
    tokens = on.redeem(on.authorize(**flow)["code"], **flow)
    assert tokens.status_code == 200, tokens.content
    (event,) = AuditEvent.objects.filter(event="registration:client:registered")
    assert event.detail["by_token"] is False


def test_an_initial_access_token_lets_any_host_register_with_a_secret(on: world.World) -> None:
    body = program(redirect_uris=["https://anywhere.example/cb"], token_endpoint_auth_method="client_secret_post")
    registered = ask("post", PATH, body, TOKEN).json()
    row = Client.objects.get(client_id=registered["client_id"])
    assert row.has_secret(registered["client_secret"])
    assert registered["client_secret_expires_at"] == 0
    assert registered["client_secret"] not in str(Client.objects.filter(pk=row.pk).values())


@pytest.mark.parametrize(
    ("body", "token"),
    [
        (program(redirect_uris=["https://evil.example/cb"]), ""),
        (program(redirect_uris=["http://localhost/cb", "https://evil.example/cb"]), ""),
        (program(redirect_uris=["https://old.example.com.evil.example/cb"]), ""),
        (program(), "not-the-initial-access-token-0123456789"),
        (program(redirect_uris=["https://anywhere.example/cb"]), TOKEN[:-1]),
    ],
)
def test_other_registrations_are_refused(body: dict[str, Any], token: str, on: world.World) -> None:
    response = ask("post", PATH, body, token)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_token")
    assert response["WWW-Authenticate"] == "Bearer"
    assert not Client.objects.filter(registration_source="dcr").exists()
    assert AuditEvent.objects.filter(event="registration:client:refused").exists()


def test_an_empty_list_of_hosts_admits_none(gatehouse: world.World) -> None:
    apply("cimd: {registration: true}")
    assert ask("post", PATH, program()).status_code == 401


def test_a_body_asks_in_vain_for_privileges(on: world.World) -> None:
    body = program(
        grant_types=["authorization_code", "client_credentials", "urn:ietf:params:oauth:grant-type:jwt-bearer"],
        scope="mcp:read mcp:write payroll:read admin",
        client_id="https://ours.example.com/client.json",
        client_secret="chosen-by-the-client-0123456789-0123456789",
        skip_authorization=True,
        skip_consent=True,
        status="approved",
        owner="alice",
        reuse_assertions=True,
    )
    row = Client.objects.get(client_id=ask("post", PATH, body).json()["client_id"])
    assert row.grant_types == ["authorization_code"]
    assert row.scope == ["mcp:read"]
    assert row.client_id.startswith("dcr-")
    assert not row.has_secret("chosen-by-the-client-0123456789-0123456789")
    assert (row.skip_authorization, row.owner, row.reuse_assertions) == (False, None, False)


def test_a_registration_without_scope_gets_the_ordinary_ones(on: world.World) -> None:
    row = Client.objects.get(client_id=ask("post", PATH, program()).json()["client_id"])
    assert "mcp:read" in row.scope
    assert "mcp:write" not in row.scope


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "invalid_client_metadata"),
        (b"[]", "invalid_client_metadata"),
        (b'{"a": 1, "a": 2}', "invalid_client_metadata"),
        (b'{"client_name": "' + b"x" * 20_000 + b'"}', "invalid_client_metadata"),
        (program(redirect_uris=[]), "invalid_redirect_uri"),
        (program(redirect_uris=["javascript:alert(1)"]), "invalid_redirect_uri"),
        (program(redirect_uris=["http://localhost/cb#x"]), "invalid_redirect_uri"),
        (program(redirect_uris="http://localhost/cb"), "invalid_redirect_uri"),
        (program(grant_types=["client_credentials"]), "invalid_client_metadata"),
        (program(grant_types=["implicit"]), "invalid_client_metadata"),
        (program(token_endpoint_auth_method="tls_client_auth"), "invalid_client_metadata"),
        (program(client_name=1), "invalid_client_metadata"),
    ],
)
def test_what_cannot_be_registered_says_why(body: Any, error: str, on: world.World) -> None:
    response = ask("post", PATH, body)
    assert (response.status_code, response.json()["error"]) == (400, error)


def test_a_client_reads_changes_and_removes_itself(on: world.World) -> None:
    registered = ask("post", PATH, program()).json()
    address = f"{PATH}/{registered['client_id']}"
    token = registered["registration_access_token"]
    assert ask("get", address, token=token).json()["client_name"] == "Old program"
    new = program(client_id=registered["client_id"], redirect_uris=["http://localhost/other"])
    changed = ask("put", address, new, token)
    assert changed.status_code == 200, changed.content
    assert changed.json()["redirect_uris"] == ["http://localhost/other"]
    assert ask("get", address, token=token).status_code == 401  # the token was changed with it
    token = changed.json()["registration_access_token"]
    assert ask("delete", address, token=token).status_code == 204
    assert not Client.objects.filter(client_id=registered["client_id"]).exists()


def test_a_change_ends_what_people_allowed(on: world.World) -> None:
    registered = ask("post", PATH, program()).json()
    client_id = registered["client_id"]
    flow = {"client_id": client_id, "redirect_uri": "http://localhost/callback"}
    tokens = on.redeem(on.authorize(**flow, scope="mcp:read offline_access")["code"], **flow).json()
    new = program(client_id=client_id, redirect_uris=["http://localhost/callback", "http://localhost/other"])
    ask("put", f"{PATH}/{client_id}", new, registered["registration_access_token"])
    assert Authorization.objects.get().revoked_reason == "client_changed"
    assert on.refresh(tokens["refresh_token"], client_id=client_id).json()["error"] == "invalid_grant"


def test_changing_cannot_leave_the_named_hosts(on: world.World) -> None:
    registered = ask("post", PATH, program()).json()
    new = program(client_id=registered["client_id"], redirect_uris=["https://evil.example/cb"])
    address = f"{PATH}/{registered['client_id']}"
    assert ask("put", address, new, registered["registration_access_token"]).status_code == 401
    said = ask("put", address, new, registered["registration_access_token"]).json()["error_description"]
    assert "hosts that may register" in said and "evil.example" in said
    event = AuditEvent.objects.filter(event="registration:client:refused").order_by("-id")[0]
    assert event.detail["detail"] == "hosts: evil.example"
    stranger = ask("post", PATH, program(redirect_uris=["https://evil.example/cb"])).json()["error_description"]
    assert "evil.example" not in stranger
    other = program(client_id="desktop-app")
    assert ask("put", address, other, registered["registration_access_token"]).status_code == 400


def test_a_client_cannot_manage_another(on: world.World) -> None:
    one, two = (ask("post", PATH, program()).json() for _ in range(2))
    token = one["registration_access_token"]
    for client_id in (two["client_id"], "desktop-app", "nightly-report"):
        for method in ("get", "put", "delete"):
            response = ask(method, f"{PATH}/{client_id}", program(client_id=client_id), token)
            assert response.status_code == 401
    assert ask("get", f"{PATH}/{one['client_id']}").status_code == 401


def test_a_suspended_client_cannot_change_itself(on: world.World) -> None:
    registered = ask("post", PATH, program()).json()
    Client.objects.filter(client_id=registered["client_id"]).update(status=Client.Status.SUSPENDED)
    body = program(client_id=registered["client_id"])
    address = f"{PATH}/{registered['client_id']}"
    assert ask("put", address, body, registered["registration_access_token"]).status_code == 401


def test_unused_registrations_expire_and_floods_are_bounded(on: world.World, monkeypatch: pytest.MonkeyPatch) -> None:
    old = ask("post", PATH, program()).json()["client_id"]
    used = ask("post", PATH, program()).json()["client_id"]
    flow = {"client_id": used, "redirect_uri": "http://localhost/callback"}
    assert on.redeem(on.authorize(**flow)["code"], **flow).status_code == 200
    Client.objects.filter(client_id__in=[old, used]).update(created=datetime.now(UTC) - timedelta(days=8))
    ask("post", PATH, program())
    assert Client.objects.filter(client_id=old).exists(), "no request removes what is merely old"
    housekeeping.run()
    assert not Client.objects.filter(client_id=old).exists()
    assert Client.objects.filter(client_id=used).exists()
    monkeypatch.setattr(room, "MAX_CLIENTS", 2)
    assert ask("post", PATH, program()).status_code == 503
    monkeypatch.setattr(room, "MAX_CLIENTS", 1000)
    FetchWindow.objects.filter(scope="registration").update(count=room.A_MINUTE)
    assert ask("post", PATH, program()).status_code == 503


def test_no_browser_cookie_registers_anything(on: world.World) -> None:
    on.sign_in("alice")
    body = json.dumps(program(redirect_uris=["https://evil.example/cb"]))
    assert on.browser.post(PATH, body, content_type="application/json").status_code == 401
    assert Browser().get(PATH).status_code == 405


class TestWhatLetItIn:
    """Attack 41: a registration that outlives what let it in goes nowhere else."""

    BY_HOST = "cimd: {registration: true, registration_hosts: ['old.example.com', localhost]}"
    OTHER_TOKEN = "another-access-token-0123456789-0123456789"
    GONE = (
        "cimd: {registration: true, registration_hosts: [other.example.com], registration_tokens: []}",
        "cimd: {registration: true, registration_hosts: [], registration_tokens: []}",
        f"cimd: {{registration: true, registration_tokens: [{OTHER_TOKEN}]}}",
        "cimd: {registration: false}",
        f"cimd: {{registration: false, registration_tokens: [{TOKEN}], registration_hosts: [localhost]}}",
    )
    TWO = ("http://localhost/a", "http://localhost/b")

    def registered(self, token: str = "", **members: Any) -> tuple[str, str, dict[str, Any]]:
        """Its address, its registration access token, and what it said."""
        said = program(redirect_uris=list(self.TWO), scope="mcp:read openid", **members)
        answer = ask("post", PATH, said, token)
        assert answer.status_code == 201, answer.content
        found = answer.json()
        return (
            f"{PATH}/{found['client_id']}",
            found["registration_access_token"],
            {**said, "client_id": found["client_id"]},
        )

    @pytest.mark.parametrize("by", ["host", "token"])
    @pytest.mark.parametrize("policy", GONE)
    @pytest.mark.parametrize(
        "wider",
        [
            {"redirect_uris": ["https://evil.example/callback"]},
            {"redirect_uris": [*TWO, "https://evil.example/callback"]},
            {"redirect_uris": [*TWO, "http://localhost/c"]},
            {"redirect_uris": ["https://other.example.com/callback"]},
            {"scope": "mcp:read openid email"},
            {"token_endpoint_auth_method": "client_secret_post"},
            {
                "token_endpoint_auth_method": "private_key_jwt",
                "jwks_uri": "https://evil.example/jwks",
            },
        ],
    )
    def test_once_it_is_gone_a_registration_only_gives_up(
        self, on: world.World, by: str, policy: str, wider: dict[str, Any]
    ) -> None:
        address, token, said = self.registered(TOKEN if by == "token" else "")
        before = Client.objects.filter(registration_source="dcr").values().get()
        apply(policy)
        answer = ask("put", address, {**said, **wider}, token)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
        assert Client.objects.filter(registration_source="dcr").values().get() == before
        assert AuditEvent.objects.filter(event="registration:client:refused", reason="registration_denied").exists()
        # A refused change has not taken the token, and what is left can be read, narrowed and removed.
        assert ask("get", address, token=token).json()["redirect_uris"] == list(self.TWO)
        narrower = {**said, "redirect_uris": [self.TWO[0]], "scope": "openid"}
        answer = ask("put", address, narrower, token)
        assert answer.status_code == 200, answer.content
        assert ask("delete", address, token=answer.json()["registration_access_token"]).status_code == 204

    def test_by_a_token_it_goes_anywhere_while_the_token_lets_anybody_in(self, on: world.World) -> None:
        address, token, said = self.registered(TOKEN)
        there = {**said, "redirect_uris": ["https://anywhere.example/callback"]}
        answer = ask("put", address, there, token)
        assert answer.status_code == 200, answer.content

    def test_on_named_hosts_it_goes_to_named_hosts(self, on: world.World) -> None:
        address, token, said = self.registered()
        there = {**said, "redirect_uris": ["https://old.example.com/callback"]}
        assert ask("put", address, there, token).status_code == 200

    def test_one_of_before_what_let_it_in_was_kept_is_judged_by_its_hosts(self, on: world.World) -> None:
        address, token, said = self.registered(TOKEN)
        Registration.objects.all().delete()
        there = {**said, "redirect_uris": ["https://anywhere.example/callback"]}
        assert ask("put", address, there, token).status_code == 401

    def test_switched_off_it_tells_strangers_of_nothing(self, on: world.World) -> None:
        address, token, _ = self.registered()
        apply("cimd: {registration: false}")
        assert ask("post", PATH, program(), TOKEN).status_code == 404
        assert ask("get", f"{PATH}/desktop-app", token=token).status_code == 404
        assert ask("get", address, token="another").status_code == 401

    @pytest.mark.parametrize("methods", [("put", "put", "put"), ("put", "delete", "put"), ("delete", "delete", "put")])
    def test_of_many_who_bring_one_token_at_once_one_gets_the_next(
        self, committed_gatehouse: world.World, methods: tuple[str, ...]
    ) -> None:
        apply(ON)
        address, token, said = self.registered()

        def changes(index: int) -> Callable[[], Any]:
            body = {**said, "redirect_uris": [f"http://localhost/{index}"]}
            return lambda: ask(methods[index], address, body if methods[index] == "put" else None, token)

        answers = at_once([changes(index) for index in range(len(methods))])
        assert sorted(answer.status_code for answer in answers)[1:] == [401, 401]
        [first] = [answer for answer in answers if answer.status_code in {200, 204}]
        assert ask("get", address, token=token).status_code == 401
        tokens = get_access_token_model().objects.filter(application__client_id=said["client_id"])
        if first.status_code == 200:
            assert tokens.count() == 1
            assert ask("get", address, token=first.json()["registration_access_token"]).status_code == 200
            assert Client.objects.get(client_id=said["client_id"]).redirect_uri_list == first.json()["redirect_uris"]
        else:
            assert tokens.count() == 0


def test_what_strangers_fill_is_not_shut_for_a_week(on: world.World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attack 41."""
    monkeypatch.setattr(room, "MAX_CLIENTS", 3)
    used = ask("post", PATH, program()).json()["client_id"]
    flow = {"client_id": used, "redirect_uri": "http://localhost/callback"}
    assert on.redeem(on.authorize(**flow)["code"], **flow).status_code == 200
    for _ in range(2):
        ask("post", PATH, program())
    assert ask("post", PATH, program()).status_code == 503
    Client.objects.filter(registration_source="dcr").update(created=datetime.now(UTC) - timedelta(hours=2))
    assert ask("post", PATH, program()).status_code == 201
    assert Client.objects.filter(client_id=used).exists()
