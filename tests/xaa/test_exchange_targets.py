"""The resources of an ID-JAG (the named one, the only one, or all of them), and its subject."""

import json
from typing import Any

import pytest
from allauth.account.models import EmailAddress

from authz.configuration import ConfigurationError, apply, export
from authz.models import AuditEvent
from tests.support.world import claims, person
from tests.xaa.company import AGENT, CHAT, CHAT_MCP, IDP, TOKEN_EXCHANGE, Company, refused
from xaa.models import ResourceAuthorizationServer, SubjectLink, TrustedIssuer

FILES = "https://mcp.files.chat.example/"
CALLS = "https://mcp.calls.chat.example/"
SEVERAL = f"""
resource_authorization_servers:
  - issuer: {CHAT}
    name: Chat
    client_ids: {{{AGENT[0]}: agent-at-chat}}
    resources:
      - {{identifier: "{CHAT_MCP}", scopes: [chat.read, shared]}}
      - {{identifier: "{FILES}", scopes: [files.read, shared]}}
      - {{identifier: "{CALLS}", scopes: [calls.read]}}
rules:
  - name: Engineers reach Files
    effect: allow
    clients: ["*"]
    groups: [engineering]
    grant_types: ["{TOKEN_EXCHANGE}"]
    resources: ["{FILES}"]
    scopes: [files.read]
    max_lifetime: 120
"""
SHARED = f"""
rules:
  - name: Shared at {{name}}
    effect: allow
    clients: ["*"]
    groups: [engineering]
    grant_types: ["{TOKEN_EXCHANGE}"]
    resources: ["{{resource}}"]
    scopes: [shared]
"""


def granted(response: Any) -> dict[str, Any]:
    assert response.status_code == 200, response.content
    body: dict[str, Any] = json.loads(response.content)
    return body


def test_without_a_resource_it_is_for_the_audiences_only_one(company: Company) -> None:
    issued = claims(granted(company.exchange(company.login()["id_token"], resource=None))["access_token"])
    assert (issued["resource"], issued["scope"]) == (CHAT_MCP, "chat.read")


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        # Resource, scope; the resource and scopes of the ID-JAG, or the error.
        ((CHAT_MCP, "chat.read"), (CHAT_MCP, "chat.read")),
        ((FILES, "files.read"), (FILES, "files.read")),
        ((FILES, "files.read chat.read"), (FILES, "files.read")),
        ((None, None), (None, "chat.read files.read")),
        ((None, "chat.read"), (None, "chat.read")),
        ((None, "files.read chat.read"), (None, "files.read chat.read")),
        ((None, "files.read files.write"), (None, "files.read")),
        ((None, "files.read shared"), (None, "files.read")),
        ((None, "files.read calls.read"), (None, "files.read")),
        ((None, "calls.read"), "invalid_grant"),
        ((None, "shared"), "invalid_grant"),
        ((None, "unheard.of"), "invalid_scope"),
        ((CALLS, None), "invalid_grant"),
        (("https://mcp.elsewhere.example/", None), "invalid_target"),
    ],
)
def test_what_it_is_for_where_the_audience_has_several(
    company: Company, asked: tuple[str | None, str | None], answer: tuple[str | None, str] | str
) -> None:
    apply(SEVERAL)
    response = company.exchange(company.login()["id_token"], resource=asked[0], scope=asked[1])
    if isinstance(answer, str):
        assert refused(response) == (400, answer)
        return
    body = granted(response)
    issued = claims(body["access_token"])
    assert (issued.get("resource"), issued["scope"]) == answer
    assert body["scope"] == answer[1]


def test_of_several_resources_a_scope_needs_them_all(company: Company) -> None:
    """An ID-JAG that names no resource is good at each, so a scope that one of them denies isn't in it."""
    apply(SEVERAL)
    token = company.login()["id_token"]
    apply(SHARED.format(name="Chat", resource=CHAT_MCP))
    assert refused(company.exchange(token, resource=None, scope="shared")) == (400, "invalid_grant")
    apply(SHARED.format(name="Files", resource=FILES))
    issued = claims(granted(company.exchange(token, resource=None, scope="shared"))["access_token"])
    assert issued["scope"] == "shared"
    event = AuditEvent.objects.filter(event="token:id_jag:issued").latest("id")
    assert event.resource == ""
    assert event.detail["rules"] == ["Shared at Chat", "Shared at Files"]


def test_of_several_lifetimes_the_shortest_counts(company: Company) -> None:
    apply(SEVERAL)
    body = granted(company.exchange(company.login()["id_token"], resource=None, scope="chat.read files.read"))
    assert body["expires_in"] == 120


def test_an_audience_without_a_resource_gets_nothing(company: Company) -> None:
    token = company.login()["id_token"]
    ResourceAuthorizationServer.objects.get().resources.all().delete()
    assert refused(company.exchange(token, resource=None)) == (400, "invalid_target")


def test_step_up_stays(company: Company) -> None:
    apply(SEVERAL)
    apply(f"""
rules:
  - name: Calls want two factors
    effect: allow
    clients: ["*"]
    groups: [engineering]
    grant_types: ["{TOKEN_EXCHANGE}"]
    resources: ["{CALLS}"]
    scopes: [calls.read]
    conditions: {{acr: [mfa]}}
""")
    response = company.exchange(company.login()["id_token"], resource=None, scope="calls.read")
    body = json.loads(response.content)
    assert (body["error"], body["acr_values"]) == ("insufficient_user_authentication", "mfa")


# --- act, tenant, aud_sub ---------------------------------------------------------------------------------------------


def named(company: Company, **keys: str) -> dict[str, Any]:
    ResourceAuthorizationServer.objects.filter(issuer=CHAT).update(**keys)
    issued = claims(granted(company.exchange(company.idp.id_token()))["access_token"])
    return {name: issued[name] for name in ("tenant", "aud_tenant", "aud_sub") if name in issued}


def test_names_there_are_those_that_are_configured(company: Company) -> None:
    assert named(company) == {}
    assert named(company, tenant="acme") == {"tenant": "acme"}
    assert named(company, tenant="", aud_tenant="chat-eu") == {"aud_tenant": "chat-eu"}
    assert named(company, aud_tenant="", aud_sub="username") == {"aud_sub": "bob"}
    assert named(company, aud_sub="email") == {"aud_sub": "bob@example.com"}
    assert named(company, aud_sub="linked") == {}
    issuer = TrustedIssuer.objects.create(issuer=CHAT, name="Chat", accepts=["id_token"])
    SubjectLink.objects.create(issuer=issuer, subject="bob-at-chat", user=person("bob"))
    assert named(company) == {"aud_sub": "bob-at-chat"}
    # Two tenants know him by two names, and which of them is meant has to be said.
    SubjectLink.objects.create(issuer=issuer, subject="bob-too", tenant="chat-eu", user=person("bob"))
    assert named(company) == {}
    assert named(company, aud_tenant="chat-eu") == {"aud_sub": "bob-too", "aud_tenant": "chat-eu"}
    TrustedIssuer.objects.filter(issuer=CHAT).update(enabled=False)
    assert named(company) == {"aud_tenant": "chat-eu"}


def test_an_unverified_address_is_no_name(company: Company) -> None:
    bob = person("bob")
    company.exchange(company.idp.id_token())
    EmailAddress.objects.create(user=bob, email=bob.email, verified=False)
    assert named(company, aud_sub="email") == {}


ACTOR = {"sub": "assistant", "act": {"sub": "orchestrator"}}


@pytest.mark.parametrize(
    ("act", "carried"),
    [
        (None, None),
        ({"sub": "assistant"}, {"sub": "assistant"}),
        ({"sub": "assistant", "iss": IDP}, {"sub": "assistant", "iss": IDP}),
        (ACTOR, ACTOR),
        ("assistant", "refused"),
        ({}, "refused"),
        ({"sub": 7}, "refused"),
        ({"sub": ""}, "refused"),
        (["assistant"], "refused"),
        ({"sub": "assistant", "act": {"iss": IDP}}, "refused"),
    ],
)
def test_who_acts_is_carried_on(company: Company, act: Any, carried: Any) -> None:
    response = company.exchange(company.idp.id_token(act=act))
    if carried == "refused":
        assert refused(response) == (400, "invalid_grant")
        return
    assert claims(granted(response)["access_token"]).get("act") == carried


# --- several audiences ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trusted", "said", "is_taken"),
    [
        ([], {"aud": "agent-at-idp"}, True),
        ([], {"aud": ["agent-at-idp"]}, True),
        ([], {"aud": ["agent-at-idp", "project"]}, False),
        (["app2", "project"], {"aud": ["app2", "agent-at-idp", "project"], "azp": "agent-at-idp"}, True),
        (["app2", "project"], {"aud": ["app2", "agent-at-idp", "project"]}, True),
        (["app2", "project"], {"aud": ["app2", "agent-at-idp", "project"], "azp": "app2"}, False),
        (["project"], {"aud": ["app2", "agent-at-idp", "project"], "azp": "agent-at-idp"}, False),
        (["app2", "project"], {"aud": ["app2", "project"], "azp": "agent-at-idp"}, False),
        (["app2", "project"], {"aud": "app2", "azp": "agent-at-idp"}, False),
        (["project"], {"aud": ["agent-at-idp", "project", "agent-at-idp"]}, True),
        (["project"], {"aud": ["agent-at-idp", "project", 7]}, False),
        (["project"], {"aud": ["agent-at-idp", ["project"]]}, False),
        (["project"], {"aud": ["agent-at-idp", ""]}, False),
        (["project"], {"aud": ["agent-at-idp", "Project"]}, False),
        (["*"], {"aud": ["agent-at-idp", "project"]}, False),
        (["project"], {"aud": ["agent-at-idp", *(f"app{number}" for number in range(30))]}, False),
        (["project"], {"aud": []}, False),
        (["project"], {"aud": ["project"]}, False),
        (["project"], {"aud": ["agent-at-idp", "project"], "azp": ["agent-at-idp"]}, False),
    ],
)
def test_several_audiences_are_taken_where_the_others_are_named(
    company: Company, trusted: list[str], said: dict[str, Any], is_taken: bool
) -> None:
    TrustedIssuer.objects.filter(issuer=IDP).update(trusted_audiences=trusted)
    response = company.exchange(company.idp.id_token(**said))
    if is_taken:
        assert claims(granted(response)["access_token"])["sub"] == str(person("bob").subject)
    else:
        assert refused(response) == (400, "invalid_grant")


def test_the_audit_names_the_audience_that_is_not_trusted(company: Company) -> None:
    company.exchange(company.idp.id_token(aud=["agent-at-idp", "project-17"]))
    event = AuditEvent.objects.latest("id")
    assert event.reason == "assertion_audience"
    assert "project-17" in json.dumps(event.detail)


# --- configuration ----------------------------------------------------------------------------------------------------


def test_the_keys_come_back_from_an_export(company: Company) -> None:
    apply(f"""
trusted_issuers:
  - {{issuer: {IDP}, accepts: [id_token], trusted_audiences: [app2, project]}}
resource_authorization_servers:
  - {{issuer: {CHAT}, tenant: acme, aud_tenant: chat-eu, aud_sub: linked}}
""")
    text = export()
    assert "trusted_audiences:\n  - app2\n  - project\n" in text
    assert "tenant: acme\n  aud_tenant: chat-eu\n  aud_sub: linked\n" in text
    assert apply(text) == []
    with pytest.raises(ConfigurationError, match="aud_sub"):
        apply(f"resource_authorization_servers: [{{issuer: {CHAT}, aud_sub: phone}}]")
