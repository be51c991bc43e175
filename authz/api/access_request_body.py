"""Reads an access request from the body, and lets the policy decide (authz/decisions/preflight.py)."""

from collections.abc import Mapping
from typing import Any

from django.http import Http404

from authz import resources
from authz.api.framework.principal import Principal
from authz.api.framework.problems import Problem, invalid
from authz.decisions import preflight
from authz.models import AccessRequest, Client, ProtectedResource
from authz.protocol.errors import OAuthError
from authz.sign_in.roles import visible


def ask_for_access(
    principal: Principal, given: Mapping[str, Any], now: float
) -> tuple[dict[str, Any], AccessRequest | None]:
    """The decision for the caller (`for: "me"`) or for the agent itself (`for: "agent"`), and the access request, if
    any. Raises `Problem`.
    """
    person = principal.person
    if person is None:
        raise Problem(403, "An agent asks at the token endpoint. Here, people ask.")
    resource = _resource(given.get("resource"))
    for_me = given.get("for", "me")
    if for_me not in {"me", "agent"}:
        raise invalid("for", "is “me” or “agent”")
    agents = Client.objects.select_related("owner").filter(client_id=str(given.get("client_id", "")))
    # Only its owner may ask for the agent itself; for themselves people may use any agent.
    client = (agents.filter(owner=person) if for_me == "agent" else visible(person, agents)).first()
    if client is None:
        raise Http404
    me = person if for_me == "me" else None
    for_rule = given.get("for_rule", False)
    if not isinstance(for_rule, bool):
        raise invalid("for_rule", "is true or false")
    try:
        decision, row = preflight.ask_for(
            client, resource, _scopes(given.get("scopes"), resource), person=me, for_rule=for_rule, now=now
        )
    except OAuthError as refusal:
        raise Problem(429 if refusal.status == 429 else 409, refusal.detail or refusal.sentence) from None
    answer = {
        "effect": decision.effect.value,
        "reason": decision.reason.value,
        "scopes": list(decision.scopes),
        "waiting": list(decision.waiting),
        "rules": list(decision.rules),
    }
    return answer, row


def _resource(uri: object) -> ProtectedResource:
    try:
        return resources.requested(uri if isinstance(uri, str) and uri else "")
    except OAuthError:
        raise invalid("resource", "is not an MCP server of this organisation") from None


def _scopes(value: object, resource: ProtectedResource) -> list[str]:
    known = resources.scopes_of(resource)
    if value is None:
        return list(known)
    if not isinstance(value, list) or not value or not all(isinstance(name, str) and name in known for name in value):
        raise invalid("scopes", f"is a list of {', '.join(known)}")
    return list(dict.fromkeys(value))
