"""Authentication of callers: an access token of this server, or the console's session.

The API is a protected resource like any other (RFC 9728): its tokens are for it alone (`aud`), come from the same
grants and rules, and are checked for liveness, as introspection does. A request with an Authorization header is
authenticated by that header alone. A session counts only without one, and needs a CSRF token.
"""

import time
from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import AnonymousUser
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request

from authz import dpop, resources, tokens
from authz.api.framework.principal import Principal
from authz.api.framework.problems import Problem
from authz.api.framework.reasons import ApiReason
from authz.api.framework.refusing import refuse
from authz.conf import conf
from authz.configuration.api_resource import USUAL_SCOPES, identifier
from authz.database import configuration_cache
from authz.dpop import Presented
from authz.models import ProtectedResource, User
from authz.protocol import jwts
from authz.protocol.dpop_proofs import Asked
from authz.protocol.errors import OAuthError
from authz.tokens.live import live_token


def metadata_url() -> str:
    # > the default … well-known URI path suffix … inserted between the host component and the path (RFC 9728 §3.1)
    return f"{conf.origin}/.well-known/oauth-protected-resource/api"


def registered() -> ProtectedResource | None:
    """The API's row, if an administrator has registered it: without one, no token is accepted."""
    found = resources.cached().get(resources.canonical(identifier()))
    return found if found is not None and found.identifier == identifier() else None


def challenge(error: str = "", scope: str = "") -> str:
    """The WWW-Authenticate header's value (RFC 6750 §3, RFC 9728 §5.1)."""
    wanted = scope or ("" if error else " ".join(USUAL_SCOPES))
    parts = {"resource_metadata": metadata_url(), "error": error, "scope": wanted}
    resource = registered()
    if resource is not None and resource.dpop_bound_access_tokens_required:
        return dpop.challenge(**parts)
    return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in parts.items() if value)


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer …` (RFC 6750 §2.1), or `DPoP …` for a token that is bound to a key (RFC 9449 §7.1).

    Never a token in a URL or a form, which may be logged."""

    def authenticate(self, request: Request) -> tuple[Any, Principal] | None:
        header = request.META.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        found = dpop.presented(header)
        if found is None:
            raise self._refusal(request, ApiReason.CREDENTIALS_UNKNOWN)
        configuration_cache.begin()
        principal = self._principal(request, found, time.time())
        return principal.person or AnonymousUser(), principal

    def authenticate_header(self, request: Request) -> str:
        return challenge()

    def _principal(self, request: Request, presented: Presented, now: float) -> Principal:
        try:
            claims = tokens.read(presented.token, now=now)
        except jwts.JwtError:
            raise self._refusal(request, ApiReason.TOKEN_INVALID) from None
        resource = registered()
        # > the resource server MUST … reject any JWT access token … if the "aud" claim does not contain a resource
        # > indicator value corresponding to an identifier the resource server expects for itself (RFC 9068 §4)
        if resource is None or claims["aud"] != resource.identifier:
            raise self._refusal(request, ApiReason.TOKEN_FOR_ANOTHER, claims["client_id"])
        found = live_token(claims, resource, now)
        # The whole row, since the token path does not read the role.
        person = _person(found.authorization.user_id) if found else None
        if found is None or (person is None and found.authorization.user_id is not None):
            raise self._refusal(request, ApiReason.TOKEN_ENDED, claims["client_id"])
        self._confirm(request, presented, claims, now)
        return Principal(person=person, client=found.client, scopes=frozenset(str(claims["scope"]).split()))

    def _confirm(self, request: Request, presented: Presented, claims: Mapping[str, Any], now: float) -> None:
        """Raises `Problem` where the token is bound to a key that the request does not show (RFC 9449 §7)."""
        address = dpop.address_of(request.META, request.path)
        try:
            dpop.confirm(request.META, presented, claims, Asked(method=str(request.method), address=address, now=now))
        except OAuthError as error:
            headers = dpop.refusal_headers(error, resource_metadata=metadata_url())
            client_id = str(claims["client_id"])
            raise refuse(
                request, error.reason, 401, client_id=client_id, detail=error.detail, headers=headers
            ) from None

    def _refusal(self, request: Request, reason: ApiReason, client_id: str = "") -> Problem:
        status = 400 if reason is ApiReason.CREDENTIALS_UNKNOWN else 401
        return refuse(
            request, reason, status, client_id=client_id, headers={"WWW-Authenticate": challenge(reason.code)}
        )


def _person(pk: int | None) -> User | None:
    return None if pk is None else User.objects.filter(pk=pk, is_active=True).first()


class ConsoleSession(SessionAuthentication):
    """The console's session. DRF demands its CSRF token with everything but GET and HEAD."""

    def authenticate(self, request: Request) -> tuple[Any, Principal] | None:
        try:
            found = super().authenticate(request)
        except exceptions.PermissionDenied as error:
            raise refuse(request, ApiReason.FORGED, 403, detail=str(error.detail)) from None
        return None if found is None else (found[0], Principal(person=found[0]))
