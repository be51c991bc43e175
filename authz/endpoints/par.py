"""The pushed authorization request endpoint (RFC 9126): the client authenticates, and its request is judged, before a
browser comes.
"""

from typing import Any

from django.urls import path

from authz import audit, client_auth, clients, dpop, resources
from authz.conf import conf
from authz.database.transactions import unit_of_work
from authz.endpoints.machine import Answer, Request, form, json_response, machine_endpoint, now
from authz.limits import rate_limits
from authz.models import Client
from authz.protocol import authorization_request
from authz.protocol.dpop_proofs import Asked, Proof
from authz.protocol.errors import OAuthError, Reason, harmless
from authz.protocol.params import Params
from authz.registry import Credentials
from authz.tokens import pushed_requests

# What authenticates the client is no part of its request.
_CREDENTIALS = frozenset({"client_secret", "client_assertion", "client_assertion_type"})


@machine_endpoint("POST", refused=audit.Event.PUSH_REFUSED)
def par(request: Request) -> Answer:
    """Keep the request, and answer with its reference. Raises `OAuthError`."""
    params, moment = form(request), now()
    request.claimed_client_id = params.get("client_id", "")  # type: ignore[union-attr]  # for the audit of a refusal
    # > The authorization server MUST […] Reject the request if the request_uri authorization request parameter is
    # > provided. (RFC 9126 §2.1)
    if "request_uri" in params:
        raise OAuthError(Reason.REQUEST_URI_PUSHED)
    client = _client(request, params, moment)
    proof = dpop.proof_of(request.META, Asked(method="POST", address=conf.endpoint("par"), now=moment))
    pushed = _with_key({name: value for name, value in params.items() if name not in _CREDENTIALS}, proof)
    _judge(pushed | {"client_id": client.client_id}, client)
    with unit_of_work():
        if proof is not None:
            dpop.claim(proof)
        request_uri = pushed_requests.push(client, pushed | {"client_id": client.client_id}, moment)
        audit.record(audit.Event.REQUEST_PUSHED, client_id=client.client_id, detail=_told(pushed))
    rate_limits.served(client.client_id)
    body = {"request_uri": request_uri, "expires_in": int(pushed_requests.LIFETIME.total_seconds())}
    # > the server MUST generate a request URI and provide it in the response with a 201 HTTP status code (§2.2)
    return json_response(body, status=201)


def _client(request: Request, params: Params, moment: float) -> Client:
    # > the authorization server MUST accept its issuer identifier, token endpoint URL, or pushed authorization request
    # > endpoint URL as values that identify it as an intended audience (RFC 9126 §2)
    ours = (conf.endpoint("token"), conf.endpoint("par"))
    credentials = Credentials(request.META.get("HTTP_AUTHORIZATION"), params, moment, audiences=ours)
    client, _ = client_auth.authenticate(credentials)
    # One that waits for its approval gets as far as the page that tells its person so.
    if client.state(moment) != Client.Status.PENDING:
        clients.require_approved(client, moment)
    return client


def _with_key(params: dict[str, str], proof: Proof | None) -> dict[str, str]:
    """> the client can […] use the DPoP header in the PAR request […] the authorization server MUST […] [bind] the
    > authorization code to the public key […]. If both are present, it MUST reject the request if the JWK Thumbprint in
    > dpop_jkt does not match the public key in the DPoP header. (RFC 9449 §10.1)
    """
    if proof is None:
        return params
    if params.get("dpop_jkt", proof.jkt) != proof.jkt:
        raise OAuthError(Reason.DPOP_JKT_MALFORMED, detail="another key than that of the proof")
    return params | {"dpop_jkt": proof.jkt}


def _judge(params: Params, client: Client) -> None:
    """> The authorization server MUST […] Validate the pushed request as it would an authorization request sent to the
    > authorization endpoint. (RFC 9126 §2.1)
    """
    audit.concerns(resource=harmless(params.get("resource", "")))
    redirect_uri = authorization_request.redirect_uri(params, client.redirect_uri_list)
    wanted = authorization_request.read(params, redirect_uri=redirect_uri, grant_types=client.grant_types)
    if not wanted.is_sign_in_only:
        audit.concerns(resource=resources.requested(wanted.resource).identifier)


def _told(pushed: Params) -> dict[str, Any]:
    shown = ("scope", "resource", "dpop_jkt")
    return {name: harmless(pushed[name]) for name in shown if name in pushed}


def metadata() -> dict[str, object]:
    return {
        "pushed_authorization_request_endpoint": conf.endpoint("par"),
        # > Boolean parameter indicating whether the authorization server accepts authorization request data only via
        # > PAR. (RFC 9126 §5)
        "require_pushed_authorization_requests": conf.require_par,
    }


METADATA = metadata
urlpatterns = [path("par", par, name="par")]
