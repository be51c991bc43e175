"""A refusal names what is at fault: to strangers a fixed sentence, to who is proven what to change, and to the operator
the precise reason with the wrong value (docs/decisions/0054-the-right-culprit.md).
"""

import json
from typing import Any

import pytest

from authz.conf import conf
from authz.models import AuditEvent, Client, ProtectedResource
from authz.protocol.errors import ONE_INVALID_CLIENT, ONE_INVALID_GRANT
from tests.support.world import NOTES, PAYROLL, SECRET, World, basic_header, claims

pytestmark = pytest.mark.any_database

WRONG = "a-wrong-secret-0123456789-0123456789-0123456789"
REPORT = ("nightly-report", SECRET)
UNKNOWN = "None of the requested scopes exists at this resource."
NOT_REGISTERED = "The client is registered for none of the requested scopes at this resource."
POLICY_SCOPES = "The organisation's policy allows none of the requested scopes."
NOT_APPROVED = "The client is not approved."

# What the request changes; what the answer says; what the operator reads. `scope` and `status` are the registration's.
TOKEN: list[tuple[str, dict[str, Any], tuple[str, str], tuple[str, str]]] = [
    # Scopes: the request's, the registration's, the resource's, the policy's.
    ("an unknown scope", {"scope": "nope"}, ("invalid_scope", UNKNOWN), ("scope_unknown", "nope")),
    ("two of them", {"scope": "nope no:way"}, ("invalid_scope", UNKNOWN), ("scope_unknown", "nope no:way")),
    ("of another resource", {"scope": "payroll:read"}, ("invalid_scope", UNKNOWN), ("scope_unknown", "payroll:read")),
    ("a sign-in's", {"scope": "openid"}, ("invalid_scope", UNKNOWN), ("scope_unknown", "openid")),
    (
        "one that the client is not registered for",
        {"registered": ["mcp:write"], "scope": "mcp:read"},
        ("invalid_scope", NOT_REGISTERED),
        ("scope_not_registered", "mcp:read"),
    ),
    (
        "one beside an unknown one",
        {"registered": ["mcp:write"], "scope": "nope mcp:read"},
        ("invalid_scope", NOT_REGISTERED),
        ("scope_not_registered", "nope mcp:read"),
    ),
    (
        "nothing, registered for nothing here",
        {"registered": ["payroll:read"]},
        ("invalid_scope", NOT_REGISTERED),
        ("scope_not_registered", "all"),
    ),
    (
        "offline_access, registered for nothing here",
        {"registered": [], "scope": "offline_access"},
        ("invalid_scope", NOT_REGISTERED),
        ("scope_not_registered", "all"),
    ),
    (
        "a resource with a slash too many",
        {"resource": f"{NOTES}/"},
        ("invalid_target", f"The resource is unknown to this authorization server. To the character it is {NOTES}"),
        ("resource_unknown", f"{NOTES}/"),
    ),
    (
        "a resource in other letters",
        {"resource": NOTES.replace("/mcp", "/MCP")},
        ("invalid_target", f"The resource is unknown to this authorization server. To the character it is {NOTES}"),
        ("resource_unknown", NOTES.replace("/mcp", "/MCP")),
    ),
    (
        "another path of the same host",
        {"resource": f"{NOTES}/sse"},
        ("invalid_target", "The resource is unknown to this authorization server."),
        ("resource_unknown", f"{NOTES}/sse"),
    ),
    (
        "a resource without scopes",
        {"without_scopes": True},
        ("invalid_scope", "The resource has no scopes that could be granted."),
        ("resource_without_scopes", ""),
    ),
    (
        "one that rules do not allow",
        {"scope": "mcp:write"},
        ("invalid_scope", POLICY_SCOPES),
        ("scope_denied_by_policy", "no_rule_allows"),
    ),
    (
        "a resource that rules do not allow",
        {"resource": PAYROLL},
        ("unauthorized_client", "The organisation's policy does not allow this."),
        ("denied_by_policy", "no_rule_allows"),
    ),
    ("quotes in a scope", {"scope": 'a"b'}, ("invalid_scope", "The scope is malformed."), ("scope_malformed", "a?b")),
    # Resources.
    (
        "an unknown resource",
        {"resource": "https://other.example/mcp"},
        ("invalid_target", "The resource is unknown to this authorization server."),
        ("resource_unknown", "https://other.example/mcp"),
    ),
    (
        "one with a fragment",
        {"resource": "https://other.example/mcp#here"},
        ("invalid_target", "The resource is not a valid resource indicator."),
        ("resource_malformed", "https://other.example/mcp#here"),
    ),
    (
        "one that could deceive who reads the audit",
        {"resource": "https://other.example/\u202e\x1b[31m" + "a" * 400},
        ("invalid_target", "The resource is not a valid resource indicator."),
        ("resource_malformed", ("https://other.example/??[31m" + "a" * 400)[:117] + "..."),
    ),
    # Parameters and grants.
    (
        "no grant type",
        {"grant_type": ""},
        ("invalid_request", "A required parameter is missing: grant_type."),
        ("missing_parameter", "grant_type"),
    ),
    (
        "no code",
        {"basic": ("web-app", SECRET), "grant_type": "authorization_code"},
        ("invalid_request", "A required parameter is missing: code."),
        ("missing_parameter", "code"),
    ),
    (
        "a parameter twice",
        {"scope": ["mcp:read", "mcp:read"]},
        ("invalid_request", "A parameter was sent more than once: scope."),
        ("duplicate_parameter", "scope"),
    ),
    (
        "a name that cannot be said twice",
        {"<b>": ["1", "2"]},
        ("invalid_request", "A parameter was sent more than once."),
        ("duplicate_parameter", "<b>"),
    ),
    (
        "an unsupported grant",
        {"grant_type": "password"},
        ("unsupported_grant_type", "The authorization server does not support this grant type."),
        ("grant_type_unsupported", "password"),
    ),
    (
        "one that the client is not registered for",
        {"grant_type": "refresh_token", "refresh_token": "x"},
        ("unauthorized_client", "The client is not registered for this grant type."),
        ("grant_type_not_registered", "refresh_token"),
    ),
    (
        "an unknown code",
        {"basic": ("web-app", SECRET), "grant_type": "authorization_code", "code": "x", "code_verifier": "y" * 43},
        ("invalid_grant", ONE_INVALID_GRANT),
        ("code_unknown", ""),
    ),
    # The client, and how it proves who it is.
    (
        "the right secret by Basic",
        {"basic": ("posting-agent", SECRET)},
        (
            "invalid_client",
            "The client is registered for client_secret_post: send its secret as client_secret in the body.",
        ),
        (
            "client_authentication_wrong_method",
            "client_secret_basic, registered for client_secret_post; the secret is right",
        ),
    ),
    (
        "the right secret in the body",
        {"basic": None, "client_id": "nightly-report", "client_secret": SECRET},
        (
            "invalid_client",
            "The client is registered for client_secret_basic: send its secret in an HTTP Basic Authorization header.",
        ),
        (
            "client_authentication_wrong_method",
            "client_secret_post, registered for client_secret_basic; the secret is right",
        ),
    ),
    (
        "a wrong secret by Basic",
        {"basic": ("posting-agent", WRONG)},
        ("invalid_client", ONE_INVALID_CLIENT),
        ("client_authentication_wrong_method", "client_secret_basic, registered for client_secret_post"),
    ),
    (
        "a wrong secret in the body",
        {"basic": None, "client_id": "nightly-report", "client_secret": WRONG},
        ("invalid_client", ONE_INVALID_CLIENT),
        ("client_authentication_wrong_method", "client_secret_post, registered for client_secret_basic"),
    ),
    (
        "a secret of one that signs",
        {"basic": ("signing-agent", SECRET)},
        ("invalid_client", ONE_INVALID_CLIENT),
        ("client_authentication_wrong_method", "client_secret_basic, registered for private_key_jwt"),
    ),
    (
        "a secret of a public client",
        {"basic": ("desktop-app", SECRET)},
        ("invalid_client", ONE_INVALID_CLIENT),
        ("client_authentication_wrong_method", "client_secret_basic, registered for none"),
    ),
    (
        "no secret at all",
        {"basic": None, "client_id": "nightly-report"},
        ("invalid_client", ONE_INVALID_CLIENT),
        ("client_authentication_wrong_method", "none, registered for client_secret_basic"),
    ),
    (
        "no client at all",
        {"basic": None},
        (
            "invalid_client",
            "The request names no client: authenticate as the client is registered, or send client_id.",
        ),
        ("client_authentication_missing", ""),
    ),
    (
        "one client in the header and another in the body",
        {"basic": ("nightly-report", SECRET), "client_id": "posting-agent"},
        ("invalid_client", "The client_id of the body is another one than that of the authentication."),
        ("client_id_mismatch", ""),
    ),
    ("nobody", {"basic": ("nobody", SECRET)}, ("invalid_client", ONE_INVALID_CLIENT), ("client_unknown", "")),
    (
        "a wrong secret",
        {"basic": ("nightly-report", WRONG)},
        ("invalid_client", ONE_INVALID_CLIENT),
        ("client_secret_wrong", ""),
    ),
    (
        "one that waits",
        {"basic": ("pending-agent", SECRET)},
        ("unauthorized_client", "The client waits for an administrator's approval."),
        ("client_not_approved", "pending"),
    ),
    (
        "one that waits, and a wrong secret",
        {"basic": ("pending-agent", WRONG)},
        ("invalid_client", ONE_INVALID_CLIENT),
        ("client_secret_wrong", ""),
    ),
    (
        "one that is suspended",
        {"status": "suspended"},
        ("unauthorized_client", "The client is suspended by an administrator."),
        ("client_not_approved", "suspended"),
    ),
]


@pytest.mark.parametrize(("changes", "answer", "reason"), [row[1:] for row in TOKEN], ids=[row[0] for row in TOKEN])
def test_at_the_token_endpoint(
    gatehouse: World, changes: dict[str, Any], answer: tuple[str, str], reason: tuple[str, str]
) -> None:
    asked = dict(changes)
    report = Client.objects.filter(client_id="nightly-report")
    if "registered" in asked:
        report.update(scope=asked.pop("registered"))
    if "status" in asked:
        report.update(status=asked.pop("status"))
    if asked.pop("without_scopes", False):
        ProtectedResource.objects.get(identifier=NOTES).scopes.all().delete()
    basic = asked.pop("basic", REPORT)
    headers = {"authorization": basic_header(*basic)} if basic else {}
    response = gatehouse.post("token", {"grant_type": "client_credentials"} | asked, **headers)
    body = json.loads(response.content)
    assert (body["error"], body["error_description"]) == answer
    assert response.status_code == (401 if answer[0] == "invalid_client" else 400)
    assert last_refusal("token:access:refused") == reason


AUTHORIZE: list[tuple[str, dict[str, Any], tuple[str, str], tuple[str, str]]] = [
    ("an unknown scope", {"scope": "nope"}, ("invalid_scope", UNKNOWN), ("scope_unknown", "nope")),
    (
        "one that the client is not registered for",
        {"registered": ["mcp:write"]},
        ("invalid_scope", NOT_REGISTERED),
        ("scope_not_registered", "mcp:read"),
    ),
    (
        "nothing, registered for sign-in alone",
        {"registered": ["openid"], "scope": None},
        ("invalid_scope", NOT_REGISTERED),
        ("scope_not_registered", "all"),
    ),
    (
        "a resource that rules do not allow",
        {"resource": PAYROLL, "scope": None},
        ("access_denied", "The organisation's policy does not allow this."),
        ("access_denied_by_policy", "no_rule_allows"),
    ),
    (
        "a long nonce",
        {"nonce": "n" * 600},
        ("invalid_request", "A parameter is malformed: nonce."),
        ("malformed_parameter", "nonce"),
    ),
    (
        "no response type",
        {"response_type": None},
        ("invalid_request", "A required parameter is missing: response_type."),
        ("missing_parameter", "response_type"),
    ),
    (
        "the implicit flow",
        {"response_type": "token"},
        ("unsupported_response_type", "Only the response type code is supported."),
        ("response_type_unsupported", "token"),
    ),
]


@pytest.mark.parametrize(
    ("changes", "answer", "reason"), [row[1:] for row in AUTHORIZE], ids=[row[0] for row in AUTHORIZE]
)
def test_at_the_authorization_endpoint(
    gatehouse: World, changes: dict[str, Any], answer: tuple[str, str], reason: tuple[str, str]
) -> None:
    asked = dict(changes)
    if "registered" in asked:
        Client.objects.filter(client_id="desktop-app").update(scope=asked.pop("registered"))
    found = gatehouse.authorize(**asked)
    assert (found["error"], found["error_description"]) == answer
    assert last_refusal("authorize:request:refused") == reason


def test_a_redirect_uri_that_is_not_registered_is_told_to_the_operator_without_its_query(gatehouse: World) -> None:
    url = gatehouse.authorize_url(redirect_uri="https://app.example.com/other?code=a-secret")
    page = gatehouse.browser.get(url)
    assert page.status_code == 400
    reason = ("redirect_uri_unregistered", "https://app.example.com/other")
    assert last_refusal("authorize:request:refused") == reason


def last_refusal(event: str) -> tuple[str, str]:
    row = AuditEvent.objects.filter(event=event).order_by("id").last()
    assert row is not None
    return row.reason, row.detail.get("detail", "")


# --- What asks for a sign-in, and what for the default resource ------------------------------------------------------

ALL = "mcp:read mcp:write"
SIGN_IN: list[tuple[str, dict[str, Any], str, str]] = [
    # The request, the audience of what comes of it ("" for UserInfo), the scopes that are granted.
    ("offline_access alone", {"scope": "offline_access"}, NOTES, f"{ALL} offline_access"),
    ("as claude.ai writes it", {"scope": " offline_access"}, NOTES, f"{ALL} offline_access"),
    ("twice", {"scope": "offline_access offline_access"}, NOTES, f"{ALL} offline_access"),
    ("nothing", {"scope": None}, NOTES, ALL),
    ("a blank", {"scope": " "}, NOTES, ALL),
    ("profile alone", {"scope": "profile"}, NOTES, f"{ALL} profile"),
    ("email and offline_access", {"scope": "email offline_access"}, NOTES, f"{ALL} email offline_access"),
    ("openid", {"scope": "openid"}, "", "openid"),
    ("openid and offline_access", {"scope": "openid offline_access"}, "", "openid offline_access"),
    ("openid and a resource's", {"scope": "openid mcp:read"}, NOTES, "mcp:read openid"),
    ("openid, and the resource", {"scope": "openid", "resource": NOTES}, NOTES, f"{ALL} openid"),
    ("offline_access, and it", {"scope": "offline_access", "resource": NOTES}, NOTES, f"{ALL} offline_access"),
    ("one of the resource's", {"scope": "mcp:read offline_access"}, NOTES, "mcp:read offline_access"),
]


@pytest.mark.parametrize(("changes", "audience", "granted"), [row[1:] for row in SIGN_IN], ids=[r[0] for r in SIGN_IN])
def test_only_openid_asks_for_a_sign_in_alone(
    gatehouse: World, changes: dict[str, Any], audience: str, granted: str
) -> None:
    tokens = gatehouse.signed_in_tokens(**({"resource": None} | changes))
    assert claims(tokens["access_token"])["aud"] == (audience or conf.endpoint("userinfo"))
    assert tokens["scope"] == granted


def test_without_a_default_resource_it_is_the_resource_that_is_missing(gatehouse: World) -> None:
    ProtectedResource.objects.update(is_default=False)
    found = gatehouse.authorize(scope="offline_access", resource=None)
    assert (found["error"], found["error_description"]) == ("invalid_target", "The request must name one resource.")
