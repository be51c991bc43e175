"""`manage.py revoke`: from its return on nothing is issued, no refresh succeeds and no token is active."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from authz.models import AuditEvent, Authorization, ProtectedResource
from tests.support import world
from tests.support.world import NOTES, SECRET, World
from xaa.models import TrustedIssuer


def revoke(*arguments: str) -> str:
    output = StringIO()
    call_command("revoke", *arguments, stdout=output)
    return output.getvalue()


def is_active(gatehouse: World, token: str) -> bool:
    """With everything cut off the resource server itself may no longer ask; that is no "active" either."""
    response = gatehouse.post(
        "introspect", {"token": token}, authorization=world.basic_header("notes-server", world.SERVER_SECRET)
    )
    return bool(json.loads(response.content).get("active"))


def identifier(kind: str) -> list[str]:
    authorization = Authorization.objects.get(client__client_id="desktop-app")
    return {
        "client": ["desktop-app"],
        "person": ["bob"],
        "authorization": [str(authorization.pk)],
        "session": [authorization.session_digest],
        "resource": [NOTES],
        "everything": [],
    }[kind]


KINDS = ("client", "person", "authorization", "session", "resource", "everything")


@pytest.mark.parametrize("kind", KINDS)
def test_every_token_under_it_is_dead(gatehouse: World, kind: str) -> None:
    tokens = gatehouse.signed_in_tokens()
    later = json.loads(gatehouse.refresh(tokens["refresh_token"]).content)
    output = revoke(kind, *identifier(kind), "--reason", "a stolen laptop")
    assert output.startswith("1 authorizations ended.")
    for token in (tokens, later):
        assert gatehouse.refresh(token["refresh_token"]).status_code == 400
        assert is_active(gatehouse, token["access_token"]) is False
    event = AuditEvent.objects.get(event="policy:access:cut_off")
    assert (event.detail["kind"], event.detail["ended"], event.detail["because"]) == (kind, 1, "a stolen laptop")
    assert AuditEvent.objects.filter(event="token:authorization:revoked").count() == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_preview_changes_nothing(gatehouse: World, kind: str) -> None:
    tokens = gatehouse.signed_in_tokens()
    before = list(AuditEvent.objects.values_list("pk", flat=True))
    assert revoke(kind, *identifier(kind), "--preview").startswith("1 live authorizations would end.")
    assert list(AuditEvent.objects.values_list("pk", flat=True)) == before
    assert gatehouse.refresh(tokens["refresh_token"]).status_code == 200


@pytest.mark.parametrize("kind", ["client", "person", "session", "resource", "everything"])
def test_nothing_more_is_issued_and_a_code_on_its_way_is_worth_nothing(gatehouse: World, kind: str) -> None:
    gatehouse.signed_in_tokens()
    code = world.redirect_parameters(gatehouse.browser.get(gatehouse.authorize_url()))["code"]
    revoke(kind, *identifier(kind))
    assert gatehouse.redeem(code).status_code == 400
    response = gatehouse.browser.get(gatehouse.authorize_url())
    answered = world.redirect_parameters(response) if response.status_code == 302 else {}
    assert "code" not in answered
    assert Authorization.objects.filter(revoked=None).count() == 0


@pytest.mark.parametrize(("kind", "name"), [("client", "nightly-report"), ("resource", NOTES), ("everything", "")])
def test_a_machine_is_cut_off(gatehouse: World, kind: str, name: str) -> None:
    token = gatehouse.machine_token()["access_token"]
    revoke(kind, *([name] if name else []))
    assert gatehouse.token(basic=("nightly-report", SECRET), grant_type="client_credentials").status_code == 400
    assert is_active(gatehouse, token) is False


def test_an_ended_authorization_asks_for_consent_again(gatehouse: World) -> None:
    gatehouse.signed_in_tokens()
    assert gatehouse.browser.get(gatehouse.authorize_url()).status_code == 302
    revoke("authorization", *identifier("authorization"))
    assert gatehouse.browser.get(gatehouse.authorize_url()).status_code == 200


def test_others_go_on(gatehouse: World) -> None:
    machine = gatehouse.machine_token()["access_token"]
    gatehouse.signed_in_tokens()
    revoke("person", "bob")
    revoke("client", "desktop-app")
    assert gatehouse.introspect(machine)["active"] is True


def test_an_issuer_is_believed_no_more(gatehouse: World) -> None:
    issuer = TrustedIssuer.objects.create(issuer="https://idp.example.com", name="IdP", accepts=["id-jag"])
    tokens = gatehouse.signed_in_tokens()
    Authorization.objects.update(lineage={"issuer": issuer.issuer})
    assert revoke("issuer", issuer.issuer).startswith("1 authorizations ended.")
    issuer.refresh_from_db()
    assert issuer.enabled is False
    assert gatehouse.introspect(tokens["access_token"]) == {"active": False}


@pytest.mark.parametrize(
    "arguments",
    [("client", "nobody"), ("client",), ("authorization", "x"), ("session", "x"), ("everything", "please")],
)
def test_what_is_not_there_is_said_and_nothing_changes(gatehouse: World, arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        revoke(*arguments)
    assert ProtectedResource.objects.filter(is_active=False).count() == 0


def test_a_retired_agent_stays_retired(gatehouse: World) -> None:
    client: Any = world.client("desktop-app")
    client.status = "retired"
    client.save()
    revoke("client", "desktop-app")
    assert world.client("desktop-app").status == "retired"
