"""Who a call is for: what a token stands for now, or what a gateway says that the token's claims are.

A token of an MCP server that the caller may not ask about gets the same answer as no token at all.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from authz import resources, tokens
from authz.dpop import bound_key
from authz.endpoints.decision_point.caller import Caller
from authz.models import Authorization, ProtectedResource
from authz.protocol import jwts
from authz.protocol.authzen import Entity, Evaluation
from authz.tokens.live import LiveToken, before_rules

# The subject is the access token itself; or a person or agent, as the token's claims say.
TOKEN_SUBJECT = "token"  # noqa: S105  the name of the type
TOKEN = frozenset({TOKEN_SUBJECT, "access_token"})
IDENTITY, USER = "identity", "user"
SERVER = "mcp_server"
# The member of the context that says which key was shown beside the token: {"jkt": …}.
SHOWN = "dpop"


def holder_of(asked: Evaluation, caller: Caller) -> tuple[LiveToken, ProtectedResource] | None:
    """Who makes the call, and at which MCP server; None where the caller may learn nothing, or nothing is live. Whether
    the rules still allow it is not asked yet.
    """
    if asked.subject.type in TOKEN:
        return _by_token(asked, caller)
    if asked.subject.type in (IDENTITY, USER):
        return _by_claims(asked, caller)
    return None


def _by_token(asked: Evaluation, caller: Caller) -> tuple[LiveToken, ProtectedResource] | None:
    try:
        claims = tokens.read(asked.subject.id, now=caller.now)
    except jwts.JwtError:
        return None
    # Attack: a stolen token that is bound to a key, at a server that takes it for a bearer's (RFC 9449 §7.2). The
    # caller has the request, so it checks the proof, and says whose it was.
    shown = asked.context.get(SHOWN)
    if (jkt := bound_key(claims)) and (not isinstance(shown, dict) or shown.get("jkt") != jkt):
        return None
    # Attack: the server of a token for one MCP server asks about a token for another one (confused deputy).
    server = caller.server(claims["aud"])
    found = before_rules(claims, server, caller.now) if server else None
    return (found, server) if found and server else None


def _by_claims(asked: Evaluation, caller: Caller) -> tuple[LiveToken, ProtectedResource] | None:
    """What the claims stand for. They add nothing: there has to be an authorization, and it bounds the scopes."""
    server = server_named(asked, caller)
    # Attack: any caller could name any person.
    if server is None or caller.client.pk not in resources.claims_clients_of(server):
        return None
    authorization = _authorization(asked.subject, asked.context, server)
    if authorization is None:
        return None
    said = asked.subject.properties.get("scope")
    held = [name for name in authorization.scopes if not isinstance(said, str) or name in said.split()]
    issued = asked.subject.properties.get("iat")
    claims = {
        "authorization": str(authorization.pk),
        "client_id": authorization.client.client_id,
        "scope": " ".join(held),
        "cnf": asked.subject.properties.get("cnf"),
        "iat": issued if isinstance(issued, int) and 0 < issued <= caller.now else authorization.created.timestamp(),
    }
    found = before_rules(claims, server, caller.now)
    return (found, server) if found else None


def server_named(asked: Evaluation, caller: Caller) -> ProtectedResource | None:
    """The MCP server of a question without a token: the one that it names, or the caller's only one."""
    named = asked.resource.properties.get("server", asked.subject.properties.get("aud"))
    if named is None and asked.resource.type == SERVER:
        named = asked.resource.id
    return caller.only_server if named is None else caller.server(named)


def _authorization(subject: Entity, context: Mapping[str, Any], server: ProtectedResource) -> Authorization | None:
    """The newest live authorization of this subject there. Where the agent isn't said, there may be only one."""
    rows = _of_subject(subject, server)
    agent, named = context.get("agent"), subject.properties.get("authorization")
    if isinstance(agent, str):
        rows = rows.filter(client__client_id=agent)
    if isinstance(named, str):
        rows = rows.filter(pk=_uuid(named) or UUID(int=0))
    newest = list(rows.order_by("-created")[:20])
    if len({row.client_id for row in newest}) != 1:
        return None
    return newest[0]


def _of_subject(subject: Entity, server: ProtectedResource) -> QuerySet[Authorization]:
    rows = Authorization.objects.filter(resource=server, revoked=None).select_related("client")
    if subject.type == USER:
        return rows.filter(user__username=subject.id)
    by_sub = Q(user__subject=_uuid(subject.id)) if _uuid(subject.id) else Q(pk=None)
    return rows.filter(by_sub | Q(user=None, client__client_id=subject.id))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
