"""The transmitter's configuration metadata (SSF 1.0 §7.1), and where access tokens for it come from (RFC 9728)."""

from typing import Any

from authz import dpop, resources
from authz.conf import conf
from authz.database import configuration_cache
from authz.endpoints.machine import Answer, Request, json_response, machine_endpoint
from xaa.models import SignalStream
from xaa.signals.sending.caller import MANAGE, READ, identifier

SCOPES = (MANAGE, READ)


def document() -> dict[str, Any]:
    return {
        "spec_version": "1_0",
        "issuer": conf.issuer,
        "jwks_uri": conf.endpoint("jwks"),
        "delivery_methods_supported": [SignalStream.Method.PUSH.value, SignalStream.Method.POLL.value],
        "configuration_endpoint": conf.endpoint("ssf/streams"),
        "status_endpoint": conf.endpoint("ssf/status"),
        "add_subject_endpoint": conf.endpoint("ssf/subjects/add"),
        "remove_subject_endpoint": conf.endpoint("ssf/subjects/remove"),
        "verification_endpoint": conf.endpoint("ssf/verification"),
        # > "ALL" indicates that any subjects that are appropriate for the stream are added to the stream by default.
        "default_subjects": "ALL",
        # A receiver that passed over one of them would end more than has ended here.
        "critical_subject_members": ["user", "application"],
        "authorization_schemes": [{"spec_urn": "urn:ietf:rfc:6749"}],
    }


@machine_endpoint("GET", "HEAD", name="ssf_metadata")
def configuration(request: Request) -> Answer:
    """Receivers may keep it for five minutes."""
    return json_response(document(), cache="public, max-age=300")


@machine_endpoint("GET", "HEAD", name="ssf_resource_metadata")
def protected_resource(request: Request) -> Answer:
    """RFC 9728's document; 404 while the resource is not registered, since there are no tokens for it then."""
    configuration_cache.begin()
    resource = resources.cached().get(resources.canonical(identifier()))
    if resource is None:
        return json_response({"error": "not_found"}, status=404)
    return json_response(
        {
            "resource": identifier(),
            "resource_name": resource.name,
            "authorization_servers": [conf.issuer],
            "scopes_supported": list(SCOPES),
            "bearer_methods_supported": ["header"],
            **dpop.supported(resource),
        },
        cache="public, max-age=300",
    )


def resource_metadata_path() -> str:
    """> inserting the well-known URI string […] between the host component and the path (RFC 9728 §3.1)"""
    return f".well-known/oauth-protected-resource{conf.issuer_path}/ssf"


def documents_at() -> dict[str, Any]:
    """> inserting the string "/.well-known/ssf-configuration" into the Issuer between the host component and the path
    > component, if any. (SSF 1.0 §7.2)
    """
    return {
        f".well-known/ssf-configuration{conf.issuer_path}": configuration,
        resource_metadata_path(): protected_resource,
    }
