"""The OpenAPI 3.1 document, made from the views themselves (drf-spectacular)."""

from functools import cache
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from rest_framework.request import Request
from rest_framework.response import Response

from authz.api.framework.view import ApiView
from authz.conf import conf
from authz.configuration.api_resource import SCOPES


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "authz.api.framework.authentication.TokenAuthentication"
    name = "oauth2"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        flow = {"tokenUrl": conf.endpoint("token"), "scopes": dict(SCOPES)}
        return {
            "type": "oauth2",
            "flows": {
                "authorizationCode": {"authorizationUrl": conf.endpoint("authorize"), **flow},
                "clientCredentials": flow,
            },
        }


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "authz.api.framework.authentication.ConsoleSession"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        from django.conf import settings

        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}


class Schema(ApiView):
    """This document."""

    requires = None
    authentication_classes = ()

    def get(self, request: Request) -> Response:
        return Response(document(), headers={"Cache-Control": "public, max-age=300"})


@cache
def document() -> dict[str, Any]:
    generator = SchemaGenerator(urlconf="authz.urls", api_version="1")  # type: ignore[no-untyped-call]
    made: dict[str, Any] = generator.get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    definitions = made["components"]["schemas"]
    for name in definitions:
        if name.endswith("Request"):
            definitions[name] = _closed(definitions[name])
    return made


def _closed(definition: dict[str, Any]) -> dict[str, Any]:
    """What is taken, not given: an unknown key is an error there, as `apply` has it."""
    if definition.get("type") == "object" and "properties" in definition:
        return {"additionalProperties": False, **definition}
    return definition
