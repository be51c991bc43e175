"""The metadata of the policy decision point (Authorization API 1.0, Policy Decision Point Metadata)."""

from django.urls import URLPattern, path

from authz import registry
from authz.conf import conf
from authz.endpoints.client_authentication import auth_methods
from authz.endpoints.decision_point import denial_binding, ext_authz
from authz.endpoints.machine import Answer, Request, json_response, machine_endpoint

ENDPOINTS = {
    "access_evaluation_endpoint": "access/v1/evaluation",
    "access_evaluations_endpoint": "access/v1/evaluations",
    "search_subject_endpoint": "access/v1/search/subject",
    "search_resource_endpoint": "access/v1/search/resource",
    "search_action_endpoint": "access/v1/search/action",
}


def document() -> dict[str, object]:
    confidential = [name for name in registry.client_auth_methods() if name != registry.PUBLIC]
    return {
        # > The policy_decision_point value returned MUST be identical to the Policy Decision Point identifier value
        # > into which the well-known URI string was inserted
        "policy_decision_point": conf.issuer,
        **{name: conf.endpoint(address) for name, address in ENDPOINTS.items()},
        "access_request_endpoint": denial_binding.endpoint(),
        "capabilities": ["urn:openid:authzen:capability:access-request"],
        # Ours: where servers that decide by themselves report, and how callers authenticate.
        "access_events_endpoint": conf.endpoint("access/v1/events"),
        # Ours: for gateways that check requests, with their client's secret in a header of their own.
        "ext_authz_endpoint": conf.endpoint(ext_authz.EXT_AUTHZ),
        "auth_request_endpoint": conf.endpoint(ext_authz.AUTH_REQUEST),
        **auth_methods("access_evaluation_endpoint", confidential),
    }


@machine_endpoint("GET", "HEAD", name="authzen_metadata")
def authzen_metadata(request: Request) -> Answer:
    """Callers may keep it for five minutes."""
    return json_response(document(), cache="public, max-age=300")


def address() -> str:
    """> formed by inserting a well-known URI string between the host component and the path"""
    return f".well-known/authzen-configuration{conf.issuer_path}"


def well_known() -> list[URLPattern]:
    return [path(address(), authzen_metadata)]
