"""The API's protected resource metadata (RFC 9728), which tells a program where to get a token."""

from authz import dpop
from authz.api.framework.authentication import registered
from authz.conf import conf
from authz.configuration.api_resource import identifier
from authz.database import configuration_cache
from authz.endpoints.machine import Answer, Request, json_response, machine_endpoint
from authz.resources import scopes_of


@machine_endpoint("GET", "HEAD")
def protected_resource(request: Request) -> Answer:
    """RFC 9728's document; 404 while the API is not registered."""
    configuration_cache.begin()
    resource = registered()
    if resource is None:
        # There are no tokens for a resource that is not registered, so there is no metadata either.
        return json_response({"error": "not_found"}, status=404)
    return json_response(
        {
            # > the "resource" value returned MUST be identical to the protected resource's resource identifier
            # > value (RFC 9728 §3.3)
            "resource": identifier(),
            "resource_name": resource.name,
            "authorization_servers": [conf.issuer],
            "scopes_supported": list(scopes_of(resource)),
            "bearer_methods_supported": ["header"],
            **dpop.supported(resource),
            "resource_documentation": f"{conf.origin}/api/v1/reference",
        },
        cache="public, max-age=300",
    )
