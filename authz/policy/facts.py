"""An ask as the audit keeps it, so that the decision on it can be replayed: what the columns of an event don't say.

Nothing that is at its default is written, since it is written with every token.
"""

from collections.abc import Container, Mapping
from typing import Any

from authz.policy.ask import Ask, ClientKind, ClientStatus


def facts_of(ask: Ask, groups: Container[str]) -> dict[str, object]:
    """The facts of an ask. Of the person's groups those in `groups`: the ones that rules name, since a directory may
    put somebody into hundreds and no decision could depend on the others.
    """
    facts: dict[str, object] = {
        "user": ask.subject,
        "groups": [name for name in ask.groups if name in groups],
        "kind": "" if ask.client_kind == ClientKind.REGISTERED else ask.client_kind.value,
        "host": ask.client_host,
        "tags": list(ask.client_tags),
        "owner": ask.client_owner,
        "environment": ask.client_environment,
        "grant_type": ask.grant_type,
        "refresh": ask.refresh,
        "scopes": [list(scope) for scope in ask.scopes],
        "acr": ask.acr,
        "amr": list(ask.amr),
        "auth_time": ask.auth_time,
    }
    return {name: value for name, value in facts.items() if value}


def ask_from(facts: Mapping[str, Any], *, client_id: str, resource: str, address: str) -> Ask:
    """The ask that `facts_of` wrote. The client was approved then: others are refused before any rule is asked."""
    return Ask(
        client_id=client_id,
        client_status=ClientStatus.APPROVED,
        client_kind=ClientKind(facts.get("kind", ClientKind.REGISTERED)),
        client_host=facts.get("host", ""),
        client_tags=tuple(facts.get("tags", ())),
        client_owner=facts.get("owner", ""),
        client_environment=facts.get("environment", ""),
        subject=facts.get("user"),
        groups=tuple(facts.get("groups", ())),
        grant_type=facts["grant_type"],
        refresh=facts.get("refresh", False),
        resource=resource,
        scopes=tuple((name, sensitivity) for name, sensitivity in facts.get("scopes", ())),
        acr=facts.get("acr"),
        amr=tuple(facts.get("amr", ())),
        auth_time=facts.get("auth_time"),
        address=address or None,
    )
