"""`client_credentials`: an agent acts for itself (RFC 6749 §4.4; MCP oauth-client-credentials, SEP-1046)."""

from typing import Any

from authz import audit, decisions, resources, tokens
from authz.authorizations import machine
from authz.authorizations.machine import MachineGrant
from authz.protocol import scopes
from authz.protocol.errors import OAuthError, Reason
from authz.registry import PUBLIC, TokenRequest
from authz.tokens import deferrals

GRANT_TYPE = "client_credentials"


def redeem(request: TokenRequest) -> dict[str, Any]:
    """A token for the client itself, and no refresh token: it can ask again (RFC 6749 §4.4.3). Raises `OAuthError`."""
    client = request.client
    # > The client credentials grant type MUST only be used by confidential clients. (RFC 6749 §4.4)
    if request.auth_method == PUBLIC:
        raise OAuthError(Reason.CLIENT_AUTHENTICATION_WRONG_METHOD, detail=PUBLIC)
    resource = resources.requested(request.params.get("resource"))
    audit.concerns(resource=resource.identifier)
    asked = scopes.for_client(scopes.parse(request.params.get("scope")), client.scope, resources.scopes_of(resource))
    question = decisions.access_question(
        client=client, sign_in=None, grant_type=GRANT_TYPE, resource=resource, scopes=asked, address=request.address
    )
    decision = decisions.require(question, request.now)
    grant = MachineGrant(client, resource, GRANT_TYPE, decision.scopes)
    token = tokens.mint(
        request,
        grant_type=GRANT_TYPE,
        authorization=machine.find_or_make(grant),
        sign_in=None,
        resource=resource,
        decision=decision,
    )
    if request.deferral is None:
        tokens.issue_alone(token)
    else:
        with tokens.issuing(token):
            deferrals.redeem(request.deferral)
    return token.response()


def single_use(request: TokenRequest) -> None:
    """A request uses nothing up."""
