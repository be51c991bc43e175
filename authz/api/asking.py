"""Asking for access beforehand: the ask that the agent would make, judged by the same function."""

from collections.abc import Mapping
from typing import Any

from django.http import Http404

from authz import decisions, resources
from authz.api.principal import Principal
from authz.api.problems import Problem, invalid
from authz.console.roles import visible
from authz.models import AccessRequest, Client, ProtectedResource
from authz.policy import Outcome
from authz.protocol.errors import OAuthError

PERSON_GRANT, MACHINE_GRANT = "authorization_code", "client_credentials"


def ask_for_access(
    principal: Principal, given: Mapping[str, Any], now: float
) -> tuple[dict[str, Any], AccessRequest | None]:
    """The decision on an agent's ask for oneself (`for: "me"`) or for itself (`for: "agent"`), and what waits of it."""
    person = principal.person
    if person is None:
        raise Problem(403, "An agent asks at the token endpoint. Here, people ask.")
    resource = _resource(given.get("resource"))
    for_me = given.get("for", "me")
    if for_me not in {"me", "agent"}:
        raise invalid("for", "is “me” or “agent”")
    agents = Client.objects.select_related("owner").filter(client_id=str(given.get("client_id", "")))
    # For itself it asks only through its owner; for me, anybody's agent may.
    client = (agents.filter(owner=person) if for_me == "agent" else visible(person, agents)).first()
    if client is None:
        raise Http404
    question = decisions.ask(
        client=client,
        user=person if for_me == "me" else None,
        grant_type=PERSON_GRANT if for_me == "me" else MACHINE_GRANT,
        resource=resource,
        scopes=_scopes(given.get("scopes"), resource),
        # As if I had just signed in.
        auth_time=now if for_me == "me" else None,
    )
    decision = decisions.judge(question, now)
    row = decisions.open_request(question, decision) if decision.effect is Outcome.PENDING else None
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
