"""Client authentication (RFC 6749 §2.3): exactly one mechanism, and the registered one."""

from authz import audit, clients, registry
from authz.client_auth import client_secret_basic
from authz.limits import rate_limits
from authz.models import Client
from authz.protocol.errors import OAuthError, Reason
from authz.registry import ClientAuthMethod, Credentials

# Where the methods by secret have it.
_WHERE = {
    "client_secret_basic": "in an HTTP Basic Authorization header",
    "client_secret_post": "as client_secret in the body",
}

_NOT_APPROVED = {
    Client.Status.PENDING.value: "The client waits for an administrator's approval.",
    Client.Status.SUSPENDED.value: "The client is suspended by an administrator.",
    "approval ended": "The client's approval has ended; an administrator can renew it.",
}


def authenticate(credentials: Credentials) -> tuple[Client, str]:
    """The client of a request and the method that proved it. Raises `OAuthError`."""
    method = _method(credentials)
    claimed = method.client_id(credentials)
    in_body = credentials.params.get("client_id")
    if in_body is not None and in_body != claimed:
        raise OAuthError(Reason.CLIENT_ID_MISMATCH)
    rate_limits.admit(claimed)
    client = clients.find(claimed)
    # The registered method, not whichever the request happens to bring: a confidential client whose id is known must
    # not be impersonated as a public one.
    try:
        if client.token_endpoint_auth_method != method.METHOD:
            raise _by_another_method(credentials, client, method)
        method.authenticate(credentials, client)
    except OAuthError as error:
        error.client_id = client.client_id
        raise
    if client.is_confidential:
        audit.proven(client.client_id)
    rate_limits.proven(client.client_id, is_confidential=client.is_confidential)
    return client, method.METHOD


def _by_another_method(credentials: Credentials, client: Client, used: ClientAuthMethod) -> OAuthError:
    """A refusal all the same; but the holder of the right secret is told where to put it."""
    registered = client.token_endpoint_auth_method
    told = ""
    if used.METHOD in _WHERE and registered in _WHERE and _proves(credentials, client, used):
        told = f"The client is registered for {registered}: send its secret {_WHERE[registered]}."
    detail = f"{used.METHOD}, registered for {registered}{'; the secret is right' if told else ''}"
    return OAuthError(Reason.CLIENT_AUTHENTICATION_WRONG_METHOD, detail=detail, told=told)


def _proves(credentials: Credentials, client: Client, used: ClientAuthMethod) -> bool:
    try:
        used.authenticate(credentials, client)
    except OAuthError:
        return False
    return True


def _method(credentials: Credentials) -> ClientAuthMethod:
    """The one mechanism that a request uses. Raises `OAuthError`."""
    methods = registry.client_auth_methods()
    used = [method for name, method in methods.items() if name != registry.PUBLIC and method.is_used(credentials)]
    # An Authorization header is a mechanism, also where no method reads it: it must not count as no authentication.
    header = credentials.authorization
    unread = header is not None and not any(getattr(method, "IN_HEADER", False) for method in used)
    # > The client MUST NOT use more than one authentication method in each request. (RFC 6749 §2.3)
    # No credentials of one header hold a comma: the server writes several headers as one, with a comma between them.
    if len(used) + unread > 1 or (header is not None and "," in header):
        raise OAuthError(Reason.CLIENT_AUTHENTICATION_MIXED)
    method = used[0] if used else methods.get(registry.PUBLIC)
    if method is client_secret_basic and client_secret_basic.names_public_client(credentials):
        method = methods.get(registry.PUBLIC)
    if method is None or unread:
        raise OAuthError(Reason.CLIENT_AUTHENTICATION_MALFORMED)
    return method


def authenticate_approved(credentials: Credentials) -> tuple[Client, str]:
    """As `authenticate`, and the client may act at all."""
    client, method = authenticate(credentials)
    try:
        clients.require_approved(client, credentials.now)
    except OAuthError as error:
        # A public client's id proves nothing.
        error.told = _NOT_APPROVED.get(error.detail, "") if client.is_confidential else ""
        raise
    return client, method
