"""Asking for access beforehand: the question that an agent would put, decided by the same function."""

from collections.abc import Sequence

from authz import decisions
from authz.approvals import rule_requests
from authz.models import AccessRequest, Client, ProtectedResource, User
from authz.policy import Decision, Outcome
from authz.sign_in.sign_in import signed_in_now

PERSON_GRANT, MACHINE_GRANT = "authorization_code", "client_credentials"


def ask_for(
    client: Client,
    resource: ProtectedResource,
    scopes: Sequence[str],
    *,
    person: User | None,
    for_rule: bool,
    now: float,
) -> tuple[Decision, AccessRequest | None]:
    """The decision on an agent's question, for a person or (None) for itself, and the request for what waits in it.

    for_rule  what no rule allows is asked of those who answer for the MCP server.

    Raises OAuthError where too much is asked, or it was rejected lately.
    """
    question = decisions.access_question(
        client=client,
        sign_in=signed_in_now(person, now),
        grant_type=PERSON_GRANT if person else MACHINE_GRANT,
        resource=resource,
        scopes=scopes,
    )
    decision = decisions.evaluate(question, now)
    if for_rule and rule_requests.is_askable(question, decision):
        return decision, decisions.open_rule_request(question, decision)
    if decision.effect is not Outcome.PENDING:
        return decision, None
    return decision, decisions.open_request(question, decision)
