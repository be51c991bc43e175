"""The metadata that a registration sends, judged as a document is (RFC 7591 §2; attack 29)."""

from dataclasses import replace
from typing import Any

from authz import registry
from authz.models import Scope
from authz.protocol import client_metadata, strict_json
from authz.protocol.client_metadata import ClientMetadata, Terms
from authz.protocol.errors import OAuthError
from authz.protocol.jwts import ALGORITHMS
from authz.protocol.scope_names import IDENTITY_SCOPES
from cimd import policy
from cimd.reasons import Reason

MAX_BODY = 16 * 1024


def members(body: bytes) -> dict[str, Any]:
    """The JSON object of a registration request. Raises `OAuthError`."""
    if len(body) > MAX_BODY:
        raise OAuthError(Reason.REGISTRATION_METADATA, detail="size")
    try:
        return strict_json.read_object(body)
    except strict_json.StrictJsonError as error:
        raise OAuthError(Reason.REGISTRATION_METADATA, detail=error.problem.value) from None


def judged(body: bytes) -> ClientMetadata:
    """The metadata that is kept. Raises `OAuthError`."""
    sent = members(body)
    judgement = client_metadata.validate(sent, _terms())
    if judgement.metadata is None:
        worst = judgement.refusals[0]
        reason = Reason.REGISTRATION_REDIRECT_URI if worst.name == "redirect_uris" else Reason.REGISTRATION_METADATA
        told: dict[str, str | int] = {"error_description": f"{worst.name}: {worst.explanation}"}
        raise OAuthError(reason, detail=worst.name, parameters=told)
    return _without_privileges(judgement.metadata)


def _terms() -> Terms:
    methods = registry.client_auth_methods()
    offered = ("private_key_jwt", "client_secret_basic", "client_secret_post", "none")
    return Terms(
        # A registration is for people's programs: machine grants are for clients that were approved.
        grant_types=frozenset(registry.grants()) & client_metadata.PUBLIC_GRANT_TYPES,
        auth_methods=tuple(method for method in offered if method in methods),
        signing_algorithms=ALGORITHMS,
        # > If unspecified or omitted, the default is "client_secret_basic" (RFC 7591 §2)
        default_auth_method="client_secret_basic",
        required=frozenset({"redirect_uris"}),
        custom_schemes=policy.cached().redirect_schemes,
    )


def _without_privileges(wanted: ClientMetadata) -> ClientMetadata:
    ordinary = Scope.objects.exclude(sensitivity=Scope.Sensitivity.HIGH).values_list("name", flat=True)
    offered = [*dict.fromkeys(ordinary), *IDENTITY_SCOPES]
    asked = offered if wanted.scope is None else [scope for scope in wanted.scope if scope in offered]
    return replace(wanted, scope=tuple(asked))
