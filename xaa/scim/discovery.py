"""What the server says of itself: ServiceProviderConfig, ResourceTypes and Schemas (RFC 7644 §4)."""

from typing import Any

from authz.conf import conf
from xaa.scim.problems import not_found
from xaa.scim.schemas import EXTERNAL_ID, KINDS, Attribute, Kind

MAXIMUM_RESULTS = 200
MAXIMUM_BULK = 200
MAXIMUM_BODY = 1024 * 1024
_CORE = "urn:ietf:params:scim:schemas:core:2.0"


def service_provider_config() -> dict[str, Any]:
    return {
        "schemas": [f"{_CORE}:ServiceProviderConfig"],
        "documentationUri": "https://www.rfc-editor.org/rfc/rfc7644",
        "patch": {"supported": True},
        "bulk": {"supported": True, "maxOperations": MAXIMUM_BULK, "maxPayloadSize": MAXIMUM_BODY},
        "filter": {"supported": True, "maxResults": MAXIMUM_RESULTS},
        "changePassword": {"supported": False},
        "sort": {"supported": True},
        "etag": {"supported": True},
        "authenticationSchemes": [
            {
                "type": "oauthbearertoken",
                "name": "Bearer token",
                "description": "A SCIM token of the directory, or an access token with scim:read or scim:write.",
                "specUri": "https://www.rfc-editor.org/rfc/rfc6750",
                "primary": True,
            }
        ],
        "meta": {"resourceType": "ServiceProviderConfig", "location": conf.endpoint("scim/v2/ServiceProviderConfig")},
    }


def resource_types() -> list[dict[str, Any]]:
    return [_resource_type(kind) for kind in KINDS]


def resource_type(name: str) -> dict[str, Any]:
    """Raises `ScimError` (404)."""
    return next((one for one in resource_types() if one["id"] == name), None) or _missing()


def _resource_type(kind: Kind) -> dict[str, Any]:
    extensions = [{"schema": urn, "required": False} for urn in kind.extensions]
    return {
        "schemas": [f"{_CORE}:ResourceType"],
        "id": kind.name,
        "name": kind.name,
        "endpoint": f"/{kind.plural}",
        "description": kind.about,
        "schema": kind.schema,
        **({"schemaExtensions": extensions} if extensions else {}),
        "meta": {"resourceType": "ResourceType", "location": conf.endpoint(f"scim/v2/ResourceTypes/{kind.name}")},
    }


def schemas() -> list[dict[str, Any]]:
    found = []
    for kind in KINDS:
        found.append(_schema(kind.schema, kind.name, kind.about, (*kind.attributes, EXTERNAL_ID)))
        found += [_schema(urn, "EnterpriseUser", "Enterprise user", of) for urn, of in kind.extensions.items()]
    return found


def schema(urn: str) -> dict[str, Any]:
    """Raises `ScimError` (404)."""
    return next((one for one in schemas() if one["id"].lower() == urn.lower()), None) or _missing()


def _schema(urn: str, name: str, about: str, attributes: tuple[Attribute, ...]) -> dict[str, Any]:
    return {
        "schemas": [f"{_CORE}:Schema"],
        "id": urn,
        "name": name,
        "description": about,
        "attributes": [one.described() for one in attributes],
        "meta": {"resourceType": "Schema", "location": conf.endpoint(f"scim/v2/Schemas/{urn}")},
    }


def _missing() -> dict[str, Any]:
    raise not_found()
