"""A question as the audit keeps it, so that the decision on it can be replayed: what the columns of an event don't say.

Nothing that is at its default is written, since it is written with every token.
"""

from collections.abc import Container, Mapping
from typing import Any

from authz.policy.question import AccessQuestion, ClientKind, ClientStatus


def facts_of(question: AccessQuestion, groups: Container[str]) -> dict[str, object]:
    """The facts of a question. Of the person's groups those in `groups`: the ones that rules name. A directory may
    put a person into hundreds, and no decision depends on the others.
    """
    facts: dict[str, object] = {
        "user": question.subject,
        "groups": [name for name in question.groups if name in groups],
        "kind": "" if question.client_kind == ClientKind.REGISTERED else question.client_kind.value,
        "host": question.client_host,
        "tags": list(question.client_tags),
        "owner": question.client_owner,
        "environment": question.client_environment,
        "grant_type": question.grant_type,
        "refresh": question.refresh,
        "scopes": [list(scope) for scope in question.scopes],
        "acr": question.acr,
        "amr": list(question.amr),
        "auth_time": question.auth_time,
    }
    return {name: value for name, value in facts.items() if value}


def question_from(facts: Mapping[str, Any], *, client_id: str, resource: str, address: str) -> AccessQuestion:
    """The question that `facts_of` wrote. The client was approved then: others are refused before the rules."""
    return AccessQuestion(
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
