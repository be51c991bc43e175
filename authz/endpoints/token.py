"""The token endpoint (RFC 6749 §3.2): HTTP in, HTTP out."""

from collections.abc import Sequence
from typing import Any

from django.urls import path

from authz import audit, client_auth, dpop, registry
from authz.conf import conf
from authz.database.raw_sql import Statement
from authz.endpoints.client_authentication import auth_methods
from authz.endpoints.machine import Answer, Request, form, json_response, machine_endpoint, now
from authz.grants import deferred
from authz.limits import rate_limits
from authz.limits.addresses import client_address
from authz.protocol.dpop_proofs import ALGORITHMS, Asked
from authz.protocol.errors import OAuthError, harmless
from authz.protocol.params import Params, required
from authz.registry import Credentials, TokenRequest
from authz.telemetry import metrics


def _ahead(request: Request) -> Sequence[Statement]:
    params = form(request)
    reads = getattr(registry.grants().get(params.get("grant_type", "")), "ahead", None)
    return reads(params) if reads is not None else ()


@machine_endpoint("POST", refused=audit.Event.TOKEN_REFUSED, reads=_ahead)
def token(request: Request) -> Answer:
    """Authenticate the client, find its grant, redeem."""
    params = form(request)
    request.claimed_client_id = params.get("client_id", "")  # type: ignore[union-attr]  # for the audit of a refusal
    # The wrong value itself, where it is wrong.
    audit.concerns(resource=harmless(params.get("resource", "")))
    grant_type = required(params, "grant_type")
    counted = grant_type if grant_type in {*registry.grants(), deferred.GRANT_TYPE} else "other"
    try:
        body = _redeemed(request, params, grant_type)
    except OAuthError as error:
        metrics.TOKENS.add(counted, error.code)
        raise
    metrics.TOKENS.add(counted, "issued")
    return json_response(body)


def _redeemed(request: Request, params: Params, grant_type: str) -> dict[str, Any]:
    credentials = Credentials(request.META.get("HTTP_AUTHORIZATION"), params, now(), grant_type)
    client, method = client_auth.authenticate_approved(credentials)
    request.claimed_client_id = client.client_id  # type: ignore[union-attr]
    asked = TokenRequest(
        client=client,
        auth_method=method,
        params=params,
        now=credentials.now,
        address=client_address(request.META),
        # > the value of the htu […] without query and fragment parts: that of the token endpoint (RFC 9449 §5)
        proof=dpop.proof_of(request.META, Asked(method="POST", address=conf.endpoint("token"), now=credentials.now)),
    )
    # Every client whose request was deferred may poll: none is registered for that.
    if grant_type == deferred.GRANT_TYPE:
        body = deferred.redeem(asked)
    else:
        body = deferred.begin(registry.grant_for(grant_type, client), asked)
    rate_limits.served(client.client_id)
    return body


def metadata() -> dict[str, object]:
    return {
        "token_endpoint": conf.endpoint("token"),
        "grant_types_supported": [*registry.grants(), deferred.GRANT_TYPE],
        # > dpop_signing_alg_values_supported: A JSON array containing a list of the JWS alg values […] supported by the
        # > authorization server for DPoP proof JWTs. (RFC 9449 §5.1)
        "dpop_signing_alg_values_supported": list(ALGORITHMS),
        **deferred.METADATA,
        **auth_methods("token_endpoint", list(registry.client_auth_methods())),
    }


METADATA = metadata
urlpatterns = [path("token", token, name="token")]
