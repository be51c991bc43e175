"""Who may call: tokens of this very server for this very resource, with the scope, and the right of their person."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from authz import authorizations
from authz.conf import conf
from authz.models import AuditEvent, Authorization, Client, ProtectedResource, Rule, User
from authz.protocol.dpop_proofs import ALGORITHMS
from tests.mcp.conftest import Agent
from tests.support.world import World

Agents = Callable[..., Agent]
METADATA = "/.well-known/oauth-protected-resource/o/mcp"


def reasons() -> list[str]:
    return list(AuditEvent.objects.filter(event="mcp:request:refused").order_by("id").values_list("reason", flat=True))


def test_the_metadata_leads_to_this_server(served: World) -> None:
    assert json.loads(served.browser.get(METADATA).content) == {
        "resource": "http://127.0.0.1:8000/o/mcp",
        "resource_name": "Gatehouse",
        "authorization_servers": ["http://127.0.0.1:8000/o"],
        "scopes_supported": ["access:read", "access:request", "audit:read"],
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": list(ALGORITHMS),
        "dpop_bound_access_tokens_required": False,
    }


def test_without_a_registration_there_is_nothing(gatehouse: World, switched_on: None) -> None:
    assert gatehouse.browser.get(METADATA).status_code == 404
    assert Agent("any").send("tools/list").status_code == 404


def test_without_the_setting_there_is_no_metadata(gatehouse: World) -> None:
    assert gatehouse.browser.get(METADATA).status_code == 404


def test_without_a_token_it_says_where_to_get_one(served: World) -> None:
    response = Agent("").send("tools/list", Authorization=None)

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == (
        f'Bearer resource_metadata="{conf.origin}{METADATA}", scope="access:read access:request"'
    )
    assert reasons() == ["mcp_unauthenticated"]


@pytest.mark.parametrize(
    ("header", "status", "reason"),
    [
        ("Bearer nonsense", 401, "mcp_token_invalid"),
        ("Bearer ", 400, "mcp_credentials_unknown"),
        ("Basic Ym9iOmJvYg==", 400, "mcp_credentials_unknown"),
        (f"Bearer {'x' * 9000}", 400, "mcp_credentials_unknown"),
    ],
)
def test_other_credentials_are_refused(served: World, header: str, status: int, reason: str) -> None:
    response = Agent("").send("tools/list", Authorization=header)
    assert response.status_code == status
    assert 'error="inva' in response["WWW-Authenticate"]
    assert reasons() == [reason]


def test_a_token_in_the_query_is_refused(agent: Agents) -> None:
    """It would be in logs: alone it is none, and beside the header it is one too many."""
    client = agent()
    for header in (None, f"Bearer {client.token}"):
        response = client.browser.post(
            f"/o/mcp?access_token={client.token}",
            "{}",
            content_type="application/json",
            headers={} if header is None else {"Authorization": header},
        )
        assert response.status_code == 400
    assert reasons() == ["mcp_credentials_unknown"] * 2


def test_a_token_for_another_server_is_refused(served: World) -> None:
    response = Agent(served.signed_in_tokens()["access_token"]).send("tools/list")
    assert response.status_code == 401
    assert reasons() == ["mcp_token_for_another"]


def test_a_token_for_it_is_good_nowhere_else(served: World, agent: Agents) -> None:
    assert served.introspect(agent().token) == {"active": False}


def test_a_token_without_the_scope_is_told_which_it_needs(agent: Agents) -> None:
    response = agent(scope="access:read").send("tools/call", {"name": "request_access", "arguments": {}})

    assert response.status_code == 403
    assert response["WWW-Authenticate"] == (
        f'Bearer resource_metadata="{conf.origin}{METADATA}", error="insufficient_scope", scope="access:request"'
    )
    assert reasons() == ["mcp_scope_insufficient"]


ENDINGS: dict[str, Callable[[], object]] = {
    "its authorization is revoked": lambda: authorizations.end(
        Authorization.objects.all(), reason="test", now=datetime.now(UTC)
    ),
    "its agent is suspended": lambda: Client.objects.filter(client_id="assistant").update(status="suspended"),
    "its person is deactivated": lambda: User.objects.filter(username="bob").update(is_active=False),
    "its rule is gone": lambda: Rule.objects.filter(name="People hand the MCP server to their assistant").delete(),
    "the server is switched off": lambda: ProtectedResource.objects.filter(name="Gatehouse").update(is_active=False),
}


@pytest.mark.parametrize("end", ENDINGS.values(), ids=ENDINGS.keys())
def test_access_that_ended_is_refused_at_once(agent: Agents, end: Callable[[], object]) -> None:
    client = agent()
    assert client.send("tools/list").status_code == 200
    end()
    assert client.send("tools/list").status_code in {401, 404}


def test_a_flood_of_one_asker_waits(agent: Agents, settings: object) -> None:
    limited = settings.GATEHOUSE | {"RATE_LIMITS": settings.GATEHOUSE["RATE_LIMITS"] | {"mcp:asker": "3/minute"}}  # type: ignore[attr-defined]
    settings.GATEHOUSE = limited  # type: ignore[attr-defined]
    bob, alice = agent("bob"), agent("alice")
    assert [bob.send("tools/list").status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    assert "Retry-After" in bob.send("tools/list")
    assert alice.send("tools/list").status_code == 200, "the same agent for another person is another asker"
