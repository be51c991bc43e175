"""Asking for access beforehand: the question that an agent would put, decided by the same function."""

from collections.abc import Sequence

from authz import decisions
from authz.models import AccessRequest, Client, ProtectedResource, User
from authz.policy import Decision, Outcome
from authz.sign_in.sign_in import signed_in_now

PERSON_GRANT, MACHINE_GRANT = "authorization_code", "client_credentials"


def ask_for(
    client: Client, resource: ProtectedResource, scopes: Sequence[str], *, person: User | None, now: float
) -> tuple[Decision, AccessRequest | None]:
    """The decision on an agent's question, for a person or (None) for itself, and the request for what waits in it."""
    question = decisions.access_question(
        client=client,
        sign_in=signed_in_now(person, now),
        grant_type=PERSON_GRANT if person else MACHINE_GRANT,
        resource=resource,
        scopes=scopes,
    )
    decision = decisions.evaluate(question, now)
    if decision.effect is not Outcome.PENDING:
        return decision, None
    return decision, decisions.open_request(question, decision)
