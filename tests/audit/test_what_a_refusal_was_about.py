"""A refusal carries the agent, the person, the MCP server and the wrong value, so that a search for them finds it."""

from collections.abc import Callable
from typing import Any

import pytest

from authz.models import AuditEvent, User
from tests.support.world import LOOPBACK_REDIRECT, NOTES, PAYROLL, SECRET, World, person

UNKNOWN = "https://unknown.example/mcp"
BASIC = ("nightly-report", SECRET)

# The request, the reason, the resource, whose it was, and what the detail holds.
Case = tuple[Callable[[World], Any], str, str, str, str]


def machine(**params: str) -> Callable[[World], Any]:
    return lambda world: world.token(grant_type="client_credentials", basic=BASIC, **params)


def authorize(**params: str) -> Callable[[World], Any]:
    def request(world: World) -> Any:
        world.sign_in("bob")
        return world.browser.get(world.authorize_url(**params))

    return request


def redeem(**params: str) -> Callable[[World], Any]:
    return lambda world: world.redeem(world.authorize()["code"], **params)


def refresh(**params: str) -> Callable[[World], Any]:
    return lambda world: world.refresh(world.signed_in_tokens()["refresh_token"], **params)


CASES: dict[str, Case] = {
    "an unknown server": (machine(resource=UNKNOWN), "resource_unknown", UNKNOWN, "", UNKNOWN),
    "a mistyped server": (machine(resource=f"{NOTES}x"), "resource_unknown", f"{NOTES}x", "", f"{NOTES}x"),
    "no uri": (machine(resource="notes"), "resource_malformed", "notes", "", "notes"),
    "two servers": (
        machine(resource=f"{NOTES} {PAYROLL}"),
        "resource_several",
        f"{NOTES} {PAYROLL}",
        "",
        f"{NOTES} {PAYROLL}",
    ),
    "an unknown scope": (machine(resource=NOTES, scope="mcp:raed"), "scope_unknown", NOTES, "", "mcp:raed"),
    "a malformed scope": (machine(resource=NOTES, scope='a"b'), "scope_malformed", NOTES, "", "a?b"),
    "a scope that no rule allows": (
        machine(resource=NOTES, scope="mcp:write"),
        "scope_denied_by_policy",
        NOTES,
        "",
        "",
    ),
    "a server that no rule allows": (machine(resource=PAYROLL), "denied_by_policy", PAYROLL, "", ""),
    "an unknown server, in a browser": (authorize(resource=UNKNOWN), "resource_unknown", UNKNOWN, "bob", UNKNOWN),
    "an unknown scope, in a browser": (authorize(resource=NOTES, scope="no"), "scope_unknown", NOTES, "bob", "no"),
    "another challenge method": (
        authorize(resource=NOTES, code_challenge_method="plain"),
        "pkce_method_unsupported",
        NOTES,
        "bob",
        "plain",
    ),
    "an address that is not registered": (
        authorize(resource=NOTES, redirect_uri="https://evil.example/callback"),
        "redirect_uri_unregistered",
        NOTES,
        "",  # no session is opened for it
        "https://evil.example/callback",
    ),
    "a server that no rule allows the person": (
        authorize(resource=PAYROLL, scope="payroll:read"),
        "access_denied_by_policy",
        PAYROLL,
        "bob",
        "",
    ),
    "a code with another address": (
        redeem(redirect_uri=LOOPBACK_REDIRECT),
        "code_redirect_uri_mismatch",
        NOTES,
        "bob",
        LOOPBACK_REDIRECT,
    ),
    "a code for another server": (redeem(resource=PAYROLL), "resource_not_granted", NOTES, "bob", PAYROLL),
    "a code with a wrong verifier": (redeem(code_verifier="x" * 43), "code_verifier_wrong", NOTES, "bob", ""),
    "a refresh token for another server": (refresh(resource=PAYROLL), "resource_not_granted", NOTES, "bob", PAYROLL),
    "a refresh token for more": (refresh(scope="mcp:everything"), "scope_not_granted", NOTES, "bob", "mcp:everything"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_refusal_says_what_it_was_about(gatehouse: World, name: str) -> None:
    request, reason, resource, username, value = CASES[name]
    request(gatehouse)
    event = AuditEvent.objects.exclude(reason="").latest("id")
    assert (event.reason, event.resource) == (reason, resource)
    assert event.client_id in {"nightly-report", "desktop-app"}
    assert event.subject == (str(person(username).subject) if username else "")
    assert value in str(event.detail.get("detail", ""))


def test_a_refused_refresh_names_its_authorization(gatehouse: World) -> None:
    tokens = gatehouse.signed_in_tokens()
    issued = AuditEvent.objects.filter(event="token:access:issued").latest("id")
    User.objects.filter(username="bob").update(is_active=False)
    gatehouse.refresh(tokens["refresh_token"])
    refused = AuditEvent.objects.exclude(reason="").latest("id")
    assert (refused.authorization, refused.subject) == (issued.authorization, issued.subject)


def test_values_from_clients_are_truncated_and_made_harmless(gatehouse: World) -> None:
    gatehouse.token(grant_type="client_credentials", basic=BASIC, resource="https://a.example/\u202e" + "x" * 5000)
    event = AuditEvent.objects.exclude(reason="").latest("id")
    assert len(event.resource) <= 120
    assert event.resource.isascii()


def test_one_request_leaves_nothing_to_the_next(gatehouse: World) -> None:
    refresh(resource=PAYROLL)(gatehouse)
    gatehouse.token(grant_type="client_credentials", basic=("nightly-report", "wrong"))
    event = AuditEvent.objects.exclude(reason="").latest("id")
    assert (event.subject, event.resource, event.authorization) == ("", "", "")
