"""The answer to a token request that waits for an approval, and the grant that asks for it again.

    asked for, and can be kept          authorization_pending with a deferral code
    else, where `pending_answer` says   authorization_pending with the access request
    else                                a plain refusal

The first is draft-ietf-oauth-deferred-token-response-01; the second is ours (docs/specifications.md, Deviations).
"""

from dataclasses import replace
from typing import Any

from authz import registry, resources
from authz.approvals import access_requests
from authz.models import AccessRequest, Client, Deferral
from authz.models.pending_answer import PendingAnswer
from authz.protocol import params
from authz.protocol.errors import OAuthError, Reason
from authz.registry import PUBLIC, Grant, TokenRequest
from authz.tokens import deferrals

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:deferred"
TOKEN_TYPE = "urn:ietf:params:oauth:token-type:deferral-code"  # noqa: S105  an identifier, not a secret
METADATA = {
    "deferred_token_response_supported": True,
    "revocation_endpoint_token_type_values_supported": [TOKEN_TYPE],
}


def begin(grant: Grant, request: TokenRequest) -> dict[str, Any]:
    """The grant's answer, or one of the three above if it waits."""
    asks = _asks(request)
    if asks and (known := deferrals.same_request(request)) is not None:
        raise _deferred(known, request.now, access_requests.pending(known.access_request, "asked again", {}))
    try:
        return grant.redeem(request)
    except OAuthError as error:
        if error.reason is not Reason.APPROVAL_PENDING:
            raise
        raise _answer(grant, request, error, asks=asks) from None


def _asks(request: TokenRequest) -> bool:
    """Whether the request may be deferred: its client says so, and can prove to be the same when it asks again.

    > A client that is a public client […] MUST present a DPoP proof on the initial token request that yields a deferred
    > response. (§ Sender-Constraint Requirements)

    Its kept request would have to be bound to that key, too; until it is, a public client's request is not kept.
    """
    return "deferred" in request.params.get("completion_mode", "").split(" ") and request.auth_method != PUBLIC


def _answer(grant: Grant, request: TokenRequest, pending: OAuthError, *, asks: bool) -> OAuthError:
    waits_for = AccessRequest.objects.select_related("user").get(pk=str(pending.parameters["access_request"]))
    single_use = getattr(grant, "single_use", None)
    if asks and single_use is not None:
        return _deferred(deferrals.make(request, waits_for, single_use(request)), request.now, pending)
    if told(request.client, waits_for.resource) == PendingAnswer.ALWAYS:
        return pending
    reason = Reason.CLIENT_WAITS if waits_for.user is None else Reason.SUBJECT_WAITS
    return OAuthError(reason, detail=pending.detail, facts={**pending.facts, "request": str(waits_for.pk)})


def told(client: Client, resource: str) -> str:
    """Who is told that a request waits: what the client's row says, else its resource's, else all approvers."""
    if client.pending_answer:
        return client.pending_answer
    found = next((row for row in resources.cached().values() if row.identifier == resource), None)
    return found.pending_answer if found else PendingAnswer.ALWAYS


def _deferred(deferral: Deferral, now: float, pending: OAuthError) -> OAuthError:
    """> an error response […] with the HTTP status code 400 (Bad Request) and the error code `authorization_pending`,
    > […] `deferral_code`: REQUIRED […] `expires_in`: REQUIRED […] `interval`: REQUIRED (§ Deferred Response)
    """
    parameters: dict[str, str | int] = {
        **pending.parameters,
        "deferral_code": deferrals.open_(deferral).code,
        "expires_in": int(deferral.expires.timestamp() - now),
        "interval": deferrals.INTERVAL,
    }
    return OAuthError(pending.reason, detail=pending.detail, facts=pending.facts, parameters=parameters)


def redeem(request: TokenRequest) -> dict[str, Any]:
    """A poll: the kept request is judged once more, and answered as its own grant answers. Raises `OAuthError`."""
    deferral = deferrals.of_code(params.required(request.params, "deferral_code"), request.client)
    if request.auth_method == PUBLIC:
        raise OAuthError(Reason.DEFERRAL_UNKNOWN, detail="the client has become public")
    deferrals.poll(deferral, request.now)
    kept = deferrals.open_(deferral).params
    try:
        if deferral.access_request.status == AccessRequest.Status.CANCELLED:
            raise OAuthError(Reason.DEFERRAL_DENIED, detail="the access request was withdrawn")
        grant = registry.grant_for(kept["grant_type"], request.client)
        return grant.redeem(replace(request, params=kept, deferral=deferral))
    except OAuthError as error:
        raise _after_poll(deferral, error) from None


def _after_poll(deferral: Deferral, error: OAuthError) -> OAuthError:
    if error.reason is Reason.APPROVAL_PENDING:
        # > such responses reference the established `deferral_code` and do not repeat it (§ Error Responses)
        shown = {name: value for name, value in error.parameters.items() if name != "interval"}
        return OAuthError(error.reason, detail=error.detail, facts=error.facts, parameters=shown)
    # Another poll was faster, or the fault is ours or passes: the request itself is as good as before.
    if error.reason is Reason.DEFERRAL_REDEEMED or error.status in {429, 500, 503}:
        return error
    # > any precondition of the originating grant no longer holds, the authorization server MUST return `access_denied`
    # > (§ Consent Staleness at Resolution)
    because = " ".join(filter(None, (error.reason.value, error.detail)))
    deferrals.end(deferral, deferrals.Outcome.DENIED, because=because)
    return OAuthError(Reason.DEFERRAL_DENIED, detail=because, facts=error.facts)


def cancel(code: str, client: Client) -> None:
    """The client gives a deferred request up (RFC 7009). A code that is not the client's changes nothing."""
    try:
        deferral = deferrals.of_code(code, client)
    except OAuthError:
        return
    deferrals.end(deferral, deferrals.Outcome.CANCELLED, because="revoked by the client")
