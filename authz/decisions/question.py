"""The access question of a request, made from rows (authz/policy/question.py)."""

from collections.abc import Sequence

from authz.models import Client, ProtectedResource
from authz.policy import AccessQuestion, Actor, ClientKind, ClientStatus, ToolCall
from authz.resources import cached_facts_of, scopes_of
from authz.sign_in.sign_in import SignIn

# In the lineage of a code and of what it leads to: when the authorization request arrived.
ARRIVED = "arrived"


def access_question(
    *,
    client: Client,
    sign_in: SignIn | None,
    grant_type: str,
    resource: ProtectedResource | None,
    scopes: Sequence[str],
    refresh: bool = False,
    address: str = "",
    tool: ToolCall | None = None,
    through: tuple[Actor, ...] = (),
) -> AccessQuestion:
    """The question: may this client reach this resource with these scopes?

    sign_in  that of the person that the client acts for; None where it acts for itself.
    address  the IP address that the request came from; "" where it doesn't matter.
    through  the clients that it came through, the first one first.
    tool     the call that is decided, with the scopes of the token; None for a token.
    """
    known = scopes_of(resource) if resource else {}
    return AccessQuestion(
        client_id=client.client_id,
        client_status=ClientStatus(client.status),
        client_kind=ClientKind(client.kind),
        client_host=client.host,
        client_tags=tuple(client.tags),
        client_owner=client.owner.username if client.owner else "",
        client_environment=client.environment,
        client_until=client.approved_until.timestamp() if client.approved_until else None,
        through=through,
        subject=sign_in.user.username if sign_in else None,
        groups=sign_in.groups if sign_in else (),
        grant_type=grant_type,
        refresh=refresh,
        resource=resource.identifier if resource else "",
        scopes=tuple((name, known[name].sensitivity if name in known else "") for name in scopes),
        acr=(sign_in.acr or None) if sign_in else None,
        amr=sign_in.amr if sign_in else (),
        auth_time=sign_in.auth_time if sign_in else None,
        address=address or None,
        tool=tool,
        **(cached_facts_of(resource) if resource else {}),
    )


def actor(client: Client) -> Actor:
    """A client as one that acted before."""
    return Actor(
        client_id=client.client_id,
        kind=ClientKind(client.kind),
        host=client.host,
        tags=tuple(client.tags),
        owner=client.owner.username if client.owner else "",
        environment=client.environment,
    )


def as_old_as(auth_time: float, *, then: float, now: float) -> float:
    """The `auth_time` of a sign-in that is now as old as it was `then`; 0 seconds old where it came later.

    The time conditions of an authorization request are checked as of its arrival, all else as of now.
    """
    return min(now, auth_time + max(0.0, now - int(then)))
