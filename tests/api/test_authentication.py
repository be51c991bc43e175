"""Who may call the management API: tokens of this very server for this very resource, and the console's session."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.test import Client as Browser

from authz import authorizations
from authz.configuration.api_resource import identifier
from authz.models import AuditEvent, Authorization, Client, ProtectedResource, Rule, User
from authz.protocol.dpop_proofs import ALGORITHMS
from tests.api.conftest import Caller, bearer, problem, registered_api
from tests.support import world
from tests.support.world import World, basic_header

Machine = Callable[[str], Caller]
ThroughAgent = Callable[[str, str], Caller]
READ, WRITE, APPROVE, PLAN = "gatehouse:read", "gatehouse:write", "gatehouse:approve", "gatehouse:plan"


def test_a_request_without_a_token_is_told_where_to_get_one(gatehouse: World) -> None:
    response = Caller(Browser())("GET", "me")

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == (
        'Bearer resource_metadata="http://127.0.0.1:8000/.well-known/oauth-protected-resource/api",'
        ' scope="gatehouse:read gatehouse:write gatehouse:approve"'
    )
    assert problem(response)["status"] == 401


def test_the_metadata_leads_to_this_server(gatehouse: World) -> None:
    registered_api()

    response = gatehouse.browser.get("/.well-known/oauth-protected-resource/api")

    assert json.loads(response.content) == {
        "resource": "http://127.0.0.1:8000/api",
        "resource_name": "Gatehouse management API",
        "authorization_servers": ["http://127.0.0.1:8000/o"],
        "scopes_supported": [READ, WRITE, APPROVE, PLAN],
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": list(ALGORITHMS),
        "dpop_bound_access_tokens_required": False,
        "resource_documentation": "http://127.0.0.1:8000/api/v1/reference",
    }


def test_an_unregistered_api_has_no_metadata(gatehouse: World) -> None:
    assert gatehouse.browser.get("/.well-known/oauth-protected-resource/api").status_code == 404


def test_an_agent_for_itself_is_known_by_its_client_id(machine: Machine) -> None:
    assert machine(READ).get("me") == {"username": None, "role": None, "client_id": "pipeline", "scopes": [READ]}


def test_a_person_through_an_agent_is_both(through_agent: ThroughAgent) -> None:
    assert through_agent("auditor", READ).get("me") == {
        "username": "dana",
        "role": "auditor",
        "client_id": "console-agent",
        "scopes": [READ],
    }


@pytest.mark.parametrize("scheme", ["Basic", "Bearer", "bearer  ", "DPoP", "Token", ""])
def test_a_header_that_is_no_token_is_refused_even_beside_a_session(
    person: Callable[[str], Caller], scheme: str
) -> None:
    caller = person("administrator")

    assert caller("GET", "me", authorization=f"{scheme} eyJ.x.y" if scheme != "Bearer" else "Bearer").status_code in {
        400,
        401,
    }


def test_two_tokens_in_one_header_are_none(machine: Machine) -> None:
    token = machine(READ).headers["authorization"]

    assert Caller(Browser(), {"authorization": f"{token}, {token}"})("GET", "me").status_code == 400


def test_a_token_in_the_address_is_not_read(machine: Machine) -> None:
    token = machine(READ).headers["authorization"].removeprefix("Bearer ")

    assert Caller(Browser())("GET", f"me?access_token={token}").status_code == 401


def test_a_token_for_another_resource_is_refused(machine: Machine, gatehouse: World) -> None:
    other = gatehouse.machine_token(scope="mcp:read")["access_token"]

    response = bearer(other)("GET", "me")

    assert response.status_code == 401
    assert 'error="invalid_token"' in response["WWW-Authenticate"]
    assert problem(response)["error"] == "invalid_token"
    refused = AuditEvent.objects.filter(event="api:request:refused").latest("id")
    assert (refused.reason, refused.client_id) == ("api_token_for_another", "nightly-report")


def test_a_sign_in_token_without_a_resource_is_refused(gatehouse: World) -> None:
    """Its audience is /userinfo; RFC 9068 §4 wants our own."""
    registered_api()
    tokens = gatehouse.signed_in_tokens(scope="openid mcp:read offline_access")

    assert bearer(tokens["access_token"])("GET", "me").status_code == 401
    assert bearer(tokens["id_token"])("GET", "me").status_code == 401
    assert bearer(tokens["refresh_token"])("GET", "me").status_code == 401


def test_a_forged_token_is_refused(machine: Machine) -> None:
    token = machine(READ).headers["authorization"].removeprefix("Bearer ")
    head, payload, signature = token.split(".")

    for forged in (f"{head}.{payload}.", f"{head}.{payload}.{signature[::-1]}", "x", "x" * 9000):
        assert bearer(forged)("GET", "me").status_code in {400, 401}


def end_it() -> None:
    authorizations.end(Authorization.objects.all(), reason="test", now=datetime.now(UTC))


ENDINGS: dict[str, Callable[[], object]] = {
    "the client is suspended": lambda: Client.objects.filter(client_id="console-agent").update(status="suspended"),
    "the person is switched off": lambda: User.objects.filter(username="alice").update(is_active=False),
    "the authorization is ended": end_it,
    "the rule is gone": lambda: Rule.objects.filter(name__startswith="Anybody may hand").delete(),
    "the resource is switched off": lambda: ProtectedResource.objects.filter(identifier=identifier()).update(
        is_active=False
    ),
    "the client is another one now": lambda: Client.objects.filter(client_id="console-agent").update(
        consent_digest="0" * 64
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_token_ends_with_its_authorization(through_agent: ThroughAgent, ending: str) -> None:
    caller = through_agent("administrator", READ)
    assert caller("GET", "me").status_code == 200

    ENDINGS[ending]()

    response = caller("GET", "me")
    assert response.status_code == 401
    assert 'error="invalid_token"' in response["WWW-Authenticate"]


def test_a_role_that_is_taken_away_limits_a_token_at_once(through_agent: ThroughAgent) -> None:
    caller = through_agent("administrator", WRITE)
    assert caller("PUT", "configuration/users/zoe", {}).status_code == 201

    User.objects.filter(username="alice").update(role="none", is_superuser=False)

    assert caller("PUT", "configuration/users/yan", {}).status_code == 403
    assert not User.objects.filter(username="yan").exists()


def test_a_token_without_the_scope_is_refused_and_told_which(through_agent: ThroughAgent) -> None:
    caller = through_agent("administrator", READ)

    response = caller("PUT", "configuration/users/zoe", {})

    assert response.status_code == 403
    assert 'error="insufficient_scope"' in response["WWW-Authenticate"]
    assert f'scope="{WRITE}"' in response["WWW-Authenticate"]
    assert problem(response)["error"] == "insufficient_scope"


def test_scopes_do_not_raise_a_role(through_agent: ThroughAgent) -> None:
    caller = through_agent("auditor", f"{READ} {WRITE} {APPROVE}")

    assert caller("GET", "configuration").status_code == 200
    response = caller("PUT", "configuration/users/dana", {"role": "administrator"})
    assert response.status_code == 403
    assert problem(response)["error"] == "access_denied"


def test_a_person_without_a_role_cannot_delegate_any(through_agent: ThroughAgent) -> None:
    assert through_agent("none", READ)("GET", "me").status_code == 403


def test_a_machine_writes_only_with_the_scope_that_a_rule_gave_it(machine: Machine) -> None:
    assert machine(READ)("PUT", "configuration/users/zoe", {}).status_code == 403
    assert machine(WRITE)("PUT", "configuration/users/zoe", {}).status_code == 201
    assert machine(WRITE)("GET", "configuration").status_code == 403
    event = AuditEvent.objects.filter(event="configuration:object:created").latest("id")
    assert (event.detail["by"], event.subject) == ("pipeline", "")


def test_a_machine_decides_about_no_agent_and_no_request(machine: Machine) -> None:
    caller = machine(f"{READ} {WRITE} {APPROVE}")

    assert caller("POST", f"agents/{world.client('pending-agent').pk}/approve", {}).status_code == 403
    assert world.client("pending-agent").status == "pending"


def test_writing_is_not_approving(machine: Machine) -> None:
    """A token that may change the configuration approves no agent by it, nor one of its own making."""
    agent = {"status": "approved", "grant_types": ["client_credentials"], "client_secret": world.SECRET}
    caller = machine(WRITE)

    response = caller("PUT", "configuration/clients/accomplice", agent)
    whole = caller("POST", "configuration", {"clients": [{"client_id": "accomplice", **agent}]})

    assert (response.status_code, whole.status_code) == (403, 403)
    assert not Client.objects.filter(client_id="accomplice").exists()
    assert machine(f"{WRITE} {APPROVE}")("PUT", "configuration/clients/accomplice", agent).status_code == 201


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_session_without_a_csrf_token_changes_nothing(person: Callable[..., Caller], method: str) -> None:
    caller = person("administrator", csrf=True)
    path = "configuration" if method == "POST" else "configuration/rules/Agents read notes"

    response = caller(method, path, {"max_lifetime": 5}, if_match="*")

    assert response.status_code == 403
    assert Rule.objects.get(name="Agents read notes").definition["max_lifetime"] == 300
    assert AuditEvent.objects.filter(event="api:request:refused", reason="api_request_forged").count() == 1


def test_a_session_with_its_csrf_token_does(person: Callable[..., Caller]) -> None:
    caller = person("administrator", csrf=True)
    page = caller.browser.get("/console/authz/rule/add/").content.decode()
    token = page.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]

    response = caller(
        "PATCH", "configuration/rules/Agents read notes", {"max_lifetime": 5}, if_match="*", x_csrftoken=token
    )

    assert response.status_code == 200


def test_a_session_of_a_deactivated_person_is_refused(person: Callable[[str], Caller]) -> None:
    caller = person("administrator")
    User.objects.filter(username="alice").update(is_active=False)

    assert caller("GET", "me").status_code == 401


def test_a_client_secret_is_no_way_in(gatehouse: World) -> None:
    registered_api()
    caller = Caller(Browser(), {"authorization": basic_header("pipeline", world.SECRET)})

    assert caller("GET", "me").status_code == 400


def test_no_other_origin_is_let_in(machine: Machine) -> None:
    response = machine(READ)("GET", "me", origin="https://evil.example")

    assert "Access-Control-Allow-Origin" not in response
    assert response["Cache-Control"] == "no-store"
