"""The MCP server's protected resource metadata (RFC 9728), which tells a client where to get a token."""

from authz import dpop
from authz.conf import conf
from authz.configuration.mcp_resource import identifier
from authz.database import configuration_cache
from authz.endpoints.machine import Answer, Request, json_response, machine_endpoint
from authz.mcp_server.caller import registered
from authz.resources import scopes_of


@machine_endpoint("GET", "HEAD", name="mcp_metadata")
def protected_resource(request: Request) -> Answer:
    """RFC 9728's document; 404 while it is switched off, or not registered."""
    configuration_cache.begin()
    resource = registered() if conf.mcp else None
    if resource is None:
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
        },
        cache="public, max-age=300",
    )
